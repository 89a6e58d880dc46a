"""The data sets' yaml files: RecBole loads with them exactly what the checks count."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.locate import BUILT_IN_NAMES, locate_dataset
from recbole_kgif.data.reader import read_dataset
from tests.data.data_helpers import shared_datasets_folder

CONFIGS = Path(__file__).resolve().parents[2] / "dataset_configs"
NEEDED_REAL_DATA = {
    "lastfm": "raw",
    "lastfm-split": "lastfm-split",
    "book-crossing-split": "book-crossing-split",
}

# Published in the KGAT format, but not to be downloaded.
PUBLISHED = [
    "amazon-book-without-relations",
    "new-amazon-book-without-relations",
    "new-last-fm-without-relations",
    "lfm1m",
]


def test_one_file_for_each_data_set() -> None:
    names = sorted(path.stem for path in CONFIGS.iterdir())
    assert names == sorted([*BUILT_IN_NAMES, *PUBLISHED])
    documented = (CONFIGS.parent / "docs/datasets.md").read_text("utf-8")
    for name in PUBLISHED:
        assert f"`{name}`" in documented


@pytest.mark.parametrize("name", [*BUILT_IN_NAMES, *PUBLISHED])
def test_every_key_is_explained(name: str) -> None:
    for line in (CONFIGS / f"{name}.yaml").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r" *[a-zA-Z_]+:.* # \(\w+\) [A-Z].*\.", line), line


@pytest.mark.filterwarnings("ignore:A value is trying to be set:FutureWarning:recbole")
@pytest.mark.parametrize("name", BUILT_IN_NAMES)
def test_recbole_loads_what_the_checks_count(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in NEEDED_REAL_DATA:
        shared_datasets_folder(NEEDED_REAL_DATA[name])
    from recbole.config import Config
    from recbole.data import create_dataset

    monkeypatch.setattr(sys, "argv", ["test"])
    settings = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    found = locate_dataset(name, data_path=tmp_path, source=None)
    counts = read_dataset(
        DatasetFiles.from_options(found.folder, name, settings)
    ).counts
    config = Config(
        model="CFKG",
        dataset=name,
        config_dict={**settings, "data_path": str(found.data_path), "use_gpu": False},
    )
    dataset = create_dataset(config)
    padding = 1
    assert dataset.user_num == counts.users + padding
    assert dataset.item_num == counts.linked_items + padding
    assert len(dataset.inter_feat) == counts.interactions - counts.unlinked_interactions
    assert dataset.entity_num == counts.entities + padding
    assert dataset.relation_num == counts.relations + padding + 1
    assert len(dataset.kg_feat) == counts.triples
    train, valid, test = (len(part) for part in dataset.build())
    assert train > 5 * valid > 0
    assert train > 3 * test > 0
    assert config["valid_metric"] == "NDCG@20"
    assert config["eval_args"]["mode"] == {"valid": "full", "test": "full"}
