"""The judge and the stand-ins for a student's code: tests get there what they get in the student's own kernel."""

import base64
import time

import pytest

from medcourse.errors import CourseError
from medcourse.grading import plain
from medcourse.grading.plan import Limits
from medcourse.grading.sandbox.engine import Engine
from tests.sandboxed import PRELOAD, lab, messages, pictures_of, scores, text_of

LIMITS = Limits(cell_seconds=30, total_seconds=120)


@pytest.fixture(scope="module")
def engine():
    with Engine(preload=PRELOAD) as engine:
        yield engine


def run(engine, text, *, limits=LIMITS, seed=1, **options):
    return engine.run(lab(text, **options), limits=limits, seed=seed)


def both(engine, text, tmp_path):
    """Run a lab beside its tests and in one process; return the verdicts of both, which should not differ."""
    there = run(engine, text)
    here = plain.run_cells(lab(text), folder=tmp_path, limits=LIMITS, seed=1)
    assert scores(there) == scores(here)
    return there


# Whose names are whose.


def test_what_a_student_calls_like_the_lab_does_not_matter(engine):
    got = run(
        engine,
        """
# answer f
np = close = testing = torch = award = None
class np:
    float64 = staticmethod(lambda x: 7.0)
def f(x):
    return x + 1
# test f_adds
close(f(np.float64(1)), 2.0)
testing.hidden_rng("x")
""",
    )
    assert scores(got) == {"f_adds": 1.0}


def test_names_of_one_test_are_unknown_to_the_next(engine):
    got = run(
        engine,
        """
# answer f
def f(): return 1
# test f_one
secret = f()
# test f_two
close(secret, 1)
""",
    )
    assert messages(got) == {"f_one": "", "f_two": "`secret` is not defined: is it spelt as in the task?"}


def test_what_a_test_changes_of_the_labs_objects_is_its_own(engine):
    got = run(
        engine,
        """
# locked helper
limit = 3
def helper(x): return x * limit
# answer f
def f(x): return helper(x)
limit = 100
# test f_one
limit = 50
close(helper(2), 6)
# test f_two
close(limit, 3)
""",
    )
    assert scores(got)["f_two"] == 1.0


# What a student may have written.


def test_plain_values(engine, tmp_path):
    got = both(
        engine,
        """
# answer a
a = 3
a_text, a_list, a_array = "x", [1, (2.5, None)], np.arange(6).reshape(2, 3)
a_mapping = {"k": torch.ones(2), "flag": np.bool_(True)}
# test a_values
close(a, 3); close(a_text, "x"); close(a_list, [1, (2.5, None)]); close(a_array, np.arange(6).reshape(2, 3))
close(a_mapping, {"k": np.ones(2), "flag": True})
# test a_wrong
close(a, 4, "the answer")
""",
        tmp_path,
    )
    assert messages(got) == {"a_values": "", "a_wrong": "the answer should be 4, got 3"}


def test_functions_classes_and_their_objects(engine, tmp_path):
    got = both(
        engine,
        """
# answer net
class Net(nn.Module):
    classes = 2
    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Linear(3, width)
        self.names = ["a", "b"]
        self.spacing_mm = 0.5
    def forward(self, x):
        return self.layer(x)
    def describe(self, *, unit="mm"):
        return f"{self.spacing_mm} {unit}"
class Scans:
    def __init__(self, n): self.n = n
    def __len__(self): return self.n
    def __getitem__(self, i):
        if i >= self.n: raise IndexError(i)
        return np.full(2, i)
# test net_is_built
net = Net(width=5)
close(tuple(net(torch.zeros(2, 3)).shape), (2, 5))
close(net.spacing_mm, 0.5); close(net.names, ["a", "b"]); close(Net.classes, 2); close(net.describe(unit="cm"), "0.5 cm")
close(net.layer(torch.zeros(1, 3)).shape[1], 5)
# test net_has_weights
net = Net()
close(sum(p.numel() for p in net.parameters()), 16)
close(len(list(net.parameters())), 2)
close(sorted(net.state_dict()), ["layer.bias", "layer.weight"])
close(net.state_dict()["layer.weight"].shape[0], 4)
net.load_state_dict({"layer.weight": torch.ones(4, 3), "layer.bias": torch.zeros(4)})
close(net(torch.ones(1, 3)), np.full((1, 4), 3.0))
net.eval()
close(net.training, False)
# test net_objects_are_walked_through
scans = Scans(3)
close(len(scans), 3); close(scans[1], [1.0, 1.0][:0] or np.full(2, 1)); close(list(scans)[2], np.full(2, 2))
close([float(x[0]) for x in scans], [0.0, 1.0, 2.0])
""",
        tmp_path,
    )
    assert set(messages(got).values()) == {""}


