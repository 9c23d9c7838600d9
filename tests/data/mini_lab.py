# %% [markdown]
# # A small lab for the tests of the grader
# Three answers and a written question, in a second.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import sys

import numpy as np


class Award(float):
    """Stand in for the one of `medcourse.testing`, which imports torch: a second for each test of the grader."""


def award(points):
    return Award(points)


# %% [markdown]
# ## Exercise 1: Dice
# Twice the overlap over the sum of both.


# %% nbgrader={"grade": false, "grade_id": "dice", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dice(a, b):
    """Return the Dice coefficient of two boolean masks of one shape."""
    ### BEGIN SOLUTION
    total = a.sum() + b.sum()
    if total == 0:
        return 1.0  # both empty: agreement
    return 2 * (a & b).sum() / total
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "dice_overlap", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
got = dice(np.array([True, True]), np.array([True, False]))
assert abs(got - 2 / 3) < 1e-6, f"dice of 2 pixels and 1 of them should be 0.667, got {got}"
### BEGIN HIDDEN TESTS
secret_masks = np.array([[True, True, False, False], [False, True, True, True]])
got = dice(*secret_masks)
assert abs(got - 0.4) < 1e-6, (
    f"dice of 2 and 3 pixels that share 1 should be 0.4, got {got}: is the overlap counted twice?"
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "dice_empty", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
nothing = np.zeros(3, bool)
### BEGIN HIDDEN TESTS
got = dice(nothing, nothing)
assert abs(got - 1) < 1e-6, f"dice of two empty masks should be 1, got {got}: is the zero denominator guarded?"
### END HIDDEN TESTS

# %% tags=["experiment"]
raise RuntimeError("the grader must not run this")

# %% [markdown]
# ## Exercise 2: Window
# From Hounsfield units to [0, 1].


# %% nbgrader={"grade": false, "grade_id": "window", "locked": false, "schema_version": 3, "solution": true, "task": false}
def window(image, low, high):
    """Map an image to [0, 1], `low` to 0 and `high` to 1, and clip."""
    ### BEGIN SOLUTION
    scaled = (np.asarray(image, float) - low) / (high - low)
    return scaled.clip(0, 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "window_range", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
shown = window([0.0, 50.0], 0, 100)
earned = 0.0
earned += float(abs(shown[0]) < 1e-6 and abs(shown[1] - 0.5) < 1e-6)
### BEGIN HIDDEN TESTS
clipped_values = window([-1000.0, 1000.0], -100, 400)
earned += float(abs(clipped_values[0]) < 1e-6 and abs(clipped_values[1] - 1) < 1e-6)
### END HIDDEN TESTS
award(earned)

# %% [markdown]
# ## Exercise 3: Steps

# %% nbgrader={"grade": false, "grade_id": "steps", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
number_of_steps = 7
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "steps_count", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
print("steps are counted", file=sys.stderr)
### BEGIN HIDDEN TESTS
assert abs(number_of_steps - 7) < 1e-6, f"a week should have seven, got {number_of_steps}"
### END HIDDEN TESTS

# %% [markdown]
# ## A question to write about

# %% [markdown] nbgrader={"grade": true, "grade_id": "why", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# When does Dice mislead?
#
# ### BEGIN SOLUTION
# For small structures a border of one voxel moves it by a lot.
# ### END SOLUTION
#
# === BEGIN MARK SCHEME ===
# 3 points: names small structures and says by what mechanism.
# === END MARK SCHEME ===
