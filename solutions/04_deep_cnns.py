# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 4: what depth costs, and what it needs
#
# A radiology department has CT scans of 60 patients, one workstation, and a question: is the round spot in this slice, the
# *candidate*, a nodule, or a vessel that crosses it? Should the network see one slice, three, or the whole volume? Will it fit into
# memory? Will 60 patients do? In this lab you answer before you train, then train and see who was right.
#
# **You will be able to**
#
# - count parameters, operations and memory of a convolutional network in 2D and in 3D, without running it;
# - say how much of an image one output of a network can see;
# - build an auto-encoder, and use its code where labels are few;
# - stop a training at the right moment;
# - measure what data, dimension, augmentation, dropout, batch norm and weight decay each change, over several seeds.
#
# **Time:** about 110 minutes. **Before this:** the lesson *What changed: deep CNNs*.
#
# **Cost:** {{cost}}
#
# The volumes are **simulated**: small pieces of chest CT with a nodule, or with a vessel that looks like one in a single slice. What
# you write runs on real volumes, too; the last section says how.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medcourse import datasets, effects, models, plots, testing
from medcourse.testing import close

testing.begin_lab(seed=4)
plots.use_style()

# %% [markdown]
# Look at three candidates, each in two slices: *axial*, across the body, and *coronal*, from head to foot as if the patient faced
# you. Values are Hounsfield units (HU): air is -1000, water 0, blood about 40. They are shown in a window
# for lungs: -1350 HU and below is black, 150 HU and above white.
#
# **Predict first:** which of the three would you call a nodule, from the upper row alone?

# %% tags=["picture"] picture="candidates"
LUNG_WINDOW = (-1350.0, 150.0)
shown = datasets.make_nodules(8, size=40, spacing_mm=(0.8, 0.8, 0.8), seed=4)
chosen = [shown.kinds.index(kind) for kind in ("solid", "vessel", "subsolid")]
figure, axes = plots.panels(2, 3, width_inches=2.6, height_inches=2.8)
for column, i in enumerate(chosen):
    z, y, _ = np.rint(shown.centres_mm[i] / 0.8).astype(int)
    volume, axial, coronal = shown.volumes[i], axes[0, column], axes[1, column]
    plots.show_image(volume[z], f"{'abc'[column]}: axial (simulated)", limits=LUNG_WINDOW, spacing_mm=0.8, ax=axial)
    plots.show_image(volume[::-1, y], "coronal", limits=LUNG_WINDOW, spacing_mm=0.8, ax=coronal)
plots.describe(
    figure,
    "Simulated CT of three candidates. Upper row, axial: three round spots, the third one hazy. Lower row, coronal: the first and the third are round again, the second is a long tube.",
)

