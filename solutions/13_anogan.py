# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 13: a network that has seen health only
#
# A hospital has thousands of scans of healthy retinas, and nobody has time to outline what is ill in the others. Schlegl,
# Seeböck, Waldstein, Schmidt-Erfurth and Langs (2017) taught a network what *healthy* looks like, and called ill
# whatever it could not imitate: AnoGAN. In this lab you build it, piece by piece, from the game of two networks
# that Goodfellow and others invented in 2014.
#
# **You will be able to**
#
# - write the losses of a generative adversarial network so that they never overflow;
# - say what the best discriminator is, and check a trained one against it;
# - take one step of each player without moving the other;
# - search a latent space for the healthy picture that is nearest to a patient's;
# - turn what is left over into an anomaly score and an anomaly map;
# - see mode collapse, and cure it;
# - test whether the network beats an auto-encoder, and whether either beats principal components.
#
# **Time:** about 120 minutes. **Before this:** the lesson *What a healthy retina looks like*.
#
# **Cost:** {{cost}}
#
# The scans are **simulated**, and so are the eyes and their diseases. What you write runs on real scans, too.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medcourse import datasets, effects, plots, testing
from medcourse.models import anogan
from medcourse.testing import close

testing.begin_lab(seed=13)
plots.use_style()

# %% tags=["picture"] picture="patches"
KINDS = ("subretinal fluid", "intraretinal fluid", "drusen", "hyperreflective foci")
shown = datasets.make_oct_patches(8, patches_per_eye=5, diseased=0.5, seed=8)
healthy = [shown.images[i] for i in (0, 7, 11, 17)]
ill = [shown.images[np.flatnonzero((shown.kind == kind) & shown.diseased)[1]] for kind in KINDS]
figure, axes = plots.panels(2, 4, width_inches=2.3, height_inches=1.6)
for image, title, ax in zip([*healthy, *ill], [*["healthy"] * 4, *KINDS], axes.flat):
    plots.show_image(image, title, limits=(0, 1), ax=ax)
    ax.set_aspect(0.5)  # a pixel is 8 um high and 16 um wide
plots.describe(
    figure,
    "Eight simulated patches of OCT. Above four healthy retinas, layered, the fovea a dip. Below: a black dome under the "
    "retina, black ovals within it, bumps of the lowest bright line, and bright dots.",
)

