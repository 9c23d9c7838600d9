"""Tell what a table of answers holds: its separator, whether it has a header, and which column is which."""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from medcourse.errors import CourseError

_WORDS = {
    "worker": "worker annotator rater user labeler labeller judge reader coder performer participant person turker"
    " assessor",
    "item": "item task question example object image instance sample document doc unit case sentence query candidate"
    " orig file filename input hit",
    "label": "label answer response annotation judgment judgement vote class category choice rating grade result output"
    " value",
    "truth": "truth gold gt groundtruth",
}
HEADERS = {role: words.split() for role, words in _WORDS.items()}
"""Words by which the columns are known, the usual first."""
TRUE_WORDS = {"true", "correct", "expert", "golden", "reference", "real", "ground"}
"""Words that make a truth of a label: `true_label`, `correct answer`."""
ID_WORDS = {"id", "ids", "number", "no", "idx", "index", "key"}
NO_LABEL = {"time", "date", "created", "submitted", "duration", "confidence", "trust", "started"}
SEPARATORS = ("\t", ",", ";", "|")
BLANKS = r"\s+"
LOOK_AT = 50
"""Lines that are looked at."""


class Layout(NamedTuple):
    r"""What stands where in a table.

    Attributes
    ----------
    kind
        "answers" (worker, item, label and perhaps truth), "truths" (item and truth) or "other".
    separator
        For pandas; `\s+` for blanks.
    n_columns
        How many fields a row has.
    first_line
        How many lines stand above the first row: with a header 1, else 0, and blank lines.
    named
        What each column that counts is called, by its role; "column 2" without a header.
    places
        Its place, from 0, by its role.
    is_guess
        Whether the order of columns was taken for granted, without a header.
    seen
        What was found, in words, for errors.
    """

    kind: str
    separator: str
    n_columns: int
    first_line: int
    named: dict[str, str]
    places: dict[str, int]
    is_guess: bool
    seen: str


def find_layout(path: Path) -> Layout:
    """Look at the first lines of a table and say what is in it.

    Raises
    ------
    CourseError
        The file cannot be read, or a table of three columns has a header of unknown words.
    """
    lines = _first_lines(path)
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    lines = [line for line in lines[start:] if line.strip()]
    separator = _separator(lines)
    if not lines or not separator:
        return Layout("other", ",", 1, start, {}, {}, False, "no columns" if lines else "nothing")
    rows = _split(lines, separator)
    roles = find_roles(rows[0])
    if len(rows) > 1 and find_roles(rows[1]) == roles:
        roles = {}  # answers such as user_1, image_3, class_2: the next row would be as good a header
    kind = _kind(roles)
    if kind != "other":
        named = {role: rows[0][place].strip() for role, place in roles.items()}
        return Layout(kind, separator, len(rows[0]), start + 1, named, roles, False, f"columns {', '.join(rows[0])}")
    if roles:
        return Layout("other", separator, len(rows[0]), start, {}, {}, False, f"columns {', '.join(rows[0])}")
    return _without_header(path, rows, separator, start)


def find_roles(header: Sequence[str]) -> dict[str, int]:
    """Return the place of each column that a header names, by role.

    Examples
    --------
    >>> find_roles(["!amt_annotation_ids", "!amt_worker_ids", "orig_id", "response", "gold"])
    {'worker': 1, 'item': 2, 'label': 3, 'truth': 4}
    >>> find_roles(["workerId", "question", "true label", "worker answer"])
    {'worker': 0, 'item': 1, 'label': 3, 'truth': 2}
    >>> find_roles(["a1", "q7", "yes"])
    {}
    """
    roles = [_role(_words(name)) for name in header]
    best: dict[str, tuple[int, int]] = {}  # by role: how well a column fits (less is better), and its place
    for place, found in enumerate(roles):
        if found and found[1] < best.get(found[0], (10_000, 0))[0]:
            best[found[0]] = (found[1], place)
    if not {"worker", "item"} & set(best):  # beside a worker, `id` may number the rows
        names = [name.strip().lower() for name in header]
        best |= {"item": (0, names.index("id"))} if "id" in names else {}
    if {"worker", "item"} <= set(best) and "label" not in best:
        # What was answered may be called as the question is, such as `diagnosis`, if nothing else is there.
        others = [place for place, name in enumerate(header) if not roles[place] and _may_be_answer(_words(name))]
        best |= {"label": (0, others[0])} if len(others) == 1 else {}
    return {role: best[role][1] for role in HEADERS if role in best}


