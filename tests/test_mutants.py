"""Mutants of reference answers: which there are, and what all of them keep."""

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcourse.errors import CourseError
from medcourse.grading.mutants import mutants_of
from medcourse.grading.proofs import reference_answers

UNET = Path(__file__).parents[1] / "solutions" / "10_unet.py"


def answer(body, before="def f(a, b, n, items):", after="# after = a + 1"):
    """Return a cell whose solution is this body."""
    lines = [f"    {line}" for line in body.split("\n")]
    return "\n".join([before, "    ### BEGIN SOLUTION", *lines, "    ### END SOLUTION", after])


def made(body, kind):
    """Return what the mutants of one kind make of a body's lines, in their order."""
    return [mutant.new for mutant in mutants_of(answer(body)) if mutant.kind == kind]


EXPECTED = {
    ("return a < b", "comparison"): ["return a <= b", "return a > b"],
    ("return a <= b", "comparison"): ["return a < b", "return a >= b"],
    ("return a > b", "comparison"): ["return a >= b", "return a < b"],
    ("return a >= b", "comparison"): ["return a > b", "return a <= b"],
    ("return a == b", "comparison"): ["return a != b"],
    ("return a != b", "comparison"): ["return a == b"],
    ("return a in b", "comparison"): ["return a not in b"],
    ("return a not in b", "comparison"): ["return a in b"],
    ("return a is b", "comparison"): ["return a is not b"],
    ("return a is not None", "comparison"): ["return a is None"],
    ("return a < b == n", "comparison"): ["return a <= b == n", "return a > b == n", "return a < b != n"],
    ("a += b", "arithmetic"): ["a -= b", "a *= b"],
    ("a //= b", "arithmetic"): ["a *= b", "a /= b"],
    ("x = a - b", "arithmetic"): ["x = a + b"],
    ("x = a % b", "arithmetic"): ["x = a // b"],
    ("x = a ** b", "arithmetic"): ["x = a * b"],
    ("x = a @ b", "arithmetic"): ["x = a * b"],
    ("x = (a - b) / n", "arithmetic"): ["x = (a + b) / n", "x = (a - b) * n", "x = (a - b) // n"],
    ("x = '%d' % b", "arithmetic"): [],
    ("x = a and b or n", "boolean"): [
        "x = n",
        "x = (a and b)",
        "x = b or n",
        "x = a or n",
        "x = a or b or n",
        "x = a and b and n",
    ],
    ("x = a & ~b", "boolean"): ["x = a | ~b", "x = a & b"],
    ("return not (a or b)", "boolean"): ["return (a or b)", "return not (b)", "return not (a)", "return not (a and b)"],
    ("if a.any():\n    b += n", "boolean"): ["if not a.any():"],
    ("x = [i for i in items if i]", "boolean"): ["x = [i for i in items if True]"],
    ("x = 3", "constant"): ["x = 4", "x = 2", "x = -3"],
    ("x = 0", "constant"): ["x = 1", "x = -1"],
    ("x = 0.5", "constant"): ["x = 1.5", "x = -0.5"],
    ("x = a[-1]", "constant"): ["x = a[-2]", "x = a[-0]"],
    ("x = True", "constant"): ["x = False"],
    ("x = None", "constant"): [],
    ("x = a.sum(axis=0)", "axis"): ["x = a.sum(axis=1)"],
    ("x = a.sum(dim=1)", "axis"): ["x = a.sum(dim=0)"],
    ("x = a.sum(dims=(0, 2))", "axis"): ["x = a.sum(dims=(1, 2))", "x = a.sum(dims=(0, 1))"],
    ("x = a.softmax(1)", "axis"): ["x = a.softmax(0)"],
    ("x = torch.cat([a, b], 1)", "axis"): ["x = torch.cat([a, b], 0)"],
    ("x = a.sum(-1)", "axis"): ["x = a.sum(-2)"],
    ("x = a.transpose(2, 1)", "axis"): ["x = a.transpose(1, 1)", "x = a.transpose(2, 0)"],
    ("x = a.shape[-2]", "axis"): ["x = a.shape[-1]"],
    ("x = a.sum(axis=1)", "constant"): [],
    ("x = max(n, 1)", "axis"): [],
    ("return -(a @ b)", "sign"): ["return (a @ b)"],
    ("return a.mean()", "sign"): ["return -a.mean()"],
    ("x = a * b + n", "sign"): ["x = -(a * b) + n"],
    ("return None", "sign"): [],
    ("x = b(a, n, n)", "order"): ["x = b(n, a, n)"],
    ("x = b(a, *n)", "order"): [],
    ("x = max(a, b)", "order"): [],
    ("x = a - b * n", "order"): ["x = (b * n) - a"],
    ("a, b = b, a", "order"): ["b, a = b, a", "a, b = a, b"],
    ("x = [a, b]", "order"): ["x = [b, a]"],
    ("x = a[n:]", "order"): ["x = a[n + 1:]", "x = a[n:-1]"],
    ("x = a[:n, 0]", "order"): ["x = a[0, :n]", "x = a[1:n, 0]", "x = a[:n + 1, 0]"],
    ("x = a[1:n - b]", "order"): ["x = a[1:n - b + 1]", "x = a[1:b - n]"],
    ("items.append(a)\na = a.T", "order"): ["a = a.T items.append(a)"],
    ("a = a.T\nb = b.T", "order"): [],  # independent
    ("x = a.T\nb = x.T", "order"): [],  # there would be no x
    ("items.self_a.append(a)\nitems.self_b.append(a)", "order"): [],
    ("if a < b:\n    return n\nreturn items", "removal"): ["pass", "pass"],
    ("x = n\nx -= b\nx = x * a\nb[0] = x\nitems.append(x)", "removal"): ["pass", "pass", "pass", "pass"],
    ("for a in items:\n    if a:\n        continue\n    b.append(a)", "removal"): ["pass", "pass"],
}


