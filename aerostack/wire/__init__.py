"""
The wire room: what the bytes on a socket mean, and nothing else.

L{aerostack.wire.frames} names every frame, L{aerostack.wire.codec} turns bytes
into frames and back, L{aerostack.wire.framing} puts a payload into a WebSocket
frame, L{aerostack.wire.values} gives database values their JSON form.  All of it
is pure: bytes in, plain data out.
"""
