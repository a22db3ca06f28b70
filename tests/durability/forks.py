"""Many runs of memcli, each in a process of its own, none of which starts Python.

One process imports everything and then forks for each command: a run that takes a
tenth of a second can be killed in hundreds of places. It is not the process of the
tests, since a process with threads is not safe to fork.

The moments at which a run may be killed are counted: two for each boundary of a
transaction, right before it is committed and right after. A statement that is not
part of a transaction is one of its own.
"""

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from memcli.embeddings.choose import Encoder

# Gets a connection, a statement, and what carries it out.
Around = Callable[
    [sqlite3.Connection, str, Callable[[], sqlite3.Cursor]], sqlite3.Cursor
]

# A command that takes longer hangs; SIGALRM ends it.
_PATIENCE_SECONDS = 60
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "VACUUM")
_COUNTED, _VECTORS = "moments", "vectors"


@dataclass(frozen=True, slots=True)
class Command:
    """A memcli to run; `moment` or `seconds` say when it is to be killed."""

    args: list[str]
    folder: str
    environment: dict[str, str] = field(default_factory=dict)
    moment: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: minus the signal, if by one. `moments` is how many passed, and
    `unseen` how many commits were not counted among them."""

    code: int
    moments: int
    unseen: int
    seconds: float
    err: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Forks:
    """The process that forks; one command at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, command: Command) -> Outcome:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(command)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks has died"
        return Outcome(**json.loads(line))


@contextmanager
def forking() -> Iterator[Forks]:
    """Starts the process that forks, and ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[2],
        # One thread of arithmetic: a process that is to fork has no others.
        env={
            **_bare(os.environ), "OPENBLAS_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        yield Forks(process)


def _bare(environment: Mapping[str, str]) -> dict[str, str]:
    """No setting or key of the machine reaches a run."""
    ours = ("MEMCLI_", "ANTHROPIC_", "XDG_")
    return {k: v for k, v in environment.items() if not k.startswith(ours)}


# In the process that forks


def serve() -> None:
    """Import everything, then fork for each command that comes in."""
    _warm()
    while line := sys.stdin.readline():
        command = Command(**json.loads(line))
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _be(command)
        _, status = os.waitpid(child, 0)
        took = time.monotonic() - began
        folder = Path(command.folder)
        moments, unseen = 0, 0
        with suppress(FileNotFoundError, ValueError):
            moments, unseen = json.loads((folder / _COUNTED).read_text())
        _Remembering.learn(folder)
        err = (folder / "stderr").read_text(errors="replace")
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps(asdict(Outcome(code, moments, unseen, took, err))), flush=True)


class _Remembering:
    """An encoder that knows what the runs before had to encode."""

    known: ClassVar[dict[str, NDArray[np.float32]]] = {}
    new: ClassVar[dict[str, NDArray[np.float32]]] = {}

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.dimensions = encoder.dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        left = [text for text in dict.fromkeys(texts) if text not in self.known]
        for text, vector in zip(left, self._encoder.encode(left), strict=True):
            self.known[text] = self.new[text] = vector
        rows = [self.known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), np.float32)

    @classmethod
    def tell(cls) -> None:
        """Leave what is new to the process that forks."""
        Path(_VECTORS).write_bytes(pickle.dumps(cls.new))

    @classmethod
    def learn(cls, folder: Path) -> None:
        with suppress(FileNotFoundError):
            cls.known |= pickle.loads((folder / _VECTORS).read_bytes())


def _warm() -> None:
    from memcli.embeddings import choose

    # The weights are read once, here, and most texts are encoded once.
    encode = _Remembering(choose.encoder(choose.DEFAULT_MODEL))
    choose.encoder = lambda model: encode  # type: ignore[assignment]
    encode.encode(["warm"])

    import anthropic
    import sqlite_utils  # noqa: F401

    import memcli.cli.add
    import memcli.cli.forget
    import memcli.cli.reflect
    import memcli.cli.undo
    import memcli.extractors.claude
    import memcli.extractors.offline.extractor
    import memcli.reflection.batching
    import memcli.reflection.merge
    import memcli.transcripts.formats  # noqa: F401

    # What the package imports when it is used for the first time.
    with suppress(anthropic.APIConnectionError):
        anthropic.Anthropic(
            api_key="none", base_url="http://127.0.0.1:9", max_retries=0
        ).messages.with_raw_response.create(
            model="none", max_tokens=1, messages=[{"role": "user", "content": "?"}]
        )


def _be(command: Command) -> None:
    """Be that memcli; does not come back."""
    code: object = 1
    try:
        signal.alarm(_PATIENCE_SECONDS)
        os.chdir(command.folder)
        os.environ.update(command.environment)
        _redirect()
        watch = Watch(command.moment)
        if command.seconds is not None:
            threading.Thread(
                target=_kill_after, args=(command.seconds,), daemon=True
            ).start()
        from memcli.__main__ import main

        sys.argv = ["memcli", *command.args]
        with watch.watching():
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = stop.code
        _Remembering.tell()
        Path(_COUNTED).write_text(json.dumps([watch.moments, watch.unseen]))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _redirect() -> None:
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, descriptor)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name in (_COUNTED, _VECTORS):
        Path(name).unlink(missing_ok=True)


def _kill_after(seconds: float) -> None:
    time.sleep(seconds)
    die()


def die() -> None:
    """As the power fails, but for what the operating system has in memory."""
    os.kill(os.getpid(), signal.SIGKILL)


class Watch:
    """Counts the moments of all connections of this process, and kills it at one."""

    def __init__(self, last: int | None) -> None:
        self.moments = 0
        self._last = last
        self._seen = self._traced = 0

    @property
    def unseen(self) -> int:
        """Commits that SQLite made and nobody was asked for."""
        return self._traced - self._seen

    def pass_by(self) -> None:
        if self.moments == self._last:
            die()
        self.moments += 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        def opened(db: sqlite3.Connection) -> None:
            db.set_trace_callback(self._trace)

        with watched(self.around, opened):
            yield

    def around(
        self, db: sqlite3.Connection, sql: str, call: Callable[[], sqlite3.Cursor]
    ) -> sqlite3.Cursor:
        """Carry out a statement, with a moment before and after if it commits."""
        commits = sql.strip().upper() == "COMMIT"
        self._seen += commits
        if not commits and (db.in_transaction or not writes(sql)):
            return call()
        self.pass_by()
        found = call()
        self.pass_by()
        return found

    def _trace(self, statement: str) -> None:
        self._traced += statement.strip().upper().startswith("COMMIT")


def writes(sql: str) -> bool:
    """Whether a statement may write, be it only where it commits."""
    return sql.lstrip().upper().startswith((*_WRITES, "COMMIT"))


class _Watched(sqlite3.Connection):
    """A connection whose statements are carried out by somebody else."""

    around: ClassVar[Around]

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        def call() -> sqlite3.Cursor:
            return super(_Watched, self).execute(sql, *values)

        return type(self).around(self, sql, call)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        def call() -> sqlite3.Cursor:
            return super(_Watched, self).executemany(sql, *values)

        return type(self).around(self, sql, call)


@contextmanager
def watched(
    around: Around, opened: Callable[[sqlite3.Connection], None] = lambda db: None
) -> Iterator[None]:
    """Every statement of the connections that are opened meanwhile goes by `around`."""
    connect: Any = sqlite3.connect
    factory = type("Watched", (_Watched,), {"around": staticmethod(around)})

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options, factory=factory)
        opened(db)
        return db

    with patch.object(sqlite3, "connect", connected):
        yield


if __name__ == "__main__":
    serve()
