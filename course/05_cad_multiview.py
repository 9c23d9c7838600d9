# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Nine looks at a candidate: nodules in chest CT
#
# Unit 5, after Setio and colleagues, *Pulmonary nodule detection in CT images: false positive reduction using multi-view
# convolutional networks*, IEEE Transactions on Medical Imaging 2016.
#
# **After this lesson you can**
#
# - explain why a detector of lung nodules has two tiers, and what each of them is for;
# - cut planes of any direction through a candidate in millimetres, and say why voxels will not do;
# - tell late fusion, a committee and mixed fusion apart;
# - read a FROC curve, say which candidates count, and put an interval around it;
# - name the scanners and nodules on which such a system fails without a word.
#
# **Time:** about 50 minutes, and 130 for the lab. **Before this:** convolution and pooling; CT and Hounsfield units (unit 1).
#
# **Cost:** {{cost}}

# %%
import numpy as np
import torch
from matplotlib.patches import Rectangle
from sklearn.utils import Bunch

from medcourse import datasets, froc, planes, plots, training
from medcourse.models import multiview
from medcourse.models.candidates import find_nodule_candidates

plots.use_style()
LUNG_WINDOW = (-1350.0, 150.0)
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: hundreds of shadows
#
# A *nodule* is a roundish spot in the lung, 3 to 30 mm wide. Most are harmless. A few are cancers, at a stage at which they can be cured. So
# people who smoked for long are screened by CT. One scan has some three hundred slices, and a reader goes through dozens of scans a day.
#
# The trouble is what else is in a lung. Vessels are as dense as nodules, and wherever one crosses a slice it draws a round spot.
# A program that must not miss anything marks them, too. All chests of this page are **simulated**: airways and
# vessels branch by rules, the scanner blurs them and adds noise, and so the truth is known.
#
# **Predict.** Here are the marks of such a program in one scan. How many of them will be nodules?

# %%
KNOBS = {"spacing_mm": (2.0, 1.5, 1.5), "nodules_per_scan": 8, "diameter_mm": (4, 12)}
chest = datasets.make_chest(0, seed=55, **KNOBS)
found = find_nodule_candidates(chest.volume, chest.spacing_mm)
marks = np.column_stack([found.centres_mm, np.maximum(found.radii_mm, 3)])[:60]
plots.view_volume(
    chest.volume,
    spacing_mm=chest.spacing_mm,
    limits=LUNG_WINDOW,
    detections={"candidate": marks},
    alt="Slices of a simulated chest CT. Dozens of diamonds mark spots in the lungs, most of them on vessels.",
)

# %%
truth = froc.judge_scan(found.centres_mm, found.scores, chest.nodules.centres_mm, chest.nodules.diameters_mm)
hit = truth.nodule_scores > -np.inf
print(f"{len(found.scores)} marks, {len(hit)} nodules, {hit.sum()} of them marked; above: the 60 surest marks")

# For the next section: the surest hit, and the false mark that looks most alone in the axial plane and least in another.
first_hit = int(np.flatnonzero(truth.outcome >= 0)[0])
centre_z, top_z = found.centres_mm[:, 0], chest.volume.shape[0] * chest.spacing_mm[0]
others = np.flatnonzero((truth.outcome == -1) & (found.radii_mm < 6) & (centre_z > 25) & (centre_z < top_z - 25))
cut = planes.sample_planes(
    chest.volume, chest.spacing_mm, found.centres_mm[others], planes.nine_planes(), side_mm=32, n_px=32, fill=-1000
)
distance = np.hypot(*np.meshgrid(np.arange(32) - 15.5, np.arange(32) - 15.5))
around = np.quantile(cut[:, :, (distance > 7) & (distance < 12)], 0.95, axis=-1)  # (marks, 9) HU
first_false = int(others[np.argmax(around.max(axis=1) - 1.5 * around[:, 0])])

# %% [markdown]
# Hundreds of marks for a handful of nodules. This is the *first tier*: it wants to miss nothing. The *second tier* looks at each mark again and throws out what is no
# nodule; the field calls it *false positive reduction*. This lesson is about the second tier. What the first one missed is lost.
#
# ## The idea: turn the knife
#
# Look at two marks in the axial slice, as a reader sees them first. One is a nodule.

