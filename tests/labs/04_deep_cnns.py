"""What the tests of lab 4 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "conv_cost": {
        "a multiplication with its addition counted as one": [("2 * weights * side**dims", "weights * side**dims")],
        "operations at the places of the input": [
            (
                "side = (side + 2 * padding - kernel) // stride + 1",
                "before, side = side, (side + 2 * padding - kernel) // stride + 1",
            ),
            ("2 * weights * side**dims", "2 * weights * before**dims"),
        ],
        "biases counted as operations": [("2 * weights * side**dims", "(2 * weights + outputs) * side**dims")],
        "padding at one end only": [("2 * padding", "padding")],
        "stride ignored": [("// stride + 1", "+ 1")],
        "rounded up": [("(side + 2 * padding - kernel) // stride", "-(-(side + 2 * padding - kernel) // stride)")],
        "the last place forgotten": [("// stride + 1", "// stride")],
        "a kernel of two axes whatever the image": [("kernel**dims", "kernel**2")],
        "places of two axes whatever the image": [("2 * weights * side**dims", "2 * weights * side**2")],
        "no biases": [("weights + outputs,", "weights,")],
        "a bias for each channel that comes in": [("weights + outputs,", "weights + inputs,")],
        "one kernel for each channel that comes out": [("inputs * outputs * kernel", "outputs * kernel")],
        "values of the channels that come in": [("outputs * side**dims,\n    }", "inputs * side**dims,\n    }")],
    },
    "network_cost": {
        "pooling does not shrink": [('side = (side - layer["kernel"]) // layer["stride"] + 1', "pass")],
        "pooling halves whatever its kernel and stride": [
            ('(side - layer["kernel"]) // layer["stride"] + 1', "side // 2")
        ],
        "the mean keeps the side": [("            side = 1\n", "            pass\n")],
        "the linear layer's bias forgotten": [('layer["inputs"] * channels + channels', 'layer["inputs"] * channels')],
        "the linear layer does no work": [('flops += 2 * layer["inputs"] * channels', "flops += 0")],
        "the input needs no memory": [("0, 0, in_channels * side**dims", "0, 0, 0")],
        "gradient and Adam's means forgotten": [("4 * (4 * parameters", "4 * (parameters")],
        "weights kept for each sample": [
            ("4 * (4 * parameters + batch * values)", "4 * batch * (4 * parameters + values)")
        ],
        "one sample kept whatever the batch": [("batch * values", "values")],
        "numbers of eight bytes": [("4 * (4 * parameters + batch", "8 * (4 * parameters + batch")],
        "only convolutions keep values": [
            (
                "        values += channels * side**dims",
                '        values += channels * side**dims * (layer["kind"] == "conv")',
            )
        ],
        "operations of the whole batch": [('"flops": flops', '"flops": batch * flops')],
        "stride and padding not handed on": [(', stride=layer["stride"], padding=layer["padding"]', "")],
        "a stride of 1 whatever the convolution": [('stride=layer["stride"], padding', "stride=1, padding")],
        "padding that keeps the side, whatever the convolution": [
            ('padding=layer["padding"]', 'padding=layer["kernel"] // 2')
        ],
        "convolutions leave the side unchanged": [
            ('side, parameters, flops = cost["side"], parameters', "parameters, flops = parameters")
        ],
        "the mean costs operations": [
            ("            side = 1\n", "            flops += channels\n            side = 1\n")
        ],
        "the mean adds up each voxel": [
            ("            side = 1\n", "            flops += channels * side**dims\n            side = 1\n")
        ],
        "one operation in the linear layer": [('flops += 2 * layer["inputs"]', 'flops += layer["inputs"]')],
    },
    "receptive_field": {
        "kernels add up whatever the step": [('(layer["kernel"] - 1) * step', 'layer["kernel"] - 1')],
        "the whole kernel instead of kernel - 1": [('(layer["kernel"] - 1) * step', 'layer["kernel"] * step')],
        "the step lengthened before the field is widened": [
            (
                '            field += (layer["kernel"] - 1) * step\n            step *= layer["stride"]',
                '            step *= layer["stride"]\n            field += (layer["kernel"] - 1) * step',
            )
        ],
        "strides add up": [('step *= layer["stride"]', 'step += layer["stride"] - 1')],
        "pooling sees nothing more": [
            (
                '            field += (layer["kernel"] - 1) * step',
                '            field += (layer["kernel"] - 1) * step * (layer["kind"] == "conv")',
            )
        ],
        "pooling does not lengthen the step": [
            (
                '            step *= layer["stride"]',
                '            step *= layer["stride"] if layer["kind"] == "conv" else 1',
            )
        ],
        "half the field, as a radius": [("return field, step", "return field // 2, step")],
        "every layer has a kernel": [('        if layer["kind"] in ("conv", "pool"):', "        if True:")],
    },
    "autoencoder": {
        "a ReLU on the code": [
            (
                "nn.Linear(2 * width * coarse**2, code),",
                "nn.Linear(2 * width * coarse**2, code),\n            nn.ReLU(),",
            )
        ],
        "a sigmoid on the reconstruction": [
            (
                "nn.ConvTranspose2d(width, in_channels, 2, stride=2),",
                "nn.ConvTranspose2d(width, in_channels, 2, stride=2),\n            nn.Sigmoid(),",
            )
        ],
        "linear: no ReLU in the encoder": [
            (
                "nn.Conv2d(in_channels, width, 3, stride=2, padding=1),\n            nn.ReLU(),",
                "nn.Conv2d(in_channels, width, 3, stride=2, padding=1),",
            ),
            (
                "nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),\n            nn.ReLU(),",
                "nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),",
            ),
        ],
        "a ReLU on the reconstruction": [
            (
                "nn.ConvTranspose2d(width, in_channels, 2, stride=2),",
                "nn.ConvTranspose2d(width, in_channels, 2, stride=2),\n            nn.ReLU(),",
            )
        ],
        "no ReLU between the transposed convolutions": [
            (
                "nn.ConvTranspose2d(2 * width, width, 2, stride=2),\n            nn.ReLU(),",
                "nn.ConvTranspose2d(2 * width, width, 2, stride=2),",
            )
        ],
        "no ReLU after the decoder's linear layer": [
            (
                "nn.Linear(code, 2 * width * coarse**2),\n            nn.ReLU(),",
                "nn.Linear(code, 2 * width * coarse**2),",
            )
        ],
        "a skip connection past the code": [
            ("return self.decode(self.encode(x))", "return self.decode(self.encode(x)) + 0.1 * x")
        ],
        "forward gives the code": [("return self.decode(self.encode(x))", "return self.encode(x)")],
        "encode gives the maps before the code": [("return self.encoder(x)", "return self.encoder[:-1](x)")],
        "the code's size fixed": [("coarse**2, code)", "coarse**2, 16)"), ("nn.Linear(code,", "nn.Linear(16,")],
        "images of 28 pixels only": [("coarse = side // 4", "coarse = 7")],
        "one channel only": [("nn.ConvTranspose2d(width, in_channels, 2", "nn.ConvTranspose2d(width, 1, 2")],
        "layers in plain lists": [
            ("self.encoder = nn.Sequential(", "self.hidden = [nn.Sequential("),
            (
                "            nn.Linear(2 * width * coarse**2, code),\n        )",
                "            nn.Linear(2 * width * coarse**2, code),\n        )]",
            ),
            ("return self.encoder(x)", "return self.hidden[0](x)"),
        ],
        "the widths do not double": [
            ("nn.Conv2d(width, 2 * width, 3", "nn.Conv2d(width, width, 3"),
            ("nn.Linear(2 * width * coarse**2, code)", "nn.Linear(width * coarse**2, code)"),
        ],
    },
    "early_stop": {
        "compared with the epoch before": [
            (
                "        if loss < best - min_gain:\n            best, best_epoch, waited = loss, epoch, 0",
                "        if loss < best - min_gain:\n            best_epoch, waited = epoch, 0\n        best = loss",
            )
        ],
        "keeps the last epoch": [
            ("return epoch, best_epoch", "return epoch, epoch"),
            ("- 1, best_epoch", "- 1, len(losses) - 1"),
        ],
        "keeps the lowest of all losses, of epochs never trained": [
            ("return epoch, best_epoch", "return epoch, int(np.nanargmin(losses))")
        ],
        "an equal loss is a gain": [("loss < best - min_gain", "loss <= best - min_gain")],
        "waits one epoch too long": [("waited == patience", "waited > patience")],
        "stops one epoch early": [("waited == patience", "waited == patience - 1")],
        "epochs without a gain need not be in a row": [
            ("best, best_epoch, waited = loss, epoch, 0", "best, best_epoch, waited = loss, epoch, waited - 1")
        ],
        "min_gain ignored": [("best - min_gain", "best")],
        "min_gain with the wrong sign": [("best - min_gain", "best + min_gain")],
        "NaN is a gain": [("if loss < best - min_gain:", "if not loss >= best - min_gain:")],
        "small gains become the best, but do not count": [
            (
                "        if loss < best - min_gain:\n            best, best_epoch, waited = loss, epoch, 0",
                "        if loss < best - min_gain:\n            waited = 0\n        if loss < best:\n            best, best_epoch = loss, epoch",
            )
        ],
        "counts from epoch 0, even if that was no gain": """
