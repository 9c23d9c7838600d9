# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How the pictures are made
#
# Unit 1. Nine ways to look into a person, each with a simulated scanner whose knobs you turn.
#
# **After this lesson you can**
#
# - say what each modality measures, and what its brightness means;
# - predict what less dose, fewer views or fewer lines of k-space do to a picture;
# - open a DICOM file, read the tags that matter, and look through a Hounsfield window;
# - lay PET over CT by millimetres;
# - choose a modality by resolution, dose, time and cost;
# - name the artefacts that a network will mistake for disease.
#
# **Time:** about 90 minutes, and 120 for the lab. **Before this:** Python, NumPy, the Fourier transform.
#
# **Cost:** {{cost}}

# %%
import numpy as np

from medcourse import datasets, plots
from medcourse.datasets import ct, mr, pet, xray

plots.use_style()

# %% [markdown]
# ## The problem: what is a pixel?
#
# A network gets an array of numbers. It does not know whether a number is a shadow, an echo, a count of decays or the
# colour of a dye. You have to know: the number decides how it may be scaled, averaged, flipped, and believed.
#
# Every picture of this page that is not called real is **simulated**: bodies are drawn from smooth shapes, and the
# physics of each scanner is applied to them. So the truth is known, and you can turn any knob without hurting anyone.
# Cross-sections are shown as radiologists look at them, from the feet: the patient's right is on your left.

# %%
chest = datasets.make_radiograph("chest", spacing_mm=1.0, seed=0)
breast = datasets.make_mammogram(spacing_mm=0.4, mass_mm=12, seed=0)
slice_ct = datasets.make_ct_slice(nodule_mm=14, seed=0)
slice_mr = datasets.make_mr_slice(seed=0)
scan = datasets.make_pet_ct(seed=0)
fetus = datasets.make_ultrasound(seed=0)
eye = datasets.make_oct(seed=0)
section = datasets.make_histology(seed=0)
marrow = datasets.make_cytometry(4000, seed=0)


def grey(image, low=1, high=99.5):
    """Scale an image for the screen, between two of its percentiles."""
    bottom, top = np.percentile(image, [low, high])
    return np.clip((image - bottom) / (top - bottom), 0, 1)


lungs = grey(xray.even_out(chest.image, spacing_mm=1.0))
gallery = [
    (lungs, 1.0, "X-ray"),
    (grey(breast.image, 30), 0.4, "Mammography"),
    (ct.window_hu(slice_ct.image, 40, 400), slice_ct.spacing_mm, "CT"),
    (grey(slice_mr.image, 1, 97), slice_mr.spacing_mm, "MRI"),
    (1 - grey(scan.pet), scan.pet_spacing_mm[0], "PET"),
    (fetus.image, fetus.spacing_mm, "Ultrasound"),
]
figure, axes = plots.panels(3, 3, width_inches=3.2, height_inches=2.9)
for ax, (image, spacing_mm, name) in zip(axes.flat, gallery):
    plots.show_image(image, name, spacing_mm=spacing_mm, ax=ax)
axes[2, 0].imshow(eye.image, cmap="gray", aspect="auto")
axes[2, 0].set(title="OCT (depth stretched)", xticks=[], yticks=[])
plots.show_image(section.image, "Histology", spacing_um=section.spacing_um, ax=axes[2, 1])
axes[2, 2].scatter(marrow.events[:, 0], marrow.events[:, 1], s=2, alpha=0.4)
axes[2, 2].set(xlabel="forward scatter", ylabel="side scatter", title="Flow cytometry", xticks=[], yticks=[])
plots.describe(
    figure,
    "Simulated pictures: chest radiograph, mammogram, CT of a chest, MRI of a head, PET of the chest, a fetus in "
    "ultrasound, OCT of a retina, a stained section, and a cloud of cells from a cytometer.",
)

# %% [markdown]
# ## The idea: something goes in, something comes out
#
# Each modality sends something into the body, or into a piece of it, and measures what returns. What it sends decides
# what it can see.
#
# | sent | what the body does | measured |
# |---|---|---|
# | X-rays | absorbs them | shadows: radiography, mammography, CT |
# | radio waves in a magnetic field | protons answer | echoes in k-space: MRI |
# | a radioactive sugar | cells take it up | pairs of photons: PET |
# | sound | interfaces reflect | delay and strength: ultrasound |
# | infrared light | layers reflect | interference: OCT |
# | dyes and white light | tissue takes up colour | absorption: histology |
# | antibodies with dyes, a laser | single cells glow | counts: flow cytometry |
#
# ## X-ray: a shadow
#
# In November 1895 Wilhelm Röntgen saw a screen glow that no light could reach. In December he held his wife's hand
# over a plate for minutes. The picture went round the world within weeks: bones, and a ring.
#
# Of $N_0$ photons, $N = N_0 \exp(-\sum_i \mu_i d_i)$ pass through lengths $d_i$ of materials with attenuation
# $\mu_i$. That is Beer and Lambert's law. Gold and bone have a large $\mu$, muscle a small one, air almost none.
#
# **Predict.** You raise the energy from 30 to 100 keV. Do bones get more or less visible against flesh?

# %%
hand = datasets.make_radiograph("hand", photons=np.inf)


def draw_hand(energy_kev: float, photons: int, paper: bool):
    """Photograph the same simulated hand with other X-rays."""
    through = xray.transmit(hand.lengths_mm, energy_kev=energy_kev)
    rng = np.random.default_rng(0)
    counts = xray.count_photons(through, photons=photons, scatter_fraction=0, rng=rng, spacing_mm=0.4)
    density = xray.film(counts / photons, speed=4.0, contrast=2.2)
    # Film is black where photons came. A print on paper turns that round once more: bones are dark, as on Röntgen's.
    image = density if paper else 3.4 - density
    return plots.show_image(
        image,
        f"simulated, {energy_kev:g} keV",
        spacing_mm=hand.spacing_mm,
        limits=(0.2, 3.0),
        alt=f"Simulated X-ray of a hand with a ring at {energy_kev:g} keV and {photons} photons a pixel, "
        f"{'a print: bones and ring are dark' if paper else 'a film: bones and ring are bright'}.",
    )