# %% [markdown]
# <details><summary>Answer</summary>
#
# a and c are nodules. a is solid; c is *subsolid*: hazy, so that vessels are seen through it (radiologists say *ground glass*).
# b is a vessel: in the coronal slice it goes on and on. Of a and b, the axial slices alone leave nobody sure.
#
# </details>
#
# ## Exercise 1: what one convolution costs
#
# A convolution has $C_{in}$ channels in, $C_{out}$ out, and a kernel of $k$ voxels along each of $d$ axes. Along an axis of $n$
# voxels, with padding $p$ at both ends and stride $s$, it has
#
# $$ m = \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1 $$
#
# places to stand on. From these follow
#
# - *parameters*: one weight for each voxel of each kernel, and there is a kernel for each pair of channels; and one
#   bias for each channel that comes out;
# - *FLOPs* (floating-point operations): at each place each weight is used once: it is multiplied, and the product is added. A
#   multiplication and an addition are **two** operations. Biases are not counted, as PyTorch's own counter does not;
# - *values*: the numbers that come out, and must be kept for the way back.
#
# **Predict first:** a kernel of 3 x 3 becomes one of 3 x 3 x 3, an image of 64 x 64 a volume of 64 x 64 x 64, with padding 1. By
# what factor do weights grow, and by what factor FLOPs?
#
# <details><summary>Hint</summary>
#
# Compute $m$ first; everything else uses it. There are $m^d$ places. Where does $k$ carry the exponent $d$, and where
# does $m$?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "conv_cost", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_cost(
    inputs: int, outputs: int, kernel: int, side: int, dims: int, *, stride: int = 1, padding: int = 0
) -> dict[str, int]:
    """Count what one convolution costs for one sample.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    kernel, stride, padding : int
        In voxels, the same along all axes.
    side : int
        Voxels of the input along each axis.
    dims : int
        Number of axes: 2 for images, 3 for volumes.

    Returns
    -------
    dict
        "side" of the output in voxels, "parameters", "flops" and "values", all whole numbers.
    """
    ### BEGIN SOLUTION
    side = (side + 2 * padding - kernel) // stride + 1
    weights = inputs * outputs * kernel**dims
    return {
        "side": side,
        "parameters": weights + outputs,
        "flops": 2 * weights * side**dims,
        "values": outputs * side**dims,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "conv_cost_side", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The size of what comes out.
close(conv_cost(1, 8, 3, 28, 2)["side"], 26, "the side after a 3 x 3 kernel on 28 pixels without padding", rtol=0)
close(
    conv_cost(1, 8, 3, 9, 2, stride=2, padding=1)["side"],
    5,
    "the side after a 3 x 3 kernel on 9 pixels, stride 2, padding 1",
    "does the formula above give yours?",
    rtol=0,
)
### BEGIN HIDDEN TESTS
for kernel, side, stride, padding, expected in [
    (5, 28, 1, 2, 28),
    (3, 28, 2, 1, 14),
    (3, 27, 2, 0, 13),
    (2, 9, 2, 0, 4),
    (1, 6, 1, 0, 6),
    (7, 7, 3, 0, 1),
]:
    close(
        conv_cost(1, 4, kernel, side, 3, stride=stride, padding=padding)["side"],
        expected,
        f"the side after kernel {kernel}, stride {stride}, padding {padding} on {side} voxels",
        "padding stands at both ends; a place that the kernel would leave does not count",
        rtol=0,
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "conv_cost_parameters", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Parameters, which do not depend on the size of the image.
close(conv_cost(3, 4, 3, 16, 2)["parameters"], 112, "the parameters of 3 to 4 channels, kernel 3 x 3", rtol=0)
close(
    conv_cost(2, 3, 3, 9, 3)["parameters"],
    165,
    "the parameters of 2 to 3 channels in 3D, kernel 3 x 3 x 3",
    "how many voxels has this kernel?",
    rtol=0,
)
### BEGIN HIDDEN TESTS
for dims, layer_type in [(1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)]:
    for inputs, outputs, kernel in [(1, 8, 3), (5, 2, 5), (6, 6, 1)]:
        counted = sum(p.numel() for p in layer_type(inputs, outputs, kernel).parameters())
        close(
            conv_cost(inputs, outputs, kernel, 16, dims)["parameters"],
            counted,
            f"the parameters of {inputs} to {outputs} channels, kernel {kernel}, {dims} axes",
            "a kernel for each pair of channels, a bias for each channel that comes out",
            rtol=0,
        )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "conv_cost_flops", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# FLOPs, as PyTorch's counter gives them, which watches a network run: 55 296 for this layer.
close(
    conv_cost(3, 4, 3, 16, 2, padding=1)["flops"],
    55296,
    "the FLOPs of 3 to 4 channels, kernel 3 x 3, padding 1, on 16 x 16 pixels",
    "two operations for each weight at each place",
    rtol=0,
)
close(
    conv_cost(2, 3, 3, 9, 3, stride=2)["flops"],
    20736,
    "the FLOPs of 2 to 3 channels in 3D, kernel 3 x 3 x 3, stride 2, on 9 x 9 x 9 voxels",
    "how many voxels has the kernel, and at how many places does it stand along three axes?",
    rtol=0,
)
### BEGIN HIDDEN TESTS
for dims in (2, 3):
    for inputs, outputs, kernel, side, stride, padding in [
        (1, 8, 3, 12, 1, 1),
        (4, 2, 5, 12, 1, 0),
        (2, 6, 3, 11, 2, 1),
        (3, 3, 1, 7, 1, 0),
    ]:
        layer = {
            "kind": "conv",
            "inputs": inputs,
            "outputs": outputs,
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
        }
        close(
            conv_cost(inputs, outputs, kernel, side, dims, stride=stride, padding=padding)["flops"],
            models.cost.layer_costs([layer], in_channels=inputs, side=side, dims=dims)[0].flops,
            f"the FLOPs of {inputs} to {outputs} channels, kernel {kernel}, stride {stride}, padding {padding}, {side} voxels along {dims} axes",
            "the places are those of the output; biases do not count",
            rtol=0,
        )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "conv_cost_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The numbers that come out.
close(conv_cost(1, 8, 3, 10, 2, padding=1)["values"], 800, "the values of 8 maps of 10 x 10", rtol=0)
close(
    conv_cost(1, 2, 2, 6, 3, stride=2)["values"],
    54,
    "the values after a kernel of 2 x 2 x 2, stride 2, 1 to 2 channels, 6 x 6 x 6 voxels",
    "how many places are there along three axes?",
    rtol=0,
)
### BEGIN HIDDEN TESTS
for inputs, outputs, side, dims, expected in [(1, 8, 10, 3, 8 * 8**3), (6, 2, 5, 2, 18), (4, 4, 3, 3, 4)]:
    close(
        conv_cost(inputs, outputs, 3, side, dims)["values"],
        expected,
        f"the values after a kernel of 3, {inputs} to {outputs} channels, {side} voxels along {dims} axes",
        "channels that come out, times places",
        rtol=0,
    )
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Your prediction, and the answer</summary>
#
# Three times the weights. Each stands at 64 times as many places, so FLOPs grow 192 times: memory for *weights* is hardly ever
# what stops 3D.
#
# </details>
#
# ## Exercise 2: what a network costs
#
# A network is a list of layers, each a dict. `models.plain.plain_layers` writes such a list:

# %% nbgrader={"grade": false, "grade_id": "layers", "locked": true, "schema_version": 3, "solution": false, "task": false}
LAYERS = models.plain.plain_layers(in_channels=1, n_classes=2, width=8, depth=2)
for layer in LAYERS:
    print(layer)

# Some layers to try things on: a convolution of 3, one of 5 with stride 2, poolings of 2 and of 3, and an end.
C3 = {"kind": "conv", "inputs": 1, "outputs": 1, "kernel": 3, "stride": 1, "padding": 1}
C5S2 = {"kind": "conv", "inputs": 1, "outputs": 1, "kernel": 5, "stride": 2, "padding": 2}
P2 = {"kind": "pool", "kernel": 2, "stride": 2}
P3 = {"kind": "pool", "kernel": 3, "stride": 2}
END = [{"kind": "mean"}, {"kind": "linear", "inputs": 1, "outputs": 2}]

# %% [markdown]
# A "pool" takes the largest of `kernel` voxels along each axis, every `stride` voxels, without padding; it has no
# parameters and we count no FLOPs. "mean" averages each map to one number, and we count no FLOPs for it, either. "linear" has
# a weight for each pair of `inputs` and `outputs`, used once, and a bias for each output. Pool and mean keep the number of channels.
#
# How much memory does a step of training take? In float32 each number has 4 bytes. The optimiser Adam keeps, for each
# of the $P$ parameters, the weight, its gradient and two running means: 4 numbers. The way back needs the input and
# what each layer gave, $V$ values a sample, for all $B$ samples of the batch:
#
# $$ M = 4 \,(4 P + B V) \text{ bytes}. $$
#
# (Real programs need more: copies, workspace, the gradients of the values. It is a lower bound that tells the right
# order.)
#
# <details><summary>Hint</summary>
#
# Walk through the list with two variables, the channels and the side, and add up. After "mean" the side is 1. The
# input's own values are the first that you add.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "network_cost", "locked": false, "schema_version": 3, "solution": true, "task": false}
def network_cost(layers: list[dict], in_channels: int, side: int, dims: int, batch: int = 1) -> dict[str, int]:
    """Count what a network costs.

    Parameters
    ----------
    layers : list of dict
        "kind" is "conv" (with inputs, outputs, kernel, stride, padding), "pool" (with kernel, stride), "mean", or
        "linear" (with inputs, outputs).
    in_channels, side, dims : int
        Channels of the input, its voxels along each axis, the number of axes.
    batch : int
        Samples in a step of training.

    Returns
    -------
    dict
        "parameters"; "flops" of one sample's forward pass; "bytes" of a step of training.
    """
    ### BEGIN SOLUTION
    channels, parameters, flops, values = in_channels, 0, 0, in_channels * side**dims
    for layer in layers:
        if layer["kind"] == "conv":
            channels = layer["outputs"]
            cost = conv_cost(
                layer["inputs"], channels, layer["kernel"], side, dims, stride=layer["stride"], padding=layer["padding"]
            )
            side, parameters, flops = cost["side"], parameters + cost["parameters"], flops + cost["flops"]
        elif layer["kind"] == "pool":
            side = (side - layer["kernel"]) // layer["stride"] + 1
        elif layer["kind"] == "mean":
            side = 1
        else:
            channels = layer["outputs"]
            parameters += layer["inputs"] * channels + channels
            flops += 2 * layer["inputs"] * channels
        values += channels * side**dims
    return {"parameters": parameters, "flops": flops, "bytes": 4 * (4 * parameters + batch * values)}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "network_cost_parameters", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Parameters: as many as the real network has.
close(
    network_cost(LAYERS, 1, 16, 2)["parameters"],
    sum(p.numel() for p in models.PlainCNN(2, width=8, depth=2).parameters()),
    "the parameters of the network above in 2D",
    "does each convolution and the linear layer count, with biases?",
    rtol=0,
)
### BEGIN HIDDEN TESTS
for dims, channels, classes, width, depth in [(3, 1, 2, 8, 2), (2, 3, 5, 4, 3), (3, 2, 3, 2, 1)]:
    net = models.PlainCNN(dims, channels, classes, width=width, depth=depth)
    close(
        network_cost(net.layers, channels, 16, dims)["parameters"],
        sum(p.numel() for p in net.parameters()),
        f"the parameters in {dims}D, {channels} channels, {classes} classes, width {width}, depth {depth}",
        "does each convolution and the linear layer count, with biases?",
        rtol=0,
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "network_cost_flops", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# FLOPs of the whole network; PyTorch's counter gives 184 384 for the one above.
close(
    network_cost(LAYERS, 1, 16, 2)["flops"],
    184384,
    "the FLOPs of the network above on 16 x 16 pixels",
    "does pooling halve the side for what follows? two operations in the linear layer, too? none at the mean?",
    rtol=0,
)
### BEGIN HIDDEN TESTS
for dims, channels, width, depth, side in [(3, 1, 4, 2, 12), (2, 3, 4, 3, 28), (3, 2, 2, 2, 11)]:
    layers = models.plain.plain_layers(channels, 2, width=width, depth=depth)
    close(
        network_cost(layers, channels, side, dims)["flops"],
        models.cost.total_cost(layers, in_channels=channels, side=side, dims=dims).flops,
        f"the FLOPs in {dims}D, {channels} channels, width {width}, depth {depth}, side {side}",
        "an odd side loses a row in pooling; the linear layer counts, too",
        rtol=0,
    )
SHRINKING = [
    C5S2,
    {"kind": "conv", "inputs": 1, "outputs": 3, "kernel": 3, "stride": 1, "padding": 0},
    {"kind": "conv", "inputs": 3, "outputs": 2, "kernel": 3, "stride": 1, "padding": 1},
]
for dims, expected in [(2, 2 * (25 * 8**2 + 27 * 6**2 + 54 * 6**2)), (3, 2 * (125 * 8**3 + 81 * 6**3 + 162 * 6**3))]:
    close(
        network_cost(SHRINKING, 1, 16, dims)["flops"],
        expected,
        f"the FLOPs in {dims}D of a convolution of 5 with stride 2, then two of 3, the first of them without padding, side 16",
        "each convolution has its own stride and padding; which side is left for the next?",
        rtol=0,
    )
close(
    network_cost([{"kind": "linear", "inputs": 3, "outputs": 2}], 3, 1, 2)["flops"],
    12,
    "the FLOPs of one linear layer, 3 to 2",
    "two for each weight",
    rtol=0,
)
close(
    network_cost(LAYERS, 1, 16, 2, batch=7)["flops"],
    2 * (72 * 16**2 + 1152 * 8**2 + 32),
    "the FLOPs with a batch of 7",
    "they are asked for one sample",
    rtol=0,
)
close(
    network_cost([{"kind": "pool", "kernel": 3, "stride": 1}, *LAYERS], 1, 18, 2)["flops"],
    2 * (72 * 16**2 + 1152 * 8**2 + 32),
    "the FLOPs with a pooling of 3 voxels every voxel before it, on 18 x 18 pixels",
    "use the pooling's own kernel and stride",
    rtol=0,
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "network_cost_bytes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Memory. One convolution, 1 to 2 channels, kernel 1: 4 parameters; on 5 x 5 pixels 25 values in and 50 out.
ONE = [{"kind": "conv", "inputs": 1, "outputs": 2, "kernel": 1, "stride": 1, "padding": 0}]
close(
    network_cost(ONE, 1, 5, 2, batch=3)["bytes"],
    4 * (4 * 4 + 3 * 75),
    "the bytes of one convolution, batch 3",
    "4 bytes a number, 4 numbers a parameter, and the batch's values with the input's own",
    rtol=0,
)
### BEGIN HIDDEN TESTS
POOLED = [
    *ONE,
    {"kind": "pool", "kernel": 2, "stride": 2},
    {"kind": "mean"},
    {"kind": "linear", "inputs": 2, "outputs": 3},
]
close(
    network_cost(POOLED, 1, 5, 2, batch=2)["bytes"],
    4 * (4 * (4 + 9) + 2 * (25 + 50 + 8 + 2 + 3)),
    "the bytes of convolution, pooling, mean and linear layer, batch 2",
    "pooling and mean give values, too; after the mean one value a map is left",
    rtol=0,
)
UNPADDED = [C5S2, {"kind": "conv", "inputs": 1, "outputs": 3, "kernel": 3, "stride": 1, "padding": 0}]
close(
    network_cost(UNPADDED, 1, 16, 2, batch=2)["bytes"],
    4 * (4 * (26 + 30) + 2 * (256 + 64 + 3 * 36)),
    "the bytes of a convolution of 5 with stride 2 and one of 3 without padding, batch 2",
    "which side does each convolution leave?",
    rtol=0,
)
for dims, batch in [(2, 1), (3, 16)]:
    layers = models.plain.plain_layers(2, 4, width=4, depth=2)
    cost = models.cost.total_cost(layers, in_channels=2, side=12, dims=dims)
    close(
        network_cost(layers, 2, 12, dims, batch=batch)["bytes"],
        models.cost.training_bytes(cost, batch=batch),
        f"the bytes of a plain network in {dims}D, batch {batch}",
        "parameters are kept once, whatever the batch; values once for each sample",
        rtol=0,
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: how far an output sees
#
# One output of a deep layer depends on a patch of the input only: its *receptive field*. A candidate 9 mm wide, at 0.8 mm
# a voxel, needs at least 12 voxels, and a few more to see that it ends.
#
# Let $r$ be the field and $j$ the step: how many input voxels lie between two neighbours of the current grid. At
# the input, $r = 1$ and $j = 1$. A layer with kernel $k$ and stride $s$ does
#
# $$ r \leftarrow r + (k - 1)\, j, \qquad j \leftarrow s\, j. $$
#
# **Predict first:** which sees more, two convolutions of 3 and then a pooling of 2, or the pooling between the two?
#
# <details><summary>Hint</summary>
#
# The order of the two updates matters: a kernel is laid on the grid that comes *in*. Padding does not change how far
# an output sees. "mean" and "linear" see everything; we ask for the field before them.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def receptive_field(layers: list[dict]) -> tuple[int, int]:
    """Say how much of the input one output of the last convolution or pooling can see.

    Parameters
    ----------
    layers : list of dict
        As in exercise 2; "mean" and "linear" are passed over.

    Returns
    -------
    int, int
        The field along one axis in voxels of the input, and the step: by how many voxels the fields of two
        neighbouring outputs are apart.
    """
    ### BEGIN SOLUTION
    field, step = 1, 1
    for layer in layers:
        if layer["kind"] in ("conv", "pool"):
            field += (layer["kernel"] - 1) * step
            step *= layer["stride"]
    return field, step
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "receptive_field_width", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The field. A convolution of 3, then a pooling of 2: the pooling's two voxels see three each, shifted by one.
close(receptive_field([C3, P2])[0], 4, "the field of a convolution of 3 and a pooling of 2")
close(receptive_field([C3, P2, C3])[0], 8, "the field of convolution 3, pooling 2, convolution 3")


### BEGIN HIDDEN TESTS
def seen(layers: list[dict]) -> int:
    """Measure the field: along one line, with all weights 1 and poolings averaged, what does an output depend on?"""
    line = torch.zeros(1, 1, 257, dtype=torch.float64, requires_grad=True)
    x = line
    for layer in layers:
        if layer["kind"] == "conv":
            x = functional.conv1d(
                x, torch.ones(1, 1, layer["kernel"], dtype=torch.float64), None, layer["stride"], layer["padding"]
            )
        elif layer["kind"] == "pool":
            x = functional.avg_pool1d(x, layer["kernel"], layer["stride"])
    x[0, 0, x.shape[2] // 2].backward()
    return int((line.grad[0, 0] != 0).sum())


for name, layers in [
    ("two convolutions of 3", [C3, C3]),
    ("convolution 5 with stride 2, convolution 3", [C5S2, C3]),
    ("pooling 3 with stride 2, convolution 3, pooling 2", [P3, C3, P2]),
    ("three times convolution 3 and pooling 2", [C3, P2] * 3),
    ("convolution 5 with stride 2 three times", [C5S2] * 3),
    ("convolution 3, pooling 2, mean and linear layer", [C3, P2, *END]),
]:
    field, _ = receptive_field(layers)
    close(
        field,
        seen(layers),
        f"the field of {name}",
        "widen by the step of the grid that comes in, then lengthen the step",
    )
close(receptive_field([])[0], 1, "the field of no layer at all")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "receptive_field_step", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The step.
close(receptive_field([C3, P2])[1], 2, "the step after a convolution of 3 and a pooling of 2")
### BEGIN HIDDEN TESTS
for name, layers, expected in [
    ("two convolutions of 3", [C3, C3], 1),
    ("three times convolution 3 and pooling 2", [C3, P2] * 3, 8),
    ("convolution 5 with stride 2, pooling 3 with stride 2, linear", [C5S2, P3, *END], 4),
    ("a pooling of 3 every voxel", [{"kind": "pool", "kernel": 3, "stride": 1}], 1),
]:
    close(receptive_field(layers)[1], expected, f"the step after {name}", "strides multiply, kernels do not matter")
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Your prediction, and the answer</summary>
#
# Pooling in between sees more: 8 voxels against 6. After the pooling each step of the second kernel is two voxels long. So networks
# that must see far pool early, and lose detail early.
#
# </details>

# %% tags=["picture"] picture="field"
from matplotlib.patches import Rectangle

figure, axes = plots.panels(1, 3, width_inches=2.6, height_inches=2.8)
i = shown.kinds.index("solid")
z, y, x = np.rint(shown.centres_mm[i] / 0.8).astype(int)
for ax, depth in zip(axes[0], (1, 2, 3)):
    field, _ = receptive_field(models.plain.plain_layers(depth=depth))
    plots.show_image(
        shown.volumes[i][z], f"depth {depth}: sees {field} voxels", limits=LUNG_WINDOW, spacing_mm=0.8, ax=ax
    )
    corner = (x - field / 2, y - field / 2)
    ax.add_patch(Rectangle(corner, field, field, fill=False, edgecolor="#56B4E9", linewidth=2))
plots.describe(
    figure,
    "The same simulated nodule three times with a blue square, the receptive field of a plain network of depth 1, 2 and 3: the middle of the nodule, the nodule, the nodule and its surroundings.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: three squares around a nodule, of 4, 10 and 22 voxels](attachment:field.png)
#
# </details>
#
# ## Exercise 4: learning without labels
#
# Labels are dear: an expert must look. Images are not. An *auto-encoder* learns from images alone: an encoder $e$ squeezes an
# image $x$ into a short code $z = e(x)$, a decoder $g$ makes an image of it, and both are trained until the image
# comes back:
#
# $$ \min_{e, g} \; \frac{1}{N} \sum_x \lVert g(e(x)) - x \rVert^2 . $$
#
# The code is a representation that nobody labelled. Whether it is a *good* one for your question, only your question can
# tell.
#
# Build this one, for images of $C$ channels and $n$ x $n$ pixels, $n$ a multiple of 4, width $w$:
#
# | encoder | gives | decoder | gives |
# |---|---|---|---|
# | conv 3 x 3, stride 2, padding 1, ReLU | $w$ maps, $n/2$ | linear, ReLU | $2w (n/4)^2$ numbers |
# | conv 3 x 3, stride 2, padding 1, ReLU | $2w$ maps, $n/4$ | fold into maps | $2w$ maps, $n/4$ |
# | flatten | $2w (n/4)^2$ numbers | transposed conv 2 x 2, stride 2, ReLU | $w$ maps, $n/2$ |
# | linear | the code | transposed conv 2 x 2, stride 2 | $C$ channels, $n$ |
#
# Neither the code nor the reconstruction has a ReLU: both may be negative.
#
# <details><summary>Hint</summary>
#
# `nn.Sequential`, `nn.Flatten` and `nn.Unflatten(1, (maps, height, width))` make two short lists. `forward` is
# one line.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "autoencoder", "locked": false, "schema_version": 3, "solution": true, "task": false}
class AutoEncoder(nn.Module):
    """A convolutional auto-encoder of images.

    Parameters
    ----------
    in_channels, side : int
        Channels of the image; its height and width in pixels, a multiple of 4.
    code : int
        Numbers in the code.
    width : int
        Feature maps of the first layer.
    """

    def __init__(self, in_channels: int, side: int, code: int, width: int = 8) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        coarse = side // 4
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * coarse**2, code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 2 * width * coarse**2),
            nn.ReLU(),
            nn.Unflatten(1, (2 * width, coarse, coarse)),
            nn.ConvTranspose2d(2 * width, width, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(width, in_channels, 2, stride=2),
        )
        ### END SOLUTION

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to codes (B, code)."""
        ### BEGIN SOLUTION
        return self.encoder(x)
        ### END SOLUTION

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """Map codes (B, code) to images (B, C, H, W)."""
        ### BEGIN SOLUTION
        return self.decoder(z)
        ### END SOLUTION

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (B, C, H, W) to their reconstructions."""
        ### BEGIN SOLUTION
        return self.decode(self.encode(x))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "autoencoder_shapes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Shapes of code and reconstruction.
auto = AutoEncoder(3, 16, code=5)
close(tuple(auto.encode(torch.zeros(2, 3, 16, 16)).shape), (2, 5), "the shape of the codes of two images")
close(tuple(auto(torch.zeros(2, 3, 16, 16)).shape), (2, 3, 16, 16), "the shape of two reconstructions")
### BEGIN HIDDEN TESTS
auto = AutoEncoder(1, 28, code=9, width=2)
close(tuple(auto.encode(torch.zeros(1, 1, 28, 28)).shape), (1, 9), "the shape of a code of 9", "is `code` used?")
close(
    tuple(auto.decode(torch.zeros(4, 9)).shape),
    (4, 1, 28, 28),
    "the shape of four codes of 9, decoded to 28 x 28",
    "are `side` and `in_channels` used?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "autoencoder_parameters", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# As many parameters as the table says.
counted = sum(p.numel() for p in AutoEncoder(1, 16, code=4, width=4).parameters())
close(counted, 1641, "the parameters for 1 channel, 16 x 16 pixels, code 4, width 4", "is a layer missing or too wide?")
### BEGIN HIDDEN TESTS
for channels, side, code, width in [(3, 16, 8, 8), (1, 28, 3, 2)]:
    expected = sum(p.numel() for p in models.AutoEncoder(channels, side, code, width=width).parameters())
    counted = sum(p.numel() for p in AutoEncoder(channels, side, code, width=width).parameters())
    close(counted, expected, f"the parameters for {channels} channels, {side} pixels, code {code}, width {width}")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "autoencoder_paths", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Everything passes through the code, in the right order. With all weights of a layer equal, numbers can be compared.
auto = AutoEncoder(1, 16, code=4, width=4)
testing.set_weights(auto, bias=-0.05)
ramp = torch.linspace(-1, 2, 256).reshape(1, 1, 16, 16)
close(auto.decode(auto.encode(ramp)), auto(ramp).detach(), "decode(encode(x)) against forward(x)")
close(auto.encode(ramp)[0, 0], 0.33264, "a number of the code of a grey ramp", "are both ReLUs there?", rtol=1e-3)
row_by_row = "compare with the table, row by row: what follows each layer, and what follows the last?"
close(auto.encode(0 * ramp)[0, 0], -0.05, "a number of the code of an image of zeros", row_by_row)
close(auto.decode(torch.full((1, 4), -1.0))[0, 0, 0, 0], -0.05, "a pixel decoded from -1 -1 -1 -1", row_by_row)
testing.set_weights(auto, bias=0.2)
close(auto.decode(torch.full((1, 4), -2.0))[0, 0, 0, 0], 0.4, "a pixel decoded from -2 -2 -2 -2", row_by_row)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("autoencoder_paths")
for channels, shift in [(1, 0.4), (3, -0.6)]:
    images = torch.as_tensor(rng.normal(shift, 1.0, (2, channels, 16, 16)), dtype=torch.float32)
    reference, auto = models.AutoEncoder(channels, 16, 4), AutoEncoder(channels, 16, 4)
    for net in (reference, auto):
        testing.set_weights(net, bias=-0.2)
    with torch.no_grad():
        close(
            auto.encode(images), reference.encode(images), "the code of noise", "is there a ReLU after the last layer?"
        )
        close(auto(images), reference(images), "the reconstruction of noise", "is a ReLU missing, or one too many?")
    for net in (reference, auto):
        testing.set_weights(net, bias=0.3)
    codes = torch.tensor([[1.0, 2.0, 0.0, 1.0], [-2.0, -1.0, -2.0, 1.0], [0.0, -0.2, -0.3, -0.1]])
    with torch.no_grad():
        close(
            auto.decode(codes),
            reference.decode(codes),
            "the images of three codes",
            "a ReLU after the linear layer? does decode use the code alone?",
        )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5: stop in time
#
# A network that is trained for too long learns its training set by heart. The loss of *validation* data, which it does
# not learn from, falls and then rises. *Early stopping* keeps the weights of the best epoch, and ends the training when
# there was no gain for `patience` epochs in a row.
#
# Epoch $t$ is a gain if its loss is lower than that of the best epoch so far by more than `min_gain`:
# $L_t < L_{best} - \mathrm{min\_gain}$. The first loss that is a number is a gain, for there is nothing to beat.
#
# A loss may be NaN (not a number) when a training breaks down. NaN is never a gain: such an epoch waits, wherever it stands. As long as
# there was no gain at all, epoch 0 counts as the best. Two examples with `patience=2`:
#
# | epoch | 0 | 1 | 2 | 3 | 4 | result |
# |---|---|---|---|---|---|---|
# | loss | 0.7 | 0.6 | NaN | 0.65 | 0.5 | |
# | | gain | gain | waits, 1 | waits, 2: stop | never trained | (3, 1) |
# | loss | NaN | NaN | 0.4 | 0.3 | 0.2 | |
# | | waits, 1 | waits, 2: stop | never trained | never trained | never trained | (1, 0) |
#
# <details><summary>Hint</summary>
#
# Keep three things: the best loss (infinite at first), its epoch, and how many epochs in a row had no gain. Every comparison
# with NaN is false, so it matters which way round you ask.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "early_stop", "locked": false, "schema_version": 3, "solution": true, "task": false}
def early_stop(losses: list[float], patience: int, min_gain: float = 0.0) -> tuple[int, int]:
    """Say when to stop, and which weights to keep.

    Parameters
    ----------
    losses : list of float
        The validation loss of each epoch, at least one; it may be NaN.
    patience : int
        Epochs in a row without a gain that end the training, at least 1.
    min_gain : float
        By how much a loss must be lower to count.

    Returns
    -------
    int, int
        The last epoch that is trained, and the best one, counted from 0. If it never stops, the first is the last of the list.
    """
    ### BEGIN SOLUTION
    best, best_epoch, waited = float("inf"), 0, 0
    for epoch, loss in enumerate(losses):
        waited += 1
        if loss < best - min_gain:
            best, best_epoch, waited = loss, epoch, 0
        if waited == patience:
            return epoch, best_epoch
    return len(losses) - 1, best_epoch
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "early_stop_epochs", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# When it stops, and what it keeps.
close(early_stop([5.0, 4.0, 4.5, 4.6, 1.0], 2), [3, 1], "early_stop([5, 4, 4.5, 4.6, 1], patience=2)")
### BEGIN HIDDEN TESTS
for losses, patience, expected, why in [
    ([5.0, 4.0, 3.0], 2, (2, 2), "it never stops"),
    ([5.0, 4.0, 4.5, 3.5, 4.0, 4.1, 4.2], 3, (6, 3), "a gain starts the wait anew"),
    ([3.0, 4.0, 3.5, 3.2], 3, (3, 0), "each loss is compared with the best so far, not with the one before"),
    ([3.0, 4.0], 1, (1, 0), "a patience of 1 stops at the first epoch without a gain"),
    ([3.0, 3.0, 3.0], 2, (2, 0), "an equal loss is no gain, and the earlier epoch is kept"),
    ([2.0], 3, (0, 0), "one epoch"),
    ([3.0, 4.0, 5.0], 5, (2, 0), "the list ends before the patience does"),
]:
    close(early_stop(losses, patience), expected, f"early_stop({losses}, patience={patience})", why)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "early_stop_gain", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Small gains, and losses that are no number.
close(
    early_stop([1.0, 0.95, 0.7, 0.65], 2, min_gain=0.1),
    [3, 2],
    "early_stop([1, 0.95, 0.7, 0.65], patience=2, min_gain=0.1)",
    "0.05 is too little to count as a gain",
)
nan = float("nan")
close(
    early_stop([0.7, 0.6, nan, 0.65, 0.5], 2), [3, 1], "early_stop([0.7, 0.6, nan, 0.65, 0.5], patience=2)", "NaN waits"
)
### BEGIN HIDDEN TESTS
close(
    early_stop([1.0, 0.9, 0.8, 0.7], 3, min_gain=0.15),
    (3, 2),
    "early_stop([1, 0.9, 0.8, 0.7], patience=3, min_gain=0.15)",
    "several small gains add up: compare with the best epoch that counted",
)
close(early_stop([1.0, nan, 0.5, nan, nan], 2), (4, 2), "early_stop([1, nan, 0.5, nan, nan], patience=2)", "NaN waits")
close(early_stop([nan, nan, nan], 2), (1, 0), "early_stop([nan, nan, nan], patience=2)", "the first epoch waits, too")
close(early_stop([nan, 2.0, 3.0], 2), (2, 1), "early_stop([nan, 2, 3], patience=2)", "a number after NaN is a gain")
### END HIDDEN TESTS

# %% tags=["picture"] picture="early"
falls = np.exp(-np.arange(40) / 6)
toy = {"training": 0.7 * falls, "validation": 0.35 + 0.4 * falls + 0.006 * np.arange(40)}
stopped, best = early_stop(toy["validation"].tolist(), patience=8)
figure = plots.plot_curve(
    toy, x=np.arange(40), xlabel="epoch, counted from 0", title=f"kept: epoch {best}, stopped: epoch {stopped}"
)
for epoch, style in ((best, "-"), (stopped, ":")):
    figure.axes[0].axvline(epoch, color="0.4", linestyle=style, linewidth=1)
plots.describe(
    figure,
    "A made-up training loss that falls to zero and a validation loss that falls, then rises; a full line marks the best epoch, a dotted one, eight epochs later, the end of the training.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: a line at the lowest point of the validation loss, and one eight epochs later](attachment:early.png)
#
# </details>
#
# ## What each of them changes, measured
#
# Now the department's questions, five times over. The volumes have 16 x 16 x 16 voxels of 1.5 mm. A plain network
# of depth 3 sees the middle slice (2D), three orthogonal slices as channels (2.5D), or everything (3D).
#
# 1. *Cost:* your count of FLOPs equals PyTorch's, and the time of a step grows as the FLOPs do, within a factor of two.
# 2. *Data:* the gap between training and test AUC shrinks from 24 to 200 training volumes.
# 3. *Dimension:* 3D beats 2.5D beats 2D on vessels that fool a single slice.
# 4. *Remedies* at 48 training volumes, each by itself, on the 2D network: flips and quarter turns, dropout of one half, batch norm,
#    weight decay, and stopping early. Each is to raise the test AUC, and to make the network less over-confident.
#    In training, *dropout* sets features to zero at random, anew in each step. *Batch norm* brings each map to mean 0 and deviation 1 over
#    the batch, then scales and shifts it by two learned numbers. *Weight decay* shrinks all weights a little in each step.
#    *AdamW*, the optimiser here, is Adam with this shrinking as a step of its own.
# 5. *No labels:* with 20 labels, the code of an auto-encoder that saw 200 unlabelled volumes beats the pixels.
#
# AUC, the area under the ROC curve, judges only in which *order* a network puts the candidates: 0.5 is a coin, 1 is perfect. A network
# that knows its training set by heart may still order well, and be far too sure. **Over-confidence** is the mean
# probability of what it calls, minus the share that it calls rightly: 97 % sure and 77 % right is 0.2, and 0 is honest.
#
# Two opponents that are no networks stand beside them: logistic regression on all voxels, and on the first 16
# principal components (PCA), which are an unsupervised representation, too, and a much older one.
#
# **Predict first:** which of the five remedies will raise the AUC, which will lower the over-confidence, and which of the
# opponents will be hard to beat? Note it; the picture at the end answers.

# %% tags=["experiment"]
from medcourse.errors import CourseError
from medcourse.models.plain import as_input, network_for

UNIT, PAPER = "04_deep_cnns", "Greenspan et al. 2016 (editorial)"
SIDE, N_TRAIN, N_VALID, N_TEST = 16, 200, 60, 200
FEW, SOME, LABELS = 24, 48, 20  # training volumes of the gap and of the remedies; labels of the last claim
STEPS = 600 if effects.thorough() else 150
EVERY = STEPS // 30  # steps between two looks at the validation loss


def simulated(seed: int):
    """Volumes in [0, 1] (-1000 to 200 HU) with their labels."""
    n = N_TRAIN + N_VALID + N_TEST
    made = datasets.make_nodules(n, size=SIDE, spacing_mm=(1.5, 1.5, 1.5), seed=1000 + seed)
    return np.clip((made.volumes + 1000) / 1200, 0, 1), made.labels


def read(folder):
    """Volumes and labels of a 3D data set of MedMNIST with two classes, such as NoduleMNIST3D."""
    mnist = datasets.read_medmnist(folder)
    volumes = np.concatenate([mnist[split].images for split in ("train", "val", "test")])
    labels = np.concatenate([mnist[split].labels for split in ("train", "val", "test")])
    if mnist.dims != 3 or labels.shape[1] != 1 or set(np.unique(labels)) != {0, 1}:
        raise CourseError(
            f"expected volumes with the labels 0 and 1, as NoduleMNIST3D, got {mnist.name}: choose another"
        )
    return volumes / 255, labels[:, 0]


def cohort(seed: int) -> dict:
    """Training, validation and test volumes with labels, drawn anew for each seed."""
    volumes, labels = effects.source(lambda: simulated(seed), read)
    if len(volumes) < N_TRAIN + N_VALID + 50:
        raise CourseError(
            f"expected at least {N_TRAIN + N_VALID + 50} volumes, got {len(volumes)}: choose a larger set"
        )
    order = np.random.default_rng(seed).permutation(len(volumes))
    parts = np.split(order, [N_TRAIN, N_TRAIN + N_VALID, N_TRAIN + N_VALID + N_TEST])[:3]
    return {name: (volumes[part], labels[part]) for name, part in zip(("train", "valid", "test"), parts)}


def turned(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Flip and turn a batch of axial slices: the question stays the same."""
    x = torch.rot90(x, int(rng.integers(4)), dims=(2, 3))
    return x.flip(3) if rng.integers(2) else x


# %% tags=["experiment"]
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from medcourse.device import pick_device

DEVICE = pick_device()


@torch.no_grad()
def logits_of(net, x):
    net.eval()
    return net(torch.as_tensor(x, device=DEVICE)).float().cpu()


def loss_of(net, x, y) -> float:
    """Mean cross-entropy."""
    return float(functional.cross_entropy(logits_of(net, x), torch.as_tensor(y)))


def auc_of(net, x, y) -> float:
    logits = logits_of(net, x)
    return float(roc_auc_score(y, (logits[:, 1] - logits[:, 0]).numpy()))


def overconfidence_of(net, x, y) -> float:
    """Mean probability of what the network calls, minus the share that it calls rightly."""
    probability, called = logits_of(net, x).softmax(1).max(1)
    return float(probability.mean() - (called == torch.as_tensor(y)).float().mean())


def train(net, x, y, *, seed: int, augment: bool = False, decay: float = 0.0, watch=None):
    """Train in place with AdamW; with `watch`, return the loss of these data every so often, and the weights then."""
    rng, net = np.random.default_rng(seed), net.to(DEVICE)
    x, y = torch.as_tensor(x, device=DEVICE), torch.as_tensor(y, device=DEVICE)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=decay)
    losses, weights = [], []
    for step in range(STEPS):
        picked = torch.as_tensor(rng.integers(len(x), size=16))
        batch = turned(x[picked], rng) if augment else x[picked]
        net.train()
        optimiser.zero_grad()
        functional.cross_entropy(net(batch), y[picked]).backward()
        optimiser.step()
        if watch is not None and (step + 1) % EVERY == 0:
            losses.append(loss_of(net, *watch))
            weights.append({name: value.clone() for name, value in net.state_dict().items()})
    net.eval()
    return losses, weights


def fresh(kind: str, seed: int, **options):
    """An untrained network; the same seed gives the same first weights."""
    torch.manual_seed(seed)
    return network_for(kind, width=8, depth=3, **options)


def classic(x, y, components: int | None = None):
    """Logistic regression on all numbers of the input, or on its principal components."""
    steps = [StandardScaler(), LogisticRegression(max_iter=1000)]
    steps = steps if components is None else [PCA(components, random_state=0), *steps]
    return make_pipeline(*steps).fit(x.reshape(len(x), -1), y)


def auc_of_classic(model, x, y) -> float:
    return float(roc_auc_score(y, model.predict_proba(x.reshape(len(x), -1))[:, 1]))


# %% [markdown]
# First the cost, on the device that this notebook runs on: a step of training with 16 samples of 32 voxels a side.

# %% tags=["experiment"]
import time

import pandas as pd
from torch.utils.flop_counter import FlopCounterMode


def step_seconds(kind: str, side: int, batch: int) -> float:
    """Time of a step of training: the median of seven, after two to warm up."""
    net = fresh(kind, 0).to(DEVICE)
    optimiser = torch.optim.AdamW(net.parameters())
    x = torch.as_tensor(as_input(np.zeros((batch, side, side, side)), kind), device=DEVICE)
    y, seconds = torch.zeros(batch, dtype=torch.long, device=DEVICE), []
    for _ in range(9):
        start = time.perf_counter()
        optimiser.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimiser.step()
        float(next(net.parameters()).detach().sum())  # a GPU is asked for a number, so that it has to be through
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[2:]))


costs, flop_errors, time_over_flops = [], [], []
for seed in effects.seeds():
    seconds = {kind: step_seconds(kind, 32, 16) for kind in ("2D", "2.5D", "3D")}
    flops = {}
    for kind, measured in seconds.items():
        net = fresh(kind, seed)
        channels = net.layers[0]["inputs"]
        mine = network_cost(net.layers, channels, 32, net.dims, batch=16)
        with FlopCounterMode(display=False) as counter:
            net(torch.as_tensor(as_input(np.zeros((1, 32, 32, 32)), kind)))
        flops[kind] = mine["flops"]
        flop_errors.append(mine["flops"] / counter.get_total_flops() - 1)
        costs.append({"input": kind, **mine, "ms a step": 1000 * measured})
    time_over_flops.append(seconds["3D"] / seconds["2D"] / (flops["3D"] / flops["2D"]))

table = pd.DataFrame(costs).groupby("input").median()
table["MFLOPs"], table["MB in training"] = table.pop("flops") / 1e6, table.pop("bytes") / 1e6
table.round(2)

# %% [markdown]
# Then all that is trained. The bar says how far it is.

# %% tags=["experiment"]
REMEDIES = {
    "none": ({}, {}),
    "flips and turns": ({}, {"augment": True}),
    "dropout": ({"dropout": 0.5}, {}),
    "batch norm": ({"batch_norm": True}, {}),
    "weight decay": ({}, {"decay": 1.0}),
}


def by_dimension(data: dict, seed: int) -> dict:
    """Test AUC of 2D, 2.5D and 3D with all training volumes, and of logistic regression and PCA on the voxels."""
    out = {}
    for kind in ("2D", "2.5D", "3D"):
        x, test = as_input(data["train"][0], kind), as_input(data["test"][0], kind)
        net = fresh(kind, seed)
        train(net, x, data["train"][1], seed=seed)
        out[kind] = auc_of(net, test, data["test"][1])
        if kind == "2D":
            out["gap of many"] = auc_of(net, x, data["train"][1]) - out[kind]
    out["voxels"] = auc_of_classic(classic(x, data["train"][1]), test, data["test"][1])
    out["PCA of voxels"] = auc_of_classic(classic(x, data["train"][1], 16), test, data["test"][1])
    return out


def by_remedy(data: dict, seed: int) -> dict:
    """Test AUC and over-confidence of the 2D network with few volumes, without and with each remedy."""
    x, valid, test = (as_input(data[part][0], "2D") for part in ("train", "valid", "test"))
    y, test_y = data["train"][1], data["test"][1]
    few = fresh("2D", seed)
    train(few, x[:FEW], y[:FEW], seed=seed)
    out = {"gap of few": auc_of(few, x[:FEW], y[:FEW]) - auc_of(few, test, test_y)}

    def note(remedy, net):
        out[f"AUC, {remedy}"] = auc_of(net, test, test_y)
        out[f"over-confidence, {remedy}"] = overconfidence_of(net, test, test_y)

    for remedy, (options, settings) in REMEDIES.items():
        net = fresh("2D", seed, **options)
        watch = (valid, data["valid"][1]) if remedy == "none" else None
        losses, weights = train(net, x[:SOME], y[:SOME], seed=seed, watch=watch, **settings)
        note(remedy, net)
        if watch:  # the same run, but with the weights from before the turn
            _, best = early_stop(losses, patience=6)
            net.load_state_dict(weights[best])
            note("stopping early", net)
            out["validation loss"] = losses
    return out


def without_labels(data: dict, seed: int) -> dict:
    """Test AUC with a few labels, on pixels, on an auto-encoder's code and on principal components."""
    x, test = as_input(data["train"][0], "2.5D"), as_input(data["test"][0], "2.5D")
    y, test_y = data["train"][1][:LABELS], data["test"][1]
    torch.manual_seed(seed)
    auto, rng = AutoEncoder(3, x.shape[2], code=16).to(DEVICE), np.random.default_rng(seed)
    optimiser, pool = torch.optim.AdamW(auto.parameters(), lr=3e-3), torch.as_tensor(x, device=DEVICE)
    for _ in range(2 * STEPS):
        batch = pool[torch.as_tensor(rng.integers(len(pool), size=32))]
        optimiser.zero_grad()
        functional.mse_loss(auto(batch), batch).backward()
        optimiser.step()
    with torch.no_grad():
        code, test_code = (auto.encode(torch.as_tensor(a, device=DEVICE)).cpu().numpy() for a in (x, test))
    pca = PCA(16, random_state=0).fit(x.reshape(len(x), -1))
    parts, test_parts = (pca.transform(a.reshape(len(a), -1)) for a in (x, test))
    fields = {"pixels": (x, test), "code": (code, test_code), "PCA": (parts, test_parts)}
    return {name: auc_of_classic(classic(a[:LABELS], y), b, test_y) for name, (a, b) in fields.items()}


results = []
for seed in tqdm(effects.seeds(), desc="seeds", leave=False):
    data = cohort(seed)
    results.append({**by_dimension(data, seed), **by_remedy(data, seed), **without_labels(data, seed)})

summary = pd.DataFrame(results).drop(columns="validation loss")
summary.mean().round(3).to_frame("mean over seeds")


# %% tags=["experiment"]
def difference(better: str, than: str) -> list[float]:
    """Seed by seed."""
    return (summary[better] - summary[than]).tolist()


def claim(text: str, values: list[float], **bounds: float):
    return effects.measure(UNIT, text, values, paper=PAPER, paper_figure="no experiment", **bounds)


rows = [
    claim("FLOPs, our count over PyTorch's minus 1, within 1e-9 of 0", flop_errors, above=-1e-9, below=1e-9),
    claim(
        "Time of a step, 3D over 2D, as a multiple of what FLOPs predict, 0.5 to 2", time_over_flops, above=0.5, below=2
    ),
    claim(
        f"Gap of AUC, {FEW} minus {N_TRAIN} training volumes (2D), above 0",
        difference("gap of few", "gap of many"),
        above=0,
    ),
    claim(f"AUC with {N_TRAIN} volumes, 2.5D minus 2D, above 0", difference("2.5D", "2D"), above=0),
    claim(f"AUC with {N_TRAIN} volumes, 3D minus 2.5D, above 0", difference("3D", "2.5D"), above=0),
    claim("AUC, 3D network minus logistic regression on voxels, above 0", difference("3D", "voxels"), above=0),
    claim("AUC, 3D network minus PCA and logistic regression, above 0", difference("3D", "PCA of voxels"), above=0),
]
for remedy in [*list(REMEDIES)[1:], "stopping early"]:
    better = difference(f"AUC, {remedy}", "AUC, none")
    rows.append(claim(f"AUC with {SOME} volumes (2D), {remedy} minus none, above 0", better, above=0))
    surer = difference(f"over-confidence, {remedy}", "over-confidence, none")
    rows.append(claim(f"Over-confidence with {SOME} volumes (2D), {remedy} minus none, below 0", surer, below=0))
rows += [
    claim(
        f"AUC with {LABELS} labels, auto-encoder's code minus pixels, above 0", difference("code", "pixels"), above=0
    ),
    claim(f"AUC with {LABELS} labels, auto-encoder's code minus PCA, above 0", difference("code", "PCA"), above=0),
]
effects.report(rows)

# %% [markdown]
# **Before you read on:** an interval that holds 0 does not say that there is no effect; five short runs cannot tell.
# The course ran the same cells with 600 steps instead of 150:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# And your prediction? In that run flips and turns helped both measures. Weight decay and stopping early made the network more
# honest, while a higher AUC is not shown for them. Both opponents were hard to beat: the 3D
# network's lead over them is certain and tiny.
#
# Over-confidence below 0 is no gain, either: such a network is too unsure. Look in the table of means how far each went.
#
# </details>

# %% tags=["experiment"]
figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=2.6)
for ax, measure in zip(axes[0], ("AUC", "Over-confidence")):
    chosen = {
        row.claim.split("(2D), ")[1].split(" minus")[0]: (row.ours, row.low, row.high)
        for row in rows
        if row.claim.startswith(f"{measure} with {SOME}")
    }
    plots.plot_intervals(chosen, xlabel=f"change of {measure.replace('O', 'o')}", ax=ax)
figure

# %% tags=["experiment"]
curves = {f"seed {seed}": result["validation loss"] for seed, result in zip(effects.seeds(), results)}
figure = plots.plot_curve(curves, x=EVERY * np.arange(1, len(curves["seed 0"]) + 1), ylabel="validation loss")
plots.describe(
    figure,
    f"Validation loss of the 2D network with {SOME} training volumes over the steps, a curve for each seed: how far each falls, and whether it rises again.",
)

# %% [markdown]
# ## Questions in words
#
# **Question 1.** The department has 60 patients, each with one to three candidates, and a workstation without a GPU. A
# colleague says: "CT is three-dimensional, so the network must be." Answer in at most 150 words, with numbers of your own run: which input
# would you choose, what would it cost, which baseline would you run first, and how would you split the data (think of lab 2)?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_dimension", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# The argument names the data, not the question. What must be seen decides: a vessel goes on where a nodule ends, and that is seen
# along z, so one axial slice is too little. Three orthogonal slices show it, too, at about the FLOPs of one slice, while
# the 3D network costs dozens of times as many and as much more time a step. In my runs 2.5D was far above 2D and 3D a
# little above 2.5D; logistic regression on all voxels came close to the 3D network, so I would run it first. If the
# network does not beat it on the 60 patients, the network is not needed. The split must be by patient, since candidates of
# one patient share scanner, noise and anatomy; with 60 patients I would cross-validate and report an interval over patients.
#
# === BEGIN MARK SCHEME ===
# 1 point: chooses by what must be seen, and compares inputs with AUC of the own run.
# 1 point: states the cost of 2D or 2.5D against 3D with a number of the own run (FLOPs, memory or time).
# 1 point: runs a simple baseline first and splits by patient.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** Some of your five remedies showed no effect on AUC or on over-confidence, or one in the wrong direction. Name one. Say why
# that does not prove that it is useless, and design one experiment that could show what it is worth for your own data.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_remedy", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# For example dropout: the interval of its change of AUC held 0. Five seeds and 200 test volumes leave an interval as wide
# as the effect may be, the strength was one value of many, the network is small and the training short. An experiment:
# fix the test set, take the strength from a grid by validation data only, repeat over at least 20 seeds or cross-validation folds
# by patient at two sizes of the training set, and give the difference within each fold with its interval, decided on beforehand.
#
# === BEGIN MARK SCHEME ===
# 1 point: says that an interval over 0 (few seeds, one strength, a small test set) is not evidence of no effect.
# 1 point: an experiment that could tell: paired, repeated, its strength chosen on validation data, split by patient.
# === END MARK SCHEME ===

# %% [markdown]
# ## On real volumes
#
# The same cells run on NoduleMNIST3D: 28 x 28 x 28 voxels around a nodule of the LIDC-IDRI scans, labelled benign or
# malignant. Get `nodulemnist3d.npz` from [Zenodo](https://zenodo.org/records/10519652) (CC BY 4.0) into a folder of
# its own:
#
# ```
# medcourse effects 04_deep_cnns --data FOLDER
# ```
#
# It is another question than ours: is this nodule malignant? Do not expect the same answers.
#
# **References.** H. Greenspan, B. van Ginneken, R. M. Summers: *Deep Learning in Medical Imaging: Overview and Future
# Promise of an Exciting New Technique*. IEEE TMI 35(5), 2016.
# [doi:10.1109/TMI.2016.2553401](https://doi.org/10.1109/TMI.2016.2553401). J. Yang et al.: *MedMNIST v2*. Scientific Data
# 10:41, 2023. [doi:10.1038/s41597-022-01721-8](https://doi.org/10.1038/s41597-022-01721-8)
