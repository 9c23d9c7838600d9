"""Trees that fill a lung, as airways and their vessels do, and many thin tubes drawn at once.

A tree grows towards points spread over the lung: a branch goes part of the way to the middle of its points, which a
plane through the branch then divides between two daughters, until each has one point. Tawhai, Pullan, Hunter.
Generation of an anatomically based three-dimensional model of the conducting airways. Annals of Biomedical Engineering
28(7):793-802, 2000. doi:10.1114/1.1289457
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcourse.datasets.tubes import MURRAY, Floats, voxel_mm

Voxels = NDArray[np.float32]


@dataclass(frozen=True)
class Tree:
    """Branches of a tree, parents before their daughters.

    Attributes
    ----------
    start, end
        (M, 3) positions (z, y, x) in millimetres.
    radius_mm
        (M,), by Murray's law: the cube of a branch's radius is its share of the flow times the root's cube.
    parent
        (M,) numbers of branches, -1 for the root.
    """

    start: Floats
    end: Floats
    radius_mm: Floats
    parent: NDArray[np.int64]


def grow_into(
    rng: np.random.Generator, root: Floats, points: Floats, *, radius_mm: float, unevenness: float = 1.1
) -> Tree:
    """Grow a tree from a root so that each of the points ends a branch.

    Parameters
    ----------
    rng
        Source of its shape.
    root
        (3,), millimetres.
    points
        (N, 3), at least one: each stands for an equal share of lung, so of flow.
    radius_mm
        Of the first branch.
    unevenness
        How unequally a branch divides its flow, as a share of the points' spread; 0 halves it.
    """
    owner = np.zeros(len(points), np.int64)
    place, heading, parent = np.asarray(root, float)[None], np.zeros((1, 3)), np.array([-1])
    starts, ends, flows, parents = [], [], [], []
    n_before = 0
    while len(place):
        flow = np.bincount(owner, minlength=len(place))
        middle = np.stack([np.bincount(owner, points[:, i], len(place)) for i in range(3)], 1) / flow[:, None]
        way = middle - place
        length = np.linalg.norm(way, axis=1) * np.where(flow == 1, 0.9, rng.uniform(0.35, 0.5, len(place)))
        keeps = np.where(flow < 30, 0.75, 0.4)[:, None]  # of its parent's direction: twigs go on straight
        heading = _unit(_unit(way) + keeps * heading)
        tip = place + length[:, None] * heading
        starts.append(place)
        ends.append(tip)
        flows.append(flow)
        parents.append(parent)

        forks = flow > 1
        keep = forks[owner]
        points, owner = points[keep], (np.cumsum(forks) - 1)[owner[keep]]
        ids = n_before + np.flatnonzero(forks)
        n_before += len(place)
        if not len(points):
            break
        side = _sides(rng, points - middle[forks][owner], owner, heading[forks], unevenness)
        owner = 2 * owner + side
        place, heading, parent = (np.repeat(a, 2, axis=0) for a in (tip[forks], heading[forks], ids))
    share = np.concatenate(flows) / flows[0][0]
    return Tree(
        np.concatenate(starts), np.concatenate(ends), radius_mm * share ** (1 / MURRAY), np.concatenate(parents)
    )


def _sides(
    rng: np.random.Generator, offset: Floats, owner: NDArray[np.int64], heading: Floats, unevenness: float
) -> NDArray[np.int64]:
    """Return on which side of its branch's dividing plane each point lies, 0 or 1; both sides get a point."""
    n = len(heading)
    across = offset - (offset * heading[owner]).sum(1)[:, None] * heading[owner]
    products = across[:, :, None] * across[:, None, :] + 1e-9 * rng.normal(size=(len(owner), 3, 1))
    spread = np.stack([np.bincount(owner, products[:, i, j], n) for i in range(3) for j in range(3)], 1)
    _, vectors = np.linalg.eigh(spread.reshape(n, 3, 3))
    along = (offset * vectors[owner, :, 2]).sum(1)
    count = np.bincount(owner, minlength=n)
    width = np.sqrt(np.bincount(owner, along**2, n) / count)
    where = (np.clip(rng.normal(0, unevenness, n), -1.6, 1.6) * width)[owner]
    # The dividing plane lies where no point is alone: between the outermost of both sides.
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(low, owner, along)
    np.maximum.at(high, owner, along)
    side = along > np.clip(where, low[owner], None)
    return np.asarray(np.where(where >= high[owner], along >= high[owner], side), np.int64)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def beside(tree: Tree, gap_mm: Floats, towards: Sequence[float]) -> Tree:
    """Return the tree that runs along another one, on the side of it that `towards` points to.

    Parameters
    ----------
    gap_mm
        (M,) distance of the middles of both at each branch.
    towards
        (3,) direction.
    """
    along = _unit(tree.end - tree.start)
    side = np.asarray(towards, float)
    sideways = _unit(side - (along @ side)[:, None] * along)
    shift = gap_mm[:, None] * sideways
    start = np.where(tree.parent[:, None] >= 0, (tree.end + shift)[tree.parent], tree.start + shift)
    return Tree(start, tree.end + shift, tree.radius_mm, tree.parent)


