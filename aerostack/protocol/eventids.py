"""
The ids of events, by which a client resumes all of its topics with one header.

An id has the position of each topic, and how the client has subscribed to it.  The client does not
look into it.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from aerostack.errors import RealtimeError
from aerostack.protocol.events import FrameHead
from aerostack.protocol.framing import topicOfKey, viewKey

LONGEST = 4000
"""How many characters an id has at the most: servers take headers of twice as many."""

OPTIONS = 65_536
"""How many characters of options are remembered for one client."""

WANTED = 1000
"""How many subscriptions of one client may wait for the daemon's answer and be remembered."""

_INCOMPLETE = "*"
_OPTIONS = ("filter", "event", "columns", "order", "limit", "snapshot", "rewind", "sync", "view")


class Resumed(msgspec.Struct, frozen=True):
    """
    A subscription that an id has.

    @ivar topic: The canonical topic.
    @ivar pos: The position that the client has seen; L{None} if it begins anew.
    @ivar options: The other fields of its C{subscribe}.
    """

    topic: str
    pos: str | None
    options: Mapping[str, msgspec.Raw]

    @property
    def key(self) -> str:
        """See L{keyIn}."""
        return keyIn(self.topic, self.options)

    def frame(self) -> bytes:
        """
        The C{subscribe} that goes on with the subscription.
        """
        fields: dict[str, Any] = {"type": "subscribe", "topic": self.topic, **self.options}
        if self.pos is not None:
            fields["since"] = self.pos
        return msgspec.json.encode(fields)


class EventIds:
    """
    Makes the ids of the events of one client.

    The topics of which frames came last are in the id.  If more do not fit, the id says so.
    """

    def __init__(self) -> None:
        # By L{keyIn}, the part of the id of each subscription, the one that changed last at the
        # end.
        self._places: dict[str, str] = {}
        self._size = 0
        self._isComplete = True
        # The packed options of the subscriptions, and of those that are not confirmed yet; L{None}
        # where they are too long.
        self._options: dict[str, str | None] = {}
        self._wanted: dict[str, str | None] = {}
        self._room = OPTIONS
        self._isUnknown = False
        # The subscriptions of an earlier connection that the daemon has not answered yet.
        self._unanswered: set[str] = set()

    def resume(self, resumed: Sequence[Resumed]) -> None:
        """
        Take up the subscriptions with which the client comes back.

        They are in every id from now on, so that a client whose connection breaks again before the
        daemon has answered all of them comes back with all of them.
        """
        for each in resumed:
            packed = _pack(each.options)
            if packed is None or len(packed) > self._room:
                self._isComplete = False
                continue
            self._forget(self._options, each.key)
            self._options[each.key] = packed
            self._room -= len(packed)
            self._unanswered.add(each.key)
            self._enter(each.key, each.pos or "")

    def subscribing(self, topic: str, fields: Mapping[str, msgspec.Raw]) -> None:
        """
        Note that the client subscribes.

        @param topic: The canonical topic.
        @param fields: Those of its C{subscribe}.
        """
        topic = keyIn(topic, fields)
        self._forget(self._wanted, topic)
        if len(self._wanted) >= WANTED:
            # From here on it is not known how the client is subscribed.
            self._isUnknown = True
            return
        packed: str | None = _pack(fields)
        if packed is None or len(packed) > self._room:
            packed = None
            self._isComplete = False
        self._wanted[topic] = packed
        self._room -= len(packed or "")

    def _forget(self, options: dict[str, str | None], topic: str) -> None:
        self._room += len(options.pop(topic, None) or "")

    def next(self, head: FrameHead) -> str:
        """
        Take up a frame that the client gets.

        @return: The id of its event; empty if the place of no topic has changed.
        """
        if head.topic is None:
            return ""
        topic = _keyOf(head.topic, head.view)
        if head.type == "subscribed":
            self._unanswered.discard(topic)
            if topic in self._wanted:
                self._forget(self._options, topic)
                self._options[topic] = self._wanted.pop(topic)
            self._enter(topic, head.pos or "")
        elif head.type == "unsubscribed":
            self._end(topic)
        elif head.type == "error":
            if head.request == "subscribe":
                self._forget(self._wanted, topic)
                if topic in self._unanswered and head.retryAfter is None:
                    self._end(topic)
            return ""
        elif head.pos is not None:
            self._enter(topic, head.pos)
        else:
            return ""
        return str(self)

    def _end(self, topic: str) -> None:
        self._unanswered.discard(topic)
        self._forget(self._options, topic)
        self._leave(topic)

    def _enter(self, topic: str, pos: str) -> None:
        options = self._options.get(topic, "")
        self._leave(topic)
        if options is None:
            return
        part = f"{quote(topicOfKey(topic), safe='/')}={pos}"
        if options:
            part += f"={options}"
        self._places[topic] = part
        self._size += len(part) + 1
        while self._size > LONGEST - 2:
            self._isComplete = False
            self._leave(next(iter(self._places)))

    def _leave(self, topic: str) -> None:
        part = self._places.pop(topic, None)
        if part is not None:
            self._size -= len(part) + 1

    def __str__(self) -> str:
        if self._isUnknown:
            return _INCOMPLETE
        parts = list(self._places.values())
        # An id may not be empty: that would take back the one before.
        if not self._isComplete:
            parts.append(_INCOMPLETE)
        return ",".join(parts) or "-"


