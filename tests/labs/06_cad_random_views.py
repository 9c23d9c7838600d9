"""What the tests of lab 6 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "label_candidates": {
        "the short axis taken for the radius": [("distance < short_axes_mm / 2", "distance < short_axes_mm")],
        "marks on normal nodes called false": [("np.where(hit.any(axis=1), -1, 0)", "np.zeros(len(hit), int)")],
        "marks on normal nodes called right": [("np.where(hit.any(axis=1), -1, 0)", "np.where(hit.any(axis=1), 1, 0)")],
        "ten millimetres are not yet enlarged": [("short_axes_mm >= enlarged_mm", "short_axes_mm > enlarged_mm")],
        "the limit is written into the code": [("short_axes_mm >= enlarged_mm", "short_axes_mm >= 10")],
        "only the nearest node is asked": [
            (
                "    labels[(hit & enlarged).any(axis=1)] = 1",
                "    nearest = distance.argmin(axis=1) if len(nodes_mm) else np.zeros(len(candidates_mm), int)\n"
                "    if len(nodes_mm):\n"
                "        labels[hit[np.arange(len(hit)), nearest] & enlarged[nearest]] = 1",
            )
        ],
        "a normal node wins over an enlarged one": [
            (
                "labels[(hit & enlarged).any(axis=1)] = 1",
                "labels[(hit & enlarged).any(axis=1) & ~(hit & ~enlarged).any(axis=1)] = 1",
            )
        ],
        "distance within the slice only": [
            (
                "nodes_mm[None], axis=-1)",
                "nodes_mm[None], axis=-1) * 0 + np.linalg.norm((candidates_mm[:, None] - nodes_mm[None])[..., 1:], axis=-1)",
            )
        ],
        "a cube instead of a ball": [
            (
                "np.linalg.norm(candidates_mm[:, None] - nodes_mm[None], axis=-1)",
                "np.abs(candidates_mm[:, None] - nodes_mm[None]).max(axis=-1)",
            )
        ],
        "a label a node": [
            ("hit.any(axis=1), -1, 0)", "hit.any(axis=0), -1, 0)"),
            ("(hit & enlarged).any(axis=1)", "(hit & enlarged).any(axis=0)"),
        ],
        "a scan without nodes crashes": [("    hit = distance", "    distance.min(axis=1)\n    hit = distance")],
    },
    "sampling_weights": {
        "drawn as they come": [
            ("weights[chosen] = 0.5 / chosen.sum()", "weights[chosen] = 1 / np.sum(of_training & (labels >= 0))")
        ],
        "marks of the test's patients are drawn": [("of_training & (labels == label)", "labels == label")],
        "counted over all patients": [("0.5 / chosen.sum()", "0.5 / (labels == label).sum()")],
        "marks on normal nodes count as false": [("(labels == label)", "((labels == 1) == (label == 1))")],
        "split by the mark's number": [
            (
                "np.isin(patients, train_patients)",
                "np.arange(len(labels)) < len(labels) * len(train_patients) / len(set(patients.tolist()))",
            )
        ],
        "the sum is two": [("0.5 / chosen.sum()", "1 / chosen.sum()")],
        "weights as rare as their class": [("0.5 / chosen.sum()", "chosen.sum()")],
        "training and test exchanged": [("np.isin(patients, train_patients)", "~np.isin(patients, train_patients)")],
    },
    "rotation_matrix": {
        "degrees taken for radians": [("np.deg2rad(angle_deg)", "angle_deg")],
        "the axis is not of length 1": [("axis / np.linalg.norm(axis)", "axis")],
        "turned the other way": [("np.sin(angle) * cross", "-np.sin(angle) * cross")],
        "K squared entry by entry": [("cross @ cross", "cross * cross")],
        "the cosine instead of one minus it": [("(1 - np.cos(angle))", "np.cos(angle)")],
        "the identity forgotten": [("np.eye(3) + ", "")],
        "always about z": [("a, b, c = axis / np.linalg.norm(axis)", "a, b, c = 1.0, 0.0, 0.0")],
    },
    "shift_mm": {
        "the direction changed for the caller": """
