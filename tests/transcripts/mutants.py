"""Damaged copies of transcripts, and what must be read of them all the same.

`python -m tests.transcripts.mutants 2000` tries so many for each format; the
suite tries a few of each kind.
"""

import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from memcli.transcripts.discover import FoundFile, discover
from memcli.transcripts.read import read_file
from memcli.transcripts.report import FileReport

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 12, 31, tzinfo=UTC)
# Formats in which a line that says something else changes nothing for the others.
INDEPENDENT = ("claude-history", "copilot-cli", "sharegpt", "lmsys", "langgraph")
SLOW = 2.0  # seconds; an intact file takes a thousandth


class Mutant(NamedTuple):
    """A damaged file, and one whose every message must be in it (or None)."""

    kind: str
    data: bytes
    floor: bytes | None


def files_of(format: str) -> list[Path]:
    """The golden files of a format that hold a transcript each."""
    found = sorted(
        path
        for path in (GOLDEN / format).rglob("*")
        if path.is_file()
        and path.suffix in (".json", ".jsonl", ".txt")
        and path.name != "expected.json"
    )
    return [path for path in found if texts(path, path.read_bytes()).total()]


def mutants(format: str, data: bytes, draw: random.Random) -> Iterator[Mutant]:
    """One mutant of each kind."""
    lines = data.split(b"\n")
    place = draw.randrange(len(lines))
    without = b"\n".join(lines[:place] + lines[place + 1 :])
    is_lines = _is_json_lines(data)
    floor = without if is_lines and lines[place].strip() else None

    def with_line(line: bytes) -> bytes:
        return b"\n".join([*lines[:place], line, *lines[place + 1 :]])

    line = lines[place]
    at = draw.randrange(len(line) + 1)
    yield Mutant("cut line", with_line(line[:at]), floor)
    yield Mutant("NUL in line", with_line(line[:at] + b"\0" + line[at:]), floor)
    yield Mutant("bad UTF-8", with_line(line[:at] + b"\xff\xc3" + line[at:]), floor)
    yield Mutant("spliced", with_line(line[:at] + draw.choice(lines)), floor)
    retyped = with_line(_retyped(line, draw))
    yield Mutant("retyped", retyped, floor if format in INDEPENDENT else None)
    nested = b'{"a":' * 5000 + b"1" + b"}" * 5000
    yield Mutant("deep line", with_line(nested), floor)
    yield Mutant("open line", with_line(b"[" * 20_000), floor)
    yield Mutant("huge number", with_line(b'{"timestamp":1e999999}'), floor)
    yield Mutant("lone surrogate", with_line(b'{"role":"user","x":"\\ud800"}'), floor)
    shuffled = lines[:]
    draw.shuffle(shuffled)
    yield Mutant("reordered", b"\n".join(shuffled), None)
    yield Mutant("BOM", b"\xef\xbb\xbf" + data, data)
    yield Mutant("CRLF", data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), data)
    yield Mutant("NUL padded", data + b"\0" * 4096, data)
    yield Mutant("blank lines", data + b"\n\n\n", data)
    cut = draw.randrange(len(data) + 1)
    before = data[: data.rfind(b"\n", 0, cut) + 1] if is_lines else None
    yield Mutant("cut file", data[:cut], before)
    yield Mutant("twice", data + b"\n" + data, data)
    raw = bytearray(data)
    for _ in range(draw.randint(1, 20)):
        raw[draw.randrange(len(raw))] = draw.randrange(256)
    yield Mutant("noise", bytes(raw), None)


def texts(path: Path, data: bytes) -> Counter[str]:
    """What is read of these bytes under the path's name; fails if reading does."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.parent.name / path.name
        copy.parent.mkdir()
        copy.write_bytes(data)
        found: FoundFile
        (found,) = discover([str(copy)])
        report = FileReport(path.name)
        read = [item.message for item in read_file(found, report, NOW)]
    assert report.error is None, report.error
    return Counter(
        message.text for message in read if message.key not in report.withdrawn
    )


def lost(path: Path, mutant: Mutant) -> Counter[str]:
    """Messages that are whole in the mutant, and were not read; fails when slow.

    A line may take others back, so what counts is read with it and without it.
    """
    start = time.perf_counter()
    found = texts(path, mutant.data)
    assert time.perf_counter() - start < SLOW, mutant.kind
    if mutant.floor is None or (path.suffix == ".txt" and mutant.kind == "CRLF"):
        return Counter()
    # An answer may have grown by what the damage split off, or left whole.
    everything = "\n".join(found).replace("\ufffd", "")
    whole = texts(path, mutant.floor) & texts(path, path.read_bytes())
    return Counter(text for text in whole if text not in everything)


def _retyped(line: bytes, draw: random.Random) -> bytes:
    """A line in which one value, anywhere, has become something else."""
    try:
        data = json.loads(line)
    except ValueError:
        return line
    places: list[tuple[object, object]] = []

    def walk(value: object) -> None:
        keys: object = value if isinstance(value, dict) else ()
        if isinstance(value, list):
            keys = range(len(value))
        for key in keys:  # type: ignore[attr-defined]
            places.append((value, key))
            walk(value[key])  # type: ignore[index]

    walk(data)
    if places:
        holder, key = draw.choice(places)
        odd: list[object] = [
            None,
            0,
            -1.5,
            True,
            "",
            "x",
            [],
            {},
            [[]],
            [None, 1],
            {"type": None},
        ]
        holder[key] = draw.choice(odd)  # type: ignore[index]
    return json.dumps(data).encode()


def _is_json_lines(data: bytes) -> bool:
    try:
        return all(
            isinstance(json.loads(line), dict)
            for line in data.split(b"\n")
            if line.strip()
        )
    except ValueError:
        return False


def main() -> None:
    """Try so many mutants of each format; the first failure ends it."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for folder in sorted(GOLDEN.iterdir()):
        draw = random.Random(folder.name)
        files = files_of(folder.name)
        done = 0
        while done < wanted and files:
            path = draw.choice(files)
            for mutant in mutants(folder.name, path.read_bytes(), draw):
                missing = lost(path, mutant)
                if missing:
                    sys.exit(f"{path} ({mutant.kind}): lost {missing}")
                done += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{folder.name}: {done} mutants, peak {peak} MB", flush=True)


if __name__ == "__main__":
    main()
