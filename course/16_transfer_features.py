# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Eyes borrowed from elsewhere
#
# Unit 16, after Bar, Diamant, Wolf and Greenspan, *Deep learning with non-medical training used for chest pathology
# identification*, 2015.
#
# **After this lesson you can**
#
# - read an effusion and a large heart off a frontal chest film, and measure the second;
# - say why a network that never saw a patient can help with 93 films;
# - read any layer of a network, and give what it says to a linear machine;
# - keep choices that you make away from the films that you test on;
# - draw where an answer comes from, in three ways, and test whether the map can be believed;
# - find a shortcut before a hospital does.
#
# **Time:** about 55 minutes, and 120 for the lab. **Before this:** units 3 and 4 (convolution, AlexNet), and what an AUC is.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import pandas as pd
import torch
from skimage import filters, measure, segmentation
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from medcourse import datasets, plots
from medcourse.models import explain, handmade, probes, transfer

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: ninety-three films
#
# A chest film is the most frequent of all X-ray pictures. The person stands with the chest at the plate; the rays come from behind.
# One looks at it as if the person stood in front: **the patient's right is on your left**. What stops rays is bright: bone, heart, fluid. Lungs
# hold air, and are dark.
#
# Three films follow, **simulated**, all of one person: healthy, with fluid around a lung, and with a large heart. **Predict:** which is which?

# %%
healthy = {"enlarged_fraction": 0, "effusion_fraction": 0}
kinds = {"A": healthy | {"effusion_fraction": 1}, "B": healthy, "C": healthy | {"enlarged_fraction": 1}}
person = {
    name: datasets.make_frontal_chests(1, size=192, fluid_height_mm=(75, 75.1), seed=0, **kind)
    for name, kind in kinds.items()
}
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.5)
for ax, (name, film) in zip(axes[0], person.items()):
    plots.show_image(film.images[0], f"Simulated film {name}", spacing_mm=film.spacing_mm, limits=(0, 1), ax=ax)
plots.describe(
    figure,
    "Three simulated frontal chest films of one person, which differ in the lower right lung or in the heart.",
)

# %% [markdown]
# In A, fluid lies around the right lung: a **pleural effusion**. Follow the border of each lung down to its lowest and outermost point, the
# *costophrenic angle*. It should be sharp and dark. Fluid fills it first, with a border that climbs along the chest wall, the *meniscus*. On an
# upright film like this one it takes some 175 to 525 mL to blunt that angle (Woodring 1984); less can hide behind the diaphragm.
#
# In C, the **heart is enlarged**. Its greatest width is divided by the greatest width within the ribs: the *cardiothoracic ratio*. Above
# 0.5, on such a film of an adult, a heart counts as large. With a ruler on the picture:


# %%
def widths_px(film) -> tuple[np.ndarray, np.ndarray]:
    """First and last column of the heart, by its true outline, and of the space within the ribs, by the dark lungs."""
    image = film.images[0]
    dark = segmentation.clear_border(image < filters.threshold_otsu(image))  # air beside the person touches the border
    lungs = sorted(measure.regionprops(measure.label(dark)), key=lambda region: -region.area)[:2]
    chest = min(lung.bbox[1] for lung in lungs), max(lung.bbox[3] for lung in lungs) - 1
    return np.flatnonzero(film.heart[0].any(0))[[0, -1]], np.array(chest)


figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.5)
for ax, (name, film) in zip(axes[0], person.items()):
    heart, chest = widths_px(film)
    title = f"{name}: ratio {np.ptp(heart) / np.ptp(chest):.2f} (truth {film.ratios[0]:.2f})"
    plots.overlay(film.images[0], film.fluid[0], title, fill=0.1, limits=(0, 1), ax=ax)
    for ends, row, colour in ((heart, 135, "#56B4E9"), (chest, 154, "#E69F00")):
        look = {"arrowstyle": "<->", "color": colour, "lw": 2}
        ax.annotate("", (ends[0], row), (ends[1], row), arrowprops=look)
fluid = np.argwhere(person["A"].fluid[0])
top = fluid[:, 1].min() + 4, fluid[:, 0].min() + 4
look = {"arrowstyle": "->", "color": "#F0E442"}
axes[0, 0].annotate("meniscus", top, (6, 60), color="#F0E442", arrowprops=look)
plots.describe(
    figure,
    "The same films with arrows across the heart and across the chest within the ribs. In A, the fluid at the lower right is outlined, and an arrow points at its upper border at the chest wall.",
)

# %% [markdown]
# A program is to find both. The authors had **93 films**, and AlexNet has sixty million weights. Films with a checked diagnosis
# are dear; photographs with a name are on the internet by the million.
#
# Our 93 simulated persons differ in size, fat, breasts, breath, turning and exposure. Many findings are slight. The titles give how high
# the fluid stands at the side, and the cardiothoracic ratio.

# %%
films = datasets.make_frontal_chests(93, size=64, seed=16)
print(films.description)
order = np.argsort(films.fluid_mm)
chosen = [*order[films.effusion[order]][[0, 12, -1]], np.argmin(films.ratios), np.argmax(films.ratios)]
plots.show_images(
    films.images[chosen],
    [f"fluid {films.fluid_mm[i]:.0f} mm, ratio {films.ratios[i]:.2f}" for i in chosen],
    spacing_mm=films.spacing_mm,
    limits=(0, 1),
    panel_inches=2.2,
    alt="Five simulated films: with little, some and much fluid at the right side, with the smallest and with the largest heart.",
)

