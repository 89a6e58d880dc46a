"""What it costs to extend a trained KGIF, and what it loses against a new training.

    python benchmarks/extension.py --checkpoint runs/a/model.pth
    python benchmarks/extension.py --edges 3000000
    python benchmarks/extension.py --split dataset/lastfm-new --epochs 25

The first two extend a trained model, or an untrained one of a synthetic graph, by one
new user and by one new item, and print the CPU seconds. The third takes a data set of
``prepare --split new-items``: it trains on all triples, and without the new items of
the test set, which the second model is then extended by; printed is the recall of both
among these items.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from synthetic import PUBLISHED, generate, scaled

from recbole_kgif.common.process import prepare_process

SHAPE = "amazon-book"
N_INTERACTIONS = 20
N_TRIPLES = 5
LENGTH = 20
REPETITIONS = 5
SHUFFLES = 10
# `--protocol new-items` asks for some new items in the test set: one of so many stays.
_ONE_STAYS_OF = 77


def main() -> None:
    """Measure, and print a record as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--checkpoint", type=Path, help="the model.pth of a run")
    asked.add_argument("--edges", type=int, help="edges of a synthetic graph")
    asked.add_argument("--split", type=Path, help="folder of a prepared data set")
    parser.add_argument("--dataset-path", help="folder of the prepared data sets")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    prepare_process()
    if options.split:
        record = [
            recall(options.split, options.epochs, 2020 + n)
            for n in range(options.seeds)
        ]
    else:
        with tempfile.TemporaryDirectory() as folder:
            if options.edges:
                options.checkpoint = untrained(options.edges, Path(folder))
                options.dataset_path = folder
            record = [seconds(options.checkpoint, options.dataset_path)]
    print(json.dumps(record, indent=1))


# --- time ---------------------------------------------------------------------------


def untrained(n_edges: int, data_path: Path) -> Path:
    """A checkpoint of KGIF as it was initialised, and its data set."""
    from recbole_kgif.data.numbered import NumberedDataset
    from recbole_kgif.data.splitting import PARTS
    from recbole_kgif.data.writer import write_dataset
    from recbole_kgif.training import checkpoint
    from recbole_kgif.training.configuration import make_config
    from recbole_kgif.training.loading import load_data, make_model
    from recbole_kgif.training.parameters import stored_parameters
    from recbole_kgif.training.specs import DataSpec

    data = generate(scaled(PUBLISHED[SHAPE], n_edges))
    counts, of_items = data.counts, np.arange(data.counts.items)
    items = [f"i{number}" for number in of_items]
    pairs = pd.DataFrame({"user": data.users, "item": data.items})
    part = np.random.default_rng(0).choice(len(PARTS), len(pairs), p=[0.98, 0.01, 0.01])
    numbered = NumberedDataset(
        users=[f"u{number}" for number in range(counts.users)],
        items=items,
        entities=[*items, *(f"e{number}" for number in range(counts.entities))],
        relations=[f"r{number}" for number in range(counts.relations)],
        parts={name: pairs[part == n] for n, name in enumerate(PARTS)},
        triples=pd.DataFrame(
            {"head": data.heads, "relation": data.relations, "tail": data.tails}
        ),
        links=pd.DataFrame({"item": of_items, "entity": of_items}),
    )
    (data_path / SHAPE).mkdir()
    write_dataset(data_path / SHAPE, SHAPE, numbered)
    options = {
        "data_path": str(data_path),
        "benchmark_filename": list(PARTS),
        "load_col": {
            "inter": ["user_id", "item_id"],
            "kg": ["head_id", "relation_id", "tail_id"],
            "link": ["item_id", "entity_id"],
        },
        **{"use_gpu": False, "show_progress": False, "state": "ERROR"},
    }
    config = make_config("KGIF", SHAPE, options)
    loaded = load_data(config, DataSpec(SHAPE, data_path))
    state_dict, other_parameter = stored_parameters(make_model(config, loaded))
    path = data_path / "model.pth"
    checkpoint.save(
        path,
        checkpoint.Checkpoint(
            model="KGIF",
            dataset=SHAPE,
            options=checkpoint.portable_options(config.final_config_dict),
            epoch=0,
            state_dict=state_dict,
            other_parameter=other_parameter,
            split_seed=config["seed"],
            linked_items_only=False,
            data=loaded.fingerprint,
            versions={},
        ),
    )
    return path