def test_generators_are_asked_for_one_item_after_another(engine, tmp_path):
    got = both(
        engine,
        """
# answer g
def g(n=None):
    i = 0
    while n is None or i < n:
        yield i, np.full(2, i)
        i += 1
# test g_ends
close([i for i, _ in g(3)], [0, 1, 2])
# test g_does_not_end
items = iter(g())
close([next(items)[0], next(items)[0]], [0, 1])
for i, array in g():
    if i == 3: break
close(array, np.full(2, 3))
""",
        tmp_path,
    )
    assert set(messages(got).values()) == {""}


def test_functions_of_tests_are_called_back(engine, tmp_path):
    got = both(
        engine,
        """
# answer f
def f(predict, xs, **options):
    return [predict(x, **options) for x in xs]
def swallow(predict):
    try:
        return predict(1)
    except Exception:
        return 5
def twice(outer, predict):
    return outer(lambda x: predict(x) + 1)
# test f_results
seen = []
def predict(x, scale=1):
    seen.append(float(np.sum(x)))
    return x * scale
close(f(predict, [1, np.ones(2)], scale=3), [3, np.full(2, 3.0)])
close(seen, [1.0, 2.0])
# test f_assertion
def predict(x):
    assert tuple(x.shape) == (1, 2), f"predict takes (1, 2), got {tuple(x.shape)}"
    return x
f(predict, [np.ones((3, 4))])
# test f_nested
close(twice(lambda inner: inner(10), lambda x: x * 2), 21)
# test f_swallowed
def predict(x):
    raise ValueError("inside")
close(swallow(predict), 5)
""",
        tmp_path,
    )
    assert messages(got) == {
        "f_results": "",
        "f_assertion": "predict takes (1, 2), got (3, 4)",
        "f_nested": "",
        "f_swallowed": "",
    }


def test_what_was_not_answered_is_said_so(engine, tmp_path):
    got = both(
        engine,
        """
# answer f
def f():
    raise NotImplementedError()
# answer k
raise NotImplementedError("later")
k = 3
# test f_x
close(f(), 1)
# test k_x
close(k, 3)
""",
        tmp_path,
    )
    assert messages(got) == {"f_x": "not answered yet", "k_x": "not answered yet"}
    assert {exercise.error for exercise in got.exercises} == {"NotImplementedError"}


def test_a_test_may_expect_a_students_exception_by_its_class(engine, tmp_path):
    got = both(
        engine,
        """
# answer f
class TooFew(ValueError): pass
def f(x):
    if x < 0: raise TooFew("below 0")
    if x == 0: raise KeyError("zero")
    return 10 / (x - 1)
# test f_expected
try:
    f(-1)
except ValueError as error:
    assert "below" in str(error)
else:
    raise AssertionError("f(-1) should raise a ValueError")
try:
    f(1)
except ZeroDivisionError: pass
else: raise AssertionError("should")
# test f_other
try:
    f(0)
except ValueError: pass
else: raise AssertionError("should raise a ValueError")
# test f_none
try:
    f(2)
except ValueError: pass
else: raise AssertionError("f(2) should raise a ValueError, got a number")
""",
        tmp_path,
    )
    assert messages(got) == {
        "f_expected": "",
        "f_other": "KeyError: 'zero' (line 4 of cell `f`)",
        "f_none": "f(2) should raise a ValueError, got a number",
    }


