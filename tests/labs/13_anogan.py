"""What the tests of lab 13 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "discriminator_loss": {
        "real and fake swapped": [("softplus(-real)", "softplus(real)"), ("softplus(fake)", "softplus(-fake)")],
        "rewarded for being fooled": [("softplus(fake)", "softplus(-fake)")],
        "logarithm of a sigmoid that underflows": """
def discriminator_loss(real, fake):
    return -torch.log(torch.sigmoid(real)).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
""",
        "clipped where it is sure": """
def discriminator_loss(real, fake):
    p, q = torch.sigmoid(real).clamp(1e-7, 1 - 1e-7), torch.sigmoid(fake).clamp(1e-7, 1 - 1e-7)
    return -torch.log(p).mean() - torch.log(1 - q).mean()
""",
        "mean of all samples": """
def discriminator_loss(real, fake):
    return torch.cat([functional.softplus(-real), functional.softplus(fake)]).mean()
""",
        "half of it": [("return functional", "return 0.5 * functional"), ("+ functional", "+ 0.5 * functional")],
        "maximised": [
            ("return functional.softplus(-real)", "return -functional.softplus(-real)"),
            (".mean() + f", ".mean() - f"),
        ],
        "sums": [
            ("softplus(-real).mean()", "softplus(-real).sum()"),
            ("softplus(fake).mean()", "softplus(fake).sum()"),
        ],
    },
    "generator_loss": {
        "minimax whatever is asked": [('if kind == "minimax":', 'if kind != "":')],
        "kinds swapped": [('if kind == "minimax":', 'if kind == "non-saturating":')],
        "the minimax loss is maximised": [("return -functional.softplus(fake)", "return functional.softplus(fake)")],
        "the discriminator's side": [("return functional.softplus(-fake)", "return functional.softplus(fake)")],
        "logarithm of a sigmoid that underflows": [
            ("functional.softplus(-fake).mean()", "-torch.log(torch.sigmoid(fake)).mean()")
        ],
        "logarithm of what is left of 1": [
            ("-functional.softplus(fake).mean()", "torch.log(1 - torch.sigmoid(fake)).mean()")
        ],
        "sum over the batch": [("functional.softplus(-fake).mean()", "functional.softplus(-fake).sum()")],
    },
    "best_discriminator": {
        "zero over zero": """
def best_discriminator(x, real, fake):
    def density(mixture):
        return sum(w * np.exp(-((x - m) ** 2) / (2 * s**2)) / s for w, m, s in mixture)

    with np.errstate(all="ignore"):
        return density(real) / (density(real) + density(fake))
""",
        "a small number against zero over zero": """
def best_discriminator(x, real, fake):
    def density(mixture):
        return sum(w * np.exp(-((x - m) ** 2) / (2 * s**2)) / s for w, m, s in mixture)

    return (density(real) + 1e-12) / (density(real) + density(fake) + 2e-12)
