"""AlexNet, GoogLeNet and CifarNet, the three networks of Shin et al., TMI 35(5):1285-1298, 2016.

Parameters of AlexNet and GoogLeNet have the names and shapes of torchvision's models, so that weights learnt on
ImageNet fit, from a file or by URL; torchvision itself is not needed. Each network can be adapted to patches that are
smaller than the photographs it was made for: a smaller stride of the first convolution, and a pooling less, which
change no weight.

- Krizhevsky et al. 2012, in the form of https://arxiv.org/abs/1404.5997 (AlexNet).
- Szegedy et al. 2015, https://doi.org/10.1109/CVPR.2015.7298594 (GoogLeNet), with batch normalisation and with 3 x 3
  kernels in place of 5 x 5, as torchvision has it; the two auxiliary classifiers, of use in training only, are left
  out.
- CifarNet: three convolutions and two fully connected layers, of Krizhevsky's cuda-convnet for CIFAR-10.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from medcourse.errors import CourseError

MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours of ImageNet's photographs in [0, 1]: its networks expect (picture - mean) / deviation."""
URLS = {
    "AlexNet": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "GoogLeNet": "https://download.pytorch.org/models/googlenet-1378be20.pth",
}
"""Where the weights are; the file's name ends in the beginning of its SHA-256."""
INCEPTIONS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}
"""GoogLeNet's table: channels in, 1 x 1, before 3 x 3, 3 x 3, before the larger, the larger, after the pooling."""
Net = TypeVar("Net", bound=nn.Module)


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers, 61 million weights.

    Parameters
    ----------
    n_classes
        Outputs.
    in_channels
        Channels of the input.
    stride
        Of the first convolution: 4 for photographs of 224 x 224.
    last_pool
        Keep the pooling after the fifth convolution.
    dropout
        Share of neurons silenced in training before both hidden fully connected layers.

    Examples
    --------
    Patches of 64 x 64: with half the stride and a pooling less, the last maps are 6 x 6 again.

    >>> with torch.device("meta"):  # shapes only
    ...     net, patches = AlexNet(2, stride=2, last_pool=False), torch.zeros(1, 3, 64, 64)
    >>> net.features(patches).shape[-2:], net(patches).shape
    (torch.Size([6, 6]), torch.Size([1, 2]))
    """

    def __init__(
        self,
        n_classes: int = 1000,
        *,
        in_channels: int = 3,
        stride: int = 4,
        last_pool: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(in_channels, 64, 11, stride, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
            nn.MaxPool2d(3, 2) if last_pool else nn.Identity(),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            *(nn.Dropout(dropout), nn.Linear(256 * 6 * 6, 4096), nn.ReLU()),
            *(nn.Dropout(dropout), nn.Linear(4096, 4096), nn.ReLU()),
            nn.Linear(4096, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, C, H, W), normalised, to raw logits (B, n_classes)."""
        maps = self.avgpool(self.features(x))  # (B, 256, 6, 6)
        logits: Tensor = self.classifier(maps.flatten(1))
        return logits


class NormedConv(nn.Module):
    """A convolution without bias, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        return torch.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four ways to look at the same maps, side by side: 1 x 1, 3 x 3, a larger field, and a pooling.

    Parameters
    ----------
    row
        A row of `INCEPTIONS`.
    """

    def __init__(self, row: tuple[int, int, int, int, int, int, int]) -> None:
        super().__init__()
        inputs, one, before_three, three, before_larger, larger, pooled = row
        self.branch1 = NormedConv(inputs, one, 1)
        self.branch2 = nn.Sequential(NormedConv(inputs, before_three, 1), NormedConv(before_three, three, 3, padding=1))
        self.branch3 = nn.Sequential(
            NormedConv(inputs, before_larger, 1), NormedConv(before_larger, larger, 3, padding=1)
        )
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), NormedConv(inputs, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, sum of the four widths, H, W)."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class GoogLeNet(nn.Module):
    """Three convolutions, nine Inception modules, the mean over places and one fully connected layer.

    Parameters
    ----------
    n_classes
        Outputs.
    stride
        Of the first convolution: 2 for photographs of 224 x 224.
    first_pool
        Keep the pooling after the first convolution.
    transform_input
        Turn pictures normalised with `MEAN` and `SD` into those in [-1, 1] that the weights by URL were learnt on.
    dropout
        Share of the 1024 features that is silenced in training.

    Examples
    --------
    >>> with torch.device("meta"):
    ...     GoogLeNet(2, stride=1, first_pool=False)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        n_classes: int = 1000,
        *,
        stride: int = 2,
        first_pool: bool = True,
        transform_input: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.transform_input = transform_input
        self.conv1 = NormedConv(3, 64, 7, stride=stride, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True) if first_pool else nn.Identity()
        self.conv2 = NormedConv(64, 64, 1)
        self.conv3 = NormedConv(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        for name, row in INCEPTIONS.items():
            self.add_module(f"inception{name}", Inception(row))
        self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, 3, H, W), normalised, to raw logits (B, n_classes)."""
        if self.transform_input:
            mean, sd = (torch.tensor(c, device=x.device)[:, None, None] for c in (MEAN, SD))
            x = 2 * (x * sd + mean) - 1  # [0, 1] to [-1, 1]
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        for name in INCEPTIONS:
            if name in ("4a", "5a"):
                x = self.maxpool3(x) if name == "4a" else self.maxpool4(x)
            x = getattr(self, f"inception{name}")(x)
        logits: Tensor = self.fc(self.dropout(x.mean((2, 3))))  # (B, 1024) to (B, n_classes)
        return logits