def _words(name: str) -> list[str]:
    """Return the words of a column's name: `workerIds` and `worker_ids` are worker, ids."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def _may_be_answer(words: list[str]) -> bool:
    return bool(words) and not (NO_LABEL | ID_WORDS) & set(words)


def _role(words: list[str]) -> tuple[str, int] | None:
    """Return what a column's name says that it holds, and how far it is from the usual name."""
    forms = {*words, *(word.removesuffix("s") for word in words)}
    if not words or forms & NO_LABEL:
        return None
    fits = {role: [i for i, known in enumerate(usual) if known in forms] for role, usual in HEADERS.items()}
    is_id, extra = bool(ID_WORDS & set(words)), len(words) - 1
    is_true = bool(fits["truth"]) or "true" in words or bool(fits["label"] and TRUE_WORDS & forms)
    if is_true or "groundtruth" in "".join(words):
        return "truth", extra
    if fits["label"] and not is_id:  # `worker_answer` is an answer, `annotation_id` is none
        return "label", 100 * fits["label"][0] + extra
    for role in ("worker", "item"):
        whole = [i for i, known in enumerate(HEADERS[role]) if words == [f"{known}id"]]  # workerid
        if hits := fits[role] or whole:
            return role, 100 * hits[0] + (0 if is_id or whole else extra)
    return None


def _kind(roles: dict[str, int]) -> str:
    """Return what a table with these columns is; a label of no worker is a truth, too, and is renamed to one."""
    if {"worker", "item", "label"} <= set(roles):
        return "answers"
    if "item" in roles and "worker" not in roles and ("truth" in roles or "label" in roles):
        if "truth" not in roles:
            roles["truth"] = roles["label"]
        roles.pop("label", None)
        return "truths"
    return "other"


def _without_header(path: Path, rows: list[list[str]], separator: str, start: int) -> Layout:
    n_columns = len(rows[0])
    seen = f"{n_columns} columns, in the first row {', '.join(rows[0])}"
    order = {2: ("item", "truth"), 3: ("worker", "item", "label"), 4: ("worker", "item", "label", "truth")}
    if n_columns not in order:
        return Layout("other", separator, n_columns, start, {}, {}, False, seen)
    # Words above columns of numbers are a header, in words that nobody told us.
    below = list(zip(*(row for row in rows[1:] if len(row) == n_columns), strict=True))
    if not any(map(_is_number, rows[0])) and sum(all(map(_is_number, column)) for column in below) >= 2:
        raise CourseError(
            f"{path}, line {start + 1}: expected a header of words such as worker, item, label, truth, "
            f"got {', '.join(rows[0])}: rename the columns"
        )
    places = {role: place for place, role in enumerate(order[n_columns])}
    named = {role: f"column {place + 1}" for role, place in places.items()}
    kind = "truths" if n_columns == 2 else "answers"
    return Layout(kind, separator, n_columns, start, named, places, True, seen)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_lines(path: Path) -> list[str]:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline=None) as file:
            return list(islice(file, LOOK_AT))
    except (OSError, EOFError) as error:
        raise CourseError(f"cannot read {path}: {error}") from None
    except UnicodeDecodeError as error:
        raise CourseError(f"{path}: expected text in UTF-8, got another encoding ({error.reason})") from None


def _separator(lines: list[str]) -> str:
    """Return what parts the fields, such that most lines have the same number of them; empty if nothing does."""
    best, most = "", (0.0, 0)
    for separator in (*SEPARATORS, BLANKS):
        widths = Counter(len(row) for row in _split(lines, separator))
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        share = count / max(len(lines), 1)
        # Blanks stand in running text, too: there every line must have the same number of words.
        if width < 2 or share < (1.0 if separator == BLANKS else 0.6) or (separator == BLANKS and len(lines) < 3):
            continue
        if not best or (separator != BLANKS and (share, width) > most):
            best, most = separator, (share, width)
    return best


def _split(lines: list[str], separator: str) -> list[list[str]]:
    if separator == BLANKS:
        return [line.split() for line in lines]
    return list(csv.reader(lines, delimiter=separator))
