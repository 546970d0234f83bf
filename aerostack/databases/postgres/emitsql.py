"""
The objects by which transactions of a PostgreSQL database emit events, as SQL.  Nothing here uses a
database.

Roles get the right to call a function.  It runs with the rights of the daemon's role, so they need
no right on the table of the events, and cannot read it.  For that reason the function has a search
path of its own, calls nothing that other roles can define, and has no text that reads differently
under a setting of the caller's: there is no backslash in it.

The order of the events is that of the commits.  No statement can see when its transaction will be
committed, so a deferred trigger gives each transaction its place: it runs when the transaction
begins to commit.  If a program has seen one transaction committed before it commits another one,
the first has the earlier place.  The place is a number of a sequence, for which no transaction
waits for another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from aerostack.core.keyed.values import MAX_KEY
from aerostack.core.topics.emitted import STREAM_EVENTS, EmitRules
from aerostack.core.topics.topics import RESERVED_EVENTS, TABLE
from aerostack.databases.postgres.emitrows import EMITTED, KEYS, PLACES
from aerostack.databases.postgres.settings import SCHEMA, SEARCH_PATH
from aerostack.databases.postgres.triggers import CHANNEL

PUBLIC = "aerostack"
"""The schema of the function that other roles call."""

FUNCTION = f"{PUBLIC}.emit"

SIGNATURE = f"{FUNCTION}(text, text, jsonb, boolean, text)"

EARLIER = f"{FUNCTION}(text, text, jsonb, boolean)"
"""The signature of the function before events had keys."""

LEADER = f"{SCHEMA}.emitting"
"""The table that says which daemon publishes."""

PLACING = f"{SCHEMA}.place_emitted"

READING = f"{SCHEMA}.read_keyed_emitted"

READ_EARLIER = f"{SCHEMA}.read_emitted"
"""The function with which daemons read events before these had keys.  It stays, because such a
daemon may go on until it is restarted."""

_TAG = "$_aerostack$"

# Rows come and go all the time, so a vacuum is due after a number of them, however many there are.
# A vacuum that truncates a file locks the table, and writers would wait.
_STORAGE = (
    "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, vacuum_truncate = off"
)

RELATIONS = {
    EMITTED: (
        f"CREATE TABLE {EMITTED} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " xid xid8 NOT NULL, topic text NOT NULL, event text NOT NULL, data text NOT NULL,"
        " persist boolean NOT NULL,"
        " key text NOT NULL DEFAULT left(replace(gen_random_uuid()::text, '-', ''), 24))"
        f" WITH ({_STORAGE}, toast.vacuum_truncate = off)"
    ),
    f"{EMITTED}_xid": f"CREATE INDEX emitted_xid ON {EMITTED} (xid, id)",
    PLACES: (
        f"CREATE TABLE {PLACES} (xid xid8 PRIMARY KEY,"
        " place bigint GENERATED ALWAYS AS IDENTITY,"
        f" at timestamptz NOT NULL DEFAULT clock_timestamp()) WITH ({_STORAGE})"
    ),
    f"{PLACES}_place": f"CREATE INDEX emitted_places_place ON {PLACES} (place)",
    KEYS: f"CREATE TABLE {KEYS} (id bigint PRIMARY KEY, key text NOT NULL) WITH ({_STORAGE})",
    LEADER: (
        f"CREATE TABLE {LEADER} (pid integer NOT NULL, role oid NOT NULL,"
        " began timestamptz NOT NULL)"
    ),
}
"""The statements that create the tables and their indexes, by the names of these."""

TRIGGER = "!_aerostack_place"

TRIGGERS = (
    f"""
CREATE OR REPLACE FUNCTION {PLACING}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {SEARCH_PATH} AS {_TAG}
BEGIN
  INSERT INTO {PLACES} (xid) VALUES (NEW.xid) ON CONFLICT (xid) DO NOTHING;
  RETURN NULL;
END {_TAG}""",
    f'DROP TRIGGER IF EXISTS "{TRIGGER}" ON {EMITTED}',
    f'CREATE CONSTRAINT TRIGGER "{TRIGGER}" AFTER INSERT ON {EMITTED} DEFERRABLE'
    f" INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {PLACING}()",
    # Also in sessions that switch triggers off, as those of logical replication do.
    f'ALTER TABLE {EMITTED} ENABLE ALWAYS TRIGGER "{TRIGGER}"',
)
"""The statements that create the trigger."""

# The server would choose plans that read a whole table for tables whose size it does not know.
READ = f"""
CREATE OR REPLACE FUNCTION {READING}(_limit integer, _size bigint)
RETURNS TABLE (id bigint, row_key text, topic text, event text, data text, persist boolean,
  key text)
