"""
The page about the protocol, and the frames that there are.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from docutils import nodes
from docutils.core import publish_doctree
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.clientframes import AnyClientFrame
from aerostack.protocol.serverframes import ServerFrame
from tests.net import ROOT


class Field(NamedTuple):
    """
    What is said of a field.
    """

    kind: str
    optional: bool


CLIENT: tuple[Any, ...] = AnyClientFrame.__args__
SERVER: list[Any] = ServerFrame.__subclasses__()

# The first protocol, which public clients speak: it never changes.
FIRST = {
    "subscribe": {"topic", "filter"},
    "unsubscribe": {"topic"},
    "publish": {"topic", "event", "data", "persist", "id"},
    "track": {"topic", "state"},
    "untrack": {"topic"},
    "chat": {"roomId", "text", "metadata"},
    "auth": {"token"},
    "ping": set(),
    "subscribed": {"topic"},
    "unsubscribed": {"topic"},
    "ack": {"id"},
    "pong": set(),
    "db_change": {"topic", "operation", "data", "old", "timestamp"},
    "event": {"topic", "event", "data", "userId", "timestamp"},
    "chat_message": {"topic", "event", "data", "userId", "timestamp"},
    "error": {"code", "message", "id", "topic"},
}


def tagOf(frame: Any) -> str:
    """
    A frame's type, as it stands on the wire.
    """
    return str(frame.__struct_config__.tag)


def documented(frames: Iterable[Any]) -> dict[str, dict[str, Field]]:
    """
    The fields of each type, as the docstrings of the frames say.
    """
    return {tagOf(frame): {name: field for name, field, _ in described(frame)} for frame in frames}


def written(title: str) -> dict[str, dict[str, Field]]:
    """
    The frames as they stand on the page.

    @param title: Of the section that has one for each of them.
    """
    page = ROOT / "docs" / "protocol.rst"
    quiet = {"report_level": 5, "halt_level": 5}
    tree = publish_doctree(page.read_text("utf-8"), str(page), settings_overrides=quiet)
    (section,) = (s for s in tree.findall(nodes.section) if s[0].astext() == title)
    return {
        part[0].astext(): dict(_fields(part))
        for part in section.children
        if isinstance(part, nodes.section)
    }


def _fields(section: nodes.section) -> Iterable[tuple[str, Field]]:
    for body in section.findall(nodes.tbody):
        for row in body.children:
            name, kind = (cell.astext() for cell in row.children[:2])
            yield name.removesuffix("?"), Field(kind, name.endswith("?"))


_DOCUMENTED = re.compile(
    r"@ivar (\w+): ([\w, ]+?)(; optional)?(?:(?:;|(?<=optional),) (added))?\.  [A-Z]"
)


def described(frame: Any) -> Iterator[tuple[str, Field, bool]]:
    """
    What the docstring of a frame says of its fields: each one's name, its type and whether it
    is optional, and whether it is added to the first protocol.
    """
    text = re.sub(r"\n +", " ", inspect.getdoc(frame) or "")
    for name, kind, optional, added in _DOCUMENTED.findall(text):
        yield name, Field(kind, bool(optional)), bool(added)


class FrameDocstringTests(SynchronousTestCase):
    """
    Tests for the docstrings of the frames that clients and the daemon send.
    """

    def test_fields(self) -> None:
        """
        Each frame describes each of its fields, in their order, and says which are optional.
        """
        for frame in (*CLIENT, *SERVER):
            self.assertEqual(
                [(name, field.optional) for name, field, _ in described(frame)],
                [(f.encode_name, not f.required) for f in msgspec.structs.fields(frame)],
                tagOf(frame),
            )

    def test_first(self) -> None:
        """
        The frames and fields that are not marked as added are those of the first protocol.
        """
        first = {}
        for frame in (*CLIENT, *SERVER):
            names = {name for name, _, added in described(frame) if not added}
            if "The frame is added." in re.sub(r"\s+", " ", inspect.getdoc(frame) or ""):
                self.assertEqual(names - {"topic"}, set(), tagOf(frame))
            else:
                first[tagOf(frame)] = names
        self.assertEqual(first, FIRST)


class ProtocolDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/protocol.rst}.
    """

    def test_client(self) -> None:
        """
        The page has every frame of clients with every field, its type and whether it is
        optional, as the code has them.
        """
        self.assertEqual(written("From the client"), documented(CLIENT))

    def test_server(self) -> None:
        """
        The page has every frame of the daemon with every field, its type and whether it is
        optional, as the code has them.
        """
        self.assertEqual(written("From the daemon"), documented(SERVER))
