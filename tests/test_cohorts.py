"""Simulated cohorts: what is alike within a patient, what the knobs do, and that zero strength is identity."""

import numpy as np
import pytest

from medcourse.datasets.cohorts import make_disease, make_patients, make_treatment, nodule_pair
from medcourse.errors import CourseError


def between_over_within(cohort, images_per_patient):
    """How much patients differ, over how much images of a patient do, in lung density."""
    means = np.median(cohort.images.reshape(len(cohort.images), -1), axis=1).reshape(-1, images_per_patient)
    return means.mean(1).var() / means.var(1).mean()


def test_images_of_a_patient_are_more_alike_than_patients():
    assert between_over_within(make_patients(12, images_per_patient=4, seed=1), 4) > 10
    assert between_over_within(make_patients(12, images_per_patient=4, subject_sd=0.0, seed=1), 4) < 2


def test_labels_are_the_patients_and_balanced_from_the_start():
    cohort = make_patients(10, images_per_patient=3, seed=2)
    by_patient = cohort.labels.reshape(10, 3)
    assert (by_patient == by_patient[:, :1]).all()
    np.testing.assert_array_equal(np.cumsum(by_patient[:, 0])[1::2], np.arange(1, 6))
    np.testing.assert_array_equal(cohort.patients, np.repeat(np.arange(10), 3))
    assert make_patients(10, malignant_share=0.0).labels.sum() == 0
    assert make_patients(10, malignant_share=1.0, images_per_patient=1).labels.sum() == 10


def test_malignant_nodules_have_more_spikes_only_if_the_label_has_an_effect():
    def spikes(cohort):
        rim = [
            np.abs(np.diff(m.astype(int), axis=0)).sum() + np.abs(np.diff(m.astype(int))).sum() for m in cohort.masks
        ]
        ratio = np.array(rim) / np.sqrt(cohort.masks.sum((1, 2)))
        return ratio[cohort.labels == 1].mean() - ratio[cohort.labels == 0].mean()

    strong = spikes(make_patients(40, images_per_patient=1, label_effect=2.0, seed=3))
    none = spikes(make_patients(40, images_per_patient=1, label_effect=0.0, seed=3))
    assert strong > 5 * abs(none)


def test_a_patient_does_not_depend_on_how_many_there_are():
    few, many = make_patients(4, seed=5), make_patients(8, seed=5)
    np.testing.assert_array_equal(
        few.images[few.labels == many.labels[:24]], many.images[:24][few.labels == many.labels[:24]]
    )
    np.testing.assert_array_equal(few.labels, many.labels[:24])


def test_attenuation_is_that_of_lung_and_soft_tissue_and_noise_is_as_asked():
    clean = make_patients(6, images_per_patient=1, noise_hu=0.0, seed=6)
    noisy = make_patients(6, images_per_patient=1, noise_hu=30.0, seed=6)
    assert -1000 < np.median(clean.images) < -700
    assert -100 < np.median(clean.images[clean.masks]) < 120
    assert 24 < (noisy.images - clean.images).std() < 36


def test_the_nodule_is_as_large_as_asked():
    cohort = make_patients(40, images_per_patient=4, label_effect=0.0, diameter_mm=12, seed=7)
    diameter = 2 * np.sqrt(cohort.masks.sum((1, 2)) / np.pi) * cohort.spacing_mm
    assert 10 < np.median(diameter) < 14  # slices off the centre are smaller, spicules add


def test_a_quarter_less_volume_is_nine_percent_less_diameter():
    same = nodule_pair(0.0, seed=4)
    np.testing.assert_array_equal(*same)
    before, after = (np.count_nonzero(image > -300) for image in nodule_pair(-50.0, seed=4))
    # Area goes with the volume to the power of 2/3; vessels and spicules round about stay.
    assert 0.5 ** (2 / 3) - 0.05 < after / before < 0.85


def test_each_subtype_loses_in_its_region_and_pooling_divides_the_effect():
    study = make_disease(6000, atrophy_sd=1.2, seed=1)
    for subtype in range(3):
        loss = -study.volumes[study.subtypes == subtype].mean(0)
        np.testing.assert_allclose(loss, 1.2 * np.eye(3)[subtype], atol=0.07)
    np.testing.assert_allclose(-study.volumes[study.is_patient].mean(0), 0.4, atol=0.05)
    healthy = study.volumes[~study.is_patient]
    np.testing.assert_allclose(healthy.std(0), 1, atol=0.03)
    np.testing.assert_allclose(np.corrcoef(healthy.T)[0, 1], 0.3, atol=0.04)


def test_without_atrophy_patients_are_controls():
    study = make_disease(4000, atrophy_sd=0.0, seed=2)
    np.testing.assert_allclose(study.volumes[study.is_patient].mean(0), 0, atol=0.06)


def test_without_error_measurements_are_true_and_change_is_the_response():
    trial = make_treatment(40, response_percent=-25.0, error_percent=0.0, seed=1)
    np.testing.assert_allclose(trial.before, trial.true_before[:, None].repeat(2, 1))
    np.testing.assert_allclose(trial.after / trial.before[:, 0] - 1, np.where(trial.responds, -0.25, 0))
    assert trial.responds.sum() == 20


def test_two_scans_of_a_tumour_differ_by_root_two_errors():
    trial = make_treatment(20000, error_percent=9.0, seed=2)
    d = np.log(trial.before[:, 1] / trial.before[:, 0])
    assert d.std() == pytest.approx(0.09 * np.sqrt(2), rel=0.03)
    assert np.exp(1.96 * d.std()) - 1 == pytest.approx(0.28, abs=0.02)


@pytest.mark.parametrize(
    ("make", "knobs", "message"),
    [
        (make_patients, {"n_patients": 1}, "n_patients must lie in"),
        (make_patients, {"malignant_share": 1.2}, "malignant_share must lie in"),
        (make_disease, {"n_subtypes": 4}, "n_subtypes must lie in"),
        (make_treatment, {"response_percent": -100.0}, "response_percent must lie in"),
    ],
)
def test_refuses_what_is_out_of_range(make, knobs, message):
    with pytest.raises(CourseError, match=message):
        make(**knobs)
