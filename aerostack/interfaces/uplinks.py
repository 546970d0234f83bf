"""
The contract of what brings a client's frames to the process that has its connection.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IUplinks(Interface):
    """
    Asks the other processes that serve the same projects, on this machine and on others.
    """

    seals = Attribute(
        "The L{aerostack.core.nodes.seals.Seals} of these processes, by which each recognizes names"
        " that none of them has given."
    )

    def start(receive):
        """
        Answer the questions of other processes from now on.

        @param receive: Called as C{receive(data)} with the bytes of a question.  It returns a
            L{Deferred} of the bytes of the answer; they are empty if the question is not about
            this process.
        """

    def ask(data, timeout):
        """
        Ask every other process.

        @param data: The bytes of the question.
        @param timeout: Seconds after which no answer is waited for.
        @return: A L{Deferred}, which never fails, of the answer that is not empty; see
            L{aerostack.core.nodes.answering.onlyAnswer} for what it has if each is empty.
        """
