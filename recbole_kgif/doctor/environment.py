"""Diagnostics of the installation: versions, shims, devices, memory."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Optional

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from recbole_kgif.compat.shim import installed_version
from recbole_kgif.compat.without_ray import INSTALL_RECBOLE, NO_RAY_SINCE
from recbole_kgif.doctor.findings import Finding, Level

PACKAGE = "recbole-kgif"

# Packages that results depend on, listed even if their ranges are unknown.
_NAMED_PACKAGES: tuple[str, ...] = ("recbole", "torch", "numpy", "pandas", "scipy")

_GIBIBYTE = 2**30
_LEAST_MEMORY = 2 * _GIBIBYTE
_LEAST_DISK = _GIBIBYTE


def examine_environment() -> list[Finding]:
    """Examine the installation, without training."""
    return [
        *examine_versions(),
        _guarded("devices", _devices),
        _guarded("threads", _threads),
        _guarded("workarounds for RecBole", _shims),
        _guarded("free memory", _memory),
        _disk(Path.cwd()),
    ]


def examine_versions() -> list[Finding]:
    """Compare Python and the required packages with the ranges that are needed."""
    try:
        own = metadata.metadata(PACKAGE)
    except metadata.PackageNotFoundError:
        required = _NAMED_PACKAGES
        package = Finding(
            PACKAGE,
            "not installed",
            Level.NOTE,
            "It runs from a checkout, so the version ranges are unknown.",
            "To compare versions, run pip install -e . in the checkout.",
        )
        python = Finding("Python", platform.python_version())
    else:
        required = tuple(
            text
            for text in metadata.requires(PACKAGE) or ()
            if Requirement(text).name != "ray"
        )
        package = Finding(PACKAGE, own["Version"])
        python = _python(own["Requires-Python"], own.get_all("Classifier") or [])
    packages = needed_packages(required, installed_version)
    return [package, python, *packages, *_without_ray()]


def _without_ray() -> list[Finding]:
    """RecBole and ray on a Python that has no ray which RecBole accepts."""
    if sys.version_info < NO_RAY_SINCE:
        return []
    value = installed_version("ray") or "not installed"
    if value.endswith("+none"):
        value += ", an empty package in its place"
    ray = Finding(
        "ray",
        value,
        meaning="RecBole 1.2.1 requires a version that has no build for this Python, "
        "but uses it only in objective_function; RecBole is imported without it.",
    )
    if installed_version("recbole") is not None:
        return [ray]
    missing = Finding(
        "RecBole",
        "missing",
        Level.PROBLEM,
        "The package needs it, and a wheel cannot require it on this Python.",
        f"Run {INSTALL_RECBOLE}.",
    )
    return [missing, ray]


def needed_packages(
    requirements: Iterable[str], version_of: Callable[[str], Optional[str]]
) -> list[Finding]:
    """Compare the versions of packages with ranges.

    Args:
        requirements: in the form of a package's metadata; extras are left out.
        version_of: version of an installed package, None if it is missing.

    Returns:
        A finding per package.
    """
    return [
        _package(requirement, version_of(requirement.name))
        for requirement in map(Requirement, requirements)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]


def _package(requirement: Requirement, version: Optional[str]) -> Finding:
    name, needed = requirement.name, requirement.specifier
    command = f'Run pip install "{name}{needed}".'
    if version is None:
        return Finding(name, "missing", Level.PROBLEM, "The package needs it.", command)
    value = f"{version} (needed: {_in_words(needed)})" if needed else version
    if needed.contains(version, prereleases=True):
        return Finding(name, value)
    return Finding(
        name,
        value,
        Level.WARNING,
        "This version is outside the range that the package needs.",
        command,
    )


def _python(needed: str, classifiers: Iterable[str]) -> Finding:
    """Compare this Python with the supported and with the tested versions.

    Args:
        needed: the range in the package's metadata.
        classifiers: of the metadata, which name each tested version.
    """
    version = platform.python_version()
    tested = [
        (int(major), int(minor))
        for text in classifiers
        for major, minor in re.findall(r"^Programming .* :: (\d+)\.(\d+)$", text)
    ]
    newest = ".".join(map(str, max(tested)))
    value = f"{version} (needed: {needed}; tested up to {newest})"
    if not SpecifierSet(needed).contains(version, prereleases=True):
        return Finding(
            "Python",
            value,
            Level.PROBLEM,
            "The package and what it needs have no release for this version.",
            "Make an environment with a tested version.",
        )
    if Version(version).release[:2] > max(tested):
        return Finding(
            "Python",
            value,
            Level.WARNING,
            "This version is newer than the tested ones.",
            "If something fails, make an environment with a tested version.",
        )
    return Finding("Python", value)


def _in_words(ranges: SpecifierSet) -> str:
    """The range with its lower bound first."""
    return ", ".join(sorted(map(str, ranges), key=lambda text: text[0] != ">"))


def _guarded(what: str, examine: Callable[[], Finding]) -> Finding:
    """A finding that needs PyTorch or RecBole, or their failure."""
    try:
        return examine()
    except Exception as error:
        # Any failure is the finding.
        return Finding(
            what,
            "unknown",
            Level.PROBLEM,
            f"{type(error).__name__}: {' '.join(str(error).split())}.",
            f"Install versions within the ranges of {PACKAGE}: pip install {PACKAGE}.",
        )


def _devices() -> Finding:
    import torch

    numbers = range(torch.cuda.device_count())
    names = [torch.cuda.get_device_name(number) for number in numbers]
    if names:
        return Finding("devices", f"CPU, {', '.join(names)}", number=len(names))
    processor = f"CPU ({platform.processor() or platform.machine()})"
    meaning = "No GPU was found; none is needed."
    return Finding("devices", processor, meaning=meaning, number=0)


def _threads() -> Finding:
    import torch

    threads, cores = torch.get_num_threads(), _cores()
    value = f"{threads} of PyTorch, {cores} cores available"
    if threads <= cores:
        return Finding("threads", value, number=threads)
    return Finding(
        "threads",
        value,
        Level.WARNING,
        "More threads than cores slow down training.",
        f"Set the environment variable OMP_NUM_THREADS={cores}.",
        threads,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _shims() -> Finding:
    from recbole_kgif.compat import SHIMS, apply_shims

    active = apply_shims()
    reasons: Mapping[str, str] = {shim.name: shim.reason for shim in SHIMS}
    return Finding(
        "workarounds for RecBole",
        ", ".join(active) or "none",
        meaning="; ".join(f"{name}: {reasons[name]}" for name in active),
        number=len(active),
    )


def _memory() -> Finding:
    import torch

    from recbole_kgif.training.preflight import available_memory

    free = available_memory(torch.device("cpu"))
    return _room(
        "free memory",
        free,
        _LEAST_MEMORY,
        "The system may kill a run on a large graph.",
        "Close other programs, or use a smaller embedding_size and train_batch_size.",
    )


def _disk(folder: Path) -> Finding:
    return _room(
        "free disk space",
        shutil.disk_usage(folder).free,
        _LEAST_DISK,
        "Checkpoints and logs may not fit.",
        "Free some space, or choose a folder on another disk with --output.",
    )


def _room(what: str, free: int, least: int, meaning: str, advice: str) -> Finding:
    value = f"{free / _GIBIBYTE:,.1f} GiB"
    if free >= least:
        return Finding(what, value, number=free)
    return Finding(what, value, Level.WARNING, meaning, advice, free)
