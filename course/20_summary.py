# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The way back, and onwards
#
# Unit 20, after the lecture's last slide, *Summary*, and everything before it.
#
# **After this lesson you can**
#
# - find your way: which unit helps with which task, how many labels its paper had, and where its terms are explained;
# - say which of the papers' claims this course could show, which not, and what that does and does not mean;
# - read a new paper with a list of questions in hand, and put its headline into a clinic's numbers;
# - say what has come after the slides, and what has not changed;
# - start the capstone, in which anything learned may be used.
#
# **Time:** about 50 minutes, and two to four hours for the capstone. **Before this:** as many of the other units as you like; the links
# lead back.
#
# **Cost:** {{cost}}

# %%
import io

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from scipy import stats

from medcourse import glossary, plots, units

plots.use_style()

# %% [markdown]
# ## The problem: a paper on Monday morning
#
# A colleague puts a paper on your desk. *A network finds early cancer in chest CT with 97 per cent.* The hospital could buy it. Or you
# could build something like it yourselves, from your own archive, with the forty cases that somebody has labelled. By Friday
# they want an opinion.
#
# Which of what you have learned helps with that? Everything this course did stands on one map: the agenda of the slides from left to right,
# a unit in each box.

# %%
plots.draw_course_map(title="Twenty units along the slides' agenda")

# %% [markdown]
# The same as links. A lesson's lab is in the folder `labs` beside it, under the same name.
#
# | | the question | the lesson |
# |---|---|---|
# | 1 | What does a pixel measure? | [How the pictures are made](01_modalities.ipynb) |
# | 2 | Why do results not repeat? | [What makes medical images hard](02_challenges.ipynb) |
# | 3 | What did the first networks see? | [The networks of 1993 to 1996](03_cnn_history.ipynb) |
# | 4 | What do depth and a third axis cost? | [What changed: deep CNNs](04_deep_cnns.ipynb) |
# | 5 | Is this spot a nodule? | [Nine looks at a candidate](05_cad_multiview.ipynb) |
# | 6 | Do more looks help? | [Random views](06_cad_random_views.ipynb) |
# | 7 | Bleed or vein? | [A 3D cascade for microbleeds](07_cad_3d_cascade.ipynb) |
# | 8 | Which pixels are vessels, and how sure is that? | [Twelve networks, one answer](08_vessel_ensemble.ipynb) |
# | 9 | What is this part of the brain? | [One brain at three scales](09_multiscale_brain.ipynb) |
# | 10 | Where does one cell end? | [U-Net](10_unet.ipynb) |
# | 11 | How large is the tumour? | [First the liver, then its lesions](11_cascade_crf.ipynb) |
# | 12 | Has the leukaemia gone? | [One sick cell in ten thousand](12_cytometry_sae.ipynb) |
# | 13 | What is odd here? | [What a healthy retina looks like](13_anogan.ipynb) |
# | 14 | Which point is which? | [Laying one brain over another](14_voxelmorph.ipynb) |
# | 15 | What is being done, and when? | [What is the surgeon doing?](15_surgical_rnn.ipynb) |
# | 16 | Can I borrow features? | [Eyes borrowed from elsewhere](16_transfer_features.ipynb) |
# | 17 | How much of a borrowed network should learn? | [How much of a network to train again?](17_fine_tuning.ipynb) |
# | 18 | Can laymen label? | [Many strangers, one label](18_crowdsourcing.ipynb) |
# | 19 | Where are data, and who wins a challenge? | [Public data, and what a winner is worth](19_public_datasets.ipynb) |
# | 20 | What now? | this lesson, and [the capstone](../labs/20_summary.ipynb) |
#
# ## The idea: start from the question and the labels
#
# Papers begin with a network. A project begins elsewhere: *what is asked, of which kind of data, with how many labelled cases?* The answer
# narrows the map to a few boxes.
#
# The next cell colours it by three choices of yours. Orange: the paper answered such a question and had no more labels than you have. Pale blue:
# the right question, but the paper had more. Then units 16 to 19 are your next stops, since they are about having few. The units
# that serve every task are white with a dark edge.
#
# **Predict:** you have 3D scans and want a *place* (a nodule, a bleed), with 40 labelled patients. Which boxes turn orange?

# %%
FITS, MORE, ALWAYS = "#F2B84B", "#BFE1F6", "#FFFFFF"


