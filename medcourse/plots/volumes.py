"""Volumes: slices on a page, and viewers to turn and scroll.

Axes are (Z, Y, X) and spacing is (z, y, x) in millimetres, as in a stack of DICOM slices: z runs from the feet to the
head, y from the front to the back, x from the patient's right to the left. A slice then looks on screen as a
radiologist expects it, and the affine that goes into NIfTI, whose x and y run the other way, is diag(-x, -y, z).

Three viewers, because none serves everywhere:

niivue
    Runs offline in JupyterLab and on JupyterHub, with no request to any other host.
slider
    ipywidgets and our own drawing: wherever there are widgets.
itkwidgets
    ITK's own renderer, `pip install "medcourse[itk]"`. It loads itself from the internet into the browser, and holds
    back every later cell of the notebook until it has. So it is used only when asked for, and watched: see `_watch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medcourse.errors import CourseError
from medcourse.plots.demos import play
from medcourse.plots.detections import as_shells, in_words, through
from medcourse.plots.figures import Live, describe
from medcourse.plots.images import Limits
from medcourse.plots.nifti import to_nifti
from medcourse.plots.scenes import PLANES, Scene, Spacing, as_scene
from medcourse.plots.twins import wanted
from medcourse.plots.volume_twins import draw_volume_twin

BACKENDS = ("auto", "niivue", "slider", "static", "itkwidgets")
_STILLS = 4

WATCHDOG_S = 6.0  # itkwidgets needs about 3 s where it reaches the internet


def show_slices(
    volume: Any,
    labels: Any = None,
    *,
    spacing_mm: Spacing = (1.0, 1.0, 1.0),
    n: int = _STILLS,
    at_mm: Sequence[float] | None = None,
    detections: Mapping[str, Any] | None = None,
    plane: str = "axial",
    limits: Limits | None = None,
    panel_inches: float = 1.9,
    alt: str | None = None,
) -> Figure:
    """Show slices of a volume, evenly spaced or where you want them, side by side and in their true proportions.

    Parameters
    ----------
    volume : array or tensor, shape (Z, Y, X)
    labels : array or tensor of whole numbers, shape (Z, Y, X), optional
        Objects to outline; 0 is background.
    spacing_mm : (float, float, float)
        Size of a voxel along (z, y, x) in millimetres.
    n : int
        Number of slices, at most all of them.
    at_mm : sequence of float, optional
        Show the slices nearest to these places instead, in millimetres from the first slice.
    detections : mapping of kind to rows (z, y, x, radius), optional
        Balls in millimetres from the middle of the first voxel. A kind has its own shape and colour: "hit" is a circle,
        "missed" a dashed circle, "false positive" a square, "candidate" a diamond. Each is drawn in the slices that it
        reaches.
    plane : {"axial", "coronal", "sagittal"}
        Slices across z, y or x.
    limits : (float, float), optional
        Values shown black and white; the range of the whole volume if not given.
    panel_inches : float
        Width of a slice.
    alt : str, optional

    Returns
    -------
    Figure
        Each slice says where it lies, in millimetres from the first.

    Raises
    ------
    CourseError
        The volume is not (Z, Y, X), labels do not match it, a spacing is not positive, the plane or a kind of detection
        is unknown, or a place lies outside.

    Examples
    --------
    >>> import numpy as np
    >>> show_slices(np.zeros((8, 4, 4)), spacing_mm=(2, 1, 1), n=2).get_label()
    '2 axial slices, 4 to 12 mm, of a volume of 8 by 4 by 4 voxels (z, y, x).'
    """
    scene = as_scene(volume, labels, spacing_mm, limits, plane, detections=detections)
    places = scene.places(n, at_mm)
    columns = min(len(places), 4)  # more would be shrunk on a page
    figure, axes = scene.panels(-(-len(places) // columns), columns, panel_inches)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, place in zip(axes.flat, places, strict=False):
        scene.draw(ax, place, scale_bar=place == places[0])
    size = " by ".join(map(str, scene.voxels.shape))
    objects = "" if scene.marks is None else f", {scene.marks.max()} objects outlined"
    if scene.detections:
        objects += f", marked: {in_words(scene.detections)}"
    where = f"{places[0] * scene.step_mm:g} to {places[-1] * scene.step_mm:g} mm"
    return describe(
        figure,
        alt or f"{len(places)} {plane} slices, {where}, of a volume of {size} voxels (z, y, x){objects}.",
    )


def view_volume(
    volume: Any,
    labels: Any = None,
    *,
    spacing_mm: Spacing = (1.0, 1.0, 1.0),
    detections: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    plane: str | None = None,
    backend: str = "auto",
    alt: str | None = None,
) -> Live:
    """Look through a volume: a viewer for readers with a kernel, slices for readers without.

    Parameters
    ----------
    volume : array or tensor, shape (Z, Y, X)
    labels : array or tensor of whole numbers, shape (Z, Y, X), optional
        Objects to lay over it in colours; 0 is background.
    spacing_mm : (float, float, float)
        Size of a voxel along (z, y, x) in millimetres.
    detections : mapping of kind to rows (z, y, x, radius), optional
        As in `show_slices`. The slider draws them as it does; niivue and ITK show hollow balls, boxes and octahedra.
    limits : (float, float), optional
        Values shown black and white, such as a Hounsfield window; the range of the volume if not given.
    plane : {"axial", "coronal", "sagittal"}, optional
        Show this plane only, which is faster; niivue else shows all three and the volume itself, the others the
        axial one.
    backend : {"auto", "niivue", "slider", "static", "itkwidgets"}
        "auto" is niivue where it is installed, else the slider. "static" shows slices and no widget. "itkwidgets"
        needs a browser that reaches the internet, and gives way to "auto", saying so, where there is none.
    alt : str, optional
        Description of the slices.

    Returns
    -------
    Live
        Leave it as the last line of a cell. `.still` is the Figure of slices.

    Raises
    ------
    CourseError
        The backend is unknown or not installed, or what `show_slices` raises.

    Examples
    --------
    >>> import numpy as np
    >>> view_volume(np.zeros((8, 4, 4)), backend="slider").widget.children[0].max
    7
    """
    if backend not in BACKENDS:
        raise CourseError(f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
    at_mm = through(detections, PLANES.get(plane or "axial", 0))
    still = show_slices(
        volume,
        labels,
        spacing_mm=spacing_mm,
        at_mm=at_mm,
        detections=detections,
        plane=plane or "axial",
        limits=limits,
        alt=alt,
    )
    scene = as_scene(volume, labels, spacing_mm, limits, plane, detections=detections)
    twin = draw_volume_twin(scene, scene.places(_STILLS, at_mm).tolist(), str(still.get_label())) if wanted() else None
    if backend == "static":
        return Live(None, still, twin)
    return Live(_itkwidgets(scene) if backend == "itkwidgets" else _widget(scene, backend), still, twin)


def _widget(scene: Scene, backend: str) -> Any:
    if backend == "niivue":
        _require("niivue", "ipyniivue", command="pip install ipyniivue")
    niivue = backend == "niivue" or (backend == "auto" and find_spec("ipyniivue"))
    return _niivue(scene) if niivue else _slider(scene)


def _require(backend: str, *packages: str, command: str) -> None:
    if missing := [package for package in packages if not find_spec(package)]:
        raise CourseError(
            f"backend {backend!r} needs {' and '.join(missing)}, not installed here: run `{command}` "
            'or use backend="auto"'
        )


def _slider(scene: Scene) -> Any:
    def draw(slice: int) -> Figure:  # noqa: A002  (the word that the reader sees beside the slider)
        return scene.draw(scene.panels(1, 1, 4.0)[1][0, 0], slice)

    return play(draw, slice=(0, scene.depth - 1, scene.opening))


def _niivue(scene: Scene) -> Any:
    import ipywidgets  # noqa: PLC0415
    from ipyniivue import NiiVue, SliceType, Volume  # noqa: PLC0415  (half a second)

    viewer = NiiVue(
        height=400,
        slice_type=SliceType[scene.plane.upper() if scene.plane else "MULTIPLANAR"],
        # The patient's right on the left of the screen, as in the slices that we draw ourselves.
        is_radiological_convention=True,
        is_nearest_interpolation=True,
        # The default is one voxel wide, which hides small things.
        crosshair_width=0.8,
        crosshair_width_unit="percent",
    )
    low, high = scene.limits
    layers = [
        Volume(
            name="volume.nii",
            data=to_nifti(scene.voxels, scene.spacing_mm).to_bytes(),
            colormap="gray",
            cal_min=low,
            cal_max=high,
            colorbar_visible=False,
        )
    ]
    if scene.marks is not None and scene.colours is not None:
        layer = Volume(name="labels.nii", data=to_nifti(scene.marks, scene.spacing_mm).to_bytes(), opacity=0.5)
        layer.set_colormap_label(_lookup(scene.colours))
        layers.append(layer)
    if scene.detections:
        shells, colours = as_shells(scene.detections, scene.voxels.shape, scene.spacing_mm)
        layer = Volume(name="detections.nii", data=to_nifti(shells, scene.spacing_mm).to_bytes(), opacity=0.9)
        layer.set_colormap_label(_lookup(colours))
        layers.append(layer)
    viewer.load_volumes(layers)
    # A box of ipywidgets' own shows itself in the same way whatever it holds.
    return ipywidgets.VBox([viewer])


def _lookup(colours: np.ndarray) -> dict[str, Any]:
    """Return niivue's table of colours (n + 1, 3) for the labels 0 (clear) to n."""
    red, green, blue = np.rint(255 * colours.T).astype(int).tolist()
    n = len(colours)
    return {"R": red, "G": green, "B": blue, "A": [0, *[255] * (n - 1)], "I": list(range(n)), "labels": [""] * n}