# %%
pair = {"a": first_false, "b": first_hit}
side = {"side_mm": 50.0, "n_px": 64, "fill": -1000.0}
views = planes.sample_planes(
    chest.volume, chest.spacing_mm, found.centres_mm[list(pair.values())], planes.nine_planes(), **side
)  # (2, 9, 64, 64)
figure, axes = plots.panels(1, 2, width_inches=3, height_inches=3.2)
for ax, name, of_mark in zip(axes[0], pair, views):
    plots.show_image(of_mark[0], f"mark {name}, axial", limits=LUNG_WINDOW, spacing_mm=50 / 64, ax=ax)
plots.describe(figure, "Two axial patches of 50 mm, each with a bright spot in its middle.")

# %% [markdown]
# **Predict:** which one is the nodule, and in which other plane would you look to be sure?
#
# A vessel is a tube. Across, it is round; along, it is long. A nodule is round whichever way it is cut. So turn the plane. Move
# the slider: the plane turns about the x axis, from axial (0 degrees) to coronal (90 degrees).


# %%
def draw_turned(angle_deg: int):
    """Cut both marks by a plane that is turned about the x axis."""
    angle = np.deg2rad(angle_deg)
    turned = np.array([[[-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]])
    centres = found.centres_mm[list(pair.values())]
    cut = planes.sample_planes(chest.volume, chest.spacing_mm, centres, turned, **side)
    figure, axes = plots.panels(1, 2, width_inches=2.2, height_inches=2.4)
    for ax, name, of_mark in zip(axes[0], pair, cut):
        plots.show_image(of_mark[0], f"mark {name}", limits=LUNG_WINDOW, spacing_mm=50 / 64, ax=ax)
    return plots.describe(figure, f"Both marks in a plane turned by {angle_deg} degrees about the x axis.")


plots.demo(draw_turned, angle_deg=(0, 180, 45), static=[{"angle_deg": a} for a in (0, 45, 90, 135)])

# %% [markdown]
# Which directions to take? Setio took the nine planes of symmetry of a cube: three parallel to its sides, and six along the diagonals
# of its sides. Each is 50 mm wide, so that the neighbourhood is seen: does something lead into the spot, is there a wall behind it?

# %%
names = ["axial", "coronal", "sagittal", *[f"diagonal {n}" for n in range(1, 7)]]
figure, axes = plots.panels(2, 9, width_inches=1.25, height_inches=1.45)
for row, (name, of_mark) in enumerate(zip(pair, views)):
    for ax, plane, title in zip(axes[row], of_mark, names):
        plots.show_image(plane, title if row == 0 else f"mark {name}", limits=LUNG_WINDOW, ax=ax)
plots.describe(
    figure,
    f"Nine planes of 50 mm through both marks. Mark b, the {chest.nodules.kinds[truth.outcome[first_hit]]} nodule, is a spot in each; mark a changes its shape.",
)

# %% [markdown]
# Mark b is the nodule, a spot in each plane. Mark a changes its shape: it is a vessel, where it runs or branches.
#
# All this is measured in *millimetres*. Voxels here are 2 mm tall and 1.5 mm wide, elsewhere 0.6 or 5 mm. A plane that counts voxels makes eggs of
# balls, and other eggs in each hospital. It is the most frequent mistake with volumes, and no error message tells of it.
#
# **Question 1.** A colleague resizes each 32 x 32 x 32 *voxel* box around a mark to a fixed input. Training scans have slices of 1 mm. The hospital's new
# protocol has 2.5 mm, pixels as before. What does the network see?
#
# <details><summary>The same, since the input has the same size</summary>
#
# No. The box is 2.5 times as tall in millimetres now, and is squeezed into the same number of voxels: balls look flat.
#
# </details>
# <details><summary>Nodules that look flattened along z, in a larger piece of lung</summary>
#
# Yes. 32 slices are 80 mm now, and a ball of 10 mm is only 4 slices tall. The network never saw such nodules, and its score falls.
#
# </details>
# <details><summary>Noise, since slices of 2.5 mm hold no information</summary>
#
# No. Thick slices blur along z and have less noise, not more. A nodule of 10 mm is well seen on them.
#
# </details>
#
# ## One stream, three fusions
#
# Each plane goes through a small network, the *stream*: convolutions with 24, 32 and 48 maps, and a dense layer with 16 outputs (about the paper's
# sizes). It is the same stream for all planes: its weights are shared. So nine views need no more weights than one, and each candidate teaches the stream nine times.
#
# | fusion | where views meet |
# |---|---|
# | committee | each view gives a probability; the mean counts |
# | late | the views' features stand side by side, and one classifier reads them all |
# | mixed | a committee of late fusions, each of some of the views |
#
# A committee outvotes. If eight views see a spot and the ninth sees a tube, the mean says *nodule*. Late fusion can learn that one tube is enough to say *no*.


# %%
def draw_network(net, n_px: int):
    """Draw views, shared stream and fusion, with the shapes that a run gives."""
    steps, x = [("9\nplanes", f"{n_px} x {n_px}")], torch.zeros(9, 1, n_px, n_px)
    for layer in net.stream:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool2d | torch.nn.Flatten):
            kind = "conv\nReLU\npool" if x.ndim == 4 else "flatten"
            steps.append((kind, " x ".join(map(str, x.shape[1:]))))
    steps += [("dense\nReLU", str(x.shape[1])), ("side by\nside", str(9 * x.shape[1])), ("classifier", "1 logit")]
    figure, axes = plots.panels(1, 1, width_inches=9, height_inches=2.2)
    ax = axes[0, 0]
    for i, (kind, shape) in enumerate(steps):
        for copy in range(3 if i < len(steps) - 2 else 1):  # three stand for nine
            ax.add_patch(
                Rectangle(
                    (i + 0.05 * copy, 0.3 + 0.08 * copy),
                    0.62,
                    0.8,
                    facecolor="#d9e8f5" if i < len(steps) - 2 else "#fbe3c0",
                    edgecolor="0.3",
                )
            )
        ax.text(
            i + (0.41 if i < len(steps) - 2 else 0.31), 0.8, f"{kind}\n{shape}", ha="center", va="center", fontsize=7
        )
        if i < len(steps) - 1:
            ax.annotate("", (i + 0.98, 0.7), (i + 0.74, 0.7), arrowprops={"arrowstyle": "->", "color": "0.3"})
    ax.set(xlim=(-0.1, len(steps)), ylim=(0.1, 1.5))
    ax.set_axis_off()
    ax.set_title("Late fusion: the blue part is one stream, used for each of the nine planes")
    return plots.describe(
        figure, f"Boxes from left to right: {'; '.join(f'{k} {s}'.replace(chr(10), ' ') for k, s in steps)}."
    )


