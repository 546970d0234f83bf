"""
What a client's frames do: sessions, their commands and their subscriptions.
"""
