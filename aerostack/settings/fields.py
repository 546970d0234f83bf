"""
Declares settings as fields of dataclasses.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from aerostack.settings.kinds import (
    Kind,
)


def setting(
    doc: str, kind: Kind, default: Any = MISSING, *, key: str | None = None, show: bool = True
) -> Any:
    """
    Make a dataclass field that is also a key of the configuration.

    @param doc: One or two sentences about what the setting does.
    @param default: The value if the key is missing, in the unit of the file.  A field without a
        default must be set.
    @param key: The name in TOML, if it is not the attribute's in snake_case.
    @param show: Whether the value may appear in a C{repr}.
    """
    metadata = {"doc": doc, "kind": kind, "key": key}
    return field(default=default, repr=show, metadata=metadata)


@dataclass(frozen=True)
class Key:
    """
    One key of a table of the configuration.

    @ivar name: Its name in TOML.
    @ivar attribute: Its name in the dataclass.
    @ivar default: The value if the key is missing; C{MISSING} if it must be there.
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


def _key(found: Field[Any]) -> Key:
    metadata = found.metadata
    name = metadata["key"] or re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", found.name)
    return Key(name, found.name, metadata["doc"], metadata["kind"], found.default)
