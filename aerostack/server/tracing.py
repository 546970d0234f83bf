"""
Traces for OpenTelemetry.

The library is optional.  So this module imports it only when something is to be traced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, TimeoutError, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack import __version__
from aerostack.core.diagnosis.tracing import Tracer
from aerostack.server.waiting import inThread
from aerostack.settings.tracing import TracingConfig

NAME = "aerostack-rt"

EXPORT = 5
"""Seconds that one export may take."""

GOODBYE = 2.0
"""Seconds that a stop waits for the last export."""

WAITING = 2_048
"""How many spans wait for their export.  Further ones are dropped."""

_NANO = 1_000_000
"""Nanoseconds in a millisecond."""


class OpenTelemetryTrace:
    """
    See L{aerostack.core.diagnosis.tracing.Trace}.
    """

    def __init__(self, api: Any, tracer: Any, root: Any, first: str) -> None:
        """
        @param api: The module C{opentelemetry.trace}.
        @param root: The span of the whole way.
        @param first: The name of the part that begins.
        """
        self._api = api
        self._tracer = tracer
        self._root = root
        self._context = api.set_span_in_context(root)
        self._part = tracer.start_span(first, self._context)

    @property
    def parent(self) -> str:
        """See L{aerostack.core.diagnosis.tracing.Trace}."""
        context = self._root.get_span_context()
        ids = f"{context.trace_id:032x}-{context.span_id:016x}"
        return f"00-{ids}-{context.trace_flags:02x}"

    def placed(self) -> None:
        self._part.end()
        self._part = self._tracer.start_span("deliver", self._context)

    def failed(self, reason: str) -> None:
        for span in (self._part, self._root):
            span.set_status(self._api.StatusCode.ERROR, reason)
            span.end()

    def sent(self) -> None:
        self._part.end()
        self._root.end()


class OpenTelemetrySpan:
    """
    See L{aerostack.core.diagnosis.tracing.Span}.
    """

    def __init__(self, api: Any, span: Any) -> None:
        """
        @param api: The module C{opentelemetry.trace}.
        """
        self._api = api
        self._span = span

    def failed(self, reason: str) -> None:
        self._span.set_status(self._api.StatusCode.ERROR, reason)
        self._span.end()

    def ended(self) -> None:
        self._span.end()


class OpenTelemetryTracer:
    """
    See L{Tracer}.
    """

    def __init__(self, provider: Any) -> None:
        """
        @param provider: A C{TracerProvider}.
        """
        self._api = import_module("opentelemetry.trace")
        self._context = import_module("opentelemetry.context")
        propagation = import_module("opentelemetry.trace.propagation.tracecontext")
        self._propagator = propagation.TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer(NAME, __version__)

    def publication(self, kind: str, isKept: bool) -> OpenTelemetryTrace | None:
        project, _, topics = kind.partition("\0")
        attributes = {
            "aerostack.project": project,
            "aerostack.topics": topics,
            "aerostack.kept": isKept,
        }
        root = self._tracer.start_span("publish", attributes=attributes)
        return self._begin(root, "keep" if isKept else "order")

    def commit(self, topics: str, at: int) -> OpenTelemetryTrace | None:
        # The part before this one belongs to the database and the tracker.
        root = self._tracer.start_span(
            "commit", attributes={"aerostack.topics": topics}, start_time=at * _NANO
        )
        return self._begin(root, "deliver")

    def _begin(self, root: Any, first: str) -> OpenTelemetryTrace | None:
        if not root.is_recording():
            return None
        return OpenTelemetryTrace(self._api, self._tracer, root, first)

    def part(self, name: str, parent: str) -> OpenTelemetrySpan | None:
        within = self._propagator.extract({"traceparent": parent})
        span = self._tracer.start_span(name, within)
        return OpenTelemetrySpan(self._api, span) if span.is_recording() else None

    @contextmanager
    def within(self, traceparent: str | None) -> Iterator[None]:
        if traceparent is None:
            yield
            return
        found = self._propagator.extract({"traceparent": traceparent})
        token = self._context.attach(found)
        try:
            yield
        finally:
            self._context.detach(token)


def makeProvider(sample: float, processor: Any) -> Any:
    """
    Make a C{TracerProvider}.

    @param sample: The part of the traces that are sent, 0 to 1, of those about which no caller has
        decided.
    @param processor: Takes the spans that have ended.
    """
    sdk = import_module("opentelemetry.sdk.trace")
    sampling = import_module("opentelemetry.sdk.trace.sampling")
    resources = import_module("opentelemetry.sdk.resources")
    provider = sdk.TracerProvider(
        sampler=sampling.ParentBasedTraceIdRatio(sample),
        resource=resources.Resource.create({"service.name": NAME, "service.version": __version__}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    return provider


class ReportingExporter:
    """
    Sends spans, and says in the daemon's log when that begins to fail and when it works again.  The
    library would say it at every attempt, and on another way than the log.
    """

    log = Logger()

    def __init__(self, exporter: Any, endpoint: str, call: Callable[..., object]) -> None:
        """
        @param exporter: A C{SpanExporter}.
        @param call: Calls a function in the reactor's thread.
        """
        self._exporter = exporter
        self._endpoint = endpoint
        self._call = call
        self._isGood = True
        self.shutdown = exporter.shutdown
        self.force_flush = exporter.force_flush

    def export(self, spans: Any) -> Any:
        """
        Send spans.  The library calls this in a thread of its own.
        """
        result = self._exporter.export(spans)
        isGood = result.name == "SUCCESS"
        if isGood != self._isGood:
            self._isGood = isGood
            self._call(self._say, isGood)
        return result

    def _say(self, isGood: bool) -> None:
        if isGood:
            self.log.info("traces go to {endpoint} again", endpoint=self._endpoint)
        else:
            self.log.warn(
                "{endpoint} does not take traces; they are dropped until it does",
                endpoint=self._endpoint,
            )


class Tracing(Service):
    """
    Sends traces while a process serves clients.

    @ivar tracer: Begins traces; L{None} if nothing is traced.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, config: TracingConfig, runner: Callable[..., None] = inThread
    ) -> None:
        """
        @param runner: Waits for the last export; see L{inThread}.
        """
        self._reactor = reactor
        self._endpoint = config.endpoint
        self._runner = runner
        self.tracer: Tracer | None = None
        self._provider: Any = None
        self._gone: Deferred[None] = succeed(None)
        if config.endpoint is None:
            return
        export = import_module("opentelemetry.sdk.trace.export")
        otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        # L{ReportingExporter} writes the library's complaints into our log, each once.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False
        exporter = ReportingExporter(
            otlp.OTLPSpanExporter(config.endpoint, timeout=EXPORT),
            config.endpoint,
            reactor.callFromThread,
        )
        # Its thread sends what is in the queue.
        processor = export.BatchSpanProcessor(exporter, max_queue_size=WAITING)
        self._provider = makeProvider(config.sample, processor)
        self.tracer = OpenTelemetryTracer(self._provider)

    def stopService(self) -> None:
        super().stopService()
        if self._provider is None:
            return
        ended = self._gone = Deferred()

        def outcome(error: Exception | None) -> None:
            if error is None:
                ended.callback(None)
            else:
                ended.errback(error)

        self._runner(self._reactor, self._provider.shutdown, outcome)
        ended.addTimeout(GOODBYE, self._reactor).addErrback(self._unsent)

    def whenGone(self) -> Deferred[None]:
        """
        Wait for the last export once the service has stopped.  A stop does this behind all else: a
        collector that does not answer must not take the time that the database needs.
        """
        return self._gone

    def _unsent(self, failure: Failure) -> None:
        if not failure.check(TimeoutError):
            self.log.failure("the last traces were not sent", failure)
            return
        self.log.warn(
            "{endpoint} does not take the last traces; they are lost", endpoint=self._endpoint
        )
