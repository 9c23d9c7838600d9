"""What the tests of lab 20 must reject, and what they must accept, although it is written in another way."""

# Entries that learn or look in other ways than the reference; `predict` is marked by its score.
TREES = """
from sklearn.ensemble import HistGradientBoostingClassifier


def features(images):
    columns = [ndi.gaussian_filter(images, (0, s, s)) for s in (0.7, 1.5, 3, 6)]
    rows = np.arange(64)[:, None] * np.ones_like(images)
    surface = np.argmax(columns[1] > 0.5, axis=1)[:, None]
    wide = ndi.minimum_filter(columns[0], (1, 1, 15))
    near = ndi.maximum_filter(columns[0], (1, 9, 9))
    edges = ndi.gaussian_gradient_magnitude(images, (1e-3, 1.5, 1.5))
    columns += [rows, rows - surface, rows > surface + 3, wide, near, edges]
    return np.stack(columns, axis=-1)


def learn():
    rng = np.random.default_rng(0)
    eyes = datasets.make_fluid_bscans(18, n_averages=(4, 1), seed=1)
    x, y = features(eyes.images).reshape(-1, 10), eyes.fluid.ravel()
    chosen = [rng.permutation(np.flatnonzero(y == k))[:n] for k, n in ((True, 2000), (False, 6000))]
    chosen = np.concatenate(chosen)
    return HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15).fit(x[chosen], y[chosen])


model = learn()


def predict(images):
    p = model.predict_proba(features(images).reshape(-1, 10))[:, 1].reshape(images.shape)
    return drop_small(p > 0.8, 40).astype(np.uint8)
"""

