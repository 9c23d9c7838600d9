# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # U-Net: every pixel, few images
#
# Unit 10, after Ronneberger, Fischer and Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation*,
# MICCAI 2015. (The lecture's slide says 2016; the paper is of 2015.)
#
# **After this lesson you can**
#
# - explain why counting cells is harder than colouring them;
# - read the U: what each arrow does, and why the output is smaller than the input;
# - say what the weight map, the bent images and the overlapping tiles are for, and how much each of them gave here;
# - run the same thing with MONAI;
# - name the ways in which such a network goes wrong in a laboratory.
#
# **Time:** about 50 minutes, and 120 for the lab. **Before this:** convolution, ReLU and pooling; a little PyTorch.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import torch
from torch.nn import functional

from medcourse import datasets, losses, metrics, models, plots, sampling, training

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: one cell or two?
#
# A cell culture is looked at every ten minutes for three days. How many cells divide, how many die, how far do they
# crawl? To answer, somebody must outline every cell in every picture: 400 pictures, 20 cells each. No one does
# that twice.
#
# The pictures are hard. Living cells are glass-clear. *Differential interference contrast* (DIC) makes them
# visible by showing how steeply the light's path changes, so that a cell looks like a relief lit from one side.
# Where two cells touch, there is hardly a line.
#
# All cells of this page are **simulated**: `make_cells` grows outlines, gives each cell a thickness, and sends light
# through it. So the truth is known to the pixel.

# %%
dish = datasets.make_cells(16, seed=1)
truth = datasets.separate_cells(dish.labels)
picture, picture_labels, picture_truth = dish.images[3], dish.labels[3], truth[3]  # a crowded one

figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=4.8)
plots.show_image(picture, "What the microscope sees (simulated DIC)", spacing_um=dish.spacing_um, ax=axes[0, 0])
plots.overlay(picture, picture_truth, f"What an expert would draw: {picture_labels.max()} cells", ax=axes[0, 1])
plots.describe(
    figure,
    "Left: grey relief of crowded cells, borders hardly visible. Right: the same with a coloured outline a cell.",
)

# %% [markdown]
# **Predict.** Suppose a program calls every pixel of every cell *cell*, and all else *background*. It makes no
# mistake at all. It only does not say which cell is which. How many cells would it count?

# %%
mask = picture_labels > 0
perfect_pixels = metrics.label_objects(mask, min_size_px=20)
match = metrics.match_objects(picture_labels, perfect_pixels)
print(
    f"pixels right: 100 %    true cells: {match.n_true}    objects drawn: {match.n_predicted}    merged: {match.merges}"
)

figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=4.8)
plots.overlay(picture, picture_labels, f"Truth: {match.n_true} cells", spacing_um=dish.spacing_um, ax=axes[0, 0])
plots.overlay(picture, perfect_pixels, f"Every pixel right: {match.n_predicted} objects", ax=axes[0, 1])
plots.describe(
    figure,
    "Left: each cell in its own colour. Right: a mask with every pixel right, in which chains of touching cells are one object.",
)

# %% [markdown]
# Every single pixel is right, and the count is wrong. *Cell or not* is the wrong question where cells touch. The
# authors changed the truth: they put a thin line of background between touching cells, and asked the network to find
# that line, too. `separate_cells` did this above.
#
# ## The idea: a U
#
# In 2012 the best way was to show a network a small patch, ask *what is its middle pixel?*, and move on by one
# pixel. That is slow, since neighbouring patches are almost the same.
#
# And it forces a choice. Large patches need much pooling and lose the place; small patches keep the place and see no
# context.
#
# U-Net does both at once. The left arm *contracts*: convolve twice, pool, double the number of maps. Each step sees a wider
# neighbourhood at a coarser grid. The right arm *expands*: it doubles the grid again, and at each level takes over the maps that
# the left arm had there. Context comes from below, place from the left.

# %%
plots.draw_unet(572, base=64, depth=4)

