"""What the tests of lab 10 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "output_side": {
        "padded convolutions keep the size": [("side -= 4\n        if", "if"), ("    side -= 4\n    for", "    for")],
        "odd sides are rounded down": [("if side % 2 or side <= 0:", "if side <= 0:")],
        "the bottom's convolutions are forgotten": [("    side -= 4\n    for", "    for")],
        "the way up does not convolve": [("side = 2 * side - 4", "side = 2 * side")],
        "depth counts levels, not poolings": [
            ("for _ in range(depth):\n        side -= 4", "for _ in range(depth - 1):\n        side -= 4")
        ],
        "negative sides come back": [("return side if side > 0 else None", "return side")],
        "a side of nothing is pooled": [
            ("if side % 2 or side <= 0:", "if side % 2:"),
            ("return side if side > 0 else None", "return side"),
        ],
    },
    "crop_and_concatenate": {
        "crops the corner": [("skip[..., top : top + height, left : left + width]", "skip[..., :height, :width]")],
        "swaps the axes": [
            (
                "(skip.shape[-2] - height) // 2, (skip.shape[-1] - width) // 2",
                "(skip.shape[-1] - width) // 2, (skip.shape[-2] - height) // 2",
            )
        ],
        "puts what comes up first": [
            (
                "torch.cat([skip[..., top : top + height, left : left + width], up], dim=1)",
                "torch.cat([up, skip[..., top : top + height, left : left + width]], dim=1)",
            )
        ],
        "concatenates along the batch": [("dim=1", "dim=0")],
        "resizes instead of cropping": """
def crop_and_concatenate(skip, up):
    return torch.cat([functional.interpolate(skip, up.shape[-2:], mode="bilinear"), up], dim=1)
""",
        "crops from the end, which fails for nothing to crop": """
def crop_and_concatenate(skip, up):
    top, left = (skip.shape[-2] - up.shape[-2]) // 2, (skip.shape[-1] - up.shape[-1]) // 2
    return torch.cat([skip[..., top:-top, left:-left], up], dim=1)
