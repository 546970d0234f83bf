"""
Tests for L{aerostack.hub.delivering}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, PRESENCE, Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import Topic
from aerostack.testing import World
from tests.hub.test_publishing import ROOM, HubTests

CHAT = "chat/a/p"
START = StreamMark("a1")
END = StreamMark("a1", state="aborted")


def publication(
    topic: str = ROOM.canonical, kind: str = EVENT, mark: int | None = None
) -> Publication:
    """
    Something that the engine brings.
    """
    return Publication(topic, kind, "e", b"1", None, 1000, mark)


class DeliverTests(HubTests):
    """
    Tests for L{Delivery.deliver}.
    """

    def test_withoutLog(self) -> None:
        """
        A publication on a topic without a log is counted, and no log is opened for it.
        """
        self.hub.delivery.deliver(publication("chat/b/p"))
        self.assertEqual(self.hub.delivery.published, 1)
        self.assertFalse(self.hub.sequencer.hasLog("chat/b/p"))

    def test_presence(self) -> None:
        """
        A change of who is present reaches subscribers, and is neither counted nor in the log.
        """
        before = self.hub.sequencer.openLog(ROOM.canonical).position
        self.hub.delivery.deliver(publication(kind=PRESENCE))
        self.assertEqual(self.data(), [1])
        self.assertEqual(self.hub.delivery.published, 0)
        self.assertEqual(self.hub.sequencer.openLog(ROOM.canonical).position, before)


class SentTests(HubTests):
    """
    Tests for L{Delivery.whenSent}.
    """

    def test_last(self) -> None:
        """
        A function is called once the last of some topics is sent, and at once if all are.
        """
        other = Topic("chat/b", "p")
        self.hub.subscribe(self.listener, other, None)
        called: list[int] = []
        topics = (ROOM.canonical, other.canonical)
        self.hub.delivery.whenSent(topics, lambda: called.append(1))
        self.assertEqual(called, [1])
        for topic in topics * 2:
            self.hub.delivery.deliver(publication(topic))
        self.hub.delivery.whenSent(topics, lambda: called.append(2))
        self.assertEqual(called, [1])
        self.world.turn()
        self.assertEqual(called, [1, 2])


class RepeatedEndTests(SynchronousTestCase):
    """
    Tests for the end of a token stream that the history got after its subscribers.
    """

    def setUp(self) -> None:
        self.world = world = World()
        log = world.hub.sequencer.logs.share(CHAT, Position("e", 1, 100), world.clock.seconds())
        log.fill((), (), 0.0)
        self.client = world.connect()
        self.client.send(type="subscribe", topic="chat/a")
        self.client.take()
        self.offset = 1

    def deliver(self, mark: StreamMark | None, kept: int | None = None) -> None:
        """
        Let an entry come from the engine.

        @param kept: The mark of its message in the history.
        """
        self.offset += 1
        event = "e" if mark is None else "ai:done" if mark.state else "ai:start"
        publication = Publication(CHAT, EVENT, event, b"{}", None, 0, kept, mark)
        entry = SharedEntry(Position("e", self.offset, 100), "", publication)
        self.world.hub.delivery.deliverEntry(entry)
        self.world.turn()

    def events(self) -> list[str]:
        """
        What the client has got.
        """
        return [frame["event"] for frame in self.client.take()]

    def test_once(self) -> None:
        """
        Subscribers get the end once, and what follows it in the log.
        """
        self.deliver(START)
        self.deliver(END)
        self.deliver(END, 200)
        self.deliver(None)
        self.assertEqual(self.events(), ["ai:start", "ai:done", "e"])

    def test_known(self) -> None:
        """
        Subscribers get the end once where the engine has answered before it brings the end.
        """
        self.deliver(START)
        answers = self.world.hub.sequencer.answers
        answers.over(answers.all(CHAT)[0], self.world.clock.seconds())
        self.deliver(END, 200)
        self.deliver(END, 300)
        self.assertEqual(self.events(), ["ai:start", "ai:done"])
