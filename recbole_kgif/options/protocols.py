"""Protocols of evaluation: the options that each fixes, and what it is in words."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.options.item_groups import WARM_ONLY

RECBOLE = "recbole"
KGAT_PAPER = "kgat-paper"
NEW_ITEMS = "new-items"

# The option under which a run's own options name another protocol than RecBole's.
OPTION = "protocol"


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    Attributes:
        words: What is done, for a report.
        options: The options that it fixes.
        needs_given_split: Whether the data set has to be pre-split.
        defaults: Options that it changes, but that may be given otherwise.
    """

    words: str
    options: Mapping[str, Any]
    needs_given_split: bool
    defaults: Mapping[str, Any] = field(default_factory=dict)


PROTOCOLS: Mapping[str, Protocol] = {
    RECBOLE: Protocol(
        words="The protocol is recbole: the metrics and the ranking are RecBole's, and "
        "training is stopped by the validation part.",
        options={},
        needs_given_split=False,
    ),
    KGAT_PAPER: Protocol(
        words="The protocol is kgat-paper, which follows the evaluation of KGAT: the "
        "data set's own training and test interactions, all items ranked but those "
        "that the user has interacted with, and metrics at 20. Unlike there, training "
        "is stopped by a validation set taken from the training interactions, never by "
        "the test. NDCG has all test items of a user in its ideal ranking; KGATNDCG "
        "has those among the first 100 retrieved ones alone, as KGAT's code with its "
        "cutoffs up to 100, so it is never lower and has to be compared with figures "
        "of that code only.",
        options={
            # KGAT's longest list, from which KGATNDCG takes its ideal ranking.
            "topk": [20, 100],
            "metrics": ["Recall", "NDCG", "KGATNDCG", "Hit", "Precision"],
            "valid_metric": "Recall@20",
            "eval_args": {"mode": "full"},
        },
        needs_given_split=True,
    ),
    NEW_ITEMS: Protocol(
        words="The protocol is new-items: a fifth of the items is held out with all "
        "interactions for the test, a tenth for validation, and a tenth of each user's "
        "other interactions for either; the triples of all items stay. A pre-split "
        "data set keeps its own split. Metrics are given apart for the test "
        "interactions with new items (without a training interaction), few (1 to 5) "
        "and the rest, all items ranked; warm is few and rest together; harmonic is "
        "the harmonic mean of warm and new; new among new ranks new items alone, warm "
        "among warm the others. Training is stopped by warm among warm on the "
        "validation set, whose new items are others than the test's.",
        options={"eval_args": {"mode": "full"}},
        needs_given_split=False,
        defaults={
            "topk": [20],
            "metrics": ["Recall", "NDCG", "MRR"],
            "valid_metric": f"{WARM_ONLY}-NDCG@20",
        },
    ),
}


def add_protocol_argument(parser: argparse.ArgumentParser) -> None:
    """The argument that names a protocol."""
    parser.add_argument(
        "--protocol",
        choices=tuple(PROTOCOLS),
        default=RECBOLE,
        help="recbole (the default) takes metrics and cutoffs from the data set's "
        "configuration and from options; kgat-paper evaluates as KGAT does, at 20 on "
        "the data set's own split, but stops training by its validation part; "
        "new-items holds out whole items, and evaluates new and old ones apart",
    )


def under_protocol(
    name: str, of_dataset: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Add the options of a protocol to those of a data set.

    Args:
        name: the protocol.
        of_dataset: the data set's own options.
        given: options that the user asks for, which go over all others.

    Returns:
        The data set's options with those of the protocol and, unless it is RecBole's,
        with its name.

    Raises:
        UserError: the user asks for what the protocol fixes otherwise, or the data set
            is not pre-split where it has to be.
    """
    protocol = PROTOCOLS[name]
    for option, value in protocol.options.items():
        if option in given and given[option] != value:
            raise UserError(
                f"{option}={shown(str(given[option]))}: --protocol {name} fixes "
                f"{option} as {value}; leave one of them out"
            )
    is_split = bool({**of_dataset, **given}.get("benchmark_filename"))
    if protocol.needs_given_split and not is_split:
        raise UserError(
            f"--protocol {name}: the data set is not pre-split; make one from KGAT's "
            "files with prepare --kgat, or leave the protocol out"
        )
    named = {} if name == RECBOLE else {OPTION: name}
    return {**of_dataset, **protocol.defaults, **protocol.options, **named}


def protocol_of(record: Mapping[str, Any]) -> str:
    """The protocol of a run's record; RecBole's where the record is older than it."""
    return str(record.get(OPTION, RECBOLE))


def in_words(name: str) -> str:
    """What a protocol is; its name alone where this release does not know it."""
    known = PROTOCOLS.get(name)
    return f"The protocol is {name}." if known is None else known.words
