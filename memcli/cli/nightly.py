"""What somebody asks of `memcli schedule install` → the job that does it.

The job runs in the current folder, so that `memcli.toml` there, prices included, holds
at night as well. What a scheduler would not know is written out: paths in full, the
settings of the environment as flags, and the extractor that `auto` stands for now, for
a run at night must not change to another one unasked.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from memcli import config
from memcli.asking import client
from memcli.asking.keyfile import read_key, save_key
from memcli.cli import options
from memcli.errors import UnreadableInput, UsageError
from memcli.extractors.choose import check
from memcli.schedule.job import Job

# What a run at night says where, or does not do at all.
_OURS = ("paths", "db", "extractor", "key_file", "log", "wait", "quiet")
_NEVER = {
    "dry_run": "leave out --dry-run; --print shows what would be installed",
    "plan": "leave out --plan; a schedule makes the changes",
    "json_": "nobody reads the report of a night; leave out --json",
}
_FILES = ("instructions",)
_KEY = "ANTHROPIC_API_KEY"
# Variables that say how a model is reached. A password in one would be readable.
_FOR_CLAUDE = (
    "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR",
    "ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION",
    "GOOGLE_APPLICATION_CREDENTIALS", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
    "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy",
    "SSL_CERT_FILE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of `reflect` that were given, and all settings in force."""

    given: Mapping[str, Any]
    flags: Mapping[str, str]
    found: Mapping[str, config.Value]

    def value(self, name: str) -> Any:
        return self.found[name].value


def understand(words: Sequence[str]) -> Wish:
    """Take words as `memcli reflect` does, so that a slip shows now and not at night.

    Raises UsageError, or what the command line raises for an unknown option.
    """
    from memcli.cli.app import command

    parser = command("reflect")
    context = parser.make_context("memcli schedule install", list(words))
    given, flags = {}, {}
    for parameter in parser.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            given[name] = context.params[name]
        if parameter.param_type_name == "option":
            flags[name] = parameter.opts[0]
    for name, why in _NEVER.items():
        if given.get(name):
            raise UsageError(why)
    names = {
        setting.name: setting.name.replace("-", "_") for setting in config.SETTINGS
    }
    found = config.load({name: given.get(given_as) for name, given_as in names.items()})
    return Wish(given, flags, found)


def job(
    wish: Wish, name: str, at: tuple[int, int], extractor: str, key_file: str
) -> Job:
    """The job, checked as the run will check it. Raises UsageError."""
    from memcli.cli import running

    values = {setting: item.value for setting, item in wish.found.items()}
    values |= {"extractor": extractor, "key-file": key_file}
    paths = wish.given.get("paths") or []
    reads = bool(wish.given.get("batch") or wish.given.get("stale"))
    running.check_paths(paths, bool(wish.given.get("submitted")), reads)
    running.request(values, paths, wish.given.get("set_") or [])
    schemas, profiles = wish.given.get("schema"), wish.given.get("profile")
    asked = running.wanted(values, schemas or (), profiles or ())
    check(asked, batch=bool(wish.given.get("batch")))
    _check_folder(Path(wish.value("db")).expanduser().absolute())
    return Job(
        name,
        *at,
        os.getcwd(),  # noqa: PTH109
        (*_program(), "reflect", *_words(wish, name, extractor, key_file)),
        _environment(wish, extractor),
    )


def key_file(wish: Wish, *, save: bool) -> str:
    """The file a run at night has its key from, or nothing. Raises UsageError where a
    key is only in this environment, which no scheduler sees, unless it is to be saved.
    """
    usual = config.user_config_folder() / "key"
    named = wish.value("key-file")
    file = Path(named).expanduser().absolute() if named else usual
    if save:
        if not os.environ.get(_KEY):
            raise UsageError(f"--save-key: there is no {_KEY} to be saved")
        return str(file)
    if wish.value("extractor") == "offline" or wish.value("provider") != "anthropic":
        return ""
    if named or usual.exists():
        read_key(file)
        return str(file)
    seen = next((key for key in client.SECRETS if os.environ.get(key)), None)
    only_if_asked = wish.value("extractor") == "auto" and not client.has_key()
    if seen is None or only_if_asked:
        return ""
    cure = "--key-file FILE names a file with an API key"
    if seen == _KEY:
        cure = f"--save-key puts it into {usual}, for you alone to read; {cure}"
    raise UsageError(
        f"a run at night does not see the {seen} of this shell: {cure}, and "
        "--extractor offline needs none"
    )


