"""What the tests of lab 2 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "split_by_patient": {
        "splits by image": """
def split_by_patient(patients, n_test, seed):
    test = np.zeros(len(patients), bool)
    test[np.random.default_rng(seed).choice(len(patients), n_test, replace=False)] = True
    return test
""",
        "draws images until there are enough patients": """
def split_by_patient(patients, n_test, seed):
    drawn = []
    for i in np.random.default_rng(seed).permutation(len(patients)):
        if patients[i] not in drawn and len(drawn) < n_test:
            drawn.append(patients[i])
    return np.isin(patients, drawn)
""",
        "drawn from the list of images' patients": [("choice(np.unique(patients),", "choice(patients,")],
        "the seed is ignored": [("default_rng(seed)", "default_rng(0)")],
        "no seed at all": [("default_rng(seed)", "default_rng()")],
        "patients may be drawn twice": [("replace=False", "replace=True")],
        "ids taken for places": [("np.unique(patients)", "len(np.unique(patients))")],
        "marks the training set": [("return np.isin(patients, drawn)", "return ~np.isin(patients, drawn)")],
        "neighbours, the seed says from where": """
def split_by_patient(patients, n_test, seed):
    who = np.unique(patients)
    return np.isin(patients, np.roll(who, -seed)[:n_test])
""",
        "neighbours from a random place": """
def split_by_patient(patients, n_test, seed):
    who = np.unique(patients)
    start = np.random.default_rng(seed).integers(len(who))
    return np.isin(patients, np.roll(who, -start)[:n_test])
""",
        "always the first patients": [
            (
                "np.random.default_rng(seed).choice(np.unique(patients), size=n_test, replace=False)",
                "np.unique(patients)[:n_test]",
            )
        ],
        "places instead of a mask": [
            ("return np.isin(patients, drawn)", "return np.flatnonzero(np.isin(patients, drawn))")
        ],
    },
    "bootstrap_interval": {
        "mean of the patients' means": [
            (
                "np.concatenate([values[patients == patient] for patient in drawn])",
                "np.array([values[patients == patient].mean() for patient in drawn])",
            )
        ],
        "a patient drawn twice counts once": [
            (
                "values[patients == patient] for patient in drawn",
                "values[patients == patient] for patient in set(drawn.tolist())",
            )
        ],
        "draws images": [
            ("np.concatenate([values[patients == patient] for patient in drawn])", "values[drawn % len(values)]")
        ],
        "one image a patient": [("values[patients == patient] for", "values[patients == patient][:1] for")],
        "level is one tail": [("(1 - level) / 2, (1 + level) / 2", "1 - level, level")],
        "level is fixed": [("(1 - level) / 2, (1 + level) / 2", "0.025, 0.975")],
        "extremes instead of quantiles": [
            ("np.quantile(means, [(1 - level) / 2, (1 + level) / 2])", "np.min(means), np.max(means)")
        ],
        "normal approximation": [
            (
                "np.quantile(means, [(1 - level) / 2, (1 + level) / 2])",
                "np.mean(means) - 1.96 * np.std(means), np.mean(means) + 1.96 * np.std(means)",
            )
        ],
        "ends exchanged": [("return low, high", "return high, low")],
        "ids taken for places in a table": """
def bootstrap_interval(values, patients, draws, level=0.95):
    groups = [values[patients == p] for p in np.unique(patients)]
    means = [np.concatenate([groups[p % len(groups)] for p in drawn]).mean() for drawn in draws]
    return tuple(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))