def early_stop(losses, patience, min_gain=0.0):
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < best - min_gain:
            best, best_epoch = loss, epoch
        if epoch - best_epoch >= patience:
            return epoch, best_epoch
    return len(losses) - 1, best_epoch
""",
        "the first loss is the best, even if it is NaN": """
def early_stop(losses, patience, min_gain=0.0):
    best, best_epoch, waited = losses[0], 0, 0
    for epoch, loss in list(enumerate(losses))[1:]:
        waited += 1
        if loss < best - min_gain:
            best, best_epoch, waited = loss, epoch, 0
        if waited == patience:
            return epoch, best_epoch
    return len(losses) - 1, best_epoch
""",
        "counted from 1": [("enumerate(losses)", "enumerate(losses, 1)"), ("len(losses) - 1", "len(losses)")],
        "stops at the end only": [("        if waited == patience:\n            return epoch, best_epoch\n", "")],
    },
}

ALTERNATIVES = {
    "conv_cost": {
        "asks torch for the size, counts places in a loop": """
def conv_cost(inputs, outputs, kernel, side, dims, *, stride=1, padding=0):
    line = torch.nn.functional.max_pool1d(torch.zeros(1, 1, side + 2 * padding), kernel, stride)
    m = line.shape[-1]
    places, voxels = 1, 1
    for _ in range(dims):
        places, voxels = places * m, voxels * kernel
    per_place = inputs * voxels
    return {
        "values": places * outputs,
        "flops": places * outputs * (per_place + per_place),
        "parameters": outputs * (per_place + 1),
        "side": m,
    }
