"""Stands in for ray, and says so."""

raise ModuleNotFoundError(
    "ray is not installed: RecBole 1.2.1 requires a version that has no build for "
    "Python 3.12 and newer. To use RecBole without it, import recbole_kgif before "
    "recbole.quick_start. To use ray itself, run: pip install --upgrade ray",
    name="ray",
)
