"""Shims that let stock RecBole 1.2.1 run on today's PyTorch and SciPy, without DGL.

RecBole 1.2.1 is older than what ``pip`` installs beside it, and five things break
between the construction of a model and the test of a reloaded one; a sixth makes every
training slower, and a seventh is that its metrics of diversity fail. Each has one
:class:`Shim` in :data:`SHIMS`, which says what breaks, asks whether it is broken
*here*, and says when it can be deleted. :func:`apply_shims` puts in force those that
are needed and leaves a healthy upstream alone.

What breaks already at ``import`` or at ``pip install`` (NumPy 2, pandas 3,
setuptools without ``pkg_resources``) cannot be mended from here: the dependency
ranges of this package keep those versions away.

This module imports neither PyTorch, RecBole nor SciPy until a function needs them.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.metadata
import inspect
import re
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse import coo_matrix
    from torch import Tensor

__all__ = [
    "QUIETED",
    "SHIMS",
    "QuietedWarning",
    "Shim",
    "active_shims",
    "apply_shims",
    "kgat_initial_attention",
    "scatter_mean",
    "scatter_softmax",
    "silence_known_warnings",
]


@dataclass(frozen=True)
class Shim:
    """One repair of a broken upstream.

    Attributes:
        name: Short identifier, used in reports.
        reason: What breaks, and where.
        removable_when: The condition under which the shim can be deleted.
        is_needed: Whether the installed upstream is broken in this way.
        apply: Puts the repair in force. Called at most once a process.
    """

    name: str
    reason: str
    removable_when: str
    is_needed: Callable[[], bool]
    apply: Callable[[], None]


def _release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``"2.13.0+cpu"`` gives ``(2, 13, 0)``."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    if match is None:
        raise ValueError(f"not a version number: {version!r}")
    return tuple(int(part) for part in match.group().split("."))


# --- RecBole's checkpoints and the weights_only default of torch.load ----------


class _CheckpointTorch(types.ModuleType):
    """The ``torch`` module as RecBole's checkpoint readers see it.

    Everything is PyTorch's own, looked up at the moment of use, but for
    :meth:`load`, whose ``weights_only`` is False unless the caller says otherwise.
    """

    def __init__(self) -> None:
        super().__init__("torch", "PyTorch, with torch.load reading whole pickles.")

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)

    @staticmethod
    def load(*args: Any, **kwargs: Any) -> Any:
        """Call ``torch.load`` with ``weights_only=False`` as the default."""
        import torch

        kwargs.setdefault("weights_only", False)
        return torch.load(*args, **kwargs)


def _names(code: types.CodeType, keyword: str) -> bool:
    """Whether compiled code passes ``keyword``: keyword names are constants of it."""
    flat: list[object] = []
    for constant in code.co_consts:
        flat.extend(constant if isinstance(constant, tuple) else (constant,))
    return keyword in flat


def _checkpoint_readers() -> tuple[Callable[..., Any], ...]:
    """RecBole's functions that read back a checkpoint RecBole has written."""
    from recbole.quick_start.quick_start import load_data_and_model
    from recbole.trainer.trainer import Trainer

    return (Trainer.evaluate, Trainer.resume_checkpoint, load_data_and_model)


def _checkpoints_are_refused() -> bool:
    """Gate: PyTorch 2.6 or newer, and a reader that does not pass ``weights_only``."""
    import torch

    if _release(torch.__version__) < (2, 6):
        return False
    return not all(
        _names(inspect.unwrap(reader).__code__, "weights_only")
        for reader in _checkpoint_readers()
    )


