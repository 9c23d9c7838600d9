"""What the tests of lab 7 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "window_net": {
        "kernels in the order x, y, z": [
            ("(3, 5, 5)", "(5, 5, 3)"),
            ("(1, 3, 3)", "(3, 3, 1)"),
            ("nn.Linear(8 * width, hidden)", "nn.LazyLinear(hidden)"),
        ],
        "padded convolutions": [
            ("(3, 5, 5))", '(3, 5, 5), padding="same")'),
            ("nn.Linear(8 * width", "nn.Linear(48 * width"),
        ],
        "no ReLU after the third convolution": [
            ("(1, 3, 3)),\n            nn.ReLU(),\n        )", "(1, 3, 3)),\n        )"),
        ],
        "the third ReLU outside of `features`": [
            ("(1, 3, 3)),\n            nn.ReLU(),\n        )", "(1, 3, 3)),\n        )"),
            ("self.features(x).flatten(1)", "functional.relu(self.features(x)).flatten(1)"),
        ],
        "layers under other names": [
            ("self.hidden = nn.Linear", "self.dense = nn.Linear"),
            ("self.hidden(maps)", "self.dense(maps)"),
        ],
        "no ReLU after the dense layer": [("functional.relu(self.hidden(maps))", "self.hidden(maps)")],
        "a ReLU on the logits": [
            (
                "self.to_logits(functional.relu(self.hidden(maps)))",
                "functional.relu(self.to_logits(functional.relu(self.hidden(maps))))",
            )
        ],
        "mean instead of maximum pooling": [("nn.MaxPool3d(2)", "nn.AvgPool3d(2)")],
        "the third convolution is forgotten": [
            (
                "            nn.Conv3d(width, width, (1, 3, 3)),\n            nn.ReLU(),\n",
                "            nn.AvgPool3d((1, 2, 2)),\n",
            )
        ],
        "a softmax inside the network": [
            (
                "self.to_logits(functional.relu(self.hidden(maps)))",
                "self.to_logits(functional.relu(self.hidden(maps))).softmax(1)",
            )
        ],
        "width written by hand": [
            ("nn.Conv3d(1, width,", "nn.Conv3d(1, 64,"),
            ("nn.Conv3d(width, width, (3", "nn.Conv3d(64, width, (3"),
        ],
    },
    "dense_as_kernel": {
        "channels taken for the fastest axis": [
            (
                "weight.reshape(weight.shape[0], channels, depth, height, width)",
                "weight.reshape(weight.shape[0], depth, height, width, channels).movedim(4, 1)",
            )
        ],
        "z and x swapped": [
            (
                "weight.reshape(weight.shape[0], channels, depth, height, width)",
                "weight.reshape(weight.shape[0], channels, width, height, depth).transpose(2, 4)",
            )
        ],
        "inputs and outputs swapped": [
            (
                "weight.reshape(weight.shape[0], channels, depth, height, width)",
                "weight.T.reshape(weight.shape[0], channels, depth, height, width)",
            )
        ],
        "kernel flipped as in a textbook's convolution": [
            (
                "weight.reshape(weight.shape[0], channels, depth, height, width)",
                "weight.reshape(weight.shape[0], channels, depth, height, width).flip(2, 3, 4)",
            )
        ],
        "always 2 x 2 x 2": [("channels, depth, height, width)", "-1, 2, 2, 2)")],
    },
    "score_map": {
        "the ReLU between the dense layers is lost": [
            (
                "functional.relu(functional.conv3d(maps, kernel, hidden.bias))",
                "functional.conv3d(maps, kernel, hidden.bias)",
            )
        ],
        "the hidden bias is lost": [("conv3d(maps, kernel, hidden.bias)", "conv3d(maps, kernel)")],
        "the last bias is lost": [("conv3d(maps, kernel, to_logits.bias)", "conv3d(maps, kernel)")],
        "stride 2 in the dense layer": [
            ("conv3d(maps, kernel, hidden.bias)", "conv3d(maps, kernel, hidden.bias, stride=2)")
        ],
        "window by window": """
