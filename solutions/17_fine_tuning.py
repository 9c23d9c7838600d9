# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 17: how deep should one fine-tune?
#
# You have scans of a few dozen patients, and a network that has learnt to see elsewhere. Train only its last layer? All of
# it? Or start from nothing? Tajbakhsh and colleagues asked this layer by layer in 2016, Shin and colleagues for
# lymph nodes in the chest. In this lab you build what both needed, and measure the answer where you can trust it: on other patients.
#
# **You will be able to**
#
# - show Hounsfield units to a network that expects red, green and blue;
# - fit a network to smaller pictures and other channels without losing a weight;
# - carry weights over by name and shape, and start the last layer anew;
# - freeze down to a depth, and let each layer learn at its own rate;
# - compare training sets of growing size that hold each other, patient by patient;
# - choose a depth without looking at the test.
#
# **Time:** about 100 minutes. **Before this:** the lesson *How much of a network to train again?*, and lab 16.
#
# **Cost:** {{cost}}
#
# The chests are **simulated**. What you write runs on real scans, too; the last section says how.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

import numpy as np
import torch

from medcourse import effects, models, plots, testing
from medcourse.models import node_patches, transfer
from medcourse.testing import close

testing.begin_lab(seed=17)
plots.use_style()

# %% [markdown]
# The data: around each mark of a first program, as in unit 6, an axial patch of 32 x 32 pixels, 48 mm wide, in Hounsfield units (HU). Label 1: an
# enlarged lymph node, with a short axis of at least 10 mm. Label 0: something else.

# %% tags=["picture"] picture="marks"
patches = node_patches.load_node_patches()
shown = [np.flatnonzero(patches.labels == k)[n] for k in (1, 0) for n in (0, 11, 22, 33)]
figure, axes = plots.panels(2, 4, width_inches=2.0, height_inches=2.2)
for ax, n in zip(axes.ravel(), shown):
    title = "enlarged node" if patches.labels[n] else "something else"
    plots.show_image(patches.hu[n], title, limits=(-160, 240), spacing_mm=patches.spacing_mm, ax=ax)
plots.describe(
    figure,
    "Eight simulated patches of CT in a soft tissue window. Above, four enlarged nodes: grey ovals in darker fat, some beside bright "
    "vessels. Below, four other marks: three small vessels in the black lung, and the seam between two large bright ones.",
)

# %% [markdown]
# ## Exercise 1: three windows for three colours
#
# A network that was trained on colours reads three channels in [0, 1]. A CT has one channel, from about -1000 (air) to over 1000 (bone).
# Shin and colleagues put three *windows* of the same slice in place of red, green and blue. A window with level $l$ and width $w$ maps
#
# $$ g(h) = \min\left(1, \max\left(0, \frac{h - (l - w/2)}{w}\right)\right). $$
#
# **Predict first:** the level is 40 HU, the width 400. Which grey has fat at -100 HU, and which has a node at 40 HU?


# %% nbgrader={"grade": false, "grade_id": "windows_to_rgb", "locked": false, "schema_version": 3, "solution": true, "task": false}
def windows_to_rgb(hu: np.ndarray, windows: list) -> np.ndarray:
    """Put windows of CT into the channels of a picture.

    Parameters
    ----------
    hu : (..., H, W) array
        Hounsfield units, floats or integers.
    windows : list of (level, width)
        In HU, one for each channel.

    Returns
    -------
    (..., C, H, W) array of float
        In [0, 1], a channel for each window, in their order.
    """
    ### BEGIN SOLUTION
    channels = [(hu - (level - width / 2)) / width for level, width in windows]
    return np.stack(channels, axis=-3).clip(0, 1)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# Write one window first. `np.clip` cuts off, `np.stack(..., axis=-3)` puts a new axis before rows and columns, whatever comes
# before these.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "windows_to_rgb_grey", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One window: its ends are black and white, its level is the middle grey.
hu = np.array([[-1000.0, -160.0, 40.0], [140.0, 240.0, 900.0]])
close(
    windows_to_rgb(hu, [(40, 400)]),
    np.array([[[0.0, 0.0, 0.5], [0.75, 1.0, 1.0]]]),
    "the window of level 40 and width 400, for -1000, -160, 40, 140, 240 and 900 HU",
    "a window begins half a width below its level; beyond its ends the grey stays",
)
### BEGIN HIDDEN TESTS
hu = testing.hidden_rng("windows_to_rgb_grey").uniform(-1200, 1500, (7, 5))
for level, width in [(-600, 1500), (50, 350), (300, 15)]:
    close(
        windows_to_rgb(hu, [(level, width)])[0],
        np.interp(hu, [level - width / 2, level + width / 2], [0, 1]),
        f"the window of level {level} and width {width}",
        "is the width the whole width?",
    )
close(
    windows_to_rgb(np.array([[31.0, 34.0], [40.0, 46.0]]), [(40, 15)])[0],
    np.array([[0, 0.1], [0.5, 0.9]]),
    "the window of level 40 and width 15",
    "half of 15 is 7.5",
)
whole = np.array([[-200, -60, 40, 140]])
close(windows_to_rgb(whole, [(40, 400)])[0], np.array([[0.0, 0.25, 0.5, 0.75]]), "whole numbers of HU")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "windows_to_rgb_channels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Three windows: channels come before rows and columns, after everything else.
stack = np.arange(-500.0, 700.0, 50.0).reshape(4, 2, 3)  # 4 patches of 2 x 3
three = windows_to_rgb(stack, [(-600, 1500), (40, 400), (150, 300)])
close(tuple(np.shape(three)), (4, 3, 2, 3), "the shape for 4 patches of 2 x 3 pixels and three windows")
### BEGIN HIDDEN TESTS
for channel, (level, width) in enumerate([(-600, 1500), (40, 400), (150, 300)]):
    close(
        np.asarray(three)[:, channel],
        np.interp(stack, [level - width / 2, level + width / 2], [0, 1]),
        f"channel {channel} of four patches",
        "channels in the order of the windows",
    )
close(
    windows_to_rgb(np.full((1, 1), 100.0), [(150, 300), (-600, 1500), (40, 400)]),
    np.array([1 / 3, 29 / 30, 0.65]).reshape(3, 1, 1),
    "100 HU in three windows, the highest first",
    "channels in the order of the windows",
)
five = windows_to_rgb(np.zeros((2, 3, 4, 6)), [(0, 100)] * 5)
close(tuple(np.shape(five)), (2, 3, 5, 4, 6), "the shape for an array (2, 3, 4, 6) and five windows")
_, after = testing.inout(windows_to_rgb, stack, [(40, 400)])
close(after[0], stack, "the scan after the call", "work on a copy")
### END HIDDEN TESTS

