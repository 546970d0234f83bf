"""
The contract of what carries questions between the nodes that serve the same projects.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class INodes(Interface):
    """
    Reaches the other nodes.
    """

    name = Attribute("The name of this node, for operators.")
    isAlone = Attribute("Whether there are no other nodes, because there is no engine.")
    count = Attribute("How many other nodes there are, as far as this one knows.")

    def whenSealed(take):
        """
        Give a secret that all nodes share, as the key of L{aerostack.core.nodes.seals.Seals}.

        @param take: Called as C{take(key)} with the key of this node at once, and whenever it is
            another one: when the node has learned that of the others.
        """

    def serve(kind, answer):
        """
        Answer questions of other nodes from now on.

        @param kind: Distinguishes these questions from others, a few letters.
        @param answer: Called as C{answer(data, timeout)} with the bytes of a question, and the
            seconds for which the asker waits.  It returns a L{Deferred} of the bytes of the answer.
        """

    def ask(kind, data, timeout):
        """
        Ask every other node.

        @param data: The bytes of the question.
        @param timeout: Seconds after which no answer is waited for.
        @return: A L{Deferred} of a dictionary: for the name of each other node, the bytes of its
            answer, or L{None} if it failed or did not answer in time.  A node that has not been
            heard for some time is not waited for.  If the engine does not answer, an entry without
            an answer stands for the nodes that are not known.  It never fails.
        """

    def tell(kind, data):
        """
        Send a question to every other node, and do not wait for answers.
        """
