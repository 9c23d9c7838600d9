"""The bench of 2D, 2.5D and 3D: what it counts is what the network costs, and each device keeps its own rows."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from medcourse.models.cost import layer_costs, total_cost, training_bytes
from medcourse.models.plain import network_for

bench = runpy.run_path(str(Path(__file__).resolve().parents[1] / "bench" / "speed.py"))


def test_rows_say_device_input_and_cost():
    rows = bench["measure"](torch.device("cpu"), side=8, batch=2, repeats=1)
    assert [row["input"] for row in rows] == ["2D", "2.5D", "3D"]
    assert {row["device"] for row in rows} == {bench["device_name"](torch.device("cpu"))}
    assert all(row["ms_per_step"] > 0 for row in rows)
    flat, _, cube = rows
    assert cube["mflops"] > 8 * flat["mflops"]
    # One more axis: 3 times the weights of a convolution; the linear layer and the biases stay.
    assert cube["parameters"] == 3 * (9 * (8 + 8 * 16 + 16 * 32)) + 8 + 16 + 32 + 66


def test_a_device_replaces_its_own_rows_and_no_others(tmp_path):
    record = tmp_path / "speed.json"
    bench["keep"]([{"device": "GPU", "input": "2D"}], record)
    bench["keep"]([{"device": "CPU", "input": "2D", "old": True}], record)
    bench["keep"]([{"device": "CPU", "input": "3D"}], record)
    assert json.loads(record.read_text())["rows"] == [
        {"device": "CPU", "input": "3D"},
        {"device": "GPU", "input": "2D"},
    ]


def test_autograd_keeps_what_the_formula_counts_and_the_places_of_the_largest():
    layers = network_for("3D").layers
    cost = total_cost(layers, in_channels=1, side=16, dims=3)
    measured = 1e6 * bench["kept_mb"]("3D", side=16, batch=4)
    # Max-pooling also keeps, with 8 bytes each, which of its voxels was the largest.
    pooled = 8 * sum(
        c.values
        for c, k in zip(layer_costs(layers, in_channels=1, side=16, dims=3), layers, strict=True)
        if k["kind"] == "pool"
    )
    logits = 4 * 2  # these are given back, and not kept
    assert measured == pytest.approx(training_bytes(cost, batch=4) + 4 * (pooled - logits), rel=0.01)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_tells_its_name():
    rows = bench["measure"](torch.device("cuda"), side=16, batch=2, repeats=1)
    assert rows[0]["device"] == torch.cuda.get_device_name()
