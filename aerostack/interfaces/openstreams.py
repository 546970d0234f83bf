"""
The contract of what knows which token streams of which nodes have begun and not ended.
"""

from __future__ import annotations

from zope.interface import Interface


class IOpenStreams(Interface):
    """
    Notes which token streams each run of a node has begun and not ended.  The engine has it, so it
    outlives a node that dies, and is complete: a stream is noted before its beginning is published.

    A stream is an L{aerostack.core.answers.openstream.OpenStream}.
    """

    def opened(stream):
        """
        Note that a stream runs at this node.  It is noted before anything is published that this
        node publishes from now on.
        """

    def closed(stream):
        """
        Note that a stream runs at this node no longer: its end was published, or another node has
        it.
        """

    def runs():
        """
        Name the runs of nodes that have streams.

        @return: A L{Deferred} of a list.  Fails with L{RealtimeError} C{engine_unavailable}.
        """

    def of(run):
        """
        Name the streams of a run of a node.

        @return: A L{Deferred} of a list of streams.  Fails with L{RealtimeError}
            C{engine_unavailable}.
        """

    def drop(run, streams):
        """
        Forget streams of a run that is gone, which some node has ended.

        @param streams: A sequence of them.
        @return: A L{Deferred} that fires when the engine has forgotten them.  Fails with
            L{RealtimeError} C{engine_unavailable}.
        """
