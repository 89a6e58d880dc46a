"""What a report says: the runs' records turned into sections of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from recbole_kgif.compat import SHIMS
from recbole_kgif.options.protocols import RECBOLE, in_words, protocol_of
from recbole_kgif.report.document import (
    Block,
    Cell,
    Document,
    Mark,
    Plot,
    Section,
    Table,
)
from recbole_kgif.report.figures import ACCURACY, COST, CURVES
from recbole_kgif.report.known_issues import KNOWN_ISSUES
from recbole_kgif.report.metric_names import cutoff, ordered, title
from recbole_kgif.report.run_files import settings_of
from recbole_kgif.report.run_records import Comparison, Run
from recbole_kgif.report.statistics import (
    DECIMALS,
    LEVEL,
    AgainstBest,
    Figure,
    against_best,
    figure,
    metric_figures,
    ranks,
    runs_by_model,
)

# Named for every model, also where it takes RecBole's default.
_SHOWN_FOR_ALL = ("learning_rate", "weight_decay", "train_batch_size")

_MISSING = "-"
_DAGGER = "\N{DAGGER}"
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"

Models = Mapping[str, Sequence[Run]]
Tests = Mapping[str, Sequence[AgainstBest]]


def main_metric(comparison: Comparison) -> str:
    """The metric that training was stopped by, else the first one there is."""
    wanted = str(comparison.runs[0].configuration.get("valid_metric", "")).lower()
    metrics = ordered(key for run in comparison.runs for key in run.test)
    return wanted if wanted in metrics else metrics[0]


def sorted_models(comparison: Comparison) -> dict[str, Sequence[Run]]:
    """The runs of each model, the best model by the main metric first."""
    models = runs_by_model(comparison)
    metric = main_metric(comparison)
    place = ranks(metric_figures(models, metric), metric)
    last = len(models) + 1
    names = sorted(models, key=lambda model: (place.get(model, last), model))
    return {name: models[name] for name in names}


def build_document(comparison: Comparison) -> Document:
    """Everything that a reader who was not there needs.

    Args:
        comparison: the runs.

    Returns:
        The report, without a format.
    """
    models = sorted_models(comparison)
    metrics = ordered(key for run in comparison.runs for key in run.test)
    tests = {metric: against_best(models, metric) for metric in metrics}
    return Document(
        f"Comparison of recommenders on {comparison.dataset}",
        [
            _results(comparison, models, metrics, tests),
            _significance(comparison, models, metrics, tests),
            _cost(models),
            _curves(comparison),
            *provenance(comparison, models),
        ],
    )


def provenance(
    comparison: Comparison, models: Models, all_runs: Optional[Comparison] = None
) -> list[Section]:
    """Where the figures of some models come from: data, protocol, settings, machine.

    Args:
        comparison: runs on the data as they are.
        models: the same, by model.
        all_runs: these and others on changed data; None where there are no others.
    """
    return [
        _data(comparison),
        _protocol(comparison),
        _settings(models),
        *_peculiarities(models),
        _environment(all_runs or comparison),
    ]


# --- accuracy -----------------------------------------------------------------------


def _results(
    comparison: Comparison, models: Models, metrics: Sequence[str], tests: Tests
) -> Section:
    blocks: list[Block] = [_reading_aid(models, tests)]
    for k in dict.fromkeys(cutoff(metric) for metric in metrics):
        of_k = [metric for metric in metrics if cutoff(metric) == k]
        blocks.append(_accuracy_table(comparison, models, of_k, tests, k))
    if comparison.failures:
        blocks.append(failures_table(comparison))
    main = title(main_metric(comparison))
    blocks.append(
        Plot(
            ACCURACY,
            "Test accuracy of each model: mean over seeds, standard deviation as a "
            f"bar, single seeds as small dots. Sorted by {main}.",
        )
    )
    return Section("Results", blocks)


def _reading_aid(models: Models, tests: Tests) -> str:
    counts = sorted({len(runs) for runs in models.values()})
    if counts == [1]:
        spread = (
            "Every model was run with one seed only, so no deviation over seeds can be "
            "given: differences of the size of chance in training cannot be told apart."
        )
    elif counts[0] == 1:
        spread = (
            f"Figures are means over seeds {_PLUS_MINUS} sample standard deviation; "
            "models with one seed have none."
        )
    else:
        spread = (
            f"Figures are means over seeds {_PLUS_MINUS} sample standard deviation."
        )
    sentences = ["Test results, means over users.", spread]
    if len(models) > 1:
        sentences.append(
            "The best figure of a column is bold, the second underlined; figures that "
            f"agree in {DECIMALS} decimals count as equal."
        )
        if any(tests.values()):
            sentences.append(
                f"{_DAGGER}: significantly better than every other model (see the "
                "next section)."
            )
    return " ".join(sentences)


def _accuracy_table(
    comparison: Comparison,
    models: Models,
    metrics: Sequence[str],
    tests: Tests,
    k: int | None,
) -> Table:
    columns = {
        metric: _marked_column(models, metric, tests[metric]) for metric in metrics
    }
    rows = [
        [
            Cell(model),
            Cell(seeds_text(comparison, model, len(runs))),
            *(columns[metric].get(model, Cell(_MISSING)) for metric in metrics),
        ]
        for model, runs in models.items()
    ]
    lost = dict.fromkeys(f.model for f in comparison.failures if f.model not in models)
    rows += [
        [
            Cell(model),
            Cell(seeds_text(comparison, model, 0)),
            *[Cell("failed")] * len(metrics),
        ]
        for model in lost
    ]
    where = "without a cutoff" if k is None else f"at {k}"
    protocol = protocol_of(comparison.runs[0].record)
    if protocol != RECBOLE:
        where += f", by the protocol {protocol}"
    return Table(
        "accuracy" if k is None else f"accuracy-{k}",
        f"Test accuracy {where}.",
        ["Model", "Seeds", *(title(metric) for metric in metrics)],
        rows,
    )


def seeds_text(comparison: Comparison, model: str, finished: int) -> str:
    """How many runs of a model finished, and of how many where some failed."""
    failed = sum(failure.model == model for failure in comparison.failures)
    return f"{finished} of {finished + failed}" if failed else str(finished)


def _marked_column(
    models: Models, metric: str, tests: Sequence[AgainstBest]
) -> dict[str, Cell]:
    figures = metric_figures(models, metric)
    place = ranks(figures, metric)
    # Only a test against every other model lets one say "better than every other".
    leads = len(tests) == len(models) - 1 and all(t.is_lead(metric) for t in tests)
    cells = {}
    for model, value in figures.items():
        mark = Mark.NONE
        if len(figures) > 1:
            mark = {1: Mark.BEST, 2: Mark.SECOND}.get(place[model], Mark.NONE)
        dagger = _DAGGER if leads and tests and model == tests[0].best else ""
        cells[model] = Cell(with_deviation(value) + dagger, mark)
    return cells


def with_deviation(value: Figure, decimals: int = DECIMALS) -> str:
    """A figure as it stands in a table."""
    text = f"{value.mean:.{decimals}f}"
    if value.deviation is None:
        return text
    return f"{text} {_PLUS_MINUS} {value.deviation:.{decimals}f}"


def failures_table(comparison: Comparison) -> Table:
    """The failed runs with their reasons."""
    return Table(
        "failures",
        "Failed runs, which no figure above includes.",
        ["Model", "Seed", "Reason"],
        [
            [Cell(f.model), Cell(str(f.seed)), Cell(f.reason)]
            for f in comparison.failures
        ],
        frozenset({2}),
    )


# --- significance -------------------------------------------------------------------


def _significance(
    comparison: Comparison, models: Models, metrics: Sequence[str], tests: Tests
) -> Section:
    name = "Significance"
    if len(models) == 1:
        return Section(name, ["There is one model only, so nothing is tested."])
    tested = [metric for metric in metrics if tests[metric]]
    if not tested:
        return Section(
            name, ["The records hold no values of single users, so nothing is tested."]
        )
    metric = main_metric(comparison)
    users = tests[tested[0]][0].test.users
    text = (
        "For each metric the best model is tested against each other one by Student's "
        f"paired t-test over the {users:,} test users, two-sided; a user's value is "
        "the mean over the model's seeds. The t-test is taken because it asks about "
        "the difference of means, which is what the tables show; Wilcoxon's test would "
        "leave out the users for whom both models are equal, often most of them. "
        "Holm's correction over all tests of one metric keeps the chance of any false "
        f"alarm among them below {LEVEL:g}. The test tells whether other users of the "
        "same kind would show the difference; how far training by another seed moves a "
        "figure is told by its deviation. Which model is best was seen on the same "
        "test set, so take a value just below the level with caution."
    )
    blocks: list[Block] = [text]
    if tests[metric]:
        blocks.append(_difference_table(metric, tests[metric]))
    for k in dict.fromkeys(cutoff(metric) for metric in tested):
        of_k = [metric for metric in tested if cutoff(metric) == k]
        blocks.append(_p_value_table(models, of_k, tests, k))
    return Section(name, blocks)


def _difference_table(metric: str, tests: Sequence[AgainstBest]) -> Table:
    return Table(
        "significance",
        f"{title(metric)}: {tests[0].best}, the best, against each other model. "
        "Difference of means over users with its 95% confidence interval.",
        ["Against", "Difference", "95% from", "to", "p", "p (Holm)", "Significant"],
        [
            [
                Cell(item.other),
                Cell(f"{item.test.difference:+.{DECIMALS}f}"),
                Cell(f"{item.test.low:+.{DECIMALS}f}"),
                Cell(f"{item.test.high:+.{DECIMALS}f}"),
                Cell(p_text(item.test.p_value)),
                Cell(p_text(item.adjusted)),
                Cell("yes" if item.is_significant else "no"),
            ]
            for item in tests
        ],
    )


def _p_value_table(
    models: Models, metrics: Sequence[str], tests: Tests, k: int | None
) -> Table:
    by_metric = {
        metric: {item.other: p_text(item.adjusted) for item in tests[metric]}
        for metric in metrics
    }
    for metric in metrics:
        by_metric[metric][tests[metric][0].best] = "best"
    return Table(
        "p-values" if k is None else f"p-values-{k}",
        "p-values after Holm's correction, of the best model of each metric against "
        f"the others; below {LEVEL:g} is significant.",
        ["Model", *(title(metric) for metric in metrics)],
        [
            [Cell(model), *(Cell(by_metric[m].get(model, _MISSING)) for m in metrics)]
            for model in models
        ],
    )


def p_text(p_value: float) -> str:
    """A p-value as it stands in a table."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


