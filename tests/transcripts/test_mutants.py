"""Damage costs what it hits, and nothing else; no file makes reading fail."""

import random

import pytest

from tests.transcripts.mutants import GOLDEN, files_of, lost, mutants

FORMATS = sorted(folder.name for folder in GOLDEN.iterdir() if folder.is_dir())


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_whole_in_a_damaged_file_is_read(format: str) -> None:
    draw = random.Random(f"{format} in the suite")
    files = files_of(format)
    assert files
    for path in draw.sample(files, min(3, len(files))):
        for mutant in mutants(format, path.read_bytes(), draw):
            assert not lost(path, mutant), f"{path.name}: {mutant.kind}"
