# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 3: the networks of 1993, 1995 and 1996
#
# Twenty years before deep learning filled the journals, convolutional networks read X-ray films. In this lab you write a convolution and its
# gradient by hand, build the networks of Lo, Chan and Sahiner, and test what their authors claimed.
#
# **You will be able to**
#
# - compute a convolution and its three gradients with nothing but numpy;
# - describe texture by differences of grey levels (GLDS) and by pairs of grey levels (SGLD, co-occurrence);
# - turn a texture feature into an image that a network can look at;
# - build a network of the nineties and count its weights;
# - make its answer independent of how the film was put on the light box;
# - test the papers' claims over several seeds, each against a baseline that has no network.
#
# **Time:** about 120 minutes. **Before this:** the lesson *The networks of 1993 to 1996*.
#
# **Cost:** {{cost}}
#
# All films are **simulated**: rays go through made-up lungs and breasts onto made-up film. The last section says how the
# same cells run on your own regions of interest.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medcourse import datasets, effects, froc, plots, testing, training
from medcourse.datasets import texture
from medcourse.models import detectors, historic
from medcourse.testing import close

testing.begin_lab(seed=3)
plots.use_style()

# %% tags=["picture"] picture="films"
lungs = datasets.make_chest_radiographs(1, size=192, nodules=2.0, seed=6)
specks = datasets.make_microcalcifications(1, size=256, clusters=2.0, seed=3)
masses = datasets.make_mass_rois(6, size=256, seed=3)
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.6)
plots.show_image(lungs.images[0], "Lung (simulated)", spacing_mm=lungs.spacing_mm, limits=(0.18, 0.9), ax=axes[0, 0])
plots.show_image(
    specks.images[0],
    "Microcalcifications (simulated)",
    spacing_mm=specks.spacing_mm,
    limits=(0.15, 0.95),
    ax=axes[0, 1],
)
plots.show_image(masses.images[4], "Mass (simulated)", spacing_mm=masses.spacing_mm, limits=(0.25, 0.8), ax=axes[0, 2])
plots.describe(
    figure,
    "Three simulated films: a lung with ribs and nodules, breast tissue with tiny bright specks, breast tissue with a mass.",
)

# %% [markdown]
# ## Exercise 1: a convolution, by hand
#
# A neuron of a convolutional layer sees a small window of all input channels, multiplies each pixel by a weight, adds
# up, and adds a bias. The same weights serve at each place $(r, s)$:
#
# $$ y_k(r, s) = b_k + \sum_{c} \sum_{i, j} w_{k c}(i, j)\; x_c(r + i, s + j) $$
#
# Only windows that lie wholly in the image count, so the output is smaller. (The kernel is not flipped. Mathematicians call
# this a cross-correlation; everybody else calls it a convolutional layer.)
#
# PyTorch has this layer, and its gradients, in one line each. From Exercise 5 on you may use it; in this exercise and the next the point is to
# write it yourself, with numpy and no call of PyTorch. Films come as whole numbers, weights do not, so `x` may be of another kind than `w`.
#
# **Predict first:** an image of 32 x 32 pixels goes through two layers with kernels of 5 x 5. What side comes out?
#
# <details><summary>Hint</summary>
#
# Loop over the places $(i, j)$ of the kernel, not over those of the image. For each of them, which part of `x` does that one weight
# meet? `np.tensordot(w[:, :, i, j], part, axes=1)` sums over the channels.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "convolve", "locked": false, "schema_version": 3, "solution": true, "task": false}
def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return what a convolutional layer without padding says, in numpy alone.

    Parameters
    ----------
    x : (C, H, W) array of int or float
        Input channels.
    w : (K, C, m, n) array of float
        A kernel of m rows and n columns for each output and input channel.
    b : (K,) array of float
        Biases.

    Returns
    -------
    (K, H - m + 1, W - n + 1) array of float, in double precision
    """
    ### BEGIN SOLUTION
    rows, columns = w.shape[2:]
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    y = np.zeros((len(w), height, width)) + b[:, None, None]
    for i in range(rows):
        for j in range(columns):
            y += np.tensordot(w[:, :, i, j], x[:, i : i + height, j : j + width], axes=1)  # (K, H', W')
    return y
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "convolve_window", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One channel, one kernel: the kernel is laid on, not flipped. Kernels of 1 x 3 and 3 x 4 are some, too, and x may hold whole numbers.
image = np.arange(12.0).reshape(1, 3, 4)
kernel = np.array([[[[1.0, 0.0], [0.0, 0.0]]]])
close(
    convolve(image, kernel, np.zeros(1)),
    image[:, :2, :3],
    "a kernel with a single 1 at its first place, on the numbers 0 to 11",
    "is the kernel flipped, or the image padded?",
)
### BEGIN HIDDEN TESTS
kernel = np.array([[[[1.0, -2.0, 3.0]]]])
expected = image[:, :, :2] - 2 * image[:, :, 1:3] + 3 * image[:, :, 2:]
close(
    convolve(image, kernel, np.zeros(1)), expected, "a kernel of one row and three columns", "rows come before columns"
)
close(
    convolve(image, np.ones((1, 1, 3, 4)), np.array([0.5])),
    np.array([[[66.5]]]),
    "a kernel as large as the image, bias 0.5",
    "one window fits",
)
close(
    convolve(np.arange(12).reshape(1, 3, 4) + 2**27, np.array([[[[0.5, -0.5]]]]), np.array([0.25])),
    np.full((1, 3, 3), -0.25),
    "half the differences of neighbours plus 0.25, for large whole numbers in x",
    "x may be of int64, and no precision may get lost",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "convolve_channels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Several channels in and out, kernels also of 3 x 3, 5 x 2 and 1 x 3: equal to PyTorch's layer.
rng = np.random.default_rng(1)
x, w, b = rng.normal(size=(2, 5, 6)), rng.normal(size=(3, 2, 2, 2)), np.array([0.0, 1.0, -1.0])
expected = functional.conv2d(torch.tensor(x)[None], torch.tensor(w), torch.tensor(b))[0]
close(convolve(x, w, b), expected, "2 channels to 3, kernels of 2 x 2", "sum over input channels, one bias a kernel")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("convolve_channels")
for channels, maps, m, n in [(1, 4, 3, 3), (3, 1, 5, 2), (4, 2, 1, 3)]:
    x, w, b = rng.normal(size=(channels, 7, 9)), rng.normal(size=(maps, channels, m, n)), rng.normal(size=maps)
    expected = functional.conv2d(torch.tensor(x)[None], torch.tensor(w), torch.tensor(b))[0]
    got, after = testing.inout(convolve, x, w, b)
    close(got, expected, f"{channels} channels of 7 x 9 to {maps}, kernels of {m} x {n}", "which axis is which?")
    close(list(after), [x, w, b], "the arguments after the call", "work on a copy")
x, w, b = rng.integers(0, 256, (2, 6, 5)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=3)
expected = functional.conv2d(torch.tensor(x)[None].double(), torch.tensor(w), torch.tensor(b))[0]
close(convolve(x, w, b), expected, "2 channels of grey levels 0 to 255 to 3", "x may hold whole numbers")
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Your prediction</summary>
#
# It is 24 x 24. A window of 5 fits in 32 - 5 + 1 = 28 places along a side; of those 28, the second layer leaves 24.
#
# </details>
#
# ## Exercise 2: and backward
#
# To learn, the layer must know how the loss $E$ changes with each of its numbers. Given $g_k(r, s) = \partial E / \partial y_k(r, s)$,
# the chain rule gives
#
# $$ \frac{\partial E}{\partial b_k} = \sum_{r, s} g_k(r, s), \qquad
# \frac{\partial E}{\partial w_{kc}(i, j)} = \sum_{r, s} g_k(r, s)\, x_c(r + i, s + j), $$
#
# $$ \frac{\partial E}{\partial x_c(r + i, s + j)} \mathrel{+}= w_{kc}(i, j)\, g_k(r, s). $$
#
# A weight collects from all places, since it worked at all of them. A pixel collects from all windows that it lay in.
#
# **Predict first:** a pixel in a corner of the image and one in the middle. Whose gradient is a sum of more terms, and of how many, if the
# kernel has 5 x 5 weights?
#
# <details><summary>Hint</summary>
#
# The same two loops, and the same part of `x`, as on the way forward. In the one gradient you read that part, in the other you add to it.
# `np.tensordot(g, part, axes=([1, 2], [1, 2]))` sums over the places and leaves (K, C).
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "convolve_backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def convolve_backward(x: np.ndarray, w: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the gradients of a loss with respect to input, kernels and biases of `convolve`.

    Parameters
    ----------
    x : (C, H, W) array of int or float
    w : (K, C, m, n) array of float
    g : (K, H - m + 1, W - n + 1) array of float
        Gradient of the loss with respect to the output.

    Returns
    -------
    (C, H, W) array, (K, C, m, n) array, (K,) array, all of float
        Gradients with respect to x, w and b.
    """
    ### BEGIN SOLUTION
    rows, columns = w.shape[2:]
    height, width = g.shape[1:]
    grad_x, grad_w = np.zeros(x.shape), np.zeros(w.shape)
    for i in range(rows):
        for j in range(columns):
            part = np.s_[:, i : i + height, j : j + width]
            grad_w[:, :, i, j] = np.tensordot(g, x[part], axes=([1, 2], [1, 2]))  # (K, C)
            grad_x[part] += np.tensordot(w[:, :, i, j], g, axes=([0], [0]))  # (C, H', W')
    return grad_x, grad_w, g.sum(axis=(1, 2))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "convolve_backward_small", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A kernel of one weight, 2, or of two: what can be done in the head. x may hold whole numbers; gradients are floats.
