# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lab 15: a network that names gestures
#
# A surgical robot knows where its instruments are, thirty times a second. It does not know what the surgeon is doing: reaching
# for the needle, pushing it through tissue, pulling the thread. Who wants to teach, or to warn in time, must know. In this lab
# you rebuild the networks of DiPietro and colleagues (2016), which read the motion of two hands and name the gesture in each frame.
#
# **You will be able to**
#
# - write one step of an LSTM, gate by gate;
# - read a batch of sequences in both directions without reading its padding;
# - prepare recordings of a robot, and split them so that nobody is in training and test at once;
# - cut a sequence into segments, and count what is wrong with them;
# - say why nine right frames of ten may be worth little;
# - test whether memory, and knowledge of the future, help.
#
# **Time:** about 120 minutes. **Before this:** the lesson *What is the surgeon doing?*
#
# **Cost:** {{cost}}
#
# The surgeons are **simulated**. What you write runs on the recordings of JIGSAWS, too.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn

from medcourse import datasets, effects, models, plots, segments, sequences, testing, training
from medcourse.testing import close

testing.begin_lab(seed=15)
plots.use_style()

# %% [markdown]
# Fourteen signals: of each hand its position, its velocity and the angle of its gripper. Ten gestures, named as in JIGSAWS:
#
# | | | | |
# |---|---|---|---|
# | G1 | reaching for the needle, right hand | G6 | pulling the suture, left hand |
# | G2 | positioning the needle | G8 | orienting the needle |
# | G3 | pushing the needle through tissue | G9 | right hand helps to tighten the suture |
# | G4 | transferring the needle, left to right | G10 | loosening more suture |
# | G5 | moving to the centre with the needle | G11 | dropping the suture, moving away |
#
# A trial is a walk through them. This is one of a simulated expert, with four stitches:

# %% tags=["picture"] picture="trial"
trial = datasets.make_suturing("D", n_trials=1, seed=15)
plots.show_ribbons(
    {"gesture": trial.labels[0]}, trial.gestures, rate_hz=trial.rate_hz, title="A trial of a simulated expert"
)

# %% [markdown]
# **Predict first:** move the slider through G2 and G8. Could you tell them apart in one frame?

# %% tags=["experiment"]
plots.view_hands(trial.sequences[0], trial.labels[0], trial.gestures, rate_hz=trial.rate_hz, title="Simulated expert")

# %% [markdown]
# ## Exercise 1: one step of an LSTM
#
# A frame does not say what came before it. A *long short-term memory* carries two lists of numbers along: its memory $c$ and its
# output $h$. With the new frame $x$ it computes four lists of as many numbers, each from a quarter of the weights' rows, in this order:
#
# $$ \begin{aligned}
# i &= \sigma(W_i x + b_i + U_i h + b'_i) & &\text{how much to write} \\
# f &= \sigma(W_f x + b_f + U_f h + b'_f) & &\text{how much to keep} \\
# g &= \tanh(W_g x + b_g + U_g h + b'_g) & &\text{what to write} \\
# o &= \sigma(W_o x + b_o + U_o h + b'_o) & &\text{how much to show}
# \end{aligned} $$
#
# and from them the new memory and the new output, number by number:
#
# $$ c' = f \odot c + i \odot g, \qquad h' = o \odot \tanh(c'). $$
#
# The memory is changed by a sum, not by a product with weights. That is why a gradient can travel back through hundreds of frames.


# %% nbgrader={"grade": false, "grade_id": "lstm_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lstm_step(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor, weights: dict) -> tuple:
    """Take one frame in.

    Parameters
    ----------
    x : (B, F) tensor
        A frame of each of B sequences.
    h, c : (B, H) tensors
        Output and memory so far. They are left as they are.
    weights : dict of tensors
        "weight_ih" (4 H, F) for x, "weight_hh" (4 H, H) for h, "bias_ih" (4 H,), "bias_hh" (4 H,), as in
        `torch.nn.LSTMCell`. The first H rows belong to i, the next H to f, then g, then o.

    Returns
    -------
    (h, c) : (B, H) tensors
        The new output and the new memory.
    """
    ### BEGIN SOLUTION
    sums = x @ weights["weight_ih"].T + weights["bias_ih"] + h @ weights["weight_hh"].T + weights["bias_hh"]
    i, f, g, o = sums.chunk(4, dim=1)  # each (B, H)
    memory = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * memory.tanh(), memory
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# One matrix product gives all four lists for all sequences at once, side by side: (B, 4 H). `tensor.chunk(4, dim=1)` cuts
# them apart.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "lstm_step_memory", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One unit, one signal. The sums of i, f, g and o are 0.2, 0.5, 0.6 and 0.8.
rows = {"weight_ih": [[1.0], [2.5], [3.0], [4.0]], "weight_hh": [[0.0]] * 4, "bias_ih": [0.0] * 4, "bias_hh": [0.0] * 4}
weights = {name: torch.tensor(values) for name, values in rows.items()}
h, c = lstm_step(torch.tensor([[0.2]]), torch.tensor([[0.0]]), torch.tensor([[-1.0]]), weights)
close(tuple(c.shape), (1, 1), "the shape of the memory of one unit in one sequence")
close(c, np.array([[-0.32717]]), "the new memory from an old one of -1", "keep f of the old, write i of g", rtol=1e-3)
### BEGIN HIDDEN TESTS
close(h, np.array([[-0.21802]]), "the new output", "o of tanh of the new memory", rtol=1e-3)
shut = {**weights, "bias_ih": torch.tensor([-50.0, 50.0, 0.0, 50.0])}
h, c = lstm_step(torch.tensor([[0.2]]), torch.tensor([[0.9]]), torch.tensor([[2.5]]), shut)
close(c, np.array([[2.5]]), "the memory where nothing is written and all is kept", "c' = f c + i g")
close(h, np.array([[0.98661]]), "the output of a memory of 2.5 that is shown in full", "h' = o tanh(c')", rtol=1e-4)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "lstm_step_pytorch", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# The same as PyTorch's own cell, with its weights: three sequences, four signals, five units.
cell = nn.LSTMCell(4, 5)
chance = np.random.default_rng(1)
x, h, c = (torch.as_tensor(chance.normal(size=(3, n)), dtype=torch.float32) for n in (4, 5, 5))
weights = {name: value.detach() for name, value in cell.state_dict().items()}
with torch.no_grad():
    expected = cell(x, (h, c))
