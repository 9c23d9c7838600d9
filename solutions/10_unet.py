# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 10: U-Net, and how to keep touching cells apart
#
# A biologist counts cells before and after a drug. If two neighbours melt into one, the count is wrong, even though
# almost every pixel is right. In this lab you build the network of Ronneberger, Fischer and Brox (2015), and the three
# tricks that its authors used with 30 training images.
#
# **You will be able to**
#
# - say how many pixels an unpadded U-Net gives back, and which inputs it refuses;
# - build the contracting and the expanding path, and crop and concatenate between them;
# - write the weight map that makes a network learn the thin border between two cells, and the loss that uses it;
# - bend an image and its labels together by a smooth random field;
# - segment an image of any size tile by tile, without a seam;
# - test the paper's claims yourself, over several seeds, and say which of them hold here.
#
# **Time:** about 120 minutes. **Before this:** the lesson *U-Net*.
#
# **Cost:** {{cost}}
#
# The cells are **simulated**: light passes through made-up cells in a made-up microscope. What you write runs on real
# recordings, too; the last section says how.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional

from medcourse import datasets, effects, metrics, models, plots, sampling, testing, training
from medcourse.testing import close

testing.begin_lab(seed=10)
plots.use_style()

# %% [markdown]
# Cells that touch, and the truth that an expert would draw. The network has to answer *cell or not* for each
# pixel, so two touching cells need at least a thin line of background between them. `separate_cells` draws it into the
# truth, as the authors did.

# %% tags=["picture"] picture="cells"
dish = datasets.make_cells(4, seed=10)
truth = datasets.separate_cells(dish.labels)
plots.overlay(
    dish.images[0],
    truth[0],
    "Simulated cells in DIC",
    spacing_um=dish.spacing_um,
    alt="Simulated DIC image of 17 cells, many of which touch; thin background lines part the coloured outlines.",
)

# %% [markdown]
# ## Exercise 1: what an unpadded network gives back
#
# U-Net's 3 x 3 convolutions are not padded: a pixel at the border lacks neighbours, so it is dropped rather than
# computed from invented ones. On each level, two convolutions take 4 pixels off each side length; pooling halves it;
# the up-convolution doubles it. With $D$ poolings, a side of $n$ pixels goes through
#
# $$ \underbrace{n \to \frac{n - 4}{2}}_{D \text{ times}}, \qquad \underbrace{n \to n - 4}_{\text{once}}, \qquad
# \underbrace{n \to 2n - 4}_{D \text{ times}}, $$
#
# where $n$ is each time what the step before gave.
#
# Pooling halves only an even side. An odd one would lose its last row: the skip connection would then be half a pixel
# off. Write a function that walks through the network and says what comes out, or that nothing can.
#
# **Predict first:** the paper's network takes 572 pixels. What is the next larger side that it takes, and what comes out?


# %% nbgrader={"grade": false, "grade_id": "output_side", "locked": false, "schema_version": 3, "solution": true, "task": false}
def output_side(side: int, depth: int = 4) -> int | None:
    """Return the side of an unpadded U-Net's output.

    Parameters
    ----------
    side : int
        Side of the input in pixels.
    depth : int
        Number of poolings.

    Returns
    -------
    int or None
        Side of the output in pixels; None if a pooling would meet an odd side, or if no pixel would be left.
    """
    ### BEGIN SOLUTION
    for _ in range(depth):
        side -= 4
        if side % 2 or side <= 0:
            return None
        side //= 2
    side -= 4
    for _ in range(depth):
        side = 2 * side - 4
    return side if side > 0 else None
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# Two loops of `depth` rounds, with the bottom's two convolutions between them. The first loop can stop the walk early.
# What must you look at when the second one is through?
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "output_side_sizes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The size of what comes out. The paper's figure 1: 572 pixels in, 388 out.
close(output_side(572, depth=4), 388, "output_side(572, depth=4)", "do both paths convolve twice, and the bottom too?")
close(output_side(20, depth=1), 4, "output_side(20, depth=1)")
### BEGIN HIDDEN TESTS
for side, depth, expected in [(188, 4, 4), (44, 2, 4), (124, 2, 84), (140, 3, 52), (92, 3, 4), (9, 0, 5), (5, 0, 1)]:
    close(
        output_side(side, depth=depth),
        expected,
        f"output_side({side}, depth={depth})",
        "is the depth a number of poolings, with one more level of convolutions at the bottom?",
    )
close(output_side(572), 388, "output_side(572) without a depth", "the paper pools four times")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "output_side_refuses", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# What the network refuses: an odd side before a pooling.
close(output_side(571, depth=4), None, "output_side(571, depth=4)", "571 - 4 cannot be halved")
### BEGIN HIDDEN TESTS
for side, depth, why in [
    (126, 2, "the second pooling meets an odd side"),
    (574, 4, "a pooling further down meets an odd side"),
    (16, 1, "nothing is left at the end"),
    (4, 1, "nothing is left to pool"),
    (2, 1, "nothing is left to convolve"),
    (12, 1, "nothing is left at the bottom"),
    (4, 0, "nothing is left of 4 pixels after two convolutions"),
]:
    close(output_side(side, depth=depth), None, f"output_side({side}, depth={depth})", why)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2: the network
#
# Going down, the network learns *what* is there, and loses *where*. Going up, it gets the *where* back from the maps
# that it had on the way down. They are larger, because they lost fewer borders: cut their centre out, and put both
# on top of each other along the channels.


