"""What the tests of lab 5 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "sample_plane": {
        "pixels instead of millimetres": [(" * side_mm / n_px", "")],
        "the spacing is forgotten": [("where / np.asarray(spacing_mm)", "where")],
        "the spacing backwards, as x, y, z": [("np.asarray(spacing_mm)", "np.asarray(spacing_mm)[::-1]")],
        "one spacing for all axes": [("np.asarray(spacing_mm)", "spacing_mm[1]")],
        "multiplied by the spacing": [("where / np.asarray(spacing_mm)", "where * np.asarray(spacing_mm)")],
        "from border to border": [
            ("(np.arange(n_px) - (n_px - 1) / 2) * side_mm / n_px", "np.linspace(-side_mm / 2, side_mm / 2, n_px)")
        ],
        "corners of pixels, not middles": [("(n_px - 1) / 2", "n_px / 2")],
        "rows and columns swapped": [
            (
                "t[:, None, None] * np.asarray(rows) + t[None, :, None] * np.asarray(columns)",
                "t[None, :, None] * np.asarray(rows) + t[:, None, None] * np.asarray(columns)",
            )
        ],
        "the nearest voxel": [("order=1", "order=0")],
        "cubic splines": [("order=1", "order=3")],
        "the border repeated outside": [('mode="constant", cval=fill', 'mode="nearest"')],
        "whole numbers stay whole": [("volume.astype(np.float64)", "volume")],
        "black outside, not the fill value": [("cval=fill", "cval=0.0")],
        "starts at the centre": [("(np.arange(n_px) - (n_px - 1) / 2)", "np.arange(n_px)")],
    },
    "nine_planes": {
        "diagonals are sqrt(2) long": [("(a + sign * b) / np.sqrt(2)", "a + sign * b")],
        "one diagonal of each pair": [("(1, -1)", "(1, 1)")],
        "feet up": [("(-z, x), (-z, y)", "(z, x), (z, y)")],
        "the third axis is not the third": [("(z, x, y)", "(z, x, z)")],
        "coronal and sagittal swapped": [("[(y, x), (-z, x), (-z, y)]", "[(y, x), (-z, y), (-z, x)]")],
        "written as x, y, z": [("z, y, x = np.eye(3)", "x, y, z = np.eye(3)")],
        "the cube's corners: planes of three equal axes": [
            ("(a + sign * b) / np.sqrt(2)", "(a + sign * b + third) / np.sqrt(3)")
        ],
    },
    "stream": {
        "padded convolutions": [
            ("nn.Conv2d(before, after, kernel)", 'nn.Conv2d(before, after, kernel, padding="same")'),
            ("(left - kernel + 1) // 2", "left // 2"),
        ],
        "average pooling": [("nn.MaxPool2d(2)", "nn.AvgPool2d(2)")],
        "no ReLU after the dense layer": [("features), nn.ReLU())", "features))")],
        "no ReLU after convolutions": [("nn.ReLU(), nn.MaxPool2d(2)", "nn.MaxPool2d(2)")],
        "no ReLU after the last convolution": [
            ("nn.ReLU(), nn.MaxPool2d(2)]", "*[nn.ReLU()] * (len(layers) < 6), nn.MaxPool2d(2)]")
        ],
        "all kernels 3 pixels": [("(5, 3, 3)", "(3, 3, 3)")],
        "side fixed at 64": [("left, before, layers = side, 1, []", "left, before, layers = 64, 1, []")],
        "a global mean instead of the place": [
            (
                "nn.Flatten(), nn.Linear(before * left**2, features)",
                "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, features)",
            )
        ],
    },
    "late_fusion": {
        "a stream for each view": [
            (
                "self.stream = Stream(side, maps, features)",
                "self.streams = nn.ModuleList(Stream(side, maps, features) for _ in range(n_views))",
            ),
            (
                "seen = self.stream(planes.flatten(0, 1)[:, None])",
                "seen = torch.stack([s(planes[:, [v]]) for v, s in enumerate(self.streams)], 1)",
            ),
        ],
        "the mean of the features": [
            ("nn.Linear(n_views * features, 1)", "nn.Linear(features, 1)"),
            ("seen.reshape(len(planes), -1)", "seen.reshape(len(planes), planes.shape[1], -1).mean(1)"),
        ],
        "a sigmoid at the end": [("[:, 0]  # (B,)", "[:, 0].sigmoid()")],
        "a batch of one loses its axis": [("[:, 0]  # (B,)", ".squeeze()")],
        "logits as a column": [("[:, 0]  # (B,)", "")],
        "views of different candidates mixed": [
            ("planes.flatten(0, 1)[:, None]", "planes.transpose(0, 1).flatten(0, 1)[:, None]")
        ],
        "a committee": [
            ("nn.Linear(n_views * features, 1)", "nn.Linear(features, 1)"),
            (
                "self.classify(seen.reshape(len(planes), -1))[:, 0]",
                "self.classify(seen)[:, 0].reshape(len(planes), -1).mean(1)",
            ),
        ],
        "views as channels of one input": [
            (
                "seen = self.stream(planes.flatten(0, 1)[:, None])",
                "seen = self.stream(planes.mean(1, keepdim=True)).repeat(1, planes.shape[1])",
            )
        ],
    },
    "judge": {
        "the diameter taken for the radius": [
            ("< diameters / 2", "< diameters"),
            ("< irrelevant_diameters / 2", "< irrelevant_diameters"),
        ],
        "as near as the radius is a hit": [("axis=-1) < diameters / 2", "axis=-1) <= diameters / 2")],
        "the lowest score of a nodule": [
            (
                "np.where(hits, scores[:, None], -np.inf).max(axis=0, initial=-np.inf)",
                "np.where(hits.any(0), np.where(hits, scores[:, None], np.inf).min(axis=0, initial=np.inf), -np.inf)",
            )
        ],
        "second hits are false positives": """
