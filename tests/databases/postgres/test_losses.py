"""
Changes of a PostgreSQL table that cannot be reported: they cost its subscribers one
C{table_lost}, and other clients nothing.
"""

from __future__ import annotations

from aerostack.core.rows.changes import Change
from aerostack.core.rows.selection import Bounds, Selection
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from tests.databases.postgres.case import PostgresCase

BOUNDS = Bounds(1000, 1_000_000, 60.0)


class LossCase(PostgresCase):
    """
    What these tests share.
    """

    def snapshot(self, table: str) -> list[dict[str, object]]:
        cursor = self.reader.cursor
        return self.reader.journal.snapshot(cursor, table, Selection(), BOUNDS).rows

    def past(self, table: str, lineage: str, after: int) -> str | None:
        """
        Check whether the missed changes of a table can be read.
        """
        cursor, until = self.reader.cursor, self.reader.after
        reason: str | None = self.reader.journal.surveyPast(
            cursor, table, lineage, after, until, None
        )
        return reason

    def brief(self) -> list[tuple[str, str]]:
        """
        Give the table and the kind of each event.
        """
        return [
            (e.table, e.operation if isinstance(e, Change) else e.error.code)
            for e in self.reader.events()
        ]


class UnreadableTests(LossCase):
    """
    An entry that cannot be decoded.
    """

    def test_anotherTypeAndUpdate(self) -> None:
        """
        A column that gets another type and is rewritten in one transaction costs its table one
        loss, and other tables nothing.
        """
        self.follow("p", "CREATE TABLE p (id int, sku bytea)", "INSERT INTO p VALUES (1, 'a')")
        self.follow("other", "CREATE TABLE other (id int)")
        self.run_(
            "BEGIN",
            "ALTER TABLE p ALTER sku TYPE text USING 'x'",
            "UPDATE p SET sku = 'A' || sku",
            "INSERT INTO p VALUES (2, 'y')",
            "COMMIT",
            "INSERT INTO other VALUES (1)",
        )
        self.assertEqual(sorted(self.brief()), [("other", "INSERT"), ("p", "table_lost")])
        self.run_("UPDATE p SET sku = 'z' WHERE id = 1", "INSERT INTO other VALUES (2)")
        self.assertEqual(self.brief(), [("p", "UPDATE"), ("other", "INSERT")])

    def test_garbage(self) -> None:
        """
        Rows that cannot be decoded cost their table one loss, also for clients that come back to
        before them, and the feed continues.
        """
        self.follow("t", "CREATE TABLE t (id int, b bytea)")
        self.follow("other", "CREATE TABLE other (id int)")
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage, before = journal.lineage(cursor, "t"), self.reader.after
        self.run_("INSERT INTO t VALUES (1), (2)", "INSERT INTO other VALUES (1)")
        self.reader.cursor.execute(
            "UPDATE _aerostack.captured SET new = replace(new, 'null', '\"\\\\xzz\"')"
            " WHERE new LIKE '%null%'"
        )
        self.assertEqual(self.brief(), [("t", "table_lost"), ("other", "INSERT")])
        after = self.reader.after
        self.run_("INSERT INTO t VALUES (3)")
        self.assertEqual(self.brief(), [("t", "INSERT")])
        self.assertEqual(self.past("t", lineage, before), "expired")
        self.assertIsNone(self.past("t", lineage, after))

    def test_garbageReadLater(self) -> None:
        """
        Past changes with a row that cannot be decoded are not read as if the row did not exist.
        """
        self.follow("t", "CREATE TABLE t (id int, b bytea)")
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage, before = journal.lineage(cursor, "t"), self.reader.after
        self.changes("INSERT INTO t VALUES (1)")
        cursor.execute("UPDATE _aerostack.captured SET new = replace(new, 'null', '\"\\\\xzz\"')")
        error = self.assertRaises(
            RealtimeError,
            journal.readPast,
            *(cursor, "t", lineage, before, self.reader.after, 10),
        )
        self.assertEqual(error.code, "table_lost")

    def test_longNumber(self) -> None:
        """
        A number of thousands of digits becomes a string, beside JSON too: live, for clients that
        come back, and in a snapshot.
        """
        digits = "1" * 4400
        self.follow("t", "CREATE TABLE t (id int, n numeric, d json)")
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage, before = journal.lineage(cursor, "t"), self.reader.after
        insert, after = self.changes(
            f"INSERT INTO t VALUES (1, {digits}, '{{}}')", "INSERT INTO t VALUES (2)"
        )
        self.assertEqual((insert.data["n"], after.data["id"]), (digits, 2))
        past = journal.readPast(cursor, "t", lineage, before, self.reader.after, 10)
        self.assertEqual([change.data["n"] for change in past], [digits, None])
        self.assertEqual([row["n"] for row in self.snapshot("t")], [digits, None])

    def test_unreadableDocuments(self) -> None:
        """
        A number beyond a double becomes a string of its digits within JSON too: live, for clients
        that come back, and in a snapshot.
        """
        digits = "9" * 5000
        self.follow("t", "CREATE TABLE t (j json, b jsonb, a json[])")
        journal, cursor = self.reader.journal, self.reader.cursor
        lineage, before = journal.lineage(cursor, "t"), self.reader.after
        live = self.changes(
            f"""INSERT INTO t VALUES ('{{"n":1e999}}', '{{"n":{digits}}}', '{{1e999,2}}')"""
        )
        past = journal.readPast(cursor, "t", lineage, before, self.reader.after, 10)
        expected = f'{{"j":{{"n":"1e999"}},"b":{{"n":"{digits}"}},"a":["1e999",2]}}'
        for row in (live[0].data, past[0].data, *self.snapshot("t")):
            self.assertEqual(encodeValue(row).decode().replace(": ", ":"), expected)

    def test_formats(self) -> None:
        """
        Columns that are added and filled before the daemon has seen them have the daemon's
        formats, whatever the writer's are.
        """
        self.follow("t", "CREATE TABLE t (id int)")
        insert, update = self.changes(
            "SET bytea_output = 'escape'",
            "SET TimeZone = 'Asia/Kathmandu'",
            "SET IntervalStyle = 'sql_standard'",
            "SET extra_float_digits = -10",
            "SET DateStyle = 'German'",
            "ALTER TABLE t ADD b bytea, ADD at timestamptz, ADD i interval, ADD f float8,"
            " ADD r tstzrange, ADD d date[]",
            r"INSERT INTO t VALUES (1, '\x00ff', '2024-01-01 00:00+00', '1 day 2 hours',"
            " 0.1::float8 + 0.2::float8, '[2024-01-01 00:00+00,]', '{2024-02-29}')",
            "UPDATE t SET id = 2",
        )
        expected = (
            '{"base64":"AP8="},"at":"2024-01-01T00:00:00+00:00","i":"1 day 02:00:00",'
            '"f":0.30000000000000004,"r":"[\\"2024-01-01 00:00:00+00\\",)","d":["2024-02-29"]}'
        )
        self.assertEqual(encodeValue(insert.data).decode(), '{"id":1,"b":' + expected)
        self.assertEqual(encodeValue(update.data).decode(), '{"id":2,"b":' + expected)


