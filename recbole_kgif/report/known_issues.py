"""Known issues of RecBole's own models that a reader of a table should know.

Peers run as RecBole ships them, without workarounds for these. The tests of the peers
show each issue, and fail once RecBole has changed it.
"""

from __future__ import annotations

from collections.abc import Mapping

_TESTS_THE_LAST = (
    "tested with the embeddings of its last validation, not of its best: it caches "
    "them, and loading the best checkpoint does not clear the cache"
)
_DRAWS_TRIPLES = "samples the triples that it uses anew, also in evaluation"
_KEEPS_TRIPLES = (
    "node_dropout_rate is the share of the triples that it keeps; the dropout of "
    "interactions is mess_dropout_rate"
)

# By model.
KNOWN_ISSUES: Mapping[str, tuple[str, ...]] = {
    "KGAT": (
        "its knowledge loss leaves interactions out, so that their relation keeps its "
        "initial embedding",
        "attention adds up the logits of several relations between two nodes before "
        "its softmax",
        "restored from a checkpoint, it predicts single pairs with the initial "
        "attention (the full ranking of the tests uses the trained one)",
    ),
    "KGIN": (_TESTS_THE_LAST, _DRAWS_TRIPLES, _KEEPS_TRIPLES),
    "KTUP": ("samples preferences with Gumbel noise, also in evaluation",),
    "MCCLK": (_TESTS_THE_LAST, _DRAWS_TRIPLES, _KEEPS_TRIPLES),
}
