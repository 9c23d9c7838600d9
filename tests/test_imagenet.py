import hashlib
import json
import re
from pathlib import Path

import pytest
import requests
import torch

from medcourse.errors import CourseError
from medcourse.models import imagenet
from medcourse.models.imagenet import MEAN, SD, AlexNet, CifarNet, GoogLeNet, load_imagenet

TABLE = json.loads((Path(__file__).parent / "data" / "imagenet_parameters.json").read_text())


def on_paper(kind, **knobs):
    """A network without numbers: names and shapes only."""
    with torch.device("meta"):
        return kind(**knobs)


@pytest.mark.parametrize("kind", [AlexNet, GoogLeNet])
def test_names_and_shapes_are_those_of_the_published_weights(kind):
    ours = {name: list(value.shape) for name, value in on_paper(kind).state_dict().items()}
    assert ours == TABLE[kind.__name__]


def test_numbers_of_weights_are_those_that_torchvision_documents():
    counts = {kind: sum(p.numel() for p in on_paper(kind).parameters()) for kind in (AlexNet, GoogLeNet)}
    assert counts == {AlexNet: 61_100_840, GoogLeNet: 6_624_904}
    # Shin et al. speak of networks from 5 thousand weights on; CifarNet is by far the smallest of the three here.
    assert sum(p.numel() for p in CifarNet(2).parameters()) < 200_000


@pytest.mark.parametrize(
    ("kind", "knobs"), [(AlexNet, {"stride": 2, "last_pool": False}), (GoogLeNet, {"stride": 1, "first_pool": False})]
)
def test_adapting_to_small_patches_changes_no_weight(kind, knobs):
    adapted = on_paper(kind, **knobs)
    assert {n: v.shape for n, v in adapted.state_dict().items()} == {
        n: v.shape for n, v in on_paper(kind).state_dict().items()
    }


@torch.no_grad()
def test_googlenet_sees_patches_at_the_size_of_photographs():
    maps = {}
    for side, knobs in ((224, {}), (64, {"stride": 1, "first_pool": False})):
        net = on_paper(GoogLeNet, **knobs).eval()
        net.inception5b.register_forward_hook(lambda _, __, out, side=side: maps.update({side: out.shape[-1]}))
        assert net(torch.zeros(1, 3, side, side, device="meta")).shape == (1, 1000)
    assert maps == {224: 7, 64: 8}  # as it was made, two pixels would be left of 64: 64 / 32


@torch.no_grad()
def test_googlenet_turns_normalised_pictures_into_those_between_minus_one_and_one():
    net = GoogLeNet(2, transform_input=True).eval()
    seen = []
    net.conv1.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    picture = torch.rand(2, 3, 32, 32)
    mean, sd = (torch.tensor(c)[:, None, None] for c in (MEAN, SD))
    net((picture - mean) / sd)
    torch.testing.assert_close(seen[0], 2 * picture - 1, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_an_inception_puts_its_branches_side_by_side():
    module = imagenet.Inception((4, 1, 2, 3, 2, 5, 7)).eval()
    x = torch.randn(2, 4, 6, 6)
    out = module(x)
    assert out.shape == (2, 1 + 3 + 5 + 7, 6, 6)
    torch.testing.assert_close(out[:, :1], module.branch1(x))
    torch.testing.assert_close(out[:, -7:], module.branch4(x))


def test_cifarnet_wants_a_side_that_halves_three_times():
    with pytest.raises(CourseError, match="multiple of 8, got 30"):
        CifarNet(2, side_px=30)
    assert CifarNet(3, in_channels=1, side_px=40)(torch.zeros(2, 1, 40, 40)).shape == (2, 3)


@pytest.fixture
def weights(tmp_path):
    """Made-up weights of GoogLeNet as torchvision has them: auxiliary classifiers, no count of batches."""
    torch.manual_seed(0)
    state = {
        name: torch.randn(value.shape)
        for name, value in on_paper(GoogLeNet).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    state["aux1.conv.conv.weight"] = torch.zeros(128, 512, 1, 1)
    torch.save(state, tmp_path / "some-weights.pth")
    return state, tmp_path / "some-weights.pth"


def test_weights_are_read_from_a_file(weights):
    state, file = weights
    net = load_imagenet(GoogLeNet(), file)
    assert net.transform_input
    assert not net.training
    torch.testing.assert_close(net.inception4c.branch3[1].conv.weight, state["inception4c.branch3.1.conv.weight"])
    torch.testing.assert_close(net.fc.bias, state["fc.bias"])


def test_weights_of_another_network_are_refused(weights):
    _, file = weights
    with pytest.raises(CourseError, match=r"some-weights.pth is not of CifarNet"):
        load_imagenet(CifarNet(), file)
    with pytest.raises(CourseError, match=r"fc.weight must be \(2, 1024\), .* has \(1000, 1024\)"):
        load_imagenet(GoogLeNet(2), file)


def test_files_that_hold_no_weights_are_refused(tmp_path):
    with pytest.raises(CourseError, match=r"found none at .*absent.pth"):
        load_imagenet(CifarNet(), tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(CourseError, match="no weights that can be read safely"):
        load_imagenet(CifarNet(), tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CourseError, match="dictionary of weights, got list"):
        load_imagenet(CifarNet(), tmp_path / "list.pth")


def sends(content):
    """A downloader that writes `content`, or fails as one without a network does."""

    class Downloader:
        def __init__(self, **_):
            pass

        def __call__(self, url, place, _):
            if content is None:
                raise requests.ConnectionError
            Path(place).write_bytes(content)

    return Downloader


def test_downloads_are_checked_and_kept(weights, monkeypatch, tmp_path):
    _, file = weights
    content = file.read_bytes()
    prefix = hashlib.sha256(content).hexdigest()[:8]
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path / "cache"))
    monkeypatch.setitem(imagenet.URLS, "GoogLeNet", f"https://example.org/googlenet-{prefix}.pth")
    monkeypatch.setattr("pooch.HTTPDownloader", sends(content))
    load_imagenet(GoogLeNet())
    assert (tmp_path / "cache" / "imagenet" / f"googlenet-{prefix}.pth").read_bytes() == content
    monkeypatch.setattr("pooch.HTTPDownloader", sends(None))  # the second time none is needed
    load_imagenet(GoogLeNet())
    monkeypatch.setenv("MEDCOURSE_DATA", str(tmp_path / "other"))
    with pytest.raises(CourseError, match=r"ConnectionError.*is there a network.*name the file"):
        load_imagenet(GoogLeNet())
    monkeypatch.setattr("pooch.HTTPDownloader", sends(b"something else"))
    with pytest.raises(CourseError, match="is not the file it should be"):
        load_imagenet(GoogLeNet())
    assert not list((tmp_path / "other").rglob("*.pth*"))


def test_there_are_weights_of_two_networks_and_their_names_hold_a_hash():
    assert all(re.search(r"-[0-9a-f]{8}\.pth$", url) for url in imagenet.URLS.values())
    with pytest.raises(CourseError, match="weights of AlexNet and GoogLeNet, not of CifarNet"):
        load_imagenet(CifarNet())
