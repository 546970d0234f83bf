"""
Topics: their grammar, patterns of them, and the policies that operators set for them.
"""
