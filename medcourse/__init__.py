"""Deep Learning in Medical Imaging: what the lessons and labs of the course share."""

import lazy_loader

from medcourse._version import __version__

# Nothing below is imported before it is used: `import medcourse` stays as cheap as a line of the standard library.
_SUBMODULES = [
    "datasets",
    "device",
    "effects",
    "losses",
    "metrics",
    "models",
    "plots",
    "sampling",
    "testing",
    "training",
]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submodules=_SUBMODULES)
__all__ = [*_SUBMODULES, "__version__"]
