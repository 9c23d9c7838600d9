"""What the tests of lab 14 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "warp": {
        "columns for rows": [("unit.flip(-1)", "unit")],
        "pushes instead of reads": [('indexing="ij")) + displacement', 'indexing="ij")) - displacement')],
        "the ends of pixels at -1 and 1": [("align_corners=True", "align_corners=False")],
        "zeros beyond the border": [('padding_mode="border", ', "")],
        "mirrored beyond the border": [('padding_mode="border"', 'padding_mode="reflection"')],
        "nearest pixel": [('padding_mode="border"', 'mode="nearest", padding_mode="border"')],
        "width and height swapped": [("[height - 1, width - 1]", "[width - 1, height - 1]")],
        "n instead of n - 1": [("[height - 1, width - 1]", "[height, width]")],
        "displacement taken for a share of the picture": [
            (
                "unit = 2 * places.movedim(1, -1) / last - 1",
                "unit = 2 * (places - displacement).movedim(1, -1) / last - 1 + displacement.movedim(1, -1)",
            )
        ],
        "where, not how far": [('indexing="ij")) + displacement', 'indexing="ij")) * 0 + displacement')],
        "the first of a batch for all": [("+ displacement  # (B", "+ displacement[:1].expand_as(displacement)  # (B")],
    },
    "compose": {
        "displacements added": [("u_b + warp(u_a, u_b)", "u_b + u_a")],
        "a first": [("u_b + warp(u_a, u_b)", "u_a + warp(u_b, u_a)")],
        "the first step forgotten": [("u_b + warp(u_a, u_b)", "warp(u_a, u_b)")],
        "read on the wrong grid": [("u_b + warp(u_a, u_b)", "u_a + warp(u_a, u_b)")],
        "warped both": [("u_b + warp(u_a, u_b)", "warp(u_b, u_a) + warp(u_a, u_b)")],
    },
    "integrate": {
        "divided by the number of squarings": [("velocity / 2**squarings", "velocity / max(squarings, 1)")],
        "small steps, as many as squarings": [
            ("compose(displacement, displacement)", "compose(velocity / 2**squarings, displacement)")
        ],
        "doubled instead of composed": [("compose(displacement, displacement)", "2 * displacement")],
        "not scaled": [("velocity / 2**squarings", "velocity")],
        "one squaring less": [("range(squarings)", "range(max(squarings - 1, 0))")],
        "one squaring too many": [("range(squarings)", "range(squarings + 1)")],
        "always seven": [("2**squarings", "2**7"), ("range(squarings)", "range(7)")],
        "scaled in place": [("displacement = velocity / 2**squarings", "displacement = velocity.div_(2**squarings)")],
        "six by default": [("squarings: int = 7", "squarings: int = 6")],
    },
    "folds": {
        "without the identity": [("(1 + down_of_row) * (1 + right_of_column)", "down_of_row * right_of_column")],
        "the determinant's sign turned": [("- right_of_row * down_of_column", "+ right_of_row * down_of_column")],
        "the diagonal alone": [(" - right_of_row * down_of_column", "")],
        "rows along columns": [
            ("displacement[:, 0], dim=(1, 2)", "displacement[:, 0], dim=(2, 1)"),
            ("displacement[:, 1], dim=(1, 2)", "displacement[:, 1], dim=(2, 1)"),
        ],
        "the trace": [
            (
                "(1 + down_of_row) * (1 + right_of_column) - right_of_row * down_of_column",
                "1 + down_of_row + right_of_column",
            )
        ],
        "a crushed pixel is no fold": [("<= 0", "< 0")],
        "shrinking counted as a fold": [("<= 0", "< 1")],
        "the whole picture counted": [("determinant[mask]", "determinant")],
        "folds of the mask over the whole picture": [
            ("(determinant[mask] <= 0).float().mean()", "((determinant <= 0) & mask).float().mean()")
        ],
        "how many, not which share": [("float().mean()", "float().sum()")],
        "the size of the determinant": [
            (
                "- right_of_row * down_of_column\n",
                "- right_of_row * down_of_column\n    determinant = determinant.abs()\n",
            )
        ],
    },
    "kl_divergence": {
        "four neighbours everywhere": [
            (
                "    degree[1:] += 1\n    degree[:-1] += 1\n    degree[:, 1:] += 1\n    degree[:, :-1] += 1\n",
                "    degree += 4\n",
            )
        ],
        "no neighbours in the variance": [
            ("prior_lambda * degree * log_variance.exp()", "prior_lambda * log_variance.exp()")
        ],
        "logarithm of sigma": [("- log_variance)", "- 0.5 * log_variance)")],
        "plus the logarithm": [("- log_variance)", "+ log_variance)")],
        "no logarithm": [(" - log_variance)", ")")],
        "variance for its logarithm": [("log_variance.exp() - log_variance", "log_variance - log_variance.log()")],
        "sigma for the variance": [("log_variance.exp()", "(0.5 * log_variance).exp()")],
        "each pair of neighbours twice": [("prior_lambda * edges", "2 * prior_lambda * edges")],
        "half of each pair": [("prior_lambda * edges", "0.5 * prior_lambda * edges")],
        "lambda for the variance alone": [("+ prior_lambda * edges", "+ edges")],
        "mean over each axis of differences": [
            ("edges / mean.numel()", "((mean.diff(dim=2) ** 2).mean() + (mean.diff(dim=3) ** 2).mean())")
        ],
        "differences not squared": [
            ("(mean.diff(dim=2) ** 2)", "mean.diff(dim=2).abs()"),
            ("(mean.diff(dim=3) ** 2)", "mean.diff(dim=3).abs()"),
        ],
        "along columns only": [("(mean.diff(dim=2) ** 2).sum() + ", "")],
        "the velocity itself": [
            ("edges = (mean.diff(dim=2) ** 2).sum() + (mean.diff(dim=3) ** 2).sum()", "edges = (mean**2).sum()")
        ],
        "the mean without d": [
            (
                "return doubt + prior_lambda * edges / mean.numel()",
                "return 0.5 * (doubt + prior_lambda * edges / mean.numel())",
            )
        ],
        "no gradient": [("edges = (mean.diff", "mean = mean.detach()\n    edges = (mean.diff")],
        "the variance without gradient": [("log_variance.exp()", "log_variance.detach().exp()")],
    },
    "warped_dice": {
        "names averaged as if they were amounts": [
            (
                "ndimage.map_coordinates(moving_labels, places, order=0",
                "ndimage.map_coordinates(moving_labels.astype(float), places, order=1",
            )
        ],
        "names averaged and rounded": [
            (
                'ndimage.map_coordinates(moving_labels, places, order=0, mode="nearest")',
                'np.rint(ndimage.map_coordinates(moving_labels.astype(float), places, order=1, mode="nearest"))',
            )
        ],
        "pushed instead of read": [
            ("np.indices(moving_labels.shape) + displacement", "np.indices(moving_labels.shape) - displacement")
        ],
        "columns for rows": [("+ displacement", "+ displacement[::-1]")],
        "background counted": [(" if k != 0]", "]")],
        "the labels do not move": [("moved == k", "moving_labels == k")],
        "the fixed labels move": [("map_coordinates(moving_labels,", "map_coordinates(fixed_labels,")],
        "all structures as one": [
            (
                "metrics.dice(fixed_labels == k, moved == k) for k in structures",
                "metrics.dice(fixed_labels > 0, moved > 0)",
            )
        ],
        "structures of the moving image": [("np.unique(fixed_labels)", "np.unique(moving_labels)")],
        "structures that both have": [("np.unique(fixed_labels)", "np.intersect1d(fixed_labels, moved)")],
        "air beyond the border": [('mode="nearest"', 'mode="constant"')],
        "share of right pixels": [
            (
                "np.mean([metrics.dice(fixed_labels == k, moved == k) for k in structures])",
                "np.mean(moved[fixed_labels > 0] == fixed_labels[fixed_labels > 0])",
            )
        ],
        "rounded down": [
            (
                "np.indices(moving_labels.shape) + displacement",
                "np.floor(np.indices(moving_labels.shape) + displacement)",
            )
        ],
    },
}

ALTERNATIVES = {
    "warp": {
        "four corners by hand": """
