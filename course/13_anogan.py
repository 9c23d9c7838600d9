# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What a healthy retina looks like
#
# Unit 13, after Goodfellow and others, *Generative Adversarial Nets*, 2014, and Schlegl, Seeböck, Waldstein, Schmidt-Erfurth and Langs,
# *Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery*, 2017.
#
# **After this lesson you can**
#
# - read the layers of the retina in OCT, and three ways in which they go wrong;
# - explain the game of generator and discriminator, and what the best discriminator knows;
# - recognise mode collapse, and say why samples that look good do not rule it out;
# - follow a search through latent space, and turn what is left over into a map;
# - put the simplest opponents beside a network before you believe in it;
# - say why *unlike the training pictures* is not *ill*.
#
# **Time:** about 55 minutes, and 120 for the lab. **Before this:** unit 1 on OCT; the logistic loss; convolution.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional

from medcourse import datasets, plots
from medcourse.models import anogan

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: labels are dear, health is cheap
#
# Optical coherence tomography looks at the back of the eye as ultrasound does at the belly, with light instead of sound: each column is an echo
# from the depth. In a clinic it takes seconds, so there are thousands of scans. To outline in them all that is ill takes an expert's hours. And
# who outlines only what is known will never find what is new.
#
# Could a program learn what *health* looks like, from healthy scans alone, and point at whatever is different? These eyes are **simulated**. The patches are flattened: the membrane
# below the retina lies in the same row everywhere. Each is half a millimetre high and a millimetre wide.

# %%
KINDS = ("subretinal fluid", "intraretinal fluid", "drusen", "hyperreflective foci")
shown = datasets.make_oct_patches(8, patches_per_eye=5, diseased=0.5, seed=4)
healthy = [shown.images[i] for i in (0, 6, 12, 18)]
ill = [shown.images[np.flatnonzero((shown.kind == kind) & shown.diseased)[0]] for kind in KINDS]
figure, axes = plots.panels(2, 4, width_inches=2.4, height_inches=1.7)
for image, title, ax in zip([*healthy, *ill], [*["healthy"] * 4, *KINDS], axes.flat):
    plots.show_image(image, title, limits=(0, 1), ax=ax)
    ax.set_aspect(0.5)  # a pixel is 8 um high and 16 um wide
plots.describe(
    figure,
    "Eight simulated patches of OCT: four healthy retinas with bright and dark layers, and below one each with fluid under the retina, fluid within it, drusen, and bright foci.",
)

# %% [markdown]
# From above: the black vitreous; the bright nerve fibres; darker layers of cells between; the bright *pigment epithelium*; and the speckled choroid. Fluid is black, since nothing in it scatters. *Drusen*
# are deposits that lift the epithelium. *Hyperreflective foci* are dots as bright as nerve fibres.
#
# **Predict:** which of the four will be hardest for a program that compares pictures pixel by pixel?
#
# ## The idea, part one: a game of two
#
# To know what health looks like, one may learn to *paint* it. A **generator** G makes pictures out of random numbers $z$. A **discriminator** D looks
# at a picture and says how probable it is that it is real. Each trains against the other:
#
# $$ \min_G \max_D \; \mathbb{E}_x \log D(x) + \mathbb{E}_z \log\left(1 - D(G(z))\right). $$
#
# In one dimension the whole game can be seen. Real numbers $x$ come from two heaps, the generator's from one bell, whose place and width you
# move. If $p$ is the density of real ones and $q$ that of generated ones, no discriminator can do better than
#
# $$ D^*(x) = \frac{p(x)}{p(x) + q(x)}. $$
#
# **Before you play:** where must D's curve lie if the generator is perfect?

# %%
line = np.linspace(-4, 4, 401)


def bell(mean: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((line - mean) / width) ** 2) / (width * np.sqrt(2 * np.pi))


real_density = 0.5 * bell(-1.5, 0.4) + 0.5 * bell(1.0, 0.6)


def draw_game(place: float, width: float):
    """Densities of both players' numbers, and the best discriminator."""
    generated = bell(place, width)
    best = real_density / (real_density + generated + 1e-12)
    step = line[1] - line[0]
    value = step * np.sum(real_density * np.log(best + 1e-12) + generated * np.log(1 - best + 1e-12))
    return plots.plot_curve(
        {"real, p": real_density, "generated, q": generated, "best D": best},
        x=line,
        xlabel="x",
        ylabel="density; probability",
        title=f"value of the game {value:.2f} (least: -2 log 2 = -1.39)",
    )


