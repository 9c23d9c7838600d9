# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One brain at three scales
#
# Unit 9, after Moeskops, Viergever, Mendrik, de Vries, Benders and Išgum, *Automatic Segmentation of MR Brain Images With a
# Convolutional Neural Network*, 2016.
#
# **After this lesson you can**
#
# - tell a newborn's, a young and an ageing brain apart in a T1-weighted picture, and say which property of tissue makes the contrast;
# - choose how far a network must see, from the structure that it is to name;
# - draw training patches in balance, and say what that does to the answers;
# - turn a network of patches into one that reads a whole slice at once, and check that nothing changed;
# - foresee what becomes of it in another age group, in another scanner, with lesions.
#
# **Time:** about 55 minutes, and 120 for the lab. **Before this:** convolution, pooling, softmax; Dice (unit 2).
#
# **Cost:** {{cost}}

# %%
import time

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch.nn import functional

from medcourse import datasets, metrics, plots, training
from medcourse.models import multiscale
from medcourse.models.multiscale import FromLargest, MultiScaleNet, Scale

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: is this brain growing as it should?
#
# A child is born twelve weeks early. Its brain now does outside of the womb what it should have done inside: the cortex folds,
# and fibre tracts between its regions are laid. At the time when it should have been born, it is scanned. Is there enough cortex? Is it folded? Is there too much fluid?
#
# At the other end of life the question is the reverse: how much has been lost? Ageing brains shrink, their fluid spaces widen, and
# lesions appear in the white matter.
#
# An eye sees a large difference. For a small one, and for hundreds of children, one needs *volumes*: so many millilitres of each part. To
# outline the parts by hand, slice by slice, is work for days. The authors of our paper measured the cortex of 85 preterm children by program, and found that its shape went along with
# how abnormal the brain looked to their doctors (Moeskops 2015).
#
# Here are three **simulated** people. A coronal slice cuts through the head from ear to ear; the top of the head is up. Skin and skull are taken away.

# %%
SEEDS = {"newborn": 200, "young": 100, "ageing": 300}
heads = {age: datasets.make_ages(2, age=age, seed=seed) for age, seed in SEEDS.items()}
PARTS = heads["young"].names


def brains(cohort) -> list[np.ndarray]:
    """The brain alone, 1st to 99th percentile of its grey values scaled to 0 ... 1."""
    return [datasets.prepare_brain(image, labels > 0) for image, labels in zip(cohort.images, cohort.labels)]


figure, axes = plots.panels(1, 3, width_inches=3.2, height_inches=3.4)
for ax, (age, cohort) in zip(axes[0], heads.items()):
    plots.show_image(brains(cohort)[1], f"{age}, simulated", spacing_mm=cohort.spacing_mm, ax=ax)
plots.describe(
    figure,
    "Coronal T1-weighted slices: in the newborn white matter is darker than the cortex, in the adults brighter; the ageing brain has wide ventricles and furrows. The newborn's scale bar is longer: the head is smaller.",
)

# %% [markdown]
# Look at the scale bars: the newborn's head is two thirds as wide. And look at the white matter, the mass inside of the folded rim.
#
# **Predict:** in which of the three is it *brighter* than the rim, the cortex? And why not in all?

# %%
for age, cohort in heads.items():
    greys = np.stack(brains(cohort))
    cortex, white, fluid = (np.median(greys[cohort.labels == part]) for part in (1, 2, 3))
    print(f"{age:8s}: cortex {cortex:.2f}, white matter {white:.2f}, ventricles {fluid:.2f} (0 black, 1 white)")

# %% [markdown]
# In adults white matter is bright: fatty *myelin* wraps its fibres, and water near it relaxes fast. A newborn has hardly any myelin.
# Its white matter holds more water than its cortex, so T1 is longer, and the picture darker. *The contrast is reversed.*
# Only in the brain stem and the deep nuclei has it begun; they are bright.
#
# (The paper's preterm infants were scanned with T2 weighting, its adults with T1. There, too, the infants' contrast is the reverse of an adult's T2. We weigh all by T1, so that age alone
# makes the difference.)
#
# These are the eight parts that are to be found. Each keeps its colour to the end of this lesson. (The paper's groups had 9, 8 and 7 classes, what is not brain counted.)

# %%
figure, axes = plots.panels(1, 3, width_inches=3.0, height_inches=3.0)
for ax, (age, cohort) in zip(axes[0], heads.items()):
    plots.show_labels(cohort.labels[1], PARTS, age, legend=age == "ageing", ax=ax)
figure.set_size_inches(10.6, 3.0)
plots.describe(
    figure,
    "The true parts of the three brains in eight colours. Only the ageing brain has lesions, small spots in the white matter.",
)

# %% [markdown]
# ## A grey value is not a name
#
# Could a table of grey values do it? Below, each bar spans the middle 80 % of a part's pixels.

