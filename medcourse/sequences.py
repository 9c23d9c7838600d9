"""From sequences of different lengths to batches of one, and back: padding, windows, smoothing, scale."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from torch import Tensor, nn

from medcourse.errors import CourseError

IGNORED = -1  # label of padding: no loss, no score


def standardise(sequence: NDArray[np.floating]) -> NDArray[np.float32]:
    """Shift and scale each signal of a sequence (T, F) to mean 0 and standard deviation 1 over its own frames.

    Where the robot stood and how far a surgeon reaches goes out with it. A signal that never changes becomes 0.

    Examples
    --------
    >>> standardise(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    sequence = np.asarray(sequence, dtype=np.float64)
    spread = sequence.std(axis=0)
    return np.asarray((sequence - sequence.mean(axis=0)) / np.where(spread > 0, spread, 1.0), dtype=np.float32)


def pad(sequences: Sequence[NDArray[np.generic]], value: float = 0.0) -> tuple[Tensor, Tensor]:
    """Put sequences (T_i, ...) into one batch (B, max T_i, ...), filled up behind, and return it with lengths (B,).

    Examples
    --------
    >>> pad([np.array([1, 2, 3]), np.array([4])], value=-1)
    (tensor([[ 1,  2,  3],
            [ 4, -1, -1]]), tensor([3, 1]))
    """
    if not len(sequences):
        raise CourseError("a batch needs at least one sequence, got none")
    tensors = [torch.as_tensor(sequence) for sequence in sequences]
    batch = nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)
    return batch, torch.tensor([len(sequence) for sequence in sequences])


def batches(
    sequences: Sequence[NDArray[np.floating]],
    labels: Sequence[NDArray[np.integer]],
    *,
    size: int = 5,
    seed: int = 0,
) -> Callable[[int], tuple[tuple[Tensor, Tensor], Tensor]]:
    """Return what `training.fit` takes for `batch`: whole sequences, each once an epoch, in random order.

    Parameters
    ----------
    sequences, labels
        (T_i, F) and (T_i,).
    size
        Sequences a batch. The paper has 5.
    seed
        Of the order.

    Returns
    -------
    callable
        From the step's number to ((x (B, T, F) float32, lengths (B,)), target (B, T)), with target -1 in the padding.
    """
    if len(sequences) != len(labels) or not len(sequences):
        raise CourseError(f"expected labels for each of {len(sequences)} sequences, at least one, got {len(labels)}")
    rng = np.random.default_rng(seed)
    queue: list[int] = []

    def batch(_step: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        while len(queue) < size:
            queue.extend(rng.permutation(len(sequences)).tolist())
        chosen = [queue.pop(0) for _ in range(size)]
        x, lengths = pad([np.asarray(sequences[i], np.float32) for i in chosen])
        return (x, lengths), pad([np.asarray(labels[i], np.int64) for i in chosen], IGNORED)[0]

    return batch


def frame_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy over frames.

    Logits are (B, T, K), the target (B, T) with -1 in the padding, which is left out.
    """
    return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED)


@torch.no_grad()
def predict(net: nn.Module, sequences: Sequence[NDArray[np.floating]]) -> list[NDArray[np.int64]]:
    """Return the most probable class of each frame, (T_i,) for each sequence (T_i, F); the network is evaluated."""
    device = next(net.parameters()).device
    x, lengths = pad([np.asarray(sequence, np.float32) for sequence in sequences])
    best = net.eval()(x.to(device), lengths.to(device)).argmax(dim=2).cpu().numpy()
    return [frames[:n] for frames, n in zip(best, lengths.tolist(), strict=True)]


def windows(sequence: NDArray[np.floating], offsets: Sequence[int]) -> NDArray[np.float64]:
    """Return, for each frame of a sequence (T, F), the frames at these offsets from it: (T, F * len(offsets)).

    Before the first frame stands the first, after the last the last.

    Examples
    --------
    >>> windows(np.array([[1.0], [2.0], [3.0]]), [-1, 0, 1]).tolist()
    [[1.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 3.0]]
    """
    places = np.arange(len(sequence))[:, None] + np.asarray(offsets, int)
    frames: NDArray[np.float64] = np.asarray(sequence, np.float64)[places.clip(0, len(sequence) - 1)]  # (T, n, F)
    return frames.reshape(len(sequence), -1)


def smooth(labels: NDArray[np.integer], *, frames: int) -> NDArray[np.int64]:
    """Return the most frequent label among the `frames` (odd) around each frame of (T,); of a tie, the lower one.

    The simplest cure for flicker.

    Examples
    --------
    >>> smooth(np.array([0, 0, 3, 0, 3, 3, 3]), frames=3).tolist()
    [0, 0, 0, 3, 3, 3, 3]
    """
    if frames < 1 or frames % 2 == 0:
        raise CourseError(f"frames must be odd and at least 1, got {frames}")
    votes = np.eye(int(np.max(labels)) + 1)[np.asarray(labels)]  # (T, K)
    # The filter adds and subtracts along the line: rounded, so that ties are ties.
    share = uniform_filter1d(votes, frames, axis=0, mode="constant").round(9)
    return np.asarray(share.argmax(axis=1), dtype=np.int64)
