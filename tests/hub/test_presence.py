"""
Tests for L{aerostack.hub.presence}.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.topics.topics import Topic
from tests.hub.test_publishing import ROOM, HubTests, Listener


class PresenceServiceTests(HubTests):
    """
    Tests for L{PresenceService}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.presence = self.hub.presence

    def track(self, connection: str, user: str | None, state: bytes = b"{}") -> Listener:
        """
        Make a connection present.

        @return: The subscriber that gets the set.
        """
        itself = Listener(self.world)
        tracked = self.successResultOf(self.presence.track(connection, ROOM, user, state))
        if tracked.fresh:
            self.presence.welcome(itself, ROOM, False, True)
        return itself

    def told(self) -> list[tuple[str, Any]]:
        """
        Give the events and users in the frames that subscribers got.
        """
        return [(frame["event"], frame["data"]["userId"]) for frame in self.listener.take()]

    def test_life(self) -> None:
        """
        Subscribers get an event for a join, a new state and a leave, and none if the state stays
        the same.
        """
        self.track("c1", "ann", b'{"a":1}')
        (joined,) = self.listener.take()
        self.assertEqual(
            joined["data"],
            {
                "userId": "ann",
                "connectionId": "c1",
                "state": {"a": 1},
                "since": 1_000_000_000_000,
            },
        )
        self.track("c1", "ann", b'{"a":1}')
        self.track("c1", "ann", b'{"a":2}')
        self.presence.untrack("c1", ROOM)
        self.presence.untrack("c1", ROOM)
        self.assertEqual(
            [("presence:join", "ann"), *self.told()],
            [("presence:join", "ann"), ("presence:update", "ann"), ("presence:leave", "ann")],
        )

    def test_sync(self) -> None:
        """
        A connection that tracks for the first time gets the set of members once, itself included.
        """
        self.track("c1", "ann")
        bob = self.track("c2", "bob")
        (sync,) = bob.take()
        self.assertEqual(sync["event"], "presence:sync")
        self.assertEqual([m["userId"] for m in sync["data"]["members"]], ["ann", "bob"])
        self.assertEqual(self.track("c2", "bob", b'{"a":1}').take(), [])

    def test_nobodyThere(self) -> None:
        """
        A subscriber to a topic without members gets no set.
        """
        self.presence.sync(self.listener, ROOM, False)
        self.assertEqual(self.listener.take(), [])

    def test_left(self) -> None:
        """
        A connection that closes leaves every topic.
        """
        self.track("c1", "ann")
        self.presence.track("c1", Topic("chat/b", "p"), "ann", b"{}")
        self.assertEqual(set(self.presence.topicsOf("c1")), {"chat/a/p", "chat/b/p"})
        self.listener.take()
        self.presence.leave("c1")
        self.assertEqual(self.told(), [("presence:leave", "ann")])
        self.assertEqual(set(self.presence.topicsOf("c1")), set())

    def test_lostAndFound(self) -> None:
        """
        A user that comes back within the grace was never away.
        """
        self.track("c1", "ann")
        self.presence.lose("c1")
        self.world.clock.advance(9.9)
        tuple(self.world.backbone.roster.sweep())
        self.track("c2", "ann")
        self.world.clock.advance(60)
        tuple(self.world.backbone.roster.sweep())
        self.assertEqual(self.told(), [("presence:join", "ann")])

    def test_lost(self) -> None:
        """
        A user that does not come back has left when the grace is over.
        """
        self.track("c1", "ann")
        self.presence.lose("c1")
        self.world.clock.advance(10)
        tuple(self.world.backbone.roster.sweep())
        tuple(self.world.backbone.roster.sweep())
        self.assertEqual(self.told(), [("presence:join", "ann"), ("presence:leave", "ann")])
