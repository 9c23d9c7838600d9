# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Random views: one mark, looked at a hundred times
#
# Unit 6, after Roth and colleagues, *Improving Computer-Aided Detection Using Convolutional Neural Networks and Random
# View Aggregation*, IEEE TMI 2016.
#
# **After this lesson you can**
#
# - explain why a detector is built in two tiers, and what the second one can never repair;
# - say what *2.5D* is, and read a view at any scale, shift and turn;
# - tell what averaging over random views gives, and what it does not;
# - put a lecture's "13-14 %" right, and say what was compared with what;
# - cut the same oblique view with SimpleITK.
#
# **Time:** about 50 minutes, and 110 for the lab. **Before this:** *Nine planes* (unit 5), for FROC curves; a little PyTorch.
#
# **Cost:** {{cost}}

# %%
import time

import numpy as np
import SimpleITK
import torch
from torch.nn import functional

from medcourse import datasets, froc, plots, training
from medcourse.models import candidates
from medcourse.models.random_views import (
    RandomViewNet,
    Views,
    draw_views,
    fixed_view,
    rotate_about,
    sample_views,
    view_probabilities,
)

plots.use_style()
SOFT = (-150.0, 250.0)  # the soft tissue window: Hounsfield units shown black and white
CHEST = {"nodules_per_scan": 0, "nodes_per_scan": 6, "seed": 61}

# %% [markdown]
# ## The problem: a bean between pipes
#
# A patient has lung cancer. Whether surgery makes sense depends on the *lymph nodes* of the mediastinum, the space between
# the lungs: are they enlarged? A node is a bean of soft tissue in fat. Everybody has dozens. By the rule of RECIST 1.1, one with a
# *short axis* (its smaller diameter in the slice) below 10 mm is normal.
#
# The mediastinum is full of other things that are round in a slice: arteries, veins, the oesophagus. With a contrast agent
# blood is bright, and a vessel is told from a node at once. Without it both are the same grey.
#
# This chest is **simulated**, like all others here. Scroll through it. Circles are enlarged nodes, diamonds normal ones.

# %%
chest = datasets.make_chest(3, spacing_mm=(2.0, 1.5, 1.5), **CHEST)
enlarged = chest.nodes.diameters_mm >= 10
balls = np.column_stack([chest.nodes.centres_mm, chest.nodes.diameters_mm / 2])  # z, y, x, radius in mm
plots.view_volume(
    chest.volume,
    spacing_mm=chest.spacing_mm,
    detections={"hit": balls[enlarged], "candidate": balls[~enlarged]},
    limits=SOFT,
    alt="Axial slices of a simulated chest in a soft tissue window; enlarged lymph nodes are circled between the lungs.",
)

# %% [markdown]
# **Predict.** Six spots, each seen in one axial slice, 35 mm wide. Three are enlarged nodes, three are something else. Which?

# %%
marks = candidates.find_node_candidates(chest.volume, chest.spacing_mm)
distance = np.linalg.norm(marks.centres_mm[:, None] - chest.nodes.centres_mm[None], axis=-1)  # (marks, nodes)
hit = distance < chest.nodes.diameters_mm / 2
labels = np.where((hit & enlarged).any(1), 1, np.where(hit.any(1), -1, 0))
right, wrong = np.flatnonzero(labels == 1)[:3], np.flatnonzero(labels == 0)[:3]
quiz = np.array([wrong[0], right[0], right[1], wrong[1], right[2], wrong[2]])
upright = sample_views(chest.volume, chest.spacing_mm, marks.centres_mm[quiz], fixed_view(35.0), n_px=48)[:, 0]

figure, axes = plots.panels(1, 6, width_inches=1.6, height_inches=1.8)
for ax, letter, view in zip(axes[0], "ABCDEF", upright):
    plots.show_image(view[0], letter, spacing_mm=35 / 48, limits=SOFT, ax=ax)
plots.describe(figure, "Six axial patches of 35 mm, A to F, each with a round grey or bright spot in the middle.")

# %% [markdown]
# Here are the same six, each also cut from the front (*coronal*) and from the side (*sagittal*).

