"""
What producers ask of token streams, and what they are answered, as plain data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aerostack.core.answers.answer import CANCELLERS, OWNER, RELAY, Terms
from aerostack.core.answers.part import GROWING, TEXT, VALUED
from aerostack.core.topics.topics import checkUser
from aerostack.errors import RealtimeError

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")

MAX_PRODUCER = 128
"""How many characters a producer's name has."""

MAX_ERROR = 1000
"""How many characters the reason of a failure has."""

LEAST_LEASE = 1_000
MOST_LEASE = 600_000
"""Milliseconds of a lease."""

MAX_META = 16_384
"""How many bytes of JSON a producer may say of a stream, or of what it has used."""

HIGHEST = 2**53 - 1
"""The highest number that every client can write exactly."""

_VALUES = {"tool": {"name", "input", "output", "error"}, "data": {"name", "value"}}
"""The fields of the value of each kind of part."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """
    What a producer asks for at the beginning.

    @ivar stream: The stream's id; L{None} for a new one.
    @ivar producer: The producer's own name, or L{None}.
    @ivar takeover: Whether it takes the stream from another producer.
    @ivar alone: Whether a new stream may not begin while another one of its topic goes on.
    """

    terms: Terms
    stream: str | None = None
    producer: str | None = None
    takeover: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """
    A producer may send.

    @ivar length: The length of each part's text, UTF-16 units, by the parts' ids.
    @ivar lease: For how many milliseconds the stream goes on without a frame of its producer.
    @ivar edition: How often text of each part was taken back, if it ever was.
    """

    stream: str
    topic: str
    epoch: int
    length: Mapping[str, int]
    lease: int
    edition: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Append:
    """
    A text that a part grows by.

    @ivar at: Where it begins in the part, UTF-16 units.
    @ivar edition: How often the producer has taken text of the part back.  If that is once more
        than before, the text takes the place of what is behind C{at}.
    """

    part: str
    kind: str
    at: int
    text: str
    edition: int = 0


@dataclass(frozen=True, slots=True)
class Put:
    """
    A value of a part.

    @ivar value: JSON by the names of fields.
    """

    part: str
    kind: str
    value: Mapping[str, bytes]


Operation = Append | Put


@dataclass(frozen=True, slots=True)
class Whole:
    """
    How much a producer says that it has written of a stream, when it ends it.

    @ivar length: The length of the text of parts, UTF-16 units, by the parts' ids.
    @ivar edition: How often it has taken text of these parts back, if it ever did.
    """

    length: Mapping[str, int]
    edition: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """
    A stream has ended.

    @ivar kept: Whether the history has kept it.
    """

    stream: str
    state: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """
    A producer is to send no more.

    @ivar state: See L{aerostack.protocol.serverframes.StreamStop}.
    """

    stream: str
    topic: str
    epoch: int
    state: str
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """
    A stream that was read.

    @ivar topic: The canonical topic.  Those may read the stream who may subscribe to that.
    @ivar data: Its JSON.
    """

    topic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What decides who may cancel a stream.

    @ivar topic: The canonical topic.
    @ivar owner: The user for whom the stream is, or L{None}.
    @ivar cancel: One of L{CANCELLERS}.
    """

    topic: str
    owner: str | None
    cancel: str


def checkName(name: str, what: str) -> str:
    """
    Check the id of a stream or of a part.

    @param what: What it is the id of.
    @raise RealtimeError: C{invalid_arguments}.
    """
    if not _NAME.fullmatch(name):
        raise _invalid(f"The id of a {what} has 1 to 64 letters, digits and '._:-'.")
    return name


