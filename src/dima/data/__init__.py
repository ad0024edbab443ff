"""Inputs: tables from files, generated sets with a known manifold, and splits."""
