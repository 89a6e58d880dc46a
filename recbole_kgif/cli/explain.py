"""Why a model gives a user its items: paths with their share of the score."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union

from recbole_kgif.cli.arguments import (
    ArgumentParser,
    add_restoring_arguments,
    check_output,
    check_restoring,
    write_output,
)
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one, seed_number

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer
    from recbole_kgif.explain.explanation_records import Explanation

FORMATS = ("text", "json", "dot", "html", "png", "svg")
# These are no text for a terminal.
_PICTURES = ("png", "svg")
_OF_AN_EXPLANATION = ("user", "item", "top_k", "paths", "format")
_OF_AN_EVALUATION = ("users", "seed")
# More than a reader takes in, and still found in seconds.
_MOST_PATHS = 1000

_DEFAULTS = {"top_k": 10, "paths": 5, "users": 200, "seed": 2020}


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    if namespace.evaluate:
        _check_evaluation(namespace)
    else:
        form = _check_explanation(namespace)
    check_restoring(namespace)
    if namespace.output is not None:
        check_output(namespace.output, namespace.checkpoint)

    # Only now: loading PyTorch takes seconds, and a mistake should be told at once.
    prepare_process()
    from recbole_kgif.explain.explainer import Explainer

    explainer = Explainer.load(
        namespace.checkpoint,
        data_path=namespace.dataset_path,
        source=namespace.source,
        trust=namespace.trust,
    )
    if namespace.evaluate:
        return _evaluate(explainer, namespace)
    content = _renderer(form)(_explanations(explainer, namespace))
    if namespace.output is None:
        sys.stdout.write(str(content))
    else:
        write_output(namespace.output, content)
        print(namespace.output)
    return 0


def _check_explanation(namespace: argparse.Namespace) -> str:
    """Check the options of an explanation, and return the form of its output."""
    _refuse_given(namespace, _OF_AN_EVALUATION, "belongs to --evaluate")
    if namespace.user is None:
        raise UserError("--user is missing; name the user whose items to explain")
    if _value(namespace, "paths") > _MOST_PATHS:
        raise UserError(f"--paths {namespace.paths}: {_MOST_PATHS:,} is the most")
    if namespace.item is not None and namespace.top_k is not None:
        raise UserError("--top-k: belongs to no --item; leave one of them out")
    form = namespace.format
    if form is None:
        ending = "" if namespace.output is None else namespace.output.suffix.lower()
        form = ending[1:] if ending[1:] in FORMATS else "text"
    if form in _PICTURES and namespace.output is None:
        raise UserError(f"--format {form}: a picture needs a file; give --output FILE")
    return str(form)


def _check_evaluation(namespace: argparse.Namespace) -> None:
    of_others = [name for name in _OF_AN_EXPLANATION if name != "paths"]
    _refuse_given(namespace, of_others, "does not go with --evaluate")
    if namespace.output is None or namespace.output.suffix.lower() != ".json":
        raise UserError(
            "--evaluate: give --output FILE.json; the table is written beside it as "
            "FILE.md"
        )


def _refuse_given(
    namespace: argparse.Namespace, names: Sequence[str], reason: str
) -> None:
    for name in names:
        if getattr(namespace, name) is not None:
            raise UserError(f"--{name.replace('_', '-')}: {reason}; leave it out")


def _value(namespace: argparse.Namespace, name: str) -> int:
    given = getattr(namespace, name)
    return _DEFAULTS[name] if given is None else int(given)


def _explanations(
    explainer: Explainer, namespace: argparse.Namespace
) -> list[Explanation]:
    paths = _value(namespace, "paths")
    if namespace.item is not None:
        return [explainer.explain(namespace.user, namespace.item, paths)]
    return explainer.explain_top(namespace.user, _value(namespace, "top_k"), paths)


def _renderer(form: str) -> Callable[[Sequence[Explanation]], Union[str, bytes]]:
    """What turns explanations into a file of a form; loads no more than it needs."""
    if form in _PICTURES:
        from recbole_kgif.explain.renderings import render_figure

        return lambda explanations: render_figure.render(explanations, form)
    from recbole_kgif.explain import explanation_records
    from recbole_kgif.explain.renderings import render_dot, render_html, render_text

    texts: dict[str, Callable[[Sequence[Explanation]], str]] = {
        "text": render_text.render,
        "json": explanation_records.to_json,
        "dot": render_dot.render,
        "html": render_html.render,
    }
    return texts[form]


def _evaluate(explainer: Explainer, namespace: argparse.Namespace) -> int:
    from recbole_kgif.explain.evaluation_table import to_json, to_markdown
    from recbole_kgif.explain.path_evaluation import evaluate

    evaluation = evaluate(
        explainer,
        n_users=_value(namespace, "users"),
        n_paths=_value(namespace, "paths"),
        seed=_value(namespace, "seed"),
    )
    table = to_markdown(evaluation)
    write_output(namespace.output, to_json(evaluation))
    write_output(namespace.output.with_suffix(".md"), table)
    print(table)
    print(namespace.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif explain",
        allow_abbrev=False,
        description="Show the paths from a user to recommended items, each with its "
        "exact share of the score (KGIF; of KGAT the paths of the largest attention, "
        "marked as not exact). Items are ranked as in the test: the user's training "
        "and validation items are left out.",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="the model.pth of a run",
    )
    parser.add_argument("--user", metavar="ID", help="the user whose items to explain")
    parser.add_argument(
        "--item",
        metavar="ID",
        help="explain this item, however low it ranks, in place of the best ones",
    )
    parser.add_argument(
        "--top-k",
        type=at_least_one,
        metavar="COUNT",
        help=f"how many of the best items (default: {_DEFAULTS['top_k']})",
    )
    parser.add_argument(
        "--paths",
        type=at_least_one,
        metavar="COUNT",
        help=f"paths an item, {_MOST_PATHS:,} at most, which begin with different "
        f"interactions as far as these have strong ones (default: "
        f"{_DEFAULTS['paths']})",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="form of the output (default: what the name of --output ends with, else "
        "text)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write to, replaced where it exists (default: the terminal)",
    )
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help="measure instead how faithful the paths are: what their deletion does to "
        "the scores, beside random paths and those of the largest attention",
    )
    parser.add_argument(
        "--users",
        type=at_least_one,
        metavar="COUNT",
        help=f"with --evaluate, how many users, drawn at random "
        f"(default: {_DEFAULTS['users']})",
    )
    parser.add_argument(
        "--seed",
        type=seed_number,
        metavar="NUMBER",
        help=f"with --evaluate, seed of all that is drawn "
        f"(default: {_DEFAULTS['seed']})",
    )
    add_restoring_arguments(parser)
    return parser
