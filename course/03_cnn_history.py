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

from medcourse import datasets, froc, plots, training
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
calcium = datasets.make_microcalcifications(1, size=256, clusters=2.0, seed=5)
breast = datasets.make_mass_rois(6, seed=3)
region, outline = breast.images[4], breast.masks[4]
LUNG, SPECKS, MASS = (0.18, 0.9), (0.15, 0.95), (0.25, 0.8)  # the grey values shown black and white
YELLOW, BLUE = "#ffd92f", "#56b4e9"


def ring(ax, row: float, column: float, radius_px: float, colour: str = YELLOW) -> None:
    """Draw a circle around a place."""
    angle = np.linspace(0, 2 * np.pi, 60)
    ax.plot(
        column + radius_px * np.cos(angle),
        row + radius_px * np.sin(angle),
        color=colour,
        lw=1.2,
        scalex=False,
        scaley=False,
    )


figure, axes = plots.panels(1, 4, width_inches=2.5, height_inches=2.8)
lung_ax, speck_ax, zoom_ax, mass_ax = axes[0]
plots.show_image(lungs.images[0], "Lung (simulated)", spacing_mm=lungs.spacing_mm, limits=LUNG, ax=lung_ax)
for row, column, radius in lungs.nodules[0]:
    ring(lung_ax, row, column, 1.5 * radius)
plots.show_image(calcium.images[0], "Specks (simulated)", spacing_mm=calcium.spacing_mm, limits=SPECKS, ax=speck_ax)
for row, column in calcium.clusters[0]:
    ring(speck_ax, row, column, 50)
top, left = (int(place) - 40 for place in calcium.clusters[0][0])
zoom = calcium.images[0][top : top + 80, left : left + 80]
plots.show_image(zoom, "One cluster, specks ringed", spacing_mm=calcium.spacing_mm, ax=zoom_ax)
for row, column in calcium.specks[0] - (top, left):
    if 0 < row < 79 and 0 < column < 79:
        ring(zoom_ax, row, column, 3.5)
plots.show_image(region, "Mass (simulated)", spacing_mm=breast.spacing_mm, limits=MASS, ax=mass_ax)
mass_ax.contour(outline, [0.5], colors=YELLOW, linewidths=1)
plots.describe(
    figure,
    "Four simulated films: a lung crossed by ribs, a circle around each nodule; breast tissue with a circle of 10 mm around each "
    "cluster of specks; one cluster enlarged, soft bright dots with a ring around each, beside sharp dust without one; breast tissue with the outline of a mass.",
)

# %% [markdown]
# Three tasks, three scales. A *nodule* is a round shadow of about a centimetre behind ribs. *Microcalcifications* are specks
# of calcium of a fraction of a millimetre; a group of them can be the first sign of cancer. (What is bright and has no ring in the third picture is dust on the film, and
# sharper than calcium, which the screen has blurred.) A *mass* is a lump, hard to
# tell from dense normal tissue: without its outline, would you have seen this one?
#
# **Predict.** A program marks every bright round spot, of the size that it looks for. In which of the three films will it mark the most wrong places?

# %%
searches = [  # film, limits, score at each pixel, distance between marks in pixels, threshold
    (
        "lung",
        lungs.images[0],
        LUNG,
        np.where(lungs.lung[0], detectors.match_spheres(lungs.images[0], (6, 10)), -1),
        7,
        0.3,
    ),
    ("specks", calcium.images[0], SPECKS, detectors.enhance_specks(calcium.images[0]), 2, 3.0),
    ("mass", region, MASS, detectors.match_spheres(region, (40, 70)), 20, 0.4),
]
spots = np.concatenate([calcium.specks[0], np.full((len(calcium.specks[0]), 1), 3.0)], axis=1)  # row, column, reach
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.6)
said = []
for ax, (name, image, limits, score, distance_px, threshold) in zip(axes[0], searches, strict=True):
    places = detectors.find_peaks(score, radius_px=distance_px, threshold=threshold)
    if name == "mass":
        right = outline[tuple(places.T)]
    else:
        row, column, reach = (lungs.nodules[0] if name == "lung" else spots).T
        right = (np.hypot(places[:, :1] - row, places[:, 1:] - column) <= reach).any(axis=1)
    said.append(f"{name}: {len(places)} marks, {right.sum()} right")
    plots.show_image(image, said[-1], limits=limits, ax=ax)
    for (row, column), good in zip(places, right, strict=True):
        ring(ax, row, column, 6, BLUE if good else YELLOW)
