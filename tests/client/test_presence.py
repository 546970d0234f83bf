"""
Tests for L{aerostack.client.presence}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

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
        Members come, change and go, and keep their places.
        """
        one, two, three = member("c1"), member("c2"), member("c3")
        self.presence.told("presence:sync", {"members": [one, two]})
        self.presence.told("presence:join", three)
        self.assertEqual(self.presence.members, [one, two, three])
        changed = member("c2", state={"typing": True})
        self.presence.told("presence:update", changed)
        self.assertEqual(self.presence.members, [one, changed, three])
        self.presence.told("presence:leave", one)
        self.presence.told("presence:leave", one)
        self.assertEqual(self.presence.members, [changed, three])

    def test_sync(self) -> None:
        """
        A sync is the whole set, and the present one.
        """
        self.presence.told("presence:join", member("c1"))
        self.presence.stale = True
        self.presence.told("presence:sync", {"members": [member("c2")]})
        self.assertEqual([m["connectionId"] for m in self.presence.members], ["c2"])
        self.assertFalse(self.presence.stale)

    def test_copy(self) -> None:
        """
        What an application does with the list changes nothing.
        """
        self.presence.told("presence:join", member("c1"))
        self.presence.members.clear()
        self.assertEqual(len(self.presence.members), 1)

    def test_onChange(self) -> None:
        """
        Who wants to know is called with each new set, until it takes that back.
        """
        sets: list[int] = []
        takeBack = self.presence.onChange(lambda members: sets.append(len(members)))
        self.presence.told("presence:sync", {"members": [member("c1"), member("c2")]})
        self.presence.told("presence:leave", member("c1"))
        takeBack()
        self.presence.told("presence:join", member("c3"))
        self.assertEqual(sets, [2, 1])

    def test_nonsense(self) -> None:
        """
        What is no member is none.
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
            self.presence.told(event, data)
        self.presence.told("presence:sync", {"members": [1, {}, None]})
        self.assertEqual(self.presence.members, [])
