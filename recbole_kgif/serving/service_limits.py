"""What a service refuses: requests that are too large, too many or too slow."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import Any

import anyio

from recbole_kgif.serving.service_metrics import ServiceMetrics

_LOG = logging.getLogger(__name__)
# Answered without a place in the queue, so that a busy service can be watched.
_ALWAYS = ("/health", "/metrics")
_OTHER_ROUTE = "other"


@dataclass(frozen=True)
class Limits:
    """Limits of a service.

    Attributes:
        body_bytes: of the body of a request.
        items: that a request lists.
        top_k: items that an answer lists.
        reasons: that are named for an item.
        running: requests that are answered at a time; more are refused.
        workers: threads that compute.
        seconds: for one request.
    """

    body_bytes: int = 65_536
    items: int = 500
    top_k: int = 1_000
    reasons: int = 20
    running: int = 64
    workers: int = 2
    seconds: float = 10.0


class Refusal(Exception):
    """An answer other than the one asked for.

    Args:
        status: HTTP's status code.
        code: what it is, a word for programs.
        message: one line for people.
    """

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    @property
    def content(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"code": self.code, "message": self.message}}


FAILURE = Refusal(500, "internal_error", "the service failed; its log says more")


class LimitsMiddleware:
    """Applies the limits around an ASGI application, and counts its answers.

    Args:
        app: the application.
        limits: the limits.
        metrics: what is counted.
    """

    def __init__(self, app: Any, limits: Limits, metrics: ServiceMetrics):
        self._app, self._limits, self._metrics = app, limits, metrics
        self._running = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        start = time.perf_counter()
        self._running += 1
        self._metrics.running.set(self._running)
        try:
            await self._limited(scope, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            await answer.refuse(FAILURE)
        finally:
            self._running -= 1
            self._metrics.running.set(self._running)
            route = getattr(scope.get("route"), "path", _OTHER_ROUTE)
            self._metrics.requests.labels(route, str(answer.status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _limited(self, scope: Any, receive: Any, answer: _Answer) -> None:
        limits = self._limits
        if self._running > limits.running and scope["path"] not in _ALWAYS:
            message = f"{limits.running} requests are being answered; try again"
            raise Refusal(503, "busy", message)
        try:
            with anyio.fail_after(limits.seconds):
                body = await self._body(receive)
                await self._app(scope, _of_body(body, receive), answer.send)
        except TimeoutError:
            message = f"no answer within {limits.seconds:g} seconds; ask for less"
            raise Refusal(504, "timeout", message) from None

    async def _body(self, receive: Any) -> bytes:
        """The body of a request, read up to the limit."""
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b""
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limits.body_bytes:
                text = f"the body is larger than {self._limits.body_bytes:,} bytes"
                raise Refusal(413, "too_large", text)
            if not message.get("more_body"):
                return b"".join(parts)


def _of_body(body: bytes, receive: Any) -> Any:
    """The `receive` of a request whose body has been read."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Any:
        return waiting.pop() if waiting else await receive()

    return next_message


class _Answer:
    """The answer to one request, as far as it is sent."""

    def __init__(self, send: Any):
        self._send = send
        self.status = 0

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal, unless an answer has begun."""
        if self.status:
            return
        body = json.dumps(refusal.content).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if refusal.status == 503:
            headers.append((b"retry-after", b"1"))
        # What is left of the request is not read.
        headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": refusal.status}
        await self.send({**start, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})
