# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 18: how many strangers make an expert
#
# A pathologist's hour is dear, and a network wants thousands of labels. So people on the internet were asked: is this a polyp (Nguyen 2012,
# McKenna 2012), does this cell divide (Albarqouni 2016)? Some looked closely, some guessed, and some clicked for the money.
# In this lab you turn such answers into labels, find out who can be trusted without knowing one right answer, and train a network on it.
#
# **You will be able to**
#
# - count votes without hiding ties;
# - estimate truth and workers together (Dawid and Skene's expectation-maximisation);
# - let a network's opinion count as one more voice, as AggNet does;
# - say how many workers equal an expert, at what cost, and when no number does;
# - aggregate outlines pixel by pixel, and keep "said no" apart from "was not asked";
# - test when weighing workers beats counting them, and when it does not.
#
# **Time:** about 110 minutes. **Before this:** the lesson *Many strangers, one label*.
#
# **Cost:** {{cost}}
#
# Cells and workers are **simulated**. The answers of your own class are not: yours are the first that you give.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch

from medcourse import datasets, effects, models, plots, testing
from medcourse.testing import close

testing.begin_lab(seed=18)
plots.use_style()

CLASSES = ["no mitosis", "mitosis"]
game = datasets.make_mitoses(16, mitotic=0.5, size=96, spacing_um=0.25, defocus_um=0.5, seed=1800)

# %% tags=["picture"] picture="kinds"
examples = datasets.make_mitoses(60, size=96, spacing_um=0.25, defocus_um=0.3, seed=1801)
kinds = ["metaphase", "anaphase", "prometaphase", "interphase", "hyperchromatic", "pyknotic"]
figure, axes = plots.panels(1, 6, width_inches=1.7, height_inches=2.0)
for ax, kind in zip(axes[0], kinds):
    i = min(np.flatnonzero(np.array(examples.kind) == kind), key=lambda n: examples.blur_um[n])
    um = examples.spacing_um if kind == kinds[0] else None
    plots.show_image(examples.images[i], kind, spacing_um=um, ax=ax)
plots.describe(
    figure,
    "Six simulated cells in haematoxylin and eosin. Mitoses: a dark plate, two dark plates apart, a dark ragged clump, each in a pale cell. Others: a pale oval nucleus, a dark grained one that ends in a jagged edge, a black rounded body in a pink cell.",
)

# %% [markdown]
# Left three: cells that divide. Their chromatin is dense, its edge is ragged, and the cell around has become pale. Right three: cells that do not.
# The *hyperchromatic* nucleus is dark, too, and as you see its edge may be jagged. But it is no plate: it still has its membrane, a whole outline around
# grained chromatin. Small or blurred ones mimic a mitosis, and you will not tell all of them. The *pyknotic* cell is dying: black and round, in one piece or several, pink around.
#
# Ten such examples are about what Nguyen's workers got before they began: five polyps and five others ([NIH Clinical Center Radio, episode 89](http://www.cc.nih.gov/podcast/transcripts/2012/089-crowdsourcing.html)).
#
# ## Exercise 1: be the crowd
#
# Sixteen cells, half of which divide. Label each, then copy the line below the buttons into the answer cell. Do not ask
# your neighbour: what makes a crowd is that its errors differ.
#
# $$ \text{answer} = \begin{cases} 1 & \text{the cell in the middle divides} \\ 0 & \text{it does not} \end{cases} $$
#
# The point is for answering, not for being right. Write the numbers out, as the game does: `medcourse crowd` reads the line and runs no code, so it
# counts no answers that a loop has made. Your teacher can gather the answers of the class, without names, and see
# what all of you know together.
#
# **Predict first:** of your sixteen answers, how many will be right?

# %% tags=["experiment"]
plots.label_images(
    game.images,
    CLASSES,
    question="Does the cell in the middle divide?",
    spacing_um=game.spacing_um,
)

# %% nbgrader={"grade": false, "grade_id": "labels_of_the_game", "locked": false, "schema_version": 3, "solution": true, "task": false}
"""Paste the line of the game here: the number of each picture, 0 to 15, with its class, 0 or 1.

It must stand at the beginning of a line and hold plain numbers, for it is read without being run.
"""
### BEGIN SOLUTION
my_answers = {0: 1, 1: 0, 2: 1, 3: 1, 4: 1, 5: 0, 6: 0, 7: 1, 8: 1, 9: 1, 10: 0, 11: 0, 12: 0, 13: 1, 14: 0, 15: 0}
### END SOLUTION

# %% [markdown]
# <details><summary>Hint</summary>
#
# If there are no buttons, read the sheet: each picture has its number. Write the line by hand.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "labels_of_the_game_complete", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Each of the 16 pictures once, with class 0 or 1. Which of both is yours to say.
# (A line that is computed passes here, but `medcourse crowd` leaves it out: numbers written out are read, code is not run.)
pictures = sorted(int(picture) for picture in my_answers)
close(
    len(pictures),
    16,
    "the number of pictures that you labelled",
    "16 in all, 0 to 15, written out as numbers: code is not counted by `medcourse crowd`",
)
### BEGIN HIDDEN TESTS
close(
    np.array(pictures), np.arange(16), "the numbers of the pictures", "each from 0 to 15 once, written out as a number"
)
said = np.array([float(my_answers[picture]) for picture in range(16)])
close(
    said * (said - 1),
    np.zeros(16),
    "class x (class - 1), which is 0 for the classes 0 and 1",
    "0 and 1 are the classes, written out as numbers: code is not counted by `medcourse crowd`",
)
### END HIDDEN TESTS

# %% tags=["experiment"]
mine = np.array([int(my_answers[picture]) for picture in range(16)])
print(
    f"You found {np.sum(mine[game.truth == 1])} of {np.sum(game.truth)} mitoses and let {np.sum(1 - mine[game.truth == 0])} of "
    f"{np.sum(1 - game.truth)} other cells pass."
)

# %% [markdown]
# These two shares are all that the methods below will know about a worker: the *sensitivity* $\alpha$ and the *specificity* $\beta$.
#
# ## Exercise 2: the majority, and its ties
#
# Answers come as a list of three numbers each: *who* said *what* about *which item*. Not everybody sees every item, so a
# square table would be full of holes. (Somebody who saw nothing of an item did not say 0!)
#
# Let $v_{ik}$ be the number of workers who put item $i$ into class $k$. The majority is
#
# $$ p_{ik} = \begin{cases} 1/m & v_{ik} = \max_l v_{il} \\ 0 & \text{else} \end{cases} $$
#
# where $m$ classes share the most votes. A tie stays a tie: a rule such as "the first class wins" makes every doubt a
# "no mitosis", and nobody will see that it was a doubt. Where nobody answered, all classes are tied.
#
# <details><summary>Hint</summary>
#
# `np.add.at(table, (rows, columns), 1)` counts pairs, also those that come more than once; `table[rows, columns] += 1` does not.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "majority", "locked": false, "schema_version": 3, "solution": true, "task": false}
def majority(item: np.ndarray, label: np.ndarray, n_items: int, n_classes: int) -> np.ndarray:
    """Return who wins each item.

    Parameters
    ----------
    item, label : (A,) arrays of int
        Answer a put item `item[a]` into class `label[a]`; numbers begin at 0. In any order.
    n_items, n_classes : int

    Returns
    -------
    (n_items, n_classes) array of float
        Rows add up to 1: the winner has 1, or the m classes that are tied have 1 / m each.
    """
    ### BEGIN SOLUTION
    votes = np.zeros((n_items, n_classes))
    np.add.at(votes, (item, label), 1)
    best = votes == votes.max(axis=1, keepdims=True)
    return best / best.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "majority_winner", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two items, three workers each, in any order.
