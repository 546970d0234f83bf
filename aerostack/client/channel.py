"""
Channels: topics as an application uses them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from aerostack.client.callbacks import Callback, Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.frames import ANSWERS, Frame, Head
from aerostack.client.outgoing import encodeGiven
from aerostack.client.presence import PREFIX, Presence
from aerostack.client.subscription import Subscription
from aerostack.wire.codec import encodeValue

if TYPE_CHECKING:
    from aerostack.client.session import Session

# The frames that tell of our own presence.
_TELLING = ("track", "untrack")

_GAP, _FEED, _ERROR, _SUBSCRIBED = "gap", "feed", "error", "subscribed"


class Channel:
    """
    A topic.  L{RealtimeClient.channel} makes it.

    Whatever was asked of it while there is no connection is done when there is one, and
    done anew on each later one: it is subscribed where it left off, and its presence is
    told again.

    @ivar topic: The topic, as the application calls it.
    @ivar path: The topic, as the daemon does, without the project.
    @ivar presence: Who is there.
    """

    log = Logger()

    def __init__(self, owner: Session, topic: str, path: str, filter: Any) -> None:
        self.topic = topic
        self.path = path
        self.filter = filter
        self.presence = Presence(self._used)
        self._owner = owner
        self._subscription = Subscription()
        self._events = Callbacks(self._used)
        self._notices = Callbacks(self._used)
        # How we are present, as JSON; whether the daemon has heard that, and whether it has
        # heard anything of the kind on the present connection.
        self._state: bytes | None = None
        self._told = True
        self._known = False
        # How many bytes the subscription took that was asked for last.
        self._size = 0
        # Whether nothing of it is to be told for a while.
        self._quiet = False
        # Whether the application has done with it, for all that we know.
        self._released = False

    def _used(self) -> None:
        """Somebody is to be called, so the application need not hold it."""
        self._released = False
        self._owner.touch(self)

    # Callbacks

    def on(self, event: str, callback: Callback) -> Channel:
        """
        Call somebody with every frame of an event.

        @param event: C{INSERT}, C{UPDATE} or C{DELETE} of a table, the name of an event,
            C{message} for what is said with C{chat}, or C{*} for all of these.  Beside
            these, C{snapshot} for the pages of a snapshot and C{commit} for the end of a
            transaction.
        @param callback: Gets the frame, a dictionary.
        """
        self._events.add(event, callback)
        return self

    def off(self, event: str, callback: Callback | None = None) -> Channel:
        """
        Call somebody no more.

        @param callback: L{None} for everybody.
        """
        self._events.remove(event, callback)
        return self

    def onGap(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody when what was missed cannot be had any more, before anything new
        comes: what was made of the topic must be loaded again.

        @param callback: Gets a dictionary with the C{topic} and the C{reason}: C{expired},
            C{unknown} or C{limit}; or of a table C{table_lost} where it was dropped or
            rebuilt, C{back} when it is there again, and C{altered} where its columns were
            changed.  Where the rows are to come first, they come again.
        @return: Takes the callback back.
        """
        return self._notices.add(_GAP, callback)

    def onFeedChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody when the database cannot be followed for a while, and when it can
        again.

        @param callback: Gets C{down} or C{up}, and what the daemon says to it.
        @return: Takes the callback back.
        """
        return self._notices.add(_FEED, callback)

    def onError(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody with errors of this channel that no L{Deferred} tells.

        @param callback: Gets a L{ClientError}.
        @return: Takes the callback back.
        """
        return self._notices.add(_ERROR, callback)

    def onSubscribed(self, callback: Callback) -> Callable[[], None]:
        """
        Call somebody whenever the subscription begins, or begins anew on another
        connection.

        @param callback: Gets the frame, with C{recovered} where it goes on.
        @return: Takes the callback back.
        """
        return self._notices.add(_SUBSCRIBED, callback)

    # Subscribing

    @property
    def isSubscribed(self) -> bool:
        """Whether it is subscribed, or is to be."""
        return self._subscription.wanted

    @property
    def position(self) -> str | None:
        """Where to resume: the last position that was seen."""
        return self._subscription.position

    def subscribe(
        self,
        *,
        filter: Any = None,
        since: str | None = None,
        snapshot: bool | None = None,
        order: list[Any] | None = None,
        limit: int | None = None,
        columns: list[str] | None = None,
        event: str | list[str] | None = None,
    ) -> Deferred[Frame]:
        """
        Subscribe.  Where it already is, but otherwise, the subscription is changed.

        @param filter: Which rows of a table; L{None} for what the channel was made with.
        @param since: A position to resume from, of an earlier run perhaps.
        @param snapshot: Whether the rows that are there come first, as C{snapshot}.
        @param order: By what they are ordered: pairs of a column and C{asc} or C{desc}.
        @param limit: How many of them come.
        @param columns: Which columns.
        @param event: Which of C{INSERT}, C{UPDATE} and C{DELETE}.
        @return: Fires with the C{subscribed} frame.  Fails with L{ClientError}.
        """
        fields = {
            "filter": self.filter if filter is None else filter,
            "since": since,
            "snapshot": snapshot,
            "order": order,
            "limit": limit,
            "columns": columns,
            "event": event,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        for name, value in given.items():
            # What cannot be sent is better said now.
            encodeGiven(value, name)
        self._released = False
        answered = self._subscription.want(given)
        self._owner.changed(self)
        return answered

    def unsubscribe(self) -> Deferred[None]:
        """
        Unsubscribe, and call none of the callbacks of L{on} any more.

        @return: Fires when the daemon has answered.
        """
        self._events.clear()
        self.presence.clear()
        self.presence.fail(ClientError("unsubscribed", "The channel was unsubscribed."))
        self._released = True
        left = self._subscription.leave()
        self._owner.changed(self)
        return left

    # Publishing

    def publish(self, event: str, data: Any = None, persist: bool = False) -> Deferred[None]:
        """
        Publish an event.

        @param data: Anything that can be written as JSON.
        @param persist: Whether it is kept in the topic's history.
        @return: Fires when the daemon has taken it; with C{persist}, when it is kept.
            Fails with L{ClientError}.
        """
        return self._owner.publish(self.topic, event, data, persist)

    def getHistory(self, limit: int = 50, before: int | None = None) -> Deferred[list[Frame]]:
        """
        Read what was kept.

        @param before: The C{created_at} of the oldest message of the page before.
        @return: Fires with the messages, newest first.  Fails with L{ClientError}.
        """
        return self._owner.history(self.topic, limit, before)

    # Presence

    def track(self, state: dict[str, Any]) -> None:
        """
        Be present, or say something new of oneself.
        """
        if not isinstance(state, dict):
            raise TypeError(f"a presence state is a dictionary, not {state!r}")
        self._state, self._told, self._released = encodeGiven(state, "state"), False, False
        self._owner.changed(self)

    def untrack(self) -> None:
        """
        Be present no more.
        """
        if self._state is not None:
            self._state, self._told = None, False
            self._owner.changed(self)

    # For the conversation

    @property
    def asking(self) -> bool:
        """Whether the daemon has yet to answer something."""
        return self._subscription.asking

    @property
    def pending(self) -> bool:
        """Whether there is something to be told to the daemon now."""
        return self._subscription.pending or self._canTell

    @property
    def idle(self) -> bool:
        """Whether the application has done nothing with it that lasts, and the daemon knows."""
        unused = self._released or not (
            self.filter is not None or self._events or self._notices or self.presence.watched
        )
        return unused and self._told and self._state is None and self._subscription.idle

    def next(self) -> bytes | None:
        """
        What is to be told to the daemon next.  Whoever takes it sends it.
        """
        if self._subscription.pending:
            payload = encodeValue(self._subscriptionFrame())
            self._size = len(payload)
            return payload
        if self._canTell:
            self._told = self._known = True
            return encodeValue(self._presenceFrame())
        return None

    @property
    def _canTell(self) -> bool:
        # An error that comes while the subscription is asked for is about that.
        subscription = self._subscription
        return not (self._told or self._quiet or subscription.asking or subscription.postponed)

    def _subscriptionFrame(self) -> Frame:
        frame = {**self._subscription.ask(), "topic": self.topic}
        return {**frame, "sync": True} if frame["type"] == "subscribe" else frame

    def _presenceFrame(self) -> Frame:
        if self._state is None:
            return {"type": "untrack", "topic": self.topic}
        return {"type": "track", "topic": self.topic, "state": Raw(self._state), "sync": True}

    def received(self, head: Head, frame: Frame) -> None:
        """
        Take a frame of this topic's.
        """
        if head.type in ("db_change", "event", "chat_message"):
            self._subscription.advance(head.pos)
            self._emit(head, frame)
        elif head.type == "subscribed":
            self._began(head, frame)
        elif head.type == "synced":
            self._synced(frame)
        elif head.type == "unsubscribed":
            self._subscription.unsubscribed()
            self._over()
        elif head.type == "snapshot":
            self._filled(head, frame)
        elif head.type == "commit":
            self._subscription.advance(head.pos)
            if self._subscription.heard:
                self._events.call("commit", frame)
        elif head.type == "status":
            self._stands(head)
        # Last, so that who waits is not told of the same set twice.
        self.presence.answer()

    def _emit(self, head: Head, frame: Frame) -> None:
        name = head.operation if head.type == "db_change" else head.event
        if name is None or not self._subscription.heard:
            return
        isPresence = name.startswith(PREFIX) and head.type == "event"
        if not isPresence or self.presence.told(name, frame.get("data")):
            self._events.call(name, frame)
            self._events.call("*", frame)

    def _synced(self, frame: Frame) -> None:
        if self._subscription.heard and self.presence.synced():
            told = {
                "type": "event",
                "topic": frame["topic"],
                "event": f"{PREFIX}sync",
                "data": {"members": self.presence.members},
                "timestamp": frame.get("timestamp"),
            }
            self._events.call(f"{PREFIX}sync", told)
            self._events.call("*", told)

    def _began(self, head: Head, frame: Frame) -> None:
        if not self._subscription.subscribed(head, frame):
            return
        if head.sync:
            self.presence.begin()
        if head.gap is not None:
            self._missed(head.gap.get("reason"))
        self._notices.call(_SUBSCRIBED, frame)

    def _missed(self, reason: Any) -> None:
        if not self._notices.call(_GAP, {"topic": self.topic, "reason": reason}):
            self.log.warn(
                "{topic}: what was made of it is not what there is ({reason}); load it again",
                topic=self.topic,
                reason=reason,
            )

    def _stands(self, head: Head) -> None:
        if head.table is None:
            self._notices.call(_FEED, head.feed, head.message or "")
        elif self._subscription.heard:
            self._subscription.reload()
            self._missed(head.table)

    def _filled(self, head: Head, frame: Frame) -> None:
        first = self._subscription.page()
        if self._subscription.heard:
            self._events.call("snapshot", {**frame, "first": first})
        if not head.more:
            self._subscription.filled(head.pos)

    def passed(self, error: ClientError, head: Head) -> None:
        """
        A frame of this topic's cannot be read.

        @param head: As much of its head as can be.
        """
        if head.type == "snapshot" and head.more is False:
            self._subscription.filled(head.pos)
        elif head.type not in ANSWERS:
            self._subscription.advance(head.pos)
        self._report(error)

    def refused(self, error: ClientError, request: str | None) -> None:
        """
        The daemon does not do what it was told.

        @param request: The type of the frame that is refused; L{None} for one that does not
            say, or where something ended by itself.
        """
        if error.code == "table_lost" and request is None:
            # The subscription stays; what was made of the rows does not.
            self._report(error)
            self._subscription.reload()
            self._missed(error.code)
        elif request == "unsubscribe":
            # There is nothing to be left.
            self._subscription.unsubscribed()
        elif request in _TELLING or not self._subscription.refused(error):
            self._report(error)
        self._over(error)

    def _over(self, error: ClientError | None = None) -> None:
        """End the presence if the subscription is over, because the daemon sends it no more."""
        if not self._subscription.wanted and self._state is None:
            self.presence.over(error or ClientError("unsubscribed", "The subscription ended."))

    def _report(self, error: ClientError) -> None:
        if not self._notices.call(_ERROR, error):
            self.log.warn("{topic}: {error}", topic=self.topic, error=error)

    def postpone(self, request: str | None) -> None:
        """
        The daemon does not do it now; nothing of the kind is asked until L{again} is called.

        @param request: See L{refused}.
        """
        if request in _TELLING:
            self._told, self._quiet = False, True
            return
        self._subscription.postpone()
        if request is None:
            # It may have been about that.
            self._told = self._told and not self._known

    def again(self, request: str | None) -> None:
        """
        Go on with what was postponed.

        @param request: As it was postponed.
        """
        if request in _TELLING:
            self._quiet = False
        else:
            self._subscription.again()

    def tooLarge(self, most: int, error: ClientError) -> bool:
        """
        The daemon takes no frames of more bytes; give up what needs such.

        @return: Whether there is such.
        """
        found = False
        if self._state is not None and len(encodeValue(self._presenceFrame())) > most:
            self._state, self._told, found = None, True, True
            self._report(error)
        if self._subscription.asking and self._size > most:
            self.refused(error, "subscribe")
            found = True
        return found

    def retell(self) -> None:
        """
        Tell the daemon again how we are present: it may not know any more.
        """
        if self._state is not None:
            self._told = False

    def closed(self) -> None:
        """
        The connection is gone.
        """
        self._subscription.closed()
        self.presence.closed()
        self._told, self._known, self._quiet = self._state is None, False, False

    def fail(self, error: ClientError) -> None:
        """
        Nobody is there to answer any more.
        """
        self._subscription.fail(error)
        self.presence.fail(error)
