# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How much of a network to train again?
#
# Unit 17, after Tajbakhsh et al., *Convolutional Neural Networks for Medical Image Analysis: Full Training or Fine Tuning?*, and Shin et
# al., *Deep Convolutional Neural Networks for Computer-Aided Detection*, both 2016.
#
# **After this lesson you can**
#
# - show a CT to a network made for colours, through three windows;
# - fit a network to small patches: pooling, filter size, stride;
# - say what *shallow* and *deep* fine-tuning are, and give each layer its own learning rate;
# - read a curve of score against number of patients, and say where a borrowed beginning pays;
# - choose a depth without fooling yourself.
#
# **Time:** about 50 minutes, and 100 for the lab. **Before this:** unit 16 (features of a network trained elsewhere), Hounsfield units.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from medcourse import datasets, plots
from medcourse.models import node_patches, transfer

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: a network too large for the patients there are
#
# A radiologist stages a lung cancer. Between the lungs lie dozens of lymph nodes, and each whose short axis has grown to ten millimetres
# or more matters. They lie between vessels, oesophagus and windpipe, in fat, and look like all of these.
#
# A program could mark them for the reader. But AlexNet has 61 million weights. The public collection of such nodes has 90
# chests with 388 enlarged nodes. A network that starts from random weights can learn these by heart; what it says of the 91st patient is another matter.
#
# Here are patches of **simulated** chests. A simple detector, as in unit 6, has marked blobs of soft tissue in fat, and small vessels in the lungs, too. Which of its marks are enlarged nodes? (Marks on smaller nodes, which are normal, are left out.)
#
# A mark counts as right if it is nearer to the node's centre than half of the short axis. So a second mark at the rim of a node counts as something else: the
# last picture seems to be one. Labels are made by rules, and rules have rims.

# %%
nodes = node_patches.load_node_patches()
hu, is_node, patient = nodes.hu, nodes.labels == 1, nodes.patients
print(
    f"{patient.max() + 1} patients, {len(hu)} marks, {is_node.sum()} of them on enlarged nodes; patches {hu.shape[1:]}"
)

# %%
shown = [*np.flatnonzero(is_node)[:4], *np.flatnonzero(~is_node)[:4]]
figure, axes = plots.panels(2, 4, width_inches=2.2, height_inches=2.4)
for ax, k in zip(axes.ravel(), shown):
    title = "enlarged node" if is_node[k] else "something else"
    plots.show_image(hu[k], title, limits=(-160, 240), spacing_mm=nodes.spacing_mm if k == shown[0] else None, ax=ax)
plots.describe(
    figure, "Eight patches of simulated CT, 48 mm wide: four enlarged lymph nodes above, four other marks below."
)

# %% [markdown]
# All eight patches have the same window. Real reports use several, and so shall we.
#
# ## Three windows for three colours
#
# A network made for photographs reads red, green and blue. A CT has one value a voxel, from about -1000 for air to over 1000 for bone, and a
# screen shows 256 greys. Shin and colleagues put three windows of the same slice into the three channels, so that each range of values
# gets its own greys.
#
# **Predict:** lung, fat, muscle, and vessels with contrast agent: which colour will each have, if red is the lung window, green a wide
# one, and blue a narrow one for soft tissue?

# %%
WINDOWS = {"red: lung": (-1000, -200), "green: wide": (-600, 600), "blue: soft tissue": (-100, 200)}


