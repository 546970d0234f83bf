"""
The presence of one session's client on topics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat

from twisted.python.failure import Failure

from aerostack.core.access.permissions import Action
from aerostack.core.presence import Tracked
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import Track, requestOf
from aerostack.protocol.codec import encodeValue
from aerostack.sessions.attaching import Attaching
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.reauthorizing import PIECE
from aerostack.sessions.refusals import refusal

STATES = 16
"""The states of a connection on all of its topics together may be as large as so many states of the
largest size."""


class Waiting:
    """
    The C{track} frames that wait for a topic or a table.  Of those behind the first one, only the
    newest counts.

    @ivar frame: The first one.
    @ivar newest: The newest one, if there are several.
    @ivar size: The bytes of their states.
    """

    __slots__ = ("frame", "newest", "size")

    def __init__(self, frame: Track, size: int, newest: Track | None = None) -> None:
        self.frame = frame
        self.newest = newest
        self.size = size


class _Asked:
    """
    Counts the requests to the roster that it has not answered, since the client came to a topic.
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Tracking:
    """
    The presence of one session.

    While the client is present on a topic, or the roster is asked to let it be, the topic is
    attached for it.
    """

    __slots__ = (
        "_asked",
        "_attaching",
        "_checkCapacity",
        "_context",
        "_hub",
        "_isOver",
        "_limits",
        "_session",
        "_waiting",
    )

    def __init__(
        self,
        session: CommandedSession,
        context: SessionContext,
        waiting: dict[str, Waiting],
        checkCapacity: Callable[[str], None],
    ) -> None:
        """
        @param waiting: Is to hold, by topic, the frames that wait for their topic or their table.
        @param checkCapacity: Makes sure that the client may hold one more topic.
        """
        self._session = session
        self._context = context
        self._hub = context.hub
        self._limits = context.limits
        self._waiting = waiting
        self._checkCapacity = checkCapacity
        self._attaching = Attaching(session, context.hub.attachments, waiting)
        # By topic, what the roster was asked and has not answered since the client came.
        self._asked: dict[str, _Asked] = {}
        self._isOver = False

    # Coming

    def track(self, topic: Topic, frame: Track) -> None:
        """
        Let the client be present on a topic, or change its state there.

        @raise RealtimeError: The client has no right to it, or no room.
        """
        canonical = topic.canonical
        self._permit(Action.PRESENCE, topic)
        size = len(encodeValue(frame.state))
        if size > self._limits.stateBytes:
            raise RealtimeError(
                "too_large", f"A presence state has at most {self._limits.stateBytes} bytes."
            )
        if canonical in self._hub.presence.topicsOf(self._session.connectionId):
            self._ask(topic, frame)
            return
        self._checkCapacity(canonical)
        waiting = self._makeWaiting(canonical, frame, size)
        if self._attaching.isReady(topic, waiting, self._attachedLater, self._refuse):
            self._attached(topic, waiting)

    def _makeWaiting(self, canonical: str, frame: Track, size: int) -> Waiting:
        """
        @raise RealtimeError: C{too_large}: too much state waits.
        """
        most = STATES * self._limits.stateBytes
        others = sum(each.size for topic, each in self._waiting.items() if topic != canonical)
        before = self._waiting.get(canonical)
        if before is not None:
            size += len(encodeValue(before.frame.state))
        if others and others + size > most:
            raise RealtimeError(
                "too_large", f"The states that wait for their topics have at most {most} bytes."
            )
        return Waiting(frame, size) if before is None else Waiting(before.frame, size, frame)

    def _refuse(self, topic: Topic, waiting: Waiting, error: RealtimeError) -> None:
        self._session.sendError(error, None, topic.canonical, requestOf(waiting.frame))

    def _attachedLater(self, topic: Topic, waiting: Waiting) -> None:
        self._attached(topic, waiting, later=True)

    def _attached(self, topic: Topic, waiting: Waiting, later: bool = False) -> None:
        """
        Go on, now that the topic is attached for this frame.

        @param later: Whether the client may be another user by now.
        """
        if topic.table is None:
            self._enter(topic, waiting, later)
            return
        # Only the tracker knows whether the table exists.
        self._waiting[topic.canonical] = waiting
        self._context.feeds.watch(topic.table).addCallbacks(
            partial(self._tableFound, topic, waiting), partial(self._tableMissing, topic, waiting)
        ).addErrback(self._session.fail)

    def _tableFound(self, topic: Topic, waiting: Waiting, table: str) -> None:
        """Let the client be present on a table's topic, now that the table is known to exist."""
        self._context.feeds.unwatch(table)
        if self._isAwaited(topic, waiting):
            self._enter(topic, waiting, later=True)
        else:
            self._hub.attachments.release(topic.canonical)

    def _tableMissing(self, topic: Topic, waiting: Waiting, failure: Failure) -> None:
        self._hub.attachments.release(topic.canonical)
        error = refusal(failure)
        if self._isAwaited(topic, waiting):
            self._refuse(topic, waiting, error)

    def _isAwaited(self, topic: Topic, waiting: Waiting) -> bool:
        """Whether the client still waits for this frame.  After this call it does not."""
        if self._waiting.get(topic.canonical) is not waiting:
            return False
        del self._waiting[topic.canonical]
        return True

    def _enter(self, topic: Topic, waiting: Waiting, later: bool) -> None:
        """Ask the roster for the first time on this topic."""
        if later:
            try:
                self._permit(Action.PRESENCE, topic)
            except RealtimeError as error:
                self._hub.attachments.release(topic.canonical)
                self._refuse(topic, waiting, error)
                return
        self._ask(topic, waiting.frame)
        held = self._hub.presence.topicsOf(self._session.connectionId)
        if waiting.newest is not None and topic.canonical in held:
            # The roster has not refused the first one.
            self._ask(topic, waiting.newest)

    def _ask(self, topic: Topic, frame: Track) -> None:
        """Ask the roster to let the client be present, or to change its state."""
        session = self._session
        asked = self._asked.setdefault(topic.canonical, _Asked())
        asked.count += 1
        self._hub.presence.track(
            session.connectionId,
            topic,
            session.identity.userId,
            encodeValue(frame.state),
            session.client,
            STATES * self._limits.stateBytes,
        ).addCallbacks(
            partial(self._tracked, topic, asked, bool(frame.sync)),
            partial(self._refused, topic, asked, requestOf(frame)),
        ).addErrback(session.fail)

    def _tracked(self, topic: Topic, asked: _Asked, paged: bool, tracked: Tracked) -> None:
        if self._isHere(topic, asked) and tracked.fresh and not self._isOver:
            self._hub.presence.welcome(self._session, topic, paged, self._mayRead(topic))

    def _refused(self, topic: Topic, asked: _Asked, request: str, failure: Failure) -> None:
        isHere = self._isHere(topic, asked)
        held = self._hub.presence.topicsOf(self._session.connectionId)
        if isHere and topic.canonical not in held:
            self._hub.attachments.release(topic.canonical)
        error = refusal(failure)
        if isHere and not self._isOver:
            self._session.sendError(error, None, topic.canonical, request)

    def _isHere(self, topic: Topic, asked: _Asked) -> bool:
        """
        Take note of an answer of the roster.

        @return: Whether the client has not left the topic since it asked.
        """
        asked.count -= 1
        if self._asked.get(topic.canonical) is not asked:
            return False
        if not asked.count:
            del self._asked[topic.canonical]
        return True

    # Rights

    def _permit(self, action: Action, topic: Topic) -> None:
        self._context.feeds.permit(self._session.identity, action, topic)

    def _mayRead(self, topic: Topic) -> bool:
        try:
            self._permit(Action.SUBSCRIBE, topic)
        except RealtimeError:
            return False
        return True

    def reauthorize(self) -> Iterator[None]:
        """
        End the presence that the client has no right to any more, one topic in each step.
        """
        for canonical in self._hub.presence.topicsOf(self._session.connectionId):
            held = topicOf(canonical)
            try:
                self._permit(Action.PRESENCE, held)
            except RealtimeError as error:
                self._end(held)
                self._session.sendError(error, None, canonical)
            yield

    # Leaving

    def untrack(self, topic: Topic) -> None:
        """
        End the client's presence on a topic.
        """
        self._waiting.pop(topic.canonical, None)
        self._end(topic)

    def _end(self, topic: Topic) -> None:
        session, canonical = self._session, topic.canonical
        isHeld = canonical in self._hub.presence.topicsOf(session.connectionId)
        self._asked.pop(canonical, None)
        self._hub.presence.untrack(session.connectionId, topic)
        if isHeld:
            self._hub.attachments.release(canonical)
        if session not in self._hub.registry.subscribers(canonical):
            # The client does not need the list of members any more.
            session.endSync(canonical)

    def leave(self) -> None:
        """
        End the client's presence on all topics.
        """
        held = self._forget()
        self._hub.presence.leave(self._session.connectionId)
        self._release(held)

    def lose(self) -> None:
        """
        Let the client's presence on all topics wait for the client to come back.
        """
        held = self._forget()
        self._hub.presence.lose(self._session.connectionId)
        self._release(held)

    def _forget(self) -> tuple[str, ...]:
        """Forget what the roster was asked; the topics on which the client is present."""
        self._asked.clear()
        return self._hub.presence.topicsOf(self._session.connectionId)

    def _release(self, topics: tuple[str, ...]) -> None:
        for canonical in topics:
            self._hub.attachments.release(canonical)

    def end(self) -> None:
        """
        Forget what waits, and send nothing any more: the session is over.
        """
        self._waiting.clear()
        self._isOver = True

    def endAll(self) -> Iterator[None]:
        """
        End all presence, because the client has closed or was sent away; one topic in each step.
        """
        self._waiting.clear()
        for canonical in self._hub.presence.topicsOf(self._session.connectionId):
            self._end(topicOf(canonical))
            yield

    def loseAll(self) -> Iterator[None]:
        """
        Let all presence wait for the client to come back, because the session is over.  There are
        as many steps as it costs, L{PIECE} topics in each.
        """
        count = len(self._hub.presence.topicsOf(self._session.connectionId))
        self.lose()
        yield from repeat(None, count // PIECE)
