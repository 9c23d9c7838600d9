"""What the tests of lab 16 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "layer_reader": {
        "hooks stay": [("            for hook in hooks:\n                hook.remove()\n", "")],
        "hooks stay after an error": [
            (
                "        finally:\n            for hook in hooks:",
                "        except ImportError:\n            pass\n        else:\n            for hook in hooks:",
            )
        ],
        "hooks are hung up before anything can catch": [
            (
                "        try:\n            for name in self.names:\n"
                "                hooks.append(self.net.get_submodule(name).register_forward_hook(keep_as(name)))\n",
                "        for name in self.names:\n"
                "            hooks.append(self.net.get_submodule(name).register_forward_hook(keep_as(name)))\n        try:\n",
            )
        ],
        "only the last hook is taken away": [
            (
                "            for hook in hooks:\n                hook.remove()",
                "            if hooks:\n                hooks[-1].remove()",
            )
        ],
        "training mode": [("            self.net.eval()\n", "")],
        "evaluation mode for good": [("            self.net.train(was_training)\n", "")],
        "training mode for good": [("self.net.train(was_training)", "self.net.train()")],
        "not flattened": [("output.flatten(1).numpy()", "output.numpy()")],
        "flattened over pictures, too": [("output.flatten(1)", "output.flatten()")],
        "what goes into the layer": [("output.flatten(1)", "given[0].flatten(1)")],
        "every name gets the last layer": [
            (
                "return lambda layer, given, output: found.update({name: output.flatten(1).numpy().copy()})",
                "return lambda layer, given, output: found.update({n: output.flatten(1).numpy().copy() for n in self.names})",
            )
        ],
        "a layer of a layer is not found": [("self.net.get_submodule(name)", "getattr(self.net, name)")],
        "behind a ReLU": [("output.flatten(1)", "output.relu().flatten(1)")],
        "overwritten by the next layer": [("output.flatten(1).numpy().copy()", "output.flatten(1).numpy()")],
        "the mean of each map": [("output.flatten(1)", "output.flatten(2).mean(2) if output.ndim > 2 else output")],
    },
    "patient_folds": {
        "by film": """
def patient_folds(labels, patients, n_folds, seed):
    from sklearn.model_selection import StratifiedKFold

    return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels))
""",
        "not stratified": """
def patient_folds(labels, patients, n_folds, seed):
    patients = np.asarray(patients)
    people = np.random.default_rng(seed).permutation(np.unique(patients))
    tests = [np.flatnonzero(np.isin(patients, part)) for part in np.array_split(people, n_folds)]
    return [(np.setdiff1d(np.arange(len(patients)), test), test) for test in tests]
""",
        "always the same deal": [("random_state=seed", "random_state=0")],
        "another deal each time": [("random_state=seed", "random_state=None")],
        "not shuffled": [("shuffle=True, random_state=seed", "shuffle=False")],
        "one fold more": [("StratifiedGroupKFold(n_folds,", "StratifiedGroupKFold(n_folds + 1,")],
        "test and training swapped": [
            (
                "list(splitter.split(labels, labels, patients))",
                "[(b, a) for a, b in splitter.split(labels, labels, patients)]",
            )
        ],
        "all films in training": [
            (
                "list(splitter.split(labels, labels, patients))",
                "[(np.arange(len(labels)), b) for a, b in splitter.split(labels, labels, patients)]",
            )
        ],
        "stratified by patient's name": [
            ("splitter.split(labels, labels, patients)", "splitter.split(labels, np.zeros(len(labels)), patients)")
        ],
    },
    "scale_blocks": {
        "each side by its own mean": [("(test - train.mean(axis=0))", "(test - test.mean(axis=0))")],
        "each side by its own spread": [
            ("(test - train.mean(axis=0)) / spread", "(test - train.mean(axis=0)) / (test.std(axis=0) + 1e-12)")
        ],
        "mean and spread of all films": [
            (
                "        spread = train.std(axis=0)\n",
                "        train_only, train = train, np.concatenate([train, test])\n        spread = train.std(axis=0)\n",
            ),
            ("(train - train.mean(axis=0)) / spread", "(train_only - train.mean(axis=0)) / spread"),
        ],
        "the number of columns forgotten": [(" * np.sqrt(train.shape[1])", "")],
        "divided by the number of columns": [("np.sqrt(train.shape[1])", "train.shape[1]")],
        "divided by the root of the number of films": [("np.sqrt(train.shape[1])", "np.sqrt(len(train))")],
        "divided by the root of all columns": [
            ("np.sqrt(train.shape[1])", "np.sqrt(sum(b.shape[1] for b in train_blocks))")
        ],
        "a column without change is not a number": [("np.where(spread > 0, spread, np.inf)", "spread")],
        "a column without change counts in the test": [
            ("np.where(spread > 0, spread, np.inf)", "np.where(spread > 0, spread, 1)")
        ],
        "the sample's standard deviation": [("train.std(axis=0)", "train.std(axis=0, ddof=1)")],
        "one scale for the whole block": [("train.std(axis=0)", "np.full(train.shape[1], train.std())")],
        "one mean for the whole block": [("(train - train.mean(axis=0))", "(train - train.mean())")],
        "only the first block": [("zip(train_blocks, test_blocks)", "zip(train_blocks[:1], test_blocks[:1])")],
    },
    "cross_validated_auc": {
        "the decision instead of its value": [(".decision_function(asked)", ".predict(asked)")],
        "tested on what it learned": [("decide(chosen, train, test) for", "decide(chosen, test, test) for")],
        "scaled before the folds": [
            (
                "scale_blocks([block[train] for block in chosen], [block[test] for block in chosen])",
                "(lambda x: (x[train], x[test]))(scale_blocks(chosen, chosen)[0])",
            )
        ],
        "all films in one AUC": """
