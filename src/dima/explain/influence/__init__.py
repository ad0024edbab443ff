"""Which training examples a model owes its answers to, and how far such scores can be trusted.

Scores (q, n) mean one thing on every page: the predicted increase of the loss of query q when training
example i is left out. Higher helped more.
"""
