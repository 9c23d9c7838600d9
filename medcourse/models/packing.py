"""A small network's weights as text, to be pasted into an answer: nothing to download, nothing that runs when read."""

import base64
import binascii
import zlib
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medcourse.errors import CourseError

MOST_WEIGHTS = 50_000
"""About 130 kB of text: a larger network has no place in a notebook's cell."""
_LINE = 100  # characters
_Net = TypeVar("_Net", bound=nn.Module)


def weights_to_text(net: nn.Module) -> str:
    """Return the weights and running statistics of a network as lines of base64, two bytes a number.

    Half precision keeps three digits of each, which is enough for a network that does not go on learning.

    Raises
    ------
    CourseError
        It has more than `MOST_WEIGHTS` numbers, or one that half precision cannot hold.
    """
    numbers = np.concatenate([tensor.detach().cpu().numpy().ravel() for tensor in _tensors(net)])
    if len(numbers) > MOST_WEIGHTS:
        raise CourseError(f"expected a network of at most {MOST_WEIGHTS} numbers, got {len(numbers)}: make it smaller")
    with np.errstate(over="ignore"):
        half = numbers.astype("<f2")
    if not np.isfinite(half).all():
        raise CourseError(f"expected weights between -65504 and 65504, got {numbers.min():g} to {numbers.max():g}")
    packed = half.tobytes()
    text = base64.b64encode(_checksum(packed) + packed).decode()
    return "\n".join(text[i : i + _LINE] for i in range(0, len(text), _LINE))


def weights_from_text(net: _Net, text: str) -> _Net:
    """Put the weights of `weights_to_text` into a network of the same build; return it, ready to predict.

    Raises
    ------
    CourseError
        The text is damaged, or of another network.

    Examples
    --------
    >>> net, other = nn.Linear(2, 1), nn.Linear(2, 1)
    >>> nn.init.constant_(net.weight, 0.5).shape
    torch.Size([1, 2])
    >>> weights_from_text(other, weights_to_text(net)).weight
    Parameter containing:
    tensor([[0.5000, 0.5000]], requires_grad=True)
    """
    numbers = _unpack(text)
    tensors = _tensors(net)
    wanted = sum(tensor.numel() for tensor in tensors)
    if len(numbers) != wanted:
        raise CourseError(
            f"expected the {wanted} numbers of this network, got {len(numbers)}: is it built as that was?"
        )
    parts = np.split(numbers, np.cumsum([tensor.numel() for tensor in tensors])[:-1])
    with torch.no_grad():
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(torch.as_tensor(part).view_as(tensor))
    return net.eval()


def _unpack(text: str) -> NDArray[np.float32]:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    check, packed = data[:4], data[4:]
    if not packed or check != _checksum(packed):
        raise CourseError(f"expected the whole text of weights_to_text, got {len(text)} characters that are damaged")
    return np.frombuffer(packed, "<f2").astype(np.float32)


def _checksum(packed: bytes) -> bytes:
    return zlib.crc32(packed).to_bytes(4, "little")


def _tensors(net: nn.Module) -> list[Tensor]:
    """Return what is to be kept, in the order of registration; counters of batch normalisation are not."""
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]
