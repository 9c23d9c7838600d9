# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The networks of 1993 to 1996
#
# Unit 3, after Lo et al. (lung nodules, 1993 and 1995), Chan et al. (microcalcifications, 1995) and Sahiner et al.
# (breast masses, 1996). Convolutional networks read X-ray films in hospitals' laboratories twenty years before deep
# learning filled their journals.
#
# **After this lesson you can**
#
# - follow one window of a convolution through its numbers, and say what a kernel answers to;
# - tell what each of the three networks saw, what stood before it, and what it was for;
# - read GLDS and SGLD texture images, and say why they were given to a network;
# - compare two detectors at the same sensitivity, and say why anything else misleads;
# - name what these networks lacked, and what they had that is still in use.
#
# **Time:** about 50 minutes, and 120 for the lab. **Before this:** pixels, sums, and the logistic function.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import torch
from torch.nn import functional

from medcourse import datasets, plots, training
from medcourse.datasets import texture
from medcourse.models import detectors, historic

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: a second pair of eyes
#
# A radiologist in a screening programme reads a hundred mammograms in a morning. Few show a cancer. The signs are small
# and faint, and tired eyes miss some. So programs were written that mark suspicious places on digitised film: *look here
# again*.
#
# All films on this page are **simulated**: rays pass through made-up lungs and breasts, a screen glows, film darkens
# along its S-shaped curve, and grain is added. So we know where everything is.

# %%
lungs = datasets.make_chest_radiographs(1, size=256, nodules=2.0, seed=6)
calcium = datasets.make_microcalcifications(1, size=256, clusters=2.0, seed=3)
breast = datasets.make_mass_rois(6, seed=3)
region = breast.images[4]

figure, axes = plots.panels(1, 3, width_inches=3.4, height_inches=3.7)
plots.show_image(lungs.images[0], "Lung (simulated)", spacing_mm=lungs.spacing_mm, ax=axes[0, 0])
for row, column, radius in lungs.nodules[0]:
    axes[0, 0].plot(column, row, "o", ms=2.6 * radius, mfc="none", mec="#ffd92f")
plots.show_image(
    calcium.images[0], "Specks (simulated)", spacing_mm=calcium.spacing_mm, limits=(0.15, 0.95), ax=axes[0, 1]
)
for row, column in calcium.clusters[0]:
    axes[0, 1].plot(column, row, "o", ms=70, mfc="none", mec="#ffd92f")
plots.show_image(region, "Mass (simulated)", spacing_mm=breast.spacing_mm, limits=(0.25, 0.8), ax=axes[0, 2])
plots.describe(
    figure,
    "Left: a simulated lung with ribs, a circle around each nodule. Middle: breast tissue with tiny bright specks, a circle "
    "around each cluster. Right: breast tissue with a mass of about a centimetre in the middle.",
)

# %% [markdown]
# Three tasks, three scales. A *nodule* is a round shadow of about a centimetre behind ribs. *Microcalcifications* are specks
# of calcium of a fraction of a millimetre; a group of them can be the first sign of cancer. A *mass* is a lump, hard to
# tell from dense normal tissue.
#
# **Predict.** A program marks every bright round spot. In which of the three pictures will it mark the most wrong places?

# %%
candidates = []
for image, score, radius, threshold in (
    (lungs.images[0], np.where(lungs.lung[0], detectors.match_spheres(lungs.images[0], (6.0, 10.0)), -1), 7, 0.3),
    (calcium.images[0], detectors.enhance_specks(calcium.images[0]), 2, 3.0),
):
    candidates.append((image, detectors.find_peaks(score, radius_px=radius, threshold=threshold)))
figure, axes = plots.panels(1, 2, width_inches=4.4, height_inches=4.6)
for ax, (image, places), name in zip(
    axes[0], candidates, ("filter for spheres, lung only", "filter for specks"), strict=True
):
    plots.show_image(image, f"{name}: {len(places)} marks", ax=ax)
    ax.plot(places[:, 1], places[:, 0], "o", ms=9, mfc="none", mec="#ffd92f", mew=0.9)
plots.describe(
    figure, "The lung and the speck film again with a ring around each place that a filter marks; most rings are wrong."
)

