"""Why a model gives items their scores: reasons that add up to them."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional, Union

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
    from recbole_kgif.explain.explanation_records import Explanation, UserSummary

FORMATS = ("text", "json", "dot", "html", "png", "svg", "pdf")
# Not for a terminal.
_FIGURES = ("png", "svg", "pdf")
# Endings of files that say what they hold in another way.
_OTHER_ENDINGS = {"txt": "text", "gv": "dot", "htm": "html"}
_OF_AN_EXPLANATION = (
    *("user", "item", "top_k", "format", "paths", "against", "without", "show_users"),
)
_OF_AN_EVALUATION = ("users", "seed")
# More than anybody reads, and still found in seconds.
_MOST_LISTED = 1000
# Set after the checks, which ask what was given.
_DEFAULTS = {"top_k": 10, "users": 200, "seed": 2020}
# How many reasons an explanation lists, and an evaluation deletes.
_REASONS, _DELETED = 5, 3
_PATHS = 5


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
    lists_paths = namespace.paths is not None or namespace.show_users is not None
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
    explanations, summary = _explained(explainer, namespace)
    content = _rendered(explanations, summary, form, lists_paths)
    if namespace.output is None:
        sys.stdout.write(str(content))
    else:
        write_output(namespace.output, content)
        print(namespace.output)
    return 0


def _explained(
    explainer: Explainer, namespace: argparse.Namespace
) -> tuple[list[Explanation], Optional[UserSummary]]:
    """The explanations asked for, and what drives them together if there are many."""
    from recbole_kgif.explain.user_view import BY_ATTENTION, Detail

    if explainer.model_name == BY_ATTENTION:
        reason = f"needs the exact scores of KGIF, and {BY_ATTENTION} has attention"
        _refuse_given(namespace, ("reasons", "show_users"), reason)
    detail = Detail(
        n_reasons=namespace.reasons or _REASONS,
        n_paths=namespace.paths or _PATHS,
        shows_users=bool(namespace.show_users),
    )
    user, item, against = namespace.user, namespace.item, namespace.against
    without = namespace.without or ()
    if item is not None:
        explanation = (
            explainer.explain(user, item, detail=detail, without=without)
            if against is None
            else explainer.compare(user, item, against, detail=detail, without=without)
        )
        return [explanation], None
    k = namespace.top_k
    explanations = explainer.explain_top(user, k, detail=detail, without=without)
    if len(explanations) < 2:
        return explanations, None
    return explanations, explainer.summarise(user, k, detail=detail, without=without)


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
    for name in ("paths", "reasons"):
        count = getattr(namespace, name) or 0
        if count > _MOST_LISTED:
            raise UserError(f"--{name} {count}: {_MOST_LISTED:,} is the most")
    if namespace.item is not None and namespace.top_k is not None:
        raise UserError("--top-k: not allowed with --item; leave one of them out")
    if namespace.against is not None and namespace.item is None:
        raise UserError("--against: needs --item, the item to compare with it")
    if namespace.output == STANDARD_OUTPUT:
        namespace.output = None
    form = namespace.format or _format_of(namespace)
    if form in _FIGURES and namespace.output is None:
        raise UserError(f"--format {form}: a figure needs a file; give --output FILE")
    return str(form)


def _format_of(namespace: argparse.Namespace) -> str:
    """The format by the ending of the output's name."""
    if namespace.output is None:
        return "text"
    ending = namespace.output.suffix.lower()[1:]
    form = _OTHER_ENDINGS.get(ending, ending)
    if form not in FORMATS:
        known = ", ".join(f".{name}" for name in (*_OTHER_ENDINGS, *FORMATS))
        raise UserError(
            f"--output {namespace.output}: its ending names no known format; end it "
            f"with one of {known}, or give --format"
        )
    return form


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


def _rendered(
    explanations: Sequence[Explanation],
    summary: Optional[UserSummary],
    form: str,
    lists_paths: bool,
) -> Union[str, bytes]:
    """Explanations in a format; loads only what it needs."""
    if form in _FIGURES:
        from recbole_kgif.explain.renderings import render_figure

        return render_figure.render(explanations, form)
    from recbole_kgif.explain.explanation_json import to_json
    from recbole_kgif.explain.renderings import render_dot, render_html, render_text

    if form == "json":
        return to_json(explanations, summary)
    if form == "html":
        return render_html.render(explanations, summary)
    if form == "dot":
        return render_dot.render(explanations)
    return render_text.render(explanations, summary, with_paths=lists_paths)


def _evaluate(explainer: Explainer, namespace: argparse.Namespace) -> int:
    from recbole_kgif.explain.faithfulness import evaluate
    from recbole_kgif.report.faithfulness_page import faithfulness_page

    evaluation = evaluate(
        explainer,
        n_users=namespace.users,
        n_reasons=namespace.reasons or _DELETED,
        seed=namespace.seed,
    )
    record = dataclasses.asdict(evaluation)
    table = faithfulness_page(record)
    write_output(namespace.output, json.dumps(record, indent=1) + "\n")
    write_output(namespace.output.with_suffix(".md"), table)
    print(table)
    print(namespace.output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif explain",
        also={"--k": "--top-k"},
        description="Show why items get their scores: the user's own interactions, "
        "each with its exact part of the score and what that is made of (KGIF; for "
        "KGAT the paths of the largest attention, marked as not exact). Items are "
        "ranked as in the test: the user's training and validation items are left out.",
    )
    add_restoring_arguments(parser)
    parser.add_argument("--user", metavar="ID", help="the user whose items to explain")
    parser.add_argument(
        "--item",
        metavar="ITEM",
        help="explain this item, by id or name, however low it ranks, instead of the "
        "best ones",
    )
    parser.add_argument(
        "--against",
        metavar="ITEM",
        help="with --item, explain why it scores higher or lower than this item",
    )
    parser.add_argument(
        "--without",
        nargs="+",
        metavar="ITEM",
        help="as it would be if the user had not chosen these items: they are deleted "
        "from the graph and the scores are propagated again",
    )
    parser.add_argument(
        "--top-k",
        type=at_least_one,
        metavar="COUNT",
        help=f"how many of the best items (default: {_DEFAULTS['top_k']})",
    )
    _add_detail_arguments(parser)
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


def _add_detail_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reasons",
        type=at_least_one,
        metavar="COUNT",
        help=f"the user's interactions that are listed, {_MOST_LISTED:,} at most; the "
        f"others are one row (default: {_REASONS}; with --evaluate the number that is "
        f"deleted, {_DELETED})",
    )
    parser.add_argument(
        "--paths",
        type=at_least_one,
        metavar="COUNT",
        help=f"paths of each reason, {_MOST_LISTED:,} at most, or of each item for "
        f"KGAT (default: {_PATHS}; text lists those of KGIF only where this is given)",
    )
    parser.add_argument(
        "--show-users",
        action="store_true",
        default=None,
        help="list paths through other users as well, with their ids",
    )


def _add_evaluation_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help="measure instead how faithful the reasons are: how scores change without "
        "the strongest interactions, compared with random ones and with those of the "
        "largest attention",
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
