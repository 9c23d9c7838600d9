"""What the tests of lab 8 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "patch_centres": {
        "drawn blindly": [("(vessels & field, ~vessels & field)", "(field, field)")],
        "vessels outside of the field": [("(vessels & field,", "(vessels,")],
        "background of the black frame": [("~vessels & field)", "~vessels)")],
        "background first": [("(vessels & field, ~vessels & field)", "(~vessels & field, vessels & field)")],
        "always the first pixels": [
            ("places[rng.integers(len(places), size=n // 2)]", "np.resize(places, (n // 2, 2))")
        ],
        "the seed is ignored": [("rng = np.random.default_rng(seed)", "rng = np.random.default_rng(0)")],
        "no seed": [("rng = np.random.default_rng(seed)", "rng = np.random.default_rng()")],
        "columns before rows": [("return np.concatenate(halves)", "return np.concatenate(halves)[:, ::-1]")],
        "n of each": [("size=n // 2", "size=n")],
        "without repetition": [
            ("places[rng.integers(len(places), size=n // 2)]", "places[rng.permutation(len(places))[: n // 2]]")
        ],
        "without repetition where there are enough": [
            (
                "places[rng.integers(len(places), size=n // 2)]",
                "rng.choice(places, n // 2, replace=n // 2 > len(places))",
            )
        ],
        "the last one never": [("rng.integers(len(places), size", "rng.integers(len(places) - 1, size")],
        "rows and columns drawn apart": [
            (
                "places[rng.integers(len(places), size=n // 2)]",
                "np.stack([rng.choice(axis, n // 2) for axis in places.T], axis=1)",
            )
        ],
        "one list's numbers for both": """