def warp(image, displacement):
    b, _, h, w = image.shape
    r = (torch.arange(h)[:, None] + displacement[:, 0]).clamp(0, h - 1)
    c = (torch.arange(w)[None, :] + displacement[:, 1]).clamp(0, w - 1)
    r0, c0 = r.floor().long().clamp(max=h - 2), c.floor().long().clamp(max=w - 2)
    fr, fc = (r - r0)[:, None], (c - c0)[:, None]
    n = torch.arange(b)[:, None, None]

    def at(i, j):
        return image[n, :, i, j].permute(0, 3, 1, 2)

    top = at(r0, c0) * (1 - fc) + at(r0, c0 + 1) * fc
    bottom = at(r0 + 1, c0) * (1 - fc) + at(r0 + 1, c0 + 1) * fc
    return top * (1 - fr) + bottom * fr
""",
        "linspace, one image at a time": """
def warp(image, displacement):
    out = []
    for one, u in zip(image, displacement):
        h, w = one.shape[-2:]
        y = torch.linspace(-1, 1, h, dtype=u.dtype)[:, None] + 2 * u[0] / (h - 1)
        x = torch.linspace(-1, 1, w, dtype=u.dtype)[None, :] + 2 * u[1] / (w - 1)
        grid = torch.stack([x, y], dim=-1)[None]
        out.append(functional.grid_sample(one[None], grid, mode="bilinear", padding_mode="border", align_corners=True))
    return torch.cat(out)
""",
    },
    "compose": {
        "through coordinates": """
def compose(u_a, u_b):
    h, w = u_a.shape[-2:]
    x = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")).to(u_a.dtype)
    after_b = x + u_b
    after_a = after_b + warp(u_a, u_b)
    return after_a - x
""",
        "a component at a time": """
def compose(u_a, u_b):
    further = [warp(u_a[:, i : i + 1], u_b) for i in range(2)]
    return torch.cat(further, dim=1) + u_b
