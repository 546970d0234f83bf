"""
Every value that a row may hold in PostgreSQL: L{aerostack.databases.postgres.rows}.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.rows.changes import INSERT
from aerostack.core.rows.columns import ColumnType
from aerostack.databases.postgres.rows import Field, RowDecoder, Shape, isRewritten
from aerostack.protocol.codec import encodeValue
from tests.databases.postgres.case import PostgresCase


def plain(*names: str, start: int = 1) -> tuple[Field, ...]:
    """
    Make columns of text.
    """
    return tuple(Field(i, name, "text", "", None) for i, name in enumerate(names, start))


def told(shapes: list[Shape], text: str, seq: int = 100) -> dict[str, Any]:
    return RowDecoder(shapes).decode(text, seq)


class RowsTests(SynchronousTestCase):
    """
    Tests for L{RowDecoder}.
    """

    def test_numbers(self) -> None:
        """
        A number that a double can represent is a number; any other is a string of its digits.
        """
        shapes = [Shape(0, plain("a"))]
        for text, expected in (
            ("0", 0),
            ("-9007199254740991", -(2**53) + 1),
            ("9007199254740992", "9007199254740992"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.50", 1.5),
            ("-0.0000001", -1e-7),
            ("123456789.123456", 123456789.123456),
            ("1234567890.1234567", "1234567890.1234567"),
            ("0.10000000000000000000", 0.1),
            ("1e+20", 1e20),
            ("1e999", "1e999"),
            ("0." + "0" * 400 + "1", "0." + "0" * 400 + "1"),
            ('["NaN",1.5,[9007199254740993]]', ["NaN", 1.5, ["9007199254740993"]]),
            ('{"x":9007199254740993}', {"x": "9007199254740993"}),
            ('"1234567890123456789"', "1234567890123456789"),
        ):
            self.assertEqual(told(shapes, f'{{"a":{text}}}'), {"a": expected}, text)

    @given(st.floats(allow_nan=False, allow_infinity=False))
    def test_doubles(self, number: float) -> None:
        """
        A double is reported exactly, however many digits it needs.
        """
        shapes = [Shape(0, (Field(1, "a", "double precision", "float", None),))]
        self.assertEqual(told(shapes, f'{{"a":{number!r}}}'), {"a": number})

    def test_namedDoubles(self) -> None:
        """
        Infinities and NaN are words, also within arrays.
        """
        shapes = [Shape(0, (Field(1, "a", "real[]", "float", None),))]
        row = '{"a":["NaN","Infinity","-Infinity",null,0.30000000000000004]}'
        self.assertEqual(
            told(shapes, row), {"a": ["NaN", "Infinity", "-Infinity", None, 0.1 + 0.2]}
        )

    def test_columnsBetweenLooks(self) -> None:
        """
        A row that was written while the table had an unseen shape is decoded as far as possible,
        by the known names.
        """
        before, after = plain("id", "a", "b"), (*plain("id"), *plain("y", start=3))
        shapes = [Shape(0, before), Shape(50, after)]
        self.assertEqual(told(shapes, '{"id":"1","x":"2","b":"3"}'), {"id": "1", "y": None})
        self.assertEqual(told(shapes, '{"id":"1","x":"2","y":"3"}'), {"id": "1", "y": "3"})

    def test_byNumber(self) -> None:
        """
        If two shapes have the same names, the number of the row decides.
        """
        shapes = [Shape(0, plain("a", "b")), Shape(50, (*plain("a"), *plain("b", start=7)))]
        self.assertEqual(told(shapes, '{"a":"1","b":"2"}', 50), {"a": "1", "b": None})
        self.assertEqual(told(shapes, '{"a":"1","b":"2"}', 51), {"a": "1", "b": "2"})

    def test_fallbacks(self) -> None:
        """
        A column has its default, in its own form, in rows that are older than it.
        """
        added = (
            Field(2, "n", "bigint", "", "9007199254740993"),
            Field(3, "y", "bytea", "bytes", '"\\\\x00"'),
            Field(4, "j", "jsonb", "json", '{"a":1}'),
            Field(5, "f", "real", "float", '"NaN"'),
        )
        shapes = [Shape(0, plain("a")), Shape(50, (*plain("a"), *added))]
        row = told(shapes, '{"a":"1"}', 20)
        self.assertEqual(
            encodeValue(row),
            b'{"a":"1","n":"9007199254740993","y":{"base64":"AA=="},"j":{"a":1},"f":"NaN"}',
        )

    def test_rewritten(self) -> None:
        """
        Another type means other values, unless both types are text.
        """

        def field(number: int, kind: str) -> Field:
            return Field(number, "a", kind, "", None)

        for old, new, expected in (
            (field(1, "integer"), field(1, "bigint"), True),
            (field(1, "numeric(10,2)"), field(1, "numeric(10,1)"), True),
            (field(1, "character varying(5)"), field(1, "text"), False),
            (field(1, "integer"), field(2, "text"), False),
            (field(1, "integer"), field(1, "integer"), False),
        ):
            self.assertEqual(isRewritten([old], [new]), expected, (old, new))


class ValueTests(PostgresCase):
    """
    Values in a real database with unusual settings.
    """

    def roundtrip(self, kind: str, expression: str) -> str:
        """
        Give the JSON of a value of some type, the same in C{data} and C{old}.
        """
        self.run_("DROP TABLE IF EXISTS t")
        self.events()
        self.follow("t", f"CREATE TABLE t (id int, v {kind})")
        insert, update, delete = self.changes(
            f"INSERT INTO t VALUES (1, {expression})", "UPDATE t SET id = 2", "DELETE FROM t"
        )
        assert update.old is not None
        images = [insert.data, update.old, update.data, delete.data]
        found = [encodeValue(image["v"]).decode() for image in images]
        self.assertEqual(found, [found[0]] * 4)
        return found[0]

    def test_values(self) -> None:
        """
        Each type has its documented JSON form, whatever the writer's settings are.
        """
        self.run_(
            "CREATE TYPE mood AS ENUM ('sad', 'glad')",
            "CREATE TYPE point2 AS (x int, y numeric, b bytea)",
            "CREATE TYPE edge AS (f float8, ends point2[])",
            "CREATE DOMAIN mail AS text CHECK (VALUE LIKE '%@%')",
            "CREATE DOMAIN blob AS bytea",
            "CREATE DOMAIN blobs AS blob[]",
            "CREATE TYPE document AS (j json, l jsonb[], at timestamptz)",
            "SET TimeZone = 'America/New_York'",
            "SET DateStyle = 'German'",
            "SET bytea_output = 'escape'",
            "SET extra_float_digits = -10",
            "SET IntervalStyle = 'sql_standard'",
        )
        for kind, expression, expected in (
            ("int", "NULL", "null"),
            ("smallint", "-1", "-1"),
            ("bigint", "9007199254740993", '"9007199254740993"'),
            ("boolean", "true", "true"),
            ("numeric", "1.50", "1.5"),
            ("numeric(30,10)", "12345678901234567.5", '"12345678901234567.5000000000"'),
            ("numeric", "'NaN'", '"NaN"'),
            ("double precision", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
            ("double precision", "'-Infinity'", '"-Infinity"'),
            ("real", "0.1", "0.1"),
            ("text", "'größe 😀'", '"größe 😀"'),
            ("char(3)", "'a'", '"a  "'),
            ("bytea", r"'\x00ff'", '{"base64":"AP8="}'),
            ("bytea[]", r"array['\x00'::bytea, NULL]", '[{"base64":"AA=="},null]'),
            ("blob", r"'\x00'", '{"base64":"AA=="}'),
            ("blob[]", r"array['\x00'::blob, NULL]", '[{"base64":"AA=="},null]'),
            ("blobs", r"array['\x00'::blob, NULL]", '[{"base64":"AA=="},null]'),
            ("mail[]", "array['a@b'::mail]", '["a@b"]'),
            ("jsonb[]", """array['{"n": 1.10}'::jsonb, NULL, '12345678901234567890']""",
             '[{"n": 1.10},null,12345678901234567890]'),
            ("document", """row('[1.10]', '{1.10,12345678901234567890}', '2024-01-01 12:00+01')""",
             '{"j":[1.10],"l":[1.10,12345678901234567890],"at":"2024-01-01T11:00:00+00:00"}'),
            ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'",
             '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
            ("date", "'2024-02-29'", '"2024-02-29"'),
            ("timestamp", "'2024-02-29 13:00:00.5'", '"2024-02-29T13:00:00.5"'),
            ("timestamptz", "'2024-02-29 13:00:00+05:45'", '"2024-02-29T07:15:00+00:00"'),
            ("timestamptz", "'infinity'", '"infinity"'),
            ("timestamptz", "'0044-03-15 12:00:00+00 BC'", '"0044-03-15T12:00:00+00:00 BC"'),
            ("time", "'13:00'", '"13:00:00"'),
            ("interval", "'1 day 2 hours'", '"1 day 02:00:00"'),
            ("int[]", "'{1,NULL,3}'", "[1,null,3]"),
            ("bigint[]", "'{{1,9007199254740993}}'", '[[1,"9007199254740993"]]'),
            ("timestamptz[]", "array['2024-02-29 13:00:00+01'::timestamptz]",
             '["2024-02-29T12:00:00+00:00"]'),
            ("int4range", "'[1,5)'", '"[1,5)"'),
            ("tstzrange", "'[2024-01-01 00:00+01,infinity]'",
             r'"[\"2023-12-31 23:00:00+00\",infinity]"'),
            ("mood", "'glad'", '"glad"'),
            ("mood[]", "array['glad'::mood]", '["glad"]'),
            ("point2", r"row(1, 2.50, '\xff')", '{"x":1,"y":2.5,"b":{"base64":"/w=="}}'),
            ("edge", r"row(0.1::float8 + 0.2::float8, array[row(1, NULL, '\xff')::point2])",
             '{"f":0.30000000000000004,"ends":[{"x":1,"y":null,"b":{"base64":"/w=="}}]}'),
            ("edge[]", "array[NULL::edge]", "[null]"),
            ("mail", "'a@b'", '"a@b"'),
            ("jsonb", """'{"b": 1.0, "a": [null, 12345678901234567890]}'""",
             '{"a": [null, 12345678901234567890], "b": 1.0}'),
            ("json", """'{"b" : 1.00,  "b":2}'""", '{"b" : 1.00,  "b":2}'),
            ("json", "'null'", "null"),
            ("jsonb", "'\"x\"'", '"x"'),
            ("inet", "'10.0.0.1/8'", '"10.0.0.1/8"'),
            ("bit varying", "B'101'", '"101"'),
        ):  # fmt: skip
            self.assertEqual(self.roundtrip(kind, expression), expected, (kind, expression))

    def test_unreadableJSON(self) -> None:
        """
        JSON that only PostgreSQL can read becomes a string of its text, and stops neither its row
        nor later ones.
        """
        deep = "[" * 3000 + "]" * 3000
        for document in (r'{"a": "\ud800"}', r'"\u0000"', deep):
            self.follow("t", "CREATE TABLE t (a int, d json, n numeric)")
            insert, after = self.changes(
                f"INSERT INTO t VALUES (1, '{document}', 12345678901234567.5)",
                "INSERT INTO t VALUES (2)",
            )
            self.assertEqual(insert.data["n"], "12345678901234567.5")
            value = msgspec.json.decode(encodeValue(insert.data))["d"]
            expected = "\x00" if document == r'"\u0000"' else document
            self.assertEqual(value, expected)
            self.assertEqual(after.data["a"], 2)
            self.reader.journal.detach(self.reader.cursor, "t")
            self.run_("DROP TABLE t")

    def test_toasted(self) -> None:
        """
        A large value that PostgreSQL stores apart from its row is complete in an UPDATE that does
        not touch it.
        """
        self.follow("t", "CREATE TABLE t (id int PRIMARY KEY, doc text)")
        self.run_(
            "INSERT INTO t SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 5000) i"
        )
        insert, update, delete = self.changes("UPDATE t SET id = 2", "DELETE FROM t")
        self.assertEqual(len(insert.data["doc"]), 160_000)
        assert update.old is not None
        self.assertEqual(
            [update.old["doc"], update.data["doc"], delete.data["doc"]], [insert.data["doc"]] * 3
        )

    def test_generated(self) -> None:
        """
        Generated and identity columns are part of the row; a column that is computed when it is
        read is not.
        """
        virtual = self.reader.connection.info.server_version >= 180000
        computed = ", w int GENERATED ALWAYS AS (a + 1) VIRTUAL" if virtual else ""
        self.follow(
            "t",
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, a int,"
            f" b int GENERATED ALWAYS AS (a * 2) STORED{computed})",
        )
        self.assertEqual(
            self.summary("INSERT INTO t (a) VALUES (3)", "UPDATE t SET a = 4"),
            [("INSERT", 1, 3, 6), ("UPDATE", 1, 4, 8)],
        )
        columns = self.reader.journal.columns(self.reader.cursor, "t")
        self.assertEqual(list(columns), ["id", "a", "b"])

    def test_columnTypes(self) -> None:
        """
        Columns are compared by what they hold, also under a domain's name.
        """
        self.follow(
            "t",
            "CREATE DOMAIN price AS numeric CHECK (VALUE > 0)",
            "CREATE DOMAIN cost AS price",
            "CREATE TABLE t (a cost, b varchar(3), c boolean, d timestamptz, e date, f jsonb,"
            " g int[], h uuid, i bytea, j float4, k interval, l money)",
        )
        number, other = ColumnType.NUMBER, ColumnType.OTHER
        self.assertEqual(
            list(self.reader.journal.columns(self.reader.cursor, "t").values()),
            [
                *(number, ColumnType.TEXT, ColumnType.BOOLEAN, ColumnType.TIME, ColumnType.TIME),
                *(ColumnType.JSON, ColumnType.COMPOUND, other, ColumnType.COMPOUND),
                *(number, other, other),
            ],
        )

    def test_oddNames(self) -> None:
        """
        Tables and columns may have any name, also names from the daemon's own SQL.
        """
        names = ["we\"ir'd", "two words", "größe 😀", "select", "UPPER", "a%sb", "a\\b", "n", "o"]
        names += ["new", "old", "tg_op", "TG_OP", "_new", "_old", "_olds", "_early", "_rows", "t"]
        names += ["tid", "xid", "id", "$_aerostack$", "_aerostack_new", "found"]
        columns = ", ".join('"' + name.replace('"', '""') + '" int' for name in names)
        values = ", ".join(map(str, range(len(names))))
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            self.run_(f"CREATE TABLE {quoted} ({columns})")
            self.assertEqual(self.reader.attach(name), name)
            insert, update, delete = self.changes(
                f"INSERT INTO {quoted} VALUES ({values})",
                f'UPDATE {quoted} SET "select" = 30',
                f"TRUNCATE {quoted}",
            )
            expected = {n: i for i, n in enumerate(names)}
            self.assertEqual((insert.table, insert.operation), (name, INSERT))
            self.assertEqual((insert.data, update.old), (expected, expected))
            self.assertEqual((update.data, delete.data), (expected | {"select": 30},) * 2)
            self.reader.journal.detach(self.reader.cursor, name)

    def test_wide(self) -> None:
        """
        A table with the highest possible number of columns is reported whole.
        """
        names = [f"c{i}" for i in range(1600)]
        self.follow("t", f"CREATE TABLE t ({', '.join(f'{name} bool' for name in names)})")
        insert, update = self.changes("INSERT INTO t (c0) VALUES (true)", "UPDATE t SET c9 = true")
        self.assertEqual(insert.data, dict.fromkeys(names) | {"c0": True})
        self.assertEqual(update.data, dict.fromkeys(names) | {"c0": True, "c9": True})
