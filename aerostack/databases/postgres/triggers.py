"""
Writes the triggers of a PostgreSQL table from its description.  Nothing here uses a database.

The followed table and each table that holds rows of it get four triggers: after an INSERT, an
UPDATE and a DELETE, once a statement, and before a TRUNCATE.  A statement fires only the triggers
of the table that it names, so that no row is reported twice.  The triggers must never make a
statement of the user's fail.  That has consequences for their text:

  - They copy rows whole, as C{to_json} writes them.  They name no column, so that columns can
    come and go.  (C{to_jsonb} would refuse some values of the type C{json}.)
  - The functions run with the rights of their owner, so that writers need no rights on the
    daemon's tables, and with their own search path and formats, so that those of the writers do
    not matter.
  - For that reason they call nothing that other roles can define.  C{to_json} calls a cast that
    the owner of a type has made, so values of such types are written as text, by the type's own
    output function.  The functions look the columns up each time, because a column may have come,
    or changed its type, since the function was made.
  - A column that is named like one of their variables cannot confuse them
    (C{#variable_conflict}).

The two transition tables of an UPDATE are filled in lockstep, also for rows that move to another
partition; so old and new rows are paired by their order.  A trigger of that partition may keep a
row from arriving, and then the pairs are unknown: all old rows are reported as deleted and all
new ones as inserted, which has the same result.

A trigger of the user's that changes rows again runs, if it is a row trigger, before the statement
triggers: its change would be reported before the one that fired it.  On a table with such
triggers the daemon reserves the place of the first statement's entries in time: a row trigger,
the first by its name, notes a number in a setting of the transaction, where the statement trigger
finds it.  The setting is kept for each depth of triggers, because a statement within the
statement has its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aerostack.databases.identifiers import quoteIdentifier
from aerostack.databases.postgres.catalog import SCHEMA, Column, Member, Table, codeSQL
from aerostack.databases.postgres.rowsql import valuesSQL
from aerostack.databases.postgres.settings import FORMATS, SEARCH_PATH

CHANNEL = "_aerostack"
"""The channel on which triggers notify readers."""

_FUNCTION = re.compile(r"(?:capture|enter|reserve)_(\d+)(?:_(\d+))?")

# The first of all triggers by its name, and the last.
_FIRST = "!_aerostack"
_LAST = "~_aerostack"

_EARLY = "'_aerostack.early_' || pg_trigger_depth()"

FIRST_FOREIGN = 16384
"""The first number of a type that the server did not define itself."""

_QUOTE, _LIST = "$_aerostack$", "$_list$"

_ATTRIBUTES = (
    "pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped"
    " AND a.attgenerated <> 'v'"
)

_FORMATS = " ".join(f"SET {name} = '{value}'" for name, value in FORMATS.items())


@dataclass(frozen=True)
class Trigger:
    """
    One trigger.

    @ivar relation: The table that it is on.
    @ivar sql: The statement that creates it.
    """

    relation: int
    name: str
    sql: str


@dataclass(frozen=True)
class Equipment:
    """
    The triggers and functions that record the changes of one table.

    @ivar functions: Statements that create or replace the functions, by their names.
    """

    functions: dict[str, str]
    triggers: tuple[Trigger, ...]

    @property
    def digest(self) -> str:
        """Identifies this equipment."""
        text = repr((sorted(self.functions.items()), self.triggers))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class RecordingOptions:
    """
    The options of recording that are the same for all tables.

    @ivar until: When to stop unless a daemon says that it reads the journal, ms.
    @ivar notifies: Whether writers notify readers.
    @ivar rowLimit: The highest number of rows of a truncated table for which each row is
        reported.
    """

    until: int
    notifies: bool
    rowLimit: int


def parseFunction(name: str) -> tuple[int, int | None] | None:
    """
    Read from a function's name for what it was made: the number of the followed table, and which
    of the tables that hold its rows, if it is for only one.  L{None} if it is not the daemon's.
    """
    match = _FUNCTION.fullmatch(name)
    if match is None:
        return None
    tid, oid = match.groups()
    return int(tid), None if oid is None else int(oid)


def silentFunction(name: str) -> str:
    """
    Write a function that does nothing, to replace another: unlike dropping a trigger, that needs
    no lock on the table.
    """
    return _function(name, "", "BEGIN\n  RETURN NULL;\nEND\n")


def buildEquipment(tid: int, table: Table, reserves: bool, options: RecordingOptions) -> Equipment:
    """
    Write a table's triggers and their functions.

    @param tid: The table's number.
    @param reserves: Whether to reserve places for statements whose row triggers run before.
    """
    functions: dict[str, str] = {}
    triggers: list[Trigger] = []
    known = _Known(table.columns)
    moves = not table.members[0].hasRows
    for member in table.members:
        function = f"capture_{tid}_{member.oid}"
        functions[function] = _capture(function, tid, reserves, moves, known, options)
        for letter, event, tables in (
            ("i", "AFTER INSERT", " REFERENCING NEW TABLE AS _aerostack_new"),
            (
                "u",
                "AFTER UPDATE",
                " REFERENCING OLD TABLE AS _aerostack_old NEW TABLE AS _aerostack_new",
            ),
            ("d", "AFTER DELETE", " REFERENCING OLD TABLE AS _aerostack_old"),
            ("t", "BEFORE TRUNCATE", ""),
        ):
            if letter == "t" and not member.hasRows:
                continue
            triggers.append(
                _trigger(f"{_FIRST}_{tid}_{letter}", event, member, tables, "STATEMENT", function)
            )
    if reserves:
        functions[f"enter_{tid}"] = _enter(f"enter_{tid}")
        functions[f"reserve_{tid}"] = _reserve(f"reserve_{tid}")
        writes = "INSERT OR UPDATE OR DELETE"
        for member in table.members:
            triggers.append(
                _trigger(
                    f"{_LAST}_{tid}", f"BEFORE {writes}", member, "", "STATEMENT", f"enter_{tid}"
                )
            )
            if member is table.members[0] or table.members[0].hasRows:
                # Partitions get the trigger of their root.
                triggers.append(
                    _trigger(
                        f"{_FIRST}_{tid}", f"AFTER {writes}", member, "", "ROW", f"reserve_{tid}"
                    )
                )
    return Equipment(functions, tuple(triggers))


def _trigger(
    name: str, event: str, member: Member, tables: str, each: str, function: str
) -> Trigger:
    return Trigger(
        member.oid,
        name,
        f"CREATE TRIGGER {quoteIdentifier(name)} {event} ON {member.sql}{tables}"
        f" FOR EACH {each} EXECUTE FUNCTION {SCHEMA}.{quoteIdentifier(function)}()",
    )


class _Known:
    """
    What the functions know of the columns of their table, as it was when they were made.

    @ivar types: The types, besides the server's own, whose conversions only a superuser can
        define.
    @ivar all: All columns of C{n}, as an SQL string.
    @ivar isOther: A condition: the columns have changed in a way that matters.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        numbers = {c.oid for c in columns if not c.isForeign and c.oid >= FIRST_FOREIGN}
        self.types = f"'{{{','.join(map(str, sorted(numbers)))}}}'"
        self._values: str | None = None
        foreign = f"a.atttypid >= {FIRST_FOREIGN} AND a.atttypid <> ALL ({self.types})"
        self.isOther = f"EXISTS (SELECT FROM {_ATTRIBUTES} AND {foreign})"
        if any(column.isForeign for column in columns):
            self._values = valuesSQL(columns)
            told = ",".join(f"{c.oid} {c.name}" for c in columns if not c.isVirtual)
            digest = hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()
            self.isOther = (
                "(SELECT md5(string_agg(concat_ws(' ', a.atttypid, a.attname), ','"
                f" ORDER BY a.attnum)) FROM {_ATTRIBUTES}) IS DISTINCT FROM '{digest}'"
            )
            if any(quote in self._values for quote in (_QUOTE, _LIST)):
                # The quotes would end the function's text.
                self._values, self.isOther = None, "true"

        self.all = "$$n.*$$" if self._values is None else f"{_LIST}{self._values}{_LIST}"

    def rows(self, source: str) -> str:
        """
        The end of a query for the rows of a table, valid while the columns have not changed.
        """
        if self._values is None:
            return f"to_json(n.*) FROM {source} AS n"
        return f"to_json(r.*) FROM (SELECT {self._values} FROM {source} AS n) AS r"