# %%
figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=3.0)
for ax, age in zip(axes[0], ("young", "newborn")):
    greys, labels = np.stack(brains(heads[age])), heads[age].labels
    for part in range(1, 8):
        low, middle, high = np.percentile(greys[labels == part], [10, 50, 90])
        ax.plot([low, high], [part, part], linewidth=7, color="#56B4E9", solid_capstyle="butt")
        ax.plot(middle, part, "o", color="black", markersize=4)
    ax.set(xlabel="grey value", title=age, xlim=(0, 1.02), ylim=(7.6, 0.4))
    ax.set_yticks(range(1, 8), PARTS[1:8] if age == "young" else [])
plots.describe(
    figure,
    "Grey values of seven parts as bars: cortex, nuclei and cerebellum overlap, and so do ventricles and outer fluid; in the newborn the order of cortex and white matter is turned round.",
)

# %% [markdown]
# Ventricles and outer fluid are the same water. The cortex and the leaves of the cerebellum are grey matter, both. Nuclei and brain stem have nearly one grey. What tells them apart is
# *where* they are, and what is around them.
#
# Why are bars so long where the matter is one? There is noise. And in a thin furrow or at a border a pixel holds some of the neighbour as well (*partial volume*).
#
# ## The idea: a near look, a middle and a far one
#
# The network answers for one pixel, from a square patch around it. A small patch shows on which side of a thin border the pixel lies. A large one
# shows where in the head it is. The authors took three at a time: 25, 51 and 75 pixels wide.
#
# Play: the dot moves over a slice with pixels of 1 mm. **Before you do:** which patch does one need to know that a dark pixel belongs to a ventricle, and not to a furrow?

# %%
fine = datasets.make_ages(1, size=182, seed=5)  # 182 pixels of 1 mm
fine_brain, fine_labels = brains(fine)[0], fine.labels[0]
COLOURS = ("#D55E00", "#E69F00", "#56B4E9")


def draw_patches(row: int, column: int):
    """Mark a pixel, and show the three patches around it."""
    figure, axes = plots.panels(1, 4, width_inches=2.45, height_inches=2.75)
    name = PARTS[fine_labels[row, column]]
    plots.show_image(fine_brain, f"here: {name}", limits=(0, 1), ax=axes[0, 0])
    axes[0, 0].plot(column, row, ".", color="#F0E442")
    for ax, scale, colour in zip(axes[0, 1:], multiscale.PAPER, COLOURS):
        half = scale.side // 2
        box = Rectangle((column - half, row - half), scale.side, scale.side, fill=False, edgecolor=colour)
        axes[0, 0].add_patch(box)
        patch = multiscale.patches_at(fine_brain, np.array([row]), np.array([column]), scale.side)[0]
        plots.show_image(patch, f"{scale.side} pixels, {scale.side} mm", limits=(0, 1), ax=ax)
        ax.add_patch(Rectangle((-0.5, -0.5), scale.side, scale.side, fill=False, edgecolor=colour, linewidth=3))
        ax.plot(half, half, ".", color="#F0E442")
    axes[0, 0].set(xlim=(0, 181), ylim=(181, 0))
    return plots.describe(figure, f"Pixel in row {row}, column {column}, {name}, and patches of 25, 51, 75 pixels.")


def inside(part: int) -> dict[str, int]:
    """A pixel of a part, the one with most of that part around it."""
    near = functional.avg_pool2d(torch.as_tensor(fine_labels == part).float()[None, None], 9, 1, 4)[0, 0].numpy()
    row, column = np.unravel_index(np.argmax(near * (fine_labels == part)), near.shape)
    return {"row": int(row), "column": int(column)}


plots.demo(
    draw_patches,
    row=(0, 181, 96),
    column=(0, 181, 60),
    static=[inside(3), {"row": 92, "column": 50}, inside(7)],
)

# %% [markdown]
# In the small patch a ventricle and a wide furrow are two dark spots. In the large one you see the head around them. But the large patch has
# its price: the exact border is one pixel among thousands there, and each pooling blurs it.
#
# Near the edge of the picture a patch would reach beyond it. There the picture is *mirrored*.
#
# **Question 1.** Suppose a ventricle is wider than 25 pixels. What does a network see that has the small patch only, in its middle?
#
# <details><summary>A ventricle, for it has learned how dark fluid is</summary>
#
# It sees fluid. Whether that is a ventricle or a wide furrow, the grey value does not tell.
#
# </details>
# <details><summary>A black square, the same as within any wide pool of fluid</summary>
#
# Yes. Nothing in the patch tells the two apart, so no amount of training will. It needs a farther look.
#
# </details>
# <details><summary>Enough, since the next pixels are answered as well</summary>
#
# No. Each pixel is answered by itself, and no pixel hears what its neighbours were told.
#
# </details>
#
# ## The network, drawn and run
#
# Each patch has a branch of its own, with kernels that suit it: the larger the patch, the larger the kernels. The branches share nothing until the end: three times
# 256 features stand side by side, and one softmax names the part.


