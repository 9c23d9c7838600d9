"""Magnetic resonance: relaxation and contrast, k-space and what is left out of it, noise of the coil."""

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from sklearn.utils import Bunch

from medcourse.datasets import phantoms
from medcourse.errors import CourseError

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Sequence = Literal["spin_echo", "gradient_echo", "inversion_recovery"]
Pattern = Literal["regular", "random", "centre"]

# (T1, T2) in ms at 1.5 T and 3 T, and proton density as a share of water's.
# White and grey matter, muscle, blood: Stanisz et al., Magn Reson Med 54:507-12, 2005, doi:10.1002/mrm.20605; but T1 of
# white, grey and deep grey matter at 1.5 T as measured in people: Wright et al., MAGMA 21:121-30, 2008,
# doi:10.1007/s10334-008-0104-8, for the values of excised tissue would leave no T1 contrast there, and clinics see one.
# Fat, marrow: de Bazelaire et al., Radiology 230:652-9, 2004, doi:10.1148/radiol.2303021331.
# T1 of fluid: Rooney et al., Magn Reson Med 57:308-18, 2007, doi:10.1002/mrm.21122. Its T2, deep grey matter at
# 3 T (between grey and white), skin, cortical bone (too short to be seen) and all densities are round numbers of ours.
RELAXATION: dict[float, dict[str, tuple[float, float]]] = {
    1.5: {
        "white_matter": (646, 72),
        "grey_matter": (1197, 95),
        "deep_grey": (1100, 80),
        "csf": (4300, 2000),
        "muscle": (1008, 44),
        "blood": (1441, 290),
        "fat": (343, 58),
        "marrow": (549, 49),
        "skin": (900, 35),
        "cortical_bone": (250, 0.5),
    },
    3.0: {
        "white_matter": (1084, 69),
        "grey_matter": (1820, 99),
        "deep_grey": (1450, 78),
        "csf": (4300, 2000),
        "muscle": (1412, 50),
        "blood": (1932, 275),
        "fat": (382, 68),
        "marrow": (586, 49),
        "skin": (1100, 35),
        "cortical_bone": (300, 0.4),
    },
}
PROTON_DENSITY = {
    "white_matter": 0.70,
    "grey_matter": 0.82,
    "deep_grey": 0.78,
    "csf": 1.0,
    "muscle": 0.78,
    "blood": 0.85,
    "fat": 0.90,
    "marrow": 0.80,
    "skin": 0.65,
    "cortical_bone": 0.15,
}
# Dephasing by the field's unevenness, 1/T2* = 1/T2 + 1/T2'; such that grey matter gets the T2* that Peters et al., Magn
# Reson Imaging 25:748-53, 2007, doi:10.1016/j.mri.2007.02.014, measured: about 84 ms at 1.5 T, 66 ms at 3 T.
T2_PRIME_MS = {1.5: 720.0, 3.0: 200.0}


def spin_echo(density: float, t1_ms: float, t2_ms: float, *, repetition_ms: float, echo_ms: float) -> float:
    """Return the signal of a spin echo, rho (1 - exp(-TR / T1)) exp(-TE / T2), for an echo much shorter than TR.

    Examples
    --------
    >>> round(spin_echo(1.0, 1000, 100, repetition_ms=1000, echo_ms=100), 4)
    0.2325
    """
    return float(density * (1 - np.exp(-repetition_ms / t1_ms)) * np.exp(-echo_ms / t2_ms))


def gradient_echo(
    density: float, t1_ms: float, t2_star_ms: float, *, repetition_ms: float, echo_ms: float, flip_deg: float
) -> float:
    """Return the steady signal of a spoiled gradient echo: rho sin(a) (1 - E1) / (1 - E1 cos(a)) exp(-TE / T2*).

    E1 = exp(-TR / T1). For a given TR it is largest at Ernst's angle, cos(a) = E1.
    """
    e1, flip = np.exp(-repetition_ms / t1_ms), np.deg2rad(flip_deg)
    return float(density * np.sin(flip) * (1 - e1) / (1 - e1 * np.cos(flip)) * np.exp(-echo_ms / t2_star_ms))


