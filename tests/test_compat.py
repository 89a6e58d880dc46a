"""The shims, each against a reference of its own, and RecBole's stock models."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
import types
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kgif import compat

if TYPE_CHECKING:
    from torch import Tensor

STOCK_MODELS = ("BPR", "CKE", "KGAT", "LightGCN")

# Beside these, the defaults of RecBole: its ml-100k comes with it.
OPTIONS: dict[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id"],
        "kg": ["head_id", "relation_id", "tail_id"],
        "link": ["item_id", "entity_id"],
    },
    "embedding_size": 8,
    "kg_embedding_size": 8,
    "epochs": 1,
    "train_batch_size": 20_000,
    # User x item cells: all 943 users of the 1,682 items in one batch.
    "eval_batch_size": 2_000_000,
    "show_progress": False,
    "state": "ERROR",
    "gpu_id": "",
}


@pytest.fixture(scope="module", autouse=True)
def shims() -> tuple[str, ...]:
    return compat.apply_shims()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no shim had been applied yet; what has been patched stays patched."""
    monkeypatch.setattr(compat, "_in_force", [])


# --- the list of shims ----------------------------------------------------------


def a_shim(
    name: str, applied: list[str], is_needed: bool = True, fails: bool = False
) -> compat.Shim:
    def apply() -> None:
        if fails:
            raise RuntimeError("upstream looks otherwise than expected")
        applied.append(name)

    return compat.Shim(name, "reason", "condition", lambda: is_needed, apply)


