"""
Bytes to frames, frames to bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from math import isinf
from typing import Any, TypeVar

import msgspec

from aerostack.errors import RealtimeError
from aerostack.protocol.clientframes import AnyClientFrame
from aerostack.protocol.frames import MessageId
from aerostack.protocol.serverframes import ServerFrame

T = TypeVar("T")

_rawDecoder = msgspec.json.Decoder(msgspec.Raw)
_decoder: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_encoder = msgspec.json.Encoder()

_TYPES = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in AnyClientFrame.__args__))


MAX_DEPTH = 64
"""How deeply JSON may be nested.  Some clients' parsers recurse, and give up or break on
what an ill-meaning publisher could send them through us."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def encode(frame: ServerFrame) -> bytes:
    """
    Encode one of the daemon's frames.

    @return: Its JSON, UTF-8.
    """
    return _encoder.encode(frame)


def encodeValue(value: Any) -> bytes:
    """
    Encode any JSON value, compactly.

    @return: Its JSON, UTF-8.
    """
    return _encoder.encode(value)


def encodable(details: Mapping[str, Any]) -> dict[str, Any]:
    """
    The details of an error as parts of a frame or of a body.

    @param details: See L{RealtimeError}.
    """
    return {
        name: msgspec.Raw(value) if isinstance(value, bytes) else value
        for name, value in details.items()
    }


def decode(payload: bytes) -> AnyClientFrame:
    """
    Decode and check what a client sent.

    @param payload: One text message; the WebSocket layer has checked that it is
        UTF-8 (RFC 6455, 8.1).
    @raise RealtimeError: C{invalid_json}, C{too_deep}, C{unknown_type} or
        C{invalid_frame}; the message names the field.
    """
    try:
        frame = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except msgspec.DecodeError as error:
        if _mend(payload) != payload:
            raise RealtimeError("invalid_json", f"In the frame, {_HALF}") from None
        raise RealtimeError("invalid_json", f"Send one JSON object a frame. {error}.") from None
    except UnicodeDecodeError:
        raise RealtimeError("invalid_json", "The frame is not UTF-8.") from None
    except RecursionError:
        raise _tooDeep("frame") from None
    _checkReadable(payload, "frame")
    return frame


def decodeValue(payload: bytes) -> Any:
    """
    Decode any JSON value, such as an HTTP body.

    @raise RealtimeError: C{invalid_json} or C{too_deep}.
    """
    checkJSON(payload)
    return msgspec.json.decode(payload)


_fieldsDecoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_listDecoder = msgspec.json.Decoder(list[msgspec.Raw])


def splitObject(payload: bytes) -> dict[str, msgspec.Raw] | None:
    """
    The fields of a JSON object, such as an HTTP body, as they were sent.

    @return: L{None} if it is another value.
    @raise RealtimeError: See L{decodeValue}.
    """
    checkJSON(payload)
    return _split(_fieldsDecoder, payload)


def splitList(payload: bytes) -> list[msgspec.Raw] | None:
    """
    The items of a JSON list as they were sent.

    @param payload: A part of what L{splitObject} has split.
    @return: L{None} if it is another value.
    """
    return _split(_listDecoder, payload)