# %% [markdown]
# This is the paper's figure 1, drawn from its numbers. Two things are worth a second look.
#
# **The output is smaller.** The convolutions are not padded. A pixel at the border lacks neighbours, so it is left
# out instead of being computed from zeros that nobody recorded. Of 572 pixels, 388 are left: 92 are lost at each side.
#
# **It is large.** Count the weights yourself:

# %%
paper_net = models.UNet(base=64, depth=4)
n_weights = sum(parameter.numel() for parameter in paper_net.parameters())
n_layers = sum(isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d) for module in paper_net.modules())
print(f"{n_weights:,} weights in {n_layers} convolutional layers; {paper_net.margin} pixels lost at each side")
del paper_net

# %% [markdown]
# 31 million weights, and the authors had 30 images. Keep that in mind for later.
#
# Play with the depth. Each pooling more than doubles the rim, since the network looks that much further.


# %%
def draw_context(depth: int):
    """Show how much of an image a network needs (outer frame) to answer for its inner part."""
    margin = models.UNet(base=1, depth=depth).margin
    image = np.pad(picture, 100, mode="reflect")
    figure, axes = plots.panels(1, 1, width_inches=4.2, height_inches=4.4)
    plots.show_image(image, f"poolings: {depth}, context: {margin} px at each side", ax=axes[0, 0])
    for rim, colour, style in ((0, "#ffd92f", "-"), (margin, "#56b4e9", "--")):
        low, high = 100 - rim - 0.5, 100 + 128 + rim - 0.5
        axes[0, 0].plot([low, high, high, low, low], [low, low, high, high, low], color=colour, ls=style, lw=2)
    return plots.describe(
        figure,
        f"The answer covers the inner square of 128 pixels; with poolings: {depth}, the input is {2 * margin} pixels wider.",
    )


plots.demo(draw_context, depth=(1, 4, 2), static=[{"depth": d} for d in (1, 2, 3, 4)])

# %% [markdown]
# Outside of the yellow square there is no image: it was mirrored. That is how the paper gets an answer up to
# the border.
#
# **Question 1.** A network without padding and with two poolings turns 124 pixels into 84. You add two more 3 x 3
# convolutions at the very start, before the first pooling, and none on the right arm. What comes out of 124 now?
#
# <details><summary>84: the output size is set by the pooling</summary>
#
# No. Pooling halves, up-convolution doubles, and both cancel. What is lost is lost by the convolutions.
#
# </details>
# <details><summary>80</summary>
#
# Yes. The two take 4 pixels. Before the first pooling there are now 116 instead of 120, still even, and 58 come out.
# The second pooling meets 54, even too. Nothing else changes, so 4 pixels fewer come out.
#
# </details>
# <details><summary>76</summary>
#
# You counted the two convolutions on both arms. They were put into the left arm only.
#
# </details>
#
# ## The border that counts
#
# The line between touching cells takes about three percent of these pixels. A network that never draws it is still
# right on 97 of 100. So the authors made these pixels expensive: the loss of each pixel is multiplied by
#
# $$ w = w_c + w_0 \exp\left(-\frac{(d_1 + d_2)^2}{2\sigma^2}\right), $$
#
# where $d_1$ is the distance to the nearest cell, $d_2$ that to the second nearest, and $w_c$ balances both classes.
# Move the sliders. **Before you do:** what happens to the ridges when $\sigma$ grows to the size of a cell?


# %%
def draw_weights(w0: float, sigma_px: float):
    """Draw the weight map of the first image."""
    weights = losses.border_weights(picture_truth, w0=w0, sigma_px=sigma_px)
    return plots.show_map(
        weights,
        f"w0 = {w0:g}, sigma = {sigma_px:g} px",
        unit="weight",
        limits=(0, 12),
        spacing_um=dish.spacing_um,
        alt=f"Weight map for w0 = {w0:g} and sigma = {sigma_px:g} px; largest weight {weights.max():.1f}.",
    )


plots.demo(
    draw_weights,
    w0=(0, 14, 10),
    sigma_px=(1, 20, 5),
    static=[{"w0": 0}, {"sigma_px": 2}, {"sigma_px": 5}, {"sigma_px": 20}],
)

