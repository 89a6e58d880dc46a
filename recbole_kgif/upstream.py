"""Writes KGIF into a checkout of RecBole, as a change to contribute.

    python -m recbole_kgif.upstream RECBOLE_CHECKOUT

adds the model, its options, test cases, pages and entries in lists. Nothing is written
unless all of it fits; a second run changes nothing.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from recbole_kgif.common.files import write_atomic
from recbole_kgif.common.resources import PACKAGE_FOLDER, resource
from recbole_kgif.errors import EXIT_USER_ERROR, UserError

VERSION = "1.2.1"
# Options of what the model in RecBole does without: scores of new items.
_OF_PLUGIN = ("new_items_cost",)

_FAMILY = "recbole/model/knowledge_aware_recommender"
_API = "recbole.model.knowledge_aware_recommender"

_TEST_CASES = """\
    def test_kgif(self):
        config_dict = {
            "model": "KGIF",
        }
        quick_test(config_dict)

    def test_kgif_with_bpr_and_attention_of_an_epoch(self):
        config_dict = {
            "model": "KGIF",
            "loss": "bpr",
            "attention": "softmax",
            "attention_update": "epoch",
            "propagation": "bi-interaction",
            "train_rec_step": 1,
            "train_kg_step": 1,
            "epochs": 2,
        }
        quick_test(config_dict)

"""

_LIST_ENTRY = """\
    {
        "category": "Knowledge-aware Recommendation",
        "year": "2024",
        "pub": "IEEE BigData'24",
        "model": "KGIF",
        "model_link": "/docs/user_guide/model/knowledge/kgif.html",
        "paper": "KGIF: Optimizing Relation-Aware Recommendations with Knowledge Graph \
Information Fusion",
        "paper_link": "https://arxiv.org/abs/2501.04161",
        "authors": "Dong Hyun Jeon et al.",
        "ref_code": "",
        "repository": "RecBole",
        "repo_link": "https://github.com/RUCAIBox/RecBole"
    },
