"""pyproject.toml, constraints.txt and environment.yml say the same thing."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
EVERYTHING = [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
# What a build of torch for NVIDIA's devices pins by itself.
CUDA = re.compile(r"nvidia-|cuda-|triton$")


def pins(lines):
    pinned = (Requirement(line) for line in lines if "==" in line)
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in pinned}


CONSTRAINTS = pins(line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("text", EVERYTHING)
def test_constraint_is_a_version_that_pyproject_allows(text):
    requirement = Requirement(text)
    assert CONSTRAINTS[canonicalize_name(requirement.name)] in requirement.specifier


def test_constraints_name_everything_that_is_pulled_in():
    seen, todo = set(), [Requirement(text) for text in EVERYTHING]
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen or CUDA.match(key[0]):
            continue
        seen.add(key)
        for text in importlib.metadata.requires(requirement.name) or []:
            child = Requirement(text)
            extras = requirement.extras or {""}
            if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(child)
    pulled_in = {name for name, _ in seen}
    if sys.platform == "linux":
        assert pulled_in <= CONSTRAINTS.keys()
    assert {canonicalize_name(Requirement(text).name) for text in PROJECT["dependencies"]} <= pulled_in


def test_constraints_suit_the_oldest_python_that_pyproject_allows():
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    refusing = []
    for distribution in importlib.metadata.distributions():
        wanted = distribution.metadata.get("Requires-Python")
        pinned = CONSTRAINTS.get(canonicalize_name(distribution.name)) == distribution.version
        if pinned and wanted and oldest not in SpecifierSet(wanted):
            refusing.append((distribution.name, wanted))
    assert refusing == []


def test_constraints_hold_no_build_of_one_machine():
    assert [version for version in CONSTRAINTS.values() if "+" in version] == []


def test_conda_gets_the_same_direct_dependencies_in_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (lines,) = [each["pip"] for each in environment["dependencies"] if isinstance(each, dict)]
    direct = {
        canonicalize_name(Requirement(text).name)
        for text in [*PROJECT["dependencies"], *EXTRAS["itk"], *EXTRAS["site"]]
    }
    assert pins(lines) == {name: CONSTRAINTS[name] for name in direct}
    assert [line for line in lines if "==" not in line] == ["-c constraints.txt", "-e ."]
