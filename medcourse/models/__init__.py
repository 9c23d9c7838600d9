"""The networks of the course, a module an architecture."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "anogan",
        "blasts",
        "candidates",
        "cascade3d",
        "cost",
        "crf",
        "deformation",
        "multiscale",
        "pairwise",
        "plain",
        "recurrent",
        "stacked",
        "transfer",
        "unet",
        "vessels",
        "voxelmorph",
    ],
    submod_attrs={
        "cascade3d": ["JudgeNet", "ScreenNet"],
        "multiscale": ["MultiScaleNet"],
        "crf": ["CRF"],
        "multiview": ["MultiViewNet"],
        "plain": ["AutoEncoder", "PlainCNN"],
        "recurrent": ["FrameNet", "GestureLSTM"],
        "stacked": ["DenoisingLayer", "StackedClassifier"],
        "transfer": ["SourceNet", "load_source"],
        "unet": ["UNet"],
        "vessels": ["VesselNet"],
        "voxelmorph": ["RegistrationNet"],
    },
)
