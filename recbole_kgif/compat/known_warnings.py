"""Warnings of RecBole and its dependencies that say nothing to the user."""

from __future__ import annotations

import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class QuietedWarning:
    """One warning that a user of this package can do nothing about.

    Attributes:
        category: Class of the warning.
        message: Regular expression that the beginning of the message matches.
        module: Regular expression that the name of the module blamed matches.
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
        "RecBole uses the older of two names for one thing, once an epoch.",
    ),
    QuietedWarning(
        UserWarning,
        r"torch\.sparse\.SparseTensor\(indices, values, shape, \*, device=\) is "
        r"deprecated",
        r"recbole\.model\.",
        "RecBole's graph models use the older of two constructors for one thing.",
    ),
    QuietedWarning(
        RuntimeWarning,
        r"divide by zero encountered in power",
        r"recbole\.model\.",
        "RecBole's KGIN and MCCLK divide by the number of a node's interactions, and "
        "put a zero for the infinity of a node without any in the next line.",
    ),
    QuietedWarning(
        UserWarning,
        r"Sparse CSR tensor support is in beta state",
        r"recbole(_kgif)?\.model\.",
        "PyTorch says so at the first use of the format, whatever is done with it; "
        "what KGIF does with it is compared with dense matrices by the tests, and "
        "MCCLK leads PyTorch to it by a product of two sparse matrices.",
    ),
)


def silence_known_warnings() -> None:
    """Hide the warnings of :data:`QUIETED`, and no other.

    Each filter names a category, a message and the module that is blamed, so the
    same warning about the caller's own code is still shown. Call it before RecBole
    is imported: the first of them comes then. Calling it again changes nothing.
    """
    for quieted in QUIETED:
        warnings.filterwarnings(
            "ignore",
            message=quieted.message,
            category=quieted.category,
            module=quieted.module,
        )
