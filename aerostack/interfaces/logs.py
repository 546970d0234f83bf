"""
The contract of the place that topics' logs come from.
"""

from __future__ import annotations

from zope.interface import Interface


class ILogSource(Interface):
    """
    Brings the publications and the members of topics to the part of the daemon that serves clients.

    That part attaches a topic before its first subscriber or its first present client is there, and
    detaches it after the last is gone.  Calls for one topic alternate: attach, detach, attach.
    They take effect in the order in which they were made.
    """

    def attach(topic):
        """
        Begin to bring a topic's publications and members.  From the moment at which the topic is
        attached, every publication comes to L{aerostack.interfaces.publishing.IReceiver.deliver},
        each once, without a hole.  For a topic that is no table's, the topic's
        log is open by then, at the place from which the publications come.  A table's topic has
        a log of its own in each process, by the journal; attaching it opens none.

        @param topic: The canonical topic.
        @return: L{None} if the topic is attached now; else a L{Deferred} that fires with L{None}
            when it is.  Fails with L{RealtimeError}, such as C{engine_unavailable} with
            C{retryAfter}; then the topic is not attached, and L{detach} is not called.
        """

    def detach(topic):
        """
        Bring a topic no longer.  This may be called before the L{Deferred} of L{attach} has fired;
        the L{Deferred} may still fire or fail, or never.

        @param topic: The canonical topic.
        """

    def fill(topic):
        """
        Bring what the source still has of an attached topic's log from before it was attached.
        The topic is no table's.  If the log is filled already, this costs nothing.

        @param topic: The canonical topic.
        @return: L{None} if the log has all that the source has; else a L{Deferred} that fires with
            L{None} when it has.  Fails with L{RealtimeError}.
        """