""",
    },
    "unet": {
        "no skip connections": [
            ("double_convolution(2 * width, width)", "double_convolution(width, width)"),
            ("convolve(crop_and_concatenate(kept.pop(), up(x)))", "convolve(up(x))"),
        ],
        "keeps the pooled maps": [
            (
                "kept.append(convolve(x))\n            x = functional.max_pool2d(kept[-1], 2)",
                "x = functional.max_pool2d(convolve(x), 2)\n            kept.append(functional.interpolate(x, scale_factor=2.0))",
            )
        ],
        "average pooling": [("functional.max_pool2d(kept[-1], 2)", "functional.avg_pool2d(kept[-1], 2)")],
        "layers in a plain list": [("self.down = nn.ModuleList()", "self.down = []")],
        "maps do not double": [("base * 2**level", "base * (level + 1)")],
        "softmax at the end": [("return self.to_logits(x)", "return self.to_logits(x).softmax(dim=1)")],
        "ReLU at the end": [("return self.to_logits(x)", "return self.to_logits(x).relu()")],
        "one class only": [("nn.Conv2d(base, n_classes, kernel_size=1)", "nn.Conv2d(base, 2, kernel_size=1)")],
        "ReLU after the up-convolution": [
            ("crop_and_concatenate(kept.pop(), up(x))", "crop_and_concatenate(kept.pop(), up(x).relu())")
        ],
    },
    "weight_map": {
        "distances squared one by one": [
            ("(distances[0] + distances[1]) ** 2", "(distances[0] ** 2 + distances[1] ** 2)")
        ],
        "one distance only": [("(distances[0] + distances[1]) ** 2", "distances[0] ** 2")],
        "the farthest instead of the second nearest": [("distances[0] + distances[1]", "distances[0] + distances[-1]")],
        "sigma not squared": [("(2 * sigma**2)", "(2 * sigma)")],
        "the 2 of 2 sigma squared forgotten": [("(2 * sigma**2)", "(sigma**2)")],
        "background counted as a cell": [("if k != 0]", "]")],
        "class weights swapped": [
            ("np.where(is_cell, is_cell.sum(), (~is_cell).sum())", "np.where(is_cell, (~is_cell).sum(), is_cell.sum())")
        ],
        "class weights left out": [("labels.size / (2 * same_class)", "np.ones(labels.shape)")],
        "each cell balanced as a class of its own": [
            ("np.where(is_cell, is_cell.sum(), (~is_cell).sum())", "np.bincount(labels.ravel())[labels]")
        ],
        "class weights are frequencies, not their inverse": [
            ("labels.size / (2 * same_class)", "same_class / labels.size")
        ],
        "a single cell crashes": [("if len(cells) < 2:", "if len(cells) < 1:")],
        "ridge only in the background": [("w0 * np.exp(", "w0 * ~is_cell * np.exp(")],
        "distance measured inside the cell": [
            ("distance_transform_edt(labels != k)", "distance_transform_edt(labels == k)")
        ],
        "the ridge replaces the class weights": [("return weights + w0", "return w0")],
    },
    "weighted_cross_entropy": {
        "divides by the sum of the weights": [
            ("-(weights * log_p).mean()", "-(weights * log_p).sum() / weights.sum()")
        ],
        "sums instead of averaging": [("-(weights * log_p).mean()", "-(weights * log_p).sum()")],
        "the sign is lost": [("return -(weights", "return (weights")],
        "logarithm of a softmax overflows": [("logits.log_softmax(dim=1)", "logits.softmax(dim=1).log()")],
        "probabilities clipped": [("logits.log_softmax(dim=1)", "logits.softmax(dim=1).clamp(min=1e-7).log()")],
        "softmax over rows": [("log_softmax(dim=1)", "log_softmax(dim=2)")],
        "weights ignored": [("(weights * log_p)", "log_p")],
        "detached from the graph": [("-(weights * log_p).mean()", "-(weights * log_p).mean().detach()")],
        "softmax taken twice": [("logits.log_softmax(dim=1)", "logits.softmax(dim=1).log_softmax(dim=1)")],
        "only the foreground counts": [(".gather(1, target[:, None])[:, 0]", "[:, 1] * target")],
    },
    "elastic_deform": {
        "labels interpolated linearly": [
            ("map_coordinates(labels, where, order=0", "map_coordinates(labels, where, order=1")
        ],
        "labels not bent": [('ndimage.map_coordinates(labels, where, order=0, mode="mirror")', "labels")],
        "read at x minus u": [("np.indices(image.shape) + u", "np.indices(image.shape) - u")],
        "rows and columns swapped": [("for component in coarse]", "for component in coarse[::-1]]")],
        "field interpolated linearly": [
            ("ndimage.zoom(component, factors, order=3)", "ndimage.zoom(component, factors, order=1)")
        ],
        "field in blocks": [("ndimage.zoom(component, factors, order=3)", "ndimage.zoom(component, factors, order=0)")],
        "outside is black": [('(image, where, order=1, mode="mirror")', '(image, where, order=1, mode="constant")')],
        "noise at each pixel": [
            ("ndimage.zoom(component, factors, order=3)", "np.random.default_rng(0).normal(0, 4, image.shape)")
        ],
        "grid made for square images": [
            ("for n, p in zip(image.shape, coarse.shape[1:])", "for n, p in zip(image.shape[::-1], coarse.shape[1:])")
        ],
        "two different fields": [
            (
                "ndimage.map_coordinates(labels, where,",
                "ndimage.map_coordinates(labels, np.indices(image.shape) + u[::-1],",
            ),
        ],
    },
    "predict_tiled": {
        "tiles padded with zeros": [('mode="reflect"', 'mode="constant"')],
        "the border pixel repeated": [('mode="reflect"', 'mode="symmetric"')],
        "rows and columns mixed up": [
            ("np.concatenate(tiles, axis=2)", "np.concatenate(tiles, axis=1)"),
            ("np.concatenate(rows, axis=1)", "np.concatenate(rows, axis=2)"),
        ],
        "rounds the number of tiles down": [("-(-height // side), -(-width // side)", "height // side, width // side")],
        "does not cut off the rest": [("[:, :height, :width]", "")],
        "each tile mirrored by itself": """
def predict_tiled(predict, image, side, margin):
    height, width = image.shape
    result = None
    for top in range(0, height, side):
        for left in range(0, width, side):
            tile = np.pad(image[top : top + side, left : left + side], margin, mode="reflect")
            out = np.asarray(predict(torch.as_tensor(tile, dtype=torch.float32)[None, None]))[0]
            result = np.zeros((len(out), height, width)) if result is None else result
            result[:, top : top + side, left : left + side] = out
    return result
""",
        "the whole image at once": """
def predict_tiled(predict, image, side, margin):
    return np.asarray(predict(torch.as_tensor(np.pad(image, margin, mode="reflect"), dtype=torch.float32)[None, None]))[0]
""",
        "only the first class": [
            ("np.asarray(predict(tile[None, None]))[0])", "np.asarray(predict(tile[None, None]))[0, :1])")
        ],
    },
}

ALTERNATIVES = {
    "output_side": {
        "recursion": """