def shift_mm(direction, share, largest_mm=3.0):
    direction /= np.linalg.norm(direction)
    return share * largest_mm * direction
""",
        "up to 3 mm along each axis": [
            ("direction / np.linalg.norm(direction)", "direction / np.abs(direction).max()")
        ],
        "the direction keeps its length": [("direction / np.linalg.norm(direction)", "direction")],
        "the largest length is written into the code": [("largest_mm * direction", "3.0 * direction")],
        "share forgotten": [("return share * largest_mm", "return largest_mm")],
        "the sum of the components instead of the length": [("np.linalg.norm(direction)", "np.abs(direction).sum()")],
    },
    "view_points": {
        "corners instead of middles": [
            ("(np.arange(n_px) - (n_px - 1) / 2) * side_mm / n_px", "(np.arange(n_px) - n_px / 2) * side_mm / n_px")
        ],
        "from edge to edge": [
            ("(np.arange(n_px) - (n_px - 1) / 2) * side_mm / n_px", "np.linspace(-side_mm / 2, side_mm / 2, n_px)")
        ],
        "rows and columns exchanged": [("((y, x), (-z, x), (-z, y))", "((x, y), (x, -z), (y, -z))")],
        "the head is down": [("((y, x), (-z, x), (-z, y))", "((y, x), (z, x), (z, y))")],
        "coronal and sagittal exchanged": [("((y, x), (-z, x), (-z, y))", "((y, x), (-z, y), (-z, x))")],
        "the shift is turned, too": [("centre_mm + shift + down", "centre_mm + rotation @ shift + down")],
        "the shift is forgotten": [("centre_mm + shift + down", "centre_mm + down")],
        "turned the other way": [("rotation @ rows", "rows @ rotation"), ("rotation @ columns", "columns @ rotation")],
        "the axial picture is not turned": [
            (
                "planes.append(centre_mm",
                "down, across = (down, across) if planes else (offsets[:, None, None] * rows, offsets[None, :, None] * columns)\n        planes.append(centre_mm",
            )
        ],
        "turned about the corner of the scan": [
            (
                "planes.append(centre_mm + shift + down + across)",
                "planes.append(rotation @ (centre_mm + shift) + down + across)",
            )
        ],
    },
    "read_view": {
        "whole Hounsfield units": [(", output=float", "")],
        "millimetres taken for voxels": [("points / np.array(spacing_mm)", "points")],
        "spacing in the order x, y, z": [("np.array(spacing_mm)", "np.array(spacing_mm)[::-1]")],
        "multiplied by the spacing": [("points / np.array(spacing_mm)", "points * np.array(spacing_mm)")],
        "nearest voxel": [("order=1", "order=0")],
        "outside is 0 HU": [('mode="nearest"', 'mode="constant"')],
        "not clipped": [("np.clip((hu - low) / (high - low), 0, 1)", "(hu - low) / (high - low)")],
        "the window as level and width": [
            ("low, high = window", "low, high = window[0] - window[1] / 2, window[0] + window[1] / 2")
        ],
        "the window before the interpolation": [
            ("ndimage.map_coordinates(volume, voxels", "ndimage.map_coordinates(np.clip(volume, *window), voxels")
        ],
        "only half of the width": [("(hu - low) / (high - low)", "(hu - low) / high")],
    },
    "all_views": {
        "side by side instead of each with each": [
            (
                "itertools.product(scales_mm, shifts_mm, rotations)",
                "zip(itertools.cycle(scales_mm), shifts_mm, itertools.cycle(rotations))",
            )
        ],
        "the scale changes fastest": [
            (
                "combinations = itertools.product(scales_mm, shifts_mm, rotations)\n    sides, shifts, turns",
                "combinations = itertools.product(rotations, shifts_mm, scales_mm)\n    turns, shifts, sides",
            )
        ],
        "shift and turn exchanged in order": [
            (
                "combinations = itertools.product(scales_mm, shifts_mm, rotations)\n    sides, shifts, turns",
                "combinations = itertools.product(scales_mm, rotations, shifts_mm)\n    sides, turns, shifts",
            )
        ],
        "one shift for each scale": """
