# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Twelve networks, one answer
#
# Unit 8, after Maji, Santara, Mitra and Sheet, *Ensemble of Deep Convolutional Neural Networks for Learning to Detect
# Retinal Vessels in Fundus Images*, 2016.
#
# **After this lesson you can**
#
# - read a photograph of the retina: disc, macula, arteries, veins, and what is no vessel;
# - say why accuracy flatters every program that looks for rare things;
# - explain what an ensemble gains, and what limits it;
# - draw a map of where networks quarrel, and say what it cannot show;
# - run the field's older filters, and compare honestly.
#
# **Time:** about 50 minutes, and 110 for the lab. **Before this:** convolution, softmax, and what a ROC curve is.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import torch
from sklearn import metrics as scores

from medcourse import datasets, plots
from medcourse.models import vessels as vessel_nets

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: vessels that one can see
#
# A camera looks through the pupil at the back of the eye, the *fundus*. Hardly anywhere else can small arteries and veins be
# seen without a cut. High blood pressure makes the arteries narrow; diabetes makes capillaries leak. To measure a width,
# one must first know which pixels are vessel. By hand that takes an expert an hour or two an image.
#
# These eyes are **simulated**: a tree grows whose widths obey Murray's law (at a branching the sum of the cubed radii is kept),
# and light passes through its blood. So each vessel is known to the pixel.

# %%
eyes = datasets.make_fundi(10, side_px=160, diseased=0.4, seed=6)
sick = int(np.argmax(eyes.lesions.reshape(10, -1).astype(bool).sum(1)))
figure, axes = plots.panels(1, 3, width_inches=3.4, height_inches=3.7)
plots.show_image(eyes.images[sick], "Simulated fundus", spacing_mm=eyes.spacing_mm, ax=axes[0, 0])
plots.show_image(eyes.images[sick, ..., 1], "Its green alone", ax=axes[0, 1])
plots.show_image(eyes.vessels[sick], "Its vessels", ax=axes[0, 2])
plots.describe(
    figure,
    "A simulated fundus in colour, its green channel in grey with dark vessels on a brighter ground, and its vessels in white.",
)

# %% [markdown]
# The pale disc is where the nerve leaves the eye, and all large vessels with it. The dark spot is the *macula*, with which one
# reads; large vessels bend around it. Veins are darker and wider than arteries.
#
# Look for fine vessels that are in the photograph and not in its truth: as an expert's hand would, the truth leaves out what is
# much thinner than a pixel. Whoever finds them is punished for it.
#
# Red dots and blots beside the vessels are lesions: *microaneurysms* (bulges of capillaries) and
# *haemorrhages* (blood that has leaked). They have the colour of vessels and are none. Yellow crumbs are *exudates*, fat that has leaked.
#
# **Predict:** in which of the three colours is the contrast of vessels highest? (Blood is red.)

# %%
inside = eyes.field_of_view
for name, channel in zip(("red", "green", "blue"), np.moveaxis(eyes.images.astype(float), -1, 0)):
    ground, blood = channel[inside & ~eyes.vessels], channel[inside & eyes.vessels]
    print(
        f"{name:5s}: vessels are {100 * (1 - blood.mean() / ground.mean()):.0f} % darker; ground {ground.mean():.0f} of 255"
    )

# %% [markdown]
# Green and blue, not red: blood looks red because it *takes* green and blue. Blue is dark on the whole,
# so noise is worse there. That is why eye doctors look at fundus pictures "red-free".
#
# ## Why accuracy flatters
#
# How many pixels are vessels? Count, inside the round *field of view*. The black frame around it holds nothing, and
# counting it would only make every program look better.

# %%
share = eyes.vessels[inside].mean()
print(f"vessel pixels: {100 * share:.1f} % of the field of view, {100 * eyes.vessels.mean():.1f} % of the whole frame")
print(
    f"accuracy of a program that never marks anything: {1 - share:.3f} in the field, {1 - eyes.vessels.mean():.3f} in the frame"
)

