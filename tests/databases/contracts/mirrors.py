"""
Tests of a copy that is kept by its changes alone, for every database.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.databases.contracts.journal import JournalContract
from tests.databases.support import Mirror

VALUES = st.sampled_from(["NULL", "0", "1", "2", "3"])


STATEMENTS = st.one_of(
    st.builds(
        "INSERT INTO t VALUES ({}, {}, {}) ON CONFLICT (a) DO UPDATE SET b = excluded.c".format,
        st.sampled_from("01234"),
        VALUES,
        VALUES,
    ),
    st.builds("INSERT INTO t SELECT a + 5, b, {} FROM t WHERE a < 5".format, VALUES),
    st.builds("UPDATE t SET b = {} WHERE c = {}".format, VALUES, VALUES),
    st.builds("UPDATE t SET c = b, b = {}".format, VALUES),
    st.builds("UPDATE t SET a = a + 20 WHERE b = {}".format, VALUES),
    st.builds("DELETE FROM t WHERE b = {}".format, VALUES),
    st.builds("DELETE FROM t WHERE a = {}".format, VALUES),
    st.sampled_from(["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"]),
)


class MirrorContract(JournalContract):
    """
    A copy of a table that is kept by its changes alone.
    """

    @settings(
        max_examples=int(os.environ.get("MIRROR_EXAMPLES", "60")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(statements=st.lists(STATEMENTS, min_size=1, max_size=12))
    def test_copy(self, statements: list[str]) -> None:
        """
        Applying the changes to a copy gives the table, and each change's C{old} is the copy's
        row; no change is reported while a transaction is open.
        """
        self.letReadersIn()
        self.run_(
            "DROP TABLE IF EXISTS t",
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c INTEGER)",
        )
        self.reader.attach("t")
        self.events()
        mirror = Mirror()
        isOpen = False
        for statement in statements:
            try:
                self.run_(statement)
            except self.error:
                # The statement was refused; in some databases this fails the whole transaction.
                continue
            finally:
                isOpen = self.isOpen()
            if not isOpen:
                mirror.apply(self.events())
            else:
                self.assertEqual(self.events(), [])
        if isOpen:
            self.run_("COMMIT")
        mirror.apply(self.events())
        self.assertEqual(mirror.sorted(), Mirror(self.rows("t")).sorted())
        self.reader.journal.detach(self.reader.cursor, "t")
