"""
Tests for L{aerostack.server.tracing}, with OpenTelemetry's exporter for tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.auth.authenticator import Credentials
from aerostack.core.rows.changes import INSERT
from aerostack.protocol.codec import encodeValue
from aerostack.server.tracing import (
    GOODBYE,
    OpenTelemetryTracer,
    ReportingExporter,
    Tracing,
    makeProvider,
)
from aerostack.settings.tracing import TracingConfig
from aerostack.testing import SECRET_KEY, World
from tests.tables.test_feed import change

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
"""The example of the recommendation (W3C Trace Context, 2.2.3): sampled."""


class Reactor(Clock):
    """
    A clock with one thread.
    """

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        """Call at once."""
        call(*args)


class TracingTests(SynchronousTestCase):
    """
    Tests with a daemon in memory.
    """

    def setUp(self) -> None:
        self.world = World()
        self.trace(1.0)
        self.client = self.world.connect()
        for topic in ("chat/a", "orders"):
            self.client.ask(type="subscribe", topic=topic)

    def trace(self, sample: float) -> None:
        """
        Trace a part of what happens from now on.
        """
        self.exporter = InMemorySpanExporter()
        tracer = OpenTelemetryTracer(makeProvider(sample, SimpleSpanProcessor(self.exporter)))
        self.world.hub.publisher.tracer = self.world.rpc.tracer = tracer
        self.world.feeds.tracer = tracer

    def spans(self) -> dict[str, Any]:
        """
        The spans that have ended, by their names.
        """
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def emit(self, traceparent: str | None, **options: Any) -> Any:
        """
        Emit an event as a server does.
        """
        server = self.world.authenticator.identify(Credentials(key=SECRET_KEY), 0)
        body = {"method": "socket.emit", "args": ["e", 1, "chat/a", options]}
        return self.world.rpc.callWithin(server, encodeValue(body), traceparent)

    def assertParts(self, *names: str) -> None:
        """
        Assert that the first of some spans is the parent of the others.
        """
        spans = self.spans()
        self.assertEqual(set(spans), set(names))
        root = spans[names[0]]
        for name in names[1:]:
            self.assertEqual(spans[name].parent.span_id, root.context.span_id)
            self.assertGreaterEqual(spans[name].start_time, root.start_time)
            self.assertLessEqual(spans[name].end_time, root.end_time)

    def test_published(self) -> None:
        """
        A publication has a span, which has one for its order and one for its delivery.
        """
        self.client.ask(type="publish", topic="chat/a", event="e", data=1)
        self.world.turn()
        self.assertParts("publish", "order", "deliver")
        span = self.spans()["publish"]
        self.assertIsNone(span.parent)
        self.assertEqual(
            dict(span.attributes),
            {"aerostack.project": "p", "aerostack.topics": "**", "aerostack.kept": False},
        )

    def test_kept(self) -> None:
        """
        The span of a publication that is kept ends after the commit; of one that the database
        refuses it has the error.
        """
        self.world.history.held = []
        self.emit(None, persist=True)
        self.emit(None, persist=True).addErrback(lambda _: None)
        self.world.turn()
        self.assertEqual(self.spans(), {})
        self.world.history.release()
        self.world.turn()
        self.assertParts("publish", "keep", "deliver")
        self.exporter.clear()
        self.world.history.held = []
        self.emit(None, persist=True).addErrback(lambda _: None)
        self.world.history.refuse()
        self.assertParts("publish", "keep")
        self.assertFalse(self.spans()["publish"].status.is_ok)

    def test_parent(self) -> None:
        """
        An event belongs to the trace that its request names, and is traced if that is, whatever the
        part is that is traced of others.  A malformed traceparent counts as none.
        """
        self.trace(0.0)
        self.emit(PARENT)
        self.world.turn()
        span = self.spans()["publish"]
        self.assertEqual(f"{span.context.trace_id:032x}", TRACE)
        self.assertEqual(f"{span.parent.span_id:016x}", SPAN)
        self.exporter.clear()
        for parent in (None, "nonsense", f"00-{TRACE}-{SPAN}-00", ""):
            self.emit(parent)
            self.world.turn()
        self.assertEqual(self.spans(), {})
        self.trace(1.0)
        self.emit("nonsense")
        self.world.turn()
        self.assertIsNone(self.spans()["publish"].parent)

    def test_committed(self) -> None:
        """
        Changes of a table have a span from the time of the first change until they are sent.
        """
        self.world.tracker.change(change(INSERT, {"id": 1}))
        self.world.turn()
        self.assertParts("commit", "deliver")
        self.assertEqual(dict(self.spans()["commit"].attributes), {"aerostack.topics": "table/**"})

    def test_reported(self) -> None:
        """
        The log says once that the collector takes no traces, and once that it takes them again.
        """
        results = [*[SpanExportResult.FAILURE] * 3, *[SpanExportResult.SUCCESS] * 2]
        self.patch(self.exporter, "export", lambda spans: results.pop(0))
        said: list[str] = []
        exporter = ReportingExporter(
            self.exporter, "http://c.test/", lambda call, isGood: said.append(f"good: {isGood}")
        )
        for _ in range(5):
            exporter.export([])
        self.assertEqual(said, ["good: False", "good: True"])

    def test_stop(self) -> None:
        """
        The end of a stop waits for the last export, but not long for a collector that does not
        answer; nothing else waits for it.
        """
        for error, isLate in ((None, False), (None, True), (ValueError("on purpose"), False)):
            held: list[Any] = []
            reactor = Reactor()
            tracing = Tracing(
                reactor,
                TracingConfig(endpoint="http://127.0.0.1:9/v1/traces"),
                lambda reactor, attempt, outcome, held=held: held.extend((attempt, outcome)),
            )
            tracing.startService()
            self.successResultOf(maybeDeferred(tracing.stopService))
            stopped = tracing.whenGone()
            self.assertNoResult(stopped)
            shutDown, outcome = held
            shutDown()
            if isLate:
                reactor.advance(GOODBYE)
                self.successResultOf(stopped)
            outcome(error)
            self.successResultOf(stopped)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_off(self) -> None:
        """
        Without an endpoint there is no tracer.
        """
        self.assertIsNone(Tracing(self.world.clock, TracingConfig()).tracer)
        self.assertIsNone(World().hub.publisher.tracer)