# %% [markdown]
# On DRIVE, the data of the paper, about 9 % of all pixels of the frame are vessels, and about 13 % of those in the field of view. So
# the blind program scores about 0.91 or about 0.87, as one counts. Keep both in mind when you read of 94.7 %, and ask which pixels
# were counted. Kovács and Fazekas asked this of more than a hundred papers on DRIVE: most rankings compared figures of both kinds.
#
# **Question 1.** Two programs have the same accuracy, 0.91. One marks nothing. What can be said of the other?
#
# <details><summary>It marks nothing either</summary>
#
# Not at all: it may find most vessels and pay with false marks elsewhere, pixel for pixel.
#
# </details>
# <details><summary>Nothing, before one knows which errors it makes</summary>
#
# Yes. Missed vessels and false marks weigh the same in accuracy. Ask for sensitivity and specificity, or AUC.
#
# </details>
# <details><summary>It is as useful as the first</summary>
#
# The first is of no use at all; a map with nine of ten vessels and some dirt may be of much use.
#
# </details>
#
# ## The idea: ask twelve
#
# The member is a small network for a patch of 31 x 31 pixels: *is the middle a vessel?* Three convolutions with
# 4 x 4 kernels, two poolings, a hidden layer. Training patches come from inside the field of view, half of them
# centred on vessels.
#
# The authors trained twelve of them and took the mean of the twelve probabilities. Why should that help? Let each member's answer
# be the truth plus an error of variance $\sigma^2$, and let the errors of two members correlate by $\rho$. Then the mean's error
# has variance
#
# $$ \sigma^2 \left( \rho + \frac{1 - \rho}{M} \right). $$
#
# With independent errors it falls to a twelfth. With $\rho = 1$ nothing falls: twelve copies are one. Averaging takes away what members
# do *not* have in common. **Predict:** with $\rho$ = 0.7, how much do twelve save? And a thousand?

# %%
for correlation in (0.0, 0.4, 0.7, 1.0):
    kept = {m: correlation + (1 - correlation) / m for m in (2, 12, 1000)}
    print(f"correlation {correlation:.1f}: variance left " + ", ".join(f"{v:.2f} of {m}" for m, v in kept.items()))

# %% [markdown]
# At 0.7, twelve save 27 %, a thousand 30 %. More members are not the way; *different* members are.
#
# **Question 2.** What would make the members of an ensemble differ most usefully?
#
# <details><summary>The same network and data, trained for longer</summary>
#
# They would end closer to each other, if anything.
#
# </details>
# <details><summary>Other first weights, other patches, other sizes</summary>
#
# Yes. Each source of difference lowers the correlation, as long as no member becomes bad by it.
#
# </details>
# <details><summary>Adding noise to the answers of one network</summary>
#
# Its mean over many draws is that network's answer again: noise that was put in is only taken out.
#
# </details>
#
# ## Train twelve at once
#
# Twelve small networks of one kind can be trained in one pass. `torch.func` stacks their weights, and the twelve convolutions
# become one grouped convolution. On a graphics card, which a single small network leaves idle, that saves time. On a
# processor it may save none; the lab measures it.

# %%
SIDE, N_TRAIN = 21, 7


def standardise(image: np.ndarray, field: np.ndarray) -> torch.Tensor:
    """Remove mean and contrast of each colour inside the field of view; (3, H, W)."""
    colours = image[field].astype(float)
    return (
        torch.as_tensor(np.where(field[..., None], (image - colours.mean(0)) / colours.std(0), 0))
        .permute(2, 0, 1)
        .float()
    )


pictures = [standardise(i, f) for i, f in zip(eyes.images, eyes.field_of_view)]
half = SIDE // 2
padded = torch.nn.functional.pad(torch.stack(pictures[:N_TRAIN]), [half] * 4, mode="reflect")
windows = padded.unfold(2, SIDE, 1).unfold(3, SIDE, 1)  # (N, 3, H, W, side, side), a view
places = [np.argwhere(inside[:N_TRAIN] & (eyes.vessels[:N_TRAIN] == kind)) for kind in (True, False)]
rng = np.random.default_rng(0)


