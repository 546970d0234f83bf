"""
What the bytes on a socket mean, and nothing else.

Begin with L{aerostack.protocol.frames}, which says what all frames have in common.  Every frame
with every field is in L{aerostack.protocol.clientframes} or L{aerostack.protocol.serverframes}.
L{aerostack.protocol.codec} turns bytes into frames and back, L{aerostack.protocol.framing} puts a
payload into a WebSocket frame, and L{aerostack.protocol.values} gives database values their JSON
form.  For streamed answers over HTTP there are L{aerostack.protocol.sse},
L{aerostack.protocol.completions} and L{aerostack.protocol.uichunks}.  All of it is pure: bytes in,
plain data out.
"""