grad_x, grad_w, grad_b = convolve_backward(np.array([[[1.0, 3.0]]]), np.array([[[[2.0]]]]), np.array([[[10.0, 100.0]]]))
close(grad_b, np.array([110.0]), "the gradient of the bias for g = (10, 100)", "the bias worked at each place")
close(
    grad_w,
    np.array([[[[310.0]]]]),
    "the gradient of the only weight for x = (1, 3), g = (10, 100)",
    "it worked at both places",
)
close(grad_x, np.array([[[20.0, 200.0]]]), "the gradient of x for a weight of 2, g = (10, 100)", "one window a pixel")
### BEGIN HIDDEN TESTS
# Two weights, 2 and 5: the pixel in the middle lay in both windows.
grad_x, grad_w, grad_b = convolve_backward(
    np.array([[[1.0, 3.0, 4.0]]]), np.array([[[[2.0, 5.0]]]]), np.array([[[10.0, 100.0]]])
)
close(grad_b, np.array([110.0]), "the gradient of the bias for two windows, g = (10, 100)")
close(grad_w, np.array([[[[310.0, 430.0]]]]), "the gradients of two weights for x = (1, 3, 4), g = (10, 100)")
close(
    grad_x,
    np.array([[[20.0, 250.0, 500.0]]]),
    "the gradient of x for the weights 2 and 5, g = (10, 100)",
    "the pixel in the middle lay in two windows",
)
# Whole numbers in x: its gradient is none of them.
grad_x, grad_w, grad_b = convolve_backward(
    np.array([[[1, 3, 4]]]), np.array([[[[2.25, 5.0]]]]), np.array([[[10.0, 100.0]]])
)
close(grad_b, np.array([110.0]), "the gradient of the bias for whole numbers in x, g = (10, 100)")
close(grad_w, np.array([[[[310.0, 430.0]]]]), "the gradients of two weights for x = (1, 3, 4) of int, g = (10, 100)")
close(
    grad_x,
    np.array([[[22.5, 275.0, 500.0]]]),
    "the gradient of x for the weights 2.25 and 5, x of int, g = (10, 100)",
    "gradients are floats, whatever x is",
)
### END HIDDEN TESTS


# %% nbgrader={"grade": true, "grade_id": "convolve_backward_autograd", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Equal to autograd, to 1e-5; kernels also of 3 x 3, 2 x 4, 5 x 1 and 3 x 2.
def by_autograd(x, w, g) -> list:
    """The three gradients as PyTorch finds them."""
    tensors = [torch.tensor(array, requires_grad=True) for array in (x, w, np.zeros(len(w)))]
    (functional.conv2d(tensors[0][None], tensors[1], tensors[2])[0] * torch.tensor(g)).sum().backward()
    return [tensor.grad for tensor in tensors]