def draw_batch(n_nets: int, n: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches (n_nets, n, 3, side, side) and classes (n_nets, n): half vessel, half not, other ones for each."""
    chosen = np.concatenate([p[rng.integers(len(p), size=(n_nets, n // 2))] for p in places], axis=1)
    i, row, column = (torch.as_tensor(chosen[..., k]) for k in range(3))
    return windows[i, :, row, column], torch.as_tensor([1, 0]).repeat_interleave(n // 2).expand(n_nets, -1)


nets = [vessel_nets.VesselNet(side_px=SIDE, maps=8, hidden=32, dropout=0.3, padding="valid") for _ in range(12)]
twelve = vessel_nets.Together(nets).train()
optimiser = torch.optim.Adam(twelve.parameters(), lr=3e-3)
losses = []
for _ in range(150):
    patches, classes = draw_batch(12)
    loss = vessel_nets.each_mean_loss(twelve(patches), classes)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(float(loss.detach()) / 12)
nets = twelve.unstack()
plots.plot_curve({"mean loss of twelve": losses}, ylabel="cross-entropy")

# %% [markdown]
# To map a whole picture patch by patch would compute nearly everything hundreds of times. A network that never pads can see the
# whole picture in one pass and gives *the same* numbers; the tests of this course hold it to that. (The paper's network pads
# within each patch, so it cannot.)
#
# Play: the number of members that are averaged, and the threshold from which on a pixel is marked. **Before you do:** which of
# the printed numbers will hardly move?

# %%
tested = range(N_TRAIN, 10)
maps = np.stack([vessel_nets.vessel_probability(nets, pictures[i]).numpy() for i in tested])  # (3, 12, H, W)
fields, truths = inside[N_TRAIN:], eyes.vessels[N_TRAIN:]


def draw_members(members: int, threshold: float):
    """Mark vessels where the mean of the first members reaches a threshold; show the point on the ROC curve."""
    mean = maps[:, :members].mean(1)
    y, p = truths[fields], mean[fields]
    marked = p >= threshold
    hit, false = marked[y].mean(), marked[~y].mean()
    figure, axes = plots.panels(1, 2, width_inches=3.2, height_inches=3.3)
    accuracy = np.mean(marked == y)
    plots.show_image((mean[0] >= threshold) & fields[0], f"One eye; accuracy of three {accuracy:.3f}", ax=axes[0, 0])
    across, up, _ = scores.roc_curve(y, p)
    axes[0, 1].plot(across, up)
    axes[0, 1].plot(false, hit, "o", color="#D55E00")
    axes[0, 1].set(
        xlabel="share of background marked",
        ylabel="share of vessels found",
        title=f"AUC {scores.roc_auc_score(y, p):.3f}",
    )
    return plots.describe(
        figure,
        f"Mean of {members}, threshold {threshold:.2f}: finds {hit:.0%} of vessel pixels, marks {false:.0%} of background, accuracy {accuracy:.3f}.",
    )


plots.demo(
    draw_members,
    members=(1, 12, 12),
    threshold=(0.05, 0.98, 0.5),
    static=[{"members": 1}, {"members": 12}, {"threshold": 0.8}, {"threshold": 0.95}],
)

# %% [markdown]
# From 0.8 to 0.95 accuracy moves by about one percent, while the map goes from all large vessels to nearly nothing. AUC does not depend on the threshold at all;
# it moves with the members, and most from one to a few.
#
# At 0.5 they also mark parts of the rim: there the lamp's light fades, and what lies beyond is set to the mean of the picture, so
# that a dark band is left, as a vessel is.
#
# And at 0.5 the networks mark too much: accuracy is *below* that of marking nothing. No wonder: they learned from
# patches half of which showed a vessel. The probability that they give is one for such a world.
#
# ## Where members quarrel
#
# Where all agree on *perhaps*, the picture does not tell. Where half say yes and half say no, training has not settled it.
# The spread of the twelve tells the second.

# %%
mean, spread = maps[0].mean(0), maps[0].std(0)
error = np.abs(mean - truths[0]) * fields[0]
figure, axes = plots.panels(1, 3, width_inches=3.8, height_inches=3.2)
plots.show_map(mean * fields[0], "Mean of twelve", unit="probability of vessel", limits=(0, 1), ax=axes[0, 0])
plots.show_map(spread * fields[0], "Spread of twelve", unit="standard deviation", ax=axes[0, 1])
plots.show_map(error, "Error", unit="|mean - truth|", limits=(0, 1), ax=axes[0, 2])
plots.describe(
    figure,
    "A test eye: mean probability of twelve networks, their standard deviation, and the error of the mean; both are high along thin vessels and edges.",
)

# %% [markdown]
# Both maps light up along edges and thin vessels. But compare them with care: there are errors where the spread is dark. All
# twelve say nearly the same there, and err.
#
# **Question 3.** All twelve networks mark a haemorrhage as vessel, with probabilities from 0.97 to 0.99. What does the spread say?
#
# <details><summary>That the place is uncertain</summary>
#
# The spread is about 0.01, one of the lowest in the picture.
#
# </details>
# <details><summary>Nothing; it is low, since all make the same error</summary>
#
# Yes. They learned from the same marks. Disagreement shows what training left open, not what it got wrong in common.
#
# </details>
# <details><summary>That the haemorrhage is a vessel</summary>
#
# Agreement among copies of one training is no evidence about the world.
#
# </details>
#
# ## What the paper found, and what we find
#
# On DRIVE's 20 test images the twelve networks reached an AUC of 0.9283 and a mean accuracy of at most 94.7 %. Later code
# of the same group, from which this unit takes the sizes, reached an accuracy of 91.8 %. The lab measured on simulated eyes, five times over:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell. *Opposite shown* means that they can, and it is the other way round. The simulated
# eyes have sharper truth than real ones, so compare rows with each other, not with the paper's numbers.
#
# ## In practice: filters that need no training
#
# Before networks there were filters. Frangi's (1998) looks at the second derivatives at several scales: along a vessel brightness
# hardly bends, across it bends much. scikit-image has it. **Predict:** is its AUC lower than that of the twelve?

# %%
from skimage.filters import frangi

filtered = np.stack([frangi(pictures[i][1].numpy(), sigmas=(0.7, 1, 1.5, 2), black_ridges=True) for i in tested])
y = truths[fields]
print(f"AUC of twelve networks: {scores.roc_auc_score(y, maps.mean(1)[fields]):.3f}")
print(f"AUC of one, on average: {np.mean([scores.roc_auc_score(y, maps[:, m][fields]) for m in range(12)]):.3f}")
print(f"AUC of Frangi's filter, untrained: {scores.roc_auc_score(y, filtered[fields]):.3f}")

# %% [markdown]
# It is higher. The filter was made for tubes, and these networks had 150 steps to find out what a tube is. Do not hide such a
# result: it says how much of a success belongs to the task.
#
# The lab trains longer. It adds a filter bank with logistic regression, which learns from the same eyes in a second. Beat that before you call a
# network necessary.
#
# And does the library's AUC agree with the definition? That is the share of pairs (a vessel pixel, a background pixel) in the
# right order. All pairs would be too many; drawn at random, they agree to about 0.01:

# %%
p = maps.mean(1)[fields]
positive, negative = rng.choice(p[y], 2000), rng.choice(p[~y], 2000)
pairs = np.mean(positive[:, None] > negative) + 0.5 * np.mean(positive[:, None] == negative)
print(f"share in the right order among pairs of 2000 pixels of each class: {pairs:.3f}")

# %% [markdown]
# ## Where it fails
#
# **Lesions.** What do the networks say of haemorrhages, exudates and microaneurysms in eyes that were not trained on?

# %%
ill = datasets.make_fundi(4, side_px=160, diseased=1.0, lesions_per_eye=30, seed=40)
said = [vessel_nets.vessel_probability(nets, standardise(i, f)).numpy() for i, f in zip(ill.images, ill.field_of_view)]
for kind, name in ((0, "healthy ground"), (1, "microaneurysms"), (2, "haemorrhages"), (3, "exudates")):
    where = (ill.lesions == kind) & ill.field_of_view & ~ill.vessels
    probability = np.concatenate([s[:, w] for s, w in zip(said, where)], axis=1)
    print(
        f"{name:15s}: marked as vessel {100 * np.mean(probability.mean(0) > 0.5):3.0f} %, spread {probability.std(0).mean():.2f}"
    )

# %% [markdown]
# In such an eye a width of vessels, averaged over the picture, would include blots of blood. And the spread does not warn:
# where nearly every pixel of a haemorrhage is marked, the twelve differ less than on healthy ground.
#
# **Another lamp.** A fundus camera of another make, a cataract, a weaker flash: colours, contrast, noise change. Here the last of
# these: the same eyes with a fifteenth of the light, amplified to the same brightness, so that they are noisier.

# %%
for electrons, name in ((3000, "as in training"), (200, "dim flash")):
    dim = datasets.make_fundi(3, side_px=160, diseased=0, seed=50, electrons=electrons)
    p = [
        vessel_nets.vessel_probability(nets, standardise(i, f)).mean(0)[f]
        for i, f in zip(dim.images, dim.field_of_view)
    ]
    print(f"{name:15s}: AUC {scores.roc_auc_score(dim.vessels[dim.field_of_view], np.concatenate(p)):.3f}")

# %% [markdown]
# **One observer's marks.** DRIVE's truth was drawn by hand. A second observer draws other thin vessels. A program cannot be better than
# the truth it is measured by, and its last percent measures that observer's habits.
#
# **Pixels are not patients.** DRIVE has 20 test eyes and millions of test pixels. An interval over pixels would be far too narrow:
# count eyes.
#
# ## Take-aways
#
# - Nine of ten pixels are no vessel: say what the blind program gets before you say what yours gets.
# - Averaging takes away what members do not share. Its gain ends where their errors correlate.
# - Balanced training patches change what a probability of 0.5 means.
# - Disagreement warns of what training left open, and is silent about errors in common.
# - A trained filter bank is the opponent to beat.
#
# ## References
#
# - D. Maji, A. Santara, P. Mitra, D. Sheet. Ensemble of Deep Convolutional Neural Networks for Learning to Detect Retinal Vessels in
#   Fundus Images. 2016. [doi:10.48550/arXiv.1603.04833](https://doi.org/10.48550/arXiv.1603.04833)
# - J. Staal et al. Ridge-based vessel segmentation in color images of the retina. IEEE Transactions on Medical Imaging 23(4), 2004.
#   [doi:10.1109/TMI.2004.825627](https://doi.org/10.1109/TMI.2004.825627): DRIVE.
# - G. Kovács, A. Fazekas. A new baseline for retinal vessel segmentation: Numerical identification and correction of methodological
#   inconsistencies affecting 100+ papers. 2021. [doi:10.48550/arXiv.2111.03853](https://doi.org/10.48550/arXiv.2111.03853)
# - C. D. Murray. The physiological principle of minimum work. PNAS 12(3):207-214, 1926.
#   [doi:10.1073/pnas.12.3.207](https://doi.org/10.1073/pnas.12.3.207)
# - A. F. Frangi et al. Multiscale vessel enhancement filtering. MICCAI 1998, LNCS 1496:130-137.
#   [doi:10.1007/BFb0056195](https://doi.org/10.1007/BFb0056195)
