"""Makes KGIF known to RecBole, once.

After it, RecBole's own entry points work with ``model="KGIF"``: ``run_recbole``,
``load_data_and_model``, ``objective_function`` and ``Config`` with the model's name or
class. Nothing is written into RecBole's folder.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Optional

from recbole_kgif.common.resources import resource

MODEL_NAME = "KGIF"
# RecBole's name for the module of each model of ours, and where it is.
_MODEL_MODULES = {
    "recbole.model.knowledge_aware_recommender.kgif": "recbole_kgif.model.kgif",
    "recbole.model.general_recommender.sharedentities": (
        "recbole_kgif.baselines.shared_entities"
    ),
}
_TRAINER_MODULES = {
    "KGIFTrainer": "recbole_kgif.training.trainer",
    "SharedEntitiesTrainer": "recbole_kgif.baselines.shared_entities_trainer",
}


def register() -> None:
    """Make KGIF known to RecBole and apply the shims of `compat`; idempotent.

    RecBole finds a model by the module of its lower-cased name, a trainer as an
    attribute of ``recbole.trainer``, a model's defaults in a yaml file of its own
    folder, where ours are not, and a metric in lists that it makes at import. The
    processes that it spawns need all this too; and it has to run at all.
    """
    from recbole_kgif.compat import apply_shims

    apply_shims()
    _add_model_modules()
    _add_trainers()
    _add_model_defaults()
    _add_metric()
    _register_in_spawned_processes()


def register_once_recbole_is_imported() -> None:
    """Call `register` now where RecBole is imported, else as soon as it is.

    So ``import recbole_kgif`` is enough, before or after RecBole, and takes no time
    where RecBole is not needed.
    """
    if "recbole" in sys.modules:
        register()
    elif not any(isinstance(finder, _RecBoleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RecBoleFinder())


def _add_model_modules() -> None:
    for name, own_name in _MODEL_MODULES.items():
        # By import_module: it may be this very module whose import led here.
        sys.modules[name] = importlib.import_module(own_name)


def _add_trainers() -> None:
    recbole_trainer = importlib.import_module("recbole.trainer")

    def trainer_class(name: str) -> Any:
        if name in _TRAINER_MODULES:
            return getattr(importlib.import_module(_TRAINER_MODULES[name]), name)
        raise AttributeError(f"module 'recbole.trainer' has no attribute {name!r}")

    # A module's __getattr__ is asked for the names that the module lacks.
    recbole_trainer.__getattr__ = trainer_class  # type: ignore[method-assign]


def _add_model_defaults() -> None:
    from recbole.config import Config

    load_internal = Config._load_internal_config_dict
    if getattr(load_internal, "knows_kgif", False):
        return

    @functools.wraps(load_internal)
    def load_internal_with_kgif(
        config: Any, model: str, model_class: Any, dataset: str
    ) -> None:
        load_internal(config, model, model_class, dataset)
        if model == MODEL_NAME:
            config._update_internal_config_dict(
                str(resource(f"properties/model/{MODEL_NAME}.yaml"))
            )

    load_internal_with_kgif.knows_kgif = True  # type: ignore[attr-defined]
    Config._load_internal_config_dict = load_internal_with_kgif


def _add_metric() -> None:
    # It enters itself: it may be this very module whose import led here.
    importlib.import_module("recbole_kgif.training.metrics")


def _register_in_spawned_processes() -> None:
    """Let the processes of ``recbole.quick_start.run(..., nproc=2)`` know KGIF.

    A spawned process finds its function by the name of the function's module, and so
    imports this package where the function is one of ours. Without that, only a script
    that imports the package at its top could use several processes.
    """
    from recbole.quick_start import quick_start

    global _run_recboles
    if quick_start.run_recboles is not run_recboles:
        _run_recboles = quick_start.run_recboles
        quick_start.run_recboles = run_recboles


_run_recboles: Optional[Callable[..., None]] = None


def run_recboles(rank: int, *arguments: Any) -> None:
    """Call RecBole's function of that name with KGIF registered.

    Args:
        rank: number of this process among those that RecBole has spawned.
        arguments: those of RecBole's function.
    """
    register()
    assert _run_recboles is not None  # set by `register`
    _run_recboles(rank, *arguments)


class _RecBoleFinder(MetaPathFinder):
    """Waits for the first import of RecBole."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if fullname != "recbole":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        # It may only be asked where RecBole lies: the wait ends with the import.
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    """Loads a module as its own loader does, then registers KGIF."""

    def __init__(self, loader: Loader, finder: _RecBoleFinder):
        self.loader = loader
        self.finder = finder

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        self.loader.exec_module(module)
        sys.meta_path.remove(self.finder)
        register()
