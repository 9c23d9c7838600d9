"""What the lint of test cells finds, and what it lets pass."""

import re
from pathlib import Path

import pytest

from medcourse.grading.lint import lint_lab
from medcourse.grading.notebooks import lab_notebook, node

ROOT = Path(__file__).parents[1]
SETUP = """
import copy, inspect, pickle, random, sys
import numpy as np
import pytest
import torch
from medcourse import models, testing
from medcourse.testing import close, award
def helper(x): return x
"""
ANSWER = """
import math
def dice(a, b): ...
class Net: ...
steps = 7
"""
KINDS = {
    "locked": {"grade": False, "solution": False, "locked": True},
    "answer": {"grade": False, "solution": True, "locked": False},
    "test": {"grade": True, "solution": False, "locked": True, "points": 1},
}


def cell(kind, grade_id, source, tags=()):
    meta = {"nbgrader": KINDS[kind] | {"grade_id": grade_id}, "tags": list(tags)}
    return node(cell_type="code", metadata=meta, source=source)


def lint(*tests, answer=ANSWER):
    """Return the findings in a lab of one answer and these test cells, named dice_0, dice_1, ..."""
    cells = [cell("locked", "setup", SETUP), cell("answer", "dice", answer)]
    return lint_lab(node(cells=[*cells, *(cell("test", f"dice_{i}", source) for i, source in enumerate(tests))]))


GOOD = {
    "close": "close(dice(np.ones(2), np.ones(2)), 1.0, 'the Dice of the same')",
    "order of values": "got = dice(1, 2)\nassert abs(got - 2 / 3) < 1e-6 and got <= 1, f'got {got}'",
    "order, element by element": "got = np.asarray(dice(1, 2))\nassert np.mean(np.abs(got - 1) > 0) > 0.05, 'changed'",
    "order of maxima": "kink = np.abs(np.diff(dice(1, 2))).max()\nassert kink < 0.1, f'a kink of {kink}'",
    "a sum above a bound": "assert dice(1, 2).sum() > 3, 'too little'",
    "award of comparisons": "earned = 0.0\nearned += float(dice(1, 2) < 3)\naward(earned)",
    "award by its module": "testing.award(1)",
    "award with scores of cases": "got = dice(1, 2)\naward(float(got < 3), case_scores={'Dice': [got]})",
    "equality of the test's own": "x = np.ones(3)\nfor i, got in enumerate(dice(x, x)):\n    if i == 0 and x.all() and not i:\n        close(got, 1)",
    "pairs": "for got, expected in zip([dice(1, 2)], [3]):\n    if expected == 3:\n        close(got, 3)",
    "tuples side by side": "net, reference = Net(), models.UNet()\nassert isinstance(reference, models.UNet), 'a U-Net'",
    "parts of results": "close(dice(1, 2)[0, 1], 3)\nclose(tuple(dice(1, 2).shape), (2,))",
    "attributes and calls": "net = Net()\nclose(sum(p.numel() for p in net.parameters()), 7402)",
    "writes into the test's own": "x = np.zeros(3)\nx[0] = 1\nx[1] = dice(x, x)\nx[2] = 3\nclose(x, np.ones(3))",
    "weights and copies": "net = Net()\ntesting.set_weights(net)\n_, after = testing.inout(dice, np.ones(2), 2)\nclose(after[1], 2)",
    "a certain exception": "with pytest.raises(ValueError):\n    dice(1, 2)\ntry:\n    dice(1, 2)\nexcept (TypeError, KeyError):\n    pass",
    "keys": "got = dice(1, 2)\nassert 'loss' in got, 'no loss'",
    "seeds": "rng = np.random.default_rng(3)\nx, y = rng.random(3), torch.rand(3)\nz = random.Random(4).random()\nclose(dice(x, y), z)",
    "hidden seeds": "close(dice(testing.hidden_rng('dice_0').random(3), 1), 2)",
    "a callback": "def predict(tile):\n    assert tile.ndim == 2, 'tiles are 2-D'\n    return tile\nclose(dice(predict, lambda x: x == 1), 3)",
    "nested scopes": "def outer():\n    inner = [k + n for n in range(3) for k in range(n)]\n    return lambda q: q + len(inner)\nclass Box:\n    size = 3\n    double = 2 * size\nclose(dice(outer(), Box.double), 3)",
    "walrus and star": "if (n := len('abc')) > 2:\n    first, *rest = range(n)\n    close(dice(first, rest), n)",
    "a local import": "from math import pi\nclose(dice(pi, 1), 2)",
    "helper last": "helper(3)",
    "own check last": "def check(x):\n    close(dice(x, x), 1)\ncheck(3)",
    "builtins and errors": "try:\n    close(dice(1, 2), 3)\nexcept ZeroDivisionError as error:\n    raise AssertionError(str(error)) from error",
    "global": "def count():\n    global total\n    total = 3\ntotal = 0\ncount()\nclose(dice(total, 1), 3)",
    "an empty cell": "",
}


