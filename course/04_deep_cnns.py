# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What changed: deep CNNs
#
# Unit 4, after the lecture's part on deep networks and Greenspan, van Ginneken and Summers, *Deep Learning in Medical Imaging:
# Overview and Future Promise of an Exciting New Technique*, IEEE TMI 2016. That paper is an editorial: it opens an issue full of
# experiments, and has none of its own. So this unit measures.
#
# **After this lesson you can**
#
# - say what one more layer, one more axis and one more map cost, before you train;
# - choose between 2D, 2.5D and 3D input by what must be seen;
# - tell overfitting from a training that does not converge, by two curves;
# - say what an unsupervised representation is, and test whether it is any good;
# - name what a network that was right in training meets in a hospital.
#
# **Time:** about 50 minutes, and 110 for the lab. **Before this:** *The first CNNs* (unit 3); a little PyTorch.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import torch
from matplotlib.patches import Rectangle
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional

from medcourse import datasets, models, plots
from medcourse.device import pick_device
from medcourse.models.cost import layer_costs, receptive_field, total_cost, training_bytes
from medcourse.models.plain import as_input, network_for, plain_layers

plots.use_style()
DEVICE = pick_device()
LUNG_WINDOW = (-1350.0, 150.0)  # HU shown black and white

# %% [markdown]
# ## The problem: a round spot
#
# A chest CT has hundreds of *axial* slices, which cut across the body. Somewhere may be a nodule, a few millimetres wide, which
# could be an early cancer. And everywhere are vessels. Where a vessel crosses a slice, it is a round spot of a few
# millimetres, too. Such a spot, as long as nobody knows what it is, is called a *candidate*.
#
# Here are six. They are **simulated**: `make_nodules` grows lung, vessels that branch, in some the chest
# wall, and a nodule or a vessel in the middle, then adds the scanner's blur and noise.
#
# CT gives every voxel a number in *Hounsfield units* (HU): air is -1000, water 0, blood about 40. No screen shows that
# many greys, so a *window* says which HU are black and which white. Radiologists read lungs in a window such as -1350 to 150.
#
# **Predict.** Three of the six are nodules. Which? Note three letters before you go on.

# %%
spots = datasets.make_nodules(16, size=40, spacing_mm=(0.8, 0.8, 0.8), subsolid_fraction=0.0, seed=21)
order = np.random.default_rng(1).permutation(
    [*np.flatnonzero(spots.labels == 1)[:3], *np.flatnonzero(spots.labels == 0)[:3]]
)
figure, axes = plots.panels(1, 6, width_inches=1.75, height_inches=2.0)
for ax, i, name in zip(axes[0], order, "abcdef"):
    z = int(np.rint(spots.centres_mm[i][0] / 0.8))
    plots.show_image(spots.volumes[i][z], name, limits=LUNG_WINDOW, spacing_mm=0.8, ax=ax)
plots.describe(figure, "Six axial slices of simulated chest CT, a to f, each with a bright spot in the middle.")

# %% [markdown]
# A radiologist does not guess. She scrolls: a vessel goes on from slice to slice, a nodule ends. Below are the same six
# candidates in *coronal* slices, cut from head to foot, as if the patient faced you; *sagittal* ones are seen from the
# side. Length along the patient is the axis $z$.

# %%
figure, axes = plots.panels(1, 6, width_inches=1.75, height_inches=2.0)
for ax, i, name in zip(axes[0], order, "abcdef"):
    y = int(np.rint(spots.centres_mm[i][1] / 0.8))
    title = f"{name}: {'vessel' if spots.labels[i] == 0 else 'nodule'}"
    plots.show_image(spots.volumes[i][::-1, y], title, limits=LUNG_WINDOW, spacing_mm=0.8, ax=ax)
answers = ", ".join(f"{name} {'vessel' if spots.labels[i] == 0 else 'nodule'}" for i, name in zip(order, "abcdef"))
plots.describe(figure, f"The six candidates in coronal slices. Vessels are long tubes, nodules round. {answers}.")

# %% [markdown]
# How many of your three letters were right? Half of them would be chance.
#
# These nodules are *solid*: they hide what lies within. *Subsolid* ones, which come later, are hazy, wholly or around a solid
# core, and vessels are seen through the haze, as through frosted glass: radiologists speak of *ground glass*.
#
# Scroll through one of them yourself. The nodule's true outline is laid over it.

