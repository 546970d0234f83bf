"""
The protocol room: what the bytes on a socket mean, and nothing else.

L{aerostack.protocol.frames} names every frame, L{aerostack.protocol.codec} turns bytes
into frames and back, L{aerostack.protocol.framing} puts a payload into a WebSocket
frame, L{aerostack.protocol.values} gives database values their JSON form.  All of it
is pure: bytes in, plain data out.
"""
