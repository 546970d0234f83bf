"""
Tests for L{aerostack.sessions.commands}: C{track} and C{untrack}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.limits import LimitsConfig
from aerostack.testing import World
from tests.answers import codes, types


class PresenceTests(SynchronousTestCase):
    """
    Tests for C{track} and C{untrack}.
    """

    def setUp(self) -> None:
        self.world = World(grace=10)
        self.watcher = self.world.connect(userId="watcher")
        self.watcher.ask(type="subscribe", topic="doc/1")

    def events(self) -> list[tuple[str, str, Any]]:
        return [(f["event"], f["data"]["userId"], f["data"]["state"]) for f in self.watcher.take()]

    def test_joinUpdateLeave(self) -> None:
        """
        Subscribers see a member join, change and leave.
        """
        ann = self.world.connect(userId="ann")
        (sync,) = ann.ask(type="track", topic="doc/1", state={"x": 1})
        self.assertEqual(sync["event"], "presence:sync")
        self.assertEqual([m["userId"] for m in sync["data"]["members"]], ["ann"])
        self.assertEqual(self.events(), [("presence:join", "ann", {"x": 1})])
        self.assertEqual(ann.ask(type="track", topic="doc/1", state={"x": 2}), [])
        self.assertEqual(self.events(), [("presence:update", "ann", {"x": 2})])
        ann.send(type="track", topic="doc/1", state={"x": 2})
        self.assertEqual(self.events(), [])
        ann.send(type="untrack", topic="doc/1")
        self.assertEqual(self.events(), [("presence:leave", "ann", {"x": 2})])

    def test_tooMuch(self) -> None:
        """
        The daemon refuses a state when the states of the connection on all topics are too large
        together; the connection stays.
        """
        ann = self.world.connect(userId="ann")
        state = {"text": "x" * (LimitsConfig().stateBytes - 20)}
        for number in range(16):
            ann.send(type="track", topic=f"doc/{number}", state=state)
        ann.take()
        for topic in ("doc/17", "orders"):
            (error,) = ann.ask(type="track", topic=topic, state=state)
            self.assertEqual((error["code"], error["request"]), ("too_large", "track"))
        ann.ask(type="untrack", topic="doc/3")
        (sync,) = ann.ask(type="track", topic="doc/17", state=state)
        self.assertEqual(sync["event"], "presence:sync")

    def test_syncOnSubscribe(self) -> None:
        """
        A new subscriber gets the list of members if there are any.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={})
        late = self.world.connect()
        confirmed, sync = late.ask(type="subscribe", topic="doc/1")
        self.assertEqual(confirmed["type"], "subscribed")
        self.assertEqual([m["userId"] for m in sync["data"]["members"]], ["ann"])
        self.assertEqual(types(late.ask(type="subscribe", topic="doc/2")), ["subscribed"])

    def test_twoTabs(self) -> None:
        """
        Two connections of one user are two members, and one can leave while the other stays.
        """
        tabs = [self.world.connect(userId="ann") for _ in range(2)]
        for tab in tabs:
            tab.send(type="track", topic="doc/1", state={})
        joined = [f["data"]["connectionId"] for f in self.watcher.take()]
        self.assertEqual(joined, [tab.connectionId for tab in tabs])
        tabs[0].close()
        (left,) = self.watcher.take()
        self.assertEqual(left["event"], "presence:leave")
        self.assertEqual(left["data"]["connectionId"], tabs[0].connectionId)

    def test_cleanCloseLeavesAtOnce(self) -> None:
        """
        A member leaves at once when its connection closes properly.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={})
        self.events()
        ann.close()
        self.assertEqual([e[0] for e in self.events()], ["presence:leave"])

    def test_deathLeavesAfterGrace(self) -> None:
        """
        A member whose connection is lost leaves when the grace period is over.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={})
        self.events()
        ann.die()
        self.world.advance(9)
        self.assertEqual(self.events(), [])
        self.world.advance(2)
        self.assertEqual([e[0] for e in self.events()], ["presence:leave"])

    def test_backWithinGrace(self) -> None:
        """
        A user who comes back within the grace period does not leave, and the member keeps its
        connection id.
        """
        ann = self.world.connect(userId="ann")
        ann.send(type="track", topic="doc/1", state={"x": 1})
        (joined,) = self.watcher.take()
        ann.die()
        self.world.advance(5)
        again = self.world.connect(userId="ann")
        (sync,) = again.ask(type="track", topic="doc/1", state={"x": 1})
        self.assertEqual(
            [m["connectionId"] for m in sync["data"]["members"]], [joined["data"]["connectionId"]]
        )
        self.world.advance(30)
        self.assertEqual(self.watcher.take(), [])
        again.close()
        (left,) = self.watcher.take()
        self.assertEqual(left["data"]["connectionId"], joined["data"]["connectionId"])

    def test_stateTooLarge(self) -> None:
        """
        The daemon refuses a state that is larger than the limit.
        """
        ann = self.world.connect(userId="ann")
        frames = ann.ask(type="track", topic="doc/1", state={"x": "y" * 20_000})
        self.assertEqual(codes(frames), ["too_large"])
        self.assertEqual(self.events(), [])

    def test_stateNoObject(self) -> None:
        """
        The daemon refuses a state that is not an object.
        """
        ann = self.world.connect(userId="ann")
        self.assertEqual(codes(ann.ask(type="track", topic="doc/1", state=[1])), ["invalid_frame"])
