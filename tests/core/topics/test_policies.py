"""
Tests for L{aerostack.core.topics.policies}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.topics import policies
from aerostack.core.topics.policies import CLOSE, LATEST, NEWEST, TopicPolicies, TopicPolicy

DEPTH = Depth(10, 1000, 60.0)
DEFAULT = TopicPolicy(DEPTH)
CURSORS = TopicPolicy(DEPTH, LATEST)
SCORES = TopicPolicy(DEPTH, NEWEST)


class TopicPoliciesTests(SynchronousTestCase):
    """
    Tests for L{TopicPolicies}.
    """

    def test_first(self) -> None:
        """
        The first pattern that matches a topic decides, whatever the topic's project.
        """
        rules = TopicPolicies(
            [("cursors/*", CURSORS), ("*/live", SCORES), ("table/*", SCORES)], DEFAULT
        )
        self.assertIs(rules.of("cursors/a/p"), CURSORS)
        self.assertIs(rules.of("cursors/a/q"), CURSORS)
        self.assertIs(rules.of("cursors/live/p"), CURSORS)
        self.assertIs(rules.of("match/live/p"), SCORES)
        self.assertIs(rules.of("table/orders/p"), SCORES)
        self.assertIs(rules.of("cursors/a/b/p"), DEFAULT)
        self.assertIs(rules.of("chat/a/p"), DEFAULT)

    def test_remembered(self) -> None:
        """
        A client that makes up topics without end does not fill the memory.
        """
        rules = TopicPolicies([("cursors/*", CURSORS)], DEFAULT)
        self.patch(TopicPolicies, "remembered", 10)
        for number in range(100):
            self.assertIs(rules.of(f"cursors/{number}/p"), CURSORS)
            self.assertLessEqual(len(rules._found), 10)

    def test_kinds(self) -> None:
        """
        The kind of a topic is its project and the first pattern that covers it; the topics that no
        pattern covers are two kinds: tables and others.
        """
        rules = TopicPolicies([("cursors/*", CURSORS), ("**/live", SCORES)], DEFAULT)
        self.patch(TopicPolicies, "remembered", 3)
        for topic, kind in (
            ("cursors/a/p", "p\0cursors/*"),
            ("cursors/live/p", "p\0cursors/*"),
            ("match/live/q", "q\0**/live"),
            ("chat/a/p", "p\0**"),
            ("table/orders/p", "p\0table/**"),
        ):
            self.assertEqual([rules.kindOf(topic), rules.kindOf(topic)], [kind, kind])
            self.assertLessEqual(len(rules._kinds), 3)

    def test_manyKinds(self) -> None:
        """
        Projects without end do not make metrics without end.  The kinds that came first stay.
        """
        self.patch(policies, "KINDS", 2)
        rules = TopicPolicies([], TopicPolicy(DEPTH))
        kinds = [rules.kindOf(f"chat/a/{project}") for project in ("p", "q", "r", "s", "p")]
        self.assertEqual(kinds, ["p\0**", "q\0**", policies.REST, policies.REST, "p\0**"])


class SparingTests(SynchronousTestCase):
    """
    Tests for L{TopicPolicy.conflationKey}.
    """

    def test_close(self) -> None:
        """
        If every frame counts, no frame has a key.
        """
        self.assertIsNone(TopicPolicy(DEPTH, CLOSE).conflationKey("t", "e", "ann"))

    def test_newest(self) -> None:
        """
        If only the newest frame counts, all frames of a topic have the same key.
        """
        keys = {SCORES.conflationKey("t", event, value) for event in "ab" for value in (None, "x")}
        self.assertEqual(len(keys), 1)
        self.assertNotIn(None, keys)
        self.assertNotIn(SCORES.conflationKey("u", "a", None), keys)

    def test_latest(self) -> None:
        """
        If the latest frame of each value counts, frames of the same topic, event and value have the
        same key; a frame without a value has none.
        """
        key = CURSORS.conflationKey("t", "move", "ann")
        self.assertIsNotNone(key)
        self.assertEqual(CURSORS.conflationKey("t", "move", "ann"), key)
        others = {
            CURSORS.conflationKey("u", "move", "ann"),
            CURSORS.conflationKey("t", "click", "ann"),
            CURSORS.conflationKey("t", "move", "bob"),
        }
        self.assertEqual(len(others - {key}), 3)
        self.assertIsNone(CURSORS.conflationKey("t", "move", None))
