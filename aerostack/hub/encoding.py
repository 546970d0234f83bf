"""
What is published, as the frames that go to sockets.
"""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import UNSET, Raw

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import CHAT_MESSAGE, PRESENCE, Publication
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import ChatMessage, Event
from aerostack.protocol.framing import Frame


def publicationFrame(
    publication: Publication,
    position: Position | None,
    key: Hashable,
    logPosition: Position | None = None,
) -> Frame:
    """
    The bytes that carry a publication.

    @param position: Its place in the topic's log, if it is part of it.
    @param key: See L{Frame}.
    @param logPosition: See L{Frame}.
    """
    kind = ChatMessage if publication.kind == CHAT_MESSAGE else Event
    frame = kind(
        topic=publication.topic,
        event=publication.event,
        data=Raw(publication.data),
        timestamp=publication.timestamp,
        userId=UNSET if publication.userId is None else publication.userId,
        pos=UNSET if position is None else str(position),
    )
    wired = wireFrame(frame, publication.topic, key, logPosition)
    if publication.kind == PRESENCE:
        wired.isState = True
    return wired
