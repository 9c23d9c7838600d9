"""The same labs, three ways: in a student's own kernel, by stock nbgrader, and by our grader, scores are equal.

Many submissions are run in one process that forks for each, as one kernel would run them; a few in real kernels and by
nbgrader with the settings that it comes with.
"""

import asyncio
import copy
import json
import os
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
from nbclient import NotebookClient
from traitlets.config import Config

from medcourse.grading import cells, proofs, release
from medcourse.grading.check import put_in_hidden_tests
from medcourse.grading.notebooks import lab_notebook, read_notebook, to_text
from medcourse.grading.plan import Limits, graded_cells
from medcourse.grading.sandbox.engine import imports_of
from tests import anatomy

ROOT = Path(__file__).resolve().parents[1]
LABS = sorted((ROOT / "solutions").glob("[0-9]*.py"))
LIMITS = Limits(cell_seconds=60, total_seconds=120)
SEED = "20261124"
ONE_PROCESS = """
import importlib, json, os, sys
from pathlib import Path
from medcourse.grading.runner import Runner
job = json.loads(Path(sys.argv[1]).read_text())
for name in job["preload"]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for number, cells in enumerate(job["submissions"]):
    if os.fork() == 0:
        try:
            with open(f"{number}.jsonl", "w") as report:
                runner = Runner(report, 60.0)
                for cell in cells:
                    runner.run(cell)
        finally:
            os._exit(0)
    os.wait()
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("MEDCOURSE_SECRET_SEED", SEED)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # nbgrader's alembic


@pytest.fixture(scope="module", params=LABS, ids=lambda path: path.stem)
def course(request, tmp_path_factory):
    """A course folder with one lab, built, as an instructor with stock nbgrader has it."""
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "bench" / "results", root / "bench" / "results")
    shutil.copytree(ROOT / "solutions" / "pictures", root / "solutions" / "pictures")
    shutil.copy(request.param, root / "solutions")
    release.build(root)
    return root, root / "solutions" / request.param.name


def submissions(root, path):
    """Return honest submissions as notebooks with all tests in them, by name."""
    stub = read_notebook(release.release_path(root, path.stem))
    put_in_hidden_tests(stub, lab_notebook(path))
    answers = proofs.reference_answers(path)
    half = dict(list(answers.items())[::2])
    proof = proofs.load_proof(ROOT / "tests" / "labs" / path.name)
    mistakes, alternatives = (proofs.variants_of(path, edits) for edits in (proof.mistakes, proof.alternatives))
    mixed = {variant.answer: variant.source for variant in mistakes[::3]}
    chosen = {"stub": {}, "solution": answers, "half": half, "a mistake in each": mixed}
    single = (*mistakes, *alternatives)[:: anatomy.EVERY]
    chosen |= {f"{v.answer}: {v.name}": answers | {v.answer: v.source} for v in single}
    chosen["others"] = answers | {variant.answer: variant.source for variant in alternatives}
    return {name: with_answers(stub, sources) for name, sources in chosen.items()}


def with_answers(notebook, sources):
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        cell.source = sources.get(cells.grade_id(cell), cell.source)
    return notebook


def draws_without_a_seed(notebook):
    """Say whether an answer is another one each time, a mistake that labs name: its scores are too."""
    return any("default_rng()" in cell.source for cell in notebook.cells)


def scores_of(run):
    return {exercise.id: exercise.score for exercise in run.exercises}


def start_in_one_process(todo, folder):
    """Start to run submissions, each in a fork of one process that has the lab's imports."""
    job = {"preload": imports_of(todo[0]), "submissions": [[asdict(cell) for cell in each] for each in todo]}
    (folder / "job.json").write_text(json.dumps(job))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", ONE_PROCESS, "job.json"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | {"MPLBACKEND": "agg"},
    )


def scores_in_one_process(process, folder, count):
    assert process.wait(300) == 0
    reports = [(folder / f"{number}.jsonl").read_text().splitlines() for number in range(count)]
    events = [[json.loads(line) for line in report] for report in reports]
    return [{e["id"]: e["score"] for e in report if e["event"] == "verdict"} for report in events]


