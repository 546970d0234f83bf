"""
Tests for L{aerostack.streams.emittedelsewhere}: events of one stream that servers emit at several
nodes.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.answers.answer import Terms
from aerostack.core.answers.requests import StartRequest
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.emittedowners import IEmittedOwners
from aerostack.streams.emittedelsewhere import EVENTS, RENEWAL, SharedEmitted
from tests.streams.cluster import Cluster, Node

TOPIC = topicOf("ai-chat/7/p")


class Emitting:
    """
    Two nodes of a cluster, and a server that emits at both.
    """

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.first, self.second = self.nodes = [self.cluster.start(name) for name in "ab"]
        self.first.report()

    def emit(self, node: Node, event: str, data: Any = None, persist: bool = False) -> Any:
        """
        Emit an event at a node.

        @return: What the publisher gives.
        """
        written = json.dumps(data).encode()
        entered = node.publisher.publish(TOPIC, event, written, None, persist)
        return Deferred() if entered is None else entered

    def token(self, node: Node, token: str) -> Any:
        """
        Emit a token at a node.
        """
        return self.emit(node, "ai:token", {"token": token})

    @property
    def texts(self) -> list[tuple[str, str | None]]:
        """
        For each stream of the log, in the order of their beginnings, its text and how it ended.
        """
        found: dict[str, list[Any]] = {}
        for publication in self.cluster.log:
            mark = publication.stream
            if mark is None:
                continue
            stream = found.setdefault(mark.stream, ["", None])
            if mark.state:
                stream[1] = mark.state
            else:
                assert mark.at == len(stream[0]), "a hole"
                assert stream[1] is None, "text behind the end"
                stream[0] += mark.text
        return [(text, state) for text, state in found.values()]

    @property
    def plain(self) -> list[Publication]:
        """The events of the log that belong to no stream."""
        return [each for each in self.cluster.log if each.stream is None]


class SharedEmittedTests(SynchronousTestCase):
    """
    Tests for L{SharedEmitted}.
    """

    def setUp(self) -> None:
        self.world = Emitting()
        self.first, self.second = self.world.nodes
        verifyObject(IEmittedOwners, self.first.owners)

    def code(self, asked: Deferred[Any]) -> str:
        """
        The code of an error.
        """
        error = self.failureResultOf(asked, RealtimeError).value
        assert isinstance(error, RealtimeError)
        return error.code

    def test_oneStream(self) -> None:
        """
        Tokens that are emitted at both nodes by turns are one stream, which an end at either node
        ends, and the next token begins another stream.
        """
        world = self.world
        for token, node in zip("Hello", world.nodes * 3, strict=False):
            world.token(node, token)
        world.emit(self.second, "ai:done", {})
        world.token(self.second, "again")
        world.token(self.first, "!")
        world.emit(self.second, "ai:done", {})
        self.assertEqual(world.texts, [("Hello", "done"), ("again!", "done")])
        self.assertEqual((world.plain, world.cluster.owners), ([], {}))

    def test_kept(self) -> None:
        """
        If the end is to be kept, its publisher gets the message's receipt at either node, and the
        history has the whole text.
        """
        self.world.token(self.first, "Hel")
        self.world.token(self.second, "lo")
        receipt = self.successResultOf(self.world.emit(self.second, "ai:done", {"n": 1}, True))
        (kept,) = self.world.cluster.history.messages
        self.assertEqual((receipt.id, receipt.createdAt), (kept.message.id, kept.createdAt))
        data = json.loads(kept.message.data)
        self.assertEqual((data["text"], data["n"]), ("Hello", 1))

    def test_sameTime(self) -> None:
        """
        Of two nodes that get the first tokens at the same time, one begins the stream.
        """
        owners = [node.owners for node in self.world.nodes]
        for each in owners:
            each.late = []
        self.world.token(self.first, "a")
        self.world.token(self.second, "b")
        for each in owners:
            for answer, found in each.late or ():
                answer.callback(found)
            each.late = None
        self.assertEqual(self.world.texts, [("ab", None)])

    def test_order(self) -> None:
        """
        While the engine is asked, no later event of the server overtakes a token; those of clients
        may.
        """
        owners = self.first.owners
        owners.late = []
        self.world.token(self.first, "a")
        self.world.emit(self.first, "other")
        self.world.token(self.first, "b")
        self.world.emit(self.first, "ai:done", {})
        self.first.publisher.publish(TOPIC, "typing", b"1", "ann", False, publisher="c1")
        self.assertEqual([each.event for each in self.world.cluster.log], ["typing"])
        ((answer, found),) = owners.late
        answer.callback(found)
        events = [each.event for each in self.world.cluster.log]
        self.assertEqual(events, ["typing", "ai:token", "other", "ai:token", "ai:done"])
        self.assertEqual(self.world.texts, [("ab", "done")])

    def test_many(self) -> None:
        """
        Events that wait for another node go there in few questions, in their order.
        """
        self.world.token(self.first, "0")
        self.second.owners.late = late = []
        for number in range(1, EVENTS + 10):
            self.world.token(self.second, str(number))
        self.second.owners.late = None
        ((answer, found),) = late
        answer.callback(found)
        expected = "".join(map(str, range(EVENTS + 10)))
        self.assertEqual(self.world.texts, [(expected, None)])

    def test_bounded(self) -> None:
        """
        What waits is bounded: further events are refused, and what waited is emitted.
        """
        self.first.owners.late = late = []
        self.patch(SharedEmitted, "maxWaiting", 2)
        for token in "ab":
            self.world.token(self.first, token)
        self.assertEqual(self.code(self.world.token(self.first, "c")), "engine_unavailable")
        self.patch(SharedEmitted, "maxWaiting", 10)
        self.patch(SharedEmitted, "maxBytes", 300)
        self.assertEqual(self.code(self.world.token(self.first, "d")), "engine_unavailable")
        self.first.owners.late = None
        ((answer, found),) = late
        answer.callback(found)
        self.assertEqual(self.world.texts, [("ab", None)])
        self.world.token(self.first, "e" * 400)
        self.assertEqual(self.world.texts, [("ab" + "e" * 400, None)])

    def test_done(self) -> None:
        """
        An end without a stream is an event of its own, at either node.
        """
        for node in self.world.nodes:
            self.world.emit(node, "ai:done", {"node": node.name})
        self.assertEqual(
            [each.data for each in self.world.plain], [b'{"node": "a"}', b'{"node": "b"}']
        )
        self.assertEqual(self.world.cluster.owners, {})

    def test_produced(self) -> None:
        """
        Tokens on a topic where a producer's stream runs are events of their own, at either node,
        and no node has the topic.
        """
        self.successResultOf(self.first.calls.start(TOPIC, StartRequest(Terms(), "a1")))
        self.world.token(self.first, "x")
        self.world.token(self.second, "y")
        self.assertEqual([each.event for each in self.world.plain], ["ai:token", "ai:token"])
        self.assertEqual(self.world.cluster.owners, {})

    def test_down(self) -> None:
        """
        A token waits for an engine that does not answer, for a while; then it is refused.
        """
        self.first.owners.isDown = True
        token = self.world.token(self.first, "a")
        self.world.cluster.advance(1)
        self.assertNoResult(token)
        self.first.owners.isDown = False
        self.world.cluster.advance(1)
        self.assertEqual(self.world.texts, [("a", None)])
        self.second.owners.isDown = True
        token = self.world.token(self.second, "b")
        self.world.cluster.advance(4)
        self.assertEqual(self.code(token), "engine_unavailable")
        self.second.owners.isDown = False
        self.world.token(self.second, "c")
        self.assertEqual(self.world.texts, [("ac", None)])

    def test_stopped(self) -> None:
        """
        A daemon that stops refuses what waits for the engine, and leaves its topics to others.
        """
        self.world.token(self.first, "a")
        self.second.owners.isDown = True
        token = self.world.token(self.second, "b")
        self.second.emitted.stop()
        self.first.emitted.stop()
        self.assertEqual(self.code(token), "engine_unavailable")
        self.assertEqual(self.world.cluster.owners, {})
        self.assertEqual(self.second.clock.getDelayedCalls(), [])

    def test_silent(self) -> None:
        """
        If the node that has the stream does not answer, the publisher gets an error, because
        subscribers may have the event.
        """
        self.world.token(self.first, "a")
        self.first.isFrozen = True
        self.assertEqual(self.code(self.world.token(self.second, "b")), "engine_unavailable")

    def test_killed(self) -> None:
        """
        If the node that has the stream dies, the stream ends, and the tokens that come when it
        counts as dead begin another one.
        """
        self.world.token(self.first, "a")
        self.first.gate.isOpen = False
        self.assertEqual(self.code(self.world.token(self.second, "b")), "engine_unavailable")
        self.world.cluster.advance(30)
        self.world.token(self.second, "c")
        self.world.emit(self.second, "ai:done", {})
        self.assertEqual(self.world.texts, [("a", "aborted"), ("c", "done")])

    def test_lease(self) -> None:
        """
        A stream that ends because no token comes leaves its topic.
        """
        self.world.token(self.first, "a")
        self.world.cluster.advance(125)
        self.world.token(self.second, "b")
        self.assertEqual(self.world.texts, [("a", "aborted"), ("b", None)])
        self.assertEqual(self.world.cluster.owners, {TOPIC.canonical: self.second.run})

    def test_renewed(self) -> None:
        """
        As long as tokens come, from either node, the engine is told now and then who has the
        stream.
        """
        for _ in range(4):
            self.world.token(self.second, "a")
            self.world.token(self.first, "b")
            self.world.cluster.advance(RENEWAL / 2)
        self.assertEqual(self.second.owners.renewed, [TOPIC.canonical])
        self.assertEqual(self.first.owners.renewed, [])

    def test_lostOwner(self) -> None:
        """
        A node that is asked for a stream that it has not takes the topic if no other has it.
        """
        self.world.cluster.owners[TOPIC.canonical] = self.first.run
        self.world.token(self.second, "a")
        self.assertEqual(self.world.texts, [("a", None)])
        self.assertTrue(self.first.streams.emitted.has(TOPIC.canonical))

    def test_large(self) -> None:
        """
        A token that makes the stream too large is an event of its own at the node where it was
        emitted.
        """
        self.world.token(self.first, "a")
        self.first.streams.answers.budget = type(self.first.streams.answers.budget)(text=10)
        self.world.token(self.second, "b" * 20)
        (plain,) = self.world.plain
        self.assertEqual(json.loads(plain.data)["token"], "b" * 20)
        self.assertEqual(self.world.texts, [("a", "aborted")])


STEPS = ["token"] * 6 + ["done", "other", "late", "answer"]


class ModelTests(SynchronousTestCase):
    """
    Random events at random nodes.
    """

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(STEPS)), max_size=60))
    def test_model(self, steps: list[tuple[int, str]]) -> None:
        """
        Wherever events are emitted, and however late the engine answers, each token is in one
        stream, once, unless its publisher got an error; those of one node are in their order; one
        stream of a topic runs at a time.
        """
        world = Emitting()
        sent: list[list[str]] = [[], []]
        refused: set[str] = set()

        def answerAll() -> None:
            for node in world.nodes:
                late, node.owners.late = node.owners.late, None
                for answer, found in late or ():
                    answer.callback(found)

        for number, (place, step) in enumerate(steps):
            node = world.nodes[place]
            if step == "token":
                token = f"{place}{number:02};"
                sent[place].append(token)
                world.token(node, token).addErrback(lambda _, token=token: refused.add(token))
            elif step == "done":
                world.emit(node, "ai:done", {}).addErrback(lambda _: None)
            elif step == "other":
                world.emit(node, "other")
            elif step == "late":
                node.owners.late = node.owners.late or []
            else:
                answerAll()
        answerAll()
        text = "".join(text for text, _ in world.texts)
        found = [piece + ";" for piece in text.split(";")[:-1]]
        for place, tokens in enumerate(sent):
            own = [each for each in found if each[0] == str(place)]
            self.assertEqual(own, [each for each in tokens if each in own])
            self.assertEqual(set(tokens) - set(own) - refused, set())
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(sum(state is None for _, state in world.texts), 1)
        others = sum(step == "other" for _, step in steps)
        self.assertEqual(sum(each.event == "other" for each in world.plain), others)
        self.assertNotIn("ai:token", [each.event for each in world.plain])
