"""The data package stays light, so that the command line answers at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "recbole_kgif" / "data"
HEAVY = ("torch", "recbole", "pandas", "numpy")


def test_no_heavy_import() -> None:
    modules = sorted(f"recbole_kgif.data.{path.stem}" for path in PACKAGE.glob("*.py"))
    assert "recbole_kgif.data.locate" in modules
    script = (
        f"import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "[]\n"
