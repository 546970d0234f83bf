"""
Tests for L{aerostack.streams.relaying}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.answers.answer import Terms
from aerostack.core.answers.growth import REASONING, TEXT, TOOL, Grown, Valued
from aerostack.core.answers.outcome import Outcome
from aerostack.core.answers.requests import Started
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.hub.measuring import MAX_BACKLOG
from aerostack.protocol.chatrequests import makeChatRequest
from aerostack.streams.relaying import Relays
from tests.streams.models import Model
from tests.streams.watching import CANONICAL, StreamCase

REQUEST = makeChatRequest(b'[{"role":"user","content":"Hi"}]', {})


class RelayTests(StreamCase):
    """
    Tests for L{Relays}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.model = Model()
        ids = iter(range(100))
        self.relays = Relays(self.world.clock, self.world.streams, lambda: str(next(ids)))

    def relay(self, alone: bool = False, **terms: Any) -> Started:
        """
        Begin a stream with the model's answer.
        """
        model: Any = self.model
        return self.successResultOf(
            Deferred.fromCoroutine(
                self.relays.start(topicOf(CANONICAL), Terms(**terms), model, REQUEST, alone)
            )
        )

    def text(self, stream: str, part: str = "0") -> str:
        """
        The text that watchers have.
        """
        self.world.advance(1)
        self.early.take()
        return self.early.texts.get((stream, part), "")

    def end(self, stream: str) -> dict[str, Any]:
        """
        How watchers know that the stream has ended.
        """
        self.world.advance(1)
        self.early.take()
        end: dict[str, Any] = self.early.ends[stream]
        return end

    def test_whole(self) -> None:
        """
        Watchers get all parts, and the end with the model's numbers.
        """
        started = self.relay()
        self.model.grow(Grown("r0", REASONING, "hm"), Grown("0", TEXT, "It is 😀"))
        self.model.grow(
            Grown("0", TEXT, "!"),
            Valued("c1", TOOL, {"call": "c1", "name": "f"}),
            Grown("c1", TOOL, "{}"),
            Valued("c1", TOOL, {"call": "c1", "name": "f", "input": {"a": 1}}),
        )
        self.assertEqual(self.text(started.stream), "It is 😀!")
        self.assertEqual(self.text(started.stream, "r0"), "hm")
        self.model.receiver.ended(Outcome("length", b'{"total_tokens":3}'))
        end = self.end(started.stream)
        self.assertEqual((end["state"], end["reason"]), ("done", "length"))
        self.assertEqual(end["usage"], {"total_tokens": 3})
        (kept,) = self.world.history.messages
        parts = {part["part"]: part for part in json.loads(kept.message.data)["parts"]}
        self.assertEqual(parts["c1"]["input"], {"a": 1})

    def test_brokenOff(self) -> None:
        """
        A model that breaks off leaves a stream that is aborted, with the text until then.
        """
        for code, reason in (("model_failed", "upstream"), ("shutting_down", "restart")):
            started = self.relay()
            self.model.grow(Grown("0", TEXT, "Hal"))
            self.model.receiver.ended(Outcome(error=RealtimeError(code, "No.")))
            end = self.end(started.stream)
            self.assertEqual((end["state"], end["reason"]), ("aborted", reason))
            kept = json.loads(self.world.history.messages[-1].message.data)
            self.assertEqual((kept["text"], kept["state"]), ("Hal", "aborted"))

    def test_cancelled(self) -> None:
        """
        A cancel lets the model go in the same turn, and what it says after that is nothing.
        """
        started = self.relay()
        self.model.grow(Grown("0", TEXT, "Hal"))
        self.world.streams.cancel("p", started.stream, None)
        self.assertEqual(self.model.cancelled, 1)
        self.model.grow(Grown("0", TEXT, "lo"))
        self.model.receiver.ended(Outcome())
        self.assertEqual(self.end(started.stream)["state"], "cancelled")
        self.assertNotIn("lo", self.text(started.stream))

    def test_unwatched(self) -> None:
        """
        Where the configuration says so, a model is let go once nobody has watched for a while.
        """
        self.model.unwatched = 20.0
        started = self.relay()
        self.model.grow(Grown("0", TEXT, "It"))
        self.wait(60)
        self.assertEqual(self.model.cancelled, 0)
        self.early.client.close()
        self.world.advance(22)
        self.assertEqual(self.model.cancelled, 1)
        found = self.successResultOf(self.world.streams.get("p", started.stream))
        self.assertIn(b'"state":"cancelled","text":"It"', found.data)
        self.assertIn(b'"reason":"unwatched"', found.data)

    def test_tooLong(self) -> None:
        """
        An answer that is larger than a stream may be lets the model go.
        """
        started = self.relay()
        self.world.streams.answers.budget = type(self.world.streams.answers.budget)(text=4096)
        self.model.grow(Grown("0", TEXT, "x" * 5000))
        self.assertEqual(self.model.cancelled, 1)
        end = self.end(started.stream)
        self.assertEqual((end["state"], end["reason"]), ("aborted", "limit"))

    def test_largeValue(self) -> None:
        """
        So does one with a value that is larger than a value may be.
        """
        started = self.relay()
        self.model.grow(Valued("c1", TOOL, {"name": "f", "input": {"x": "y" * 70_000}}))
        self.assertEqual(self.model.cancelled, 1)
        end = self.end(started.stream)
        self.assertEqual((end["state"], end["reason"]), ("aborted", "limit"))

    def test_behind(self) -> None:
        """
        An answer goes on while subscribers are behind, also with the values of tools.
        """
        started = self.relay()
        receiver = self.world.backbone.publisher._receiver
        self.patch(receiver, "backlog", lambda topic: MAX_BACKLOG + 1)
        self.model.grow(Valued("c1", TOOL, {"name": "f"}), Grown("c1", TOOL, "{}"))
        self.model.grow(Valued("c1", TOOL, {"name": "f", "input": {}}))
        self.model.receiver.ended(Outcome())
        self.assertEqual(self.end(started.stream)["state"], "done")

    def test_slowModel(self) -> None:
        """
        A stream does not end while the model says nothing for longer than a lease.
        """
        started = self.relay(lease=30.0)
        self.wait(100)
        self.model.grow(Grown("0", TEXT, "Hi"))
        self.assertEqual(self.text(started.stream), "Hi")
        self.model.receiver.ended(Outcome())
        self.assertEqual(self.end(started.stream)["state"], "done")

    def test_full(self) -> None:
        """
        If the model has too much to do, the caller gets that, and watchers the end.
        """
        self.model.isFull = True
        model: Any = self.model
        starting = self.relays.start(topicOf(CANONICAL), Terms(), model, REQUEST)
        error = self.failureResultOf(Deferred.fromCoroutine(starting), RealtimeError).value
        self.assertEqual(error.code, "overloaded")
        self.world.advance(1)
        self.early.take()
        self.assertEqual([end["state"] for end in self.early.ends.values()], ["aborted"])

    def test_alone(self) -> None:
        """
        Of two that are to be alone on a topic, the second is refused until the first has ended.
        """
        self.relay(alone=True)
        model: Any = self.model
        starting = self.relays.start(topicOf(CANONICAL), Terms(), model, REQUEST, alone=True)
        error = self.failureResultOf(Deferred.fromCoroutine(starting), RealtimeError).value
        self.assertEqual(error.code, "stream_busy")
        self.model.receiver.ended(Outcome())
        self.relay(alone=True)
