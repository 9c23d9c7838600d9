"""What the tests of lab 15 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "lstm_step": {
        "o and g swapped": [("i, f, g, o = sums", "i, f, o, g = sums")],
        "forget before input": [("i, f, g, o = sums", "f, i, g, o = sums")],
        "a bias forgotten": [(' + weights["bias_hh"]', "")],
        "sigmoid for what is written": [("g.tanh()", "g.sigmoid()")],
        "no gate on the old memory": [("f.sigmoid() * c", "c")],
        "no gate on what is written": [("i.sigmoid() * g.tanh()", "g.tanh()")],
        "the output shows the old memory": [("o.sigmoid() * memory.tanh()", "o.sigmoid() * c.tanh()")],
        "the output is not squashed": [("o.sigmoid() * memory.tanh()", "o.sigmoid() * memory")],
        "the output is not gated": [("o.sigmoid() * memory.tanh()", "memory.tanh()")],
        "memory and output swapped": [
            ("return o.sigmoid() * memory.tanh(), memory", "return memory, o.sigmoid() * memory.tanh()")
        ],
        "the forget gate coupled to the input gate": [("f.sigmoid() * c", "(1 - i.sigmoid()) * c")],
        "the old output is not read": [(' + h @ weights["weight_hh"].T', "")],
        "written over the old memory": [
            (
                "memory = f.sigmoid() * c + i.sigmoid() * g.tanh()",
                "memory = c.mul_(f.sigmoid()).add_(i.sigmoid() * g.tanh())",
            )
        ],
    },
    "reverse_padded": {
        "the whole batch turned": """
def reverse_padded(x, lengths):
    return x.flip(1)
""",
        "the batch axis turned": [(".flip(0)", ".flip(1)")],
        "turned in place": [("turned = x.clone()", "turned = x")],
        "padding first": [("turned[row, :length] = x[row, :length].flip(0)", "turned[row] = x[row].flip(0)")],
        "the last frame stays": [
            (
                "turned[row, :length] = x[row, :length].flip(0)",
                "turned[row, : length - 1] = x[row, : length - 1].flip(0)",
            )
        ],
        "one length for all": [("enumerate(lengths.tolist())", "enumerate([int(lengths.max())] * len(x))")],
    },
    "both_ways": {
        "the whole batch turned": [
            ("reverse_padded(x, lengths)", "x.flip(1)"),
            ("reverse_padded(back, lengths)", "back.flip(1)"),
        ],
        "not turned back": [("reverse_padded(back, lengths)", "back")],
        "not turned at all": [("reverse_padded(x, lengths)", "x"), ("reverse_padded(back, lengths)", "back")],
        "one reader for both directions": [
            ("self.backwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)", "self.backwards = self.forwards")
        ],
        "one direction": [
            ("torch.cat([ahead, reverse_padded(back, lengths)], dim=2)", "torch.cat([ahead, ahead], dim=2)"),
        ],
        "sum of both": [
            ("torch.cat([ahead, reverse_padded(back, lengths)], dim=2)", "ahead + reverse_padded(back, lengths)"),
            ("nn.Linear(2 * n_hidden", "nn.Linear(n_hidden"),
        ],
        "time and batch swapped": [
            (
                "self.forwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)",
                "self.forwards = nn.LSTM(n_inputs, n_hidden)",
            ),
        ],
        "softmax at the end": [
            ("return self.to_logits(self.dropout(both))", "return self.to_logits(self.dropout(both)).softmax(2)")
        ],
        "PyTorch's bidirectional, padding and all": """
class BothWays(nn.Module):
    def __init__(self, n_inputs=14, n_classes=10, n_hidden=64, dropout=0.0):
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, n_hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(dropout)
        self.to_logits = nn.Linear(2 * n_hidden, n_classes)

    def forward(self, x, lengths):
        return self.to_logits(self.drop(self.lstm(x)[0]))
