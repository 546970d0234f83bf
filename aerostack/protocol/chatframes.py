"""
The frames of the AI SDK's C{WebSocketChatTransport}, which carries several answers over one
WebSocket.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue, isDeep
from aerostack.protocol.framing import Frame, textFrame
from aerostack.protocol.uimessages import UIMessage, UIRequest

MAX_REQUEST_ID = 128
"""How many characters the id of a request has."""


class SendRequest(msgspec.Struct, tag="send"):
    """
    A client asks.

    @ivar requestId: By which the client knows the frames that answer.
    @ivar id: The chat's id.
    @ivar body: What the application adds: the name of a model, and parameters for it.
    """

    requestId: str
    id: str
    messages: list[UIMessage]
    trigger: str = "submit-message"
    messageId: str | None = None
    body: dict[str, msgspec.Raw] = {}

    @property
    def asked(self) -> UIRequest:
        """What it asks, as a request over HTTP would."""
        model = msgspec.json.decode(self.body["model"]) if "model" in self.body else None
        return UIRequest(
            self.id,
            self.messages,
            self.trigger,
            self.messageId,
            model if isinstance(model, str) else None,
        )


class ResumeRequest(msgspec.Struct, tag="resume"):
    """
    A client wants the answer that goes on in a chat.
    """

    requestId: str
    id: str


class AbortRequest(msgspec.Struct, tag="abort"):
    """
    A client wants no more of an answer.  The answer goes on.
    """

    requestId: str


ChatFrame = SendRequest | ResumeRequest | AbortRequest

_decoder = msgspec.json.Decoder(ChatFrame)


def decodeChatFrame(payload: bytes) -> ChatFrame:
    """
    Decode a frame of a client.

    @raise RealtimeError: C{invalid_json}, C{too_deep} or C{invalid_frame}.
    """
    try:
        frame = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise RealtimeError("invalid_frame", f"The frame does not fit: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RealtimeError("invalid_json", "The frame is not a JSON object.") from None
    if isDeep(payload):
        raise RealtimeError("too_deep", "The frame is nested too deeply; flatten it.")
    if len(frame.requestId) > MAX_REQUEST_ID:
        raise RealtimeError(
            "invalid_frame", f"A requestId has at most {MAX_REQUEST_ID} characters."
        )
    return frame


def chatFrame(kind: str, requestId: str, **fields: Any) -> Frame:
    """
    Make a frame of the daemon.

    @param kind: C{start}, C{chunk}, C{end}, C{no-active} or C{error}.
    """
    return textFrame(encodeValue({"type": kind, "requestId": requestId, **fields}))
