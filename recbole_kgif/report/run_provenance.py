"""Where results come from: data, protocol, settings and machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import pandas as pd

from recbole_kgif.compat import SHIMS
from recbole_kgif.options.protocols import in_words, protocol_of
from recbole_kgif.report.known_issues import KNOWN_ISSUES
from recbole_kgif.report.rendering import Table
from recbole_kgif.report.run_files import settings_of
from recbole_kgif.report.run_table import Comparison, Run
from recbole_kgif.report.table_texts import MISSING, text_table

# Named for every model, also where it takes RecBole's default.
_SHOWN_FOR_ALL = ("learning_rate", "weight_decay", "train_batch_size")


def provenance(
    comparison: Comparison,
    models: Mapping[str, Sequence[Run]],
    all_runs: Optional[Sequence[Run]] = None,
) -> dict[str, Any]:
    """What the template ``provenance.j2`` asks for.

    Args:
        comparison: runs on the data as they are.
        models: the same by label, in the order of display.
        all_runs: these and others on changed data; None where there are no others.
    """
    return {
        "data": _data_table(comparison.runs),
        "protocol": _protocol(comparison.runs),
        "settings": _settings(models),
        "known_issues": _known_issues_table(models),
        "environment": _environment(all_runs or comparison.runs),
    }


def _data_table(runs: Sequence[Run]) -> Table:
    """A column for each way in which the data were loaded, named by its models."""
    labels: dict[tuple[tuple[str, int], ...], dict[str, None]] = {}
    for run in runs:
        labels.setdefault(tuple(run.record["data"].items()), {})[run.label] = None
    frame = pd.DataFrame()
    for counts, names in labels.items():
        head = f"As loaded for {', '.join(names)}" if len(labels) > 1 else "Count"
        texts = {name: f"{count:,}" for name, count in counts}
        frame = frame.join(pd.Series(texts, name=head, dtype=object), how="outer")
    order = dict.fromkeys(name for counts in labels for name, _ in counts)
    frame = frame.reindex(order).fillna(MISSING)
    frame.loc["density"] = [_density(dict(counts)) for counts in labels]
    frame.insert(0, "", [name.replace("_", " ").capitalize() for name in frame.index])
    return Table("data", frame)


def _density(counts: Mapping[str, int]) -> str:
    interactions = sum(n for k, n in counts.items() if k.endswith("_interactions"))
    cells = counts.get("users", 0) * counts.get("items", 0)
    return f"{interactions / cells:.3%}" if cells else MISSING


def _protocol(runs: Sequence[Run]) -> dict[str, Any]:
    first = runs[0]
    options = first.configuration
    arguments = options.get("eval_args") or {}
    return {
        "words": in_words(protocol_of(first.record)),
        "is_presplit": bool(options.get("benchmark_filename")),
        "split": arguments.get("split") or {},
        "by_user": arguments.get("group_by") == "user",
        "split_seed": first.record.get("split_seed", first.seed)
        if arguments.get("order") == "RO"
        else None,
        "split_hash": first.record["split_hash"],
        "modes": first.modes,
        "ranks_items": first.ranks_items,
        "candidates": first.record.get("candidates"),
        "budgets": sorted({run.configuration.get("epochs") or 0 for run in runs}),
        "eval_step": options.get("eval_step", 1),
        "valid_metric": options.get("valid_metric"),
        "stopping_step": options.get("stopping_step"),
        "seeds": sorted({run.seed for run in runs}),
        "linked_items_only": all(run.record.get("linked_items_only") for run in runs),
    }


# --- settings -----------------------------------------------------------------------


def _settings(models: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    requests = {
        label: runs[0].request
        for label, runs in models.items()
        if "request" in runs[0].record
    }
    settings: dict[str, Any] = {
        "unknown": [label for label in models if label not in requests],
        "of_models": None,
    }
    if requests:
        common, own = _divided_settings(requests)
        rows = [(label, "; ".join(texts) or MISSING) for label, texts in own.items()]
        settings["of_models"] = text_table(
            "model-settings", rows, ["Model", "Settings"]
        )
        settings["common"] = text_table(
            "common-settings",
            [(name, _value(value), _value(default)) for name, value, default in common],
            ["Setting", "Value", "Default"],
        )
    return settings


def _divided_settings(
    requests: Mapping[str, Mapping[str, Any]],
) -> tuple[list[tuple[str, Any, Any]], dict[str, list[str]]]:
    """Changed settings that all models share, and those of each model."""
    changed = {label: _changed(request) for label, request in requests.items()}
    first = next(iter(changed.values()))
    owned = {name for request in requests.values() for name in request["model_options"]}
    common = {
        name: pair
        for name, pair in first.items()
        if name not in owned and all(c.get(name) == pair for c in changed.values())
    }
    own = {}
    for label, request in requests.items():
        settings = settings_of(request)
        names = [*request["model_options"], *_SHOWN_FOR_ALL, *changed[label]]
        own[label] = [
            f"{name}={_value(settings[name])}{_default(changed[label].get(name))}"
            for name in dict.fromkeys(names)
            if name not in common and name in settings
        ]
    return [(name, *pair) for name, pair in sorted(common.items())], own


def _changed(request: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Value and default of each option that was given another value."""
    settings, defaults = settings_of(request), request["defaults"]
    return {
        name: (settings[name], defaults.get(name))
        for name in request["options"]
        if name in settings and settings[name] != defaults.get(name)
    }


def _default(pair: Optional[tuple[Any, Any]]) -> str:
    return f" (default {_value(pair[1])})" if pair else ""


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _known_issues_table(models: Mapping[str, Sequence[Run]]) -> Optional[Table]:
    known = [label for label in models if label in KNOWN_ISSUES]
    rows = [(label, "; ".join(KNOWN_ISSUES[label])) for label in known]
    return text_table("known-issues", rows, ["Model", "Known issues"]) if rows else None


# --- environment --------------------------------------------------------------------


def _environment(runs: Sequence[Run]) -> dict[str, Any]:
    facts: dict[str, dict[str, None]] = {}
    for run in runs:
        found = {
            "Device": run.record["device"],
            "Threads of a run": str(run.record["threads"]),
            "Runs at a time": str(run.record.get("jobs", 1)),
            **{f"Version of {k}": v for k, v in run.record["versions"].items()},
        }
        for name, value in found.items():
            facts.setdefault(name, {})[value] = None
    reasons = {shim.name: shim.reason for shim in SHIMS}
    shims = dict.fromkeys(shim for run in runs for shim in run.record["shims"])
    rows = [(name, ", ".join(values)) for name, values in facts.items()]
    return {
        "n_runs": len(runs),
        "started": sorted(str(run.record.get("started", "")) for run in runs),
        "facts": text_table("environment", rows, ["", "Value"]),
        "workarounds": text_table(
            "workarounds",
            [(name, reasons.get(name, MISSING)) for name in shims],
            ["Workaround", "Reason"],
        )
        if shims
        else None,
    }
