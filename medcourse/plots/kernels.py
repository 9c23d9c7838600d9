"""The kernels that a convolution has learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.figures import figure_of, finish, start
from medcourse.plots.images import as_array


def show_kernels(weight: Any, title: str = "", *, ax: Axes | None = None, alt: str | None = None) -> Figure:
    """Show the kernels of a convolution, zero in white, all on one scale.

    Parameters
    ----------
    weight : array or tensor, shape (C_out, C_in, k, k)
        Such as `network.first.weight`. With one input channel the kernels fill a square, read line by line; with more,
        each row holds the kernels of one output channel.
    title : str
    ax : Axes, optional
    alt : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    CourseError
        The weight is not (C_out, C_in, k, k).

    Examples
    --------
    >>> import numpy as np
    >>> show_kernels(np.ones((6, 1, 3, 3))).get_label()
    'Kernels: 6 output by 1 input channels of 3 by 3 weights, -1 to 1 from blue through white to red.'
    """
    kernels = as_array(weight)
    if kernels.ndim != 4 or not kernels.size:
        raise CourseError(f"weight must have shape (C_out, C_in, k, k), got {kernels.shape}")
    n_out, n_in, height, width = kernels.shape
    columns = n_in if n_in > 1 else int(np.ceil(np.sqrt(n_out)))
    tiles = kernels.reshape(-1, height, width)
    rows = -(-len(tiles) // columns)
    # One picture with a gap of one pixel between kernels: hundreds of axes would take seconds to lay out.
    mosaic = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, tile in enumerate(tiles):
        y, x = i // columns * (height + 1), i % columns * (width + 1)
        mosaic[y : y + height, x : x + width] = tile
    bound = float(np.abs(kernels).max()) or 1.0
    ax = start(ax, width_inches=4.6, proportion=0.85 * mosaic.shape[0] / mosaic.shape[1])
    ax.set_axis_off()
    ax.set_title(title, loc="left")
    colours = colormaps["RdBu_r"].with_extremes(bad="0.75")
    drawn = ax.imshow(mosaic, cmap=colours, vmin=-bound, vmax=bound, interpolation="nearest")
    figure_of(ax).colorbar(drawn, ax=ax, label="weight", shrink=0.85)
    return finish(
        ax,
        alt
        or f"{title or 'Kernels'}: {n_out} output by {n_in} input channels of {height} by {width} weights, "
        f"{-bound:.3g} to {bound:.3g} from blue through white to red.",
    )