def inversion_recovery(
    density: float, t1_ms: float, t2_ms: float, *, repetition_ms: float, echo_ms: float, inversion_ms: float
) -> float:
    """Return the signal, with its sign, of an inversion recovery: rho (1 - 2 exp(-TI/T1) + exp(-TR/T1)) exp(-TE/T2).

    A tissue vanishes at the inversion time at which it passes through 0: so fluid is suppressed (FLAIR), or fat (STIR).
    """
    recovered = 1 - 2 * np.exp(-inversion_ms / t1_ms) + np.exp(-repetition_ms / t1_ms)
    return float(density * recovered * np.exp(-echo_ms / t2_ms))


def tissue_signals(
    sequence: Sequence = "spin_echo",
    *,
    field_t: float = 3.0,
    repetition_ms: float = 600.0,
    echo_ms: float = 10.0,
    inversion_ms: float = 2400.0,
    flip_deg: float = 25.0,
) -> dict[str, float]:
    """Return the signal of each tissue in a sequence, as a share of fully relaxed water.

    Examples
    --------
    >>> t1 = tissue_signals("spin_echo", repetition_ms=600, echo_ms=10)
    >>> t2 = tissue_signals("spin_echo", repetition_ms=5000, echo_ms=100)
    >>> t1["white_matter"] > t1["grey_matter"] > t1["csf"], t2["white_matter"] < t2["grey_matter"] < t2["csf"]
    (True, True)
    """
    if field_t not in RELAXATION:
        raise CourseError(f"field_t must be one of {sorted(RELAXATION)}, got {field_t}")
    if not repetition_ms > echo_ms >= 0:
        raise CourseError(f"repetition_ms must be longer than echo_ms >= 0, got {repetition_ms} and {echo_ms}")
    signals = {}
    for name, (t1, t2) in RELAXATION[field_t].items():
        density = PROTON_DENSITY[name]
        if sequence == "spin_echo":
            signal = spin_echo(density, t1, t2, repetition_ms=repetition_ms, echo_ms=echo_ms)
        elif sequence == "gradient_echo":
            t2_star = 1 / (1 / t2 + 1 / T2_PRIME_MS[field_t])
            signal = gradient_echo(
                density, t1, t2_star, repetition_ms=repetition_ms, echo_ms=echo_ms, flip_deg=flip_deg
            )
        elif sequence == "inversion_recovery":
            signal = inversion_recovery(
                density, t1, t2, repetition_ms=repetition_ms, echo_ms=echo_ms, inversion_ms=inversion_ms
            )
        else:
            raise CourseError(
                f'sequence must be "spin_echo", "gradient_echo" or "inversion_recovery", got {sequence!r}'
            )
        signals[name] = signal
    return signals


def to_kspace(image: NDArray[np.generic]) -> Complexes:
    """Return the spectrum of an image (H, W), frequency 0 in the middle, with the energy of the image."""
    return np.asarray(fft.fftshift(fft.fft2(fft.ifftshift(image), norm="ortho")))


def from_kspace(kspace: NDArray[np.generic]) -> Complexes:
    """Return the complex image of a spectrum, the inverse of `to_kspace`."""
    return np.asarray(fft.fftshift(fft.ifft2(fft.ifftshift(kspace), norm="ortho")))


