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


@dataclass(frozen=True)
class AIConfig:
    """Token streams."""

    models: Mapping[str, ModelConfig] | None = setting(
        "The models that the daemon asks, by the names that clients use.", Named(ModelConfig), None
    )