paper_net = multiview.MultiViewNet()
counts = {
    fusion: sum(p.numel() for p in multiview.MultiViewNet(fusion=fusion).parameters()) for fusion in multiview.FUSIONS
}
print("weights:", ", ".join(f"{name} {n:,}" for name, n in counts.items()))
draw_network(paper_net, 64)

# %% [markdown]
# **Question 2.** You replace nine *shared* streams by nine streams with weights of their own. What is the most likely result with few nodules?
#
# <details><summary>Better: each stream becomes an expert of its plane</summary>
#
# With very many nodules, perhaps. Here each stream would learn from a ninth of the pictures, and edges look alike in all planes.
#
# </details>
# <details><summary>Nothing changes, the views are the same</summary>
#
# The views are the same, but there are nine times as many weights in the streams, learned from as few nodules.
#
# </details>
# <details><summary>Worse: nine times the weights from the same nodules</summary>
#
# Yes. Sharing says that a round spot is a round spot in each plane. What differs between planes, the classifier still knows.
#
# </details>
#
# ## Train it
#
# A smaller one, for a laptop: 32 pixels instead of 64, and 8, 16 and 32 maps. It learns from the candidates of a few scans and is tested on others. The split is by
# scan: two marks on one nodule, one in training and one in the test, would be memory and not skill.

# %%
N_PX, N_CANDIDATES = 32, 60


