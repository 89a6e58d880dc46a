from __future__ import annotations

import pytest

from recbole_kgif.report.paired_tests import paired_test
from recbole_kgif.report.statistics import (
    against_best,
    figure,
    metric_figures,
    ranks,
    runs_by_model,
    values_per_user,
)
from tests.report.records_by_hand import USERS, comparison, record


def test_mean_and_sample_deviation() -> None:
    two = figure([1.0, 3.0])
    assert (two.mean, two.values) == (2, (1, 3))
    assert two.deviation == pytest.approx(2**0.5)
    assert figure([1.0]).deviation is None


def test_ranks_share_places_by_what_is_displayed() -> None:
    figures = {
        "A": figure([0.50001]),
        "B": figure([0.50004]),
        "C": figure([0.4]),
        "D": figure([0.4999]),
    }
    assert ranks(figures, "recall@10") == {"A": 1, "B": 1, "C": 4, "D": 3}
    assert ranks(figures, "giniindex@10") == {"A": 3, "B": 3, "C": 1, "D": 2}


def test_a_metric_missing_in_one_run_gives_no_figure() -> None:
    models = runs_by_model(
        comparison(record("A"), record("A", 2021, {"ndcg@2": [0, 0, 0, 1]}))
    )
    assert metric_figures(models, "recall@2") == {}
    assert metric_figures(models, "ndcg@2")["A"].mean == 0.25


def test_means_over_seeds_are_rounded_once() -> None:
    # 0.66665 and 0.66665: RecBole's figures are 0.6667 and 0.6666.
    values = {"recall@2": [0.66665] * 4}
    models = runs_by_model(
        comparison(
            *(
                record(model, seed, values, test={"recall@2": figure, "hit@2": 0.5})
                for model, figures in (("A", (0.6667, 0.6667)), ("B", (0.6667, 0.6666)))
                for seed, figure in enumerate(figures)
            )
        )
    )
    figures = metric_figures(models, "recall@2")
    assert figures["A"] == figures["B"]
    assert figures["A"].mean == 0.66665
    # What no user has a value of stays as it is recorded.
    assert metric_figures(models, "hit@2")["A"].mean == 0.5


def test_users_are_averaged_over_seeds_by_their_id() -> None:
    turned = record("A", 2021, {"recall@2": [4, 3, 2, 1]})
    turned["test_per_user"]["users"] = USERS[::-1]
    runs = comparison(record("A", 2020, {"recall@2": [1, 2, 3, 6]}), turned).runs
    assert values_per_user(runs, "recall@2") == {"u1": 1, "u2": 2, "u3": 3, "u4": 5}
    assert values_per_user(runs, "hit@2") is None


def test_the_best_is_tested_against_each_other_and_corrected() -> None:
    best, middle, last = [0.9, 0.8, 0.7, 1.0], [0.8, 0.8, 0.5, 0.9], [0.1, 0, 0.2, 0.1]
    values = {"Middle": middle, "Best": best, "Last": last}
    models = runs_by_model(
        comparison(*(record(m, values={"recall@2": v}) for m, v in values.items()))
    )
    near, far = against_best(models, "recall@2")
    assert (near.best, near.other, far.best, far.other) == (
        *("Best", "Middle"),
        *("Best", "Last"),
    )
    assert near.test == paired_test(best, middle)
    assert far.test == paired_test(best, last)
    assert far.adjusted == pytest.approx(2 * far.test.p_value)
    assert near.adjusted == pytest.approx(near.test.p_value)
    assert far.is_significant
    assert not near.is_significant


@pytest.mark.parametrize(
    ("metric", "significant", "lead"),
    [("recall@2", True, False), ("averagepopularity@2", True, True)],
)
def test_the_first_of_two_by_name_does_not_lead(
    metric: str, significant: bool, lead: bool
) -> None:
    # A little less for every user, and the same in four decimals.
    values = {"A": [0.1, 0.2, 0.3, 0.4], "B": [0.10001, 0.20001, 0.30001, 0.40001]}
    models = runs_by_model(
        comparison(*(record(m, values={metric: v}) for m, v in values.items()))
    )
    (against,) = against_best(models, metric)
    assert (against.best, against.other) == ("A", "B")
    assert against.is_significant is significant
    assert against.is_lead(metric) is lead


@pytest.mark.parametrize("values", [None, {"users": ["u1"], "metrics": {}}])
def test_without_values_per_user_nothing_is_tested(values: object) -> None:
    models = runs_by_model(
        comparison(record("A", test_per_user=values), record("B", test_per_user=values))
    )
    assert against_best(models, "recall@2") == []
