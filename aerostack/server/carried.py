"""
The configuration as the bytes that the hub sends to its workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import msgpack

from aerostack.settings.settings import Config, DatabaseConfig, EngineConfig


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, MappingProxyType | Mapping):
        return dict(value)
    raise TypeError(f"a configuration has no {type(value).__name__}")


def _built(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise TypeError(f"a configuration has no {kind.__name__}")


_encoder = msgpack.Encoder(enc_hook=_plain)
_decoder = msgpack.Decoder(Config, dec_hook=_built)


def encodeConfig(config: Config) -> bytes:
    """
    Encode a configuration for a worker.  The bytes have the projects' keys, but nothing of the
    database and the engine: workers do not use them.
    """
    return _encoder.encode(replace(config, database=DatabaseConfig(""), engine=EngineConfig()))


def decodeConfig(data: bytes) -> Config:
    """
    Decode what L{encodeConfig} has encoded.
    """
    return _decoder.decode(data)
