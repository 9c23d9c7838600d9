"""What the tests of lab 17 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "windows_to_rgb": {
        "not cut off": [(".clip(0, 1)", "")],
        "begins at the level": [("(level - width / 2)", "level")],
        "the width for half of it": [("(hu - (level - width / 2)) / width", "(hu - (level - width)) / (2 * width)")],
        "channels last": [("axis=-3", "axis=-1")],
        "channels first of all": [("axis=-3", "axis=0")],
        "level and width swapped": [("for level, width in windows", "for width, level in windows")],
        "windows sorted": [("in windows]", "in sorted(windows)]")],
        "windows in reverse": [("in windows]", "in windows[::-1]]")],
        "greys up to 255": [(".clip(0, 1)", ".clip(0, 1) * 255")],
        "each patch stretched to its own range": """
def windows_to_rgb(hu, windows):
    channels = []
    for level, width in windows:
        cut = np.clip(hu, level - width / 2, level + width / 2)
        channels.append((cut - cut.min()) / (np.ptp(cut) + 1e-9))
    return np.stack(channels, axis=-3)
""",
        "greys of whole steps": [("/ width for level", "// width for level")],
        "the scan cut in place": """
def windows_to_rgb(hu, windows):
    channels = []
    for level, width in windows:
        np.clip(hu, level - width / 2, level + width / 2, out=hu)
        channels.append((hu - (level - width / 2)) / width)
    return np.stack(channels, axis=-3)
