"""The NumPy encoder against sentence-transformers, and what it refuses."""

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memcli.embeddings import bert
from memcli.embeddings.bert import BertEncoder, UnsupportedModel
from memcli.embeddings.choose import DEFAULT_MODEL, model_folder

Reference = Callable[..., NDArray[np.float32]]

TEXTS = [
    "What did I say about the cat?",
    "",
    " \n\t ",
    "One word after the other. " * 999,
    "no-space-anywhere/" * 2000,
    "x" * 5000,
    ("y" * 150 + " ") * 60,  # long, yet few tokens
    "👩‍👩‍👧 family 🎉🎉 and a naïve café",
    "東京タワーは高いです。你好，世界",
    "مرحبا Привет 안녕하세요",
    "A literal [SEP] and [MASK] and [UNK].",
    "tabs\tand\r\nnew lines\u00a0and\u200bzero\x00width",
    'def f(x): return x**2  # { "json": [1, 2, 3] }',
    *(f"Fact {i}: " + "she likes tea " * (i % 17) for i in range(30)),
]


@pytest.fixture(scope="module")
def default_folder() -> Path:
    folder = model_folder(DEFAULT_MODEL)
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def default(default_folder: Path) -> BertEncoder:
    return BertEncoder(default_folder)


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    """What sentence-transformers makes of texts, each model loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import SentenceTransformer

        models: dict[Path, Any] = {}

        def encode(folder: Path, texts: list[str]) -> NDArray[np.float32]:
            if folder not in models:
                models[folder] = SentenceTransformer(
                    str(folder), device="cpu", model_kwargs={"dtype": "float32"}
                )
            vectors = models[folder].encode(
                texts, batch_size=8, normalize_embeddings=True
            )
            return np.asarray(vectors, np.float32)

        yield encode


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.fixture(scope="module")
def tiny_original(
    tmp_path_factory: pytest.TempPathFactory, default_folder: Path
) -> Path:
    """A random model of two layers that uses the default model's tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        # Weights this large make every step matter.
        initializer_range=0.3,
        layer_norm_eps=1e-5,
    )
    BertModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "modules.json"):
        shutil.copy(default_folder / name, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"embedding_dimension": 32, "pooling_mode": "mean"})
    )
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24}')
    return folder


