"""
The contract of the values of keyed topics, between where they are and the part that serves clients.
"""

from __future__ import annotations

from zope.interface import Interface


class IKeyedValues(Interface):
    """
    Reads the values of keyed topics.
    """

    def page(topic, after, limit, size):
        """
        Read the next values of a topic, in the order of their newest changes.

        @param topic: The canonical topic.
        @param after: The C{serial} of the value behind which to begin; 0 for the first.
        @param limit: How many values at the most.
        @param size: After how many bytes to read no more; but one value at least, if there is one.
        @return: A L{Deferred} of a list of L{aerostack.core.keyed.values.Value}; it is empty behind
            the last one.  Fails with L{RealtimeError} C{engine_unavailable}.
        """
