"""
Tests for L{aerostack.protocol.eventids}.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.protocol.eventids import LONGEST, OPTIONS, WANTED, EventIds, readEventId
from aerostack.protocol.events import FrameHead

TOPICS = st.sampled_from(["table/a/p", "chat/ä=1,*/p", "chat/%2C/p"])
STEPS = st.tuples(
    st.sampled_from(["subscribed", "event", "unsubscribed"]), TOPICS, st.integers(0, 9)
)


def options(**fields: Any) -> dict[str, msgspec.Raw]:
    """
    The fields of a client's frame.
    """
    encoded = msgspec.json.encode({"type": "subscribe", **fields})
    return msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])


def frames(id: str) -> list[Any]:
    """
    The frames that go on with the subscriptions of an id.
    """
    return [json.loads(each.frame()) for each in readEventId(id).subscriptions]


class EventIdTests(SynchronousTestCase):
    """
    Tests for the ids of events.
    """

    def setUp(self) -> None:
        self.ids = EventIds()

    def next(self, type: str, topic: str | None = None, pos: str | None = None) -> str:
        """
        The id of the event of a frame.
        """
        return self.ids.next(FrameHead(type, topic, pos))

    @given(st.lists(STEPS, max_size=30))
    def test_model(self, steps: list[tuple[str, str, int]]) -> None:
        """
        An id has the newest position of each topic that is subscribed to.
        """
        ids, places, last = EventIds(), dict[str, str](), ""
        for kind, topic, number in steps:
            pos = None if kind == "unsubscribed" else f"e-{number}"
            if kind == "event" and topic not in places:
                continue
            last = ids.next(FrameHead(kind, topic, pos))
            if pos is None:
                places.pop(topic, None)
            else:
                places[topic] = pos
        found = readEventId(last)
        self.assertEqual({each.topic: each.pos for each in found.subscriptions}, places)
        self.assertTrue(found.isComplete)

    def test_options(self) -> None:
        """
        A subscription goes on with the options that the client has given last, and without those
        that were refused.
        """
        self.ids.subscribing("table/a/p", options(filter={"b": 1}, columns=None, since="x"))
        first = self.next("subscribed", "table/a/p", "1")
        self.assertEqual(
            frames(first),
            [{"type": "subscribe", "topic": "table/a/p", "filter": {"b": 1}, "since": "1"}],
        )
        self.ids.subscribing("table/a/p", options(filter=7))
        self.ids.next(FrameHead("error", "table/a/p", None, "subscribe"))
        # The daemon may answer a subscription again without being asked.
        self.assertEqual(frames(self.next("subscribed", "table/a/p", "2"))[0]["filter"], {"b": 1})
        self.ids.subscribing("table/a/p", options())
        self.assertNotIn("filter", frames(self.next("subscribed", "table/a/p", "3"))[0])

    def test_views(self) -> None:
        """
        Named views of one table go on beside each other, each from its own position.
        """
        table = "table/a/p"
        for view, pos in (("a", "1"), (None, "2"), ("b", "3")):
            self.ids.subscribing(table, options(view=view, filter={"v": pos}))
            self.ids.next(FrameHead("subscribed", table, pos, None, view))
        self.ids.next(FrameHead("unsubscribed", table, None, None, "b"))
        found = readEventId(self.ids.next(FrameHead("db_change", table, "4", None, "a")))
        self.assertEqual(
            [(each.topic, each.pos, each.key) for each in found.subscriptions],
            [(table, "2", table), (table, "4", f"{table}\na")],
        )
        self.assertEqual([each.get("view") for each in frames(str(self.ids))], [None, "a"])

    def test_resumed(self) -> None:
        """
        The subscriptions of an earlier connection are in each id, with their options, until the
        daemon answers them or refuses them for good.
        """
        self.ids.resume(
            readEventId("chat/a/p=1,chat/b/p=2=eyJyZXdpbmQiOjN9,chat/c/p=3").subscriptions
        )
        for head in (
            FrameHead("error", "chat/a/p", request="subscribe", retryAfter=100),
            FrameHead("error", "chat/b/p", request="subscribe"),
        ):
            self.assertEqual(self.ids.next(head), "")
        self.assertEqual(self.next("subscribed", "chat/c/p", "4"), "chat/a/p=1,chat/c/p=4")
        # A subscription that stands is not ended by the refusal of another one.
        self.ids.next(FrameHead("error", "chat/c/p", request="subscribe"))
        self.assertEqual(self.next("subscribed", "chat/a/p", "5"), "chat/c/p=4,chat/a/p=5")
        self.ids.resume(readEventId("chat/b/p=2=eyJyZXdpbmQiOjN9").subscriptions)
        self.assertEqual(frames(str(self.ids))[-1]["rewind"], 3)
        self.assertEqual(self.next("unsubscribed", "chat/b/p"), "chat/c/p=4,chat/a/p=5")

    def test_beginning(self) -> None:
        """
        A subscription whose snapshot is not complete begins anew.
        """
        self.ids.subscribing("table/a/p", options(snapshot=True))
        id = self.next("subscribed", "table/a/p")
        self.assertEqual(
            frames(id), [{"type": "subscribe", "topic": "table/a/p", "snapshot": True}]
        )

    def test_unmoved(self) -> None:
        """
        A frame that has no position has no id.
        """
        self.assertEqual(self.next("pong"), "")
        self.assertEqual(self.next("event", "chat/a/p"), "")

    def test_long(self) -> None:
        """
        An id is bounded.  It has the topics whose frames came last, and says that it lacks others.
        """
        for number in range(500):
            id = self.next("subscribed", f"chat/{number}/p", "e-1")
            self.assertLessEqual(len(id), LONGEST)
        found = readEventId(id)
        self.assertFalse(found.isComplete)
        self.assertEqual(found.subscriptions[-1].topic, "chat/499/p")
        self.assertIn("chat/0/p", self.next("event", "chat/0/p", "e-2"))

    def test_longOptions(self) -> None:
        """
        A subscription whose options are too long is not in the ids, because it would go on with
        others.  What is remembered of options is bounded.
        """
        self.ids.subscribing("table/a/p", options(filter={"b": "x" * LONGEST}))
        self.assertEqual(self.next("subscribed", "table/a/p", "1"), "*")
        self.assertEqual(self.next("event", "table/a/p", "2"), "*")
        for number in range(100):
            self.ids.subscribing(f"table/{number}/p", options(filter={"b": "x" * 1000}))
        kept = sum(len(each or "") for each in self.ids._wanted.values())
        self.assertLessEqual(kept, OPTIONS)

    def test_unanswered(self) -> None:
        """
        A client that subscribes without end, and waits for no answer, gets no ids any more.
        """
        for number in range(WANTED + 1):
            self.ids.subscribing(f"chat/{number}/p", options())
        self.assertEqual(self.next("subscribed", "chat/0/p", "1"), "*")
        self.assertLessEqual(len(self.ids._wanted), WANTED)

    @given(st.text())
    def test_foreign(self, text: str) -> None:
        """
        What is no id of the daemon is refused, or read.
        """
        try:
            readEventId(text)
        except RealtimeError as error:
            self.assertEqual(error.code, "invalid_arguments")

    def test_refused(self) -> None:
        """
        An id that is too long, or whose options are none, is refused.
        """
        deep, notText = "a=1=" + "W1tb" * 900, "a=1=eyJ2aWV3Ijoi_yJ9"
        wrong = ("x" * (LONGEST + 1), "a", "=1", "a=1=!", "a=1=e30x", "a=1=WzFd")
        for text in (*wrong, deep, notText):
            with self.assertRaises(RealtimeError, msg=text):
                readEventId(text)
