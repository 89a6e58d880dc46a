"""Where the atomic files of a data set are, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

_PART_COUNT = 3
_UNUSABLE_SEPARATORS = '"\r\n\0:'


@dataclass(frozen=True)
class FieldNames:
    """Names of the id columns, as RecBole's options of the same kind give them."""

    user: str = "user_id"
    item: str = "item_id"
    entity: str = "entity_id"
    head: str = "head_id"
    relation: str = "relation_id"
    tail: str = "tail_id"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> FieldNames:
        """The names that RecBole's options ask for, else RecBole's own."""
        named = {
            "user": "USER_ID_FIELD",
            "item": "ITEM_ID_FIELD",
            "entity": "ENTITY_ID_FIELD",
            "head": "HEAD_ENTITY_ID_FIELD",
            "relation": "RELATION_ID_FIELD",
            "tail": "TAIL_ENTITY_ID_FIELD",
        }
        return cls(
            **{kind: options[name] for kind, name in named.items() if options.get(name)}
        )


@dataclass(frozen=True)
class FeatureColumns:
    """What RecBole loads of a file of features, such as `.item` or `.user`.

    Attributes:
        id_fields: What the column of ids may be called. A `.user` or `.item` file needs
            it; an additional file may have none.
        loaded: Names of the loaded columns; None for all.
        is_additional: Whether it is a file of `additional_feat_suffix`.
        is_unique: Whether an id may have one row only.
    """

    id_fields: tuple[str, ...]
    loaded: Optional[frozenset[str]] = None
    is_additional: bool = False
    is_unique: bool = True

    def loads(self, name: str) -> bool:
        """Whether a column is loaded."""
        return self.loaded is None or name in self.loaded


@dataclass(frozen=True)
class DatasetFiles:
    """The atomic files of one data set, and how they are read.

    Attributes:
        folder: Folder of the files.
        name: Name of the data set, with which the files' names begin.
        parts: For a pre-split data set, the parts' names in RecBole's order (train,
            valid, test); None for one `.inter` file.
        separator: The character between two fields of a line.
        fields: Names of the id columns.
        unlinked_items: What to do about items without an entity in the knowledge graph:
            "error" refuses them, "drop" counts them, as RecBole leaves them out. A
            pre-split data set cannot drop them, because RecBole does not filter one;
            "keep" keeps them there.
        features: The files of features that are loaded, by suffix.
        filters_by_features: RecBole's option `filter_inter_by_user_or_item`: whether
            interactions of users and items without a row in `.user` and `.item` are
            left out; None where nobody decided, so that such rows are refused.
        sequence_separator: Separator of the values of a sequence.
        encoding: RecBole's encoding of the files.

    Raises:
        UserError: `parts`, `separator` or `unlinked_items` is not valid.
    """

    folder: Path
    name: str
    parts: Optional[tuple[str, ...]] = None
    separator: str = "\t"
    fields: FieldNames = FieldNames()
    unlinked_items: str = "error"
    features: Mapping[str, FeatureColumns] = field(default_factory=dict)
    filters_by_features: Optional[bool] = None
    sequence_separator: str = " "
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.unlinked_items not in ("error", "drop", "keep"):
            raise UserError(
                f"unlinked_items={shown(self.unlinked_items)} is unknown; give error, "
                "drop or keep"
            )
        if len(self.separator) != 1 or self.separator in _UNUSABLE_SEPARATORS:
            raise UserError(
                f"field_separator={shown(self.separator)} cannot separate fields; give "
                "one character other than a quotation mark, a colon or a line end"
            )
        if self.parts is not None and len(self.parts) != _PART_COUNT:
            raise UserError(
                f"benchmark_filename={shown(str(list(self.parts)))} must name "
                f"{_PART_COUNT} parts; give the train, valid and test part"
            )

    @classmethod
    def from_options(
        cls,
        folder: Path,
        name: str,
        options: Mapping[str, Any],
        *,
        unlinked_items: Optional[str] = None,
    ) -> DatasetFiles:
        """The files of a data set under RecBole's options.

        Args:
            folder: Folder of the files.
            name: Name of the data set.
            options: RecBole's options, of which those about files are used.
            unlinked_items: Overrides the option of this name.

        Returns:
            The description of the files.

        Raises:
            UserError: An option is not valid.
        """
        parts = options.get("benchmark_filename")
        return cls(
            folder,
            name,
            parts=None if parts is None else tuple(parts),
            separator=options.get("field_separator", "\t"),
            fields=FieldNames.from_options(options),
            unlinked_items=unlinked_items or options.get("unlinked_items", "error"),
            features=_features(options),
            filters_by_features=options.get("filter_inter_by_user_or_item"),
            sequence_separator=options.get("seq_separator") or " ",
            encoding=str(options.get("encoding") or "utf-8"),
        )

    @property
    def is_split(self) -> bool:
        """Whether the interactions are in three files, one a part."""
        return self.parts is not None

    @property
    def inter_paths(self) -> list[Path]:
        """The interaction files, in the order of `parts`."""
        middles = [""] if self.parts is None else [f".{part}" for part in self.parts]
        return [self.folder / f"{self.name}{middle}.inter" for middle in middles]

    @property
    def kg_path(self) -> Path:
        """The triple file."""
        return self.folder / f"{self.name}.kg"

    @property
    def link_path(self) -> Path:
        """The link file."""
        return self.folder / f"{self.name}.link"

    def feature_path(self, suffix: str) -> Path:
        """A file of features."""
        return self.folder / f"{self.name}.{suffix}"

    @property
    def paths(self) -> list[Path]:
        """All of these files."""
        return [*self.inter_paths, self.kg_path, self.link_path]


def _features(options: Mapping[str, Any]) -> dict[str, FeatureColumns]:
    """The files of features that RecBole loads.

    Raises:
        UserError: One is loaded without its ids.
    """
    fields = FieldNames.from_options(options)
    additional = options.get("additional_feat_suffix") or []
    additional = [additional] if isinstance(additional, str) else list(additional)
    preloaded = options.get("preload_weight") or {}
    others = [*(options.get("alias_of_user_id") or []), fields.user, fields.item]
    others = [*preloaded, *(options.get("alias_of_item_id") or []), *others]
    # Where the option is not given, that of every model names no such file.
    loaded = options.get("load_col", {})
    features = {}
    for suffix in ("user", "item", *additional):
        columns = None if loaded is None else frozenset(loaded.get(suffix, ()))
        if columns is not None and not columns:
            continue
        if suffix in additional:
            features[suffix] = FeatureColumns(
                tuple(others), columns, True, is_unique=bool(preloaded)
            )
            continue
        id_field = getattr(fields, suffix)
        if columns is not None and id_field not in columns:
            raise UserError(
                f"load_col: {suffix}: {shown(str(sorted(columns)))} lacks {id_field}; "
                "add it"
            )
        features[suffix] = FeatureColumns((id_field,), columns)
    return features
