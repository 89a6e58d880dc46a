"""RecBole's own entry points, each as its user would call it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.common.resources import resource
from recbole_kgif.register import register
from tests.conftest import TINY_OPTIONS, Loaded
from tests.upstream import patched_recbole

pytestmark = pytest.mark.versions

TINY_RUN: dict[str, Any] = {**TINY_OPTIONS, "checkpoint_dir": "saved"}


def run_python(code: str, folder: Path, path: Path = Path(__file__).parents[1]) -> str:
    """Output of a new Python process in a folder, with one more place for modules."""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_importing_the_package_loads_neither_recbole_nor_torch(tmp_path: Path) -> None:
    output = run_python(
        "import recbole_kgif, sys; print({'torch', 'recbole'} & set(sys.modules))",
        tmp_path,
    )
    assert output.strip() == "set()"


@pytest.mark.parametrize(
    "imports",
    [
        "import recbole_kgif, recbole.utils",
        "import recbole.utils, recbole_kgif",
        "from recbole_kgif.model.kgif import KGIF",
        "from recbole_kgif.model.graph import CollaborativeKnowledgeGraph",
        "from recbole_kgif.training.kgif_trainer import KGIFTrainer",
        "from recbole_kgif.training.kgat_ndcg import KGATNDCG",
        "import recbole_kgif.compat, recbole_kgif.training.run",
        "import recbole_kgif.options.settings as s; s.recbole_folder(); "
        "import recbole.utils",
    ],
)
def test_any_order_of_imports_registers_the_model(imports: str, tmp_path: Path) -> None:
    output = run_python(
        f"""
        {imports}
        from recbole.utils import ModelType, get_model, get_trainer
        model, trainer = get_model("KGIF"), get_trainer(ModelType.KNOWLEDGE, "KGIF")
        import recbole_kgif.model.fast_kgif, recbole_kgif.training.kgif_trainer
        assert model is recbole_kgif.model.fast_kgif.KGIF
        assert trainer is recbole_kgif.training.kgif_trainer.KGIFTrainer
        print(get_trainer(ModelType.KNOWLEDGE, "CKE").__name__)
        """,
        tmp_path,
    )
    # A model without a trainer of its own still gets RecBole's.
    assert output.strip() == "KGTrainer"


def test_register_is_idempotent() -> None:
    from recbole.config import Config

    register()
    before = Config._load_internal_config_dict
    register()
    assert Config._load_internal_config_dict is before


def test_config_has_the_defaults_of_the_yaml_file_below_the_users(
    load_tiny: Callable[..., Loaded],
) -> None:
    config = load_tiny(temperature=0.5).config
    assert config["n_negatives"] == 512
    assert config["weight_decay"] > 0
    assert config["embedding_size"] == TINY_OPTIONS["embedding_size"]
    assert config["temperature"] == 0.5


def test_config_takes_the_model_class(load_tiny: Callable[..., Loaded]) -> None:
    from recbole_kgif.model.fast_kgif import KGIF

    by_class, by_name = load_tiny(KGIF).config, load_tiny("KGIF").config
    assert by_class["model"] == "KGIF"
    assert by_class.model_class is by_name.model_class is KGIF
    for option in ("n_layers", "temperature", "MODEL_INPUT_TYPE", "MODEL_TYPE"):
        assert by_class[option] == by_name[option]


def test_run_recbole_and_load_data_and_model(
    data_path: Path, in_tmp_path: Path
) -> None:
    """Train in one process; load in another, evaluate: the same test metrics."""
    train = f"""
        import recbole_kgif
        from recbole.quick_start import run_recbole
        result = run_recbole("KGIF", "tiny", config_dict={TINY_RUN!r})
        print("result", dict(result["test_result"]))
        """
    load = """
        import glob
        import recbole_kgif
        from recbole.quick_start import load_data_and_model
        from recbole.utils import get_trainer
        (file,) = glob.glob("saved/KGIF-*.pth")
        config, model, dataset, train, valid, test = load_data_and_model(file)
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        trainer.eval_collector.data_collect(train)
        print("result", dict(trainer.evaluate(test, load_best_model=False)))
        """
    trained, loaded = (
        run_python(code, in_tmp_path).strip().splitlines()[-1] for code in (train, load)
    )
    assert trained.startswith("result {'recall@2'")
    assert trained == loaded


def test_objective_function_of_the_tuner(data_path: Path, in_tmp_path: Path) -> None:
    from recbole.quick_start import objective_function

    options = {**TINY_RUN, "model": "KGIF", "dataset": "tiny"}
    result = objective_function(config_dict=options, saved=False)
    assert result["model"] == "KGIF"
    assert 0 <= result["test_result"]["recall@2"] <= 1


def test_the_processes_that_recbole_spawns_know_the_model(
    data_path: Path, in_tmp_path: Path
) -> None:
    # RecBole's processes want a GPU each and are given none: they end at that check,
    # which comes after they have found the model.
    code = f"""
        import recbole_kgif
        from recbole.quick_start import run
        run("KGIF", "tiny", config_dict={TINY_RUN!r}, nproc=2)
        """
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=in_tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert 'len(gpu_id.split(",")) >=' in process.stderr


def test_the_reference_inside_recbole_trains_without_this_package(
    data_path: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    # Without the shims RecBole does not run on every Python: it has the patches.
    copy = patched_recbole(library)
    source = Path(__file__).parents[1] / "recbole_kgif" / "model" / "kgif.py"
    shutil.copy(source, copy / "model/knowledge_aware_recommender")
    shutil.copy(resource("properties/model/KGIF.yaml"), copy / "properties/model")

    output = run_python(
        f"""
        import sys

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "recbole_kgif":
                    raise ImportError("recbole_kgif is not there")

        sys.meta_path.insert(0, Blocker())
        import recbole
        from recbole.quick_start import run_recbole
        result = run_recbole("KGIF", "tiny", config_dict={TINY_RUN!r})
        model = sys.modules["recbole.model.knowledge_aware_recommender.kgif"]
        print(recbole.__file__, model.__file__, dict(result["test_result"]))
        """,
        tmp_path,
        library,
    )
    recbole_file, model_file, metrics = output.strip().splitlines()[-1].split(" ", 2)
    assert Path(recbole_file).parent == Path(model_file).parents[2] == copy
    assert "recall@2" in metrics
