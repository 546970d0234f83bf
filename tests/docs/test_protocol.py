"""
The page about the protocol, and the frames that there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from docutils import nodes
from docutils.core import publish_doctree
from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.frames import AnyClientFrame, ServerFrame
from tests.net import ROOT

Frames = dict[str, dict[str, bool]]
"""Of each type the fields, and whether each may be missing."""


def coded(kinds: Iterable[Any]) -> Frames:
    """
    The frames as they are in the code.
    """
    return {
        str(kind.__struct_config__.tag): {
            field.encode_name: not field.required for field in msgspec.structs.fields(kind)
        }
        for kind in kinds
    }


def written(title: str) -> Frames:
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


def _fields(section: nodes.section) -> Iterable[tuple[str, bool]]:
    for body in section.findall(nodes.tbody):
        for row in body.children:
            name = row.children[0].astext()
            yield name.removesuffix("?"), name.endswith("?")


class ProtocolDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/protocol.rst}.
    """

    def test_client(self) -> None:
        """
        Every frame of a client's is there with every field, and no other; a field that may
        be missing says so.
        """
        self.assertEqual(written("From the client"), coded(AnyClientFrame.__args__))

    def test_server(self) -> None:
        """
        The same, of the daemon's.
        """
        self.assertEqual(written("From the daemon"), coded(ServerFrame.__subclasses__()))
