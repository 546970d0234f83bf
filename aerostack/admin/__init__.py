"""
What an operator sees: connections, topics, taps and explanations.
"""
