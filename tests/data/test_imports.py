"""The data package stays light, so that the command line answers at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "recbole_kgif" / "data"
HEAVY = ("torch", "recbole", "pandas", "numpy")
# Imported only once there are arrays to work on.
ON_ARRAYS = (
    *("cleaning", "data_frames", "feature_files", "graph_filter", "link_checks"),
    *("numbered", "splitting", "writer"),
)


def test_no_heavy_import() -> None:
    stems = sorted(path.stem for path in PACKAGE.glob("*.py"))
    modules = [f"recbole_kgif.data.{stem}" for stem in stems if stem not in ON_ARRAYS]
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