plots.demo(
    draw_game,
    place=(-3.0, 3.0, 2.0),
    width=(0.2, 2.0, 0.5),
    static=[{}, {"place": 1.0, "width": 0.6}, {"place": -0.25, "width": 1.4}],
)

# %% [markdown]
# If both agree, D is 1/2 everywhere: it can only guess. One bell cannot agree with two heaps. It may sit on one heap and paint *that* one well, or cover both and paint much that is never
# real. Keep the first in mind.
#
# ### Which loss for the generator?
#
# At first D sees through everything; its logit $a$ for a generated picture is far below 0. What slope is then left for G to climb?

# %%
logits = np.linspace(-8, 4, 200)
probability = 1 / (1 + np.exp(-logits))
plots.plot_curve(
    {"minimax, log(1 - D)": probability, "non-saturating, -log D": 1 - probability},
    x=logits,
    xlabel="logit a of a generated picture (left: D is sure that it is fake)",
    ylabel="|slope of the loss|",
    title="Where the generator loses, only one loss still pulls",
    alt="Slope of both generator losses over the discriminator's logit. At -8 the minimax loss has slope nearly 0, the non-saturating one nearly 1.",
)

# %% [markdown]
# Goodfellow and his colleagues wrote the game as above, and trained G with the other loss.
#
# **Question 1.** Training is over, and D says 1/2 to every picture. What does that prove?
#
# <details><summary>That the generator paints real pictures</summary>
#
# Only if D is the best possible. A weak or badly trained D says one half to anything as well.
#
# </details>
# <details><summary>Nothing by itself; a better D might tell them apart</summary>
#
# Yes. One half means that *this* D cannot tell. Train a fresh one against the fixed generator, or look at what is missing.
#
# </details>
# <details><summary>That the discriminator has collapsed</summary>
#
# It may have, or it may have met its match. The number alone does not say which.
#
# </details>
#
# ### Mode collapse
#
# Real samples now lie in eight heaps on a ring. D judges one sample at a time, and each sample on a heap is a good one. So nothing forbids G to
# serve a few heaps and forget the others. A cure (Lin and colleagues, 2018): show D *packs* of four samples; four of one heap give G away. **Predict:** how many of eight
# heaps does each find?

# %%
angles = torch.arange(8) * torch.pi / 4
heaps = torch.stack([angles.cos(), angles.sin()], dim=1)


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs))


def play_ring(pack: int, seed: int, steps: int = 600) -> torch.Tensor:
    """Play the game on the ring; 2000 generated samples."""
    torch.manual_seed(seed)
    g, d = mlp(8, 2), mlp(2 * pack, 1)
    adams = [torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.5, 0.999)) for net in (d, g)]
    for _ in range(steps):
        real = heaps[torch.randint(8, (128,))] + 0.1 * torch.randn(128, 2)
        fake = g(torch.randn(128, 8))
        real_logit, fake_logit = (d(s.reshape(-1, 2 * pack)) for s in (real, fake.detach()))
        discriminator_loss = functional.softplus(-real_logit).mean() + functional.softplus(fake_logit).mean()
        adams[0].zero_grad()
        discriminator_loss.backward()
        adams[0].step()
        generator_loss = functional.softplus(-d(fake.reshape(-1, 2 * pack))).mean()
        adams[1].zero_grad()
        generator_loss.backward()
        adams[1].step()
    return g(torch.randn(2000, 8)).detach()


figure, axes = plots.panels(2, 3, width_inches=2.6, height_inches=2.7)
found = {1: [], 4: []}
for row, pack in enumerate(found):
    for seed in range(3):
        samples = play_ring(pack, seed)
        distance, nearest = torch.cdist(samples, heaps).min(dim=1)
        found[pack].append(int((torch.bincount(nearest[distance < 0.3], minlength=8) >= 40).sum()))
        ax = axes[row, seed]
        ax.plot(*heaps.T, "o", ms=14, mfc="none", color="0.5")
        ax.plot(*samples[:500].T, ".", ms=3)
        name = "single samples" if pack == 1 else f"packs of {pack}"
        ax.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal", title=f"{name}: {found[pack][-1]} of 8")
plots.describe(
    figure,
    f"Generated samples and eight real heaps on a ring, three games each. Heaps found with single samples: {found[1]}; with packs of four: {found[4]}.",
)