# %%
first = int(np.flatnonzero(spots.labels == 1)[0])
plots.view_volume(
    spots.volumes[first], spots.nodules[first].astype(int), spacing_mm=spots.spacing_mm, limits=LUNG_WINDOW
)

# %% [markdown]
# So what should a network see? One slice, as a photograph? A few slices? Everything? And if everything: does it fit
# into memory, how long does it take, and are there enough patients to learn from?
#
# ## The idea: the same layers, more of them
#
# The networks of unit 3 had about two convolutions and saw patches of a few dozen pixels. The ingredients of a
# deep network are the same: convolution, a non-linearity, pooling. Three things had changed by 2016:
#
# | | the 1990s | around 2016 |
# |---|---|---|
# | size | Lo et al.: about 2 convolutions | Shin et al. compare networks of 5 thousand to 160 million parameters |
# | labels | Sahiner et al.: 168 masses, 504 normal regions | Setio et al.: 888 CT scans |
# | computers | Lo et al.: about 15 s a film on a DEC Alpha | a GPU |
#
# The plainest deep network repeats one block: convolve with a small kernel, ReLU, pool by 2, and double the number
# of maps. Two numbers follow from its list of layers without running it.
#
# What it **costs**. A convolution from $C_{in}$ to $C_{out}$ channels, with a kernel $k$ wide along $d$ axes, that stands at $m$
# places along each, has
#
# $$ k^d\, C_{in}\, C_{out} + C_{out} \text{ parameters,} $$
#
# $$ 2\, k^d\, C_{in}\, C_{out}\, m^d \text{ operations.} $$
#
# How far it **sees**. A layer with kernel $k$ widens the field by $k - 1$ steps of its own grid, and each pooling makes the
# steps twice as long.
#
# Move the sliders. What the network sees is bright: on the left in an axial slice, in the middle in the coronal one. The
# bars say what it costs, as a multiple of the network that the sliders start with.
#
# **Before you do:** which of depth, width and kernel changes how far the network sees, and which only what it costs? And
# what of the coronal slice does a network for 2D see?

# %%
large = datasets.make_nodules(4, size=64, spacing_mm=(0.8, 0.8, 0.8), nodule_fraction=0.0, seed=4)
vessel, MIDDLE = large.volumes[3], np.rint(large.centres_mm[3] / 0.8).astype(int)  # MIDDLE: z, y, x


def show_field(ax, image, middle, field, title):
    """Show a slice, darkened where the network does not look; `middle` and `field` are (rows, columns)."""
    far = np.abs(np.indices(image.shape) - np.reshape(middle, (2, 1, 1))) > np.reshape(field, (2, 1, 1)) / 2
    dark = LUNG_WINDOW[0] + 0.45 * (image - LUNG_WINDOW[0])
    plots.show_image(np.where(far.any(0), dark, image), title, limits=LUNG_WINDOW, spacing_mm=0.8, ax=ax)
    corner = (middle[1] - field[1] / 2, middle[0] - field[0] / 2)
    ax.add_patch(Rectangle(corner, field[1], field[0], fill=False, edgecolor="#56B4E9", linewidth=2))


def count(depth: int, width: int, kernel: int, axes: str):
    """Return the field of a network, and what it costs: name, number, text."""
    layers = plain_layers(width=width, depth=depth, kernel=kernel)
    cost = total_cost(layers, in_channels=1, side=64, dims=int(axes[0]))
    megabytes = training_bytes(cost, batch=16) / 1e6
    return receptive_field(layers)[0], {
        f"{cost.parameters:,} parameters": cost.parameters,
        f"{cost.flops / 1e6:,.1f} MFLOPs a sample": cost.flops,
        f"{megabytes:,.0f} MB or more for a batch of 16": megabytes,
    }


START = count(2, 8, 3, "2D")[1].values()


# %%
def draw_costs(ax, costs):
    """Draw bars on a logarithmic axis: each cost as a multiple of the network at the start."""
    for row, (text, number, start, colour) in enumerate(zip(costs, costs.values(), START, plots.style.PALETTE)):
        ax.barh(row, np.log10(number / start), height=0.4, color=colour)
        ax.text(-3, row - 0.36, text, bbox={"color": "white", "pad": 1})  # over the line
    ax.axvline(0, color="0.4", linewidth=1)
    ax.set(xlim=(-3.2, 5.2), ylim=(2.5, -0.7), yticks=[], xlabel="times the start", xticks=[-2, 0, 2, 4])
    ax.set_xticklabels(["1/100", "1", "100", "10,000"])
    ax.spines["left"].set_visible(False)