@torch.no_grad()
def score_map(features, hidden, to_logits, volume):
    views = volume.unfold(0, 10, 2).unfold(1, 16, 2).unfold(2, 16, 2)
    windows = views.reshape(-1, 1, 10, 16, 16)
    scores = [to_logits(functional.relu(hidden(features(w[None]).flatten(1)))).softmax(1)[0, 1] for w in windows]
    return torch.stack(scores).reshape(views.shape[:3])
""",
        "softmax over space": [("softmax(dim=1)", "softmax(dim=2)")],
        "probability of no bleed": [("softmax(dim=1)[0, 1]", "softmax(dim=1)[0, 0]")],
        "raw logits": [("logits.softmax(dim=1)[0, 1]", "logits[0, 1]")],
        "sigmoid of one logit": [("logits.softmax(dim=1)[0, 1]", "logits.sigmoid()[0, 1]")],
        "pooled over the volume, so one score": [
            ("return logits.softmax(dim=1)[0, 1]", "return logits.amax((2, 3, 4), keepdim=True).softmax(dim=1)[0, 1]")
        ],
    },
    "cell_places": {
        "the window's first voxel": [("(np.asarray(window) - 1) / 2", "0 * np.asarray(window)")],
        "half a window, half a voxel too far": [("(np.asarray(window) - 1) / 2", "np.asarray(window) / 2")],
        "the stride is forgotten": [("stride * np.asarray(cells)", "np.asarray(cells)")],
        "spacing in the order x, y, z": [("np.asarray(spacing_mm)", "np.asarray(spacing_mm)[::-1]")],
        "voxels, not millimetres": [(" * np.asarray(spacing_mm)", "")],
        "the middle is strided, too": [
            ("stride * np.asarray(cells) + middle", "stride * (np.asarray(cells) + middle)")
        ],
        "whole voxels only": [("(np.asarray(window) - 1) / 2", "(np.asarray(window) - 1) // 2")],
    },
    "suppress": {
        "weakest first": [("np.argsort(-scores)", "np.argsort(scores)")],
        "a dropped one drops others": """
def suppress(centres_mm, scores, radius_mm):
    order = np.argsort(-scores)
    kept = []
    for rank, i in enumerate(order):
        surer = order[:rank]
        if not (np.linalg.norm(centres_mm[surer] - centres_mm[i], axis=1) < radius_mm).any():
            kept.append(i)
    return np.array(kept, dtype=int)