# %% [markdown]
# Filters find nearly everything, and much else: crossings of ribs and vessels, dust on the film, grain. A reader who gets
# dozens of false marks a film soon ignores all of them. This is where the networks came in: **they did not search. They
# judged** what a filter had found.
#
# ## The idea: one small window, everywhere
#
# Lay a small square of weights, the *kernel*, on the image. Multiply each pixel with the weight above it, and add up: one number.
# Move on by one pixel, and again. Move the window yourself. **Before you do:** where will the sum of the third kernel, a
# small bright spot minus its surroundings, be largest?

# %%
KERNELS = {
    "mean": np.full((5, 5), 1 / 25),
    "edge": np.tile([-1.0, -1, 0, 1, 1], (5, 1)) / 10,
    "spot": np.where(np.hypot(*(np.indices((5, 5)) - 2)) < 1.5, 1 / 9, -1 / 16),
}
inner = detectors.enhance_specks(calcium.images[0])[40:-40, 40:-40]
speck_row, speck_column = np.array(np.unravel_index(inner.argmax(), inner.shape)) + 40
half = 12
patch = calcium.images[0][speck_row - half : speck_row + half, speck_column - half : speck_column + half]


# %%
def draw_window(kernel: str, row: int, column: int):
    """Show one step of a convolution: the window, its products, and the map so far."""
    weights = KERNELS[kernel]
    windows = np.lib.stride_tricks.sliding_window_view(patch, (5, 5))  # (20, 20, 5, 5)
    answer = (windows * weights).sum(axis=(2, 3))  # (20, 20)
    seen = np.where(np.arange(400).reshape(20, 20) <= row * 20 + column, answer, np.nan)
    figure, axes = plots.panels(1, 3, width_inches=2.3, height_inches=2.6)
    plots.show_image(patch, "image and window", ax=axes[0, 0])
    left, top = column - 0.5, row - 0.5
    axes[0, 0].plot(np.array([0, 5, 5, 0, 0]) + left, np.array([0, 0, 5, 5, 0]) + top, color="#ffd92f", lw=2)
    products = windows[row, column] * weights
    axes[0, 1].imshow(products, cmap="RdBu_r", vmin=-0.1, vmax=0.1)
    axes[0, 1].set_title(f"products, sum {answer[row, column]:.3f}")
    axes[0, 1].set_axis_off()
    bound = np.abs(answer - answer.mean()).max()
    axes[0, 2].imshow(seen, cmap="gray", vmin=answer.mean() - bound, vmax=answer.mean() + bound)
    axes[0, 2].set_title("map so far, 20 x 20")
    axes[0, 2].set_axis_off()
    return plots.describe(
        figure,
        f"A 24 by 24 pixel film patch, the {kernel} kernel at row {row}, column {column}: the products add up to "
        f"{answer[row, column]:.3f}, which becomes one pixel of the map.",
    )


plots.demo(
    draw_window,
    kernel=["spot", "edge", "mean"],
    row=(0, 19, 10),
    column=(0, 19, 10),
    static=[
        {"row": 2, "column": 3},
        {"row": 10, "column": 10},
        {"kernel": "edge", "row": 19, "column": 19},
        {"kernel": "mean", "row": 19, "column": 19},
    ],
)

# %% [markdown]
# The image has 24 x 24 pixels, the map 20 x 20: a window of 5 fits in 20 places along each side. The same 25 weights serve at each
# place. In a network nobody chooses them. They are *learned*, from examples with known answers: for each weight, the
# gradient of the error is summed over all the places where it worked. You will write both in the lab.
#
# **Question 1.** A layer has 10 kernels of 5 x 5 on one input image of 32 x 32. How many weights does it have, without biases?
#
# <details><summary>250</summary>
#
# Yes. Ten kernels with 25 weights each, whatever the size of the image: the weights are shared by all places.
#
# </details>
# <details><summary>7840</summary>
#
# No. That is the number of *outputs*, 10 maps of 28 x 28. They all come from the same few weights.
#
# </details>
# <details><summary>10 240</summary>
#
# No. That would be ten neurons that each see the whole image, with a weight for every pixel.
#
# </details>
#
# ## Three years, three networks
#
# Here is the time in which they were made, and what else was going on.

