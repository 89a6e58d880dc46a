from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from recbole_kgif.cli import main
from recbole_kgif.serving import answers
from recbole_kgif.serving.export_files import MANIFEST, TENSORS, new_export
from recbole_kgif.serving.exported_model import ExportedModel
from recbole_kgif.serving.model_store import ModelStore
from recbole_kgif.serving.service import Service
from recbole_kgif.serving.service_limits import Limits
from tests.docs.page_parser import CHECKOUT
from tests.serving.conftest import Exported

LIMITS = Limits(body_bytes=2_000, items=5, top_k=30, reasons=5)
ITEMS = ["left_alien", "left_dune"]
SCORE_PARTS = ("own_vector", "popularity")


def copied(exported: Exported, folder: Path) -> Path:
    """A copy of an export, by an atomic write."""
    with new_export(folder) as hidden:
        shutil.copytree(exported.folder, hidden, dirs_exist_ok=True)
    return folder


@pytest.fixture
def store(exported: Exported, tmp_path: Path) -> ModelStore:
    return ModelStore(copied(exported, tmp_path / "export"))


@pytest.fixture
def client(store: ModelStore) -> Iterator[TestClient]:
    app = Service(store, LIMITS, reload_seconds=0.02).app()
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def total(answer: dict[str, Any]) -> float:
    """The sum of the parts of a score."""
    parts = [reason["value"] for reason in answer["reasons"]]
    parts += [answer["other_items"]["value"], *(answer[name] for name in SCORE_PARTS)]
    return sum(parts) + sum(answer["new_item"].values())


# --- answers ------------------------------------------------------------------------


def test_a_user_gets_the_list_of_recommend(
    client: TestClient, exported: Exported
) -> None:
    for user in exported.model.user_ids:
        answer = client.get("/v1/recommendations", params={"user": user, "k": 20})
        wanted = exported.model.recommend([user], 20)
        found = answer.json()["items"]
        assert [item["item_id"] for item in found] == wanted["item_id"].tolist()
        assert [item["score"] for item in found] == wanted["score"].tolist()
        assert [item["rank"] for item in found] == wanted["rank"].tolist()
        assert answer.json()["approximate"] == ("approximate" in wanted)


def test_a_list_of_items_gets_other_items_with_reasons(client: TestClient) -> None:
    asked = {"items": [*ITEMS, ITEMS[0]], "k": 4, "reasons": 2}
    found = client.post("/v1/recommendations", json=asked).json()["items"]
    assert len(found) == 4
    for item in found:
        assert item["item_id"] not in ITEMS
        assert {reason["item_id"] for reason in item["reasons"]} == set(ITEMS)
        assert total(item) == pytest.approx(item["score"], abs=1e-9)


def test_an_explanation_adds_up_and_names_what_is_shared(client: TestClient) -> None:
    asked = {"user": "left_ann", "item": "left_casino", "reasons": 2}
    answer = client.get("/v1/explanation", params=asked).json()
    assert total(answer) == pytest.approx(answer["score"], abs=1e-9)
    for reason in answer["reasons"]:
        parts = reason["similarity"] + reason["shared"] + reason["filter"]
        assert reason["value"] == pytest.approx(parts)
        # Few enough to be all listed.
        shared = sum(fact["value"] for fact in reason["facts"])
        assert reason["shared"] == pytest.approx(shared + reason["people"]["value"])
    asked = {"user": "left_ann", "k": 20}
    listed = client.get("/v1/recommendations", params=asked).json()["items"]
    ranks = {item["item_id"]: item["rank"] for item in listed}
    assert answer["rank"] == ranks["left_casino"]
    assert answer["candidates"] == len(listed)


def test_facts_have_words_and_the_items_that_share_them(client: TestClient) -> None:
    asked = {"items": ["left_alien"], "item": "left_brazil", "reasons": 1}
    (reason,) = client.post("/v1/explanation", json=asked).json()["reasons"]
    (fact,) = (each for each in reason["facts"] if each["kind"] == "entity")
    assert (fact["word"], fact["id"]) == ("genre", "left_scifi")
    assert fact["other_items"]["count"] == 1