""",
        "dropout forgotten": [("self.to_logits(self.dropout(both))", "self.to_logits(both)")],
        "dropout of one half whatever is asked": [("nn.Dropout(dropout)", "nn.Dropout(0.5)")],
        "dropout of one half if any is asked": [("nn.Dropout(dropout)", "nn.Dropout(0.5 if dropout else 0.0)")],
        "dropout of the reader ahead only": [
            ("ahead = self.forwards(x)[0]", "ahead = self.dropout(self.forwards(x)[0])"),
            ("self.to_logits(self.dropout(both))", "self.to_logits(both)"),
        ],
        "dropout of what the reader ahead reads": [
            ("ahead = self.forwards(x)[0]", "ahead = self.forwards(self.dropout(x))[0]"),
            ("self.to_logits(self.dropout(both))", "self.to_logits(both)"),
        ],
        "dropout when it is used, too": [
            ("self.dropout(both)", "nn.functional.dropout(both, self.dropout.p)"),
        ],
        "the second reader is made and never asked": [
            ("self.backwards(reverse_padded(x, lengths))", "self.forwards(reverse_padded(x, lengths))")
        ],
    },
    "prepare_trial": {
        "thinned out before dropping": [
            (
                "signals, labels = np.asarray(signals, float)[known][::every], labels[known][::every]",
                "signals, labels, known = np.asarray(signals, float)[::every], labels[::every], known[::every]\n"
                "    signals, labels = signals[known], labels[known]",
            )
        ],
        "scaled over what is dropped, too": [
            (
                "spread = signals.std(axis=0)",
                "everything = signals",
            ),
            ("known = labels >= 0", "whole = np.asarray(signals, float)\n    known = labels >= 0"),
            ("spread[spread == 0] = 1", "spread = np.where(whole.std(axis=0) == 0, 1, whole.std(axis=0))"),
            ("(signals - signals.mean(axis=0)) / spread", "(signals - whole.mean(axis=0)) / spread"),
        ],
        "gesture 0 dropped": [("labels >= 0", "labels > 0")],
        "one scale for all signals": [("signals.std(axis=0)", "np.full(signals.shape[1], signals.std())")],
        "nothing over nothing": [("    spread[spread == 0] = 1\n", "")],
        "divided by n - 1": [("signals.std(axis=0)", "signals.std(axis=0, ddof=1)")],
        "by the variance": [("signals.std(axis=0)", "signals.var(axis=0)")],
        "to the range 0 to 1": [
            (
                "return (signals - signals.mean(axis=0)) / spread, labels",
                "low, high = signals.min(axis=0), signals.max(axis=0)\n"
                "    return (signals - low) / np.where(high > low, high - low, 1), labels",
            )
        ],
        "labels not thinned out": [("labels[known][::every]", "labels[known][: len(labels[known][::every])]")],
        "nothing dropped": [("known = labels >= 0", "known = labels >= -1")],
    },
    "leave_one_surgeon_out": {
        "leave one trial out": """
def leave_one_surgeon_out(surgeons):
    everyone = range(len(surgeons))
    return [(surgeons[k], [i for i in everyone if i != k], [k]) for k in everyone]
""",
        "tested on those who trained": [("if surgeon != left_out", "")],
        "train and test swapped": [("(left_out, train, test)", "(left_out, test, train)")],
        "in the order in which they appear": [("sorted(set(surgeons))", "dict.fromkeys(surgeons)")],
        "a fold for each trial": [("sorted(set(surgeons))", "sorted(surgeons)")],
        "one trial of each in the test": [
            ("folds.append((left_out, train, test))", "folds.append((left_out, train + test[1:], test[:1]))")
        ],
        "the last surgeon forgotten": [("sorted(set(surgeons))", "sorted(set(surgeons))[:-1]")],
    },
    "to_segments": {
        "the last segment forgotten": [
            ("range(1, len(labels) + 1)", "range(1, len(labels))"),
            ("frame == len(labels) or ", ""),
        ],
        "the end is the last frame": [("start, frame))", "start, frame - 1))")],
        "each label once": """
def to_segments(labels):
    return [(int(k), int(np.flatnonzero(labels == k)[0]), int(np.flatnonzero(labels == k)[-1]) + 1) for k in np.unique(labels)]
