"""Pictures for lessons and labs: images, curves, kernels, volumes, demos, each described in words."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["figures"],
    submod_attrs={
        "course_map": ["draw_course_map"],
        "curves": ["plot_curve", "plot_froc", "plot_intervals"],
        "deformations": ["show_arrows", "show_blend", "show_deformed_grid", "show_determinant"],
        "cytometry": ["show_events"],
        "demos": ["demo"],
        "figures": ["Live", "describe", "panels"],
        "grammar": ["count_steps", "draw_grammar"],
        "hands": ["show_hands", "view_hands"],
        "images": ["overlay", "show_image", "show_images", "show_map"],
        "kernels": ["show_kernels"],
        "labelling": ["label_images"],
        "labels": ["show_labels"],
        "networks": ["draw_unet"],
        "rankings": ["show_ranks"],
        "ribbons": ["show_ribbons"],
        "style": ["use_style"],
        "volumes": ["show_slices", "view_volume"],
    },
)
