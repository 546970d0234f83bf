"""
Tests for the JSON form of PostgreSQL's values: L{aerostack.databases.postgres.query} with
L{aerostack.databases.postgres.values}.
"""

from __future__ import annotations

import json
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from tests.databases.postgres.querycase import QueryCase
from tests.postgres import ROLE

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)


class ValueTests(QueryCase):
    """
    Tests for the JSON form of values.
    """

    @given(st.lists(st.one_of(st.none(), TEXT), max_size=4))
    def test_given(self, texts: list[str | None]) -> None:
        """
        A list that is a parameter is an array with the same values.
        """
        self.assertEqual(self.value("?::text[]", texts), texts)

    def test_lists(self) -> None:
        """
        The elements of a list have the types that its place requires.
        """
        for sql, values, expected in (
            ("2 = ANY(?)", [1, 2], True),
            ("2 = ANY(?)", [], False),
            ("?::int[]", [[1, 2], [3, None]], [[1, 2], [3, None]]),
            ("?::bool[]", [True, False], [True, False]),
            ("?::bytea[]", [b"\0a"], [{"base64": "AGE="}]),
            ("?::date[]", ["2026-01-02"], ["2026-01-02"]),
        ):
            self.assertEqual(self.value(sql, values), expected, sql)
        error = self.refused("SELECT 2 = ANY(?)", ["x"])
        self.assertEqual(error.details, {"kind": "invalid_value", "sqlstate": "22P02"})
        self.assertEqual(self.refused("SELECT ?::text[]", ["\0"]).details["kind"], "invalid_value")

    def test_scalars(self) -> None:
        """
        Each type has its documented form.
        """
        for expression, expected in (
            ("true", True),
            ("2::int2", 2),
            ("9007199254740991", 2**53 - 1),
            ("9007199254740992", "9007199254740992"),
            ("1.5::float4", 1.5),
            ("0.1::float4", 0.1),
            ("0.1::float8", 0.1),
            ("1e-5::float8 / 3", 1e-5 / 3),
            ("'NaN'::float8", "NaN"),
            ("'-Infinity'::float8", "-Infinity"),
            ("12.50", 12.5),
            ("12345678901234567.5", "12345678901234567.5"),
            ("'NaN'::numeric", "NaN"),
            ("10::numeric", 10),
            ("1.10::price", 1.1),
            ("'é'::text", "é"),
            ("'ab'::char(4)", "ab  "),
            ("'x'::name", "x"),
            ("'\\x00ff'::bytea", {"base64": "AP8="}),
            ("''::bytea", {"base64": ""}),
            ("'2026-01-02'::date", "2026-01-02"),
            ("'03:04:05.5'::time", "03:04:05.5"),
            ("'2026-01-02 03:04:05.678'::timestamp", "2026-01-02T03:04:05.678"),
            ("'2026-01-02 03:04:05.678+05:45'::timestamptz", "2026-01-01T21:19:05.678+00:00"),
            ("'0044-03-15 12:00:00+00 BC'::timestamptz", "0044-03-15T12:00:00+00:00 BC"),
            ("'infinity'::timestamptz", "infinity"),
            ("'1 day 02:00'::interval", "1 day 02:00:00"),
            (
                "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            ("'10.0.0.1'::inet", "10.0.0.1"),
            ("int4range(1, 5)", "[1,5)"),
            ("span(1.5, 2)", "[1.5,2)"),
            ("'happy'::mood", "happy"),
            ("'{\"a\":  [1, 2.50, null]}'::json", {"a": [1, 2.5, None]}),
            ("'\"x\"'::jsonb", "x"),
            ("'null'::jsonb", None),
            ("NULL::int", None),
        ):
            self.assertEqual(repr(self.value(expression)), repr(expected), expression)

    def test_composed(self) -> None:
        """
        Arrays are lists and rows are objects, with the forms of their values.
        """
        for expression, expected in (
            ("ARRAY[1, NULL, 3]", [1, None, 3]),
            ("ARRAY[]::int[]", []),
            ("ARRAY[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
            ("'[0:1]={1,2}'::int[]", [1, 2]),
            ("'[-1:-1][2:3]={{1,2}}'::int[]", [[1, 2]]),
            ("ARRAY[9007199254740992, 1]", ["9007199254740992", 1]),
            ("ARRAY[1.5, 'NaN']::numeric[]", [1.5, "NaN"]),
            ("ARRAY['\\x00'::bytea]", [{"base64": "AA=="}]),
            ("ARRAY['2026-01-02 03:04:05Z'::timestamptz]", ["2026-01-02T03:04:05+00:00"]),
            ("ARRAY['{\"a\": [1]}', 'null']::jsonb[]", [{"a": [1]}, None]),
            ("ARRAY[box '(1,1),(0,0)', box '(2,2),(1,1)']", ["(1,1),(0,0)", "(2,2),(1,1)"]),
            ("ARRAY['happy', NULL]::mood[]", ["happy", None]),
            ("ARRAY[1.10]::price[]", [1.1]),
            (
                "ROW(1, 'x', ARRAY['not so \"happy\"'])::pair",
                {"a": 1, "b": "x", "c": ['not so "happy"']},
            ),
            ("ROW(NULL, '', NULL)::pair", {"a": None, "b": "", "c": None}),
            ("ARRAY[ROW(1, 'a,\"b\" (\\', NULL)]::pair[]", [{"a": 1, "b": 'a,"b" (\\', "c": None}]),
            ("ROW()::nothing", {}),
            ("o FROM (VALUES (1, 'x')) AS o", "(1,x)"),
        ):
            self.assertEqual(self.value(expression), expected, expression)

    def test_row(self) -> None:
        """
        A table's row as a value is an object with its present columns.
        """
        self.postgres.execute(
            "INSERT INTO orders VALUES (1, 2, 'x')", "ALTER TABLE orders DROP COLUMN a"
        )
        self.assertEqual(self.value("orders FROM orders"), {"id": 1, "b": "x"})

    def test_asTold(self) -> None:
        """
        Except for bytes and large numbers, values look like PostgreSQL's own JSON, which changes
        of tables use.
        """
        for expression in (
            *("1.5::float4", "'2026-01-02 03:04:05.6+05'::timestamptz", "'03:04'::timetz"),
            *(
                "'2026-01-02 03:04:05'::timestamp",
                "'infinity'::date",
                "'0044-03-15 BC'::date",
                "'-1 day'::interval",
            ),
            *("'0044-03-15 BC'::timestamp", "'(1,2)'::point", "'a'::tsvector"),
            *("B'101'", "'08:00:2b:01:02:03'::macaddr", "ARRAY['a b', 'NULL', NULL, '', '\"']"),
            *("ROW(1, 'a \"b\", c', ARRAY['happy'])::pair", "'{[1,3), [5,7)}'::int4multirange"),
            "'2026-01-02'::date",
        ):
            told = self.postgres.connect(ROLE)
            with closing(told):
                told.execute("SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'")
                ((text,),) = told.execute(f"SELECT to_jsonb({expression})::text").fetchall()
            self.assertEqual(self.value(expression), json.loads(text), expression)

    @given(st.lists(st.one_of(st.none(), TEXT), max_size=4), TEXT)
    def test_anyText(self, texts: list[str | None], text: str) -> None:
        """
        Any text comes back unchanged, also in an array and in a row of a row.
        """
        array = "ARRAY[" + ", ".join("?" for _ in texts) + "]::text[]"
        self.assertEqual(self.value(array, *texts), texts)
        found = self.value("ARRAY[ROW(1, ?, NULL)::pair]", text)
        self.assertEqual(found, [{"a": 1, "b": text, "c": None}])