# %% [markdown]
# Optical coherence tomography (OCT) measures echoes of light: each column looks down into the retina. Bright are the
# nerve fibres on top and the pigment epithelium below; the black above is the vitreous. All patches are *flattened*:
# Bruch's membrane, under the epithelium, lies in the same row everywhere. Each is 0.5 mm high and 1 mm wide.
#
# <details><summary>Expected picture</summary>
#
# ![Expected: four healthy patches above, below subretinal fluid, cysts, drusen, and bright foci](attachment:patches.png)
#
# </details>
#
# The lower row is what training never sees.
#
# ## Exercise 1: the losses of two players
#
# The **discriminator** D looks at a sample and gives a logit $a$; $\sigma(a)$ is its probability that the sample is real. The
# **generator** G turns random numbers $z$ into samples, and wants D to be wrong. Goodfellow's game is
#
# $$ \min_G \max_D \; \mathbb{E}_x \log D(x) + \mathbb{E}_z \log\bigl(1 - D(G(z))\bigr), \qquad D = \sigma(a). $$
#
# As losses to be *minimised*, with means over a batch:
#
# | player | loss |
# |---|---|
# | discriminator | $-\,\overline{\log \sigma(a_\text{real})} \;-\; \overline{\log(1 - \sigma(a_\text{fake}))}$ |
# | generator, *minimax* | $\overline{\log(1 - \sigma(a_\text{fake}))}$ |
# | generator, *non-saturating* | $-\,\overline{\log \sigma(a_\text{fake})}$ |
#
# **Predict first:** D is sure that a sample is fake, $a = -20$. Which of the two generator losses still has a slope there?
#
# A logit of 200 is not rare. Computed as written, $\log(1 - \sigma(200))$ is $\log 0$.
#
# <details><summary>Hint</summary>
#
# `functional.softplus(a)` is $\log(1 + e^a)$, and does not overflow. Write $\sigma(a) = 1 / (1 + e^{-a})$ and see what
# $-\log \sigma(a)$ becomes. And $1 - \sigma(a) = \sigma(-a)$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "discriminator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Return what the discriminator minimises.

    Parameters
    ----------
    real : (B,) tensor
        Logits of real samples; of any size, 1000 is possible.
    fake : (C,) tensor
        Logits of generated samples. C need not be B.

    Returns
    -------
    tensor with one number
        Mean over the real ones plus mean over the fake ones.
    """
    ### BEGIN SOLUTION
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "discriminator_loss_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A discriminator that does not know: two coins.
close(
    discriminator_loss(torch.zeros(3), torch.zeros(3)),
    2 * np.log(2),
    "the loss for logits of 0",
    "add both means: a half is the probability of each",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("discriminator_loss_value")
a, b = rng.normal(0, 2, 5), rng.normal(0, 2, 9)
wanted = -np.mean(np.log(1 / (1 + np.exp(-a)))) - np.mean(np.log(1 - 1 / (1 + np.exp(-b))))
close(
    discriminator_loss(torch.as_tensor(a), torch.as_tensor(b)),
    wanted,
    "the loss of 5 real and 9 generated samples",
    "which ones should get a high logit? a mean over each group by itself?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "discriminator_loss_stable", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Sure and wrong: the loss is large, and no infinity.
close(
    discriminator_loss(torch.tensor([-300.0]), torch.tensor([500.0])),
    800.0,
    "the loss where logits are -300 and 500 and both are wrong",
    "does a logarithm of 0 come up on the way?",
)
### BEGIN HIDDEN TESTS
value, slope = testing.value_and_grad(discriminator_loss, torch.tensor([-400.0, 0.0]), torch.tensor([900.0, 0.0]))
close(value, 200.0 + 450.0 + np.log(2), "the loss of logits of -400, 0 and 900, 0")
close(slope, np.array([-0.5, -0.25]), "its gradient by the real logits -400 and 0", "is it the mean of two?")
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "generator_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generator_loss(fake: torch.Tensor, kind: str = "non-saturating") -> torch.Tensor:
    """Return what the generator minimises.

    Parameters
    ----------
    fake : (B,) tensor
        The discriminator's logits of generated samples; of any size.
    kind : str
        "non-saturating" or "minimax".

    Returns
    -------
    tensor with one number
        Mean over the batch.
    """
    ### BEGIN SOLUTION
    if kind == "minimax":
        return -functional.softplus(fake).mean()
    return functional.softplus(-fake).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "generator_loss_value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The two losses at a logit of 0.
close(generator_loss(torch.zeros(4)), np.log(2), "the non-saturating loss at 0", "it is the default")
close(generator_loss(torch.zeros(4), "minimax"), -np.log(2), "the minimax loss at 0", "log of a half: which sign?")
### BEGIN HIDDEN TESTS
a = testing.hidden_rng("generator_loss_value").normal(0, 2, 7)
p = 1 / (1 + np.exp(-a))
close(
    generator_loss(torch.as_tensor(a), "non-saturating"),
    -np.mean(np.log(p)),
    "the non-saturating loss of 7 samples",
    "the generator wants to be taken for real",
)
close(generator_loss(torch.as_tensor(a), "minimax"), np.mean(np.log(1 - p)), "the minimax loss of 7 samples")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "generator_loss_slope", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Where the discriminator is sure, only one of the losses still pulls.
sure = torch.tensor([-20.0])
value, slope = testing.value_and_grad(generator_loss, sure, "non-saturating")
close(slope, np.array([-1.0]), "the slope of the non-saturating loss at -20", "it should push the logit up")
### BEGIN HIDDEN TESTS
_, flat = testing.value_and_grad(generator_loss, sure, "minimax")
close(flat, np.array([0.0]), "the slope of the minimax loss at -20", atol=1e-5)
value, _ = testing.value_and_grad(generator_loss, torch.tensor([600.0, -600.0]), "minimax")
close(value, -300.0, "the minimax loss of logits 600 and -600", "does a logarithm of 0 come up?")
value, _ = testing.value_and_grad(generator_loss, torch.tensor([600.0, -600.0]), "non-saturating")
close(value, 300.0, "the non-saturating loss of logits 600 and -600", "does a logarithm of 0 come up?")
### END HIDDEN TESTS

# %% tags=["picture"] picture="losses"
logits = torch.linspace(-8, 8, 81)
curves = {kind: [float(generator_loss(a[None], kind)) for a in logits] for kind in ("non-saturating", "minimax")}
plots.plot_curve(
    curves,
    x=logits.tolist(),
    xlabel="logit of a generated sample (left: D is sure that it is fake)",
    ylabel="generator's loss",
    title="Two losses that want the same",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: left of 0 the minimax loss is flat and the non-saturating one falls steeply; right of 0 it is the other way round](attachment:losses.png)
#
# </details>
#
# At the start of training D wins easily: the generator stands far on the left, where the minimax loss is flat.
#
# ## Exercise 2: the best discriminator there is
#
# Let real samples have the density $p$, generated ones $q$. For a *fixed* generator, no discriminator has a lower loss than
#
# $$ D^*(x) = \frac{p(x)}{p(x) + q(x)} . $$
#
# So D estimates a ratio of densities. Where $D^* = \tfrac12$ everywhere, the generator has won.
#
# On a line both densities can be written down. Let each be a mixture of Gaussians. Far from all of them, both densities
# are $10^{-400}$, and a computer says 0 / 0. The ratio is well defined there all the same: work with logarithms.
#
# **Predict first:** p has a standard deviation of 0.5, q of 1.2, and both have mean 0. What is $D^*$ far outside?
#
# <details><summary>Hint</summary>
#
# $D^* = \sigma(\log p - \log q)$. The logarithm of a sum of exponentials is `scipy.special.logsumexp`, $\sigma$ is
# `scipy.special.expit`. Do not forget that a Gaussian is divided by its standard deviation.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "best_discriminator", "locked": false, "schema_version": 3, "solution": true, "task": false}
def best_discriminator(x: np.ndarray, real: list, fake: list) -> np.ndarray:
    """Return the probability that a sample at x is real, if both densities are known.

    Parameters
    ----------
    x : (N,) array
        Places on the line, near or far.
    real, fake : list of (weight, mean, sd)
        Gaussians whose weighted sum is the density of real and of generated samples; weights add up to 1.

    Returns
    -------
    (N,) array
        In [0, 1].
    """
    ### BEGIN SOLUTION
    from scipy.special import expit, logsumexp

    def log_density(mixture):
        weight, mean, sd = np.asarray(mixture, float).T[:, :, None]  # (K, 1) each
        return logsumexp(
            -((x - mean) ** 2) / (2 * sd**2), b=weight / sd, axis=0
        )  # but for a constant, the same in both

    return expit(log_density(real) - log_density(fake))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "best_discriminator_value", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Two Gaussians of the same width: in the middle between them nobody can tell.
x = np.array([-1.0, 0.0, 1.0])
got = best_discriminator(x, [(1.0, 1.0, 1.0)], [(1.0, -1.0, 1.0)])
close(got[1], 0.5, "the best answer in the middle between two equal Gaussians")
close(got[2], 1 / (1 + np.exp(-2)), "the best answer at 1 for real at 1 and generated at -1", "p over p plus q")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("best_discriminator_value")


def density(x, mixture):
    return sum(w * np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi)) for w, m, s in mixture)


for k in (1, 3):
    weights = rng.dirichlet(np.ones(k))
    real = [(float(w), float(m), float(s)) for w, m, s in zip(weights, rng.normal(0, 1, k), rng.uniform(0.3, 1.5, k))]
    fake = [(0.3, float(rng.normal()), 0.6), (0.7, float(rng.normal()), 1.3)]
    x = rng.normal(0, 1.5, 11)
    p, q = density(x, real), density(x, fake)
    close(
        best_discriminator(x, real, fake),
        p / (p + q),
        f"11 places for a real mixture of {k} Gaussians and a generated one of two",
        "weights and standard deviations belong in front of each Gaussian",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "best_discriminator_far", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Far away both densities are below the smallest number that there is; their ratio is not.
far = np.array([60.0, -60.0])
close(
    best_discriminator(far, [(1.0, 0.01, 1.0)], [(1.0, 0.0, 1.0)]),
    1 / (1 + np.exp(-0.01 * far + 0.00005)),
    "60 standard deviations away from two nearly equal Gaussians",
    "0 / 0? subtract logarithms",
)
### BEGIN HIDDEN TESTS
far = np.array([-300.0, 250.0])
close(
    best_discriminator(far, [(0.5, 0.0, 1.0), (0.5, 1.0, 1.0)], [(0.5, 1.0, 1.0), (0.5, 0.0, 1.0)]),
    np.array([0.5, 0.5]),
    "far away from two equal mixtures",
    "subtract logarithms",
)
close(best_discriminator(far, [(1.0, 0.0, 0.5)], [(1.0, 0.0, 1.2)]), np.zeros(2), "far away, if real ones are narrower")
### END HIDDEN TESTS

# %% tags=["picture"] picture="best"
REAL, FAKE = [(0.5, -1.5, 0.4), (0.5, 1.0, 0.7)], [(1.0, 0.0, 1.2)]
line = np.linspace(-5, 5, 201)
plots.plot_curve(
    {
        "generator off the mark": best_discriminator(line, REAL, FAKE),
        "generator has won": best_discriminator(line, REAL, REAL),
    },
    x=line,
    xlabel="x",
    ylabel="best discriminator",
    title="The best answer to two generators",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: two humps above one half where real samples are frequent, near zero outside; for the generator that has won a level line at one half](attachment:best.png)
#
# </details>
#
# ## Exercise 3: one step of each player
#
# Both play by turns, on the same graph of computations: $z \to G(z) \to D(G(z))$. With weights $\theta$ of D, $\phi$ of G and losses $L$,
#
# $$ \theta \leftarrow \theta - \eta\, \frac{\partial L_D}{\partial \theta}, \qquad \phi \leftarrow \phi - \eta\, \frac{\partial L_G}{\partial \phi}. $$
#
# In the discriminator's turn generated samples are data: no gradient may run back into G. In the generator's turn the gradient must run *through* D,
# and D's weights must stay as they are. It leaves gradients behind in D, though. What becomes of them in D's next turn?
#
# <details><summary>Hint</summary>
#
# `.detach()` cuts a tensor off from what made it. An optimiser moves only the parameters that it was given.
# `optimiser.zero_grad()` removes gradients that other computations left in them. Use your losses of exercise 1.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "game", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Game:
    """A generator and a discriminator that play against each other.

    Parameters
    ----------
    generator : module
        From latent codes (B, ...) to samples (B, ...).
    discriminator : module
        From samples to logits, one a sample or a pack: (B,) or (B, 1).
    make_optimiser : callable
        `make_optimiser(parameters)` returns an optimiser of torch's that moves these parameters.

    Attributes
    ----------
    generator, discriminator : the two modules, changed in place
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, make_optimiser) -> None:
        self.generator, self.discriminator = generator, discriminator
        ### BEGIN SOLUTION
        self.of_generator = make_optimiser(generator.parameters())
        self.of_discriminator = make_optimiser(discriminator.parameters())
        ### END SOLUTION

    def discriminator_step(self, real: torch.Tensor, z: torch.Tensor) -> float:
        """Move the discriminator one step, on real samples and on those made of z; return its loss before the step."""
        ### BEGIN SOLUTION
        with torch.no_grad():
            fake = self.generator(z)
        loss = discriminator_loss(self.discriminator(real), self.discriminator(fake))
        self.of_discriminator.zero_grad()
        loss.backward()
        self.of_discriminator.step()
        return float(loss.detach())
        ### END SOLUTION

    def generator_step(self, z: torch.Tensor) -> float:
        """Move the generator one step by the non-saturating loss; return the loss before the step."""
        ### BEGIN SOLUTION
        loss = generator_loss(self.discriminator(self.generator(z)))
        self.of_generator.zero_grad()
        loss.backward()
        self.of_generator.step()
        return float(loss.detach())
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "game_discriminator", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A turn of the discriminator: it moves down its loss, and the generator stays.
torch.manual_seed(1)
maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
first = [parameter.detach().clone() for parameter in maker.parameters()]
real, z = torch.randn(6, 3), torch.randn(4, 2)
game = Game(maker, judge, partial(torch.optim.SGD, lr=0.1))
before = game.discriminator_step(real, z)
after = game.discriminator_step(real, z)
assert after < before, f"its loss on the same batch should fall, got {before} and then {after}: is the sign right?"
for got, expected in zip(game.generator.parameters(), first):
    close(got, expected, "the generator's weights after turns of the discriminator", "whose optimiser made the step?")
