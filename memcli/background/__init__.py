"""Reflection behind a program: submit now, find it in the next conversation."""