# %% [markdown]
# The games differ from start to start: that, too, belongs to GANs. In pictures of retinas nobody sees the ring. Whoever draws ten samples and finds
# each of them convincing has learned nothing about the healthy eyes that are *never* painted.
#
# ## The idea, part two: look for the nearest healthy picture
#
# For pictures both players are convolutional: four layers of 5 x 5 kernels each (a DCGAN). Ours is thin, was trained for twenty epochs on healthy
# patches by a script of the course, and ships with it. Real (simulated) patches above, generated ones below. **Before you look at the explanation:** what gives the lower row away?

# %%
nets = anogan.load_oct_networks()
rng = np.random.default_rng(0)
train = datasets.make_oct_patches(32, seed=1000).images
with torch.no_grad():
    painted = nets.generator(nets.generator.draw(8, seed=3))[:, 0].numpy() / 2 + 0.5
print(f"shipped network: {sum(p.numel() for p in nets.generator.parameters()):,} weights in the generator")
figure, axes = plots.panels(2, 8, width_inches=1.4, height_inches=1.2)
for row, images, title in ((0, train[::32], "real (simulated)"), (1, painted, "generated")):
    for i, ax in enumerate(axes[row]):
        plots.show_image(images[i], title if i == 0 else "", limits=(0, 1), ax=ax)
        ax.set_aspect(0.5)
plots.describe(
    figure,
    "Above eight simulated healthy patches, below eight generated ones: layers in the right order, but smooth, without speckle, with blotches.",
)

# %% [markdown]
# The layers lie in their order. Speckle is missing, inner layers run into each other, shadows of vessels are rare. All that will be left over in the
# residual of *healthy* patches, too.
#
# Now comes a patient's patch $x$. Is there a healthy picture like it? Nobody can ask G for the $z$ of a given picture, so one searches: start anywhere, and let Adam
# move $z$ (not the networks) down the loss
#
# $$ L(z) = (1 - \lambda) \sum |x - G(z)| + \lambda \sum |f(x) - f(G(z))|, \qquad \lambda = 0.1, $$
#
# where $f$ are the features that D decides by. The authors take 500 steps. What remains of $L$ is the **anomaly score**; $|x - G(z)|$ is a map of where.
#
# Follow the search step by step, on an ill patch. **Predict:** what will the nearest healthy picture show where the fluid is?

# %%
tested = datasets.make_oct_patches(30, patches_per_eye=2, diseased=0.6, seed=11)


def as_input(images: np.ndarray) -> torch.Tensor:
    """(N, 1, 64, 64) in [-1, 1], of (N, 64, 64) in [0, 1]."""
    return 2 * torch.as_tensor(np.asarray(images, np.float32))[:, None] - 1


example = int(np.flatnonzero((tested.kind == "subretinal fluid") & tested.diseased)[0])
STEPS = [0, 5, 20, 60, 150]
x = as_input(tested.images[[example]])
path = {n: anogan.search_latent(nets.generator, nets.discriminator.features, x, steps=n, seed=5) for n in STEPS}


def draw_search(steps: int):
    """Patch, nearest picture so far, what is left over, and the truth."""
    at = path[steps]
    nearest = at.nearest[0, 0].numpy() / 2 + 0.5
    left = np.abs(tested.images[example] - nearest)
    figure, axes = plots.panels(1, 4, width_inches=2.7, height_inches=1.9)
    plots.show_image(tested.images[example], "Patient (simulated)", limits=(0, 1), ax=axes[0, 0])
    plots.show_image(nearest, f"Nearest after {steps}", limits=(0, 1), ax=axes[0, 1])
    plots.show_map(
        left, f"Left over, score {float(at.score[0]):.0f}", unit="grey value", limits=(0, 0.8), ax=axes[0, 2]
    )
    plots.show_image(tested.lesions[example] > 0, "True lesion", ax=axes[0, 3])
    for ax in axes.flat:
        ax.set_aspect(0.5)
    return plots.describe(
        figure,
        f"After {steps} steps of the search the score is {float(at.score[0]):.0f}; mean left over {left[tested.lesions[example] > 0].mean():.2f} in the lesion, {left[tested.lesions[example] == 0].mean():.2f} elsewhere.",
    )


plots.demo(draw_search, steps=STEPS, static=[{"steps": n} for n in (0, 20, 150)])

