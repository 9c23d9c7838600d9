"""What must lose points in lab 9, what must not, and which mutants are no other program."""

MISTAKES = {
    "cut_patches": {
        "the corner instead of the middle": [("(half, half), (half, half))", "(0, side), (0, side))")],
        "zeros beyond the border": [('mode="reflect"', 'mode="constant"')],
        "the border repeated": [('mode="reflect"', 'mode="symmetric"')],
        "wrapped to the other side": [('mode="reflect"', 'mode="wrap"')],
        "rows and columns swapped": [("for number, row, column in places", "for number, column, row in places")],
        "always the first slice": [("padded[number, row", "padded[0, row")],
        "slices mirrored, too": [
            ("((0, 0), (half, half), (half, half))", "half"),
            ("padded[number, row", "padded[number + half, row"),
            ("padded = np.pad(images,", "padded = np.pad(images[::-1],"),
        ],
        "no axis for the channel": [("np.stack(cut)[:, None]", "np.stack(cut)")],
        "the channel last": [("np.stack(cut)[:, None]", "np.stack(cut)[..., None]")],
        "one side for all": [("for side in sides:", "for side in [sides[0]] * len(sides):")],
        "large patches made coarse": [
            (
                "np.stack(cut)[:, None]",
                "np.stack(cut)[:, None, :: max(1, side // sides[0]), :: max(1, side // sides[0])]",
            )
        ],
        "sorted by slice": [("in places]", "in sorted(map(tuple, np.asarray(places)))]")],
        "scaled in place": [("    patches = []\n    for", "    patches = []\n    images /= images.max()\n    for")],
    },
    "draw_places": {
        "as they come": [("np.argwhere(labels == number)", "np.argwhere(labels > 0)")],
        "what is not brain is a class": [("np.unique(labels[labels > 0])", "np.unique(labels)")],
        "no pixel twice while there are enough": [
            (
                "rng.integers(len(pixels), size=per_class)",
                "rng.choice(len(pixels), per_class, replace=len(pixels) < per_class)",
            )
        ],
        "shuffled once and taken in turn": [
            ("pixels[rng.integers(len(pixels), size=per_class)]", "np.resize(rng.permutation(pixels), (per_class, 3))")
        ],
        "per class and slice": """
def draw_places(labels, per_class, epoch, seed):
    rng = np.random.default_rng([seed, epoch])
    drawn = []
    for k, one in enumerate(labels):
        for number in np.unique(one[one > 0]):
            pixels = np.argwhere(one == number)
            chosen = pixels[rng.integers(len(pixels), size=per_class)]
            drawn.append(np.insert(chosen, 0, k, axis=1))
    return np.concatenate(drawn)
""",
        "slices equally likely": [
            (
                "pixels = np.argwhere(labels == number)",
                "pixels = np.argwhere(labels == number)\n"
                "        slices = np.unique(pixels[:, 0])\n"
                "        pixels = np.concatenate([np.resize(pixels[pixels[:, 0] == s], (5040, 3)) for s in slices])",
            )
        ],
        "without repetition": [
            ("pixels[rng.integers(len(pixels), size=per_class)]", "pixels[rng.permutation(len(pixels))[:per_class]]")
        ],
        "always the first pixels": [
            ("pixels[rng.integers(len(pixels), size=per_class)]", "np.resize(pixels, (per_class, 3))")
        ],
        "the same in every epoch": [
            ("rng = np.random.default_rng([seed, epoch])", "rng = np.random.default_rng([seed])")
        ],
        "seed and epoch added": [
            ("rng = np.random.default_rng([seed, epoch])", "rng = np.random.default_rng(seed + epoch)")
        ],
        "the seed is ignored": [("rng = np.random.default_rng([seed, epoch])", "rng = np.random.default_rng([epoch])")],
        "no seed": [("rng = np.random.default_rng([seed, epoch])", "rng = np.random.default_rng()")],
        "per_class in all": [
            ("size=per_class", "size=per_class // len(np.unique(labels[labels > 0]))"),
        ],
        "column before row": [("return np.concatenate(drawn)", "return np.concatenate(drawn)[:, [0, 2, 1]]")],
        "the last pixel is never drawn": [("rng.integers(len(pixels)", "rng.integers(max(1, len(pixels) - 1)")],
    },
    "network": {
        "branches share their weights": [
            (
                "answers = [branch(patch) for branch, patch in zip(self.branches, patches)]",
                "answers = [self.branches[-1](functional.interpolate(patch, patches[-1].shape[2:])) for patch in patches]",
            )
        ],
        "pooled everywhere": [
            ("                if pooled:\n", "                if left > 1:\n"),
        ],
        "never pooled": [("                if pooled:\n", "                if False:\n")],
        "average pooling": [("nn.MaxPool2d(2)", "nn.AvgPool2d(2)")],
        "the smallest kernels for all": [("zip(scale.kernels,", "zip(scales[0].kernels,")],
        "a plain list of branches": [("nn.ModuleList()", "[]")],
        "summed instead of side by side": [
            ("torch.cat(answers, dim=1)", "sum(answers)"),
            ("nn.Linear(hidden * len(scales), n_classes)", "nn.Linear(hidden, n_classes)"),
        ],
        "a softmax in the network": [
            (
                "return self.to_logits(torch.cat(answers, dim=1))",
                "return self.to_logits(torch.cat(answers, dim=1)).softmax(1)",
            )
        ],
        "a ReLU on the logits": [
            (
                "return self.to_logits(torch.cat(answers, dim=1))",
                "return self.to_logits(torch.cat(answers, dim=1)).relu()",
            )
        ],
        "no ReLU in the fully connected layer": [
            ("hidden), nn.ReLU(), nn.Dropout(dropout)]", "hidden), nn.Dropout(dropout)]")
        ],
        "no ReLU behind convolutions": [
            ("[nn.Conv2d(before, after, kernel), nn.ReLU()]", "[nn.Conv2d(before, after, kernel)]")
        ],
        "padded convolutions": [
            ("nn.Conv2d(before, after, kernel)", 'nn.Conv2d(before, after, kernel, padding="same")'),
            ("                left = left - kernel + 1\n", ""),
        ],
        "dropout forgotten": [(", nn.Dropout(dropout)]", "]")],
        "dropout of one half whatever is asked": [("nn.Dropout(dropout)", "nn.Dropout(0.5)")],
        "dropout on the logits": [
            (", nn.Dropout(dropout)]", "]"),
            (
                "self.to_logits = nn.Linear(hidden * len(scales), n_classes)",
                "self.to_logits = nn.Sequential(nn.Linear(hidden * len(scales), n_classes), nn.Dropout(dropout))",
            ),
        ],
        "only the last patch": [("self.branches, patches)]", "self.branches, patches[-1:] * len(patches))]")],
    },
    "dice_of_parts": {
        "intersection over union": [("2 * both / total", "both / (total - both)")],
        "the factor 2 forgotten": [("2 * both / total", "both / total")],
        "absent scores 1": [("else np.nan", "else 1.0")],
        "absent scores 0": [("else np.nan", "else 0.0")],
        "absent left out": [
            ("scores.append(2 * both / total if total else np.nan)", "scores += [2 * both / total] if total else []")
        ],
        "invented is not measured": [
            (
                "scores.append(2 * both / total if total else np.nan)",
                "scores.append(2 * both / total if np.any(truth == part) else np.nan)",
            )
        ],
        "missed is not measured": [
            (
                "scores.append(2 * both / total if total else np.nan)",
                "scores.append(2 * both / total if np.any(predicted == part) else np.nan)",
            )
        ],
        "sensitivity": [("2 * both / total if total", "both / np.sum(truth == part) if np.any(truth == part)")],
        "sorted parts": [("for part in parts:", "for part in sorted(parts):")],
        "one number for all": [("return np.array(scores)", "return np.full(len(parts), np.nanmean(scores))")],
        "numbered from 0": [("for part in parts:", "for part in range(len(parts)):")],
    },
    "full_as_kernel": {
        "maps last": [("maps, side, side)", "side, side, maps).permute(0, 3, 1, 2)")],
        "rows and columns swapped": [("maps, side, side)", "maps, side, side).transpose(2, 3)")],
        "turned round, as in a textbook's convolution": [("maps, side, side)", "maps, side, side).flip(2, 3)")],
        "a line instead of a square": [
            ("weight.reshape(weight.shape[0], maps, side, side)", "weight.reshape(weight.shape[0], maps, 1, -1)")
        ],
        "maps before neurons": [
            ("weight.reshape(weight.shape[0], maps, side, side)", "weight.reshape(maps, -1, side, side)")
        ],
    },
    "dense_branch": {
        "pooling still skips pixels": [("2, stride=1, dilation=step)", "2)")],
        "what follows is not spread": [("bias, dilation=step)", "bias)")],
        "the second pooling is not spread": [("stride=1, dilation=step)", "stride=1)")],
        "the step adds up": [("step = 2 * step", "step = step + 2")],
        "the step stays 2": [("step = 2 * step", "step = 2")],
        "every layer doubles": [
            (
                "        if pooled:\n            x =",
                "        if not pooled:\n            step = 2 * step\n        if pooled:\n            x =",
            )
        ],
        "zeros beyond the border": [('mode="reflect"', 'mode="constant"')],
        "the border repeated": [('mode="reflect"', 'mode="replicate"')],
        "cut at the beginning": [
            ("x[0, :, : image.shape[0], : image.shape[1]]", "x[0, :, -image.shape[0] :, -image.shape[1] :]")
        ],
        "nothing cut": [("x[0, :, : image.shape[0], : image.shape[1]]", "x[0]")],
        "no ReLU": [("dilation=step).relu()", "dilation=step)")],
        "no ReLU behind the last": [
            ("dilation=step).relu()", "dilation=step)\n        x = x if bias is layers[-1][1] else x.relu()")
        ],
        "biases forgotten": [("conv2d(x, weight, bias,", "conv2d(x, weight, None,")],
        "average pooling": [
            (
                "functional.max_pool2d(x, 2, stride=1, dilation=step)",
                "(x[..., step:, step:] + x[..., :-step, step:] + x[..., step:, :-step] + x[..., :-step, :-step]) / 4",
            )
        ],
    },
}