# %%
EVENTS = [
    (1980, "Fukushima: Neocognitron", 0.5),
    (1989, "LeCun: digits,\nby back-propagation", 1.1),
    (1993, "Lo: nodules", 0.5),
    (1995, "Lo: nodules; Chan: specks", 1.7),
    (1996, "Sahiner: masses", 0.5),
    (2012, "AlexNet", 0.5),
    (2016, "special issue, deep learning\nin medical imaging (unit 4 on)", 1.2),
]
figure, axes = plots.panels(1, 1, width_inches=10.0, height_inches=2.6)
axis = axes[0, 0]
axis.axhline(0, color="0.3", lw=2)
for year, text, height in EVENTS:
    ours = year in (1993, 1995, 1996)
    axis.plot([year, year], [0, height], color="0.6", lw=1, zorder=0)
    axis.plot(year, 0, "o", ms=9, color="#D55E00" if ours else "#0072B2")
    side = {1993: "right", 1996: "left"}.get(year, "center")
    axis.text(year, height + 0.05, f"{year}\n{text}", ha=side, va="bottom", fontsize=9)
axis.set(xlim=(1976, 2021), ylim=(-0.3, 2.6))
axis.set_axis_off()
plots.describe(
    figure,
    "Timeline: Neocognitron 1980, LeCun's digits 1989, Lo's nodules 1993 and 1995, Chan's specks 1995, Sahiner's masses "
    "1996, AlexNet 2012, the special issue of 2016.",
)

# %% [markdown]
# Between 1996 and 2012 lie sixteen years in which few looked at films with them, Chan's group being one. Ask yourself why, before
# unit 4 answers.
#
# We build all three on one plan: convolutions without padding, a sigmoid after each, no pooling, and one output. Plan and sizes are
# **about** those of the papers: that Lo's saw blocks of 32 x 32 and Chan's of 16 x 16 we know only from memory, and the
# numbers of maps are ours.

# %%
networks = {
    "1993, Lo": historic.lo_1993(),
    "1995, Chan": historic.chan_1995(),
    "1996, Sahiner": historic.sahiner_1996(),
}
figure, axes = plots.panels(1, 1, width_inches=9.5, height_inches=3.4)
axis = axes[0, 0]
for line, (name, net) in enumerate(networks.items()):
    convolutions = [layer for layer in net.features if isinstance(layer, torch.nn.Conv2d)]
    side = {"1993, Lo": 32}.get(name, 16)
    boxes = [(convolutions[0].in_channels, side)]
    for layer in convolutions:
        side -= layer.kernel_size[0] - 1
        boxes.append((layer.out_channels, side))
    n_weights = sum(parameter.numel() for parameter in net.parameters())
    axis.text(-0.3, -line, f"{name}\n{n_weights:,} weights", ha="right", va="center")
    for k, (maps, pixels) in enumerate([*boxes, (1, 1)]):
        for m in range(min(maps, 4)):
            half = pixels / 100 + 0.02
            x, y = k + 0.04 * m, -line + 0.03 * m
            axis.fill(x + np.array([0, 2, 2, 0]) * half, y + np.array([-1, -1, 1, 1]) * half, fc="#9ecae1", ec="k")
        text = f"{maps} x {pixels}²" if pixels > 1 else "lesion?"
        axis.text(k + 0.1, -line - 0.47, text, ha="center", fontsize=8)
axis.set(xlim=(-1.3, 4.0), ylim=(-2.7, 0.6))
axis.set_axis_off()
plots.describe(
    figure,
    "Three small networks drawn as rows of stacked squares: input, two layers of feature maps, one output; each with its "
    "number of weights.",
)

# %% [markdown]
# One to nine thousand weights. U-Net (unit 10) has 31 million. In Lo's, two thirds of them sit in the last neuron, which sees every
# place of every map; in Sahiner's, a fifth.
#
# ## 1993: is it a nodule?
#
# Lo's filter, *sphere-template double matching*, marked what looked like a ball. The network saw the block around each mark. We
# do the same: ten marks a lung, some lungs with nodules, and a network that learns from 30 lungs.


