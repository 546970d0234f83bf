"""
The daemon's metrics, for Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as MetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime

from aerostack.auth.authenticator import Authenticator
from aerostack.core.diagnosis.histogram import Histogram
from aerostack.delivery.slices import makeCooperator
from aerostack.net.http.base import JSONResource
from aerostack.net.http.measured import Measured, WorkerLoad
from aerostack.net.http.metriclist import METRICS, Metric, labelsOf, metricOf, valuesOf
from aerostack.net.http.requests import BoundedRequest, headersOf, isLocal, operatorOf

WORKER = "worker"
"""The label that names a worker."""


PIECE = 20
"""How many numbers or histograms of a metric are written before the time is checked."""


class _Families(Collector):
    """
    Gives some metrics to the library.
    """

    def __init__(self, *families: MetricFamily) -> None:
        self._families = families

    def collect(self) -> Iterable[MetricFamily]:
        """
        See L{Collector}.
        """
        return self._families


Encode = Callable[[Any], bytes]
"""Writes the metrics of a collector as text."""


def expose(measured: Measured, encode: Encode, parts: list[bytes]) -> Iterator[None]:
    """
    Write the metrics as text, some numbers between two steps: many projects and patterns of topics
    make many of them.

    @param parts: Gets the text.
    """
    end = encode(_Families())
    name, head = "", b""
    for family in _families(measured):
        text = encode(_Families(family)).removesuffix(end)
        if family.name == name:
            # The piece before has begun the metric.
            text = text.removeprefix(head)
        else:
            name = family.name
            bare = MetricFamily(name, family.documentation, family.type)
            head = encode(_Families(bare)).removesuffix(end)
        parts.append(text)
        yield
    parts.append(end)


def _families(measured: Measured) -> Iterator[MetricFamily]:
    """The metrics; those with very many numbers in several pieces."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for key, value in measured.values.items():
        values[metricOf(key)][key] = value
    for metric in METRICS:
        if metric.kind != "histogram":
            numbers = values[metric.name]
            for keys in _pieces(numbers):
                yield _numbers(metric, keys, numbers)
            continue
        timings = measured.timings.get(metric.name)
        if timings is None:
            # A daemon that waits for its database has done nothing that took time.
            continue
        if isinstance(timings, Histogram):
            yield _histogram(metric, [""], {"": timings})
        else:
            for keys in _pieces(timings):
                yield _histogram(metric, keys, timings)
    if measured.workers:
        yield from _workers(measured.workers)


def _pieces(keys: Iterable[str]) -> Iterator[list[str]]:
    """Keys in their order, some at a time; one piece if there are none."""
    found = sorted(keys)
    for begin in range(0, max(1, len(found)), PIECE):
        yield found[begin : begin + PIECE]


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


def _numbers(metric: Metric, keys: list[str], values: Mapping[str, float]) -> MetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for key in keys:
        family.add_metric(labelsOf(key), values[key])
    return family


def _histogram(metric: Metric, keys: list[str], timings: Mapping[str, Histogram]) -> MetricFamily:
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for key in keys:
        labels = valuesOf(key) if metric.labels else []
        family.add_metric(labels, _buckets(timings[key]), timings[key].total)
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
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        """
        @param measure: Gives the numbers.
        @param clock: Lets the writing go on in later turns.
        """
        super().__init__()
        self._cooperator = makeCooperator(clock)
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
        self, measured: Measured, encode: Encode, mediaType: str
    ) -> Deferred[tuple[int, _Exposition]]:
        parts: list[bytes] = []
        written = self._cooperator.coiterate(expose(measured, encode, parts))
        return written.addCallback(lambda _: (200, _Exposition(b"".join(parts), mediaType)))

    def encode(self, body: Any) -> tuple[bytes, bytes]:
        if isinstance(body, _Exposition):
            return body.text, body.mediaType.encode("latin-1")
        return super().encode(body)