def look_at(scan) -> Bunch:
    """The candidates of a scan: planes, scores, and what each of them hits."""
    found = find_nodule_candidates(scan.volume, scan.spacing_mm)
    centres, scores = found.centres_mm[:N_CANDIDATES], found.scores[:N_CANDIDATES]
    cut = planes.sample_planes(
        scan.volume, scan.spacing_mm, centres, planes.nine_planes(), side_mm=50, n_px=N_PX, fill=-1000
    )
    x = torch.as_tensor((np.clip(cut, -1000, 400) + 1000) / 1400 - 0.2)  # (C, 9, n, n)
    judged = froc.judge_scan(centres, scores, scan.nodules.centres_mm, scan.nodules.diameters_mm)
    return Bunch(x=x, centres=centres, scores=scores, outcome=judged.outcome, nodules=scan.nodules)


cases = [look_at(datasets.make_chest(i, seed=55, **KNOBS)) for i in range(14)]
learn, test = cases[:9], cases[9:]
x = torch.cat([case.x for case in learn])
is_nodule = np.concatenate([case.outcome >= 0 for case in learn])
print(f"to learn from: {is_nodule.sum()} hits on nodules and {(~is_nodule).sum()} other marks")
rng, classes = np.random.default_rng(0), [np.flatnonzero(is_nodule == k) for k in (False, True)]


def batch(step: int):
    """As many nodules as others, mirrored at random: a mirrored nodule is a nodule."""
    picked = np.concatenate([rng.choice(of_class, 16) for of_class in classes])
    return x[picked].flip([axis for axis in (2, 3) if rng.random() < 0.5]), torch.as_tensor(is_nodule[picked])


net = multiview.MultiViewNet(9, side=N_PX, maps=(8, 16, 32), dropout=0.2)
history = training.fit(net, batch, multiview.member_loss, steps=350, lr=3e-3, live=True, label="nine views")
net = net.cpu()

# %% [markdown]
# What do the kernels of its first layer answer to, 5 x 5 pixels each? Some show an edge, red on one side and blue on the other. Others are harder to name.

# %%
plots.show_kernels(net.stream[0].weight)

# %% [markdown]
# ## A curve for free answers
#
# How good is it? There is no count of *true negatives*: all the places that nobody marked. So there is no ROC curve. Instead, lower the threshold step by
# step, and plot the share of nodules found against the false marks *a scan*. This is the *free-response ROC*, FROC.
#
# The challenge LUNA16 fixed the rules. A mark hits a nodule if it lies within its radius. A nodule counts once, with its surest mark. Marks on findings that the readers could not agree
# on count neither way. All else is a false positive. The *CPM* is the mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan.
#
# **Predict:** will the curve of the network start above that of the first tier's own score, or only end above it? Can it end at 1?


# %%
@torch.no_grad()
def judge(cases, network=None) -> list:
    """Judge scans by the network, or by the detector's own score."""
    scores = [case.scores if network is None else network.probability(case.x).numpy() for case in cases]
    return [
        froc.judge_scan(case.centres, s, case.nodules.centres_mm, case.nodules.diameters_mm)
        for case, s in zip(cases, scores)
    ]


bands = {
    "nine views": froc.bootstrap_froc(judge(test, net)),
    "first tier alone": froc.bootstrap_froc(judge(test)),
}
said = "; ".join(
    f"{name}: CPM {band.cpm:.2f} ({band.cpm_low:.2f} to {band.cpm_high:.2f})" for name, band in bands.items()
)
print(said)
plots.plot_froc(bands, title=f"{len(test)} simulated test scans, bands of 95 %")

# %% [markdown]
# The network's curve lies above from the start: among the detector's surest marks are thick vessels, and these are thrown out first. The axis has a doubling for each
# step, because the left end matters most: nobody looks at eight false marks in each scan for long.
#
# The curve cannot reach 1. What the first tier did not mark, or
# marked but not among its 60 surest, is missing whatever the network says.
#
# The band comes from drawing *scans* anew, with replacement, a thousand times. It is wide: these are few patients. Most papers have too few of them, too.
#
# Where is the network wrong? Look at one test scan at the threshold of 4 false positives a scan.

# %%
curve = froc.froc(judge(test, net))
threshold = curve.thresholds[np.flatnonzero(curve.false_positives <= 4)[-1]]
number = int(np.argmax([len(case.nodules.diameters_mm) for case in test]))
case, scan = test[number], datasets.make_chest(9 + number, seed=55, **KNOBS)
with torch.no_grad():
    sure = net.probability(case.x).numpy() >= threshold
