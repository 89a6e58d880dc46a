"""Known warnings are silent where they are known, and nowhere else."""

from __future__ import annotations

import warnings

import pytest

from recbole_kgif.compat.known_warnings import (
    QUIETED,
    QuietedWarning,
    silence_known_warnings,
)
from tests.compat.helpers import python

pytestmark = pytest.mark.versions

# Of each quieted warning, in the order of QUIETED: its text as it was seen, and the
# module it was blamed on.
SEEN = (
    (
        "pkg_resources is deprecated as an API. See the documentation. The "
        "pkg_resources package is slated for removal as early as 2025-11-30.",
        "ray._private.parameter",
    ),
    (
        "A value is trying to be set on a copy of a DataFrame or Series through "
        "chained assignment using an inplace method.\nThe behavior will change in "
        "pandas 3.0.",
        "recbole.data.dataset.dataset",
    ),
    (
        "`torch.cuda.amp.GradScaler(args...)` is deprecated. Please use "
        "`torch.amp.GradScaler('cuda', args...)` instead.",
        "recbole.trainer.trainer",
    ),
    (
        "torch.sparse.SparseTensor(indices, values, shape, *, device=) is deprecated.  "
        "Please use torch.sparse_coo_tensor(indices, values, shape, dtype=, device=).",
        "recbole.model.general_recommender.lightgcn",
    ),
    (
        "divide by zero encountered in power",
        "recbole.model.knowledge_aware_recommender.kgin",
    ),
    (
        "Sparse CSR tensor support is in beta state. If you miss a functionality in "
        "the sparse tensor support, please submit a feature request.",
        "recbole_kgif.model.graph",
    ),
)


def shown(message: str, category: type[Warning], module: str) -> int:
    """How many warnings a user sees of this one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("always")
        silence_known_warnings()
        warnings.warn_explicit(message, category, "file.py", 1, module=module)
    return len(caught)


def test_every_quieted_warning_is_tried() -> None:
    assert len(SEEN) == len(QUIETED)
    assert all(quieted.reason for quieted in QUIETED)


@pytest.mark.parametrize(("quieted", "seen"), list(zip(QUIETED, SEEN)))
def test_a_known_warning_is_silent_where_it_is_known(
    quieted: QuietedWarning, seen: tuple[str, str]
) -> None:
    message, module = seen
    assert shown(message, quieted.category, module) == 0
    assert shown(message, quieted.category, "a_users.script") == 1
    assert shown("Something else. " + message, quieted.category, module) == 1
    assert shown(message, ResourceWarning, module) == 1


def test_silencing_twice_adds_no_second_filter() -> None:
    with warnings.catch_warnings():
        silence_known_warnings()
        once = list(warnings.filters)
        silence_known_warnings()
        assert list(warnings.filters) == once


def test_import_is_silent_for_a_user() -> None:
    printed = python(
        "from recbole_kgif.compat import silence_known_warnings",
        "silence_known_warnings()",
        "import recbole.quick_start",
    )
    assert printed == ""