# %%
figure, axes = plots.panels(3, 6, width_inches=1.6, height_inches=1.75)
for column, (letter, mark, view) in enumerate(zip("ABCDEF", quiz, upright)):
    for row, plane in enumerate(("axial", "coronal", "sagittal")):
        truth = "enlarged node" if labels[mark] == 1 else "something else"
        title = f"{letter}: {truth}" if row == 0 else ""
        plots.show_image(view[row], title, spacing_mm=35 / 48, limits=SOFT, ax=axes[row, column])
        axes[row, 0].text(-0.06, 0.5, plane, rotation=90, ha="right", va="center", transform=axes[row, 0].transAxes)
plots.describe(
    figure,
    "The six spots in three planes each, with the truth: nodes are round in all planes, most others are long in one.",
)

# %% [markdown]
# A node ends in every direction. A vessel goes on in one, and the wall of something large has no other side. One slice does not show
# that, so a radiologist scrolls.
#
# ## Two tiers
#
# A network cannot look closely at every one of a million voxels. So a first program marks all places that might be a node. It is cheap,
# and set so that it misses hardly anything. That makes it cry wolf:

# %%
found = {
    "hit": np.column_stack([marks.centres_mm, marks.radii_mm])[labels == 1],
    "false positive": np.column_stack([marks.centres_mm, marks.radii_mm])[labels == 0],
}
n_found = (hit & enlarged).any(0)[enlarged].sum()
print(f"{enlarged.sum()} enlarged nodes, {n_found} of them marked; {(labels == 0).sum()} marks on something else")
print(f"{(labels == -1).sum()} marks on normal nodes, which are neither right nor wrong")
plots.show_slices(chest.volume, spacing_mm=chest.spacing_mm, n=8, detections=found, limits=SOFT, panel_inches=2.4)

# %% [markdown]
# A radiologist would switch this off after a day. The second tier looks at the marks only, and sorts them. It has
# to be right about dozens of places, not about a million. But what the first tier did not mark is lost for good.
#
# **Question 1.** The first tier finds 90 % of the nodes. The second is perfect: it never errs about a mark. What is the sensitivity of both?
#
# <details><summary>100 %, since the second tier makes no mistake</summary>
#
# No. It never sees the 10 % that were not marked.
#
# </details>
# <details><summary>90 %, and no false positives</summary>
#
# Yes. The second tier can only throw marks away. The first one sets the ceiling, which is why it is set to cry wolf.
#
# </details>
# <details><summary>Less than 90 %, since two errors multiply</summary>
#
# They would, if the second tier had errors. A perfect one keeps every right mark, so nothing is lost on the way.
#
# </details>
#
# ## The idea: three planes as colours, a hundred times
#
# **2.5D.** A network for photographs takes three channels: red, green and blue. Roth and colleagues gave it the axial, the coronal
# and the sagittal plane instead. That sees all three directions, at the price of a picture and not of a volume.
#
# **Random views.** A node has no up or down, and the mark is never quite in its middle. So the three planes may just as well be
# turned about any axis, shifted by a few millimetres, and be of another scale. Each such view is a new example to learn
# from, and, later, a new look at the same mark.
#
# Move the sliders. **Before you do:** what will change in the row of the node when you turn, and what in the row of the vessel?

# %%
middle_mm = chest.volume.shape[0] * chest.spacing_mm[0] / 2
node = right[np.abs(marks.centres_mm[right, 0] - middle_mm).argmin()]  # far from the first and the last slice
other = wrong[0]
TILT = np.array([1.0, 0.6, 0.3])  # the axis to turn about, z, y, x