plots.demo(
    draw_hand,
    energy_kev=(20.0, 100.0, 30.0),
    photons=[2000, 200, 20],
    paper=False,
    static=[{}, {"paper": True}, {"energy_kev": 100.0}, {"photons": 20}],
)

# %% [markdown]
# Less. Low energies are absorbed by the photoelectric effect, which grows steeply with the atomic number: calcium
# stands out. At high energies photons scatter instead, which hardly depends on the element: only density is left.
#
# Now look at the ring. Of a million photons hardly one passes, so it is whiter than any bone; on the print it is
# black. White is not always bone, and whether black means "nothing in the way" or "all of it" is a convention. Mix
# pictures of both kinds, and half of the patients are negatives.
#
# A radiograph adds up everything along a ray. A nodule behind a rib, or behind the heart, is there and is not seen.

# %%
hidden = datasets.make_radiograph("chest", spacing_mm=1.0, nodule_mm=16, seed=3)
evened = grey(xray.even_out(hidden.image, spacing_mm=1.0))
row, column = np.argwhere(hidden.nodule).mean(axis=0).astype(int)
near = np.s_[row - 45 : row + 45, column - 45 : column + 45]
figure, axes = plots.panels(1, 3, width_inches=3.4, height_inches=3.6)
plots.show_image(evened, "Where is the nodule? (simulated)", spacing_mm=1.0, ax=axes[0, 0])
for ax, part, name in ((axes[0, 1], np.s_[:, :], "Here"), (axes[0, 2], near, "Closer")):
    plots.show_image(evened[part], name, spacing_mm=1.0, limits=(0, 1), ax=ax)
    ax.contour(hidden.nodule[part], [0.5], colors="#E69F00", linewidths=1.2)
plots.describe(
    figure,
    "A simulated chest radiograph; the same with a nodule of 16 mm outlined over the right lung; and that place enlarged: "
    "it is crossed by ribs and hardly brighter than they are.",
)

# %% [markdown]
# **Mammography** looks for differences between soft tissues, and needs low energy for it, about 20 keV, which
# costs dose. The breast is pressed flat, so that fewer photons are needed and less lies on top of each other.
#
# There is a mass of 14 mm with a cluster of specks of calcium. Search first, then tick the box. Then raise the energy,
# and make the breast denser: gland and tumour absorb nearly alike, so dense tissue hides it.


# %%
def draw_breast(energy_kev: float, glandular: float, outline: bool):
    """Draw a mammogram with a mass, at some energy and density of the breast."""
    picture = datasets.make_mammogram(
        energy_kev=energy_kev, glandular=glandular, mass_mm=14, n_calcifications=12, spacing_mm=0.5, seed=0
    )
    inside = picture.lengths_mm["fat"] > 10
    low, high = np.percentile(picture.image[inside], [0.5, 99.9])
    figure = plots.show_image(
        picture.image,
        f"simulated, {energy_kev:.0f} keV",
        spacing_mm=picture.spacing_mm,
        limits=(low - 0.3 * (high - low), high),
        alt=f"Simulated mammogram at {energy_kev:.0f} keV with a glandular share of {glandular:.2f} and a mass"
        f"{', outlined' if outline else ''}.",
    )
    if outline:
        figure.axes[0].contour(picture.mass, [0.5], colors="#E69F00", linewidths=1.2)
    return figure


plots.demo(
    draw_breast,
    energy_kev=(20.0, 60.0, 20.0),
    glandular=(0.1, 0.7, 0.3),
    outline=False,
    frames=12,
    static=[
        {"glandular": 0.15},
        {"glandular": 0.15, "outline": True},
        {"glandular": 0.6, "outline": True},
        {"glandular": 0.15, "energy_kev": 60.0, "outline": True},
    ],
)

# %% [markdown]
# ## CT: shadows from all sides
#
# Turn the tube around the patient, and each ray gives one number: the sum of $\mu$ along it. All of them together
# are the *sinogram*. From it, $\mu$ can be computed at every point.
#
# Smearing each view back along its rays gives a blur: every view measures the low
# frequencies again, the high ones are shared out. So each view is
# first *filtered*: high frequencies are raised in proportion to their frequency. That is the ramp filter.

# %%
blurred = ct.reconstruct(slice_ct.sinogram, slice_ct.angles_deg, spacing_mm=slice_ct.spacing_mm, window=None)
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.4)
plots.show_image(slice_ct.sinogram, "Sinogram: a row a view", ax=axes[0, 0])
plots.show_image(grey(blurred), "Smeared back, not filtered", spacing_mm=slice_ct.spacing_mm, ax=axes[0, 1])
plots.show_image(
    slice_ct.image, "Filtered back-projection", spacing_mm=slice_ct.spacing_mm, limits=(-160, 240), ax=axes[0, 2]
)
plots.describe(
    figure, "Simulated CT: the sinogram of sine waves, an unfiltered blur of a chest, and the sharp reconstruction."
)

# %% [markdown]
# **Before you move the sliders:** a quarter of the photons. How much more noise?

# %%
body = slice_ct.truth_hu
perfect = ct.project(ct.to_mu(body), ct.view_angles(360), spacing_mm=slice_ct.spacing_mm)
heart = np.s_[113:129, 99:115]  # blood and nothing else, brightened by a contrast agent: what varies here is noise


def scan_again(n_views: int, dose_photons: float, window: str, electronic_noise: float = 10) -> np.ndarray:
    """Reconstruct the same body from fewer views or photons; HU."""
    views = np.linspace(0, 360, n_views, endpoint=False).astype(int)
    rng = np.random.default_rng(1)
    measured = ct.count(perfect[views], dose_photons=dose_photons, electronic_noise=electronic_noise, rng=rng)
    mu = ct.reconstruct(measured, views / 2, spacing_mm=slice_ct.spacing_mm, window=window)
    return ct.to_hu(mu)


