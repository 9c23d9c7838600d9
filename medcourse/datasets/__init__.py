"""Data of the course: `make_*` simulates, `load_*` comes with a dependency, `fetch_*` downloads, `read_*` reads."""

import lazy_loader

# A module is imported when a name of it is used: a lesson that simulates does not pay for the downloads.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ["CATALOGUE", "Download"],
        "cells": ["make_cells", "separate_cells"],
        "cytometry": ["arcsinh", "compensate", "logicle", "make_cytometry", "rectangle_gate"],
        "download": ["data_folder", "fetch", "fetch_cell_tracking"],
        "fcs": ["read_fcs"],
        "folders": ["read_cells"],
        "medmnist": ["read_medmnist"],
        "nodules": ["make_nodules"],
        "histology": ["absorb", "make_histology", "separate_stains", "stain_vectors"],
        "resize": ["shrink"],
    },
)