""",
        "in the slice only": [
            ("centres_mm[rest] - centres_mm[best], axis=1", "(centres_mm[rest] - centres_mm[best])[:, 1:], axis=1")
        ],
        "a box, not a ball": [
            (
                "np.linalg.norm(centres_mm[rest] - centres_mm[best], axis=1)",
                "np.abs(centres_mm[rest] - centres_mm[best]).max(axis=1)",
            )
        ],
        "city-block distance": [
            (
                "np.linalg.norm(centres_mm[rest] - centres_mm[best], axis=1)",
                "np.abs(centres_mm[rest] - centres_mm[best]).sum(axis=1)",
            )
        ],
        "the radius itself is too near": [("distance >= radius_mm", "distance > radius_mm")],
        "squared distance": [("distance >= radius_mm", "distance**2 >= radius_mm")],
        "returns a mask": [("return np.array(kept, dtype=int)", "return np.isin(np.arange(len(scores)), kept)")],
        "returns places": [("return np.array(kept, dtype=int)", "return centres_mm[kept]")],
        "in the order of the list": [("return np.array(kept, dtype=int)", "return np.sort(np.array(kept, dtype=int))")],
    },
    "hard_negatives": {
        "far from some bleed is enough": [(".all(axis=1)", ".any(axis=1)")],
        "easiest first": [("np.argsort(-scores)", "np.argsort(scores)")],
        "random ones": [("np.argsort(-scores)", "np.random.default_rng(0).permutation(len(scores))")],
        "cut before bleeds are left out": [("order[far[order]][:n_most]", "order[:n_most][far[order[:n_most]]]")],
        "the bleeds themselves": [("between > margin_mm", "between <= margin_mm")],
        "only the hits are left out, not what lies beside": [("between > margin_mm", "between > 1.0")],
        "a scan without bleeds has no negatives": [
            ("    far = (", "    if len(bleeds_mm) == 0:\n        return np.zeros(0, dtype=int)\n    far = (")
        ],
        "at the margin counts as far": [("between > margin_mm", "between >= margin_mm")],
        "the mask in the wrong order": [("order[far[order]][:n_most]", "order[far][:n_most]")],
    },
    "screening_threshold": {
        "a quantile, interpolated": [
            ("return float(falling[n_keep - 1])", "return float(np.quantile(bleed_scores, 1 - sensitivity))")
        ],
        "rounded down": [
            ("int(np.ceil(sensitivity * len(falling) - 1e-9))", "max(1, int(sensitivity * len(falling)))")
        ],
        "one too few": [("falling[n_keep - 1]", "falling[max(n_keep - 2, 0)]")],
        "one too many": [("falling[n_keep - 1]", "falling[min(n_keep, len(falling) - 1)]")],
        "sorted the other way": [("np.sort(bleed_scores)[::-1]", "np.sort(bleed_scores)")],
        "lost bleeds are left out of the count": [
            ("np.sort(bleed_scores)[::-1]", "np.sort(bleed_scores[np.isfinite(bleed_scores)])[::-1]")
        ],
    },
    "cascade": {
        "both scores multiplied": [
            (
                "torch.as_tensor(logits).softmax(dim=1)[:, 1].numpy()",
                "torch.as_tensor(logits).softmax(dim=1)[:, 1].numpy() * screen_scores[passed]",
            )
        ],
        "rejected ones keep the screen's score": [
            ("np.full(len(screen_scores), -np.inf)", "screen_scores.astype(float)")
        ],
        "the threshold itself does not pass": [("screen_scores >= threshold", "screen_scores > threshold")],
        "the judge sees all": [
            (
                "        logits = judge(windows[torch.as_tensor(passed)])\n",
                "        logits = torch.as_tensor(judge(windows))[torch.as_tensor(passed)]\n",
            )
        ],
        "asked although nothing passes": [("if passed.any():", "if True:")],
        "raw logits": [("torch.as_tensor(logits).softmax(dim=1)[:, 1]", "torch.as_tensor(logits)[:, 1]")],
        "probability of no bleed": [("softmax(dim=1)[:, 1]", "softmax(dim=1)[:, 0]")],
        "rejected ones vanish from the list": [("return final", "return final[passed]")],
        "softmax over the candidates": [("softmax(dim=1)", "softmax(dim=0)")],
    },
}

ALTERNATIVES = {
    "window_net": {
        "one convolution after another, by name": """
class WindowNet(nn.Module):
    def __init__(self, width=64, hidden=150):
        super().__init__()
        self.features = Features(width)
        self.hidden, self.to_logits = nn.Linear(width * 2 * 2 * 2, hidden), nn.Linear(hidden, 2)

    def forward(self, x):
        x = self.features(x)
        return self.to_logits(self.hidden(x.reshape(len(x), -1)).clamp(min=0))


