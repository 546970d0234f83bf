"""
What is published: see L{release.distributions}.
"""
