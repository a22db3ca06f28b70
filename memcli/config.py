"""Settings, in one place: flag, environment, `memcli.toml`, default.

The first that speaks wins. `memcli.toml` is looked for in the current folder,
then in the user's config folder; keys are the settings' names.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memcli.errors import StoreError, UsageError

FILE_NAME = "memcli.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be configured. `type` is what a value must be."""

    name: str
    type: type
    default: Any
    help: str

    @property
    def variable(self) -> str:
        """The environment variable: `quiet-period` → `MEMCLI_QUIET_PERIOD`."""
        return "MEMCLI_" + self.name.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Value:
    """What is in force for a setting, and where that was said."""

    setting: Setting
    value: Any
    origin: str


SETTINGS: tuple[Setting, ...] = (
    Setting("db", str, "", "the SQLite file with the memories"),
    Setting("namespace", str, "memories/{user_id:-me}", "where memories are put"),
    Setting("quiet-period", str, "30m", "how long a thread must have been quiet"),
    Setting("workers", int, 8, "how many threads are extracted at once"),
    Setting("extractor", str, "auto", "auto, claude or offline"),
    Setting("model", str, "claude-haiku-5-5", "the model of the claude extractor"),
    Setting("provider", str, "anthropic", "anthropic, bedrock or vertex"),
    Setting("key-file", str, "", "a file with the API key, for cron"),
    Setting("instructions", str, "", "a file with more to tell the model"),
    Setting("budget", str, "10", "dollars a run may spend at most, or none"),
    Setting("timeout", str, "5m", "how long one answer of the model may take"),
    Setting("patience", str, "10m", "how long an overloaded model is waited for"),
    Setting("min-confidence", float, 0.6, "candidates below this are set aside"),
    Setting("embedding-model", str, "all-MiniLM-L6-v2", "name or folder of a model"),
    Setting("limit", int, 10, "how many hits a search shows"),
    Setting("weigh-confidence", float, 0.1, "what a tenth of confidence counts"),
    Setting("weigh-strength", float, 0.2, "what being said twice as often counts"),
    Setting("weigh-recency", float, 0.05, "what being half as old counts"),
)
_PATHS = ("db", "instructions", "key-file")
# A table in the file beside the settings: what models cost.
_PRICES = "prices"
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def load(flags: Mapping[str, Any]) -> dict[str, Value]:
    """Every setting with the value in force.

    `flags` are those given on the command line; None means not given. Raises
    UsageError for a broken file, an unknown key, or a value of the wrong type.
    """
    files = [(path, _read(path)) for path in config_files() if path.is_file()]
    return {setting.name: _resolve(setting, flags, files) for setting in SETTINGS}


def prices() -> dict[str, Any]:
    """What the user says models cost, as it stands in `memcli.toml`: a table for
    each model. Raises UsageError for anything else under that name."""
    found: dict[str, Any] = {}
    for path in reversed([path for path in config_files() if path.is_file()]):
        table = _read(path).get(_PRICES, {})
        if not isinstance(table, dict):
            raise UsageError(f'{path}: write prices as [prices."MODEL"] tables')
        found |= table
    return found


def dollars(text: str) -> tuple[float | None, bool]:
    """A budget: dollars, or None for no ceiling; and whether it is not just the
    default. Raises UsageError."""
    if text.strip().lower() == "none":
        return None, True
    try:
        found = float(text.strip().removeprefix("$"))
    except ValueError:
        found = -1
    if not 0 <= found < 1e9:
        raise UsageError(f"budget {text!r}: write dollars, such as 2.50, or none")
    return found, text != _BY_NAME["budget"].default


def config_files() -> list[Path]:
    """Where `memcli.toml` is looked for, the more telling place first."""
    return [Path.cwd() / FILE_NAME, user_config_folder() / FILE_NAME]


def user_config_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("memcli"))


def default_db() -> Path:
    """The database in the platform's data folder."""
    import platformdirs

    return Path(platformdirs.user_data_dir("memcli")) / "memories.db"


def prepared(database: Path) -> Path:
    """The same path. The platform's data folder is ours to make; any other is the
    user's. Raises StoreError."""
    if database == default_db():
        try:
            database.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{database.parent}: {error.strerror}") from error
    return database


def _resolve(
    setting: Setting,
    flags: Mapping[str, Any],
    files: list[tuple[Path, dict[str, Any]]],
) -> Value:
    given = flags.get(setting.name)
    if given is not None:
        return Value(setting, given, f"--{setting.name}")
    text = os.environ.get(setting.variable)
    if text:
        return Value(
            setting, _convert(setting, text, setting.variable), setting.variable
        )
    for path, content in files:
        if setting.name in content:
            found = _convert(setting, content[setting.name], str(path))
            if setting.name in _PATHS and found:
                # A relative path in a file is beside that file.
                found = str(path.parent / Path(found).expanduser())
            return Value(setting, found, str(path))
    if setting.name == "db":
        return Value(setting, str(default_db()), "default")
    return Value(setting, setting.default, "default")


def _convert(setting: Setting, value: object, origin: str) -> Any:
    """A value from the environment or a file as the setting's type."""
    wanted = setting.type
    if isinstance(value, wanted) and not isinstance(value, bool | float):
        return value
    if wanted is str and type(value) in (int, float):
        return str(value)  # budget = 2.5
    try:
        if isinstance(value, str) or (wanted is float and type(value) in (int, float)):
            found = wanted(value)
            if wanted is not float or math.isfinite(found):
                return found
    except ValueError:
        pass
    kind = {int: "a whole number", float: "a number", str: "text"}[wanted]
    raise UsageError(f"{origin}: {setting.name} must be {kind}, not {value!r}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    unknown = sorted(set(content) - set(_BY_NAME) - {_PRICES})
    if unknown:
        known = ", ".join(_BY_NAME)
        raise UsageError(f"{path}: unknown setting {unknown[0]!r}; known: {known}")
    return content
