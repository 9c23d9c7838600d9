"""Validate on a student's server: it says what fails, and the server answers others while it runs."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from medcourse import hub
from medcourse.server import serve

PERSON = Path(hub.__file__).parent / "jupyter" / "person"
RUNS_SECONDS = 3
POINTS = {"grade": True, "solution": False, "task": False, "locked": True, "points": 1, "schema_version": 3}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    cells = [
        new_code_cell(f"import time\ntime.sleep({RUNS_SECONDS})"),
        new_code_cell("assert 1 == 2, 'one is not two'", metadata={"nbgrader": POINTS | {"grade_id": "one"}}),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "lab").mkdir()
    nbformat.write(notebook, folder / "lab" / "lab.ipynb")
    with serve(folder, environment={"JUPYTER_CONFIG_PATH": str(PERSON)}) as running:
        yield running


def validate(server, **fields):
    """Ask as the button does."""
    request = urllib.request.Request(
        f"{server.url}/assignments/validate",
        urllib.parse.urlencode(fields).encode(),
        {"Authorization": f"token {server.token}"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def is_of(process, server):
    port = urllib.parse.urlsplit(server.url).port
    return f"--ServerApp.port={port}" in (process.info["cmdline"] or [])


def test_the_server_answers_while_one_click_after_the_other_runs(server):
    (process,) = (each for each in psutil.process_iter(["cmdline"]) if is_of(each, server))
    began, answers, folders = time.monotonic(), 0, {process.cwd()}
    with ThreadPoolExecutor(2) as pool:
        clicks = [pool.submit(validate, server, path="lab/lab.ipynb") for _ in range(2)]
        while not any(click.done() for click in clicks):
            server.get("api/status")
            answers += 1
            folders.add(process.cwd())
            time.sleep(0.1)
    for found in (click.result() for click in clicks):
        assert found["success"], found
        assert "one is not two" in json.dumps(found["value"])
    assert time.monotonic() - began > 2 * RUNS_SECONDS
    assert answers > 3, "nbgrader's own lets one or two answers through, the last after all of the notebook's seconds"
    assert len(folders) == 1, "what the server does meanwhile, such as to fetch a lab, is done where it always is"


def test_no_path_and_a_path_of_elsewhere_are_refused(server):
    for fields, code in (({}, 400), ({"path": "../lab.ipynb"}, 403)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            validate(server, **fields)
        assert refused.value.code == code
        refused.value.close()
