"""
Every setting there is: its name, what it does, what is allowed, its default.

This is the one table of it.  L{aerostack.config.loader} validates by it, and what is
written about the configuration is checked against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from aerostack.settings.kinds import (
    Flag,
    Kind,
    Many,
    Network,
    Number,
    Origin,
    Patterned,
    Secret,
    Section,
    Text,
    Word,
)

SQLITE = "sqlite:///"

# JWA names (RFC 7518, 3.1 and RFC 8037).  C{none} is no signature, so it is not here.
ALGORITHMS = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)

READERS = ("anonymous", "key", "token")
"""Who may be let read a table: who has no credential, the public key, a token."""


def setting(
    doc: str, kind: Kind, default: Any = MISSING, *, key: str | None = None, show: bool = True
) -> Any:
    """
    Make a dataclass field that is also a key of the configuration.

    @param doc: One or two sentences: what it does.
    @param default: The value where the key is missing, in the unit of the file; a
        field without one must be set.
    @param key: The name in TOML, where it is not the attribute's in snake_case.
    @param show: Whether the value may appear in a C{repr}.
    """
    metadata = {"doc": doc, "kind": kind, "key": key}
    return field(default=default, repr=show, metadata=metadata)


@dataclass(frozen=True)
class ServerConfig:
    """Where the daemon listens."""

    listen: tuple[str, ...] = setting(
        "The addresses to serve on, as Twisted endpoint strings: tcp:, tcp6:, ssl:, unix: and"
        " systemd:, behind haproxy: where a proxy speaks the PROXY protocol. A colon inside a"
        " value is written as \\:. With :local=1 you vouch that only"
        " programs of this machine get to an address.",
        Many(Text("an endpoint string such as 'tcp:8787:interface=127.0.0.1'"), least=1),
    )
    queryCredentials: bool = setting(
        "Accept ?apiKey= and ?token= in the URL, as two older clients send them. URLs end up in"
        " the logs of proxies, so leave it off if you can.",
        Flag(),
        False,
    )
    trustedProxies: tuple[str, ...] = setting(
        "The proxies in front of the daemon, by address or network; 'unix' is whoever comes"
        " through a Unix socket. What they say in X-Forwarded-For is taken for the client's"
        " address.",
        Many(Network()),
        (),
    )
    restartTime: float = setting(
        "How long the daemon is gone when it is restarted. Clients that a stop sends away are"
        " told to come back no sooner.",
        Number("seconds", 0, 600, False),
        3.0,
    )
    reconnectSpread: float = setting(
        "Over how long they come back, evenly, each at a moment of its own. Few clients come"
        " back sooner, up to 100 a second.",
        Number("seconds", 0, 3600, False),
        10.0,
    )
    compression: bool = setting(
        "Compress frames for clients that offer permessage-deflate. Each frame is compressed"
        " once for all; worth it where the network is narrower than the processor.",
        Flag(),
        False,
    )
    compressionThreshold: int = setting(
        "Frames with fewer bytes are not compressed.", Number("bytes", 0, 67_108_864), 256
    )
    examples: bool = setting(
        "Serve the examples, under /examples/. They write to the database, on behalf of whoever"
        " comes through a listener with local=1, in the first project that is anonymous.",
        Flag(),
        False,
    )
    console: str = setting(
        "From where the console can be reached, which needs the secret key in any case:"
        " 'loopback' is through a listener with local=1, 'everywhere' is anywhere, 'off' is"
        " nowhere.",
        Word(("loopback", "everywhere", "off")),
        "loopback",
    )


@dataclass(frozen=True)
class DatabaseConfig:
    """The database whose tables are followed and that keeps the history."""

    url: str = setting(
        "The database. For SQLite three slashes and a path relative to this file, or four slashes"
        " and an absolute path; for PostgreSQL the URL that libpq takes.",
        Text(
            "sqlite:///relative/path.db, sqlite:////absolute/path.db,"
            " postgresql://user@host:port/name or postgresql:///name?host=/run/postgresql",
            private=True,
        ),
    )
    password: str | None = setting(
        "The role's password, for PostgreSQL. Where it is not set, libpq looks for one, in"
        " ~/.pgpass for example.",
        Secret("a password"),
        None,
        show=False,
    )

    @property
    def path(self) -> Path | None:
        """The SQLite database's file; L{None} if it is PostgreSQL's."""
        return Path(self.url.removeprefix(SQLITE)) if self.url.startswith(SQLITE) else None


@dataclass(frozen=True)
class TrackerConfig:
    """How changes of tables are followed."""

    pollInterval: float = setting(
        "How often the database is asked for changes.", Number("seconds", 0.01, 60, False), 0.2
    )
    tables: tuple[str, ...] = setting(
        "The tables that may be subscribed: names, or patterns with *. None, unless named.",
        Many(Text("a table's name or a pattern such as 'shop_*'")),
        (),
    )
    retention: float = setting(
        "How long a delivered change is kept for clients that come back.",
        Number("seconds", 0, 2_592_000, False),
        3600.0,
    )
    wake: bool = setting(
        "Let the database's writers wake the daemon, so that a change need not wait to be asked"
        " for. SQLite's must be in WAL mode, and the system Linux.",
        Flag(),
        True,
    )
    changeBytes: int = setting(
        "How much the values of one change may take in JSON, both rows together. Of a larger one"
        " the largest columns are not sent.",
        Number("bytes", 1024, 536_870_912),
        1_048_576,
    )


@dataclass(frozen=True)
class PresenceConfig:
    """Who is there."""

    grace: float = setting(
        "How long a member whose connection broke may take to come back before it has left.",
        Number("seconds", 0, 3600, False),
        10.0,
    )


@dataclass(frozen=True)
class HistoryConfig:
    """How much of a topic's past is kept.  L{None} is no limit."""

    maxAge: float | None = setting(
        "How long a kept message stays.",
        Number("seconds", 1, 3_153_600_000, False, endless=True),
        2_592_000.0,
    )
    maxCount: int | None = setting(
        "How many messages a topic keeps.",
        Number("messages", 1, 1_000_000_000, endless=True),
        10_000,
    )
    pageSize: int = setting(
        "The largest page of history that one request gets.", Number("messages", 1, 10_000), 500
    )