"""
_NEXT_LIST_ENTRY = """\
    {
        "category": "Knowledge-aware Recommendation",
        "year": "2022",
        "pub": "WWW'21",
        "model": "KGIN",
"""

_API_PAGE = f"""\
.. automodule:: {_API}.kgif
   :members:
   :undoc-members:
   :show-inheritance:
"""

_PAGE = """\
KGIF
===========

Introduction
---------------------

`[paper] <https://arxiv.org/abs/2501.04161>`_

**Title:** KGIF: Optimizing Relation-Aware Recommendations with Knowledge Graph Information Fusion

**Authors:** Dong Hyun Jeon et al.

**Summary:** KGIF joins users, items and entities into one collaborative knowledge graph, fuses every node with its relations by self-attention, and propagates the fused embeddings along edges that are weighted by relation-aware attention on dynamically projected nodes. The paper does not give every equation; the docstrings of the model say which ones are a reading of its text, and what was added.

Running with RecBole
-------------------------

**Model Hyper-Parameters:**

{parameters}

**A Running Example:**

Write the following code to a python file, such as `run.py`

.. code:: python

   from recbole.quick_start import run_recbole

   run_recbole(model='KGIF', dataset='ml-100k')

And then:

.. code:: bash

   python run.py

Tuning Hyper Parameters
-------------------------

If you want to use ``HyperTuning`` to tune hyper parameters of this model, you can copy the following settings and name it as ``hyper.test``.

.. code:: bash

{ranges}

Note that we just provide these hyper parameter ranges for reference only, and we can not guarantee that they are the optimal range of this model.

Then, with the source code of RecBole (you can download it from GitHub), you can run the ``run_hyper.py`` to tuning:

.. code:: bash

\tpython run_hyper.py --model=[model_name] --dataset=[dataset_name] --config_files=[config_files_path] --params_file=hyper.test

For more details about Parameter Tuning, refer to :doc:`../../../user_guide/usage/parameter_tuning`.


If you want to change parameters, dataset or evaluation settings, take a look at

- :doc:`../../../user_guide/config_settings`
- :doc:`../../../user_guide/data_intro`
- :doc:`../../../user_guide/train_eval_intro`
- :doc:`../../../user_guide/usage`
"""  # noqa: E501


class _Change(NamedTuple):
    """A text in a file of RecBole, and what takes its place."""

    path: str
    old: str
    new: str


def _before(path: str, anchor: str, added: str) -> _Change:
    return _Change(path, anchor, added + anchor)


_CHANGES = (
    _before(
        f"{_FAMILY}/__init__.py",
        f"from {_API}.kgin import KGIN\n",
        f"from {_API}.kgif import KGIF\n",
    ),
    _before(
        "tests/model/test_model_auto.py", "    def test_kgin(self):\n", _TEST_CASES
    ),
    _before(
        "docs/source/user_guide/model_intro.rst",
        "   model/knowledge/kgin\n",
        "   model/knowledge/kgif\n",
    ),
    _before(
        f"docs/source/recbole/{_API}.rst", f"   {_API}.kgin\n", f"   {_API}.kgif\n"
    ),
    _before("asset/model_list.json", _NEXT_LIST_ENTRY, _LIST_ENTRY),
    _Change(
        "docs/source/user_guide/model_intro.rst",
        "We implement 94 recommendation models",
        "We implement 95 recommendation models",
    ),
    _Change(
        "README.md",
        "Our library includes 94 recommendation algorithms",
        "Our library includes 95 recommendation algorithms",
    ),
    _Change("README_CN.md", "我们实现了94个推荐系统模型", "我们实现了95个推荐系统模型"),
    _Change(
        "README_CN.md", "我们实现了94个常用的推荐算法", "我们实现了95个常用的推荐算法"
    ),
)


def write_into(checkout: Path) -> list[Path]:
    """Write KGIF into a checkout of RecBole.

    Args:
        checkout: its folder, with RecBole's package, tests and docs.

    Returns:
        The files that were written; those that are as they should be are not.

    Raises:
        UserError: it is no checkout of RecBole 1.2.1, or a place for an entry is not
            found in it. Then nothing has been written.
    """
    _check(checkout)
    model = (PACKAGE_FOLDER / "model" / "kgif.py").read_text("utf-8")
    options = _upstream_options(resource("properties/model/KGIF.yaml"))
    contents = {
        f"{_FAMILY}/kgif.py": model,
        "recbole/properties/model/KGIF.yaml": options,
        "docs/source/user_guide/model/knowledge/kgif.rst": _page(options),
        f"docs/source/recbole/{_API}.kgif.rst": _API_PAGE,
    }
    for change in _CHANGES:
        before = contents.get(change.path) or _read(checkout / change.path)
        contents[change.path] = _changed(before, change, checkout / change.path)
    written = []
    for name, content in contents.items():
        path = checkout / name
        if not path.exists() or _read(path) != content:
            write_atomic(path, content)
            written.append(path)
    return written


def _check(checkout: Path) -> None:
    initial = checkout / "recbole" / "__init__.py"
    if not initial.is_file():
        raise UserError(f"{checkout}: is no checkout of RecBole; name one")
    if f'"{VERSION}"' not in _read(initial):
        raise UserError(f"{checkout}: is not RecBole {VERSION}; check out v{VERSION}")


def _read(path: Path) -> str:
    """The text of a file with its line endings.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def _changed(text: str, change: _Change, path: Path) -> str:
    """The text with the change, in the line endings of the file."""
    ending = "\r\n" if "\r\n" in text else "\n"
    old, new = (part.replace("\n", ending) for part in (change.old, change.new))
    if new in text:
        return text
    if text.count(old) != 1:
        raise UserError(
            f"{path}: has no single place {change.old.strip().splitlines()[-1]!r}; add "
            f"{change.new.strip()!r} by hand"
        )
    return text.replace(old, new)


def _upstream_options(yaml_file: Path) -> str:
    """The lines of ``KGIF.yaml`` that the model in RecBole reads."""
    lines = yaml_file.read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if line.split(":")[0] not in _OF_PLUGIN)


def _page(options: str) -> str:
    """The page of the model in RecBole's user guide.

    Args:
        options: ``KGIF.yaml``, a line for each option.
    """
    parameters = []
    for line in options.splitlines():
        match = re.fullmatch(r"(\w+): (.*\S) +# \((\w+)\) (.*)", line)
        assert match is not None, line
        name, default, kind, text = match.groups()
        text = re.sub(r"Range in \[(.*)\]", r"Range in ``[\1]``", text)
        parameters.append(f"- ``{name} ({kind})`` : {text} Defaults to ``{default}``.")
    return _PAGE.format(parameters="\n".join(parameters), ranges=_ranges())


def _ranges() -> str:
    """What ``tune`` searches, in the form of RecBole's tuner."""
    from recbole_kgif.experiments.search_spaces import SPACES, LogRange

    lines = []
    for name, domain in SPACES["KGIF"].items():
        if isinstance(domain, LogRange):
            low, high = (f"{math.log(end):.2f}" for end in (domain.low, domain.high))
            lines.append(f"    {name} loguniform {low},{high}")
        else:
            lines.append(f"    {name} choice {list(domain.values)}".replace(", ", ","))
    return "\n".join(lines)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command.

    Args:
        arguments: those of the command line; None takes the process's.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="python -m recbole_kgif.upstream", description=__doc__.split("\n")[0]
    )
    parser.add_argument("checkout", type=Path, help=f"folder of RecBole {VERSION}")
    checkout = parser.parse_args(arguments).checkout
    try:
        written = write_into(checkout)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    for path in written:
        print(path)
    if not written:
        print(f"{checkout}: has KGIF already")
    return 0


if __name__ == "__main__":
    sys.exit(main())