# %% [markdown]
# G has never painted a hole of fluid, so the nearest picture has tissue there, and the difference stands out.
#
# **Question 2.** After the search, the map is bright along a vessel's shadow in a *healthy* patch. Why?
#
# <details><summary>The vessel is diseased</summary>
#
# Nothing in the method knows of disease. It knows what it can paint.
#
# </details>
# <details><summary>The generator hardly ever paints such shadows</summary>
#
# Yes. What a generator has lost, by mode collapse or for lack of weights, looks like an anomaly. A map shows the model's gaps as well as the patient's.
#
# </details>
# <details><summary>The search was too long</summary>
#
# A longer search brings the picture nearer, as far as G can paint it; it cannot make a shadow that G does not have.
#
# </details>
#
# ## Does it find the ill?
#
# Beside the score stand: the *discriminator alone* (the lower its logit, the iller); an *auto-encoder* with as many numbers in its code; *principal components*, 32 of them, fitted to
# healthy patches in a blink; and the distance to the *mean patch*. **Predict:** order them.

# %%
chosen = (tested.kind == "") | tested.diseased
images, is_ill, kind = tested.images[chosen], tested.kind[chosen] != "", tested.kind[chosen]
x = as_input(images)
found = anogan.search_latent(nets.generator, nets.discriminator.features, x, steps=100, keep=(10,), seed=0)
rows, known = images.reshape(len(images), -1), train.reshape(len(train), -1)
components = PCA(32, random_state=0).fit(known)
with torch.no_grad():
    rebuilt = nets.auto_encoder(x)[:, 0].numpy() / 2 + 0.5
    scores = {
        "anomaly score, 100 steps": found.score.numpy(),
        "anomaly score, 10 steps": found.scores[10].numpy(),
        "discriminator alone": -nets.discriminator(x).numpy(),
        "auto-encoder": np.abs(images - rebuilt).sum((1, 2)),
        "principal components": np.abs(rows - components.inverse_transform(components.transform(rows))).sum(1),
        "mean patch": np.abs(rows - known.mean(0)).sum(1),
    }
table = {}
for name, score in scores.items():
    table[name] = {"all": roc_auc_score(is_ill, score)}
    for k in KINDS:
        used = ~is_ill | (kind == k)
        table[name][k] = roc_auc_score(is_ill[used], score[used])
print(f"{(~is_ill).sum()} healthy patches, {is_ill.sum()} ill ones")
pd.DataFrame(table).T.round(2)

# %% [markdown]
# The table shows areas under the ROC curve: the probability that an ill patch scores higher than a healthy one. A few dozen patches, one draw: differences of a few
# hundredths mean nothing. But look at the columns: large black holes are easy for everybody, even for the mean patch; foci of a few pixels are hard for all, for their few
# pixels drown in the sum over 4096.
#
# ## What each paper found, and what we find
#
# On private scans, with about 270 healthy volumes to learn from, Schlegl and colleagues reported an AUC of 0.89 for the score (sensitivity 0.73, specificity 0.89), 0.72 for the discriminator alone,
# 0.73 for an adversarial auto-encoder, and about 0.88 without the features, $\lambda = 0$. They did not compare with principal components. On simulated patches, five times over:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell, *opposite shown* that they can, and it is the other way round. The networks are those of one training. Flattened simulated retinas are much alike, so a few
# straight directions describe them well; that favours the simple opponents. Real retinas are less obliging, and yet: ask for that row in every paper.
#
# ## In practice
#
# The losses need no writing out: PyTorch has them in a form that does not overflow.

# %%
logit_real, logit_fake = torch.tensor([300.0, -2.0]), torch.tensor([40.0, -300.0])
bce = nn.BCEWithLogitsLoss()
theirs = bce(logit_real, torch.ones(2)) + bce(logit_fake, torch.zeros(2))
ours = functional.softplus(-logit_real).mean() + functional.softplus(logit_fake).mean()
naive = -torch.log(torch.sigmoid(logit_real)).mean() - torch.log(1 - torch.sigmoid(logit_fake)).mean()
print(f"discriminator's loss: PyTorch {theirs:.4f}, by softplus {ours:.4f}, as written in the paper {naive:.4f}")

# %% [markdown]
# AnoGAN's search is slow. *f-AnoGAN* (Schlegl and others, 2019) trains an encoder that guesses $z$ at once. In industry, *PatchCore* (Roth and others, 2022) compares features of a
# network trained on photographs with those of normal pictures, and trains nothing. Diffusion models paint better than GANs. What they share is the question of this lesson: *unlike what*?
#
# ## Where it fails
#
# **Another device.** The same healthy eyes, seen by a device that averages over fewer frames, so that there is more speckle. No eye is ill. **Predict:** what do the scores do?