@dataclass(frozen=True)
class StreamsConfig:
    """What of the topics' past is in memory, for clients that come back."""

    count: int = setting(
        "How many of a topic's newest frames are held.", Number("frames", 0, 10_000_000), 10_000
    )
    size: int = setting(
        "How many bytes of a topic's newest frames are held.",
        Number("bytes", 0, 1_073_741_824),
        4_194_304,
        key="bytes",
    )
    age: float = setting(
        "For how long a frame is held.", Number("seconds", 0, 86_400, False), 300.0
    )
    memory: int = setting(
        "How many bytes are held of all topics together; those quiet for longest give way.",
        Number("bytes", 0, 1_099_511_627_776),
        268_435_456,
    )
    replay: int = setting(
        "How many kept messages or table changes beyond those one subscription gets from the"
        " database when its client comes back.",
        Number("rows", 0, 10_000_000),
        10_000,
    )
    repeatWindow: float = setting(
        "For how long a publish with the same id, event and data from the same user counts as the"
        " same publish, sent again.",
        Number("seconds", 0, 86_400, False),
        120.0,
    )


@dataclass(frozen=True)
class TopicConfig:
    """
    What holds for topics whose path a pattern covers, where it is not what holds for all.
    """

    count: int | None = setting("As streams.count.", Number("frames", 0, 10_000_000), None)
    size: int | None = setting(
        "As streams.bytes.", Number("bytes", 0, 1_073_741_824), None, key="bytes"
    )
    age: float | None = setting("As streams.age.", Number("seconds", 0, 86_400, False), None)
    whenSlow: str = setting(
        "What becomes of frames for a client that reads too slowly: 'close' sends every one, and"
        " closes the client if too much waits; 'latest' sends of those with the same slow_key the"
        " newest only; 'newest' sends the topic's newest only.",
        Word(("close", "latest", "newest")),
        "close",
    )
    slowKey: str | None = setting(
        "For 'latest': the field of an event's data, or the column of a row, that tells frames"
        " apart. Where it is not set, it is the user who published the event.",
        Text("a field's name"),
        None,
    )