# %% [markdown]
# That is what our network sees: 64 pixels across, of 6 mm. A radiologist's screen shows some thirty times as many. **Before you
# go on:** in which of the five would you miss the fluid?
#
# ## The idea: borrow the eyes
#
# Donahue and colleagues (2014) took AlexNet, trained on photographs, and cut off its end. What the layers below say of a new picture they called
# DeCAF, a *deep convolutional activation feature*. A simple linear machine on top of it then told birds or scenes apart, from few pictures each.
#
# Why should that work? To tell a thousand things apart, a network must first see edges, blobs, bends, and what lies beside what. That is of use
# elsewhere, too. Bar and colleagues tried it on chest films.
#
# We have no photographs to ship. Our network learned from **formulas**: fractals (an idea of Kataoka and colleagues, 2020), textures and
# shapes. It tells categories like these, and has seen no photograph and no patient:

# %%
net = transfer.load_source()
record = net.made_by
print(
    f"{record['parameters']:,} weights, trained on {record['pictures']:,} pictures of {len(record['classes'])} categories"
)
print(
    f"right on {100 * record['held_out_accuracy']:.0f} % of new pictures; by chance {100 / len(record['classes']):.0f} %"
)
drawn = datasets.make_fractals(1, seed=16)
tiles = drawn.images[np.r_[0:28:4, 30:50:2][:16]].transpose(0, 2, 3, 1).reshape(2, 8, 64, 64, 3)
figure, axes = plots.panels(1, 1, width_inches=9, height_inches=2.6)
plots.show_image(
    np.concatenate([np.concatenate(row, axis=1) for row in tiles]),
    "Made by formulas: seven fractals, then textures and shapes",
    ax=axes[0, 0],
    alt="Sixteen small colour pictures made by formulas: fractals like ferns and dust, stripes, noise, cells, a disc, a star and other shapes.",
)

# %% [markdown]
# It has the layers of AlexNet, with far fewer weights: five convolutions, conv1 to conv5, and three fully connected layers, fc6 to fc8. fc8 names the
# category; a hospital has no use for that.
#
# **Predict:** what did the first layer learn, compared with the same network before training?

# %%
fresh = transfer.SourceNet(len(record["classes"])).eval()
figure, axes = plots.panels(1, 2, width_inches=4.2, height_inches=3.2)
for ax, (name, each) in zip(axes[0], {"trained on formulas": net, "random weights": fresh}.items()):
    kernels = each.conv1.weight.detach().mean(1, keepdim=True)  # (24, 1, 7, 7)
    plots.show_kernels(kernels, f"First layer, {name}", ax=ax)
    beside = np.corrcoef(kernels[..., 1:].flatten(), kernels[..., :-1].flatten())[0, 1]
    print(f"{name}: weights side by side correlate by {beside:.2f}")
figure

# %% [markdown]
# Each square is a kernel of 7 by 7 weights, averaged over the three colours, since films are grey. Some trained ones have grown blobs, bars and edges; many are
# still rough. (A network that has seen a million photographs has smoother ones.) The random kernels are noise. Keep that network: we need it as an opponent.
#
# ### Look into a layer: hooks
#
# How does one get at what a layer says? *Hook* a function of yours to it, and PyTorch will call it whenever the layer has run. Remove the hook when
# you are done, or it goes on collecting.

# %%
x = torch.as_tensor(films.images)[:, None].repeat(1, 3, 1, 1)  # (93, 3, 64, 64): a grey film as three equal colours
seen = {}
hook = net.conv3.register_forward_hook(lambda layer, inputs, output: seen.update(conv3=output.detach()))
with torch.no_grad():
    net(x[:1])
hook.remove()
print(f"conv3 says {tuple(seen['conv3'].shape)}: {seen['conv3'].shape[1]} maps of 8 by 8")

# %% [markdown]
# `probes.read_layers` does so for many films and layers; in the lab you write it. Now follow one film
# through the layers. **Before you move on:** where will you stop recognising the patient?


# %%
@torch.no_grad()
def draw_layer(layer: str, film: str):
    """Show the twelve maps of a layer that vary most across a film."""
    picture = torch.as_tensor(person[film].images[:, 1::3, 1::3])[:, None].repeat(1, 3, 1, 1)
    maps = probes.outputs_of(net, [layer], picture)[layer][0].relu()  # a ReLU follows each layer
    best = maps.flatten(1).std(1).argsort(descending=True)[:12]
    side = maps.shape[-1]
    board = np.full((3 * (side + 1) - 1, 4 * (side + 1) - 1), np.nan)
    for place, values in enumerate(maps[best].numpy()):
        down, across = place // 4 * (side + 1), place % 4 * (side + 1)
        board[down : down + side, across : across + side] = values / values.max()
    _, axes = plots.panels(1, 1, width_inches=3.3, height_inches=2.4)
    alt = f"Twelve of {len(maps)} maps of {layer} for film {film}, {side} by {side} each, bright where it answers."
    title = f"12 of {len(maps)} maps, {side} x {side} each"
    return plots.show_map(board, title, unit="share of its maximum", limits=(0, 1), ax=axes[0, 0], alt=alt)


