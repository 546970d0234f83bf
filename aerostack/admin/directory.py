"""
Lists the connections and topics of the daemon for an operator.

The directory reads the registries at each request and stores nothing.  It goes through long lists
in pieces, and the reactor turns between two pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

from aerostack.admin.taps import Taps
from aerostack.core.diagnosis.merging import orderOf
from aerostack.core.diagnosis.paging import Page
from aerostack.core.presence import Member
from aerostack.core.topics.topics import Topic, tableTopic, topicOf
from aerostack.hub.hub import Hub
from aerostack.sessions.session import Session
from aerostack.sessions.subscriptions import Subscriptions
from aerostack.tables.feed import TableFeed

Shown = dict[str, Any]
"""A JSON object."""

PIECE = 1000
"""How many entries of a long list are examined before the time is checked."""

MOST = 100
"""How many subscriptions and members of one topic are shown."""


class Directory:
    """
    Reads the daemon's state, for one project at a time.
    """

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        feeds: TableFeed,
        taps: Taps,
        sessions: Callable[[], Sequence[Session]],
    ) -> None:
        """
        @param sessions: Gives all sessions, in order of opening.
        """
        self._hub = hub
        self._feeds = feeds
        self._presence = hub.presence.rosters
        self._taps = taps
        self._sessions = sessions
        self._cooperator = Cooperator(scheduler=partial(clock.callLater, 0))

    def feed(self, project: str) -> Shown:
        """
        The state of the change feed, and the tables that the project watches.
        """
        tracker = self._feeds.tracker
        return {
            "up": not self._feeds.isDown,
            "lag": round(tracker.lag(), 3),
            "position": tracker.position,
            "tables": sorted(
                table
                for table in tracker.watchedTables()
                if tableTopic(table, project).canonical in self._hub.registry
            ),
            "waiting": tracker.waiting,
        }

    # Connections

    def connections(
        self, project: str, userId: str | None, topic: Topic | None, limit: int, after: str
    ) -> Deferred[Shown]:
        """
        List connections, in order of opening.

        @param userId: Lists only this user's connections; L{None} for all users.
        @param topic: Lists only connections that are subscribed to it; L{None} for all.
        @param after: Lists only connections after this id; empty for the first page.
        """
        found: list[Session] = []
        total = 0
        begin = orderOf(after)
        subscribed = None if topic is None else self._hub.registry.subscribers(topic.canonical)

        def look(sessions: Sequence[Session]) -> None:
            nonlocal total
            for session in sessions:
                identity = session.identity
                if (
                    identity.project == project
                    and (userId is None or identity.userId == userId)
                    and (subscribed is None or session in subscribed)
                ):
                    total += 1
                    # This is right even if the named connection has ended.
                    if len(found) <= limit and orderOf(session.connectionId) > begin:
                        found.append(session)

        def shown(_: object) -> Shown:
            return {
                "connections": [self._connection(session) for session in found[:limit]],
                "total": total,
                "more": len(found) > limit,
            }

        return self.inPieces((self._sessions(), look)).addCallback(shown)

    def _connection(self, session: Session) -> Shown:
        identity, connection = session.identity, session.connection
        return {
            "id": session.connectionId,
            "userId": identity.userId,
            "role": identity.role.value,
            "address": connection.address,
            "opened": int(session.opened * 1000),
            "subscriptions": self._hub.registry.count(session),
            "present": len(tuple(self._hub.presence.topicsOf(session.connectionId))),
            "queued": session.queued,
            "congested": session.isCongested,
            "compressed": connection.compressed,
        }

    # Topics

    def topics(self, project: str, prefix: str, limit: int, after: str) -> Deferred[Shown]:
        """
        List topics that have a subscriber, a member or a log, by name.

        @param prefix: The beginning of the canonical names.
        @param after: Lists only topics after this name; empty for the first page.
        """
        page = Page(limit, after)
        ending = f"/{project}"
        registry, logs = self._hub.registry, self._hub.logs.topics()

        def look(topics: Sequence[str]) -> None:
            page.add([t for t in topics if t.endswith(ending) and t.startswith(prefix)])

        def lookBeside(topics: Sequence[str]) -> None:
            look([t for t in topics if t not in registry])

        def lookElsewhere(topics: Sequence[str]) -> None:
            lookBeside([t for t in topics if t not in logs])

        def shown(_: object) -> Shown:
            topics = [self._topic(name) for name in page.names]
            return {"topics": topics, "total": page.total, "more": page.more}

        return self.inPieces(
            (tuple(registry), look),
            (tuple(logs), lookBeside),
            (tuple(self._presence.topics()), lookElsewhere),
        ).addCallback(shown)

    def topic(self, topic: Topic) -> Shown:
        """
        Show one topic with its subscribers and members.
        """
        canonical = topic.canonical
        return {
            **self._topic(canonical),
            "members": [
                _member(member) for member in islice(self._presence.members(canonical), MOST)
            ],
            "membersTotal": self._presence.count(canonical),
            "subscriptions": [
                self._subscription(session, subscriptions, canonical)
                for session, subscriptions in islice(self._subscribers(canonical), MOST)
            ],
        }

    def _subscribers(self, canonical: str) -> Iterator[tuple[Session, Subscriptions]]:
        """The clients among the subscribers of a topic, with all their subscriptions."""
        for subscriber in self._hub.registry.subscribers(canonical):
            if isinstance(subscriber, Session) and subscriber.subscriptions is not None:
                yield subscriber, subscriber.subscriptions

    def _topic(self, canonical: str) -> Shown:
        log = self._hub.logs.get(canonical)
        return {
            "topic": canonical,
            "table": topicOf(canonical).table,
            # A tap is not counted as a subscriber: often it belongs to the operator who asks.
            "subscribers": len(self._hub.registry.subscribers(canonical))
            - self._taps.count(canonical),
            "present": self._presence.count(canonical),
            "published": None if log is None else log.head,
            "held": 0 if log is None else len(log),
            "bytes": 0 if log is None else log.size,
            "pos": None if log is None else str(log.position),
        }

    def _subscription(
        self, session: Session, subscriptions: Subscriptions, canonical: str
    ) -> Shown:
        asked = subscriptions.asked(canonical)
        return {
            "connection": session.connectionId,
            "userId": session.identity.userId,
            "filter": asked.filter,
            "columns": asked.columns,
            "events": asked.event,
            "state": subscriptions.state(canonical),
            "queued": session.queued,
            "congested": session.isCongested,
        }

    def inPieces(self, *looks: tuple[Sequence[Any], Callable[[Any], object]]) -> Deferred[Any]:
        """
        Examine all items of some sequences, a piece at a time.

        @param looks: Pairs of a sequence and a function that examines a piece of it.
        @return: Fires when all have been examined.
        """

        def work() -> Iterator[None]:
            for things, look in looks:
                for begin in range(0, len(things), PIECE):
                    look(things[begin : begin + PIECE])
                    yield

        return self._cooperator.coiterate(work())


def _member(member: Member) -> Shown:
    return {
        "userId": member.userId,
        "connectionId": member.connectionId,
        "state": Raw(member.state),
    }