@pytest.mark.parametrize("what", GOOD)
def test_what_keeps_to_the_contract_is_let_pass(what):
    assert lint(GOOD[what]) == []


BAD = {
    # Names
    "unknown": ("close(dice(1, 2), wanted)", 1, "`wanted`, which no graded cell above binds: define it here"),
    "unknown in a function": ("def f():\n    return wanted\nclose(dice(f, 1), 2)", 2, "`wanted`, which no graded"),
    "unknown in a lambda": ("close(dice(lambda x: x + wanted, 1), 2)", 1, "`wanted`, which no graded"),
    "unknown in a class": ("class A:\n    x = wanted\nclose(dice(A.x, 1), 2)", 2, "`wanted`, which no graded"),
    "unknown in a comprehension": ("close(dice([i for i in wanted], 1), 2)", 1, "`wanted`, which no graded"),
    "variable of a comprehension": ("x = [k for k in range(3)]\nclose(dice(x, k), 2)", 1, "`k`, which no graded"),
    "imported by the answer": (
        "close(dice(math.pi, 1), 2)",
        1,
        "`math`, which the answer `dice` imports: import it in",
    ),
    "read before it is bound": ("total += 1\nclose(dice(total, 1), 2)", 1, "`total`, which no graded"),
    "read in a loop before": ("for i in range(3):\n    total += i\nclose(dice(total, 1), 2)", 2, "`total`, which no"),
    "the setup's name": ("np = 3\nclose(dice(np, 1), 2)", 1, "got `np`, which other cells read: choose another"),
    "the student's name": ("def dice(a, b):\n    return 3\nclose(dice(1, 2), 3)", 1, "got `dice`, which other cells"),
    # Messages and ends
    "no message": ("assert dice(1, 2) < 3", 1, "expected a message with the assert, got none"),
    "empty message": ("assert dice(1, 2) < 3, ''", 1, "expected a message with the assert"),
    "assert of a pair": (
        "assert (dice(1, 2) < 3, 'too large')",
        1,
        "expected Python, got a syntax error: assertion is",
    ),
    "syntax": ("close(\n", 1, "expected Python, got a syntax error: '(' was never closed"),
    "bare value": ("earned = 1\nearned", 2, "got the bare value `earned`: it would be the score"),
    "bare call": ("float(3)", 1, "got `float(3)`: its value would be the score, assign or award it"),
    "method last": ("x = [1]\nx.pop()", 2, "got `x.pop()`: its value would be the score"),
    "student's call last": ("dice(1, 2)", 1, "got `dice(1, 2)`: its value would be the score"),
    "award in the middle": (
        "award(1)\nx = 2",
        1,
        "expected award(...) as the last expression, got `award(1)` elsewhere",
    ),
    "award of the student's": (
        "got = dice(1, 2)\naward(got)",
        2,
        "expected points that comparisons earned, got `award(",
    ),
    # Exceptions
    "raises": (
        "with pytest.raises(Exception):\n    dice(1, 2)",
        1,
        "expected a certain exception, got `pytest.raises(",
    ),
    "raises several": ("with pytest.raises((ValueError, BaseException)):\n    dice(1, 2)", 1, "a certain exception"),
    "except": ("try:\n    dice(1, 2)\nexcept Exception:\n    pass", 3, "got an `except` that catches everything"),
    "except base": ("try:\n    dice(1, 2)\nexcept (KeyError, BaseException):\n    pass", 3, "that catches everything"),
    "bare except": ("try:\n    dice(1, 2)\nexcept:\n    pass", 3, "that catches everything: name the class"),
    # What the student's objects are
    "isinstance": ("assert isinstance(Net().layer, torch.nn.Linear), 'no layer'", 1, "got `isinstance(Net().layer, "),
    "type": ("x = type(dice(1, 2))", 1, "expected no look at what the student's objects are made of, got `type("),
    "issubclass": ("x = issubclass(Net, object)", 1, "got `issubclass(Net, object)`: test what they compute"),
    "deepcopy": ("x = copy.deepcopy(Net())", 1, "got `copy.deepcopy(Net())`"),
    "copy by its name": ("from copy import copy as twin\nx = twin(Net())", 2, "got `twin(Net())`"),
    "signature": ("x = inspect.signature(dice)", 1, "got `inspect.signature(dice)`"),
    "pickle": ("x = pickle.dumps(dice(1, 2))", 1, "got `pickle.dumps(dice(1, 2))`"),
    "vars": ("x = vars(Net())", 1, "got `vars(Net())`"),
    "dir": ("x = dir(Net())", 1, "got `dir(Net())`"),
    "getattr": ("x = getattr(Net(), '__class__')", 1, "got `getattr(Net(), '__class__')`"),
    "dunder": ("x = Net().__dict__", 1, "got `Net().__dict__`"),
    "subclass": ("class Mine(Net):\n    pass", 1, "got the subclass `Mine`"),
    # Equality
    "equal": (
        "assert dice(1, 2) == 1, 'one'",
        1,
        "expected no `==` on what comes from the student, got `dice(1, 2) ==",
    ),
    "unequal": ("got = dice(1, 2)\nassert np.mean(got != 3) > 0.1, 'x'", 2, "expected no `!=` on what comes"),
    "is": ("assert dice(1, 2) is None, 'none'", 1, "expected no `is` on what comes"),
    "in": ("assert dice(1, 2) in (1, 2), 'one'", 1, "expected no `in` on what comes"),
    "equal constant": ("assert steps == 7, 'a week'", 1, "got `steps == 7`: use testing.close"),
    "equal number": ("assert int(dice(1, 2)) == 3, 'three'", 1, "expected no `==`"),
    "equal length": ("got = dice(1, 2)\nif len(got) == 3:\n    close(got, 3)", 2, "expected no `==`"),
    "method": ("assert dice(1, 2).eq(3).sum() > 2, 'three'", 1, "expected no equality"),
    "match": ("match dice(1, 2):\n    case 3:\n        x = 1", 1, "expected no `match`"),
    "unpacked": ("a, (b, *c) = dice(1, 2)\nassert c == [1], 'one'", 2, "got `c == [1]`"),
    "added": ("total = 0\ntotal += dice(1, 2)\nassert total == 3, 'x'", 3, "got `total == 3`"),
    "for": ("for got in dice(1, 2):\n    assert got == 3, 'x'", 2, "got `got == 3`"),
    "for pairs": ("for i, (got, e) in enumerate(zip(dice(1, 2), [3])):\n    assert got == e, 'x'", 2, "got `got == e`"),
    "comprehension": ("x = [got == 3 for got in dice(1, 2)]", 1, "got `got == 3`"),
    "with": ("with Net() as net:\n    assert net.x == 3, 'x'", 2, "got `net.x == 3`"),
    "walrus": ("if (got := dice(1, 2)) > 3:\n    assert got == 4, 'x'", 2, "got `got == 4`"),
    "own function": ("def half(x):\n    return dice(x, x) / 2\nassert half(2) == 1, 'x'", 3, "got `half(2) == 1`"),
    "own lambda": ("half = lambda x: dice(x, x)\nassert half(2) == 1, 'x'", 2, "got `half(2) == 1`"),
    "by a helper": ("_, after = testing.inout(dice, 1, 2)\nassert after == (1, 2), 'x'", 2, "got `after == (1, 2)`"),
    "container": ("seen = []\nseen.append(dice(1, 2))\nassert seen == [3], 'x'", 3, "got `seen == [3]`"),
    "item": ("seen = {}\nseen['x'] = dice(1, 2)\nassert seen == {}, 'x'", 3, "got `seen == {}`"),
    # What an empty array passes
    "all": (
        "got = dice(1, 2)\nassert (np.abs(got - 3) < 1e-6).all(), 'x'",
        2,
        "expected a check that an empty array fails",
    ),
    "np.all": ("assert np.all(dice(1, 2) < 3), 'x'", 1, "got `np.all(dice(1, 2) < 3)`: use testing.close"),
    "any": ("assert not dice(1, 2).any(), 'x'", 1, "got `dice(1, 2).any()`"),
    "allclose": ("assert np.allclose(dice(1, 2), 3), 'x'", 1, "got `np.allclose(dice(1, 2), 3)`"),
    "torch.allclose": ("assert torch.allclose(dice(1, 2), torch.ones(2)), 'x'", 1, "an empty array fails"),
    "torch.equal": ("assert torch.equal(dice(1, 2), torch.ones(2)), 'x'", 1, "an empty array fails"),
    "array_equal": ("assert np.array_equal(dice(1, 2), [3]), 'x'", 1, "an empty array fails"),
    "assert_allclose": ("np.testing.assert_allclose(dice(1, 2), 3)\nx = 1", 1, "an empty array fails"),
    "builtin all": ("assert all(x < 3 for x in dice(1, 2)), 'x'", 1, "an empty array fails"),
    "sum below": ("assert (dice(1, 2) - 3).sum() < 1e-6, 'x'", 1, "which is 0 for nothing: use testing.close"),
    "above the sum": ("assert 1e-6 >= np.sum(dice(1, 2) - 3), 'x'", 1, "which is 0 for nothing"),
    "norm below": ("assert np.linalg.norm(dice(1, 2) - 3) < 1e-6, 'x'", 1, "which is 0 for nothing"),
    # Truth
    "truth": ("assert dice(1, 2), 'x'", 1, "expected a comparison, got the bare truth of `dice(1, 2)`"),
    "truth of a name": ("got = dice(1, 2)\nif got:\n    x = 1", 2, "the bare truth of `got`"),
    "while": ("while dice(1, 2):\n    x = 1", 1, "the bare truth of `dice(1, 2)`"),
    "in a condition": ("got = dice(1, 2)\nassert got > 1 and got, 'x'", 2, "the bare truth of `got`"),
    "in brief": ("x = 1 if dice(1, 2) else 2", 1, "the bare truth of"),
    "bool": ("x = bool(dice(1, 2))", 1, "the bare truth of"),
    "not": ("assert not dice(1, 2) > 3, 'x'", 1, "expected a comparison that NaN fails, got `not dice(1, 2) > 3`"),
    "isclose": ("assert np.isclose(dice(1, 2), 3), 'x'", 1, "the bare truth of `np.isclose(dice(1, 2), 3)`"),
    # Python alone
    "magic": ("%matplotlib inline\nclose(dice(1, 2), 3)", 1, "got a magic or a shell command: do without"),
    "shell": ("files = !ls\nclose(dice(1, 2), 3)", 1, "a magic or a shell command"),
    "get_ipython": ("get_ipython().reset()\nx = 1", 1, "a magic or a shell command"),
    "input": ("x = input()", 1, "got `input`"),
    "open": ("x = open('f').read()", 1, "expected plain Python without files, input and code in strings, got `open`"),
    "eval": ("x = eval('1')", 1, "got `eval`"),
    "globals": ("x = globals()['dice']", 1, "got `globals`"),
    "locals": ("x = locals()", 1, "got `locals`"),
    "import by name": ("x = __import__('os')", 1, "got `__import__`"),
    # Random numbers
    "np.random": ("x = np.random.rand(3)", 1, "expected random numbers with a seed, got `np.random.rand`: draw from"),
    "np.random.seed": ("np.random.seed(0)\nx = 1", 1, "got `np.random.seed`"),
    "from numpy": ("from numpy.random import normal\nx = normal()", 2, "got `normal`"),
    "random": ("x = random.random()", 1, "got `random.random`"),
    "no seed": ("rng = np.random.default_rng()", 1, "got `np.random.default_rng()`"),
    "seed None": ("rng = np.random.default_rng(None)", 1, "got `np.random.default_rng(None)`"),
    # Writes
    "item of the student's": (
        "net = Net()\nnet.weight[0] = 1",
        2,
        "expected no write into what the student made, got `net.",
    ),
    "attribute": ("net = Net()\nnet.rate = 1", 2, "got `net.rate`: use testing.set_weights or testing.inout"),
    "result": ("got = dice(1, 2)\ngot[0] += 1", 2, "got `got[0]`"),
    "delete": ("got = dice(1, 2)\ndel got[0]", 2, "got `got[0]`"),
    "setattr": ("net = Net()\nsetattr(net, 'x', 1)\ny = 2", 2, "got `setattr(net, 'x', 1)`"),
    "in place": ("for p in Net().parameters():\n    p.data.fill_(1)", 2, "got `p.data.fill_(1)`"),
}


