"""
The subscriptions of one session: how they begin, change and end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action
from aerostack.core.access.tables import Grant
from aerostack.core.diagnosis.facts import ASKED, CATCHING_UP, LIVE, NONE
from aerostack.core.diagnosis.traces import Turn
from aerostack.core.rows.columns import Columns
from aerostack.core.rows.selection import Selection, parseSelection
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.delivery.catchup import Catchup
from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import Subscribe, requestOf
from aerostack.protocol.serverframes import Unsubscribed
from aerostack.recovery.requests import SubscribeRequest
from aerostack.sessions.asking import checkRequest, needsColumns
from aerostack.sessions.claims import Claims
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import Subscriber
from aerostack.sessions.reauthorizing import PIECE
from aerostack.sessions.refusals import refusal, viewChanged


class Subscriptions:
    """
    The subscriptions of one session.
    """

    __slots__ = (
        "_claims",
        "_context",
        "_grants",
        "_hub",
        "_limits",
        "_pending",
        "_reauthorizing",
        "_requests",
        "_session",
        "_tracked",
    )

    def __init__(
        self, session: Subscriber, context: SessionContext, tracked: Collection[str]
    ) -> None:
        """
        @param tracked: The topics on which the client is to be present, once they are ready.
        """
        self._session = session
        self._context = context
        self._hub = context.hub
        self._limits = context.limits
        self._tracked = tracked
        # By topic, the requests that wait until everything is claimed for them, for the tracker
        # to watch their table, or for the columns of the table.
        self._pending: dict[str, Subscribe] = {}
        self._claims = Claims(session, context.hub.attachments, self._pending, context.shares)
        # By topic, the request of each table subscription, to check it again later.
        self._requests: dict[str, Subscribe] = {}
        # By topic, what the client may read of the table; and what holds the changes back until
        # that is known again.
        self._grants: dict[str, Grant] = {}
        self._reauthorizing: dict[str, Catchup] = {}

    def forget(self) -> None:
        """
        Forget the requests that wait, because the session is over.
        """
        self._pending.clear()

    def end(self) -> Iterator[None]:
        """
        End all subscriptions, L{PIECE} in each step.
        """
        for number, canonical in enumerate(self._hub.registry.topicsOf(self._session), 1):
            self._end(topicOf(canonical))
            if not number % PIECE:
                yield

    # Looking

    def holds(self, canonical: str) -> bool:
        """
        Whether there is a subscription to a topic, or a request for one.
        """
        return self.state(canonical) != NONE

    def view(self, canonical: str) -> View | None:
        """
        Give the view of the subscription to a topic; L{None} for everything, or without a
        subscription.
        """
        return self._hub.registry.subscribers(canonical).get(self._session)

    def asked(self, canonical: str) -> Subscribe:
        """
        Give the client's request for a table; a request without any option if there was none.
        """
        pending = self._pending.get(canonical)
        return pending or self._requests.get(canonical) or Subscribe(topic=canonical)

    def state(self, canonical: str) -> str:
        """
        Give the state of a subscription: L{LIVE}, L{CATCHING_UP} (the daemon sends missed changes
        or a snapshot), L{ASKED} (the daemon has not answered the request yet) or L{NONE}.
        """
        if self._session in self._hub.registry.subscribers(canonical):
            caughtUp = self._session.catchingUp(canonical) is None
            return LIVE if caughtUp else CATCHING_UP
        return ASKED if canonical in self._pending else NONE

    # Beginning

    def checkCapacity(self, canonical: str) -> None:
        """
        Make sure that the client may hold one more topic.

        @raise RealtimeError: C{too_many_subscriptions}.
        """
        session, registry = self._session, self._hub.registry
        present = self._hub.presence.topicsOf(session.connectionId)
        waiting = len(self._pending) + len(self._tracked) + session.viewCount
        if registry.count(session) + len(present) + waiting < self._limits.subscriptions:
            return
        # This sum counts a topic twice if the client both subscribes and is present: count again.
        held = {*registry.topicsOf(session), *present, *self._pending, *self._tracked}
        most = self._limits.subscriptions
        if canonical not in held and len(held) + session.viewCount >= most:
            text = f"A connection holds at most {most} topics and views; leave some."
            raise RealtimeError("too_many_subscriptions", text)

    def subscribe(self, topic: Topic, frame: Subscribe) -> None:
        """
        Begin a subscription, or change one.

        @raise RealtimeError: The request is not valid, or the client has no right to it.
        """
        # First, so that a client without rights cannot make the tracker watch a table.
        self._context.feeds.permit(self._session.identity, Action.SUBSCRIBE, topic)
        canonical = topic.canonical
        again = self._session in self._hub.registry.subscribers(canonical)
        if not again:
            self.checkCapacity(canonical)
        checkRequest(topic, frame, self._hub.sequencer.keyedPolicy, self._limits.rewind)
        if again and topic.table is None:
            self._begin(topic, frame, None, None)
            return
        if again:
            self._pending[canonical] = frame
            self._view(topic, frame, None)
        elif self._claims.claim(topic, frame, self._claimed, self._refuse):
            self._enter(topic, frame)

    def _claimed(self, topic: Topic, frame: Subscribe) -> None:
        """Go on with a request that has waited."""
        try:
            # The client may be another user by now.
            self._context.feeds.permit(self._session.identity, Action.SUBSCRIBE, topic)
        except RealtimeError as error:
            self._claims.giveBack(topic)
            self._refuse(topic, frame, error)
        else:
            self._enter(topic, frame)

    def _refuse(self, topic: Topic, frame: Subscribe, error: RealtimeError) -> None:
        self._session.sendError(error, None, topic.canonical, requestOf(frame))
        self._session.settled()

    def _enter(self, topic: Topic, frame: Subscribe) -> None:
        """Go on with a request for which everything is claimed: find the table, or begin."""
        if topic.table is None:
            self._begin(topic, frame, None, None)
            return
        self._pending[topic.canonical] = frame
        self._context.feeds.watch(topic.table).addCallbacks(
            partial(self._view, topic, frame), partial(self._unwatchable, topic, frame)
        ).addErrback(self._session.fail)

    def _view(
        self, topic: Topic, frame: Subscribe, watched: str | None, columns: Columns | None = None
    ) -> None:
        """
        Find out what the client may read of a table, and begin the subscription.

        @param watched: The table, if the tracker watches it for this request; then everything else
            is claimed for it, too.
        @param columns: The columns of the table, if they were read.
        """
        # The client may have gone, unsubscribed, or asked again meanwhile.
        if self._pending.get(topic.canonical) is not frame:
            self._release(topic, watched)
            return
        try:
            # The client may be another user by now.
            grant = self._context.feeds.grant(self._session.identity, topic)
            if columns is None and needsColumns(frame, grant):
                self._askColumns(
                    topic,
                    partial(self._view, topic, frame, watched),
                    partial(self._unreadable, topic, frame, watched),
                )
                return
            del self._pending[topic.canonical]
            if watched is None and self._session not in self._hub.registry.subscribers(
                topic.canonical
            ):
                # The subscription to change has ended meanwhile.
                self.subscribe(topic, frame)
                return
            view = self._context.feeds.view(grant, frame, columns or {})
            selection = None
            if frame.snapshot:
                selection = parseSelection(frame.order, frame.limit, columns or {}, view)
        except RealtimeError as error:
            self._pending.pop(topic.canonical, None)
            self._release(topic, watched)
            self._refuse(topic, frame, error)
            return
        self._requests[topic.canonical] = frame
        self._grants[topic.canonical] = grant
        self._begin(topic, frame, view, selection)

    def _unwatchable(self, topic: Topic, frame: Subscribe, failure: Failure) -> None:
        self._claims.giveBack(topic)
        self._failed(topic, frame, failure)

    def _unreadable(
        self, topic: Topic, frame: Subscribe, watched: str | None, failure: Failure
    ) -> None:
        self._release(topic, watched)
        self._failed(topic, frame, failure)

    def _failed(self, topic: Topic, frame: Subscribe, failure: Failure) -> None:
        """Refuse a request, unless the client has unsubscribed, or has asked again."""
        error = refusal(failure)
        if self._pending.get(topic.canonical) is frame:
            del self._pending[topic.canonical]
            self._refuse(topic, frame, error)

    def _release(self, topic: Topic, watched: str | None) -> None:
        """
        Give back what a request has taken.

        @param watched: See L{_view}.
        """
        if watched is not None:
            self._context.feeds.unwatch(watched)
            self._claims.giveBack(topic)

    def _begin(
        self, topic: Topic, frame: Subscribe, view: View | None, selection: Selection | None
    ) -> None:
        # Drop the pending frames and reads of an earlier subscription to the topic.
        self._session.restart(topic.canonical)
        if self._hub.subscribe(self._session, topic, view):
            self._context.subscriptions += 1
            self._note(topic, True)
        refuse = partial(self._giveUp, topic, request=requestOf(frame))
        rewind = frame.rewind
        if rewind is None and topic.table is None:
            rewind = self._hub.sequencer.rewindOf(topic.canonical)
        asked = SubscribeRequest(
            topic,
            view,
            frame.since,
            selection,
            bool(frame.sync),
            refuse,
            rewind=rewind or 0,
            isRewindAsked=frame.rewind is not None,
        )
        self._context.recovery.begin(self._session, asked)

    def _askColumns(
        self,
        topic: Topic,
        known: Callable[[Columns], object],
        failed: Callable[[Failure], object],
    ) -> None:
        assert topic.table is not None
        asked = self._context.feeds.columns(topic.table)
        asked.addCallbacks(known, failed).addErrback(self._session.fail)

    # Going on

    def reauthorize(self, topic: str) -> None:
        """
        Check the subscription to a table that was altered.
        """
        altered = topicOf(topic)
        self._reauthorizeTable(altered, self._context.feeds.shape(altered.table or ""))

    def reauthorizeAll(self) -> Iterator[None]:
        """
        End the subscriptions that the client has no right to any more, and change those whose
        rights have changed; one topic in each step.
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
        Check the subscription to a table again.

        @param columns: The columns of the table, if they were read.
        """
        frame = self._requests.get(topic.canonical)
        if frame is None:  # The subscription has ended meanwhile.
            return
        try:
            grant = self._context.feeds.grant(self._session.identity, topic)
            if columns is None and grant == self._grants.get(topic.canonical):
                # Nothing has changed.
                return
            if columns is None and needsColumns(frame, grant):
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
        Check the subscription to a table when its columns are known.  Until then the daemon holds
        changes back: the client may have lost the right to read them.
        """
        canonical = topic.canonical
        if canonical not in self._reauthorizing:
            if self._session.catchingUp(canonical) is not None:
                self._giveUp(topic, viewChanged())
                return
            self._reauthorizing[canonical] = self._context.recovery.hold(self._session, topic)
        held = self._reauthorizing[canonical]

        def known(columns: Columns) -> None:
            # The subscription may have ended, or been checked, meanwhile.
            if self._reauthorizing.get(canonical) is held:
                self._reauthorizeTable(topic, columns)

        self._askColumns(topic, known, partial(self._lose, topic))

    def _goOn(self, topic: Topic, view: View | None) -> None:
        """Let a subscription go on, with the new view if the view has changed."""
        held = self._reauthorizing.pop(topic.canonical, None)
        if view != self._hub.registry.subscribers(topic.canonical)[self._session]:
            if self._session.catchingUp(topic.canonical) is not held:
                self._giveUp(topic, viewChanged())
                return
            self._context.feeds.change(self._session, topic, view)
        if held is not None:
            self._context.recovery.readOn(self._session, topic.canonical, held)

    def _lose(self, topic: Topic, failure: Failure) -> None:
        error = refusal(failure)
        if topic.canonical in self._requests:
            self._giveUp(topic, error)

    # Ending

    def unsubscribe(self, topic: Topic) -> None:
        """
        End a subscription.  The client gets an answer also without one.
        """
        self._pending.pop(topic.canonical, None)
        self._end(topic)
        self._note(topic, False)
        self._session.send(Unsubscribed(topic=topic.canonical))
        self._session.settled()

    def _note(self, topic: Topic, begun: bool) -> None:
        """Remember when a subscription began, or when the client ended it."""
        turn = Turn(int(self._context.wall() * 1000), begun)
        self._context.traces.turns.note((self._session.connectionId, topic.canonical), turn)

    def _giveUp(self, topic: Topic, error: RealtimeError, request: str | None = None) -> None:
        """
        End a subscription that cannot go on, and tell the client why.

        @param request: The type of the frame that the daemon refuses, if it refuses one.
        """
        self._end(topic)
        self._session.sendError(error, None, topic.canonical, request)
        self._session.send(Unsubscribed(topic=topic.canonical))
        self._session.settled()

    def _end(self, topic: Topic) -> None:
        self._session.drop(topic.canonical)
        self._requests.pop(topic.canonical, None)
        self._grants.pop(topic.canonical, None)
        self._reauthorizing.pop(topic.canonical, None)
        if self._hub.unsubscribe(self._session, topic):
            self._context.subscriptions -= 1
            if topic.table is not None:
                self._context.feeds.unwatch(topic.table)
            self._claims.giveBack(topic)
