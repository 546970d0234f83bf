"""
One trace of a publication over the hub and its workers, with OpenTelemetry's exporter for tests.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from twisted.trial.unittest import SynchronousTestCase

from aerostack.server.tracing import OpenTelemetryTracer, makeProvider
from tests.stories.test_workers import TOPIC, Machine


class TracedWorkersTests(SynchronousTestCase):
    """
    Tests with a hub and two workers in memory, each with an exporter of its own.
    """

    def start(self, sample: float, atHub: float = 0.0) -> Machine:
        """
        Start the processes.

        @param sample: Which part of the publications the workers trace.
        @param atHub: Which part the hub would trace by itself.
        """
        self.exporters = [InMemorySpanExporter() for _ in range(3)]
        hub, *workers = [
            OpenTelemetryTracer(makeProvider(part, SimpleSpanProcessor(exporter)))
            for part, exporter in zip((atHub, sample, sample), self.exporters, strict=True)
        ]
        machine = Machine(hub)
        for world, tracer in zip(machine.workers, workers, strict=True):
            world.hub.publisher.tracer = tracer
        self.clients = [machine.connect(at, userId=f"u{at}") for at in range(2)]
        for client in self.clients:
            machine.ask(client, type="subscribe", topic=TOPIC)
        return machine

    def spans(self) -> list[dict[str, Any]]:
        """
        The spans that have ended, of the hub and of each worker, by their names.
        """
        return [
            {span.name: span for span in exporter.get_finished_spans()}
            for exporter in self.exporters
        ]

    def publish(self, machine: Machine, **fields: Any) -> list[dict[str, Any]]:
        """
        Publish at the first worker.

        @return: See L{spans}.
        """
        publish = {"type": "publish", "topic": TOPIC, "event": "e", "data": 1, "id": "1"}
        machine.ask(self.clients[0], **publish, **fields)
        machine.advance(0.1)
        return self.spans()

    def test_joined(self) -> None:
        """
        The hub's part, and the delivery by another worker, belong to the span of the worker at
        which a publication has come, also of one that is kept.
        """
        for persist in (False, True):
            hub, first, second = self.publish(self.start(1.0), persist=persist)
            self.assertEqual(set(first), {"publish", "keep" if persist else "order", "deliver"})
            self.assertEqual((set(hub), set(second)), ({"place"}, {"deliver"}))
            root = first["publish"].context
            for span in (hub["place"], second["deliver"]):
                self.assertEqual(span.context.trace_id, root.trace_id)
                self.assertEqual(span.parent.span_id, root.span_id)
                self.assertIsNotNone(span.end_time)

    def test_chat(self) -> None:
        """
        A chat message is traced in the same way.
        """
        machine = self.start(1.0)
        machine.ask(self.clients[0], type="chat", roomId=TOPIC.partition("/")[2], text="hi")
        machine.advance(0.1)
        hub, first, second = self.spans()
        self.assertEqual(hub["place"].parent.span_id, first["publish"].context.span_id)
        self.assertIn("deliver", second)

    def test_failed(self) -> None:
        """
        The hub's part of a publication that cannot be kept has the error.
        """
        machine = self.start(1.0)
        machine.hub.history.held = []
        publish = {"type": "publish", "topic": TOPIC, "event": "e", "data": 1, "persist": True}
        machine.ask(self.clients[0], **publish, id="1")
        machine.hub.history.refuse()
        machine.advance(0.1)
        hub, first, second = self.spans()
        self.assertFalse(hub["place"].status.is_ok)
        self.assertFalse(first["publish"].status.is_ok)
        self.assertEqual(second, {})

    def test_untraced(self) -> None:
        """
        What a worker does not trace, no other process traces, whatever part that would trace.
        """
        self.assertEqual(self.publish(self.start(0.0, atHub=1.0)), [{}, {}, {}])