def recommend(asked: str, data: str, labelled: int) -> dict[str, str]:
    """Colours of the units that help with a question; a paper with more labels than we have helps only in part."""
    colours = {unit.slug: ALWAYS for unit in units.UNITS if unit.serves_all}
    for unit in units.UNITS:
        if asked in unit.answers and data in unit.inputs:
            colours[unit.slug] = FITS if (unit.labelled or 0) <= labelled else MORE
    return colours


def draw_choice(asked, data, labelled):
    colours = recommend(asked, data, labelled)
    notes = {u.slug: f"{u.labelled or 'no'} {u.counted}" for u in units.UNITS if u.labelled is not None}
    picked = {
        colour: [str(unit.number) for unit in units.UNITS if colours.get(unit.slug) == colour]
        for colour in (FITS, MORE)
    }
    legend = {"fits, with this many labels": FITS, "fits, its paper had more": MORE, "serves every task": ALWAYS}
    figure = plots.draw_course_map(
        colours=colours,
        notes={slug: note for slug, note in notes.items() if slug in colours},
        legend=legend,
    )
    said = [", ".join(picked[colour]) or "none" for colour in (FITS, MORE)]
    return plots.describe(
        figure,
        f"Map of the course for {asked} in {data} data with {labelled} labelled cases. Units that fit: {said[0]}; "
        f"that fit but had more labels: {said[1]}.",
    )


plots.demo(
    draw_choice,
    asked=list(units.ANSWERS),
    data=list(units.INPUTS),
    labelled=(0, 1000, 40),
    static=[
        {"asked": "a place", "data": "3D", "labelled": 40},
        {"asked": "an outline", "data": "2D", "labelled": 40},
        {"asked": "what is odd", "data": "2D", "labelled": 0},
    ],
)

