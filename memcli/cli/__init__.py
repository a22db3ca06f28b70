"""The command line: one file a command, which parses, calls and renders."""

from memcli.cli.app import app

__all__ = ["app"]
