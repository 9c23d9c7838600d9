"""The hints that unfold in a lab, by the answers that they help with."""

import re
from typing import Any

from medcourse.grading import cells

_HINT = re.compile(r"<details>\s*<summary>\s*Hint\s*</summary>(.*?)</details>", re.DOTALL)
_HEADING = re.compile(r"^## ", re.MULTILINE)


def hints_of(notebook: Any) -> dict[str, str]:
    """Return the hint for each answer of a lab, as its text without the mark-up around it.

    An exercise stands between two headings. A hint that follows an answer, before the next one, is that answer's; an
    answer without such a hint has the first one of its exercise, if there is any.
    """
    hints: dict[str, str] = {}
    answers: list[str] = []
    first = ""
    for cell in [*notebook.cells, None]:
        text = cell.source if cell is not None and cell.cell_type == "markdown" else ""
        if cell is None or _HEADING.search(text):
            hints |= {name: first for name in answers if first and name not in hints}
            answers, first = [], ""
        for hint in map(str.strip, _HINT.findall(text)):
            first = first or hint
            if answers:
                hints.setdefault(answers[-1], hint)
        if cell is not None and cells.is_answer(cell) and cell.cell_type == "code":
            answers.append(cells.grade_id(cell) or "")
    return hints