class Features(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.c = nn.Conv3d(width, width, (1, 3, 3))
        self.b = nn.Conv3d(width, width, 3)
        self.a = nn.Conv3d(1, width, (3, 5, 5))

    def forward(self, x):
        x = functional.max_pool3d(self.a(x), 2).relu()  # ReLU and maximum may change places
        return self.c(self.b(x).relu()).relu()
""",
        "prints and warns": [
            (
                "        maps = self",
                "        import warnings\n        print(x.shape)\n        warnings.warn('slow')\n        maps = self",
            )
        ],
    },
    "dense_as_kernel": {
        "unflatten": """
def dense_as_kernel(weight, maps):
    return weight.unflatten(1, maps)
""",
        "by loops": """
def dense_as_kernel(weight, maps):
    kernel = torch.empty(len(weight), *maps)
    for column, place in enumerate(np.ndindex(*maps)):
        kernel[(slice(None), *place)] = weight[:, column]
    return kernel
""",
        "numpy, in double precision": """
def dense_as_kernel(weight, maps):
    return torch.tensor(weight.detach().numpy().astype(np.float64).reshape(-1, *maps)).to(weight.dtype)
""",
    },
    "score_map": {
        "sliding dense layers over unfolded maps": """
@torch.no_grad()
def score_map(features, hidden, to_logits, volume):
    maps = features(volume[None, None])[0]  # (C, D, H, W)
    views = maps.unfold(1, 2, 1).unfold(2, 2, 1).unfold(3, 2, 1)  # (C, D', H', W', 2, 2, 2)
    flat = views.permute(1, 2, 3, 0, 4, 5, 6).flatten(3)
    return to_logits(hidden(flat).relu()).softmax(-1)[..., 1]
""",
        "with modules, and a sigmoid of the difference": """
def score_map(features, hidden, to_logits, volume):
    first = nn.Conv3d(hidden.in_features // 8, hidden.out_features, 2)
    second = nn.Conv3d(hidden.out_features, 2, 1)
    with torch.no_grad():
        for conv, dense in ((first, hidden), (second, to_logits)):
            conv.weight.copy_(dense.weight.reshape(conv.weight.shape))
            conv.bias.copy_(dense.bias)
        out = second(torch.relu(first(features(volume.unsqueeze(0).unsqueeze(0)))))[0]
        return torch.sigmoid(out[1] - out[0])
""",
    },
    "cell_places": {
        "axis by axis": """
def cell_places(cells, spacing_mm, window=(10, 16, 16), stride=2):
    out = np.empty((len(cells), 3))
    for axis in range(3):
        first = stride * cells[:, axis]
        last = first + window[axis] - 1
        out[:, axis] = 0.5 * (first + last) * spacing_mm[axis]
    return out
""",
        "float32, one cell at a time": """
def cell_places(cells, spacing_mm, window=(10, 16, 16), stride=2):
    rows = [[(stride * c + (w - 1) / 2) * s for c, w, s in zip(cell, window, spacing_mm)] for cell in cells.tolist()]
    return np.array(rows, dtype=np.float32).reshape(-1, 3)
""",
    },
    "suppress": {
        "all distances at once": """
def suppress(centres_mm, scores, radius_mm):
    near = np.sqrt(((centres_mm[:, None] - centres_mm[None]) ** 2).sum(-1)) < radius_mm
    alive, kept = np.ones(len(scores), bool), []
    for i in np.argsort(scores)[::-1]:
        if alive[i]:
            kept.append(int(i))
            alive &= ~near[i]
    return np.array(kept, dtype=np.int32)
""",
        "asks those that remain, and returns a list of numbers as an array": """
def suppress(centres_mm, scores, radius_mm):
    kept = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if all(sum((centres_mm[i] - centres_mm[j]) ** 2) ** 0.5 >= radius_mm for j in kept):
            kept.append(i)
    return np.asarray(kept)
""",
    },
    "hard_negatives": {
        "by a loop": """
def hard_negatives(centres_mm, scores, bleeds_mm, margin_mm, n_most):
    chosen = []
    for i in sorted(range(len(scores)), key=lambda i: scores[i], reverse=True):
        if len(chosen) < n_most and all(np.linalg.norm(centres_mm[i] - b) > margin_mm for b in bleeds_mm):
            chosen.append(i)
    return np.array(chosen, dtype=int)
""",
        "the nearest bleed, infinity where there is none": """
def hard_negatives(centres_mm, scores, bleeds_mm, margin_mm, n_most):
    squared = ((centres_mm[:, None, :] - bleeds_mm[None, :, :]) ** 2).sum(axis=-1)
    nearest = np.sqrt(squared.min(axis=1, initial=np.inf))
    numbers = np.flatnonzero(nearest > margin_mm)
    return numbers[np.argsort(scores[numbers])[::-1]][:n_most]
""",
    },
    "screening_threshold": {
        "tries every score": """
def screening_threshold(bleed_scores, sensitivity):
    best = -np.inf
    for t in bleed_scores:
        if np.mean(bleed_scores >= t) >= sensitivity - 1e-9:
            best = max(best, t)
    return best
""",
        "an unrounded quantile of numpy": """
def screening_threshold(bleed_scores, sensitivity):
    rising = sorted(float(s) for s in bleed_scores)
    may_lose = int(np.floor(len(rising) * (1 - sensitivity) + 1e-9))
    return np.float32(rising[may_lose])
""",
    },
    "cascade": {
        "by indices, in single precision": """
def cascade(windows, screen_scores, threshold, judge):
    final = torch.full((len(screen_scores),), -float("inf"))
    index = torch.nonzero(torch.as_tensor(screen_scores) >= threshold).flatten()
    if len(index):
        with torch.no_grad():
            out = torch.as_tensor(judge(windows[index]))
        final[index] = torch.sigmoid(out[:, 1] - out[:, 0]).float()
    return final.numpy()
""",
        "a list comprehension over an iterator": """
def cascade(windows, screen_scores, threshold, judge):
    keep = [i for i, s in enumerate(screen_scores) if s >= threshold]
    if not keep:
        return np.full(len(screen_scores), -np.inf)
    p = iter(torch.softmax(torch.as_tensor(judge(windows[keep])), -1)[:, -1].tolist())
    return np.array([next(p) if i in set(keep) else -np.inf for i in range(len(screen_scores))])
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "window_net": {
        "`nn.ReLU(), nn.MaxPool3d(2),` -> `nn.MaxPool3d(2), nn.ReLU(),`": (
            "the larger of two numbers is cut off at 0 before or after it is chosen, with the same result"
        ),
    },
    "score_map": {
        **{
            "`kernel = dense_as_kernel(to_logits.weight, (maps.shape[1], 1, 1, 1))` -> "
            f"`kernel = dense_as_kernel(to_logits.weight, (maps.shape[1], {size}))`": "what is left for that axis is 1"
            for size in ("-1, 1, 1", "1, -1, 1", "1, 1, -1")
        },
        "`return logits.softmax(dim=1)[0, 1]` -> `return logits.softmax(dim=1)[-1, 1]`": "the batch holds one volume",
        "`return logits.softmax(dim=1)[0, 1]` -> `return logits.softmax(dim=1)[0, -1]`": "there are two classes",
    },
    "suppress": {
        "`best, rest = order[0], order[1:]` -> `best, rest = order[0], order[0:]`": (
            "the best one is 0 mm from itself, nearer than any radius, and so leaves the rest all the same"
        ),
        "`distance = np.linalg.norm(centres_mm[rest] - centres_mm[best], axis=1)` -> "
        "`distance = np.linalg.norm(centres_mm[best] - centres_mm[rest], axis=1)`": "a distance has no direction",
    },
    "hard_negatives": {
        "`between = np.linalg.norm(centres_mm[:, None] - bleeds_mm[None], axis=2)` -> "
        "`between = np.linalg.norm(bleeds_mm[None] - centres_mm[:, None], axis=2)`": "a distance has no direction",
    },
    "cascade": {
        "`final[passed] = torch.as_tensor(logits).softmax(dim=1)[:, 1].numpy()` -> "
        "`final[passed] = torch.as_tensor(logits).softmax(dim=1)[:, -1].numpy()`": "there are two classes",
    },
}
