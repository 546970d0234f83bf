"""
Tests for L{aerostack.examples.validation}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.errors import RealtimeError
from aerostack.examples.validation import choice, number, text


class FieldTests(SynchronousTestCase):
    """
    Tests for the fields of what a page sends.
    """

    def assertRefused(self, read: Any, message: str, *values: Any) -> None:
        """
        Assert that values are refused, and a missing one is.
        """
        for given in ({}, *({"f": value} for value in values)):
            error = self.assertRaises(RealtimeError, read, given)
            self.assertEqual((error.code, error.message), ("invalid_arguments", message), given)

    def test_text(self) -> None:
        """
        A text is one that says something, and is not too long.
        """
        self.assertEqual(text({"f": " é "}, "f", 3), "é")
        self.assertRefused(
            lambda given: text(given, "f", 3),
            "f is a text of 1 to 3 characters.",
            *("", "  ", "abcd", 1, None, ["a"], {"a": 1}),
        )

    def test_choice(self) -> None:
        """
        A choice is one of those that there are.
        """
        self.assertEqual(choice({"f": "a"}, "f", ("a", "b")), "a")
        self.assertRefused(
            lambda given: choice(given, "f", ("a", "b")),
            "f is one of a, b.",
            *("", "c", 1, None, ["a"], {"a": 1}),
        )

    def test_number(self) -> None:
        """
        A number is whole, and within its bounds.
        """
        self.assertEqual([number({"f": n}, "f", 9) for n in (1, 9)], [1, 9])
        self.assertRefused(
            lambda given: number(given, "f", 9),
            "f is a whole number from 1 to 9.",
            *(0, 10, -1, 10**400, 1.0, "1", True, None, [1]),
        )
