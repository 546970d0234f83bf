"""
Named views: further subscriptions to a table that a client has beside the one without a name.

Each is a subscriber of its own.  It shares the session's connection, and what the session may read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Identity
from aerostack.core.topics.topics import Topic
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.outbound import Outbound
from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import Subscribe, Unsubscribe
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import MessageId
from aerostack.protocol.framing import Frame, joinFrames, viewFrame, viewKey
from aerostack.protocol.serverframes import ServerFrame, Unsubscribed
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession, Subscriber
from aerostack.sessions.subscriptions import Subscriptions

OPTIONS = 262_144
"""How many bytes the options of all named views of one connection have in JSON."""

Check = Callable[[str], None]

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class NamedView(Subscriber):
    """
    The session as the subscription of one named view sees it.

    @ivar topic: The canonical topic.
    @ivar name: The name of the view.
    @ivar owner: The session.
    @ivar size: How many bytes its options have in JSON.
    @ivar hasMembers: Whether the client got the members of the topic with this subscription.
    @ivar subscriptions: Has this subscription alone.
    """

    __slots__ = (
        "_key",
        "_views",
        "hasMembers",
        "name",
        "owner",
        "size",
        "subscriptions",
        "topic",
    )

    def __init__(
        self,
        session: CommandedSession,
        context: SessionContext,
        topic: str,
        name: str,
        views: Views,
    ) -> None:
        """
        @param views: All named views of the session.
        """
        self.topic = topic
        self.name = name
        self.owner = session
        self._key = viewKey(topic, name)
        self._views = views
        self.hasMembers = False
        self.size = 0
        self.subscriptions = Subscriptions(self, context, ())

    # What subscriptions need of a session

    @property
    def identity(self) -> Identity:
        """Who the client is."""
        return self.owner.identity

    @property
    def connectionId(self) -> str:
        """The connection's id."""
        return self.owner.connectionId

    @property
    def viewCount(self) -> int:
        """How many named views it has."""
        return 0

    def sendError(
        self,
        error: RealtimeError,
        messageId: MessageId | None,
        topic: str | None,
        request: str | None = None,
    ) -> None:
        """See L{CommandedSession.sendError}."""
        self.owner.sendError(error, messageId, topic, request, self.name)

    def settled(self) -> None:
        """See L{aerostack.sessions.interfaces.Subscriber.settled}."""
        if not self.subscriptions.holds(self.topic):
            self._views.remove(self)

    def drop(self, topic: str) -> None:
        """See L{Outbound.drop}."""
        self.owner.restart(self._key)

    def restart(self, topic: str) -> None:
        """See L{Outbound.restart}."""
        self.owner.restart(self._key)

    def fail(self, failure: Failure) -> None:
        """See L{Outbound.fail}."""
        self.owner.fail(failure)

    # What the recovery needs of a client

    @property
    def isDirect(self) -> bool:
        """See L{Outbound.isDirect}."""
        return self.owner.isDirect

    @property
    def reader(self) -> Outbound:
        """See L{aerostack.delivery.interfaces.Recipient.reader}."""
        return self.owner

    @property
    def members(self) -> Outbound | None:
        """See L{aerostack.delivery.interfaces.Recipient.members}."""
        if not self.hasMembers and self._views.haveMembers(self.topic):
            return None
        self.hasMembers = True
        return self.owner

    def send(self, frame: ServerFrame) -> None:
        """See L{Outbound.send}."""
        self.owner.deliver(viewFrame(wireFrame(frame), self.name))

    def deliver(self, frame: Frame) -> None:
        """See L{ISubscriber.deliver}."""
        if frame.topic != self._key:
            frame = joinFrames([self._named(part) for part in frame.parts])
        self.owner.deliver(frame)

    def reauthorize(self, topic: str | None = None) -> None:
        """See L{ISubscriber.reauthorize}."""
        try:
            self.subscriptions.reauthorize(topic or self.topic)
        except Exception:
            # The daemon still has other clients to check.
            self.owner.fail(Failure())

    def catchUp(self, topic: str, catchup: Catchup) -> None:
        """See L{Outbound.catchUp}."""
        self.owner.catchUp(self._key, catchup)

    def catchingUp(self, topic: str) -> Catchup | None:
        """See L{Outbound.catchingUp}."""
        return self.owner.catchingUp(self._key)

    def endCatchUp(self, topic: str) -> None:
        """See L{Outbound.endCatchUp}."""
        self.owner.endCatchUp(self._key)

    def writePast(self, catchup: Catchup, frames: Iterable[Frame]) -> Deferred[None]:
        """See L{Outbound.writePast}."""
        return self.owner.writePast(catchup, map(self._named, frames))

    def writeHeld(self, catchup: Catchup) -> Deferred[None]:
        """See L{Outbound.writeHeld}."""
        return self.owner.writeHeld(catchup)

    def awaitTurn(self, catchup: Catchup) -> Deferred[None]:
        """See L{Outbound.awaitTurn}."""
        return self.owner.awaitTurn(catchup)

    def giveUp(self) -> None:
        """See L{Outbound.giveUp}."""
        self.owner.giveUp()

    def _named(self, frame: Frame) -> Frame:
        """Give a frame the name of the view, unless it has it."""
        return frame if frame.topic == self._key else viewFrame(frame, self.name)