def seconds(path: Path, data_path: Any) -> dict[str, Any]:
    """Median CPU seconds of an extension in memory, and of writing it."""
    from recbole_kgif.extension.extended_model import extend_model, save_extended
    from recbole_kgif.extension.new_facts import facts_of_frames
    from recbole_kgif.training.restore import restore

    start = time.process_time()
    restored = restore(path, data_path=data_path)
    record: dict[str, Any] = {
        "edges": len(restored.model.graph.normalisation),
        "loading": time.process_time() - start,
    }
    dataset = restored.data.dataset
    items, relations, entities = (
        dataset.field2id_token[field][1:]
        for field in (dataset.iid_field, dataset.relation_field, dataset.entity_field)
    )
    user = pd.DataFrame({"user_id": "new user", "item_id": items[:N_INTERACTIONS]})
    item = pd.DataFrame(
        {
            "head_id": "new item",
            "relation_id": relations[0],
            "tail_id": entities[len(items) :][:N_TRIPLES],
        }
    )
    links = pd.DataFrame({"item_id": ["new item"], "entity_id": ["new item"]})
    for what, facts in (
        ("user", facts_of_frames(user)),
        ("item", facts_of_frames(None, item, links)),
    ):
        times = []
        for _ in range(REPETITIONS):
            with tempfile.TemporaryDirectory() as folder:
                start = time.process_time()
                extension = extend_model(restored, facts)
                extended = time.process_time()
                save_extended(extension, restored, Path(folder) / "extended")
                times.append((extended - start, time.process_time() - extended))
        names = (f"{what}_in_memory", f"{what}_writing")
        record.update(zip(names, map(statistics.median, zip(*times))))
    return record


# --- recall -------------------------------------------------------------------------


def recall(folder: Path, epochs: int, seed: int) -> dict[str, Any]:
    """Recall among new items after a training with their triples, and without."""
    import recbole_kgif

    def table(suffix: str) -> pd.DataFrame:
        path = folder / f"{folder.name}.{suffix}"
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        return frame.rename(columns=lambda name: name.split(":")[0])

    parts = {part: table(f"{part}.inter") for part in ("train", "valid", "test")}
    triples, links, test = table("kg"), table("link"), parts["test"]
    others = {*parts["train"]["item_id"], *parts["valid"]["item_id"]}
    new = sorted(set(test["item_id"]) - others)
    new = sorted(set(new) - set(new[::_ONE_STAYS_OF]))
    is_new_link = links["item_id"].isin(new)
    new_entities = links["entity_id"][is_new_link]
    is_new = triples[["head_id", "tail_id"]].isin(set(new_entities)).any(axis=1)
    # No model has learned of a relation that these items alone have.
    is_known = triples["relation_id"].isin(triples["relation_id"][~is_new])
    of_new_items = test["item_id"].isin(new)
    options: Any = {"protocol": "new-items", "epochs": epochs, "seed": seed}
    trained = recbole_kgif.fit(parts, triples, links, **options)
    old = {**parts, "test": test[~of_new_items]}
    less = recbole_kgif.fit(old, triples[~is_new], links[~is_new_link], **options)
    extended = less.extend(None, triples[is_new & is_known], links[is_new_link])
    new = [item for item in new if item in set(extended.items)]
    tested = test[test["item_id"].isin(new)].groupby("user_id")["item_id"].agg(set)
    values = {
        name: _recall(model, new, tested)
        for name, model in (("trained", trained), ("extended", extended))
    }
    return {
        "dataset": folder.name,
        "seed": seed,
        "new_items": len(new),
        "users": len(tested),
        **values,
        "ratio": values["extended"] / values["trained"],
    }


def _recall(model: Any, items: list[str], tested: pd.Series[Any]) -> float:
    """Mean Recall@20 of users where these items are ranked alone, ties at random.

    Without vectors of their own, new items with equal facts have equal scores, and the
    order of their ids may tell how popular they are.
    """
    recommender = model._recommender
    users, columns = (
        np.array([recommender._number(kind, token) for token in tokens])
        for kind, tokens in (("user", tested.index), ("item", items))
    )
    scores, random = recommender._scores(users), np.random.default_rng(2020)
    hits = []
    for _ in range(SHUFFLES):
        order = random.permutation(len(items))
        shuffled = scores[:, columns[order]].sort(descending=True, stable=True)
        best = np.array(items)[order][shuffled.indices[:, :LENGTH].numpy()]
        hits += [
            len(wanted.intersection(row)) / len(wanted)
            for row, wanted in zip(best.tolist(), tested)
        ]
    return statistics.mean(hits)


if __name__ == "__main__":
    main()
