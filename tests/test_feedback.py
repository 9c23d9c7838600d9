"""The page that students get back: what must be on it, what must never be, and that it runs and loads nothing."""

import base64
import copy
import os
import shutil
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from traitlets.config import PyFileConfigLoader

from medcourse.grading import cells, feedback, harmless, release
from medcourse.grading.leaks import find_leaks
from medcourse.grading.notebooks import node, read_notebook, to_text
from medcourse.grading.plan import Exercise, Run
from tests.browser import FLAGS, find_chromium

ROOT = Path(__file__).resolve().parents[1]
MINI = Path(__file__).parent / "data" / "mini_lab.py"
POINTS = {"dice_overlap": 2.0, "dice_empty": 1.0, "window_range": 2.0, "steps_count": 1.0}
RIGHT = {
    "dice": "def dice(a, b):\n    n = a.sum() + b.sum()\n    return 2 * (a & b).sum() / n if n else 1.0\nprint('mine')",
    "window": "def window(image, low, high):\n    return ((np.asarray(image) - low) / (high - low)).clip(0, 1)",
    "steps": "number_of_steps = 3 + 4",
    "why": "Small ones: $\\sigma \\to 0$.",
}
DOT = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
).decode()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "solutions").mkdir()
    shutil.copy(MINI, root / "solutions" / "mini.py")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release.build(root)
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader calls alembic, which it looks for on the PATH.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        convert("GenerateAssignment", root)
        yield root


def convert(converter, root, student=".", outcome=None):
    """Run one of nbgrader's converters as its command does; an outcome stands for having run the submission."""
    from nbgrader import converters  # noqa: PLC0415
    from nbgrader.coursedir import CourseDirectory  # noqa: PLC0415

    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    course = CourseDirectory(config=config, assignment_id="mini", student_id=student)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy's, about nbgrader's models
        made = getattr(converters, converter)(coursedir=course, config=config, force=True)
        if outcome is not None:
            made.outcome = outcome
        made.start()


def run_of(scores=None, messages=None, outputs=None):
    """Say what came of running a submission."""
    scores, messages = POINTS | (scores or {}), messages or {}
    exercises = [
        Exercise(name, points, scores[name], messages.get(name, ""), "AssertionError" if name in messages else "")
        for name, points in POINTS.items()
    ]
    return Run(exercises, outputs=outputs or {}, tier="namespaces")


def page_of(course, student, answers, run, *, edit=None, tamper=None, gradebook=None):
    """Hand in, autograde to an outcome, and return the page; `tamper` changes the autograded notebook."""
    notebook = copy.deepcopy(read_notebook(release.release_path(course, "mini")))
    for cell in notebook.cells:
        cell.source = answers.get(cells.grade_id(cell), cell.source)
    if edit:
        edit(notebook)
    path = course / "submitted" / student / "mini" / "mini.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(to_text(notebook), encoding="utf-8")
    convert("Autograde", course, student, ({}, run))
    if tamper:
        graded = course / "autograded" / student / "mini" / "mini.ipynb"
        graded.chmod(0o644)
        notebook = read_notebook(graded)
        tamper(notebook)
        graded.write_text(to_text(notebook), encoding="utf-8")
    if gradebook:
        grade_by_hand(course, student, gradebook)
    convert("GenerateFeedback", course, student)
    return (course / "feedback" / student / "mini" / "mini.html").read_text(encoding="utf-8")


def grade_by_hand(course, student, change):
    from nbgrader.api import Gradebook  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            change(gradebook, student)
            gradebook.db.commit()


