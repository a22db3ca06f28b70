"""The embedded default: rules, no model, deterministic, private.

`prose` finds the sentences a person wrote, `signals` says which of them are
worth keeping and why, `dates` resolves when they speak of, `grammar` turns
them into a statement about a named subject, `extractor` puts it together.
"""
