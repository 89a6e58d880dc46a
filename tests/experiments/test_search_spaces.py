from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.planning import may_differ
from recbole_kgif.experiments.search_spaces import (
    FIXED,
    PUBLISHED,
    SPACES,
    Choices,
    LogRange,
    space_of,
    starting_points,
)
from recbole_kgif.options.models import ALL_MODELS, BASELINES, presets
from recbole_kgif.options.settings import check_option, default_options

# Options that RecBole's yaml of a model names and whose values change what is learned.
_REGULARISATIONS = {"reg_weight", "reg_weights", "weight_decay"}
# Those that are tuned by name alone; SharedEntities chooses its only parameter itself.
OF_BASELINES = set(BASELINES) - {"SharedEntities"}
MODELS = [*ALL_MODELS, *presets(), *sorted(OF_BASELINES)]
# Not trained by steps.
IN_CLOSED_FORM = {"EASE", *OF_BASELINES}


def check_parameters(model: str, parameters: Mapping[str, Any]) -> None:
    known = default_options(model)
    for name, value in parameters.items():
        check_option(f"{model}: {name}", name, value, known)
        assert type(value) is type(known[name]), (name, value)


def test_every_model_of_a_comparison_has_a_space_and_no_other() -> None:
    assert set(SPACES) == set(MODELS)
    assert set(PUBLISHED) <= set(SPACES)


@pytest.mark.parametrize("model", MODELS)
def test_a_space_holds_options_of_its_model_with_values_that_it_may_have(
    model: str,
) -> None:
    space = space_of(model, {})
    assert ("learning_rate" in space) == (model not in IN_CLOSED_FORM)
    assert _REGULARISATIONS & set(space) or model in OF_BASELINES
    for name, domain in space.items():
        assert may_differ(name), name
        assert name not in FIXED
        if isinstance(domain, Choices):
            assert len(domain.values) > 1, name
            for place, value in enumerate(domain.values):
                check_parameters(model, {name: value})
                assert domain.values.index(value) == place, (name, value)
        else:
            assert 0 < domain.low < domain.high, name
            check_parameters(model, {name: domain.low})


@pytest.mark.parametrize("model", MODELS)
def test_defaults_and_published_settings_lie_in_the_space(model: str) -> None:
    space = space_of(model, {})
    starts = starting_points(model, space)
    assert starts[0] == {name: default_options(model)[name] for name in space}
    assert len(starts) == 1 + (model in PUBLISHED)
    for start in starts:
        assert list(start) == list(space)
        for name, value in start.items():
            assert value in space[name], (name, value)
    assert set(PUBLISHED.get(model, {})) <= set(space)
    if model in PUBLISHED:
        check_parameters(model, PUBLISHED[model])
        assert starts[1].items() >= PUBLISHED[model].items()


@pytest.mark.parametrize("model", MODELS)
def test_the_models_are_of_one_size(model: str) -> None:
    assert FIXED == {"embedding_size": 64, "train_batch_size": 2048}
    has_a_size = model not in IN_CLOSED_FORM
    assert ("embedding_size" in default_options(model)) == has_a_size


def test_what_is_given_is_not_tuned() -> None:
    space = space_of("KGIN", {"ind": "mi", "context_hops": 2})
    assert set(SPACES["KGIN"]) - set(space) == {"ind", "context_hops"}
    assert {"ind", "context_hops"}.isdisjoint(starting_points("KGIN", space)[1])
    # Of KGCN's published setting, only this differs from the defaults.
    given = {"aggregator": "sum", "reg_weight": 1e-7}
    assert len(starting_points("KGCN", space_of("KGCN", given))) == 1


def test_models_that_cannot_be_tuned() -> None:
    with pytest.raises(UserError, match="--models Pop: no search space is known"):
        space_of("Pop", {})
    given = {"learning_rate": 1, "weight_decay": 0}
    with pytest.raises(UserError, match="BPR: nothing is left to tune"):
        space_of("BPR", given)


def test_what_lies_in_a_domain() -> None:
    assert 1e-3 in LogRange(1e-4, 1e-2)
    assert 1e-5 not in LogRange(1e-4, 1e-2)
    assert "1e-3" not in LogRange(1e-4, 1e-2)
    assert [64, 32] in Choices(([64], [64, 32]))
    assert [32] not in Choices(([64], [64, 32]))
