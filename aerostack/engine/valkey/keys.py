"""
The names of what is on the server.

All keys of a topic have the same hash tag, so that they stand on one node of a cluster.  The tags
are few, so that a script can serve many topics at once.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

from aerostack.core.topics.topics import projectOf

SLOTS = 64
"""How many hash tags there are."""


def slotOf(topic: str) -> int:
    """
    The number of a topic's hash tag, the same on every node.
    """
    return crc32(topic.encode()) % SLOTS


class Keys:
    """
    The names of the keys and channels of logs and of presence.

    @ivar presence: The root of the keys that presence has once.
    @ivar nodes: The root of the keys that list the nodes.
    @ivar open: The root of the keys that have the token streams that run.
    @ivar nodesChannel: The channel on which nodes ask each other.
    """

    def __init__(self, prefix: str = "ar1") -> None:
        """
        @param prefix: Tells this installation from others on the same server.
        """
        self._prefix = prefix.encode()
        self.channelOf = lru_cache(4096)(self._channelOf)
        self.presence = b"%b:presence" % self._prefix
        self.nodes = b"%b:nodes" % self._prefix
        self.open = b"%b:open" % self._prefix
        self.nodesChannel = b"%b:ask" % self._prefix

    def metaOf(self, topic: str) -> bytes:
        """
        The hash that has the head of a topic's log.
        """
        return self._make(topic, b"m")

    def streamOf(self, topic: str) -> bytes:
        """
        The stream that has the entries of a topic's log.
        """
        return self._make(topic, b"s")

    def batchOf(self, topic: str, run: str) -> bytes:
        """
        The answer to the newest batch of publications of one run of a node on a topic.
        """
        return b"%b:%b" % (self._make(topic, b"b"), run.encode())

    def valuesOf(self, topic: str) -> list[bytes]:
        """
        What has the values of a keyed topic: the hash of the values by key, the sorted set of the
        keys by their newest changes, the hash of what else is known of them, and the hash of how
        many bytes the values of the project's topics have.
        """
        project = b"%b:state:%b" % (self._prefix, projectOf(topic).encode())
        return [*(self._make(topic, kind) for kind in (b"v", b"o", b"i")), project]

    def repeatOf(self, topic: str, repeat: str) -> bytes:
        """
        The place of a publication that may come again.

        @param repeat: Of any length; the key has a digest of it.
        """
        digest = blake2b(repeat.encode(), digest_size=16).hexdigest().encode()
        return b"%b:%b" % (self._make(topic, b"r"), digest)

    def _channelOf(self, topic: str) -> bytes:
        """
        The channel on which new entries of a topic's log are pushed.
        """
        return self._make(topic, b"c")

    def topicOf(self, channel: bytes) -> str | None:
        """
        The topic of a log's channel; L{None} if it is no such channel.
        """
        return self._topicOf(channel, b"c")

    def membersOf(self, topic: str) -> bytes:
        """
        The hash that has a topic's members.
        """
        return self._make(topic, b"p")

    def memberChannelOf(self, topic: str) -> bytes:
        """
        The channel on which changes of a topic's members are pushed.
        """
        return self._make(topic, b"e")

    def topicOfMembers(self, key: bytes) -> str | None:
        """
        The topic of L{membersOf}; L{None} if it is another key.
        """
        return self._topicOf(key, b"p")

    def topicOfMemberChannel(self, channel: bytes) -> str | None:
        """
        The topic of L{memberChannelOf}; L{None} if it is another channel.
        """
        return self._topicOf(channel, b"e")

    def heldBy(self, run: str) -> bytes:
        """
        The sorted set that has what the connections of a run of a node hold.
        """
        return b"%b:of:%b" % (self.presence, run.encode())

    def rateOf(self, project: str) -> bytes:
        """
        The hash that has the buckets of a project's rates.
        """
        return b"%b:rate:%b" % (self._prefix, project.encode())

    def openOf(self, run: str) -> bytes:
        """
        The set of the token streams that a run of a node has begun and not ended.
        """
        return b"%b:%b" % (self.open, run.encode())

    def emittedOf(self, topic: str) -> bytes:
        """
        The run of the node that has the stream of the events that servers emit on a topic.
        """
        return self._make(topic, b"t")

    def nodeChannelOf(self, run: str) -> bytes:
        """
        The channel on which a run of a node gets answers.
        """
        return b"%b:answer:%b" % (self._prefix, run.encode())

    def _topicOf(self, name: bytes, wanted: bytes) -> str | None:
        prefix, _, rest = name.partition(b":{")
        slot, _, rest = rest.partition(b"}:")
        kind, _, topic = rest.partition(b":")
        if prefix != self._prefix or kind != wanted or not slot:
            return None
        return topic.decode(errors="replace")

    def _make(self, topic: str, kind: bytes) -> bytes:
        name = topic.encode()
        return b"%b:{%d}:%b:%b" % (self._prefix, crc32(name) % SLOTS, kind, name)
