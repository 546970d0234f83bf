"""
Explains why a publication did or did not reach a user.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aerostack.core.diagnosis.facts import ASKED, CATCHING_UP, LIVE, NONE, Facts, Link
from aerostack.core.diagnosis.traces import Ended
from aerostack.core.rows.changes import Change
from aerostack.core.rows.views import View, classify
from aerostack.errors import CLOSE_CODES

PROBLEM, NOTICE, FINE = "problem", "notice", "fine"

FINDINGS = {
    "not_connected": "the user has no connection; how the last one ended",
    "another_name": "a user of nearly that name is connected",
    "not_subscribed": "the user is connected, and has not subscribed to the topic",
    "unsubscribed": "the user has unsubscribed",
    "refused": "the daemon refused the subscription with an error",
    "asked": "the daemon has not answered the subscription yet",
    "forbidden": "the token, the table's rule or ``default_read`` forbids reading",
    "congested": "the client does not read its frames",
    "catching_up": "the client is still getting missed frames",
    "not_told": "the client's filter, its events or the rule exclude the newest change",
    "filtered": "the client asked only for some rows",
    "rows_rule": "the table's rule allows only some rows",
    "events": "the client asked only for some operations",
    "columns": "the client asked only for some columns",
    "hidden_columns": "the table's rule hides columns",
    "table_not_allowed": "the table is not in ``tracker.tables``",
    "table_not_followed": "no client is subscribed to the table",
    "feed_down": "the daemon cannot read changes now",
    "feed_lagging": "changes come late",
    "transaction_open": "a transaction with changes is open; the missing change may be in it",
    "unknown_topic": "nothing is known about the topic; its name may be misspelt",
    "nothing_published": "nothing has been published on the topic yet",
    "nothing_since": "nothing has been published since the user subscribed",
    "subscribed": "the user is subscribed, and nothing prevents delivery",
}
"""Every code of a finding with its meaning.  A test compares C{docs/console.rst} with it."""

LAGGING = 5.0
"""After how many seconds without reading changes the feed counts as behind."""


@dataclass(frozen=True)
class Finding:
    """
    A reason why publications do or do not arrive.

    @ivar code: One of L{FINDINGS}.
    @ivar severity: C{problem} (publications do not arrive), C{notice} (some may not arrive) or
        C{fine}.
    @ivar message: The reason, and what an operator can do.
    @ivar connection: The connection that it is about; L{None} for all.
    """

    code: str
    severity: str
    message: str
    connection: str | None = None


@dataclass(frozen=True)
class Explanation:
    """
    The meaning of the facts.

    @ivar verdict: A summary in one sentence.
    @ivar findings: The findings, the gravest first.
    """

    verdict: str
    findings: Sequence[Finding]


def explain(facts: Facts) -> Explanation:
    """
    Explain why publications on a topic do or do not reach a user.
    """
    findings = [*_aboutFeed(facts), *_aboutUser(facts)]
    reached = [link for link in facts.links if link.state == LIVE]
    for link in facts.links:
        findings += _aboutLink(facts, link, bool(reached))
    findings += _aboutLog(facts, reached)
    order = (PROBLEM, NOTICE, FINE)
    # Several subscriptions of one connection may be alike.
    findings = list(dict.fromkeys(findings))
    findings.sort(key=lambda finding: order.index(finding.severity))
    return Explanation(_verdict(facts, findings), tuple(findings))


def _verdict(facts: Facts, findings: Sequence[Finding]) -> str:
    problems = [each.message for each in findings if each.severity == PROBLEM]
    if problems:
        return problems[0]
    reached = f"What is published on {facts.topic} reaches {facts.user}"
    notices = [each.message for each in findings if each.severity == NOTICE]
    if notices:
        return f"{reached}, but: {notices[0]}"
    return f"{reached}."


def _aboutFeed(facts: Facts) -> Iterator[Finding]:
    feed = facts.feed
    if feed is None:
        return
    if not feed.allowed:
        yield Finding(
            "table_not_allowed",
            PROBLEM,
            f"The table {feed.table} is not among tracker.tables, so that no client can"
            " subscribe to it; add it there, and reload.",
        )
        return
    if feed.trouble is not None:
        yield Finding(
            "feed_down",
            PROBLEM,
            f"Changes cannot be read for now: {feed.trouble} Subscribers get them later.",
        )
    elif feed.lag > LAGGING:
        yield Finding(
            "feed_lagging",
            PROBLEM,
            f"The change feed is {feed.lag:.0f} s behind; subscribers have yet to get what was"
            " committed since. /health may say why.",
        )
    if feed.transaction is not None:
        yield Finding("transaction_open", NOTICE, feed.transaction)
    if not feed.watched:
        yield Finding(
            "table_not_followed",
            NOTICE,
            f"The table {feed.table} is not followed now, because no client of this project is"
            " subscribed to it. The daemon looks for the table when a client subscribes.",
        )


def _aboutUser(facts: Facts) -> Iterator[Finding]:
    if facts.links:
        return
    message = f"{facts.user} has no connection now."
    if facts.ended:
        last = facts.ended[0]
        message += f" The last one, {last.id}, ended {_ago(facts, last.at)}, {_closing(last)}"
    yield Finding("not_connected", PROBLEM, message)
    if facts.namesake is not None:
        yield Finding(
            "another_name",
            NOTICE,
            f"{facts.namesake} is connected, and may be the user that you mean: a name that"
            " no token proves has anonymous: before it.",
        )


def _closing(ended: Ended) -> str:
    if ended.code is None:
        return "without a word: the network broke, or the client was ended."
    known = CLOSE_CODES.get(ended.code)
    said = f" ({ended.reason})" if ended.reason else ""
    return f"with {ended.code}{said}" + (f": {known.meaning}" if known is not None else ".")


def _aboutLink(facts: Facts, link: Link, othersReached: bool) -> Iterator[Finding]:
    if link.forbidden is not None:
        # The daemon is about to end the subscription of a connection that may not have it.
        yield Finding("forbidden", PROBLEM, f"{link.id} may not: {link.forbidden}", link.id)
        return
    if link.state == NONE:
        severity = NOTICE if othersReached else PROBLEM
        yield Finding(*_whyNone(facts, link, severity), link.id)
        return
    if link.state == ASKED:
        yield Finding(
            "asked",
            PROBLEM,
            f"{link.id} has asked to subscribe and has no answer yet: the table is being"
            " attached, or the database does not answer.",
            link.id,
        )
        return
    if link.congested:
        yield Finding(
            "congested",
            PROBLEM,
            f"{link.id} does not read what it is sent: {link.queued} bytes wait for it. Its"
            " network is too slow, or its program is busy.",
            link.id,
        )
    if link.state == CATCHING_UP:
        yield Finding(
            "catching_up",
            NOTICE,
            f"{link.id} is being sent what it had missed, or the rows that are there; what is"
            " live comes after that.",
            link.id,
        )
    yield from _narrowed(facts, link)
    if link.state == LIVE and not link.congested:
        yield Finding(
            "subscribed",
            FINE,
            f"{link.id} is subscribed to {facts.topic}, and nothing waits for it."
            if not link.queued
            else f"{link.id} is subscribed to {facts.topic}; {link.queued} bytes wait for it.",
            link.id,
        )


def _whyNone(facts: Facts, link: Link, severity: str) -> tuple[str, str, str]:
    """The code, severity and message of a connection that is not subscribed."""
    # An error from before the client unsubscribed has no meaning now.
    if link.refused is not None and link.refused.at >= (link.left or 0):
        return (
            "refused",
            severity,
            f"{link.id} is not subscribed to {facts.topic}; the daemon refused it"
            f" {_ago(facts, link.refused.at)}: {link.refused.code}: {link.refused.message}",
        )
    if link.left is not None:
        return (
            "unsubscribed",
            severity,
            f"{link.id} unsubscribed from {facts.topic} {_ago(facts, link.left)}.",
        )
    return (
        "not_subscribed",
        severity,
        f"{link.id} is connected, but not subscribed to {facts.topic}; does the application"
        " subscribe to that very topic?",
    )


def _narrowed(facts: Facts, link: Link) -> Iterator[Finding]:
    """Findings about changes of a table that a connection does not get."""
    last = None if facts.log is None else facts.log.last
    if link.missed is not None and last is not None:
        yield Finding(
            "not_told",
            NOTICE,
            f"The newest change, {last.what} {_ago(facts, last.at)}, does not go to {link.id}:"
            f" {_MISSED[link.missed]}",
            link.id,
        )
    if link.filter:
        yield Finding(
            "filtered",
            NOTICE,
            f"{link.id} asked only for rows that meet its filter: {_json(link.filter)}",
            link.id,
        )
    if link.rows is not None:
        yield Finding(
            "rows_rule",
            NOTICE,
            f"The table's rule lets {link.id} read only rows for which {link.rows}.",
            link.id,
        )
    if link.events is not None and link.events != "*":
        events = [link.events] if isinstance(link.events, str) else link.events
        yield Finding("events", NOTICE, f"{link.id} asked only for {', '.join(events)}.", link.id)
    if link.columns is not None:
        yield Finding(
            "columns",
            NOTICE,
            f"{link.id} asked only for the columns {', '.join(link.columns)}.",
            link.id,
        )
    if link.hidden:
        yield Finding(
            "hidden_columns",
            NOTICE,
            f"The table's rule hides the columns {', '.join(link.hidden)} from {link.id}.",
            link.id,
        )


EVENTS, RULE, FILTER = "events", "rule", "filter"

_MISSED = {
    EVENTS: "it did not ask for that operation.",
    RULE: "the table's rule does not let it read the row.",
    FILTER: "the row does not meet its filter.",
}


def whyMissed(change: Change, view: View) -> str | None:
    """
    Why a subscriber with a view does not get a change.

    @return: L{EVENTS}, L{RULE} or L{FILTER}; L{None} if the subscriber gets it.
    """
    if classify(change, view) is not None:
        return None
    if classify(change, replace(view, events=None)) is not None:
        return EVENTS
    return RULE if classify(change, View(rule=view.rule)) is None else FILTER


def _aboutLog(facts: Facts, reached: Sequence[Link]) -> Iterator[Finding]:
    log = facts.log
    if log is None:
        if facts.feed is None:
            yield Finding(
                "unknown_topic",
                NOTICE,
                f"The daemon knows nothing of {facts.topic}: no client has subscribed to it lately,"
                " and no message was kept. Is it spelled as the publisher spells it?",
            )
        return
    if not log.published:
        yield Finding(
            "nothing_published",
            NOTICE,
            f"Nothing was published on {facts.topic} since it has been in memory. Is it spelled"
            " as the publisher spells it, and is the transaction committed?"
            if facts.feed is not None
            else f"Nothing was published on {facts.topic} since it has been in memory. Is it"
            " spelled as the publisher spells it?",
        )
        return
    for link in reached:
        began = link.opened if link.since is None else link.since
        if log.last is not None and log.last.at < began:
            yield Finding(
                "nothing_since",
                NOTICE,
                f"Nothing was published on {facts.topic} since {link.id} subscribed"
                f" {_ago(facts, began)}; what came last, {log.last.what}, was before that,"
                f" {_ago(facts, log.last.at)}.",
                link.id,
            )


def _ago(facts: Facts, at: int) -> str:
    """The time since a moment, in words."""
    seconds = max(0, facts.now - at) / 1000
    if seconds < 90:
        return f"{seconds:.0f} s ago"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
