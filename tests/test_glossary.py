"""The glossary is in order, plain, and says only what the units teach."""

import re
from collections import Counter
from pathlib import Path

import pytest

from medcourse import glossary
from medcourse.units import UNITS

ROOT = Path(__file__).resolve().parents[1]
SLUGS = [unit.slug for unit in UNITS]


def test_terms_are_sorted_and_none_is_doubled():
    names = [term.term.casefold() for term in glossary.terms()]
    assert names == sorted(names)
    called = names + [term.short.casefold() for term in glossary.terms() if term.short]
    assert [name for name, count in Counter(called).items() if count > 1] == []


def test_every_unit_has_terms_and_every_term_a_unit():
    counts = Counter(term.unit for term in glossary.terms())
    assert set(counts) == set(SLUGS)
    assert min(counts.values()) >= 3
    assert len(glossary.terms()) >= 60


@pytest.mark.parametrize("term", glossary.terms(), ids=lambda term: term.term)
def test_a_meaning_is_one_or_two_plain_sentences_that_do_not_lean_on_the_term_alone(term):
    assert term.meaning.endswith(".")
    assert 1 <= len(re.findall(r"[.?!](?: |$)", term.meaning)) <= 3
    assert 5 <= len(term.meaning.split()) <= 35
    assert not term.meaning.casefold().startswith(term.term.casefold())


@pytest.mark.parametrize("slug", SLUGS)
def test_the_unit_named_for_a_term_speaks_of_it(slug):
    files = [ROOT / folder / f"{slug}.py" for folder in ("course", "solutions")]
    text = " ".join(re.sub(r"\s*\n# ?", " ", file.read_text()) for file in files).casefold()
    missing = [
        term.term
        for term in glossary.terms()
        if term.unit == slug
        # Words are cut to their stems: augmented, augments.
        and not all(word[:6] in text for word in re.findall(r"[a-z0-9@.]+", term.term.casefold()))
        and not (term.short and term.short.casefold() in text)
    ]
    assert missing == []


def test_finding_goes_from_names_to_meanings():
    assert [term.unit for term in glossary.find("  dice ")] == ["02_challenges"]
    assert [term.term for term in glossary.find("FROC")] == ["free-response curve"]
    assert {"fold", "Jacobian determinant", "diffeomorphism"} <= {term.term for term in glossary.find("fold")} | {
        term.term for term in glossary.find("folds")
    }
    assert glossary.find("homeopathy") == []


def test_a_table_links_every_term_to_its_lesson():
    assert glossary.table().count(".ipynb)") == len(glossary.terms())
    only = glossary.table("10_unet")
    assert set(re.findall(r"\((\w+)\.ipynb\)", only)) == {"10_unet"}
    assert all(line.count(" | ") == 2 for line in glossary.table().splitlines()[2:]), "no bar ends a cell too early"
