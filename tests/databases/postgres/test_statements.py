"""
Tests for L{aerostack.databases.postgres.statements}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.statements import MAX_PARAMETERS, parseStatement

# Texts that hide a question mark, and texts between them.
HIDING = (
    *("'?'", "'it''s ?'", "E'\\'?'", "e'a'\n 'b\\'?'", "U&'?'", "N'?'", '"a?"', '"a""?"'),
    *("$$?$$", "$a$ $$ ? $b$ $a$", "-- ?\n", "/* ? */", "/* /* ? */ ? */", "$é$?$é$"),
)
PLAIN = (" ", "\n", "x", "a$1", "=", "(", ",", "1.5", "+ ", "- ", "/ ", "::int", "é", "'\\'")


class PlaceholderTests(SynchronousTestCase):
    """
    The parameters of a statement.
    """

    def test_marks(self) -> None:
        """
        Each question mark becomes the next number.
        """
        statement = parseStatement("UPDATE orders SET status = ? WHERE id=? AND (?)")
        self.assertEqual(statement.text, "UPDATE orders SET status = $1 WHERE id=$2 AND ($3)")
        self.assertEqual(statement.parameters, 3)

    def test_hidden(self) -> None:
        """
        Text in quotes or in a comment is left alone.
        """
        for hiding in HIDING:
            statement = parseStatement(f"SELECT ?, {hiding}\n, ?")
            self.assertEqual(statement.text, f"SELECT $1, {hiding}\n, $2")
            self.assertEqual(statement.parameters, 2, hiding)

    def test_backslash(self) -> None:
        """
        In an ordinary string a backslash is an ordinary character.
        """
        self.assertEqual(parseStatement("SELECT '\\', ?, '\\'").text, "SELECT '\\', $1, '\\'")

    def test_operators(self) -> None:
        """
        Two question marks are one question mark of an operator's name.
        """
        for written, meant in (
            ("data ?? ?", "data ? $1"),
            ("data ??| ?", "data ?| $1"),
            ("data ??& ?", "data ?& $1"),
            ("data @?? ?", "data @? $1"),
            ("data???", "data?$1"),
        ):
            statement = parseStatement(written)
            self.assertEqual((statement.text, statement.parameters), (meant, 1))

    def test_numbers(self) -> None:
        """
        A statement with numbered parameters stays unchanged.
        """
        sql = "SELECT data ? $2, '??', $1, $02 -- ? $9"
        statement = parseStatement(sql)
        self.assertEqual((statement.text, statement.parameters), (sql, 2))

    def test_noNumbers(self) -> None:
        """
        A dollar within a name or a quotation begins no parameter.
        """
        for sql in ("SELECT a$1", "SELECT $$ $1 $$", "SELECT $a$ $1 $a$", 'SELECT "$1"'):
            self.assertEqual(parseStatement(sql).parameters, 0, sql)

    def test_tooMany(self) -> None:
        """
        More parameters than possible are refused, however they are written.
        """
        most = ",".join("?" * MAX_PARAMETERS)
        self.assertEqual(parseStatement(most).parameters, MAX_PARAMETERS)
        for sql in (f"{most},?", f"${MAX_PARAMETERS + 1}", "$" + "9" * 10_000):
            error = self.assertRaises(ValueError, parseStatement, sql)
            self.assertIn("65535", str(error))

    @given(
        st.lists(st.sampled_from([*HIDING, *PLAIN, "?"]).map(lambda part: f" {part} "), max_size=12)
    )
    def test_anyOrder(self, parts: list[str]) -> None:
        """
        Exactly the question marks that are not hidden are numbered, in their order, whatever is
        around them.
        """
        statement = parseStatement("".join(parts))
        number = 0
        expected = ""
        for part in parts:
            if part.strip() == "?":
                number += 1
                part = f" ${number} "
            expected += part
        self.assertEqual((statement.text, statement.parameters), (expected, number))

    @given(st.text(st.sampled_from("'\"$?/*-;eE\\\n a1|"), max_size=40))
    def test_anything(self, sql: str) -> None:
        """
        Any text is read to its end, and only question marks change.
        """
        text = parseStatement(sql).text
        ours = "?$0123456789"
        self.assertEqual(
            text.translate({ord(c): None for c in ours}),
            sql.translate({ord(c): None for c in ours}),
        )

    def test_unended(self) -> None:
        """
        A text with an unclosed quote or comment is left unchanged, for the database to refuse.  The
        time to read it does not grow faster than the text.
        """
        for sql in ("'" + "''" * 50_000, "/*" * 50_000, "$a$" + "$" * 50_000, '"' * 99_999):
            statement = parseStatement(sql)
            self.assertEqual((statement.text, statement.parameters), (sql, 0))


class FactTests(SynchronousTestCase):
    """
    Other facts about a statement.
    """

    def test_verb(self) -> None:
        """
        The first word is found behind comments and brackets.
        """
        for sql, verb in (
            ("select 1", "SELECT"),
            ("/* a */ -- b\n ((Values (1)))", "VALUES"),
            ("", ""),
            (" -- nothing", ""),
            ("'a' \"b\"", ""),
        ):
            self.assertEqual(parseStatement(sql).verb, verb, sql)

    def test_names(self) -> None:
        """
        Names are given in the database's spelling, without texts that only look like names.
        """
        statement = parseStatement(
            'SELECT Orders."Id", \'no\' FROM "a""b" /* no */, U&"u" WHERE $$no$$ <> \'\''
        )
        self.assertEqual(statement.names, {"select", "orders", "Id", "from", 'a"b', "u", "where"})

    def test_several(self) -> None:
        """
        Text after a semicolon makes several statements, a final semicolon does not.
        """
        for sql, several in (
            ("SELECT 1", False),
            ("SELECT 1; ", False),
            ("SELECT 1;; -- end", False),
            ("SELECT ';' ", False),
            ("SELECT 1; SELECT 2", True),
            (";?", True),
        ):
            self.assertIs(parseStatement(sql).several, several, sql)
