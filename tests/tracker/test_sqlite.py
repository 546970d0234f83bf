"""
Tests of L{aerostack.tracker.sqlite.SQLiteJournal}: what is told of which write.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time
from typing import ClassVar

from zope.interface.verify import verifyObject

from aerostack.core.changes import DELETE, INSERT, UPDATE
from aerostack.interfaces import IJournal
from aerostack.tracker.journal import Poll
from aerostack.tracker.sqlite import SQLiteJournal

from .support import JournalCase, Mirror, Reader, brief, lossOf, tableRows


class ChangeTests(JournalCase):
    """
    INSERT, UPDATE and DELETE.
    """

    def test_interface(self) -> None:
        """
        It is an L{IJournal}.
        """
        verifyObject(IJournal, self.reader.journal)

    def test_wholeRows(self) -> None:
        """
        Each change has the whole row, an UPDATE and a DELETE the row before as well.
        """
        self.follow("orders", "CREATE TABLE orders (id INTEGER PRIMARY KEY, name, price REAL)")
        insert, update, delete = self.changes(
            "INSERT INTO orders VALUES (1, 'tea', 2)",
            "UPDATE orders SET price = 2.5",
            "DELETE FROM orders",
        )
        first = {"id": 1, "name": "tea", "price": 2.0}
        second = {"id": 1, "name": "tea", "price": 2.5}
        self.assertEqual((insert.operation, insert.data, insert.old), (INSERT, first, None))
        self.assertEqual((update.operation, update.data, update.old), (UPDATE, second, first))
        self.assertEqual((delete.operation, delete.data, delete.old), (DELETE, second, second))
        self.assertEqual({c.table for c in (insert, update, delete)}, {"orders"})
        self.assertTrue(insert.seq < update.seq < delete.seq)

    def test_timestamp(self) -> None:
        """
        A change's timestamp is when it was written, in milliseconds.
        """
        self.follow("t", "CREATE TABLE t (a)")
        before = time.time()
        (change,) = self.changes("INSERT INTO t VALUES (1)")
        self.assertIsInstance(change.timestamp, int)
        self.assertTrue(before * 1000 - 2 <= change.timestamp <= time.time() * 1000 + 2)

    def test_multipleRows(self) -> None:
        """
        A statement that changes many rows tells each, in the order of its work.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        self.assertEqual(
            self.summary(
                "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
                "UPDATE t SET a = a || id WHERE id > 1",
                "DELETE FROM t",
            ),
            [
                *[("INSERT", 1, "x"), ("INSERT", 2, "y"), ("INSERT", 3, "z")],
                *[("UPDATE", 2, "y2"), ("UPDATE", 3, "z3")],
                *[("DELETE", 1, "x"), ("DELETE", 2, "y2"), ("DELETE", 3, "z3")],
            ],
        )

    def test_rollback(self) -> None:
        """
        What was rolled back is never told, be it a transaction, a savepoint or a
        statement that failed.
        """
        self.follow("t", "CREATE TABLE t (a UNIQUE)")
        self.assertEqual(
            self.summary("BEGIN", "INSERT INTO t VALUES (1)", "ROLLBACK", "BEGIN")
            + self.summary("INSERT INTO t VALUES (2)", "SAVEPOINT s", "INSERT INTO t VALUES (3)")
            + self.summary("ROLLBACK TO s", "INSERT INTO t VALUES (4)", "COMMIT"),
            [("INSERT", 2), ("INSERT", 4)],
        )
        self.assertRaises(
            sqlite3.IntegrityError, self.run_, "INSERT INTO t VALUES (5), (6), (4), (7)"
        )
        self.assertEqual(self.changes(), [])

    def test_uncommitted(self) -> None:
        """
        Nothing is told before its commit, and then all of it.
        """
        self.follow("t", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")
        self.assertEqual(self.summary("BEGIN", "INSERT INTO t VALUES (1), (2)"), [])
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1), ("INSERT", 2)])

    def test_commitOrder(self) -> None:
        """
        The changes of several writers and tables are told in the order of their commits.
        """
        self.follow("t", "PRAGMA journal_mode = WAL", "CREATE TABLE t (a)")
        self.follow("u", "CREATE TABLE u (a)")
        other = self.connect()
        self.run_("INSERT INTO t VALUES (1)")
        other.execute("INSERT INTO u VALUES (2)")
        self.run_("INSERT INTO t VALUES (3)")
        self.assertEqual(
            [(c.table, c.data["a"]) for c in self.changes()], [("t", 1), ("u", 2), ("t", 3)]
        )

    def test_otherTables(self) -> None:
        """
        A table that is not followed is not told, and no longer followed no more.
        """
        self.follow("t", "CREATE TABLE t (a)", "CREATE TABLE u (a)")
        self.assertEqual(self.changes("INSERT INTO u VALUES (1)"), [])
        self.reader.journal.detach(self.reader.cursor, "T")
        self.reader.journal.detach(self.reader.cursor, "nothing")
        self.assertEqual(self.changes("INSERT INTO t VALUES (1)"), [])
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), [])

    def test_spelling(self) -> None:
        """
        A table is found in any case, and told as the database spells it.
        """
        self.run_('CREATE TABLE "Orders" (a)')
        self.assertEqual(self.reader.attach("oRDERS"), "Orders")
        self.assertEqual(self.reader.attach("Orders"), "Orders")
        self.assertEqual(
            [c.table for c in self.changes("INSERT INTO orders VALUES (1)")], ["Orders"]
        )

    def test_shell(self) -> None:
        """
        What the C{sqlite3} shell writes is told.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        script = "INSERT INTO t (a) VALUES ('x'); REPLACE INTO t VALUES (1, 'y'); DELETE FROM t;"
        subprocess.run(["sqlite3", self.path, script], check=True, timeout=60)
        self.assertEqual(
            self.summary(),
            [("INSERT", 1, "x"), ("DELETE", 1, "x"), ("INSERT", 1, "y"), ("DELETE", 1, "y")],
        )

    def test_attachedDatabase(self) -> None:
        """
        A writer that reaches the table through ATTACH is told like any.
        """
        self.follow("t", "CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1)")
        other = sqlite3.connect(":memory:", isolation_level=None)
        self.addCleanup(other.close)
        other.execute("ATTACH ? AS theirs", (self.path,))
        other.execute("CREATE TABLE t (nonsense)")
        other.execute("REPLACE INTO theirs.t VALUES (1)")
        self.assertEqual(self.summary(), [("DELETE", 1), ("INSERT", 1)])

    def test_writersResults(self) -> None:
        """
        A writer's C{changes()}, C{last_insert_rowid()} and RETURNING are as without us.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        cursor = self.writer.execute("INSERT INTO t (id, a) VALUES (41, 1), (42, 2)")
        self.assertEqual((cursor.rowcount, cursor.lastrowid), (2, 42))
        rows = self.writer.execute("REPLACE INTO t VALUES (42, 3) RETURNING *").fetchall()
        self.assertEqual(rows, [(42, 3)])
        self.assertEqual(self.writer.execute("SELECT changes()").fetchone(), (1,))

    def test_steps(self) -> None:
        """
        A reader that takes little at a time gets the same, in the same order.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_(*[f"INSERT INTO t VALUES ({i})" for i in range(25)])
        poll = self.reader.journal.poll(self.reader.cursor, self.reader.after, 10)
        self.assertEqual((len(poll.events), poll.more), (10, True))
        events = self.reader.events(limit=10)
        self.assertEqual(brief(events), [("INSERT", i) for i in range(25)])


class KeyTests(JournalCase):
    """
    Rows that take the place of others.
    """

    def test_replace(self) -> None:
        """
        INSERT OR REPLACE is a DELETE of each row that it replaced, then an INSERT, whether
        C{recursive_triggers} is on or off.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b)")
        for recursive in (0, 1):
            self.run_(f"PRAGMA recursive_triggers = {recursive}", "DELETE FROM t")
            self.run_("INSERT INTO t VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3)")
            self.events()
            self.assertEqual(
                self.summary("INSERT OR REPLACE INTO t VALUES (1, 'y', 9)"),
                [("DELETE", 1, "x", 1), ("DELETE", 2, "y", 2), ("INSERT", 1, "y", 9)],
            )
            self.assertEqual(
                self.summary("REPLACE INTO t VALUES (7, 'new', 0)"), [("INSERT", 7, "new", 0)]
            )

    def test_replaceByUpdate(self) -> None:
        """
        UPDATE OR REPLACE is a DELETE of each row that it replaced, then an UPDATE.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)")
        for recursive in (0, 1):
            self.run_(f"PRAGMA recursive_triggers = {recursive}", "DELETE FROM t")
            self.run_("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
            self.events()
            self.assertEqual(
                self.summary("UPDATE OR REPLACE t SET id = 2, a = 'z' WHERE id = 1"),
                [("DELETE", 2, "y"), ("DELETE", 3, "z"), ("UPDATE", 2, "z")],
            )
            self.assertEqual(
                self.summary("UPDATE OR REPLACE t SET rowid = 5"), [("UPDATE", 5, "z")]
            )

    def test_replaceByIndex(self) -> None:
        """
        A row that is replaced because of an index of its own is told: of several columns,
        with a collation, or of some rows only.
        """
        self.follow(
            "t",
            "CREATE TABLE t (a, b, c)",
            "CREATE UNIQUE INDEX i1 ON t (a, b)",
            "CREATE UNIQUE INDEX i2 ON t (c COLLATE NOCASE)",
            "CREATE UNIQUE INDEX i3 ON t (b) WHERE a IS NULL",
            "INSERT INTO t VALUES (1, 1, 'x'), (1, 2, 'y'), (NULL, 3, 'z'), (2, 3, 'w')",
        )
        self.assertEqual(
            self.summary("REPLACE INTO t VALUES (1, 1, 'Y')"),
            [("DELETE", 1, 1, "x"), ("DELETE", 1, 2, "y"), ("INSERT", 1, 1, "Y")],
        )
        self.assertEqual(
            self.summary("UPDATE OR REPLACE t SET a = NULL WHERE c = 'w'"),
            [("DELETE", None, 3, "z"), ("UPDATE", None, 3, "w")],
        )

    def test_replaceOfDefault(self) -> None:
        """
        A row that is replaced because NULL became a default is told.
        """
        self.follow(
            "t",
            "CREATE TABLE t (a NOT NULL DEFAULT 'x' UNIQUE, b)",
            "INSERT INTO t VALUES ('x', 1)",
        )
        self.assertEqual(
            self.summary("INSERT OR REPLACE INTO t VALUES (NULL, 2)"),
            [("DELETE", "x", 1), ("INSERT", "x", 2)],
        )

    def test_ignored(self) -> None:
        """
        A row that was in the way and stayed is not told, neither then nor later.
        """
        self.follow(
            "t",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)",
            "INSERT INTO t VALUES (1, 'x'), (2, 'y')",
        )
        self.assertEqual(
            self.summary(
                "INSERT OR IGNORE INTO t VALUES (1, 'z')",
                "UPDATE OR IGNORE t SET a = 'y' WHERE id = 1",
                "UPDATE t SET a = 'w' WHERE id = 2",
                "DELETE FROM t WHERE id = 1",
                "INSERT INTO t VALUES (9, 'x')",
            ),
            [("UPDATE", 2, "w"), ("DELETE", 1, "x"), ("INSERT", 9, "x")],
        )

    def test_upsert(self) -> None:
        """
        An UPSERT is an INSERT or an UPDATE, as it turns out, or nothing.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, n DEFAULT 1)")
        upsert = "INSERT INTO t (id) VALUES (1), (2), (1) ON CONFLICT (id) DO UPDATE SET n = n + 1"
        self.assertEqual(
            self.summary(upsert, "INSERT INTO t VALUES (2, 0) ON CONFLICT DO NOTHING"),
            [("INSERT", 1, 1), ("INSERT", 2, 1), ("UPDATE", 1, 2)],
        )

    def test_keyChange(self) -> None:
        """
        A change of a primary key is one UPDATE, from the old key to the new one.
        """
        for number, table in enumerate(
            (
                "(id INTEGER PRIMARY KEY, a)",
                "(id TEXT PRIMARY KEY, a)",
                "(id PRIMARY KEY, a) WITHOUT ROWID",
            )
        ):
            self.follow(f"t{number}", f"CREATE TABLE t{number} {table}")
            self.run_(f"INSERT INTO t{number} VALUES (1, 'x')")
            self.events()
            (change,) = self.changes(f"UPDATE t{number} SET id = 2")
            self.assertEqual(change.operation, UPDATE)
            assert change.old is not None
            self.assertEqual((int(change.old["id"]), int(change.data["id"])), (1, 2))

    def test_withoutRowid(self) -> None:
        """
        A table without a rowid, with a key of several columns in another order, is told
        like any.
        """
        self.follow(
            "t",
            "CREATE TABLE t (v UNIQUE, a, b, PRIMARY KEY (b, a)) WITHOUT ROWID",
            "INSERT INTO t VALUES ('x', 1, 1), ('y', 1, 2)",
        )
        self.assertEqual(
            self.summary(
                "REPLACE INTO t VALUES ('y', 1, 1)",
                "UPDATE t SET a = 5",
                "UPDATE OR REPLACE t SET v = 'z'",
                "DELETE FROM t",
            ),
            [
                *[("DELETE", "x", 1, 1), ("DELETE", "y", 1, 2), ("INSERT", "y", 1, 1)],
                *[("UPDATE", "y", 5, 1), ("UPDATE", "z", 5, 1), ("DELETE", "z", 5, 1)],
            ],
        )

    def test_foreignKeys(self) -> None:
        """
        What a foreign key takes along is told, also when the parent was replaced.
        """
        self.run_("PRAGMA foreign_keys = ON", "CREATE TABLE p (id INTEGER PRIMARY KEY, a)")
        self.follow("p")
        self.follow(
            "c",
            "CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE"
            " ON UPDATE CASCADE)",
            "INSERT INTO p VALUES (1, 'x'), (2, 'y')",
            "INSERT INTO c VALUES (10, 1), (20, 2)",
        )
        changes = self.changes(
            "UPDATE p SET id = 3 WHERE id = 1",
            "REPLACE INTO p VALUES (3, 'z')",
            "DELETE FROM p WHERE id = 2",
        )
        self.assertEqual(
            sorted((c.table, c.operation, c.data["id"]) for c in changes),
            [
                *[("c", "DELETE", 10), ("c", "DELETE", 20), ("c", "UPDATE", 10)],
                *[("p", "DELETE", 2), ("p", "DELETE", 3), ("p", "INSERT", 3), ("p", "UPDATE", 3)],
            ],
        )

    def test_ownTriggers(self) -> None:
        """
        A row that a trigger of the user's changes again is told twice, in that order,
        whichever trigger was there first.
        """
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a, seen DEFAULT 0)")
        self.run_(
            "CREATE TRIGGER touch AFTER UPDATE OF a ON t BEGIN"
            " UPDATE t SET seen = seen + 1 WHERE id = new.id; END"
        )
        self.events()
        self.assertEqual(
            self.summary("INSERT INTO t (id, a) VALUES (1, 'x')", "UPDATE t SET a = 'y'"),
            [("INSERT", 1, "x", 0), ("UPDATE", 1, "y", 0), ("UPDATE", 1, "y", 1)],
        )


