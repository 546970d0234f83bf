"""
What the daemon measures and remembers so that an operator can ask why.
"""
