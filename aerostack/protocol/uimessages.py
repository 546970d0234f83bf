"""
The messages of the AI SDK's C{useChat}, as a model is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue, isDeep

_ROLES = ("system", "user", "assistant")

_OVER = ("output-available", "output-error")
"""The states of a tool's call that has an outcome."""


class UIMessage(msgspec.Struct):
    """
    A message.

    @ivar parts: What it has, in order.
    """

    id: str
    role: str
    parts: list[dict[str, Any]]


class UIRequest(msgspec.Struct):
    """
    What C{useChat} asks.

    @ivar id: The chat's id.
    @ivar trigger: C{submit-message} or C{regenerate-message}.
    @ivar messageId: The message to answer again, or to go on with; L{None} for the last.
    """

    id: str
    messages: list[UIMessage]
    trigger: str = "submit-message"
    messageId: str | None = None
    model: str | None = None


_requests = msgspec.json.Decoder(UIRequest)


def readUIRequest(body: bytes) -> UIRequest:
    """
    Read the body of a request of C{useChat}.

    @raise RealtimeError: C{invalid_json}, C{too_deep} or C{invalid_arguments}; the message names
        the field.
    """
    try:
        body.decode()
        request = _requests.decode(body)
    except msgspec.ValidationError as error:
        raise RealtimeError("invalid_arguments", f"The request does not fit: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RealtimeError("invalid_json", "The body is not a JSON object.") from None
    if isDeep(body):
        raise RealtimeError("too_deep", "The request is nested too deeply; flatten it.")
    if not request.messages:
        raise RealtimeError("invalid_arguments", "messages has at least one message.")
    return request


def makeMessages(messages: list[UIMessage]) -> bytes:
    """
    Turn messages into those that a model is asked with, as a JSON list.

    Reasoning, sources and data are not sent: they are for people.  A call of a tool is sent once it
    has an outcome, because a model refuses a call without one.

    @raise RealtimeError: C{invalid_arguments}: a message has an unknown role, or nothing that a
        model can read.
    """
    made: list[dict[str, Any]] = []
    for message in messages:
        if message.role not in _ROLES:
            roles = ", ".join(_ROLES)
            raise RealtimeError("invalid_arguments", f"The role of a message is one of {roles}.")
        if message.role == "assistant":
            made.extend(_said(message))
        else:
            content = _content(message)
            if content:
                made.append({"role": message.role, "content": content})
    if not made:
        raise RealtimeError("invalid_arguments", "The messages have no text.")
    return encodeValue(made)


def _content(message: UIMessage) -> Any:
    """What a user or the system says: a text, or a list if it has pictures."""
    content: list[dict[str, Any]] = []
    for part in message.parts:
        text, url = part.get("text"), part.get("url")
        if part.get("type") == "text" and isinstance(text, str):
            content.append({"type": "text", "text": text})
        elif part.get("type") == "file" and isinstance(url, str):
            if not str(part.get("mediaType")).startswith("image/"):
                raise RealtimeError("invalid_arguments", "Of files a message has images only.")
            content.append({"type": "image_url", "image_url": {"url": url}})
    if all(each["type"] == "text" for each in content):
        return "".join(each["text"] for each in content)
    return content


def _said(message: UIMessage) -> list[dict[str, Any]]:
    """What an assistant said: a message for each step, and the outcomes of its tools behind it."""
    steps: list[list[Mapping[str, Any]]] = [[]]
    for part in message.parts:
        if part.get("type") == "step-start":
            steps.append([])
        else:
            steps[-1].append(part)
    return [made for step in steps for made in _step(step)]


def _step(parts: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    text = "".join(
        part["text"]
        for part in parts
        if part.get("type") == "text" and isinstance(part.get("text"), str)
    )
    calls = [part for part in parts if _isCall(part)]
    if not text and not calls:
        return []
    said: dict[str, Any] = {"role": "assistant", "content": text or None}
    if calls:
        said["tool_calls"] = [
            {
                "id": part["toolCallId"],
                "type": "function",
                "function": {
                    "name": _nameOf(part),
                    "arguments": encodeValue(part.get("input") or {}).decode(),
                },
            }
            for part in calls
        ]
    return [said, *map(_outcome, calls)]


def _isCall(part: Mapping[str, Any]) -> bool:
    kind = str(part.get("type"))
    isTool = kind == "dynamic-tool" or kind.startswith("tool-")
    return isTool and isinstance(part.get("toolCallId"), str) and part.get("state") in _OVER


def _nameOf(part: Mapping[str, Any]) -> str:
    kind = str(part["type"])
    return str(part.get("toolName")) if kind == "dynamic-tool" else kind.removeprefix("tool-")


def _outcome(part: Mapping[str, Any]) -> dict[str, Any]:
    found = part.get("output") if part["state"] == _OVER[0] else {"error": part.get("errorText")}
    content = found if isinstance(found, str) else encodeValue(found).decode()
    return {"role": "tool", "tool_call_id": part["toolCallId"], "content": content}
