"""What RecBole's own code does in some models that a reader of a table should know.

Peers run as RecBole ships them: none of this is mended. The tests of the peers show
each of these, and fail once RecBole does otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

_TESTS_THE_LAST = (
    "tested with what it computed for its last validation, not for its best: it keeps "
    "that, and loading the best checkpoint does not drop it"
)
_DRAWS_TRIPLES = "draws anew which triples it looks at, also when it only scores"
_KEEPS_TRIPLES = (
    "node_dropout_rate is the share of the triples that it keeps; what is dropped of "
    "the interactions is mess_dropout_rate"
)

# By model.
KNOWN_ISSUES: Mapping[str, tuple[str, ...]] = {
    "KGAT": (
        "its knowledge loss knows no interactions, so that their relation keeps its "
        "first embedding",
        "attention adds up the logits of several relations between two nodes before "
        "its softmax",
        "read from a checkpoint, it predicts single pairs with the attention of the "
        "beginning (the full ranking of the tests takes the trained one)",
    ),
    "KGIN": (_TESTS_THE_LAST, _DRAWS_TRIPLES, _KEEPS_TRIPLES),
    "KTUP": ("draws a preference by Gumbel noise, also when it only scores",),
    "MCCLK": (_TESTS_THE_LAST, _DRAWS_TRIPLES, _KEEPS_TRIPLES),
}
