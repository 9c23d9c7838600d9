# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # First the liver, then its lesions
#
# Unit 11, after Christ and others, *Automatic Liver and Lesion Segmentation in CT Using Cascaded Fully Convolutional Neural Networks
# and 3D Conditional Random Fields*, MICCAI 2016. (The lecture's slide says 2017: that is the extended version, arXiv 1702.05970.)
#
# **After this lesson you can**
#
# - say why a grey value alone does not make a lesion, and what a window shows and hides;
# - explain a cascade of two networks, and which errors it cannot undo;
# - choose loss weights for rare classes, knowing their price;
# - say what a dense conditional random field does, and predict when it helps and when it harms;
# - name the ways in which such a system goes wrong in a hospital.
#
# **Time:** about 50 minutes, and 110 for the lab. **Before this:** unit 10, U-Net.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import torch
from torch.nn import functional

from medcourse import datasets, losses, metrics, models, plots, training

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: a number for the tumour board
#
# A patient with bowel cancer has spots in the liver. Are there three or seven? How large, and how much healthy liver would be left
# after surgery? Did they shrink since the last scan? Somebody outlines every spot on a hundred slices, or, more often,
# measures two diameters and hopes.
#
# A CT scan is a stack of slices. Each voxel holds a *Hounsfield unit* (HU): -1000 is air, 0 water. About 70 seconds after a contrast agent is injected, in the *portal
# venous phase*, healthy liver reaches 100 HU. Most metastases get less blood, and stay 30 to 60 HU darker.
#
# All patients of this page are **simulated**: `make_abdomens` shapes organs, lets vessels branch and lesions grow, and adds a scanner's blur and noise.
#
# A screen shows 256 greys, the scan has 4000. A *window* picks the part that is shown. **Predict:** in which window are lesions seen best: wide, or narrow around the liver?

# %%
scan = datasets.make_abdomens(1, spacing_mm=(5, 2, 2), seed=12).scans[0]
SLICE = 7


def draw_window(level_hu: int, width_hu: int):
    """Show one slice in a window."""
    low, high = level_hu - width_hu / 2, level_hu + width_hu / 2
    return plots.show_image(
        scan.volume[SLICE],
        f"simulated, {low:g} to {high:g} HU",
        limits=(low, high),
        spacing_mm=2,
        alt=f"A simulated slice of the abdomen in the window from {low:g} to {high:g} HU.",
    )


plots.demo(
    draw_window,
    level_hu=(-100, 300, 80),
    width_hu=(50, 2000, 350),
    static=[{"width_hu": 2000}, {"width_hu": 350}, {"width_hu": 120}],
)

# %% [markdown]
# In the wide one, lesions nearly vanish: 45 of 2000 HU are six of 256 greys. In the narrow one they are plain, but so is the noise, and fat and
# gas are both black. Christ's networks got the window from -100 to 400 HU, after everything above 1200 HU, such as metal clips, was set to 0.
#
# Now the doubt. If lesions are darker than liver, why not search for that grey?

# %%
grey = (scan.volume > 30) & (scan.volume < 85)
lesion = scan.labels == 2
print(f"voxels between 30 and 85 HU: {grey.sum()}, of them in lesions: {(grey & lesion).sum()}")
figure, axes = plots.panels(1, 2, width_inches=4.6, height_inches=3.6)
plots.overlay(
    scan.volume[SLICE],
    lesion[SLICE].astype(int),
    "simulated: what is to be found",
    limits=(-100, 250),
    spacing_mm=2,
    ax=axes[0, 0],
)
plots.overlay(
    scan.volume[SLICE], grey[SLICE].astype(int), "simulated: 30 to 85 HU", limits=(-100, 250), fill=0.5, ax=axes[0, 1]
)
plots.describe(
    figure, "Left: lesions in the liver. Right: all voxels as grey as lesions: muscle, stomach, bowel, and noise."
)

# %% [markdown]
# Muscle, stomach and bowel are as grey as lesions, and at each border of a bright and a dark tissue some voxels are, too. What makes a lesion is *where* it is: inside of the liver.
#
# ## The idea: a cascade
#
# The first U-Net answers an easy question: liver or not? Then the slice is cut to the liver's box, all else is set to 0, and the box is enlarged. The second U-Net answers: lesion or not?
# It never sees muscle or bowel, and each lesion covers more of its picture.


