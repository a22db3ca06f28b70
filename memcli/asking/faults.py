"""What an exception of the `anthropic` package means, and how to say it.

What passes by itself (rate limits, overload, server errors, timeouts, dropped
connections) is told from what does not.
"""

import contextlib
import json

from memcli.asking import client as clients
from memcli.errors import (
    ExtractorUnusable,
    MemcliError,
    NotKnown,
    RequestRejected,
    TooLong,
)
from memcli.redaction import redact

_PASSING = (408, 409, 429)
# With these the server says that it did not even begin.
_UNTAKEN = (429, 529)
_FOREVER = 30 * 86400.0
_SAID_TOO_LONG = (
    "too long", "context length", "context size", "context window", "context_length",
    "maximum context", "too many tokens", "exceeds the available context",
)  # fmt: skip


def meaning(
    error: Exception, model: str, provider: str, sent: str = ""
) -> MemcliError | None:
    """The failure that an exception stands for; None if it can be waited out.

    A server's own words are passed on unless they repeat what was `sent`.
    """
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        said = _said(error.body)
        return _refused(error.status_code, said, model, quoted=not _repeats(said, sent))
    if isinstance(error, anthropic.APIConnectionError):
        return None
    if isinstance(error, ImportError) or "required dependency" in str(error):
        return ExtractorUnusable(clients.missing_package(provider))
    if isinstance(error, anthropic.AnthropicError):
        return ExtractorUnusable(" ".join(str(error).split()))
    return ExtractorUnusable(f"{provider}: {type(error).__name__}: {error}")


def was_taken(error: Exception) -> bool:
    """Whether the server may have begun with a request that ended so."""
    return getattr(error, "status_code", 0) not in _UNTAKEN


def timed_out(error: Exception) -> bool:
    """Whether there was an answer under way that was not waited for."""
    import anthropic

    return isinstance(error, anthropic.APITimeoutError)


def never_connected(error: Exception) -> bool:
    """Whether there was nobody to talk to."""
    import anthropic

    return isinstance(error, anthropic.APIConnectionError) and not timed_out(error)


def why(error: Exception) -> str:
    """What is the matter with a server, for a sentence about it."""
    import anthropic

    if isinstance(error, anthropic.APIStatusError):
        kinds = {429: "limits the rate", 529: "is overloaded"}
        told = kinds.get(error.status_code, "has an error")
        return f"{told} ({error.status_code})"
    return "does not answer in time" if timed_out(error) else "cannot be reached"


def retry_after(error: Exception) -> float | None:
    """Seconds the server asks to wait, if it does."""
    import anthropic

    if not isinstance(error, anthropic.APIStatusError):
        return None
    headers = error.response.headers
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, seconds) if seconds < _FOREVER else _FOREVER


def _refused(status: int, said: str, model: str, *, quoted: bool) -> MemcliError | None:
    """What a status means for the request, or None if it can be waited out."""
    where = clients.address()
    words = f": {said}" if said and quoted else ""
    if status in _PASSING or status >= 500:
        return None
    if status in (401, 403):
        return ExtractorUnusable(
            f"{where} refused the key ({status}): see ANTHROPIC_API_KEY{words}"
        )
    if status == 404:
        return NotKnown(f"{where} knows no model {model!r}; give another with --model")
    if status == 402 or "credit balance" in said:
        return ExtractorUnusable(f"the account has no credit left{words}")
    if status == 413 or any(told in said.lower() for told in _SAID_TOO_LONG):
        return TooLong("the conversation is too long for the model")
    return RequestRejected(f"{where} answered {status} to {model}{words}")


def _repeats(said: str, sent: str) -> bool:
    """Whether a server's words on an error repeat what it was sent, which is
    private, and errors are logged."""
    flat = " ".join(sent.split())
    with contextlib.suppress(ValueError):  # `\\u043f` is what it stands for
        said = json.loads(f'"{said}"')
    return any(said[at : at + 16] in flat for at in range(0, len(said) - 15, 4))


def _said(body: object) -> str:
    """The server's own words on an error, short, and without secrets."""
    if isinstance(body, dict):
        inner = body.get("error")
        told = inner.get("message") if isinstance(inner, dict) else None
        if isinstance(told, str):
            return redact(" ".join(told.split()))[0][:160]
    return ""