def _read_whole_checkpoints() -> None:
    """Let RecBole read back its own checkpoints, and nothing else.

    Breaks: since PyTorch 2.6 ``torch.load`` reads bare weights unless told
    otherwise, and RecBole's checkpoints also pickle the run's ``Config`` (RecBole
    issue 2212). So ``Trainer.evaluate`` fails in the final test after training,
    ``Trainer.resume_checkpoint`` and ``load_data_and_model`` at once. Allow-listing
    the classes (``torch.serialization.add_safe_globals``) is no way out: RecBole
    writes pickle protocol 4, which the weights-only reader does not understand.

    Repair: the name ``torch`` of the module ``recbole.trainer.trainer`` and the one
    that ``load_data_and_model`` imports in its body stand for a view of PyTorch
    that differs in ``load`` alone. Trainers derived from RecBole's are covered,
    because the methods they inherit look the name up in RecBole's module.
    ``torch.load`` as every other caller sees it keeps its safe default.

    Security: a RecBole checkpoint is a pickle, and reading a pickle runs whatever
    code its author put in. That was so with every PyTorch before 2.6, and is so
    again through these three functions. **Read only checkpoints you trust.**

    Removable when: RecBole passes ``weights_only`` itself, or stores plain data.
    """
    from recbole import quick_start
    from recbole.quick_start import quick_start as quick_start_module
    from recbole.trainer import trainer

    checkpoint_torch = _CheckpointTorch()
    trainer.torch = checkpoint_torch
    repaired = _with_module(
        quick_start_module.load_data_and_model, "torch", checkpoint_torch
    )
    quick_start_module.load_data_and_model = repaired
    quick_start.load_data_and_model = repaired


