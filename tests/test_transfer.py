import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from medcourse.datasets import make_fractals
from medcourse.errors import CourseError
from medcourse.models import SourceNet, load_source, transfer

WEIGHTS = Path(transfer.__file__).parent / "weights"


@pytest.fixture(scope="module")
def source():
    return load_source()


@torch.no_grad()
def test_layers_follow_each_other_as_the_papers_say():
    net = SourceNet(3).eval()
    x = torch.rand(2, 3, 64, 64)
    maps = functional.max_pool2d(
        functional.conv2d(4 * (x - 0.5), net.conv1.weight, net.conv1.bias, 2, 3).relu(), 3, 2, 1
    )
    torch.testing.assert_close(net.run(x, last="conv1"), maps)
    assert [tuple(net.run(x, last=name).shape[1:]) for name in transfer.LAYERS] == [
        (24, 16, 16), (48, 8, 8), (64, 8, 8), (64, 8, 8), (48, 4, 4), (384,), (192,), (3,),
    ]  # fmt: skip
    assert (net.run(x, last="fc7") >= 0).all()
    assert (net(x) < 0).any()  # logits: no ReLU behind the last


@torch.no_grad()
@pytest.mark.parametrize("cut", range(1, 8))
def test_a_network_run_in_two_parts_is_the_network(cut):
    net = SourceNet(3, in_channels=1).eval()
    x = torch.rand(2, 1, 64, 64)
    before, after = transfer.LAYERS[cut - 1], transfer.LAYERS[cut]
    torch.testing.assert_close(net.run(net.run(x, last=before), first=after), net(x))


def test_dropout_silences_hidden_neurons_in_training_only():
    net = SourceNet(2, dropout=0.5)
    x = torch.rand(64, 3, 64, 64)
    share = float((net.run(x, last="fc7") == 0).float().mean() - (net.eval().run(x, last="fc7") == 0).float().mean())
    assert 0.15 < share < 0.5


def test_other_sides_keep_every_weight():
    shapes = {name: value.shape for name, value in SourceNet(2).state_dict().items()}
    for knobs in (
        {"side_px": 32, "pools": ("conv1", "conv2")},
        {"side_px": 32, "stride": 1},
        {"side_px": 16, "pools": ("conv2",)},
    ):
        net = SourceNet(2, **knobs)
        assert {name: value.shape for name, value in net.state_dict().items()} == shapes
        assert net(torch.rand(1, 3, knobs["side_px"], knobs["side_px"])).shape == (1, 2)


@pytest.mark.parametrize("knobs", [{"side_px": 32}, {"stride": 1}, {"pools": ("conv1",)}, {"pools": ("fc6",)}])
def test_maps_of_another_size_are_refused(knobs):
    with pytest.raises(CourseError, match=r"leave maps of 4 x 4.*change the stride or the pools"):
        SourceNet(2, **knobs)


@torch.no_grad()
def test_the_source_network_tells_categories_it_was_trained_on(source):
    record = source.made_by
    unseen = make_fractals(4, seed=77)
    assert unseen.names == record["classes"]
    guesses = source(torch.as_tensor(unseen.images).float() / 255).argmax(1)
    accuracy = float((guesses == torch.as_tensor(unseen.labels)).float().mean())
    assert accuracy == pytest.approx(record["held_out_accuracy"], abs=0.12)  # 200 pictures: four standard errors
    assert record["held_out_accuracy"] > 20 / len(record["classes"])  # far above chance
    assert not source.training


def test_the_file_is_small_and_its_record_complete(source):
    file = WEIGHTS / "source_fractals.safetensors"
    assert file.stat().st_size < 4e6
    assert source.made_by["parameters"] == sum(p.numel() for p in source.parameters())
    assert source.made_by["command"].startswith("python bench/source_network.py")
    assert {"seed", "seconds", "machine", "sha256", "megabytes"} <= source.made_by.keys()
    assert json.loads((WEIGHTS / "source_fractals.json").read_text()) == source.made_by


def test_another_file_is_refused(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    for name in ("source_fractals.json", "source_fractals.safetensors"):
        content = bytearray((WEIGHTS / name).read_bytes())
        if name.endswith("safetensors"):
            content[-1] ^= 1
        (tmp_path / "weights" / name).write_bytes(content)
    monkeypatch.setattr(transfer, "__file__", str(tmp_path / "transfer.py"))
    with pytest.raises(CourseError, match="not the file that was recorded"):
        load_source()


@torch.no_grad()
def test_the_source_network_reads_smaller_pictures(source):
    small = load_source(side_px=32, pools=("conv1", "conv2"))
    torch.testing.assert_close(small.conv3.weight, source.conv3.weight)
    assert small(torch.rand(2, 3, 32, 32)).shape == (2, 50)
