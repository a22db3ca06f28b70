"""Text → vectors: sentence-transformers, and a fast path without it."""