def draw_network(depth: int, width: int, kernel: int, axes: str):
    """Draw the receptive field over a candidate, and what the network costs."""
    field, costs = count(depth, width, kernel, axes)
    z, y, x = MIDDLE
    figure, panel = plots.panels(1, 3, width_inches=3.0, height_inches=3.2)
    sight = "all of it" if field > 64 else f"{field} voxels = {0.8 * field:.0f} mm"
    show_field(panel[0, 0], vessel[z], (y, x), (field, field), f"axial: sees {sight}")
    along = 1 if axes == "2D" else field
    title = f"coronal: sees {'one slice' if axes == '2D' else sight}"
    show_field(panel[0, 1], vessel[::-1, y], (63 - z, x), (along, field), title)
    draw_costs(panel[0, 2], costs)
    return plots.describe(
        figure,
        f"A simulated vessel, a round spot in the axial slice and a tube in the coronal one. In {axes} the network sees {sight} along each of its axes, and costs {', '.join(costs)}.",
    )


plots.demo(
    draw_network,
    depth=(1, 4, 2),
    width=(2, 32, 8),
    kernel=[3, 5, 7],
    axes=["2D", "3D"],
    static=[{"depth": 1}, {"depth": 4}, {"depth": 3, "kernel": 7}, {"depth": 3, "axes": "3D"}],
)

# %% [markdown]
# Width costs and sees no farther. A larger kernel sees farther, at a price that in 3D grows with its cube. Depth sees
# farthest, since each level doubles the steps, and what it adds is cheap: the deeper a layer, the fewer its places.
#
# And the network for 2D sees one line of the coronal slice. However deep and wide it is, it cannot tell this vessel from a nodule
# by where it ends.
#
# **Question 1.** One layer with a kernel of 7 x 7 sees 7 pixels. Three layers of 3 x 3 see 7 as well. Both have $C$ maps
# everywhere. Why did deep networks take the three?
#
# <details><summary>They see farther</summary>
#
# No. Each of three kernels of 3 adds 2 pixels to the first one: 1 + 2 + 2 + 2 = 7, as the large one.
#
# </details>
# <details><summary>They need fewer weights, and bend three times</summary>
#
# Yes. Three layers have 27 C² weights, one has 49 C²; and between the layers stand ReLUs, so the three can draw
# boundaries that one cannot. In 3D it is 81 against 343.
#
# </details>
# <details><summary>They are faster since small kernels need no memory</summary>
#
# They need fewer operations, but more memory in training: what each of the three layers gave is kept for the way back.
#
# </details>
#
# ## One axis more: 2D, 2.5D, 3D
#
# Between one slice and the whole volume there is a third way. Take the three orthogonal slices through the candidate and hand
# them over as three channels, as a colour picture has. This is called *2.5D*; Roth et al. used it (unit 6).

# %%
axial, coronal, sagittal = as_input(vessel[None], "2.5D")[0]
plots.show_images(
    [axial, coronal[::-1], sagittal[::-1]],  # head up; the network does not care
    ["axial", "coronal", "sagittal"],
    spacing_mm=0.8,
    limits=LUNG_WINDOW,
    panel_inches=2.4,
    alt="Three orthogonal slices through the middle of a simulated vessel, which become the three channels of a 2.5D input: a round spot in the axial one, a tube in the two others.",
)

# %% [markdown]
# **Predict.** The same network, 32 voxels a side: how many times more operations does 3D need than 2D? And 2.5D?

# %%
for kind in ("2D", "2.5D", "3D"):
    net = network_for(kind)
    cost = total_cost(net.layers, in_channels=net.layers[0]["inputs"], side=32, dims=net.dims)
    by_layer = layer_costs(net.layers, in_channels=net.layers[0]["inputs"], side=32, dims=net.dims)
    shares = [f"{100 * layer.flops / cost.flops:.0f} %" for layer in by_layer if layer.flops]
    print(
        f"{kind:>4}: {cost.parameters:6,} parameters, {cost.flops / 1e6:6.2f} MFLOPs a sample, by layer {', '.join(shares)}"
    )

