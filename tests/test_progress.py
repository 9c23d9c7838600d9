"""How far a person is: kept as long as it is true, and said to be old when it is not."""

import json
import shutil
from pathlib import Path

import pytest

from medcourse import cli, progress
from medcourse.errors import CourseError
from medcourse.grading import release
from medcourse.grading.check import check
from medcourse.grading.hints import hints_of
from medcourse.grading.notebooks import lab_notebook, read_notebook
from medcourse.terminal import Ink
from medcourse.units import UNITS

ROOT = Path(__file__).resolve().parents[1]
MINI = ROOT / "tests" / "data" / "mini_lab.py"
DICE = "def dice(a, b):\n    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)"
LABS = ("09_multiscale_brain", "10_unet", "16_transfer_features")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "course").mkdir()
    (root / "solutions").mkdir()
    for lab in LABS:
        shutil.copy(MINI, root / "solutions" / f"{lab}.py")
    release.build(root)
    return root


@pytest.fixture
def root(built, tmp_path, monkeypatch):
    folder = shutil.copytree(built, tmp_path / "course")
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.setenv("MEDCOURSE_WORKSPACE", str(tmp_path / "workspace"))
    return folder


@pytest.fixture
def own(root, tmp_path):
    """A workspace with every lab as it was released."""
    folder = tmp_path / "workspace"
    for lab in LABS:
        progress.notebook_of(folder, lab).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.release_path(root, lab), progress.notebook_of(folder, lab))
    return folder


def answer(folder, lab, source, *, name="dice"):
    path = progress.notebook_of(folder, lab)
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == name:
            cell["source"] = source
    path.write_text(json.dumps(notebook))


def states(root, folder):
    return {each.lab: (each.state, each.score, each.max) for each in progress.standings(root, folder)}


def test_nothing_is_begun_before_anything_is_changed(root, own, tmp_path):
    untouched = dict.fromkeys(LABS, ("not begun", 0, 6))
    assert states(root, own) == untouched
    assert states(root, tmp_path / "nowhere") == untouched


def test_a_result_holds_until_the_answers_change(root, own):
    answer(own, "10_unet", DICE)
    assert states(root, own)["10_unet"] == ("changed", 0, 6)
    progress.keep(root, own, check("10_unet", progress.notebook_of(own, "10_unet"), root=root))
    assert states(root, own)["10_unet"] == ("checked", 2, 6)
    # What is no answer is no reason: outputs, and text between the cells.
    path = progress.notebook_of(own, "10_unet")
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] += "\nMy notes."
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "ran"}]
    path.write_text(json.dumps(notebook))
    assert states(root, own)["10_unet"] == ("checked", 2, 6)
    answer(own, "10_unet", DICE + "  # better")
    assert states(root, own)["10_unet"] == ("changed", 2, 6)
    found = progress.standings(root, own)
    assert progress.so_far(found) == "0 of 3 labs checked, 0 of 18 points; 1 not checked as they are now"


def test_a_result_holds_until_the_tests_change(root, own):
    answer(own, "10_unet", DICE)
    progress.keep(root, own, check("10_unet", progress.notebook_of(own, "10_unet"), root=root))
    source = root / "solutions" / "10_unet.py"
    source.write_text(source.read_text().replace("got = dice(nothing, nothing)", "got = dice(nothing, nothing) + 0"))
    assert states(root, own)["10_unet"] == ("changed", 2, 6)


def test_a_result_of_another_seed_is_another(root, own, monkeypatch):
    answer(own, "10_unet", DICE)
    progress.keep(root, own, check("10_unet", progress.notebook_of(own, "10_unet"), root=root))
    monkeypatch.setenv("MEDCOURSE_SECRET_SEED", "7")
    assert states(root, own)["10_unet"][0] == "changed"


def test_a_record_that_broke_is_none(root, own):
    answer(own, "10_unet", DICE)
    progress.keep(root, own, check("10_unet", progress.notebook_of(own, "10_unet"), root=root))
    whole = json.loads((own / progress.RECORD).read_text())
    for broken in ("{", "[]", json.dumps({"10_unet": 3}), json.dumps({"10_unet": {"key": whole["10_unet"]["key"]}})):
        (own / progress.RECORD).write_text(broken)
        assert states(root, own)["10_unet"] == ("changed", 0, 6)