plots.describe(
    figure, f"The three films with a ring around each mark of a filter, blue where it is right. {'; '.join(said)}."
)

# %% [markdown]
# Blue rings are right, yellow ones wrong. The film of specks has the most by far: dust is as small and bright as calcium, and so
# is a clump of film grain. In the lung it is crossings of ribs and vessels, in the breast knots of dense tissue.
#
# A reader who gets dozens of false marks a film soon ignores all of them. This is where the networks came in: **they did not
# search. They judged** what a filter had found.
#
# One more thing to see: of the two nodules in the lung, the filter marked only one. Keep it in mind.
#
# ## The idea: one small window, everywhere
#
# Lay a small square of weights, the *kernel*, on the image. Multiply each pixel with the weight above it, and add up: one number.
# Move on by one pixel, and again. Move the window yourself. **Before you do:** the kernel *spot* is a bright middle minus its
# surroundings. Where will its sum be largest? And what will *edge*, right side minus left, say at a speck?

# %%
KERNELS = {
    "mean": np.full((5, 5), 1 / 25),
    "edge": np.tile([-1.0, -1, 0, 1, 1], (5, 1)) / 10,
    "spot": np.where(np.hypot(*(np.indices((5, 5)) - 2)) < 1.5, 1 / 9, -1 / 16),
}
centres = np.rint(calcium.specks[0]).astype(int)
clearest = detectors.enhance_specks(calcium.images[0])[tuple(centres.T)].argmax()
top, left = centres[clearest] - 12
patch = calcium.images[0][top : top + 24, left : left + 24]


# %%
def show_numbers(ax, numbers, title: str, bound: float) -> None:
    """Show 5 x 5 numbers as colours, with a hundred times each written into its field."""
    ax.imshow(numbers, cmap="RdBu_r", vmin=-bound, vmax=bound)
    for (row, column), number in np.ndenumerate(numbers):
        ink = "white" if abs(number) > 0.6 * bound else "black"
        ax.text(column, row, f"{100 * number:.1f}", ha="center", va="center", fontsize=7, color=ink)
    ax.set_title(title)
    ax.set_axis_off()


