"""
The daemon's metrics, for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as MetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from twisted.internet.defer import Deferred, maybeDeferred

from aerostack.auth.authenticator import Authenticator
from aerostack.core.diagnosis.histogram import Histogram
from aerostack.interfaces.models import STATUSES
from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest, headersOf, isLocal, operatorOf

KIND = "kind"
"""The label that tells several histograms of one metric apart.  No client chooses its values."""

DATABASE_CALLS = "aerostack_database_call_seconds"
"""The metric of the database's calls, by the purpose of the connection."""

WORKER = "worker"
"""The label that names a worker."""


@dataclass(frozen=True)
class Metric:
    """
    One number, or one histogram.

    @ivar kind: C{counter} if it only grows while the daemon runs, C{histogram} if it counts
        things by how long they took, else C{gauge}.
    @ivar meaning: The help text.
    @ivar join: Makes the daemon's number of those of its workers.
    @ivar label: The label that tells several numbers of one metric apart; empty if there is one
        number.
    @ivar of: The values of that label.
    """

    name: str
    kind: str
    meaning: str
    join: Callable[[Iterable[float]], float] = sum
    label: str = ""
    of: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of its numbers among all values."""
        return tuple(keyOf(self.name, each) for each in self.of) if self.label else (self.name,)


def keyOf(name: str, value: str) -> str:
    """
    The name of one of several numbers of a metric.

    @param value: The value of its label.
    """
    return f"{name} {value}"


MODEL_REQUESTS = "aerostack_model_requests_total"
"""The metric of the requests to models, by what becomes of them."""


METRICS = (
    Metric("aerostack_connections", "gauge", "Open WebSocket connections."),
    Metric("aerostack_subscriptions", "gauge", "Subscriptions of all connections together."),
    Metric("aerostack_topics", "gauge", "Topics that have a subscriber."),
    Metric("aerostack_publications_total", "counter", "Events and messages that were published."),
    Metric("aerostack_changes_total", "counter", "Table changes that the daemon has read."),
    Metric("aerostack_delivered_total", "counter", "Live frames that were given to subscribers."),
    Metric("aerostack_feed_up", "gauge", "1 while the daemon can read table changes, else 0.", min),
    Metric(
        "aerostack_feed_lag_seconds",
        "gauge",
        "Seconds since the daemon had sent every committed change; 0 while no table is watched.",
        max,
    ),
    Metric(
        "aerostack_feed_unnumbered_seconds",
        "gauge",
        "Age of the oldest committed change that has no number yet; 0 if there is none.",
        max,
    ),
    Metric("aerostack_feed_position", "gauge", "Number of the newest change that was sent.", max),
    Metric(
        "aerostack_open_transaction_seconds",
        "gauge",
        "Age of the database's oldest open transaction; 0 if none is known.",
        max,
    ),
    Metric(
        "aerostack_engine_up", "gauge", "1 if the engine answers, or there is none, else 0.", min
    ),
    Metric(
        "aerostack_nodes",
        "gauge",
        "Daemons on the engine that were heard in the last ten seconds, with this one.",
        max,
    ),
    Metric(
        "aerostack_nodes_silent",
        "gauge",
        "Daemons on the engine that were not heard for ten seconds, and have not said that they"
        " stop.",
        max,
    ),
    Metric(
        "aerostack_nodes_different",
        "gauge",
        "Daemons on the engine that have another database or other settings.",
        max,
    ),
    Metric("aerostack_healthy", "gauge", "1 if /health is 200, else 0.", min),
    Metric(
        "aerostack_publish_to_socket_seconds",
        "histogram",
        "Time from the arrival of a publication until every subscriber's socket has it.",
    ),
    Metric(
        "aerostack_commit_to_socket_seconds",
        "histogram",
        "Time from the change of a row until every subscriber's socket has it.",
    ),
    Metric(
        "aerostack_event_loop_delay_seconds",
        "histogram",
        "Delay of a call that the event loop makes every 125 ms.",
    ),
    Metric("aerostack_model_answers", "gauge", "Answers of models that run."),
    Metric("aerostack_model_answers_total", "counter", "Answers that models were asked for."),
    Metric(
        "aerostack_model_failures_total", "counter", "Answers that models broke off or refused."
    ),
    Metric(
        MODEL_REQUESTS,
        "counter",
        "Requests to models, by status.",
        label="status",
        of=STATUSES,
    ),
    Metric("aerostack_streams", "gauge", "Token streams that run."),
    Metric(
        "aerostack_stream_watchers",
        "gauge",
        "Subscribers of topics on which token streams run, and requests over HTTP that read them.",
    ),
    Metric("aerostack_streams_done_total", "counter", "Token streams that have ended as done."),
    Metric("aerostack_streams_failed_total", "counter", "Token streams whose producers failed."),
    Metric("aerostack_streams_cancelled_total", "counter", "Token streams that were cancelled."),
    Metric("aerostack_streams_aborted_total", "counter", "Token streams that the daemon ended."),
    Metric(
        "aerostack_streams_unkept_total",
        "counter",
        "Ends of token streams that were sent before the database had kept them.",
    ),
    Metric("aerostack_streams_bytes", "gauge", "Memory that token streams take."),
    Metric(
        "aerostack_stream_appends_total", "counter", "Texts and values that producers have sent."
    ),
    Metric("aerostack_stream_characters_total", "counter", "Characters that producers have sent."),
    Metric(
        "aerostack_stream_frames_total",
        "counter",
        "Frames that brought text to watchers, each counted once for all watchers.",
    ),
    Metric(
        "aerostack_stream_late_joins_total",
        "counter",
        "Subscriptions that began while a token stream was running.",
    ),
    Metric(
        "aerostack_stream_snapshot_bytes_total",
        "counter",
        "Bytes that these subscriptions were sent at their beginnings.",
    ),
    Metric(
        "aerostack_stream_first_token_seconds",
        "histogram",
        "Time from the start of a token stream until its first text.",
    ),
    Metric(
        "aerostack_stream_append_to_socket_seconds",
        "histogram",
        "Time from the arrival of text of a token stream until every subscriber's socket has it.",
    ),
    Metric(
        "aerostack_stream_tick_seconds",
        "histogram",
        "Time of a tick, until every subscriber's socket has what streams have grown by.",
    ),
    Metric(
        DATABASE_CALLS,
        "histogram",
        "Time of a database call, including the wait for a connection, by kind.",
    ),
)


Timings = Mapping[str, Histogram | Mapping[str, Histogram]]
"""The histograms by the names of their metrics; where a metric has several, by their label."""


@dataclass(frozen=True)
class WorkerLoad:
    """
    How much a worker has to do.

    @ivar connections: How many connections of clients it has.
    @ivar lag: How late its reactor was, seconds.
    @ivar processor: The processor time that it has used, seconds.
    @ivar memory: How much memory it has, bytes; 0 if the system does not say.
    @ivar deaths: How often it has died, and was started again.
    """

    connections: int
    lag: float
    processor: float
    memory: int
    deaths: int


@dataclass(frozen=True)
class Measured:
    """
    All numbers of the daemon, at one time.

    @ivar values: The values of L{METRICS} by name, without the histograms.
    @ivar timings: The histograms.
    @ivar workers: The loads of the workers by their names, if there are workers.
    """

    values: Mapping[str, float]
    timings: Timings
    workers: Mapping[str, WorkerLoad] = field(default_factory=dict)


class _DaemonCollector(Collector):
    """
    Gives the numbers of one request for the metrics to the library.

    @ivar measured: The numbers.
    """

    measured: Measured | None = None

    def collect(self) -> Iterator[MetricFamily]:
        """
        See L{CollectorRegistry}.
        """
        if self.measured is None:
            # The library looks which metrics there are.
            return
        values = self.measured.values
        for metric in METRICS:
            if metric.kind == "histogram":
                yield _histogram(metric, self.measured.timings[metric.name])
            else:
                yield _numbers(metric, values)

        if self.measured.workers:
            yield from _workers(self.measured.workers)


def _workers(workers: Mapping[str, WorkerLoad]) -> Iterator[MetricFamily]:
    connections = GaugeMetricFamily(
        "aerostack_worker_connections", "Open connections of a worker.", labels=[WORKER]
    )
    lag = GaugeMetricFamily(
        "aerostack_worker_lag_seconds",
        "How late a worker's event loop was at its last heartbeat.",
        labels=[WORKER],
    )
    processor = CounterMetricFamily(
        "aerostack_worker_processor_seconds_total",
        "Processor time that a worker has used since it was started.",
        labels=[WORKER],
    )
    memory = GaugeMetricFamily(
        "aerostack_worker_memory_bytes", "Resident memory of a worker.", labels=[WORKER]
    )
    deaths = CounterMetricFamily(
        "aerostack_worker_deaths_total",
        "How often a worker has died and was started again.",
        labels=[WORKER],
    )
    for name, load in workers.items():
        connections.add_metric([name], load.connections)
        lag.add_metric([name], load.lag)
        processor.add_metric([name], load.processor)
        memory.add_metric([name], load.memory)
        deaths.add_metric([name], load.deaths)
    yield from (connections, lag, processor, memory, deaths)


def _numbers(metric: Metric, values: Mapping[str, float]) -> MetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    if not metric.label:
        return kind(metric.name, metric.meaning, values[metric.name])
    family = kind(metric.name, metric.meaning, labels=[metric.label])
    for each, key in zip(metric.of, metric.keys, strict=True):
        family.add_metric([each], values[key])
    return family


def _histogram(metric: Metric, timings: Histogram | Mapping[str, Histogram]) -> MetricFamily:
    if isinstance(timings, Histogram):
        return HistogramMetricFamily(metric.name, metric.meaning, _buckets(timings), timings.total)
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=[KIND])
    for kind, histogram in timings.items():
        family.add_metric([kind], _buckets(histogram), histogram.total)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    return [(floatToGoString(bound), count) for bound, count in histogram.buckets()]


class _Exposition(NamedTuple):
    """
    The metrics as text.
    """

    text: bytes
    mediaType: str


class MetricsResource(JSONResource):
    """
    The metrics, for requests from this machine and for requests with a project's secret key.
    """

    def __init__(
        self,
        measure: Callable[[], Measured | Deferred[Measured]],
        authenticator: Authenticator,
        wall: Callable[[], float],
    ) -> None:
        """
        @param measure: Gives the numbers.
        """
        super().__init__()
        # Several daemons may run in one process, as in the tests, so none uses the global registry.
        self._registry = CollectorRegistry()
        self._collector = _DaemonCollector()
        self._registry.register(self._collector)
        self._measure = measure
        self._authenticator = authenticator
        self._wall = wall

    def answer(self, request: BoundedRequest) -> Any:
        if not isLocal(request):
            operatorOf(request, self._authenticator, self._wall(), "Metrics are")
        accept = ",".join(headersOf(request).get("accept", ()))
        try:
            encode, mediaType = choose_encoder(accept)
        except TypeError:
            # The library compares versions as numbers.
            encode, mediaType = choose_encoder("")
        measuring: Deferred[Any] = maybeDeferred(self._measure)
        return measuring.addCallback(self._expose, encode, mediaType)

    def _expose(
        self, measured: Measured, encode: Callable[[CollectorRegistry], bytes], mediaType: str
    ) -> tuple[int, _Exposition]:
        self._collector.measured = measured
        return 200, _Exposition(encode(self._registry), mediaType)

    def encode(self, body: Any) -> tuple[bytes, bytes]:
        if isinstance(body, _Exposition):
            return body.text, body.mediaType.encode("latin-1")
        return super().encode(body)
