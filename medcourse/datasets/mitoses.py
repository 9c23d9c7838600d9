"""Cells that divide and cells that only look so, cut out of stained tissue: simulated candidates for mitosis."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.histology import absorb, stain_vectors
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

MITOTIC = ("prometaphase", "metaphase", "anaphase")
OTHERS = ("interphase", "hyperchromatic", "pyknotic", "lymphocyte")
# How easy a sharp picture of each is, ours, by what textbooks warn of: clumped chromatin that is no mitosis (dark or
# shrunken nuclei) and mitoses without a plate. 1 is ordinary, see make_crowd.
EASE = {
    **{"prometaphase": 0.7, "metaphase": 1.3, "anaphase": 1.5},
    **{"interphase": 1.6, "hyperchromatic": 0.6, "pyknotic": 0.6, "lymphocyte": 1.1},
}
SHARP_UM = 0.6  # a blur of so much is ordinary
N_PIECES, N_NEIGHBOURS, N_WAVES, N_LOBES = 3, 5, 20, 6


def make_mitoses(
    n: int = 64,
    *,
    mitotic: float = 0.4,
    size: int = 32,
    spacing_um: float = 0.625,
    defocus_um: float = 0.6,
    photons: float = 2500.0,
    seed: int = 0,
) -> Bunch:
    """Simulate square pictures of tumour tissue, in haematoxylin and eosin, each with a dark nucleus in its middle.

    In mitosis the nucleus has no membrane and its chromatin is dark, with a ragged edge, in a cell that has become
    round and pale: a clump (prometaphase), a plate seen from the side (metaphase), two plates that part (anaphase).
    What is mistaken for it: dark nuclei with a smooth edge (hyperchromatic); dying cells, whose shrunken nucleus is
    black, round and often in pieces while the cytoplasm around is pink (pyknotic); lymphocytes. The rest is the pale
    nucleus of interphase. Light is absorbed by Beer and Lambert's law, the objective is not always in focus, and the
    camera counts photons.

    Shapes are drawn in micrometres: with the same seed the same cells appear at any size and spacing.

    Parameters
    ----------
    n
        How many pictures.
    mitotic
        Share of them in [0, 1] that show a mitosis, rounded to whole pictures. In tissue mitoses are far rarer: these
        are candidates that somebody has already chosen.
    size
        Height and width in pixels, >= 16.
    spacing_um
        Width of a pixel in micrometres, in [0.1, 2]. With the default size a picture is 20 micrometres wide.
    defocus_um
        Median blur (standard deviation), which differs from picture to picture, in [0, 3]; 0 for none.
    photons
        Photoelectrons of a clear pixel, > 0; inf for no noise.
    seed
        Same seed, same pictures.

    Returns
    -------
    Bunch
        images : (N, H, W, 3) uint8, red, green, blue.
        truth : (N,) int64, 1 for mitosis. kind : list of str, of `MITOTIC` and `OTHERS`.
        blur_um : (N,) float64. ease : (N,) float64 in [0.1, 2.5], for `make_crowd`: from kind and blur; our assumption.
        amounts : (N, H, W, 2) float64, optical density of haematoxylin and eosin before the blur.
        spacing_um : float. names : list of str, "cell-00" and so on.
        description : str, with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> cells = make_mitoses(5, mitotic=0.4, seed=1)
    >>> cells.images.shape, int(cells.truth.sum())
    ((5, 32, 32, 3), 2)
    """
    check_ranges(
        [
            ("n", n, 1, np.inf),
            ("mitotic", mitotic, 0, 1),
            ("size", size, 16, 1000),
            ("spacing_um", spacing_um, 0.1, 2),
            ("defocus_um", defocus_um, 0, 3),
        ]
    )
    if not photons > 0:
        raise CourseError(f"photons must be > 0 (inf for no noise), got {photons}")
    tissue, optics, camera = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    kind = _choose_kinds(tissue, n, mitotic)
    blobs, surround = _place(tissue, kind)
    amounts = _stain(tissue, blobs, surround, size, spacing_um)
    blur_um = defocus_um * np.exp(optics.normal(0, 0.5, n))
    light = absorb(amounts, stain_vectors(["haematoxylin", "eosin"]))
    for picture, sigma in zip(light, blur_um, strict=True):
        if sigma:
            picture[:] = ndi.gaussian_filter(picture, (sigma / spacing_um, sigma / spacing_um, 0))
    if np.isfinite(photons):
        light = camera.poisson(light * photons) / photons
    truth = np.array([int(name in MITOTIC) for name in kind], np.int64)
    clarity = SHARP_UM / np.maximum(blur_um, SHARP_UM / 2) if defocus_um else np.full(n, 2.0)
    return Bunch(
        images=np.clip(np.rint(light * 255), 0, 255).astype(np.uint8),
        truth=truth,
        kind=kind,
        blur_um=blur_um,
        ease=np.clip(np.array([EASE[name] for name in kind]) * clarity, 0.1, 2.5),
        amounts=amounts,
        spacing_um=spacing_um,
        names=[f"cell-{i:0{max(2, len(str(n - 1)))}d}" for i in range(n)],
        description=(
            f"SIMULATED candidates for mitosis: {n} pictures of {size} x {size} pixels of {spacing_um:g} um, "
            f"{int(truth.sum())} of them mitoses, seed {seed}. Nobody was biopsied."
        ),
    )


def _choose_kinds(rng: np.random.Generator, n: int, mitotic: float) -> list[str]:
    n_mitotic = round(mitotic * n)
    chosen = [
        *rng.choice(MITOTIC, n_mitotic, p=[0.3, 0.5, 0.2]),
        *rng.choice(OTHERS, n - n_mitotic, p=[0.25, 0.35, 0.25, 0.15]),
    ]
    return [str(chosen[i]) for i in rng.permutation(n)]


FIELDS = ("y", "x", "long", "short", "angle", "amount", "ragged", "clumps", "rim")


@dataclass
class _Blobs:
    """Pieces of chromatin, (N, M) each; lengths in micrometres from the middle of the picture, amounts in density."""

    y: Floats
    x: Floats
    long: Floats  # semi-axes
    short: Floats
    angle: Floats
    amount: Floats  # 0 for no piece
    ragged: Floats  # how much the edge wavers, as a share of the radius
    clumps: Floats  # contrast of the chromatin within
    rim: Floats  # how much of the amount lies at the membrane

    @classmethod
    def none(cls, n: int, m: int) -> "_Blobs":
        return cls(**{name: np.ones((n, m)) if name in ("long", "short") else np.zeros((n, m)) for name in FIELDS})

    def put(self, n: int, m: int, **values: float) -> None:
        for name, value in values.items():
            getattr(self, name)[n, m] = value

    def only(self, rows: NDArray[np.intp], k: int) -> dict[str, Floats]:
        """Return piece k of some pictures, (n, 1, 1) each."""
        return {name: getattr(self, name)[rows, k, None, None] for name in FIELDS}


def _place(rng: np.random.Generator, kind: list[str]) -> tuple[_Blobs, Floats]:
    """Return the pieces, (N, 3 + neighbours), and what surrounds the middle, (N, 3): radius, pallor, pinkness."""
    n = len(kind)
    blobs, surround = _Blobs.none(n, N_PIECES + N_NEIGHBOURS), np.zeros((n, 3))
    for i, name in enumerate(kind):
        middle = {"angle": rng.uniform(0, np.pi), "y": rng.normal(0, 0.5), "x": rng.normal(0, 0.5)}
        draw = _draw_mitosis if name in MITOTIC else _draw_other
        pieces, surround[i] = draw(rng, name, middle)
        for k, piece in enumerate(pieces):
            blobs.put(i, k, **piece)
        start = rng.uniform(0, 2 * np.pi)
        for k in range(N_NEIGHBOURS):
            # Around the middle, each in a sector of its own, so that neighbours do not lie on each other.
            angle, away = start + 2 * np.pi * (k + rng.uniform(-0.15, 0.15)) / N_NEIGHBOURS, rng.uniform(9.5, 14)
            place = {"y": away * np.sin(angle), "x": away * np.cos(angle), "angle": rng.uniform(0, np.pi)}
            blobs.put(i, N_PIECES + k, **place, **_interphase(rng))
            if rng.random() < 0.2:
                blobs.amount[i, N_PIECES + k] = 0  # nobody there
    blobs.amount *= np.exp(rng.normal(0, 0.12, (n, 1)))  # each section is stained a little differently
    return blobs, surround


Piece = dict[str, float]
Surround = tuple[float, float, float]


def _interphase(rng: np.random.Generator) -> Piece:
    long = rng.normal(4.6, 0.4)
    return {
        **{"long": long, "short": long * rng.uniform(0.65, 0.9), "amount": rng.uniform(0.4, 0.6)},
        **{"clumps": 0.35, "rim": 0.5},
    }


def _draw_mitosis(rng: np.random.Generator, name: str, middle: Piece) -> tuple[list[Piece], Surround]:
    """Return the pieces of the nucleus, and the radius, pallor and pinkness of its cell."""
    dark, pallor = rng.uniform(0.85, 1.35), rng.uniform(0.05, 0.45)
    if name == "metaphase":
        plate = {"long": rng.uniform(3.0, 4.4), "short": rng.uniform(1.0, 1.7), "ragged": rng.uniform(0.05, 0.15)}
        return [middle | plate | {"amount": dark, "clumps": 0.15}], (rng.uniform(6.0, 7.5), pallor, 0.0)
    if name == "prometaphase":
        long = rng.uniform(2.4, 3.4)
        clump = {"long": long, "short": long * rng.uniform(0.7, 1.0), "ragged": rng.uniform(0.08, 0.2)}
        return [middle | clump | {"amount": dark, "clumps": 0.4}], (rng.uniform(5.5, 7.0), pallor, 0.0)
    apart, long, angle = rng.uniform(2.0, 3.6), rng.uniform(2.6, 3.6), middle["angle"]
    plates = []
    for side in (-apart, apart):
        across = {"y": middle["y"] + side * np.cos(angle), "x": middle["x"] - side * np.sin(angle)}
        turned = {"angle": angle + rng.normal(0, 0.12), "long": long, "short": rng.uniform(0.8, 1.2)}
        plates.append(across | turned | {"amount": dark, "ragged": 0.08, "clumps": 0.15})
    return plates, (rng.uniform(6.5, 8.0), pallor, 0.0)


def _draw_other(rng: np.random.Generator, name: str, middle: Piece) -> tuple[list[Piece], Surround]:
    """Return the pieces of the nucleus, and the radius, pallor and pinkness of its cell."""
    if name == "hyperchromatic":
        long = rng.uniform(2.6, 4.6)
        shape = {"long": long, "short": long * rng.uniform(0.3, 0.85), "ragged": rng.uniform(0.03, 0.1)}
        stain = {"amount": rng.uniform(0.8, 1.35), "clumps": rng.uniform(0.15, 0.4), "rim": 0.1}
        return [middle | shape | stain], (rng.uniform(5.5, 7.0), rng.uniform(0.0, 0.35), 0.0)
    if name == "pyknotic":
        pieces = []
        for k in range(int(rng.integers(1, N_PIECES + 1))):
            radius, away = (rng.uniform(1.0, 2.0), rng.uniform(2.2, 3.2)) if k else (rng.uniform(1.7, 2.7), 0.0)
            around = rng.uniform(0, 2 * np.pi)
            at = {"y": middle["y"] + away * np.sin(around), "x": middle["x"] + away * np.cos(around)}
            shape = {
                "long": radius,
                "short": radius * rng.uniform(0.8, 1.0),
                "angle": middle["angle"],
                "ragged": rng.uniform(0, 0.08),
            }
            pieces.append(at | shape | {"amount": rng.uniform(1.0, 1.45), "clumps": 0.05})
        return pieces, (rng.uniform(4.2, 5.5), -0.1, rng.uniform(0.0, 1.0))
    if name == "lymphocyte":
        radius = rng.normal(3.0, 0.2)
        shape = {"long": radius, "short": radius * rng.uniform(0.88, 1.0)}
        return [middle | shape | {"amount": rng.uniform(0.85, 1.1), "clumps": 0.5, "rim": 0.1}], (3.8, 0.2, 0.0)
    return [middle | _interphase(rng)], (6.0, 0.0, 0.0)


def _stain(rng: np.random.Generator, blobs: _Blobs, surround: Floats, size: int, spacing_um: float) -> Floats:
    """Return the optical density of haematoxylin and eosin, (N, H, W, 2)."""
    n, m = blobs.y.shape
    axis = np.asarray((np.arange(size) - (size - 1) / 2) * spacing_um, np.float64)
    fine, coarse = (_waves(rng, n, axis, length_um) for length_um in (1.6, 7.0))
    lobes = np.stack([rng.uniform(0, 2 * np.pi, (n, N_PIECES, N_LOBES)), rng.normal(size=(n, N_PIECES, N_LOBES))])
    # An edge is as soft as a pixel, at least: what is smaller than a pixel cannot be seen.
    edge_um = max(0.15, spacing_um / 3)
    chromatin = np.zeros((n, size, size))
    for k in range(m):
        rows = np.flatnonzero(blobs.amount[:, k])
        waver = lobes[:, rows, k] if k < N_PIECES else None  # neighbours are smooth
        piece = _piece(blobs.only(rows, k), axis, fine[rows], waver, edge_um)
        chromatin[rows] = np.maximum(chromatin[rows], piece)
    radius, pallor, pink = (surround[:, j, None, None] for j in range(3))
    away = np.hypot(axis[:, None], axis) * (1 + 0.06 * coarse)
    inside = _soft(radius - away, 0.6)
    # Around a dying cell the tissue has drawn back, more on one side than on the other.
    gap = pink * np.exp(-(((away - radius - 0.7) / 0.8) ** 2)) * np.clip(0.6 + 0.5 * coarse, 0, 1)
    ground = (1 + 0.16 * coarse + 0.12 * fine) * (1 - 0.9 * gap)
    eosin = 0.26 * ground * (1 - pallor * inside) * (1 + 0.6 * pink * inside)
    bluish = 0.10 * (1 + 0.2 * coarse) * (1 - 0.9 * gap) * (1 - 0.5 * inside)
    cover = 1 - 0.6 * np.clip(chromatin / 0.5, 0, 1)
    return np.stack([np.maximum(bluish, 0) + chromatin, np.maximum(eosin * cover, 0)], axis=-1)


def _piece(at: dict[str, Floats], axis: Floats, fine: Floats, lobes: Floats | None, edge_um: float) -> Floats:
    """Return the haematoxylin of one piece in each of some pictures, (n, H, W); `lobes` are (2, n, N_LOBES)."""
    dy, dx = axis[:, None] - at["y"], axis - at["x"]
    along = (dx * np.cos(at["angle"]) + dy * np.sin(at["angle"])) / at["long"]
    across = (dy * np.cos(at["angle"]) - dx * np.sin(at["angle"])) / at["short"]
    depth = np.hypot(along, across)
    if lobes is not None:
        around = np.arctan2(across, along)
        waver = np.zeros_like(depth)
        for j in range(N_LOBES):
            phase, height = lobes[:, :, j, None, None]
            waver += height * np.cos((j + 2) * around + phase) * np.sqrt(2 / (j + 2))
        depth = depth * (1 + at["ragged"] * waver)
    inside = _soft((1 - depth) * at["short"], edge_um)
    rim = at["rim"] * (np.exp(-(((depth - 0.88) / 0.16) ** 2)) - 0.5)
    return np.asarray(at["amount"] * inside * np.clip(1 + at["clumps"] * fine + rim, 0.15, None))


def _soft(distance_um: Floats, width_um: float) -> Floats:
    """Return about 1 where the distance to the edge is above 0, about 0 elsewhere."""
    return np.asarray(0.5 * (1 + np.tanh(distance_um / (2 * width_um))))


def _waves(rng: np.random.Generator, n: int, axis: Floats, length_um: float) -> Floats:
    """Return (N, H, W) smooth noise of variance about 1/2 made of plane waves about so long: the same on any grid."""
    angle, phase = rng.uniform(0, 2 * np.pi, (2, n, N_WAVES))
    wave = 2 * np.pi / (length_um * np.exp(rng.normal(0, 0.3, (n, N_WAVES))))
    # cos(a + b) = cos a cos b - sin a sin b: a product of columns and rows instead of a cosine a pixel.
    down = (wave * np.sin(angle))[:, None, :] * axis[:, None] + phase[:, None, :]  # (N, H, waves)
    across = (wave * np.cos(angle))[:, :, None] * axis  # (N, waves, W)
    return np.asarray((np.cos(down) @ np.cos(across) - np.sin(down) @ np.sin(across)) / np.sqrt(N_WAVES))
