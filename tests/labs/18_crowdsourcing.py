"""What the tests of lab 18 must reject, and what they must accept, although it is written in another way."""

EXPERT = "my_answers = {0: 1, 1: 0, 2: 1, 3: 1, 4: 1, 5: 0, 6: 0, 7: 1, 8: 1, 9: 1, 10: 0, 11: 0, 12: 0, 13: 1, 14: 0, 15: 0}"

MISTAKES = {
    "labels_of_the_game": {
        "nothing answered": [(EXPERT, "my_answers = {}")],
        "the last one forgotten": [(", 15: 0}", "}")],
        "numbered from 1": """
my_answers = {picture: 1 for picture in range(1, 17)}
""",
        "a class that there is not": [("2: 1,", "2: 2,")],
        "a doubt": [("2: 1,", "2: 0.5,")],
        "as a list": [(EXPERT, "my_answers = [1, 0] * 8")],
        "another game's pictures": """
my_answers = {picture: 0 for picture in range(16, 32)}
""",
    },
    "majority": {
        "the first class wins a tie": """
def majority(item, label, n_items, n_classes):
    votes = np.zeros((n_items, n_classes))
    np.add.at(votes, (item, label), 1)
    return np.eye(n_classes)[votes.argmax(axis=1)]
""",
        "shares instead of the winner": [
            ("return best / best.sum(axis=1, keepdims=True)", "return votes / votes.sum(axis=1, keepdims=True)")
        ],
        "a vote counts once however often it comes": [
            ("np.add.at(votes, (item, label), 1)", "votes[item, label] += 1")
        ],
        "more than half, or nobody": [
            ("best = votes == votes.max(axis=1, keepdims=True)", "best = votes > votes.sum(axis=1, keepdims=True) / 2")
        ],
        "a tie counts for each in full": [("best / best.sum(axis=1, keepdims=True)", "best.astype(float)")],
        "the most votes of all items": [("votes.max(axis=1, keepdims=True)", "votes.max()")],
        "the winner of each class": [("votes.max(axis=1, keepdims=True)", "votes.max(axis=0, keepdims=True)")],
        "an item without answers is class 0": [
            (
                "return best / best.sum(axis=1, keepdims=True)",
                "best[votes.sum(1) == 0, 1:] = False\n    return best / best.sum(axis=1, keepdims=True)",
            )
        ],
        "an item without answers has no class": [
            (
                "return best / best.sum(axis=1, keepdims=True)",
                "return best * (votes > 0) / best.sum(axis=1, keepdims=True)",
            )
        ],
        "at least as many as the mean": [
            ("votes.max(axis=1, keepdims=True)", "np.ceil(votes.mean(axis=1, keepdims=True))")
        ],
    },
    "e_step": {
        "products that vanish": """
def e_step(worker, item, label, confusion, prior, n_items):
    joint = np.tile(prior, (n_items, 1))
    np.multiply.at(joint, item, confusion[worker, :, label])
    return joint / joint.sum(axis=1, keepdims=True)
""",
        "truth and answer swapped": [("np.log(confusion)[worker, :, label]", "np.log(confusion)[worker, label, :]")],
        "the prior left out": [("np.tile(np.log(prior), (n_items, 1))", "np.zeros((n_items, len(prior)))")],
        "logarithms not subtracted": [("np.exp(joint - joint.max(axis=1, keepdims=True))", "np.exp(joint)")],
        "the mean of all workers for each": [
            ("np.log(confusion)[worker, :, label]", "np.log(confusion.mean(axis=0))[:, label].T")
        ],
        "only the last answer about an item": [
            (
                "np.add.at(joint, item, np.log(confusion)[worker, :, label])",
                "joint[item] += np.log(confusion)[worker, :, label]",
            )
        ],
        "answers weighed as votes": [
            ("np.log(confusion)[worker, :, label]", "np.eye(len(prior))[label]"),
        ],
        "each column adds up to 1": [("shares.sum(axis=1, keepdims=True)", "shares.sum(axis=0, keepdims=True)")],
        "the log-probabilities": [
            (
                "return shares / shares.sum(axis=1, keepdims=True)",
                "return np.log(shares / shares.sum(axis=1, keepdims=True))",
            )
        ],
        "mean of logarithms": [
            (
                "shares = np.exp",
                "joint /= np.maximum(np.bincount(item, minlength=n_items), 1)[:, None]\n    shares = np.exp",
            )
        ],
        "the prior of an unseen item is uniform": [
            (
                "return shares",
                "shares[np.bincount(item, minlength=n_items) == 0] = 1\n    return shares",
            )
        ],
    },
    "m_step": {
        "truth and answer swapped": [("table.transpose(0, 2, 1)", "table")],
        "columns add up to 1": [("table.sum(axis=2, keepdims=True)", "table.sum(axis=1, keepdims=True)")],
        "the more probable class alone": [
            ("probability[item])", "np.eye(n_classes)[probability.argmax(axis=1)][item])")
        ],
        "no imaginary answers": [("float(smoothing)", "1e-9")],
        "one imaginary answer whatever is asked": [("float(smoothing)", "1.0")],
        "the prior is the share of answers": [
            ("probability.mean(axis=0)", "np.bincount(label, minlength=n_classes) / len(label)")
        ],
        "the prior over answers": [("probability.mean(axis=0)", "probability[item].mean(axis=0)")],
        "an answer counts once however often it comes": [
            (
                "np.add.at(table.transpose(0, 2, 1), (worker, label), probability[item])",
                "table.transpose(0, 2, 1)[worker, label] += probability[item]",
            )
        ],
        "one table for all workers": [
            (
                "return table / table.sum(axis=2, keepdims=True)",
                "table[:] = table.sum(axis=0)\n    return table / table.sum(axis=2, keepdims=True)",
            )
        ],
        "counts, not shares": [("return table / table.sum(axis=2, keepdims=True)", "return table")],
        "the table adds up to 1": [("table.sum(axis=2, keepdims=True)", "table.sum(axis=(1, 2), keepdims=True)")],
        "imaginary answers on the diagonal only": [
            (
                "np.full((n_workers, n_classes, n_classes), float(smoothing))",
                "np.tile(smoothing * np.eye(n_classes) + 1e-12, (n_workers, 1, 1))",
            )
        ],
        "beliefs changed in place": [
            ("table = np.full", "probability += 1e-3\n    table = np.full"),
        ],
    },
    "aggnet_posterior": {
        "who did not see it says no": [(" * (votes >= 0)", "")],
        "who did not see it says yes": [
            ("torch.where(votes == 1, for_yes, for_no) * (votes >= 0)", "torch.where(votes != 0, for_yes, for_no)")
        ],
        "alpha and beta swapped": [("    for_yes", "    alpha, beta = beta, alpha\n    for_yes")],
        "beta for a yes": [("(1 - beta).log()\n", "beta.log()\n")],
        "the network is not heard": [("torch.logit(pi) + gains", "gains")],
        "the network's mean for every item": [("torch.logit(pi)", "torch.logit(pi.mean())")],
        "products that vanish": """
def aggnet_posterior(votes, alpha, beta, pi):
    seen = votes >= 0
    a = torch.where(seen, torch.where(votes == 1, alpha, 1 - alpha), torch.ones(())).prod(1)
    b = torch.where(seen, torch.where(votes == 1, 1 - beta, beta), torch.ones(())).prod(1)
    return a * pi / (a * pi + b * (1 - pi))
""",
        "not a number at 0 and 1": [
            (
                "(torch.logit(pi) + gains.sum(dim=1)).sigmoid()",
                "(torch.logit(pi) + 0 * torch.logit(pi) + gains.sum(dim=1)).sigmoid()",
            )
        ],
        "a little number against the logarithm of 0": [
            ("torch.logit(pi)", "((pi + 1e-9).log() - (1 - pi + 1e-9).log())")
        ],
        "half a surety at 0 and 1": [("torch.logit(pi)", "torch.logit(pi.clamp(0.05, 0.95))")],
        "the mean of the votes": [("gains.sum(dim=1)", "gains.mean(dim=1)")],
        "half precision": [("    for_yes", "    alpha, beta = alpha.half(), beta.half()\n    for_yes")],
        "network and votes averaged": """
def aggnet_posterior(votes, alpha, beta, pi):
    alpha, beta = alpha.double(), beta.double()
    gains = torch.where(votes == 1, alpha.log() - (1 - beta).log(), (1 - alpha).log() - beta.log()) * (votes >= 0)
    return (gains.sum(dim=1).sigmoid() + pi.double()) / 2
""",
        "workers weighed alike": [
            (
                "    for_yes",
                "    alpha, beta = alpha.mean().expand(len(alpha)), beta.mean().expand(len(beta))\n    for_yes",
            )
        ],
    },
    "majority_accuracy": {
        "at least half": [("binom.sf(n // 2, n, p) + tie / 2", "binom.sf((n - 1) // 2, n, p)")],
        "ties lost": [("+ tie / 2", "")],
        "ties won": [("+ tie / 2", "+ tie")],
        "all must be right": [("float(binom.sf(n // 2, n, p) + tie / 2)", "p**n")],
        "at least one is right": [("float(binom.sf(n // 2, n, p) + tie / 2)", "1 - (1 - p) ** n")],
        "exactly so many": [("binom.sf(n // 2, n, p)", "binom.pmf(n // 2 + 1, n, p)")],
        "without the number of orders": """
def majority_accuracy(p, n):
    total = sum(p**k * (1 - p) ** (n - k) for k in range(n // 2 + 1, n + 1))
    return total + (0.5 * (p * (1 - p)) ** (n // 2) if n % 2 == 0 else 0.0)
""",
        "the mean of the workers": [("float(binom.sf(n // 2, n, p) + tie / 2)", "p")],
    },
    "crowd_for_expert": {
        "better, not as good": [(">= expert", "> expert + 1e-12")],
        "the largest": [
            (
                '            return {"workers"',
                '            n = most\n            return {"workers"',
            )
        ],
        "one too many": [("for n in range(1, most + 1):", "for n in range(2, most + 1):")],
        "the last one not tried": [("range(1, most + 1)", "range(1, most)")],
        "an answer even where none is enough": [
            ("    return None", '    return {"workers": most, "cents": most * pay_cents, "cheaper": False}')
        ],
        "the pay of one": [('"cents": n * pay_cents', '"cents": pay_cents')],
        "the pay of workers and expert": [('"cents": n * pay_cents', '"cents": n * pay_cents + expert_pay_cents')],
        "one worker's pay against the expert's": [
            ("bool(n * pay_cents < expert_pay_cents)", "bool(pay_cents < expert_pay_cents)")
        ],
        "cheaper where it costs the same": [("n * pay_cents < expert_pay_cents", "n * pay_cents <= expert_pay_cents")],
        "dearer for cheaper": [("n * pay_cents < expert_pay_cents", "n * pay_cents > expert_pay_cents")],
    },
    "outlines_to_answers": {
        "pixels inside only": [
            (
                "return np.repeat(worker, n_pixels), item.ravel(), masks.ravel().astype(int)",
                "yes = masks.ravel()\n    return np.repeat(worker, n_pixels)[yes], item.ravel()[yes], masks.ravel().astype(int)[yes]",
            )
        ],
        "an empty outline is none": [
            (
                "    item = image",
                "    drawn = masks.any(axis=(1, 2))\n    worker, image, masks = worker[drawn], image[drawn], masks[drawn]\n    item = image",
            )
        ],
        "who was not asked says no": """
def outlines_to_answers(worker, image, masks):
    n, pixels = image.max() + 1, masks[0].size
    everything = np.zeros((worker.max() + 1, n, pixels), int)
    for w, i, mask in zip(worker, image, masks):
        everything[w, i] = mask.ravel()
    who, item = np.indices((len(everything), n * pixels))
    return who.ravel(), item.ravel(), everything.ravel()
""",
        "column by column": [("masks.ravel()", "masks.transpose(0, 2, 1).ravel()")],
        "the images mixed": [
            (
                "image[:, None] * n_pixels + np.arange(n_pixels)",
                "np.arange(len(masks))[:, None] * n_pixels + np.arange(n_pixels)",
            )
        ],
        "all images on one another": [("image[:, None] * n_pixels + np.arange", "0 * image[:, None] + np.arange")],
        "workers numbered by outline": [("np.repeat(worker, n_pixels)", "np.repeat(np.arange(len(worker)), n_pixels)")],
        "workers in turn": [("np.repeat(worker, n_pixels)", "np.tile(worker, n_pixels)")],
        "inside and outside swapped": [("masks.ravel().astype(int)", "1 - masks.ravel().astype(int)")],
        "images as wide as high": [("n_pixels = masks[0].size", "n_pixels = masks.shape[1] ** 2")],
    },
}

