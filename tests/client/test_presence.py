"""
Tests for L{aerostack.client.presence}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.presence import Presence


def member(connectionId: str, **fields: Any) -> dict[str, Any]:
    return {"connectionId": connectionId, "userId": None, "state": {}, "since": 1, **fields}


class PresenceTests(SynchronousTestCase):
    """
    Tests for L{Presence}.
    """

    def setUp(self) -> None:
        self.presence = Presence()

    def test_events(self) -> None:
        """
        Members come, change and go, and keep their order.
        """
        one, two, three = member("c1"), member("c2"), member("c3")
        self.presence.received("presence:sync", {"members": [one, two]})
        self.presence.received("presence:join", three)
        self.assertEqual(self.presence.members, [one, two, three])
        changed = member("c2", state={"typing": True})
        self.presence.received("presence:update", changed)
        self.assertEqual(self.presence.members, [one, changed, three])
        self.presence.received("presence:leave", one)
        self.presence.received("presence:leave", one)
        self.assertEqual(self.presence.members, [changed, three])

    def test_sync(self) -> None:
        """
        A sync replaces the whole set.
        """
        self.presence.received("presence:join", member("c1"))
        self.assertTrue(self.presence.received("presence:sync", {"members": [member("c2")]}))
        self.assertEqual(self.names(), ["c2"])
        self.assertEqual(self.successResultOf(self.presence.known()), [member("c2")])

    def names(self) -> list[str]:
        """
        The names of the members that the application sees.
        """
        return [each["connectionId"] for each in self.presence.members]

    def page(self, number: int, *names: str) -> None:
        """
        Receive a page of a set, which the application does not get.
        """
        members = [member(name) for name in names]
        told = self.presence.received("presence:sync", {"members": members, "page": number})
        self.assertFalse(told)

    def test_pages(self) -> None:
        """
        The application sees a set when its last page has come; changes meanwhile affect it and the
        set before.
        """
        self.presence.received("presence:sync", {"members": [member("old"), member("a")]})
        self.presence.begin()
        waiting = self.presence.known()
        self.presence.received("presence:join", member("new"))
        self.page(0, "a", "b")
        self.assertEqual(self.names(), ["old", "a", "new"])
        self.presence.received("presence:leave", member("b"))
        self.presence.received("presence:join", member("c"))
        self.page(1, "d", "c")
        self.assertEqual(self.names(), ["old", "a", "new", "c"])
        self.assertNoResult(waiting)
        self.assertTrue(self.presence.synced())
        self.presence.answer()
        self.assertEqual(self.names(), ["a", "c", "d"])
        self.assertEqual(len(self.successResultOf(waiting)), 3)

    def test_again(self) -> None:
        """
        The first page always begins a new set.
        """
        self.page(0, "a")
        self.page(1, "b")
        self.page(0, "c")
        self.presence.synced()
        self.assertEqual(self.names(), ["c"])

    def test_nobody(self) -> None:
        """
        An empty set is reported only if there were members before.
        """
        self.presence.begin()
        self.assertFalse(self.presence.synced())
        self.assertEqual(self.successResultOf(self.presence.known()), [])
        self.presence.received("presence:join", member("a"))
        self.presence.begin()
        self.assertTrue(self.presence.synced())
        self.assertFalse(self.presence.synced())

    def test_lost(self) -> None:
        """
        The application sees the set before when a connection breaks in the middle of a new one.
        """
        self.presence.received("presence:join", member("a"))
        self.presence.begin()
        self.page(0, "b")
        self.presence.closed()
        self.assertFalse(self.presence.synced())
        self.assertEqual(self.names(), ["a"])

    def test_over(self) -> None:
        """
        When the daemon sends no more changes the set is empty, and waiting deferreds fail.
        """
        sets: list[int] = []
        self.presence.onChange(lambda members: sets.append(len(members)))
        self.presence.received("presence:join", member("a"))
        self.presence.begin()
        waiting = self.presence.known()
        self.presence.over(ClientError("unsubscribed", "It is over."))
        self.assertEqual((self.names(), sets), ([], [1, 0]))
        self.failureResultOf(waiting, ClientError)

    def test_copy(self) -> None:
        """
        An application may change the list that it gets.
        """
        self.presence.received("presence:join", member("c1"))
        self.presence.members.clear()
        self.assertEqual(len(self.presence.members), 1)

    def test_onChange(self) -> None:
        """
        A callback gets each new set until it is taken back.
        """
        sets: list[int] = []
        takeBack = self.presence.onChange(lambda members: sets.append(len(members)))
        self.presence.received("presence:sync", {"members": [member("c1"), member("c2")]})
        self.presence.received("presence:leave", member("c1"))
        takeBack()
        self.presence.received("presence:join", member("c3"))
        self.assertEqual(sets, [2, 1])

    def test_nonsense(self) -> None:
        """
        Data that is no member changes nothing.
        """
        for event, data in (
            ("presence:sync", None),
            ("presence:sync", {"members": 1}),
            ("presence:join", []),
            ("presence:join", {"connectionId": 1}),
            ("presence:leave", {}),
            ("presence:leave", {"connectionId": []}),
            ("presence:other", member("c1")),
        ):
            self.presence.received(event, data)
        self.presence.received("presence:sync", {"members": [1, {}, None]})
        self.assertEqual(self.presence.members, [])