def judge(candidates, scores, nodules, diameters, irrelevant, irrelevant_diameters):
    hits = np.linalg.norm(candidates[:, None] - nodules[None], axis=-1) < diameters / 2
    ignored = (np.linalg.norm(candidates[:, None] - irrelevant[None], axis=-1) < irrelevant_diameters / 2).any(axis=1)
    best = np.where(hits, scores[:, None], -np.inf).max(axis=0, initial=-np.inf)
    is_best = (hits & (scores[:, None] == best)).any(axis=1)
    return best, scores[~is_best & ~ignored]
""",
        "irrelevant findings are false positives": [(" & ~ignored.any(axis=1)", "")],
        "irrelevant findings go before nodules": [
            ("np.where(hits, scores", "np.where(hits & ~ignored.any(axis=1)[:, None], scores")
        ],
        "missed nodules get 0": [("-np.inf).max(axis=0, initial=-np.inf)", "0.0).max(axis=0, initial=0.0)")],
        "missed nodules are left out": [("return best, scores[false]", "return best[best > -np.inf], scores[false]")],
        "scans without nodules are skipped": [
            ("    hits =", "    if not len(nodules):\n        return np.zeros(0), np.zeros(0)\n    hits =")
        ],
        "one radius for all": [("< diameters / 2", "< 5.0")],
        "each candidate counts for the nearest nodule only": """
def judge(candidates, scores, nodules, diameters, irrelevant, irrelevant_diameters):
    best, false = np.full(len(nodules), -np.inf), []
    for x, score in zip(candidates, scores):
        ignored = np.any(np.linalg.norm(irrelevant - x, axis=1) < irrelevant_diameters / 2)
        distance = np.linalg.norm(nodules - x, axis=1)
        if len(nodules) and distance.min() < diameters[distance.argmin()] / 2:
            best[distance.argmin()] = max(best[distance.argmin()], score)
        elif not ignored:
            false.append(score)
    return best, np.array(false)
