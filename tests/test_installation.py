"""What the wheels require, and the package in place of ray."""

from __future__ import annotations

import re
import sys
import zipfile
from email import message_from_string
from importlib import metadata
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from recbole_kgif.compat.without_ray import INSTALL_RECBOLE

pytestmark = pytest.mark.versions

CHECKOUT = Path(__file__).parents[1]
NO_RAY = CHECKOUT / "installation" / "no-ray"


def names(requirements: list[Requirement], python: str) -> set[str]:
    """The packages that are required on a Python, without those of extras."""
    environment = {"python_version": python, "extra": ""}
    return {
        requirement.name
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


@pytest.fixture(scope="module")
def required(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Requirement]]:
    """What the two kinds of wheel require."""
    found = {}
    for kind in ("standard", "editable"):
        folder = tmp_path_factory.mktemp(kind)
        (wheel,) = WheelBuilder(str(CHECKOUT)).build(
            directory=str(folder), versions=[kind]
        )
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
            text = archive.read(name).decode()
        lines = message_from_string(text).get_all("Requires-Dist") or []
        found[kind] = [Requirement(line) for line in lines]
    return found


def required_by_recbole() -> list[Requirement]:
    return [Requirement(text) for text in metadata.requires("recbole") or []]


def test_a_wheel_to_publish_names_no_address(
    required: dict[str, list[Requirement]],
) -> None:
    assert [r.name for r in required["standard"] if r.url is not None] == []


@pytest.mark.parametrize("python", ["3.9", "3.11"])
def test_a_wheel_requires_recbole_where_ray_has_a_build(
    python: str, required: dict[str, list[Requirement]]
) -> None:
    found = names(required["standard"], python)
    assert "recbole" in found
    assert "ray" not in found


@pytest.mark.parametrize("python", ["3.12", "3.14"])
def test_a_wheel_requires_what_recbole_does_but_for_ray_where_it_has_none(
    python: str, required: dict[str, list[Requirement]]
) -> None:
    found = names(required["standard"], python)
    by_recbole = names(required_by_recbole(), python)
    assert "ray" in by_recbole
    assert by_recbole - {"ray", "scikit_learn"} <= found | {"scikit-learn"}
    assert not found & {"ray", "recbole"}


def test_the_ranges_that_stand_for_recbole_are_its_own(
    required: dict[str, list[Requirement]],
) -> None:
    own = {r.name.replace("_", "-"): r.specifier for r in required_by_recbole()}
    standing = {
        r.name: r.specifier
        for r in required["standard"]
        if "python_version >=" in str(r.marker) and "extra" not in str(r.marker)
    }
    for name in set(standing) & set(own) - {"numpy"}:
        assert standing[name] == own[name], name
    (recbole,) = (r for r in required["standard"] if r.name == "recbole")
    installed = INSTALL_RECBOLE.rpartition("==")[2]
    assert recbole.specifier.contains(installed)


def test_an_editable_wheel_requires_recbole_and_the_package_in_place_of_ray(
    required: dict[str, list[Requirement]],
) -> None:
    assert "ray" not in names(required["editable"], "3.11")
    assert {"recbole", "ray"} <= names(required["editable"], "3.12")
    (ray,) = (r for r in required["editable"] if r.name == "ray")
    assert ray.url == NO_RAY.as_uri()


def test_the_package_in_place_of_ray_meets_recboles_requirement() -> None:
    text = (NO_RAY / "pyproject.toml").read_text("utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', text, re.M)
    (ray,) = (r for r in required_by_recbole() if r.name == "ray")
    assert ray.specifier.contains(version)
    project = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    assert 'ray = { path = "installation/no-ray"' in project


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the real ray is installed here")
def test_what_is_installed_in_place_of_ray_does_not_import() -> None:
    with pytest.raises(ModuleNotFoundError, match="ray"):
        __import__("ray")