class MovedTests(LossCase):
    """
    Rows that move from one part of a table to another.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow(
            "t",
            "CREATE TABLE t (id int, v text) PARTITION BY LIST (id)",
            "CREATE TABLE rest PARTITION OF t DEFAULT",
            "CREATE TABLE one PARTITION OF t FOR VALUES IN (1)",
            "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        )

    def test_split(self) -> None:
        """
        Rows that leave with one partition and come back with another, in one transaction, are not
        deleted silently.
        """
        self.run_(
            "BEGIN",
            "CREATE TABLE two (LIKE t)",
            "WITH gone AS (DELETE FROM t WHERE id = 2 RETURNING *) INSERT INTO two SELECT * FROM"
            " gone",
            "ALTER TABLE t ATTACH PARTITION two FOR VALUES IN (2)",
            "COMMIT",
        )
        self.assertEqual(self.brief(), [("t", "DELETE"), ("t", "table_lost")])

    def test_writtenItself(self) -> None:
        """
        Rows that are written directly to a partition in the transaction that made it cause a
        loss, although others came through the table.
        """
        self.run_(
            "BEGIN",
            "DELETE FROM t WHERE id = 2",
            "CREATE TABLE two PARTITION OF t FOR VALUES IN (2, 4)",
            "INSERT INTO t VALUES (4, 'x')",
            "INSERT INTO two VALUES (2, 'y')",
            "COMMIT",
        )
        self.assertIn(("t", "table_lost"), self.brief())

    def test_throughTheTable(self) -> None:
        """
        Rows that came through the table in the transaction that made their partition are
        reported, without a loss.
        """
        self.run_(
            "BEGIN",
            "CREATE TABLE four PARTITION OF t FOR VALUES IN (4)",
            "INSERT INTO t VALUES (4, 'x'), (4, 'x')",
            "UPDATE t SET v = 'y' WHERE id = 4 AND ctid = (SELECT min(ctid) FROM four)",
            "COMMIT",
        )
        self.assertEqual(self.brief(), [("t", "INSERT"), ("t", "INSERT"), ("t", "UPDATE")])

    def test_inherits(self) -> None:
        """
        A table that begins to inherit from a followed one, in a transaction that also wrote the
        same rows there, causes a loss.
        """
        self.follow("parent", "CREATE TABLE parent (id int)")
        self.run_(
            "BEGIN",
            "INSERT INTO parent VALUES (1)",
            "CREATE TABLE child (id int)",
            "INSERT INTO child VALUES (1)",
            "ALTER TABLE child INHERIT parent",
            "COMMIT",
        )
        self.assertEqual(self.brief(), [("parent", "INSERT"), ("parent", "table_lost")])

    def test_refused(self) -> None:
        """
        If a trigger of a partition refuses some rows of an UPDATE that moves rows, every old row
        is reported as deleted and every new one as inserted.
        """
        self.run_(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN IF NEW.v = 'b' THEN RETURN NULL; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER refuse BEFORE INSERT ON one FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        self.events()
        self.run_("UPDATE t SET id = 1")
        rows = [(1, "a"), (2, "b"), (3, "c")]
        for event in self.events():
            assert isinstance(event, Change), event
            values = tuple(event.data.values())
            if event.operation == "DELETE":
                rows.remove(values)
            else:
                self.assertEqual(event.operation, "INSERT")
                rows.append(values)
        self.assertEqual(sorted(rows), self.writer.execute("SELECT * FROM t ORDER BY 2").fetchall())
        self.assertEqual(self.summary("UPDATE t SET v = 'z'"), [("UPDATE", 1, "z")] * 2)


class SnapshotTests(LossCase):
    """
    Rows that are read before the daemon has seen a change of their table.
    """

    def setUp(self) -> None:
        super().setUp()
        self.follow("t", "CREATE TABLE t (id int, a text)", "INSERT INTO t VALUES (1, 'x')")

    def test_altered(self) -> None:
        """
        Rows that are read right after the table was altered have its new columns.
        """
        self.run_("ALTER TABLE t RENAME a TO b")
        self.assertEqual(self.snapshot("t"), [{"id": 1, "b": "x"}])
        self.run_("ALTER TABLE t ADD c int DEFAULT 5")
        self.assertEqual(self.snapshot("t"), [{"id": 1, "b": "x", "c": 5}])
        self.run_("ALTER TABLE t DROP b")
        self.assertEqual(self.snapshot("t"), [{"id": 1, "c": 5}])

    def test_rewritten(self) -> None:
        """
        An added column keeps its default in earlier rows, also after the table was rewritten as a
        whole.
        """
        lineage = self.reader.journal.lineage(self.reader.cursor, "t")
        before = self.reader.after
        self.changes("UPDATE t SET a = 'y'", "ALTER TABLE t ADD c int DEFAULT 5")
        self.changes("UPDATE t SET a = 'z'", "VACUUM FULL t")
        past = self.reader.journal.readPast(
            self.reader.cursor, "t", lineage, before, self.reader.after, 10
        )
        self.assertEqual([change.data["c"] for change in past], [5, 5])
        self.assertEqual([change.old["c"] for change in past if change.old], [5, 5])
