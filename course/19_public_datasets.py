# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Public data, and what a winner is worth
#
# Unit 19, after the lecture's slide *Publicly available medical datasets*: VISCERAL, The Cancer Imaging Archive, grand-challenge.org and
# Kaggle's competition on diabetic retinopathy.
#
# **After this lesson you can**
#
# - search for data that fit a question, and say what you may do with them;
# - sort a folder of DICOM files by where its slices lie, and find what is missing or there twice;
# - look for a person's name in a header, and in the picture itself;
# - evaluate a challenge: measures, missing results, ranks, and how far these ranks can be trusted;
# - explain quadratic weighted kappa;
# - name four ways in which a public data set misleads.
#
# **Time:** about 55 minutes, and 110 for the lab. **Before this:** Dice and kappa (unit 2); what a CT scan is (unit 1).
#
# **Cost:** {{cost}}

# %%
import tempfile
from textwrap import shorten

import numpy as np
import pandas as pd
from matplotlib.patches import Patch
from PIL import Image, ImageDraw
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from medcourse import agreement, challenge, datasets, metrics, plots
from medcourse.errors import CourseError

plots.use_style()

# %% [markdown]
# ## The problem: where do data come from?
#
# You have an idea and no patients. Or you have patients, and the ethics board meets in three months. So you look for public data, as nearly
# everybody does.
#
# The slide named four places. What has become of them?
#
# | | then | now |
# |---|---|---|
# | VISCERAL | 80 CT and MR volumes with 1295 outlined structures and 1760 landmarks; programs came to the data, in a cloud | the project has ended; a signed agreement was needed, and whether it still is answered is unknown |
# | TCIA | the archive of cancer imaging | still the place to publish and to read about a collection; its old interface for programs was given up in 2022. Get the files from IDC, the Imaging Data Commons: no login, the same DICOM |
# | grand-challenge.org | a list of challenges | a platform that runs submitted programs; a licence for each challenge, files often on Zenodo or AWS |
# | Kaggle, retinopathy | February to July 2015, 661 teams; about 35 000 graded photographs to learn from, about 54 000 to be tested on | an account and consent to the rules; no passing on |
#
# Links die, licences change. So the course has a catalogue: a line a data set, with source, size, licence, access, citation, the unit that can use
# it, and the day on which somebody checked.
#
# **Predict:** which kind of image has most public data sets in it? And how many can be had without asking anybody?

# %%
catalogue = datasets.load_catalogue()
ACCESS = {"open": "#009E73", "register": "#56B4E9", "agreement": "#E69F00", "gone": "#999999"}


def draw_catalogue(task, access, largest_gb):
    """Bars of data sets by modality; the names of those that fit are beside their bar."""
    asked = {"task": task, "access": access, "largest_gb": largest_gb}
    fits = datasets.find_datasets(**{name: value for name, value in asked.items() if value != "any"})
    there = catalogue["modality"].value_counts()
    figure, axes = plots.panels(1, 1, width_inches=10.0, height_inches=0.26 * len(there) + 1.2)
    ax = axes[0, 0]
    for row, (modality, number) in enumerate(there.items()):
        here = fits[fits["modality"] == modality]
        ax.barh(row, number, color="#EEEEEE")
        left = 0
        for kind, colour in ACCESS.items():
            ax.barh(row, (here["access"] == kind).sum(), left=left, color=colour)
            left += (here["access"] == kind).sum()
        ax.text(number + 0.2, row, shorten(", ".join(here["name"]), 80), va="center", fontsize=8)
    ax.set_yticks(range(len(there)), labels=there.index)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.set_xticks(range(0, 13, 2))
    ax.set(xlabel="data sets of the catalogue", xlim=(0, 24), title=f"{len(fits)} of {len(catalogue)} data sets fit")
    ax.legend(handles=[Patch(facecolor=c, label=k) for k, c in ACCESS.items()], loc="lower right", title="access")
    counts = ", ".join(f"{n} {m}" for m, n in fits["modality"].value_counts().items())
    return plots.describe(figure, f"Bars of public data sets by modality; {len(fits)} fit: {counts or 'none'}.")


plots.demo(
    draw_catalogue,
    task=["any", *sorted(catalogue["task"].unique())],
    access=["any", *ACCESS],
    largest_gb=["any", 1, 10, 100],
    static=[{}, {"access": "open", "largest_gb": 10}],
)