LANGUAGE plpgsql SET search_path = {SEARCH_PATH} SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS {_TAG}
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT s.id, s.key, s.topic, s.event, s.data, s.persist,
    (SELECT k.key FROM {KEYS} AS k WHERE k.id = s.id) FROM (
    SELECT f.*, sum(octet_length(f.data)) OVER (ORDER BY f.place, f.id
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (
      SELECT p.place, e.* FROM {PLACES} AS p JOIN {EMITTED} AS e ON e.xid = p.xid
      ORDER BY p.place, e.id LIMIT _limit
    ) AS f
  ) AS s WHERE coalesce(s.before, 0) < _size ORDER BY s.place, s.id;
END {_TAG}"""
"""Creates the function that reads the oldest events."""


def emitSQL(rules: EmitRules, notifies: bool) -> str:
    """
    Write the function that emits an event.

    @param notifies: Whether it wakes the daemons when its transaction is committed.
    """
    checks = "".join(
        f"""
  IF {condition} THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = '{FUNCTION}: {message}';
  END IF;"""
        for condition, message in _checks()
    )
    wake = f"\n  PERFORM pg_notify('{CHANNEL}', '');" if notifies else ""
    several = len(rules.projects) > 1
    if several:
        among = ", ".join(map(_literal, rules.projects))
        place = f"""
  _path := left(topic, - length(_last) - 1);
  IF _path = '' OR _last <> ALL (ARRAY[{among}]) THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = {_literal(_ENDING + rules.endings)};
  END IF;
  _is_table := starts_with(_path, '{TABLE}/');
  _length := length(topic);"""
    else:
        (project,) = rules.projects
        ending = len(project) + 1
        place = f"""
  _path := CASE WHEN topic LIKE '%/%' AND _last = {_literal(project)}
    THEN left(topic, -{ending}) ELSE topic END;
  -- A name without a slash is a table's.
  _is_table := strpos(topic, '/') = 0 OR starts_with(_path, '{TABLE}/');
  _length := length(_path) + {ending}
    + CASE WHEN strpos(topic, '/') = 0 THEN {len(TABLE) + 1} ELSE 0 END;"""
    return f"""
CREATE OR REPLACE FUNCTION {FUNCTION}(topic text, event text, data jsonb DEFAULT 'null',
  persist boolean DEFAULT false, key text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = {SEARCH_PATH} AS {_TAG}
#variable_conflict use_variable
DECLARE
  _topic_length CONSTANT integer := {rules.topicLength};
  _event_length CONSTANT integer := {rules.eventLength};
  _data_bytes CONSTANT integer := {rules.dataBytes};
  _controls CONSTANT text := '[' || chr(1) || '-' || chr(31) || chr(127) || '-' || chr(159) || ']';
  _data text := coalesce(data::text, 'null');
  _persist boolean := coalesce(persist, false);
  _last text;
  _path text;
  _is_table boolean;
  _length integer;
  _id bigint;
BEGIN
  IF topic IS NULL OR topic = '' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = '{FUNCTION}: the topic is empty';
  END IF;
  _last := substring(topic FROM '[^/]*$');{place}{checks}
  INSERT INTO {EMITTED} (xid, topic, event, data, persist)
    VALUES (pg_current_xact_id(), topic, event, _data, _persist) RETURNING id INTO _id;
  IF key IS NOT NULL THEN
    INSERT INTO {KEYS} (id, key) VALUES (_id, key);
  END IF;{wake}
END {_TAG}"""


_ENDING = f"{FUNCTION}: there are several projects, so a topic has to end in its own: "


def _checks() -> Iterator[tuple[str, str]]:
    """The conditions under which an event is refused, each with a sentence as SQL."""
    yield (
        "_length > _topic_length",
        "a topic has at most ' || _topic_length || ' characters with its project",
    )
    yield (
        "('/' || _path || '/') ~ '/[.]?[.]?/'",
        "a topic has no part that is empty or . or ..",
    )
    yield f"_path LIKE '{TABLE}/%/%'", "a table''s topic is table/ and the table''s name"
    yield (
        "NOT _is_table AND ('/' || _path || '/') ~ '/ | /'",
        "a part of a topic cannot begin or end in a space",
    )
    yield (
        """NOT _is_table AND (_path ~ '["''`;<>*#?]' OR strpos(_path, chr(92)) > 0)""",
        "a topic cannot hold any of \" '' ` ' || chr(92) || ' ; < > * # ?",
    )
    yield "topic ~ _controls", "a topic cannot hold control characters"
    yield "event IS NULL OR event IN ('', '*')", "the event is empty or *"
    yield (
        "length(event) > _event_length",
        "an event''s name has at most ' || _event_length || ' characters",
    )
    yield "event ~ _controls", "an event''s name cannot hold control characters"
    yield (
        f"starts_with(event, '{RESERVED_EVENTS}') OR starts_with(event, '{STREAM_EVENTS}')",
        f"events that begin with {RESERVED_EVENTS} or {STREAM_EVENTS} are the daemon''s own",
    )
    yield (
        "octet_length(_data) > _data_bytes",
        "the data of an event has at most ' || _data_bytes || ' bytes, this one '"
        " || octet_length(_data) || '",
    )
    yield "_persist AND _is_table", "a table''s topic keeps no messages; leave out persist"
    yield (
        f"key IS NOT NULL AND length(key) NOT BETWEEN 1 AND {MAX_KEY}",
        f"a key has 1 to {MAX_KEY} characters",
    )
    yield "key ~ _controls", "a key cannot hold control characters"
    yield "key IS NOT NULL AND _is_table", "a table''s topic is not keyed; leave out key"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
