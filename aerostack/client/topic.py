"""
A topic as the daemon knows it: one subscription and one presence, over whatever connection there
is.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from aerostack.client.answers import Answers
from aerostack.client.callbacks import Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.frames import ANSWERS, Frame, Head
from aerostack.client.names import keyOf
from aerostack.client.presence import PREFIX, Presence
from aerostack.client.rows import Rows
from aerostack.client.sharedstate import SharedState
from aerostack.client.subscription import Subscription
from aerostack.client.topicowner import TopicOwner
from aerostack.client.tracking import PRESENCE, Tracking
from aerostack.protocol.codec import encodeValue

GAP, FEED, ERROR, SUBSCRIBED = "gap", "feed", "error", "subscribed"
"""The names of a topic's notices."""

# While these hold, the table may yet come.
_NO_TABLE = ("unknown_table", "untrackable_table")


class Topic:
    """
    Keeps the daemon's idea of a topic the same as the application's.

    L{next} gives the frames to send, one at a time.  The session calls L{received} with the frames
    of the daemon, and L{closed} when the connection is closed.

    @ivar name: The topic, as the application writes it.
    @ivar path: The topic, as the daemon writes it, without the project.
    @ivar view: The name of the subscription beside others to the same table; empty if it has none.
    @ivar filter: Which rows of a table a subscription has, where it names no others.
    @ivar subscription: See L{Subscription}.
    @ivar presence: The members, see L{Presence}.
    @ivar answers: The streams, see L{Answers}.
    @ivar sharedState: The values of the topic's keys, see L{SharedState}.
    @ivar rows: The rows of a table, see L{Rows}.
    @ivar events: The application's callbacks by the name of the event.
    @ivar notices: The application's callbacks by L{GAP}, L{FEED}, L{ERROR}, L{SUBSCRIBED}.
    @ivar released: Whether the application has unsubscribed and asked for nothing since.
    @ivar misses: How often in a row the daemon has answered that the table is missing.
    """

    log = Logger()

    def __init__(
        self, owner: TopicOwner[Topic], name: str, path: str, filter: Any, view: str = ""
    ) -> None:
        self.name = name
        self.path = path
        self.view = view
        self.filter = filter
        self.subscription = Subscription()
        self.presence = Presence(self._used)
        self.answers = Answers(
            lambda stream: owner.cancel(name, stream), owner.readStream, self._used
        )
        self.sharedState = SharedState(
            lambda event, data, terms: owner.publish(name, event, data, terms), self._used
        )
        self.rows = Rows(self._report, self._used)
        self.events = Callbacks(self._used)
        self.notices = Callbacks(self._used)
        self.released = False
        self.misses = 0
        self._owner = owner
        self._tracking = Tracking(name)
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
        if self._tracking.set(state):
            self._owner.changed(self)

    # To the daemon

    @property
    def key(self) -> str:
        """What the session knows it by."""
        return keyOf(self.path, self.view)

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
            or self.sharedState.watched
            or self.rows.watched
        )
        return unused and self._tracking.idle and self.subscription.idle

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
            return self._tracking.next()
        return None

    @property
    def _canSendPresence(self) -> bool:
        # While a subscription waits for its answer, an error without a request is about that.
        subscription = self.subscription
        waits = subscription.asking or subscription.postponed or subscription.resting
        return self._tracking.pending and not waits

    def _subscriptionFrame(self) -> Frame:
        frame = {**self.subscription.ask(), "topic": self.name}
        if self.view:
            # The members come to the subscription without a name.
            return {**frame, "view": self.view}
        return {**frame, "sync": True} if frame["type"] == "subscribe" else frame

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
        self.sharedState.answer()

    def _event(self, head: Head, frame: Frame) -> None:
        name = head.operation if head.type == "db_change" else head.event
        if name is None or not self.subscription.heard:
            return
        isPresence = name.startswith(PREFIX) and head.type == "event"
        if head.type == "db_change":
            self.rows.change(frame)
            if self.rows.isShort and self.subscription.settled:
                self.subscription.reload()
        fresh: Frame | None = frame
        if "stream" in frame:
            fresh = self.answers.fresh(frame)
            if not self.answers.received(frame):
                self.subscription.restart()
        if fresh is not None and (
            not isPresence or self.presence.received(name, frame.get("data"))
        ):
            self.events.call(name, fresh)
            self.events.call("*", fresh)
        self.sharedState.received(frame)
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
        self.misses = 0
        if head.sync:
            self.presence.begin()
        # The parts of a stream are not kept one by one.
        isWhole = frame.get("recovered") is True and frame.get("keptOnly") is not True
        self.answers.subscribed(isWhole)
        if head.pos is not None:
            self.answers.settled()
        self.sharedState.subscribed(frame.get("recovered") is True, head.pos is None)
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
            self.rows.page(frame.get("rows") or [], first, bool(head.more))
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

    def refused(self, error: ClientError, request: str | None) -> bool:
        """
        The daemon refused a frame of this topic, or ended something by itself.

        @param request: The type of the frame that the daemon refused; L{None} where it does not
            say, or where it refused no frame.
        @return: Whether the subscription waits for a table that is missing, until its C{rested} is
            called.
        """
        isMissing = error.code in _NO_TABLE and request in (None, "subscribe")
        if isMissing:
            self.subscription.rest()
        if error.code == "table_lost" and request is None:
            # The subscription stays; the rows that the application has are wrong.
            self._report(error)
            self.subscription.reload()
            self._gap(error.code)
        elif request == "unsubscribe":
            # The daemon has no such subscription.
            self.subscription.unsubscribed()
        elif (request in PRESENCE or not self.subscription.refused(error)) and not (
            isMissing and self.misses
        ):
            self._report(error)
        self.misses += isMissing
        self._endPresence(error)
        return isMissing and self.subscription.resting

    def _endPresence(self, error: ClientError | None = None) -> None:
        """Forget the members if the daemon sends them no more, because the subscription ended."""
        over = error or ClientError("unsubscribed", "The subscription ended.")
        subscription = self.subscription
        if subscription.wanted and (subscription.settled or not subscription.resting):
            return
        self.sharedState.over(over)
        if not self._tracking.wanted:
            self.presence.over(over)

    def _report(self, error: ClientError) -> None:
        if not self.notices.call(ERROR, error):
            self.log.warn("{topic}: {error}", topic=self.name, error=error)

    def postpone(self, request: str | None) -> None:
        """
        The daemon refused a frame for now: send no such frame until L{again} is called.

        @param request: See L{refused}.
        """
        if request in PRESENCE:
            self._tracking.postpone()
            return
        self.subscription.postpone()
        if request is None:
            # The refused frame may have been the presence frame.
            self._tracking.doubt()

    def again(self, request: str | None) -> None:
        """
        Go on with what was postponed.

        @param request: As it was postponed.
        """
        if request in PRESENCE:
            self._tracking.again()
        else:
            self.subscription.again()

    def tooLarge(self, most: int, error: ClientError) -> bool:
        """
        The daemon takes no larger frames: give up the larger ones of this topic.

        @param most: The bytes that a frame may have.
        @return: Whether there was such a frame.
        """
        found = self._tracking.tooLarge(most)
        if found:
            self._report(error)
        if self.subscription.asking and self._size > most:
            self.refused(error, "subscribe")
            found = True
        return found

    def tokenChanged(self) -> None:
        """
        The client has another token.
        """
        self._tracking.tokenChanged()

    def closed(self) -> None:
        """
        The connection is closed.
        """
        self.subscription.closed()
        self.presence.closed()
        self._tracking.closed()

    def fail(self, error: ClientError) -> None:
        """
        The client has given up: fail what waits for an answer.
        """
        self.subscription.fail(error)
        self.presence.fail(error)
        self.sharedState.fail(error)
