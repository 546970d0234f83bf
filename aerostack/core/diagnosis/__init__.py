"""
What the daemon measures and remembers so that an operator can ask why.

Begin with L{aerostack.core.diagnosis.explain}: it says why a publication reaches a user or not,
by the L{facts<aerostack.core.diagnosis.facts>}.  L{aerostack.core.diagnosis.traces} remembers what
became of connections, and the other modules hold counts and times.
"""
