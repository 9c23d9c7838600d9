"""Ways from a page to a running notebook: no setting, no button; what is offered is an address that fits."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jupytext
import pytest

from medcourse import publish
from medcourse.errors import CourseError
from medcourse.grading import release
from medcourse.grading.check import check
from medcourse.grading.notebooks import lesson_notebook, read_notebook
from medcourse.site.ways_out import add_ways, downloads, ways_text
from medcourse.ways import SETTINGS, Ways, read_ways

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/some-one/deep.course"
FULL = Ways(
    repository=REPOSITORY,
    hub="https://hub.example.org/",
    colab="https://colab.research.google.com",
    binder="https://mybinder.org/",
    torch_index="https://index.example.org/cpu",
)


def test_without_settings_nothing_is_offered_but_this_machine():
    assert read_ways(ROOT) == Ways()
    text = ways_text(read_ways(ROOT), "lessons", "10_unet")
    assert "Open it in" not in text
    assert "http" not in text
    assert "make lab" in text


def test_addresses_are_those_that_the_places_understand():
    hub, colab, binder = (urlsplit(address) for _, address in FULL.links("lessons", "10_unet"))
    assert hub.geturl() == "https://hub.example.org/hub/user-redirect/lab/tree/lessons/10_unet.ipynb"
    # https://colab.research.google.com/github/OWNER/NAME/blob/BRANCH/PATH
    assert colab.path == "/github/some-one/deep.course/blob/main/colab/lessons/10_unet.ipynb"
    # https://mybinder.org/v2/gh/OWNER/NAME/REF?urlpath=PATH
    assert binder.path == "/v2/gh/some-one/deep.course/main"
    assert parse_qs(binder.query) == {"urlpath": ["lab/tree/lessons/10_unet.ipynb"]}
    hub, colab, binder = (address for _, address in FULL.links("labs", "10_unet"))
    assert hub.endswith("/hub/user-redirect/lab")
    assert colab.endswith("/colab/labs/10_unet.ipynb")
    assert parse_qs(urlsplit(binder).query) == {"urlpath": ["lab/tree/assignments/10_unet/10_unet.ipynb"]}


@pytest.mark.parametrize("repository", [REPOSITORY, f"{REPOSITORY}.git", "https://git.example.org/a/deep.course.git"])
def test_nbgitpuller_gets_the_repository_and_where_its_copy_will_lie(repository):
    ways = Ways(repository=repository, hub="https://hub.example.org", nbgitpuller=True)
    ((name, address),) = ways.links("lessons", "10_unet")
    assert name == "JupyterHub"
    assert urlsplit(address).path == "/hub/user-redirect/git-pull"
    assert parse_qs(urlsplit(address).query) == {
        "repo": [repository],
        "branch": ["main"],
        "urlpath": ["lab/tree/deep.course/lessons/10_unet.ipynb"],
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("repository = ", "got a file that cannot be read"),
        ("repositry = 'https://github.com/a/b'", "expected repository (str), branch (str), "),
        ("nbgitpuller = 'yes'", "got nbgitpuller = 'yes'"),
        ("hub = 'hub.example.org'", "expected hub as an address"),
        ("hub = 'https://a.org/\"><script>'", "expected hub as an address"),
        ("branch = 'main; rm -rf .'", "expected the name of a branch"),
        ("binder = 'https://mybinder.org'", "for binder takes it from there, got ''"),
        ("colab = 'https://c.org'\nrepository = 'https://gitlab.com/a/b'", "for colab takes it from there"),
        ("hub = 'https://a.org'\nnbgitpuller = true", "expected hub and repository beside nbgitpuller"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(tmp_path, text, line):
    (tmp_path / SETTINGS).parent.mkdir()
    (tmp_path / SETTINGS).write_text(text)
    with pytest.raises(CourseError) as error:
        read_ways(tmp_path)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_the_settings_file_names_every_setting():
    named = tomllib.loads((ROOT / SETTINGS).read_text())
    assert named == vars(Ways())


def test_files_to_take_away_are_the_courses_own(tmp_path):
    lesson = lesson_notebook(ROOT / "course" / "10_unet.py")
    files = downloads(lesson, "lessons", "10_unet")
    assert set(files) == {"notebooks/lessons/10_unet.ipynb", "notebooks/lessons/10_unet.py"}
    notebook = json.loads(files["notebooks/lessons/10_unet.ipynb"])
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    back = jupytext.reads(files["notebooks/lessons/10_unet.py"].decode(), fmt="py:percent")
    assert [cell.source for cell in back.cells] == [cell.source for cell in lesson.cells]
    assert "{{" not in files["notebooks/lessons/10_unet.py"].decode().replace("{{{", "")
    compile(files["notebooks/lessons/10_unet.py"], "10_unet.py", "exec")


def test_the_lines_stand_below_the_facts():
    notebook = lesson_notebook(ROOT / "course" / "10_unet.py")
    title, _, rest = notebook.cells[0].source.partition("\n")
    notebook.cells[0].source = f"{title}\n\n:::{{div}} facts\nUnit 10\n:::\n{rest}"
    add_ways(notebook, FULL, "lessons", "10_unet")
    source = notebook.cells[0].source
    assert source.startswith(f"{title}\n\n:::{{div}} facts\nUnit 10\n:::\n\n:::{{div}} ways\nTake it away: ")
    assert source.endswith(rest)
    assert re.findall(r"\[(\w+)\]\(https", source) == ["JupyterHub", "Colab", "Binder"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small course with every setting, published."""
    root = tmp_path_factory.mktemp("ways") / "course"
    for folder in ("course", "solutions"):
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "data" / "mini_lab.py", root / "solutions" / "00_mini.py")
    (root / "course" / "00_mini.py").write_text("# %% [markdown]\n# # A lesson\n")
    settings = [f"{name} = {json.dumps(value)}" for name, value in vars(FULL).items()]
    (root / SETTINGS).write_text("\n".join(settings))
    release.build(root)
    publish.publish(root, root.parent / "public")
    return root.parent / "public"


