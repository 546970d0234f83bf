"""
Publications and members as they go to sockets.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from msgspec import UNSET, Raw, structs

from aerostack.core.keyed.values import Value
from aerostack.core.presence import Member
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import (
    CHAT_MESSAGE,
    PRESENCE,
    Publication,
    StreamMark,
)
from aerostack.core.topics.policies import CLOSE, LATEST, TopicPolicy
from aerostack.protocol.codec import fieldOf
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame
from aerostack.protocol.serverframes import ChatMessage, Event
from aerostack.protocol.streams import DONE, textData


def publicationFrame(
    publication: Publication,
    position: Position | None = None,
    policy: TopicPolicy | None = None,
    logPosition: Position | None = None,
) -> Frame:
    """
    The frame that carries a publication.

    @param position: Its place in the topic's log, if it is part of it.
    @param policy: The topic's policy, if a slow reader may be spared the frame by it.
    @param logPosition: See L{Frame}.
    """
    if publication.stream is not None:
        wired = _streamFrame(publication, publication.stream, position)
        wired.isEntry = position is not None
        wired.isStreamPart = publication.event != DONE
        return wired
    kind = ChatMessage if publication.kind == CHAT_MESSAGE else Event
    frame = kind(
        topic=publication.topic,
        event=publication.event,
        data=Raw(publication.data),
        timestamp=publication.timestamp,
        userId=UNSET if publication.userId is None else publication.userId,
        pos=UNSET if position is None else str(position),
    )
    if publication.key is not None and isinstance(frame, Event):
        frame = structs.replace(frame, key=publication.key)
    key = None
    if policy is not None and policy.whenSlow != CLOSE:
        key = _conflationKey(publication, policy)
    wired = wireFrame(frame, publication.topic, key, logPosition)
    if position is not None:
        wired.isEntry = True
    if publication.kind == PRESENCE:
        wired.isState = True
    return wired


def _streamFrame(publication: Publication, mark: StreamMark, position: Position | None) -> Frame:
    """The frame of a part of a token stream, which no slow reader is spared."""
    data = Raw(publication.data) if publication.data else textData(mark.kind, mark.part, mark.text)
    frame = Event(
        topic=publication.topic,
        event=publication.event,
        data=data,
        timestamp=publication.timestamp,
        stream=mark.stream,
        part=mark.part or UNSET,
        at=UNSET if mark.at < 0 else mark.at,
        reset=mark.isReset or UNSET,
        state=mark.state or UNSET,
        pos=UNSET if position is None or mark.isFollowed else str(position),
    )
    return wireFrame(frame, publication.topic)


def _conflationKey(publication: Publication, policy: TopicPolicy) -> Hashable:
    value: Hashable = publication.userId
    if publication.key is not None and policy.slowKey is None:
        # A newer value of a key replaces the older one, whatever their events are.
        return policy.conflationKey(publication.topic, "", publication.key)
    if policy.whenSlow == LATEST and policy.slowKey is not None:
        value = fieldOf(publication.data, policy.slowKey)
    return policy.conflationKey(publication.topic, publication.event, value)


def valueFrame(topic: str, value: Value, isLast: bool) -> Frame:
    """
    The frame of a value with which a subscription to a keyed topic begins.

    @param topic: The canonical topic.
    @param isLast: Whether no other such frame follows.
    """
    frame = Event(
        topic=topic,
        event=value.event,
        data=Raw(value.data),
        timestamp=value.timestamp,
        userId=UNSET if value.userId is None else value.userId,
        key=value.key,
        current=True,
        more=UNSET if isLast else True,
        pos=str(value.place),
    )
    return wireFrame(frame, topic)


def memberData(member: Member) -> dict[str, Any]:
    """
    A member as clients get it, to be encoded as JSON.
    """
    return {
        "userId": member.userId,
        "connectionId": member.connectionId,
        "state": Raw(member.state),
        "since": member.since,
    }