class Views:
    """
    The named views of one session.
    """

    __slots__ = ("_context", "_session", "_views")

    def __init__(self, session: CommandedSession, context: SessionContext) -> None:
        self._session = session
        self._context = context
        # By L{viewKey}.
        self._views: dict[str, NamedView] = {}

    def __len__(self) -> int:
        return len(self._views)

    def recipient(self, key: str) -> NamedView | None:
        """
        Find the view whose frames have a C{topic}.

        @param key: See L{viewKey}.
        """
        return self._views.get(key)

    def of(self, topic: str) -> Sequence[NamedView]:
        """
        The views of a topic, in the order in which the client asked for them.

        @param topic: The canonical topic.
        """
        return [view for view in self._views.values() if view.topic == topic]

    def haveMembers(self, topic: str) -> bool:
        """
        Whether the client gets the members of a topic with a subscription that it has.

        @param topic: The canonical topic.
        """
        if self._session in self._context.hub.registry.subscribers(topic):
            return True
        return any(view.hasMembers for view in self.of(topic))

    def subscribe(self, topic: Topic, frame: Subscribe, checkCapacity: Check) -> None:
        """
        Begin the subscription of a view, or change it.

        @param checkCapacity: Makes sure that the client may hold one more.
        @raise RealtimeError: The request is not valid, or the client may hold no more or no larger
            ones.
        """
        name = _nameIn(frame)
        if topic.table is None:
            raise RealtimeError("invalid_frame", "Only a table's topic has views.")
        key = viewKey(topic.canonical, name)
        view = self._views.get(key)
        size = len(encodeValue([frame.filter, frame.event, frame.columns, frame.order]))
        self._checkSize(size - (0 if view is None else view.size))
        if view is None:
            checkCapacity(key)
            view = NamedView(self._session, self._context, topic.canonical, name, self)
            self._views[key] = view
        try:
            view.subscriptions.subscribe(topic, frame)
        except RealtimeError:
            view.settled()
            raise
        view.size = size

    def _checkSize(self, added: int) -> None:
        if added + sum(view.size for view in self._views.values()) > OPTIONS:
            raise RealtimeError(
                "too_large",
                f"The options of a connection's views have at most {OPTIONS} bytes together; end"
                " some, or ask for shorter filters.",
            )

    def unsubscribe(self, topic: Topic, frame: Unsubscribe) -> None:
        """
        End the subscription of a view.  The client gets an answer also without one.

        @raise RealtimeError: The request is not valid.
        """
        name = _nameIn(frame)
        view = self._views.get(viewKey(topic.canonical, name))
        if view is None:
            self._session.send(Unsubscribed(topic=topic.canonical, view=name))
        else:
            view.subscriptions.unsubscribe(topic)

    def remove(self, view: NamedView) -> None:
        """
        Forget a view that has no subscription.
        """
        self._views.pop(viewKey(view.topic, view.name), None)

    def subscriptions(self) -> Iterator[Subscriptions]:
        """
        Give what each view is subscribed to.
        """
        for view in tuple(self._views.values()):
            yield view.subscriptions


def _nameIn(frame: Subscribe | Unsubscribe) -> str:
    name = frame.view or ""
    if not _NAME.fullmatch(name):
        raise RealtimeError(
            "invalid_frame", "A view is named by 1 to 64 letters, digits and characters of ._:-"
        )
    return name