@pytest.mark.parametrize(("body", "kind"), EXPECTED, ids=[f"{kind}: {body!r}" for body, kind in EXPECTED])
def test_each_kind_makes_the_mutants_that_one_expects(body, kind):
    assert made(body, kind) == EXPECTED[body, kind]


def test_a_mutant_says_what_it_is():
    cell = answer("n //= 2  # halve\nreturn n")
    mutant = next(mutant for mutant in mutants_of(cell) if mutant.kind == "arithmetic")
    assert mutant.name == "`n //= 2` -> `n *= 2`"
    assert (mutant.line, mutant.old, mutant.new) == (3, "n //= 2", "n *= 2")
    assert mutant.source == cell.replace("//=", "*=")
    assert mutant.diff.split("\n")[3:] == [
        " def f(a, b, n, items):",
        "     ### BEGIN SOLUTION",
        "-    n //= 2  # halve",
        "+    n *= 2  # halve",
        "     return n",
        "     ### END SOLUTION",
    ]


def test_the_same_change_at_two_places_has_two_names():
    names = [mutant.name for mutant in mutants_of(answer("n -= 4\nn *= 2\nn -= 4")) if mutant.new == "n += 4"]
    assert names == ["`n -= 4` -> `n += 4`", "`n -= 4` -> `n += 4` (2)"]


def test_a_name_stays_when_other_lines_change():
    def names(body):
        return {mutant.name for mutant in mutants_of(answer(body)) if mutant.old == "return a + 1"}

    assert names("return a + 1") == names("b = 7\nb += 2\nreturn a + 1  # more")


def test_what_says_nothing_to_a_test_is_left_alone():
    body = '"""Add 1 to 2."""\nx: Literal[3] = a\nprint(f"{b + 4} of 5")\nraise ValueError("expected 6")'
    assert {mutant.new for mutant in mutants_of(answer(body))} == {"pass"}


def test_only_the_solution_is_changed():
    cell = "LIMIT = 3\n### BEGIN SOLUTION\nx = LIMIT\n### END SOLUTION\ny = x + 1\n### BEGIN SOLUTION\nz = 7\n### END SOLUTION"
    assert [mutant.old for mutant in mutants_of(cell)] == ["z = 7"] * 3
    assert mutants_of("x = 1 + 2") == []


def test_columns_after_letters_of_two_bytes_are_counted_in_bytes():
    assert made("é = {'µ': a}; x = é['µ'] + b  # ± 1", "arithmetic") == [
        "é = {'µ': a}; x = é['µ'] - b",
        "é = {'µ': a}; x = é['µ'] * b",
    ]


def test_an_operator_is_found_beside_brackets_comments_and_line_breaks():
    body = "x = (\n    (a)  # a + b - c\n    + (b)\n)"
    mutant = next(mutant for mutant in mutants_of(answer(body)) if mutant.kind == "arithmetic")
    assert "(a)  # a + b - c\n        - (b)" in mutant.source


def test_what_is_no_python_is_refused():
    with pytest.raises(CourseError, match="expected Python in a reference answer"):
        mutants_of("### BEGIN SOLUTION\nx = (\n### END SOLUTION")


def check(cell):
    """Assert what holds for all mutants of a cell, and return them."""
    mutants = mutants_of(cell)
    programs = {ast.dump(ast.parse(source)) for source in [cell, *(mutant.source for mutant in mutants)]}
    assert len(programs) == len(mutants) + 1, "each is another program"
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    begin, end = "### BEGIN SOLUTION", "### END SOLUTION"
    for mutant in mutants:
        compile(mutant.source, mutant.name, "exec")
        outside = [part.split(end)[-1] for part in cell.split(begin)]
        assert [part.split(end)[-1] for part in mutant.source.split(begin)] == outside
        assert mutant.source.split("\n")[: mutant.line - 1] == cell.split("\n")[: mutant.line - 1]
    assert mutants_of(cell) == mutants
    return mutants


@pytest.mark.parametrize(("name", "cell"), reference_answers(UNET).items(), ids=reference_answers(UNET))
@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # a mutant may call a number
def test_every_mutant_of_a_lab_is_a_program_of_its_own_that_compiles(name, cell):
    mutants = check(cell)
    print(name, len(mutants))
    assert len(mutants) > 10


def combined(inner):
    """Return expressions made of smaller ones, with and without brackets."""
    operator = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "not in", "is", "and", "or", "&"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operator, inner),
        st.builds("{} {} {}".format, inner, operator, inner),
        st.builds("µ({}, {})".format, inner, inner),
        st.builds("a[{}:, {}]".format, inner, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("- {}".format, inner),
        st.builds("(not {})".format, inner),
    )


expressions = st.recursive(st.sampled_from(["a", "b", "n", "2", "0.5", "'é'", "x.sum(axis=1)"]), combined, max_leaves=8)


@given(body=st.lists(st.builds("{} = {}".format, st.sampled_from(["x", "a", "b[0]"]), expressions), max_size=3))
@settings(max_examples=60, deadline=None, derandomize=True)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_whatever_the_code_a_mutant_compiles_is_new_and_changes_nothing_above_or_outside(body):
    cell = answer("\n".join([*body, "return -x"]))
    try:
        ast.parse(cell)
    except SyntaxError:  # `a + not b`
        return
    check(cell)
