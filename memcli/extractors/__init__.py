"""A part of a thread → candidates: offline rules, or Claude."""
