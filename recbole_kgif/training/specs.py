"""What a run is asked for: the data that it sees, the model and its options.

A command makes these objects once; everything below takes them. Nothing here imports
PyTorch, so that a mistake is reported before it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.errors import UserError
from recbole_kgif.options.models import base_model
from recbole_kgif.options.protocols import OPTION as PROTOCOL_OPTION
from recbole_kgif.options.settings import (
    LARGEST_SEED,
    check_option,
    default_options,
    in_one_line,
    preset_options,
)
from recbole_kgif.training.console import LOG
from recbole_kgif.training.corruption import TripleChange


@dataclass(frozen=True)
class DataSpec:
    """Which interactions and triples a run sees, besides what its options say.

    Attributes:
        name: name of the data set, and of its folder in `data_path`.
        data_path: folder that holds the folders of data sets.
        split_seed: seed of a random split. None takes the run's own seed, as RecBole
            does; a number gives runs of several seeds one and the same split, so that
            the seed varies initialisation, order and sampling alone.
        linked_items_only: whether a model that knows no knowledge graph is given
            exactly the interactions of a knowledge-aware one. Otherwise RecBole keeps
            the items without an entity for the former and drops them for the latter.
        triples: how the knowledge graph is changed before training; None leaves it.

    Raises:
        UserError: the seed is out of range.
    """

    name: str
    data_path: Path = Path("dataset")
    split_seed: Optional[int] = None
    linked_items_only: bool = False
    triples: Optional[TripleChange] = None

    def __post_init__(self) -> None:
        """Check the seed; the files are checked where they are read."""
        object.__setattr__(self, "data_path", Path(self.data_path))
        seed = self.split_seed
        if seed is not None and not 0 <= seed <= LARGEST_SEED:
            raise UserError(
                f"split_seed={seed}: is not from 0 to {LARGEST_SEED}; give another seed"
            )

    @property
    def folder(self) -> Path:
        """The folder with the data set's files."""
        return self.data_path / self.name

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "name": self.name,
            "data_path": str(self.data_path),
            "split_seed": self.split_seed,
            "linked_items_only": self.linked_items_only,
            "triples": None if self.triples is None else self.triples.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DataSpec:
        """What `to_json` was called on."""
        triples = values["triples"]
        return cls(
            **{
                **values,
                "data_path": Path(values["data_path"]),
                "triples": None if triples is None else TripleChange(**triples),
            }
        )


@dataclass(frozen=True)
class RunSpec:
    """One run: a model, its data and its options.

    Attributes:
        model: KGIF or a preset of it, a model of RecBole's, or one of this package's
            baselines.
        data: the data.
        options: RecBole's options as given; the others have RecBole's and the model's
            defaults.
        evaluate_test: whether the best epoch is tested. Where options are chosen, the
            test interactions must have no influence: the record then has no test
            results.
        resumable: whether the state of the training is saved after each epoch, and an
            earlier, unfinished run in the same folder is resumed.
        console: what is shown while it runs, see `training.console`.

    Raises:
        UserError: an option is unknown or its value is of a wrong type or range.
    """

    model: str
    data: DataSpec
    options: Mapping[str, Any]
    evaluate_test: bool = True
    resumable: bool = False
    console: str = LOG

    def __post_init__(self) -> None:
        """Resolve a preset, and check the options as those of a command line are."""
        options = {**preset_options(self.model), **self.options}
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "model", base_model(self.model))
        known = {**default_options(self.model), PROTOCOL_OPTION: None}
        for name, value in self.options.items():
            check_option(f"{name}={in_one_line(value)}", name, value, known)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "model": self.model,
            "data": self.data.to_json(),
            "options": dict(self.options),
            "evaluate_test": self.evaluate_test,
            "resumable": self.resumable,
            "console": self.console,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunSpec:
        """What `to_json` was called on."""
        return cls(**{**values, "data": DataSpec.from_json(values["data"])})
