"""An audit says which wrong answers a lab's tests take, and which right ones they do not."""

import json
from pathlib import Path

import pytest

from medcourse.errors import CourseError
from medcourse.grading import proofs, release
from medcourse.grading.audit import audit, known_bad

MINI = (Path(__file__).parent / "data" / "mini_lab.py").read_text()
PROOF = """
MISTAKES = {"dice": {"overlap counted once": [("2 * (a & b)", "(a & b)")]}, "steps": {"a day off": "number_of_steps = 6"}}
ALTERNATIVES = {"dice": {"by means": "def dice(a, b):\\n    return 1.0 if not (a | b).any() else 2 * (a & b).mean() / (a.mean() + b.mean())"}}
"""


def course(folder, lab=MINI, proof=PROOF):
    (folder / "solutions").mkdir()
    (folder / "tests" / "labs").mkdir(parents=True)
    (folder / "solutions" / "mini.py").write_text(lab)
    (folder / "tests" / "labs" / "mini.py").write_text(proof)
    release.build(folder)
    return folder


def test_good_tests_pass_and_the_survivors_are_shown_as_diffs(tmp_path):
    found = audit(course(tmp_path), "mini")
    told = found.as_json()
    assert json.loads(json.dumps(told)) == told
    assert told["lab"] == "mini"
    assert told["solution"] == {"score": 6.0, "max": 6.0}
    assert told["stub"] == {"score": 0.0, "only_not_implemented": True}
    assert {"exercise": "dice", "name": "overlap counted once", "rejected": True} in told["mistakes"]
    assert told["alternatives"] == [{"exercise": "dice", "name": "by means", "accepted": True}]
    assert (told["false_accepts"], told["false_rejects"]) == (0, 0)
    mutants = told["mutants"]
    assert mutants["made"] == mutants["killed"] + mutants["equivalent"] + len(mutants["survivors"])
    assert mutants["made"] > 20
    assert audit(tmp_path, "mini", every_mutant=3).n_mutants == -(-mutants["made"] // 3)
    assert mutants["killed"] / mutants["made"] > 0.7
    for survivor in mutants["survivors"]:
        assert survivor["diff"].startswith("--- solution\n+++ mutant\n@@")
        assert survivor["diff"] in "\n".join(line.removeprefix("    ") for line in str(found).splitlines())


def test_a_test_that_takes_anything_and_one_that_takes_only_the_reference_are_found(tmp_path):
    blind = MINI.replace("assert abs(got - 2 / 3) < 1e-6", "assert got is not None").replace(
        "assert abs(got - 0.4) < 1e-6", "assert got is not None"
    )
    assert blind != MINI
    narrow = PROOF.replace('"steps": {', '"window": {"wrong": "window = None"}, "steps": {').replace(
        'ALTERNATIVES = {"dice"', 'ALTERNATIVES = {"steps": {"six": "number_of_steps = 6"}, "dice"'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medcourse.grading.anatomy.lint_lab", lambda _: [])  # it would not let such tests be built
        found = audit(course(tmp_path, blind, narrow), "mini")
    accepted = [variant.name for variant, rejected in found.mistakes if not rejected]
    assert "overlap counted once" in accepted
    assert found.false_accepts == len(accepted)
    assert [variant.name for variant, ok in found.alternatives if not ok] == ["six"]
    assert found.false_rejects == 1
    assert not found.passes
    assert "accepted, but wrong: dice: overlap counted once" in str(found)
    assert "rejected, but right: steps: six" in str(found)


def test_a_survivor_may_be_argued_away_but_only_one_that_is_there_and_with_a_reason(tmp_path):
    folder = course(tmp_path)
    survivors = audit(folder, "mini").survivors
    assert survivors
    answer, mutant = survivors[0]
    proof = folder / "tests" / "labs" / "mini.py"
    proof.write_text(f"{PROOF}EQUIVALENT = {{{answer!r}: {{{mutant.name!r}: 'gives the same for every input'}}}}\n")
    again = audit(folder, "mini")
    assert again.equivalent == [(answer, mutant)]
    assert again.survivors == survivors[1:]
    proof.write_text(f"{PROOF}EQUIVALENT = {{'dice': {{'`a` -> `b`': 'gives the same for every input'}}}}\n")
    with pytest.raises(CourseError, match="EQUIVALENT names no mutant of dice: `a` -> `b`"):
        audit(folder, "mini")
    proof.write_text(f"{PROOF}EQUIVALENT = {{{answer!r}: {{{mutant.name!r}: 'so'}}}}\n")
    with pytest.raises(CourseError, match=r"expected why .* is equivalent, got 'so'"):
        audit(folder, "mini")


def test_what_no_test_may_take_is_made_for_each_function_and_class():
    variants = list(known_bad({"f": "def f(x): ...", "net": "class Net: ...", "steps": "n = 7"}))
    assert {variant.answer for variant in variants} == {"f", "net"}
    names = {}
    for variant in variants:
        exec(variant.source, names)
    assert names["f"](3) == "anything"  # the last of them: equal to everything
    assert names["Net"](base=2).parameters() == "anything"


def test_bad_input_is_one_clear_line(tmp_path):
    with pytest.raises(CourseError, match="unknown lab 'mini', expected one of"):
        audit(tmp_path, "mini")
    folder = course(tmp_path)
    (folder / "tests" / "labs" / "mini.py").unlink()
    with pytest.raises(CourseError, match="expected the proof of a lab, found none"):
        audit(folder, "mini")
    (folder / "solutions" / "mini.py").unlink()
    with pytest.raises(CourseError, match="only an instructor's folder can be audited"):
        audit(folder, "mini")


def test_many_submissions_come_back_in_order():
    variants = [proofs.Variant("steps", str(n), f"number_of_steps = {n}") for n in (6, 7, 8, 7)]
    path = Path(__file__).parent / "data" / "mini_lab.py"
    assert [run.score for run in proofs.run_variants(path, variants, workers=2)] == [0.0, 1.0, 0.0, 1.0]
    assert list(proofs.run_variants(path, [])) == []
