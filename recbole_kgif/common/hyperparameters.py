"""The values that hyper-parameters may have, checked without PyTorch."""

from __future__ import annotations

from typing import Any, Callable


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(*choices: Any) -> tuple[Callable[[Any], bool], str]:
    # The types differ where `1 == True`.
    return (
        lambda value: any(value == c and type(value) is type(c) for c in choices),
        "one of " + ", ".join(map(str, choices)),
    )


# For each option of KGIF.yaml the values allowed: as a test, and in words.
OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "embedding_size": (lambda v: _is_integer(v) and v > 0, "an integer above 0"),
    "n_layers": (lambda v: _is_integer(v) and v >= 0, "an integer, 0 or above"),
    "fusion": _one_of(True, False),
    "dynamic_projection": _one_of(True, False),
    "attention": _one_of("modulated", "softmax", "none"),
    "attention_update": (
        lambda v: v in ("step", "epoch") or (_is_integer(v) and v > 0),
        "step, epoch or an integer above 0",
    ),
    "propagation": _one_of("linear", "bi-interaction"),
    "layer_sizes": (
        lambda v: isinstance(v, list) and all(_is_integer(n) and n > 0 for n in v),
        "a list of integers above 0",
    ),
    "walks": _one_of(True, False),
    "item_bias": _one_of(True, False),
    "similarity": _one_of("cosine", "inner-product"),
    "dropout": (lambda v: _is_number(v) and 0 <= v < 1, "a number in [0, 1)"),
    "loss": _one_of("softmax", "bpr"),
    "n_negatives": (lambda v: _is_integer(v) and v > 0, "an integer above 0"),
    "temperature": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "knowledge_weight": (lambda v: _is_number(v) and v >= 0, "a number, 0 or above"),
    "knowledge_update": _one_of("joint", "alternate"),
    "new_items_cost": (lambda v: _is_number(v) and 0 <= v <= 1, "a number in [0, 1]"),
    "initial_std": (lambda v: _is_number(v) and v > 0, "a number above 0"),
}

_ABOVE_ZERO = (lambda v: _is_number(v) and v > 0, "a number above 0")

# The same of models that are solved. Their systems have a row of zeros, that of the
# padding item, and no solution without a regularisation.
SOLVED_OPTIONS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "EASE": {"reg_weight": _ABOVE_ZERO},
    "EntityEASE": {
        "reg_weight": _ABOVE_ZERO,
        "feature_weight": (
            lambda v: _is_number(v) and v >= 0,
            "a number, 0 or above",
        ),
    },
    "KernelRidge": {"ridge": _ABOVE_ZERO},
    "PageRank": {
        "restart": (lambda v: _is_number(v) and 0 < v < 1, "a number in (0, 1)"),
        "n_iterations": (lambda v: _is_integer(v) and v > 0, "an integer above 0"),
    },
}


def check_options(config: Any) -> None:
    """Check the options that KGIF reads.

    Args:
        config: RecBole's configuration

    Raises:
        ValueError: an option has a value that is not allowed, alone or with another
    """
    for name, (is_allowed, allowed) in OPTIONS.items():
        if not is_allowed(config[name]):
            raise ValueError(
                f"{name}={config[name]!r} is not allowed; it must be {allowed}"
            )
    if config["kg_reverse_r"]:
        raise ValueError(
            "kg_reverse_r=True is not allowed; it must be False, because KGIF stores "
            "every triple in both directions itself"
        )
    if config["train_neg_sample_args"]["distribution"] == "none":
        raise ValueError(
            "train_neg_sample_args=None is not allowed; KGIF learns from sampled "
            "negative items, so it must name a distribution"
        )
    is_fixed_in_epoch = (
        config["attention_update"] == "epoch" and config["attention"] != "none"
    )
    if is_fixed_in_epoch and config["knowledge_weight"] == 0:
        raise ValueError(
            "knowledge_weight=0 is not allowed with attention_update=epoch; it must be "
            "above 0, because only the knowledge loss trains the attention then"
        )
    sizes, propagation = config["layer_sizes"], config["propagation"]
    if sizes and propagation != "bi-interaction":
        raise ValueError(
            f"layer_sizes={sizes} is not allowed with propagation={propagation}; it "
            "must be empty"
        )
