# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Many strangers, one label
#
# Unit 18, after three papers: Nguyen and colleagues, *Distributed Human Intelligence for Colonic Polyp Classification in Computer-aided Detection
# for CT Colonography*, 2012; McKenna and colleagues, *Strategies for improved interpretation of computer-aided detections for CT colonography
# utilizing distributed human intelligence*, 2012; Albarqouni and colleagues, *AggNet*, 2016.
#
# **After this lesson you can**
#
# - tell experts, spammers and adversaries apart by two numbers each, without knowing the truth;
# - say when a vote makes a crowd wise, and when it makes it sure of nonsense;
# - follow Dawid and Skene's method by hand, and know what it takes for granted;
# - explain how AggNet lets a network and a crowd teach each other;
# - work out how many workers stand in for an expert, and what they cost;
# - name who is hurt when labels are bought from strangers.
#
# **Time:** about 55 minutes, and 110 for the lab. **Before this:** sensitivity, specificity and ROC curves; STAPLE in unit 2; convolutional networks.
#
# **Cost:** {{cost}}

# %%
import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from medcourse import agreement, class_votes, crowds, datasets, difficulty, metrics, plots, training
from medcourse.models import PlainCNN
from medcourse.models import crowd as aggnet

plots.use_style()
_ = torch.manual_seed(0)

# %% [markdown]
# ## The problem: who labels ten thousand cells?
#
# A network needs labels, and in medicine a label is an expert's time. The grade of a breast cancer depends on how many of its cells divide. So pathologists
# count *mitoses*, one in thousands of cells, in one field of view after the other.
#
# Nor do experts agree. When two pathologists, helped by a program, went once more through the pictures of a public contest (TUPAC16), they found
# 28.8 % more mitoses than its labels had (Bertram et al. 2020).
#
# Could strangers do it, for a few cents each? Try. These cells are **simulated**. In a mitosis the chromatin has no membrane: it is a dark plate, two plates
# that part, or a ragged clump, in a cell that has become pale. Dark nuclei that still have their membrane, and black crumbs in a pink cell that is dying, are none.
# Beware: some dark nuclei mimic a mitosis; they are narrow, or their edge is ragged, too. **Predict** how many of eight you get right.

# %%
sample = datasets.make_mitoses(8, seed=5)
game = plots.label_images(
    sample.images,
    ["no mitosis", "mitosis"],
    question="Does the (simulated) cell in the middle divide?",
    spacing_um=sample.spacing_um,
)
game

# %% [markdown]
# (The line at the bottom holds your answers. In the lab you will paste such a line into the notebook, and so be part of a real crowd: your class.)

# %%
right = [game.answers[i] == sample.truth[i] for i in game.answers]
print(f"{sum(right)} of your {len(right)} answers are right" if right else "nobody has played yet")
plots.show_images(
    sample.images,
    [f"{i}: {'mitosis' if t else 'none'}\n{k}" for i, (t, k) in enumerate(zip(sample.truth, sample.kind))],
    spacing_um=sample.spacing_um,
    panel_inches=1.25,
    alt="The eight simulated cells again, each with the truth: mitosis or none, and what it is.",
)

# %% [markdown]
# Nguyen and colleagues did this with polyps, the knobs on the wall of the bowel from which cancer may grow. A program had marked 268 candidates in the CT scans of
# 24 patients. Twenty *knowledge workers* looked at each, 228 people in two trials, with little training. For polyps of 6 mm and more their area under the ROC curve
# did not differ significantly from the program's: about 0.85 against about 0.86.
#
# ## The idea: measure the people, too
#
# A crowd is no expert with many heads. Some people try, some hurry, some never look. A *spammer* gives answers at random, or always
# the same one, for the pay. An *adversary* is right less often than a coin: perhaps they read the question the wrong way round.
#
# Two numbers describe a worker: their **sensitivity**, how often they say *mitosis* where there is one, and their **specificity**, how often they say *none* where there is none.
# **Predict:** where in this square lies somebody who always says *mitosis*? And where all who do not look?

# %%
cells = datasets.make_mitoses(400, seed=18)
truth = cells.truth
crowd = datasets.make_crowd(truth, ease=cells.ease, n_workers=30, answers_per_item=5, seed=18)
answers = crowds.collect_answers(crowd.worker, crowd.item, crowd.label, n_workers=30, n_items=len(cells.truth))
known = crowds.estimate_confusion(answers, np.eye(2)[truth])  # as somebody would who has the truth
MARKS = {
    "honest": ("o", "C0"),
    "sloppy": ("s", "C2"),
    "constant spammer": ("^", "C1"),
    "random spammer": ("v", "C3"),
    "adversary": ("X", "C4"),
}


