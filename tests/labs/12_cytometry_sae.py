"""What the tests of lab 12 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "prepare": {
        "compressed before compensated": """
def prepare(tube, markers, cofactor=150.0):
    events = np.array(tube["events"], dtype=float)
    light = [m not in ("FSC", "SSC") for m in tube["markers"]]
    events[:, light] = np.arcsinh(events[:, light] / cofactor)
    if tube["spill"] is not None:
        dyes = [tube["channels"].index(name) for name in tube["spill_channels"]]
        events[:, dyes] = events[:, dyes] @ np.linalg.inv(tube["spill"])
    columns = [tube["markers"].index(m) for m in markers]
    scale = [2**18 if m in ("FSC", "SSC") else 1 for m in markers]
    return torch.as_tensor(events[:, columns] / scale, dtype=torch.float32)
""",
        "not compensated": [('if tube["spill"] is not None:', "if False:")],
        "the transpose of the matrix": [('np.linalg.inv(tube["spill"])', 'np.linalg.inv(tube["spill"]).T')],
        "spilled once more": [('np.linalg.inv(tube["spill"])', 'tube["spill"]')],
        "leak subtracted once": [
            ('@ np.linalg.inv(tube["spill"])', '@ (2 * np.eye(len(tube["spill"])) - tube["spill"])')
        ],
        "the matrix taken in the order of the file": [
            (
                '[list(tube["channels"]).index(name) for name in tube["spill_channels"]]',
                '[i for i, name in enumerate(tube["channels"]) if name in tube["spill_channels"]]',
            )
        ],
        "the matrix taken for the last channels": [
            (
                '[list(tube["channels"]).index(name) for name in tube["spill_channels"]]',
                'list(range(len(tube["channels"]) - len(tube["spill_channels"]), len(tube["channels"])))',
            )
        ],
        "markers in the order of the file": [
            ("for marker in markers:", 'for marker in [m for m in tube["markers"] if m in markers]:')
        ],
        "scatter compressed": [('if marker in ("FSC", "SSC")', 'if marker == "FSC"')],
        "forward scatter compressed": [('if marker in ("FSC", "SSC")', 'if marker == "SSC"')],
        "negative light cut off": [("np.arcsinh(values / cofactor)", "np.arcsinh(np.maximum(values, 0) / cofactor)")],
        "logarithm": [("np.arcsinh(values / cofactor)", "np.log10(np.maximum(values, 1))")],
        "the cofactor is ignored": [("np.arcsinh(values / cofactor)", "np.arcsinh(values / 150.0)")],
        "the tube is changed": [
            ('events = np.array(tube["events"], dtype=float)', 'events = tube["events"]'),
        ],
        "the tube is changed, where its events are in double precision": [
            ('events = np.array(tube["events"], dtype=float)', 'events = np.asarray(tube["events"], dtype=float)'),
        ],
        "whole numbers stay whole": [('np.array(tube["events"], dtype=float)', 'np.array(tube["events"])')],
        "double precision": [("dtype=torch.float32", "dtype=torch.float64")],
    },
    "encode": {
        "no tanh": [('torch.tanh(x @ layer["W"].T + layer["b"])', '(x @ layer["W"].T + layer["b"])')],
        "sigmoid": [("torch.tanh(", "torch.sigmoid(")],
        "no bias": [(' + layer["b"])', ")")],
        "the weights of the way back": [('layer["W"].T', 'layer["V"]')],
        "bias outside": [('layer["W"].T + layer["b"])', 'layer["W"].T) + layer["b"]')],
    },
    "denoising_loss": {
        "the damaged input is the target": [("(rebuilt - x) ** 2", "(rebuilt - x * kept) ** 2")],
        "no damage": [("x * kept", "x")],
        "the code is damaged instead": [("encode(layer, x * kept)", "(encode(layer, x) * kept.mean(1, keepdim=True))")],
        "only lost features count": [("((rebuilt - x) ** 2).mean()", "(((rebuilt - x) ** 2) * (1 - kept)).mean()")],
        "only kept features count": [("((rebuilt - x) ** 2).mean()", "(((rebuilt - x) ** 2) * kept).mean()")],
        "kept and lost swapped": [("x * kept", "x * (1 - kept)")],
        "sum over features": [(".mean()", ".sum(1).mean()")],
        "tanh on the way back": [
            (
                'encode(layer, x * kept) @ layer["V"].T + layer["c"]',
                'torch.tanh(encode(layer, x * kept) @ layer["V"].T + layer["c"])',
            )
        ],
        "tied weights": [('layer["V"].T', 'layer["W"]')],
        "no shift on the way back": [(' + layer["c"]', "")],
        "absolute error": [("((rebuilt - x) ** 2)", "(rebuilt - x).abs()")],
    },
    "pretrain": {
        "all layers learn from the features": [("for below in trained:", "for below in []:")],
        "codes of untrained layers": [("for below in trained:", "for below in layers[: len(trained)]:")],
        "damaged codes go up": [
            ("for below in trained:", "for below, lost in zip(trained, kept):"),
            ("x = encode(below, x)", "x = encode(below, x * lost[0])"),
        ],
        "only the layer right below encodes": [("for below in trained:", "for below in trained[-1:]:")],
        "lower layers learn along": """
