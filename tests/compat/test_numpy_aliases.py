"""NumPy's removed aliases are restored, with any NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recbole_kgif import compat
from recbole_kgif.compat import numpy_aliases
from tests.compat.helpers import OPTIONS, Run, python

pytestmark = pytest.mark.versions


def test_a_config_read_back_brings_the_aliases_along(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    from recbole.config import Config

    config = Config(model="BPR", dataset="ml-100k", config_dict=OPTIONS)
    pickled = pickle.dumps(config, protocol=4)
    # As in a process where no Config has been made.
    monkeypatch.delattr(np, "float")
    again = pickle.loads(pickled)
    assert vars(again).keys() == vars(config).keys()
    assert again.final_config_dict == config.final_config_dict
    if "numpy-aliases-on-load" in compat.active_shims():
        assert np.zeros(1, dtype=np.float).dtype == np.float64  # type: ignore[attr-defined]


def test_a_new_process_tests_a_reloaded_model(
    run: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("BPR")
    monkeypatch.chdir(done.checkpoint.parent)
    printed = python(
        "import recbole_kgif.compat as compat",
        "compat.silence_known_warnings()",
        "from recbole.quick_start import load_data_and_model",
        "from recbole.trainer import Trainer",
        f"config, model, *_, test = load_data_and_model({str(done.checkpoint)!r})",
        "print(dict(Trainer(config, model).evaluate(test, load_best_model=False)))",
    )
    assert printed == str(dict(done.result["test_result"]))


@pytest.mark.parametrize(
    ("version", "has_setstate", "needed"),
    [("1.23.5", False, False), ("1.24.0", False, True), ("1.26.4", True, False)],
)
def test_the_check_of_aliases_on_load(
    monkeypatch: pytest.MonkeyPatch, version: str, has_setstate: bool, needed: bool
) -> None:
    from recbole.config import Config

    monkeypatch.setattr(Config, "__setstate__", None, raising=False)
    if not has_setstate:
        monkeypatch.delattr(Config, "__setstate__")
    monkeypatch.setattr(np, "__version__", version)
    assert numpy_aliases._read_config_lacks_aliases() is needed


@pytest.mark.parametrize(
    ("version", "needed"), [("1.26.4", False), ("2.0.0", True), ("2.5.5", True)]
)
def test_the_check_of_numpy_2(
    monkeypatch: pytest.MonkeyPatch, version: str, needed: bool
) -> None:
    from recbole.config import Config

    monkeypatch.setattr(np, "__version__", version)
    assert numpy_aliases._aliases_cannot_be_made() is needed
    monkeypatch.delattr(Config, "compatibility_settings")
    assert not numpy_aliases._aliases_cannot_be_made()


def test_missing_aliases_are_made_and_present_names_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from recbole.config import Config

    # Put back as it was afterwards.
    original = Config.compatibility_settings
    monkeypatch.setattr(Config, "compatibility_settings", original)
    for alias in numpy_aliases._ALIASES:
        monkeypatch.setitem(vars(np), alias, None)
        monkeypatch.delitem(vars(np), alias)
    monkeypatch.setitem(vars(np), "long", "NumPy's own")

    numpy_aliases._make_aliases_from_present_names()
    Config.compatibility_settings(object.__new__(Config))

    names = vars(np)
    assert names["float"] is np.float64 and names["complex"] is np.complex128
    assert names["bool"] is np.bool_ and names["unicode"] is np.str_
    assert names["long"] == "NumPy's own"
