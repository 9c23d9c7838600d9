# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 1: how a picture comes to be
#
# A scanner does not photograph a patient. It counts photons, records echoes or samples frequencies, and a program turns
# these numbers into a picture. Who knows that program knows which shadows are the patient's and which are the scanner's.
# In this lab you write the core of five of them.
#
# **You will be able to**
#
# - turn stored numbers into Hounsfield units, and these into the greys of a window;
# - filter and back-project the views of a CT, and say why the filter is needed;
# - leave out lines of k-space, and predict from them how wrong the picture will be;
# - put a PET on a CT by millimetres, not by pixels;
# - separate two stains by the law of Beer and Lambert, and gate a population of cells;
# - test over several seeds which law the error follows as dose, views or lines get fewer.
#
# **Time:** about 120 minutes. **Before this:** the lesson *How the pictures are made*.
#
# **Cost:** {{cost}}
#
# All patients here are **simulated**. What you write runs on real recordings, too; the last section says how.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
from scipy import ndimage

from medcourse import datasets, effects, plots, testing
from medcourse.datasets import ct
from medcourse.testing import close

testing.begin_lab(seed=1)
plots.use_style()

# %% [markdown]
# ## Exercise 1: Hounsfield units and a window
#
# A CT file stores whole numbers. Slope $m$ and intercept $b$ of its header turn a stored number $s$ into Hounsfield units,
# $H = m s + b$: air is $-1000$, water 0. A screen shows few greys, so a radiologist chooses a *window* of level
# $L$ and width $W$:
#
# $$ g = \frac{H - (L - W/2)}{W}, \quad \text{cut off to } [0, 1]. $$
#
# **Predict first:** in a lung window ($L = -600$, $W = 1500$), is fat at $-100$ HU dark, grey or white?
#
# <details><summary>Answer</summary>
#
# Nearly white. This window runs from $-1350$ to 150 HU, and fat lies at five sixths of it; in a soft tissue window it is dark.
#
# </details>
#
# <details><summary>Hint</summary>
#
# Two lines: first units, then greys. `np.clip` cuts off. Check with the level itself: it must become 0.5.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "window", "locked": false, "schema_version": 3, "solution": true, "task": false}
def window(stored: np.ndarray, slope: float, intercept: float, level: float, width: float) -> np.ndarray:
    """Turn stored numbers of a CT into greys.

    Parameters
    ----------
    stored : array of integers, any shape
        As in the file, not Hounsfield units yet.
    slope, intercept : float
        RescaleSlope and RescaleIntercept of the header: HU = slope * stored + intercept.
    level, width : float
        Middle and width of the window in HU; width > 0.

    Returns
    -------
    array of float, the same shape
        0 (black) to 1 (white).
    """
    ### BEGIN SOLUTION
    hu = slope * stored + intercept
    return np.clip((hu - (level - width / 2)) / width, 0.0, 1.0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "window_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Inside the window: its level is half grey. Stored 1064 with intercept -1024 is 40 HU.
got = window(np.array([1064, 864, 1264]), 1.0, -1024.0, 40.0, 400.0)
close(
    got, np.array([0.5, 0.0, 1.0]), "40, -160 and 240 HU in the window 40/400", "0 to 1; the width is the whole window"
)
# A header with another slope.
got = window(np.array([500, 750]), 2.0, -1000.0, 0.0, 2000.0)
close(got, np.array([0.5, 0.75]), "stored 500 and 750 with slope 2, intercept -1000", "what does the slope multiply?")
### BEGIN HIDDEN TESTS
got = window(np.array([[0, 500], [250, 125]]), 2.0, -500.0, 0.0, 1000.0)
close(got, np.array([[0.0, 1.0], [0.5, 0.25]]), "stored 0, 500, 250, 125 with slope 2", "multiply by the slope first")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "window_cut", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Outside: black stays black, white stays white.
got = window(np.array([0, 4000]), 1.0, -1024.0, 40.0, 400.0)
close(got, np.array([0.0, 1.0]), "air and metal in a soft tissue window", "cut off below 0 and above 1")
### BEGIN HIDDEN TESTS
stored = testing.hidden_rng("window_cut").integers(0, 4096, (5, 7))
expected = np.minimum(np.maximum((stored * 0.5 - 1000 + 1350.5) / 1501, 0), 1)
got, after = testing.inout(window, stored, 0.5, -1000.0, -600.0, 1501.0)
close(
    got, expected, "random numbers with slope 0.5 in a lung window", "first m s + b, and where does the window begin?"
)
close(after[0], stored, "the stored numbers after the call", "work on a copy")
### END HIDDEN TESTS

# %% tags=["picture"] picture="windows"
chest = datasets.make_ct_slice(seed=1)
stored = np.rint(chest.image + 1024).astype(int)
figure, axes = plots.panels(1, 3, width_inches=3, height_inches=3.2)
for ax, (name, level, width) in zip(
    axes[0], [("Lung -600/1500", -600, 1500), ("Soft tissue 40/400", 40, 400), ("Bone 500/2000", 500, 2000)]
):
    plots.show_image(
        window(stored, 1.0, -1024.0, level, width), name, limits=(0, 1), spacing_mm=chest.spacing_mm, ax=ax
    )
plots.describe(
    figure,
    "One simulated chest CT slice in three windows: lung vessels, then heart and muscle, then ribs and spine are seen.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: the same simulated slice in lung, soft tissue and bone window](attachment:windows.png)
#
# </details>

# %% [markdown]
# ## Exercise 2: the ramp filter and the back-projection
#
# A CT measures line integrals. To smear each view back over the picture is not enough: all views cross at frequency 0, so low frequencies are
# counted too often, and everything blurs. The *ramp filter* undoes that. Sampled every $\tau$ millimetres (Kak and Slaney,
# *Principles of Computerized Tomographic Imaging*, chapter 3), it is
#
# $$ h_0 = \frac{1}{4\tau^2}, \qquad h_n = -\frac{1}{\pi^2 n^2 \tau^2} \ (n \text{ odd}), \qquad h_n = 0 \ (n \text{ even}), $$
#
# $$ q_n = \tau \sum_k h_{n-k}\, p_k . $$
#
# Outside of the detector the projection is 0, so nothing may come round from the other end.
#
# **Predict first:** a single ray of value 1. Are its neighbours positive, zero or negative after the filter?
#
# <details><summary>Answer</summary>
#
# Negative next to it, zero two detectors away, negative again at three, but nine times weaker. Smeared back, the negative
# sides take away what the other views have put too much around the ray.
#
# </details>
#
# <details><summary>Hint</summary>
#
# With N detectors, $n - k$ runs from $-(N-1)$ to $N-1$. Build the 2N - 1 values of h. `np.convolve(row, h)` has 3N - 2
# values; those from N - 1 on, N of them, are wanted.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "ramp_filter", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ramp_filter(sinogram: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Filter each view of a parallel CT.

    Parameters
    ----------
    sinogram : (V, N) array
        Line integrals, one row a view.
    spacing_mm : float
        Distance of two detectors, tau of the formula.

    Returns
    -------
    (V, N) array
        Per mm.
    """
    ### BEGIN SOLUTION
    n_detectors = sinogram.shape[1]
    n = np.arange(-(n_detectors - 1), n_detectors)
    h = np.where(n % 2 == 1, -1 / (np.pi * np.maximum(np.abs(n), 1) * spacing_mm) ** 2, 0.0)
    h[n == 0] = 1 / (4 * spacing_mm**2)
    rows = [np.convolve(row, h)[n_detectors - 1 : 2 * n_detectors - 1] for row in sinogram]
    return spacing_mm * np.array(rows)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ramp_filter_ray", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Nothing stays nothing, of the same shape. A single ray: the filter itself shows.
got = ramp_filter(np.zeros((2, 9)), 1.0)
close(got, np.zeros((2, 9)), "two empty views of 9 detectors", "which values of the convolution are kept?")
ray = np.zeros((1, 9))
ray[0, 4] = 1.0
got = ramp_filter(ray, 1.0)
close(got[0, 4], 0.25, "a ray of 1 after the filter, spacing 1 mm", "h_0 is 1 / (4 tau^2)")
close(got[0, 5], -1 / np.pi**2, "its neighbour", "odd n are negative, with pi squared")
got = ramp_filter(ray, 2.0)
close(got[0, 4], 0.125, "the same ray with detectors of 2 mm", "tau^2 stands in h, and tau once more before the sum")
### BEGIN HIDDEN TESTS
got = ramp_filter(ray, 1.0)
expected = np.array([0, -1 / (9 * np.pi**2), 0, -1 / np.pi**2, 0.25, -1 / np.pi**2, 0, -1 / (9 * np.pi**2), 0])
close(got[0], expected, "the whole filter at 1 mm", "even n are 0; odd ones fall with n squared")
close(ramp_filter(ray, 0.4)[0], expected / 0.4, "the filter at 0.4 mm", "tau^2 below, and tau before the sum")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "ramp_filter_views", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Each view by itself, and nothing comes round from the other end.
edge = np.zeros((2, 6))
edge[0, 0] = 1.0
got = ramp_filter(edge, 1.0)
close(got[1], np.zeros(6), "an empty view beside one that is not", "filter along detectors, not across views")
close(got[0, 5], -1 / (25 * np.pi**2), "the far end when the first detector is lit", "does the filter wrap around?")
### BEGIN HIDDEN TESTS
sinogram = testing.hidden_rng("ramp_filter_views").random((3, 8))
n = np.arange(8)[:, None] - np.arange(8)
kernel = np.where(n == 0, 0.25, np.where(n % 2 == 1, -1 / (np.pi**2 * np.where(n == 0, 1, n) ** 2), 0)) / 1.5
close(
    ramp_filter(sinogram, 1.5), sinogram @ kernel, "random views at 1.5 mm", "which values of the convolution are kept?"
)
### END HIDDEN TESTS

# %% [markdown]
# Now smear the filtered views back. With rows $r$ and columns $c$ counted from the middle pixel (number $N // 2$ on both axes), a pixel lies on
# detector
#
# $$ k = c \cos\theta - r \sin\theta + N // 2, \qquad f(r, c) = \frac{\pi}{V} \sum_{\theta} q_\theta(k), $$
#
# between detectors interpolate linearly; beyond them is 0.


# %% nbgrader={"grade": false, "grade_id": "back_project", "locked": false, "schema_version": 3, "solution": true, "task": false}
def back_project(filtered: np.ndarray, angles_deg: np.ndarray) -> np.ndarray:
    """Smear views back over the picture.

    Parameters
    ----------
    filtered : (V, N) array
        Filtered views.
    angles_deg : (V,) array
        Their angles in degrees, spread evenly over half a turn.

    Returns
    -------
    (N, N) array
        Sum over all views times pi / V.
    """
    ### BEGIN SOLUTION
    n_views, n = filtered.shape
    axis = np.arange(n) - n // 2
    picture = np.zeros((n, n))
    for view, angle in zip(filtered, np.deg2rad(angles_deg)):
        k = axis[None, :] * np.cos(angle) - axis[:, None] * np.sin(angle) + n // 2  # (N, N)
        picture += np.interp(k, np.arange(n), view, left=0.0, right=0.0)
    return picture * np.pi / n_views
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "back_project_one", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One view from above (0 degrees) is smeared down the columns.
got = back_project(np.array([[0.0, 1.0, 2.0, 4.0]]), np.array([0.0]))
close(
    got,
    np.pi * np.tile([0.0, 1.0, 2.0, 4.0], (4, 1)),
    "one view at 0 degrees",
    "columns follow the detector, up to the last one; times pi / V",
)
# One view from the side (90 degrees) is smeared along the rows, the first detector at the bottom.
got = back_project(np.array([[0.0, 1.0, 3.0, 0.0, 0.0]]), np.array([90.0]))
column = np.pi * np.array([0.0, 0.0, 3.0, 1.0, 0.0])
close(got[:, 2], column, "the middle column of one view at 90 degrees", "k falls as rows go down: - r sin", atol=1e-5)
# At 45 degrees a pixel lies between two detectors, or beyond them all.
got = back_project(np.array([[1.0, 2.0, 4.0]]), np.array([45.0]))
close(got[0, 1], np.pi * (2 + 2 * np.sqrt(0.5)), "a pixel between detectors of 2 and 4, at 45 degrees", "linear?")
close(got[0, 2], 0.0, "the top right corner at 45 degrees, 0.41 beyond the last detector", "what is there to smear?")
close(got[2, 0], 0.0, "the bottom left corner at 45 degrees, 0.41 before the first one", "what is there to smear?")
### BEGIN HIDDEN TESTS
got = back_project(np.array([[0.0, 1.0, 3.0, 0.0, 0.0]]), np.array([90.0]))
close(got, np.tile(column[:, None], (1, 5)), "one view at 90 degrees", "all columns are alike", atol=1e-5)
got = back_project(np.array([[0.0, 1.0, 3.0, 0.0]]), np.array([90.0]))
column = np.pi * np.array([0.0, 0.0, 3.0, 1.0])
close(got, np.tile(column[:, None], (1, 4)), "four detectors at 90 degrees", "which is the middle of four?", atol=1e-5)
got = back_project(np.array([[0.0, 2.0, 1.0]]), np.array([135.0]))
step = np.sqrt(0.5)
expected = [[0.0, 2 - step, 2.0], [2 - step, 2.0, 2 - 2 * step], [2.0, 2 - 2 * step, 0.0]]
close(
    got, np.pi * np.array(expected), "one view at 135 degrees", "which corner lies beyond the last detector?", atol=1e-5
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "back_project_sum", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Many views: the sum, with its factor.
got = back_project(np.ones((6, 5)), np.arange(6) * 30.0)
close(got[2, 2], np.pi, "the middle of six views of ones", "sum over the views times pi / V")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("back_project_sum")
angles = np.array([10.0, 55.0, 100.0, 145.0])
for n, middle, hint in (
    (7, 3, "degrees or radians? each pixel has its own k: linear between detectors, 0 beyond them"),
    (6, 3, "which pixel is the middle of an even number?"),
):
    views, expected = rng.random((4, n)), np.zeros((n, n))
    for r in range(n):
        for c in range(n):
            for view, angle in zip(views, angles):
                k = (c - middle) * np.cos(np.deg2rad(angle)) - (r - middle) * np.sin(np.deg2rad(angle)) + middle
                if 0 <= k <= n - 1:
                    low = min(int(np.floor(k)), n - 2)
                    expected[r, c] += (1 - (k - low)) * view[low] + (k - low) * view[low + 1]
    close(back_project(views, angles), expected * np.pi / 4, f"four random views of {n} detectors", hint)
### END HIDDEN TESTS

# %% tags=["picture"] picture="projection"
angles = ct.view_angles(180)
mu = ct.to_mu(ndimage.zoom(chest.truth_hu, 0.5, order=1))
sinogram = ct.project(mu, angles, spacing_mm=2 * chest.spacing_mm)
smeared = back_project(sinogram, angles)
sharp = back_project(ramp_filter(sinogram, 2 * chest.spacing_mm), angles)
figure, axes = plots.panels(1, 3, width_inches=3, height_inches=3.2)
plots.show_image(sinogram, "Sinogram: one row a view", ax=axes[0, 0])
plots.show_image(smeared, "Back-projected only", spacing_mm=2 * chest.spacing_mm, ax=axes[0, 1])
plots.show_image(sharp, "Filtered first", limits=(0, 0.03), spacing_mm=2 * chest.spacing_mm, ax=axes[0, 2])
plots.describe(
    figure,
    "Sinogram of a simulated chest; its plain back-projection, a blur; and the filtered one, in which ribs and heart are sharp.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: sinogram, blurred back-projection, sharp filtered back-projection](attachment:projection.png)
#
# </details>

# %% [markdown]
# ## Exercise 3: k-space with lines left out
#
# An MR scanner samples the spectrum of the picture line by line, and time is lines. Leave some out, put zeros there,
# and transform back. With the transform that keeps energy (`norm="ortho"`), Parseval says how wrong the result will be:
#
# $$ \sum_{x} |f(x) - \hat f(x)|^2 = \sum_{k \text{ left out}} |F(k)|^2 . $$
#
# Frequency 0 stands in the middle of the k-space, at index $N // 2$: `np.fft.fftshift` puts it there after the transform, and
# `np.fft.ifftshift` takes it back before the inverse.
#
# **Predict first:** you may keep 32 of 128 lines. The 32 in the middle, or every fourth?
#
# <details><summary>Answer</summary>
#
# The middle. By Parseval the error is the energy that is left out, and nearly all energy of a picture of a body lies at low
# frequencies: the middle ones keep it and lose sharpness. Every fourth leaves out most of it, and the picture folds onto
# itself in four ghosts.
#
# </details>
#
# <details><summary>Hint</summary>
#
# `np.fft.fft2`, shift, set rows to zero, shift back, `np.fft.ifft2`. The result is complex; leave it so.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "zero_filled", "locked": false, "schema_version": 3, "solution": true, "task": false}
def zero_filled(image: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return what an MR scanner would show that measures some lines of k-space only.

    Parameters
    ----------
    image : (H, W) array
        The true picture, real or complex.
    measured : (H,) array of bool
        Which rows of the k-space, frequency 0 in the middle (index H // 2), are measured.

    Returns
    -------
    (H, W) complex array
        The picture from the measured lines, with zeros for the others; not its magnitude.
    """
    ### BEGIN SOLUTION
    kspace = np.fft.fftshift(np.fft.fft2(image, norm="ortho"))
    kspace[~np.asarray(measured)] = 0
    return np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "zero_filled_all", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# All lines measured: the picture itself, complex.
image = np.arange(12.0).reshape(4, 3)
got = zero_filled(image, np.ones(4, bool))
close(np.real(got), image, "the real part of a 4 x 3 picture with all lines", "forth and back is identity")
got = zero_filled(1j * image, np.ones(4, bool))
close(np.imag(got), image, "the imaginary part of a picture that has no other", "is the result still complex?")
### BEGIN HIDDEN TESTS
image = testing.hidden_rng("zero_filled_all").normal(size=(2, 5, 7))
image = image[0] + 1j * image[1]
close(zero_filled(image, np.ones(5, bool)), image, "a complex 5 x 7 picture with all lines", "odd sizes need ifftshift")
close(zero_filled(image, np.zeros(5, bool)), 0 * image, "no line at all", "lines that are not measured are zero")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "zero_filled_lines", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Only the middle line: what does not change from row to row, so each column becomes its mean.
image = np.arange(12.0).reshape(4, 3)
got = zero_filled(image, np.array([False, False, True, False]))
means = np.tile(image.mean(axis=0), (4, 1))
close(np.real(got), means, "the line of frequency 0 alone", "is frequency 0 at index H // 2?")
got = zero_filled(1j * image, np.array([False, False, True, False]))
close(np.imag(got), means, "the same of an imaginary picture, its imaginary part", "is the result still complex?")
### BEGIN HIDDEN TESTS
image = testing.hidden_rng("zero_filled_lines").normal(size=(9, 6))
measured = np.array([0, 1, 0, 0, 1, 1, 0, 0, 1], bool)
rows = np.arange(9)
expected = np.zeros((9, 6), complex)
for line in rows[measured]:
    wave = np.exp(2j * np.pi * (line - 4) * rows / 9) / 3
    expected += wave[:, None] * (wave.conj() @ image)
(got, after) = testing.inout(zero_filled, image, measured)
close(got, expected, "a 9 x 6 picture with lines 1, 4, 5 and 8", "rows, not columns; shift after, shift back before")
close(after[0], image, "the picture after the call", "work on a copy")
### END HIDDEN TESTS

# %% tags=["picture"] picture="kspace"
head = datasets.make_mr_slice(seed=1, coil_noise=0.0)
n_lines = len(head.truth)
middle = np.abs(np.arange(n_lines) - n_lines // 2) < n_lines // 8
fourth = np.arange(n_lines) % 4 == n_lines // 2 % 4
figure, axes = plots.panels(1, 3, width_inches=3, height_inches=3.6)
for ax, (name, picture) in zip(
    axes[0],
    [
        ("All lines", head.truth),
        ("A quarter: the middle", np.abs(zero_filled(head.truth, middle))),
        ("A quarter: every fourth", np.abs(zero_filled(head.truth, fourth))),
    ],
):
    plots.show_image(picture, name, spacing_mm=head.spacing_mm, ax=ax)
plots.describe(
    figure,
    "A simulated MR slice of a head; from the middle quarter of k-space, blurred from top to bottom; from every fourth line, four ghosts.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: a sharp head, a blurred head, and four overlapping heads](attachment:kspace.png)
#
# </details>

# %% [markdown]
# ## Exercise 4: PET on CT, by millimetres
#
# PET has pixels of 4 mm in a field of 480 mm around the middle of its ring, CT pixels of 1.2 mm in 384 mm around the
# patient. What lies on top of what is decided by millimetres. The middle of pixel $i$ of a grid lies at $o + i\,s$, with origin $o$ and spacing $s$, for each axis by itself. So the
# fixed pixel $i$ shows what the moving picture has at index
#
# $$ j = \frac{o_f + i\, s_f - o_m}{s_m}. $$
#
# To scale the PET to the CT's number of pixels ignores $o$ and the width of the field: that moves a tumour into the next
# organ.
#
# **Predict first:** the PET's field is wider than the CT's. Scaled to the CT's number of pixels, is the body in the PET
# too large or too small?
#
# <details><summary>Hint</summary>
#
# `ndimage.map_coordinates(moving, where, order=1, cval=0.0)` reads at fractional indices; `where` has the shape
# (2, rows, columns). `np.indices(shape)` gives i of both axes.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "resample", "locked": false, "schema_version": 3, "solution": true, "task": false}
def resample(
    moving: np.ndarray,
    moving_spacing_mm: tuple,
    moving_origin_mm: tuple,
    fixed_shape: tuple,
    fixed_spacing_mm: tuple,
    fixed_origin_mm: tuple,
) -> np.ndarray:
    """Read a picture on the grid of another.

    Parameters
    ----------
    moving : (h, w) array
        The picture to be read, such as a PET; of whole numbers or of floats.
    moving_spacing_mm, moving_origin_mm : (row, column) in mm
        Of its grid: pixel (0, 0) has its middle at the origin.
    fixed_shape : (H, W)
    fixed_spacing_mm, fixed_origin_mm : (row, column) in mm
        The grid to read it on, such as the CT's.

    Returns
    -------
    (H, W) array
        Linear interpolation between pixels; 0 where the moving picture has none.
    """
    ### BEGIN SOLUTION
    step = np.array(fixed_spacing_mm)[:, None, None]
    place = np.array(fixed_origin_mm)[:, None, None] + np.indices(fixed_shape) * step  # (2, H, W) in mm
    where = (place - np.array(moving_origin_mm)[:, None, None]) / np.array(moving_spacing_mm)[:, None, None]
    return ndimage.map_coordinates(np.asarray(moving, float), where, order=1, cval=0.0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "resample_grids", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The same grid changes nothing; half the spacing puts means between.
moving = np.array([[0.0, 4.0], [8.0, 12.0]])
same = resample(moving, (2.0, 2.0), (5.0, 5.0), (2, 2), (2.0, 2.0), (5.0, 5.0))
close(same, moving, "a picture on its own grid")
fine = resample(moving, (2.0, 2.0), (5.0, 5.0), (3, 3), (1.0, 1.0), (5.0, 5.0))
close(fine[1], np.array([4.0, 6.0, 8.0]), "the middle row at half the spacing", "linear between pixels")
# Whole numbers, as in a file, have means that are none.
fine = resample(np.array([[0, 1], [4, 9]]), (2.0, 2.0), (5.0, 5.0), (3, 3), (1.0, 1.0), (5.0, 5.0))
close(
    fine[0], np.array([0.0, 0.5, 1.0]), "the upper row of a picture of integers", "are the results rounded to integers?"
)
### BEGIN HIDDEN TESTS
moving = np.arange(20.0).reshape(4, 5)
shifted = resample(moving, (3.0, 2.0), (0.0, 0.0), (2, 3), (3.0, 2.0), (6.0, 4.0))
close(shifted, moving[2:, 2:], "a grid that begins two pixels later", "add the fixed origin, subtract the moving one")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "resample_places", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A picture whose value is where it is: row in mm. Read anywhere, it says where that is.
rows_mm = np.tile(10.0 + 4.0 * np.arange(6)[:, None], (1, 6))
got = resample(rows_mm, (4.0, 1.0), (10.0, 0.0), (3, 2), (1.5, 2.0), (15.0, 1.0))
close(got[:, 0], np.array([15.0, 16.5, 18.0]), "the places of fixed rows", "spacing and origin of each grid, by axis")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("resample_places")
a, b = rng.uniform(1, 3, 2)
i, j = np.indices((9, 12))
plane = a * (-7.0 + 3.0 * i) + b * (2.0 + 1.25 * j)
got = resample(plane, (3.0, 1.25), (-7.0, 2.0), (5, 4), (1.1, 0.7), (-3.3, 4.4))
i, j = np.indices((5, 4))
close(got, a * (-3.3 + 1.1 * i) + b * (4.4 + 0.7 * j), "a plane on another grid", "rows and columns swapped?")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "resample_outside", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Where the moving picture ends, there is nothing.
ones = np.ones((3, 3))
got = resample(ones, (1.0, 1.0), (0.0, 0.0), (2, 2), (10.0, 10.0), (1.0, 1.0))
close(got, np.array([[1.0, 0.0], [0.0, 0.0]]), "a grid that reaches beyond the picture", "0 outside, no repeated edge")
### BEGIN HIDDEN TESTS
got = resample(ones, (1.0, 1.0), (5.0, 0.0), (3, 3), (1.0, 1.0), (0.0, 0.0))
close(got, np.zeros((3, 3)), "a grid that ends before the picture begins", "negative indices lie outside, too")
### END HIDDEN TESTS

# %% tags=["picture"] picture="fusion"
scan = datasets.make_pet_ct(seed=1)
onto = (scan.ct.shape, scan.ct_spacing_mm, scan.ct_origin_mm)
placed = resample(scan.pet, scan.pet_spacing_mm, scan.pet_origin_mm, *onto)
scaled = ndimage.zoom(scan.pet, len(scan.ct) / len(scan.pet), order=1)  # what not to do
grey = window(scan.ct, 1.0, 0.0, 40.0, 400.0)[..., None]
figure, axes = plots.panels(2, 2, width_inches=3.6, height_inches=3.8)
plots.show_image(grey[..., 0], "CT (simulated)", limits=(0, 1), spacing_mm=scan.ct_spacing_mm[1], ax=axes[0, 0])
plots.show_image(-scan.pet, "PET, its own pixels", limits=(-8, 0), spacing_mm=scan.pet_spacing_mm[1], ax=axes[0, 1])
for ax, uptake, name in ((axes[1, 0], placed, "By millimetres"), (axes[1, 1], scaled, "Scaled: wrong")):
    hot = 0.7 * np.clip(uptake / 5.0, 0, 1)[..., None]
    fused = (1 - hot) * grey + hot * np.array([1.0, 0.55, 0.0])
    plots.show_image(np.clip(fused, 0, 1), name, spacing_mm=scan.ct_spacing_mm[1], ax=ax)
    ax.contour(scan.lesion, [0.5], colors="cyan", linewidths=0.8)
plots.describe(
    figure,
    "Simulated CT and PET of a chest, and both on top of each other, the true lesion outlined: by millimetres the bright "
    "spot fills the outline; with the PET scaled to the CT's size it lies at the root of the lung.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: CT, coarse PET, the PET in orange on the CT with the hot spot in its outline, and the PET scaled, where the spot lies at the root of the lung](attachment:fusion.png)
#
# Scaled, the body is too small, by 384 / 480, and moved. It still looks like a patient, with another disease: the spot in
# the lung has become a lymph node at its root.
#
# </details>

# %% [markdown]
# ## Exercise 5: which stain is where
#
# Stains take light away. By the law of Beer and Lambert the logarithm adds up: with amounts $a_k$ of stains that absorb
# red, green and blue as $S_k$, the optical density of a pixel is
#
# $$ D = -\log_{10} \frac{I}{255} = \sum_k a_k S_k . $$
#
# Three equations, two stains: solve them by least squares. Greys would not tell a dark pink from a pale blue.
#
# <details><summary>Hint</summary>
#
# Flatten the pixels to (H W, 3). `np.linalg.lstsq` solves for all of them at once, or multiply by `np.linalg.pinv(stains)`. A
# pixel of 0 has no logarithm: take 1 instead. NumPy takes the logarithm of a uint8 in half precision: divide by 255 first.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "separate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def separate(image: np.ndarray, stains: np.ndarray) -> np.ndarray:
    """Return the amount of each stain: colour deconvolution.

    Parameters
    ----------
    image : (H, W, 3) array of uint8
        Red, green, blue; 255 is clear glass. A value of 0 counts as 1.
    stains : (K, 3) array
        How strongly each stain absorbs red, green, blue; K is 2 or 3.

    Returns
    -------
    (H, W, K) array
        Amounts in units of optical density (base 10), by least squares.
    """
    ### BEGIN SOLUTION
    density = -np.log10(np.maximum(image, 1) / 255)
    return density @ np.linalg.pinv(stains)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "separate_glass", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Clear glass holds nothing; a fifth of the light is a density of log10 5.
stains = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
image = np.array([[[255, 255, 255], [51, 255, 255]]], np.uint8)
got = separate(image, stains)
close(got[0, 0], np.zeros(2), "clear glass", "255 means no stain, and 256 does not fit into a uint8")
close(got[0, 1], np.array([np.log10(5), 0.0]), "a fifth of red", "base 10; density is positive where light is missing")
### BEGIN HIDDEN TESTS
got = separate(np.array([[[0, 255, 255]]], np.uint8), stains)
close(got[0, 0], np.array([np.log10(255), 0.0]), "a black red channel", "take 1 for 0, so that the logarithm exists")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "separate_mixture", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Two stains in one pixel: known amounts come back.
stains = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
amounts = np.array([[[0.5, 0.0], [0.0, 0.4], [0.3, 0.2]]])
image = np.rint(255 * 10 ** -(amounts @ stains)).astype(np.uint8)
got = separate(image, stains)
close(got, amounts, "haematoxylin, eosin and a mixture", "solve D = a S; is S or its transpose inverted?", atol=0.01)
# With three stains: here each takes one colour, so its amount is the density of that colour.
got = separate(image, np.eye(3))
close(got, amounts @ stains, "three stains of one colour each", "is the number of stains fixed to 2?", atol=0.01)
### BEGIN HIDDEN TESTS
image = testing.hidden_rng("separate_mixture").integers(20, 256, (4, 5, 3)).astype(np.uint8)
density = -np.log10(image / 255.0).reshape(-1, 3)
expected = np.array([np.linalg.lstsq(stains.T, d, rcond=None)[0] for d in density]).reshape(4, 5, 2)
close(separate(image, stains), expected, "random colours", "least squares, negative amounts included")
three = np.vstack([stains, [0.27, 0.57, 0.78]])
expected = np.linalg.solve(three.T, density.T).T.reshape(4, 5, 3)
close(separate(image, three), expected, "random colours with three stains", "three equations for three unknowns")
### END HIDDEN TESTS

# %% tags=["picture"] picture="stains"
section = datasets.make_histology(size=256, seed=3)
stain_amounts = separate(section.image, section.stains)
figure, axes = plots.panels(1, 3, width_inches=3, height_inches=3.2)
plots.show_image(section.image, "Haematoxylin and eosin", spacing_um=section.spacing_um, ax=axes[0, 0])
for ax, amount, name in zip(axes[0, 1:], np.moveaxis(stain_amounts, -1, 0), section.stain_names):
    plots.show_image(-amount, f"{name}, dark is much", spacing_um=section.spacing_um, ax=ax)
plots.describe(
    figure,
    "A simulated section with glands; the haematoxylin alone shows nuclei, the eosin alone fibres and cell bodies.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: a pink and blue section, its nuclei alone, its fibres and cytoplasm alone](attachment:stains.png)
#
# </details>

# %% [markdown]
# ## Exercise 6: a gate
#
# A flow cytometer sees one cell after another. Each dye also lights the detectors of its neighbours: with the spill-over matrix $S$, whose
# row $i$ says what dye $i$ leaves in each detector, a cell with dyes $d$ gives $e = d\,S$. *Compensation* solves this for $d$. Only
# then is a *gate*, a box in the space of dyes, worth something. By the standard Gating-ML 2.0 an event lies in it if
#
# $$ \text{low} \le d < \text{high} \quad \text{in every dimension.} $$
#
# In the picture below the dyes mark two proteins on the surface of cells of the bone marrow: CD19 stands on B cells, CD10 on the
# young ones among them. Its axes are stretched by the *arcsinh*: like a logarithm for large values, and straight around
# 0, so that the negative values that compensation leaves are seen, too.
#
# <details><summary>Hint</summary>
#
# `np.linalg.solve(A, b)` solves $A x = b$ for columns. Write $e = d\,S$ with columns: what is A? For the gate, `.all(axis=1)`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "compensate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def compensate(events: np.ndarray, spill: np.ndarray) -> np.ndarray:
    """Undo spill-over.

    Parameters
    ----------
    events : (N, F) array
        Detectors, one row a cell.
    spill : (F, F) array
        Row i: what dye i leaves in each detector.

    Returns
    -------
    (N, F) array
        Dyes; negative values stay.
    """
    ### BEGIN SOLUTION
    return events @ np.linalg.inv(spill)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "compensate_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Dye 1 leaves a fifth in detector 2, dye 2 nothing in detector 1.
got = compensate(np.array([[100.0, 20.0], [0.0, 50.0]]), np.array([[1.0, 0.2], [0.0, 1.0]]))
close(got, np.array([[100.0, 0.0], [0.0, 50.0]]), "two cells, one dye each", "S or its transpose?", atol=1e-4)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("compensate_value")
spill, dyes = np.eye(4) + rng.uniform(0, 0.2, (4, 4)) * (1 - np.eye(4)), rng.normal(0, 100, (7, 4))
got, after = testing.inout(compensate, dyes @ spill, spill)
close(got, dyes, "seven cells with four dyes", "solve e = d S for d; do negative values stay?")
close(after[0], dyes @ spill, "the events after the call", "work on a copy")
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "gate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gate(dyes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Say which events lie in a box.

    Parameters
    ----------
    dyes : (N, D) array
    low, high : (D,) arrays
        Edges; the lower one belongs to the box, the upper one does not. -inf or inf where a side is open.

    Returns
    -------
    (N,) array of bool
    """
    ### BEGIN SOLUTION
    return ((dyes >= low) & (dyes < high)).all(axis=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gate_box", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Inside in one dimension is not inside.
events = np.array([[5.0, 5.0], [5.0, 50.0], [50.0, 5.0]])
got = gate(events, np.array([0.0, 0.0]), np.array([10.0, 10.0]))
close(got, np.array([True, False, False]), "three events and a box from 0 to 10", "in every dimension")
# A gate picks events: what it returns stands between brackets.
close(events[got], events[:1], "the events that `events[gate(...)]` picks", "is it an array of bool, or of numbers?")
### BEGIN HIDDEN TESTS
events = testing.hidden_rng("gate_box").normal(size=(60, 3))
low, high = np.array([-1.0, -np.inf, -0.5]), np.array([1.0, 0.3, np.inf])
expected = np.array([all(lo <= x < hi for x, lo, hi in zip(event, low, high)) for event in events])
close(gate(events, low, high), expected, "sixty events, a box with open sides", "each dimension has its own edges")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "gate_edges", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# On the edge: the lower one is in, the upper one is out.
got = gate(np.array([[1.0], [2.0]]), np.array([1.0]), np.array([2.0]))
close(got, np.array([True, False]), "events on the lower and the upper edge", "low <= d < high")
### BEGIN HIDDEN TESTS
got = gate(np.array([[3.0, 1.0], [3.0, 4.0], [2.9, 1.0]]), np.array([3.0, 1.0]), np.array([np.inf, 4.0]))
close(got, np.array([True, False, False]), "events on the edges of two dimensions", "which edge belongs to the box?")
### END HIDDEN TESTS

# %% tags=["picture"] picture="gate"
tube = datasets.make_cytometry(8000, seed=1)
detectors = tube.events[:, 2:]
dyes = compensate(detectors, tube.spill)
cd10, cd19 = tube.markers.index("CD10") - 2, tube.markers.index("CD19") - 2
inside = gate(dyes[:, [cd19]], np.array([2000.0]), np.array([np.inf]))
figure, axes = plots.panels(1, 2, width_inches=3.6, height_inches=3.4)
for ax, values, name in zip(axes[0], (detectors, dyes), ("As measured", "Compensated; orange is gated")):
    x, y = (datasets.arcsinh(values[:, marker]) for marker in (cd19, cd10))
    colour = np.where(inside & (values is dyes), "#E69F00", "#0072B2")
    ax.scatter(x, y, s=2, c=colour)
    ax.set(xlabel="CD19 (arcsinh)", ylabel="CD10 (arcsinh)", title=name)
plots.describe(
    figure,
    "CD10 against CD19 of simulated marrow, before and after compensation; B cells at the right are gated by CD19.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: two scatter plots of CD10 against CD19, the right one with orange B cells](attachment:gate.png)
#
# </details>
#
# ## The laws of the error, measured
#
# Everything is yours now. Three laws are tested over five seeds, and then the simplest things that one could do instead:
#
# 1. *Photons.* Counts scatter by their square root, so the noise of a CT or PET picture falls as one over the square root of the dose: on
#    logarithmic axes a line of slope $-0.5$.
# 2. *Views.* Streaks fall as views get more, until there are about $\pi/2$ views for each detector; then more views bring
#    nothing.
# 3. *Lines.* Parseval predicts the error of every choice of lines; the middle ones beat as many random ones.
# 4. *Do simple things help as much as dose?* Unfiltered back-projection, and a blur of the picture from a quarter of the photons.
#
# **Predict first,** in numbers: the slopes of CT and PET; what share of the streaks is left with twice as many views; and
# whether the best blur of a picture from a quarter of the photons comes as close to the truth as four times the photons
# without a blur.

# %% tags=["experiment"]
from pathlib import Path

UNIT, LAW = "01_modalities", "Poisson, Parseval, sampling theorem"
SIDE = 96
VIEWS = 180


def truth_mu(seed: int) -> tuple[np.ndarray, float]:
    """One slice of a chest as attenuation per mm, SIDE pixels wide, and the width of a pixel in mm."""

    def read(folder: Path) -> tuple[np.ndarray, float]:
        series = datasets.read_dicom_series(folder)
        middle = series.volume[(len(series.volume) // 2 + seed) % len(series.volume)]
        return middle, series.spacing_mm[1]

    def simulate() -> tuple[np.ndarray, float]:
        body = datasets.make_ct_slice(seed=seed, n_views=2, dose_photons=np.inf)
        return body.truth_hu, body.spacing_mm

    hu, spacing_mm = effects.source(simulate, read)
    factor = SIDE / len(hu)
    small = ndimage.zoom(ndimage.gaussian_filter(hu, 0.4 / factor), factor, order=1)[:SIDE, :SIDE]
    axis = np.arange(SIDE) - SIDE // 2
    disc = np.hypot(axis[:, None], axis[None, :]) < SIDE // 2 - 2
    return np.where(disc, np.maximum(ct.to_mu(small), 0), 0.0), spacing_mm / factor


def reconstruct(sinogram: np.ndarray, n_views: int, spacing_mm: float) -> np.ndarray:
    return back_project(ramp_filter(sinogram, spacing_mm), ct.view_angles(n_views))


def slope(x, y) -> float:
    """Of the line through the points on logarithmic axes."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.abs(difference) ** 2)))


# %% tags=["experiment"]
DOSES = np.array([1e4, 4e4, 1.6e5, 6.4e5, 2.56e6])  # photons a ray
COUNTS = np.array([1e5, 4e5, 1.6e6, 6.4e6])  # coincidences of a PET slice
FEW_VIEWS, MANY_VIEWS = (SIDE // 4, SIDE // 2), (2 * SIDE, 4 * SIDE)

outcome = {name: [] for name in ("ct", "pet", "few", "many", "parseval", "middle", "filter", "blur")}
few_blurred, four_times = [], []  # relative errors, for question 1
curves = {}
for seed in effects.seeds():
    rng = np.random.default_rng(seed)
    mu, spacing_mm = truth_mu(seed)
    sinogram = ct.project(mu, ct.view_angles(VIEWS), spacing_mm=spacing_mm)
    clean = reconstruct(sinogram, VIEWS, spacing_mm)
    noisy = [reconstruct(ct.count(sinogram, dose_photons=dose, rng=rng), VIEWS, spacing_mm) for dose in DOSES]
    curves["CT"] = [rms(picture - clean) for picture in noisy]
    outcome["ct"].append(slope(DOSES, curves["CT"]))

    activity = (mu > 0.5 * mu.max()) + 0.3 * (mu > 0.2 * mu.max())  # bone and muscle take the tracer up
    emitted = ct.project(activity, ct.view_angles(VIEWS), spacing_mm=spacing_mm)
    share = np.maximum(emitted, 0) / emitted.sum()
    without = reconstruct(share, VIEWS, spacing_mm)
    curves["PET"] = [
        rms(reconstruct(rng.poisson(n * share) / n, VIEWS, spacing_mm) - without) / rms(without) for n in COUNTS
    ]
    outcome["pet"].append(slope(COUNTS, curves["PET"]))

    best = reconstruct(ct.project(mu, ct.view_angles(8 * SIDE), spacing_mm=spacing_mm), 8 * SIDE, spacing_mm)
    streaks = {
        n: rms(reconstruct(ct.project(mu, ct.view_angles(n), spacing_mm=spacing_mm), n, spacing_mm) - best)
        for n in (*FEW_VIEWS, *MANY_VIEWS)
    }
    outcome["few"].append(streaks[FEW_VIEWS[1]] / streaks[FEW_VIEWS[0]])
    outcome["many"].append((streaks[MANY_VIEWS[0]] - streaks[MANY_VIEWS[1]]) / streaks[FEW_VIEWS[0]])

    picture = datasets.make_mr_slice(seed=seed, coil_noise=0.0).truth
    kspace = np.fft.fftshift(np.fft.fft2(picture, norm="ortho"))
    n = len(picture)
    middle = np.abs(np.arange(n) - n // 2) < n // 8
    scattered = rng.permutation(middle)
    errors = [rms(zero_filled(picture, lines) - picture) for lines in (middle, scattered)]
    predicted = np.sqrt((np.abs(kspace[~scattered]) ** 2).sum() / picture.size)
    outcome["parseval"].append(errors[1] / predicted)
    outcome["middle"].append((errors[0] - errors[1]) / rms(picture))

    # Unfiltered, with the best scale and offset that anyone could give it.
    plain = back_project(sinogram, ct.view_angles(VIEWS))
    fit = np.polyfit(plain.ravel(), mu.ravel(), 1)
    outcome["filter"].append((rms(clean - mu) - rms(np.polyval(fit, plain) - mu)) / rms(mu))
    blurred = [rms(ndimage.gaussian_filter(noisy[0], sigma) - mu) for sigma in (0.3, 0.5, 0.7, 0.9, 1.2)]
    few_blurred.append(min(blurred) / rms(mu))
    four_times.append(rms(noisy[1] - mu) / rms(mu))
    outcome["blur"].append(few_blurred[-1] - four_times[-1])

print("Relative error of the picture, mean over seeds")
print(f"  1e4 photons a ray, best of the blurs: {np.mean(few_blurred):.3f}")
print(f"  4e4 photons a ray, no blur:           {np.mean(four_times):.3f}")


# %% tags=["experiment"]
# The MR slice is simulated even where a folder of CT is given: there its laws cannot be told.
of_mr = {"parseval", "middle"}
told = effects.source(lambda: set(outcome), lambda folder: set(outcome) - of_mr)


def row(name: str, claim: str, **bounds):
    values = outcome[name] if name in told else None
    return effects.measure(UNIT, claim, values, paper=LAW, paper_figure=bounds.pop("law"), **bounds)


table = effects.report(
    [
        row("ct", "CT: slope of log noise over log photons, within 0.05 of -0.5", law="-0.5", above=-0.55, below=-0.45),
        row(
            "pet", "PET: slope of log noise over log counts, within 0.05 of -0.5", law="-0.5", above=-0.55, below=-0.45
        ),
        row("few", "Streaks of N / 2 views over those of N / 4 views, below 0.75", law="falls", below=0.75),
        row(
            "many",
            "Streaks saved from 2 N to 4 N views, as a share of those of N / 4 views, below 0.05",
            law="none beyond pi N / 2",
            below=0.05,
        ),
        row("parseval", "MR: error of random lines over Parseval's, within 0.01 of 1", law="1", above=0.99, below=1.01),
        row("middle", "MR: relative error of the middle lines minus random ones, below 0", law="not said", below=0.0),
        row("filter", "CT: relative error, filtered minus plain back-projection, below 0", law="not said", below=0.0),
        row(
            "blur",
            "CT: relative error, 1e4 photons and the best blur minus 4e4 photons and none, above 0",
            law="not said",
            above=0.0,
        ),
    ]
)
table

# %% [markdown]
# <details><summary>The course's run</summary>
#
# {{effects}}
#
# Both slopes are Poisson's. Twice the views leave well under half of the streaks, until there are enough. A blur does
# help, but four times the photons help more: what it pays for less noise is sharpness. By how much, your two printed
# errors say.
#
# </details>

# %% tags=["experiment"]
figure, axes = plots.panels(1, 2, width_inches=3.8, height_inches=3.2)
for ax, name, x, label in zip(axes[0], ("CT", "PET"), (DOSES, COUNTS), ("photons a ray", "coincidences")):
    ax.loglog(x, curves[name], "o", label="measured")
    ax.loglog(x, curves[name][0] * np.sqrt(x[0] / x), "--", label="slope -0.5")
    ax.set(xlabel=label, ylabel="noise of the picture", title=name)
    ax.legend()
plots.describe(
    figure, "Noise of CT and PET over counts on logarithmic axes: the points lie along a line of slope -0.5."
)

# %% [markdown]
# ## Questions in words
#
# **Question 1.** A clinic wants to halve the noise of its chest CT. A second one wants to scan with a quarter of the dose and blur the
# picture. Answer both in at most 150 words, with numbers of your own run (the slope, and the two relative errors printed
# above the table): what does the first cost the patient, what does the second lose, and which measure other than the
# mean error would you ask for?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_dose", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# Noise falls with the square root of the photons (my slope was close to -0.5), so half the noise costs four times the dose. The
# blur takes noise away without dose: in my run the relative error with a quarter of the photons and the best blur was
# larger than that of the full dose without a blur (the two printed numbers), though not by much. But it takes away small
# things as well: a nodule of three pixels loses contrast, and the mean error over a whole slice hardly sees that. So ask for detection: sensitivity for small nodules at a
# fixed number of false alarms, or the contrast of a known nodule against the noise.
#
# === BEGIN MARK SCHEME ===
# 1 point: half the noise costs four times the photons, with the own slope.
# 1 point: the blur loses resolution, small or low-contrast findings; compares the two relative errors of the own run.
# 1 point: asks for a measure of the task (detection of nodules, contrast to noise, resolution), not the mean error.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A colleague fuses PET and CT by scaling the PET to the CT's number of pixels. On the first scanner it fits. When
# does it, when does it not (see the fourth panel of exercise 4), and what could happen to a patient? At most 100 words.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_fusion", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# It looks right when both scans cover the same field from the same corner: then pixels and millimetres agree up to half a
# pixel. As soon as the fields of view differ, or one scan was moved or cropped, it shifts or stretches. A hot spot then lies in
# the wrong organ: a lymph node is read as a lung nodule, or a biopsy or radiation field goes to the wrong place.
#
# === BEGIN MARK SCHEME ===
# 1 point: right only if field of view and origin agree; names a case where they do not.
# 1 point: a concrete harm (wrong organ or stage, biopsy or irradiation of the wrong place).
# === END MARK SCHEME ===

# %% [markdown]
# ## On real recordings
#
# The same cells run on a folder with one CT series in DICOM, of any names:
#
# ```
# medcourse effects 01_modalities --data FOLDER
# ```
#
# The laws of MR are left out there. `datasets.read_fcs` reads the file of a flow cytometer, and your `compensate` and `gate` take its events.
#
# **References.** A. C. Kak, M. Slaney: *Principles of Computerized Tomographic Imaging*. SIAM 2001.
# [doi:10.1137/1.9780898719277](https://doi.org/10.1137/1.9780898719277)
#
# A. C. Ruifrok, D. A. Johnston: *Quantification of histochemical staining by color deconvolution*. Analytical and
# Quantitative Cytology and Histology 23, 2001, 291-299.
