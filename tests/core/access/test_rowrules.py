"""
Tests for L{aerostack.core.access.rowrules}.
"""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.rowrules import Claim, Clause, RowRule, Wanted, parseRows

WORDS = ("and", "or", "not", "in", "is", "null", "like", "between", "true", "false")

names = st.from_regex(r"[a-zA-Z_é][a-zA-Z0-9_é]{0,6}", fullmatch=True) | st.text(
    min_size=1, max_size=6
)
numbers = st.integers(-(10**20), 10**20) | st.floats(-1e30, 1e30)
scalars = st.text(max_size=6) | numbers | st.booleans()
claims = st.builds(Claim, st.lists(names, min_size=1, max_size=3).map(tuple))
SIGNS = {"eq": ["="], "neq": ["!=", "<>"], "lt": ["<"], "lte": ["<="], "gt": [">"], "gte": [">="]}


def ordered(values: list[Any]) -> tuple[Any, ...]:
    """
    A set of scalars, in the order in which a rule holds them.
    """
    return Clause("c", "in", Claim(("x",))).bind({"x": values}).value


clauses = st.one_of(
    st.builds(Clause, names, st.sampled_from(sorted(SIGNS)), claims | scalars),
    st.builds(Clause, names, st.just("in"), claims),
    st.builds(Clause, names, st.just("in"), st.lists(scalars, min_size=1, max_size=4).map(ordered)),
    st.builds(Clause, names, st.just("like"), st.text(max_size=6)),
    st.builds(Clause, names, st.just("is_null"), st.booleans()),
)
rules = st.builds(RowRule, st.lists(clauses, min_size=1, max_size=4).map(tuple))


def quote(name: str, always: bool = False) -> str:
    """
    A name as a rule writes it.
    """
    if always or not re.fullmatch(r"[^\W\d]\w*", name) or name.lower() in WORDS:
        return '"' + name.replace('"', '""') + '"'
    return name


