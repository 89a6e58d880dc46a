"""Whether interactions have the labels that an evaluation by labels compares with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from recbole_kgif.errors import UserError

LABELED = "labeled"


def check_labels(config: Any, loaders: Mapping[str, Any]) -> None:
    """Refuse to evaluate by labels that are not there, before training.

    Args:
        config: RecBole's configuration.
        loaders: RecBole's loaders of the validation and test interactions, as ``valid``
            and ``test``.

    Raises:
        UserError: the interactions have no label, or AUC is asked for where all labels
            of a part are equal.
    """
    label, modes = config["LABEL_FIELD"], config["eval_args"]["mode"]
    metrics = [metric.lower() for metric in config["metrics"]]
    for part, loader in loaders.items():
        if modes[part] != LABELED:
            continue
        interactions = loader._dataset.inter_feat
        if label not in interactions:
            raise UserError(
                f"eval_args={config['eval_args']}: mode labeled compares scores with "
                f"the column {label}, which no interaction has; give --threshold to "
                "make it of another column, such as '{rating: 3}', or name a loaded "
                "column by --LABEL_FIELD"
            )
        if "auc" in metrics and len(torch.unique(interactions[label])) < 2:
            raise UserError(
                f"metrics={config['metrics']}: AUC compares labels of two kinds, and "
                f"all {len(interactions)} {part} interactions have the same {label}; "
                "give another --threshold, or leave AUC out"
            )
