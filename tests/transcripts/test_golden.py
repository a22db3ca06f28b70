"""Every format on files written for it: exactly the messages a person would see.

Each folder below `golden/<format>/` holds files and an `expected.json`: what
must come out, in order, and why the case is there. A null is whatever memcli
makes up; `threads` lists messages that must share one made-up thread.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memcli.models import Message
from memcli.transcripts.discover import discover
from memcli.transcripts.read import read_file
from memcli.transcripts.report import FileReport
from memcli.when import parse_timestamp, to_text

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/expected.json"))
NOW = datetime(2026, 12, 31, tzinfo=UTC)


def read_folder(folder: Path) -> tuple[list[Message], list[FileReport]]:
    """What a run over a folder would keep: each message once, none withdrawn."""
    kept: dict[str, Message] = {}
    reports = []
    for found in discover([str(folder)]):
        if Path(found.path).name == "expected.json":
            continue
        report = FileReport(found.path)
        for item in read_file(found, report, NOW):
            kept.setdefault(item.message.key, item.message)
        for key in report.withdrawn:
            kept.pop(key, None)
        assert report.error is None
        reports.append(report)
    return list(kept.values()), reports


@pytest.mark.parametrize(
    "case", CASES, ids=[str(case.relative_to(GOLDEN)) for case in CASES]
)
def test_what_a_person_would_see(case: Path) -> None:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    found, reports = read_folder(case)
    wanted = expected["messages"]
    assert [message.text for message in found] == [m["text"] for m in wanted]
    for message, want in zip(found, wanted, strict=True):
        assert message.role == want["role"]
        assert message.name == want.get("name")
        for key in ("id", "thread_id"):
            if want.get(key) is not None:
                assert getattr(message, key) == want[key]
        if want.get("sent_at") is not None:
            wanted_at = parse_timestamp(want["sent_at"])
            assert wanted_at is not None
            assert to_text(message.sent_at) == to_text(wanted_at)
    for places in expected.get("threads", []):
        assert len({found[place].thread_id for place in places}) == 1
    if len(expected.get("threads", [])) > 1:
        starts = [found[places[0]].thread_id for places in expected["threads"]]
        assert len(set(starts)) == len(starts)
    assert {r.format for r in reports if r.format} <= {expected["format"]}
    assert not any(report.puzzling for report in reports)