""",
        "the label of the next one": [("int(labels[start])", "int(labels[min(frame, len(labels) - 1)])")],
        "lengths instead of ends": [("start, frame))", "start, frame - start))")],
    },
    "edit_distance": {
        "not in per cent": [("100 * table[-1, -1]", "table[-1, -1]")],
        "in per cent of the truth": [("max(len(truth), len(predicted))", "len(truth)")],
        "in per cent of the prediction": [("max(len(truth), len(predicted))", "len(predicted)")],
        "in per cent of both": [("max(len(truth), len(predicted))", "(len(truth) + len(predicted))")],
        "a renaming costs two": [("(a != b)", "2 * (a != b)")],
        "place by place": """
def edit_distance(truth, predicted):
    wrong = sum(a != b for a, b in zip(truth, predicted)) + abs(len(truth) - len(predicted))
    return 100 * wrong / max(len(truth), len(predicted))
""",
        "no deletions": [("table[i, j - 1] + 1", "table[i - 1, j] + 1")],
        "the first row stays 0": [("    table[0] = np.arange(len(predicted) + 1)\n", "")],
        "the score of Lea": [
            (
                "return 100 * table[-1, -1] / max(len(truth), len(predicted))",
                "return 100 - 100 * table[-1, -1] / max(len(truth), len(predicted))",
            )
        ],
        "swaps cost one": """
def edit_distance(truth, predicted):
    m, n = len(truth), len(predicted)
    d = [[max(i, j) for j in range(n + 1)] for i in range(m + 1)]
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (truth[i - 1] != predicted[j - 1]))
            if i > 1 and j > 1 and truth[i - 1] == predicted[j - 2] and truth[i - 2] == predicted[j - 1]:
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return 100 * d[m][n] / max(m, n)
""",
    },
    "segmental_f1": {
        "more than k": [("best_iou >= overlap", "best_iou > overlap")],
        "labels do not matter": [("label == true_label and iou > best_iou", "iou > best_iou")],
        "the label is asked for after the largest overlap": [
            ("if label == true_label and iou > best_iou", "if iou > best_iou"),
            ("if best_iou >= overlap:", "if best_iou >= overlap and truth[best][0] == label:"),
        ],
        "hit as often as you like": [
            ("taken = set()", "taken = []"),
            ("taken.add(best)", "taken.append(best)"),
        ],
        "over the true segment": [
            ("(end - start + true_end - true_start - shared)", "(true_end - true_start)"),
        ],
        "over the sum of both": [
            ("(end - start + true_end - true_start - shared)", "(end - start + true_end - true_start)"),
        ],
        "over the hull without a floor": [
            (
                "shared = max(min(end, true_end) - max(start, true_start), 0)",
                "shared = abs(min(end, true_end) - max(start, true_start))",
            ),
        ],
        "precision": [("100 * 2 * len(taken) / (len(predicted) + len(truth))", "100 * len(taken) / len(predicted)")],
        "recall": [("100 * 2 * len(taken) / (len(predicted) + len(truth))", "100 * len(taken) / len(truth)")],
        "a share, not per cent": [("return 100 * 2 *", "return 2 *")],
        "takes the next best when the best is taken": [
            (
                "if label == true_label and iou > best_iou",
                "if k not in taken and label == true_label and iou > best_iou",
            ),
        ],
    },
}

ALTERNATIVES = {
    "lstm_step": {
        "gate by gate, in numpy's way": """
def lstm_step(x, h, c, weights):
    n = h.shape[1]

    def part(k):
        rows = slice(k * n, (k + 1) * n)
        return (
            x.matmul(weights["weight_ih"][rows].t()) + weights["bias_ih"][rows]
            + h.matmul(weights["weight_hh"][rows].t()) + weights["bias_hh"][rows]
        )

    keep, write = torch.sigmoid(part(1)), torch.sigmoid(part(0))
    new = keep * c + write * torch.tanh(part(2))
    return torch.sigmoid(part(3)) * torch.tanh(new), new
""",
        "in double precision, returned as a list": """
def lstm_step(x, h, c, weights):
    w = {k: v.double() for k, v in weights.items()}
    both = torch.cat([x, h], dim=1).double() @ torch.cat([w["weight_ih"], w["weight_hh"]], dim=1).T
    i, f, g, o = torch.split(both + w["bias_ih"] + w["bias_hh"], h.shape[1], dim=1)
    new = 1 / (1 + torch.exp(-f)) * c + 1 / (1 + torch.exp(-i)) * torch.tanh(g)
    return [1 / (1 + torch.exp(-o)) * torch.tanh(new), new]
