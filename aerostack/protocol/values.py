"""
The JSON form of database values, and back.

JSON has fewer kinds of value than a database, and JavaScript keeps fewer integers
than JSON.  The form is chosen so that no client alters a value without noticing:

=========================  =============================================
in the database            in JSON
=========================  =============================================
NULL                       C{null}
integer within +-(2^53-1)  number
integer beyond             string of its decimal digits
finite real                number
infinite real              C{"Infinity"} or C{"-Infinity"}
decimal fraction           number, if a double keeps its digits; else string
text                       string; bytes that are not UTF-8 become U+FFFD
blob                       C{{"base64": "..."}}
=========================  =============================================
"""

from __future__ import annotations

import math
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from decimal import Decimal
from typing import Any

MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that an IEEE 754 double, so JavaScript, keeps exactly
(ECMA-262, C{Number.MAX_SAFE_INTEGER})."""


DECIMAL_DIGITS = 15
"""How many significant digits of a decimal fraction an IEEE 754 double always keeps."""


def decimalToJSON(text: str) -> Any:
    """
    Give a decimal number's JSON form.

    @param text: Its digits, as PostgreSQL writes a C{numeric}: a sign, digits, perhaps a
        point and digits; or C{NaN}, C{Infinity} or C{-Infinity}.
    """
    if "." not in text:
        # 2^53 - 1 has 16 digits.
        short = len(text) <= 17 and text.lstrip("-").isdigit()
        return toJSON(int(text)) if short else text
    return fractionToJSON(text)


def fractionToJSON(text: str) -> float | str:
    """
    Give the JSON form of a decimal number that is no integer: its text, unless a double surely
    keeps its digits.

    @param text: As JSON writes a number, with a point or an exponent.
    """
    # The fast path: nearly every decimal number is short.
    if len(text) <= DECIMAL_DIGITS + 1 and "e" not in text and "E" not in text:
        return float(text)
    digits = re.split("[eE]", text)[0].replace(".", "").strip("-0")
    number = float(text)
    # A fraction may also be smaller than the smallest double.
    kept = len(digits) <= DECIMAL_DIGITS and Decimal(repr(number)) == Decimal(text)
    return number if kept else text


def toJSON(value: Any) -> Any:
    """
    Give a database value's JSON form.

    @param value: L{None}, or an L{int}, L{float}, L{str}, L{bytes} or
        L{memoryview}, as a DB-API driver returns it.
    @raise TypeError: The value is of another type.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (bytes, memoryview)):
        return {"base64": b64encode(value).decode("ascii")}
    raise TypeError(f"a database value of type {type(value).__name__} has no JSON form")


def fromJSON(value: Any) -> Any:
    """
    Give the database value of a JSON parameter: the scalars as they are,
    C{{"base64": ...}} as a blob, and a list as a list of these.

    @raise ValueError: The value has no database form; the message says why.
    """
    if value is None or isinstance(value, (str, float, bool)):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError("has an integer beyond 64 bits; send it as text")
        return value
    if isinstance(value, dict) and set(value) == {"base64"} and isinstance(value["base64"], str):
        try:
            return b64decode(value["base64"], validate=True)
        except Base64Error:
            raise ValueError("has base64 that is not standard base64") from None
    if isinstance(value, list):
        return [fromJSON(each) for each in value]
    raise ValueError('must be null, a boolean, a number, a string, {"base64": "..."} or a list')
