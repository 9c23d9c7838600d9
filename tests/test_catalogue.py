import re

import pandas as pd
import pytest

from medcourse import datasets
from medcourse.datasets import CATALOGUE, catalogue, find_datasets, load_catalogue
from medcourse.errors import CourseError

TABLE = load_catalogue()
OF_THE_COURSE = {
    *("X-ray", "mammography", "CT", "MR", "PET/CT", "ultrasound", "OCT", "fundus photography", "histology"),
    *("microscopy", "flow cytometry", "robot kinematics"),
}


def test_there_are_many_each_once_and_complete():
    assert len(TABLE) >= 45
    assert TABLE["name"].is_unique
    filled = TABLE.drop(columns=["doi", "loader", "size_gb"])
    assert not filled.isna().any(axis=None)
    texts = filled.select_dtypes(exclude=["number", "bool"]).drop(columns="units")
    assert (texts.map(len) > 0).all(axis=None)
    assert (texts == texts.map(str.strip)).all(axis=None)


def test_words_are_those_of_the_vocabularies():
    assert set(TABLE.modality) <= set(catalogue.MODALITIES)
    assert set(TABLE.task) <= set(catalogue.TASKS)
    assert set(TABLE.access) <= set(catalogue.ACCESS)
    assert set(TABLE.evidence) <= set(catalogue.EVIDENCE)


def test_every_modality_and_every_unit_of_the_course_has_data():
    assert set(TABLE.modality) >= OF_THE_COURSE
    numbers = {unit[:2] for units in TABLE.units for unit in units}
    assert numbers == {f"{number:02d}" for number in range(1, 21)}
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", unit) for units in TABLE.units for unit in units)


def test_addresses_dois_dates_and_numbers_have_their_form():
    assert TABLE.url.str.fullmatch(r"https?://\S+").all()
    with_doi = TABLE[TABLE.doi != ""]
    assert with_doi.doi.str.fullmatch(r"10\.\d{4,9}/\S+").all()
    assert len(TABLE) - len(with_doi) <= 3
    assert (pd.to_datetime(TABLE.checked, format="%Y-%m-%d") <= pd.Timestamp("2026-11-30")).all()
    assert (TABLE.cases > 0).all()
    assert (TABLE.size_gb.dropna() > 0).all()
    assert TABLE.citation.str.contains(r"(?:19|20)\d\d").all(), "a citation has a year"


def test_loaders_exist_and_units_with_a_reader_are_named():
    for name in filter(None, TABLE.loader):
        assert callable(getattr(datasets, name)), name
    assert (TABLE.loader != "").sum() >= 15


def test_downloads_are_rows_of_the_table():
    assert set(TABLE.loc[TABLE.download, "name"]) == set(CATALOGUE)
    row = TABLE.set_index("name").loc["DIC-C2DH-HeLa"]
    entry = CATALOGUE["DIC-C2DH-HeLa"]
    assert (entry.licence, entry.units, entry.reader, entry.size_mb) == (row.licence, row.units, row.loader, 42)


def test_data_sets_are_found_by_any_question():
    assert set(find_datasets(modality="oct").name) == {"OCTMNIST", "Kermany", "RETOUCH"}
    assert "VISCERAL Anatomy3" in set(find_datasets(access="gone").name)
    assert set(find_datasets(text="LYMPH", modality="CT").name) == {"CT Lymph Nodes"}
    assert find_datasets(unit="15_surgical_rnn", modality="robot kinematics").name.tolist() == ["JIGSAWS"]
    assert find_datasets(unit="15", text="jigsaws").loader.tolist() == ["read_jigsaws"]
    small = find_datasets(largest_gb=0.05)
    assert (small.size_gb <= 0.05).all()
    assert "PneumoniaMNIST" in set(small.name)
    assert len(find_datasets(modality="signals", access="gone")) == 0
    assert len(find_datasets(modality="signals", access="gone", text="x")) == 0
    with pytest.raises(CourseError, match="no modality is called 'xray'; there are X-ray, mammography"):
        find_datasets(modality="xray")