plots.demo(
    draw_layer,
    layer=["conv1", "conv2", "conv3", "conv4", "conv5"],
    film=["A", "B", "C"],
    static=[{"layer": layer} for layer in ("conv1", "conv3", "conv5")],
)

# %% [markdown]
# conv1 still shows a chest. From layer to layer maps get coarser, and each of their pixels has seen more of the film. In
# fc6 places are gone: 384 numbers are left for the whole film.
#
# ## From features to an answer
#
# So each layer makes a list of numbers of a film, its *features*. On top stands a **linear support vector machine** (SVM): of all flat borders
# between the lists of ill and of healthy, it takes the one in the middle of the widest gap. With more numbers than films, a flat border that fits all
# films nearly always exists. The wide gap is what keeps it sensible.
#
# Beside the network's layers stand
#
# - the **same layers with random weights**;
# - the **pixels** themselves, 4096 grey values;
# - **hand-made features** of the years before: how much edge of which direction and fineness there is in each of 4 by 4 places (*gist*),
#   and how often which pattern of brighter neighbours occurs there (*patterns*; in the literature LBP, local binary patterns).
#
# The films are dealt into five parts. Each is tested by a machine that has seen the other four, and all scales come from these four. **Predict:** which
# comes out highest? And how much does the training on formulas add?

# %%
N, C = 93, 10.0  # films, and what a film on the wrong side of the border costs: chosen beforehand, the same everywhere
trained = probes.read_layers(net, transfer.LAYERS, x)
untrained = probes.read_layers(fresh, transfer.LAYERS, x)
by_hand = {"pixels": films.images.reshape(N, -1).astype(float), "gist": handmade.gist(films.images)}
by_hand["patterns"] = handmade.local_patterns(films.images)
findings = {"effusion": films.effusion, "enlarged heart": films.enlarged}


def deal(ill: np.ndarray) -> list:
    """Five pairs of films to learn from and films to be tested."""
    return probes.patient_folds(ill, np.arange(N))


def aucs(blocks: list[np.ndarray], ill: np.ndarray, folds: list) -> list[float]:
    """AUC on each of the parts."""
    return [probes.cross_validated_auc(blocks, ill, [fold], c=C) for fold in folds]


groups = {"trained on formulas": trained, "random weights": untrained, "by hand": by_hand}
scores = {
    (finding, group, name): aucs([features], ill, folds)
    for finding, ill in findings.items()
    for folds in [deal(ill)]
    for group, lists in groups.items()
    for name, features in lists.items()
}

# %%
figure, axes = plots.panels(1, 2, width_inches=5.0, height_inches=3.6)
looks = {"trained on formulas": (-0.15, "o"), "random weights": (0.15, "s"), "by hand": (0, "D")}
for ax, (finding, ill) in zip(axes[0], findings.items()):
    for group, (shift, marker) in looks.items():
        parts = np.array([scores[finding, group, name] for name in groups[group]])
        places = np.arange(len(parts)) + shift + (len(trained) if group == "by hand" else 0)
        ax.errorbar(places, parts.mean(1), parts.std(1), fmt=marker, label=group, elinewidth=1, capsize=2)
    ax.set_xticks(range(len(trained) + len(by_hand)), [*trained, *by_hand], rotation=60)
    ax.set(ylim=(0.36, 1.06), ylabel="AUC: mean, deviation of 5 parts", title=f"{finding} ({ill.sum()} of {N})")
    ax.axhline(0.5, color="0.6", linestyle=":", linewidth=1)
figure.legend(*axes[0, 0].get_legend_handles_labels(), ncols=3, loc="outside upper center")
said = "; ".join(f"{' '.join(which)} {np.mean(parts):.2f}" for which, parts in scores.items())
plots.describe(figure, f"AUC by features, for two findings: {said}.")

# %% [markdown]
# Look at it slowly.
#
# - In **fc6 to fc8, training helps**: with random weights they have mixed all places into noise, while trained ones have kept more of what matters.
# - In the **convolutions it hardly matters** in this deal of films what the network has learned. A random kernel is a filter, too, and many random filters with their places kept
#   say much of a picture.
# - **Edges on a grid, made by hand, are as good as any layer here or better.** Both findings are borders in the wrong place, on films that are all taken in the same way, so this is what edges are
#   made for.
# - The **deviation** is wide. With 18 films in a part, a difference of a few hundredths is nothing. (And the five parts share films, so their spread is no
#   interval.)
#
# Without the two opponents, one would have written: *a high AUC, by transfer from fractals!* It would have been true, and misleading.
#
# **Question 1.** Layer conv3 with random weights does as well as trained. What follows?
#
# <details><summary>Training a network is of no use for chest films</summary>
#
# The layers further up differ, and fine-tuning (unit 17) was not tried. It says something of these features, for these two findings.
#
# </details>
# <details><summary>At this layer the gain does not come from what was learned, and a claim of transfer needs this opponent</summary>
#
# Yes. Architecture and linear machine explain the result by themselves. Only what goes beyond them is transfer.
#
# </details>
# <details><summary>The test films must have leaked into training</summary>
#
# Nothing was learned from the tested part, scales included. Random filters are simply better features than one would think.
#
# </details>
#
# ### Put together
#
# Bar and colleagues did best when they put features of the network and hand-made ones side by side, *fusion*. Each block of features is first scaled, so that a block of 10 000 numbers does not shout down
# one of 300. **Predict:** will both together beat the better of the two?