rng = np.random.default_rng(2)
x, w, g = rng.normal(size=(1, 4, 5)), rng.normal(size=(1, 1, 2, 3)), rng.normal(size=(1, 3, 3))
grad_x, grad_w, grad_b = convolve_backward(x, w, g)
true_x, true_w, true_b = by_autograd(x, w, g)
case = "for a channel of 4 x 5 and a kernel of 2 x 3"
close(grad_x, true_x, f"the gradient of x, {case}", "a pixel collects from all windows that it lay in", atol=1e-5)
close(grad_w, true_w, f"the gradient of w, {case}", "a weight collects from all places", atol=1e-5)
close(grad_b, true_b, f"the gradient of b, {case}", "the bias worked at each place", atol=1e-5)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("convolve_backward_autograd")
for channels, maps, m, n in [(1, 1, 3, 3), (2, 3, 2, 4), (3, 2, 5, 1), (2, 2, 3, 2)]:
    x, w = rng.normal(size=(channels, 6, 7)), rng.normal(size=(maps, channels, m, n))
    g = rng.normal(size=(maps, 7 - m, 8 - n))
    x, kind = (np.rint(9 * x).astype(int), "int") if n == 2 else (x, "float")
    grad_x, grad_w, grad_b = convolve_backward(x, w, g)
    true_x, true_w, true_b = by_autograd(x.astype(float), w, g)
    case = f"for {channels} channels of 6 x 7 ({kind}) to {maps}, kernels of {m} x {n}"
    close(grad_x, true_x, f"the gradient of x, {case}", "does a pixel collect from all maps?", atol=1e-5)
    close(grad_w, true_w, f"the gradient of w, {case}", "does each pair k, c have its own weights?", atol=1e-5)
    close(grad_b, true_b, f"the gradient of b, {case}", "one number a map", atol=1e-5)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Your prediction</summary>
#
# The one in the middle: it lay in 25 windows, once under each weight, and its gradient is a sum of 25 terms for each map. The corner lay in one window.
#
# </details>
#
# ## Exercise 3: two ways to say "texture"
#
# Sahiner's network did not only see grey values. Take all pairs of pixels that are a step $d$ apart, such as four pixels to the
# right. The grey-level difference statistics, *GLDS*, ask how much the two differ. The spatial grey-level dependence, *SGLD*, asks which
# two grey levels they are (most people know it as the co-occurrence matrix):
#
# $$ p(m) = P\big(|I(x) - I(x + d)| = m\big), $$
#
# $$ P(i, j) = \tfrac12 \big[ P(I(x) = i, I(x + d) = j) + P(I(x) = j, I(x + d) = i) \big] $$
#
# The second is made symmetric, so that it does not matter which of the two is called $x$. From it comes the correlation of
# neighbours, with $\mu = \sum_{ij} i P(i, j)$ and $\sigma^2 = \sum_{ij} (i - \mu)^2 P(i, j)$:
#
# $$ \rho = \frac{1}{\sigma^2} \sum_{ij} (i - \mu)(j - \mu) P(i, j). $$
#
# `texture.pairs(region, offset)` gives you both members of all pairs that lie in the region; `offset` is (rows, columns).
#
# **Predict first:** a region of one single grey level. What is its GLDS distribution, and what could its correlation be?
#
# <details><summary>Hint</summary>
#
# `np.bincount(values, minlength=n)` counts whole numbers, in one row: `.ravel()` them first. A pair (i, j) of numbers below `levels` is the one number i * levels + j.
# For the correlation, `np.indices(matrix.shape)` gives i and j.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "glds", "locked": false, "schema_version": 3, "solution": true, "task": false}
def glds(region: np.ndarray, offset: tuple[int, int], levels: int = 32) -> np.ndarray:
    """Return the distribution of absolute grey level differences.

    Parameters
    ----------
    region : (H, W) array of int
        Grey levels 0 to levels - 1.
    offset : (int, int)
        Rows and columns from the first to the second pixel of a pair.
    levels : int

    Returns
    -------
    (levels,) array of float
        p(0), p(1), ...; adds up to 1.
    """
    ### BEGIN SOLUTION
    first, second = texture.pairs(region, offset)
    return np.bincount(np.abs(first - second).ravel(), minlength=levels) / first.size
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "glds_distribution", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Differences have no sign, and shares add up to 1.
close(
    glds(np.array([[0, 2, 2, 1]]), (0, 1), levels=4),
    np.array([1, 1, 1, 0]) / 3,
    "the GLDS of the row 0 2 2 1, one step to the right",
    "a length of `levels`, divided by the number of pairs",
)
### BEGIN HIDDEN TESTS
close(
    glds(np.array([[0, 2, 2, 1]]), (0, 2), levels=4),
    np.array([0, 1, 1, 0]) / 2,
    "the GLDS of the row 0 2 2 1, two steps to the right",
    "is the offset used?",
)
region = testing.hidden_rng("glds").integers(0, 16, (9, 11))
for offset in [(0, 3), (-2, 2), (4, 0), (-1, -1)]:
    expected = texture.glds(region, offset, levels=16)
    close(glds(region, offset, levels=16), expected, f"the GLDS of a 9 x 11 region, offset {offset}", "rows first")
close(glds(region, (0, 1)), texture.glds(region, (0, 1), levels=32), "the GLDS without levels given")
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "sgld", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sgld(region: np.ndarray, offset: tuple[int, int], levels: int = 32) -> np.ndarray:
    """Return the symmetric matrix of grey level pairs.

    Parameters
    ----------
    region, offset, levels
        As for `glds`.

    Returns
    -------
    (levels, levels) array of float
        P(i, j); adds up to 1.
    """
    ### BEGIN SOLUTION
    first, second = texture.pairs(region, offset)
    counts = np.bincount((first * levels + second).ravel(), minlength=levels**2).reshape(levels, levels)
    return (counts + counts.T) / counts.sum() / 2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sgld_matrix", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Pairs, counted both ways; steps down, up, left and right.
close(
    sgld(np.array([[0, 1, 1]]), (0, 1), levels=2),
    np.array([[0.0, 0.25], [0.25, 0.5]]),
    "the SGLD matrix of the row 0 1 1",
    "symmetric, and divided by twice the number of pairs",
)
### BEGIN HIDDEN TESTS
region = testing.hidden_rng("sgld").integers(0, 8, (7, 10))
for offset in [(0, 2), (-1, 1), (3, 0), (-2, -2)]:
    expected = texture.sgld(region, offset, levels=8)
    close(
        sgld(region, offset, levels=8),
        expected,
        f"the SGLD matrix of a 7 x 10 region, offset {offset}",
        "rows first; negative offsets?",
    )
