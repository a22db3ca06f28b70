"""A file that holds the API key, for programs that have no shell profile: cron's.

Its owner alone may read it, and nothing of what is in it is ever told.
"""

import os
import re
import shlex
import stat
from pathlib import Path

from memcli.errors import UsageError

_NAME = "ANTHROPIC_API_KEY"
_ASSIGNED = re.compile(r"(?:export\s+)?(\w+)\s*=\s*(.*)")
_KEY = re.compile(r"[!-~]+")
# No key is longer; a file that is was named by mistake.
_MOST_BYTES = 65_536


def read_key(path: Path) -> str:
    """The key that stands alone in a file, or after `ANTHROPIC_API_KEY=`.

    Raises UsageError where there is none, or where others may read it, too.
    """
    return _key_in(path, _text(path))


def _key_in(path: Path, text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise UsageError(f"key file {path}: it is empty; put the API key into it")
    key = _assigned(lines) or (lines[0] if len(lines) == 1 else "")
    if not _KEY.fullmatch(key):
        raise UsageError(
            f"key file {path}: no key in it; put the API key alone into it, or a line "
            f"{_NAME}=…"
        )
    return key


def save_key(path: Path, key: str) -> None:
    """Write a key where only its owner can read it; another one there gives way.

    Raises UsageError for what is no key, and for a file that holds anything else.
    """
    if not _KEY.fullmatch(key):
        raise UsageError(f"{_NAME} is no key: it has a blank or a strange character")
    if path.exists() and not _holds_a_key(path):
        raise UsageError(f"key file {path}: it holds something else; name a new file")
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(key + "\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _holds_a_key(path: Path) -> bool:
    """Whether a file has a key and nothing else, or nothing at all."""
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        return False
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return not text or (len(text.splitlines()) == 1 and bool(_key_in(path, text)))
    except UsageError:
        return False


def _text(path: Path) -> str:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait
        with os.fdopen(file, "rb") as stream:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"key file {path}: not a plain file")
            if os.name == "posix" and found.st_mode & 0o077:
                raise UsageError(
                    f"key file {path}: others may read it, too; run "
                    f"chmod 600 {shlex.quote(str(path))}"
                )
            return stream.read(_MOST_BYTES).decode()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"key file {path}: {why}") from None
    except UnicodeDecodeError:
        raise UsageError(f"key file {path}: not text in UTF-8") from None


def _assigned(lines: list[str]) -> str | None:
    """What the key's variable is set to, if it is."""
    for line in lines:
        found = _ASSIGNED.fullmatch(line)
        if found and found[1] == _NAME:
            return found[2].strip("'\"")
    return None
