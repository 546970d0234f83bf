"""
Tests for L{aerostack.sessions.shares}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.limits.admission import Admission
from aerostack.errors import RealtimeError
from aerostack.interfaces.shares import IPlace, IShares
from aerostack.sessions.shares import Shares
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig

HERE = "192.0.2.1"


class SharesTests(SynchronousTestCase):
    """
    Tests for L{Shares}.
    """

    def make(self, limits: dict[str, Any], **project: Any) -> Shares:
        """
        Make shares of a project C{p} with limits, and a project C{q} without.
        """
        config = LimitsConfig(**{"connectionsPerAddress": None, **limits})
        projects = {"p": ProjectConfig("p", **project), "q": ProjectConfig("q")}
        return Shares(Clock(), projects, config, Admission(config, lambda: 0.5))

    def assertNothing(self, shares: Shares) -> None:
        """
        Assert that nothing is counted.
        """
        counts = (shares.connections, shares.addresses, shares.subscriptions)
        self.assertEqual((shares.places, *map(len, counts)), (0, 0, 0, 0))

    def refused(self, call: Any, *args: Any) -> str:
        """
        Give the code of a refusal.
        """
        error: RealtimeError = self.assertRaises(RealtimeError, call, *args)
        return error.code

    def test_interface(self) -> None:
        """
        They keep the contract.
        """
        shares = self.make({})
        verifyObject(IShares, shares)
        verifyObject(IPlace, shares.admit(None))

    def test_places(self) -> None:
        """
        The daemon and each address have so many places, and one that was left is free again.
        """
        shares = self.make({"connections": 3, "connectionsPerAddress": 2})
        first, second = shares.admit(HERE), shares.admit(HERE)
        self.assertEqual(self.refused(shares.admit, HERE), "too_many_connections")
        third = shares.admit(None)
        self.assertEqual(self.refused(shares.admit, "192.0.2.2"), "too_many_connections")
        first.leave()
        shares.admit(HERE).leave()
        second.leave()
        third.leave()
        self.assertNothing(shares)

    def test_project(self) -> None:
        """
        A connection counts to its project once it has entered, and a refused one keeps its place
        until it leaves.
        """
        shares = self.make({}, connections=1)
        first, second = shares.admit(HERE), shares.admit(HERE)
        self.assertIsNone(first.enter("p"))
        self.assertEqual(self.refused(second.enter, "p"), "too_many_connections")
        self.assertEqual((shares.places, shares.connections["p"]), (2, 1))
        first.leave()
        second.enter("p")
        second.leave()
        self.assertNothing(shares)

    def test_leftOnce(self) -> None:
        """
        A place that is left twice is given back once, and nothing enters afterwards.
        """
        shares = self.make({})
        place = shares.admit(HERE)
        for _ in range(2):
            place.leave()
        place.enter("p")
        self.assertNothing(shares)

    def test_rate(self) -> None:
        """
        A client that comes too fast gets no place, and one that is refused for another reason does
        not count to the rate.
        """
        shares = self.make(
            {"connectionsPerSecond": 1.0, "connectionsBurst": 2, "connectionsPerAddress": 1}
        )
        shares.admit(HERE)
        self.assertEqual(self.refused(shares.admit, HERE), "too_many_connections")
        shares.admit(None)
        self.assertEqual(self.refused(shares.admit, None), "overloaded")
        self.assertEqual(shares.places, 2)

    def test_subscriptions(self) -> None:
        """
        A project has so many subscriptions, and one that ended is free again.
        """
        shares = self.make({}, subscriptions=1)
        self.assertIsNone(shares.subscribe("p"))
        self.assertEqual(self.refused(shares.subscribe, "p"), "too_many_subscriptions")
        shares.subscribe("q")
        shares.unsubscribe("p")
        shares.subscribe("p")
        for project in ("p", "q"):
            shares.unsubscribe(project)
        self.assertNothing(shares)

    def test_reload(self) -> None:
        """
        New limits hold at once, and what is over them stays.
        """
        shares = self.make({})
        places = [shares.admit(HERE) for _ in range(3)]
        for place in places:
            place.enter("p")
        shares.reloadShares({"p": ProjectConfig("p", connections=1)}, LimitsConfig(connections=1))
        self.assertEqual(self.refused(shares.admit, None), "too_many_connections")
        for place in places:
            place.leave()
        self.assertNothing(shares)
        shares.admit(None)
