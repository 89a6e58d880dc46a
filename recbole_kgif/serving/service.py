"""The HTTP service: routes, and how their arguments are checked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from recbole_kgif.common.version import __version__
from recbole_kgif.errors import UserError
from recbole_kgif.serving import answers
from recbole_kgif.serving.answers import Answer
from recbole_kgif.serving.exported_model import Asker, ExportedModel, UnknownId
from recbole_kgif.serving.model_store import ModelStore
from recbole_kgif.serving.service_limits import (
    FAILURE,
    Limits,
    LimitsMiddleware,
    Refusal,
)
from recbole_kgif.serving.service_metrics import ServiceMetrics

_PAGE_FOLDER = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
# Nothing is loaded from elsewhere, and no other site shows the page in its own.
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_LONGEST_ID = 1_000
_DEFAULT_K = 20
_SHOWN_ITEMS = 20


class ListedItems(BaseModel):
    """Somebody without an account, and what is asked for.

    Attributes:
        items: ids of the items that the visitor has chosen.
        k: how many items to list.
        reasons: how many of the chosen items are named as reasons of each.
    """

    items: list[str] = Field(min_length=1)
    k: int = Field(default=_DEFAULT_K, ge=1)
    reasons: int = Field(default=0, ge=0)


class ExplainedItem(BaseModel):
    """Somebody without an account, and the item to explain.

    Attributes:
        items: ids of the items that the visitor has chosen.
        item: id of the item to explain.
        reasons: how many of the chosen items are named.
    """

    items: list[str] = Field(min_length=1)
    item: str
    reasons: int = Field(default=5, ge=0)


class Service:
    """Answers requests from the model of a store.

    Args:
        store: the model.
        limits: what is refused.
        reload_seconds: how often to look for a newer export.
    """

    def __init__(self, store: ModelStore, limits: Limits, reload_seconds: float = 5.0):
        self._store, self._limits = store, limits
        self._reload_seconds = reload_seconds
        self._metrics = ServiceMetrics()
        self._pool = ThreadPoolExecutor(limits.workers, "scores")

    def app(self) -> Any:
        """The application, for an ASGI server."""
        app = FastAPI(
            title="KGIF recommendations",
            version=__version__,
            summary="Ranked items with the exact parts of their scores.",
            # Their pages load scripts from elsewhere.
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
        )
        self._add_routes(app)
        app.exception_handler(Refusal)(_answer_refusal)
        app.exception_handler(HTTPException)(_answer_http_error)
        app.exception_handler(RequestValidationError)(_answer_invalid_request)
        app.exception_handler(Exception)(_answer_failure)
        return LimitsMiddleware(app, self._limits, self._metrics)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncIterator[None]:
        self._count_model()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        """Load newer exports; requests keep the model that they began with."""
        while True:
            await asyncio.sleep(self._reload_seconds)
            if await asyncio.to_thread(self._store.reload_if_changed):
                self._metrics.reloads.inc()
                self._count_model()

    def _count_model(self) -> None:
        served = self._store.current
        self._metrics.loaded_at.set(served.loaded_at)
        self._metrics.items.set(len(served.model.item_ids))
        self._metrics.users.set(len(served.model.user_ids))

    def _add_routes(self, app: FastAPI) -> None:
        for path, (name, kind) in _PAGE_FILES.items():
            app.get(path, include_in_schema=False)(_page_file(name, kind))
        app.get("/health", summary="Whether the service answers, and from what.")(
            self.health
        )
        app.get("/metrics", summary="Counters in Prometheus's text format.")(
            self.metrics
        )
        app.get("/v1/items", summary="Items whose id or name contains a text.")(
            self.items
        )
        path = "/v1/recommendations"
        app.get(path, summary="The best new items for a user.")(self.for_user)
        app.post(path, summary="The best items for somebody with some items.")(
            self.for_items
        )
        app.get("/v1/similar", summary="The items most similar to an item.")(
            self.similar
        )
        path = "/v1/explanation"
        app.get(path, summary="Why an item has its score for a user.")(
            self.explained_for_user
        )
        app.post(path, summary="Why an item has its score for somebody.")(
            self.explained_for_items
        )

    async def health(self) -> Answer:
        """What is served, and since when."""
        served = self._store.current
        return {
            "status": "ok",
            "dataset": served.model.dataset,
            "users": len(served.model.user_ids),
            "items": len(served.model.item_ids),
            "loaded_at": served.loaded_at,
            "version": __version__,
        }

    async def metrics(self) -> Response:
        """All counters."""
        return Response(self._metrics.text(), media_type=_PROMETHEUS)

    async def items(
        self,
        search: str = Query(max_length=_LONGEST_ID),
        limit: int = Query(_SHOWN_ITEMS, ge=1),
    ) -> JSONResponse:
        """Items by a part of their id or name, the best known first."""
        self._at_most("limit", limit, self._limits.top_k)
        return await self._run(
            lambda model: {"items": answers.found_items(model, search, limit)}
        )

    async def for_user(
        self,
        user: str = Query(max_length=_LONGEST_ID),
        k: int = Query(_DEFAULT_K, ge=1),
        reasons: int = Query(0, ge=0),
    ) -> JSONResponse:
        """The best items that are new to a user, each with its rank and score."""
        self._check(k=k, reasons=reasons)

        def answer(model: ExportedModel) -> Answer:
            row = model.row("user", user)
            items = answers.recommendations(model, model.user(row), k, reasons)
            is_approximate = not model.has_history(row)
            return {"user": user, "approximate": is_approximate, "items": items}

        return await self._run(answer)

    async def for_items(self, asked: ListedItems) -> JSONResponse:
        """The best other items for somebody without an account."""
        self._check(asked.items, k=asked.k, reasons=asked.reasons)

        def answer(model: ExportedModel) -> Answer:
            asker = _visitor(model, asked.items)
            items = answers.recommendations(model, asker, asked.k, asked.reasons)
            return {"items": items}

        return await self._run(answer)

    async def similar(
        self,
        item: str = Query(max_length=_LONGEST_ID),
        k: int = Query(_DEFAULT_K, ge=1),
    ) -> JSONResponse:
        """The items whose vectors have the largest cosine with that of an item."""
        self._check(k=k)
        return await self._run(
            lambda model: {
                "item": item,
                "items": answers.similar(model, model.row("item", item), k),
            }
        )

    async def explained_for_user(
        self,
        user: str = Query(max_length=_LONGEST_ID),
        item: str = Query(max_length=_LONGEST_ID),
        reasons: int = Query(5, ge=0),
    ) -> JSONResponse:
        """The parts that add up to the score of an item for a user."""
        self._check(reasons=reasons)

        def answer(model: ExportedModel) -> Answer:
            asker = model.user(model.row("user", user))
            row = model.row("item", item)
            return {"user": user, **answers.explanation(model, asker, row, reasons)}

        return await self._run(answer)

    async def explained_for_items(self, asked: ExplainedItem) -> JSONResponse:
        """The parts that add up to the score of an item for somebody."""
        self._check(asked.items, reasons=asked.reasons)

        def answer(model: ExportedModel) -> Answer:
            asker = _visitor(model, asked.items)
            row = model.row("item", asked.item)
            return answers.explanation(model, asker, row, asked.reasons)

        return await self._run(answer)

    def _check(
        self, items: Optional[list[str]] = None, *, k: int = 1, reasons: int = 0
    ) -> None:
        self._at_most("items", len(items or ()), self._limits.items)
        self._at_most("k", k, self._limits.top_k)
        self._at_most("reasons", reasons, self._limits.reasons)

    @staticmethod
    def _at_most(name: str, value: int, most: int) -> None:
        if value > most:
            message = f"{name}: {value:,} is more than {most:,}, the most that is taken"
            raise Refusal(422, "invalid_request", message)

    async def _run(self, answer: Callable[[ExportedModel], Answer]) -> JSONResponse:
        """Compute an answer in a thread, so that other requests are taken meanwhile."""
        model = self._store.current.model
        loop = asyncio.get_running_loop()
        try:
            content = await loop.run_in_executor(self._pool, answer, model)
            return JSONResponse(content)
        except UnknownId as error:
            # Without ids of others.
            raise Refusal(404, "not_found", error.message) from None
        except UserError as error:
            raise Refusal(422, "not_supported", str(error)) from None


def _visitor(model: ExportedModel, items: list[str]) -> Asker:
    return model.visitor([model.row("item", item) for item in dict.fromkeys(items)])


def _page_file(name: str, kind: str) -> Callable[[], Any]:
    async def answer() -> FileResponse:
        path = _PAGE_FOLDER / name
        return FileResponse(path, media_type=kind, headers=_PAGE_HEADERS)

    return answer


async def _answer_refusal(_request: Request, refusal: Any) -> JSONResponse:
    return JSONResponse(refusal.content, refusal.status)


async def _answer_failure(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse(FAILURE.content, FAILURE.status)


async def _answer_http_error(request: Request, error: Any) -> JSONResponse:
    messages = {
        400: "the body is not valid JSON",
        404: "there is no such address",
        405: "not allowed for this address",
    }
    codes = {
        400: "invalid_request",
        404: "no_such_address",
        405: "method_not_allowed",
    }
    status = error.status_code
    refusal = Refusal(
        status,
        codes.get(status, "refused"),
        f"{request.method} {request.url.path}: {messages.get(status, error.detail)}; "
        "see /openapi.json",
    )
    return JSONResponse(refusal.content, status, headers=error.headers)


async def _answer_invalid_request(_request: Request, error: Any) -> JSONResponse:
    """The first thing that is wrong with a request, in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    message = f"{place}: {first['msg'][:200].lower()}"
    refusal = Refusal(422, "invalid_request", message)
    return JSONResponse(refusal.content, refusal.status)
