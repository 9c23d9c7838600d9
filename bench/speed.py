"""Measure what a step of training costs in 2D, 2.5D and 3D on the device that this machine has.

python bench/speed.py [--device cpu|cuda|mps] [--side 32] [--batch 16]

The rows of this device replace its older ones in bench/results/speed.json, which keeps those of other devices: run it
on a machine with a GPU, and the table in the lesson grows by three rows.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from medcourse.device import pick_device
from medcourse.grading.records import SPEED
from medcourse.models.cost import total_cost, training_bytes
from medcourse.models.plain import INPUTS, Input, as_input, network_for

ROOT = Path(__file__).resolve().parents[1]
WARM_UP, REPEATS, ROUNDS = 3, 15, 3


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default=None, help="cpu, cuda or mps; the fastest there is if not given")
    parser.add_argument("--side", type=int, default=32, help="voxels along each axis")
    parser.add_argument("--batch", type=int, default=16, help="samples a step")
    parser.add_argument("--out", type=Path, default=ROOT / SPEED, help="the record")
    options = parser.parse_args(arguments)
    device = pick_device(options.device)
    rows = measure(device, side=options.side, batch=options.batch)
    keep(rows, options.out)
    for row in rows:
        print(
            f"{row['device']}: {row['input']} {row['ms_per_step']:.2f} ms a step, {row['mflops']:.2f} MFLOPs a sample"
        )


def measure(device: torch.device, *, side: int, batch: int, repeats: int = REPEATS) -> list[dict[str, Any]]:
    """Return a row for each kind of input; the kinds take turns, so that a busy moment does not hit one only."""
    steps = {kind: _stepper(kind, device, side, batch) for kind in INPUTS}
    seconds: dict[str, list[float]] = {kind: [] for kind in INPUTS}
    for _ in range(ROUNDS):
        for kind, step in steps.items():
            for _ in range(WARM_UP):
                step()
            seconds[kind] += [_timed(step, device) for _ in range(repeats)]
    rows = []
    for kind in INPUTS:
        net = network_for(kind)
        cost = total_cost(net.layers, in_channels=net.layers[0]["inputs"], side=side, dims=net.dims)
        rows.append(
            {
                "device": device_name(device),
                "input": kind,
                "side": side,
                "batch": batch,
                "parameters": cost.parameters,
                "mflops": cost.flops / 1e6,
                "training_mb": training_bytes(cost, batch=batch) / 1e6,
                "measured_mb": kept_mb(kind, side=side, batch=batch),
                "ms_per_step": 1000 * float(np.median(seconds[kind])),
                "torch": torch.__version__.split("+")[0],
            }
        )
    return rows


def device_name(device: torch.device) -> str:
    """Name the device as a reader knows it; of a processor its kind and the threads that are used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"{threads} {'thread' if threads == 1 else 'threads'} of an {platform.machine()} processor"


def keep(rows: list[dict[str, Any]], path: Path) -> None:
    """Put the rows into the record, in place of older ones of the same device."""
    old = json.loads(path.read_text())["rows"] if path.is_file() else []
    fresh = {row["device"] for row in rows}
    kept = sorted([*(row for row in old if row["device"] not in fresh), *rows], key=lambda row: row["device"])
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"rows": kept}, indent=1) + "\n")
    temporary.replace(path)  # a reader sees the old record or the new one, never half of one


def _stepper(kind: Any, device: torch.device, side: int, batch: int) -> Any:
    torch.manual_seed(0)
    net = network_for(kind).to(device).train()
    optimiser = torch.optim.Adam(net.parameters())
    x = torch.as_tensor(as_input(np.random.default_rng(0).random((batch, side, side, side)), kind), device=device)
    y = torch.zeros(batch, dtype=torch.long, device=device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        functional.cross_entropy(net(x), y).backward()
        optimiser.step()

    return step


def _timed(step: Any, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    step()
    _wait(device)  # a GPU answers before it is through
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def kept_mb(kind: Input, *, side: int, batch: int) -> float:
    """Return what a step of training holds at a time, in MB: four numbers a parameter, and what autograd keeps.

    Autograd is asked itself: each tensor that a layer puts aside for the way back is weighed once.
    """
    net = network_for(kind)
    weights = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}
    kept: dict[int, int] = {}

    def weigh(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    x = torch.as_tensor(as_input(np.zeros((batch, side, side, side)), kind))
    with torch.autograd.graph.saved_tensors_hooks(weigh, lambda tensor: tensor):
        logits = net(x)  # held until here, so that no place in memory is used twice
    del logits
    return (16 * sum(parameter.numel() for parameter in net.parameters()) + sum(kept.values())) / 1e6


if __name__ == "__main__":
    main()