class Reader(HTMLParser):
    """What a page has: its text, its tables, and everything that could run or load."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.rows, self._skip = [], [], "", [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._skip = tag == "style"
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"} and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self._skip = False
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data):
        if self._skip:
            return
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def row(self, start):
        return next([" ".join(cell.split()) for cell in row] for row in self.rows if row and row[0].startswith(start))


def complaints(page):
    """Return what on a page could run code, call out, or be taken for the page's own."""
    reader = Reader(page)
    found = [
        f"<{tag}>"
        for tag in reader.tags
        if tag in {"script", "iframe", "object", "embed", "svg", "link", "form", "base"}
    ]
    for tag, name, value in reader.attributes:
        if name.startswith("on") or name in {"style", "srcset", "background", "formaction", "action", "ping", "poster"}:
            found.append(f"{tag} {name}={value[:40]}")
        if name == "src" and not value.startswith(("data:image/png;", "data:image/jpeg;", "data:image/gif;")):
            found.append(f"{tag} src={value[:40]}")
        if name == "href" and not value.startswith(("#", "https:", "http:", "mailto:")):
            found.append(f"{tag} href={value[:40]}")
    return found + ["two style sheets"] * (reader.tags.count("style") != 1)


def test_right_answers_are_shown_with_what_they_earned(course):
    run = run_of(outputs={"dice": [{"output_type": "stream", "name": "stdout", "text": "mine\n"}]})
    page = page_of(course, "right", RIGHT, run)
    reader = Reader(page)
    assert reader.row("dice: overlap") == ["dice: overlap", "✓ earned", "2 of 2", ""]
    assert reader.row("why") == ["why", "… to be read", "0 of 3", ""]
    assert reader.row("Exercise 1: Dice") == ["Exercise 1: Dice", "3 of 3", ""]
    assert "6 of 9 points, of which 3 are still to be given by a person" in " ".join(reader.text.split())
    assert "return 2 * (a & b).sum() / n if n else 1.0" in reader.text
    assert "mine\n" in reader.text
    assert "Small ones: σ → 0." in reader.text
    assert "Graded in tier namespaces" in reader.text
    assert "dice(np.array([True, True]), np.array([True, False]))" in reader.text, "the visible part of a test"
    assert "The test goes on" in reader.text
    assert "had to be mended" not in reader.text
    assert complaints(page) == []


def test_what_was_lost_is_explained(course):
    message = "dice of two empty masks should be 1, got 0.0: is the <zero> denominator guarded?"
    run = run_of(
        {"dice_empty": 0.0, "window_range": 1.0, "steps_count": 0.0},
        {"dice_empty": message, "steps_count": "did not run"},
    )
    error = {
        "output_type": "error",
        "ename": "NameError",
        "evalue": "x",
        "traceback": ["\x1b[0;31mNameError\x1b[0m: x"],
    }
    run.outputs["steps"] = [error]
    reader = Reader(page_of(course, "partly", RIGHT, run))
    assert reader.row("dice: empty") == ["dice: empty", "✗ lost", "0 of 1", message]
    assert reader.row("window: range") == ["window: range", "◐ partly", "1 of 2", "a part of what it looks at is right"]
    assert reader.row("steps: count")[3] == "did not run"
    assert "NameError: x" in reader.text


def test_an_empty_submission_says_so_everywhere(course):
    run = run_of(dict.fromkeys(POINTS, 0.0), dict.fromkeys(POINTS, cells.NOT_ANSWERED))
    page = page_of(course, "empty", {}, run)
    reader = Reader(page)
    assert [reader.row(name)[3] for name in ("dice: overlap", "dice: empty", "window: range", "steps: count")] == [
        cells.NOT_ANSWERED
    ] * 4
    assert reader.row("why")[1:] == ["✗ lost", "0 of 3", cells.NOT_ANSWERED]
    assert "who graded" not in reader.text, "nbgrader's own words are no person's comment"
    assert find_leaks(MINI, {"page": page}) == []


def test_what_was_mended_stands_at_the_top(course):
    def delete_a_test(notebook):
        notebook.cells = [cell for cell in notebook.cells if cells.grade_id(cell) != "dice_empty"]

    text = Reader(page_of(course, "mended", RIGHT, run_of(), edit=delete_a_test)).text
    assert "The test cell dice_empty is missing: it was put back." in text
    assert text.index("had to be mended") < text.index("Summary")


