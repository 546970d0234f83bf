"""
Tests for L{aerostack.engine.valkey.roster}, against a real server.
"""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred, gatherResults

from tests.engine.rostercontract import RosterContract
from tests.engine.valkey.rosters import RosterCase


class ValkeyRosterTests(RosterCase, RosterContract):  # type: ignore[misc]
    """
    L{aerostack.engine.valkey.roster.ValkeyRoster} decides as every other roster.
    """


class RaceTests(RosterCase):
    """
    A node attaches topics whose members change at another node at the same time.
    """

    async def race(self, topic: str, random: Random) -> tuple[dict[str, None], int]:
        """
        Let members join and leave at one node while another one attaches the topic.

        @return: The set that the other one got, and how many changes it had heard of by then.
        """
        one, other = self.nodes
        await one.roster.attach(topic)
        attaching = other.roster.attach(topic)
        tracking = []
        for member in range(random.randrange(4)):
            tracking.append(one.track(f"c{member}", topic=topic))
            if random.random() < 0.3:
                one.roster.untrack(topic, f"c{member}")
            await self.pause(0)
        await attaching
        got = dict.fromkeys(other.names(topic)), len(other.events(topic))
        for each in tracking:
            await each
        return got

    async def test_race(self) -> None:
        """
        In 1,000 tries, the set that a node gets and the changes that it hears after that make the
        set of the other node: no member is there twice, and none is missing (trap 22).
        """
        one, other = self.node(), self.node()
        for first in range(0, 1_000, 100):
            topics = [f"race/{number}/p" for number in range(first, first + 100)]
            races = [Deferred.fromCoroutine(self.race(each, Random(each))) for each in topics]
            found = await gatherResults(races)
            await self.settle()
            for topic, (members, heard) in zip(topics, found, strict=True):
                for event, name, _ in other.events(topic)[heard:]:
                    self.assertEqual(event == "leave", name in members, (topic, event, name))
                    if event == "leave":
                        del members[name]
                    else:
                        members[name] = None
                self.assertEqual(list(members), other.names(topic), topic)
                self.assertEqual(one.names(topic), other.names(topic), topic)