def _itkwidgets(scene: Scene) -> Any:
    """Open ITK's viewer in this cell, and return a box that stays empty unless `_watch` has to fill it."""
    import ipywidgets  # noqa: PLC0415

    packages = ("itkwidgets", "imjoy_jupyterlab_extension", "imjoy_elfinder")  # it fails to import without its friends
    _require("itkwidgets", *packages, command='pip install "medcourse[itk]"')

    def instead(reason: str) -> list[Any]:
        said = ipywidgets.HTML(f"itkwidgets {reason}: this is another viewer.")
        return [said, _widget(scene, "auto")]

    if not _has_browser():
        return ipywidgets.VBox(instead("needs a browser"))
    # Not before now: the import alone replaces how the kernel takes in cells.
    import itkwidgets  # noqa: PLC0415
    import ngff_zarr  # noqa: PLC0415

    scale = dict(zip("zyx", scene.spacing_mm, strict=True))
    layers = {"image": ngff_zarr.to_ngff_image(scene.voxels, dims=("z", "y", "x"), scale=scale)}
    if scene.marks is not None or scene.detections:
        marks = np.zeros(scene.voxels.shape, np.uint16) if scene.marks is None else scene.marks.astype(np.uint16)
        shells = as_shells(scene.detections, marks.shape, scene.spacing_mm)[0]
        marks = np.where(shells > 0, shells + marks.max(), marks)
        layers["label_image"] = ngff_zarr.to_ngff_image(marks, dims=("z", "y", "x"), scale=scale)
    mode = {"view_mode": f"{'ZYX'[scene.axis]}Plane"} if scene.plane else {}
    viewer = itkwidgets.view(**layers, vmin=scene.limits[0], vmax=scene.limits[1], **mode)
    box = ipywidgets.VBox([])
    task = asyncio.get_running_loop().create_task(_watch(viewer, box, instead))
    _tasks.add(task)  # the loop keeps weak references only
    task.add_done_callback(_tasks.discard)
    return box


_tasks: set[asyncio.Task[None]] = set()


async def _watch(viewer: Any, box: Any, instead: Callable[[str], list[Any]]) -> None:
    """Let the notebook go on if itkwidgets has not come up after `WATCHDOG_S`.

    Its CellWatcher holds back every later cell until the browser has loaded the viewer from a CDN, for ever where that
    cannot be reached, and it has no time limit nor a public way to stop it. So its own record of the viewer is set to
    ready, as the viewer would have done. This is a private interface: `medcourse[itk]` pins the version.
    """
    await asyncio.sleep(WATCHDOG_S)
    if not viewer.has_viewer:
        from itkwidgets.viewer import _cell_watcher  # noqa: PLC0415

        _cell_watcher.update_viewer_status(viewer.name, True)
        box.children = instead("could not load its viewer from the internet")


def _has_browser() -> bool:
    """Tell whether the cell that runs was sent by JupyterLab or Notebook, which leave the user's name empty.

    nbclient, nbconvert and our grader sign with the name of the operating system's user.
    """
    from IPython import get_ipython  # noqa: PLC0415

    shell = get_ipython()
    return shell is not None and shell.parent_header.get("header", {}).get("username") == ""
