"""
The SQL of the triggers on a PostgreSQL table, from its description.  Nothing here touches
a database.

On the followed table and on each that holds rows of it stand four triggers: after an
INSERT, an UPDATE and a DELETE, once a statement, and before a TRUNCATE.  A statement fires
only the triggers of the table that it names, so that none of its rows is told twice.  What
they may never do is to make a statement of the user's fail, and that shapes their text:

  - Rows are copied whole, as C{to_json} writes them.  No column is named, so that columns
    come and go as they like.  (C{to_jsonb} would refuse some values of the type C{json}.)
  - The functions run with the rights of their owner, so that writers need none on our
    tables, and with a search path and formats of their own, so that the writers' do not
    matter.
  - A column that is named like a variable of theirs cannot confuse them
    (C{#variable_conflict}).

The two transition tables of an UPDATE are filled in lockstep, also for rows that move to
another partition; so old and new rows are paired by their order.

A trigger of the user's that changes rows again runs, if it is one for each row, before
those for the statement: its change would be told before the one that set it off.  On a
table that has such triggers ours reserves the place of the first statement's entries in
time: a trigger for each row, the first by its name, notes a number in a setting of the
transaction, where the statement's trigger finds it.  It is kept by the depth of triggers,
because a statement within the statement has its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aerostack.core.identifiers import quoteIdentifier
from aerostack.tracker.postgrescatalog import SCHEMA, Column, Member, Table

CHANNEL = "_aerostack"
"""Where it is notified that there is something to read."""

FORMATS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
}
"""The settings by which values are written."""

# To give a function a setting costs each call of it, so it gets those alone that the types
# of a table's columns ask for; types that are not here get all of them.
_NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("bool", "int2", "int4", "int8", "numeric", "text", "varchar", "bpchar", "name"),
            *("uuid", "json", "jsonb", "date", "timestamp", "time", "inet", "cidr", "xml"),
        ),
        (),
    ),
    **dict.fromkeys(("timestamptz", "timetz"), ("TimeZone",)),
    **dict.fromkeys(("float4", "float8"), ("extra_float_digits",)),
    "bytea": ("bytea_output",),
    "interval": ("IntervalStyle",),
}

_FUNCTION = re.compile(r"(?:capture|enter|reserve)_(\d+)(?:_(\d+))?")

# The first of all triggers by its name, and the last.
_FIRST = "!_aerostack"
_LAST = "~_aerostack"

_EARLY = "'_aerostack.early_' || pg_trigger_depth()"


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
    What records the changes of one table.

    @ivar functions: Statements that create the functions, or put them in the place of what
        they were, by their names.
    """

    functions: dict[str, str]
    triggers: tuple[Trigger, ...]

    @property
    def digest(self) -> str:
        """Tells this equipment from any other."""
        text = repr((sorted(self.functions.items()), self.triggers))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Manner:
    """
    How changes are recorded, whatever the table.

    @ivar until: When to stop if nobody says that the journal is read, ms.
    @ivar notifies: Whether readers are notified.
    @ivar toldRows: How many rows of a truncated table are told one by one.
    """

    until: int
    notifies: bool
    toldRows: int


def parseFunction(name: str) -> tuple[int, int | None] | None:
    """
    Tell what a function was made for from its name: the number of the table, and which of
    the tables that hold its rows, if it is for one alone.  L{None} if it is not ours.
    """
    match = _FUNCTION.fullmatch(name)
    if match is None:
        return None
    tid, oid = match.groups()
    return int(tid), None if oid is None else int(oid)


def silentFunction(name: str) -> str:
    """
    Write a function that does nothing, to be put in the place of another: unlike taking a
    trigger off, that waits for nobody.
    """
    return _function(name, "", "BEGIN\n  RETURN NULL;\nEND\n")


def buildEquipment(tid: int, table: Table, reserves: bool, manner: Manner) -> Equipment:
    """
    Write a table's triggers, and their functions.

    @param tid: The table's number.
    @param reserves: Whether places are reserved for statements whose row triggers run
        before.
    """
    functions: dict[str, str] = {}
    triggers: list[Trigger] = []
    settings = _settings(table.columns)
    for member in table.members:
        function = f"capture_{tid}_{member.oid}"
        functions[function] = _capture(function, tid, reserves, manner, settings)
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


def _settings(columns: Sequence[Column]) -> str:
    needed: set[str] = set()
    for column in columns:
        kind = column.element if column.category == "A" else column.base
        needed.update(_NEEDED.get(kind, FORMATS))
    return " ".join(
        f"SET {setting} = '{value}'" for setting, value in FORMATS.items() if setting in needed
    )


def _function(name: str, settings: str, body: str) -> str:
    # With the temporary tables last nobody can put something in the place of ours.
    return (
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{quoteIdentifier(name)}() RETURNS trigger"
        f" LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp {settings}"
        f" AS $_aerostack$\n#variable_conflict use_variable\n{body}$_aerostack$"
    )


def _capture(function: str, tid: int, reserves: bool, manner: Manner, settings: str) -> str:
    """
    Write the function that records what a statement did.
    """
    until = datetime.fromtimestamp(manner.until / 1000, UTC).isoformat()
    early = f"nullif(current_setting({_EARLY}, true), '')::bigint" if reserves else "NULL"
    into = f"INSERT INTO {SCHEMA}.captured (xid, early, tid, op, at"
    head = f"pg_current_xact_id(), _early, {tid}"
    wake = f"PERFORM pg_notify('{CHANNEL}', '');" if manner.notifies else ""
    told = f"IF FOUND THEN {wake} END IF;" if manner.notifies else ""
    return _function(
        function,
        settings,
        f"""DECLARE
  _early bigint := {early};
  _olds CURSOR FOR SELECT to_json(o.*) FROM _aerostack_old AS o;
  _old json;
  _new json;
  _source text;
  _rows bigint;
BEGIN
  IF clock_timestamp() > '{until}'::timestamptz THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    {into}, new)
      SELECT {head}, 'I', clock_timestamp(), to_json(n.*) FROM _aerostack_new AS n;
    {told}
  ELSIF TG_OP = 'DELETE' THEN
    {into}, old)
      SELECT {head}, 'D', clock_timestamp(), to_json(o.*) FROM _aerostack_old AS o;
    {told}
  ELSIF TG_OP = 'UPDATE' THEN
    OPEN _olds;
    FOR _new IN SELECT to_json(n.*) FROM _aerostack_new AS n LOOP
      FETCH _olds INTO _old;
      {into}, new, old) VALUES ({head}, 'U', clock_timestamp(), _new, _old);
    END LOOP;
    {told}
    CLOSE _olds;
  ELSE
    -- A snapshot that is older than the lock would not show all that goes.
    IF current_setting('transaction_isolation') LIKE 'read %'
      AND has_schema_privilege(TG_TABLE_SCHEMA, 'USAGE')
      AND has_table_privilege(TG_RELID, 'SELECT') AND NOT row_security_active(TG_RELID)
    THEN
      _source := format('ONLY %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
      EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT {manner.toldRows + 1}) AS few',
        _source) INTO _rows;
    END IF;
    IF _rows <= {manner.toldRows} THEN
      EXECUTE format('{into}, old)
        SELECT pg_current_xact_id(), NULL, {tid}, ''D'', clock_timestamp(), to_json(t.*)
        FROM %s AS t', _source);
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
    Write the function that reserves a statement's place, at the first row that it changed.
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
