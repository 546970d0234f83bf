"""
Tags: the names of the entries of a log that several nodes share over a server.

Every entry of a shared log carries its own tag and the tag of the entry before it.  So the entries
form a chain.  A server that comes back with an older log goes on counting from there, and gives
the same offsets to other entries; but the entry that then comes names another predecessor than
the one that a node has.

A publication that is sent again has the same tag.  After a server came back older, the
publications that it forgot can enter the log again, and the chain is then as it was.
"""

from __future__ import annotations

from hashlib import blake2b

FIRST = ""
"""The tag before a log's first entry."""

_BYTES = 8
"""How long a tag is.  Tags tell accidents apart, and are no secret: 64 bits are enough."""


def publishedTag(topic: str, userId: str | None, publishId: str, fingerprint: bytes) -> str:
    """
    The tag of a publication that its publisher may send again, over any node.

    @param topic: The canonical topic.
    @param userId: The user who published it; L{None} for a server, or a user without a name.
    @param publishId: The id under which its publisher sends it again.
    @param fingerprint: See L{aerostack.core.replay.idempotency.fingerprint}.
    @return: 16 hexadecimal digits.
    """
    user = b"" if userId is None else b"u" + userId.encode()
    return _digest(b"publish", topic.encode(), user, publishId.encode(), fingerprint)


def serialTag(run: str, serial: int) -> str:
    """
    The tag of a publication that only the node itself sends again.

    @param run: The name of this run of the node.
    @param serial: The publication's number in this run.
    @return: 16 hexadecimal digits.
    """
    return _digest(b"serial", run.encode(), b"%d" % serial)


def keptTag(topic: str, messageId: str) -> str:
    """
    The tag of a message that a node finds in the history, because the node that kept it did not
    bring it into the log.

    @param topic: The canonical topic.
    @param messageId: The message's own id.
    @return: 16 hexadecimal digits.
    """
    return _digest(b"kept", topic.encode(), messageId.encode())


def _digest(*parts: bytes) -> str:
    """Make a digest in which no part can be taken for a piece of its neighbour."""
    text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return blake2b(text, digest_size=_BYTES).hexdigest()
