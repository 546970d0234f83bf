"""
Bytes to frames, frames to bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from aerostack.errors import RealtimeError
from aerostack.wire.frames import AnyClientFrame, MessageId, ServerFrame

_decoder: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_encoder = msgspec.json.Encoder()

_TYPES = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in AnyClientFrame.__args__))


MAX_DEPTH = 64
"""How deeply JSON may be nested.  Some clients' parsers recurse, and give up or break on
what an ill-meaning publisher could send them through us."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
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
        raise RealtimeError("invalid_json", f"Send one JSON object a frame. {error}.") from None
    except UnicodeDecodeError:
        raise RealtimeError("invalid_json", "The frame is not UTF-8.") from None
    except RecursionError:
        raise _tooDeep("frame") from None
    if isDeep(payload):
        raise _tooDeep("frame")
    return frame


def decodeValue(payload: bytes) -> Any:
    """
    Decode any JSON value, such as an HTTP body.

    @raise RealtimeError: C{invalid_json} or C{too_deep}.
    """
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RealtimeError("invalid_json", f"The body is not JSON. {error}.") from None
    except RecursionError:
        raise _tooDeep("body") from None
    if isDeep(payload):
        raise _tooDeep("body")
    return value


_fieldsDecoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fieldOf(payload: bytes, name: str) -> bytes | None:
    """
    The value of one field of a JSON object, as JSON.

    @param payload: Well-formed JSON.
    @return: L{None} if it is no object, or has no such field.
    """
    try:
        fields = _fieldsDecoder.decode(payload)
    except msgspec.ValidationError:
        return None
    value = fields.get(name)
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


def _tooDeep(what: str) -> RealtimeError:
    return RealtimeError(
        "too_deep", f"The {what} is nested more than {MAX_DEPTH} levels deep; flatten it."
    )


def _explain(problem: str) -> RealtimeError:
    """Tell a client what its frame lacks, from what the decoder says of it."""
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
    What an unusable frame was about, as far as it can be told, so that the error
    finds its way to the right caller.
    """

    id: MessageId | None = None
    topic: str | None = None


class _Loose(msgspec.Struct):
    id: Any = None
    topic: Any = None


_looseDecoder = msgspec.json.Decoder(_Loose)


def reference(payload: bytes) -> Reference:
    """
    Find the C{id} and C{topic} of a frame that L{decode} refused.
    """
    try:
        loose = _looseDecoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reference()
    usable = isinstance(loose.id, (str, int)) and not isinstance(loose.id, bool)
    return Reference(
        id=loose.id if usable else None,
        topic=loose.topic if isinstance(loose.topic, str) else None,
    )
