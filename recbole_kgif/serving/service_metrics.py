"""What a service counts, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as texts_of

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ServiceMetrics:
    """Counters of one service.

    Attributes:
        requests: answers by route and status code.
        seconds: duration of requests by route.
        running: requests that are being answered.
        reloads: how often a newer export was loaded.
        loaded_at: when the current export was loaded.
        items: items of the current export.
        users: users of the current export.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "kgif_requests",
            "Requests that were answered.",
            ("route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "kgif_request_seconds",
            "Duration of requests.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.running = self._gauge(
            "kgif_running_requests", "Requests that are being answered."
        )
        self.reloads = Counter(
            "kgif_reloads", "Newer exports that were loaded.", registry=self._registry
        )
        self.loaded_at = self._gauge(
            "kgif_export_loaded_timestamp_seconds",
            "When the current export was loaded, in seconds since 1970.",
        )
        self.items = self._gauge("kgif_items", "Items of the current export.")
        self.users = self._gauge("kgif_users", "Users of the current export.")

    def _gauge(self, name: str, description: str) -> Gauge:
        return Gauge(name, description, registry=self._registry)

    def text(self) -> bytes:
        """All values in Prometheus's text format."""
        return texts_of(self._registry)