def cross_validated_auc(blocks, labels, folds, late=False):
    from sklearn.metrics import roc_auc_score
    from sklearn.svm import SVC

    values, truths = [], []
    for train, test in folds:
        total = 0
        for chosen in [[b] for b in blocks] if late else [blocks]:
            known, asked = scale_blocks([b[train] for b in chosen], [b[test] for b in chosen])
            total = total + SVC(kernel="linear", C=1.0).fit(known, labels[train]).decision_function(asked)
        values.append(total)
        truths.append(labels[test])
    return roc_auc_score(np.concatenate(truths), np.concatenate(values))
""",
        "a curved SVM": [('kernel="linear"', 'kernel="rbf"')],
        "a soft margin of another width": [("C=1.0", "C=0.01")],
        "late whatever is asked": [("if late else", "if True else")],
        "early whatever is asked": [("if late else", "if False else")],
        "early and late swapped": [("if late else", "if not late else")],
        "late is the default": [("late: bool = False", "late: bool = True")],
        "the best block instead of the mean": [
            (
                "np.mean([decide(chosen, train, test) for chosen in groups], axis=0)",
                "np.max([decide(chosen, train, test) for chosen in groups], axis=0)",
            )
        ],
        "votes instead of values": [
            (
                "np.mean([decide(chosen, train, test) for chosen in groups], axis=0)",
                "np.mean([np.sign(decide(chosen, train, test)) for chosen in groups], axis=0)",
            )
        ],
        "the last fold only": [("float(np.mean(found))", "float(found[-1])")],
        "the best fold": [("float(np.mean(found))", "float(np.max(found))")],
    },
    "gradient_map": {
        "with its sign": [(".abs().amax(dim=0)", ".amax(dim=0)")],
        "mean over channels": [(".abs().amax(dim=0)", ".abs().mean(dim=0)")],
        "summed before the absolute value": [(".abs().amax(dim=0)", ".sum(dim=0).abs()")],
        "of the probability": [("net.eval()(x)[0, k]", "net.eval()(x).softmax(1)[0, k]")],
        "of all scores": [("net.eval()(x)[0, k]", "net.eval()(x).sum()")],
        "of the first score": [("net.eval()(x)[0, k]", "net.eval()(x)[0, 0]")],
        "of the largest score": [("net.eval()(x)[0, k]", "net.eval()(x).max()")],
        "times the input": [("gradient[0].abs()", "(gradient[0] * image).abs()")],
        "brought to 1": [(".amax(dim=0).numpy()", ".amax(dim=0).numpy() / float(gradient.abs().max())")],
        "training mode": [("net.eval()(x)", "net.train()(x)")],
        "evaluation mode for good": [("    net.train(was_training)\n", "")],
        "squared": [("gradient[0].abs()", "(gradient[0] ** 2)")],
    },
    "occlusion_map": {
        "after minus before": [
            ("net(image[None])[:, k] - net(hidden)[:, k]", "net(hidden)[:, k] - net(image[None])[:, k]")
        ],
        "sum instead of mean": [("return total / times", "return total")],
        "no square at the far border": [
            (
                "sorted({*range(0, height - side + 1, stride), height - side})",
                "list(range(0, height - side + 1, stride))",
            ),
            ("sorted({*range(0, width - side + 1, stride), width - side})", "list(range(0, width - side + 1, stride))"),
            ("return total / times", "return total / np.maximum(times, 1)"),
        ],
        "the last square left out": [
            (
                "*range(0, height - side + 1, stride), height - side}",
                "*range(0, height - side, stride), height - side - 1}",
            )
        ],
        "rows and columns swapped": [("picture[:, r, c] = fill", "picture[:, c, r] = fill")],
        "only the first channel hidden": [("picture[:, r, c] = fill", "picture[0, r, c] = fill")],
        "always grey one half": [("picture[:, r, c] = fill", "picture[:, r, c] = 0.5")],
        "squares pile up": [("image.repeat(len(squares), 1, 1, 1)", "image[None].expand(len(squares), -1, -1, -1)")],
        "absolute fall": [("total[square] += fall", "total[square] += abs(fall)")],
        "only the middle of the square": [
            (
                "total[square] += fall\n        times[square] += 1",
                "middle = (square[0].start + side // 2, square[1].start + side // 2)\n        total[middle] += fall\n        times[middle] += 1",
            ),
            ("return total / times", "return total / np.maximum(times, 1)"),
        ],
        "stride ignored": [
            ("height - side + 1, stride)", "height - side + 1, side)"),
            ("width - side + 1, stride)", "width - side + 1, side)"),
        ],
        "another default of the grey": [("fill: float = 0.5", "fill: float = 0.0")],
        "the largest fall": [
            (
                "total[square] += fall\n        times[square] += 1",
                "total[square] = np.maximum(total[square], fall)\n        times[square] = 1",
            )
        ],
    },
    "randomise": {
        "the original forgets": [("copy = deepcopy(net)", "copy = net")],
        "a shallow copy": [("from copy import deepcopy", "from copy import copy as deepcopy")],
        "all layers": [("copy.get_submodule(name).parameters()", "copy.parameters()")],
        "weights only": [("if weight.numel() > 1:", "if weight.ndim > 1:")],
        "standard normal": [("weight.mean() + weight.std() * torch", "torch")],
        "mean forgotten": [("weight.mean() + weight.std()", "weight.std()")],
        "variance for spread": [("weight.std()", "weight.var()")],
        "uniform within the spread": [("torch.randn(weight.shape", "torch.rand(weight.shape")],
        "noise added": [("weight.mean() + weight.std()", "weight + weight.std()")],
        "the seed is ignored": [("manual_seed(seed)", "manual_seed(0)")],
        "PyTorch's own seed": [(", generator=chance", "")],
        "zeros": [
            ("weight.mean() + weight.std() * torch.randn(weight.shape, generator=chance)", "torch.zeros(weight.shape)")
        ],
        "a layer of a layer is not found": [("copy.get_submodule(name)", "copy._modules[name]")],
        "a single number is lost": [("if weight.numel() > 1:", "if True:")],
    },
}

ALTERNATIVES = {
    "layer_reader": {
        "names looked up, one stack of handles": """