def draw_ct(views: int, kilophotons: int, window: str):
    """Show the scan, and its noise in the heart."""
    image = scan_again(views, 1000 * kilophotons, window)
    noise = image[heart].std()
    return plots.show_image(
        image,
        f"simulated, noise in the heart {noise:.0f} HU",
        spacing_mm=slice_ct.spacing_mm,
        limits=(-160, 240),
        alt=f"Simulated CT from {views} views and {kilophotons} thousand photons a ray, noise {noise:.0f} HU.",
    )


plots.demo(
    draw_ct,
    views=(20, 360, 360),
    kilophotons=[200, 50, 12, 3],
    window=["hann", "ramp", "shepp-logan", "cosine"],
    static=[{}, {"kilophotons": 50}, {"kilophotons": 12}, {"views": 40}],
)

# %% [markdown]
# A quarter of the photons, about twice the noise: counts are Poisson, and their relative noise falls as $1/\sqrt{N}$. A
# quarter of that again, and it more than doubles: along the thickest rays so few photons are left that the noise
# of the electronics shows, in streaks from side to side.
#
# With few views there are streaks of another kind, however many photons each view gets. These are not random: the same
# body gives the same ones, and a network can learn them.
#
# **Hounsfield units** make CT the one modality with a scale of its own:
#
# $$ \mathrm{HU} = 1000\,\frac{\mu - \mu_\mathrm{water}}{\mu_\mathrm{water} - \mu_\mathrm{air}} $$
#
# Air is -1000, water 0, fat about -100, muscle about 50, dense bone above 1000. (The blood here is at about 200: the
# patient was given iodine, a contrast agent, as many are.) A screen and an eye tell far fewer greys apart than that. So
# one looks through *windows*: from black at level - width / 2 to white at level + width / 2.


# %%
def draw_window(level_hu: int, width_hu: int):
    """Show the same slice through another window."""
    return plots.show_image(
        slice_ct.image,
        f"simulated, level {level_hu}, width {width_hu} HU",
        spacing_mm=slice_ct.spacing_mm,
        limits=(level_hu - width_hu / 2, level_hu + width_hu / 2),
        alt=f"Simulated CT of a chest, window level {level_hu} and width {width_hu} HU.",
    )


plots.demo(
    draw_window,
    level_hu=(-900, 900, 40),
    width_hu=(50, 2500, 400),
    static=[{"level_hu": -600, "width_hu": 1500}, {}, {"level_hu": 500, "width_hu": 2000}],
)

# %% [markdown]
# ### What a hospital's file says: DICOM
#
# Hospitals keep pictures as *DICOM*: most often one file a slice. Before the pixels stands a *header*, a list of numbered
# *tags*. The slices of one scan share a SeriesInstanceUID: they are a *series*. All series of one visit share a
# StudyInstanceUID: a *study*. File names mean nothing.
#
# Here is the header of a real CT, which comes with the library pydicom: a vertebra, cut to 128 pixels.

# %%
import pydicom
from pydicom.data import get_testdata_file

real_ct = pydicom.dcmread(get_testdata_file("CT_small.dcm", download=False))
for name in (
    *("Modality", "AcquisitionDate", "InstanceCreationDate", "ConvolutionKernel", "ContrastBolusAgent"),
    *("ImagePositionPatient", "SliceLocation", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "WindowCenter", "PhotometricInterpretation"),
):
    found = (
        f"{real_ct[name].tag}  {name:26} {real_ct[name].value}" if name in real_ct else f"{'':14}{name:26} not there"
    )
    print(found)

# %% [markdown]
# | tag | what it says | what goes wrong without it |
# |---|---|---|
# | ImagePositionPatient | where the first pixel lies in the patient, in mm: x to the left, y to the back, z to the head | sorted by name, slice 10 comes before slice 2 |
# | ImageOrientationPatient | which way rows and columns run | left and right are swapped |
# | PixelSpacing | mm between rows, then between columns | sizes in pixels, which mean nothing |
# | SliceThickness | how thick a slice is, not how far the next one is | volumes too large, or too small |
# | RescaleSlope, RescaleIntercept | HU = slope times stored number + intercept | a network trained on nonsense |
# | PixelPaddingValue | the stored number that means "not measured" | a ring of an unknown tissue |
# | WindowCenter, WindowWidth | the window to open with, if any | - |
# | PhotometricInterpretation | MONOCHROME2: large is bright; MONOCHROME1: large is dark | negatives |
#
# Headers are filled in by people and by old software. This one has no window. It gives two places for the slice, 1.5 mm
# apart: trust the position, which the standard defines. And it was made in 1997 and says 2004, too. Names and dates
# of patients stand here as well; they have to go before a file leaves the house (unit 19).

# %%
hu = real_ct.pixel_array * float(real_ct.RescaleSlope) + float(real_ct.RescaleIntercept)
print(f"stored {real_ct.pixel_array.min()} to {real_ct.pixel_array.max()}, in HU {hu.min():.0f} to {hu.max():.0f}")
plots.show_image(hu, "real CT (pydicom's test file)", spacing_mm=float(real_ct.PixelSpacing[0]), limits=(-200, 600))

# %% [markdown]
# **Question 1.** You scale each CT slice to its own minimum and maximum before training. What is lost?
#
# <details><summary>Nothing, networks normalise anyway</summary>
#
# No. A network can undo a fixed scale. It cannot undo one that depends on whether a metal clip is in the slice.
#
# </details>
# <details><summary>The meaning of the number: the same liver gets another grey in each slice</summary>
#
# Yes. HU are absolute. Clip to a fixed window, then scale by that window, the same for all.
#
# </details>
# <details><summary>Only the sign of the numbers</summary>
#
# No. The sign is the least of it; the scale itself changes from slice to slice.
#
# </details>
#
# ## MRI: protons that relax
#
# In a strong field the protons of water line up. A radio pulse tips them over, and the part along the field comes back with time T1, the part
# across it fades with time T2. A spin echo's signal is
#
# $$ S = \rho\,(1 - e^{-\mathrm{TR}/T_1})\,e^{-\mathrm{TE}/T_2}. $$
#
# $\rho$ is the density of protons; TR (repetition) and TE (echo) are chosen at the console. One head, many pictures.
# **Predict:** for TR 5000 and TE 100 ms, is fluid dark or bright?


