"""
What a node says of itself, as bytes that the other nodes read.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import DecodeError, Struct, field, json

NAME_LENGTH = 64
"""How many characters the name of a node may have."""

Description = Mapping[str, Mapping[str, str]]
"""What must be the same at all nodes, by its kind and its name; see
L{aerostack.core.nodes.comparing}."""


class Report(Struct, frozen=True):
    """
    What a node says each second.

    @ivar name: The name of the node for operators.
    @ivar version: The version of the program.
    @ivar uptime: For how many seconds the node has run.
    @ivar lag: The seconds by which its event loop was late.
    @ivar connections: How many connections it has.
    @ivar description: A digest of its L{Description}.
    @ivar usage: By project, how many connections and how many subscriptions the project has at the
        node.  Projects without limits are left out.
    """

    name: str
    version: str
    uptime: float
    lag: float
    connections: int
    description: str
    usage: dict[str, tuple[int, int]] = field(default_factory=dict)


_reports = json.Decoder(Report)
_descriptions = json.Decoder(dict[str, dict[str, str]])


def encodeReport(report: Report) -> bytes:
    """
    Make bytes of a report.
    """
    return json.encode(report)


def decodeReport(data: bytes) -> Report | None:
    """
    Read the bytes of L{encodeReport}.

    @return: L{None} if the node is of a version that writes something else.
    """
    try:
        return _reports.decode(data)
    except DecodeError:
        return None


def encodeDescription(description: Description) -> bytes:
    """
    Make bytes of a description.  Equal descriptions have equal bytes.
    """
    return json.encode(description, order="sorted")


def decodeDescription(data: bytes) -> Description | None:
    """
    Read the bytes of L{encodeDescription}.

    @return: L{None} if the node is of a version that writes something else.
    """
    try:
        return _descriptions.decode(data)
    except DecodeError:
        return None
