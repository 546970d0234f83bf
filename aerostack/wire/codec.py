"""
Bytes to frames, frames to bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from aerostack.errors import RealtimeError
from aerostack.wire.frames import AnyClientFrame, MessageId, ServerFrame

_decoder: msgspec.json.Decoder[AnyClientFrame] = msgspec.json.Decoder(AnyClientFrame)
_encoder = msgspec.json.Encoder()

_TYPES = ", ".join(
    sorted(str(kind.__struct_config__.tag) for kind in AnyClientFrame.__args__)
)


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
        return _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except msgspec.DecodeError as error:
        raise RealtimeError("invalid_json", f"Send one JSON object a frame. {error}.") from None
    except UnicodeDecodeError:
        raise RealtimeError("invalid_json", "The frame is not UTF-8.") from None
    except RecursionError:
        raise RealtimeError("too_deep", "The frame is nested too deeply; flatten it.") from None


def decodeValue(payload: bytes) -> Any:
    """
    Decode any JSON value, such as an HTTP body.

    @raise RealtimeError: C{invalid_json} or C{too_deep}.
    """
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RealtimeError("invalid_json", f"The body is not JSON. {error}.") from None
    except RecursionError:
        raise RealtimeError("too_deep", "The body is nested too deeply; flatten it.") from None


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
