"""Stained tissue under a bright-field microscope, simulated, and the separation of its stains."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

# How strongly each stain absorbs red, green and blue: Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291.
STAINS = {
    "haematoxylin": (0.65, 0.70, 0.29),
    "eosin": (0.07, 0.99, 0.11),
    "DAB": (0.27, 0.57, 0.78),
}
LUMEN, EPITHELIUM = 0.36, 1.0  # in radii of a gland


def make_histology(
    *,
    size: int = 384,
    stain: Literal["he", "h_dab"] = "he",
    gland_diameter_um: float = 78.0,
    stromal_nuclei_per_mm2: float = 5000.0,
    nucleus_scale: float = 1.0,
    positive: float = 0.3,
    haematoxylin: float = 1.0,
    counterstain: float = 1.0,
    photons: float = 4000.0,
    blur_um: float = 0.5,
    spacing_um: float = 0.75,
    seed: int = 0,
) -> Bunch:
    """Simulate a section of glandular mucosa, cut across its glands.

    A gland is a ring of columnar cells around a lumen: nuclei at the base, pale goblets towards the lumen. Between the
    glands lies stroma, wavy fibres with spindle-shaped nuclei along them and round lymphocytes. Each tissue takes up an
    amount of each stain; light passes through and is absorbed by Beer and Lambert's law, `absorb`; the objective blurs
    it and the camera counts photons.

    Tissue and camera draw from separate streams: the same seed gives the same section in any stain and light.

    Parameters
    ----------
    size
        Height and width in pixels, >= 32.
    stain
        "he": haematoxylin and eosin; "h_dab": immunohistochemistry of a protein in nuclei (as Ki-67), brown by DAB
        where it is, blue by haematoxylin elsewhere.
    gland_diameter_um
        Mean diameter of a gland, in [30, 200] micrometres.
    stromal_nuclei_per_mm2
        Nuclei between the glands.
    nucleus_scale
        Factor on the diameter of all nuclei, in [0.3, 3]; dysplasia enlarges them.
    positive
        Share of nuclei that hold the protein, in [0, 1]; only for "h_dab".
    haematoxylin, counterstain
        Factors on the amount of the first stain, and of the other (eosin or DAB): 0 leaves it out. Laboratories differ.
    photons
        Photoelectrons of a clear pixel, > 0; inf for no noise.
    blur_um
        Standard deviation of the objective's blur; 0 for none.
    spacing_um
        Width of a pixel in micrometres: 0.25 is a 40x objective, 0.5 a 20x, 0.75 an overview.
    seed
        Same seed, same section.

    Returns
    -------
    Bunch
        image : (H, W, 3) uint8, red, green, blue; 255 is clear glass.
        amounts : (H, W, 2) float64, optical density (base 10) of each stain, the truth of colour deconvolution.
        stains : (2, 3) float64, unit vectors of absorption, in the order of `stain_names`.
        nuclei : (H, W) int32, 0 none, else the number of a nucleus. positive : (K + 1,) bool, by number; [0] is False.
        glands : (H, W) int32, 0 stroma, else the number of the gland (with its lumen).
        spacing_um, stain_names, description (with the word SIMULATED).

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> section = make_histology(size=64, seed=1)
    >>> section.image.shape, section.image.dtype, section.stain_names
    ((64, 64, 3), dtype('uint8'), ['haematoxylin', 'eosin'])
    """
    if stain not in ("he", "h_dab"):
        raise CourseError(f'stain must be "he" or "h_dab", got {stain!r}')
    check_ranges(
        [
            ("size", size, 32, 10_000),
            ("gland_diameter_um", gland_diameter_um, 30, 200),
            ("stromal_nuclei_per_mm2", stromal_nuclei_per_mm2, 0, 20_000),
            ("nucleus_scale", nucleus_scale, 0.3, 3),
            ("positive", positive, 0, 1),
            ("haematoxylin", haematoxylin, 0, 10),
            ("counterstain", counterstain, 0, 10),
            ("blur_um", blur_um, 0, 20),
            ("spacing_um", spacing_um, 0.1, 5),
        ]
    )
    if not photons > 0:
        raise CourseError(f"photons must be > 0 (inf for no noise), got {photons}")
    tissue, camera = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    layout = _lay_out(tissue, size, spacing_um, gland_diameter_um)
    eosin, blue = _cytoplasm(tissue, layout, spacing_um)
    cells = _place_nuclei(tissue, layout, stromal_nuclei_per_mm2, size * spacing_um)
    nuclei, chromatin = _draw_nuclei(tissue, layout, cells, nucleus_scale, spacing_um)
    is_positive = np.concatenate([[False], tissue.random(len(cells)) < positive])
    first = blue + chromatin
    if stain == "he":
        names, second = ["haematoxylin", "eosin"], eosin * (1 - 0.6 * (nuclei > 0))
    else:
        names = ["haematoxylin", "DAB"]
        second = chromatin * is_positive[nuclei] * 1.2 + 0.02 * eosin
        first = first * np.where(is_positive[nuclei], 0.35, 0.75)
    amounts = np.stack([haematoxylin * first, counterstain * second], axis=-1)
    stains = stain_vectors(names)
    light = absorb(amounts, stains)
    if blur_um:
        light = ndi.gaussian_filter(light, (blur_um / spacing_um, blur_um / spacing_um, 0))
    if np.isfinite(photons):
        light = camera.poisson(light * photons) / photons
    # Clear glass stands below the end of the scale, so that noise is not cut off there.
    image = np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)
    labels, kept = _renumber(nuclei)
    return Bunch(
        image=image,
        amounts=amounts,
        stains=stains,
        nuclei=labels,
        positive=is_positive[kept] & (stain == "h_dab"),
        glands=np.where(layout.rho < EPITHELIUM, layout.owner + 1, 0).astype(np.int32),
        spacing_um=spacing_um,
        stain_names=names,
        description=(
            f"SIMULATED section of glandular mucosa, {names[0]} and {names[1]}: {size} x {size} pixels of "
            f"{spacing_um:g} um, seed {seed}. Tissue, stains and light are models; nobody was biopsied."
        ),
    )


def stain_vectors(names: list[str] | tuple[str, ...]) -> Floats:
    """Return the absorption of stains as unit vectors, (K, 3) in the order red, green, blue.

    Examples
    --------
    >>> stain_vectors(["haematoxylin"]).round(2)
    array([[0.65, 0.7 , 0.29]])
    """
    if unknown := [name for name in names if name not in STAINS]:
        raise CourseError(f"stains are {', '.join(STAINS)}, got {', '.join(unknown)}")
    vectors = np.array([STAINS[name] for name in names])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def absorb(amounts: NDArray[np.floating], stains: NDArray[np.floating]) -> Floats:
    """Return the share of red, green and blue light that stains let through: 10 to the power of -(amounts @ stains).

    Parameters
    ----------
    amounts
        (..., K) optical density of each stain.
    stains
        (K, 3), as `stain_vectors` gives them.

    Returns
    -------
    (..., 3) float64 in (0, 1] for amounts of at least 0.

    Examples
    --------
    >>> absorb(np.array([0.0]), stain_vectors(["eosin"])).tolist()
    [1.0, 1.0, 1.0]
    """
    return np.asarray(10.0 ** -(np.asarray(amounts, float) @ np.asarray(stains, float)))


def separate_stains(image: NDArray[np.generic], stains: NDArray[np.floating]) -> Floats:
    """Return the amount of each stain at each pixel: colour deconvolution of Ruifrok and Johnston 2001.

    Optical density, -log10 of the light that passes, is a sum over stains; the amounts solve it, by least squares if
    there are two. Noise makes some of them negative, and they are left so.

    Parameters
    ----------
    image
        (..., 3): uint8, where 255 is clear glass, or float in [0, 1]. Values below 1/512 count as 1/512.
    stains
        (K, 3), K = 1, 2 or 3.

    Returns
    -------
    (..., K) float64.

    Raises
    ------
    CourseError
        Shapes do not fit, or two stains have the same colour.

    Examples
    --------
    >>> stains = stain_vectors(["haematoxylin", "eosin"])
    >>> separate_stains(absorb(np.array([0.5, 0.2]), stains), stains).round(6).tolist()
    [0.5, 0.2]
    """
    pixels, stains = np.asarray(image), np.asarray(stains, float)
    if pixels.shape[-1:] != (3,):
        raise CourseError(f"image must have red, green, blue on its last axis, got shape {pixels.shape}")
    if stains.ndim != 2 or stains.shape[1] != 3 or not 1 <= len(stains) <= 3:
        raise CourseError(f"stains must be (K, 3) with K of 1 to 3, got {stains.shape}")
    if np.linalg.matrix_rank(stains) < len(stains):
        raise CourseError("stains must differ in colour, got some that are alike")
    light = pixels / 255.0 if pixels.dtype == np.uint8 else pixels.astype(float)
    density = -np.log10(np.maximum(light, 1 / 512))
    return np.asarray(density @ np.linalg.pinv(stains))


@dataclass(frozen=True)
class _Layout:
    """Where glands lie; grids are (H, W)."""

    y: Floats  # micrometres, bent, so that nothing is a perfect circle
    x: Floats
    centres: Floats  # (G, 2)
    radii: Floats  # (G,)
    owner: NDArray[np.int64]  # nearest gland
    rho: Floats  # distance from its centre in its radii
    angle: Floats  # around it


def _lay_out(rng: np.random.Generator, size: int, spacing_um: float, diameter_um: float) -> _Layout:
    extent, reach = size * spacing_um, diameter_um / 2
    y, x = (np.indices((size, size)) + 0.5) * spacing_um
    y, x = (axis + _noise(rng, size, 0.35 * diameter_um / spacing_um) * 0.09 * diameter_um for axis in (y, x))
    # Glands stand close, without order: random places, taken if no other is near.
    places = rng.uniform(-reach, extent + reach, (4000, 2))
    centres: list[Floats] = []
    for place in places:
        if all(np.hypot(*(place - other)) > 1.06 * diameter_um for other in centres):
            centres.append(place)
    middle = np.array(centres)
    radii = reach * rng.uniform(0.82, 1.1, len(middle))
    distance = np.hypot(y[..., None] - middle[:, 0], x[..., None] - middle[:, 1]) / radii  # (H, W, G)
    owner = distance.argmin(axis=-1)
    angle = np.arctan2(y - middle[owner, 0], x - middle[owner, 1])
    return _Layout(y=y, x=x, centres=middle, radii=radii, owner=owner, rho=distance.min(axis=-1), angle=angle)


def _cytoplasm(rng: np.random.Generator, layout: _Layout, spacing_um: float) -> tuple[Floats, Floats]:
    """Return eosin and the bluish tint of mucus, both (H, W) in optical density."""
    size = len(layout.y)
    epithelium = (layout.rho > LUMEN) & (layout.rho < EPITHELIUM)
    n_cells = np.maximum(8, np.rint(2 * np.pi * 0.78 * layout.radii / 6.0))[layout.owner]
    place = (layout.angle / (2 * np.pi) + 0.5) * n_cells  # which columnar cell, and where in it
    # A wall, darker, between neighbours; a goblet, pale, in every third cell above its nucleus.
    wall = np.exp(-((((place % 1) - 0.5) ** 2 - 0.25) ** 2) / 0.004)
    which = (np.floor(place) + 41 * layout.owner).astype(int)
    goblet = rng.random(4096)[which % 4096] < 0.38
    pale = goblet * np.exp(-(((layout.rho - 0.56) / 0.13) ** 4)) * (1 - wall)
    # Wavy bundles: level lines of a smooth field, frayed; where they part, the section shows glass.
    field = 1.1 * _noise(rng, size, 12 / spacing_um) + 0.16 * _noise(rng, size, 2.5 / spacing_um)
    fibres = 0.5 + 0.3 * np.cos(2 * np.pi * field) + 0.12 * _noise(rng, size, 1.5 / spacing_um)
    gaps = 1 / (1 + np.exp(-(fibres - 0.25 + 0.10 * _noise(rng, size, 9 / spacing_um)) / 0.05))
    grain = 1 + 0.10 * _noise(rng, size, 0.8 / spacing_um)
    stroma = (0.12 + 0.24 * fibres) * (0.15 + 0.85 * gaps)
    basement = 0.22 * np.exp(-(((layout.rho - 1.03) / 0.03) ** 2))
    columnar = 0.24 + 0.10 * wall - 0.17 * pale
    brush = 0.16 * np.exp(-(((layout.rho - LUMEN - 0.03) / 0.03) ** 2))
    eosin = np.where(epithelium, columnar + brush, np.where(layout.rho <= LUMEN, 0.01, stroma)) + basement
    blue = np.where(epithelium, 0.07 + 0.06 * pale, np.where(layout.rho <= LUMEN, 0.01, 0.05 * gaps))
    uneven = 1 + 0.08 * _noise(rng, size, 60 / spacing_um)  # the section is not equally thick everywhere
    return np.maximum(eosin * grain * uneven, 0.0), blue * uneven


def _place_nuclei(rng: np.random.Generator, layout: _Layout, per_mm2: float, extent_um: float) -> Floats:
    """Return (N, 6): centre y and x, long and short semi-axis in micrometres, direction, darkness."""
    cells: list[tuple[float, ...]] = []
    for (cy, cx), radius in zip(layout.centres, layout.radii, strict=True):
        n_cells = int(max(8, np.rint(2 * np.pi * 0.78 * radius / 6.0)))
        for k in range(n_cells):
            angle = 2 * np.pi * ((k + 0.5 + rng.normal(0, 0.08)) / n_cells - 0.5)
            r = radius * (0.82 + rng.normal(0, 0.035))
            where = (cy + r * np.sin(angle), cx + r * np.cos(angle))
            cells.append((*where, rng.normal(4.4, 0.5), rng.normal(2.4, 0.2), angle, rng.uniform(0.55, 0.8)))
    for place in rng.uniform(0, extent_um, (rng.poisson(per_mm2 * extent_um**2 / 1e6), 2)):
        away = np.hypot(*(place - layout.centres).T) / layout.radii
        nearest = int(away.argmin())
        if away[nearest] < 1.10:
            continue
        if rng.random() < 0.45:  # a lymphocyte: round, small, dark
            radius = rng.normal(2.7, 0.25)
            cells.append((*place, radius, radius * rng.uniform(0.85, 1), rng.uniform(0, np.pi), rng.uniform(0.85, 1.1)))
        else:  # a fibroblast: lies along the fibres, around the gland
            dy, dx = place - layout.centres[nearest]
            along = np.arctan2(dy, dx) + np.pi / 2 + rng.normal(0, 0.3)
            cells.append((*place, rng.normal(5.5, 1), rng.normal(1.4, 0.2), along, rng.uniform(0.6, 0.9)))
    return np.array(cells).reshape(-1, 6)


def _draw_nuclei(
    rng: np.random.Generator, layout: _Layout, cells: Floats, scale: float, spacing_um: float
) -> tuple[NDArray[np.int32], Floats]:
    """Return which nucleus lies at each pixel, and its haematoxylin, both (H, W)."""
    size = len(layout.y)
    owner, amount = np.zeros((size, size), np.int32), np.zeros((size, size))
    texture = _noise(rng, size, 0.7 / spacing_um)
    for number, (cy, cx, a, b, angle, dark) in enumerate(cells, start=1):
        long, short = scale * max(a, 1.0), scale * max(b, 0.8)
        # The grid is bent by some micrometres, so the box is larger than the nucleus.
        reach = int(np.ceil((long + 12) / spacing_um))
        row, column = round(cy / spacing_um), round(cx / spacing_um)
        box = np.s_[max(row - reach, 0) : max(row + reach, 0), max(column - reach, 0) : max(column + reach, 0)]
        dy, dx = layout.y[box] - cy, layout.x[box] - cx
        along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
        depth = np.hypot(along / long, across / short)
        inside = (depth < 1) & (owner[box] == 0)
        # Chromatin lies in clumps and along the membrane.
        chromatin = dark * (0.68 + 0.22 * texture[box] + 0.28 * np.exp(-(((depth - 0.9) / 0.14) ** 2)))
        owner[box][inside] = number
        amount[box][inside] = np.clip(chromatin[inside], 0.1, None)
    return owner, amount


def _renumber(owner: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the nuclei that are seen the numbers 1 to K; return the old number of each, [0] for none."""
    kept = np.unique(np.append(owner, 0)).astype(np.int64)
    return np.searchsorted(kept, owner).astype(np.int32), kept


def _noise(rng: np.random.Generator, size: int, sigma_px: float) -> Floats:
    """Return (H, W) smooth noise of mean about 0 and standard deviation 1."""
    if sigma_px < 0.5:
        return rng.normal(size=(size, size))
    # Drawn on a coarser grid where it is smooth: the same look for less time. The grid is many sigmas wide, so that a
    # small picture is a piece of a large one, and the standard deviation that of the filter's formula.
    step = max(1, int(sigma_px / 4))
    sigma = sigma_px / step
    coarse = rng.normal(size=(max(size // step + 3, int(8 * sigma)),) * 2)
    coarse = ndi.gaussian_filter(coarse, sigma, mode="wrap") * 2 * sigma * np.sqrt(np.pi)
    if step > 1:
        coarse = ndi.zoom(coarse[: size // step + 3, : size // step + 3], step, order=1)
    return np.asarray(coarse[:size, :size])