def test_every_builtin_exception_comes_over(engine):
    got = run(
        engine,
        """
# answer f
import builtins
KINDS = [k for k in vars(builtins).values() if isinstance(k, type) and issubclass(k, BaseException)]
def count(): return len(KINDS)
def f(i):
    kind = KINDS[i]
    if issubclass(kind, BaseExceptionGroup): raise kind("two", [ValueError(1), ValueError(2)])
    if issubclass(kind, UnicodeDecodeError): raise kind("utf-8", b"x", 0, 1, "why")
    if issubclass(kind, UnicodeEncodeError): raise kind("utf-8", "x", 0, 1, "why")
    if issubclass(kind, UnicodeTranslateError): raise kind("x", 0, 1, "why")
    raise kind("said")
# test f_all
n = 0
for i in range(count()):
    try:
        f(i)
    except BaseException:
        n += 1
close(n, count())
close(n > 50, True)
# test f_after
close(count() > 50, True)
""",
    )
    assert set(messages(got).values()) == {""}


# What tests take from `testing`.

HELPERS = """
# answer loss
def loss(x, y, weight=1.0):
    return (weight * (x - y) ** 2).mean()
def detached(x, y):
    return loss(x, y).detach()
def fill(items, array):
    items.append(1); array[0] = 9
    return "done"
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 1)
    def forward(self, x): return self.l(x)
# test loss_gradient
value, gradient = testing.value_and_grad(loss, torch.tensor([1.0, 3.0]), torch.zeros(2))
close(value, 5.0); close(gradient, np.array([1.0, 3.0]))
value, gradient = testing.value_and_grad(loss, torch.tensor([1.0, 3.0]), torch.zeros(2), wrt=1)
close(gradient, np.array([-1.0, -3.0]))
# test loss_detached
testing.value_and_grad(detached, torch.tensor([1.0]), torch.zeros(1))
# test loss_inout
got, (items, array) = testing.inout(fill, [0], np.zeros(2))
close(got, "done"); close(items, [0, 1]); close(array, np.array([9.0, 0.0]))
# test loss_weights
net = Net()
testing.set_weights(net, scale=2.0, bias=0.5)
close(net(torch.ones(1, 4)), np.array([[2.5]]))
# test loss_award 2
award(0.5 + 0.25 * float(abs(float(loss(torch.ones(1), torch.zeros(1))) - 1) < 1e-6))
# test loss_award_too_much 2
award(5)
# test loss_award_none 2
award(0)
"""


def test_helpers_give_far_away_what_they_give_here(engine, tmp_path):
    got = both(engine, HELPERS, tmp_path)
    assert messages(got) == {
        "loss_gradient": "",
        "loss_detached": "no gradient comes back: was the result detached, or computed by numpy or .item()?",
        "loss_inout": "",
        "loss_weights": "",
        "loss_award": "0.75 of 2 points",
        "loss_award_too_much": "",
        "loss_award_none": "0 of 2 points",
    }
    assert scores(got)["loss_award"] == 0.75


# What cannot pass.


@pytest.mark.parametrize(
    "use",
    [
        "x == 3", "x != 3", "bool(x)", "not x", "x + 1", "1 + x", "x * 2", "x < 1", "float(x)", "int(x)", "3 in x",
        "abs(x)", "-x", "np.asarray(x)", "np.allclose(x, 1)", "x in [1]", "[1, 2][x]",
        "__import__('copy').deepcopy(x)", "__import__('pickle').dumps(x)", "setattr(x, 'a', 1)", "x.__setitem__(0, 1)",
    ],
)  # fmt: skip
def test_an_object_of_the_students_is_no_number(engine, use):
    got = run(
        engine,
        f"""
# answer x
class Yes:
    a = 1
    def __eq__(self, other): return True
    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __bool__(self): return True
    def __hash__(self): return 1
    def __add__(self, other): return self
    __radd__ = __mul__ = __add__
    def __float__(self): return 3.0
    def __int__(self): return 3
    __index__ = __int__
    def __array__(self, *_, **__): return np.ones(1)
x = Yes()
# test x_x
{use}
# test x_caught
try:
    {use}
except Exception:
    pass
""",
    )
    assert [exercise.error for exercise in got.exercises] == ["OpaqueError"] * 2
    assert set(messages(got).values()) == {"got a `Yes`, expected numbers, text or arrays"}


