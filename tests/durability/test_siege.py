"""Many processes at one database: nothing is lost, and nobody sees the middle."""

from pathlib import Path

from tests.durability.siege import besiege


def test_ten_processes_at_once_lose_nothing_and_see_only_whole_runs(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "siege"
    folder.mkdir()
    outcome = besiege(folder, 5)
    assert outcome.faults == []
    done = outcome.counts()
    for name in ("reflect", "show", "search", "export", "add", "forget"):
        assert done[name] > 0, name