def test_a_person_s_points_and_comments_are_shown(course):
    def read(gradebook, student):
        grade = gradebook.find_grade("why", "mini", "mini", student)
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 2.0, 0.5, False
        gradebook.find_comment("why", "mini", "mini", student).manual_comment = "Say *how* <script>alert(1)</script>"
        gradebook.find_comment("dice", "mini", "mini", student).manual_comment = "Neat."

    page = page_of(course, "read", RIGHT, run_of(), gradebook=read)
    reader = Reader(page)
    assert reader.row("why")[1:3] == ["◐ partly", "2.5 of 3"]
    assert "Say how <script>" in reader.text
    assert "Neat." in reader.text
    assert "still to be given" not in reader.text
    assert complaints(page) == []


def test_nothing_hidden_is_on_any_page(course):
    pages = {path.parts[-3]: path.read_text(encoding="utf-8") for path in (course / "feedback").rglob("*.html")}
    assert len(pages) >= 4
    # The answers are the students' own.
    assert [leak for leak in find_leaks(MINI, pages) if leak.kind != "solution"] == []


NASTY = """# <script>alert('title')</script>
<script>fetch('http://evil.test/1')</script>
<img src=x onerror="fetch('http://evil.test/2')"> <img src="http://evil.test/3.png"> <img srcset="http://evil.test/4 1x">
![beacon](http://evil.test/5.png) ![up](//evil.test/6.png) ![file](file:///etc/passwd) ![gone](attachment:none.png)
![vector](attachment:v.svg) ![mislabelled](attachment:m.png) ![mine](attachment:dot.png)
[click](javascript:alert(1)) <a href="jav&#x09;ascript:alert(2)">x</a> <a href="data:text/html,<script>1</script>">y</a>
</style><style>body { background: url(http://evil.test/7) } @import "http://evil.test/8";</style>
<svg onload="alert(3)"><image href="http://evil.test/9"/></svg> <math><mtext></mtext><script>alert(4)</script></math>
<iframe src="http://evil.test/10"></iframe> <object data="http://evil.test/11"></object> <link rel=stylesheet href="http://evil.test/12">
<form action="http://evil.test/13"><button formaction="http://evil.test/14">go</button></form> <base href="http://evil.test/">
<meta http-equiv="refresh" content="0;url=http://evil.test/15"> <video poster="http://evil.test/16"></video>
<p style="background:url(http://evil.test/17)">styled</p> <noscript><p title="</noscript><img src=x onerror=alert(5)>"></noscript>
<span class="state earned">✓ earned</span> <table background="http://evil.test/18"><tr><td>1</td></tr></table>

```mermaid
graph TD; A[<img src=x onerror=alert(6)>]
```

$\\text{<img src=x onerror=alert(7)>}$ <!-- <script>alert(8)</script> --> </main></body></html>
"""


def nasty_outputs():
    def shown(**data):
        return {"output_type": "display_data", "metadata": {"image/png": {"alt": '"><script>9</script>'}}, "data": data}

    return [
        shown(**{"text/html": "<script>alert('out')</script>"}),
        shown(**{"image/svg+xml": "<svg onload=alert(1)></svg>"}),
        shown(**{"application/javascript": "alert('js')"}),
        shown(**{"text/markdown": "![b](http://evil.test/o.png)", "text/plain": "<b>plain</b>"}),
        shown(**{"image/png": 'AAAA" onerror="alert(1)'}),
        shown(**{"image/png": DOT}),
        shown(**{"application/vnd.<script>": "1"}),
        {
            "output_type": "stream",
            "name": "stdout",
            "text": "\x1b[31mred\x1b[0m \x1b]8;;http://evil.test\x07link\x1b]8;;\x07\u202e</pre><script>1</script>\n",
        },
        {"output_type": "stream", "name": "stderr", "text": "9" * 5_000_000},
        {
            "output_type": "error",
            "ename": "<script>",
            "evalue": "<b>",
            "traceback": ["</pre><script>alert(1)</script>"],
        },
    ]