# %%
def steps_of(branch, side: int) -> list[str]:
    """What comes out of a branch step by step, found by running it."""
    steps, x = [f"patch\n1 x {side}²"], torch.zeros(1, 1, side, side)
    for layer in branch:
        x = layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            steps.append(f"conv {layer.kernel_size[0]}²\n{x.shape[1]} x {x.shape[-1]}²")
        elif isinstance(layer, torch.nn.MaxPool2d):
            steps[-1] += f"\npool {x.shape[-1]}²"
        elif isinstance(layer, torch.nn.Linear):
            steps.append(f"dense\n{x.shape[1]}")
    return steps


def draw_branches(net: MultiScaleNet):
    """Draw each branch as a row of boxes, and what they share."""
    figure, axes = plots.panels(1, 1, width_inches=9.5, height_inches=3.4)
    ax, rows = axes[0, 0], []
    for i, (branch, side) in enumerate(zip(net.branches, net.sides)):
        rows.append(steps_of(branch, side))
        for j, text in enumerate(rows[-1]):
            ax.add_patch(Rectangle((j, -i - 0.38), 0.72, 0.76, facecolor="#d9e8f5", edgecolor=COLOURS[i], linewidth=2))
            ax.text(j + 0.36, -i, text, ha="center", va="center", fontsize=8)
            end = (j + 0.98, -i) if j < len(rows[-1]) - 1 else (j + 1.18, -1)
            ax.annotate("", end, (j + 0.74, -i), arrowprops={"arrowstyle": "->", "color": "0.3"})
    last = len(rows[0]) + 0.2
    ax.add_patch(Rectangle((last, -1.6), 0.95, 1.2, facecolor="#fbe3c0", edgecolor="0.3"))
    text = f"{net.to_logits.in_features}\nside by side\nsoftmax\n{net.to_logits.out_features} classes"
    ax.text(last + 0.475, -1, text, ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.1, last + 1.1), ylim=(-2.5, 0.5))
    ax.set_axis_off()
    said = "; ".join(", ".join(step.replace("\n", " ") for step in row) for row in rows)
    return plots.describe(figure, f"Three branches: {said}. They meet in one softmax.")


paper_net = MultiScaleNet(9)
for branch, side in zip(paper_net.branches, paper_net.sides):
    print(f"branch of the {side} pixel patch: {sum(p.numel() for p in branch.parameters()):,} weights")
draw_branches(paper_net)

# %% [markdown]
# Read a row: a 5 x 5 kernel takes 4 pixels off the side, pooling halves it. The small branch pools twice only; 2 x 2 pixels are all that is left there. *dense* is a fully connected layer.
#
# For this page the network must learn in seconds. Our slices have pixels of 1.9 mm, so 13, 25 and 37 of them are as many millimetres as the paper's patches at 1 mm.
# We keep the first layers' kernels of 5, 7 and 9, and make the rest small.

# %%
SCALES = (
    Scale(13, (5, 3, 2), (False, True, False)),
    Scale(25, (7, 3, 2), (True, True, False)),
    Scale(37, (9, 5, 3), (True, True, False)),
)
learn, test = datasets.make_ages(6, age="young", seed=1), heads["young"]  # other people in each


def centred(cohort) -> list[np.ndarray]:
    """Brains with grey values around 0, as a network likes its input."""
    return [4 * brain - 2 for brain in brains(cohort)]


half = SCALES[-1].side // 2
mirrored = torch.as_tensor(np.stack([np.pad(brain, half, mode="reflect") for brain in centred(learn)]))
windows = mirrored.unfold(1, 2 * half + 1, 1).unfold(2, 2 * half + 1, 1)  # (N, H, W, 37, 37), a view
print("patches that could be drawn:", f"{windows.shape[0] * windows.shape[1] * windows.shape[2]:,}")

# %% [markdown]
# ## Draw in balance
#
# Most of the brain's pixels are white matter or cortex, and few are ventricle. The authors drew the same number of patches of each class, 50 000 from each picture, anew for each of ten rounds.
#
# **Predict:** with patches drawn as they come, which part will be lost first?

# %%
of_part = [np.argwhere(learn.labels == part) for part in range(1, 8)]
balanced, natural = of_part, [np.concatenate(of_part)]
share = {PARTS[k + 1]: len(p) / len(natural[0]) for k, p in enumerate(of_part)}
print(", ".join(f"{name} {100 * s:.0f} %" for name, s in sorted(share.items(), key=lambda pair: pair[1])))


def build(scales) -> MultiScaleNet:
    """A small network with a branch a scale."""
    torch.manual_seed(0)
    return MultiScaleNet(len(PARTS), scales=scales, maps=(8, 12, 16), features=32, dropout=0.2)


