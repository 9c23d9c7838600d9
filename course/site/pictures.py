# %% [markdown]
# # Pictures for the first page
#
# Each cell makes one, and its metadata name the unit that the picture leads to.

# %%
import numpy as np
from matplotlib.figure import Figure

from medcourse import datasets, plots

SIDE_INCHES = 2.4


def tile(image: np.ndarray, alt: str, *, low: float | None = None, high: float | None = None, labels=None) -> Figure:
    """Show the middle square of an image, grey or in colours, without a frame."""
    height, width = image.shape[:2]
    side = min(height, width)
    cut = np.s_[(height - side) // 2 : (height + side) // 2, (width - side) // 2 : (width + side) // 2]
    figure = Figure(figsize=(SIDE_INCHES, SIDE_INCHES), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(image[cut], cmap="gray", vmin=low, vmax=high)
    if labels is not None:
        ax.contour(labels[cut], levels=np.unique(labels)[:-1] + 0.5, colors="#F2B84B", linewidths=1.2)
    ax.set_axis_off()
    return plots.describe(figure, alt)


# %% unit="01_modalities"
slice_ct = datasets.make_ct_slice(nodule_mm=14, seed=0)
tile(slice_ct.image, "CT slice of a chest: dark lungs, bright bone, one round spot in a lung.", low=-1000, high=400)

# %% unit="14_voxelmorph"
slice_mr = datasets.make_mr_slice(seed=0)
tile(slice_mr.image, "MR slice of a head: folded grey and white matter.")

# %% unit="08_vessel_ensemble"
eye = datasets.make_fundi(1, side_px=240, diseased=1.0, seed=6)
tile(eye.images[0], "Photograph of the back of an eye: orange, with branching vessels and a bright disc.")

# %% unit="10_unet"
dish = datasets.make_cells(1, size=160, seed=1)
tile(dish.images[0], "Cells under a light microscope, with the outline of each.", labels=dish.labels[0])

# %% unit="13_anogan"
retina = datasets.make_oct(height=320, width=384, seed=0)
tile(retina.image, "OCT of a retina: bright layers with a pit in the middle.")

# %% unit="18_crowdsourcing"
section = datasets.make_histology(size=256, seed=0)
tile(section.image, "Stained tissue: rings of purple nuclei around pale glands.")

# %% unit="16_transfer_features"
films = datasets.make_frontal_chests(1, size=192, seed=3)
tile(films.images[0], "X-ray film of a chest.")

# %% unit="11_cascade_crf"
scan = datasets.make_abdomens(1, spacing_mm=(5, 2, 2), seed=12).scans[0]
tile(scan.volume[7], "CT slice of an abdomen, the liver outlined.", low=-100, high=200, labels=scan.labels[7] > 0)