""",
        "PyTorch's own": """
def lstm_step(x, h, c, weights):
    cell = nn.LSTMCell(x.shape[1], h.shape[1])
    cell.load_state_dict(weights)
    with torch.no_grad():
        return cell(x, (h, c))
""",
    },
    "reverse_padded": {
        "by an index": """
def reverse_padded(x, lengths):
    t = torch.arange(x.shape[1])[None]
    last = lengths[:, None] - 1
    index = torch.where(t <= last, last - t, t)
    return torch.gather(x, 1, index[:, :, None].expand_as(x))
""",
        "put together": """
def reverse_padded(x, lengths):
    rows = [torch.cat([torch.flip(row[: int(n)], [0]), row[int(n) :]]) for row, n in zip(x, lengths)]
    return torch.stack(rows)
""",
    },
    "both_ways": {
        "PyTorch's bidirectional, packed": """
class BothWays(nn.Module):
    def __init__(self, n_inputs=14, n_classes=10, n_hidden=64, dropout=0.0):
        super().__init__()
        self.lstm = nn.LSTM(n_inputs, n_hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(2 * n_hidden, n_classes)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        return self.out(self.drop(hidden))
""",
        "time first, one sequence at a time": """
class BothWays(nn.Module):
    def __init__(self, n_inputs=14, n_classes=10, n_hidden=64, dropout=0.0):
        super().__init__()
        self.last = nn.Linear(n_hidden * 2, n_classes)
        self.b = nn.LSTM(n_inputs, n_hidden)
        self.a = nn.LSTM(n_inputs, n_hidden)
        self.p = dropout

    def forward(self, x, lengths):
        rows = []
        for row, n in zip(x, lengths.tolist()):
            there, back = self.a(row[:n])[0], self.b(row[:n].flip(0))[0].flip(0)
            both = torch.cat([back, there], 1)
            rest = both.new_zeros(len(row) - n, both.shape[1])
            rows.append(torch.cat([both, rest]))
        return self.last(nn.functional.dropout(torch.stack(rows), self.p, self.training))
""",
    },
    "prepare_trial": {
        "step by step, with lists": """
def prepare_trial(signals, labels, every=6):
    frames = [i for i in range(len(labels)) if labels[i] != -1]
    frames = [frame for n, frame in enumerate(frames) if n % every == 0]
    x = np.array([[float(v) for v in signals[i]] for i in frames])
    x -= np.mean(x, axis=0)
    sd = np.sqrt(np.mean(x**2, axis=0))
    return np.divide(x, sd, out=np.zeros_like(x), where=sd > 0), np.array([labels[i] for i in frames])
""",
        "scipy, which warns": """
def prepare_trial(signals, labels, every=6):
    import warnings

    from scipy.stats import zscore

    warnings.warn("scaling")
    where = np.flatnonzero(np.asarray(labels) > -1)[::every]
    return np.nan_to_num(zscore(signals[where].astype(float), axis=0)), labels[where]
""",
    },
    "leave_one_surgeon_out": {
        "scikit-learn": """
def leave_one_surgeon_out(surgeons):
    from sklearn.model_selection import LeaveOneGroupOut

    splits = LeaveOneGroupOut().split(surgeons, groups=surgeons)
    return [(surgeons[test[0]], train, test) for train, test in splits]
""",
        "with arrays": """
def leave_one_surgeon_out(surgeons):
    who = np.array(surgeons)
    return [[str(name), np.flatnonzero(who != name).tolist(), np.flatnonzero(who == name).tolist()] for name in np.unique(who)]
""",
    },
    "to_segments": {
        "by differences": """
def to_segments(labels):
    labels = np.asarray(labels)
    cuts = np.concatenate([[0], np.flatnonzero(labels[1:] != labels[:-1]) + 1, [len(labels)]])
    return [[labels[a], a, b] for a, b in zip(cuts[:-1], cuts[1:])]
""",
        "itertools": """
def to_segments(labels):
    from itertools import groupby

    out, at = [], 0
    for label, run in groupby(labels):
        n = len(list(run))
        out.append((label, at, at + n))
        at += n
    return out
""",
    },
    "edit_distance": {
        "by recursion": """
def edit_distance(truth, predicted):
    from functools import lru_cache

    @lru_cache(None)
    def d(i, j):
        if not i or not j:
            return i + j
        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (truth[i - 1] != predicted[j - 1]))

    return d(len(truth), len(predicted)) / max(len(truth), len(predicted)) * 100