""",
        "a city-block distance": [
            (
                "np.linalg.norm(candidates[:, None] - nodules[None], axis=-1)",
                "np.abs(candidates[:, None] - nodules[None]).sum(axis=-1)",
            )
        ],
    },
    "froc_curve": {
        "divided by the candidates: an ROC": [("/ len(scans)", "/ max(len(false), 1)")],
        "scans without nodules do not count": [("/ len(scans)", "/ sum(len(nodules) > 0 for nodules, _ in scans)")],
        "missed nodules do not count": [
            ("np.mean(found >= threshold)", "np.mean(found[found > -np.inf] >= threshold)")
        ],
        "above, not at least": [
            ("found >= threshold", "found > threshold"),
            ("false >= threshold", "false > threshold"),
        ],
        "from low thresholds to high": [("[::-1]  # from high to low", "")],
        "without its start": [
            (
                "np.array([0.0, *false_positives]), np.array([0.0, *sensitivity])",
                "np.array(false_positives), np.array(sensitivity)",
            )
        ],
        "a point for each candidate": [
            (
                "np.unique(np.concatenate([found[found > -np.inf], false]))[::-1]",
                "np.sort(np.concatenate([found[found > -np.inf], false]))[::-1]",
            )
        ],
        "scores below 0 are dropped": [
            ("found[found > -np.inf]", "found[found > 0]"),
            ("np.unique(np.concatenate(", "np.unique(np.maximum(0, np.concatenate("),
            ("false]))[::-1]", "false])))[::-1]"),
        ],
        "the mean of the scans' sensitivities": [
            ("np.mean(found >= threshold)", "np.mean([np.mean(n >= threshold) for n, _ in scans if len(n)])")
        ],
        "sensitivity and false positives swapped": [
            (
                "np.array([0.0, *false_positives]), np.array([0.0, *sensitivity])",
                "np.array([0.0, *sensitivity]), np.array([0.0, *false_positives])",
            )
        ],
    },
    "cpm": {
        "from 1/4 on, as another challenge": [("np.arange(-3, 4)", "np.arange(-2, 4)")],
        "up to 4": [("np.arange(-3, 4)", "np.arange(-3, 3)")],
        "evenly spaced rates": [("2.0 ** np.arange(-3, 4)", "np.linspace(0.125, 8, 7)")],
        "the area under the curve": [
            (
                "np.interp(rates, false_positives, sensitivity).mean()",
                "np.trapezoid(np.interp(rates, false_positives, sensitivity), rates) / 7.875",
            )
        ],
        "steps instead of lines": [
            (
                "np.interp(rates, false_positives, sensitivity)",
                "np.asarray(sensitivity)[np.searchsorted(false_positives, rates, side='right') - 1]",
            )
        ],
        "nothing beyond the end": [
            (
                "np.interp(rates, false_positives, sensitivity)",
                "np.interp(rates, false_positives, sensitivity, right=0.0)",
            )
        ],
    },
    "bootstrap_cpm": {
        "each scan once": [("for i in draw]", "for i in np.unique(draw)]")],
        "draws without nodules are 0": [
            (
                "            result.append(cpm(*froc_curve(drawn)))",
                "            result.append(cpm(*froc_curve(drawn)))\n        else:\n            result.append(0.0)",
            )
        ],
        "the draw is ignored": [("[scans[i] for i in draw]", "list(scans)")],
        "scans without nodules are left out of the draw": [
            ("drawn = [scans[i] for i in draw]", "drawn = [scans[i] for i in draw if len(scans[i][0])]")
        ],
        "the mean of the scans' CPMs": [
            (
                "result.append(cpm(*froc_curve(drawn)))",
                "result.append(np.mean([cpm(*froc_curve([s])) for s in drawn if len(s[0])]))",
            )
        ],
        "one mean over all draws": [("return np.array(result)", "return np.array([np.mean(result)])")],
    },
}

ALTERNATIVES = {
    "sample_plane": {
        "torch's grid_sample": """