# %% [markdown]
# The answer: 1.2 times for 2.5D, about 43 times for 3D. In 3D a kernel has 3 times the weights, and it stands at 32 times the
# places on the first layer, but at 16 and 8 times on the deeper ones. 2.5D makes the first layer three times as dear and
# leaves all else as it was.
#
# Operations are not seconds. A device has to keep its arithmetic units fed; a small 2D layer may be over before it has
# warmed up. So here is what was measured: steps of training, with everything that they need.
#
# {{speed}}
#
# *Counted* memory is the formula's: weights four times, and what each layer gives, once a sample. *Measured* is what PyTorch
# keeps for the way back. It is more, since max-pooling also notes which of its voxels was the largest.
#
# The last column holds two ratios to 2D on the same device: of the time, and of the FLOPs. Where both agree, the count
# predicts the clock. Only devices that somebody measured are listed; `python bench/speed.py` adds yours, be it a
# processor, CUDA or Apple's.
#
# **Question 2.** Your 3D network runs out of memory with a batch of 16. Its parameters take 5 MB. Which change helps most?
#
# <details><summary>Half as many parameters in the last layer</summary>
#
# No. Weights, gradients and Adam's means together are about 20 MB here; they are not what fills the memory.
#
# </details>
# <details><summary>Half the side of the volumes</summary>
#
# Yes. In 3D half the side leaves an eighth of the values that each layer keeps for the way back. A smaller batch helps
# in proportion only; but a smaller side costs detail, and a nodule of 5 mm must not vanish.
#
# </details>
# <details><summary>A smaller kernel</summary>
#
# It saves operations and weights, but each layer still gives as many values as before, and these are kept.
#
# </details>
#
# ## Overfitting and convergence
#
# The slides name both as *possible complications*. They look different if you draw two curves: the loss of what the network
# learns from, and the loss of what it does not. Take the hardest input, one slice, and few or many volumes.

# %%
cubes = datasets.make_nodules(460, size=16, spacing_mm=(1.5, 1.5, 1.5), seed=7)
volumes = np.clip((cubes.volumes + 1000) / 1200, 0, 1)  # 0 is -1000 HU, air; 1 is 200 HU and all above
labels = torch.as_tensor(cubes.labels)
TRAIN, VALID = slice(0, 200), slice(200, 460)


def learn(kind: str, which, *, steps: int = 240, lr: float = 3e-3, watch: bool = True):
    """Train the plain network on the volumes `which`; return it, and loss and AUC every 10 steps if somebody watches."""
    x, which = torch.as_tensor(as_input(volumes, kind)), np.asarray(which)
    torch.manual_seed(0)
    net, rng = network_for(kind).to(DEVICE), np.random.default_rng(0)
    optimiser = torch.optim.Adam(net.parameters(), lr=lr)
    curves = {"loss": {"training": [], "validation": []}, "AUC": {"training": [], "validation": []}}
    for step in range(steps):
        picked = torch.as_tensor(which[rng.integers(len(which), size=16)])
        optimiser.zero_grad()
        functional.cross_entropy(net(x[picked].to(DEVICE)), labels[picked].to(DEVICE)).backward()
        optimiser.step()
        if watch and (step + 1) % 10 == 0:
            for name, part in (("training", which), ("validation", VALID)):
                with torch.no_grad():
                    logits = net(x[part].to(DEVICE)).cpu()
                curves["loss"][name].append(float(functional.cross_entropy(logits, labels[part])))
                curves["AUC"][name].append(roc_auc_score(labels[part], logits[:, 1] - logits[:, 0]))
    return net.cpu().eval(), curves


runs = {}
for n in (12, 24, 48, 96, 200):
    runs[f"{n} volumes, rate 0.003"] = learn("2D", range(n))[1]
for rate in ("0.00003", "0.3"):
    runs[f"200 volumes, rate {rate}"] = learn("2D", range(200), lr=float(rate))[1]

# %% [markdown]
# **Predict** where the two curves part for 12 training volumes, and where for 200. Then predict what a learning rate does that is a
# hundred times too small, or a hundred times too large. Last: if the validation loss doubles, does the AUC, which judges only
# the order of the scores, fall to a coin's 0.5?


