"""What the tests of lab 3 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "convolve": {
        "the kernel is flipped": [("w[:, :, i, j]", "w[:, :, rows - 1 - i, columns - 1 - j]")],
        "the image is padded": [
            ("rows, columns = w.shape[2:]", "rows, columns = w.shape[2:]\n    x = np.pad(x, ((0, 0), (1, 1), (1, 1)))")
        ],
        "the bias is forgotten": [(" + b[:, None, None]", "")],
        "the biases run along the columns": [("b[:, None, None]", "b")],
        "the bias is added at each weight": [
            (", axes=1)  # (K, H', W')", ", axes=1) + b[:, None, None]"),
            (" + b[:, None, None]\n    for", "\n    for"),
        ],
        "rows and columns of the kernel swapped": [
            ("rows, columns = w.shape[2:]", "w = w.transpose(0, 1, 3, 2)\n    rows, columns = w.shape[2:]")
        ],
        "only the first channel": [
            (
                "np.tensordot(w[:, :, i, j], x[:, i : i + height, j : j + width], axes=1)",
                "w[:, 0, i, j][:, None, None] * x[0, i : i + height, j : j + width]",
            )
        ],
        "PyTorch's layer, copied from the check": """
def convolve(x, w, b):
    return functional.conv2d(torch.tensor(x)[None], torch.tensor(w), torch.tensor(b))[0]
""",
        "PyTorch's layer in single precision": """
def convolve(x, w, b):
    x, w, b = (torch.tensor(array).float() for array in (x, w, b))
    return functional.conv2d(x[None], w, b)[0].numpy()
""",
        "whole numbers stay whole": [
            ("    for i in range(rows)", "    y = y.astype(x.dtype)\n    for i in range(rows)")
        ],
    },
    "convolve_backward": {
        "the bias takes the mean": [("g.sum(axis=(1, 2))", "g.mean(axis=(1, 2))")],
        "a pixel keeps its last window only": [("grad_x[part] +=", "grad_x[part] =")],
        "the kernel flipped on the way back": [
            ("np.tensordot(w[:, :, i, j], g,", "np.tensordot(w[:, :, rows - 1 - i, columns - 1 - j], g,")
        ],
        "the weights' gradient is a mean": [
            ("axes=([1, 2], [1, 2]))  # (K, C)", "axes=([1, 2], [1, 2])) / (height * width)")
        ],
        "one gradient for all input channels": [
            (
                "np.tensordot(g, x[part], axes=([1, 2], [1, 2]))",
                "np.tensordot(g, x[part].sum(axis=0), axes=([1, 2], [0, 1]))[:, None]",
            )
        ],
        "the same places summed for both, axes of g and x mixed up": [
            ("axes=([1, 2], [1, 2]))", "axes=([1, 2], [2, 1]))"),
        ],
        "PyTorch's autograd, copied from the check": """
def convolve_backward(x, w, g):
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, w, np.zeros(len(w)))]
    (functional.conv2d(tensors[0][None], tensors[1], tensors[2])[0] * torch.tensor(g)).sum().backward()
    return tuple(tensor.grad for tensor in tensors)
