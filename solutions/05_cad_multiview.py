# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 5: nine looks at a candidate
#
# A detector marks hundreds of spots in a chest CT, and a handful of them are nodules. In this lab you build what Setio et al. (2016) put
# behind it: a network that looks at each spot in nine planes, and the curve by which such systems are compared.
#
# **You will be able to**
#
# - read an oblique plane out of a volume in millimetres, whatever its voxels measure;
# - name the nine planes of a cube, and build them;
# - build a network whose streams share their weights, and fuse what they see;
# - decide by the rules of LUNA16 what a candidate hits;
# - draw a FROC curve, reduce it to one number, and put an interval around it that respects patients;
# - test the paper's claims against an honest opponent, and say which of them hold here.
#
# **Time:** about 130 minutes. **Before this:** the lesson *Nine looks at a candidate*.
#
# **Cost:** {{cost}}
#
# The chests are **simulated**: lungs, vessels, airways and nodules grow by rules and go through a simulated scanner. What you write
# runs on real scans, too; the last section says how.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from scipy import ndimage
from sklearn.utils import Bunch
from torch import nn
from torch.nn import functional

from medcourse import datasets, effects, froc, planes, plots, testing, training
from medcourse.models import multiview
from medcourse.testing import close

testing.begin_lab(seed=5)
plots.use_style()

# %% [markdown]
# Two slices of a simulated chest with some of its nodules. Values are *Hounsfield units* (HU): air is -1000, water 0, blood about 40.
# They are shown in a window for lungs: -1350 HU and below is black, 150 HU and above white.
#
# Places are written in *millimetres*, in the order z (towards the head), y (towards the back), x (towards the patient's left), from the
# middle of the volume's first voxel. So voxel $(k, j, i)$ lies at $(k\,s_z,\ j\,s_y,\ i\,s_x)$ with the *spacing* $s$, the size of a voxel.

# %% tags=["picture"] picture="chest"
LUNG_WINDOW = (-1350.0, 150.0)
chest = datasets.make_chest(3, spacing_mm=(2.5, 1.0, 1.0), nodules_per_scan=6, diameter_mm=(5, 12), seed=5)
nodules = np.column_stack([chest.nodules.centres_mm, chest.nodules.diameters_mm / 2])  # (K, 4)
plots.show_slices(
    chest.volume,
    spacing_mm=chest.spacing_mm,
    limits=LUNG_WINDOW,
    at_mm=nodules[:2, 0],
    detections={"candidate": nodules},
    panel_inches=3.4,
    alt="Two axial slices of a simulated chest CT: dark lungs with bright vessels, the heart between them; diamonds mark nodules.",
)

# %% [markdown]
# ## Exercise 1: a plane in millimetres
#
# CT voxels are rarely cubes. Here a slice is 2.5 mm thick and a pixel 1 mm wide. Whoever cuts a patch in voxels sees every ball as an
# egg, and each hospital's eggs are others. So cut in millimetres. A plane has a centre $c$ and two unit vectors, $r$ down the rows and $q$ along the columns. With
# $n$ pixels along a side of $L$ mm, pixel $(a, b)$ has its middle at
#
# $$ p_{ab} = c + t_a\,r + t_b\,q, \qquad t_a = \left(a - \frac{n-1}{2}\right)\frac{L}{n}. $$
#
# Divide by the spacing to get voxels, and interpolate *linearly* between the eight around. Where the plane leaves the volume, write `fill`.
#
# **Predict first:** a ball of 10 mm in a volume with slices of 2.5 mm and pixels of 1 mm. How many voxels tall and wide is it? And
# in a plane with 20 pixels on 20 mm?
#
# <details><summary>Hint</summary>
#
# `t[:, None, None] * r` has shape (n, 1, 3). `ndimage.map_coordinates(volume, where, order=1, ...)` wants `where` as (3, n, n). CT is
# stored in whole numbers: what does this function give back for those?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "sample_plane", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample_plane(
    volume: np.ndarray, spacing_mm, centre_mm, rows, columns, side_mm: float, n_px: int, fill: float = -1000.0
) -> np.ndarray:
    """Read one plane of any direction out of a volume.

    Parameters
    ----------
    volume : (Z, Y, X) array
        Whole numbers or floats.
    spacing_mm : three numbers
        Size of a voxel along z, y, x.
    centre_mm : (3,) array
        Centre of the plane, (z, y, x) from the middle of the first voxel.
    rows, columns : (3,) array
        Unit vectors (z, y, x): the direction in which rows are counted (down the picture), and columns (to the right).
    side_mm : float
        Side of the plane.
    n_px : int
        Pixels along it.
    fill : float
        Value outside of the volume.

    Returns
    -------
    (n_px, n_px) array of float
        Interpolated linearly.
    """
    ### BEGIN SOLUTION
    t = (np.arange(n_px) - (n_px - 1) / 2) * side_mm / n_px
    where = np.asarray(centre_mm) + t[:, None, None] * np.asarray(rows) + t[None, :, None] * np.asarray(columns)
    voxels = np.moveaxis(where / np.asarray(spacing_mm), -1, 0)  # (3, n, n)
    return ndimage.map_coordinates(volume.astype(np.float64), voxels, order=1, mode="constant", cval=fill)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sample_plane_millimetres", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Millimetres, not voxels. Each voxel of this volume holds its own z in millimetres, 3 mm a slice.