def test_scores_are_those_of_ones_own_kernel(course, tmp_path):
    root, path = course
    named = submissions(root, path)
    todo = [relevant(graded_cells(notebook), name) for name, notebook in named.items()]
    process = start_in_one_process(todo, tmp_path)
    ours = list(map(scores_of, proofs.run_many(todo, limits=LIMITS, workers=1)))
    own = scores_in_one_process(process, tmp_path, len(todo))
    different = {
        name: [(test, own_one[test], score) for test, score in our_one.items() if own_one.get(test) != score]
        for name, own_one, our_one in zip(named, own, ours, strict=True)
        if own_one != our_one and not draws_without_a_seed(named[name])
    }
    assert different == {}
    by_name = dict(zip(named, ours, strict=True))
    total = sum(cell.points or 0 for cell in todo[1])
    assert sum(by_name["stub"].values()) == 0
    assert sum(by_name["solution"].values()) == sum(by_name["others"].values()) == total
    assert 0 < sum(by_name["half"].values()) < total


def relevant(todo, name):
    """Leave out the tests of answers that a variant leaves as they are."""
    answer = name.partition(":")[0] if ":" in name else None
    chosen = [cell for cell in todo if cell.points is None or answer in {None, cell.answer}]
    last = max(number for number, cell in enumerate(chosen) if cell.points is not None)
    return chosen[: last + 1]


# Every test both fails and passes in these; a kernel takes seconds, so the other submissions have the one process above.
SAMPLE = ("a mistake in each", "others")


def test_scores_are_those_of_a_real_kernel_and_of_stock_nbgrader(course, tmp_path):
    root, path = course
    named = {name: notebook for name, notebook in submissions(root, path).items() if name in SAMPLE}
    todo = [graded_cells(notebook) for notebook in named.values()]
    with ThreadPoolExecutor(2) as pool:
        kernels = [pool.submit(scores_in_a_kernel, notebook, tmp_path) for notebook in named.values()]
        ours = list(map(scores_of, proofs.run_many(todo, limits=LIMITS, workers=1)))
        own = [kernel.result() for kernel in kernels]
    stock = scores_by_nbgrader(root, path.stem, list(named.values()))
    assert dict(zip(named, own, strict=True)) == dict(zip(named, ours, strict=True))
    assert dict(zip(named, stock, strict=True)) == dict(zip(named, ours, strict=True))


def without_experiments(notebook):
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type != "code" or cells.is_run(cell)]
    return notebook


def scores_in_a_kernel(notebook, folder):
    """Run all cells in a kernel; a test is passed that raises nothing, or earns the number in its last line."""
    notebook = without_experiments(notebook)
    client = NotebookClient(notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    asyncio.run(client.async_execute())  # `execute` would leave this thread's event loop open
    return {
        cells.grade_id(cell): _score(cell.outputs, cells.points(cell)) for cell in notebook.cells if cells.is_test(cell)
    }


def _score(outputs, points):
    if any(output.output_type == "error" for output in outputs):
        return 0.0
    results = [output.data["text/plain"] for output in outputs if output.output_type == "execute_result"]
    return min(float(results[-1]), points) if results else points


def scores_by_nbgrader(root, slug, notebooks):
    """Let nbgrader grade notebooks with the settings that it comes with, and return the scores of their tests."""
    from nbgrader import converters  # noqa: PLC0415
    from nbgrader.api import Gradebook  # noqa: PLC0415
    from nbgrader.coursedir import CourseDirectory  # noqa: PLC0415

    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.source_directory = str(release.SOURCE)
    config.CourseDirectory.release_directory = str(release.RELEASE)
    config.ClearMarkScheme.enforce_metadata = False  # as in any course that has marking schemes in written questions
    students = [f"student{number}" for number in range(len(notebooks))]
    for student, notebook in zip(students, notebooks, strict=True):
        handed_in = root / "submitted" / student / slug / f"{slug}.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text(to_text(without_hidden_tests(without_experiments(notebook))), encoding="utf-8")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy's, about nbgrader's models
        for converter, student in [("GenerateAssignment", "."), ("Autograde", "*")]:
            directory = CourseDirectory(config=config, assignment_id=slug, student_id=student)
            getattr(converters, converter)(coursedir=directory, config=config, force=True).start()
        with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
            for student in students:
                grades = gradebook.find_submission(slug, student).notebooks[0].grades
                found.append({grade.name: grade.auto_score for grade in grades if grade.cell.cell_type == "code"})
    return found


def without_hidden_tests(notebook):
    """Return a notebook as its student has it: nbgrader puts the hidden tests back."""
    for cell in notebook.cells:
        cell.source = cells.without_regions(cell.source, cells.HIDDEN_TESTS)
    return notebook
