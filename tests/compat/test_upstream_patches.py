"""Each patch for RecBole makes its shims unnecessary, and all together every shim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.compat import SHIMS
from tests.compat.helpers import OPTIONS, python
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

# Stock RecBole, without this package.
RUN = """
import warnings
warnings.simplefilter("ignore")
{first}
import recbole
from recbole.quick_start import load_data_and_model, run_recbole
from recbole.utils import get_trainer
import glob, sys
result = run_recbole({model!r}, "ml-100k", config_dict={options!r})
(file,) = glob.glob("saved/*.pth")
config, model, _, train, _, test = load_data_and_model(file)
trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
trainer.eval_collector.data_collect(train)
trainer.evaluate(test, load_best_model=False)
print(recbole.__file__)
print("recbole_kgif" in sys.modules)
print(dict(result["test_result"]))
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


@pytest.mark.parametrize("model", ["LightGCN", "KGAT", "KGIN"])
def test_patched_recbole_alone_has_the_metrics_of_recbole_with_the_shims(
    model: str, patched: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        **OPTIONS,
        "metrics": ["Recall", "MRR", "ItemCoverage"],
        "checkpoint_dir": "saved",
        "learning_rate": 0.01,
        "use_gpu": False,
    }
    printed = []
    for name, first, path in (
        ("patched", "", patched),
        ("shims", "import recbole_kgif", None),
    ):
        folder = tmp_path / name
        folder.mkdir()
        code = RUN.format(first=first, model=model, options=options)
        printed.append(python(code, folder=folder, path=path).splitlines()[-3:])
    (file, has_plugin, metrics), (_, _, expected) = printed
    assert Path(file).parent == patched / "recbole"
    assert has_plugin == "False"
    assert metrics == expected
    assert "itemcoverage@10" in metrics