""",
        "always three windows": [("in windows]", "in windows[:3]]")],
    },
    "keep_pools": {
        "the stride forgotten": [("side = math.ceil(side_px / stride)\n", "side = side_px\n")],
        "rounded down": [
            ("math.ceil(side_px / stride)", "side_px // stride"),
            ("if math.ceil(side / 2) < grid", "if side // 2 < grid"),
            ("side = math.ceil(side / 2)", "side = side // 2"),
        ],
        "the stride rounded down": [("math.ceil(side_px / stride)", "side_px // stride")],
        "poolings rounded down": [
            ("if math.ceil(side / 2) < grid", "if side // 2 < grid"),
            ("side = math.ceil(side / 2)", "side = side // 2"),
        ],
        "one pooling too many": [("if math.ceil(side / 2) < grid", "if side < grid")],
        "larger than the grid": [("if math.ceil(side / 2) < grid", "if math.ceil(side / 2) <= grid")],
        "a grid of 4 whatever is asked": [
            ("if side < grid", "if side < 4"),
            ("if math.ceil(side / 2) < grid", "if math.ceil(side / 2) < 4"),
        ],
        "the last poolings kept": [("for pool in pools:", "for pool in pools[::-1]:")],
        "an error below 4, whatever the grid": [("if side < grid:", "if side < 4:")],
        "poolings taken off the caller's list": [
            ("return kept, side", "pools[:] = kept\n    return pools, side"),
        ],
        "too small a picture is taken": [("if side < grid:", "if side < 1:")],
        "the picture's side": [("return kept, side", "return kept, side_px")],
        "how many, not which": [("return kept, side", "return len(kept), side")],
        "a single pooling": [("kept.append(pool)", "kept.append(pool)\n        break")],
    },
    "transplant": {
        "everything that fits, the last layer too": [(' or name.split(".")[0] == fresh', "")],
        "the last layer by the beginning of its name": [('name.split(".")[0] == fresh', "name.startswith(fresh)")],
        "always fc8 anew": [('name.split(".")[0] == fresh', 'name.split(".")[0] == "fc8"')],
        "only the weight of the last layer anew": [('name.split(".")[0] == fresh', 'name == fresh + ".weight"')],
        "the mean of the channels": [("source.sum(dim=1, keepdim=True)", "source.mean(dim=1, keepdim=True)")],
        "the sum, not divided": [(".expand_as(value) / value.shape[1]", ".expand_as(value)")],
        "divided by the old channels": [("/ value.shape[1]", "/ source.shape[1]")],
        "the first channel repeated": [("source.sum(dim=1, keepdim=True)", "source[:, :1]")],
        "summed over filters": [("source.sum(dim=1, keepdim=True)", "source.sum(dim=0, keepdim=True)")],
        "another filter size kept by force": [
            (
                "source.shape[:1] + source.shape[2:] == value.shape[:1] + value.shape[2:]",
                "source.shape[0] == value.shape[0]",
            ),
            (
                "carried[name] = source.sum(dim=1, keepdim=True).expand_as(value) / value.shape[1]",
                "carried[name] = source[:, :1, : value.shape[2], : value.shape[3]].expand_as(value)",
            ),
        ],
        "conv1 by name": [("elif value.ndim == 4 and", 'elif name == "conv1.weight" and')],
        "dense layers spread, too": [("elif value.ndim == 4 and", "elif value.ndim > 1 and")],
        "names of the old network": [("carried = {}", "carried = dict(old)")],
        "only what both have": [
            ("if source is None or name", "if source is None:\n            continue\n        if name"),
        ],
        "channels that differ stay random": [
            (
                "carried[name] = source.sum(dim=1, keepdim=True).expand_as(value) / value.shape[1]",
                "carried[name] = value",
            )
        ],
        "the new network's dictionary changed": [("carried = {}", "carried = new")],
        "shapes not looked at": [("elif source.shape == value.shape:", "elif source.ndim == value.ndim:")],
        "one channel only": [
            (".expand_as(value) / value.shape[1]", ""),
        ],
    },
    "layer_rates": {
        "the named layer still frozen": [("if k < start", "if k <= start")],
        "frozen above instead of below": [("if k < start", "if k > start")],
        "the last layer as slow as the others": [("    rates[layers[-1]] = factor * rate\n", "")],
        "the last layer frozen unless tuned": [
            (
                "rates[layers[-1]] = factor * rate",
                "rates[layers[-1]] = factor * rates[layers[-1]] if len(layers) - 1 > start else 0.0",
            )
        ],
        "all but the last ten times slower": [
            ("else rate for k", "else rate / factor for k"),
            ("factor * rate", "rate"),
        ],
        "always ten times": [("factor * rate", "10 * rate")],
        "frozen layers left out": [
            (
                "{name: 0.0 if k < start else rate for k, name in enumerate(layers)}",
                "{name: rate for k, name in enumerate(layers) if k >= start}",
            )
        ],
        "a wrong name freezes everything": [
            ("layers.index(first)", "layers.index(first) if first in layers else len(layers)")
        ],
        "layers by the alphabet": [("enumerate(layers)", "enumerate(sorted(layers))")],
        "frozen layers very slow": [("0.0 if k < start", "rate / 100 if k < start")],
        "fc8 by name": [("rates[layers[-1]]", 'rates["fc8"]')],
        "the list turned round for good": [
            ("start = layers.index(first)", "layers.reverse()\n    start = len(layers) - 1 - layers.index(first)"),
            ("if k < start", "if len(layers) - 1 - k < start"),
            ("layers[-1]", "layers[0]"),
        ],
    },
    "nested_sets": {
        "leakage: patches drawn, not patients": """
def nested_sets(patients, fractions, seed):
    order = np.random.default_rng(seed).permutation(len(patients))
    return [np.isin(np.arange(len(patients)), order[: max(1, round(f * len(order)))]) for f in fractions]
""",
        "each size drawn anew": """
def nested_sets(patients, fractions, seed):
    rng, found = np.random.default_rng(seed), []
    for fraction in fractions:
        order = rng.permutation(np.unique(patients))
        found.append(np.isin(patients, order[: max(1, round(fraction * len(order)))]))
    return found
""",
        "another seed for each size": """
def nested_sets(patients, fractions, seed):
    found = []
    for k, fraction in enumerate(fractions):
        order = np.random.default_rng(seed + k).permutation(np.unique(patients))
        found.append(np.isin(patients, order[: max(1, round(fraction * len(order)))]))
    return found
