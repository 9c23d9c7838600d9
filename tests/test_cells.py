import numpy as np
import pytest
from scipy import ndimage as ndi

from medcourse.datasets import make_cells, separate_cells
from medcourse.datasets.microscopy import camera, differential_interference_contrast, phase_contrast
from medcourse.errors import CourseError

QUIET = {"photons": np.inf, "uneven_light": 0, "debris_per_mm2": 0}


def touching(labels):
    """Return the numbers of the cells that share a side with another cell."""
    found = set()
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meets = (a != b) & (a > 0) & (b > 0)
        found |= set(a[meets]) | set(b[meets])
    return found


def share_touching(contact):
    labels = make_cells(6, contact=contact, seed=2).labels
    return sum(len(touching(image)) for image in labels) / sum(image.max() for image in labels)


def disc(radius_um, phase, size=128):
    y, x = np.indices((size, size)) - size / 2
    return np.clip(radius_um + 0.5 - np.hypot(y, x), 0, 1) * phase


@pytest.mark.parametrize("modality", ["dic", "phase_contrast"])
def test_shapes_types_and_ranges(modality):
    cells = make_cells(2, size=(96, 70), modality=modality)
    assert cells.images.shape == cells.labels.shape == (2, 96, 70)
    assert cells.images.dtype == np.float32
    assert cells.labels.dtype == np.int32
    assert cells.images.min() >= 0
    assert cells.images.max() <= 1
    assert "SIMULATED" in cells.description
    assert (cells.spacing_um, cells.modality) == (0.75, modality)


def test_seeds_repeat_and_images_do_not_depend_on_how_many_there_are():
    few, many = make_cells(2, seed=5), make_cells(4, seed=5)
    np.testing.assert_array_equal(few.images, many.images[:2])
    np.testing.assert_array_equal(few.labels, many.labels[:2])
    assert not np.array_equal(few.labels[0], few.labels[1])
    assert not np.array_equal(few.labels, make_cells(2, seed=6).labels)


def test_global_random_state_is_neither_used_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_cells(1, size=32)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    "other", [{"modality": "phase_contrast"}, {"contrast": 0.3}, {"photons": 100}, {"uneven_light": 0}]
)
def test_the_same_seed_gives_the_same_cells_however_they_are_photographed(other):
    np.testing.assert_array_equal(make_cells(2, seed=1).labels, make_cells(2, seed=1, **other).labels)


@pytest.mark.parametrize(("modality", "background"), [("dic", 0.5), ("phase_contrast", 0.4)])
def test_transparent_cells_without_noise_are_flat(modality, background):
    cells = make_cells(1, modality=modality, contrast=0, **QUIET)
    np.testing.assert_allclose(cells.images, background, atol=1e-6)
    assert cells.labels.max() > 5


@pytest.mark.parametrize("knobs", [{}, {"contact": 1}, {"size": 256, "spacing_um": 0.19}, {"cells_per_mm2": 6000}])
def test_labels_count_up_and_each_cell_is_in_one_piece(knobs):
    for image in make_cells(3, **knobs).labels:
        np.testing.assert_array_equal(np.unique(image), np.arange(image.max() + 1))
        for number in range(1, image.max() + 1):
            assert ndi.label(image == number)[1] == 1


def test_default_cells_are_as_many_and_as_wide_as_promised():
    labels = make_cells(12).labels
    counts = labels.max(axis=(1, 2))
    assert 12 <= counts.mean() <= 25  # 15 seeded ones, and neighbours that reach into the field
    areas = []
    for image in labels:
        inner = set(np.unique(image)) - {0, *image[0], *image[-1], *image[:, 0], *image[:, -1]}
        areas += [(image == number).sum() for number in inner]
    assert 25 <= np.median(2 * np.sqrt(np.array(areas) / np.pi)) <= 35


def test_density_and_spacing_scale_the_number_of_cells():
    def count(**knobs):
        return make_cells(6, **knobs).labels.max(axis=(1, 2)).sum()

    assert count(cells_per_mm2=0) == 0
    assert count(cells_per_mm2=400) < count(cells_per_mm2=1600) < count(cells_per_mm2=3000)
    assert count(spacing_um=0.4) < count(spacing_um=0.75)


def test_share_of_touching_cells_follows_the_knob():
    none, half, all_ = (share_touching(contact) for contact in (0, 0.5, 1))
    assert none == 0
    assert 0.1 < half < all_
    assert all_ > 0.7  # at this density some have no neighbour in reach


@pytest.mark.parametrize("spacing_um", [0.19, 0.75, 2.0])
def test_solitary_cells_keep_a_gap_at_any_magnification(spacing_um):
    labels = make_cells(3, contact=0, cells_per_mm2=4000, spacing_um=spacing_um).labels
    assert not any(touching(image) for image in labels)


def test_dic_shows_cells_with_the_mean_grey_of_the_background():
    cells = make_cells(8, **QUIET)
    inside, outside = cells.images[cells.labels > 0], cells.images[cells.labels == 0]
    assert abs(np.median(outside) - 0.5) < 0.002
    assert abs(inside.mean() - outside.mean()) < 0.02
    assert inside.std() > 3 * outside.std()


def test_phase_contrast_shows_dark_cells_with_a_bright_halo():
    cells = make_cells(8, modality="phase_contrast", contact=0, **QUIET)
    distance = np.stack([ndi.distance_transform_edt(labels == 0) for labels in cells.labels]) * cells.spacing_um
    inside = cells.images[cells.labels > 0].mean()
    halo, far = cells.images[(distance > 0.5) & (distance < 2)].mean(), cells.images[distance > 12].mean()
    assert inside < 0.85 * far
    assert halo > 1.1 * far