# %% nbgrader={"grade": false, "grade_id": "crop_and_concatenate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def crop_and_concatenate(skip: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """Join what the way down knew with what comes up.

    Parameters
    ----------
    skip : (B, C1, H, W) tensor
        From the contracting path. H - h and W - w are even and at least 0.
    up : (B, C2, h, w) tensor
        From the up-convolution.

    Returns
    -------
    (B, C1 + C2, h, w) tensor
        First the channels of `skip`, cut to its centre, then those of `up`.
    """
    ### BEGIN SOLUTION
    height, width = up.shape[-2:]
    top, left = (skip.shape[-2] - height) // 2, (skip.shape[-1] - width) // 2
    return torch.cat([skip[..., top : top + height, left : left + width], up], dim=1)  # (B, C1 + C2, h, w)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "crop_and_concatenate_centre", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The centre is kept, on rectangles too. The skip holds its own pixel numbers, so that one sees which were cut out.
skip = torch.arange(8.0 * 6).reshape(1, 1, 8, 6)
joined = crop_and_concatenate(skip, torch.zeros(1, 1, 4, 4))
close(joined[0, 0, 0, 0], 13.0, "the first pixel of the cropped skip", "is the crop centred on both axes?")
### BEGIN HIDDEN TESTS
close(joined[:, :1], skip[..., 2:6, 1:5], "an 8 x 6 skip cropped to 4 x 4", "is the crop centred on both axes?")
same = crop_and_concatenate(skip, torch.zeros(1, 1, 8, 6))
close(same[:, :1], skip, "a skip of the size of what comes up", "a crop of 0 pixels keeps everything")
wide = crop_and_concatenate(skip.transpose(2, 3), torch.zeros(1, 1, 2, 8))
close(
    wide[:, :1], skip.transpose(2, 3)[..., 2:4, :], "a 6 x 8 skip cropped to 2 x 8", "crop each axis by its own amount"
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "crop_and_concatenate_channels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Concatenated along the channels, the skip first, each picture of the batch by itself.
skip, up = torch.rand(2, 3, 6, 6), torch.rand(2, 5, 4, 4)
close(
    tuple(crop_and_concatenate(skip, up).shape),
    (2, 8, 4, 4),
    "the shape of 3 + 5 channels",
    "which axis is the channel's?",
)
### BEGIN HIDDEN TESTS
joined = crop_and_concatenate(skip, up)
close(joined[:, 3:], up, "the channels that come up", "the skip's channels come first")
close(
    joined[:, :3],
    skip[..., 1:5, 1:5],
    "the channels of the skip",
    "added instead of concatenated, or cut from another place than the centre?",
)
### END HIDDEN TESTS

# %% [markdown]
# Now the whole network, of any width and depth. `double_convolution` is given. Level $k$ of the way down has
# `base * 2**k` feature maps; below the last pooling there are `base * 2**depth`. An up-convolution
# (`nn.ConvTranspose2d`, 2 x 2, stride 2) halves their number; the concatenation doubles it, and a double convolution
# brings it back down. Only the double convolutions have a ReLU: none follows the up-convolution or the 1 x 1. A 1 x 1 convolution turns the last maps into one logit for each class.
#
# <details><summary>Hint</summary>
#
# `nn.ModuleList` holds one module a level; a plain Python list would hide them from the optimiser. In `forward`, keep
# what each level of the way down gave, and use it in the opposite order on the way up.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "double_convolution", "locked": true, "schema_version": 3, "solution": false, "task": false}
def double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two unpadded 3 x 3 convolutions, each with a ReLU: (B, C, H, W) to (B, C', H - 4, W - 4)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3), nn.ReLU(), nn.Conv2d(out_channels, out_channels, 3), nn.ReLU()
    )


# %% nbgrader={"grade": false, "grade_id": "unet", "locked": false, "schema_version": 3, "solution": true, "task": false}
class UNet(nn.Module):
    """The U-Net of figure 1 of the paper.

    Parameters
    ----------
    in_channels, n_classes : int
        Channels of the image and of the logits.
    base : int
        Feature maps of the first level.
    depth : int
        Number of poolings.
    """

    def __init__(self, in_channels: int = 1, n_classes: int = 2, base: int = 64, depth: int = 4) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        widths = [base * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList()
        for before, after in zip([in_channels, *widths], widths):
            self.down.append(double_convolution(before, after))
        self.up_convolutions, self.after_joining = nn.ModuleList(), nn.ModuleList()
        for width in widths[-2::-1]:
            self.up_convolutions.append(nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2))
            self.after_joining.append(double_convolution(2 * width, width))
        self.to_logits = nn.Conv2d(base, n_classes, kernel_size=1)
        ### END SOLUTION
        # He's initialisation, as in the paper: a standard deviation of sqrt(2 / inputs of a neuron).
        self.apply(models.unet.init_he)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to raw logits (B, K, H', W') with H' = output_side(H, depth)."""
        ### BEGIN SOLUTION
        kept = []
        for convolve in self.down[:-1]:
            kept.append(convolve(x))
            x = functional.max_pool2d(kept[-1], 2)
        x = self.down[-1](x)
        for up, convolve in zip(self.up_convolutions, self.after_joining):
            x = convolve(crop_and_concatenate(kept.pop(), up(x)))
        return self.to_logits(x)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "unet_shapes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Shapes: batch, classes and the side that exercise 1 predicts.