### BEGIN HIDDEN TESTS
torch.manual_seed(int(testing.hidden_rng("game_discriminator").integers(2**31)))
maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
real, z = torch.randn(5, 3), torch.randn(7, 2)
weight, bias = judge.weight.detach().clone(), judge.bias.detach().clone()
with torch.no_grad():
    made = maker(z)
    # By hand: the loss is mean softplus(-a) over real ones plus mean softplus(a) over made ones.
    pull = torch.cat([-torch.sigmoid(-(real @ weight.T + bias)) / 5, torch.sigmoid(made @ weight.T + bias) / 7])
    samples = torch.cat([real, made])
    loss = functional.softplus(-(real @ weight.T + bias)).mean() + functional.softplus(made @ weight.T + bias).mean()
game = Game(maker, judge, partial(torch.optim.SGD, lr=0.3))
close(
    game.discriminator_step(real, z), float(loss), "what the discriminator's step returns", "the loss before the step"
)
moved = game.discriminator.state_dict()
close(moved["weight"], weight - 0.3 * (pull.T @ samples), "the discriminator's weights after one step of size 0.3")
close(moved["bias"], bias - 0.3 * pull.sum(0), "the discriminator's bias after one step of size 0.3")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "game_generator", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A turn of the generator: it moves, the discriminator stays.
torch.manual_seed(2)
maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
first = [parameter.detach().clone() for parameter in judge.parameters()]
z = torch.randn(4, 2)
game = Game(maker, judge, partial(torch.optim.SGD, lr=0.1))
before = game.generator_step(z)
after = game.generator_step(z)
assert after < before, f"its loss on the same codes should fall, got {before} and then {after}: was something detached?"
for got, expected in zip(game.discriminator.parameters(), first):
    close(got, expected, "the discriminator's weights after turns of the generator", "whose optimiser made the step?")
### BEGIN HIDDEN TESTS
torch.manual_seed(int(testing.hidden_rng("game_generator").integers(2**31)))
maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
z = torch.randn(6, 2)
weight, bias, head = (t.detach().clone() for t in (maker.weight, maker.bias, judge.weight))
with torch.no_grad():
    logits = judge(maker(z))
    push = -torch.sigmoid(-logits) / 6 * head  # (6, 3)
game = Game(maker, judge, partial(torch.optim.SGD, lr=0.2))
close(
    game.generator_step(z),
    float(functional.softplus(-logits).mean()),
    "what the generator's step returns",
    "the non-saturating loss, before the step",
)
moved = game.generator.state_dict()
close(moved["weight"], weight - 0.2 * push.T @ z, "the generator's weights after one step of size 0.2")
close(moved["bias"], bias - 0.2 * push.sum(0), "the generator's bias after one step of size 0.2")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "game_turns", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Turns in any order: no turn may leave a trace in the next one.
torch.manual_seed(3)
maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
second_maker, second_judge = nn.Linear(2, 3), nn.Linear(3, 1)
second_maker.load_state_dict(maker.state_dict())
second_judge.load_state_dict(judge.state_dict())
real, z = torch.randn(4, 3), torch.randn(4, 2)
game = Game(maker, judge, partial(torch.optim.SGD, lr=0.5))
game.generator_step(z)
game.discriminator_step(real, z)
with torch.no_grad():  # the same discriminator's turn, after a generator that was moved by hand
    for mine, theirs in zip(second_maker.parameters(), game.generator.parameters()):
        mine.copy_(theirs)
fresh = Game(second_maker, second_judge, partial(torch.optim.SGD, lr=0.5))
fresh.discriminator_step(real, z)
close(
    game.discriminator.state_dict(),
    dict(fresh.discriminator.state_dict()),
    "the discriminator after a generator's turn and one of its own",
    "what was left in its gradients by the turn before?",
)
### BEGIN HIDDEN TESTS
torch.manual_seed(int(testing.hidden_rng("game_turns").integers(2**31)))
maker, judge = nn.Linear(2, 3), nn.Linear(3, 1)
own_maker, own_judge = nn.Linear(2, 3), nn.Linear(3, 1)
own_maker.load_state_dict(maker.state_dict())
own_judge.load_state_dict(judge.state_dict())
game = Game(maker, judge, partial(torch.optim.SGD, lr=0.4))
for turn in "dggdd":
    real, z = torch.randn(4, 3), torch.randn(5, 2)
    if turn == "d":
        game.discriminator_step(real, z)
        bad = functional.softplus(own_judge(own_maker(z).detach())).mean()
        value = functional.softplus(-own_judge(real)).mean() + bad
        moving = list(own_judge.parameters())
    else:
        game.generator_step(z)
        value = functional.softplus(-own_judge(own_maker(z))).mean()
        moving = list(own_maker.parameters())
    with torch.no_grad():
        for parameter, slope in zip(moving, torch.autograd.grad(value, moving)):
            parameter -= 0.4 * slope