ALTERNATIVES = {
    "cut_patches": {
        "with indices": """
def cut_patches(images, places, sides):
    out = []
    k, r, c = (np.asarray(each)[:, None, None] for each in np.asarray(places).T)
    for side in sides:
        reach = np.arange(side) - side // 2
        big = np.pad(images, ((0, 0), (side, side), (side, side)), "reflect") if side < min(images.shape[1:]) else None
        if big is None:
            h = side // 2
            big = np.pad(images, ((0, 0), (h, h), (h, h)), "reflect")
            out.append(big[k, r + h + reach[:, None], c + h + reach][:, None])
        else:
            out.append(big[k, r + side + reach[:, None], c + side + reach][:, None])
    return out
""",
        "float32 tensors, as a tuple": """
def cut_patches(images, places, sides):
    def one(side):
        h = side // 2
        x = torch.as_tensor(np.asarray(images), dtype=torch.float32)
        x = functional.pad(x[:, None], (h, h, h, h), mode="reflect")
        return torch.stack([x[int(k), :, int(r) : int(r) + side, int(c) : int(c) + side] for k, r, c in places])

    return tuple(one(side) for side in sides)
""",
    },
    "draw_places": {
        "choice of flat places": """
def draw_places(labels, per_class, epoch, seed):
    rng = np.random.default_rng([seed, epoch])
    flat = np.concatenate(
        [rng.choice(np.flatnonzero(labels == k), per_class) for k in range(1, labels.max() + 1) if (labels == k).any()]
    )
    return np.stack(np.unravel_index(rng.permutation(flat), labels.shape), axis=1)
""",
        "one by one, as a list": """
def draw_places(labels, per_class, epoch, seed):
    rng = np.random.default_rng([seed, epoch])
    out = []
    for k in set(labels.ravel().tolist()) - {0}:
        where = np.stack(np.nonzero(labels == k), axis=-1).tolist()
        out += [where[int(rng.random() * len(where))] for _ in range(per_class)]
    return out
""",
    },
    "network": {
        "written out layer by layer": """
class ThreeScaleNet(nn.Module):
    def __init__(self, n_classes, scales, maps=(24, 32, 48), hidden=256, dropout=0.5):
        super().__init__()
        self.scales, self.p = scales, dropout
        self.convolutions, self.full = nn.ModuleList(), nn.ModuleList()
        for s in scales:
            sizes = [1, *maps]
            self.convolutions.append(
                nn.ModuleList(nn.Conv2d(a, b, k) for a, b, k in zip(sizes[:-1], sizes[1:], s.kernels))
            )
            n = self._convolve(len(self.full), torch.zeros(1, 1, s.side, s.side)).numel()
            self.full.append(nn.Linear(n, hidden))
        self.last = nn.Linear(hidden * len(scales), n_classes)

    def _convolve(self, i, x):
        for layer, pooled in zip(self.convolutions[i], self.scales[i].pooled):
            x = layer(x)
            x = functional.max_pool2d(x, 2).relu() if pooled else x.relu()
        return x.flatten(1)

    def forward(self, patches):
        h = [layer(self._convolve(i, patches[i])).relu() for i, layer in enumerate(self.full)]
        return self.last(functional.dropout(torch.cat(h, -1), self.p, self.training))
""",
        "lazy layers": [
            ("nn.Linear(before * left * left, hidden)", "nn.LazyLinear(hidden)"),
            (
                "self.to_logits = nn.Linear(hidden * len(scales), n_classes)",
                "self.to_logits = nn.Linear(hidden * len(scales), n_classes)\n"
                "        with torch.no_grad():\n"
                "            [b(torch.zeros(1, 1, s.side, s.side)) for b, s in zip(self.branches, scales)]",
            ),
        ],
    },
    "dice_of_parts": {
        "a table of counts": """
def dice_of_parts(truth, predicted, parts):
    n = 1 + int(max(truth.max(), predicted.max(), *parts))
    table = np.bincount(n * truth.ravel() + predicted.ravel(), minlength=n * n).reshape(n, n)
    both, total = np.diag(table), table.sum(0) + table.sum(1)
    with np.errstate(invalid="ignore"):
        return (2 * both / total)[list(parts)]
""",
        "warns, and divides": """
def dice_of_parts(truth, predicted, parts):
    t, p = (np.stack([m == k for k in parts]).reshape(len(parts), -1) for m in (truth, predicted))
    return np.float32(2) * (t & p).sum(1) / (t.sum(1) + p.sum(1))
""",
    },
    "full_as_kernel": {
        "unflattened": """
def full_as_kernel(weight, maps):
    k = int(np.sqrt(weight.shape[1] // maps) + 0.5)
    return nn.Unflatten(1, (maps, k, k))(weight)
""",
        "filled in, in numpy": """
def full_as_kernel(weight, maps):
    w = np.asarray(weight)
    k = int(round((w.shape[1] / maps) ** 0.5))
    return torch.as_tensor(np.array([[w[i, j * k * k : (j + 1) * k * k].reshape(k, k) for j in range(maps)] for i in range(len(w))]))
""",
    },
    "dense_branch": {
        "patch by patch after all": """
def dense_branch(image, side, layers):
    h = side // 2
    padded = functional.pad(image[None, None], (h, h, h, h), mode="reflect")
    x = functional.unfold(padded, side)[0].T.reshape(-1, 1, side, side)
    for weight, bias, pooled in layers:
        x = (functional.linear(x.flatten(1), weight, bias) if weight.ndim == 2 else functional.conv2d(x, weight, bias)).relu()
        x = functional.max_pool2d(x, 2) if pooled else x
    return x.flatten(1).T.reshape(-1, *image.shape)
""",
        "pooled by shifts": """
def dense_branch(image, side, layers):
    h, d = side // 2, 1
    x = torch.as_tensor(np.pad(np.asarray(image), h, mode="reflect"))[None]
    for w, b, pooled in layers:
        if w.dim() < 3:
            k = round((w.shape[1] / len(x)) ** 0.5)
            w = w.view(-1, len(x), k, k)
        x = functional.conv2d(x[None], w, b, dilation=d)[0].clamp(min=0)
        if pooled:
            x = torch.maximum(x[:, d:], x[:, :-d])
            x = torch.maximum(x[..., d:], x[..., :-d])
            d *= 2
    return x[:, : image.shape[0], : image.shape[1]]
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "cut_patches": {
        '`padded = np.pad(images, ((0, 0), (half, half), (half, half)), mode="reflect")` -> '
        '`padded = np.pad(images, ((0, 1), (half, half), (half, half)), mode="reflect")`': (
            "one more slice at the end, which no place names"
        ),
    },
    "full_as_kernel": {
        "`side = round((weight.shape[1] / maps) ** 0.5)` -> `side = round((weight.shape[1] // maps) ** 0.5)`": (
            "the number of columns is a multiple of the number of maps"
        ),
    },
    "dense_branch": {
        "`return x[0, :, : image.shape[0], : image.shape[1]]` -> `return x[-1, :, : image.shape[0], : image.shape[1]]`": (
            "there is one image in the batch"
        ),
    },
}
