"""Each patch for RecBole makes its shims unnecessary, and all together every shim."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.compat import SHIMS
from tests.compat.helpers import python
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.upstream import ALL_PATCHES, PATCHES, patched_recbole

pytestmark = pytest.mark.versions

# Finds which shims a RecBole needs, without any being applied but those named.
CHECK = """
import sys, warnings
warnings.simplefilter("ignore")
import recbole_kgif.compat as compat
sys.meta_path[:] = [f for f in sys.meta_path if "RecBole" not in repr(f)]
applied = {applied!r}
for shim in compat.SHIMS:
    if shim.name in applied and shim.is_needed():
        shim.apply()
    elif shim.patch in {patches!r}:
        print(shim.name, shim.is_needed())
"""

MODELS = ("LightGCN", "KGAT", "KGIN")
OPTIONS: dict[str, Any] = {
    **TINY_OPTIONS,
    "metrics": ["Recall", "NDCG", "ItemCoverage"],
    "learning_rate": 0.01,
}

# Trains, saves, loads and tests each model; without the first line by RecBole alone.
RUN = """
{first}
import warnings
warnings.simplefilter("ignore")
import recbole
from recbole.quick_start import load_data_and_model, run_recbole
from recbole.utils import get_trainer
import glob, sys
for model in {models!r}:
    options = {{**{options!r}, "checkpoint_dir": model}}
    result = run_recbole(model, "tiny", config_dict=options)
    (file,) = glob.glob(model + "/*.pth")
    config, network, _, train, _, test = load_data_and_model(file)
    trainer = get_trainer(config["MODEL_TYPE"], model)(config, network)
    trainer.eval_collector.data_collect(train)
    trainer.evaluate(test, load_best_model=False)
    size = sum(float(parameter.abs().sum()) for parameter in network.parameters())
    print("run", model, dict(result["test_result"]), size)
print(recbole.__file__)
print("recbole_kgif" in sys.modules)
"""


def test_every_shim_has_a_patch_and_every_patch_a_shim() -> None:
    assert {shim.patch for shim in SHIMS} == set(ALL_PATCHES)
    index = (PATCHES / "README.md").read_text("utf-8")
    for patch in ALL_PATCHES:
        assert (PATCHES / f"{patch}.md").exists()
        assert f"({patch}.patch)" in index and f"({patch}.md)" in index


@pytest.mark.parametrize("patch", ALL_PATCHES)
def test_with_its_patch_a_shim_is_not_needed(patch: str, tmp_path: Path) -> None:
    patched_recbole(tmp_path, [patch])
    # The others are checked in a RecBole that imports.
    applied = ["quick-start-without-ray", "numpy-2-aliases"]
    applied = [s.name for s in SHIMS if s.name in applied and s.patch != patch]
    code = CHECK.format(applied=applied, patches=[patch])
    expected = [f"{shim.name} False" for shim in SHIMS if shim.patch == patch]
    assert python(code, path=tmp_path).splitlines() == expected


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a RecBole to which all patches have been applied."""
    folder = tmp_path_factory.mktemp("patched")
    patched_recbole(folder)
    return folder


def test_with_all_patches_no_shim_is_needed(patched: Path) -> None:
    code = CHECK.format(applied=[], patches=ALL_PATCHES)
    expected = [f"{shim.name} False" for shim in SHIMS]
    assert python(code, path=patched).splitlines() == expected


def test_the_patches_can_be_applied_in_the_other_order(tmp_path: Path) -> None:
    patched_recbole(tmp_path, reversed(ALL_PATCHES))


def test_patched_recbole_alone_has_the_metrics_of_recbole_with_the_shims(
    patched: Path, tmp_path: Path
) -> None:
    printed = []
    for name, first, path in (
        ("patched", "", patched),
        ("shims", "import recbole_kgif", None),
    ):
        folder = tmp_path / name
        shutil.copytree(TINY_FOLDER, folder / "dataset" / "tiny")
        code = RUN.format(first=first, models=MODELS, options=OPTIONS)
        printed.append(python(code, folder=folder, path=path).splitlines())
    runs, expected = (
        [line for line in lines if line.startswith("run ")] for lines in printed
    )
    assert [line.split()[1] for line in runs] == list(MODELS)
    assert all("itemcoverage@2" in line for line in runs)
    assert runs == expected
    *_, file, has_plugin = printed[0]
    assert Path(file).parent == patched / "recbole"
    assert has_plugin == "False"
