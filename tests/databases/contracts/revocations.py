"""
Tests of the revocations of tokens, for every database.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.logger import globalLogPublisher

from aerostack.core.access.removals import Revocation
from aerostack.databases import revocations
from aerostack.databases.dialect import Dialect
from aerostack.databases.migrations import migrate
from aerostack.databases.revocations import RevocationStore
from aerostack.errors import RealtimeError

REVOCATION = Revocation("p", "ann", None, 1_000, 5_000, "spam")


class RevocationContract:
    """
    To be mixed into a test case that has a database.

    @cvar dialect: The SQL of the database.
    """

    dialect: Dialect

    # The test case provides these.
    addCleanup: Any
    assertEqual: Any
    assertIn: Any
    failureResultOf: Any
    patch: Any
    successResultOf: Any

    def open(self) -> Any:
        """
        Open the test's database, also for a second time; its interactions run at once.
        """
        raise NotImplementedError

    def execute(self, *statements: str) -> Any:
        """
        Run statements as another program.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.open()
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, self.dialect))
        self.store = RevocationStore(self.database, self.dialect)

    def keep(self, **differing: Any) -> Revocation:
        """
        Keep a revocation.
        """
        revocation = replace(REVOCATION, **differing)
        self.successResultOf(self.store.keep(revocation))
        return revocation

    def read(self, now: int = 0, projects: tuple[str, ...] = ("p",)) -> list[Revocation]:
        """
        Read what another daemon would read.
        """
        found = self.successResultOf(self.store.read(projects, now))
        return sorted(found, key=lambda each: (each.project, each.userId, each.tokenId or ""))

    def test_kept(self) -> None:
        """
        What one daemon kept, another one reads, until it has ended.
        """
        kept = [
            self.keep(),
            self.keep(tokenId="t1", reason=""),
            self.keep(userId="bé'?%s\\", until=4_000),
            self.keep(project="q"),
        ]
        other = self.open()
        self.addCleanup(other.close)
        self.store = RevocationStore(other, self.dialect)
        self.assertEqual(self.read(), kept[:3])
        self.assertEqual(self.read(projects=("q", "p", "r")), kept)
        self.assertEqual(self.read(4_000), kept[:2])
        self.assertEqual(self.read(5_000), [])
        self.assertEqual(self.read(projects=()), [])

    def test_joined(self) -> None:
        """
        A revocation of the same tokens joins the one before, whichever comes first.
        """
        early = {"before": 1_000, "until": 9_000, "reason": "early"}
        late = {"before": 2_000, "until": 8_000, "reason": "late"}
        for user, order in (("ann", (early, late)), ("bob", (late, early))):
            for values in order:
                self.keep(userId=user, **values)
        joined = replace(REVOCATION, before=2_000, until=9_000, reason="late")
        self.assertEqual(self.read(), [joined, replace(joined, userId="bob")])

    def test_forgotten(self) -> None:
        """
        Revocations that have ended are deleted, a bounded number at once.
        """
        self.patch(revocations, "DELETED", 2)
        for number in range(3):
            self.keep(userId=f"u{number}")
        last = self.keep(until=6_000)
        for left in (2, 1, 1):
            self.successResultOf(self.store.forget(5_000))
            self.assertEqual(len(self.read()), left)
        self.assertEqual(self.read(), [last])

    def test_strange(self) -> None:
        """
        Rows that no daemon wrote are left out, and the log says so once.
        """
        kept = self.keep()
        table = self.dialect.revocations
        long = "x" * 100_000
        self.execute(
            f"INSERT INTO {table} VALUES ('p', '{long}', '', 1, 9000, '')",
            f"INSERT INTO {table} VALUES ('p', 'cyd', '{long}', 1, 9000, '')",
            f"INSERT INTO {table} VALUES ('p', 'dan', '', 1, 9000, '{long}')",
            f"INSERT INTO {table} VALUES ('p', '', '', 1, 9000, '')",
        )
        logged: list[Any] = []
        globalLogPublisher.addObserver(logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, logged.append)
        for _ in range(2):
            self.assertEqual(self.read(), [kept])
        self.assertEqual([event["n"] for event in logged if "n" in event], [4])

    def test_most(self) -> None:
        """
        A daemon reads no more rows than a project may have, those that end last.
        """
        self.patch(revocations, "ROOM", replace(revocations.ROOM, entries=2))
        for number in range(4):
            self.keep(userId=f"u{number}", until=5_000 + number)
        self.assertEqual([each.userId for each in self.read()], ["u2", "u3"])

    def test_unavailable(self) -> None:
        """
        The caller gets C{database_unavailable}, with what is wrong and nothing secret.
        """
        self.execute(f"DROP TABLE {self.dialect.revocations}")
        for call in (
            lambda: self.store.keep(REVOCATION),
            lambda: self.store.read(("p",), 0),
            lambda: self.store.forget(0),
        ):
            error = self.failureResultOf(call(), RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
            self.assertIn("has lost the table", error.message)

    def test_madeAgain(self) -> None:
        """
        The next start makes a dropped table again.
        """
        self.execute(f"DROP TABLE {self.dialect.revocations}")
        self.successResultOf(self.database.run(migrate, self.dialect))
        kept = self.keep()
        self.assertEqual(self.read(), [kept])
