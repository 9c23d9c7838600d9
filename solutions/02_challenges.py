# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 2: six reasons why medical images are hard
#
# A network that is right on 98 of 100 images fails at the next hospital. A drug that works is given up, because nobody
# could see the tumours shrink. Six reasons stand on the lecture's slide. In this lab you build the tools that measure each of
# them, and then measure all six.
#
# **You will be able to**
#
# - split images by patient, and say by how much a split by image lies;
# - give a score an interval that knows whose images they are;
# - draw a learning curve that does not fool you;
# - correct the agreement of two raters for chance, and find the truth behind several raters (STAPLE);
# - say from which change on a tumour has changed at all.
#
# **Time:** about 110 minutes. **Before this:** the lesson *What makes medical images hard*.
#
# **Cost:** {{cost}}
#
# Patients, heads, raters and tumours are **simulated**, so that the truth is known. What you write runs on real data, too: scikit-learn's breast cancer cells
# below, and outlines drawn by a real crowd if you have them.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
from scipy import ndimage

from medcourse import datasets, effects, metrics, plots, testing
from medcourse.testing import close

testing.begin_lab(seed=2)
plots.use_style()

# %% [markdown]
# Here are four patients with a nodule in the lung, three slices of each. Two nodules are malignant. What differs more:
# two images of a patient, or two patients?

# %% tags=["picture"] picture="patients"
cohort = datasets.make_patients(4, images_per_patient=3, seed=3)
figure, axes = plots.panels(3, 4, width_inches=1.6, height_inches=1.75)
for i, image in enumerate(cohort.images):
    patient, slice_number = divmod(i, 3)
    kind = "malignant" if cohort.labels[i] else "benign"
    title = f"Patient {patient}, {kind}" if slice_number == 0 else ""
    plots.show_image(
        image,
        title,
        limits=(-1000, 300),
        spacing_mm=cohort.spacing_mm if i == 0 else None,
        ax=axes[slice_number, patient],
    )
plots.describe(
    figure,
    "Simulated CT slices, a column a patient: nodule, vessels and lung of one patient look alike in all three slices and differ between patients.",
)

# %% [markdown]
# ## Exercise 1: split by patient
#
# Images of one patient are almost copies. If some of them are in training and others in the test, a network need not know
# the disease: it is enough to know the patient.
#
# Draw $n$ patients for the test, any $n$ of them as likely as any other $n$. So each has the same chance, whatever the number of his images:
#
# $$ P(\text{patient } p \text{ is tested}) = \frac{n}{\text{number of patients}}. $$
#
# All images of a drawn patient are tested, none of the others.
#
# **Predict first:** ten patients have one image each, and an eleventh has ninety. Somebody draws ten *images* for the test. How often is one of the eleventh's among them? And how
# often should he be tested, if ten of eleven patients are?
#
# <details><summary>Answer</summary>
#
# Practically always: without him, exactly the ten others would have to be drawn, one case in $1.7 \cdot 10^{13}$. Drawn by patient, he is in the test in 10 of 11 cases, as everybody.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "split_by_patient", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_by_patient(patients: np.ndarray, n_test: int, seed: int) -> np.ndarray:
    """Say which images are for the test.

    Parameters
    ----------
    patients : (N,) array
        Whose image it is: numbers or text, in any order.
    n_test : int
        Number of patients in the test, at least 1.
    seed : int
        The same seed gives the same split, another seed another one.

    Returns
    -------
    (N,) array of bool
        True for the images of the patients in the test.
    """
    ### BEGIN SOLUTION
    drawn = np.random.default_rng(seed).choice(np.unique(patients), size=n_test, replace=False)
    return np.isin(patients, drawn)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# First the patients (`np.unique`), then draw some of *them* without replacement, then ask of each image whether its patient was drawn.
# `np.random.default_rng(seed)` makes random numbers of your own.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "split_by_patient_sides", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# No patient is on both sides, and as many patients as asked for are in the test.
ids = np.array([7, 7, 3, 3, 3, 9, 12, 12, 7, 20])
codes = np.unique(ids, return_inverse=True)[1]


def tested_share(split, codes):
    """The share of each patient's images that is in the test."""
    return np.bincount(codes, weights=np.asarray(split, float)) / np.bincount(codes)


