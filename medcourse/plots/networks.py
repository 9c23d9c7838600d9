"""Networks drawn from their numbers, so that the picture cannot disagree with the code."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start

_MAPS = "#9ecae1"  # feature maps
_SKIP = "#fdd0a2"  # feature maps that were cut out and put beside
_ARROWS = {"convolve": "#1f77b4", "pool": "#d62728", "up": "#2ca02c", "crop": "#7f7f7f"}


def draw_unet(
    side: int, *, base: int = 64, depth: int = 4, in_channels: int = 1, n_classes: int = 2, ax: Axes | None = None
) -> Figure:
    """Draw an unpadded U-Net as figure 1 of Ronneberger et al. 2015 does: maps above each box, side in pixels below.

    Parameters
    ----------
    side : int
        Side of the input in pixels.
    base, depth, in_channels, n_classes : int
        As for `medcourse.models.UNet`.
    ax : Axes, optional

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        A pooling would meet an odd side, or nothing would be left.

    Examples
    --------
    >>> draw_unet(572).get_label()[:61]
    'U-Net with 4 poolings: 572 x 572 pixels in, 388 x 388 out, 64'
    """
    down, up = unet_sides(side, depth)
    ax = start(ax, width_inches=10, height_inches=1.1 * (depth + 1) + 0.8)
    width, gap, drop = 0.5, 0.55, 1.0
    x = 0.0
    ends = []  # where the boxes that are handed across end
    for level, sides in enumerate(down):
        channels = base * 2**level
        before = in_channels if level == 0 else channels // 2
        y = -level * drop
        for i, pixels in enumerate(sides):
            _box(ax, x, y, pixels / side, before if i == 0 else channels, pixels)
            if i:
                _arrow(ax, (x - gap + 0.12, y), (x - 0.04, y), "convolve")
            x += width + gap - 0.5
        ends.append((x - gap + 0.12, y))
        if level < depth:
            x -= gap
            _arrow(ax, (x + 0.06, y - 0.32), (x + 0.06, y - drop + 0.32), "pool")
    for level, sides in zip(reversed(range(depth)), up, strict=True):
        channels, y = base * 2**level, -level * drop
        x -= gap
        _arrow(ax, (x + 0.06, y - drop + 0.32), (x + 0.06, y - 0.32), "up")
        x_end, _ = ends[level]
        _arrow(ax, (x_end, y), (x - 0.16, y), "crop")
        for i, pixels in enumerate(sides):
            _box(ax, x, y, pixels / side, 2 * channels if i == 0 else channels, pixels, half=i == 0)
            if i:
                _arrow(ax, (x - gap + 0.12, y), (x - 0.04, y), "convolve")
            x += gap
    _box(ax, x, 0.0, up[-1][-1] / side if depth else down[0][-1] / side, n_classes, up[-1][-1] if depth else down[0][-1])
    _arrow(ax, (x - gap + 0.12, 0.0), (x - 0.04, 0.0), "convolve")
    _legend(ax, depth * drop)
    ax.set_xlim(-0.5, x + 0.6)
    ax.set_ylim(-depth * drop - 0.75, 0.6)
    ax.set_axis_off()
    out = up[-1][-1] if depth else down[0][-1]
    return finish(
        ax,
        f"U-Net with {depth} poolings: {side} x {side} pixels in, {out} x {out} out, {base} feature maps on the first "
        f"level and {base * 2**depth} at the bottom; each level on the way down is cropped and handed across.",
    )


def unet_sides(side: int, depth: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return the sides of all feature maps of an unpadded U-Net: three a level, on the way down and on the way up."""
    down, up, pixels = [], [], side
    for level in range(depth + 1):
        if pixels <= 4 or (level < depth and pixels % 2):
            raise CourseError(f"a side of {side} does not fit {depth} poolings: level {level} would get {pixels} pixels")
        down.append([pixels, pixels - 2, pixels - 4])
        pixels = (pixels - 4) // 2
    pixels = down[-1][-1]
    for _ in range(depth):
        pixels = 2 * pixels
        up.append([pixels, pixels - 2, pixels - 4])
        pixels -= 4
        if pixels <= 0:
            raise CourseError(f"a side of {side} does not fit {depth} poolings: nothing is left on the way up")
    return down, up


def _box(ax: Axes, x: float, y: float, height: float, channels: int, pixels: int, *, half: bool = False) -> None:
    tall = 0.12 + 0.42 * height
    ax.add_patch(Rectangle((x, y - tall / 2), 0.12, tall, facecolor=_MAPS, edgecolor="black", linewidth=0.8))
    if half:
        ax.add_patch(Rectangle((x - 0.12, y - tall / 2), 0.12, tall, facecolor=_SKIP, edgecolor="black", linewidth=0.8))
    ax.text(x + 0.06, y + tall / 2 + 0.03, f"{channels}", ha="center", va="bottom", fontsize=8)
    ax.text(x + 0.06, y - tall / 2 - 0.03, f"{pixels}²", ha="center", va="top", fontsize=7, color="0.3")


def _arrow(ax: Axes, tail: tuple[float, float], head: tuple[float, float], kind: str) -> None:
    ax.add_patch(FancyArrowPatch(tail, head, arrowstyle="-|>", mutation_scale=9, color=_ARROWS[kind], linewidth=1.2))


def _legend(ax: Axes, bottom: float) -> None:
    said = {
        "convolve": "3 x 3 convolution and ReLU (the last: 1 x 1)",
        "pool": "2 x 2 maximum pooling",
        "up": "2 x 2 up-convolution",
        "crop": "crop and concatenate",
    }
    handles = [ax.plot([], [], color=_ARROWS[kind], label=text)[0] for kind, text in said.items()]
    ax.legend(handles=handles, loc="lower left", fontsize=8, frameon=False)
