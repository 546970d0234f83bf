"""
The sections of the configuration.  Each setting has its name, its meaning, its allowed values and
its default.

The settings of the limits, of token streams, of a project and of a table are in
L{aerostack.settings.limits}, L{aerostack.settings.ai}, L{aerostack.settings.projects} and
L{aerostack.settings.tables}.
L{aerostack.config.loader} validates the configuration by these classes, and tests compare the
documentation with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aerostack.settings.ai import AIConfig
from aerostack.settings.fields import Key, keysOf, setting
from aerostack.settings.kinds import (
    Flag,
    Many,
    Named,
    Network,
    Number,
    NumberOrWord,
    Patterned,
    Secret,
    Section,
    Text,
    Word,
)
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.tables import TableConfig
from aerostack.settings.tracing import TracingConfig

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class ServerConfig:
    """The addresses that the daemon listens on, and how it serves them."""

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
        "The proxies in front of the daemon, by address or network; 'unix' is every program"
        " that connects through a Unix socket. The daemon takes the client's address from their"
        " X-Forwarded-For.",
        Many(Network()),
        (),
    )
    restartTime: float = setting(
        "How long the daemon is gone when it is restarted. When it stops, it asks its clients to"
        " come back no sooner.",
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
        "Serve the examples, under /examples/. Programs that connect through a listener with"
        " local=1 can make them write to the database, in the first project that is anonymous.",
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
    name: str | None = setting(
        "What this daemon is called among those that share an engine, in answers and for operators."
        " Where it is not set, it is the machine's name; two daemons on one machine need different"
        " ones.",
        Text("1 to 64 letters, digits, '_', '.' and '-'"),
        None,
    )
    workers: int | str = setting(
        "How many processes serve clients: 1 is the daemon's own process, with more the daemon"
        " starts so many workers beside it, and 'auto' is as many as there are processors.",
        NumberOrWord(Number("processes", 1, 64), "auto"),
        1,
    )
    workerMemory: int | str | None = setting(
        "How much memory a worker may have. The daemon replaces a worker that has more, and tells"
        " its clients when to come back. 'auto' is four fifths of the memory that the system"
        " lets the daemon have, divided by the number of workers.",
        NumberOrWord(Number("bytes", 16_777_216, 1_099_511_627_776, endless=True), "auto"),
        "auto",
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
    foreignKeys: bool = setting(
        "Whether db.query goes by the foreign keys of an SQLite database, as after PRAGMA"
        " foreign_keys = ON. Your own programs decide that for their own connections. PostgreSQL"
        " always goes by them.",
        Flag(),
        True,
    )

    @property
    def path(self) -> Path | None:
        """The SQLite database's file; L{None} if it is PostgreSQL's."""
        return Path(self.url.removeprefix(SQLITE)) if self.url.startswith(SQLITE) else None


@dataclass(frozen=True)
class EngineConfig:
    """The server over which several daemons share their topics."""

    url: str | None = setting(
        "The Valkey or Redis server that all daemons of one installation share. With valkeys:// or"
        " rediss:// the daemon uses TLS; several servers, separated by commas, are Sentinels."
        " Where it is not set, the daemon is alone.",
        Text(
            "valkey://host:6379/0, redis://host:6379/0, valkeys://user@host:6379/0 or"
            " valkey+sentinel://one:26379,two:26379/0?master=mymaster",
            private=True,
        ),
        None,
    )
    password: str | None = setting(
        "The password for the server.", Secret("a password"), None, show=False
    )
    sentinelPassword: str | None = setting(
        "The password for the Sentinels, if they ask for one.",
        Secret("a password"),
        None,
        show=False,
    )
    prefix: str = setting(
        "What the names of the daemon's keys begin with. Installations that share one server have"
        " different ones.",
        Text("1 to 32 letters, digits, '_', '.' and '-'"),
        "ar1",
    )
    patience: float = setting(
        "How long a publication waits for a server that does not answer, before its publisher gets"
        " an error.",
        Number("seconds", 0.1, 60, False),
        3.0,
    )


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
    emit: bool = setting(
        "Let transactions emit events: by the function aerostack.emit on PostgreSQL, by the table"
        " aerostack_emit on SQLite. The daemon creates it in your database.",
        Flag(),
        False,
    )


@dataclass(frozen=True)
class PresenceConfig:
    """The members of topics."""

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
class ReplayConfig:
    """How much a client that comes back gets of what it missed."""

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
        "How many bytes are held of all topics; the project that holds the most gives way.",
        Number("bytes", 0, 1_099_511_627_776),
        268_435_456,
    )
    replay: int = setting(
        "How many kept messages or table changes beyond those one subscription gets from the"
        " database when its client comes back.",
        Number("rows", 0, 10_000_000),
        10_000,
    )
    stateMemory: int = setting(
        "How many bytes the values of keyed topics have in one project.",
        Number("bytes", 1_024, 1_099_511_627_776),
        67_108_864,
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

    count: int | None = setting("As replay.count.", Number("frames", 0, 10_000_000), None)
    size: int | None = setting(
        "As replay.bytes.", Number("bytes", 0, 1_073_741_824), None, key="bytes"
    )
    age: float | None = setting("As replay.age.", Number("seconds", 0, 86_400, False), None)
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
    rewind: int = setting(
        "With how many of the topic's newest frames a subscription begins whose client does not ask"
        " for a number. Not for tables. At most limits.rewind.",
        Number("frames", 0, 10_000),
        0,
    )
    compact: bool = setting(
        "Let a publication replace older kept messages of its topic. The messages of such a topic"
        " do not expire; where it has history.max_count of them, further ones are refused.",
        Flag(),
        False,
    )
    keyed: bool = setting(
        "Whether publications have keys, and the daemon has the newest value of each key.",
        Flag(),
        False,
    )
    ttl: float | None = setting(
        "After how long a value of a keyed topic ends that is not published again.",
        Number("seconds", 1, 31_536_000, False),
        None,
    )
    keys: int = setting(
        "How many keys of a keyed topic have values.", Number("keys", 1, 1_000_000), 10_000
    )
    stateBytes: int = setting(
        "How many bytes the values of a keyed topic have.",
        Number("bytes", 1_024, 1_073_741_824),
        16_777_216,
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
class Config:
    """
    A whole configuration, valid.

    @ivar path: The file that it was read from.
    @ivar projects: Every project, by its id.
    @ivar topics: By patterns of topics' paths, those that come first first.
    @ivar tables: By patterns of tables' names, those that come first first.
    @ivar warnings: What the operator should change in the file, one sentence each; the daemon
        runs with it all the same.
    """

    path: Path
    server: ServerConfig
    database: DatabaseConfig
    tracker: TrackerConfig
    presence: PresenceConfig
    history: HistoryConfig
    replay: ReplayConfig
    limits: LimitsConfig
    log: LogConfig
    projects: Mapping[str, ProjectConfig]
    topics: Mapping[str, TopicConfig]
    tables: Mapping[str, TableConfig]
    engine: EngineConfig = EngineConfig()
    ai: AIConfig = field(default_factory=AIConfig)
    tracing: TracingConfig = field(default_factory=TracingConfig)
    warnings: tuple[str, ...] = ()


SECTIONS: dict[str, type] = {
    "server": ServerConfig,
    "database": DatabaseConfig,
    "engine": EngineConfig,
    "tracker": TrackerConfig,
    "presence": PresenceConfig,
    "history": HistoryConfig,
    "replay": ReplayConfig,
    "limits": LimitsConfig,
    "ai": AIConfig,
    "tracing": TracingConfig,
    "log": LogConfig,
}

FORMER_NAMES: dict[str, str] = {"replay": "streams"}
"""The names that sections had in earlier versions.  The daemon still reads them."""


def reference() -> Iterator[tuple[str, Key]]:
    """
    Every key there is, by its dotted name; C{<id>} stands for a project's id, C{<pattern>}
    for a pattern of topics or tables, C{<name>} for a model's name.
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
            elif isinstance(key.kind, Named):
                tables.append((f"{prefix}.{key.name}.<name>", key.kind.table))
            else:
                yield f"{prefix}.{key.name}", key
