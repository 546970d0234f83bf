"""
The contracts of messages: their history, the engine that carries them, subscribers and
connections.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IKeptMessages(Interface):
    """
    Reads the kept messages of every topic.
    """

    def page(topic, limit, before):
        """
        Read a page of a topic's messages, newest first.  It may have fewer than C{limit}
        where they are large, but has one at least if there is one.

        @param before: Only messages kept with a C{createdAt} below this, or
            L{None} for the newest.
        @return: A L{Deferred} of a list of L{aerostack.core.replay.publications.Kept}.
        """

    def surveyPast(topic, after, until, most, now, seen=False):
        """
        Look whether every message of a topic kept after one C{createdAt} and up to
        another can be read.

        @param most: How many messages are sent again at the most.
        @param now: Milliseconds since the epoch.
        @param seen: Whether there was a message at C{after}.
        @return: A L{Deferred} of L{None} if they can, else of the reason of an
            L{aerostack.core.replay.gaps.Gap}; C{unknown} if the topic keeps nothing at all, or if
            that message is gone and was not forgotten: the database is an older one.
        """

    def locatePast(topic, until, count):
        """
        Find where the newest messages of a topic begin.

        @param until: Only messages kept with a C{createdAt} up to this.
        @param count: How many messages, at least 1.
        @return: A L{Deferred} of the C{createdAt} after which the newest C{count} of these messages
            were kept; of C{until} if there are none.
        """

    def readPast(topic, after, until, limit, size, partial=False):
        """
        Read messages of a topic again.

        @param size: After how many characters of data, about, to read no more; one message
            at least is read.
        @param partial: Whether messages may be missing that have been forgotten.
        @return: A L{Deferred} of a list of L{aerostack.core.replay.publications.Kept}, oldest
            first, at most C{limit} of them.  Without C{partial} it fails with L{RealtimeError}
            C{history_expired} where one between C{after} and the last of these may have been
            forgotten since they were surveyed.
        """


class IHistory(IKeptMessages):
    """
    The kept messages of every topic.
    """

    def findEnd(project, stream):
        """
        Read the message that keeps the end of a streamed answer; if several answers have had the
        id, that of the last.

        @param stream: The answer's id.
        @return: A L{Deferred} of an L{aerostack.core.replay.publications.Kept}, or of L{None} if
            there is none.  Fails with L{RealtimeError} C{too_large} if the message is too long to
            be read at once.
        """

    def append(message):
        """
        Keep a message.

        @param message: An L{aerostack.core.replay.publications.Message} to keep.
        @return: A L{Deferred} that fires with an
            L{aerostack.core.replay.publications.Kept} after the commit.  Calls fire in the
            order in which they were made.  Fails with L{RealtimeError}
            C{database_unavailable}; with C{invalid_arguments} if the database does not take this
            message; with C{stream_fenced} for the end of a streamed answer that another daemon has
            taken over.
        """

    def newest(topics):
        """
        Read the C{createdAt} of the newest message of each topic; 0 for a topic without messages.

        @param topics: At most 500.
        @return: A L{Deferred} of a dictionary by topic.  Fails with L{RealtimeError}
            C{database_unavailable}.
        """

    def expire(now):
        """
        Forget messages that are too old, or too many for their topic, in one small
        step.

        @param now: Milliseconds since the epoch.
        @return: A L{Deferred} of how many were forgotten; call again while it is
            not 0.
        """

    def probe():
        """
        See whether messages can be kept, if none waits to be.

        @return: A L{Deferred} that fires when that is known.
        """


class IEngine(Interface):
    """
    Carries publications to every daemon that shares a set of topics.
    """

    def publish(publication, key=None, kept=None):
        """
        Have a publication delivered, on every node, in one order per topic.

        @param key: What the publication is known by if its publisher sends it again: a tuple; or
            L{None} if it cannot come again.
        @param kept: The L{aerostack.core.replay.publications.Kept} of a publication that is kept.
        @return: L{None} if the publication has its place now; else a L{Deferred} that fires with
            L{None} when it has.  Fails with L{RealtimeError} C{engine_unavailable} or
            C{engine_full}.
        """

    def start(receive):
        """
        Begin.  C{receive(publication)} is called with every publication, our own
        among them.
        """


class ISubscriber(Interface):
    """
    A subscriber of topics.
    """

    def deliver(frame):
        """
        Take a frame.

        @param frame: A L{aerostack.protocol.framing.Frame}, shared with all other
            subscribers.
        """

    def reauthorize(topic=None):
        """
        Check again which changes of a table the subscriber gets, because its rights, the rules or
        the table have changed.

        @param topic: The table's canonical topic; L{None} for all topics.
        """


class IConnection(Interface):
    """
    One client's socket, as a session sees it.
    """

    connectionId = Attribute("A short string, unique in this daemon's life.")
    address = Attribute("The client's address as it is counted; None if it is not.")
    client = Attribute("A hash of the client's session secret; None if the client sent none.")
    compressed = Attribute("Whether frames are compressed for it.")
    kind = Attribute("How the client is connected: 'websocket' or 'sse'.")

    def send(frame):
        """
        Send an encoded WebSocket frame, or several.

        @param frame: A L{aerostack.protocol.framing.Frame}.  All its receivers share the object.
        """

    def ping():
        """
        Send a WebSocket ping.
        """

    def close(code, reason):
        """
        Begin the closing handshake; the connection is dropped if the client does
        not answer it.
        """

    def abort():
        """
        Drop the connection now.
        """