# --- cost ---------------------------------------------------------------------------


def _cost(models: Models) -> Section:
    rows = []
    for model, runs in models.items():
        rows.append(
            [
                Cell(model),
                Cell(_seconds(runs, "training_seconds_per_epoch")),
                Cell(_seconds(runs, "validation_seconds_per_epoch")),
                Cell(_mean(len(run.record["epochs"]) for run in runs)),
                Cell(_mean(run.record["best_epoch"] + 1 for run in runs)),
                Cell(_mean((training_seconds(run) for run in runs), 1)),
                Cell(_mean(run.record["peak_memory_bytes"] / 2**20 for run in runs)),
                Cell(f"{runs[0].record['parameters']:,}"),
            ]
        )
    table = Table(
        "cost",
        "Time, memory and size: means over seeds. The time of an epoch is the median "
        "of a run's epochs. Peak memory is that of the whole process on a CPU, and "
        "that of the tensors on a GPU.",
        [
            *("Model", "Training s/epoch", "Validation s/epoch", "Epochs"),
            *("Best epoch", "Training s", "Peak MiB", "Parameters"),
        ],
        rows,
    )
    blocks: list[Block] = [table]
    runs = [run for runs in models.values() for run in runs]
    if len({(r.record["device"], r.record["threads"]) for r in runs}) > 1:
        blocks.append(
            "The runs were made on different devices or with different numbers of "
            "threads (see Environment), so their times cannot be compared."
        )
    shared = sorted({int(run.record.get("jobs", 1)) for run in runs})
    if shared != [1]:
        told = " or ".join(map(str, shared))
        blocks.append(
            f"{told} runs shared the machine at a time, which lengthens their times."
        )
    cut_short = [run.name for run in runs if _reached_the_limit(run)]
    if cut_short:
        blocks.append(
            "Still improving when the epochs ran out, so that more epochs may do "
            f"better: {', '.join(cut_short)}."
        )
    blocks.append(
        Plot(
            COST,
            "Accuracy against training time per epoch (logarithmic): the upper left is "
            "best. Mean over seeds, standard deviation as a bar.",
        )
    )
    return Section("Cost", blocks)