# %%
def draw_mr(tr_ms: int, te_ms: int, field_t: float):
    """Image the same head with other timing."""
    te_ms = min(te_ms, tr_ms - 1)
    head = datasets.make_mr_slice(repetition_ms=tr_ms, echo_ms=te_ms, field_t=field_t, size=(256, 208))
    brain = np.isin(head.tissue, [10, 11, 12, 13])
    signals = {name: f"{head.signals[name]:.2f}" for name in ("csf", "grey_matter", "white_matter")}
    return plots.show_image(
        head.image,
        f"simulated, TR {tr_ms}, TE {te_ms} ms, {field_t:g} T",
        spacing_mm=head.spacing_mm,
        limits=(0, np.percentile(head.image[brain], 99.5) * 1.05),
        alt=f"Simulated MR slice of a head, TR {tr_ms} ms, TE {te_ms} ms. Signals {signals}.",
    )


plots.demo(
    draw_mr,
    tr_ms=(200, 6000, 500),
    te_ms=(5, 200, 10),
    field_t=[3.0, 1.5],
    static=[{}, {"tr_ms": 5000, "te_ms": 100}, {"tr_ms": 5000, "te_ms": 10}],
)

# %% [markdown]
# Bright: fluid relaxes slowly in both ways. With a short TR and a short TE, as at the start, the picture is *T1-weighted*:
# fluid has not come back yet and is dark, white matter has and is bright. With a long TR and a long TE it is
# *T2-weighted*: all else has faded.
#
# With a long TR and a short TE nearly all has come back (fluid lags) and little has faded: what is left is
# the density of protons, which differs little, and grey matter, with more water, is brighter than white.
#
# So "bright" means nothing without TR and TE, and there is no Hounsfield scale: another scanner gives other numbers for
# the same brain.
#
# ### K-space
#
# The scanner does not measure pixels. It measures the picture's spectrum, *k-space*, line by line, each line taking
# one TR. Leave out lines, and the scan is shorter: a quarter of the lines, a quarter of the time.
#
# **Predict.** You keep a quarter of the lines. Does it matter which?

# %%
full = datasets.make_mr_slice(seed=0, coil_noise=0.004)


def draw_kspace(acceleration: int, pattern: str):
    """Leave out lines of k-space and reconstruct with zeros in their place."""
    mask = mr.kspace_mask(256, acceleration=acceleration, pattern=pattern, seed=0)
    image = np.abs(mr.from_kspace(full.kspace * mask[:, None]))
    figure, axes = plots.panels(1, 2, width_inches=2.6, height_inches=3.3)
    plots.show_image(
        np.log10(np.abs(full.kspace) * mask[:, None] + 1e-3), "k-space (log)", limits=(-2, 1.3), ax=axes[0, 0]
    )
    plots.show_image(image, f"simulated, {mask.sum()} of 256", spacing_mm=0.9, limits=(0, 0.55), ax=axes[0, 1])
    return plots.describe(
        figure, f"Simulated k-space with {mask.sum()} of 256 lines ({pattern}) and the head reconstructed from it."
    )


plots.demo(
    draw_kspace,
    acceleration=(1, 8, 4),
    pattern=["regular", "random", "centre"],
    static=[
        {"acceleration": 1},
        {"pattern": "regular"},
        {"pattern": "random"},
        {"pattern": "centre"},
    ],
)

# %% [markdown]
# It does. Every fourth line: four heads, a quarter of the field apart. Random lines (and the 16 in the middle, which such
# a scan always takes, for most of the signal is there): the copies smear into something like noise. The middle only:
# no copies, but a blur. Three scans of the same length, and each is wrong in its own way.
#
# Two real pictures: the mean of 152 brains, which comes with nilearn (each alone is sharper; the mean keeps what
# they share), and a piece of a head with a TR of 4000 and a TE of 240 ms: T2-weighted, fluid is bright.

# %%
from nilearn.datasets import load_mni152_template

template = load_mni152_template(resolution=2).get_fdata()
real_mr = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False))
figure, axes = plots.panels(1, 2, width_inches=3.2, height_inches=3.6)
plots.show_image(np.rot90(template[:, :, 45]), "real: mean T1 of 152 brains (MNI152)", spacing_mm=2.0, ax=axes[0, 0])
plots.show_image(
    real_mr.pixel_array, "real MR (pydicom's test file)", spacing_mm=float(real_mr.PixelSpacing[0]), ax=axes[0, 1]
)
plots.describe(figure, "Left: axial slice of the MNI152 brain template. Right: a small real MR image, TE 240 ms.")

# %% [markdown]
# **Question 2.** An accelerated scan shows a faint second skull across the brain. Where does it come from?
#
# <details><summary>From regularly skipped lines: copies of the head, shifted</summary>
#
# Yes. Skipping lines regularly samples the spectrum too coarsely, and the picture repeats itself.
#
# </details>
# <details><summary>From too little signal</summary>
#
# No. Little signal gives noise without structure. This has the shape of a skull.
#
# </details>
# <details><summary>From a window that is too narrow</summary>
#
# No. A window changes greys. It cannot move a skull to another place.
#
# </details>
#
# ## PET/CT: counting decays
#
# The patient gets a sugar with radioactive fluorine, FDG. Cells that burn sugar take it up: heart, brain, tumours.
# Each decay frees a positron; it meets an electron, and two photons fly off in
# opposite directions, and a ring of detectors counts the pairs.
#
# On their way photons are absorbed, more of them in a thick body. The CT beside it says how many, and the
# reconstruction corrects for it. Untick the box to see what it corrects. On the left is what a reader of PET is used to:
# dark is much.


