"""Options that would have no effect, or that contradict each other.

RecBole ignores an option that does not apply to the model, the data or the other
options. There is one rule here for each such option: it is refused where the run would
not be the one that is asked for, and warned of elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.common.hyperparameters import check_options
from recbole_kgif.errors import UserError
from recbole_kgif.options.models import (
    BASELINES,
    KNOWLEDGE_FAMILY,
    known_models,
    recbole_folder,
)
from recbole_kgif.options.protocols import NEW_ITEMS, OPTION
from recbole_kgif.options.settings import CATALOGUE, in_one_line
from recbole_kgif.options.values import METRICS_OF_SCORES

_GENERAL_FAMILY = "general_recommender"
_CONTEXT_FAMILY = "context_aware_recommender"
_SEQUENTIAL_FAMILY = "sequential_recommender"

# RecBole gives these trainers of their own, without alternating steps.
_OWN_TRAINER = frozenset({"KGAT", "KGIF", "MKR"})
# Models that RecBole gives the items of whole users, without negatives.
_LEARNS_FROM_ALL_ITEMS = frozenset(
    (
        *("CDAE", "DiffRec", "ENMF", "LDiffRec", "MacridVAE", "MultiDAE", "MultiVAE"),
        *("RaCT", "RecVAE"),
    )
)
# Metrics that are better when smaller.
_SMALLER_IS_BETTER = frozenset(
    {"rmse", "mae", "logloss", "averagepopularity", "giniindex"}
)

# Filters of interactions, which RecBole applies to unsplit data only.
IGNORED_ON_SPLIT_DATA = (
    *("user_inter_num_interval", "item_inter_num_interval", "val_interval"),
    *("rm_dup_inter", "filter_inter_by_user_or_item"),
)

_EVERYTHING = ("[0,inf)", "[0, inf)")


@dataclass(frozen=True)
class Situation:
    """What the effect of an option depends on.

    Attributes:
        model: name of the model.
        options: all options of the run, those of the data set included.
        needs_knowledge_graph: whether triples and links are read.
    """

    model: str
    options: Mapping[str, Any]
    needs_knowledge_graph: bool

    @property
    def family(self) -> str:
        """The model's family in RecBole."""
        return known_models().get(self.model, "")

    @property
    def is_split(self) -> bool:
        """Whether the data set is pre-split."""
        return bool(self.options.get("benchmark_filename"))

    @property
    def modes(self) -> frozenset[str]:
        """The modes of evaluation, of validation and test."""
        arguments = self.options.get("eval_args")
        mode = arguments.get("mode") if isinstance(arguments, dict) else None
        modes = mode.values() if isinstance(mode, dict) else [mode or "full"]
        return frozenset(map(str, modes))

    @property
    def reads_labels(self) -> bool:
        """Whether labels are trained on or evaluated."""
        return self.family == _CONTEXT_FAMILY or "labeled" in self.modes

    @property
    def needs_negatives(self) -> bool:
        """Whether training compares interactions with sampled ones, or with labels."""
        solved = (*models_that_use("ModelType.TRADITIONAL"), *BASELINES)
        is_solved = self.model in solved
        return self.model not in _LEARNS_FROM_ALL_ITEMS and not is_solved

    @property
    def loads_labels(self) -> bool:
        """Whether a column of labels is loaded with the interactions."""
        label = self.options.get("LABEL_FIELD") or "label"
        columns = self.options.get("load_col")
        return columns is None or label in (columns.get("inter") or [])


Rule = Callable[[Any, Situation], Optional[str]]
"""Why an option with a value has no effect in a situation; None where it has one."""


def _on_unsplit_data(value: Any, situation: Situation) -> Optional[str]:
    if situation.is_split and value not in (None, *_EVERYTHING):
        return "RecBole neither filters nor splits pre-split data (benchmark_filename)"
    return None


def _eval_args(value: Any, situation: Situation) -> Optional[str]:
    given = value if isinstance(value, dict) else {}
    parts = [part for part in ("split", "order", "group_by") if part in given]
    if situation.is_split and parts:
        return (
            f"the data set is pre-split (benchmark_filename), so {' and '.join(parts)} "
            "cannot apply"
        )
    return None


def _unlinked_items(value: Any, situation: Situation) -> Optional[str]:
    return _on_unsplit_data(value, situation) if value == "drop" else None