""",
        "whole numbers have whole gradients": [("np.zeros(x.shape)", "np.zeros_like(x)")],
        "the weights' gradient is flipped": [("grad_w[:, :, i, j] =", "grad_w[:, :, rows - 1 - i, columns - 1 - j] =")],
    },
    "glds": {
        "the sign of the difference is kept": [("np.abs(first - second)", "np.clip(first - second, 0, None)")],
        "counts, not shares": [(" / first.size", "")],
        "divided by the pixels, not by the pairs": [("/ first.size", "/ region.size")],
        "as long as the largest difference": [(", minlength=levels", "")],
        "rows and columns of the offset swapped": [("(region, offset)", "(region, offset[::-1])")],
        "squared differences": [
            ("np.abs(first - second).ravel()", "np.minimum((first - second) ** 2, levels - 1).ravel()")
        ],
        "the offset is always one pixel": [("(region, offset)", "(region, (0, 1))")],
    },
    "sgld": {
        "not symmetric": [("(counts + counts.T) / counts.sum() / 2", "counts / counts.sum()")],
        "divided once only": [(" / counts.sum() / 2", " / counts.sum()")],
        "divided by the pixels, not by the pairs": [("/ counts.sum() / 2", "/ region.size / 2")],
        "rows and columns of the offset swapped": [("(region, offset)", "(region, offset[::-1])")],
        "max instead of sum of both ways": [("(counts + counts.T)", "2 * np.maximum(counts, counts.T)")],
        "one level too many": [("levels**2).reshape(levels, levels)", "(levels + 1) ** 2).reshape(levels + 1, -1)")],
    },
    "correlation": {
        "divided by the standard deviation": [("sum() / variance", "sum() / variance**0.5")],
        "the mean is not subtracted": [("((i - mean) * (j - mean) * matrix)", "(i * j * matrix)")],
        "one grey level gives nan": [("    if variance < 1e-12:\n        return 1.0\n", "")],
        "one grey level gives 0": [("return 1.0", "return 0.0")],
        "the variance of the levels, however often they come": [
            ("((i - mean) ** 2 * matrix).sum()\n", "((i - mean) ** 2).mean()\n")
        ],
        "covariance, not correlation": [("sum() / variance", "sum()")],
        "mean of the matrix instead of the levels": [("mean = (i * matrix).sum()", "mean = matrix.mean()")],
    },
    "texture_image": {
        "the border is zero": [('mode="reflect"', 'mode="constant"')],
        "the border pixel repeated": [('mode="reflect"', 'mode="symmetric"')],
        "windows begin at their block": [
            (
                'np.pad(image, (window - step) // 2, mode="reflect")',
                'np.pad(image, ((0, window - step), (0, window - step)), mode="reflect")',
            )
        ],
        "no overlap": [("[top : top + window, left : left + window]", "[top : top + step, left : left + step]")],
        "rows and columns swapped": [("np.array(values)", "np.array(values).T")],
        "windows moved by their own side": [("image.shape[1], step)", "image.shape[1], window)")],
    },
    "network": {
        "padded convolutions": [
            ("nn.Conv2d(before, after, kernel)", 'nn.Conv2d(before, after, kernel, padding="same")'),
            ("            side -= kernel - 1\n", ""),
        ],
        "no sigmoid after the convolutions": [(", nn.Sigmoid()]", "]")],
        "ReLU, twenty years early": [("nn.Sigmoid()", "nn.ReLU()")],
        "a sigmoid at the end": [(".flatten(1))[:, 0]", ".flatten(1))[:, 0].sigmoid()")],
        "the output keeps its last axis": [("[:, 0]", "")],
        "a batch of one loses its axis": [("[:, 0]", ".squeeze()")],
        "the maps are averaged over places": [
            ("maps[-1] * side * side", "maps[-1]"),
            ("self.features(x).flatten(1)", "self.features(x).mean(dim=(2, 3))"),
        ],
        "in_channels ignored": [("(in_channels, *maps)", "(1, *maps)")],
        "layers in a plain list": [
            ("self.features = nn.Sequential(*layers)", "self.layers = layers"),
            (
                "return self.output(self.features(x)",
                "for layer in self.layers:\n            x = layer(x)\n        return self.output(x",
            ),
        ],
    },
    "eight_views": {
        "four turns, no mirror": [("(batch, batch.flip(-1))", "(batch, batch)")],
        "mirrored along both axes, which is a turn": [("batch.flip(-1)", "batch.flip((-1, -2))")],
        "channels turned too": [("dims=(-2, -1)", "dims=(-3, -2)")],
        "four views only": [("(batch, batch.flip(-1))", "(batch,)")],
        "concatenated along the batch": [("torch.stack(views)", "torch.cat(views)")],
        "the pictures of the batch reversed": [("batch.flip(-1)", "batch.flip(0)")],
    },
    "invariant_logits": {
        "the highest view": [(".mean(dim=0)", ".amax(dim=0)")],
        "the sum of the views": [(".mean(dim=0)", ".sum(dim=0)")],
        "the mean over the batch": [(".mean(dim=0)", ".mean(dim=1)")],
        "the mean picture instead of the mean answer": [
            (
                "torch.stack([net(view) for view in eight_views(batch)]).mean(dim=0)",
                "net(eight_views(batch).mean(dim=0))",
            )
        ],
        "four of eight views": [("in eight_views(batch)]", "in eight_views(batch)[:4]]")],
    },
}

ALTERNATIVES = {
    "convolve": {
        "pixel by pixel": """
def convolve(x, w, b):
    K, C, m, n = w.shape
    out = np.empty((K, x.shape[1] - m + 1, x.shape[2] - n + 1))
    for k in range(K):
        for r in range(out.shape[1]):
            for s in range(out.shape[2]):
                out[k, r, s] = b[k] + (w[k] * x[:, r:r + m, s:s + n]).sum()
    return out
