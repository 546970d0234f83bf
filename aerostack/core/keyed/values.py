"""
The values of keyed topics, and the conditions under which they change.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from aerostack.core.replay.positions import Position, parsePosition
from aerostack.core.topics.topics import TABLE, isPrintable
from aerostack.errors import RealtimeError

MAX_KEY = 256
"""How many characters a key has at the most."""

REMOVED = b"null"
"""The data of a publication that removes a value."""

OVERHEAD = 750
"""
About how many bytes of memory a value takes beside its key and its data.  With CPython 3.11 it was
measured to take 740, with the name of an event and of a user.
"""


TOPIC_OVERHEAD = 2_000
"""
About how many bytes of memory a topic with values takes beside them and its name, with its log.
With CPython 3.11 a topic of 120 characters and one small value was measured to take 3,200 to 3,500.
"""


class Value(Struct, frozen=True, array_like=True, gc=False):
    """
    The newest event of one key.

    @ivar key: The key.
    @ivar place: The event's place in the topic's log.
    @ivar event: The event's name.
    @ivar data: The event's data, as JSON; never L{REMOVED}.
    @ivar userId: The user who published it; L{None} for a server, or a user without a name.
    @ivar timestamp: When it was published, milliseconds since the epoch.
    @ivar kept: Whether the database has it.
    @ivar serial: Its number among the changes of the topic's values.  A newer one is larger.
    """

    key: str
    place: Position
    event: str
    data: bytes
    userId: str | None
    timestamp: int
    kept: bool
    serial: int

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return sizeOf(self.key, self.data)


def sizeOf(key: str, data: bytes) -> int:
    """
    About how many bytes of memory a value takes.
    """
    return 4 * len(key) + len(data) + OVERHEAD


def topicSizeOf(topic: str) -> int:
    """
    About how many bytes of memory a topic with values takes beside them.

    @param topic: The canonical topic.
    """
    return 4 * len(topic) + TOPIC_OVERHEAD


class Condition(Struct, frozen=True, array_like=True, gc=False):
    """
    The state of a key in which the daemon accepts a publication on a keyed topic.

    @ivar pos: The position that the key's value must have; L{None} if there must be no value.
    """

    pos: str | None

    def holds(self, value: Value | None) -> bool:
        """
        Whether the key is in this state.

        @param value: The key's value; L{None} if there is none.
        """
        if self.pos is None or value is None:
            return self.pos is None and value is None
        position = parsePosition(self.pos)
        return position is not None and isPlaceOf(position, value)


class Unplaced(Exception):
    """
    A publication has no place in a log that nodes share, because of the value of its key.

    @ivar isStale: Whether its condition does not hold.  If not, the value is kept, and so has to be
        what follows it.
    """

    def __init__(self, isStale: bool) -> None:
        super().__init__("its condition does not hold" if isStale else "the value before is kept")
        self.isStale = isStale


def isPlaceOf(position: Position, value: Value) -> bool:
    """
    Whether a position is that of a value.  A kept value that was read from the database is known by
    its mark alone.
    """
    place = value.place
    if position.offset is not None and place.offset is not None:
        same = (position.epoch, position.offset, position.tag)
        return same == (place.epoch, place.offset, place.tag)
    return position.offset is None and value.kept and position.mark == place.mark


def isLater(place: Position, live: Position) -> bool:
    """
    Whether a value's place is behind another place of its topic's log.  The places of earlier logs
    are before all places of the present one.
    """
    return place.epoch == live.epoch and (place.offset or 0) > (live.offset or 0)


def fullOfKeys(keys: int) -> RealtimeError:
    """
    Make the error for one key more than a topic may have.
    """
    return _full(f"The topic has values for {keys} keys, as many as it may have")


def fullOfBytes(size: int) -> RealtimeError:
    """
    Make the error for more bytes than the values of a topic may have.
    """
    return _full(f"The values of the topic have at most {size} bytes")


def fullOfMemory(size: int) -> RealtimeError:
    """
    Make the error for more bytes than the values of a project may have.
    """
    return _full(f"The values of the project's topics have at most {size} bytes")


def readCondition(ifPos: str | None, ifNew: bool | None) -> Condition | None:
    """
    Read the condition of a publication.

    @param ifPos: The field C{ifPos}, if there is one.
    @param ifNew: The field C{ifNew}, if there is one.
    @return: L{None} if there is no condition.
    @raise RealtimeError: C{invalid_arguments}.
    """
    if ifPos is None:
        return Condition(None) if ifNew else None
    if ifNew:
        raise _invalid(
            "ifPos and ifNew exclude each other: send ifPos to change a value, or ifNew to make"
            " one."
        )
    if parsePosition(ifPos) is None:
        raise _invalid("ifPos is the pos of the key's value, as an event frame had it.")
    return Condition(ifPos)


def checkKey(key: str) -> None:
    """
    Check the key of a publication.

    @raise RealtimeError: C{invalid_arguments}.
    """
    if not 0 < len(key) <= MAX_KEY:
        raise _invalid(f"A key has 1 to {MAX_KEY} characters.")
    if not isPrintable(key):
        raise _invalid("A key is printable text.")


def checkKeyed(path: str, isKeyed: bool, key: str | None, condition: Condition | None) -> None:
    """
    Check whether a publication fits its topic.

    @param path: The topic without its project.
    @param isKeyed: Whether the topic is keyed.
    @raise RealtimeError: C{invalid_arguments}.
    """
    if isKeyed and key is None:
        raise _invalid(f"The topic {path} is keyed: publish with a key.")
    if not isKeyed and (key is not None or condition is not None):
        field = "a key" if key is not None else "ifPos or ifNew"
        if path.startswith(f"{TABLE}/"):
            raise _invalid(f"A table's topic is not keyed: publish without {field}.")
        raise _invalid(
            f"The topic {path} is not keyed: publish without {field}, or set keyed for it in the"
            " daemon's configuration."
        )


def stale(key: str, value: Value | None) -> RealtimeError:
    """
    Make the error for a publication whose condition does not hold.

    @param value: The key's value; L{None} if there is none.
    """
    now = "has no value now" if value is None else "has a value that the condition does not expect"
    details: dict[str, Any] = {
        "pos": None if value is None else str(value.place),
        "data": REMOVED if value is None else value.data,
    }
    return RealtimeError("stale", f"The key {key} {now}; go on from pos and data.", None, details)


def staleUnread() -> RealtimeError:
    """
    Make the error L{stale} for a publisher that may not read the topic: it has no value.
    """
    return RealtimeError(
        "stale",
        "The condition does not hold. The token does not allow subscribe on the topic, so this"
        " error has no pos and no data.",
    )


def _invalid(message: str) -> RealtimeError:
    return RealtimeError("invalid_arguments", message)


def _full(what: str) -> RealtimeError:
    return RealtimeError("state_full", f"{what}; remove some.")
