"""
Reads the tables of the configuration file by their settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from aerostack.config.problems import Problems
from aerostack.config.secrets import suggest
from aerostack.settings.fields import Key, keysOf
from aerostack.settings.kinds import describe
from aerostack.settings.settings import TopicConfig
from aerostack.settings.tables import TableConfig

T = TypeVar("T")

_EXAMPLES: dict[type, str] = {TopicConfig: "cursors/*", TableConfig: "shop_*"}


class SectionReader:
    """
    Reads one table after the other, and notes the mistakes in them.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def refuseUnknown(self, table: dict[str, Any], known: list[str], prefix: str) -> None:
        """
        Note every key of a table that is no setting.

        @param prefix: The table's dotted key; empty for the whole file.
        """
        for name in table:
            if name not in known:
                where = f"in [{prefix}]" if prefix else "at the top"
                hint = suggest(name, known) or f"; allowed {where}: {', '.join(known)}"
                dotted = f"{prefix}.{name}" if prefix else name
                self._problems.add(dotted, f"is an unknown key{hint}")

    def read(self, cls: type, table: dict[str, Any], prefix: str) -> dict[str, Any] | None:
        """
        Read one table's values, by attribute.

        @return: L{None} if a required value is missing or has a mistake.
        """
        keys = keysOf(cls)
        self.refuseUnknown(table, list(keys), prefix)
        values: dict[str, Any] = {}
        complete = True
        for name, key in keys.items():
            dotted = f"{prefix}.{name}"
            try:
                values[key.attribute] = self.value(key, table)
            except ValueError as error:
                self._problems.add(dotted, f"{error}; allowed is {key.kind.allowed()}")
                if key.required:
                    complete = False
                else:
                    values[key.attribute] = key.default
        return values if complete else None

    def readPatterned(self, cls: type[T], tables: object, prefix: str) -> Mapping[str, T]:
        """
        Read tables that have patterns as names.

        @param cls: The class for each table.  All its settings have defaults.
        """
        found: dict[str, T] = {}
        if not isinstance(tables, dict):
            allowed = f"tables such as [{prefix}.'{_EXAMPLES[cls]}']"
            self._problems.add(prefix, f"is {describe(tables)}; allowed are {allowed}")
            return found
        for pattern, table in tables.items():
            key = f"{prefix}.'{pattern}'"
            if not isinstance(table, dict):
                self._problems.add(key, f"is {describe(table)}; allowed is a table, [{key}]")
                continue
            values = self.read(cls, table, key)
            assert values is not None, "every setting under a pattern has a default"
            found[pattern] = cls(**values)
        return MappingProxyType(found)

    def value(self, key: Key, table: dict[str, Any]) -> Any:
        """
        Read one value of a table.

        @raise ValueError: It is missing, or has a mistake.
        """
        if key.name in table:
            try:
                return key.kind.read(table[key.name])
            except ValueError as error:
                raise ValueError(f"is {error}") from None
        if key.required:
            raise ValueError("is missing")
        return key.default