def draw_view(side_mm: float, off_mm: float, turn_deg: int):
    """Show a view of a node and one of something else: three planes, and all three as colours."""
    view = Views(np.array([side_mm]), np.array([[0.0, 0.6, 0.8]]) * off_mm, rotate_about([TILT], [turn_deg]))
    seen = sample_views(chest.volume, chest.spacing_mm, marks.centres_mm[[node, other]], view, n_px=48)[:, 0]
    figure, axes = plots.panels(2, 4, width_inches=1.7, height_inches=1.8)
    for row, (name, planes) in enumerate(zip(("node", "something else"), seen)):
        for column, plane in enumerate(("axial: red", "coronal: green", "sagittal: blue")):
            title = plane if row == 0 else ""
            plots.show_image(planes[column], title, spacing_mm=side_mm / 48, limits=SOFT, ax=axes[row, column])
        colours = np.clip((planes - SOFT[0]) / (SOFT[1] - SOFT[0]), 0, 1).transpose(1, 2, 0)
        plots.show_image(colours, "what the network gets" if row == 0 else "", ax=axes[row, 3])
        axes[row, 0].text(-0.06, 0.5, name, rotation=90, ha="right", va="center", transform=axes[row, 0].transAxes)
    return plots.describe(
        figure, f"Views of {side_mm:g} mm, {off_mm:g} mm off, turned by {turn_deg} degrees: a node and another mark."
    )


plots.demo(
    draw_view,
    side_mm=(20, 60, 35),
    off_mm=(0.0, 8.0, 0.0),
    turn_deg=(0, 360, 0),
    static=[{}, {"side_mm": 50}, {"off_mm": 6.0}, {"turn_deg": 70}],
)

# %% [markdown]
# The node stays a blob in all three planes, whatever you do; its colours mix to grey. The other mark changes its shape from turn
# to turn, and falls apart into colours. Off by 6 mm, the middle of the picture may lie beside the node: that is why the paper
# shifts by about 3 mm at most.
#
# Everything is in **millimetres**. Here a voxel is 2 mm high and 1.5 mm wide; in another hospital it is 5 mm high. A view cut in
# voxels would show eggs where there are balls, and other eggs elsewhere.
#
# How many views? The paper takes about a hundred: four scales (about 30, 35, 40 and 45 mm), five shifts and five turns, each with each. The
# probability of a mark is the mean of what the network says to each.

# %%
rng = np.random.default_rng(0)
hundred = draw_views(rng)
n_show = 12
looks = sample_views(chest.volume, chest.spacing_mm, marks.centres_mm[[node, other]], hundred, n_px=32)
figure, axes = plots.panels(2, n_show, width_inches=0.85, height_inches=1.0)
for row, views in enumerate(np.clip((looks - SOFT[0]) / (SOFT[1] - SOFT[0]), 0, 1)):
    for column in range(n_show):
        title = f"{hundred.sides_mm[column]:g} mm" if row == 0 else ""
        plots.show_image(views[column].transpose(1, 2, 0), title, ax=axes[row, column])
plots.describe(
    figure,
    "Twelve random views as colours. Upper row: a node, a grey blob each time. Lower row: another mark, coloured stripes.",
)

# %% [markdown]
# The upper row is the node: twelve times a grey disc in the middle, with other neighbours. Below, the mark that is none: no disc, and colours
# in the middle. (Some views look alike, for there are only five turns among the hundred.)
#
# **Question 2.** You have 100 marks of patients and 100 views of each. How many independent examples is that for training?
#
# <details><summary>10 000</summary>
#
# No. The views of a mark share the patient, the scanner, the node and its neighbours. They teach the network what does *not* matter:
# direction, scale and place. They teach nothing about other nodes.
#
# </details>
# <details><summary>100</summary>
#
# Rather less: marks of one patient are alike, too. That is why one splits, and bootstraps, by patient.
#
# </details>
# <details><summary>At most as many as there are patients, as far as new cases are concerned</summary>
#
# Yes. What a hundred views add is invariance, which is worth much when examples are few. They do not add patients.
#
# </details>
#
# ## The network
#
# About the paper's: five convolutions, then two dense layers, then a softmax. (So we remember it; the widths below are
# ours.) Its dense layers had *DropConnect*: in each training step a random half of their weights is set to zero. Dropout silences
# whole neurons; this cuts single wires.

# %%
paper_net = RandomViewNet()
x, steps = torch.zeros(1, 3, 32, 32), [("view", 3, 32)]
for layer in paper_net.features:
    x = layer(x)
    if isinstance(layer, torch.nn.MaxPool2d):
        steps[-1] = (steps[-1][0] + "\n+ pool", x.shape[1], x.shape[2])
    elif isinstance(layer, torch.nn.Conv2d):
        steps.append((f"conv {layer.kernel_size[0]}x{layer.kernel_size[0]}", x.shape[1], x.shape[2]))