class LayerReader:
    def __init__(self, net, names):
        self.net, self.names = net, names

    @torch.inference_mode()
    def read(self, images):
        from contextlib import ExitStack

        out, layers, before = {}, dict(self.net.named_modules()), self.net.training
        with ExitStack() as stack:
            stack.callback(self.net.train, before)
            for name in self.names:

                def keep(module, inputs, output, name=name):
                    out[name] = output.detach().reshape(len(output), -1).clone()

                handle = layers[name].register_forward_hook(keep)
                stack.callback(handle.remove)
            self.net.train(False)
            self.net(images)
        return {name: out[name].cpu().double().numpy() for name in self.names}
""",
        "tensors, and a warning": [
            (
                "            self.net.eval()\n",
                "            import warnings\n\n            warnings.warn('listening', stacklevel=1)\n            self.net.eval()\n",
            ),
            ("output.flatten(1).numpy().copy()", "output.flatten(1).clone()"),
        ],
    },
    "patient_folds": {
        "dealt by hand": """
def patient_folds(labels, patients, n_folds, seed):
    rng, labels, patients = np.random.default_rng(seed), np.asarray(labels), np.asarray(patients)
    people = rng.permutation(np.unique(patients))
    ill = np.array([labels[patients == p].sum() for p in people])
    n = np.array([(patients == p).sum() for p in people])
    folds, sick, size = [[] for _ in range(n_folds)], np.zeros(n_folds), np.zeros(n_folds)
    for i in np.argsort(-(ill * 1000 + n), kind="stable"):
        k = min(range(n_folds), key=lambda j: ((sick[j], size[j]) if ill[i] else (size[j], sick[j])))
        folds[k].append(people[i])
        sick[k] += ill[i]
        size[k] += n[i]
    tests = [np.flatnonzero(np.isin(patients, f)).tolist() for f in folds]
    return [([i for i in range(len(labels)) if i not in set(t)], t) for t in tests]