MISTAKES = {
    "score_cases": {
        "one Dice of all pixels": [
            ("overlap = (truth & marked).sum(axis=(1, 2))", "overlap = np.full(len(truth), (truth & marked).sum())"),
            (
                "n_true, n_marked = truth.sum(axis=(1, 2)), marked.sum(axis=(1, 2))",
                "n_true, n_marked = (np.full(len(truth), mask.sum()) for mask in (truth, marked))",
            ),
        ],
        "empty eyes are not a number": [
            (
                "np.where(total > 0, 2 * overlap / np.maximum(total, 1), 1.0)",
                "2 * overlap / np.where(total, total, np.nan)",
            )
        ],
        "empty eyes count 0": [("np.maximum(total, 1), 1.0)", "np.maximum(total, 1), 0.0)")],
        "every eye without fluid is right": [("np.where(total > 0", "np.where(n_true > 0")],
        "intersection over union": [("2 * overlap / np.maximum(total, 1)", "overlap / np.maximum(total - overlap, 1)")],
        "smoothed by one pixel": [
            ("np.where(total > 0, 2 * overlap / np.maximum(total, 1), 1.0)", "(2 * overlap + 1) / (total + 1)")
        ],
        "square micrometres": [(" / 1e6", "")],
        "pixels taken for squares": [("np.prod(spacing_um)", "spacing_um[0] ** 2")],
        "with its sign": [("np.abs(n_marked - n_true)", "(n_marked - n_true)")],
        "relative to the true area": [
            (
                "np.abs(n_marked - n_true) * np.prod(spacing_um) / 1e6",
                "np.abs(n_marked - n_true) / np.maximum(n_true, 1)",
            )
        ],
        "the mean, not each eye": [('{"dice": dice,', '{"dice": dice.mean(),')],
        "pixels that differ": [("np.abs(n_marked - n_true)", "(truth ^ marked).sum(axis=(1, 2))")],
    },
    "complaint": {
        "only the number of eyes": [("marked.shape != images.shape", "len(marked) != len(images)")],
        "only the number of pixels": [("marked.shape != images.shape", "marked.size != images.size")],
        "values before shape": """
def complaint(marked, images):
    if not np.isfinite(marked).all():
        return "not finite"
    if marked.shape != images.shape:
        return "shape"
    return "" if np.isin(marked, [0, 1]).all() else "not 0 or 1"
""",
        "NaN only": [("not np.isfinite(values).all()", "np.isnan(values).any()")],
        "NaN taken for a value": [
            ('    if not np.isfinite(values).all():\n        return "not finite"\n', ""),
        ],
        "any number between 0 and 1": [("np.isin(values, [0, 1]).all()", "((values >= 0) & (values <= 1)).all()")],
        "255 is as good as 1": [("np.isin(values, [0, 1])", "np.isin(values, [0, 1, 255])")],
        "bool is asked for": [('return "" if np.isin', 'return "" if marked.dtype == bool and np.isin')],
        "two values, whichever": [("np.isin(values, [0, 1]).all()", "len(np.unique(values)) <= 2")],
        "empty masks refused": [("np.isin(values, [0, 1]).all()", "np.isin(values, [0, 1]).all() and values.any()")],
        "the first eye only": [("np.isin(values, [0, 1])", "np.isin(values[:1], [0, 1])")],
    },
    "dark_inside": {
        "the vitreous is dark, too": [("(rows > surface[:, None] + 3) & ", "")],
        "the choroid, too": [(" & (rows < membrane_row - 2)", "")],
        "columns without a surface begin at the top": [
            ("np.where(bright.any(axis=1), bright.argmax(axis=1), images.shape[1])", "bright.argmax(axis=1)")
        ],
        "smoothed from eye to eye": [("(0, 1, 1)", "1")],
        "not smoothed": [("ndi.gaussian_filter(images, (0, 1, 1))", "images")],
        "smoothed along rows only": [("(0, 1, 1)", "(0, 0, 1)")],
        "threshold on the raw brightness": [("(smooth < dark)", "(images < dark)")],
        "surface of the raw brightness": [("bright = smooth > 0.5", "bright = images > 0.5")],
        "bright pixels marked": [("smooth < dark", "smooth > dark")],
        "the threshold is ignored": [("smooth < dark", "smooth < 0.3")],
        "one surface for all columns": [("surface[:, None] + 3", "surface.min(axis=1)[:, None, None] + 3")],
        "the last bright row": [
            ("bright.argmax(axis=1), images", "images.shape[1] - 1 - bright[:, ::-1].argmax(axis=1), images")
        ],
    },
    "drop_small": {
        "as many go": [(">= min_px", "> min_px")],
        "all eyes in one": """
def drop_small(masks, min_px):
    parts, _ = ndi.label(masks)
    large = np.bincount(parts.ravel()) >= min_px
    large[0] = False
    return large[parts]
""",
        "corners count": [("ndi.label(mask)", "ndi.label(mask, np.ones((3, 3)))")],
        "the background stays": [("        large[0] = False  # the background\n", "")],
        "the largest only": [(">= min_px", "== np.bincount(parts.ravel())[1:].max(initial=-1)")],
        "small eyes instead of small parts": """
def drop_small(masks, min_px):
    return masks & (masks.sum(axis=(1, 2), keepdims=True) >= min_px)
""",
        "opened": """
def drop_small(masks, min_px):
    return np.stack([ndi.binary_opening(mask, np.ones((2, 2))) for mask in masks])
""",
        "small ones kept": [(">= min_px", "< min_px")],
    },
    "paired_interval": {
        "each method drawn by itself": [
            (
                "difference[draws].mean(axis=1)",
                "a[draws].mean(axis=1) - b[np.random.default_rng(seed + 1).integers(n, size=(n_draws, n))].mean(axis=1)",
            )
        ],
        "without replacement": [
            (
                "np.random.default_rng(seed).integers(n, size=(n_draws, n))",
                "np.argsort(np.random.default_rng(seed).random((n_draws, n)), axis=1)",
            )
        ],
        "percentiles of the eyes": [("difference[draws].mean(axis=1)", "difference")],
        "90 percent": [("[2.5, 97.5]", "[5, 95]")],
        "99 percent": [("[2.5, 97.5]", "[0.5, 99.5]")],
        "shares for percents": [("[2.5, 97.5]", "[0.025, 0.975]")],
        "b minus a": [("difference = a - b", "difference = b - a")],
        "upper end first": [("float(low), float(high)", "float(high), float(low)")],
        "median of the draws": [("difference[draws].mean(axis=1)", "np.median(difference[draws], axis=1)")],
        "half of the eyes": [("size=(n_draws, n)", "size=(n_draws, n // 2)")],
        "one standard error": [
            (
                "np.percentile(difference[draws].mean(axis=1), [2.5, 97.5])",
                "difference.mean() + np.array([-1, 1]) * difference.std() / np.sqrt(n)",
            )
        ],
        "always as many draws": [("size=(n_draws, n)", "size=(2000, n)")],
        "the seed is ignored": [("np.random.default_rng(seed).integers", "np.random.default_rng(0).integers")],
        "no seed": [("np.random.default_rng(seed).integers", "np.random.default_rng().integers")],
        "absolute differences": [("difference = a - b", "difference = np.abs(a - b)")],
    },
    "predict": {
        "probabilities": [
            ("drop_small(logits.numpy() > 0, 30)", "logits.sigmoid().numpy()"),
        ],
        "the opponent, crumbs and all": "def predict(images):\n    return dark_inside(images, 52)",
        "nothing at all": "def predict(images):\n    return np.zeros(images.shape, bool)",
        "everything dark": "def predict(images):\n    return images < 0.3",
        "crumbs kept": [("drop_small(logits.numpy() > 0, 30)", "dark_inside(images, 52) | (logits.numpy() > 0)")],
        "255 for fluid": [
            ("drop_small(logits.numpy() > 0, 30)", "255 * drop_small(logits.numpy() > 0, 30).astype(np.uint8)")
        ],
        "an axis of channels": [("(images)[:, None])[:, 0]", "(images)[:, None])")],
        "depth and width swapped": [
            (
                "return drop_small(logits.numpy() > 0, 30)",
                "return drop_small(logits.numpy() > 0, 30).transpose(0, 2, 1)",
            )
        ],
        "a threshold from the batch": [("logits.numpy() > 0", "logits.numpy() > np.quantile(logits.numpy(), 0.97)")],
        "batch normalisation left in training": [
            ("    with torch.no_grad():", "    net.train()\n    with torch.no_grad():")
        ],
        "weights of another build": [("channels=6", "channels=8")],
        "fluid and background swapped": [("logits.numpy() > 0", "logits.numpy() < 0")],
        "masks of the first eye only": [("logits.numpy() > 0, 30)", "logits.numpy()[:1] > 0, 30)")],
    },
}

