"""Replacing a module that a function imports in its body."""

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
    """``function``, except that importing ``name`` in its body gives ``module``.

    An import statement calls the ``__import__`` of the namespace of its function. So
    the same code runs in a namespace of its own, and neither ``sys.modules`` nor any
    other function changes.
    """
    original = inspect.unwrap(function)

    def import_module(imported: str, *args: Any, **kwargs: Any) -> Any:
        if imported == name:
            return module
        return builtins.__import__(imported, *args, **kwargs)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Made for each call, so that later changes of RecBole's module are seen.
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