def all_views(scales_mm, shifts_mm, rotations):
    pairs = [(s, shifts_mm[i % len(shifts_mm)], r) for i, s in enumerate(scales_mm) for r in rotations]
    return tuple(np.array(part) for part in zip(*pairs))
""",
    },
    "running_probability": {
        "the logits changed for the caller": """
def running_probability(logits):
    logits -= logits.max(axis=-1, keepdims=True)
    odds = np.exp(logits)
    return np.cumsum(odds[..., 1] / odds.sum(axis=-1), axis=1) / np.arange(1, logits.shape[1] + 1)
""",
        "softmax of the mean logits": """
def running_probability(logits):
    mean = np.cumsum(logits, axis=1) / np.arange(1, logits.shape[1] + 1)[:, None]
    return 1 / (1 + np.exp(np.clip(mean[..., 0] - mean[..., 1], -700, 700)))
""",
        "the surest view": [
            (
                "np.cumsum(probabilities, axis=1) / np.arange(1, logits.shape[1] + 1)",
                "np.maximum.accumulate(probabilities, axis=1)",
            )
        ],
        "a vote": [("np.cumsum(probabilities, axis=1)", "np.cumsum(probabilities > 0.5, axis=1)")],
        "the product, as if views were independent": [
            (
                "np.cumsum(probabilities, axis=1) / np.arange(1, logits.shape[1] + 1)",
                "np.cumprod(probabilities, axis=1)",
            )
        ],
        "the probability of nothing": [("odds[..., 1]", "odds[..., 0]")],
        "averaged over the marks": [
            (
                "np.cumsum(probabilities, axis=1) / np.arange(1, logits.shape[1] + 1)",
                "np.cumsum(probabilities, axis=0) / np.arange(1, len(logits) + 1)[:, None]",
            )
        ],
        "divided by all views at once": [("np.arange(1, logits.shape[1] + 1)", "logits.shape[1]")],
        "the sum instead of the mean": [(" / np.arange(1, logits.shape[1] + 1)", "")],
        "large logits overflow": [("logits - logits.max(axis=-1, keepdims=True)", "logits")],
        "softmax over the views": [
            ("odds[..., 1] / odds.sum(axis=-1)", "odds[..., 1] / odds[..., 1].sum(axis=1, keepdims=True)")
        ],
    },
}

ALTERNATIVES = {
    "label_candidates": {
        "two loops": """
def label_candidates(candidates_mm, nodes_mm, short_axes_mm, enlarged_mm=10.0):
    labels = []
    for mark in candidates_mm:
        label = 0
        for node, axis in zip(nodes_mm, short_axes_mm):
            if ((mark - node) ** 2).sum() < axis**2 / 4:
                label = 1 if axis >= enlarged_mm or label == 1 else -1
        labels.append(label)
    return np.array(labels)
""",
        "by scipy, as int8": """
def label_candidates(candidates_mm, nodes_mm, short_axes_mm, enlarged_mm=10.0):
    from scipy.spatial.distance import cdist

    if len(nodes_mm) == 0:
        return np.zeros(len(candidates_mm), np.int8)
    hit = cdist(candidates_mm, nodes_mm) < 0.5 * np.asarray(short_axes_mm)[None, :]
    big = hit[:, np.asarray(short_axes_mm) >= enlarged_mm].any(1)
    return np.select([big, hit.any(1)], [1, -1], 0).astype(np.int8)
""",
    },
    "sampling_weights": {
        "mark by mark": """
