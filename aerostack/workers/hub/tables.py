"""
The changes of tables, from the hub's tracker to the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from msgspec import Raw, Struct
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.core.rows.changes import Change
from aerostack.core.rows.columns import Columns
from aerostack.errors import RealtimeError
from aerostack.interfaces.tracking import IChangeListener, IChangeTracker
from aerostack.workers.frames import Codec, FrameError
from aerostack.workers.hub.links import Link
from aerostack.workers.hub.window import AHEAD, Window
from aerostack.workers.messages.tables import (
    INTERVAL,
    MAX_CHANGE,
    Altered,
    Back,
    Changes,
    Down,
    FeedState,
    Lost,
    Mark,
    Reach,
    Reached,
    Reshaped,
    Taken,
    Unwatch,
    Up,
    Watch,
    Watched,
    columnsForm,
    decodeChanges,
    encodeChanges,
)


class _Follower:
    """
    A worker, and the tables that it watches.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.tables: set[str] = set()
        self.window = Window(lambda number: link.send(Mark(number)))


@implementer(IChangeListener)
class TableRelay:
    """
    Passes each change once to the workers that watch its table.

    @ivar delivered: How many changes the tracker has delivered.
    @ivar handlers: See L{aerostack.workers.hub}.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, codec: Codec, tracker: IChangeTracker) -> None:
        """
        @param codec: That of all links.
        @param tracker: Calls the relay with each change, once it was started with the relay.
        """
        self.delivered = 0
        self._codec = codec
        self._tracker = tracker
        self._followers: dict[Link, _Follower] = {}
        # By table, the workers that watch it.
        self._watching: dict[str, tuple[_Follower, ...]] = {}
        # Tables of which a part of a transaction was delivered, and not yet the rest.
        self._within: set[str] = set()
        # Why changes cannot be read, while they cannot.
        self._trouble: str | None = None
        self._telling = LoopingCall(self._tell)
        self._telling.clock = clock
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            Watch: self._watch,
            Unwatch: self._unwatch,
            Taken: self._taken,
            Reach: self._reach,
        }

    def start(self) -> None:
        """
        Begin to tell the workers each second how the tracker does.
        """
        self._telling.start(INTERVAL).addErrback(
            lambda reason: self.log.failure("workers do not hear of the feed any more", reason)
        )

    def stop(self) -> None:
        """
        Tell the workers no more.
        """
        if self._telling.running:
            self._telling.stop()

    def add(self, link: Link) -> None:
        """
        Serve a worker.
        """
        self._followers[link] = _Follower(link)
        link.send(self._state())
        if self._trouble is not None:
            link.send(Down(self._trouble))

    def lost(self, link: Link) -> None:
        """
        Let go of everything that a worker has watched: it has gone.
        """
        follower = self._followers.pop(link)
        for table in tuple(follower.tables):
            self._leave(follower, table)
        follower.window.end()

    def _tell(self) -> None:
        state = self._codec.encode(self._state())
        for link in self._followers:
            link.sendFrame(state)

    def _state(self) -> FeedState:
        tracker = self._tracker
        return FeedState(tracker.position, tracker.lag(), tracker.waiting, tracker.health())

    # What workers ask

    def _watch(self, link: Link, question: Watch) -> Deferred[Watched]:
        watching: Deferred[str] = self._tracker.watch(question.table)
        return watching.addCallback(self._watched, link)

    def _watched(self, table: str, link: Link) -> Watched:
        tracker, follower = self._tracker, self._followers.get(link)
        if follower is None or table in follower.tables:
            # The tracker counts each worker once.
            tracker.unwatch(table)
        if follower is None:
            raise RealtimeError("shutting_down", "The worker that asked has gone.")
        if table not in follower.tables:
            follower.tables.add(table)
            self._watching[table] = (*self._watching.get(table, ()), follower)
        return Watched(
            table,
            tracker.lineage(table),
            tracker.reshapedAt(table),
            tracker.position,
            table in self._within,
        )

    def _unwatch(self, link: Link, message: Unwatch) -> None:
        follower = self._followers[link]
        if message.table in follower.tables:
            self._leave(follower, message.table)

    def _leave(self, follower: _Follower, table: str) -> None:
        follower.tables.remove(table)
        left = tuple(each for each in self._watching[table] if each is not follower)
        if left:
            self._watching[table] = left
        else:
            del self._watching[table]
        self._tracker.unwatch(table)

    def _taken(self, link: Link, message: Taken) -> None:
        self._followers[link].window.take(message.number)

    def _reach(self, link: Link, question: Reach) -> Deferred[Reached]:
        reaching: Deferred[None] = self._tracker.reach(question.position, question.patience)
        return reaching.addCallback(lambda _: Reached(self._tracker.position))

    # IChangeListener

    def changed(self, changes: Sequence[Change]) -> Deferred[Any] | None:
        self.delivered += len(changes)
        for change in changes:
            if change.last:
                self._within.discard(change.table)
            else:
                self._within.add(change.table)
        concerned: set[_Follower] = set()
        for followers, some in groupby(changes, self._followersOf):
            if followers:
                concerned.update(followers)
                for encoded in encodeChanges(some):
                    self._pass(followers, encoded)
        return _together(each.window.whenLeft(AHEAD) for each in concerned)

    def _followersOf(self, change: Change) -> tuple[_Follower, ...]:
        return self._watching.get(change.table, ())

    def _pass(self, followers: tuple[_Follower, ...], encoded: bytes) -> None:
        """Send some workers changes of the tables that they watch."""
        try:
            frame = self._codec.encode(Changes(Raw(encoded)))
        except FrameError:
            # So large a change comes alone.
            (change,) = decodeChanges(encoded)
            self._omit(change)
            return
        for follower in followers:
            follower.link.sendFrame(frame)
            follower.window.add(len(frame))

    def _omit(self, change: Change) -> None:
        """
        Let the subscribers of a table read it again, because the workers cannot get a change.
        """
        self.log.error(
            "a change of {table} is too large for the workers; lower tracker.change_bytes to"
            " {most} or less",
            table=change.table,
            most=MAX_CHANGE,
        )
        message = f"A change of the table {change.table!r} is too large to be sent; reload it."
        self._send(change.table, Lost(change.table, "table_lost", message, None, change.seq))
        self.tableBack(change.table)

    def _send(self, table: str, message: Struct) -> tuple[_Follower, ...]:
        """
        @return: The workers that watch the table.
        """
        followers = self._watching.get(table, ())
        for follower in followers:
            follower.link.send(message)
        return followers

    def tableEntered(self, table: str) -> None:
        self._within.add(table)

    def tableLost(self, table: str, error: RealtimeError, seq: int) -> None:
        self._within.discard(table)
        self._send(table, Lost(table, error.code, error.message, error.retryAfter, seq))

    def tableAltered(self, table: str, columns: Columns) -> Deferred[Any] | None:
        altered = Altered(table, columnsForm(columns), self._tracker.position)
        followers = self._send(table, altered)
        for follower in followers:
            follower.window.mark()
        return _together(each.window.whenLeft(0) for each in followers)

    def tableReshaped(self, table: str) -> None:
        tracker = self._tracker
        self._send(table, Reshaped(table, tracker.reshapedAt(table), tracker.position))

    def tableBack(self, table: str) -> None:
        tracker = self._tracker
        self._send(
            table,
            Back(table, tracker.lineage(table), tracker.reshapedAt(table), tracker.position),
        )

    def tableLeft(self, table: str) -> None:
        # No worker watches it.
        self._within.discard(table)

    def feedDown(self, reason: str) -> None:
        self._trouble = reason
        for link in self._followers:
            link.send(Down(reason))

    def feedUp(self) -> None:
        self._trouble = None
        for link in self._followers:
            link.send(Up())


def _together(waits: Iterable[Deferred[None] | None]) -> Deferred[Any] | None:
    """
    @return: Fires when all of the waits are over; L{None} if all are over now.
    """
    going = [each for each in waits if each is not None]
    return DeferredList(going) if going else None