figure, axes = plots.panels(1, 1, width_inches=9.5, height_inches=2.6)
ax = axes[0, 0]
for place, (name, maps, side) in enumerate(steps):
    half, depth = 0.035 * side**0.7, 0.03 * maps**0.5
    for shift in np.linspace(depth, 0, 4):
        ax.fill(
            place + shift + half * np.array([-1, 1, 1, -1]),
            shift + half * np.array([-1, -1, 1, 1]),
            fc="#9ecae1",
            ec="k",
            lw=0.6,
        )
    ax.text(place, -0.75, f"{name}\n{maps} x {side}²", ha="center", va="top", fontsize=8)
for place, (name, height) in enumerate((("dense 512\nDropConnect", 0.6), ("dense 2\nDropConnect", 0.12)), len(steps)):
    ax.fill(place + 0.05 * np.array([-1, 1, 1, -1]), height * np.array([-1, -1, 1, 1]), fc="#fdae6b", ec="k", lw=0.6)
    ax.text(place, -0.75, name, ha="center", va="top", fontsize=8)
ax.set(xlim=(-0.6, len(steps) + 1.6), ylim=(-1.4, 0.9), aspect="auto")
ax.set_axis_off()
n_weights = sum(parameter.numel() for parameter in paper_net.parameters())
ax.set_title(f"{n_weights:,} weights")
del paper_net
plots.describe(
    figure, "A row of boxes: a view of 3 x 32 x 32, five convolutions with three poolings, two dense layers."
)

# %% [markdown]
# Now make patients, let the first tier mark them, and cut a hundred views of each mark. Marks on normal nodes are left out: they are
# neither right nor wrong. To be quick we take 16 x 16 pixels, voxels of 2.5 x 2 x 2 mm, and a network of an eighth of the width.

# %%
N_PATIENTS, N_TRAIN, N_PX = 14, 8, 16


def look_at(index: int, spacing_mm=(2.5, 2.0, 2.0), n_views: int = 100):
    """Make a patient and return nodes, marks with their labels, and random views of each mark as grey in -0.5 to 0.5."""
    scan = datasets.make_chest(index, spacing_mm=spacing_mm, **CHEST)
    found, big = candidates.find_node_candidates(scan.volume, scan.spacing_mm), scan.nodes.diameters_mm >= 10
    hits = (
        np.linalg.norm(found.centres_mm[:, None] - scan.nodes.centres_mm[None], axis=-1) < scan.nodes.diameters_mm / 2
    )
    is_right, is_normal = (hits & big).any(1), hits.any(1) & ~(hits & big).any(1)
    centres, rng = found.centres_mm[~is_normal], np.random.default_rng([6, index])
    own_views = [draw_views(rng) for _ in centres]
    views = sample_views(scan.volume, scan.spacing_mm, centres, own_views, n_px=N_PX)
    grey = np.clip((views - SOFT[0]) / (SOFT[1] - SOFT[0]), 0, 1) - 0.5
    nodes = (scan.nodes.centres_mm[big], scan.nodes.diameters_mm[big])
    return {
        "nodes": nodes,
        "marks": centres,
        "scores": found.scores[~is_normal],
        "labels": is_right[~is_normal],
        "views": grey,
    }


start = time.perf_counter()
patients = [look_at(10 + i) for i in range(N_PATIENTS)]
n_views = sum(patient["views"].shape[0] * patient["views"].shape[1] for patient in patients)
print(f"{N_PATIENTS} simulated patients, {n_views:,} views in {time.perf_counter() - start:.0f} s")

# %%
pixels = np.concatenate([patient["views"] for patient in patients[:N_TRAIN]])  # (marks, 100, 3, 16, 16)
is_node = np.concatenate([patient["labels"] for patient in patients[:N_TRAIN]])
chance = np.where(is_node, 0.5 / is_node.sum(), 0.5 / (~is_node).sum())  # nodes and others equally often
rng = np.random.default_rng(0)


