"""
The subscriptions of one session: how they begin, what is told by them, and how they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action
from aerostack.core.access.tables import Grant
from aerostack.core.diagnosis.facts import ASKED, CATCHING_UP, LIVE, NONE
from aerostack.core.diagnosis.traces import Turn
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.selection import Selection, parseSelection
from aerostack.core.rows.views import View, parseEvents
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.delivery.catchup import Catchup
from aerostack.errors import RealtimeError
from aerostack.protocol.frames import Subscribe, Track, Unsubscribed, requestOf
from aerostack.recovery.requests import SubscribeRequest
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession

PIECE = 20
"""How many subscriptions end in one step: together they cost as much as judging one."""


class Subscriptions:
    """
    What one session is subscribed to.

    @ivar tracking: Presence on tables' topics that waits for the tracker to say that there is
        such a table.
    """

    __slots__ = (
        "_context",
        "_grants",
        "_hub",
        "_limits",
        "_pending",
        "_reauthorizing",
        "_requests",
        "_session",
        "tracking",
    )

    def __init__(self, session: CommandedSession, context: SessionContext) -> None:
        self._session = session
        self._context = context
        self._hub = context.hub
        self._limits = context.limits
        # Table subscriptions that wait for the tracker to confirm them, or for what columns
        # the table has.
        self._pending: dict[str, Subscribe] = {}
        # What was asked for of each table that is subscribed, to be judged again.
        self._requests: dict[str, Subscribe] = {}
        # What may be read of it, and what holds it back until that is known again.
        self._grants: dict[str, Grant] = {}
        self._reauthorizing: dict[str, Catchup] = {}
        self.tracking: dict[str, Track] = {}

    def forget(self) -> None:
        """
        Wait for nothing any more: the session is over.
        """
        self._pending.clear()
        self.tracking.clear()

    def end(self) -> Iterator[None]:
        """
        End all, L{PIECE} at a time.
        """
        for number, canonical in enumerate(self._hub.registry.topicsOf(self._session), 1):
            self._end(topicOf(canonical))
            if not number % PIECE:
                yield

    # Looking

    def asked(self, canonical: str) -> Subscribe:
        """
        What was asked for of a table; for nothing in particular, if nothing was.
        """
        asked = self._pending.get(canonical) or self._requests.get(canonical)
        return asked or Subscribe(topic=canonical)

    def state(self, canonical: str) -> str:
        """
        How far a subscription is: L{LIVE}, L{CATCHING_UP} (what was missed, or the rows that
        are there, is being sent), L{ASKED} (it is not known yet whether it can be) or L{NONE}.
        """
        if self._session in self._hub.registry.subscribers(canonical):
            caughtUp = self._session.catchingUp(canonical) is None
            return LIVE if caughtUp else CATCHING_UP
        return ASKED if canonical in self._pending else NONE

    # Beginning

    def checkCapacity(self, canonical: str) -> None:
        """
        Make sure that the client may hold one topic more.

        @raise RealtimeError: C{too_many_subscriptions}.
        """
        session, registry = self._session, self._hub.registry
        present = tuple(self._hub.presence.topicsOf(session.connectionId))
        waiting = len(self._pending) + len(self.tracking)
        if registry.count(session) + len(present) + waiting < self._limits.subscriptions:
            return
        # Nearly as many; each topic counts once, whatever the client does on it.
        held = {*registry.topicsOf(session), *present, *self._pending, *self.tracking}
        if canonical not in held and len(held) >= self._limits.subscriptions:
            raise RealtimeError(
                "too_many_subscriptions",
                f"A connection holds at most {self._limits.subscriptions} topics; leave some.",
            )

    def subscribe(self, topic: Topic, frame: Subscribe) -> None:
        """
        Begin a subscription, or change one.

        @raise RealtimeError: It cannot be, or may not be.
        """
        # Who may read nothing has no table followed.
        self._context.feeds.permit(self._session.identity, Action.SUBSCRIBE, topic)
        canonical = topic.canonical
        again = self._session in self._hub.registry.subscribers(canonical)
        if not again:
            self.checkCapacity(canonical)
            self._context.quotas.checkSubscriptions(topic.project)
        if topic.table is None:
            if frame.filter or frame.columns is not None or parseEvents(frame.event) is not None:
                raise RealtimeError(
                    "invalid_frame", "Only a table's topic takes a filter, columns or an event."
                )
            if frame.snapshot:
                raise RealtimeError("invalid_frame", "Only a table's topic has a snapshot.")
            self._begin(topic, frame, None, None)
            return
        if not frame.snapshot and (frame.order is not None or frame.limit is not None):
            raise RealtimeError("invalid_frame", "order and limit are for a snapshot; ask for one.")
        self._pending[canonical] = frame
        if again:
            self._view(topic, frame, None)
        else:
            self._context.feeds.watch(topic.table).addCallbacks(
                partial(self._view, topic, frame),
                partial(self._unwatchable, topic, frame, None),
            ).addErrback(self._session.fail)

    def _view(
        self, topic: Topic, frame: Subscribe, watched: str | None, columns: Columns | None = None
    ) -> None:
        """
        Find out what is told of a table, and begin.

        @param watched: The table, if the request holds an interest of its own in it.
        @param columns: The table's, if somebody has asked for them.
        """
        # The client may have gone, thought better of it, or asked again meanwhile.
        if self._pending.get(topic.canonical) is not frame:
            self._release(watched)
            return
        try:
            # It may be somebody else by now.
            grant = self._context.feeds.grant(self._session.identity, topic)
            if columns is None and _needsColumns(frame, grant):
                self._askColumns(
                    topic,
                    partial(self._view, topic, frame, watched),
                    partial(self._unwatchable, topic, frame, watched),
                )
                return
            del self._pending[topic.canonical]
            if watched is not None:
                # Others may have taken what was left.
                self._context.quotas.checkSubscriptions(topic.project)
            elif self._session not in self._hub.registry.subscribers(topic.canonical):
                # What was to be changed has ended meanwhile.
                self.subscribe(topic, frame)
                return
            view = self._context.feeds.view(grant, frame, columns or {})
            selection = None
            if frame.snapshot:
                selection = parseSelection(frame.order, frame.limit, columns or {}, view)
        except RealtimeError as error:
            self._pending.pop(topic.canonical, None)
            self._release(watched)
            self._session.sendError(error, None, topic.canonical, requestOf(frame))
            return
        self._requests[topic.canonical] = frame
        self._grants[topic.canonical] = grant
        self._begin(topic, frame, view, selection)

    def _unwatchable(
        self, topic: Topic, frame: Subscribe, watched: str | None, failure: Failure
    ) -> None:
        self._release(watched)
        error = refusal(failure)
        if self._pending.get(topic.canonical) is frame:
            # Else the client has left meanwhile, or has asked again and gets an answer to that.
            del self._pending[topic.canonical]
            self._session.sendError(error, None, topic.canonical, requestOf(frame))

    def _release(self, watched: str | None) -> None:
        """Take the interest back that a request had in a table."""
        if watched is not None:
            self._context.feeds.unwatch(watched)

    def _begin(
        self, topic: Topic, frame: Subscribe, view: View | None, selection: Selection | None
    ) -> None:
        # What a subscription before had still to send must not come, or be read again, in the
        # new one.
        self._session.restart(topic.canonical)
        if self._hub.subscribe(self._session, topic, view):
            self._context.quotas.subscriptions.add(topic.project)
            self._note(topic, True)
        refuse = partial(self._giveUp, topic, request=requestOf(frame))
        asked = SubscribeRequest(topic, view, frame.since, selection, bool(frame.sync), refuse)
        self._context.recovery.begin(self._session, asked)

    def _askColumns(
        self,
        topic: Topic,
        told: Callable[[Columns], object],
        failed: Callable[[Failure], object],
    ) -> None:
        assert topic.table is not None
        asked = self._context.feeds.columns(topic.table)
        asked.addCallbacks(told, failed).addErrback(self._session.fail)

    # Going on

    def reauthorize(self, topic: str) -> None:
        """
        Judge the subscription to a table that was altered.
        """
        altered = topicOf(topic)
        assert altered.table is not None
        self._reauthorizeTable(altered, self._context.feeds.shape(altered.table))

    def reauthorizeAll(self) -> Iterator[None]:
        """
        End what the present identity may not have, and change what it may have otherwise; a
        topic at a time.
        """
        for canonical in self._hub.registry.topicsOf(self._session):
            held = topicOf(canonical)
            if held.table is not None:
                self._reauthorizeTable(held)
            elif self._session in self._hub.registry.subscribers(canonical):
                try:
                    self._context.feeds.permit(self._session.identity, Action.SUBSCRIBE, held)
                except RealtimeError as error:
                    self._giveUp(held, error)
            yield

    def _reauthorizeTable(self, topic: Topic, columns: Columns | None = None) -> None:
        """
        Judge the subscription to a table again.

        @param columns: The table's, if somebody has asked for them.
        """
        frame = self._requests.get(topic.canonical)
        if frame is None:
            # It has ended meanwhile.
            return
        try:
            grant = self._context.feeds.grant(self._session.identity, topic)
            if columns is None and grant == self._grants.get(topic.canonical):
                # Nothing has changed.
                return
            if columns is None and _needsColumns(frame, grant):
                self._reauthorizeLater(topic)
                return
            view = self._context.feeds.view(grant, frame, columns or {})
        except RealtimeError as error:
            self._giveUp(topic, error)
            return
        self._grants[topic.canonical] = grant
        self._goOn(topic, view)

    def _reauthorizeLater(self, topic: Topic) -> None:
        """
        Judge the subscription to a table when its columns are known.  Until then no change is
        told: it might be one that may not be read any more.
        """
        canonical = topic.canonical
        if canonical not in self._reauthorizing:
            if self._session.catchingUp(canonical) is not None:
                self._giveUp(topic, _viewChanged())
                return
            self._reauthorizing[canonical] = self._context.recovery.hold(self._session, topic)
        held = self._reauthorizing[canonical]

        def told(columns: Columns) -> None:
            # It may have ended meanwhile, or was judged already.
            if self._reauthorizing.get(canonical) is held:
                self._reauthorizeTable(topic, columns)

        self._askColumns(topic, told, partial(self._lose, topic))

    def _goOn(self, topic: Topic, view: View | None) -> None:
        """Let a subscription go on with another view, if it is another."""
        held = self._reauthorizing.pop(topic.canonical, None)
        if view != self._hub.registry.subscribers(topic.canonical)[self._session]:
            if self._session.catchingUp(topic.canonical) is not held:
                self._giveUp(topic, _viewChanged())
                return
            self._context.feeds.change(self._session, topic, view)
        if held is not None:
            self._context.recovery.release(self._session, topic, held)

    def _lose(self, topic: Topic, failure: Failure) -> None:
        error = refusal(failure)
        if topic.canonical in self._requests:
            self._giveUp(topic, error)

    # Ending

    def unsubscribe(self, topic: Topic) -> None:
        """
        End a subscription, whether there is one or not.
        """
        self._pending.pop(topic.canonical, None)
        self._end(topic)
        self._note(topic, False)
        self._session.send(Unsubscribed(topic=topic.canonical))

    def _note(self, topic: Topic, begun: bool) -> None:
        """Remember when a subscription began, or that it was ended."""
        turn = Turn(int(self._context.wall() * 1000), begun)
        self._context.traces.turns.note((self._session.connectionId, topic.canonical), turn)

    def _giveUp(self, topic: Topic, error: RealtimeError, request: str | None = None) -> None:
        """
        End a subscription that cannot go on, and say why.

        @param request: The type of the frame that is refused by it, if one is.
        """
        self._end(topic)
        self._session.sendError(error, None, topic.canonical, request)
        self._session.send(Unsubscribed(topic=topic.canonical))

    def _end(self, topic: Topic) -> None:
        self._session.drop(topic.canonical)
        self._requests.pop(topic.canonical, None)
        self._grants.pop(topic.canonical, None)
        self._reauthorizing.pop(topic.canonical, None)
        if self._hub.unsubscribe(self._session, topic):
            self._context.quotas.subscriptions.remove(topic.project)
            if topic.table is not None:
                self._context.feeds.unwatch(topic.table)


def _viewChanged() -> RealtimeError:
    return RealtimeError(
        "view_changed",
        "What you may read has changed while you were sent what you had missed; subscribe again"
        " since the last pos.",
    )


def _needsColumns(frame: Subscribe, grant: Grant) -> bool:
    """Whether what is told depends on what columns the table has."""
    wanted = (frame.columns, frame.order)
    return bool(frame.filter) or wanted != (None, None) or not grant.isWhole


def refusal(failure: Failure) -> RealtimeError:
    """
    What a client is told of a failure, if it is one to be told; else raise it.
    """
    if isinstance(failure.value, RealtimeError):
        return failure.value
    failure.raiseException()