for name, net, own in (("generator", game.generator, own_maker), ("discriminator", game.discriminator, own_judge)):
    for got, expected in zip(net.parameters(), own.parameters()):
        close(
            got, expected.detach(), f"the {name}'s weights after five turns", "does each turn start without gradients?"
        )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4: how far from healthy
#
# Training is over, both players are frozen. For a patient's patch $x$ we have a generated picture $G(z)$. How far are they apart?
# In two currencies: in grey levels, and in what the discriminator looks at. Its features $f$, the numbers before its last layer,
# say what matters for telling real from generated. To compare them is called *feature matching*. The paper mixes both with a weight $\lambda = 0.1$:
#
# $$ A(x) = (1 - \lambda) \sum_{\text{pixels}} |x - G(z)| \; + \; \lambda \sum_{\text{features}} |f(x) - f(G(z))| . $$
#
# <details><summary>Hint</summary>
#
# One number for each image: sum over all axes but the first. `tensor.flatten(1)` makes one row of each image.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "anomaly_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def anomaly_score(
    images: torch.Tensor, nearest: torch.Tensor, wanted: torch.Tensor, found: torch.Tensor, weight: float = 0.1
) -> torch.Tensor:
    """Return how far each image is from its generated neighbour.

    Parameters
    ----------
    images, nearest : (N, 1, H, W) tensors
        x and G(z).
    wanted, found : (N, F) tensors
        Features f(x) and f(G(z)).
    weight : float
        Of the features, lambda, in [0, 1].

    Returns
    -------
    (N,) tensor
        The higher, the less healthy.
    """
    ### BEGIN SOLUTION
    residual = (images - nearest).abs().sum(dim=(1, 2, 3))
    discrimination = (wanted - found).abs().sum(dim=1)
    return (1 - weight) * residual + weight * discrimination
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "anomaly_score_value", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# By hand: four pixels that differ by 0.5, two features that differ by 3 and -1.
images, nearest = torch.full((1, 1, 2, 2), 0.25), torch.full((1, 1, 2, 2), -0.25)
wanted, found = torch.tensor([[4.0, 0.0]]), torch.tensor([[1.0, 1.0]])
close(
    anomaly_score(images, nearest, wanted, found),
    np.array([2.2]),
    "the score with the paper's weight",
    "sums, not means; does each term have its weight?",
)
close(anomaly_score(images, nearest, wanted, found, 0.0), np.array([2.0]), "the score of pixels alone")
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("anomaly_score_value")
images, nearest = rng.normal(size=(3, 1, 4, 5)), rng.normal(size=(3, 1, 4, 5))
wanted, found = rng.normal(size=(3, 7)), rng.normal(size=(3, 7))
for weight in (0.0, 0.3, 1.0):
    expected = (1 - weight) * np.abs(images - nearest).sum((1, 2, 3)) + weight * np.abs(wanted - found).sum(1)
    close(
        anomaly_score(*map(torch.as_tensor, (images, nearest, wanted, found)), weight),
        expected,
        f"the scores of three images of 4 x 5 pixels with weight {weight}",
        "one number an image, absolute differences, which term has which weight?",
    )
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 5: the search
#
# Which $z$? The generator has no way back. So start anywhere, and walk downhill:
#
# $$ z_{k+1} = z_k - \text{Adam}\Bigl(\frac{\partial A(x;\, z_k)}{\partial z}\Bigr), \qquad k = 0, 1, \dots, 499 . $$
#
# Weights are frozen: it is the *input* that learns. All patches are searched at once, each with its own $z$, and none may feel
# the others.
#
# <details><summary>Hint</summary>
#
# An optimiser takes any leaf tensor that requires a gradient: `z.clone().requires_grad_()`. The gradient of a *sum* of scores
# gives each row of z the gradient of its own score. What is `f(x)` in step 400, if x never changes?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "search", "locked": false, "schema_version": 3, "solution": true, "task": false}
def search(generator, features, images, z, steps: int = 500, lr: float = 0.05, weight: float = 0.1) -> tuple:
    """Look for the latent codes whose pictures are nearest to images.

    Parameters
    ----------
    generator : callable
        From codes (N, L) to pictures (N, 1, H, W), differentiable.
    features : callable
        From pictures to features (N, F), differentiable.
    images : (N, 1, H, W) tensor
    z : (N, L) tensor
        Where to start; stays as it is. Only codes are to move: not the weights behind `generator` and `features`.
    steps : int
        Of `torch.optim.Adam` with learning rate `lr` and its other settings as they are.
    weight : float
        As in `anomaly_score`.

    Returns
    -------
    z : (N, L) tensor
        Codes after the last step, detached.
    history : (steps + 1, N) tensor
        Score of each image at the start and after each step, detached.
    """
    ### BEGIN SOLUTION
    z = z.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr=lr)
    with torch.no_grad():
        wanted = features(images)
    history = []
    for step in range(steps + 1):
        nearest = generator(z)
        score = anomaly_score(images, nearest, wanted, features(nearest), weight)
        history.append(score.detach())
        if step < steps:
            (z.grad,) = torch.autograd.grad(score.sum(), z)
            optimiser.step()
    return z.detach(), torch.stack(history)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "search_finds", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A generator of one layer: what it can make, the search finds; what it cannot make keeps a high score.
torch.manual_seed(4)
maker = nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4)))
looks = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
with torch.no_grad():
    images = torch.cat([maker(torch.tensor([[0.3, -0.2]])), torch.randn(1, 1, 4, 4)])
codes, history = search(maker, looks, images, torch.zeros(2, 2), steps=60)
close(tuple(history.shape), (61, 2), "the shape of the history of 60 steps and two images", "the start counts, too")
assert history[60][0] < 0.2 * history[0][0], (
    f"the score of a picture that it can make should fall, got {float(history[0][0]):.3g} and then "
    f"{float(history[60][0]):.3g}: downhill by Adam, without gradients of the step before?"
)
assert history[60][1] > 5, (
    f"noise should keep a high score, got {float(history[60][1]):.3g}: does the score add up pixels and features?"
)
### BEGIN HIDDEN TESTS
torch.manual_seed(int(testing.hidden_rng("search_finds").integers(2**31)))
maker = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Unflatten(1, (1, 3, 4)))
looks = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.LeakyReLU(0.2))
images, start = torch.randn(4, 1, 3, 4), torch.randn(4, 3)
mine, mean, square, kept = start.clone(), 0.0, 0.0, []
for k in range(1, 9):
    leaf = torch.tensor(mine.tolist(), requires_grad=True)
    made = maker(leaf)
    value = 0.6 * (images - made).abs().sum((1, 2, 3)) + 0.4 * (looks(images) - looks(made)).abs().sum(1)
    kept.append(value.detach())
    (slope,) = torch.autograd.grad(value.sum(), leaf)
    mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2  # Adam's two averages
    mine = mine - 0.08 * mean / (1 - 0.9**k) / ((square / (1 - 0.999**k)).sqrt() + 1e-8)
