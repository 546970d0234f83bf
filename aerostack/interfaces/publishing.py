"""
The contracts between the part of the daemon that puts publications in order, which exists once on
a machine, and the part that serves clients.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IPublisher(Interface):
    """
    Takes what clients and servers publish, and puts the publications of each topic in one order.

    Publications that one caller makes on one topic are ordered as they were made.
    """

    latencies = Attribute(
        "How long it took from a publication's arrival until its frame was handed to the sockets"
        " here, an L{aerostack.core.diagnosis.latencies.Latencies}."
    )
    durations = Attribute(
        "The same since the daemon began, an L{aerostack.core.diagnosis.histogram.TopicHistograms}."
    )

    tracer = Attribute(
        "What traces publications, an L{aerostack.core.diagnosis.tracing.Tracer}; L{None} if they"
        " are not traced."
    )

    def publish(
        topic,
        event,
        data,
        userId,
        persist,
        repeatKey=None,
        publishId=None,
        publisher=None,
        replaces=None,
        key=None,
        condition=None,
    ):
        """
        Publish an event on a topic.

        @param topic: An L{aerostack.core.topics.topics.Topic}.
        @param data: The event's data, bytes of JSON.
        @param userId: The user who publishes; L{None} for a server, or a user without a name.
        @param persist: Whether to keep it in the history.
        @param repeatKey: See L{aerostack.hub.idempotency.makeRepeatKey}: a tuple of strings and
            L{None}; or L{None} if the event cannot come again.  An event that came already, with
            the same data, is not published again, but has the outcome of the first.
        @param publishId: The C{id} of the publication, which the history keeps for the time
            after a restart.
        @param publisher: The connection that it comes from; L{None} for a server's request.
        @param replaces: The C{createdAt} up to which the event replaces the kept messages of the
            topic; L{None} if it replaces none.
        @param key: On a keyed topic, the key whose value the data become; L{None} elsewhere.
        @param condition: What has to be so for the event to be published, a
            L{aerostack.core.keyed.values.Condition}; L{None} for nothing.
        @return: L{None} if the event has its place in the topic's order now, and is not kept.  Else
            a L{Deferred}, which fires when the event has its place; if it is kept, after the
            commit, with its L{aerostack.core.replay.publications.Receipt}, else with L{None}.  It
            fails with L{RealtimeError} C{database_unavailable} if the event could not be kept,
            C{overloaded} if the topic's subscribers cannot be sent more now, C{engine_unavailable}
            if it cannot be put in order now, C{stale} if the condition does not hold, C{state_full}
            if the topic has too many values, or C{invalid_arguments}; then no subscriber gets it.
        """

    def chat(
        topic,
        text,
        metadata,
        userId,
        repeatKey=None,
        publishId=None,
        publisher=None,
    ):
        """
        Publish a chat message, which is always kept.

        @param metadata: Values as JSON by name, or L{None}.
        @return: As L{publish}.
        """

    def checkBacklog(topic):
        """
        Make sure that a topic's subscribers can be sent more.

        @param topic: The canonical topic.
        @raise RealtimeError: C{overloaded}.
        """


class IReceiver(Interface):
    """
    Receives what was put in order, and brings it to subscribers.
    """

    def deliver(publication):
        """
        Take the next publication.  Those of one topic come in their order, each once.

        @param publication: An L{aerostack.core.replay.publications.Publication}.
        """

    def needs(topic):
        """
        Whether a topic has subscribers here, so that its log has to stay.

        @param topic: The canonical topic.
        """

    def backlog(topic):
        """
        How many bytes of a topic are still to be sent to its subscribers.

        @param topic: The canonical topic.
        """

    def whenSent(topics, call):
        """
        Call a function once everything is sent that is to be sent on some topics now.

        @param topics: Canonical topics.
        @param call: Takes no arguments.
        """

    def sampleSent(topics, call):
        """
        Call a function as L{whenSent} does, to measure how long publications take.

        @param topics: Canonical topics.
        @param call: Takes no arguments.
        @return: Whether it is called; C{False} if one waits already to measure the same.
        """