""",
        "weights forgotten": [("b=weight / sd", "b=1 / sd")],
        "not divided by the standard deviation": [("b=weight / sd", "b=weight")],
        "standard deviation not squared": [("(2 * sd**2)", "(2 * sd)")],
        "variance without the 2": [("(2 * sd**2)", "(sd**2)")],
        "generated instead of real": [
            ("log_density(real) - log_density(fake)", "log_density(fake) - log_density(real)")
        ],
        "the ratio itself": [
            ("expit(log_density(real) - log_density(fake))", "np.exp(log_density(real) - log_density(fake))")
        ],
        "mean of the logarithms": [("logsumexp(", "(lambda e, b, axis: (b * e).sum(axis))(")],
    },
    "game": {
        "the generator's turn moves the discriminator": [
            ("self.of_generator = make_optimiser(generator.", "self.of_generator = make_optimiser(discriminator.")
        ],
        "one optimiser moves both": [
            (
                "self.of_generator = make_optimiser(generator.parameters())",
                "self.of_generator = make_optimiser([*generator.parameters(), *discriminator.parameters()])",
            )
        ],
        "the discriminator's step moves the generator": [
            (
                "self.of_discriminator = make_optimiser(discriminator.parameters())",
                "self.of_discriminator = make_optimiser([*discriminator.parameters(), *generator.parameters()])",
            ),
            ("with torch.no_grad():", "if True:"),
        ],
        "gradients of the generator's turn stay in the discriminator": [("self.of_discriminator.zero_grad()", "pass")],
        "gradients of the generator never removed": [("self.of_generator.zero_grad()", "pass")],
        "generated samples detached in the generator's turn": [
            ("self.discriminator(self.generator(z))", "self.discriminator(self.generator(z).detach().requires_grad_())")
        ],
        "the generator helps the discriminator": [
            (
                "loss = generator_loss(self.discriminator(self.generator(z)))",
                "loss = -generator_loss(self.discriminator(self.generator(z)))",
            )
        ],
        "the minimax loss": [
            (
                "generator_loss(self.discriminator(self.generator(z)))",
                'generator_loss(self.discriminator(self.generator(z)), "minimax")',
            )
        ],
        "real and generated swapped": [
            (
                "discriminator_loss(self.discriminator(real), self.discriminator(fake))",
                "discriminator_loss(self.discriminator(fake), self.discriminator(real))",
            )
        ],
        "no step": [("        self.of_discriminator.step()\n", "")],
    },
    "anomaly_score": {
        "one score for all": [("sum(dim=(1, 2, 3))", "sum()")],
        "means": [("abs().sum(dim=(1, 2, 3))", "abs().mean(dim=(1, 2, 3))")],
        "squares": [("(images - nearest).abs()", "(images - nearest).square()")],
        "signed differences": [("(wanted - found).abs()", "(wanted - found)")],
        "weights swapped": [
            ("(1 - weight) * residual + weight * discrimination", "weight * residual + (1 - weight) * discrimination")
        ],
        "the residual at full weight": [("(1 - weight) * residual", "residual")],
        "the paper's weight only": [("return (1 - weight)", "weight = 0.1\n    return (1 - weight)")],
        "only one row of pixels": [("sum(dim=(1, 2, 3))", "sum(dim=(1, 2))[:, 0]")],
    },
    "search": {
        "walks uphill": [("score.sum()", "-score.sum()")],
        "one gradient for all": [
            (
                "score.sum(), z)",
                "score.sum(), z)\n            z.grad = z.grad.mean(dim=0, keepdim=True).expand_as(z).clone()",
            )
        ],
        "changes the codes handed over": [("z = z.detach().clone().requires_grad_()", "z = z.requires_grad_()")],
        "gradient descent instead of Adam": [("torch.optim.Adam([z], lr=lr)", "torch.optim.SGD([z], lr=lr / 100)")],
        "gradients pile up": """
def search(generator, features, images, z, steps=500, lr=0.05, weight=0.1):
    z = z.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr=lr)
    history = []
    for step in range(steps + 1):
        nearest = generator(z)
        score = anomaly_score(images, nearest, features(images), features(nearest), weight)
        history.append(score.detach())
        if step < steps:
            score.sum().backward()
            optimiser.step()
    return z.detach(), torch.stack(history)
""",
        "pixels only": [("features(nearest), weight)", "wanted, weight)")],
        "a step too few": [("range(steps + 1)", "range(steps)"), ("if step < steps", "if step < steps - 1")],
        "one step beyond the last score": [("if step < steps:", "if True:")],
        "the learning rate ignored": [("lr=lr)", "lr=0.05)")],
        "the best codes on the way": """
def search(generator, features, images, z, steps=500, lr=0.05, weight=0.1):
    code = nn.Parameter(z.clone())
    adam = torch.optim.Adam([code], lr)
    wanted, history, lowest, best = features(images).detach(), [], None, code.detach().clone()
    for step in range(steps + 1):
        adam.zero_grad()
        nearest = generator(code)
        score = anomaly_score(images, nearest, wanted, features(nearest), weight)
        history.append(score.detach())
        better = history[-1] < lowest if step else torch.ones(len(images), dtype=torch.bool)
        lowest = torch.stack(history).amin(dim=0)
        best[better] = code.detach()[better]
        if step < steps:
            score.sum().backward()
            adam.step()
    return best, torch.stack(history)
""",
        "codes kept within the prior": [("optimiser.step()", "optimiser.step()\n            z.data.clamp_(-0.1, 0.1)")],
    },
    "anomaly_map": {
        "smoothed before the absolute value": """
def anomaly_map(images, nearest, sigma_px=1.5):
    from scipy import ndimage

    left_over = (images - nearest)[:, 0].numpy() / 2
    return np.abs(ndimage.gaussian_filter(left_over, sigma=(0, sigma_px, sigma_px)))