""",
        "numpy integers, warns": """
def conv_cost(inputs, outputs, kernel, side, dims, stride=1, padding=0):
    import warnings
    warnings.warn("counting")
    m = np.int64(np.floor((side + 2 * padding - kernel) / stride)) + 1
    k = np.prod([kernel] * dims) * np.int64(inputs) * outputs
    return dict(side=m, parameters=k + outputs, flops=2 * k * m**dims, values=outputs * m**dims)
""",
    },
    "network_cost": {
        "two passes, without the first exercise": """
def network_cost(layers, in_channels, side, dims, batch=1):
    shapes = [(in_channels, side)]
    for layer in layers:
        c, n = shapes[-1]
        if layer["kind"] in ("conv", "pool"):
            n = (n + 2 * layer.get("padding", 0) - layer["kernel"]) // layer["stride"] + 1
        if layer["kind"] == "mean":
            n = 1
        shapes.append((layer.get("outputs", c), n))
    p = sum(
        layer["outputs"] * (layer["inputs"] * layer.get("kernel", 1) ** dims + 1) for layer in layers if "outputs" in layer
    )
    f = sum(
        2 * layer["outputs"] * layer["inputs"] * (layer.get("kernel", 1) * n) ** dims
        for layer, (_, n) in zip(layers, shapes[1:])
        if "outputs" in layer
    )
    v = sum(c * n**dims for c, n in shapes)
    return {"parameters": p, "flops": f, "bytes": 16 * p + 4 * batch * v}
""",
        "recursion, floats": """
def network_cost(layers, in_channels, side, dims, batch=1):
    here = 4.0 * batch * in_channels * side**dims
    if not layers:
        return {"parameters": 0.0, "flops": 0.0, "bytes": here}
    layer, p, f, out, n = layers[0], 0.0, 0.0, in_channels, side
    match layer["kind"]:
        case "conv":
            cost = conv_cost(in_channels, layer["outputs"], layer["kernel"], side, dims, stride=layer["stride"], padding=layer["padding"])
            p, f, out, n = cost["parameters"], cost["flops"], layer["outputs"], cost["side"]
        case "pool":
            n = 1 + (side - layer["kernel"]) // layer["stride"]
        case "mean":
            n = 1
        case "linear":
            p, f, out = (layer["inputs"] + 1) * layer["outputs"], 2.0 * layer["inputs"] * layer["outputs"], layer["outputs"]
    rest = network_cost(layers[1:], out, n, dims, batch)
    return {"parameters": p + rest["parameters"], "flops": f + rest["flops"], "bytes": here + 16 * p + rest["bytes"]}
""",
    },
    "receptive_field": {
        "from the last layer to the first": """
def receptive_field(layers):
    field = step = 1
    for layer in reversed([each for each in layers if "kernel" in each]):
        field = (field - 1) * layer["stride"] + layer["kernel"]
        step = step * layer["stride"]
    return [field, step]