# %%
def marks(n_images: int, seed: int):
    """Blocks of 32 x 32 around the filter's marks, whether each is a nodule, and the filter's score."""
    films = datasets.make_chest_radiographs(n_images, size=150, nodules=1.3, seed=seed)
    blocks, labels, scores = [], [], []
    for image, nodules, lung in zip(films.images, films.nodules, films.lung):
        match = np.where(lung, detectors.match_spheres(image, (3.5, 6.0)), -1)
        places = detectors.find_peaks(match, radius_px=4, threshold=0.3)[:10]
        distance = np.linalg.norm(places[:, None] - nodules[None, :, :2], axis=-1)
        blocks.append(detectors.cut_blocks(image, places, 32))
        labels.append((distance <= nodules[None, :, 2]).any(axis=1))
        scores.append(match[tuple(places.T)])
    return torch.as_tensor(np.concatenate(blocks)[:, None]), np.concatenate(labels), np.concatenate(scores)


def learn(net, pictures, labels, *, steps: int, name: str):
    """Train on as many lesions as others in each batch."""
    rng, classes = np.random.default_rng(0), [np.flatnonzero(labels == label) for label in (0, 1)]

    def batch(step: int):
        picked = np.concatenate([rng.choice(of_class, 24) for of_class in classes])
        return pictures[picked], torch.as_tensor(labels[picked]).float()

    training.fit(net, batch, functional.binary_cross_entropy_with_logits, steps=steps, lr=3e-3, label=name)
    return net.cpu()


blocks, is_nodule, _ = marks(30, seed=31)
nodule_net = learn(historic.lo_1993(), blocks, is_nodule, steps=400, name="Lo 1993")
test_blocks, test_nodule, match = marks(30, seed=32)
with torch.no_grad():
    logits = nodule_net(test_blocks).numpy()

# %% [markdown]
# **Predict.** Which will rank nodules higher: the filter, the network, or both together?

# %%
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

both = rankdata(match) + rankdata(logits)
for name, score in (("filter", match), ("network", logits), ("two together", both)):
    print(f"AUC of the {name}: {roc_auc_score(test_nodule, score):.2f}")

order = np.argsort(-both)
shown = [order[test_nodule[order]][0], order[test_nodule[order]][-1], order[~test_nodule[order]][0]]
titles = ["nodule, surest", "nodule, least sure", "none, surest"]
plots.show_images(
    [test_blocks[i, 0] for i in shown],
    titles,
    spacing_mm=1.2,
    panel_inches=2.4,
    alt="Three blocks of 32 pixels: a round shadow ranked first, one in the shade at the lung's edge ranked last, a crossing of "
    "ribs and vessels that fooled filter and network.",
)

# %% [markdown]
# One run with some thirty nodules: the figures wobble from seed to seed, and the lab puts intervals on them. Now look at what the first layer has learned.

# %%
plots.show_kernels(nodule_net.features[0].weight, "First layer, 10 kernels of 5 x 5")

# %% [markdown]
# ## 1995: three specks make a cluster
#
# Here the unit that counts is the *cluster*: three specks or more within a few millimetres. One wrong speck does no harm, a wrong
# cluster costs a recall. So one draws *sensitivity over false clusters an image*, the FROC curve, for all thresholds.


# %%
def film_signals(n_images: int, seed: int):
    """What the speck filter finds on each film, and the true clusters."""
    films = datasets.make_microcalcifications(n_images, size=256, seed=seed)
    found = []
    for image, true in zip(films.images, films.specks):
        signal = detectors.enhance_specks(image)
        places = detectors.find_peaks(signal, radius_px=2, threshold=2.5, margin_px=2)[:150]
        near = (np.linalg.norm(places[:, None] - true[None], axis=-1) <= 3).any(axis=1)
        found.append((places, signal[tuple(places.T)], detectors.cut_blocks(image, places, 16)[:, None], near))
    return found, films.clusters


films, _ = film_signals(20, seed=41)
speck_blocks = torch.as_tensor(np.concatenate([film[2] for film in films]))
speck_net = learn(
    historic.chan_1995(), speck_blocks, np.concatenate([film[3] for film in films]), steps=500, name="Chan 1995"
)

films, clusters = film_signals(40, seed=42)
with torch.no_grad():
    judged = [speck_net(torch.as_tensor(film[2])).numpy() for film in films]
