"""The networks of the course, a module an architecture."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cost", "plain", "unet"],
    submod_attrs={"multiview": ["MultiViewNet"], "plain": ["AutoEncoder", "PlainCNN"], "unet": ["UNet"]},
)
