"""
Tests of stories that span several modules.
"""
