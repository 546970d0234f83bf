"""
The settings of the sections C{[tables.*]}: who may read which rows of a table.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.settings.fields import setting
from aerostack.settings.kinds import (
    Many,
    Text,
    Word,
)

READERS = ("anonymous", "key", "token")
"""The words for clients without a credential, with the public key, and with a token."""


@dataclass(frozen=True)
class TableConfig:
    """
    The rule for tables whose names match a pattern: who may read them, and which rows and columns.
    """

    read: tuple[str, ...] | None = setting(
        "Which clients may read: 'anonymous' without a credential, 'key' with the public key,"
        " 'token' with a token. A server with the secret key always may. Where it is not set, the"
        " project's default_read holds.",
        Many(Word(READERS)),
        None,
    )
    hidden: tuple[str, ...] = setting(
        "Columns that are never sent to any client.", Many(Text("a column's name")), ()
    )
    rows: str | None = setting(
        "Which rows may be read, by what the reader's token says. All, where it is not set.",
        Text("conditions such as 'owner_id = :sub AND team_id in :teams'"),
        None,
    )