def keep_key(file: str) -> None:
    """Write the key of this environment into the file."""
    save_key(Path(file), os.environ[_KEY])


def extractor(wish: Wish, key_file: str) -> str:
    """What `auto` comes to now, said to the person if it is less than it could be."""
    name: str = wish.value("extractor")
    if name != "auto":
        return name
    if key_file or wish.value("provider") != "anthropic":
        return "claude"
    options.notice(
        "no API key was found, so the runs use the offline extractor; for Claude put "
        "a key into a file of mode 600 and install again with --key-file FILE"
    )
    return "offline"


def _check_folder(database: Path) -> None:
    if database != config.default_db() and not database.parent.is_dir():
        raise UsageError(f"{database.parent}: no such folder, for the database")


def _words(wish: Wish, name: str, extractor: str, key_file: str) -> list[str]:
    words = [str(_there(path)) for path in (wish.given.get("paths") or [])]
    words += ["--db", str(Path(wish.value("db")).expanduser().absolute())]
    words += ["--extractor", extractor]
    if extractor == "claude" and key_file:
        words += ["--key-file", key_file]
    for option, flag in wish.flags.items():
        if option not in _OURS:
            words += _option(flag, _said(wish, option))
    log = Path(wish.given.get("log") or _default_log(name)).expanduser().absolute()
    return [*words, "--wait", "--quiet", "--log", str(log)]


def _said(wish: Wish, option: str) -> Any:
    """What was said for an option on the command line or in the environment; what
    `memcli.toml` says is read at night."""
    value = wish.given.get(option)
    setting = wish.found.get(option.replace("_", "-"))
    if setting is not None and setting.origin == setting.setting.variable:
        value = setting.value
    if value and option in _FILES:
        return Path(value).expanduser().absolute()
    return value


def _option(flag: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    several = value if isinstance(value, list | tuple) else [value]
    return [word for each in several for word in (flag, str(each))]


def _there(name: str) -> Path:
    if name == "-":
        raise UsageError("a run at night has no standard input; name files or folders")
    path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100
    if not name.strip() or not path.exists():
        raise UnreadableInput(f"{name}: no such file or directory")
    return path


def _default_log(name: str) -> Path:
    import platformdirs

    return Path(platformdirs.user_log_path("memcli")) / f"{name}.log"


def _program() -> list[str]:
    """How this program was called, in full. A link stays one: what it leads to may go
    with the next update."""
    called = shutil.which(sys.argv[0])
    if called is not None and not called.endswith(".py"):
        return [os.path.abspath(called)]  # noqa: PTH100
    return [sys.executable, "-m", "memcli"]


def _environment(wish: Wish, extractor: str) -> dict[str, str]:
    names = ["XDG_CONFIG_HOME"]  # where the other memcli.toml is
    if wish.value("embedding-model") != options.default("embedding-model"):
        names.append("HF_HOME")
    if extractor == "claude":
        names += _FOR_CLAUDE
    found = {name: os.environ[name] for name in names if os.environ.get(name)}
    for name, text in found.items():
        # A proxy may be written without its scheme; a query is as readable.
        parts = urlsplit(text if "//" in text else f"//{text}")
        if name.lower().endswith(("_url", "_proxy")) and (
            "@" in parts.netloc or parts.query
        ):
            raise UsageError(
                f"{name} holds a password, which the schedule would show; unset it, "
                "and have the server know you by other means"
            )
    return found
