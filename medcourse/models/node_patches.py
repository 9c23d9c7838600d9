"""Small pictures of what the first tier marks as a lymph node: the patients of unit 17, simulated or real.

A chest takes seconds to simulate, so patches of sixty come with the course; `bench/node_patches.py` made them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from medcourse.errors import CourseError
from medcourse.models.candidates import find_node_candidates
from medcourse.planes import ORTHOGONAL_PLANES, sample_planes

SIDE_PX, SIDE_MM = 32, 48.0
ENLARGED_MM = 10.0
"""From this short axis on a node is a finding."""
MOST_FALSE = 20
"""Marks of a patient on something else that are kept, the first tier's strongest."""
LOWEST_HU, STEP_HU = -1000.0, 6.0
FILE = Path(__file__).parents[1] / "datasets" / "bundled" / "node_patches.npz"


def cut_node_patches(scan: Bunch, *, enlarged_mm: float = ENLARGED_MM, most_false: int = MOST_FALSE) -> Bunch:
    """Cut an axial patch around each of the first tier's marks in one scan.

    A mark is right if it is nearer to the centre of an enlarged node than half of the node's short axis. Marks that hit
    normal nodes only are neither right nor wrong, and left out.

    Parameters
    ----------
    scan
        As of `make_chest` or `read_lymph_nodes`: volume, spacing_mm and nodes.
    enlarged_mm
        Smallest short axis of an enlarged node; 0 where only enlarged nodes were outlined.
    most_false
        As many marks on something else are kept, those with the highest score.

    Returns
    -------
    Bunch
        hu : (N, 32, 32) float32, Hounsfield units; 48 mm wide, rows from front to back.
        labels : (N,) int64, 1 for an enlarged node, 0 for something else.
    """
    marks = find_node_candidates(scan.volume, scan.spacing_mm)
    distance = np.linalg.norm(marks.centres_mm[:, None] - scan.nodes.centres_mm[None], axis=-1)  # (C, K)
    hit = distance < scan.nodes.diameters_mm / 2
    right = (hit & (scan.nodes.diameters_mm >= enlarged_mm)).any(1)
    false = np.flatnonzero(~hit.any(1))[:most_false]  # marks come with falling score
    kept = np.sort(np.concatenate([np.flatnonzero(right), false]))
    planes = sample_planes(
        scan.volume,
        scan.spacing_mm,
        marks.centres_mm[kept],
        ORTHOGONAL_PLANES[:1],
        side_mm=SIDE_MM,
        n_px=SIDE_PX,
        fill=LOWEST_HU,
    )
    return Bunch(hu=planes[:, 0].astype(np.float32), labels=right[kept].astype(np.int64))


def gather_node_patches(scans: Iterable[Bunch], **knobs: Any) -> Bunch:
    """Cut the patches of all scans, one scan at a time; a scan is a patient.

    Parameters
    ----------
    scans
        As of `cut_node_patches`.
    **knobs
        Of `cut_node_patches`.

    Returns
    -------
    Bunch
        hu (N, 32, 32), labels (N,), and patients (N,) int64, from 0.

    Raises
    ------
    CourseError
        There is no scan, or no mark in all of them.
    """
    parts = [cut_node_patches(scan, **knobs) for scan in scans]
    if not sum(len(part.labels) for part in parts):
        raise CourseError(f"expected scans in which something looks like a lymph node, found no mark in {len(parts)}")
    return Bunch(
        hu=np.concatenate([part.hu for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        patients=np.repeat(np.arange(len(parts)), [len(part.labels) for part in parts]),
    )


def load_node_patches() -> Bunch:
    """Load the SIMULATED patches that come with the course.

    Returns
    -------
    Bunch
        As of `gather_node_patches`, of sixty patients; Hounsfield units are cut off at -1000 and 530, and kept in steps
        of 6. spacing_mm : float, width of a pixel. DESCR : str.

    Examples
    --------
    >>> patches = load_node_patches()
    >>> patches.hu.shape[1:], sorted(set(patches.labels.tolist())), len(set(patches.patients.tolist()))
    ((32, 32), [0, 1], 60)
    """
    with np.load(FILE, allow_pickle=False) as arrays:
        return Bunch(
            hu=arrays["grey"] * np.float32(STEP_HU) + np.float32(LOWEST_HU),
            labels=arrays["labels"].astype(np.int64),
            patients=arrays["patients"].astype(np.int64),
            spacing_mm=SIDE_MM / SIDE_PX,
            DESCR="SIMULATED patches of CT; drawn, not scanned. See make_chest and bench/node_patches.py.",
        )