# %%
def put_on_ct(uptake: np.ndarray, ax, name: str):
    """Show uptake, given on the CT's grid, in colour over the CT."""
    plots.show_image(scan.ct, name, spacing_mm=scan.ct_spacing_mm[0], limits=(-300, 300), ax=ax)
    ax.imshow(uptake, cmap="hot", vmin=0, vmax=8, alpha=np.clip(uptake / 4, 0, 0.8), interpolation="bilinear")


def by_millimetres(picture) -> np.ndarray:
    """Read the PET at the places of the CT's pixels."""
    return pet.resample(
        picture.pet,
        spacing_mm=picture.pet_spacing_mm,
        origin_mm=picture.pet_origin_mm,
        onto_shape=picture.ct.shape,
        onto_spacing_mm=picture.ct_spacing_mm,
        onto_origin_mm=picture.ct_origin_mm,
    )


def draw_pet(counts: float, correct_attenuation: bool):
    """Reconstruct the same patient from fewer counts, or without the CT's help."""
    picture = datasets.make_pet_ct(counts=counts, correct_attenuation=correct_attenuation, seed=0)
    figure, axes = plots.panels(1, 2, width_inches=3.2, height_inches=3.4)
    name = f"simulated PET, {counts:,.0f} counts"
    plots.show_image(-picture.pet, name, limits=(-8, 0), spacing_mm=picture.pet_spacing_mm[0], ax=axes[0, 0])
    put_on_ct(by_millimetres(picture), axes[0, 1], "on the CT, SUV 0 to 8")
    return plots.describe(
        figure,
        f"Simulated PET of a chest from {counts:,.0f} counts, and the same in colour on the CT, attenuation corrected: "
        f"{correct_attenuation}; heart and a lesion in the right lung take up sugar.",
    )


plots.demo(
    draw_pet,
    counts=[400_000.0, 50_000.0, 5_000.0],
    correct_attenuation=True,
    static=[{}, {"counts": 50_000.0}, {"counts": 5_000.0}, {"correct_attenuation": False}],
)

# %% [markdown]
# Without correction the skin and the lungs seem to take up sugar, and the middle of the body seems cold.
#
# *SUV* is the activity divided by what an even spread would give. It is not absolute like HU: it depends on weight,
# on the time since injection, on blood sugar, and on the size of the lesion, since a small one is blurred away.
#
# **Fusion.** PET pixels are 4 mm wide, CT pixels 1.2 mm. The PET's field is wider, too, and its middle is that of the
# ring, not that of the patient. The two grids share millimetres and nothing else.
#
# **Predict.** A colleague scales the PET to the CT's number of pixels. It is the same patient on the same table: will
# the lesion lie where it belongs?

# %%
from scipy import ndimage

scaled = ndimage.zoom(scan.pet, len(scan.ct) / len(scan.pet), order=1)
pixel_by_pixel = np.zeros_like(scan.ct)
pixel_by_pixel[: len(scan.pet), : len(scan.pet)] = scan.pet
middle = np.argwhere(scan.lesion).mean(axis=0)
figure, axes = plots.panels(1, 3, width_inches=3.3, height_inches=3.5)
ways = {"By millimetres": by_millimetres(scan), "Scaled": scaled, "Pixel on pixel": pixel_by_pixel}
for ax, (name, uptake) in zip(axes[0], ways.items()):
    hottest = np.unravel_index(uptake.argmax(), uptake.shape)
    put_on_ct(uptake, ax, f"{name}: {np.hypot(*(hottest - middle)) * scan.ct_spacing_mm[0]:.0f} mm off")
    ax.contour(scan.lesion, [0.5], colors="cyan", linewidths=1.0)
plots.describe(
    figure,
    "Simulated PET in colour over CT, the true lesion outlined. By millimetres the hot spot fills the outline; scaled it "
    "lies at the root of the lung, and the heart's uptake beside the heart; pixel on pixel all is shrunk into a corner.",
)

# %% [markdown]
# It will not. Scaled, everything is too small and lies elsewhere, and it still looks like a patient: the lesion of the
# lung has become a lymph node at its root, and that is another stage of the disease, with another treatment. A
# mistake that looks wrong is harmless beside one that looks right.
#
# ## Ultrasound: echoes
#
# A probe sends a pulse of sound and listens. Sound runs at about 1540 m/s, so the delay tells the depth. Echoes span
# a factor of a thousand and more; their logarithm fits a screen. Tiny scatterers interfere, and give *speckle*: not
# noise, for it comes back the same if nothing moves.
#
# The slide's example is the crown-rump length of a fetus, the dashed line, from which its age is computed: Robinson and
# Fleming fitted $8.052\sqrt{1.037\,L} + 23.73$ days for $L$ in mm.
#
# **Predict.** Which frequency shows most detail? Why is it not always used?


# %%
def draw_ultrasound(frequency_mhz: float, dynamic_range_db: int):
    """Look at the same simulated fetus with another probe."""
    echo = datasets.make_ultrasound(
        frequency_mhz=frequency_mhz, dynamic_range_db=dynamic_range_db, n_beams=112, spacing_mm=0.4, seed=0
    )
    length_mm = np.hypot(*(echo.crown_px - echo.rump_px)) * echo.spacing_mm
    weeks, days = divmod(round(datasets.gestational_age_days(length_mm)), 7)
    figure = plots.show_image(
        echo.image,
        f"simulated, {length_mm:.0f} mm: {weeks} weeks + {days} d",
        spacing_mm=echo.spacing_mm,
        limits=(0, 1),
        alt=f"Simulated ultrasound of a fetus at {frequency_mhz:.1f} MHz, {dynamic_range_db} dB shown; from crown to "
        f"rump it measures {length_mm:.0f} mm.",
    )
    y, x = np.stack([echo.crown_px, echo.rump_px], axis=1)
    figure.axes[0].plot(x, y, "--+", color="#F0E442", linewidth=1, markersize=9)
    return figure