def test_a_test_that_swallows_everything_cannot_pass_on_a_dead_sandbox(engine):
    got = run(
        engine,
        """
# answer f
import os, sys
def die(): os._exit(3)
def leave(): raise SystemExit(0)
def g(): return 1
# test f_dies
try:
    die()
except BaseException:
    pass
# test f_goes_on
close(g(), 1)
# test f_leaves
try:
    leave()
except Exception:
    pass
""",
    )
    assert messages(got)["f_dies"] == "your code ended Python (exit code 3)"
    assert scores(got) == {"f_dies": 0.0, "f_goes_on": 1.0, "f_leaves": 0.0}


def test_answers_stay_in_step(engine):
    """What an interrupted question leaves behind is no answer to the next."""
    got = run(
        engine,
        """
# answer f
def f(predict, n): return predict(n) + n
def g(n): return n
# test f_breaks_off
def predict(n):
    assert False, "broken off"
try:
    f(predict, 1)
except AssertionError:
    pass
close([g(i) for i in range(5)], [0, 1, 2, 3, 4])
class Out(BaseException): pass
def leave(n): raise Out
try:
    f(leave, 1)
except Out:
    pass
close([g(i) for i in range(5)], [0, 1, 2, 3, 4])
close(f(lambda n: 10 * n, 2), 22)
# test f_next
close(f(lambda n: 3 * n, 1), 4)
close(g(7), 7)
""",
    )
    assert set(messages(got).values()) == {""}


def test_a_result_that_is_too_large_or_of_no_form_costs_its_own_test(engine):
    got = run(
        engine,
        """
# answer f
def f(n): return np.zeros(n, np.uint8)
def deep():
    x = []
    for _ in range(100): x = [x]
    return x
def sparse(): return torch.eye(3).to_sparse()
def endless(): return range(2**62)
# test f_large
f(300 * 2**20)
# test f_deep
deep()
# test f_sparse
sparse()
# test f_endless
sum(endless())
# test f_fine
close(f(3), np.zeros(3))
""",
    )
    assert [exercise.score for exercise in got.exercises] == [0, 0, 0, 0, 1]
    cannot = "gave back something that a test cannot take:"
    assert messages(got) == {
        "f_large": f"Exception: {cannot} 300 MiB, more than the 256 that a result may have",
        "f_deep": f"Exception: {cannot} nested deeper than 32",
        "f_sparse": f"Exception: {cannot} a tensor of layout torch.sparse_coo: expected a dense one of numbers",
        "f_endless": f"your code {cannot} a range too long",
        "f_fine": "",
    }


# What a student reads.


def test_the_students_own_words_are_shown_from_lines_that_they_can_read(engine):
    got = run(
        engine,
        """
# answer f
def f(x):
    if x > 100:
        raise ValueError(f"too large: {x}")
    return 1 / x
# test f_visible
f(0)
# test f_seen_before_hidden
f(101)
### BEGIN HIDDEN TESTS
f(12345)
### END HIDDEN TESTS
# test f_hidden
f(1)
### BEGIN HIDDEN TESTS
f(54321)
### END HIDDEN TESTS
# test f_visible_after_hidden
f(777)
# answer g
def g(x): return undefined_name
# test g_x
g(1)
""",
    )
    assert messages(got) == {
        "f_visible": "ZeroDivisionError: division by zero (line 4 of cell `f`)",
        "f_seen_before_hidden": "ValueError: too large: 101 (line 3 of cell `f`)",
        "f_hidden": "ValueError (line 3 of cell `f`)",
        "f_visible_after_hidden": "ValueError: too large: 777 (line 3 of cell `f`)",
        "g_x": "NameError: name 'undefined_name' is not defined (line 1 of cell `g`)",
    }


def test_hidden_inputs_do_not_come_out_through_later_cells(engine):
    got = run(
        engine,
        """
# answer f
seen = []
def f(x):
    seen.append(x)
    return x
# test f_x
close(f(1), 1)
### BEGIN HIDDEN TESTS
close(f(424242), 424242)
### END HIDDEN TESTS
# answer g
print("seen", seen)
g = seen[:]
def h(): raise ValueError(str(seen))
# own more
raise ValueError(str(seen))
# test g_x
h()
""",
    )
    assert "424242" not in str(got.as_json())
    assert text_of(got, "g") == "seen []\n"
    assert got.failed == {"more": "ValueError: [] (line 1 of cell `more`)"}