# %%
hand = [by_hand["gist"], by_hand["patterns"]]
together = {"fc6": [trained["fc6"]], "gist and patterns": hand, "all three": [trained["fc6"], *hand]}
rows = {}
for finding, ill in (findings | {"abnormal": ~films.healthy}).items():
    folds = deal(ill)
    rows[finding] = {name: np.mean(aucs(blocks, ill, folds)) for name, blocks in together.items()}
pd.DataFrame(rows).round(2)

# %% [markdown]
# (*abnormal* asks for either finding; the authors found it the hardest of the three.) Where one block knows nearly all, little is left to gain. One deal of 93 films is no proof either way; the lab
# repeats it.
#
# ## Ninety films, and a temptation
#
# Eight layers, three hand-made blocks, a few settings of the machine: which to report? The temptation is to try them all, and print the best. How much does that flatter? We
# make a case where we know the truth. The labels are **shuffled**, so nothing in a film can tell who is ill, and the true AUC is 0.5. **Predict:** what will each of these
# report?

# %%
rng = np.random.default_rng(0)
fc6 = trained["fc6"]
numbers = np.concatenate([*list(trained.values())[2:], *hand], axis=1)  # of conv3 and above, and by hand
scaled = (numbers - numbers.mean(0)) / np.maximum(numbers.std(0), 1e-9)
fc6_scaled = (fc6 - fc6.mean(0)) / fc6.std(0) / np.sqrt(fc6.shape[1])
rows = []
for _ in range(10):
    ill = rng.permutation(films.effusion)
    folds = deal(ill)
    tried = [np.mean(aucs([f], ill, folds)) for f in (fc6, trained["conv5"], trained["fc7"], trained["fc8"], *hand)]
    scaled_on_all = cross_val_score(SVC(kernel="linear", C=C), fc6_scaled, ill, cv=folds, scoring="roc_auc")
    gap = np.abs(scaled[ill].mean(0) - scaled[~ill].mean(0))
    chosen_on_all = aucs([numbers[:, gap.argsort()[-20:]]], ill, folds)
    rows.append(
        {
            "fc6, chosen beforehand": tried[0],
            "fc6, scaled on all 93 films": scaled_on_all.mean(),
            "the best of six blocks, by its AUC on the tests": max(tried),
            "the 20 numbers that differ most in all 93 films": np.mean(chosen_on_all),
        }
    )
pd.DataFrame(rows).agg(["mean", "min", "max"]).T.round(2)

# %% [markdown]
# - **Scaling on all films** changes next to nothing: means and deviations know no labels. It is still a habit to drop, since other preparations are less innocent.
# - **To keep the best of six** makes something out of nothing. The more one tries, the more it makes.
# - **To choose numbers on all films** and then cross-validate makes a result out of a coin toss. The tested films had their say in the choice. It has happened in published work
#   (Ambroise and McLachlan 2002).
#
# Look at the columns *min* and *max*, too: with 93 films, an honest AUC on a coin toss wanders far from 0.5.
#
# The rule: **whatever looks at labels is done within the four parts**, again for each test. If you must choose a layer, do so by a second, inner cross-validation, or use films that you have put aside.
# From here on we take fc6, as DeCAF did, and not what looked best above.
#
# **Question 2.** A colleague tries eight layers with four settings on 93 films and reports the best AUC, 0.95, from five-fold cross-validation. What is it worth?
#
# <details><summary>It is right, since each film was tested by a machine that had not seen it</summary>
#
# The machines had not, but the colleague had: the choice among 32 was made by the very results that are reported.
#
# </details>
# <details><summary>Too high by an amount that one cannot read off it; new films or an inner cross-validation would tell</summary>
#
# Yes. How much it flatters depends on how many were tried, how alike they are, and how few the films.
#
# </details>
# <details><summary>Nothing: eight layers are all one network, so there is no choice to speak of</summary>
#
# The table shows that even alike candidates differ by chance, and that the best of them is mostly the luckiest.
#
# </details>
#
# ## Where does it look?
#
# The machine on fc6 gives a *decision*, above 0 for ill. It is a weighted sum of features, and these are functions of pixels. So layer and machine together are one function from film to
# decision, which has a slope. First the honest test, on forty new persons:

# %%
heads = {name: probes.fit_head(fc6, ill, c=C) for name, ill in findings.items()}
probe = probes.ProbedNet(net, "fc6", heads).eval()
new = datasets.make_frontal_chests(40, size=64, seed=17)
x_new = torch.as_tensor(new.images)[:, None].repeat(1, 3, 1, 1)
with torch.no_grad():
    decisions = probe(x_new).numpy()
for k, (name, ill) in enumerate({"effusion": new.effusion, "enlarged heart": new.enlarged}.items()):
    print(f"40 new films, {name}: AUC {roc_auc_score(ill, decisions[:, k]):.2f}")