""",
        "nobody's order: the smallest numbers first": [
            ("np.random.default_rng(seed).permutation(np.unique(patients))", "np.unique(patients)")
        ],
        "turned round, not shuffled": [
            (
                "np.random.default_rng(seed).permutation(np.unique(patients))",
                "np.roll(np.unique(patients), np.random.default_rng(seed).integers(len(np.unique(patients))))",
            )
        ],
        "the seed is ignored": [("order = np.random.default_rng(seed)", "order = np.random.default_rng(0)")],
        "no seed": [("order = np.random.default_rng(seed)", "order = np.random.default_rng()")],
        "rounded down": [("round(fraction * len(order))", "int(fraction * len(order))")],
        "rounded up": [("round(fraction * len(order))", "math.ceil(fraction * len(order))")],
        "nobody at all": [("max(1, round(fraction * len(order)))", "round(fraction * len(order))")],
        "a share of the patches": [("fraction * len(order)", "fraction * len(patients)")],
        "sorted by size": [("for fraction in fractions]", "for fraction in sorted(fractions)]")],
        "numbers of patients, not rows": [
            ("[np.isin(patients, order[:count]) for count in counts]", "[order[:count] for count in counts]")
        ],
        "patients with many patches first": """
def nested_sets(patients, fractions, seed):
    order = []
    for patient in np.random.default_rng(seed).permutation(patients):
        if patient not in order:
            order.append(patient)
    counts = [max(1, round(fraction * len(order))) for fraction in fractions]
    return [np.isin(patients, sorted(order)[-count:]) for count in counts]
""",
        "the patients sorted in place": [("order = np.random", "patients.sort()\n    order = np.random")],
    },
    "choose_depth": {
        "peeking: the best of the test": [("validation.argmax(axis=1)", "test.argmax(axis=1)")],
        "the worst of validation": [("argmax", "argmin")],
        "one depth for all, by the mean": [
            ("validation.argmax(axis=1)", "np.full(len(test), validation.mean(axis=0).argmax())")
        ],
        "over repetitions instead of depths": [("validation.argmax(axis=1)", "validation.argmax(axis=0)[: len(test)]")],
        "the deepest of equals": [
            ("validation.argmax(axis=1)", "validation.shape[1] - 1 - validation[:, ::-1].argmax(axis=1)")
        ],
        "the validation score reported": [("test[np.arange(len(test)), chosen]", "validation.max(axis=1)")],
        "the columns of all": [("test[np.arange(len(test)), chosen]", "test[:, chosen]")],
        "optimism of the mean": [("test.max(axis=1).mean()", "test.mean(axis=0).max()")],
        "the best test of all repetitions": [("test.max(axis=1).mean()", "test.max()")],
        "the sign turned": [("test.max(axis=1).mean() - honest", "honest - test.max(axis=1).mean()")],
        "against validation": [("test.max(axis=1).mean()", "validation.max(axis=1).mean()")],
    },
}

ALTERNATIVES = {
    "windows_to_rgb": {
        "an interpolation": """
def windows_to_rgb(hu, windows):
    hu = np.asarray(hu, np.float32)
    return np.stack([np.interp(hu, [l - w / 2, l + w / 2], [0, 1]) for l, w in windows], axis=hu.ndim - 2)
""",
        "a loop that fills tensors": """
def windows_to_rgb(hu, windows):
    values = torch.as_tensor(hu).double()
    out = torch.empty(*values.shape[:-2], len(windows), *values.shape[-2:])
    for channel, (level, width) in enumerate(windows):
        out[..., channel, :, :] = ((values - level) / width + 0.5).clamp(0, 1)
    return out
""",
    },
    "keep_pools": {
        "whole numbers only": """
def keep_pools(side_px, stride, pools, grid=4):
    side = (side_px + stride - 1) // stride
    if side < grid:
        raise ValueError("too small")
    kept = 0
    while kept < len(pools) and (side + 1) // 2 >= grid:
        side, kept = (side + 1) // 2, kept + 1
    return list(pools[:kept]), side
""",
        "sides listed first": """