def test_uneven_light_keeps_the_mean():
    knobs = {"contrast": 0, "photons": np.inf, "debris_per_mm2": 0}
    image = make_cells(1, uneven_light=0.2, **knobs).images[0]
    assert image.mean() == pytest.approx(0.5, abs=1e-3)
    assert 0.05 < np.ptp(image) < 0.2


def test_dic_of_a_ramp_is_the_formula():
    ramp = np.minimum(np.arange(128), np.arange(128)[::-1]) * np.ones((128, 1)) * 0.2  # rad per um at 1 um a pixel
    bias = np.deg2rad(60)
    image = differential_interference_contrast(ramp, spacing_um=1, shear_um=0.5, shear_deg=0, bias_deg=60)
    for column, slope in ((32, 0.2), (96, -0.2)):
        expected = 0.5 * (1 - np.cos(bias + slope * 0.5)) / (1 - np.cos(bias))
        assert image[64, column] == pytest.approx(expected, rel=1e-3)


def test_dic_does_not_see_what_is_level_along_the_shear():
    ridge = np.exp(-(((np.arange(64) - 32) / 4) ** 2)) * np.ones((64, 1))  # varies to the right
    image = differential_interference_contrast(ridge, spacing_um=1, shear_deg=90)
    np.testing.assert_allclose(image, 0.5, atol=1e-9)


def test_phase_contrast_of_a_weak_grating_is_the_formula():
    frequency, weak, halo = 4 / 64, 1e-3, 3.0
    phase = weak * np.cos(2 * np.pi * frequency * np.arange(64)) * np.ones((64, 1))
    image = phase_contrast(phase, spacing_um=1, halo_um=halo, plate_transmission=0.25, background=0.4)
    ring = 1 / (1 + (2 * np.pi * halo * frequency) ** 2)
    resolved = np.exp(-2 * (np.pi * frequency) ** 2 * (0.2**2 + 0.4**2))
    amplitude = (image[0, 0] - image[0, 8]) / 2  # crest minus trough
    assert amplitude == pytest.approx(-0.4 * 2 * weak * resolved * (1 - ring) / 0.5, rel=1e-3)


def test_phase_contrast_shades_off_in_wide_cells():
    image = phase_contrast(disc(24, 0.3), spacing_um=1)
    rim, middle, halo, far = image[64, 64 + 21], image[64, 64], image[64, 64 + 26], image[64, 2]
    assert rim < middle < far < halo
    assert abs(middle - far) < 0.1 * abs(rim - far)


def test_camera_noise_has_the_variance_of_photons_and_read_out():
    rng = np.random.default_rng(0)
    image = camera(np.full((400, 400), 0.5), photons=1000, read_noise_electrons=10, rng=rng)
    assert image.mean() == pytest.approx(0.5, abs=1e-3)
    assert image.var() == pytest.approx((0.5 * 1000 + 10**2) / 1000**2, rel=0.02)


@pytest.mark.parametrize(
    ("width_px", "expected"),
    [(1, [1, 1, 1, 1, 0, 0, 2, 2, 2, 2]), (2, [1, 1, 1, 1, 0, 0, 2, 2, 2, 2]), (3, [1, 1, 1, 0, 0, 0, 0, 2, 2, 2])],
)
def test_separating_two_cells_takes_from_both(width_px, expected):
    row = np.array([[1, 1, 1, 1, 1, 2, 2, 2, 2, 2]])
    np.testing.assert_array_equal(separate_cells(row, width_px=width_px)[0], expected)


def test_separated_cells_are_apart_and_otherwise_unchanged():
    labels = make_cells(2, contact=1).labels
    apart = separate_cells(labels)
    assert apart.dtype == np.int32
    for before, after in zip(labels, apart, strict=True):
        assert touching(before)
        assert not touching(after)
        kept = after > 0
        np.testing.assert_array_equal(after[kept], before[kept])
        # What went lay within a pixel of another cell: nothing was taken at the edges towards the background.
        highest = ndi.maximum_filter(before, 3)
        lowest = ndi.minimum_filter(np.where(before == 0, before.max() + 1, before), 3)
        np.testing.assert_array_equal((before > 0) & ~kept, (before > 0) & (highest != lowest))


def test_separating_works_for_each_type_of_integer_and_leaves_lone_cells():
    row = np.array([[0, 255, 255, 0]], np.uint8)
    np.testing.assert_array_equal(separate_cells(row), row)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"modality": "fluorescence"}, 'modality must be "dic" or "phase_contrast", got \'fluorescence\''),
        ({"n_images": 0}, r"n_images must lie in \[1, inf\], got 0"),
        ({"size": 8}, r"height must lie in \[16, inf\], got 8"),
        ({"contact": 1.5}, r"contact must lie in \[0, 1\], got 1.5"),
        ({"spacing_um": 0}, r"spacing_um must lie in \[0.05, 5\], got 0"),
        ({"photons": 0}, "photons must be > 0"),
        ({"contrast": float("nan")}, "contrast must lie in"),
    ],
)
def test_bad_knobs_are_named(knobs, message):
    with pytest.raises(CourseError, match=message):
        make_cells(**knobs)


@pytest.mark.parametrize(
    ("labels", "width_px", "message"),
    [(np.zeros((4, 4)), 2, "must be integers"), (np.zeros((4, 4), int), 0, "width_px must be >= 1, got 0")],
)
def test_bad_labels_to_separate_are_named(labels, width_px, message):
    with pytest.raises(CourseError, match=message):
        separate_cells(labels, width_px=width_px)
