"""A folder of B-scans by class and patient, on files that the tests write."""

import numpy as np
import pytest
from PIL import Image

from medcourse.datasets import cut_patches, flatten_retina, make_oct, read_kermany
from medcourse.datasets.kermany import CLASSES, DEPTH_UM, find_membrane
from medcourse.datasets.oct_layers import NAMES
from medcourse.errors import CourseError


def write(root, place, patient, number, level=0):
    folder, kind = root / place, place.split("/")[1]
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.full((70, 80), level, np.uint8)
    Image.fromarray(pixels).save(folder / f"{kind}-{patient}-{number}.png")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "OCT2017"
    for i, kind in enumerate(CLASSES):
        for patient in range(4):
            for number in range(3):
                write(root, f"train/{kind}", 100 * i + patient, number, level=10 * i + patient)
        write(root, f"test/{kind}", 100 * i + 50, 1, level=200)
    return tmp_path


def test_classes_patients_and_pixels_of_both_splits(folder):
    scans = read_kermany(folder)
    assert len(scans.train.images) == 48
    assert len(scans.test.images) == 4
    assert sorted(set(scans.train.classes)) == sorted(CLASSES)
    drusen = [i for i, kind in enumerate(scans.train.classes) if kind == "DRUSEN"]
    assert {scans.train.patients[i] for i in drusen} == {"200", "201", "202", "203"}
    for image, name in zip(scans.train.images, scans.train.names, strict=True):
        kind, patient, _ = name.split("-")
        np.testing.assert_array_equal(image, 10 * CLASSES.index(kind) + int(patient) % 100)
    assert "48 images of 16 patients in train" in scans.DESCR


def test_a_patient_of_both_splits_is_only_tested(folder):
    write(folder / "OCT2017", "test/NORMAL", 301, 9)
    scans = read_kermany(folder)
    assert "301" in scans.test.patients
    assert "301" not in scans.train.patients
    assert not set(scans.train.patients) & set(scans.test.patients)
    assert "1 patients of both" in scans.DESCR


def test_fewer_images_are_those_of_few_patients(folder):
    scans = read_kermany(folder, most_per_class=6, seed=1)
    assert [scans.train.classes.count(kind) for kind in CLASSES] == [6, 6, 6, 6]
    assert len(set(scans.train.patients)) == 8
    again = read_kermany(folder, most_per_class=6, seed=1)
    assert scans.train.names == again.train.names
    assert scans.train.names != read_kermany(folder, most_per_class=6, seed=2).train.names


def test_what_is_amiss_is_named(folder, tmp_path):
    with pytest.raises(CourseError, match="found none at"):
        read_kermany(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="is it unpacked"):
        read_kermany(tmp_path / "empty")
    (tmp_path / "hollow" / "train").mkdir(parents=True)
    (tmp_path / "hollow" / "test").mkdir()
    with pytest.raises(CourseError, match="expected images in CNV"):
        read_kermany(tmp_path / "hollow")
    odd = folder / "OCT2017" / "train" / "DME" / "image7.png"
    odd.write_bytes(b"not a picture")
    with pytest.raises(CourseError, match=r"image7.png: expected a name such as DME-12345-1.jpeg"):
        read_kermany(folder)
    odd.rename(odd.with_name("DME-7-1.png"))
    with pytest.raises(CourseError, match=r"DME-7-1.png: expected a picture"):
        read_kermany(folder, most_per_class=None)


@pytest.mark.parametrize("lesions", [(), ("subretinal fluid",), ("intraretinal fluid",), ("hyperreflective foci",)])
def test_the_membrane_is_found_within_a_pixel_or_two(lesions):
    scan = make_oct(lesions=lesions, seed=12)
    healthy = make_oct(seed=12).boundaries_um[NAMES.index("retinal pigment epithelium")]
    error_um = find_membrane(scan.image) * DEPTH_UM / 496 - healthy
    assert np.abs(error_um).max() < 8


def test_a_scan_is_flattened_to_the_scale_of_the_patches():
    scan = make_oct(seed=11)
    flat = flatten_retina((255 * scan.image).astype(np.uint8))
    assert flat.shape == (64, 375)
    brightest = flat[47:].argmax(axis=0) + 47  # the ellipsoid zone above, row 45, is as bright
    assert np.mean(np.abs(brightest - 50) <= 2) > 0.9, "the epithelium lies just above row 52 from left to right"
    patches = cut_patches([flat, flat], per_slice=3)
    assert patches.shape == (6, 64, 64)
    np.testing.assert_array_equal(patches[2], flat[:, -64:])


def test_white_corners_are_no_retina():
    scan = (255 * make_oct(seed=11).image).astype(np.uint8)
    cornered = scan.copy()
    cornered[:60, :200] = 255
    cornered[-90:] = 255
    np.testing.assert_allclose(flatten_retina(cornered)[:, 210:], flatten_retina(scan)[:, 210:], atol=0.12)
    with pytest.raises(CourseError, match="grey B-scan"):
        flatten_retina(np.zeros((20, 80)))
