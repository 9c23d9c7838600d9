"""Data of the course: `make_*` simulates, `load_*` comes with a dependency, `fetch_*` downloads, `read_*` reads."""

import lazy_loader

# A module is imported when a name of it is used: a lesson that simulates does not pay for the downloads.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "brains": ["make_brains", "tissue_features"],
        "breast": ["make_mass_rois", "make_microcalcifications"],
        "bubil": ["read_bubil"],
        "catalogue": ["CATALOGUE", "Download"],
        "cells": ["make_cells", "separate_cells"],
        "chest": ["make_chest_radiographs"],
        "cohorts": ["make_disease", "make_patients", "make_treatment", "nodule_pair"],
        "ct": ["make_ct_slice", "window_hu"],
        "cytometry": ["arcsinh", "compensate", "logicle", "make_cytometry", "rectangle_gate"],
        "dicom": ["read_dicom_series"],
        "download": ["data_folder", "fetch", "fetch_cell_tracking"],
        "fcs": ["read_fcs"],
        "folders": ["read_cells"],
        "geometry": ["Geometry", "geometry_of_affine", "geometry_of_image"],
        "histology": ["absorb", "make_histology", "separate_stains", "stain_vectors"],
        "lymph": ["fetch_lymph_nodes", "find_lymph_cases", "read_lymph_nodes"],
        "luna": ["LunaScans", "read_luna"],
        "medmnist": ["read_medmnist"],
        "mr": ["make_mr_slice"],
        "nodules": ["make_nodules"],
        "pet": ["make_pet_ct"],
        "raters": ["make_raters", "make_votes"],
        "oct": ["make_oct"],
        "resize": ["shrink"],
        "rois": ["read_rois"],
        "susceptibility": ["minimum_projection"],
        "swi": ["make_swi_brains"],
        "valdo": ["read_valdo"],
        "xray": ["make_mammogram", "make_radiograph"],
        "thorax": ["make_chest", "make_chests"],
        "ultrasound": ["gestational_age_days", "make_ultrasound"],
    },
)