# %% [markdown]
# Only fine-tuning and the crowd fit a *place* in 3D with forty patients: the three detectors had from 176 to 888 cases. (Look closer even here:
# fine-tuning's forty are *videos* of the bowel. For clots in CT that paper had 121 scans.) For an
# *outline* forty are plenty: U-Net made do with thirty pictures. That is no miracle: an outline labels every pixel, while a mark
# labels one place. With *no* label there is one box for what is odd, and one for a match.
#
# Do not take the numbers for laws. They say what somebody showed to work, on their data. How many cases *you* need is a
# learning curve on your own (unit 2).
#
# **Question 1.** You have 40 CT scans with marked nodules, from one hospital. What first?
#
# <details><summary>Train the largest 3D network that fits on the graphics card</summary>
#
# It will learn forty patients by heart. Unit 4 measured the gap between training and test, and what closes it.
#
# </details>
# <details><summary>Set ten patients aside, then a candidate detector with a simple classifier and an interval</summary>
#
# Yes. It costs a day, shows what the task is worth, and is the opponent that a network has to beat afterwards.
#
# </details>
# <details><summary>Cut thousands of patches, so that there are thousands of cases</summary>
#
# There are still forty patients. Patches of one patient are alike, so the interval must count patients (unit 2).
#
# </details>
#
# ## The slides' summary, point by point
#
# The last slide has eight points. Here is each, with what this course measured. The figures are the means and 95 % intervals over five seeds
# or more on **simulated** data, each with its verdict, as the labs have left them.
#
# **1. "Evolution of Deep Learning in Medicine".** The plan of 1993 is still in use: a cheap detector proposes, a network judges. Our
# rebuilt network of Lo added to the AUC of its filter: {{effect: 03_cnn_history: AUC of nodule candidates, filter + network minus filter}}.
# What came since is depth, labels and machines that can bear both ([unit 3](03_cnn_history.ipynb), [unit 4](04_deep_cnns.ipynb)).
#
# **2. "2D/2.5D/3D CNN, Stacked Auto Encoder, Recurrent Neural Nets".** The third axis pays where the answer lies along it. AUC, 2.5D minus 2D:
# {{effect: 04_deep_cnns: AUC with 200 volumes, 2.5D minus 2D}}; bleeds against veins along z, 3D minus 2D:
# {{effect: 07_cad_3d_cascade: AUC, bleeds against veins that run along z, 3D minus 2D}}.
#
# The auto-encoder disappoints: F1 of its cells minus that of a straight line, at 100 labels:
# {{effect: 12_cytometry_sae: F1, pre-trained minus linear at 100 labelled cells}}. A memory helps with gestures; edit distance, LSTM minus
# a network that sees one moment: {{effect: 15_surgical_rnn: Edit distance (%), LSTM minus frame-wise network}}. A look ahead helps, too; bidirectional minus LSTM: {{effect: 15_surgical_rnn: Edit distance (%), bidirectional minus LSTM}}. But logistic regression with a vote over two seconds, with no memory at all, does nearly as well; bidirectional minus
# that: {{effect: 15_surgical_rnn: Edit distance (%), bidirectional minus the same with a vote}}.
#
# **3. "Unsupervised Anomaly Detection, Registration".** Both work without labels. Both have plain opponents. AUC of AnoGAN minus
# an auto-encoder's: {{effect: 13_anogan: AUC, anomaly score minus auto-encoder}}. Dice of the registration network minus
# demons: {{effect: 14_voxelmorph: Dice, diffeomorphic network minus demons}}; its time over theirs:
# {{effect: 14_voxelmorph: Seconds a pair, network over demons}}. So it is the speed that one buys.
#
# **4. "Accuracy of result important".** True, and the word is a trap. Where nine of ten pixels are background, marking nothing is
# accurate. Accuracy at 0.5 of twelve networks minus that of marking nothing: {{effect: 08_vessel_ensemble: Accuracy at 0.5, twelve minus no vessel}}. Say what is
# counted: pixels, objects, segments, patients ([unit 8](08_vessel_ensemble.ipynb), [unit 10](10_unet.ipynb), [unit 15](15_surgical_rnn.ipynb)).
#
# **5. "Most approaches are supervised".** In this course, too: two of its papers need no labels ([unit 13](13_anogan.ipynb),
# [unit 14](14_voxelmorph.ipynb)), and one of these needs pictures known to be healthy. So most results hang on labels, and on how they are split. Splitting by image instead of by patient raised accuracy by
# {{effect: 02_challenges: 1 Subjects: accuracy of a forest on pixels, split by image minus by patient}}.
#
# **6. "Alternative to experts - crowdsourcing".** With rules, and not always. Dice of the majority of seven workers minus one expert's:
# {{effect: 02_challenges: 6 Experts: Dice of majority of seven workers minus one expert}}. To weigh workers by how good they are pays where they differ; AUC of labels, Dawid-Skene minus
# share of votes: {{effect: 18_crowdsourcing: AUC of labels, Dawid-Skene minus vote share, mixed crowd}}. Where all are alike, nothing is to be weighed:
# {{effect: 18_crowdsourcing: AUC of labels, Dawid-Skene minus vote share, workers alike}} (the claim: within 0.02 of 0).
#
# Does a network that learns with its crowd (AggNet) read new cells better than one that learned from the majority? {{effect: 18_crowdsourcing: AUC on new cells, AggNet minus network on majority}}.
# More in [unit 18](18_crowdsourcing.ipynb).
#
# **7. "Transfer learning and training".** With some ninety films, borrowed features against the same network trained from nothing; AUC of *abnormal*:
# {{effect: 16_transfer_features: AUC of abnormal, conv5 with SVM minus the same network from scratch}}. Against hand-made ones (GIST):
# {{effect: 16_transfer_features: AUC, conv5 minus gist}}; against plain pixels: {{effect: 16_transfer_features: AUC, conv5 minus pixels}}.
#
# To train the last layer alone is not enough; AUC on lymph nodes, tuned from the fourth convolution on minus last layer only:
# {{effect: 17_fine_tuning: AUC, tuned from conv4 minus last layer only}}. Did the borrowed weights help there? All layers tuned minus trained from nothing:
# {{effect: 17_fine_tuning: AUC, tuned from conv1 minus from nothing, above 0}}; with a tenth of the patients: {{effect: 17_fine_tuning: AUC, the same with a tenth}}. Our source is small and made
# of formulas; theirs was ImageNet ([unit 16](16_transfer_features.ipynb), [unit 17](17_fine_tuning.ipynb)).
#
# **8. "Trend towards BigData, challenges at conferences, public data sets".** More cases do close the gap. AUC in training minus
# test, 24 minus 200 volumes: {{effect: 04_deep_cnns: Gap of AUC, 24 minus 200 training volumes}}. But a small test set ranks by luck: best minus worst
# of 25 tests with 20 patients each, of one and the same classifier: {{effect: 02_challenges: 2 Small studies: best minus worst accuracy}}.
#
# And the winner of a challenge may be the rule's: share of simulated challenges with another winner by distance than by Dice:
# {{effect: 19_public_datasets: Other winner by HD95 than by Dice}}; with 25 other cases: {{effect: 19_public_datasets: Other winner with 25 other cases}} (the claims: above 0.1).
# [Unit 19](19_public_datasets.ipynb) shows where public data are, and what a place on a leaderboard is worth.
#
# **Question 2.** A program marks microbleeds anywhere in a head scan, as many as it likes. By what is it measured?
#
# <details><summary>Dice over all voxels</summary>
#
# One large vein that is marked would outweigh twenty bleeds of a few voxels each. Dice suits outlines.
#
# </details>
# <details><summary>Sensitivity over false marks a scan, with intervals by scan</summary>
#
# Yes. That is the FROC curve of units 5 to 7: a hit is a bleed that is found, and each false mark costs the reader time.
#
# </details>
# <details><summary>Accuracy over voxels</summary>
#
# Far below one voxel in a thousand is bleed, so marking nothing is almost perfectly accurate (unit 8).
#
# </details>
#
# **Question 3.** The part that you look for differs from its neighbours by *where it lies*, not by its grey value. What helps?
#
# <details><summary>A larger look: bigger patches, several scales, or a network that shrinks the picture and grows it back</summary>
#
# Yes. Units 9, 10 and 11 bring in place by three means. And put a classifier that is told row and column beside them.
#
# </details>
# <details><summary>More augmentation by shifts and turns</summary>
#
# That teaches the network that place does not matter, which is the opposite of what is needed here.
#
# </details>
# <details><summary>A larger number of maps in the first layer</summary>
#
# The first layer sees a few pixels. However many maps it has, none of them knows where it is.
#
# </details>
#
# ## What each paper found, and what we find
#
# Every lab stated its paper's claim as an inequality, and measured it with simple opponents beside it. The cell below holds how many claims came out
# how, counted when this page was made.
#
# **Predict:** of every ten claims, how many hold? How many come out *the other way round*?