@pytest.mark.parametrize("what", BAD)
def test_each_break_is_one_line_that_names_the_place(what):
    source, line, message = BAD[what]
    found = lint(source)
    assert len([each for each in found if message in each]) == 1, found
    assert re.match(rf"cell `dice_0`, line {line}: expected .*, got .*: .", next(e for e in found if message in e))
    assert "\n" not in "".join(found)


ONCE = {
    "equal",
    "all",
    "any",
    "truth",
    "np.all",
    "sum below",
    "isinstance",
    "bare value",
    "unknown",
    "no seed",
    "syntax",
}


@pytest.mark.parametrize("what", sorted(ONCE - {"any"}))
def test_one_break_is_found_once(what):
    assert len(lint(BAD[what][0])) == 1


def test_a_test_keeps_no_state_for_others():
    (found,) = lint("wanted = 3\nclose(dice(1, 2), wanted)", "close(dice(2, 1), wanted)")
    assert found.startswith(
        "cell `dice_1`, line 1: expected names of locked cells, of the answers and of this test, got "
    )
    assert "`wanted`, which only the test `dice_0` binds: bind it here, too, for tests keep no state" in found
    assert lint("wanted = 3\nclose(dice(1, 2), wanted)", "wanted = 4\nclose(dice(2, 1), wanted)") == []