class FormTests(JournalCase):
    """
    Which values and names come through.
    """

    def roundtrip(self, expression: str) -> object:
        self.run_(f"INSERT INTO t VALUES ({expression})")
        (change,) = self.changes()
        return change.data["a"]

    def test_values(self) -> None:
        """
        Each kind of value has its documented JSON form.
        """
        self.follow("t", "CREATE TABLE t (a)")
        for expression, expected in (
            ("NULL", None),
            ("0", 0),
            ("9007199254740991", 2**53 - 1),
            ("9007199254740993", "9007199254740993"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1.5", 1.5),
            ("9e999", "Infinity"),
            ("-9e999", "-Infinity"),
            ("''", ""),
            ("x''", {"base64": ""}),
            ("x'00FF80'", {"base64": "AP+A"}),
            ("'a' || char(0) || 'b'", "a\x00b"),
            (
                "char(0x10FFFF, 0x1F600, 0xFFFD, 0x301, 0x2028)",
                "\U0010ffff\U0001f600\ufffd\u0301\u2028",
            ),
            ("CAST(x'61FF62' AS TEXT)", "a\ufffdb"),
        ):
            self.assertEqual(self.roundtrip(expression), expected, expression)

    def test_affinity(self) -> None:
        """
        A value is told as the table keeps it, not as it was written.
        """
        self.follow("t", "CREATE TABLE t (i INTEGER, s TEXT, r REAL, n NUMERIC, a)")
        (row,) = self.inserted("INSERT INTO t VALUES ('1', 2, 3, '4.0', '5')")
        self.assertEqual(repr(row), "{'i': 1, 's': '2', 'r': 3.0, 'n': 4, 'a': '5'}")

    def test_generated(self) -> None:
        """
        Generated columns are part of the row.
        """
        self.follow("t", "CREATE TABLE t (a, b AS (a * 2), c AS (a * 3) STORED)")
        self.assertEqual(
            self.summary("INSERT INTO t VALUES (1)", "UPDATE t SET a = 2"),
            [("INSERT", 1, 2, 3), ("UPDATE", 2, 4, 6)],
        )

    NAMES: ClassVar = [
        "we\"ir'd",
        "two words",
        "größe 😀",
        "select",
        "rowid",
        "new",
        "old",
        "t",
        "k",
        "c0",
    ]

    def test_oddNames(self) -> None:
        """
        Any name of a table or column is good.
        """
        for name in self.NAMES:
            quoted = '"' + name.replace('"', '""') + '"'
            columns = ", ".join('"' + n.replace('"', '""') + '"' for n in self.NAMES)
            self.run_(f'CREATE TABLE {quoted} ({columns}, UNIQUE ("rowid"))')
            self.assertEqual(self.reader.attach(name), name)
            values = ", ".join(map(str, range(len(self.NAMES))))
            insert, delete, again, update = self.changes(
                f"INSERT INTO {quoted} VALUES ({values})",
                f"REPLACE INTO {quoted} VALUES ({values})",
                f'UPDATE {quoted} SET "select" = 30',
            )
            expected = {n: i for i, n in enumerate(self.NAMES)}
            self.assertEqual((insert.table, insert.data), (name, expected))
            self.assertEqual((delete.operation, delete.data), (DELETE, expected))
            self.assertEqual((again.operation, update.data), (INSERT, expected | {"select": 30}))

    def test_wide(self) -> None:
        """
        A table of 200 columns is told whole, and one of the most that are allowed.
        """
        for count in (200, 500):
            columns = [f"c{i}" for i in range(count)]
            self.follow(f"t{count}", f"CREATE TABLE t{count} ({', '.join(columns)})")
            values = ", ".join(str(i) for i in range(count))
            self.run_(f"INSERT INTO t{count} VALUES ({values})", f"UPDATE t{count} SET c7 = 'x'")
            insert, update = self.changes(f"REPLACE INTO t{count} (rowid) SELECT NULL WHERE 0")
            self.assertEqual(insert.data, {c: i for i, c in enumerate(columns)})
            self.assertEqual(update.data, {**insert.data, "c7": "x"})
            self.assertEqual(update.old, insert.data)

    def test_manyTables(self) -> None:
        """
        A hundred tables are followed at once.
        """
        for i in range(100):
            self.run_(f"CREATE TABLE t{i} (a)")
            self.reader.attach(f"t{i}")
        changes = self.changes(*[f"INSERT INTO t{i} VALUES ({i})" for i in range(100)])
        self.assertEqual(
            [(c.table, c.data["a"]) for c in changes], [(f"t{i}", i) for i in range(100)]
        )

    def test_encodings(self) -> None:
        """
        A database in UTF-16 is told like any.
        """
        self.path = self.mktemp()
        self.writer = self.connect()
        self.run_("PRAGMA encoding = 'UTF-16be'", 'CREATE TABLE "größe" (ä TEXT UNIQUE)')
        self.reader = Reader(self.path)
        self.addCleanup(self.reader.connection.close)
        self.reader.attach("größe")
        self.assertEqual(
            self.summary("INSERT INTO größe VALUES ('😀')", "REPLACE INTO größe VALUES ('😀')"),
            [("INSERT", "😀"), ("DELETE", "😀"), ("INSERT", "😀")],
        )

    def test_journalModes(self) -> None:
        """
        Changes are told in each of SQLite's journal modes.
        """
        self.follow("t", "CREATE TABLE t (a)")
        for number, mode in enumerate(("wal", "delete", "truncate", "memory")):
            self.reader.connection.close()
            got = self.writer.execute(f"PRAGMA journal_mode = {mode}").fetchone()
            self.assertEqual(got, (mode,))
            self.reader = Reader(self.path)
            self.addCleanup(self.reader.connection.close)
            self.reader.attach("t")
            self.assertEqual(self.summary(f"INSERT INTO t VALUES ({number})"), [("INSERT", number)])


class ReaderTests(JournalCase):
    """
    How the journal is read and kept.
    """

    def statements(self) -> list[str]:
        """
        Collect what the daemon's connection runs from here on.
        """
        found: list[str] = []
        self.reader.connection.set_trace_callback(found.append)
        return found

    def test_idle(self) -> None:
        """
        While nothing is committed, a poll asks one thing, and not the journal.
        """
        self.follow("t", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
        statements = self.statements()
        self.events()
        self.assertEqual(statements, ["PRAGMA data_version"])

    def test_unrelatedSchema(self) -> None:
        """
        A change of the schema that concerns no followed table takes no lock.
        """
        self.follow("t", "CREATE TABLE t (a)")
        statements = self.statements()
        self.assertEqual(self.changes("CREATE TABLE u (a)", "INSERT INTO u VALUES (1)"), [])
        self.assertIn("BEGIN", statements)
        self.assertNotIn("BEGIN IMMEDIATE", statements)

    def test_locked(self) -> None:
        """
        While a writer holds the database locked a poll fails, and leaves nothing open;
        then all is told.
        """
        self.follow("t", "CREATE TABLE t (a)")
        self.run_("BEGIN EXCLUSIVE", "INSERT INTO t VALUES (1)")
        for _ in range(3):
            self.assertRaises(sqlite3.OperationalError, self.events)
            self.assertFalse(self.reader.connection.in_transaction)
        self.assertEqual(self.summary("COMMIT"), [("INSERT", 1)])

    def test_lockedAttach(self) -> None:
        """
        An attempt to follow a table while a writer is at work fails whole, and can be
        made again.
        """
        self.run_("PRAGMA journal_mode = WAL", "CREATE TABLE t (a)", "BEGIN IMMEDIATE")
        self.assertRaises(sqlite3.OperationalError, self.reader.attach, "t")
        self.assertFalse(self.reader.connection.in_transaction)
        self.run_("COMMIT")
        self.follow("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (1)"), [("INSERT", 1)])

    def test_newConnection(self) -> None:
        """
        The daemon's connection may be opened anew; nothing is lost or told twice.
        """
        self.follow("t", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
        self.run_("INSERT INTO t VALUES (2)")
        self.reader.connection.close()
        self.reader.connection = self.connect()
        self.reader.cursor = self.reader.connection.cursor()
        self.assertEqual(self.summary("INSERT INTO t VALUES (3)"), [("INSERT", 2), ("INSERT", 3)])

    def test_restart(self) -> None:
        """
        A daemon that starts again begins with what comes then; what was written
        meanwhile can still be read from an older position.
        """
        self.follow("t", "CREATE TABLE t (a)")
        before = self.reader.after
        self.run_("INSERT INTO t VALUES (1)")
        self.reader = Reader(self.path)
        self.addCleanup(self.reader.connection.close)
        self.assertEqual(self.reader.journal.attached(self.reader.cursor), ["t"])
        self.reader.attach("t")
        self.assertEqual(self.summary("INSERT INTO t VALUES (2)"), [("INSERT", 2)])
        self.reader.after = before
        self.assertEqual(self.summary(), [("INSERT", 1), ("INSERT", 2)])

    def test_prune(self) -> None:
        """
        Entries that are old and were read are forgotten, oldest first, no more than
        asked; the numbers go on.
        """
        self.follow("t", "CREATE TABLE t (a)")
        changes = self.changes(*[f"INSERT INTO t VALUES ({i})" for i in range(5)])
        prune = self.reader.journal.prune
        cursor = self.reader.cursor
        late = changes[-1].timestamp + 1
        self.assertEqual(prune(cursor, self.reader.after, changes[0].timestamp, 100), 0)
        self.assertEqual(prune(cursor, changes[1].seq, late, 100), 2)
        self.assertEqual(prune(cursor, self.reader.after, late, 1), 1)
        self.assertEqual(prune(cursor, self.reader.after, late, 100), 1)
        self.assertEqual(prune(cursor, self.reader.after, late, 100), 0)
        (change,) = self.changes("DELETE FROM t WHERE a = 0")
        self.assertEqual(change.seq, changes[-1].seq + 1)

    def test_gap(self) -> None:
        """
        A reader that comes too late for what was forgotten is told so, and goes on.
        """
        self.follow("t", "CREATE TABLE t (a)")
        after = self.reader.after
        changes = self.changes(*[f"INSERT INTO t VALUES ({i})" for i in range(5)])
        cursor = self.reader.cursor
        self.reader.journal.prune(cursor, changes[2].seq, changes[-1].timestamp + 1, 100)
        self.reader.after = after
        loss, *rest = self.events()
        self.assertEqual(lossOf(loss).table, "t")
        self.assertEqual(lossOf(loss).error.code, "table_lost")
        self.assertEqual(brief(rest), [("INSERT", 3), ("INSERT", 4)])

    def test_abandoned(self) -> None:
        """
        A journal that nobody has read for a day is cut; one that somebody reads is not.
        """
        self.follow("t", "CREATE TABLE t (a)")
        fill = (
            "WITH RECURSIVE s (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM s WHERE x < 103000)"
            " INSERT INTO t SELECT x FROM s"
        )
        now = int(time.time() * 1000)
        day = 24 * 3600 * 1000
        self.reader.journal.renew(self.reader.cursor, now - day)
        self.run_(fill)
        self.assertEqual(self.count("_aerostack_changes"), 103000)
        self.reader.journal.renew(self.reader.cursor, now - day - 3 * 3600 * 1000)
        self.run_("DELETE FROM t WHERE a <= 3000")
        self.assertLess(self.count("_aerostack_changes"), 101500)
        self.assertGreaterEqual(self.count("_aerostack_changes"), 100000)

    def count(self, table: str) -> int:
        count: int = self.writer.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count

    def test_concurrentWriters(self) -> None:
        """
        Polls between the writes of several connections miss nothing.
        """
        self.follow("t", "PRAGMA journal_mode = WAL", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        mirror = Mirror()
        writers = [self.connect() for _ in range(3)]
        for i in range(60):
            writers[i % 3].execute("REPLACE INTO t VALUES (?, ?)", (i % 7, i))
            if i % 4 == 0:
                mirror.apply(self.events())
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(tableRows(self.writer, "t")).sorted())

    def test_nothingYet(self) -> None:
        """
        A journal that was never prepared makes itself ready.
        """
        path = self.mktemp()
        connection = sqlite3.connect(path, isolation_level=None)
        self.addCleanup(connection.close)
        cursor = connection.cursor()
        journal = SQLiteJournal()
        self.assertEqual(journal.prune(cursor, 5, 5, 5), 0)
        journal.renew(cursor, 5)
        journal.detach(cursor, "t")
        self.assertEqual(journal.poll(cursor, 0, 10), Poll((), 0, False))

    def test_otherVersion(self) -> None:
        """
        A journal of another version is not touched.
        """
        self.run_("UPDATE _aerostack_meta SET value = 99 WHERE key = 'version'")
        error = self.assertRaises(RuntimeError, self.reader.journal.prepare, self.reader.cursor)
        self.assertIn("another version", str(error))
