"""The option that is meant by a name that RecBole does not know."""

from __future__ import annotations

from collections.abc import Iterable

from recbole_kgif.errors import suggest

# Names that other libraries have for options.
_USUAL_NAMES = {
    "batch_size": "train_batch_size",
    "cutoff": "topk",
    "dim": "embedding_size",
    "early_stopping": "stopping_step",
    "embedding_dim": "embedding_size",
    "layers": "n_layers",
    "lr": "learning_rate",
    "metric": "valid_metric",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "num_layers": "n_layers",
    "num_workers": "worker",
    "optimizer": "learner",
    "patience": "stopping_step",
    "random_state": "seed",
    "tau": "temperature",
    "wd": "weight_decay",
}


def suggest_option(name: str, known: Iterable[str]) -> str:
    """Suggest a known option for an unknown name.

    Args:
        name: the unknown name.
        known: all options.

    Returns:
        A question with the option that other libraries call so, or with similar names.
    """
    options = set(known)
    usual = _USUAL_NAMES.get(name.lower(), "")
    if usual in options:
        return f"did you mean {usual}?"
    return suggest(name, options, listed_in="docs/options.md")
