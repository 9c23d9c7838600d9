import importlib.metadata
import json
import sys
from pathlib import Path

import pytest

from medcourse import cli, doctor

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own_course(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDCOURSE_ROOT", str(ROOT))
    monkeypatch.setenv("MEDCOURSE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def finding(name, workspace):
    (found,) = [each for each in doctor.examine(workspace) if each.name == name]
    return found


def test_a_machine_that_runs_the_tests_is_well(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert all(set(each) == {"name", "state", "detail"} for each in report["findings"])
    assert {each["state"] for each in report["findings"]} <= {"ok", "note"}
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(report["findings"])
    assert lines[0] == f"ok       python       {sys.version.split()[0]} in {sys.prefix}"


def test_a_package_that_is_missing_or_old_is_a_problem(monkeypatch, tmp_path, capsys):
    versions = {"monai": None, "jupytext": "1.0", "tqdm": "99.0"}
    installed = importlib.metadata.version

    def version(name):
        if name not in versions:
            return installed(name)
        if versions[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert finding("monai", tmp_path).state == "problem"
    assert finding("monai", tmp_path).detail.startswith("none installed, needs >=")
    assert finding("jupytext", tmp_path).detail.startswith("1.0 installed, needs >=")
    assert (finding("tqdm", tmp_path).state, finding("tqdm", tmp_path).detail[:24]) == (
        "note",
        "99.0 installed, tested w",
    )
    assert cli.main(["doctor"]) == 1
    assert "problem  monai" in capsys.readouterr().out


def test_commands_beside_python_but_not_on_path_are_a_note(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert finding("alembic", tmp_path).state == "note"
    assert "activate" in finding("alembic", tmp_path).detail
    assert finding("chromium", tmp_path).state == "note"


def test_a_kernel_of_another_python_is_a_problem(monkeypatch, tmp_path):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/elsewhere/bin/python", "-m", "ipykernel_launcher"], "display_name": "x", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    assert finding("kernel", tmp_path).state == "ok"
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert finding("kernel", tmp_path).state == "problem"
    assert "/elsewhere/bin/python" in finding("kernel", tmp_path).detail


def test_a_workspace_that_cannot_be_made_is_a_problem(tmp_path):
    assert finding("workspace", tmp_path / "deep" / "down").state == "ok"
    assert finding("workspace", Path("/proc/medcourse")).state == "problem"
    assert not (tmp_path / "deep").exists()


def test_a_small_machine_gets_a_note(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "MEMORY_GB", 10**6)
    monkeypatch.setattr(doctor, "DISK_GB", 10**9)
    assert finding("memory", tmp_path).state == finding("disk", tmp_path).state == "note"
