"""
The contract of the line between the nodes that together serve the same projects.
"""

from __future__ import annotations

from zope.interface import Interface


class ILine(Interface):
    """
    Reaches every node, this one among them.

    What is sent is plain data: an L{aerostack.core.access.removals.Disconnect} or
    L{aerostack.core.access.removals.Revocation}.
    """

    def start(receive):
        """
        Begin.  C{receive(what)} is called on this node with everything that a node sends to all of
        them.  It returns a L{Deferred} of the answer, plain data other than L{None}.
        """

    def tell(what):
        """
        Send something to every node, and do not wait for answers.
        """

    def ask(what, timeout):
        """
        Send something to every node, and collect the answers.

        @param timeout: Seconds after which no answer is waited for.
        @return: A L{Deferred} of a dictionary: for the name of each node that the line knows, the
            node's answer, or L{None} if the node failed or did not answer in time.  A node with
            several processes has an entry for each, whose name has that of the process behind a
            C{/}.  It never fails.
        """
