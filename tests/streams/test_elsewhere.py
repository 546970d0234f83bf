"""
Tests for L{aerostack.streams.elsewhere}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.core.answers.answer import End, Terms
from aerostack.core.answers.requests import Append, Put, StartRequest
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.streams.elsewhere import NodeStreams
from tests.streams.watching import CANONICAL, StreamCase

TOPIC = topicOf(CANONICAL)


class FakeNodes:
    """
    The other nodes, as one of them sees them.

    @ivar answers: What serves each of the others, by its name; L{None} for one that is silent.
    @ivar told: The questions that need no answer.
    """

    name = "here"
    isAlone = False

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[bytes, float], Deferred[bytes]] | None] = {}
        self.served: Any = None
        self.told: list[bytes] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.answers)

    def serve(self, kind: str, answer: Any) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.served = answer

    def tell(self, kind: str, data: bytes) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.told.append(data)

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        """See L{aerostack.interfaces.nodes.INodes}."""
        found: dict[str, bytes | None] = {}
        for name, answer in self.answers.items():
            if answer is None:
                found[name] = None
            else:
                answer(data, timeout).addCallback(lambda data, n=name: found.update({n: data}))
        return succeed(found)


class NodeStreamsTests(StreamCase):
    """
    Two nodes, and what is asked of one for a stream of the other.
    """

    def setUp(self) -> None:
        super().setUp()
        self.nodes, there = FakeNodes(), FakeNodes()
        NodeStreams(self.world.streams, there, self.world.streams.keeper.read)
        self.there = there.served
        # A world of its own, in which no stream runs.
        here = type(self.world)()
        self.local = here.streams
        # Both nodes have one history.
        self.streams = NodeStreams(here.streams, self.nodes, self.world.streams.keeper.read)
        self.nodes.answers = {"there": self.there}
        self.start(producer="run", owner="ann")
        self.append("abc")

    def code(self, asked: Deferred[Any]) -> RealtimeError:
        """
        The error of a call.
        """
        error = self.failureResultOf(asked, RealtimeError).value
        assert isinstance(error, RealtimeError)
        return error

    def test_calls(self) -> None:
        """
        Every call is answered as at the other node.
        """
        result = self.successResultOf
        streams = self.streams
        request = StartRequest(Terms(), "a1", "run")
        self.assertEqual(result(streams.start(TOPIC, request)).epoch, 1)
        self.assertEqual(result(streams.beat("p", "a1", 1)).length, {"0": 3})
        operations = [Append("0", "text", 3, "d"), Put("x", "data", {"name": b'"n"'})]
        self.assertEqual(result(streams.append("p", "a1", 1, operations)), {"0": 4, "x": 0})
        back = [Append("0", "text", 2, "cd", 1)]
        self.assertEqual(result(streams.append("p", "a1", 1, back)), {"0": 4, "x": 0})
        self.assertEqual(result(streams.beat("p", "a1", 1)).edition, {"0": 1})
        self.assertEqual(result(streams.find("p", "a1")).owner, "ann")
        self.assertIn(b'"text":"abcd"', result(streams.get("p", "a1")).data)
        ended = result(streams.end("p", "a1", 1, End("failed", "so", None, b"{}")))
        self.assertEqual((ended.state, ended.kept), ("failed", True))
        self.start("a2")
        self.assertEqual(result(streams.cancel("p", "a2", "ann")).state, "cancelled")
        error = self.code(streams.append("p", "a2", 1, operations))
        self.assertEqual((error.code, error.details["by"]), ("stream_ended", "ann"))

    def test_past(self) -> None:
        """
        A stream that no node has any more comes from the history; one that runs under the same id
        comes from its node.
        """
        self.successResultOf(self.streams.end("p", "a1", 1, End("done")))
        self.wait(400)
        found = self.successResultOf(self.streams.get("p", "a1"))
        self.assertEqual(found.topic, CANONICAL)
        self.assertIn(b'"state":"done","text":"abc"', found.data)
        self.start()
        found = self.successResultOf(self.streams.get("p", "a1"))
        self.assertIn(b'"state":"streaming","text":""', found.data)

    def test_own(self) -> None:
        """
        A stream of this node, and one that is new, needs no other node, but for the look whether it
        is there.
        """
        started = self.successResultOf(self.streams.start(TOPIC, StartRequest(Terms(), "b1")))
        self.assertIsNotNone(self.local.answers.get("p", "b1"))
        self.nodes.answers = {"there": None}
        self.successResultOf(self.streams.append("p", started.stream, 1, []))

    def test_unknown(self) -> None:
        """
        A stream that no node has is unknown; if a node is silent, it may be there.
        """
        self.assertEqual(self.code(self.streams.get("p", "b1")).code, "stream_unknown")
        self.nodes.answers["silent"] = None
        error = self.code(self.streams.get("p", "b1"))
        self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))
        request = StartRequest(Terms(), "b1")
        self.assertEqual(self.code(self.streams.start(TOPIC, request)).code, "engine_unavailable")
        self.nodes.answers = {}
        self.assertEqual(self.code(self.streams.get("p", "b1")).code, "stream_unknown")

    def test_left(self) -> None:
        """
        The other nodes are told of a producer whose connection is gone.
        """
        self.successResultOf(self.streams.leave("p", "a1", 1))
        (told,) = self.nodes.told
        self.successResultOf(self.there(told, 1.0))
        self.wait(12)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "lease")
