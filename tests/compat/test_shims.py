"""Which shims are applied, and when."""

from __future__ import annotations

import importlib
from typing import Any, Optional

import numpy as np
import pytest

from recbole_kgif import compat
from recbole_kgif.compat.shim import installed_version, recbole_source, release
from tests.compat.helpers import python

pytestmark = pytest.mark.versions


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no shim had been applied yet; what has been patched stays patched."""
    monkeypatch.setattr(compat, "_active", [])


def a_shim(
    name: str, applied: list[str], is_needed: bool = True, fails: bool = False
) -> compat.Shim:
    def apply() -> None:
        if fails:
            raise RuntimeError("upstream looks otherwise than expected")
        applied.append(name)

    return compat.Shim(name, "reason", "condition", "patch", lambda: is_needed, apply)


def test_only_the_needed_shims_are_applied_and_once(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[str] = []
    monkeypatch.setattr(
        compat,
        "SHIMS",
        (
            a_shim("first", applied),
            a_shim("healthy", applied, is_needed=False),
            a_shim("last", applied),
        ),
    )
    assert compat.active_shims() == ()
    assert compat.apply_shims() == ("first", "last")
    assert compat.apply_shims() == ("first", "last")
    assert compat.active_shims() == ("first", "last")
    assert applied == ["first", "last"]


def test_a_shim_that_fails_is_heard_and_not_counted(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "SHIMS", (a_shim("broken", [], fails=True),))
    with pytest.raises(RuntimeError, match="otherwise than expected"):
        compat.apply_shims()
    assert compat.active_shims() == ()


def test_an_import_of_recbole_that_applies_the_shims_itself_applies_them_once(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[str] = []
    monkeypatch.setattr(compat, "SHIMS", (a_shim("only", applied),))
    import_module = importlib.import_module
    reached: list[str] = []

    def importing_applies(name: str, package: Optional[str] = None) -> Any:
        if name == "recbole" and not reached:
            reached.append(name)
            compat.apply_shims()
        return import_module(name, package)

    monkeypatch.setattr(importlib, "import_module", importing_applies)
    assert compat.apply_shims() == ("only",)
    assert reached == ["recbole"]
    assert applied == ["only"]


def test_a_second_call_leaves_what_the_first_one_patched(
    shims: tuple[str, ...],
) -> None:
    from recbole import quick_start
    from recbole.config import Config
    from recbole.model.knowledge_aware_recommender import kgin, mcclk
    from recbole.model.knowledge_aware_recommender.kgat import KGAT
    from recbole.trainer import trainer
    from scipy.sparse import dok_matrix

    def patched() -> list[Any]:
        return [
            quick_start.load_data_and_model,
            quick_start.quick_start.load_data_and_model,
            trainer.torch,
            vars(Config).get("__setstate__"),
            dok_matrix._update,
            KGAT.__init__,
            KGAT.init_graph,
            kgin.Aggregator.forward,
            mcclk.Aggregator.forward,
        ]

    before = patched()
    assert compat.apply_shims() == shims
    assert all(now is then for now, then in zip(patched(), before))


def test_the_active_shims_are_those_that_this_environment_needs(
    shims: tuple[str, ...],
) -> None:
    # Each is checked before it is applied, in a process that has none: importing
    # RecBole would apply them all.
    printed = python(
        "import sys, recbole_kgif.compat as compat",
        "compat.silence_known_warnings()",
        "sys.meta_path[:] = [f for f in sys.meta_path if 'RecBole' not in repr(f)]",
        "for shim in compat.SHIMS:",
        "    if shim.is_needed():",
        "        print(shim.name)",
        "        if shim.name == 'quick-start-without-ray':",
        "            shim.apply()  # else the other checks could not import RecBole",
    )
    assert tuple(printed.splitlines()) == shims


def test_importing_the_module_imports_nothing_heavy() -> None:
    printed = python(
        "import sys",
        "import recbole_kgif.compat",
        "heavy = {'torch', 'recbole', 'scipy', 'numpy', 'pandas', 'ray'}",
        "print(sorted(heavy & set(sys.modules)))",
    )
    assert printed == "[]"


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("2.13.0+cpu", (2, 13, 0)), ("2.6.0a0+git1", (2, 6, 0)), ("1.1", (1, 1))],
)
def test_release_of_a_version(version: str, numbers: tuple[int, ...]) -> None:
    assert release(version) == numbers


def test_a_text_that_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        release("unknown")


def test_installed_version() -> None:
    assert installed_version("numpy") == np.__version__
    assert installed_version("recbole-kgif-no-such-distribution") is None


def test_source_of_a_module_of_recbole() -> None:
    assert "class KGAT(" in recbole_source("model.knowledge_aware_recommender.kgat")
    assert recbole_source("model.no_such_module") == ""