# %% [markdown]
# Now be the examiner. Cover a part of a film that shows fluid and see whether the decision falls. **Predict:** where must the square lie?

# %%
EFFUSION = 0
found = np.flatnonzero(new.effusion & (decisions[:, EFFUSION] > 0))
i_film = found[np.argmax(decisions[found, EFFUSION])]


@torch.no_grad()
def cover(left_px: int, top_px: int, side_px: int):
    """Cover a square of a film with grey, and ask again."""
    covered = x_new[i_film].clone()
    covered[:, top_px : top_px + side_px, left_px : left_px + side_px] = 0.5
    decision = probe(covered[None])[0, EFFUSION]
    title = f"decision {decision:+.2f}, uncovered {decisions[i_film, EFFUSION]:+.2f}"
    _, axes = plots.panels(1, 1, width_inches=3.3, height_inches=3.5)
    return plots.show_image(covered[0], title, limits=(0, 1), spacing_mm=new.spacing_mm, ax=axes[0, 0])


plots.demo(
    cover,
    left_px=(0, 48, 8),
    top_px=(0, 48, 40),
    side_px=(4, 24, 12),
    static=[{}, {"left_px": 36, "top_px": 30}, {"left_px": 26, "top_px": 2}],
)

# %% [markdown]
# Three ways to ask the same of the whole film:
#
# - **Gradient** (Simonyan and colleagues 2014): by how much does the decision change if this pixel changes a little? One pass backwards: $|\partial\, \text{decision} / \partial\, \text{pixel}|$.
# - **Occlusion** (Zeiler and Fergus 2014): a grey square wanders over the film; by how much does the decision fall?
# - **Grad-CAM** (Selvaraju and colleagues 2017): of the maps of conv5, add up those that help the decision. Map $k$ counts by its mean slope $\alpha_k$:
#
# $$ \text{Grad-CAM} = \max\Big(0, \sum_k \alpha_k A_k\Big), $$
#
# $$ \alpha_k = \text{mean over places of } \partial\, \text{decision} / \partial A_k. $$


# %%
def draw_maps(network, i: int, pictures: torch.Tensor, row, note: str) -> None:
    """Draw a film and the three maps of it into a row of panels."""
    plots.overlay(pictures[i, 0], new.fluid[i], note, fill=0, limits=(0, 1), ax=row[0])
    maps = {
        "gradient": explain.gradient_map(network, pictures[i], EFFUSION),
        "occlusion": explain.occlusion_map(network, pictures[i], EFFUSION),
        "Grad-CAM at conv5": explain.grad_cam(network, pictures[i], EFFUSION, layer="net.conv5"),
    }
    for ax, (name, values) in zip(row[1:], maps.items()):
        signed = name == "occlusion"
        plots.show_map(values, name, diverging=signed, unit="fall when covered" if signed else "strength", ax=ax)
        ax.contour(new.fluid[i], [0.5], colors="black" if signed else "white", linewidths=1)


