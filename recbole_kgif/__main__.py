"""Start KGIF as ``python -m recbole_kgif``."""

import sys

from recbole_kgif.cli import main

if __name__ == "__main__":
    sys.exit(main())
