"""What a wheel of recbole-kgif requires on Python 3.12 and newer.

RecBole 1.2.1 requires ray <= 2.6.3, which has no build for Python 3.12 and newer. So
``pip`` cannot install RecBole there unless something else is named ``ray``.

In a checkout that is the package ``installation/no-ray``. uv finds it through
``tool.uv.sources`` in ``pyproject.toml``; for ``pip install -e .`` the editable wheel
refers to it by its address.

A wheel that is published must not contain an address of somebody's machine. It
requires, in place of RecBole, what RecBole itself requires but for ray; RecBole is then
installed by ``pip install --no-deps recbole``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WITHOUT_RAY = "python_version >= '3.12'"

# What the metadata of RecBole 1.2.1 requires, and the package does not require itself.
REQUIRED_BY_RECBOLE = (
    "colorama==0.4.4",
    "colorlog==4.7.2",
    "plotly>=4.0.0",
    "psutil>=5.9.0",
    "scikit-learn>=0.23.2",
    "tabulate>=0.8.10",
    "tensorboard>=2.5.0",
    "texttable>=0.9.0",
    "thop>=0.1.1.post2207130030",
)


class RequirementsHook(BuildHookInterface[Any]):
    """Changes what a wheel requires on Python 3.12 and newer."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the build: see the module.

        Args:
            version: ``"editable"`` or ``"standard"``.
            build_data: what hatchling is to put into the wheel.
        """
        required = self.metadata.core.dependencies
        (ray,) = (name for name in required if name.startswith("ray"))
        required.remove(ray)
        if version == "editable":
            address = Path(self.root, "installation", "no-ray").as_uri()
            added = [f"ray @ {address}"]
        else:
            (recbole,) = (name for name in required if name.startswith("recbole"))
            required[required.index(recbole)] = f"{recbole} ; python_version < '3.12'"
            added = list(REQUIRED_BY_RECBOLE)
        build_data["dependencies"].extend(
            f"{requirement} ; {WITHOUT_RAY}" for requirement in added
        )
