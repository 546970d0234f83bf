"""
The databases behind the daemon, and what is the same for all of them.
"""
