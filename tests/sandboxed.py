"""Small labs for tests of the sandbox, written as text, and what came of running them."""

import re

from medcourse.grading import cells
from medcourse.grading.plan import Cell

SETUP = """
import numpy as np
import torch
from torch import nn

from medcourse import testing
from medcourse.testing import award, close

testing.begin_lab(seed=0)
"""
PRELOAD = ["numpy", "torch", "torch.nn", "medcourse.testing", "matplotlib.pyplot", "tqdm.auto"]


def lab(text, setup=SETUP):
    r"""Make the cells of a lab from text: each begins with a line `# answer NAME`, `# own NAME`, `# locked NAME`,
    `# test NAME` or `# test NAME POINTS`.

    >>> [cell.id for cell in lab("# answer f\nf = abs\n# test f_small 2\nclose(f(-1), 1)")]
    ['setup', 'f', 'f_small']
    """
    made = [Cell("setup", setup, trusted=True)]
    answers = []
    for part in re.split(r"(?m)^# (?=(?:answer|own|locked|test) )", text)[1:]:
        head, _, source = part.partition("\n")
        kind, name, *points = head.split()
        if kind == "test":
            value = float(points[0]) if points else 1.0
            made.append(Cell(name, source, value, cells.answer_of(name, answers), trusted=True))
            continue
        if kind == "answer":
            answers.append(name)
        made.append(Cell(name, source, trusted=kind == "locked"))
    return made


def text_of(run, cell):
    """Return all text that a cell put out."""
    return "".join(each.get("text", "") or each.get("data", {}).get("text/plain", "") for each in run.outputs[cell])


def pictures_of(run, cell):
    """Return the pictures that a cell put out, in base64."""
    return [each["data"]["image/png"] for each in run.outputs[cell] if "image/png" in each.get("data", {})]


def messages(run):
    """Return what a student reads, by test."""
    return {exercise.id: exercise.message for exercise in run.exercises}


def scores(run):
    """Return what was earned, by test."""
    return {exercise.id: exercise.score for exercise in run.exercises}
