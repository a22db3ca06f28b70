"""A memcli of its own, and schedulers that only keep what they are given.

The crontab and the systemd of whoever runs the tests are never touched.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Result, said, write_lines

ROOT = Path(__file__).resolve().parents[2]
# Names that a shell, cron and systemd each would take apart.
FOLDER = 'it\'s 100% "ours", $HOME; ü'
# systemd starts no program whose name has quotes.
PROGRAMS = "100% ours, $HOME; ü"

_CRONTAB = """\
#!/bin/sh
kept={kept}
case "$1" in
-l) cat "$kept" 2>/dev/null || {{ echo "no crontab for me" >&2; exit 1; }} ;;
-r) rm "$kept" ;;
-) cat > "$kept" ;;
esac
"""
_SYSTEMCTL = """\
#!/bin/sh
[ -e {bus} ] || {{ echo "Failed to connect to bus" >&2; exit 1; }}
echo "$@" >> {calls}
case "$*" in
*NextElapse*) echo "Tue 2026-11-24 03:30:00 UTC" ;;
*is-enabled*|*is-active*) grep -q enable {calls} ;;
esac
"""


@dataclass
class Machine:
    """Where the stand-ins keep what they are told."""

    program: Path
    crontab: Path
    bus: Path
    calls: Path

    def run(self, *args: str | Path) -> Result:
        """The program itself, in a process of its own."""
        done = subprocess.run(
            [self.program, *args], capture_output=True, text=True, check=False
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def at_night(self, line: str | None = None) -> Result:
        """What cron does with the one line it has: a shell, and next to no
        environment."""
        if line is None:
            text = self.crontab.read_text()
            (line,) = (line for line in text.splitlines() if " reflect " in line)
        command = line.split(" ", 5)[5].replace(r"\%", "%")
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={
                "HOME": os.environ["HOME"],
                "PATH": "/usr/bin:/bin",
                "SHELL": "/bin/sh",
                "LOGNAME": "me",
            },
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The current folder has a difficult name, and a transcript in it."""
    bin = tmp_path / "bin"
    bin.mkdir()
    folder = tmp_path / FOLDER
    folder.mkdir()
    programs = tmp_path / PROGRAMS
    programs.mkdir()
    monkeypatch.chdir(folder)
    found = Machine(
        program=_script(
            programs / "memcli",
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            "from memcli.__main__ import main\nmain()\n",
        ),
        crontab=tmp_path / "crontab",
        bus=tmp_path / "bus",
        calls=tmp_path / "calls",
    )
    _script(bin / "crontab", _CRONTAB.format(kept=shlex.quote(str(found.crontab))))
    _script(bin / "systemctl", _SYSTEMCTL.format(bus=found.bus, calls=found.calls))
    _script(bin / "launchctl", "#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", f"{bin}:{programs}:/usr/bin:/bin")
    for name in list(os.environ):
        if name == "SSL_CERT_FILE" or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    write_lines(Path("chat.jsonl"), said("I prefer dark mode."))
    return found


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path
