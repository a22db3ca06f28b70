"""Asking a model through the Messages API: once, within a budget, patiently."""
