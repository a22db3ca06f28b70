"""Secrets in text → `[redacted: kind]`, before anything is stored or sent.

The patterns are those of the detect-secrets package, whose plugins know the
token formats of some twenty services. It is made for source code; what people
paste into chats beside that (newer token formats, whole key blocks, "the
password is …") is added here.
"""

import functools
import re
from collections.abc import Iterator

# Public addresses are no secret, and every log is full of them. The patterns of
# the others take time that grows with the square of the text; ours stand below.
_UNUSED_PLUGINS = {
    "Public IP (ipv4)", "JSON Web Token", "OpenAI Token", "NPM tokens",
}  # fmt: skip

# Nothing in a text without one of these can match any pattern; most messages
# are done after this one pass, and detect-secrets is not even imported.
_SUSPICIOUS = re.compile(
    r"[A-Za-z0-9_\-+=.]{16}|://[^\s/@]*:[^\s/@]+@|PRIVATE KEY"
    r"|pass(?:word|wd|phrase|code)|\bpwd|\bpw\b|secret|token|api.?key|passwort"
    r"|contraseña|mot de passe|\bpin\b",
    re.IGNORECASE,
)

_PRIVATE_KEY = re.compile(
    r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----"
    r".*?(?:-----END \1-----|\Z)",
    re.DOTALL,
)
_URL_PASSWORD = re.compile(r"://[^\s:/?#@\[\]]*:([^\s/@]+)@")
_ADDED = (
    ("Anthropic API Key", re.compile(r"\bsk-ant-[A-Za-z0-9_\-]{16,}")),
    ("OpenAI API Key", re.compile(r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_\-]{20,}")),
    ("GitHub Token", re.compile(r"\bgithub_pat_[A-Za-z0-9_]{22,}")),
    ("Google API Key", re.compile(r"\bAIza[A-Za-z0-9_\-]{35}")),
    ("Hugging Face Token", re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("npm Token", re.compile(r"\bnpm_[A-Za-z0-9]{36}")),
    ("npm Token", re.compile(r":_authToken=\s*([^\s\"']{8,})")),
    ("Stripe Access Key", re.compile(r"\b[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}")),
    ("Slack Token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}")),
    ("JSON Web Token", re.compile(r"\beyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]*")),
    ("Bearer Token", re.compile(r"\b[Bb]earer\s+([A-Za-z0-9_\-.~+/]{16,}=*)")),
    ("AWS Secret Key", re.compile(
        r"(?i)aws.{0,20}?(?:key|secret|token).{0,20}?[=:\s'\"]"
        r"([0-9a-zA-Z/+]{40})(?![0-9a-zA-Z/+])")),
)  # fmt: skip

# `password = hunter2`, "the wifi password is hunter2", `DB_PASS: "…"`.
_NAMED_SECRET = re.compile(
    r"(?i)(?<![\w\-])[\w\-]{0,60}?(?:password|passwd|passphrase|passcode|passwort|pwd"
    r"|contraseña|mot de passe|api[_\-]?key|secret[_\-]?key|access[_\-]?token"
    r"|auth[_\-]?token|client[_\-]?secret|[_\-]pass|[_\-]secret|[_\-]token)"
    r"['\"`]?(?:\s*(?::=|=>|[:=])\s*|\s+(?:is|ist|es|est|was)\s*:?\s+)"
    r"(?:['\"`]([^'\"`\n]{4,200})['\"`]|([^\s'\"`,;]{4,200}))"
)
_CODE_VALUE = re.compile(
    r"[$<{(\[%*]|(?:os|process|env|settings|config|self|this|args|options|str|string"
    r"|none|null|true|false|undefined|request|req|getenv|secrets?)\b",
    re.IGNORECASE,
)


def redact(text: str) -> tuple[str, int]:
    """The text with every secret replaced, and how many were found."""
    if not _SUSPICIOUS.search(text):
        return text, 0
    spans = _merge(sorted(_secrets(text), key=lambda span: (span[0], -span[1])))
    if not spans:
        return text, 0
    parts, at = [], 0
    for start, end, kind in spans:
        parts += [text[at:start], f"[redacted: {kind}]"]
        at = end
    return "".join(parts) + text[at:], len(spans)


def redact_named(name: str, value: str) -> str:
    """A value redacted with its name in view: `db_password` tells what it is."""
    whole, found = redact(f"{name}={value}")
    return whole.removeprefix(f"{name}=") if found else value


def holds_secret(text: str) -> bool:
    """Whether `redact` would change the text."""
    return redact(text)[1] > 0


def _secrets(text: str) -> Iterator[tuple[int, int, str]]:
    """Spans of secrets as (start, end, kind); they may overlap."""
    for match in _PRIVATE_KEY.finditer(text):
        yield *match.span(), "Private Key"
    for match in _URL_PASSWORD.finditer(text):
        yield *match.span(1), "Password"
    for match in _NAMED_SECRET.finditer(text):
        group = 1 if match[1] is not None else 2
        if _looks_like_value(match[group], quoted=group == 1):
            yield *match.span(group), "Password"
    for kind, pattern in (*_ADDED, *_library_patterns()):
        for match in pattern.finditer(text):
            yield *match.span(1 if pattern.groups == 1 and match[1] else 0), kind


def _looks_like_value(value: str, *, quoted: bool) -> bool:
    """Tells `hunter2` from `os.environ["KEY"]` and from plain words.

    After "the password is" a word of letters is more likely prose ("wrong",
    "required") than a password.
    """
    if value.startswith("[redacted") or _CODE_VALUE.match(value):
        return False
    core = value.rstrip(".!?)")
    if len(core) < 4:
        return False
    if quoted:
        return " " not in core
    return not core.isalpha() and not re.fullmatch(r"\W*", core)


@functools.cache
def _library_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    from detect_secrets.core.plugins.util import (
        get_mapping_from_secret_type_to_class,
    )

    found = []
    for kind, plugin in get_mapping_from_secret_type_to_class().items():
        patterns = getattr(plugin, "denylist", None)
        if kind not in _UNUSED_PLUGINS and isinstance(patterns, list | tuple):
            found += [(kind, pattern) for pattern in patterns]
    return tuple(found)


def _merge(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Overlapping spans as one, under the kind of the first."""
    merged: list[tuple[int, int, str]] = []
    for start, end, kind in spans:
        if merged and start < merged[-1][1]:
            first = merged[-1]
            merged[-1] = (first[0], max(first[1], end), first[2])
        else:
            merged.append((start, end, kind))
    return merged