curves = {}
for name, scores in (("filter alone", [film[1] for film in films]), ("filter + network", judged)):
    drawn = [detectors.find_clusters(film[0], s, radius_px=50) for film, s in zip(films, scores)]
    curves[name] = detectors.froc(drawn, clusters, radius_px=50)

figure, axes = plots.panels(1, 1, width_inches=6.0, height_inches=3.6)
for style, (name, curve) in zip(("--", "-"), curves.items()):
    axes[0, 0].plot(curve.false_positives, curve.sensitivity, style, label=name)
axes[0, 0].set(xlabel="false clusters an image", ylabel="sensitivity for clusters", xlim=(0, 4), ylim=(0, 1))
axes[0, 0].legend()
said = ", ".join(f"{name}: {detectors.false_positives_at(c, 0.8):.2f}" for name, c in curves.items())
print(f"false clusters an image at a sensitivity of 0.8: {said}")
plots.describe(figure, f"FROC curves on simulated films; false clusters an image at a sensitivity of 0.8: {said}.")

# %% [markdown]
# **Question 2.** Program A marks 90 % of clusters with 2 false ones an image, program B 70 % with 0.5. Which is better?
#
# <details><summary>B: it has a quarter of the false marks</summary>
#
# Not from this. A with a higher threshold would also have fewer false marks, and miss more.
#
# </details>
# <details><summary>A: it finds more</summary>
#
# Not from this either. B with a lower threshold would find more, at a price that we do not know.
#
# </details>
# <details><summary>It cannot be told from one point of each curve</summary>
#
# Yes. Compare them at the same sensitivity, or at the same rate of false marks, or the whole curves.
#
# </details>
#
# ## 1996: texture as a picture
#
# A mass is not always brighter than normal tissue. But it may be *smoother*: where it lies, strands are displaced. Two old
# statistics say so. GLDS asks how much two pixels at distance $d$ differ. SGLD, known as the co-occurrence matrix,
# counts which two grey levels are paired.


# %%
def draw_pairs(distance_px: int):
    """GLDS distribution and SGLD matrix of the mass region for pairs at a distance."""
    grey = texture.quantise(region, 32)
    matrix = texture.sgld(grey, (0, distance_px))
    distribution = texture.glds(grey, (0, distance_px))
    figure, axes = plots.panels(1, 3, width_inches=2.9, height_inches=2.8)
    plots.show_image(region, "region", limits=(0.25, 0.8), ax=axes[0, 0])
    axes[0, 0].plot([128, 128 + distance_px], [128, 128], "o-", color="#ffd92f", ms=4)
    axes[0, 1].bar(np.arange(8), distribution[:8])
    mean = texture.glds_features(distribution)["mean"]
    axes[0, 1].set(title=f"GLDS, mean {mean:.2f}", xlabel="difference, grey levels", ylim=(0, 1))
    axes[0, 2].imshow(np.sqrt(matrix), origin="lower", cmap="cividis")
    rho = texture.sgld_features(matrix)["correlation"]
    axes[0, 2].set(title=f"SGLD, correlation {rho:.2f}", xlabel="grey level", ylabel="grey level")
    return plots.describe(
        figure,
        f"Pairs {distance_px} pixels apart: mean difference {mean:.2f} grey levels, correlation {rho:.2f}; the SGLD "
        "matrix is a ridge along its diagonal that widens with the distance.",
    )


plots.demo(draw_pairs, distance_px=(1, 64, 4), static=[{"distance_px": d} for d in (1, 4, 16)])

# %% [markdown]
# Sahiner et al. computed such a feature in each small part of a region and arranged the numbers as an image. The network then
# saw several images at once: the region itself, averaged down, and texture images. Ours sees three. The slide of the lecture shows GLDS means at $d$ = 4 and
# SGLD correlations at $d$ = 16.

