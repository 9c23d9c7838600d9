"""What the layers of a trained network say about other pictures: read by hooks, judged by a linear classifier."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def outputs_of(net: nn.Module, names: Sequence[str], x: Tensor) -> dict[str, Tensor]:
    """Run a network and return what some of its layers put out, with their gradients if these are on.

    Parameters
    ----------
    net
        Left as it was, in its mode and without a hook.
    names
        As `net.get_submodule` knows them: "conv3", "features.0".
    x
        The input, (B, ...).

    Returns
    -------
    dict
        Name to tensor (B, ...), before what the network does to it outside of the layer, such as a ReLU.

    Raises
    ------
    CourseError
        The network has no layer of that name.
    """
    found: dict[str, Tensor] = {}

    def keep_as(name: str) -> "torch.utils.hooks.RemovableHandle":
        try:
            layer = net.get_submodule(name)
        except AttributeError:
            known = ", ".join(n for n, _ in net.named_modules() if n)
            raise CourseError(f"the network has no layer {name!r}; it has {known}") from None
        return layer.register_forward_hook(lambda _layer, _given, output: found.update({name: output}))

    hooks, was_training = [], net.training
    try:
        for name in names:
            hooks.append(keep_as(name))
        net.eval()(x)
    finally:  # a hook that stays would keep pictures in memory, and slow every later pass
        for hook in hooks:
            hook.remove()
        net.train(was_training)
    return {name: found[name] for name in names}


@torch.no_grad()
def read_layers(net: nn.Module, names: Sequence[str], images: Tensor, *, batch: int = 64) -> dict[str, Floats]:
    """Return what layers put out for pictures (N, C, H, W), flattened: name to (N, D) float64."""
    pieces = [outputs_of(net, names, images[i : i + batch]) for i in range(0, len(images), batch)]
    return {
        name: np.concatenate([piece[name].flatten(1).cpu().numpy() for piece in pieces]).astype(np.float64)
        for name in names
    }


def patient_folds(
    labels: NDArray[np.bool_], patients: Sequence[str] | NDArray[np.generic], *, n_folds: int = 5, seed: int = 0
) -> list[Fold]:
    """Split films into folds: nobody is in training and test at once, and each fold has its share of both classes.

    Parameters
    ----------
    labels
        (N,) bool.
    patients
        (N,) who is on the film.
    n_folds, seed
        How many, and of the shuffle.

    Returns
    -------
    list of (train, test)
        Indices of films.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415  (slow to import)

    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(labels)), labels, patients))


def scale_block(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Standardise the columns of both by those of `train`, and divide by the root of their number.

    Then a picture is about as far from the middle in a block of 200 columns as in one of 20 000: neither drowns the
    other where blocks are put side by side. Columns that do not vary in training become 0.
    """
    middle, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread > 1e-12 * np.maximum(np.abs(middle), 1), spread, np.inf)
    root = np.sqrt(train.shape[1])
    return (train - middle) / spread / root, (test - middle) / spread / root


def cross_validated_auc(
    blocks: Sequence[Floats], labels: NDArray[np.bool_], folds: Sequence[Fold], *, c: float = 1.0
) -> float:
    """Return the mean over folds of the AUC of a linear SVM on blocks of features, put side by side.

    Parameters
    ----------
    blocks
        (N, D) each; scaled within the fold by `scale_block`.
    labels
        (N,) bool.
    folds
        As `patient_folds` gives them.
    c
        How much a film on the wrong side costs.
    """
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    found = []
    for train, test in folds:
        pairs = [scale_block(block[train], block[test]) for block in blocks]
        known, asked = (np.concatenate(side, axis=1) for side in zip(*pairs, strict=True))
        # With few films and many columns the products of films are all that the SVM needs.
        svm = SVC(kernel="precomputed", C=c).fit(known @ known.T, labels[train])
        found.append(roc_auc_score(labels[test], svm.decision_function(asked @ known.T)))
    return float(np.mean(found))


class ProbedNet(nn.Module):
    """A network up to one of its layers, and linear scores of what that puts out: one differentiable function.

    Parameters
    ----------
    net
        Shared, not copied.
    layer
        Its name.
    heads
        Name of a score to its (weight (D,), bias), of the flattened output of the layer.
    """

    def __init__(self, net: nn.Module, layer: str, heads: Mapping[str, tuple[Floats, float]]) -> None:
        super().__init__()
        self.net, self.layer, self.scores = net, layer, tuple(heads)
        weight = np.stack([heads[name][0] for name in heads])
        self.to_scores = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.to_scores.weight.copy_(torch.as_tensor(weight))
            self.to_scores.bias.copy_(torch.tensor([heads[name][1] for name in heads]))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, C, H, W) to scores (B, K), above 0 for the class."""
        output = outputs_of(self.net, [self.layer], x)[self.layer]
        return self.to_scores(output.flatten(1))  # type: ignore[no-any-return]


def fit_head(features: Floats, labels: NDArray[np.bool_], *, c: float = 1.0) -> tuple[Floats, float]:
    """Fit a linear SVM to features (N, D) and return weight (D,) and bias for the features as they are, not scaled."""
    from sklearn.svm import SVC  # noqa: PLC0415

    scaled, _ = scale_block(features, features)
    svm = SVC(kernel="linear", C=c).fit(scaled, labels)
    middle, spread = features.mean(axis=0), features.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(np.abs(scaled).max(axis=0) > 0, svm.coef_[0] / spread / np.sqrt(features.shape[1]), 0.0)
    return weight, float(svm.intercept_[0] - weight @ middle)


class CountingNet(nn.Sequential):
    """A chain of layers that says how many hooks hang on it: for a look at whether somebody tidied up.

    Examples
    --------
    >>> net = CountingNet(nn.Linear(2, 3), nn.ReLU())
    >>> hook = net[0].register_forward_hook(lambda layer, given, output: None)
    >>> net.n_hooks
    1
    """

    @property
    def n_hooks(self) -> int:
        """Forward hooks on the chain and its layers."""
        return sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in self.modules())
