from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from recbole_kgif.doctor import environment, smoke_training
from recbole_kgif.doctor.environment import (
    examine_environment,
    examine_versions,
    needed_packages,
)
from recbole_kgif.doctor.findings import Finding, Level, has_problem
from recbole_kgif.doctor.smoke_training import examine_training

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("2.0.0", Level.OK),
        ("2.13.0+cpu", Level.OK),
        ("2.8.0+cu126", Level.OK),
        ("2.14.0", Level.WARNING),
        ("1.13.1", Level.WARNING),
        (None, Level.PROBLEM),
    ],
)
def test_a_version_is_compared_with_its_range(version: Any, level: Level) -> None:
    (finding,) = needed_packages(["torch<=2.13.0,>=2.0"], lambda _: version)
    assert finding.level is level
    if version is not None:
        assert finding.value == f"{version} (needed: >=2.0, <=2.13.0)"
    if level is not Level.OK:
        assert 'pip install "torch<=2.13.0,>=2.0"' in finding.advice


def test_packages_of_extras_and_of_other_pythons_are_not_needed() -> None:
    requirements = [
        "numpy<2",
        'optuna>=4; extra == "tune"',
        'tomli; python_version < "3"',
    ]
    assert [f.what for f in needed_packages(requirements, lambda _: "1.0")] == ["numpy"]


class Metadata(dict[str, str]):
    """As much of a distribution's metadata as is read."""

    def get_all(self, _: str) -> list[str]:
        return [f"Programming Language :: Python :: {v}" for v in ("3", "3.9", "3.14")]


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("3.8.18", Level.PROBLEM),
        ("3.9.0", Level.OK),
        ("3.14.8", Level.OK),
        ("3.15.0rc1", Level.WARNING),
    ],
)
def test_python_is_compared_with_what_is_needed_and_tested(
    version: str, level: Level, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Metadata({"Version": "1.2.3", "Requires-Python": ">=3.9"})
    monkeypatch.setattr(metadata, "metadata", lambda _: own)
    monkeypatch.setattr(metadata, "requires", lambda _: ["numpy>=99"])
    monkeypatch.setattr(environment.platform, "python_version", lambda: version)
    package, python, numpy, *_ = examine_versions()
    assert (package.value, package.level) == ("1.2.3", Level.OK)
    assert python.value == f"{version} (needed: >=3.9; tested up to 3.14)"
    assert python.level is level
    assert numpy.level is Level.WARNING


def without_ray(
    monkeypatch: pytest.MonkeyPatch,
    python: tuple[int, int],
    versions: dict[str, str],
) -> dict[str, Finding]:
    """What is found of RecBole and ray, by name."""
    monkeypatch.setattr(environment.sys, "version_info", python)
    monkeypatch.setattr(environment, "installed_version", versions.get)
    return {finding.what: finding for finding in environment._without_ray()}


def test_the_ray_that_recbole_requires_is_explained_where_it_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recbole = {"recbole": "1.2.1"}
    assert without_ray(monkeypatch, (3, 11), recbole) == {}
    for ray, said in (
        ("2.6.3+none", "2.6.3+none, an empty package in its place"),
        ("2.50.0", "2.50.0"),
    ):
        found = without_ray(monkeypatch, (3, 12), {**recbole, "ray": ray})
        assert set(found) == {"ray"}
        assert (found["ray"].value, found["ray"].level) == (said, Level.OK)
    found = without_ray(monkeypatch, (3, 14), recbole)
    assert (found["ray"].value, found["ray"].level) == ("not installed", Level.OK)


def test_a_missing_recbole_is_a_problem_with_a_command_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = without_ray(monkeypatch, (3, 13), {})
    assert found["RecBole"].level is Level.PROBLEM
    assert found["RecBole"].advice == "Run pip install --no-deps recbole==1.2.1."


def test_a_checkout_that_is_not_installed_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "metadata", missing)
    found = {finding.what: finding for finding in examine_versions()}
    assert found["recbole-kgif"].level is Level.NOTE
    assert found["torch"].value == metadata.version("torch")


def test_the_ranges_of_this_checkout_admit_what_is_tested_here() -> None:
    text = PYPROJECT.read_text("utf-8")
    listed = text.split("\ndependencies = [")[1].split("\n]")[0].splitlines()
    requirements = [
        line.strip().strip('",') for line in listed if line.strip().startswith('"')
    ]
    requirements = [text for text in requirements if not text.startswith("ray")]
    names = {Requirement(text).name for text in requirements}
    assert {"recbole", "torch", "numpy", "pandas", "scipy", "packaging"} <= names
    findings = needed_packages(requirements, environment.installed_version)
    assert {finding.level for finding in findings} == {Level.OK}


def test_the_environment_of_the_tests_has_no_problem() -> None:
    found = {finding.what: finding for finding in examine_environment()}
    assert not has_problem(found.values())
    assert {"devices", "threads", "free memory", "free disk space"} <= set(found)
    shims = found["workarounds for RecBole"]
    assert (shims.number == 0) is (shims.value == "none")


def test_a_library_that_does_not_import_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = {finding.what: finding for finding in examine_environment()}
    for what in ("devices", "threads", "free memory"):
        assert found[what].level is Level.PROBLEM
        assert "torch" in found[what].meaning
    assert found["free disk space"].level is Level.OK


def test_little_room_and_many_threads_are_warnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "_LEAST_DISK", 2**70)
    monkeypatch.setattr(environment, "_LEAST_MEMORY", 2**70)
    monkeypatch.setattr(environment, "_cores", lambda: 0)
    found = {finding.what: finding for finding in examine_environment()}
    for what in ("free memory", "free disk space", "threads"):
        assert found[what].level is Level.WARNING
        assert found[what].advice


# --- training -----------------------------------------------------------------------


def test_two_steps_of_training(in_tmp_path: Path) -> None:
    finding = examine_training()
    assert finding.level is Level.OK, finding
    assert finding.number is not None
    assert 0 < finding.number < 60
    assert list(in_tmp_path.iterdir()) == []


def test_training_takes_two_steps(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_kgif.model.fast_kgif import KGIF

    steps = []
    calculate_loss = KGIF.calculate_loss

    def counting(self: Any, interaction: Any) -> Any:
        steps.append(len(interaction))
        return calculate_loss(self, interaction)

    monkeypatch.setattr(KGIF, "calculate_loss", counting)
    assert len(smoke_training._train()) >= 2
    assert len(steps) == 2


def test_a_training_that_fails_is_a_problem(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[float]:
        raise RuntimeError("no\nluck")

    monkeypatch.setattr(smoke_training, "_train", fail)
    finding = examine_training()
    assert finding.level is Level.PROBLEM
    assert finding.meaning == "RuntimeError: no luck."
    monkeypatch.setattr(smoke_training, "_train", lambda: [1.0, float("nan")])
    assert examine_training().level is Level.PROBLEM