def _existing_file(value: Any, _: Situation) -> Optional[str]:
    if value is None or Path(str(value)).is_file():
        return None
    return "there is no such file"


def _preload_weight(value: Any, situation: Situation) -> Optional[str]:
    takers = models_that_use("get_preload_weight")
    if not value or situation.model in takers:
        return None
    return f"{situation.model} loads no pretrained weights ({', '.join(takers)} do)"


def _direction(value: Any, situation: Situation) -> Optional[str]:
    metric = str(situation.options.get("valid_metric", "")).split("@")[0].lower()
    if value is None or not metric or value == (metric not in _SMALLER_IS_BETTER):
        return None
    return f"RecBole itself knows the direction of {metric}"


def _with_wandb(_: Any, situation: Situation) -> Optional[str]:
    return None if situation.options.get("log_wandb") else "log_wandb is off"


def _with_tail_percentage(_: Any, situation: Situation) -> Optional[str]:
    names = situation.options.get("metrics") or []
    names = [names] if isinstance(names, str) else names
    if any(str(name).lower() == "tailpercentage" for name in names):
        return None
    return "only the metric TailPercentage uses it"


def _sequential(_: Any, situation: Situation) -> Optional[str]:
    if situation.family == _SEQUENTIAL_FAMILY:
        return None
    return f"{situation.model} is not a sequential model"


def _alternating_steps(_: Any, situation: Situation) -> Optional[str]:
    is_aware = situation.family == KNOWLEDGE_FAMILY
    if is_aware and situation.model not in _OWN_TRAINER:
        return None
    return f"{situation.model} does not alternate between two losses"


def _shuffle(value: Any, situation: Situation) -> Optional[str]:
    if value is False and situation.family == KNOWLEDGE_FAMILY:
        return "RecBole always shuffles for knowledge-aware models"
    return None


def _with_knowledge_graph(value: Any, situation: Situation) -> Optional[str]:
    if situation.needs_knowledge_graph or value in (None, False, *_EVERYTHING):
        return None
    return f"{situation.model} reads no knowledge graph"


def _with_labels(value: Any, situation: Situation) -> Optional[str]:
    if value is None or situation.reads_labels:
        return None
    return f"{situation.model} reads no labels, and the evaluation ranks items"


def _with_features(value: Any, situation: Situation) -> Optional[str]:
    reads = situation.family in (_CONTEXT_FAMILY, _SEQUENTIAL_FAMILY)
    return None if reads or not value else f"{situation.model} reads no features"


def _with_power(_: Any, situation: Situation) -> Optional[str]:
    if situation.model in models_that_use("require_pow"):
        return None
    return f"{situation.model} does not read it"


def _decision_tree(_: Any, situation: Situation) -> Optional[str]:
    if situation.model in ("LightGBM", "XGBoost"):
        return None
    return "only LightGBM and XGBoost use it"


def _candidates(value: Any, situation: Situation) -> Optional[str]:
    columns = situation.options.get("load_col")
    is_loaded = columns is None or "item" in columns
    if is_loaded or str(value).lower() != CATALOGUE:
        return None
    return "load_col names no columns of the .item file, which is the catalogue"


REFUSED: Mapping[str, Rule] = {
    **dict.fromkeys(IGNORED_ON_SPLIT_DATA, _on_unsplit_data),
    "eval_args": _eval_args,
    "unlinked_items": _unlinked_items,
    "dataset_save_path": _existing_file,
    "dataloaders_save_path": _existing_file,
    "preload_weight": _preload_weight,
    "valid_metric_bigger": _direction,
    "transform": _sequential,
    "discretization": _with_features,
}

WARNED: Mapping[str, Rule] = {
    "candidates": _candidates,
    "wandb_project": _with_wandb,
    "tail_ratio": _with_tail_percentage,
    **dict.fromkeys(
        (
            *("ITEM_LIST_LENGTH_FIELD", "LIST_SUFFIX", "MAX_ITEM_LIST_LENGTH"),
            "POSITION_FIELD",
        ),
        _sequential,
    ),
    "train_rec_step": _alternating_steps,
    "train_kg_step": _alternating_steps,
    "shuffle": _shuffle,
    **dict.fromkeys(
        (
            *("kg_reverse_r", "entity_kg_num_interval", "relation_kg_num_interval"),
            *("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD"),
            *("ENTITY_ID_FIELD", "alias_of_entity_id", "alias_of_relation_id"),
        ),
        _with_knowledge_graph,
    ),
    "threshold": _with_labels,
    "LABEL_FIELD": _with_labels,
    **dict.fromkeys(
        (
            *("normalize_field", "normalize_all", "numerical_features", "unused_col"),
            "seq_len",
        ),
        _with_features,
    ),
    "require_pow": _with_power,
    "token_num_threshold": _decision_tree,
}


