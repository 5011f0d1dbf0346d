"""What Prometheus reads: counts and times, of nobody in particular."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Measures:
    """The measures of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "knownface_api_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "knownface_api_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.under_way = Gauge("knownface_api_requests_under_way", "Requests under way.", registry=self._registry)
        self._batches = Histogram(
            "knownface_api_batch_photos",
            "Photos that shared a pass through the networks.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )
        self._waiting = Gauge("knownface_api_photos_waiting", "Photos that wait for a pass.", registry=self._registry)
        self._decisions = Counter(
            "knownface_api_decisions", "Decisions about faces and pairs.", ["verb", "decision"], registry=self._registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, photos: int) -> None:
        """Counts a pass."""
        self._batches.observe(photos)

    def decided(self, verb: str, decision: str) -> None:
        """Counts a decision."""
        self._decisions.labels(verb, decision).inc()

    def ask_waiting(self, waiting: Callable[[], int]) -> None:
        """Where to ask how many photos wait."""
        self._waiting.set_function(waiting)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)
