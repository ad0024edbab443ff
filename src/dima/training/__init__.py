"""The harness of every trained network: it drives an engine's generator and knows no framework.

An engine yields `(state, StepRecord)`; around it stand progress, history, patience, logs, checkpoints
by seconds, exact resume, and an orderly stop at Ctrl-C or SIGTERM. What is logged, where it runs and
how often it is saved changes no number.
"""

from dima.training.loop import Engine, Run, Trained, TrainingState, train

__all__ = ["Engine", "Run", "Trained", "TrainingState", "train"]
