"""
The protocol: what all frames have in common, and how to read their descriptions.

A frame is one JSON object in one WebSocket text message.  Its field C{type} says which frame it
is; the other fields have the names of the attributes.  L{aerostack.protocol.clientframes} has the
frames that clients send, L{aerostack.protocol.serverframes} those that the daemon sends.  Either
side ignores types and fields that it does not know, so that the other side may be newer.
C{docs/protocol.rst} says when each frame is sent, and in which order.

The docstring of a frame describes each field as C{name: JSON type; marks.  Meaning}.  The marks:

  - C{optional}: the sender may leave the field out.  The meaning says what holds then.
  - C{added}: the first protocol, which the public Aerostack clients speak, does not have the
    field.  Where a whole frame is added, its description says so.

All times are integers, milliseconds since the Unix epoch.  Every topic that the daemon sends is
canonical (C{table/orders/P}), but for what an C{error} repeats; a client may send the short
forms, too (see L{aerostack.core.topics.topics.parseTopic}).
"""

from __future__ import annotations

MessageId = str | int
"""What a client may use as the C{id} of a C{publish}; it comes back as it was."""