def pretrain(layers, batches, kept, lr):
    stack = []
    for layer, masks in zip(layers, kept):
        stack.append({name: value.detach().clone().requires_grad_() for name, value in layer.items()})
        optimiser = torch.optim.SGD([v for each in stack for v in each.values()], lr=lr, momentum=0.9)
        for x, mask in zip(batches, masks):
            for below in stack[:-1]:
                x = encode(below, x)
            loss = denoising_loss(stack[-1], x, mask)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return [{name: value.detach() for name, value in each.items()} for each in stack]
""",
        "all at once": """
def pretrain(layers, batches, kept, lr):
    stack = [{name: value.detach().clone().requires_grad_() for name, value in layer.items()} for layer in layers]
    optimiser = torch.optim.SGD([v for each in stack for v in each.values()], lr=lr, momentum=0.9)
    for step, x in enumerate(batches):
        loss = 0.0
        for layer, masks in zip(stack, kept):
            loss = loss + denoising_loss(layer, x, masks[step])
            x = encode(layer, x).detach()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return [{name: value.detach() for name, value in each.items()} for each in stack]
""",
        "no momentum": [(", momentum=0.9", "")],
        "gradients pile up": [("optimiser.zero_grad()", "pass")],
        "the way there learns alone": [
            ("torch.optim.SGD(list(layer.values())", 'torch.optim.SGD([layer["W"], layer["b"]]'),
        ],
        "Adam": [
            (
                "torch.optim.SGD(list(layer.values()), lr=lr, momentum=0.9)",
                "torch.optim.Adam(list(layer.values()), lr=lr)",
            )
        ],
        "the first batch only": [("zip(batches, masks)", "zip(batches[:1], masks)")],
        "batches in reverse": [("zip(batches, masks)", "zip(batches.flip(0), masks)")],
        "the same damage at each step": [("denoising_loss(layer, x, mask)", "denoising_loss(layer, x, masks[0])")],
        "no damage": [("denoising_loss(layer, x, mask)", "denoising_loss(layer, x, torch.ones_like(x))")],
        "two passes": [("for x, mask in zip(batches, masks):", "for x, mask in [*zip(batches, masks)] * 2:")],
        "the rate is ignored": [("lr=lr", "lr=0.1")],
        "what was handed over learns": [("value.detach().clone().requires_grad_()", "value.requires_grad_()")],
        "the first layer only": [("return trained", "return trained[:1]")],
    },
    "balanced_loss": {
        "plain mean": [
            ("(losses[is_blast].mean() + losses[~is_blast].mean()) / 2", "losses.mean()"),
        ],
        "sum of both": [("losses[~is_blast].mean()) / 2", "losses[~is_blast].mean())")],
        "blasts alone": [
            ("(losses[is_blast].mean() + losses[~is_blast].mean()) / 2", "losses[is_blast].mean()"),
        ],
        "sums for means": [
            (
                "(losses[is_blast].mean() + losses[~is_blast].mean()) / 2",
                "(losses[is_blast].sum() + losses[~is_blast].sum()) / 2",
            )
        ],
        "overflows": [
            (
                'functional.binary_cross_entropy_with_logits(logits, is_blast.to(logits.dtype), reduction="none")',
                "-torch.where(is_blast, torch.log(torch.sigmoid(logits)), torch.log(1 - torch.sigmoid(logits)))",
            )
        ],
        "labels swapped": [("is_blast.to(logits.dtype)", "(~is_blast).to(logits.dtype)")],
        "squared error": [
            (
                'functional.binary_cross_entropy_with_logits(logits, is_blast.to(logits.dtype), reduction="none")',
                "(torch.sigmoid(logits) - is_blast.to(logits.dtype)) ** 2",
            )
        ],
        "no gradient": [("logits, is_blast.to", "logits.detach(), is_blast.to")],
    },
    "decide": {
        "always at one half": [("logits + np.log(share / (1 - share)) >= 0", "logits >= 0")],
        "the wrong way": [("logits + np.log", "logits - np.log")],
        "share for odds": [("np.log(share / (1 - share))", "np.log(share)")],
        "probability at least the share": [
            ("logits + np.log(share / (1 - share)) >= 0", "torch.sigmoid(logits) >= share")
        ],
        "probability above one minus twice the share": [
            ("logits + np.log(share / (1 - share)) >= 0", "torch.sigmoid(logits) >= 1 - 2 * share")
        ],
        "the share with the highest logits": [
            ("logits + np.log(share / (1 - share)) >= 0", "logits >= torch.quantile(logits, 1 - share)")
        ],
        "a tie is no blast": [(">= 0", "> 0")],
        "decades": [("np.log(", "np.log10(")],
        "numbers for a yes or no": [
            ("logits + np.log(share / (1 - share)) >= 0", "(logits + np.log(share / (1 - share)) >= 0).float()")
        ],
        "odds overflow": [
            ("logits + np.log(share / (1 - share)) >= 0", "logits.exp() / (logits.exp() + (1 - share) / share) >= 0.5")
        ],
    },
    "report": {
        "one of ten thousand as the limit, whatever n": [("limit = 1 / n", "limit = 1e-4")],
        "one more cell": [("limit = 1 / n", "limit = 1 / (n + 1)")],
        "the limit for the estimate only": [("np.log10(max(truth, limit))", "np.log10(max(truth, 1e-12))")],
        "the limit for the truth only": [("np.log10(max(mrd, limit))", "np.log10(max(mrd, 1e-12))")],
        "the limit is reported as found": [
            (
                "mrd, truth = called.mean(), is_blast.mean()",
                "mrd, truth = max(called.mean(), 1 / len(called)), is_blast.mean()",
            )
        ],
        "natural logarithm": [
            (
                "abs(np.log10(max(mrd, limit)) - np.log10(max(truth, limit)))",
                "abs(np.log(max(mrd, limit)) - np.log(max(truth, limit)))",
            )
        ],
        "signed": [
            (
                "abs(np.log10(max(mrd, limit)) - np.log10(max(truth, limit)))",
                "np.log10(max(mrd, limit)) - np.log10(max(truth, limit))",
            )
        ],
        "a difference of shares": [
            ("abs(np.log10(max(mrd, limit)) - np.log10(max(truth, limit)))", "abs(mrd - truth)")
        ],
        "F1 of nothing is 0": [("if total else 1.0", "if total else 0.0")],
        "F1 of nothing is no number": [(" if total else 1.0", "")],
        "Jaccard for F1": [
            ("2 * (is_blast & called).sum() / total", "(is_blast & called).sum() / (is_blast | called).sum()")
        ],
        "recall for F1": [
            ("2 * (is_blast & called).sum() / total", "(is_blast & called).sum() / max(is_blast.sum(), 1)")
        ],
        "accuracy of blasts only": [("(is_blast == called).mean()", "called[is_blast].mean()")],
        "the true share is reported": [('"mrd": mrd', '"mrd": truth')],
    },
}

ALTERNATIVES = {
    "prepare": {
        "solve instead of invert, column by column": """
