"""Magnetic susceptibility: the field that iron and calcium make, and what a gradient echo shows of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import ndimage as ndi

from medcourse.datasets import mr
from medcourse.datasets.brain3d import NUCLEI
from medcourse.datasets.tubes import Floats

GYROMAGNETIC_HZ_PER_T = 42.577e6  # of the proton, over 2 pi
# Susceptibility relative to water, parts per million (SI). Veins: 4 pi 0.27 ppm between red cells without and with
# oxygen (Spees et al., Magn Reson Med 45:533-42, 2001, doi:10.1002/mrm.1072) times a haematocrit of 0.4, of which a
# third is without oxygen. The others are round numbers of ours, those of the nuclei in the order of their iron.
VEIN_PPM, BLEED_PPM, CALCIUM_PPM = 0.45, 2.5, -2.0
TISSUE_PPM = {
    "csf": 0.0,
    "grey_matter": 0.02,
    "white_matter": -0.03,
    "caudate": 0.05,
    "putamen": 0.07,
    "pallidum": 0.15,
    "thalamus": 0.01,
    "red_nucleus": 0.13,
    "substantia_nigra": 0.14,
}
IRON_HZ_PER_PPM = 140.0  # how much faster the signal fades, 1 / T2*, for a ppm of finely spread iron; round, ours
VEIN_T2_STAR_MS = {1.5: 60.0, 3.0: 21.0}  # of venous blood, round
_WATER_LIKE = {"csf": "csf", "grey_matter": "grey_matter", "white_matter": "white_matter"}


def dipole_field_hz(chi_ppm: Floats, spacing_mm: tuple[float, float, float], *, field_t: float = 3.0) -> Floats:
    """Return the change of the proton's frequency in hertz that susceptibilities in ppm make, both (Z, Y, X).

    The main field points along z. Zeros are put around the volume, for the Fourier transform would repeat it.
    """
    margin = [int(np.ceil(16.0 / mm)) for mm in spacing_mm]
    shape = [fft.next_fast_len(n + m, real=True) for n, m in zip(chi_ppm.shape, margin, strict=True)]
    kz, ky = (fft.fftfreq(n, mm) for n, mm in zip(shape[:2], spacing_mm[:2], strict=True))
    kx = fft.rfftfreq(shape[2], spacing_mm[2])
    along, across = kz[:, None, None] ** 2, ky[None, :, None] ** 2 + kx[None, None, :] ** 2
    square = along + across
    square[0, 0, 0] = 1.0
    dipole = 1 / 3 - along / square
    dipole[0, 0, 0] = 0.0  # the mean of the field is not told by the susceptibility of a piece
    field = fft.irfftn(dipole * fft.rfftn(chi_ppm, shape), shape)
    z, y, x = chi_ppm.shape
    return np.asarray(field[:z, :y, :x] * GYROMAGNETIC_HZ_PER_T * field_t * 1e-6)


def phase_mask(phase: NDArray[np.floating]) -> Floats:
    """Return Haacke's mask for a phase in [-pi, pi]: 1 from 0 upwards, and falling to 0 at -pi.

    Examples
    --------
    >>> phase_mask(np.array([-np.pi, -np.pi / 2, 0.0, 1.0])).tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    return np.clip(1 + np.asarray(phase, dtype=np.float64) / np.pi, 0.0, 1.0)


def minimum_projection(volume: NDArray[np.floating], n_slices: int = 5) -> NDArray[np.floating]:
    """Return, for each slice, the darkest value of the `n_slices` around it: in it veins are seen as lines."""
    return np.asarray(ndi.minimum_filter1d(volume, n_slices, axis=0))


@dataclass(frozen=True)
class Echo:
    """How the scan is made."""

    spacing_mm: tuple[float, float, float]
    field_t: float
    echo_ms: float
    repetition_ms: float
    flip_deg: float
    high_pass_mm: float
    mask_power: int

    def signals(self) -> dict[str, float]:
        """Return the signal of each tissue, and of venous blood, over that of white matter."""
        times = {"field_t": self.field_t, "repetition_ms": self.repetition_ms, "flip_deg": self.flip_deg}
        known = mr.tissue_signals("gradient_echo", echo_ms=self.echo_ms, **times)
        early = mr.tissue_signals("gradient_echo", echo_ms=0.0, **times)
        found = {name: known[tissue] for name, tissue in _WATER_LIKE.items()}
        for name in NUCLEI:
            faster = np.exp(-self.echo_ms * 1e-3 * IRON_HZ_PER_PPM * max(TISSUE_PPM[name], 0))
            found[name] = known["deep_grey"] * float(faster)
        found["vein"] = early["blood"] * float(np.exp(-self.echo_ms / VEIN_T2_STAR_MS[self.field_t]))
        return {name: value / known["white_matter"] for name, value in found.items()}

    def complex_image(self, signal: Floats, field_hz: Floats) -> NDArray[np.complex128]:
        """Turn by the field and add up the voxel; iron turns the phase to negative values.

        Along each axis the phase runs straight from the middle of a voxel to those of its neighbours. The mean of
        exp(i phi) over half a voxel in which phi turns by d / 2 is exp(i d / 4) sin(d / 4) / (d / 4).
        """
        phase = (-2 * np.pi * self.echo_ms * 1e-3 * field_hz).astype(np.float32)
        voxel = signal * np.exp(1j * phase)
        for axis in range(3):
            turn = np.diff(phase, axis=axis)
            half = np.exp(0.25j * turn) * np.sinc(turn / (4 * np.pi))
            low, high = [[slice(None)] * 3 for _ in range(2)]
            low[axis], high[axis] = slice(0, -1), slice(1, None)
            mean = np.ones_like(voxel)
            mean[tuple(low)] = 0.5 * half
            mean[tuple(high)] += 0.5 * half.conj()
            first, last = [[slice(None)] * 3 for _ in range(2)]
            first[axis], last[axis] = slice(0, 1), slice(-1, None)
            mean[tuple(first)] += 0.5
            mean[tuple(last)] -= 0.5
            voxel = voxel * mean
        return np.asarray(voxel)

    def weighted(self, image: NDArray[np.complex128]) -> Floats:
        """Return magnitude times the mask of the high-passed phase."""
        sigma = [0.0, *(self.high_pass_mm / mm for mm in self.spacing_mm[1:])]
        narrow = image.astype(np.complex64)  # half the time, and its error is far below the noise
        slow = ndi.gaussian_filter(narrow.real, sigma, truncate=3) + 1j * ndi.gaussian_filter(
            narrow.imag, sigma, truncate=3
        )
        phase = np.angle(narrow * slow.conj())
        return np.asarray(np.abs(image) * phase_mask(phase) ** self.mask_power)