def test_errors_of_cells_name_the_line(engine):
    got = run(
        engine,
        """
# own a
x = 1

x.nothing
# own b
def broken(:
    pass
# own c
%no_such_magic
# own d
raise KeyboardInterrupt
# own e
import sys; sys.exit("bye")
# own f
raise ExceptionGroup("two", [ValueError(1)])
# own g
raise ValueError("\\udcff half")
# test t_x
close(x, 1)
""",
    )
    assert got.failed["a"] == "AttributeError: 'int' object has no attribute 'nothing' (line 3 of cell `a`)"
    assert got.failed["b"] == "SyntaxError: invalid syntax (line 1 of cell `b`)"
    assert "`%no_such_magic` not found" in got.failed["c"]
    assert got.failed["d"] == "KeyboardInterrupt (line 1 of cell `d`)"
    assert got.failed["e"] == "SystemExit: bye (line 1 of cell `e`)"
    assert got.failed["f"] == "ExceptionGroup: two (1 sub-exception) (line 1 of cell `f`)"
    assert got.failed["g"] == "ValueError: ? half (line 1 of cell `g`)"
    assert scores(got) == {"t_x": 1.0}


# What cells put out.


def test_outputs_are_kept(engine):
    got = run(
        engine,
        """
# answer x
import sys, warnings
print("to standard output")
print("to standard error", file=sys.stderr)
warnings.warn("beware")
x = 3
x + 1
# own plots
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.show()
# own bars
from tqdm import tqdm
for _ in tqdm(range(3)): pass
# own shows
from IPython.display import HTML, display
display(HTML("<script>1</script>")); display({"a": 1})
# own quiet
import logging
logging.basicConfig(level=logging.INFO)
y = 2
# own logs
logging.info("working")
# test x_x
close(x, 3)
""",
    )
    text = text_of(got, "x")
    assert "to standard output\n" in text
    assert "to standard error\n" in text
    assert "UserWarning: beware" in text
    assert text.endswith("4")
    (picture,) = pictures_of(got, "plots")
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert "100%" in text_of(got, "bars")
    assert text_of(got, "bars").count("%") == 1, "only what one sees at the end"
    assert "<script>" not in str(got.outputs["shows"])
    assert "{'a': 1}" in text_of(got, "shows")
    assert got.outputs["quiet"] == []
    assert text_of(got, "logs") == "INFO:root:working\n"
    assert {kind for cell in got.outputs.values() for each in cell for kind in each.get("data", {})} <= {
        "text/plain",
        "image/png",
    }


def test_outputs_are_cut(engine):
    got = run(
        engine,
        """
# answer x
for i in range(100_000): print("line", i)
# own value
"x" * 10**6
# own pictures
import matplotlib.pyplot as plt
for i in range(20):
    plt.figure(figsize=(1, 1)); plt.plot([i])
# own large
plt.figure(figsize=(20, 20)); plt.imshow(np.random.rand(3000, 3000), interpolation="nearest")
x = 3
# test x_x
close(x, 3)
""",
    )
    assert text_of(got, "x").startswith("line 0\nline 1\n")
    assert text_of(got, "x").endswith("more characters")
    for cell in ("x", "value"):
        assert len(text_of(got, cell)) < 70_000
    assert len(pictures_of(got, "pictures")) <= 8
    assert sum(map(len, pictures_of(got, "large"))) < 2_000_000
    assert scores(got) == {"x_x": 1.0}


# What ends badly costs its own points.


def test_a_cell_that_dies_costs_its_own_points(engine):
    got = run(
        engine,
        """
# answer a
count = 1
def a(): return count
# test a_x
close(a(), 1)
# answer b
print("before")
import ctypes
ctypes.string_at(0)
b = 2
# test b_x
close(b, 2)
# answer c
count += 1
def c(): return count
def crash(): os._exit(0)
import os
# test c_x
close(c(), 2)
# test c_crash
crash()
# test c_again
close(c(), 2)
close(a(), 2)
""",
    )
    assert scores(got) == {"a_x": 1, "b_x": 0, "c_x": 1, "c_crash": 0, "c_again": 1}
    assert got.failed == {"b": "did not run to its end: crashed Python (SIGSEGV)"}
    assert messages(got)["b_x"] == got.failed["b"]
    assert messages(got)["c_crash"] == "your code ended Python (exit code 0)"


