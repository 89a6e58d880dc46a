"""NumPy's removed aliases, which RecBole restores for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_kgif.compat.shim import Shim, release

# RecBole's alias and the name that NumPy 2 has for the same type.
_ALIASES = {
    "bool": "bool_",
    "int": "int_",
    "float": "float64",
    "complex": "complex128",
    "object": "object_",
    "str": "str_",
    "long": "int_",
    "unicode": "str_",
}


def _numpy_is_at_least(version: tuple[int, ...]) -> bool:
    """Whether NumPy is this new, and RecBole restores aliases at all."""
    import numpy as np
    from recbole.config import Config

    has_aliases = hasattr(Config, "compatibility_settings")
    return has_aliases and release(np.__version__) >= version


def _aliases_cannot_be_made() -> bool:
    """Check: NumPy 2 or newer, and a ``Config`` that restores aliases."""
    return _numpy_is_at_least((2,))


def _make_aliases_from_present_names() -> None:
    """Restore NumPy's aliases from names that NumPy 2 still has.

    Problem: RecBole uses ``np.float`` and others that NumPy 1.24 removed. The
    constructor of ``Config`` restores them (``compatibility_settings``) from
    ``np.float_``, ``np.complex_`` and ``np.unicode_``, which NumPy 2 removed as well.
    So no ``Config`` can be made.

    Workaround: the method restores missing aliases from names that NumPy 2 has.
    """
    from recbole.config import Config

    def compatibility_settings(self: Any) -> None:
        import numpy as np

        for alias, name in _ALIASES.items():
            if alias not in vars(np):
                setattr(np, alias, getattr(np, name))

    Config.compatibility_settings = compatibility_settings


def _read_config_lacks_aliases() -> bool:
    """Check: NumPy 1.24 or newer, and a ``Config`` without ``__setstate__``."""
    from recbole.config import Config

    return _numpy_is_at_least((1, 24)) and not hasattr(Config, "__setstate__")


def _restore_aliases_with_config() -> None:
    """Restore the aliases when a ``Config`` is read from a checkpoint, too.

    Problem: RecBole restores the aliases in the constructor of ``Config``, which
    unpickling does not call. So in a process that begins with
    ``load_data_and_model``, the reloaded model cannot be tested.

    Workaround: unpickling a ``Config`` calls the same method.
    """
    from recbole.config import Config

    def __setstate__(self: Any, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self.compatibility_settings()

    Config.__setstate__ = __setstate__


NUMPY_2 = Shim(
    name="numpy-2-aliases",
    reason=(
        "RecBole restores NumPy's removed aliases from np.float_ and others, which "
        "numpy >= 2 lacks too, so no Config can be made"
    ),
    removable_when="RecBole uses none of the removed names",
    patch="numpy-aliases",
    is_needed=_aliases_cannot_be_made,
    apply=_make_aliases_from_present_names,
)

ON_LOAD = Shim(
    name="numpy-aliases-on-load",
    reason=(
        "numpy >= 1.24 lacks np.float and others; RecBole restores them when it makes "
        "a Config but not when it reads one, so a model reloaded in a new process "
        "cannot be tested"
    ),
    removable_when="RecBole uses none of the removed names",
    patch="numpy-aliases",
    is_needed=_read_config_lacks_aliases,
    apply=_restore_aliases_with_config,
)
