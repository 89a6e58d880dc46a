"""Random data sets with what is rare in a graph: parallel edges, loops, lone nodes."""

from __future__ import annotations

import torch
from torch import Tensor

FIELDS = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "ENTITY_ID_FIELD": "entity_id",
    "RELATION_ID_FIELD": "relation_id",
    "HEAD_ENTITY_ID_FIELD": "head_id",
    "TAIL_ENTITY_ID_FIELD": "tail_id",
    "NEG_PREFIX": "neg_",
    "device": torch.device("cpu"),
    "kg_reverse_r": False,
    "train_neg_sample_args": {"distribution": "uniform"},
}
SIZES = {"user_id": 8, "item_id": 9, "entity_id": 16, "relation_id": 5}


class RandomData:
    """The part of RecBole's data set that KGIF needs; id 0 is padding.

    The last user and the last item have no interaction, the last item and the last
    entity no triple. Some facts come twice, some pairs of entities have two relations,
    and some entities a loop.
    """

    def __init__(self, seed: int):
        random = torch.Generator().manual_seed(seed)

        def ids(least: int, most: int, count: int) -> Tensor:
            return torch.randint(least, most, (count,), generator=random)

        n_items, n_entities = SIZES["item_id"], SIZES["entity_id"]
        seen = torch.rand(SIZES["user_id"], n_items, generator=random) < 0.3
        seen[0], seen[:, 0], seen[-1], seen[:, -1] = False, False, False, False
        seen[1, 1] = True
        user, item = torch.nonzero(seen).t()
        self.seen = seen
        self.inter_feat = {"user_id": user, "item_id": item}
        head, tail = ids(1, n_entities - 1, 40), ids(1, n_entities - 1, 40)
        head[:3] = tail[:3]
        head[head == n_items - 1], tail[tail == n_items - 1] = 1, 2
        relation = ids(1, SIZES["relation_id"] - 1, 40)
        doubled = slice(10, 20)
        self.kg_feat = {
            "head_id": torch.cat([head, head[doubled], head[doubled]]),
            "relation_id": torch.cat(
                [relation, relation[doubled], relation[doubled] % 3 + 1]
            ),
            "tail_id": torch.cat([tail, tail[doubled], tail[doubled]]),
        }
        self.random = random

    def num(self, field: str) -> int:
        return SIZES[field]

    def batch(self, size: int = 12) -> dict[str, Tensor]:
        """Interactions with negatives that the user does not know, and triples."""
        user, item = self.inter_feat.values()
        chosen = torch.randint(len(user), (size,), generator=self.random)
        unknown = 1.0 - self.seen[user[chosen]].double()
        unknown[:, 0] = 0
        negative = torch.multinomial(unknown, 1, generator=self.random).squeeze(1)
        of_triples = torch.randint(len(self.kg_feat["head_id"]), (size,))
        return {
            "user_id": user[chosen],
            "item_id": item[chosen],
            "neg_item_id": negative,
            **{name: ids[of_triples] for name, ids in self.kg_feat.items()},
            "neg_tail_id": torch.randint(1, SIZES["entity_id"], (size,)),
        }
