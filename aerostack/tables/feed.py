"""
Table topics: from the tracker's changes to the subscribers of each project.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.access.tables import Access, Grant, UnfitRule
from aerostack.core.diagnosis.histogram import TopicHistograms
from aerostack.core.diagnosis.latencies import Latencies
from aerostack.core.diagnosis.tracing import Tracer
from aerostack.core.replay.log import TopicLog
from aerostack.core.replay.positions import Position
from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.transactions import OpenTransactions
from aerostack.core.rows.views import View
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.topics import TABLE, Topic, tableTopic
from aerostack.delivery.slices import makeCooperator
from aerostack.errors import RealtimeError
from aerostack.hub.delivering import Delivery
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.messaging import ISubscriber
from aerostack.interfaces.tracking import IChangeListener, IChangeTracker
from aerostack.protocol.clientframes import Subscribe
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.serverframes import Error, Status
from aerostack.tables.columns import KnownColumns
from aerostack.tables.encoding import ChangeEncoder
from aerostack.tables.status import Outage, feedStatus, tableAltered, tableBack

PIECE = 50
"""How many subscribers of an altered table are judged before the reactor does something else."""


@implementer(IChangeListener)
class TableFeed:
    """
    Stands between the tracker, which knows tables, and the hub's delivery, which knows the
    topics of each project.

    @ivar allowed: The tables to which clients may subscribe.
    @ivar access: Decides what a client may read of them.
    @ivar projects: The ids of all projects; each sees the tables as topics of its own.
    @ivar changes: How many changes the tracker brought.
    @ivar latencies: How long after their commit they were sent to all subscribers.
    @ivar tracer: Traces changes; L{None} if they are not traced.
    @ivar durations: The same since the daemon began, by the patterns of topics.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        delivery: Delivery,
        sequencer: Sequencer,
        allowed: Patterns,
        access: Access,
        projects: Collection[str],
        tracker: IChangeTracker,
    ) -> None:
        """
        @param now: The time of day, milliseconds since the epoch.
        @param delivery: Sends frames to the subscribers of topics.
        @param sequencer: Has the topics' logs.
        @param tracker: Calls the feed with each change, once it was started with the feed.
        """
        self.allowed = allowed
        self.access = access
        self.projects = projects
        self.changes = 0
        self.latencies = Latencies()
        # A change is of no project before it is on a project's topic.
        self.durations = TopicHistograms(sequencer.patternOf)
        self.tracker = tracker
        self.tracer: Tracer | None = None
        self._now = now
        self._delivery = delivery
        self._sequencer = sequencer
        self._cooperator = makeCooperator(clock)
        self._columns = KnownColumns(tracker)
        # The rules that fit no table, and why, as far as they are in the log.
        self._logged: set[tuple[str, str]] = set()
        # Tables of which a part of a transaction was delivered, and not yet the rest.
        self._within: set[str] = set()
        # Tables that were lost, and that the tracker does not follow again yet.
        self._gone: set[str] = set()
        # By topic, the views whose subscribers got a part of that transaction.
        self._openTransactions: defaultdict[str, OpenTransactions[View]] = defaultdict(
            OpenTransactions
        )
        self._outage: Outage | None = None

    def watch(self, table: str) -> Deferred[str]:
        """
        Have the tracker watch a table, for one subscription more.

        @return: Fires once no later change can be missed.  Fails with L{RealtimeError} if the
            table cannot be watched, or if the database spells it differently.
        """
        watching: Deferred[str] = self.tracker.watch(table)
        return watching.addCallback(self._checkSpelling, table)

    def _checkSpelling(self, name: str, asked: str) -> str:
        # Clients find their handlers by the exact topic.  SQL takes another case as well, but
        # the topic in our answer would then reach no handler.
        if name != asked:
            self.tracker.unwatch(name)
            raise RealtimeError("unknown_table", f"There is no table {asked}; did you mean {name}?")
        return name

    def unwatch(self, table: str) -> None:
        """
        Let the tracker watch a table for one subscription less.
        """
        self.tracker.unwatch(table)

    def shape(self, table: str) -> Columns | None:
        """
        The columns of a table that was just altered; L{None} if no client asked for them
        before.
        """
        return self._columns.get(table)

    def columns(self, table: str) -> Deferred[Columns]:
        """
        Ask for the columns of a watched table.

        @return: Fires with them.  Fails with L{RealtimeError} if the table is not there any
            more, or if the database cannot be asked.
        """
        return self._columns.ask(table)

    def permit(self, identity: Identity, action: Action, topic: Topic) -> Grant | None:
        """
        Decide what a client may do on a topic.  WebSockets, HTTP, the RPC and the console all
        ask here.

        @return: What it may read of a table; L{None} for a topic that is no table's.
        @raise RealtimeError: C{forbidden}, C{wrong_project}, C{unknown_project} (it was taken out
            of the configuration) or C{table_not_allowed}: it may do nothing there.
        """
        identity.check(action, topic)
        if topic.table is None:
            return None
        # Every action on a table's topic shows something of the table.
        grant = self.access.grant(identity, topic.table)
        if not self.allowed.match(topic.table):
            raise RealtimeError(
                "table_not_allowed", f"The table {topic.table} is not among tracker.tables."
            )
        return grant

    def grant(self, identity: Identity, topic: Topic) -> Grant:
        """
        What a client may read of a table.

        @raise RealtimeError: See L{permit}.
        """
        grant = self.permit(identity, Action.SUBSCRIBE, topic)
        assert grant is not None, topic
        return grant

    def view(self, grant: Grant, frame: Subscribe, columns: Columns) -> View | None:
        """
        The view of a table that a client gets; L{None} for everything.

        @param grant: What the client may read.
        @param frame: What it asks for.
        @param columns: The table's columns.
        @raise RealtimeError: C{invalid_filter}, C{forbidden} (a claim cannot be compared) or
            C{rule_mismatch}.
        """
        try:
            view = grant.view(columns, frame.filter, frame.columns, frame.event)
            return view if frame.view is None else replace(view or View(), name=frame.view)
        except UnfitRule as error:
            reason = str(error)
            if (grant.table, reason) not in self._logged:
                # A client that asks again must not fill the log.
                self._logged.add((grant.table, reason))
                self.log.error(
                    "no client can read {table}: its rule does not fit the table: {reason}",
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
            self._logged.clear()

    def change(self, subscriber: ISubscriber, topic: Topic, view: View | None) -> None:
        """
        Let a subscription to a table go on with another view.  The subscriber still gets by the
        view before what was delivered until now.
        """
        self._delivery.changeView(subscriber, topic.canonical, view)
        self.enter(topic, view)

    def enter(self, topic: Topic, view: View | None) -> None:
        """
        Note that a subscriber with a view may have got a part of the open transaction, if there is
        one.  It gets a frame when the transaction ends.
        """
        if topic.table in self._within and view is not None and view.selects:
            self._openTransactions[topic.canonical].enter(view)

    def openLog(self, topic: Topic) -> TopicLog:
        """
        The log of a watched table's topic.
        """
        table = topic.table
        assert table is not None
        return self._sequencer.openTableLog(
            topic.canonical,
            self.tracker.lineage(table),
            self.tracker.position,
            table in self._within,
        )

    def changed(self, changes: Sequence[Change]) -> Deferred[None] | None:
        self.changes += len(changes)
        # The topics of each table that have a log.
        topics: dict[str, list[str]] = {}
        for change in changes:
            table = change.table
            if change.last:
                self._within.discard(table)
            else:
                self._within.add(table)
            if table not in topics:
                named = (tableTopic(table, each).canonical for each in self.projects)
                topics[table] = list(filter(self._sequencer.hasLog, named))
            for topic in topics[table]:
                encoder = ChangeEncoder(topic, change, self._openTransactions[topic])
                self._delivery.deliverChange(encoder)
        sent = [topic for named in topics.values() for topic in named]
        self._measure(sent, changes)
        if self.tracer is not None:
            self._trace(self.tracer, sent, changes)
        return self._delivery.whenDrained()

    def _measure(self, topics: Iterable[str], changes: Sequence[Change]) -> None:
        """
        Note how long after its commit the oldest of some changes was sent on all their topics.
        """
        times = self.latencies.due(len(changes))

        def sent() -> None:
            # The database's clock may differ a little from ours.
            took = max(0, self._now() - changes[0].timestamp) / 1000
            self.latencies.add(took)
            self.durations.of(f"{TABLE}/{changes[0].table}").observe(took, times)

        if times and not self._delivery.sampleSent(topics, sent):
            self.latencies.skip(times)

    def _trace(self, tracer: Tracer, topics: Sequence[str], changes: Sequence[Change]) -> None:
        """Trace changes that have clients until they are sent."""
        pattern = self._sequencer.patternOf(f"{TABLE}/{changes[0].table}")
        trace = tracer.commit(pattern, changes[0].timestamp) if topics else None
        if trace is not None:
            self._delivery.whenSent(topics, trace.sent)

    def tableEntered(self, table: str) -> None:
        self._within.add(table)

    def tableLost(self, table: str, error: RealtimeError, seq: int) -> None:
        self._within.discard(table)
        self._gone.add(table)
        for project in self.projects:
            topic = tableTopic(table, project).canonical
            self._openTransactions.pop(topic, None)
            self._sequencer.restartLog(topic, seq)
            frame = wireFrame(Error(code=error.code, message=error.message, topic=topic), topic)
            self._delivery.sendToAll(topic, frame)

    def tableAltered(self, table: str, columns: Columns) -> Deferred[Any] | None:
        before = self._columns.replace(table, columns)
        if before is None or before == columns:
            # No subscriber's view depends on it.
            return None
        work = self._reauthorizeAll(table, before, columns)
        # Mostly the subscribers are so few that the first piece is all.
        if next(work, self) is self:
            return None
        return self._cooperator.coiterate(work)

    def _reauthorizeAll(self, table: str, before: Columns, columns: Columns) -> Iterator[None]:
        """
        Judge all subscribers of a table that was altered, L{PIECE} at a time.

        @param before: The columns that it had.
        @param columns: The columns that it has now.
        """
        judged = 0
        for project in tuple(self.projects):
            topic = tableTopic(table, project).canonical
            if not before.items() <= columns.items():
                # The rows in memory have columns that the table has no longer.
                self._sequencer.restartLog(topic, self.tracker.position)
            for subscriber, view in tuple(self._delivery.subscribers(topic).items()):
                if view is not None and subscriber in self._delivery.subscribers(topic):
                    subscriber.reauthorize(topic)
                    judged += 1
                    if not judged % PIECE:
                        yield

    def tableReshaped(self, table: str) -> None:
        for project in self.projects:
            self._sendStatus(tableAltered(tableTopic(table, project)))

    def tableBack(self, table: str) -> None:
        self._gone.discard(table)
        for project in self.projects:
            topic = tableTopic(table, project)
            if self._sequencer.hasLog(topic.canonical):
                # Its changes are numbered anew.
                self.openLog(topic)
            self._sendStatus(tableBack(topic))

    def _sendStatus(self, status: Status) -> None:
        self._delivery.sendToAll(status.topic, wireFrame(status, status.topic))

    def isGone(self, table: str) -> bool:
        """
        Whether a table was lost, and the tracker does not follow it again yet.
        """
        return table in self._gone

    def tableLeft(self, table: str) -> None:
        self._within.discard(table)
        self._gone.discard(table)
        for project in self.projects:
            topic = tableTopic(table, project).canonical
            self._openTransactions.pop(topic, None)
            self._sequencer.dropLog(topic)

    # Outages

    @property
    def isDown(self) -> bool:
        """Whether changes cannot be read for now."""
        return self._outage is not None

    @property
    def trouble(self) -> str | None:
        """Why changes cannot be read for now, as one sentence; L{None} if they can."""
        return None if self._outage is None else self._outage.reason

    def feedDown(self, reason: str) -> None:
        self._outage = Outage(reason, self._now())
        self._sendFeedStatus()

    def feedUp(self) -> None:
        self._outage = None
        self._sendFeedStatus()

    def _sendFeedStatus(self) -> None:
        # Every table with a subscriber is watched.
        for table in self.tracker.watchedTables():
            for project in self.projects:
                self._sendStatus(feedStatus(tableTopic(table, project), self._outage))

    def sendFeedStatus(
        self, subscriber: ISubscriber, topic: Topic, recovered: Position | None = None
    ) -> None:
        """
        Tell a new subscriber if changes cannot be read, or if the rows that it has may look
        different by now.

        @param recovered: The position from which it gets what it missed, if it comes back.
        """
        if topic.table is None:
            return
        if self.isDown:
            subscriber.deliver(wireFrame(feedStatus(topic, self._outage)))
        if recovered is not None and recovered.mark <= self.tracker.reshapedAt(topic.table):
            subscriber.deliver(wireFrame(tableAltered(topic)))
