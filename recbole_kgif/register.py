"""Registers KGIF with RecBole.

RecBole's entry points then work with ``model="KGIF"``: ``run_recbole``,
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
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

from recbole_kgif.common.resources import resource

MODEL_NAME = "KGIF"
# RecBole's own default, and what `data.provenance` writes.
_DATA_PATH, _PROVENANCE_FILE = "dataset", "provenance.json"
# Where RecBole looks for the module of each of our models, and where it is.
_MODEL_MODULES = {
    "recbole.model.knowledge_aware_recommender.kgif": "recbole_kgif.model.fast_kgif",
    **{
        f"recbole.model.general_recommender.{name.replace('_', '')}": (
            f"recbole_kgif.baselines.{name}"
        )
        for name in ("shared_entities", "kernel_ridge", "entity_ease", "page_rank")
    },
}
_TRAINER_MODULES = {
    "KGIFTrainer": "recbole_kgif.training.kgif_trainer",
    "SharedEntitiesTrainer": "recbole_kgif.baselines.shared_entities_trainer",
}


def register() -> None:
    """Register KGIF with RecBole and apply the shims of `compat`; idempotent.

    RecBole finds a model by a module of its lower-cased name, a trainer as an attribute
    of ``recbole.trainer``, a model's defaults in a yaml file in RecBole's folder, and a
    metric in lists that it makes at import. The processes that it spawns need the same.
    """
    from recbole_kgif.compat import apply_shims

    apply_shims()
    _add_model_modules()
    _add_trainers()
    _add_model_defaults()
    _add_metric()
    _register_in_spawned_processes()


def register_once_recbole_is_imported() -> None:
    """Call `register` now if RecBole is imported, otherwise as soon as it is.

    So ``import recbole_kgif`` suffices, before or after RecBole, and does not load
    RecBole itself.
    """
    if "recbole" in sys.modules:
        register()
    elif not any(isinstance(finder, _RecBoleFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RecBoleFinder())


def _add_model_modules() -> None:
    for name, own_name in _MODEL_MODULES.items():
        # The import that called `register` may be that of this module.
        sys.modules[name] = importlib.import_module(own_name)


def _add_trainers() -> None:
    recbole_trainer = importlib.import_module("recbole.trainer")

    def trainer_class(name: str) -> Any:
        if name in _TRAINER_MODULES:
            return getattr(importlib.import_module(_TRAINER_MODULES[name]), name)
        raise AttributeError(f"module 'recbole.trainer' has no attribute {name!r}")

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
        _add_dataset_options(config, model, dataset)
        defaults = resource("properties/model") / f"{model}.yaml"
        if defaults.is_file():
            config._update_internal_config_dict(str(defaults))

    load_internal_with_kgif.knows_kgif = True  # type: ignore[attr-defined]
    Config._load_internal_config_dict = load_internal_with_kgif


def _add_dataset_options(config: Any, model: str, dataset: str) -> None:
    """Give a data set without a file in RecBole the options that the command gives it.

    They are for a data set that this package has prepared, with any model, and for one
    that it has a file of, with KGIF. The user's options override them.
    """
    recbole_folder = Path(importlib.import_module("recbole").__file__ or "").parent
    if (recbole_folder / f"properties/dataset/{dataset}.yaml").exists():
        return
    data_path = config.external_config_dict.get("data_path", _DATA_PATH)
    folder = Path(data_path) / dataset
    own = resource("dataset_configs") / f"{dataset}.yaml"
    is_own = model == MODEL_NAME and own.is_file()
    if is_own or (folder / _PROVENANCE_FILE).is_file():
        settings = importlib.import_module("recbole_kgif.options.settings")
        config.internal_config_dict.update(settings.dataset_options(dataset, folder))


def _add_metric() -> None:
    # The module registers its metric when it is imported.
    importlib.import_module("recbole_kgif.training.kgat_ndcg")


def _register_in_spawned_processes() -> None:
    """Register KGIF in the processes of ``recbole.quick_start.run(..., nproc=2)``.

    A spawned process imports the module of its function, which is therefore one of
    ours. Otherwise several processes would need a script that imports this package at
    its top.
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
        rank: number of this process among those that RecBole spawns.
        arguments: of RecBole's function.
    """
    register()
    assert _run_recboles is not None  # set by `register`
    _run_recboles(rank, *arguments)


class _RecBoleFinder(MetaPathFinder):
    """Has KGIF registered at the first import of RecBole."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Optional[ModuleType] = None
    ) -> Optional[ModuleSpec]:
        if fullname != "recbole":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        # Finding the module is not importing it: only the loader registers KGIF.
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    """Loads RecBole with its own loader, then registers KGIF."""

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
