"""A function of another package with one module that it imports replaced."""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def with_module(
    function: Callable[..., Any], name: str, module: types.ModuleType
) -> Callable[..., Any]:
    """A function that runs ``function`` with the module ``name`` being ``module``.

    Some of RecBole's functions import a module in their body, so no name outside
    them can be replaced. An import statement calls the ``__import__`` of the
    namespace that its function was made in: the same code in a namespace of its own
    is reached without touching the module, ``sys.modules`` or any other function.
    """
    original = inspect.unwrap(function)

    def import_module(imported: str, *args: Any, **kwargs: Any) -> Any:
        if imported == name:
            return module
        return builtins.__import__(imported, *args, **kwargs)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Built anew for each call, so that whatever has been replaced in RecBole's
        # module in the meantime is seen as it would be by the original.
        namespace = {
            **original.__globals__,
            name: module,
            "__builtins__": {**vars(builtins), "__import__": import_module},
        }
        inner = types.FunctionType(
            original.__code__,
            namespace,
            original.__name__,
            original.__defaults__,
            original.__closure__,
        )
        inner.__kwdefaults__ = original.__kwdefaults__
        return inner(*args, **kwargs)

    return run