def sampling_weights(labels, patients, train_patients):
    train = set(train_patients)
    n = {y: sum(1 for l, p in zip(labels, patients) if l == y and p in train) for y in (0, 1)}
    return np.array([1 / (2 * n[l]) if l in n and p in train else 0.0 for l, p in zip(labels.tolist(), patients.tolist())])
""",
        "normalised at the end, float32": """
def sampling_weights(labels, patients, train_patients):
    inside = (patients[:, None] == np.array(train_patients)).any(1)
    right, wrong = inside & (labels == 1), inside & (labels == 0)
    w = right / right.sum() + wrong / wrong.sum()
    return (w / w.sum()).astype(np.float32)
""",
    },
    "rotation_matrix": {
        "by scipy": """
def rotation_matrix(axis, angle_deg):
    unit = np.asarray(axis) / np.linalg.norm(axis)
    return Rotation.from_rotvec(angle_deg * unit, degrees=True).as_matrix()
""",
        "entry by entry": """
def rotation_matrix(axis, angle_deg):
    a, b, c = np.asarray(axis, float) / np.sqrt(np.sum(np.square(axis)))
    s, k = np.sin(np.radians(angle_deg)), np.cos(np.radians(angle_deg))
    return np.array([
        [k + a * a * (1 - k), a * b * (1 - k) - c * s, a * c * (1 - k) + b * s],
        [b * a * (1 - k) + c * s, k + b * b * (1 - k), b * c * (1 - k) - a * s],
        [c * a * (1 - k) - b * s, c * b * (1 - k) + a * s, k + c * c * (1 - k)],
    ])
""",
        "by the matrix exponential": """
def rotation_matrix(axis, angle_deg):
    from scipy.linalg import expm

    a, b, c = np.deg2rad(angle_deg) * axis / np.linalg.norm(axis)
    return expm(np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]]))
""",
    },
    "shift_mm": {
        "a list, component by component": """
def shift_mm(direction, share, largest_mm=3.0):
    length = sum(d * d for d in direction) ** 0.5
    return np.array([share * largest_mm * d / length for d in direction])
""",
        "prints and warns": [
            ("    return share", "    import warnings\n    print(share)\n    warnings.warn('slow')\n    return share")
        ],
    },
    "view_points": {
        "pixel by pixel": """
def view_points(centre_mm, side_mm, shift, rotation, n_px=16):
    step = side_mm / n_px
    out = np.zeros((3, n_px, n_px, 3), np.float32)
    for i in range(n_px):
        for j in range(n_px):
            r, c = (i + 0.5) * step - side_mm / 2, (j + 0.5) * step - side_mm / 2
            for k, offset in enumerate(([0, r, c], [-r, 0, c], [-r, c, 0])):
                out[k, i, j] = centre_mm + shift + rotation @ np.array(offset)
    return out
""",
        "by meshgrid, turned at the end": """
def view_points(centre_mm, side_mm, shift, rotation, n_px=16):
    o = (np.arange(n_px) + 0.5 - n_px / 2) * (side_mm / n_px)
    r, c = np.meshgrid(o, o, indexing="ij")
    nothing = np.zeros_like(r)
    flat = np.stack([np.stack([nothing, r, c], -1), np.stack([-r, nothing, c], -1), np.stack([-r, c, nothing], -1)])
    return np.einsum("ab,pijb->pija", rotation, flat) + (np.asarray(centre_mm) + np.asarray(shift))
""",
    },
    "read_view": {
        "by hand, eight neighbours": """
def read_view(volume, spacing_mm, points, window=(-150.0, 250.0)):
    last = np.array(volume.shape) - 1
    where = np.clip(np.asarray(points) / np.asarray(spacing_mm), 0, last)
    low = np.minimum(np.floor(where).astype(int), np.maximum(last - 1, 0))
    t = where - low
    hu = 0.0
    for corner in itertools.product((0, 1), repeat=3):
        at = np.minimum(low + corner, last)
        hu = hu + volume[at[..., 0], at[..., 1], at[..., 2]] * np.prod(np.where(np.array(corner), t, 1 - t), axis=-1)
    return np.minimum(np.maximum((hu - window[0]) / (window[1] - window[0]), 0.0), 1.0)