# %%
rows = {}
for n_averages in (4, 1):
    seen = datasets.make_oct_patches(12, patches_per_eye=2, n_averages=n_averages, seed=77).images
    score = anogan.search_latent(nets.generator, nets.discriminator.features, as_input(seen), steps=60, seed=0).score
    rows[f"healthy eyes, {n_averages} frame{'s' * (n_averages > 1)} averaged"] = float(score.mean())
ill_scores = anogan.search_latent(
    nets.generator, nets.discriminator.features, x[torch.as_tensor(is_ill)], steps=60, seed=0
).score
rows["ill eyes, 4 frames averaged"] = float(ill_scores.mean())
pd.Series(rows).round(0).rename("mean anomaly score").to_frame()

# %% [markdown]
# The score measures how far a picture is from the training pictures. Speckle is far, too. A cut-off that was set on one device is worth nothing on the next.
#
# **The ill among the healthy.** "Healthy" scans come from people who were not known to be ill. What if some of them were? Principal components, fitted to a set into which more and more ill patches were mixed:

# %%
mixed = datasets.make_oct_patches(32, diseased=1.0, seed=500).images
rows = {}
for share in (0.0, 0.1, 0.3):
    n = round(share * len(train))
    fitted = PCA(32, random_state=0).fit(np.concatenate([train[n:], mixed[:n]]).reshape(len(train), -1))
    flat = images.reshape(len(images), -1)
    score = np.abs(flat - fitted.inverse_transform(fitted.transform(flat))).sum(1)
    rows[f"{share:.0%} ill among those to learn from"] = roc_auc_score(is_ill, score)
pd.Series(rows).round(3).rename("AUC, principal components").to_frame()

# %% [markdown]
# What is in the training pictures is normal by definition. A disease that many carry unnoticed will never be found.
#
# **A painter that is too good.** The better a generator generalises, the more it can paint that it has never seen, holes included. Then nothing is left over. The lab asks you for that.
#
# **A score is no diagnosis.** It cannot say *what* is unlike. It ranks a rare but harmless variant above a small haemorrhage. Use it to sort a pile for human eyes, and count what it sorts to the bottom.
#
# **Question 3.** A clinic wants to skip the 50 % of scans with the lowest scores. What must be known first?
#
# <details><summary>The AUC on the test set of the paper</summary>
#
# It says how the ranking did there, for those diseases and that device. It does not say who lies in the lower half here.
#
# </details>
# <details><summary>How many ill patients, by disease, lie in that half on the clinic's own device</summary>
#
# Yes. What is skipped is never looked at, so each disease that ends up there is missed in silence.
#
# </details>
# <details><summary>Whether the generator's samples look real</summary>
#
# They may look real and leave out half of the healthy; or be blurred and rank well. Samples say little about ranking.
#
# </details>
#
# ## Take-aways
#
# - A generator and a discriminator train each other; the best discriminator is $p / (p + q)$.
# - Samples that look good do not show what is never painted.
# - AnoGAN searches the nearest healthy picture; what is left over is score and map.
# - Put an auto-encoder, principal components and the mean beside it.
# - Unlike the training pictures is not ill, and alike is not healthy: devices, gaps of the model, and contaminated training sets.
#
# ## References
#
# - I. Goodfellow et al. Generative Adversarial Nets. NeurIPS 2014. [doi:10.48550/arXiv.1406.2661](https://doi.org/10.48550/arXiv.1406.2661)
# - T. Schlegl et al. Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker Discovery. IPMI 2017, LNCS 10265:146-157.
#   [doi:10.1007/978-3-319-59050-9_12](https://doi.org/10.1007/978-3-319-59050-9_12)
# - A. Radford, L. Metz, S. Chintala. Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks. ICLR 2016.
#   [doi:10.48550/arXiv.1511.06434](https://doi.org/10.48550/arXiv.1511.06434)
# - Z. Lin, A. Khetan, G. Fanti, S. Oh. PacGAN: The power of two samples in generative adversarial networks. NeurIPS 2018.
#   [doi:10.48550/arXiv.1712.04086](https://doi.org/10.48550/arXiv.1712.04086)
# - T. Schlegl et al. f-AnoGAN: Fast unsupervised anomaly detection with generative adversarial networks. Medical Image Analysis 54:30-44, 2019.
#   [doi:10.1016/j.media.2019.01.010](https://doi.org/10.1016/j.media.2019.01.010)
# - K. Roth et al. Towards Total Recall in Industrial Anomaly Detection. CVPR 2022. [doi:10.1109/CVPR52688.2022.01392](https://doi.org/10.1109/CVPR52688.2022.01392)
