"""The tables, as migrations: small named steps, each run once, in order.

The file's `user_version` is the number of steps it has had. sqlite-utils is
imported only when there is a step to run, since it costs a quarter second.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from memcli.store import terms

if TYPE_CHECKING:
    from sqlite_utils import Database

# Marks the file as ours ("memc"), so that another program's database is known.
APPLICATION_ID = 0x6D656D63
_TOKENIZER = "porter unicode61 remove_diacritics 2"
_ROWS_AT_ONCE = 1000


def _create_runs(db: "Database") -> None:
    db.table("runs").create(
        {
            "id": int,
            "started_at": str,
            "finished_at": str,
            "outcome": str,  # running | done | failed | interrupted | budget
            "extractor": str,
            "model": str,
            "namespace": str,
            "files_read": int,
            "messages_added": int,
            "threads_reflected": int,
            "threads_failed": int,
            "candidates": int,
            "inserted": int,
            "strengthened": int,
            "superseded": int,
            "input_tokens": int,
            "output_tokens": int,
            "error": str,
        },
        pk="id",
        not_null={"started_at", "outcome", "extractor", "namespace"},
    )


def _create_files(db: "Database") -> None:
    db.table("files").create(
        {
            "path": str,
            "size": int,
            "mtime_ns": int,
            "inode": int,
            "format": str,
            "messages": int,
            "skipped": str,  # JSON: how many, by reason
            "read_at": str,
        },
        pk="path",
        not_null={"size", "mtime_ns", "inode", "read_at"},
    )


def _create_threads_and_messages(db: "Database") -> None:
    db.table("threads").create(
        {
            "id": str,
            "format": str,
            "title": str,
            "metadata": str,  # JSON: scalars from the transcript
            "error": str,  # why the last extraction failed
            "attempts": int,
        },
        pk="id",
        not_null={"format", "metadata"},
        defaults={"attempts": 0},
    )
    db.table("messages").create(
        {
            "id": int,
            "key": str,  # identity across files
            "thread_id": str,
            "message_id": str,
            "role": str,
            "name": str,
            "text": str,
            "sent_at": str,
            "reflected_in": int,  # the run that saw it; NULL while it is new
            "embedded": int,
        },
        pk="id",
        not_null={
            "key", "thread_id", "message_id", "role", "text", "sent_at", "embedded",
        },
        defaults={"embedded": 0},
        foreign_keys=[
            ("thread_id", "threads", "id"),
            ("reflected_in", "runs", "id"),
        ],
    )  # fmt: skip
    db.table("messages").create_index(["key"], unique=True)
    db.table("messages").create_index(["thread_id", "sent_at"])
    db.table("messages").create_index(["sent_at"])
    db.execute(
        "CREATE INDEX idx_messages_new ON messages (thread_id) "
        "WHERE reflected_in IS NULL"
    )
    db.execute("CREATE INDEX idx_messages_bare ON messages (id) WHERE embedded = 0")
    # Texts a message had before it was edited. An old copy of a file must not
    # turn an edited message back.
    db.table("message_edits").create(
        {"message": int, "text_sha256": str, "replaced_at": str},
        pk=("message", "text_sha256"),
        foreign_keys=[("message", "messages", "id")],
    )
    _index_text(db, "messages")


def _create_extractions(db: "Database") -> None:
    db.table("extractions").create(
        {
            "id": int,
            "run_id": int,
            "thread_id": str,
            "namespace": str,
            "extractor": str,
            "model": str,
            "created_at": str,
            "candidates": str,  # JSON
            "set_aside": str,  # JSON: how many, by reason
            "input_tokens": int,
            "output_tokens": int,
            "consolidated_in": int,  # the run; NULL while it waits
        },
        pk="id",
        not_null={"run_id", "thread_id", "namespace", "extractor", "candidates"},
        foreign_keys=[
            ("run_id", "runs", "id"),
            ("thread_id", "threads", "id"),
            ("consolidated_in", "runs", "id"),
        ],
    )
    db.execute(
        "CREATE INDEX idx_extractions_waiting ON extractions (id) "
        "WHERE consolidated_in IS NULL"
    )


def _create_memories(db: "Database") -> None:
    db.table("memories").create(
        {
            "id": int,
            "namespace": str,
            "kind": str,
            "text": str,
            "about": str,  # the one-valued thing it speaks of, if any
            "confidence": float,
            "happens_on": str,
            "valid_from": str,
            "valid_to": str,  # NULL while it holds
            "superseded_by": int,
            "created_at": str,
            "updated_at": str,
            "text_key": str,  # the text, normalised: equal keys are repeats
            "embedded": int,
        },
        pk="id",
        not_null={
            "namespace", "kind", "text", "confidence", "valid_from",
            "created_at", "updated_at", "text_key", "embedded",
        },
        defaults={"embedded": 0},
        foreign_keys=[("superseded_by", "memories", "id")],
    )  # fmt: skip
    db.table("memories").create_index(["namespace", "text_key"])
    db.table("memories").create_index(["namespace", "about"])
    db.execute("CREATE INDEX idx_memories_bare ON memories (id) WHERE embedded = 0")
    _index_text(db, "memories")
    db.table("sources").create(
        {
            "memory_id": int,
            "message": int,
            "quote": str,
        },
        pk=("memory_id", "message", "quote"),
        foreign_keys=[
            ("memory_id", "memories", "id"),
            ("message", "messages", "id"),
        ],
    )
    db.table("sources").create_index(["message"])
    db.table("operations").create(
        {
            "id": int,
            "run_id": int,
            "memory_id": int,
            "operation": str,
            "reason": str,
            "at": str,
            "before": str,  # JSON
            "after": str,  # JSON
        },
        pk="id",
        not_null={"run_id", "memory_id", "operation", "reason", "at"},
        foreign_keys=[
            ("run_id", "runs", "id"),
            ("memory_id", "memories", "id"),
        ],
    )
    db.table("operations").create_index(["memory_id"])
    db.table("operations").create_index(["run_id"])


def _create_vectors(db: "Database") -> None:
    db.table("embedding_models").create(
        {"id": int, "name": str, "dimensions": int}, pk="id", not_null={"name"}
    )
    for owner in ("memories", "messages"):
        # `vector` is float32, little-endian, of unit length. The pages beside
        # it hold one bit a dimension for 4,096 vectors each: what a search
        # scans before it looks at any float.
        db.table(f"{owner}_vectors").create(
            {"id": int, "page": int, "slot": int, "vector": bytes},
            pk="id",
            foreign_keys=[("id", owner, "id")],
        )
        db.table(f"{owner}_vector_pages").create(
            {"page": int, "count": int, "ids": bytes, "bits": bytes}, pk="page"
        )


def _index_text(
    db: "Database",
    table: str,
    columns: Sequence[str] = ("text",),
    tokenizer: str = _TOKENIZER,
) -> None:
    """FTS5 over `text`, kept in step by triggers.

    The update trigger sqlite-utils makes fires for every column; ours only for
    the text, since most updates are of bookkeeping.
    """
    db.table(table).enable_fts(columns, tokenize=tokenizer, create_triggers=True)
    (trigger,) = (t for t in db.table(table).triggers if t.name == f"{table}_au")
    db.execute(f'DROP TRIGGER "{trigger.name}"')
    which = f"AFTER UPDATE OF {', '.join(columns)} ON"
    db.execute(trigger.sql.replace("AFTER UPDATE ON", which))


def _add_cursors(db: "Database") -> None:
    """Where the last read of each file ended, and which formats were known then."""
    for name, kind in (
        ("offset", int), ("line", int), ("fingerprint", str),
        ("memo", str),  # JSON: what the format keeps for the next read
        ("reader", str),
    ):  # fmt: skip
        db.table("files").add_column(name, kind)
    # Messages that a file says were taken back. `as_of` is when the conversation
    # was last changed, and then the file: of two exports the newer one is right.
    db.table("withdrawn_messages").create(
        {"key": str, "as_of": str}, pk="key", not_null={"as_of"}
    )
    db.table("messages").add_column("as_of", str)


def _add_asking(db: "Database") -> None:
    """What models were asked, what it cost, and what is still under way."""
    # One row for each answered request, also for those whose answer was of no use.
    db.table("requests").create(
        {
            "id": int,
            "run_id": int,
            "thread_id": str,  # NULL for consolidation
            "extraction_id": int,  # NULL where nothing came of it
            "purpose": str,  # extract | consolidate
            "outcome": str,  # answered | invalid | refused | cut off
            "model": str,
            "at": str,
            "input_tokens": int,
            "output_tokens": int,
            "cache_read_tokens": int,
            "cache_write_tokens": int,
            "dollars": float,  # NULL where the price is not known
            "batch": int,
        },
        pk="id",
        not_null={"run_id", "purpose", "outcome", "model", "at", "batch"},
        defaults={"batch": 0},
        foreign_keys=[("run_id", "runs", "id")],
    )
    db.table("requests").create_index(["run_id"])
    db.table("requests").create_index(["extraction_id"])
    for name, kind in (
        ("updated", int), ("deleted", int), ("budget", float), ("dollars", float),
        ("cache_read_tokens", int), ("cache_write_tokens", int),
    ):  # fmt: skip
        db.table("runs").add_column(name, kind)
    # By its fingerprint an extraction is known when the same would be asked
    # again; by its recipe, when a newer prompt or model would ask otherwise.
    db.table("extractions").add_column("fingerprint", str)
    db.table("extractions").add_column("recipe", str)
    db.table("extractions").add_column("replaced", int, not_null_default=0)
    db.table("extractions").create_index(["fingerprint"])
    db.table("extractions").create_index(["thread_id"])
    # `part_characters`: a larger part of this thread was too long for the model.
    # `redo`: all of the thread is reflected anew; when that is done, what is
    # extracted takes the place of what the thread gave before.
    db.table("threads").add_column("part_characters", int)
    db.table("threads").add_column("redo", int, not_null_default=0)
    # The run that took a memory away; NULL while it is there.
    db.table("memories").add_column("deleted_in", int)
    # A value of a schema of the user's, as JSON; of a profile, also when each
    # field was last said.
    for name in ("schema", "value", "field_times"):
        db.table("memories").add_column(name, str)
    db.table("operations").add_column("extraction_id", int)
    # What a model decided about ambiguous candidates: paid for, so kept.
    db.table("judgements").create(
        {"fingerprint": str, "run_id": int, "at": str, "answer": str},
        pk="fingerprint",
        not_null={"run_id", "at", "answer"},
    )
    db.table("batches").create(
        {
            "id": int,
            "run_id": int,
            "api_id": str,  # NULL while it is being submitted
            "model": str,
            "submitted_at": str,
            "harvested_at": str,  # NULL while it is under way
            "requests": int,
        },
        pk="id",
        not_null={"run_id", "model", "submitted_at", "requests"},
    )
    db.table("batch_requests").create(
        {
            "custom_id": str,
            "batch_id": int,
            "thread_id": str,
            "namespace": str,
            "fingerprint": str,
            "recipe": str,
            "part": str,  # JSON: which messages it shows, by row number
            "outcome": str,  # NULL while it is under way
        },
        pk="custom_id",
        not_null={"batch_id", "thread_id", "namespace", "fingerprint", "part"},
        foreign_keys=[("batch_id", "batches", "id")],
    )
    db.table("batch_requests").create_index(["batch_id"])
    db.execute(
        "CREATE INDEX idx_batch_requests_open ON batch_requests (thread_id) "
        "WHERE outcome IS NULL"
    )


def _add_history(db: "Database") -> None:
    """What people do by hand, what was undone, what is not to come back."""
    # kind: reflect | apply | add | edit | forget | purge | undo | fix | put | delete
    db.table("runs").add_column("kind", str, not_null_default="reflect")
    for name, kind in (
        ("undoes", int),  # the run that this one took back
        ("undone_by", int),  # the run that took this one back, while that holds
        ("not_again", int),  # an undo that left the threads alone
    ):  # fmt: skip
        db.table("runs").add_column(name, kind)
    # The stages of a run, in order. `ended_at` is NULL where it died.
    db.table("journal").create(
        {
            "id": int,
            "run_id": int,
            "stage": str,  # read | consolidate left | extract | embed | consolidate
            "began_at": str,
            "ended_at": str,
        },
        pk="id",
        not_null={"run_id", "stage", "began_at"},
        foreign_keys=[("run_id", "runs", "id")],
    )
    db.table("journal").create_index(["run_id"])
    # Who works on the database now, until when that counts without a heartbeat.
    db.table("leases").create(
        {
            "name": str,
            "owner": str,
            "host": str,
            "pid": int,
            "stage": str,
            "since": str,
            "beat_at": str,
            "expires_at": str,
        },
        pk="name",
        not_null={"owner", "host", "pid", "since", "beat_at", "expires_at"},
    )
    # When a person wrote or edited it last; NULL if it is all a machine's.
    db.table("memories").add_column("by_hand", str)
    # Texts that a memory had before: an agent may still repeat one.
    db.table("past_texts").create(
        {"namespace": str, "text_key": str, "memory_id": int},
        pk=("namespace", "text_key", "memory_id"),
    )
    # What is not to come back, as keyed hashes: no text can be read from them.
    db.table("tombstones").create(
        {
            "id": int,
            "run_id": int,
            "memory_id": int,
            "why": str,  # forgotten | edited
            "statement": str,
            "gist": str,
        },
        pk="id",
        not_null={"run_id", "memory_id", "why", "statement", "gist"},
    )
    db.table("tombstones").create_index(["statement"])
    db.table("tombstones").create_index(["gist"])
    db.table("tombstones").create_index(["run_id"])
    # Runs that allowed a statement again. Like the tombstones themselves they count
    # only while they are not undone.
    db.table("tombstone_lifts").create(
        {"tombstone_id": int, "run_id": int},
        pk=("tombstone_id", "run_id"),
        foreign_keys=[("tombstone_id", "tombstones", "id")],
    )
    db.table("tombstone_quotes").create(
        {
            "tombstone_id": int,
            "quote": str,
            "message": str,  # the words around it, hashed
            "first_word": int,
            "last_word": int,
            "shared": int,  # other memories stand on the same words
        },
        pk=("tombstone_id", "quote", "message", "first_word"),
        foreign_keys=[("tombstone_id", "tombstones", "id")],
    )
    db.table("tombstone_quotes").create_index(["quote"])
    db.table("tombstone_quotes").create_index(["message"])
    # Messages and threads that were removed for good, as keyed hashes.
    db.table("purged").create({"hash": str, "run_id": int}, pk="hash")
    db.table("keys").create({"name": str, "value": str}, pk="name")
    # What a run that is undone had marked, so that it can be marked again.
    db.table("undone_messages").create(
        {"run_id": int, "message": int, "reflected_in": int},
        pk=("run_id", "message"),
    )
    # Which threads a run did anew, in place of what they gave before.
    db.table("redone_threads").create(
        {"run_id": int, "thread_id": str}, pk=("run_id", "thread_id")
    )
    # By which run their messages had been reflected before; `run_id` is 0 until a run
    # has done the thread anew.
    db.table("redone_messages").create(
        {"run_id": int, "message": int, "reflected_in": int},
        pk=("run_id", "message"),
    )
    # What undo looks up, however large the file is.
    db.table("extractions").create_index(["consolidated_in"])
    db.table("memories").create_index(["superseded_by"])


def _add_terms(db: "Database") -> None:
    """Other names of what a text says, as words of their own beside it."""
    tokenizer = f"{_TOKENIZER} tokenchars '{terms.MARKS}'"
    for table, there in (("messages", ""), ("memories", "AND deleted_in IS NULL")):
        db.table(table).disable_fts()
        db.table(table).add_column("terms", str, not_null_default="")
        last = 0
        while rows := db.execute(
            f"SELECT id, text FROM {table} WHERE id > ? {there} ORDER BY id LIMIT ?",
            (last, _ROWS_AT_ONCE),
        ).fetchall():
            found = [(terms.extra_terms(row[1]), row[0]) for row in rows]
            db.conn.executemany(
                f"UPDATE {table} SET terms = ? WHERE id = ?",
                [(words, id) for words, id in found if words],
            )
            last = rows[-1][0]
        _index_text(db, table, ("text", "terms"), tokenizer)


def _add_index_of_ended(db: "Database") -> None:
    """Of what has ended, so that a search leaves it out without looking for it."""
    db.execute(
        "CREATE INDEX idx_memories_ended ON memories (id, deleted_in) "
        "WHERE valid_to IS NOT NULL"
    )


def _add_submissions(db: "Database") -> None:
    """Conversations that programs hand over, and what is to be made of them."""
    # recipe: JSON, all that an enricher was told. Any process can go on with it.
    db.table("enrichers").create(
        {"id": int, "recipe": str}, pk="id", not_null={"recipe"}
    )
    db.table("enrichers").create_index(["recipe"], unique=True)
    db.table("submissions").create(
        {
            "thread_id": str,
            "given": str,  # the program's name for the thread; NULL if it gave none
            "enricher": int,
            "namespace": str,
            "submitted_at": str,
            "due_at": str,  # NULL while it is put off
            "serial": int,
        },
        pk="thread_id",
        not_null={"enricher", "namespace", "submitted_at", "serial"},
        foreign_keys=[("enricher", "enrichers", "id")],
    )
    db.table("submissions").create_index(["given"])


def _add_items(db: "Database") -> None:
    """What programs keep under keys of their own, beside what was learned."""
    db.table("memories").add_column("item_key", str)  # NULL for what was learned
    # JSON: the fields that an item is found by; NULL for all of them.
    db.table("memories").add_column("item_fields", str)
    db.execute(
        "CREATE UNIQUE INDEX idx_memories_items ON memories (namespace, item_key) "
        "WHERE item_key IS NOT NULL AND valid_to IS NULL"
    )


Step = Callable[["Database"], None]
STEPS: tuple[Step, ...] = (
    _create_runs,
    _create_files,
    _create_threads_and_messages,
    _create_extractions,
    _create_memories,
    _create_vectors,
    _add_cursors,
    _add_asking,
    _add_history,
    _add_terms,
    _add_index_of_ended,
    _add_submissions,
    _add_items,
)


def version(connection: sqlite3.Connection) -> int:
    """How many steps the file has had; 0 for an empty file."""
    number: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return number


def migrate(connection: sqlite3.Connection) -> None:
    """Run the missing steps, all of them in one transaction."""
    done = version(connection)
    if done >= len(STEPS):
        return
    from sqlite_utils import Database

    db = Database(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated while this one waited for the lock.
        for step in STEPS[version(connection) :]:
            step(db)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