def keyIn(topic: str, fields: Mapping[str, msgspec.Raw]) -> str:
    """
    What a subscription is known by among those of its client.

    @param topic: The canonical topic.
    @param fields: Those of its C{subscribe}.
    """
    try:
        view = msgspec.json.decode(fields["view"]) if "view" in fields else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The fields were read, but not what is in them.  The session refuses the frame.
        view = None
    return _keyOf(topic, view if isinstance(view, str) else None)


def _keyOf(topic: str, view: str | None) -> str:
    return viewKey(topic, view) if view else topic


class EventId(msgspec.Struct, frozen=True):
    """
    What an id says.

    @ivar subscriptions: Those that the id has.
    @ivar isComplete: Whether the client had no others.
    """

    subscriptions: Sequence[Resumed]
    isComplete: bool


def readEventId(text: str) -> EventId:
    """
    Read the id that a client brings back; empty if it brings none.

    @raise RealtimeError: C{invalid_arguments}: it is no id of the daemon.
    """
    if len(text) > LONGEST:
        raise _foreign()
    if text in ("", "-"):
        return EventId((), True)
    parts = text.split(",")
    isComplete = parts[-1] != _INCOMPLETE
    return EventId(tuple(_read(parts if isComplete else parts[:-1])), isComplete)


def _read(parts: Sequence[str]) -> Iterator[Resumed]:
    for part in parts:
        topic, separator, rest = part.partition("=")
        pos, _, packed = rest.partition("=")
        if not (topic and separator):
            raise _foreign()
        yield Resumed(unquote(topic), pos or None, _unpack(packed))


def _pack(fields: Mapping[str, msgspec.Raw]) -> str | None:
    """
    @return: The options of a subscription; L{None} if they are too long for an id.
    """
    options = {
        name: fields[name] for name in _OPTIONS if name in fields and bytes(fields[name]) != b"null"
    }
    packed = urlsafe_b64encode(msgspec.json.encode(options)).decode() if options else ""
    return packed if len(packed) < LONGEST // 2 else None


def _unpack(packed: str) -> dict[str, msgspec.Raw]:
    if not packed:
        return {}
    try:
        # Fields that are not looked into are not checked for UTF-8.
        text = urlsafe_b64decode(packed).decode("utf-8")
        options = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (Error, msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError):
        raise _foreign() from None
    return {name: options[name] for name in _OPTIONS if name in options}


def _foreign() -> RealtimeError:
    return RealtimeError(
        "invalid_arguments", "Last-Event-ID must be the id of an event of this daemon."
    )