def write(draw: Any, rule: RowRule) -> str:
    """
    One of the ways to write a rule.
    """

    def word(text: str) -> str:
        return draw(st.sampled_from([text.lower(), text.upper(), text.title()]))

    def name(text: str) -> str:
        return quote(text, draw(st.booleans()))

    def operand(value: Any) -> str:
        if isinstance(value, Claim):
            return ":" + ".".join(map(name, value.path))
        if isinstance(value, bool):
            return word(str(value))
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        return repr(value)

    def clause(each: Clause) -> str:
        gap = draw(st.sampled_from([" ", "\n  "]))
        column = name(each.column)
        if each.operator == "in" and isinstance(each.operand, tuple):
            items = draw(st.permutations(each.operand))
            return f"{column} {word('in')}{gap}({', '.join(map(operand, items))})"
        if each.operator == "is_null":
            negation = "" if each.operand else f"{word('not')} "
            return f"{column} {word('is')}{gap}{negation}{word('null')}"
        if each.operator in ("in", "like"):
            return f"{column} {word(each.operator)}{gap}{operand(each.operand)}"
        gap = draw(st.sampled_from(["", " "]))
        return f"{column}{gap}{draw(st.sampled_from(SIGNS[each.operator]))}{operand(each.operand)}"

    return f" {word('and')} ".join(map(clause, rule.clauses))


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parseRows}.
    """

    def test_example(self) -> None:
        """
        A rule is parsed as its conditions, in their order.
        """
        rule = parseRows(
            "owner_id = :sub AND team in :app.teams AND \"Group\" <> 'it''s' AND n >= -1.5"
            " AND gone IS NULL AND seen IS NOT NULL AND open = true AND kind IN ('b', 'a', 'b')"
            " AND path like '/a%' AND x=:\"https://x.test/a.b\".c"
        )
        self.assertEqual(
            [(c.column, c.operator, c.operand) for c in rule.clauses],
            [
                ("owner_id", "eq", Claim(("sub",))),
                ("team", "in", Claim(("app", "teams"))),
                ("Group", "neq", "it's"),
                ("n", "gte", -1.5),
                ("gone", "is_null", True),
                ("seen", "is_null", False),
                ("open", "eq", True),
                ("kind", "in", ("a", "b")),
                ("path", "like", "/a%"),
                ("x", "eq", Claim(("https://x.test/a.b", "c"))),
            ],
        )

    @given(st.data(), rules)
    def test_everyWay(self, data: Any, rule: RowRule) -> None:
        """
        Every way to write a rule gives the same rule.
        """
        self.assertEqual(parseRows(write(data.draw, rule)), rule)

    @given(
        st.text(max_size=40)
        | st.lists(
            st.sampled_from(
                ["a", '"b"', ":c", ":d.e", "'f'", "1", "-2.5", "=", "<>", "(", ")", ",", *WORDS]
            )
        ).map(" ".join)
    )
    def test_anyText(self, text: str) -> None:
        """
        Any text is parsed or refused, and the place in the message lies in the text.
        """
        try:
            parseRows(text)
        except ValueError as error:
            match = re.match(r"at character (\d+): \S", str(error))
            assert match is not None, str(error)
            self.assertTrue(1 <= int(match[1]) <= len(text) + 1, str(error))

    def test_place(self) -> None:
        """
        A mistake is reported with its place and with what is allowed there.
        """
        for text, place, words in (
            ("", 1, "expected a column, not the end"),
            ("owner_id", 9, "expected one of ="),
            ("owner_id = ", 12, "a number, true or false, not the end"),
            ("a = 1 or b = 2", 7, "expected AND or the end, not or"),
            ("a = 1 AND", 10, "expected a column"),
            ("a = b", 5, "expected 'text', a number, true or false, not b"),
            ("a = null", 5, "not null"),
            ("a not in (1)", 3, "IN LIKE IS, not not"),
            ("a in ()", 7, "not )"),
            ("a in (1", 8, "expected ), not the end"),
            ("a in 'x'", 6, "a claim or a list in parentheses"),
            ("a is 1", 6, "expected NULL, not 1"),
            ("a between 1 and 2", 3, "not between"),
            ("and = 1", 1, "expected a column, not and"),
            (":a = 1", 1, "expected a column"),
            ("a = 'x", 5, "begins with ' is empty or does not end"),
            ('"" = 1', 1, 'begins with " is empty'),
            ("a = :", 5, "a colon is followed by a claim's name"),
            ("a = :1", 5, "a claim's name"),
            ("a = 1.", 5, "a number is written"),
            ("a = 12abc", 5, "a number is written"),
            ("a == 1", 4, "not ="),
            ("a = 1; b", 6, "';' means nothing here"),
            ("a = 1 b = 2", 7, "expected AND or the end, not b"),
            ("a like 5", 8, "a pattern in quotes, not 5"),
        ):
            message = str(self.assertRaises(ValueError, parseRows, text))
            self.assertTrue(message.startswith(f"at character {place}: "), (text, message))
            self.assertIn(words, message)

    def test_claimIsNoPattern(self) -> None:
        """
        A claim cannot be a pattern: a user who may choose a name would choose C{%}.
        """
        message = str(self.assertRaises(ValueError, parseRows, "owner like :name"))
        self.assertIn("at character 12: expected a pattern in quotes; what a token says", message)

    def test_hugeNumbers(self) -> None:
        """
        A number that no column could hold is refused.
        """
        for number in ("9" * 5000, "1e999", "-1e999"):
            message = str(self.assertRaises(ValueError, parseRows, f"a = {number}"))
            self.assertTrue(message.startswith("at character 5: "), message[:60])


class BindTests(SynchronousTestCase):
    """
    Tests for L{RowRule.bind}.
    """

    def assertLacks(self, rows: str, claims: dict[str, Any], words: str) -> None:
        """
        Assert that a token lacks a claim of a rule.
        """
        error = self.assertRaises(ValueError, parseRows(rows).bind, claims)
        self.assertIn(words, str(error))

    def test_bound(self) -> None:
        """
        The values in a token take the place of the claims.
        """
        rule = parseRows("a = :sub AND b in :app.teams AND c <> 'x' AND d is null AND e < :n")
        bound = rule.bind({"sub": "ann", "app": {"teams": [2, "x", 1]}, "n": 0.5, "more": 1})
        self.assertEqual(
            bound,
            (
                Wanted("a", "eq", "ann", Claim(("sub",))),
                Wanted("b", "in", (1, 2, "x"), Claim(("app", "teams"))),
                Wanted("c", "neq", "x"),
                Wanted("d", "is_null", True),
                Wanted("e", "lt", 0.5, Claim(("n",))),
            ),
        )

    @given(st.lists(scalars, max_size=6), st.randoms())
    def test_order(self, values: list[Any], random: Any) -> None:
        """
        The order and the repetitions of a token's list make no difference.
        """
        rule = parseRows("a in :teams")
        again = values * 2
        random.shuffle(again)
        bound = rule.bind({"teams": values})
        self.assertEqual(bound, rule.bind({"teams": again}))
        self.assertEqual(hash(bound), hash(rule.bind({"teams": again})))

    def test_nobody(self) -> None:
        """
        An empty list is not a missing claim.
        """
        [wanted] = parseRows("a in :teams").bind({"teams": []})
        self.assertEqual(wanted.value, ())

    def test_missing(self) -> None:
        """
        A claim that is absent or null is missing.
        """
        for claims in ({}, {"team": None}, {"teams": 1}):
            self.assertLacks("a = :team", claims, "its claim team is missing")
        for claims in ({}, {"app": None}, {"app": "x"}, {"app": ["team"]}, {"app.team": 1}):
            self.assertLacks("a = :app.team", claims, "its claim app.team is missing")

    def test_wrongType(self) -> None:
        """
        A claim that cannot be compared with a column is refused, and not shown.
        """
        for value in ([], ["ann"], {"x": "ann"}, float("nan"), float("inf")):
            self.assertLacks("a = :sub", {"sub": value}, "neither a string nor a number")
        for value in ("ann", 5, True, {}, [["ann"]], ["x", None], ["x", float("nan")], [{}]):
            self.assertLacks("a in :sub", {"sub": value}, "no list of strings and numbers")

    def test_needsToken(self) -> None:
        """
        A rule needs a token if it has a claim.
        """
        self.assertFalse(parseRows("a = 'sub' and b in (1)").needsToken)
        self.assertTrue(parseRows("a = 'sub' and b in :x").needsToken)
