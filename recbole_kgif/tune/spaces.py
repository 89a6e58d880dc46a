"""What is tried for each model: one table of options and their ranges.

The ranges are those that RecBole's documentation names for its own tuner, made wider
or continuous where a default or a published setting asks for it, with the learning rate
and a regularisation for every model. The size of the embeddings is no part of it: a
larger model would win by its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import default_options


@dataclass(frozen=True)
class LogRange:
    """Numbers between two positive ones, every order of magnitude as likely.

    Attributes:
        low: The smallest.
        high: The largest.
    """

    low: float
    high: float

    def __contains__(self, value: Any) -> bool:
        """Whether the value is a number in the range."""
        return isinstance(value, (int, float)) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choices:
    """A few values, of any kind that YAML knows.

    Attributes:
        values: The values.
    """

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return value in self.values


Domain = Union[LogRange, Choices]
Space = Mapping[str, Domain]
Parameters = Mapping[str, Any]


def _choices(*values: Any) -> Choices:
    return Choices(values)


# Alike for all models; another value may be given, then again for all.
FIXED: Parameters = {"embedding_size": 64, "train_batch_size": 2048}

_LEARNING_RATE = LogRange(1e-4, 1e-2)
# Models without a regularisation of their own have the optimiser's. A choice, since
# their default is 0, which no logarithmic range holds.
_WEIGHT_DECAY = _choices(0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)

SPACES: Mapping[str, Space] = {
    "KGIF": {
        "learning_rate": LogRange(5e-4, 5e-3),
        "weight_decay": LogRange(1e-6, 1e-3),
        "temperature": _choices(0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
        "initial_std": _choices(0.05, 0.1, 0.2, 0.3),
        "n_layers": _choices(1, 2, 3),
        "knowledge_weight": _choices(0.0, 0.01, 0.1, 1.0),
        "n_negatives": _choices(128, 256, 512, 1024),
    },
    "CFKG": {
        "learning_rate": _LEARNING_RATE,
        "weight_decay": _WEIGHT_DECAY,
        "loss_function": _choices("inner_product", "transe"),
        "margin": _choices(0.5, 1.0, 2.0),
    },
    "CKE": {
        "learning_rate": _LEARNING_RATE,
        "kg_embedding_size": _choices(16, 32, 64, 128),
        # Of users and items, of entities and relations.
        "reg_weights": _choices(
            [1e-1, 1e-1],
            [1e-1, 1e-2],
            [1e-2, 1e-1],
            [1e-2, 1e-2],
            [1e-2, 1e-3],
            [1e-3, 1e-2],
            [1e-3, 1e-3],
            [1e-4, 1e-4],
        ),
    },
    "KGAT": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-6, 1e-3),
        "layers": _choices(
            [64], [64, 32], [64, 32, 16], [64, 64, 64], [128, 64], [128, 64, 32]
        ),
        "mess_dropout": _choices(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        "aggregator_type": _choices("gcn", "graphsage", "bi"),
    },
    "KGCN": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-8, 1e-3),
        "aggregator": _choices("sum", "neighbor", "concat"),
        "n_iter": _choices(1, 2),
        "neighbor_sample_size": _choices(4, 8),
    },
    "KGIN": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-6, 1e-3),
        "sim_regularity": LogRange(1e-6, 1e-2),
        "context_hops": _choices(1, 2, 3),
        "n_factors": _choices(2, 4, 8),
        "ind": _choices("cosine", "distance"),
        "node_dropout_rate": _choices(0.1, 0.3, 0.5),
        "mess_dropout_rate": _choices(0.0, 0.1, 0.3),
    },
    "KGNNLS": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-8, 1e-3),
        "ls_weight": LogRange(1e-3, 1.0),
        "aggregator": _choices("sum", "neighbor", "concat"),
        "n_iter": _choices(1, 2),
        "neighbor_sample_size": _choices(4, 8),
    },
    "KTUP": {
        "learning_rate": _LEARNING_RATE,
        "weight_decay": _WEIGHT_DECAY,
        "L1_flag": _choices(True, False),
        "use_st_gumbel": _choices(True, False),
        "train_rec_step": _choices(5, 8, 10),
        "train_kg_step": _choices(0, 1, 3, 5),
        "align_weight": _choices(0.1, 0.5, 1.0, 2.0),
    },
    "MCCLK": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-6, 1e-3),
        "node_dropout_rate": _choices(0.1, 0.3, 0.5),
        "mess_dropout_rate": _choices(0.0, 0.1, 0.3),
        "alpha": _choices(0.1, 0.2, 0.5, 0.8),
        "beta": _choices(0.01, 0.05, 0.1, 0.3),
        "temperature": _choices(0.2, 0.4, 0.6, 0.8),
        "build_graph_separately": _choices(True, False),
    },
    "MKR": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-7, 1e-3),
        "low_layers_num": _choices(1, 2, 3),
        "high_layers_num": _choices(1, 2),
        "kge_interval": _choices(1, 3, 5),
        "dropout_prob": _choices(0.0, 0.1, 0.2, 0.5),
    },
    "RippleNet": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-8, 1e-4),
        "kg_weight": LogRange(1e-4, 1.0),
        "n_hop": _choices(1, 2, 3),
        "n_memory": _choices(4, 8, 16, 32),
    },
    "BPR": {"learning_rate": _LEARNING_RATE, "weight_decay": _WEIGHT_DECAY},
    "LightGCN": {
        "learning_rate": _LEARNING_RATE,
        "reg_weight": LogRange(1e-6, 1e-2),
        "n_layers": _choices(1, 2, 3, 4),
    },
    # Solved in closed form: there is no learning rate.
    "EASE": {"reg_weight": LogRange(1.0, 1e4)},
}

# What KG4RecEval (github.com/HotBento/KG4RecEval, folder config) names for Last.FM.
# KGCN's l2_weight there is RecBole's reg_weight. RippleNet's ten sampled negatives are
# left out, as they would lengthen the training of this model alone.
PUBLISHED: Mapping[str, Parameters] = {
    "CFKG": {"learning_rate": 0.01, "loss_function": "transe", "margin": 1.0},
    "CKE": {
        "learning_rate": 0.001,
        "kg_embedding_size": 128,
        "reg_weights": [1e-1, 1e-1],
    },
    "KGAT": {
        "learning_rate": 0.005,
        "reg_weight": 1e-4,
        "layers": [128, 64, 32],
        "mess_dropout": 0.1,
    },
    "KGCN": {
        "learning_rate": 0.001,
        "reg_weight": 1e-5,
        "aggregator": "concat",
        "n_iter": 1,
        "neighbor_sample_size": 4,
    },
    "KGIN": {
        "learning_rate": 0.005,
        "context_hops": 3,
        "n_factors": 4,
        "ind": "distance",
        "node_dropout_rate": 0.5,
        "mess_dropout_rate": 0.0,
    },
    "KGNNLS": {
        "learning_rate": 0.002,
        "ls_weight": 0.01,
        "aggregator": "sum",
        "n_iter": 2,
        "neighbor_sample_size": 4,
    },
    "KTUP": {
        "learning_rate": 0.01,
        "L1_flag": False,
        "use_st_gumbel": True,
        "train_rec_step": 10,
        "train_kg_step": 1,
    },
    "RippleNet": {"learning_rate": 0.001, "n_memory": 8},
}


def space_of(model: str, given: Mapping[str, Any]) -> Space:
    """What is tried for a model.

    Args:
        model: its name.
        given: options that were asked for, which therefore are not tuned.

    Raises:
        UserError: there is no space for the model, or nothing is left of it.
    """
    if model not in SPACES:
        raise UserError(
            f"--models {model}: no search space is known for it; known are "
            f"{', '.join(SPACES)}"
        )
    space = {name: d for name, d in SPACES[model].items() if name not in given}
    if not space:
        raise UserError(
            f"{model}: nothing is left to tune, as {' and '.join(SPACES[model])} are "
            "given; leave one of them out"
        )
    return space


def starting_points(model: str, space: Space) -> list[dict[str, Any]]:
    """The parameters that are tried first.

    Args:
        model: name of the model.
        space: what `space_of` has returned for it.

    Returns:
        The model's defaults, and the published setting where there is another one.
    """
    known = default_options(model)
    defaults = {name: known[name] for name in space}
    published = PUBLISHED.get(model, {})
    overlaid = {name: published.get(name, value) for name, value in defaults.items()}
    return [defaults] if overlaid == defaults else [defaults, overlaid]
