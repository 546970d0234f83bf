"""
Tests for L{aerostack.engine.valkey.roster}, against a real server.
"""

from __future__ import annotations

from tests.engine.rostercontract import RosterContract
from tests.engine.valkey.rosters import RosterCase


class ValkeyRosterTests(RosterCase, RosterContract):  # type: ignore[misc]
    """
    L{aerostack.engine.valkey.roster.ValkeyRoster} decides as every other roster.
    """