@cache
def models_that_use(word: str) -> tuple[str, ...]:
    """Models of RecBole whose module holds a word."""
    folders = (recbole_folder() / "model").glob("*_recommender/*.py")
    stems = {path.stem for path in folders if word in path.read_text("utf-8")}
    return tuple(name for name in known_models() if name.lower() in stems)


def check_consistency(situation: Situation) -> None:
    """Refuse options of a run that contradict each other.

    Raises:
        UserError: labels are evaluated by metrics of ranked lists, or lists by metrics
            of labels; or the model learns from labels and there are none; or KGIF would
            refuse an option.
    """
    options, model = situation.options, situation.model
    if model == "KGIF" and isinstance(options["train_neg_sample_args"], dict):
        try:
            check_options(options)
        except ValueError as error:
            raise UserError(f"{model}: {error}") from None
    if options.get(OPTION) == NEW_ITEMS and situation.family == _SEQUENTIAL_FAMILY:
        raise UserError(
            f"--protocol {NEW_ITEMS}: {model} learns from the order of interactions, "
            "and the split of new items has none; give another model, or protocol"
        )
    names = options.get("metrics") or []
    names = [names] if isinstance(names, str) else names
    of_labels = [n for n in names if str(n).lower() in METRICS_OF_SCORES]
    if "labeled" in situation.modes and len(of_labels) < len(names):
        raise UserError(
            f"eval_args: mode labeled evaluates labels, and metrics={names} are of "
            "ranked lists; give --metrics=[AUC,LogLoss] --valid_metric=AUC, or mode "
            "full"
        )
    if "full" in situation.modes and of_labels:
        raise UserError(
            f"metrics={names}: {of_labels[0]} is a metric of labels, and eval_args: "
            "mode full ranks all items; give mode labeled, or metrics such as "
            "[Recall,NDCG]"
        )
    sampling = options.get("train_neg_sample_args")
    has_labels = options.get("threshold") is not None or situation.loads_labels
    if sampling or not situation.needs_negatives:
        return
    if situation.family == _CONTEXT_FAMILY and not has_labels:
        raise UserError(
            f"{model}: learns from labels, and the data set has none; give "
            "--threshold={rating: 3} for labels from a loaded column of ratings, or "
            "--train_neg_sample_args={distribution: uniform} for sampled negatives"
        )
    if situation.family in (KNOWLEDGE_FAMILY, _GENERAL_FAMILY):
        raise UserError(
            f"train_neg_sample_args={sampling}: {model} learns from sampled negatives; "
            "give {distribution: uniform}, or leave it out"
        )


def check_effects(
    given: Mapping[str, Any], situations: Sequence[Situation]
) -> list[str]:
    """Refuse or collect those given options that have no effect.

    Args:
        given: the options that the user gives.
        situations: one for each model that is run.

    Returns:
        A warning for each option without an effect on any of the models.

    Raises:
        UserError: an option without an effect would make the run another one than is
            asked for.
    """
    warnings = []
    for name, value in given.items():
        for rules in (REFUSED, WARNED):
            reasons = _reasons(rules.get(name), value, situations)
            if not reasons:
                continue
            text = f"{name}={in_one_line(value)}: has no effect, as {reasons[0]}"
            if rules is REFUSED:
                raise UserError(f"{text}; leave it out")
            warnings.append(text)
    return warnings


def _reasons(
    rule: Optional[Rule], value: Any, situations: Iterable[Situation]
) -> list[str]:
    """Why an option has no effect on any model; empty where it has on one."""
    if rule is None:
        return []
    reasons = [rule(value, situation) for situation in situations]
    found = [reason for reason in reasons if reason is not None]
    return found if len(found) == len(reasons) else []