# %%
tally = pd.read_csv(
    io.StringIO("""
{{tally}}
"""),
    index_col="unit",
)

# %%
LOOK = {"holds": "#0072B2", "not shown": "#BBBBBB", "opposite shown": "#D55E00", "cannot be told": "#F0E442"}
figure, axes = plots.panels(1, 1, width_inches=8.5, height_inches=0.27 * len(tally) + 1.2)
ax, left = axes[0, 0], np.zeros(len(tally))
titles = {unit.slug: f"{unit.number} {unit.title}" for unit in units.UNITS}
for verdict, colour in LOOK.items():
    ax.barh([titles[slug] for slug in tally.index], tally[verdict], left=left, color=colour, edgecolor="white")
    left += tally[verdict].to_numpy()
ax.invert_yaxis()
ax.tick_params(axis="y", length=0)
ax.xaxis.set_major_locator(MaxNLocator(integer=True))
ax.set(xlabel="claims (simulated data)", title="What became of the claims")
present = [verdict for verdict in LOOK if tally[verdict].sum()]
ax.legend(handles=[Patch(facecolor=LOOK[v], label=v) for v in present], loc="lower right")
counted = tally.sum()
plots.describe(
    figure, "Bars of claims by unit and verdict. In all: " + ", ".join(f"{counted[v]} {v}" for v in LOOK) + "."
)

# %%
total = int(counted.sum())
for verdict in LOOK:
    print(f"{verdict:15s} {counted[verdict]:4d} of {total}, {100 * counted[verdict] / total:.0f} %")

# %% [markdown]
# This is no mark for the field. The claims are *ours*: we put each paper's idea into an inequality on small simulated data. Some are true by
# design (a map equals a sliding window). Others say no more than that a network beats guessing. And *not shown* does not mean false: it means
# that five runs cannot tell.
#
# The rows to learn from are those that came out the other way round: the whole interval lies on the wrong side of the claim's *bound*. That need not be
# the wrong side of 0. A hundred random views gained *less* than the 0.02 we had claimed; they did no harm that we could see.
#
# {{opposites}}
#
# Most of them have the same two reasons. Either a *simple* method was enough for our simulated world: where a tissue lies, a straight line
# between clouds of cells, a search on each pair, features made by hand. Or a recipe met a budget for which it was not made: augmentation with too few steps,
# a source network without ImageNet, a consensus whose assumptions the raters broke.
#
# One is a warning. Gradient maps of a network that has *forgotten* what it learned resemble those of the one that knows, and more than we had claimed. What would look alike
# without any knowledge explains little.
#
# ### Verdicts made by chance
#
# There is a third reason. Ask a hundred questions, each with an interval of 95 %, and some answers will be wrong. How many? Take
# claims in which *nothing* is true: five seeds each, drawn around zero.
#
# **Predict:** how many of as many empty claims will "hold"?