# %%
figure, axes = plots.panels(2, 4, width_inches=2.4, height_inches=2.6)
for line, index in enumerate((4, int(np.flatnonzero(breast.labels == 0)[0]))):
    flat = texture.remove_background(breast.images[index])
    maps = texture.texture_images(flat, glds_px=4, sgld_px=16)
    name = breast.classes[breast.labels[index]]
    for ax, picture, title in zip(
        axes[line],
        (flat, texture.average(flat, 16), *maps),
        (f"{name}, simulated", "averaged, 16 x 16", "GLDS mean, d = 4", "SGLD correlation, d = 16"),
    ):
        plots.show_image(picture, title, ax=ax)
plots.describe(
    figure,
    "A mass (top) and normal tissue (bottom): background-corrected region, the same averaged to 16 by 16, its GLDS mean "
    "image and its SGLD correlation image.",
)

# %% [markdown]
# **Question 3.** A network could compute such differences by itself: they are a convolution and an absolute value. Why may it help to hand them over?
#
# <details><summary>It adds information that the film does not hold</summary>
#
# No. Every texture image is computed from the film. It can hold nothing that was not there.
#
# </details>
# <details><summary>The picture that the network sees was averaged to 16 x 16, and the fine texture was lost</summary>
#
# Yes. The texture images carry a summary of the fine pixels past the averaging, and spare the network from finding it with a few hundred examples.
#
# </details>
# <details><summary>It makes the network deeper</summary>
#
# No. The network stays as it is, with two more input channels in its first layer.
#
# </details>
#
# ## What each paper found, and what we find
#
# | | data | reported |
# |---|---|---|
# | Lo et al. 1995 | chest radiographs, private | a network as the last classifier after sphere matching; about 15 s a film on a DEC Alpha |
# | Chan et al. 1995 | 52 mammograms, private | area under the ROC curve about 0.9 for many configurations; more than 70 % of false clusters removed over a wide range of sensitivities; for obvious clusters 0.35 to 0.1 false ones an image at a sensitivity of 100 % |
# | Sahiner et al. 1996 | 168 regions with masses, 504 normal ones | area 0.87; 90 % of masses at 31 % of normal regions |
#
# None of these data can be had, so nobody can repeat the figures. We repeat the *claims*, on simulated films, five times over:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell, or say the opposite; it does not mean that the authors were wrong. Turning and flipping is the case to think about: on
# these films, at an equal number of steps, it did harm. Ribs have a direction, and a network that sees them upright can use it. The lab asks you about that.

# %% [markdown]
# How much of this is the simulator? Our ribs are more alike than those of real people, which makes their direction a better cue than it may be in a
# hospital. And a network that sees eight times as many orientations may need more steps than it got.
#
# ## In practice: the field's libraries
#
# Nobody writes these loops today. `torch` convolves, and scikit-image counts pairs. Do they agree with ours?

# %%
from scipy.signal import correlate
from skimage.feature import graycomatrix, graycoprops

kernel = torch.as_tensor(KERNELS["spot"])[None, None]
ours = correlate(patch.astype(float), KERNELS["spot"], mode="valid")
theirs = functional.conv2d(torch.as_tensor(patch, dtype=torch.float64)[None, None], kernel)[0, 0].numpy()
print(f"convolution, SciPy against torch: largest difference {np.abs(ours - theirs).max():.1e}")

grey = texture.quantise(region, 32)
# skimage measures its angle from the right towards the lower rows.
matrices = graycomatrix(grey.astype(np.uint8), [4], [0, np.pi / 4], levels=32, symmetric=True, normed=True)
for k, (offset, name) in enumerate([((0, 4), "right"), ((3, 3), "along the diagonal")]):
    matrix = texture.sgld(grey, offset)
    difference = np.abs(matrix - matrices[:, :, 0, k]).max()
    rho = texture.sgld_features(matrix)["correlation"] - graycoprops(matrices, "correlation")[0, k]
    print(f"SGLD {name}: largest difference of the matrix {difference:.1e}, of the correlation {abs(rho):.1e}")

# %% [markdown]
# They agree to rounding. Mind one trap: at 45° and a distance of 4, scikit-image rounds to 3 rows and 3 columns, since a step of 4
# along the diagonal has 2.83 of each. Sahiner-style code steps 4 rows and 4 columns. Both are called "distance 4".
#
# ## Where it fails
#
# **Another film.** The network has learned specks on film of this grain. Take coarser film, with everything else the same:

