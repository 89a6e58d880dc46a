"""Why a model gives items their scores: paths with their contributions."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Union

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    STANDARD_OUTPUT,
    add_output_argument,
    add_restoring_arguments,
    check_restoring,
    loading_options,
    write_output,
)
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one, seed_number

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer
    from recbole_kgif.explain.explanation_records import Explanation

FORMATS = ("text", "json", "dot", "html", "png", "svg")
# Not for a terminal.
_FIGURES = ("png", "svg")
_OF_AN_EXPLANATION = ("user", "item", "top_k", "format")
_OF_AN_EVALUATION = ("users", "seed")
# More than anybody reads, and still found in seconds.
_MOST_PATHS = 1000
# Set after the checks, which ask what was given.
_DEFAULTS = {"top_k": 10, "paths": 5, "users": 200, "seed": 2020}


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    _settle_users(namespace)
    if namespace.evaluate:
        _check_evaluation(namespace)
    else:
        form = _check_explanation(namespace)
    for name, value in _DEFAULTS.items():
        if getattr(namespace, name) is None:
            setattr(namespace, name, value)
    check_restoring(namespace)

    # Only now: loading PyTorch takes seconds, and mistakes are reported before.
    prepare_process()
    from recbole_kgif.explain.explainer import Explainer

    explainer = Explainer.load(**loading_options(namespace))
    if namespace.evaluate:
        return _evaluate(explainer, namespace)
    user, paths = namespace.user, namespace.paths
    if namespace.item is None:
        explanations = explainer.explain_top(user, namespace.top_k, paths)
    else:
        explanations = [explainer.explain(user, namespace.item, paths)]
    content = _rendered(explanations, form)
    if namespace.output is None:
        sys.stdout.write(str(content))
    else:
        write_output(namespace.output, content)
        print(namespace.output)
    return 0


def _settle_users(namespace: argparse.Namespace) -> None:
    """Take ``--users`` for the user to explain, unless many are evaluated."""
    if namespace.users is None:
        return
    if namespace.evaluate:
        try:
            namespace.users = at_least_one(namespace.users)
        except argparse.ArgumentTypeError as error:
            raise UserError(f"argument --users: {error}; see --help") from None
    elif namespace.user is None:
        namespace.user, namespace.users = namespace.users, None


def _check_explanation(namespace: argparse.Namespace) -> str:
    """Check the options of an explanation, and return the form of its output."""
    _refuse_given(namespace, _OF_AN_EVALUATION, "needs --evaluate")
    if namespace.user is None:
        raise UserError("--user is missing; name the user whose items to explain")
    if (namespace.paths or 0) > _MOST_PATHS:
        raise UserError(f"--paths {namespace.paths}: {_MOST_PATHS:,} is the most")
    if namespace.item is not None and namespace.top_k is not None:
        raise UserError("--top-k: not allowed with --item; leave one of them out")
    if namespace.output == STANDARD_OUTPUT:
        namespace.output = None
    form = namespace.format
    if form is None:
        ending = "" if namespace.output is None else namespace.output.suffix.lower()
        form = ending[1:] if ending[1:] in FORMATS else "text"
    if form in _FIGURES and namespace.output is None:
        raise UserError(f"--format {form}: a figure needs a file; give --output FILE")
    return str(form)


def _check_evaluation(namespace: argparse.Namespace) -> None:
    _refuse_given(namespace, _OF_AN_EXPLANATION, "not allowed with --evaluate")
    if namespace.output is None or namespace.output.suffix.lower() != ".json":
        raise UserError(
            "--evaluate: give --output FILE.json; the table is written to FILE.md"
        )


def _refuse_given(
    namespace: argparse.Namespace, names: Sequence[str], reason: str
) -> None:
    for name in names:
        if getattr(namespace, name) is not None:
            raise UserError(f"--{name.replace('_', '-')}: {reason}; leave it out")


def _rendered(explanations: Sequence[Explanation], form: str) -> Union[str, bytes]:
    """Explanations in a format; loads only what it needs."""
    if form in _FIGURES:
        from recbole_kgif.explain.renderings import render_figure

        return render_figure.render(explanations, form)
    from recbole_kgif.explain.explanation_records import to_json
    from recbole_kgif.explain.renderings import render_dot, render_html, render_text

    renderings: dict[str, Callable[[Sequence[Explanation]], str]] = {
        "text": render_text.render,
        "json": to_json,
        "dot": render_dot.render,
        "html": render_html.render,
    }
    return renderings[form](explanations)


def _evaluate(explainer: Explainer, namespace: argparse.Namespace) -> int:
    from recbole_kgif.explain.path_evaluation import LIST_LENGTH, evaluate
    from recbole_kgif.report.faithfulness_page import faithfulness_page

    evaluation = evaluate(
        explainer,
        n_users=namespace.users,
        n_paths=namespace.paths,
        seed=namespace.seed,
    )
    record = dataclasses.asdict(evaluation)
    table = faithfulness_page(record, LIST_LENGTH)
    write_output(namespace.output, json.dumps(record, indent=1) + "\n")
    write_output(namespace.output.with_suffix(".md"), table)
    print(table)
    print(namespace.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif explain",
        also={"--k": "--top-k"},
        description="Show the paths from a user to recommended items, each with its "
        "exact contribution to the score (KGIF; for KGAT the paths of the largest "
        "attention, marked as not exact). Items are ranked as in the test: the user's "
        "training and validation items are left out.",
    )
    add_restoring_arguments(parser)
    parser.add_argument("--user", metavar="ID", help="the user whose items to explain")
    parser.add_argument(
        "--item",
        metavar="ID",
        help="explain this item, however low it ranks, instead of the best ones",
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
        help="format of the output (default: by the name of --output, else text)",
    )
    add_output_argument(
        parser,
        "FILE",
        "file to write to, replaced where it exists (default: the terminal, as for -)",
    )
    _add_evaluation_arguments(parser)
    return parser


def _add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help="measure instead how faithful the paths are: how scores change without "
        "them, compared with random paths and those of the largest attention",
    )
    parser.add_argument(
        "--users",
        metavar="COUNT",
        help="with --evaluate, how many users, drawn at random "
        f"(default: {_DEFAULTS['users']})",
    )
    parser.add_argument(
        "--seed",
        type=seed_number,
        metavar="NUMBER",
        help="with --evaluate, seed of all random numbers "
        f"(default: {_DEFAULTS['seed']})",
    )
