"""
Keyed state: topics that have a newest value for each key.

L{aerostack.core.keyed.values} has the values, and the conditions of publications;
L{aerostack.core.keyed.states} has what is there now.
"""
