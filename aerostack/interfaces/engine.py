"""
The contract of the logs that nodes share, between a node and its engine.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class ILogFeed(Interface):
    """
    The logs of all topics, for a process that follows them.

    The engine gives the order: every process gets the same entries of a topic in the same order,
    without a hole, each once.  Where that cannot be kept, the feed says so with
    L{ILogReceiver.broken}.
    """

    isUp = Attribute(
        "Whether the feed answers now, C{bool}.  If it does not, it is not worth waiting for"
        " L{attach}."
    )

    def start(receiver):
        """
        Begin.

        @param receiver: An L{ILogReceiver}.
        """

    def attach(topic, known=None):
        """
        Follow a topic.  The topic is not followed now.

        @param topic: The canonical topic.
        @param known: The head that this process had when it last followed the topic, a
            L{aerostack.core.replay.positions.Position}.  The feed trusts it: it is not a place
            that a client named.
        @return: A L{Deferred} of the place from which L{ILogReceiver.received} goes on: C{known} if
            the log still goes on from there and the feed can bring what follows, else the head.
            Fails with L{RealtimeError}; then the topic is not followed.
        """

    def detach(topic):
        """
        Follow a topic no longer.  A L{Deferred} of L{attach} that has not fired is cancelled: it
        fails with L{CancelledError}.
        """

    def read(topic, after, until, limit, size):
        """
        Read entries of a topic's log again.

        @param after: The offset after which to read.
        @param until: The offset up to which to read; L{None} for the head.
        @param limit: How many entries at most.
        @param size: How many bytes at most; but one entry at least, if there is one.
        @return: A L{Deferred} of a list of L{aerostack.core.replay.shared.SharedEntry}, in order.
            Entries that the log does not hold any more are left out.  Fails with L{RealtimeError}
            C{engine_unavailable}.
        """


class ILog(ILogFeed):
    """
    The logs of all topics, which every node on the same engine shares.

    A topic has a log while a node follows it, and for some time after.
    """

    def stop():
        """
        End.  Publications that wait fail with L{RealtimeError} C{engine_unavailable}.
        """

    def publish(publication, tag, repeat=None, prev=None):
        """
        Put a publication into its topic's log.  Those of one topic enter the log in the order of
        the calls; but kept ones enter in the order of their marks over all nodes, and each enters
        once.

        @param publication: An L{aerostack.core.replay.publications.Publication}.  If it has a mark,
            it is committed in the history already.
        @param tag: See L{aerostack.core.replay.tags}; the same when it is sent again.
        @param repeat: A text by which every node knows a publication that comes again within
            C{replay.repeat_window}; L{None} if it cannot come again.
        @param prev: The mark of the message that the history has before a kept one in its topic, 0
            if there is none.  If it is L{None}, the engine reads the history to know it.
        @return: A L{Deferred} of an L{aerostack.core.replay.shared.Placed}.  Fails with
            L{RealtimeError} C{engine_unavailable} with C{retryAfter} if the engine did not
            answer within the patience, or if too much waits for it.  If the connection was lost
            while the publication was on its way, it may have entered the log all the same.  Fails
            with C{engine_full} if the engine has no memory left.  A kept publication that failed
            enters the log later, when the engine is back.
        """


class ILogReceiver(Interface):
    """
    What a node does with what its engine brings.
    """

    def received(topic, entry):
        """
        Take the next entry of a topic that is followed.

        @param entry: An L{aerostack.core.replay.shared.SharedEntry}.  It follows the one before,
            or the place that L{ILog.attach} or L{broken} gave.
        """

    def broken(topic, head, reason):
        """
        Take note that entries are missing on a topic.

        @param head: The L{aerostack.core.replay.positions.Position} from which the entries go on.
        @param reason: L{aerostack.core.replay.shared.LOST} or
            L{aerostack.core.replay.shared.EXPIRED}.
        """

    def down(reason):
        """
        Take note that the engine does not answer.  Nothing is received until L{up}.

        @param reason: A sentence for the operator.
        """

    def up():
        """
        Take note that the engine answers, and that every followed topic is received again.
        """
