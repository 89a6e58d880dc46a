"""A function is given another module than the one it imports."""

from __future__ import annotations

import sys
import types

import pytest

from recbole_kgif.compat.substitution import with_module

pytestmark = pytest.mark.versions


def test_a_function_that_imports_a_module_is_given_another_one() -> None:
    module = types.ModuleType("a_module")
    source = (
        "def helper():\n"
        "    return 'first'\n"
        "def function(path, times=2, *, suffix='!'):\n"
        "    'What it does.'\n"
        "    import torch\n"
        "    import os.path\n"
        "    return torch.name * times + os.path.basename(path) + suffix, helper()\n"
    )
    exec(source, vars(module))
    stand_in = types.ModuleType("torch")
    stand_in.name = "ab"  # type: ignore[attr-defined]

    function = with_module(module.function, "torch", stand_in)
    assert function("x/y") == ("ababy!", "first")
    assert function("x/y", 1, suffix="?") == ("aby?", "first")
    module.helper = lambda: "second"  # type: ignore[attr-defined]
    assert function("x/y")[1] == "second"
    assert function.__doc__ == "What it does."

    import torch

    assert torch is sys.modules["torch"] is not stand_in
