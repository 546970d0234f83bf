"""
Tests for L{aerostack.core.diagnosis.explain}.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.explain import (
    EVENTS,
    FILTER,
    FINDINGS,
    FINE,
    NOTICE,
    PROBLEM,
    RULE,
    Explanation,
    explain,
    whyMissed,
)
from aerostack.core.diagnosis.facts import ASKED, CATCHING_UP, LIVE, Facts, Feed, Last, Link, Log
from aerostack.core.diagnosis.traces import Ended, Refused
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.conditions import EQ, makeCondition
from aerostack.core.rows.filters import Filter
from aerostack.core.rows.views import View
from aerostack.errors import CLOSE_SLOW

NOW = 1_000_000_000

CHANGED = Log(3, Last(NOW - 2000, "INSERT"))

FEED = Feed("orders", allowed=True, watched=True, trouble=None, lag=0.1)

LINK = Link("c1", NOW - 60_000, LIVE, since=NOW - 50_000)

ORDERS = Facts("ann", "table/orders/p", NOW, (LINK,), log=CHANGED, feed=FEED)

CHAT = Facts("ann", "chat/a/p", NOW, (LINK,), log=Log(3, Last(NOW - 2000, "said")))


def withLink(facts: Facts, **changes: Any) -> Facts:
    """
    The same facts, but of another connection.
    """
    return replace(facts, links=(replace(LINK, **changes),))


class ExplainTests(SynchronousTestCase):
    """
    Tests for L{explain}.
    """

    def test_alike(self) -> None:
        """
        Several subscriptions of one connection of which the same is true have one finding.
        """
        found = explain(replace(CHAT, links=(LINK, LINK)))
        self.assertEqual([each.code for each in found.findings], ["subscribed"])

    def assertFinds(
        self, facts: Facts, code: str, severity: str, *words: str, connection: str | None = None
    ) -> Explanation:
        """
        Assert that something is found, and that some words are in what is said of it.
        """
        found = explain(facts)
        (finding,) = [each for each in found.findings if each.code == code]
        self.assertIn(code, FINDINGS)
        self.assertEqual((finding.severity, finding.connection), (severity, connection))
        for word in words:
            self.assertIn(word, finding.message)
        return found

    def codes(self, facts: Facts) -> list[str]:
        """
        The codes of what is found.
        """
        return [finding.code for finding in explain(facts).findings]

    def test_fine(self) -> None:
        """
        If nothing is in the way, the only finding is that the connection is subscribed.
        """
        for facts in (ORDERS, CHAT):
            self.assertEqual(self.codes(facts), ["subscribed"])
            found = self.assertFinds(facts, "subscribed", FINE, "c1", connection="c1")
            self.assertEqual(found.verdict, f"What is published on {facts.topic} reaches ann.")

    def test_waiting(self) -> None:
        """
        The finding gives the number of bytes that wait.  A few are no problem.
        """
        facts = withLink(CHAT, queued=99)
        self.assertFinds(facts, "subscribed", FINE, "99 bytes", connection="c1")

    # The user

    def test_notConnected(self) -> None:
        """
        A user without a connection cannot be reached.
        """
        facts = replace(CHAT, links=())
        found = self.assertFinds(facts, "not_connected", PROBLEM, "ann has no connection")
        self.assertEqual(found.verdict, found.findings[0].message)
        self.assertEqual(self.codes(facts), ["not_connected"])

    def test_ended(self) -> None:
        """
        The finding says how the user's last connection ended: with which code and reason, and what
        the code means, or without a close.
        """
        closed = Ended("c9", "p", "ann", NOW - 120_000, CLOSE_SLOW, "reading too slowly; resume")
        for ended, words in (
            (closed, ("c9", "2 min ago", "4008 (reading too slowly; resume): The client read")),
            (replace(closed, reason=""), ("with 4008: The client",)),
            (replace(closed, code=3999, reason=""), ("with 3999.",)),
            (replace(closed, code=None, at=NOW - 7_200_000), ("2 h ago", "without a word")),
        ):
            facts = replace(CHAT, links=(), ended=(ended, replace(closed, id="c8")))
            self.assertFinds(facts, "not_connected", PROBLEM, *words)

    def test_namesake(self) -> None:
        """
        The finding names a connected user whose name is similar.
        """
        facts = replace(CHAT, links=(), namesake="anonymous:ann")
        self.assertFinds(facts, "another_name", NOTICE, "anonymous:ann is connected")

    # Its connections

    def test_notSubscribed(self) -> None:
        """
        A connection that has not subscribed is a problem, unless another one has.
        """
        alone = replace(CHAT, links=(Link("c2", NOW),))
        self.assertFinds(alone, "not_subscribed", PROBLEM, "not subscribed", connection="c2")
        both = replace(CHAT, links=(Link("c2", NOW), LINK))
        found = self.assertFinds(both, "not_subscribed", NOTICE, connection="c2")
        self.assertTrue(found.verdict.startswith("What is published on chat/a/p reaches ann, but:"))

    def test_refused(self) -> None:
        """
        The finding has the error that refused the subscription.  An error from before the client
        unsubscribed is no reason.
        """
        refused = Refused(NOW - 5000, "too_many_subscriptions", "Leave some.")
        facts = replace(CHAT, links=(Link("c2", NOW - 9000, refused=refused),))
        self.assertFinds(
            facts, "refused", PROBLEM, "5 s ago", "too_many_subscriptions: Leave", connection="c2"
        )
        left = replace(CHAT, links=(Link("c2", NOW - 9000, refused=refused, left=NOW - 1000),))
        self.assertFinds(left, "unsubscribed", PROBLEM, "1 s ago", connection="c2")
        self.assertEqual(self.codes(left), ["unsubscribed"])

    def test_oldError(self) -> None:
        """
        An error about the topic that did not end the subscription is no finding.
        """
        refused = Refused(NOW - 5000, "rate_limited", "Wait.")
        self.assertEqual(self.codes(withLink(CHAT, refused=refused)), ["subscribed"])

    def test_forbidden(self) -> None:
        """
        The finding says why the user may not read the table, whether or not the connection is still
        subscribed.
        """
        for state in (LIVE, ASKED, "none"):
            facts = withLink(ORDERS, state=state, forbidden="The table may not be read so.")
            self.assertFinds(facts, "forbidden", PROBLEM, "may not be read so", connection="c1")
            self.assertEqual(self.codes(facts), ["forbidden"])

    def test_asked(self) -> None:
        """
        A subscription without an answer is a problem.
        """
        self.assertFinds(
            withLink(ORDERS, state=ASKED), "asked", PROBLEM, "no answer yet", connection="c1"
        )

    def test_congested(self) -> None:
        """
        A client that does not read is a problem.  The finding says how many bytes wait.
        """
        facts = withLink(CHAT, congested=True, queued=70_000)
        self.assertFinds(facts, "congested", PROBLEM, "70000 bytes", connection="c1")
        self.assertEqual(self.codes(facts), ["congested"])

    def test_catchingUp(self) -> None:
        """
        A client gets live changes only after it has got what it missed.
        """
        facts = withLink(ORDERS, state=CATCHING_UP)
        self.assertFinds(facts, "catching_up", NOTICE, "missed", connection="c1")
        self.assertNotIn("subscribed", self.codes(facts))

    # What a subscriber gets of a table

    def test_narrowed(self) -> None:
        """
        Each finding shows one thing that narrows what the subscriber gets.
        """
        for changes, code, words in (
            ({"filter": {"status": "new"}}, "filtered", ('{"status": "new"}',)),
            ({"rows": "owner = 'ann'"}, "rows_rule", ("owner = 'ann'",)),
            ({"events": "INSERT"}, "events", ("only for INSERT.",)),
            ({"events": ["INSERT", "DELETE"]}, "events", ("INSERT, DELETE",)),
            ({"columns": ["id", "status"]}, "columns", ("id, status",)),
            ({"hidden": ("cost",)}, "hidden_columns", ("hides the columns cost",)),
        ):
            facts = withLink(ORDERS, **changes)
            found = self.assertFinds(facts, code, NOTICE, *words, connection="c1")
            self.assertEqual(self.codes(facts), [code, "subscribed"])
            self.assertIn("reaches ann, but: ", found.verdict)

    def test_notNarrowed(self) -> None:
        """
        An empty filter, and the event that means all operations, narrow nothing.
        """
        self.assertEqual(self.codes(withLink(ORDERS, filter={}, events="*")), ["subscribed"])

    def test_missed(self) -> None:
        """
        The first finding is that the subscriber does not get the newest change.
        """
        for missed, words in (
            (FILTER, "does not meet its filter"),
            (RULE, "rule does not let it read the row"),
            (EVENTS, "did not ask for that operation"),
        ):
            facts = withLink(ORDERS, missed=missed, filter={"status": "new"})
            found = self.assertFinds(
                facts, "not_told", NOTICE, "INSERT 2 s ago", words, connection="c1"
            )
            self.assertEqual(found.findings[0].code, "not_told")

    # The feed

    def test_notAllowed(self) -> None:
        """
        If clients may not subscribe to a table, the finding names the setting that allows it.
        """
        facts = replace(ORDERS, links=(), log=None, feed=replace(FEED, allowed=False))
        found = self.assertFinds(facts, "table_not_allowed", PROBLEM, "tracker.tables")
        self.assertIn("tracker.tables", found.verdict)

    def test_notFollowed(self) -> None:
        """
        A table without subscribers is not followed.
        """
        facts = replace(ORDERS, links=(), log=None, feed=replace(FEED, watched=False))
        self.assertFinds(facts, "table_not_followed", NOTICE, "no client of this project")

    def test_down(self) -> None:
        """
        A feed that is down is the first finding, with the reason.
        """
        facts = replace(ORDERS, feed=replace(FEED, trouble="It sleeps.", lag=60.0))
        found = self.assertFinds(facts, "feed_down", PROBLEM, "It sleeps.")
        self.assertIn("It sleeps.", found.verdict)
        self.assertNotIn("feed_lagging", self.codes(facts))

    def test_lagging(self) -> None:
        """
        A feed that is seconds behind is a problem.
        """
        self.assertFinds(
            replace(ORDERS, feed=replace(FEED, lag=12.0)), "feed_lagging", PROBLEM, "12 s behind"
        )
        self.assertEqual(self.codes(replace(ORDERS, feed=replace(FEED, lag=4.9))), ["subscribed"])

    def test_transaction(self) -> None:
        """
        The finding describes the open transaction.
        """
        facts = replace(ORDERS, feed=replace(FEED, transaction="It has been open for 9 s."))
        self.assertFinds(facts, "transaction_open", NOTICE, "open for 9 s")

    # What was published

    def test_unknownTopic(self) -> None:
        """
        For an unknown topic, the diagnosis says that its name may be misspelt.
        """
        facts = replace(CHAT, links=(), log=None)
        self.assertFinds(facts, "unknown_topic", NOTICE, "spelled")
        self.assertNotIn("unknown_topic", self.codes(replace(ORDERS, links=(), log=None)))

    def test_nothingPublished(self) -> None:
        """
        The finding says that nothing was published yet.  For a table it says that the change may
        not be committed.
        """
        silent = Log(0, None)
        self.assertFinds(replace(CHAT, log=silent), "nothing_published", NOTICE, "spelled")
        self.assertFinds(replace(ORDERS, log=silent), "nothing_published", NOTICE, "committed")

    def test_nothingSince(self) -> None:
        """
        The finding says that the newest publication is older than the subscription.  If the time of
        the subscription is unknown, it is older than the connection.
        """
        facts = replace(CHAT, log=Log(3, Last(NOW - 55_000, "said")))
        self.assertFinds(facts, "nothing_since", NOTICE, "50 s ago", "said", connection="c1")
        unknown = withLink(facts, since=None)
        self.assertNotIn("nothing_since", self.codes(unknown))
        old = withLink(facts, since=None, opened=NOW - 54_000)
        self.assertFinds(old, "nothing_since", NOTICE, "54 s ago", connection="c1")

    def test_forgotten(self) -> None:
        """
        If the newest publication is no longer in memory, no finding says when it came.
        """
        self.assertEqual(self.codes(replace(CHAT, log=Log(3, None))), ["subscribed"])

    def test_order(self) -> None:
        """
        Problems come before notices, and notices before what is fine.
        """
        facts = replace(
            ORDERS,
            links=(replace(LINK, filter={"a": 1}), replace(LINK, id="c2", congested=True)),
        )
        self.assertEqual(self.codes(facts), ["congested", "filtered", "subscribed"])


class MissedTests(SynchronousTestCase):
    """
    Tests for L{whyMissed}.
    """

    def test_reasons(self) -> None:
        """
        A change is missed because of the operation, the rule or the filter.  The rule comes before
        the filter.
        """
        columns = {"owner": ColumnType.TEXT, "status": ColumnType.TEXT}
        mine = makeCondition(columns, "owner", EQ, "ann")
        new = Filter((makeCondition(columns, "status", EQ, "new"),))
        row = {"owner": "ann", "status": "new"}
        change = Change(1, "orders", "INSERT", row, None, NOW, "1", True)
        view = View(new, (mine,), None, frozenset({"INSERT"}))
        for data, events, reason in (
            (row, {"INSERT"}, None),
            (row, {"DELETE"}, EVENTS),
            ({**row, "owner": "ben"}, {"INSERT"}, RULE),
            ({**row, "status": "old"}, {"INSERT"}, FILTER),
            ({"owner": "ben", "status": "old"}, {"DELETE"}, RULE),
        ):
            self.assertEqual(
                whyMissed(replace(change, data=data), replace(view, events=frozenset(events))),
                reason,
            )