net = UNet(in_channels=1, n_classes=2, base=4, depth=2)
close(
    tuple(net(torch.zeros(1, 1, 44, 44)).shape),
    (1, 2, 4, 4),
    "the shape of the logits of a 44 x 44 image",
    "4 pixels a double convolution",
)
### BEGIN HIDDEN TESTS
net = UNet(in_channels=3, n_classes=5, base=2, depth=1)
close(
    tuple(net(torch.zeros(2, 3, 20, 24)).shape),
    (2, 5, 4, 8),
    "the shape of the logits of two 3-channel images of 20 x 24",
    "are in_channels and n_classes used?",
)
net = UNet(in_channels=1, n_classes=2, base=2, depth=3)
close(
    tuple(net(torch.zeros(1, 1, 92, 92)).shape),
    (1, 2, 4, 4),
    "the shape of the logits of a 92 x 92 image, depth 3",
    "is the depth used?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "unet_parameters", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# As many weights as the network of figure 1 has at this width: each layer is there, and the optimiser can see it.
n_weights = sum(parameter.numel() for parameter in UNet(base=4, depth=2).parameters())
close(
    n_weights,
    7402,
    "the number of weights for base=4, depth=2",
    "are the modules in a ModuleList? does the up-convolution halve the maps?",
)
### BEGIN HIDDEN TESTS
for base, depth, channels, classes in [(2, 3, 1, 2), (8, 1, 3, 4)]:
    expected = sum(p.numel() for p in models.UNet(channels, classes, base=base, depth=depth).parameters())
    counted = sum(p.numel() for p in UNet(in_channels=channels, n_classes=classes, base=base, depth=depth).parameters())
    close(
        counted,
        expected,
        f"the number of weights for base={base}, depth={depth}, {channels} channels, {classes} classes",
        "do the maps double with each pooling, up to base * 2**depth?",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "unet_paths", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The right order: convolve, keep, pool; then up, crop and concatenate, convolve. With all weights of a layer equal,
# the output depends on the structure alone, so it can be compared with a number.
net = UNet(base=2, depth=1)
testing.set_weights(net, bias=-0.05)
ramp = torch.linspace(-1, 2, 24 * 24).reshape(1, 1, 24, 24)
close(
    net(ramp)[0, 0, 3, 5],
    0.0781,
    "one logit of a grey ramp",
    "is each level kept before it is pooled? maximum pooling? the deepest level used first on the way up?",
    rtol=1e-3,
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("unet_paths")
for depth, side in [(1, 28), (2, 52)]:
    image = torch.as_tensor(rng.normal(0.3, 1.0, (2, 1, side, side)), dtype=torch.float32)
    reference, net = models.UNet(base=2, depth=depth), UNet(base=2, depth=depth)
    for network in (reference, net):
        testing.set_weights(network, bias=-0.02)
    with torch.no_grad():
        close(
            net(image),
            reference(image),
            f"the logits of a noisy image, depth {depth}",
            "is a step missing, doubled or out of order? is there a ReLU after the last layer?",
        )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: the border that counts
#
# The line between two touching cells is thin: about one pixel in thirty. A network that ignores it is wrong on
# almost nothing. So the authors made these pixels expensive. Each pixel $x$ weighs
#
# $$ w(x) = w_c(x) + w_0 \exp\left(-\frac{(d_1(x) + d_2(x))^2}{2\sigma^2}\right) $$
#
# - $w_c = N / (2 N_c)$ makes both classes, cell and background, count the same: $N$ pixels in all, $N_c$ of the pixel's own class. (The paper
#   does not say which balance it used; this is the usual one.)
# - $d_1$ is the distance to the nearest cell and $d_2$ that to the second nearest, in pixels: from the pixel to the
#   closest pixel of that cell, so 0 inside it. With fewer than two cells there is no border, and no second term.
# - $w_0$ sets the height of the ridge and $\sigma$ its width; the paper took 10 and about 5 pixels.
#
# **Predict first:** two cells, two pixels of background between them, $\sigma = 5$. Is the ridge there 10, or lower?
#
# <details><summary>Hint</summary>
#
# `ndimage.distance_transform_edt(mask)` gives each True pixel its distance to the nearest False one. What must the
# mask be, so that you get the distance to cell $k$? One such map a cell, sorted along the stack, and you have $d_1$
# and $d_2$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "weight_map", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weight_map(labels: np.ndarray, w0: float = 10.0, sigma: float = 5.0) -> np.ndarray:
    """Weigh each pixel by the rarity of its class and by its closeness to two cells.

    Parameters
    ----------
    labels : (H, W) array of int
        0 is background, every other number a cell. Numbers may be missing.
    w0 : float
        Height of the ridge between two cells.
    sigma : float
        Its width in pixels.

    Returns
    -------
    (H, W) array of float
        The weights.
    """
    ### BEGIN SOLUTION
    is_cell = labels > 0
    same_class = np.where(is_cell, is_cell.sum(), (~is_cell).sum())
    weights = labels.size / (2 * same_class)
    cells = [k for k in np.unique(labels) if k != 0]
    if len(cells) < 2:
        return weights
    distances = np.sort([ndimage.distance_transform_edt(labels != k) for k in cells], axis=0)  # (K, H, W)
    return weights + w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "weight_map_classes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Without the ridge (w0 = 0), both classes weigh the same in sum.
labels = np.array([[1, 0, 0, 0], [0, 0, 0, 2]])
weights = weight_map(labels, w0=0.0)
close(
    weights[0, 0],
    2.0,
    "the weight of a cell's pixel when 2 of 8 pixels are cells",
    "N / (2 N_c) with N_c of the pixel's own class",
)
### BEGIN HIDDEN TESTS
expected = np.where(labels > 0, 2.0, 8 / 12)
close(weights, expected, "the class weights when 2 of 8 pixels are cells", "each pixel is weighed by its own class")
rng = testing.hidden_rng("weight_map_classes")
labels = (rng.random((9, 14)) < 0.2) * rng.integers(1, 4, (9, 14))
weights = np.asarray(weight_map(labels, w0=0.0))
close(
    weights[labels > 0].sum(),
    labels.size / 2,
    "the sum of weights over all cells, w0 = 0",
    "cells are one class, whatever their numbers",
)
close(weights[labels == 0].sum(), labels.size / 2, "the sum of weights over the background, w0 = 0")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "weight_map_ridge", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The ridge between two cells. On one line: cell 1, three pixels of background, cell 2.
labels = np.array([[1, 0, 0, 0, 2]])
ridge = weight_map(labels, w0=10.0, sigma=2.0) - weight_map(labels, w0=0.0)
close(
    ridge[0, 2],
    10 * np.exp(-((2 + 2) ** 2) / 8),
    "the ridge half way between two cells, sigma = 2",
    "square the sum of both distances, and divide by 2 sigma^2",
)
### BEGIN HIDDEN TESTS
expected = 10 * np.exp(-((np.array([[0, 1, 2, 3, 4]]) + np.array([[4, 3, 2, 1, 0]])) ** 2) / 8)
close(
    ridge,
    expected,
    "the ridge on the line 1 0 0 0 2, sigma = 2",
    "distances are to the nearest pixel of the cell, 0 inside it",
)
# Three cells, numbers missing, of which the two nearest count at each pixel; not square, so that axes matter.
labels = np.zeros((12, 17), int)
labels[2:5, 2:6], labels[2:5, 8:11], labels[8:11, 4:15] = 3, 7, 12
stack = np.sort([ndimage.distance_transform_edt(labels != k) for k in (3, 7, 12)], axis=0)
for w0, sigma in [(10.0, 5.0), (4.0, 1.5)]:
    ridge = weight_map(labels, w0=w0, sigma=sigma) - weight_map(labels, w0=0.0, sigma=sigma)
    close(
        ridge,
        w0 * np.exp(-((stack[0] + stack[1]) ** 2) / (2 * sigma**2)),
        f"the ridge among three cells, w0 = {w0:g}, sigma = {sigma:g}",
        "the nearest and the second nearest cell, not the nearest and the farthest",
    )
close(
    weight_map(labels),
    weight_map(labels, w0=10.0, sigma=5.0),
    "the weight map with no w0 and sigma given",
    "w0 = 10 and sigma = 5 stand in the signature",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "weight_map_lonely", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One cell has no second neighbour, so no ridge.
labels = np.zeros((6, 8), int)
labels[1:3, 1:5] = 4
close(
    weight_map(labels), weight_map(labels, w0=0.0), "the weight map of a single cell", "there is no second nearest cell"
)
### BEGIN HIDDEN TESTS
got, after = testing.inout(weight_map, labels)
close(after[0], labels, "the labels after the call", "work on a copy")
close(got, np.where(labels > 0, 48 / 16, 48 / 80), "the weight map of a single cell of 8 pixels in 48")
close(
    weight_map(np.zeros((3, 5), int)),
    np.full((3, 5), 0.5),
    "the weight map of an image without cells",
    "N / (2 N_c), with N_c = N for the background",
)
### END HIDDEN TESTS

# %% tags=["picture"] picture="weight_map"
plots.show_map(
    weight_map(truth[0]),
    "Weight w, w0 = 10, sigma = 5 px",
    spacing_um=dish.spacing_um,
    alt="Weight map of the first image: bright ridges where two cells nearly touch, flat elsewhere.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: bright ridges between neighbouring cells, low and even weights elsewhere](attachment:weight_map.png)
#
# </details>
#
# The loss is the cross-entropy of each pixel times its weight:
#
# $$ E = \frac{1}{N} \sum_x -\,w(x) \,\log p_{\ell(x)}(x), \qquad p_k(x) = \frac{e^{a_k(x)}}{\sum_j e^{a_j(x)}} $$
#
# with the logits $a_k$ and the true class $\ell(x)$. Divide by the number of pixels $N$, not by the sum of the weights:
# an image full of borders *should* pull harder.


# %% nbgrader={"grade": false, "grade_id": "weighted_cross_entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighted_cross_entropy(logits: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the mean over all pixels of weight times cross-entropy.

    Parameters
    ----------
    logits : (B, K, H, W) tensor
        Raw, of any size: 1000 is possible.
    target : (B, H, W) tensor of int64
        True classes, 0 to K - 1.
    weights : (B, H, W) tensor
        From `weight_map`.

    Returns
    -------
    scalar tensor
        Differentiable in `logits`.
    """
    ### BEGIN SOLUTION
    log_p = logits.log_softmax(dim=1).gather(1, target[:, None])[:, 0]  # (B, H, W)
    return -(weights * log_p).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "weighted_cross_entropy_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two pixels of which the network knows nothing: each costs log 2, the second three times.
logits, target = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])
got = weighted_cross_entropy(logits, target, torch.tensor([[[1.0, 3.0]]]))
close(
    got,
    (1 + 3) / 2 * np.log(2),
    "the loss of two unknown pixels with weights 1 and 3",
    "divide by the number of pixels, not by the sum of the weights",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("weighted_cross_entropy_value")
logits = torch.as_tensor(rng.normal(0, 2, (2, 3, 4, 5)), dtype=torch.float32)
target = torch.as_tensor(rng.integers(0, 3, (2, 4, 5)))
weights = torch.as_tensor(rng.uniform(0.5, 8, (2, 4, 5)), dtype=torch.float32)
log_p = np.take_along_axis(
    np.log(np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)), target.numpy()[:, None], 1
)[:, 0]
close(
    weighted_cross_entropy(logits, target, weights),
    -(weights.numpy() * log_p).mean(),
    "the loss of two images with three classes",
    "log-softmax over the classes (axis 1), the true class of each pixel, its own weight, and only then the mean",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "weighted_cross_entropy_gradient", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# It can be trained by: with respect to the logits, the gradient is w (p - truth) / N.
logits, target = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])
value, gradient = testing.value_and_grad(weighted_cross_entropy, logits, target, torch.tensor([[[1.0, 3.0]]]))
close(
    gradient[0, 1, 0],
    np.array([0.25, -0.75]),
    "the gradient for class 1 of two unknown pixels with weights 1 and 3",
    "by what do you divide?",
)
### BEGIN HIDDEN TESTS
close(gradient[0, 0, 0], np.array([-0.25, 0.75]), "the gradient for class 0 of two unknown pixels with weights 1 and 3")
# A logit of 1000 must neither overflow nor be cut off.
huge = torch.tensor([1000.0, -1000.0]).reshape(1, 2, 1, 1)
value, gradient = testing.value_and_grad(weighted_cross_entropy, huge, torch.tensor([[[1]]]), torch.ones(1, 1, 1))
close(
    value,
    2000.0,
    "the loss of a pixel that is surely wrong (logits 1000, -1000)",
    "softmax rounds a tiny probability to 0, and log 0 is minus infinity",
)
close(
    gradient[0, :, 0, 0], np.array([1.0, -1.0]), "the gradient of a pixel that is surely wrong", "is something clipped?"
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4: bend the image and its truth together
#
# Thirty images are few. But a cell bent a little is still a cell, so the authors bent each image by a smooth random
# field. They drew a displacement for each point of a coarse grid of 3 x 3 points, normal with
# a standard deviation of 10 pixels, and interpolated between the points with bicubic splines:
#
# $$ I'(x) = I(x + u(x)) $$
#
# Both must be bent by the *same* field, the image interpolated linearly, the labels by the nearest neighbour: half way
# between cell 2 and cell 4 lies no cell 3.
#
# <details><summary>Hint</summary>
#
# `ndimage.zoom(coarse[0], factors, order=3)` enlarges a grid with cubic splines, its first and last points onto the first and
# last pixels. `ndimage.map_coordinates(image, where, order=1, mode="mirror")` reads an image at `where`, a (2, H, W)
# array of rows and columns; `np.indices(image.shape)` is where each pixel is by itself.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "elastic_deform", "locked": false, "schema_version": 3, "solution": true, "task": false}
def elastic_deform(image: np.ndarray, labels: np.ndarray, coarse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bend an image and its labels by the same smooth field.

    Parameters
    ----------
    image : (H, W) array of float
    labels : (H, W) array of int
    coarse : (2, P, P) array
        Displacements u of a grid of P x P points: first along rows, then along columns, in pixels. The grid's first and last points lie on
        the first and last pixels of the image; between them u is interpolated by cubic splines.

    Returns
    -------
    (H, W) array of float, (H, W) array of int
        The image and the labels read at x + u(x). What lies outside is mirrored, the border pixel itself
        not repeated (SciPy calls this `mirror`, NumPy `reflect`).
    """
    ### BEGIN SOLUTION
    factors = [n / p for n, p in zip(image.shape, coarse.shape[1:])]
    u = np.stack([ndimage.zoom(component, factors, order=3) for component in coarse])  # (2, H, W)
    where = np.indices(image.shape) + u
    return (
        ndimage.map_coordinates(image, where, order=1, mode="mirror"),
        ndimage.map_coordinates(labels, where, order=0, mode="mirror"),
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "elastic_deform_shift", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# No displacement changes nothing; the same one everywhere is a shift. Row r, column c holds 10 r + c.
image = np.arange(9)[:, None] * 10.0 + np.arange(11)
labels = np.arange(99).reshape(9, 11) // 20
same, same_labels = elastic_deform(image, labels, np.zeros((2, 3, 3)))
close(same, image, "an image bent by nothing")
down = np.stack([np.full((3, 3), 2.0), np.zeros((3, 3))])
shifted, _ = elastic_deform(image, labels, down)
close(
    shifted[4, 5],
    65.0,
    "row 4, column 5 after u = (2, 0): what stood at row 6",
    "read at x + u(x); the first component goes along rows",
)
### BEGIN HIDDEN TESTS
close(same_labels, labels, "labels bent by nothing")
close(shifted[:7], image[2:], "an image shifted by u = (2, 0)", "read at x + u(x), not at x - u(x)")
across, across_labels = elastic_deform(image, labels, np.stack([np.zeros((3, 3)), np.full((3, 3), -3.0)]))
close(across[:, 3:], image[:, :-3], "an image shifted by u = (0, -3)", "the second component goes along columns")
close(
    across_labels[:, 3:],
    labels[:, :-3],
    "the labels shifted by u = (0, -3)",
    "image and labels are bent by the same field",
)
close(across[:, 2], image[:, 1], "the column that came from outside at the left", "mirror what lies outside")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "elastic_deform_labels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Labels stay labels, and stay with their image: an image that *is* its labels ends like them, but for the edges.
labels = np.zeros((33, 33), int)
labels[4:16, 4:29], labels[18:29, 6:30] = 2, 4
coarse = np.random.default_rng(4).normal(0, 4, (2, 3, 3))
bent, bent_labels = elastic_deform(labels.astype(float), labels, coarse)
close(
    sorted(set(np.asarray(bent_labels).ravel().tolist())),
    [0, 2, 4],
    "the labels that are left",
    "half way between cells 2 and 4 lies no cell 3: take the nearest label",
)
### BEGIN HIDDEN TESTS
inside = np.isin(np.asarray(bent).round(6), [0, 2, 4])  # pixels whose neighbours all have one label
close(
    np.asarray(bent_labels)[inside],
    np.asarray(bent)[inside],
    "bent labels against the bent image of them",
    "is the same field used for both?",
)
assert inside.mean() > 0.7, "most pixels should still have the label of all their neighbours: is the field smooth?"
assert np.mean(np.abs(np.asarray(bent_labels) - labels) > 0) > 0.05, (
    "labels should be bent by a grid of 4 px, but hardly one changed"
)
_, (_, labels_after, coarse_after) = testing.inout(elastic_deform, labels.astype(float), labels, coarse)
close(labels_after, labels, "the labels given, after the call", "work on copies")
close(coarse_after, coarse, "the grid given, after the call", "work on copies")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "elastic_deform_smooth", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The field passes through the grid's points. On a ramp whose value is the column, what changes is the displacement.
ramp = np.tile(np.arange(41.0), (41, 1))
coarse = np.zeros((2, 3, 3))
coarse[1, 1, 1] = 5.0
field = elastic_deform(ramp, np.zeros((41, 41), int), coarse)[0] - ramp
close(field[20, 20], 5.0, "the displacement in the middle, where the grid says 5 pixels", atol=1e-3)
close(
    field[0, 0],
    0.0,
    "the displacement in the corner, where the grid says 0",
    "do the grid's first and last points lie on the image's first and last pixels?",
    atol=1e-3,
)
### BEGIN HIDDEN TESTS
field = np.asarray(field)
kink = np.abs(np.diff(field[20], 2)).max()
assert kink < 0.1, (
    f"the field should bend gently, but its slope jumps by {kink:.2f}: is the interpolation cubic, not linear?"
)
wide = np.tile(np.arange(41.0)[:, None], (1, 25))
coarse = np.zeros((2, 3, 3))
coarse[0] = [[4.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -3.0]]
field = np.asarray(elastic_deform(wide, np.zeros((41, 25), int), coarse)[0]) - wide
close(
    field[0, 0],
    4.0,
    "the displacement along rows in the first corner of a 41 x 25 image",
    "does the grid fill an image that is not square?",
    atol=1e-3,
)
close(field[40, 24], -3.0, "the displacement along rows in the last corner of a 41 x 25 image", atol=1e-3)
close(field[20, 12], 0.0, "the displacement in the middle, where the grid says 0", atol=1e-3)
### END HIDDEN TESTS

# %% tags=["picture"] picture="elastic"
coarse = np.random.default_rng(1).normal(0, 8.0, (2, 3, 3))
bent_image, bent_truth = elastic_deform(dish.images[0], truth[0], coarse)
figure, axes = plots.panels(1, 2, width_inches=4, height_inches=4)
plots.overlay(dish.images[0], truth[0], "As recorded", spacing_um=dish.spacing_um, ax=axes[0, 0])
plots.overlay(bent_image, bent_truth, "Bent", ax=axes[0, 1])
plots.describe(figure, "The same cells before and after bending; the outlines follow the cells.")

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: two images side by side, the bent one with outlines that still follow the cells](attachment:elastic.png)
#
# </details>
#
# ## Exercise 5: an image of any size
#
# A network that was trained on tiles has to segment a whole dish. Cut the image into tiles of output, and give each
# tile the `margin` of context that the network eats. At the image's border there is none: mirror the image. Because
# the network never pads, the tiles fit together without a seam. This is the paper's *overlap-tile strategy*.
#
# <details><summary>Hint</summary>
#
# How many tiles does it take to cover 100 pixels with tiles of 84? Mirror the image by `margin` at the near sides, and
# by so much more at the far sides that the last tile is whole (`np.pad(..., mode="reflect")`). Cut off at the end what
# is too much.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "predict_tiled", "locked": false, "schema_version": 3, "solution": true, "task": false}
def predict_tiled(predict, image: np.ndarray, side: int, margin: int) -> np.ndarray:
    """Segment an image of any size tile by tile.

    Parameters
    ----------
    predict : function
        Maps a (1, 1, side + 2 margin, side + 2 margin) float32 tensor to (1, K, side, side); takes no other shape.
    image : (H, W) array of float
        Need not be a multiple of `side`, and may be smaller.
    side, margin : int
        Of a tile's output, and what `predict` eats at each of its sides, in pixels.

    Returns
    -------
    (K, H, W) array of float
        What `predict` would say of the whole image, mirrored at its border (the border pixel itself not repeated).
    """
    ### BEGIN SOLUTION
    height, width = image.shape
    n_down, n_across = -(-height // side), -(-width // side)  # rounded up
    padding = [(margin, margin + n_down * side - height), (margin, margin + n_across * side - width)]
    padded = torch.as_tensor(np.pad(image, padding, mode="reflect"), dtype=torch.float32)
    window = side + 2 * margin
    rows = []
    for top in range(0, n_down * side, side):
        tiles = []
        for left in range(0, n_across * side, side):
            tile = padded[top : top + window, left : left + window]
            tiles.append(np.asarray(predict(tile[None, None]))[0])  # (K, side, side)
        rows.append(np.concatenate(tiles, axis=2))
    return np.concatenate(rows, axis=1)[:, :height, :width]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "predict_tiled_whole", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Four tiles without a seam. The "network" here is a mean of 3 x 3 pixels, which eats a margin of 1.
def mean_filter(tile: torch.Tensor) -> torch.Tensor:
    """A network that is easy to check: (1, 1, h, w) to (1, 2, h - 2, w - 2), the local mean and its negative."""
    assert tuple(tile.shape) == (1, 1, 6, 6), f"predict takes tiles of shape (1, 1, 6, 6), got {tuple(tile.shape)}"
    mean = functional.avg_pool2d(torch.as_tensor(tile, dtype=torch.float32), 3, stride=1)
    return torch.cat([mean, -mean], dim=1)


image = np.random.default_rng(0).random((8, 8))
whole = ndimage.uniform_filter(image, 3, mode="mirror")
got = predict_tiled(mean_filter, image, side=4, margin=1)
close(tuple(got.shape), (2, 8, 8), "the shape for 2 classes and an image of 8 x 8")
close(
    got[0, 3:5, 3:5],
    whole[3:5, 3:5],
    "where the four tiles meet",
    "does each tile see its neighbours' pixels?",
    atol=1e-5,
)
### BEGIN HIDDEN TESTS
close(
    got,
    np.stack([whole, -whole]),
    "the tiled prediction against the whole one",
    "are the border's missing pixels mirrored without repeating the border pixel? are rows and columns mixed up?",
    atol=1e-5,
)
rectangle = testing.hidden_rng("predict_tiled_whole").random((4, 12))
whole = ndimage.uniform_filter(rectangle, 3, mode="mirror")
close(
    predict_tiled(mean_filter, rectangle, side=4, margin=1),
    np.stack([whole, -whole]),
    "the tiled prediction of a 4 x 12 image",
    "rows and columns",
    atol=1e-5,
)
### END HIDDEN TESTS


# %% nbgrader={"grade": true, "grade_id": "predict_tiled_any_size", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Images that are no multiple of a tile, or smaller than one.
def wide_mean_filter(tile: torch.Tensor) -> torch.Tensor:
    """A network that eats a margin of 2: (1, 1, 9, 9) to (1, 1, 5, 5)."""
    assert tuple(tile.shape) == (1, 1, 9, 9), f"predict takes tiles of shape (1, 1, 9, 9), got {tuple(tile.shape)}"
    return functional.avg_pool2d(torch.as_tensor(tile, dtype=torch.float32), 5, stride=1)


image = np.random.default_rng(1).random((7, 13))
whole = ndimage.uniform_filter(image, 5, mode="mirror")
close(
    predict_tiled(wide_mean_filter, image, side=5, margin=2),
    whole[None],
    "the tiled prediction of a 7 x 13 image with tiles of 5",
    "is the number of tiles rounded up, the rest cut off, and the border mirrored?",
    atol=1e-5,
)
### BEGIN HIDDEN TESTS
for height, width in [(4, 4), (5, 11), (16, 6)]:
    image = testing.hidden_rng(f"predict_tiled_any_size {height} {width}").random((height, width))
    whole = ndimage.uniform_filter(image, 5, mode="mirror")
    close(
        predict_tiled(wide_mean_filter, image, side=5, margin=2),
        whole[None],
        f"the tiled prediction of a {height} x {width} image with tiles of 5",
        "also an image smaller than a tile is mirrored up to a whole one",
        atol=1e-5,
    )
### END HIDDEN TESTS

# %% [markdown]
# ## The paper's claims, measured again
#
# Now everything is yours: network, weights, loss, bending and tiles. Three networks learn from the same four images,
# for each of five seeds:
#
# | network | weight map | images bent |
# |---|---|---|
# | flat | $w_0 = 0$ | yes |
# | ridged | $w_0 = 10$ | yes |
# | unbent | $w_0 = 10$ | no |
#
# 1. *The weight map keeps cells apart:* the ridged network merges fewer cells than the flat one. Its F1 of whole cells is
#    higher, while the overlap of pixels (IoU) stays about the same.
# 2. *Bending helps when images are few:* the ridged network has a higher Dice than the unbent one.
# 3. *Tiles fit:* a tiled prediction equals that of the whole image.
#
# An opponent that is not a network stands beside them: smoothed intensities, edges and textures of each pixel at
# several scales (a filter bank), and logistic regression. If it won, nobody would need the rest.
#
# **Predict first:** which of the three will you see with four small images and a minute of training?
#
# The cell after the next one trains for about a minute. The bar says how far it is.

# %% tags=["experiment"]
from medcourse.errors import CourseError

UNIT, PAPER = "10_unet", "Ronneberger et al. 2015"
SIDE, DEPTH, N_TRAIN = 84, 2, 4
MARGIN = (124 - SIDE) // 2  # output_side(124, depth=2) is 84
# The notebook's run is short, so that you can repeat it; `medcourse effects` trains longer.
STEPS = 1500 if effects.thorough() else 200
# The paper's 10 pixels on HeLa cells that are about 80 pixels wide, on ours of about 25.
BEND_PX = 4.0


def cohort(seed: int):
    """Images and separated labels: N_TRAIN to learn from, drawn anew for each seed, and the rest to test on."""
    cells = effects.source(
        lambda: datasets.make_cells(N_TRAIN + 12, seed=1000 + seed),
        lambda folder: datasets.shrink(datasets.read_cells(folder), longest_px=256),
    )
    if len(cells.images) <= N_TRAIN:
        raise CourseError(
            f"expected more than {N_TRAIN} images, to test on the rest, got {len(cells.images)}: add some"
        )
    order = np.random.default_rng(seed).permutation(len(cells.images))
    images = [(cells.images[i] - cells.images[i].mean()) / cells.images[i].std() for i in order]
    labels = [datasets.separate_cells(cells.labels[i]) for i in order]
    return images[:N_TRAIN], labels[:N_TRAIN], images[N_TRAIN:], labels[N_TRAIN:]


def training_set(images, labels, *, w0: float, bent_copies: int, seed: int):
    """Images, targets and weights; with bent copies of each image, made once so that training does not wait."""
    rng = np.random.default_rng(seed)
    pairs = list(zip(images, labels))
    for image, label in zip(images, labels):
        for _ in range(bent_copies):
            pairs.append(elastic_deform(image, label, rng.normal(0, BEND_PX, (2, 3, 3))))
    return [(image, label > 0, weight_map(label, w0=w0)) for image, label in pairs]


def train(images, labels, *, w0: float, bent_copies: int, seed: int, name: str) -> UNet:
    """Train a small U-Net; the same seed gives the same first weights and the same crops."""
    samples, rng = training_set(images, labels, w0=w0, bent_copies=bent_copies, seed=seed), np.random.default_rng(seed)

    def batch(step: int):
        crops = [
            sampling.random_crop(rng, *samples[i], side=SIDE, margin=MARGIN) for i in rng.integers(len(samples), size=3)
        ]
        image, target, weights = (torch.as_tensor(np.stack(arrays)) for arrays in zip(*crops))
        return image[:, None].float(), target.long(), weights.float()

    torch.manual_seed(seed)
    net = UNet(base=8, depth=DEPTH)
    training.fit(net, batch, weighted_cross_entropy, steps=STEPS, lr=3e-3, label=name)
    return net


def score(cell_masks, labels) -> dict:
    """Mean over the test images of what is right about pixels, and about whole cells."""
    drawn = [metrics.label_objects(mask, min_size_px=20) for mask in cell_masks]
    matches = [metrics.match_objects(label, objects) for label, objects in zip(labels, drawn)]
    return {
        "merges": np.mean([match.merges for match in matches]),
        "f1": np.mean([match.f1 for match in matches]),
        "iou": np.mean([metrics.iou(label > 0, mask) for label, mask in zip(labels, cell_masks)]),
        "dice": np.mean([metrics.dice(label > 0, mask) for label, mask in zip(labels, cell_masks)]),
    }


def segment(net: UNet, image: np.ndarray) -> np.ndarray:
    """A mask of cells, tile by tile."""
    device = next(net.parameters()).device
    with torch.no_grad():
        logits = predict_tiled(lambda tile: net(tile.to(device)).cpu(), image, side=SIDE, margin=MARGIN)
    return logits[1] > logits[0]


# %% tags=["experiment"]
import pandas as pd
from skimage import feature
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def filter_bank(image: np.ndarray) -> np.ndarray:
    """Intensity, edges and texture at five scales: (H, W) to (H, W, features)."""
    return feature.multiscale_basic_features(image, sigma_min=0.5, sigma_max=8)


def baseline(images, labels, seed: int):
    """Fit logistic regression on the filter bank's answer at 2000 pixels an image, as many of cells as of background."""
    rng, x, y = np.random.default_rng(seed), [], []
    for image, label in zip(images, labels):
        features = filter_bank(image)
        for is_cell in (False, True):
            where = np.flatnonzero((label > 0).ravel() == is_cell)
            if not len(where):  # an image without cells, or full of them
                continue
            x.append(features.reshape(label.size, -1)[rng.choice(where, 1000)])
            y.append(np.full(1000, is_cell))
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(np.concatenate(x), np.concatenate(y))


results, seam = [], []
for seed in effects.seeds():
    images, labels, test_images, test_labels = cohort(seed)
    recipes = {"flat": (0.0, 16), "ridged": (10.0, 16), "unbent": (10.0, 0)}
    nets = {
        name: train(images, labels, w0=w0, bent_copies=copies, seed=seed, name=f"seed {seed}, {name}")
        for name, (w0, copies) in recipes.items()
    }
    outcome = {name: score([segment(net, image) for image in test_images], test_labels) for name, net in nets.items()}
    classic = baseline(images, labels, seed)
    pixels = [filter_bank(image) for image in test_images]
    masks = [classic.predict(p.reshape(-1, p.shape[-1])).reshape(p.shape[:2]) for p in pixels]
    outcome["filter bank"] = score(masks, test_labels)
    results.append(outcome)

    # The whole image at once, mirrored by the margin and up to a side that the network takes.
    net, image = nets["ridged"].cpu(), test_images[0][:84, :84]
    with torch.no_grad():
        whole = net(torch.as_tensor(sampling.mirror(image, MARGIN)[None, None], dtype=torch.float32))[0].numpy()
        tiled = predict_tiled(net, image, side=28, margin=MARGIN)
    seam.append(float(np.abs(whole - tiled).max()))

pd.DataFrame({name: pd.DataFrame([o[name] for o in results]).mean() for name in results[0]}).T.round(3)


# %% tags=["experiment"]
def gain(measure: str, better: str, than: str) -> list[float]:
    """The difference of two networks, seed by seed."""
    return [outcome[better][measure] - outcome[than][measure] for outcome in results]


touching = any(label.max() > 1 for label in test_labels)
table = effects.report(
    [
        effects.measure(
            UNIT,
            "Merged cells an image, w0 = 10 minus w0 = 0, below 0",
            gain("merges", "ridged", "flat") if touching else None,
            paper=PAPER,
            paper_figure="said, not measured",
            below=0.0,
        ),
        effects.measure(
            UNIT,
            "F1 of whole cells, w0 = 10 minus w0 = 0, above 0",
            gain("f1", "ridged", "flat") if touching else None,
            paper=PAPER,
            paper_figure="said, not measured",
            above=0.0,
        ),
        effects.measure(
            UNIT,
            "IoU of pixels, w0 = 10 minus w0 = 0, within 0.02 of 0",
            gain("iou", "ridged", "flat") if touching else None,
            paper=PAPER,
            paper_figure="none given",
            above=-0.02,
            below=0.02,
        ),
        effects.measure(
            UNIT,
            f"Dice with {N_TRAIN} images, bent minus unbent, above 0",
            gain("dice", "ridged", "unbent"),
            paper=PAPER,
            paper_figure="said, not measured",
            above=0.0,
        ),
        effects.measure(
            UNIT,
            "Largest difference of logits, tiled minus whole, below 1e-4",
            seam,
            paper=PAPER,
            paper_figure="seamless (figure 2)",
            below=1e-4,
        ),
        effects.measure(
            UNIT,
            "Dice, U-Net minus filter bank with logistic regression, above 0",
            gain("dice", "ridged", "filter bank"),
            paper=PAPER,
            paper_figure="not compared",
            above=0.0,
        ),
    ]
)
table

# %% [markdown]
# **Before you read on:** an interval that holds 0 does not say that there is no effect. It says that five short runs
# cannot tell. The course ran the same cells with 1500 steps instead of 200:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>

# %% tags=["experiment"]
figure, axes = plots.panels(1, 4, width_inches=3.2, height_inches=3.4)
shown = int(np.argmax([label.max() for label in test_labels]))
plots.overlay(test_images[shown], test_labels[shown], "Truth", ax=axes[0, 0])
for ax, (name, net) in zip(axes[0, 1:], nets.items()):
    objects = metrics.label_objects(segment(net, test_images[shown]), min_size_px=20)
    plots.overlay(test_images[shown], objects, f"{name}: {objects.max()} objects", ax=ax)
plots.describe(
    figure,
    "One test image: true outlines, and the objects that each of the three networks drew. Where no line parts two true cells, they were merged.",
)

# %% [markdown]
# Look at the outlines: where one outline runs round two true cells, they were merged. (Colours repeat; only neighbours
# differ.) Where did the ridged network cut, and where did it cut a cell in two?
#
# ## Questions in words
#
# **Question 1.** A colleague trains with $w_0 = 0$ and writes: "IoU and pixel accuracy are as good as with the weight map, so I left it
# out. We use the network to count cells in a drug assay." Answer in at most 150 words, with numbers of your own run: is the
# argument sound, which measure would you ask for, and what could happen to the assay?
# Your run may show no difference: then say what it can prove and what not.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_count", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# The argument is not sound. A border between two touching cells is a line one or two pixels wide, perhaps three percent of the
# image. A network can miss all of them and lose almost nothing in IoU or accuracy, while every missed line turns
# two cells into one. The measure must match the use: for counting, ask for the F1 of whole cells, merges and splits, or
# the error of the count, by dish and not by pixel. Merging grows with density. A drug that thins out the cells reduces merging
# too, so the count falls less than the cells do, and the effect is underestimated: an error with a direction, not
# just noise.
#
# === BEGIN MARK SCHEME ===
# 1 point: says that few pixels lie on borders, so that IoU or accuracy hardly sees them, with a number of the own run.
# 1 point: asks for a measure of objects (F1 of cells, merges, error of the count).
# 1 point: says that the error is a bias that depends on density (or an equally concrete harm to the assay).
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** Bent cells are still cells. Name one kind of medical image, or one task, where bending as
# in exercise 4 would teach the network something false, and say why. Name another augmentation that would be safe there.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_bending", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# Where shape is the finding. In a chest radiograph the heart counts as enlarged from the ratio of its width to that of the chest;
# bending changes that ratio but not the label. Scoliosis, a deviated septum or the caliber of a stenosis are the
# same. Safe there: small changes of brightness and contrast, noise, or a small shift of the whole picture.
#
# === BEGIN MARK SCHEME ===
# 1 point: an image or task where geometry itself carries the label, with the reason.
# 1 point: an augmentation that leaves that geometry alone.
# === END MARK SCHEME ===

# %% [markdown]
# ## On real recordings
#
# The same cells of this notebook run on real images. Download a set of the Cell Tracking Challenge, or point to a
# folder of images and masks of your own:
#
# ```
# medcourse data get DIC-C2DH-HeLa
# medcourse effects 10_unet --data FOLDER
# ```
#
# **Reference.** O. Ronneberger, P. Fischer, T. Brox: *U-Net: Convolutional Networks for Biomedical Image
# Segmentation*. MICCAI 2015, LNCS 9351, 234-241.
# [doi:10.1007/978-3-319-24574-4_28](https://doi.org/10.1007/978-3-319-24574-4_28)