def output_side(side, depth=4):
    if depth == 0:
        return side - 4 if side > 4 else None
    if side <= 4 or side % 2:
        return None
    below = output_side((side - 4) // 2, depth - 1)
    return None if below is None or below <= 2 else 2 * below - 4
""",
        "closed form, numpy integers": """
def output_side(side, depth=4):
    deepest = np.int64(side)
    for _ in range(depth):
        if deepest <= 4 or (deepest - 4) % 2 == 1:
            return None
        deepest = (deepest - 4) // 2
    result = np.int64(side) - 2 * (4 * (2**depth - 1) + 2 * 2**depth)
    return result if result > 0 else None
""",
    },
    "crop_and_concatenate": {
        "by pairs of loops over nothing, with narrow": """
def crop_and_concatenate(skip, up):
    for axis in (2, 3):
        skip = skip.narrow(axis, (skip.size(axis) - up.size(axis)) // 2, up.size(axis))
    return torch.concatenate((skip, up), 1)
""",
        "negative padding": """
def crop_and_concatenate(skip, up):
    h, w = (skip.shape[2] - up.shape[2]) // 2, (skip.shape[3] - up.shape[3]) // 2
    return torch.cat((functional.pad(skip, (-w, -w, -h, -h)), up), dim=1)
""",
    },
    "unet": {
        "recursive, other names and order": """
class UNet(nn.Module):
    def __init__(self, in_channels=1, n_classes=2, base=64, depth=4):
        super().__init__()
        self.last = nn.Conv2d(base, n_classes, 1)
        self.level = Level(in_channels, base, depth)

    def forward(self, x):
        return self.last(self.level(x))


class Level(nn.Module):
    def __init__(self, c_in, width, depth):
        super().__init__()
        self.first = double_convolution(c_in, width)
        self.inner = Level(width, 2 * width, depth - 1) if depth else None
        if depth:
            self.up, self.pool = nn.ConvTranspose2d(2 * width, width, 2, 2), nn.MaxPool2d(2)
            self.second = double_convolution(2 * width, width)

    def forward(self, x):
        x = self.first(x)
        return x if self.inner is None else self.second(crop_and_concatenate(x, self.up(self.inner(self.pool(x)))))
""",
        "prints and warns": [
            (
                "        kept = []",
                "        import warnings\n        print(x.shape)\n        warnings.warn('slow')\n        kept = []",
            )
        ],
    },
    "weight_map": {
        "two running minima": """
def weight_map(labels, w0=10.0, sigma=5.0):
    nearest = second = np.full(labels.shape, np.inf)
    for k in set(labels.ravel().tolist()) - {0}:
        d = ndimage.distance_transform_edt(labels != k)
        nearest, second = np.minimum(nearest, d), np.minimum(second, np.maximum(nearest, d))
    cell = np.count_nonzero(labels)
    w = np.full(labels.shape, 0.0)
    w[labels > 0] = labels.size / 2 / max(cell, 1)
    w[labels == 0] = labels.size / 2 / max(labels.size - cell, 1)
    return w + w0 * np.exp(-((nearest + second) ** 2) / 2 / sigma**2)
""",
        "float32, pixel by pixel": """
def weight_map(labels, w0=10.0, sigma=5.0):
    cells = {int(k): np.argwhere(labels == k) for k in np.unique(labels) if k}
    n_cell = int((labels > 0).sum())
    out = np.zeros(labels.shape, np.float32)
    for (r, c), label in np.ndenumerate(labels):
        out[r, c] = labels.size / (2 * (n_cell if label else labels.size - n_cell))
        if len(cells) > 1:
            d = sorted(np.sqrt(((points - (r, c)) ** 2).sum(1)).min() for points in cells.values())
            out[r, c] += w0 * np.exp(-((d[0] + d[1]) ** 2) / (2 * sigma**2))
    return out
""",
    },
    "weighted_cross_entropy": {
        "torch's own, unreduced": """
def weighted_cross_entropy(logits, target, weights):
    return torch.mean(weights * functional.cross_entropy(logits, target, reduction="none"))
""",
        "one-hot, in double precision": """
def weighted_cross_entropy(logits, target, weights):
    logits = logits.double()
    log_p = logits - torch.logsumexp(logits, dim=1, keepdim=True)
    one_hot = functional.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2)
    return -(log_p * one_hot * weights[:, None]).sum() / target.numel()
""",
    },
    "elastic_deform": {
        "splines by map_coordinates": """
def elastic_deform(image, labels, coarse):
    (h, w), p = image.shape, coarse.shape[1]
    grid = np.meshgrid(np.linspace(0, p - 1, h), np.linspace(0, p - 1, w), indexing="ij")
    dr, dc = (ndimage.map_coordinates(c, grid, order=3, mode="nearest") for c in coarse)
    rows, columns = np.mgrid[:h, :w]
    bent = ndimage.map_coordinates(image.astype(np.float32), [rows + dr, columns + dc], order=1, mode="mirror")
    return bent, ndimage.map_coordinates(labels, [rows + dr, columns + dc], order=0, mode="mirror")
""",
        "torch's bicubic": """
def elastic_deform(image, labels, coarse):
    u = functional.interpolate(torch.tensor(coarse)[None], image.shape, mode="bicubic", align_corners=True)[0].numpy()
    where = np.indices(image.shape) + u
    return tuple(ndimage.map_coordinates(a, where, order=o, mode="mirror") for a, o in ((image, 1), (labels, 0)))
""",
    },
    "predict_tiled": {
        "writes into the result, returns a tensor": """
def predict_tiled(predict, image, side, margin):
    h, w = image.shape
    H, W = int(np.ceil(h / side)) * side, int(np.ceil(w / side)) * side
    big = torch.tensor(np.pad(image, ((margin, margin + H - h), (margin, margin + W - w)), "reflect")).float()
    out = None
    for i in range(H // side):
        for j in range(W // side):
            r, c = i * side, j * side
            p = torch.as_tensor(predict(big[None, None, r : r + side + 2 * margin, c : c + side + 2 * margin]))[0]
            if out is None:
                out = torch.zeros(p.shape[0], H, W)
            out[:, r : r + side, c : c + side] = p
    return out[:, :h, :w]
""",
        "the last tile moved inwards": """
def predict_tiled(predict, image, side, margin):
    h, w = image.shape
    more = [(margin, margin + max(0, side - n)) for n in (h, w)]
    big = np.pad(image, more, mode="reflect").astype(np.float32)
    h_big, w_big = max(h, side), max(w, side)
    result = {}
    for r in {min(r, h_big - side) for r in range(0, h_big, side)}:
        for c in {min(c, w_big - side) for c in range(0, w_big, side)}:
            tile = torch.from_numpy(big[r : r + side + 2 * margin, c : c + side + 2 * margin].copy())[None, None]
            result[r, c] = np.asarray(predict(tile))[0]
    out = np.zeros((len(next(iter(result.values()))), h_big, w_big))
    for (r, c), p in result.items():
        out[:, r : r + side, c : c + side] = p
    return out[:, :h, :w]
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "output_side": {
        "`if side % 2 or side <= 0:` -> `if side % 2:`": (
            "a side of 0 or less gets smaller with each step and ends as None all the same"
        ),
        "`if side % 2 or side <= 0:` -> `if side % -2 or side <= 0:`": "the remainder is 0 for even sides either way",
        "`if side % 2 or side <= 0:` -> `if side % 2 or side < 0:`": "a side of 0 ends below 0, and so as None",
        "`if side % 2 or side <= 0:` -> `if side % 2 or side <= 1:`": "a side of 1 is odd and None already",
        "`if side % 2 or side <= 0:` -> `if side % 2 or side <= -1:`": "a side of 0 ends below 0, and so as None",
    },
    "crop_and_concatenate": {
        "`height, width = up.shape[-2:]` -> `height, width = up.shape[2:]`": "a tensor of four axes has two after two",
    },
    "unet": {
        "`self.up_convolutions, self.after_joining = nn.ModuleList(), nn.ModuleList()` -> "
        "`self.after_joining, self.up_convolutions = nn.ModuleList(), nn.ModuleList()`": (
            "both lists are empty here, whichever is made first"
        ),
    },
    "weighted_cross_entropy": {
        "`log_p = logits.log_softmax(dim=1).gather(1, target[:, None])[:, 0]` -> "
        "`log_p = logits.log_softmax(dim=1).gather(1, target[:, None])[:, -1]`": "the gathered axis has one item",
    },
    "predict_tiled": {
        "`n_down, n_across = -(-height // side), -(-width // side)` -> "
        "`n_down, n_across = -(-height * side), -(-width // side)`": "tiles below the image are cut off at the end",
        "`n_down, n_across = -(-height // side), -(-width // side)` -> "
        "`n_down, n_across = -(-height // side), -(-width * side)`": "tiles beside the image are cut off at the end",
        "`padding = [(margin, margin + n_down * side - height), (margin, margin + n_across * side - width)]` -> "
        "`padding = [(margin, margin + n_down * side + height), (margin, margin + n_across * side - width)]`": (
            "what is padded beyond the last tile is never read"
        ),
        "`padding = [(margin, margin + n_down * side - height), (margin, margin + n_across * side - width)]` -> "
        "`padding = [(margin, margin + n_down * side - height), (margin, margin + n_across * side + width)]`": (
            "what is padded beyond the last tile is never read"
        ),
        "`tiles.append(np.asarray(predict(tile[None, None]))[0])` -> "
        "`tiles.append(np.asarray(predict(tile[None, None]))[-1])`": "the batch holds one tile",
    },
}