got = lstm_step(x, h, c, weights)
close(
    got[0],
    expected[0],
    "the output of three sequences",
    "quarters i, f, g, o in this order, from x, h and both biases?",
    atol=1e-5,
)
### BEGIN HIDDEN TESTS
close(
    got[1],
    expected[1],
    "the memory of three sequences",
    "quarters i, f, g, o in this order, from x, h and both biases?",
    atol=1e-5,
)
chance = testing.hidden_rng("lstm_step_pytorch")
sizes = {"weight_ih": (8, 3), "weight_hh": (8, 2), "bias_ih": (8,), "bias_hh": (8,)}
weights = {n: torch.as_tensor(chance.normal(size=size), dtype=torch.float32) for n, size in sizes.items()}
x, h, c = (torch.as_tensor(chance.normal(size=(6, n)), dtype=torch.float32) for n in (3, 2, 2))
cell = nn.LSTMCell(3, 2)
cell.load_state_dict(weights)
with torch.no_grad():
    expected = cell(x, (h, c))
(output, memory), after = testing.inout(lstm_step, x, h, c, weights)
close(output, expected[0], "the output of six sequences", "both biases? the old h, not the new?", atol=1e-5)
close(memory, expected[1], "the memory of six sequences", "both biases? the old h, not the new?", atol=1e-5)
close(after[2], c, "the old memory after the call", "leave what you were given as it is")
### END HIDDEN TESTS

# %% [markdown]
# Does it remember? One unit, with weights set by hand. Signal 1 says that the gripper closes, signal 2 that it opens. The unit
# should know *in every frame* whether a needle is held. A single frame between the two shows nothing.

# %% tags=["picture"] picture="memory"
closes, opens = np.zeros(100), np.zeros(100)
closes[20:23], opens[70:73] = 1, 1
weights = {
    "weight_ih": torch.tensor([[12.0, 0.0], [0.0, -12.0], [6.0, 0.0], [0.0, 0.0]]),
    "weight_hh": torch.zeros(4, 1),
    "bias_ih": torch.tensor([-6.0, 6.0, 0.0, 6.0]),
    "bias_hh": torch.zeros(4),
}
h, c, memory = torch.zeros(1, 1), torch.zeros(1, 1), []
for frame in np.stack([closes, opens], axis=1):
    h, c = lstm_step(torch.tensor(frame, dtype=torch.float32)[None], h, c, weights)
    memory.append(float(h))
