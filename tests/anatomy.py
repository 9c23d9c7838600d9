"""What a reader may expect of every lesson and lab, read off its notebook. Not a test: the rules that tests share."""

import os
import re

EVERY = int(os.environ.get("MEDCOURSE_EVERY", "3"))
"""Of mutants and of single mistakes each so-many-th is tried, for time; `MEDCOURSE_EVERY=1` tries all."""
ALT = re.compile(r"!\[([^\]]*)\]\(")
DETAILS = re.compile(r"<details><summary>(.+?)</summary>(.*?)</details>", re.DOTALL)
QUESTION = re.compile(r"^\*\*Question \d+\.\*\*", re.MULTILINE)
MAX_PARAGRAPH_WORDS = 90
MAX_CODE_LINES = 45
MAX_SETUP_LINES = 25


def prose(notebook):
    """All markdown of a notebook."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def paragraphs(text):
    """Paragraphs of running text: no headings, lists, tables, formulas, code or HTML."""
    for block in re.split(r"\n\s*\n", text):
        words = block.strip()
        if words and not re.match(r"(#|- |\* |\d+\. |\||\$\$|```|<|!\[)", words):
            yield words


def headings(text):
    """The text of all headings of level two, without the points that a build appends."""
    return [re.sub(r" \([\d.]+ points?\)$", "", line[3:]) for line in text.splitlines() if line.startswith("## ")]


def long_paragraphs(notebook):
    return [each for each in paragraphs(prose(notebook)) if len(each.split()) > MAX_PARAGRAPH_WORDS]


def images_without_alt(notebook):
    """Pictures in markdown that have no description."""
    return [alt for alt in ALT.findall(prose(notebook)) if len(alt.split()) < 3]


def figures_without_alt(notebook):
    """First lines of executed cells that show a picture without a description."""
    return [
        cell.source.splitlines()[0]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
        and len(output.metadata.get("image/png", {}).get("alt", "").split()) < 3
    ]


def demos(notebook):
    """Outputs with a widget; a demo also holds its static twin as a picture."""
    widget = "application/vnd.jupyter.widget-view+json"
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output for output in outputs if widget in output.get("data", {}) and "image/png" in output["data"]]


def complaints(notebook):
    """Errors and anything on standard error that is no progress bar."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                found.append(f"{output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found += [line for line in re.split(r"[\r\n]+", output.text) if line.strip() and "it/s" not in line]
    return found


def questions(text):
    """Questions of a lesson with the (option, feedback) pairs that unfold below each."""
    starts = [match.start() for match in QUESTION.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        # Options follow their question at once; the next heading ends them.
        body = text[start:end].split("\n## ")[0]
        yield [(option, feedback.strip()) for option, feedback in DETAILS.findall(body)]
