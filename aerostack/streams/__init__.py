"""
Token streams: texts that a producer sends piece by piece, and that every watcher gets whole.

L{aerostack.streams.streams} has what can be asked of streams.  L{aerostack.streams.growing} takes
what producers send, and judges it by L{aerostack.core.answers}.  L{aerostack.streams.ending} ends
streams, and L{aerostack.streams.expiry} ends those whose time is over.
L{aerostack.streams.ticking} decides when the watchers of a topic get what a stream has grown by,
and L{aerostack.streams.texts} publishes it.  L{aerostack.streams.emitted} makes streams of events
that servers emit.  L{aerostack.streams.keeping} has ends kept in the history, and
L{aerostack.streams.checkpointing} what is new of streams that run.  What watchers get is a
publication like any other; see L{aerostack.hub.hub}.  L{aerostack.streams.elsewhere} asks other
nodes for their streams, with the messages of L{aerostack.streams.calls}.
L{aerostack.streams.handover} takes streams over from other nodes.
"""
