"""Namespaces: where a memory belongs, as a path of segments.

A template such as `memories/{user_id}/{project}` is filled from the thread's
metadata, so one run keeps users and projects apart (the idea is LangMem's
`NamespaceTemplate`). `{user_id:-me}` gives a default, as the shell does.

Programs that know a namespace as a tuple of labels get the same path: what would
end a segment is written as URLs write it.
"""

import re
from collections.abc import Mapping, Sequence

from memcli.errors import NamespaceError

_VARIABLE = re.compile(r"\{([A-Za-z_]\w*)(?::-([^{}]*))?\}")
_UNSAFE = re.compile(r"[/\x00-\x1f\x7f]+")
_ESCAPED = re.compile(r"%(25|2F|[01][0-9A-F]|7F)")
# A percent sign means itself, unless what follows would make an escape of it.
_TO_ESCAPE = re.compile(rf"[/\x00-\x1f\x7f]|%(?={_ESCAPED.pattern[1:]})")


def check_template(template: str) -> None:
    """Raise NamespaceError when the template itself is malformed."""
    rest = _VARIABLE.sub("x", template)
    if "{" in rest or "}" in rest:
        raise NamespaceError(
            f"namespace {template!r}: write variables as {{name}} or {{name:-default}}"
        )
    if not all(segment.strip() for segment in rest.split("/")):
        raise NamespaceError(f"namespace {template!r} has an empty segment")


def variables(template: str) -> list[str]:
    """The names that a template is filled with."""
    return [match[1] for match in _VARIABLE.finditer(template)]


def fill(template: str, metadata: Mapping[str, str], thread_id: str) -> str:
    """The namespace of one thread.

    Values become single segments: slashes and control characters inside them
    turn into `_`, so that no transcript can climb into another namespace.
    Raises NamespaceError naming the thread and the variable that is missing.
    """

    name = _lacking(template, metadata)
    if name is not None:
        known = ", ".join(sorted(metadata)) or "nothing"
        raise NamespaceError(
            f"thread {thread_id}: the namespace {template!r} needs {name!r}, but the "
            f"thread's metadata has {known}; give --set {name}=… or a default, "
            f"{{{name}:-…}}"
        )
    return _filled(template, metadata)


def fill_from_call(template: str, known: Mapping[str, str]) -> str:
    """The namespace of what a program hands over, or asks for.

    Raises NamespaceError naming what its config lacks.
    """
    name = _lacking(template, known)
    if name is not None:
        raise NamespaceError(
            f"the namespace {template!r} needs {name!r}: give "
            f'config={{"configurable": {{"{name}": …}}}}, or the namespace a default, '
            f"{{{name}:-…}}"
        )
    return _filled(template, known)


def _lacking(template: str, values: Mapping[str, str]) -> str | None:
    """The first variable that has neither a value nor a default."""
    found = (match[1] for match in _VARIABLE.finditer(template) if not match[2])
    return next((name for name in found if not _segment(values, name)), None)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(
        lambda match: _segment(values, match[1]) or match[2] or "", template
    )


def _segment(values: Mapping[str, str], name: str) -> str:
    return _UNSAFE.sub("_", values.get(name, "").strip())


def as_path(namespace: str | Sequence[str] | None) -> str | None:
    """A namespace or template that a program gave as a path, or as its segments."""
    if namespace is None or isinstance(namespace, str):
        return namespace
    return "/".join(namespace)


def plain(name: str) -> str:
    """A namespace as it is written, without a slash at its end.

    Raises NamespaceError for what cannot be the name of one: a template, an empty
    segment, one that is `.` or `..`, or control characters.
    """
    found = name.removesuffix("/")
    segments = found.split("/")
    if (
        not all(segment.strip() for segment in segments)
        or {".", ".."} & set(segments)
        or re.search(r"[{}\x00-\x1f\x7f]", found)
    ):
        raise NamespaceError(
            f"{name!r} is not the name of a namespace, such as memories/anna"
        )
    return found


def includes(outer: str, inner: str) -> bool:
    """Whether a namespace is another, or has it somewhere below, by whole segments."""
    return inner == outer or inner.startswith(outer + "/")


def from_labels(labels: Sequence[str]) -> str:
    """The namespace of a tuple of labels; `to_labels` gives them back.

    Raises NamespaceError for no label, an empty one, and one that is no text; also
    for a text in place of the tuple, whose letters would be taken for labels.
    """
    if isinstance(labels, str):
        raise NamespaceError(
            f"namespace {labels!r} is text; write a tuple of labels, such as "
            f"{tuple(labels.split('/'))!r}"
        )
    if not labels or not all(labels):
        raise NamespaceError(f"namespace {tuple(labels)!r} has an empty label")
    namespace = "/".join(
        _TO_ESCAPE.sub(lambda match: f"%{ord(match[0]):02X}", label) for label in labels
    )
    try:
        namespace.encode()
    except UnicodeEncodeError:
        raise NamespaceError(
            f"namespace {tuple(labels)!r} holds half of a surrogate pair, no text"
        ) from None
    return namespace


def to_labels(namespace: str) -> tuple[str, ...]:
    """The labels of a namespace, whoever made it."""
    return tuple(
        _ESCAPED.sub(lambda match: chr(int(match[1], 16)), segment)
        for segment in namespace.split("/")
    )
