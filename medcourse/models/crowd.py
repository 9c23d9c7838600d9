"""A network that learns from a crowd: AggNet, which weighs the workers' answers with the network's own opinion.

S. Albarqouni et al. AggNet: Deep Learning From Crowds for Mitosis Detection in Breast Cancer Histology Images. IEEE
Transactions on Medical Imaging 35(5):1313-1321, 2016. https://doi.org/10.1109/TMI.2016.2528120
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from medcourse.crowds import EPSILON, Answers
from medcourse.errors import CourseError

Posterior = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
NO_ANSWER = -1


def votes_matrix(answers: Answers) -> Tensor:
    """Return what each worker said about each item, (I, W) int64: 0, 1, or -1 where he was not asked.

    Raises
    ------
    CourseError
        There are more than two classes, or a worker answered an item twice.

    Examples
    --------
    >>> from medcourse.crowds import collect_answers
    >>> votes_matrix(collect_answers([0, 1], [0, 1], [1, 0])).tolist()
    [[1, -1], [-1, 0]]
    """
    if answers.n_classes != 2:
        raise CourseError(f"AggNet's layer is made for 2 classes, got {answers.n_classes}")
    cells = answers.item * answers.n_workers + answers.worker
    if len(np.unique(cells)) < len(cells):
        raise CourseError("expected one answer a worker and item, got some twice: keep the first of each")
    votes = torch.full((answers.n_items, answers.n_workers), NO_ANSWER)
    votes[torch.as_tensor(answers.item), torch.as_tensor(answers.worker)] = torch.as_tensor(answers.label)
    return votes


def posterior_of_votes(votes: Tensor, sensitivity: Tensor, specificity: Tensor, prior: Tensor) -> Tensor:
    r"""Return the probability of class 1 for each item, (I,): AggNet's E-step.

    .. math:: \mu = \frac{a \pi}{a \pi + b (1 - \pi)}, \quad
        a = \prod_w \alpha_w^{y_w} (1 - \alpha_w)^{1 - y_w}, \quad b = \prod_w \beta_w^{1 - y_w} (1 - \beta_w)^{y_w}

    Parameters
    ----------
    votes
        (I, W), 0 or 1, and -1 where a worker was not asked: he is left out of the product.
    sensitivity, specificity
        (W,) alpha and beta.
    prior
        (I,) pi, what the network says.

    Examples
    --------
    >>> one = torch.tensor
    >>> posterior_of_votes(one([[1, -1]]), one([0.8, 0.9]), one([0.6, 0.9]), one([0.5]))  # 0.8 against 1 - 0.6
    tensor([0.6667])
    """
    asked, yes = votes != NO_ANSWER, votes == 1
    alpha, beta = (x.clamp(EPSILON, 1 - EPSILON).to(torch.float64) for x in (sensitivity, specificity))
    pi = prior.to(torch.float64).clamp(EPSILON, 1 - EPSILON)
    gains = torch.where(yes, alpha.log() - (1 - beta).log(), (1 - alpha).log() - beta.log())  # (I, W)
    return (pi.logit() + (gains * asked).sum(1)).sigmoid().to(prior.dtype)


class AggregationLayer(nn.Module):
    """Holds each worker's sensitivity and specificity, and turns votes and a network's opinion into posteriors.

    Parameters
    ----------
    n_workers
        W.
    smoothing
        Imaginary answers, right and wrong ones of each class, that every worker starts with.
    posterior
        The E-step: maps votes (I, W), sensitivity (W,), specificity (W,), prior (I,) to (I,).

    Examples
    --------
    >>> layer = AggregationLayer(2)
    >>> votes = torch.tensor([[1, 1], [0, 0], [1, 0]])
    >>> layer.update(torch.tensor([1.0, 0.0, 1.0]), votes)
    >>> layer.sensitivity  # worker 0 found both, worker 1 one of two
    tensor([0.7500, 0.5000])
    """

    sensitivity: Tensor
    specificity: Tensor

    def __init__(self, n_workers: int, *, smoothing: float = 1.0, posterior: Posterior = posterior_of_votes) -> None:
        super().__init__()
        self.smoothing, self.posterior = smoothing, posterior
        for name in ("sensitivity", "specificity"):
            self.register_buffer(name, torch.full((n_workers,), 0.5))

    def forward(self, prior: Tensor, votes: Tensor) -> Tensor:
        """Map the network's probabilities (I,) and votes (I, W) to the posterior probabilities of class 1, (I,)."""
        return self.posterior(votes, self.sensitivity, self.specificity, prior)

    @torch.no_grad()
    def update(self, mu: Tensor, votes: Tensor) -> None:
        """Estimate every worker anew, from posteriors (I,) and votes (I, W): the M-step."""
        for buffer, belief, says in ((self.sensitivity, mu, 1), (self.specificity, 1 - mu, 0)):
            right = (belief[:, None] * (votes == says)).sum(0)
            of = (belief[:, None] * (votes != NO_ANSWER)).sum(0)
            buffer.copy_((right + self.smoothing) / (of + 2 * self.smoothing).clamp(min=EPSILON))


