"""
Every frame of the protocol, as data.

A class per frame; the field names are those on the wire.  Unknown fields are
ignored in both directions, so that either side may be newer.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

MessageId = str | int
"""What a client may use as the C{id} of a C{publish}; it comes back as it was."""

NULL = Raw(b"null")


class ClientFrame(msgspec.Struct, frozen=True, tag_field="type"):
    """What a client sends."""


def requestOf(frame: ClientFrame) -> str:
    """
    The type of a client's frame, as it stands on the wire.
    """
    return str(frame.__struct_config__.tag)


class Subscribe(ClientFrame, frozen=True, tag="subscribe"):
    topic: str
    filter: dict[str, Any] | None = None
    event: str | list[str] | None = None
    columns: list[str] | None = None
    since: str | None = None
    snapshot: bool | None = None
    order: Any = None
    limit: int | None = None
    sync: bool | None = None


class Unsubscribe(ClientFrame, frozen=True, tag="unsubscribe"):
    topic: str


class Publish(ClientFrame, frozen=True, tag="publish"):
    topic: str
    event: str
    data: Raw = NULL
    persist: bool | None = None
    id: MessageId | None = None


class Track(ClientFrame, frozen=True, tag="track"):
    topic: str
    state: dict[str, Raw]
    sync: bool | None = None


class Untrack(ClientFrame, frozen=True, tag="untrack"):
    topic: str


class Chat(ClientFrame, frozen=True, tag="chat"):
    roomId: str
    text: str
    metadata: dict[str, Raw] | None = None
    id: MessageId | None = None


class Auth(ClientFrame, frozen=True, tag="auth"):
    token: str


class Ping(ClientFrame, frozen=True, tag="ping"):
    pass


AnyClientFrame = Subscribe | Unsubscribe | Publish | Track | Untrack | Chat | Auth | Ping


class ServerFrame(msgspec.Struct, frozen=True, tag_field="type"):
    """What the daemon sends."""


class Subscribed(ServerFrame, frozen=True, tag="subscribed"):
    topic: str
    pos: str | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    keptOnly: bool | UnsetType = UNSET
    gap: dict[str, str] | UnsetType = UNSET
    sync: bool | UnsetType = UNSET


class Synced(ServerFrame, frozen=True, tag="synced"):
    topic: str
    timestamp: int


class Unsubscribed(ServerFrame, frozen=True, tag="unsubscribed"):
    topic: str


class Ack(ServerFrame, frozen=True, tag="ack"):
    id: MessageId


class Pong(ServerFrame, frozen=True, tag="pong"):
    pass


class DbChange(ServerFrame, frozen=True, tag="db_change"):
    topic: str
    operation: str
    data: Any
    timestamp: int
    old: Any = UNSET
    moved: bool | UnsetType = UNSET
    tx: str | UnsetType = UNSET
    commit: bool | UnsetType = UNSET
    omitted: list[str] | UnsetType = UNSET
    pos: str | UnsetType = UNSET


class SnapshotPage(ServerFrame, frozen=True, tag="snapshot"):
    topic: str
    rows: list[Raw]
    more: bool
    pos: str | UnsetType = UNSET


class Commit(ServerFrame, frozen=True, tag="commit"):
    topic: str
    pos: str
    tx: str | UnsetType = UNSET


class Event(ServerFrame, frozen=True, tag="event"):
    topic: str
    event: str
    data: Any
    timestamp: int
    userId: str | UnsetType = UNSET
    pos: str | UnsetType = UNSET


class ChatMessage(ServerFrame, frozen=True, tag="chat_message"):
    topic: str
    event: str
    data: Any
    timestamp: int
    userId: str | UnsetType = UNSET
    pos: str | UnsetType = UNSET


class Status(ServerFrame, frozen=True, tag="status"):
    topic: str
    message: str
    feed: str | UnsetType = UNSET
    table: str | UnsetType = UNSET
    since: int | UnsetType = UNSET


class Reconnect(ServerFrame, frozen=True, tag="reconnect"):
    delay: int
    reason: str


class Error(ServerFrame, frozen=True, tag="error"):
    code: str
    message: str
    id: MessageId | UnsetType = UNSET
    topic: str | UnsetType = UNSET
    retryAfter: int | UnsetType = UNSET
    request: str | UnsetType = UNSET
