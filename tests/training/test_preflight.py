from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Optional

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.training import preflight
from recbole_kgif.training.preflight import (
    Sizes,
    advise,
    available_memory,
    estimate,
    log_memory_estimate,
    sizes_of,
)
from tests.conftest import Loaded

GIB = 2**30

AMAZON_LIKE = Sizes(
    n_nodes=184_000,
    n_graph_nodes=180_000,
    n_edges=6_800_000,
    n_scored_edges=4_200_000,
    n_pairs=900_000,
    n_tokens=800_000,
    n_users=70_680,
    n_items=25_000,
    n_interactions=850_000,
    n_shared=3_000_000,
    n_neighbours=200_000,
    n_held_out=10_000_000,
    n_walk_negatives=128,
    embedding_size=64,
    n_tables=2,
    n_layers=3,
    batch_size=2048,
    n_negatives=512,
    fuses=True,
    attention_is_learned=True,
)


class PeakOfTensors(TorchDispatchMode):
    """Counts the bytes of the dense tensors that are made in it and still held."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Optional[Any] = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, torch.Tensor) and value.layout == torch.strided:
                self._count(value.untyped_storage())
        self.peak = max(self.peak, self.held)
        return result

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return

        def forget() -> None:
            self.known.discard(key)
            self.held -= size

        self.known.add(key)
        self.held += size
        weakref.finalize(storage, forget)


class LargerData:
    """A random data set, of which the model needs no more than this."""

    def __init__(self, n_users: int, n_items: int, n_entities: int) -> None:
        generator = torch.Generator().manual_seed(0)

        def ids(size: int, n: int) -> torch.Tensor:
            return torch.randint(1, size, (n,), generator=generator)

        self.numbers = {
            "user_id": n_users,
            "item_id": n_items,
            "entity_id": n_entities,
            "relation_id": 8,
        }
        self.inter_feat = {"user_id": ids(n_users, 9000), "item_id": ids(n_items, 9000)}
        self.kg_feat = {
            "head_id": ids(n_entities, 12000),
            "relation_id": ids(7, 12000),
            "tail_id": ids(n_entities, 12000),
        }

    def num(self, field: str) -> int:
        return self.numbers[field]

    def batch(self, size: int) -> dict[str, torch.Tensor]:
        batch = {
            **{name: values[:size] for name, values in self.inter_feat.items()},
            **{name: values[:size] for name, values in self.kg_feat.items()},
        }
        batch["neg_item_id"] = self.inter_feat["item_id"][-size:]
        batch["neg_tail_id"] = self.kg_feat["tail_id"][-size:]
        return batch


def model_on(data: LargerData, loaded: Loaded) -> KGIF:
    torch.manual_seed(0)
    return KGIF(loaded.config, data)


LARGE = {"embedding_size": 32, "attention": "modulated", "use_gpu": False}


# --- the estimate -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "batch_size"),
    [
        ({}, 256),
        ({}, 2048),
        ({"embedding_size": 128}, 1024),
        ({"walks": False}, 1024),
        ({"attention_update": "epoch"}, 1024),
        ({"attention": "none", "fusion": False}, 1024),
        ({"loss": "bpr", "n_layers": 1}, 1024),
        ({"n_negatives": 64, "dynamic_projection": False}, 1024),
    ],
)
def test_the_estimate_is_near_what_is_held(
    load_tiny: Callable[..., Loaded], options: dict[str, Any], batch_size: int
) -> None:
    data = LargerData(n_users=1500, n_items=800, n_entities=3000)
    model = model_on(data, load_tiny(**{**LARGE, **options})).train()
    memory = estimate(sizes_of(model, batch_size))

    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert memory.parameters == pytest.approx(4 * weights, rel=0.05)
    storages = {b.data_ptr(): b.untyped_storage().nbytes() for b in model.buffers()}
    assert memory.graph == pytest.approx(sum(storages.values()), rel=0.15)

    with PeakOfTensors() as tensors:
        losses = model.calculate_loss(data.batch(batch_size))
        sum(losses).backward()
    # The gradients are counted among the parameters.
    expected = memory.step + memory.parameters // 4
    assert expected == pytest.approx(tensors.peak, rel=0.25)


def test_the_count_of_tensors_sees_what_is_given_back() -> None:
    with PeakOfTensors() as tensors:
        for _ in range(3):
            torch.ones(1000).sum()
    assert tensors.held == 0
    assert 4000 <= tensors.peak < 8000


def test_what_is_to_come_leaves_out_what_the_model_holds() -> None:
    memory = estimate(AMAZON_LIKE)
    assert memory.total == memory.parameters + memory.graph + memory.step
    assert memory.to_come == 3 * memory.parameters // 4 + memory.step


def test_a_recording_is_counted_where_there_is_one() -> None:
    plain = estimate(AMAZON_LIKE)
    recorded = estimate(replace(AMAZON_LIKE, is_recorded=True))
    assert plain.recording == 0 < recorded.recording
    assert recorded.total == plain.total + recorded.recording
    assert recorded.to_come == plain.to_come + recorded.recording


# --- the advice ---------------------------------------------------------------------


def shares_of_what_is_to_come(sizes: Sizes, *shares: float) -> list[Optional[str]]:
    to_come = estimate(sizes).to_come
    return [advise(sizes, int(to_come * share)) for share in shares]


def test_the_mildest_option_that_fits_is_advised() -> None:
    assert shares_of_what_is_to_come(AMAZON_LIKE, 0.99, 0.4) == [
        # Its attention takes the most, whatever the batch.
        "--attention_update=epoch",
        "--embedding_size=16",
    ]
    large_batch = replace(AMAZON_LIKE, batch_size=200_000)
    assert shares_of_what_is_to_come(large_batch, 0.99) == ["--train_batch_size=512"]


def test_several_options_are_advised_where_one_is_not_enough() -> None:
    sizes = replace(AMAZON_LIKE, batch_size=200_000)
    smallest = replace(
        sizes, batch_size=512, attention_is_learned=False, embedding_size=16
    )
    held = estimate(sizes).total - estimate(sizes).to_come
    advised = advise(sizes, estimate(smallest).total - held)
    assert advised == (
        "--train_batch_size=512 --attention_update=epoch --embedding_size=16"
    )


def test_nothing_is_advised_where_nothing_helps() -> None:
    sizes = replace(AMAZON_LIKE, embedding_size=8, batch_size=64)
    held = estimate(sizes).total - estimate(sizes).to_come
    assert advise(replace(sizes, attention_is_learned=False), -held) is None


# --- what is available --------------------------------------------------------------


def test_the_limit_of_a_container_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(preflight, "_CONTAINER_LIMITS", (tmp_path / "none",))
    free = available_memory(cpu)
    assert free > 0
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(preflight, "_CONTAINER_LIMITS", (limit,))
    limit.write_text("max\n")
    assert available_memory(cpu) == pytest.approx(free, rel=0.5)
    limit.write_text("1000\n")
    assert available_memory(cpu) == 0


# --- what is told -------------------------------------------------------------------


def told_of(
    loaded: Loaded,
    caplog: pytest.LogCaptureFixture,
    available: int,
    n_interactions: int = 10**6,
) -> list[logging.LogRecord]:
    model = KGIF(loaded.config, loaded.train_data._dataset)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(preflight, "available_memory", lambda _device: available)
        log_memory_estimate(model, loaded.config, n_interactions, 20)
    return caplog.records


def test_one_line_tells_the_graph_and_the_memory(
    load_tiny: Callable[..., Loaded], caplog: pytest.LogCaptureFixture
) -> None:
    (record,) = told_of(load_tiny(), caplog, 3 * GIB)
    assert record.levelno == logging.INFO
    assert "graph: 16 nodes, 40 edges; training takes about " in record.message
    assert record.message.endswith("3.0 GiB are free")


def test_too_little_memory_is_warned_of_with_what_to_do(
    load_tiny: Callable[..., Loaded], caplog: pytest.LogCaptureFixture
) -> None:
    _, record = told_of(load_tiny(train_batch_size=100_000), caplog, 2**24)
    assert record.levelno == logging.WARNING
    assert "more, and only 16 MiB are free; --train_batch_size=512 makes it fit" in (
        record.message
    )


def test_a_step_holds_no_more_than_there_is(
    load_tiny: Callable[..., Loaded], caplog: pytest.LogCaptureFixture
) -> None:
    for size in (20, 10**5, 99_999_999):
        told_of(load_tiny(train_batch_size=size), caplog, 2**24, n_interactions=11)
    # The same line for each, without a warning.
    (message,) = {record.message for record in caplog.records}
    assert "MiB" in message


def test_triples_of_a_step_are_counted_where_they_are_more() -> None:
    few = replace(AMAZON_LIKE, batch_size=240)
    many = replace(few, n_batch_triples=10**6)
    assert estimate(few).step < estimate(AMAZON_LIKE).step < estimate(many).step
    # Pairs of an interaction and a negative are not more for it.
    assert estimate(many).step < estimate(replace(few, batch_size=10**6)).step


def test_of_other_models_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_memory_estimate(torch.nn.Linear(2, 2), {}, 1, 1)
    assert not caplog.records