""",
        "products of strides, an array": """
def receptive_field(layers):
    kernels = [layer["kernel"] for layer in layers if layer["kind"] != "mean" and layer["kind"] != "linear"]
    strides = [layer["stride"] for layer in layers if layer["kind"] != "mean" and layer["kind"] != "linear"]
    steps = np.cumprod([1, *strides])
    return np.int64(1 + sum((k - 1) * j for k, j in zip(kernels, steps))), steps[-1]
""",
    },
    "autoencoder": {
        "functional, other names": """
class AutoEncoder(nn.Module):
    def __init__(self, in_channels, side, code, width=8):
        super().__init__()
        self.n, self.w = side // 4, 2 * width
        self.down1 = nn.Conv2d(in_channels, width, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
        self.down2 = nn.Conv2d(width, self.w, 3, 2, 1)
        self.squeeze = nn.Linear(self.w * self.n * self.n, code)
        self.spread = nn.Linear(code, self.w * self.n * self.n)
        self.up1 = nn.ConvTranspose2d(self.w, width, 2, 2)
        self.up2 = nn.ConvTranspose2d(width, in_channels, 2, 2)

    def encode(self, x):
        x = functional.relu(self.down2(functional.relu(self.down1(x))))
        return self.squeeze(x.reshape(len(x), -1))

    def decode(self, z):
        z = self.spread(z).relu().view(len(z), self.w, self.n, self.n)
        return self.up2(self.up1(z).relu())

    def forward(self, x):
        return self.decode(self.encode(x))
""",
        "encoder and decoder in a ModuleDict, prints": """
class AutoEncoder(nn.Module):
    def __init__(self, in_channels, side, code, width=8):
        super().__init__()
        size = (2 * width, side // 4, side // 4)
        flat = int(np.prod(size))
        down, up, relu = nn.Conv2d, nn.ConvTranspose2d, nn.ReLU
        self.parts = nn.ModuleDict({
            "d": nn.Sequential(nn.Linear(code, flat), relu(), nn.Unflatten(1, size), up(2 * width, width, 2, 2), relu(), up(width, in_channels, 2, 2)),
            "e": nn.Sequential(down(in_channels, width, 3, 2, 1), relu(), down(width, 2 * width, 3, 2, 1), relu(), nn.Flatten(), nn.Linear(flat, code)),
        })

    def encode(self, x):
        print("encoding", tuple(x.shape))
        return self.parts["e"](x)

    def decode(self, z):
        return self.parts["d"](z)

    def forward(self, x):
        return self.parts["d"](self.parts["e"](x))
""",
    },
    "early_stop": {
        "epochs counted from the best one": """
def early_stop(losses, patience, min_gain=0.0):
    best_epoch, best = -1, np.inf
    for epoch in range(len(losses)):
        if np.isfinite(losses[epoch]) and best - losses[epoch] > min_gain:
            best, best_epoch = losses[epoch], epoch
        if epoch - best_epoch >= patience:
            break
    return epoch, max(best_epoch, 0)
""",
        "recursion over the gains, numpy integers": """
def early_stop(losses, patience, min_gain=0.0):
    losses = np.where(np.isnan(losses), np.inf, np.asarray(losses, dtype=float))
    best, level = np.int64(0), losses[0]
    while True:
        ahead = losses[best + 1 : best + 1 + patience]
        if best == 0 and not np.isfinite(level):
            ahead = losses[1:patience]
        gains = np.flatnonzero(ahead < level - min_gain)
        if len(gains) == 0:
            return min(best + len(ahead), len(losses) - 1), best
        best = best + 1 + gains[0]
        level = losses[best]
""",
    },
}

# Mutants of the reference answers that are no other program: no test could take their points and leave the answer's.
EQUIVALENT = {
    "receptive_field": {
        "`field, step = 1, 1` -> `step, field = 1, 1`": "both are 1",
    },
    "autoencoder": {
        "`nn.ReLU(), nn.Flatten(),` -> `nn.Flatten(), nn.ReLU(),`": "a ReLU looks at each number by itself",
        "`nn.ReLU(), nn.Unflatten(1, (2 * width, coarse, coarse)),` -> "
        "`nn.Unflatten(1, (2 * width, coarse, coarse)), nn.ReLU(),`": "a ReLU looks at each number by itself",
        "`nn.Unflatten(1, (2 * width, coarse, coarse)),` -> `nn.Unflatten(-1, (2 * width, coarse, coarse)),`": (
            "of two axes, the second is the last"
        ),
    },
}
