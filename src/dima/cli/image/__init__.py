"""Verbs of small images, a page each; `VERBS` in `dima.cli` says which is where."""
