"""
Resume: clients that come back get what they missed, or a gap.
"""
