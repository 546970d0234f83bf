"""
The daemon never runs code of other roles in a PostgreSQL database with its own rights.

The application's role owns the watched tables here, and has made code in every place where the
daemon's statements could find it.  Each piece notes the role that runs it.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.rows.columns import ColumnType
from aerostack.core.rows.comparison import READERS
from aerostack.core.rows.conditions import EQ, GT, IN, Condition
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.databases.postgres.connection import openConnection, prepareDatabase
from aerostack.databases.postgres.dialect import POSTGRES
from aerostack.databases.postgres.query import runQuery
from aerostack.databases.repeatable import findMessages
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from tests.databases.postgres.case import PostgresCase
from tests.databases.support import lossOf
from tests.databases.synchronous import forget, optionsOf
from tests.postgres import ADMIN, ROLE

BOUNDS = Bounds(1000, 1_000_000, 60.0)

# Operators and functions like the server's own, in a schema that comes before it on the path.
_SHADOWS = """
CREATE SCHEMA evil;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
CREATE TABLE evil.calls (who text, what text);
GRANT INSERT ON evil.calls TO PUBLIC;
CREATE FUNCTION evil.note(what text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO evil.calls VALUES (current_user, what);
  RETURN true;
END $$;
DO $$
DECLARE
  _type text;
  _sign text;
BEGIN
  FOREACH _type IN ARRAY '{text,name,"char",int,bigint,smallint,oid,boolean,varchar}'::text[] LOOP
    EXECUTE format('CREATE FUNCTION evil.is_it(%1$s, %1$s) RETURNS boolean LANGUAGE sql AS'
      '  $_$ SELECT evil.note(''operator %1$s'') $_$', _type);
    FOREACH _sign IN ARRAY '{=,<>,<,>,<=,>=}'::text[] LOOP
      EXECUTE format('CREATE OPERATOR evil.%2$s (FUNCTION = evil.is_it, LEFTARG = %1$s,'
        ' RIGHTARG = %1$s)', _type, _sign);
    END LOOP;
  END LOOP;
END $$;
CREATE FUNCTION evil.to_json(anyelement) RETURNS json LANGUAGE sql AS
  $$ SELECT CASE WHEN evil.note('to_json') THEN '{}'::json END $$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS
  $$ SELECT evil.note('set_config')::text $$;
CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS
  $$ SELECT evil.note('current_setting')::text $$;
CREATE FUNCTION evil.pg_advisory_unlock_all() RETURNS void LANGUAGE sql AS
  $$ SELECT evil.note('unlock') $$;
"""

# A type with a conversion of its owner.
_TYPE = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION evil.told(mood) RETURNS json LANGUAGE sql AS
  $$ SELECT CASE WHEN evil.note('cast to json') THEN '"stolen"'::json END $$;
CREATE FUNCTION evil.written(mood) RETURNS text LANGUAGE sql AS
  $$ SELECT evil.note('cast to text')::text $$;
CREATE CAST (mood AS json) WITH FUNCTION evil.told(mood);
CREATE CAST (mood AS text) WITH FUNCTION evil.written(mood) AS IMPLICIT;
CREATE TYPE pair AS (m mood, at timestamptz);
CREATE DOMAIN moods AS mood[];
"""


class OthersTests(PostgresCase):
    """
    Code of other roles.
    """

    def setUp(self) -> None:
        super().setUp()
        self.writer.execute(_SHADOWS)
        self.database.execute(
            f'ALTER ROLE {ROLE} IN DATABASE "{self.database.name}"'
            " SET search_path = evil, public, pg_catalog",
            user=ADMIN,
        )
        self.reader = self.makeReader()

    def snapshot(self, *conditions: Condition) -> list[Any]:
        return self.reader.journal.snapshot(
            self.reader.cursor, "t", Selection(conditions, order=(("id", False),), limit=9), BOUNDS
        ).rows

    def assertSafe(self) -> None:
        """
        Check that no code of another role ran with the daemon's role.
        """
        found = self.writer.execute(f"SELECT * FROM evil.calls WHERE who = '{ROLE}'").fetchall()
        self.assertEqual(found, [])

    def test_searchPath(self) -> None:
        """
        The daemon calls no operator and no function on the search path, whatever it follows or
        reads.
        """
        self.follow("t", "CREATE TABLE t (id int, v varchar(9), n text)")
        self.reader.attach("public.t")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1, 'a', 'b')", "UPDATE t SET v = 'c'"),
            [("INSERT", 1, "a", "b"), ("UPDATE", 1, "c", "b")],
        )
        rows = self.snapshot(
            Condition("v", EQ, "c", ColumnType.TEXT),
            Condition("n", IN, ("a", "b"), ColumnType.TEXT),
            Condition("id", GT, 0, ColumnType.NUMBER),
        )
        self.assertEqual(rows, [{"id": 1, "v": "c", "n": "b"}])
        self.run_("ALTER TABLE t RENAME v TO w")
        self.summary("TRUNCATE t")
        self.reader.journal.renew(self.reader.cursor, 0)
        self.reader.journal.prune(self.reader.cursor, self.reader.after, 2**52, 100)
        self.reader.journal.lag(self.reader.cursor)
        self.reader.journal.detach(self.reader.cursor, "t")
        self.reader.journal.remove(self.reader.cursor)
        self.assertSafe()

    def test_casts(self) -> None:
        """
        Values of a type that another role owns are reported as the type writes them, not as its
        owner's casts do.
        """
        self.writer.execute(_TYPE)
        self.follow(
            "t", "CREATE TABLE t (id int, m mood, l mood[], p pair, d moods, r pair[], n int)"
        )
        self.run_(
            "SET TimeZone = 'Asia/Kathmandu'",
            "INSERT INTO t VALUES (1, 'glad', '{sad,NULL}', '(glad,2024-01-01 00:00+00)',"
            " '{glad}', array['(sad,)'::pair])",
            "INSERT INTO t VALUES (2)",
            "UPDATE t SET n = 5 WHERE id = 1",
            "UPDATE t SET n = 6",
        )
        full = (
            '{"id":1,"m":"glad","l":["sad",null],'
            '"p":{"m":"glad","at":"2024-01-01T00:00:00+00:00"},"d":["glad"],'
            '"r":[{"m":"sad","at":null}],"n":%s}'
        )
        empty = '{"id":2,"m":null,"l":null,"p":null,"d":null,"r":null,"n":%s}'
        told = [encodeValue(event.data).decode() for event in self.changes()]
        expected = [full % "null", empty % "null", full % 5, full % 6, empty % 6]
        self.assertEqual(sorted(told), sorted(expected))
        read = [encodeValue(row).decode() for row in self.snapshot()]
        self.assertEqual(read, [full % 6, empty % 6])
        found = self.snapshot(
            Condition("m", EQ, READERS[ColumnType.OTHER]("glad"), ColumnType.OTHER)
        )
        self.assertEqual([row["id"] for row in found], [1])
        told = [encodeValue(event.data).decode() for event in self.changes("TRUNCATE t")]
        self.assertEqual(sorted(told), sorted([full % 6, empty % 6]))
        self.assertSafe()

    def test_castsUnseen(self) -> None:
        """
        The same holds if the column, or its type, came before the daemon could see it.
        """
        self.writer.execute(_TYPE)
        self.follow("t", "CREATE TABLE t (id int, v text)", "INSERT INTO t VALUES (1, 'sad')")
        self.run_(
            "BEGIN",
            "ALTER TABLE t ADD m mood DEFAULT 'glad'",
            "UPDATE t SET id = 2",
            "ALTER TABLE t ADD p pair DEFAULT '(sad,)'",
            "INSERT INTO t VALUES (3, 'x', 'sad')",
            "COMMIT",
        )
        update, insert = self.changes()
        self.assertEqual(insert.data["p"], {"m": "sad", "at": None})
        self.assertEqual((update.data["m"], update.data["p"]), ("glad", {"m": "sad", "at": None}))
        self.run_("ALTER TABLE t ALTER v TYPE mood USING 'glad'", "DELETE FROM t")
        self.events()
        self.run_(
            "BEGIN", "DROP TABLE t", "CREATE TABLE t (m mood)", "INSERT INTO t VALUES ('sad')"
        )
        self.run_("COMMIT")
        self.assertEqual(len(self.events()), 2)
        self.assertSafe()

    def test_policies(self) -> None:
        """
        A policy is not run, also if a table got it just before it is read.
        """
        self.follow("t", "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
        self.run_(
            "CREATE POLICY p ON t USING (evil.note('policy'))",
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        )
        error = self.assertRaises(RealtimeError, self.snapshot)
        self.assertEqual(error.code, "untrackable_table")
        self.run_("TRUNCATE t")
        self.events()
        self.assertSafe()

    def test_storage(self) -> None:
        """
        No code of another role runs where messages are kept, or around the statement of db.query.
        """
        self.writer.execute(_TYPE)
        options = optionsOf(self.database)
        for _ in range(2):
            prepareDatabase(options, 0, 10, forget)
        with openConnection(options, "history") as connection:
            cursor = connection.cursor()
            POSTGRES.transact(cursor)
            values = ("chat/a", 1, "id", "text", "event", "{}")
            POSTGRES.execute(
                cursor,
                f"INSERT INTO {POSTGRES.messages} (room_id, created_at, id, kind, event, data)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            cursor.execute("COMMIT")
            findMessages(cursor, POSTGRES, 0, 10, forget)
        with openConnection(options, "query", ours=False) as connection:
            answer = runQuery(connection.cursor(), "SELECT '(glad,)'::public.pair AS p", [], BOUNDS)
        self.assertEqual(answer["results"], [{"p": {"m": "glad", "at": None}}])
        self.assertSafe()

    def test_planned(self) -> None:
        """
        A table is not read, and so not followed, if the planner would call a function of a role
        that is neither the owner of the database nor a superuser.
        """
        self.follow("t", "CREATE TABLE t (id int)")
        self.database.execute(
            "CREATE ROLE mallory", "GRANT CREATE, USAGE ON SCHEMA evil TO mallory", user=ADMIN
        )
        self.addCleanup(self.database.server.execute, "DROP ROLE mallory")
        self.addCleanup(self.database.execute, "DROP OWNED BY mallory CASCADE", user=ADMIN)
        self.database.execute(
            "CREATE FUNCTION evil.sure(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM evil.note('planner'); RETURN true; END $$",
            "ALTER FUNCTION evil.sure OWNER TO mallory",
            user=ADMIN,
        )
        for code in (
            "CREATE INDEX i ON t (id) WHERE evil.sure(1)",
            "CREATE INDEX i ON t ((evil.sure(id)))",
            "CREATE STATISTICS i ON evil.sure(1), id FROM t",
            "ALTER TABLE t ADD CONSTRAINT i CHECK (evil.sure(1))",
        ):
            self.run_("INSERT INTO t VALUES (1)")
            self.changes()
            self.run_(code, "TRUNCATE t")
            messages = [lossOf(event).error.message for event in self.events()]
            self.assertEqual(len(messages), 2)
            self.assertIn("truncated", messages[0])
            self.assertIn("mallory", messages[1])
            error = self.assertRaises(RealtimeError, self.snapshot)
            self.assertEqual(error.code, "untrackable_table")
            self.assertIn("mallory", error.message)
            kind = code.split()[1] if code.startswith("CREATE") else "CONSTRAINT"
            self.run_(f"ALTER TABLE t DROP {kind} i" if kind == "CONSTRAINT" else f"DROP {kind} i")
        self.assertSafe()
