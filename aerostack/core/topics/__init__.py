"""
Topics: their grammar, patterns of them, and the policies that operators set for them.

Begin with L{aerostack.core.topics.topics}, which gives each topic its one canonical name.
L{aerostack.core.topics.patterns} finds what holds for a topic among several patterns.
"""