""",
    },
    "learning_curve": {
        "sizes count images": [("train = np.isin(patients, order[:size])", "train = np.arange(len(y)) < size")],
        "tests on everybody": [("test = np.isin(patients, order[-n_test:])", "test = np.ones(len(y), bool)")],
        "tests on the training set": [("x[test], y[test]", "x[train], y[train]")],
        "trains on everybody else": [("train = np.isin(patients, order[:size])", "train = ~test")],
        "the order is ignored": [
            ("order[-n_test:]", "np.sort(order)[-n_test:]"),
            ("order[:size]", "np.sort(order)[:size]"),
        ],
        "numbers below the size": [("train = np.isin(patients, order[:size])", "train = patients < size")],
        "the test comes first": [("order[-n_test:]", "order[:n_test]")],
        "the test grows": [("        train =", "        test = np.isin(patients, order[size:])\n        train =")],
        "the test follows the training set": [
            ("        train =", "        test = np.isin(patients, order[size : size + n_test])\n        train =")
        ],
        "the test is in training": [("order[:size])", "order[-size:])")],
        "one image a patient": [
            (
                "train = np.isin(patients, order[:size])",
                "train = np.isin(np.arange(len(y)), [np.flatnonzero(patients == p)[0] for p in order[:size]])",
            )
        ],
        "errors instead of accuracy": [("return np.array(scores)", "return 1 - np.array(scores)")],
    },
    "cohen_kappa": {
        "raw agreement": [("return (observed - expected) / (1 - expected)", "return observed")],
        "chance is a half": [
            (
                "expected = sum(np.mean(first == k) * np.mean(second == k) for k in np.union1d(first, second))",
                "expected = 0.5",
            )
        ],
        "chance from one rater": [("np.mean(second == k) for", "np.mean(first == k) for")],
        "chance from both pooled (Scott's pi)": [
            ("np.mean(first == k) * np.mean(second == k)", "((np.mean(first == k) + np.mean(second == k)) / 2) ** 2")
        ],
        "two categories only": [("np.union1d(first, second)", "(0, 1)")],
        "all categories equally likely": [
            (
                "expected = sum(np.mean(first == k) * np.mean(second == k) for k in np.union1d(first, second))",
                "expected = 1 / len(np.union1d(first, second))",
            )
        ],
        "not divided by what chance leaves": [("(observed - expected) / (1 - expected)", "observed - expected")],
        "0/0": [("    if np.isclose(expected, 1):\n        return 1.0\n", "")],
        "never below zero": [
            ("return (observed - expected) / (1 - expected)", "return max(0.0, (observed - expected) / (1 - expected))")
        ],
        "0/0 is 0": [("return 1.0", "return 0.0")],
        "quadratic weights": """
def cohen_kappa(first, second):
    first, second = np.ravel(first), np.ravel(second)
    off = np.mean((first * 1.0 - second) ** 2)
    chance = np.mean((first[:, None] * 1.0 - second[None]) ** 2)
    return 1.0 if chance == 0 else 1 - off / chance
""",
    },
    "reliabilities": {
        "precision instead of sensitivity": [("(votes * w).sum(1) / w.sum()", "(votes * w).sum(1) / votes.sum(1)")],
        "the truth is rounded": [("    sensitivity =", "    w = np.round(w)\n    sensitivity =")],
        "specificity over all pixels": [("/ (1 - w).sum()", "/ w.size")],
        "specificity over the lesion": [("/ (1 - w).sum()", "/ w.sum()")],
        "summed over raters": [("(votes * w).sum(1)", "(votes * w).sum(0)")],
        "exchanged": [("return sensitivity, specificity", "return specificity, sensitivity")],
        "false positives instead of specificity": [("((1 - votes) * (1 - w)).sum(1)", "(votes * (1 - w)).sum(1)")],
    },
    "consensus": {
        "products vanish": """
def consensus(votes, sensitivity, specificity, prior):
    p = np.clip(sensitivity, 1e-6, 1 - 1e-6)[:, None]
    q = np.clip(specificity, 1e-6, 1 - 1e-6)[:, None]
    a = prior * np.where(votes == 1, p, 1 - p).prod(0)
    b = (1 - prior) * np.where(votes == 1, 1 - q, q).prod(0)
    with np.errstate(all="ignore"):
        return a / (a + b)
