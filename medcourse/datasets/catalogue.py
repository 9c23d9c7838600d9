"""What can be downloaded: plain data, checked by a test, shown by `medcourse data list`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """One archive on the network and what a person must know before using it.

    Attributes
    ----------
    name, title, modality, task
        What it is. `name` is what `medcourse data get` takes, and the folder that it becomes.
    units
        Slugs of the units that use it.
    urls
        The zip file's addresses, tried in turn.
    sha256
        Of the zip file. A file with another one is never kept.
    size_mb
        Of the zip file, in 10^6 bytes, rounded.
    licence
        The terms, in words where there is no licence with a name.
    citation, doi
        What to cite.
    reader
        The function of `medcourse.datasets` that reads the folder.
    """

    name: str
    title: str
    modality: str
    task: str
    units: tuple[str, ...]
    urls: tuple[str, ...]
    sha256: str
    size_mb: int
    licence: str
    citation: str
    doi: str
    reader: str


def _tracking_challenge(name: str, *, title: str, modality: str, sha256: str, size_mb: int) -> Download:
    """Fill in what the data sets of the Cell Tracking Challenge share."""
    address = f"data.celltrackingchallenge.net/training-datasets/{name}.zip"
    return Download(
        name=name,
        title=title,
        modality=modality,
        task="instance segmentation of cells",
        units=("10_unet",),
        # The same host without TLS for networks that break it open: the hash tells whether the file is the right one.
        urls=(f"https://{address}", f"http://{address}"),
        sha256=sha256,
        size_mb=size_mb,
        licence=(
            "no named licence; the challenge's conditions: cite the paper and acknowledge the Cell Tracking Challenge, "
            "ask the data providers before other public scientific use, and the organisers and providers before "
            "commercial use (https://celltrackingchallenge.net/datasets/)"
        ),
        citation=(
            "Ulman et al. An objective comparison of cell-tracking algorithms. Nature Methods 14(12):1141-1152, 2017"
        ),
        doi="10.1038/nmeth.4473",
        reader="read_cells",
    )


# Both hashes are those that torch_em publishes (github.com/constantinpape/torch-em, MIT licence,
# torch_em/data/datasets/light_microscopy/ctc.py). They were not checked against the files when this was written.
_ALL = (
    _tracking_challenge(
        "DIC-C2DH-HeLa",
        title="HeLa cells on glass, 0.19 um a pixel (Van Cappellen, Erasmus MC Rotterdam)",
        modality="DIC",
        sha256="832fed2d05bb7488cf9c51a2994b75f8f3f53b3c3098856211f2d39023c34e1a",
        size_mb=42,
    ),
    _tracking_challenge(
        "PhC-C2DH-U373",
        title="U373 glioblastoma-astrocytoma cells on polyacrylamide, 0.65 um a pixel (Kumar, UC Berkeley)",
        modality="phase contrast",
        sha256="b18185c18fce54e8eeb93e4bbb9b201d757add9409bbf2283b8114185a11bc9e",
        size_mb=43,
    ),
)

CATALOGUE: dict[str, Download] = {entry.name: entry for entry in _ALL}
