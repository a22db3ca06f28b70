"""What can go wrong, as a tree; each branch knows the exit code it ends with.

    MemcliError                 1  something failed, the rest is kept
    ├── UsageError              2  the call, its configuration or its input is off
    │   ├── UnreadableInput     2  nothing to read where the call pointed
    │   ├── NamespaceError      2  a namespace template that cannot be filled
    │   └── StoreError          2  the database cannot be opened or is not ours
    ├── ExtractorError          1  an extractor failed on one thread
    │   └── ExtractorUnusable   2  … on every thread: bad key, unknown model
    ├── Interrupted           130  Ctrl-C or SIGTERM; what was finished is kept
    └── Locked                  3  another run holds the database

Every message is one line that a person can act on.
"""


class MemcliError(Exception):
    """Base of everything memcli raises on purpose."""

    exit_code = 1


class UsageError(MemcliError):
    """The call, the configuration or the input cannot be worked with."""

    exit_code = 2


class UnreadableInput(UsageError):
    """A path that is missing, unreadable, or holds no transcript."""


class NamespaceError(UsageError):
    """A namespace template names a variable that the thread does not have."""


class StoreError(UsageError):
    """The database cannot be opened, is damaged, or belongs to something else."""


class ExtractorError(MemcliError):
    """Extraction of one thread failed; the thread stays due."""


class ExtractorUnusable(ExtractorError):
    """Extraction cannot work at all with this configuration."""

    exit_code = 2


class Interrupted(MemcliError):
    """The run was asked to stop; what was finished is kept."""

    exit_code = 130


class Locked(MemcliError):
    """Another run is working on the same database."""

    exit_code = 3
