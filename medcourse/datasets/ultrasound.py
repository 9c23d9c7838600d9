"""Ultrasound, simulated: echoes of many small scatterers, and what a scanner makes of them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy import signal
from sklearn.utils import Bunch

from medcourse.datasets import fetus
from medcourse.datasets.ranges import check_ranges
from medcourse.errors import CourseError

Floats = NDArray[np.float64]

SOUND_MM_PER_US = 1.54  # in soft tissue
PROBE_RADIUS_MM = 50.0  # of a curved array for the belly
FAN_DEG = 66.0
SAMPLES_PER_CYCLE = 5


def make_ultrasound(
    *,
    phantom: Literal["fetus", "uniform"] = "fetus",
    crl_mm: float = 56.0,
    tilt_deg: float = 6.0,
    frequency_mhz: float = 5.0,
    cycles: float = 2.0,
    f_number: float = 3.0,
    focus_mm: float = 50.0,
    depth_mm: float = 85.0,
    n_beams: int = 256,
    scatterers_per_mm2: float = 60.0,
    attenuation_db_cm_mhz: float = 0.5,
    tgc_db_cm_mhz: float = 0.5,
    noise_db: float = -75.0,
    dynamic_range_db: float = 60.0,
    spacing_mm: float = 0.25,
    seed: int = 0,
) -> Bunch:
    """Simulate a picture of a curved ultrasound probe: a fetus of the first trimester, or uniform tissue.

    Scatterers lie at random and echo by their tissue. Each beam's radio-frequency line is their sum, blurred across the
    beams by a width that is least at the focus, and along the beam by the pulse; interfaces across the beam echo as
    mirrors. Sound is lost on its way there and back, `attenuation_db_cm_mhz` in soft tissue, hardly any in fluid, much
    in bone, and noise is added; the scanner amplifies late echoes (time gain compensation), detects the envelope,
    compresses it and puts the beams in their place. What lies behind fluid is too bright, behind bone too dark.

    Parameters
    ----------
    phantom
        "fetus": the mid-sagittal view in which the crown-rump length is measured; "uniform": tissue without structure.
    crl_mm
        Crown-rump length in [35, 75] millimetres; 54 is about 12 weeks (`gestational_age_days`).
    tilt_deg
        Of the fetus in the picture.
    frequency_mhz, cycles
        Of the pulse; the axial resolution is about cycles * wavelength / 2.
    f_number, focus_mm
        Depth of the focus over the aperture's width, and that depth: see `beam_width_mm`.
    depth_mm
        Of the picture, in [30, 200].
    n_beams
        Lines in the fan of 66 degrees, >= 16.
    scatterers_per_mm2
        > 0; below about ten a resolution cell, speckle is not Rayleigh-distributed any more.
    attenuation_db_cm_mhz
        Of soft tissue, one way; about 0.5 in the body.
    tgc_db_cm_mhz
        What the scanner assumes it to be.
    noise_db
        Noise of the electronics against the echo of soft tissue at the probe, in dB; -inf for none.
    dynamic_range_db
        From black to white, > 0.
    spacing_mm
        Width of a pixel of the picture.
    seed
        Same seed, same picture.

    Returns
    -------
    Bunch
        image : (H, W) float32 in [0, 1]; 0 outside the fan. fan : (H, W) bool, the inside.
        spacing_mm : as given. tissue : (H, W) int, index into `tissues`; outside the fan -1.
        crown_px, rump_px : (2,) row and column of the ends of the crown-rump length ("fetus" only, else None).
        crl_mm : as given, or None. tissues : list of str.
        rf : (Z, B) float64, one column a beam, after time gain compensation. envelope : (Z, B).
        depths_mm : (Z,). angles_rad : (B,). description : with the word SIMULATED.

    Raises
    ------
    CourseError
        A parameter is out of its range.

    Examples
    --------
    >>> picture = make_ultrasound(depth_mm=40, n_beams=32, spacing_mm=0.5, phantom="uniform")
    >>> picture.image.dtype, picture.rf.shape[1]
    (dtype('float32'), 32)
    """
    if phantom not in ("fetus", "uniform"):
        raise CourseError(f'phantom must be "fetus" or "uniform", got {phantom!r}')
    check_ranges(
        [
            ("crl_mm", crl_mm, 35, 75),
            ("frequency_mhz", frequency_mhz, 1, 20),
            ("cycles", cycles, 0.5, 20),
            ("f_number", f_number, 0.5, 20),
            ("focus_mm", focus_mm, 5, 300),
            ("depth_mm", depth_mm, 30, 200),
            ("n_beams", n_beams, 16, 2048),
            ("scatterers_per_mm2", scatterers_per_mm2, 1e-3, 1e6),
            ("attenuation_db_cm_mhz", attenuation_db_cm_mhz, 0, 10),
            ("tgc_db_cm_mhz", tgc_db_cm_mhz, 0, 10),
            ("noise_db", noise_db, -np.inf, 100),
            ("dynamic_range_db", dynamic_range_db, 1, 200),
            ("spacing_mm", spacing_mm, 0.05, 5),
        ]
    )
    bodies, sparks, electronics = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    wavelength = SOUND_MM_PER_US / frequency_mhz
    step = wavelength / 2 / SAMPLES_PER_CYCLE  # there and back, the phase turns twice as fast
    depths = np.arange(0, depth_mm, step)
    angles = np.deg2rad(np.linspace(-FAN_DEG / 2, FAN_DEG / 2, n_beams))
    x, z = _places(depths[:, None], angles)
    pose = fetus.Pose(crl_mm, 0.5 * depth_mm + 7, tilt_deg)
    wobble = _smooth_noise(bodies, x, z)
    if phantom == "fetus":
        body = fetus.draw(x, z, pose, wobble)
    else:
        body = fetus.Body(np.full(x.shape, fetus.TISSUES.index("liver")), np.zeros(x.shape))

    pitch = np.gradient((PROBE_RADIUS_MM + depths)[:, None] * angles, axis=1)  # (Z, B) millimetres from beam to beam
    echoes = scatter(sparks, fetus.SCATTER_DB[body.tissue], scatterers_per_mm2 * step * pitch)
    echoes += 10 * body.mirror * _facing(body.mirror, step, pitch)
    width = beam_width_mm(depths, wavelength_mm=wavelength, f_number=f_number, focus_mm=focus_mm)
    rf = pulse_echo(echoes, step_mm=step, pitch_mm=pitch, width_mm=width, wavelength_mm=wavelength, cycles=cycles)
    loss = attenuation_db_cm_mhz * fetus.ATTENUATION_SHARE[body.tissue]
    rf *= 10 ** (-two_way_loss_db(loss, step_mm=step, frequency_mhz=frequency_mhz) / 20)
    rf += 10 ** (noise_db / 20) * electronics.normal(size=rf.shape)
    assumed = np.full((len(depths), 1), tgc_db_cm_mhz)
    rf *= 10 ** (two_way_loss_db(assumed, step_mm=step, frequency_mhz=frequency_mhz) / 20)
    detected = envelope(rf)
    grey = log_compress(detected, dynamic_range_db=dynamic_range_db)
    shown = _scan_convert(grey, depths, angles, spacing_mm, order=1)
    tissue = _scan_convert(body.tissue.astype(float), depths, angles, spacing_mm, order=0)
    ends = [_to_pixel(end, depths, spacing_mm) for end in pose.to_world(np.stack([fetus.CROWN, fetus.RUMP]))]
    is_fetus = phantom == "fetus"
    return Bunch(
        image=np.nan_to_num(shown).astype(np.float32),
        fan=np.isfinite(shown),
        spacing_mm=spacing_mm,
        tissue=np.nan_to_num(tissue, nan=-1).astype(int),
        tissues=list(fetus.TISSUES),
        crown_px=ends[0] if is_fetus else None,
        rump_px=ends[1] if is_fetus else None,
        crl_mm=crl_mm if is_fetus else None,
        rf=rf,
        envelope=detected,
        depths_mm=depths,
        angles_rad=angles,
        description=(
            f"SIMULATED ultrasound of {'a fetus' if is_fetus else 'uniform tissue'}: curved probe of "
            f"{frequency_mhz:g} MHz, {n_beams} beams, seed {seed}. Body and scanner are models; nobody was scanned."
        ),
    )


def gestational_age_days(crl_mm: float) -> float:
    """Return days since the last menstruation by the crown-rump length: Robinson and Fleming 1975, BJOG 82:702.

    Examples
    --------
    >>> round(gestational_age_days(54.0) / 7, 1)
    12.0
    """
    if not crl_mm > 0:
        raise CourseError(f"crl_mm must be > 0, got {crl_mm}")
    return float(8.052 * np.sqrt(1.037 * crl_mm) + 23.73)


def scatter(rng: np.random.Generator, scatter_db: Floats, expected: Floats) -> Floats:
    """Return the echo of each cell of a grid, with mean square 1 where `scatter_db` is 0.

    A cell holds a Poisson number of scatterers, `expected` on average, each of a random strength; their sum is normal
    with that variance.
    """
    number = rng.poisson(expected)
    return np.asarray(10 ** (scatter_db / 20) * rng.normal(size=expected.shape) * np.sqrt(number / expected))


def beam_width_mm(depths_mm: Floats, *, wavelength_mm: float, f_number: float, focus_mm: float) -> Floats:
    """Return the full width at half maximum of the beam at each depth, there and back.

    What is received can be focused at every depth and is f_number * wavelength wide; what is sent has one focus, is as
    wide there and spreads before and behind by the aperture's angle. An echo needs both, so widths combine as those of
    a product of two Gaussians: least at the focus, never wider than what is received.

    Examples
    --------
    >>> beam_width_mm(np.array([50.0]), wavelength_mm=0.3, f_number=2.0, focus_mm=50.0).round(4).tolist()
    [0.4243]
    """
    received = f_number * wavelength_mm
    sent = received * np.sqrt(1 + ((np.asarray(depths_mm) - focus_mm) / (2 * f_number * received)) ** 2)
    return np.asarray((received**-2.0 + sent**-2.0) ** -0.5)


def pulse_echo(
    echoes: Floats, *, step_mm: float, pitch_mm: Floats, width_mm: Floats, wavelength_mm: float, cycles: float
) -> Floats:
    """Turn (Z, B) echoes of points into (Z, B) radio-frequency lines: the beam blurs across, the pulse along.

    Both are Gaussian; the pulse is `cycles` long (full width at half maximum) and carries the wave, whose phase turns
    once in half a wavelength of depth. The mean square of uniform scatterers stays 1.
    """
    sigma = (width_mm / 2.355)[:, None] / pitch_mm.mean(axis=1, keepdims=True)  # in beams, (Z, 1)
    frequency = np.fft.rfftfreq(2 * echoes.shape[1])
    mirrored = np.concatenate([echoes, echoes[:, ::-1]], axis=1)  # no wrap-around at the edge of the fan
    spectrum = np.fft.rfft(mirrored, axis=1) * np.exp(-2 * (np.pi * sigma * frequency) ** 2)
    across = np.fft.irfft(spectrum, n=mirrored.shape[1], axis=1)[:, : echoes.shape[1]]
    # A Gaussian of this width keeps 1 / (2 sqrt(pi) sigma) of the variance of white noise, at most all of it.
    across *= np.sqrt(np.maximum(2 * np.sqrt(np.pi) * sigma, 1.0))
    length = cycles * wavelength_mm / 2 / 2.355
    t = np.arange(-np.ceil(4 * length / step_mm), np.ceil(4 * length / step_mm) + 1) * step_mm
    pulse = np.exp(-0.5 * (t / length) ** 2) * np.cos(4 * np.pi * t / wavelength_mm)
    return np.asarray(signal.fftconvolve(across, pulse[:, None] / np.linalg.norm(pulse), mode="same", axes=0))


def two_way_loss_db(loss_db_cm_mhz: Floats, *, step_mm: float, frequency_mhz: float) -> Floats:
    """Return the loss in dB on the way to each depth and back: (Z, B) from (Z, B) of dB/cm/MHz, one way.

    Examples
    --------
    >>> two_way_loss_db(np.full((11, 1), 0.5), step_mm=10.0, frequency_mhz=4.0)[-1].tolist()
    [40.0]
    """
    before = np.cumsum(loss_db_cm_mhz, axis=0) - loss_db_cm_mhz  # what lies in front of a sample, not the sample
    return np.asarray(2 * frequency_mhz * before * step_mm / 10)


def envelope(rf: NDArray[np.floating]) -> Floats:
    """Return the envelope of radio-frequency lines (Z, B): the magnitude of the analytic signal along depth."""
    n = rf.shape[0]
    return np.asarray(np.abs(signal.hilbert(rf, N=2 * n, axis=0)[:n]))


def log_compress(detected: NDArray[np.floating], *, dynamic_range_db: float, top_percentile: float = 99.8) -> Floats:
    """Map an envelope to grey: 1 at the top, 0 at `dynamic_range_db` below it and less.

    Parameters
    ----------
    detected
        At least 0, any shape.
    dynamic_range_db
        > 0.
    top_percentile
        Of the envelope: what is white. A single bright echo shall not darken the picture.

    Examples
    --------
    >>> log_compress(np.array([1.0, 0.1, 0.001]), dynamic_range_db=40, top_percentile=100).round(6).tolist()
    [1.0, 0.5, 0.0]
    """
    top = np.percentile(detected, top_percentile)
    if not top > 0:
        return np.zeros(np.shape(detected))
    level = 20 * np.log10(np.maximum(detected, 1e-12 * top) / top)
    return np.asarray(np.clip(1 + level / dynamic_range_db, 0, 1))


def _places(depths: Floats, angles: Floats) -> tuple[Floats, Floats]:
    """Return x and z in millimetres of points at depths along beams at angles; z is 0 where the middle beam begins."""
    radius = PROBE_RADIUS_MM + depths
    return radius * np.sin(angles), radius * np.cos(angles) - PROBE_RADIUS_MM


def _frame(depths: Floats, spacing_mm: float) -> tuple[Floats, Floats]:
    """Return x of the columns and z of the rows of the picture."""
    half = (PROBE_RADIUS_MM + depths[-1]) * np.sin(np.deg2rad(FAN_DEG / 2))
    top = PROBE_RADIUS_MM * (np.cos(np.deg2rad(FAN_DEG / 2)) - 1)  # the probe's ends lie above its middle
    return np.arange(-half, half, spacing_mm), np.arange(top, depths[-1], spacing_mm)


def _to_pixel(place: Floats, depths: Floats, spacing_mm: float) -> Floats:
    columns, rows = _frame(depths, spacing_mm)
    return np.array([(place[1] - rows[0]) / spacing_mm, (place[0] - columns[0]) / spacing_mm])


def _scan_convert(polar: Floats, depths: Floats, angles: Floats, spacing_mm: float, *, order: int) -> Floats:
    """Put beams in their place: (Z, B) to (H, W), NaN outside the fan."""
    x, z = np.meshgrid(*_frame(depths, spacing_mm))
    radius, angle = np.hypot(x, z + PROBE_RADIUS_MM) - PROBE_RADIUS_MM, np.arctan2(x, z + PROBE_RADIUS_MM)
    where = [radius / (depths[1] - depths[0]), (angle - angles[0]) / (angles[1] - angles[0])]
    return np.asarray(ndi.map_coordinates(polar, where, order=order, cval=np.nan))


def _facing(mirror: Floats, step_mm: float, pitch_mm: Floats) -> Floats:
    """Return how squarely the beam meets the ridges of `mirror`: cos^4 of the angle, for a mirror forgives little."""
    smooth = ndi.gaussian_filter(mirror, (2.0, 0.7))
    along = np.gradient(smooth, axis=0) / step_mm
    across = np.gradient(smooth, axis=1) / pitch_mm
    return np.asarray((along**2 / (along**2 + across**2 + 1e-12)) ** 2)


def _smooth_noise(rng: np.random.Generator, x: Floats, z: Floats, scale_mm: float = 6.0) -> Floats:
    """Return smooth noise of standard deviation about 1 at points, the same for any sampling of them."""
    grid = ndi.gaussian_filter(rng.normal(size=(96, 96)), 1.5, mode="wrap")
    where = [(z + 40) / scale_mm * 1.5, (x + 150) / scale_mm * 1.5]
    return np.asarray(ndi.map_coordinates(grid / grid.std(), where, order=3, mode="wrap"))
