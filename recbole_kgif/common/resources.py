"""Paths of the files of the package that are not Python."""

from __future__ import annotations

from pathlib import Path

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]

# Such folders are next to the package in a checkout, inside it in a wheel.
_ROOTS = (PACKAGE_FOLDER, PACKAGE_FOLDER.parent)


def resource(relative_path: str) -> Path:
    """Path in this installation of a file such as ``properties/model/KGIF.yaml``.

    Args:
        relative_path: path in the checkout, with forward slashes.

    Raises:
        FileNotFoundError: it is missing from this installation.
    """
    for root in _ROOTS:
        path = root / relative_path
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{relative_path} is missing from this installation of recbole_kgif "
        f"(looked in {' and '.join(map(str, _ROOTS))}); install it again"
    )