plots.demo(
    draw_ultrasound,
    frequency_mhz=(2.0, 8.0, 5.0),
    dynamic_range_db=(30, 80, 60),
    frames=9,
    static=[{"frequency_mhz": 2.0}, {}, {"frequency_mhz": 8.0}, {"dynamic_range_db": 35}],
)

# %% [markdown]
# The highest resolves most and reaches least deep, since tissue swallows it: noise fills the bottom of the fan. Behind
# the fluid it is too bright, behind bone too dark; no organ is different there. What an echo looks like depends on what
# lies before it.
#
# A real one: a lymph node, with
# flowing blood in colour. Its letters and boxes are burnt into the pixels, as they often are, and a network will read
# them.

# %%
real_us = pydicom.dcmread(get_testdata_file("examples_rgb_color.dcm", download=False))
plots.show_image(
    real_us.pixel_array,
    "real ultrasound (pydicom's example)",
    alt="Real ultrasound of a lymph node with blood flow in orange and burnt-in letters.",
)

# %% [markdown]
# ## OCT: layers by interference
#
# Optical coherence tomography sends infrared light into the eye and lets what returns interfere with light from a mirror.
# Each depth adds a ripple to the spectrum, the deeper the faster; a Fourier transform turns ripples into depths. That is
# an *A-scan*; many side by side are a *B-scan*. The broader the band of light, the finer the layers:
#
# $$ \Delta z = \frac{2 \ln 2}{\pi}\,\frac{\lambda^2}{n\,\Delta\lambda}. $$
#
# **Predict.** You take a light source of a fifth of the bandwidth. Which layers vanish first?


# %%
def draw_oct(bandwidth_nm: float, n_averages: int):
    """Scan the same simulated retina with light of another bandwidth, or average more frames."""
    eye = datasets.make_oct(bandwidth_nm=bandwidth_nm, n_averages=n_averages, height=320, width=384, seed=0)
    figure, axes = plots.panels(1, 1, width_inches=4.8, height_inches=3.4)
    shape = eye.image.shape
    axes[0, 0].imshow(eye.image, cmap="gray", vmin=0, vmax=1, aspect="auto",
                      extent=(0, shape[1] * eye.spacing_um[1] / 1000, shape[0] * eye.spacing_um[0] / 1000, 0))  # fmt: skip
    axes[0, 0].set(xlabel="mm along the retina", ylabel="mm deep (stretched)")
    axes[0, 0].set_title(f"simulated, depth resolved to {eye.axial_resolution_um:.1f} µm", loc="left")
    return plots.describe(
        figure,
        f"Simulated OCT of a macula: a pit, and bands of layers resolved to {eye.axial_resolution_um:.1f} micrometres; "
        f"frames averaged: {n_averages}.",
    )


plots.demo(
    draw_oct,
    bandwidth_nm=(10.0, 120.0, 50.0),
    n_averages=(1, 16, 4),
    frames=9,
    static=[{}, {"bandwidth_nm": 10.0}, {"n_averages": 1}],
)

# %% [markdown]
# The thinnest: bright lines that are closer than the resolution become one band. One frame alone is speckled; averaging
# frames of a moving eye smooths that, for speckle differs from frame to frame and layers do not.
#
# The eye's own view beside it: a photograph of a retina shows where, OCT shows how deep. (A real OCT does not come with
# our libraries; unit 13 fetches some.)

# %%
from skimage import data

plots.show_image(
    data.retina()[::4, ::4],
    "real: a retina, photographed (scikit-image)",
    alt="Real fundus photograph of a retina with vessels and the bright optic disc.",
)

# %% [markdown]
# ## Histology: dyes
#
# A slice of tissue a few micrometres thick is clear. Haematoxylin stains nuclei blue, eosin stains the rest pink. Light
# passes, and each dye absorbs by Beer and Lambert's law again. So the *logarithm* of the light is a sum of dyes, and
# can be taken apart.


# %%
def draw_histology(haematoxylin: float, counterstain: float):
    """Stain the same simulated section more or less."""
    stained = datasets.make_histology(haematoxylin=haematoxylin, counterstain=counterstain, size=256, seed=0)
    nuclei = datasets.separate_stains(stained.image, stained.stains)[..., 0]
    figure, axes = plots.panels(1, 2, width_inches=3.0, height_inches=3.2)
    plots.show_image(stained.image, "simulated H&E", spacing_um=stained.spacing_um, ax=axes[0, 0])
    plots.show_map(nuclei, "haematoxylin alone", unit="optical density", limits=(0, 1.5), ax=axes[0, 1])
    return plots.describe(
        figure, f"Simulated section, haematoxylin {haematoxylin:.2f}, eosin {counterstain:.2f}, and its haematoxylin."
    )


plots.demo(
    draw_histology,
    haematoxylin=(0.3, 1.8, 1.0),
    counterstain=(0.3, 1.8, 1.0),
    frames=9,
    static=[{}, {"haematoxylin": 0.4, "counterstain": 1.6}],
)

# %%
plots.show_image(
    data.immunohistochemistry(),
    "real: colon, haematoxylin and DAB (scikit-image)",
    alt="Real stained section of colon: glands with blue nuclei and brown stain.",
)

# %% [markdown]
# Two laboratories stain differently, and the same tissue has another colour. Networks notice the laboratory before
# they notice the disease.
#
# ## Flow cytometry: one cell at a time
#
# Blood or marrow flows through a laser beam, thousands of cells a second. Scatter tells size and granularity; dyes on
# antibodies tell which proteins sit on the cell. There is no picture: a patient is a table of cells.
#
# Dyes overlap in colour. *Compensation* solves a small linear system to undo that. Without it, everything looks positive.
#
# Below, each dot is a cell. CD19 and CD10 are proteins on the surface of B cells; in this leukaemia *blasts*, the sick
# cells, carry much of both, and young healthy B cells (grey, below the orange ones) carry some. The axes are close to a
# logarithm, but also take zero and negative numbers, which compensation leaves.


