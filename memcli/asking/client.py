"""The client of the `anthropic` package: its own API, Bedrock or Vertex.

The package takes two seconds to import, so it is imported when the first request
is about to be made, and nowhere else.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from memcli.asking.keyfile import read_key
from memcli.errors import ExtractorUnusable, UsageError

Provider = Literal["anthropic", "bedrock", "vertex"]
PROVIDERS = ("anthropic", "bedrock", "vertex")
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
_BASE = "ANTHROPIC_BASE_URL"
# What lets us ask and stands in the environment itself.
SECRETS = (*_KEYS, "ANTHROPIC_IDENTITY_TOKEN")
# Other ways in which the package finds out who asks.
_PROFILES = (
    "ANTHROPIC_PROFILE", "ANTHROPIC_IDENTITY_TOKEN", "ANTHROPIC_IDENTITY_TOKEN_FILE",
)  # fmt: skip


def credential(provider: str, key_file: str = "") -> str | None:
    """What lets us ask, for messages, or None: something of the environment, or the
    file with the key, if there is one.

    A server of one's own needs no key, only an address. Raises UsageError for
    a provider that does not exist.
    """
    if provider not in PROVIDERS:
        raise UsageError(
            f"unknown provider {provider!r}; write anthropic, bedrock or vertex"
        )
    if provider == "bedrock":
        return "Amazon Bedrock"
    if provider == "vertex":
        return "Google Vertex AI"
    if needs_file(provider, key_file):
        return f"the key in {key_file}"
    key = next((key for key in (*_KEYS, *_PROFILES) if os.environ.get(key)), None)
    if key is None and (_profiles_folder() / "configs").is_dir():
        key = "a profile of the Anthropic command line"
    return key or (_BASE if os.environ.get(_BASE) else None)


def has_key(key_file: str = "") -> bool:
    """Whether somebody set a key for this program: what `auto` goes by, since a
    login of another program is no wish to spend money with this one."""
    return bool(key_file) or any(os.environ.get(key) for key in _KEYS)


def needs_file(provider: str, key_file: str) -> bool:
    """Whether the key is taken from the file: not where the environment has one."""
    return provider == "anthropic" and bool(key_file) and not has_key()


def model_name(provider: str, model: str) -> str:
    """A model's name as the platform has it: Bedrock puts its maker before it."""
    if provider == "bedrock" and model.startswith("claude-"):
        return f"anthropic.{model}"
    return model


def _profiles_folder() -> Path:
    return Path(
        os.environ.get("ANTHROPIC_CONFIG_DIR") or "~/.config/anthropic"
    ).expanduser()


def check_address() -> None:
    """Raise UsageError for an address that no request could be sent to."""
    base = os.environ.get(_BASE)
    if base is not None and not base.startswith(("http://", "https://")):
        raise UsageError(
            f"{_BASE} must begin with http:// or https://; unset it for the API itself"
        )


def address() -> str:
    """Where requests go, for messages."""
    base = os.environ.get(_BASE)
    if not base:
        return "the API"
    parts = urlsplit(base)  # an address may hold a password
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def missing_package(provider: str) -> str:
    """What to do where the `anthropic` package lacks what a platform needs."""
    return f"{provider} needs a package more: pip install 'memcli[{provider}]'"


def connect(provider: Provider, timeout: timedelta, key_file: str = "") -> Any:
    """A client that makes each request once: waiting is for who asks.

    Raises ExtractorUnusable when a package, a setting or the key is missing.
    """
    import anthropic

    options: dict[str, Any] = {"max_retries": 0, "timeout": timeout.total_seconds()}
    try:
        if provider == "bedrock":
            return anthropic.AnthropicBedrock(**options)
        if provider == "vertex":
            return anthropic.AnthropicVertex(**_vertex(), **options)
        if needs_file(provider, key_file):
            options["api_key"] = read_key(Path(key_file).expanduser())
        elif credential(provider) == _BASE:
            options["api_key"] = "none"  # the client insists on one
        return anthropic.Anthropic(**options)
    except UsageError as error:
        raise ExtractorUnusable(str(error)) from error
    except ImportError as error:
        raise ExtractorUnusable(missing_package(provider)) from error
    except (anthropic.AnthropicError, ValueError) as error:
        raise ExtractorUnusable(f"{provider}: {error}") from error


def _vertex() -> dict[str, Any]:
    region = os.environ.get("CLOUD_ML_REGION")
    return {} if region else {"region": "global"}
