"""
The contract of what keeps running answers for the daemon's next start.
"""

from __future__ import annotations

from zope.interface import Interface


class IAnswerStore(Interface):
    """
    Keeps the answers that run.

    The end of an answer is a message: L{IHistory.append
    <aerostack.interfaces.messaging.IHistory.append>} keeps it, and deletes what this store has of
    the answer in the same transaction, if the message says that it ends one.

    The calls have their effect in the order in which they are made.
    """

    def write(checkpoint):
        """
        Keep what is new of the answers.  Writing the same again, or pieces that overlap, changes
        nothing.  What a checkpoint has of an answer whose end is kept is left out, and so is what
        it has of an answer that another run of a daemon has taken over.

        @param checkpoint: An L{aerostack.core.answers.checkpoints.Checkpoint}.
        @return: A L{Deferred} that fires after the commit, with the set of the C{id}s that were
            left out.  Fails with L{RealtimeError} C{database_unavailable}; it may have been
            committed all the same.
        """

    def take(claim):
        """
        Take over answers that daemons have left.  If several daemons claim an answer, one of them
        gets it.

        @param claim: A L{aerostack.core.answers.checkpoints.Claim}.
        @return: A L{Deferred} of a list of L{aerostack.core.answers.checkpoints.StoredAnswer}.
            Fails with L{RealtimeError} C{database_unavailable}.
        """

    def runs():
        """
        Say who has answers.

        @return: A L{Deferred} of a set of runs of daemons.  Fails with L{RealtimeError}
            C{database_unavailable}.
        """

    def owned(run):
        """
        Say which answers a run of a daemon has.

        @return: A L{Deferred} of the set of the C{id}s of their records.  Fails with
            L{RealtimeError} C{database_unavailable}.
        """

    def runOf(project, name):
        """
        Say who has an answer of a project.

        @param name: The C{name} of its record.
        @return: A L{Deferred} of the run of a daemon; L{None} if the store has no such answer.
            Fails with L{RealtimeError} C{database_unavailable}.
        """