def _reached_the_limit(run: Run) -> bool:
    """Whether the best epoch is the last one that the budget allowed."""
    limit = run.configuration.get("epochs")
    if limit is None or run.configuration.get("MODEL_TYPE") == "TRADITIONAL":
        return False
    eval_step = min(run.configuration.get("eval_step") or 1, limit)
    last_validated = limit // eval_step * eval_step
    return run.record["best_epoch"] + 1 >= last_validated


def training_seconds(run: Run) -> float:
    """Seconds of training, validation left out."""
    return float(sum(epoch["training_seconds"] for epoch in run.record["epochs"]))


def _seconds(runs: Sequence[Run], name: str) -> str:
    return with_deviation(figure([run.record[name] for run in runs]), 2)


def _mean(values: Iterable[float], decimals: int = 0) -> str:
    return f"{figure(list(values)).mean:,.{decimals}f}"


def _curves(comparison: Comparison) -> Section:
    metric = title(
        str(comparison.runs[0].configuration.get("valid_metric", "")).lower()
    )
    return Section(
        "Learning curves",
        [
            Plot(
                CURVES,
                f"{metric} on the validation part, by epoch and by seconds of training "
                "(validation left out), one line a seed. A marker shows the epoch "
                "whose parameters were tested.",
            )
        ],
    )


