# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Laying one brain over another
#
# Unit 14, after Dalca, Balakrishnan, Guttag and Sabuncu, *Unsupervised Learning for Fast Probabilistic Diffeomorphic
# Registration*, 2018.
#
# **After this lesson you can**
#
# - say what registration is for, and choose between rigid, affine and deformable;
# - read a deformation as a bent grid, as arrows, and as a map of its Jacobian determinant;
# - explain why a map that folds is no map of a body, and how a velocity field keeps it from folding;
# - follow the loss of a network that learns to register without a single label;
# - compare it fairly with registration by optimisation;
# - warn of a registration that makes a tumour disappear.
#
# **Time:** about 60 minutes, and 120 for the lab. **Before this:** U-Net, and what a derivative in two dimensions is.
#
# **Cost:** {{cost}}

# %%
import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from medcourse import datasets, metrics, models, plots, training
from medcourse.models import deformation, pairwise, voxelmorph

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: the same place in two pictures
#
# Has this lesion grown since last year? Which structure is this, if an atlas has names for all of them? Where do the brains of a
# thousand patients differ from those of a thousand others? Each time one needs to know *which point here is that
# point there*. To find it is called **registration**: a *moving* image is laid over a *fixed* one.
#
# These brains are **simulated**, in T1-weighted MRI and without their skulls. Below, two people. Subtract one from the other, and the
# difference shows where the people do not lie over each other, not who is ill.

# %%
heads = datasets.make_ages(13, size=64, place_mm=(-27, -27), seed=1402)
brains = np.stack([datasets.prepare_brain(image, labels > 0) for image, labels in zip(heads.images, heads.labels)])
spacing = heads.spacing_mm
moving, fixed = brains[1], brains[0]
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.5)
plots.show_image(moving, "Moving (simulated)", spacing_mm=spacing, ax=axes[0, 0])
plots.show_image(fixed, "Fixed (simulated)", ax=axes[0, 1])
plots.show_map(moving - fixed, "Moving minus fixed", unit="grey value", diverging=True, limits=(-1, 1), ax=axes[0, 2])
plots.describe(
    figure,
    "Coronal slices of two simulated brains, and their difference, which is large along every border between tissues.",
)

# %% [markdown]
# ### How freely may it move?
#
# - **Rigid**: shifts and turns. Right for the same head scanned twice: bone does not bend.
# - **Affine**: also scales and shears. Lays brains of different size and tilt over each other.
# - **Deformable**: every point has a shift of its own. Needed between people, between a full and an empty bladder, after surgery.
#
# The more freely, the better the pictures will match. That is not the same as *the more right*. Keep that thought.

# %%
affine = pairwise.register_affine(moving, fixed)


def read_at(image: np.ndarray, displacement: np.ndarray, order: int = 1) -> np.ndarray:
    """Read an image at x + u(x)."""
    return ndimage.map_coordinates(image, np.indices(image.shape) + displacement, order=order, mode="nearest")


laid = read_at(moving, affine)
print(f"mean absolute difference: {np.abs(moving - fixed).mean():.3f} before, {np.abs(laid - fixed).mean():.3f} after")
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.5)
plots.show_image(laid, "Moving, after an affine map", spacing_mm=spacing, ax=axes[0, 0])
plots.show_map(
    laid - fixed, "Its difference from the fixed", unit="grey value", diverging=True, limits=(-1, 1), ax=axes[0, 1]
)
plots.show_deformed_grid(affine, moving, "Where it is read", step_px=6, ax=axes[0, 2])
plots.describe(
    figure,
    "The moving brain after an affine map, its difference from the fixed one, and a grid that stays straight: shifted, scaled and slightly sheared.",
)

