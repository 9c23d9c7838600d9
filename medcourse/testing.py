"""What the tests of labs may call.

A graded cell runs in the student's kernel, in plain nbgrader and in the course's grader, where the student's functions
live in another process. So a test hands plain data over, takes plain data back, and gets gradients, changes in place
and partial credit through the functions below.
"""

import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medcourse.remote import Remote, helper_of

SEED_VARIABLE = "MEDCOURSE_SECRET_SEED"


def begin_lab(seed: int = 0) -> None:
    """Make a notebook start from the same random state each time, and let honest warnings cost nothing.

    nbgrader takes anything on standard error for a failed test; so what would go there goes to standard output.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (a student may use the old interface)
    torch.manual_seed(seed)
    if hasattr(sys.stderr, "pub_thread"):  # only in a notebook's kernel
        sys.stderr = sys.stdout


def hidden_rng(name: str) -> np.random.Generator:
    """Return the random numbers of one hidden test: the same for a whole class, unknown to it.

    Parameters
    ----------
    name
        The test's own, so that two tests do not share their inputs.

    Notes
    -----
    The instructor sets the class's seed in the environment variable `MEDCOURSE_SECRET_SEED`; without it the seed is 0.
    """
    seed = int(os.environ.get(SEED_VARIABLE, "0"))
    return np.random.default_rng([seed, *name.encode()])


def close(
    got: Any, expected: Any, of: str = "the result", hint: str = "", *, rtol: float = 1e-4, atol: float = 1e-6
) -> None:
    """Fail unless `got` is of the kind, the shape and the values of `expected`.

    Numbers, arrays and tensors are compared by value whatever their precision and device; a sequence item by item; a
    mapping key by key. An empty array is close to nothing, for a test that compares nothing proves nothing.

    Parameters
    ----------
    got, expected
        Numbers, strings, arrays, tensors, or lists, tuples and mappings of them.
    of
        What was computed, from what: "the weight map of two cells".
    hint
        The likely slip, as a question.
    rtol, atol
        Numbers may differ by atol + rtol * |expected|.

    Raises
    ------
    AssertionError
        In one line: what, expected, got, hint.
    ValueError
        The test itself expects an empty array.

    Examples
    --------
    >>> close(0.5, 0.5000001)
    >>> close([], [0.5], "the Dice of no masks")
    Traceback (most recent call last):
    AssertionError: the Dice of no masks should hold 1 items, got 0
    >>> close(torch.zeros(2), np.zeros(3))
    Traceback (most recent call last):
    AssertionError: the result should have shape (3,), got (2,)
    """
    hint = f": {hint}" if hint else ""
    if isinstance(expected, str | bytes | bool | None):
        # An item of an array of truths or of texts is as good as Python's own.
        alike = {bool: np.bool_, str: np.str_}.get(type(expected))
        if type(got) is not type(expected) and not (alike and isinstance(got, alike)):
            raise AssertionError(f"{of} should be {_kind(expected)}, got {_kind(got)}{hint}")
        if got != expected:
            raise AssertionError(f"{of} should be {expected!r}, got {got!r}{hint}")
    elif isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            keys = sorted(map(str, got)) if isinstance(got, Mapping) else _kind(got)
            raise AssertionError(f"{of} should be a mapping with keys {sorted(map(str, expected))}, got {keys}{hint}")
        for key in expected:
            close(got[key], expected[key], f"{of}[{key!r}]", hint[2:], rtol=rtol, atol=atol)
    elif isinstance(expected, list | tuple):
        if not isinstance(got, Sequence) or isinstance(got, str):
            raise AssertionError(f"{of} should be a {type(expected).__name__}, got {_kind(got)}{hint}")
        if len(got) != len(expected):
            raise AssertionError(f"{of} should hold {len(expected)} items, got {len(got)}{hint}")
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            close(g, e, f"{of}[{i}]", hint[2:], rtol=rtol, atol=atol)
    else:
        _close_arrays(got, expected, rtol=rtol, atol=atol, hint=hint, of=of)


def _close_arrays(got: Any, expected: Any, *, rtol: float, atol: float, hint: str, of: str) -> None:
    want = _array(expected)
    if want is None or want.size == 0:
        raise ValueError(f"a test must expect numbers, and at least one, got {_kind(expected)}")
    have = _array(got)
    if have is None:
        raise AssertionError(f"{of} should be {_kind(expected)}, got {_kind(got)}{hint}")
    if have.shape != want.shape:
        raise AssertionError(f"{of} should have shape {want.shape}, got {have.shape}{hint}")
    wrong = ~np.isclose(have, want, rtol=rtol, atol=atol)
    if not wrong.any():
        return
    if want.ndim == 0:
        expected_one, got_one = _told_apart(float(want), float(have))
        raise AssertionError(f"{of} should be {expected_one}, got {got_one}{hint}")
    difference = np.where(wrong, np.nan_to_num(np.abs(have - want), nan=np.inf), -1.0)
    worst = np.unravel_index(int(difference.argmax()), want.shape)
    place = ", ".join(str(int(i)) for i in worst)
    expected_one, got_one = _told_apart(float(want[worst]), float(have[worst]))
    raise AssertionError(
        f"{of} differs at {int(wrong.sum())} of {want.size} places, most at [{place}]: "
        f"expected {expected_one}, got {got_one}{hint}"
    )


def _told_apart(want: float, have: float) -> tuple[str, str]:
    """Return both numbers with five digits, or with as many as it takes to see that they differ."""
    for digits in (5, 9, 17):
        texts = f"{want:.{digits}g}", f"{have:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _array(value: Any) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Return numbers as a float64 array (complex as two), None for what is no number or array of numbers."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
    if isinstance(value, bool) or not isinstance(value, int | float | np.ndarray | np.number | np.bool_):
        return None
    array = np.asarray(value)
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag]).astype(np.float64)
    return array.astype(np.float64) if array.dtype.kind in "buif" else None


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, Remote):
        return repr(value)
    if isinstance(value, np.ndarray | Tensor) and value.ndim:
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, bool | np.bool_):
        return "True or False"
    if isinstance(value, int | float | np.number | np.ndarray | Tensor):
        return "a number"
    return {str: "text"}.get(type(value), f"a {type(value).__name__}")


def value_and_grad(function: Callable[..., Any], *args: Any, wrt: int = 0) -> tuple[Tensor, Tensor]:
    """Return function(*args) and its gradient with respect to argument number `wrt`, both detached.

    Raises
    ------
    AssertionError
        The result is no scalar tensor, or does not depend on the argument by operations of torch.

    Examples
    --------
    >>> value_and_grad(lambda x: (x**2).sum(), torch.tensor([1.0, 3.0]))
    (tensor(10.), tensor([2., 6.]))
    """
    if there := helper_of(function, "value_and_grad"):
        return there(*args, wrt=wrt)  # type: ignore[no-any-return]
    inputs = [
        arg.detach().clone().requires_grad_(i == wrt) if isinstance(arg, Tensor) else arg for i, arg in enumerate(args)
    ]
    value = function(*inputs)
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise AssertionError(f"expected a tensor with one number, got {_kind(value)}: is the mean or sum missing?")
    if not value.requires_grad:
        raise AssertionError("no gradient comes back: was the result detached, or computed by numpy or .item()?")
    (gradient,) = torch.autograd.grad(value.sum(), inputs[wrt], allow_unused=True)
    if gradient is None:
        raise AssertionError(f"the result does not depend on argument {wrt}")
    return value.detach(), gradient


def inout(function: Callable[..., Any], *args: Any) -> tuple[Any, tuple[Any, ...]]:
    """Call `function` on copies of `args`; return its result and the arguments as it left them.

    Examples
    --------
    >>> inout(lambda items: items.append(3), [1])
    (None, ([1, 3],))
    """
    if there := helper_of(function, "inout"):
        return there(*args)  # type: ignore[no-any-return]
    copies = tuple(_copy(arg) for arg in args)
    return function(*copies), copies


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return type(value)({key: _copy(item) for key, item in value.items()})  # type: ignore[call-arg]
    if isinstance(value, list | tuple):
        return type(value)(_copy(item) for item in value)
    return value


@torch.no_grad()
def set_weights(net: nn.Module, *, scale: float = 1.0, bias: float = 0.1) -> None:
    """Fill each weight tensor with scale / fan-in and each bias with `bias`.

    All channels of a layer then compute the same, so that two networks of the same structure give the same output
    whatever the order in which they register layers or concatenate channels, and a network of another structure does
    not.

    Examples
    --------
    >>> net = nn.Linear(4, 1)
    >>> set_weights(net)
    >>> net(torch.ones(1, 4)).item()
    1.100000023841858
    """
    if there := helper_of(net, "set_weights"):
        there(scale=scale, bias=bias)
        return
    for parameter in net.parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 0
        parameter.fill_(scale / fan_in if fan_in else bias)


class Award(float):
    """Points earned of those of a test cell; nbgrader reads it as partial credit from the cell's last line.

    Attributes
    ----------
    case_scores, hidden_set
        As given to `award`.
    """

    case_scores: dict[str, list[float]]
    hidden_set: str

    def __repr__(self) -> str:
        return repr(float(self))


def award(points: float, *, case_scores: Mapping[str, Sequence[float]] | None = None, hidden_set: str = "") -> Award:
    """Give some of a cell's points; the last expression of a test cell that gives partial credit.

    Parameters
    ----------
    points
        At least 0.
    case_scores
        For a leaderboard: what each hidden case was scored, by the measure's name. All have the same cases in the same
        order; the first is ranked by, and a higher one is better. Instructors alone see them.
    hidden_set
        A name of the cases: submissions are compared where it is the same.

    Raises
    ------
    ValueError
        Points below 0, scores that are no finite numbers, or not as many for each measure.

    Examples
    --------
    >>> award(1.5)
    1.5
    >>> award(1.5, case_scores={"Dice": [0.5, 1.0]}).case_scores
    {'Dice': [0.5, 1.0]}
    """
    if not (points >= 0 and np.isfinite(points)):
        raise ValueError(f"points must be at least 0, got {points}")
    earned = Award(points)
    earned.case_scores = {str(name): [float(x) for x in scores] for name, scores in (case_scores or {}).items()}
    earned.hidden_set = hidden_set
    lengths = {len(scores) for scores in earned.case_scores.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"expected as many scores for each measure, and at least one, got {sorted(lengths)}")
    if not all(np.isfinite(scores).all() for scores in earned.case_scores.values()):
        raise ValueError("expected finite scores: what does a case without a truth get?")
    return earned