""",
        "windows as a view, in one einsum": """
def convolve(x, w, b):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(1, 2))
    return np.einsum("crsij,kcij->krs", windows, w) + np.reshape(b, (-1, 1, 1))
""",
    },
    "convolve_backward": {
        "windows as a view, and a full correlation": """
def convolve_backward(x, w, g):
    m, n = w.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (m, n), axis=(1, 2))
    dw = np.einsum("krs,crsij->kcij", g, windows)
    padded = np.pad(g, ((0, 0), (m - 1, m - 1), (n - 1, n - 1)))
    around = np.lib.stride_tricks.sliding_window_view(padded, (m, n), axis=(1, 2))
    dx = np.einsum("krsij,kcij->crs", around, w[:, :, ::-1, ::-1])
    return dx, dw, np.einsum("krs->k", g)
""",
        "place by place, with a print": """
def convolve_backward(x, w, g):
    print("backward", x.shape)
    dx, dw, db = np.zeros_like(x, dtype=float), np.zeros(w.shape), np.zeros(len(w))
    for k, r, s in np.ndindex(*g.shape):
        m, n = w.shape[2:]
        dx[:, r:r + m, s:s + n] += g[k, r, s] * w[k]
        dw[k] += g[k, r, s] * x[:, r:r + m, s:s + n]
        db[k] += g[k, r, s]
    return [dx, dw, db]
""",
    },
    "glds": {
        "a histogram": """
def glds(region, offset, levels=32):
    a, b = texture.pairs(region, offset)
    return np.histogram(np.abs(a - b), bins=np.arange(levels + 1) - 0.5)[0] / a.size
""",
        "level by level, float32": """
def glds(region, offset, levels=32):
    a, b = texture.pairs(region, offset)
    return np.array([np.mean(np.abs(a - b) == m) for m in range(levels)], dtype=np.float32)
""",
    },
    "sgld": {
        "add.at": """
def sgld(region, offset, levels=32):
    a, b = texture.pairs(region, offset)
    p = np.zeros((levels, levels))
    np.add.at(p, (a, b), 1)
    np.add.at(p, (b, a), 1)
    return p / p.sum()
""",
        "a histogram of two dimensions": """
def sgld(region, offset, levels=32):
    a, b = texture.pairs(region, offset)
    p, _, _ = np.histogram2d(a.ravel(), b.ravel(), bins=np.arange(levels + 1) - 0.5, density=True)
    return (p + p.T) / 2
""",
    },
    "correlation": {
        "by the marginal": """
def correlation(matrix):
    p, level = matrix.sum(axis=1), np.arange(len(matrix))
    d = level - p @ level
    spread = p @ d**2
    return np.float64(1) if spread < 1e-9 else d @ matrix @ d / spread
""",
        "by moments": """
def correlation(matrix):
    k = np.arange(matrix.shape[0])
    marginal = matrix.sum(axis=0)
    mean, square = (marginal * k).sum(), (marginal * k**2).sum()
    if np.isclose(square, mean**2):
        return 1
    return float((np.outer(k, k) * matrix).sum() - mean**2) / float(square - mean**2)
""",
    },
    "texture_image": {
        "filled place by place": """