plots.plot_curve(
    {"gripper closes": closes, "gripper opens": opens, "output of the unit": memory},
    x=np.arange(100) / 5,
    xlabel="time (s)",
    ylabel="value",
    title="A unit that remembers",
    alt="Three curves over 20 s: a pulse at 4 s where the gripper closes, a pulse at 14 s where it opens, and the output of the unit, near 0 before, near 1 between the two, near 0 after.",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: the unit's output rises when the gripper closes, stays up for ten seconds, and falls when it opens](attachment:memory.png)
#
# </details>
#
# ## Exercise 2: read it backwards, too
#
# A surgeon who lifts the needle off: was it a failed push? The next second tells. If the whole recording is there, a second LSTM
# may read from its end. With $\overrightarrow{h}_t$ from the one and $\overleftarrow{h}_t$ from the other, the logits of frame $t$ are
#
# $$ z_t = V \, [\overrightarrow{h}_t ; \overleftarrow{h}_t] + b. $$
#
# Trials differ in length, so a batch is filled up behind each with *padding*. A forward reader meets it after the trial, and it does no
# harm. Turn the whole batch around, and the backward reader meets it **first**: it has read up to a minute of nothing before
# the surgeon moves. So each sequence is turned around by its own length:
#
# $$ \text{turned}_t = x_{L - 1 - t} \;\text{ for } t < L, \qquad \text{turned}_t = x_t \;\text{ for } t \ge L. $$


# %% nbgrader={"grade": false, "grade_id": "reverse_padded", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reverse_padded(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Turn each sequence of a padded batch around in time.

    Parameters
    ----------
    x : (B, T, F) tensor
        It is left as it is.
    lengths : (B,) tensor of whole numbers
        Frames of each sequence; the frames from there on are padding.

    Returns
    -------
    (B, T, F) tensor
        The padding stays where it was, behind.
    """
    ### BEGIN SOLUTION
    turned = x.clone()
    for row, length in enumerate(lengths.tolist()):
        turned[row, :length] = x[row, :length].flip(0)
    return turned
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "reverse_padded_turns", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Three frames turned around, one frame of padding left behind.
batch = torch.tensor([[[1.0, 10], [2, 20], [3, 30], [0, 0]], [[4.0, 40], [5, 50], [6, 60], [7, 70]]])
turned = reverse_padded(batch, torch.tensor([3, 4]))
close(tuple(turned.shape), (2, 4, 2), "the shape of the turned batch")
close(turned[1], np.array([[7.0, 70], [6, 60], [5, 50], [4, 40]]), "a sequence that fills the batch")
close(turned[0], np.array([[3.0, 30], [2, 20], [1, 10], [0, 0]]), "a sequence of length 3 in a batch of 4 frames")
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("reverse_padded_turns")
many, long = chance.normal(size=(5, 7, 3)), [7, 1, 4, 6, 2]
expected = many.copy()
for row, length in enumerate(long):
    expected[row, :length] = many[row, :length][::-1]
turned, after = testing.inout(reverse_padded, torch.as_tensor(many), torch.tensor(long))
close(turned, expected, "five sequences of lengths 7, 1, 4, 6, 2", "each by its own length, padding untouched")
close(after[0], many, "the batch after the call", "work on a copy")
again = reverse_padded(torch.as_tensor(expected), torch.tensor(long))
close(again, many, "a batch that was turned twice", "turned twice it is as before")
### END HIDDEN TESTS

# %% [markdown]
# Now the network. The backward reader's outputs come in reverse order: turn them around again before you put them beside the others.
#
# **Predict first:** this network needs the whole trial. Where could a hospital use it, and where not?
#
# <details><summary>Hint</summary>
#
# `nn.LSTM(n_inputs, n_hidden, batch_first=True)` maps (B, T, F) to a pair whose first member is all outputs (B, T, H). You need
# two of them, for they learn different things, and one `nn.Linear`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "both_ways", "locked": false, "schema_version": 3, "solution": true, "task": false}
class BothWays(nn.Module):
    """A bidirectional LSTM that names the gesture of each frame.

    Parameters
    ----------
    n_inputs, n_classes : int
        Signals a frame, and gestures.
    n_hidden : int
        Units of each direction.
    dropout : float
        Share of the outputs of both directions that is silenced, in training only.
    """

    def __init__(self, n_inputs: int = 14, n_classes: int = 10, n_hidden: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.forwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)
        self.backwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.to_logits = nn.Linear(2 * n_hidden, n_classes)
        ### END SOLUTION

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Map a padded batch (B, T, n_inputs) and its lengths (B,) to raw logits (B, T, n_classes)."""
        ### BEGIN SOLUTION
        ahead = self.forwards(x)[0]  # (B, T, H)
        back = self.backwards(reverse_padded(x, lengths))[0]
        both = torch.cat([ahead, reverse_padded(back, lengths)], dim=2)  # (B, T, 2 H)
        return self.to_logits(self.dropout(both))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "both_ways_sizes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Two readers with weights of their own.
net = BothWays(n_inputs=3, n_classes=4, n_hidden=5)
close(tuple(net(torch.zeros(2, 6, 3), torch.tensor([6, 4])).shape), (2, 6, 4), "the shape of the logits")
n_weights = sum(parameter.numel() for parameter in net.parameters())
close(n_weights, 444, "the number of weights for 3 inputs, 4 classes, 5 units", "one LSTM for each direction")
### BEGIN HIDDEN TESTS
expected = sum(p.numel() for p in models.GestureLSTM(n_hidden=16, bidirectional=True).parameters())
close(sum(p.numel() for p in BothWays(n_hidden=16).parameters()), expected, "the number of weights for 16 units")
# One unit a direction, sequences of one frame: where one reader does the work of both, all logits lie on a line.
torch.manual_seed(315)
narrow = BothWays(n_inputs=3, n_classes=4, n_hidden=1)
frames = torch.as_tensor(np.random.default_rng(315).normal(size=(30, 1, 3)), dtype=torch.float32)
with torch.no_grad():
    spots = np.asarray(narrow(frames, torch.tensor([1] * 30)))[:, 0]
sizes = np.linalg.svd(spots - spots.mean(axis=0), compute_uv=False)
assert sizes[1] > 1e-4 * sizes[0], (
    f"with one unit a direction, logits of 30 single frames should spread over a plane, got widths of {sizes[0]:.2g} "
    f"and {sizes[1]:.2g}: do both readers read?"
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "both_ways_values", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# With all weights of a layer equal, the logits depend on the structure alone.
net = BothWays(n_inputs=2, n_classes=3, n_hidden=4)
testing.set_weights(net, scale=2.0, bias=0.05)
ramp = torch.linspace(-1, 1, 10).reshape(1, 5, 2)
with torch.no_grad():
    logits = net(ramp, torch.tensor([5]))
close(
    logits[0, 0, 0],
    0.29056,
    "a logit of the first of 5 frames of a ramp",
    "is the second reader turned back?",
    rtol=2e-3,
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("both_ways_values")
for bias in (0.1, -0.4):
    net = BothWays(n_inputs=6, n_classes=3, n_hidden=4)
    reference = models.GestureLSTM(6, 3, n_hidden=4, bidirectional=True, dropout=0.0)
    for network in (net, reference):
        testing.set_weights(network, scale=1.5, bias=bias)
    noise = torch.as_tensor(chance.normal(size=(3, 9, 6)), dtype=torch.float32)
    with torch.no_grad():
        close(
            net(noise, torch.tensor([9, 9, 9])),
            reference(noise, torch.tensor([9, 9, 9])),
            "the logits of three sequences of 9 frames",
            "one reads ahead, one back, both outputs side by side in the order of time?",
        )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "both_ways_padding", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# A sequence gets the same logits alone and in a batch with a longer one, whatever stands in the padding.
net = BothWays(n_inputs=2, n_classes=3, n_hidden=4)
testing.set_weights(net, scale=2.0, bias=0.05)
short = torch.linspace(-1, 1, 8).reshape(1, 4, 2)
padded = torch.cat([torch.cat([short, torch.full((1, 5, 2), 3.0)], dim=1), torch.ones(1, 9, 2)])
with torch.no_grad():
    alone, together = net(short, torch.tensor([4])), net(padded, torch.tensor([4, 9]))
close(
    together[0, :4],
    alone[0],
    "the logits of 4 frames with 5 of padding behind",
    "does the backward reader meet padding?",
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("both_ways_padding")
reference = models.GestureLSTM(2, 3, n_hidden=4, bidirectional=True, dropout=0.0)
testing.set_weights(reference, scale=2.0, bias=0.05)
noise, lengths = torch.as_tensor(chance.normal(0, 2, (4, 8, 2)), dtype=torch.float32), torch.tensor([3, 8, 1, 6])
with torch.no_grad():
    got, expected = net(noise, lengths), reference(noise, lengths)
for row, length in enumerate([3, 8, 1, 6]):
    close(
        got[row, :length],
        expected[row, :length],
        f"the logits of {length} frames in a batch of 8",
        "each sequence by its own length",
    )
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "both_ways_dropout", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# In training, outputs of the readers are silenced at random.
net = BothWays(n_inputs=2, n_classes=1, n_hidden=200, dropout=0.5)
testing.set_weights(net, scale=1.0, bias=0.5)
torch.manual_seed(15)
logits = np.asarray(net(torch.ones(40, 3, 2), torch.tensor([3] * 40)).detach())
spread = logits[:, 1].std()
assert spread > 1e-3, f"with dropout 0.5, 40 equal sequences should differ, got a spread of {spread:.2g}: is it used?"
### BEGIN HIDDEN TESTS
silent = BothWays(n_inputs=2, n_classes=1, n_hidden=200, dropout=0.0)
testing.set_weights(silent, scale=1.0, bias=0.5)
alone = np.asarray(silent(torch.ones(40, 3, 2), torch.tensor([3] * 40)).detach())
close(alone[:, 1].std(), 0.0, "the spread without dropout", "is the argument used?", atol=1e-5)
# 400 outputs of nearly equal value v, each kept with 1/2 and doubled: standard deviation v / sqrt(400).
close(
    spread,
    (alone[0, 1, 0] - 0.5) / 20,
    "the spread of logits with dropout 0.5 of 400 outputs",
    "dropout belongs to the outputs of both readers",
    rtol=0.35,
)
# Dropout p leaves a standard deviation of v sqrt(p / (1 - p)) / sqrt(16) with 16 outputs; 2000 sequences measure it.
some = BothWays(n_inputs=2, n_classes=1, n_hidden=8, dropout=0.2)
testing.set_weights(some, scale=1.0, bias=0.5)
logits = np.asarray(some(torch.ones(2000, 1, 2), torch.tensor([1] * 2000)).detach())[:, 0, 0]
some.train(False)
tested = np.asarray(some(torch.ones(2000, 1, 2), torch.tensor([1] * 2000)).detach())[:, 0, 0]
close(
    logits.std(),
    (tested.mean() - 0.5) / 8,
    "the spread of logits with dropout 0.2 of 16 outputs",
    "the share that is asked for, of the outputs of both readers",
    rtol=0.15,
)
close(tested.std(), 0.0, "the spread of logits with dropout 0.2 after net.eval()", "only in training", atol=1e-5)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: trials, prepared and split
#
# A recording begins before the first gesture and goes on after the last. Those frames have no label: here $-1$. The authors drop them,
# then keep every sixth frame (30 Hz become 5 Hz), and then scale each signal $s$ *over this trial alone*:
#
# $$ z = \frac{s - \bar s}{\mathrm{sd}(s)}, \qquad \mathrm{sd}(s)^2 = \tfrac{1}{n} \textstyle\sum (s - \bar s)^2. $$
#
# So where the phantom lay and how far a surgeon reaches goes out. No number of a test trial ever enters the training.
#
# <details><summary>Hint</summary>
#
# The order matters: drop, thin out, scale. A signal that never changes has $\mathrm{sd} = 0$; subtract its mean and divide by 1.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "prepare_trial", "locked": false, "schema_version": 3, "solution": true, "task": false}
def prepare_trial(signals: np.ndarray, labels: np.ndarray, every: int = 6) -> tuple:
    """Drop frames without a label, thin out, and scale each signal.

    Parameters
    ----------
    signals : (T, F) array
    labels : (T,) array of int
        -1 where there is none.
    every
        Of the frames with a label, keep the first and each `every`-th after it.

    Returns
    -------
    (signals, labels) : (n, F) array of float, (n,) array of int
        Each signal with mean 0 and standard deviation 1 over the frames that are kept; 0 where it never changes.
    """
    ### BEGIN SOLUTION
    known = labels >= 0
    signals, labels = np.asarray(signals, float)[known][::every], labels[known][::every]
    spread = signals.std(axis=0)
    spread[spread == 0] = 1
    return (signals - signals.mean(axis=0)) / spread, labels
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "prepare_trial_frames", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Frames without a label go first, then every second of the rest is kept.
signals = np.stack([np.arange(8.0), 5 * np.arange(8.0)], axis=1)
labels = np.array([-1, 3, 3, 4, -1, 4, 4, -1])
kept, gestures = prepare_trial(signals, labels, 2)
close(
    np.asarray(gestures),
    np.array([3, 4, 4]),
    "the labels of -1, 3, 3, 4, -1, 4, 4, -1 with every=2",
    "first drop, then thin out",
)
### BEGIN HIDDEN TESTS
# Kept are frames 1, 3, 6 of 0, 1, 2 ...
close(
    np.asarray(kept)[:, 0],
    (np.array([1, 3, 6]) - 10 / 3) / np.std([1, 3, 6]),
    "the signal 0, 1, 2 ... of these",
    "the same frames as the labels, and scaled by these alone?",
)
_, all_of_them = prepare_trial(signals, np.zeros(8, int), 1)
close(np.asarray(all_of_them), np.zeros(8), "labels that are all 0, with every=1", "0 is a gesture, -1 is none")
_, by_default = prepare_trial(np.arange(26.0).reshape(13, 2), np.arange(13))
close(np.asarray(by_default), np.array([0, 6, 12]), "13 labels 0, 1, 2 ... with the default", "30 Hz become 5 Hz")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "prepare_trial_scale", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Each signal by itself: mean 0, standard deviation 1.
signals = np.array([[1.0, 100.0], [3.0, 500.0], [5.0, 300.0], [7.0, 300.0]])
kept, _ = prepare_trial(signals, np.array([0, 0, 1, 1]), 1)
close(
    np.asarray(kept)[:, 0],
    np.array([-3.0, -1, 1, 3]) / 5**0.5,
    "the signal 1, 3, 5, 7",
    "all frames have a label; divide by n under the root",
)
### BEGIN HIDDEN TESTS
close(
    np.asarray(kept)[:, 1], np.array([-2.0, 2, 0, 0]) / 2**0.5, "the signal 100, 500, 300, 300", "each signal by itself"
)
still, _ = prepare_trial(np.array([[2.0, 7.0], [4.0, 7.0]]), np.array([0, 0]), 1)
close(np.asarray(still), np.array([[-1.0, 0], [1, 0]]), "a signal that is always 7 beside another", "what is 0 / 0?")
whole = np.array([[1, 2], [3, 2], [6, 4]])
thin, after = testing.inout(prepare_trial, whole, np.array([0, -1, 0]), 1)
close(np.asarray(thin[0]), np.array([[-1.0, -1], [1, 1]]), "whole numbers with one frame dropped", "scale what is kept")
close(after[0], whole, "the signals after the call", "work on a copy")
### END HIDDEN TESTS

# %% [markdown]
# Eight surgeons, about five trials each. Each has habits. Leave single *trials* out, and the network meets in the test a
# surgeon that it knows. In a hospital it will not. So one **surgeon** is left out at a time, with all of their trials.


# %% nbgrader={"grade": false, "grade_id": "leave_one_surgeon_out", "locked": false, "schema_version": 3, "solution": true, "task": false}
def leave_one_surgeon_out(surgeons: list) -> list:
    """Make the folds.

    Parameters
    ----------
    surgeons : list of str
        Who performed each trial, such as ["C", "B", "B"].

    Returns
    -------
    list of (surgeon, train, test)
        A fold for each surgeon, in alphabetical order; `train` and `test` are lists of trial numbers from 0, rising.
    """
    ### BEGIN SOLUTION
    folds = []
    for left_out in sorted(set(surgeons)):
        test = [i for i, surgeon in enumerate(surgeons) if surgeon == left_out]
        train = [i for i, surgeon in enumerate(surgeons) if surgeon != left_out]
        folds.append((left_out, train, test))
    return folds
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "leave_one_surgeon_out_folds", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A fold for each surgeon, with all of their trials in the test.
folds = leave_one_surgeon_out(["C", "B", "B", "C", "D"])
close(len(folds), 3, "the number of folds of trials by C, B, B, C, D", "one for each surgeon, not for each trial")
close([fold[0] for fold in folds], ["B", "C", "D"], "who is left out", "in alphabetical order")
close(np.asarray(folds[0][2]), np.array([1, 2]), "the test trials where B is left out")
### BEGIN HIDDEN TESTS
close(
    np.asarray(folds[0][1]),
    np.array([0, 3, 4]),
    "the training trials where B is left out",
    "everybody else's, and all of them",
)
close(
    np.asarray(folds[1][2]), np.array([0, 3]), "the test trials where C is left out", "trials need not stand together"
)
close(np.asarray(folds[2][1]), np.array([0, 1, 2, 3]), "the training trials where D is left out")
names = [str(name) for name in testing.hidden_rng("leave_one_surgeon_out_folds").choice(list("XYZW"), 12)]
for who, train, test in leave_one_surgeon_out(names):
    close([names[i] for i in test], [who] * names.count(who), f"who performed the test trials where {who} is left out")
    close(sorted([*train, *test]), list(range(12)), f"all trials of the fold where {who} is left out", "each once")
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 4: segments, and how to count their mistakes
#
# Two programs label the same minute, and both are right in nine frames of ten. One is late at each change. The other is on time,
# and flickers. A trainer who wants to hear "you needed six attempts to push the needle" can use the first and not the second.
#
# A *segment* is a run of equal labels. The **edit distance** of two lists of segment labels is the least number of segments to
# insert, delete or rename that turns one into the other. With $a$ the true list, $b$ the predicted one, and $D_{ij}$ the distance of
# the first $i$ of $a$ and the first $j$ of $b$:
#
# $$ D_{i0} = i, \quad D_{0j} = j, \quad D_{ij} = \min \{ D_{i-1,j} + 1, \; D_{i,j-1} + 1, \; D_{i-1,j-1} + [a_i \ne b_j] \}. $$
#
# In per cent of the longer list it lies between 0 (perfect) and 100: $\; 100 \, D_{mn} / \max(m, n)$.


# %% nbgrader={"grade": false, "grade_id": "to_segments", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_segments(labels: np.ndarray) -> list:
    """Cut a sequence into runs of equal labels.

    Parameters
    ----------
    labels : (T,) array of int
        At least one frame.

    Returns
    -------
    list of (label, start, end)
        In the order of time; the frames are `start` to `end - 1`, so that `end - start` is how many there are.
    """
    ### BEGIN SOLUTION
    found, start = [], 0
    for frame in range(1, len(labels) + 1):
        if frame == len(labels) or labels[frame] != labels[start]:
            found.append((int(labels[start]), start, frame))
            start = frame
    return found
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "to_segments_runs", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# Three runs; the last one counts, too.
found = np.asarray(to_segments(np.array([5, 5, 5, 2, 2, 5])))
close(
    found,
    np.array([[5, 0, 3], [2, 3, 5], [5, 5, 6]]),
    "the segments of 5 5 5 2 2 5",
    "label, first frame, first frame after it",
)
### BEGIN HIDDEN TESTS
close(np.asarray(to_segments(np.array([4]))), np.array([[4, 0, 1]]), "the segments of a single frame")
close(
    np.asarray(to_segments(np.zeros(9, int))),
    np.array([[0, 0, 9]]),
    "the segments of nine equal frames",
    "what ends the last one?",
)
labels = testing.hidden_rng("to_segments_runs").integers(0, 3, 60)
found = to_segments(labels)
back = np.concatenate([[label] * (end - start) for label, start, end in found])
close(back, labels, "60 frames put together from their segments", "is a frame lost at a change?")
close(
    len(found),
    1 + int(np.count_nonzero(np.diff(labels))),
    "the number of segments of 60 frames",
    "a return of a label is a new segment",
)
### END HIDDEN TESTS


# %% nbgrader={"grade": false, "grade_id": "edit_distance", "locked": false, "schema_version": 3, "solution": true, "task": false}
def edit_distance(truth: list, predicted: list) -> float:
    """Compare two lists of segment labels.

    Parameters
    ----------
    truth, predicted : list of int
        Labels of the segments, not of frames; neither is empty.

    Returns
    -------
    float
        Least number of insertions, deletions and renamings, in per cent of the longer list's length.
    """
    ### BEGIN SOLUTION
    table = np.zeros((len(truth) + 1, len(predicted) + 1))
    table[:, 0] = np.arange(len(truth) + 1)
    table[0] = np.arange(len(predicted) + 1)
    for i, a in enumerate(truth, start=1):
        for j, b in enumerate(predicted, start=1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
    return 100 * table[-1, -1] / max(len(truth), len(predicted))
    ### END SOLUTION


# %% [markdown]
# <details><summary>Hint</summary>
#
# Make the table $D$ with one more row and column than the lists have items. Fill its first row and column, then the rest from left
# to right and from top to bottom: all that an entry needs is there by then. On paper first, for 1 2 3 against 1 3.
#
# </details>

# %% nbgrader={"grade": true, "grade_id": "edit_distance_count", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One segment too many, one missing, one with a wrong name.
close(edit_distance([1, 2, 3], [1, 2, 3]), 0.0, "the distance of equal lists")
close(edit_distance([1, 2, 3], [1, 3, 2, 3]), 25.0, "the distance of 1 2 3 and 1 3 2 3", "one of four is to be deleted")
close(
    edit_distance([1, 2, 3, 6], [1, 2, 3]), 25.0, "the distance of 1 2 3 6 and 1 2 3", "one of four is to be inserted"
)
close(
    edit_distance([1, 2, 3, 6], [1, 5, 3, 6]),
    25.0,
    "the distance of 1 2 3 6 and 1 5 3 6",
    "one of four has a wrong name",
)
### BEGIN HIDDEN TESTS
close(edit_distance([1, 2, 3], [2, 3]), 100 / 3, "the distance of 1 2 3 and 2 3", "the first is missing")
close(edit_distance([1, 2], [2, 1]), 100.0, "the distance of 1 2 and 2 1", "two edits; swapping is not one of them")
close(edit_distance([7], [1, 2, 3, 4]), 100.0, "the distance of 7 and 1 2 3 4", "one renamed, three deleted")
close(
    edit_distance([3, 1, 2, 4, 3], [1, 2, 3]),
    40.0,
    "the distance of 3 1 2 4 3 and 1 2 3",
    "in per cent of the longer list",
)
close(
    edit_distance([1, 2, 3], [3, 1, 2, 4, 3]),
    40.0,
    "the distance of 1 2 3 and 3 1 2 4 3",
    "in per cent of the longer list",
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "edit_distance_many", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# As many as in a real trial.
flicker = [1, 2, 3, 6, 4] * 4
close(
    edit_distance(flicker, [*flicker[1:], 11]),
    10.0,
    "the distance of twenty segments and their shift by one",
    "look for the least number",
)
### BEGIN HIDDEN TESTS
chance = testing.hidden_rng("edit_distance_many")
for _ in range(3):
    a, b = ([int(label) for label in chance.integers(0, 4, n)] for n in (11, 14))
    # As frames in which no label stands beside itself, they can be given to the course's own measure.
    a, b = ([x for x, y in zip(each, [None, *each]) if x is not y and (y is None or x - y)] for each in (a, b))
    least = list(range(len(b) + 1))
    for i, one in enumerate(a):
        row = [i + 1]
        for j, other in enumerate(b):
            row.append(min(row[j] + 1, least[j + 1] + 1, least[j] + int(one - other != 0)))
        least = row
    close(
        edit_distance(a, b),
        100 * least[-1] / max(len(a), len(b)),
        f"the distance of {a} and {b}",
        "look for the least number",
    )
### END HIDDEN TESTS

# %% [markdown]
# About nine of ten frames are right in both ribbons below, equally many, by construction. Look at the second column of the print.

# %% tags=["picture"] picture="flicker"
truth = trial.labels[0]
changes = np.flatnonzero(np.diff(truth)) + 1
late, flickering = truth.copy(), truth.copy()
n_late = round(0.1 * len(truth) / len(changes))
for change in changes:
    late[change : change + n_late] = truth[change - 1]
wrong = np.random.default_rng(0).choice(len(truth), np.count_nonzero(late - truth), replace=False)
flickering[wrong] = (truth[wrong] + 1) % 10
rows = {"truth": truth, "late": late, "flickering": flickering}
lists = {name: [label for label, _, _ in to_segments(labels)] for name, labels in rows.items()}
for name, labels in rows.items():
    print(
        f"{name:10} {100 * np.mean(labels == truth):5.1f} % of frames, edit distance {edit_distance(lists['truth'], lists[name]):5.1f}"
    )
plots.show_ribbons(
    rows,
    trial.gestures,
    rate_hz=trial.rate_hz,
    title="A simulated trial, and two made-up answers that are right equally often",
)

# %% [markdown]
# <details><summary>Expected picture</summary>
#
# ![Expected: three ribbons of coloured segments; the second is the first shifted a little, the third is cut up by many thin stripes](attachment:flicker.png)
#
# </details>
#
# ## Exercise 5: F1 at an overlap
#
# The edit distance does not ask *when*: a program that names all gestures in the right order, each a minute late, is perfect. The F1 score of
# Lea and colleagues (2017) asks for overlap. Each predicted segment, in the order of time, looks at the true segment of its label with the
# largest intersection over union:
#
# $$ \mathrm{IoU} = \frac{|P \cap T|}{|P \cup T|} \quad \text{in frames.} $$
#
# It is a *hit* if the IoU is **at least** $k$ and no earlier segment hit the same true one. Everything else is a mistake:
#
# $$ \mathrm{F1} = 100 \, \frac{2 \cdot \text{hits}}{\text{predicted segments} + \text{true segments}}. $$
#
# <details><summary>Hint</summary>
#
# The intersection of two runs is the smaller end minus the larger start, or 0 if that is negative. The union is both lengths minus the
# intersection. Keep a list of which true segments were hit.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "segmental_f1", "locked": false, "schema_version": 3, "solution": true, "task": false}
def segmental_f1(truth: list, predicted: list, overlap: float) -> float:
    """Score predicted segments by their overlap with true ones.

    Parameters
    ----------
    truth, predicted : list of (label, start, end)
        In the order of time, as `to_segments` gives them; neither is empty.
    overlap : float
        Least intersection over union of a hit, above 0.

    Returns
    -------
    float
        F1 in per cent.
    """
    ### BEGIN SOLUTION
    taken = set()
    for label, start, end in predicted:
        best, best_iou = -1, 0.0
        for k, (true_label, true_start, true_end) in enumerate(truth):
            shared = max(min(end, true_end) - max(start, true_start), 0)
            iou = shared / (end - start + true_end - true_start - shared)
            if label == true_label and iou > best_iou:
                best, best_iou = k, iou
        if best_iou >= overlap:
            taken.add(best)
    return 100 * 2 * len(taken) / (len(predicted) + len(truth))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "segmental_f1_values", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Frames 0-4 are G1, 4-8 G2. Predicted: 0-6 is G1, 6-8 G2: IoU 4/6 and 2/4.
truth, predicted = [(1, 0, 4), (2, 4, 8)], [(1, 0, 6), (2, 6, 8)]
close(segmental_f1(truth, truth, 0.5), 100.0, "F1@50 of a perfect answer")
close(segmental_f1(truth, predicted, 0.5), 100.0, "F1@50 where the IoU is 4/6 and 2/4", "at least k is a hit")
close(
    segmental_f1(truth, predicted, 0.6), 50.0, "F1@60 where the IoU is 4/6 and 2/4", "one hit, two predicted, two true"
)
### BEGIN HIDDEN TESTS
close(
    segmental_f1(truth, [(2, 0, 4), (1, 4, 8)], 0.1),
    0.0,
    "F1@10 of swapped labels",
    "only segments of the same label count",
)
close(
    segmental_f1(truth, [(1, 0, 8)], 0.5),
    200 / 3,
    "F1@50 of one segment of 8 frames for two",
    "one hit, one predicted, two true",
)
close(
    segmental_f1([(2, 0, 6), (1, 6, 10)], [(1, 0, 10)], 0.25),
    200 / 3,
    "F1@25 of G1 in frames 0-10, where 0-6 is G2 and 6-10 is G1",
    "it looks at true segments of its own label only",
)
close(
    segmental_f1([(3, 0, 10)], [(3, 20, 30)], 0.1),
    0.0,
    "F1@10 of a segment that comes too late",
    "no overlap is 0, not less",
)
close(
    segmental_f1([(3, 0, 10), (1, 10, 12)], [(3, 0, 3), (1, 3, 12)], 0.25),
    50.0,
    "F1@25 where the IoU is 3/10 and 2/9",
    "union, not the longer of the two",
)
close(
    segmental_f1([(3, 2, 8)], [(3, 0, 4)], 0.25),
    100.0,
    "F1@25 of frames 0-4 for 2-8, IoU 2/8",
    "intersection over union",
)
close(
    segmental_f1([(3, 2, 8)], [(3, 0, 4)], 0.26), 0.0, "F1@26 of frames 0-4 for 2-8, IoU 2/8", "intersection over union"
)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "segmental_f1_once", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# A gesture that was cut into two is found once.
whole, halves = [(1, 0, 9)], [(1, 0, 4), (2, 4, 5), (1, 5, 9)]
close(
    segmental_f1(whole, halves, 0.25),
    50.0,
    "F1@25 of one gesture of 9 frames, cut by one frame",
    "a true segment can be hit once",
)
### BEGIN HIDDEN TESTS
# The first predicted segment overlaps both true ones, the second more: IoU 2/8 and 4/8; a third one hits the first.
truth = [(1, 0, 4), (2, 4, 5), (1, 5, 9)]
close(segmental_f1(truth, [(1, 2, 9)], 0.1), 50.0, "F1@10 of one segment over two gestures", "it hits one of them")
close(
    segmental_f1(truth, [(1, 2, 9), (2, 9, 10), (1, 10, 12)], 0.1),
    100 / 3,
    "F1@10 of one hit of three",
    "mistakes count on both sides",
)
close(
    segmental_f1(truth, [(1, 0, 4)], 0.5),
    50.0,
    "F1@50 of the first of two gestures, exact",
    "look for the largest overlap",
)
truth = [(1, 0, 10), (2, 10, 11), (1, 11, 14)]
close(
    segmental_f1(truth, [(1, 0, 4), (2, 4, 5), (1, 5, 14)], 0.1),
    100 / 3,
    "F1@10 where the segments 0-4 and 5-14 overlap the gesture 0-10 most",
    "the second one comes too late, and looks at no other",
)
### END HIDDEN TESTS

# %% [markdown]
# ## The paper's claim, measured again
#
# Now train. For each of five seeds, surgeons are simulated anew, one is left out, and three networks learn from the others:
#
# | network | sees |
# |---|---|
# | frame-wise | one frame |
# | LSTM | all frames up to now |
# | bidirectional LSTM (yours) | all frames |
#
# The claims: (1) the edit distance falls from row to row; (2) accuracy rises, **but by much less**. Beside them stand three programs
# without memory: the most frequent gesture; logistic regression on a window of two seconds to either side; and the same,
# smoothed by a vote over two seconds, the oldest cure for flicker.
#
# **Predict first:** which of the three networks does the vote over two seconds come close to?

# %% tags=["experiment"]
from functools import cache, partial

UNIT, PAPER = "15_surgical_rnn", "DiPietro et al. 2016"
N_HIDDEN, DROPOUT = 64, 0.2  # the paper: 1024, and 0.5 of inputs, too
STEPS = 100 if effects.thorough() else 60  # batches of five trials
WINDOW = [-10, -6, -3, -1, 0, 1, 3, 6, 10]  # frames; five are a second
VOTE = 9


def as_trials(data) -> dict:
    """Signals and labels at 5 Hz, as you prepare them, and who performed what."""
    every = round(data.rate_hz / 5)
    ready = [prepare_trial(s, y, every) for s, y in zip(data.sequences, data.labels)]
    return {
        "x": [np.asarray(x, np.float32) for x, _ in ready],
        "y": [np.asarray(y) for _, y in ready],
        "surgeons": list(data.surgeons),
        "trials": data.trials,
        "gestures": data.gestures,
        "origin": data.description.split(":")[0],
    }


def simulate(seed: int) -> dict:
    n_trials = 5 if effects.thorough() else 2
    return as_trials(datasets.make_suturing(n_trials=n_trials, rate_hz=30.0, seed=100 + seed))


@cache
def read(folder) -> dict:
    return as_trials(datasets.read_jigsaws(folder, rate_hz=30.0))


def chosen_folds(surgeons: list, seed: int) -> list:
    """All surgeons, or, where a person waits, one of them, another one for each seed."""
    folds = leave_one_surgeon_out(surgeons)
    return folds if effects.thorough() else [folds[(2 * seed + 1) % len(folds)]]


def train_and_label(net, lr: float, data: dict, train: list, test: list, seed: int) -> list:
    """Train a network on some trials and label the frames of others."""
    batch = sequences.batches([data["x"][i] for i in train], [data["y"][i] for i in train], size=5, seed=seed)
    training.fit(net, batch, sequences.frame_loss, steps=STEPS, lr=lr, max_norm=1.0, label=type(net).__name__)
    return sequences.predict(net, [data["x"][i] for i in test])


# %% tags=["experiment"]
import pandas as pd
from sklearn.linear_model import LogisticRegression


def label_by_networks(data: dict, train: list, test: list, seed: int) -> dict:
    torch.manual_seed(seed)
    size = {"n_inputs": data["x"][0].shape[1], "n_classes": len(data["gestures"])}
    nets = {
        "frame-wise": (models.FrameNet(**size, n_hidden=N_HIDDEN), 3e-3),
        "LSTM": (models.GestureLSTM(**size, n_hidden=N_HIDDEN, dropout=DROPOUT, input_dropout=0.0), 1e-2),
        "bidirectional": (BothWays(**size, n_hidden=N_HIDDEN, dropout=DROPOUT), 1e-2),
    }
    return {name: train_and_label(net, lr, data, train, test, seed) for name, (net, lr) in nets.items()}


def label_by_baselines(data: dict, train: list, test: list) -> dict:
    """Most frequent gesture; logistic regression on a window, every third frame to learn from; and its vote."""
    seen = np.concatenate([data["y"][i] for i in train])
    views = np.concatenate([sequences.windows(data["x"][i], WINDOW)[::3] for i in train])
    model = LogisticRegression(C=0.1, max_iter=500).fit(views, np.concatenate([data["y"][i][::3] for i in train]))
    window = [model.predict(sequences.windows(data["x"][i], WINDOW)) for i in test]
    return {
        "most frequent": [np.full(len(data["y"][i]), np.bincount(seen).argmax()) for i in test],
        "window": window,
        "window, vote": [sequences.smooth(labels, frames=VOTE) for labels in window],
    }


def score(truth: np.ndarray, labels: np.ndarray) -> dict:
    """Your measures, of one trial."""
    a, b = to_segments(truth), to_segments(labels)
    return {
        "accuracy": 100 * np.mean(truth == labels),
        "edit": edit_distance([run[0] for run in a], [run[0] for run in b]),
        "edit count": float(segments.edit_count(truth, labels)),
        **{f"F1@{k}": segmental_f1(a, b, k / 100) for k in (10, 25, 50)},
    }


results, shown = [], {}
for seed in effects.seeds():
    data = effects.source(partial(simulate, seed), read)
    rows: dict = {}
    for who, train, test in chosen_folds(data["surgeons"], seed):
        said = label_by_networks(data, train, test, seed) | label_by_baselines(data, train, test)
        for name, labels in said.items():
            rows.setdefault(name, []).extend(score(data["y"][i], y) for i, y in zip(test, labels))
        shown = {
            "name": f"{data['origin']}, trial {data['trials'][test[0]]}",
            "truth": data["y"][test[0]],
            **{n: y[0] for n, y in said.items()},
        }
    results.append({name: pd.DataFrame(scores).mean() for name, scores in rows.items()})

pd.DataFrame({name: pd.DataFrame([r[name] for r in results]).mean() for name in results[0]}).T.round(1)


# %% tags=["experiment"]
def gap(measure: str, a: str, b: str) -> np.ndarray:
    """What `a` has over `b`, seed by seed."""
    return np.array([r[a][measure] - r[b][measure] for r in results])


def row(claim: str, values, figure: str = "none given", **bound):
    return effects.measure(UNIT, claim, values, paper=PAPER, paper_figure=figure, **bound)


saved = -gap("edit", "bidirectional", "frame-wise") - 2 * gap("accuracy", "bidirectional", "frame-wise")
saved_late = -gap("edit", "bidirectional", "LSTM") - 2 * gap("accuracy", "bidirectional", "LSTM")
table = effects.report(
    [
        row(
            "Edit distance (%), bidirectional minus LSTM, below 0",
            gap("edit", "bidirectional", "LSTM"),
            "14.6 against about 19.8",
            below=0.0,
        ),
        row("Edit distance (%), LSTM minus frame-wise network, below 0", gap("edit", "LSTM", "frame-wise"), below=0.0),
        row(
            "Accuracy (%), bidirectional minus LSTM, above 0",
            gap("accuracy", "bidirectional", "LSTM"),
            "83.3 against about 80.5",
            above=0.0,
        ),
        row("Accuracy (%), LSTM minus frame-wise network, above 0", gap("accuracy", "LSTM", "frame-wise"), above=0.0),
        row(
            "Fall of the edit distance minus twice the rise of accuracy, frame-wise to bidirectional, above 0",
            saved,
            above=0.0,
        ),
        row(
            "Fall of the edit distance minus twice the rise of accuracy, LSTM to bidirectional, above 0",
            saved_late,
            "5.2 minus twice 2.8, about",
            above=0.0,
        ),
        row("F1@50 (%), bidirectional minus LSTM, above 0", gap("F1@50", "bidirectional", "LSTM"), above=0.0),
        row(
            "Accuracy (%), bidirectional minus most frequent gesture, above 0",
            gap("accuracy", "bidirectional", "most frequent"),
            above=0.0,
        ),
        row(
            "Edit distance (%), bidirectional minus logistic regression on a window, below 0",
            gap("edit", "bidirectional", "window"),
            below=0.0,
        ),
        row(
            "Edit distance (%), bidirectional minus the same with a vote over two seconds, below 0",
            gap("edit", "bidirectional", "window, vote"),
            below=0.0,
        ),
        row(
            "Accuracy (%), bidirectional minus logistic regression on a window, above 0",
            gap("accuracy", "bidirectional", "window"),
            above=0.0,
        ),
    ]
)
table

# %% [markdown]
# The course ran the same cells with five trials of each surgeon instead of two, more steps of training, and every surgeon left out in turn:
#
# <details><summary>The course's longer run</summary>
#
# {{effects}}
#
# </details>
#
# Look at the row with the vote. A linear model that sees two seconds to either side, and then a vote of neighbouring frames, cut a
# trial about as well as the network: a difference is *not shown*. Without the vote it is large. So much of what the edit distance
# punishes is flicker, and flicker has a cheap cure. A paper that leaves the cheap cure out of its table looks better than it is.
#
# Here everybody knows to the frame when a gesture ends, and people who label recordings do not. So expect worse numbers on real
# trials. It is the *order* that the claims are about.
#
# Look at one trial of the surgeon who was left out last. Which gestures are confused, and where does the flicker sit?

# %% tags=["experiment"]
names = ["truth", "frame-wise", "LSTM", "bidirectional", "window", "window, vote"]
plots.show_ribbons({name: shown[name] for name in names}, trial.gestures, rate_hz=5, title=shown["name"])

# %% [markdown]
# The LSTM cannot know the future, so at a change it is late, or guesses. Everything that must act *while* the surgeon works has
# the same handicap: a bidirectional network is for the review afterwards.
#
# ## Questions in words
#
# **Question 1.** A company writes: "Our system recognises surgical gestures with 90 % accuracy, tested on held-out trials of our eight
# surgeons." In at most 120 words: which two numbers do you ask for before you use it to count a trainee's attempts, and why? Use a number of
# your own run.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_accuracy", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# First the edit distance or F1: accuracy weighs frames, and an attempt is a segment. In my run logistic regression on a window and the bidirectional
# network differed by few points of accuracy, but their edit distances by far more, because short flickers cost few frames and
# count as attempts each. Second the same on surgeons who were not in training: trials of one surgeon share habits and set-up, so held-out trials
# of known surgeons promise too much for a trainee whom the system has never seen.
#
# === BEGIN MARK SCHEME ===
# 1 point: asks for a measure of segments (edit distance, F1@k, count of segments) and says that short mistakes cost few frames and many segments.
# 1 point: asks for a result with whole surgeons left out, and says what leaks otherwise.
# 1 point: supports the first with a number of the own run.
# === END MARK SCHEME ===

# %% [markdown]
# **Question 2.** A hospital wants to rank its surgeons by how *novice-like* their motion looks to such a network, and to let the ranking
# count in contracts. Name two ways in which this does harm, and one use of the same recordings that you would support.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_harm", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# The label is hours at a console or a rater's impression on a bench-top model with eight people, not how patients fared; a slow careful surgeon, a left-handed one
# or one who takes the hard cases looks like a novice. And what is measured for pay is performed for the measure: hurrying, avoiding difficult
# patients, refusing to be recorded, so that training loses its data. I would support feedback to the trainee alone: which stitch took
# four attempts, beside the video, owned by the trainee and shared by choice.
#
# === BEGIN MARK SCHEME ===
# 1 point: the measure is not the goal (label, bench-top, few surgeons, case mix, handedness or another group that it was not tested on).
# 1 point: a second harm of its use (gaming, avoiding hard cases, surveillance, loss of trust or of data).
# 1 point: a use in which the person recorded benefits and decides, or people are not ranked.
# === END MARK SCHEME ===

# %% [markdown]
# ## Real data
#
# `medcourse effects 15_surgical_rnn --data FOLDER` runs the same cells on the suturing trials of JIGSAWS (Gao and colleagues, 2014; given
# out by Johns Hopkins University on request). FOLDER is its `Suturing`, or the folder above. There, the five seeds share the same trials: the interval
# is that of training, not of surgeons.
#
# **Papers.** DiPietro et al., Recognizing surgical activities with recurrent neural networks, MICCAI 2016
# ([doi:10.1007/978-3-319-46720-7_64](https://doi.org/10.1007/978-3-319-46720-7_64)). Lea et al., Temporal convolutional networks for action segmentation
# and detection, CVPR 2017 ([doi:10.1109/CVPR.2017.113](https://doi.org/10.1109/CVPR.2017.113)).
