"""The networks of the course, a module an architecture."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["candidates", "cascade3d", "cost", "crf", "multiscale", "plain", "unet", "vessels"],
    submod_attrs={
        "cascade3d": ["JudgeNet", "ScreenNet"],
        "multiscale": ["MultiScaleNet"],
        "crf": ["CRF"],
        "multiview": ["MultiViewNet"],
        "plain": ["AutoEncoder", "PlainCNN"],
        "unet": ["UNet"],
        "vessels": ["VesselNet"],
    },
)