def windowed(hu: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map [low, high] in HU to [0, 1]; what lies outside is cut off."""
    return datasets.window_hu(hu, (low + high) / 2, high - low).astype(np.float32)


def as_colours(hu: np.ndarray) -> np.ndarray:
    """Three windows as channels: (..., H, W) in HU to (..., 3, H, W) in [0, 1]."""
    return np.stack([windowed(hu, *limits) for limits in WINDOWS.values()], axis=-3)


chest = datasets.make_chest(1, spacing_mm=(2.5, 1.5, 1.5), height_mm=60, nodules_per_scan=0, seed=17)
cut = chest.volume[12]
plots.show_images(
    [*as_colours(cut), as_colours(cut).transpose(1, 2, 0)],
    [*WINDOWS, "all three"],
    spacing_mm=1.5,
    panel_inches=2.4,
    alt="A simulated CT slice in a lung window, a wide window and a soft tissue window, and the three as one colour picture: fat is orange, soft tissue pink, vessels with contrast agent nearly white, and the lungs are black with orange vessels.",
)

# %% [markdown]
# The windows overlap. Where all three are at their end, the picture is white, as in bone and in vessels with contrast agent; where none has begun, it is
# black. **No colour here is a colour of the body.** The network does not mind: it has channels.
#
# Play with one window. How narrow may it be before a node and its fat are two flat areas, and what does noise do then?


# %%
example = hu[shown[0]]


def draw_window(centre_hu: int, width_hu: int):
    """One patch through one window."""
    limits = (centre_hu - width_hu / 2, centre_hu + width_hu / 2)
    return plots.show_image(
        example, f"{limits[0]:.0f} to {limits[1]:.0f} HU", limits=limits, spacing_mm=nodes.spacing_mm
    )


plots.demo(
    draw_window,
    centre_hu=(-200, 200, 40),
    width_hu=(20, 1500, 400),
    static=[{"width_hu": width} for width in (40, 400, 1500)],
)

# %% [markdown]
# **Question 1.** A hospital's scanner stores grey values without the rescale slope and intercept. Your pipeline takes them as HU. What happens to
# the three windows?
#
# <details><summary>Nothing, the network has learned to adapt</summary>
#
# It has learned from pictures in which fat is dark in one channel. It has no way to know that the scale has moved.
#
# </details>
# <details><summary>All tissue may fall off the end of every window, and the picture goes white or black</summary>
#
# Yes. Stored values often begin at 0 or at 1024 above HU. Look at three pictures of every new scanner before you trust one score.
#
# </details>
# <details><summary>Only the lung window suffers</summary>
#
# A shift of 1024 moves fat, muscle and vessels beyond the upper end of all three windows, and brings the lungs into the soft tissue window.
#
# </details>
#
# ## Make the network fit the picture
#
# AlexNet was made for pictures of 224 pixels. Its first filters are 11 pixels wide and jump by 4, and it halves the picture
# three times on top. Our patches have 32 pixels. Follow the side of the picture through the layers:


# %%
def sides(side: int, layers) -> list[int]:
    """The side after each of the layers (filter, stride, padding)."""
    found = [side]
    for filter_px, stride, padding in layers:
        found.append((found[-1] + 2 * padding - filter_px) // stride + 1)
    return found


ALEXNET = {
    "conv1": (11, 4, 2), "pool1": (3, 2, 0), "conv2": (5, 1, 2), "pool2": (3, 2, 0),
    "conv3": (3, 1, 1), "conv4": (3, 1, 1), "conv5": (3, 1, 1), "pool5": (3, 2, 0),
}  # fmt: skip
SMALL = ALEXNET | {"conv1": (7, 1, 3)}  # smaller filters, a quarter of the stride
pd.DataFrame(
    {
        "AlexNet, 224 px": sides(224, ALEXNET.values()),
        "AlexNet, 32 px": sides(32, ALEXNET.values()),
        "adapted, 32 px": sides(32, SMALL.values()),
    },
    index=["input", *ALEXNET],
).T

# %% [markdown]
# With 32 pixels nothing is left: the last pooling would need three places and finds one. Smaller filters and a stride of 1 leave three at the
# end. Three knobs, and each has a price. Another **filter size** cannot keep its borrowed weights. A smaller **stride** keeps them and
# costs more work, four times for each halving. **Less pooling** keeps them, too, but deeper layers see less of the picture.
#
# Or enlarge the patch to 224 pixels: nothing needs to be adapted, and you compute some fifty times as much to look at blur.
#
# `medcourse.models` has AlexNet, GoogLeNet and CifarNet with these knobs, and takes ImageNet's weights where there is a network. Here we work
# without one, with the source network of unit 16: trained on fractals, textures and shapes, never on a photograph or a patient.

# %%
source = transfer.load_source()
print(f"{sum(p.numel() for p in source.parameters()):,} weights, {len(source.classes)} kinds of pictures, for example")
pictures = datasets.make_fractals(1, seed=3)
picked = [0, 7, 14, 21, 32, 38, 41, 47]
figure, axes = plots.panels(1, len(picked), width_inches=1.3, height_inches=1.5)
for ax, k in zip(axes[0], picked):
    plots.show_image(pictures.images[k].transpose(1, 2, 0) / 255, pictures.names[pictures.labels[k]], ax=ax)
plots.describe(figure, "Eight of the pictures from formulas that the source network learned to tell apart.")

# %% [markdown]
# ## The idea: which layers to open
#
# Unit 16 kept every layer as it was and trained a classifier on top. That is one end. The other end is to take the borrowed weights as a mere
# beginning and to train everything. Tajbakhsh and colleagues walked from one end to the other, a layer at a time, from the top:
#
# - only the last layer: **shallow**;
# - the last few: in between;
# - all of them: **deep** fine-tuning.
#
# A frozen layer has learning rate 0. The last layer is new, since it has other classes, so it learns ten times as fast as the others. Shin's
# recipe says the same in other words: a tenth of the rate for all but the last.
#
# | | new last layer | opened layers | frozen layers |
# |---|---|---|---|
# | Tajbakhsh | 0.01 | 0.001 | 0 |
# | Shin | 0.01 | 0.001 | none |
#
# Why from the top? Early layers see edges and grain, which every picture has. Late layers see what the *old* task needed. **Predict:** of
# the source network's eight layers, how many should be opened for lymph nodes?

# %%
x = torch.as_tensor(as_colours(hu))
y = torch.as_tensor(nodes.labels)
train_rows, test_rows = np.flatnonzero(patient < 16), np.flatnonzero(patient >= 44)
# Half the stride: the source network saw 64 pixels, our patches have 32.
ADAPTED = {"side_px": 32, "stride": 1}


def new_net(borrowed: bool):
    """The source network with a new last layer for two classes; without borrowed weights if not wanted."""
    net = transfer.load_source(**ADAPTED) if borrowed else transfer.SourceNet(**ADAPTED)
    net.fc8 = torch.nn.Linear(net.fc8.in_features, 2)
    return net


def tune(net, opened: tuple[str, ...], rows: np.ndarray, *, steps: int = 30, seed: int = 0):
    """Train the opened layers at 0.001 and fc8 at 0.01, with mirrored patches, and leave all others as they are."""
    net.requires_grad_(False)
    groups = []
    for name in opened:
        layer = getattr(net, name).requires_grad_(True)
        groups.append({"params": layer.parameters(), "lr": 0.01 if name == "fc8" else 0.001})
    optimiser = torch.optim.SGD(groups, momentum=0.9)
    rng, labels = np.random.default_rng(seed), is_node[rows]
    torch.manual_seed(seed)
    net.train()
    for _ in range(steps):
        chosen = np.concatenate([rng.choice(rows[labels == k], 12) for k in (False, True)])
        batch = x[chosen].flip([axis for axis in (2, 3) if rng.integers(2)])
        loss = functional.cross_entropy(net(batch), y[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


@torch.no_grad()
def auc(net, rows: np.ndarray) -> float:
    """Area under the ROC curve of the marks in these rows."""
    return float(roc_auc_score(is_node[rows], net(x[rows]).softmax(1)[:, 1]))


# %%
LAYERS = transfer.LAYERS
DEPTHS = {"fc8": 7, "fc7-8": 6, "fc6-8": 5, "conv5-8": 4, "conv3-8": 2, "conv1-8": 0}
rows = {}
for name, first in DEPTHS.items():
    net = tune(new_net(borrowed=True), LAYERS[first:], train_rows)
    rows[f"from {name}"] = [auc(net, train_rows), auc(net, test_rows)]
net = tune(new_net(borrowed=False), LAYERS, train_rows)
rows["scratch, all"] = [auc(net, train_rows), auc(net, test_rows)]
depths = pd.DataFrame(rows, index=["16 training patients", "16 others"]).T.round(2)
depths

# %% [markdown]
# Areas under the ROC curve. The left column is what the network has seen: do not choose by it. The right one rests on one
# training each, so neighbouring rows say nothing; the lab repeats it over five sets of patients.
#
# Where did the weights go? For each layer, how far it has moved from where it began, relative to its own size:


# %%
def moved(after, before) -> list[float]:
    """Relative change of each layer's weights."""
    changes = []
    for name in LAYERS[:-1]:
        a, b = getattr(after, name).weight, getattr(before, name).weight
        changes.append(((a - b).norm() / b.norm()).item())
    return changes


deep = tune(new_net(borrowed=True), LAYERS, train_rows)
with torch.no_grad():
    change = moved(deep, source)
figure, axes = plots.panels(1, 1, width_inches=5.5, height_inches=2.8)
ax = axes[0, 0]
ax.set_axis_on()
ax.bar(LAYERS[:-1], 100 * np.array(change), color="C0")
ax.set_ylabel("change of weights (%)")
ax.set_title("Deep fine-tuning: how far did each layer move?")
listed = ", ".join(f"{name} {100 * value:.1f} %" for name, value in zip(LAYERS, change))
plots.describe(figure, f"Relative change of the weights of each layer in deep fine-tuning: {listed}.")

# %% [markdown]
# In thirty steps none has become a new network. Fine-tuning is a short walk from where you start, and that is the point of it: with few patients you want a
# network that *cannot* go far. (A layer without any change would be one that the gradient does not reach.)
#
# Are the first filters still those of the fractals?

# %%
figure, axes = plots.panels(1, 2, width_inches=4.0, height_inches=2.8)
for ax, (title, net) in zip(axes[0], {"source network": source, "fine-tuned": deep}.items()):
    kernels = net.conv1.weight.detach().mean(dim=1).reshape(4, 6, 7, 7)  # grey: the mean over the three channels
    plots.show_kernels(kernels, f"conv1, {title}", ax=ax)
plots.describe(figure, "The 24 kernels of the first layer before and after deep fine-tuning: hard to tell apart.")

# %% [markdown]
# **Question 2.** You froze conv1 to conv5, and the training loss still falls to nearly 0, while the test does not improve. What do you learn?
#
# <details><summary>Freezing failed: frozen layers must have moved</summary>
#
# They have not. Three fully connected layers have most of the weights of this network, and can learn a few dozen nodes by heart.
#
# </details>
# <details><summary>The opened layers alone can memorise the training set</summary>
#
# Yes. A frozen layer does not forbid overfitting; it only takes its own weights out of it. Count weights, not layers.
#
# </details>
# <details><summary>The source network is useless for CT</summary>
#
# That may be so, but this does not show it. Compare with the same layers frozen at random weights: unit 16 does.
#
# </details>
#
# ## How many patients?
#
# The claim of Tajbakhsh is about few data: *a borrowed beginning helps most where there is least to learn from*. Take one, four or sixteen
# patients, the same for both ways.
#
# **Predict:** draw both curves on paper before you run on. Do they meet?

# %%
NUMBERS = [1, 4, 16]
curves = {"fine-tuned": [], "scratch": []}
for n in NUMBERS:
    some = np.flatnonzero(patient < n)
    for name, borrowed in (("fine-tuned", True), ("scratch", False)):
        curves[name].append(auc(tune(new_net(borrowed), LAYERS, some), test_rows))
plots.plot_curve(
    curves,
    x=NUMBERS,
    xlabel="patients in training",
    ylabel="AUC in 16 other patients",
    title="Simulated nodes, one training each",
)

# %% [markdown]
# One training and one choice of patients make a shaky picture; look for what is large. If the curves cross, do not believe the crossing.
#
# Be fair to scratch: thirty steps are a short time to learn to see. A borrowed network begins with that behind it. Give scratch five times as
# many:

# %%
patient_scratch = tune(new_net(borrowed=False), LAYERS, train_rows, steps=150)
print(
    f"scratch, 16 patients: AUC {curves['scratch'][-1]:.2f} after 30 steps, {auc(patient_scratch, test_rows):.2f} after 150"
)

# %% [markdown]
# So part of the gap in the plot is time, not patients. Another part may be the rate: 0.001 is small for random weights, and the lab gives
# scratch one of its own, trains longer, and can then show no gap. Whoever compares must let both train until the *validation* score stops rising, as Tajbakhsh did.
#
# A third opponent belongs into every such plot: no network at all. Mean and spread of the grey values in the middle and in a ring
# around it, and logistic regression:

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

offset = (np.arange(32) - 15.5) * nodes.spacing_mm
radius = np.hypot(offset[:, None], offset[None])
rings = [(radius < 5), (radius >= 5) & (radius < 10), (radius >= 10) & (radius < 18)]
clipped = np.clip(hu, -200, 300)
by_hand = np.stack([f(clipped[:, ring], axis=1) for ring in rings for f in (np.mean, np.std)], axis=1)
simple = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
simple.fit(by_hand[train_rows], is_node[train_rows])
print(
    f"six numbers and logistic regression: AUC {roc_auc_score(is_node[test_rows], simple.decision_function(by_hand[test_rows])):.2f}"
)

# %% [markdown]
# Simulated nodes are smooth ellipsoids, which six numbers describe well. Real ones are not that kind; but somebody who never asks
# will never know.
#
# ## Choose the depth honestly
#
# The table above offers seven rows. It is tempting to print the best. But the best of seven is best partly by luck. How much luck? Suppose that *all depths are
# equally good*, with a true AUC of 0.80, and that we test them on a few patients:


# %%
def best_of(n_depths: int, n_marks: int, *, n_times: int = 300) -> tuple[float, float]:
    """Mean AUC of the first and of the best of so many equally good networks, on so many marks, half of them nodes."""
    rng = np.random.default_rng(1)
    half = n_marks // 2
    scores = rng.normal(size=(n_times, n_depths, n_marks))
    scores[..., :half] += np.sqrt(2) * 0.8416  # the shift that makes the true AUC 0.80
    above = scores[..., :half, None] > scores[..., None, half:]
    aucs = above.mean(axis=(2, 3))
    return float(aucs[:, 0].mean()), float(aucs.max(axis=1).mean())


SIZES = [20, 40, 80, 160]
means = np.array([best_of(7, size) for size in SIZES])
plots.plot_curve(
    {"a depth fixed before": means[:, 0], "the best of seven depths": means[:, 1]},
    x=SIZES,
    xlabel="marks in the test",
    ylabel="mean AUC",
    title="Seven equally good depths, true AUC 0.80",
)

# %% [markdown]
# With twenty marks the winner shows an AUC that no depth has. (Here each depth errs on its own. Real depths err on the same marks, so
# they are lucky together, and the gap is smaller; it does not vanish.) So there are three groups of patients: to train, to choose
# (depth, rates, when to stop), and to report. Tajbakhsh and colleagues stopped training by the AUC on validation data; so should the depth be chosen.
#
# **Question 3.** You have 40 patients, and want to know whether fine-tuning from conv3 beats training from scratch at your hospital. What do you
# do?
#
# <details><summary>Train on all 40, and compare training losses</summary>
#
# Scratch may well win there: it is freer to memorise. The training loss answers another question.
#
# </details>
# <details><summary>Cross-validate by patient, with depth and stopping chosen inside each training part</summary>
#
# Yes: every patient is tested once, by networks that had not seen them in any choice. And report the difference patient by patient, with an interval.
#
# </details>
# <details><summary>Try all depths on 10 test patients and report the best against scratch</summary>
#
# Then fine-tuning had seven tickets in the lottery, scratch one.
#
# </details>
#
# ## What each paper found, and what we find
#
# Tajbakhsh and colleagues measured four tasks. On the wall of the carotid artery in ultrasound, the error of the lumen's border was 101.0 µm with only the last
# layer tuned, 34.7 with the last two, 25.0 from conv4, 24.4 from conv3, 24.7 with all, 28.1 from scratch, and 98.2 with hand-made features. So: **the last layer alone was not
# enough, the middle was as good as all, and all were better than scratch.** With fewer data the gap to scratch grew.
#
# Shin and colleagues, with networks from 5 thousand to 160 million weights, found mediastinal nodes with a sensitivity of 85 to 86 % at 3 false
# positives a patient; before, 78 and 70 % had been reported. Fine-tuned networks were as good as or better than those from scratch, and both better than frozen ones.
#
# The lab measures the same inequalities on simulated nodes:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell, *opposite shown* that they can, and it is the other way round. Our source network is small and has seen
# formulas only; ImageNet's 1.2 million photographs give more. Read our table as what a *weak* beginning can give.
#
# ## In practice
#
# In PyTorch a learning rate a layer is a parameter group, as in `tune` above; Lightning and MONAI pass such groups on. `requires_grad_(False)` spares the
# gradient's work, too; a rate of 0 gives the same weights. (Neither stops the running means of batch normalisation, which this
# network has not: put frozen layers that have it into `eval()`.)

# %%
shallow = tune(new_net(borrowed=True), ("fc7", "fc8"), train_rows, steps=3)
with torch.no_grad():
    print("layers that moved:", [name for name, change in zip(LAYERS, moved(shallow, source)) if change > 0])

# %% [markdown]
# Windows are a standard's matter: DICOM defines them in PS3.3, C.11.2.1.2. pydicom applies them; ours is its `LINEAR_EXACT`, scaled to 1:

# %%
from pydicom import Dataset
from pydicom.pixels import apply_windowing

low, high = WINDOWS["blue: soft tissue"]
header = Dataset()
header.WindowCenter, header.WindowWidth, header.VOILUTFunction = (low + high) / 2, high - low, "LINEAR_EXACT"
header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 12, 1
theirs = apply_windowing(np.rint(example).astype(np.int16), header)
theirs = (theirs - -(2.0**11)) / (2.0**12 - 1)  # pydicom fills the range of the stored bits
difference = np.abs(theirs - windowed(np.rint(example), low, high)).max()
print(f"largest difference to pydicom's window: {difference:.1e}")

# %% [markdown]
# Weights of AlexNet and GoogLeNet from ImageNet come with torchvision's names (`features.0.weight` ...); `models.load_imagenet` reads such a
# file, checks every name and shape, and says what does not fit. Whether you may use them is a question of its own: ImageNet's
# terms speak of research that is not commercial. Ask before you ship.
#
# ## Where it fails
#
# **Large data, small gain.** Raghu and colleagues (2019) fine-tuned on hundreds of thousands of fundus pictures and chest films: ImageNet's
# weights gave little over random ones, and far smaller networks did as well. What remained was faster training, and better scaled weights.
#
# **The same patient on both sides.** A source network trained on a public collection has seen its patients. If your test set is part of that
# collection, you test on training data, at one remove. Keep a list of what each borrowed network has seen.
#
# **It forgets.** Whatever the network could do before, it can do worse afterwards. Here, the source's own task after deep fine-tuning on nodes:

# %%
task = datasets.make_fractals(6, seed=2001)
batch, truth = torch.as_tensor(task.images).float() / 255, torch.as_tensor(task.labels)
tuned = transfer.load_source()  # at its own 64 pixels and with its own last layer; all else from the fine-tuned network
tuned.load_state_dict({k: v for k, v in deep.state_dict().items() if not k.startswith("fc8")}, strict=False)
with torch.no_grad():
    shares = [float((net(batch).argmax(1) == truth).float().mean()) for net in (source, tuned)]
print(f"fractals, textures, shapes told apart: before {shares[0]:.0%}, after {shares[1]:.0%}")

# %% [markdown]
# That matters when one network serves two hospitals: tuned for the second, it may have lost the first. Test both after every update.
#
# **Another scanner.** Add 100 HU to the test patients, as a wrong intercept would. **Predict:** how much does the AUC lose?

# %%
shifted = torch.as_tensor(as_colours(hu[test_rows] + 100))
with torch.no_grad():
    before = auc(deep, test_rows)
    after = float(roc_auc_score(is_node[test_rows], deep(shifted).softmax(1)[:, 1]))
print(f"deep fine-tuning, AUC: {before:.2f}, with 100 HU added: {after:.2f}")

# %% [markdown]
# The AUC looks only at the order of marks, so it may forgive a shift of all scores; a fixed threshold would not.
#
# ## Take-aways
#
# - Three windows put three ranges of Hounsfield units into three channels. The colours mean nothing, the scale means all.
# - Small patches need smaller filters, strides or less pooling. Filter size costs the borrowed weights; the others do not.
# - Open layers from the top. The new last layer learns ten times as fast.
# - Tajbakhsh gained most with few data. Over five runs our lab could not show that; see the table. Measure a gain against scratch that was
#   trained long enough, against frozen layers, and against no network at all.
# - Depth is a choice like any other: choose it on other patients than those that you report.
#
# ## References
#
# - N. Tajbakhsh et al. Convolutional Neural Networks for Medical Image Analysis: Full Training or Fine Tuning? IEEE Transactions on Medical
#   Imaging 35(5):1299-1312, 2016. [doi:10.1109/TMI.2016.2535302](https://doi.org/10.1109/TMI.2016.2535302)
# - H.-C. Shin et al. Deep Convolutional Neural Networks for Computer-Aided Detection: CNN Architectures, Dataset Characteristics and Transfer
#   Learning. IEEE Transactions on Medical Imaging 35(5):1285-1298, 2016. [doi:10.1109/TMI.2016.2528162](https://doi.org/10.1109/TMI.2016.2528162)
# - H. Kataoka et al. Pre-training without Natural Images. ACCV 2020. [doi:10.1007/978-3-030-69544-6_35](https://doi.org/10.1007/978-3-030-69544-6_35)
# - M. Raghu, C. Zhang, J. Kleinberg, S. Bengio. Transfusion: Understanding Transfer Learning for Medical Imaging. NeurIPS 2019.
#   [doi:10.48550/arXiv.1902.07208](https://doi.org/10.48550/arXiv.1902.07208)
# - H. R. Roth et al. A New 2.5D Representation for Lymph Node Detection Using Random Sets of Deep Convolutional Neural Network
#   Observations. MICCAI 2014. [doi:10.1007/978-3-319-10404-1_65](https://doi.org/10.1007/978-3-319-10404-1_65): the collection of nodes.
