"""A BERT sentence encoder in NumPy: the vectors of sentence-transformers, at once.

Importing sentence-transformers takes seconds before the first text is read. The
arithmetic itself is short: token embeddings, layers of self-attention and
feed-forward (BERT, arXiv:1810.04805), then one vector per text by pooling
(Sentence-BERT, arXiv:1908.10084). The weights stay in their safetensors file (8
bytes of header length, a JSON header, raw tensors) and are mapped: a query touches
the layers and a few rows of the word embeddings, nothing else.

What makes it fast in bulk:

- No padding. The texts of a batch are laid end to end as rows of one matrix, so
  the linear layers are few, large products; only attention keeps texts apart, and
  takes those of equal length together.
- One BLAS thread, many Python threads. NumPy releases the interpreter lock, so each
  core works on a batch of its own, element-wise steps included. BLAS threads would
  idle in those, and they wait for each other in a loop: next to another busy
  process, one query then takes a second rather than 20 ms.
- Everything is done in place, in float32.
"""

import ctypes
import json
import math
import mmap
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

Floats = NDArray[np.float32]

# Tokens per batch: the fewest at which the products run at full speed (up to 2048
# there is nothing to choose), so that a thread's working set is some 6 MB.
BATCH_TOKENS = 512
# Fewer than this are not worth a thread: reading the weights would dominate.
FEW_TOKENS = 64
# Beyond this many, the end of a text is unlikely to be within the model's limit.
CHARACTERS_PER_TOKEN = 16
# Texts tokenised and sorted by length at a time; bounds memory.
WINDOW = 512
# Elements per step of the activation, so that its three arrays fit the L2 cache.
GELU_BLOCK = 32_768