# %%
def draw_learning(run: str):
    """Draw loss and AUC of one run; a dot marks the lowest validation loss, a dotted line guessing."""
    figure, panel = plots.panels(1, 2, width_inches=2.45, height_inches=2.3)
    best = int(np.argmin(runs[run]["loss"]["validation"]))
    for ax, (measure, curves), guess, limits in zip(
        panel[0], runs[run].items(), (np.log(2), 0.5), ((0, 2.5), (0.2, 1.02))
    ):
        steps = 10 * np.arange(1, len(curves["training"]) + 1)
        plots.plot_curve(curves, x=steps, ylabel="cross-entropy" if measure == "loss" else measure, ax=ax)
        ax.set_ylim(*limits)
        ax.axhline(guess, color="0.5", linewidth=1, linestyle=":")
        ax.plot(steps[best], curves["validation"][best], "o", color="#E69F00", markersize=7)
    panel[0, 0].get_legend().remove()
    panel[0, 1].legend(loc="lower right")
    last = {measure: {name: values[-1] for name, values in curves.items()} for measure, curves in runs[run].items()}
    return plots.describe(
        figure,
        f"{run}. Training loss ends at {last['loss']['training']:.2f}, validation loss at {last['loss']['validation']:.2f}; guessing is 0.69. AUC ends at {last['AUC']['training']:.2f} in training, {last['AUC']['validation']:.2f} in validation. The validation loss was lowest at step {10 * (best + 1)}.",
    )


names = list(runs)
plots.demo(draw_learning, run=names, static=[{"run": names[i]} for i in (0, 1, 2, 4, 5, 6)])

# %% [markdown]
# The answer: with 12 volumes the curves part after a few dozen steps, with 200 they stay together. A rate that is a hundred times
# too small hardly moves; one that is too large leaps, lands on guessing, and stays there.
#
# And with 12 volumes the validation loss multiplies, while the AUC hardly moves. The network goes
# on *ordering* the candidates about as well; but it becomes ever surer of all that it says, of its errors, too. Who reports
# AUC alone does not notice. A doctor who reads "99 %" does.
#
# Four shapes of the loss, four diagnoses:
#
# - *Both fall together, and stay together:* there was enough data for this network.
# - *Training falls, validation turns and rises:* **overfitting**. The network knows its training set by heart. More data,
#   a smaller network, or one of the remedies below.
# - *Both are flat near the dotted line:* **no convergence**. At 0.69, which is log 2, a network of two classes guesses. The
#   learning rate is too small, or too large, or the labels are shuffled.
# - *Validation far below training:* a remedy that makes training harder, such as dropout, or a validation set that is easy or
#   small. Leakage looks otherwise: two curves that lie together where you expected a gap.
#
# **A warning.** The dot marks the step where the validation loss was lowest. Who keeps the weights of
# that step, and then reports that very loss, reports luck, too. Report a third part of the data, the test set, that chose nothing.
#
# The usual remedies each change something else. *Augmentation* shows each image in many versions that keep its label.
# *Dropout* hides half of the features at random, so that none can be relied upon. *Batch norm* rescales each map to mean 0 and
# deviation 1 over the batch, then by two numbers that it learns. *Weight decay* pulls weights to zero. *Early stopping* takes the weights from before the turn. The lab
# measures all five; the table further down says what came out.
#
# ## Supervised and unsupervised
#
# Most networks of the lecture are *supervised*: someone labelled each image. *Unsupervised* learning takes images alone. An
# auto-encoder squeezes an image into a short code and draws it again from the code. Nobody says what a
# nodule is.

# %%
torch.manual_seed(0)
slices = torch.as_tensor(as_input(volumes, "2.5D"))
auto, rng = models.AutoEncoder(3, 16, code=16), np.random.default_rng(0)
optimiser = torch.optim.Adam(auto.parameters(), lr=3e-3)
for _ in range(800):
    batch = slices[TRAIN][torch.as_tensor(rng.integers(200, size=32))]
    optimiser.zero_grad()
    error = functional.mse_loss(auto(batch), batch)
    error.backward()
    optimiser.step()
pixels = slices.numpy().reshape(len(slices), -1)
pca = PCA(16, random_state=0).fit(pixels[TRAIN])
with torch.no_grad():
    codes, drawn = auto.encode(slices).numpy(), auto(slices).numpy()
parts = pca.transform(pixels)
rows = {
    "": slices.numpy(),
    "auto-encoder": drawn,
    "PCA": pca.inverse_transform(parts).reshape(slices.shape),
}

kinds = np.array(cubes.kinds)
picked = [
    200 + np.flatnonzero(kinds[VALID] == kind)[j]
    for kind, j in (("solid", 1), ("subsolid", 4), ("vessel", 3), ("vessel", 4))
]
figure, axes = plots.panels(3, 4, width_inches=1.9, height_inches=2.1)
for line, (row, images) in zip(axes, rows.items()):
    for ax, i in zip(line, picked):
        title = row or f"{kinds[i]}, coronal"
        plots.show_image(images[i, 1][::-1], title, limits=(0, 1), spacing_mm=1.5, ax=ax)
