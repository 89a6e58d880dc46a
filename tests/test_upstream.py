"""The change that contributes KGIF to RecBole."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.upstream import _CHANGES, main, write_into
from tests.upstream import patched_recbole


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The installed RecBole, and of the other files what is changed in them."""
    patched_recbole(tmp_path, ())
    for change in _CHANGES:
        path = tmp_path / change.path
        if path.is_relative_to(tmp_path / "recbole"):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else b""
        path.write_bytes(before + change.old.encode())
    (tmp_path / "docs/source/user_guide/model/knowledge").mkdir(parents=True)
    tests = tmp_path / "tests/model/test_model_auto.py"
    tests.write_text("class Test:\n" + tests.read_text() + "        pass\n", "utf-8")
    models = tmp_path / "asset/model_list.json"
    models.write_text('{"data": [\n' + models.read_text() + '        "a": 1}\n]}\n')
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_change_applies_twice_without_harm(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(checkout)
    assert main([str(checkout)]) == 0
    after = contents(checkout)
    written = {path for path in after if after[path] != before.get(path)}
    assert set(map(Path, capsys.readouterr().out.split())) == written
    assert len(written) == 4 + len({change.path for change in _CHANGES})
    assert write_into(checkout) == []
    assert main([str(checkout)]) == 0
    assert contents(checkout) == after
    assert "has KGIF already" in capsys.readouterr().out


def test_what_is_written_is_well_formed(checkout: Path) -> None:
    write_into(checkout)
    family = checkout / "recbole/model/knowledge_aware_recommender"
    assert "kgif import KGIF" in (family / "__init__.py").read_text("utf-8")
    models = json.loads((checkout / "asset/model_list.json").read_text("utf-8"))
    assert [model["model"] for model in models["data"]] == ["KGIF", "KGIN"]
    (tests,) = ast.parse((checkout / "tests/model/test_model_auto.py").read_text()).body
    assert isinstance(tests, ast.ClassDef)
    names = [each.name for each in tests.body if isinstance(each, ast.FunctionDef)]
    assert names[0] == "test_kgif" and names[-1] == "test_kgin"
    page = checkout / "docs/source/user_guide/model/knowledge/kgif.rst"
    text = page.read_text("utf-8")
    assert "- ``n_layers (int)`` : The number of propagation layers. Defaults" in text
    assert "    n_layers choice [1,2,3]\n" in text
    assert "    learning_rate loguniform -7.60,-5.30\n" in text


def test_the_model_needs_nothing_but_recbole_and_torch(checkout: Path) -> None:
    write_into(checkout)
    path = checkout / "recbole/model/knowledge_aware_recommender/kgif.py"
    imported = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
    assert imported <= {"recbole", "torch", "numpy", "math", "typing", "collections"}


def test_line_endings_are_kept(checkout: Path) -> None:
    readme = checkout / "README.md"
    readme.write_bytes(b"a\r\n" + readme.read_bytes() + b":\r\n")
    write_into(checkout)
    assert readme.read_bytes() == (
        b"a\r\nOur library includes 95 recommendation algorithms:\r\n"
    )


def test_nothing_is_written_where_an_entry_does_not_fit(checkout: Path) -> None:
    (checkout / "README_CN.md").write_text("RecBole\n", "utf-8")
    before = contents(checkout)
    with pytest.raises(UserError, match=r"README_CN\.md: has no single place"):
        write_into(checkout)
    assert contents(checkout) == before


@pytest.mark.parametrize(
    ("initial", "message"),
    [(None, "is no checkout of RecBole"), ("1.2.0", "is not RecBole 1.2.1")],
)
def test_another_folder_is_refused(
    tmp_path: Path,
    initial: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if initial is not None:
        (tmp_path / "recbole").mkdir()
        path = tmp_path / "recbole" / "__init__.py"
        path.write_text(f'__version__ = "{initial}"\n', "utf-8")
    assert main([str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
