"""Reading triples of RDF files, N-Triples and Turtle, by the package rdflib."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.data.textfiles import open_foreign, shown
from recbole_kgif.errors import UserError

# rdflib's names of the formats, by the endings of files.
_FORMATS = {".nt": "nt", ".ttl": "turtle"}
# A subject, a predicate and the full stop of a line of N-Triples.
_LINE_OF_N_TRIPLES = re.compile(r"\s*(<[^\s<>]+>|_:\S+)\s+<[^\s<>]+>\s+\S.*\.\s*")
# Stands for the place of the file, on which relative names would depend.
_BASE = "file:///"


def rdf_format(path: Path, first_lines: Iterable[str]) -> Optional[str]:
    """The format of an RDF file, as rdflib calls it; None where it is none."""
    name = path.name.lower().removesuffix(".gz")
    form = _FORMATS.get(Path(name).suffix)
    data = (line for line in first_lines if line.strip() and line[0] != "#")
    if form is None and _LINE_OF_N_TRIPLES.fullmatch(next(data, "")):
        return "nt"
    return form


def require_rdflib(path: Path, option: str) -> None:
    """Refuse an RDF file where rdflib is missing.

    Raises:
        UserError: it is.
    """
    if importlib.util.find_spec("rdflib") is None:
        raise UserError(
            f"{path}: is RDF, which the package rdflib reads; run pip install "
            f"'recbole-kgif[rdf]', or give {option} a file with head, relation and "
            "tail in columns (and --no-header triples where no line names them)"
        )


def read_rdf(path: Path, form: str) -> tuple[list[tuple[int, list[str]]], int]:
    """Read an RDF file.

    Args:
        path: the file.
        form: what `rdf_format` gave.

    Returns:
        Number, from 1 on, and head, relation and tail of each triple of resources, in
        the order of the file; and the number of those with a literal (a text, number or
        date) in place of a tail, which are left out.

    Raises:
        UserError: it cannot be read.
    """
    import rdflib

    class Recorder(rdflib.Graph):
        """Keeps the triples in the order in which they are read."""

        def __init__(self) -> None:
            super().__init__()
            self.read: list[tuple[Any, Any, Any]] = []

        def add(self, triple: Any) -> Recorder:
            self.read.append(triple)
            return self

    recorder = Recorder()
    # It warns of each literal that is not of its type, such as a date that is none.
    logging.getLogger("rdflib").setLevel(logging.ERROR)
    try:
        with open_foreign(path) as file:
            recorder.parse(file=file, format=form, publicID=_BASE)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error}; get the file again") from None
    except Exception as error:  # rdflib has no common class of its errors
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: rdflib cannot read it as {form}: {shown(reason)}; correct it"
        ) from None
    triples = [t for t in recorder.read if not isinstance(t[2], rdflib.Literal)]
    rows = list(_named(triples, rdflib.BNode))
    return rows, len(recorder.read) - len(triples)


def _named(
    triples: list[tuple[Any, Any, Any]], blank_node: type
) -> Iterator[tuple[int, list[str]]]:
    """The names of the nodes; blank ones, which have none of their own, are counted."""
    blank: dict[Any, str] = {}
    for number, triple in enumerate(triples, 1):
        yield (
            number,
            [
                blank.setdefault(node, f"_:b{len(blank)}")
                if isinstance(node, blank_node)
                else str(node).removeprefix(_BASE)
                for node in triple
            ],
        )


def iri(text: str) -> str:
    """A name without the angle brackets in which RDF files have it."""
    text = text.strip()
    is_bracketed = text.startswith("<") and text.endswith(">")
    return text[1:-1] if is_bracketed else text
