"""
What the daemon counts, for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aerostack.auth.authenticator import Authenticator
from aerostack.net.http.requests import BoundedRequest, isLocal, operatorOf
from aerostack.net.http.resources import JSONResource


@dataclass(frozen=True)
class Metric:
    """
    One number.

    @ivar kind: C{counter} if it only grows while the daemon runs, else C{gauge}.
    @ivar meaning: What it is.
    """

    name: str
    kind: str
    meaning: str


METRICS = (
    Metric("aerostack_connections", "gauge", "WebSocket connections that are open."),
    Metric("aerostack_subscriptions", "gauge", "Subscriptions of all connections together."),
    Metric("aerostack_topics", "gauge", "Topics that have a subscriber."),
    Metric("aerostack_publications_total", "counter", "Events and messages that were published."),
    Metric("aerostack_changes_total", "counter", "Table changes that were read."),
    Metric("aerostack_delivered_total", "counter", "Frames that were given to subscribers live."),
    Metric("aerostack_feed_up", "gauge", "1 while table changes can be read, else 0."),
    Metric(
        "aerostack_feed_lag_seconds",
        "gauge",
        "How long ago everything had been told that was committed; 0 while no table is watched.",
    ),
    Metric(
        "aerostack_feed_unnumbered_seconds",
        "gauge",
        "How old the oldest committed change is that has no number yet; 0 if there is none.",
    ),
    Metric("aerostack_feed_position", "gauge", "The number of the newest change that was told."),
    Metric(
        "aerostack_open_transaction_seconds",
        "gauge",
        "How long the database's oldest transaction has been open; 0 if none is known to be.",
    ),
    Metric("aerostack_healthy", "gauge", "1 if /health is 200, else 0."),
)


def render(values: Mapping[str, float]) -> str:
    """
    Write metrics down.

    @param values: The value of each of L{METRICS}, by its name.
    """
    return "".join(
        f"# HELP {metric.name} {metric.meaning}\n"
        f"# TYPE {metric.name} {metric.kind}\n"
        f"{metric.name} {values[metric.name]}\n"
        for metric in METRICS
    )


class MetricsResource(JSONResource):
    """
    The metrics, for whoever is on this machine or brings a project's secret key.
    """

    def __init__(
        self,
        measure: Callable[[], Mapping[str, float]],
        authenticator: Authenticator,
        wall: Callable[[], float],
    ) -> None:
        """
        @param measure: Gives the values; see L{render}.
        """
        super().__init__()
        self._measure = measure
        self._authenticator = authenticator
        self._wall = wall

    def answer(self, request: BoundedRequest) -> Any:
        if not isLocal(request):
            operatorOf(request, self._authenticator, self._wall(), "Metrics are")
        return 200, render(self._measure())

    def encode(self, body: Any) -> tuple[bytes, bytes]:
        if isinstance(body, str):
            return body.encode("utf-8"), b"text/plain; version=0.0.4; charset=utf-8"
        return super().encode(body)
