"""`python -m hdsr.suite`: reports on the command line, as the Makefile calls them."""

import sys

from hdsr.errors import error_line, missing


def main() -> int:
    """Run a command; a package that is not installed is named with the extra that brings it."""
    # Else jsonschema, which nbformat imports, compiles a grammar of web addresses: half of a process's time.
    sys.modules.setdefault("rfc3987_syntax", None)
    try:
        from hdsr.suite import commands
    except ModuleNotFoundError as error:
        print(error_line(missing(error)), file=sys.stderr)
        return 2
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
