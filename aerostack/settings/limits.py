"""
The settings of the section C{[limits]}.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.settings.fields import setting
from aerostack.settings.kinds import (
    Number,
)


@dataclass(frozen=True)
class LimitsConfig:
    """What one client may ask of the daemon."""

    frameBytes: int = setting(
        "The largest WebSocket frame that a client may send.",
        Number("bytes", 1024, 67_108_864),
        1_048_576,
    )
    messageBytes: int = setting(
        "The largest frame, or data of an emitted event, that is acted on; a larger one, up to"
        " frame_bytes, is answered with an error. At most frame_bytes.",
        Number("bytes", 256, 67_108_864),
        262_144,
    )
    stateBytes: int = setting(
        "The largest presence state. At most frame_bytes.",
        Number("bytes", 64, 67_108_864),
        16_384,
    )
    bodyBytes: int = setting(
        "The largest body of an HTTP request.", Number("bytes", 1024, 67_108_864), 1_048_576
    )
    topicLength: int = setting(
        "The longest topic, with its project.", Number("characters", 16, 4096), 255
    )
    eventLength: int = setting("The longest event name.", Number("characters", 8, 1024), 128)
    subscriptions: int = setting(
        "How many topics one connection may hold; each named view of a table counts.",
        Number("topics", 1, 1_000_000),
        1000,
    )
    rewind: int = setting(
        "With how many of a topic's newest frames a subscription may begin.",
        Number("frames", 0, 10_000),
        1000,
    )
    framesPerSecond: float = setting(
        "How many frames a second one connection may send for long.",
        Number("frames a second", 0.1, 1_000_000, False),
        200.0,
    )
    framesBurst: int = setting(
        "How many frames one connection may send at once, after a pause.",
        Number("frames", 1, 10_000_000),
        1000,
    )
    bytesPerSecond: int | None = setting(
        "How many bytes a second one connection may send for long.",
        Number("bytes a second", 1024, 1_000_000_000_000, endless=True),
        2_097_152,
    )
    bytesBurst: int = setting(
        "How many bytes one connection may send at once, after a pause.",
        Number("bytes", 1024, 1_000_000_000_000),
        16_777_216,
    )
    outboxBytes: int = setting(
        "How much may wait unsent for one connection before it is closed as too slow. At least"
        " twice frame_bytes.",
        Number("bytes", 2048, 1_073_741_824),
        4_194_304,
    )
    connections: int = setting(
        "How many connections the daemon holds.", Number("connections", 1, 10_000_000), 20_000
    )
    connectionsPerAddress: int | None = setting(
        "How many connections one address may hold; an IPv6 address is counted with its whole"
        " /64. Behind a proxy, set server.trusted_proxies first.",
        Number("connections", 1, 10_000_000, endless=True),
        None,
    )
    connectionsPerSecond: float | None = setting(
        "How many new connections a second are let in for long. The daemon refuses others and says"
        " when to come back.",
        Number("connections a second", 0.1, 1_000_000, False, endless=True),
        None,
    )
    connectionsBurst: int = setting(
        "How many new connections are let in at once, after a pause.",
        Number("connections", 1, 10_000_000),
        1000,
    )
    lag: float | None = setting(
        "How far behind with its work the daemon may be. If it is further behind, it refuses new"
        " connections until it has caught up.",
        Number("seconds", 0.5, 600, False, endless=True),
        5.0,
    )
    handshakeTimeout: float = setting(
        "How long a request may take to come in, the opening of a WebSocket among them.",
        Number("seconds", 0.1, 300, False),
        10.0,
    )
    pingInterval: float = setting(
        "How long a connection may be silent before it is pinged.",
        Number("seconds", 1, 3600, False),
        25.0,
    )
    pongTimeout: float = setting(
        "How long a pinged client may take to answer before it is closed.",
        Number("seconds", 0.1, 3600, False),
        20.0,
    )
    closeTimeout: float = setting(
        "How long a client may take to answer a close before its connection is dropped.",
        Number("seconds", 0.1, 300, False),
        5.0,
    )
    queryRows: int = setting(
        "How many rows one db.query may return.", Number("rows", 1, 10_000_000), 10_000
    )
    queryBytes: int = setting(
        "How many bytes the result of one db.query may have, about. On SQLite no row that a"
        " statement reads or writes may be larger, either.",
        Number("bytes", 65_536, 1_000_000_000),
        16_777_216,
    )
    querySeconds: float = setting(
        "How long one db.query, or reading the rows of one snapshot, may take.",
        Number("seconds", 0.1, 3600, False),
        30.0,
    )
    snapshotRows: int = setting(
        "How many rows a subscription may begin with.", Number("rows", 1, 10_000_000), 10_000
    )
    snapshotBytes: int = setting(
        "How many bytes these rows may have.", Number("bytes", 1024, 1_073_741_824), 8_388_608
    )
