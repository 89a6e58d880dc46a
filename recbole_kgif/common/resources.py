"""Where the files lie that belong to the package but are not Python."""

from __future__ import annotations

from pathlib import Path

PACKAGE_FOLDER = Path(__file__).resolve().parents[1]

# In a checkout these folders lie beside the package, in an installed wheel inside it.
_ROOTS = (PACKAGE_FOLDER, PACKAGE_FOLDER.parent)


def resource(relative_path: str) -> Path:
    """Path of a file or folder such as ``properties/model/KGIF.yaml``.

    Args:
        relative_path: path as in the checkout, with forward slashes.

    Returns:
        The path in this installation.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    for root in _ROOTS:
        path = root / relative_path
        if path.exists():
            return path
    raise FileNotFoundError(
        f"{relative_path} is missing from this installation of recbole_kgif "
        f"(looked in {' and '.join(map(str, _ROOTS))}); install it again"
    )