""",
        "images smoothed into each other": [("sigma=(0, sigma_px, sigma_px)", "sigma=sigma_px")],
        "too bright only": [("(images - nearest).abs()", "(images - nearest).clamp(min=0)")],
        "twice as much": [(" / 2  #", "  #")],
        "squares": [("(images - nearest).abs()", "(images - nearest).square()")],
        "always the same smoothing": [("sigma=(0, sigma_px, sigma_px)", "sigma=(0, 1.5, 1.5)")],
        "smoothed along columns only": [("sigma=(0, sigma_px, sigma_px)", "sigma=(0, sigma_px, 0)")],
        "dark border": [("sigma=(0, sigma_px, sigma_px))", 'sigma=(0, sigma_px, sigma_px), mode="constant")')],
        "the channel kept": [
            (".abs()[:, 0]", ".abs()"),
            ("sigma=(0, sigma_px, sigma_px)", "sigma=(0, 0, sigma_px, sigma_px)"),
        ],
    },
}

ALTERNATIVES = {
    "discriminator_loss": {
        "cross-entropy": """
def discriminator_loss(real, fake):
    entropy = functional.binary_cross_entropy_with_logits
    return entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
""",
        "log of a sigmoid, in double precision": """
def discriminator_loss(real, fake):
    return -(functional.logsigmoid(real.double()).sum() / len(real) + functional.logsigmoid(-fake.double()).sum() / len(fake))
""",
    },
    "generator_loss": {
        "log of a sigmoid": """
def generator_loss(fake, kind="non-saturating"):
    losses = {"non-saturating": -functional.logsigmoid(fake), "minimax": functional.logsigmoid(-fake)}
    return torch.mean(losses[kind])
""",
        "by hand": """
def generator_loss(fake, kind="non-saturating"):
    zero = torch.zeros_like(fake)
    if kind == "non-saturating":
        return torch.logaddexp(zero, -fake).mean()
    return -torch.logaddexp(zero, fake).mean()
""",
    },
    "best_discriminator": {
        "a loop, in NumPy": """
def best_discriminator(x, real, fake):
    def log_density(mixture):
        total = np.full(len(x), -np.inf)
        for w, m, s in mixture:
            total = np.logaddexp(total, np.log(w) - 0.5 * ((x - m) / s) ** 2 - np.log(s * np.sqrt(2 * np.pi)))
        return total

    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(log_density(fake) - log_density(real)))
""",
        "torch's distributions": """
def best_discriminator(x, real, fake):
    from torch import distributions

    x = torch.as_tensor(x, dtype=torch.float64)

    def log_density(mixture):
        w, m, s = torch.tensor(mixture, dtype=torch.float64).T
        parts = distributions.Normal(m, s)
        return distributions.MixtureSameFamily(distributions.Categorical(w), parts).log_prob(x)

    return torch.sigmoid(log_density(real) - log_density(fake))
""",
    },
    "game": {
        "detached instead of no_grad": [
            ("with torch.no_grad():\n            fake = self.generator(z)", "fake = self.generator(z).detach()"),
            (
                "float(loss.detach())\n        ### END SOLUTION\n\n    def generator_step",
                "loss.item()\n        ### END SOLUTION\n\n    def generator_step",
            ),
        ],
        "gradients asked for": """
class Game:
    def __init__(self, generator, discriminator, make_optimiser):
        self.generator, self.discriminator = generator, discriminator
        self.weights = list(generator.parameters()), list(discriminator.parameters())
        self.movers = [make_optimiser(weights) for weights in self.weights]

    def _move(self, who, loss):
        for weight, gradient in zip(self.weights[who], torch.autograd.grad(loss, self.weights[who])):
            weight.grad = gradient
        self.movers[who].step()
        return loss.item()

    def discriminator_step(self, real, z):
        both = self.discriminator(torch.cat([real, self.generator(z)]))
        return self._move(1, discriminator_loss(both[: len(real)], both[len(real) :]))

    def generator_step(self, z):
        return self._move(0, generator_loss(self.discriminator(self.generator(z))))
""",
    },
    "anomaly_score": {
        "distances of rows": """
def anomaly_score(images, nearest, wanted, found, weight=0.1):
    pixels = functional.pairwise_distance(images.flatten(1), nearest.flatten(1), p=1, eps=0)
    return (1 - weight) * pixels + weight * functional.pairwise_distance(wanted, found, p=1, eps=0)