# %% [markdown]
# ## The idea: a displacement for every pixel
#
# A deformation is a list of arrows. The arrow $u(x)$ at pixel $x$ of the *fixed* image points to where its partner lies in the
# *moving* one. The moved image is read there:
#
# $$ \text{moved}(x) = \text{moving}\big(x + u(x)\big). $$
#
# That direction surprises many: to push the picture to the right, one reads to the left. It makes sure that every pixel of the
# result gets exactly one value, with no holes. Between pixels the value is interpolated.
#
# Here a brain and the same bent by a known map. Move the time from 0 to 1: the picture flows from the one to the other. **Predict:** at time
# 0.5, will every point have gone half of its way?

# %%
pair = datasets.make_brain_pairs(1, size=96, warp_mm=4.0, noise=0.0, seed=3)
velocity = torch.as_tensor(pair.velocity_px)
source = torch.as_tensor(pair.moving)[None]


def draw_flow(flow_time: float):
    """Follow the velocity for a time from 0 to 1."""
    u = deformation.integrate(flow_time * velocity)
    figure, axes = plots.panels(1, 3, width_inches=3.2, height_inches=3.3)
    plots.show_image(
        deformation.warp(source, u)[0, 0], f"Time {flow_time:.2f}", spacing_mm=pair.spacing_mm, ax=axes[0, 0]
    )
    plots.show_deformed_grid(u[0], pair.moving[0], "Where it is read", step_px=6, ax=axes[0, 1])
    plots.show_arrows(u[0], pair.moving[0], "Displacement", step_px=7, mask=pair.fixed_labels[0] > 0, ax=axes[0, 2])
    return plots.describe(
        figure,
        f"A simulated brain carried along a known velocity field for the time {flow_time:.2f}; the grid and the arrows bend by up to {float(u.norm(dim=1).max()):.1f} pixels.",
    )


plots.demo(draw_flow, flow_time=(0.0, 1.0, 0.5), static=[{"flow_time": t} for t in (0.0, 0.5, 1.0)])

# %% [markdown]
# About half. The points follow a current, and where the current changes along their way, they speed up or slow down.
#
# **Labels need care.** In this label map 2 is *white matter* and 6 the *brain stem*. Read between two pixels, linear interpolation makes
# a 4 of them: *outer fluid*, which was never there. Labels are read at the *nearest* pixel.

# %%
marks = torch.as_tensor(pair.moving_labels)[None].float()
u = torch.as_tensor(pair.displacement_px)
nearest, linear = (deformation.warp(marks, u, mode=mode)[0, 0].numpy() for mode in ("nearest", "bilinear"))
print(
    f"pixels whose label is no whole number: {np.mean(nearest % 1 != 0):.1%} nearest, {np.mean(linear % 1 != 0):.1%} linear"
)
rounded = linear.round()
print(f"pixels that change their structure if one rounds: {np.mean(rounded != nearest):.1%}, most of them at borders")

# %% [markdown]
# ## Folds
#
# Not every list of arrows is a map of a body. If two neighbouring arrows cross, the tissue between them is turned inside out. The
# *Jacobian determinant* tells: it is the factor by which the map changes a small area,
#
# $$ J(x) = \det\left(I + \frac{\partial u}{\partial x}\right). $$
#
# $J = 1$ keeps the area, 2 reads twice as much, 0.5 half. At $J \le 0$ the map **folds**. Doctors who read growth or
# atrophy off $J$ read nonsense there.
#
# Now exaggerate. The slider multiplies: on the left the *displacement* itself; on the right the *velocity*, which is then followed. **Before you move
# it:** which of the two will fold first?


# %%
def draw_strength(times: float):
    """Multiply a displacement, or the velocity whose flow it is."""
    inside = pair.fixed_labels > 0
    fields = {"Displacement": times * u, "Flow of the velocity": deformation.integrate(times * velocity)}
    figure, axes = plots.panels(1, 4, width_inches=2.9, height_inches=3.0)
    said = []
    for column, (name, field) in enumerate(fields.items()):
        share = 100 * deformation.fold_share(field, torch.as_tensor(inside))
        plots.show_deformed_grid(field[0], pair.moving[0], f"{name} x {times:g}", step_px=4, ax=axes[0, 2 * column])
        plots.show_determinant(
            deformation.jacobian_determinant(field)[0], f"{share:.1f} % fold", ax=axes[0, 2 * column + 1]
        )
        said.append(f"{name} times {times:g}: {share:.1f} % of the brain folds.")
    return plots.describe(figure, " ".join(said))


