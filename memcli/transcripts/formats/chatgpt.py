"""ChatGPT's data export: `conversations.json`, sharded, or still in its zip.

A conversation is a tree: each edit of a prompt and each new try at an answer
is a branch. What a person sees is the path from the current node to the root.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from memcli.models import Role
from memcli.transcripts.formats.base import (
    RawMessage,
    Record,
    Source,
    block_name,
    kind_of,
    mapping,
    scalar_text,
)
from memcli.when import parse_timestamp

_LEEWAY = timedelta(days=1)
# Marks where the page shows a small link to a source.
_CITED = re.compile(
    "\ue200[^\ue200\ue201]{0,200}\ue201|【[^【】]{0,60}†[^【】]{0,60}】"
)


class ChatGPT:
    """See the module's docstring."""

    name = "chatgpt"
    about = "ChatGPT's data export: its zip, or conversations*.json"

    def recognises(self, record: Mapping[str, Any]) -> bool:
        nodes = record.get("mapping")
        return isinstance(nodes, dict) and (
            "current_node" in record
            or any(
                "parent" in node for node in nodes.values() if isinstance(node, dict)
            )
        )

    def read(self, records: Iterable[Record], source: Source) -> Iterator[RawMessage]:
        for record in records:
            thread_id = scalar_text(record.data.get("conversation_id"))
            thread_id = thread_id or scalar_text(record.data.get("id"))
            nodes = record.data.get("mapping")
            if not isinstance(nodes, dict):
                source.problem(record.number, "a conversation without messages")
                continue
            if thread_id is None:
                # The root node's id is the conversation's own.
                thread_id = f"thread-{next(iter(_path(record.data, nodes)), 'unknown')}"
            if record.data.get("is_do_not_remember") is True:
                source.skip("conversation marked do not remember")
                _withdraw_all(record.data, thread_id, nodes, source)
                continue
            yield from _conversation(record, thread_id, nodes, source)


def _conversation(
    record: Record, thread_id: str, nodes: Mapping[str, Any], source: Source
) -> Iterator[RawMessage]:
    path = _path(record.data, nodes)
    on_path = set(path)
    changed = parse_timestamp(record.data.get("update_time"))
    created = parse_timestamp(record.data.get("create_time"))
    model = scalar_text(record.data.get("default_model_slug"))
    last = None
    for node_id in path:
        said = _said(node_id, nodes, source)
        if said is None:
            continue
        role, text, message = said
        sent_at = parse_timestamp(message.get("create_time"))
        if sent_at and changed and sent_at > changed + _LEEWAY:
            sent_at = None  # a wrong clock must not carry the others along
        if sent_at is not None and last is not None:
            # The clock of the answers is not that of the questions; the tree
            # knows which came first.
            sent_at = max(sent_at, last)
        last = sent_at or last
        yield RawMessage(
            line=record.number,
            thread_id=thread_id,
            role=role,
            text=text,
            id=scalar_text(message.get("id")) or node_id,
            sent_at=sent_at,
            thread_time=last or created,
            title=scalar_text(record.data.get("title")),
            metadata={"model": model} if model else {},
            as_of=changed,
        )
    for node_id in nodes.keys() - on_path:
        message = mapping(mapping(nodes[node_id]).get("message"))
        if mapping(message.get("author")).get("role") in ("user", "assistant"):
            source.skip("message on an abandoned branch")
            message_id = scalar_text(message.get("id")) or node_id
            source.withdrawn[f"{thread_id}/{message_id}"] = changed


def _path(record: Mapping[str, Any], nodes: Mapping[str, Any]) -> list[str]:
    """The node ids from the root to the current node."""
    current = record.get("current_node")
    if not isinstance(current, str) or current not in nodes:
        current = _newest_leaf(nodes)
    path: list[str] = []
    met = set()
    while isinstance(current, str) and current in nodes and current not in met:
        met.add(current)
        path.append(current)
        current = mapping(nodes[current]).get("parent")
    return path[::-1]


def _newest_leaf(nodes: Mapping[str, Any]) -> str | None:
    parents = {kind_of(mapping(node), "parent") for node in nodes.values()}
    leaves = [id for id in nodes if id not in parents] or list(nodes)

    def age(id: str) -> float:
        message = mapping(mapping(nodes[id]).get("message"))
        moment = parse_timestamp(message.get("create_time"))
        return moment.timestamp() if moment else 0.0

    return max(leaves, key=age, default=None)


def _said(
    node_id: str, nodes: Mapping[str, Any], source: Source
) -> tuple[Role, str, Mapping[str, Any]] | None:
    message = mapping(nodes[node_id]).get("message")
    if not isinstance(message, dict):
        return None  # the root
    role = mapping(message.get("author")).get("role")
    hidden = mapping(message.get("metadata")).get(
        "is_visually_hidden_from_conversation"
    )
    if role not in ("user", "assistant"):
        source.skip(f"{block_name(role)} message")
    elif hidden is True:
        source.skip("hidden message")
    elif message.get("recipient") not in (None, "all"):
        source.skip("tool call")
    else:
        text = _text(mapping(message.get("content")), source)
        if text.strip():
            return role, text, message
        source.skip("turn without text")
    return None


def _text(content: Mapping[str, Any], source: Source) -> str:
    kind = content.get("content_type")
    if kind not in (None, "text", "multimodal_text"):
        source.skip(f"{block_name(kind)} block")
        return ""
    parts = content.get("parts")
    if not isinstance(parts, list):
        text = content.get("text")
        return text if isinstance(text, str) else ""
    texts = []
    for part in parts:
        text = part
        if isinstance(part, dict):
            text = part.get("text")
            if part.get("content_type") not in (None, "text", "audio_transcription"):
                text = None
                source.skip(f"{block_name(part.get('content_type'))} block")
        if isinstance(text, str) and text.strip():
            texts.append(text)
    return _CITED.sub("", "\n\n".join(texts))


def _withdraw_all(
    data: Mapping[str, Any], thread_id: str, nodes: Mapping[str, Any], source: Source
) -> None:
    changed = parse_timestamp(data.get("update_time"))
    for node_id, node in nodes.items():
        message = mapping(mapping(node).get("message"))
        message_id = scalar_text(message.get("id")) or node_id
        source.withdrawn[f"{thread_id}/{message_id}"] = changed
