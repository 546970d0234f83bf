"""
Tests for what stands in C{etc/monitoring}.
"""
