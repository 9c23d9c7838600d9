"""What a machine offers the course: found, odd, or missing."""

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medcourse.errors import CourseError
from medcourse.paths import course_root

# What a unit needs at most; the rest is the operating system's and the browser's.
MEMORY_GB = 4
DISK_GB = 2
INSTALL = "run `make lab`, or `pip install -c constraints.txt -e .`"


@dataclass(frozen=True)
class Finding:
    """One thing looked at. A note is worth knowing, with a problem the course does not run."""

    name: str
    state: Literal["ok", "note", "problem"]
    detail: str

    def __str__(self) -> str:
        """Return one line: state, name, detail."""
        return f"{self.state:8} {self.name:12} {self.detail}"


def examine(workspace: Path) -> list[Finding]:
    """Look at everything that the course needs of a machine.

    Parameters
    ----------
    workspace : Path
        Folder that must be writable, or that can be made.
    """
    return [
        _python(),
        *_packages(),
        _device(),
        *_resources(workspace),
        _kernel(),
        *_commands(),
        *_widgets(),
        _sandbox(),
        _hub(),
        _writable(workspace),
    ]


def _python() -> Finding:
    # pip has compared it with requires-python already.
    return Finding("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what the package asks for, and with the versions tested together."""
    from packaging.requirements import Requirement  # noqa: PLC0415

    requirements = [Requirement(text) for text in importlib.metadata.requires("medcourse") or []]
    needed = [each for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]
    tested = _tested()
    odd = False
    for requirement in needed:
        name, wanted = requirement.name, tested.get(requirement.name)
        version = _version(name)
        if version is None or version not in requirement.specifier:
            yield Finding(name, "problem", f"{version or 'none'} installed, needs {requirement.specifier}: {INSTALL}")
        elif wanted and version.split("+")[0] != wanted:
            yield Finding(name, "note", f"{version} installed, tested with {wanted}")
        else:
            continue
        odd = True
    if not odd:
        against = "as in constraints.txt" if tested else "no constraints.txt here to compare them with"
        yield Finding("packages", "ok", f"{len(needed)} needed and installed, {against}")


def _tested() -> dict[str, str]:
    """Return the version tested, by the name of the package; nothing outside a checkout."""
    try:
        lines = (course_root() / "constraints.txt").read_text().splitlines()
    except (CourseError, OSError):
        return {}
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> Finding:
    try:
        import torch  # noqa: PLC0415

        from medcourse.device import pick_device  # noqa: PLC0415
    except ImportError as error:
        return Finding("device", "problem", f"torch cannot be imported ({error}): {INSTALL}")
    device = pick_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return Finding("device", "ok", f"{device.type} ({name})")


def _resources(workspace: Path) -> Iterator[Finding]:
    yield Finding("cores", "ok", str(os.cpu_count()))
    folder = _nearest(workspace)
    amounts = [("disk", DISK_GB, f"free at {folder}", shutil.disk_usage(folder).free)]
    if hasattr(os, "sysconf"):
        amounts.append(("memory", MEMORY_GB, "in all", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    for name, least, where, n_bytes in amounts:
        gb = n_bytes / 1e9
        yield Finding(name, "note" if gb < least else "ok", f"{gb:.1f} GB {where} (the course needs {least})")


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the nearest one above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _kernel() -> Finding:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel  # noqa: PLC0415

    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return Finding("kernel", "problem", f"no kernel `python3`: {INSTALL}")
    if Path(python).name == python or Path(python).parent == Path(sys.executable).parent:
        return Finding("kernel", "ok", "`python3` is this Python")
    return Finding("kernel", "problem", f"`python3` is {python}, not {sys.executable}: {INSTALL}")


def _commands() -> Iterator[Finding]:
    # nbgrader starts alembic by its bare name, so beside this Python is not enough.
    for name in ("nbgrader", "alembic"):
        if found := shutil.which(name):
            yield Finding(name, "ok", found)
        elif (Path(sys.executable).parent / name).exists():
            yield Finding(name, "note", f"not on PATH, which grading a class needs: activate {sys.prefix}")
        else:
            yield Finding(name, "problem", f"not installed: {INSTALL}")
    chromium = shutil.which("chromium")
    yield Finding("chromium", "ok" if chromium else "note", chromium or "not on PATH: only `make test` needs it")


def _widgets() -> Iterator[Finding]:
    # Sliders and volumes are drawn by JupyterLab, which looks for their other halves in these folders.
    for name, package, folder in (
        ("sliders", "ipywidgets", "@jupyter-widgets/jupyterlab-manager"),
        ("volumes", "ipyniivue", "anywidget"),
    ):
        there = _version(package) and Path(sys.prefix, "share/jupyter/labextensions", folder).is_dir()
        detail = f"{package} {_version(package)}" if there else f"JupyterLab lacks {folder} of {package}: {INSTALL}"
        yield Finding(name, "ok" if there else "problem", detail)
    itk = _version("itkwidgets")
    yield Finding("extra itk", "ok" if itk else "note", f"itkwidgets {itk}" if itk else "not installed (optional)")


def _sandbox() -> Finding:
    """Say how far the grader can keep a submission from the rest of this machine."""
    from medcourse.grading.sandbox.engine import Engine  # noqa: PLC0415
    from medcourse.grading.sandbox.walls import PLAIN, TIERS  # noqa: PLC0415

    try:
        with Engine(minimum_tier=PLAIN) as engine:
            reasons = engine.probe()
    except CourseError as error:
        return Finding("sandbox", "note", f"{error}: grade your own work only")
    best = next(tier for tier in reversed(TIERS) if not reasons[tier])
    lacking = "".join(f"; {tier}: {reason}" for tier, reason in reasons.items() if reason)
    if best == PLAIN:
        return Finding("sandbox", "note", f"none: grade your own work only{lacking}")
    return Finding("sandbox", "ok", f"tier {best}{lacking}")


def _hub() -> Finding:
    """Say whether a class can be served, and how."""
    from medcourse.hub.proxy import find_proxy  # noqa: PLC0415

    version = _version("jupyterhub")
    if version is None:
        return Finding("extra hub", "note", "not installed (optional: `make hub`)")
    try:
        find_proxy()
    except CourseError as error:
        return Finding("extra hub", "note", str(error))
    is_real = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("useradd", path="/usr/sbin:/sbin")
    how = "with an account for each person" if is_real else "as a demonstration (accounts need root, on Linux)"
    return Finding("extra hub", "ok", f"jupyterhub {version}, {how}")


def _writable(workspace: Path) -> Finding:
    folder = _nearest(workspace)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding("workspace", "problem", f"{folder} cannot be written ({error.strerror}): choose another folder")
    return Finding("workspace", "ok", f"{workspace} can be written")
