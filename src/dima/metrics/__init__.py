"""Figures of merit: how well rows are rebuilt, sampled, and laid out."""
