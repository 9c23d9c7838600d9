"""The command line: what it prints where, its exit codes, and that bad input costs one line and nothing else."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from medcourse import __version__, cli, effects

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A course of one small unit, built, which the command line takes for its own."""
    folder = tmp_path / "course_root"
    (folder / "course").mkdir(parents=True)
    (folder / "course" / "00_mini.py").write_text("# %% [markdown]\n# # A lesson\n")
    (folder / "assignments").mkdir()
    (folder / "solutions").mkdir()
    shutil.copy(ROOT / "tests" / "data" / "mini_lab.py", folder / "solutions" / "00_mini.py")
    monkeypatch.setenv("MEDCOURSE_ROOT", str(folder))
    monkeypatch.setenv("MEDCOURSE_WORKSPACE", str(tmp_path / "workspace"))
    assert cli.main(["build"]) == 0
    return folder


def refused(capsys, *arguments):
    """Run a command that must fail as bad input does, and return its one line."""
    capsys.readouterr()
    assert cli.main([str(each) for each in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("medcourse: ")
    return err


def printed_json(capsys, *arguments):
    """Run a command with `--json` and return the one object on its standard output."""
    capsys.readouterr()
    assert cli.main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("arguments", [["--help"], ["lab", "--help"], ["data", "get", "--help"]])
def test_help(capsys, arguments):
    with pytest.raises(SystemExit) as leave:
        cli.main(arguments)
    assert leave.value.code == 0
    assert "usage: medcourse" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"medcourse {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the following arguments are required: COMMAND (see `medcourse --help`)"),
        (["perish"], "invalid choice: 'perish'"),
        (["lab", "--port", "http"], "argument --port: invalid int value: 'http' (see `medcourse lab --help`)"),
        (["data"], "required: list|get (see `medcourse data --help`)"),
        (["data", "get", "nothing"], "no data set is called 'nothing'"),
        (["check", "99_nothing"], "unknown lab '99_nothing', expected one of: 00_mini"),
        (["check", "00_mini"], "found no file at"),
        (["check"], "expected the name of a lab or --all, got both or neither"),
        (["check", "00_mini", "--all"], "expected the name of a lab or --all, got both or neither"),
        (["check", "00_mini", "--jason", "a.ipynb"], "unrecognized arguments: --jason"),
        (["check", "00_mini", "a.ipynb", "b.ipynb"], "unrecognized arguments: b.ipynb"),
        (["build", "99_nothing"], "unknown lab '99_nothing'"),
        (["build", "--check", "00_mini"], "--check looks at all units, got 00_mini: leave the names out"),
        (["effects", "99_nothing"], "no lab '99_nothing' with a reference solution here; there are: 00_mini"),
        (["effects", "00_mini", "--seeds", "0"], "expected at least 2 seeds"),
        (["effects", "00_mini", "--data", "nowhere"], "expected a folder of data, found none at nowhere"),
        (["effects", "--data", "nowhere"], "got --data alone: name it"),
    ],
)
def test_bad_input(root, capsys, arguments, line):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    got = refused(capsys, *arguments)
    assert line in got
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_no_course(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDCOURSE_ROOT", str(tmp_path))
    assert "expected a folder with course/ and assignments/" in refused(capsys, "lab")


def test_notebook_that_is_not_json(root, tmp_path, capsys):
    (tmp_path / "mine.ipynb").write_text("not a notebook")
    assert "not JSON" in refused(capsys, "check", "00_mini", tmp_path / "mine.ipynb")
    assert (tmp_path / "mine.ipynb").read_text() == "not a notebook"


def test_workspace_that_is_a_file(root, tmp_path, capsys):
    (tmp_path / "mine").write_text("a letter")
    assert "expected a workspace that can be written" in refused(capsys, "lab", tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "a letter"


def test_lab_check(root, tmp_path, capsys):
    capsys.readouterr()
    assert cli.main(["lab", "--check"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{tmp_path / 'workspace'}: 2 notebooks, 2 new"
    assert out[2].startswith("lessons/00_mini.ipynb: 1 cells, opens")
    assert out[3].startswith("labs/00_mini.ipynb: ")
    assert out[-1] == "JupyterLab stopped"


def test_build_then_stale_then_built(root, capsys):
    assert cli.main(["build", "--check"]) == 0
    assert cli.main(["build"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "assignments/ is as built already"
    source = root / "solutions" / "00_mini.py"
    source.write_text(source.read_text().replace("in a second.", "in a moment."))
    assert "stale: assignments/00_mini/00_mini.ipynb: run `medcourse build`" in refused(capsys, "build", "--check")
    assert cli.main(["build", "00_mini"]) == 0
    assert capsys.readouterr().out == "built assignments/00_mini/00_mini.ipynb\n"


def test_check_grades_the_lab_in_the_workspace(root, tmp_path, capsys):
    notebook = tmp_path / "workspace" / "labs" / "00_mini.ipynb"
    notebook.parent.mkdir(parents=True)
    shutil.copy(root / "assignments" / "00_mini" / "00_mini.ipynb", notebook)
    result = printed_json(capsys, "check", "00_mini")
    assert set(result) == {"lab", "score", "max", "exercises"}
    assert (result["lab"], result["score"]) == ("00_mini", 0)
    assert result["max"] == sum(exercise["points"] for exercise in result["exercises"]) > 0
    assert all(set(exercise) == {"id", "points", "score", "message"} for exercise in result["exercises"])

    assert cli.main(["check", "00_mini", str(notebook)]) == 0
    *exercises, total, so_far = capsys.readouterr().out.splitlines()
    assert total.endswith(f"  00_mini: 0 of {result['max']:g} points, hidden tests included")
    assert so_far.startswith(f"so far: 0 of 1 labs checked, 0 of {result['max']:g} points")
    assert (
        exercises[0][2:] == f"0/{result['exercises'][0]['points']:g}  {result['exercises'][0]['id']}  not answered yet"
    )


def test_an_option_may_stand_anywhere(root, tmp_path, capsys):
    notebook = tmp_path / "mine.ipynb"
    shutil.copy(root / "assignments" / "00_mini" / "00_mini.ipynb", notebook)
    for arguments in (
        ["--json", "00_mini", notebook],
        ["00_mini", "--json", notebook],
        ["00_mini", notebook, "--json"],
    ):
        capsys.readouterr()
        assert cli.main(["check", *map(str, arguments)]) == 0
        assert json.loads(capsys.readouterr().out)["lab"] == "00_mini"


def test_data_list(capsys):
    listed = printed_json(capsys, "data", "list")["data"]
    assert "DIC-C2DH-HeLa" in [entry["name"] for entry in listed]
    assert cli.main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for entry in listed:
        assert f"{entry['name']}  {entry['size_mb']} MB" in out
        assert entry["licence"] in out


def test_data_list_searches_the_whole_catalogue(capsys):
    everything = printed_json(capsys, "data", "list", "--all")["data"]
    assert {"DRIVE", "CheXpert"} <= {row["name"] for row in everything}
    open_ones = printed_json(capsys, "data", "list", "--modality", "fundus photography", "--access", "open")["data"]
    assert {row["name"] for row in open_ones} == {"STARE", "CHASE_DB1", "FIVES"}
    assert cli.main(["data", "list", "--text", "gallbladder"]) == 0
    out = capsys.readouterr().out
    assert "Cholec80  about 80 GB" in out
    assert out.endswith("1 data sets\n")
    assert cli.main(["data", "list", "--task", "guessing"]) == 2
    assert "no task is called 'guessing'; there are classification" in capsys.readouterr().err


def test_data_get_prints_the_folder_alone(monkeypatch, capsys):
    monkeypatch.setattr("medcourse.datasets.download.fetch", lambda name: Path("cache") / name)
    assert printed_json(capsys, "data", "get", "x") == {"name": "x", "folder": str(Path("cache") / "x")}


def test_effects_are_printed_and_kept(root, capsys, monkeypatch):
    (root / "bench" / "results").mkdir(parents=True)
    row = effects.Effect("00_mini", "A paper", "a < b", "none", 1.0, 0.5, 1.5, 3, True, "holds", "simulated")
    asked = []

    def run(lab, *, data, n_seeds, quick):
        asked.append((lab, data, n_seeds, quick))
        print("a loss curve")
        return [row]

    monkeypatch.setattr(effects, "run", run)
    got = printed_json(capsys, "effects", "--seeds", "3")
    assert asked == [("00_mini", None, 3, False)]
    assert got["rows"][0]["claim"] == "a < b"
    assert set(got["rows"][0]) == {field.name for field in fields(effects.Effect)}
    table = root / "bench" / "results" / "effects.json"
    assert json.loads(table.read_text()) == got
    table.unlink()
    printed_json(capsys, "effects", "--quick")
    assert asked[-1] == ("00_mini", None, effects.N_SEEDS, True)
    assert not table.exists()
    assert cli.main(["effects", "00_mini"]) == 0
    assert "0.5 to 1.5" in capsys.readouterr().out


def test_interrupt_is_one_line(root, tmp_path):
    """Interrupt a running server as a person does, with Ctrl-C in the terminal."""
    command = [sys.executable, "-m", "medcourse.cli", "lab", "--check"]
    with (tmp_path / "err").open("w+") as err:
        # A test run in the background of a shell ignores Ctrl-C, and its children would inherit that.
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=err,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (nothing else runs)
        )
        while not (tmp_path / "workspace" / ".medcourse.json").exists():
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        err.seek(0)
        assert err.read() == "medcourse: interrupted\n"
