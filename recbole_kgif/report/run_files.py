"""The files of a run's folder: names, requests, and the settings in them.

``DIR/runs/MODEL-SEED/`` holds ``request.json`` (what was asked for), ``log.txt`` (all
that the run printed) and at the end either ``result.json`` or ``failure.json``. While
it runs, RecBole's own files are in ``work/``. The trials of a tuning are kept in the
same way in ``DIR/trials/MODEL-NUMBER/``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.common.files import read_object
from recbole_kgif.errors import UserError

RUNS_FOLDER = "runs"
REQUEST_FILE = "request.json"
RESULT_FILE = "result.json"
FAILURE_FILE = "failure.json"
LOG_FILE = "log.txt"
WORK_FOLDER = "work"

# What the parts of a request are that others rely on.
_FORMS: Mapping[str, type] = {
    **dict.fromkeys(("model", "dataset", "variant"), str),
    **dict.fromkeys(("seed", "number"), int),
    **dict.fromkeys(("options", "defaults", "files", "parameters", "space"), dict),
    "model_options": list,
}


# Where a run is also logged to.
TRACKER_OPTIONS = ("log_wandb", "wandb_project", "log_mlflow")
# Where and how loudly a run works, which changes nothing in its result.
LOCAL_OPTIONS = frozenset(
    {"data_path", "show_progress", "state", "worker", "gpu_id", *TRACKER_OPTIONS}
)

# Data, split, evaluation and budget: alike for all, or nothing could be compared.
SHARED_OPTIONS = frozenset(
    (
        *("protocol", "eval_args", "repeatable", "metrics", "topk", "valid_metric"),
        *("valid_metric_bigger", "metric_decimal_place", "epochs", "eval_step"),
        *("stopping_step", "use_gpu", "reproducibility", "benchmark_filename"),
        *("field_separator", "seq_separator", "encoding", "unlinked_items"),
        *("candidates",),
        *("USER_ID_FIELD", "ITEM_ID_FIELD", "RATING_FIELD", "TIME_FIELD"),
        *("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD"),
        *("ENTITY_ID_FIELD", "load_col", "unload_col", "unused_col", "rm_dup_inter"),
        *("val_interval", "filter_inter_by_user_or_item", "threshold"),
        *("user_inter_num_interval", "item_inter_num_interval"),
        *("entity_kg_num_interval", "relation_kg_num_interval"),
        *("alias_of_user_id", "alias_of_item_id"),
        *("alias_of_entity_id", "alias_of_relation_id", "additional_feat_suffix"),
    )
)

# What every request of a run has.
_PARTS = (
    *("model", "dataset", "seed", "split_seed", "options", "defaults"),
    *("model_options", "files"),
)


def all_run_folders(folder: Path, kind: str = RUNS_FOLDER) -> list[Path]:
    """Folders of all runs that were ever started in a comparison's folder."""
    return sorted(path.parent for path in (folder / kind).glob(f"*/{REQUEST_FILE}"))


def read_request(own: Path, form: Optional[type[Any]] = None) -> dict[str, Any]:
    """What was asked for in the folder of a run.

    Args:
        own: the run's folder.
        form: the dataclass of a request with more parts than those of every run.

    Raises:
        UserError: the file is damaged.
    """
    request = read_object(own / REQUEST_FILE)
    needed = _PARTS if form is None else [f.name for f in dataclasses.fields(form)]
    missing = [name for name in needed if name not in request]
    if missing:
        raise UserError(
            f"{own / REQUEST_FILE}: lacks {', '.join(missing)}; remove its folder"
        )
    for name, kind in _FORMS.items():
        if name in request and not isinstance(request[name], kind):
            raise UserError(
                f"{own / REQUEST_FILE}: its {name} is of another form; remove its "
                "folder"
            )
    return request


def settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for two requests to ask for one and the same run.

    Args:
        request: a request as JSON.

    Returns:
        The value of each option, defaults included, and the data's fingerprints.
    """
    options = {**request["defaults"], **request["options"]}
    settings = {k: v for k, v in options.items() if k not in LOCAL_OPTIONS}
    if settings.get("candidates") is None:
        settings.pop("candidates", None)  # the default, which earlier releases lack
    settings.update({f"file {name}": sha for name, sha in request["files"].items()})
    return {
        **settings,
        "dataset": request["dataset"],
        "split_seed": request["split_seed"],
        # Of a study: the model of a variant, and what is done to its knowledge graph.
        **{name: request[name] for name in ("variant", "triples") if name in request},
    }


def common_settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings that must be equal for all runs of one comparison."""
    return {
        name: value
        for name, value in settings_of(request).items()
        if name in SHARED_OPTIONS
        or name in ("dataset", "split_seed")
        or name.startswith("file ")
    }