""",
        "numbers for names": [
            (
                "splitter.split(labels, labels, patients)",
                "splitter.split(np.zeros((len(labels), 1)), np.asarray(labels, int), np.unique(patients, return_inverse=True)[1])",
            )
        ],
    },
    "scale_blocks": {
        "scikit-learn's scaler": """
def scale_blocks(train_blocks, test_blocks):
    from sklearn.preprocessing import StandardScaler

    pairs = []
    for a, b in zip(train_blocks, test_blocks):
        scaler = StandardScaler().fit(a)
        keep = (a.max(0) > a.min(0)) / a.shape[1] ** 0.5
        pairs.append((scaler.transform(a) * keep, scaler.transform(b) * keep))
    return tuple(np.hstack(side) for side in zip(*pairs))
""",
        "column by column": """
def scale_blocks(train_blocks, test_blocks):
    left, right = [], []
    for a, b in zip(train_blocks, test_blocks):
        for j in range(a.shape[1]):
            m, s = a[:, j].mean(), np.sqrt(np.mean((a[:, j] - a[:, j].mean()) ** 2))
            f = 0.0 if s == 0 else 1 / (s * a.shape[1] ** 0.5)
            left.append((a[:, j] - m) * f)
            right.append((b[:, j] - m) * f)
    return [np.array(left).T, np.array(right).T]
""",
    },
    "cross_validated_auc": {
        "products of films": """
def cross_validated_auc(blocks, labels, folds, late=False):
    from scipy.stats import mannwhitneyu
    from sklearn.svm import SVC

    out = 0.0
    for train, test in folds:
        train, test = np.asarray(train), np.asarray(test)
        parts = [scale_blocks([b[train]], [b[test]]) for b in blocks]
        grams = [(a @ a.T, b @ a.T) for a, b in parts]
        if not late:
            grams = [(sum(g for g, _ in grams), sum(h for _, h in grams))]
        y = np.asarray(labels)[train].astype(int)
        s = sum(SVC(C=1.0, kernel="precomputed").fit(g, y).decision_function(h) for g, h in grams)
        truth = np.asarray(labels)[test]
        out += mannwhitneyu(s[truth], s[~truth]).statistic / (truth.sum() * (~truth).sum()) / len(folds)
    return np.float32(out)
""",
        "two branches": """
def cross_validated_auc(blocks, labels, folds, late=False):
    from sklearn.metrics import auc, roc_curve
    from sklearn.svm import SVC

    scores = []
    for train, test in folds:
        if late:
            s = np.zeros(len(test))
            for b in blocks:
                x, z = scale_blocks([b[train]], [b[test]])
                s += SVC(kernel="linear").fit(x, labels[train]).decision_function(z) / len(blocks)
        else:
            x, z = scale_blocks([b[train] for b in blocks], [b[test] for b in blocks])
            s = SVC(kernel="linear").fit(x, labels[train]).decision_function(z)
        fpr, tpr, _ = roc_curve(labels[test], s)
        scores.append(auc(fpr, tpr))
    return sum(scores) / len(scores)
""",
    },
    "gradient_map": {
        "backward": """
def gradient_map(net, image, k):
    mode = net.training
    net.train(False)
    x = torch.tensor(image.tolist(), requires_grad=True)
    net(x.unsqueeze(0)).squeeze(0)[k].backward()
    net.zero_grad()
    net.train(mode)
    return x.grad.abs().max(dim=0).values
""",
        "torch.func, in double precision": """
def gradient_map(net, image, k):
    mode = net.training
    net.eval()
    try:
        slope = torch.func.grad(lambda x: net(x[None])[0][k])(image)
    finally:
        net.train(mode)
    return np.max(np.abs(slope.detach().double().numpy()), axis=0)
