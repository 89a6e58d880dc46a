"""Limits of size that keep the code readable."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "recbole_kgif"
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 7
MOST_ROOMS = 20

# RecBole has one file for a model.
LONG_MODULES = {"model/kgif.py"}
# Lists of arguments with their help.
LONG_FUNCTIONS = {"_parser"}
# What a user calls: each thing that may be asked for is a parameter.
MANY_PARAMETERS = {"api/fitting.py: fit"}
# A command has the name of the module that it calls, and `checkpoint` is the public
# name of what `training` has in two files.
SHARED_NAMES = {"__init__.py", "recommend.py", "checkpoint.py", "models.py"}


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.relative_to(PACKAGE)}: {node.name}", node


def test_modules_are_short() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in MODULES
    }
    long = {name for name, length in lengths.items() if length > MOST_LINES}
    assert long <= LONG_MODULES


def test_functions_are_short_and_have_few_parameters() -> None:
    for name, node in functions():
        assert node.end_lineno is not None
        length = node.end_lineno - node.lineno + 1
        if node.name not in LONG_FUNCTIONS:
            assert length <= MOST_LINES_OF_A_FUNCTION, name
        arguments = node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters = [a.arg for a in given if a.arg not in ("self", "cls")]
        if name not in MANY_PARAMETERS:
            assert len(parameters) <= MOST_PARAMETERS, name


def test_a_file_name_is_used_once() -> None:
    names = Counter(path.name for path in MODULES)
    assert {name for name, count in names.items() if count > 1} <= SHARED_NAMES


def test_the_rooms_are_few() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0] for path in MODULES}
    assert len(rooms - {"__init__.py", "__main__.py"}) <= MOST_ROOMS