def sample_plane(volume, spacing_mm, centre_mm, rows, columns, side_mm, n_px, fill=-1000.0):
    t = torch.linspace(-0.5 + 0.5 / n_px, 0.5 - 0.5 / n_px, n_px, dtype=torch.float64) * side_mm
    c, r, q = (torch.tensor(np.array(v, dtype=float)) for v in (centre_mm, rows, columns))
    where = (c + t[:, None, None] * r + t[:, None] * q) / torch.tensor(np.array(spacing_mm, dtype=float))
    size = torch.tensor(volume.shape, dtype=torch.float64)
    grid = (2 * where / (size - 1) - 1).flip(-1)[None, None]
    cut = functional.grid_sample(torch.tensor(volume.astype(float))[None, None], grid, padding_mode="border", align_corners=True)[0, 0, 0]
    return torch.where(((where < 0) | (where > size - 1)).any(-1), torch.tensor(fill, dtype=torch.float64), cut)
""",
        "pixel by pixel, eight voxels each, float32": """
def sample_plane(volume, spacing_mm, centre_mm, rows, columns, side_mm, n_px, fill=-1000.0):
    result = np.full((n_px, n_px), fill, dtype=np.float32)
    for a in range(n_px):
        for b in range(n_px):
            p = np.array(centre_mm, float) + (a - (n_px - 1) / 2) * side_mm / n_px * np.array(rows, float)
            p = (p + (b - (n_px - 1) / 2) * side_mm / n_px * np.array(columns, float)) / np.array(spacing_mm)
            if (p < 0).any() or (p > np.array(volume.shape) - 1).any():
                continue
            low = np.minimum(np.floor(p).astype(int), np.maximum(np.array(volume.shape) - 2, 0))
            f, value = p - low, 0.0
            for corner in np.ndindex(2, 2, 2):
                at = np.minimum(low + corner, np.array(volume.shape) - 1)
                value += float(volume[tuple(at)]) * np.prod(np.where(corner, f, 1 - f))
            result[a, b] = value
    return result
""",
    },
    "nine_planes": {
        "rotations by 45 degrees, other order": """
def nine_planes():
    e, h = np.eye(3), np.sqrt(2) / 2
    first = [[e[1], e[2]], [-e[0], e[2]], [-e[0], e[1]]]
    rest = []
    for third in (2, 0, 1):
        i, j = [k for k in range(3) if k != third]
        rest += [[e[third], -h * e[i] + h * e[j]], [-e[third], -h * e[i] - h * e[j]]]
    return np.array(first + rest, dtype=np.float64)
""",
        "written out": """
def nine_planes():
    h = 0.5 ** 0.5
    return np.array([
        [[0, 1, 0], [0, 0, 1]], [[-1, 0, 0], [0, 0, 1]], [[-1, 0, 0], [0, 1, 0]],
        [[h, h, 0], [0, 0, 1]], [[h, -h, 0], [0, 0, 1]], [[h, 0, h], [0, 1, 0]],
        [[h, 0, -h], [0, 1, 0]], [[0, h, h], [1, 0, 0]], [[0, h, -h], [1, 0, 0]],
    ])
""",
    },
    "stream": {
        "a layer that waits for its size": [("nn.Linear(before * left**2, features)", "nn.LazyLinear(features)")],
        "layers by name, pooling before the ReLU": """
class Stream(nn.Module):
    def __init__(self, side=64, maps=(24, 32, 48), features=16):
        super().__init__()
        a, b, c = maps
        self.one, self.two, self.three = nn.Conv2d(1, a, 5), nn.Conv2d(a, b, 3), nn.Conv2d(b, c, 3)
        with torch.no_grad():
            n = self.look(torch.zeros(1, 1, side, side)).shape[1]
        self.dense = nn.Linear(n, features)

    def look(self, x):
        for layer in (self.one, self.two, self.three):
            x = functional.relu(functional.max_pool2d(layer(x), 2))
        return x.flatten(1)

    def forward(self, plane):
        return functional.relu(self.dense(self.look(plane)))
