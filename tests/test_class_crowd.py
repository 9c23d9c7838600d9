"""`medcourse crowd`: what a class answered is read as data, loses its names, and is set beside the expert's answers."""

import json
import shutil
import time

import pytest

from medcourse import cli
from medcourse.class_votes import judge_class
from medcourse.datasets import read_crowd_table
from medcourse.errors import CourseError
from medcourse.grading import cells
from medcourse.grading.crowd import gather, read_answers
from medcourse.grading.notebooks import lab_notebook, node, to_text
from tests.small_class import ROOT, hand_in

LAB = "00_mini"
EXPERT = {0: 1, 1: 0, 2: 1, 3: 0, 4: 1, 5: 0}
GAME = f"""
# %% nbgrader={{"grade": false, "grade_id": "labels_of_the_game", "locked": false, "schema_version": 3, "solution": true, "task": false}}
### BEGIN SOLUTION
my_answers = {EXPERT}
### END SOLUTION
"""
ANSWERS = {
    "ada": "my_answers = {0: 1, 1: 0, 2: 1, 3: 0, 4: 1, 5: 0}  # 6 of 6 answered, 2.0 s each (median)",
    "ben": "my_answers = {0: 1, 1: 0, 2: 1, 3: 1, 4: 1}",
    "cho": "# my labels\nmy_answers = {\n    0: 1,\n    1: 0,\n    2: 0,\n    3: 1,\n    4: 1,\n    5: 0,\n}",
    "dan": "raise NotImplementedError()",
    "eve": "import os\nmy_answers = {k: os.system('touch owned') for k in range(6)}",
    "fay": "my_answers = {0: 1, 1: 7}",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course whose small lab ends in a game, which the command line takes for its own."""
    folder = tmp_path / "course"
    for name in ("course", "solutions", "assignments"):
        (folder / name).mkdir(parents=True)
    text = (ROOT / "tests" / "data" / "mini_lab.py").read_text(encoding="utf-8")
    (folder / "solutions" / f"{LAB}.py").write_text(text + GAME, encoding="utf-8")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def play(root, student, *sources):
    """Hand in a notebook whose game cell holds this, once for each source."""
    notebook = lab_notebook(root / "solutions" / f"{LAB}.py")
    (place,) = [i for i, cell in enumerate(notebook.cells) if cells.grade_id(cell) == "labels_of_the_game"]
    copies = [
        node(**(notebook.cells[place] | {"source": source, "id": f"game-{n}"})) for n, source in enumerate(sources)
    ]
    notebook.cells[place : place + 1] = copies
    hand_in(root, student, to_text(notebook).encode())


@pytest.fixture
def class_of_six(root):
    for student, source in ANSWERS.items():
        play(root, student, source)
    return root


def test_a_class_is_gathered_and_what_is_damaged_is_left_out_with_a_line(class_of_six, tmp_path):
    found = gather(class_of_six, LAB)
    assert found.n_submissions == 6
    assert found.expert == EXPERT
    assert sorted(line.split(":")[0] for line in found.dropped) == ["dan", "eve", "fay"]
    said = dict(line.split(": ", 1) for line in found.dropped)
    assert said["dan"].startswith("has not played")
    assert said["eve"] == "expected whole numbers and words as images and classes, got something else"
    assert said["fay"] == "expected images of the lab and classes 0, 1, got 1: 7 and 0 more such answers"
    assert not list(tmp_path.rglob("owned"))
    players = {worker: {i: k for w, i, k in found.rows if w == worker} for worker in ("w1", "w2", "w3")}
    assert len(found.rows) == 6 + 5 + 6
    assert EXPERT in players.values()
    assert {0: 1, 1: 0, 2: 1, 3: 1, 4: 1} in players.values()


def test_nobody_can_be_told_from_the_table(class_of_six):
    tables = {gather(class_of_six, LAB).as_csv() for _ in range(100)}
    assert not any(student in table for student in ANSWERS for table in tables)
    # Who is w1 is drawn anew each time. Of the six orders of three players all but certainly each came up.
    assert len(tables) == 6


def test_the_command_writes_a_table_that_the_course_reads(class_of_six, tmp_path, capsys):
    out = tmp_path / "answers.csv"
    assert cli.main(["crowd", LAB, "--json", "--out", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["n_submissions"], said["n_workers"], said["n_items"], said["n_answers"]) == (6, 3, 6, 17)
    # Five of six, four of five and four of six right by hand: item 3 is lost by the majority, the others are won.
    assert said["single"] == pytest.approx((6 / 6 + 4 / 5 + 4 / 6) / 3)
    assert (said["single_low"], said["single_high"]) == (pytest.approx(4 / 6), 1.0)
    assert said["majority"] == pytest.approx(5 / 6)
    assert said["hardest"][0] == {"item": 3, "expert": 0, "share": pytest.approx(1 / 3)}
    assert {vote["item"]: vote["majority"] for vote in said["votes"]} == EXPERT | {3: 1}
    assert out.read_text().splitlines()[0] == "worker,item,label,truth"
    table = read_crowd_table(out)
    assert len(table.label) == 17
    assert dict(zip(table.item_names, table.truth.tolist(), strict=True)) == {str(i): k for i, k in EXPERT.items()}


def test_the_report_for_people(class_of_six, capsys):
    assert cli.main(["crowd", LAB]) == 0
    out = capsys.readouterr().out
    assert "left out dan: has not played: no answers in it" in out
    assert "17 answers of 3 of 6 students about 6 images, names left out" in out
    assert " 83%  the majority" in out
    assert "hard: image 3, expert says 0, 33% agree" in out


def test_of_copies_of_the_cell_the_last_that_says_something_counts(root):
    play(root, "gil", "my_answers = {0: 0}", "my_answers = {0: 1, 1: 1}", "raise NotImplementedError()")
    assert gather(root, LAB).rows == [("w1", 0, 1), ("w1", 1, 1)]


def test_submissions_that_are_no_notebooks_cost_nobody_else(root):
    play(root, "ada", ANSWERS["ada"])
    hand_in(root, "hal", b"\x00 no notebook")
    hand_in(root, "ian", b"", name="other.ipynb")
    found = gather(root, LAB)
    assert len(found.rows) == 6
    assert sorted(line.split(":")[0] for line in found.dropped) == ["hal", "ian"]


@pytest.mark.parametrize(
    "text",
    [
        "my_answers = {" + "1" * 100_000 + "x}",
        "my_answers = {0: " + "1" * 50_000 + "}",
        "my_answers = {" + "-" * 100_000 + "1: 1}",
        "my_answers = {0: " + "(" * 50_000 + "1" + ")" * 50_000 + "}",
        "my_answers = {" + "0: 1, " * 60_000 + "}",
        "my_answers = {0: __import__('os')}",
        "my_answers = {0: 1e9}",
        "my_answers = {0: True}",
        "my_answers = {'=cmd()': 1}",
        "my_answers = {0, 1}",
        "my_answers = {0: 1, {}: 2}",
        "my_answers = dict(enumerate([1, 0]))",
        "my_answers = game.answers",
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_plain_table_is_refused_at_once(text):
    before = time.process_time()
    with pytest.raises(CourseError, match="expected"):
        read_answers(text)
    assert time.process_time() - before < 1


def test_names_of_images_and_classes_may_be_words():
    assert read_answers("my_answers = {'b07.png': 'cell', \"b08\": 'mitosis'}") == {"b07.png": "cell", "b08": "mitosis"}
    assert read_answers("my_answers = {0: 0}\nmy_answers = {0: 1}") == {0: 1}


def test_without_a_game_a_class_or_anything_to_use(root, capsys):
    assert cli.main(["crowd", LAB]) == 2
    assert "expected submissions in" in capsys.readouterr().err
    play(root, "dan", ANSWERS["dan"])
    assert cli.main(["crowd", LAB]) == 2
    err = capsys.readouterr().err
    assert "found none that could be used: dan: has not played" in err
    lab = root / "solutions" / f"{LAB}.py"
    lab.write_text(lab.read_text().replace("labels_of_the_game", "another"))
    assert cli.main(["crowd", LAB]) == 2
    assert "found none: it has no labelling game" in capsys.readouterr().err


def test_a_class_without_an_expert_is_counted_and_compared_with_nobody():
    votes = judge_class("18", [("w1", 0, 1), ("w2", 0, 1), ("w1", 1, 0)], {}, n_submissions=2)
    assert votes.majority is None
    assert [vote["majority"] for vote in votes.votes] == [1, 0]
    assert "nothing to compare with" in str(votes)


def test_a_tied_vote_is_half_right():
    votes = judge_class("18", [("w1", 0, 1), ("w2", 0, 0), ("w1", 1, 0), ("w2", 1, 0)], {0: 1, 1: 0}, n_submissions=2)
    assert votes.majority == 0.75
