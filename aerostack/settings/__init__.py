"""
Every setting of the daemon: what it is called, what values it takes, and what it means.
"""
