"""
Frames on their way to sockets, bounded in bytes.
"""