class AggNet(nn.Module):
    """A network for pictures with an aggregation layer on top.

    Training takes turns: the network learns the posteriors as soft targets, then `aggregate` renews them.

    Parameters
    ----------
    net
        Maps (B, C, H, W) to one raw logit each, (B, 1).
    n_workers, smoothing, posterior
        As in `AggregationLayer`.

    Examples
    --------
    >>> from medcourse.models.plain import PlainCNN
    >>> net = AggNet(PlainCNN(2, 3, 1, width=4), n_workers=2)
    >>> votes = torch.tensor([[1, 1], [0, -1]])
    >>> net.aggregate(torch.rand(2, 3, 16, 16), votes, torch.tensor([0.9, 0.2])).shape
    torch.Size([2])
    """

    def __init__(
        self, net: nn.Module, n_workers: int, *, smoothing: float = 1.0, posterior: Posterior = posterior_of_votes
    ) -> None:
        super().__init__()
        self.net = net
        self.layer = AggregationLayer(n_workers, smoothing=smoothing, posterior=posterior)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, C, H, W) to raw logits of class 1, (B,)."""
        logits: Tensor = self.net(x)
        return logits.squeeze(1)

    @torch.no_grad()
    def predict(self, images: Tensor, *, batch: int = 256) -> Tensor:
        """Return the probability of class 1 of each picture, (N,), on the processor; what a patient's picture gets."""
        self.eval()
        device = next(self.parameters()).device
        return torch.cat([self(part.to(device)).sigmoid().cpu() for part in torch.split(images, batch)])

    @torch.no_grad()
    def aggregate(self, images: Tensor, votes: Tensor, mu: Tensor) -> Tensor:
        """Renew the workers from the posteriors `mu` (N,), and return new posteriors, on the processor."""
        self.layer.cpu().update(mu, votes)
        posterior: Tensor = self.layer(self.predict(images), votes)
        return posterior


class SoftBatches:
    """Random batches of pictures with soft targets, turned and mirrored, for `medcourse.training.fit`.

    Parameters
    ----------
    images
        (N, C, H, H).
    targets
        (N,) in [0, 1].
    size
        Pictures in a batch.
    seed
        Same seed, same batches.

    Examples
    --------
    >>> batches = SoftBatches(torch.rand(9, 3, 8, 8), torch.rand(9), size=4)
    >>> [tuple(part.shape) for part in batches(0)]
    [(4, 3, 8, 8), (4,)]
    """

    def __init__(self, images: Tensor, targets: Tensor, *, size: int = 64, seed: int = 0) -> None:
        if len(images) != len(targets):
            raise CourseError(f"expected a target for each of {len(images)} pictures, got {len(targets)}")
        self.images, self.targets, self.size = images, targets, size
        self.chance = torch.Generator().manual_seed(seed)

    def __call__(self, _step: int) -> tuple[Tensor, Tensor]:
        """Return pictures (B, C, H, H) and targets (B,)."""
        chosen = torch.randint(len(self.images), (self.size,), generator=self.chance)
        turns, mirrored = torch.randint(4, (2,), generator=self.chance).tolist()
        x = self.images[chosen].rot90(turns, (2, 3))
        return (x.flip(3) if mirrored % 2 else x), self.targets[chosen]


def soft_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy of logits (B,) and soft targets (B,).

    Examples
    --------
    >>> round(soft_loss(torch.zeros(2), torch.tensor([0.3, 1.0])).item(), 4)  # log 2
    0.6931
    """
    return functional.binary_cross_entropy_with_logits(logits, target)


def as_input(images: NDArray[np.uint8]) -> Tensor:
    """Turn pictures (N, H, W, 3) uint8 into (N, 3, H, W) float32 about 0: 255 becomes 1, 0 becomes -1.

    Examples
    --------
    >>> as_input(np.full((1, 2, 2, 3), 255, np.uint8)).shape
    torch.Size([1, 3, 2, 2])
    """
    return torch.as_tensor(np.asarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