ALTERNATIVES = {
    "score_cases": {
        "eye by eye": """
def score_cases(truth, marked, spacing_um):
    height, width = spacing_um
    errors = [abs(int(m.sum()) - int(t.sum())) * height * width * 1e-6 for t, m in zip(truth, marked)]
    return dict(dice=np.array([metrics.dice(t, m) for t, m in zip(truth, marked)]), area_error_mm2=np.array(errors))
""",
        "tensors": """
def score_cases(truth, marked, spacing_um):
    t, m = (torch.as_tensor(x).flatten(1).double() for x in (truth, marked))
    total = (t + m).sum(1)
    dice = torch.where(total == 0, 1.0, 2 * (t * m).sum(1) / total)
    return {"area_error_mm2": (t.sum(1) - m.sum(1)).abs() * float(spacing_um[0] * spacing_um[1]) / 1000**2, "dice": dice}
""",
    },
    "complaint": {
        "a table of rules": """
def complaint(marked, images):
    rules = {
        "shape": lambda: np.shape(marked) == np.shape(images),
        "not finite": lambda: not (np.isnan(marked).any() or np.isinf(marked).any()),
        "not 0 or 1": lambda: bool(((marked == 0) | (marked == 1)).all()),
    }
    return next((word for word, holds in rules.items() if not holds()), "")
""",
        "rounding and range": """
def complaint(marked, images):
    if tuple(marked.shape) != tuple(images.shape):
        return "shape"
    flat = np.asarray(marked, dtype=np.float64).ravel()
    if not np.isfinite(flat.sum()):
        return "not finite"
    return "not 0 or 1" if any(v not in (0.0, 1.0) for v in set(flat.tolist())) else ""
""",
    },
    "dark_inside": {
        "column by column": """
def dark_inside(images, membrane_row, dark=0.3):
    out = np.zeros(images.shape, bool)
    for i, image in enumerate(images):
        smooth = ndi.gaussian_filter(image, 1)
        for x in range(image.shape[1]):
            rows = np.flatnonzero(smooth[:, x] > 0.5)
            if len(rows):
                part = slice(rows[0] + 4, max(membrane_row - 2, rows[0] + 4))
                out[i, part, x] = smooth[part, x] < dark
    return out
""",
        "cumulative maximum, whole numbers": """
def dark_inside(images, membrane_row, dark=0.3):
    smooth = ndi.gaussian_filter1d(ndi.gaussian_filter1d(images, 1.0, axis=1), 1.0, axis=2)
    below = np.logical_or.accumulate(smooth > 0.5, axis=1)
    inside = np.zeros_like(below)
    inside[:, 4:] = below[:, :-4]
    inside[:, membrane_row - 2 :] = False
    return np.where(inside, smooth < dark, False).astype(np.uint8)
""",
    },
    "drop_small": {
        "the course's own": """
def drop_small(masks, min_px):
    return np.array([metrics.label_objects(mask, min_size_px=min_px) > 0 for mask in masks])
""",
        "part by part": """
def drop_small(masks, min_px):
    out = np.array(masks, bool)
    for mask in out:
        parts, n = ndi.label(mask)
        for part in range(1, n + 1):
            if np.count_nonzero(parts == part) < min_px:
                mask[parts == part] = False
    return out.astype(float)
""",
    },
    "paired_interval": {
        "draw by draw": """
def paired_interval(a, b, n_draws=2000, seed=0):
    rng, means = np.random.default_rng(seed), []
    for _ in range(n_draws):
        i = rng.choice(len(a), len(a))
        means.append(np.mean(a[i]) - np.mean(b[i]))
    return np.mean(a) - np.mean(b), *np.quantile(means, (0.025, 0.975))
""",
        "weights of the eyes": """
def paired_interval(a, b, n_draws=2000, seed=0):
    n, d = len(a), np.subtract(a, b)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)
    return [d.mean(), *np.percentile(weights @ d / n, [2.5, 97.5])]
""",
    },
    "predict": {
        "trees that learn in the cell": TREES,
        "one eye at a time, in floats": [
            (
                "        logits = net(torch.as_tensor(images)[:, None])[:, 0]  # (N, H, W)\n",
                "        logits = torch.cat([net(torch.as_tensor(one)[None, None])[0] for one in images])\n",
            ),
            ("return drop_small(logits.numpy() > 0, 30)", "return drop_small(logits.numpy() > 0.2, 35).astype(float)"),
        ],
    },
}

