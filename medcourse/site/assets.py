"""What pages need and no Python package brings: MathJax, from npm, checked, and kept on this machine.

`python -m medcourse.site.assets` fetches it ahead of time, for a build without a network.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from medcourse.errors import CourseError

MATHJAX = "mathjax@3.2.2"
_SHA512 = "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="
# TeX in, web fonts out; the rest of MathJax (other inputs and outputs, an explorer in many languages) is 20 MB.
_PARTS = ("tex-chtml.js", "output/chtml/fonts/", "input/tex/extensions/")


def mathjax(cache: Path) -> Path:
    """Return a folder with MathJax, fetched by npm the first time.

    Parameters
    ----------
    cache : Path
        The course's cache folder.

    Returns
    -------
    Path
        Holds `tex-chtml.js`, which finds its fonts beside it.

    Raises
    ------
    CourseError
        There is no npm, its registry cannot be reached, or what it sent is not what was expected.
    """
    from filelock import FileLock  # noqa: PLC0415

    folder = cache / "npm" / MATHJAX.replace("@", "-")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                parts = _unpack(_fetch(Path(scratch)), Path(scratch))
                parts.replace(folder)
    return folder


def _fetch(scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise CourseError(f"expected npm on PATH to fetch {MATHJAX} for the site, found none: install Node.js")
    command = [npm, "pack", MATHJAX, "--silent", "--pack-destination", str(scratch)]
    run = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)  # noqa: S603
    archives = list(scratch.glob("*.tgz"))
    if run.returncode or len(archives) != 1:
        last = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        raise CourseError(f"expected {MATHJAX} from npm's registry, got: {last}")
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if digest != _SHA512:
        raise CourseError(f"expected {MATHJAX} with sha512 {_SHA512}, got {digest}: it is not used")
    return archives[0]


def _unpack(archive: Path, scratch: Path) -> Path:
    target = scratch / "parts"
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            name = member.name.removeprefix("package/es5/")
            if member.isfile() and name.startswith(_PARTS):
                content = tar.extractfile(member)
                assert content is not None, "a regular file has content"
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content.read())
    return target


if __name__ == "__main__":
    from medcourse.paths import cache_folder, course_root

    print(mathjax(cache_folder(course_root())))