""",
        "row by row, swapped": """
def edit_distance(truth, predicted):
    a, b = list(predicted), list(truth)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        diagonal, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            diagonal, row[j + 1] = row[j + 1], diagonal if x == y else 1 + min(diagonal, row[j], row[j + 1])
    return np.float32(100.0 * row[-1] / (len(a) if len(a) > len(b) else len(b)))
""",
    },
    "segmental_f1": {
        "with arrays": """
def segmental_f1(truth, predicted, overlap):
    t = np.array(truth)
    used = np.zeros(len(t), bool)
    tp = fp = 0
    for label, a, b in predicted:
        inter = np.clip(np.minimum(t[:, 2], b) - np.maximum(t[:, 1], a), 0, None)
        iou = inter / ((b - a) + (t[:, 2] - t[:, 1]) - inter) * (t[:, 0] == label)
        k = iou.argmax()
        if iou[k] >= overlap and not used[k]:
            used[k] = True
            tp += 1
        else:
            fp += 1
    fn = len(t) - used.sum()
    return 200 * tp / (2 * tp + fp + fn)
""",
        "with sets of frames": """
def segmental_f1(truth, predicted, overlap):
    taken = []
    for label, a, b in predicted:
        frames = set(range(a, b))
        scores = [
            len(frames & set(range(s, e))) / len(frames | set(range(s, e))) if k == label else 0 for k, s, e in truth
        ]
        best = scores.index(max(scores))
        if scores[best] >= overlap and best not in taken:
            taken.append(best)
    precision, recall = len(taken) / len(predicted), len(taken) / len(truth)
    return 100 * 2 * precision * recall / (precision + recall) if taken else 0.0
""",
    },
}

# Mutants of the reference answers that are no other program.
_NO_HIT = "what stands there before a true segment overlaps is used only for an overlap of at least k, which is above 0"
EQUIVALENT = {
    "both_ways": {
        "`both = torch.cat([ahead, reverse_padded(back, lengths)], dim=2)` -> "
        "`both = torch.cat([reverse_padded(back, lengths), ahead], dim=2)`": (
            "the last layer learns its weights for either order"
        ),
    },
    "prepare_trial": {
        "`spread[spread == 0] = 1` -> `spread[spread == 0] = 2`": "a signal that never changes is 0 over any number",
        "`spread[spread == 0] = 1` -> `spread[spread == 0] = -1`": "a signal that never changes is 0 over any number",
    },
    "to_segments": {
        "`for frame in range(1, len(labels) + 1):` -> `for frame in range(0, len(labels) + 1):`": (
            "frame 0 has the label of the first segment, so nothing ends there"
        ),
    },
    "edit_distance": {
        "`table[:, 0] = np.arange(len(truth) + 1) table[0] = np.arange(len(predicted) + 1)` -> "
        "`table[0] = np.arange(len(predicted) + 1) table[:, 0] = np.arange(len(truth) + 1)`": (
            "both put 0 where row and column meet"
        ),
    },
    "segmental_f1": {
        "`best, best_iou = -1, 0.0` -> `best_iou, best = -1, 0.0`": _NO_HIT,
        "`best, best_iou = -1, 0.0` -> `best, best_iou = 0.0, -1`": _NO_HIT,
        "`best, best_iou = -1, 0.0` -> `best, best_iou = 1, 0.0`": _NO_HIT,
        "`best, best_iou = -1, 0.0` -> `best, best_iou = -2, 0.0`": _NO_HIT,
        "`best, best_iou = -1, 0.0` -> `best, best_iou = -0, 0.0`": _NO_HIT,
        "`best, best_iou = -1, 0.0` -> `best, best_iou = -1, -1.0`": _NO_HIT,
        "`shared = max(min(end, true_end) - max(start, true_start), 0)` -> "
        "`shared = max(min(end, true_end) - max(start, true_start), -1)`": (
            "segments that do not overlap get an IoU below 0 instead of 0, and are no hits either way"
        ),
    },
}