# %% [markdown]
# With $\sigma$ = 1 there is nothing to see: across a gap of 2 pixels $d_1 + d_2$ is at least 3, and the exponential
# is almost 0. With 2 the gaps are bright, with 5 also the rims of the cells beside them. With 20, about the size of a
# cell, everything near two cells is bright, and the map says little.
#
# **Question 2.** Where is the second term of $w$ large?
#
# <details><summary>At the edge of every cell</summary>
#
# No. At the edge of a lonely cell $d_1$ is 0, but the second nearest cell is far, so $d_1 + d_2$ is large and the term
# vanishes.
#
# </details>
# <details><summary>In narrow gaps, and just inside the cells beside them</summary>
#
# Yes. Inside a cell $d_1 = 0$, and close to the gap $d_2$ is small too.
#
# </details>
# <details><summary>In the middle of large cells</summary>
#
# No. There $d_1 = 0$, but the next cell is at least half a cell away.
#
# </details>
#
# ## Many from few
#
# A cell that is bent a little is still a cell. So the authors bent their training images: draw a displacement for
# each of 3 x 3 points, interpolate smoothly between them, and bend image and truth by the same field. What comes
# from outside is mirrored.


# %%
def draw_bent(bend_px: float):
    """Bend the first image, its truth and a grid drawn on it."""
    coarse = sampling.elastic_grid(np.random.default_rng(3), sigma_px=bend_px)
    image, labels = sampling.elastic_deform(picture, picture_truth, coarse)
    lines = np.where((np.indices(picture_truth.shape) % 16 == 0).any(0), 1.0, 0.25)
    figure, axes = plots.panels(1, 2, width_inches=3.6, height_inches=3.8)
    plots.overlay(image, labels, f"bent by {bend_px:g} px", spacing_um=dish.spacing_um, ax=axes[0, 0])
    plots.show_image(sampling.elastic_deform(lines, picture_truth, coarse)[0], "a grid, bent alike", ax=axes[0, 1])
    return plots.describe(
        figure, f"Cells and a square grid after bending with a standard deviation of {bend_px:g} pixels."
    )


plots.demo(draw_bent, bend_px=(0.0, 20.0, 4.0), static=[{"bend_px": 0.0}, {"bend_px": 4.0}, {"bend_px": 16.0}])

# %% [markdown]
# The paper bent by 10 pixels, on cells about 80 pixels wide. Ours are about 25 pixels wide, so we take 4. At 16 some
# fields fold the image over itself. Such a picture shows no cell that could live.
#
# ## Train it
#
# A small U-Net, for a laptop: 8 maps instead of 64, two poolings instead of four. It learns from 16 images that are
# cropped at random and not bent, with Adam in place of the paper's gradient descent. The lab adds the bending.

# %%
SIDE = 84
net = models.UNet(base=8, depth=2)


def standardise(image: np.ndarray) -> np.ndarray:
    """Remove the mean and the contrast of an image, which depend on lamp and camera."""
    return (image - image.mean()) / image.std()


def make_batch(images, labels, margin):
    """Return a function that cuts random training samples: input, true class and weight of each pixel."""
    rng = np.random.default_rng(0)
    weights = [losses.border_weights(label) for label in labels]

    def batch(step: int):
        picked = rng.integers(len(images), size=4)
        crops = [
            sampling.random_crop(rng, standardise(images[i]), labels[i] > 0, weights[i], side=SIDE, margin=margin)
            for i in picked
        ]
        image, target, weight = (torch.as_tensor(np.stack(arrays)) for arrays in zip(*crops))
        return image[:, None].float(), target.long(), weight  # (B, 1, H, W), (B, H', W'), (B, H', W')

    return batch


history = training.fit(
    net,
    make_batch(dish.images, truth, net.margin),
    losses.weighted_cross_entropy,
    steps=400,
    lr=3e-3,
    live=True,
    label="U-Net",
)
net = net.cpu()
print(f"{len(history.loss)} steps in {history.seconds:.0f} s")