# %%
def draw_cytometry(residual_percent: float, compensated: bool):
    """Look for blasts (leukaemia cells) among a million others, here twenty thousand."""
    share = residual_percent / 100
    normal = {"lymphocytes": 0.2, "B precursors": 0.06, "monocytes": 0.08, "granulocytes": 0.66 - share}
    tube = datasets.make_cytometry(20_000, fractions={**normal, "blasts": share}, seed=0)
    events = datasets.compensate(tube.events[:, 2:], tube.spill) if compensated else tube.events[:, 2:]
    shown = datasets.arcsinh(events)
    blast = tube.labels == tube.populations.index("blasts")
    figure, axes = plots.panels(1, 1, width_inches=4.4, height_inches=4.0)
    axes[0, 0].scatter(shown[~blast, 3], shown[~blast, 1], s=1, alpha=0.25, color="0.5", label="normal")
    axes[0, 0].scatter(shown[blast, 3], shown[blast, 1], s=6, color="#D55E00", label="blasts")
    axes[0, 0].set(xlabel="CD19 (arcsinh)", ylabel="CD10 (arcsinh)", title=f"simulated marrow, {blast.sum()} blasts")
    axes[0, 0].set(xlim=(-2, 7), ylim=(-2, 8))
    axes[0, 0].legend(loc="lower right", markerscale=3)
    return plots.describe(
        figure, f"Cells by CD19 and CD10, compensated: {compensated}; {blast.sum()} blasts in orange."
    )


plots.demo(
    draw_cytometry,
    residual_percent=[1.0, 0.1, 10.0],
    compensated=True,
    static=[{"residual_percent": 10.0}, {}, {"compensated": False}],
)

# %% [markdown]
# At one blast in a thousand cells the healthy neighbours outnumber them, and nobody draws the line between the two by
# eye twice in the same place.
#
# **Biomarkers** end as one number: the share of residual blasts, a crown-rump length, an SUV. Each inherits the errors
# of the chain before it. A marker that a machine computes has units, an error and a machine; write down all three.
#
# ## Side by side
#
# | modality | brightness means | finest detail | dose | time | cost |
# |---|---|---|---|---|---|
# | X-ray (chest) | what absorbs on the ray | about 0.17 mm [1] | 0.02 mSv [2] | a fraction of a second | low |
# | mammography | the same, soft tissue | about 0.05 to 0.1 mm [1] | 0.4 mSv [2] | seconds | low |
# | CT (chest) | attenuation, HU | about 0.3 mm [1] | 7 mSv [2] | seconds | 896 US dollars in the USA, 279 in the Netherlands [3] |
# | MRI | protons, T1, T2: no fixed scale | about 1 mm [1] | none | 15 to 60 minutes | 1145 US dollars in the USA, 461 in the Netherlands [3] |
# | PET (FDG) | uptake, SUV | about 5 mm [1] | about 7 mSv for 350 MBq [4], plus the CT | an hour's wait, 20 minutes | high |
# | ultrasound | echoes | about 0.3 mm at 5 MHz [1] | none | live | low |
# | OCT | reflected infrared | micrometres [5] | none | seconds | medium |
# | histology | dye | below a micrometre | needs a biopsy | a day | medium |
# | flow cytometry | dye on a cell | a whole cell | needs a sample | hours | medium |
#
# [1] Bushberg et al., *The Essential Physics of Medical Imaging*, 3rd ed. 2011, table of limiting resolutions. [2] Mettler 2008,
# average adult effective doses. [3] Papanicolas 2018, average payment for a CT or MR scan. [4] 0.019 mSv a MBq by
# ICRP 106, as listed in Andersson 2014. [5] Huang 1991. Times and words for costs are orders of magnitude, ours.
#
# The last column says more about countries than about physics.
#
# ## What each first paper found, and what we find
#
# Röntgen found that bones cast darker shadows than flesh, and that all matter lets the new rays pass to some degree.
# Hounsfield's scanner told soft tissues apart that look alike on film. Lauterbur made the first picture from magnetic
# resonance, of two tubes of water. None of them had a network, and all of them had to know what a pixel is.
#
# We can measure what physics predicts of dose: noise falls as $1/\sqrt{N}$, a slope of -1/2 on logarithmic axes.

# %%
doses = np.array([25_000, 100_000, 400_000, 1_600_000])
clean = scan_again(180, np.inf, "ramp")
noise = {}
for electronic in (0, 10):
    images = [scan_again(180, dose, "ramp", electronic) for dose in doses]
    noise[f"electronic noise of {electronic} photons"] = [(i - clean)[heart].std() for i in images]
for name, values in noise.items():
    print(f"{name}: slope {np.polyfit(np.log(doses), np.log(values), 1)[0]:.2f}; Poisson alone predicts -0.50")
figure = plots.plot_curve(noise, x=doses, xlabel="photons a ray", ylabel="noise in the heart (HU)", log=True)
figure.axes[0].set_xscale("log")
figure.axes[0].set_yticks([20, 50, 100, 200], ["20", "50", "100", "200"])
figure.axes[0].minorticks_off()
figure

# %% [markdown]
# Where few photons arrive, the electronics add noise of their own, and the curve is steeper than the law. So a dose
# cannot be halved for ever: below some count the picture falls apart. The lab
# repeats such measurements over five seeds:
#
# {{effects}}
#
# ## In practice: scikit-image and pydicom
#
# Our CT is short enough to read, and so is our colour deconvolution. Do they agree with a library's?

# %%
import warnings

from skimage.transform import iradon, radon

half = ct.to_mu(body)
angles = ct.view_angles(90)
ours = ct.project(half, angles)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that the corners, here air, are outside of the circle
    theirs = radon(half, angles, circle=True).T
print(f"sinograms differ by at most {np.abs(ours - theirs).max() / ours.max():.1e} of the largest line integral")
back = ct.reconstruct(ours, angles)
back_sk = iradon(ours.T, angles, filter_name="ramp", circle=True)
inside = np.hypot(*(np.indices(half.shape) - 128)) < 126  # at the very rim the last detector is treated differently
print(f"reconstructions differ by at most {np.abs(back - back_sk)[inside].max() / half.max():.1e} of the largest value")

