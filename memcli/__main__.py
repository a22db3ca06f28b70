"""`memcli`, the command: every expected failure is one line and an exit code."""

import io
import os
import sys

from memcli.errors import MemcliError


def main() -> None:
    """Run the command line; exit codes as in `memcli.errors`."""
    _open_closed_streams()
    from memcli.cli import app

    try:
        app()
    except MemcliError as error:
        print(f"memcli: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except UnicodeEncodeError:
        print("memcli: an argument is not text in UTF-8", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # `memcli show | head`: the reader has seen enough. Point stdout at
        # nothing, or the interpreter complains when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        # Wherever it comes from: a full device, a name too long, a drive that went.
        where = f"{error.filename}: " if error.filename else ""
        print(f"memcli: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)


def _open_closed_streams() -> None:
    """A stream that was closed before the start is None: it is nothing then."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no UTF-8 terminal


if __name__ == "__main__":
    main()