def splitFrames(body: bytes) -> list[bytes]:
    """
    The frames in an HTTP body that is a JSON list, as they were sent.  L{decode} checks each.

    @raise RealtimeError: C{invalid_json} or C{too_deep}: it is no list.
    """
    try:
        return [bytes(frame) for frame in _listDecoder.decode(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RealtimeError(
            "invalid_json", f"The body is no JSON list of frames. {error}."
        ) from None
    except RecursionError:
        raise _tooDeep("body") from None


def _split(decoder: msgspec.json.Decoder[T], payload: bytes) -> T | None:
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError:
        return None


def checkJSON(payload: bytes, place: str = "body") -> None:
    """
    Refuse text that is no JSON, or that clients could not read.

    @param place: What the text is, for the messages.
    @raise RealtimeError: See L{decodeValue}.
    """
    try:
        payload.decode()
        _rawDecoder.decode(payload)
    except msgspec.DecodeError as error:
        if _mend(payload) != payload:
            raise RealtimeError("invalid_json", f"In the {place}, {_HALF}") from None
        raise RealtimeError("invalid_json", f"The {place} is not JSON. {error}.") from None
    except UnicodeDecodeError:
        raise RealtimeError("invalid_json", f"The {place} is not UTF-8.") from None
    except RecursionError:
        raise _tooDeep(place) from None
    _checkReadable(payload, place)


def fieldOf(payload: bytes, name: str) -> bytes | None:
    """
    The value of one field of a JSON object, as JSON.

    @param payload: Well-formed JSON.
    @return: L{None} if it is no object, or has no such field.
    """
    value = (_split(_fieldsDecoder, payload) or {}).get(name)
    return None if value is None else bytes(value)


def isDeep(payload: bytes) -> bool:
    """
    Whether JSON is nested more deeply than L{MAX_DEPTH}.

    @param payload: Well-formed JSON, UTF-8.
    """
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", payload).translate(_SQUARE, _NO_BRACKETS)
    # Each round takes the innermost level away, wherever there is one, at C's speed.
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


# All digits become one, and the sign of an exponent one, to be found at C's speed.
_FIGURES = bytes.maketrans(b"123456789E", b"000000000e")
# A number beyond a double has this many digits, or an exponent of three.
_DIGITS = 200
_SUSPECT = (b"0" * _DIGITS, b"0e000", b"0e+000")
_NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]*+")


def findUnreadable(payload: bytes) -> bytes | None:
    """
    Find a number that is beyond the range of a double, which many parsers cannot read.

    @param payload: Well-formed JSON, UTF-8.
    @return: The number; L{None} if all can be read.
    """
    figures = payload.translate(_FIGURES)
    if b"0e" not in figures and len(figures) < _DIGITS:
        return None
    if not any(suspect in figures for suspect in _SUSPECT):
        return None
    for match in _NUMBER.finditer(_STRING.sub(b'""', payload)):
        if isinf(float(match[0])):
            return match[0]
    return None


_STRING_OR_NUMBER = re.compile(rb"%b|%b" % (_STRING.pattern, _NUMBER.pattern))


def makeReadable(payload: bytes) -> bytes | None:
    """
    Make JSON that an older daemon or another program has stored readable for clients.

    @return: The same JSON, but with a string of its digits in the place of each number that
        L{findUnreadable} would find; L{None} if it is no JSON, or nested too deeply.
    """
    try:
        payload.decode()
        _rawDecoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isDeep(payload):
        return None
    if findUnreadable(payload) is None:
        return payload
    return _STRING_OR_NUMBER.sub(_quoted, payload)


def _quoted(match: re.Match[bytes]) -> bytes:
    found = match[0].lstrip(b"-")
    return b'"%b"' % match[0] if found[:1] != b'"' and isinf(float(found)) else match[0]


def _checkReadable(payload: bytes, what: str) -> None:
    """Refuse well-formed JSON that clients could not read."""
    if isDeep(payload):
        raise _tooDeep(what)
    number = findUnreadable(payload)
    if number is not None:
        shown = number[:20].decode() + ("…" if len(number) > 20 else "")
        raise RealtimeError(
            "invalid_json",
            f"The {what} has the number {shown}, which is too large for a double; send it as a"
            " string.",
        )


def _tooDeep(what: str) -> RealtimeError:
    return RealtimeError(
        "too_deep", f"The {what} is nested more than {MAX_DEPTH} levels deep; flatten it."
    )


def _explain(problem: str) -> RealtimeError:
    """Explain to a client what is wrong with its frame, from the decoder's message."""
    if problem.endswith("`$.type`") or "required field `type`" in problem:
        return RealtimeError(
            "unknown_type", f"A frame's type must be one of: {_TYPES}. {problem.rstrip('.')}."
        )
    if problem.startswith("Expected `object`, got") and " at `" not in problem:
        return RealtimeError("invalid_frame", f"A frame is one JSON object. {problem}.")
    return RealtimeError("invalid_frame", f"{problem.rstrip('.')}.")


@dataclass(frozen=True)
class Reference:
    """
    The parts of an unusable frame that could be found.  With them the client can assign the error
    to its request.

    @ivar request: The frame's type, as it was sent.
    @ivar view: The name of the view that it is about.
    """

    id: MessageId | None = None
    topic: str | None = None
    request: str | None = None
    view: str | None = None


class _Loose(msgspec.Struct):
    id: Any = None
    topic: Any = None
    type: Any = None
    roomId: Any = None
    view: Any = None


_looseDecoder = msgspec.json.Decoder(_Loose)

_HALF = "a string has half of a surrogate pair, as a character that was cut in two leaves it."
# Escapes of surrogates that stand alone: the first of a pair, and the second.
_LONE = (
    re.compile(
        rb"(?<!\\)((?:\\\\)*+)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    ),
    re.compile(
        rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})(?<!\\)((?:\\\\)*+)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    ),
)


