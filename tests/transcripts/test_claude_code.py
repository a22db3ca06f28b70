"""Claude Code sessions: the person's words, and the agent's, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from memcli.transcripts.formats.claude_code import prompt_text
from tests.conftest import write_lines
from tests.transcripts.test_reading import read, texts


def event(kind: str, content: Any, uuid: str, **more: Any) -> dict[str, Any]:
    inner = more.pop("message", {})
    return {
        "type": kind,
        "uuid": uuid,
        "parentUuid": None,
        "sessionId": "s1",
        "timestamp": "2026-09-01T10:00:00.000Z",
        "isSidechain": False,
        "cwd": "/home/mira/code/webshop",
        "gitBranch": "main",
        "message": {"role": kind, "content": content, **inner},
        **more,
    }


def text(value: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": value}]


def test_a_session(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "session",
        {"type": "summary", "summary": "Fixing", "leafUuid": "u9"},
        {"type": "file-history-snapshot", "messageId": "x", "snapshot": {}},
        event("user", "Fix the cart", "u1"),
        event("assistant", [{"type": "thinking", "thinking": "hm"}], "u2",
              message={"id": "msg_1"}),
        event("assistant", text("I'll look."), "u3", message={"id": "msg_1"}),
        event("assistant", [{"type": "tool_use", "id": "t", "name": "Read"}], "u4",
              message={"id": "msg_1"}),
        event("user", [{"type": "tool_result", "tool_use_id": "t",
                        "content": "I always forget"}], "u5"),
        event("assistant", text("Found it."), "u6", message={"id": "msg_1"}),
        event("assistant", text("Done."), "u7", message={"id": "msg_2"}),
    )  # fmt: skip
    found, report = read(path)
    assert report.format == "claude-code"
    assert texts(found) == ["Fix the cart", "I'll look.\n\nFound it.", "Done."]
    assert [item.message.id for item in found] == ["u1", "u3", "u7"]
    assert {item.message.thread_id for item in found} == {"s1"}
    assert found[0].metadata == {
        "cwd": "/home/mira/code/webshop",
        "project": "webshop",
        "git_branch": "main",
    }
    assert "tool_result block" in report.skipped


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"isMeta": True}, "harness text"),
        ({"isSidechain": True}, "subagent turn"),
        ({"isCompactSummary": True}, "compaction summary"),
        ({"isApiErrorMessage": True}, "API error notice"),
        ({"message": {"model": "<synthetic>"}}, "API error notice"),
    ],
)
def test_turns_that_nobody_wrote_are_left_out(
    tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    path = write_lines(
        tmp_path / "s", event("user", "real", "u1"), event("user", "not", "u2", **more)
    )
    found, report = read(path)
    assert texts(found) == ["real"]
    assert report.skipped == {reason: 1}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Fix it", "Fix it"),
        ("<system-reminder>be nice</system-reminder>\n\nFix it", "Fix it"),
        (
            "<ide_opened_file>a</ide_opened_file><ide_selection>b</ide_selection>Go",
            "Go",
        ),
        ("Say <system-reminder> aloud", "Say <system-reminder> aloud"),
        ("Caveat: The messages below", None),
        ("[Request interrupted by user]", None),
        ("<local-command-stdout></local-command-stdout>", None),
        ("<task-notification>done</task-notification>", None),
        ("Stop hook feedback: no", None),
        ("This session is being continued from", None),
        ("<command-name>/clear</command-name>", "/clear"),
        (
            "<command-message>plan</command-message>\n<command-name>/plan</command-name>"
            "\n<command-args>move to Postgres</command-args>",
            "/plan move to Postgres",
        ),
    ],
)
def test_the_prompt_without_the_harness_around_it(raw: str, expected: str) -> None:
    assert prompt_text(raw) == expected


def test_a_prompt_queued_while_the_agent_worked_is_a_prompt(tmp_path: Path) -> None:
    queued = {
        "type": "attachment", "uuid": "u2", "sessionId": "s1",
        "timestamp": "2026-09-01T10:00:00Z",
        "attachment": {"type": "queued_command", "prompt": "and the tests"},
    }  # fmt: skip
    found, _ = read(write_lines(tmp_path / "s", event("user", "go", "u1"), queued))
    assert texts(found) == ["go", "and the tests"]


def test_only_a_real_uuid_is_the_same_message_in_every_session(tmp_path: Path) -> None:
    real = "ab835a0b-7294-4e56-b217-f5e89ed2212f"
    found, _ = read(
        write_lines(
            tmp_path / "s", event("user", "go", real), event("user", "on", "u2")
        )
    )
    assert [item.message.key for item in found] == [real, "s1/u2"]


def test_unknown_events_are_counted(tmp_path: Path) -> None:
    new = {"type": "hologram", "sessionId": "s1", "uuid": "u2"}
    found, report = read(write_lines(tmp_path / "s", event("user", "go", "u1"), new))
    assert texts(found) == ["go"]
    assert report.skipped == {"unknown event": 1}
