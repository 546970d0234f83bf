"""
The web room: what the daemon serves to browsers, as files.
"""
