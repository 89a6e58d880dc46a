"""Small data sets with one thing or another in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from recbole_kgif.data.locate import DatasetLocation
from recbole_kgif.doctor.dataset_findings import DatasetExamination, examine_dataset
from recbole_kgif.doctor.findings import Finding

Row = Sequence[str]

# Two users with three items each; the items share makers and a genre.
INTERACTIONS = [("u1", "a"), ("u1", "b"), ("u1", "c"), ("u2", "a"), ("u2", "b")]
TRIPLES = [
    *(("A", "made_by", "x"), ("B", "made_by", "x"), ("C", "made_by", "y")),
    *(("A", "is_a", "g"), ("B", "is_a", "g"), ("C", "is_a", "g")),
]
LINKS = [("a", "A"), ("b", "B"), ("c", "C")]
PARTS = ["train", "valid", "test"]


def write_dataset(
    folder: Path,
    interactions: Sequence[Row] | Mapping[str, Sequence[Row]] = INTERACTIONS,
    triples: Sequence[Row] = TRIPLES,
    links: Sequence[Row] = LINKS,
) -> DatasetLocation:
    """Write a data set called after its folder, with parts where a mapping is given."""
    folder.mkdir(parents=True)
    if not isinstance(interactions, Mapping):
        interactions = {"": interactions}
    files = {
        f"{part}.inter".lstrip("."): ("user_id:token\titem_id:token", rows)
        for part, rows in interactions.items()
    }
    files["kg"] = ("head_id:token\trelation_id:token\ttail_id:token", triples)
    files["link"] = ("item_id:token\tentity_id:token", links)
    for name, (header, rows) in files.items():
        lines = [header, *("\t".join(row) for row in rows)]
        (folder / f"{folder.name}.{name}").write_text("\n".join(lines) + "\n", "utf-8")
    return DatasetLocation(folder.name, folder.parent, folder, "written")


def examine(location: DatasetLocation, **options: object) -> DatasetExamination:
    """Examine it, split where its parts lie there."""
    if (location.folder / f"{location.name}.train.inter").exists():
        options.setdefault("benchmark_filename", PARTS)
    return examine_dataset(location, options)


def found(examination: DatasetExamination, what: str) -> Finding:
    """The one finding of that name."""
    (finding,) = [f for f in examination.findings if f.what == what]
    return finding


def findings_by_name(findings: Sequence[Finding]) -> dict[str, Finding]:
    """Findings by what was looked at."""
    return {finding.what: finding for finding in findings}