def test_only_the_needed_shims_are_applied_and_once(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[str] = []
    monkeypatch.setattr(
        compat,
        "SHIMS",
        (
            a_shim("first", applied),
            a_shim("healthy", applied, is_needed=False),
            a_shim("last", applied),
        ),
    )
    assert compat.active_shims() == ()
    assert compat.apply_shims() == ("first", "last")
    assert compat.apply_shims() == ("first", "last")
    assert compat.active_shims() == ("first", "last")
    assert applied == ["first", "last"]


def test_a_shim_that_fails_is_heard_and_not_counted(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compat, "SHIMS", (a_shim("broken", [], fails=True),))
    with pytest.raises(RuntimeError, match="otherwise than expected"):
        compat.apply_shims()
    assert compat.active_shims() == ()


def test_an_import_of_recbole_that_applies_the_shims_itself_applies_them_once(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: list[str] = []
    monkeypatch.setattr(compat, "SHIMS", (a_shim("only", applied),))
    import_module = importlib.import_module
    reached: list[str] = []

    def importing_applies(name: str, package: Optional[str] = None) -> Any:
        if name == "recbole" and not reached:
            reached.append(name)
            compat.apply_shims()
        return import_module(name, package)

    monkeypatch.setattr(importlib, "import_module", importing_applies)
    assert compat.apply_shims() == ("only",)
    assert reached == ["recbole"]
    assert applied == ["only"]


def test_a_second_call_leaves_what_the_first_one_patched(
    shims: tuple[str, ...],
) -> None:
    from recbole import quick_start
    from recbole.config import Config
    from recbole.model.knowledge_aware_recommender import kgin, mcclk
    from recbole.model.knowledge_aware_recommender.kgat import KGAT
    from recbole.trainer import trainer
    from scipy.sparse import dok_matrix

    def patched() -> list[Any]:
        return [
            quick_start.load_data_and_model,
            quick_start.quick_start.load_data_and_model,
            trainer.torch,
            vars(Config).get("__setstate__"),
            dok_matrix._update,
            KGAT.__init__,
            KGAT.init_graph,
            kgin.Aggregator.forward,
            mcclk.Aggregator.forward,
        ]

    before = patched()
    assert compat.apply_shims() == shims
    assert all(now is then for now, then in zip(patched(), before))


def python(*code: str) -> str:
    """What a fresh Python prints, errors and warnings included, for lines of code."""
    completed = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert completed.returncode == 0, completed.stdout
    return completed.stdout.strip()


def test_the_shims_in_force_are_those_this_environment_needs(
    shims: tuple[str, ...],
) -> None:
    # The file by itself: importing the package applies them when RecBole is imported,
    # and a shim that is in force is no longer needed.
    printed = python(
        "import importlib.util, sys",
        f"spec = importlib.util.spec_from_file_location('alone', {compat.__file__!r})",
        "sys.modules['alone'] = alone = importlib.util.module_from_spec(spec)",
        "spec.loader.exec_module(alone)",
        "alone.silence_known_warnings()",
        "print(*(shim.name for shim in alone.SHIMS if shim.is_needed()))",
    )
    assert printed == " ".join(shims)


def test_importing_the_module_imports_nothing_heavy() -> None:
    printed = python(
        "import sys",
        "import recbole_kgif.compat",
        "heavy = {'torch', 'recbole', 'scipy', 'numpy', 'pandas', 'ray'}",
        "print(sorted(heavy & set(sys.modules)))",
    )
    assert printed == "[]"


@pytest.mark.parametrize(
    ("version", "release"),
    [("2.13.0+cpu", (2, 13, 0)), ("2.6.0a0+git1", (2, 6, 0)), ("1.1", (1, 1))],
)
def test_release_of_a_version(version: str, release: tuple[int, ...]) -> None:
    assert compat._release(version) == release


def test_a_text_that_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        compat._release("unknown")


# --- stock models ---------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What one run of a stock model left behind."""

    result: dict[str, Any]
    checkpoint: Path
    warned: list[warnings.WarningMessage]


@pytest.fixture(scope="module")
def run(workplace: Path) -> Callable[[str], Run]:
    """Run a stock model by RecBole's own entry point, once a module."""
    from recbole.quick_start import run_recbole

    done: dict[str, Run] = {}

    def run_once(model: str) -> Run:
        if model not in done:
            folder = workplace / model
            with warnings.catch_warnings(record=True) as warned:
                # A user's Python shows these and hides the rest.
                warnings.simplefilter("ignore")
                for shown in (UserWarning, FutureWarning, RuntimeWarning):
                    warnings.simplefilter("default", shown)
                compat.silence_known_warnings()
                result = run_recbole(
                    model=model,
                    dataset="ml-100k",
                    config_dict={**OPTIONS, "checkpoint_dir": str(folder)},
                )
            (checkpoint,) = folder.iterdir()
            done[model] = Run(result, checkpoint, list(warned))
        return done[model]

    return run_once


@pytest.mark.parametrize("model", STOCK_MODELS)
def test_a_stock_model_runs_to_its_final_test(
    model: str, run: Callable[[str], Run]
) -> None:
    metrics = run(model).result["test_result"]
    assert set(metrics) == {"recall@10", "mrr@10", "ndcg@10", "hit@10", "precision@10"}
    assert all(0 < value < 1 for value in metrics.values())


@pytest.mark.parametrize("model", STOCK_MODELS)
def test_a_stock_model_runs_without_a_warning(
    model: str, run: Callable[[str], Run]
) -> None:
    assert [str(warning) for warning in run(model).warned] == []


@pytest.mark.parametrize("model", STOCK_MODELS)
def test_a_reloaded_model_has_the_test_result_of_its_run(
    model: str, run: Callable[[str], Run]
) -> None:
    from recbole.quick_start import load_data_and_model
    from recbole.utils import get_trainer

    done = run(model)
    config, network, _, _, _, test_data = load_data_and_model(str(done.checkpoint))
    assert config["model"] == model
    assert config["embedding_size"] == OPTIONS["embedding_size"]
    trainer = get_trainer(config["MODEL_TYPE"], model)(config, network)
    assert (
        trainer.evaluate(test_data, load_best_model=False) == done.result["test_result"]
    )


# --- checkpoints ----------------------------------------------------------------


def test_recboles_checkpoint_readers_read_what_recbole_wrote(
    run: Callable[[str], Run],
) -> None:
    import torch
    from recbole.config import Config
    from recbole.quick_start import load_data_and_model
    from recbole.trainer import Trainer

    class DerivedTrainer(Trainer):
        pass

    done = run("BPR")
    written = torch.load(done.checkpoint, weights_only=False)
    assert isinstance(written["config"], Config)

    config, model, _, _, _, test_data = load_data_and_model(done.checkpoint)
    assert config.final_config_dict == written["config"].final_config_dict
    assert set(model.state_dict()) == set(written["state_dict"])
    for name, value in model.state_dict().items():
        assert torch.equal(value, written["state_dict"][name])

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    trainer = DerivedTrainer(config, model)
    result = trainer.evaluate(test_data, model_file=str(done.checkpoint))
    assert result == done.result["test_result"]

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    trainer.resume_checkpoint(done.checkpoint)
    assert trainer.start_epoch == written["epoch"] + 1
    for name, value in model.state_dict().items():
        assert torch.equal(value, written["state_dict"][name])


class MakesFolder:
    """Unpickled, it makes a folder: a harmless stand-in for hostile code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def needs_safe_default() -> None:
    import torch

    if compat._release(torch.__version__) < (2, 6):
        pytest.skip("this PyTorch reads whole pickles for every caller")


def test_torch_load_still_refuses_a_hostile_file(tmp_path: Path) -> None:
    import pickle

    import torch

    needs_safe_default()
    assert "recbole-checkpoint-load" in compat.active_shims()
    torch.save({"state_dict": MakesFolder(tmp_path / "made")}, tmp_path / "hostile.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "hostile.pth")
    assert not (tmp_path / "made").exists()

    view = compat._CheckpointTorch()
    with pytest.raises(pickle.UnpicklingError):
        view.load(tmp_path / "hostile.pth", weights_only=True)
    assert not (tmp_path / "made").exists()

    # So the file would do it; only RecBole's own reading lets it.
    view.load(tmp_path / "hostile.pth")
    assert (tmp_path / "made").is_dir()


# Before it refuses, it says that it does not understand protocol 4.
@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4:UserWarning:torch")
def test_torch_load_refuses_recboles_checkpoint_so_the_shim_is_needed(
    run: Callable[[str], Run],
) -> None:
    import pickle

    import torch

    needs_safe_default()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(run("BPR").checkpoint)


def test_all_but_load_is_pytorch_itself() -> None:
    import torch

    view = compat._CheckpointTorch()
    assert view.save is torch.save
    assert view.Tensor is torch.Tensor
    assert view.distributed is torch.distributed
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = view.no_such_name


def reads_as_recbole(path: str) -> Any:
    import torch

    return torch.load(path, map_location="cpu")


def reads_whole_files(path: str) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=False)


@pytest.mark.parametrize(
    ("version", "readers", "needed"),
    [
        ("2.5.1+cu118", (reads_as_recbole,), False),
        ("2.6.0", (reads_as_recbole,), True),
        ("2.13.0+cpu", (reads_as_recbole,), True),
        ("2.13.0+cpu", (reads_whole_files, reads_as_recbole), True),
        ("2.13.0+cpu", (reads_whole_files, reads_whole_files), False),
    ],
)
def test_gate_of_the_checkpoint_shim(
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    readers: tuple[Callable[..., Any], ...],
    needed: bool,
) -> None:
    import torch

    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(compat, "_checkpoint_readers", lambda: readers)
    assert compat._checkpoints_are_refused() is needed


def test_the_checkpoint_gate_looks_at_recboles_own_functions() -> None:
    import inspect

    for reader in compat._checkpoint_readers():
        code = inspect.unwrap(reader).__code__
        assert {"torch", "load"} <= set(code.co_names)


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

    function = compat._with_module(module.function, "torch", stand_in)
    assert function("x/y") == ("ababy!", "first")
    assert function("x/y", 1, suffix="?") == ("aby?", "first")
    module.helper = lambda: "second"  # type: ignore[attr-defined]
    assert function("x/y")[1] == "second"
    assert function.__doc__ == "What it does."

    import torch

    assert torch is sys.modules["torch"] is not stand_in


# --- NumPy's removed aliases ----------------------------------------------------


def test_a_config_read_back_brings_the_aliases_along(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    from recbole.config import Config

    config = Config(model="BPR", dataset="ml-100k", config_dict=OPTIONS)
    pickled = pickle.dumps(config, protocol=4)
    # As in a process where no Config has been made.
    monkeypatch.delattr(np, "float")
    again = pickle.loads(pickled)
    assert vars(again).keys() == vars(config).keys()
    assert again.final_config_dict == config.final_config_dict
    if "numpy-aliases-on-load" in compat.active_shims():
        assert np.zeros(1, dtype=np.float).dtype == np.float64  # type: ignore[attr-defined]


def test_a_new_process_tests_a_reloaded_model(
    run: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("BPR")
    monkeypatch.chdir(done.checkpoint.parent)
    printed = python(
        "import recbole_kgif.compat as compat",
        "compat.silence_known_warnings()",
        "from recbole.quick_start import load_data_and_model",
        "from recbole.trainer import Trainer",
        f"config, model, *_, test = load_data_and_model({str(done.checkpoint)!r})",
        "print(dict(Trainer(config, model).evaluate(test, load_best_model=False)))",
    )
    assert printed == str(dict(done.result["test_result"]))


@pytest.mark.parametrize(
    ("version", "has_setstate", "needed"),
    [("1.23.5", False, False), ("1.24.0", False, True), ("1.26.4", True, False)],
)
def test_gate_of_the_alias_shim(
    monkeypatch: pytest.MonkeyPatch, version: str, has_setstate: bool, needed: bool
) -> None:
    from recbole.config import Config

    monkeypatch.setattr(Config, "__setstate__", None, raising=False)
    if not has_setstate:
        monkeypatch.delattr(Config, "__setstate__")
    monkeypatch.setattr(np, "__version__", version)
    assert compat._read_config_lacks_aliases() is needed


# --- dok_matrix._update ---------------------------------------------------------


def test_update_of_a_dok_matrix_stores_like_a_loop() -> None:
    from scipy.sparse import dok_matrix

    data = {(0, 1): 2.0, (3, 0): -1.0, (2, 2): 5}
    matrix = dok_matrix((4, 3), dtype=np.float32)
    matrix[0, 1] = 9
    matrix[1, 1] = 7
    expected = matrix.toarray()
    for (row, column), value in data.items():
        expected[row, column] = value

    matrix._update(data)

    assert matrix.dtype == np.float32
    assert matrix.nnz == 4
    np.testing.assert_array_equal(matrix.toarray(), expected)
    # What RecBole then does with it.
    np.testing.assert_array_equal((matrix > 0).sum(axis=1).ravel(), [[1, 1, 1, 0]])


def test_the_anomaly_mode_is_off_after_a_model_was_found_and_can_be_turned_on() -> None:
    printed = python(
        "import torch, recbole_kgif",
        "from recbole.utils import get_model",
        "get_model('SINE')",
        "print(torch.is_anomaly_enabled())",
        "torch.autograd.set_detect_anomaly(True)",
        "get_model('KGIF')",
        "print(torch.is_anomaly_enabled())",
    )
    assert printed.splitlines()[-2:] == ["False", "True"]


def test_gate_of_the_anomaly_shim(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # True of RecBole 1.2.1; a package without that file has nothing to repair.
    assert compat._sine_turns_on_anomaly_mode()
    monkeypatch.setattr("recbole.__file__", str(tmp_path / "__init__.py"))
    assert not compat._sine_turns_on_anomaly_mode()


def test_gate_of_the_dok_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.sparse import dok_matrix

    assert not compat._dok_update_is_gone()
    # SciPy 1.11 and 1.12 have their own on a base class.
    (owner,) = (base for base in dok_matrix.__mro__ if "_update" in vars(base))
    monkeypatch.delattr(owner, "_update")
    assert compat._dok_update_is_gone()
    compat._restore_dok_update()
    assert dok_matrix._update is compat._dok_update
    # Taken away again first, so that what has been there is put back as it was.
    monkeypatch.delattr(dok_matrix, "_update")


# --- KGAT without DGL -----------------------------------------------------------

# Node 0 has two parallel edges to node 1 by relation 1, one to node 2 by the same, and
# one to node 1 by relation 2; the last edge is padding; node 4 has no edge.
HEADS = [0, 0, 0, 0, 1, 2, 2, 3]
RELATIONS = [1, 1, 1, 2, 3, 1, 2, 0]
TAILS = [1, 1, 2, 1, 0, 3, 3, 0]
N_NODES = 5
BY_HAND = np.array(
    [
        [0, 2 / 3 + 1, 1 / 3, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 2, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
)


def attention_by_loops(
    heads: list[int], relations: list[int], tails: list[int], n_nodes: int
) -> np.ndarray[Any, Any]:
    """Relation by relation, as RecBole goes about it, with dense matrices."""
    total = np.zeros((n_nodes, n_nodes))
    for relation in range(1, max(relations, default=0) + 1):
        adjacency = np.zeros((n_nodes, n_nodes))
        for head, kind, tail in zip(heads, relations, tails):
            if kind == relation:
                adjacency[head, tail] += 1
        for node in range(n_nodes):
            if adjacency[node].sum() > 0:
                total[node] += adjacency[node] / adjacency[node].sum()
    return total


def test_initial_attention_by_hand() -> None:
    matrix = compat.kgat_initial_attention(HEADS, RELATIONS, TAILS, N_NODES)
    np.testing.assert_allclose(matrix.toarray(), BY_HAND)
    np.testing.assert_allclose(
        attention_by_loops(HEADS, RELATIONS, TAILS, N_NODES), BY_HAND
    )
    # One entry a pair of nodes, row by row.
    assert list(zip(matrix.row, matrix.col)) == [(0, 1), (0, 2), (1, 0), (2, 3)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 5)), max_size=30
    )
)
def test_initial_attention_equals_dense_loops(
    edges: list[tuple[int, int, int]],
) -> None:
    heads, relations, tails = ([edge[part] for edge in edges] for part in range(3))
    matrix = compat.kgat_initial_attention(heads, relations, tails, 6)
    assert matrix.shape == (6, 6)
    np.testing.assert_allclose(
        matrix.toarray(), attention_by_loops(heads, relations, tails, 6)
    )


class TinyDataset:
    """As much of a RecBole dataset as KGAT asks for, and no DGL."""

    n_users = 2
    uses = "its own attributes"

    def num(self, field: str) -> int:
        sizes = {"user_id": self.n_users, "item_id": 2, "relation_id": 4}
        return sizes.get(field, N_NODES - self.n_users)

    def ckg_graph(self, form: str, value_field: str) -> Any:
        from scipy.sparse import coo_matrix

        assert (form, value_field) == ("coo", "relation_id")
        return coo_matrix((RELATIONS, (HEADS, TAILS)), shape=(N_NODES, N_NODES))


def test_kgat_starts_from_that_attention() -> None:
    if "kgat-without-dgl" not in compat.active_shims():
        pytest.skip("a DGL that works is installed")
    import torch
    from recbole.model.knowledge_aware_recommender.kgat import KGAT

    config = {
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "NEG_PREFIX": "neg_",
        "ENTITY_ID_FIELD": "entity_id",
        "RELATION_ID_FIELD": "relation_id",
        "HEAD_ENTITY_ID_FIELD": "head_id",
        "TAIL_ENTITY_ID_FIELD": "tail_id",
        "device": torch.device("cpu"),
        "embedding_size": 4,
        "kg_embedding_size": 4,
        "layers": [4],
        "aggregator_type": "bi",
        "mess_dropout": 0.1,
        "reg_weight": 1e-5,
    }
    model = KGAT(config, TinyDataset())
    assert model.A_in.dtype == torch.float32
    torch.testing.assert_close(
        model.A_in.to_dense(), torch.tensor(BY_HAND, dtype=torch.float32)
    )
    users, entities = model.forward()
    assert users.shape == (2, 8)
    assert entities.shape == (3, 8)

    # Trained further by RecBole's own code, on the same edges.
    model.update_attentive_A()
    assert torch.equal(model.A_in.to_dense() > 0, torch.tensor(BY_HAND > 0))


def test_only_the_form_dgl_is_answered_otherwise() -> None:
    dataset = compat._DatasetWithoutDGL(TinyDataset())
    assert dataset.ckg_graph(form="dgl", value_field="relation_id").nnz == len(HEADS)
    assert dataset.uses == "its own attributes"
    with pytest.raises(AssertionError):
        dataset.ckg_graph(form="csr", value_field="relation_id")


@pytest.mark.parametrize(
    ("version", "module", "needed"),
    [
        (None, "", True),
        ("1.1.3+cu118", "", True),
        ("2.4.0", "", True),
        ("0.9.1", "", False),
        ("0.9.1", "raise ImportError('no module named dgl_core')", True),
        ("0.9.1", "raise OSError('libcudart.so: cannot open shared object')", True),
    ],
)
def test_gate_of_the_kgat_shim(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: Optional[str],
    module: str,
    needed: bool,
) -> None:
    (tmp_path / "dgl.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    # Set before it is deleted, so that the module is put back as it was.
    monkeypatch.setitem(sys.modules, "dgl", types.ModuleType("dgl"))
    monkeypatch.delitem(sys.modules, "dgl")
    monkeypatch.setattr(compat, "_installed_version", {"dgl": version}.get)
    assert compat._dgl_is_unusable() is needed


def test_installed_version() -> None:
    assert compat._installed_version("numpy") == np.__version__
    assert compat._installed_version("recbole-kgif-no-such-distribution") is None


# --- KGIN and MCCLK without torch_scatter ---------------------------------------

# Two of the five groups are empty, the last among them; one has a single element.
GROUPS = [3, 0, 0, 3, 1, 3]
N_GROUPS = 5
NUMBERS = [
    [-2.0, 0.5],
    [1.0, -1.0],
    [4.0, -3.0],
    [-2.5, 0.0],
    [-7.0, 2.0],
    [3.0, 1.5],
]


def members(groups: list[int], group: int) -> list[int]:
    return [place for place, its_group in enumerate(groups) if its_group == group]


def means_by_loops(
    numbers: list[list[float]], groups: list[int], n_groups: int
) -> list[list[float]]:
    """One row a group; a group without members has zeros."""
    width = len(numbers[0])
    means = [[0.0] * width for _ in range(n_groups)]
    for group in set(groups):
        places = members(groups, group)
        for column in range(width):
            total = sum(numbers[place][column] for place in places)
            means[group][column] = total / len(places)
    return means


def softmax_by_loops(
    numbers: list[list[float]], groups: list[int]
) -> list[list[float]]:
    """One row a place, each column for itself."""
    weights = [[0.0] * len(row) for row in numbers]
    for place, row in enumerate(numbers):
        for column, number in enumerate(row):
            weights[place][column] = 1 / sum(
                math.exp(numbers[other][column] - number)
                for other in members(groups, groups[place])
            )
    return weights


def doubles(numbers: Any) -> Tensor:
    import torch

    return torch.tensor(numbers, dtype=torch.float64)


def test_scatter_mean_by_hand() -> None:
    import torch

    mean = compat.scatter_mean(
        doubles(NUMBERS), torch.tensor(GROUPS), dim=0, dim_size=N_GROUPS
    )
    expected = [[2.5, -2.0], [-7.0, 2.0], [0.0, 0.0], [-0.5, 2 / 3], [0.0, 0.0]]
    torch.testing.assert_close(mean, doubles(expected))


def test_scatter_softmax_by_hand() -> None:
    import torch

    softmax = compat.scatter_softmax(
        torch.log(doubles([1.0, 2.0, 3.0, 5.0])), torch.tensor([1, 1, 1, 3])
    )
    torch.testing.assert_close(softmax, doubles([1 / 6, 2 / 6, 3 / 6, 1.0]))


# As far apart as the loop's exponentials allow.
number = st.floats(-300, 300)
grouped_numbers = st.lists(
    st.tuples(st.integers(0, 5), st.lists(number, min_size=2, max_size=2)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(grouped_numbers)
def test_scatter_functions_equal_loops(rows: list[tuple[int, list[float]]]) -> None:
    import torch

    groups, numbers = [row[0] for row in rows], [row[1] for row in rows]
    index = torch.tensor(groups)
    torch.testing.assert_close(
        compat.scatter_mean(doubles(numbers), index, dim=0, dim_size=8),
        doubles(means_by_loops(numbers, groups, 8)),
    )
    torch.testing.assert_close(
        compat.scatter_softmax(doubles(numbers), index, dim=0),
        doubles(softmax_by_loops(numbers, groups)),
    )


def test_scatter_softmax_neither_overflows_nor_vanishes() -> None:
    import torch

    logits = torch.tensor([1e30, 1e30, -1e30, -1e30, -1e30, 0.0])
    softmax = compat.scatter_softmax(logits, torch.tensor([0, 0, 2, 2, 2, 0]))
    expected = torch.tensor([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 0])
    torch.testing.assert_close(softmax, expected)


def test_scatter_functions_group_along_any_dimension() -> None:
    import torch

    numbers, index = doubles(NUMBERS), torch.tensor(GROUPS)
    mean = compat.scatter_mean(numbers, index, dim=0)
    softmax = compat.scatter_softmax(numbers, index, dim=0)
    assert mean.shape == (max(GROUPS) + 1, 2)
    for dim in (1, -1):
        assert torch.equal(compat.scatter_mean(numbers.T, index, dim), mean.T)
        assert torch.equal(compat.scatter_softmax(numbers.T, index, dim), softmax.T)


def test_scatter_functions_keep_type_and_emptiness() -> None:
    import torch

    nothing, nowhere = torch.empty(0, 3), torch.empty(0, dtype=torch.int64)
    mean = compat.scatter_mean(nothing, nowhere, dim=0, dim_size=2)
    assert torch.equal(mean, torch.zeros(2, 3))
    assert compat.scatter_mean(nothing, nowhere, dim=0).shape == (0, 3)
    assert compat.scatter_softmax(nothing, nowhere, dim=0).shape == (0, 3)
    one = torch.ones(1, dtype=torch.float16)
    assert compat.scatter_mean(one, torch.tensor([0])).dtype == torch.float16
    assert compat.scatter_softmax(one, torch.tensor([0])).dtype == torch.float16


def test_gradients_of_the_scatter_functions() -> None:
    import torch

    index = torch.tensor(GROUPS)
    numbers = doubles(NUMBERS).requires_grad_()
    for checked in (
        lambda src: compat.scatter_mean(src, index, dim=0, dim_size=N_GROUPS),
        lambda src: compat.scatter_softmax(src, index, dim=0, dim_size=N_GROUPS),
        # MCCLK gives one logit an edge, expanded over the columns.
        lambda src: compat.scatter_softmax(src[:, :1].expand(-1, 3), index, dim=0),
    ):
        assert torch.autograd.gradcheck(checked, numbers)


# A graph of five entities with two parallel edges and an entity without any.
EDGES = [(0, 0, 1), (0, 1, 1), (0, 1, 2), (2, 0, 4), (3, 1, 3)]


def aggregated_by_loops(
    entities: Tensor, relations: Tensor, with_attention: bool
) -> Tensor:
    """Mean over the edges of an entity, and MCCLK's weights where asked for."""
    import torch

    rows = []
    for entity in range(len(entities)):
        edges = [(r, t) for h, r, t in EDGES if h == entity]
        messages = [entities[t] * relations[r] for r, t in edges]
        if with_attention:
            logits = [
                (
                    (entities[entity] * relations[r]).norm()
                    * (entities[t] * relations[r]).norm()
                )
                ** 2
                for r, t in edges
            ]
            total = sum(logit.exp() for logit in logits)
            messages = [
                message * logit.exp() / total
                for message, logit in zip(messages, logits)
            ]
        nothing = torch.zeros_like(entities[0])
        rows.append(sum(messages, nothing) / max(1, len(messages)))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("module", "arguments", "with_attention"),
    [("kgin", (), False), ("mcclk", (True, False), False), ("mcclk", (True,), True)],
)
def test_the_aggregators_of_recbole_equal_loops(
    module: str, arguments: tuple[bool, ...], with_attention: bool
) -> None:
    import torch

    aggregator = importlib.import_module(
        f"recbole.model.knowledge_aware_recommender.{module}"
    ).Aggregator(*arguments)
    generator = torch.Generator().manual_seed(3)
    entities, relations, users = (
        torch.randn(n, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for n in (5, 2, 3)
    )
    heads, kinds, tails = torch.tensor(EDGES).T
    graph = (torch.stack([heads, tails]), kinds, torch.eye(3, 5).double().to_sparse())
    if module == "kgin":
        factors, weights = torch.ones(2, 4).double(), torch.ones(2, 2).double()
        found, _ = aggregator(entities, users, factors, relations, *graph, weights)
    else:
        found = aggregator(entities, users, relations, *graph)
    expected = aggregated_by_loops(entities, relations, with_attention)
    torch.testing.assert_close(found, expected)
    weight = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    for mine, loops in zip(
        torch.autograd.grad((found * weight).sum(), [entities, relations]),
        torch.autograd.grad((expected * weight).sum(), [entities, relations]),
    ):
        torch.testing.assert_close(mine, loops)


def test_torch_scatter_stays_missing_for_everyone_else() -> None:
    if "aggregate-without-torch-scatter" not in compat.active_shims():
        pytest.skip("torch_scatter is installed")
    with pytest.raises(ImportError):
        importlib.import_module("torch_scatter")


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("", False),
        ("raise ImportError('no module named _scatter_cpu')", True),
        ("raise OSError('undefined symbol')", True),
        ("raise RuntimeError('compiled with different CUDA versions')", True),
    ],
)
def test_gate_of_the_torch_scatter_shim(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, missing: bool
) -> None:
    (tmp_path / "torch_scatter.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    # Set before it is deleted, so that the module is put back as it was.
    monkeypatch.setitem(sys.modules, "torch_scatter", types.ModuleType("torch_scatter"))
    monkeypatch.delitem(sys.modules, "torch_scatter")
    assert compat._torch_scatter_is_missing() is missing


# --- warnings -------------------------------------------------------------------

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
        compat.silence_known_warnings()
        warnings.warn_explicit(message, category, "file.py", 1, module=module)
    return len(caught)


def test_every_quieted_warning_is_tried() -> None:
    assert len(SEEN) == len(compat.QUIETED)
    assert all(quieted.reason for quieted in compat.QUIETED)


@pytest.mark.parametrize(("quieted", "seen"), list(zip(compat.QUIETED, SEEN)))
def test_a_known_warning_is_silent_where_it_is_known(
    quieted: compat.QuietedWarning, seen: tuple[str, str]
) -> None:
    message, module = seen
    assert shown(message, quieted.category, module) == 0
    assert shown(message, quieted.category, "a_users.script") == 1
    assert shown("Something else. " + message, quieted.category, module) == 1
    assert shown(message, ResourceWarning, module) == 1


def test_silencing_twice_adds_no_second_filter() -> None:
    with warnings.catch_warnings():
        compat.silence_known_warnings()
        once = list(warnings.filters)
        compat.silence_known_warnings()
        assert list(warnings.filters) == once


def test_import_is_silent_for_a_user() -> None:
    printed = python(
        "from recbole_kgif.compat import silence_known_warnings",
        "silence_known_warnings()",
        "import recbole.quick_start",
    )
    assert printed == ""


# --- metrics of diversity ---------------------------------------------------------


def test_metrics_of_diversity_see_the_training_data() -> None:
    import torch
    from recbole.evaluator import Collector, Evaluator

    config = {
        "metrics": ["ItemCoverage", "AveragePopularity", "TailPercentage", "GiniIndex"],
        "topk": [1, 2],
        "tail_ratio": 0,
        "eval_args": {"mode": {"valid": "full", "test": "full"}},
        "metric_decimal_place": 4,
        "device": torch.device("cpu"),
        "ITEM_ID_FIELD": "item_id",
        "USER_ID_FIELD": "user_id",
    }
    collector, evaluator = Collector(config), Evaluator(config)
    train = types.SimpleNamespace(
        item_counter=Counter({1: 3, 2: 2, 3: 1}),
        num={"item_id": 5, "user_id": 3}.__getitem__,
    )
    collector.data_collect(types.SimpleNamespace(_dataset=train))
    scores = torch.tensor([[-9.0, 3, 2, 1, 0], [-9, 3, 1, 2, 0]])
    for _ in range(2):  # what was collected once is there for each evaluation
        collector.eval_batch_collect(scores, {}, torch.tensor([0]), torch.tensor([4]))
        result = evaluator.evaluate(collector.get_data_struct())
        assert result["itemcoverage@1"] == 0.2  # item 1 of five, the padding counted
        assert result["itemcoverage@2"] == 0.6  # items 1 to 3
        assert result["averagepopularity@1"] == 3
        assert result["averagepopularity@2"] == 2.25  # (3 + 2) / 2 and (3 + 1) / 2
        assert "rec.items" not in collector.data_struct


def test_the_gate_of_the_metrics_of_diversity_opens_once(
    shims: tuple[str, ...],
) -> None:
    if "metrics-of-diversity" not in shims:
        pytest.skip("RecBole computes them itself")
    (shim,) = (s for s in compat.SHIMS if s.name == "metrics-of-diversity")
    assert not shim.is_needed()