def makeStart(
    stream: str | None = None,
    producer: str | None = None,
    owner: str | None = None,
    cancel: str | None = None,
    lease: int | None = None,
    persist: bool | None = None,
    meta: bytes | None = None,
    takeover: bool | None = None,
    defaultLease: float = 30.0,
) -> StartRequest:
    """
    Check what a producer asks for at the beginning.

    @param lease: Milliseconds.
    @param meta: A JSON object.
    @param defaultLease: Seconds of the lease, if it says none.
    @raise RealtimeError: C{invalid_arguments} or C{too_large}.
    """
    if stream is not None:
        checkName(stream, "stream")
    if producer is not None and not 0 < len(producer) <= MAX_PRODUCER:
        raise _invalid(f"The name of a producer has 1 to {MAX_PRODUCER} characters.")
    if producer is not None and producer.startswith(RELAY):
        raise _invalid(f"Producers whose names begin with {RELAY} are the daemon's own.")
    if owner is not None:
        try:
            checkUser(owner)
        except ValueError as error:
            raise _invalid(f"The owner {error}.") from None
    if cancel is not None and cancel not in CANCELLERS:
        raise _invalid(f"cancel is one of {', '.join(CANCELLERS)}.")
    if lease is not None and not LEAST_LEASE <= lease <= MOST_LEASE:
        raise _invalid(f"A lease has {LEAST_LEASE} to {MOST_LEASE} milliseconds.")
    terms = Terms(
        owner,
        cancel or OWNER,
        defaultLease if lease is None else lease / 1000,
        persist is not False,
        checkSize(meta, "meta") or b"{}",
    )
    return StartRequest(terms, stream, producer, bool(takeover))


def checkSize(value: bytes | None, name: str) -> bytes | None:
    """
    Check the size of what a producer says of a stream.

    @param value: JSON.
    @raise RealtimeError: C{too_large}.
    """
    if value is not None and len(value) > MAX_META:
        raise RealtimeError("too_large", f"{name} has at most {MAX_META} bytes.")
    return value


def checkError(error: str | None) -> str | None:
    """
    Check the reason of a failure.

    @raise RealtimeError: C{too_large}.
    """
    if error is not None and len(error) > MAX_ERROR:
        raise RealtimeError("too_large", f"error has at most {MAX_ERROR} characters.")
    return error


def checkEpoch(epoch: int) -> int:
    """
    Check the number of a producer.

    @raise RealtimeError: C{invalid_arguments}.
    """
    if not 0 <= epoch <= HIGHEST:
        raise _invalid("epoch is the number of the producer, as the start of the stream gave it.")
    return epoch


def makeAppend(
    part: str, kind: str | None, at: int, text: str, edition: int | None = None
) -> Append:
    """
    Check a text that a part grows by.

    @raise RealtimeError: C{invalid_arguments}.
    """
    checkName(part, "part")
    if kind is not None and kind not in GROWING:
        raise _invalid(f"The kind of a part with text is one of {', '.join(GROWING)}.")
    if not 0 <= at <= HIGHEST:
        raise _invalid(
            "at is the length of what was sent of the part; it is not negative, and at most"
            f" {HIGHEST}."
        )
    if edition is not None and not 0 <= edition <= HIGHEST:
        raise _invalid(
            "edition is how often text of the part was taken back; it is not negative, and at most"
            f" {HIGHEST}."
        )
    return Append(part, kind or TEXT, at, text, edition or 0)


def makeWhole(
    length: Mapping[str, int] | None, edition: Mapping[str, int] | None = None
) -> Whole | None:
    """
    Check how much a producer says that it has written.

    @return: L{None} if it does not say so.
    @raise RealtimeError: C{invalid_arguments}.
    """
    if length is None:
        if edition:
            raise _invalid("edition says of which text length is; send length too.")
        return None
    for name, numbers in (("length", length), ("edition", edition or {})):
        for part, number in numbers.items():
            checkName(part, "part")
            if not 0 <= number <= HIGHEST:
                raise _invalid(
                    f"{name} has a number for each part; it is not negative, and at most {HIGHEST}."
                )
    return Whole(length, edition or {})


def goesOn(error: object) -> bool:
    """
    Whether the producer of a stream whose end was refused goes on with it: the daemon lacks text,
    which the producer sends again.
    """
    return isinstance(error, RealtimeError) and error.code == "stream_gap"


def makePut(part: str, kind: str, value: Mapping[str, bytes]) -> Put:
    """
    Check a value of a part.

    @raise RealtimeError: C{invalid_arguments}.
    """
    checkName(part, "part")
    if kind not in VALUED:
        raise _invalid(f"The kind of a part with a value is one of {', '.join(VALUED)}.")
    names = _VALUES[kind]
    if not value or not value.keys() <= names:
        raise _invalid(f"The value of a {kind} part has any of {', '.join(sorted(names))}.")
    return Put(part, kind, value)


def _invalid(message: str) -> RealtimeError:
    return RealtimeError("invalid_arguments", message)