# %%
for kind, number in catalogue["access"].value_counts().items():
    print(f"{kind:10s} {number:3d} of {len(catalogue)}")

# %% [markdown]
# MR, CT, radiographs and photographs of the retina lead. (The catalogue is a choice along this course's units, no census.) Hardly anybody publishes surgeons' movements or flow cytometry: fields with few pictures on the network have few papers, and the other way
# round. What you find is also what is easy to share.
#
# *Open* means a download without a name. *Register* asks for an account. *Agreement* asks a person to sign for you, which may take weeks.
#
# ### May I?
#
# To be able to download is not to be allowed to use. A licence answers three questions: may I pass it on, may I use it in a product, and what must I do for it?
#
# | licence | pass on | in a product | you must |
# |---|---|---|---|
# | CC0 | yes | yes | nothing; cite all the same |
# | CC BY | yes | yes | name the source, and say what you changed |
# | CC BY-SA | yes | yes | put what you make of it under the same licence |
# | CC BY-NC | yes | no | name the source |
# | CC BY-ND | yes, unchanged | yes, unchanged | name the source; a trained network may count as a change |
# | CC BY-NC-ND | yes, unchanged | no | both of the above |
# | agreement, competition rules | as a rule no | as a rule no | read them; often: no copies, no attempt to find persons, report what you publish |
# | none named | unknown | unknown | ask. *No licence* means *no permission* |

# %%
parts = catalogue["licence"].str.replace("-", " ").str.split()  # "CC BY-NC 4.0": CC, BY, NC, 4.0
not_commercial = parts.map(lambda has: "NC" in has) | catalogue["licence"].str.contains("non-commercial")
unchanged = parts.map(lambda has: "ND" in has)
# What it begins with: some mention CC BY later on, and mean something else.
named = parts.map(lambda has: has[:1] == ["CC0"] or has[:2] == ["CC", "BY"])
free = named & ~not_commercial & ~unchanged
for name, group in (
    ("CC0, CC BY or CC BY-SA", free),
    ("not in a product (NC)", not_commercial),
    ("only unchanged (ND)", unchanged),  # NC-ND would count in both
    ("other: read it", ~free & ~not_commercial & ~unchanged),
):
    print(f"{name:24s} {group.sum():3d} of {len(catalogue)}")

# %% [markdown]
# A network trained on pictures that may not be used in a product: may *it* be used in one? Lawyers differ. Ask before you train, not after.
#
# ## The idea: look before you trust
#
# Whatever you get, from an archive or from your own hospital, put three questions to it. *Do these files make the volume that I think they make? Whose
# are they? And what exactly was measured?* Each has a check that takes minutes and saves months.
#
# ## A folder is not a volume
#
# Somebody exports a CT scan for you. You get a folder of files with names such as `IM3F0A`, a file a slice. This export is **simulated**, person and
# all, with the traps that real ones have.
#
# **Before you run on:** what happens if you stack the slices by file name?

# %%
chest = datasets.make_chest(0, spacing_mm=(5.0, 4.0, 4.0), height_mm=240, seed=19)
export = datasets.make_dicom_export(chest.volume, spacing_mm=chest.spacing_mm, n_duplicates=2, n_missing=2, seed=19)
print(f"{len(export.files)} files: {', '.join(name for name, _ in export.files[:8])} ...")
series = [(name, header) for name, header in export.files if header.SeriesInstanceUID == export.series_uid]
heights = datasets.slice_positions(
    [header.ImagePositionPatient for _, header in series], [header.ImageOrientationPatient for _, header in series]
)
ORDERS = {
    "file name": list(range(len(series))),
    "InstanceNumber": np.argsort([header.InstanceNumber for _, header in series], kind="stable"),
    "position": np.argsort(heights, kind="stable"),
    "position, each place once": np.unique(heights.round(2), return_index=True)[1],
}


