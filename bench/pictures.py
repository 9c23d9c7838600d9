"""Render the expected pictures of the labs from their reference solutions, into solutions/pictures.

python bench/pictures.py [SLUG ...]

A picture is what a cell tagged `picture` shows; the cell's metadata `picture` names it.
"""

import ast
import sys
from pathlib import Path
from typing import Any

import jupytext
from IPython.core.inputtransformer2 import TransformerManager
from matplotlib.figure import Figure

from medcourse.grading import cells
from medcourse.grading.records import PICTURES

ROOT = Path(__file__).resolve().parents[1]


def pictures(path: Path) -> dict[str, Figure]:
    """Run setup, answers and picture cells of a lab; return the last expression of each picture cell by name."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    figures = {}
    transform = TransformerManager().transform_cell
    for cell in jupytext.read(path).cells:
        if cell.cell_type != "code" or cells.is_test(cell) or cells.EXPERIMENT in cell.metadata.get("tags", []):
            continue
        source = transform(cell.source)
        name = cell.metadata.get("picture")
        if name is None:
            exec(source, namespace)
            continue
        tree = ast.parse(source)
        last = tree.body.pop()
        assert isinstance(last, ast.Expr), f"the picture cell {name!r} must end in a figure"
        exec(compile(tree, name, "exec"), namespace)
        figures[name] = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    return figures


def main(slugs: list[str]) -> None:
    for path in sorted((ROOT / "solutions").glob("[0-9]*.py")):
        if slugs and path.stem not in slugs:
            continue
        folder = ROOT / PICTURES / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in pictures(path).items():
            # Neither time nor version in the file: the same picture has the same bytes.
            figure.savefig(folder / f"{name}.png", dpi=80, metadata={"Software": None})
            print(folder.relative_to(ROOT) / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
