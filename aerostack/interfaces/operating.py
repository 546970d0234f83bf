"""
The contract of the processes of a daemon, of which each answers what an operator asks.
"""

from __future__ import annotations

from zope.interface import Interface


class IProcesses(Interface):
    """
    Reaches every process of the daemon, this one among them, and those of the other nodes.
    """

    def start(answer):
        """
        Begin.  C{answer(question)} answers here what any process asks, and may return a
        L{Deferred}.
        """

    def gather(question, timeout):
        """
        Ask every process.

        @param question: One of L{aerostack.core.diagnosis.questions}.
        @param timeout: Seconds after which no answer is waited for.
        @return: A L{Deferred} of an L{aerostack.core.diagnosis.answers.Answers}.  It may fail with
            a L{RealtimeError}.
        """
