"""Start KGIF from a checkout: see `python run_recbole_kgif.py --help`."""

import sys

from recbole_kgif.cli import main

sys.exit(main())
