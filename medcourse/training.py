"""One plain training loop, with a progress bar and a curve that grows while one waits."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import trange

from medcourse.device import autocast, pick_device

_REDRAW_SECONDS = 1.0


@dataclass
class History:
    """What a training run leaves behind: the loss of each step, and the seconds that all of them took."""

    loss: list[float] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    net: nn.Module,
    batch: Callable[[int], tuple[Any, ...]],
    loss: Callable[..., Tensor],
    *,
    steps: int,
    lr: float = 1e-3,
    max_norm: float | None = None,
    device: torch.device | None = None,
    live: bool = False,
    label: str = "training",
) -> History:
    """Train `net` in place with Adam and leave it in evaluation mode.

    Parameters
    ----------
    batch
        Called with the step's number; returns (input, *targets). The input goes through the network, the targets go
        to the loss. An input that is a tuple of tensors is handed over as several arguments.
    loss
        Called with (output, *targets); returns a scalar.
    steps
        How many batches to see.
    lr
        Adam's learning rate at the start; it falls to zero along a half cosine.
    max_norm
        Shorten a gradient (of all weights together) that is longer than this: the gradients of recurrent networks can
        explode. None for never.
    live
        Draw the loss while training; for a notebook.
    label
        The progress bar's.
    """
    device = device or pick_device()
    # Channels last is what the convolution kernels of processors and GPUs like best for images.
    layout = torch.channels_last if _is_2d(net) else torch.contiguous_format
    net.to(device=device, memory_format=layout).train()  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    history, started = History(), time.perf_counter()
    curve = _LiveCurve(label) if live else None
    bar = trange(steps, desc=label, leave=False)
    for step in bar:
        given, *targets = batch(step)
        inputs = given if isinstance(given, tuple) else (given,)
        with autocast(device):
            output = net(*(tensor.to(device, non_blocking=True) for tensor in inputs))
            value = loss(output, *(tensor.to(device, non_blocking=True) for tensor in targets))
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        if max_norm is not None:
            nn.utils.clip_grad_norm_(net.parameters(), max_norm)
        optimiser.step()
        schedule.step()
        history.loss.append(float(value.detach()))
        bar.set_postfix(loss=f"{history.loss[-1]:.3f}", refresh=False)
        if curve:
            curve.update(history.loss)
    history.seconds = time.perf_counter() - started
    if curve:
        curve.update(history.loss, last=True)
    net.eval()
    return history


def fit_greedily(
    layers: Sequence[nn.Module],
    batch: Callable[[int], Tensor],
    *,
    steps: int,
    lr: float = 1e-3,
    device: torch.device | None = None,
) -> list[History]:
    """Train auto-encoder layers one after the other, each on what those before it make of the input.

    While a layer learns, those before it stand still (Bengio et al. 2006; Vincent et al. 2010 with noise at each
    layer's input).

    Parameters
    ----------
    layers
        From the input up. Each has `encode(x)`, and maps x to its reconstruction when called; in training mode it may
        spoil its input first. The target is what came in.
    batch
        Called with the step's number; returns inputs (B, ...) for the first layer.
    steps
        Batches that each layer sees.
    lr, device
        As in `fit`.

    Returns
    -------
    list of History
        One a layer; the loss is the mean squared error.
    """
    histories = []
    for level, layer in enumerate(layers):

        def codes(step: int, below: Sequence[nn.Module] = layers[:level]) -> tuple[Tensor, Tensor]:
            x = batch(step).to(device or pick_device())
            with torch.no_grad():
                for trained in below:
                    x = trained.encode(x)  # type: ignore[operator]
            return x, x

        histories.append(
            fit(layer, codes, functional.mse_loss, steps=steps, lr=lr, device=device, label=f"layer {level + 1}")
        )
    return histories


def _is_2d(net: nn.Module) -> bool:
    return not any(isinstance(module, nn.Conv1d | nn.Conv3d) for module in net.modules())


class _LiveCurve:
    """A figure in the notebook that is redrawn about once a second."""

    def __init__(self, label: str) -> None:
        from IPython.display import display  # noqa: PLC0415  (only where there is a notebook)

        self._label = label
        self._handle = display({"text/plain": label}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._drawn = time.perf_counter()

    def update(self, loss: list[float], *, last: bool = False) -> None:
        from medcourse import plots  # noqa: PLC0415

        now = time.perf_counter()
        if self._handle is None or not (last or now - self._drawn > _REDRAW_SECONDS):
            return
        self._drawn = now
        data, metadata = plots.figures.bundle(plots.plot_curve({self._label: loss}))
        self._handle.update(data, metadata=metadata, raw=True)