def test_a_cell_that_takes_too_long_costs_its_own_points():
    with Engine(preload=PRELOAD) as engine:
        started = time.monotonic()
        got = run(
            engine,
            """
# answer a
def a(): return 1
def slow():
    while True:
        try:
            while True: pass
        except BaseException: pass
# test a_slow
slow()
# test a_x
close(a(), 1)
# answer b
import time
time.sleep(1000)
# test b_x
close(b, 1)
# answer c
c = a() + 1
# test c_x
close(c, 2)
# test c_itself
while True: pass
# test c_again
close(c, 2)
""",
            limits=Limits(cell_seconds=2, total_seconds=60),
        )
        assert scores(got) == {"a_slow": 0, "a_x": 1, "b_x": 0, "c_x": 1, "c_itself": 0, "c_again": 1}
        assert "took too long" in messages(got)["a_slow"]
        assert "took too long" in got.failed["b"]
        assert time.monotonic() - started < 40


def test_all_cells_together_may_take_so_long():
    with Engine(preload=PRELOAD) as engine:
        got = run(
            engine,
            "# answer a\nimport time\ndef a(): time.sleep(2.5); return 1\n"
            + "".join(f"# test a_{i}\nclose(a(), 1)\n" for i in range(6)),
            limits=Limits(cell_seconds=5, total_seconds=6),
        )
    assert scores(got)["a_0"] == 1
    assert scores(got)["a_5"] == 0
    assert "took" in messages(got)["a_5"]


# Nobody's fault, and somebody's.


def test_a_setup_that_fails_is_nobodys_fault(engine):
    with pytest.raises(CourseError, match=r"the cell `setup` fails: ModuleNotFoundError: No module named 'not_there'"):
        run(engine, "# answer a\na = 1\n# test a_x\npass\n", setup="import not_there")
    with pytest.raises(CourseError, match=r"the cell `helper` fails: ZeroDivisionError"):
        run(engine, "# locked helper\n1 / 0\n# answer a\na = 1\n# test a_x\npass\n")
    assert run(engine, "# answer a\na = 1\n# test a_x\nclose(a, 1)\n").score == 1


def test_a_locked_cell_that_fails_for_what_a_student_did_is_theirs(engine):
    got = run(
        engine,
        """
# answer a
a = 1
del np
# locked helper
helper = len(np.ones(3))
# test a_x
close(a, 1)
close(helper, 3)
""",
    )
    assert scores(got) == {"a_x": 1.0}
    assert "NameError" in got.failed["helper"]


def test_hidden_inputs_follow_the_seed_of_the_class(engine):
    text = """
# answer f
def f(x): return x
import random
drawn = random.random()
# test f_x
x = testing.hidden_rng("f_x").random()
assert False, repr(round(f(x), 6))
# test f_other_draws
assert False, repr([round(f(np.random.rand()), 6), round(f(torch.rand(1).item()), 6)])
# test f_theirs
assert False, repr(drawn)
"""
    one, again, other = (messages(run(engine, text, seed=seed)) for seed in (1, 1, 2))
    assert one["f_x"] == again["f_x"] != other["f_x"]
    assert one["f_other_draws"] == again["f_other_draws"] != other["f_other_draws"]


def test_one_submission_leaves_nothing_for_the_next(engine):
    run(
        engine,
        "# answer a\nimport os, sys, builtins\na = 1\nbuiltins.mine = 5; sys.mine = 6; np.mine = 7\n"
        "open('left.txt', 'w').write('x'); os.environ['LEFT'] = '1'\n# test a_x\nclose(a, 1)\n",
    )
    got = run(
        engine,
        "# answer a\nimport os, sys, builtins\n"
        "a = [hasattr(builtins, 'mine'), hasattr(sys, 'mine'), hasattr(np, 'mine'), os.path.exists('left.txt'), 'LEFT' in os.environ]\n"
        "# test a_x\nclose(a, [False] * 5)\n",
    )
    assert scores(got) == {"a_x": 1.0}
