import io
import sys

import numpy as np
import pytest
import torch
from torch import nn

from medcourse.testing import award, begin_lab, close, hidden_rng, inout, set_weights, value_and_grad


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (1, 1.0),
        (np.float32(0.5), 0.5),
        (torch.tensor(2.0), 2),
        (np.array([1, 2]), torch.tensor([1.0, 2.0])),
        (torch.zeros(2, 2, dtype=torch.bfloat16), np.zeros((2, 2))),
        ((1, 2), [1, 2]),
        ({"a": [1.0]}, {"a": [1]}),
        (None, None),
        (np.bool_(True), True),
        (np.str_("b"), "b"),
        ("x", "x"),
        (np.array([True, False]), np.array([1, 0])),
        (np.array([np.inf]), np.array([np.inf])),
        (np.array([1 + 2j]), np.array([1 + 2j])),
    ],
)
def test_the_same_in_another_dress_is_close(got, expected):
    close(got, expected)


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        (np.zeros(0), np.zeros(3), r"shape \(3,\), got \(0,\)"),
        (np.zeros((1, 3)), np.zeros(3), r"shape \(3,\), got \(1, 3\)"),
        (np.array([0.0, np.nan]), np.array([0.0, 1.0]), r"\[1\].*got nan"),
        (0.5, np.array([0.5]), "shape"),
        (None, 1.0, "a number, got None"),
        ("1", 1, "a number, got text"),
        (True, 1.0, "a number, got True or False"),
        (1, True, "True or False, got a number"),
        (None, "x", "text, got None"),
        ([1, 2], [1], "1 items, got 2"),
        ("ab", ["a", "b"], "a list, got text"),
        ({"a": 1}, {"b": 1}, r"keys \['b'\], got \['a'\]"),
        ({"a": {"b": 2}}, {"a": {"b": 1}}, r"\['a'\]\['b'\] should be 1, got 2"),
        (np.array(["a"]), np.array([1.0]), "an array of shape"),
        (object(), 1.0, "a number, got a object"),
        (np.array([0, 0.2, 0]), np.zeros(3), r"at 1 of 3 places, most at \[1\]: expected 0, got 0.2"),
    ],
)
def test_what_differs_is_said_in_one_line(got, expected, said):
    with pytest.raises(AssertionError, match=said) as raised:
        close(got, expected, "it", "why?")
    assert str(raised.value).endswith(": why?")
    assert "\n" not in str(raised.value)


def test_a_near_miss_is_told_with_the_digits_that_differ():
    with pytest.raises(AssertionError, match="should be 1000000, got 1000001"):
        close(1_000_001, 1_000_000, rtol=0, atol=0)


class Liar:
    """Equal to anything, of any shape."""

    shape, dtype, ndim = (), np.dtype(float), 0

    def __eq__(self, other):
        return True

    __hash__ = None

    def __array__(self, *_args, **_kwargs):
        return np.array(1.0)

    def __float__(self):
        return 1.0


def test_an_object_that_claims_to_be_equal_is_not_close():
    for expected in (1.0, "x", None, True, [1], {"a": 1}):
        with pytest.raises(AssertionError):
            close(Liar(), expected)


def test_a_test_that_expects_nothing_is_the_authors_mistake():
    with pytest.raises(ValueError, match="at least one"):
        close(np.zeros(0), np.zeros(0))


def test_gradient_and_its_absence():
    value, gradient = value_and_grad(
        lambda a, b: (a * b).sum(), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), wrt=1
    )
    assert value == 11
    assert gradient.tolist() == [1, 2]
    assert not value.requires_grad
    x, weight = torch.ones(2), torch.ones(2, requires_grad=True)
    with pytest.raises(AssertionError, match="no gradient"):
        value_and_grad(lambda a: a.detach().sum(), x)
    with pytest.raises(AssertionError, match="one number"):
        value_and_grad(lambda a: a * 2, x)
    with pytest.raises(AssertionError, match="one number, got a number"):
        value_and_grad(lambda a: 3.0, x)
    with pytest.raises(AssertionError, match="does not depend"):
        value_and_grad(lambda a: weight.sum(), x)


def test_what_a_function_does_to_its_arguments_is_seen_and_stays_with_copies():
    original = {"x": [np.zeros(2)]}

    def spoil(data):
        data["x"][0] += 1
        return "done"

    result, (after,) = inout(spoil, original)
    assert result == "done"
    assert after["x"][0].tolist() == [1, 1]
    assert original["x"][0].tolist() == [0, 0]


def test_filled_weights_make_the_order_of_layers_irrelevant():
    first = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 1))

    class Second(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Conv2d(3, 2, 1), nn.Conv2d(1, 3, 3)

        def forward(self, x):
            return self.last(self.first(x).relu())

    image = torch.randn(1, 1, 5, 5)
    second = Second()
    for net in (first, second):
        set_weights(net, bias=-0.1)
    assert first(image).allclose(second(image))


def test_hidden_inputs_follow_the_class_seed(monkeypatch):
    monkeypatch.delenv("MEDCOURSE_SECRET_SEED", raising=False)
    plain = hidden_rng("a").random()
    assert plain == hidden_rng("a").random()
    assert plain != hidden_rng("b").random()
    monkeypatch.setenv("MEDCOURSE_SECRET_SEED", "5")
    assert plain != hidden_rng("a").random()


def test_awarded_points_read_as_a_number():
    assert repr(award(1.5)) == "1.5"
    for points in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="at least 0"):
            award(points)


def test_scores_of_cases_go_with_an_award_and_are_numbers():
    earned = award(1.5, case_scores={"Dice": np.array([0.5, 1.0]), "error": [2, 3]}, hidden_set="a")
    assert repr(earned) == "1.5"
    assert earned.case_scores == {"Dice": [0.5, 1.0], "error": [2.0, 3.0]}
    assert earned.hidden_set == "a"
    assert award(1.0).case_scores == {}
    for wrong in ({"Dice": [float("nan")]}, {"Dice": []}, {"Dice": [1.0], "error": [1.0, 2.0]}):
        with pytest.raises(ValueError, match="expected"):
            award(1.0, case_scores=wrong)


def test_a_lab_begins_with_the_same_random_numbers_and_sends_warnings_to_standard_output(monkeypatch):
    class KernelStream(io.StringIO):
        pub_thread = None

    monkeypatch.setattr(sys, "stdout", KernelStream())
    monkeypatch.setattr(sys, "stderr", KernelStream())
    begin_lab(seed=3)
    first = torch.rand(2).tolist(), np.random.random()  # noqa: NPY002
    print("seen", file=sys.stderr)
    assert sys.stderr is sys.stdout
    assert sys.stdout.getvalue() == "seen\n"
    begin_lab(seed=3)
    assert first == (torch.rand(2).tolist(), np.random.random())  # noqa: NPY002
