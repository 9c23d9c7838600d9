"""Networks drawn from their numbers, so that the picture cannot disagree with the code."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from medcourse.errors import CourseError
from medcourse.plots.figures import finish, start

_MAPS = "#9ecae1"  # feature maps
_SKIP = "#fdd0a2"  # feature maps that were cut out and put beside
_WIDTH, _STEP, _DROP = 0.12, 0.55, 1.0  # of a box, from box to box, from level to level
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
    ax = start(ax, width_inches=10.0, proportion=(1.1 * (depth + 1) + 0.8) / 10)
    x = 0.0
    handed: list[tuple[float, float]] = []  # the right edge of the last box of each level on the way down
    for level, sides in enumerate(down):
        y, channels = -level * _DROP, base * 2**level
        first = in_channels if level == 0 else channels // 2
        if level:
            _arrow(ax, (x + _WIDTH / 2, y + _DROP - 0.42), (x + _WIDTH / 2, y + 0.36), "pool")
        x = _row(ax, x, y, [first, channels, channels], sides, full=side)
        handed.append((x + _WIDTH, y))
    for level, sides in zip(reversed(range(depth)), up, strict=True):
        y, channels = -level * _DROP, base * 2**level
        _arrow(ax, (x + _WIDTH / 2, y - _DROP + 0.36), (x + _WIDTH / 2, y - 0.42), "up")
        _arrow(ax, handed[level], (x - _WIDTH, y), "crop")
        _box(ax, x - _WIDTH, y, sides[0] / side, colour=_SKIP)
        x = _row(ax, x, y, [2 * channels, channels, channels], sides, full=side)
    out = up[-1][-1] if depth else down[0][-1]
    _arrow(ax, (x + _WIDTH, 0.0), (x + _STEP, 0.0), "convolve")
    x += _STEP
    _box(ax, x, 0.0, out / side, channels=n_classes, pixels=out)
    _legend(ax)
    ax.set_xlim(-0.5, x + 0.6)
    ax.set_ylim(-depth * _DROP - 0.75, 0.6)
    ax.set_axis_off()
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
            raise CourseError(
                f"a side of {side} does not fit {depth} poolings: level {level} would get {pixels} pixels"
            )
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


def _row(ax: Axes, x: float, y: float, channels: list[int], sides: list[int], *, full: int) -> float:
    """Draw the maps of one level from `x` on, with a convolution between neighbours; return the last one's place."""
    for i, (c, pixels) in enumerate(zip(channels, sides, strict=True)):
        if i:
            _arrow(ax, (x + _WIDTH, y), (x + _STEP, y), "convolve")
            x += _STEP
        _box(ax, x, y, pixels / full, channels=c, pixels=pixels)
    return x


def _box(
    ax: Axes, x: float, y: float, share: float, *, colour: str = _MAPS, channels: int = 0, pixels: int = 0
) -> None:
    """Draw feature maps as a box as high as their `share` of the input's side, with the two numbers if given."""
    height = 0.12 + 0.42 * share
    ax.add_patch(Rectangle((x, y - height / 2), _WIDTH, height, facecolor=colour, edgecolor="black", linewidth=0.8))
    if channels:
        ax.text(x + _WIDTH / 2, y + height / 2 + 0.03, f"{channels}", ha="center", va="bottom", fontsize=8)
        ax.text(x + _WIDTH / 2, y - height / 2 - 0.03, f"{pixels}²", ha="center", va="top", fontsize=7, color="0.3")


def _arrow(ax: Axes, tail: tuple[float, float], head: tuple[float, float], kind: str) -> None:
    ax.add_patch(FancyArrowPatch(tail, head, arrowstyle="-|>", mutation_scale=9, color=_ARROWS[kind], linewidth=1.2))


def _legend(ax: Axes) -> None:
    said = {
        "convolve": "3 x 3 convolution and ReLU (the last: 1 x 1)",
        "pool": "2 x 2 maximum pooling",
        "up": "2 x 2 up-convolution",
        "crop": "crop and concatenate",
    }
    handles = [ax.plot([], [], color=_ARROWS[kind], label=text)[0] for kind, text in said.items()]
    ax.legend(handles=handles, loc="lower left", fontsize=8, frameon=False)