def draw_workers(ax, tables, title: str) -> None:
    """Put each worker at their specificity (across) and sensitivity (up)."""
    for kind, (mark, colour) in MARKS.items():
        these = tables[[k == kind for k in crowd.kind]]
        ax.plot(these[:, 0, 0], these[:, 1, 1], mark, color=colour, label=kind)
    ax.plot([0, 1], [1, 0], "--", color="0.5", linewidth=1)
    ax.set(xlabel="specificity", ylabel="sensitivity", xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), aspect="equal")
    ax.set_title(title)


figure, axes = plots.panels(1, 1, width_inches=5.6, height_inches=3.8)
draw_workers(axes[0, 0], known, "Thirty simulated workers")
axes[0, 0].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
plots.describe(
    figure,
    "Workers by specificity and sensitivity: honest ones towards the upper right, sloppy ones nearer to the falling diagonal, spammers on it, adversaries below it. Constant spammers stand in two corners.",
)

# %% [markdown]
# On the dashed diagonal sensitivity and specificity add up to one: the answer does not depend on the picture. The corners of the diagonal belong to
# those who always say the same. Below it are the adversaries, who know a lot; only with the wrong sign.
#
# Nobody who buys labels has this picture, since they have no truth to count by. That is what the methods below must find.
#
# ## Vote
#
# The simplest crowd votes. Let every worker be right with probability $p$, each alone. A vote of an odd number $n$, which cannot be tied, is right if more than half are:
#
# $$ P(n) = \sum_{k > n/2} \binom{n}{k} p^k (1 - p)^{n - k}. $$
#
# Condorcet noted in 1785 what follows: if $p$ is above one half, the crowd becomes as good as you like. Below one half it becomes as *bad*.
# **Before you move the sliders:** what happens if a fifth of the pictures mislead people, as dying cells may?