def test_all_grades_what_changed_and_nothing_else(root, own, capsys, monkeypatch):
    answer(own, "10_unet", DICE)
    answer(own, "16_transfer_features", "number_of_steps = 7", name="steps")
    graded = []

    def counted(lab, *args, **options):
        graded.append(lab)
        return check(lab, *args, **options)

    monkeypatch.setattr(progress, "check", counted)
    assert cli.main(["check", "--all", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["labs"]
    assert [(each["lab"], each["state"], each["score"], each["max"]) for each in first] == [
        ("09_multiscale_brain", "not begun", 0, 6),
        ("10_unet", "checked", 2, 6),
        ("16_transfer_features", "checked", 1, 6),
    ]
    assert {each["id"] for each in first[1]["exercises"]} == {
        "dice_overlap",
        "dice_empty",
        "window_range",
        "steps_count",
    }
    assert graded == ["10_unet", "16_transfer_features"]
    assert cli.main(["check", "--all"]) == 0
    assert len(graded) == 2
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "Medical applications"
    assert (
        out.index("Medical applications")
        < out.index("Cells by U-Net")
        < out.index("Network exploration")
        < out.index("Borrowed")
    )
    assert out.endswith("2 of 3 labs checked, 3 of 18 points\n")


def test_a_notebook_that_cannot_be_read_is_said_and_costs_no_other(root, own, capsys):
    progress.notebook_of(own, "09_multiscale_brain").write_text("not a notebook")
    answer(own, "10_unet", DICE)
    assert cli.main(["check", "--all"]) == 1
    out = capsys.readouterr().out
    assert "cannot be graded: expected a notebook, got a file that is not JSON" in out
    assert "1 of 3 labs checked, 2 of 12 points" in out


def test_only_the_own_notebook_counts(root, own, tmp_path, capsys):
    answer(own, "10_unet", DICE)
    other = tmp_path / "of_ann.ipynb"
    shutil.copy(progress.notebook_of(own, "10_unet"), other)
    assert cli.main(["check", "10_unet", str(other)]) == 0
    assert "so far" not in capsys.readouterr().out
    assert not (own / progress.RECORD).exists()
    assert cli.main(["check", "10_unet"]) == 0
    assert "so far: 1 of 3 labs checked, 2 of 18 points" in capsys.readouterr().out


def test_a_workspace_that_cannot_be_written_costs_one_line(root, own, monkeypatch):
    answer(own, "10_unet", DICE)
    result = check("10_unet", progress.notebook_of(own, "10_unet"), root=root)
    (own / progress.RECORD).mkdir()
    with pytest.raises(CourseError, match="cannot write"):
        progress.keep(root, own, result)


def test_the_map_has_every_unit_of_the_course():
    found = [progress.Standing(unit.slug, "not begun", 0, 5, []) for unit in UNITS]
    shown = progress.as_map(found, Ink())
    assert all(unit.title in shown and unit.part in shown for unit in UNITS)


def test_hints_are_found_and_belong_to_their_answers():
    hints = hints_of(read_notebook(ROOT / "assignments" / "10_unet" / "10_unet.ipynb"))
    assert hints["output_side"].startswith("Two loops of `depth` rounds")
    assert hints["unet"] == hints["crop_and_concatenate"]  # one hint for both answers of the exercise
    for lab in sorted((ROOT / "solutions").glob("*.py")):
        notebook = lab_notebook(lab)
        answers = {
            cell.metadata.nbgrader.grade_id
            for cell in notebook.cells
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
        }
        assert set(hints_of(notebook)) == answers, lab.stem


def test_a_hint_is_shown_to_those_who_tried(root, own, capsys):
    hint = "<details><summary>Hint</summary>\n\nLook at two empty masks.\n\n</details>"
    for path in (release.release_path(root, "10_unet"), progress.notebook_of(own, "10_unet")):
        notebook = json.loads(path.read_text())
        at = next(i for i, cell in enumerate(notebook["cells"]) if "dice_overlap" in json.dumps(cell["metadata"]))
        notebook["cells"].insert(at, {"cell_type": "markdown", "id": "hint", "metadata": {}, "source": hint})
        path.write_text(json.dumps(notebook))
    assert cli.main(["check", "10_unet"]) == 0
    assert "hint:" not in capsys.readouterr().out
    answer(own, "10_unet", DICE)
    assert cli.main(["check", "10_unet"]) == 0
    out = capsys.readouterr().out
    assert "dice of two empty masks should be 1, got 0.0: is the zero denominator guarded?" in out
    assert out.count("hint: Look at two empty masks.") == 1