def prepare(tube, markers, cofactor=150.0):
    x = np.asarray(tube["events"]).astype(np.float64).T.copy()  # (C, N)
    where = {name: i for i, name in enumerate(tube["channels"])}
    if tube["spill"] is not None:
        rows = [where[n] for n in tube["spill_channels"]]
        x[rows] = np.linalg.solve(np.asarray(tube["spill"], float).T, x[rows])
    out = []
    for m in markers:
        v = x[list(tube["markers"]).index(m)]
        out.append(v / 262144 if m.endswith("SC") else np.arcsinh(v / cofactor))
    return torch.from_numpy(np.array(out).T).float()
""",
        "in torch": """
def prepare(tube, markers, cofactor=150.0):
    y = torch.tensor(np.asarray(tube["events"], float))
    names = list(tube["channels"])
    full = torch.eye(len(names), dtype=torch.float64)
    if tube["spill"] is not None:
        at = [names.index(n) for n in tube["spill_channels"]]
        full[np.ix_(at, at)] = torch.as_tensor(np.asarray(tube["spill"], float))
    y = torch.linalg.solve(full.T, y.T).T
    keep = [list(tube["markers"]).index(m) for m in markers]
    y = y[:, keep]
    scatter = torch.tensor([m in {"FSC", "SSC"} for m in markers])
    return torch.where(scatter, y / 2.0**18, torch.asinh(y / cofactor)).to(torch.float32)
""",
    },
    "encode": {
        "functional.linear": """
def encode(layer, x):
    return functional.linear(x, layer["W"], layer["b"]).tanh()
