"""
Tests for L{tests.docs.snippets}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.docs.snippets import MarkerError, documents, pattern, read, unmarked

PAGE = """
A page
======

.. An ordinary comment.

.. runs: shell

.. code-block:: bash

    echo one \\
        two

It shows::

    not marked

1.  In a list:

    .. shows: json

    ::

        {"a": 1}

.. not run: it needs
   a browser

.. code-block:: html

    <p>

.. code-block:: python

    print()

.. code-block:: toml

    a = 1

.. toctree::

    :doc:`other`
"""


class ReadTests(SynchronousTestCase):
    """
    Tests for L{read} and L{unmarked}.
    """

    def page(self, text: str) -> Path:
        """Write a page."""
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_marked(self) -> None:
        """
        Marked blocks are found in order, also in a list, and what only Sphinx knows is no
        matter.
        """
        found = [(s.does, s.what, s.code) for s in read(self.page(PAGE))]
        self.assertEqual(
            found,
            [
                ("runs", "shell", "echo one \\\n    two"),
                ("shows", "json", '{"a": 1}'),
                ("not run", "it needs\na browser", "<p>"),
            ],
        )

    def test_unmarked(self) -> None:
        """
        Of blocks without a marker those count that are in a language that can be run.
        """
        path = self.page(PAGE)
        line = PAGE.splitlines().index("    print()") + 1
        (place,) = unmarked(path)
        name, _, number = place.partition(":")
        self.assertEqual(name, path.name)
        self.assertLess(abs(int(number) - line), 4)

    def test_mistakes(self) -> None:
        """
        A marker that nothing follows, or that says what is not known, is an error.
        """
        for text in (
            ".. runs: shell\n\nNo block.\n",
            ".. runs: shell\n\n.. runs: shell\n\n::\n\n    x\n",
            ".. runs: cobol\n\n::\n\n    x\n",
            ".. shows: shell\n\n::\n\n    x\n",
        ):
            self.assertRaises(MarkerError, read, self.page(text))


class ShownTests(SynchronousTestCase):
    """
    Tests for L{pattern} and L{documents}.
    """

    def test_same(self) -> None:
        """
        What is shown matches itself, and nothing more or less.
        """
        shown = 'a (b) [c] {"d": 1}.*'
        for came, same in ((shown, True), (shown + " ", False), ("x" + shown, False), ("", False)):
            self.assertEqual(bool(pattern(shown).fullmatch(came)), same, came)

    def test_varying(self) -> None:
        """
        Times, ids, positions and durations are others each time; other numbers are not.
        """
        for shown, came, same in (
            ("13:45:06.021 INSERT", "00:00:00.999 INSERT", True),
            ("13:45:06.021 INSERT", "13:45:06 INSERT", False),
            ('{"at": 1795562666557}', '{"at": 1795562999999}', True),
            ('{"at": 1795562666557}', '{"at": 12}', False),
            ('{"id": 12}', '{"id": 13}', False),
            ('{"pos": "9b-1"}', '{"pos":"0a-22"}', True),
            ('{"pos": "9b-1", "a": 1}', '{"pos": "9b-1", "a": 2}', False),
            ('"duration": 1.66', '"duration": 0.3', True),
            ("c9baef3-2", "c00aef31-1a7", True),
            ("9770325fcaf54c3eb4779718f3cd6d33", "0" * 32, True),
            ("9770325fcaf54c3eb4779718f3cd6d33", "0" * 31, False),
            ("one… two", "one, and\na half, two", True),
        ):
            self.assertEqual(bool(pattern(shown).fullmatch(came)), same, (shown, came))

    def test_documents(self) -> None:
        """
        JSON is the same however it is laid out, and what a frame has by chance does not
        count; what is no JSON is refused.
        """
        self.assertEqual(
            documents('{"b": 2, "a":\n [1, "é"]}\n\n2 {"b":null, "commit": true}'),
            ['{"a": [1, "é"], "b": 2}', "2", '{"b": null}'],
        )
        self.assertEqual(documents(" "), [])
        self.assertRaises(ValueError, documents, '{"a": 1} and')
