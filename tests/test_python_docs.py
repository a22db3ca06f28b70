"""The program in docs/python.md prints what its comments say."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

from tests.conftest import Serve

DOCS = Path(__file__).resolve().parent.parent / "docs" / "python.md"
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_program_in_the_documentation(serve: Serve) -> None:
    serve()
    known: dict[str, Any] = {}
    blocks = BLOCK.findall(DOCS.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, str(DOCS), "exec"), known)
        assert printed.getvalue().splitlines() == re.findall(r"# → (.*)", block)
