"""
Decides which clients may read a table, and which rows and columns of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from aerostack.core.access.permissions import Identity, Role
from aerostack.core.access.rowrules import RowRule, Wanted, parseRows
from aerostack.core.rows.columns import Columns, ColumnType
from aerostack.core.rows.conditions import Condition, makeCondition
from aerostack.core.rows.views import Projection, View, parseView
from aerostack.core.topics.patterns import Patterns
from aerostack.errors import RealtimeError
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.tables import TableConfig

READER_ROLES: Mapping[str, Role] = MappingProxyType(
    {"anonymous": Role.ANONYMOUS, "key": Role.PUBLIC, "token": Role.TOKEN}
)
"""The roles that a configuration may allow to read a table, by its words for them.  The secret key
is always allowed."""


class UnfitRule(Exception):
    """
    A rule does not fit its table, so no client may read the table.  The message is for the
    operator's log: clients must not learn the contents of rules.
    """


@dataclass(frozen=True)
class Grant:
    """
    What a client may read of a table.

    @ivar rows: The conditions that every readable row meets.
    @ivar hidden: Columns that are not sent.
    @ivar exact: Whether the rule names this one table, so that the table should have all columns
        of the rule.
    """

    table: str
    rows: tuple[Wanted, ...] = ()
    hidden: frozenset[str] = frozenset()
    exact: bool = False

    @property
    def isWhole(self) -> bool:
        """Whether the client may read all rows and columns."""
        return not self.rows and not self.hidden

    def conditions(self, columns: Columns) -> tuple[Condition, ...]:
        """
        The conditions for every row, by the columns that the table has.

        @raise UnfitRule: The rule does not fit the table.
        @raise RealtimeError: C{forbidden}: a claim cannot be compared with its column.
        """
        for name in sorted(self.hidden):
            if self.exact and name not in columns:
                # The column may be there under another name.
                raise UnfitRule(f"{name}: the table has no such column to hide")
        return tuple(self._condition(columns, wanted) for wanted in self.rows)

    def view(
        self,
        columns: Columns,
        filter: Mapping[str, Any] | None,
        chosen: Sequence[str] | None,
        event: Any,
    ) -> View | None:
        """
        Make the view of a client that may read this, and asks for all of it or less.  The
        parameters are those of L{parseView}.

        @raise UnfitRule: See L{conditions}.
        @raise RealtimeError: See L{conditions} and L{parseView}.
        """
        rule = self.conditions(columns)
        view = parseView(columns, filter, chosen, event, rule, self.hidden)
        if view is None or not self.hidden or chosen is not None:
            return view
        # A row of the past may have a hidden column under an older name.  So the view lists the
        # columns that are sent, not those that are hidden.
        visible = columns.keys() - self.hidden
        return replace(view, projection=Projection(frozenset(visible), self.hidden))

    def _condition(self, columns: Columns, wanted: Wanted) -> Condition:
        try:
            if wanted.claim is not None and columns.get(wanted.column) is ColumnType.NUMBER:
                _checkNumbers(wanted.value)
            return makeCondition(columns, wanted.column, wanted.operator, wanted.value)
        except ValueError as error:
            if wanted.column in columns and wanted.claim is not None:
                raise RealtimeError(
                    "forbidden",
                    f"The token does not tell which rows of {self.table} may be read: its claim"
                    f" {wanted.claim} is of another type than it should be.",
                ) from None
            raise UnfitRule(f"{wanted.column}: {error}") from None


# Only one of the texts that mean a number is its canonical form.
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?")


def _checkNumbers(value: object) -> None:
    """Refuse a claim that is not a number's canonical form, such as "07": users differ by it."""
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, str) and (each == "-0" or not _NUMBER.fullmatch(each)):
            raise ValueError("no number as it is written")


@dataclass(frozen=True)
class TableRule:
    """
    A rule for some tables.

    @ivar readers: The roles that may read; L{None} for the project's default.
    @ivar hidden: Columns that are never sent.
    @ivar rows: The rule for rows; L{None} for all rows.
    @ivar exact: See L{Grant}.
    """

    readers: frozenset[Role] | None = None
    hidden: frozenset[str] = frozenset()
    rows: RowRule | None = None
    exact: bool = False


_NO_RULE = TableRule()


class Access:
    """
    Decides which clients may read which tables, by the rules of the configuration.
    """

    def __init__(
        self, projects: Mapping[str, ProjectConfig], tables: Mapping[str, TableConfig]
    ) -> None:
        """
        @param projects: The projects by id.
        @param tables: The rules for all projects, by patterns for the names of tables.
        """
        self._projects = {
            project.id: _ProjectRules(
                [
                    (Patterns([pattern]), _tableRule(pattern, rule))
                    for pattern, rule in (*(project.tables or {}).items(), *tables.items())
                ],
                _readers(project.defaultRead),
            )
            for project in projects.values()
        }

    def grant(self, identity: Identity, table: str) -> Grant:
        """
        Decide what a client may read of a table.

        @raise RealtimeError: C{forbidden}, or C{unknown_project} (the project was taken out of the
            configuration): the client may read nothing.
        """
        project = self._projects.get(identity.project)
        if project is None:
            raise RealtimeError("unknown_project", "The connection's project is gone.")
        rule = project.of(table)
        if identity.role is Role.SECRET:
            return Grant(table, (), rule.hidden, rule.exact)
        readers = project.readers if rule.readers is None else rule.readers
        if identity.role not in readers:
            raise RealtimeError(
                "forbidden",
                f"The table {table} may not be read {_WITH[identity.role]};"
                " tables.<pattern>.read and the project's default_read say who may.",
            )
        rows = () if rule.rows is None else _bind(rule.rows, identity, table)
        return Grant(table, rows, rule.hidden, rule.exact)


def _bind(rows: RowRule, identity: Identity, table: str) -> tuple[Wanted, ...]:
    if identity.claims is None and rows.needsToken:
        raise RealtimeError(
            "forbidden", f"Which rows of {table} may be read, only a token can tell."
        )
    try:
        return rows.bind(identity.claims or {})
    except ValueError as error:
        raise RealtimeError(
            "forbidden", f"The token does not tell which rows of {table} may be read: {error}."
        ) from None


@dataclass(frozen=True)
class _ProjectRules:
    """
    The rules of one project.

    @ivar rules: Pairs of a pattern for the names of tables and a rule.  The first that matches a
        table holds.
    @ivar readers: The roles that may read if a rule does not say.
    """

    rules: Sequence[tuple[Patterns, TableRule]]
    readers: frozenset[Role]

    def of(self, table: str) -> TableRule:
        """The rule of a table."""
        return next((rule for pattern, rule in self.rules if pattern.match(table)), _NO_RULE)


def _tableRule(pattern: str, config: TableConfig) -> TableRule:
    return TableRule(
        None if config.read is None else _readers(config.read),
        frozenset(config.hidden),
        None if config.rows is None else parseRows(config.rows),
        "*" not in pattern,
    )


def _readers(words: Iterable[str]) -> frozenset[Role]:
    return frozenset(READER_ROLES[word] for word in words)


_WITH = {
    Role.ANONYMOUS: "without a key and without a token",
    Role.PUBLIC: "with the public key alone",
    Role.TOKEN: "with a token",
}
