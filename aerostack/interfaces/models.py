"""
The contracts of the models that the daemon asks on behalf of clients.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface

STATUSES = ("2xx", "3xx", "4xx", "429", "5xx", "none")
"""What becomes of requests to models: the classes of their statuses, 429 for itself, and C{none}
for a request that gets no answer."""


class IReplyReceiver(Interface):
    """
    Takes the answer of a model.
    """

    def grown(growths):
        """
        Take what the answer has grown by.

        @param growths: A list of L{aerostack.core.answers.growth.Growth}.
        """

    def ended(outcome):
        """
        Learn how the answer has ended.  Nothing comes after that.

        @param outcome: An L{aerostack.core.answers.outcome.Outcome}.
        """


class IReply(Interface):
    """
    The answer of a model, while it comes.
    """

    def cancel():
        """
        Break the answer off: the connection to the model is closed in this turn, and the receiver
        is not called any more.  It has no effect on an answer that has ended.
        """

    def pause():
        """
        Read nothing more from the model for now.
        """

    def resume():
        """
        Read on.
        """


class IModel(Interface):
    """
    A model.
    """

    unwatched = Attribute(
        "After how many seconds without a watcher a stream of its answers is cancelled; L{None} for"
        " never."
    )

    def ask(request, receiver):
        """
        Ask the model.

        @param request: An L{aerostack.protocol.chatrequests.ChatRequest}.
        @param receiver: An L{IReplyReceiver}.  It is called later, never before this returns.
        @return: An L{IReply}.
        @raise RealtimeError: C{overloaded}: too many answers of this model run.
        """


class IModels(Interface):
    """
    All models.
    """

    def find(project, name):
        """
        Find a model that a project may use.

        @param project: The project's id.
        @param name: The model's name for clients; L{None} for the first that the project names.
        @return: An L{IModel}.
        @raise RealtimeError: C{unknown_model}.
        """
