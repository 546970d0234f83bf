"""
Requests for chat completions: what a client asks the daemon, and what the daemon asks a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue, isDeep
from aerostack.settings.ai import ModelConfig

PARAMETERS = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "response_format"),
        *("tools", "tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity"),
    }
)
"""The parameters of a request that a client decides about, with its messages.  Others that it sends
go no further."""

_LIMITS = ("max_tokens", "max_completion_tokens")
"""The two names of the parameter that bounds an answer."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """
    What a client asks of a model.

    @ivar messages: The messages, a JSON list.
    @ivar params: Those of L{PARAMETERS} that the client gave, as JSON.
    @ivar model: The model that the client names; L{None} if it names none.
    @ivar stream: Whether it wants the answer as a stream.
    @ivar wantsUsage: Whether it wants the numbers of tokens at the end of the stream.
    """

    messages: bytes
    params: Mapping[str, bytes]
    model: str | None = None
    stream: bool = False
    wantsUsage: bool = False


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    messages: Raw
    model: str | None = None
    n: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None


_bodyDecoder = msgspec.json.Decoder(_Body)
_fieldsDecoder = msgspec.json.Decoder(dict[str, Raw])
_messagesDecoder = msgspec.json.Decoder(list[dict[str, Raw]])
_limitDecoder = msgspec.json.Decoder(int | None)


def readChatRequest(body: bytes) -> ChatRequest:
    """
    Read the body of a request for a chat completion.

    @raise RealtimeError: C{invalid_json}, C{too_deep} or C{invalid_arguments}; the message names
        the field.
    """
    try:
        body.decode()
        params = readParameters(body)
        asked = _bodyDecoder.decode(body)
    except msgspec.ValidationError as error:
        raise RealtimeError("invalid_arguments", f"The request does not fit: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RealtimeError("invalid_json", "The body is not a JSON object.") from None
    if isDeep(body):
        raise RealtimeError("too_deep", "The request is nested too deeply; flatten it.")
    if asked.n not in (None, 1):
        raise RealtimeError("invalid_arguments", "n is 1: an answer has one choice.")
    options = asked.stream_options or _StreamOptions()
    return makeChatRequest(
        bytes(asked.messages),
        params,
        asked.model,
        bool(asked.stream),
        bool(options.include_usage),
    )


def readParameters(body: bytes) -> Mapping[str, bytes]:
    """
    The parameters in the body of a request that is a JSON object.
    """
    fields = _fieldsDecoder.decode(body)
    return {name: bytes(value) for name, value in fields.items() if name in PARAMETERS}


def makeChatRequest(
    messages: bytes,
    params: Mapping[str, bytes],
    model: str | None = None,
    stream: bool = False,
    wantsUsage: bool = False,
) -> ChatRequest:
    """
    Make a request of its parts, and check the messages.

    @raise RealtimeError: C{invalid_arguments}.
    """
    try:
        isEmpty = not _messagesDecoder.decode(messages)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        isEmpty = True
    if isEmpty:
        raise RealtimeError("invalid_arguments", "messages is a list of at least one object.")
    for name in _LIMITS:
        if name in params:
            _limitOf(name, params[name])
    return ChatRequest(messages, params, model, stream, wantsUsage)


def encodeChatRequest(request: ChatRequest, model: ModelConfig) -> bytes:
    """
    Encode what the daemon asks a model: always one choice, as a stream, with the numbers of tokens
    at its end.

    @return: The body, JSON.
    """
    params: dict[str, Any] = dict(model.params or {})
    given = {name: value for name, value in request.params.items() if value != b"null"}
    if any(name in given for name in _LIMITS):
        # The client's limit may have the other name than the configured one.
        for name in _LIMITS:
            params.pop(name, None)
    params |= {name: Raw(value) for name, value in given.items()}
    if model.maxTokens is not None:
        names = [name for name in _LIMITS if name in params] or [_LIMITS[0]]
        for name in names:
            asked = _limitOf(name, encodeValue(params[name])) if name in params else None
            params[name] = min(asked or model.maxTokens, model.maxTokens)
    return encodeValue(
        {
            **params,
            "model": model.model,
            "messages": Raw(request.messages),
            "n": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )


def _limitOf(name: str, value: bytes) -> int | None:
    try:
        limit = _limitDecoder.decode(value)
    except msgspec.MsgspecError:
        limit = 0
    if limit is not None and limit < 1:
        raise RealtimeError("invalid_arguments", f"{name} is a whole number of at least 1.")
    return limit