def train(scales, places, steps: int = 300, size: int = 56):
    """Train on patches drawn alike from each list of places (picture, row, column)."""
    net, rng = build(scales), np.random.default_rng(0)

    def batch(step: int):
        drawn = np.concatenate([p[rng.integers(len(p), size=size // len(places))] for p in places])
        i, row, column = torch.as_tensor(drawn.T)
        return windows[i, row, column][:, None], torch.as_tensor(learn.labels[tuple(drawn.T)]).long()

    whole = FromLargest(net, net.sides)  # cuts the smaller patches out of the largest
    history = training.fit(whole, batch, functional.cross_entropy, steps=steps, lr=6e-3, label="patches")
    return net.cpu(), history


nets, curves = {}, {}
for name, scales in {"13": SCALES[:1], "25": SCALES[1:2], "37": SCALES[2:], "all three": SCALES}.items():
    nets[name], history = train(scales, balanced)
    curves[name] = np.convolve(history.loss, np.ones(20) / 20, "valid")
    print(f"{name:9s}: {history.seconds:.1f} s")
nets["natural"], _ = train(SCALES, natural)
plots.plot_curve(curves, ylabel="cross-entropy (mean of 20)")

# %% [markdown]
# ## Which scale finds what
#
# Two people whom no network has seen. First the look, then the numbers: Dice of each part, the mean over both.


# %%
def segment(net, cohort) -> list[np.ndarray]:
    """Name the parts of each brain of a cohort."""
    return [multiscale.segment(net, net.sides, x, labels > 0) for x, labels in zip(centred(cohort), cohort.labels)]


def mean_dice(found, cohort, part: int) -> float:
    """Dice of a part, averaged over people."""
    return float(np.mean([metrics.dice(t == part, f == part) for t, f in zip(cohort.labels, found)]))


found = {name: segment(net, test) for name, net in nets.items()}
SHOWN = ("13", "25", "37", "all three")
figure, axes = plots.panels(1, 5, width_inches=2.1, height_inches=2.4)
for ax, name in zip(axes[0], SHOWN):
    plots.show_labels(found[name][0], PARTS, f"{name} pixels" if name != "all three" else name, ax=ax)
plots.show_labels(test.labels[0], PARTS, "truth", ax=axes[0, 4])
plots.describe(
    figure,
    "A simulated young brain as named from the small, the middle, the large patch, from all three, and the truth: the small patch scatters brain stem and nuclei over the white matter, the large one blurs the cortex.",
)

# %% [markdown]
# **Predict** from the pictures: which part will the small patch find worst, and what will the large patch be worse at than all three together?

# %%
print(f"{'Dice':26s}" + "".join(f"{name:>11s}" for name in SHOWN))
for part in range(1, 8):
    print(f"{PARTS[part]:26s}" + "".join(f"{mean_dice(found[name], test, part):11.2f}" for name in SHOWN))
average = {name: np.mean([mean_dice(found[name], test, part) for part in range(1, 8)]) for name in found}
print(f"{'mean':26s}" + "".join(f"{average[name]:11.2f}" for name in SHOWN))

# %% [markdown]
# The small patch knows tissues and not places: pieces of brain stem and nuclei lie all over the white matter. The larger ones find the stem. But none of
# the three does for the cortex what they do together: its borders need the near look, and its name the far one.
#
# A fair doubt: three branches have more weights than one. Is it the scales, or the size? A single branch with as many weights would tell; we leave that to you. And this is one run, on two people; the lab repeats it.
#
# And the balance? *Recall* is the share of a part's pixels that were found, *precision* the share of what was called by its name that is it.

# %%
for name in ("natural", "all three"):
    print("drawn as they come:" if name == "natural" else "drawn in balance:")
    for part in (3, 5, 2):
        hits = sum(((f == part) & (t == part)).sum() for f, t in zip(found[name], test.labels))
        called = sum((f == part).sum() for f in found[name])
        recall, score = hits / (test.labels == part).sum(), mean_dice(found[name], test, part)
        print(f"    {PARTS[part]:26s} recall {recall:.2f}  precision {hits / max(called, 1):.2f}  Dice {score:.2f}")

# %% [markdown]
# Nothing is lost even as patches come. But balance finds more of the two rarest parts, and calls much by their names that is something else: recall up, precision down. Dice, which
# weighs both, need not gain at all. So balance is no free gift: it moves errors from missing to inventing. Which is worse depends on what the volume is for.
#
# **Question 2.** Trained on balanced patches, a network calls more pixels *ventricle* than there are. Why?
#
# <details><summary>Ventricles are hard to see</summary>
#
# They are among the easiest: dark, large, sharply bounded. That would not make it call too *many* pixels so.
#
# </details>
# <details><summary>In training one patch of seven was a ventricle, and in a brain far fewer are</summary>
#
# Yes. It learned a world in which ventricles are common, and where in doubt it bets accordingly. The price of recall is precision.
#
# </details>
# <details><summary>The same few ventricle patches came again and again, so it learned them by heart</summary>
#
# That may happen too. But one who knows his few examples by heart calls too few others by their name, not too many.
#
# </details>
#
# ## A simple opponent, and what it leans on
#
# A random forest gets five numbers a pixel: its grey value, that of the picture blurred a little and much, and its row and column. It learns in a second.
#
# **Predict:** who wins? And who wins when each test head lies two centimetres further to the left?

# %%
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import Bunch


def features(brain: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grey value, two blurred ones, row and column of each pixel of the mask, (n, 5)."""
    greys = [brain, gaussian_filter(brain, 1), gaussian_filter(brain, 3)]
    return np.stack([each[mask] for each in (*greys, *np.indices(brain.shape))], axis=1)


forest = RandomForestClassifier(20, min_samples_leaf=5, class_weight="balanced", random_state=0)
known = [features(brain, labels > 0) for brain, labels in zip(brains(learn), learn.labels)]
forest.fit(np.concatenate(known), learn.labels[learn.labels > 0])
for moved_px in (0, 10):
    moved = {name: np.roll(test[name], -moved_px, axis=2) for name in ("images", "labels")}
    there = Bunch(**{**test, **moved})
    by_forest = [np.zeros(labels.shape, int) for labels in there.labels]
    for answer, brain, labels in zip(by_forest, brains(there), there.labels):
        answer[labels > 0] = forest.predict(features(brain, labels > 0))
    for name, answers in (("forest", by_forest), ("network", segment(nets["all three"], there))):
        score = np.mean([mean_dice(answers, there, part) for part in range(1, 8)])
        print(f"moved by {moved_px * there.spacing_mm:2.0f} mm: {name:8s} mean Dice {score:.2f}")

# %% [markdown]
# The forest wins, as long as all heads lie alike: here they do, and row and column are as good as a map of the brain. Moved by two centimetres, it falls far behind. The network was never told
# where a patch lies. It sees what is around, and answers the moved head nearly as before (not quite: near the picture's edge its patches now hold a mirrored piece of brain).
#
# So a simple opponent tells two things: how much of a success the task gives away, and what it leans on. Programs of the field register each head to a template first. Then place is a fair cue again, and such a forest is the one to beat.
#
# ## Look into it: the first layer
#
# The slide's figure 2 shows the kernels of the first layers, and one of each at work. Here are ours. **Before you look:** will you see edges, spots or noise?

# %%
net = nets["all three"]
image = torch.as_tensor(centred(test)[0])
inner = test.labels[0] > 0
figure, axes = plots.panels(2, 3, width_inches=3.6, height_inches=3.0)
for column, branch in enumerate(net.branches):
    kernels = branch[0].weight.detach()  # (8, 1, k, k)
    side = kernels.shape[-1]
    responses = functional.conv2d(image[None, None], kernels, padding=side // 2)[0].numpy()
    k = int(np.argmax(responses[:, inner].std(1)))  # the one that tells pixels apart most
    plots.show_kernels(kernels, f"{side} x {side} kernels", ax=axes[0, column])
    y, x = (side + 1) * (k // 3), (side + 1) * (k % 3)
    axes[0, column].add_patch(Rectangle((x - 0.5, y - 0.5), side, side, fill=False, edgecolor="black", linewidth=2))
    shown = np.where(inner, responses[k] - responses[k][inner].mean(), 0)
    plots.show_map(shown, "the framed one at work", diverging=True, unit="response less mean", ax=axes[1, column])
fresh = build(SCALES)
for old, new in zip(fresh.branches, net.branches):
    before, after = (module[0].weight.detach().flatten(1) for module in (old, new))
    likeness = torch.cosine_similarity(before, after, dim=1).abs().median()
    print(
        f"{new[0].kernel_size[0]} x {new[0].kernel_size[0]}: likeness to the random start, median of 8 kernels: {likeness:.2f}"
    )
plots.describe(
    figure,
    "Eight kernels of each first layer, and a test brain convolved with a framed one of each size: the larger the kernel, the smoother the response.",
)

# %% [markdown]
# Noise, most of them, and close to the random numbers with which training began: so short a training changes the first layer least of all. (1 would be *unchanged*, 0 *nothing in common*.) Yet they are of use: a random kernel whose weights
# do not sum to 0 passes grey values on, blurred; another one passes edges of one direction; later layers choose.
#
# So do not read too much into pictures of kernels. A pretty one does not prove that a network sees as we do, and an ugly one does not prove that it fails.
#
# ## A slice at once
#
# Two neighbouring patches of 37 pixels share 36 of their columns, and nearly all of the work is done twice. A network without padding can be run over
# the whole slice instead. Two things must be seen to. A fully connected layer becomes a convolution as wide as what it flattened. And pooling by 2 may not skip every
# other pixel, for the neighbouring patch pools other pairs: it moves by one pixel, and all later layers read every *second* pixel (*dilation*).
#
# Is it the same network? Compare all answers on a piece of a slice.

# %%
piece = centred(test)[0][28:68, 28:68]
started = time.perf_counter()
slow = multiscale.patchwise_logits(net, net.sides, piece)
middle = time.perf_counter()
fast = multiscale.dense_logits(net, net.sides, piece)
ended = time.perf_counter()
print(
    f"logits of {piece.size} pixels differ by {(slow - fast).abs().max():.0e} at most; they span {slow.max() - slow.min():.0f}"
)
print(
    f"patch by patch {middle - started:.2f} s, at once {ended - middle:.3f} s: {(middle - started) / (ended - middle):.0f} times as fast"
)

# %% [markdown]
# The difference is that of rounding. Such a check belongs beside every "optimised" version of a medical program: same numbers, or another program.
#
# ## Asked about another age
#
# The network knows six young adults. **Predict** for the newborn: what will its white matter be called? And for the ageing: which part will come out wrong?


# %%
def named(found, cohort, part: int) -> str:
    """What the pixels of a part are called, the most frequent names first."""
    answers = np.concatenate([f[t == part] for f, t in zip(found, cohort.labels)])
    shares = np.bincount(answers, minlength=len(PARTS)) / max(len(answers), 1)
    return ", ".join(f"{PARTS[k]} {shares[k]:.0%}" for k in np.argsort(-shares)[:3])


by_age = {age: segment(net, cohort) for age, cohort in heads.items()}
print(f"{'Dice':26s}" + "".join(f"{age:>10s}" for age in by_age))
for part in range(1, 8):
    print(f"{PARTS[part]:26s}" + "".join(f"{mean_dice(by_age[a], heads[a], part):10.2f}" for a in by_age))
for age, cohort in heads.items():
    own = [multiscale.dense_logits(net, net.sides, x).softmax(0).amax(0).numpy() for x in centred(cohort)]
    inner = cohort.labels > 0
    right = np.mean((np.stack(by_age[age]) == cohort.labels)[inner])
    print(f"{age:8s}: right {right:.0%} of pixels, mean probability of the answers {np.stack(own)[inner].mean():.0%}")
print("\nwhite matter of newborns is called:", named(by_age["newborn"], heads["newborn"], 2))
print("ventricles of the ageing are called:", named(by_age["ageing"], heads["ageing"], 3))
print("white matter lesions are called:", named(by_age["ageing"], heads["ageing"], 8))

# %%
figure, axes = plots.panels(2, 3, width_inches=2.7, height_inches=2.9)
for column, (age, cohort) in enumerate(heads.items()):
    plots.show_labels(by_age[age][1], PARTS, f"{age}, as named", ax=axes[0, column])
    plots.show_labels(cohort.labels[1], PARTS, f"{age}, truth", ax=axes[1, column])
for age, cohort in heads.items():
    true, said = (
        100 * np.mean([(m == 3).sum() / (t > 0).sum() for m, t in zip(maps, cohort.labels)])
        for maps in (cohort.labels, by_age[age])
    )
    print(f"{age:8s}: ventricles fill {true:.1f} % of the slice's brain; the network says {said:.1f} %")
plots.describe(
    figure,
    "Above what a network of young adults says, below the truth: nearly right in the young; most of the newborn's white matter named cortex; wide ventricles of the ageing named outer fluid.",
)

# %% [markdown]
# What survives in the newborn is the fluid outside, dark at every age, and much of the stem, large and bright. White matter, as grey as an adult's cortex, gets the names of what is that grey in adults.
#
# In the ageing brain the contrast is the one that was learned, and yet the ventricles are lost: nobody in training had such wide ones, so they are called outer fluid. Read the last lines again. By the network's volumes the old have
# *smaller* ventricles than the young. It goes wrong in just those people in whom it would be the finding, and in the wrong direction.
#
# A lesion gets the name of a part that it is not, for the network has no answer that says *none of these*.
#
# No error message comes, and every pixel has a name. Nor is the network's own probability a warning: compare it with the share of pixels that are right. On the young it fits, on the others it promises too much.
#
# **Question 3.** A colleague proposes to turn the newborn's picture over (bright becomes dark), so that its white matter is brighter than its cortex, as in adults. What will come of it?
#
# <details><summary>The network works: the contrast is that of an adult</summary>
#
# Of cortex and white matter, yes. But the fluid was dark in both, and now it is bright.
#
# </details>
# <details><summary>Fluid becomes the brightest of all, and the network has never seen that</summary>
#
# Yes. The order of two tissues is as it was learned, and that of the third is not. The contrast between three or more is not turned by turning the picture.
#
# </details>
# <details><summary>Nothing changes, since a network looks at edges only</summary>
#
# Its kernels weigh grey values, with sign. Most of them answer the other way round to a picture turned over.
#
# </details>

# %%
turned = Bunch(**heads["newborn"])
turned.images = np.stack([np.where(t > 0, i[t > 0].max() - i, 0) for i, t in zip(turned.images, turned.labels)])
again = segment(net, turned)
for name, answers in (("as it is", by_age["newborn"]), ("turned over", again)):
    print(
        f"newborn {name:12s}"
        + ", ".join(f"{PARTS[p]} {mean_dice(answers, heads['newborn'], p):.2f}" for p in (1, 2, 3, 4))
    )

# %% [markdown]
# All four got worse: once the fluid is the brightest, every other grey has moved as well. The authors did what helps: they trained anew for each group, on its own pictures, with the same architecture. Nothing was designed for infants or for adults.
#
# ## What the paper found, and what we find
#
# The mean Dice over all parts was 0.87 in preterm infants at 30 weeks, 0.82 and 0.84 at 40 weeks (coronal and axial pictures), 0.86 in ageing and 0.91 in young adults.
#
# | Dice | 25 px | 51 px | 75 px | all three |
# |---|---|---|---|---|
# | cortical grey matter | 0.78 | 0.78 | 0.78 | 0.84 |
# | cerebellum | 0.69 | 0.90 | 0.91 | 0.92 |
#
# As here, no single patch did for the cortex what three do, and the small one was the worst of all for the cerebellum, which is known by its place. Patches in three dimensions did not clearly help.
#
# The lab measures on simulated people, over five seeds:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell. *Opposite shown* means that they can, and that it is the other way round. Compare rows with each other, not with the paper's numbers: these brains are simpler, and their truth is exact.
#
# Three scales beat the best single one, most clearly in the cortex. That the small patch is the worst one for parts known by their place is not shown: the outer fluid is one of them, and its thin furrows need the near look (see our own table above).
#
# Balance helps the rarest part, lesions in ageing brains, at the price of probabilities that are several times too high. The mean over all parts does not show a gain. And the forest that knows row and column is a little *ahead* of the network; you have
# seen what it leans on.
#
# ## In practice: a real brain, nilearn and MONAI
#
# nilearn brings the MNI152 template: the T1-weighted brains of 152 young adults, brought to one shape and averaged, with maps of how much grey and white matter each voxel holds. It is no patient, but its contrast and anatomy are real.
#
# Our network has seen six simulated slices. **Predict:** how well does it do here, beside k-means, which sorts grey values into three and knows nothing?

# %%
from monai.metrics import compute_dice
from nilearn.datasets import load_mni152_gm_mask, load_mni152_wm_mask
from sklearn.cluster import KMeans

mni = datasets.load_mni152_tissues(resolution_mm=1)


SLAB = np.s_[:196, 107:111, :188]  # 24 to 27 mm behind the anterior commissure


def coronal(slab: np.ndarray) -> np.ndarray:
    """A slice 4 mm thick through thalami and brain stem, pixels of 2 mm, seen as the simulated ones."""
    return np.rot90(slab.mean(1).reshape(98, 2, 94, 2).mean((1, 3)))


shares = np.stack([coronal(mni.labels[SLAB] == k) for k in range(4)])
true = shares.argmax(0)  # 0 not brain, 1 grey, 2 white matter, 3 fluid
mask = true > 0
template = datasets.prepare_brain(coronal(mni.image[SLAB]), mask)

centres = KMeans(3, n_init=1, random_state=0).fit(template[mask][:, None])
order = np.argsort(centres.cluster_centers_[:, 0])  # fluid, grey, white
by_kmeans = np.zeros_like(true)
by_kmeans[mask] = np.array([3, 1, 2])[np.argsort(order)][centres.labels_]
parts = multiscale.segment(net, net.sides, 4 * template - 2, mask)
TISSUE = np.array([0, 1, 2, 3, 3, 1, 2, 1, 2])  # of our parts; stem counts as white, cerebellum as grey matter
by_net = TISSUE[parts]

figure, axes = plots.panels(1, 4, width_inches=2.6, height_inches=2.9)
plots.show_image(template, "MNI152, real, averaged", spacing_mm=2, ax=axes[0, 0])
plots.show_labels(parts, PARTS, "parts by our network", ax=axes[0, 1])
TISSUES = ("not brain", "grey", "white", "fluid")
plots.show_labels(by_net, TISSUES, "the same as tissues", ax=axes[0, 2])
plots.show_labels(true, TISSUES, "the template's tissue maps", legend=True, ax=axes[0, 3])
figure.set_size_inches(11, 2.9)
plots.describe(
    figure,
    "A coronal slice of the MNI152 template, the parts and tissues that our network names, and the template's own tissues.",
)


# %%
def one_hot(tissues: np.ndarray) -> torch.Tensor:
    """(H, W) to (1, 4, H, W), as MONAI wants it."""
    return functional.one_hot(torch.as_tensor(tissues.copy(), dtype=torch.long), 4).permute(2, 0, 1)[None]


for name, said in (("network", by_net), ("k-means", by_kmeans)):
    ours = [metrics.dice(true == k, said == k) for k in (1, 2, 3)]
    theirs = compute_dice(one_hot(said), one_hot(true), include_background=False)[0].tolist()
    print(f"{name}: Dice of grey, white, fluid: ours {np.round(ours, 3)}, MONAI's {np.round(theirs, 3)}")
for name, number, load in (("grey", 1, load_mni152_gm_mask), ("white", 2, load_mni152_wm_mask)):
    of_nilearn = load(1).get_fdata() > 0
    print(
        f"{name} matter: Dice of the likeliest tissue and nilearn's mask {metrics.dice(mni.labels == number, of_nilearn):.2f}; the mask is {of_nilearn.sum() / (mni.labels == number).sum():.2f} times as large"
    )

# %% [markdown]
# Ours and MONAI's Dice are the same numbers. k-means, which knows nothing, is ahead of our network in grey and white matter: three greys are all that is asked for, and averaging 152 people has taken the noise away.
#
# What k-means cannot do is give *names*. The network finds cortex, ventricles and brain stem in a real picture, though it has seen nothing but simulated ones. It also finds a cerebellum in the temporal lobes. The real one
# begins farther back. In the six slices of its training there was one always, about there.
#
# The maps are no expert's work, either. They call much of the brain stem grey, for its fibres and nuclei mix below the size of a voxel. And nilearn's masks take each voxel with
# a share above 0.2, and close gaps: so they are wider than the likeliest tissue, and many voxels are in both. Read what a mask means before you count with it.
#
# ## Where it fails
#
# **Another scanner.** A receiver that hears one side better than the other tilts all grey values. The authors corrected for that before anything else. What if it is forgotten?

# %%
across = np.linspace(-1, 1, test.images.shape[-1])
for slope in (0.0, 0.2, 0.4):
    tilted = Bunch(**test)
    tilted.images = test.images * np.exp(slope * across)
    answers = segment(net, tilted)
    score = np.mean([mean_dice(answers, test, part) for part in range(1, 8)])
    print(f"right side {np.exp(2 * slope):.1f} times as bright as left: mean Dice {score:.2f}")

# %% [markdown]
# **What was never named.** A lesion, a tumour, a bleeding gets one of the names that were learned, and counts as that tissue. A study of ageing that counts lesions as grey matter hides the
# loss that it looks for.
#
# **The mask.** We took the true one. A program that strips the skull errs first, and what it cut off no later step brings back.
#
# **One rater.** The truth of such studies is drawn by hand. Where a furrow is thinner than a voxel, two experts draw two borders, and a network learns the habits of one.
#
# **Dice forgives and punishes by size.** A border that is off by one pixel costs a large part little and a small one much. So compare a part with itself, over methods, not with another part.
#
# ## Take-aways
#
# - A tissue is known by its grey value, a part by its place. Ask how far one must look, before one designs.
# - Small patches for borders, large ones for place: together they were better than any of them alone.
# - Balanced drawing finds more of what is rare, and calls more by its name than there is.
# - Fast and slow must give the same numbers. Test it.
# - A network learns the people it was shown. Of another age it is wrong *with confidence*, and the volume looks like a finding.
#
# Now build the parts yourself, in the lab of this unit.
#
# ## References
#
# - P. Moeskops, M. A. Viergever, A. M. Mendrik, L. S. de Vries, M. J. N. L. Benders, I. Išgum. Automatic Segmentation of MR Brain Images With
#   a Convolutional Neural Network. IEEE Transactions on Medical Imaging 35(5):1252-1261, 2016.
#   [doi:10.1109/TMI.2016.2548501](https://doi.org/10.1109/TMI.2016.2548501)
# - P. Moeskops et al. Development of Cortical Morphology Evaluated with Longitudinal MR Brain Images of Preterm Infants. PLoS ONE 10(7), 2015.
#   [doi:10.1371/journal.pone.0131552](https://doi.org/10.1371/journal.pone.0131552): the 85 children.
# - L.-A. Williams et al. Neonatal brain: regional variability of in vivo MR imaging relaxation rates at 3.0 T. Radiology 235:595-603, 2005.
#   [doi:10.1148/radiol.2352031769](https://doi.org/10.1148/radiol.2352031769): the newborn's relaxation times.
# - V. Fonov et al. Unbiased average age-appropriate atlases for pediatric studies. NeuroImage 54(1):313-327, 2011.
#   [doi:10.1016/j.neuroimage.2010.07.033](https://doi.org/10.1016/j.neuroimage.2010.07.033): the MNI152 template.