# %%
rng = np.random.default_rng(20)
seeds = rng.normal(0.0, 1.0, size=(1000, total, 5))  # a thousand such tables; each claim: above 0
low = seeds.mean(-1) - stats.t.ppf(0.975, 4) * seeds.std(-1, ddof=1) / np.sqrt(5)  # of the 95 % interval
luck = (low > 0).sum(1)
few, many = np.percentile(luck, [2.5, 97.5])
print(f"of {total} empty claims {luck.mean():.1f} hold on average, from {few:.0f} to {many:.0f} in 95 % of tables")

# %% [markdown]
# And as many would come out the other way round. Claims of one unit share their runs, so they are right or wrong together and the
# true range is wider. So a handful of our verdicts may be luck, in both directions. A single surprising row deserves a second look before it
# deserves an explanation. The same goes for any paper with a long table.
#
# **Question 4.** A paper compares its network with one other on twelve measures, and is better on one (p = 0.03). What do you say?
#
# <details><summary>The network is better in that respect</summary>
#
# Perhaps. But of twelve measures without any difference, up to every second study would find one below 0.05: fewer if the measures are alike.
#
# </details>
# <details><summary>One of twelve is what chance gives; which measure was named beforehand?</summary>
#
# Yes. A measure chosen before the test counts. One that is found afterwards is a question for the next study.
#
# </details>
# <details><summary>Nothing, because p values are worthless</summary>
#
# A p value answers one question that was asked in advance. The trouble is not p, but the number of tries.
#
# </details>
#
# ## The slides, put right
#
# Slides are made by people, and so were these. While rebuilding the papers we found:
#
# | the slide | the source |
# |---|---|
# | Roth: a gain of "13 - 14 %" | sensitivity 57 to 70, 43 to 77 and 58 to 75 % at 3 false marks a patient: +13, +34, +17 points |
# | U-Net under 2016 | MICCAI 2015 |
# | reference 19 for two papers | Schlegl (IPMI 2017) and Christ (MICCAI 2016, pages 415 to 423) |
# | reference 4: "Shiner" | Sahiner |
# | reference 5: title begins in the middle | *Pulmonary nodule detection in CT images: false positive reduction using multi-view convolutional networks* |
# | reference 16: "Agg-Net" | AggNet |
# | reference 19: pages 146-147 | about 146 to 157 |
# | reference 2: Proc. SPIE vol. 1989 | about vol. 1898 |
# | reference 10 among the images | flow cytometry: a table of cells, no image |
# | a crowd "can perform as well as the medical experts" | reference 14 found no significant difference from a *program*, for polyps of 6 mm and more; see unit 18 |
#
# It pays to look a figure up before it is passed on. Per cent and points, the year, and *what was compared with what* are the usual slips.
#
# ## What has come since
#
# | | what it is | what is known |
# |---|---|---|
# | nnU-Net, 2021 | a U-Net (unit 10) that sets its own sizes, spacing and schedule from the data set | ahead of most special solutions on 23 public data sets |
# | Transformers, 2017 and 2021 | networks whose parts attend to all others, not to neighbours | for photographs strong after *very large* pre-training; in 3D segmentation a check of 2024 found many claimed gains over a well-set U-Net gone, once opponents and computing were fair |
# | Segment Anything, 2023 | outlines what one points at; over a billion outlines of photographs | on 19 medical data sets, from one prompt, IoU from 0.11 (spine MRI) to 0.87 (hip X-ray) |
# | MedSAM, 2024 | the same, trained on about 1.6 million medical pairs | one draws a box, and it outlines: an aid for annotators (unit 18) |
# | RETFound, 2023 | pre-trained without labels on 1.6 million retinal images, then fine-tuned (units 12, 17) | fewer labels needed on several tasks of the eye |
# | MASAI, 2023 | a *randomised trial*: 80 033 women, mammograms read with or without a program | in its safety analysis 6.1 against 5.1 cancers a thousand, and 44 % fewer readings |
#
# Names change fast, and this table will be old soon. Three things have stayed. A plain network, well set up, is hard to beat. Large
# networks move the hunger for labels, they do not end it: somebody has to check. And the proof lies in patients: the last
# row is of another kind than those above it, for chance decided who was read how. Even so, more cancers found is not yet fewer deaths.
#
# ## In practice: read a paper with a pencil
#
# Journals now ask for lists of what must be told: **CLAIM** (any study of AI on medical images; updated 2024), **STARD-AI** (diagnostic accuracy; 2025),
# **TRIPOD+AI** (prediction models; 2024) and **DECIDE-AI** (first use with patients; 2022). A list does not make a study good. It makes
# gaps visible. Ours has ten questions, each with the unit that taught it:
#
# | | ask | unit |
# |---|---|---|
# | 1 | Who were the patients, and who was left out? From how many hospitals and devices? | 1, 2 |
# | 2 | What is the truth, who made it, how far do they agree? | 2, 18 |
# | 3 | Were training and test split by *patient*, by surgeon, by hospital? | 2, 15 |
# | 4 | Was anything (threshold, epoch, size) chosen on the test set? | 4, 19 |
# | 5 | Does the measure fit the use? What would doing nothing score? | 8, 10, 15 |
# | 6 | How wide is the interval, and does it count patients? | 2, 5 |
# | 7 | Which simple opponent stands beside it, and was it given a fair chance? | 5, 9, 12 |
# | 8 | How does it do by age, sex, device, subtype? | 2, 9 |
# | 9 | Was it tested elsewhere, on later patients (*external validation*)? | 3, 13, 19 |
# | 10 | Can I run it: code, weights, data, licence? | 19 |
#
# Two of these need a pencil. **How wide is it?** Say 27 of 30 cancers were found: 90 %. Wilson's interval for a share $p$ of $n$, with
# $z = 1.96$, is
#
# $$ \frac{p + \frac{z^2}{2n} \pm z \sqrt{\frac{p(1-p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}. $$
#
# **Predict** its lower end before you run on.

