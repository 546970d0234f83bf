"""
A topic as the daemon knows it: one subscription and one presence, over whatever connection there
is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from aerostack.client.answers import Answers
from aerostack.client.callbacks import Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.frames import ANSWERS, Frame, Head
from aerostack.client.presence import PREFIX, Presence
from aerostack.client.subscription import Subscription
from aerostack.protocol.codec import encodeValue

GAP, FEED, ERROR, SUBSCRIBED = "gap", "feed", "error", "subscribed"
"""The names of a topic's notices."""

History = Callable[[str, int, int | None], Deferred[list[Frame]]]
"""Reads a page of a topic's history: the topic, how many messages, and the C{created_at} of the
oldest message of the page before."""

ReadStream = Callable[[str], Deferred[Frame]]
"""Reads a stream that has ended, by its id."""

# The types of the frames that say how this client is present.
_PRESENCE = ("track", "untrack")


class TopicOwner(Protocol):
    """
    What a topic and its channels need of the session.
    """

    @property
    def history(self) -> History:
        """See L{History}."""

    @property
    def readStream(self) -> ReadStream:
        """See L{ReadStream}."""

    def touch(self, topic: Topic) -> None:
        """
        Look again whether a topic has a frame to send, and whether it is in use.
        """

    def changed(self, topic: Topic) -> None:
        """
        Send what the application has just asked of a topic.
        """

    def publish(self, topic: str, event: str, data: Any, persist: bool) -> Deferred[None]:
        """
        Publish an event.
        """

    def cancel(self, topic: str, stream: str) -> Deferred[None]:
        """
        Cancel a stream.
        """


def pathOf(topic: str, projectId: str | None) -> str:
    """
    The name by which the daemon knows a topic, without the project at its end.

    @param topic: In any of the forms that the daemon takes.
    """
    path = topic.removesuffix(f"/{projectId}") if projectId else topic
    return f"table/{topic}" if path == topic and "/" not in topic else path