# %% [markdown]
# What did it learn to look at? Here are the first layer's kernels, each 3 x 3 pixels. Red beside blue answers to a
# change of brightness in that direction. Do you find one? Most are harder to read: do not read a story into nine
# numbers.

# %%
plots.show_kernels(net.contract[0][0].weight)

# %% [markdown]
# And what does it say of cells that it has never seen?

# %%
test = datasets.make_cells(8, seed=2)


def segment(image: np.ndarray) -> np.ndarray:
    """Number the cells of an image of any size."""
    logits = sampling.predict_tiled(net, standardise(image), side=SIDE, margin=net.margin)  # (2, H, W)
    return metrics.label_objects(logits[1] > logits[0], min_size_px=20)


def judge(images, labels) -> dict[str, float]:
    """Mean over images: overlap of pixels, F1 of whole cells, merged cells."""
    drawn = [segment(image) for image in images]
    matches = [metrics.match_objects(label, objects) for label, objects in zip(labels, drawn)]
    return {
        "IoU of pixels": np.mean([metrics.iou(label > 0, objects > 0) for label, objects in zip(labels, drawn)]),
        "F1 of cells": np.mean([match.f1 for match in matches]),
        "merged cells an image": np.mean([match.merges for match in matches]),
    }


test_truth = datasets.separate_cells(test.labels)
print({name: round(float(value), 2) for name, value in judge(test.images, test_truth).items()})

figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=4.8)
plots.overlay(
    test.images[0], test_truth[0], f"Truth: {test.labels[0].max()} cells", spacing_um=test.spacing_um, ax=axes[0, 0]
)
objects = segment(test.images[0])
plots.overlay(test.images[0], objects, f"U-Net: {objects.max()} objects", ax=axes[0, 1])
plots.describe(
    figure, "Left: true outlines of a test image. Right: what the network drew; some neighbours are still one object."
)

# %% [markdown]
# Look at the merged ones. Often most of the line is drawn, and a bridge of a few pixels joins two cells. Few pixels,
# one cell less.
#
# ## Tiles without seams
#
# A whole dish does not fit into a graphics card. Because U-Net never pads, it can be cut: each tile of output gets all the
# input that it needs from the tile's neighbourhood. Now give the *same weights* to a network that pads with zeros at every layer,
# and cut in the same way.
#
# **Predict:** where will the two differ from a prediction of the whole image?

# %%
image = standardise(test.images[0])[:112, :112]
padded = models.UNet(base=8, depth=2, padding="same")
padded.load_state_dict(net.state_dict())

with torch.no_grad():
    mirrored = torch.as_tensor(sampling.mirror(image, net.margin), dtype=torch.float32)[None, None]
    whole_unpadded = net(mirrored)[0, 1].numpy()
    whole_padded = padded(torch.as_tensor(image, dtype=torch.float32)[None, None])[0, 1].numpy()
tiled_unpadded = sampling.predict_tiled(net, image, side=28, margin=net.margin)[1]
tiled_padded = sampling.predict_tiled(padded, image, side=28, margin=0)[1]

figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=4.6)
for ax, name, tiled, whole in (
    (axes[0, 0], "No padding", tiled_unpadded, whole_unpadded),
    (axes[0, 1], "Zeros padded at each layer", tiled_padded, whole_padded),
):
    difference = np.abs(tiled - whole)
    plots.show_map(
        difference, f"{name}: at most {difference.max():.2g}", unit="|tiled - whole|, logits", limits=(0, 5), ax=ax
    )
plots.describe(
    figure,
    "Difference of tiled and whole predictions. Without padding none; with padding a grid of errors along the seams.",
)

