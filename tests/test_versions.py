"""pyproject.toml, constraints.txt and environment.yml name the same packages at the same versions."""

import itertools
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import qt_core

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    """Exact pins ``name==version``, by normalised name; a line that is no exact pin is an error."""
    found = {}
    for line in lines:
        name, separator, version = line.partition("==")
        assert separator, f"{line!r} is not pinned with =="
        assert normal(name) not in found, f"{name} is pinned twice"
        found[normal(name)] = version
    return found


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


CONSTRAINTS = pins(constraint_lines())
EXTRAS = PROJECT["optional-dependencies"]


def name_of(requirement: str) -> str:
    return normal(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *itertools.chain(*EXTRAS.values())])
def test_every_dependency_has_an_exact_version(requirement):
    name = name_of(requirement)
    assert name in CONSTRAINTS, f"{name} stands in pyproject.toml but not in constraints.txt"
    if "==" in requirement:
        assert requirement.partition("==")[2] == CONSTRAINTS[name]


def test_environment_pins_what_make_installs():
    pip = next(entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict))
    environment = pins([line for line in pip if not line.startswith("-")])
    wanted = [name_of(r) for r in PROJECT["dependencies"] + EXTRAS["dev"] + EXTRAS["peers"] + EXTRAS["models"]] + [
        "torch"
    ]
    assert environment == {name: CONSTRAINTS[name] for name in wanted}
    assert "-c constraints.txt" in pip
    assert "-e ." in pip


def test_environment_python_is_allowed():
    python = next(d for d in ENVIRONMENT["dependencies"] if isinstance(d, str) and d.startswith("python="))
    assert python == "python=3.11"
    assert PROJECT["requires-python"] == ">=3.11,<3.13"


def test_no_build_tag_and_no_address():
    text = "".join((ROOT / name).read_text() for name in ("constraints.txt", "environment.yml", "pyproject.toml"))
    assert "+cpu" not in text
    assert "://" not in text


def test_one_version_of_the_project():
    assert PROJECT["version"] == qt_core.__version__