codes, history = search(maker, looks, images, start, steps=7, lr=0.08, weight=0.4)
close(history[0], kept[0], "the scores at the start", "before the first step")
close(
    history,
    torch.stack(kept),
    "the scores of 4 images over 7 steps",
    "Adam on z, down your score of exercise 4",
    rtol=1e-3,
)
# After the last step z belongs to the last score.
with torch.no_grad():
    made = maker(codes)
    last = 0.6 * (images - made).abs().sum((1, 2, 3)) + 0.4 * (looks(images) - looks(made)).abs().sum(1)
close(last, kept[7], "the scores of the codes that come back", "are they those after the last step?", rtol=1e-3)
# A start beside the goal, and steps far too long: no later score is as low as the first.
with torch.no_grad():
    goal = maker(start + 0.01)
codes, history = search(maker, looks, goal, start, steps=3, lr=1.0)
with torch.no_grad():
    made = maker(codes)
    last = 0.9 * (goal - made).abs().sum((1, 2, 3)) + 0.1 * (looks(goal) - looks(made)).abs().sum(1)
close(
    history[3],
    last,
    "the last scores of a search whose steps are too long",
    "the codes after the last step, not others?",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "search_alone", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Nobody feels the others, and what was handed over stays as it is.
torch.manual_seed(5)
maker = nn.Sequential(nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4)))
looks = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
images, start = torch.randn(3, 1, 4, 4), torch.randn(3, 2)
together, _ = search(maker, looks, images, start, steps=20)
alone, _ = search(maker, looks, images[:1], start[:1], steps=20)
close(
    together[:1],
    alone,
    "the code of the first image, with and without others",
    "is a row's gradient its own?",
    rtol=1e-3,
)
### BEGIN HIDDEN TESTS
_, after = testing.inout(search, maker, looks, images, start, 5)
close(after[3], start, "the codes handed over, after the call", "work on a copy")
close(after[2], images, "the images handed over, after the call")
far = torch.cat([images[:1], 1000 * images[1:]])
beside, _ = search(maker, looks, far, start, steps=20)
close(
    beside[:1],
    alone,
    "the code of the first image beside two very bright ones",
    "is a row's gradient its own?",
    rtol=1e-3,
)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 6: where
#
# A score says *that* something is odd. The picture of what is left over says *where*. Single pixels of it are speckle, so smooth
# it a little with a Gaussian $g_s$ of standard deviation $s$. Images here reach from -1 to 1; the map is wanted in units of
# the full range from black to white, which is 1:
#
# $$ M(x) = g_s * \tfrac12\, |x - G(z)| . $$
#
# <details><summary>Hint</summary>
#
# `scipy.ndimage.gaussian_filter` takes one `sigma` for each axis: 0 leaves an axis alone. First the absolute value, then the
# smoothing: the other way round speckle cancels, and so does the edge of a lesion.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "anomaly_map", "locked": false, "schema_version": 3, "solution": true, "task": false}
def anomaly_map(images: torch.Tensor, nearest: torch.Tensor, sigma_px: float = 1.5) -> np.ndarray:
    """Return where images differ from their generated neighbours.

    Parameters
    ----------
    images, nearest : (N, 1, H, W) tensors
        In [-1, 1].
    sigma_px : float
        Standard deviation of the Gaussian along rows and columns; SciPy's mirrored border.

    Returns
    -------
    (N, H, W) array
        In [0, 1]; 1 is black against white.
    """
    ### BEGIN SOLUTION
    from scipy import ndimage

    left_over = (images - nearest).abs()[:, 0].numpy() / 2  # (N, H, W)
    return ndimage.gaussian_filter(left_over, sigma=(0, sigma_px, sigma_px))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "anomaly_map_value", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Black against white everywhere is 1; without smoothing the map is the difference.
white = torch.ones(2, 1, 5, 6)
close(
    anomaly_map(white, -white),
    np.ones((2, 5, 6)),
    "the map of white images that should be black",
    "one map an image; black against white is 1, at the border, too",
)
### BEGIN HIDDEN TESTS
rng = testing.hidden_rng("anomaly_map_value")
images, nearest = torch.as_tensor(rng.uniform(-1, 1, (2, 1, 9, 12))), torch.as_tensor(rng.uniform(-1, 1, (2, 1, 9, 12)))
left_over = np.abs(np.asarray(images) - np.asarray(nearest))[:, 0] / 2
close(anomaly_map(images, nearest, 0.0), left_over, "the map without smoothing", "absolute value, half of it")
point = torch.zeros(2, 1, 15, 15)
point[0, 0, 7, 7] = -2.0
spread = np.asarray(anomaly_map(point, torch.zeros(2, 1, 15, 15), 1.0))
close(
    spread.sum(axis=(1, 2)),
    np.array([1.0, 0.0]),
    "the sums of the maps of one odd pixel in the first of two images",
    "each image by itself",
    atol=1e-4,
)
close(spread[0, 7, 8] / spread[0, 7, 7], np.exp(-0.5), "how fast it falls beside the odd pixel", rtol=0.02)
close(spread[0, 8, 7], spread[0, 7, 8], "its fall along rows and along columns")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "anomaly_map_order", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A checkerboard of too bright and too dark is odd everywhere.
board = torch.tensor([[1.0, -1.0] * 4, [-1.0, 1.0] * 4] * 4)[None, None]
close(
    anomaly_map(board, torch.zeros(1, 1, 8, 8), 2.0),
    np.full((1, 8, 8), 0.5),
    "the map of a checkerboard against grey",
    "too bright and too dark must not cancel",
)
### BEGIN HIDDEN TESTS
close(anomaly_map(-board, torch.zeros(1, 1, 8, 8), 2.0), np.full((1, 8, 8), 0.5), "the map of the other checkerboard")
wide = torch.zeros(1, 1, 8, 24)
wide[0, 0, 0] = 2.0
close(
    np.asarray(anomaly_map(wide, torch.zeros(1, 1, 8, 24), 1.5))[0].sum(axis=0),
    np.ones(24),
    "the sum of each column, if the first row is odd",
    "mirrored at the border, so that nothing is lost",
    rtol=1e-3,
)
### END HIDDEN TESTS

# %% tags=["picture"] picture="map"
nets = anogan.load_oct_networks(0)
made = datasets.make_oct_patches(4, patches_per_eye=5, diseased=1.0, seed=21)
patches = 2 * torch.as_tensor(made.images[[2, 7, 13]])[:, None] - 1
for net in (nets.generator, nets.discriminator):
    net.requires_grad_(False)