# %% [markdown]
# Without padding the tiles fit to rounding error. With it, each tile invents a frame of zeros around itself at every
# layer, and errs along it. (These weights never saw such a frame; a network trained with padding has met it.)
#
# Many segmentation programs pad, and hide the seams by letting tiles overlap and averaging. That is convenient, but
# not exact.
#
# ## What the paper found, and what we find
#
# | data | measure | U-Net | second best |
# |---|---|---|---|
# | EM stacks, 30 images | warping error (lower is better) | 0.000353 | 0.000420 |
# | PhC-U373 | IoU (higher is better) | 0.92 | 0.83 |
# | DIC-HeLa | IoU (higher is better) | 0.775 | 0.46 |
#
# These are the paper's numbers. It won by a wide margin on cells. But it did not measure what each trick gave by itself. The lab
# does, on simulated cells, five times over:
#
# {{effects}}
#
# Read the table with care. *Not shown* means that these five runs cannot tell. It does not mean that the authors
# were wrong, nor that the trick helps a little. The cells are simulated, the network is small, and so is the training.
#
# ## In practice: MONAI
#
# Nobody writes a U-Net for each project. MONAI has the network, the sliding window and hundreds of transforms.
#
# Its `sliding_window_inference` takes a smaller output for a coarser picture of the whole window. Ours is its middle.
# So we put a frame of zeros around it, and let windows overlap by more than that frame. Zeros are averaged in, which
# shrinks the logits, but does not change which of the two is larger. Do not read such logits as probabilities.

# %%
from monai.inferers import sliding_window_inference
from monai.networks.nets import UNet as MonaiUNet

window = SIDE + 2 * net.margin


def framed(batch: torch.Tensor) -> torch.Tensor:
    """Map windows to logits of the same size, with zeros where the network says nothing."""
    return functional.pad(net(batch), [net.margin] * 4)


image = standardise(test.images[0])
with torch.no_grad():
    mirrored = torch.as_tensor(sampling.mirror(image, net.margin), dtype=torch.float32)[None, None]
    by_monai = sliding_window_inference(mirrored, window, sw_batch_size=4, predictor=framed, overlap=0.5)[0]
inner = slice(net.margin, -net.margin)
mask_monai = (by_monai[1] > by_monai[0]).numpy()[inner, inner]
ours = sampling.predict_tiled(net, image, side=SIDE, margin=net.margin)
print(
    f"masks of MONAI's sliding window and of our tiles agree at {100 * np.mean(mask_monai == (ours[1] > ours[0])):.2f} % of pixels"
)

# %% [markdown]
# Now MONAI's own U-Net. It pads, uses strides for pooling, normalises each map, and has a third of our weights here.
# **Predict:** is its Dice higher or lower?

# %%
monai_net = MonaiUNet(spatial_dims=2, in_channels=1, out_channels=2, channels=(8, 16, 32), strides=(2, 2))
training.fit(
    monai_net,
    make_batch(dish.images, truth, 0),
    losses.weighted_cross_entropy,
    steps=400,
    lr=3e-3,
    label="MONAI's U-Net",
)
monai_net = monai_net.cpu()
with torch.no_grad():
    logits = monai_net(torch.as_tensor(np.stack([standardise(i) for i in test.images]), dtype=torch.float32)[:, None])
masks = [metrics.label_objects(mask, min_size_px=20) > 0 for mask in (logits[:, 1] > logits[:, 0]).numpy()]
for name, predicted in (("ours", [segment(i) > 0 for i in test.images]), ("MONAI's", masks)):
    print(f"{name}: mean Dice {np.mean([metrics.dice(t > 0, m) for t, m in zip(test_truth, predicted)]):.3f}")

# %% [markdown]
# One run, two different networks: this compares a recipe with a recipe, not two libraries.
#
# ## Where it fails
#
# **Another microscope.** The network has learned how *this* microscope shows a border. Show it the very same cells in phase
# contrast, where bodies are dark and edges shine:

# %%
figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=4.8)
for ax, modality, name in (
    (axes[0, 0], "dic", "DIC, as in training"),
    (axes[0, 1], "phase_contrast", "Phase contrast"),
):
    cells = datasets.make_cells(8, seed=2, modality=modality)
    dice = np.mean([metrics.dice(t > 0, segment(i) > 0) for i, t in zip(cells.images, test_truth)])
    plots.overlay(cells.images[0], segment(cells.images[0]), f"{name}: mean Dice {dice:.2f}", ax=ax)
