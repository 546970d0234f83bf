"""
Tests for L{aerostack.workers.worker}.
"""