# %%
found, there = 27, 30


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share of k in n."""
    p, shrink = k / n, 1 + z**2 / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - half) / shrink, (middle + half) / shrink


library = stats.binomtest(found, there).proportion_ci(method="wilson")
print("by hand  {:.4f} to {:.4f}".format(*wilson(found, there)))
print(f"SciPy    {library.low:.4f} to {library.high:.4f}")

# %% [markdown]
# Both agree. From 74 to 97 %: whoever prints "90 %" alone leaves out what matters.
#
# **What happens in my clinic?** Sensitivity and specificity say how ill and healthy people are treated. The reader at the screen meets the reverse question: *there is an
# alarm. Is it true?* That depends on how many people are ill, the *prevalence*. Each square below is one of a thousand people. Move
# the sliders; begin with a prevalence of 1 %, as in screening.
#
# **Before you do:** at 90 % sensitivity and 90 % specificity, how many of a hundred alarms are true?

# %%
COLOURS = {
    "ill, alarm": "#D55E00",
    "ill, missed": "#000000",
    "healthy, alarm": "#56B4E9",
    "healthy, no alarm": "#E4E4E4",
}


def draw_thousand(sensitivity, specificity, prevalence):
    """Show a thousand people by what they have and what they are told."""
    ill = round(1000 * prevalence)
    hit = round(ill * sensitivity)
    alarm = round((1000 - ill) * (1 - specificity))
    counts = [hit, ill - hit, alarm, 1000 - ill - alarm]
    people = np.repeat(np.arange(4), counts).reshape(20, 50, order="F")
    figure, axes = plots.panels(1, 1, width_inches=7.5, height_inches=3.9)
    ax = axes[0, 0]
    rows, columns = np.indices(people.shape)
    ax.scatter(columns, rows, c=np.array(list(COLOURS.values()))[people.ravel()], marker="s", s=62)
    ax.set(xlim=(-1, 50), ylim=(20, -1), aspect="equal")
    ax.set_axis_off()
    handles = [Patch(facecolor=c, label=f"{n} {name}") for (name, c), n in zip(COLOURS.items(), counts)]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, handlelength=1.0)
    told = hit + alarm
    true = f"{100 * hit / told:.0f} % of {told} alarms are true" if told else "no alarm"
    ax.set_title(f"1000 people: {true}")
    said = ", ".join(f"{n} {name}" for name, n in zip(COLOURS, counts))
    return plots.describe(figure, f"A thousand squares, one a person: {said}. {true}.")


plots.demo(
    draw_thousand,
    sensitivity=(0.5, 1.0, 0.9),
    specificity=(0.5, 1.0, 0.9),
    prevalence=(0.002, 0.5, 0.01),
    static=[{"prevalence": 0.01}, {"prevalence": 0.3}, {"prevalence": 0.01, "specificity": 0.99}],
)

# %% [markdown]
# At 1 %, of twelve alarms about one is true. The same program in a ward where every third patient is ill is right four times in five. So a
# paper's *positive predictive value* is a statement about its patients, not about its network. Test sets with half the
# cases ill, which are common, make it look splendid.
#
# **Question 5.** A paper reports a positive predictive value of 0.9 on 100 ill and 100 healthy people. You screen, with 1 % ill. What will yours be?
#
# <details><summary>0.9, since that is what was measured</summary>
#
# It was measured where half the people were ill. With 99 healthy people for each ill one, far more false alarms come along.
#
# </details>
# <details><summary>Far below 0.9</summary>
#
# Yes. With, say, 90 of 100 found and 10 falsely accused, it falls from 0.9 to about 0.08 at 1 %.
#
# </details>
# <details><summary>Above 0.9, for healthy people are easy</summary>
#
# Easier or not, there are ninety-nine times as many of them, and each false alarm among them counts.
#
# </details>
#
# ## Every term, in plain words
#
# `glossary.find` looks a term or an abbreviation up, or a word in its explanation:

# %%
for word in ("FROC", "dice", "iron"):
    for term in glossary.find(word)[:2]:
        print(f"{word:5s} -> {term}")

# %% [markdown]
# And all of them, each with a link to the unit that teaches it:

# %%
Markdown(glossary.table())

# %% [markdown]
# ## Where it fails
#
# What holds for papers holds for this course.
#
# **Simulated data.** Nearly all we measured was measured on simulated pictures. Physics and statistics went into them, but what nobody thought of is not in
# there: the odd artefact, the rare anatomy, the label that was entered in the wrong row. An effect that holds here may fail in a
# clinic, and the other way round.
#
# **The judge made the exam.** We wrote the simulators and the opponents. Where a straight line beats a network, the reason may be that we drew
# clouds that a line can part. Real data stand beside where we may show them.
#
# **Small budgets.** Minutes on two cores. A network that needs a day has no chance here. *Not shown* is often *not enough*.
#
# **What is missing.** How a program changes the people who use it, who is liable, what regulators ask for, what happens when the scanner is replaced. A
# review of 2021 looked at 62 studies of COVID-19 on radiographs and CT, left over from 2,212 papers, and found *none* fit for use in a clinic,
# because of flaws in method and biased data.
#
# **Question 6.** Your network is excellent on the hospital's archive. In the first month of use it calls half as many nodules as expected. What first?
#
# <details><summary>Train it again with the new month added</summary>
#
# That may hide the cause. Something has changed, and nobody knows yet what: the device, the patients, or the software.
#
# </details>
# <details><summary>Look at the new images and headers beside the old ones: device, dose, kernel, spacing, patients</summary>
#
# Yes. Shift comes first in the list of suspects, and it is seen by looking (units 1, 5 and 9).
#
# </details>
# <details><summary>Lower the threshold until the number is as before</summary>
#
# The count would be right again, and which nodules are found might be quite wrong. Numbers are no findings.
#
# </details>
#
# **Question 7.** Which test would change your mind most about a program for your clinic?
#
# <details><summary>A higher Dice on the public challenge</summary>
#
# It shows skill at that challenge. Its patients, its truth and its measure are not yours.
#
# </details>
# <details><summary>Patients of your own clinic, from next month on, with the reader's decision recorded with and without it</summary>
#
# Yes. It is prospective, local, and asks what changes for patients. That is what DECIDE-AI and trials such as MASAI are about.
#
# </details>
# <details><summary>A saliency map that lights up the lesion</summary>
#
# It can light up the lesion in a network that guesses. Unit 16 shows how easily such maps persuade.
#
# </details>
#
# ## The capstone
#
# [The last lab](../labs/20_summary.ipynb) is a small challenge of its own: a task, a measure, a hidden test set, a baseline to beat, and a
# leaderboard that the grader fills, with ties and intervals. Anything you learned may be used. Three pieces of advice from
# nineteen units:
#
# - Score "nothing at all" and the simplest filter first. Then you know what a point is worth.
# - Set patients aside before you look. Decide everything on the others.
# - Change one thing at a time, with at least two seeds. Write down what did *not* help.
#
# And after that? Take one public data set of unit 19 in your own field, one paper of the last two years, and rebuild its main claim with a simple opponent
# beside it. That is a worthwhile thesis, whichever way it comes out.
#
# ## Take-aways
#
# - Begin with the question, the data and the labels. The network comes last.
# - Put the simplest honest opponent beside every network, and say so when it wins.
# - Count patients, give intervals, and remember how many questions were asked.
# - A figure belongs to its patients: prevalence, device and truth travel with it.
# - Not shown is not false. A result that did not hold, told plainly, is worth as much as one that did.
#
# ## References
#
# - H. Greenspan, B. van Ginneken, R. M. Summers. Deep Learning in Medical Imaging: Overview and Future Promise of an Exciting New Technique.
#   IEEE Transactions on Medical Imaging 35(5):1153-1159, 2016. [doi:10.1109/TMI.2016.2553401](https://doi.org/10.1109/TMI.2016.2553401)
# - F. Isensee et al. nnU-Net: a self-configuring method for deep learning-based biomedical image segmentation. Nature Methods 18:203-211,
#   2021. [doi:10.1038/s41592-020-01008-z](https://doi.org/10.1038/s41592-020-01008-z)
# - F. Isensee et al. nnU-Net Revisited: A Call for Rigorous Validation in 3D Medical Image Segmentation. MICCAI 2024, LNCS 15009:488-498.
#   [doi:10.1007/978-3-031-72114-4_47](https://doi.org/10.1007/978-3-031-72114-4_47)
# - A. Vaswani et al. Attention Is All You Need. 2017. [doi:10.48550/arXiv.1706.03762](https://doi.org/10.48550/arXiv.1706.03762)
# - A. Dosovitskiy et al. An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale. 2021.
#   [doi:10.48550/arXiv.2010.11929](https://doi.org/10.48550/arXiv.2010.11929)
# - A. Kirillov et al. Segment Anything. 2023. [doi:10.48550/arXiv.2304.02643](https://doi.org/10.48550/arXiv.2304.02643)
# - M. A. Mazurowski et al. Segment anything model for medical image analysis: An experimental study. Medical Image Analysis 89:102918,
#   2023. [doi:10.1016/j.media.2023.102918](https://doi.org/10.1016/j.media.2023.102918)
# - J. Ma et al. Segment anything in medical images. Nature Communications 15:654, 2024.
#   [doi:10.1038/s41467-024-44824-z](https://doi.org/10.1038/s41467-024-44824-z): MedSAM.
# - Y. Zhou et al. A foundation model for generalizable disease detection from retinal images. Nature 622:156-163, 2023.
#   [doi:10.1038/s41586-023-06555-x](https://doi.org/10.1038/s41586-023-06555-x): RETFound.
# - K. Lång et al. Artificial intelligence-supported screen reading versus standard double reading in the Mammography Screening with Artificial
#   Intelligence trial (MASAI). Lancet Oncology 24(8):936-944, 2023.
#   [doi:10.1016/S1470-2045(23)00298-X](https://doi.org/10.1016/S1470-2045%2823%2900298-X)
# - A. S. Tejani et al. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update. Radiology: Artificial Intelligence
#   6(4):e240300, 2024. [doi:10.1148/ryai.240300](https://doi.org/10.1148/ryai.240300)
# - V. Sounderajah et al. The STARD-AI reporting guideline for diagnostic accuracy studies using artificial intelligence. Nature Medicine
#   31:3283-3289, 2025. [doi:10.1038/s41591-025-03953-8](https://doi.org/10.1038/s41591-025-03953-8)
# - G. S. Collins et al. TRIPOD+AI statement. BMJ 385:e078378, 2024. [doi:10.1136/bmj-2023-078378](https://doi.org/10.1136/bmj-2023-078378)
# - B. Vasey et al. Reporting guideline for the early-stage clinical evaluation of decision support systems driven by artificial intelligence:
#   DECIDE-AI. Nature Medicine 28:924-933, 2022. [doi:10.1038/s41591-022-01772-9](https://doi.org/10.1038/s41591-022-01772-9)
# - M. Roberts et al. Common pitfalls and recommendations for using machine learning to detect and prognosticate for COVID-19 using chest
#   radiographs and CT scans. Nature Machine Intelligence 3:199-217, 2021. [doi:10.1038/s42256-021-00307-0](https://doi.org/10.1038/s42256-021-00307-0)
# - G. Varoquaux, V. Cheplygina. Machine learning for medical imaging: methodological failures and recommendations for the future. npj
#   Digital Medicine 5:48, 2022. [doi:10.1038/s41746-022-00592-y](https://doi.org/10.1038/s41746-022-00592-y)
# - E. B. Wilson. Probable inference, the law of succession, and statistical inference. Journal of the American Statistical Association
#   22(158):209-212, 1927. [doi:10.1080/01621459.1927.10502953](https://doi.org/10.1080/01621459.1927.10502953)
