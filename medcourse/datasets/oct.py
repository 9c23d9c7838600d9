"""Optical coherence tomography of the retina, simulated: echoes of light from its layers."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy import signal
from sklearn.utils import Bunch

from medcourse.datasets.oct_layers import LAYERS, NAMES, Eye
from medcourse.datasets.oct_lesions import displace, fill
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

REFRACTIVE_INDEX = 1.36
FOVEA_SIGMA_UM = 420.0


def make_oct(
    *,
    height: int = 496,
    width: int = 512,
    width_mm: float = 6.0,
    depth_um: float = 1900.0,
    fovea_offset_mm: float = 0.0,
    thickness_factors: Mapping[str, float] | None = None,
    lesions: Sequence[str] = (),
    wavelength_nm: float = 870.0,
    bandwidth_nm: float = 50.0,
    spot_um: float = 14.0,
    rolloff_db_per_mm: float = 2.5,
    n_vessels: int = 7,
    n_averages: int = 4,
    noise_db: float = -42.0,
    dynamic_range_db: float = 42.0,
    seed: int = 0,
) -> Bunch:
    """Simulate a B-scan through the macula: the fovea, the layers of the retina, the choroid.

    Each A-scan is a column of scatterers, as strong as the layer reflects. Light interferes only within its coherence
    length, 2 ln2 / pi * wavelength^2 / bandwidth in air (Fercher et al. 2003, Rep Prog Phys 66:239), so a scatterer is
    that wide along depth, and `spot_um` wide across; their sum is complex and its magnitude speckled. Light is lost on
    its way, vessels throw shadows, the spectrometer loses sight of what is deep, and noise is added. `n_averages`
    independent frames are averaged in power and shown in decibels.

    Anatomy, disease, and speckle with noise draw from separate streams: the same seed gives the same eye on any device.

    Parameters
    ----------
    height, width
        Pixels along depth and across, each >= 64.
    width_mm, depth_um
        What they cover; depth in tissue.
    fovea_offset_mm
        Of the fovea from the middle of the picture.
    thickness_factors
        Factor on the thickness of layers by name (`NAMES`), as {"retinal nerve fibre layer": 0.6} in glaucoma.
    lesions
        Kinds of disease, of `oct_lesions.KINDS`: "subretinal fluid", "intraretinal fluid", "drusen",
        "hyperreflective foci". Of each kind several, at random places.
    wavelength_nm, bandwidth_nm
        Of the source: centre, and full width at half maximum.
    spot_um
        Width of the beam at half maximum on the retina.
    rolloff_db_per_mm
        Loss of the device with depth, from the top of the picture.
    n_vessels
        Vessels of the inner retina that the slice cuts, outside the fovea.
    n_averages
        Frames, >= 1; speckle of a moving eye differs from frame to frame.
    noise_db
        Mean power of the noise of a frame against the retinal pigment epithelium's; -inf for none.
    dynamic_range_db
        From black to white, > 0.
    seed
        Same seed, same picture.

    Returns
    -------
    Bunch
        image : (H, W) float32 in [0, 1]. power : (H, W) float64, linear, averaged.
        layers : (H, W) int, index into `names`. boundaries_um : (L - 1, W), lower edge of each layer but the last.
        lesions : (H, W) int, 0 where healthy, else 1 + the index in `oct_lesions.KINDS`.
        vessels : (N, 3), column, row and radius in micrometres.
        spacing_um : (2,) of rows and columns; they differ: the picture is stretched along depth, as is the habit.
        axial_resolution_um : in tissue. fovea_column : float. names : list of str. description : with SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range, or there is no such layer.

    Examples
    --------
    >>> scan = make_oct(height=128, width=96)
    >>> scan.image.shape, scan.names[0], round(scan.axial_resolution_um, 1)
    ((128, 96), 'vitreous', 4.9)
    """
    check_ranges(
        [
            ("height", height, 64, 4096),
            ("width", width, 64, 4096),
            ("width_mm", width_mm, 0.5, 20),
            ("depth_um", depth_um, 800, 5000),
            ("fovea_offset_mm", fovea_offset_mm, -50, 50),
            ("wavelength_nm", wavelength_nm, 400, 1400),
            ("bandwidth_nm", bandwidth_nm, 1, 400),
            ("spot_um", spot_um, 1, 200),
            ("rolloff_db_per_mm", rolloff_db_per_mm, 0, 50),
            ("n_vessels", n_vessels, 0, 100),
            ("n_averages", n_averages, 1, 1000),
            ("noise_db", noise_db, -np.inf, 100),
            ("dynamic_range_db", dynamic_range_db, 1, 200),
        ]
    )
    factors = dict(thickness_factors or {})
    if unknown := sorted(set(factors) - set(NAMES)):
        raise CourseError(f"thickness_factors must name layers ({', '.join(NAMES)}), got {', '.join(unknown)}")
    anatomy, speckle, disease = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    spacing = np.array([depth_um / height, 1000 * width_mm / width])
    x_um = (np.arange(width) + 0.5) * spacing[1] - 500 * width_mm - 1000 * fovea_offset_mm  # 0 at the fovea
    boundaries = lay_out(anatomy, x_um, depth_um=depth_um, factors=factors)
    boundaries, regions = displace(disease, x_um, boundaries, lesions)
    eye = fill(paint(anatomy, boundaries, height=height, spacing_um=spacing), regions, spacing)
    eye, vessels = add_vessels(anatomy, eye, x_um, n_vessels, spacing)
    resolution = axial_resolution_um(wavelength_nm, bandwidth_nm)
    power = scan(
        speckle,
        eye,
        spacing_um=spacing,
        axial_um=resolution,
        spot_um=spot_um,
        rolloff_db_per_mm=rolloff_db_per_mm,
        noise_db=noise_db,
        n_averages=n_averages,
    )
    return Bunch(
        image=to_grey(power, dynamic_range_db),
        power=power,
        layers=eye.layers,
        boundaries_um=eye.boundaries_um,
        lesions=eye.lesions,
        vessels=vessels,
        spacing_um=spacing,
        axial_resolution_um=resolution,
        fovea_column=float((500 * width_mm + 1000 * fovea_offset_mm) / spacing[1] - 0.5),
        names=list(NAMES),
        description=(
            f"SIMULATED optical coherence tomography of a macula: {height} x {width} pixels of {spacing[0]:.1f} um in "
            f"depth and {spacing[1]:.1f} um across, seed {seed}. Eye and device are models; nobody was examined."
        ),
    )


def to_grey(power: Floats, dynamic_range_db: float) -> NDArray[np.float32]:
    """Return power as a picture in [0, 1]: decibels, white a little above the mean of the brightest layer."""
    level = 10 * np.log10(np.maximum(power, 1e-12))
    return np.clip(1 + (level - 2.0) / dynamic_range_db, 0, 1).astype(np.float32)


def axial_resolution_um(wavelength_nm: float, bandwidth_nm: float) -> float:
    """Return the coherence length in tissue, full width at half maximum, of a Gaussian spectrum.

    Examples
    --------
    >>> round(axial_resolution_um(840, 50) * REFRACTIVE_INDEX, 1)  # in air
    6.2
    """
    in_air = 2 * np.log(2) / np.pi * wavelength_nm**2 / bandwidth_nm / 1000
    return float(in_air / REFRACTIVE_INDEX)


def lay_out(rng: np.random.Generator, x_um: Floats, *, depth_um: float, factors: Mapping[str, float]) -> Floats:
    """Return the lower edge of each layer but the last, (L - 1, W) in micrometres from the top.

    Layers give way towards the fovea (at x = 0): inner ones thin out, cones stand longer and the outer nuclear layer is
    thickest. The nerve fibre layer is thicker towards the optic disc, at positive x. The eye is curved and tilted.
    """
    pit = np.exp(-0.5 * (x_um / FOVEA_SIGMA_UM) ** 2)
    cone = np.exp(-0.5 * (x_um / (0.8 * FOVEA_SIGMA_UM)) ** 2)
    disc = 1 + 0.6 * np.clip(x_um / 3000, -0.7, 1.5)
    # Away from the centre the ganglion cells heap up to the foveal rim, and get fewer further out.
    rim = 1 + 0.25 * np.exp(-(((np.abs(x_um) - 1100) / 500) ** 2)) - 0.25 * (np.abs(x_um) > 0) * (x_um / 3500) ** 2
    bend = 0.9e-5 * x_um**2 * (1 + 0.2 * rng.normal()) + 0.012 * rng.normal() * x_um
    top = 0.27 * depth_um + bend.mean()
    thickness = []
    for layer in LAYERS[1:-1]:
        blend = cone if layer.foveal_um > layer.thickness_um else pit
        d = layer.thickness_um + (layer.foveal_um - layer.thickness_um) * blend
        if layer.name == "retinal nerve fibre layer":
            d = d * disc
        if layer.name in ("ganglion cell layer", "inner plexiform layer", "inner nuclear layer"):
            d = d * np.maximum(rim, 0.3)
        smooth = _smooth(rng, len(x_um), 250 / (x_um[1] - x_um[0]))
        relative = 0.10 if layer.name == "choroid" else 0.05
        thickness.append(np.maximum(d * factors.get(layer.name, 1.0) * (1 + relative * smooth), 0.5))
    # The pigment epithelium is the reference: it lies smooth, and what stands on it makes the pit.
    rpe = NAMES.index("retinal pigment epithelium") - 1
    below = np.cumsum(thickness, axis=0)
    base = top + 330 - bend  # the back of the eye curves up at the sides of the picture
    return np.asarray(np.vstack([np.zeros_like(x_um), below]) + base - below[rpe])


def paint(rng: np.random.Generator, boundaries_um: Floats, *, height: int, spacing_um: Floats) -> Eye:
    """Fill the layers: which one, how bright, how much light it takes, all (H, W)."""
    depth = (np.arange(height)[:, None] + 0.5) * spacing_um[0]
    layers = (depth[None] > boundaries_um[:, None, :]).sum(axis=0)  # (H, W)
    shape = layers.shape
    reflectivity = np.array([layer.reflectivity_db for layer in LAYERS])[layers]
    loss = np.array([layer.loss_db_per_100_um for layer in LAYERS])[layers] / 100
    reflectivity = reflectivity + 1.0 * _noise2(rng, shape, (12 / spacing_um[0], 60 / spacing_um[1]))
    # Vessels of the choroid are dark between its brighter stroma.
    choroid = layers == NAMES.index("choroid")
    vessels = _noise2(rng, shape, (22 / spacing_um[0], 45 / spacing_um[1]))
    reflectivity = reflectivity - np.where(choroid, 11 / (1 + np.exp(-(vessels - 0.35) / 0.15)), 0)
    return Eye(
        boundaries_um=boundaries_um,
        layers=layers,
        reflectivity_db=reflectivity,
        loss_db_per_um=loss,
        lesions=np.zeros(shape, int),
    )


def scan(
    rng: np.random.Generator,
    eye: Eye,
    *,
    spacing_um: Floats,
    axial_um: float,
    spot_um: float,
    rolloff_db_per_mm: float,
    noise_db: float,
    n_averages: int,
) -> Floats:
    """Return the power that the device detects, (H, W), averaged over frames; 1 is the brightest layer unshadowed."""
    height, _ = eye.layers.shape
    # What lies before a pixel takes light; the pixel itself does not shade itself.
    before = (np.cumsum(eye.loss_db_per_um, axis=0) - eye.loss_db_per_um) * spacing_um[0]
    rolloff = rolloff_db_per_mm * (np.arange(height)[:, None] * spacing_um[0]) / 1000
    amplitude = 10 ** ((eye.reflectivity_db - before - rolloff) / 20)
    along, across = (_gaussian(width, step) for width, step in zip((axial_um, spot_um), spacing_um, strict=True))
    power = np.zeros(amplitude.shape)
    for _ in range(n_averages):
        field = amplitude * (rng.normal(size=amplitude.shape) + 1j * rng.normal(size=amplitude.shape)) / np.sqrt(2)
        field = signal.oaconvolve(np.pad(field, 8, mode="reflect"), along[:, None], mode="same", axes=0)
        field = signal.oaconvolve(field, across[None, :], mode="same", axes=1)[8:-8, 8:-8]
        noise = rng.normal(size=(2, *power.shape)) * np.sqrt(10 ** (noise_db / 10) / 2)
        power += np.abs(field + noise[0] + 1j * noise[1]) ** 2
    return power / n_averages


def add_vessels(
    rng: np.random.Generator, eye: Eye, x_um: Floats, n_vessels: int, spacing_um: Floats
) -> tuple[Eye, Floats]:
    """Cut vessels through the inner retina: bright, round, and opaque to what lies behind them."""
    reflectivity, loss = eye.reflectivity_db.copy(), eye.loss_db_per_um.copy()
    width = reflectivity.shape[1]
    rows, columns = np.mgrid[: reflectivity.shape[0], :width]
    found = []
    for _ in range(n_vessels):
        column, radius = int(rng.integers(0, width)), rng.uniform(18, 48)
        if abs(float(x_um[column])) < 700:  # the fovea has none
            continue
        depth = float(eye.boundaries_um[1, column]) + 0.15 * radius
        row = depth / spacing_um[0]
        distance = np.hypot((rows - row) * spacing_um[0], (columns - column) * spacing_um[1]) / radius
        inside = distance < 1
        reflectivity[inside] = -8.0 + 3.0 * (rows[inside] < row)
        loss[inside] = 10.0 / (2 * radius)
        found.append((column, row, radius))
    vessels = np.array(found).reshape(-1, 3)
    return (
        Eye(
            boundaries_um=eye.boundaries_um,
            layers=eye.layers,
            reflectivity_db=reflectivity,
            loss_db_per_um=loss,
            lesions=eye.lesions,
        ),
        vessels,
    )


def _gaussian(width_um: float, step_um: float) -> Floats:
    """Return a kernel of this full width at half maximum of power, with sum of squares 1: speckle keeps its power."""
    sigma = width_um / (2 * np.sqrt(np.log(2))) / step_um  # of the amplitude, whose square is half at width / 2
    n = max(1, int(np.ceil(4 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-n, n + 1) / max(sigma, 1e-3)) ** 2)
    return np.asarray(kernel / np.linalg.norm(kernel))


def _smooth(rng: np.random.Generator, n: int, sigma: float) -> Floats:
    """Return (N,) smooth noise of standard deviation about 1."""
    pad = int(4 * sigma) + 1
    noise = ndi.gaussian_filter1d(rng.normal(size=n + 2 * pad), sigma) * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    return np.asarray(noise[pad : pad + n])


def _noise2(rng: np.random.Generator, shape: tuple[int, int], sigma: tuple[float, float]) -> Floats:
    """Return (H, W) smooth noise of standard deviation about 1."""
    gain = np.prod([np.sqrt(max(2 * np.sqrt(np.pi) * s, 1.0)) for s in sigma])
    return np.asarray(ndi.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap") * gain)