plots.describe(
    figure,
    "Upper row: simulated coronal slices of a solid nodule, a subsolid nodule and two vessels that neither method learned from. Middle row: what the auto-encoder draws from its code of 16 numbers. Lower row: what 16 principal components draw. Both are blurred.",
)

# %% [markdown]
# Both drawings are blurred. A code keeps what makes most pixels differ, for that is what its loss asks for: where
# something bright and thick lies. Whether it is round or goes on is a matter of few pixels; the components of PCA draw
# the hazy nodule half as a vessel.
#
# Is the code *good*? Not by its looks: fit the same logistic regression, with few labels, on the code, on the pixels, and on
# principal components (PCA), which are an unsupervised representation, too, and a much older one.

# %%
fields = {
    "auto-encoder's code": codes,
    "PCA, 16 components": parts,
    "pixels": pixels,
}
counts, curves = (10, 20, 50, 100), {}
for name, x in fields.items():
    curves[name] = []
    for n in counts:
        aucs = []
        for draw in range(10):
            chosen = np.random.default_rng(draw).permutation(200)[:n]
            if len(set(cubes.labels[chosen])) < 2:  # ten labels of one kind teach nothing
                continue
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(x[chosen], cubes.labels[chosen])
            aucs.append(roc_auc_score(cubes.labels[VALID], model.predict_proba(x[VALID])[:, 1]))
        curves[name].append(float(np.mean(aucs)))
plots.plot_curve(
    curves, x=counts, xlabel="labelled volumes", ylabel="AUC", title="200 unlabelled volumes, few labels (simulated)"
)

# %% [markdown]
# One auto-encoder, ten draws of the labels: this is a picture, not a proof. The lab trains a new auto-encoder for each of five
# seeds. A code can lose to pixels: it was trained to draw, not to decide.
#
# **Question 3.** An auto-encoder was trained on 10 000 unlabelled chest CTs. Its reconstructions are excellent. What do you know about
# its code for finding nodules of 4 mm?
#
# <details><summary>It is good, since nothing of the image is lost</summary>
#
# A mean over millions of voxels can be excellent while a few dozen of them are wrong, and those were the nodule.
#
# </details>
# <details><summary>Nothing yet; it must be tested with labels of nodules</summary>
#
# Yes. The loss rewards what fills many voxels. Whether small nodules survive in the code, only a task with labels can tell,
# beside pixels and PCA as opponents.
#
# </details>
# <details><summary>It is bad, since unsupervised learning cannot find lesions</summary>
#
# It may well keep them: some codes do, and unit 13 finds anomalies without any label. But it has to be shown.
#
# </details>
#
# ## What a paper found, and what we measured
#
# The editorial has no experiment. The issue that it opens has, and the papers do not give one answer on dimension:
#
# | paper | what it says of the input |
# |---|---|
# | Dou et al. 2016, microbleeds in MR | a cascade of 3D networks beats low-level descriptors and a 2D CNN |
# | Moeskops et al. 2016, brain tissue in MR | 3D patches did not clearly help |
# | Roth et al. 2016, three tasks in CT | 2.5D views, many at random and averaged; against the detector before it, not against 2D or 3D: sensitivity at 3 false positives a patient 57 to 70, 43 to 77, 58 to 75 % |
#
# That is no contradiction. Microbleeds have mimics that run on, as our vessels do; tissue is seen in a slice.
# Here is what the lab measured on simulated candidates, five times over:
#
# {{effects}}
#
# *Over-confidence* is how much surer a network is than it is right: the mean probability of what it calls, minus the share that it
# calls rightly. Weight decay and early stopping lower it; that they raise the AUC is not shown. Flips and turns do
# both. Who had looked at AUC alone would have called the first two useless.
#
# Read it with care. *Not shown* says that five runs cannot tell, not that there is no effect. The 3D network has three times
# the weights of the others, so its small lead over 2.5D need not come from the third axis. And a simulated vessel is a kinder
# enemy than a real one.
#
# ## In practice: MONAI and PyTorch's own counter
#
# Nobody counts by hand for each project. PyTorch watches a network run and counts; MONAI builds blocks for one, two or three
# axes from the same arguments. Both must agree with ours.

# %%
from monai.networks.blocks import Convolution
from torch.utils.flop_counter import FlopCounterMode

ours, _ = learn("3D", range(200), steps=60, watch=False)
blocks = []
for layer in (layer for layer in ours.layers if layer["kind"] == "conv"):
    blocks += [Convolution(3, layer["inputs"], layer["outputs"], kernel_size=3, norm=None, act="relu"), nn.MaxPool3d(2)]