ALTERNATIVES = {
    "labels_of_the_game": {
        "other opinions, in another order": """
my_answers = {picture: picture % 2 for picture in reversed(range(16))}
""",
        "true and false": """
my_answers = {picture: picture > 7 for picture in range(16)}
""",
    },
    "majority": {
        "item by item": """
def majority(item, label, n_items, n_classes):
    from collections import Counter

    rows = []
    for i in range(n_items):
        votes = Counter(int(said) for about, said in zip(item, label) if about == i)
        most = max(votes.values(), default=0)
        winners = [k for k in range(n_classes) if votes[k] == most]
        rows.append([float(k in winners) / len(winners) for k in range(n_classes)])
    return np.array(rows)
""",
        "by bincount, in single precision": """
def majority(item, label, n_items, n_classes):
    votes = np.bincount(item * n_classes + label, minlength=n_items * n_classes).reshape(n_items, n_classes)
    won = (votes >= votes.max(1)[:, None]).astype(np.float32)
    return won / np.sum(won, 1)[:, None]
""",
    },
    "e_step": {
        "item by item with scipy": """
def e_step(worker, item, label, confusion, prior, n_items):
    from scipy.special import softmax

    result = np.empty((n_items, len(prior)))
    for i in range(n_items):
        logs = np.log(np.array(prior, dtype=float))
        for w, said in zip(worker[item == i], label[item == i]):
            logs = logs + np.log(confusion[w][:, said])
        result[i] = softmax(logs)
    return result
""",
        "a matrix of who said what": """
def e_step(worker, item, label, confusion, prior, n_items):
    w, k, _ = confusion.shape
    said = np.zeros((n_items, w * k))
    np.add.at(said, (item, worker * k + label), 1)
    logs = said @ np.log(confusion).transpose(0, 2, 1).reshape(w * k, k) + np.log(prior)
    return np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
""",
    },
    "m_step": {
        "answer by answer": """
def m_step(worker, item, label, probability, n_workers, smoothing):
    k = probability.shape[1]
    table = np.zeros((n_workers, k, k)) + smoothing
    for w, i, said in zip(worker, item, label):
        table[w, :, said] += probability[i]
    for w in range(n_workers):
        for true in range(k):
            table[w, true] /= table[w, true].sum()
    return table, probability.sum(0) / len(probability)
""",
        "by bincount, class by class": """
def m_step(worker, item, label, probability, n_workers, smoothing):
    n_items, k = probability.shape
    rows = [
        np.bincount(worker * k + label, probability[item, true], n_workers * k).reshape(n_workers, k)
        for true in range(k)
    ]
    counts = np.stack(rows, axis=1) + smoothing
    return [counts / np.sum(counts, axis=-1)[..., None], np.average(probability, axis=0)]
""",
    },
    "aggnet_posterior": {
        "in numpy, as the formula says": """
def aggnet_posterior(votes, alpha, beta, pi):
    from scipy.special import expit, logit

    y, a, b, p = (np.asarray(x, dtype=float) for x in (votes, alpha, beta, pi))
    seen = y >= 0
    y = np.where(seen, y, 0)
    log_a = (seen * (y * np.log(a) + (1 - y) * np.log1p(-a))).sum(1)
    log_b = (seen * ((1 - y) * np.log(b) + y * np.log1p(-b))).sum(1)
    with np.errstate(divide="ignore"):
        return expit(logit(p) + log_a - log_b)
""",
        "softmax of two sums": """
def aggnet_posterior(votes, alpha, beta, pi):
    alpha, beta, pi = alpha.double(), beta.double(), pi.double()
    yes, no = (votes == 1).double(), (votes == 0).double()
    there = yes @ alpha.log() + no @ (1 - alpha).log() + pi.log()
    absent = yes @ (1 - beta).log() + no @ beta.log() + (1 - pi).log()
    return torch.stack([absent, there], dim=1).softmax(dim=1)[:, 1]
""",
    },
    "majority_accuracy": {
        "a sum over outcomes": """
def majority_accuracy(p, n):
    from math import comb

    total = 0.0
    for k in range(n + 1):
        weight = 1.0 if 2 * k > n else 0.5 if 2 * k == n else 0.0
        total += weight * comb(n, k) * p**k * (1 - p) ** (n - k)
    return total
""",
        "one minus the lost votes": """
def majority_accuracy(p, n):
    from scipy.stats import binom

    lost = sum(binom.pmf(k, n, p) for k in range(n + 1) if 2 * k < n)
    return float(1 - lost - (binom.pmf(n // 2, n, p) / 2 if n % 2 == 0 else 0))
""",
        "worker by worker": """
def majority_accuracy(p, n):
    chances = np.array([1.0])
    for _ in range(n):
        chances = np.convolve(chances, [1 - p, p])
    right = np.arange(n + 1) * 2
    return chances[right > n].sum() + chances[right == n].sum() / 2
""",
    },
    "crowd_for_expert": {
        "the first of a generator": """
def crowd_for_expert(p, expert, pay_cents, expert_pay_cents, most=199):
    n = next((n for n in range(1, most + 1) if majority_accuracy(p, n) >= expert), None)
    if n is None:
        return None
    total = pay_cents * n
    return dict(workers=n, cents=total, cheaper=total < expert_pay_cents)
""",
        "while": """
def crowd_for_expert(p, expert, pay_cents, expert_pay_cents, most=199):
    n = 1
    while n <= most and majority_accuracy(p, n) < expert:
        n += 1
    return {"cheaper": bool(expert_pay_cents > n * pay_cents), "cents": n * pay_cents, "workers": n} if n <= most else None
""",
    },
    "outlines_to_answers": {
        "outline by outline": """
def outlines_to_answers(worker, image, masks):
    who, item, label = [], [], []
    for w, j, mask in zip(worker, image, masks):
        h, wide = mask.shape
        for row in range(h):
            for column in range(wide):
                who.append(int(w))
                item.append(int(j) * h * wide + row * wide + column)
                label.append(int(mask[row, column]))
    return who, item, label
""",
        "pixels first": """
def outlines_to_answers(worker, image, masks):
    m, h, w = masks.shape
    pixels = np.arange(h * w)[:, None]
    items = pixels + np.asarray(image)[None] * (h * w)
    return np.broadcast_to(worker, items.shape).ravel(), items.ravel(), np.where(masks.reshape(m, -1).T.ravel(), 1, 0)
""",
    },
}


