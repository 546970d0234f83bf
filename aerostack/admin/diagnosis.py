"""
Why something did not arrive: what there is to know of a user and a topic.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from aerostack.auth.authenticator import ANONYMOUS_PREFIX
from aerostack.core.access.permissions import Action
from aerostack.core.access.rowrules import Wanted
from aerostack.core.access.tables import Grant
from aerostack.core.diagnosis.explain import explain, whyMissed
from aerostack.core.diagnosis.facts import CATCHING_UP, LIVE, Facts, Feed, Last, Link, Log
from aerostack.core.diagnosis.traces import Ended, Traces
from aerostack.core.replay.log import Stream
from aerostack.core.rows.changes import Change
from aerostack.core.rows.conditions import EQ, GT, GTE, IN, IS_NULL, LIKE, LT, LTE, NEQ
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.protocol.codec import decodeValue, fieldOf
from aerostack.protocol.framing import Frame, payloadOf
from aerostack.sessions.session import Session
from aerostack.tables.feed import TableFeeds

Shown = dict[str, Any]
"""Something as it is shown, for JSON."""

MOST = 100
"""How many of a user's connections are looked at, and how many that are over."""


class Reasons:
    """
    Gathers what explains whether a topic's publications reach a user.
    """

    def __init__(
        self,
        hub: Hub,
        feeds: TableFeeds,
        traces: Traces,
        sessions: Callable[[], Sequence[Session]],
        feed: Callable[[str], Shown],
    ) -> None:
        """
        @param traces: What is remembered of connections.
        @param sessions: Gives all sessions, in order of opening.
        @param feed: How the change feed does, as a project is shown it.
        """
        self._hub = hub
        self._feeds = feeds
        self._traces = traces
        self._sessions = sessions
        self._feed = feed

    def explain(self, userId: str, topic: Topic) -> Shown:
        """
        Say why what is published on a topic does not reach a user, or that it does.
        """
        theirs = [
            session
            for session in self._sessions()
            if session.identity.userId == userId and session.identity.project == topic.project
        ]
        ended = [
            each
            for each in self._traces.ended
            if each.userId == userId and each.project == topic.project
        ]
        stream = self._hub.streams.get(topic.canonical)
        log = None if stream is None else Log(stream.head, self._last(stream))
        judged = [self._link(session, topic) for session in theirs[:MOST]]
        facts = Facts(
            user=userId,
            topic=topic.canonical,
            now=self._hub.now(),
            links=[link for link, _ in judged],
            ended=ended[:MOST],
            log=log,
            feed=self._tableFeed(topic),
            namesake=None if theirs else self._namesake(userId, topic.project),
        )
        found = explain(facts)
        return {
            "topic": topic.canonical,
            "user": userId,
            "verdict": found.verdict,
            "findings": found.findings,
            "connections": [_connection(link, rule) for link, rule in judged],
            "ended": [_ended(each) for each in facts.ended],
            "stream": None if stream is None else _stream(stream, log),
            "feed": None if topic.table is None else self._feed(topic.project),
        }

    def _namesake(self, userId: str, project: str) -> str | None:
        """Somebody who came by the same name, believed or not."""
        bare = userId.removeprefix(ANONYMOUS_PREFIX)
        other = f"{ANONYMOUS_PREFIX}{userId}" if bare == userId else bare
        here = any(
            session.identity.userId == other and session.identity.project == project
            for session in self._sessions()
        )
        return other if here else None

    def _last(self, stream: Stream) -> Last | None:
        """The newest entry of a topic's log."""
        newest = stream.newest
        if newest is None:
            return None
        if isinstance(newest.source, Change):
            what = newest.source.operation
        else:
            event = fieldOf(payloadOf(Frame(newest.frame)), "event")
            what = "" if event is None else str(decodeValue(event))
        # The log knows the time by a clock that is never set.
        age = self._hub.seconds() - newest.at
        return Last(self._hub.now() - int(age * 1000), what)

    def _tableFeed(self, topic: Topic) -> Feed | None:
        if topic.table is None:
            return None
        tracker = self._feeds.tracker
        waiting = tracker.waiting
        holder = None if waiting is None else waiting.holder
        return Feed(
            topic.table,
            self._feeds.allowed.match(topic.table),
            topic.canonical in self._hub.registry,
            self._feeds.trouble,
            max(tracker.lag(), 0.0 if waiting is None else waiting.age),
            holder.describe() if holder is not None and holder.isRecorded else None,
        )

    def _link(self, session: Session, topic: Topic) -> tuple[Link, str | None]:
        """
        What there is to know of a connection, and what lets it read the topic, or why it may
        not, as words.
        """
        canonical, subscriptions = topic.canonical, session.subscriptions
        grant, forbidden = self._judge(session, topic)
        asked = subscriptions.asked(canonical)
        turn = self._traces.turns.get((session.connectionId, canonical))
        rows = None if grant is None else _rows(grant)
        link = Link(
            id=session.connectionId,
            opened=int(session.opened * 1000),
            state=subscriptions.state(canonical),
            since=turn.at if turn is not None and turn.begun else None,
            left=turn.at if turn is not None and not turn.begun else None,
            forbidden=forbidden,
            rows=rows,
            hidden=() if grant is None else sorted(grant.hidden),
            filter=asked.filter,
            columns=asked.columns,
            events=asked.event,
            missed=self._missed(session, canonical),
            refused=self._traces.refused.get((session.connectionId, canonical)),
            queued=session.queued,
            congested=session.isCongested,
        )
        if forbidden is not None or grant is None:
            return link, forbidden
        which = f"rows for which {rows}" if rows is not None else "all rows"
        without = f", without {', '.join(link.hidden)}" if link.hidden else ""
        return link, f"By the {session.identity.role.value} it may read {which}{without}."

    def _judge(self, session: Session, topic: Topic) -> tuple[Grant | None, str | None]:
        """What of a table a connection may read, and why it may not read a topic."""
        try:
            return self._feeds.permit(session.identity, Action.SUBSCRIBE, topic), None
        except RealtimeError as error:
            return None, error.message

    def _missed(self, session: Session, canonical: str) -> str | None:
        """Why the newest change of a table is not told to a subscriber."""
        stream = self._hub.streams.get(canonical)
        newest = None if stream is None else stream.newest
        view = self._hub.registry.subscribers(canonical).get(session)
        if newest is None or view is None or not isinstance(newest.source, Change):
            return None
        return whyMissed(newest.source, view)