PIPELINES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
# What config.json means where it says nothing, and must not contradict.
BERT_DEFAULTS = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
}
# The pooling modes done here, by their names of today and of older models.
POOLING = {"mean": "mean", "cls": "cls"}
POOLING |= {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
# The linear layers and normalisations of a layer, in the order of their use.
LAYER_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
DTYPES = {"F32": "<f4", "F16": "<f2"}


class UnsupportedModel(ValueError):
    """The folder holds no model that this module can reproduce; says why."""


class Affine(NamedTuple):
    """Weight and bias: of a linear layer, or of a layer normalisation."""

    weight: Floats
    bias: Floats


class BertEncoder:
    """Texts → unit vectors, equal to sentence-transformers' to about 1e-6.

    Takes the folder of a BERT-shaped sentence-transformers model; raises
    UnsupportedModel when the model needs anything that is not done here.
    """

    def __init__(self, folder: Path) -> None:
        transformer, self._pooling = _pipeline(folder)
        config = BERT_DEFAULTS | _read_json(transformer / "config.json")
        for key, needed in {"model_type": "bert", **BERT_DEFAULTS}.items():
            if config.get(key) != needed:
                raise UnsupportedModel(
                    f"config.json: {key} is {config.get(key)!r}, not {needed!r}"
                )
        weights = Weights(transformer / "model.safetensors")
        self._words = weights.mapped("embeddings.word_embeddings.weight")
        self._positions = weights.floats("embeddings.position_embeddings.weight")
        # Every text is a "first sentence", so one row of this table is ever used.
        self._kind = weights.floats("embeddings.token_type_embeddings.weight")[0]
        self._norm = weights.affine("embeddings.LayerNorm")
        self._layers = [
            [weights.affine(f"encoder.layer.{i}.{part}") for part in LAYER_PARTS]
            for i in range(config.get("num_hidden_layers", 12))
        ]
        self._heads = int(config.get("num_attention_heads", 12))
        self._epsilon = np.float32(config.get("layer_norm_eps", 1e-12))
        self._tokenizer, self._limit = _tokenizer(transformer, len(self._positions))
        self.dimensions: int = self._words.shape[1]

    def encode(self, texts: Sequence[str]) -> Floats:
        """One row per text, of length 1 whether or not the model asks for that.

        While it runs, BLAS is held to one thread in the whole process.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        with _one_blas_thread() as workers:
            for start in range(0, len(texts), WINDOW):
                window = slice(start, start + WINDOW)
                self._encode_window(texts[window], vectors[window], workers)
        return vectors

    def _encode_window(self, texts: Sequence[str], out: Floats, workers: int) -> None:
        tokens = self._tokens(texts)
        lengths = [len(ids) for ids in tokens]
        share = max(FEW_TOKENS, sum(lengths) // workers)
        batches = list(_batches(lengths, min(BATCH_TOKENS, share)))

        def run(batch: list[int]) -> None:
            out[batch] = self._forward([tokens[i] for i in batch])

        if len(batches) == 1:
            run(batches[0])
            return
        # Imported here because one query must not pay for it.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, batches))

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids, from the beginning of a text alone where that is enough.

        Words are tokenised one by one: cut at a space, a text begins with the same
        tokens as ever, and if these reach the limit, the rest does not matter.
        """
        reach = CHARACTERS_PER_TOKEN * self._limit
        heads = [
            text if len(text) <= reach else text[:reach].rpartition(" ")[0].rstrip()
            for text in texts
        ]
        tokens: list[list[int]] = [e.ids for e in self._tokenizer.encode_batch(heads)]
        for i, (text, head) in enumerate(zip(texts, heads, strict=True)):
            if len(head) < len(text) and len(tokens[i]) < self._limit:
                tokens[i] = self._tokenizer.encode(text).ids
        return tokens

    def _forward(self, texts: list[list[int]]) -> Floats:
        """The vectors of texts given as token ids, those of equal length together."""
        lengths = [len(ids) for ids in texts]
        x = self._embed(texts)
        # These serve all layers.
        q, k, v = np.empty_like(x), np.empty_like(x), np.empty_like(x)
        wide: Floats | None = None
        for query, key, value, mix, norm, widen, narrow, last in self._layers:
            _linear(x, query, q)
            _linear(x, key, k)
            _linear(x, value, v)
            _attend(q, k, v, lengths, self._heads)
            _linear(q, mix, k)  # whose keys are no longer needed
            k += x
            _normalise(k, norm, self._epsilon)
            wide = np.matmul(k, widen.weight.T, out=wide)
            _gelu(wide, widen.bias)
            _linear(wide, narrow, x)
            x += k
            _normalise(x, last, self._epsilon)
        starts = np.cumsum([0, *lengths[:-1]])
        # The sum points where the mean does, and only the direction is kept.
        cls = self._pooling == "cls"
        pooled: Floats = x[starts] if cls else np.add.reduceat(x, starts)
        pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return pooled

    def _embed(self, texts: list[list[int]]) -> Floats:
        x: Floats = self._words[np.concatenate(texts)].astype(np.float32, copy=False)
        x += np.concatenate([self._positions[: len(ids)] for ids in texts])
        x += self._kind
        _normalise(x, self._norm, self._epsilon)
        return x


def _linear(x: Floats, layer: Affine, out: Floats) -> None:
    np.matmul(x, layer.weight.T, out=out)
    out += layer.bias


def _attend(q: Floats, k: Floats, v: Floats, lengths: list[int], heads: int) -> None:
    """Self-attention within each text; the result takes the place of q."""
    q *= np.float32(1 / math.sqrt(q.shape[1] // heads))
    start = 0
    for length, group in groupby(lengths):
        count = len(list(group))
        rows = slice(start, start + count * length)
        # (text, head, token, feature), as views: nothing is moved.
        queries, keys, values = (
            part[rows].reshape(count, length, heads, -1).swapaxes(1, 2)
            for part in (q, k, v)
        )
        scores = queries @ keys.swapaxes(2, 3)
        # Softmax; its division waits until rows are a head wide, not a text long.
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        np.matmul(scores, values, out=queries)
        queries /= scores.sum(axis=-1, keepdims=True)
        start = rows.stop


def _normalise(x: Floats, norm: Affine, epsilon: np.float32) -> None:
    """Layer normalisation of the rows, in place."""
    x -= x.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", x, x) / np.float32(x.shape[1])
    x /= np.sqrt(variance + epsilon)[:, None]
    x *= norm.weight
    x += norm.bias


# log Φ(-a) for a ≥ 0, Φ being the normal distribution function: a polynomial, its
# highest power first, fitted so that a·Φ(-a) is off by 5e-7 at most. It has to be
# exact only until a·Φ(-a) gets small, so degree 5 is enough.
LOG_TAIL = [-3.28072906e-4, 4.91063959e-3, -3.59239995e-2]
LOG_TAIL += [-3.18842470e-1, -7.97665350e-1, -6.93173259e-1]


def _gelu(x: Floats, bias: Floats) -> None:
    """x := y·Φ(y) where y = x + bias, as y/2 - |y|·(Φ(-|y|) - 1/2).

    NumPy has no erf, and its exp costs as much as six multiplications: one exp of
    a polynomial is the cheapest form found that is exact to 1e-6.
    """
    step = max(1, GELU_BLOCK // x.shape[1])
    sizes, tails = np.empty((2, min(step, len(x)), x.shape[1]), np.float32)
    for start in range(0, len(x), step):
        y = x[start : start + step]
        size, tail = sizes[: len(y)], tails[: len(y)]
        y += bias
        np.abs(y, out=size)
        np.multiply(size, LOG_TAIL[0], out=tail)
        for coefficient in LOG_TAIL[1:-1]:
            tail += coefficient
            tail *= size
        tail += LOG_TAIL[-1]
        np.exp(tail, out=tail)
        tail -= 0.5
        tail *= size
        y *= 0.5
        y -= tail


def _batches(lengths: list[int], budget: int) -> Iterator[list[int]]:
    """Indices of texts, longest first, in batches of at most `budget` tokens.

    That brings equal lengths together, and short work last, when threads run out.
    """
    batch: list[int] = []
    room = budget
    for i in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and lengths[i] > room:
            yield batch
            batch, room = [], budget
        batch.append(i)
        room -= lengths[i]
    yield batch


@dataclass
class _Held:
    """Who holds BLAS to one thread now, and how many it had before them."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    before: int = 1


_held = _Held()


@contextmanager
def _one_blas_thread() -> Iterator[int]:
    """Hold NumPy's BLAS to one thread; yields how many threads to run instead.

    Only OpenBLAS, which NumPy's wheels bring along, can be told. Any other is left
    to use the cores in its own way, and the answer is 1.
    """
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
        found = library.scipy_openblas_get_num_threads64_
        limit = library.scipy_openblas_set_num_threads64_
    except (AttributeError, KeyError, OSError):
        yield 1
        return
    with _held.guard:
        # Of several that encode at once the first finds what is to be restored.
        _held.before = _held.before if _held.users else found()
        _held.users += 1
        limit(1)
    try:
        yield os.cpu_count() or 1
    finally:
        with _held.guard:
            _held.users -= 1
            if not _held.users:
                limit(_held.before)


class Weights:
    """The tensors of a safetensors file, mapped rather than read."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._start = 8 + int.from_bytes(self._data[:8], "little")
            self._header = json.loads(self._data[8 : self._start])
        except (OSError, ValueError) as error:
            raise UnsupportedModel(f"{path.name} cannot be read: {error}") from error

    def mapped(self, name: str) -> NDArray[Any]:
        """The tensor as it lies in the file: float32 or float16, read-only."""
        try:
            entry = self._header[name]
            dtype, size = DTYPES[entry["dtype"]], math.prod(entry["shape"])
            begin = self._start + entry["data_offsets"][0]
            flat = np.frombuffer(self._data, dtype, size, begin)
        except KeyError as error:
            raise UnsupportedModel(
                f"model.safetensors: {name} is missing or not F32 or F16: {error}"
            ) from error
        except ValueError as error:
            raise UnsupportedModel(f"model.safetensors is cut off: {error}") from error
        return flat.reshape(entry["shape"])

    def floats(self, name: str) -> Floats:
        """The tensor as float32, which copies it only if it is not."""
        return self.mapped(name).astype(np.float32, copy=False)

    def affine(self, name: str) -> Affine:
        return Affine(self.floats(f"{name}.weight"), self.floats(f"{name}.bias"))


def _pipeline(folder: Path) -> tuple[Path, str]:
    """The transformer's folder and the kind of pooling, "mean" or "cls"."""
    modules = _read_json(folder / "modules.json")
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    if kinds not in PIPELINES:
        raise UnsupportedModel(f"modules.json: the pipeline is {kinds}")
    wishes = _read_json(folder / "config_sentence_transformers.json", optional=True)
    for key in ("default_prompt_name", "truncate_dim"):
        if wishes.get(key):
            raise UnsupportedModel(f"config_sentence_transformers.json sets {key}")
    pooling = _read_json(folder / modules[1]["path"] / "config.json")
    flags = [k for k, on in pooling.items() if k.startswith("pooling_mode_") and on]
    modes = pooling.get("pooling_mode") or flags
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or modes[0] not in POOLING:
        raise UnsupportedModel(f"pooling is by {modes}, not by mean or cls alone")
    return folder / modules[0]["path"], POOLING[modes[0]]


def _tokenizer(folder: Path, positions: int) -> tuple[Tokenizer, int]:
    """The model's tokenizer and how many tokens of a text it keeps."""
    settings = _read_json(folder / "sentence_bert_config.json", optional=True)
    general = _read_json(folder / "tokenizer_config.json", optional=True)
    limit = settings.get("max_seq_length") or general.get("model_max_length", positions)
    limit = min(int(limit), positions)
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises no narrower class
        raise UnsupportedModel(f"tokenizer.json cannot be read: {error}") from error
    if settings.get("do_lower_case"):
        steps = [normalizers.Lowercase(), tokenizer.normalizer]
        tokenizer.normalizer = normalizers.Sequence([s for s in steps if s])
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return tokenizer, limit


def _read_json(path: Path, optional: bool = False) -> Any:
    if optional and not path.exists():
        return {}
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnsupportedModel(f"{path.name} cannot be read: {error}") from error
