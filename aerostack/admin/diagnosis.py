"""
Gathers why a publication did or did not reach a user, and shows the explanation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from aerostack.admin.directory import Directory
from aerostack.admin.topics import Shown
from aerostack.auth.authenticator import ANONYMOUS_PREFIX
from aerostack.core.access.permissions import Action, Role
from aerostack.core.access.rowrules import Wanted
from aerostack.core.access.tables import Grant
from aerostack.core.diagnosis.evidence import Evidence
from aerostack.core.diagnosis.explain import explain, whyMissed
from aerostack.core.diagnosis.facts import CATCHING_UP, LIVE, Facts, Feed, Last, Link, Log
from aerostack.core.diagnosis.traces import Ended, Traces
from aerostack.core.replay.log import TopicLog
from aerostack.core.rows.changes import Change
from aerostack.core.rows.conditions import EQ, GT, GTE, IN, IS_NULL, LIKE, LT, LTE, NEQ
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.protocol.codec import decodeValue, fieldOf
from aerostack.protocol.framing import Frame, payloadOf
from aerostack.sessions.session import Session
from aerostack.sessions.subscriptions import Subscriptions
from aerostack.tables.feed import TableFeed

MOST = 100
"""How many of a user's open connections are examined, and how many of the ended ones."""


class Diagnosis:
    """
    Gathers the facts that explain whether a topic's publications reach a user.
    """

    def __init__(
        self,
        hub: Hub,
        feeds: TableFeed,
        traces: Traces,
        sessions: Callable[[], Sequence[Session]],
        directory: Directory,
    ) -> None:
        """
        @param traces: The recent events of connections.
        @param sessions: Gives all sessions, in order of opening.
        @param directory: Reports the state of the change feed, and goes through long lists in
            pieces.
        """
        self._hub = hub
        self._feeds = feeds
        self._traces = traces
        self._sessions = sessions
        self._directory = directory

    def examine(self, userId: str, topic: Topic) -> Deferred[Evidence]:
        """
        Gather what this process knows of a user and a topic.

        @return: Fires when all sessions have been examined, a piece of them in each turn.
        """
        other = _namesake(userId)
        theirs: list[Session] = []
        names: set[str | None] = set()

        def look(sessions: Sequence[Session]) -> None:
            for session in sessions:
                identity = session.identity
                if identity.project == topic.project and identity.userId in (userId, other):
                    names.add(identity.userId)
                    if identity.userId == userId and len(theirs) < MOST:
                        theirs.append(session)

        def known(_: object) -> Evidence:
            return self._evidence(userId, topic, theirs, other if names == {other} else None)

        return self._directory.pieces.look((self._sessions(), look)).addCallback(known)

    def _evidence(
        self, userId: str, topic: Topic, theirs: Sequence[Session], namesake: str | None
    ) -> Evidence:
        """
        @param theirs: The user's sessions.
        @param namesake: Another user who is connected by nearly that name, where the user has no
            session.
        """
        ended = [
            each
            for each in self._traces.ended
            if each.userId == userId and each.project == topic.project
        ]
        stream = self._hub.logs.get(topic.canonical)
        log = None if stream is None else Log(stream.head, self._last(stream))
        return Evidence(
            links=[
                self._link(session, subscriptions, topic)
                for session in theirs
                # Otherwise the session has ended meanwhile.
                if session.subscriptions is not None
                for subscriptions in session.subscriptionsOf(topic.canonical)
                or (session.subscriptions,)
            ],
            ended=ended[:MOST],
            log=log,
            stream=None if stream is None else _stream(stream, log),
            feed=self._tableFeed(topic),
            tables=None if topic.table is None else self._directory.feed(topic.project),
            namesake=namesake,
        )

    def conclude(self, userId: str, topic: Topic, known: Evidence) -> Shown:
        """
        Explain why publications on a topic do or do not reach a user.

        @param known: What all processes know.
        """
        facts = Facts(
            user=userId,
            topic=topic.canonical,
            now=self._hub.now(),
            links=[link for link, _ in known.links],
            ended=known.ended,
            log=known.log,
            feed=known.feed,
            namesake=known.namesake,
        )
        found = explain(facts)
        return {
            "topic": topic.canonical,
            "user": userId,
            "verdict": found.verdict,
            "findings": found.findings,
            "connections": [_connection(link, rule) for link, rule in known.links],
            "ended": [_ended(each) for each in facts.ended],
            "stream": known.stream,
            "feed": known.tables,
        }

    def _last(self, stream: TopicLog) -> Last | None:
        """The newest entry of a topic's log."""
        newest = stream.newest
        if newest is None:
            return None
        if isinstance(newest.source, Change):
            what = newest.source.operation
        else:
            event = fieldOf(payloadOf(Frame(newest.frame)), "event")
            what = "" if event is None else str(decodeValue(event))
        # The log's times are by the clock for intervals.
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

    def _link(
        self, session: Session, subscriptions: Subscriptions, topic: Topic
    ) -> tuple[Link, str | None]:
        """
        The facts about a connection, and a sentence about what it may read of the topic.
        """
        canonical = topic.canonical
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
            missed=self._missed(subscriptions, canonical),
            refused=self._traces.refused.get((session.connectionId, canonical)),
            queued=session.queued,
            congested=session.isCongested,
        )
        if forbidden is not None or grant is None:
            return link, forbidden
        which = f"rows for which {rows}" if rows is not None else "all rows"
        without = f", without {', '.join(link.hidden)}" if link.hidden else ""
        role = session.identity.role
        right = "Without a credential" if role is Role.ANONYMOUS else f"By the {role.value}"
        return link, f"{right} it may read {which}{without}."

    def _judge(self, session: Session, topic: Topic) -> tuple[Grant | None, str | None]:
        """What a connection may read of a table, and why it may not read a topic."""
        try:
            return self._feeds.permit(session.identity, Action.SUBSCRIBE, topic), None
        except RealtimeError as error:
            return None, error.message

    def _missed(self, subscriptions: Subscriptions, canonical: str) -> str | None:
        """Why a subscriber does not get the newest change of a table."""
        stream = self._hub.logs.get(canonical)
        newest = None if stream is None else stream.newest
        view = subscriptions.view(canonical)
        if newest is None or view is None or not isinstance(newest.source, Change):
            return None
        return whyMissed(newest.source, view)


def _namesake(userId: str) -> str:
    """The name of the other user with the same name: one with a token, the other without."""
    bare = userId.removeprefix(ANONYMOUS_PREFIX)
    return f"{ANONYMOUS_PREFIX}{userId}" if bare == userId else bare


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
    """The condition on the rows that a connection may read; L{None} for all rows."""
    return " and ".join(map(_condition, grant.rows)) or None


def _condition(wanted: Wanted) -> str:
    value = json.dumps(wanted.value, ensure_ascii=False)
    source = "" if wanted.claim is None else f" (by the claim {wanted.claim})"
    return f"{wanted.column} {_SIGNS[wanted.operator]} {value}{source}"


def _stream(stream: TopicLog, log: Log | None) -> Shown:
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