def _opinion(picture):
    """The expert's line with another class for one picture, as the audit names the mutant."""
    labels = dict(enumerate([1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0]))
    assert f"my_answers = {labels}" == EXPERT
    labels[picture] = 1 - labels[picture]
    return f"`{EXPERT}` -> `my_answers = {labels}`"


# Mutants of the reference answers that are no other program.
EQUIVALENT = {
    "labels_of_the_game": {_opinion(picture): "another opinion: the point is for answering" for picture in range(16)},
    "majority": {
        "`np.add.at(votes, (item, label), 1)` -> `np.add.at(votes, (item, label), 2)`": (
            "twice as many votes for everybody have the same winner"
        ),
    },
    "majority_accuracy": {
        "`tie = binom.pmf(n // 2, n, p) if n % 2 == 0 else 0.0` -> `tie = binom.pmf(n / 2, n, p) if n % 2 == 0 else 0.0`": (
            "n is even there"
        ),
        "`tie = binom.pmf(n // 2, n, p) if n % 2 == 0 else 0.0` -> `tie = binom.pmf(n // 2, n, p) if n % -2 == 0 else 0.0`": (
            "an even number leaves nothing either way"
        ),
        "`return float(binom.sf(n // 2, n, p) + tie / 2)` -> `return float(binom.sf(n / 2, n, p) + tie / 2)`": (
            "more than n / 2 whole workers are more than n // 2"
        ),
    },
    "crowd_for_expert": {"`return None` -> `pass`": "a function without return gives None"},
    "outlines_to_answers": {
        "`n_pixels = masks[0].size` -> `n_pixels = masks[-1].size`": "all masks have the same size",
        "`n_pixels = masks[0].size` -> `n_pixels = masks[1].size`": "all masks have the same size",
    },
}
