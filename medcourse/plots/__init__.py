"""Pictures for lessons and labs: images, curves, kernels, volumes, demos, each described in words."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["figures"],
    submod_attrs={
        "curves": ["plot_curve", "plot_froc", "plot_intervals"],
        "demos": ["demo"],
        "figures": ["Live", "describe", "panels"],
        "images": ["overlay", "show_image", "show_images", "show_map"],
        "kernels": ["show_kernels"],
        "labels": ["show_labels"],
        "networks": ["draw_unet"],
        "style": ["use_style"],
        "volumes": ["show_slices", "view_volume"],
    },
)
