"""
Tests for L{aerostack.ai.upstream} over real connections.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.server import Site
from zope.interface import implementer

from aerostack.ai.upstream import Upstream
from aerostack.core.answers.outcome import Outcome
from aerostack.settings.ai import ModelConfig
from aerostack.testing.models import HANG, ModelAnswer, ModelServer, chunk, words
from tests.ai.test_upstream import REQUEST, Taker

reactor: Any = _reactor


class Waiter(Taker):
    """
    Takes an answer, and says when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.done: Deferred[Outcome] = Deferred()

    def ended(self, outcome: Outcome) -> None:
        super().ended(outcome)
        self.done.callback(outcome)


@implementer(IPushProducer)
class EndlessHead(Protocol):
    """
    Sends headers for as long as the client reads them.

    @ivar isOver: Whether the client has closed the connection.
    """

    isOver = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 200 OK\r\n")
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._isPaused = False
        while not self._isPaused and not self.isOver:
            assert self.transport is not None
            self.transport.write(b"X-Y: " + 10_000 * b"z" + b"\r\n")

    def pauseProducing(self) -> None:
        self._isPaused = True

    def stopProducing(self) -> None:
        self.isOver = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.isOver = True


class ConnectionTests(TestCase):
    """
    Asks a server on the loopback interface.
    """

    def setUp(self) -> None:
        self.server = ModelServer(reactor)
        self.site = Site(self.server)
        self.connections = 0
        build = self.site.buildProtocol

        def count(address: Any) -> Any:
            self.connections += 1
            return build(address)

        self.site.buildProtocol = count  # type: ignore[method-assign]
        port = reactor.listenTCP(0, self.site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        config = ModelConfig(f"http://127.0.0.1:{port.getHost().port}/v1", model="m")
        self.model = Upstream(reactor, "default", config, reactor.seconds)

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.until(lambda: not self.server.open)
        # The end of the body may come a turn after the last event.
        await deferLater(reactor, 0.05)
        await self.model.stop()

    async def until(self, what: Any) -> None:
        """
        Wait until something holds.
        """
        while not what():
            await deferLater(reactor, 0.01)

    async def test_reused(self) -> None:
        """
        The connection is used again for the next answer.
        """
        for _ in range(3):
            taker = Waiter()
            self.model.ask(REQUEST, taker)
            outcome = await taker.done
            self.assertEqual((taker.text, outcome.error), ("Hello world", None))
            await self.until(lambda: not self.server.open)
            # The end of the body may come a turn after the last event.
            await deferLater(reactor, 0.05)
        self.assertEqual(self.connections, 1)

    async def test_pause(self) -> None:
        """
        While the receiver reads nothing, the model's server is held up.
        """
        text = "x" * 50_000
        answer = words(*([text] * 400))
        self.server.answers[:] = [ModelAnswer([p for p in answer.pieces if p != 0.0])]
        taker = Waiter()
        taker.reply = self.model.ask(REQUEST, taker)
        await self.until(lambda: taker.text)
        taker.reply.pause()
        before = len(taker.text)
        await deferLater(reactor, 0.2)
        # What the connection had read already may still have come.
        self.assertLess(len(taker.text) - before, 1_000_000)
        self.assertFalse(taker.done.called)
        taker.reply.resume()
        await taker.done
        self.assertEqual(taker.text, text * 400)

    async def test_cancel(self) -> None:
        """
        The server sees at once that the answer is not wanted any more.
        """
        self.server.answers[:] = [ModelAnswer([chunk({"content": "a"})], ending=HANG)]
        taker = Waiter()
        taker.reply = self.model.ask(REQUEST, taker)
        await self.until(lambda: taker.text)
        taker.reply.cancel()
        await self.until(lambda: not self.server.open)
        self.assertFalse(taker.done.called)

    async def test_endlessHead(self) -> None:
        """
        A server that sends headers without an end is not listened to for long, and the answer
        fails.
        """
        hostile = [EndlessHead(), EndlessHead()]
        factory: Any = Factory()
        waiting = list(hostile)
        factory.buildProtocol = lambda address: waiting.pop()
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        config = ModelConfig(f"http://127.0.0.1:{port.getHost().port}/v1", model="m")
        model = Upstream(reactor, "default", config, reactor.seconds)
        taker = Waiter()
        model.ask(REQUEST, taker)
        await taker.done
        self.assertEqual((taker.text, taker.error.code), ("", "model_failed"))
        await self.until(lambda: all(each.isOver for each in hostile))
        await model.stop()

    async def test_cancelEarly(self) -> None:
        """
        So it does before anything has come.
        """
        self.server.answers[:] = [ModelAnswer(ending=HANG)]
        reply = self.model.ask(REQUEST, Waiter())
        await self.until(lambda: self.server.open)
        reply.cancel()
        await self.until(lambda: not self.server.open)
