"""
Tests of columns that are added, dropped and renamed, for every database.
"""

from __future__ import annotations

from tests.databases.contracts.journal import JournalContract


class ColumnContract(JournalContract):
    """
    Columns that are added, dropped and renamed.
    """

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.follow("t", "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)")

    def test_reshaped(self) -> None:
        """
        A table whose columns change is reported as reshaped, once; other tables are not, nor is a
        table that is only attached again.
        """
        self.follow("u", "CREATE TABLE u (a INTEGER)")
        self.events()
        self.run_("INSERT INTO t VALUES (1, 2, 3)", "CREATE TABLE other (a INTEGER)")
        self.events()
        self.assertEqual(self.reader.reshaped, [])
        for count, change in enumerate(
            ("ADD COLUMN c INT DEFAULT 7", "RENAME COLUMN a TO d", "DROP COLUMN b"), 1
        ):
            self.run_(f"ALTER TABLE t {change}")
            self.events()
            self.assertEqual(self.reader.reshaped, ["t"] * count, change)
            self.reader.attach("t")
            self.events()
            self.assertEqual(self.reader.reshaped, ["t"] * count, change)

    def test_reshapedAtOnce(self) -> None:
        """
        A column that is added between attaching a table and the next poll is noticed.
        """
        self.run_("ALTER TABLE t ADD COLUMN c INT DEFAULT 7")
        self.events()
        self.assertEqual(self.reader.reshaped, ["t"])

    def test_reshapedMeanwhile(self) -> None:
        """
        The journal knows up to which change the rows had other columns, also when a column was
        added between two runs.
        """
        journal, cursor = self.reader.journal, self.reader.cursor
        self.assertEqual(journal.reshapedAt(cursor, "t"), -1)
        self.run_("INSERT INTO t VALUES (1, 2, 3)")
        self.events()
        self.run_("ALTER TABLE t ADD COLUMN c INT DEFAULT 7")
        self.events()
        self.assertEqual(journal.reshapedAt(cursor, "t"), self.reader.after)
        self.run_("INSERT INTO t VALUES (2, 2, 3, 4)")
        self.events()
        before = self.reader.after
        self.reader.connection.close()
        self.run_("ALTER TABLE t ADD COLUMN d INT DEFAULT 7")
        self.reader = self.makeReader()
        self.reader.attach("t")
        self.assertEqual(self.reader.journal.reshapedAt(self.reader.cursor, "t"), before)

    def test_added(self) -> None:
        """
        An added column is in the changes from the next poll on.
        """
        self.run_("INSERT INTO t VALUES (1, 2, 3)", "ALTER TABLE t ADD COLUMN c INT DEFAULT 7")
        self.assertEqual(self.inserted(), [{"id": 1, "a": 2, "b": 3, "c": 7}])
        self.assertEqual(
            self.updated("UPDATE t SET c = 8"),
            [({"id": 1, "a": 2, "b": 3, "c": 7}, {"id": 1, "a": 2, "b": 3, "c": 8})],
        )

    def test_dropped(self) -> None:
        """
        A dropped column is in no change any more, also not in those from before.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t DROP COLUMN a",
                "INSERT INTO t VALUES (4, 5)",
            ),
            [{"id": 1, "b": 3}, {"id": 4, "b": 5}],
        )

    def test_renamed(self) -> None:
        """
        A renamed column has its new name in all changes, also in those from before.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                'ALTER TABLE t RENAME COLUMN a TO "new ""name"',
                "ALTER TABLE t RENAME COLUMN id TO key",
                "INSERT INTO t VALUES (4, 5, 6)",
            ),
            [{"key": 1, 'new "name': 2, "b": 3}, {"key": 4, 'new "name': 5, "b": 6}],
        )

    def test_swapped(self) -> None:
        """
        Columns that exchange their names keep their values.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t RENAME COLUMN a TO c",
                "ALTER TABLE t RENAME COLUMN b TO a",
                "ALTER TABLE t RENAME COLUMN c TO b",
                "INSERT INTO t VALUES (4, 5, 6)",
            ),
            [{"id": 1, "b": 2, "a": 3}, {"id": 4, "b": 5, "a": 6}],
        )

    def test_nameOfADropped(self) -> None:
        """
        A column that takes a dropped one's name has its own values.
        """
        self.assertEqual(
            self.inserted(
                "INSERT INTO t VALUES (1, 2, 3)",
                "ALTER TABLE t DROP COLUMN b",
                "ALTER TABLE t RENAME COLUMN a TO b",
                "INSERT INTO t VALUES (4, 5)",
            ),
            [{"id": 1, "b": 2}, {"id": 4, "b": 5}],
        )

    def test_manyTimes(self) -> None:
        """
        Columns that come and go leave no trace in the changes.
        """
        for i in range(30):
            self.run_(f"ALTER TABLE t ADD COLUMN x{i} INT DEFAULT {i}")
            self.assertEqual(
                self.inserted(f"INSERT INTO t (id) VALUES ({i})"),
                [{"id": i, "a": None, "b": None, f"x{i}": i}],
            )
            self.assertEqual(self.changes(f"ALTER TABLE t DROP COLUMN x{i}"), [])

    def test_otherSchemaChanges(self) -> None:
        """
        A change of the schema at the moment when a table is attached is seen.
        """
        self.run_("CREATE TABLE u (a INTEGER)", "DROP TABLE t")
        self.reader.attach("u")
        self.assertEqual([table for table, _ in self.losses()], ["t"])
