"""
The settings of the section C{[ai]}: token streams, and the models that the daemon asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aerostack.settings.fields import setting
from aerostack.settings.kinds import Named, Number, Secret, Text, Values


@dataclass(frozen=True)
class ModelConfig:
    """A model that the daemon asks on behalf of clients."""

    url: str = setting(
        "Where the model is asked: the whole URL of an endpoint for chat completions as OpenAI's.",
        Text("a URL such as 'https://api.example.com/v1/chat/completions'", private=True),
    )
    key: str | None = setting(
        "The key for that endpoint. No client ever sees it.",
        Secret("a key"),
        None,
        show=False,
    )
    model: str | None = setting(
        "The model's name there. Where it is not set, it is the name of this table.",
        Text("a model's name"),
        None,
    )
    params: Mapping[str, Any] | None = setting(
        "Parameters of the request that hold where the client sends none, such as temperature.",
        Values(),
        None,
    )
    maxTokens: int | None = setting(
        "How many tokens an answer may have. A client may ask for less.",
        Number("tokens", 1, 100_000_000, endless=True),
        None,
    )
    requests: int = setting(
        "How many answers may run at the same time.", Number("answers", 1, 100_000), 100
    )
    connect: float = setting(
        "How long to wait for a connection.", Number("seconds", 0.1, 600, False), 10.0
    )
    first: float = setting(
        "How long to wait for the first token.", Number("seconds", 0.1, 3600, False), 120.0
    )
    idle: float = setting(
        "How long to wait for more, after which the answer counts as broken off.",
        Number("seconds", 0.1, 3600, False),
        60.0,
    )
    unwatched: float | None = setting(
        "After how long without a watcher the stream of an answer is cancelled, and the model let"
        " go. Where it is not set, streams go on.",
        Number("seconds", 5, 86_400, False),
        None,
    )


@dataclass(frozen=True)
class AIConfig:
    """Token streams."""

    textBytes: int = setting(
        "How much one stream may have, text and values together; a larger one ends as aborted.",
        Number("bytes", 4096, 67_108_864),
        4_194_304,
    )
    memory: int = setting(
        "How much all streams together may take.",
        Number("bytes", 65_536, 1_099_511_627_776),
        268_435_456,
    )
    topicStreams: int = setting(
        "How many streams may run on one topic.", Number("streams", 1, 10_000), 32
    )
    projectStreams: int = setting(
        "How many streams may run in one project.", Number("streams", 1, 1_000_000), 1000
    )
    parts: int = setting("How many parts one stream has.", Number("parts", 1, 100_000), 1000)
    valueBytes: int = setting(
        "The largest value of a part.", Number("bytes", 64, 16_777_216), 65_536
    )
    stalled: float = setting(
        "How long a stream goes on whose producer is there and sends nothing.",
        Number("seconds", 1, 86_400, False),
        600.0,
    )
    maxAge: float = setting(
        "How long any stream may run.", Number("seconds", 1, 604_800, False), 3600.0
    )
    linger: float = setting(
        "How long the text of a stream that has ended stays in memory for clients that come back;"
        " useful up to replay.age.",
        Number("seconds", 0, 86_400, False),
        300.0,
    )
    keepWait: float = setting(
        "How long the end of a stream waits for the database before watchers get it.",
        Number("seconds", 0, 600, False),
        5.0,
    )
    models: Mapping[str, ModelConfig] | None = setting(
        "The models that the daemon asks, by the names that clients use.", Named(ModelConfig), None
    )