_SIGNS = {
    EQ: "=",
    NEQ: "<>",
    GT: ">",
    GTE: ">=",
    LT: "<",
    LTE: "<=",
    IN: "in",
    LIKE: "like",
    IS_NULL: "is null:",
}


def _rows(grant: Grant) -> str | None:
    """Which rows somebody may read, as words; L{None} for all."""
    return " and ".join(map(_condition, grant.rows)) or None


def _condition(wanted: Wanted) -> str:
    value = json.dumps(wanted.value, ensure_ascii=False)
    source = "" if wanted.claim is None else f" (by the claim {wanted.claim})"
    return f"{wanted.column} {_SIGNS[wanted.operator]} {value}{source}"


def _stream(stream: Stream, log: Log | None) -> Shown:
    last = None
    newest = stream.newest
    if log is not None and log.last is not None and newest is not None:
        kind = "operation" if isinstance(newest.source, Change) else "event"
        last = {"at": log.last.at, kind: log.last.what}
    return {
        "published": stream.head,
        "pos": str(stream.position),
        "held": len(stream),
        "last": last,
    }


def _connection(link: Link, rule: str | None) -> Shown:
    return {
        "id": link.id,
        "opened": link.opened,
        "subscribed": link.state in (LIVE, CATCHING_UP),
        "state": link.state,
        "since": link.since,
        "filter": link.filter,
        "columns": link.columns,
        "events": link.events,
        "rule": rule,
        "queued": link.queued,
        "congested": link.congested,
    }


def _ended(ended: Ended) -> Shown:
    return {"id": ended.id, "at": ended.at, "code": ended.code, "reason": ended.reason}
