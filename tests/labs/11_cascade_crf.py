"""What must lose points in lab 11, what must not, and which mutants are no other program."""

MISTAKES = {
    "prepare": {
        "clipped before the metal is removed": [
            ("calm = np.where(hu > 1200, 0.0, hu)", "calm = np.clip(hu, -100, 400)"),
            ("(np.clip(calm, -100, 400) + 100) / 500", "(np.where(calm > 1200, 0.0, calm) + 100) / 500"),
        ],
        "metal becomes the window's lower end": [("np.where(hu > 1200, 0.0, hu)", "np.where(hu > 1200, -100.0, hu)")],
        "1200 itself counts as metal": [("hu > 1200", "hu >= 1200")],
        "what lies outside of the field of view is taken for metal": [("hu > 1200", "np.abs(hu) > 1200")],
        "scaled to the slice's own range": [
            (
                "(np.clip(calm, -100, 400) + 100) / 500",
                "(lambda c: (c - c.min()) / max(np.ptp(c), 1e-9))(np.clip(calm, -100, 400))",
            )
        ],
        "divided by the upper end": [("/ 500", "/ 400")],
        "padded with air": [('mode="reflect"', 'mode="constant"')],
        "the border pixel repeated": [('mode="reflect"', 'mode="symmetric"')],
        "padded at two sides only": [
            ('np.pad(scaled, margin, mode="reflect")', 'np.pad(scaled, (0, margin), mode="reflect")')
        ],
    },
    "class_weights": {
        "frequency instead of its inverse": [
            ("labels.size / (n_classes * np.maximum(counts, 1))", "counts / labels.size")
        ],
        "absent classes divide by zero and become infinite": [
            (
                "np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, 1)), 0.0)",
                "np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, 1)), np.inf)",
            )
        ],
        "only classes that occur are counted": [("n_classes * np.maximum", "np.count_nonzero(counts) * np.maximum")],
        "not divided by the number of classes": [("(n_classes * np.maximum(counts, 1))", "np.maximum(counts, 1)")],
        "the array is as long as the largest label": [(", minlength=n_classes", "")],
        "normalised to sum 1": [
            (
                "    return np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, 1)), 0.0)",
                "    w = np.where(counts > 0, 1 / np.maximum(counts, 1), 0.0)\n    return w / w.sum()",
            )
        ],
    },
    "crop_to_liver": {
        "last row and column left out": [
            ("rows[-1] + 1 + margin", "rows[-1] + margin"),
            ("columns[-1] + 1 + margin", "columns[-1] + margin"),
        ],
        "the rest of the body is left in": [("np.where(liver, image, 0.0)", "image")],
        "rows and columns swapped": [
            (
                "np.flatnonzero(liver.any(axis=1)), np.flatnonzero(liver.any(axis=0))",
                "np.flatnonzero(liver.any(axis=0)), np.flatnonzero(liver.any(axis=1))",
            )
        ],
        "the margin leaves the slice": [
            ("max(rows[0] - margin, 0)", "rows[0] - margin"),
            ("max(columns[0] - margin, 0)", "columns[0] - margin"),
        ],
        "the box ends beyond the slice": [
            ("min(rows[-1] + 1 + margin, liver.shape[0])", "rows[-1] + 1 + margin"),
            ("min(columns[-1] + 1 + margin, liver.shape[1])", "columns[-1] + 1 + margin"),
        ],
        "a square around the liver, so that its shape is kept": [
            (
                "    masked = np.where",
                "    longest = max(bottom - top, right - left)\n"
                "    bottom, right = min(top + longest, liver.shape[0]), min(left + longest, liver.shape[1])\n"
                "    masked = np.where",
            )
        ],
        "the margin is forgotten": [("rows[0] - margin", "rows[0]"), ("rows[-1] + 1 + margin", "rows[-1] + 1")],
        "resized before it is masked": [
            (
                "resize(masked[top:bottom, left:right], side, side)",
                "resize(image[top:bottom, left:right], side, side) * (resize(1.0 * liver[top:bottom, left:right], side, side) > 0.5)",
            )
        ],
        "writes into the slice": [("masked = np.where(liver, image, 0.0)", "masked = image\n    masked[~liver] = 0")],
        "the box as height and width": [
            ("side, side), (top, bottom, left, right)", "side, side), (top, left, bottom - top, right - left)")
        ],
    },
    "paste_back": {
        "resized to the slice": [
            (
                "whole[top:bottom, left:right] = resize(answer, bottom - top, right - left)",
                "whole[:] = resize(answer, *shape)",
            )
        ],
        "height and width swapped": [
            ("resize(answer, bottom - top, right - left)", "resize(answer.T, right - left, bottom - top).T[::-1]")
        ],
        "put into the corner": [("whole[top:bottom, left:right]", "whole[: bottom - top, : right - left]")],
        "ones elsewhere": [("np.zeros(shape)", "np.ones(shape)")],
        "thresholded": [
            ("resize(answer, bottom - top, right - left)", "resize(answer, bottom - top, right - left) > 0.5")
        ],
    },
    "pair_kernel": {
        "places in voxels": [("p.ravel() * d for", "p.ravel() for")],
        "spacing in the order x, y, z": [
            ("zip(np.indices(image.shape), spacing)", "zip(np.indices(image.shape), spacing[::-1])")
        ],
        "sigma not squared": [("(2 * smooth[1] ** 2)", "(2 * smooth[1])")],
        "the 2 of 2 theta squared forgotten": [
            ("- unlike / (2 * appearance[2] ** 2)", "- unlike / (appearance[2] ** 2)")
        ],
        "greys in another order than places": [
            (
                "image.ravel()[:, None] - image.ravel()[None, :]",
                "image.T.ravel()[:, None] - image.T.ravel()[None, :]",
            )
        ],
        "the appearance kernel forgets the place": [("-far / (2 * appearance[1] ** 2) - unlike", "-unlike")],
        "the appearance kernel forgets the grey": [(" - unlike / (2 * appearance[2] ** 2)", "")],
        "a voxel hears itself": [("    np.fill_diagonal(kernel, 0)\n", "")],
        "place and grey in two terms": [
            (
                "np.exp(-far / (2 * appearance[1] ** 2) - unlike / (2 * appearance[2] ** 2))",
                "(np.exp(-far / (2 * appearance[1] ** 2)) + np.exp(-unlike / (2 * appearance[2] ** 2)))",
            )
        ],
        "a distance that is not squared": [("** 2).sum(axis=2)", "** 2).sum(axis=2) ** 0.5")],
    },
    "mean_field_step": {
        "rewards the other labels": [("np.log(p) - against", "np.log(p) + against")],
        "normalised over all voxels and labels": [("np.exp(logits).sum(axis=0)", "np.exp(logits).sum()")],
        "neighbours vote for their surest label alone": [
            ("heard = q @ kernel", "heard = (q == q.max(axis=0)) @ kernel")
        ],
        "not normalised": [("np.exp(logits) / np.exp(logits).sum(axis=0)", "np.exp(logits)")],
        "normalised over voxels": [("np.exp(logits).sum(axis=0)", "np.exp(logits).sum(axis=1, keepdims=True)")],
        "the old belief as the unary term": [("np.log(p) - against", "np.log(q) - against")],
        "neighbours' probabilities instead of beliefs": [("heard = q @ kernel", "heard = p @ kernel")],
        "speaks against its own label": [("heard.sum(axis=0) - heard", "heard")],
        "underflows": [("    logits = logits - logits.max(axis=0)\n", "")],
        "the unary term forgotten": [("np.log(p) - against", "-against")],
        "voxels one after the other": """
def mean_field_step(q, p, kernel):
    q = q.copy()
    for i in range(q.shape[1]):
        heard = q @ kernel[i]
        logits = np.log(p[:, i]) - (heard.sum() - heard)
        q[:, i] = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    return q
""",
    },
}

