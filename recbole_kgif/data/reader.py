"""Reading a data set's atomic files, checked, before RecBole does.

RecBole reads the files with pandas and then trusts them. Some mistakes it does not
notice: a line with a field too many is read shifted by one column, a field that begins
with a quotation mark swallows what follows up to the next one, an id such as NA becomes
a missing value. Others end in a KeyError far from the cause, when items and entities
are merged. All of them are refused here, with the file and the line. Each file is read
once.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recbole_kgif.data.atomic_file import AtomicFile, FieldFormat, read_atomic_file
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.textfiles import shown
from recbole_kgif.data.vocabulary import Vocabulary, checked_id, unpadded_id
from recbole_kgif.errors import UserError

if TYPE_CHECKING:
    from recbole_kgif.data.feature_files import MissingRows
    from recbole_kgif.data.numbered import BoolArray, NumberedDataset


@dataclass(frozen=True)
class DatasetCounts:
    """What the files of a data set hold, before anything is left out.

    Attributes:
        users: Distinct users of the interactions; likewise `items`.
        interactions: Lines of the interaction files.
        entities: Distinct entities of the triples, 0 where not needed; so `relations`.
        triples: Lines of the triple file.
        linked_items: Items of the interactions with an entity of the triples; the
            others are `unlinked_items`, with `unlinked_interactions`.
    """

    users: int
    items: int
    interactions: int
    entities: int
    relations: int
    triples: int
    linked_items: int
    unlinked_items: int
    unlinked_interactions: int


@dataclass(frozen=True)
class CheckedDataset:
    """A data set whose files RecBole reads as they are meant.

    Attributes:
        counts: What the files hold.
        sha256: SHA-256 of each file that was read, by the file's name.
        content: What was read.
        missing: What the files of features lack that are loaded.
    """

    counts: DatasetCounts
    sha256: Mapping[str, str]
    content: NumberedDataset
    missing: Sequence[MissingRows] = ()


def read_dataset(
    files: DatasetFiles,
    *,
    needs_knowledge_graph: bool = True,
    was_trained_on: bool = False,
) -> CheckedDataset:
    """Read a data set, and check that RecBole will read it as it is meant.

    Args:
        files: The data set's files.
        needs_knowledge_graph: Whether the `.kg` and `.link` files are needed; without
            them the interactions and features alone are read.
        was_trained_on: Whether a model was trained on the files. Then they are read
            although an id of a user or item has a blank at its ends, or in another
            encoding than UTF-8.

    Returns:
        The data set.

    Raises:
        UserError: A file is missing or unreadable, or holds what RecBole cannot read or
            would misread; the message names the file, the line and the value.
    """
    if not was_trained_on:
        _require_utf8(files.encoding)
    _require_files(files, needs_knowledge_graph)
    # Only now: the command line checks its arguments without pandas.
    from recbole_kgif.data.feature_files import missing_rows, read_features
    from recbole_kgif.data.link_checks import check_links
    from recbole_kgif.data.numbered import WHOLE, NumberedDataset, empty_table

    check = checked_id if was_trained_on else unpadded_id
    users, items = Vocabulary("user", check), Vocabulary("item", check)
    entities, relations = (Vocabulary(k, checked_id) for k in ("entity", "relation"))
    form = FieldFormat(files.separator, files.sequence_separator)
    links, triples = empty_table("item", "entity"), empty_table("head", "tail")
    graph_files = []
    if needs_knowledge_graph:
        kg, link = _read_graph(files, form, items, entities, relations)
        links, triples, graph_files = link.table, kg.table, [kg, link]
    pair = {"user": (files.fields.user, users), "item": (files.fields.item, items)}
    inter = [read_atomic_file(path, pair, form) for path in files.inter_paths]
    content = NumberedDataset(
        users=users.tokens,
        items=items.tokens,
        entities=entities.tokens,
        relations=relations.tokens,
        parts=dict(zip(files.parts or [WHOLE], [file.table for file in inter])),
        triples=triples,
        links=links,
    )
    is_linked = content.is_linked | (not needs_knowledge_graph)
    if needs_knowledge_graph:
        check_links(files, content, inter, link)
    features = read_features(files)
    missing = missing_rows(files, content, inter, features, is_linked)
    read = (*inter, *graph_files, *(file for file, _ in features.values()))
    sha256 = {file.path.name: file.sha256 for file in read}
    return CheckedDataset(_counts(content, is_linked), sha256, content, missing)


def _read_graph(
    files: DatasetFiles,
    form: FieldFormat,
    items: Vocabulary,
    entities: Vocabulary,
    relations: Vocabulary,
) -> tuple[AtomicFile, AtomicFile]:
    """The files of triples and of links."""
    from recbole_kgif.data.link_checks import refuse_repeated_link

    names = files.fields
    of_link = {"item": (names.item, items), "entity": (names.entity, entities)}
    link = read_atomic_file(files.link_path, of_link, form)
    refuse_repeated_link(link, items.tokens, entities.tokens)
    of_triple = {
        "head": (names.head, entities),
        "relation": (names.relation, relations),
        "tail": (names.tail, entities),
    }
    return read_atomic_file(files.kg_path, of_triple, form), link


def _counts(content: NumberedDataset, is_linked: BoolArray) -> DatasetCounts:
    parts, is_used = content.parts.values(), content.is_used
    return DatasetCounts(
        users=len(content.users),
        items=int(is_used.sum()),
        interactions=sum(map(len, parts)),
        entities=int(content.in_graph.sum()),
        relations=len(content.relations),
        triples=len(content.triples),
        linked_items=int((is_used & is_linked).sum()),
        unlinked_items=int((is_used & ~is_linked).sum()),
        unlinked_interactions=sum(int((~is_linked[p["item"]]).sum()) for p in parts),
    )


def _require_utf8(encoding: str) -> None:
    """Refuse files that RecBole would read in another encoding than they are checked.

    Raises:
        UserError: it is another one than UTF-8.
    """
    try:
        is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    except LookupError:
        is_utf8 = False
    if not is_utf8:
        raise UserError(
            f"encoding={shown(encoding)}: the files of a data set are read as UTF-8; "
            f"convert them, as by iconv -f {encoding} -t utf-8, and leave the option "
            "out"
        )


def _require_files(files: DatasetFiles, needs_knowledge_graph: bool) -> None:
    folder = files.folder
    if not folder.is_dir():
        raise UserError(
            f"the data set's folder {folder} does not exist; "
            f"check --dataset and --data_path"
        )
    paths = files.paths if needs_knowledge_graph else files.inter_paths
    additional = (s for s, columns in files.features.items() if columns.is_additional)
    paths = [*paths, *map(files.feature_path, additional)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}; put the file there or choose "
            f"another data set"
        )