""",
    },
    "integrate": {
        "recursive": """
def integrate(velocity, squarings=7):
    if squarings == 0:
        return velocity * 1.0
    half = integrate(velocity / 2, squarings - 1)
    return compose(half, half)
""",
        "a while loop": """
def integrate(velocity, squarings=7):
    u, left = velocity * 0.5**squarings, squarings
    while left:
        u, left = compose(u, u), left - 1
    return u
""",
    },
    "folds": {
        "matrix and linalg": """
def folds(displacement, mask):
    rows = [torch.stack(torch.gradient(displacement[:, i], dim=[1, 2]), -1) for i in (0, 1)]
    J = torch.stack(rows, -2) + torch.eye(2, dtype=displacement.dtype)
    d = torch.linalg.det(J)
    return d, ((d <= 0) & mask).sum().item() / mask.sum().item()
""",
        "numpy, of the whole map": """
def folds(displacement, mask):
    phi = np.asarray(displacement, dtype=float) + np.indices(displacement.shape[2:])
    a, b = np.gradient(phi[:, 0], axis=(1, 2))
    c, d = np.gradient(phi[:, 1], axis=(1, 2))
    det = np.round(a * d - b * c, 9)
    return det, np.count_nonzero(det[np.asarray(mask)] <= 0) / np.count_nonzero(np.asarray(mask))
""",
    },
    "kl_divergence": {
        "point by point": """
def kl_divergence(mean, log_variance, prior_lambda):
    h, w = mean.shape[2:]
    total = 0.0
    for r in range(h):
        for c in range(w):
            near = [(i, j) for i, j in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)) if 0 <= i < h and 0 <= j < w]
            l = log_variance[:, :, r, c]
            total = total + (prior_lambda * len(near) * torch.exp(l) - l).sum()
            for i, j in near:
                total = total + 0.5 * prior_lambda * ((mean[:, :, r, c] - mean[:, :, i, j]) ** 2).sum()
    return total / mean.numel()
""",
        "neighbours counted by a convolution": """
def kl_divergence(mean, log_variance, prior_lambda):
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=mean.dtype)[None, None]
    degree = functional.conv2d(torch.ones_like(mean[:1, :1]), cross, padding=1)
    flat = mean.flatten(0, 1)[:, None]
    laplacian = degree * flat - functional.conv2d(flat, cross, padding=1)
    smooth = (flat * laplacian).mean()
    return (prior_lambda * degree * log_variance.exp()).mean() - log_variance.mean() + prior_lambda * smooth
""",
    },
    "warped_dice": {
        "one mask at a time": """
def warped_dice(moving_labels, fixed_labels, displacement):
    places = np.indices(moving_labels.shape) + displacement
    scores = []
    for k in set(fixed_labels.ravel().tolist()) - {0}:
        m = ndimage.map_coordinates((moving_labels == k).astype(np.uint8), places, order=0, mode="nearest") > 0
        f = fixed_labels == k
        scores.append(2 * (m & f).sum() / (m.sum() + f.sum()))
    return sum(scores) / len(scores)
""",
        "indexing with rounded places": """
def warped_dice(moving_labels, fixed_labels, displacement):
    h, w = moving_labels.shape
    r, c = np.rint(np.indices((h, w)) + np.asarray(displacement)).astype(int)
    moved = moving_labels[r.clip(0, h - 1), c.clip(0, w - 1)]
    ks = np.unique(fixed_labels[fixed_labels > 0])
    both = np.array([np.sum((moved == k) * (fixed_labels == k)) for k in ks])
    size = np.array([np.sum(moved == k) + np.sum(fixed_labels == k) for k in ks])
    return np.mean(2 * both / size)
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "warp": {
        "`height, width = image.shape[2:]` -> `height, width = image.shape[-2:]`": "four axes have two after two",
    },
    "folds": {
        "`down_of_column, right_of_column = torch.gradient(displacement[:, 1], dim=(1, 2))` -> "
        "`down_of_column, right_of_column = torch.gradient(displacement[:, -1], dim=(1, 2))`": (
            "of two components the second is the last"
        ),
    },
    "kl_divergence": {
        "`degree = torch.zeros(mean.shape[2:], dtype=mean.dtype)` -> "
        "`degree = torch.zeros(mean.shape[-2:], dtype=mean.dtype)`": "four axes have two after two",
        "`degree[1:] += 1 degree[:-1] += 1` -> `degree[:-1] += 1 degree[1:] += 1`": "a sum in another order",
        "`degree[:-1] += 1 degree[:, 1:] += 1` -> `degree[:, 1:] += 1 degree[:-1] += 1`": "a sum in another order",
        "`degree[:, 1:] += 1 degree[:, :-1] += 1` -> `degree[:, :-1] += 1 degree[:, 1:] += 1`": "a sum in another order",
    },
    "warped_dice": {
        "`return float(np.mean([metrics.dice(fixed_labels == k, moved == k) for k in structures]))` -> "
        "`return float(np.mean([metrics.dice(moved == k, fixed_labels == k) for k in structures]))`": (
            "Dice is the same both ways round"
        ),
    },
}
