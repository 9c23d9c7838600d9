"""Deep Learning in Medical Imaging: what the lessons and labs of the course share."""

import lazy_loader

from medcourse._version import __version__ as __version__

# Nothing below is imported before it is used, so that `import medcourse` costs nothing by itself.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "datasets",
        "device",
        "effects",
        "glossary",
        "losses",
        "metrics",
        "models",
        "plots",
        "sampling",
        "segments",
        "sequences",
        "streams",
        "testing",
        "training",
        "units",
    ],
)
