"""
Pub/sub and presence: from a publication to its subscribers.
"""
