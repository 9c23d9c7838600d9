"""Read what a crowd answered: tables of worker, item and label, with the truth beside them if it is known.

Such tables come in many dresses: with and without headers, with commas, tabs or blanks, with the truth in a column of
its own or in a second file. `table_columns` tells which column is which.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from medcourse.datasets.table_columns import HEADERS, Layout, find_layout
from medcourse.errors import CourseError

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".dat")
UNKNOWN = {"", "?", "na", "n/a", "nan", "none", "null", "unknown"}
"""How tables write that the truth of an item is not known."""
EXPECTED = f"a table with columns for {', '.join(HEADERS)}, or three columns worker, item, label without a header"

Codes = NDArray[np.int64]


class Column(NamedTuple):
    """What stands in a column: names[codes[row]]."""

    codes: Codes
    names: list[str]

    def only(self, rows: Any) -> "Column":
        """Return the column of some rows, the names that they use numbered by first appearance."""
        import pandas as pd  # noqa: PLC0415

        codes, used = pd.factorize(self.codes[rows])
        return Column(np.asarray(codes, np.int64), [self.names[code] for code in used])


class Rows(NamedTuple):
    """What a table says, and on which line of its file."""

    path: Path
    columns: dict[str, Column]
    line: Codes

    def only(self, rows: Any) -> "Rows":
        """Return some of the rows."""
        return Rows(self.path, {role: column.only(rows) for role, column in self.columns.items()}, self.line[rows])


def read_crowd_table(path: str | Path) -> Bunch:
    """Read the answers of a crowd.

    Parameters
    ----------
    path
        One table, or a folder that holds one table of answers and, if there are any, tables of item and truth. CSV,
        TSV, semicolons or blanks, plain or gzipped. Columns may be called as it is usual (worker, annotator, user ...;
        item, task, question ...; label, answer, response ...; truth, gold, true_label ...); without a header the
        columns are worker, item, label and, if there is a fourth, truth. In a table of two columns: item, truth.

    Returns
    -------
    Bunch
        worker, item, label : (M,) int64, one row an answer: who, about what, which class.
        truth : (N,) int64, the class of each item, -1 where it is not known; None if no truth was given.
        worker_names, item_names : lists of str, the names behind the codes, by first appearance.
        classes : list of str, sorted, by number where all are numbers.
        n_repeated : int, answers of a worker to an item that he answered again later; only the last one is kept.
        n_empty : int, rows without a label, which are left out.
        columns : dict of str, which column of the table was taken for what.
        description : str.

    Raises
    ------
    CourseError
        There is no table of answers or more than one, a row lacks a field, an item has two truths, a table of truths
        is about other items.
    """
    path = Path(path)
    answers, truths = _find_tables(path)
    rows, n_empty = _with_label(_read(answers))
    given = [_read(table) for table in truths]
    if answers.layout.is_guess and given:
        rows = _right_way_round(rows, given)
    (worker, workers), (item, items), (label, answered) = (rows.columns[role] for role in ("worker", "item", "label"))
    own = [rows] if "truth" in rows.columns else []
    stated = [_Stated.of(each, items, answered) for each in own + given]
    if given and not any(len(each.item) for each in stated[len(own) :]):
        raise CourseError(f"{given[0].path}: expected the truth of items such as {items[0]!r}, found none of them")
    classes = _in_order({*answered, *(each.names[code] for each in stated for code in np.unique(each.truth))})
    truth = _truth_of_items(stated, items, classes)
    keep = _last_of_each(worker, item, len(items))
    known = int((truth >= 0).sum())
    return Bunch(
        worker=worker[keep],
        item=item[keep],
        label=np.array([classes.index(name) for name in answered], np.int64)[label[keep]],
        truth=truth if known else None,
        worker_names=workers,
        item_names=items,
        classes=classes,
        n_repeated=len(worker) - len(keep),
        n_empty=n_empty,
        columns=dict(answers.layout.named),
        description=(
            f"{len(keep)} answers of {len(workers)} workers about {len(items)} items in {len(classes)} classes from "
            f"{answers.path.name}; truth known of {known} items; {len(worker) - len(keep)} answers given again later "
            f"and {n_empty} without a label left out"
        ),
    )


class _Table(NamedTuple):
    path: Path
    layout: Layout


def _find_tables(path: Path) -> tuple[_Table, list[_Table]]:
    """Return the table of answers and those of truths."""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file() and _is_table(each))
        if not files:
            raise CourseError(f"{path}: expected {EXPECTED}, found no file {', '.join(SUFFIXES)} (or with .gz)")
    elif path.is_file():
        files = [path]
    else:
        raise CourseError(f"expected a table of answers or a folder with one, found none at {path}")
    tables = [_Table(file, find_layout(file)) for file in files]
    answers = [table for table in tables if table.layout.kind == "answers"]
    if not answers:
        seen = "; ".join(f"{table.path.name} with {table.layout.seen}" for table in tables)
        raise CourseError(f"{path}: expected {EXPECTED}; found {seen}")
    if len(answers) > 1:
        names = ", ".join(table.path.name for table in answers)
        raise CourseError(
            f"{path}: expected one table of answers, found {len(answers)} ({names}): keep one in a folder"
        )
    return answers[0], [table for table in tables if table.layout.kind == "truths"]


def _is_table(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return not name.startswith(".") and name.endswith(SUFFIXES)


def _read(table: _Table) -> Rows:
    """Return the columns that count.

    Raises
    ------
    CourseError
        A row has more or fewer fields than the table has columns; a worker or an item has no name.
    """
    import pandas as pd  # noqa: PLC0415

    path, layout = table
    try:
        frame = pd.read_csv(
            path,
            sep=layout.separator,
            header=None,
            names=range(layout.n_columns),
            skiprows=layout.first_line,
            dtype="category",  # told apart while they are read: a million answers have few names
            encoding="utf-8-sig",
            keep_default_na=False,
            skip_blank_lines=False,
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError, EOFError) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise CourseError(f"{path}: expected {layout.n_columns} fields in each row; {reason}") from None
    columns = {role: _column(frame[place]) for role, place in layout.places.items()}
    nothing = np.all([np.array(names)[codes] == "" for codes, names in columns.values()], axis=0)
    line = np.arange(len(frame), dtype=np.int64) + layout.first_line + 1
    rows = Rows(path, columns, line).only(np.flatnonzero(~nothing))
    if not len(rows.line):
        raise CourseError(f"{path}: expected at least one row, found none below the header")
    for role in {"worker", "item"} & set(rows.columns):
        codes, names = rows.columns[role]
        if "" in names:
            first = rows.line[np.flatnonzero(codes == names.index(""))[0]]
            raise CourseError(f"{path}, line {first}: expected a name in the column of the {role}, got none")
    return rows


def _column(series: Any) -> Column:
    """Return a column with blanks cut off, and with 1.0 written as 1, which programs that know missing numbers do."""
    import pandas as pd  # noqa: PLC0415

    written = [_whole(str(name).strip()) for name in series.cat.categories]
    codes, distinct = pd.factorize(np.array(written, dtype=object))
    # A row that ends early has no code there.
    names = [*map(str, distinct), ""]
    merged = np.append(codes, len(names) - 1)[series.cat.codes.to_numpy()]
    if "" in names[:-1]:
        merged = np.where(merged == len(names) - 1, names.index(""), merged)
    return Column(np.asarray(merged, np.int64), names)


def _whole(text: str) -> str:
    whole, point, rest = text.partition(".")
    return whole if point and whole.lstrip("-").isdecimal() and rest and not rest.strip("0") else text


def _with_label(rows: Rows) -> tuple[Rows, int]:
    """Return the rows that have a label, and how many have none."""
    codes, names = rows.columns["label"]
    there = np.array([name != "" for name in names])[codes]
    if not there.any():
        raise CourseError(f"{rows.path}: expected at least one answer, found rows without a label only")
    return rows.only(np.flatnonzero(there)), int((~there).sum())


def _right_way_round(rows: Rows, given: Sequence[Rows]) -> Rows:
    """Exchange worker and item of a table without a header if the truths speak of what stands in the first column."""
    known = {name for each in given for name in each.columns["item"].names}
    first, second = (rows.columns[role] for role in ("worker", "item"))
    if len(known & set(first.names)) <= len(known & set(second.names)):
        return rows
    return rows._replace(columns=rows.columns | {"worker": second, "item": first})


class _Stated(NamedTuple):
    """The truths that one table states of items that were answered."""

    path: Path
    item: Codes
    truth: Codes
    names: list[str]
    line: Codes

    @classmethod
    def of(cls, rows: Rows, items: list[str], answered: list[str]) -> "_Stated":
        number = {name: code for code, name in enumerate(items)}
        item = rows.columns["item"]
        codes, names = rows.columns["truth"]
        where = np.array([number.get(name, -1) for name in item.names], np.int64)[item.codes]
        # Some tables write -1 for a truth that is not known; it is one where nobody could answer it.
        unknown = UNKNOWN if "-1" in answered else UNKNOWN | {"-1"}
        known = np.array([name.lower() not in unknown or name in answered for name in names])[codes]
        use = np.flatnonzero((where >= 0) & known)
        return cls(rows.path, where[use], codes[use], names, rows.line[use])


def _in_order(classes: set[str]) -> list[str]:
    try:
        return sorted(classes, key=float)
    except ValueError:
        return sorted(classes)


def _truth_of_items(stated: Sequence[_Stated], items: list[str], classes: list[str]) -> Codes:
    """Return (N,) the class of each item, -1 where none was stated."""
    number = {name: code for code, name in enumerate(classes)}
    truth = np.full(len(items), -1, np.int64)
    for each in stated:
        codes = np.array([number.get(name, -1) for name in each.names], np.int64)[each.truth]
        # Of an item's rows in this table one counts, and all must agree with it.
        fresh = truth.copy()
        fresh[each.item] = codes
        truth = np.where(truth >= 0, truth, fresh)
        if len(wrong := np.flatnonzero(truth[each.item] != codes)):
            row = wrong[0]
            raise CourseError(
                f"{each.path}, line {each.line[row]}: expected one truth of item {items[each.item[row]]!r}, got "
                f"{classes[truth[each.item[row]]]!r} and {each.names[each.truth[row]]!r}"
            )
    return truth


def _last_of_each(worker: Codes, item: Codes, n_items: int) -> NDArray[np.intp]:
    """Return the rows to keep, in order: of several answers by one worker to one item the last one."""
    pair = worker * n_items + item
    _, first_from_behind = np.unique(pair[::-1], return_index=True)
    return np.sort(len(pair) - 1 - first_from_behind)