everything = np.mean([metrics.dice(t > 0, np.ones(t.shape, bool)) for t in test_truth])
print(f"calling every pixel a cell: mean Dice {everything:.2f}")
plots.describe(
    figure, "The same simulated cells under two microscopes with the network's outlines; on phase contrast it fails."
)

# %% [markdown]
# Nothing warned us: the network draws something in any picture. And the Dice may even sound fair, until one knows what
# a trivial answer gets, which calls *every* pixel a cell. Hospitals meet the same with another scanner, another
# stain, another protocol.
#
# **A count that errs with the density.** The network was trained at one density. Let us count in sparser and in more crowded
# dishes. **Predict:** too many, or too few?

# %%
for density in (600, 1600, 2800):
    cells = datasets.make_cells(6, seed=5, cells_per_mm2=density)
    true = np.mean([label.max() for label in cells.labels])
    found = np.mean([segment(image).max() for image in cells.images])
    print(f"{density:5d} per mm²: {true:5.1f} cells an image, counted {found:5.1f} ({found / true - 1:+.0%})")

# %% [markdown]
# Where cells crowd, neighbours merge, and the count is too low. Where they are few, it is too high: the network
# invents some in the empty ground. Dust is a part of that. Another is our own doing: `standardise` divides by the
# contrast of *each* image. A sparse image has little, so noise and dust are enlarged until they look like cells.
#
# More pictures do not help. The error is the same in every dish of that density, so averaging keeps it.
#
# **The truth is an opinion.** Here outlines are exact. In real data experts differ, most of all at thin, faint borders: just the
# pixels that the weight map makes ten times as important. A network trained so repeats the habits of one annotator.
#
# **Leakage.** Frames of one film are almost alike. Split them at random into training and test, and the test measures
# memory. Split by dish, by donor, by patient.
#
# **Question 3.** Your U-Net reaches IoU 0.92 on the test frames of three films; you trained on other frames of the same films. What
# do you know about a fourth film?
#
# <details><summary>IoU will be about 0.92, since the test frames were not in training</summary>
#
# No. Frames ten minutes apart show the same cells at almost the same place. They were in training, but for a little
# movement.
#
# </details>
# <details><summary>Little; the split should have been by film</summary>
#
# Yes. Train on two films, test on the third, and do so in turn. With three films the answer has a wide interval, and that is
# the honest state of knowledge.
#
# </details>
# <details><summary>IoU will be below 0.5, as for another microscope</summary>
#
# Not for that reason. The fourth film may well look alike. You do not know, and that is the point.
#
# </details>
#
# ## Take-aways
#
# - The measure must match the use: pixels for areas, objects for counts.
# - U-Net brings context from below and place from the left. Its tricks are plausible; measure them on your own data.
# - A weight map says which mistakes are expensive. It is a place for knowledge about the use.
# - Unpadded convolutions make tiles exact; padding buys convenience with seams.
# - A segmentation network never says *I do not know this kind of picture*.
#
# Now build it yourself, in the lab of this unit.
#
# ## References
#
# - O. Ronneberger, P. Fischer, T. Brox. U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015, LNCS 9351,
#   234-241. [doi:10.1007/978-3-319-24574-4_28](https://doi.org/10.1007/978-3-319-24574-4_28),
#   [arXiv:1505.04597](https://arxiv.org/abs/1505.04597)
# - V. Ulman et al. An objective comparison of cell-tracking algorithms. Nature Methods 14, 2017.
#   [doi:10.1038/nmeth.4473](https://doi.org/10.1038/nmeth.4473): where PhC-U373 and DIC-HeLa can be had.
# - K. He et al. Delving Deep into Rectifiers. ICCV 2015.
#   [doi:10.1109/ICCV.2015.123](https://doi.org/10.1109/ICCV.2015.123): the initialisation.
# - M. J. Cardoso et al. MONAI: An open-source framework for deep learning in healthcare. 2022.
#   [doi:10.48550/arXiv.2211.02701](https://doi.org/10.48550/arXiv.2211.02701)