""",
        "no clip": [
            ("np.clip(sensitivity, 1e-6, 1 - 1e-6)", "np.asarray(sensitivity)"),
            ("np.clip(specificity, 1e-6, 1 - 1e-6)", "np.asarray(specificity)"),
        ],
        "the prior is forgotten": [("np.log(prior) + (", "("), ("np.log(1 - prior) + (", "(")],
        "the prior is a half": [("np.log(prior)", "np.log(0.5)"), ("np.log(1 - prior)", "np.log(0.5)")],
        "the prior once a rater": [
            ("np.log(prior)", "len(votes) * np.log(prior)"),
            ("np.log(1 - prior)", "len(votes) * np.log(1 - prior)"),
        ],
        "the prior on one side only": [("np.log(1 - prior) + (", "(")],
        "p and q exchanged outside of the lesion": [
            ("(1 - votes) * np.log(q) + votes * np.log(1 - q)", "votes * np.log(q) + (1 - votes) * np.log(1 - q)")
        ],
        "a silent rater says nothing": [("votes * np.log(p) + (1 - votes) * np.log(1 - p)", "votes * np.log(p)")],
        "majority vote": [
            ("return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))", "return (votes.mean(0) > 0.5) * 1.0")
        ],
        "odds instead of a probability": [
            ("1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))", "np.exp(np.clip(log_a - log_b, -700, 700))")
        ],
        "the other way round": [("log_b - log_a", "log_a - log_b")],
        "sensitivity only": [("[:, None]\n    log_a", "[:, None]\n    q = p\n    log_a")],
    },
    "retest_error": {
        "the 2 is forgotten": [("np.mean(d**2) / 2", "np.mean(d**2)")],
        "around the mean": [("np.mean(d**2) / 2", "np.var(d) / 2")],
        "differences of volumes": [("np.log(second) - np.log(first)", "second - first")],
        "relative to the first only": [("np.log(second) - np.log(first)", "second / first - 1")],
        "decimal logarithm": [("np.log(second) - np.log(first)", "np.log10(second / first)")],
        "variance instead of standard deviation": [("np.sqrt(np.mean(d**2) / 2)", "np.mean(d**2) / 2")],
        "halved after the root": [("np.sqrt(np.mean(d**2) / 2)", "np.sqrt(np.mean(d**2)) / 2")],
    },
    "relative_change": {
        "one measurement errs": [("1.96 * np.sqrt(2) * error", "1.96 * error")],
        "both errors added": [("1.96 * np.sqrt(2) * error", "1.96 * 2 * error")],
        "relative to after": [("ratio - 1, ratio *", "1 - before / after, ratio *")],
        "symmetric": [("ratio * np.exp(-half) - 1, ratio * np.exp(half) - 1", "ratio - 1 - half, ratio - 1 + half")],
        "2 instead of 1.96": [("1.96 * np.sqrt(2)", "2 * np.sqrt(2)")],
        "one standard deviation": [("1.96 * np.sqrt(2) * error", "np.sqrt(2) * error")],
        "ends exchanged": [
            (
                "ratio * np.exp(-half) - 1, ratio * np.exp(half) - 1",
                "ratio * np.exp(half) - 1, ratio * np.exp(-half) - 1",
            )
        ],
        "percent": [("return ratio - 1,", "return 100 * (ratio - 1),")],
        "before over after": [("after / before", "before / after")],
    },
}

ALTERNATIVES = {
    "split_by_patient": {
        "shuffle and cut, by a set": """
def split_by_patient(patients, n_test, seed):
    names = sorted(set(np.asarray(patients).tolist()))
    import random
    chosen = set(random.Random(seed).sample(names, n_test))
    return np.array([name in chosen for name in np.asarray(patients).tolist()])
""",
        "scikit-learn's group split": """
def split_by_patient(patients, n_test, seed):
    from sklearn.model_selection import GroupShuffleSplit
    split = GroupShuffleSplit(n_splits=1, test_size=n_test, random_state=seed)
    mask = np.zeros(len(patients), bool)
    mask[next(split.split(patients, groups=patients))[1]] = True
    return mask
""",
    },
    "bootstrap_interval": {
        "totals and counts, float32": """
def bootstrap_interval(values, patients, draws, level=0.95):
    ids, owner = np.unique(patients, return_inverse=True)
    place = np.searchsorted(ids, draws)
    totals, counts = np.bincount(owner, values), np.bincount(owner)
    means = (totals[place].sum(1) / counts[place].sum(1)).astype(np.float32)
    return tuple(np.percentile(means, [50 * (1 - level), 50 * (1 + level)]))
""",
        "loops, and a list": """
def bootstrap_interval(values, patients, draws, level=0.95):
    import warnings
    warnings.warn("slow")
    means = []
    for drawn in draws:
        total = n = 0
        for patient in drawn:
            for value, owner in zip(values, patients):
                if owner == patient:
                    total, n = total + value, n + 1
        means.append(total / n)
    return (np.quantile(means, 0.5 - level / 2), np.quantile(means, 0.5 + level / 2))
""",
    },
    "learning_curve": {
        "indices and a comprehension": """
def learning_curve(x, y, patients, order, sizes, *, n_test):
    def images(people):
        return [i for i, p in enumerate(patients) if p in set(np.asarray(people).tolist())]
    test = images(order[len(order) - n_test:])
    return np.array([fit_and_score(x[images(order[:s])], y[images(order[:s])], x[test], y[test]) for s in sizes])
""",
        "rank of each patient": """
def learning_curve(x, y, patients, order, sizes, *, n_test):
    rank = np.empty(max(order) + 1, int)
    rank[order] = np.arange(len(order))
    of = rank[patients]
    held = of >= len(order) - n_test
    out = np.zeros(len(sizes), np.float32)
    for k, s in enumerate(sizes):
        print(s)
        out[k] = fit_and_score(x[of < s], y[of < s], x[held], y[held])
    return out
""",
    },
    "cohen_kappa": {
        "confusion matrix": """
def cohen_kappa(first, second):
    kinds, code = np.unique(np.concatenate([np.ravel(first), np.ravel(second)]), return_inverse=True)
    a, b = np.split(code.ravel(), 2)
    table = np.zeros((len(kinds), len(kinds)))
    np.add.at(table, (a, b), 1 / len(a))
    expected = table.sum(0) @ table.sum(1)
    return 1.0 if expected > 1 - 1e-12 else (np.trace(table) - expected) / (1 - expected)
