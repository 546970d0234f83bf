"""
The contract between the logs that nodes share and the part of the daemon that serves clients.
"""

from __future__ import annotations

from zope.interface import Interface


class ISharedReceiver(Interface):
    """
    Takes what the engine brings of the topics that are attached, for the subscribers.
    """

    def received(entry):
        """
        Take the next entry of a topic's log.

        @param entry: An L{aerostack.core.replay.shared.SharedEntry}.
        """

    def broken(topic, known, reason):
        """
        Take note that the topic's log goes on from another place than the subscribers have.  The
        log in this process has begun anew by now.

        @param known: The L{aerostack.core.replay.positions.Position} that subscribers have who
            were sent everything; L{None} if it is not known.
        @param reason: See L{aerostack.interfaces.engine.ILogReceiver.broken}.
        """

    def down():
        """
        Take note that the engine does not answer.  This may be called again before L{up}.
        """

    def up():
        """
        Take note that the engine answers again, and that nothing is missing.
        """