@pytest.fixture(scope="module")
def nasty(course):
    def tamper(notebook):
        notebook.metadata["title"] = "</title><script>alert('meta')</script>"
        notebook.metadata["language_info"] = {"name": "<script>", "pygments_lexer": "</style>"}
        notebook.metadata["medcourse"] = {"tier": "<script>"}
        for cell in notebook.cells:
            if cells.is_answer(cell):
                cell.outputs = [node(**output) for output in nasty_outputs()]
            if cells.is_test(cell):
                cell.outputs = [node(output_type="error", ename="E", evalue="</td><script>", traceback=[])]
            if cells.is_written(cell):
                attached = {
                    "v.svg": {"image/svg+xml": "PHN2Zz4="},
                    "m.png": {"image/png": "PHN2Zz4="},
                    "dot.png": {"image/png": DOT},
                }
                cell["attachments"] = attached

    def add(notebook):
        own = node(cell_type="markdown", id="mine", metadata={"tags": ["</script>"]}, source=f"## Exercise 9\n{NASTY}")
        notebook.cells.insert(3, own)

    answers = RIGHT | {"why": NASTY, "dice": "'''</code></pre><script>alert(0)</script>'''\n%%html\n<script>"}
    return page_of(course, "nasty", answers, run_of({"dice_empty": 0.0}), edit=add, tamper=tamper)


def test_nothing_that_a_student_hands_in_can_run_or_load(nasty):
    assert complaints(nasty) == []
    assert len(nasty) < 500_000, "a flood is cut"
    text = Reader(nasty).text
    assert "characters left out" in text
    assert "red link</pre><script>1</script>" in text, "shown as text, without terminal codes"
    assert "An output that is not shown here: text/html." in text
    assert "[picture that is not shown: beacon]" in text
    assert nasty.count(f'src="data:image/png;base64,{DOT}"') == 4, "outputs of three answers, and one attachment"
    assert "Exercise 9" in text


def test_a_student_s_text_does_not_pass_for_the_page_s_own_verdicts(nasty):
    own = [value for tag, name, value in Reader(nasty).attributes if name == "class" and value == "state earned"]
    assert len(own) == 2 * (len(POINTS) - 1)


def test_deep_nesting_and_huge_texts_are_shown_plain():
    assert "<pre>" in harmless.markdown("x" * 300_000)
    assert isinstance(str(harmless.markdown("> " * 3000 + "deep")), str)
    assert isinstance(str(harmless.markdown("<b>" * 3000)), str)
    assert len(harmless.python("x = 1\n" * 100_000)) < 300_000


def test_pictures_are_what_they_say_they_are():
    assert harmless.picture({"image/png": DOT}) == f"data:image/png;base64,{DOT}"
    assert harmless.picture({"image/png": [DOT[:20], "\n", DOT[20:]]}) == f"data:image/png;base64,{DOT}"
    assert harmless.picture({"image/jpeg": DOT}) is None
    assert harmless.picture({"image/png": 3, "image/svg+xml": "<svg>"}) is None
    assert harmless.picture({"image/png": DOT + "A" * harmless.PICTURE_LIMIT}) is None


def test_a_description_comes_with_its_picture():
    output = node(output_type="display_data", data={"image/png": DOT}, metadata={"image/png": {"alt": "Two cells."}})
    cell = node(cell_type="code", outputs=[output])
    assert [(shown.kind, shown.text) for shown in feedback._outputs(cell)] == [("picture", "Two cells.")]


@pytest.mark.browser
def test_a_browser_asks_for_nothing_and_runs_nothing(nasty, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(nasty, encoding="utf-8")
    asked, dialogs = [], []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS]) as browser,
    ):
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing sticks out on a phone"
        assert page.evaluate("[...document.querySelectorAll('img[src]')].every(image => image.naturalWidth > 0)")
    assert [url for url in asked if not url.startswith(("data:", path.as_uri()))] == []
    assert dialogs == []
