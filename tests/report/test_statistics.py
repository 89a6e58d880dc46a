from __future__ import annotations

import math

import pandas as pd
import pytest

from recbole_kgif.report.comparison_page import lead_of
from recbole_kgif.report.statistics import over_seeds, paired_tests, ranks
from tests.report.records_by_hand import USERS, comparison, record


def test_mean_and_sample_deviation() -> None:
    values = pd.DataFrame({"label": ["A", "A", "B"], "value": [1.0, 3.0, 1.0]})
    summary = over_seeds(values, ["label"])
    assert (summary.at["A", "mean"], summary.at["A", "seeds"]) == (2, 2)
    assert summary.at["A", "deviation"] == pytest.approx(2**0.5)
    assert math.isnan(summary.at["B", "deviation"])


def test_ranks_share_places_by_what_is_displayed() -> None:
    means = pd.Series({"A": 0.50001, "B": 0.50004, "C": 0.4, "D": 0.4999})
    assert dict(ranks(means, "recall@10")) == {"A": 1, "B": 1, "C": 4, "D": 3}
    assert dict(ranks(means, "giniindex@10")) == {"A": 3, "B": 3, "C": 1, "D": 2}


def test_a_metric_missing_in_one_run_gives_no_value() -> None:
    runs = comparison(record("A"), record("A", 2021, {"ndcg@2": [0, 0, 0, 1]}))
    assert runs.over_seeds("recall@2").empty
    assert runs.over_seeds("ndcg@2").at["A", "mean"] == 0.25
    assert runs.values_of_users("recall@2") == {}


def test_means_over_seeds_are_rounded_once() -> None:
    # 0.66665 and 0.66665: RecBole's values are 0.6667 and 0.6666.
    values = {"recall@2": [0.66665] * 4}
    runs = comparison(
        *(
            record(model, seed, values, test={"recall@2": mean, "hit@2": 0.5})
            for model, means in (("A", (0.6667, 0.6667)), ("B", (0.6667, 0.6666)))
            for seed, mean in enumerate(means)
        )
    )
    assert list(runs.over_seeds("recall@2")["mean"]) == [0.66665, 0.66665]
    # What no user has a value of stays as it is recorded.
    assert runs.over_seeds("hit@2").at["A", "mean"] == 0.5


def test_users_are_averaged_over_seeds_by_their_id() -> None:
    turned = record("A", 2021, {"recall@2": [4, 3, 2, 1]})
    turned["test_per_user"]["users"] = USERS[::-1]
    runs = comparison(record("A", 2020, {"recall@2": [1, 2, 3, 6]}), turned)
    means = runs.means_of_users("recall@2")["A"]
    assert dict(means) == {"u1": 1, "u2": 2, "u3": 3, "u4": 5}
    assert "A" not in runs.means_of_users("hit@2")


def test_the_best_is_tested_against_each_other_and_corrected() -> None:
    best, middle, last = [0.9, 0.8, 0.7, 1.0], [0.8, 0.8, 0.5, 0.9], [0.1, 0, 0.2, 0.1]
    values = {"Middle": middle, "Best": best, "Last": last}
    runs = comparison(*(record(m, values={"recall@2": v}) for m, v in values.items()))
    lead = lead_of(runs, "recall@2")
    assert lead.best == "Best"
    differences = pd.DataFrame({"Best": best, "Middle": middle, "Last": last})
    alone = paired_tests(differences.rsub(differences["Best"], axis=0)[["Last"]])
    near, far = lead.tests.loc["Middle"], lead.tests.loc["Last"]
    assert list(lead.tests.index) == ["Middle", "Last"]
    assert far["p_value"] == alone.at["Last", "p_value"]
    assert far["difference"] == pytest.approx(0.75)
    assert far["adjusted"] == pytest.approx(2 * far["p_value"])
    assert near["adjusted"] == pytest.approx(near["p_value"])
    assert far["is_significant"]
    assert not near["is_significant"]
    assert not lead.is_significant("recall@2", 3)


@pytest.mark.parametrize(
    ("metric", "is_lead"), [("recall@2", False), ("averagepopularity@2", True)]
)
def test_the_first_of_two_by_name_does_not_lead(metric: str, is_lead: bool) -> None:
    # A little less for every user, and the same in four decimals.
    values = {"A": [0.1, 0.2, 0.3, 0.4], "B": [0.10001, 0.20001, 0.30001, 0.40001]}
    runs = comparison(*(record(m, values={metric: v}) for m, v in values.items()))
    lead = lead_of(runs, metric)
    assert (lead.best, list(lead.tests.index)) == ("A", ["B"])
    assert lead.tests.at["B", "is_significant"]
    assert lead.is_significant(metric, 2) is is_lead
    # A third model without values by user cannot be tested.
    assert not lead.is_significant(metric, 3)


@pytest.mark.parametrize("values", [None, {"users": ["u1"], "metrics": {}}])
def test_without_values_per_user_nothing_is_tested(values: object) -> None:
    runs = comparison(
        record("A", test_per_user=values), record("B", test_per_user=values)
    )
    assert lead_of(runs, "recall@2").tests.empty