""",
        "flat, float32": """
def read_view(volume, spacing_mm, points, window=(-150.0, 250.0)):
    flat = points.reshape(-1, 3).T / np.array(spacing_mm)[:, None]
    hu = ndimage.map_coordinates(np.asarray(volume, np.float32), flat, order=1, mode="nearest")
    hu = np.interp(hu, window, (0, 1))
    return hu.reshape(points.shape[:-1]).astype(np.float32)
""",
    },
    "all_views": {
        "repeat and tile": """
def all_views(scales_mm, shifts_mm, rotations):
    s, t, q = len(scales_mm), len(shifts_mm), len(rotations)
    return (
        np.repeat(scales_mm, t * q),
        np.tile(np.repeat(shifts_mm, q, axis=0), (s, 1)),
        np.tile(rotations, (s * t, 1, 1)),
    )
""",
        "three loops, lists of arrays": """
def all_views(scales_mm, shifts_mm, rotations):
    a, b, c = [], [], []
    for scale in scales_mm:
        for shift in shifts_mm:
            for turn in rotations:
                a.append(float(scale)), b.append(shift), c.append(turn)
    return np.asarray(a), np.stack(b), np.stack(c)
""",
    },
    "running_probability": {
        "by torch": """
def running_probability(logits):
    p = torch.as_tensor(logits).double().softmax(dim=2)[:, :, 1]
    return p.cumsum(1) / torch.arange(1, p.shape[1] + 1)
""",
        "a loop over the views, by the logistic function": """
def running_probability(logits):
    from scipy.special import expit

    p = expit(logits[:, :, 1] - logits[:, :, 0])
    out = np.zeros_like(p)
    for n in range(p.shape[1]):
        out[:, n] = p[:, : n + 1].mean(axis=1)
    return out
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "label_candidates": {
        "`distance = np.linalg.norm(candidates_mm[:, None] - nodes_mm[None], axis=-1)` -> "
        "`distance = np.linalg.norm(nodes_mm[None] - candidates_mm[:, None], axis=-1)`": "a distance has no direction",
    },
    "sampling_weights": {
        "`for label in (0, 1):` -> `for label in (1, 0):`": "the two classes do not touch each other's marks",
    },
    "rotation_matrix": {
        "`return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross` -> "
        "`return np.eye(3) + np.sin(angle) * cross + cross @ ((1 - np.cos(angle)) * cross)`": (
            "a number may stand before or between two factors that are the same matrix"
        ),
    },
    "view_points": {
        "`down, across = offsets[:, None, None] * (rotation @ rows), offsets[None, :, None] * (rotation @ columns)` -> "
        "`across, down = offsets[:, None, None] * (rotation @ rows), offsets[None, :, None] * (rotation @ columns)`": (
            "both are added, whatever they are called"
        ),
        "`down, across = offsets[:, None, None] * (rotation @ rows), offsets[None, :, None] * (rotation @ columns)` -> "
        "`down, across = offsets[None, :, None] * (rotation @ columns), offsets[:, None, None] * (rotation @ rows)`": (
            "both are added, whatever they are called"
        ),
    },
    "read_view": {
        "`return np.clip((hu - low) / (high - low), 0, 1)` -> `return np.clip(0, (hu - low) / (high - low), 1)`": (
            "0 clipped from below by the value and from above by 1 is the value clipped to [0, 1]"
        ),
    },
    "running_probability": {
        "`probabilities = odds[..., 1] / odds.sum(axis=-1)` -> `probabilities = odds[..., -1] / odds.sum(axis=-1)`": (
            "the last axis has two entries"
        ),
    },
}