# %%
def prepare(hu):
    """Christ's preparation, without the mirrored border."""
    return (np.clip(np.where(hu > 1200, 0, hu), -100, 400) + 100) / 500


def box_of(mask, margin=2):
    """The smallest box around a mask, a little wider."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    low = max(rows[0] - margin, 0), max(columns[0] - margin, 0)
    return np.s_[low[0] : rows[-1] + 1 + margin, low[1] : columns[-1] + 1 + margin]


def resize(image, height, width):
    """Bilinear."""
    pixels = torch.as_tensor(np.asarray(image), dtype=torch.float32)[None, None]
    return functional.interpolate(pixels, (height, width), mode="bilinear")[0, 0].numpy()


liver = scan.labels[SLICE] > 0
box = box_of(liver)
crop = resize(np.where(liver, prepare(scan.volume[SLICE]), 0)[box], 96, 96)
share = [float(lesion[SLICE].mean()), float((lesion[SLICE] & liver)[box].mean())]
print(f"lesion pixels: {share[0]:.1%} of the slice, {share[1]:.1%} of the box")
figure, axes = plots.panels(1, 2, width_inches=4.2, height_inches=3.8)
plots.show_image(
    prepare(scan.volume[SLICE]), "simulated: step 1 sees this", limits=(0, 0.7), spacing_mm=2, ax=axes[0, 0]
)
plots.show_image(crop, "simulated: step 2 sees this", limits=(0, 0.7), ax=axes[0, 1])
plots.describe(figure, "Left: the whole slice. Right: the liver alone, filling a square; two dark lesions are plain.")

# %% [markdown]
# **Question 1.** The first network misses a piece of liver that holds a large lesion. What does the second one do?
#
# <details><summary>It finds the lesion, for it was trained on lesions</summary>
#
# No. The piece was set to 0 before the second network saw it: there is nothing left to find.
#
# </details>
# <details><summary>Nothing: the lesion is lost</summary>
#
# Yes. A cascade cannot recover what its first step throws away. Recall of the first step bounds the recall of the whole.
#
# </details>
# <details><summary>It enlarges the liver until it fits</summary>
#
# No. The second network labels pixels within the liver it was given, and never changes that liver.
#
# </details>
#
# ## Rare pixels
#
# One pixel in a hundred is lesion. Trained with a plain loss, a network that never says *lesion* is right 99 times of 100. So the loss of each pixel is multiplied by a weight of its class, the inverse of its frequency:
#
# $$ w_c = \frac{N}{C\,N_c}. $$
#
# **Predict:** with these weights, does recall rise? And precision, the share of what is called lesion that is one?
#
# Let us train the second step twice, on true livers, with the weights and without. It is small: 8 maps and three poolings.

# %%
people = datasets.make_abdomens(8, spacing_mm=(5, 4, 4), field_mm=(256, 384), seed=3).scans
learn, test = people[:6], people[6:]  # split by patient


def crops_of(scan):
    """Crops of the liver and their lesions, (48, 48) each."""
    for hu, label in zip(scan.volume, scan.labels):
        if (label > 0).sum() >= 40:
            where = box_of(label > 0)
            yield resize(np.where(label > 0, prepare(hu), 0)[where], 48, 48), resize((label == 2)[where], 48, 48) > 0.5


def as_tensors(scans):
    """All crops of scans: (n, 1, 48, 48) and (n, 48, 48)."""
    x, y = zip(*(pair for scan in scans for pair in crops_of(scan)))
    grey = torch.as_tensor(np.stack(x))[:, None].float()
    return (grey - 0.4) * 10, torch.as_tensor(np.stack(y)).long()  # 100 HU as 0, 50 HU as 1: not too flat to learn from


x, y = as_tensors(learn)
x_test, y_test = as_tensors(test)
counts = torch.bincount(y.flatten())
weights = {"none": torch.ones(2), "inverse frequency": y.numel() / (2 * counts)}


# %%
def train(w):
    """Train a small padded U-Net on crops with these weights of the classes."""
    torch.manual_seed(0)
    net, rng = models.UNet(base=8, depth=3, padding="same"), np.random.default_rng(0)

    def batch(step: int):
        picked = rng.integers(len(x), size=6)
        return x[picked], y[picked], w[y[picked]]

    training.fit(net, batch, losses.weighted_cross_entropy, steps=400, lr=5e-3, label="second step")
    return net.cpu()


answers = {}
for name, w in weights.items():
    net = train(w)
    with torch.no_grad():
        answers[name] = net(x_test).softmax(1)[:, 1].numpy()
    found, true = answers[name] > 0.5, y_test.numpy() > 0
    hits, called = (found & true).sum(), found.sum()
    precision = f"{hits / called:.2f}" if called else "none, nothing was called lesion"
    print(f"{name:18} recall {hits / true.sum():.2f}  Dice {metrics.dice(true, found):.2f}  precision {precision}")

# %% [markdown]
# Without weights the network says *lesion* only when it is sure: most of what it says is right, and it misses most lesion pixels. With weights it finds far more of them,
# and more of what it says is wrong: a false alarm is cheap now.
#
# Which is right depends on the use. A list for a radiologist to check wants recall. A volume for the tumour board wants Dice: see
# for yourself which network has the higher one here. It need not be so elsewhere.

# %%
k = int(y_test.sum((1, 2)).argmax())
figure, axes = plots.panels(1, 3, width_inches=3.2, height_inches=3.4)
plots.overlay(x_test[k, 0], y_test[k], "truth", ax=axes[0, 0])
for ax, (name, p) in zip(axes[0, 1:], answers.items()):
    plots.overlay(x_test[k, 0], (p[k] > 0.5).astype(int), f"weights: {name}", ax=ax)
plots.describe(figure, "A test liver with the true lesions, and those found without and with loss weights.")

# %% [markdown]
# One lesion is *brighter* than the liver. Few are in training, and neither network sees more of it than a pixel or two.
#
# **Question 2.** A colleague reports 99 % pixel accuracy for lesions. What do you know?
#
# <details><summary>The network is good</summary>
#
# No. Saying *no lesion* everywhere gets about the same accuracy, without finding a single lesion.
#
# </details>
# <details><summary>Almost nothing: ask for recall, precision or Dice</summary>
#
# Yes. Where one pixel in a hundred is lesion, accuracy is decided by the other ninety-nine.
#
# </details>
# <details><summary>The network was trained without weights</summary>
#
# No. Both kinds of training can reach such an accuracy, so it cannot tell them apart.
#
# </details>
#
# ## Everyone listens to everyone
#
# A network judges each pixel for itself, slice by slice. Its map may be speckled, and differ from slice to slice. A *conditional random field* (CRF) takes the map as a first opinion and lets voxels talk. In a *dense* one each voxel hears all others, in 3D.
# It listens to two kinds: to those that are near (*smoothness*), and to those that are as grey as itself and not too far away (*appearance*):
#
# $$ k_{ij} = w_1 e^{-|s_i - s_j|^2 / 2\theta_1^2} + w_2 e^{-|s_i - s_j|^2 / 2\theta_2^2 - (g_i - g_j)^2 / 2\theta_3^2}. $$
#
# Christ took $w_1 = 3$, $\theta_1 = 3$, $w_2 = 10$, $\theta_2 = 60$, $\theta_3 = 20$. All listen at once, change their minds, and listen again: *mean field*.
# (`models.CRF` also divides each of the two kernels by its sums, as the inventors' program does: else a weight would mean more in a large volume.)
#
# Here is a map that we spoiled by hand: truth, with one voxel in eight turned over. Play. **Before you do:** what will happen to the *smallest* lesion when the field listens far and loudly?

# %%
part = np.s_[5:10, 20:80, 30:120]
small, truth = scan.volume[part], scan.labels[part] == 2
inside = scan.labels[part] > 0
flips = np.random.default_rng(0).random(truth.shape) < 0.125
speckled = np.where(truth ^ (flips & inside), 0.8, 0.2)


def draw_crf(iterations: int, appearance_weight: float, reach_px: float):
    """Refine the speckled map and show its middle slice."""
    crf = models.CRF(
        iterations=iterations,
        appearance_weight=appearance_weight,
        appearance_sigma=reach_px,
        smooth_weight=1.0,
        smooth_sigma=1.0,
        spacing=(2.5, 1, 1),
    )
    p = crf(torch.as_tensor(np.stack([1 - speckled, speckled])), torch.as_tensor(np.clip(small, 0, 250)))[1].numpy()
    found = (p > 0.5) & inside
    title = f"Dice {metrics.dice(truth, found):.2f}"
    figure, axes = plots.panels(1, 2, width_inches=3.4, height_inches=2.8)
    plots.overlay(small[2], truth[2].astype(int), "truth, simulated", limits=(0, 200), spacing_mm=2, ax=axes[0, 0])
    plots.overlay(small[2], found[2].astype(int), title, limits=(0, 200), ax=axes[0, 1])
    return plots.describe(figure, f"True lesions beside those after {iterations} rounds of the CRF: {title}.")


plots.demo(
    draw_crf,
    iterations=(0, 8, 3),
    appearance_weight=(0.0, 15.0, 3.0),
    reach_px=(1.0, 60.0, 4.0),
    frames=12,
    static=[{"iterations": 0}, {}, {"appearance_weight": 10.0, "reach_px": 60.0}],
)

# %% [markdown]
# With no round there is only speckle. A few rounds of near listening clean it. With the paper's reach of 60 pixels, here 120 mm, every voxel hears the whole liver, which is many times as large as a lesion: the majority wins, and both lesions are gone, the large one, too.
# (The paper's pixels were smaller than ours, and its weights were made for its own maps.)
#
# Hearing all pairs costs the square of the number of voxels. `models.CRF` can do that for small volumes, and otherwise filters on coarse grids. How far apart are the two?

# %%
p = torch.as_tensor(np.stack([1 - speckled, speckled]))[:, :, 12:30, 24:44]
few = torch.as_tensor(np.clip(small, 0, 250))[:, 12:30, 24:44]
for reach in (4.0, 60.0):
    exact, grid = (
        models.CRF(appearance_sigma=reach, appearance_weight=2, smooth_weight=0.5, method=m, spacing=(2.5, 1, 1))(
            p, few
        )
        for m in ("exact", "grid")
    )
    gap = (exact - grid).abs()
    print(
        f"reach {reach:g} px, {few.numel()} voxels: beliefs differ by {gap.mean():.4f} on average, by {gap.max():.3f} at most"
    )

# %% [markdown]
# **Question 3.** A map is clean, but wrong: the network drew a lesion where a vessel is cut across. Will the CRF mend it?
#
# <details><summary>It will, since it knows the image</summary>
#
# No. It asks only who is near and as grey. A patch of one grey confirms itself.
#
# </details>
# <details><summary>Hardly: it smooths opinions, and does not know anatomy</summary>
#
# **Yes**, this one. A CRF removes disagreement among like voxels. Where all agree on an error, it makes them surer.
#
# </details>
# <details><summary>Only with more iterations</summary>
#
# No. More rounds ask the same voxels the same question. An error that all share stays one.
#
# </details>
#
# ## What the paper found, and what we find
#
# 3D-IRCADb has 15 volumes with tumours; the paper used them in 2-fold cross-validation. Liver Dice was above 94 %, and a volume took less than 100 s. From the table, as we remember it: liver Dice was about 72.9 % with one U-Net, about 93.1 % with the
# cascade, about 94.3 % with the CRF; lesions had a Dice of about 56 %, with a spread of about 26 points.
#
# The lab measures the claims on simulated patients, five times over:
#
# {{effects}}
#
# Weights raise recall, a CRF cleans what is speckled and harms a little what is clean, and the cascade beats a filter bank with logistic regression in the same liver. But it is *not shown* to be
# better than one step, nor than a threshold, 15 to 40 HU below the liver that the first network found: five runs on these few patients cannot tell.
#
# How can a threshold keep up? About seven of eight of these simulated lesions are darker than the liver, and whoever knows this can write it down. A network has to learn it from
# ten patients. In real livers there are bright lesions, fat, cysts and scars, and a threshold is soon at its end. So read the last rows as a warning about
# simulated data, and as a habit: look for the simple rule before you praise the network.
#
# **A trap, and we were in it.** At first these networks were given the greys from 0 to 1 just as `prepare` makes them, in which a lesion is only a tenth darker than the liver. After as many
# steps the second network still called most of the liver lesion, and the threshold won clearly. With liver at 0 and 50 HU as 1 the same network learns. Before you say that a method
# loses, look whether it was trained.
#
# ## In practice: MONAI and scikit-image
#
# MONAI scales and crops as we did, and says so in one line each; scikit-image knows boxes. Do they agree with what is written out above?

# %%
from monai.transforms import ScaleIntensityRange
from monai.transforms.utils import generate_spatial_bounding_box
from skimage.measure import regionprops

scale = ScaleIntensityRange(a_min=-100, a_max=400, b_min=0, b_max=1, clip=True)
plane = np.where(scan.volume[SLICE] > 1200, 0, scan.volume[SLICE])
print(f"scaling, largest difference: {np.abs(np.asarray(scale(plane)) - prepare(scan.volume[SLICE])).max():.1e}")
start, end = generate_spatial_bounding_box(liver[None], margin=2)
top, left, bottom, right = regionprops(liver.astype(int))[0].bbox
print("box by MONAI:        ", [int(v) for v in (*start, *end)])
print("box by scikit-image: ", [top - 2, left - 2, bottom + 2, right + 2])
print("box written out:     ", [int(v) for v in (box[0].start, box[1].start, box[0].stop, box[1].stop)])

# %% [markdown]
# For the CRF MONAI needs a compiled extension, which its wheel does not bring; hence ours, in PyTorch, which runs on a GPU, too. Most systems since then leave it out: a 3D network sees the neighbours by itself.
#
# ## Where it fails
#
# **Another phase.** The network learned one moment after the injection. In the arterial phase, or without contrast, liver and lesions have other greys, and some lesions are brighter than liver. Let us take a threshold that suits our dark lesions, as a network would, and show it bright ones:

# %%
for name, share in (("dark, as most in training", 0.0), ("bright", 1.0)):
    others = datasets.make_abdomens(
        2, spacing_mm=(5, 4, 4), field_mm=(256, 384), hyperdense_fraction=share, seed=21
    ).scans
    hit = [(s.volume[s.labels == 2] < np.median(s.volume[s.labels == 1]) - 20).mean() for s in others]
    print(f"lesions {name}: {np.mean(hit):.0%} of their voxels are 20 HU darker than the liver")

# %% [markdown]
# **Errors add up.** A liver that is cirrhotic, fatty, or operated on is what the first network has not seen, and these are the livers with lesions.
#
# **A mean hides the small.** Dice over a volume is decided by its largest lesion. A missed one of 10 mm hardly counts, and may decide about surgery. Count lesions, too.
#
# **Leakage.** Neighbouring slices are almost copies. Split by patient, never by slice.
#
# ## Take-aways
#
# - Where an object is can matter more than how grey it is: a cascade brings that in, and pays with errors that it cannot undo.
# - Weights buy recall, and false alarms come along. Say what the use needs.
# - A CRF cleans speckle. Its weights belong to one kind of map and one size of lesion; on clean maps there is nothing to gain.
# - Put a threshold beside the network, on the same patients.
#
# Now build the parts yourself, in the lab of this unit.
#
# ## References
#
# - P. F. Christ et al. Automatic Liver and Lesion Segmentation in CT Using Cascaded Fully Convolutional Neural Networks and 3D Conditional
#   Random Fields. MICCAI 2016, LNCS 9901, 415-423. [doi:10.1007/978-3-319-46723-8_48](https://doi.org/10.1007/978-3-319-46723-8_48)
# - P. F. Christ et al. Automatic Liver and Tumor Segmentation of CT and MRI Volumes Using Cascaded Fully Convolutional Neural Networks. 2017.
#   [doi:10.48550/arXiv.1702.05970](https://doi.org/10.48550/arXiv.1702.05970): the extended version.
# - P. Krähenbühl, V. Koltun. Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials. NeurIPS 2011.
#   [doi:10.48550/arXiv.1210.5644](https://doi.org/10.48550/arXiv.1210.5644): mean field in a dense CRF.
# - P. Bilic et al. The Liver Tumor Segmentation Benchmark (LiTS). Medical Image Analysis 84, 2023.
#   [doi:10.1016/j.media.2022.102680](https://doi.org/10.1016/j.media.2022.102680): where the scans can be had.
