import tracemalloc

import numpy as np
import pytest

from medcourse.errors import CourseError
from medcourse.streams import interleave, shuffled_batches


def pieces(n, size):
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))[:, None]


@pytest.mark.parametrize(
    ("n", "size", "batch", "buffer_events"), [(1000, 37, 10, 100), (1000, 400, 7, 7), (5, 5, 3, 50)]
)
def test_every_event_comes_once_in_batches_of_the_size_asked_for(n, size, batch, buffer_events):
    batches = list(shuffled_batches(pieces(n, size), batch=batch, buffer_events=buffer_events))
    assert [len(b) for b in batches[:-1]] == [batch] * (len(batches) - 1)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)[:, 0]), np.arange(n))


def test_the_order_is_the_seeds():
    first, again, other = (
        np.concatenate(list(shuffled_batches(pieces(300, 50), batch=10, buffer_events=100, seed=s))) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.1


def test_a_buffer_for_all_is_a_full_shuffle_and_a_small_one_keeps_neighbours_near():
    n = 4000
    moved = {}
    for buffer_events in (20, 400, n):
        order = np.concatenate(list(shuffled_batches(pieces(n, 100), batch=20, buffer_events=buffer_events)))[:, 0]
        moved[buffer_events] = np.abs(order - np.arange(n)).mean()
    assert moved[20] < 20
    assert 100 < moved[400] < 600
    assert moved[n] == pytest.approx(n / 3, rel=0.05)  # of two independent uniform places


def test_batches_are_copies():
    batches = list(shuffled_batches(pieces(60, 60), batch=10, buffer_events=20))
    kept = batches[0].copy()
    batches[1][:] = -1
    np.testing.assert_array_equal(batches[0], kept)


def test_memory_is_bounded_by_the_buffer_and_not_by_the_stream():
    def peak(n):
        tracemalloc.start()
        total = sum(
            len(b) for b in shuffled_batches((np.zeros((1000, 10)) for _ in range(n)), batch=500, buffer_events=5000)
        )
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == 1000 * n
        return held

    assert peak(400) < 1.2 * peak(20) < 2e6


def test_nothing_in_gives_nothing_out():
    assert list(shuffled_batches([], batch=3, buffer_events=5)) == []
    assert list(shuffled_batches([np.zeros((0, 2))], batch=3, buffer_events=5)) == []


def test_wrong_input_is_refused():
    with pytest.raises(CourseError, match="batch 9, buffer_events 5"):
        shuffled_batches([], batch=9, buffer_events=5)
    with pytest.raises(CourseError, match="every piece"):
        list(shuffled_batches([np.zeros((2, 3)), np.zeros((2, 4))], batch=1, buffer_events=5))


def test_interleaving_takes_turns_and_loses_nothing():
    assert list(interleave([[1, 2, 3], [], [10], iter([20, 30])])) == [1, 10, 20, 2, 30, 3]