class Topic:
    """
    Keeps the daemon's idea of a topic the same as the application's.

    L{next} gives the frames to send, one at a time.  The session passes on what the daemon
    answers, and tells when the connection is closed.

    @ivar name: The topic, as the application writes it.
    @ivar path: The topic, as the daemon writes it, without the project.
    @ivar filter: Which rows of a table a subscription has, where it names no others.
    @ivar subscription: See L{Subscription}.
    @ivar presence: The members, see L{Presence}.
    @ivar answers: The streams, see L{Answers}.
    @ivar events: The application's callbacks by the name of the event.
    @ivar notices: The application's callbacks by L{GAP}, L{FEED}, L{ERROR}, L{SUBSCRIBED}.
    @ivar released: Whether the application has unsubscribed and asked for nothing since.
    """

    log = Logger()

    def __init__(self, owner: TopicOwner, name: str, path: str, filter: Any) -> None:
        self.name = name
        self.path = path
        self.filter = filter
        self.subscription = Subscription()
        self.presence = Presence(self._used)
        self.answers = Answers(
            lambda stream: owner.cancel(name, stream), owner.readStream, self._used
        )
        self.events = Callbacks(self._used)
        self.notices = Callbacks(self._used)
        self.released = False
        self._owner = owner
        # How this client is present, as JSON, and whether the daemon was sent that.
        self._state: bytes | None = None
        self._isStateSent = True
        # Whether this connection was sent a presence frame of this topic.
        self._spoke = False
        self._isPresencePostponed = False
        # The bytes of the subscription that was asked for last.
        self._size = 0

    def _used(self) -> None:
        """A callback was added: the topic stays, also where the application drops its channel."""
        self.released = False
        self._owner.touch(self)

    # From the application

    def setState(self, state: bytes | None) -> None:
        """
        Be present, or be present no more.

        @param state: A JSON object; L{None} to be present no more.
        """
        if state is not None or self._state is not None:
            self._state, self._isStateSent = state, False
            self._owner.changed(self)

    # To the daemon

    @property
    def asking(self) -> bool:
        """Whether the daemon has yet to answer something about the subscription."""
        return self.subscription.asking

    @property
    def pending(self) -> bool:
        """Whether there is a frame to send now."""
        return self.subscription.pending or self._canSendPresence

    @property
    def idle(self) -> bool:
        """Whether the session may forget it: the application uses nothing of it, and the daemon
        knows that."""
        unused = self.released or not (
            self.filter is not None
            or self.events
            or self.notices
            or self.presence.watched
            or self.answers.watched
        )
        return unused and self._isStateSent and self._state is None and self.subscription.idle

    def next(self) -> bytes | None:
        """
        Take the next frame.  The caller sends it.

        @return: JSON, or L{None} if there is no frame to send.
        """
        if self.subscription.pending:
            payload = encodeValue(self._subscriptionFrame())
            self._size = len(payload)
            return payload
        if self._canSendPresence:
            self._isStateSent = self._spoke = True
            return encodeValue(self._presenceFrame())
        return None

    @property
    def _canSendPresence(self) -> bool:
        # While a subscription waits for its answer, an error without a request is about that.
        waits = self.subscription.asking or self.subscription.postponed
        return not (self._isStateSent or self._isPresencePostponed or waits)

    def _subscriptionFrame(self) -> Frame:
        frame = {**self.subscription.ask(), "topic": self.name}
        return {**frame, "sync": True} if frame["type"] == "subscribe" else frame

    def _presenceFrame(self) -> Frame:
        if self._state is None:
            return {"type": "untrack", "topic": self.name}
        return {"type": "track", "topic": self.name, "state": Raw(self._state), "sync": True}

    # From the daemon

    def received(self, head: Head, frame: Frame) -> None:
        """
        Take a frame of this topic.
        """
        if head.type in ("db_change", "event", "chat_message"):
            self.subscription.advance(head.pos)
            self._event(head, frame)
        elif head.type == "subscribed":
            self._subscribed(head, frame)
        elif head.type == "synced":
            self._synced(frame)
        elif head.type == "unsubscribed":
            self.subscription.unsubscribed()
            self._endPresence()
        elif head.type == "snapshot":
            self._snapshot(head, frame)
        elif head.type == "commit":
            self.subscription.advance(head.pos)
            if self.subscription.heard:
                self.events.call("commit", frame)
        elif head.type == "status":
            self._status(head)
        # After the callbacks, so that those who wait see the same set as these.
        self.presence.answer()

    def _event(self, head: Head, frame: Frame) -> None:
        name = head.operation if head.type == "db_change" else head.event
        if name is None or not self.subscription.heard:
            return
        isPresence = name.startswith(PREFIX) and head.type == "event"
        if "stream" in frame and not self.answers.received(frame):
            self.subscription.restart()
        if not isPresence or self.presence.received(name, frame.get("data")):
            self.events.call(name, frame)
            self.events.call("*", frame)
        if head.pos is not None:
            self.answers.settled()

    def _synced(self, frame: Frame) -> None:
        if self.subscription.heard and self.presence.synced():
            whole = {
                "type": "event",
                "topic": frame["topic"],
                "event": f"{PREFIX}sync",
                "data": {"members": self.presence.members},
                "timestamp": frame.get("timestamp"),
            }
            self.events.call(f"{PREFIX}sync", whole)
            self.events.call("*", whole)

    def _subscribed(self, head: Head, frame: Frame) -> None:
        if not self.subscription.subscribed(head, frame):
            return
        if head.sync:
            self.presence.begin()
        # The parts of a stream are not kept one by one.
        isWhole = frame.get("recovered") is True and frame.get("keptOnly") is not True
        self.answers.subscribed(isWhole)
        if head.pos is not None:
            self.answers.settled()
        if head.gap is not None:
            self._gap(head.gap.get("reason"))
        self.notices.call(SUBSCRIBED, frame)

    def _gap(self, reason: Any) -> None:
        if not self.notices.call(GAP, {"topic": self.name, "reason": reason}):
            self.log.warn(
                "{topic}: something was missed ({reason}); load again what you made of this topic",
                topic=self.name,
                reason=reason,
            )

    def _status(self, head: Head) -> None:
        if head.events is not None:
            # The rows are whole.
            if self.subscription.heard:
                self._gap("events")
        elif head.table is None:
            self.notices.call(FEED, head.feed, head.message or "")
        elif self.subscription.heard:
            self.subscription.reload()
            self._gap(head.table)

    def _snapshot(self, head: Head, frame: Frame) -> None:
        first = self.subscription.page()
        if self.subscription.heard:
            self.events.call("snapshot", {**frame, "first": first})
        if not head.more:
            self.subscription.filled(head.pos)

    def unreadable(self, error: ClientError, head: Head) -> None:
        """
        A frame of this topic came that cannot be read.

        @param head: Those of its fields that can be read.
        """
        if head.type == "snapshot" and head.more is False:
            self.subscription.filled(head.pos)
        elif head.type not in ANSWERS:
            self.subscription.advance(head.pos)
        self._report(error)

    def refused(self, error: ClientError, request: str | None) -> None:
        """
        The daemon refused a frame of this topic, or ended something by itself.

        @param request: The type of the frame that the daemon refused; L{None} where it does not
            say, or where it refused no frame.
        """
        if error.code == "table_lost" and request is None:
            # The subscription stays; the rows that the application has are wrong.
            self._report(error)
            self.subscription.reload()
            self._gap(error.code)
        elif request == "unsubscribe":
            # The daemon has no such subscription.
            self.subscription.unsubscribed()
        elif request in _PRESENCE or not self.subscription.refused(error):
            self._report(error)
        self._endPresence(error)

    def _endPresence(self, error: ClientError | None = None) -> None:
        """Forget the members if the daemon sends them no more, because the subscription ended."""
        if not self.subscription.wanted and self._state is None:
            self.presence.over(error or ClientError("unsubscribed", "The subscription ended."))

    def _report(self, error: ClientError) -> None:
        if not self.notices.call(ERROR, error):
            self.log.warn("{topic}: {error}", topic=self.name, error=error)

    def postpone(self, request: str | None) -> None:
        """
        The daemon refused a frame for now: send no such frame until L{again} is called.

        @param request: See L{refused}.
        """
        if request in _PRESENCE:
            self._isStateSent, self._isPresencePostponed = False, True
            return
        self.subscription.postpone()
        if request is None and self._spoke:
            # The refused frame may have been the presence frame.
            self._isStateSent = False

    def again(self, request: str | None) -> None:
        """
        Go on with what was postponed.

        @param request: As it was postponed.
        """
        if request in _PRESENCE:
            self._isPresencePostponed = False
        else:
            self.subscription.again()

    def tooLarge(self, most: int, error: ClientError) -> bool:
        """
        The daemon takes no larger frames: give up the larger ones of this topic.

        @param most: The bytes that a frame may have.
        @return: Whether there was such a frame.
        """
        found = False
        if self._state is not None and len(encodeValue(self._presenceFrame())) > most:
            self._state, self._isStateSent, found = None, True, True
            self._report(error)
        if self.subscription.asking and self._size > most:
            self.refused(error, "subscribe")
            found = True
        return found

    def tokenChanged(self) -> None:
        """
        The client has another token.  The daemon may have ended the presence of the user before,
        so it gets the state again.
        """
        if self._state is not None:
            self._isStateSent = False

    def closed(self) -> None:
        """
        The connection is closed.
        """
        self.subscription.closed()
        self.presence.closed()
        self._isStateSent = self._state is None
        self._spoke = self._isPresencePostponed = False

    def fail(self, error: ClientError) -> None:
        """
        The client has given up: fail what waits for an answer.
        """
        self.subscription.fail(error)
        self.presence.fail(error)