def kspace_mask(
    n_lines: int, *, acceleration: float = 1.0, pattern: Pattern = "regular", centre_lines: int = 16, seed: int = 0
) -> NDArray[np.bool_]:
    """Choose which lines of k-space are measured.

    Parameters
    ----------
    n_lines
        Lines of the full k-space.
    acceleration
        Full number over measured number, >= 1; time saved.
    pattern
        "regular" takes every n-th line and aliases, "random" spreads the aliasing like noise, "centre" takes the low
        frequencies only and blurs.
    centre_lines
        Lines in the middle that "random" always takes.
    seed
        For "random".

    Returns
    -------
    (n_lines,) bool.

    Examples
    --------
    >>> int(kspace_mask(128, acceleration=4, pattern="random").sum())
    32
    """
    if not 1 <= acceleration <= n_lines:
        raise CourseError(f"acceleration must lie in [1, {n_lines}], got {acceleration}")
    wanted = max(1, round(n_lines / acceleration))
    mask = np.zeros(n_lines, bool)
    if pattern == "regular":
        # The step starts in the middle, so that the brightest line is taken.
        places = n_lines // 2 + np.round(np.arange(-n_lines, n_lines) * acceleration).astype(int)
        mask[places[(places >= 0) & (places < n_lines)]] = True
    elif pattern in ("centre", "random"):
        low = wanted if pattern == "centre" else min(centre_lines, wanted)
        mask[(n_lines - low) // 2 : (n_lines - low) // 2 + low] = True
        rest = np.flatnonzero(~mask)
        mask[np.random.default_rng(seed).choice(rest, wanted - low, replace=False)] = True
    else:
        raise CourseError(f'pattern must be "regular", "random" or "centre", got {pattern!r}')
    return mask


def make_mr_slice(
    *,
    sequence: Sequence = "spin_echo",
    repetition_ms: float = 600.0,
    echo_ms: float = 10.0,
    inversion_ms: float = 2400.0,
    flip_deg: float = 25.0,
    field_t: float = 3.0,
    acceleration: float = 1.0,
    pattern: Pattern = "regular",
    coil_noise: float = 0.008,
    uneven_coil: float = 0.15,
    size: tuple[int, int] = (256, 208),
    spacing_mm: float = 0.9,
    seed: int = 0,
) -> Bunch:
    """Simulate an MR slice of a head: signal of each tissue, k-space with the coil's noise, the measured lines.

    Lines that are left out are zero (zero-filled reconstruction). Real and imaginary part of the noise are normal and
    independent, so the magnitude is Rician. Nothing moves, and no echo is late.

    Parameters
    ----------
    sequence
        "spin_echo", "gradient_echo" (spoiled) or "inversion_recovery".
    repetition_ms, echo_ms, inversion_ms, flip_deg
        TR, TE, TI (for inversion recovery) and flip angle (for gradient echo).
    field_t
        1.5 or 3 tesla.
    acceleration, pattern
        See `kspace_mask`; lines run along the rows, and rows are left out.
    coil_noise
        Standard deviation of each part of the noise in the image of a full k-space, as a share of water's signal.
    uneven_coil
        Relative difference of the coil's sensitivity across the head; 0 is even.
    size, spacing_mm
        Height and width in pixels, even; width of a pixel.
    seed
        Same seed, same head and same noise.

    Returns
    -------
    Bunch
        image : (H, W) float32, magnitude. truth : (H, W), signal without coil, noise and gaps.
        kspace : (H, W) complex, as measured. mask : (H,) bool, the measured lines.
        tissue : (H, W) uint8 into `phantoms.TISSUES`. signals : signal of each tissue.
        spacing_mm : as given. description : with the word SIMULATED.

    Examples
    --------
    >>> head = make_mr_slice(size=(64, 52), spacing_mm=3.6, acceleration=2)
    >>> head.image.shape, int(head.mask.sum())
    ((64, 52), 32)
    """
    signals = tissue_signals(
        sequence,
        field_t=field_t,
        repetition_ms=repetition_ms,
        echo_ms=echo_ms,
        inversion_ms=inversion_ms,
        flip_deg=flip_deg,
    )
    tissue = _head(*size, spacing_mm, seed)
    # Partial volume happens before the magnitude: opposite signs in a pixel cancel.
    truth = phantoms.coarsen(phantoms.lookup(signals, tissue), 2)
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    turn = rng.uniform(0, 2 * np.pi)
    coil = 1 + uneven_coil * (0.5 * (y * np.sin(turn) + x * np.cos(turn)) + 0.4 * (y**2 + x**2) - 0.2)
    kspace = to_kspace(truth * coil)
    kspace = kspace + rng.normal(0, coil_noise, size) + 1j * rng.normal(0, coil_noise, size)
    mask = kspace_mask(size[0], acceleration=acceleration, pattern=pattern, seed=seed)
    kspace = np.where(mask[:, None], kspace, 0)
    return Bunch(
        image=np.abs(from_kspace(kspace)).astype(np.float32),
        truth=truth,
        kspace=kspace,
        mask=mask,
        tissue=tissue[1::2, 1::2].copy(),
        signals=signals,
        spacing_mm=spacing_mm,
        description=(
            f"SIMULATED MR slice of a head at {field_t:g} T: {sequence.replace('_', ' ')}, TR {repetition_ms:g} ms, "
            f"TE {echo_ms:g} ms, {mask.sum()} of {size[0]} lines, seed {seed}."
        ),
    )


@lru_cache(maxsize=4)  # a demo that moves TR and TE looks at one head
def _head(height: int, width: int, spacing_mm: float, seed: int) -> NDArray[np.uint8]:
    tissue: NDArray[np.uint8] = phantoms.head(size=(height, width), spacing_mm=spacing_mm, seed=seed).tissue
    return tissue
