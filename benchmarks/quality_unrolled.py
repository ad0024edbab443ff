"""Influence of training points through the whole training, held to what it predicts: removal and retraining.

    DIMA_DATA=FOLDER python benchmarks/quality_unrolled.py [--steps 1000] [--hidden 64] [--removals 24]

Latents are 16 principal components of 2,000 MNIST training images; queries are test images. For each size,
half of the removed sets are random and half are drawn around the points of the highest scores of a query.
The figure is the Spearman correlation, over the removals, between the sum of the scores and the change of the
loss after retraining with everything else equal; the mean over the queries. --double retrains in float64.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import spearmanr

from dima import DDPM
from dima.data import images
from dima.latent.retrain import losses_by_weights
from dima.latent.unrolled import Unrolled, engine_of

N, D = 2000, 16
SIZES = (1, 10, 100)


def told(name, number, bar=""):
    print(f"{name:<58}{number:>12.4g}   {bar}", flush=True)


def latents(q):
    """Principal components of N training images and q test images."""
    X, X_test = (images.load("mnist", part).images.reshape(-1, 784) for part in ("train", "test"))
    some = np.random.default_rng(0).permutation(len(X))[:N]
    centre = X[some].mean(axis=0)
    axes = np.linalg.svd(X[some] - centre, full_matrices=False)[2][:D].T
    return (X[some] - centre) @ axes, (X_test[:q] - centre) @ axes


def double(engine):
    """The same training in float64; the draws stay those of float32."""
    network = {name: jnp.asarray(value, "float64") for name, value in engine.network.items()}
    wide = {name: jnp.asarray(getattr(engine, name), "float64") for name in ("data", "held_out", "levels")}
    return dataclasses.replace(engine, network=network, **wide)


def removals(scores, size, count):
    """Weights (count, n): sets drawn from all points, and from the highest scores of a query in turn."""
    rng, weights = np.random.default_rng(size), np.ones((count, N))
    for i, row in enumerate(weights):
        best = np.argsort(scores[i // 2 % len(scores)])[-2 * size - 8 :]
        row[rng.choice(N if i % 2 else best, size, replace=False)] = 0
    return weights


def correlations(engine, scores, queries, count):
    before = losses_by_weights(engine, queries, jnp.ones((1, N)))[0]
    for size in SIZES:
        weights = removals(scores, size, count)
        began = time.perf_counter()
        change = losses_by_weights(engine, queries, jnp.asarray(weights, engine.data.dtype)) - before
        seconds = time.perf_counter() - began
        predicted = (1 - weights) @ scores.T
        each = [spearmanr(predicted[:, q], change[:, q]).statistic for q in range(len(queries))]
        told(f"remove {size}: rank correlation, mean over queries", np.mean(each), ">= .9")
        told(f"remove {size}: the least of a query", np.min(each))
        for name, part in (("highest", slice(0, None, 2)), ("random", slice(1, None, 2))):
            own = [spearmanr(predicted[part, q], change[part, q]).statistic for q in range(len(queries))]
            told(f"remove {size}: {name} sets alone", np.mean(own))
        slope = np.sum(predicted * change) / np.sum(predicted**2)
        told(f"remove {size}: slope of change on prediction", slope, "1")
        told(f"remove {size}: seconds a retraining", seconds / count)


def costs(engine, queries):
    """Seconds of a training and of the way back for all queries, each after a first run that compiles."""

    def timed(task):
        task()
        began = time.perf_counter()
        return task(), time.perf_counter() - began

    def once():
        return jax.block_until_ready(list(engine.steps(engine.start()))[-1][0].ema)

    training = timed(once)[1]
    unrolled, forth = timed(lambda: Unrolled(engine))
    scores, every = timed(lambda: unrolled.scores(queries))
    told("seconds of a training", training)
    told("training with states kept, over one training", forth / training, "<= 3")
    told("all queries back, over one training, a query", every / training / len(queries))
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, value in (("steps", 1000), ("hidden", 64), ("batch", 256), ("removals", 24), ("queries", 8)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--double", action="store_true")
    asked = parser.parse_args()
    Z, Z_test = latents(asked.queries)
    settings = {"n_iter": asked.steps, "hidden_dim": asked.hidden, "batch_size": asked.batch}
    fit = DDPM(**settings, learning_rate=asked.rate).fit(Z).fit_
    with jax.enable_x64(asked.double):
        engine = double(engine_of(fit, Z)) if asked.double else engine_of(fit, Z)
        queries = jnp.asarray(fit.scale.apply(Z_test), engine.data.dtype)
        correlations(engine, costs(engine, queries), queries, asked.removals)


if __name__ == "__main__":
    main()
