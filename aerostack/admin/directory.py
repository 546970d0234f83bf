"""
Lists the connections, topics and token streams of the daemon for an operator.

The directory reads the registries at each request and stores nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.admin import topics
from aerostack.admin.pieces import Pieces
from aerostack.admin.streams import StreamDirectory
from aerostack.admin.taps import Taps
from aerostack.admin.topics import Shown, TopicDirectory
from aerostack.core.diagnosis.merging import orderOf
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.delivery.interfaces import Recipient
from aerostack.hub.hub import Hub
from aerostack.sessions.session import Session
from aerostack.sessions.subscriptions import Subscriptions
from aerostack.tables.feed import TableFeed


class Directory:
    """
    Reads the daemon's state, for one project at a time.

    @ivar pieces: Goes through long lists.
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
        self._taps = taps
        self._sessions = sessions
        self.pieces = Pieces(clock)
        self._topics = TopicDirectory(
            self.pieces, hub.registry, hub.logs, hub.presence.rosters, self._count
        )
        self._streams = StreamDirectory(hub.sequencer.answers, self._count)

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
        subscribed = None
        if topic is not None:
            subscribed = {each.connectionId for each in self._sessionsOf(topic.canonical)}

        def look(sessions: Sequence[Session]) -> None:
            nonlocal total
            for session in sessions:
                identity = session.identity
                if (
                    identity.project == project
                    and (userId is None or identity.userId == userId)
                    and (subscribed is None or session.connectionId in subscribed)
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

        return self.pieces.look((self._sessions(), look)).addCallback(shown)

    def _connection(self, session: Session) -> Shown:
        identity, connection = session.identity, session.connection
        return {
            "id": session.connectionId,
            "userId": identity.userId,
            "role": identity.role.value,
            "address": connection.address,
            "opened": int(session.opened * 1000),
            "subscriptions": self._hub.registry.count(session) + session.viewCount,
            "present": len(tuple(self._hub.presence.topicsOf(session.connectionId))),
            "queued": session.queued,
            "congested": session.isCongested,
            "compressed": connection.compressed,
            "transport": connection.kind,
        }

    # Token streams

    def streams(self, project: str) -> Shown:
        """
        List the token streams that run; see L{StreamDirectory.list}.
        """
        return self._streams.list(project)

    # Topics

    def topics(self, project: str, prefix: str, limit: int, after: str) -> Deferred[Shown]:
        """
        List topics that have a subscriber, a member or a log; see L{TopicDirectory.list}.
        """
        return self._topics.list(project, prefix, limit, after)

    def topic(self, topic: Topic) -> Shown:
        """
        Show one topic with its subscribers and members.
        """
        canonical = topic.canonical
        subscriptions = [
            self._subscription(session, subscriptions, canonical)
            for session, subscriptions in islice(self._subscribers(canonical), topics.MOST)
        ]
        return self._topics.topic(canonical, subscriptions)

    def _subscribers(self, canonical: str) -> Iterator[tuple[Session, Subscriptions]]:
        """The clients among the subscribers of a topic, with each of their subscriptions to it."""
        for session in self._sessionsOf(canonical):
            for subscriptions in session.subscriptionsOf(canonical):
                yield session, subscriptions

    def _sessionsOf(self, canonical: str) -> Iterable[Session]:
        """The clients among the subscribers of a topic, each once."""
        found: dict[Session, None] = {}
        for subscriber in self._hub.registry.subscribers(canonical):
            if isinstance(subscriber, Recipient) and isinstance(subscriber.reader, Session):
                found[subscriber.reader] = None
        return found

    def _count(self, canonical: str) -> int:
        """The number of a topic's subscribers."""
        # A tap is not counted as a subscriber: often it belongs to the operator who asks.
        subscribers = self._hub.registry.subscribers(canonical)
        return len(subscribers) - self._taps.count(canonical)

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
