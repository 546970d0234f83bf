"""
Tests for L{aerostack.streams.elsewhere}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.core.answers.answer import End, Terms
from aerostack.core.answers.requests import Append, Put, StartRequest, Stop, Whole
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.streams.elsewhere import NodeStreams
from tests.streams.nodes import FakeNodes
from tests.streams.watching import CANONICAL, StreamCase

TOPIC = topicOf(CANONICAL)


class NodeStreamsTests(StreamCase):
    """
    Two nodes, and what is asked of one for a stream of the other.
    """

    def setUp(self) -> None:
        super().setUp()
        self.nodes, self.others = FakeNodes(), FakeNodes()
        NodeStreams(self.world.streams, self.others, self.world.streams.keeper.read)
        self.there = self.others.served
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
        end, whole = End("failed", "so", None, b"{}"), Whole({"0": 5}, {"0": 1})
        error = self.code(streams.end("p", "a1", 1, end, whole))
        self.assertEqual((error.code, error.details["length"]), ("stream_gap", {"0": 4, "x": 0}))
        ended = result(streams.end("p", "a1", 1, end, Whole({"0": 4}, {"0": 1})))
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

    def test_dead(self) -> None:
        """
        A node that counts as dead has no streams any more: what it left is unknown if no other node
        takes it over, and can begin anew.
        """
        self.nodes.answers["dead"] = None
        self.streams.silent = lambda: {"dead"}
        self.assertEqual(self.code(self.streams.get("p", "b1")).code, "stream_unknown")
        self.assertEqual(self.successResultOf(self.streams.find("p", "a1")).owner, "ann")
        started = self.successResultOf(self.streams.start(TOPIC, StartRequest(Terms(), "b1")))
        self.assertEqual(started.epoch, 1)

    def test_ended(self) -> None:
        """
        A stream of which another node has seen the end, and the history has none, is not begun
        again.
        """
        end = Publication(
            CANONICAL, EVENT, "ai:done", b"{}", None, 1000, None, StreamMark("b1", state="aborted")
        )
        self.world.streams.answers.take(end, self.world.clock.seconds())
        error = self.code(self.streams.start(TOPIC, StartRequest(Terms(), "b1", "run")))
        self.assertEqual((error.code, error.details["state"]), ("stream_ended", "aborted"))
        self.assertIsNone(self.local.answers.get("p", "b1"))

    def test_closing(self) -> None:
        """
        No stream begins whose id has one that another node is about to end.
        """
        self.streams.isClosing = lambda project, stream: stream in ("a1", "b1")
        error = self.code(self.streams.start(TOPIC, StartRequest(Terms(), "b1", "run")))
        self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))
        self.assertIsNone(self.local.answers.get("p", "b1"))
        # One that runs goes on.
        started = self.successResultOf(
            self.streams.start(TOPIC, StartRequest(Terms(), "a1", "run"))
        )
        self.assertEqual(started.length, {"0": 3})

    def test_stop(self) -> None:
        """
        A producer at another node is told when its stream is cancelled, once, and not when it has
        ended the stream itself or has left.
        """
        stops: list[Stop] = []
        request = StartRequest(Terms(), "a1", "run")
        self.successResultOf(self.streams.start(TOPIC, request, stops.append))
        self.successResultOf(self.world.streams.cancel("p", "a1", "ann"))
        self.deliver()
        self.deliver()
        self.assertEqual(len(stops), 1)
        for stream, call in (("a2", "end"), ("a3", "leave")):
            self.start(stream, producer="run")
            self.successResultOf(
                self.streams.start(TOPIC, StartRequest(Terms(), stream, "run"), stops.append)
            )
            more = (End("done"),) if call == "end" else (stops.append,)
            self.successResultOf(getattr(self.streams, call)("p", stream, 1, *more))
        self.successResultOf(self.world.streams.cancel("p", "a3", None))
        self.deliver()
        self.assertEqual(len(stops), 1)

    def test_earlyStop(self) -> None:
        """
        A stop that comes before the answer to the start is told all the same.
        """
        stops: list[Stop] = []
        asked = self.nodes.ask

        def ask(kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
            answered = asked(kind, data, timeout)
            self.world.streams.cancel("p", "a1", None)
            self.deliver()
            return answered

        self.nodes.ask = ask  # type: ignore[method-assign]
        request = StartRequest(Terms(), "a1", "run")
        self.successResultOf(self.streams.start(TOPIC, request, stops.append))
        self.assertEqual([stop.state for stop in stops], ["cancelled"])

    def test_lost(self) -> None:
        """
        The producer of a stream that another node has taken over is told when it ends there; at
        once, if it has ended there before.
        """
        stops: list[Stop] = []
        answer = self.world.streams.answers.get("p", "a1")
        assert answer is not None
        self.streams.lost(answer, None)
        self.streams.lost(answer, stops.append)
        self.streams.tell(Stop("a1", CANONICAL, 1, "done"))
        self.assertEqual(len(self.nodes.told), 1)
        self.nodes.told.clear()
        self.assertEqual(stops, [])
        self.successResultOf(self.nodes.served(_stopped("a1"), 1.0))
        self.assertEqual([stop.state for stop in stops], ["aborted"])
        self.successResultOf(self.world.streams.cancel("p", "a1", "bob"))
        self.streams.lost(answer, stops.append)
        self.assertEqual([stop.by for stop in stops], [None, "bob"])

    def test_coming(self) -> None:
        """
        A stream that is about to be taken over is neither unknown nor begun anew.
        """
        self.streams.isComing = lambda project, stream: succeed(stream == "b1")
        for asked in (
            self.streams.append("p", "b1", 1, []),
            self.streams.start(TOPIC, StartRequest(Terms(), "b1")),
        ):
            error = self.code(asked)
            self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))
        self.assertEqual(self.code(self.streams.get("p", "b2")).code, "stream_unknown")

    def deliver(self) -> None:
        """
        Bring the other node's questions here that need no answer.
        """
        told, self.others.told = self.others.told, []
        for data in told:
            self.successResultOf(self.nodes.served(data, 1.0))

    def test_left(self) -> None:
        """
        The other nodes are told of a producer whose connection is gone.
        """
        stops: list[Stop] = []
        request = StartRequest(Terms(), "a1", "run")
        self.successResultOf(self.streams.start(TOPIC, request, stops.append))
        self.successResultOf(self.streams.leave("p", "a1", 1, print))
        self.assertEqual(self.nodes.told, [])
        self.successResultOf(self.streams.leave("p", "a1", 1, stops.append))
        (told,) = self.nodes.told
        self.successResultOf(self.there(told, 1.0))
        self.wait(12)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "lease")


def _stopped(stream: str) -> bytes:
    """
    What a node says when a stream ends whose producer may be at any other node.
    """
    nodes = FakeNodes()
    NodeStreams(None, nodes, lambda project, stream: succeed(None)).tell(
        Stop(stream, CANONICAL, 1, "aborted")
    )
    (told,) = nodes.told
    return told