""",
    },
    "occlusion_map": {
        "square by square": """
def occlusion_map(net, image, k, side=8, stride=4, fill=0.5):
    _, h, w = image.shape
    rows = list(range(0, h - side + 1, stride))
    cols = list(range(0, w - side + 1, stride))
    if rows[-1] + side < h:
        rows.append(h - side)
    if cols[-1] + side < w:
        cols.append(w - side)
    seen, n = torch.zeros(h, w), torch.zeros(h, w)
    with torch.no_grad():
        base = net(image.unsqueeze(0))[0, k].item()
        for r in rows:
            for c in cols:
                x = image.clone()
                x[..., r : r + side, c : c + side] = fill
                seen[r : r + side, c : c + side] += base - net(x.unsqueeze(0))[0, k].item()
                n[r : r + side, c : c + side] += 1
    return seen / n
""",
        "masks": """
def occlusion_map(net, image, k, side=8, stride=4, fill=0.5):
    h, w = image.shape[-2:]
    masks = []
    for r in sorted(set(range(0, h - side, stride)) | {h - side}):
        for c in sorted(set(range(0, w - side, stride)) | {w - side}):
            m = torch.zeros(h, w)
            m[r : r + side, c : c + side] = 1
            masks.append(m)
    masks = torch.stack(masks)
    with torch.inference_mode():
        covered = image * (1 - masks[:, None]) + fill * masks[:, None]
        drop = net(image[None])[0, k] - net(covered)[:, k]
    return ((drop[:, None, None] * masks).sum(0) / masks.sum(0)).numpy()
""",
    },
    "randomise": {
        "by name of the parameter": """
def randomise(net, names, seed):
    import copy

    other, chance = copy.deepcopy(net), torch.Generator()
    chance.manual_seed(seed + 1)
    for key, value in other.named_parameters():
        if any(key.rpartition(".")[0] == name for name in names) and value.numel() > 1:
            noise = torch.empty_like(value).normal_(generator=chance)
            value.data = value.data.mean() + noise * value.data.std()
    return other
""",
        "numpy's numbers, a new state": """
def randomise(net, names, seed):
    import copy

    rng, other = np.random.default_rng(seed), copy.deepcopy(net)
    state = other.state_dict()
    for key in state:
        if key.rsplit(".", 1)[0] in names and state[key].numel() > 1:
            old = state[key].numpy()
            state[key] = torch.as_tensor(rng.normal(old.mean(), old.std(), old.shape), dtype=torch.float32)
    other.load_state_dict(state)
    return other
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "scale_blocks": {
        "`known, asked = [], []` -> `asked, known = [], []`": ("two empty lists are alike"),
    },
    "gradient_map": {
        "`score = net.eval()(x)[0, k]` -> `score = net.eval()(x)[-1, k]`": ("of a batch of one, the first is the last"),
        "`return gradient[0].abs().amax(dim=0).numpy()` -> `return gradient[-1].abs().amax(dim=0).numpy()`": (
            "of a batch of one, the first is the last"
        ),
    },
    "occlusion_map": {
        "`rows = sorted({*range(0, height - side + 1, stride), height - side})` -> `rows = sorted({*range(0, height - side * 1, stride), height - side})`": (
            "the square that ends at the border is added in any case"
        ),
        "`rows = sorted({*range(0, height - side + 1, stride), height - side})` -> `rows = sorted({*range(0, height - side + 0, stride), height - side})`": (
            "the square that ends at the border is added in any case"
        ),
        "`columns = sorted({*range(0, width - side + 1, stride), width - side})` -> `columns = sorted({*range(0, width - side * 1, stride), width - side})`": (
            "the square that ends at the border is added in any case"
        ),
        "`columns = sorted({*range(0, width - side + 1, stride), width - side})` -> `columns = sorted({*range(0, width - side + 0, stride), width - side})`": (
            "the square that ends at the border is added in any case"
        ),
        "`total, times = np.zeros((height, width)), np.zeros((height, width))` -> `times, total = np.zeros((height, width)), np.zeros((height, width))`": (
            "two arrays of zeros are alike"
        ),
    },
    "randomise": {
        "`weight.copy_(weight.mean() + weight.std() * torch.randn(weight.shape, generator=chance))` -> `weight.copy_(weight.mean() - weight.std() * torch.randn(weight.shape, generator=chance))`": (
            "a normal number is as likely as its negative"
        ),
    },
}