is_found = np.isin(np.arange(len(case.nodules.diameters_mm)), case.outcome[sure])
balls = np.column_stack([case.nodules.centres_mm, case.nodules.diameters_mm / 2 + 2])
wrong = np.column_stack([case.centres, np.full(len(case.centres), 5.0)])[sure & (case.outcome == -1)]
shown = {"hit": balls[is_found], "missed": balls[~is_found], "false positive": wrong}
plots.view_volume(
    scan.volume,
    spacing_mm=scan.spacing_mm,
    limits=LUNG_WINDOW,
    detections={kind: rows for kind, rows in shown.items() if len(rows)},
)

# %% [markdown]
# Circles are nodules that were found, dashed circles those that were missed, squares are false marks. Missed ones are often small or hazy; false marks sit where vessels
# branch or touch the wall.
#
# ## What the paper found, and what we find
#
# On 888 scans of LIDC-IDRI, with three detectors in the first tier (for solid, hazy and large nodules), the paper reports
#
# | false positives a scan | sensitivity |
# |---|---|
# | 1 | 85.4 % |
# | 4 | 90.1 % |
#
# Ours are simulated, few, and have one detector in the first tier. The lab trains on one, three and nine views and with two fusions, five times over, and puts
# two opponents beside them that are no networks:
#
# {{effects}}
#
# Read the last row twice. Mean densities in rings around the mark, in nine planes, and logistic regression: 26 numbers. The network is *not shown* to be
# better.
#
# These chests are made of smooth balls and tubes, and whoever knows this can write it down; with a few dozen nodules to learn from, what must be learned
# has no lead. Real nodules are more various, and real data sets larger; the paper's claim was never about this. But without the opponent in the table, you would
# have given all the praise to the network.
#
# Late fusion is not shown to be better than a committee here, nor worse. More views help clearly.
#
# ## In practice: SimpleITK and MONAI
#
# Planes in millimetres are what SimpleITK calls resampling. An image of one slice, whose *direction* is that of the plane:

# %%
import SimpleITK

image = SimpleITK.GetImageFromArray(chest.volume)
image.SetSpacing(chest.spacing_mm[::-1])  # x, y, z
rows, columns = planes.nine_planes()[3][:, ::-1]  # a diagonal plane, as x, y, z
step = 50 / 64
centre = found.centres_mm[first_hit][::-1]
resample = SimpleITK.ResampleImageFilter()
resample.SetSize((64, 64, 1))
resample.SetOutputSpacing((step, step, 1.0))
resample.SetOutputOrigin((centre + (rows + columns) * (0.5 - 32) * step).tolist())
resample.SetOutputDirection(np.column_stack([columns, rows, np.cross(columns, rows)]).ravel().tolist())
resample.SetDefaultPixelValue(-1000)
by_itk = SimpleITK.GetArrayFromImage(resample.Execute(image))[0]
difference = np.abs(by_itk - views[1, 3])
print(f"ours and SimpleITK's differ by {np.median(difference):.4f} HU in the median, {difference.max():.3f} HU at most")

# %% [markdown]
# And MONAI computes the same score from lists of hits and false positives. A nodule that nothing hit gets the lowest score there, 0:

# %%
from monai.metrics import compute_froc_curve_data, compute_froc_score

judged = judge(test, net)
of_nodules = np.concatenate([np.maximum(scan.nodule_scores, 0) for scan in judged])
of_others = np.concatenate([scan.false_positive_scores for scan in judged])
rate, sensitivity = compute_froc_curve_data(of_others, of_nodules, len(of_nodules), len(judged))
theirs = compute_froc_score(rate, sensitivity, eval_thresholds=froc.CPM_RATES)
print(f"CPM by MONAI: {theirs:.4f}, ours: {froc.cpm(curve):.4f}")

# %% [markdown]
# On real scans the places come in the patient's millimetres, x, y, z, and a scan has an origin and directions, which may be flipped. `datasets.read_luna` reads LUNA16 and turns
# them into the millimetres of this lesson; the lab says where to get it.
#
# ## Where it fails
#
# **Another protocol.** The same people, scanned with slices of 5 mm, as many hospitals still do. **Predict:** what falls, the first tier or the second?