def batch(step: int):
    """64 random views of marks drawn in balance."""
    drawn = rng.choice(len(is_node), size=64, p=chance)
    views = pixels[drawn, rng.integers(100, size=64)]
    return torch.as_tensor(views), torch.as_tensor(is_node[drawn].astype(int))


torch.manual_seed(0)
net = RandomViewNet(N_PX, maps=(8, 8, 12, 12, 8), hidden=64)
history = training.fit(net, batch, functional.cross_entropy, steps=600, live=True, label="random views")
net = net.cpu()
print(f"{len(history.loss)} steps in {history.seconds:.0f} s; {is_node.sum()} right marks among {len(is_node)}")

# %% [markdown]
# What does it say of patients that it has never seen? First, how the mean *settles* while views are added. **Predict:** after how many
# views does it hardly move any more?

# %%
tested = patients[N_TRAIN:]
each_view = [view_probabilities(net, patient["views"]) for patient in tested]  # (marks, 100) each
everyone, truth = np.concatenate(each_view), np.concatenate([patient["labels"] for patient in tested])
running = np.cumsum(everyone, axis=1) / np.arange(1, 101)
unsure = {
    name: np.flatnonzero(truth == name)[np.argsort(-everyone[truth == name].std(1))[:4]] for name in (True, False)
}
noise = np.random.default_rng(1).uniform(-0.3, 0.3, len(truth))


