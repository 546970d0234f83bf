"""
Random runs of a server's SDK whose requests are cut off, refused for a while, or lost.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.iweb import IAgent
from zope.interface import implementer

from aerostack.client.sdk import TwistedSDK
from aerostack.client.stream import Stream
from aerostack.core.answers.units import units
from aerostack.testing import SECRET_KEY, World
from aerostack.testing.world import URL
from tests.client.agents import Response
from tests.client.worlds import WorldTestCase

TOPIC = "ai-chat/7"

TAKEOVER = 16.0
"""For how many seconds a stream may be refused."""

BUSY = (
    b'{"success": false, "error": "engine_unavailable", "retryAfter": 1000,'
    b' "message": "Another daemon takes the stream over."}'
)


@implementer(IAgent)
class CuttingAgent:
    """
    Takes requests to a daemon in memory, and cuts some of them off: before the daemon gets them, or
    behind what it does.
    """

    def __init__(self, world: World, random: Random) -> None:
        self._world = world
        self._random = random
        self._inner: Any = world.agent()
        # Until when all is refused, seconds of the clock.
        self._refused = 0.0

    def restarted(self) -> None:
        """
        Reach the daemon that was started again.
        """
        self._inner = self._world.agent()

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        now = self._world.clock.seconds()
        # A call is repeated for longer than one takeover takes, but not than two.
        if now >= self._refused + 60 and self._random.random() < 0.1:
            self._refused = now + self._random.uniform(0, TAKEOVER)
        if now < self._refused:
            return succeed(Response(503, BUSY))
        chance = self._random.random()
        if chance < 0.1:
            return fail(ConnectionRefusedError())
        asked: Deferred[Any] = self._inner.request(method, uri, headers, bodyProducer)
        if chance < 0.25:
            asked.addCallback(lambda _: Failure(ResponseNeverReceived([Failure(ConnectionLost())])))
        return asked


class CutTests(WorldTestCase):
    """
    Tests with random runs.
    """

    runs = 25

    def test_cuts(self) -> None:
        """
        One stream begins, and the history and a watcher have its text once, whatever was cut off,
        refused for the time of a takeover, or lost with a daemon that was started again.
        """
        for seed in range(self.runs):
            self.setUp()
            try:
                self.run_(Random(seed))
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error}") from error

    def wait(self, waiting: Deferred[Any]) -> Any:
        """
        What something comes to in a while.
        """
        came: list[Any] = []
        waiting.addCallback(came.append)
        for _ in range(200):
            self.world.turn()
            if came:
                return came[0]
            self.world.advance(1)
        return self.successResultOf(waiting)

    def run_(self, random: Random) -> None:
        """
        One run.
        """
        agent = CuttingAgent(self.world, random)
        sdk = TwistedSDK(self.world.clock, URL, SECRET_KEY, agent=agent)
        channel = self.client().channel(TOPIC)
        self.result(channel.subscribe())
        stream: Stream = self.wait(sdk.ai.start(TOPIC, lease=300))
        # Until then a daemon that is killed knows nothing of it.
        self.world.advance(2)
        whole = ""
        for number in range(random.randint(5, 30)):
            text, reset = f"{number}😀 ", None
            if random.random() < 0.1:
                whole = whole[: random.randint(0, len(whole))]
                reset = units(whole)
            whole += text
            stream.write(text, reset=reset).addErrback(lambda _: None)
            self.world.turn()
            self.world.advance(random.choice((0, 0.1, 0.5, 3)))
            if random.random() < 0.1:
                self.world.turn()
                self.world.cut()
                self.world.restart()
                agent.restarted()
        self.assertEqual(self.wait(stream.end())["state"], "done")
        # A second stream would have ended with its lease by then.
        self.world.advance(400)
        self.world.turn()
        found = self.result(self.world.sdk().ai.get(stream.id))
        newest = channel.answers.newest
        self.assertEqual((found["text"], newest.text, newest.state), (whole, whole, "done"))
        self.assertEqual(len(self.world.history.messages), 1)
