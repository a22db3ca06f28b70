"""What can go wrong, as a tree; each branch knows the exit code it ends with.

    MemcliError                 1  something failed, the rest is kept
    ├── UsageError              2  the call, its configuration or its input is off
    │   ├── UnreadableInput     2  nothing to read where the call pointed
    │   ├── NamespaceError      2  a namespace template that cannot be filled
    │   ├── StoreError          2  the database cannot be opened or is not ours
    │   └── MissingExtra        2  a package that an extra brings is not installed
    ├── ExtractorError          1  an extractor failed on one thread
    │   ├── RequestRejected     1  … and will again: the server refuses the request
    │   ├── TooLong             1  … and may not on half of it
    │   └── ExtractorUnusable   2  … on every thread: bad key, unknown model
    │       └── NotKnown        2  … since the server does not know what was named
    ├── Outage                  1  the model cannot be reached for now
    ├── StoreMovedOn            1  a plan does not fit the store any more
    ├── BudgetSpent             4  the run's ceiling is reached; the rest stays due
    ├── Interrupted           130  Ctrl-C or SIGTERM; what was finished is kept
    └── Locked                  3  another run holds the database
        └── LeaseLost           3  … since this one was not heard of for too long

Every message is one line that a person can act on.
"""

from memcli.models import Asked


class MemcliError(Exception):
    """Base of everything memcli raises on purpose.

    `asked` are the requests to a model that were paid for before it failed.
    """

    exit_code = 1
    asked: tuple[Asked, ...] = ()


class UsageError(MemcliError):
    """The call, the configuration or the input cannot be worked with."""

    exit_code = 2


class UnreadableInput(UsageError):
    """A path that is missing, unreadable, or holds no transcript."""


class NamespaceError(UsageError):
    """A namespace template names a variable that the thread does not have."""


class StoreError(UsageError):
    """The database cannot be opened, is damaged, or belongs to something else."""


class MissingExtra(UsageError, ImportError):
    """What was imported needs a package that is only there with an extra."""


class ExtractorError(MemcliError):
    """Extraction of one thread failed; the thread stays due."""


class RequestRejected(ExtractorError):
    """The server will not have this request, however often it is sent."""


class TooLong(ExtractorError):
    """The conversation, or what is to be said of it, is too long for one request."""


class ExtractorUnusable(ExtractorError):
    """Extraction cannot work at all with this configuration."""

    exit_code = 2


class NotKnown(ExtractorUnusable):
    """The server does not know the model, the batch or the call that was named."""


class Outage(MemcliError):
    """The model cannot be reached, or has no capacity, and was waited for long
    enough. No thread is at fault."""


class BudgetSpent(MemcliError):
    """Another request could cost more than the run may still spend."""

    exit_code = 4


class StoreMovedOn(MemcliError):
    """The store changed since a plan was made; nothing of it was done."""


class Interrupted(MemcliError):
    """The run was asked to stop; what was finished is kept."""

    exit_code = 130


class Locked(MemcliError):
    """Another run is working on the same database."""

    exit_code = 3


class LeaseLost(Locked):
    """Another run took over while this one was not heard of; it commits no more."""
