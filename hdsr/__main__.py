"""`python -m hdsr`: the same as the command `hdsr`."""

import sys

from hdsr.cli import main

if __name__ == "__main__":
    sys.exit(main())
