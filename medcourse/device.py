"""Which device a network runs on: CUDA, else Apple's MPS, else the processor."""

from contextlib import AbstractContextManager, nullcontext

import torch


def pick_device(name: str | None = None) -> torch.device:
    """Return the device called `name`, or the fastest one that this machine has.

    Examples
    --------
    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name is not None:
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Compute in bfloat16 where the device is faster with it (CUDA), in float32 elsewhere."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
