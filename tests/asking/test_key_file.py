"""The key may lie in a file that only its owner can read."""

from pathlib import Path

import pytest

from memcli.asking.keyfile import read_key, save_key
from memcli.errors import UsageError
from tests.asking.conftest import chats
from tests.conftest import Cli, Serve


def written(text: str, mode: int = 0o600) -> Path:
    file = Path("key")
    file.touch()
    file.chmod(mode)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "text",
    [
        "k-1",
        "\n# mine\n  k-1  \n\n",
        "ANTHROPIC_API_KEY=k-1\n",
        "export ANTHROPIC_API_KEY = 'k-1'\nOTHER=2\n",
        'OTHER=2\r\nANTHROPIC_API_KEY="k-1"\r\n',
    ],
)
def test_a_key_alone_or_as_in_a_profile(text: str) -> None:
    assert read_key(written(text)) == "k-1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("# nothing\n", "it is empty"),
        ("k-1\nk-2\n", "no key in it"),
        ("two words", "no key in it"),
        ("ANTHROPIC_API_KEY=\nOTHER=k-3", "no key in it"),
    ],
)
def test_what_holds_no_key_is_named_and_not_shown(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as error:
        read_key(written(text))
    assert "k-" not in str(error.value).replace("key", "")


def test_a_file_for_others_to_read_is_refused() -> None:
    for mode in (0o640, 0o604, 0o620):
        with pytest.raises(UsageError, match="run chmod 600 key"):
            read_key(written("k-1", mode))
    with pytest.raises(UsageError, match="no such file"):
        read_key(Path("none"))
    with pytest.raises(UsageError, match="is a directory"):
        read_key(Path())
    with pytest.raises(UsageError, match="not a plain file"):
        read_key(Path("/dev/null"))


def test_saving_replaces_a_key(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key"
    save_key(file, "k-1")
    save_key(file, "k-2")
    assert read_key(file) == "k-2"
    assert [path.name for path in file.parent.iterdir()] == ["key"]


def test_a_run_asks_with_the_key_of_the_file(
    cli: Cli, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    Path("memcli.toml").write_text('key-file = "key"\n')
    file = written("k-of-the-file")
    done = cli("reflect", chats(1))
    assert done.code == 0
    assert f"the key in {file.absolute()}" in done.err
    assert "k-of-the-file" not in done.err + done.out
    assert all("k-of-the-file" in str(headers) for headers in server.headers)
    asked = len(server.requests)
    assert asked
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k-of-the-shell")
    assert "ANTHROPIC_API_KEY is set" in cli("reflect", chats(2)).err
    assert all("k-of-the-shell" in str(headers) for headers in server.headers[asked:])


def test_a_file_that_was_named_and_is_not_there_is_no_reason_for_other_rules(
    cli: Cli,
) -> None:
    done = cli("reflect", chats(1), "--key-file", "none")
    assert (done.code, done.out) == (2, "")
    assert done.err == "memcli: key file none: no such file or directory\n"
    assert cli("watch", "logs", "--key-file", "none").code == 2
    assert cli("reflect", "logs", "--key-file", "none", "--dry-run").code == 0
    assert (
        cli("reflect", "logs", "--key-file", "none", "--extractor", "offline").code == 0
    )
