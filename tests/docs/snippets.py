"""
The snippets of a page that are to be run, and what they are to show.

A comment of reStructuredText before a literal block says what the block is:

  - C{.. runs: LANGUAGE}: it is run to its end, and succeeds;
  - C{.. stays: LANGUAGE}: it is started, and goes on until the end of the page;
  - C{.. answers: FORM}: what the last one that was run to its end has written, all of it;
  - C{.. shows: FORM}: what the last one that stays writes next, perhaps among more;
  - C{.. compiles: LANGUAGE}: it is an application's code, and compiles;
  - C{.. file: NAME}: a file, for those behind it;
  - C{.. not run: REASON}: none of these.

A language is one of L{LANGUAGES}, or of L{COMPILED}; a form is C{text} or C{json}, where it
does not matter how the JSON is laid out, nor in which order fields are.
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
"""A block that says that it is one of these has to say whether it is run, too."""

_MARKER = re.compile(r"(runs|stays|answers|shows|compiles|file|not run): (.+)", re.S)

# What is another one each time.  Each matches what is shown as well as what came.
_VARYING = (
    r"\d\d:\d\d:\d\d\.\d{3}",
    # Milliseconds since the epoch.
    r"\b\d{13}\b",
    # Ids of messages, and of connections.
    r"\b[0-9a-f]{32}\b",
    r"\bc[0-9a-f]{6,}-\d+\b",
    r'"pos": ?"[^"]*"',
    r'"duration": ?[\d.]+',
)
# What a frame has or has not: on SQLite it stands at the last change that a look has found.
_CHANCE = ("commit",)

_SPECIAL = re.compile("|".join(f"({kind})" for kind in (*_VARYING, "…")))
_ACCEPTED = (*_VARYING, ".*")


class MarkerError(Exception):
    """
    A marker is not understood.
    """


@dataclass(frozen=True)
class Snippet:
    """
    A block with its marker.

    @ivar does: The marker's first word.
    @ivar what: What stands behind it.
    @ivar code: The block.
    @ivar place: Where the block stands, as C{page:line}.
    """

    does: str
    what: str
    code: str
    place: str


def read(page: Path) -> list[Snippet]:
    """
    The marked snippets of a page, in order.

    @raise MarkerError: One is not what it seems to be.
    """
    return [snippet for _, snippet in _blocks(page) if snippet is not None]


def unmarked(page: Path) -> list[str]:
    """
    The blocks that could be run and do not say whether they are: each as C{page:line}.
    """
    return [
        _place(page, block)
        for block, snippet in _blocks(page)
        if snippet is None and RUNNABLE.intersection(block["classes"])
    ]


def _blocks(page: Path) -> Iterator[tuple[nodes.literal_block, Snippet | None]]:
    # What only Sphinx knows is passed over; it holds no snippets.
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
    The JSON documents in a text, one behind the other, each in one form.

    @raise ValueError: There is something else in it.
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
    Matches what is as shown.  C{…} stands for anything; a time, an id, a position or a
    duration for any other one.
    """
    parts = []
    end = 0
    for match in _SPECIAL.finditer(shown):
        assert match.lastindex is not None
        parts += [re.escape(shown[end : match.start()]), _ACCEPTED[match.lastindex - 1]]
        end = match.end()
    return re.compile("".join([*parts, re.escape(shown[end:])]), re.S)
