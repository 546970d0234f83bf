"""
The command line, for C{python -m aerostack.cli}.
"""

import sys

from aerostack.cli import main

sys.exit(main())