def texture_image(image, feature, window, step):
    rim = (window - step) // 2
    big = np.pad(image.astype(float), rim, "reflect")
    out = np.zeros((image.shape[0] // step, image.shape[1] // step))
    for (a, b), _ in np.ndenumerate(out):
        out[a, b] = feature(big[a * step : a * step + window, b * step : b * step + window])
    return out
""",
        "windows as a view": """
def texture_image(image, feature, window, step):
    rim = (window - step) // 2
    big = np.pad(image, [(rim, rim), (rim, rim)], mode="reflect")
    views = np.lib.stride_tricks.sliding_window_view(big, (window, window))[::step, ::step]
    return torch.tensor([[float(feature(v)) for v in row] for row in views])
""",
    },
    "network": {
        "a module list and a convolution as large as the map": """
class Network(nn.Module):
    def __init__(self, side, in_channels=1, maps=(10, 10), kernels=(5, 5)):
        super().__init__()
        before = [in_channels] + list(maps[:-1])
        self.layers = nn.ModuleList(nn.Conv2d(a, b, k) for a, b, k in zip(before, maps, kernels))
        self.last = nn.Linear(maps[-1] * (side - sum(kernels) + len(kernels)) ** 2, 1)

    def forward(self, x):
        for layer in self.layers:
            x = 1 / (1 + torch.exp(-layer(x)))
        return self.last(x.reshape(len(x), -1)).squeeze(1)
""",
        "prints and warns": [
            (
                "return self.output(self.features(x)",
                "import warnings\n        warnings.warn('slow')\n        print(x.shape)\n        return self.output(self.features(x)",
            )
        ],
    },
    "eight_views": {
        "transposed and flipped": """
def eight_views(batch):
    views = []
    for x in (batch, batch.transpose(-1, -2)):
        views += [x, x.flip(-1), x.flip(-2), x.flip(-1, -2)]
    return torch.stack(views, dim=0)
""",
        "in numpy": """
def eight_views(batch):
    x = np.asarray(batch)
    turns = [np.rot90(x, k, axes=(2, 3)) for k in range(4)]
    return torch.as_tensor(np.stack(turns + [t[:, :, ::-1] for t in turns]).copy())
""",
    },
    "invariant_logits": {
        "a running sum": """
def invariant_logits(net, batch):
    total = 0
    for view in eight_views(batch):
        total = total + net(view)
    return total / 8
""",
        "all views as one batch": """
def invariant_logits(net, batch):
    views = eight_views(batch)
    return net(views.flatten(0, 1)).reshape(8, -1).mean(0)
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "convolve": {
        "`rows, columns = w.shape[2:]` -> `rows, columns = w.shape[-2:]`": "an array of four axes has two after two",
        "`y = np.zeros((len(w), height, width)) + b[:, None, None]` -> "
        "`y = -np.zeros((len(w), height, width)) + b[:, None, None]`": "minus zero plus b is b",
    },
    "convolve_backward": {
        "`rows, columns = w.shape[2:]` -> `rows, columns = w.shape[-2:]`": "an array of four axes has two after two",
    },
    "glds": {
        "`first, second = texture.pairs(region, offset)` -> `second, first = texture.pairs(region, offset)`": (
            "the absolute difference does not care which is which"
        ),
        "`return np.bincount(np.abs(first - second).ravel(), minlength=levels) / first.size` -> "
        "`return np.bincount(np.abs(second - first).ravel(), minlength=levels) / first.size`": (
            "the absolute difference does not care which is which"
        ),
    },
    "sgld": {
        "`first, second = texture.pairs(region, offset)` -> `second, first = texture.pairs(region, offset)`": (
            "the matrix is made symmetric"
        ),
    },
    "correlation": {
        "`i, j = np.indices(matrix.shape)` -> `j, i = np.indices(matrix.shape)`": "the matrix is symmetric",
        "`variance = ((i - mean) ** 2 * matrix).sum()` -> `variance = ((mean - i) ** 2 * matrix).sum()`": (
            "a square has no sign"
        ),
        "`if variance < 1e-12:` -> `if variance <= 1e-12:`": "a variance of exactly 1e-12 is met by nobody",
        "`return ((i - mean) * (j - mean) * matrix).sum() / variance` -> "
        "`return ((i + mean) * (j - mean) * matrix).sum() / variance`": "the sum of (j - mean) P is 0",
        "`return ((i - mean) * (j - mean) * matrix).sum() / variance` -> "
        "`return ((i - mean) * (j + mean) * matrix).sum() / variance`": "the sum of (i - mean) P is 0",
    },
    "network": {
        "`return self.output(self.features(x).flatten(1))[:, 0]` -> "
        "`return self.output(self.features(x).flatten(1))[:, -1]`": "there is one output",
    },
    "eight_views": {
        "`views = [torch.rot90(x, turns, dims=(-2, -1)) for x in (batch, batch.flip(-1)) for turns in range(4)]` -> "
        "`views = [torch.rot90(x, turns, dims=(-2, -1)) for x in (batch.flip(-1), batch) for turns in range(4)]`": (
            "the order of the views is free"
        ),
        "`views = [torch.rot90(x, turns, dims=(-2, -1)) for x in (batch, batch.flip(-1)) for turns in range(4)]` -> "
        "`views = [torch.rot90(x, turns, dims=(-2, -1)) for x in (batch, batch.flip(-2)) for turns in range(4)]`": (
            "a flip of rows is a flip of columns, turned"
        ),
    },
}