# %%
def draw_vote(right_percent: int, misleading_percent: int):
    """Show how often a vote is right, over its size; on pictures that mislead, right and wrong are exchanged."""
    n = np.arange(1, 42, 2)
    p, share = right_percent / 100, misleading_percent / 100
    ordinary, misled = stats.binom.sf(n // 2, n, p), stats.binom.sf(n // 2, n, 1 - p)
    together = (1 - share) * ordinary + share * misled
    figure = plots.plot_curve(
        {"all pictures": together, "ordinary": ordinary, "misleading": misled},
        x=n,
        xlabel="workers who vote",
        ylabel="share of right votes",
        title=f"One is right in {right_percent} %, {misleading_percent} % of pictures mislead",
        alt=f"Share of right votes over 1 to 41 workers: {together[0]:.2f} with one, {together[-1]:.2f} with 41; on ordinary pictures {ordinary[-1]:.2f}, on misleading ones {misled[-1]:.2f}.",
    )
    figure.axes[0].set_ylim(-0.02, 1.02)
    return figure


plots.demo(
    draw_vote,
    right_percent=(30, 95, 65),
    misleading_percent=(0, 50, 0),
    static=[{}, {"misleading_percent": 20}, {"right_percent": 45}],
)

# %% [markdown]
# With misleading pictures the curve ends at the share of those that do not mislead. No number of workers gets beyond that: they are many, but not independent.
#
# **Question 1.** Each worker is right in 65 % of cases. A vote of 41 is right in 80 %, not in 98 %. What is the likeliest reason?
#
# <details><summary>41 is too few</summary>
#
# With independent errors 41 would do: the sum gives 98 %. More of the same will not help.
#
# </details>
# <details><summary>They err together, on the same pictures</summary>
#
# Yes. The sum counts 41 witnesses. On a picture that fools most of them there is, so to speak, only one.
#
# </details>
# <details><summary>Some of them are spammers</summary>
#
# Spammers pull down the mean of 65 %, but it is the mean that is given. Their errors are independent, which is what a vote can cope with.
#
# </details>
#
# ## Ask two questions in turn
#
# Dawid and Skene (1979) had patients whom several clinicians had examined, and no truth. They asked:
#
# 1. If we knew the truth of each case, **how reliable is each clinician?** Count the right answers.
# 2. If we knew how reliable each is, **what is the truth of each case?** Weigh the answers.
#
# Neither is known. So begin with the votes, answer 1, then 2, then 1 again. It is *expectation-maximisation*, and for outlines you know it as STAPLE. What is an answer worth, once we know who gave it?
# Let $\alpha$ be a worker's sensitivity, $\beta$ the specificity. If they say *mitosis*, the odds of a mitosis are multiplied by
#
# $$ \frac{\alpha}{1 - \beta}, \qquad \text{and if they say } \textit{none}\text{, by} \qquad \frac{1 - \alpha}{\beta}. $$
#
# **Predict:** by how much for someone who always says *mitosis*? And for an adversary with $\alpha = \beta = 0.2$ who says it?

# %%
PEOPLE = {"expert": (0.95, 0.95), "honest": (0.8, 0.8), "nearly always mitosis": (0.98, 0.02), "adversary": (0.2, 0.2)}
for name, (alpha, beta) in PEOPLE.items():
    yes, no = alpha / (1 - beta), (1 - alpha) / beta
    print(f"{name:22s}  says mitosis: odds x {yes:5.2f}   says none: odds x {no:5.2f}")

# %% [markdown]
# Who always says the same multiplies by one: such answers are paid for and ignored. The adversary's *mitosis* divides the odds by four. An adversary is **as useful as an honest
# worker**, once found out.
#
# Take the rounds one by one. The left square is what the method believes of the workers. **Before you do:** at round 1 everybody is judged by the votes.
# Who looks better than they are?


# %%
def draw_round(rounds: int):
    """Workers as Dawid and Skene see them after so many rounds, and what the pictures are then scored by."""
    found = crowds.dawid_skene(answers, n_rounds=rounds)
    figure, axes = plots.panels(1, 2, width_inches=3.7, height_inches=3.6)
    ax = axes[0, 0]
    draw_workers(ax, found.confusion, f"after {rounds} round{'s' if rounds > 1 else ''} (lines lead to the truth)")
    for guess, true in zip(found.confusion, known):
        ax.plot([guess[0, 0], true[0, 0]], [guess[1, 1], true[1, 1]], "-", color="0.7", linewidth=0.8, zorder=0)
    p, auc = found.probability[:, 1], roc_auc_score(truth, found.probability[:, 1])
    bins = np.linspace(0, 1, 11)
    axes[0, 1].hist([p[truth == 0], p[truth == 1]], bins, label=["none", "mitosis"], color=["0.7", "C0"])
    axes[0, 1].set(xlabel="probability of a mitosis", ylabel="pictures", title=f"AUC {auc:.3f}")
    axes[0, 1].legend(loc="upper center")
    r = np.corrcoef(found.confusion[:, [0, 1], [0, 1]].ravel(), known[:, [0, 1], [0, 1]].ravel())[0, 1]
    return plots.describe(
        figure,
        f"After {rounds} rounds: estimated sensitivity and specificity of thirty workers correlate with the true ones by {r:.2f}; probabilities of mitoses and others, AUC {auc:.3f}.",
    )


plots.demo(draw_round, rounds=[1, 2, 5, 10, 20, 50], static=[{"rounds": 1}, {"rounds": 5}, {"rounds": 50}])

# %% [markdown]
# At round 1 adversaries and random spammers look better than they are: their own answer is one of the five votes by which they are judged. Honest workers look worse, for a vote of five is often wrong. Both are
# drawn together. Constant spammers stay in their corners: who never changes the answer is seen without any truth.
#
# Then good workers are trusted more, which makes the next truth better, which tells the others further apart.
# How good is it, beside the vote and single people? A tied vote counts as half right.


# %%
def accuracy(probability) -> float:
    """Share of right decisions at 0.5; a tie counts half."""
    p = np.asarray(probability)
    return float(np.mean(np.where(p == 0.5, 0.5, (p > 0.5) == truth)))


together = crowds.dawid_skene(answers)
expert = datasets.make_crowd(truth, ease=cells.ease, n_workers=5, kinds={"expert": 1.0}, seed=1)
rows = {
    "a single worker, mean": [np.mean(known[:, [0, 1], [0, 1]]), np.mean(crowd.label == truth[crowd.item])],
    "vote of five": [
        roc_auc_score(truth, crowds.vote_shares(answers)[:, 1]),
        accuracy(crowds.majority_vote(answers)[:, 1]),
    ],
    "Dawid and Skene": [roc_auc_score(truth, together.probability[:, 1]), accuracy(together.probability[:, 1])],
    "a single expert, mean": [
        roc_auc_score(truth[expert.item], expert.label),
        np.mean(expert.label == truth[expert.item]),
    ],
}
pd.DataFrame(rows, index=["AUC", "accuracy"]).T.round(3)

# %% [markdown]
# The same answers, for the same money. (AUC flatters whoever gives a probability: an expert's yes or no is one point on a ROC curve, and accuracy says that one expert is still better here.)
#
# **Question 2.** Dawid and Skene's method finds that a worker has a sensitivity of 0.1 and a specificity of 0.15. What should be done with this worker's answers?
#
# <details><summary>Leave them out</summary>
#
# That throws away what the worker knows: mitoses are told from others well, with the wrong sign.
#
# </details>
# <details><summary>Keep them: the method turns them round by itself</summary>
#
# Yes. This worker's *mitosis* multiplies the odds by 0.1 / 0.85. But do ask whether they read the question the other way round.
#
# </details>
# <details><summary>Count them as half an answer</summary>
#
# Half of a wrong sign is a wrong sign. Weight and sign both follow from the two numbers.
#
# </details>
#
# ## Some pictures are harder
#
# So far we took a worker to be equally good on all pictures. McKenna and colleagues showed 600 polyp candidates of 50 patients to twenty workers and a radiologist,
# as one picture and as a video that flies around the candidate. The video helped workers and radiologist alike. They also let expectation-maximisation estimate
# how *difficult* each candidate is. On easy and moderate ones the crowd was better than the program.
#
# One such model (GLAD, Whitehill et al. 2009) says: a worker of ability $a$ is right about a picture of ease $e$ with probability $1/(1 + \exp(-a e))$. Ease near zero makes everybody guess.

# %%
shown = datasets.make_crowd(truth, ease=cells.ease, n_workers=30, answers_per_item=15, seed=3)
found = difficulty.glad(crowds.collect_answers(shown.worker, shown.item, shown.label, n_workers=30, n_items=len(truth)))
order = np.argsort(found.ease)
chosen = [*order[:6], *order[-6:]]
figure, axes = plots.panels(2, 6, width_inches=1.35, height_inches=1.65)
for ax, i in zip(axes.ravel(), chosen):
    plots.show_image(
        cells.images[i], f"{cells.kind[i]}", ax=ax, spacing_um=cells.spacing_um if i == chosen[0] else None
    )
rank = stats.spearmanr(found.ease, cells.ease).statistic
print(f"rank correlation of the ease that was found with the simulated one: {rank:.2f}, from 15 answers each")
plots.describe(
    figure,
    f"Six simulated cells that are hardest by the workers' answers: {', '.join(cells.kind[i] for i in chosen[:6])}. Below the six easiest: {', '.join(cells.kind[i] for i in chosen[6:])}.",
)

# %% [markdown]
# Above the six hardest, below the six easiest, found without a truth and without looking at a picture. Such a list is worth money: **send the hard ones to an expert**, and pay
# strangers for the rest. (The correlation is far from 1. Fifteen answers say little about the ease of one picture.)
#
# ## AggNet: let the network have a say
#
# Dawid and Skene never look at the pictures. Albarqouni and colleagues put a layer on top of a network that does. The network says how probable a mitosis is, $\pi$; the
# *aggregation layer* takes this as the prior of each picture and weighs the votes; and what comes out, $\mu$, is what the network learns next.

# %%
BOXES = [
    (0.6, 1.5, "picture"),
    (2.4, 1.5, "network"),
    (5.2, 1.5, "aggregation layer\n$\\mu = a\\pi\\;/\\;(a\\pi + b(1 - \\pi))$"),
    (5.2, 0.2, "votes of the crowd"),
    (8.4, 0.2, "workers: $\\alpha$, $\\beta$"),
    (8.4, 1.5, "posterior $\\mu$"),
]
ARROWS = [  # from, to, what goes along
    ((1.1, 1.5), (1.85, 1.5), ""),
    ((2.95, 1.5), (3.95, 1.5), "prior $\\pi$"),
    ((5.2, 0.48), (5.2, 1.12), ""),
    ((6.45, 1.5), (7.75, 1.5), ""),
    ((8.4, 1.24), (8.4, 0.48), "  count"),
    ((7.6, 0.35), (6.3, 1.1), "weigh"),
]
figure, axes = plots.panels(1, 1, width_inches=8.6, height_inches=2.9)
ax = axes[0, 0]
look = {"boxstyle": "round,pad=0.5", "facecolor": "#eaf2f8", "edgecolor": "0.3"}
for x, y, text in BOXES:
    ax.text(x, y, text, ha="center", va="center", bbox=look)
for tail, head, text in ARROWS:
    ax.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": "0.2"})
    ax.text((tail[0] + head[0]) / 2 + 0.05, (tail[1] + head[1]) / 2 + 0.08, text, va="bottom", fontsize=9)
bend = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=0.22", "color": "#D55E00"}
ax.annotate("", (2.4, 1.85), (8.4, 1.85), arrowprops=bend)
ax.text(5.4, 2.75, "target of the next training", ha="center", color="#D55E00", fontsize=9)
ax.set(xlim=(-0.2, 9.6), ylim=(-0.3, 3.1))
ax.set_axis_off()
plots.describe(
    figure,
    "AggNet: a picture goes through the network, whose output is the prior of the aggregation layer. The layer weighs the votes by each worker's alpha and beta. Its posterior renews alpha and beta and is the target of the network's next training.",
)

# %% [markdown]
# Here $a = \prod \alpha^{y}(1 - \alpha)^{1 - y}$ and $b = \prod \beta^{1 - y}(1 - \beta)^{y}$ over those who were asked, with $y = 1$ for *mitosis*. It is Dawid and Skene's second question with one change: the prior differs
# from picture to picture.
#
# Now only **three** answers a picture. A network learns the votes; AggNet takes turns; and a third one learns from the truth, as if an expert had labelled all. All see 400
# pictures, 150 steps. **Predict:** on *new* pictures, which of the three will be close to each other?

# %%
few = datasets.make_crowd(truth, ease=cells.ease, n_workers=30, answers_per_item=3, seed=18)
three = crowds.collect_answers(few.worker, few.item, few.label, n_workers=30, n_items=len(truth))
votes, images = aggnet.votes_matrix(three), aggnet.as_input(cells.images)
new = datasets.make_mitoses(400, seed=99)
new_images = aggnet.as_input(new.images)


def train(targets, *, rounds: int, steps: int):
    """Train a network on soft targets; with more than one round, let the crowd and the network renew them between."""
    torch.manual_seed(0)
    net = aggnet.AggNet(PlainCNN(2, 3, 1, width=8), n_workers=30)
    mu = torch.as_tensor(np.asarray(targets)).float()
    batches = aggnet.SoftBatches(images, mu, size=64)
    for _ in range(rounds):
        batches.targets = mu
        training.fit(net, batches, aggnet.soft_loss, steps=steps, lr=3e-3, label="network")
        if rounds > 1:
            mu = net.aggregate(images, votes, mu)
    return net, mu.numpy()


voted = crowds.vote_shares(three)[:, 1]
by_votes, _ = train(crowds.majority_vote(three)[:, 1], rounds=1, steps=150)
by_both, mu = train(voted, rounds=5, steps=30)
by_truth, _ = train(truth, rounds=1, steps=150)

# %%
on_new = {
    name: roc_auc_score(new.truth, net.predict(new_images).numpy())
    for name, net in (("votes", by_votes), ("AggNet", by_both), ("truth", by_truth))
}
skene = crowds.dawid_skene(three)
on_old = {
    "votes": roc_auc_score(truth, voted),
    "Dawid and Skene": roc_auc_score(truth, skene.probability[:, 1]),
    "AggNet": roc_auc_score(truth, mu),
}
figure, axes = plots.panels(1, 2, width_inches=4.4, height_inches=2.6)
for ax, scores, title in (
    (axes[0, 0], on_old, "Labels of the 400 pictures"),
    (axes[0, 1], on_new, "Network on new pictures, taught by"),
):
    ax.barh(range(len(scores)), list(scores.values()), 0.6, color="C0")
    for row, value in enumerate(scores.values()):
        ax.text(value - 0.01, row, f"{value:.3f}", va="center", ha="right", color="white", fontsize=9)
    ax.set_yticks(range(len(scores)), labels=list(scores))
    ax.set(xlabel="AUC (simulated)", xlim=(0.5, 1), ylim=(len(scores) - 0.5, -0.5), title=title)
said = "; ".join(f"{name} {value:.3f}" for scores in (on_old, on_new) for name, value in scores.items())
plots.describe(
    figure,
    f"AUC of the labels by votes, Dawid and Skene, AggNet; AUC of networks on new pictures taught by votes, AggNet, truth: {said}.",
)

# %% [markdown]
# Two different questions. On the left are the *labels*: with three answers a picture, what the network sees in it settles many a vote of two against one. On the right are *networks* on new pictures: there they are closer to
# each other, for a network averages over the errors of its teachers, as long as these are random.
#
# One run decides nothing. Over five, what AggNet's labels gain in AUC over Dawid and Skene's: {{effect: 18_crowdsourcing: AUC of labels, AggNet minus Dawid-Skene}}. What its network gains on new
# cells over one taught by the majority: {{effect: 18_crowdsourcing: AUC on new cells, AggNet minus network on majority}}.
#
# And a warning: the posterior is **not independent** of the network. Do not test the network on labels that it has helped to make.
#
# ## What each paper found, and what we find
#
# Nguyen and colleagues: a crowd level with a program on polyps. McKenna and colleagues: a video beats a picture, and difficulty can be estimated. Albarqouni and colleagues:
# a network can be taught by a crowd, and the crowd be measured by the network. (What their network reached on AMIDA13 we do not quote, since we could not check it.) Measured on simulated cells and workers,
# five times over:
#
# {{effects}}
#
# *Not shown* means that five runs cannot tell; *opposite shown* that they can, and it is the other way round. Simulated workers answer independently, given the picture. Real
# ones do so less, so real gains may be smaller.
#
# ## How many make an expert?
#
# The pay is ours: 5 cents for an answer, a dollar for an expert's. **Predict:** how many workers reach the expert's accuracy, by vote and by weighing? Which is cheaper?

# %%
sizes, level = [1, 3, 5, 9, 15, 25], float(np.mean(expert.label == truth[expert.item]))
curves = {"vote": [], "Dawid and Skene": []}
for size in sizes:
    team = datasets.make_crowd(truth, ease=cells.ease, n_workers=40, answers_per_item=size, seed=7)
    table = crowds.collect_answers(team.worker, team.item, team.label, n_workers=40, n_items=len(truth))
    curves["vote"].append(accuracy(crowds.majority_vote(table)[:, 1]))
    curves["Dawid and Skene"].append(accuracy(crowds.dawid_skene(table).probability[:, 1]))
for name, curve in curves.items():
    enough = next((n for n, value in zip(sizes, curve) if value >= level), None)
    print(
        f"{name:16s}: "
        + (
            f"{enough} answers, {5 * enough} cents a picture"
            if enough
            else f"not with {sizes[-1]} answers, {5 * sizes[-1]} cents a picture"
        )
    )
plots.plot_curve(
    curves | {"one expert (mean of five)": [level] * len(sizes)},
    x=sizes,
    xlabel="answers a picture (5 cents each); an expert's costs 100",
    ylabel="accuracy",
    title="Simulated workers, simulated pay",
)

# %% [markdown]
# With **one** answer a picture Dawid and Skene's method is worse than believing everybody: no two workers have seen the same picture, so there is nothing to compare
# them by. It needs overlap. With more answers it beats the vote, and here only weighing saves money: the vote reaches the expert, too, but by then its workers cost more than the expert.
#
# Read the figure with time in mind, too: someone must write the task, train the workers, answer their mails and look at the doubtful rest. And it matters *which* expert one
# compares with; these see the same blurred pictures.
#
# ## Outlines: a label for each pixel
#
# The same question can be asked of each pixel. Seven simulated raters outline a cell; three are careless. STAPLE, from unit 2, is Dawid and Skene with pixels as cases. **Predict:** which bar will be longer,
# the majority's or STAPLE's?

# %%
disc = np.hypot(*(np.indices((72, 72)) - 36) * np.array([1.0, 1.5])[:, None, None]) < 26
raters = datasets.make_raters(
    disc, n_raters=7, habit_px=1.5, hand_px=1.5, careless_share=0.43, careless_factor=4, seed=4
)
outlines, staple = raters.outlines, agreement.staple(raters.outlines)
figure, axes = plots.panels(1, 3, width_inches=2.9, height_inches=2.9)
for ax, values, title in (
    (axes[0, 0], outlines.mean(0), "share of raters"),
    (axes[0, 1], staple.probability, "STAPLE"),
):
    plots.show_map(values, title, unit="for the cell", limits=(0, 1), spacing_um=0.25, ax=ax)
    ax.contour(disc, [0.5], colors="#D55E00", linewidths=1)
names = [*(f"rater {i + 1}{' (careless)' if c else ''}" for i, c in enumerate(raters.careless)), "majority", "STAPLE"]
values = [
    *(metrics.dice(disc, outline) for outline in outlines),
    metrics.dice(disc, outlines.mean(0) > 0.5),
    metrics.dice(disc, staple.mask),
]
axes[0, 2].barh(range(len(names)), values, color=["0.7"] * 7 + ["C1", "C0"])
axes[0, 2].set_yticks(range(len(names)), labels=names, fontsize=8)
axes[0, 2].set(xlabel="Dice with the truth", xlim=(0.6, 1), ylim=(len(names) - 0.5, -0.5), title="simulated")
plots.describe(
    figure,
    "Share of seven raters and STAPLE's probability at each pixel, with the true border in orange. Dice: "
    + ", ".join(f"{n} {v:.2f}" for n, v in zip(names, values))
    + ".",
)

# %% [markdown]
# STAPLE came out slightly *worse* than the plain majority here. Pixels are no independent cases: a hand errs along a whole stretch of border, and to the method
# that looks like hundreds of witnesses. One cell decides nothing. In the lab's run on five sets of simulated lesions, weighing minus majority was, in Dice:
# {{effect: 18_crowdsourcing: Dice of outlines, Dawid-Skene minus majority}}. Majority minus the mean worker: {{effect: 18_crowdsourcing: Dice of outlines, majority minus mean worker}}. Weighing is no free gift.
#
# Do real hands behave so? Seven workers outlined each cell of BU-BIL (Gurari et al. 2015), which the course does not ship. If you have it, `medcourse effects 18_crowdsourcing --data FOLDER` compares the two there.
#
# ## In practice
#
# SimpleITK has STAPLE, and Dawid and Skene's method with two classes, all workers on all items, no smoothing and the prior kept is the same thing. On the outlines above:

# %%
import SimpleITK

itk = SimpleITK.STAPLEImageFilter()
itk.SetMaximumIterations(50)
theirs = SimpleITK.GetArrayFromImage(itk.Execute([SimpleITK.GetImageFromArray(m.astype(np.uint8)) for m in outlines]))
rounds = itk.GetElapsedIterations()
share = float(outlines.mean())
who, where = np.indices((7, disc.size))
table = crowds.collect_answers(who.ravel(), where.ravel(), outlines.reshape(7, -1).astype(int).ravel())
skene = crowds.dawid_skene(table, prior=[1 - share, share], smoothing=0, n_rounds=rounds, tolerance=0)
ours = agreement.staple(outlines, n_rounds=rounds, tolerance=0)
print(f"largest difference of probabilities after {rounds} rounds, to SimpleITK's:")
print(f"  our STAPLE {np.abs(theirs - ours.probability).max():.1e}")
print(f"  our Dawid and Skene {np.abs(theirs.ravel() - skene.probability[:, 1]).max():.1e}")

# %% [markdown]
# For tables of answers there is the library *crowd-kit*, with dozens of such methods. (The course does not need it.) Whoever runs a crowd also mixes in *gold* pictures whose truth is known, so that spammers are found before
# they are paid, gives every worker the same written examples, and never shows a worker the answers of others.
#
# **The instructor's view.** The answers of your class's game are gathered by `medcourse crowd`, which reads them as data, gives each student a random number instead of a name, and
# sets the class beside the expert. For a simulated class of 24:

# %%
task = datasets.make_mitoses(24, seed=6)
class_ = datasets.make_crowd(
    task.truth, ease=task.ease, n_workers=24, kinds={"honest": 0.7, "sloppy": 0.2, "random spammer": 0.1}, seed=6
)
rows = [(f"w{w + 1}", int(i), int(k)) for w, i, k in zip(class_.worker, class_.item, class_.label)]
print(class_votes.judge_class("simulated class", rows, dict(enumerate(task.truth.tolist())), n_submissions=24))

# %% [markdown]
# ## Where it fails
#
# **When most are wrong.** Dawid and Skene start from the votes. If most answers are wrong, the method finds the opposite of the truth, and is as sure of it. **Before you run on:** at which share of
# adversaries does each curve fall?

# %%
shares = np.array([0, 0.2, 0.4, 0.5, 0.6, 0.8])
fallen = {"vote": [], "Dawid and Skene": []}
for bad in shares:
    team = datasets.make_crowd(
        truth, n_workers=20, answers_per_item=9, kinds={"honest": 1 - bad, "adversary": bad}, seed=11
    )
    table = crowds.collect_answers(team.worker, team.item, team.label, n_workers=20, n_items=len(truth))
    fallen["vote"].append(accuracy(crowds.majority_vote(table)[:, 1]))
    fallen["Dawid and Skene"].append(accuracy(crowds.dawid_skene(table).probability[:, 1]))
plots.plot_curve(
    fallen,
    x=100 * shares,
    xlabel="adversaries (% of 20 simulated workers)",
    ylabel="accuracy",
    title="Nine answers a picture",
)

# %% [markdown]
# A few pictures with a known truth mend this: they tell which way is up.
#
# **When errors are shared.** Let one cell in four mislead everybody who looks. **Predict:** what probability does the method give to its wrong answers?

# %%
ease = np.where(np.random.default_rng(2).random(len(truth)) < 0.25, -0.8, 1.0)
team = datasets.make_crowd(truth, ease=ease, n_workers=20, answers_per_item=9, kinds={"honest": 1.0}, seed=12)
table = crowds.collect_answers(team.worker, team.item, team.label, n_workers=20, n_items=len(truth))
found = crowds.dawid_skene(table)
sure = found.probability.max(1)
wrong = found.label != truth
misled = ease < 0
print(
    f"misleading cells: {100 * wrong[misled].mean():.0f} % wrong, with a mean probability of {sure[misled & wrong].mean():.2f}"
)
print(f"ordinary cells:   {100 * wrong[~misled].mean():.0f} % wrong")
print(
    f"sensitivity of the workers: {np.mean(found.sensitivity):.2f} by the method, {np.mean(team.label[truth[team.item] == 1]):.2f} in truth"
)

# %% [markdown]
# It is sure, it is wrong, and it takes its workers for better than they are. Agreement is all that it can see, and to agree is not to be right.
#
# **When one person is many.** Twenty honest workers, and a spammer with ten accounts, who makes up one list of random answers and hands it in ten times. **Predict:**
# which suffers more, the vote or the weighing?

# %%
honest = datasets.make_crowd(truth, n_workers=20, kinds={"honest": 1.0}, seed=1)
list_of_one = np.random.default_rng(5).integers(2, size=len(truth))
accounts, pictures = np.indices((10, len(truth)))
table = crowds.collect_answers(
    np.concatenate([honest.worker, 20 + accounts.ravel()]),
    np.concatenate([honest.item, pictures.ravel()]),
    np.concatenate([honest.label, np.tile(list_of_one, 10)]),
)
found = crowds.dawid_skene(table)
print(
    f"accuracy: vote {accuracy(crowds.majority_vote(table)[:, 1]):.2f}, Dawid and Skene {accuracy(found.probability[:, 1]):.2f}"
)
print(
    f"sensitivity by the method: honest workers {np.mean(found.sensitivity[:20]):.2f}, the ten accounts {np.mean(found.sensitivity[20:]):.2f}"
)

# %% [markdown]
# Nobody agrees as well as copies do. The method believes the ten, and loses everything; a plain vote, in which ten are a third, keeps most. So look for workers who agree too well, *before* you weigh.
#
# **Question 3.** Twenty workers agree on 95 % of your pictures. What do you know about the labels?
#
# <details><summary>About 95 % of them are right</summary>
#
# Agreement puts no number on that. All may follow the same wrong rule, such as "dark means mitosis".
#
# </details>
# <details><summary>Only that they follow a common rule; its truth must be checked on pictures with a known answer</summary>
#
# Yes. Take a random sample, let an expert or a better test (a second stain, histology, follow-up) decide, and report that.
#
# </details>
# <details><summary>Nothing at all</summary>
#
# A little: their answers do depend on the picture, and on the same things in it. Random spammers would not agree so often.
#
# </details>
#
# **Patients' pictures leave the hospital.** Nobody in a crowd is bound to secrecy. A head CT shows a face, ultrasound has names burnt in, a rare disease names its patient. What is shown must be consented to or
# waived by a review board, as in the polyp study, and cleaned: crops, no dates, no text. Some pictures should not be shown at all.
#
# **People are paid, or not.** Over 3.8 million tasks on one large platform workers earned about 2 dollars an hour in the median; 4 % earned more than 7.25 dollars (Hara et al. 2018). Time how long your
# task takes, and pay the minimum wage of where *you* are. To refuse payment because a model calls somebody a spammer is to let an estimate decide about rent.
#
# **Who answers for it?** If a patient is harmed by a label of a crowd, no crowd can be asked. The one who bought it can.
#
# ## Take-aways
#
# - A worker is two numbers, a sensitivity and a specificity; spammers are where they add up to one.
# - A vote is wise if errors are independent and mostly right. More workers do not cure errors in common.
# - Dawid and Skene measure the workers without a truth: by agreement, and by nothing else. Copies agree best.
# - AggNet adds the picture. That can better the labels without bettering the network on new pictures: measure both.
# - Keep some pictures with a known truth; send hard ones to an expert; count cost with everybody's time.
# - Patients have not agreed to a crowd, and workers must be paid.
#
# ## References
#
# - T. B. Nguyen et al. Distributed Human Intelligence for Colonic Polyp Classification in Computer-aided Detection for CT Colonography. Radiology
#   262(3):824-833, 2012. [doi:10.1148/radiol.11110938](https://doi.org/10.1148/radiol.11110938)
# - M. T. McKenna et al. Strategies for improved interpretation of computer-aided detections for CT colonography utilizing distributed human intelligence.
#   Medical Image Analysis 16(6):1280-1292, 2012. [doi:10.1016/j.media.2012.04.007](https://doi.org/10.1016/j.media.2012.04.007)
# - S. Albarqouni et al. AggNet: Deep Learning From Crowds for Mitosis Detection in Breast Cancer Histology Images. IEEE Transactions on Medical Imaging 35(5):1313-1321, 2016.
#   [doi:10.1109/TMI.2016.2528120](https://doi.org/10.1109/TMI.2016.2528120)
# - A. P. Dawid, A. M. Skene. Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm. Applied Statistics 28(1):20-28, 1979.
#   [doi:10.2307/2346806](https://doi.org/10.2307/2346806)
# - S. K. Warfield, K. H. Zou, W. M. Wells. Simultaneous Truth and Performance Level Estimation (STAPLE). IEEE Transactions on Medical Imaging 23(7):903-921, 2004.
#   [doi:10.1109/TMI.2004.828354](https://doi.org/10.1109/TMI.2004.828354)
# - C. A. Bertram et al. Are pathologist-defined labels reproducible? Comparison of the TUPAC16 mitotic figure dataset with an alternative set of labels. 2020.
#   [doi:10.48550/arXiv.2007.05351](https://doi.org/10.48550/arXiv.2007.05351)
# - D. Gurari et al. How to Collect Segmentations for Biomedical Images? A Benchmark Evaluating the Performance of Experts, Crowdsourced Non-Experts, and Algorithms. WACV 2015.
#   [doi:10.1109/WACV.2015.160](https://doi.org/10.1109/WACV.2015.160)
# - K. Hara et al. A Data-Driven Analysis of Workers' Earnings on Amazon Mechanical Turk. CHI 2018. [doi:10.1145/3173574.3174023](https://doi.org/10.1145/3173574.3174023)