# %% tags=["picture"] picture="windows"
WINDOWS = [(-600, 1500), (40, 400), (150, 300)]  # lung, soft tissue, blood with contrast agent
example = windows_to_rgb(patches.hu[shown[0]], WINDOWS)
plots.show_images(
    [*example, example.transpose(1, 2, 0)],
    ["lung", "soft tissue", "contrast agent", "as a colour picture"],
    limits=(0, 1),
    spacing_mm=patches.spacing_mm,
    panel_inches=2.1,
    alt="A simulated patch in three windows, and the three as red, green and blue of one picture.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: the same patch in a lung window, in a soft tissue window and in one for contrast agent, and all three as a colour picture](attachment:windows.png)
#
# </details>
# <details><summary>What you predicted</summary>
#
# The window reaches from -160 to 240 HU. Fat at -100 HU gets 60 / 400 = 0.15, nearly black; a node at 40 HU gets the middle grey.
#
# </details>
#
# ## Exercise 2: a smaller picture
#
# The source network was trained on pictures of 64 x 64 pixels. Its first convolution has a stride of 2, and three times a pooling halves the
# side: 64, 32, 16, 8, 4. The fully connected layer fc6 reads the last maps of 4 x 4. Our patches have 32 pixels, and would end at 2 x 2: the
# weights of fc6 no longer fit.
#
# Stride and poolings have no weights. So they can be changed. Both papers did this: smaller strides, fewer poolings. With padding, a
# stride or a pooling of 2 leaves half of a side $n$, rounded up:
#
# $$ n' = \lceil n / 2 \rceil, \qquad \text{with a stride of } s: \; n' = \lceil n / s \rceil. $$
#
# Keep as many poolings as you can, from the first on, as long as the last maps are not smaller than `grid`.


# %% nbgrader={"grade": false, "grade_id": "keep_pools", "locked": false, "schema_version": 3, "solution": true, "task": false}
def keep_pools(side_px: int, stride: int, pools: list, grid: int = 4) -> tuple:
    """Say which poolings a network can keep on a smaller picture.

    Parameters
    ----------
    side_px : int
        Side of the picture.
    stride : int
        Of the first convolution.
    pools : list of str
        The convolutions after which the side is halved, from the first to the last.
    grid : int
        The last maps must have at least this side.

    Returns
    -------
    tuple of (list of str, int)
        The poolings that stay: the first of `pools`, none left out in between. And the side of the last maps.

    Raises
    ------
    ValueError
        The maps are smaller than `grid` even without any pooling.
    """
    ### BEGIN SOLUTION
    side = math.ceil(side_px / stride)
    if side < grid:
        raise ValueError(f"a side of {side_px} px and a stride of {stride} leave {side}, less than {grid}")
    kept = []
    for pool in pools:
        if math.ceil(side / 2) < grid:
            break
        side = math.ceil(side / 2)
        kept.append(pool)
    return kept, side
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# First the side after the stride. Then go through the poolings: what would the side be after this one? `-(-n // 2)` and `math.ceil(n / 2)` both round up.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "keep_pools_fit", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# 64 pixels keep all three, 32 pixels lose the last.
POOLS = ["conv1", "conv2", "conv5"]
close(keep_pools(64, 2, POOLS), (POOLS, 4), "the poolings for 64 pixels and a stride of 2")
close(
    keep_pools(32, 2, POOLS),
    (["conv1", "conv2"], 4),
    "the poolings for 32 pixels and a stride of 2",
    "32 becomes 16, 8, 4, and with the third 2",
)
### BEGIN HIDDEN TESTS
close(keep_pools(32, 1, POOLS), (POOLS, 4), "the poolings for 32 pixels and a stride of 1", "is the stride used?")
close(keep_pools(16, 2, POOLS), (["conv1"], 4), "the poolings for 16 pixels and a stride of 2")
close(keep_pools(128, 2, POOLS), (POOLS, 8), "the poolings for 128 pixels", "there are no more poolings than given")
close(
    keep_pools(224, 4, ["a", "b", "c", "d"], 7), (["a", "b", "c"], 7), "four poolings for 224 pixels, stride 4, grid 7"
)
close(keep_pools(64, 4, POOLS, grid=2), (POOLS, 2), "the poolings for 64 pixels, stride 4, grid 2", "is grid used?")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "keep_pools_odd", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Odd sides are rounded up.
POOLS = ["conv1", "conv2", "conv5"]
close(keep_pools(65, 2, POOLS), (POOLS, 5), "the poolings for 65 pixels and a stride of 2", "65 becomes 33, 17, 9, 5")
### BEGIN HIDDEN TESTS
close(
    keep_pools(28, 2, POOLS),
    (["conv1", "conv2"], 4),
    "the poolings for 28 pixels: 14, 7, 4",
    "round up, at each pooling",
)
close(keep_pools(50, 3, POOLS, 5), (["conv1", "conv2"], 5), "the poolings for 50 pixels, stride 3, grid 5: 17, 9, 5")
close(keep_pools(7, 2, POOLS), ([], 4), "the poolings for 7 pixels: 4 are left after the stride")
for side, stride, grid in ((3, 1, 4), (7, 3, 4), (6, 1, 7)):
    try:
        keep_pools(side, stride, POOLS, grid)
        outcome = "no error"
    except ValueError:
        outcome = "a ValueError"
    close(
        outcome,
        "a ValueError",
        f"what comes of {side} pixels, a stride of {stride} and a grid of {grid}",
        "the maps are too small even without pooling: say so",
    )
_, after = testing.inout(keep_pools, 32, 2, POOLS)
close(after[2], POOLS, "the list of poolings after the call", "work on a copy")
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: carry the weights over
#
# The new network has names and shapes of weights; so has the old one. For each name of the **new** one:
#
# | the weight | what it gets |
# |---|---|
# | belongs to the new last layer | stays as it is, even if the shapes agree: its classes are others |
# | same name and shape in the old network | the old one's |
# | a convolution's (four axes), which differs in its input channels only | the old one's, spread over the channels |
# | anything else | stays as it is |
#
# *Spread:* with $c$ old channels and $c'$ new ones,
#
# $$ W'_{o,j} = \frac{1}{c'} \sum_{i=1}^{c} W_{o,i}, \qquad j = 1 \dots c', $$
#
# so that a grey picture, the same in all channels, gets the same answer from both.
#
# **Predict first:** from three channels to one: is that the mean of the three filters, or their sum?


# %% nbgrader={"grade": false, "grade_id": "transplant", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transplant(old: dict, new: dict, fresh: str = "fc8") -> dict:
    """Carry weights from one network to another.

    Parameters
    ----------
    old, new : dict from str to tensor
        Weights by name, such as "conv1.weight", (outputs, inputs, rows, columns), or "fc8.bias", (outputs,).
    fresh : str
        The layer that starts anew: its weights are called `fresh` + ".weight" and `fresh` + ".bias".

    Returns
    -------
    dict from str to tensor
        With the names and shapes of `new`, in its order. Both arguments stay as they are.
    """
    ### BEGIN SOLUTION
    carried = {}
    for name, value in new.items():
        source = old.get(name)
        if source is None or name.split(".")[0] == fresh:
            carried[name] = value
        elif source.shape == value.shape:
            carried[name] = source
        elif value.ndim == 4 and source.shape[:1] + source.shape[2:] == value.shape[:1] + value.shape[2:]:
            carried[name] = source.sum(dim=1, keepdim=True).expand_as(value) / value.shape[1]
        else:
            carried[name] = value
    return carried
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `shape[:1] + shape[2:]` is a shape without its second axis, the input channels. `sum(dim=1, keepdim=True)` keeps the axis, so that
# `expand_as` can repeat it.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "transplant_same", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Same name, same shape: the old weights. A name of the old network alone plays no part.
old = {"conv1.weight": torch.ones(2, 3, 5, 5), "fc6.bias": torch.arange(4.0), "fc9.bias": torch.ones(1)}
new = {"conv1.weight": torch.zeros(2, 3, 5, 5), "fc6.bias": torch.zeros(4)}
close(
    transplant(old, new),
    {"conv1.weight": old["conv1.weight"], "fc6.bias": old["fc6.bias"]},
    "the weights of conv1 and fc6",
    "names of the new network, values of the old one",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("transplant_same")
names = ["conv1.weight", "conv1.bias", "conv2.weight", "fc6.weight"]
shapes = [(4, 3, 3, 3), (4,), (5, 4, 2, 2), (6, 7)]
old, other = ({n: torch.as_tensor(rng.normal(size=s)) for n, s in zip(names, shapes)} for _ in range(2))
new = {"head.bias": torch.full((3,), 7.0), **other, "fc7.weight": torch.full((2, 6), 5.0)}
_, (before, after, *_) = testing.inout(transplant, old, new)
close([before, after], [old, new], "both arguments after the call", "make a new dictionary")
carried = transplant(old, new)
close(list(carried), list(new), "the names of the result", "those of the new network, in its order")
close(
    carried,
    {**new, **old},
    "weights of six layers, four of which both networks have",
    "what only the new one has stays",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "transplant_fresh", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The last layer has other classes: it starts anew.
old = {"fc7.bias": torch.ones(3), "fc8.weight": torch.ones(50, 3), "fc8.bias": torch.ones(50)}
new = {"fc7.bias": torch.zeros(3), "fc8.weight": torch.zeros(2, 3), "fc8.bias": torch.zeros(2)}
close(
    transplant(old, new),
    {"fc7.bias": torch.ones(3), "fc8.weight": torch.zeros(2, 3), "fc8.bias": torch.zeros(2)},
    "the weights of fc7 and of fc8, which has 50 classes in the old network and 2 in the new one",
)
### BEGIN HIDDEN TESTS
new = {"fc7.bias": torch.zeros(3), "fc8.weight": torch.zeros(50, 3), "fc8.bias": torch.zeros(50)}
close(
    transplant(old, dict(new))["fc8.weight"],
    torch.zeros(50, 3),
    "the weights of fc8, with 50 classes in both networks",
    "other classes, even if there are as many",
)
close(transplant(old, dict(new))["fc8.bias"], torch.zeros(50), "the biases of fc8, with 50 classes in both networks")
close(
    transplant(old, dict(new), fresh="fc7"),
    {"fc7.bias": torch.zeros(3), "fc8.weight": torch.ones(50, 3), "fc8.bias": torch.ones(50)},
    "the weights where fc7 starts anew",
    "is fresh used?",
)
old, new = (
    {"fc80.bias": torch.ones(2), "fc8.bias": torch.ones(2)},
    {"fc80.bias": torch.zeros(2), "fc8.bias": torch.zeros(2)},
)
close(
    transplant(old, dict(new)),
    {"fc80.bias": torch.ones(2), "fc8.bias": torch.zeros(2)},
    "the biases of layers fc80 and fc8",
    "fc80 is another layer than fc8",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "transplant_channels", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# From three channels to one.
old = {"conv1.weight": torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1)}
close(
    transplant(old, {"conv1.weight": torch.zeros(1, 1, 1, 1)})["conv1.weight"],
    torch.tensor([[[[9.0]]]]),
    "the filter (1, 2, 6) of three channels, for one channel",
    "a grey picture, the same in all channels, must get the same answer",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("transplant_channels")
filters = torch.as_tensor(rng.normal(size=(4, 3, 5, 5)))
picture = torch.as_tensor(rng.normal(size=(2, 1, 9, 9)))
answer = torch.nn.functional.conv2d(picture.expand(2, 3, 9, 9), filters)
for channels in (1, 2, 5):
    start = torch.zeros(4, channels, 5, 5, dtype=torch.float64)
    name = f"conv{channels}.weight"  # whatever the convolution is called
    carried = torch.as_tensor(transplant({name: filters}, {name: start})[name])
    close(tuple(carried.shape), (4, channels, 5, 5), f"the shape of filters for {channels} channels")
    close(
        torch.nn.functional.conv2d(picture.expand(2, channels, 9, 9), carried),
        answer,
        f"what a grey picture gets through {channels} channels",
        "all channels together must weigh as much as before",
    )
    close(carried[:, 0], carried[:, channels - 1], f"the first and the last of {channels} channels", "all are alike")
for name, before, after in [
    ("conv2.weight", (4, 3, 5, 5), (4, 1, 3, 3)),
    ("conv2.weight", (4, 3, 5, 5), (6, 1, 5, 5)),
    ("fc6.weight", (4, 3), (4, 1)),
    ("fc6.weight", (5, 3, 2), (5, 1, 2)),
    ("conv2.weight", (4, 3, 5, 5), (4, 1, 5, 3)),
    ("conv2.weight", (4, 3, 5, 5), (4, 1, 3, 5)),
    ("conv2.weight", (4, 3), (4, 3, 1, 1)),
    ("conv2.weight", (4, 5, 5), (4, 1, 5, 5)),
]:
    kept = transplant({name: torch.ones(before)}, {name: torch.zeros(after)})[name]
    close(
        kept, torch.zeros(after), f"{name} of shape {after} where the old one has {before}", "what does not fit stays"
    )
### END HIDDEN TESTS

# %% tags=["picture"] picture="filters"
source = models.load_source()
grey = transplant(source.state_dict(), models.SourceNet(2, in_channels=1).state_dict())["conv1.weight"]
plots.show_kernels(
    grey.reshape(4, 6, 7, 7),
    "conv1 of the source network, for one channel",
    alt="The 24 filters of 7 x 7 of the first layer after they were spread from three channels to one: a few edges and spots, much grain.",
)

# %% [markdown]
# These filters have seen fractals, textures and shapes, and no patient. A few are edges or spots; others look like grain, for their training was
# short.
#
# <details><summary>Expected picture</summary>
#
# ![Expected: twenty-four filters of seven by seven weights, some of them edges or spots, others grain](attachment:filters.png)
#
# </details>
# <details><summary>What you predicted: mean or sum?</summary>
#
# The sum. A grey picture in three channels is counted three times. With the mean of the filters, all that follows would see a third of the contrast
# it was trained for.
#
# </details>
#
# ## Exercise 4: a learning rate for each layer
#
# Freezing a layer means a learning rate of 0. *Tune from conv4* means: conv1 to conv3 are frozen, conv4 and all above it learn. The last
# layer is new and has the longest way to go, so it learns faster. With $\eta$ = 0.001 and a factor of 10 these are the rates of Tajbakhsh, and for
# $f$ = conv1 about the recipe of Shin: all but the last layer at a tenth of its rate.
#
# $$ \eta_k = \begin{cases} 0 & k \text{ before } f \\ \eta & f \text{ or after it} \\ 10\,\eta & k \text{ is the last} \end{cases} $$


# %% nbgrader={"grade": false, "grade_id": "layer_rates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layer_rates(layers: list, first: str, rate: float, factor: float = 10.0) -> dict:
    """Give each layer its learning rate.

    Parameters
    ----------
    layers : list of str
        From the picture to the answer; at least one.
    first : str
        The first layer that learns, one of `layers`.
    rate : float
        Learning rate of the layers that are tuned.
    factor : float
        How many times as fast the last layer learns. It always does, whatever is frozen.

    Returns
    -------
    dict from str to float
        A rate for each layer, in the order of `layers`; 0 for a frozen one.

    Raises
    ------
    ValueError
        There is no layer of that name.
    """
    ### BEGIN SOLUTION
    start = layers.index(first)
    rates = {name: 0.0 if k < start else rate for k, name in enumerate(layers)}
    rates[layers[-1]] = factor * rate
    return rates
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `layers.index(first)` is the place of a name in a list, and raises the right error by itself.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "layer_rates_depth", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Frozen below, tuned above.
close(
    layer_rates(["conv1", "conv2", "fc3", "fc4"], "conv2", 0.001),
    {"conv1": 0.0, "conv2": 0.001, "fc3": 0.001, "fc4": 0.01},
    "the rates of four layers, tuned from conv2",
    "the first layer that learns is the one that is named",
)
### BEGIN HIDDEN TESTS
layers = list(transfer.LAYERS)
for place, first in enumerate(layers):
    expected = [0.0] * place + [0.002] * (7 - place) + [0.002 * 5]
    rates = layer_rates(layers, first, 0.002, 5.0)
    close(list(rates), layers, f"the names, tuned from {first}", "one rate for each layer, in their order")
    close(list(rates.values()), expected, f"the rates of eight layers, tuned from {first}", "frozen, tuned, last")
backwards = layer_rates(layers[::-1], "conv3", 0.5, 2.0)
close(
    backwards,
    dict(zip(layers[::-1], [0.0] * 5 + [0.5, 0.5, 1.0])),
    "the rates where layers come in another order",
    "the order is that of the list, not of the alphabet",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "layer_rates_last", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The new layer always learns, and faster.
close(
    layer_rates(["conv1", "fc2", "fc3"], "fc3", 0.001),
    {"conv1": 0.0, "fc2": 0.0, "fc3": 0.01},
    "the rates where only the last layer learns",
)
close(layer_rates(["fc1"], "fc1", 0.1, 3.0), {"fc1": 0.3}, "the rate of a network of one layer")
### BEGIN HIDDEN TESTS
close(layer_rates(["a", "b"], "a", 0.01, 1.0), {"a": 0.01, "b": 0.01}, "the rates with a factor of 1")
try:
    layer_rates(["conv1", "fc2"], "conv9", 0.001)
    outcome = "no error"
except ValueError:
    outcome = "a ValueError"
close(outcome, "a ValueError", "what comes of a layer that is not there", "a misspelt name must not freeze everything")
names = ["conv1", "fc2", "fc3"]
_, after = testing.inout(layer_rates, names, "fc2", 0.001)
close(after[0], names, "the list of layers after the call", "work on a copy")
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5: training sets that hold each other
#
# What if there were fewer patients? To draw that curve, train on a quarter of them, on half, on all. Two rules make it fair:
#
# - **By patient.** All patches of a patient are in, or none. Half of the *patches* would still show nearly all patients.
# - **Nested.** The quarter lies within the half, the half within the whole. Otherwise the curve also shows whose scans were easy.
#
# From one random order of the $P$ patients take the first $\max(1, \mathrm{round}(f P))$ for a fraction $f$.


# %% nbgrader={"grade": false, "grade_id": "nested_sets", "locked": false, "schema_version": 3, "solution": true, "task": false}
def nested_sets(patients: np.ndarray, fractions: list, seed: int) -> list:
    """Draw training sets of several sizes, each within all larger ones.

    Parameters
    ----------
    patients : (N,) array of int
        Whose patch it is; any numbers, in any order.
    fractions : list of float
        Of the patients, each in (0, 1], in any order.
    seed : int
        For `np.random.default_rng(seed)`.

    Returns
    -------
    list of (N,) arrays of bool
        For each fraction, in the order given, which patches are in.
    """
    ### BEGIN SOLUTION
    order = np.random.default_rng(seed).permutation(np.unique(patients))
    counts = [max(1, round(fraction * len(order))) for fraction in fractions]
    return [np.isin(patients, order[:count]) for count in counts]
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.unique` lists the patients. Put them in one random order, once, before you look at the fractions. `np.isin(patients, some)` is
# True where a patch belongs to one of them.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "nested_sets_patients", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Whole patients, as many as the fraction says.
patients = np.array([4, 4, 9, 9, 9, 9, 9, 2, 7, 7])
half, whole = (np.asarray(rows) for rows in nested_sets(patients, [0.5, 1.0], seed=0))
close(whole, np.ones(10, bool), "the rows for a fraction of 1")
close(len(set(patients[half])), 2, "the number of patients in half of four", "count patients, not patches")
close(half, np.isin(patients, patients[half]), "the rows of half of the patients", "all patches of a patient, or none")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("nested_sets_patients")
patients = rng.permutation(np.repeat(rng.permutation(500)[:21], rng.integers(1, 12, 21)))
for fraction, count in [(0.25, 5), (0.29, 6), (0.75, 16), (0.01, 1), (0.99, 21)]:
    (rows,) = nested_sets(patients, [fraction], seed=3)
    rows = np.asarray(rows)
    close(len(set(patients[rows])), count, f"the number of patients in {fraction:g} of 21", "round, and at least one")
    close(
        rows, np.isin(patients, patients[rows]), f"the rows of {fraction:g} of 21 patients", "a patient is not divided"
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "nested_sets_nested", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Each set within the larger ones; the seed decides who comes first.
patients = np.repeat(np.arange(40), 3)
sets = [np.asarray(rows) for rows in nested_sets(patients, [0.5, 0.1, 0.8], seed=1)]
close(
    [int(rows.sum()) for rows in sets],
    [60, 12, 96],
    "the numbers of rows for 0.5, 0.1 and 0.8 of 40 patients",
    "in the order given",
)
close(np.mean(sets[0][sets[1]]), 1.0, "the share of the tenth that lies within the half", "one order for all sizes")
### BEGIN HIDDEN TESTS
close(np.mean(sets[2][sets[0]]), 1.0, "the share of the half that lies within eight tenths", "one order for all sizes")
again = nested_sets(patients, [0.5, 0.1, 0.8], seed=1)
close([np.asarray(rows) for rows in again], sets, "the same seed twice", "use the seed, and no other source of chance")
close(
    np.asarray(nested_sets(patients, [0.1], seed=1)[0]),
    sets[1],
    "a tenth asked for alone",
    "the other sizes play no part",
)
halves = np.array([nested_sets(np.arange(6), [0.5], seed=s)[0] for s in range(40)], float)  # (40, 6)
close(
    halves.mean(axis=0),
    np.full(6, 0.5),
    "how often each of 6 patients is in a half, over 40 seeds",
    "each as often: does the seed decide the order?",
    atol=0.3,
)
# Of the 20 halves of a ring of six, 6 change sides twice, 2 six times, the others four times.
changes = np.abs(halves - np.roll(halves, 1, axis=1)).sum(axis=1).mean()
close(
    changes,
    3.6,
    "how often neighbours of a ring of 6 patients are not together, over 40 seeds",
    "a random order",
    atol=0.8,
)
_, after = testing.inout(nested_sets, patients[::-1].copy(), [0.5], 0)
close(after[0], patients[::-1], "the patients after the call", "work on a copy")
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6: choose the depth without the test
#
# Now depths are compared. It is tempting to take the depth with the best *test* score. But the best of several scores is also the
# luckiest. The honest way: take the depth with the best score on **validation** patients, then read its test score, once.
#
# For repetition $s$ with validation scores $v_{sd}$ and test scores $t_{sd}$ at depths $d$:
#
# $$ d_s = \arg\max_d v_{sd}, \qquad \text{honest} = \tfrac{1}{S} \sum_s t_{s d_s}, $$
#
# $$ \text{optimism} = \tfrac{1}{S} \sum_s \max_d t_{sd} - \text{honest}. $$
#
# Among equal validation scores take the shallowest depth: it has the fewest weights to train.
#
# **Predict first:** can the optimism be negative?


# %% nbgrader={"grade": false, "grade_id": "choose_depth", "locked": false, "schema_version": 3, "solution": true, "task": false}
def choose_depth(validation: np.ndarray, test: np.ndarray) -> tuple:
    """Choose a depth in each repetition by validation, and say what peeking at the test would have added.

    Parameters
    ----------
    validation, test : (S, D) arrays
        Scores of S repetitions at D depths, from the shallowest to the deepest; higher is better.

    Returns
    -------
    tuple of ((S,) array of int, float, float)
        The chosen depths, the honest score, the optimism.
    """
    ### BEGIN SOLUTION
    chosen = validation.argmax(axis=1)
    honest = test[np.arange(len(test)), chosen].mean()
    return chosen, float(honest), float(test.max(axis=1).mean() - honest)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `argmax` takes the first of equal values. To read one column in each row, index with two lists: the rows' numbers and the columns'.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "choose_depth_honest", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two repetitions, three depths.
validation = np.array([[0.70, 0.90, 0.80], [0.60, 0.65, 0.75]])
test = np.array([[0.72, 0.80, 0.86], [0.70, 0.74, 0.70]])
chosen, honest, optimism = choose_depth(validation, test)
close(chosen, np.array([1, 2]), "the chosen depths", "by validation, in each repetition")
close(honest, 0.75, "the honest score, of 0.80 and 0.70")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("choose_depth_honest")
validation, test = rng.random((9, 5)), rng.random((9, 5))
chosen, honest, _ = choose_depth(validation, test)
close(chosen, [int(np.argmax(row)) for row in validation] + np.zeros(9, int), "the chosen depths of nine repetitions")
close(honest, np.mean([test[s, np.argmax(validation[s])] for s in range(9)]), "the honest score of nine repetitions")
tied = choose_depth(np.array([[0.5, 0.8, 0.8]]), np.array([[0.1, 0.2, 0.9]]))
close(
    tied[0],
    np.array([1]),
    "the chosen depth where two are equally good",
    "the shallowest: not the one that tests better",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "choose_depth_optimism", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# What peeking would have added: 0.86 and 0.74 instead of 0.80 and 0.70.
close(
    choose_depth(
        np.array([[0.70, 0.90, 0.80], [0.60, 0.65, 0.75]]), np.array([[0.72, 0.80, 0.86], [0.70, 0.74, 0.70]])
    )[2],
    0.05,
    "the optimism of two repetitions",
    "the best of each repetition, not of the mean over repetitions",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("choose_depth_optimism")
validation, test = rng.random((7, 4)), rng.random((7, 4))
best = np.mean([max(row) for row in test])
close(
    choose_depth(validation, test)[2],
    best - np.mean([row[np.argmax(v)] for row, v in zip(test, validation)]),
    "the optimism of seven repetitions",
)
close(choose_depth(test, test)[2], 0.0, "the optimism where validation and test agree")
close(choose_depth(np.array([[0.9]]), np.array([[0.2]]))[2], 0.0, "the optimism of a single depth")
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What you predicted: negative optimism</summary>
#
# It cannot be: the honest choice is one of the depths, and no depth beats the best. It is zero only where you happened to choose the best in every repetition.
#
# </details>
#
# ## How deep, and how many patients?
#
# Everything is yours: windows, fit, transplant, rates, nested sets and the honest choice. For each seed the patients are divided anew: half for
# training, a sixth for validation, a third for the test. A network is trained with SGD and momentum 0.9; its weights are kept at the moment
# with the best AUC on the validation patients, as Tajbakhsh did.
#
# The opponents:
#
# - **from nothing**: the same network with random weights, all layers at one rate, which suits it best;
# - **one window**: a network for one channel, with the filters that you spread, on the soft tissue window alone;
# - **hand-made**: mean and spread of the grey values in four rings, and logistic regression. No network at all.
#
# The claims of both papers, as inequalities:
#
# 1. *Last layer only is not enough:* the AUC tuned from conv4 is above that of the last layer alone (Tajbakhsh).
# 2. *Borrowed weights beat random ones:* tuned from conv4, or from conv1, above from nothing (Tajbakhsh, Shin).
# 3. *The fewer patients, the more they help:* fine-tuned minus from nothing is larger with a quarter of the patients than with all (Tajbakhsh).
# 4. *Borrowed weights save steps:* after 60 steps, on the validation patients, fine-tuned is above from nothing.
# 5. *Off the shelf is last:* from nothing above the last layer alone (Shin).
# 6. *Three windows beat one.* Shin did this for diseases of the lung, whose cues lie in several ranges of HU. For nodes it is open.
#
# **Predict first:** which of the six will simulated nodes and a network that has only seen formulas show?

# %% tags=["experiment"]
import copy

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from medcourse import datasets
from medcourse.errors import CourseError

UNIT = "17_fine_tuning"
# The notebook's run is short, so that you can repeat it; `medcourse effects` trains five times as long.
STEPS, CHECKS = (300, 15) if effects.thorough() else (60, 4)
# Each the best of three rates on validation patients of other divisions of the same sixty patients: a test that is not quite clean.
RATE, RATE_OF_NEW, BATCH = 0.003, 0.01, 32
DEPTHS = ["fc8", "fc6", "conv4", "conv1"]  # tuned from here on
FRACTIONS = [0.1, 0.25, 1.0]
EARLY = 60  # steps after which both beginnings are compared on the validation patients
SOFT_TISSUE = [(40, 400)]
BOTH_AXES = (2, 3)


def read(folder):
    """Enlarged nodes only were outlined in the public collection, so that each counts."""
    return node_patches.gather_node_patches(datasets.read_lymph_nodes(folder, region="mediastinal"), enlarged_mm=0.0)


data = effects.source(node_patches.load_node_patches, read)
labels, everyone = torch.as_tensor(data.labels), np.unique(data.patients)
if len(everyone) < 12:
    raise CourseError(f"expected at least 12 patients, to train, choose and test on others each, got {len(everyone)}")


def as_pictures(windows: list) -> torch.Tensor:
    """All patches through windows, laid out as convolutions like it."""
    pictures = torch.as_tensor(np.asarray(windows_to_rgb(data.hu, windows), np.float32))
    return pictures.contiguous(memory_format=torch.channels_last)


three_windows, one_window = as_pictures(WINDOWS), as_pictures(SOFT_TISSUE)


def split(seed: int) -> list[np.ndarray]:
    """Rows of the training, the validation and the test patients."""
    order = np.random.default_rng(seed).permutation(everyone)
    ends = [len(order) // 2, len(order) * 2 // 3]
    return [np.flatnonzero(np.isin(data.patients, some)) for some in np.split(order, ends)]


def new_net(*, borrowed: bool, channels: int, seed: int):
    """A network for patches, with the source network's weights but for the last layer, or with random ones."""
    torch.manual_seed(seed)
    side = data.hu.shape[-1]
    pools, _ = keep_pools(side, 2, ["conv1", "conv2", "conv5"], transfer.GRID)
    net = models.SourceNet(2, in_channels=channels, side_px=side, pools=pools)
    if borrowed:
        net.load_state_dict(transplant(models.load_source().state_dict(), net.state_dict()))
    return net.to(memory_format=torch.channels_last)


@torch.no_grad()
def auc(net, pictures: torch.Tensor, rows: np.ndarray) -> float:
    net.eval()
    logits = net(pictures[rows])
    return float(roc_auc_score(data.labels[rows], (logits[:, 1] - logits[:, 0]).numpy()))


def draw(rng: np.random.Generator, pictures: torch.Tensor, rows: np.ndarray):
    """A batch with as many patches of either class, half of the batches mirrored along each axis."""
    chosen = np.concatenate([rng.choice(rows[data.labels[rows] == k], BATCH // 2) for k in (0, 1)])
    return pictures[chosen].flip([axis for axis in BOTH_AXES if rng.random() < 0.5]), labels[chosen]


# %% tags=["experiment"]
def train(first: str, train_rows, validation_rows, *, seed: int, borrowed: bool = True, pictures=three_windows):
    """Train from the layer `first` on; return the network as it was best on validation patients, and its AUCs there."""
    for rows in (train_rows, validation_rows):
        if len(set(data.labels[rows].tolist())) < 2:
            raise CourseError(
                "expected right and wrong marks among the patients to learn from, got one kind: add patients"
            )
    net = new_net(borrowed=borrowed, channels=pictures.shape[1], seed=seed)
    rates = layer_rates(list(transfer.LAYERS), first, RATE) if borrowed else dict.fromkeys(transfer.LAYERS, RATE_OF_NEW)
    groups = [{"params": getattr(net, name).parameters(), "lr": rate} for name, rate in rates.items() if rate > 0]
    for name, rate in rates.items():
        getattr(net, name).requires_grad_(rate > 0)  # what is frozen needs no gradient: cheaper
    optimiser = torch.optim.SGD(groups, momentum=0.9)
    rng, scores, kept = np.random.default_rng(seed), {}, None
    for step in range(1, STEPS + 1):
        net.train()
        x, y = draw(rng, pictures, train_rows)
        loss = functional.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % (STEPS // CHECKS) == 0:
            scores[step] = auc(net, pictures, validation_rows)
            if scores[step] == max(scores.values()):
                kept = copy.deepcopy(net.state_dict())
    net.load_state_dict(kept)
    return net.eval(), scores


def hand_made(hu: np.ndarray) -> np.ndarray:
    """Mean and spread in four rings around the mark: (N, 8)."""
    offset = (np.arange(hu.shape[-1]) - (hu.shape[-1] - 1) / 2) * node_patches.SIDE_MM / hu.shape[-1]
    radius, cut = np.hypot(offset[:, None], offset[None]), np.clip(hu, -160, 240)
    rings = [(radius >= a) & (radius < b) for a, b in ((0, 4), (4, 8), (8, 12), (12, 20))]
    return np.stack([f(cut[:, ring], axis=1) for ring in rings for f in (np.mean, np.std)], axis=1)


def regression(train_rows, test_rows) -> float:
    """AUC of logistic regression on the hand-made numbers."""
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    model.fit(hand_made(data.hu[train_rows]), data.labels[train_rows])
    return float(roc_auc_score(data.labels[test_rows], model.decision_function(hand_made(data.hu[test_rows]))))


results, peeks = [], []
for seed in effects.seeds():
    train_rows, validation_rows, test_rows = split(seed)
    outcome, validation = {}, {}
    for first in DEPTHS:
        net, scores = train(first, train_rows, validation_rows, seed=seed)
        validation[first] = max(scores.values())
        outcome[f"from {first}"] = auc(net, three_windows, test_rows)
    outcome["fine-tuned, early"] = scores[EARLY]
    peeks.append([list(validation.values()), [outcome[f"from {first}"] for first in DEPTHS]])
    net, _ = train("conv1", train_rows, validation_rows, seed=seed, pictures=one_window)
    outcome["one window"] = auc(net, one_window, test_rows)
    for fraction, within in zip(FRACTIONS, nested_sets(data.patients[train_rows], FRACTIONS, seed)):
        some, share = train_rows[np.asarray(within)], f"{fraction:.0%}"
        for name, borrowed in (("fine-tuned", True), ("from nothing", False)):
            if borrowed and fraction == 1:
                outcome[f"{name}, {share}"] = outcome["from conv1"]
                continue
            net, scores = train("conv1", some, validation_rows, seed=seed, borrowed=borrowed)
            outcome[f"{name}, {share}"] = auc(net, three_windows, test_rows)
        outcome[f"hand-made, {share}"] = regression(some, test_rows)
    outcome["from nothing, early"] = scores[EARLY]  # of the last fraction, which is all patients
    results.append(outcome)

table = pd.DataFrame(results)
pd.DataFrame({"mean AUC": table.mean(), "standard deviation": table.std()}).round(3)


# %% tags=["experiment"]
def gap(better: str, worse: str) -> np.ndarray:
    """The difference of two AUCs, seed by seed."""
    return (table[better] - table[worse]).to_numpy()


def gain(fraction: float) -> np.ndarray:
    """What borrowed weights add at a fraction of the patients."""
    return gap(f"fine-tuned, {fraction:.0%}", f"from nothing, {fraction:.0%}")


TAJBAKHSH, SHIN = "Tajbakhsh et al. 2016", "Shin et al. 2016"
ERRORS = "error {} um (lumen-intima)"
chosen, honest, optimism = choose_depth(*np.swapaxes(np.array(peeks), 0, 1))
honest_scores = [test[d] for d, (_, test) in zip(np.asarray(chosen), peeks)]
CLAIMS = [
    (TAJBAKHSH, "AUC, tuned from conv4 minus last layer only, above 0", gap("from conv4", "from fc8"), "error 25.0 against 101.0 um", 0.0),
    (TAJBAKHSH, "AUC, tuned from conv4 minus from nothing, above 0", gap("from conv4", "from nothing, 100%"), "error 25.0 against 28.1 um", 0.0),
    (TAJBAKHSH, "AUC, tuned from conv1 minus from nothing, above 0", gain(1.0), "error 24.7 against 28.1 um", 0.0),
    (TAJBAKHSH, "AUC, the same with a quarter of the patients, above 0", gain(0.25), "not quoted", 0.0),
    (TAJBAKHSH, "AUC, the same with a tenth of the patients, above 0", gain(0.1), "not quoted", 0.0),
    (TAJBAKHSH, "That gain, a quarter of the patients minus all, above 0", gain(0.25) - gain(1.0), "grows", 0.0),
    (TAJBAKHSH, "That gain, a tenth of the patients minus all, above 0", gain(0.1) - gain(1.0), "grows", 0.0),
    (SHIN, "AUC, tuned from conv1 minus from nothing, above -0.01", gain(1.0), "at least as good", -0.01),
    (TAJBAKHSH, "Validation AUC after 60 steps, tuned from conv1 minus from nothing, above 0", gap("fine-tuned, early", "from nothing, early"), "not quoted", 0.0),
    (SHIN, "AUC, from nothing minus last layer only, above 0", gap("from nothing, 100%", "from fc8"), "off-the-shelf features are last", 0.0),
    (SHIN, "AUC, three windows minus one, above 0", gap("from conv1", "one window"), "not compared", 0.0),
    (TAJBAKHSH, "AUC, honest depth minus hand-made, above 0", np.array(honest_scores) - table["hand-made, 100%"], "error 25.0 against 98.2 um", 0.0),
]  # fmt: skip
effects.report(
    [
        effects.measure(UNIT, claim, values, paper=paper, paper_figure=figure, above=bound)
        for paper, claim, values, figure, bound in CLAIMS
    ]
)

# %% [markdown]
# **Before you read on:** your run trained each network for a second or two. The course ran the same cells five times as long:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>
#
# What did you predict? In the long run the last layer alone is clearly last, as in both papers: features of fractals are no features of nodes
# until deeper layers may move. Tuning everything was chosen on the validation patients each time.
#
# But borrowed weights did not beat random ones. From nothing the network comes as far, with all of the thirty patients and with three of them; that the
# gain grows as patients get fewer is not shown either. Three reasons at least:
#
# - the source has half a million weights and never saw a photograph, where AlexNet has 61 million and saw over a million;
# - simulated nodes are easy, so that all come close to an AUC of 1 and leave little room;
# - 300 steps are enough for a network this small to start over.
#
# After 60 steps, as many as in your own short run, the borrowed network is ahead on average. But the seeds disagree so much that even this is not
# shown: a start from nothing is sometimes quick and sometimes stuck. How does your table look?
#
# Nor do three windows beat one: the first program has already thrown out bright vessels, the structures that a second window would have shown.
#
# All seeds share the same sixty simulated patients and divide them differently. So the intervals say what another division and other first weights
# would do, and too little about other patients.
#
# The same as pictures: how deep, and how many patients.

# %% tags=["experiment"]
figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=3.6)


def points(ax, x, columns: list, label: str, style: str) -> None:
    """Means with intervals of several columns of the table."""
    means, lows, highs = np.array([effects.interval(table[name].tolist()) for name in columns]).T
    ax.errorbar(x, means, [means - lows, highs - means], fmt=style, capsize=4, label=label)


ax = axes[0, 0]
ax.set_axis_on()
points(ax, range(len(DEPTHS)), [f"from {first}" for first in DEPTHS], "fine-tuned", "o-")
for name, dashes in (("from nothing, 100%", "--"), ("hand-made, 100%", ":")):
    ax.axhline(table[name].mean(), color="0.3", linestyle=dashes, label=name.split(",")[0])
ax.set_xticks(range(len(DEPTHS)), labels=DEPTHS)
ax.set(xlabel="first layer that learns", ylabel="test AUC, mean and 95 % interval", ylim=(0.5, 1.02))
ax.legend(loc="lower right", fontsize="small")
ax = axes[0, 1]
ax.set_axis_on()
counts = [round(fraction * (len(everyone) // 2)) for fraction in FRACTIONS]
for name, style, shift in (("fine-tuned", "o-", 0.95), ("from nothing", "s--", 1.0), ("hand-made", "^:", 1.05)):
    points(ax, np.array(counts) * shift, [f"{name}, {fraction:.0%}" for fraction in FRACTIONS], name, style)
ax.set(xscale="log", xlabel="training patients", ylabel="test AUC, mean and 95 % interval", ylim=(0.5, 1.02))
ax.set_xticks(counts, labels=[str(n) for n in counts])
ax.minorticks_off()
ax.legend(loc="lower center", fontsize="small")
plots.describe(
    figure,
    "Left: AUC over the first layer that learns, for fine-tuning; lines for the network from nothing and for hand-made numbers. "
    "Right: AUC of the three over the number of training patients. "
    + table.mean().round(2).to_string().replace("\n", "; "),
)

# %% tags=["experiment"]
print(f"depths chosen on validation patients: {', '.join(DEPTHS[d] for d in chosen)}")
print(f"AUC of the honest choice: {honest:.3f}; peeking at the test would have added {optimism:.3f}")

# %% [markdown]
# ## Questions in words
#
# **Question 1.** A hospital has 40 labelled scans from its one scanner, and a network that was trained on another hospital's CT. It will soon
# get a second scanner. Advise in at most 150 words: what to train again, what to try *before* any network, how to choose the
# depth, and what to check when the second scanner comes.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_hospital", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# Begin with the simplest opponent: a few hand-made numbers and logistic regression. In my run it came close to, or beat, several of the
# networks (numbers from the table), and it cannot learn 40 patients by heart. Then fine-tune. The source is CT too, so its early layers may stay; but the last
# layer alone was clearly worse here than deeper tuning, so try several depths. Choose among them on validation patients of my own, or by
# cross-validation over patients, and keep test patients that nobody looks at until the end. The second scanner shifts the input: kernel,
# slice thickness, contrast phase, HU calibration. So look at its pictures through the three windows, measure the AUC and the
# share of marks called positive on labelled scans from it, before it is used; tune again if it fell.
#
# === BEGIN MARK SCHEME ===
# 1 point: trains more than the last layer, from borrowed weights or with a stated reason from nothing, beside a simple baseline, with
# numbers of the own run.
# 1 point: chooses the depth on validation patients (or by cross-validation over patients), the test untouched.
# 1 point: names what shifts with a scanner (kernel, thickness, contrast, HU) and checks on labelled scans of it.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A paper compares eight depths on 25 test patients, and reports the best: "tuning from conv3 gives an AUC of 0.91".
# Explain in at most 100 words what is wrong, in which direction the number errs, and which of your functions shows by how much.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_peeking", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# The test patients chose the depth, so they are validation patients now. The best of eight noisy scores is partly the luckiest: with 25
# patients an AUC is uncertain by several hundredths, and 0.91 is too high on average. It is never too low for this reason. The optimism of `choose_depth` is the mean difference between
# the best test score and that of the depth which validation chose; in my run it was small (number), with few depths and more patients.
# Honest would be validation patients for the choice and a test that is read once.
#
# === BEGIN MARK SCHEME ===
# 1 point: the test was used for a choice, so the best score is biased upwards.
# 1 point: names the optimism of choose_depth, with the number of the own run, or says that it grows with more depths and fewer patients.
# === END MARK SCHEME ===

# %% [markdown]
# ## On real scans
#
# The same cells run on *CT Lymph Nodes* of The Cancer Imaging Archive (CC BY 3.0): DICOM scans and NIfTI masks,
# [doi:10.7937/K9/TCIA.2015.AQIIDCNM](https://doi.org/10.7937/K9/TCIA.2015.AQIIDCNM), in one folder, as in lab 6.
#
# ```
# medcourse effects 17_fine_tuning --data FOLDER
# ```
#
# It takes the mediastinal cases, at least twelve. The first program was made for simulated chests; on real ones it misses and marks more.
# AlexNet or GoogLeNet with weights of ImageNet, which have seen a million photographs, are in `models.load_imagenet`.
#
# **References.** N. Tajbakhsh, J. Y. Shin, S. R. Gurudu, R. T. Hurst, C. B. Kendall, M. B. Gotway, J. Liang: *Convolutional Neural Networks for
# Medical Image Analysis: Full Training or Fine Tuning?* IEEE Transactions on Medical Imaging 35(5):1299-1312, 2016.
# [doi:10.1109/TMI.2016.2535302](https://doi.org/10.1109/TMI.2016.2535302)
#
# H.-C. Shin, H. R. Roth, M. Gao, L. Lu, Z. Xu, I. Nogues, J. Yao, D. Mollura, R. M. Summers: *Deep Convolutional Neural Networks for Computer-Aided
# Detection: CNN Architectures, Dataset Characteristics and Transfer Learning.* IEEE Transactions on Medical Imaging 35(5):1285-1298, 2016.
# [doi:10.1109/TMI.2016.2528162](https://doi.org/10.1109/TMI.2016.2528162)
#
# H. Kataoka et al.: *Pre-training without Natural Images.* ACCV 2020. [doi:10.1007/978-3-030-69544-6_35](https://doi.org/10.1007/978-3-030-69544-6_35)
