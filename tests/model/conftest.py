"""What the tests of the arithmetic and of the layers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from recbole_kgif.model.graph import CollaborativeKnowledgeGraph
from tests.model.test_graph import FACTS, graph_of


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def graph() -> CollaborativeKnowledgeGraph:
    return graph_of(FACTS)
