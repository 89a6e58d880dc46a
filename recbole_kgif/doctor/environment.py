"""The installation: versions, shims, devices, memory."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Optional

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from recbole_kgif.doctor.findings import Finding, Level

PACKAGE = "recbole-kgif"

# Those that results depend on, named also where their ranges are unknown.
_NAMED_PACKAGES = ("recbole", "torch", "numpy", "pandas", "scipy")

_GIBIBYTE = 2**30
_LEAST_MEMORY = 2 * _GIBIBYTE
_LEAST_DISK = _GIBIBYTE


def examine_environment() -> list[Finding]:
    """Everything about the installation that can be told without training."""
    return [
        *examine_versions(),
        _guarded("devices", _devices),
        _guarded("threads", _threads),
        _guarded("repairs of RecBole", _shims),
        _guarded("free memory", _memory),
        _disk(Path.cwd()),
    ]


def examine_versions() -> list[Finding]:
    """Python and the needed packages, compared with the ranges that were tested."""
    try:
        own = metadata.metadata(PACKAGE)
    except metadata.PackageNotFoundError:
        return [
            Finding(
                PACKAGE,
                "not installed",
                Level.NOTE,
                "It runs from a checkout, so the tested ranges of the versions are not "
                "at hand.",
                "For a comparison of the versions, run pip install -e . in the "
                "checkout.",
            ),
            _python(None),
            *needed_packages(_NAMED_PACKAGES, installed_version),
        ]
    return [
        Finding(PACKAGE, own["Version"]),
        _python(own["Requires-Python"]),
        *needed_packages(metadata.requires(PACKAGE) or [], installed_version),
    ]


def installed_version(package: str) -> Optional[str]:
    """Version of an installed package; None where it is missing."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def needed_packages(
    requirements: Iterable[str], version_of: Callable[[str], Optional[str]]
) -> list[Finding]:
    """Compare the versions of packages with ranges.

    Args:
        requirements: as in a package's metadata; those of extras are left out.
        version_of: version of a package, None where it is missing.

    Returns:
        A finding a package.
    """
    needed = [Requirement(text) for text in requirements]
    return [
        _package(requirement, version_of(requirement.name))
        for requirement in needed
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]


def _package(requirement: Requirement, version: Optional[str]) -> Finding:
    name, tested = requirement.name, requirement.specifier
    command = f'Run pip install "{name}{tested}".'
    if version is None:
        return Finding(name, "missing", Level.PROBLEM, "The package needs it.", command)
    value = f"{version} (tested: {_in_words(tested)})" if tested else version
    if tested.contains(version, prereleases=True):
        return Finding(name, value)
    return Finding(
        name,
        value,
        Level.WARNING,
        "This version was not tested, or is known not to work.",
        command,
    )


def _python(tested: Optional[str]) -> Finding:
    version = platform.python_version()
    if tested is None:
        return Finding("Python", version)
    ranges = SpecifierSet(tested)
    value = f"{version} (tested: {_in_words(ranges)})"
    if ranges.contains(version, prereleases=True):
        return Finding("Python", value)
    return Finding(
        "Python",
        value,
        Level.PROBLEM,
        "RecBole and what it needs have no release for this version.",
        "Make an environment with a tested version.",
    )


def _in_words(ranges: SpecifierSet) -> str:
    """The range with its lower end first."""
    return ", ".join(sorted(map(str, ranges), key=lambda text: text[0] != ">"))


def _guarded(what: str, examine: Callable[[], Finding]) -> Finding:
    """A finding that needs PyTorch or RecBole, or that they do not work."""
    try:
        return examine()
    except Exception as error:
        # Whatever it is, that it fails is the answer.
        return Finding(
            what,
            "cannot be told",
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
    return Finding(
        "devices",
        f"CPU ({platform.processor() or platform.machine()})",
        meaning="No GPU is seen; none is needed.",
        number=0,
    )


def _threads() -> Finding:
    import torch

    threads, cores = torch.get_num_threads(), _cores()
    value = f"{threads} of PyTorch, {cores} cores to run on"
    if threads <= cores:
        return Finding("threads", value, number=threads)
    return Finding(
        "threads",
        value,
        Level.WARNING,
        "More threads than cores wait for each other, so an epoch takes longer.",
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
        "repairs of RecBole",
        ", ".join(active) or "none",
        meaning="; ".join(f"{name}: {reasons[name]}" for name in active),
        number=len(active),
    )


def _memory() -> Finding:
    import torch

    from recbole_kgif.preflight import available_memory

    free = available_memory(torch.device("cpu"))
    return _room(
        "free memory",
        free,
        _LEAST_MEMORY,
        "A run on a large graph may be ended by the system.",
        "End other programs, or take a smaller embedding_size and train_batch_size.",
    )


def _disk(folder: Path) -> Finding:
    return _room(
        "free disk space",
        shutil.disk_usage(folder).free,
        _LEAST_DISK,
        "Checkpoints and logs of runs may not fit.",
        "Make room, or give --output a folder on another disk.",
    )


def _room(what: str, free: int, least: int, meaning: str, advice: str) -> Finding:
    value = f"{free / _GIBIBYTE:,.1f} GiB"
    if free >= least:
        return Finding(what, value, number=free)
    return Finding(what, value, Level.WARNING, meaning, advice, free)
