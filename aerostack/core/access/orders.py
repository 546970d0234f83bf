"""
Orders to remove users, and what has become of them, as bytes that go between nodes.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import DecodeError, Struct, json

from aerostack.core.access.removals import Disconnect, Revocation

KIND = "order"
"""Distinguishes orders from other questions between nodes; see
L{aerostack.interfaces.nodes.INodes}."""


class _Order(Struct):
    disconnect: Disconnect | None = None
    revocation: Revocation | None = None


Counts = Mapping[str, int | None]
"""How many connections each process of a node has closed, by the name of the process, which is
empty if there is one; L{None} if it has not confirmed."""

_orders = json.Decoder(_Order)
_counts = json.Decoder(dict[str, int | None])


def encodeOrder(order: Disconnect | Revocation) -> bytes:
    """
    Make bytes of an order.
    """
    if isinstance(order, Disconnect):
        return json.encode(_Order(disconnect=order))
    return json.encode(_Order(revocation=order))


def decodeOrder(data: bytes) -> Disconnect | Revocation:
    """
    Read the bytes of L{encodeOrder}.

    @raise ValueError: They are no order.
    """
    found = _orders.decode(data)
    order = found.disconnect or found.revocation
    if order is None:
        raise ValueError("an order is empty")
    return order


def encodeCounts(counts: Counts) -> bytes:
    """
    Make bytes of what the processes of a node have done.
    """
    return json.encode(counts)


def namedCounts(found: Mapping[str, bytes | None]) -> dict[str, int | None]:
    """
    Read what other nodes have done.

    @param found: By the name of each node, the bytes of L{encodeCounts}, or L{None} if the node has
        not confirmed.  Other bytes, from a node of another version, confirm nothing.
    @return: By the names of the nodes, with those of their processes behind a C{/}.
    """
    named: dict[str, int | None] = {}
    for node, data in found.items():
        for process, count in _countsOf(data).items():
            named[f"{node}/{process}" if process else node] = count
    return named


def _countsOf(data: bytes | None) -> Counts:
    if data is None:
        return {"": None}
    try:
        return _counts.decode(data)
    except DecodeError:
        return {"": None}