from skimage import color

tissue = data.immunohistochemistry()
amounts = datasets.separate_stains(tissue, color.rgb_from_hed)
# Theirs counts in units of log10(1e6) and cuts off negative amounts.
ours_in_their_units = np.maximum(amounts, 0) / 6
difference = np.abs(ours_in_their_units - color.separate_stains(tissue, color.hed_from_rgb))
measured = (tissue > 0).all(axis=-1)  # black has no logarithm, and everyone puts in a number of their own
print(f"amounts of stain differ by at most {difference[measured].max() / ours_in_their_units.max():.1e} of the largest")

# %% [markdown]
# And nobody orders slices by hand: `datasets.read_dicom_series` sorts by *position*, never by file name, turns stored
# numbers into HU, replaces padding by air and complains about a gap. Unit 19 writes it again with you.
#
# ## Where it fails
#
# **Shift.** The same chest, another hospital's kernel and dose. Nothing changed in the patient, and each number did.

# %%
sharp, soft = scan_again(360, 50_000, "ramp"), scan_again(360, 200_000, "hann")
for name, image in (("sharp kernel, low dose", sharp), ("soft kernel, full dose", soft)):
    print(f"{name}: heart {image[heart].mean():4.0f} HU, spread {image[heart].std():4.0f} HU")

# %% [markdown]
# The means agree within that noise, the texture does not. A network that reads texture has learned the scanner.
#
# **Partial volume.** A pixel of one part dense bone and six parts fat has the
# value of muscle. Small lesions look weaker than
# they are, in PET most of all.
#
# **What the simulators leave out.** No beam hardening and no metal in CT, no motion and no wrapped phase in MRI, no
# breathing between PET and CT. Each of these makes a real picture wrong in its own way, and a benchmark that was cleaned by hand shows fewer of
# them than a clinic.
#
# **Dose is somebody's.** More photons give a better picture and a better score. The patient pays for it.
#
# **Question 3.** A lung nodule of 6 mm has SUV 1.5, another of 25 mm has SUV 6. Which is more active?
#
# <details><summary>The large one, by a factor of four</summary>
#
# Not known. A lesion near the scanner's resolution is blurred into its surroundings, and its SUV comes out too low.
#
# </details>
# <details><summary>One cannot tell: the small one is blurred away in part</summary>
#
# Yes. This is the partial volume effect. Any threshold on SUV is also a threshold on size.
#
# </details>
# <details><summary>The small one, since small lesions grow faster</summary>
#
# No. Nothing here measures growth; that needs two scans with time between them.
#
# </details>
#
# ## Take-aways
#
# - Know what a pixel measures before you scale, flip or average it.
# - CT has an absolute scale, MRI has none, SUV pretends to have one.
# - Noise falls as one over the square root of counts; streaks and ghosts do not: only more views or lines help.
# - Grids are joined by millimetres: spacing, origin, direction.
# - A scanner, a stain and a burnt-in letter are all easier to learn than a disease.
#
# Now build the core of five scanners yourself, in the lab of this unit.
#
# ## References
#
# - W. C. Röntgen. On a New Kind of Rays. Nature 53, 1896. [doi:10.1038/053274b0](https://doi.org/10.1038/053274b0)
# - J. H. Hubbell, S. M. Seltzer. Tables of X-Ray Mass Attenuation Coefficients. NIST.
#   [doi:10.18434/T4D01F](https://doi.org/10.18434/T4D01F)
# - G. N. Hounsfield. Computerized transverse axial scanning (tomography). Br J Radiol 46, 1973.
#   [doi:10.1259/0007-1285-46-552-1016](https://doi.org/10.1259/0007-1285-46-552-1016)
# - P. C. Lauterbur. Image formation by induced local interactions. Nature 242, 1973.
#   [doi:10.1038/242190a0](https://doi.org/10.1038/242190a0)
# - G. J. Stanisz et al. T1, T2 relaxation and magnetization transfer in tissue at 3T. Magn Reson Med 54, 2005.
#   [doi:10.1002/mrm.20605](https://doi.org/10.1002/mrm.20605)
# - P. J. Wright et al. Water proton T1 measurements in brain tissue at 7, 3, and 1.5T. MAGMA 21, 2008.
#   [doi:10.1007/s10334-008-0104-8](https://doi.org/10.1007/s10334-008-0104-8)
# - H. M. Hudson, R. S. Larkin. Accelerated image reconstruction using ordered subsets of projection data. IEEE TMI 13, 1994.
#   [doi:10.1109/42.363108](https://doi.org/10.1109/42.363108)
# - D. Huang et al. Optical coherence tomography. Science 254, 1991.
#   [doi:10.1126/science.1957169](https://doi.org/10.1126/science.1957169)
# - H. P. Robinson, J. E. E. Fleming. A critical evaluation of sonar crown-rump length measurements. BJOG 82, 1975.
#   [doi:10.1111/j.1471-0528.1975.tb00710.x](https://doi.org/10.1111/j.1471-0528.1975.tb00710.x)
# - F. A. Mettler et al. Effective doses in radiology and diagnostic nuclear medicine: a catalog. Radiology 248, 2008.
#   [doi:10.1148/radiol.2481071451](https://doi.org/10.1148/radiol.2481071451)
# - M. Andersson et al. Effective dose to adult patients from 338 radiopharmaceuticals. EJNMMI Physics 1, 2014.
#   [doi:10.1186/2197-7364-1-9](https://doi.org/10.1186/2197-7364-1-9): lists the dose of ICRP 106 beside newer ones.
# - I. Papanicolas, L. R. Woskie, A. K. Jha. Health Care Spending in the United States and Other High-Income Countries.
#   JAMA 319, 2018. [doi:10.1001/jama.2018.1150](https://doi.org/10.1001/jama.2018.1150)