@pytest.fixture
def tiny(tiny_original: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model to change."""
    return Path(shutil.copytree(tiny_original, tmp_path / "model"))


def use_cls_pooling(folder: Path) -> None:
    change(folder / "1_Pooling" / "config.json", pooling_mode="cls")


def use_pooling_flags_of_old(folder: Path) -> None:
    flags = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    config = {"word_embedding_dimension": 32, **flags}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))


def use_half_precision(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    halved = {name: part.astype(np.float16) for name, part in weights.items()}
    save_file(halved, folder / "model.safetensors", {"format": "pt"})


def leave_out_normalize(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))


def leave_length_to_tokenizer(folder: Path) -> None:
    (folder / "sentence_bert_config.json").unlink()
    change(folder / "tokenizer_config.json", model_max_length=512)


def unset(folder: Path) -> None:
    """The tiny model as it is."""


def test_equals_sentence_transformers(
    default: BertEncoder, default_folder: Path, reference: Reference
) -> None:
    vectors = default.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), default.dimensions)
    np.testing.assert_allclose(
        vectors, reference(default_folder, TEXTS), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    "variant",
    [
        unset,
        use_cls_pooling,
        use_pooling_flags_of_old,
        use_half_precision,
        leave_out_normalize,
        leave_length_to_tokenizer,
    ],
)
def test_variants_equal_sentence_transformers(
    variant: Callable[[Path], None], tiny: Path, reference: Reference
) -> None:
    variant(tiny)
    expected = reference(tiny, TEXTS)
    np.testing.assert_allclose(
        BertEncoder(tiny).encode(TEXTS), expected, rtol=0, atol=1e-5
    )
    assert np.ptp(expected, axis=0).max() > 0.1  # texts that one can tell apart


def test_lower_case_asked_for_outside_the_tokenizer(tiny: Path) -> None:
    tokenizer = json.loads((tiny / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (tiny / "tokenizer.json").write_text(json.dumps(tokenizer))
    cased, uncased = BertEncoder(tiny).encode(["Shouted OUT LOUD", "shouted out loud"])
    assert not np.allclose(cased, uncased, atol=1e-3)
    change(tiny / "sentence_bert_config.json", do_lower_case=True)
    cased, again = BertEncoder(tiny).encode(["Shouted OUT LOUD", "shouted out loud"])
    np.testing.assert_allclose(cased, again, atol=1e-6)
    np.testing.assert_allclose(again, uncased, atol=1e-6)


def test_rows_keep_the_order_of_the_texts(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = BertEncoder(tiny)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode(TEXTS), alone, atol=1e-6)
    monkeypatch.setattr(bert, "WINDOW", 7)
    monkeypatch.setattr(bert, "BATCH_TOKENS", 30)
    np.testing.assert_allclose(encoder.encode(TEXTS), alone, atol=1e-6)


def test_rows_have_length_one(tiny: Path) -> None:
    lengths = np.linalg.norm(BertEncoder(tiny).encode(TEXTS), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_no_texts(default: BertEncoder) -> None:
    assert default.encode([]).shape == (0, default.dimensions)


def test_any_blas_will_do(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = BertEncoder(tiny).encode(TEXTS)
    monkeypatch.delitem(sys.modules, "numpy._core._multiarray_umath")
    np.testing.assert_allclose(BertEncoder(tiny).encode(TEXTS), expected, atol=1e-6)


def test_activation_is_exact_to_a_millionth() -> None:
    x = np.linspace(-30, 30, 6000, dtype=np.float32).reshape(-1, 3)
    exact = np.vectorize(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2)
    expected = exact(x.astype(np.float64))
    bert._gelu(x, np.zeros(3, np.float32))
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-6)


def test_nothing_heavy_is_imported(default_folder: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from memcli.embeddings.bert import BertEncoder
BertEncoder(Path({str(default_folder)!r})).encode(["one query"])
print([m for m in ("torch", "transformers", "sentence_transformers",
                   "concurrent.futures.thread") if m in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def edit(name: str, **values: object) -> Callable[[Path], None]:
    return lambda folder: change(folder / name, **values)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


def add_dense(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    dense = {"idx": 2, "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    (folder / "modules.json").write_text(json.dumps([*modules[:2], dense]))


def use_float64(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    wide = {name: part.astype(np.float64) for name, part in weights.items()}
    save_file(wide, folder / "model.safetensors", {"format": "pt"})


def cut_weights_short(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (remove("modules.json"), "modules.json cannot be read"),
        (write("modules.json", b"[{"), "modules.json cannot be read"),
        (add_dense, "pipeline is .*Dense"),
        (edit("config.json", model_type="mpnet"), "model_type is 'mpnet'"),
        (edit("config.json", model_type=None), "model_type is None"),
        (edit("config.json", hidden_act="relu"), "hidden_act is 'relu'"),
        (
            edit("config.json", position_embedding_type="relative_key"),
            "position_embedding_type is 'relative_key'",
        ),
        (edit("config.json", num_hidden_layers=3), "encoder.layer.2.* is missing"),
        (edit("1_Pooling/config.json", pooling_mode="max"), "pooling is by .*max"),
        (
            edit("1_Pooling/config.json", pooling_mode=["cls", "mean"]),
            "pooling is by .*cls.*mean",
        ),
        (
            write(
                "config_sentence_transformers.json",
                b'{"default_prompt_name": "query", "prompts": {"query": "q: "}}',
            ),
            "sets default_prompt_name",
        ),
        (remove("model.safetensors"), "model.safetensors cannot be read"),
        (write("model.safetensors", b"\x05"), "model.safetensors cannot be read"),
        (cut_weights_short, "cut off"),
        (use_float64, "not F32 or F16: 'F64'"),
        (remove("tokenizer.json"), "tokenizer.json cannot be read"),
    ],
)
def test_refuses_what_it_cannot_reproduce(
    spoil: Callable[[Path], None], reason: str, tiny: Path
) -> None:
    spoil(tiny)
    with pytest.raises(UnsupportedModel, match=reason):
        BertEncoder(tiny)