ALTERNATIVES = {
    "prepare": {
        "by torch's clamp, in place on a copy": """
def prepare(hu, margin=0):
    out = np.array(hu, dtype=np.float32)
    out[out > 1200] = 0
    out = torch.as_tensor(out).clamp(-100, 400).add(100).div(500).numpy()
    return np.pad(out, ((margin, margin), (margin, margin)), "reflect")
""",
        "minimum and maximum, interpolated": """
def prepare(hu, margin=0):
    x = np.interp(np.where(np.asarray(hu) <= 1200, hu, 0), [-100, 400], [0.0, 1.0])
    rows = np.abs(np.arange(-margin, x.shape[0] + margin))
    columns = np.abs(np.arange(-margin, x.shape[1] + margin))
    rows = np.where(rows >= x.shape[0], 2 * x.shape[0] - 2 - rows, rows)
    columns = np.where(columns >= x.shape[1], 2 * x.shape[1] - 2 - columns, columns)
    return x[np.ix_(rows, columns)]
""",
    },
    "class_weights": {
        "a loop": """
def class_weights(labels, n_classes):
    out = []
    for c in range(n_classes):
        n = int((labels == c).sum())
        out.append(labels.size / n / n_classes if n else 0)
    return np.array(out, dtype=np.float32)
""",
        "with a warning": """
def class_weights(labels, n_classes):
    counts = np.array([np.count_nonzero(labels == c) for c in range(n_classes)])
    w = np.float64(labels.size) / n_classes / counts
    w[~np.isfinite(w)] = 0
    return torch.as_tensor(w)
""",
    },
    "crop_to_liver": {
        "by where": """
def crop_to_liver(image, liver, side, margin):
    r, c = np.where(liver)
    box = (
        int(max(r.min() - margin, 0)),
        int(min(r.max() + margin + 1, liver.shape[0])),
        int(max(c.min() - margin, 0)),
        int(min(c.max() + margin + 1, liver.shape[1])),
    )
    return torch.as_tensor(resize((image * liver)[box[0] : box[1], box[2] : box[3]], side, side)), box
""",
        "by find_objects, a list": """
def crop_to_liver(image, liver, side, margin):
    from scipy import ndimage

    box = []
    for part, n in zip(ndimage.find_objects(liver.astype(int))[0], liver.shape):
        box += [max(part.start - margin, 0), min(part.stop + margin, n)]
    copy = image.copy()
    copy[~liver] = 0
    return resize(copy[box[0] : box[1], box[2] : box[3]], side, side), box
""",
    },
    "paste_back": {
        "by padding": """
def paste_back(answer, box, shape):
    t, b, l, r = box
    return np.pad(resize(answer, b - t, r - l), ((t, shape[0] - b), (l, shape[1] - r)))
""",
        "in torch": """
def paste_back(answer, box, shape):
    out = torch.zeros(*shape)
    small = torch.as_tensor(answer, dtype=torch.float32)[None, None]
    size = (box[1] - box[0], box[3] - box[2])
    out[box[0] : box[1], box[2] : box[3]] = functional.interpolate(small, size, mode="bilinear")[0, 0]
    return out
""",
    },
    "pair_kernel": {
        "by scipy's distances": """
def pair_kernel(image, spacing, smooth=(3.0, 3.0), appearance=(10.0, 60.0, 20.0)):
    from scipy.spatial.distance import cdist

    s = np.argwhere(np.ones(image.shape)) * np.array(spacing)
    g = image.reshape(-1, 1)
    d2 = cdist(s, s, "sqeuclidean")
    k = smooth[0] * np.exp(-0.5 * d2 / smooth[1] ** 2)
    k += appearance[0] * np.exp(-0.5 * d2 / appearance[1] ** 2) * np.exp(-0.5 * cdist(g, g, "sqeuclidean") / appearance[2] ** 2)
    return k * (1 - np.eye(len(k)))
""",
        "pair by pair": """
def pair_kernel(image, spacing, smooth=(3.0, 3.0), appearance=(10.0, 60.0, 20.0)):
    where = list(np.ndindex(image.shape))
    k = np.zeros((len(where), len(where)))
    for i, a in enumerate(where):
        for j, b in enumerate(where):
            if i != j:
                d2 = sum(((m - n) * mm) ** 2 for m, n, mm in zip(a, b, spacing))
                k[i, j] = smooth[0] * np.exp(-d2 / 2 / smooth[1] ** 2) + appearance[0] * np.exp(
                    -d2 / 2 / appearance[1] ** 2 - (image[a] - image[b]) ** 2 / 2 / appearance[2] ** 2
                )
    return k
""",
    },
    "mean_field_step": {
        "torch's softmax": """
def mean_field_step(q, p, kernel):
    q, p, kernel = (torch.as_tensor(a, dtype=torch.float64) for a in (q, p, kernel))
    potts = 1 - torch.eye(len(q), dtype=torch.float64)
    return torch.softmax(p.log() - potts @ q @ kernel, dim=0)
""",
        "rewards its own label": """
def mean_field_step(q, p, kernel):
    from scipy.special import softmax

    return softmax(np.log(p) + q @ kernel.T, axis=0)
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "prepare": {
        "`scaled = (np.clip(calm, -100, 400) + 100) / 500` -> `scaled = (np.clip(-100, calm, 400) + 100) / 500`": (
            "the larger of -100 and the value, whichever is called the lower bound of the other"
        ),
    },
    "class_weights": {
        "`return np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, 1)), 0.0)` -> "
        "`return np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, 0)), 0.0)`": (
            "what is divided by zero is not taken; only a warning is left"
        ),
        "`return np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, 1)), 0.0)` -> "
        "`return np.where(counts > 0, labels.size / (n_classes * np.maximum(counts, -1)), 0.0)`": (
            "what is divided by zero is not taken; only a warning is left"
        ),
    },
    "pair_kernel": {
        "`far = ((places[:, None] - places[None, :]) ** 2).sum(axis=2)` -> "
        "`far = ((places[None, :] - places[:, None]) ** 2).sum(axis=2)`": "a square forgets the sign of a difference",
        "`unlike = (image.ravel()[:, None] - image.ravel()[None, :]) ** 2` -> "
        "`unlike = (image.ravel()[None, :] - image.ravel()[:, None]) ** 2`": "a square forgets the sign of a difference",
        "`near = smooth[0] * np.exp(-far / (2 * smooth[1] ** 2))` -> "
        "`near = smooth[0] * np.exp(-far / (2 * smooth[-1] ** 2))`": "of two numbers the second is the last",
    },
    "mean_field_step": {
        "`against = heard.sum(axis=0) - heard` -> `against = -heard.sum(axis=0) - heard`": (
            "a number that is the same for all labels of a voxel is lost when its beliefs are made to sum to 1"
        ),
    },
}
