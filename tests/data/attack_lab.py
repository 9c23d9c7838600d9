# %% [markdown]
# # A lab to attack
# Its hidden inputs hold words and numbers that are made from the class's seed, so that a leak can be recognised.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np

from medcourse import testing
from medcourse.testing import close

testing.begin_lab()

# %% [markdown]
# ## Area


# %% nbgrader={"grade": false, "grade_id": "area", "locked": false, "schema_version": 3, "solution": true, "task": false}
def area(mask, side, note=""):
    """Return the area of a mask whose pixels have this side."""
    ### BEGIN SOLUTION
    pixels = np.count_nonzero(mask)  # solution-canary
    return pixels * side**2
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "area_pixels", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
close(area(np.eye(2), 1.0), 2.0, "the area of two pixels")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("area")
word = f"canary{rng.integers(10**9, 10**10)}"
mask, side = rng.random((5, 7)) > 0.5, float(rng.integers(10**9, 10**10))
close(area(mask, side, word), mask.sum() * side**2, "the area of a hidden mask")  # test-canary
### END HIDDEN TESTS

# %% [markdown]
# ## Scale


# %% nbgrader={"grade": false, "grade_id": "scale", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Scale:
    """Multiply by a factor."""

    def __init__(self, factor):
        ### BEGIN SOLUTION
        self.factor = factor
        ### END SOLUTION

    def __call__(self, x):
        ### BEGIN SOLUTION
        return self.factor * x
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "scale_values", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
twice = Scale(2.0)
close(twice.factor, 2.0, "the factor of Scale(2)")
### BEGIN HIDDEN TESTS
values = testing.hidden_rng("scale").random(3)
close(twice(values), 2 * values, "twice some hidden numbers")
### END HIDDEN TESTS

# %% [markdown]
# ## Walk


# %% nbgrader={"grade": false, "grade_id": "walk", "locked": false, "schema_version": 3, "solution": true, "task": false}
def walk(step, start, n):
    """Apply a function n times."""
    ### BEGIN SOLUTION
    for _ in range(n):
        start = step(start)
    return start
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "walk_calls", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
close(walk(lambda x: x + 1, 0, 3), 3, "three steps of 1")
### BEGIN HIDDEN TESTS
table = {n: n + 1 for n in range(50)}


def following(n):
    return table[n]


start = int(testing.hidden_rng("walk").integers(5, 40))
close(walk(following, start, 5), start + 5, "five hidden steps")
### END HIDDEN TESTS

# %% [markdown]
# ## Text


# %% nbgrader={"grade": false, "grade_id": "describe", "locked": false, "schema_version": 3, "solution": true, "task": false}
def describe(n):
    """Return how many cells there are, in words."""
    ### BEGIN SOLUTION
    return f"{n} cells"
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "describe_words", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
for text in map(describe, [3]):
    close(text, "3 cells", "three cells")
### BEGIN HIDDEN TESTS
for length, expected in zip(map(len, map(describe, [5, 17])), [7, 8]):
    close(length, expected, "the length of a hidden text")
### END HIDDEN TESTS

# %% [markdown]
# ## Steps

# %% nbgrader={"grade": false, "grade_id": "steps", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
steps = [1, 2, 3]
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "steps_partly", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
earned = 0.0
### BEGIN HIDDEN TESTS
for i in range(2):
    earned += float(abs(steps[i] - (i + 1)) < 1e-6)
### END HIDDEN TESTS
testing.award(earned)