@dataclass(frozen=True)
class TableConfig:
    """
    Who may read tables whose names a pattern covers, and what of them.
    """

    read: tuple[str, ...] | None = setting(
        "Who may read: 'anonymous' is who has no credential, 'key' who has the public key, 'token'"
        " a user with a token. The secret key always may. Where it is not set, the project's"
        " default_read holds.",
        Many(Word(READERS)),
        None,
    )
    hidden: tuple[str, ...] = setting(
        "Columns that are never sent, to nobody.", Many(Text("a column's name")), ()
    )
    rows: str | None = setting(
        "Which rows may be read, by what the reader's token says. All, where it is not set.",
        Text("conditions such as 'owner_id = :sub AND team_id in :teams'"),
        None,
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
        "How many topics one connection may hold.", Number("topics", 1, 1_000_000), 1000
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
        "How many new connections a second are let in for long; more are told when to come back.",
        Number("connections a second", 0.1, 1_000_000, False, endless=True),
        None,
    )
    connectionsBurst: int = setting(
        "How many new connections are let in at once, after a pause.",
        Number("connections", 1, 10_000_000),
        1000,
    )
    lag: float | None = setting(
        "How far behind with its work the daemon may be before it lets nobody in until it has"
        " caught up.",
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


@dataclass(frozen=True)
class LogConfig:
    """What is logged, and how."""

    level: str = setting(
        "The least important events to log.",
        Word(("debug", "info", "warn", "error", "critical")),
        "info",
    )
    format: str = setting(
        "One line of text an event, or one JSON object.", Word(("text", "json")), "text"
    )


@dataclass(frozen=True)
class JWTConfig:
    """How a project's tokens are verified.  Either C{key} or C{jwks} is there."""

    algorithm: str = setting(
        "The only algorithm that a token may be signed with.", Word(ALGORITHMS)
    )
    key: str | None = setting(
        "The shared secret (HS*), at least as long as the hash, or the public key as PEM.",
        Secret("a shared secret or a PEM public key"),
        None,
        show=False,
    )
    jwks: Mapping[str, Any] | None = setting(
        "A file with a JSON Web Key Set, instead of key.",
        Text("a path, relative to this file"),
        None,
        key="jwks_file",
        show=False,
    )
    audience: str | None = setting(
        "What a token's aud must name. Where it is not set, aud is not looked at.",
        Text("an audience's name"),
        None,
    )
    issuer: str | None = setting(
        "What a token's iss must be. Where it is not set, iss is not looked at.",
        Text("an issuer's name"),
        None,
    )
    leeway: float = setting(
        "How far the issuer's clock may be off.", Number("seconds", 0, 600, False), 0.0
    )


@dataclass(frozen=True)
class ProjectConfig:
    """
    One project: its credentials, and who may connect.

    @ivar id: What C{projectId} names, and what the project's topics end in.
    """

    id: str
    publicKey: str | None = setting(
        "The API key that clients carry. It is in every browser, so it is no secret.",
        Secret("an API key", prefix="pk_", private=False),
        None,
        show=False,
    )
    secretKey: str | None = setting(
        "The API key that your servers carry. It may do everything in the project.",
        Secret("an API key", prefix="sk_"),
        None,
        show=False,
    )
    jwt: JWTConfig | None = field(
        default=None,
        metadata={
            "doc": "How users' tokens are verified. Without it no token is accepted.",
            "kind": Section(JWTConfig),
            "key": None,
        },
    )
    anonymous: bool = setting(
        "Let clients connect without a key and without a token.", Flag(), False
    )
    origins: tuple[str, ...] = setting(
        "The web pages that may connect, by origin; 'https://*.example.com' is those of all"
        " subdomains, ['*'] is every page. Programs that are no browser send no origin and are"
        " not held to this.",
        Many(Origin()),
        (),
    )
    defaultRead: tuple[str, ...] = setting(
        "Who may read the tables for which no rule says who.",
        Many(Word(READERS)),
        ("anonymous", "key"),
    )
    dbQuery: bool | None = setting(
        "Let servers with the secret key run SQL with db.query, on the whole database, the kept"
        " messages of all projects among it. Where it is not set, they may if there is no other"
        " project.",
        Flag(),
        None,
    )
    connections: int | None = setting(
        "How many connections the project may hold.",
        Number("connections", 1, 10_000_000, endless=True),
        None,
    )
    subscriptions: int | None = setting(
        "How many topics all of its connections together may be subscribed to.",
        Number("subscriptions", 1, 1_000_000_000, endless=True),
        None,
    )
    framesPerSecond: float | None = setting(
        "How many frames and HTTP requests a second all of its clients together may send for"
        " long, twice as many at once.",
        Number("frames a second", 0.1, 10_000_000, False, endless=True),
        None,
    )
    bytesPerSecond: int | None = setting(
        "How many bytes a second all of its clients together may send for long, twice as many"
        " at once.",
        Number("bytes a second", 1024, 1_000_000_000_000, endless=True),
        None,
    )
    tables: Mapping[str, TableConfig] | None = setting(
        "Rules for tables as the project sees them; they come before those for all projects.",
        Patterned(TableConfig),
        None,
    )


@dataclass(frozen=True)
class Config:
    """
    A whole configuration, valid.

    @ivar path: The file that it was read from.
    @ivar projects: Every project, by its id.
    @ivar topics: By patterns of topics' paths, those that come first first.
    @ivar tables: By patterns of tables' names, those that come first first.
    """

    path: Path
    server: ServerConfig
    database: DatabaseConfig
    tracker: TrackerConfig
    presence: PresenceConfig
    history: HistoryConfig
    streams: StreamsConfig
    limits: LimitsConfig
    log: LogConfig
    projects: Mapping[str, ProjectConfig]
    topics: Mapping[str, TopicConfig]
    tables: Mapping[str, TableConfig]


SECTIONS: dict[str, type] = {
    "server": ServerConfig,
    "database": DatabaseConfig,
    "tracker": TrackerConfig,
    "presence": PresenceConfig,
    "history": HistoryConfig,
    "streams": StreamsConfig,
    "limits": LimitsConfig,
    "log": LogConfig,
}


@dataclass(frozen=True)
class Key:
    """
    One key of a table of the configuration.

    @ivar name: Its name in TOML.
    @ivar attribute: Its name in the dataclass.
    @ivar default: The value where it is missing, C{MISSING} if it must be there.
    """

    name: str
    attribute: str
    doc: str
    kind: Kind
    default: Any

    @property
    def required(self) -> bool:
        """Whether the key must be there."""
        return self.default is MISSING


def keysOf(table: type) -> dict[str, Key]:
    """
    The keys of one table of the configuration, by name, in order.

    @param table: One of the dataclasses here.
    """
    keys = (_key(found) for found in fields(table) if found.metadata)
    return {key.name: key for key in keys}


def reference() -> Iterator[tuple[str, Key]]:
    """
    Every key there is, by its dotted name; C{<id>} stands for a project's id, C{<pattern>}
    for a pattern of topics or tables.
    """
    tables = [
        *SECTIONS.items(),
        ("topics.<pattern>", TopicConfig),
        ("tables.<pattern>", TableConfig),
        ("projects.<id>", ProjectConfig),
    ]
    for prefix, table in tables:
        for key in keysOf(table).values():
            if isinstance(key.kind, Section):
                tables.append((f"{prefix}.{key.name}", key.kind.table))
            elif isinstance(key.kind, Patterned):
                tables.append((f"{prefix}.{key.name}.<pattern>", key.kind.table))
            else:
                yield f"{prefix}.{key.name}", key


def _key(found: Field[Any]) -> Key:
    metadata = found.metadata
    name = metadata["key"] or re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", found.name)
    return Key(name, found.name, metadata["doc"], metadata["kind"], found.default)
