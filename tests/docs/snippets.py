"""
The snippets of a page that tests run, and their expected output.

A comment of reStructuredText before a literal block says what the block is:

  - C{.. runs: LANGUAGE}: the test runs it to its end, and it succeeds;
  - C{.. stays: LANGUAGE}: the test starts it, and it runs until the end of the page;
  - C{.. answers: FORM}: the whole output of the last snippet that ran to its end;
  - C{.. shows: FORM}: a part of the next output of the last snippet that stays;
  - C{.. compiles: LANGUAGE}: code of an application, which compiles;
  - C{.. file: NAME}: a file, for the snippets after it;
  - C{.. not run: REASON}: not tested.

A language is one of L{LANGUAGES}, or of L{COMPILED}.  A form is C{text}, or C{json}, for which the
layout and the order of fields do not matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree

COMPILED = ("tsx",)
LANGUAGES = ("shell", "terminal", "python", "javascript")
FORMS = ("text", "json")

_CHOICES = {
    "runs": LANGUAGES,
    "stays": LANGUAGES,
    "answers": FORMS,
    "shows": FORMS,
    "compiles": COMPILED,
}

RUNNABLE = frozenset(
    {"bash", "sh", "shell", "console", "python", "javascript", "jsx", "ts", "tsx", "html"}
)
"""A block in one of these languages must have a marker."""

_MARKER = re.compile(r"(runs|stays|answers|shows|compiles|file|not run): (.+)", re.S)

# Values that differ in every run.  Each expression matches the expected value and the actual one.
_VARYING = (
    r"\d\d:\d\d:\d\d\.\d{3}",
    # Milliseconds since the epoch.
    r"\b\d{13}\b",
    # Ids of messages, and of connections.
    r"\b[0-9a-f]{32}\b",
    r"\bc[0-9a-f]{6,}-[0-9a-f]+\b",
    r'"pos": ?"[^"]*"',
    r'"duration": ?[\d.]+',
)
# Fields that a frame may or may not have: on SQLite, C{commit} is on the last change that one poll
# has found.
_CHANCE = ("commit",)

_SPECIAL = re.compile("|".join(f"({kind})" for kind in (*_VARYING, "…")))
_ACCEPTED = (*_VARYING, ".*")


class MarkerError(Exception):
    """
    A marker is not valid.
    """


@dataclass(frozen=True)
class Snippet:
    """
    A block with its marker.

    @ivar does: The marker's first word.
    @ivar what: The marker's argument.
    @ivar code: The content of the block.
    @ivar place: The place of the block, as C{page:line}.
    """

    does: str
    what: str
    code: str
    place: str


def read(page: Path) -> list[Snippet]:
    """
    Return the marked snippets of a page, in order.

    @raise MarkerError: A marker is not valid.
    """
    return [snippet for _, snippet in _blocks(page) if snippet is not None]


def unmarked(page: Path) -> list[str]:
    """
    Return the blocks without a marker that need one, each as C{page:line}.
    """
    return [
        _place(page, block)
        for block, snippet in _blocks(page)
        if snippet is None and RUNNABLE.intersection(block["classes"])
    ]


def _blocks(page: Path) -> Iterator[tuple[nodes.literal_block, Snippet | None]]:
    # This parser ignores the directives of Sphinx, which contain no snippets.
    quiet = {"report_level": 5, "halt_level": 5, "syntax_highlight": "none"}
    tree = publish_doctree(page.read_text("utf-8"), str(page), settings_overrides=quiet)
    marker: re.Match[str] | None = None
    for node in tree.findall(lambda n: isinstance(n, nodes.comment | nodes.literal_block)):
        if isinstance(node, nodes.literal_block):
            yield node, None if marker is None else _snippet(page, marker, node)
            marker = None
        elif found := _MARKER.fullmatch(node.astext()):
            _checkUsed(page, marker)
            marker = found
    _checkUsed(page, marker)


def _checkUsed(page: Path, marker: re.Match[str] | None) -> None:
    if marker is not None:
        raise MarkerError(f"{page.name}: no block follows {marker[0]!r}")


def _snippet(page: Path, marker: re.Match[str], block: nodes.literal_block) -> Snippet:
    does, what = marker.groups()
    choices = _CHOICES.get(does)
    if choices is not None and what not in choices:
        raise MarkerError(f"{page.name}: {marker[0]!r} has to be one of {', '.join(choices)}")
    return Snippet(does, what, block.astext(), _place(page, block))


def _place(page: Path, block: nodes.literal_block) -> str:
    return f"{page.name}:{block.line}"


def documents(text: str) -> list[str]:
    """
    Return the JSON documents in a text, each in one form.

    @raise ValueError: The text has something else.
    """
    decoder = json.JSONDecoder()
    found = []
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        if isinstance(value, dict):
            value = {name: value[name] for name in value if name not in _CHANCE}
        found.append(json.dumps(value, ensure_ascii=False, sort_keys=True))
        text = text[end:].lstrip()
    return found


def pattern(shown: str) -> re.Pattern[str]:
    """
    Return an expression that matches an expected output.  C{…} stands for any text; a time, an id,
    a position or a duration for any other one.
    """
    parts = []
    end = 0
    for match in _SPECIAL.finditer(shown):
        assert match.lastindex is not None
        parts += [re.escape(shown[end : match.start()]), _ACCEPTED[match.lastindex - 1]]
        end = match.end()
    return re.compile("".join([*parts, re.escape(shown[end:])]), re.S)
