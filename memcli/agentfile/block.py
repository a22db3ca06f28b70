"""The block in a text that is ours: between two markers, each on a line of its own.

    <!-- memcli:begin memories/anna -->
    …
    <!-- memcli:end memories/anna -->

Each namespace has a block of its own, wherever in the text somebody moved it to. All
else stays as it is, the markers too, to the last byte.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memcli.errors import UsageError

# What Markdown takes for a line; `splitlines` knows more ends than that.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_COMMENT = re.compile(r"\ufeff?[ \t]*<!--([^\r\n>]*)-->[ \t]*[\r\n]*")
_MARKER = re.compile(r"memcli:(?P<side>begin|end)(?:[ \t]+(?P<name>.+))?")
# A comment holds neither its own end nor two hyphens; `%` is left out to be unique.
_NOT_IN_NAME = re.compile(r"[^\w/@:+.~-]|(?<=-)-")
_ENDS = ("\n", "\r\n", "\r")


@dataclass(frozen=True, slots=True)
class _Block:
    """Where the text between two markers begins and ends."""

    name: str
    start: int
    end: int


def name_of(namespace: str | None) -> str:
    """A namespace as it stands in a marker; empty for all of them."""
    return _NOT_IN_NAME.sub(_encoded, namespace or "")


def markers(name: str) -> tuple[str, str]:
    named = f" {name}" if name else ""
    return f"<!-- memcli:begin{named} -->", f"<!-- memcli:end{named} -->"


def spliced(text: str, name: str, inner: Sequence[str]) -> str:
    """The text with these lines in the block of that name.

    A block that is not there is put at the end, after an empty line, unless there is
    nothing to put into it. Raises UsageError when markers are missing or in disorder.
    """
    for block in _blocks(text):
        if block.name == name:
            before, after = text[: block.start], text[block.end :]
            return before + _joined(inner, _line_end(before, after)) + after
    if not inner:
        return text
    end = _line_end(text, "")
    begin_marker, end_marker = markers(name)
    return text + _gap(text, end) + _joined([begin_marker, *inner, end_marker], end)


def _blocks(text: str) -> Iterator[_Block]:
    """All of ours, checked; the caller gets to see none if one of them is broken."""
    found: list[_Block] = []
    begun: tuple[str, int, int] | None = None  # name, line, where its text begins
    for number, line in enumerate(_LINE.finditer(text), 1):
        # In two steps: one pattern for both tries every way to share out the blanks.
        comment = _COMMENT.fullmatch(line[0])
        marker = comment and _MARKER.fullmatch(comment[1].strip(" \t"))
        if marker is None:
            continue
        name = marker["name"] or ""
        begin, end = markers(name)
        if marker["side"] == "begin":
            if begun is not None:
                raise _broken(begun[1], markers(begun[0])[0], "has no end")
            if any(block.name == name for block in found):
                raise _broken(number, begin, "is there twice")
            begun = name, number, line.end()
        elif begun is None or begun[0] != name:
            raise _broken(number, end, "has no beginning")
        else:
            found.append(_Block(name, begun[2], line.start()))
            begun = None
    if begun is not None:
        raise _broken(begun[1], markers(begun[0])[0], "has no end")
    yield from found


def _broken(line: int, marker: str, what: str) -> UsageError:
    return UsageError(
        f"line {line}: {marker} {what}; put the markers right, or delete them and what "
        "is between; nothing was written"
    )


def _gap(text: str, end: str) -> str:
    """What is missing to an empty line at the end."""
    if text in ("", "\ufeff"):
        return ""
    last = _LINE.findall(text)[-1]
    rest = "" if last.endswith(_ENDS) else end
    return rest + end if last.strip() else rest


def _encoded(sign: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in sign[0].encode())


def _joined(lines: Sequence[str], end: str) -> str:
    return "".join(line + end for line in lines)


def _line_end(before: str, after: str) -> str:
    """How lines end in most of a text, as far as it is not ours: else the end of what
    we wrote would depend on what we wrote before."""
    ends = re.findall(r"\r\n|\n|\r", before + "\0" + after)
    return max(_ENDS, key=ends.count)