""",
        "a convolution as the dense layer": """
class Stream(nn.Module):
    def __init__(self, side=64, maps=(24, 32, 48), features=16):
        super().__init__()
        self.convolutions = nn.ModuleList()
        n, c = side, 1
        for k, m in zip([5, 3, 3], maps):
            self.convolutions.append(nn.Conv2d(c, m, k))
            n, c = (n - k + 1) // 2, m
        self.last = nn.Conv2d(c, features, n)

    def forward(self, plane):
        for convolution in self.convolutions:
            plane = torch.max_pool2d(convolution(plane).relu(), 2)
        return self.last(plane).relu().flatten(1)
""",
    },
    "late_fusion": {
        "view by view": """
class LateFusion(nn.Module):
    def __init__(self, n_views=9, side=64, maps=(24, 32, 48), features=16):
        super().__init__()
        self.views, self.shared = n_views, Stream(side=side, maps=maps, features=features)
        self.out = nn.Linear(features * n_views, 1)

    def forward(self, planes):
        seen = [self.shared(planes[:, v].unsqueeze(1)) for v in range(self.views)]
        return self.out(torch.cat(seen, dim=1)).squeeze(1)
""",
        "einsum, prints": """
class LateFusion(nn.Module):
    def __init__(self, n_views=9, side=64, maps=(24, 32, 48), features=16):
        super().__init__()
        self.stream, self.classify = Stream(side, maps, features), nn.Linear(n_views * features, 1)

    def forward(self, planes):
        print(planes.shape)
        b, p, n, _ = planes.shape
        seen = self.stream(planes.reshape(b * p, 1, n, n)).view(b, p, -1)
        weight = self.classify.weight.view(p, -1)
        return torch.einsum("bpf,pf->b", seen, weight) + self.classify.bias
""",
    },
    "judge": {
        "loops": """
def judge(candidates, scores, nodules, diameters, irrelevant, irrelevant_diameters):
    best, false = [-np.inf] * len(nodules), []
    for x, score in zip(candidates, scores):
        hit = False
        for k in range(len(nodules)):
            if sum((x - nodules[k]) ** 2) < (diameters[k] / 2) ** 2:
                best[k], hit = max(best[k], score), True
        near = any(sum((x - c) ** 2) < (d / 2) ** 2 for c, d in zip(irrelevant, irrelevant_diameters))
        if not hit and not near:
            false.append(score)
    return np.array(best), np.array(false)
""",
        "scipy's distances, float32": """
def judge(candidates, scores, nodules, diameters, irrelevant, irrelevant_diameters):
    from scipy.spatial.distance import cdist
    hits = 2 * cdist(candidates, nodules) < diameters
    neither = (2 * cdist(candidates, irrelevant) < irrelevant_diameters).any(1) & ~hits.any(1)
    best = np.full(len(nodules), -np.inf, dtype=np.float32)
    for k in range(len(nodules)):
        if hits[:, k].any():
            best[k] = scores[hits[:, k]].max()
    return best, scores[~hits.any(1) & ~neither].astype(np.float32)
""",
    },
    "froc_curve": {
        "sorted once and counted on": """
def froc_curve(scans):
    events = [(s, 1) for n, _ in scans for s in n if s != -np.inf] + [(s, 0) for _, f in scans for s in f]
    events.sort(key=lambda e: -e[0])
    total, tp, fp, x, y = sum(len(n) for n, _ in scans), 0, 0, [0.0], [0.0]
    for i, (s, is_nodule) in enumerate(events):
        tp, fp = tp + is_nodule, fp + 1 - is_nodule
        if i + 1 == len(events) or events[i + 1][0] != s:
            x.append(fp / len(scans))
            y.append(tp / total)
    return np.array(x), np.array(y)