close(
    sgld(region, (0, 1)),
    texture.sgld(region, (0, 1), levels=32),
    "the SGLD matrix without levels given",
    "`levels` has a default",
)
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "correlation", "locked": false, "schema_version": 3, "solution": true, "task": false}
def correlation(matrix: np.ndarray) -> float:
    """Return the correlation of both members of a pair, from -1 to 1; 1 where there is only one grey level.

    Parameters
    ----------
    matrix : (levels, levels) array of float
        Symmetric, adds up to 1.
    """
    ### BEGIN SOLUTION
    i, j = np.indices(matrix.shape)
    mean = (i * matrix).sum()
    variance = ((i - mean) ** 2 * matrix).sum()
    if variance < 1e-12:
        return 1.0
    return ((i - mean) * (j - mean) * matrix).sum() / variance
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "correlation_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Like neighbours 1, opposite ones -1, strangers 0, and a single grey level 1.
close(correlation(np.eye(3) / 3), 1.0, "the correlation where neighbours are alike")
close(correlation(np.array([[0.0, 0.5], [0.5, 0.0]])), -1.0, "the correlation of a chess board's neighbours")
close(correlation(np.full((2, 2), 0.25)), 0.0, "the correlation where any pair is as likely as any other")
close(correlation(np.diag([0.0, 1.0])), 1.0, "the correlation of a region of one grey level", "0 / 0 is no answer")
### BEGIN HIDDEN TESTS
close(correlation(np.full((4, 4), 1 / 16)), 0.0, "the correlation for four levels, any pair as likely as any other")
close(
    correlation(np.diag([0.0, 0.0, 0.0, 0.0, 1.0])),
    1.0,
    "the correlation of a region that has the highest of five grey levels only",
    "0 / 0 is no answer",
)
close(
    correlation(np.array([[0.7, 0.1], [0.1, 0.1]])),
    0.375,
    "the correlation where one of two levels is rarer",
    "is the variance taken about the mean, each level as often as it comes?",
)
matrix = testing.hidden_rng("correlation").random((6, 6))
matrix = (matrix + matrix.T) / (2 * matrix.sum())
close(
    correlation(matrix),
    texture.sgld_features(matrix)["correlation"],
    "the correlation of a random matrix",
    "divide by the variance once, and subtract the mean from both",
)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Your prediction</summary>
#
# All pairs differ by 0: p(0) = 1. The correlation is 0 / 0, and somebody must decide. The usual choice, that of scikit-image too, is 1: the one pixel tells you all about the other.
#
# </details>
#
# ## Exercise 4: a picture of texture
#
# A feature of the whole region is one number. Sahiner et al. wanted to keep *where* the texture is like that. So they
# cut the region into sub-regions, computed the feature in each, and arranged the numbers as an image.
#
# Let windows of side $n$ begin every $s$ pixels. To centre each window on its own $s \times s$ block, the image is first mirrored by
# $(n - s) / 2$ pixels at each side (the border pixel itself not repeated: numpy calls it `reflect`).
#
# <details><summary>Hint</summary>
#
# Pad, then two loops from 0 over the *unpadded* size in steps of `step`; each window begins there in the padded image.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "texture_image", "locked": false, "schema_version": 3, "solution": true, "task": false}
def texture_image(image: np.ndarray, feature, window: int, step: int) -> np.ndarray:
    """Compute a feature around each block of an image.

    Parameters
    ----------
    image : (H, W) array
        H and W are multiples of `step`.
    feature : function
        Maps a (window, window) array to a number.
    window, step : int
        window - step is even and not negative.

    Returns
    -------
    (H / step, W / step) array
    """
    ### BEGIN SOLUTION
    padded = np.pad(image, (window - step) // 2, mode="reflect")
    values = [
        [feature(padded[top : top + window, left : left + window]) for left in range(0, image.shape[1], step)]
        for top in range(0, image.shape[0], step)
    ]
    return np.array(values)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "texture_image_blocks", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Windows as large as a step: the image is shrunk block by block.
image = np.arange(24.0).reshape(4, 6)
close(
    texture_image(image, lambda part: float(np.mean(part)), window=2, step=2),
    image.reshape(2, 2, 3, 2).mean(axis=(1, 3)),
    "the means of 2 x 2 blocks of a 4 x 6 image",
    "rows and columns",
)
### BEGIN HIDDEN TESTS
close(
    texture_image(image, lambda part: float(np.shape(part)[0] * 10 + np.shape(part)[1]), window=4, step=2),
    np.full((2, 3), 44.0),
    "the shapes of windows of 4 x 4",
    "every window is whole, at the border too",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "texture_image_overlap", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Overlapping windows, mirrored at the border. Of each window, take its first pixel: at the border, it lies outside of the image.
numbers = np.arange(24.0).reshape(4, 6)
close(
    texture_image(numbers, lambda part: float(np.asarray(part)[0, 0]), window=4, step=2),
    np.array([[7.0, 7.0, 9.0], [7.0, 7.0, 9.0]]),
    "the first pixels of windows of 4 x 4, step 2, on the numbers 0 to 23 in 4 rows",
    "one pixel is mirrored at each side, and the border pixel itself is not repeated",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("texture_image")
for shape, window, step in [((6, 9), 5, 3), ((8, 8), 6, 2), ((4, 8), 4, 4)]:
    image = rng.random(shape)
    weights = rng.random((window, window))
    rim = (window - step) // 2
    views = np.lib.stride_tricks.sliding_window_view(np.pad(image, rim, mode="reflect"), (window, window))
    expected = (views[::step, ::step] * weights).sum(axis=(2, 3))
    close(
        texture_image(
            image, lambda part, weights=weights: float((np.asarray(part) * weights).sum()), window=window, step=step
        ),
        expected,
        f"a weighted sum in windows of {window}, step {step}, on {shape[0]} x {shape[1]} pixels",
        "is each window centred on its block, and the border mirrored without repeating its pixel?",
    )
### END HIDDEN TESTS

# %% tags=["picture"] picture="texture"
region = texture.remove_background(masses.images[4])
grey = texture.quantise(np.clip(region + 0.5, 0, 1), 64)
by_hand = texture_image(grey, lambda part: (np.arange(64) * glds(part, (0, 4), 64)).sum(), window=32, step=16)
of_pairs = texture_image(grey, lambda part: correlation(sgld(part, (0, 16), 64)), window=32, step=16)
figure, axes = plots.panels(1, 3, width_inches=3.2, height_inches=3.4)
plots.show_image(region, "Background removed (simulated)", spacing_mm=masses.spacing_mm, ax=axes[0, 0])
plots.show_map(by_hand, "GLDS mean, 4 px", unit="grey levels", ax=axes[0, 1])
plots.show_map(of_pairs, "SGLD correlation, 16 px", unit="correlation", ax=axes[0, 2])
plots.describe(
    figure,
    "A mass, and two texture images of 16 by 16 numbers: neighbours differ little in the fat at the left and in the mass, more in the "
    "strands at the right; the correlation of pixels 16 apart is patchy.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: a mass, its coarse GLDS mean image and its coarse SGLD correlation image side by side](attachment:texture.png)
#
# </details>
#
# ## Exercise 5: the network
#
# We build all three networks on one plan: convolutions without padding, a sigmoid after each, no pooling, and one neuron
# that sees every place of every map. Its output is a logit: above 0 means *lesion*. With $M_0$ input channels, $M_l$ maps and kernels of side $k_l$ the number
# of weights is
#
# $$ \sum_l M_l (M_{l-1} k_l^2 + 1) \; + \; M_L \Big(n - \sum_l (k_l - 1)\Big)^2 + 1. $$
#
# **Predict first:** are there more weights in the convolutions, or in that one last neuron? For 32 x 32 pixels, and for 16 x 16?
#
# <details><summary>Hint</summary>
#
# Collect `nn.Conv2d(before, after, k)` and `nn.Sigmoid()` in a list, hand it to `nn.Sequential(*list)`, and follow the side on the
# way. The last layer is `nn.Linear(..., 1)` on what `flatten(1)` gives: (B, 1). Take its column 0 to get (B,). `squeeze()` would also drop the axis of a
# batch of one.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "network", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Network(nn.Module):
    """A convolutional network as of 1993 to 1996.

    Parameters
    ----------
    side : int
        Side of the input in pixels.
    in_channels : int
        Images shown at once.
    maps : tuple of int
        Feature maps of each convolutional layer.
    kernels : tuple of int
        Sides of their kernels, as many.
    """

    def __init__(self, side: int, in_channels: int = 1, maps: tuple = (10, 10), kernels: tuple = (5, 5)) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        layers = []
        for before, after, kernel in zip((in_channels, *maps), maps, kernels):
            layers += [nn.Conv2d(before, after, kernel), nn.Sigmoid()]
            side -= kernel - 1
        self.features = nn.Sequential(*layers)
        self.output = nn.Linear(maps[-1] * side * side, 1)
        ### END SOLUTION

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, in_channels, side, side) to raw logits (B,)."""
        ### BEGIN SOLUTION
        return self.output(self.features(x).flatten(1))[:, 0]
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "network_weights", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The number of weights follows the formula, for one, two and three layers.
n_weights = sum(p.numel() for p in Network(16, maps=(2,), kernels=(3,)).parameters())
close(
    n_weights, 2 * 10 + 2 * 14**2 + 1, "the weights for 16 x 16 pixels, 2 maps, kernels of 3", "no padding, one output"
)
### BEGIN HIDDEN TESTS
for side, channels, maps, kernels in [(32, 1, (10, 10), (5, 5)), (16, 3, (6, 4), (5, 3)), (9, 2, (3, 2, 4), (3, 1, 2))]:
    expected = sum(
        p.numel() for p in historic.HistoricCNN(side, in_channels=channels, maps=maps, kernels=kernels).parameters()
    )
    counted = sum(p.numel() for p in Network(side, in_channels=channels, maps=maps, kernels=kernels).parameters())
    close(
        counted,
        expected,
        f"the weights for side {side}, {channels} channels, maps {maps}, kernels {kernels}",
        "what goes into each layer, and which side is left for the neuron?",
    )
close(
    sum(p.numel() for p in Network(32).parameters()),
    8531,
    "the weights for 32 x 32 pixels and all else left out",
    "are the arguments' defaults used?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "network_output", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One raw logit a picture. With all weights of a layer equal it depends on the structure alone.
net = Network(8, in_channels=1, maps=(2, 3), kernels=(3, 3))
testing.set_weights(net, scale=2.0, bias=-0.3)
ramp = torch.linspace(-1, 2, 64).reshape(1, 1, 8, 8)
with torch.no_grad():
    close(tuple(net(torch.zeros(5, 1, 8, 8)).shape), (5,), "the shape for five pictures", "one number a picture")
    close(tuple(net(ramp).shape), (1,), "the shape for a single picture", "does squeeze() drop the axis of the batch?")
    close(
        net(ramp),
        np.array([1.1419]),
        "the logit of a grey ramp",
        "a sigmoid after each convolution, none at the end?",
        rtol=1e-3,
    )
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("network_output")
for side, channels, maps, kernels in [(16, 3, (6, 4), (5, 3)), (9, 2, (3, 2, 4), (3, 1, 2))]:
    pictures = torch.as_tensor(rng.normal(0, 1, (4, channels, side, side)), dtype=torch.float32)
    reference = historic.HistoricCNN(side, in_channels=channels, maps=maps, kernels=kernels)
    net = Network(side, in_channels=channels, maps=maps, kernels=kernels)
    for network in (reference, net):
        testing.set_weights(network, scale=3.0, bias=-0.5)
    with torch.no_grad():
        close(
            net(pictures),
            reference(pictures),
            f"logits of noise, side {side}, maps {maps}",
            "which layers, which order?",
        )
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Your prediction</summary>
#
# It depends on the image. With 10 maps and kernels of 5, the convolutions have 10 * 26 + 10 * 251 = 2770 weights for any image. The neuron has
# 10 * 24² + 1 = 5761 for 32 x 32 pixels, and 10 * 8² + 1 = 641 for 16 x 16. This is why later networks pool before they decide.
#
# </details>
#
# ## Exercise 6: it does not matter how the film lies
#
# A nodule turned by a quarter is still a nodule. There are eight ways to lay a square on a table: four quarter turns $T_1 \dots T_4$, and the
# same of its mirror image. As far as we know, Lo et al. showed their network turned and flipped blocks. If one also averages the answers,
#
# $$ \bar f(x) = \frac{1}{8} \sum_{t=1}^{8} f(T_t x), $$
#
# the result cannot depend on the orientation at all.
#
# <details><summary>Hint</summary>
#
# `torch.rot90(batch, turns, dims=(-2, -1))` and `batch.flip(-1)`. Which dimensions must not be touched?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "eight_views", "locked": false, "schema_version": 3, "solution": true, "task": false}
def eight_views(batch: torch.Tensor) -> torch.Tensor:
    """Return the eight orientations of square images, in any order.

    Parameters
    ----------
    batch : (B, C, N, N) tensor

    Returns
    -------
    (8, B, C, N, N) tensor
    """
    ### BEGIN SOLUTION
    views = [torch.rot90(x, turns, dims=(-2, -1)) for x in (batch, batch.flip(-1)) for turns in range(4)]
    return torch.stack(views)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "eight_views_all", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# All eight, each once, each picture by itself.
square = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
views = np.asarray(eight_views(square)).reshape(-1, 4)
close(
    np.sort(views @ np.array([1000.0, 100.0, 10.0, 1.0])),
    np.array([1234.0, 1324.0, 2143.0, 2413.0, 3142.0, 3412.0, 4231.0, 4321.0]),
    "the eight orientations of the square 1 2 / 3 4, each read as one number, sorted",
    "are four of them mirrored, and is none there twice?",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("eight_views")
batch = torch.as_tensor(rng.normal(size=(3, 2, 5, 5)))
weights = torch.as_tensor(rng.normal(size=(5, 5)))
expected = np.sort((historic.eight_views(batch) * weights).sum(dim=(-2, -1)).numpy(), axis=0)
got = np.sort(np.asarray((torch.as_tensor(eight_views(batch)) * weights).sum(dim=(-2, -1))), axis=0)
close(got, expected, "the orientations of 3 pictures of 2 channels", "turn the last two dimensions, and no other")
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "invariant_logits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def invariant_logits(net, batch: torch.Tensor) -> torch.Tensor:
    """Return the mean logit of the eight orientations of each picture.

    Parameters
    ----------
    net : function
        Maps (B, C, N, N) to (B,).
    batch : (B, C, N, N) tensor

    Returns
    -------
    (B,) tensor
    """
    ### BEGIN SOLUTION
    return torch.stack([net(view) for view in eight_views(batch)]).mean(dim=0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "invariant_logits_turned", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A "network" that looks at the upper left pixel only: the mean over the views is the mean of the four corners.
def corner(batch: torch.Tensor) -> torch.Tensor:
    """Map (B, C, N, N) to (B,): the first pixel."""
    return torch.as_tensor(batch)[:, 0, 0, 0]


pair = torch.arange(18.0).reshape(2, 1, 3, 3)
close(invariant_logits(corner, pair), np.array([4.0, 13.0]), "the mean corners of two squares", "mean over views")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("invariant_logits")
batch = torch.as_tensor(rng.normal(size=(4, 1, 6, 6)))
weights = torch.as_tensor(rng.normal(size=(6, 6)))


def weighted(pictures: torch.Tensor) -> torch.Tensor:
    """Map (B, C, N, N) to (B,): a weighted sum, squared."""
    return (torch.as_tensor(pictures)[:, 0] * weights).sum(dim=(-2, -1)) ** 2


got = invariant_logits(weighted, batch)
close(
    got,
    historic.eight_views(batch).mul(weights).sum(dim=(2, -2, -1)).pow(2).mean(0),
    "the mean answer to 4 pictures",
    "are all eight in the mean?",
)
for name, turned in [("turned", torch.rot90(batch, 1, (2, 3))), ("mirrored", batch.flip(2))]:
    close(
        invariant_logits(weighted, turned), got, f"the mean of 4 pictures that were {name}", "all eight views, no less"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## The papers' claims, measured again
#
# Three experiments, each over five seeds, each beside something that has no network.
#
# **1993, nodules.** A filter that looks for spheres points at up to ten places a lung. Does a network on the 32 x 32 block around each improve the
# ranking? And do turned and flipped blocks help, with so few nodules? The measure is the *AUC*: of all pairs of a nodule and a false mark, the share in which the nodule ranks
# higher. 0.5 is guessing. The papers call it $A_z$, the area under the ROC curve.
#
# **1995, microcalcifications.** A filter finds specks, three of which within 5 mm make a cluster. At the same sensitivity, how many false clusters are left
# if a network judges each speck first? Does it matter how the network is built? Each threshold gives a sensitivity (the share of true clusters that are found) and
# a number of false clusters an image; drawn over each other for all thresholds, they are the free-response ROC or *FROC curve*.
#
# **1996, masses.** Does a network that sees texture images beside the picture beat one that sees the picture alone? And does it beat logistic
# regression on texture features?
#
# **Before you run:** which of the claims will hold? One of them will surprise you.

# %% tags=["experiment"]
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

UNIT = "03_cnn_history"
# The notebook's run is short, so that you can repeat it; `medcourse effects` sees more films and trains longer.
LONG = effects.thorough()
on_films = effects.source(lambda: True, lambda folder: False)  # a folder of regions holds no whole films


def train(net, x, y, *, steps: int, seed: int, name: str, lr: float = 1e-2, turn: bool = False):
    """Train on as many lesions as others in each batch; with `turn`, each batch in one of the eight orientations."""
    net.apply(
        historic.init_steep
    )  # weights to start from at which sigmoids are steep: where they are flat, nothing is learned
    rng, classes = np.random.default_rng(seed), [np.flatnonzero(y == label) for label in (0, 1)]

    def batch(step: int):
        picked = np.concatenate([rng.choice(of_class, 24 if LONG else 12) for of_class in classes])
        pictures = torch.as_tensor(x[picked])
        return (eight_views(pictures)[rng.integers(8)] if turn else pictures), torch.as_tensor(y[picked]).float()

    training.fit(net, batch, functional.binary_cross_entropy_with_logits, steps=steps, lr=lr, label=name)
    return net.cpu()


@torch.no_grad()
def say(net, x) -> np.ndarray:
    """Logits of blocks (K, C, N, N)."""
    return net(torch.as_tensor(x)).numpy() if len(x) else np.zeros(0)


# %% tags=["experiment"]
def nodule_candidates(n_images: int, seed: int):
    """Blocks around what the sphere filter finds in lungs, whether each is a nodule, and the filter's own score."""
    films = datasets.make_chest_radiographs(n_images, size=150, nodules=1.3, seed=seed)
    blocks, labels, scores = [], [], []
    for image, nodules, lung in zip(films.images, films.nodules, films.lung):
        match = np.where(lung, detectors.match_spheres(image, (3.5, 6.0)), -1)
        places = detectors.find_peaks(match, radius_px=4, threshold=0.3)[:10]
        distance = np.linalg.norm(places[:, None] - nodules[None, :, :2], axis=-1)  # (candidates, nodules)
        blocks.append(detectors.cut_blocks(image, places, 32))
        labels.append((distance <= nodules[None, :, 2]).any(axis=1))
        scores.append(match[tuple(places.T)])
    return np.concatenate(blocks)[:, None], np.concatenate(labels).astype(int), np.concatenate(scores)


lo = []
for seed in effects.seeds() if on_films else []:
    x, y, _ = nodule_candidates(50 if LONG else 14, 1000 + seed)
    test_x, test_y, match = nodule_candidates(80 if LONG else 20, 2000 + seed)
    outcome = {"matched filter": roc_auc_score(test_y, match)}
    # Eight orientations take longer to learn than one; so the longer run also asks what four times the steps give.
    for times in (1, 4) if LONG else (1,):
        for name, turn in (("network", False), ("network, turned", True)):
            torch.manual_seed(seed)
            steps, label = times * (400 if LONG else 150), f"1993, seed {seed}"
            net = train(Network(32), x, y, steps=steps, lr=3e-3, seed=seed, name=label, turn=turn)
            with torch.no_grad():
                logits = invariant_logits(net, torch.as_tensor(test_x)).numpy() if turn else say(net, test_x)
            name += f", {times} times the steps" if times > 1 else ""
            outcome[name] = roc_auc_score(test_y, logits)
            outcome[f"filter + {name}"] = roc_auc_score(test_y, rankdata(match) + rankdata(logits))
    lo.append(outcome)
pd.DataFrame(lo).mean().round(3)

# %% tags=["experiment"]
RADIUS_PX = 50  # 5 mm
CONFIGURATIONS = {
    "8-6 maps, 5-3": ((8, 6), (5, 3)),
    "12-8 maps, 5-3": ((12, 8), (5, 3)),
    "6-6 maps, 5-5": ((6, 6), (5, 5)),
    "4-4 maps, 7-3": ((4, 4), (7, 3)),
}


def speck_candidates(n_images: int, seed: int):
    """What the speck filter finds in each film: places, scores, blocks and whether a speck is there; true clusters."""
    films = datasets.make_microcalcifications(n_images, size=256, seed=seed)
    found = []
    for image, true in zip(films.images, films.specks):
        signal = detectors.enhance_specks(image)
        places = detectors.find_peaks(signal, radius_px=2, threshold=2.5, margin_px=2)[:150]
        near = (np.linalg.norm(places[:, None] - true[None], axis=-1) <= 3).any(axis=1)
        found.append((places, signal[tuple(places.T)], detectors.cut_blocks(image, places, 16)[:, None], near))
    return found, films.clusters


def curve(found, scores, clusters):
    """FROC curve of clusters of three specks or more."""
    drawn = [detectors.find_clusters(f[0], s, radius_px=RADIUS_PX) for f, s in zip(found, scores)]
    return froc.froc([froc.judge_scan(d.centres, d.scores, true, 2 * RADIUS_PX) for d, true in zip(drawn, clusters)])


def mean_false(of, highest: float) -> float:
    """False clusters an image, mean over sensitivities from half to 0.9 of the highest that both reach."""
    return np.mean([froc.false_positives_at(of, share * highest) for share in np.linspace(0.5, 0.9, 9)])


chan = []
for seed in effects.seeds() if on_films else []:
    learn, _ = speck_candidates(24 if LONG else 8, 3000 + seed)
    found, clusters = speck_candidates(60 if LONG else 24, 4000 + seed)
    x, y = np.concatenate([f[2] for f in learn]), np.concatenate([f[3] for f in learn]).astype(int)
    truth, az, ratios = np.concatenate([f[3] for f in found]), {}, []
    alone = curve(found, [f[1] for f in found], clusters)
    for name, (maps, kernels) in CONFIGURATIONS.items():
        torch.manual_seed(seed)
        net = Network(16, maps=maps, kernels=kernels)
        net = train(net, x, y, steps=500 if LONG else 120, seed=seed, name=f"1995, seed {seed}, {name}")
        logits = [say(net, f[2]) for f in found]
        az[name] = roc_auc_score(truth, np.concatenate(logits))
        judged = curve(found, logits, clusters)
        highest = min(alone.sensitivity.max(), judged.sensitivity.max())
        ratios.append(mean_false(judged, highest) / mean_false(alone, highest))
    chan.append({**az, "filter": roc_auc_score(truth, np.concatenate([f[1] for f in found])), "ratio": ratios[0]})
pd.DataFrame(chan).mean().round(3)


# %% tags=["experiment"]
def mass_regions(regions):
    """Three images of 16 x 16 for each region (grey, GLDS mean, SGLD correlation), and 36 features of the whole."""
    pictures, features = [], []
    for image in regions:
        flat, side = texture.remove_background(image), image.shape[0]
        step = side // 16
        maps = texture.texture_images(flat, glds_px=max(step // 4, 1), sgld_px=step, window=2 * step, step=step)
        pictures.append(np.concatenate([texture.average(flat, 16)[None], maps]))
        features.append(texture.texture_features(np.clip(flat + 0.5, 0, 1)))
    return np.array(pictures), np.array(features)


def cohort(seed: int):
    """Regions and labels to learn from and to test on, no patient on both sides."""
    n_train, n_test = (160, 200) if LONG else (50, 60)
    rois = effects.source(
        lambda: datasets.make_mass_rois(n_train + n_test, size=128, spacing_mm=0.2, seed=5000 + seed),
        lambda folder: datasets.read_rois(folder, size=128),
    )
    patients = np.array(rois.get("patients", np.arange(len(rois.labels)).astype(str)))
    names = np.random.default_rng(seed).permutation(np.unique(patients))
    learning = np.isin(patients, names[: len(names) * n_train // (n_train + n_test)])
    return rois.images[learning], rois.labels[learning], rois.images[~learning], rois.labels[~learning]


sahiner = []
for seed in effects.seeds():
    images, y, test_images, test_y = cohort(seed)
    (x, features), (test_x, test_features) = mass_regions(images), mass_regions(test_images)
    mean, spread = x.mean(axis=(0, 2, 3), keepdims=True), x.std(axis=(0, 2, 3), keepdims=True)
    x, test_x = (x - mean) / spread, (test_x - mean) / spread
    classic = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(features, y)
    outcome = {"logistic regression": roc_auc_score(test_y, classic.predict_proba(test_features)[:, 1])}
    for name, channels in (("spatial", [0]), ("spatial + texture", [0, 1, 2])):
        torch.manual_seed(seed)
        net = Network(16, in_channels=len(channels), maps=(6, 6), kernels=(5, 5))
        net = train(net, x[:, channels], y, steps=300 if LONG else 100, seed=seed, name=f"1996, seed {seed}", turn=True)
        with torch.no_grad():
            outcome[name] = roc_auc_score(test_y, invariant_logits(net, torch.as_tensor(test_x[:, channels])).numpy())
    sahiner.append(outcome)
pd.DataFrame(sahiner).mean().round(3)


# %% [markdown]
# **Before you see the table:** your run is a short one, and two of its rows may say the contrary of the longer run.
#
# - *False clusters.* The filter alone leaves only a few false clusters in 24 films, so the ratio divides one small count by another. With a network that has seen
#   eight films, it can lie above 1, or in one seed far above it, which moves the mean and widens the interval; the interval may even begin below 0, where no ratio can be.
# - *Spread of $A_z$.* 120 steps are too few for some of the four networks: one that has hardly begun to learn stands beside others that have, and the spread
#   measures how far each has come, not which plan is better.


# %% tags=["experiment"]
def gain(rows: list, better: str, than: str):
    """The difference of two scores, seed by seed."""
    return [row[better] - row[than] for row in rows]


spread = [max(row[name] for name in CONFIGURATIONS) - min(row[name] for name in CONFIGURATIONS) for row in chan]
LO, CHAN, SAHINER = "Lo et al. 1993, 1995", "Chan et al. 1995", "Sahiner et al. 1996"
NONE = "none in our sources"
CLAIMS = [
    (
        LO,
        NONE,
        "AUC of nodule candidates, filter + network minus filter, above 0",
        gain(lo, "filter + network", "matched filter"),
        {"above": 0.0},
    ),
    (
        LO,
        NONE,
        "AUC of nodule candidates, turned and flipped minus not, not below -0.01",
        gain(lo, "network, turned", "network"),
        {"above": -0.01},
    ),
    (
        LO,
        NONE,
        "The same, both trained four times as long, not below -0.01",
        gain(lo, "network, turned, 4 times the steps", "network, 4 times the steps") if LONG else None,
        {"above": -0.01},
    ),
    (
        CHAN,
        "cut by more than 70 %",
        "False clusters an image, with network / filter alone, at equal sensitivity, below 0.3",
        [row["ratio"] for row in chan],
        {"below": 0.3},
    ),
    (
        CHAN,
        "about 0.9 for many configurations",
        "Spread of Az over four networks, below 0.03",
        spread,
        {"below": 0.03},
    ),
    (
        SAHINER,
        "0.87 for the chosen network",
        "AUC of masses, spatial + texture minus spatial, above 0",
        gain(sahiner, "spatial + texture", "spatial"),
        {"above": 0.0},
    ),
    (
        SAHINER,
        NONE,
        "AUC of masses, network minus logistic regression on texture features, above 0",
        gain(sahiner, "spatial + texture", "logistic regression"),
        {"above": 0.0},
    ),
]
table = effects.report(
    [
        effects.measure(UNIT, claim, values or None, paper=paper, paper_figure=figure, **bound)
        for paper, figure, claim, values, bound in CLAIMS
        if values is not None
    ]
)
table

# %% [markdown]
# **Before you read on:** an interval that holds the claim's bound is *not shown*: five short runs cannot tell, and that is not "no effect". *Opposite shown* says more: the
# whole interval lies beyond the bound. The course ran the same cells with more films and more steps:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>
#
# ## Questions in words
#
# **Question 1.** Turning and flipping the blocks is meant to help when nodules are few. Look at the second row of your table, at the second and third of the
# longer run, and at a lung of the first picture, in which ribs and vessels have directions. In at most 120 words: what does turning take away from the network and what does it ask of
# it, what do the two rows say about which of them was the harm, and when would you turn?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_turning", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# Most false candidates are crossings of ribs and vessels. Ribs run from the spine down to the side, so in an upright film a streak in that direction speaks for a rib, and a
# network that is never turned can use this. After turning, the cue is gone, and there are eight times as many pictures to learn. At an equal number of steps the turned network is
# behind; with four times the steps the five runs cannot tell the two apart. So most of the harm was too short a training, and what the lost cue costs is too small to be seen
# here. I would turn where directions carry no information or cannot be relied on (microscopy, microcalcifications), train until the validation score stops rising, and
# measure both.
#
# === BEGIN MARK SCHEME ===
# 1 point: says that direction is a cue here (ribs, vessels), and that turning takes it away.
# 1 point: reads both rows with their intervals: behind at equal steps, not told apart with four times as many; training time, and not only the cue.
# 1 point: names a case in which turning is right, with the reason.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A reader of mammograms sees the ratio of false clusters in the course's longer run (not in your short one) and asks: "So the network takes most
# of them away. At which sensitivity, and what about the clusters that it now misses?" In at most 100 words: say why figures of false positives mean nothing without the sensitivity, and what you would report.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_sensitivity", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# Any program has fewer false clusters if its threshold is raised, and then it misses more true ones. So two programs are
# compared at the same sensitivity, better along the whole FROC curve. I would report the curve with and without the network on the same films, an
# interval over patients, and which clusters are lost: if they are the faint, fine ones, the harm is larger than the
# number says.
#
# === BEGIN MARK SCHEME ===
# 1 point: says that the threshold trades one for the other, so both must be given, or the whole curve.
# 1 point: reports an interval by patient, or looks at which clusters are lost.
# === END MARK SCHEME ===

# %% [markdown]
# ## On real regions
#
# The third experiment runs on real regions of interest. Sort them into two folders, a folder a class; what stands before the first underscore of a
# name is the patient:
#
# ```
# my_rois/normal/P012_1.png
# my_rois/mass/P007_2.png
# medcourse effects 03_cnn_history --data my_rois
# ```
#
# Public films to cut them from: CBIS-DDSM (mammograms, The Cancer Imaging Archive, CC BY 3.0,
# [doi:10.7937/K9/TCIA.2016.7O02S9CY](https://doi.org/10.7937/K9/TCIA.2016.7O02S9CY)) and JSRT (chest radiographs, Shiraishi et al. 2000,
# [doi:10.2214/ajr.174.1.1740071](https://doi.org/10.2214/ajr.174.1.1740071)). Read their terms first.
#
# **References.** S.-C. B. Lo et al., *Artificial convolution neural network techniques and applications for lung nodule detection*, IEEE Trans Med
# Imaging 14, 711-718, 1995, [doi:10.1109/42.476112](https://doi.org/10.1109/42.476112). H.-P. Chan et al., *Computer-aided detection of mammographic
# microcalcifications: pattern recognition with an artificial neural network*, Med Phys 22, 1555-1567, 1995,
# [doi:10.1118/1.597428](https://doi.org/10.1118/1.597428). B. Sahiner et al., *Classification of mass and normal breast tissue: a convolution neural
# network classifier with spatial domain and texture images*, IEEE Trans Med Imaging 15, 598-610, 1996,
# [doi:10.1109/42.538937](https://doi.org/10.1109/42.538937).