item, label = np.array([0, 1, 0, 1, 0, 1]), np.array([1, 0, 1, 0, 0, 1])
close(
    majority(item, label, 2, 2),
    np.array([[0.0, 1.0], [1.0, 0.0]]),
    "two items, two votes against one",
    "which class has most votes?",
)
### BEGIN HIDDEN TESTS
item, label = np.array([0, 0, 0, 0, 0, 2, 2, 2, 2, 1]), np.array([2, 0, 2, 1, 2, 1, 0, 1, 2, 0])
expected = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
close(
    majority(item, label, 3, 3),
    expected,
    "three items and three classes",
    "the most votes win, even if they are less than half",
)
rng = testing.hidden_rng("majority_winner")
item, label = rng.integers(9, size=200), rng.integers(4, size=200)
close(majority(item, label, 9, 4).sum(1), np.ones(9), "the sum of each row for 200 answers")
where = np.array(majority(np.repeat([0, 1], 7), np.array([3] * 4 + [0] * 3 + [1] * 5 + [3] * 2), 2, 4))
close(
    where,
    np.eye(4)[[3, 1]],
    "seven answers about each of two items",
    "does every answer count, also if it comes again?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "majority_ties", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One vote each: nobody knows.
close(
    majority(np.array([0, 0]), np.array([1, 0]), 1, 2),
    np.array([[0.5, 0.5]]),
    "one vote for each of two classes",
    "a tie stays a tie",
)
### BEGIN HIDDEN TESTS
item, label = np.array([0, 0, 0, 0, 0, 1, 1]), np.array([0, 0, 3, 3, 1, 2, 2])
expected = np.array([[0.5, 0, 0, 0.5], [0, 0, 1, 0], [0.25] * 4])
close(
    majority(item, label, 3, 4),
    expected,
    "a tie of two, a winner, and an item that nobody saw",
    "who has no answers has a tie of all classes",
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: truth and workers together
#
# If we knew the truth, we could count how often each worker confuses what. If we knew the workers, we could weigh their
# answers. We know neither. Dawid and Skene (1979) do both in turn, and start from the votes.
#
# Worker $w$ has a *confusion matrix* $\theta^w$: they say $l$ where $k$ is true with probability $\theta^w_{kl}$. Class $k$ is true with
# probability $\pi_k$ before anybody answers. The **E-step** weighs the answers $l_a$ of workers $w_a$ about item $i$:
#
# $$ p_{ik} = \frac{\pi_k \prod_{a \text{ about } i} \theta^{w_a}_{k l_a}}{\sum_{k'} \pi_{k'} \prod_{a \text{ about } i} \theta^{w_a}_{k' l_a}} $$
#
# **Predict first:** a worker is wrong nine times of ten. What is such an answer worth?
#
# <details><summary>Hint</summary>
#
# A product of 2000 numbers below 1 is 0 for a computer. Add logarithms, and subtract each row's largest before you go
# back. `np.add.at` adds rows of a table, too.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "e_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def e_step(
    worker: np.ndarray, item: np.ndarray, label: np.ndarray, confusion: np.ndarray, prior: np.ndarray, n_items: int
) -> np.ndarray:
    """Return how probable each class is for each item, from workers that are known.

    Parameters
    ----------
    worker, item, label : (A,) arrays of int
        One row an answer. There may be thousands about one item.
    confusion : (W, K, K) array of float
        confusion[w, k, l]: worker w says l where k is true; above 0.
    prior : (K,) array of float
        How often each class is true; above 0.
    n_items : int

    Returns
    -------
    (n_items, K) array of float
        Rows add up to 1. The prior where nobody answered.
    """
    ### BEGIN SOLUTION
    joint = np.tile(np.log(prior), (n_items, 1))  # (I, K)
    np.add.at(joint, item, np.log(confusion)[worker, :, label])  # one (K,) row an answer
    shares = np.exp(joint - joint.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "e_step_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One item, one worker who is right nine times of ten, and a prior of one half.
nine = np.array([[[0.9, 0.1], [0.1, 0.9]]])
one = np.array([0])
close(
    e_step(one, one, np.array([1]), nine, np.array([0.5, 0.5]), 1), np.array([[0.1, 0.9]]), "one answer of one worker"
)
### BEGIN HIDDEN TESTS
close(
    e_step(one, one, np.array([1]), nine[:, :, ::-1].copy(), np.array([0.5, 0.5]), 1),
    np.array([[0.9, 0.1]]),
    "the answer of a worker who is wrong nine times of ten",
    "such an answer says the opposite",
)
lopsided = np.array([[[0.8, 0.2], [0.4, 0.6]]])
close(
    e_step(one, one, np.array([1]), lopsided, np.array([0.7, 0.3]), 1),
    np.array([[0.14, 0.18]]) / 0.32,
    "one answer of a worker with unequal errors, prior 0.7 and 0.3",
    "row k is the truth, column l the answer; times the prior",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "e_step_many", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Several workers and classes; an item that nobody saw keeps the prior.
confusion = np.array([[[0.8, 0.2], [0.3, 0.7]], [[0.6, 0.4], [0.1, 0.9]]])
got = e_step(np.array([0, 1, 0]), np.array([0, 0, 2]), np.array([1, 1, 0]), confusion, np.array([0.25, 0.75]), 3)
close(got[1], np.array([0.25, 0.75]), "an item without answers", "the prior is all that is known")
### BEGIN HIDDEN TESTS
first = np.array([0.25 * 0.2 * 0.4, 0.75 * 0.7 * 0.9])
last = np.array([0.25 * 0.8, 0.75 * 0.3])
expected = np.stack([first / first.sum(), np.array([0.25, 0.75]), last / last.sum()])
close(
    got, expected, "two answers about item 0, none about 1, one about 2", "the product over the answers about an item"
)
rng = testing.hidden_rng("e_step_many")
confusion = rng.dirichlet(np.ones(4), (6, 4))
worker, item, label = rng.integers(6, size=50), rng.integers(8, size=50), rng.integers(4, size=50)
prior = rng.dirichlet(np.ones(4))
expected = np.tile(prior, (9, 1))
for w, i, said in zip(worker, item, label):
    expected[i] *= confusion[w, :, said]
expected /= expected.sum(1, keepdims=True)
close(
    e_step(worker, item, label, confusion, prior, 9),
    expected,
    "50 answers of six workers about nine items, four classes",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "e_step_long", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# 3000 answers of two workers who are hardly better than a coin, about one item.
weak = np.array([[[0.51, 0.49], [0.49, 0.51]], [[0.52, 0.48], [0.49, 0.51]]])
n = 3000
got = e_step(np.arange(n) % 2, np.zeros(n, int), (np.arange(n) % 40 < 21).astype(int), weak, np.array([0.5, 0.5]), 1)
close(np.sum(got), 1.0, "the sum of both probabilities after 3000 answers", "do products vanish? add logarithms")
### BEGIN HIDDEN TESTS
from scipy.special import softmax

said = (np.arange(n) % 40 < 21).astype(int)
logs = np.log(weak)[np.arange(n) % 2, :, said].sum(0)
close(got, softmax(logs)[None], "the probabilities after 3000 answers", "do products vanish? add logarithms", rtol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# The **M-step** counts. Where an item is mitosis with probability 0.7, an answer about it counts 0.7 in the row of mitosis
# and 0.3 in the other. A worker who gave one answer would be found perfect, or perfectly wrong. So everybody starts
# with $s$ imaginary answers in each cell:
#
# $$ \theta^w_{kl} = \frac{s + \sum_{a:\, w_a = w,\, l_a = l} p_{i_a k}}{\sum_{l'} \left( s + \sum_{a:\, w_a = w,\, l_a = l'} p_{i_a k} \right)}, \qquad \pi_k = \frac{1}{I} \sum_i p_{ik}. $$


# %% nbgrader={"grade": false, "grade_id": "m_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def m_step(
    worker: np.ndarray, item: np.ndarray, label: np.ndarray, probability: np.ndarray, n_workers: int, smoothing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each worker confuses and how often each class is true, from items that are known in part.

    Parameters
    ----------
    worker, item, label : (A,) arrays of int
        One row an answer.
    probability : (I, K) array of float
        Of each class for each item; rows add up to 1.
    n_workers : int
        Some of them may have given no answer.
    smoothing : float
        Imaginary answers in each cell of each worker's table, above 0.

    Returns
    -------
    confusion : (n_workers, K, K) array of float
        Row k of a worker: how often they say each class where k is true. Rows add up to 1.
    prior : (K,) array of float
        Mean over all items.
    """
    ### BEGIN SOLUTION
    n_classes = probability.shape[1]
    table = np.full((n_workers, n_classes, n_classes), float(smoothing))
    # Worker and label choose a column, which the item's probabilities are added to.
    np.add.at(table.transpose(0, 2, 1), (worker, label), probability[item])
    return table / table.sum(axis=2, keepdims=True), probability.mean(axis=0)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# A loop over answers is right, and slow: `table[worker[a], :, label[a]] += probability[item[a]]`. Try it first. Then let
# `np.add.at` do it at once.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "m_step_counts", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One worker, four items that are known for sure; one imaginary answer in each cell.
sure = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
one = np.zeros(4, int)
confusion, _ = m_step(one, np.arange(4), np.array([0, 1, 1, 1]), sure, 1, 1.0)
close(
    confusion,
    np.array([[[0.5, 0.5], [0.25, 0.75]]]),
    "the table of a worker with three right answers of four",
    "rows are the truth, columns the answer; is `smoothing` added to each cell before a row is divided?",
)
### BEGIN HIDDEN TESTS
confusion, _ = m_step(one, np.array([0, 0, 0, 2]), np.array([1, 1, 0, 1]), sure, 2, 0.5)
expected = np.array([[[0.375, 0.625], [0.25, 0.75]], [[0.5, 0.5], [0.5, 0.5]]])
close(
    confusion,
    expected,
    "three answers about one item, and a worker without answers",
    "every answer counts; `smoothing` stands in each cell, so that nobody divides by 0",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "m_step_beliefs", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Half a belief is half an answer.
belief = np.array([[0.7, 0.3], [0.2, 0.8]])
confusion, prior = m_step(np.array([0, 0]), np.array([0, 1]), np.array([1, 0]), belief, 1, 1.0)
close(confusion[0, 1], np.array([1.8, 1.3]) / 3.1, "the row of class 1, of answers about 0.3 and 0.8 of a mitosis")
close(
    prior, np.array([0.45, 0.55]), "how often each class is true, of two items", "the mean over items, not over answers"
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("m_step_beliefs")
belief = rng.dirichlet(np.ones(3), 7)
worker, item, label = rng.integers(5, size=60), rng.integers(6, size=60), rng.integers(3, size=60)
expected = np.full((5, 3, 3), 0.3)
for w, i, said in zip(worker, item, label):
    expected[w, :, said] += belief[i]
expected /= expected.sum(2, keepdims=True)
(confusion, prior), (_, _, _, kept, *_) = testing.inout(m_step, worker, item, label, belief, 5, 0.3)
close(
    confusion,
    expected,
    "60 answers of five workers, three classes, smoothing 0.3",
    "weigh each answer by its item's probabilities, and add `smoothing` as it was given",
)
close(
    prior,
    belief.mean(0),
    "how often each class is true, of seven items, one of which nobody saw",
    "the mean over all items",
)
close(kept, belief, "the probabilities after the call", "work on a copy")
### END HIDDEN TESTS

# %% [markdown]
# Both steps in turn are the method. It starts from the shares of votes.


# %% nbgrader={"grade": false, "grade_id": "dawid_skene", "locked": true, "schema_version": 3, "solution": false, "task": false}
def dawid_skene(worker, item, label, n_workers, n_items, n_classes, smoothing=1.0, n_rounds=100):
    """Your two steps in turn: probabilities (I, K), confusion matrices (W, K, K), and the number of rounds."""
    worker, item, label = (np.asarray(column) for column in (worker, item, label))
    probability = np.zeros((n_items, n_classes))
    np.add.at(probability, (item, label), 1.0)
    probability = (probability + 1e-9) / (probability + 1e-9).sum(1, keepdims=True)
    for rounds in range(1, n_rounds + 1):
        before = probability
        confusion, prior = m_step(worker, item, label, probability, n_workers, smoothing)
        probability = np.asarray(e_step(worker, item, label, np.asarray(confusion), np.asarray(prior) + 1e-12, n_items))
        if np.abs(probability - before).max() < 1e-6:
            break
    return probability, np.asarray(confusion), rounds


# %% tags=["picture"] picture="workers"
truth = (np.random.default_rng(7).random(300) < 0.4).astype(int)
crowd = datasets.make_crowd(truth, n_workers=40, answers_per_item=8, seed=7)
_, confusion, rounds = dawid_skene(crowd.worker, crowd.item, crowd.label, 40, 300, 2)
figure, axes = plots.panels(1, 1, width_inches=5.6, height_inches=4.4)
ax, kinds = axes[0, 0], np.array(crowd.kind)
for kind, mark in zip(["honest", "sloppy", "constant spammer", "random spammer", "adversary"], "os^vX"):
    who = kinds == kind
    ax.scatter(confusion[who, 0, 0], confusion[who, 1, 1], marker=mark, s=50, label=kind)
ax.plot([0, 1], [1, 0], "--", color="0.6", linewidth=1)
ax.set(xlabel="specificity: says none where there is none", ylabel="sensitivity: says mitosis where there is one")
ax.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
ax.legend(title="what the simulator made", fontsize=8, title_fontsize=8, bbox_to_anchor=(1.02, 1), loc="upper left")
plots.describe(
    figure,
    "Each worker as found by Dawid and Skene's method, without the truth. Honest ones lie towards the upper right corner, sloppy ones nearer to the falling diagonal, spammers on it, adversaries below it.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: honest workers towards the upper right corner, sloppy ones nearer the falling diagonal, spammers along it, adversaries below it](attachment:workers.png)
#
# </details>
#
# Nobody told the method who is who. On the falling diagonal an answer is worth nothing: it comes as often with as without a mitosis.
# Below it, it is worth as much as above: turned round. (What you predicted: a worker who is wrong nine times of ten is as good a witness as one
# who is right nine times of ten, once known.)
#
# ## Exercise 4: the network has a voice
#
# AggNet (Albarqouni and others, 2016) trains a network on the probabilities, and then lets its output $\pi_i$ take the place of the
# prior, picture by picture. With the votes $y_{iw} \in \{0, 1\}$ of the workers who saw item $i$,
#
# $$ \mu_i = \frac{a_i \pi_i}{a_i \pi_i + b_i (1 - \pi_i)}, \quad
# a_i = \prod_w \alpha_w^{y_{iw}} (1 - \alpha_w)^{1 - y_{iw}}, $$
#
# $$ b_i = \prod_w \beta_w^{1 - y_{iw}} (1 - \beta_w)^{y_{iw}}. $$
#
# The network then learns $\mu$, and so on in turns. It sees what no vote can tell: that two cells look alike.
#
# <details><summary>Hint</summary>
#
# $\mu_i$ is the sigmoid of $\operatorname{logit} \pi_i + \log a_i - \log b_i$. `torch.where` chooses by a mask;
# a vote of -1 must add 0 to the sum.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "aggnet_posterior", "locked": false, "schema_version": 3, "solution": true, "task": false}
def aggnet_posterior(votes: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor, pi: torch.Tensor) -> torch.Tensor:
    """Return the probability of class 1 for each item, given votes, workers and the network's opinion.

    Parameters
    ----------
    votes : (I, W) tensor of int
        0 or 1, and -1 where a worker did not see the item.
    alpha, beta : (W,) tensors of float
        Sensitivity and specificity of each worker, between 0 and 1 (both excluded).
    pi : (I,) tensor of float
        The network's probability of class 1, in [0, 1]; exactly 0 and 1 are possible.

    Returns
    -------
    (I,) tensor of float
        0 where pi is 0, and 1 where pi is 1, whatever the workers say.
    """
    ### BEGIN SOLUTION
    for_yes = alpha.log() - (1 - beta).log()
    for_no = (1 - alpha).log() - beta.log()
    gains = torch.where(votes == 1, for_yes, for_no) * (votes >= 0)  # (I, W)
    return (torch.logit(pi) + gains.sum(dim=1)).sigmoid()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "aggnet_posterior_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two workers; the second says no.
votes = torch.tensor([[1, 0]])
alpha, beta = torch.tensor([0.8, 0.7]), torch.tensor([0.9, 0.6])
close(
    aggnet_posterior(votes, alpha, beta, torch.tensor([0.5])),
    np.array([0.8]),
    "votes 1 and 0, and a network that says 0.5",
)
### BEGIN HIDDEN TESTS
a, b = 0.8 * 0.3 * 0.2, 0.1 * 0.6 * 0.8
close(
    aggnet_posterior(votes, alpha, beta, torch.tensor([0.2])),
    np.array([a / (a + b)]),
    "the same votes, and a network that says 0.2",
    "the network's opinion is the prior",
)
rng = testing.hidden_rng("aggnet_posterior_value")
votes, alpha, beta, pi = (
    rng.integers(0, 2, (6, 4)),
    rng.uniform(0.1, 0.9, 4),
    rng.uniform(0.1, 0.9, 4),
    rng.uniform(0.1, 0.9, 6),
)
a = np.where(votes == 1, alpha, 1 - alpha).prod(1)
b = np.where(votes == 1, 1 - beta, beta).prod(1)
close(
    aggnet_posterior(*(torch.as_tensor(x) for x in (votes, alpha, beta, pi))),
    a * pi / (a * pi + b * (1 - pi)),
    "six items, four workers",
    "alpha where a mitosis is true, beta where none is; pi item by item",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "aggnet_posterior_missing", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Who did not see an item said nothing about it.
alpha, beta = torch.tensor([0.8, 0.7]), torch.tensor([0.9, 0.6])
close(
    aggnet_posterior(torch.tensor([[-1, -1]]), alpha, beta, torch.tensor([0.3])),
    np.array([0.3]),
    "an item without votes",
    "-1 is neither yes nor no",
)
### BEGIN HIDDEN TESTS
got = aggnet_posterior(torch.tensor([[1, -1], [-1, 0]]), alpha, beta, torch.tensor([0.5, 0.5]))
close(got, np.array([0.8 / 0.9, 0.3 / 0.9]), "one vote for each of two items", "leave out who did not see it")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "aggnet_posterior_extreme", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A network that is quite sure, and more votes than a product can bear.
alpha, beta = torch.tensor([0.8, 0.7]), torch.tensor([0.9, 0.6])
sure = aggnet_posterior(torch.tensor([[1, 1], [0, 0]]), alpha, beta, torch.tensor([0.0, 1.0]))
close(
    sure,
    np.array([0.0, 1.0]),
    "votes against a network that says exactly 0 and 1",
    "is something not a number, or cut off?",
)
### BEGIN HIDDEN TESTS
good, both = torch.full((20,), 0.9), torch.tensor([0.0, 1.0])
united = torch.tensor([[1] * 20, [0] * 20])
close(
    aggnet_posterior(united, good, good, both),
    both,
    "twenty votes against a network that says exactly 0 and 1",
    "is something cut off, or a little number added?",
)
half = torch.full((6000,), 0.5)
many = aggnet_posterior(torch.ones(1, 6000, dtype=torch.long), half, half, torch.tensor([0.3]))
close(many, np.array([0.3]), "6000 votes of workers who toss a coin", "do products vanish? add logarithms")
weak = aggnet_posterior(torch.ones(1, 6000, dtype=torch.long), half + 1e-4, half, torch.tensor([0.5]))
close(
    weak,
    np.array([0.76849]),
    "6000 votes of workers who hardly know better",
    "add logarithms in double precision",
    rtol=1e-3,
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5: how many make an expert?
#
# If workers err independently, each right with probability $p$, then a majority of $n$ of them is right with probability
#
# $$ M(p, n) = \sum_{k > n/2} \binom{n}{k} p^k (1-p)^{n-k} \;+\; \tfrac12 \binom{n}{n/2} p^{n/2} (1-p)^{n/2} \;[n \text{ even}], $$
#
# for a tie is decided by a coin. Condorcet wrote about it in 1785, about juries. Find the smallest crowd that is as good as an
# expert, and what it costs.
#
# <details><summary>Hint</summary>
#
# `scipy.stats.binom` has `sf(k, n, p)`, the probability of *more* than k, and `pmf(k, n, p)`, that of exactly k. Then try n = 1, 2, 3 ...
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "majority_accuracy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def majority_accuracy(p: float, n: int) -> float:
    """Return how often the majority of n workers is right.

    Parameters
    ----------
    p : float
        How often each of them is right, in [0, 1], independently.
    n : int
        At least 1; may be even. A tie is decided by a coin.
    """
    ### BEGIN SOLUTION
    from scipy.stats import binom

    tie = binom.pmf(n // 2, n, p) if n % 2 == 0 else 0.0
    return float(binom.sf(n // 2, n, p) + tie / 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "majority_accuracy_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Three workers, each right with probability 0.8: 0.8^3 + 3 x 0.8^2 x 0.2.
close(majority_accuracy(0.8, 3), 0.896, "the majority of three workers who are right with probability 0.8")
close(majority_accuracy(0.8, 2), 0.8, "two such workers", "a tie is decided by a coin")
### BEGIN HIDDEN TESTS
from itertools import product

for p, n in [(0.3, 4), (0.65, 5), (0.9, 6), (0.55, 1)]:
    expected = 0.0
    for right in product([0, 1], repeat=n):
        won = 1.0 if 2 * sum(right) > n else 0.5 if 2 * sum(right) == n else 0.0
        expected += won * p ** sum(right) * (1 - p) ** (n - sum(right))
    close(
        majority_accuracy(p, n),
        expected,
        f"{n} workers who are right with probability {p}",
        "the most votes win; half of the ties",
    )
close(majority_accuracy(0.51, 1001), 0.7366, "1001 workers who are right with probability 0.51", rtol=1e-3)
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "crowd_for_expert", "locked": false, "schema_version": 3, "solution": true, "task": false}
def crowd_for_expert(
    p: float, expert: float, pay_cents: float, expert_pay_cents: float, most: int = 199
) -> dict | None:
    """Return the smallest crowd whose majority is right at least as often as an expert.

    Parameters
    ----------
    p, expert : float
        How often a worker, and the expert, is right.
    pay_cents, expert_pay_cents : float
        For one answer of a worker, and of the expert.
    most : int
        The largest crowd that could be asked.

    Returns
    -------
    dict or None
        "workers": how many; "cents": what they cost together; "cheaper": True if that is less than the expert.
        None if no crowd of at most that many is as good.
    """
    ### BEGIN SOLUTION
    for n in range(1, most + 1):
        if majority_accuracy(p, n) >= expert:
            return {"workers": n, "cents": n * pay_cents, "cheaper": bool(n * pay_cents < expert_pay_cents)}
    return None
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "crowd_for_expert_number", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# An expert who is right with probability 0.95.
got = crowd_for_expert(0.8, 0.95, 5.0, 100.0)
close(got["workers"], 7, "the number of workers of 0.8 that equal an expert of 0.95")
### BEGIN HIDDEN TESTS
close(
    crowd_for_expert(0.6, 0.95, 5.0, 100.0)["workers"],
    67,
    "the number of workers of 0.6 that equal an expert of 0.95",
    "the smallest that is at least as good",
)
close(
    crowd_for_expert(0.75, 0.84375, 5.0, 100.0)["workers"],  # no rounding: sums of 1/64
    3,
    "workers of 0.75 for an expert of exactly 0.84375",
    "as good is enough",
)
close(crowd_for_expert(0.97, 0.95, 5.0, 100.0)["workers"], 1, "a worker who is better than the expert")
close(
    crowd_for_expert(0.6, 0.4, 5.0, 100.0)["workers"],
    1,
    "workers of 0.6 for an expert of 0.4",
    "somebody must be asked",
)
close(
    crowd_for_expert(0.6, 0.95, 0.0, 100.0, most=67),
    {"workers": 67, "cents": 0.0, "cheaper": True},
    "volunteers of 0.6 for an expert of 0.95, where 67 are needed and 67 may be asked",
    "does the largest crowd count, too?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "crowd_for_expert_cost", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Seven workers at 5 cents, or one expert at 100.
got = crowd_for_expert(0.8, 0.95, 5.0, 100.0)
close(got["cents"], 35.0, "the pay of seven workers, in cents")
close(got["cheaper"], True, "whether 35 cents are less than 100")
### BEGIN HIDDEN TESTS
close(
    crowd_for_expert(0.8, 0.95, 20.0, 100.0)["cheaper"], False, "whether seven workers at 20 cents are cheaper than 100"
)
close(
    crowd_for_expert(0.8, 0.95, 20.0, 140.0)["cheaper"],
    False,
    "whether 140 cents are less than 140",
    "less, not the same",
)
close(sorted(got), ["cents", "cheaper", "workers"], "the names of what is returned")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "crowd_for_expert_never", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Workers who toss a coin: no crowd is large enough.
close(
    crowd_for_expert(0.5, 0.95, 5.0, 100.0),
    None,
    "workers of 0.5 for an expert of 0.95",
    "what if no number is enough?",
)
### BEGIN HIDDEN TESTS
close(crowd_for_expert(0.3, 0.9, 5.0, 100.0), None, "workers of 0.3", "more of them make it worse")
close(crowd_for_expert(0.6, 0.95, 5.0, 100.0, most=66), None, "66 workers at most where 67 are needed")
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6: pixel by pixel
#
# Crowds also outline. To aggregate outlines, every pixel becomes an item, and a mask becomes as many answers as it has pixels: 1 inside, 0
# outside. For pixel (row, column) of image $j$, all of height $H$ and width $W$,
#
# $$ \text{item} = j \, H W + \text{row} \cdot W + \text{column}. $$
#
# An empty mask is an answer: "there is nothing here". A mask that was never asked for is none. Who fills up missing
# masks with zeros makes a worker who was away say "healthy" a thousand times.
#
# <details><summary>Hint</summary>
#
# `np.repeat` and broadcasting: mask m gives H W answers of worker `worker[m]`. `mask.ravel()` goes row by row.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "outlines_to_answers", "locked": false, "schema_version": 3, "solution": true, "task": false}
def outlines_to_answers(
    worker: np.ndarray, image: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn outlines into a table of answers, one row a pixel.

    Parameters
    ----------
    worker, image : (M,) arrays of int
        Who drew outline m, and of which image.
    masks : (M, H, W) array of bool
        True inside.

    Returns
    -------
    worker, item, label : (M * H * W,) arrays of int
        In any order.
    """
    ### BEGIN SOLUTION
    n_pixels = masks[0].size
    item = image[:, None] * n_pixels + np.arange(n_pixels)  # (M, H W)
    return np.repeat(worker, n_pixels), item.ravel(), masks.ravel().astype(int)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "outlines_to_answers_pixels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# One outline of 2 x 3 pixels, of image 1 by worker 4.
mask = np.array([[[True, False, True], [False, False, True]]])
who, item, label = (np.asarray(column) for column in outlines_to_answers(np.array([4]), np.array([1]), mask))
close(len(item), 6, "the number of answers in an outline of 2 x 3 pixels", "pixels outside are answers, too")
close(np.sort(item), np.arange(6, 12), "the items of image 1", "image x height x width + row x width + column")
### BEGIN HIDDEN TESTS
order = np.argsort(item)
close(label[order], np.array([1, 0, 1, 0, 0, 1]), "the labels, pixel by pixel", "row by row; 1 inside")
close(who, np.full(6, 4), "who answered", "the worker's own number")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "outlines_to_answers_missing", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two workers, two images; worker 1 never saw image 1, and found nothing in image 0.
masks = np.zeros((3, 2, 2), bool)
masks[0, 0, 0] = masks[2, 1] = True
who, item, label = (np.asarray(c) for c in outlines_to_answers(np.array([0, 1, 0]), np.array([0, 0, 1]), masks))
close(len(who), 12, "the number of answers in three outlines of 2 x 2 pixels", "who was not asked did not answer")
### BEGIN HIDDEN TESTS
close(np.bincount(who, minlength=2), np.array([8, 4]), "how many answers workers 0 and 1 gave")
close(np.bincount(item, minlength=8), np.array([2, 2, 2, 2, 1, 1, 1, 1]), "how many answers each pixel has")
rng = testing.hidden_rng("outlines_to_answers_missing")
masks, drew, of = rng.random((7, 4, 5)) < 0.4, rng.integers(9, size=7), np.array([0, 2, 2, 1, 0, 5, 2])
who, item, label = (np.asarray(c) for c in outlines_to_answers(drew, of, masks))
pairs = np.zeros((9, 120))
np.add.at(pairs, (who.astype(int), item.astype(int)), 1.0 + 100.0 * label)
expected = np.zeros((9, 120))
for m in range(7):
    expected[drew[m], of[m] * 20 : of[m] * 20 + 20] += 1.0 + 100.0 * masks[m].ravel()
close(
    pairs,
    expected,
    "what nine workers said about the pixels of six images of 4 x 5",
    "which mask belongs to whom, and to which image?",
)
### END HIDDEN TESTS

# %% tags=["picture"] picture="outlines"
inside = np.hypot(*(np.indices((48, 48)) - 23.5)) < 13
drawn = datasets.make_raters(inside[None], n_raters=7, hand_px=2.0, careless_share=0.45, seed=4).outlines[0]
table = outlines_to_answers(np.arange(7), np.zeros(7, int), drawn)
found, _, _ = dawid_skene(*table, 7, 48 * 48, 2)
votes = majority(np.asarray(table[1]), np.asarray(table[2]), 48 * 48, 2)
figure, axes = plots.panels(1, 4, width_inches=2.2, height_inches=2.5)
plots.show_image(inside.astype(float), "Simulated lesion", limits=(0, 1), ax=axes[0, 0])
plots.show_image(drawn.mean(0), "Seven outlines, share", limits=(0, 1), ax=axes[0, 1])
plots.show_image(np.asarray(votes)[:, 1].reshape(48, 48), "Majority", limits=(0, 1), ax=axes[0, 2])
plots.show_image(found[:, 1].reshape(48, 48), "Dawid and Skene", limits=(0, 1), ax=axes[0, 3])
plots.describe(
    figure,
    "A simulated round lesion; the share of seven outlines, three of them careless, fading at the border; the majority; and Dawid and Skene's probability, almost black and white.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: a disc; the share of seven outlines, blurred at the border; the majority and Dawid and Skene's probability, both close to the disc](attachment:outlines.png)
#
# </details>
#
# ## The papers' claims, measured again
#
# Three hundred simulated cells to learn from and two hundred to test on, for each of five seeds. Sixty workers answer, five of them each cell; half are honest, a
# fifth is sloppy, the rest spammers and adversaries. How hard a cell is depends on its kind and its focus. The claims:
#
# 1. *Weighing beats counting* where workers differ: AUC of Dawid and Skene above that of the vote share, above that of a single worker. Where they
#    are alike, both are about equal.
# 2. *The method finds the workers:* estimated and true sensitivity and specificity correlate by more than 0.8.
# 3. *AggNet:* a network that learns from the crowd with your aggregation is better on new cells than one that learns from the majority, and nearly as good as one that learns from the truth.
# 4. *Crowd and computer:* twenty answers a cell against the network, over all cells, the easy and the hard half (Nguyen; McKenna).
# 5. *How many make an expert*, by majority and by weighing.
# 6. *Outlines:* weighing against counting, pixel by pixel.
#
# **Predict first:** which of these would fail if all workers made the *same* errors?

# %% tags=["experiment"]
from functools import partial

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medcourse import crowds, difficulty, metrics, training
from medcourse.models import crowd as crowd_nets

UNIT = "18_crowdsourcing"
NGUYEN, MCKENNA, AGGNET = "Nguyen et al. 2012", "McKenna et al. 2012", "Albarqouni et al. 2016"
N_TRAIN, N_TEST, N_WORKERS, PER_ITEM = 300, 200, 60, 5
TURNS, STEPS = (5, 60) if effects.thorough() else (3, 15)


def auc(truth, probability) -> float:
    """Mean over classes of the AUC of each against the others; of two classes both are the same."""
    known = [k for k in range(probability.shape[1]) if 0 < np.sum(truth == k) < len(truth)]
    return float(np.mean([roc_auc_score(truth == k, probability[:, k]) for k in known])) if known else np.nan


def single_auc(table, truth) -> float:
    """Mean over workers of the AUC of one worker's own answers about what they saw: half of sensitivity plus specificity."""
    said_right = (table.label == truth[table.item]).astype(float)
    rates = []
    for k in (0, 1):
        about = truth[table.item] == k
        n = np.bincount(table.worker[about], minlength=table.n_workers)
        rates.append(np.bincount(table.worker[about], said_right[about], table.n_workers) / np.where(n > 0, n, np.nan))
    return float(np.nanmean(np.mean(rates, axis=0)))


def weigh(table):
    """Your Dawid and Skene on a table of answers: probabilities and confusion matrices."""
    found = dawid_skene(table.worker, table.item, table.label, table.n_workers, table.n_items, table.n_classes)
    return found[:2]


def ask(truth, ease, seed: int, **knobs):
    """Ask a simulated crowd; return what it is like and its table of answers."""
    made = datasets.make_crowd(truth, ease=ease, seed=seed, **knobs)
    sizes = {"n_workers": len(made.kind), "n_items": len(truth), "n_classes": 2}
    return made, crowds.collect_answers(made.worker, made.item, made.label, **sizes)


def simulate(seed: int):
    cells = datasets.make_mitoses(N_TRAIN + N_TEST, size=24, spacing_um=0.8, seed=1000 + seed)
    made, table = ask(cells.truth[:N_TRAIN], cells.ease[:N_TRAIN], seed, n_workers=N_WORKERS, answers_per_item=PER_ITEM)
    return {"cells": cells, "workers": made, "table": table, "truth": cells.truth[:N_TRAIN]}


def read(seed: int, folder):
    """A random half of the items of a table with known truth; outlines are read further down."""
    if (folder / "CrowdsourcedAnnotations").is_dir():
        return {"table": None, "truth": None}
    found = datasets.read_crowd_table(folder)
    n_classes = len(found.classes)
    whole = crowds.collect_answers(
        found.worker, found.item, found.label, n_classes=n_classes, n_items=len(found.item_names)
    )
    if seed == 0:
        print(found.description)
    if found.truth is None:
        return {"table": whole, "truth": None, "whole": (whole, None)}
    known = np.flatnonzero(found.truth >= 0)
    chosen = np.random.default_rng(seed).permutation(known)[: (len(known) + 1) // 2]
    place = np.full(whole.n_items, -1)
    place[chosen] = np.arange(len(chosen))
    row = place[whole.item] >= 0
    part = crowds.collect_answers(
        whole.worker[row],
        place[whole.item[row]],
        whole.label[row],
        n_workers=whole.n_workers,
        n_items=len(chosen),
        n_classes=n_classes,
    )
    return {"table": part, "truth": found.truth[chosen], "whole": (whole, found.truth)}


# %% tags=["experiment"]
def aggregate(data) -> dict:
    """Score single workers, counting, weighing, and difficulty on one table of answers."""
    table, truth = data["table"], data["truth"]
    if table is None or truth is None:
        return {}
    probability, confusion = weigh(table)
    votes, glad = crowds.vote_shares(table), difficulty.glad(table)
    row = {
        "AUC, vote share": auc(truth, votes),
        "AUC, Dawid-Skene": auc(truth, probability),
        "AUC, GLAD": auc(truth, glad.probability),
    }
    if table.n_classes == 2:
        row["AUC, one worker"] = single_auc(table, truth)
    winner = np.asarray(majority(table.item, table.label, table.n_items, table.n_classes))
    row["chance"] = 1 / table.n_classes
    row["accuracy, majority"] = np.mean(winner[np.arange(len(truth)), truth])
    row["accuracy, Dawid-Skene"] = np.mean(probability.argmax(1) == truth)
    row["accuracy, GLAD"] = np.mean(glad.probability.argmax(1) == truth)
    if "workers" in data:
        skill = data["workers"].skill
        row["r, sensitivity"] = np.corrcoef(confusion[:, 1, 1], skill[:, 1])[0, 1]
        row["r, specificity"] = np.corrcoef(confusion[:, 0, 0], skill[:, 0])[0, 1]
        ease = data["cells"].ease[: len(truth)]
        row["r, ease"] = pd.Series(glad.ease).corr(pd.Series(ease), method="spearman")
    return row


def alike(data, seed: int) -> dict:
    """The same with a crowd of honest workers only."""
    if "cells" not in data:
        return {}
    truth, ease = data["truth"], data["cells"].ease[:N_TRAIN]
    _, table = ask(truth, ease, seed, n_workers=N_WORKERS, answers_per_item=PER_ITEM, kinds={"honest": 1.0})
    return {
        "alike: AUC, vote share": auc(truth, crowds.vote_shares(table)),
        "alike: AUC, Dawid-Skene": auc(truth, weigh(table)[0]),
    }


# %% tags=["experiment"]
def new_net(seed: int):
    """A small network with your aggregation layer on top."""
    torch.manual_seed(seed)
    return models.AggNet(models.PlainCNN(2, 3, 1, width=6, batch_norm=True), N_WORKERS, posterior=aggnet_posterior)


def learn(net, images, targets, steps: int, seed: int) -> None:
    batches = crowd_nets.SoftBatches(images, torch.as_tensor(targets, dtype=torch.float32), size=32, seed=seed)
    training.fit(net, batches, crowd_nets.soft_loss, steps=steps, lr=5e-3)


def hand_features(images: np.ndarray) -> np.ndarray:
    """Amount, darkness, size and length of the haematoxylin in the middle, and the eosin around: (N, 6)."""
    stains = datasets.separate_stains(images, datasets.stain_vectors(["haematoxylin", "eosin"]))
    y, x = np.indices(images.shape[1:3]) - (images.shape[1] - 1) / 2
    middle = np.hypot(y, x) < 6
    dark = np.where(middle, np.clip(stains[..., 0] - 0.3, 0, None), 0)  # (N, H, W)
    mass = dark.sum((1, 2)) + 1e-6
    spread = np.stack([(dark * a * b).sum((1, 2)) / mass for a, b in ((y, y), (x, x), (y, x))])
    half, tilt = (spread[0] + spread[1]) / 2, np.hypot((spread[0] - spread[1]) / 2, spread[2])
    pink = stains[:, middle, 1]
    return np.stack(
        [mass, stains[:, middle, 0].max(1), (dark > 0).sum((1, 2)), half + tilt, half - tilt, pink.mean(1)], axis=1
    )


def train_all(data, seed: int) -> dict:
    """AUC on new cells of networks that learned from truth, votes, weights, and in turns with the aggregation."""
    if "cells" not in data:
        return {}
    cells, table = data["cells"], data["table"]
    images = crowd_nets.as_input(cells.images)
    x, new, y_new = images[:N_TRAIN], images[N_TRAIN:], cells.truth[N_TRAIN:]
    shares, weighed = crowds.vote_shares(table)[:, 1], weigh(table)[0][:, 1]
    winner = np.asarray(majority(table.item, table.label, table.n_items, 2))[:, 1]
    row = {}
    for name, targets in {"truth": data["truth"], "majority": winner, "Dawid-Skene": weighed}.items():
        net = new_net(seed)
        learn(net, x, targets, TURNS * STEPS, seed)
        row[f"net, {name}"] = roc_auc_score(y_new, net.predict(new))
        if name == "truth":
            data["computer"] = net.predict(new).numpy()
    net, votes, mu = new_net(seed), crowd_nets.votes_matrix(table), torch.as_tensor(shares, dtype=torch.float32)
    for turn in range(TURNS):
        learn(net, x, mu, STEPS, seed + 100 * turn)
        mu = net.aggregate(x, votes, mu)
    row["net, AggNet"] = roc_auc_score(y_new, net.predict(new))
    row["labels, AggNet"] = roc_auc_score(data["truth"], mu)
    features = hand_features(cells.images)
    classic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(
        np.concatenate([features[:N_TRAIN]] * 2),
        np.repeat([1, 0], N_TRAIN),
        logisticregression__sample_weight=np.append(winner, 1 - winner),
    )
    row["features, majority"] = roc_auc_score(y_new, classic.predict_proba(features[N_TRAIN:])[:, 1])
    return row


def against_the_computer(data, seed: int) -> dict:
    """Twenty answers a new cell against the network that learned from the truth: all, the easy half, the hard half."""
    if "computer" not in data:
        return {}
    truth, ease = data["cells"].truth[N_TRAIN:], data["cells"].ease[N_TRAIN:]
    _, table = ask(truth, ease, 50 + seed, n_workers=N_WORKERS, answers_per_item=20)
    share = crowds.vote_shares(table)[:, 1]
    easy = ease >= np.median(ease)
    parts = {"all": np.ones(N_TEST, bool), "easy": easy, "hard": ~easy}
    return {
        f"crowd minus computer, {name}": roc_auc_score(truth[part], share[part])
        - roc_auc_score(truth[part], data["computer"][part])
        for name, part in parts.items()
    }


# %% tags=["experiment"]
SIZES = (1, 3, 5, 7, 9, 13, 19, 27, 41)
PAY_CENTS, EXPERT_PAY_CENTS = 5.0, 100.0


def crowd_sizes(data, seed: int) -> dict:
    """Accuracy of growing crowds by majority and by weighing, and of an expert, on the same cells."""
    if "cells" not in data:
        return {}
    truth, ease = data["truth"], data["cells"].ease[:N_TRAIN]
    _, table = ask(truth, ease, 80 + seed, n_workers=SIZES[-1])
    _, experts = ask(truth, ease, 80 + seed, n_workers=20, kinds={"expert": 1.0})
    expert = np.mean(experts.label == truth[experts.item])
    curves = {"majority": [], "weighing": []}
    for size in SIZES:
        some = table.where(table.worker < size)  # workers come in random order
        winner = np.asarray(majority(some.item, some.label, N_TRAIN, 2))
        curves["majority"].append(np.mean(winner[np.arange(N_TRAIN), truth]))
        curves["weighing"].append(np.mean(weigh(some)[0].argmax(1) == truth))
    enough = {
        name: next((n for n, a in zip(SIZES, curve) if a >= expert), SIZES[-1] + 2) for name, curve in curves.items()
    }
    return {
        "expert": expert,
        "one worker": np.mean(table.label == truth[table.item]),
        "curves": curves,
        "enough": enough,
    }


results, sizes = [], []
for seed in effects.seeds():
    data = effects.source(partial(simulate, seed), partial(read, seed))
    results.append(aggregate(data) | alike(data, seed) | train_all(data, seed) | against_the_computer(data, seed))
    sizes.append(crowd_sizes(data, seed))
pd.DataFrame(results).mean().round(3).to_frame("mean over seeds")

# %% tags=["experiment"]
if "whole" in data and data["whole"][1] is None:
    told, shares = weigh(data["table"])[0].argmax(1), crowds.vote_shares(data["table"])
    print(
        f"no truth in this table; Dawid-Skene and the vote share agree about {np.mean(told == shares.argmax(1)):.1%} of the items"
    )
elif "whole" in data:
    table, truth = data["whole"]
    known = np.flatnonzero(truth >= 0)
    winner = np.asarray(majority(table.item, table.label, table.n_items, table.n_classes))
    of_all = {
        "majority": winner[known, truth[known]],
        "Dawid-Skene, yours": weigh(table)[0].argmax(1)[known] == truth[known],
        "Dawid-Skene, the course's": crowds.dawid_skene(table).label[known] == truth[known],
        "GLAD": difficulty.glad(table).probability.argmax(1)[known] == truth[known],
    }
    print(
        pd.Series({name: np.mean(right) for name, right in of_all.items()}, name="accuracy on the whole table").round(4)
    )


# %% tags=["experiment"]
def draw_outlines(seed: int):
    """True masks, and outlines (R, H, W) of workers, image by image; real images are dealt out to the seeds."""

    def simulate_outlines():
        cohort = datasets.make_patients(4, images_per_patient=1, size=48, diameter_mm=16, seed=700 + seed)
        drawn = datasets.make_raters(cohort.masks, careless_share=0.45, habit_px=0.7, hand_px=1.5, seed=seed).outlines
        return list(zip(cohort.masks, drawn))

    def read_outlines(folder):
        if not (folder / "CrowdsourcedAnnotations").is_dir():
            return []
        found = datasets.read_bubil(folder)
        return list(zip(found.gold, found.crowd))[seed :: len(effects.seeds())]

    return effects.source(simulate_outlines, read_outlines)


outlined = []
for seed in effects.seeds():
    for truth, drawn in draw_outlines(seed):
        n = len(drawn)
        table = [np.asarray(c) for c in outlines_to_answers(np.arange(n), np.zeros(n, int), drawn)]
        weighed = dawid_skene(*table, n, truth.size, 2, n_rounds=50)[0][:, 1] > 0.5
        counted = np.asarray(majority(table[1], table[2], truth.size, 2))[:, 1] > 0.5
        scores = {"one worker": np.mean([metrics.dice(truth, each) for each in drawn])}
        scores |= {
            "majority": metrics.dice(truth, counted.reshape(truth.shape)),
            "Dawid-Skene": metrics.dice(truth, weighed.reshape(truth.shape)),
        }
        outlined.append({"seed": seed, **scores})
dice = pd.DataFrame(outlined).groupby("seed").mean() if outlined else None
dice.mean().round(3).to_frame("Dice, mean over seeds") if outlined else "no outlines here"


# %% tags=["experiment"]
def told(numbers: list[float]) -> list[float] | None:
    """The numbers, or None where one of them could not be had: a table of one class has no AUC."""
    return numbers if np.isfinite(numbers).all() else None


def difference(first: str, second: str) -> list[float] | None:
    """The first minus the second, seed by seed; None where there are no such results."""
    if not {first, second} <= set(results[0]):
        return None
    return told([row[first] - row[second] for row in results])


def values(name: str) -> list[float] | None:
    return told([row[name] for row in results]) if name in results[0] else None


def claim(words: str, numbers, *, paper: str = AGGNET, figure: str = "none given", **bounds):
    return effects.measure(UNIT, words, numbers, paper=paper, paper_figure=figure, **bounds)


have_sizes = bool(sizes[0])
chance = results[0].get("chance", 0.5)  # of two classes, or of as many as the table has
enough = {name: [row["enough"][name] for row in sizes] for name in ("majority", "weighing")} if have_sizes else {}
table = effects.report(
    [
        claim(
            "AUC of labels, Dawid-Skene minus vote share, mixed crowd, above 0",
            difference("AUC, Dawid-Skene", "AUC, vote share"),
            above=0.0,
        ),
        claim(
            "AUC of labels, vote share minus one worker, mixed crowd, above 0",
            difference("AUC, vote share", "AUC, one worker"),
            above=0.0,
        ),
        claim(
            "AUC of labels, Dawid-Skene minus vote share, workers alike, within 0.02 of 0",
            difference("alike: AUC, Dawid-Skene", "alike: AUC, vote share"),
            above=-0.02,
            below=0.02,
        ),
        claim("Accuracy of labels, majority, above chance", values("accuracy, majority"), above=chance),
        claim("Accuracy of labels, Dawid-Skene, above chance", values("accuracy, Dawid-Skene"), above=chance),
        claim("Accuracy of labels, GLAD, above chance", values("accuracy, GLAD"), above=chance, paper=MCKENNA),
        claim(
            "Accuracy of labels, Dawid-Skene minus majority, above 0",
            difference("accuracy, Dawid-Skene", "accuracy, majority"),
            above=0.0,
        ),
        claim("Correlation of estimated and true sensitivity, above 0.8", values("r, sensitivity"), above=0.8),
        claim("Correlation of estimated and true specificity, above 0.8", values("r, specificity"), above=0.8),
        claim(
            "AUC of labels, AggNet minus Dawid-Skene, above 0",
            difference("labels, AggNet", "AUC, Dawid-Skene"),
            above=0.0,
        ),
        claim(
            "AUC on new cells, AggNet minus network on majority, above 0",
            difference("net, AggNet", "net, majority"),
            above=0.0,
        ),
        claim(
            "AUC on new cells, AggNet minus network on Dawid-Skene, above 0",
            difference("net, AggNet", "net, Dawid-Skene"),
            above=0.0,
        ),
        claim(
            "AUC on new cells, AggNet minus network on the truth, above -0.02",
            difference("net, AggNet", "net, truth"),
            above=-0.02,
        ),
        claim(
            "AUC on new cells, AggNet minus six features with logistic regression, above 0",
            difference("net, AggNet", "features, majority"),
            above=0.0,
            figure="not compared",
        ),
        claim(
            "AUC, 20 workers minus computer, all cells, within 0.05 of 0",
            values("crowd minus computer, all"),
            paper=NGUYEN,
            figure="no significant difference for 6 mm or more",
            above=-0.05,
            below=0.05,
        ),
        claim(
            "AUC, 20 workers minus computer, easy half, above 0",
            values("crowd minus computer, easy"),
            paper=MCKENNA,
            figure="better on easy and moderate",
            above=0.0,
        ),
        claim(
            "AUC, 20 workers minus computer, hard half, below 0",
            values("crowd minus computer, hard"),
            paper=MCKENNA,
            figure="not better on difficult ones",
            below=0.0,
        ),
        claim(
            "Rank correlation of estimated and true ease of items (GLAD), above 0",
            values("r, ease"),
            paper=MCKENNA,
            figure="difficulty estimated by EM",
            above=0.0,
        ),
        claim(
            "Workers that equal an expert, weighing minus majority, below 0",
            [b - a for a, b in zip(*enough.values())] if enough else None,
            paper="none",
            below=0.0,
        ),
        claim(
            "Pay of as many workers as equal an expert by weighing, over the expert's, below 1",
            [n * PAY_CENTS / EXPERT_PAY_CENTS for n in enough["weighing"]] if enough else None,
            paper="none",
            below=1.0,
        ),
        claim(
            "Dice of outlines, Dawid-Skene minus majority, above 0",
            None if dice is None or len(dice) < 2 else dice["Dawid-Skene"] - dice["majority"],
            paper="none",
            above=0.0,
        ),
        claim(
            "Dice of outlines, majority minus mean worker, above 0",
            None if dice is None or len(dice) < 2 else dice["majority"] - dice["one worker"],
            paper="none",
            above=0.0,
        ),
    ]
)
table

# %% tags=["experiment"]
if have_sizes:
    mean = {name: np.mean([row["curves"][name] for row in sizes], axis=0) for name in ("majority", "weighing")}
    p, expert = (float(np.mean([row[name] for row in sizes])) for name in ("one worker", "expert"))
    theory = [majority_accuracy(p, n) for n in SIZES]
    figure = plots.plot_curve(
        {
            "majority": mean["majority"],
            "weighing": mean["weighing"],
            "Condorcet's formula": theory,
            "one expert": [expert] * len(SIZES),
        },
        x=SIZES,
        xlabel="workers a cell",
        ylabel="share of cells labelled right",
        title=f"Simulated crowd, one worker right with probability {p:.2f}",
    )
    print(f"by the formula: {crowd_for_expert(p, expert, PAY_CENTS, EXPERT_PAY_CENTS)}; found, seed by seed: {enough}")
else:
    figure = "no simulated crowd here"
figure

# %% [markdown]
# The number of workers is the smallest of 1, 3, 5, 7, 9, 13, 19, 27, 41 that does as well as the expert; 43 stands for "more than 41".
# Pay is an assumption of ours: 5 cents an answer, 100 for the expert's. Put in what would be fair where you live.
#
# **Before you read on:** compare the curve of the majority with Condorcet's formula. (At size 1 the majority is one worker, the first of the 41, whereas the formula starts
# from the mean of all: so the two begin apart.) The formula takes all cells for equally hard and all workers for alike. Which of both is it that keeps the crowd from 100 %?
#
# <details><summary>An answer</summary>
#
# The formula has neither, and would reach 100 % with ever more workers. Weighing mends that workers differ. That cells differ stays: where everybody can but guess, more workers guess, too.
#
# </details>
#
# <details><summary>The course's longer run</summary>
#
# Your notebook trains its networks for fewer steps and over fewer turns than this run did, so its verdicts about networks may differ from these.
#
# {{effects}}
#
# </details>
#
# Two rows belong together. AUC of AggNet's *labels* minus that of Dawid and Skene's: {{effect: 18_crowdsourcing: AUC of labels, AggNet minus Dawid-Skene}}.
# AUC on *new cells* of its network minus that of a network taught by Dawid and Skene: {{effect: 18_crowdsourcing: AUC on new cells, AggNet minus network on Dawid-Skene}}.
# How can better labels not make a better network?
#
# <details><summary>An answer</summary>
#
# What the labels gain is the network's own opinion. It knew that already: told what it said itself, it becomes surer and learns nothing, and where it errs it
# finds itself confirmed. The gain is real for those 300 cells, and must not be tested with the network that it came from.
#
# </details>
#
# ## When everybody is wrong together
#
# All of this rests on one assumption: given the truth, workers err *independently*. Let a cell mislead: the better one looks, the surer one is wrong.

# %% tags=["experiment"]
cells = datasets.make_mitoses(300, seed=99)
dark = np.array([kind == "hyperchromatic" for kind in cells.kind])
rows = []
for name, ease in {
    "honest errors": cells.ease,
    "all take dark nuclei for mitoses": np.where(dark, -1.0, cells.ease),
}.items():
    _, table = ask(cells.truth, ease, 5, n_workers=N_WORKERS, answers_per_item=20)
    probability, confusion = weigh(table)
    rows.append(
        {
            "crowd": name,
            "right, all cells": np.mean(probability.argmax(1) == cells.truth),
            "right, dark nuclei": np.mean(probability.argmax(1)[dark] == cells.truth[dark]),
            "mean certainty, dark nuclei": probability.max(1)[dark].mean(),
        }
    )
pd.DataFrame(rows).round(3)

# %% [markdown]
# Twenty workers, and a method that says how sure it is. It is as sure as before, and wrong. No aggregation can know what no worker
# knows: a few cells with a known truth, seen by an expert, can.
#
# **And your prediction?** Which of the six claims would fail if all workers made the *same* errors?
#
# <details><summary>An answer, claim by claim</summary>
#
# 1. *Weighing beats counting* fails: if all say the same, one worker, the count and the weights give the same label. (That both are equal where workers are alike would hold.)
# 2. *The method finds the workers* fails: it measures agreement, so it would take everybody for nearly perfect.
# 3. *AggNet* fails: votes and weights teach the same, and a network that learns an error that goes with the look of a cell repeats it on new cells. It stays behind the truth.
# 4. *Crowd and computer* fails: twenty workers are worth one.
# 5. *How many make an expert* has no answer: a larger crowd is no better than its first worker.
# 6. *Outlines*: neither way would gain anything, as all masks would be one mask.
#
# </details>
#
# ## Questions in words
#
# **Question 1.** A company offers labels of 10 000 chest radiographs, by a crowd at 3 cents an answer, and a network trained on them. In at most 150 words:
# what would you want to know about the workers and their pay, and which number of your own run would you ask for?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_workers", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# I would ask who they are and what they were taught: in my run a single worker was right on about two of three cells, and twenty together did well only
# where their errors were independent. I would ask how many saw each image, how ties, spammers and adversaries were found, and whether some images had a
# known truth. I want the sensitivity and specificity of the aggregated labels against experts, with an interval, also for the hard images, where all
# may be wrong together. As to pay: three cents for thirty seconds are 3.60 an hour, below the minimum wage where I live; who is paid by the click
# also has a reason to hurry. I would ask for pay by time, and that rejected work is not simply unpaid.
#
# === BEGIN MARK SCHEME ===
# 1 point: asks for independence, training or number of workers an image, and how bad ones were found (one is enough, with the reason).
# 1 point: names a number against experts or known truth (sensitivity, specificity, AUC, kappa; better with the hard cases apart), with a number of the own run.
# 1 point: says something of substance about pay: an hourly wage computed, what it does to quality, or rejected work.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A hospital wants to send its images to a crowd. Name two ways in which an image can tell who the patient is although
# its name was removed, and what you would do instead of sending the whole image.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_privacy", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# Name and date may be burnt into the pixels, or stand in the file's header. A head in CT or MR can be rendered as a face; a rare implant, tattoo or
# disease together with the hospital's name points to a person. I would cut out small patches with one candidate each (as for the mitoses here), remove
# the header, mix the patches of many patients so that no worker sees a case, ask patients and the ethics board, and keep the work in a closed system
# under contract if patches are not enough.
#
# === BEGIN MARK SCHEME ===
# 1 point: two ways (burnt-in text, header, face from a head scan, rare feature or implant, linkage with date and place).
# 1 point: a measure that fits (patches without context, header removed or files re-made, shuffled, consent or ethics board, closed platform).
# === END MARK SCHEME ===

# %% [markdown]
# ## Real data
#
# `medcourse effects 18_crowdsourcing --data FOLDER` reads any table of worker, item and label, with the truth if there is one, and compares
# majority, your Dawid and Skene, and GLAD. Each seed takes a random half of the items; halves overlap, so the interval is too narrow.
# A folder of outlines in the layout of BU-BIL is aggregated pixel by pixel, against its gold standard.
#
# **References.** A. P. Dawid and A. M. Skene, Applied Statistics 28(1), 1979, [doi:10.2307/2346806](https://doi.org/10.2307/2346806).
# T. B. Nguyen and others, Radiology 262, 824-833, 2012. M. T. McKenna and others, Medical Image Analysis 16, 2012, [doi:10.1016/j.media.2012.04.007](https://doi.org/10.1016/j.media.2012.04.007).
# S. Albarqouni and others, IEEE TMI 35(5), 1313-1321, 2016, [doi:10.1109/TMI.2016.2528120](https://doi.org/10.1109/TMI.2016.2528120).
# J. Whitehill and others, NeurIPS 22, 2009 (GLAD).
