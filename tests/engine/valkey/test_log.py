"""
Tests for L{aerostack.engine.valkey.log}, against a real server.
"""

from __future__ import annotations

from tests.engine.logs import LogContract
from tests.engine.valkey.nodes import NodesCase


class ValkeyLogTests(NodesCase, LogContract):  # type: ignore[misc]
    """
    L{aerostack.engine.valkey.log.ValkeyLog} is a log as every other.
    """