def _with_module(
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


# --- NumPy's removed aliases and a Config that is read back ---------------------


def _read_config_lacks_aliases() -> bool:
    """Gate: NumPy 1.24 or newer, and a ``Config`` without ``__setstate__``."""
    import numpy as np
    from recbole.config import Config

    return _release(np.__version__) >= (1, 24) and not hasattr(Config, "__setstate__")


def _restore_aliases_with_config() -> None:
    """Let a ``Config`` read from a checkpoint prepare NumPy as a new one does.

    Breaks: NumPy 1.24 removed ``np.float``, ``np.bool`` and others that RecBole's
    metrics use. RecBole puts them back in the constructor of ``Config``
    (``compatibility_settings``), which unpickling does not call. So in a process
    that begins with ``load_data_and_model``, the reloaded model cannot be tested.

    Repair: unpickling a ``Config`` calls that method, too. What it does to NumPy is
    RecBole's own doing in every process that makes a ``Config``.

    Removable when: RecBole uses none of the removed names.
    """
    from recbole.config import Config

    def __setstate__(self: Any, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self.compatibility_settings()

    Config.__setstate__ = __setstate__


# --- dok_matrix._update ---------------------------------------------------------


def _dok_update_is_gone() -> bool:
    """Gate: SciPy's ``dok_matrix`` has no ``_update``."""
    from scipy.sparse import dok_matrix

    return not hasattr(dok_matrix, "_update")


def _dok_update(matrix: Any, data: Mapping[tuple[int, int], float]) -> None:
    """Store the entries of ``data`` in a ``dok_matrix``, over those of equal index.

    Like SciPy's own method of old, it checks neither the indices nor the values.

    Args:
        matrix: A ``scipy.sparse.dok_matrix``.
        data: Maps ``(row, column)`` to a value.
    """
    matrix._dict.update(data)


def _restore_dok_update() -> None:
    """Give ``dok_matrix`` its private method ``_update`` back.

    Breaks: SciPy 1.13 removed it. LightGCN, NGCF, NCL, GCMC, SpectralCF, KGIN and
    MCCLK fill their adjacency matrix with it and fail when constructed (RecBole
    issues 2034 and 2090).

    Repair: a method of that name, only where there is none.

    Removable when: RecBole builds these matrices another way.
    """
    from scipy.sparse import dok_matrix

    dok_matrix._update = _dok_update


# --- anomaly mode ---------------------------------------------------------------

_SINE = "recbole.model.sequential_recommender.sine"


def _sine_turns_on_anomaly_mode() -> bool:
    """Gate: the source of RecBole's module ``sine`` turns the anomaly mode on."""
    # Found beside the package, because importing it is what has the effect.
    recbole = importlib.import_module("recbole")
    path = Path(str(recbole.__file__)).parent.joinpath(*_SINE.split(".")[1:])
    source = path.with_suffix(".py")
    return source.exists() and "set_detect_anomaly(True)" in source.read_text("utf-8")


def _leave_anomaly_mode_off() -> None:
    """Import RecBole's module ``sine``, and turn the anomaly mode off again.

    Breaks: nothing, but it is slow. RecBole imports all models when it looks for one,
    and ``sine`` turns on ``torch.autograd.set_detect_anomaly``, for the whole process:
    each backward operation of any model is then searched for NaN, which took about a
    third of KGIF's step. RecBole itself refuses a loss that is NaN.

    Repair: the import is done here, once, and the mode is off afterwards. Whoever
    turns it on later has it on. What is computed stays the same.

    Removable when: importing ``sine`` leaves the mode as it was.
    """
    import torch

    importlib.import_module(_SINE)
    torch.autograd.set_detect_anomaly(False)


# --- KGAT without DGL -----------------------------------------------------------


def _installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, or None where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _dgl_is_unusable() -> bool:
    """Gate: no DGL, a DGL of 1.0 or newer, or one that does not import."""
    version = _installed_version("dgl")
    if version is None or _release(version) >= (1, 0):
        return True
    try:
        import dgl  # noqa: F401
    except (ImportError, OSError):
        # OSError: a shared library of DGL's that does not fit the rest. Whether
        # the import works is the very question, so the failure is the answer.
        return True
    return False


def kgat_initial_attention(
    heads: npt.ArrayLike,
    relations: npt.ArrayLike,
    tails: npt.ArrayLike,
    n_nodes: int,
) -> coo_matrix:
    r"""Build KGAT's attention matrix before any training.

    The adjacency matrix of each relation is divided by its row sums, and the
    results are added up:

    .. math:: A = \sum_r D_r^{-1} A_r

    So an edge :math:`(h, r, t)` adds one over the number of edges that leave
    :math:`h` by :math:`r`. Parallel edges count, each for itself. Relation 0 is
    RecBole's padding and is left out.

    Args:
        heads: Source node of each edge, shape ``[n_edges]``.
        relations: Relation of each edge, shape ``[n_edges]``.
        tails: Target node of each edge, shape ``[n_edges]``.
        n_nodes: Number of nodes.

    Returns:
        Matrix of shape ``[n_nodes, n_nodes]``, row = source, column = target, one
        entry for each pair of nodes with an edge, in row-major order.
    """
    import numpy as np
    from scipy.sparse import coo_matrix

    relation = np.asarray(relations, dtype=np.int64)
    real = relation > 0
    head = np.asarray(heads, dtype=np.int64)[real]
    tail = np.asarray(tails, dtype=np.int64)[real]
    # One number for each pair of a head and a relation.
    pair = head * (relation.max(initial=0) + 1) + relation[real]
    _, pair_of_edge, edges_of_pair = np.unique(
        pair, return_inverse=True, return_counts=True
    )
    weight = 1.0 / edges_of_pair[pair_of_edge]
    # Through CSR, which adds up entries of equal index and sorts the rows.
    matrix = coo_matrix((weight, (head, tail)), shape=(n_nodes, n_nodes)).tocsr()
    matrix.sort_indices()
    return matrix.tocoo()


class _DatasetWithoutDGL:
    """A RecBole dataset that answers a request for a DGL graph with a COO matrix."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def ckg_graph(self, form: str = "coo", value_field: str | None = None) -> Any:
        """The dataset's ``ckg_graph``, never in the form ``"dgl"``."""
        form = "coo" if form == "dgl" else form
        return self._dataset.ckg_graph(form=form, value_field=value_field)


def _build_kgat_without_dgl() -> None:
    """Let KGAT build its initial attention matrix without DGL.

    Breaks: ``KGAT.__init__`` asks the dataset for a DGL graph and ``init_graph``
    calls methods of it that DGL 1.0 changed; an older DGL has no build for Python
    3.11 (RecBole issues 1758, 1978 and 2201).

    Repair: the constructor sees the same graph as a COO matrix with relations, and
    ``init_graph`` computes the same values from that
    (:func:`kgat_initial_attention`; with DGL 0.9.1 beside it, the two matrices of
    the ml-100k graph were equal to the last bit). The rest of KGAT stays RecBole's,
    its weak points included: the softmax of ``update_attentive_A`` adds up the
    logits of parallel edges, and a checkpoint does not carry the attention.

    Removable when: RecBole's KGAT no longer imports DGL.
    """
    from recbole.model.knowledge_aware_recommender.kgat import KGAT

    original_init = KGAT.__init__

    @functools.wraps(original_init)
    def __init__(self: Any, config: Any, dataset: Any) -> None:
        original_init(self, config, _DatasetWithoutDGL(dataset))

    def init_graph(self: Any) -> Any:
        """Return the initial attention matrix as a sparse tensor on the device."""
        import numpy as np
        import torch

        attention = kgat_initial_attention(
            self.ckg.row, self.ckg.data, self.ckg.col, self.matrix_size[0]
        )
        return torch.sparse_coo_tensor(
            torch.from_numpy(np.stack([attention.row, attention.col]).astype(np.int64)),
            torch.from_numpy(attention.data.astype(np.float32)),
            self.matrix_size,
            # Cheap, once a model, and PyTorch warns of a matrix left unchecked.
            check_invariants=True,
        ).to(self.device)

    KGAT.__init__ = __init__
    KGAT.init_graph = init_graph


# --- KGIN and MCCLK without torch_scatter ---------------------------------------


def _torch_scatter_is_missing() -> bool:
    """Gate: ``torch_scatter`` is not installed, or does not import."""
    try:
        importlib.import_module("torch_scatter")
    except (ImportError, OSError, RuntimeError):
        # The last two: it was built for another PyTorch or CUDA. Whether the import
        # works is the very question, so the failure is the answer.
        return True
    return False


def _zeros_for_groups(
    src: Tensor, index: Tensor, dim: int, dim_size: int | None
) -> Tensor:
    """Zeros, of the shape of ``src`` but for one place a group along ``dim``."""
    if dim_size is None:
        dim_size = int(index.max()) + 1 if index.numel() else 0
    shape = list(src.shape)
    shape[dim] = dim_size
    return src.new_zeros(shape)


def _along(numbers: Tensor, src: Tensor, dim: int) -> Tensor:
    """One number for each place along ``dim``, to be broadcast against ``src``."""
    shape = [1] * src.dim()
    shape[dim] = -1
    return numbers.view(shape)


def scatter_mean(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """Average the elements of each group along a dimension.

    What the function of that name in ``torch_scatter`` documents, for floating-point
    numbers and an index of one dimension.

    Args:
        src: What to average, of any shape.
        index: The group of each place along ``dim``.
        dim: The dimension to group along.
        dim_size: Number of groups; the largest of ``index`` and one where None.

    Returns:
        The shape of ``src`` with ``dim_size`` places along ``dim``. A group without
        elements has zeros.
    """
    import torch

    zeros = _zeros_for_groups(src, index, dim, dim_size)
    # With the gradient, index_add takes a fifth of the time of scatter_reduce.
    total = zeros.index_add(dim, index, src)
    count = torch.bincount(index, minlength=zeros.shape[dim]).clamp(min=1)
    return total / _along(count, src, dim)


def scatter_softmax(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """Take the softmax over the elements of each group along a dimension.

    What the function of that name in ``torch_scatter`` documents, for an index of one
    dimension.

    Args:
        src: The logits, floating-point numbers of any shape.
        index: The group of each place along ``dim``.
        dim: The dimension to group along.
        dim_size: Number of groups; the largest of ``index`` and one where None.

    Returns:
        The shape of ``src``. The elements of a group add up to one.
    """
    zeros = _zeros_for_groups(src, index, dim, dim_size)
    # Any constant of a group's leaves its softmax and the gradient as they are; with
    # the largest logit for it no exponential overflows, and not all underflow.
    largest = zeros.scatter_reduce(
        dim,
        _along(index, src, dim).expand_as(src),
        src.detach(),
        reduce="amax",
        include_self=False,
    )
    weight = (src - largest.index_select(dim, index)).exp()
    total = zeros.index_add(dim, index, weight)
    return weight / total.index_select(dim, index)


def _aggregate_without_torch_scatter() -> None:
    """Let KGIN and MCCLK aggregate over the knowledge graph with PyTorch alone.

    Breaks: the method ``Aggregator.forward`` of both imports ``torch_scatter``, a
    compiled extension that has to be built for the very PyTorch beside it and that
    RecBole does not ask for. So the first batch fails.

    Repair: in these two methods alone, ``torch_scatter`` stands for a module with
    :func:`scatter_mean` and :func:`scatter_softmax`, the two functions that they
    use. No other code can import that module. The rest of both models stays
    RecBole's, its weak points included: both drop edges at random while evaluating,
    too, and test their last epoch where the best one is asked for.

    Removable when: RecBole's KGIN and MCCLK no longer import ``torch_scatter``.
    """
    from recbole.model.knowledge_aware_recommender import kgin, mcclk

    stand_in = types.ModuleType("torch_scatter", "Two functions of torch_scatter's.")
    vars(stand_in).update(scatter_mean=scatter_mean, scatter_softmax=scatter_softmax)
    for module in (kgin, mcclk):
        aggregator = module.Aggregator
        aggregator.forward = _with_module(aggregator.forward, "torch_scatter", stand_in)


# --- metrics that need figures of the training data ------------------------------


def _training_figures_are_refused() -> bool:
    """Gate: a collector that holds a number cannot tell what it has collected."""
    from recbole.evaluator.collector import Collector, DataStruct

    collector = object.__new__(Collector)
    collector.data_struct = DataStruct()
    collector.data_struct.set("data.num_items", 1)
    try:
        collector.get_data_struct()
    except AttributeError:
        return True
    return False


def _collect_training_figures() -> None:
    """Let RecBole compute the metrics that look at the training data.

    Breaks: ItemCoverage, AveragePopularity, ShannonEntropy, GiniIndex and
    TailPercentage need the number of items or how often each occurs. RecBole's
    collector asks the training loader for them by a name that a loader of triples
    does not have, and then moves all that it holds to the CPU, as if numbers were
    tensors.

    Repair: the collector is handed the loader's data set, and what is no tensor stays
    where it is. The figures and the metrics are RecBole's own.

    Removable when: a training with ``--metrics="['ItemCoverage']"`` runs without it.
    """
    from recbole.evaluator.collector import Collector

    collect, get = Collector.data_collect, Collector.get_data_struct

    @functools.wraps(collect)
    def data_collect(self: Any, train_data: Any) -> None:
        collect(self, types.SimpleNamespace(dataset=train_data._dataset))

    @functools.wraps(get)
    def get_data_struct(self: Any) -> Any:
        import torch

        held = self.data_struct._data_dict
        figures = {
            name: held.pop(name)
            for name in list(held)
            if not isinstance(held[name], torch.Tensor)
        }
        collected = get(self)
        for name, figure in figures.items():
            self.data_struct.set(name, figure)
            collected.set(name, figure)
        return collected

    Collector.data_collect = data_collect
    Collector.get_data_struct = get_data_struct


# --- putting them in force ------------------------------------------------------

SHIMS: tuple[Shim, ...] = (
    Shim(
        name="recbole-checkpoint-load",
        reason=(
            "torch >= 2.6 refuses RecBole's own checkpoints, so the final test, "
            "resuming and load_data_and_model fail (RecBole issue 2212)"
        ),
        removable_when="RecBole passes weights_only to torch.load itself",
        is_needed=_checkpoints_are_refused,
        apply=_read_whole_checkpoints,
    ),
    Shim(
        name="numpy-aliases-on-load",
        reason=(
            "numpy >= 1.24 lacks np.float and others; RecBole puts them back when it "
            "makes a Config, not when it reads one, so a model reloaded in a new "
            "process cannot be tested"
        ),
        removable_when="RecBole uses none of the removed names",
        is_needed=_read_config_lacks_aliases,
        apply=_restore_aliases_with_config,
    ),
    Shim(
        name="scipy-dok-update",
        reason=(
            "scipy >= 1.13 has no dok_matrix._update, so LightGCN, NGCF, KGIN and "
            "others cannot be constructed (RecBole issues 2034, 2090)"
        ),
        removable_when="RecBole no longer calls dok_matrix._update",
        is_needed=_dok_update_is_gone,
        apply=_restore_dok_update,
    ),
    Shim(
        name="no-anomaly-mode",
        reason=(
            "RecBole's module sine turns on PyTorch's anomaly mode for the whole "
            "process when it is imported, which searches every gradient for NaN"
        ),
        removable_when="importing RecBole's sine leaves the anomaly mode as it was",
        is_needed=_sine_turns_on_anomaly_mode,
        apply=_leave_anomaly_mode_off,
    ),
    Shim(
        name="kgat-without-dgl",
        reason=(
            "KGAT cannot be constructed without a DGL older than 1.0, which has no "
            "build for Python 3.11 (RecBole issues 1758, 1978, 2201)"
        ),
        removable_when="RecBole's KGAT no longer imports DGL",
        is_needed=_dgl_is_unusable,
        apply=_build_kgat_without_dgl,
    ),
    Shim(
        name="aggregate-without-torch-scatter",
        reason=(
            "KGIN and MCCLK import torch_scatter, which RecBole does not ask for and "
            "which has to be built for the very torch beside it"
        ),
        removable_when="RecBole's KGIN and MCCLK no longer import torch_scatter",
        is_needed=_torch_scatter_is_missing,
        apply=_aggregate_without_torch_scatter,
    ),
    Shim(
        name="metrics-of-diversity",
        reason=(
            "RecBole's collector moves numbers to the CPU as if they were tensors, so "
            "that ItemCoverage, AveragePopularity, ShannonEntropy, GiniIndex and "
            "TailPercentage fail"
        ),
        removable_when="a training with ItemCoverage among its metrics runs without it",
        is_needed=_training_figures_are_refused,
        apply=_collect_training_figures,
    ),
)

_in_force: list[str] = []


def apply_shims() -> tuple[str, ...]:
    """Put every needed shim in force.

    Idempotent: a shim that is in force already is neither asked nor applied again.
    A process started by ``spawn`` begins without them and has to call this itself.

    Returns:
        The names of the shims in force, as :func:`active_shims` gives them.
    """
    # First of all, because importing RecBole may itself lead here (the package
    # registers its model then). That inner call does the work, and this one finds
    # it done instead of half done.
    importlib.import_module("recbole")
    for shim in SHIMS:
        if shim.name not in _in_force and shim.is_needed():
            shim.apply()
            _in_force.append(shim.name)
    return active_shims()


def active_shims() -> tuple[str, ...]:
    """The names of the shims in force in this process, in the order applied."""
    return tuple(_in_force)


# --- warnings that say nothing to the user --------------------------------------


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
