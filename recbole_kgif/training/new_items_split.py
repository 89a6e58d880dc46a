"""The protocol of new items: items held out whole, and checks of a given split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recbole_kgif.data.cleaning import canonical_order
from recbole_kgif.data.splitting import NEW_ITEMS, PARTS, split
from recbole_kgif.errors import UserError


def hold_out_items(dataset: Any, seed: int) -> None:
    """Split an unsplit data set as ``prepare --split new-items`` does, in place.

    Equal interactions and seeds give equal splits, whatever the order of the files.

    Args:
        dataset: RecBole's data set before it is split; pre-split ones are left alone.
        seed: seed of the split.

    Raises:
        UserError: there are too few items or interactions.
    """
    if dataset.benchmark_filename_list is not None:
        return
    pairs = dataset.inter_feat[[dataset.uid_field, dataset.iid_field]]
    numbered = pd.DataFrame(
        {
            "user": _canonical_numbers(dataset, dataset.uid_field),
            "item": _canonical_numbers(dataset, dataset.iid_field),
        },
        index=np.arange(len(pairs)),
    )
    parts = split(
        numbered.drop_duplicates().sort_values(["user", "item"]), NEW_ITEMS, seed
    )
    rows = np.concatenate([parts[name].index for name in PARTS])
    dataset.inter_feat = dataset.inter_feat.iloc[rows].reset_index(drop=True)
    dataset.file_size_list = [len(parts[name]) for name in PARTS]
    dataset.benchmark_filename_list = list(PARTS)


def _canonical_numbers(dataset: Any, field: str) -> Any:
    tokens = [str(token) for token in dataset.field2id_token[field]]
    _, places = canonical_order(tokens)
    return places[dataset.inter_feat[field].to_numpy()]


def require_new_items(train: Any, valid: Any, test: Any) -> None:
    """See that validation and test have interactions with new and with old items.

    Args:
        train: RecBole's data set of the training interactions.
        valid: that of the validation interactions.
        test: that of the test interactions.

    Raises:
        UserError: one of the two lacks one kind.
    """
    trained = train.inter_feat[train.iid_field].unique()
    for name, part in (("validation", valid), ("test", test)):
        is_old = np.isin(part.inter_feat[part.iid_field], trained)
        if is_old.all() or not is_old.any():
            kind = "only old" if is_old.all() else "only new"
            raise UserError(
                f"--protocol {NEW_ITEMS}: the {name} set of {train.dataset_name} has "
                f"{kind} items; split it anew with: prepare --dataset "
                f"{train.dataset_name} --split {NEW_ITEMS} --name NAME"
            )
