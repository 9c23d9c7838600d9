"""Many variants of an answer, and what a proof of a lab may hold."""

from pathlib import Path

import pytest

from medcourse.errors import CourseError
from medcourse.grading import proofs, release
from medcourse.grading.plan import Limits, Variant

MINI = Path(__file__).parent / "data" / "mini_lab.py"


def test_the_solution_gets_everything_and_the_stub_nothing_but_not_implemented(tmp_path):
    (tmp_path / "solutions").mkdir()
    lab = tmp_path / "solutions" / "mini.py"
    lab.write_text(MINI.read_text())
    release.build(tmp_path)
    solution = proofs.run_solution(lab)
    assert (solution.score, solution.max, solution.failed) == (6.0, 6.0, {})
    assert 0 < solution.seconds < 30
    assert solution.peak_mib is None or 20 < solution.peak_mib < 2048
    stub = proofs.run_stub(lab, release.release_path(tmp_path, "mini"))
    assert stub.score == 0
    assert {exercise.error for exercise in stub.exercises} == {"NotImplementedError"}


def test_mistakes_lose_the_points_of_their_own_answer_and_alternatives_keep_them():
    mistakes = {
        "dice": {
            "overlap counted once": [("2 * (a & b)", "(a & b)")],
            "empty masks unguarded": [("return 1.0  # both empty: agreement", "return 0.0")],
        },
        "steps": {"a day off": "number_of_steps = 6"},
    }
    variants = proofs.variants_of(MINI, mistakes)
    assert [(v.answer, v.name) for v in variants] == [
        ("dice", "overlap counted once"),
        ("dice", "empty masks unguarded"),
        ("steps", "a day off"),
    ]
    once, unguarded, day_off = proofs.run_variants(MINI, variants)
    assert [(e.id, e.score) for e in once.exercises] == [("dice_overlap", 0.0), ("dice_empty", 1.0)]
    assert [(e.id, e.score) for e in unguarded.exercises] == [("dice_overlap", 2.0), ("dice_empty", 0.0)]
    assert (day_off.score, day_off.max) == (0.0, 1.0)
    warns = [("scaled =", "import warnings; warnings.warn('x'); scaled ="), ("(image, float)", "(image, 'f4')")]
    (other,) = proofs.run_variants(MINI, proofs.variants_of(MINI, {"window": {"warns, in single precision": warns}}))
    assert (other.score, other.max) == (2.0, 2.0)


def test_variants_do_not_see_one_another():
    spoils = (
        "import sys\nsys.modules['spoiled'] = 1\nnp.allclose = None\nnumber_of_steps = 0\ndef window(*_): return [9, 9]"
    )
    looks = (
        "import sys\nassert 'spoiled' not in sys.modules and np.allclose\n" + proofs.reference_answers(MINI)["window"]
    )
    exits = "import os\nos._exit(1)"
    runs = proofs.run_variants(
        MINI, [Variant("window", n, s) for n, s in {"spoils": spoils, "exits": exits, "looks": looks}.items()]
    )
    assert [run.score for run in runs] == [0.0, 0.0, 2.0]


def test_a_variant_that_hangs_does_not_hold_the_others_up():
    hangs = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass"
    slow, right = proofs.run_variants(
        MINI,
        [Variant("steps", "hangs", hangs), Variant("steps", "right", "number_of_steps = 7")],
        limits=Limits(cell_seconds=1.0),
    )
    assert slow.exercises[0].message == "did not run to its end: took too long: is there a loop that does not end?"
    assert right.score == 1


def test_an_edit_must_fit_its_reference_exactly_once():
    assert proofs.apply_edit("a + b", [("a", "x"), ("b", "y")]) == "x + y"
    assert proofs.apply_edit("a + b", "c") == "c"
    with pytest.raises(CourseError, match="expected 'c' exactly once in the reference answer, found it 0 times"):
        proofs.apply_edit("a + b", [("c", "d")])
    with pytest.raises(CourseError, match=r"mini_lab.py, dice, 'twice': expected 'total' exactly once .* 3 times"):
        proofs.variants_of(MINI, {"dice": {"twice": [("total", "sum")]}})
    with pytest.raises(
        CourseError, match=r"unknown answer 'walk' of mini_lab.py, expected one of: dice, window, steps"
    ):
        proofs.variants_of(MINI, {"walk": {"x": "pass"}})


def test_a_proof_is_read_from_plain_data(tmp_path):
    path = tmp_path / "mini.py"
    path.write_text("MISTAKES = {'steps': {'none': 'number_of_steps = 0'}}\nALTERNATIVES = {}\n")
    assert proofs.load_proof(path).mistakes == {"steps": {"none": "number_of_steps = 0"}}
    path.write_text("MISTAKES = {}\n")
    with pytest.raises(CourseError, match=r"mini.py: expected a dictionary ALTERNATIVES, got NoneType"):
        proofs.load_proof(path)
    with pytest.raises(CourseError, match="expected the proof of a lab, found none"):
        proofs.load_proof(tmp_path / "none.py")