monai_net = nn.Sequential(*blocks, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 2)).eval()
monai_net.load_state_dict(dict(zip(monai_net.state_dict(), ours.state_dict().values())))  # the same weights, in order

x = torch.as_tensor(as_input(volumes, "3D"))[VALID]
with torch.no_grad():
    difference = float((ours(x) - monai_net(x)).abs().max())
with FlopCounterMode(display=False) as counter:
    monai_net(x[:1])
counted = total_cost(ours.layers, in_channels=1, side=16, dims=3)
print(f"largest difference of logits, MONAI's blocks and ours: {difference:.1g}")
print(f"FLOPs: PyTorch counts {counter.get_total_flops():,}, the formula {counted.flops:,}")
print(f"parameters: {sum(p.numel() for p in monai_net.parameters()):,} and {counted.parameters:,}")

# %% [markdown]
# For a first try on your own volumes take a network that others have tested, such as MONAI's `DenseNet121(spatial_dims=3, ...)`,
# and run logistic regression on PCA beside it. On small data the second is hard to beat.
#
# ## Where it fails
#
# **Another protocol.** Three networks learn from the same 200 volumes. Then the hospital buys another scanner or changes the dose,
# and a lung may hold vessels that run in other directions than those in training. **Predict:** which of the three networks suffers
# most from which change?

# %%
worlds = {
    "as in training": {},
    "a fourth of the dose": {"noise_hu": 50.0},
    "slices 4.5 mm thick": {"spacing_mm": (4.5, 1.5, 1.5)},
    "vessels in any direction": {"mimic_tilt_deg": 90.0},
}
nets = {kind: learn(kind, range(200), watch=False)[0] for kind in ("2D", "2.5D", "3D")}
print(f"{'AUC':26}" + "".join(f"{kind:>7}" for kind in nets))
for name, change in worlds.items():
    other = datasets.make_nodules(200, **{"size": 16, "spacing_mm": (1.5, 1.5, 1.5), "seed": 99, **change})
    seen = np.clip((other.volumes + 1000) / 1200, 0, 1)
    line = f"{name:26}"
    for kind, net in nets.items():
        with torch.no_grad():
            logits = net(torch.as_tensor(as_input(seen, kind)))
        line += f"{roc_auc_score(other.labels, (logits[:, 1] - logits[:, 0]).numpy()):7.2f}"
    print(line)

# %% [markdown]
# No network raised an alarm. Each gave a number between 0 and 1, as before. Less dose did little here. But what lives from the
# third axis dies with it: where vessels run in other directions than in training, or where slices are thick, 2.5D and
# 3D fall to about what one slice gives. One slice alone even gains when it is thick: probably since a slanted vessel smears into
# an oval there.
#
# With thick slices the volume has the same count of voxels, but another size in millimetres: a nodule is three times
# flatter. **Spacing is part of the input.** Resample to one spacing before a network sees a volume.
#
# **A warning about headers.** Hospitals store CT as *DICOM*: as a rule a file for each slice, with a header of named fields before the
# pixels. The field *Slice Thickness* says how much of the patient one slice averages, and **not** how far away the next slice is: slices
# may overlap, or leave a gap. Take the distance from *Image Position (Patient)* of neighbouring slices, measured at right angles to
# the slice, and look whether it is the same all through the series: a slice may be missing.
#
# **Too few patients.** Candidates of one patient share scanner, noise and anatomy. Split by patient, or the network is
# praised for knowing the patient. Ours are all of different patients, so every number on this page is kinder than a hospital's.
#
# **The kind that nobody labelled.** Suppose the training set held no ground glass, since it is rarer, and experts disagree on it. Overall
# scores would hardly tell. **Predict:** of which kind will the network miss more?

# %%
solid_only = np.flatnonzero(kinds[TRAIN] != "subsolid")
taught = {"all kinds": nets["3D"], "no ground glass": learn("3D", solid_only, watch=False)[0]}
rates = {name: {} for name in taught}
x = torch.as_tensor(as_input(volumes, "3D"))[VALID]
print(f"{'called rightly (3D)':20}" + "".join(f"{name:>20}" for name in taught))
for kind in ("solid", "subsolid", "vessel"):
    line = f"{kind:20}"
    for name, net in taught.items():
        with torch.no_grad():
            called = net(x).argmax(1).numpy()
        right = (called == cubes.labels[VALID])[kinds[VALID] == kind]
        rates[name][kind] = right.mean()
        line += f"{right.sum():>12} of {len(right):3d}  "
    print(line)

