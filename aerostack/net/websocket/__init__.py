"""
WebSockets: the opening handshake, connections and what they write.
"""
