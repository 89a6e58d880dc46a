"""RecBole without ray, and a ray that is left alone."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from recbole_kgif.compat import without_ray
from tests.compat.helpers import CHECKOUT, OPTIONS, python

pytestmark = pytest.mark.versions

NO_RAY = "raise ModuleNotFoundError(\"No module named 'ray'\", name='ray')"


@pytest.fixture
def no_ray(tmp_path: Path) -> Path:
    """A folder of modules in which ray is missing."""
    (tmp_path / "ray.py").write_text(NO_RAY)
    return tmp_path


@pytest.mark.parametrize(
    "imports",
    [
        "import recbole_kgif; from recbole.quick_start import run_recbole",
        "import recbole.utils, recbole_kgif; from recbole.quick_start import run",
    ],
)
def test_quick_start_is_imported_without_ray(imports: str, no_ray: Path) -> None:
    printed = python(
        "import warnings; warnings.simplefilter('ignore')",
        imports,
        "from recbole_kgif.compat import active_shims",
        "import sys",
        "print('quick-start-without-ray' in active_shims())",
        "print([name for name in sys.modules if name.split('.')[0] == 'ray'])",
        "try:",
        "    import ray",
        "except ModuleNotFoundError as error:",
        "    print(error)",
        path=no_ray,
    )
    assert printed.splitlines() == ["True", "[]", "No module named 'ray'"]


def test_the_package_can_be_imported_after_ray_has_failed(no_ray: Path) -> None:
    printed = python(
        "import warnings; warnings.simplefilter('ignore')",
        "try:",
        "    from recbole.quick_start import run_recbole",
        "except ModuleNotFoundError:",
        "    import recbole_kgif",
        "from recbole.quick_start import run_recbole",
        "print(run_recbole.__name__)",
        path=no_ray,
    )
    assert printed == "run_recbole"


def test_objective_function_returns_its_result_without_ray(
    no_ray: Path, tmp_path: Path
) -> None:
    options = {**OPTIONS, "model": "BPR", "dataset": "ml-100k"}
    printed = python(
        "import warnings; warnings.simplefilter('ignore')",
        "import recbole_kgif",
        "from recbole.quick_start import objective_function",
        f"result = objective_function({options!r}, saved=False)",
        "print(sorted(result['test_result']))",
        path=no_ray,
        folder=tmp_path,
    )
    expected = ["hit@10", "mrr@10", "ndcg@10", "precision@10", "recall@10"]
    assert printed.splitlines()[-1] == str(expected)


def test_a_ray_that_imports_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("")
    (tmp_path / "ray" / "tune.py").write_text("report = print")
    printed = python(
        "import warnings; warnings.simplefilter('ignore')",
        "import recbole_kgif, ray.tune",
        "from recbole.quick_start import quick_start",
        "from recbole_kgif.compat import active_shims",
        "print('quick-start-without-ray' in active_shims())",
        "print(quick_start.tune is ray.tune)",
        path=tmp_path,
    )
    assert printed.splitlines() == ["False", "True"]


def test_a_broken_ray_is_back_in_its_place_afterwards(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("is_real = True")
    (tmp_path / "ray" / "tune.py").write_text("import numpy; numpy.no_such_alias")
    printed = python(
        "import warnings; warnings.simplefilter('ignore')",
        "import ray, recbole_kgif",
        "import recbole.quick_start, sys",
        "print(sys.modules['ray'] is ray and ray.is_real, 'ray.tune' in sys.modules)",
        path=tmp_path,
    )
    assert printed == "True False"


def test_the_check_says_no_where_recbole_does_not_import_ray_at_its_top(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = "recbole.quick_start.quick_start"
    # Set before it is deleted, so that the module is put back as it was.
    monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    assert not without_ray._quick_start_needs_ray()  # it has been imported
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    assert without_ray._quick_start_needs_ray()
    source = "def objective_function():\n    from ray import tune\n"
    monkeypatch.setattr(without_ray, "recbole_source", lambda _: source)
    assert not without_ray._quick_start_needs_ray()


def test_the_package_in_place_of_ray_says_what_to_do() -> None:
    printed = python(
        "try:",
        "    from recbole.quick_start import run_recbole",
        "except ModuleNotFoundError as error:",
        "    print(error.name, error)",
        path=CHECKOUT / "installation" / "no-ray",
    )
    assert printed.splitlines()[-1].startswith("ray ray is not installed")
    assert "import recbole_kgif before recbole.quick_start" in printed
