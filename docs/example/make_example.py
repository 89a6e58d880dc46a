"""Generate the ratings of the tutorial's example: who cooked which recipe.

`recipes.csv` and `graph.csv` were written by hand. This script generates `ratings.csv`
from them: forty synthetic cooks, each with preferences for some ingredients and
cuisines, cook recipes over a year and rate them. The seed is fixed, so the file is the
same each time.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

HERE = Path(__file__).parent
SEED = 7
N_COOKS = 40
FEWEST_RECIPES, MOST_RECIPES = 8, 14
FIRST_DAY, N_DAYS = date(2024, 1, 1), 366


def run() -> None:
    """Write the ratings to the file given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE / "ratings.csv")
    output = parser.parse_args().output
    with output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["cook", "recipe", "stars", "date"])
        writer.writerows(make_ratings(facts_by_recipe()))


def facts_by_recipe() -> dict[str, list[str]]:
    """The ingredients and the cuisine of each recipe, by the recipe's id."""
    with (HERE / "recipes.csv").open(encoding="utf-8", newline="") as file:
        recipes = [row["recipe"] for row in csv.DictReader(file)]
    facts: dict[str, list[str]] = defaultdict(list)
    with (HERE / "graph.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            facts[row["head"]].append(row["tail"])
    return {recipe: facts[recipe] for recipe in recipes}


def make_ratings(facts: Mapping[str, Sequence[str]]) -> list[tuple[str, str, int, str]]:
    """Simulate what the cooks cook.

    Args:
        facts: the ingredients and the cuisine of each recipe.

    Returns:
        Cook, recipe, stars from 1 to 5, and date of each rating.
    """
    random_numbers = random.Random(SEED)
    rows = []
    for number in range(1, N_COOKS + 1):
        ratings = _ratings_of_one(facts, random_numbers)
        rows += [(f"cook-{number:02}", *rating) for rating in ratings]
    return rows


def _ratings_of_one(
    facts: Mapping[str, Sequence[str]], random_numbers: random.Random
) -> list[tuple[str, int, str]]:
    tastes = {
        fact: random_numbers.gauss(0, 1)
        for fact in sorted({fact for of_recipe in facts.values() for fact in of_recipe})
    }
    preferences = {
        recipe: sum(tastes[fact] for fact in of_recipe) / math.sqrt(len(of_recipe))
        for recipe, of_recipe in facts.items()
    }
    # The largest of preference plus Gumbel noise: sampling without replacement.
    drawn = sorted(
        preferences,
        key=lambda recipe: 2 * preferences[recipe] + _gumbel(random_numbers),
        reverse=True,
    )[: random_numbers.randint(FEWEST_RECIPES, MOST_RECIPES)]
    days = sorted(random_numbers.sample(range(N_DAYS), len(drawn)))
    random_numbers.shuffle(drawn)
    return [
        (
            recipe,
            _stars(preferences[recipe], random_numbers),
            (FIRST_DAY + timedelta(days=day)).isoformat(),
        )
        for recipe, day in zip(drawn, days)
    ]


def _gumbel(random_numbers: random.Random) -> float:
    return -math.log(-math.log(1 - random_numbers.random()))


def _stars(preference: float, random_numbers: random.Random) -> int:
    return min(5, max(1, round(3.5 + preference + random_numbers.gauss(0, 0.5))))


if __name__ == "__main__":
    run()
