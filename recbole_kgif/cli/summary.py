"""The console summary of a run, made from its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kgif.options.item_groups import split_group
from recbole_kgif.options.protocols import protocol_of
from recbole_kgif.report.metric_names import title
from recbole_kgif.report.run_table import Run
from recbole_kgif.report.table_texts import MISSING

_METRICS = ("recall", "ndcg", "kgatndcg", "mrr", "hit", "precision")


def summarise(record: Mapping[str, Any], folder: Path, is_verbose: bool = False) -> str:
    """Several lines with a run's accuracy, cost and origin.

    Args:
        record: what `training.run.run_experiment` returns.
        folder: the run's folder.
        is_verbose: whether versions and shims are listed, too.

    Returns:
        The text; its last line repeats all values, for searching in logs.
    """
    data, versions = record["data"], record["versions"]
    details = [
        f"  versions    {', '.join(f'{k} {v}' for k, v in versions.items())}",
        f"  shims       {', '.join(record['shims']) or 'none'}",
    ]
    lines = [
        f"{record['model']} on {record['dataset']}",
        "  data        "
        + ", ".join(
            f"{count:,} {name.replace('_', ' ')}" for name, count in data.items()
        ),
        "",
        *_metric_table(record),
        "",
        f"  protocol    {protocol_of(record)}",
        *_candidates(record, folder),
        f"  cost        {_cost(record)}",
        f"  origin      {_origin(record)}",
        *_refit(record),
        *(details if is_verbose else ()),
        f"  files       {folder}",
        "",
        _one_line(record),
    ]
    return "\n".join(lines)


def _metric_table(record: Mapping[str, Any]) -> list[str]:
    keys = _ordered(record["test"])
    width = max(len(title(key)) for key in keys)
    rows = [f"  {'':{width}}  validation    test"]
    rows += [
        f"  {title(key):{width}}"
        f"  {_value(record['valid'], key):>10}  {_value(record['test'], key):>6}"
        for key in keys
    ]
    return rows


def _value(result: Mapping[str, float], key: str) -> str:
    # A set may lack test items of a group.
    return f"{result[key]:.4f}" if key in result else MISSING


def _ordered(result: Mapping[str, float]) -> list[str]:
    """Metrics in the order of `_METRICS`, then any others as they come."""
    known = [
        key
        for metric in _METRICS
        for key in result
        if split_group(key)[1].split("@")[0] == metric
    ]
    return known + [key for key in result if key not in known]


def _candidates(record: Mapping[str, Any], folder: Path) -> list[str]:
    """The items that are ranked; no line where none are, or in an earlier record."""
    candidates = record.get("candidates")
    if candidates is None or not Run(folder, record).ranks_items:
        return []
    n_idle = candidates.get("without_an_interaction", 0)
    idle = f"{n_idle:,} of them without an interaction, " if n_idle else ""
    return [
        f"  candidates  {candidates['count']:,} items ({candidates['choice']}), "
        f"{idle}{candidates['hash'][:12]}"
    ]


def _cost(record: Mapping[str, Any]) -> str:
    return (
        f"{record['training_seconds_per_epoch']:.2f} s/epoch training, "
        f"{record['validation_seconds_per_epoch']:.2f} s/epoch validation, "
        f"{record['peak_memory_bytes'] / 2**20:,.0f} MiB peak memory, "
        f"{record['parameters']:,} parameters"
    )


def _origin(record: Mapping[str, Any]) -> str:
    n_processes = record.get("processes", 1)
    processes = f"{n_processes} processes, " if n_processes > 1 else ""
    return (
        f"epoch {record['best_epoch']} of {len(record['epochs'])} epochs, "
        f"seed {record['seed']}, split {record['split_hash'][:12]}, "
        f"{processes}{record['device']}, {record['threads']} threads"
    )


def _refit(record: Mapping[str, Any]) -> list[str]:
    """What was fitted anew; no line where nothing was."""
    refit = record.get("refit")
    if refit is None:
        return []
    return [
        f"  refit       {refit['epochs']} epochs on {refit['training_interactions']:,} "
        "interactions, those of the validation among them; tested and saved"
    ]


def _one_line(record: Mapping[str, Any]) -> str:
    parts = [f"{record['model']} {record['dataset']}"]
    for name in ("valid", "test"):
        figures = (f"{title(k)} {record[name][k]:.4f}" for k in _ordered(record[name]))
        parts.append(f"{name}: " + " ".join(figures))
    versions = record["versions"]
    parts += [
        _cost(record),
        f"seed {record['seed']}",
        f"split {record['split_hash']}",
        " ".join(
            f"{name} {versions[name]}" for name in ("recbole_kgif", "recbole", "torch")
        ),
    ]
    return " | ".join(parts)
