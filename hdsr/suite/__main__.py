"""`python -m hdsr.suite`: reports on the command line, as the Makefile calls them."""

import sys

from hdsr.suite.commands import main

if __name__ == "__main__":
    sys.exit(main())