""",
        "one image at a time": """
def anomaly_score(images, nearest, wanted, found, weight=0.1):
    scores = []
    for x, y, f, g in zip(images, nearest, wanted, found):
        scores.append((1 - weight) * torch.sum(torch.abs(x - y)) + weight * torch.sum(torch.abs(f - g)))
    return torch.stack(scores)
""",
    },
    "search": {
        "backward and zero_grad": """
def search(generator, features, images, z, steps=500, lr=0.05, weight=0.1):
    code = nn.Parameter(z.clone())
    adam = torch.optim.Adam([code], lr)
    wanted, history = features(images).detach(), []
    for _ in range(steps):
        adam.zero_grad()
        nearest = generator(code)
        score = anomaly_score(images, nearest, wanted, features(nearest), weight)
        history.append(score.detach())
        score.sum().backward()
        adam.step()
    with torch.no_grad():
        nearest = generator(code)
        history.append(anomaly_score(images, nearest, wanted, features(nearest), weight))
    return code.data, torch.stack(history)
""",
        "Adam by hand": """
def search(generator, features, images, z, steps=500, lr=0.05, weight=0.1):
    z, m, v, history = z.clone(), 0.0, 0.0, []
    wanted = features(images).detach()
    for k in range(1, steps + 2):
        z.requires_grad_()
        nearest = generator(z)
        score = anomaly_score(images, nearest, wanted, features(nearest), weight)
        history.append(score.detach())
        (g,) = torch.autograd.grad(score.sum(), z)
        z = z.detach()
        if k > steps:
            return z, torch.stack(history)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        z = z - lr * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
""",
    },
    "anomaly_map": {
        "one image at a time": """
def anomaly_map(images, nearest, sigma_px=1.5):
    from scipy.ndimage import gaussian_filter

    maps = [np.abs(np.asarray(x[0]) - np.asarray(y[0])) / 2 for x, y in zip(images, nearest)]
    return np.stack([gaussian_filter(each, sigma_px) for each in maps])
""",
        "one axis after the other, in double precision": """
def anomaly_map(images, nearest, sigma_px=1.5):
    from scipy.ndimage import gaussian_filter1d

    out = np.abs(images.double().numpy() - nearest.double().numpy()).squeeze(1) / 2
    for axis in (1, 2):
        if sigma_px > 0:
            out = gaussian_filter1d(out, sigma_px, axis=axis)
    return out
""",
    },
}

# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "best_discriminator": {
        "`-((x - mean) ** 2) / (2 * sd**2), b=weight / sd, axis=0` -> "
        "`-((mean - x) ** 2) / (2 * sd**2), b=weight / sd, axis=0`": "the sign is squared away",
    },
    "anomaly_score": {
        "`residual = (images - nearest).abs().sum(dim=(1, 2, 3))` -> "
        "`residual = (nearest - images).abs().sum(dim=(1, 2, 3))`": "an absolute value has no sign",
        "`discrimination = (wanted - found).abs().sum(dim=1)` -> "
        "`discrimination = (found - wanted).abs().sum(dim=1)`": "an absolute value has no sign",
    },
    "search": {
        "`score = anomaly_score(images, nearest, wanted, features(nearest), weight)` -> "
        "`score = anomaly_score(nearest, images, wanted, features(nearest), weight)`": "a distance is the same both ways",
        "`score = anomaly_score(images, nearest, wanted, features(nearest), weight)` -> "
        "`score = anomaly_score(images, nearest, features(nearest), wanted, weight)`": "a distance is the same both ways",
    },
    "anomaly_map": {
        "`left_over = (images - nearest).abs()[:, 0].numpy() / 2` -> "
        "`left_over = (nearest - images).abs()[:, 0].numpy() / 2`": "an absolute value has no sign",
        "`left_over = (images - nearest).abs()[:, 0].numpy() / 2` -> "
        "`left_over = (images - nearest).abs()[:, -1].numpy() / 2`": "there is one channel, the first and the last",
        "`return ndimage.gaussian_filter(left_over, sigma=(0, sigma_px, sigma_px))` -> "
        "`return ndimage.gaussian_filter(left_over, sigma=(-1, sigma_px, sigma_px))`": (
            "SciPy leaves an axis alone whose standard deviation is not positive"
        ),
    },
}