def pieces(tree: Tree, *, longest_mm: float = 5.0) -> tuple[Floats, Floats, Floats]:
    """Cut branches into bent pieces: (P, 3) starts, (P, 3) ends, (P,) radii.

    A branch leaves in its parent's direction and bends into its own.
    """
    way = tree.end - tree.start
    length = np.linalg.norm(way, axis=1)
    before = np.where(tree.parent[:, None] >= 0, _unit(way)[tree.parent], _unit(way))
    knee = tree.start + 0.5 * length[:, None] * _unit(0.45 * before + 0.55 * _unit(way))
    count = np.maximum(np.ceil(length / longest_mm).astype(int), 1)
    branch = np.repeat(np.arange(len(length)), count)
    step = np.arange(len(branch)) - np.repeat(np.cumsum(count) - count, count)

    def at(t: Floats) -> Floats:
        t = t[:, None]
        return np.asarray((1 - t) ** 2 * tree.start[branch] + 2 * t * (1 - t) * knee[branch] + t**2 * tree.end[branch])

    return at(step / count[branch]), at((step + 1) / count[branch]), tree.radius_mm[branch]


def draw_tubes(
    share: Voxels, axes_mm: Sequence[Floats], start: Floats, end: Floats, radius_mm: Floats, *, step: int = 400_000
) -> None:
    """Raise the share of each voxel that lies in one of many short tubes with round ends, in place.

    A tube thinner than a voxel fills only its share of it: the sum over voxels stays that of the tube's volume.

    Parameters
    ----------
    share
        (Z, Y, X), in [0, 1].
    axes_mm
        Positions of the voxels' centres along z, y and x, evenly spaced.
    start, end
        (P, 3) in millimetres, a few millimetres apart.
    radius_mm
        (P,).
    step
        Voxels that are worked on at a time.
    """
    first = np.array([axis[0] for axis in axes_mm])
    mm = np.array([axis[1] - axis[0] for axis in axes_mm])
    width = voxel_mm(axes_mm)
    reach = radius_mm[:, None] + 0.5 * width
    low = np.ceil((np.minimum(start, end) - reach - first) / mm).astype(int)
    high = np.floor((np.maximum(start, end) + reach - first) / mm).astype(int) + 1
    shape = np.array(share.shape)
    seen = ((high > 0) & (low < shape) & (high > low)).all(1)
    start, end, radius_mm, low, high = (a[seen] for a in (start, end, radius_mm, low, high))
    size = high - low
    flat = share.reshape(-1)
    # Tubes with boxes of one size go together; sizes are rounded up to few.
    size = np.where(size <= 8, size, 4 * -(-size // 4))
    for box in np.unique(size, axis=0):
        members = np.flatnonzero((size == box).all(1))
        n = max(1, step // int(box.prod()))
        for part in np.split(members, range(n, len(members), n)):
            _draw_boxes(flat, shape, (first, mm, width), box, (low[part], start[part], end[part], radius_mm[part]))


def _draw_boxes(
    flat: Voxels,
    shape: NDArray[np.int64],
    grid: tuple[Floats, Floats, float],
    box: NDArray[np.int64],
    tubes: tuple[NDArray[np.int64], Floats, Floats, Floats],
) -> None:
    """Draw tubes whose boxes, (nz, ny, nx) voxels from `low` on, are all of one size; share is flat, of this shape."""
    low, start, end, radius_mm = tubes
    first, mm, width = grid
    corner = np.minimum(low, shape - 1)  # boxes at the border hang over; what is outside is dropped below
    index = [corner[:, i, None] + np.arange(box[i]) for i in range(3)]  # each (M, n)
    offset = [
        (first[i] + index[i] * mm[i] - start[:, i, None]).astype(np.float32).reshape(_axis(i, len(low), int(box[i])))
        for i in range(3)
    ]
    along = (end - start).astype(np.float32)[:, :, None, None, None]
    squared = np.maximum((along**2).sum(1), 1e-6)
    position = sum(offset[i] * along[:, i] for i in range(3)) / squared  # (M, nz, ny, nx)
    np.clip(position, 0, 1, out=position)
    far = sum((offset[i] - position * along[:, i]) ** 2 for i in range(3))
    radius = radius_mm.astype(np.float32)[:, None, None, None]
    value = np.clip(0.5 + (radius - np.sqrt(far)) / width, 0, 1) * _thin(radius, width)
    inside = [((i_ >= 0) & (i_ < n)) for i_, n in zip(index, shape, strict=True)]
    place = sum(
        np.clip(index[i], 0, shape[i] - 1).reshape(_axis(i, len(low), int(box[i]))) * int(shape[i + 1 :].prod())
        for i in range(3)
    )
    value *= np.prod(np.broadcast_arrays(*(f.reshape(_axis(i, len(low), f.shape[1])) for i, f in enumerate(inside))), 0)
    some = value > 0
    np.maximum.at(flat, place[some], value[some])


def _axis(i: int, m: int, n: int) -> tuple[int, int, int, int]:
    return (m, n if i == 0 else 1, n if i == 1 else 1, n if i == 2 else 1)


def _thin(radius: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Return the true area of a tube's section over that of a profile which falls from 1 to 0 within one width."""
    half = width / 2
    thin = 3 * width * radius**2 / (radius + half) ** 3
    thick = radius**2 / (radius**2 + width**2 / 12)
    return np.asarray(np.where(radius < half, thin, thick), np.float32)
