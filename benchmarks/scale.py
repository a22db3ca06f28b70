"""`python benchmarks/scale.py [FOLDER ...]`: whether search holds at a million.

Three tables: how much of an exact search is found, what a whole `memcli search`
costs, and what one more search costs in a process that has the store open. Compare
the ratios, which come from one run on one machine, rather than milliseconds.

The vectors are those of real sentences, which lie in clusters as no random ones do:
the sentences of the transcripts in the folders (`sample_transcripts` unless given),
and as many statements that differ in a word or a year, hence crowded. Mixtures of
near ones, with a little noise, make them up to the number. The queries are sentences
that were held out. The stores are made once and kept in the temporary folder: some
minutes, and 4 GB of disk. SIZES=1000,10000 in the environment are other sizes.
"""

import hashlib
import os
import random
import re
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import memcli  # noqa: E402
from benchmarks import stores  # noqa: E402
from benchmarks.process import once  # noqa: E402
from memcli.embeddings.choose import DEFAULT_MODEL, encoder  # noqa: E402
from memcli.store import schema, vectors  # noqa: E402
from memcli.store.database import connect, transaction  # noqa: E402
from memcli.store.filters import only  # noqa: E402
from memcli.store.nearest import nearest  # noqa: E402
from memcli.textkey import text_key  # noqa: E402
from memcli.transcripts.discover import discover  # noqa: E402
from memcli.transcripts.read import read_file  # noqa: E402
from memcli.transcripts.report import FileReport  # noqa: E402

MEMCLI = Path(sys.executable).parent / "memcli"
SIZES = [int(n) for n in os.environ.get("SIZES", "10000,100000,1000000").split(",")]
HELD_OUT = 200
HALF = "memories/half"  # the namespace of every other memory
_MADE = 1  # to be counted up when what is made changes
_SENTENCES = 12_000  # at most, and as many statements
_NEAR = 20  # a mixture is of one vector and two of so many nearest ones
_SHARES = (1.0, 0.7, 0.4)  # of a Dirichlet distribution
_NOISE = 0.01  # a dimension: a cosine of 0.98
_CITED = 1000  # messages that the memories cite
_NOW = "2026-01-01T00:00:00.000Z"


class Base(NamedTuple):
    """Texts and their vectors, in the same order; the first are held out."""

    texts: list[str]
    vectors: vectors.Vectors


def main() -> None:
    """Make the stores, print the tables."""
    folder, base = _base(sys.argv[1:] or [str(HERE.parent / "sample_transcripts")])
    paths = [_store(folder, base, size) for size in SIZES]
    console = Console()
    print(f"\nfound of an exact search, {HELD_OUT} queries")
    console.print(_recall(paths, base.vectors[:HELD_OUT]))
    print(
        "\nwhole processes, in seconds; on a cold disk, nothing of the file is cached"
    )
    console.print(_processes(paths))
    print(
        "\none more search in the same process, in milliseconds; parts are of the CPU"
    )
    console.print(_warm(paths, base.texts[:HELD_OUT]))


# The stores.