def _function(name: str, settings: str, body: str) -> str:
    # With the temporary schema last, no role can hide the daemon's objects by its own.
    return (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{quoteIdentifier(name)}() RETURNS trigger"
        f" LANGUAGE plpgsql SECURITY DEFINER SET search_path = {SEARCH_PATH} {settings}"
        f" AS {_QUOTE}\n#variable_conflict use_variable\n{body}{_QUOTE}"
    )


def _capture(
    function: str, tid: int, reserves: bool, moves: bool, known: _Known, options: RecordingOptions
) -> str:
    """
    Write the function that records what a statement did.

    @param moves: Whether rows may move to another partition.
    """
    until = datetime.fromtimestamp(options.until / 1000, UTC).isoformat()
    early = f"nullif(current_setting({_EARLY}, true), '')::bigint" if reserves else "NULL"
    into = f"INSERT INTO {SCHEMA}.captured (xid, early, tid, op, at"
    head = f"pg_current_xact_id(), _early, {tid}"
    wake = f"PERFORM pg_notify('{CHANNEL}', '');" if options.notifies else ""
    told = f"IF _rows > 0 THEN {wake} END IF;" if options.notifies else ""

    def enter(operation: str, column: str, source: str) -> str:
        """Enter all rows of a transition table."""
        values = f"pg_current_xact_id(), %s, {tid}, '{operation}', clock_timestamp()"
        return f"""
    IF _columns IS NULL THEN
      {into}, {column}) SELECT {values % "_early"}, {known.rows(source)};
    ELSE
      EXECUTE format($${into}, {column}) SELECT {values % "$1"}, to_json(r.*)
        FROM (SELECT %s FROM {source} AS n) AS r$$, _columns) USING _early;
    END IF;
    GET DIAGNOSTICS _count = ROW_COUNT;
    _rows := _rows + _count;"""

    pair = f"""FETCH _olds INTO _old;
        {into}, new, old) VALUES ({head}, 'U', clock_timestamp(), _new, _old);
        _rows := 1;"""
    update = f"""
    IF _columns IS NULL THEN
      OPEN _olds FOR SELECT {known.rows("_aerostack_old")};
      FOR _new IN SELECT {known.rows("_aerostack_new")} LOOP
        {pair}
      END LOOP;
    ELSE
      _source := 'SELECT to_json(r.*) FROM (SELECT %s FROM %s AS n) AS r';
      OPEN _olds FOR EXECUTE format(_source, _columns, '_aerostack_old');
      FOR _new IN EXECUTE format(_source, _columns, '_aerostack_new') LOOP
        {pair}
      END LOOP;
    END IF;
    CLOSE _olds;"""
    if moves:
        update = f"""
    IF (SELECT count(*) FROM _aerostack_new) = (SELECT count(*) FROM _aerostack_old) THEN
      {update}
    ELSE
      {enter("D", "old", "_aerostack_old")}
      {enter("I", "new", "_aerostack_new")}
    END IF;"""
    return _function(
        function,
        _FORMATS,
        f"""DECLARE
  _early bigint := {early};
  _olds refcursor;
  _old json;
  _new json;
  _source text;
  _columns text;
  _count bigint;
  _rows bigint := 0;
BEGIN
  IF clock_timestamp() > '{until}'::timestamptz THEN
    RETURN NULL;
  END IF;
  IF {known.isOther} THEN
    SELECT string_agg(format(CASE
        WHEN a.atttypid < {FIRST_FOREIGN} OR a.atttypid = ANY ({known.types}) THEN 'n.%1$I'
        ELSE 'CASE WHEN num_nulls(n.%1$I) = 0 THEN format(''%%s'', n.%1$I) END AS %1$I'
      END, a.attname), ', ' ORDER BY a.attnum)
    INTO _columns FROM {_ATTRIBUTES};
  END IF;
  IF TG_OP = 'INSERT' THEN {enter("I", "new", "_aerostack_new")}
    {told}
  ELSIF TG_OP = 'DELETE' THEN {enter("D", "old", "_aerostack_old")}
    {told}
  ELSIF TG_OP = 'UPDATE' THEN {update}
    {told}
  ELSE
    _rows := NULL;
    -- A snapshot that is older than the lock would not show all that goes.
    IF current_setting('transaction_isolation') LIKE 'read %'
      AND has_schema_privilege(TG_TABLE_SCHEMA, 'USAGE')
      AND has_table_privilege(TG_RELID, 'SELECT') AND NOT row_security_active(TG_RELID)
      AND {codeSQL("TG_RELID")} IS NULL
    THEN
      _source := format('ONLY %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
      EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT {options.rowLimit + 1}) AS few',
        _source) INTO _rows;
    END IF;
    IF _rows <= {options.rowLimit} THEN
      EXECUTE format($${into}, old)
        SELECT pg_current_xact_id(), NULL, {tid}, 'D', clock_timestamp(), to_json(r.*)
        FROM (SELECT %s FROM %s AS n) AS r$$, coalesce(_columns, {known.all}), _source);
    ELSE
      {into}) VALUES ({head}, 'T', clock_timestamp());
    END IF;
    {wake}
  END IF;
  RETURN NULL;
END
""",
    )


def _enter(function: str) -> str:
    """
    Write the function that begins a statement whose place may be reserved.
    """
    return _function(
        function,
        "",
        f"""BEGIN
  PERFORM set_config({_EARLY}, '', true);
  RETURN NULL;
END
""",
    )


def _reserve(function: str) -> str:
    """
    Write the function that reserves a statement's place, at the first row that it changes.
    """
    return _function(
        function,
        "",
        f"""BEGIN
  IF coalesce(current_setting({_EARLY}, true), '') = '' THEN
    PERFORM set_config({_EARLY}, nextval('{SCHEMA}.captured_id_seq')::text, true);
  END IF;
  RETURN NULL;
END
""",
    )