""",
        "disagreement over expected disagreement": """
def cohen_kappa(first, second):
    a, b = np.ravel(first).tolist(), np.ravel(second).tolist()
    n = len(a)
    off = sum(x != y for x, y in zip(a, b)) / n
    by_chance = 1 - sum(a.count(k) * b.count(k) for k in set(a) | set(b)) / n**2
    return 1 - off / by_chance if by_chance > 0 else 1
""",
    },
    "reliabilities": {
        "matrix products": """
def reliabilities(votes, w):
    return votes @ w / w.sum(), (1 - votes) @ (1 - w) / (len(w) - w.sum())
""",
        "weighted averages, rater by rater": """
def reliabilities(votes, w):
    return [np.average(v, weights=w) for v in votes], np.array([np.average(v == 0, weights=1 - w) for v in votes])
""".replace(
            "return [np.average(v, weights=w) for v in votes],",
            "return np.array([np.average(v, weights=w) for v in votes]),",
        ),
    },
    "consensus": {
        "scipy's expit and where": """
def consensus(votes, sensitivity, specificity, prior):
    from scipy.special import expit, logit
    p = np.minimum(np.maximum(sensitivity, 1e-6), 1 - 1e-6).reshape(-1, 1)
    q = np.minimum(np.maximum(specificity, 1e-6), 1 - 1e-6).reshape(-1, 1)
    yes, no = np.log(p / (1 - q)), np.log((1 - p) / q)
    return expit(logit(prior) + np.where(votes > 0, yes, no).sum(axis=0))
""",
        "pixel by pixel, softmax": """
def consensus(votes, sensitivity, specificity, prior):
    out = []
    for column in np.asarray(votes).T:
        a, b = np.log(prior), np.log(1 - prior)
        for d, p, q in zip(column, np.clip(sensitivity, 1e-6, 1 - 1e-6), np.clip(specificity, 1e-6, 1 - 1e-6)):
            a += np.log(p if d else 1 - p)
            b += np.log(1 - q if d else q)
        top = max(a, b)
        out.append(np.exp(a - top) / (np.exp(a - top) + np.exp(b - top)))
    return np.array(out)
""",
    },
    "retest_error": {
        "standard deviation within pairs": """
def retest_error(first, second):
    return np.sqrt(np.mean(np.var(np.log(np.stack([first, second])), axis=0, ddof=1)))
""",
        "a loop": """
def retest_error(first, second):
    import math
    total = 0.0
    for a, b in zip(first, second):
        total += math.log(b / a) ** 2
    return math.sqrt(total / (2 * len(first)))
""",
    },
    "relative_change": {
        "on logarithms to the end": """
def relative_change(before, after, error):
    d = np.log(after) - np.log(before)
    half = 1.96 * np.sqrt(error**2 + error**2)
    return np.expm1(d), np.expm1(d - half), np.expm1(d + half)
""",
        "a factor": """
def relative_change(before, after, error):
    factor = float(np.exp(1.96 * 2**0.5 * error))
    low, high = after / factor, after * factor
    return [(v - before) / before for v in (after, low, high)]
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "cohen_kappa": {
        "`expected = sum(np.mean(first == k) * np.mean(second == k) for k in np.union1d(first, second))` -> "
        "`expected = sum(np.mean(first == k) * np.mean(second == k) for k in np.union1d(second, first))`": (
            "a union has no order"
        ),
        "`if np.isclose(expected, 1):` -> `if np.isclose(1, expected):`": "both are close to each other, or neither is",
    },
    "consensus": {
        "`p = np.clip(sensitivity, 1e-6, 1 - 1e-6)[:, None]` -> `p = np.clip(1e-6, sensitivity, 1 - 1e-6)[:, None]`": (
            "the larger of both, then the smaller of that and the upper bound"
        ),
        "`q = np.clip(specificity, 1e-6, 1 - 1e-6)[:, None]` -> `q = np.clip(1e-6, specificity, 1 - 1e-6)[:, None]`": (
            "the larger of both, then the smaller of that and the upper bound"
        ),
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))` -> "
        "`return 1 / (1 + np.exp(np.clip(-700, log_b - log_a, 700)))`": (
            "the larger of both, then the smaller of that and the upper bound"
        ),
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))` -> "
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -701, 700)))`": "the probability is 1 either way",
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))` -> "
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -699, 700)))`": "the probability is 1 either way",
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))` -> "
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 701)))`": "the probability is below 1e-300 either way",
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))` -> "
        "`return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 699)))`": "the probability is below 1e-300 either way",
    },
    "retest_error": {
        "`d = np.log(second) - np.log(first)` -> `d = np.log(first) - np.log(second)`": "d is squared",
    },
}
