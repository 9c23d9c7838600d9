import numpy as np
import pytest
import torch
from torch import nn

from medcourse.models.recurrent import LSTM, FrameNet, GestureLSTM, LSTMCell, reverse_padded


def test_the_cell_is_pytorchs_own_to_a_hundred_thousandth():
    torch.manual_seed(0)
    theirs, ours = nn.LSTMCell(14, 9).double(), LSTMCell(14, 9).double()
    ours.load_state_dict(theirs.state_dict())
    x, h, c = torch.randn(5, 14).double(), torch.randn(5, 9).double(), torch.randn(5, 9).double()
    for got, expected in zip(ours(x, (h, c)), theirs(x, (h, c)), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


def test_a_long_sequence_is_pytorchs_own_to_a_hundred_thousandth():
    torch.manual_seed(1)
    theirs, ours = nn.LSTM(14, 16, batch_first=True), LSTM(14, 16)
    ours.cell.load_state_dict({name.removesuffix("_l0"): value for name, value in theirs.state_dict().items()})
    x = torch.randn(3, 200, 14)
    torch.testing.assert_close(ours(x), theirs(x)[0], atol=1e-5, rtol=0)


def test_one_step_by_hand():
    cell = LSTMCell(1, 1)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))  # i, f, g, o
        cell.weight_hh.copy_(torch.tensor([[0.5], [0.0], [0.0], [-0.5]]))
        cell.bias_ih.zero_()
        cell.bias_hh.copy_(torch.tensor([0.0, 0.1, 0.0, 0.0]))
    h, c = cell(torch.tensor([[0.2]]), (torch.tensor([[0.4]]), torch.tensor([[-1.0]])))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    memory = sigmoid(0.4 + 0.1) * -1.0 + sigmoid(0.2 + 0.2) * np.tanh(0.6)
    assert c.item() == pytest.approx(memory, abs=1e-6)
    assert h.item() == pytest.approx(sigmoid(0.8 - 0.2) * np.tanh(memory), abs=1e-6)


def test_peepholes_show_the_old_memory_to_i_and_f_and_the_new_to_o():
    cell = LSTMCell(1, 1, peephole=True)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.weight_ih[2] = 1.0  # g sees x
        cell.weight_peephole.copy_(torch.tensor([[2.0], [-1.0], [3.0]]))
    h, c = cell(torch.tensor([[0.7]]), (torch.zeros(1, 1), torch.tensor([[0.5]])))
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    memory = sigmoid(-0.5) * 0.5 + sigmoid(1.0) * np.tanh(0.7)
    assert c.item() == pytest.approx(memory, abs=1e-6)
    assert h.item() == pytest.approx(sigmoid(3 * memory) * np.tanh(memory), abs=1e-6)


def test_peepholes_of_zero_change_nothing():
    torch.manual_seed(2)
    plain, peeping = LSTMCell(3, 4), LSTMCell(3, 4, peephole=True)
    peeping.load_state_dict({**plain.state_dict(), "weight_peephole": torch.zeros(3, 4)})
    state = torch.randn(2, 4), torch.randn(2, 4)
    x = torch.randn(2, 3)
    for got, expected in zip(peeping(x, state), plain(x, state), strict=True):
        torch.testing.assert_close(got, expected)


def test_sequences_are_turned_around_before_their_padding():
    x = torch.tensor([[[1], [2], [3], [0]], [[4], [5], [6], [7]], [[8], [0], [0], [0]]])
    turned = reverse_padded(x, torch.tensor([3, 4, 1]))
    assert turned[..., 0].tolist() == [[3, 2, 1, 0], [7, 6, 5, 4], [8, 0, 0, 0]]
    torch.testing.assert_close(reverse_padded(turned, torch.tensor([3, 4, 1])), x)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_nothing(bidirectional):
    torch.manual_seed(3)
    net = GestureLSTM(2, 3, n_hidden=5, bidirectional=bidirectional).eval()
    short, long = torch.randn(1, 6, 2), torch.randn(1, 11, 2)
    batch = torch.full((2, 11, 2), 77.0)
    batch[0, :6], batch[1] = short[0], long[0]
    together = net(batch, torch.tensor([6, 11]))
    torch.testing.assert_close(together[:1, :6], net(short, torch.tensor([6])))
    torch.testing.assert_close(together[1:], net(long, torch.tensor([11])))


def test_bidirectional_is_pytorchs_own():
    torch.manual_seed(4)
    net = GestureLSTM(2, 3, n_hidden=5, bidirectional=True).eval()
    theirs = nn.LSTM(2, 5, batch_first=True, bidirectional=True)
    state = {f"{name}": value for name, value in net.forwards.state_dict().items()}
    state |= {f"{name}_reverse": value for name, value in net.backwards.state_dict().items()}
    theirs.load_state_dict(state)
    x, lengths = torch.randn(2, 7, 2), torch.tensor([7, 4])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
    expected = net.to_logits(nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)[0])
    got = net(x, lengths)
    torch.testing.assert_close(got[0], expected[0])
    torch.testing.assert_close(got[1, :4], expected[1, :4])


def reach(net, frame):
    """From which frames the logits of one frame take their value."""
    x = torch.randn(1, 9, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x, torch.tensor([9]))[0, frame].sum(), x)
    return (gradient[0].abs().sum(1) > 0).nonzero().ravel().tolist()


def test_one_sees_the_past_the_other_all_and_the_third_a_frame():
    torch.manual_seed(5)
    assert reach(GestureLSTM(2, 3, n_hidden=4).eval(), 4) == [0, 1, 2, 3, 4]
    assert reach(GestureLSTM(2, 3, n_hidden=4, bidirectional=True).eval(), 4) == list(range(9))
    assert reach(FrameNet(2, 3, n_hidden=8).eval(), 4) == [4]


def test_the_papers_size():
    counted = sum(p.numel() for p in GestureLSTM(bidirectional=True).parameters())
    direction = 4 * 1024 * (14 + 1024 + 2)
    assert counted == 2 * direction + 2048 * 10 + 10


@pytest.mark.parametrize("shares", [(0.5, None), (0.5, 0.0), (0.0, 0.5)])
def test_dropout_is_for_training_only(shares):
    torch.manual_seed(6)
    net = GestureLSTM(2, 3, n_hidden=8, dropout=shares[0], input_dropout=shares[1])
    x, lengths = torch.randn(1, 5, 2), torch.tensor([5])
    assert (net(x, lengths) - net(x, lengths)).abs().max() > 1e-3
    net.eval()
    torch.testing.assert_close(net(x, lengths), net(x, lengths))