# %%
thick = {**KNOBS, "spacing_mm": (5.0, 1.5, 1.5)}
thick_cases = [look_at(datasets.make_chest(9 + i, seed=55, **thick)) for i in range(len(test))]
for name, of in (("2 mm", test), ("5 mm", thick_cases)):
    marked = np.concatenate([scan.nodule_scores > -np.inf for scan in judge(of)])
    at_4 = froc.sensitivity_at(froc.froc(judge(of, net)), 4.0)
    print(
        f"slices of {name}: first tier marks {marked.mean():.0%} of nodules; at 4 false positives a scan {at_4:.0%} are left"
    )

# %% [markdown]
# Both fall. The first number is what the first tier hands on, the second what is left of it. So a part of the loss came before the network saw anything.
# No warning appears: the program runs, and finds less.
#
# **Hazy nodules.** Some nodules are *ground glass*: faint, so that vessels are seen through them. They often grow slowly, and some are cancers all the same. They are few in any training set.

# %%
kinds = np.concatenate([case.nodules.kinds for case in test])
marked, kept = (np.concatenate([s.nodule_scores for s in scans]) for scans in (judge(test), judged))
for kind in ("solid", "part-solid", "ground-glass"):
    of_kind = kinds == kind
    print(
        f"{kind:>12}: {of_kind.sum():2d} nodules, marked {(marked[of_kind] > -np.inf).sum():2d}, kept at 4 false positives a scan {(kept[of_kind] >= threshold).sum():2d}"
    )

# %% [markdown]
# One number for all kinds hides the rare ones. Ask for the curve of each kind, with its interval, and expect the interval to be wide.
#
# **The truth is a vote.** In LIDC-IDRI a nodule counts if three of four radiologists drew it. What one or two saw is *irrelevant*. A program that finds these early gets nothing for it,
# and one that was trained to ignore them will.
#
# **A screening aid changes its reader.** Marks draw the eye. What is not marked is looked at less.
#
# **Question 3.** Two systems have CPM 0.80 and 0.78 on the same 50 scans. The intervals, 0.74 to 0.86 and 0.71 to 0.84, overlap. What follows?
#
# <details><summary>Nothing is known, since the intervals overlap</summary>
#
# Not yet. Both saw the same scans, and hard scans are hard for both. Separate intervals throw this knowledge away.
#
# </details>
# <details><summary>The first is better, 0.80 is more than 0.78</summary>
#
# On these scans, yes. On other patients it may be the reverse: that is what the interval is for.
#
# </details>
# <details><summary>Look at the interval of the difference, drawing the same scans for both</summary>
#
# Yes. Draw scans with replacement, compute both CPMs on the same draw, and keep the difference. If its interval leaves out 0, the first is better.
#
# </details>
#
# ## Take-aways
#
# - Two tiers: the first is to miss nothing, the second throws out. The second cannot bring back what the first lost.
# - Sample in millimetres. A voxel is no unit.
# - Nine views by one stream cost no more weights than one view. Most of the gain comes from seeing more than one plane.
# - FROC counts false marks a scan. Scans are the unit of its uncertainty, too.
# - Put an opponent without a network beside each network. Here it was about level.
#
# ## References
#
# - A. A. A. Setio, F. Ciompi, G. Litjens et al. Pulmonary nodule detection in CT images: false positive reduction using multi-view convolutional networks. IEEE Transactions on
#   Medical Imaging 35(5):1160-1169, 2016. [doi:10.1109/TMI.2016.2536809](https://doi.org/10.1109/TMI.2016.2536809)
# - A. A. A. Setio, A. Traverso, T. de Bel et al. Validation, comparison, and combination of algorithms for automatic detection of pulmonary nodules in computed tomography images: the
#   LUNA16 challenge. Medical Image Analysis 42:1-13, 2017. [doi:10.1016/j.media.2017.06.015](https://doi.org/10.1016/j.media.2017.06.015)
# - M. J. Cardoso et al. MONAI: An open-source framework for deep learning in healthcare. 2022.
#   [doi:10.48550/arXiv.2211.02701](https://doi.org/10.48550/arXiv.2211.02701)
