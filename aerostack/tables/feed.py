"""
Table topics: from the tracker's changes to the frames of those who subscribed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.access.tables import Access, Grant, UnfitRule
from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import Projection, View, classify
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces import IChangeListener, IChangeTracker, ISubscriber
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import Error, Status, Subscribe
from aerostack.protocol.framing import Frame
from aerostack.tables.encoding import changeFrame, commitFrame

PIECE = 50
"""How many subscribers of a table that was altered are judged before others have their turn."""


@implementer(IChangeListener)
class TableFeed:
    """
    Stands between the tracker, which knows tables, and the registry, which knows
    the topics of each project.

    @ivar allowed: The tables that may be subscribed to.
    @ivar access: Judges who may read what of them.
    @ivar projects: The ids of all projects; each sees the tables as topics of its
        own.
    @ivar changes: How many changes were told.
    @ivar latencies: How long after their commit they were sent to all subscribers.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        hub: Hub,
        allowed: Patterns,
        access: Access,
        projects: Collection[str],
        tracker: IChangeTracker,
    ) -> None:
        """
        @param tracker: Tells us of changes, once it was started with us.
        """
        self.allowed = allowed
        self.access = access
        self.projects = projects
        self.changes = 0
        self.latencies = Latencies()
        self.tracker = tracker
        self._hub = hub
        self._cooperator = Cooperator(scheduler=partial(clock.callLater, 0))
        # What columns the tables have, as far as anybody has asked or was told.
        self._shapes: dict[str, Columns] = {}
        # What was told to the operator of rules that fit no table.
        self._told: set[tuple[str, str]] = set()
        # Tables of which a part of a transaction was told, and not yet the rest.
        self._within: set[str] = set()
        # Tables that were lost and are not followed again yet.
        self._gone: set[str] = set()
        # By topic, the views that were told a part of it.
        self._ends: defaultdict[str, OpenTransactions[View]] = defaultdict(OpenTransactions)
        # What is wrong, and since when, ms, while changes cannot be read.
        self._down: tuple[str, int] | None = None

    def watch(self, table: str) -> Deferred[str]:
        """
        Have a table watched, for one subscription more.

        @return: Fires once no later change can be missed.  Fails with
            L{RealtimeError} where the table cannot be watched, or is spelled differently in
            the database.
        """
        watching: Deferred[str] = self.tracker.watch(table)
        return watching.addCallback(self._checkSpelling, table)

    def _checkSpelling(self, name: str, asked: str) -> str:
        # Clients find their handlers by the exact topic.  SQL would forgive another
        # case; the topic that we answer with would reach no handler.
        if name != asked:
            self.tracker.unwatch(name)
            raise RealtimeError("unknown_table", f"There is no table {asked}; did you mean {name}?")
        return name

    def unwatch(self, table: str) -> None:
        """
        Take one subscription's interest in a table back.
        """
        self.tracker.unwatch(table)

    def shape(self, table: str) -> Columns | None:
        """
        The columns of a table that was altered right now; L{None} if nobody asked for them
        before.
        """
        return self._shapes.get(table)

    def columns(self, table: str) -> Deferred[Columns]:
        """
        Tell the columns of a watched table.

        @return: Fails with L{RealtimeError} where the table is not there any more, or the
            database cannot be asked.
        """

        before = self._shapes.get(table)

        def learned(columns: Columns) -> Columns:
            if self._shapes.get(table) is before:
                self._shapes[table] = columns
            # Else it was altered since they were asked for.
            return self._shapes[table]

        answer: Deferred[Columns] = self.tracker.columns(table)
        return answer.addCallbacks(learned, _unavailable)

    def permit(self, identity: Identity, action: Action, topic: Topic) -> Grant | None:
        """
        Decide what somebody may do on a topic.  Everything that lets anybody do anything on one
        asks here: WebSockets, HTTP, the RPC and the console.

        @return: What of a table may be read; L{None} for a topic that is no table's.
        @raise RealtimeError: C{forbidden}, C{wrong_project}, C{unknown_project} (it was taken out
            of the configuration) or C{table_not_allowed}: it may not be.
        """
        identity.check(action, topic)
        if topic.table is None:
            return None
        # Whatever is done on a table's topic tells something of the table.
        grant = self.access.grant(identity, topic.table)
        if not self.allowed.match(topic.table):
            raise RealtimeError(
                "table_not_allowed", f"The table {topic.table} is not among tracker.tables."
            )
        return grant

    def grant(self, identity: Identity, topic: Topic) -> Grant:
        """
        What somebody may read of a table.

        @raise RealtimeError: See L{permit}.
        """
        grant = self.permit(identity, Action.SUBSCRIBE, topic)
        assert grant is not None, topic
        return grant

    def view(self, grant: Grant, frame: Subscribe, columns: Columns) -> View | None:
        """
        What of a table is told to somebody who may read it.

        @param frame: What it asks for.
        @param columns: The table's.
        @raise RealtimeError: C{invalid_filter}, C{forbidden} (a claim cannot be compared) or
            C{rule_mismatch}.
        """
        try:
            return grant.view(columns, frame.filter, frame.columns, frame.event)
        except UnfitRule as error:
            reason = str(error)
            if (grant.table, reason) not in self._told:
                # Whoever asks again must not fill the log.
                self._told.add((grant.table, reason))
                self.log.error(
                    "nobody may read {table}, its rule does not fit: {reason}",
                    table=grant.table,
                    reason=reason,
                )
            raise RealtimeError(
                "rule_mismatch",
                f"The rule for {grant.table} does not fit the table; the daemon's log says why.",
            ) from None

    def reload(
        self, allowed: Patterns, projects: Collection[str], access: Access | None = None
    ) -> None:
        """
        Serve these tables to these projects from now on.

        @param access: The new rules for reading tables; L{None} if they are the same.
        """
        self.allowed = allowed
        self.projects = projects
        if access is not None:
            self.access = access
            self._told.clear()

    def change(self, subscriber: ISubscriber, topic: Topic, view: View | None) -> None:
        """
        Let a subscription to a table go on with another view.  What was published until now
        still comes by the one before.
        """
        self._hub.registry.subscribe(subscriber, topic.canonical, view)
        if topic.table in self._within and view is not None and view.selects:
            self.enter(topic, view)

    def enter(self, topic: Topic, view: View) -> None:
        """
        Note that somebody may have been told a part of the transaction that goes on, and
        has to hear of its end.
        """
        self._ends[topic.canonical].enter(view)

    def openLog(self, topic: Topic) -> TopicLog:
        """
        The log of a watched table's topic, as it is seen by a project.
        """
        assert topic.table is not None
        lineage = self.tracker.lineage(topic.table)
        position = self.tracker.position
        streams, now = self._hub.logs, self._hub.seconds()
        stream = streams.open(topic.canonical, position, now, lineage)
        if stream.lineage != lineage:
            # The table was made again.
            streams.drop(topic.canonical)
            stream = streams.open(topic.canonical, position, now, lineage)
        # Whatever happened up to here has been told.
        stream.reach(position)
        stream.within = topic.table in self._within
        return stream

    def changed(self, changes: Sequence[Change]) -> Deferred[None] | None:
        self.changes += len(changes)
        for change in changes:
            if change.last:
                self._within.discard(change.table)
            else:
                self._within.add(change.table)
            for project in self.projects:
                self._tell(tableTopic(change.table, project).canonical, change)
            times = self.latencies.due()
            if times:
                self._measure(change.table, change.timestamp, times)
        return self._hub.fanout.whenDrained()

    def _measure(self, table: str, timestamp: int, times: int) -> None:
        """
        Note how long after it was made a change was sent to all subscribers.

        @param timestamp: When it was made, ms.
        @param times: For how many changes it stands.
        """

        def sent() -> None:
            # The two clocks may differ by a little.
            self.latencies.add(max(0, self._hub.now() - timestamp) / 1000, times)

        fanout = self._hub.fanout
        topics = (tableTopic(table, project).canonical for project in self.projects)
        # Topics send in the order in which they began; one that sends no more calls at once.
        last = [topic for topic in topics if fanout.isSending(topic)][-1:]
        if not fanout.whenSent(last[0] if last else "", sent):
            self.latencies.skip(times)

    def _tell(self, topic: str, change: Change) -> None:
        hub = self._hub
        stream = hub.logs.get(topic)
        if stream is None:
            # Nobody is here, and nobody can come back to what was before.
            return
        rule, ends = hub.rule(topic), self._ends[topic]
        before = stream.standing
        stream.within = not change.last
        position = stream.next(change.seq)
        whole = changeFrame(topic, change, position, rule, logPosition=before)
        hub.logs.append(topic, stream, whole, change.seq, change, hub.seconds())
        # What is told alike is the same frame, also where it is told for different reasons.
        frames: dict[tuple[str, Projection | None], Frame] = {(change.operation, None): whole}
        for view, subscribers in hub.registry.concerned(topic, change):
            if view is None:
                hub.fanout.send(topic, subscribers, whole)
                continue
            operation = classify(change, view)
            if operation is None:
                continue
            frame = frames.get((operation, view.projection))
            if frame is None:
                frame = changeFrame(
                    topic, change, position, rule, operation, view.projection, before
                )
                frames[operation, view.projection] = frame
            hub.fanout.send(topic, subscribers, frame)
            if view.selects:
                ends.told(view, change.last)
        owed = ends.end() if change.last else ()
        if owed:
            over = commitFrame(topic, change.transaction, position, rule, before)
            for view in owed:
                subscribers = hub.registry.group(topic, view)
                if subscribers:
                    hub.fanout.send(topic, subscribers, over)

    def tableLost(self, table: str, error: RealtimeError, seq: int) -> None:
        self._within.discard(table)
        self._gone.add(table)
        for project in self.projects:
            topic = tableTopic(table, project).canonical
            self._ends.pop(topic, None)
            # Nobody can come back to before this without a gap.
            self._hub.logs.restart(topic, seq, self._hub.seconds())
            frame = wireFrame(Error(code=error.code, message=error.message, topic=topic), topic)
            for _, subscribers in self._hub.registry.groups(topic):
                self._hub.fanout.send(topic, subscribers, frame)

    def tableAltered(self, table: str, columns: Columns) -> Deferred[Any] | None:
        before = self._shapes.get(table)
        self._shapes[table] = columns
        if before is None or before == columns:
            # Nobody's view depends on it.
            return None
        work = self._reauthorizeAll(table, before, columns)
        # Mostly the subscribers are so few that nothing need wait.
        if next(work, self) is self:
            return None
        return self._cooperator.coiterate(work)

    def _reauthorizeAll(self, table: str, before: Columns, columns: Columns) -> Iterator[None]:
        """
        Judge all subscribers of a table that was altered, L{PIECE} at a time.

        @param before: The columns that it had.
        @param columns: Those that it has now.
        """
        judged = 0
        for project in tuple(self.projects):
            topic = tableTopic(table, project).canonical
            if not before.items() <= columns.items():
                # The rows in memory have columns that there are no more.
                position = self.tracker.position
                self._hub.logs.restart(topic, position, self._hub.seconds())
            for subscriber, view in tuple(self._hub.registry.subscribers(topic).items()):
                if view is not None and subscriber in self._hub.registry.subscribers(topic):
                    subscriber.reauthorize(topic)
                    judged += 1
                    if not judged % PIECE:
                        yield

    def tableReshaped(self, table: str) -> None:
        for project in self.projects:
            self._tellAll(_altered(tableTopic(table, project)))

    def tableBack(self, table: str) -> None:
        self._gone.discard(table)
        for project in self.projects:
            topic = tableTopic(table, project)
            if self._hub.logs.get(topic.canonical) is not None:
                # Its changes are numbered anew.
                self.openLog(topic)
            message = f"The table {table!r} is followed again; ask for its rows again."
            self._tellAll(Status(topic=topic.canonical, table="back", message=message))

    def _tellAll(self, status: Status) -> None:
        """Tell all who are subscribed to a topic."""
        frame = wireFrame(status, status.topic)
        for _, subscribers in self._hub.registry.groups(status.topic):
            self._hub.fanout.send(status.topic, subscribers, frame)

    def isGone(self, table: str) -> bool:
        """
        Whether a table was lost and is not followed again yet.
        """
        return table in self._gone

    def tableLeft(self, table: str) -> None:
        self._within.discard(table)
        self._gone.discard(table)
        for project in self.projects:
            topic = tableTopic(table, project).canonical
            self._ends.pop(topic, None)
            self._hub.logs.drop(topic)

    # Trouble

    @property
    def isDown(self) -> bool:
        """Whether changes cannot be read for now."""
        return self._down is not None

    @property
    def trouble(self) -> str | None:
        """Why changes cannot be read for now, as one sentence; L{None} if they can."""
        return None if self._down is None else self._down[0]

    def feedDown(self, reason: str) -> None:
        self._down = reason, self._hub.now()
        self._tellStatus()

    def feedUp(self) -> None:
        self._down = None
        self._tellStatus()

    def _tellStatus(self) -> None:
        # Those who are subscribed watch the table.
        for table in self.tracker.watchedTables():
            for project in self.projects:
                self._tellAll(self._status(tableTopic(table, project).canonical))

    def sendFeedStatus(
        self, subscriber: ISubscriber, topic: Topic, recovered: Position | None = None
    ) -> None:
        """
        Tell somebody who has just subscribed that changes cannot be read, or that the rows
        which it has may look different by now.

        @param recovered: From where on it gets what it missed, if it comes back.
        """
        if topic.table is None:
            return
        if self.isDown:
            subscriber.deliver(wireFrame(self._status(topic.canonical)))
        if recovered is not None and recovered.mark <= self.tracker.reshapedAt(topic.table):
            subscriber.deliver(wireFrame(_altered(topic)))

    def _status(self, canonical: str) -> Status:
        if self._down is None:
            return Status(topic=canonical, feed="up", message="Changes are read again.")
        message, since = self._down
        return Status(topic=canonical, feed="down", message=message, since=since)


def _altered(topic: Topic) -> Status:
    return Status(
        topic=topic.canonical,
        table="altered",
        message=f"Columns of the table {topic.table!r} were added or changed; rows that were there"
        " may look different: ask for them again.",
    )


def _unavailable(failure: Failure) -> NoReturn:
    if isinstance(failure.value, RealtimeError):
        raise failure.value
    TableFeed.log.failure("a table's columns cannot be read", failure)
    raise RealtimeError(
        "database_unavailable", "What columns the table has cannot be read now; try again.", 1000
    )