codes, _ = search(nets.generator, nets.discriminator.features, patches, nets.generator.draw(3, seed=0), steps=150)
nearest = nets.generator(codes)
maps = anomaly_map(patches, nearest)
figure, axes = plots.panels(3, 3, width_inches=2.6, height_inches=1.7)
for row, name in zip(range(3), made.kind[[2, 7, 13]]):
    plots.show_image((patches[row, 0] + 1) / 2, f"simulated: {name}", limits=(0, 1), ax=axes[row, 0])
    plots.show_image((nearest[row, 0] + 1) / 2, "nearest healthy one", limits=(0, 1), ax=axes[row, 1])
    plots.show_map(maps[row], "anomaly map", unit="black to white", limits=(0, 0.4), ax=axes[row, 2])
    for ax in axes[row]:
        ax.set_aspect(0.5)
plots.describe(
    figure,
    "Three rows: a simulated patch with a lesion, the nearest picture that the generator can make, which has none, and a map that is bright at the lesion.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: each lesion missing in the generated neighbour and bright in the map; speckle and shadows of vessels leave traces, too](attachment:map.png)
#
# </details>
#
# The generator was trained before, on healthy patches only; `bench/anogan.py` did it, in the turns that you wrote.
#
# ## The papers' claims, measured again
#
# First Goodfellow's: train a discriminator against a generator that stands still, on the line of exercise 2, and see how far
# from $D^*$ it ends.

# %% tags=["experiment"]
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.utils import Bunch
from sklearn.metrics import roc_auc_score

UNIT, GOODFELLOW, SCHLEGL = "13_anogan", "Goodfellow et al. 2014", "Schlegl et al. 2017"


def draw_mixture(mixture, n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 1) samples of a mixture of Gaussians."""
    weights, means, sds = np.array(mixture).T
    which = rng.choice(len(weights), n, p=weights)
    return rng.normal(means[which], sds[which])[:, None]


def mlp(inputs: int, outputs: int, width: int = 64) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def train_discriminator(seed: int, steps: int) -> nn.Module:
    """A discriminator of REAL against FAKE, by your loss."""
    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), mlp(1, 1, width=32)
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    for _ in range(steps):
        real, fake = (torch.as_tensor(draw_mixture(m, 512, rng), dtype=torch.float32) for m in (REAL, FAKE))
        loss = discriminator_loss(net(real)[:, 0], net(fake)[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net


distances = []
for seed in effects.seeds():
    net = train_discriminator(seed, 2000 if effects.thorough() else 400)
    rng = np.random.default_rng(100 + seed)
    places = np.concatenate([draw_mixture(mixture, 4000, rng) for mixture in (REAL, FAKE)])
    with torch.no_grad():
        answers = torch.sigmoid(net(torch.as_tensor(places, dtype=torch.float32)))[:, 0].numpy()
    distances.append(float(np.mean(np.abs(answers - best_discriminator(places[:, 0], REAL, FAKE)))))
with torch.no_grad():
    learned = torch.sigmoid(net(torch.as_tensor(line[:, None], dtype=torch.float32)))[:, 0].tolist()
plots.plot_curve(
    {"best": best_discriminator(line, REAL, FAKE), "learned": learned},
    x=line,
    xlabel="x",
    ylabel="probability of real",
    title=f"Learned and best discriminator; mean distance over seeds {np.mean(distances):.3f}",
)

# %% [markdown]
# Where they part, at the ends, there are hardly any samples of either kind to learn from.
#
# ## Mode collapse, seen and cured
#
# Real samples lie in eight heaps on a ring. A generator may sit on a few of them and still fool D, which sees one sample at
# a time: each is a good one. A cure (Lin et al. 2018, [arXiv 1712.04086](https://arxiv.org/abs/1712.04086)): let D judge *packs* of four
# samples, all real or all generated. Four samples from one heap give the generator away.
#
# **Predict first:** how many of eight heaps does the generator find, with D looking at one sample? At four?

# %% tags=["experiment"]
RING_STEPS = 1000 if effects.thorough() else 600
HEAP_SD = 0.1
angles = torch.arange(8) * torch.pi / 4
HEAPS = torch.stack([angles.cos(), angles.sin()], dim=1)  # on a circle of radius 1


class PackedDiscriminator(nn.Module):
    """Judge packs of samples: (B, 2) to B / pack logits."""

    def __init__(self, pack: int) -> None:
        super().__init__()
        self.pack, self.net = pack, mlp(2 * pack, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.reshape(-1, 2 * self.pack))[:, 0]


def play_ring(pack: int, seed: int, steps: int = RING_STEPS, batch: int = 128) -> torch.Tensor:
    """2000 generated samples after a game."""
    torch.manual_seed(seed)
    adam = partial(torch.optim.Adam, lr=2e-3, betas=(0.5, 0.999))
    game = Game(mlp(8, 2), PackedDiscriminator(pack), adam)
    for _ in range(steps):
        real = HEAPS[torch.randint(8, (batch,))] + HEAP_SD * torch.randn(batch, 2)
        game.discriminator_step(real, torch.randn(batch, 8))
        game.generator_step(torch.randn(batch, 8))
    with torch.no_grad():
        return game.generator(torch.randn(2000, 8))


def near_heaps(samples: torch.Tensor) -> tuple[int, float]:
    """Heaps with at least 2 % of the samples within three standard deviations; share of samples that are so near to any."""
    distance, heap = torch.cdist(samples, HEAPS).min(dim=1)
    share = torch.bincount(heap[distance < 3 * HEAP_SD], minlength=8) / len(samples)
    return int((share >= 0.02).sum()), float(share.sum())


found, near = {1: [], 4: []}, {1: [], 4: []}
figure, axes = plots.panels(1, 2, width_inches=3.2, height_inches=3.2)
for pack, ax in zip(found, axes[0]):
    for seed in effects.seeds():
        samples = play_ring(pack, seed)
        heaps, share = near_heaps(samples)
        found[pack].append(heaps)
        near[pack].append(round(share, 2))
        if seed == 0:
            ax.plot(*HEAPS.T, "o", ms=16, mfc="none", color="0.5")
            ax.plot(*samples[:500].T, ".", ms=3)
            title = "one sample at a time" if pack == 1 else f"packs of {pack}"
            ax.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal", title=f"{title}: {found[pack][0]} of 8")
print("heaps found, seed by seed:", found)
print("share of samples within three standard deviations of a heap:", near)
plots.describe(
    figure,
    "Generated samples (dots) and the eight real heaps (circles) for a discriminator of single samples, left, and of packs of four, right.",
)

# %% [markdown]
# Which games of yours lost heaps? And mind the second line: a generator that scatters its samples everywhere has some at every heap, too. To find
# all heaps and to hit them are two things, and the second takes longer. In the retina the same happens, unseen: whoever draws samples sees good
# ones only.
#
# ## A generator of retinas
#
# Your game, now with a DCGAN: four layers of 5 x 5 kernels in each player. In the notebook you play a few turns only; the generators
# of the next cells had the paper's 20 epochs.

# %% tags=["experiment"]
import time


def play_dcgan(images: torch.Tensor, steps: int, *, seed: int, batch: int = 64) -> Game:
    """Your game on patches (N, 1, 64, 64) in [-1, 1]."""
    torch.manual_seed(seed)
    adam = partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999))
    game = Game(anogan.Generator(), anogan.Discriminator(), adam)
    for _ in range(steps):
        game.discriminator_step(images[torch.randint(len(images), (batch,))], game.generator.draw(batch))
        game.generator_step(game.generator.draw(batch))
    game.generator.eval(), game.discriminator.eval()
    return game


def as_input(images: np.ndarray) -> torch.Tensor:
    """(N, 1, 64, 64) in [-1, 1], of (N, 64, 64) in [0, 1]."""
    return 2 * torch.as_tensor(np.asarray(images, np.float32))[:, None] - 1


few = as_input(datasets.make_oct_patches(24, seed=1000).images)
began = time.perf_counter()
short = play_dcgan(few, 25, seed=0)
print(f"25 turns of each player: {time.perf_counter() - began:.1f} s")
rows = {"real (simulated)": few[::24, 0]}
for name, generator in {"after 25 turns": short.generator, "after 1280 turns": nets.generator}.items():
    with torch.no_grad():
        rows[name] = generator(generator.draw(8, seed=3))[:, 0]
figure, axes = plots.panels(3, 8, width_inches=1.35, height_inches=1.15)
for (name, images), line_of_axes in zip(rows.items(), axes):
    for i, ax in enumerate(line_of_axes):
        plots.show_image((images[i] + 1) / 2, name if i == 0 else "", limits=(0, 1), ax=ax)
        ax.set_aspect(0.5)
plots.describe(
    figure,
    "Three rows of eight patches: simulated retinas, noise-like generated ones after 25 turns, and layered ones after 1280 turns.",
)

# %% [markdown]
# Look closely at the last row, as a radiologist would. What of the real patches does it lack? What does it have that no eye has?
#
# <details><summary>What we see</summary>
#
# The layers lie where they should, in the right order, with the epithelium as bright as it is, and the retina's height varies. Speckle is
# missing: pictures are smooth, with a fine grid from the 5 x 5 kernels. Shadows of vessels are missing or nearly so, although about
# every second patch has one: modes that were lost. Inner layers run into each other in blotches. Dark vessels of the choroid lie at the same
# few places in many pictures.
#
# Each of these will be left over in the residual of a *healthy* patch.
#
# </details>
#
# ## Does it find the ill?
#
# Now AnoGAN itself, on eyes that no network has seen. A patch counts as ill if it shows a pixel of a lesion; patches of ill eyes without
# one are left out. Beside it stand
#
# - the *discriminator alone*: the lower its logit, the iller;
# - an *auto-encoder* of the same layers and the same 32 numbers in its code, trained on the same healthy patches
#   (the paper's had an adversarial loss, too);
# - *principal components*: what 32 of them, fitted to healthy patches, leave over. No network, a second of computing;
# - the distance to the *mean* healthy patch.
#
# Each score is the sum of absolute differences, but for the discriminator alone. The seed changes the eyes to be judged, those
# that principal components are fitted to, and the start of the search. GAN and auto-encoder are those of one training, which ships with the course:
# how much another training would differ, the intervals do not say.
#
# **Predict first:** order the five by their AUC.

# %% tags=["experiment"]
STEPS, PER_GROUP = (500, 40) if effects.thorough() else (60, 12)
STOPS = [step for step in (10, 50, 100, 500) if step <= STEPS]
WEIGHTS = (0.0, 0.1, 0.5)


def simulate(seed: int):
    """Healthy patches to fit to; patches to judge, their masks of lesions and their kinds."""
    train = datasets.make_oct_patches(128 if effects.thorough() else 32, seed=1000 + seed).images
    made = datasets.make_oct_patches(5 * PER_GROUP // 4, patches_per_eye=2, diseased=0.6, seed=seed)
    rng = np.random.default_rng(seed)
    healthy = np.flatnonzero(made.kind == "")
    chosen = [rng.choice(healthy, min(PER_GROUP, len(healthy)), replace=False)]
    for kind in KINDS:
        of_kind = np.flatnonzero((made.kind == kind) & made.diseased)
        chosen.append(rng.choice(of_kind, min(PER_GROUP // 4, len(of_kind)), replace=False))
    chosen = np.concatenate(chosen)
    return train, made.images[chosen], made.lesions[chosen], made.kind[chosen]


def read(folder, seed: int):
    """Normal scans to fit to; scans to judge, no masks, and their classes: OCTMNIST's file, or Kermany's folder."""
    scans = datasets.read_oct_patches(folder, most_per_class=PER_GROUP, seed=seed)
    return scans.train, scans.images, None, scans.kind


def networks(train: np.ndarray, simulated: bool, seed: int):
    """The shipped networks of simulated eyes; on other data your own game and a new auto-encoder."""
    if simulated:
        return anogan.load_oct_networks(seed % anogan.N_SHIPPED)
    from medcourse.training import fit

    x = as_input(train)
    game = play_dcgan(x, 1280 if effects.thorough() else 100, seed=seed)
    auto_encoder = anogan.PatchAutoEncoder()

    def batches(step: int):
        chosen = x[torch.randint(len(x), (64,))]
        return chosen, chosen

    fit(auto_encoder, batches, functional.mse_loss, steps=500 if effects.thorough() else 60, lr=2e-3)
    return Bunch(generator=game.generator, discriminator=game.discriminator, auto_encoder=auto_encoder)


# %% tags=["experiment"]
def sum_left_over(images: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    return np.abs(images - rebuilt).reshape(len(images), -1).sum(axis=1)


def judge_all(train, images, kinds, nets, seed: int):
    """Scores by name, and the nearest healthy patches with the paper's weight."""
    x = as_input(images)
    for net in nets.values():
        if isinstance(net, nn.Module):
            net.requires_grad_(False).to(memory_format=torch.channels_last)
    scores = {"discriminator alone": -nets.discriminator(x).numpy()}
    start = nets.generator.draw(len(x), seed=seed)
    for weight in WEIGHTS:
        # Where features count for nothing, anything will do for them, and the discriminator can rest.
        features = nets.discriminator.features if weight else partial(torch.flatten, start_dim=1)
        codes, history = search(nets.generator, features, x, start, STEPS, weight=weight)
        for step in STOPS if weight == 0.1 else ():
            scores[f"after {step} steps"] = history[step].numpy()
        scores[f"lambda {weight}"] = history[STEPS].numpy()
        if weight == 0.1:
            nearest = nets.generator(codes)
    scores["auto-encoder"] = sum_left_over(x.numpy(), nets.auto_encoder(x).numpy())
    rows, known = images.reshape(len(images), -1), train.reshape(len(train), -1)
    components = PCA(32, random_state=0).fit(known)
    scores["principal components"] = sum_left_over(rows, components.inverse_transform(components.transform(rows)))
    scores["mean patch"] = sum_left_over(rows, known.mean(axis=0))
    return {name: score.astype(float) for name, score in scores.items()}, x, nearest


def auc(scores: np.ndarray, kinds: np.ndarray, kind: str | None = None) -> float:
    """AUC of ill (of one kind) against healthy patches."""
    used = np.ones(len(kinds), bool) if kind is None else (kinds == kind) | (kinds == "")
    return float(roc_auc_score(kinds[used] != "", scores[used]))


results, by_kind, places = [], [], []
for seed in effects.seeds():
    train, images, masks, kinds = effects.source(partial(simulate, seed), partial(read, seed=seed))
    nets = networks(train, masks is not None, seed)
    scores, x, nearest = judge_all(train, images, kinds, nets, seed)
    results.append({name: auc(score, kinds) for name, score in scores.items()})
    by_kind.append(
        {kind: {name: auc(score, kinds, kind) for name, score in scores.items()} for kind in np.unique(kinds) if kind}
    )
    if masks is not None:
        places.append(
            float(roc_auc_score((masks[kinds != ""] > 0).ravel(), anomaly_map(x, nearest)[kinds != ""].ravel()))
        )

table = pd.DataFrame(results).mean().to_frame("all kinds")
for kind in by_kind[0]:
    table[kind] = pd.DataFrame([each[kind] for each in by_kind]).mean()
table.round(2)

# %% [markdown]
# Each number is a mean over the seeds of the AUC: the probability that an ill patch gets a higher score than a healthy one; 0.5 is a coin.
#
# **Before you read on:** which kind of lesion does no method find well, and why? How many pixels does it have?


# %% tags=["experiment"]
def differences(a: str, b: str) -> list[float]:
    return [row[a] - row[b] for row in results]


schlegl = partial(effects.measure, UNIT, paper=SCHLEGL)
effects_found = [
    effects.measure(
        UNIT,
        "Mean distance of the learned discriminator from p / (p + q), below 0.03",
        distances,
        paper=GOODFELLOW,
        paper_figure="a theorem: 0 for the best one",
        below=0.03,
    ),
    effects.measure(
        UNIT,
        "Heaps of eight found, packs of four minus single samples, above 0",
        [four - one for four, one in zip(found[4], found[1])],
        paper="Lin et al. 2018",
        paper_figure="a cure, on other rings",
        above=0.0,
    ),
    schlegl(
        claim="AUC, anomaly score minus discriminator alone, above 0",
        values=differences("lambda 0.1", "discriminator alone"),
        paper_figure="0.89 against 0.72",
        above=0.0,
    ),
    schlegl(
        claim="AUC, anomaly score minus auto-encoder, above 0",
        values=differences("lambda 0.1", "auto-encoder"),
        paper_figure="0.89 against 0.73 (adversarial auto-encoder)",
        above=0.0,
    ),
    schlegl(
        claim="AUC, anomaly score minus 32 principal components, above 0",
        values=differences("lambda 0.1", "principal components"),
        paper_figure="not compared",
        above=0.0,
    ),
    schlegl(
        claim="AUC, anomaly score minus distance to the mean patch, above 0",
        values=differences("lambda 0.1", "mean patch"),
        paper_figure="not compared",
        above=0.0,
    ),
    schlegl(
        claim="AUC, after the last step minus after 10, above 0",
        values=differences("lambda 0.1", "after 10 steps"),
        paper_figure="500 steps, no comparison",
        above=0.0,
    ),
    schlegl(
        claim="AUC, lambda 0.1 minus lambda 0, between -0.02 and 0.02",
        values=differences("lambda 0.1", "lambda 0.0"),
        paper_figure="0.89 against about 0.88",
        above=-0.02,
        below=0.02,
    ),
    schlegl(
        claim="AUC of the anomaly map, pixels of lesions against others in ill patches, above 0.5",
        values=places or None,
        paper_figure="pictures, no number",
        above=0.5,
    ),
]
table = effects.report(effects_found)
table

# %% [markdown]
# In the notebook the search takes 60 steps on few patches. The course ran the same cells with the paper's 500 steps, on a few more:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>
#
# Read the longer run row by row. That the best discriminator is $p / (p + q)$, and that the map is bright where the lesion is, holds. The score is
# better than the discriminator alone and than the distance to the mean, and a longer search helps, as in the paper; $\lambda$ hardly matters. But the score
# shows no lead over the auto-encoder, which the paper found far behind, nor over principal components, which need no search and no training to speak of.
#
# The cure of mode collapse found all heaps each time. Yet in that longer run single samples found them all in some games, too, and so its
# interval reaches 0.
#
# These patches are flattened and simulated: healthy ones are much alike, and a few straight directions describe them. Real retinas are less
# obliging. Still: whoever proposes a network has to show the row of principal components.
#
# ## Questions in words
#
# **Question 1.** Your hospital buys a new OCT device. Its pictures are sharper, with less speckle. On the first day nearly every patient gets a
# high anomaly score. A year later a rare disease comes along that changes the retina's *thickness* by a tenth everywhere; its scores are low. In at most 150 words:
# explain both, and say what you would measure before you use the score on any patient.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_shift", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# The score measures distance from the training pictures, not disease. A sharper device gives pictures that the generator never learned: residuals grow in
# every pixel, for the healthy too. The rare disease stays within what healthy eyes do to each other's pictures: layers a tenth thicker are still in the range of the
# generator, so the search finds a close neighbour and the score is low. A high score is no diagnosis, a low one no clean bill.
# Before use I would score healthy volunteers and known patients on that very device, set the cut-off there, look at scores by device, age and site,
# and list the diseases that it was tested on, with sensitivity for each.
#
# === BEGIN MARK SCHEME ===
# 1 point: the score is distance from the training distribution; another device shifts all scores without any disease.
# 1 point: what looks like some healthy eye (or like the generator's range) scores low, however rare or dangerous.
# 1 point: a check on healthy and known ill persons on the device in use, or cut-off and sensitivity by disease and device.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A colleague trains a much larger generator, until its samples cannot be told from real scans. The AUC *falls*. Name a reason, and
# say how you would find out whether it is the right one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_generalises", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# A generator that generalises well can make pictures that were not in training, cysts among them: at some z far from where codes are drawn there is a dark hole, and the
# search, which may leave that region, finds it. Then the residual of an ill patch is as small as that of a healthy one. I would look at G(z) of ill patches and see whether
# the lesion is rebuilt, compare residuals inside the lesion's mask for both generators, and see how far z went.
#
# === BEGIN MARK SCHEME ===
# 1 point: the generator (or the search beyond the region of the prior) can rebuild lesions, so that nothing is left over; or another sound reason.
# 1 point: a check that would show it: pictures of G(z) of ill patches, residual within the lesion, size of z, healthy residual against ill residual.
# === END MARK SCHEME ===

# %% [markdown]
# ## Real data
#
# `medcourse effects 13_anogan --data FOLDER` runs the same cells on OCTMNIST ([doi:10.1038/s41597-022-01721-8](https://doi.org/10.1038/s41597-022-01721-8);
# whole scans of 28 x 28 pixels, enlarged), or on a folder of B-scans in the layout of Kermany et al. ([doi:10.1016/j.cell.2018.02.010](https://doi.org/10.1016/j.cell.2018.02.010)),
# flattened and cut into patches, split by patient. Healthy scans of the training part train the game, the rest is judged.
#
# Schlegl et al. 2017: [doi:10.1007/978-3-319-59050-9_12](https://doi.org/10.1007/978-3-319-59050-9_12). Goodfellow et al. 2014: [arXiv 1406.2661](https://arxiv.org/abs/1406.2661).
