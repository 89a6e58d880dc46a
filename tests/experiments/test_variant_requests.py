from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.planning import GivenOptions
from recbole_kgif.experiments.run_store import difference
from recbole_kgif.experiments.variant_requests import VariantRequest, plan_study
from recbole_kgif.options.conditions import CONDITIONS, parse_conditions, variants_of
from recbole_kgif.options.variants import ABLATION, parse_variants, variants_of_preset
from recbole_kgif.report.run_files import settings_of
from tests.experiments.planned import planned

METRIC = {"topk": [2], "metrics": ["NDCG"], "valid_metric": "NDCG@2"}


def plan(
    names: str = "all",
    seeds: int = 1,
    *,
    of_dataset: Optional[Mapping[str, Any]] = None,
    **given: Any,
) -> list[VariantRequest]:
    dataset = planned(**METRIC, **(of_dataset or {}))
    return plan_study(parse_variants(names), seeds, dataset, GivenOptions(**given))


def by_variant(requests: list[VariantRequest]) -> dict[str, VariantRequest]:
    return {request.variant: request for request in requests}


def test_every_variant_changes_what_its_name_says() -> None:
    requests = by_variant(plan())
    assert list(requests) == [variant.name for variant in ABLATION]
    full = settings_of(requests["full"].to_json())
    changed = {
        name: {
            k: v
            for k, v in settings_of(request.to_json()).items()
            if k not in ("variant", "triples") and full.get(k) != v
        }
        for name, request in requests.items()
        if request.model == "KGIF"
    }
    assert changed == {
        "full": {},
        "without-fusion": {"fusion": False},
        "without-projection": {"dynamic_projection": False},
        "without-attention": {"attention": "none"},
        "without-graph": {},
        "without-walks": {"walks": False},
        "without-knowledge-loss": {"knowledge_weight": 0},
        "bpr": {"loss": "bpr"},
        "lightgcn": {
            "attention": "none",
            "fusion": False,
            "walks": False,
            "knowledge_weight": 0,
        },
    }
    emptied = [name for name, request in requests.items() if request.triples]
    assert emptied == ["without-graph", "lightgcn"]
    assert requests["lightgcn"].triples == {"kept": 0.0, "replaced": 0.0, "seed": 2020}
    models = {name: request.model for name, request in requests.items()}
    assert models["popularity"] == "Pop"
    assert models["shared-entities"] == "SharedEntities"


def test_what_is_not_trained_is_run_once() -> None:
    requests = plan("full,item-knn", seeds=3)
    assert [request.name for request in requests] == [
        *("full-2020", "item-knn-2020"),
        *("full-2021", "full-2022"),
    ]


def test_whose_options_go_first() -> None:
    requests = by_variant(
        plan(
            "full,without-walks,without-fusion,item-knn",
            of_dataset={"learning_rate": 0.1},
            in_files={"learning_rate": 0.2, "n_layers": 1},
            of_models={"KGIF": {"learning_rate": 0.3, "temperature": 0.1}},
            in_arguments={"learning_rate": 0.4, "walks": True},
        )
    )
    full = requests["full"].options
    assert full["learning_rate"] == 0.4
    assert (full["n_layers"], full["temperature"], full["topk"]) == (1, 0.1, [2])
    assert full["walks"] is True
    assert requests["without-walks"].options["walks"] is False
    # A model goes without the options that it does not know.
    other = requests["item-knn"].options
    assert {"n_layers", "walks", "temperature"}.isdisjoint(other)
    assert other["topk"] == [2]


def test_a_variant_that_takes_away_nothing_is_refused() -> None:
    message = (
        "without-attention: is the same as full, as attention=none is given already"
    )
    with pytest.raises(UserError, match=message):
        plan(in_arguments={"attention": "none"})
    with pytest.raises(UserError, match="bpr: is the same as full, as loss=bpr"):
        plan(of_models={"KGIF": {"loss": "bpr"}})
    plan("full,without-walks", in_arguments={"attention": "none"})


def test_all_models_share_the_changed_graph_of_a_seed() -> None:
    variants = variants_of(["KGIF", "CKE"], CONDITIONS)
    requests = plan_study(variants, 2, planned(**METRIC), GivenOptions())
    assert len(requests) == 2 * 2 * 7
    changes: dict[tuple[str, int], list[Any]] = {}
    for request in requests:
        condition = request.variant.partition("-")[2]
        changes.setdefault((condition, request.seed), []).append(request.triples)
    assert all(first == second for first, second in changes.values())
    assert changes["full", 2020] == [None, None]
    assert changes["removed-75", 2021][0] == {
        "kept": 0.25,
        "replaced": 0.0,
        "seed": 2021,
    }
    assert changes["replaced-50", 2020][0] == {
        "kept": 1.0,
        "replaced": 0.5,
        "seed": 2020,
    }


def test_the_change_of_the_graph_has_to_agree() -> None:
    (request,) = (r for r in plan("full,without-graph") if r.triples)
    written = request.to_json()
    assert json.loads(json.dumps(written)) == written
    other = {**written, "triples": {"kept": 0.5, "replaced": 0.0, "seed": 2020}}
    told = difference(settings_of(other), settings_of(written))
    assert told.startswith("triples={'kept': 0.5")


def test_the_form_of_the_paper_has_its_own_defaults() -> None:
    requests = by_variant(plan("full,paper"))
    paper = requests["paper"]
    assert paper.model == "KGIF-paper"
    assert paper.options == requests["full"].options
    assert paper.defaults["loss"] == "bpr"
    assert requests["full"].defaults["loss"] == "softmax"


def test_a_variant_that_equals_another_is_refused() -> None:
    twice = [replace(v, model="KGIF-paper") for v in parse_variants("full,paper")]
    with pytest.raises(UserError, match="paper: is the same as full; leave one"):
        plan_study(twice, 1, planned(**METRIC), GivenOptions())


def test_names_of_variants_and_conditions() -> None:
    assert [v.name for v in parse_variants("bpr, full")] == ["full", "bpr"]
    assert [c.words for c in parse_conditions("all")] == [
        *("0% removed", "25% removed", "50% removed", "75% removed", "100% removed"),
        *("50% replaced", "100% replaced"),
    ]


def test_variants_of_a_preset_differ_from_it_and_can_be_trained() -> None:
    preset = {
        "walks": False,
        "loss": "bpr",
        "attention_update": "epoch",
        "propagation": "bi-interaction",
        "layer_sizes": [8],
    }
    found = {v.name: dict(v.options) for v in variants_of_preset(ABLATION, preset)}
    left_out = {"without-walks", "bpr", "paper"}
    assert list(found) == [v.name for v in ABLATION if v.name not in left_out]
    assert found["without-fusion"] == {"fusion": False}
    # Nothing else would train the attention.
    assert found["without-knowledge-loss"] == {
        "knowledge_weight": 0,
        "attention_update": "step",
    }
    assert found["lightgcn"]["propagation"] == "linear"
    assert found["lightgcn"]["layer_sizes"] == []
    assert variants_of_preset(ABLATION, {}) == list(ABLATION)
