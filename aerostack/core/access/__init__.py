"""
Who may do what on which topic, table and row.
"""
