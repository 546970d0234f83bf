"""
What subscribers get to know of the server that carries the publications of topics which several
daemons share.
"""

from __future__ import annotations

from aerostack.core.topics.topics import Topic
from aerostack.interfaces.messaging import ISubscriber
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.serverframes import Status


class EngineOutage:
    """
    Whether subscribers know that the server does not answer.

    Topics of tables are not concerned: their changes come without the server.

    @ivar since: Since when the server does not answer, milliseconds since the epoch; L{None} if it
        answers, or if subscribers do not know yet.
    """

    def __init__(self) -> None:
        self.since: int | None = None

    def status(self, topic: str) -> Status:
        """
        The frame that says whether publications come.

        @param topic: The canonical topic.
        """
        if self.since is None:
            return Status(topic=topic, feed="up", message="Publications come again.")
        return Status(
            topic=topic,
            feed="down",
            message="The server that carries publications does not answer; they come later.",
            since=self.since,
        )

    def send(self, subscriber: ISubscriber, topic: Topic) -> None:
        """
        Tell a new subscriber of a topic if its publications do not come for now.
        """
        if self.since is not None and topic.table is None:
            subscriber.deliver(wireFrame(self.status(topic.canonical)))


def eventsLost(topic: str) -> Status:
    """
    The frame that says that events on a table's topic may be missing.

    @param topic: The canonical topic.
    """
    return Status(
        topic=topic,
        events="lost",
        message="Events that were published on this topic may be missing; no change of the table"
        " is.",
    )
