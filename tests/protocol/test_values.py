"""
Tests of L{aerostack.protocol.values}.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.values import (
    MAX_SAFE_INTEGER,
    decimalToJSON,
    fractionToJSON,
    fromJSON,
    toJSON,
)

INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class ToJSONTests(SynchronousTestCase):
    """
    Database values in JSON.
    """

    def test_documented(self) -> None:
        """
        Each kind of value has its documented form.
        """
        for value, expected in (
            (None, None),
            (0, 0),
            (MAX_SAFE_INTEGER, MAX_SAFE_INTEGER),
            (-MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER),
            (MAX_SAFE_INTEGER + 1, "9007199254740992"),
            (-MAX_SAFE_INTEGER - 1, "-9007199254740992"),
            (-(2**63), "-9223372036854775808"),
            (1.5, 1.5),
            (math.inf, "Infinity"),
            (-math.inf, "-Infinity"),
            (math.nan, "NaN"),
            ("", ""),
            ("a\x00\U0001f600", "a\x00\U0001f600"),
            (b"", {"base64": ""}),
            (b"\x00\xff\x80", {"base64": "AP+A"}),
            (memoryview(b"abc"), {"base64": "YWJj"}),
        ):
            self.assertEqual(repr(toJSON(value)), repr(expected))

    def test_other(self) -> None:
        """
        A value that no database gives is refused by its type's name.
        """
        error = self.assertRaises(TypeError, toJSON, object())
        self.assertIn("object", str(error))

    @given(st.none() | INTEGERS | st.floats() | TEXT | st.binary())
    def test_strictJSON(self, value: object) -> None:
        """
        Every form is strict JSON, whose numbers a double keeps exactly.
        """
        form = toJSON(value)
        back = json.loads(json.dumps(form, allow_nan=False))
        self.assertEqual(back, form)
        if isinstance(form, int):
            self.assertEqual(int(float(form)), form)


class DecimalTests(SynchronousTestCase):
    """
    Decimal numbers in JSON.
    """

    def test_documented(self) -> None:
        """
        A number that a double does not keep is a string of its digits.
        """
        for text, expected in (
            ("0", 0),
            ("-12", -12),
            ("9007199254740991", 2**53 - 1),
            ("-9007199254740991", -(2**53) + 1),
            ("9007199254740992", "9007199254740992"),
            ("1" * 5000, "1" * 5000),
            ("12.50", 12.5),
            ("-0.1", -0.1),
            ("0.000", 0.0),
            ("0.000123456789012345", 0.000123456789012345),
            ("1234567890123.450000", 1234567890123.45),
            ("1000000000000000.0", 1e15),
            ("1234567890.123456", "1234567890.123456"),
            ("0." + "0" * 400 + "1", "0." + "0" * 400 + "1"),
            ("1" * 400 + ".5", "1" * 400 + ".5"),
            ("NaN", "NaN"),
            ("-Infinity", "-Infinity"),
        ):
            self.assertEqual(repr(decimalToJSON(text)), repr(expected))

    def test_exponent(self) -> None:
        """
        A fraction may be written with an exponent.
        """
        for text, expected in (
            ("1e3", 1000.0),
            ("1.50E-7", 1.5e-7),
            ("123456789012345e290", 1.23456789012345e304),
            ("123456789012345e300", "123456789012345e300"),
            ("1234567890123456e3", "1234567890123456e3"),
            ("1e400", "1e400"),
            ("1e-400", "1e-400"),
        ):
            self.assertEqual(repr(fractionToJSON(text)), repr(expected))

    @given(st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: f"{d:f}"))
    def test_kept(self, text: str) -> None:
        """
        Whatever becomes a number is the same number once JavaScript has read it.
        """
        form = decimalToJSON(text)
        if isinstance(form, str):
            self.assertEqual(form, text)
        else:
            self.assertEqual(Decimal(json.dumps(form)), Decimal(text))
            self.assertEqual(Decimal(repr(float(form))), Decimal(text))


class FromJSONTests(SynchronousTestCase):
    """
    JSON parameters in the database.
    """

    @given(
        st.none()
        | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
        | st.floats(allow_nan=False, allow_infinity=False)
        | TEXT
        | st.binary()
    )
    def test_roundtrip(self, value: object) -> None:
        """
        What a client was given comes back as it was.
        """
        self.assertEqual(repr(fromJSON(toJSON(value))), repr(value))

    @given(INTEGERS)
    def test_integers(self, value: int) -> None:
        """
        Any integer that the database can hold is taken as it is.
        """
        self.assertEqual(fromJSON(value), value)

    def test_booleans(self) -> None:
        """
        Booleans stay booleans: what a database without them makes of them is its driver's
        to say.
        """
        self.assertEqual([repr(fromJSON(value)) for value in (True, False)], ["True", "False"])

    def test_refused(self) -> None:
        """
        What has no database form is refused, with the reason.
        """
        for value, reason in (
            (2**63, "64 bits"),
            (-(2**63) - 1, "64 bits"),
            ({}, "must be"),
            ({"base64": 1}, "must be"),
            ({"base64": "", "more": 1}, "must be"),
            ([1, [{}]], "must be"),
            ({"base64": "a"}, "standard base64"),
            ({"base64": "YW Jj"}, "standard base64"),
            ({"base64": "_-=="}, "standard base64"),
            ({"base64": "é"}, "ASCII"),
        ):
            error = self.assertRaises(ValueError, fromJSON, value)
            self.assertIn(reason, str(error))