plots.demo(draw_strength, times=(0.0, 5.0, 1.0), static=[{"times": t} for t in (1.0, 3.0, 5.0)])

# %% [markdown]
# Arrows that are made longer cross at some length. A current cannot cross itself: water that follows it is stretched and squeezed,
# and never turned inside out. A smooth map with a smooth inverse is called a **diffeomorphism**, and the flow of a smooth velocity field is one.
#
# On a grid of pixels that is true only nearly: where a lot is squeezed into less than a pixel, even a flow may show a fold, as at the far end of the slider.
#
# **Question 1.** What does a Jacobian determinant of 0.5 in the hippocampus say, if the fixed image is last year's scan and the moving one today's?
#
# <details><summary>The map folds there</summary>
#
# It folds at 0 and below. Half is a strong change, but a possible one.
#
# </details>
# <details><summary>The hippocampus takes half of the area that it took last year</summary>
#
# Yes. For an area of last year's image, half as much is read in today's: it has shrunk, if the registration is right.
#
# </details>
# <details><summary>The hippocampus has moved by half a pixel</summary>
#
# A shift alone leaves the determinant at one, however far it is. Only differences of shifts count.
#
# </details>
#
# ### Following a current: scaling and squaring
#
# How to follow a velocity $v$ for the time 1? For a very short time $2^{-K}$ the way is nearly $2^{-K} v$. And a way twice as long is
# the short way, *taken twice*: read the arrow, go there, read the arrow there, and add both:
#
# $$ u \leftarrow u + u \circ (\mathrm{id} + u). $$
#
# After $K$ doublings the time is 1. Dalca takes $K = 7$. And back? Follow $-v$. **Predict:** how does the error of there-and-back
# change with $K$?

# %%
strong = 2.0 * velocity
errors = [float(deformation.inverse_error(strong, squarings=k).mean()) for k in range(10)]
plots.plot_curve(
    {"there and back": errors},
    x=range(10),
    xlabel="number of squarings K",
    ylabel="missed by (px)",
    log=True,
    alt=f"Mean distance by which a point misses itself after going there and back: {errors[0]:.3f} px without squaring, {errors[7]:.4f} px with seven.",
)

# %% [markdown]
# First each squaring halves the error. Later the interpolation between pixels is what is left, and more squarings gain nothing.
#
# ## Before networks: optimise each pair
#
# For decades registration has been a search: begin with no motion, compare, improve, again and again, anew for each pair. Two that
# are used every day, from SimpleITK: *demons*, where grey values push like forces and the field is smoothed after each push; and
# *B-splines*, where a coarse grid of knots is moved. We lay ten people over the first one, after the affine map.


# %%
def dice_of(moved: np.ndarray, target: np.ndarray) -> float:
    """Mean Dice over the structures that either holds."""
    there = [k for k in range(1, len(heads.names)) if (moved == k).any() or (target == k).any()]
    return float(np.mean([metrics.dice(target == k, moved == k) for k in there]))