def _base(folders: Sequence[str]) -> tuple[Path, Base]:
    """What the stores are made of, and the folder that they are kept in."""
    draw = random.Random(1)
    listed = _sentences(folders)
    draw.shuffle(listed)
    listed = listed[:_SENTENCES]
    stated = draw.sample(range(30 * _SENTENCES), len(listed))
    listed += [stores.statement(number) for number in stated]
    draw.shuffle(listed)
    digest = hashlib.blake2b(Path(schema.__file__).read_bytes(), digest_size=4)
    digest.update("\n".join([*listed, str(_MADE)]).encode())
    folder = Path(gettempdir(), f"memcli-scale-{digest.hexdigest()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder / "vectors.npy"
    if not kept.exists():
        print(f"encoding {len(listed):,} sentences", flush=True)
        np.save(kept, encoder(DEFAULT_MODEL).encode(listed))
    return folder, Base(listed, np.load(kept))


def _sentences(folders: Sequence[str]) -> list[str]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    found = {
        sentence
        for file in discover(folders)
        for read in read_file(file, FileReport(file.path), now)
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", read.message.text)
        if 12 < len(sentence) < 300
    }
    return sorted(found)


def _store(folder: Path, base: Base, count: int) -> Path:
    """A database of so many memories with their vectors, each citing a message."""
    path, part = folder / f"{count}.db", folder / "part.db"
    if path.exists():
        return path
    print(f"making a store of {count:,}", flush=True)
    for left in folder.glob("part.db*"):
        left.unlink()
    with closing(connect(part)) as db:
        # What is half made when something fails is thrown away.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF"):
            db.execute(f"PRAGMA {pragma}")
        with transaction(db):
            _fill(db, base, count)
        db.execute("PRAGMA journal_mode = WAL")
    part.replace(path)
    return path


def _fill(db: sqlite3.Connection, base: Base, count: int) -> None:
    db.execute("INSERT INTO threads (id, format, metadata) VALUES ('t', 'x', '{}')")
    db.executemany(
        "INSERT INTO messages (key, thread_id, message_id, role, text, sent_at, "
        "embedded) VALUES (?, 't', ?, 'user', ?, ?, 1)",
        ((str(i), str(i), base.texts[i], _NOW) for i in range(_CITED)),
    )
    vectors.use_model(db, DEFAULT_MODEL, base.vectors.shape[1])
    first = 1
    for texts, grown in _grown(base, count):
        ids = range(first, first + len(texts))
        db.executemany(
            "INSERT INTO memories (id, namespace, kind, text, confidence, valid_from, "
            "created_at, updated_at, text_key) "
            "VALUES (?, ?, 'fact', ?, 0.9, ?, ?, ?, ?)",
            (
                (id, HALF if id % 2 else "memories/me", text, _NOW, _NOW, _NOW,
                 text_key(text))
                for id, text in zip(ids, texts, strict=True)
            ),
        )  # fmt: skip
        db.executemany(
            "INSERT INTO sources VALUES (?, ?, ?)",
            ((id, id % _CITED + 1, base.texts[id % _CITED]) for id in ids),
        )
        vectors.put(db, "memories", ids, grown)
        first += len(texts)


def _grown(base: Base, count: int) -> Iterator[tuple[list[str], vectors.Vectors]]:
    """Blocks of texts and vectors: what is not held out, then mixtures of it."""
    texts, real = base.texts[HELD_OUT:], base.vectors[HELD_OUT:]
    near = np.concatenate(
        [
            np.argpartition(-(real[at : at + 1000] @ real.T), _NEAR)[:, :_NEAR]
            for at in range(0, len(real), 1000)
        ]
    )
    draw = np.random.default_rng(1)
    for first in range(0, count, vectors.PAGE):
        size = min(vectors.PAGE, count - first)
        if first + size <= len(real):
            yield texts[first : first + size], real[first : first + size]
            continue
        one = draw.integers(len(real), size=size)
        others = near[one[:, None], draw.integers(_NEAR, size=(size, 2))]
        shares = draw.dirichlet(_SHARES, size).astype(np.float32)
        mixed = np.einsum("ij,ijk->ik", shares, real[np.column_stack([one, others])])
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        mixed += _NOISE * draw.standard_normal(mixed.shape, np.float32)
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        pairs = zip(one, others[:, 0], strict=True)
        yield [_spliced(texts[a], texts[b]) for a, b in pairs], mixed


def _spliced(one: str, other: str) -> str:
    """The first half of one sentence and the second of another: every word is as
    frequent as it is in real ones."""
    front, back = one.split(), other.split()
    return " ".join(front[: len(front) // 2 + 1] + back[len(back) // 2 :])


# What is found.


def _recall(paths: Sequence[Path], queries: vectors.Vectors) -> Table:
    table = _table("vectors", "R@10", "R@50", "R@200", "worst R@10", "R@10, half")
    for path in paths:
        with closing(connect(path)) as db:
            exact, half = _exact(db, queries), _exact(db, queries, odd=True)
            among = {row[0] for row in db.execute("SELECT id FROM memories")}
            odd = only(np.array([id for id in among if id % 2], np.int64))
            shares: dict[int, list[float]] = {10: [], 50: [], 200: []}
            filtered: list[float] = []
            for query, best in zip(queries, exact, strict=True):
                found = nearest(db, "memories", query, 200).found
                for n, share in shares.items():
                    share.append(_share(found, best, n))
            for query, best in zip(queries[:50], half, strict=False):
                found = nearest(db, "memories", query, 10, among=odd).found
                filtered.append(_share(found, best, 10))
            count = db.execute("SELECT count(*) FROM memories").fetchone()[0]
        means = [f"{np.mean(share):.3f}" for share in shares.values()]
        table.add_row(
            f"{count:,}", *means, f"{min(shares[10]):.1f}", f"{np.mean(filtered):.3f}",
        )  # fmt: skip
    return table


def _share(
    found: Sequence[tuple[int, float]], best: "np.ndarray[Any, Any]", n: int
) -> float:
    """How much of the true first n is in the first n; what is as near as the last of
    them is as good."""
    least = best[n - 1] - 1e-6
    return sum(cosine >= float(least) for _, cosine in found[:n]) / n


def _exact(
    db: sqlite3.Connection, queries: vectors.Vectors, *, odd: bool = False
) -> "np.ndarray[Any, Any]":
    """The 200 highest cosines of each query, by looking at every vector."""
    best = np.full((len(queries), 200), -2, np.float32)
    where = "WHERE id % 2" if odd else ""
    rows = db.execute(f"SELECT vector FROM memories_vectors {where}")
    while some := rows.fetchmany(vectors.PAGE):
        block = np.frombuffer(b"".join(row["vector"] for row in some), "<f4")
        cosines = queries @ block.reshape(len(some), -1).T
        best = np.partition(np.hstack([best, cosines]), -200)[:, -200:]
    return -np.sort(-best)


# What it costs.


def _processes(paths: Sequence[Path]) -> Table:
    table = _table("memcli search", *(f"{size:,}" for size in SIZES), "last to first")
    for query in ("dark mode", "What was said about the office?"):
        for cold in (False, True):
            found: list[list[float]] = [[] for _ in paths]
            for turn in range(6):
                for path, seconds in zip(paths, found, strict=True):
                    if cold:
                        _forget(path)
                    spent = once([MEMCLI, "search", query, "--db", path]).seconds
                    if turn:
                        seconds.append(spent)
            times = [median(seconds) for seconds in found]
            how = ", disk cold" if cold else ""
            table.add_row(
                f"“{query}”{how}",
                *(f"{seconds:.2f}" for seconds in times),
                f"{times[-1] / times[0]:.2f}",
            )
    return table


def _forget(path: Path) -> None:
    """Have the system drop its copy of the file in memory; Linux only."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _warm(paths: Sequence[Path], texts: Sequence[str]) -> Table:
    table = _table("", "memories", "p50 ms", "p95 ms", "of CPU")
    short = [_short(text) for text in texts]
    for what, queries, namespace in (
        ("two words", short, None),
        ("whole sentences", texts[:50], None),
        ("of a namespace", short, HALF),
    ):
        for size, path in zip(SIZES, paths, strict=True):
            row = _one_process(path, queries, namespace)
            table.add_row(what, f"{size:,}", *(f"{1000 * part:.1f}" for part in row))
        table.add_section()
    return table


def _short(text: str) -> str:
    """The two longest words, as a person in a hurry would type them."""
    return " ".join(sorted(text.split(), key=len)[-2:])


def _one_process(
    path: Path, queries: Sequence[str], namespace: str | None
) -> list[float]:
    """Seconds: median and 95th percentile, and the median of the processor alone,
    whatever else the machine does."""
    total: list[float] = []
    spent: list[float] = []
    with memcli.open(path) as store:
        for query in [*queries[:5], *queries]:  # the first five warm up
            start, began = time.perf_counter(), time.thread_time()
            store.search(query, namespace=namespace)
            total.append(time.perf_counter() - start)
            spent.append(time.thread_time() - began)
    return [median(total[5:]), float(np.quantile(total[5:], 0.95)), median(spent[5:])]


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


if __name__ == "__main__":
    main()
