"""
Tests for L{aerostack.core.diagnosis.evidence}.
"""

from __future__ import annotations

from msgspec import json
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.evidence import Evidence, joinEvidence
from aerostack.core.diagnosis.facts import Feed, Last, Link, Log
from aerostack.core.diagnosis.traces import Ended, Refused


def ended(at: int) -> Ended:
    """
    The end of a connection.
    """
    return Ended(f"c-{at}", "p", "ann", at, None, "")


class JoinTests(SynchronousTestCase):
    """
    Tests for L{joinEvidence}.
    """

    def test_connections(self) -> None:
        """
        Open connections come in order of opening, ended ones newest first, as many as are wanted.
        """
        first = Evidence([(Link("c-1", 1), "a"), (Link("c-5", 5), None)], [ended(9), ended(2)])
        second = Evidence([(Link("c-3", 3), "b")], [ended(7)], namesake="~ann")
        found = joinEvidence([first, second], 2)
        self.assertEqual(
            [(link.id, rule) for link, rule in found.links], [("c-1", "a"), ("c-3", "b")]
        )
        self.assertEqual([each.at for each in found.ended], [9, 7])

    def test_namesake(self) -> None:
        """
        A namesake is named only if no process has a connection of the user.
        """
        near = Evidence(namesake="~ann")
        self.assertEqual(joinEvidence([Evidence(), near], 9).namesake, "~ann")
        here = Evidence([(Link("c-1", 1), None)])
        self.assertIsNone(joinEvidence([here, near], 9).namesake)

    def test_log(self) -> None:
        """
        The log is that of the process which has most of it.
        """
        less = Evidence(log=Log(3, None), stream={"pos": "3"})
        more = Evidence(log=Log(5, Last(1, "e")), stream={"pos": "5"})
        found = joinEvidence([Evidence(), less, more], 9)
        self.assertEqual((found.log, found.stream), (more.log, more.stream))

    def test_feed(self) -> None:
        """
        The feed has the trouble of any process, and is watched if one watches it.
        """
        fine = Evidence(feed=Feed("t", True, True, None, 1.0))
        ill = Evidence(feed=Feed("t", True, False, "ill", 2.0, "open"))
        self.assertEqual(
            joinEvidence([fine, ill], 9).feed, Feed("t", True, True, "ill", 2.0, "open")
        )

    def test_plain(self) -> None:
        """
        Evidence becomes JSON and the same evidence again.
        """
        link = Link(
            *("c-1", 1, "live", 2, 3, "no", "x = 1", ["a"], {"a": {"gt": 1}}, ["b"], "insert"),
            *("missed", Refused(1, "code", "message"), 5, True),
        )
        whole = Evidence(
            [(link, "rule")],
            [ended(1)],
            Log(5, Last(1, "e")),
            {"pos": "5"},
            Feed("t", True, True, "ill", 1.0, "open"),
            {"up": True},
            "~ann",
        )
        again = json.decode(json.encode(whole), type=Evidence)
        self.assertEqual([tuple(pair) for pair in again.links], whole.links)
        self.assertEqual(again, whole)
