"""`memcli`, the command: every expected failure is one line and an exit code."""

import sys

from memcli.errors import MemcliError


def main() -> None:
    """Run the command line; exit codes as in `memcli.errors`."""
    from memcli.cli import app

    try:
        app()
    except MemcliError as error:
        print(f"memcli: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # `memcli show | head`: the reader has seen enough. Point stdout at
        # nothing, or the interpreter complains when it flushes.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    main()
