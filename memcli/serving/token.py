"""A secret that clients over HTTP must know: other users of the machine can reach a
loopback port, too."""

import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from memcli.errors import UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def read_token(path: Path) -> str:
    """The token in a file of ours alone; a file that is not there is made, with a new
    one. Raises UsageError."""
    try:
        if not path.exists():
            _make(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise UsageError(f"{path} is open to others; `chmod 600 {path}` hides it")
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not text in UTF-8") from error
    if not token:
        raise UsageError(f"{path} is empty; remove it, and a new token is made")
    return token


def guarded(app: "ASGIApp", token: str) -> "ASGIApp":
    """The same application for those who send the token."""
    from starlette.datastructures import Headers
    from starlette.responses import PlainTextResponse

    expected = f"Bearer {token}".encode()

    async def checked(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).get("authorization", "").encode()
            if not secrets.compare_digest(given, expected):
                refusal = PlainTextResponse(
                    "the token is missing or another one",
                    status_code=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
                await refusal(scope, receive, send)
                return
        await app(scope, receive, send)

    return checked


def _make(path: Path) -> None:
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
    ) as file:
        file.write(secrets.token_urlsafe(32) + "\n")