figure, axes = plots.panels(2, 4, width_inches=2.9, height_inches=2.6)
for row, i in zip(axes, found[np.argsort(decisions[found, EFFUSION])[[-1, len(found) // 2]]]):
    draw_maps(probe, i, x_new, row, f"fluid {new.fluid_mm[i]:.0f} mm, decision {decisions[i, 0]:+.2f}")
figure

# %% [markdown]
# The outline is the true fluid; the programs do not know it. The gradient has its strongest spot at the upper end of the fluid, and so has occlusion, with much else beside it. What
# raises the decision when it is covered is blue. And Grad-CAM points somewhere else.
#
# Two films prove nothing. On six with much fluid, how many times as strong is a map within the fluid as outside? At 1 it would not care. **The
# simplest opponents need no network:** the film's own grey, and an edge filter.

# %%
big = np.flatnonzero(new.fluid.sum((1, 2)) >= 30)[:6]
ways = {
    "gradient": explain.gradient_map,
    "gradient times input": explain.gradient_times_input,
    "occlusion": explain.occlusion_map,
    "Grad-CAM": lambda *given: explain.grad_cam(*given, layer="net.conv5"),
}
before = {name: [way(probe, x_new[i], EFFUSION) for i in big] for name, way in ways.items()}
no_network = {
    "the film itself": new.images[big],
    "edges of the film": np.stack([filters.sobel(new.images[i]) for i in big]),
}


def inside_to_outside(maps: list[np.ndarray]) -> list[float]:
    """Mean strength within the fluid over that elsewhere, a film each."""
    return [np.abs(m)[new.fluid[i]].mean() / np.abs(m)[~new.fluid[i]].mean() for m, i in zip(maps, big)]


ratios = {name: inside_to_outside(maps) for name, maps in (before | no_network).items()}
pd.DataFrame(ratios).agg(["mean", "min", "max"]).T.round(1)

# %% [markdown]
# *Gradient times input* is the gradient multiplied by the pixel's own grey. It is the strongest in the fluid. But look at the film itself: fluid is brighter than most of a film, so a part
# of that strength has nothing to do with the network.
#
# Why does Grad-CAM miss? It gives each map one weight for all places. Our machine weighs places one by one: *an edge here, and none over there*. Averaged over the
# film, that cancels. Networks that end in an average over places suit Grad-CAM better. In a large comparison on real chest films, with such networks, it was the best of seven methods, and all seven were worse than a radiologist
# at showing where (Saporta and colleagues 2022).
#
# ## When the map lies
#
# A map can look right and say nothing. Adebayo and colleagues (2018) had a simple idea: **destroy the network, and draw again**. Replace weights by random ones, first those of the answer, then layer by layer down. What the network has
# learned is gone then. A map that shows what was learned must change.
#
# **Predict:** which of the three will look most like itself when nothing is left?

# %%
TOP_DOWN = ["to_scores", "net.fc6", "net.conv5", "net.conv4", "net.conv3", "net.conv2", "net.conv1"]
checked = ("gradient", "gradient times input", "Grad-CAM")
alike = {name: [1.0] for name in checked}
for n in range(1, len(TOP_DOWN) + 1):
    broken = explain.randomised(probe, TOP_DOWN[:n], seed=n)
    for name in checked:
        after = [ways[name](broken, x_new[i], EFFUSION) for i in big]
        alike[name].append(np.mean([explain.similarity(a, b) for a, b in zip(before[name], after)]))
for name in checked:
    by_edges = [explain.similarity(a, b) for a, b in zip(before[name], no_network["edges of the film"])]
    print(f"{name:20s} rank correlation with an edge filter, which knows no network: {np.mean(by_edges):.2f}")
plots.plot_curve(
    alike,
    x=np.arange(len(TOP_DOWN) + 1),
    xlabel="layers randomised, from the answer down",
    ylabel="rank correlation with the map before",
)

# %%
figure, axes = plots.panels(2, 3, width_inches=3.2, height_inches=2.6)
for row, (network, note) in zip(axes, ((probe, "as learned"), (broken, "all layers random"))):
    for ax, name in zip(row, checked):
        values = np.abs(ways[name](network, x_new[i_film], EFFUSION))
        plots.show_map(values, f"{name}, {note}", unit="strength", ax=ax)
figure

# %% [markdown]
# - **Grad-CAM** soon has nothing in common with what it was. It passes this check, though it pointed at the wrong place. The check finds maps that cannot be right; it does not make the others right.
# - The **gradient** falls to about the likeness that it has with an edge filter. What is left of it can only come from the film.
# - **Gradient times input** stays about half like itself, with a network of dice. Its outlines of a chest are the film's own.
#
# Adebayo and colleagues found the same of maps that were in wide use, some of them worse: *guided backpropagation* drew fine outlines of birds with random weights. We trust outlines, since they look as if someone
# had understood something.
#
# **Question 3.** A heat map of a bought program always lights up at the costophrenic angle. The maker's engineers randomise its weights, and the map stays. What do you know?
#
# <details><summary>The program looks at the right place, and robustly</summary>
#
# With random weights it knows no medicine at all, and the map says the same. So the map does not tell where the program looks.
#
# </details>
# <details><summary>The map tells about films, not about the program; whether the program is good is another question</summary>
#
# Yes. It may well be good. That must be shown by tests on films, for this map cannot show it.
#
# </details>
# <details><summary>The program is worthless and must be switched off</summary>
#
# The check judges the map, not the answers. A good program can come with a bad map.
#
# </details>
#
# ## A letter in the corner
#
# Technologists lay a letter of lead on the plate, L for the patient's left. Each hospital, each device has its own. Suppose that in the hospital that gave the films, the ward for those with fluid has a device whose letter lies
# within the picture, and the other device's is cut away. Whoever learns from these films can learn the letter.
#
# **Predict:** the AUC of that program on new films of the same hospital; on those of another one without letters; and where the letter happens to be on those without fluid.

# %%
LETTER = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 1]], bool)  # an L: the patient's left


def mark(images: np.ndarray, which: np.ndarray) -> torch.Tensor:
    """Lay a letter of lead into the upper right corner of some films, and make pictures for the network."""
    marked = images.copy()
    marked[:, 4:9, 57:60][which[:, None, None] & LETTER] = 1.0
    return torch.as_tensor(marked)[:, None].repeat(1, 3, 1, 1)


taught = mark(films.images, films.effusion)  # by a hospital whose ward for the ill marks its films
head = probes.fit_head(probes.read_layers(net, ["fc6"], taught)["fc6"], films.effusion, c=C)
fooled = probes.ProbedNet(net, "fc6", {"effusion": head}).eval()
tests = {
    "the films with fluid": mark(new.images, new.effusion),
    "no film": mark(new.images, new.effusion & False),
    "every film": mark(new.images, new.effusion | True),
    "the films without fluid": mark(new.images, ~new.effusion),
}
programs = {"taught without letters": probe, "taught with letters": fooled}
rows = {}
for where, pictures in tests.items():
    with torch.no_grad():
        said = {name: program(pictures)[:, EFFUSION] for name, program in programs.items()}
    rows[where] = {name: roc_auc_score(new.effusion, values) for name, values in said.items()}
pd.DataFrame(rows).T.rename_axis("letter on").round(2)

# %% [markdown]
# Perfect at home, worse than before without the letter, and wrong on every pair of films where it is turned around. Nobody who tests on films of the same hospital would notice. (Nor does a letter leave the other program cold: it has never seen
# one, and takes it for a piece of anatomy.) Would a map have told?

# %%
lettered = tests["the films with fluid"]
figure, axes = plots.panels(1, 5, width_inches=2.6, height_inches=2.4)
draw_maps(fooled, i_film, lettered, axes[0], "with a letter")
black = explain.occlusion_map(fooled, lettered[i_film], EFFUSION, fill=0.0)
plots.show_map(black, "occlusion by black", diverging=True, unit="fall when covered", ax=axes[0, 4])
figure

# %% [markdown]
# The gradient points at the letter and hardly at the fluid; Grad-CAM points beside the letter, and more weakly at the fluid. So **a map is good at finding what should not matter**. This is the best use of it.
#
# Occlusion by grey says the opposite: a square over the letter *raises* the decision. A grey square on a black corner is a bright thing itself, and that is what the program has learned to like. Covered by black, the letter is gone, and the
# decision falls. What you cover with is part of the question: no square is *nothing*.
#
# **Question 4.** A program for effusions reaches an AUC of 1.00 on held-out films of the hospital that taught it. What do you do first?
#
# <details><summary>Buy it: no radiologist is that good</summary>
#
# That is the reason to be careful. What no reader achieves from the anatomy may come from something else on the film.
#
# </details>
# <details><summary>Look at maps of many films, and test on films of another hospital and with corners blackened</summary>
#
# Yes. Maps say where to look for a shortcut; films from elsewhere, and with the suspect thing taken away, say whether it matters.
#
# </details>
# <details><summary>Repeat the cross-validation with other parts</summary>
#
# All parts come from the same hospital, letter included. The result would be 1.00 again.
#
# </details>
#
# ## What the paper found, and what we find
#
# On 93 films, features of a network trained on photographs, together with low-level ones, did best: **AUC 0.93** for right pleural effusion, **0.89** for an enlarged heart,
# **0.79** for healthy against ill. The films are private. How far may such numbers be off, by chance of the films alone? Hanley and McNeil (1982) give the standard error of an AUC; say that a third of the 93 was ill:

# %%
n_ill, n_well = 31, 62
for auc in (0.93, 0.89, 0.79):
    one, other = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_ill - 1) * (one - auc**2) + (n_well - 1) * (other - auc**2)
    half = 1.96 * (variance / (n_ill * n_well)) ** 0.5
    print(f"AUC {auc}: about {auc - half:.2f} to {min(auc + half, 1):.2f}")