def _mend(payload: bytes) -> bytes:
    """Put U+FFFD in the place of each half of a surrogate pair."""
    for pattern in _LONE:
        payload = pattern.sub(rb"\1\\ufffd", payload)
    return payload


MAX_REQUEST = 64
"""How many characters of a frame's type an error repeats."""

MAX_ID = 128
"""How many characters the C{id} of a publication may have."""


ECHOED = 4096
"""How many characters an error repeats of an id that is too long, or of what is no topic: as
many as a topic can have where most are allowed."""


def sizeOf(messageId: MessageId) -> int:
    """
    How many characters the C{id} of a publication has.
    """
    if isinstance(messageId, str):
        return len(messageId)
    # A quarter of its bits, and no more than the digits that it was written with.
    return messageId.bit_length() // 4


def echoed(messageId: MessageId) -> MessageId | None:
    """
    The C{id} that an error repeats; L{None} for one that is longer than L{ECHOED}, because a part
    of an id names another publication.
    """
    return messageId if sizeOf(messageId) <= ECHOED else None


_TOKENS = 5000
"""How many strings and brackets of malformed JSON are looked at."""

# An unfinished string ends with the text, so that each character is looked at once.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_FIELD = re.compile(
    rb'"(id|topic|type|roomId|view)"\s*+:\s*+("[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9]{1,19}(?=[\s,}]))'
)


def reference(payload: bytes) -> Reference:
    """
    Find the C{id}, the C{topic}, the C{type} and the C{view} of a frame that L{decode} refused.
    """
    for candidate in (payload, _mend(payload)):
        try:
            return _refer(_looseDecoder.decode(candidate))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return _refer(_scan(payload))


def _refer(loose: _Loose) -> Reference:
    usable = isinstance(loose.id, (str, int)) and not isinstance(loose.id, bool)
    request = loose.type[:MAX_REQUEST] if isinstance(loose.type, str) else None
    topic = loose.topic
    if request == "chat" and isinstance(loose.roomId, str):
        topic = f"chat/{loose.roomId}"
    return Reference(
        id=echoed(loose.id) if usable else None,
        topic=topic if isinstance(topic, str) else None,
        request=request,
        view=loose.view[:MAX_REQUEST] if isinstance(loose.view, str) else None,
    )


def _scan(payload: bytes) -> _Loose:
    """Find the fields of a JSON object that is malformed somewhere."""
    loose = _Loose()
    depth = 0
    for match in islice(_TOKEN.finditer(payload), _TOKENS):
        token = match[0][:1]
        if token in b"{[":
            if not depth and token == b"[":
                break
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1 and (field := _FIELD.match(payload, match.start())):
            try:
                value = msgspec.json.decode(_mend(field[2]))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            setattr(loose, field[1].decode(), value)
        if not depth:
            break
    return loose