def draw_settling(views: int):
    """Show the mean over the first views: on the way for a few marks, and there for all."""
    figure, axes = plots.panels(1, 2, width_inches=4.4, height_inches=3.0)
    for kind, colour, name, dashes in (
        (True, "#0072B2", "enlarged node", "-"),
        (False, "#D55E00", "something else", "--"),
    ):
        for i, row in enumerate(unsure[kind]):
            line = running[row, :views]
            axes[0, 0].plot(
                np.arange(1, views + 1),
                line,
                dashes,
                marker="." if views < 3 else None,
                color=colour,
                label=name if i == 0 else None,
            )
        here = truth == kind
        marker = "o" if kind else "x"
        axes[0, 1].scatter(running[here, views - 1], kind + noise[here], s=16, marker=marker, color=colour, alpha=0.6)
    axes[0, 0].set(xlim=(0, 101), ylim=(0, 1), xlabel="views averaged", ylabel="probability of a node")
    axes[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    axes[0, 1].set(xlim=(0, 1), xlabel=f"mean of {views} view{'s' if views > 1 else ''}", title="all marks of the test")
    axes[0, 1].set_yticks([0, 1], labels=["something else", "enlarged node"])
    overlap = np.mean(running[truth, views - 1][:, None] < running[~truth, views - 1][None])
    return plots.describe(
        figure,
        f"Mean probability over {views} views. Left: eight marks about which views disagree. Right: all test marks; "
        f"{100 * overlap:.1f} % of pairs of a node and another mark are in the wrong order.",
    )


plots.demo(draw_settling, views=(1, 100, 10), static=[{"views": n} for n in (1, 5, 25, 100)])

# %% [markdown]
# These are the eight marks about which single views disagree most. After one view a probability is anything; after twenty or thirty it has
# found its place; between fifty and a hundred little happens. The views of one mark are alike, so they soon have nothing new
# to say.
#
# Now all patients of the test, as a FROC curve: how many of the enlarged nodes are found, against false marks a scan. The bands
# come from drawing *patients* again and again.


# %%
def curve(scores):
    """FROC of the test's patients, with a band by patient."""
    scans = [froc.judge_scan(p["marks"], s, *p["nodes"]) for p, s in zip(tested, scores)]
    return froc.bootstrap_froc(scans, n_bootstraps=300)


curves = {
    "first tier alone": curve([patient["scores"] for patient in tested]),
    "1 view": curve([p[:, 0] for p in each_view]),
    "100 views": curve([p.mean(1) for p in each_view]),
}
plots.plot_froc(
    curves, title=f"{len(tested)} simulated patients, {sum(len(p['nodes'][1]) for p in tested)} enlarged nodes"
)

# %% [markdown]
# From one false mark a scan on, the second tier lifts the curve, and more views lift it further, here. To the left of that a
# single view is no help. How much of this is chance, the width of the bands says: six patients cannot
# tell. The lab takes more, five times over.
#
# ## What the paper found, and what we find
#
# The lecture's slide says "13-14 % increase of sensitivity". The abstract says something else. At 3 false positives a patient:
#
# | what was looked for | patients | first tier alone | both tiers | gain |
# |---|---|---|---|---|
# | sclerotic metastases in the spine | 59 | 57 % | 70 % | 13 points |
# | lymph nodes | 176 | 43 % | 77 % | 34 points |
# | polyps of the colon | 1186 | 58 % | 75 % | 17 points |
#
# So the slide has one gain of three. It says per cent where points are meant: from 57 to 70 is 23 *per cent* more. And it sounds as if the
# random views had done it. The comparison is one tier with two. What the views add, one sees only by giving the same
# network fewer of them. The lab does, on simulated chests:
#
# {{effects}}
#
# Read the table with care. The second tier helps, and already with a single view: that is the kind of gain that the abstract reports.
#
# At 3 false positives a scan nearly all nodes that were marked at all are then found, so a hundred views cannot add much there. That is
# a property of our simulated chests, which are easier than people. Hence the second measure, the CPM of unit 5, which also asks for fewer false
# marks. It shows what more views add, and that a hundred add nothing to fifty.
#
# Two things are worth remembering. Averaging at test time alone is not enough: a network that was trained on upright views does badly on
# turned ones. And fourteen hand-made numbers with logistic regression are a strong opponent: at 3 false positives the
# network is hardly better. On a bean in fat, "how grey is the middle, how dark is the rim" says nearly everything.
#
# ## In practice: SimpleITK
#
# Any toolkit can cut an oblique plane. In SimpleITK one describes the grid of the picture (origin, spacing, direction)
# and resamples the scan onto it. Its coordinates are (x, y, z), ours (z, y, x): turn every vector round.

# %%
image = SimpleITK.GetImageFromArray(chest.volume)
image.SetSpacing(chest.spacing_mm[::-1])


def by_simpleitk(centre_mm, side_mm, shift_mm, rotation, n_px=32):
    """Cut the axial plane of a view."""
    _, rows, columns = rotation.T  # where y and x are turned to
    step = side_mm / n_px
    first = centre_mm + shift_mm - (n_px - 1) / 2 * step * (rows + columns)  # the middle of the first pixel
    x, y = columns[::-1], rows[::-1]
    grid = SimpleITK.Image(n_px, n_px, 1, SimpleITK.sitkFloat32)
    grid.SetSpacing([step] * 3)
    grid.SetOrigin(first[::-1].tolist())
    grid.SetDirection(np.stack([x, y, np.cross(x, y)], axis=1).ravel().tolist())
    return SimpleITK.GetArrayFromImage(SimpleITK.Resample(image, grid, SimpleITK.Transform(), SimpleITK.sitkLinear))[0]


place = marks.centres_mm[node]
theirs = np.stack([by_simpleitk(place, *look) for look in zip(hundred.sides_mm, hundred.shifts_mm, hundred.rotations)])
difference = np.abs(looks[0, :, 0] - theirs)
print(f"100 axial planes: largest difference {difference.max():.3f} HU, in a window of {SOFT[1] - SOFT[0]:.0f} HU")

# %% [markdown]
# They agree to rounding. For training on many volumes, MONAI wraps the same in transforms (`RandAffined`), and its `TestTimeAugmentation`
# averages a network over random transforms, as we did over views.
#
# ## Where it fails
#
# **Another protocol.** Many hospitals keep slices of 5 mm. The views still show the same millimetres, but what was
# thin is now smeared along z. The very same six patients, scanned so; the network was never told. **Predict:** which part suffers, the
# first tier or the second?

# %%
thick = [look_at(10 + i, spacing_mm=(5.0, 2.0, 2.0)) for i in range(N_TRAIN, N_PATIENTS)]
for name, group in (("2.5 mm, as in training", tested), ("5 mm", thick)):
    scans = [froc.judge_scan(p["marks"], view_probabilities(net, p["views"]).mean(1), *p["nodes"]) for p in group]
    result = froc.froc(scans)
    marked = sum(np.isfinite(scan.nodule_scores).sum() for scan in scans) / result.n_nodules
    print(
        f"{name}: {marked:.0%} of nodes marked, {froc.sensitivity_at(result, 3):.0%} found at 3 FP a scan, CPM {froc.cpm(result):.2f}"
    )

# %% [markdown]
# With so few patients each node counts for several per cent, so do not read much into one of them. Ask which tier lost it. If the
# first did, no training of the second will bring it back.
#
# **The mean is not a probability of disease.** Training drew nodes and others equally often. In a scan, there are several
# false marks for each right one. So "0.9" does not mean nine of ten. It is a score, good for ranking, until it is calibrated on other patients.
#
# **Averages hide.** A mark of 0.5 may be one about which all views are unsure, or one that is a node from the front and a vessel from
# the side. The second deserves a look by a person. Keep the spread.
#
# **A node is not a metastasis.** Size is all that is judged here. Normal nodes may hold cancer, and enlarged ones may be inflamed.
# And the truth is the outline of one reader.
#
# **Leakage.** Split the views at random, and each test mark has siblings in training. Split the marks, and one
# patient's node, marked twice, is on both sides. Split patients.
#
# **Question 3.** A team draws 100 views of each mark, shuffles all views of all patients, trains on 80 % and reports 99 % accuracy on the rest. What do
# you know?
#
# <details><summary>The network is excellent, since the test views were never seen</summary>
#
# No. Other views of the same marks were. It may recognise *this* node rather than nodes.
#
# </details>
# <details><summary>Nearly nothing: views of one mark lie on both sides, and accuracy ignores the balance</summary>
#
# Yes. Split by patient, and report sensitivity at a number of false positives a scan, with an interval by patient.
#
# </details>
# <details><summary>It would be fair if the marks were shuffled instead of the views</summary>
#
# Better, not fair. Marks of one patient share scanner, contrast phase and often the very node.
#
# </details>
#
# ## Take-aways
#
# - Two tiers: the first sets the ceiling, the second throws out. Report the sensitivity of both together.
# - 2.5D shows three directions at the price of a picture. Cut it in millimetres.
# - Random views teach a network what does not matter, and steady its answer. Soon they have nothing new to say.
# - When somebody reports a gain, ask: in points or per cent, where on the curve, and compared with what?
# - Put the simple opponent beside the network. Sometimes it wins.
#
# Now build it yourself, in the lab of this unit.
#
# ## References
#
# - H. R. Roth et al. Improving Computer-Aided Detection Using Convolutional Neural Networks and Random View Aggregation. IEEE
#   Transactions on Medical Imaging 35(5), 1170-1181, 2016. [doi:10.1109/TMI.2015.2482920](https://doi.org/10.1109/TMI.2015.2482920),
#   [arXiv:1505.03046](https://arxiv.org/abs/1505.03046)
# - H. R. Roth et al. A new 2.5 D representation for lymph node detection in CT (data set *CT Lymph Nodes*). The Cancer Imaging Archive, 2015.
#   [doi:10.7937/K9/TCIA.2015.AQIIDCNM](https://doi.org/10.7937/K9/TCIA.2015.AQIIDCNM): scans and masks, CC BY 3.0.
# - E. A. Eisenhauer et al. New response evaluation criteria in solid tumours: revised RECIST guideline (version 1.1). European Journal of Cancer
#   45(2), 228-247, 2009. [doi:10.1016/j.ejca.2008.10.026](https://doi.org/10.1016/j.ejca.2008.10.026): the short axis.
# - A. A. A. Setio et al. Validation, comparison, and combination of algorithms for automatic detection of pulmonary nodules in computed tomography
#   images: The LUNA16 challenge. Medical Image Analysis 42, 1-13, 2017.
#   [doi:10.1016/j.media.2017.06.015](https://doi.org/10.1016/j.media.2017.06.015): FROC and CPM.
# - B. C. Lowekamp et al. The Design of SimpleITK. Frontiers in Neuroinformatics 7, 45, 2013.
#   [doi:10.3389/fninf.2013.00045](https://doi.org/10.3389/fninf.2013.00045)