# Mutants of the reference answers that are no other program, or another entry that is as right.
_OWN_CHOICE = "a threshold of one's own choice: this entry is as right, and earns the highest level, too"
_SYMMETRIC = "neither the sum nor the absolute difference tells the two apart"
_GUARD = "where this matters the total is 0, or it is 1 and nothing overlaps: the result is the same"
_ROUNDING = "smoothed brightness meets the threshold to the last bit by chance only"
_MILLIONTH = "a millionth of an error that is measured in pixels"
EQUIVALENT = {
    "score_cases": {
        **{
            f"`n_true, n_marked = truth.sum(axis=(1, 2)), marked.sum(axis=(1, 2))` -> `{other}`": _SYMMETRIC
            for other in (
                "n_marked, n_true = truth.sum(axis=(1, 2)), marked.sum(axis=(1, 2))",
                "n_true, n_marked = marked.sum(axis=(1, 2)), truth.sum(axis=(1, 2))",
            )
        },
        **{
            "`dice = np.where(total > 0, 2 * overlap / np.maximum(total, 1), 1.0)` -> "
            f"`dice = np.where(total > 0, 2 * overlap / np.maximum(total, {other}), 1.0)`": _GUARD
            for other in (2, 0, -1)
        },
        **{
            '`return {"dice": dice, "area_error_mm2": np.abs(n_marked - n_true) * np.prod(spacing_um) / 1e6}` -> '
            f'`return {{"dice": dice, "area_error_mm2": np.abs({other}}}`': why
            for other, why in {
                "n_true - n_marked) * np.prod(spacing_um) / 1e6": _SYMMETRIC,
                "n_marked - n_true) * np.prod(spacing_um) / 1000001.0": _MILLIONTH,
                "n_marked - n_true) * np.prod(spacing_um) / 999999.0": _MILLIONTH,
            }.items()
        },
    },
    "complaint": {
        '`return "" if np.isin(values, [0, 1]).all() else "not 0 or 1"` -> '
        '`return "" if np.isin(values, [1, 0]).all() else "not 0 or 1"`': "a list of allowed values has no order"
    },
    "dark_inside": {
        "`smooth = ndi.gaussian_filter(images, (0, 1, 1))` -> `smooth = ndi.gaussian_filter(images, (-1, 1, 1))`": (
            "the filter leaves an axis alone whose width is not above 0"
        ),
        "`bright = smooth > 0.5` -> `bright = smooth >= 0.5`": _ROUNDING,
        "`return (smooth < dark) & inside` -> `return (smooth <= dark) & inside`": _ROUNDING,
    },
    "predict": {
        "`logits = net(torch.as_tensor(images)[:, None])[:, 0]` -> `logits = net(torch.as_tensor(images)[:, None])[:, -1]`": (
            "of one channel -1 is 0"
        ),
        **{
            f"`return drop_small(logits.numpy() > 0, 30)` -> `return drop_small(logits.numpy() {other})`": _OWN_CHOICE
            for other in (">= 0, 30", "> 1, 30", "> -1, 30", "> 0, 31", "> 0, 29", "> 0, -30")
        },
    },
}
