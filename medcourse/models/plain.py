"""A plain convolutional network for 2D, 2.5D and 3D input, made from a list of its layers, and an auto-encoder."""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from medcourse.errors import CourseError

Input = Literal["2D", "2.5D", "3D"]
INPUTS: tuple[Input, ...] = ("2D", "2.5D", "3D")


class Layer(TypedDict, total=False):
    """One layer as plain data: "conv" and "pool" have a kernel and a stride, "mean" and "linear" have not.

    `inputs` and `outputs` are channels (of "conv") or features (of "linear"); `kernel`, `stride` and `padding` are the
    same along all axes, in voxels of the layer's input.
    """

    kind: Literal["conv", "pool", "mean", "linear"]
    inputs: int
    outputs: int
    kernel: int
    stride: int
    padding: int


def plain_layers(
    in_channels: int = 1, n_classes: int = 2, *, width: int = 8, depth: int = 3, kernel: int = 3
) -> list[Layer]:
    """Return the layers of a plain network: `depth` times a convolution and a pooling, then mean and linear layer.

    Parameters
    ----------
    in_channels, n_classes
        Channels of the input, and logits.
    width
        Feature maps of the first convolution; each further one has twice as many.
    depth
        Number of convolutions, each followed by a pooling.
    kernel
        Side of a kernel in voxels, odd, so that padding keeps the size.

    Raises
    ------
    CourseError
        `kernel` is even, or a number is below 1.

    Examples
    --------
    >>> [layer["kind"] for layer in plain_layers(depth=1)]
    ['conv', 'pool', 'mean', 'linear']
    """
    if min(in_channels, n_classes, width, depth, kernel) < 1 or kernel % 2 == 0:
        raise CourseError(
            f"expected an odd kernel and all of them at least 1, got {kernel=}, {width=}, {depth=}, {in_channels=}"
        )
    layers: list[Layer] = []
    before = in_channels
    for level in range(depth):
        after = width * 2**level
        layers += [
            {"kind": "conv", "inputs": before, "outputs": after, "kernel": kernel, "stride": 1, "padding": kernel // 2},
            {"kind": "pool", "kernel": 2, "stride": 2},
        ]
        before = after
    return [*layers, {"kind": "mean"}, {"kind": "linear", "inputs": before, "outputs": n_classes}]


class PlainCNN(nn.Module):
    """The plainest network that deserves the name deep: convolution, ReLU, pooling, again and again.

    Parameters
    ----------
    dims
        2 for images (2D, or 2.5D with three channels), 3 for volumes.
    in_channels, n_classes, width, depth, kernel
        As in `plain_layers`.
    batch_norm
        Normalise each map over the batch, between convolution and ReLU.
    dropout
        Share of the features that are set to zero in training, before the last layer, in [0, 1).

    Examples
    --------
    >>> import torch
    >>> PlainCNN(3)(torch.zeros(2, 1, 16, 16, 16)).shape
    torch.Size([2, 2])
    """

    def __init__(
        self,
        dims: int,
        in_channels: int = 1,
        n_classes: int = 2,
        *,
        width: int = 8,
        depth: int = 3,
        kernel: int = 3,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dims not in (2, 3):
            raise CourseError(f"dims must be 2 or 3, got {dims}; 2.5D is dims=2 with in_channels=3")
        self.dims = dims
        self.layers = plain_layers(in_channels, n_classes, width=width, depth=depth, kernel=kernel)
        conv, norm, pool = (
            (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d) if dims == 2 else (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d)
        )
        modules: list[nn.Module] = []
        for layer in self.layers:
            if layer["kind"] == "conv":
                modules.append(conv(layer["inputs"], layer["outputs"], layer["kernel"], padding=layer["padding"]))
                modules += [norm(layer["outputs"])] if batch_norm else []
                modules.append(nn.ReLU(inplace=True))
            elif layer["kind"] == "pool":
                modules.append(pool(layer["kernel"]))
        self.features = nn.Sequential(*modules)
        self.drop = nn.Dropout(dropout)
        self.to_logits = nn.Linear(self.layers[-1]["inputs"], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), or (B, C, D, H, W) for dims=3, to raw logits (B, K); each side at least 2**depth."""
        maps = self.features(x)  # (B, width * 2**(depth - 1), H', W')
        logits: Tensor = self.to_logits(self.drop(maps.flatten(2).mean(2)))
        return logits


class AutoEncoder(nn.Module):
    """A small convolutional auto-encoder of images: two strided convolutions, a code, and the way back.

    Parameters
    ----------
    in_channels
        Channels of the image.
    side
        Its height and width in pixels, a multiple of 4.
    code
        Numbers that an image is squeezed into.
    width
        Feature maps of the first layer; the second has twice as many.
    """

    def __init__(self, in_channels: int, side: int, code: int, width: int = 8) -> None:
        super().__init__()
        if side % 4:
            raise CourseError(f"side must be a multiple of 4 pixels, got {side}: crop or pad the images")
        coarse, maps = side // 4, 2 * width
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, maps, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(maps * coarse**2, code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, maps * coarse**2),
            nn.ReLU(),
            nn.Unflatten(1, (maps, coarse, coarse)),
            nn.ConvTranspose2d(maps, width, 2, stride=2),
            nn.ReLU(),
            nn.ConvTranspose2d(width, in_channels, 2, stride=2),
        )

    def encode(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to codes (B, code)."""
        code: Tensor = self.encoder(x)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Map codes (B, code) to images (B, C, H, W)."""
        image: Tensor = self.decoder(code)
        return image

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to its reconstruction of the same shape."""
        return self.decode(self.encode(x))


def as_input(volumes: NDArray[Any] | Sequence[Any], kind: Input) -> NDArray[np.float32]:
    """Return volumes as what a 2D, 2.5D or 3D network takes.

    Parameters
    ----------
    volumes
        (N, Z, Y, X).
    kind
        "2D": the middle axial slice. "2.5D": the middle axial, coronal and sagittal slices as three channels, for
        which the volumes must be cubes. "3D": all.

    Returns
    -------
    (N, 1, Y, X), (N, 3, Y, X) or (N, 1, Z, Y, X) float32.

    Raises
    ------
    CourseError
        The kind is unknown, the shape is another, or 2.5D is asked of what is no cube.

    Examples
    --------
    >>> as_input(np.zeros((4, 8, 8, 8)), "2.5D").shape
    (4, 3, 8, 8)
    """
    array = np.asarray(volumes, dtype=np.float32)
    if array.ndim != 4:
        raise CourseError(f"volumes must have shape (N, Z, Y, X), got {array.shape}")
    _, z, y, x = array.shape
    if kind == "2D":
        return np.ascontiguousarray(array[:, None, z // 2])  # a view would keep the whole volumes in memory
    if kind == "2.5D":
        if not z == y == x:
            raise CourseError(f"2.5D needs cubes, got {(z, y, x)} voxels: resample them to one spacing and crop")
        return np.stack([array[:, z // 2], array[:, :, y // 2], array[:, :, :, x // 2]], axis=1)
    if kind == "3D":
        return array[:, None]
    raise CourseError(f"kind must be one of {', '.join(INPUTS)}, got {kind!r}")


def network_for(kind: Input, **options: Any) -> PlainCNN:
    """Return the plain network that takes what `as_input` makes; `options` go to `PlainCNN`.

    Examples
    --------
    >>> import torch
    >>> network_for("2.5D")(torch.as_tensor(as_input(np.zeros((4, 8, 8, 8)), "2.5D"))).shape
    torch.Size([4, 2])
    """
    if kind not in INPUTS:
        raise CourseError(f"kind must be one of {', '.join(INPUTS)}, got {kind!r}")
    return PlainCNN(3 if kind == "3D" else 2, 3 if kind == "2.5D" else 1, **options)
