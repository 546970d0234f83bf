"""
What clients that come back may ask for again: logs, positions and publications.
"""