spacing = (3.0, 1.0, 0.5)
z_mm = np.arange(9)[:, None, None] * 3.0 * np.ones((1, 20, 30))
coronal = sample_plane(z_mm, spacing, (12.0, 9.0, 7.0), (1, 0, 0), (0, 0, 1), side_mm=8.0, n_px=4)
close(
    coronal[:, 0],
    np.array([9.0, 11.0, 13.0, 15.0]),
    "z of the four rows of a plane 8 mm high around z = 12 mm",
    "are rows side_mm / n_px apart, in millimetres, around the centre?",
)
### BEGIN HIDDEN TESTS
close(
    coronal,
    np.tile([[9.0], [11.0], [13.0], [15.0]], 4),
    "z over a coronal plane",
    "the first vector is for rows, the second for columns",
)
rng = testing.hidden_rng("sample_plane_millimetres")
volume = rng.normal(0, 300, (9, 20, 30))
for n, side in [(5, 5.0), (6, 3.0)]:
    t = (np.arange(n) - (n - 1) / 2) * side / n
    where = np.meshgrid([(12.0) / 3.0], (9.0 + t) / 1.0, (7.25 + t) / 0.5, indexing="ij")
    expected = ndimage.map_coordinates(volume, where, order=1)[0]
    close(
        sample_plane(volume, spacing, (12.0, 9.0, 7.25), (0, 1, 0), (0, 0, 1), side_mm=side, n_px=n),
        expected,
        f"an axial plane of {n} pixels on {side:g} mm, voxels of 3 x 1 x 0.5 mm",
        "divide each axis by its own spacing; pixel middles, not corners",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "sample_plane_oblique", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Any direction. In this volume the value grows by 2 a mm along y and by 5 a mm along x.
spacing = (2.0, 1.0, 1.0)
slope = 2.0 * np.arange(40)[:, None] + 5.0 * np.arange(40) + np.zeros((12, 1, 1))
half = np.sqrt(0.5)
plane = sample_plane(slope, spacing, (10.0, 20.0, 15.0), (1, 0, 0), (0, half, half), side_mm=9.0, n_px=3)
close(
    plane[0],
    2 * 20 + 5 * 15 + np.array([-1, 0, 1]) * 3 * 7 * half,
    "a row along the diagonal of y and x",
    "the columns' direction is a unit vector: a step of 3 mm is 3 / sqrt(2) along each axis",
)
### BEGIN HIDDEN TESTS
close(plane[2], plane[0], "another row of the same plane", "rows run along z here, and nothing changes along z")
rng = testing.hidden_rng("sample_plane_oblique")
volume, size = rng.normal(0, 300, (16, 24, 20)), np.array([16, 24, 20]) * (2.0, 1.0, 1.5)
for _ in range(3):
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0][:2]
    centre = size / 2 + rng.uniform(-2, 2, 3)
    close(
        sample_plane(volume, (2.0, 1.0, 1.5), centre, axes[0], axes[1], side_mm=8.0, n_px=7),
        planes.sample_planes(volume, (2.0, 1.0, 1.5), centre, axes[None], side_mm=8.0, n_px=7)[0],
        "a plane in a random direction",
        "is the interpolation linear? are rows and columns in their places?",
        rtol=1e-3,
        atol=0.1,
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "sample_plane_outside", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Beyond the volume is the fill value; whole numbers are interpolated as the numbers that they stand for.
volume = np.full((4, 6, 6), 100, dtype=np.int16)
plane = sample_plane(volume, (1.0, 1.0, 1.0), (2.0, 3.0, 3.0), (0, 1, 0), (0, 0, 1), side_mm=20.0, n_px=10, fill=-777.0)
close(
    plane[0, 0],
    -777.0,
    "a pixel 6 mm outside of the volume, fill = -777",
    "is what lies outside filled, and not repeated?",
)
### BEGIN HIDDEN TESTS
close(plane[4:6, 4:6], np.full((2, 2), 100.0), "the pixels inside of the volume")
close(plane[:, 9], np.full(10, -777.0), "the pixels beyond the right border")
air = sample_plane(volume, (1.0, 1.0, 1.0), (2.0, 3.0, 3.0), (0, 1, 0), (0, 0, 1), side_mm=20.0, n_px=10)
close(air[0, 0], -1000.0, "a pixel outside of the volume with no fill given", "the signature says -1000, which is air")
steps = (np.arange(6) * 5 * np.ones((4, 6, 1))).astype(np.int16)
plane = sample_plane(steps, (1.0, 1.0, 1.0), (1.5, 2.5, 2.5), (0, 1, 0), (0, 0, 1), side_mm=1.0, n_px=2)
close(
    plane[0],
    np.array([11.25, 13.75]),
    "a plane of 0.5 mm pixels through voxels of int16",
    "half way between 10 and 15 lies no whole number: what type comes back?",
)
_, (after, *_) = testing.inout(sample_plane, volume, (1.0, 1.0, 1.0), (2.0, 3.0, 3.0), (0, 1, 0), (0, 0, 1), 4.0, 3)
close(after, volume, "the volume after the call", "work on a copy")
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What you predicted: a ball of 10 mm</summary>
#
# 4 voxels tall and 10 wide: an egg lying down. In a plane of 20 pixels on 20 mm it is 10 pixels wide and 10 tall, whichever way the plane is turned.
#
# </details>
#
# ## Exercise 2: the nine planes
#
# Put a cube around the candidate, its sides along the axes of the body. It has nine planes of symmetry. Three lie parallel to its
# sides: *axial*, *coronal* and *sagittal*. Six run through two opposite edges and cut two of its sides along the diagonal. The normal
# of a diagonal plane is
#
# $$ \frac{e_i \pm e_j}{\sqrt 2}, \qquad i < j, $$
#
# with the unit vectors $e_z, e_y, e_x$; the plane contains the third axis and the other diagonal.
#
# Return unit vectors along rows and columns. The first three planes must be, in this order, axial (rows along $+y$, columns along
# $+x$), coronal (rows along $-z$, so that the head is up; columns along $+x$) and sagittal (rows along $-z$, columns along $+y$). The six diagonal ones may come
# in any order, turned and mirrored as you like.
#
# <details><summary>Hint</summary>
#
# The diagonal plane with the normal $(e_z + e_y)/\sqrt 2$ contains $e_x$ and $(e_z - e_y)/\sqrt 2$. Check yours with
# `np.cross(rows, columns)`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "nine_planes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def nine_planes() -> np.ndarray:
    """Return the nine planes of symmetry of a cube.

    Returns
    -------
    (9, 2, 3) array of float
        For each plane the unit vectors (z, y, x) of its rows and of its columns, at right angles to each other. Axial,
        coronal, sagittal, then the six diagonal ones.
    """
    ### BEGIN SOLUTION
    z, y, x = np.eye(3)
    result = [(y, x), (-z, x), (-z, y)]
    for a, b, third in [(z, y, x), (z, x, y), (y, x, z)]:
        for sign in (1, -1):
            result.append(((a + sign * b) / np.sqrt(2), third))
    return np.array(result)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "nine_planes_orthogonal", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Axial, coronal and sagittal, as a radiologist hangs them.
axes = np.asarray(nine_planes(), dtype=float)
close(
    axes[0],
    np.array([[0, 1, 0], [0, 0, 1]]),
    "rows and columns of the axial plane, (z, y, x)",
    "rows run towards the back, columns towards the patient's left",
)
### BEGIN HIDDEN TESTS
close(
    axes[1],
    np.array([[-1, 0, 0], [0, 0, 1]]),
    "rows and columns of the coronal plane",
    "the head is up: rows run against z",
)
close(
    axes[2],
    np.array([[-1, 0, 0], [0, 1, 0]]),
    "rows and columns of the sagittal plane",
    "the head is up; columns run towards the back",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "nine_planes_diagonal", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Nine planes, each spanned by two unit vectors at right angles; the six diagonal ones are all there.
axes = np.asarray(nine_planes(), dtype=float)
close(tuple(axes.shape), (9, 2, 3), "the shape")
close(
    np.linalg.norm(axes, axis=-1),
    np.ones((9, 2)),
    "the lengths of the vectors",
    "a diagonal of a unit square is sqrt(2) long",
)
### BEGIN HIDDEN TESTS
close(
    (axes[:, 0] * axes[:, 1]).sum(axis=-1),
    np.zeros(9),
    "the products of rows and columns",
    "they stand at right angles",
)
normals = np.cross(axes[3:, 0], axes[3:, 1])
# A normal and its opposite are the same plane: n n^T does not tell them apart.
found = sorted((np.round(normals[:, :, None] * normals[:, None, :], 4) + 0.0).reshape(-1, 9).tolist())
wanted = []
for pair in [(0, 1), (0, 2), (1, 2)]:
    for sign in (1.0, -1.0):
        normal = np.zeros(3)
        normal[list(pair)] = np.array([1.0, sign]) * np.sqrt(0.5)
        wanted.append((np.round(np.outer(normal, normal), 4) + 0.0).ravel().tolist())
close(
    found,
    sorted(wanted),
    "the planes of the six diagonal views, as sorted products of their normals",
    "two for each pair of axes, one for each sign",
)
### END HIDDEN TESTS

# %% tags=["picture"] picture="views"
solid = np.array(chest.nodules.kinds) == "solid"
nodule = chest.nodules.centres_mm[solid][chest.nodules.diameters_mm[solid].argmax()]
half_mm = 25.0
names = ["axial", "coronal", "sagittal", *[f"diagonal {n}" for n in range(1, 7)]]
figure, axes = plots.panels(2, 5, width_inches=1.9, height_inches=2.1)
for ax, name, (rows, columns) in zip(axes.flat, names, nine_planes()):
    view = sample_plane(chest.volume, chest.spacing_mm, nodule, rows, columns, side_mm=2 * half_mm, n_px=64)
    plots.show_image(view, name, limits=LUNG_WINDOW, ax=ax, spacing_mm=2 * half_mm / 64)
axes[1, 4].set_axis_off()
plots.describe(
    figure,
    "A simulated solid nodule in nine planes of 50 mm: a spot in all of them, while vessels around it are dots in some and lines in others.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: nine square views of the same nodule, a spot in each; vessels are dots in some and lines in others](attachment:views.png)
#
# </details>
#
# ## Exercise 3: one stream, nine views, late fusion
#
# Each view goes through the *same* small network, the stream: its weights are shared. What the nine views have become, $9 \times F$ numbers, is laid side by
# side, and one linear layer turns it into one logit. That is *late fusion*:
#
# $$ f_p = \mathrm{stream}(I_p) \in \mathbb{R}^F, \qquad \mathrm{logit} = w^\top [f_1, f_2, \dots, f_P] + b. $$
#
# The stream has three times convolution, ReLU, 2 x 2 maximum pooling. Its kernels are 5, 3 and 3 pixels wide and *not padded*; it ends in a dense layer with
# `features` outputs and a ReLU. The paper took about 24, 32 and 48 maps, 16 features, and 64 pixels a side. (The padding and that there is no dropout are
# our choice here.)
#
# **Predict first:** how many numbers does the dense layer see in each plane of 64 pixels?
#
# <details><summary>Hint</summary>
#
# Pooling rounds down. Compute the side that is left step by step, or let a tensor of zeros tell you. In `LateFusion`, fold the views into the batch:
# `planes.flatten(0, 1)[:, None]` is (B * P, 1, n, n).
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "stream", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Stream(nn.Module):
    """Read one plane.

    Parameters
    ----------
    side : int
        Pixels along the plane's side, 24 or more.
    maps : three ints
        Feature maps of the three convolutions.
    features : int
        What the plane becomes.
    """

    def __init__(self, side: int = 64, maps=(24, 32, 48), features: int = 16) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        left, before, layers = side, 1, []
        for after, kernel in zip(maps, (5, 3, 3)):
            layers += [nn.Conv2d(before, after, kernel), nn.ReLU(), nn.MaxPool2d(2)]
            left, before = (left - kernel + 1) // 2, after
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * left**2, features), nn.ReLU())
        ### END SOLUTION

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        """Map (B, 1, side, side) to (B, features)."""
        ### BEGIN SOLUTION
        return self.layers(plane)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "stream_shapes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A plane becomes `features` numbers.
net = Stream(side=64)
close(
    tuple(net(torch.zeros(2, 1, 64, 64)).shape),
    (2, 16),
    "the shape for two planes of 64 x 64",
    "a row for each plane of the batch",
)
n_weights = sum(parameter.numel() for parameter in net.parameters())
close(
    n_weights,
    49104,
    "the number of weights for 64 pixels",
    "24, 32, 48 maps; kernels 5, 3, 3; no padding; 16 features of 48 x 6 x 6",
)
### BEGIN HIDDEN TESTS
for side, maps, features in [(32, (3, 4, 5), 6), (41, (2, 5, 3), 7), (24, (2, 2, 2), 3)]:
    net = Stream(side=side, maps=maps, features=features)
    close(
        tuple(net(torch.zeros(3, 1, side, side)).shape), (3, features), f"the shape for three planes of {side} pixels"
    )
    reference = multiview.Stream(side, maps=maps, features=features)
    close(
        sum(parameter.numel() for parameter in net.parameters()),
        sum(parameter.numel() for parameter in reference.parameters()),
        f"the number of weights for {side} pixels, maps {maps}, {features} features",
        "does pooling round down? are side, maps and features used?",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "stream_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The right layers. With all weights of a layer equal, the output depends on the structure alone.
net = Stream(side=24, maps=(2, 3, 4), features=5)
ramp = torch.linspace(-1, 2, 24 * 24).reshape(1, 1, 24, 24)
net(ramp)  # a layer may wait for its first input to know its size
testing.set_weights(net, bias=-0.05)
close(
    net(ramp)[0, 2],
    0.7565,
    "one feature of a grey ramp",
    "maximum pooling? a ReLU after each layer, the last one too?",
    rtol=1e-3,
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("stream_value")
for bias, shift in [(-0.05, 0.3), (-0.6, 0.2), (0.1, -1.5)]:
    image = torch.as_tensor(rng.normal(shift, 1.0, (4, 1, 30, 30)), dtype=torch.float32)
    net, reference = Stream(side=30, maps=(2, 3, 4), features=5), multiview.Stream(30, maps=(2, 3, 4), features=5)
    for network in (net, reference):
        network(image)
        testing.set_weights(network, bias=bias)
    with torch.no_grad():
        close(
            net(image),
            reference(image),
            f"the features of four noisy planes, biases {bias:g}",
            "maximum pooling? a ReLU after each convolution and after the dense layer?",
        )
# Half of the plane is dark: there each convolution gives less than 0, and the ReLU behind it counts.
image = torch.as_tensor(rng.uniform(0, 2, (4, 1, 48, 48)), dtype=torch.float32)
image[..., :24] = 0.0
net, reference = Stream(side=48, maps=(2, 3, 4), features=5), multiview.Stream(48, maps=(2, 3, 4), features=5)
for network in (net, reference):
    network(image)
    testing.set_weights(network, bias=-0.1)
with torch.no_grad():
    close(
        net(image),
        reference(image),
        "the features of planes that are dark on the left",
        "does each convolution have its ReLU?",
    )
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "late_fusion", "locked": false, "schema_version": 3, "solution": true, "task": false}
class LateFusion(nn.Module):
    """Classify a candidate by several planes.

    Parameters
    ----------
    n_views : int
        Planes of a candidate.
    side, maps, features
        As of `Stream`.
    """

    def __init__(self, n_views: int = 9, side: int = 64, maps=(24, 32, 48), features: int = 16) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.stream = Stream(side, maps, features)
        self.classify = nn.Linear(n_views * features, 1)
        ### END SOLUTION

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Map planes (B, P, side, side) to raw logits (B,)."""
        ### BEGIN SOLUTION
        seen = self.stream(planes.flatten(0, 1)[:, None])  # (B * P, F)
        return self.classify(seen.reshape(len(planes), -1))[:, 0]  # (B,)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "late_fusion_shared", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One stream for all views, and features side by side: the number of weights tells.
net = LateFusion(n_views=9)
net(torch.zeros(1, 9, 64, 64))
n_weights = sum(parameter.numel() for parameter in net.parameters())
close(
    n_weights,
    49104 + 9 * 16 + 1,
    "the number of weights for nine views of 64 pixels",
    "one stream for all; the classifier sees the features of all views, not their mean",
)
### BEGIN HIDDEN TESTS
for views, features in [(1, 4), (3, 5), (6, 3)]:
    stream = sum(p.numel() for p in multiview.Stream(24, maps=(2, 3, 4), features=features).parameters())
    net = LateFusion(n_views=views, side=24, maps=(2, 3, 4), features=features)
    net(torch.zeros(2, views, 24, 24))
    close(
        sum(p.numel() for p in net.parameters()),
        stream + views * features + 1,
        f"the number of weights for {views} views and {features} features",
        "is n_views used? are all weights registered?",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "late_fusion_logits", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A logit for each candidate, from its own views.
net = LateFusion(n_views=3, side=24, maps=(2, 3, 4), features=5)
candidates = torch.linspace(-1, 2, 2 * 3 * 24 * 24).reshape(2, 3, 24, 24)
net(candidates)
testing.set_weights(net, bias=-0.05)
close(
    net(candidates),
    torch.tensor([-0.00803, 1.0762]),
    "the logits of two candidates with three grey ramps each",
    "do the views of one candidate stay together? is it (B,), raw, without a sigmoid?",
    rtol=2e-3,
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("late_fusion_logits")
for views in (1, 4):
    candidates = torch.as_tensor(rng.normal(0.4, 1.0, (5, views, 24, 24)), dtype=torch.float32)
    net = LateFusion(n_views=views, side=24, maps=(2, 3, 4), features=5)
    reference = multiview.MultiViewNet(views, side=24, maps=(2, 3, 4), features=5, dropout=0.0)
    for network in (net, reference):
        network(candidates)
        testing.set_weights(network, bias=-0.05)
    with torch.no_grad():
        close(
            net(candidates[:1]),
            reference(candidates[:1])[:, 0],
            f"the logits of a batch of one candidate with {views} views",
            "one candidate is a batch, too",
        )
        close(
            net(candidates),
            reference(candidates)[:, 0],
            f"the logits of five candidates with {views} views",
            "is a view of another candidate mixed in? is there a sigmoid or a ReLU at the end?",
        )
torch.manual_seed(64)
net = LateFusion(n_views=3, side=24, maps=(2, 3, 4), features=5)
candidates = torch.as_tensor(rng.normal(0.4, 1.0, (2, 3, 24, 24)), dtype=torch.float32)
with torch.no_grad():
    change = float(abs(net(candidates) - net(candidates[:, [1, 2, 0]])).max())
assert change > 1e-5, (
    f"late fusion knows which view is which: shuffled views should change the logit, got a change of {change:.2g}"
)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What you predicted: what the dense layer sees</summary>
#
# The side goes 64, 60, 30, 28, 14, 12, 6. So 48 maps of 6 x 6 are left: 1728 numbers for a picture of 4096 pixels.
# More than half of the stream's weights sit in this dense layer.
#
# </details>
#
# ## Exercise 4: what does a candidate hit?
#
# The challenge LUNA16 (Setio et al., 2017) fixed the rules by which such systems are compared. For one scan:
#
# 1. A candidate at $x$ *hits* a finding with the centre $c$ and the diameter $d$ if $\lVert x - c \rVert < d / 2$.
# 2. A nodule that is hit counts once, with the *highest* score among its hits.
# 3. Some findings are *irrelevant*: nodules below 3 mm, or seen by only one or two of four radiologists. A candidate that hits one of these
#    counts neither way.
# 4. A candidate that hits nothing is a *false positive*.
#
# If a candidate hits a nodule and an irrelevant finding, the nodule goes first. If it hits two nodules, it counts for both.
#
# **Predict first:** a detector draws 200 candidates on one nodule. Does that help its score, harm it, or neither?
#
# <details><summary>Hint</summary>
#
# `candidates[:, None] - nodules[None]` is (C, K, 3). Shapes of empty lists: a scan without nodules has `nodules.shape == (0, 3)`, and `np.max` takes
# `initial=-np.inf`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "judge", "locked": false, "schema_version": 3, "solution": true, "task": false}
def judge(candidates, scores, nodules, diameters, irrelevant, irrelevant_diameters) -> tuple[np.ndarray, np.ndarray]:
    """Apply LUNA16's rules to one scan.

    Parameters
    ----------
    candidates, scores : (C, 3) and (C,) array
        Places in mm and how sure the detector is; C may be 0.
    nodules, diameters : (K, 3) and (K,) array
        Centres and diameters in mm; K may be 0.
    irrelevant, irrelevant_diameters : (M, 3) and (M,) array
        The same of irrelevant findings; M may be 0.

    Returns
    -------
    (K,) array of float
        Of each nodule the highest score among its hits, in the order of the nodules; -inf for a nodule that is missed.
    (F,) array of float
        The scores of the false positives, in the order of the candidates.
    """
    ### BEGIN SOLUTION
    hits = np.linalg.norm(candidates[:, None] - nodules[None], axis=-1) < diameters / 2  # (C, K)
    ignored = np.linalg.norm(candidates[:, None] - irrelevant[None], axis=-1) < irrelevant_diameters / 2  # (C, M)
    best = np.where(hits, scores[:, None], -np.inf).max(axis=0, initial=-np.inf)
    false = ~hits.any(axis=1) & ~ignored.any(axis=1)
    return best, scores[false]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "judge_hits", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Within the radius, and the highest score. Two nodules of 10 mm; four candidates, the third exactly at the radius of the first.
NOTHING, NO_SIZE = np.zeros((0, 3)), np.zeros(0)
nodules, diameters = np.array([[0.0, 0.0, 0.0], [0.0, 60.0, 0.0]]), np.array([10.0, 10.0])
candidates = np.array([[0.0, 0.0, 1.0], [3.0, 2.0, 0.0], [0.0, 0.0, 5.0], [0.0, 90.0, 0.0]])
found, false = judge(candidates, np.array([0.3, 0.8, 0.7, 0.2]), nodules, diameters, NOTHING, NO_SIZE)
close(
    float(found[0]), 0.8, "the score of a nodule hit with 0.3 and 0.8", "a nodule counts once, with its highest score"
)
### BEGIN HIDDEN TESTS
close(
    np.asarray(false),
    np.array([0.7, 0.2]),
    "the false positives",
    "at the radius is outside: nearer than, not as near as; and a diameter is twice a radius",
)
close(
    np.nan_to_num(np.asarray(found, dtype=float), neginf=-1.0),
    np.array([0.8, -1.0]),
    "the nodules' scores, with -1 for -inf",
    "nothing hit the second nodule: -inf",
)
two = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
found, false = judge(np.array([[0.0, 0.0, 1.0]]), np.array([0.5]), two, np.array([10.0, 8.0]), NOTHING, NO_SIZE)
close(
    np.asarray(found),
    np.array([0.5, 0.5]),
    "the scores of two nodules that share their only candidate",
    "a candidate that hits two counts for both",
)
rng = testing.hidden_rng("judge_hits")
for _ in range(4):
    nodules, diameters = rng.uniform(0, 60, (5, 3)), rng.uniform(5, 30, 5)
    candidates, scores = rng.uniform(0, 60, (40, 3)), rng.normal(0, 1, 40)
    expected = froc.judge_scan(candidates, scores, nodules, diameters)
    found, false = judge(candidates, scores, nodules, diameters, NOTHING, NO_SIZE)
    close(
        np.nan_to_num(np.asarray(found, dtype=float), neginf=-99.0),
        np.nan_to_num(expected.nodule_scores, neginf=-99.0),
        "the scores of five nodules among forty candidates, -99 for -inf",
        "each nodule has its own radius; scores may be negative; a candidate may hit two",
    )
    close(
        np.asarray(false), expected.false_positive_scores, "the false positives among forty candidates, in their order"
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "judge_irrelevant", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Irrelevant findings count neither way.
nodules, diameters = np.array([[0.0, 0.0, 0.0]]), np.array([8.0])
irrelevant, sizes = np.array([[40.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), np.array([6.0, 20.0])
candidates = np.array([[41.0, 0.0, 0.0], [1.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
found, false = judge(candidates, np.array([0.9, 0.6, 0.4]), nodules, diameters, irrelevant, sizes)
close(
    np.asarray(false),
    np.array([0.4]),
    "the false positives, when the surest candidate hits an irrelevant finding",
    "it is neither a hit nor a false positive",
)
### BEGIN HIDDEN TESTS
close(
    np.asarray(found),
    np.array([0.6]),
    "a nodule whose only hit lies in an irrelevant finding, too",
    "the nodule goes first",
)
found, false = judge(candidates, np.array([0.9, 0.6, 0.4]), nodules, diameters, irrelevant, np.array([2.0, 20.0]))
close(
    np.asarray(false),
    np.array([0.9, 0.4]),
    "the false positives, when the irrelevant finding is 2 mm wide and the candidate 1 mm away",
    "irrelevant findings have their own radius",
)
found, false = judge(
    candidates, np.array([0.9, 0.6, 0.4]), nodules, diameters, irrelevant - [[2.2, 0.0, 0.0]], np.array([7.0, 20.0])
)
close(
    np.asarray(false),
    np.array([0.4]),
    "the false positives, when the irrelevant finding is 7 mm wide and the candidate 3.2 mm away",
    "half of 7 is 3.5",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "judge_empty", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Scans without nodules, and scans without candidates.
NOTHING, NO_SIZE = np.zeros((0, 3)), np.zeros(0)
found, false = judge(np.array([[1.0, 2.0, 3.0]]), np.array([0.4]), NOTHING, NO_SIZE, NOTHING, NO_SIZE)
close(len(found), 0, "the number of nodules of a scan without nodules")
close(
    np.asarray(false),
    np.array([0.4]),
    "the false positives of a scan without nodules",
    "they count, although there was nothing to find",
)
### BEGIN HIDDEN TESTS
found, false = judge(NOTHING, NO_SIZE, np.array([[1.0, 2.0, 3.0]]), np.array([5.0]), NOTHING, NO_SIZE)
close(
    np.nan_to_num(np.asarray(found, dtype=float), neginf=-1.0),
    np.array([-1.0]),
    "the nodule of a scan without candidates, -1 for -inf",
)
close(len(false), 0, "the number of false positives of a scan without candidates")
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What you predicted: 200 candidates on one nodule</summary>
#
# Neither. The nodule counts once, and none of the 200 is a false positive. A reader would mind all the same: the rules do not measure everything.
#
# </details>
#
# ## Exercise 5: the curve, and one number
#
# Lower the threshold from the surest candidate to the least sure, and count over *all* scans. At each threshold, candidates with at least this score
# are drawn:
#
# $$ \text{sensitivity} = \frac{\text{nodules found}}{\text{all nodules}}, \qquad
# \text{false positives a scan} = \frac{\text{false positives}}{\text{all scans}}. $$
#
# Scans without nodules belong to all scans: most people's chests have none. Candidates with the same score are drawn together, so they make one point.
#
# The *competition performance metric* (CPM) is the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan, with straight lines
# between the points. Beyond its last point the curve stays where it is.
#
# **Predict first:** a perfect detector has CPM 1. What has one that finds every nodule, but only after 10 false positives in each scan?
#
# <details><summary>Hint</summary>
#
# Collect all scores once, `np.unique` them, go from high to low, and count with `>=`. `np.interp` draws straight lines, and where two points have the same x it
# answers with the last one.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "froc_curve", "locked": false, "schema_version": 3, "solution": true, "task": false}
def froc_curve(scans) -> tuple[np.ndarray, np.ndarray]:
    """Return the free-response curve.

    Parameters
    ----------
    scans : list of (nodule scores (K,), false-positive scores (F,))
        What `judge` gave for each scan.

    Returns
    -------
    (T,) array of float
        False positives a scan, one for each threshold, from high thresholds to low; the first is 0, above all scores.
    (T,) array of float
        The sensitivity at the same thresholds; the first is 0.
    """
    ### BEGIN SOLUTION
    found = np.concatenate([nodules for nodules, _ in scans])
    false = np.concatenate([scores for _, scores in scans])
    thresholds = np.unique(np.concatenate([found[found > -np.inf], false]))[::-1]  # from high to low
    sensitivity = [np.mean(found >= threshold) for threshold in thresholds]
    false_positives = [np.sum(false >= threshold) / len(scans) for threshold in thresholds]
    return np.array([0.0, *false_positives]), np.array([0.0, *sensitivity])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "froc_curve_by_hand", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Two scans, four nodules, one of them missed. 0.7 is the score of a hit and of a false positive: one point.
scans = [(np.array([0.9, 0.7]), np.array([0.8])), (np.array([-np.inf, 0.6]), np.array([0.7, 0.5]))]
false_positives, sensitivity = froc_curve(scans)
close(
    np.asarray(sensitivity),
    np.array([0, 0.25, 0.25, 0.5, 0.75, 0.75]),
    "the sensitivity at the thresholds above all, 0.9, 0.8, 0.7, 0.6, 0.5",
    "of all four nodules, the missed one too",
)
### BEGIN HIDDEN TESTS
close(
    np.asarray(false_positives),
    np.array([0, 0, 0.5, 1.0, 1.0, 1.5]),
    "the false positives a scan at the same thresholds",
    "divide by the number of scans; candidates with one score are drawn together",
)
scans = [*scans, (np.zeros(0), np.zeros(0)), (np.zeros(0), np.array([0.95, 0.95]))]
false_positives, sensitivity = froc_curve(scans)
close(
    np.asarray(false_positives),
    np.array([0, 0.5, 0.5, 0.75, 1.0, 1.0, 1.25]),
    "the false positives a scan with two more scans without nodules",
    "they are scans, too",
)
close(
    np.asarray(sensitivity),
    np.array([0, 0, 0.25, 0.25, 0.5, 0.75, 0.75]),
    "the sensitivity with two more scans without nodules",
)
rng = testing.hidden_rng("froc_curve_by_hand")
scans = [
    (np.where(rng.random(k) < 0.3, -np.inf, rng.normal(1, 1, k).round(1)), rng.normal(0, 1, 9 - k).round(1))
    for k in (1, 4, 2, 3, 1, 0, 3, 2)
]
expected = froc.froc([Bunch(nodule_scores=n, false_positive_scores=f) for n, f in scans])
false_positives, sensitivity = froc_curve(scans)
close(np.asarray(false_positives), expected.false_positives, "the false positives of eight random scans")
close(
    np.asarray(sensitivity),
    expected.sensitivity,
    "the sensitivity in eight random scans",
    "count all nodules of all scans together; a missed nodule is found at no threshold, and negative scores are scores",
)
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "cpm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cpm(false_positives: np.ndarray, sensitivity: np.ndarray) -> float:
    """Return the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan.

    Parameters
    ----------
    false_positives, sensitivity : (T,) array
        A curve as of `froc_curve`, both rising.

    Returns
    -------
    float
        In [0, 1].
    """
    ### BEGIN SOLUTION
    rates = 2.0 ** np.arange(-3, 4)
    return float(np.interp(rates, false_positives, sensitivity).mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "cpm_by_hand", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The curve of the scans above: flat up to 1/2, then a rise, and the end at 1.5.
curve = np.array([0, 0, 0.5, 1.0, 1.0, 1.5]), np.array([0, 0.25, 0.25, 0.5, 0.75, 0.75])
close(
    cpm(*curve),
    (3 * 0.25 + 4 * 0.75) / 7,
    "the CPM of a short curve",
    "at 1 the end of the step counts; beyond 1.5 the curve stays",
)
### BEGIN HIDDEN TESTS
close(cpm(np.array([0.0, 0.0]), np.array([0.0, 1.0])), 1.0, "the CPM of a perfect detector")
close(
    cpm(np.array([0.0, 10.0]), np.array([0.0, 1.0])),
    np.mean([0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8]),
    "the CPM of a straight line to 10 false positives a scan",
    "straight lines between the points; seven rates, from 1/8 to 8",
)
close(
    cpm(np.array([0.0, 10.0, 10.0]), np.array([0.0, 0.0, 1.0])),
    0.0,
    "the CPM of a detector that finds all after 10 false positives a scan",
)
close(
    cpm(np.array([0.0, 0.1, 0.2, 0.3]), np.array([0.0, 0.4, 0.5, 0.6])),
    np.mean([0.425, 0.55, 0.6, 0.6, 0.6, 0.6, 0.6]),
    "the CPM of a curve that ends at 0.3",
)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What you predicted: all nodules, after 10 false positives</summary>
#
# 0. At 8 false positives a scan nothing has been found yet, and what comes later is not asked for. CPM and "sensitivity of the system" are two things.
#
# </details>
#
# ## Exercise 6: how sure is that number?
#
# Say that eight scans gave a CPM of 0.61. With eight other patients it would be another number. The *bootstrap* imitates other patients: draw as many scans
# as there are, with replacement, and compute the CPM of the draw, again and again:
#
# $$ \text{CPM}^{(b)} = \text{CPM}\big(\{\text{scan}_{i}: i \in \text{draw}_b\}\big), \qquad b = 1 \dots B. $$
#
# The middle 95 % of these values is the interval that LUNA16 reports, with $B = 1000$. Draw *scans*, not candidates: candidates of one scan share a
# patient, a scanner and a dose. A draw without any nodule has no sensitivity; leave it out.
#
# <details><summary>Hint</summary>
#
# A scan that is drawn twice counts twice, with its nodules, its false positives and itself. `draws[b]` holds the numbers of the scans.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "bootstrap_cpm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bootstrap_cpm(scans, draws: np.ndarray) -> np.ndarray:
    """Return the CPM of each draw of scans.

    Parameters
    ----------
    scans : list of (nodule scores, false-positive scores)
        S scans as of `judge`.
    draws : (B, S) array of int
        Numbers of the scans that are drawn, 0 to S - 1, with repeats.

    Returns
    -------
    (B',) array of float
        One for each draw that holds a nodule, in the order of the draws.
    """
    ### BEGIN SOLUTION
    result = []
    for draw in draws:
        drawn = [scans[i] for i in draw]
        if sum(len(nodules) for nodules, _ in drawn):
            result.append(cpm(*froc_curve(drawn)))
    return np.array(result)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bootstrap_cpm_draws", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Three scans: one found, one missed, one without nodules but with a false positive that is surer than all.
scans = [(np.array([0.9]), np.zeros(0)), (np.array([-np.inf]), np.zeros(0)), (np.zeros(0), np.array([0.95]))]
got = bootstrap_cpm(scans, np.array([[0, 0, 0], [0, 0, 1], [1, 1, 1]]))
close(
    np.asarray(got),
    np.array([1.0, 2 / 3, 0.0]),
    "the CPM when the found scan is drawn three times, twice, never",
    "a scan that is drawn twice counts twice",
)
### BEGIN HIDDEN TESTS
got = bootstrap_cpm(scans, np.array([[2, 2, 2], [0, 2, 0], [0, 0, 0], [2, 2, 2]]))
close(
    np.asarray(got),
    np.array([5 / 7, 1.0]),
    "the CPM of four draws, two of them without a nodule",
    "leave out draws without a nodule; false positives are counted a scan of the draw",
)
rng = testing.hidden_rng("bootstrap_cpm_draws")
scans = [
    (np.where(rng.random(2) < 0.3, -np.inf, rng.normal(1, 1, 2)), rng.normal(0, 1, rng.integers(1, 12)))
    for _ in range(6)
]
draws = rng.integers(0, 6, (12, 6))
expected = []
for draw in draws:
    expected.append(
        froc.cpm(froc.froc([Bunch(nodule_scores=scans[i][0], false_positive_scores=scans[i][1]) for i in draw]))
    )
close(
    np.asarray(bootstrap_cpm(scans, draws)),
    np.array(expected),
    "the CPM of twelve draws of six random scans",
    "draw whole scans",
)
### END HIDDEN TESTS

# %% [markdown]
# ## The paper's claims, measured again
#
# Now everything is yours: planes, network, rules, curve and interval. A detector marks blobs in each scan, and its 60 surest ones are the
# candidates. Four networks learn from the same scans and judge the candidates of others, for each of five seeds. Scans are split, not candidates.
#
# | network | views | fusion |
# |---|---|---|
# | one view | axial | - |
# | three views | axial, coronal, sagittal | late |
# | nine views | all | late |
# | committee | all | each view has its own opinion; the mean of their probabilities counts |
#
# 1. *More views are better:* CPM(9) > CPM(3) > CPM(1).
# 2. *Late fusion is at least as good as a committee.*
#
# Two opponents stand beside them. One is the detector's own score. The other is not a network either: the mean, the scatter and the smallest value of
# the density in rings around the candidate, over the nine planes, and logistic regression. A ball has the same rings in all planes; a vessel has not.
#
# To be quick, planes have 32 pixels instead of 64, and the stream 8, 16 and 32 maps. The notebook's run makes 16 scans and splits them anew for each
# seed, so its five values are not independent; the course's longer run makes new scans for each.
#
# **Predict first:** which of the six is the best after a minute of training? Will more views help at once, or only those who train long enough?

# %% tags=["experiment"]
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medcourse.models.candidates import find_nodule_candidates

UNIT, PAPER = "05_cad_multiview", "Setio et al. 2016"
LONG = effects.thorough()
SIDE_MM, N_PX, N_CANDIDATES = 50.0, 32, 60
VIEWS = {"one view": [0], "three views": [0, 1, 2], "nine views": list(range(9)), "committee": list(range(9))}


def look_at(scan) -> Bunch:
    """Find candidates of a scan, cut their nine planes, and say which of them are nodules."""
    found = find_nodule_candidates(scan.volume, scan.spacing_mm)
    centres = found.centres_mm[:N_CANDIDATES]
    cut = planes.sample_planes(
        scan.volume, scan.spacing_mm, centres, nine_planes(), side_mm=SIDE_MM, n_px=N_PX, fill=-1000.0
    )
    other = scan.get("irrelevant") or Bunch(centres_mm=np.zeros((0, 3)), diameters_mm=np.zeros(0))
    truth = (scan.nodules.centres_mm, scan.nodules.diameters_mm, other.centres_mm, other.diameters_mm)
    outcome = froc.judge_scan(
        centres, found.scores[:N_CANDIDATES], *truth[:2], irrelevant_mm=truth[2], irrelevant_diameters_mm=truth[3]
    ).outcome
    return Bunch(
        planes=np.clip(cut, -1000, 400).astype(np.float16),  # (C, 9, n, n) HU
        centres=centres,
        scores=found.scores[:N_CANDIDATES],
        radii=found.radii_mm[:N_CANDIDATES],
        truth=truth,
        outcome=outcome,
    )


def simulate(n_scans: int, seed: int) -> list:
    """Make chests one after another, and keep what is seen of their candidates."""
    knobs = {"spacing_mm": (2.0, 1.5, 1.5), "nodules_per_scan": 6, "diameter_mm": (4, 12)}
    return [look_at(datasets.make_chest(i, seed=seed, **knobs)) for i in range(n_scans)]


POOL = None if LONG else effects.source(lambda: simulate(16, 50), lambda folder: None)


def cohort(seed: int):
    """Scans to learn from and scans to test on, drawn anew for each seed."""
    cases = POOL or effects.source(
        lambda: simulate(40, 100 + seed), lambda folder: [look_at(scan) for scan in datasets.read_luna(folder)]
    )
    order = np.random.default_rng(seed).permutation(len(cases))
    n_train = int(0.6 * len(cases))
    return [cases[i] for i in order[:n_train]], [cases[i] for i in order[n_train:]]


# %% tags=["experiment"]
class Committee(nn.Module):
    """One stream and one classifier for all views, each view with its own opinion: (B, P, n, n) to logits (B, P)."""

    def __init__(self, n_views: int, side: int, maps, features: int = 16) -> None:
        super().__init__()
        self.stream, self.classify = Stream(side, maps, features), nn.Linear(features, 1)

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        batch, views = planes.shape[:2]
        return self.classify(self.stream(planes.flatten(0, 1)[:, None])).reshape(batch, views)


def as_input(cut: np.ndarray) -> torch.Tensor:
    """Turn HU into numbers from -0.2 to 0.8, of which air has the first."""
    return torch.as_tensor((cut.astype(np.float32) + 1000) / 1400 - 0.2)


def loss(logits: torch.Tensor, is_nodule: torch.Tensor) -> torch.Tensor:
    """Cross-entropy; of a committee the mean over its members."""
    target = is_nodule.reshape(-1, *[1] * (logits.ndim - 1)).expand_as(logits)
    return functional.binary_cross_entropy_with_logits(logits, target)


def train(cases, name: str, seed: int):
    """Train one network; half of each batch are nodules, all views of a batch are mirrored and shifted alike."""
    views, rng = VIEWS[name], np.random.default_rng(seed)
    x = torch.cat([as_input(case.planes[case.outcome > -2][:, views]) for case in cases])
    y = np.concatenate([case.outcome[case.outcome > -2] >= 0 for case in cases])
    classes = [np.flatnonzero(y == is_nodule) for is_nodule in (False, True)]

    def batch(step: int):
        picked = np.concatenate([rng.choice(of_class, 16) for of_class in classes])
        turned = [axis for axis in (2, 3) if rng.random() < 0.5]
        moved = rng.integers(-1, 2, 2).tolist()  # in pixels of 1.6 mm
        return torch.roll(x[picked].flip(turned), moved, (2, 3)), torch.as_tensor(y[picked]).float()

    torch.manual_seed(seed)
    net = (Committee if name == "committee" else LateFusion)(len(views), N_PX, (8, 16, 32))
    training.fit(net, batch, loss, steps=800 if LONG else 150, lr=3e-3, label=f"seed {seed}, {name}")
    return net.cpu()


@torch.no_grad()
def score(net, case, name: str) -> np.ndarray:
    """The probability of each candidate of a scan."""
    probability = net(as_input(case.planes[:, VIEWS[name]])).sigmoid().numpy()
    return probability.reshape(len(case.scores), -1).mean(axis=1)


# %% tags=["experiment"]
t = (np.arange(N_PX) - (N_PX - 1) / 2) * SIDE_MM / N_PX
distance_mm = np.hypot(t[:, None], t)
rings = [
    (distance_mm >= low) & (distance_mm < high) for low, high in [(0, 2), (2, 4), (4, 6), (6, 9), (9, 14), (14, 20)]
]


def ring_features(case) -> np.ndarray:
    """Density in rings, over nine planes: mean, scatter, smallest; and what the detector says: (C, 26)."""
    cut = case.planes.astype(np.float32)
    mean = np.stack([cut[:, :, ring].mean(axis=-1) for ring in rings], axis=-1)  # (C, 9, 6)
    within = np.stack([cut[:, :, ring].std(axis=-1) for ring in rings], axis=-1)
    found = np.column_stack([np.log(case.scores), case.radii])
    return np.concatenate([mean.mean(axis=1), mean.std(axis=1), mean.min(axis=1), within.mean(axis=1), found], axis=1)


def baseline(cases):
    """Logistic regression on the rings."""
    x = np.concatenate([ring_features(case)[case.outcome > -2] for case in cases])
    y = np.concatenate([case.outcome[case.outcome > -2] >= 0 for case in cases])
    return make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)).fit(x, y)


def evaluate(cases, scores) -> list:
    """Judge each scan by your rules."""
    return [judge(case.centres, s, *case.truth) for case, s in zip(cases, scores)]


results = []
for seed in effects.seeds():
    learn, test = cohort(seed)
    nets = {name: train(learn, name, seed) for name in VIEWS}
    judged = {name: evaluate(test, [score(net, case, name) for case in test]) for name, net in nets.items()}
    rings_model = baseline(learn)
    judged["rings, logistic regression"] = evaluate(
        test, [expit(rings_model.decision_function(ring_features(case))) for case in test]
    )
    judged["detector"] = evaluate(test, [case.scores for case in test])
    results.append({name: cpm(*froc_curve(scans)) for name, scans in judged.items()})

import pandas as pd

pd.DataFrame(results).rename_axis("seed").T.assign(mean=lambda table: table.mean(axis=1)).round(3)


# %% tags=["experiment"]
def gain(better: str, than: str) -> list[float]:
    """The difference of two CPMs, seed by seed."""
    return [cpms[better] - cpms[than] for cpms in results]


claims = [
    ("CPM, 3 views minus 1, above 0", "three views", "one view", "the order, said"),
    ("CPM, 9 views minus 3, above 0", "nine views", "three views", "the order, said"),
    ("CPM of 9 views, late fusion minus committee, above 0", "nine views", "committee", "at least as good, said"),
    ("CPM, 9 views minus the detector's own score, above 0", "nine views", "detector", "not compared"),
    (
        "CPM, 9 views minus rings with logistic regression, above 0",
        "nine views",
        "rings, logistic regression",
        "not compared",
    ),
]
table = effects.report(
    [
        effects.measure(UNIT, claim, gain(better, than), paper=PAPER, paper_figure=figure, above=0.0)
        for claim, better, than, figure in claims
    ]
)
table

# %% [markdown]
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>
#
# Look at the last row before you praise the network. What did its opponent know that the network had to learn from a
# few dozen nodules?
#
# Here are the curves of the last seed, with bands from your bootstrap's idea: scans drawn with replacement.

# %% tags=["experiment"]
shown = {
    name: froc.bootstrap_froc([Bunch(nodule_scores=n, false_positive_scores=f) for n, f in judged[name]])
    for name in ("nine views", "one view", "detector")
}
draws = np.random.default_rng(0).integers(0, len(test), (1000, len(test)))
low, high = np.quantile(bootstrap_cpm(judged["nine views"], draws), [0.025, 0.975])
print(
    f"nine views, last seed: CPM {results[-1]['nine views']:.2f}, 95 % interval {low:.2f} to {high:.2f} over {len(test)} scans"
)
plots.plot_froc(shown, title="Last seed, bands of 95 % (simulated scans)")

# %% [markdown]
# ## Questions in words
#
# **Question 1.** A company reports: "CPM 0.71 for our nine views and 0.68 for our three, on 8 scans with 48 nodules; so nine views are better." It drew the 2880
# candidates with replacement to get an interval of 0.70 to 0.72. Answer in at most 150 words: what is wrong with the interval, what would you compute
# in its place, and can eight scans carry the claim? Use the interval of your own run.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_interval", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# Candidates of one scan share a patient, a scanner, a dose and a reader, so they are not independent: drawing 2880 candidates pretends to have 2880
# patients and makes the interval far too narrow. It also breaks up scans, so that "false positives a scan" loses its meaning. Draw the eight scans with
# replacement. Both networks judged the same scans, so compute the difference of CPMs within each draw and look at its interval; it
# is narrower than two separate ones, and it answers the question. In my run, the interval of one CPM was several
# times as wide as 0.03. Eight scans can hardly tell such a difference; the claim needs many more.
#
# === BEGIN MARK SCHEME ===
# 1 point: candidates of a scan depend on each other (patient, scanner); the interval is too narrow.
# 1 point: bootstrap over scans, and of the paired difference of both systems on the same draws.
# 1 point: compares the difference with the width of the own interval, and concludes that eight scans do not carry it.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** CPM averages the sensitivity from 1/8 to 8 false positives a scan. A screening programme reads 200 scans a day and can look at 100 extra marks.
# Which part of the curve is of use there? Name one kind of nodule that may be missed although the CPM is high, and say how you would find out.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_operating_point", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# 100 marks for 200 scans are 1/2 false positive a scan. What the system does at 2, 4 or 8 is of no use to this programme, but makes up three of
# seven parts of the CPM. So compare systems by the sensitivity at 1/2, with its interval. Ground-glass nodules are faint and few, so they weigh little in the mean; the same holds for
# nodules at the pleura. Compute the sensitivity at 1/2 for each kind and size by itself, on scans that hold enough of them.
#
# === BEGIN MARK SCHEME ===
# 1 point: 1/2 false positive a scan, with the arithmetic; the rest of the curve does not matter there.
# 1 point: a concrete kind (subsolid, small, pleural, attached to a vessel) and the sensitivity for it alone.
# === END MARK SCHEME ===

# %% [markdown]
# ## On real scans
#
# LUNA16 has 888 scans of LIDC-IDRI, CC BY 4.0. Download its tables and one of its ten subsets from
# [Zenodo, part 1](https://zenodo.org/records/3723295) or [part 2](https://zenodo.org/records/4121926), unpack them into one folder, and run the same cells:
#
# ```
# medcourse effects 05_cad_multiview --data FOLDER
# ```
#
# Candidates then come from the same detector, nodules and irrelevant findings from `annotations.csv` and `annotations_excluded.csv`.
#
# **References.** A. A. A. Setio et al.: *Pulmonary nodule detection in CT images: false positive reduction using multi-view convolutional networks*.
# IEEE Transactions on Medical Imaging 35(5):1160-1169, 2016. [doi:10.1109/TMI.2016.2536809](https://doi.org/10.1109/TMI.2016.2536809).
# A. A. A. Setio et al.: *Validation, comparison, and combination of algorithms for automatic detection of pulmonary nodules in computed tomography images:
# the LUNA16 challenge*. Medical Image Analysis 42:1-13, 2017. [doi:10.1016/j.media.2017.06.015](https://doi.org/10.1016/j.media.2017.06.015)
