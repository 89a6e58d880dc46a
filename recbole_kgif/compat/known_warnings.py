"""Warnings of RecBole and its dependencies that no user can act on."""

from __future__ import annotations

import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class QuietedWarning:
    """A warning that a user of this package cannot act on.

    Attributes:
        category: Class of the warning.
        message: Regular expression for the beginning of the message.
        module: Regular expression for the name of the module that it is blamed on.
        reason: Why hiding it hides no defect.
    """

    category: type[Warning]
    message: str
    module: str
    reason: str


QUIETED: tuple[QuietedWarning, ...] = (
    QuietedWarning(
        UserWarning,
        r"pkg_resources is deprecated as an API",
        r"ray\.",
        "ray 2.6.3, the newest that RecBole accepts, needs pkg_resources; the "
        "package's range for setuptools keeps a version that has it.",
    ),
    QuietedWarning(
        FutureWarning,
        r"A value is trying to be set on a copy of a DataFrame or Series through "
        r"chained assignment",
        r"recbole\.data\.dataset\.",
        "RecBole fills missing values in a way that pandas 3 will ignore; the "
        "package's range for pandas ends before 3.",
    ),
    QuietedWarning(
        FutureWarning,
        r"`torch\.cuda\.amp\.(GradScaler|autocast)\(args\.\.\.\)` is deprecated",
        r"recbole\.trainer\.trainer$",
        "RecBole uses the older of two names of the same function, once per epoch.",
    ),
    QuietedWarning(
        UserWarning,
        r"torch\.sparse\.SparseTensor\(indices, values, shape, \*, device=\) is "
        r"deprecated",
        r"recbole\.model\.",
        "RecBole's graph models use the older of two equivalent constructors.",
    ),
    QuietedWarning(
        RuntimeWarning,
        r"divide by zero encountered in power",
        r"recbole\.model\.",
        "RecBole's KGIN and MCCLK divide by the number of a node's interactions and "
        "replace the infinity of a node without any by zero in the next line.",
    ),
    QuietedWarning(
        UserWarning,
        r"Sparse CSR tensor support is in beta state",
        r"recbole(_kgif)?\.model\.",
        "PyTorch warns at the first use of the format; the tests compare KGIF's uses "
        "with dense matrices, and MCCLK uses it in a product of sparse matrices.",
    ),
)


def silence_known_warnings() -> None:
    """Hide the warnings of :data:`QUIETED`, and no others.

    The same warning about the caller's own code is still shown. To be called before
    RecBole is imported, which raises the first of them.
    """
    for quieted in QUIETED:
        warnings.filterwarnings(
            "ignore",
            message=quieted.message,
            category=quieted.category,
            module=quieted.module,
        )
