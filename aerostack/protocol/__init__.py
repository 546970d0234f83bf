"""
What the bytes on a socket mean, and nothing else.

Begin with L{aerostack.protocol.frames}, which is the protocol: every frame with every field.
L{aerostack.protocol.codec} turns bytes into frames and back, L{aerostack.protocol.framing} puts a
payload into a WebSocket frame, and L{aerostack.protocol.values} gives database values their JSON
form.  All of it is pure: bytes in, plain data out.
"""