def patch_centres(vessels, field, n, seed):
    rng = np.random.default_rng(seed)
    on, off = np.argwhere(vessels & field), np.argwhere(~vessels & field)
    chosen = rng.integers(len(on), size=n // 2)
    return np.concatenate([on[chosen], off[chosen]])
""",
        "vessels in turn": """
def patch_centres(vessels, field, n, seed):
    rng = np.random.default_rng(seed)
    on, off = np.argwhere(vessels & field), np.argwhere(~vessels & field)
    return np.concatenate([on[np.arange(n // 2) % len(on)], off[rng.integers(len(off), size=n // 2)]])
""",
        "marks erased for good": [
            ("rng = np.random.default_rng(seed)", "rng = np.random.default_rng(seed)\n    vessels &= field")
        ],
    },
    "cut_patches": {
        "the corner instead of the middle": [
            ("((half, half), (half, half), (0, 0))", "((0, side), (0, side), (0, 0))")
        ],
        "zeros beyond the border": [('mode="reflect"', 'mode="constant"')],
        "the border repeated": [('mode="reflect"', 'mode="symmetric"')],
        "colours last": [(".transpose(0, 3, 1, 2)", "")],
        "rows and columns swapped": [("for row, column in centres", "for column, row in centres")],
        "patches turned": [(".transpose(0, 3, 1, 2)", ".transpose(0, 3, 2, 1)")],
    },
    "member": {
        "zeros before and behind swapped": [("(1, 2, 1, 2)", "(2, 1, 2, 1)")],
        "no padding": [
            ("functional.pad(x, (1, 2, 1, 2))", "x"),
            ("(side - 3) // 2 // 2", "((side - 6) // 2 - 3) // 2"),
        ],
        "the first is padded too": [
            ("self.first(x)", "self.first(functional.pad(x, (1, 2, 1, 2)))"),
            ("(side - 3) // 2 // 2", "side // 2 // 2"),
        ],
        "average pooling": [("max_pool2d", "avg_pool2d")],
        "softmax at the end": [("return self.to_logits(x)", "return self.to_logits(x).softmax(1)")],
        "no ReLU in the hidden layer": [("self.hidden(x.flatten(1)).relu()", "self.hidden(x.flatten(1))")],
        "dropout forgotten": [("self.dropout(self.hidden(x.flatten(1)).relu())", "self.hidden(x.flatten(1)).relu()")],
        "dropout of one half whatever is asked": [("nn.Dropout(dropout)", "nn.Dropout(0.5)")],
        "made for 31 pixels only": [("(side - 3) // 2 // 2", "7")],
        "one logit": [("nn.Linear(hidden, 2)", "nn.Linear(hidden, 1)")],
        "one convolution used twice": [("self.third = nn.Conv2d(maps, maps, 4)", "self.third = self.second")],
        "the third made and not used": [("(self.second, self.third)", "(self.second, self.second)")],
        "padded convolutions without ReLU": [("(1, 2, 1, 2))).relu(), 2)", "(1, 2, 1, 2))), 2)")],
        "odd rows kept": [
            ("(1, 2, 1, 2))).relu(), 2)", "(1, 2, 1, 2))).relu(), 2, ceil_mode=True)"),
            ("(side - 3) // 2 // 2", "-(-(side - 3) // 4)"),
        ],
        "dropout in testing, too": [
            (
                "self.dropout(self.hidden(x.flatten(1)).relu())",
                "functional.dropout(self.hidden(x.flatten(1)).relu(), self.dropout.p)",
            )
        ],
    },
    "ensemble_mean": {
        "logits averaged first": [
            ("logits.softmax(dim=-1)[..., 1].mean(dim=0)", "logits.mean(dim=0).softmax(dim=-1)[..., 1]")
        ],
        "majority vote": [("logits.softmax(dim=-1)[..., 1]", "(logits[..., 1] > logits[..., 0]).float()")],
        "probability of background": [("[..., 1]", "[..., 0]")],
        "softmax over networks": [("softmax(dim=-1)", "softmax(dim=0)")],
        "the median": [(".mean(dim=0)", ".median(dim=0).values")],
        "overflows": [("logits.softmax(dim=-1)", "(logits.exp() / logits.exp().sum(-1, keepdim=True))")],
        "logits clipped": [("logits.softmax", "logits.clamp(-20, 20).softmax")],
        "class 1 alone": [("logits.softmax(dim=-1)[..., 1]", "logits[..., 1].sigmoid()")],
        "geometric mean": [(".mean(dim=0)", ".log().mean(dim=0).exp()")],
    },
    "score_inside": {
        "the black frame counted": [("truth[field], probability[field]", "truth.ravel(), probability.ravel()")],
        "AUC of the decision": [("roc_auc_score(y, p)", "roc_auc_score(y, p >= 0.5)")],
        "a tie at one half is background": [("p >= 0.5", "p > 0.5")],
        "root of the Brier score": [("np.mean((p - y) ** 2)", "np.mean((p - y) ** 2) ** 0.5")],
        "absolute error": [("(p - y) ** 2", "np.abs(p - y)")],
        "average precision for AUC": [("roc_auc_score", "average_precision_score")],
        "accuracy of vessels only": [("np.mean((p >= 0.5) == y)", "np.mean((p >= 0.5)[y])")],
        "probability set to 0 outside": [
            ("truth[field], probability[field]", "(truth & field).ravel(), (probability * field).ravel()")
        ],
    },
    "disagreement": {
        "entropy of the mean alone": [(" - entropy(probabilities).mean(axis=0)", "")],
        "nats": [(" / np.log(2)", "")],
        "the sign turned": [
            (
                "entropy(probabilities.mean(axis=0)) - entropy(probabilities).mean(axis=0)",
                "entropy(probabilities).mean(axis=0) - entropy(probabilities.mean(axis=0))",
            )
        ],
        "0 log 0 is not a number": [("(entr(p) + entr(1 - p))", "-(p * np.log(p) + (1 - p) * np.log(1 - p))")],
        "half of the entropy": [("(entr(p) + entr(1 - p))", "entr(p)")],
        "standard deviation": """
def disagreement(probabilities):
    return 2 * np.std(probabilities, axis=0)
""",
        "mean over the picture": [("entropy(probabilities).mean(axis=0)", "entropy(probabilities).mean()")],
    },
}

ALTERNATIVES = {
    "patch_centres": {
        "choice of flat places": """
def patch_centres(vessels, field, n, seed):
    rng = np.random.default_rng(seed)
    here = rng.choice(np.flatnonzero(vessels * field), n // 2)
    there = rng.choice(np.flatnonzero((vessels == 0) * field), n - n // 2)
    return np.stack(np.unravel_index(np.append(here, there), vessels.shape), axis=1)
""",
        "one by one, as a list": """
def patch_centres(vessels, field, n, seed):
    rng, out = np.random.default_rng(seed), []
    h, w = field.shape
    while len(out) < n:
        r, c = int(rng.integers(h)), int(rng.integers(w))
        if field[r, c] and bool(vessels[r, c]) == (len(out) < n / 2):
            out.append((r, c))
    return out
""",
    },
    "cut_patches": {
        "with indices": """
def cut_patches(image, centres, side):
    k = side // 2
    big = np.pad(np.moveaxis(image, -1, 0), ((0, 0), (k, k), (k, k)), "reflect")
    r, c = np.asarray(centres).T[..., None, None]
    patches = big[:, r + np.arange(side)[:, None], c + np.arange(side)]
    return np.moveaxis(patches, 0, 1)
""",
        "a float32 tensor": """
def cut_patches(image, centres, side):
    k = side // 2
    x = torch.as_tensor(image, dtype=torch.float32).permute(2, 0, 1)
    x = functional.pad(x[None], (k, k, k, k), mode="reflect")[0]
    return torch.stack([x[:, int(r) : int(r) + side, int(c) : int(c) + side] for r, c in centres])
""",
    },
    "member": {
        "one sequence": """
class MemberNet(nn.Module):
    def __init__(self, side=31, maps=64, hidden=256, dropout=0.5):
        super().__init__()
        n = (side - 3) // 4
        zeros = nn.ZeroPad2d((1, 2, 1, 2))
        self.layers = nn.Sequential(
            nn.Conv2d(3, maps, 4), nn.ReLU(),
            zeros, nn.Conv2d(maps, maps, 4), nn.ReLU(), nn.MaxPool2d(2),
            zeros, nn.Conv2d(maps, maps, 4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(maps * n**2, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 2),
        )

    def forward(self, x):
        return self.layers(x)
""",
        "a layer that waits for its size": [
            ("nn.Linear(maps * grid * grid, hidden)", "nn.LazyLinear(hidden)"),
            ("        grid = (side - 3) // 2 // 2\n", ""),
        ],
        "padding='same', pool before ReLU": [
            (
                "functional.max_pool2d(convolve(functional.pad(x, (1, 2, 1, 2))).relu(), 2)",
                "functional.max_pool2d(convolve(x), 2).relu()",
            ),
            ("self.second = nn.Conv2d(maps, maps, 4)", "self.second = nn.Conv2d(maps, maps, 4, padding='same')"),
            ("self.third = nn.Conv2d(maps, maps, 4)", "self.third = nn.Conv2d(maps, maps, 4, padding='same')"),
        ],
    },
    "ensemble_mean": {
        "the sigmoid of a difference": """
def ensemble_mean(logits):
    return torch.sigmoid(logits[:, :, 1] - logits[:, :, 0]).sum(0) / len(logits)
""",
        "one network at a time, in numpy": """
def ensemble_mean(logits):
    from scipy.special import softmax

    total = 0.0
    for one in np.asarray(logits, dtype=float):
        total = total + softmax(one, axis=1)[:, 1]
    return total / logits.shape[0]
""",
    },
    "score_inside": {
        "ranks by hand": """
def score_inside(truth, probability, field):
    from scipy.stats import rankdata

    y, p = truth[field].astype(int), probability[field]
    n, m = y.sum(), (1 - y).sum()
    auc = (rankdata(p)[y == 1].sum() - n * (n + 1) / 2) / (n * m)
    return {"accuracy": 1 - np.abs((p >= 0.5) - y).mean(), "brier": ((y - p) ** 2).sum() / len(y), "auc": float(auc)}
""",
        "scikit-learn": """
def score_inside(truth, probability, field):
    from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score

    y, p = truth[np.nonzero(field)], probability[np.nonzero(field)]
    return dict(auc=roc_auc_score(y, p), accuracy=accuracy_score(y, p >= 0.5), brier=brier_score_loss(y, p))
""",
    },
    "disagreement": {
        "clipped logarithms": """
def disagreement(probabilities):
    def h(p):
        q = np.clip(p, 1e-12, 1 - 1e-12)
        return -q * np.log2(q) - (1 - q) * np.log2(1 - q)

    return np.maximum(h(np.mean(probabilities, 0)) - np.mean(h(probabilities), 0), 0)
""",
        "mean divergence from the mean": """
def disagreement(probabilities):
    from scipy.special import rel_entr

    mean = np.mean(probabilities, axis=0, keepdims=True)
    kl = rel_entr(probabilities, mean) + rel_entr(1 - probabilities, 1 - mean)
    return kl.mean(0) / np.log(2)
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "cut_patches": {
        "`return np.stack(patches).transpose(0, 3, 1, 2)` -> `return np.stack(patches).transpose(0, 3, 1, -2)`": "of four axes -2 is 2"
    },
    "member": {
        "`for convolve in (self.second, self.third):` -> `for convolve in (self.third, self.second):`": (
            "the same layers under other names: both have the same sizes and are born alike"
        )
    },
    "ensemble_mean": {
        "`return logits.softmax(dim=-1)[..., 1].mean(dim=0)` -> `return logits.softmax(dim=-1)[..., -1].mean(dim=0)`": (
            "of two classes -1 is 1"
        )
    },
    "score_inside": {
        '`"brier": np.mean((p - y) ** 2),` -> `"brier": np.mean((y - p) ** 2),`': "a square does not know its sign"
    },
}
