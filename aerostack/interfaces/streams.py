"""
The contract of token streams (see L{aerostack.core.answers}).
"""

from __future__ import annotations

from zope.interface import Interface


class IStreams(Interface):
    """
    Takes what producers send, and lets streams begin, grow and end.  It exists once on a machine.

    Callers have looked already whether their clients have the right to do this.  Every method
    returns a L{Deferred} that fails with L{RealtimeError}.

    A stream is named by its project and its id.  C{epoch} is the number of its producer: the call
    fails with C{stream_fenced} if the stream has another producer by now, C{stream_ended} if it has
    ended, and C{stream_unknown} if there is none.
    """

    def start(topic, request, stopped=None):
        """
        Begin a stream, or let another producer go on with one.

        @param topic: An L{aerostack.core.topics.topics.Topic}, no table's.
        @param request: An L{aerostack.core.answers.requests.StartRequest}.
        @param stopped: Is called with an L{aerostack.core.answers.requests.Stop} if the stream ends
            without this producer, or gets another one; L{None} if the producer cannot be told.
        @return: An L{aerostack.core.answers.requests.Started}.  Fails with C{stream_busy},
            C{stream_mismatch}, C{stream_ended} or C{too_many_streams}.
        """

    def append(project, stream, epoch, operations):
        """
        Let parts of a stream grow, or give them values.

        @param operations: A list of L{aerostack.core.answers.requests.Append} and
            L{aerostack.core.answers.requests.Put}.  Those before one that is refused are done.
        @return: The length of each part's text, UTF-16 units, by the parts' ids.  Fails with
            C{stream_gap}, C{stream_mismatch}, C{too_large} or C{overloaded}, too.
        """

    def end(project, stream, epoch, end, whole=None):
        """
        End a stream.  If it has ended in the same way by the same producer, the answer comes again.

        @param end: An L{aerostack.core.answers.answer.End}.
        @param whole: An L{aerostack.core.answers.requests.Whole}; L{None} if the producer does not
            say how much it has written.
        @return: An L{aerostack.core.answers.requests.Ended}; after the commit if the stream is
            kept.  Fails with C{stream_gap}, too, if the daemon has less than C{whole}; the stream
            goes on then.
        """

    def beat(project, stream, epoch):
        """
        Note that the producer of a stream is there.

        @return: An L{aerostack.core.answers.requests.Started}.
        """

    def leave(project, stream, epoch, stopped):
        """
        Note that the connection of a stream's producer is gone.  This never fails.  If the producer
        has started again since, over another connection, nothing happens.

        @param stopped: What L{start} was given.
        @return: L{None}.
        """

    def find(project, stream):
        """
        Look who may cancel a stream.

        @return: An L{aerostack.core.answers.requests.Facts}.  Fails with C{stream_unknown}.
        """

    def cancel(project, stream, by):
        """
        Cancel a stream.  If it is cancelled already, the answer is the same.

        @param by: The user who does it; L{None} if the user has no name, or a server does it.
        @return: An L{aerostack.core.answers.requests.Ended}, once no more text of it goes to
            subscribers.
        """

    def copy(project, stream, place):
        """
        Read a page of what of a stream has its place in the topic's log.

        @param place: A L{aerostack.core.answers.copying.Place}.
        @return: A L{aerostack.core.answers.copying.Page}.  Fails with C{stream_unknown}.
        """

    def get(project, stream):
        """
        Read a stream that runs, or has ended; the history has those that have ended long ago.

        @return: An L{aerostack.core.answers.requests.Found}.  Fails with C{stream_unknown}.
        """
