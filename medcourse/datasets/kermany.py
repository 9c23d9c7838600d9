"""B-scans in the layout of Kermany et al. 2018: a folder a class, the patient's number in the name of the file."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from sklearn.utils import Bunch

from medcourse.datasets.oct_patches import MEMBRANE_ROW, SIDE_PX, SPACING_UM
from medcourse.errors import CourseError

SPLITS = ("train", "test")
CLASSES = ("CNV", "DME", "DRUSEN", "NORMAL")
SUFFIXES = (".jpeg", ".jpg", ".png", ".tif", ".tiff")
# The files do not say how large a pixel is. Scans of this device are about 1.9 mm deep and 6 mm wide.
DEPTH_UM, WIDTH_UM = 1900.0, 6000.0
_NAME = re.compile(r"^([A-Za-z]+)-(\d+)-(\d+)$")


def read_kermany(folder: str | Path, *, most_per_class: int | None = 200, seed: int = 0) -> Bunch:
    """Read B-scans of the retina by class and patient: choroidal neovascularisation, diabetic oedema, drusen, normal.

    The layout is `train/NORMAL/NORMAL-12345-1.jpeg`: class, patient, number of the image. A patient has many
    images, and some copies of the data have the same patient in both splits: such patients are left out of `train`.

    Parameters
    ----------
    folder
        The one that holds `train` and `test`, or one above it.
    most_per_class
        Images to read of each class and split, whole patients at random; None for all.
    seed
        Which patients.

    Returns
    -------
    Bunch
        train, test : Bunch of
            images : list of (H, W) uint8, grey.
            classes : list of str, of `CLASSES`.
            patients : list of str, such as "12345".
            names : list of str, of the files without ending.
        DESCR : str.

    Raises
    ------
    CourseError
        No such folder, no images of a split, a file cannot be read or has another kind of name.

    References
    ----------
    .. [1] Kermany et al. Identifying medical diagnoses and treatable diseases by image-based deep learning.
       Cell 172(5):1122-1131, 2018. https://doi.org/10.1016/j.cell.2018.02.010
    """
    root = _root(Path(folder))
    files = {split: _list(root / split) for split in SPLITS}
    tested = {patient for _, patient, _ in files["test"]}
    both = {patient for _, patient, _ in files["train"] if patient in tested}
    files["train"] = [entry for entry in files["train"] if entry[1] not in both]
    if not files["train"]:
        raise CourseError(f"expected patients in {root / 'train'} who are not in {root / 'test'}, found none")
    splits = {split: _read(_choose(files[split], most_per_class, seed)) for split in SPLITS}
    counts = ", ".join(
        f"{len(splits[split].images)} images of {len(set(splits[split].patients))} patients in {split}"
        for split in SPLITS
    )
    return Bunch(
        **splits,
        DESCR=f"Kermany et al., CC BY 4.0, {counts}; {len(both)} patients of both left out of train; "
        "https://doi.org/10.1016/j.cell.2018.02.010",
    )


def flatten_retina(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return a B-scan as `make_oct_patches` has its slices: retina flat, 64 rows of 8 um, columns of 16 um.

    Parameters
    ----------
    image
        (H, W) grey, in [0, 255] or [0, 1]; about 1.9 mm deep and 6 mm wide.

    Returns
    -------
    (64, 375) float32 in [0, 1]
        Bruch's membrane, as `find_membrane` sees it, at the upper edge of row 52.
    """
    grey = _without_corners(np.asarray(image))
    membrane = find_membrane(grey)  # (W,) rows
    step_um = np.array([DEPTH_UM / grey.shape[0], WIDTH_UM / grey.shape[1]])
    # Each pixel of the result is a mean over as much of the scan as it covers.
    smooth = ndi.uniform_filter(grey, np.maximum(np.rint(np.array(SPACING_UM) / step_um), 1).astype(int))
    columns = (np.arange(int(WIDTH_UM / SPACING_UM[1])) + 0.5) * SPACING_UM[1] / step_um[1] - 0.5
    rows = (np.arange(SIDE_PX) + 0.5 - MEMBRANE_ROW) * SPACING_UM[0] / step_um[0]
    base = np.interp(columns, np.arange(grey.shape[1]), membrane)
    where = np.stack(np.broadcast_arrays(base[None] + rows[:, None], columns[None]))
    return np.asarray(ndi.map_coordinates(smooth, where, order=1, mode="nearest"), dtype=np.float32)


