"""Types of the command line's arguments."""

from __future__ import annotations

import argparse
import math
from typing import Union

from recbole_kgif.options.settings import LARGEST_SEED

# A signed integer of 64 bits holds every number of so many digits.
_MOST_DIGITS = 18
# Of runs that are compared, unless others are asked for.
FIRST_SEED = 2020
# More runs, items or users than anybody asks for, and few enough to be gone through.
_LARGEST_COUNT = 1_000_000
# A larger number of seeds is one of them.
_MOST_SEEDS = 1000


def at_least_one(text: str) -> int:
    """Type of an argument that counts something."""
    if not _is_whole(text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    if int(text) > _LARGEST_COUNT:
        raise argparse.ArgumentTypeError(f"{text} is more than {_LARGEST_COUNT:,}")
    return int(text)


def whole_number(text: str) -> int:
    """Type of an argument that is a whole number from 0 on, such as a seed."""
    if not _is_whole(text) or len(text) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 on")
    return int(text)


def seed_number(text: str) -> int:
    """Type of an argument that is a seed."""
    if not _is_whole(text) or len(text) > _MOST_DIGITS or int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(
            f"{text} is not a whole number from 0 to {LARGEST_SEED}"
        )
    return int(text)


def seeds_of_runs(text: str) -> Union[int, list[int]]:
    """Type of an argument that counts seeds, or lists them with commas."""
    if "," not in text:
        count = at_least_one(text)
        if count > _MOST_SEEDS:
            raise argparse.ArgumentTypeError(
                f"{text} is the number of seeds, not a seed; did you mean --seeds "
                f"{text},{count + 1}? One seed is given with a comma, as {text},"
            )
        return count
    seeds = [seed_number(part.strip()) for part in text.split(",") if part.strip()]
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text} lists no seed")
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise argparse.ArgumentTypeError(f"{text} lists {seed} twice")
    return seeds


def seed_numbers(given: Union[int, list[int]]) -> list[int]:
    """The seeds that a value of `seeds_of_runs` stands for."""
    if isinstance(given, int):
        return list(range(FIRST_SEED, FIRST_SEED + given))
    return given


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def positive(text: str) -> float:
    """Type of an argument that measures something."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value