def align(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay a person over the atlas by an affine map."""
    field = pairwise.register_affine(image, fixed)
    return read_at(image, field).astype(np.float32), read_at(labels, field, order=0)


atlas, atlas_labels = torch.as_tensor(fixed), heads.labels[0]
people, people_labels = (np.stack(part) for part in zip(*(align(*p) for p in zip(brains[1:], heads.labels[1:]))))
train, test = torch.as_tensor(people[:-4]), range(len(people) - 4, len(people))


def score(register) -> dict:
    """Dice, folds and seconds of a method over the four test people."""
    began = time.perf_counter()
    fields = [torch.as_tensor(np.asarray(register(people[i], fixed)))[None] for i in test]
    seconds = (time.perf_counter() - began) / len(test)
    brain = torch.as_tensor(atlas_labels > 0)[None]
    moved = [
        deformation.warp(torch.as_tensor(people_labels[i])[None, None].float(), f, mode="nearest")
        for i, f in zip(test, fields)
    ]
    return {
        "Dice": np.mean([dice_of(m[0, 0].numpy(), atlas_labels) for m in moved]),
        "folded (%)": 100 * np.mean([deformation.fold_share(f, brain) for f in fields]),
        "seconds a pair": seconds,
    }


methods = {
    "affine alone": lambda m, f: np.zeros((2, *f.shape), np.float32),
    "demons": partial(pairwise.register_demons, iterations=50, sigma_px=1.0),
    "B-splines": partial(pairwise.register_bspline, knots=8, iterations=20),
}
table = {name: score(register) for name, register in methods.items()}
pd.DataFrame(table).T.round({"Dice": 3, "folded (%)": 2, "seconds a pair": 3})

# %% [markdown]
# ## A network that has learned to register
#
# What if a network looked at both images and said the map at once? VoxelMorph (2018) does. Nobody knows the true map, so there is
# nothing to learn from, it seems. But one can *see* whether a map is good: the moved image should look like the fixed one. That is the loss. No label is needed.
#
# Dalca's network is a small U-Net. For every point of a grid of half the resolution it says a velocity's mean $\mu$, and the logarithm
# of its variance, $\log \sigma^2$: how sure it is. In training a velocity is *drawn*, $z = \mu + \sigma \varepsilon$, followed in seven squarings, and
# the image is moved.

# %%
thin = {"encoder": (8, 16, 16, 16), "decoder": (16, 16, 16, 16, 16, 8, 8)}
net = models.RegistrationNet(**thin)
example = torch.stack([torch.as_tensor(people[0]), atlas])[None]  # (1, 2, 64, 64)
output = net(example)
print(f"in: moving and fixed {tuple(example.shape)}; out: mean and log variance of a velocity {tuple(output.shape)}")
for name, published in (("ours", net), ("the paper's", models.RegistrationNet())):
    print(f"{name}: {sum(p.numel() for p in published.parameters()):,} weights in two dimensions")

# %% [markdown]
# The loss has three parts:
#
# $$ \underbrace{\frac{1}{\sigma_I^2} \, \lVert \text{moved} - \text{fixed} \rVert^2}_{\text{look alike}} \;+\;
# \tfrac{1}{2} \underbrace{\left( \lambda D \sigma^2 - \log \sigma^2 \right)}_{\text{doubt where you may}} \;+\;
# \tfrac{1}{2} \underbrace{\lambda \textstyle\sum_{\text{neighbours}} (\mu_x - \mu_y)^2}_{\text{be smooth}} $$
#
# (each averaged over the grid). The last two are the distance between what the network believes and a *prior* that says: currents are smooth. $D$ is
# the number of a point's neighbours. The middle part would be least at $\sigma^2 = 1 / (\lambda D)$; where the image decides, the first part presses $\sigma$ down.

# %%
loss = partial(voxelmorph.probabilistic_loss, prior_lambda=1.0)
history = training.fit(
    net, voxelmorph.random_pairs(train, batch=8, seed=0, atlas=atlas), loss, steps=300, lr=3e-3, label="velocity"
)
direct = models.RegistrationNet(diffeomorphic=False, **thin)
training.fit(
    direct,
    voxelmorph.random_pairs(train, batch=8, seed=0, atlas=atlas),
    partial(voxelmorph.displacement_loss, smoothness=0.002),
    steps=300,
    lr=3e-3,
    label="displacement",
)
plots.plot_curve({"loss of the network that says a velocity": history.loss}, xlabel="step", ylabel="loss")


# %% [markdown]
# The second network says the displacement itself, with a penalty for roughness: VoxelMorph as it was first published. **Predict:** which of the
# two folds? And will they beat demons after 300 steps?


# %%
def by(network):
    """Register by a trained network."""
    return lambda m, f: network.displacement(torch.as_tensor(np.stack([m, f]))[None])[0].numpy()


table |= {"network, displacement": score(by(direct)), "network, velocity": score(by(net))}
pd.DataFrame(table).T.round({"Dice": 3, "folded (%)": 2, "seconds a pair": 3})

# %% [markdown]
# Read the table by columns. **Seconds**: the networks need a small part of what a search needs. (They paid before, in training.) **Folds**: the velocity
# has none or hardly any. The displacement is only *asked* not to fold, by a penalty, and the freer map has the higher Dice after so few steps. **Dice**: demons,
# which look at each pair for as long as they need, are hard to beat; here no network does. The lab has more people to learn from, and the course's own run more steps.

# %%
i = test[0]
figure, axes = plots.panels(2, 4, width_inches=2.9, height_inches=2.9)
for row, (name, network) in enumerate((("displacement", direct), ("velocity", net))):
    field = torch.as_tensor(by(network)(people[i], fixed))[None]
    moved = deformation.warp(torch.as_tensor(people[i])[None, None], field)[0, 0]
    plots.show_image(moved, f"Moved by {name}", spacing_mm=spacing if row == 0 else None, ax=axes[row, 0])
    plots.show_map(
        moved.numpy() - fixed, "Minus fixed", unit="grey value", diverging=True, limits=(-1, 1), ax=axes[row, 1]
    )
    plots.show_deformed_grid(field[0], people[i], "Where it is read", step_px=4, ax=axes[row, 2])
    plots.show_determinant(deformation.jacobian_determinant(field)[0], "Change of area", ax=axes[row, 3])
plots.describe(
    figure,
    "A test person laid over the atlas by both networks: moved image, difference from the fixed image, bent grid, and Jacobian determinant.",
)

# %% [markdown]
# **Question 2.** A network reaches the same Dice as demons, in a hundredth of the time. What has it *not* shown?
#
# <details><summary>That it needs no labels</summary>
#
# It was trained without any; they were only used to measure. That is shown.
#
# </details>
# <details><summary>That its map is right inside the structures</summary>
#
# Yes. Dice asks whether a point with the name *thalamus* lands in the thalamus, not at which point of it. Nor has it shown that it works on other scanners.
#
# </details>
# <details><summary>That it is fast</summary>
#
# The seconds were measured on the same machine in the same run. What was left out is the time of training.
#
# </details>
#
# ### How sure is it?
#
# The network says a variance, too. Draw a velocity thirty times, follow each, and look how far the places scatter.

# %%
with torch.no_grad():
    said = net(torch.as_tensor(np.stack([people[i], fixed]))[None])
mean, sigma = said[:, :2], torch.exp(0.5 * said[:, 2:])
drawn = torch.stack(
    [deformation.to_displacement(mean + sigma * torch.randn_like(mean), fixed.shape)[0] for _ in range(30)]
)
scatter = drawn.std(dim=0).norm(dim=0).numpy() * spacing
edges = ndimage.gaussian_gradient_magnitude(fixed, 1)
inside = atlas_labels > 0
print(
    f"scatter inside the brain: {scatter[inside].mean():.2f} mm; correlation with the strength of edges {np.corrcoef(scatter[inside], edges[inside])[0, 1]:.2f}"
)
figure, axes = plots.panels(1, 2, width_inches=4.0, height_inches=3.4)
plots.show_image(fixed, "Fixed image", spacing_mm=spacing, ax=axes[0, 0])
plots.show_map(np.where(inside, scatter, 0), "How far places scatter", unit="mm", ax=axes[0, 1])
plots.describe(
    figure, f"The fixed image, and the scatter of thirty drawn maps, {scatter[inside].mean():.2f} mm on average."
)

# %% [markdown]
# One would expect little scatter along edges, which hold the map in place, and much in plain areas. The correlation above says how far
# that has been learned here. It is the doubt *of this model*: it knows nothing of a tumour that it has never seen, or of the wrong minimum.
#
# ## What the paper found, and what we find
#
# On 3731 T1-weighted scans, laid over an atlas, the paper's table has about these figures: affine alone a Dice of 0.567; SyN, a search that is among the best, 0.750 in 9059 s
# on a processor and 6505 folded voxels; VoxelMorph's displacement 0.750 and 18 096 folded voxels; the velocity 0.753 and 0.7, in 0.45 s on a graphics
# card and 51 s on a processor. So: as good, hardly any folds, much faster. Measured on simulated slices, five times over:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell, *opposite shown* that they can, and it is the other way round. Our slices are small and our networks thin; compare rows
# with each other, not with the paper's numbers. The last two rows ask something that Dice cannot: is the map the *true* one, where it is known? A better overlap of names is no
# proof of that.
#
# ## In practice
#
# MONAI has the spatial transformer as a layer, `Warp`. The same image, the same displacement; do both agree?

# %%
from monai.networks.blocks import Warp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that it uses PyTorch's sampler, as we do
    theirs = Warp(mode="bilinear", padding_mode="border")(source, u)
ours = deformation.warp(source, u)
print(f"largest difference between MONAI's Warp and ours: {float((theirs - ours).abs().max()):.1e} grey values")

# %% [markdown]
# For a single pair in a clinic's research, take SimpleITK, ANTs or elastix: they are tried, and need no training. A network pays off when
# thousands of pairs of one kind are waiting, or when the answer must be there while the patient is on the table.
#
# ## Where it fails
#
# **A tumour is registered away.** We put a dark lesion into the fixed image, of a patient whose old scan, the moving image, had none. The person is the
# same; the right map is: no motion at all. What does a deformable search make of it?

# %%
old = fixed.astype(np.float32)
rows, columns = np.nonzero((atlas_labels > 0) & (ndimage.distance_transform_edt(atlas_labels > 0) > 9))
centre = (rows[len(rows) // 3], columns[len(rows) // 3])
blob = np.exp(-((np.indices(old.shape) - np.reshape(centre, (2, 1, 1))) ** 2).sum(0) / (2 * 2.5**2))
new = (old * (1 - 0.8 * blob)).astype(np.float32)
pushed = pairwise.register_demons(old, new, iterations=100, sigma_px=1.0)
moved = read_at(old, pushed)
figure, axes = plots.panels(1, 4, width_inches=2.9, height_inches=3.0)
plots.show_image(new, "Today: a lesion (simulated)", spacing_mm=spacing, ax=axes[0, 0])
plots.show_map(new - old, "Today minus last year", unit="grey value", diverging=True, limits=(-1, 1), ax=axes[0, 1])
plots.show_map(new - moved, "After registration", unit="grey value", diverging=True, limits=(-1, 1), ax=axes[0, 2])
plots.show_determinant(
    deformation.jacobian_determinant(torch.as_tensor(pushed)[None])[0], "Change of area", ax=axes[0, 3]
)
core = blob > 0.5
left = (new - moved)[core].mean() / (new - old)[core].mean()
print(
    f"of the lesion's darkness, {100 * left:.0f} % is left in the difference; brain outside it was moved by up to {np.linalg.norm(pushed, axis=0)[inside & ~core].max() * spacing:.1f} mm"
)
plots.describe(
    figure,
    f"A dark lesion in the new scan; the difference before registration, which shows it; after registration, where {100 * left:.0f} % of it is left; and the determinant, red and blue around it.",
)

# %% [markdown]
# The search found dark pixels nearby, those of the ventricle beside it, and pulled them over the lesion. The difference image, for which all this was done, hides most of
# what the doctor was to see. For follow-up take a rigid map, or mask the lesion; and look at the determinant.
#
# **Another contrast.** In newborns white matter is darker than grey matter in T1. A loss that compares grey values lays like grey on like grey: white on
# grey. **Predict:** will the Dice rise or fall?

# %%
babies = datasets.make_ages(2, age="newborn", size=64, place_mm=(-27, -27), seed=5)
rows = []
for head, marks in zip(babies.images, babies.labels):
    image, labels = align(datasets.prepare_brain(head, marks > 0), marks)
    for name, register in (("demons", methods["demons"]), ("network, velocity", by(net))):
        field = register(image, fixed)
        rows.append(
            {
                "method": name,
                "affine": dice_of(labels, atlas_labels),
                "deformable": dice_of(read_at(labels, field, order=0), atlas_labels),
            }
        )
pd.DataFrame(rows).groupby("method").mean().round(3)

# %% [markdown]
# Demons gained much between adults, and lose here: they lay like on like. The network's Dice hardly changes. Between contrasts, or between MRI and CT, one needs a measure that does not
# ask for equal grey, such as mutual information, or a network that was trained for it.
#
# **Question 3.** The tumour of a patient is larger on today's scan. Which registration do you run before you subtract last year's scan from it?
#
# <details><summary>Deformable, as freely as possible: then everything else cancels</summary>
#
# Then the tumour's growth cancels, too; the map takes it for a deformation, and what is left looks healthy.
#
# </details>
# <details><summary>Rigid, or affine: the head is the same</summary>
#
# Yes. It corrects how the head lay and leaves growth in the difference. What the tumour has pushed aside stays visible as well.
#
# </details>
# <details><summary>None: the same patient needs none</summary>
#
# Nobody lies the same way twice; a tilt of a few degrees makes edges all over the difference image.
#
# </details>
#
# **Far away.** A network has learned shifts of the size that it met. Turn a head by 30 degrees, or hand it a scan without affine
# alignment, and it fails silently.
#
# ## Take-aways
#
# - Registration asks which point is which; how freely it may answer is your decision, and depends on the question.
# - Read images where the arrow points, labels at the nearest pixel.
# - Folds are places where the map means nothing. The flow of a smooth velocity has none, up to rounding.
# - A network registers without labels and in a blink, after training; a search on each pair is the opponent to beat.
# - Dice sees names, not places. Nor does a good match mean a right one: tumours can be registered away.
#
# ## References
#
# - A. V. Dalca, G. Balakrishnan, J. Guttag, M. R. Sabuncu. Unsupervised Learning for Fast Probabilistic Diffeomorphic Registration. MICCAI
#   2018, pp. 729-738. [doi:10.48550/arXiv.1805.04605](https://doi.org/10.48550/arXiv.1805.04605)
# - G. Balakrishnan et al. An Unsupervised Learning Model for Deformable Medical Image Registration. CVPR 2018.
#   [doi:10.1109/CVPR.2018.00964](https://doi.org/10.1109/CVPR.2018.00964)
# - T. Vercauteren, X. Pennec, A. Perchant, N. Ayache. Diffeomorphic demons: efficient non-parametric image registration. NeuroImage
#   45(1):S61-S72, 2009. [doi:10.1016/j.neuroimage.2008.10.040](https://doi.org/10.1016/j.neuroimage.2008.10.040)
# - V. Arsigny, O. Commowick, X. Pennec, N. Ayache. A Log-Euclidean Framework for Statistics on Diffeomorphisms. MICCAI 2006.
#   [doi:10.1007/11866565_113](https://doi.org/10.1007/11866565_113): scaling and squaring.
# - B. B. Avants et al. Symmetric diffeomorphic image registration with cross-correlation. Medical Image Analysis 12(1):26-41, 2008.
#   [doi:10.1016/j.media.2007.06.004](https://doi.org/10.1016/j.media.2007.06.004): SyN.