""",
        "two exponentials": """
def encode(layer, x):
    a = torch.einsum("bf,cf->bc", x, layer["W"]) + layer["b"]
    return 2 * torch.sigmoid(2 * a) - 1
""",
    },
    "denoising_loss": {
        "mse_loss": """
def denoising_loss(layer, x, kept):
    hidden = encode(layer, kept * x)
    return functional.mse_loss(functional.linear(hidden, layer["V"], layer["c"]), x)
""",
        "where instead of times": """
def denoising_loss(layer, x, kept):
    damaged = torch.where(kept > 0, x, torch.zeros_like(x))
    error = encode(layer, damaged) @ layer["V"].mT + layer["c"] - x
    return error.square().sum() / x.numel()
""",
    },
    "pretrain": {
        "codes made once for each layer": """
def pretrain(layers, batches, kept, lr):
    out, inputs = [], batches
    for start, masks in zip(layers, kept):
        now = {k: v.clone().detach().requires_grad_(True) for k, v in start.items()}
        sgd = torch.optim.SGD(now.values(), lr=lr, momentum=0.9)
        for t in range(len(inputs)):
            sgd.zero_grad(set_to_none=False)
            denoising_loss(now, inputs[t], masks[t]).backward()
            sgd.step()
        now = {k: v.detach() for k, v in now.items()}
        out.append(now)
        inputs = torch.stack([encode(now, x) for x in inputs])
    return out
""",
        "momentum by hand": """
def pretrain(layers, batches, kept, lr):
    done = []
    for level in range(len(layers)):
        names = list(layers[level])
        values = [layers[level][n].detach().clone() for n in names]
        speed = [torch.zeros_like(v) for v in values]
        for t in range(batches.shape[0]):
            x = batches[t]
            for below in done:
                x = encode(below, x).detach()
            values = [v.requires_grad_(True) for v in values]
            loss = denoising_loss(dict(zip(names, values)), x, kept[level][t])
            gradients = torch.autograd.grad(loss, values)
            speed = [0.9 * s + g for s, g in zip(speed, gradients)]
            values = [(v - lr * s).detach() for v, s in zip(values, speed)]
        done.append(dict(zip(names, values)))
    return done
""",
    },
    "balanced_loss": {
        "weights": """
def balanced_loss(logits, is_blast):
    y = is_blast.to(logits.dtype)
    weight = torch.where(is_blast, 0.5 / y.sum(), 0.5 / (1 - y).sum())
    return functional.binary_cross_entropy_with_logits(logits, y, weight=weight, reduction="sum")
""",
        "softplus": """
def balanced_loss(logits, is_blast):
    blasts, others = logits[is_blast], logits[torch.logical_not(is_blast)]
    return 0.5 * functional.softplus(-blasts).mean() + 0.5 * functional.softplus(others).mean()
""",
    },
    "decide": {
        "threshold on the logit": """
def decide(logits, share):
    return torch.ge(logits, float(np.log1p(-share) - np.log(share)))
""",
        "probability": """
def decide(logits, share):
    import math

    probability = torch.sigmoid(logits.double() + math.log(share) - math.log(1 - share))
    return probability >= 0.5
""",
    },
    "report": {
        "counts": """
def report(is_blast, called):
    n = len(called)
    tp = int(np.sum(is_blast & called))
    fp, fn = int(np.sum(called)) - tp, int(np.sum(is_blast)) - tp
    found, real = tp + fp, tp + fn
    return {
        "mrd": found / n,
        "log10_error": float(np.abs(np.log10(max(found, 1)) - np.log10(max(real, 1)))),
        "f1": 1.0 if found + real == 0 else 2 * tp / (2 * tp + fp + fn),
        "accuracy": 1 - (fp + fn) / n,
    }
""",
        "scikit-learn": """
def report(is_blast, called):
    from sklearn.metrics import accuracy_score, f1_score

    share = np.clip([np.mean(called), np.mean(is_blast)], 1 / np.size(called), None)
    return dict(
        mrd=np.mean(called),
        log10_error=np.ptp(np.log10(share)),
        f1=f1_score(is_blast, called, zero_division=1.0),
        accuracy=accuracy_score(is_blast, called),
    )
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "denoising_loss": {
        "`return ((rebuilt - x) ** 2).mean()` -> `return ((x - rebuilt) ** 2).mean()`": "a square has no sign",
    },
    "report": {
        '`"log10_error": abs(np.log10(max(mrd, limit)) - np.log10(max(truth, limit))),` -> '
        '`"log10_error": abs(np.log10(max(truth, limit)) - np.log10(max(mrd, limit))),`': "a distance has no direction",
    },
}
