"""Fingerprints of data: what a trained model depends on, in a few values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from recbole_kgif.data.splitting import hash_split
from recbole_kgif.errors import UserError


def split_hash(train_data: Any, valid_data: Any, test_data: Any) -> str:
    """Fingerprint of a split: equal for equal sets of interactions in each part.

    It is taken over the original ids, so it does not depend on a model's numbering of
    users and items, nor on the order of the interactions.

    Args:
        train_data: RecBole's loader of the training interactions.
        valid_data: that of the validation interactions.
        test_data: that of the test interactions.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    parts = {}
    for part, data in (
        ("train", train_data),
        ("valid", valid_data),
        ("test", test_data),
    ):
        dataset = data._dataset
        users, items = (
            dataset.id2token(field, dataset.inter_feat[field])
            for field in (dataset.uid_field, dataset.iid_field)
        )
        parts[part] = zip(users, items)
    return hash_split(parts)


def fingerprint(dataset: Any, train: Any, valid: Any, test: Any) -> dict[str, Any]:
    """All of the data that a trained model depends on, in a few values.

    Args:
        dataset: RecBole's data set, all interactions.
        train: RecBole's loader of the training interactions.
        valid: that of the validation interactions.
        test: that of the test interactions.

    Returns:
        `counts` of users, items and, with a knowledge graph, entities and relations,
        padding left out; `ids`, for each of these a hash over the original ids in the
        order of RecBole's numbers; `triples`, a hash over the knowledge graph; `split`,
        see `split_hash`; and `candidates`, a hash over the items that can be ranked, in
        an order that depends on no model.
    """
    fields = {"users": dataset.uid_field, "items": dataset.iid_field}
    items = dataset.field2id_token[dataset.iid_field]
    triples = None
    if hasattr(dataset, "kg_feat"):
        fields["entities"] = dataset.entity_field
        fields["relations"] = dataset.relation_field
        triples = _triples_hash(dataset)
    return {
        "counts": {what: dataset.num(field) - 1 for what, field in fields.items()},
        "ids": {
            what: _ids_hash(dataset.field2id_token[field])
            for what, field in fields.items()
        },
        "triples": triples,
        "split": split_hash(train, valid, test),
        "candidates": _ids_hash(sorted(map(str, items[1:]))),
    }


def _ids_hash(tokens: Any) -> str:
    return hashlib.sha256("\n".join(map(str, tokens)).encode()).hexdigest()


def _triples_hash(dataset: Any) -> str:
    fields = (
        dataset.head_entity_field,
        dataset.relation_field,
        dataset.tail_entity_field,
    )
    columns = [np.asarray(dataset.kg_feat[field], dtype="<i8") for field in fields]
    triples = np.stack(columns, axis=1)[np.lexsort(columns)]
    return hashlib.sha256(triples.tobytes()).hexdigest()


def require_same_data(
    where: str, expected: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    """Compare two fingerprints.

    Args:
        where: the file that expects the data, for the message.
        expected: the fingerprint that it holds.
        found: that of the data at hand.

    Raises:
        UserError: they differ; the message says in what.
    """
    advice = "give the data that it was trained on"
    for what in {**expected["counts"], **found["counts"]}:
        before, now = (side["counts"].get(what, 0) for side in (expected, found))
        if before != now:
            raise UserError(
                f"{where}: trained with {before:,} {what}, and the data has {now:,}; "
                f"{advice}"
            )
    for what, ids in expected["ids"].items():
        if found["ids"][what] != ids:
            raise UserError(
                f"{where}: trained with other {what} than the data has, or in another "
                f"order; {advice}"
            )
    # Earlier releases did not write it.
    if expected.get("candidates", found["candidates"]) != found["candidates"]:
        raise UserError(
            f"{where}: trained with other candidates than the data has; {advice}"
        )
    if found["triples"] != expected["triples"]:
        raise UserError(
            f"{where}: trained with another knowledge graph than the data has; {advice}"
        )
    if found["split"] != expected["split"]:
        raise UserError(
            f"{where}: trained on split {expected['split'][:12]}, and the data gives "
            f"{found['split'][:12]}; {advice}"
        )