# %% [markdown]
# Hardly any, here: the network learned that a nodule ends and a vessel goes on, and ground glass ends, too. That was luck, or a
# good cue; nobody knew before the table *by kind* was made. Make it for each kind, sex, age and scanner that you can name.
#
# **The true share.** Half of our candidates are nodules, so that training goes fast. In a chest CT nearly all are false. **Predict:** of
# 100 calls of the network in the first column, how many are nodules if 1 candidate in 100 is one?

# %%
found, spared = (rates["all kinds"][kind] for kind in ("solid", "vessel"))
for share in (0.5, 0.1, 0.01):
    true, false = share * found, (1 - share) * (1 - spared)
    print(
        f"{100 * share:3.0f} % of the candidates are nodules: of 100 calls {100 * true / (true + false):3.0f} are right"
    )

# %% [markdown]
# The network is the same, and so is its AUC. What a call is worth depends on how rare the finding is. So papers on
# detection count false positives for each *patient* (unit 5), and do not report accuracy on a set that was balanced by hand.
#
# **The wrong tool.** Compute is not free, nor is memory, nor are an expert's hours. A network in 3D that beats logistic
# regression by a hair may be the poorer choice for a department with one workstation.
#
# ## Take-aways
#
# - Depth buys sight, width buys capacity; what both cost can be counted before training.
# - One axis more multiplied operations by about 40 here, memory by about 20, weights by three. 2.5D is the cheap middle.
# - Choose the dimension by what must be seen. Tubes are told from balls along the third axis.
# - Two curves tell overfitting from no convergence. A third part of the data tells the truth.
# - An unsupervised code is as good as a task with labels shows, beside pixels and PCA.
#
# Now count, build and measure, in the lab of this unit.
#
# ## References
#
# - H. Greenspan, B. van Ginneken, R. M. Summers. Guest Editorial: Deep Learning in Medical Imaging: Overview and Future Promise of an
#   Exciting New Technique. IEEE TMI 35(5):1153-1159, 2016. [doi:10.1109/TMI.2016.2553401](https://doi.org/10.1109/TMI.2016.2553401)
# - S.-C. B. Lo et al. Artificial convolution neural network techniques and applications for lung nodule detection. IEEE TMI
#   14(4):711-718, 1995. [doi:10.1109/42.476112](https://doi.org/10.1109/42.476112)
# - B. Sahiner et al. Classification of mass and normal breast tissue. IEEE TMI 15(5):598-610, 1996.
#   [doi:10.1109/42.538937](https://doi.org/10.1109/42.538937)
# - Q. Dou et al. Automatic detection of cerebral microbleeds from MR images via 3D convolutional neural networks. IEEE TMI 35(5):1182-1195,
#   2016. [doi:10.1109/TMI.2016.2528129](https://doi.org/10.1109/TMI.2016.2528129)
# - P. Moeskops et al. Automatic segmentation of MR brain images with a convolutional neural network. IEEE TMI 35(5):1252-1261, 2016.
#   [doi:10.1109/TMI.2016.2548501](https://doi.org/10.1109/TMI.2016.2548501)
# - H. R. Roth et al. Improving computer-aided detection using convolutional neural networks and random view aggregation. IEEE TMI
#   35(5):1170-1181, 2016. [doi:10.1109/TMI.2015.2482920](https://doi.org/10.1109/TMI.2015.2482920)
# - A. A. A. Setio et al. Pulmonary nodule detection in CT images: false positive reduction using multi-view convolutional
#   networks. IEEE TMI 35(5):1160-1169, 2016. [doi:10.1109/TMI.2016.2536809](https://doi.org/10.1109/TMI.2016.2536809)
# - H.-C. Shin et al. Deep convolutional neural networks for computer-aided detection. IEEE TMI 35(5):1285-1298, 2016.
#   [doi:10.1109/TMI.2016.2528162](https://doi.org/10.1109/TMI.2016.2528162)
# - J. Yang et al. MedMNIST v2. Scientific Data 10:41, 2023.
#   [doi:10.1038/s41597-022-01721-8](https://doi.org/10.1038/s41597-022-01721-8): real volumes of 28 voxels for this unit's code.
# - M. J. Cardoso et al. MONAI: An open-source framework for deep learning in healthcare. 2022.
#   [doi:10.48550/arXiv.2211.02701](https://doi.org/10.48550/arXiv.2211.02701)