def find_membrane(image: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the row of Bruch's membrane in each column, as a smooth parabola.

    The pigment epithelium is the lower one of the two brightest bands: in each column it is looked for in what is
    left when the upper half of the light is taken away. A parabola through these places, fitted again without
    those that lie far off, bridges shadows and lesions.

    Parameters
    ----------
    image
        (H, W) grey.

    Returns
    -------
    (W,) rows, the lower edge of the band.
    """
    step_um = DEPTH_UM / image.shape[0]
    smooth = ndi.gaussian_filter(image.astype(float), (12 / step_um, image.shape[1] / 100))
    # The retina is what is bright above the choroid: its darkest part, the background, is taken off.
    light = np.clip(smooth - np.percentile(smooth, 50), 0, None)
    share = np.cumsum(light, axis=0) / np.maximum(light.sum(axis=0), 1e-9)
    found = np.where((share > 0.4) & (share < 0.9), smooth, -1.0).argmax(axis=0)
    columns = np.linspace(-1, 1, image.shape[1])
    good = np.ones(len(columns), bool)
    for tolerance_um in (120.0, 60.0, 30.0, 30.0):
        curve = np.polynomial.Polynomial.fit(columns[good], found[good], 2)(columns)
        near = np.abs(found - curve) * step_um < tolerance_um
        if near.sum() < len(columns) / 4:
            break  # no band to be seen: keep the last curve
        good = near
    return np.asarray(curve + 11.0 / step_um)  # from the middle of the epithelium to its lower edge


def cut_patches(slices: Sequence[NDArray[np.float32]], *, per_slice: int = 5) -> NDArray[np.float32]:
    """Cut patches (N * per_slice, 64, 64) out of flat slices (64, W), at equal distances."""
    patches = []
    for flat in slices:
        starts = np.linspace(0, flat.shape[1] - SIDE_PX, per_slice).astype(int)
        patches += [flat[:, start : start + SIDE_PX] for start in starts]
    return np.stack(patches)


def _without_corners(image: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return grey in [0, 1] with white at the border made dark: scans were turned, and what was left is white."""
    if image.ndim != 2 or min(image.shape) < SIDE_PX:
        raise CourseError(f"expected a grey B-scan (H, W) of at least {SIDE_PX} pixels a side, got {image.shape}")
    grey = image.astype(float) / (255 if image.dtype == np.uint8 else 1)
    white, _ = ndi.label(grey > 0.98)
    rim = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    large = [label for label in np.unique(rim[rim > 0]) if (white == label).sum() > 0.002 * white.size]
    outside = ndi.binary_dilation(np.isin(white, large), iterations=2) if large else np.zeros(grey.shape, bool)
    return np.where(outside, np.percentile(grey, 10), grey)


def _root(folder: Path) -> Path:
    if not folder.is_dir():
        raise CourseError(f"expected a folder with {' and '.join(SPLITS)} in it, found none at {folder}")
    for root in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        if all((root / split).is_dir() for split in SPLITS):
            return root
    raise CourseError(f"expected {' and '.join(SPLITS)} in {folder}, found none: is it unpacked?")


def _list(folder: Path) -> list[tuple[str, str, Path]]:
    """Return (class, patient, file) of each image of a split."""
    entries = []
    for kind in CLASSES:
        for path in sorted((folder / kind).iterdir()) if (folder / kind).is_dir() else []:
            if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
                continue
            name = _NAME.match(path.stem)
            if name is None:
                raise CourseError(f"{path}: expected a name such as {kind}-12345-1.jpeg, class, patient and image")
            entries.append((kind, name[2], path))
    if not entries:
        raise CourseError(f"expected images in {', '.join(CLASSES)} of {folder}, found none")
    return entries


def _choose(entries: list[tuple[str, str, Path]], most_per_class: int | None, seed: int) -> list[tuple[str, str, Path]]:
    """Return at most so many images of each class, patient by patient in random order."""
    if most_per_class is None:
        return entries
    chosen = []
    rng = np.random.default_rng(seed)
    for kind in CLASSES:
        of_kind = [entry for entry in entries if entry[0] == kind]
        order = {patient: i for i, patient in enumerate(rng.permutation(sorted({entry[1] for entry in of_kind})))}
        chosen += sorted(of_kind, key=lambda entry: (order[entry[1]], entry[2].name))[:most_per_class]
    return chosen


def _read(entries: list[tuple[str, str, Path]]) -> Bunch:
    from PIL import Image  # noqa: PLC0415

    images = []
    for _, _, path in entries:
        try:
            with Image.open(path) as file:
                images.append(np.asarray(file.convert("L")))
        except Exception as error:  # each decoder has its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CourseError(f"{path}: expected a picture, could not read it ({reason}): is it damaged?") from None
    return Bunch(
        images=images,
        classes=[kind for kind, _, _ in entries],
        patients=[patient for _, patient, _ in entries],
        names=[path.stem for _, _, path in entries],
    )