# %%
for name, grain_mm, quanta in (("as in training", 0.002, 1e5), ("coarse film, low dose", 0.005, 3e4)):
    films = datasets.make_microcalcifications(20, size=256, grain_mm=grain_mm, quanta_per_mm2=quanta, seed=43)
    logits, labels = [], []
    for image, true in zip(films.images, films.specks):
        places = detectors.find_peaks(detectors.enhance_specks(image), radius_px=2, threshold=2.5, margin_px=2)[:150]
        labels.append((np.linalg.norm(places[:, None] - true[None], axis=-1) <= 3).any(axis=1))
        with torch.no_grad():
            logits.append(speck_net(torch.as_tensor(detectors.cut_blocks(image, places, 16)[:, None])).numpy())
    found = sum(label.sum() for label in labels)
    auc = roc_auc_score(np.concatenate(labels), np.concatenate(logits))
    print(f"{name}: specks among the candidates {found}, AUC of the network {auc:.2f}")

# %% [markdown]
# The same specks, the same program, and the network ranks them worse: it has learned what grain looked like on *its* films. A
# test on films of the same department would not have shown it.
#
# **What was never marked is never judged.** The network can only discard. A nodule that the filter missed is lost, however good the
# network is. Report the sensitivity of the whole chain.
#
# **Regions from one film.** Sahiner's regions came from the mammograms of some patients, several from each. If one patient's regions
# lie on both sides of a split, the test is too kind. Split by patient.
#
# **Marks change readers.** A confident wrong mark makes people see what is not there, and a clean film makes them careless. The program must be
# tested with the reader, not alone.
#
# ## Take-aways
#
# - The plan of 1993 is still in use: find candidates, then let a convolutional network judge them.
# - Weights shared over places made learning possible with a few hundred examples. Depth, pooling and millions of images were missing.
# - Detectors are compared at equal sensitivity, along the whole FROC curve.
# - Features made by hand help where examples are few; they are a way to hand over knowledge.
# - Claims can be re-tested even where the data are gone. Figures cannot.
#
# Now write the convolution, the texture and the networks yourself, in the lab of this unit.
#
# ## References
#
# - S.-C. B. Lo, J.-S. Lin, M. T. Freedman, S. K. Mun. Computer-assisted diagnosis of lung nodule detection using artificial convolution neural
#   network. Proc. SPIE 1898, 1993. [doi:10.1117/12.154572](https://doi.org/10.1117/12.154572)
# - S.-C. B. Lo et al. IEEE Trans. Med. Imaging 14, 711-718, 1995. [doi:10.1109/42.476112](https://doi.org/10.1109/42.476112)
# - H.-P. Chan, S.-C. B. Lo, B. Sahiner, K. L. Lam, M. A. Helvie. Med. Phys. 22, 1555-1567, 1995.
#   [doi:10.1118/1.597428](https://doi.org/10.1118/1.597428)
# - B. Sahiner et al. IEEE Trans. Med. Imaging 15, 598-610, 1996. [doi:10.1109/42.538937](https://doi.org/10.1109/42.538937)
# - R. M. Haralick, K. Shanmugam, I. Dinstein. IEEE Trans. Syst. Man Cybern. 3, 610-621, 1973.
#   [doi:10.1109/TSMC.1973.4309314](https://doi.org/10.1109/TSMC.1973.4309314): the co-occurrence matrix.
# - A. E. Burgess, F. L. Jacobson, P. F. Judy. Med. Phys. 28, 419-437, 2001.
#   [doi:10.1118/1.1355308](https://doi.org/10.1118/1.1355308): the power law of breast tissue.
# - K. Fukushima. Biol. Cybern. 36, 193-202, 1980. [doi:10.1007/BF00344251](https://doi.org/10.1007/BF00344251): the Neocognitron.
# - Y. LeCun et al. Neural Comput. 1, 541-551, 1989. [doi:10.1162/neco.1989.1.4.541](https://doi.org/10.1162/neco.1989.1.4.541)
# - H. Greenspan, B. van Ginneken, R. M. Summers. IEEE Trans. Med. Imaging 35, 1153-1159, 2016.
#   [doi:10.1109/TMI.2016.2553401](https://doi.org/10.1109/TMI.2016.2553401)