""",
        "broadcast": """
def froc_curve(scans):
    found, false = (np.concatenate([scan[k] for scan in scans]) for k in (0, 1))
    levels = np.sort(np.unique(np.r_[found[np.isfinite(found)], false]))[::-1]
    y = (found[None] >= levels[:, None]).sum(1) / len(found)
    x = (false[None] >= levels[:, None]).sum(1) / len(scans)
    return np.r_[0, x], np.r_[0, y]
""",
    },
    "cpm": {
        "a loop, float32": """
def cpm(false_positives, sensitivity):
    total = 0.0
    for rate in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8):
        total += np.interp(rate, false_positives, sensitivity)
    return np.float32(total / 7)
""",
        "by hand": """
def cpm(false_positives, sensitivity):
    x, y, values = list(false_positives), list(sensitivity), []
    for rate in [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0]:
        last = max(i for i in range(len(x)) if x[i] <= rate)
        if last == len(x) - 1:
            values.append(y[last])
        else:
            values.append(y[last] + (rate - x[last]) / (x[last + 1] - x[last]) * (y[last + 1] - y[last]))
    return sum(values) / 7
""",
    },
    "bootstrap_cpm": {
        "a comprehension": """
def bootstrap_cpm(scans, draws):
    return np.array([
        cpm(*froc_curve([scans[i] for i in d])) for d in draws.tolist() if any(len(scans[i][0]) for i in d)
    ])
""",
        "by how often each scan is drawn, a list": """
def bootstrap_cpm(scans, draws):
    values = []
    for times in (np.bincount(d, minlength=len(scans)) for d in draws):
        chosen = [scan for scan, n in zip(scans, times) for _ in range(n)]
        if sum(map(len, (n for n, _ in chosen))) > 0:
            values.append(np.float32(cpm(*froc_curve(chosen))))
    return np.array(values)
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "nine_planes": {
        "`for sign in (1, -1):` -> `for sign in (-1, 1):`": "the diagonal planes may come in any order",
        "`result.append(((a + sign * b) / np.sqrt(2), third))` -> "
        "`result.append((third, (a + sign * b) / np.sqrt(2)))`": "the diagonal planes may be turned in themselves",
        "`result.append(((a + sign * b) / np.sqrt(2), third))` -> "
        "`result.append(((-a + sign * b) / np.sqrt(2), third))`": "the same six planes in another order, mirrored",
        "`result.append(((a + sign * b) / np.sqrt(2), third))` -> "
        "`result.append(((a - sign * b) / np.sqrt(2), third))`": "both signs are taken, in another order",
    },
    "late_fusion": {
        "`return self.classify(seen.reshape(len(planes), -1))[:, 0]` -> "
        "`return self.classify(seen.reshape(len(planes), -1))[:, -1]`": "the classifier gives one column, which is the first and the last",
    },
    "judge": {
        "`hits = np.linalg.norm(candidates[:, None] - nodules[None], axis=-1) < diameters / 2` -> "
        "`hits = np.linalg.norm(nodules[None] - candidates[:, None], axis=-1) < diameters / 2`": (
            "the distance there is the distance back"
        ),
        "`ignored = np.linalg.norm(candidates[:, None] - irrelevant[None], axis=-1) < irrelevant_diameters / 2` -> "
        "`ignored = np.linalg.norm(irrelevant[None] - candidates[:, None], axis=-1) < irrelevant_diameters / 2`": (
            "the distance there is the distance back"
        ),
    },
    "froc_curve": {
        "`thresholds = np.unique(np.concatenate([found[found > -np.inf], false]))[::-1]` -> "
        "`thresholds = np.unique(np.concatenate([false, found[found > -np.inf]]))[::-1]`": "np.unique sorts the scores, whatever order they came in",
    },
}