def test_an_answer_leaves_the_names_of_locked_cells_alone():
    assert lint(answer="x = 1\nimport numpy as np\ndef helper(x): ...") == [
        "cell `dice`, line 2: expected names of this cell's own, got `np`, which a locked cell binds: choose another",
        "cell `dice`, line 3: expected names of this cell's own, got `helper`, which a locked cell binds: choose another",
    ]
    assert lint(answer="def dice(np):\n    helper = np\n    return helper") == []


def test_loop_variables_of_an_answer_are_not_its_result():
    assert len(lint("close(i, 3)", answer="for i in range(3):\n    table = i")) == 1
    assert lint("close(table, 3)", answer="for i in range(3):\n    table = i") == []


def test_findings_come_in_the_order_of_cells_and_lines():
    found = lint("x = input()\nassert dice(1, 2) < 3\nwanted", "steps == 1")
    assert [each.split(": ")[0] for each in found] == [
        "cell `dice_0`, line 1",
        "cell `dice_0`, line 2",
        "cell `dice_0`, line 3",
        "cell `dice_0`, line 3",
        "cell `dice_1`, line 1",
        "cell `dice_1`, line 1",
    ]


def test_cells_that_the_grader_does_not_run_and_those_of_students_are_let_be():
    experiment = node(cell_type="code", metadata={"tags": ["experiment"]}, source="!ls\nnp.random.rand(3)")
    text = node(cell_type="markdown", metadata={}, source="assert")
    answer = cell("answer", "dice", "def dice(a):\n    try:\n        return np.random.rand() == a\n    except: pass")
    assert (
        lint_lab(
            node(cells=[cell("locked", "setup", "import numpy as np\n%matplotlib inline"), experiment, text, answer])
        )
        == []
    )


def test_what_only_a_cell_that_is_not_run_binds_is_unknown():
    experiment = node(cell_type="code", metadata={"tags": ["experiment"]}, source="table = 3")
    test = cell("test", "dice_0", "assert table < 4, 'x'")
    (found,) = lint_lab(node(cells=[experiment, test]))
    assert "`table`, which no graded cell above binds" in found


@pytest.mark.parametrize("path", [*sorted((ROOT / "solutions").glob("*.py")), ROOT / "tests" / "data" / "mini_lab.py"])
def test_the_labs_of_the_course_keep_to_their_contract(path):
    assert lint_lab(lab_notebook(path)) == []