def test_an_item_that_was_seen_has_no_rank(client: TestClient) -> None:
    asked = {"user": "left_ann", "item": "left_alien"}
    assert client.get("/v1/explanation", params=asked).json()["rank"] is None


def test_similar_and_found_items(client: TestClient, exported: Exported) -> None:
    found = client.get("/v1/similar", params={"item": "left_elf", "k": 3}).json()
    wanted = exported.fitted.similar_items("left_elf", k=3)
    assert [each["item_id"] for each in found["items"]] == wanted["item_id"].tolist()
    found = client.get("/v1/items", params={"search": "LEFT_A"}).json()
    assert found == {"items": [{"item_id": "left_alien", "name": ""}]}


def test_health_and_metrics(client: TestClient, exported: Exported) -> None:
    health = client.get("/health").json()
    assert health["status"] == "ok"
    assert health["items"] == len(exported.model.item_ids)
    client.get("/v1/similar", params={"item": "nothing"})
    text = client.get("/metrics").text
    line = 'kgif_requests_total{route="/v1/similar",status="404"} 1.0'
    assert line in text.splitlines()
    assert 'kgif_request_seconds_count{route="/health"} 1.0' in text.splitlines()


def test_openapi_describes_every_address(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    methods = {
        (path, method) for path, each in described["paths"].items() for method in each
    }
    assert methods == {
        ("/health", "get"),
        ("/metrics", "get"),
        ("/v1/items", "get"),
        ("/v1/recommendations", "get"),
        ("/v1/recommendations", "post"),
        ("/v1/similar", "get"),
        ("/v1/explanation", "get"),
        ("/v1/explanation", "post"),
    }
    page = (CHECKOUT / "docs/serving.md").read_text("utf-8")
    for path, method in methods:
        assert f"`{method.upper()} {path}`" in page


# --- refusals -----------------------------------------------------------------------

REFUSED = [
    ("GET", "/v1/recommendations?user=nobody", None, 404, "not_found"),
    ("GET", "/v1/recommendations", None, 422, "invalid_request"),
    ("GET", "/v1/recommendations?user=left_ann&k=0", None, 422, "invalid_request"),
    ("GET", "/v1/recommendations?user=left_ann&k=31", None, 422, "invalid_request"),
    ("GET", "/v1/recommendations?user=left_ann&k=x", None, 422, "invalid_request"),
    ("GET", "/v1/recommendations?user=x&reasons=6", None, 422, "invalid_request"),
    ("GET", "/v1/similar?item=" + "x" * 1001, None, 422, "invalid_request"),
    ("GET", "/v1/explanation?user=left_ann&item=%00", None, 404, "not_found"),
    ("GET", "/v1/items?search=a&limit=31", None, 422, "invalid_request"),
    ("GET", "/other", None, 404, "no_such_address"),
    ("GET", "/page/../service.py", None, 404, "no_such_address"),
    ("DELETE", "/health", None, 405, "method_not_allowed"),
    ("POST", "/v1/recommendations", b"", 422, "invalid_request"),
    ("POST", "/v1/recommendations", b"{", 422, "invalid_request"),
    ("POST", "/v1/recommendations", b"\xff\xfe", 422, "invalid_request"),
    ("POST", "/v1/recommendations", b"[" * 1900, 400, "invalid_request"),
    ("POST", "/v1/recommendations", b'{"items": []}', 422, "invalid_request"),
    ("POST", "/v1/recommendations", b'{"items": "left_ann"}', 422, "invalid_request"),
    ("POST", "/v1/recommendations", b'{"items": ["x"]}', 404, "not_found"),
    ("POST", "/v1/recommendations", b'{"items": [1]}', 422, "invalid_request"),
    ("POST", "/v1/recommendations", b" " * 2001, 413, "too_large"),
    (
        *("POST", "/v1/recommendations"),
        *(b'{"items": ["a", "b", "c", "d", "e", "f"]}', 422, "invalid_request"),
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_a_refusal_is_one_line(
    method: str,
    path: str,
    body: Any,
    status: int,
    code: str,
    client: TestClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    headers = {} if body is None else {"content-type": "application/json"}
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert "\n" not in error["message"] and len(error["message"]) < 400
    assert "left_bob" not in error["message"]  # no ids of other users
    assert caplog.records == []


def test_a_failure_is_logged_and_tells_nothing(
    client: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_arguments: Any) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(answers, "similar", fail)
    answer = client.get("/v1/similar", params={"item": "left_elf"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "a secret" in caplog.text
    assert client.get("/health").status_code == 200


def test_slow_and_crowded_requests_are_refused(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "similar", lambda *_arguments: time.sleep(0.2))
    app = Service(store, Limits(seconds=0.05)).app()
    with TestClient(app) as client:
        answer = client.get("/v1/similar", params={"item": "left_elf"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    with TestClient(Service(store, Limits(running=0)).app()) as client:
        answer = client.get("/v1/similar", params={"item": "left_elf"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert answer.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200


# --- a newer export -----------------------------------------------------------------


def test_a_newer_export_is_served_while_requests_run(
    client: TestClient, store: ModelStore, exports: dict[str, Exported]
) -> None:
    former = store.current.model
    copied(exports["extended"], former.folder)
    end = time.monotonic() + 20
    while store.current.model is former and time.monotonic() < end:
        answer = client.get("/v1/recommendations", params={"user": "left_ann"})
        assert answer.status_code == 200
        time.sleep(0.01)
    answer = client.get("/v1/recommendations", params={"user": "zoe", "k": 20})
    wanted = exports["extended"].model.recommend(["zoe"], 20)
    found = [item["item_id"] for item in answer.json()["items"]]
    assert found == wanted["item_id"].tolist()
    assert "kgif_reloads_total 1.0" in client.get("/metrics").text.splitlines()
    # A request that began earlier still has its model, whose files are gone.
    assert answers.explanation(former, former.user(0), 0, 2)["item_id"]


def test_a_damaged_newer_export_is_not_served(
    store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    former = store.current
    folder = former.model.folder
    (folder / TENSORS).write_bytes(b"damaged")
    (folder / MANIFEST).touch()
    caplog.set_level(logging.WARNING)
    assert not store.reload_if_changed() and not store.reload_if_changed()
    assert store.current is former
    (record,) = caplog.records
    assert "the earlier export is served on" in record.getMessage()
    shutil.rmtree(folder)
    assert not store.reload_if_changed()


# --- the command --------------------------------------------------------------------


def test_the_command_starts_and_ends_without_pytorch(exported: Exported) -> None:
    # `sys.modules` of the process is printed at its end.
    code = (
        "import atexit, sys; from recbole_kgif.cli import main; "
        "atexit.register(lambda: print('torch' in sys.modules)); "
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["serve", f"--export={exported.folder}", "--port=0"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address is not None, line
        with urllib.request.urlopen(f"{address[0]}/health", timeout=30) as answer:
            assert json.load(answer)["status"] == "ok"
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert output == "False\n" and "Traceback" not in errors
    assert process.returncode == 0


def test_a_checkpoint_is_exported_first(
    checkpoint: list[str], exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[pd.DataFrame] = []

    def serve(_namespace: Any, folder: Path, _listening: Any) -> None:
        served.append(ExportedModel(folder).recommend())

    monkeypatch.setattr("recbole_kgif.cli.serve._serve", serve)
    assert main(["serve", *checkpoint, "--port=0"]) == 0
    pd.testing.assert_frame_equal(served[0], exported.model.recommend())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--export=nowhere"], "nowhere: holds no manifest.json"),
        (["--export=x", "--port=99999"], "99999 is not between 0 and 65535"),
        (["--export=x", "--trust"], "are for --checkpoint"),
        (["--export=x", "--checkpoint=y"], "not allowed with argument --export"),
        ([], "one of the arguments --checkpoint --export is required"),
        (["--export=x", "--host=256.1.1.1"], "cannot be listened at"),
    ],
)
def test_mistakes_are_reported_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--port=99999" not in words:
        words = [*words, "--port=0"]
    assert main(["serve", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--export=x", f"--port={port}"]) == 2
    assert "give another port" in capsys.readouterr().err