# %%
def draw_window(kernel: str, row: int, column: int):
    """Show one step of a convolution: the window, its weights, its products, and the map so far."""
    weights = KERNELS[kernel]
    windows = np.lib.stride_tricks.sliding_window_view(patch, (5, 5))  # (20, 20, 5, 5)
    answer = (windows * weights).sum(axis=(2, 3))  # (20, 20)
    seen = np.where(np.arange(400).reshape(20, 20) <= row * 20 + column, answer, np.nan)
    figure, axes = plots.panels(1, 4, width_inches=2.45, height_inches=2.7)
    image_ax, weight_ax, product_ax, map_ax = axes[0]
    plots.show_image(patch, "1. film (simulated), 2.4 mm", ax=image_ax)
    show_numbers(weight_ax, weights, "2. weights x 100", np.abs(weights).max())
    total = answer[row, column]
    show_numbers(product_ax, windows[row, column] * weights, "3. pixel times weight, x 100", np.abs(weights).max())
    map_ax.imshow(np.full((*answer.shape, 3), 0.93))
    bound = np.abs(answer - answer.mean()).max()
    map_ax.imshow(seen, cmap="gray", vmin=answer.mean() - bound, vmax=answer.mean() + bound)
    map_ax.set_title(f"4. map so far; sum {100 * total:.1f}")
    map_ax.set_axis_off()
    for ax, side in ((image_ax, 5), (map_ax, 1)):
        x, y = np.array([0, 1, 1, 0, 0]) * side + column - 0.5, np.array([0, 0, 1, 1, 0]) * side + row - 0.5
        ax.plot(x, y, color=YELLOW, lw=2)
    return plots.describe(
        figure,
        f"A 24 by 24 pixel film patch with a speck, the {kernel} kernel at row {row}, column {column}: the products add up to "
        f"{total:.3f}, which becomes one pixel of the map.",
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
# *Spot* answers at the speck in the middle, at a fainter one to its upper right, and a little at the grain of dust on the left. *Edge* says plus on the speck's left side, where it gets brighter towards the right, and
# minus on the other. *Mean* only blurs. A kernel answers to what looks like itself.
#
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
# We build all three on one plan: convolutions without padding, a sigmoid after each (the logistic function: any number becomes one from 0 to 1), no pooling,
# and one output. Plan and sizes are **about** those of the papers. We could check the abstracts only, and these do not give them: that Lo's network
# saw blocks of about 32 x 32 pixels and the others about 16 x 16 is from memory, and the numbers of maps are ours.

# %%
networks = {
    "1993, Lo": historic.lo_1993(),
    "1995, Chan": historic.chan_1995(),
    "1996, Sahiner": historic.sahiner_1996(),
}
figure, axes = plots.panels(1, 1, width_inches=9.5, height_inches=3.9)
axis = axes[0, 0]
for line, (name, net) in enumerate(networks.items()):
    convolutions = [layer for layer in net.features if isinstance(layer, torch.nn.Conv2d)]
    side = {"1993, Lo": 32}.get(name, 16)
    boxes = [(convolutions[0].in_channels, side)]
    for layer in convolutions:
        side -= layer.kernel_size[0] - 1
        boxes.append((layer.out_channels, side))
    n_weights = sum(parameter.numel() for parameter in net.parameters())
    axis.text(-0.7, -line, f"{name}\n{n_weights:,} weights", ha="right", va="center")
    for k, (maps, pixels) in enumerate([*boxes, (1, 1)]):
        half = 0.01 * pixels + 0.03
        for m in reversed(range(maps)):  # the rearmost first
            x, y = 1.9 * k + 0.035 * m, -line + 0.02 * m
            axis.fill(
                x + np.array([-1, 1, 1, -1]) * half, y + np.array([-1, -1, 1, 1]) * half, fc="#9ecae1", ec="k", lw=0.7
            )
        text = f"{maps} x {pixels}²" if pixels > 1 else "lesion?"
        axis.text(1.9 * k, -line - 0.5, text, ha="center", va="center", fontsize=8)
        if k < len(boxes):
            kernel = convolutions[k].kernel_size[0] if k < len(convolutions) else None
            axis.annotate(
                "", (1.9 * k + 1.45, -line), (1.9 * k + 0.85, -line), arrowprops={"arrowstyle": "->", "color": "0.4"}
            )
            axis.text(
                1.9 * k + 1.15,
                -line + 0.1,
                f"{kernel} x {kernel}" if kernel else "all",
                ha="center",
                fontsize=8,
                color="0.3",
            )
axis.set(xlim=(-2.3, 6.2), ylim=(-2.65, 0.6), aspect="equal")
axis.set_axis_off()
plots.describe(
    figure,
    "Three small networks drawn as rows of stacked squares: input, two layers of feature maps, one output; above the arrows the size "
    "of the kernels, at the left the number of weights.",
)

# %% [markdown]
# One to nine thousand weights. U-Net (unit 10) has 31 million. In ours after Lo, two thirds of them sit in the last neuron, which sees every
# place of every map; in that after Sahiner, a fifth.
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
nodule_net = historic.lo_1993()
drawn_at_random = nodule_net.features[0].weight.detach().clone()
learn(nodule_net, blocks, is_nodule, steps=400, name="Lo 1993")
test_blocks, test_nodule, match = marks(30, seed=32)
with torch.no_grad():
    logits = nodule_net(test_blocks).numpy()

# %% [markdown]
# How good is a ranking? Take a nodule and a false mark at random. The share of such pairs in which the nodule has the higher score is the *AUC*: 1 is
# perfect, 0.5 is guessing. It is also the area under the *ROC curve*, which shows for each threshold the share of nodules that are called, the
# *sensitivity*, over the share of false marks that are called, too. The papers of the time write $A_z$, the area under a smooth curve fitted to the points.
#
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
# Both together: filter and network err on different marks. That is one run with some thirty nodules. The figures wobble from seed to seed, and the
# lab puts intervals on them.
#
# **Predict.** What will the kernels of the first layer look like, now that they have learned? Like small nodules? Like edges?

# %%
learned = nodule_net.features[0].weight.detach()
figure, axes = plots.panels(1, 2, width_inches=4.4, height_inches=3.0)
plots.show_kernels(drawn_at_random, "First layer as drawn at random", ax=axes[0, 0])
plots.show_kernels(learned, "The same after learning", ax=axes[0, 1])
likeness = np.corrcoef(drawn_at_random.flatten(), learned.flatten())[0, 1]
print(f"correlation of the weights before and after: {likeness:.2f}")
plots.describe(
    figure,
    f"Ten kernels of 5 by 5 before and after learning, both like noise; correlation of their weights {likeness:.2f}.",
)

# %% [markdown]
# Like noise, and nearly as before. The network learned in its second layer and its last neuron, on top of small filters that chance had picked.
#
# With a few hundred blocks to learn from, little pushes the first layer away from where it began. **Do not read a meaning into kernels before you have seen where they
# started.** Edges and spots, as in textbooks, take far more pictures.

# %% [markdown]
# ## 1995: three specks make a cluster
#
# Here the unit that counts is the *cluster*: three specks or more within a few millimetres. One wrong speck does no harm, a wrong
# cluster costs a recall: a woman is called back for nothing. An image can hold any number of wrong clusters, so there is no share of them to draw. One draws *sensitivity over
# false clusters an image* for all thresholds: the free-response ROC or *FROC curve*.
#
# **Predict.** The network judges specks one by one and has never heard of clusters. Will there be fewer false clusters at the same sensitivity?


# %%
def film_signals(n_images: int, seed: int, **film: float):
    """What the speck filter finds on each film, and the true clusters; with knobs of the film."""
    films = datasets.make_microcalcifications(n_images, size=256, seed=seed, **film)
    found = []
    for image, true in zip(films.images, films.specks):
        signal = detectors.enhance_specks(image)
        places = detectors.find_peaks(signal, radius_px=2, threshold=2.5, margin_px=2)[:150]
        near = (np.linalg.norm(places[:, None] - true[None], axis=-1) <= 3).any(axis=1)
        found.append((places, signal[tuple(places.T)], detectors.cut_blocks(image, places, 16)[:, None], near))
    return found, films.clusters


def learn_specks(**film: float):
    """Train a network like Chan's on 20 films."""
    films, _ = film_signals(20, seed=41, **film)
    blocks = torch.as_tensor(np.concatenate([film[2] for film in films]))
    near = np.concatenate([film[3] for film in films])
    return learn(historic.chan_1995(), blocks, near, steps=500, name="Chan 1995")


speck_net = learn_specks()
films, clusters = film_signals(40, seed=42)
with torch.no_grad():
    judged = [speck_net(torch.as_tensor(film[2])).numpy() for film in films]
curves = {}
for name, scores in (("filter alone", [film[1] for film in films]), ("filter + network", judged)):
    drawn = [detectors.find_clusters(film[0], s, radius_px=50) for film, s in zip(films, scores)]
    curves[name] = froc.froc([froc.judge_scan(d.centres, d.scores, true, 2 * 50) for d, true in zip(drawn, clusters)])

figure, axes = plots.panels(1, 1, width_inches=6.0, height_inches=3.6)
for style, (name, curve) in zip(("--", "-"), curves.items()):
    axes[0, 0].plot(curve.false_positives, curve.sensitivity, style, label=name)
    axes[0, 0].plot(froc.false_positives_at(curve, 0.8), 0.8, "o", color=axes[0, 0].lines[-1].get_color())
axes[0, 0].axhline(0.8, color="0.5", lw=1, ls=":", zorder=0)
axes[0, 0].set(xlabel="false clusters an image", ylabel="sensitivity for clusters", xlim=(0, 4), ylim=(0, 1))
axes[0, 0].legend()
said = ", ".join(f"{name}: {froc.false_positives_at(c, 0.8):.2f}" for name, c in curves.items())
print(f"false clusters an image at a sensitivity of 0.8: {said}")
plots.describe(figure, f"FROC curves on simulated films; false clusters an image at a sensitivity of 0.8: {said}.")

# %% [markdown]
# Yes: false specks get low scores one by one, and three of them seldom meet. Read such curves along a horizontal line, as the dotted one: at one sensitivity, how
# many false clusters each? Towards the right the curves draw near to each other, for what the filter never marked no network brings back.
#
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
# A mass is not always brighter than normal tissue. But it may be *smoother*, if it displaces the strands where it lies. Two old
# statistics of pairs of pixels at a distance $d$ say so. The *grey-level difference statistics*, GLDS, ask how much the two differ. The *spatial
# grey-level dependence*, SGLD, counts which two grey levels are paired; most people know it as the co-occurrence matrix.
#
# **Predict.** As the two pixels move apart, what happens to the differences, and to the cloud of pairs around its diagonal?


# %%
normal = int(np.flatnonzero(breast.labels == 0)[0])
REGIONS = {"mass": region, "normal tissue": breast.images[normal]}


def draw_pairs(tissue: str, distance_px: int):
    """GLDS distribution and SGLD matrix of a region for pairs at a distance."""
    image = REGIONS[tissue]
    grey = texture.quantise(image, 32)
    matrix = texture.sgld(grey, (0, distance_px))
    distribution = texture.glds(grey, (0, distance_px))
    figure, axes = plots.panels(1, 3, width_inches=3.2, height_inches=3.0)
    image_ax, bar_ax, matrix_ax = axes[0]
    plots.show_image(image, f"{tissue} (simulated), one pair", spacing_mm=breast.spacing_mm, limits=MASS, ax=image_ax)
    image_ax.plot([96, 96 + distance_px], [128, 128], "o-", color=YELLOW, ms=5, lw=2)
    bar_ax.bar(np.arange(12), distribution[:12])
    mean = texture.glds_features(distribution)["mean"]
    bar_ax.set(title=f"GLDS: they differ by {mean:.2f}", xlabel="difference, grey levels", ylabel="share of pairs")
    bar_ax.set(ylim=(0, 0.8), xticks=range(0, 12, 2))
    matrix_ax.imshow(np.sqrt(matrix), origin="lower", cmap="cividis")
    rho = texture.sgld_features(matrix)["correlation"]
    matrix_ax.set(title=f"SGLD: correlation {rho:.2f}", xlabel="grey level of one", ylabel="grey level of the other")
    return plots.describe(
        figure,
        f"Pairs at a distance of {distance_px} px in {tissue}: mean difference {mean:.2f} grey levels, correlation {rho:.2f}; "
        "the SGLD matrix is a ridge along its diagonal that widens with the distance.",
    )


plots.demo(
    draw_pairs,
    tissue=list(REGIONS),
    distance_px=(1, 64, 4),
    static=[
        {"distance_px": 1},
        {"distance_px": 16},
        {"distance_px": 64},
        {"tissue": "normal tissue", "distance_px": 16},
    ],
)

# %% [markdown]
# Near pixels are alike: small differences, a thin ridge, a correlation near 1. Far ones are strangers: the ridge becomes a cloud. How fast that happens is the texture.
# But choose *normal tissue*: over a whole region the figures hardly tell one kind from the other. Texture must be asked *where*.
#
# Sahiner et al. computed such a feature in each small part of a region and arranged the numbers as an image. The network then
# saw several images at once: the region itself, averaged down, and texture images. Ours sees three. The slide of the lecture shows GLDS means at $d$ = 4 and
# SGLD correlations at $d$ = 16.


# %%
def three_images(image, spacing_mm: float):
    """What the network sees of a region: grey, GLDS mean at 0.4 mm and SGLD correlation at 1.6 mm, 16 x 16 each."""
    flat, side = texture.remove_background(image), image.shape[0]
    near, far, step = round(0.4 / spacing_mm), round(1.6 / spacing_mm), side // 16
    maps = texture.texture_images(flat, glds_px=near, sgld_px=far, window=2 * step, step=step)
    return flat, np.concatenate([texture.average(flat, 16)[None], maps])


NAMES = ("averaged, 16 x 16", "GLDS mean, d = 4", "SGLD correlation, d = 16")
shown = {name: three_images(image, breast.spacing_mm) for name, image in REGIONS.items()}
figure, axes = plots.panels(2, 4, width_inches=2.4, height_inches=2.6)
for line, (name, (flat, maps)) in enumerate(shown.items()):
    plots.show_image(flat, f"{name} (simulated)", spacing_mm=breast.spacing_mm, limits=(-0.25, 0.25), ax=axes[line, 0])
    for k, title in enumerate(NAMES):
        both = np.array([each[1][k] for each in shown.values()])
        plots.show_image(maps[k], title, limits=(both.min(), both.max()), ax=axes[line, k + 1])
plots.describe(
    figure,
    "A mass (top) and normal tissue (bottom): background-corrected region, the same averaged to 16 by 16, its GLDS mean "
    "image and its SGLD correlation image, each on one grey scale for both.",
)

# %% [markdown]
# A single region says little to the eye. So take many.
#
# **Predict.** Average the images of some sixty masses, and of as many normal regions. Where will the GLDS of masses be low, and where high?

# %%
many = datasets.make_mass_rois(120, size=128, spacing_mm=0.2, seed=7)
stacks = np.array([three_images(image, many.spacing_mm)[1] for image in many.images])  # (120, 3, 16, 16)
means = [stacks[many.labels == label].mean(axis=0) for label in (1, 0)]
figure, axes = plots.panels(2, 3, width_inches=3.2, height_inches=2.6)
for line, (name, label) in enumerate((("masses", 1), ("normal regions", 0))):
    for k, (title, unit) in enumerate(
        (("grey", "film brightness"), ("GLDS mean", "film brightness"), ("SGLD", "correlation"))
    ):
        limits = (min(m[k].min() for m in means), max(m[k].max() for m in means))
        count = int((many.labels == label).sum())
        plots.show_map(
            means[line][k], f"{title}: {count} {name}", unit=unit, limits=limits, spacing_mm=1.6, ax=axes[line, k]
        )
plots.describe(
    figure,
    "Averages over many simulated regions. Grey: both have a bright middle. GLDS: masses have a smooth middle inside a rough ring, normal "
    "regions are even. SGLD: noise in both.",
)

# %% [markdown]
# Both kinds are bright in the middle: normal regions were chosen for that, as a program would. But masses have a smooth middle
# in a rough ring, where their outline and spicules lie, and normal regions have neither. That is what the network can learn from the GLDS image. The correlation
# image shows nothing of the kind in this average.
#
# **In our films masses are smooth because we made them so**: the lump displaces the strands. How often real masses do, only real films can tell.
#
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
# *Holds* means that the whole 95 % interval over five runs lies on the claim's side of its bound, *not shown* that the interval contains the bound, and *opposite shown* that all of it
# lies on the other side. None of the three says that the authors were wrong: their films were others.
#
# Turning and flipping is the case to think about. At an equal number of steps it did harm. Is that because ribs have a direction, which a network that sees them upright can use? Or because eight
# orientations take longer to learn than one? The row below it trains both four times as long, and there the two cannot be told apart. Most of the harm was impatience. The lab asks you about that.

# %% [markdown]
# How much of all this is the simulator? Our ribs, strands and specks are more alike than those of real people, so a network has an easier time than in a hospital. Look at
# the signs of such effects and not at their size.
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
    theirs = matrices[:, :, 0, k]
    rho = texture.sgld_features(matrix)["correlation"] - graycoprops(matrices, "correlation")[0, k]
    # Scikit-image has no GLDS, but it lies along the diagonals of the SGLD matrix.
    diagonals = [np.trace(theirs, m) + (np.trace(theirs, -m) if m else 0) for m in range(32)]
    print(
        f"{name}: largest difference of SGLD {np.abs(matrix - theirs).max():.1e}, of its correlation {abs(rho):.1e}, "
        f"of GLDS {np.abs(texture.glds(grey, offset) - diagonals).max():.1e}"
    )

# %% [markdown]
# They agree to rounding. Mind one trap: at 45° and a distance of 4, scikit-image rounds to 3 rows and 3 columns, since a step of 4
# along the diagonal has 2.83 of each. Sahiner-style code steps 4 rows and 4 columns. Both are called "distance 4".
#
# ## Where it fails
#
# **Another film.** The network has learned specks on fine film. Take coarse film and a lower dose, with everything else the same. That is harder for anybody, so put beside it a
# network that has learned on such film.

# %%
COARSE = {"grain_mm": 0.005, "quanta_per_mm2": 3e4}
coarse_net = learn_specks(**COARSE)
for name, film in (("fine film", {}), ("coarse film", COARSE)):
    tests, _ = film_signals(20, seed=43, **film)
    near = np.concatenate([test[3] for test in tests])
    for where, net in (("fine", speck_net), ("coarse", coarse_net)):
        with torch.no_grad():
            logits = net(torch.as_tensor(np.concatenate([test[2] for test in tests]))).numpy()
        print(
            f"{name}, {near.sum()} specks marked: AUC of the network that learned on {where} film {roc_auc_score(near, logits):.3f}"
        )

# %% [markdown]
# On coarse film the network is worse. It is tempting to say that it knows only *its* grain. But the network that learned on coarse film is no better there: the signs are
# harder to see, and that is all. Without this control we would have told you a false story. Either way a score holds for films like those of its test, and the next
# department's have another grain, another dose, another scanner.
#
# **What was never marked is never judged.** The network can only discard. The nodule without a mark, at the top of this page, is lost, however good the
# network is. Report the sensitivity of the whole chain.
#
# **Regions from one film.** Sahiner's 672 regions were cut from 168 mammograms, four from each on average. If regions of one mammogram, or of one patient,
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
# - S.-C. B. Lo et al. Artificial convolution neural network techniques and applications for lung nodule detection. IEEE Trans. Med. Imaging 14, 711-718, 1995.
#   [doi:10.1109/42.476112](https://doi.org/10.1109/42.476112)
# - H.-P. Chan, S.-C. B. Lo, B. Sahiner, K. L. Lam, M. A. Helvie. Computer-aided detection of mammographic microcalcifications: pattern recognition with an
#   artificial neural network. Med. Phys. 22, 1555-1567, 1995. [doi:10.1118/1.597428](https://doi.org/10.1118/1.597428)
# - B. Sahiner et al. Classification of mass and normal breast tissue: a convolution neural network classifier with spatial domain and texture images. IEEE
#   Trans. Med. Imaging 15, 598-610, 1996. [doi:10.1109/42.538937](https://doi.org/10.1109/42.538937)
# - R. M. Haralick, K. Shanmugam, I. Dinstein. Textural features for image classification. IEEE Trans. Syst. Man Cybern. 3, 610-621, 1973.
#   [doi:10.1109/TSMC.1973.4309314](https://doi.org/10.1109/TSMC.1973.4309314): the co-occurrence matrix.
# - J. S. Weszka, C. R. Dyer, A. Rosenfeld. A comparative study of texture measures for terrain classification. IEEE Trans. Syst. Man Cybern. 6, 269-285, 1976.
#   [doi:10.1109/TSMC.1976.5408777](https://doi.org/10.1109/TSMC.1976.5408777): grey-level differences.
# - A. E. Burgess, F. L. Jacobson, P. F. Judy. Human observer detection experiments with mammograms and power-law noise. Med. Phys. 28, 419-437, 2001.
#   [doi:10.1118/1.1355308](https://doi.org/10.1118/1.1355308): how breast tissue is simulated here.
# - K. Fukushima. Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition unaffected by shift in position. Biol. Cybern.
#   36, 193-202, 1980. [doi:10.1007/BF00344251](https://doi.org/10.1007/BF00344251)
# - Y. LeCun et al. Backpropagation applied to handwritten zip code recognition. Neural Comput. 1, 541-551, 1989.
#   [doi:10.1162/neco.1989.1.4.541](https://doi.org/10.1162/neco.1989.1.4.541)
# - H. Greenspan, B. van Ginneken, R. M. Summers. Guest editorial. Deep learning in medical imaging: overview and future promise of an exciting new
#   technique. IEEE Trans. Med. Imaging 35, 1153-1159, 2016. [doi:10.1109/TMI.2016.2553401](https://doi.org/10.1109/TMI.2016.2553401)