def keep_pools(side_px, stride, pools, grid=4):
    sides = [-(-side_px // stride)]
    for _ in pools:
        sides.append(-(-sides[-1] // 2))
    enough = [side for side in sides if side >= grid]
    if not enough:
        raise ValueError(f"{side_px} px are too few")
    return [pool for pool, _ in zip(pools, enough[1:])], enough[-1]
""",
    },
    "transplant": {
        "copies, and the filters by einsum": """
def transplant(old, new, fresh="fc8"):
    result = {name: value.clone() for name, value in new.items()}
    for name, value in new.items():
        if name not in old or name in (f"{fresh}.weight", f"{fresh}.bias"):
            continue
        before = old[name]
        if before.shape == value.shape:
            result[name] = before.clone()
        elif len(before.shape) == len(value.shape) == 4:
            if before.shape[0] == value.shape[0] and before.shape[2:] == value.shape[2:]:
                ones = torch.ones(value.shape[1], dtype=before.dtype)
                result[name] = torch.einsum("oikl,j->ojkl", before, ones) / value.shape[1]
    return result
""",
        "the mean, weighed": """
def transplant(old, new, fresh="fc8"):
    def carry(name, value):
        if name.rsplit(".", 1)[0] == fresh or name not in old:
            return value
        w = old[name]
        if tuple(w.shape) == tuple(value.shape):
            return w
        if w.ndim == 4 and value.ndim == 4 and w[0, 0].shape == value[0, 0].shape and len(w) == len(value):
            mean = w.mean(1, keepdim=True) * (w.shape[1] / value.shape[1])
            return torch.cat([mean] * value.shape[1], dim=1)
        return value

    return {name: carry(name, value) for name, value in new.items()}
""",
    },
    "layer_rates": {
        "a loop with a switch": """
def layer_rates(layers, first, rate, factor=10.0):
    if first not in layers:
        raise ValueError(f"no layer is called {first}")
    rates, open_ = {}, False
    for name in layers:
        open_ = open_ or name == first
        rates[name] = rate if open_ else 0
    return {**rates, layers[-1]: rate * factor}
""",
        "by numpy": """
def layer_rates(layers, first, rate, factor=10.0):
    values = np.full(len(layers), rate, float)
    values[: layers.index(first)] = 0
    values[-1] = factor * rate
    return dict(zip(layers, values))
""",
    },
    "nested_sets": {
        "ranks": """
def nested_sets(patients, fractions, seed):
    names, rows = np.unique(patients, return_inverse=True)
    rank = np.random.default_rng(seed).permutation(len(names))[rows]
    return [rank < max(1, int(np.floor(f * len(names) + 0.5))) for f in fractions]
""",
        "python's sets": """
def nested_sets(patients, fractions, seed):
    order = sorted(set(np.asarray(patients).tolist()))
    np.random.default_rng(seed).shuffle(order)
    result = []
    for fraction in fractions:
        chosen = set(order[: max(1, int(round(fraction * len(order))))])
        result.append(np.array([int(p) in chosen for p in patients]))
    return result
""",
    },
    "choose_depth": {
        "a loop": """
def choose_depth(validation, test):
    chosen, gained, best = [], 0.0, 0.0
    for v, t in zip(validation, test):
        depth = int(np.argmax(v))
        chosen.append(depth)
        gained += float(t[depth]) / len(test)
        best += float(np.max(t)) / len(test)
    return np.array(chosen), gained, best - gained
""",
        "take along the axis": """
def choose_depth(validation, test):
    chosen = np.argmax(validation, axis=1)
    scores = np.take_along_axis(test, chosen[:, None], axis=1)[:, 0]
    return chosen.astype(np.int32), np.float32(scores.mean()), np.mean(test.max(1) - scores)
""",
    },
}

EQUIVALENT = {
    "transplant": {
        "`elif value.ndim == 4 and source.shape[:1] + source.shape[2:] == value.shape[:1] + value.shape[2:]:` -> "
        "`elif value.ndim == 4 and source.shape[:1] + source.shape[2:] == value.shape[:1] + value.shape[-2:]:`": (
            "of four axes the last two are those from the third on"
        ),
    },
}