# %% [markdown]
# The lab measured on simulated films, five times over:
#
# {{effects}}
#
# Read three rows together: borrowed against learned from the films alone, against random weights, and against *gist*. A claim of transfer rests on all three. In the one deal above, conv5 with
# random weights was ahead for the effusion; over the lab's draws and three questions the trained one is, by a little. Small differences also depend on choices
# such as the cost of a film on the wrong side, which is 1 in the lab and 10 in this lesson.
#
# *Not shown* means that five runs cannot tell. *Opposite shown* means that they can, and it is the other way round. Our network has half a million weights and has seen formulas; theirs had about sixty million and had seen a million
# photographs. And simulated films differ less than real ones, which favours whatever looks at fixed places.
#
# ## In practice
#
# *captum* has all of these maps and many more, for any PyTorch network. It agrees with ours:

# %%
from captum import attr

film = x_new[i_film : i_film + 1].requires_grad_()
given = {"target": EFFUSION}
square = {"sliding_window_shapes": (3, 8, 8), "strides": (3, 4, 4), "baselines": 0.5, "perturbations_per_eval": 64}
cam = attr.LayerGradCam(probe, net.conv5).attribute(film, relu_attributions=True, **given)
theirs = {
    "gradient": attr.Saliency(probe).attribute(film, **given)[0].amax(0),
    "gradient times input": attr.InputXGradient(probe).attribute(film, **given)[0].sum(0),
    "occlusion": attr.Occlusion(probe).attribute(film, **square, **given)[0, 0],
    "Grad-CAM": attr.LayerAttribution.interpolate(cam, (64, 64), interpolate_mode="bilinear")[0, 0],
}
for name, values in theirs.items():
    ours = ways[name](probe, film[0].detach(), EFFUSION)
    apart = np.abs(ours - values.detach().numpy()).max()
    print(f"{name:20s} largest value {np.abs(ours).max():.3f}, largest difference {apart:.1e}")

# %% [markdown]
# Where there is a network connection, `models.load_imagenet(models.AlexNet())` gives the eyes that the authors borrowed. Today one would rather borrow a network that was trained on hundreds of thousands of
# chest films, and fine-tune it (unit 17). The check stays the same: beside it a random network, and features made by hand.
#
# ## Where it fails
#
# **Little fluid.** At 6 mm a pixel a blunted angle is a pixel or two. Set those with little and with much fluid against those without:

# %%
middle = np.median(new.fluid_mm[new.effusion])
for name, which in {"below": new.fluid_mm < middle, "from": new.fluid_mm >= middle}.items():
    asked = ~new.effusion | which
    auc = roc_auc_score(new.effusion[asked], decisions[asked, EFFUSION])
    print(f"fluid {name} {middle:.0f} mm: {(new.effusion & which).sum()} of the new films, AUC {auc:.2f}")

