"""
Who a client is: keys, tokens and origins.
"""
