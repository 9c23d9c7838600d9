"""The networks of DiPietro et al. 2016 (arXiv 1606.06329), which say of each frame of a sequence what is done in it.

The paper has one layer of 1024 hidden units, with peepholes, half of inputs and outputs dropped in training. Everything
here takes any size; `LSTMCell` and `LSTM` are written out, and the networks use PyTorch's fast LSTM, which computes the
same without peepholes.
"""

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]


class LSTMCell(nn.Module):
    r"""One step of a long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    .. math::
        i &= \sigma(W_i x + U_i h + b_i), & f &= \sigma(W_f x + U_f h + b_f), \\
        g &= \tanh(W_g x + U_g h + b_g), & o &= \sigma(W_o x + U_o h + b_o), \\
        c' &= f \odot c + i \odot g, & h' &= o \odot \tanh(c').

    Weights are named, stacked (i, f, g, o) and initialised as in `torch.nn.LSTMCell`, whose `state_dict` can be loaded.

    Parameters
    ----------
    n_inputs, n_hidden
        Sizes of x and of h and c.
    peephole
        Let the gates see the memory, as in the paper: i and f see c, o sees c', each unit its own.

    Examples
    --------
    >>> cell = LSTMCell(14, 8)
    >>> h, c = cell(torch.zeros(5, 14), (torch.zeros(5, 8), torch.zeros(5, 8)))
    >>> h.shape, c.shape
    (torch.Size([5, 8]), torch.Size([5, 8]))
    """

    def __init__(self, n_inputs: int, n_hidden: int, *, peephole: bool = False) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.weight_ih = nn.Parameter(torch.empty(4 * n_hidden, n_inputs))
        self.weight_hh = nn.Parameter(torch.empty(4 * n_hidden, n_hidden))
        self.bias_ih = nn.Parameter(torch.empty(4 * n_hidden))
        self.bias_hh = nn.Parameter(torch.empty(4 * n_hidden))
        if peephole:
            self.weight_peephole = nn.Parameter(torch.empty(3, n_hidden))  # of i, f, o
        else:
            self.register_parameter("weight_peephole", None)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(n_hidden**-0.5), n_hidden**-0.5)

    def forward(self, x: Tensor, state: State) -> State:
        """Map x (B, n_inputs) and the state (h, c), each (B, n_hidden), to the next state."""
        h, c = state
        sums = x @ self.weight_ih.T + self.bias_ih + h @ self.weight_hh.T + self.bias_hh  # (B, 4 n_hidden)
        i, f, g, o = sums.chunk(4, dim=1)
        peep = self.weight_peephole
        if peep is not None:
            i, f = i + peep[0] * c, f + peep[1] * c
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        if peep is not None:
            o = o + peep[2] * c
        return o.sigmoid() * c.tanh(), c


class LSTM(nn.Module):
    """A cell that walks along a sequence, starting from a state of zeros.

    Slow, for Python takes each step: to look inside, and for peepholes.

    Examples
    --------
    >>> LSTM(14, 8)(torch.zeros(2, 30, 14)).shape
    torch.Size([2, 30, 8])
    """

    def __init__(self, n_inputs: int, n_hidden: int, *, peephole: bool = False) -> None:
        super().__init__()
        self.cell = LSTMCell(n_inputs, n_hidden, peephole=peephole)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, n_inputs) to the outputs h of all steps (B, T, n_hidden)."""
        h = x.new_zeros(len(x), self.cell.n_hidden)
        state, outputs = (h, h), []
        for frame in x.unbind(dim=1):
            state = self.cell(frame, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1)


def reverse_padded(x: Tensor, lengths: Tensor) -> Tensor:
    """Turn each sequence of a padded batch around, and leave the padding behind it where it is.

    Parameters
    ----------
    x
        (B, T, ...).
    lengths
        (B,) whole numbers in 0 to T: frames that are no padding.

    Examples
    --------
    >>> reverse_padded(torch.tensor([[1, 2, 3, 0]]), torch.tensor([3]))
    tensor([[3, 2, 1, 0]])
    """
    steps = torch.arange(x.shape[1], device=x.device)
    last = lengths.to(x.device)[:, None] - 1
    source = torch.where(steps <= last, last - steps, steps)  # (B, T)
    return x[torch.arange(len(x), device=x.device)[:, None], source]


class GestureLSTM(nn.Module):
    """A frame's class by an LSTM that has read all frames up to it, and, if bidirectional, another all from it on.

    Parameters
    ----------
    n_inputs, n_classes
        Signals a frame, and gestures.
    n_hidden
        Of each direction. The paper has 1024.
    bidirectional
        Read backwards, too. Then nothing can be said before a sequence has ended.
    dropout
        Share of outputs that is silenced in training, in [0, 1). The paper has 0.5.
    input_dropout
        The same of inputs; as `dropout` unless given.

    Examples
    --------
    >>> net = GestureLSTM(bidirectional=True, n_hidden=4)
    >>> net(torch.zeros(2, 30, 14), torch.tensor([30, 21])).shape
    torch.Size([2, 30, 10])
    """

    def __init__(
        self,
        n_inputs: int = 14,
        n_classes: int = 10,
        *,
        n_hidden: int = 1024,
        bidirectional: bool = False,
        dropout: float = 0.5,
        input_dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.forwards = nn.LSTM(n_inputs, n_hidden, batch_first=True)
        self.backwards = nn.LSTM(n_inputs, n_hidden, batch_first=True) if bidirectional else None
        self.dropout = nn.Dropout(dropout)
        self.input_dropout = nn.Dropout(dropout if input_dropout is None else input_dropout)
        self.to_logits = nn.Linear(n_hidden * (1 + bidirectional), n_classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map a padded batch (B, T, n_inputs) and its lengths (B,) to raw logits (B, T, n_classes)."""
        x = self.input_dropout(x)
        outputs = self.forwards(x)[0]  # (B, T, H): padding comes after, so no frame has seen it
        if self.backwards is not None:
            # Turned around as a whole, the padding would come first, and be what the network has read by then.
            back = self.backwards(reverse_padded(x, lengths))[0]
            outputs = torch.cat([outputs, reverse_padded(back, lengths)], dim=2)  # (B, T, 2H)
        return self.to_logits(self.dropout(outputs))  # type: ignore[no-any-return]


class FrameNet(nn.Module):
    """A frame's class by that frame alone: two hidden layers, no memory.

    Examples
    --------
    >>> FrameNet(n_hidden=4)(torch.zeros(2, 30, 14), torch.tensor([30, 21])).shape
    torch.Size([2, 30, 10])
    """

    def __init__(self, n_inputs: int = 14, n_classes: int = 10, *, n_hidden: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_inputs, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_classes),
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Map (B, T, n_inputs) to raw logits (B, T, n_classes), each frame by itself; `lengths` does not matter."""
        return self.layers(x)  # type: ignore[no-any-return]