# %% [markdown]
# Nine films each are a hint and no proof. Still, an AUC over all sizes is mostly about those that nobody would miss. Ask for the sizes.
#
# **Another way to take the film.** Ours are all taken upright, from back to front. In a bed, with the rays from the front, the heart is nearer to the tube and looks larger, so that a ratio above 0.5 means less. Fluid of a person who lies spreads
# behind the lung as a veil, without a meniscus; on bedside films radiologists found 66 % of effusions that CT showed (Kitazono and colleagues 2010). What was learned on one kind is no good for the other.
#
# **The hospital on the film.** Zech and colleagues (2018) pooled films of two hospitals, where 34 % and 1 % had pneumonia. To know the hospital alone gave an AUC of 0.86, and networks recognise it, for one by its letters of
# lead. Held-out films of the same pool do not show that.
#
# **A map persuades.** A bright spot at the right place makes a wrong answer look reasoned. No map of this unit says *why*; it says where pixels mattered, if it passes its check. Do not offer it to patients or doctors as an explanation.
#
# ## Take-aways
#
# - A network trained on something else gives features; a linear machine learns from few films on top of them.
# - Set random weights, pixels and hand-made features beside it. Here edges on a grid are as good or better.
# - With 93 films, what looks at labels stays within the training part, choices of layers included.
# - A map is a measurement that can be wrong: randomise the network, and set the bare film beside it.
# - A perfect result on one's own films is a reason to look for letters in the corners.
#
# ## References
#
# - Y. Bar, I. Diamant, L. Wolf, H. Greenspan. Deep learning with non-medical training used for chest pathology identification. SPIE Medical Imaging 2015, 9414:94140V.
#   [doi:10.1117/12.2083124](https://doi.org/10.1117/12.2083124)
# - J. Donahue et al. DeCAF: A Deep Convolutional Activation Feature for Generic Visual Recognition. ICML 2014.
#   [doi:10.48550/arXiv.1310.1531](https://doi.org/10.48550/arXiv.1310.1531)
# - H. Kataoka et al. Pre-training without Natural Images. ACCV 2020. [doi:10.1007/978-3-030-69544-6_35](https://doi.org/10.1007/978-3-030-69544-6_35)
# - A. Oliva, A. Torralba. Modeling the shape of the scene. International Journal of Computer Vision 42:145-175, 2001.
#   [doi:10.1023/A:1011139631724](https://doi.org/10.1023/A:1011139631724): GIST.
# - T. Ojala, M. Pietikäinen, T. Mäenpää. Multiresolution gray-scale and rotation invariant texture classification with local binary patterns. IEEE TPAMI 24:971-987, 2002.
#   [doi:10.1109/TPAMI.2002.1017623](https://doi.org/10.1109/TPAMI.2002.1017623): LBP.
# - C. Ambroise, G. McLachlan. Selection bias in gene extraction on the basis of microarray gene-expression data. PNAS 99:6562-6566, 2002.
#   [doi:10.1073/pnas.102102699](https://doi.org/10.1073/pnas.102102699)
# - J. Hanley, B. McNeil. The meaning and use of the area under a receiver operating characteristic (ROC) curve. Radiology 143:29-36, 1982.
#   [doi:10.1148/radiology.143.1.7063747](https://doi.org/10.1148/radiology.143.1.7063747)
# - K. Simonyan, A. Vedaldi, A. Zisserman. Deep Inside Convolutional Networks. 2014. [doi:10.48550/arXiv.1312.6034](https://doi.org/10.48550/arXiv.1312.6034)
# - M. Zeiler, R. Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. [doi:10.1007/978-3-319-10590-1_53](https://doi.org/10.1007/978-3-319-10590-1_53)
# - R. Selvaraju et al. Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization. ICCV 2017.
#   [doi:10.1109/ICCV.2017.74](https://doi.org/10.1109/ICCV.2017.74)
# - J. Adebayo et al. Sanity Checks for Saliency Maps. NeurIPS 2018. [doi:10.48550/arXiv.1810.03292](https://doi.org/10.48550/arXiv.1810.03292)
# - A. Saporta et al. Benchmarking saliency methods for chest X-ray interpretation. Nature Machine Intelligence 4:867-878, 2022.
#   [doi:10.1038/s42256-022-00536-x](https://doi.org/10.1038/s42256-022-00536-x)
# - J. Zech et al. Variable generalization performance of a deep learning model to detect pneumonia in chest radiographs. PLoS Medicine 15(11):e1002683, 2018.
#   [doi:10.1371/journal.pmed.1002683](https://doi.org/10.1371/journal.pmed.1002683)
# - M. Kitazono et al. Differentiation of pleural effusions from parenchymal opacities: accuracy of bedside chest radiography. AJR 194(2):407-412, 2010.
#   [doi:10.2214/AJR.09.2950](https://doi.org/10.2214/AJR.09.2950)
# - J. Woodring. Recognition of pleural effusion on supine radiographs: how much fluid is required? AJR 142:59-64, 1984.
#   [doi:10.2214/ajr.142.1.59](https://doi.org/10.2214/ajr.142.1.59)
