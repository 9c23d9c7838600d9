import numpy as np
import pytest
import torch
from torch import nn

from medcourse import sequences
from medcourse.errors import CourseError
from medcourse.training import fit


def test_each_signal_of_each_sequence_has_mean_0_and_deviation_1():
    rng = np.random.default_rng(0)
    got = sequences.standardise(rng.normal([3.0, -50.0], [0.1, 20.0], (400, 2)))
    assert got.mean(0) == pytest.approx([0, 0], abs=1e-6)
    assert got.std(0) == pytest.approx([1, 1], rel=1e-6)
    assert got.dtype == np.float32
    # Another set-up and another reach leave no trace.
    path = rng.normal(size=(50, 3))
    np.testing.assert_allclose(sequences.standardise(path), sequences.standardise(7 - 0 * path + 3 * path), atol=1e-5)


def test_batches_hold_whole_sequences_and_each_once_an_epoch():
    data = [np.full((n, 2), float(n)) for n in (3, 5, 4, 6)]
    labels = [np.full(n, n) for n in (3, 5, 4, 6)]
    batch = sequences.batches(data, labels, size=2, seed=0)
    seen = []
    for step in range(2):
        (x, lengths), target = batch(step)
        assert x.shape == (2, int(lengths.max()), 2)
        assert x.dtype == torch.float32
        for row, labelled, n in zip(x, target, lengths.tolist(), strict=True):
            assert (row[:n] == n).all()
            assert (row[n:] == 0).all()
            assert (labelled[:n] == n).all()
            assert (labelled[n:] == sequences.IGNORED).all()
            seen.append(n)
    assert sorted(seen) == [3, 4, 5, 6]
    again = sequences.batches(data, labels, size=2, seed=0)
    torch.testing.assert_close(again(0)[1], sequences.batches(data, labels, size=2, seed=0)(0)[1])


def test_padding_has_no_loss_and_every_frame_weighs_the_same():
    logits = torch.zeros(2, 3, 4)
    logits[1, 1:, 2] = 1e4  # nonsense in the padding
    target = torch.tensor([[0, 1, 2], [3, -1, -1]])
    assert sequences.frame_loss(logits, target).item() == pytest.approx(np.log(4))


class Echo(nn.Module):
    """Says the class that stands in the signal, and -- in the padding -- class 1."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x, lengths):
        assert lengths.tolist() == [2, 4]
        logits = nn.functional.one_hot(x[..., 0].long(), 3) * self.scale
        logits[0, lengths[0] :, 1] = 9.0
        return logits


def test_predictions_have_the_length_of_their_sequences():
    said = sequences.predict(Echo(), [np.array([[0.0], [2.0]]), np.array([[1.0], [1.0], [0.0], [2.0]])])
    assert [frames.tolist() for frames in said] == [[0, 2], [1, 1, 0, 2]]


def test_windows_repeat_the_ends():
    got = sequences.windows(np.array([[1.0, 10.0], [2.0, 20.0]]), [-2, 0, 1])
    np.testing.assert_array_equal(got, [[1, 10, 1, 10, 2, 20], [1, 10, 2, 20, 2, 20]])


def test_smoothing_removes_flicker_and_keeps_borders():
    labels = np.array([2] * 6 + [1] + [2] * 3 + [0] * 8)
    np.testing.assert_array_equal(sequences.smooth(labels, frames=5), [2] * 10 + [0] * 8)
    np.testing.assert_array_equal(sequences.smooth(labels, frames=1), labels)


def test_a_network_of_sequences_trains_with_clipped_gradients():
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 2)

        def forward(self, x, lengths):
            return self.layer(x)

    data = [np.array([[-1.0], [1.0], [1.0]]), np.array([[1.0], [-1.0]])]
    labels = [(signals[:, 0] > 0).astype(int) for signals in data]
    net = Net()
    fit(net, sequences.batches(data, labels, size=2), sequences.frame_loss, steps=60, lr=0.1, max_norm=1.0)
    assert [frames.tolist() for frames in sequences.predict(net, data)] == [y.tolist() for y in labels]


def test_bad_input_costs_one_clear_line():
    with pytest.raises(CourseError, match="at least one sequence"):
        sequences.pad([])
    with pytest.raises(CourseError, match="labels for each of 1 sequences"):
        sequences.batches([np.zeros((2, 1))], [])
    with pytest.raises(CourseError, match="odd"):
        sequences.smooth(np.zeros(4, int), frames=4)