def draw_stack(order):
    """Stack the slices in an order, and look at the stack from the front."""
    stack = np.stack([series[i][1].pixel_array - 1024 for i in ORDERS[order]])  # (Z, Y, X), HU
    front = stack[::-1, stack.shape[1] // 2]  # the last slice on top
    title = f"Simulated chest, {len(stack)} slices\nby {order}"
    figure = plots.show_image(front, title, spacing_mm=chest.spacing_mm[2], limits=(-1000, 400))  # the bar lies across
    figure.axes[0].set_aspect(chest.spacing_mm[0] / chest.spacing_mm[2])
    return plots.describe(figure, f"A simulated chest seen from the front, its {len(stack)} slices sorted by {order}.")


plots.demo(draw_stack, order=list(ORDERS), static=[{"order": order} for order in ORDERS])

# %% [markdown]
# By name: rubble. A 2D network that is fed slice by slice would not even notice; one in 3D would learn rubble.
#
# By *InstanceNumber*: head down. This scanner counted from the head; another one counts from the feet, and nothing in the standard forbids either. It is worse
# than upside down: *one* axis was reversed, and a body with one axis reversed is its own mirror image. Turn the picture until it stands, and the heart is on the wrong side.
#
# By *position* it stands. `ImagePositionPatient` says where the first pixel of a slice lies in the patient, `ImageOrientationPatient` in which
# directions its rows and columns run. The cross product of these two is the normal; how far a slice lies along it is the number to sort by.
#
# The last two pictures look nearly alike. Yet in the third, two places are there twice, and in both, two are missing. The eye does not find that. Counting does:

# %%
report = datasets.check_series(export.files)
report[["modality", "n_files", "n_places", "step_mm", "duplicates", "gaps", "number_order", "names_in_order"]].T

# %% [markdown]
# Two series, in fact: the planner's image lay in the same folder. A program that takes all files of a folder would have put it into the chest.
#
# **Question 1.** You need the distance between slices. The header says `SliceThickness` 10. What do you use?
#
# <details><summary>10 mm, it stands in the header</summary>
#
# That is how thick the slices are. Here they overlap: the next one lies 5 mm on, so each volume would come out twice as large.
#
# </details>
# <details><summary>The differences of positions along the normal, and they should all be equal</summary>
#
# Yes. They also show gaps (a difference of 10 mm) and copies (0 mm), which no single number in a header can.
#
# </details>
# <details><summary>The extent of the body divided by the number of files</summary>
#
# Copies and missing slices would change it, and nobody knows the extent of the body before the scan is in order.
#
# </details>
#
# ## Whose scan is it?
#
# The same headers hold a person. DICOM's confidentiality profile (part 15 of the standard) lists what has to go and how: X remove, Z empty, D put
# something else, U a new identifier. **Predict:** where, apart from the name, does a name stand?

# %%
found = datasets.check_identity(export.files)
found[["path", "kind", "action", "n_files", "example"]]

# %% [markdown]
# In a description that somebody typed. In a request that is nested inside the header. In a *private* element, in which a vendor stores what he likes, here a
# copy of the patient's number. Whoever only overwrites `PatientName` has done little.
#
# And the header is not the whole. A scan planner, an ultrasound device, a scanned film have letters *in the pixels*:

# %%
front = chest.volume.mean(axis=1)[::-1]
grey = (255 * (front - front.min()) / np.ptp(front)).astype(np.uint8)
burned = Image.fromarray(grey).resize((grey.shape[1] * 4, grey.shape[0] * 5), Image.Resampling.BILINEAR)  # 1 mm a pixel
ImageDraw.Draw(burned).text((6, 4), "MUSTER, ERIKA  *04.03.1961", fill=255, font_size=18)
blank = np.array(burned)
blank[:28, :250] = 0
figure, axes = plots.panels(1, 2, width_inches=4.4, height_inches=3.4)
plots.show_image(np.array(burned), "Simulated, header clean, name in the pixels", spacing_mm=1.0, ax=axes[0, 0])
plots.show_image(blank, "After blanking the corner", spacing_mm=1.0, ax=axes[0, 1])
plots.describe(
    figure,
    "A simulated overview image of a chest with an invented name and birthday written into its upper left corner, and the same with that corner black.",
)

# %% [markdown]
# `BurnedInAnnotation` in the header says NO. It is set by a device, not by somebody who looked. Only looking helps: at every kind of image from every kind of
# device.
#
# And a head scan holds a face. In 2019 researchers made faces from MR scans of 84 volunteers and gave them to software that recognises faces:
# it picked the right photograph for 70 of them. So faces are cut off or replaced before a brain is published.
#
# **Question 2.** Name, number and dates are gone, the letters are blanked. May the scan go onto the internet now?
#
# <details><summary>Yes, nobody can be recognised any more</summary>
#
# A rare disease, a pacemaker, a face, a place and a year: together they can point to one person. And consent was not asked for yet.
#
# </details>
# <details><summary>Not by this alone: it takes consent or a legal ground, and a check of what the rest tells together</summary>
#
# Yes. De-identification lowers a risk. It does not replace permission, and the risk grows with each other data set around.
#
# </details>
# <details><summary>Only if a network did the blanking</summary>
#
# Whoever did it, the question stays the same; and networks overlook letters, too.
#
# </details>
#
# ## A challenge, evaluated
#
# Now to data with a prize. A challenge hands out training cases, keeps the test cases, and ranks what comes back. Ours is **simulated**: lesions in
# slices, and seven teams, each with a fault of its own. Grey is the truth, the orange line is what a team handed in.

# %%
made = datasets.make_challenge(40, seed=19)
teams = list(made.entries)
case = int(np.argmax(made.n_lesions))
shown = ["Wide", "Ragged", "Blind", "Ghost"]
figure, axes = plots.panels(1, 4, width_inches=2.7, height_inches=2.9)
for ax, team in zip(axes[0], shown):
    entry = made.entries[team][case]
    title = f"{team}: Dice {metrics.dice(made.truth[case], entry):.2f}, HD95 {metrics.hd95(made.truth[case], entry, made.spacing_mm):.0f} mm"
    plots.show_image(np.where(made.truth[case], 0.55, 0.0), title, spacing_mm=1.0, limits=(0, 1), ax=ax)
    ax.title.set_fontsize(9)
    ax.contour(entry, levels=[0.5], colors="#E69F00", linewidths=1.2)
plots.describe(
    figure,
    f"Simulated lesions in grey and the outlines of four teams in orange: {', '.join(shown)}; titles give Dice and HD95.",
)

# %% [markdown]
# *Wide* draws everything 0.7 mm too large, *Ragged* has a shaky border, *Blind* misses small lesions, *Ghost* marks spots where nothing is. (*Tight*, *Steady* and *Crash* are not shown; *Crash*
# hands in nothing for the hardest tenth of the cases.)
#
# **Dice** is overlap. **HD95**, the 95 % Hausdorff distance: 95 % of the points of either border lie at most this far from the other border. They ask different things:
# a missed small lesion costs little Dice, and much distance.
#
# Play with three decisions that every organiser takes: the measure, how cases are put together, what a missing case counts. **Before you
# do:** who will win if missing cases are left out?

# %%
WORST_MM = float(np.hypot(*made.truth.shape[1:]))  # the image's diagonal


def score(measure, worst):
    """Return the table of cases by teams; a missing entry is NaN, a distance that does not exist the worst one."""
    cell = [
        [np.nan if (entry := made.entries[team][i]) is None else measure(truth, entry) for team in teams]
        for i, truth in enumerate(made.truth)
    ]
    return np.where(np.isinf(cell), worst, cell)


TABLES = {
    "Dice": (score(metrics.dice, 0.0), 0.0, True),
    "HD95": (score(lambda a, b: metrics.hd95(a, b, made.spacing_mm), WORST_MM), WORST_MM, False),
}


# %%
def draw_ranking(measure, how, missing):
    """Sort the teams by rank; each dot is a case, a bar the mean or median."""
    table, worst, higher = TABLES[measure]
    if missing == "scored as worst":
        table = challenge.fill_missing(table, worst)
    ranks = challenge.rank_teams(table, how=how, higher_is_better=higher)
    order = np.argsort(ranks, kind="stable")
    middle = challenge.aggregate(table, "median" if how == "median" else "mean")
    figure, axes = plots.panels(1, 1, width_inches=4.8, height_inches=3.2)
    ax, jitter = axes[0, 0], np.random.default_rng(0).uniform(-0.25, 0.25, len(table))
    for row, t in enumerate(order):
        ax.plot(table[:, t], row + jitter, "o", markersize=3, alpha=0.5, color="#0072B2")
        ax.plot(middle[t], row, "|", markersize=16, markeredgewidth=2.5, color="#D55E00")
    ax.set_yticks(range(len(teams)), labels=[f"{ranks[t]}  {teams[t]}" for t in order])
    ax.invert_yaxis()
    ax.set(xlabel="Dice (right is better)" if higher else "HD95 (mm; left is better)")
    if not higher:
        ax.set_xscale("symlog")  # as a logarithm, and linear below 1, for 0 is possible
        ax.set_xticks([0, 1, 10, 100], labels=["0", "1", "10", "100"])
        ax.set_xlim(-0.3, 1.3 * WORST_MM)
    ax.set_title(f"{measure}, {how}, missing {missing}")
    ax.title.set_fontsize(9)
    said = ", ".join(f"{ranks[t]} {teams[t]}" for t in order)
    return plots.describe(figure, f"Scores of 40 cases for seven teams, sorted by rank: {said}.")


plots.demo(
    draw_ranking,
    measure=["Dice", "HD95"],
    how=["mean", "median", "rank-then-mean"],
    missing=["left out", "scored as worst"],
    static=[
        {},
        {"missing": "scored as worst"},
        {"how": "median", "missing": "scored as worst"},
        {"measure": "HD95", "missing": "scored as worst"},
    ],
)

# %% [markdown]
# With missing cases left out, a team is rewarded for silence where it is hard. With the median it may be silent in nearly half of the cases and lose
# next to nothing. The orange bars are means, or medians where these are ranked: look how few dots pull a mean about.
#
# And look at *Ghost*: first by mean Dice, once missing cases are scored as worst, and only fifth by mean HD95. (By median Dice *Crash* is first even then.) A spot where nothing is costs it little area, and many millimetres.
#
# None of these choices is wrong. But they have to be fixed and published *before* the entries are in, or the organiser picks the winner.
#
# ### How far can a rank be trusted?
#
# Another forty patients would have given another table. We have no others. But we can draw from the forty, with replacement, as
# many as there are, and rank again, five hundred times: the *bootstrap* of unit 2, by case. Below, the area of a blob is the share of draws in which a team got that rank.
#
# **Predict:** with ten cases, in how many of ten draws does the same team win?


# %%
def draw_blobs(cases, measure):
    """Show how often each team gets each rank when other cases are drawn."""
    table, worst, higher = TABLES[measure]
    table = challenge.fill_missing(table, worst)[:cases]
    draws = challenge.bootstrap_ranks(table, higher_is_better=higher, n_resamples=500, seed=1)
    wins = challenge.winner_share(draws)
    title = f"{measure}, {cases} cases: {teams[np.argmax(wins)]} wins {wins.max():.0%} of draws"
    _, axes = plots.panels(1, 1, width_inches=4.9, height_inches=3.4)
    return plots.show_ranks(draws, teams, title=title, ax=axes[0, 0])


plots.demo(
    draw_blobs,
    cases=(5, 40, 10),
    measure=["Dice", "HD95"],
    static=[{"cases": 10}, {"cases": 40}, {"cases": 10, "measure": "HD95"}, {"cases": 40, "measure": "HD95"}],
)

# %% [markdown]
# Crosses are median ranks, lines the 95 % intervals. By Dice the same team wins in most draws, even with ten cases. By distance the winner of ten cases wins about a third of the draws,
# and with forty cases another team wins. In the middle of the table nearly every order is possible. An honest table would print a rank *with* its interval, or
# put teams whose order nobody can tell into one group.
#
# **Question 3.** Your team is third of seven, with a mean Dice of 0.871; the winner has 0.874, on 30 test cases. What do you write?
#
# <details><summary>We came third of seven teams in a renowned challenge</summary>
#
# True, and it says nothing. Nobody knows whether the order would be the same with thirty other patients.
#
# </details>
# <details><summary>The score, its interval by case, and how often a bootstrap puts us first</summary>
#
# Yes. A reader can then see whether 0.003 means anything, on cases and for patients.
#
# </details>
# <details><summary>That the winner was lucky</summary>
#
# Perhaps. But the same luck may have put you third instead of fifth; an interval covers both.
#
# </details>
#
# ## Grades with an order: quadratic kappa
#
# The Kaggle competition had no outlines. A photograph of the retina got a grade: 0 none, 1 mild, 2 moderate, 3 severe, 4 proliferative retinopathy. To call a 4
# a 3 is a small mistake; to call it a 0 may cost an eye. Cohen's answer of 1968: weigh a disagreement of grades $i$ and $j$ by
#
# $$ w_{ij} = \frac{(i - j)^2}{(K - 1)^2}, \qquad \kappa_w = 1 - \frac{\sum w_{ij}\, O_{ij}}{\sum w_{ij}\, E_{ij}}, $$
#
# where $O$ is how often the pair was seen, and $E$ how often it would be if both graded with their own habits but at random.

# %%
graded = datasets.make_gradings(2000, noise=[0.35, 0.35], shift=[0.0, 0.25], seed=19)
seen = (
    pd.crosstab(graded.grades[0], graded.grades[1], normalize=True).reindex(range(5), axis=0).reindex(range(5), axis=1)
)
seen = seen.fillna(0).to_numpy()
by_chance = np.outer(seen.sum(1), seen.sum(0))
weights = np.subtract.outer(range(5), range(5)) ** 2 / 16
figure, axes = plots.panels(1, 3, width_inches=3.5, height_inches=3.0)
for ax, matrix, title, unit in (
    (axes[0, 0], weights, "Weight of a disagreement", "weight"),
    (axes[0, 1], seen, "Seen (simulated graders)", "share of eyes"),
    (axes[0, 2], by_chance, "By chance", "share of eyes"),
):
    plots.show_map(matrix, title, unit=unit, limits=(0, float(matrix.max())), ax=ax)
    ax.set_axis_on()
    ax.set_xticks(range(5))
    ax.set_yticks(range(5))
    ax.set(xlabel="second grader", ylabel="first grader")
    for (i, j), value in np.ndenumerate(matrix):
        ax.text(
            j,
            i,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=7,
            color="white" if value < 0.6 * matrix.max() else "black",
        )
plots.describe(
    figure,
    "Three 5 by 5 maps: quadratic weights, 0 on the diagonal and 1 in the corners; pairs of grades of two simulated graders, mostly on the diagonal; and the pairs expected by chance.",
)

# %% [markdown]
# **Predict:** three programs. *Nothing* calls every eye healthy. *Neighbour* is one grade off in every fourth eye. *Leap* is right in nine of ten, and calls the rest healthy if
# they are ill and 4 if they are healthy. Put them in order, by accuracy and by quadratic kappa.

# %%
rng, truth = np.random.default_rng(19), graded.truth
step = np.where(truth == 0, 1, np.where(truth == 4, -1, rng.choice([-1, 1], truth.size)))
programs = {
    "Nothing": np.zeros_like(truth),
    "Neighbour": truth + step * (rng.random(truth.size) < 0.25),
    "Leap": np.where(rng.random(truth.size) < 0.1, np.where(truth > 0, 0, 4), truth),
}
rows = [
    {
        "accuracy": np.mean(said == truth),
        "kappa": agreement.kappa(truth, said),
        "quadratic kappa": agreement.quadratic_kappa(truth, said),
    }
    for said in programs.values()
]
pd.DataFrame(rows, index=list(programs)).round(2)

# %% [markdown]
# *Nothing* is right three times in four and has a kappa of 0: that is what chance gives. *Leap* beats *Neighbour* in accuracy and in plain kappa, and loses
# by far in quadratic kappa. Which of the two would you have in your clinic?
#
# Kappa has a trap of its own. It depends on how frequent the grades are: the same graders get another kappa among patients of another clinic.
#
# ## What the paper found, and what we find
#
# Maier-Hein and others went through the biomedical challenges that had been held up to 2016. They found that much of what a reader needs was not reported, and that ranks were, in general, not robust: to the
# test cases, to the way of ranking, to the observer who drew the truth. In one task the last team became the first when the Hausdorff distance was
# replaced by its 95 % version.
#
# The lab asks how often *another* team wins, over many **simulated** challenges: by another measure, by another way of ranking, with missing cases left out, with
# other cases of the same kind. And how often accuracy and kappa disagree about the best grader.
#
# {{effects}}
#
# How alike our teams are is our choice, so do not take the shares for those of real challenges. Two things carry over. The more alike the teams, the more the winner is one of the rules and of the draw. And the
# bootstrap *flatters*: it draws from the very cases that the winner happened to be good at, so that with truly other patients it wins less often than the blobs say.
#
# ## In practice: libraries that do the same
#
# scikit-learn has quadratic kappa. `datasets.read_dicom_series` sorts by position and refuses a scan with copies or a gap; SimpleITK and dcm2niix sort by position, too. And the Imaging Data
# Commons can be searched from Python, if the package `idc-index` is installed.

# %%
ours = agreement.quadratic_kappa(graded.grades[0], graded.grades[1])
theirs = cohen_kappa_score(graded.grades[0], graded.grades[1], weights="quadratic")
print(f"quadratic kappa: ours {ours:.6f}, scikit-learn's {theirs:.6f}, differ by {abs(ours - theirs):.0e}")

with tempfile.TemporaryDirectory() as folder:
    datasets.write_dicom_export(export, folder)
    for uid in (None, export.series_uid):
        try:
            datasets.read_dicom_series(folder, series_uid=uid)
        except CourseError as error:
            print("read_dicom_series:", str(error).replace(folder, "the folder"))

# %%
try:
    lymph_nodes = datasets.query_idc(collection="ct_lymph_nodes", modality="CT")
    print(
        f"{len(lymph_nodes)} series, {lymph_nodes['series_size_MB'].sum() / 1000:.0f} GB, {set(lymph_nodes['license_short_name'])}"
    )
except CourseError as error:
    print(error)

# %% [markdown]
# ## Where it fails
#
# **Shortcuts.** In 2020 many data sets for COVID-19 on radiographs were made by putting *ill* patients of one source beside *healthy* ones of another. DeGrave and others showed
# that networks read the source: letters, arrows, edges. They looked accurate, and failed in new hospitals.
#
# Let us do that with simulated films of people with and without fluid beside the lung. Hospital A sends the ill ones, and marks its films with an A in the
# corner. The classifier is a logistic regression on the blurred film.
#
# **Predict** the AUC on new films, with the A where it was; without any A; with the A on the healthy.

# %%
films = datasets.make_frontal_chests(100, size=64, effusion_fraction=0.5, enlarged_fraction=0.0, seed=19)


LETTER = np.array([[0, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0, 1], [1, 0, 1]], bool)


def mark(images, where):
    """Put an A of three by five pixels into the corner of some films."""
    marked = images.copy()
    corner = marked[:, 4:9, 4:7]  # (N, 5, 3), a view
    corner[where] = np.where(LETTER, 1.0, corner[where])
    return marked


def blur(images):
    return images.reshape(len(images), 16, 4, 16, 4).mean((2, 4)).reshape(len(images), -1)  # (N, 256)


ill = films.effusion
nobody = np.zeros(len(ill), bool)
folds = list(StratifiedKFold(5).split(films.images, ill))  # each film is tried once
for taught, letters in (("no letters", nobody), ("A on the ill", ill)):
    for tried, there in (("A on the ill", ill), ("no letters", nobody), ("A on the healthy", ~ill)):
        lesson, exam = blur(mark(films.images, letters)), blur(mark(films.images, there))
        said = np.zeros(len(ill))
        for train, test in folds:
            model = LogisticRegression(max_iter=1000).fit(lesson[train], ill[train])
            said[test] = model.decision_function(exam[test])
        print(f"taught with {taught:12s}, tried with {tried:16s}: AUC {roc_auc_score(ill, said):.2f}")

# %%
figure, axes = plots.panels(1, 2, width_inches=3.2, height_inches=3.4)
for ax, number, title in ((axes[0, 0], int(np.argmax(ill)), "Fluid"), (axes[0, 1], int(np.argmin(ill)), "None")):
    plots.show_image(mark(films.images, ill)[number], f"{title} (simulated)", spacing_mm=films.spacing_mm, ax=ax)
plots.describe(
    figure,
    "Two simulated chest films: one with fluid beside the right lung and a small A in the corner, one without either.",
)

# %% [markdown]
# Taught with the letter, the classifier is perfect on films on which it goes along with the illness. Without any letter it is about as good as the one that never saw a letter: it
# has learned the lungs, too. But with the letter on the healthy it takes almost every healthy film for more ill than the ill ones: ten pixels outvote the lungs.
#
# A test set from the *same* two hospitals cannot show it: it has the same letters. DeGrave adds a warning: not even a test elsewhere is proof, if the
# shortcut travels along.
#
# **A leaderboard is a test set that is read often.** Five hundred entries that guess, on 100 public cases and 300 private ones:

# %%
rng = np.random.default_rng(19)
answers = rng.integers(0, 2, 400)
right = rng.integers(0, 2, (500, 400)) == answers
public, private = right[:, :100].mean(1), right[:, 100:].mean(1)
best = int(np.argmax(public))
print(f"best of 500 on the public board: {public[best]:.2f}; the same entry on the private one: {private[best]:.2f}")

# %% [markdown]
# Whoever may hand in often will find a lucky entry, whether he means to or not. So challenges keep a second, private part, count entries, and publish its result
# once. The same happens to a benchmark that a whole field has used for ten years.
#
# **Hidden groups.** One label covers several things. Oakden-Rayner and others looked at films labelled *pneumothorax*: many show the drain that treats it. A network that finds the drain scores
# well, and misses the untreated patients who need it most. Look at the score of each group.
#
# **Wrong labels.** Labels that a program read out of reports are wrong at times, and so are experts. In ten popular test sets of other fields, about one label in thirty was wrong.
# Then the step from 0.97 to 0.98 is smaller than the share of wrong labels. It may be real, but more cases with such labels do not show it; better labels would.
#
# **Who is not in it.** Public data come from few hospitals, in few countries, often from those who could pay for the work. Ask where *your* patients are in it.
#
# **Question 4.** A public set has 5000 ill and 5000 healthy radiographs. The ill come from two hospitals, the healthy from a screening programme. Your network reaches AUC 0.99. What first?
#
# <details><summary>Publish, since 10 000 films are enough</summary>
#
# No number of films helps: hospital and illness go together in each of them. It could be the hospital that is found.
#
# </details>
# <details><summary>Train on the hospitals' films alone to tell one hospital from the other, and test on ill and healthy of one house</summary>
#
# Yes. If hospitals can be told apart, the shortcut is there. The second test is the one in which it cannot help.
#
# </details>
# <details><summary>Look at a saliency map; if it lies on the lungs, all is well</summary>
#
# Grain, contrast and blur of a device lie on the lungs, too. A map shows where, not what (unit 16).
#
# </details>
#
# ## Take-aways
#
# - A data set has a licence, an access, a citation and an expiry date. Write all four down on the day you fetch it.
# - Sort slices by position along the normal. Count places, not files.
# - A name stands in many elements, in private ones, in free text and in the pixels. Look.
# - Measure, aggregation and missing cases make the winner. Print ranks with intervals.
# - Ordered grades need a measure that knows the order.
# - If ill and healthy come from different places, the place is what is learned.
#
# Now do it yourself, in the lab of this unit.
#
# ## References
#
# - O. Jimenez-del-Toro et al. Cloud-Based Evaluation of Anatomical Structure Segmentation and Landmark Detection Algorithms: VISCERAL Anatomy Benchmarks. IEEE Transactions on
#   Medical Imaging 35(11):2459-2475, 2016. [doi:10.1109/TMI.2016.2578680](https://doi.org/10.1109/TMI.2016.2578680)
# - K. Clark et al. The Cancer Imaging Archive (TCIA): Maintaining and Operating a Public Information Repository. Journal of Digital Imaging 26(6):1045-1057, 2013.
#   [doi:10.1007/s10278-013-9622-7](https://doi.org/10.1007/s10278-013-9622-7)
# - A. Fedorov et al. National Cancer Institute Imaging Data Commons: Toward Transparency, Reproducibility, and Scalability in Imaging Artificial Intelligence. RadioGraphics
#   43(12):e230180, 2023. [doi:10.1148/rg.230180](https://doi.org/10.1148/rg.230180)
# - L. Maier-Hein et al. Why rankings of biomedical image analysis competitions should be interpreted with care. Nature Communications 9:5217, 2018.
#   [doi:10.1038/s41467-018-07619-7](https://doi.org/10.1038/s41467-018-07619-7)
# - M. Wiesenfarth et al. Methods and open-source toolkit for analyzing and visualizing challenge results. Scientific Reports 11:2369, 2021.
#   [doi:10.1038/s41598-021-82017-6](https://doi.org/10.1038/s41598-021-82017-6): blob plots.
# - J. Cohen. Weighted kappa. Psychological Bulletin 70(4):213-220, 1968. [doi:10.1037/h0026256](https://doi.org/10.1037/h0026256)
# - C. G. Schwarz et al. Identification of Anonymous MRI Research Participants with Face-Recognition Software. New England Journal of Medicine 381(17):1684-1686, 2019.
#   [doi:10.1056/NEJMc1908881](https://doi.org/10.1056/NEJMc1908881)
# - A. J. DeGrave, J. D. Janizek, S.-I. Lee. AI for radiographic COVID-19 detection selects shortcuts over signal. Nature Machine Intelligence 3:610-619, 2021.
#   [doi:10.1038/s42256-021-00338-7](https://doi.org/10.1038/s42256-021-00338-7)
# - L. Oakden-Rayner et al. Hidden Stratification Causes Clinically Meaningful Failures in Machine Learning for Medical Imaging. ACM CHIL 2020:151-159.
#   [doi:10.1145/3368555.3384468](https://doi.org/10.1145/3368555.3384468)
# - C. G. Northcutt, A. Athalye, J. Mueller. Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks. 2021.
#   [doi:10.48550/arXiv.2103.14749](https://doi.org/10.48550/arXiv.2103.14749)