# --- what was done ------------------------------------------------------------------


def _data(comparison: Comparison) -> Section:
    kinds: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for run in comparison.runs:
        names = kinds.setdefault(tuple(run.record["data"].items()), [])
        if run.model not in names:
            names.append(run.model)
    counts = [dict(kind) for kind in kinds]
    rows = [
        [
            Cell(name.replace("_", " ").capitalize()),
            *(Cell(f"{c[name]:,}" if name in c else _MISSING) for c in counts),
        ]
        for name in dict.fromkeys(name for kind in counts for name in kind)
    ]
    density = [_density(kind) for kind in counts]
    rows.append([Cell("Density"), *(Cell(text) for text in density)])
    heads = (
        ["Count"]
        if len(counts) == 1
        else [f"As loaded for {', '.join(names)}" for names in kinds.values()]
    )
    return Section(
        "Data",
        [
            Table(
                "data",
                f"The data set {comparison.dataset} as the models see it. Density is "
                "the share of user-item pairs with an interaction.",
                ["", *heads],
                rows,
            )
        ],
    )


def _density(counts: Mapping[str, int]) -> str:
    interactions = sum(
        n for name, n in counts.items() if name.endswith("_interactions")
    )
    cells = counts.get("users", 0) * counts.get("items", 0)
    return f"{interactions / cells:.3%}" if cells else _MISSING


def _protocol(comparison: Comparison) -> Section:
    run = comparison.runs[0]
    options = run.configuration
    arguments = options.get("eval_args") or {}
    paragraphs = [
        in_words(protocol_of(run.record)),
        _split_in_words(run, arguments)
        + " All runs have the split "
        + f"{run.record['split_hash']} (SHA-256 over the pairs of each part).",
        _ranking_in_words(arguments),
        _training_in_words(comparison, options),
    ]
    if all(run.record.get("linked_items_only") for run in comparison.runs):
        paragraphs.append(
            "Models that know no knowledge graph were given the very interactions that "
            "the knowledge-aware ones get: those of items with an entity."
        )
    return Section("Protocol", paragraphs)


def _split_in_words(run: Run, arguments: Mapping[str, Any]) -> str:
    if run.configuration.get("benchmark_filename"):
        return (
            "The data set comes split: its own files give the training, validation and "
            "test interactions."
        )
    split = arguments.get("split") or {}
    by_user = arguments.get("group_by") == "user"
    whose = "each user's interactions" if by_user else "all interactions"
    order = (
        f"in random order (seed {run.record.get('split_seed', run.seed)})"
        if arguments.get("order") == "RO"
        else "in the order of time"
    )
    if "RS" in split:
        shares = " / ".join(f"{share:g}" for share in split["RS"])
        return (
            f"The interactions are split into training, validation and test parts by "
            f"{shares} of {whose}, {order}."
        )
    return f"The interactions are split by RecBole's {split} of {whose}, {order}."


def _ranking_in_words(arguments: Mapping[str, Any]) -> str:
    mode = arguments.get("mode")
    modes = set(mode.values()) if isinstance(mode, dict) else {mode}
    if modes == {"full"}:
        return (
            "For each user of the test part all items are ranked but those that the "
            "user has in the training or validation part. The metrics are RecBole's, "
            "as means over users."
        )
    names = ", ".join(sorted(map(str, modes)))
    return (
        f"Items are ranked in RecBole's mode {names}, so among sampled candidates; the "
        "metrics are RecBole's, as means over users."
    )


def _training_in_words(comparison: Comparison, options: Mapping[str, Any]) -> str:
    seeds = sorted({run.seed for run in comparison.runs})
    budgets = sorted({run.configuration.get("epochs") or 0 for run in comparison.runs})
    return (
        f"Every model is trained for at most {' or '.join(map(str, budgets))} epochs "
        f"and validated after {_every(options.get('eval_step', 1))}; training stops "
        f"once {options.get('valid_metric')} has not improved in more than "
        f"{options.get('stopping_step')} validations in a row. The parameters of the "
        "best validation are tested, once. The test part is used for nothing else. "
        f"Seeds of initialisation, order and sampling: {', '.join(map(str, seeds))}."
    )