def test_colab_gets_notebooks_whose_first_cell_installs(published):
    for kind, original in (("lessons", "lessons/00_mini.ipynb"), ("labs", "assignments/00_mini/00_mini.ipynb")):
        first, *rest = read_notebook(published / "colab" / kind / "00_mini.ipynb").cells
        assert first.source == FULL.first_cell()
        assert rest == read_notebook(published / original).cells


def test_the_first_cell_installs_nothing_where_the_course_is(published, tmp_path):
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415

    ran = []
    shell = InteractiveShell.instance()
    try:
        shell.system = ran.append
        shell.register_magic_function(ran.append, "line", "pip")
        assert shell.run_cell(FULL.first_cell()).success
        assert ran == []
        hidden = FULL.first_cell().replace('find_spec("medcourse")', 'find_spec("no_such_course")')
        assert shell.run_cell(hidden).success
    finally:
        InteractiveShell.clear_instance()
    clone, install = ran
    assert clone.split()[:2] == ["git", "clone"]
    assert REPOSITORY in clone
    assert install.endswith("--constraint medcourse-course/constraints.txt ./medcourse-course")


def test_a_lab_solved_on_colab_is_graded_like_any_other(published):
    here = check("00_mini", published / "assignments" / "00_mini" / "00_mini.ipynb", root=published)
    there = check("00_mini", published / "colab" / "labs" / "00_mini.ipynb", root=published)
    assert there.exercises == here.exercises
    assert there.notes == []


def test_binder_gets_what_pip_understands(published):
    lines = (published / "binder" / "requirements.txt").read_text().splitlines()
    assert lines == ["--extra-index-url https://index.example.org/cpu", "-c ../constraints.txt", "-e ."]
    assert re.fullmatch(r"python-3\.\d+\n", (published / "binder" / "runtime.txt").read_text())


def test_the_package_installs_with_all_its_files():
    """Colab installs a copy, and not the folder itself: what is no module must be named in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["medcourse"]
    run = subprocess.run(["git", "-C", ROOT, "ls-files", "medcourse"], check=False, capture_output=True, text=True)
    if run.returncode:
        pytest.skip("not a git checkout")
    package = ROOT / "medcourse"
    covered = {path for pattern in patterns for path in package.glob(pattern)}
    files = {ROOT / name for name in run.stdout.splitlines() if not name.endswith(".py")}
    assert sorted(str(path.relative_to(ROOT)) for path in files - covered if path.exists()) == []
