"""
Tests for what the benchmarks compute.
"""

import sys
from pathlib import Path

# The benchmarks are programs, and import each other by the names of their files.
sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