class CifarNet(nn.Module):
    """Three convolutions of 5 x 5 with pooling, two fully connected layers: the smallest of the three.

    Parameters
    ----------
    n_classes
        Outputs.
    in_channels
        Channels of the input.
    side_px
        Side of the input, a multiple of 8; 32 in CIFAR-10.
    dropout
        Share of the hidden neurons that is silenced in training.

    Examples
    --------
    >>> CifarNet(2)(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 2])
    """

    def __init__(self, n_classes: int = 10, *, in_channels: int = 3, side_px: int = 32, dropout: float = 0.5) -> None:
        super().__init__()
        if side_px < 8 or side_px % 8:
            raise CourseError(f"side_px must be a multiple of 8, got {side_px}")
        self.features = nn.Sequential(
            *(nn.Conv2d(in_channels, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
            *(nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
        )
        self.hidden = nn.Linear(64 * (side_px // 8) ** 2, 64)
        self.dropout = nn.Dropout(dropout)
        self.to_logits = nn.Linear(64, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures (B, C, side, side) to raw logits (B, n_classes)."""
        maps = self.features(x)  # (B, 64, side / 8, side / 8)
        logits: Tensor = self.to_logits(self.dropout(torch.relu(self.hidden(maps.flatten(1)))))
        return logits


def load_imagenet(net: Net, file: str | Path | None = None) -> Net:
    """Give AlexNet or GoogLeNet the weights that were learnt on ImageNet; downloads them where they are not yet.

    Parameters
    ----------
    net
        With the 1000 classes of ImageNet and three channels.
    file
        A file of weights (.pth) that is here already; None to download it into the course's cache, where its name says
        how its SHA-256 begins.

    Returns
    -------
    The same network, in evaluation mode. Pictures are to be normalised with `MEAN` and `SD`; GoogLeNet's
    `transform_input` is switched on.

    Raises
    ------
    CourseError
        There is no network, no such file, no weights in it, or they are of another network.
    """
    path = _download(type(net).__name__) if file is None else Path(file)
    if not path.is_file():
        raise CourseError(f"expected a file of weights, found none at {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CourseError(f"{path} holds no weights that can be read safely: download it again") from error
    if not isinstance(state, Mapping):
        raise CourseError(f"{path} must hold a dictionary of weights, got {type(state).__name__}")
    _fill(net, {k: v for k, v in state.items() if not k.startswith("aux")}, path)
    if isinstance(net, GoogLeNet):
        net.transform_input = True
    return net.eval()


def _fill(net: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load weights if names and shapes are those of the network, and say where they differ."""
    own = net.state_dict()
    # How many batches a normalisation has seen plays no part, and older files leave it out.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    foreign = [name for name in state if name not in own]
    if missing or foreign:
        raise CourseError(
            f"{path.name} is not of {type(net).__name__}: {len(missing)} weights are missing and {len(foreign)} too "
            f"many, the first is {(missing + foreign)[0]}"
        )
    for name, value in state.items():
        if value.shape != own[name].shape:
            raise CourseError(
                f"{name} must be {tuple(own[name].shape)}, {path.name} has {tuple(value.shape)}: load into a network "
                "with 1000 classes and three channels, then adapt it"
            )
    net.load_state_dict({**own, **state})


def _download(name: str) -> Path:
    import pooch  # noqa: PLC0415
    import requests  # noqa: PLC0415

    from medcourse.datasets.download import data_folder  # noqa: PLC0415

    if name not in URLS:
        raise CourseError(f"there are weights of {' and '.join(URLS)}, not of {name}")
    url = URLS[name]
    place = data_folder() / "imagenet" / url.rsplit("/", 1)[1]
    prefix = place.stem.rsplit("-", 1)[1]
    if place.is_file() and pooch.file_hash(str(place)).startswith(prefix):
        return place
    part = place.with_suffix(".part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        pooch.HTTPDownloader(progressbar=True, timeout=30)(url, str(part), None)
        if not pooch.file_hash(str(part)).startswith(prefix):
            raise CourseError(f"what {url} sent is not the file it should be: try again later")
        part.replace(place)
    except requests.RequestException as error:
        raise CourseError(
            f"could not download the weights of {name} ({type(error).__name__}): is there a network? Else get {url} "
            "elsewhere and name the file: load_imagenet(net, file)"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return place
