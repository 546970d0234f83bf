"""
Tests for L{aerostack.core.access.tables}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.permissions import Identity, Role
from aerostack.core.access.tables import READER_ROLES, Access, UnfitRule
from aerostack.core.rows.columns import ColumnType
from aerostack.errors import RealtimeError
from aerostack.settings.tables import READERS, TableConfig
from aerostack.testing import makeProject

ANONYMOUS = Identity("p", Role.ANONYMOUS)
PUBLIC = Identity("p", Role.PUBLIC)
SERVER = Identity("p", Role.SECRET)
COLUMNS = {
    "id": ColumnType.NUMBER,
    "owner": ColumnType.TEXT,
    "team": ColumnType.NUMBER,
    "secret": ColumnType.TEXT,
}


def user(**claims: Any) -> Identity:
    """
    Make an identity whose token has some claims.
    """
    return Identity("p", Role.TOKEN, "ann", claims={"sub": "ann", **claims})


class AccessCase(SynchronousTestCase):
    """
    The base class of the tests of rules.
    """

    def access(self, rules: dict[str, TableConfig] | None = None, **project: Any) -> Access:
        return Access({"p": makeProject(**project)}, rules or {})

    def orders(self, **rule: Any) -> Access:
        """
        Make a rule for the table C{orders}.
        """
        return self.access({"orders": TableConfig(**rule)})

    def assertForbidden(self, access: Access, identity: Identity, table: str = "orders") -> str:
        """
        Assert that an identity may not read a table.

        @return: The message of the error.
        """
        error = self.assertRaises(RealtimeError, access.grant, identity, table)
        self.assertEqual(error.code, "forbidden")
        self.assertIn(table, error.message)
        return error.message

    def readers(self, access: Access, table: str = "orders") -> set[Role]:
        """
        Find the identities that may read a table.
        """
        found = set()
        for identity in (ANONYMOUS, PUBLIC, user(), SERVER):
            try:
                access.grant(identity, table)
            except RealtimeError:
                self.assertForbidden(access, identity, table)
            else:
                found.add(identity.role)
        return found


class ReaderTests(AccessCase):
    """
    Tests of who may read at all.
    """

    def test_words(self) -> None:
        """
        The parser accepts the words of the configuration.
        """
        self.assertEqual(tuple(READER_ROLES), READERS)

    def test_default(self) -> None:
        """
        By default users with tokens may not read tables, and other clients may.
        """
        self.assertEqual(self.readers(self.access()), {Role.ANONYMOUS, Role.PUBLIC, Role.SECRET})

    def test_defaultRead(self) -> None:
        """
        A project's default holds for tables without a rule, and for those whose rule does
        not say who may read.
        """
        for words in ((), ("token",), ("key", "token"), READERS):
            expected = {READER_ROLES[word] for word in words} | {Role.SECRET}
            access = self.access({"orders": TableConfig(hidden=("x",))}, defaultRead=words)
            self.assertEqual(self.readers(access), expected)
            self.assertEqual(self.readers(access, "bills"), expected)

    def test_read(self) -> None:
        """
        The roles in the rule, and the secret key, may read.
        """
        for words in ((), ("token",), ("anonymous",), ("key", "token")):
            expected = {READER_ROLES[word] for word in words} | {Role.SECRET}
            self.assertEqual(self.readers(self.orders(read=words)), expected)

    def test_first(self) -> None:
        """
        The first rule that matches a table holds; those of the project come before the others.
        """
        access = self.access(
            {"b_*": TableConfig(("token",)), "*": TableConfig(())},
            tables={"b_1": TableConfig(("key",)), "c": TableConfig(("anonymous",))},
        )
        for table, role in (
            ("b_1", Role.PUBLIC),
            ("b_2", Role.TOKEN),
            ("c", Role.ANONYMOUS),
            ("d", Role.SECRET),
        ):
            self.assertEqual(self.readers(access, table), {role, Role.SECRET}, table)

    def test_schema(self) -> None:
        """
        A pattern covers the table's whole name, with its schema.
        """
        access = self.access({"sales.*": TableConfig(()), "orders": TableConfig(())})
        self.assertEqual(self.readers(access, "sales.orders"), {Role.SECRET})
        self.assertEqual(self.readers(access, "orders"), {Role.SECRET})
        self.assertIn(Role.PUBLIC, self.readers(access, "hr.orders"))

    def test_projectGone(self) -> None:
        """
        A client of a project that is no longer configured may read nothing.
        """
        error = self.assertRaises(RealtimeError, Access({}, {}).grant, SERVER, "orders")
        self.assertEqual(error.code, "unknown_project")


class RowTests(AccessCase):
    """
    Tests of which rows may be read.
    """

    def test_claims(self) -> None:
        """
        The rows follow from the claims of the reader's token, and only from those that the
        rule asks for.
        """
        access = self.orders(read=("token",), rows="owner = :sub AND team in :teams")
        grant = access.grant(user(teams=[2, 1], name="Ann"), "orders")
        self.assertEqual(grant, access.grant(user(teams=[1, 2, 2], name="Anna"), "orders"))
        self.assertEqual(hash(grant), hash(access.grant(user(teams=[1, 2]), "orders")))
        self.assertNotEqual(grant, access.grant(user(teams=[1]), "orders"))
        owner, team = grant.conditions(COLUMNS)
        self.assertTrue(owner.match({"owner": "ann"}))
        self.assertFalse(owner.match({"owner": "bob"}))
        self.assertEqual([team.match({"team": n}) for n in (1, 2, 3)], [True, True, False])

    def test_missing(self) -> None:
        """
        A token without a claim of the rule reads nothing, and the message names the claim.
        """
        access = self.orders(read=("token",), rows="team in :app.teams")
        self.assertIn("claim app.teams is missing", self.assertForbidden(access, user()))
        self.assertIn("no list", self.assertForbidden(access, user(app={"teams": "x"})))

    def test_withoutToken(self) -> None:
        """
        A client without a token reads nothing if claims decide, even if the rule allows its role.
        """
        access = self.orders(read=("anonymous", "key", "token"), rows="owner = :sub")
        for identity in (ANONYMOUS, PUBLIC):
            self.assertIn("only a token can tell", self.assertForbidden(access, identity))

    def test_withoutClaims(self) -> None:
        """
        Rows that do not depend on the reader are the same for all.
        """
        access = self.orders(read=("anonymous", "key", "token"), rows="owner = 'x'")
        grants = {access.grant(each, "orders") for each in (ANONYMOUS, PUBLIC, user())}
        self.assertEqual(len(grants), 1)
        [condition] = grants.pop().conditions(COLUMNS)
        self.assertFalse(condition.match({"owner": "ann"}))

    def test_server(self) -> None:
        """
        The secret key reads all rows, but no hidden column.
        """
        access = self.orders(read=(), rows="owner = 'x'", hidden=("secret",))
        grant = access.grant(SERVER, "orders")
        self.assertEqual((grant.rows, grant.hidden), ((), {"secret"}))

    def test_digits(self) -> None:
        """
        A subject is always a string; one of digits finds numbers.
        """
        access = self.orders(read=("token",), rows="team = :sub")
        [condition] = access.grant(user(sub="42"), "orders").conditions(COLUMNS)
        self.assertTrue(condition.match({"team": 42}))
        self.assertFalse(condition.match({"team": 4}))

    def test_otherDigits(self) -> None:
        """
        A subject that only means a number, and is not how the number is written, finds no rows: it
        is another user.
        """
        access = self.orders(read=("token",), rows="team = :sub")
        names = ("07", "+7", "7.0", "7e0", " 7", "-0", "Infinity", "NaN", "0x7", "\u0667", "7\n")
        for name in names:
            grant = access.grant(user(sub=name), "orders")
            error = self.assertRaises(RealtimeError, grant.conditions, COLUMNS)
            self.assertEqual(error.code, "forbidden", name)
        several = self.orders(read=("token",), rows="team in :teams")
        grant = several.grant(user(teams=["7", "08"]), "orders")
        self.assertRaises(RealtimeError, grant.conditions, COLUMNS)
        for name in ("7", "-7", "0", "0.5", "-12.25"):
            access.grant(user(sub=name), "orders").conditions(COLUMNS)

    def test_otherType(self) -> None:
        """
        A claim that cannot be compared with its column lets no row be read, and the message does
        not show the comparison.
        """
        for rows, claims in (("team = :x", {"x": "a"}), ("owner in :x", {"x": ["a", 1]})):
            grant = self.orders(read=("token",), rows=rows).grant(user(**claims), "orders")
            error = self.assertRaises(RealtimeError, grant.conditions, COLUMNS)
            self.assertEqual(error.code, "forbidden")
            self.assertIn("its claim x is of another type", error.message)
            for word in ("team", "owner", "number", "string"):
                self.assertNotIn(word, error.message)


class UnfitTests(AccessCase):
    """
    Tests of rules that do not fit their table.
    """

    def assertUnfit(self, access: Access, words: str, identity: Identity = PUBLIC) -> None:
        """
        Assert that a rule cannot be applied, and that the error says why.
        """
        grant = access.grant(identity, "orders")
        error = self.assertRaises(UnfitRule, grant.conditions, COLUMNS)
        self.assertIn(words, str(error))

    def test_rows(self) -> None:
        """
        A rule is not applied if it names a missing column, or compares a column with a value that
        it cannot hold.
        """
        for rows, words in (
            ("Owner = 'x'", "Owner: there is no such column"),
            ("owner = 'x' and id = 'x'", "id: eq takes a number"),
            ("team like 'x'", "team: like is for text"),
        ):
            self.assertUnfit(self.orders(read=("key",), rows=rows), words)
        access = self.orders(read=("token",), rows="gone = :sub")
        self.assertUnfit(access, "gone: there is no such column", user())

    def test_hidden(self) -> None:
        """
        A hidden column that is missing is an error in a rule for one table, as it may be misspelled
        or renamed.  A rule for many tables need not fit each.
        """
        hidden = TableConfig(hidden=("sekret",))
        self.assertUnfit(self.access({"orders": hidden}), "sekret: the table has no such column")
        for identity in (PUBLIC, SERVER):
            grant = self.access({"order*": hidden}).grant(identity, "orders")
            self.assertEqual(grant.conditions(COLUMNS), ())
        self.assertUnfit(self.access({"orders": hidden}), "sekret", SERVER)
