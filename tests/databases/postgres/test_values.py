"""
Tests for L{aerostack.databases.postgres.values}; C{tests/databases/postgres/test_query.py} reads
values that PostgreSQL itself writes.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.values import SCALARS, arrayForm, plain, rowForm
from aerostack.protocol.codec import encodeValue

TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_characters="\0"), max_size=6))


def quoted(text: str) -> str:
    """
    A text as PostgreSQL quotes it within arrays.
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class FormTests(SynchronousTestCase):
    """
    Tests for the forms.
    """

    def test_scalars(self) -> None:
        """
        Types with their own form are known by their numbers.
        """
        for oid, text, expected in (
            (16, "t", True),
            (16, "f", False),
            (17, "\\x00ff", {"base64": "AP8="}),
            (20, "9007199254740992", "9007199254740992"),
            (21, "-1", -1),
            (23, "5", 5),
            (700, "1.5", 1.5),
            (701, "Infinity", "Infinity"),
            (1700, "1.50", 1.5),
            (1114, "2026-01-02 03:04:05.6", "2026-01-02T03:04:05.6"),
            (1114, "0044-03-15 00:00:00 BC", "0044-03-15T00:00:00 BC"),
            (1184, "2026-01-02 03:04:05+00", "2026-01-02T03:04:05+00:00"),
            (1184, "0044-03-15 00:00:00+00 BC", "0044-03-15T00:00:00+00:00 BC"),
            (1184, "-infinity", "-infinity"),
        ):
            self.assertEqual(repr(SCALARS[oid](text)), repr(expected))
        for oid in (114, 3802):
            self.assertEqual(encodeValue(SCALARS[oid]('{"é":  1.50}')), '{"é":  1.50}'.encode())

    def test_documents(self) -> None:
        """
        In a JSON document, a number beyond a double is a string of its digits; a document
        that clients cannot read is a string of its text.
        """
        long, deep = "9" * 5000, "[" * 65 + "]" * 65
        for text, expected in (
            ('{"n":1e999}', '{"n":"1e999"}'),
            (f'{{"n":[{long},1.10]}}', f'{{"n":["{long}",1.10]}}'),
            ("-1e999", '"-1e999"'),
            ('{"a":"\\ud83d"}', '"{\\"a\\":\\"\\\\ud83d\\"}"'),
            (deep, f'"{deep}"'),
        ):
            for oid in (114, 3802):
                self.assertEqual(encodeValue(SCALARS[oid](text)).decode(), expected)

    def test_arrays(self) -> None:
        """
        Arrays are read whatever their bounds, dimensions and delimiter are.
        """
        integers = arrayForm(SCALARS[23])
        for text, expected in (
            ("{}", []),
            ("{1,NULL,-3}", [1, None, -3]),
            ("{{1,2},{3,4}}", [[1, 2], [3, 4]]),
            ("[0:1]={1,2}", [1, 2]),
            ("[-1:0][2:2]={{1},{2}}", [[1], [2]]),
        ):
            self.assertEqual(integers(text), expected)
        boxes = arrayForm(plain, ";")
        self.assertEqual(boxes("{(1,1),(0,0);NULL}"), ["(1,1),(0,0)", None])
        self.assertEqual(arrayForm(plain)('{a b,"NULL","","{,}"}'), ["a b", "NULL", "", "{,}"])

    def test_rows(self) -> None:
        """
        A row's fields have names; nothing between two commas is NULL, and quotes without text are
        an empty text.
        """
        row = rowForm([("a", SCALARS[23]), ("b", plain), ("c", arrayForm(plain))])
        self.assertEqual(
            row('(1,"x ""y"" \\\\","{a,""b c""}")'), {"a": 1, "b": 'x "y" \\', "c": ["a", "b c"]}
        )
        self.assertEqual(row('(,"",)'), {"a": None, "b": "", "c": None})
        self.assertEqual(rowForm([])("()"), {})

    @given(st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=3))
    def test_nested(self, texts: list[list[str | None]]) -> None:
        """
        Any text comes back from a row in an array in a row.
        """
        names = [[(f"f{n}", plain) for n in range(len(inner))] for inner in texts]
        for fields, inner in zip(names, texts, strict=True):
            written = ",".join(
                "" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'
                for text in inner
            )
            form = arrayForm(rowForm(fields))
            expected = {f"f{n}": text for n, text in enumerate(inner)}
            self.assertEqual(form("{" + quoted(f"({written})") + ",NULL}"), [expected, None])
