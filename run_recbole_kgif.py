"""Start KGIF from a checkout: see `python run_recbole_kgif.py --help`."""

import sys

from recbole_kgif.cli import main

# Processes that a command starts import this file, too.
if __name__ == "__main__":
    sys.exit(main())
