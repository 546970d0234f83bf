"""
The contract of what knows which node has the token stream of the events that servers emit on a
topic.
"""

from __future__ import annotations

from zope.interface import Interface


class IEmittedOwners(Interface):
    """
    Notes for each topic which run of a node has the stream of emitted events.  The engine has it,
    so of two nodes that get the first tokens at the same time, one begins the stream.
    """

    def own(topic, instead):
        """
        Have a topic's stream, unless another run has it.

        @param topic: The canonical topic.
        @param instead: The run that is gone, and whose place this one takes; L{None} for none.
        @return: A L{Deferred} of the run that has it now, which may be this one.  Fails with
            L{RealtimeError} C{engine_unavailable}.
        """

    def ownerOf(topic):
        """
        Look which run has a topic's stream.

        @return: A L{Deferred} of the run, or of L{None}.  Fails with L{RealtimeError}
            C{engine_unavailable}.
        """

    def renew(topic):
        """
        Note that this run still has a topic's stream.  What was not renewed for C{LIFE} seconds is
        forgotten; see L{aerostack.engine.valkey.emittedowners}.
        """

    def disown(topic):
        """
        Note that this run has a topic's stream no longer.
        """