def _every(step: int) -> str:
    return "every epoch" if step == 1 else f"every {step} epochs"


# --- settings -----------------------------------------------------------------------


def _settings(models: Models) -> Section:
    requests = {
        model: runs[0].record["request"]
        for model, runs in models.items()
        if "request" in runs[0].record
    }
    unknown = [model for model in models if model not in requests]
    blocks: list[Block] = []
    if requests:
        common, own = _divided_settings(requests)
        blocks.append(
            Table(
                "model-settings",
                "Settings of each model: all that it has defaults of its own for, how "
                "it learns, and what else was changed for it. A changed value stands "
                "with its default in brackets.",
                ["Model", "Settings"],
                [
                    [Cell(m), Cell("; ".join(texts) or _MISSING)]
                    for m, texts in own.items()
                ],
                frozenset({1}),
            )
        )
        blocks.append(
            Table(
                "common-settings",
                "Settings common to all models that differ from RecBole's defaults.",
                ["Setting", "Value", "Default"],
                [[Cell(k), Cell(_value(v)), Cell(_value(d))] for k, v, d in common],
                frozenset({1, 2}),
            )
        )
    if unknown:
        blocks.append(
            f"The records of {', '.join(unknown)} do not tell defaults; their "
            "configuration stands in the records."
        )
    return Section("Settings", blocks)


def _divided_settings(
    requests: Mapping[str, Mapping[str, Any]],
) -> tuple[list[tuple[str, Any, Any]], dict[str, list[str]]]:
    """Changed settings that all models share, and those of each model."""
    changed = {model: _changed(request) for model, request in requests.items()}
    first = next(iter(changed.values()))
    owned = {name for request in requests.values() for name in request["model_options"]}
    common = {
        name: pair
        for name, pair in first.items()
        if name not in owned and all(c.get(name) == pair for c in changed.values())
    }
    own = {}
    for model, request in requests.items():
        settings = settings_of(request)
        names = dict.fromkeys(
            [*request["model_options"], *_SHOWN_FOR_ALL, *changed[model]]
        )
        own[model] = [
            f"{name}={_value(settings[name])}"
            + (
                f" (default {_value(changed[model][name][1])})"
                if name in changed[model]
                else ""
            )
            for name in names
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


def _peculiarities(models: Models) -> list[Section]:
    known = [model for model in models if model in KNOWN_ISSUES]
    if not known:
        return []
    table = Table(
        "peculiarities",
        "What RecBole's own code does in these models, which run as it ships them.",
        ["Model", "Peculiarities"],
        [[Cell(model), Cell("; ".join(KNOWN_ISSUES[model]))] for model in known],
        frozenset({1}),
    )
    return [Section("Left as RecBole has it", [table])]


def _value(value: Any) -> str:
    return "none" if value is None else str(value)


def _environment(comparison: Comparison) -> Section:
    facts: dict[str, dict[str, None]] = {}
    shims: dict[str, None] = {}
    for run in comparison.runs:
        record = run.record
        found = {
            "Device": record["device"],
            "Threads of a run": str(record["threads"]),
            "Runs at a time": str(record.get("jobs", 1)),
            **{f"Version of {name}": v for name, v in record["versions"].items()},
        }
        for name, value in found.items():
            facts.setdefault(name, {})[value] = None
        shims.update(dict.fromkeys(record["shims"]))
    table = Table(
        "environment",
        "Where the runs were made; several values mean that the runs differ.",
        ["", "Value"],
        [[Cell(name), Cell(", ".join(values))] for name, values in facts.items()],
        frozenset({1}),
    )
    started = sorted(str(run.record.get("started", "")) for run in comparison.runs)
    text = f"{len(comparison.runs)} runs"
    if started[0]:
        text += f", begun between {started[0]} and {started[-1]}"
    blocks: list[Block] = [text + ".", table]
    if shims:
        reasons = {shim.name: shim.reason for shim in SHIMS}
        blocks.append(
            Table(
                "shims",
                "Repairs of RecBole in force, which let it run beside today's "
                "libraries.",
                ["Repair", "Reason"],
                [[Cell(name), Cell(reasons.get(name, _MISSING))] for name in shims],
                frozenset({1}),
            )
        )
    else:
        blocks.append("No repairs of RecBole were in force.")
    return Section("Environment", blocks)