share = tested_share(split_by_patient(ids, 2, seed=0), codes)
close(
    np.sort(share),
    np.array([0.0, 0.0, 0.0, 1.0, 1.0]),
    "the tested share of five patients' images, n_test=2",
    "are patients drawn, or images?",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("split_by_patient_sides")
for n_patients, n_test in [(6, 1), (9, 4), (30, 8)]:
    owner = np.append(rng.integers(0, n_patients, 4 * n_patients), np.arange(n_patients))
    for names in (owner * 3 + 5, np.array([f"patient {k:02d}" for k in owner])):
        share = tested_share(split_by_patient(names, n_test, seed=n_test), owner)
        close(
            np.sort(share),
            np.repeat([0.0, 1.0], [n_patients - n_test, n_test]),
            f"the tested share of {n_patients} patients' images, n_test={n_test}",
            "a patient is either in the test with all images or not at all; ids may have gaps or be text",
        )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "split_by_patient_chance", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Every patient has the same chance, whether with one image or with many; the seed decides.
first, again = (split_by_patient(np.arange(40), 20, seed=5) for _ in range(2))
close(
    first,
    np.asarray(again),
    "the split of the same seed, drawn twice",
    "use random numbers of your own, made from the seed",
)
two = np.repeat(["B", "A"], [1, 19])  # one image of B, 19 of A
often_b = np.mean([np.asarray(split_by_patient(two, 1, seed=seed), float)[0] for seed in range(100)])
close(
    float(often_b),
    0.5,
    "how often B is tested, who has 1 of 20 images, in 100 splits with n_test=1",
    "is each patient as likely as the other, and each seed another split?",
    rtol=0,
    atol=0.2,
)
### BEGIN HIDDEN TESTS
ids = np.repeat(np.arange(4), [30, 1, 2, 1])
n_draws = 240
splits = np.array([np.asarray(split_by_patient(ids, 1, seed=seed), float) for seed in range(n_draws)])
close(tuple(splits.shape), (n_draws, 34), "the shape of 240 splits of 34 images")
often = splits.mean(0)[[0, 30, 31, 33]]
close(
    often,
    np.full(4, 0.25),
    "how often each of four patients is drawn, n_test=1",
    "one with many images must not be drawn more often; does the seed matter?",
    rtol=0,
    atol=0.13,
)
n_draws = 400
splits = np.array([np.asarray(split_by_patient(np.arange(4), 2, seed=seed), float) for seed in range(n_draws)])
close(tuple(splits.shape), (n_draws, 4), "the shape of 400 splits of four images")
for first, second in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]:
    close(
        float(np.mean(splits[:, first] * splits[:, second])),
        1 / 6,
        f"how often patients {first} and {second} of four are in the test together, n_test=2, in 400 splits",
        "is any pair as likely as any other, or do neighbours come together?",
        rtol=0,
        atol=0.1,
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2: an interval that knows the patients
#
# A test with 600 images sounds large. If they come from ten patients, it is a test with ten. The bootstrap finds the
# uncertainty of a mean by drawing again from what was seen: *patients*, with replacement, each with all of his images.
#
# In resample $b$ the patients $p_{b1}, p_{b2}, \dots$ were drawn, some of them several times. Its mean is over all images so gathered:
#
# $$ m_b = \frac{\sum_j \sum_{i \in \text{images of } p_{bj}} v_i}{\sum_j \#\,\text{images of } p_{bj}}. $$
#
# The interval runs from the $(1 - \ell)/2$ quantile of all $m_b$ to the $(1 + \ell)/2$ quantile, as `np.quantile` gives them; the level $\ell$ is 0.95 as a rule.
#
# The draws are handed to you, so that the answer is one number and no matter of luck.


# %% nbgrader={"grade": false, "grade_id": "bootstrap_interval", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bootstrap_interval(
    values: np.ndarray, patients: np.ndarray, draws: np.ndarray, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of the mean over images, resampled by patient.

    Parameters
    ----------
    values : (N,) array of float
        One number an image: 1 for a hit and 0 for a miss, a Dice ...
    patients : (N,) array of int
        Whose image it is.
    draws : (B, P) array of int
        The patients drawn for each of B resamples. One may be there several times, and counts so often.
    level : float
        Share of the resamples within the interval.

    Returns
    -------
    (low, high)
    """
    ### BEGIN SOLUTION
    means = []
    for drawn in draws:
        gathered = np.concatenate([values[patients == patient] for patient in drawn])
        means.append(gathered.mean())
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return low, high
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# For one resample: gather the values of each drawn patient (`values[patients == patient]`), put them into one array,
# and take its mean. A patient with many images weighs more: he does in the test, too.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "bootstrap_interval_patients", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Whole patients, as often as drawn. Patient 7 has three hits, patient 9 one miss.
values, owner = np.array([1.0, 1.0, 0.0, 1.0]), np.array([7, 7, 9, 7])
close(
    bootstrap_interval(values, owner, np.array([[7, 7, 7], [7, 7, 9], [9, 9, 9]])),
    (0.05 * 6 / 7, 6 / 7 + 0.95 / 7),
    "the 95 % interval of patients 7 (1, 1, 1) and 9 (0), resamples 7 7 7, 7 7 9 and 9 9 9: (low, high)",
    "the means of the resamples are 1, 6/7 and 0: the second gathers six hits and one miss",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("bootstrap_interval_patients")
owner = np.array([4, 9, 4, 2, 9, 9, 9, 2, 4, 11])  # numbers with gaps, images mixed, not equally many
values = rng.random(10)
draws = rng.choice([2, 4, 9, 11], (40, 4))
totals, counts = {k: values[owner == k].sum() for k in (2, 4, 9, 11)}, {2: 2, 4: 3, 9: 4, 11: 1}
means = [sum(totals[k] for k in row) / sum(counts[k] for k in row) for row in draws.tolist()]
close(
    bootstrap_interval(values, owner, draws),
    tuple(np.quantile(means, [0.025, 0.975]).tolist()),
    "the 95 % interval of four patients with 1 to 4 images: (low, high)",
    "images count, not means of patients; a patient drawn twice counts twice; ids may have gaps",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "bootstrap_interval_level", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The level sets both ends.
values, owner = np.arange(5.0), np.arange(5)
draws = np.repeat(np.arange(5)[:, None], 3, axis=1)  # resample b holds patient b three times
close(
    bootstrap_interval(values, owner, draws, level=0.5),
    (1.0, 3.0),
    "the 50 % interval of five resamples 0, 1, 2, 3, 4: (low, high)",
    "a quarter is cut off at either end",
)
### BEGIN HIDDEN TESTS
close(
    bootstrap_interval(values, owner, draws, level=0.8),
    (0.4, 3.6),
    "the 80 % interval of five resamples 0, 1, 2, 3, 4: (low, high)",
    "(1 - level) / 2 and (1 + level) / 2",
)
close(
    bootstrap_interval(values, owner, draws),
    (0.1, 3.9),
    "the interval of five resamples 0, 1, 2, 3, 4 with no level given: (low, high)",
    "0.95 stands in the signature",
)
close(
    bootstrap_interval(np.full(6, 0.7), np.repeat([1, 2], 3), np.array([[1, 2], [2, 2]])),
    (0.7, 0.7),
    "the interval of equal values: (low, high)",
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: a learning curve
#
# How good would it be with twice the patients? A learning curve gives an idea: train on more and more of them, and test each time on
# *the same others*.
#
# `order` lists all patients in random order. The last `n_test` of them are the test. For a size $s$ in `sizes`, the
# first $s$ of them are the training set, with all of their images. `fit_and_score` is given: it trains one of the simplest
# classifiers there are and returns its accuracy. Whoever lies between training and test is left out.
#
# **Predict first:** a colleague keeps no fixed test. Having trained on $s$ patients, he tests on $s$ others. How far can chance alone move his accuracy at $s = 6$, and at
# $s = 150$? What will he believe of the left end of his curve?
#
# <details><summary>Answer</summary>
#
# At $s = 6$ one patient more or less is 17 points, at $s = 150$ it is less than one. The left end jumps up and down with the test, and he may take
# luck for learning. With one fixed test of 150, all points of the curve are asked the same questions.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "fit_and_score", "locked": true, "schema_version": 3, "solution": false, "task": false}
def fit_and_score(x_train, y_train, x_test, y_test) -> float:
    """Train on (n, F) features with (n,) labels, and return the accuracy on others. The class whose mean is nearer wins."""
    # Scaled by the training set alone: the test must not have a say in how it is looked at.
    spread = x_train.std(0)
    scale = np.where(spread > 0, spread, 1)
    kinds = np.unique(y_train)
    centres = np.array([x_train[y_train == kind].mean(0) for kind in kinds])
    distance = (((x_test[:, None] - centres[None]) / scale) ** 2).sum(-1)  # (test images, kinds)
    return float(np.mean(kinds[distance.argmin(1)] == y_test))


# %% nbgrader={"grade": false, "grade_id": "learning_curve", "locked": false, "schema_version": 3, "solution": true, "task": false}
def learning_curve(x, y, patients, order, sizes, *, n_test) -> np.ndarray:
    """Return the accuracy on a fixed test for training sets of growing size.

    Parameters
    ----------
    x : (N, F) array of float
        Features of each image.
    y : (N,) array of int
        Its label.
    patients : (N,) array of int
        Whose image it is.
    order : (P,) array of int
        All patients, each once, in random order.
    sizes : list of int
        Numbers of patients to train on, at most P - n_test.
    n_test : int
        Number of patients in the test.

    Returns
    -------
    (len(sizes),) array of float
        What `fit_and_score` says for each size.
    """
    ### BEGIN SOLUTION
    test = np.isin(patients, order[-n_test:])
    scores = []
    for size in sizes:
        train = np.isin(patients, order[:size])
        scores.append(fit_and_score(x[train], y[train], x[test], y[test]))
    return np.array(scores)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.isin(patients, some_patients)` says which images belong to some patients. The test needs it once, the training set once a size.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "learning_curve_numbers", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Sizes count patients, in the order given; the test stays the same.
x = np.array([[0.0], [0.2], [1.0], [1.2], [0.9], [0.1], [0.4], [0.8]])
y = np.array([0, 0, 1, 1, 1, 0, 1, 0])
owner = np.array([3, 3, 5, 5, 1, 2, 0, 4])
order = np.array([3, 5, 1, 2, 0, 4])
close(
    learning_curve(x, y, owner, order, [1, 2], n_test=2),
    np.array([0.5, 0.0]),
    "the curve of six patients, two of them tested",
    "train on the first patients of `order`, test on its last",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("learning_curve_numbers")
for n_patients, n_test, sizes in [(12, 4, [1, 2, 4, 8]), (20, 5, [15, 3])]:
    owner = np.append(rng.integers(0, n_patients, 3 * n_patients), np.arange(n_patients))
    y = (owner % 2).astype(int)
    x = rng.normal(0, 1, (len(owner), 3)) + 0.7 * y[:, None]
    order = rng.permutation(n_patients)
    expected = []
    for n_training in sizes:
        train = np.isin(owner, order[:n_training])
        test = np.isin(owner, order[len(order) - n_test :])
        expected.append(fit_and_score(x[train], y[train], x[test], y[test]))
    close(
        learning_curve(x, y, owner, order, sizes, n_test=n_test),
        np.array(expected),
        f"the curve of {n_patients} patients with several images each, {n_test} tested, sizes {sizes}",
        "are sizes numbers of patients? is the test the same for all sizes?",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "learning_curve_fair", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Patients are followed by `order` and not by their numbers, and those between training and test are left alone.
x = np.array([[5.0], [-5.0], [-1.0], [1.0], [-0.9], [0.9]])
y = np.array([0, 1, 0, 1, 0, 1])  # the first two patients are the wrong way round
owner = np.arange(6)
close(
    learning_curve(x, y, owner, np.array([2, 3, 0, 1, 4, 5]), [2], n_test=2),
    np.array([1.0]),
    "the curve for order 2 3 0 1 4 5, size 2, two tested; patients 0 and 1 are the wrong way round",
    "was somebody trained on who stands in between?",
)
### BEGIN HIDDEN TESTS
close(
    learning_curve(x, y, owner, np.array([1, 0, 4, 5, 2, 3]), [2], n_test=2),
    np.array([0.0]),
    "the curve when training meets only patients the wrong way round",
    "does `order` decide who is trained on?",
)
close(
    learning_curve(x, y, owner, np.array([4, 5, 2, 3, 0, 1]), [2, 4], n_test=2),
    np.array([0.0, 0.0]),
    "the curve when the test is the wrong way round",
    "does `order` decide who is tested? are training images tested?",
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4: agreement beyond chance
#
# Two readers agree on 94 of 100 mammograms. Each calls 95 normal and 5 suspicious. Had both handed out these verdicts at random, they would agree on about 90.5
# all the same. Cohen's kappa takes this off:
#
# $$ \kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_k a_k b_k, $$
#
# with $p_o$ the share of items on which they agree, $a_k$ the share that the first reader puts into category $k$, and $b_k$ that of
# the second. For the two readers that is $(0.94 - 0.905) / (1 - 0.905) = 0.37$, a long way from 0.94. If both put all items into one and the same category, the formula is 0/0; say 1 then, since they do agree.


# %% nbgrader={"grade": false, "grade_id": "cohen_kappa", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cohen_kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Return Cohen's kappa of two raters.

    Parameters
    ----------
    first, second : arrays of int, same shape
        The categories that both gave to the same items: any whole numbers, any number of them. Masks (H, W) too.

    Returns
    -------
    float
        1 for perfect agreement, 0 for agreement by chance.
    """
    ### BEGIN SOLUTION
    observed = np.mean(first == second)
    expected = sum(np.mean(first == k) * np.mean(second == k) for k in np.union1d(first, second))
    if np.isclose(expected, 1):
        return 1.0
    return (observed - expected) / (1 - expected)
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.union1d(first, second)` lists all categories that occur. For each one, the product of both shares.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "cohen_kappa_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Agreement minus chance, over what chance leaves.
close(
    cohen_kappa(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])),
    0.5,
    "kappa of 1 1 0 0 and 1 0 0 0",
    "p_o = 3/4, p_e = 1/2",
)
close(
    cohen_kappa(np.array([0, 1]), np.array([1, 0])),
    -1.0,
    "kappa of 0 1 and 1 0",
    "p_o = 0, p_e = 1/2: kappa may be negative",
)
### BEGIN HIDDEN TESTS
from sklearn import metrics as scikit

rng = testing.hidden_rng("cohen_kappa_values")
for n_kinds in (2, 3, 6):
    first = rng.integers(0, n_kinds, 60)
    second = np.where(rng.random(60) < 0.6, first, rng.integers(0, n_kinds, 60)) * 1
    close(
        cohen_kappa(first, second),
        scikit.cohen_kappa_score(first, second),
        f"kappa of two raters with {n_kinds} categories",
        "each category's two shares are multiplied, then summed; each rater has shares of his own",
    )
first, second = np.array([3, 3, 3, -1, 8]), np.array([3, 3, 5, -1, 5])
close(
    cohen_kappa(first, second),
    scikit.cohen_kappa_score(first, second),
    "kappa where some categories are used by one rater only",
    "the categories are those of both raters together",
)
masks = rng.random((2, 7, 9)) < 0.3
close(
    cohen_kappa(masks[0], masks[1]),
    scikit.cohen_kappa_score(masks[0].ravel(), masks[1].ravel()),
    "kappa of two masks of 7 x 9 pixels",
    "pixels are items",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "cohen_kappa_chance", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# What chance explains: no more than that, less than that, and all of it.
close(
    cohen_kappa(np.array([2, 2, 2]), np.array([2, 2, 2])),
    1.0,
    "kappa of two raters who use one and the same category",
    "0/0: they agree",
)
### BEGIN HIDDEN TESTS
close(
    cohen_kappa(np.array([0, 1, 0, 1, 1, 0]), np.array([1, 0, 1, 0, 1, 0])),
    -1 / 3,
    "kappa of two raters who agree on two of six items, 0 and 1 equally often",
    "kappa may be negative",
)
close(cohen_kappa(np.array([0, 1, 2]), np.array([0, 1, 2])), 1.0, "kappa of two equal raters")
close(
    cohen_kappa(np.array([0, 0, 0, 0]), np.array([1, 0, 0, 0])),
    0.0,
    "kappa when one rater always says 0",
    "agreement of 3/4 is what chance gives here",
)
close(
    cohen_kappa(np.array([0, 0, 0]), np.array([4, 4, 4])),
    0.0,
    "kappa of two raters who never share a category",
    "chance gives no agreement either: p_e = 0",
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5: the truth behind the raters (STAPLE)
#
# Several people outline the same lesion. Whom to believe? A vote believes all alike. STAPLE (Warfield, Zou and Wells, 2004) asks two questions
# in turn until the answers settle: *how reliable is each rater, if this is the truth?* and *what is the truth, if they are so reliable?*
#
# Let $d_{ri}$ be 1 if rater $r$ marks pixel $i$, and $w_i$ the probability that pixel $i$ is truly in the lesion. First step, each rater's
# sensitivity and specificity:
#
# $$ p_r = \frac{\sum_i w_i d_{ri}}{\sum_i w_i}, \qquad q_r = \frac{\sum_i (1 - w_i)(1 - d_{ri})}{\sum_i (1 - w_i)}. $$


# %% nbgrader={"grade": false, "grade_id": "reliabilities", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reliabilities(votes: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each rater's sensitivity and specificity, if w is the truth.

    Parameters
    ----------
    votes : (R, V) array of int
        1 where rater r marks pixel v, else 0.
    w : (V,) array of float
        Probability of each pixel to be in the lesion, in [0, 1]; neither all 0 nor all 1.

    Returns
    -------
    sensitivity, specificity : (R,) arrays of float
    """
    ### BEGIN SOLUTION
    sensitivity = (votes * w).sum(1) / w.sum()
    specificity = ((1 - votes) * (1 - w)).sum(1) / (1 - w).sum()
    return sensitivity, specificity
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reliabilities_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# With a certain truth these are the usual shares; with an uncertain one, every pixel counts by its probability.
votes = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0]])
sensitivity, specificity = reliabilities(votes, np.array([1.0, 1.0, 0.0, 0.0, 0.0]))
close(
    sensitivity, np.array([1.0, 0.5]), "the sensitivity of two raters, certain truth", "over the pixels in the lesion"
)
close(specificity, np.array([1.0, 2 / 3]), "the specificity of two raters, certain truth", "over the pixels outside")
_, specificity = reliabilities(np.array([[1, 1, 0]]), np.array([1.0, 0.5, 0.0]))
close(
    specificity, np.array([2 / 3]), "the specificity of 1 1 0, where w is 1, 0.5 and 0", "a doubtful pixel counts half"
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("reliabilities_values")
votes, w = (rng.random((4, 30)) < 0.4).astype(int), rng.random(30)
sensitivity, specificity = reliabilities(votes, w)
expected_p = [sum(w[i] for i in range(30) if votes[r, i] > 0) / sum(w) for r in range(4)]
expected_q = [sum(1 - w[i] for i in range(30) if votes[r, i] < 1) / sum(1 - w) for r in range(4)]
close(sensitivity, np.array(expected_p), "the sensitivity of four raters, uncertain truth", "pixels count by w")
close(specificity, np.array(expected_q), "the specificity of four raters, uncertain truth", "pixels count by 1 - w")
### END HIDDEN TESTS

# %% [markdown]
# Second step, Bayes' rule with a prior $g$ of being in the lesion, all raters independent:
#
# $$ w_i = \frac{a_i}{a_i + b_i}, \qquad a_i = g \prod_r p_r^{d_{ri}} (1 - p_r)^{1 - d_{ri}}, $$
#
# $$ b_i = (1 - g) \prod_r q_r^{1 - d_{ri}} (1 - q_r)^{d_{ri}}. $$
#
# A product of a thousand numbers below 1 may be 0 in a computer, and 0/0 is no probability. So add logarithms: $w_i = 1 / (1 + e^{\log b_i - \log a_i})$. And keep
# $p_r$ and $q_r$ within $[10^{-6}, 1 - 10^{-6}]$: nobody is perfect, and 0 has no logarithm.


# %% nbgrader={"grade": false, "grade_id": "consensus", "locked": false, "schema_version": 3, "solution": true, "task": false}
def consensus(votes: np.ndarray, sensitivity: np.ndarray, specificity: np.ndarray, prior: float) -> np.ndarray:
    """Return the probability of each pixel to be in the lesion, if the raters are so reliable.

    Parameters
    ----------
    votes : (R, V) array of int
        1 where rater r marks pixel v, else 0. R may be a thousand.
    sensitivity, specificity : (R,) arrays of float
        In [0, 1].
    prior : float
        Probability of any pixel before a rater was heard, in (0, 1).

    Returns
    -------
    (V,) array of float
    """
    ### BEGIN SOLUTION
    p = np.clip(sensitivity, 1e-6, 1 - 1e-6)[:, None]
    q = np.clip(specificity, 1e-6, 1 - 1e-6)[:, None]
    log_a = np.log(prior) + (votes * np.log(p) + (1 - votes) * np.log(1 - p)).sum(0)
    log_b = np.log(1 - prior) + ((1 - votes) * np.log(q) + votes * np.log(1 - q)).sum(0)
    return 1 / (1 + np.exp(np.clip(log_b - log_a, -700, 700)))
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# Give `p` and `q` a second axis (`p[:, None]`), so that they meet votes of shape (R, V). `votes * np.log(p)` takes the logarithm
# where the rater said yes, and `(1 - votes) * np.log(1 - p)` where he said no. `np.clip` keeps the exponent within [-700, 700].
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "consensus_bayes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Bayes' rule for one and for several raters.
close(
    consensus(np.array([[1, 0]]), np.array([0.8]), np.array([0.9]), 0.5),
    np.array([8 / 9, 2 / 11]),
    "the probability after one rater's yes and no, p = 0.8, q = 0.9, g = 0.5",
    "a = g p or g (1 - p), b = (1 - g)(1 - q) or (1 - g) q",
)
close(
    consensus(np.array([[1, 0], [1, 1]]), np.array([0.8, 0.6]), np.array([0.9, 0.7]), 0.2),
    np.array([0.8, 0.1]),
    "the probability after yes yes and after no yes of two raters, p = 0.8 and 0.6, q = 0.9 and 0.7, g = 0.2",
    "is the prior g on both sides, and there once?",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("consensus_bayes")
votes = (rng.random((5, 20)) < 0.5).astype(int)
p, q, g = rng.uniform(0.55, 0.95, 5), rng.uniform(0.6, 0.99, 5), 0.2
a = g * np.prod(np.where(votes > 0, p[:, None], 1 - p[:, None]), axis=0)
b = (1 - g) * np.prod(np.where(votes > 0, 1 - q[:, None], q[:, None]), axis=0)
close(
    consensus(votes, p, q, g),
    a / (a + b),
    "the probability after five different raters, g = 0.2",
    "does a yes count 1 - q outside of the lesion? is the prior on both sides, and there once?",
)
close(
    consensus(votes, np.full(5, 0.5), np.full(5, 0.5), 0.3),
    np.full(20, 0.3),
    "the probability after five raters who flip coins, g = 0.3",
    "who knows nothing changes nothing",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "consensus_extremes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Perfect raters, and very many of them.
close(
    consensus(np.array([[1, 0]]), np.array([1.0]), np.array([1.0]), 0.5),
    np.array([1.0, 0.0]),
    "the probability after a rater who is never wrong",
    "clip p and q before the logarithm",
    atol=1e-5,
)
### BEGIN HIDDEN TESTS
close(
    consensus(np.array([[1, 0]]), np.array([0.0]), np.array([0.0]), 0.5),
    np.array([0.0, 1.0]),
    "the probability after a rater who is always wrong",
    "clip p and q from below, too",
    atol=1e-5,
)
crowd = np.tile(np.array([[1, 0], [1, 0], [0, 1]]), (700, 1))
close(
    consensus(crowd, np.full(2100, 0.6), np.full(2100, 0.6), 0.5),
    np.array([1.0, 0.0]),
    "the probability after 2100 poor raters, two thirds of whom are right",
    "a product of 2100 numbers vanishes: add logarithms",
)
close(
    consensus(np.array([[1], [0]]), np.array([1.0, 1.0]), np.array([0.8, 1.0]), 0.5),
    np.array([5e-6]),
    "the probability when one rater who never misses says yes and another says no",
    "clip to 1e-6, not to less",
    rtol=0.01,
    atol=1e-7,
)
### END HIDDEN TESTS

# %% [markdown]
# Both steps in turn are STAPLE. It starts from the share of votes; the prior is their mean.


# %% nbgrader={"grade": false, "grade_id": "staple", "locked": true, "schema_version": 3, "solution": false, "task": false}
def staple(votes, n_rounds: int = 30):
    """Return (V,) probabilities, (R,) sensitivities and (R,) specificities from (R, V) votes of 0 and 1."""
    votes = np.asarray(votes).astype(int)
    w = votes.mean(0)
    prior = float(np.clip(w.mean(), 1e-6, 1 - 1e-6))
    for _ in range(n_rounds):
        if not 0 < w.sum() < len(w):  # nobody marked anything, or everybody all
            return w, np.ones(len(votes)), np.ones(len(votes))
        sensitivity, specificity = reliabilities(votes, w)
        w = consensus(votes, sensitivity, specificity, prior)
    return w, sensitivity, specificity


# %% tags=["picture"] picture="consensus"
lesion = datasets.make_patients(2, size=64, images_per_patient=1, diameter_mm=18, seed=21)
raters = datasets.make_raters(lesion.masks, n_raters=7, careless_share=0.3, habit_px=0.7, seed=1)
votes = raters.outlines[0].reshape(7, -1)
vote, probability = votes.mean(0).reshape(64, 64), staple(votes)[0].reshape(64, 64)
figure, axes = plots.panels(1, 4, width_inches=2.4, height_inches=2.75)
plots.overlay(
    lesion.images[0],
    lesion.masks[0].astype(int),
    "Truth (simulated)",
    limits=(-1000, 300),
    spacing_mm=lesion.spacing_mm,
    ax=axes[0, 0],
)
plots.show_image(vote, "Share of 7 raters", limits=(0, 1), ax=axes[0, 1])
plots.show_image(probability, "STAPLE's probability", limits=(0, 1), ax=axes[0, 2])
plots.overlay(lesion.images[0], (probability > 0.5).astype(int), "STAPLE above 1/2", limits=(-1000, 300), ax=axes[0, 3])
plots.describe(
    figure,
    "A simulated nodule with its true outline, the share of seven raters that marks each pixel, STAPLE's probability, which is almost black and white, and its outline.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: the share of votes fades at the border, while STAPLE's probability is almost black and white](attachment:consensus.png)
#
# </details>
#
# ## Exercise 6: has the tumour changed?
#
# A tumour of 4.0 ml measures 3.4 ml after treatment: 15 percent less. Did it shrink, or was it measured differently? Errors of
# volumetry grow with the volume, so look at logarithms. Measure $n$ tumours twice on one day, when none can have changed. With $d_i = \ln v_{i2} - \ln v_{i1}$,
# a single measurement has the standard deviation
#
# $$ s = \sqrt{\frac{1}{2n} \sum_i d_i^2}. $$
#
# The 2 is there because two measurements err in each difference. The sum is over $d_i^2$ itself, not around its mean: no change is the truth, here.


# %% nbgrader={"grade": false, "grade_id": "retest_error", "locked": false, "schema_version": 3, "solution": true, "task": false}
def retest_error(first: np.ndarray, second: np.ndarray) -> float:
    """Return the standard deviation of one measurement, on the scale of natural logarithms.

    Parameters
    ----------
    first, second : (n,) arrays of float
        Volumes of the same tumours, measured twice without a change, above 0.

    Returns
    -------
    float
        About the relative error of one measurement: 0.09 is 9 percent.
    """
    ### BEGIN SOLUTION
    d = np.log(second) - np.log(first)
    return np.sqrt(np.mean(d**2) / 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "retest_error_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# From differences of logarithms; two measurements err in each.
close(
    retest_error(np.array([1.0, 10.0]), np.array([1.1, 11.0])),
    np.log(1.1) / np.sqrt(2),
    "the error when both tumours measure 10 % more the second time",
    "logarithms, halved for two measurements, not around the mean",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("retest_error_values")
first, second = rng.uniform(1, 30, 12), rng.uniform(1, 30, 12)
expected = float(np.sqrt(np.sum(np.log(second / first) ** 2) / 24))
close(retest_error(first, second), expected, "the error of 12 tumours", "divide the sum of squares by 2 n")
close(retest_error(second, first), expected, "the error with both measurements exchanged")
close(
    retest_error(1000 * first, 1000 * second),
    expected,
    "the error in microlitres instead of millilitres",
    "a relative error has no unit",
)
close(retest_error(first, first), 0.0, "the error of equal measurements")
### END HIDDEN TESTS

# %% [markdown]
# A change is the difference of two measurements, so its logarithm has the standard deviation $\sqrt 2\, s$. The relative change and its 95 % interval are
#
# $$ c = \frac{v_{\text{after}}}{v_{\text{before}}} - 1, \qquad \frac{v_{\text{after}}}{v_{\text{before}}}\, e^{\mp 1.96 \sqrt 2\, s} - 1. $$
#
# If the interval holds 0, the tumour may not have changed at all.


# %% nbgrader={"grade": false, "grade_id": "relative_change", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relative_change(before, after, error: float) -> tuple:
    """Return the relative change of volumes and its 95 % interval.

    Parameters
    ----------
    before, after : floats or (n,) arrays
        Volumes, above 0.
    error : float
        Standard deviation of one measurement on the scale of logarithms.

    Returns
    -------
    change, low, high : floats or (n,) arrays
        -0.25 is a quarter less.
    """
    ### BEGIN SOLUTION
    ratio = after / before
    half = 1.96 * np.sqrt(2) * error
    return ratio - 1, ratio * np.exp(-half) - 1, ratio * np.exp(half) - 1
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# Work with the ratio after / before, and take 1 off at the very end, three times.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "relative_change_interval", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The change and both ends.
close(
    relative_change(4.0, 3.0, 0.0),
    (-0.25, -0.25, -0.25),
    "the change from 4 to 3 ml, measured without error: (change, low, high)",
    "relative to what was before",
)
change, low, high = relative_change(4.0, 3.0, 0.1)
close(
    low,
    0.75 * np.exp(-1.96 * np.sqrt(2) * 0.1) - 1,
    "the lower end of the change from 4 to 3 ml, error 0.1",
    "do both measurements err, and is it 1.96 standard deviations for 95 %?",
)
close(
    high,
    0.75 * np.exp(1.96 * np.sqrt(2) * 0.1) - 1,
    "the upper end of the change from 4 to 3 ml, error 0.1",
    "both ends are factors of the ratio, so they are not equally far from the change",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("relative_change_interval")
before, after = rng.uniform(1, 9, 7), rng.uniform(1, 9, 7)
factor = np.exp(1.96 * np.sqrt(2) * 0.07)
change, low, high = relative_change(before, after, 0.07)
close(change, (after - before) / before, "the change of seven tumours", "relative to before, not to after")
close(low, after / before / factor - 1, "the lower ends of seven tumours, error 0.07", "relative to before")
close(high, after / before * factor - 1, "the upper ends of seven tumours, error 0.07", "relative to before")
### END HIDDEN TESTS

# %% tags=["picture"] picture="response"
trial = datasets.make_treatment(24, response_percent=-35.0, seed=4)
error = retest_error(trial.before[:, 0], trial.before[:, 1])
change, low, high = relative_change(trial.before[:, 0], trial.after, error)
figure, axes = plots.panels(1, 1, width_inches=7.0, height_inches=3.0)
ax = axes[0, 0]
for place, i in enumerate(np.argsort(change)):
    colour = plots.style.PALETTE[2 if trial.responds[i] else 3]
    ax.plot([place, place], [100 * low[i], 100 * high[i]], color=colour)
    ax.plot(place, 100 * change[i], "o" if trial.responds[i] else "s", color=colour)
ax.axhline(0, color="0.4", linestyle="--", linewidth=1)
ax.set(
    xlabel="tumour, sorted",
    ylabel="change of volume in %",
    xticks=[],
    title="Dots respond (35 % less), squares do not (simulated)",
)
plots.describe(
    figure,
    "Change of volume of 24 simulated tumours with 95 % intervals, sorted. Most that respond lie below 0 with their interval; those that do not scatter round 0.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: 24 changes with intervals, responders mostly below zero, others around zero](attachment:response.png)
#
# </details>
#
# ## Six challenges, six experiments
#
# Everything is yours now: split, interval, curve, kappa, STAPLE, change. Each experiment below runs for five seeds.
#
# **Predict first:** which of the six will be the largest in numbers, and which will not be seen at all?
#
# **1. Subjects vary.** A random forest on coarse pixels (144 of them), and beside it the simplest honest opponent: four numbers that a
# radiologist would name (size, roundness, brightness, spikes), with logistic regression. Both are split by image and by patient, and the same patients come as
# many small studies and as one large one. Below the table stands how wide the interval of one test is, if you draw patients, or images.
#
# Your split draws benign and malignant cases apart, as many of each, so that a coin gets 0.5. (Without that, what the
# test has more of, training has less of, and a guess by frequency falls below 0.5: the overstatement would look larger than it is.)

# %% tags=["experiment"]
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

UNIT, SOURCE = "02_challenges", "slide: challenges"
REAL = effects.source(lambda: False, lambda folder: True)  # with a folder, only the raters are asked
FEW, MANY = 16, 128 if effects.thorough() else 64


def coarse_pixels(cohort):
    """(N, H, W) images to (N, 144): means of 4 x 4 pixels."""
    n, side = cohort.images.shape[:2]
    return cohort.images.reshape(n, 12, side // 12, 12, side // 12).mean((2, 4)).reshape(n, -1)


def named_features(cohort):
    """Size, roundness, brightness and spikes of each nodule: (N, 4)."""
    rows = []
    for image, mask in zip(cohort.images, cohort.masks):
        area, rim = mask.sum(), (mask & ~ndimage.binary_erosion(mask)).sum()
        spikes = (mask & ~ndimage.binary_opening(mask, iterations=2)).sum()
        rows.append([np.log(area), rim**2 / area, image[mask].mean(), spikes / area])
    return np.array(rows)


def balanced_split(groups, labels, n_test, seed):
    """Your split, for benign and malignant cases apart: (N,) bool."""
    test = np.zeros(len(labels), bool)
    for kind in (0, 1):
        test[labels == kind] = split_by_patient(groups[labels == kind], n_test // 2, seed)
    return test


def hits(model, x, labels, patients, way):
    """Three splits of one study: for each, which test images a fresh model gets right, and whose they are."""
    groups = patients if way == "patient" else np.arange(len(labels))
    for repeat in range(3):
        test = balanced_split(groups, labels, len(np.unique(groups)) // 4, repeat)
        yield model.fit(x[~test], labels[~test]).predict(x[test]) == labels[test], patients[test]


# %% tags=["experiment"]
leak = {(n, kind, way): [] for n in (FEW, MANY) for kind in ("forest", "named") for way in ("image", "patient")}
widths, both_widths = [], []
for seed in effects.seeds() if not REAL else []:
    # The same patients twice: as many studies of a few of them, and as one study of all.
    cohort = datasets.make_patients(MANY, seed=200 + seed)
    models = {
        "forest": (RandomForestClassifier(50, random_state=seed), coarse_pixels(cohort)),
        "named": (make_pipeline(StandardScaler(), LogisticRegression()), named_features(cohort)),
    }
    for (n, kind, way), means in leak.items():
        model, x = models[kind]
        right = []
        for first in range(0, MANY, n):
            own = (cohort.patients >= first) & (cohort.patients < first + n)
            right += hits(model, x[own], cohort.labels[own], cohort.patients[own], way)
        means.append(np.mean(np.concatenate([each for each, _ in right])))
    # The last test of the named features, whose images came from a quarter of all patients.
    (right, owner), spans = right[-1], []
    for groups in (owner, np.arange(len(owner))):
        draws = np.random.default_rng(seed).choice(np.unique(groups), (400, len(np.unique(groups))))
        low, high = bootstrap_interval(right.astype(float), groups, draws)
        spans.append(high - low)
    widths.append(spans[0] / max(spans[1], 1e-9))
    both_widths.append(spans)

gap = {
    (n, kind): np.subtract(leak[n, kind, "image"], leak[n, kind, "patient"])
    for n in (FEW, MANY)
    for kind in ("forest", "named")
}
if not REAL:
    by_patient, by_image = np.mean(both_widths, axis=0)
    print(f"A test of the named features: {len(owner)} images of {len(np.unique(owner))} patients.")
    print(f"Mean width of its 95 % interval: {by_patient:.2f} by patient, {by_image:.2f} by image.")
pd.DataFrame(
    {
        f"{kind}, split by {way}": {f"{n} patients": np.mean(leak[n, kind, way] or [np.nan]) for n in (FEW, MANY)}
        for kind in ("forest", "named")
        for way in ("image", "patient")
    }
).round(2)

# %% [markdown]
# **2. Studies are small.** Your learning curve on real data: 569 breast tumours of scikit-learn, each of another patient, with 30 features of the cells' nuclei. And see for yourself: how much does the accuracy jump about if a
# test has 20 patients?
#
# **3. Brains develop.** A tissue classifier learns from adults. It is tested on adults and on newborns, whose white matter has no myelin yet and is *darker* than grey matter
# in a T1-weighted image. Opponent: call everything grey matter.

# %% tags=["experiment"]
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
nuclei = data.data  # as measured: `fit_and_score` scales them, by each training set
everyone = np.arange(len(nuclei))


def brain_pixels(brains, people):
    """Features and tissue of all brain pixels of some people."""
    x = np.concatenate([datasets.tissue_features(brains.images[i], brains.tissue[i]) for i in people])
    return x, np.concatenate([brains.tissue[i][brains.tissue[i] > 0] for i in people])


def mean_dice(model, brains, people):
    """Mean Dice of grey and white matter, and accuracy."""
    x, truth = brain_pixels(brains, people)
    said = model.predict(x)
    return np.mean([metrics.dice(truth == k, said == k) for k in (2, 3)]), np.mean(said == truth)


curve, jump, tissue = [], [], []
for seed in effects.seeds() if not REAL else []:
    order = np.random.default_rng(seed).permutation(everyone)
    curve.append(learning_curve(nuclei, data.target, everyone, order, [6, 12, 25, 50, 100, 200, 400], n_test=150))
    small_tests = [
        learning_curve(nuclei, data.target, everyone, np.roll(order, 20 * k), [200], n_test=20)[0] for k in range(25)
    ]
    jump.append(np.max(small_tests) - np.min(small_tests))

    adults = datasets.make_brains(6, age="adult", seed=300 + seed)
    newborns = datasets.make_brains(6, age="newborn", seed=400 + seed)
    forests = {
        brains.age: RandomForestClassifier(20, min_samples_leaf=20, max_samples=0.3, random_state=seed).fit(
            *brain_pixels(brains, range(3))
        )
        for brains in (adults, newborns)
    }
    grey = np.mean(brain_pixels(newborns, range(3, 6))[1] == 2)
    tissue.append(
        {
            "adults on adults": mean_dice(forests["adult"], adults, range(3, 6))[0],
            "adults on newborns": mean_dice(forests["adult"], newborns, range(3, 6))[0],
            "newborns on newborns": mean_dice(forests["newborn"], newborns, range(3, 6))[0],
            "accuracy, adults on newborns": mean_dice(forests["adult"], newborns, range(3, 6))[1],
            "accuracy, all grey": grey,
        }
    )
pd.DataFrame(tissue).mean().round(2)

# %% [markdown]
# **4. A disease is many.** Three subtypes each cost another region 1.2 standard deviations. How large is the effect in the hippocampus if the study pools them? And how many
# studies with 20 patients and 20 controls find it (t-test, 5 percent)?
#
# **5. Treatment must be seen.** Tumours that lose 10, or 40 percent of their volume, measured with an error of 9 percent. How many responders does your interval find, and
# how many others does it accuse? The mean change of all responders of a trial has an interval, too: how far does it reach?

# %% tags=["experiment"]
from scipy import stats


def effect_size(patients, controls):
    """Cohen's d, positive for a loss: difference of means over the pooled standard deviation."""
    return (controls.mean() - patients.mean()) / np.sqrt((patients.var(ddof=1) + controls.var(ddof=1)) / 2)


pooled, within, power, found = [], [], [], []
for seed in effects.seeds() if not REAL else []:
    study = datasets.make_disease(300, seed=500 + seed)
    controls, hippocampus = study.volumes[~study.is_patient, 0], study.volumes[:, 0]
    pooled.append(effect_size(hippocampus[study.is_patient], controls))
    within.append(effect_size(hippocampus[study.subtypes == 0], controls))
    finds = []
    for n_subtypes in (1, 3):
        small = [datasets.make_disease(20, n_subtypes=n_subtypes, seed=10_000 * seed + k) for k in range(150)]
        finds.append(
            np.mean(
                [stats.ttest_ind(s.volumes[s.is_patient, 0], s.volumes[~s.is_patient, 0]).pvalue < 0.05 for s in small]
            )
        )
    power.append(finds)

    row = {
        "effect d, one subtype": within[-1],
        "effect d, three pooled": pooled[-1],
        "studies that find one disease": finds[0],
        "studies that find three pooled": finds[1],
    }
    for percent in (-10.0, -40.0):
        trial = datasets.make_treatment(200, response_percent=percent, seed=600 + seed)
        error = retest_error(trial.before[:, 0], trial.before[:, 1])
        change, _, high = map(np.asarray, relative_change(trial.before[:, 0], trial.after, error))
        row[f"found of those with {percent:.0f} %"] = np.mean(high[trial.responds] < 0)
        row[f"accused, {percent:.0f} %"] = np.mean(high[~trial.responds] < 0)
        ends = dict(zip(("mean", "from", "to"), effects.interval(change[trial.responds])))
        row |= {f"change of a group with {percent:.0f} %, {end}": value for end, value in ends.items()}
    found.append(row)
pd.DataFrame(found).mean().round(2)

# %% [markdown]
# **6. Annotation needs experts.** Seven raters, two of them careless, outline nodules. Does a consensus beat the mean rater? Does STAPLE beat the simple majority?
# The same cell reads real outlines of cells by a crowd, if there is a folder. Beside it stands the world that STAPLE was made for: errors independent from pixel to pixel, four raters of seven
# poor.

# %% tags=["experiment"]
import itertools


def outlined(seed: int):
    """True mask (H, W), outlines of workers (R, H, W) and of experts (E, H, W); real images are dealt out to the seeds."""

    def simulate():
        cohort = datasets.make_patients(6, images_per_patient=1, size=64, diameter_mm=16, seed=700 + seed)
        workers = datasets.make_raters(cohort.masks, careless_share=0.3, habit_px=0.7, seed=seed).outlines
        experts = datasets.make_raters(cohort.masks, n_raters=3, habit_px=0.3, hand_px=0.5, seed=100 + seed).outlines
        return list(zip(cohort.masks, workers, experts))

    def read(folder):
        cells = datasets.read_bubil(folder)
        return list(zip(cells.gold, cells.crowd, cells.experts))[seed :: len(effects.seeds())]

    return effects.source(simulate, read)


def poor_crowd(seed: int):
    """Majority and STAPLE on votes whose errors are independent from pixel to pixel."""
    truth = np.hypot(*(np.indices((48, 48)) - 24)) < 12
    votes = datasets.make_votes(
        truth, [0.55, 0.6, 0.6, 0.65, 0.95, 0.9, 0.95], [0.7, 0.6, 0.75, 0.7, 0.95, 0.97, 0.9], seed=seed
    )
    probability = staple(votes.reshape(7, -1))[0].reshape(truth.shape)
    return metrics.dice(truth, votes.mean(0) > 0.5), metrics.dice(truth, np.asarray(probability) > 0.5)


rows, poor = [], []
for seed in effects.seeds():
    for truth, outlines, experts in outlined(seed):
        votes = outlines.reshape(len(outlines), -1)
        majority = metrics.dice(truth, outlines.mean(0) > 0.5)
        probability, sensitivity, _ = staple(votes)
        true_sensitivity = (votes & truth.ravel()).sum(1) / truth.sum()
        rows.append(
            {
                "seed": seed,
                "mean rater": np.mean([metrics.dice(truth, outline) for outline in outlines]),
                "majority": majority,
                "majority minus expert": majority - np.mean([metrics.dice(truth, e) for e in experts] or [np.nan]),
                "STAPLE": metrics.dice(truth, np.asarray(probability).reshape(truth.shape) > 0.5),
                "kappa of pairs": np.mean([cohen_kappa(a, b) for a, b in itertools.combinations(outlines, 2)]),
                "sensitivity found minus true": np.mean(np.asarray(sensitivity) - true_sensitivity),
            }
        )
    poor.append(poor_crowd(seed))
by_seed = pd.DataFrame(rows).groupby("seed").mean()
alone = pd.Series(np.mean(poor, axis=0), ["independent errors: majority", "independent errors: STAPLE"])
pd.concat([by_seed.mean(), alone]).round(3)

# %% tags=["experiment"]


def claim(words, values, *, above=-np.inf, below=np.inf, figure="none: a heading"):
    """One row of the table; what a folder of outlines cannot tell is left open."""
    return effects.measure(UNIT, words, values, paper=SOURCE, paper_figure=figure, above=above, below=below)


def unless_real(values):
    return None if REAL else list(values)


tissue_of = pd.DataFrame(
    tissue,
    columns=[
        "adults on adults",
        "adults on newborns",
        "newborns on newborns",
        "accuracy, adults on newborns",
        "accuracy, all grey",
    ],
)
found_of = pd.DataFrame(
    found, columns=["found of those with -10 %", "accused, -10 %", "found of those with -40 %", "accused, -40 %"]
)
steps = np.reshape(curve, (-1, 7))
table = effects.report(
    [
        claim(
            f"1 Subjects: accuracy of a forest on pixels, split by image minus by patient, {FEW} patients, above 0",
            unless_real(gap[FEW, "forest"]),
            above=0,
        ),
        claim(
            f"1 Subjects: that overstatement, {FEW} minus {MANY} patients, above 0",
            unless_real(gap[FEW, "forest"] - gap[MANY, "forest"]),
            above=0,
        ),
        claim(
            f"1 Subjects: the same for four named features, {FEW} minus {MANY} patients, above 0",
            unless_real(gap[FEW, "named"] - gap[MANY, "named"]),
            above=0,
        ),
        claim(
            f"1 Subjects: accuracy by patient, four named features minus forest on pixels, {MANY} patients, above 0",
            unless_real(np.subtract(leak[MANY, "named", "patient"], leak[MANY, "forest", "patient"])),
            above=0,
        ),
        claim(
            "1 Subjects: width of the interval, bootstrapped by patient over by image, above 1",
            unless_real(widths),
            above=1,
        ),
        claim(
            "2 Small studies: accuracy on real breast tumours, 400 minus 12 training patients, above 0",
            unless_real(steps[:, 6] - steps[:, 1]),
            above=0,
        ),
        claim(
            "2 Small studies: best minus worst accuracy of 25 tests with 20 patients each, above 0.1",
            unless_real(jump),
            above=0.1,
        ),
        claim(
            "3 Development: Dice of a classifier of adults, on adults minus on newborns, above 0.2",
            unless_real(tissue_of["adults on adults"] - tissue_of["adults on newborns"]),
            above=0.2,
        ),
        claim(
            "3 Development: Dice on newborns, trained on newborns minus on adults, above 0",
            unless_real(tissue_of["newborns on newborns"] - tissue_of["adults on newborns"]),
            above=0,
        ),
        claim(
            "3 Development: accuracy on newborns, classifier of adults minus calling all grey matter, below 0",
            unless_real(tissue_of["accuracy, adults on newborns"] - tissue_of["accuracy, all grey"]),
            below=0,
        ),
        claim(
            "4 Heterogeneity: effect (Cohen's d) in the hippocampus, one subtype minus all pooled, above 0",
            unless_real(np.subtract(within, pooled)),
            above=0,
        ),
        claim(
            "4 Heterogeneity: share of studies with 20 + 20 people that find it, one disease minus three pooled, above 0",
            unless_real(np.reshape(power, (-1, 2)) @ [1, -1]),
            above=0,
        ),
        claim(
            "5 Response: share found of tumours that lost 10 %, measured to 9 %, below 0.5",
            unless_real(found_of["found of those with -10 %"]),
            below=0.5,
        ),
        claim(
            "5 Response: share found of tumours that lost 40 %, measured to 9 %, above 0.8",
            unless_real(found_of["found of those with -40 %"]),
            above=0.8,
        ),
        claim(
            "5 Response: share of unchanged tumours that is accused, below 0.1",
            unless_real(found_of["accused, -40 %"]),
            below=0.1,
        ),
        claim(
            "6 Experts: Dice of majority minus mean rater, above 0",
            by_seed["majority"] - by_seed["mean rater"],
            above=0,
        ),
        claim(
            "6 Experts: Dice of STAPLE minus mean rater, above 0", by_seed["STAPLE"] - by_seed["mean rater"], above=0
        ),
        claim("6 Experts: Dice of STAPLE minus majority, above 0", by_seed["STAPLE"] - by_seed["majority"], above=0),
        claim(
            "6 Experts: Dice of STAPLE minus majority, independent errors, four poor raters of seven, above 0",
            unless_real(np.reshape(poor, (-1, 2)) @ [-1, 1]),
            above=0,
        ),
        claim(
            "6 Experts: sensitivity that STAPLE finds minus the true one, within 0.05 of 0",
            by_seed["sensitivity found minus true"],
            above=-0.05,
            below=0.05,
        ),
        claim(
            "6 Experts: Dice of majority of seven workers minus one expert, above 0",
            None if by_seed["majority minus expert"].isna().any() else by_seed["majority minus expert"],
            above=0,
        ),
        claim("6 Experts: mean kappa of pairs of raters, below 0.9", by_seed["kappa of pairs"], below=0.9),
    ]
)
table

# %% [markdown]
# **Before you read on:** which rows did not come out as their claim says, and what would you have to know to find out why?
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>

# %% tags=["experiment"]
if REAL:
    picture = None
else:
    mean, low, high = np.array([effects.interval(step) for step in steps.T]).T
    sizes = [6, 12, 25, 50, 100, 200, 400]
    picture, axes = plots.panels(1, 1, width_inches=6.0, height_inches=3.3)
    axes[0, 0].fill_between(sizes, low, high, alpha=0.2, label="95 % interval over orders")
    axes[0, 0].plot(sizes, mean, "o-", label="mean")
    axes[0, 0].set(xscale="log", xlabel="patients to train on (real breast tumours)", ylabel="accuracy on 150 others")
    axes[0, 0].set_xticks(sizes, labels=sizes)
    axes[0, 0].minorticks_off()
    axes[0, 0].legend(loc="lower right")
    plots.describe(
        picture, f"Learning curve on real data: accuracy {mean[0]:.2f} with 6 patients, {mean[-1]:.2f} with 400."
    )
picture

# %% [markdown]
# ## Questions in words
#
# **Question 1.** A manuscript says: "We collected 3,000 slices of 30 patients, split them at random into 80 % training and 20 % test, and reached an accuracy of 97 %."
# You review it. In at most 150 words and with numbers of your own run: what do you know about the 31st patient, what do you ask the authors to do, and how wide will their
# interval then be, roughly?

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_leakage", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# Almost nothing is known about the 31st patient: with 100 slices a patient, nearly every test slice has neighbours of the same patient in training. In my run a forest on pixels
# reached well above 0.9 by image with 16 patients, and about one half, chance, by patient. Split by patient, with several repeats or cross-validation over patients; choose all
# settings within the training patients. The interval must be bootstrapped by patient: six test patients are six witnesses, so with an accuracy near 0.8 a standard error of about
# 0.15 is to be expected, an interval of 0.5 to 1. Ask also for a baseline with a few named features.
#
# === BEGIN MARK SCHEME ===
# 1 point: says that slices of a patient are on both sides, so the score may be memory of patients, with a number of the own run.
# 1 point: asks for a split by patient (or cross-validation by patient, or new patients).
# 1 point: says that the number of patients, not of slices, sets the width, and that it is wide.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** Your volumetry errs by 9 percent. A drug shrinks tumours by 10 percent on average. A colleague says: "Then no trial can show it." Is that right for one patient? For
# a trial with 200? Name one way to make the effect visible in one patient.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_response", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# For one patient it is right: the smallest detectable decrease is 1 - exp(-1.96 sqrt(2) 0.09), about 22 percent, so 10 percent lies within the error. For a mean of many patients it is
# wrong: the error of a mean falls with the square root of their number, so with 100 treated patients the mean change of 10 percent is known to about 2.5 percent. In one patient: measure several
# times and average, wait until the change is larger, or measure better (thinner slices, the same reader and software).
#
# === BEGIN MARK SCHEME ===
# 1 point: right for one patient, with the smallest detectable change or its reason; wrong for the mean of a group.
# 1 point: one workable way: repeated scans, longer follow-up, a better or more uniform measurement.
# === END MARK SCHEME ===

# %% [markdown]
# ## On real outlines
#
# Boston University's BU-BIL holds cells outlined by seven workers and by experts (`RawImages`, `GoldStandard`, `CrowdsourcedAnnotations`, `ExpertsAnnotations`). With a folder
# of it on your disk, the sixth experiment runs on it:
#
# ```
# medcourse effects 02_challenges --data FOLDER
# ```
#
# **References.** S. K. Warfield, K. H. Zou, W. M. Wells: *Simultaneous Truth and Performance Level Estimation (STAPLE)*. IEEE TMI 23(7), 903-921, 2004.
# [doi:10.1109/TMI.2004.828354](https://doi.org/10.1109/TMI.2004.828354). J. Cohen: *A coefficient of agreement for nominal scales*. Educational and Psychological Measurement 20, 37-46, 1960.
# [doi:10.1177/001316446002000104](https://doi.org/10.1177/001316446002000104)
