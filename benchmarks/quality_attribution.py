"""Which training images an output came from: every method held to retrainings, beside public libraries.

    DIMA_DATA=FOLDER python benchmarks/quality_attribution.py [--rival-python PATH] [--quick]

Latents are 16 principal components of MNIST training images, queries test images and samples of the model.
Five tables: influence through the whole training against removal and retraining with everything else equal,
and its cost; the linear datamodeling score (LDS) of each method on random halves, retrained from two seeds
that no method has seen, with a 95 % interval over the subsets, beside its floor (random scores) and its
ceiling (how well the two seeds agree); the loss of a query without its highest images; the same scores by the
libraries in the environment of PATH (`rival_attribution.py`), which see the same model, loss and queries; and
the exact influence of the kernel decoder against its refits. `--quick` shows that it runs, no more.
"""

import argparse
import dataclasses
import subprocess
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import spearmanr

from dima import DDPM, GPLM
from dima.data import images
from dima.explain.influence.cosine import similarity
from dima.explain.influence.kernel import kernel_influence
from dima.explain.influence.lds import half_subsets, lds, noise_ceiling, removal
from dima.latent import objective
from dima.latent.retrain import losses_by_weights, retrained_losses
from dima.latent.unrolled import Unrolled, engine_of, query_key
from dima.model.attribution import METHODS, influence

D = 16
SIZES = (1, 10, 100)  # images removed in the first table
DRAWS = 128  # noisy copies in the loss of a point, as `point_losses` draws them
FRESH = (1, 2)  # seeds of the halves; the model itself has seed 0
FULL = {"images": 1000, "steps": 400, "queries": 40, "subsets": 64, "removals": 24, "asked": 8}
QUICK = {"images": 300, "steps": 60, "queries": 8, "subsets": 8, "removals": 4, "asked": 2}
SETTINGS = {"eps_root": 1e-8, "hidden_dim": 64, "batch_size": 256, "learning_rate": 5e-4}


def told(name, number, bar=""):
    print(f"{name:<62}{number:>12.4g}   {bar}", flush=True)


def timed(task):
    """What a task gives, and its seconds."""
    began = time.perf_counter()
    return task(), time.perf_counter() - began


def latents(n, q):
    """Principal components of n training images and q test images, and the images of the former."""
    X, X_test = (images.load("mnist", part).images.reshape(-1, 784) for part in ("train", "test"))
    some = X[np.random.default_rng(0).permutation(len(X))[:n]]
    centre = some.mean(axis=0)
    axes = np.linalg.svd(some - centre, full_matrices=False)[2][:D].T
    return (some - centre) @ axes, (X_test[:q] - centre) @ axes, some, X_test[:q]


# Influence through training, as it is defined.


def double(engine):
    """The same training in float64; the draws stay those of float32."""
    network = {name: jnp.asarray(value, "float64") for name, value in engine.network.items()}

    def widened(examples):
        points, levels = (jnp.asarray(values, "float64") for values in (examples.points, examples.levels))
        return examples._replace(points=points, levels=levels)

    return dataclasses.replace(
        engine, network=network, examples=widened(engine.examples), held_out=widened(engine.held_out)
    )


def removed_sets(scores, size, count):
    """Weights (count, n): sets drawn from all points, and from the highest scores of a query in turn."""
    rng, weights = np.random.default_rng(size), np.ones((count, scores.shape[1]))
    for i, row in enumerate(weights):
        best = np.argsort(scores[i // 2 % len(scores)])[-2 * size - 8 :]
        row[rng.choice(len(row) if i % 2 else best, size, replace=False)] = 0
    return weights


def unrolled_table(engine, queries, count):
    """Predicted against real change of the loss, and what the prediction costs."""

    def once():
        return jax.block_until_ready(list(engine.steps(engine.start()))[-1][0].ema)

    def kept(engine):
        unrolled = Unrolled(engine)
        jax.block_until_ready(unrolled.final.ema)
        return unrolled

    once()  # compiled before it is timed, as the two below
    training = timed(once)[1]
    Unrolled(engine).scores(queries)
    unrolled, forth = timed(lambda: kept(engine))
    scores, back = timed(lambda: unrolled.scores(queries))
    told("seconds of one training", training)
    told("training with its states kept, over one training", forth / training, "<= 3")
    told("way back, over one training, a query", back / training / len(queries), "<= 1")
    before = losses_by_weights(engine, queries, jnp.ones((1, scores.shape[1])))[0]
    for size in SIZES:
        weights = removed_sets(scores, size, count)
        change = (
            losses_by_weights(engine, queries, jnp.asarray(weights, engine.examples.points.dtype)) - before
        )
        predicted = (1 - weights) @ scores.T
        each = [spearmanr(predicted[:, q], change[:, q]).statistic for q in range(len(queries))]
        told(f"remove {size}: rank correlation, mean over {len(queries)} queries", np.mean(each), ">= .9")
        told(f"remove {size}: the least of a query", np.min(each))
        for name, part in (("highest", slice(0, None, 2)), ("random", slice(1, None, 2))):
            own = [spearmanr(predicted[part, q], change[part, q]).statistic for q in range(len(queries))]
            told(f"remove {size}: {name} sets alone", np.mean(own))
        slope = np.sum(predicted * change) / np.sum(predicted**2)
        told(f"remove {size}: slope of change on prediction", slope, "1")


# The score of every method.


def halves(fit, Z, queries, subsets):
    """Masks (k, n) and the losses (seeds, k, q) of models trained on them."""
    masks = half_subsets(len(Z), subsets)
    fits = [dataclasses.replace(fit, settings={**fit.settings, "seed": seed}) for seed in FRESH]
    return masks, np.stack([retrained_losses(own, Z, queries, masks.astype(float)) for own in fits])


def floor(masks, losses, n):
    """Mean LDS of scores drawn at random: one draw strays by some .03, as all queries share the subsets."""
    draws = np.random.default_rng(1).standard_normal((50, losses.shape[1], n))
    return np.mean([lds(own, masks, losses, resamples=2).mean for own in draws])


def best_settings(scores, masks, losses):
    """Of the settings of one method of the libraries, the one with the highest LDS: in their favour."""
    best = {}
    for name, own in scores.items():
        method, _, setting = name.rpartition(" ")
        is_setting = setting.replace(".", "").isdigit()
        reached = lds(own, masks, losses.mean(axis=0), resamples=2).mean
        best.setdefault(method if is_setting else name, []).append((reached, name))
    return [max(own)[1] for own in best.values()]


def lds_table(scores, seconds, masks, losses, kinds):
    """LDS of each method on each kind of queries; the ratio is to the ceiling."""
    print(
        f"{'method':<16}" + "".join(f"{kind + ': LDS':>18}{'interval':>15}{'ratio':>7}" for kind in kinds),
        end="",
    )
    print(f"{'seconds':>10}")
    ceilings = {kind: noise_ceiling(*losses[:, :, rows], averaged=len(FRESH)) for kind, rows in kinds.items()}
    for name, own in scores.items():
        line = f"{name:<24}"
        for kind, rows in kinds.items():
            found = lds(own[rows], masks, losses.mean(axis=0)[:, rows])
            span = "[{:.3f} {:.3f}]".format(*found.interval)
            line += f"{found.mean:>18.3f}{span:>15}{found.mean / ceilings[kind]:>7.2f}"
        print(line + f"{seconds[name]:>10.2f}", flush=True)
    print(f"{'ceiling':<24}" + "".join(f"{value:>18.3f}{'':>15}{1:>7.2f}" for value in ceilings.values()))


def removal_table(fit, Z, queries, scores, count):
    """The loss of each query without the twentieth of the images that its scores put first."""
    k, asked = len(Z) // 20, queries[:count]
    rng = np.random.default_rng(0)
    random = np.ones((4 * count, len(Z)))
    for row in random:
        row[rng.choice(len(Z), k, replace=False)] = 0
    found = retrained_losses(fit, Z, asked, np.concatenate([np.ones((1, len(Z))), random]))
    for name, own in scores.items():
        weights = np.ones((count, len(Z)))
        np.put_along_axis(weights, np.argsort(-own[:count], axis=1)[:, :k], 0.0, axis=1)
        without = np.diagonal(retrained_losses(fit, Z, asked, weights))
        ours = removal(found[0], without, found[1:])
        told(
            f"remove top {k} by {name}: rise of the loss",
            ours.top.mean(),
            f"{ours.random.mean():.3g} at random",
        )
        told(f"remove top {k} by {name}: share of random sets beaten", ours.beaten.mean(), ".5 by chance")


# The libraries.


def rival_scores(python, fit, Z, queries):
    """Scores and seconds of each method of the libraries, from the interpreter that has them."""
    engine = engine_of(fit, Z)
    asked, key = jnp.asarray(fit.scale.apply(queries, np.float32)), query_key(engine)
    shares = (jnp.arange(DRAWS) + 0.5) / DRAWS
    given = {
        "Z": np.asarray(engine.examples.points),
        "queries": np.asarray(asked),
        "log_snr": np.asarray(objective.LEVELS[engine.plan.levels](shares, engine.examples.levels)),
        "noise": np.asarray(jax.random.normal(key, (DRAWS, D), jnp.float32)),
        "losses": np.asarray(
            objective.point_losses(engine.plan, fit.network, asked, engine.examples.levels, key)
        ),
        **{f"network/{name}": np.asarray(value) for name, value in fit.network.items()},
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "given.npz", **given)
        script = Path(__file__).with_name("rival_attribution.py")
        subprocess.run([python, str(script), folder], check=True)
        found = np.load(Path(folder) / "found.npz", allow_pickle=False)
        scores = {name.partition("/")[2]: found[name] for name in found if name.startswith("scores/")}
        return scores, {name: float(found[f"seconds/{name}"]) for name in scores}


# The kernel decoder.


def kernel_table(n, count, queries):
    Z, Z_test, X, X_test = latents(n, queries)
    decoder = GPLM(200).fit(Z, X)
    scores, seconds = timed(lambda: kernel_influence(decoder, Z, X, Z_test, X_test))

    def errors(kept):
        refit = GPLM(inducing="given", eps=decoder.eps_, sigma2=decoder.sigma2_)
        refit.fit(Z[kept], X[kept], decoder.Z_mx_)
        return np.square(refit.predict(Z_test) - X_test).sum(axis=1)

    whole = errors(np.full(n, True))
    one_out = np.stack([errors(np.arange(n) != i) - whole for i in range(count)], axis=1)
    told("GPLM: seconds of the exact influence", seconds)
    told(
        "GPLM: correlation with refits without an image",
        np.corrcoef(one_out.ravel(), scores[:, :count].ravel())[0, 1],
        ">= .95",
    )
    worst = np.abs(one_out - scores[:, :count]).max() / np.abs(one_out).max()
    told("GPLM: largest error, over the largest change", worst)
    masks = half_subsets(n, 64)
    losses = np.stack([errors(mask) for mask in masks])
    rivals = {"exact": scores, "cosine": similarity(Z_test, Z)}
    rivals["random"] = np.random.default_rng(0).standard_normal(scores.shape)
    for name, own in rivals.items():
        found = lds(own, masks, losses)
        told(f"GPLM: LDS of {name}", found.mean, "[{:.3f} {:.3f}], ceiling 1".format(*found.interval))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rival-python", help="interpreter of an environment with dattri")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--double", action="store_true", help="the first table in float64")
    for name, value in FULL.items():
        parser.add_argument(f"--{name}", type=int, help=f"{value} if not given")
    asked = parser.parse_args()
    sizes = {**FULL, **(QUICK if asked.quick else {})}
    sizes |= {name: getattr(asked, name) for name in sizes if getattr(asked, name) is not None}
    run(sizes, asked)


def run(sizes, asked):
    Z, Z_test, _, _ = latents(sizes["images"], sizes["queries"])
    prior = DDPM(n_iter=sizes["steps"], **SETTINGS).fit(Z)
    fit, q = prior.fit_, sizes["queries"]
    queries = np.concatenate([Z_test, prior.sample(q, seed=1)])
    kinds = {"validation": slice(0, q), "generated": slice(q, None)}
    with jax.enable_x64(asked.double):
        engine = double(engine_of(fit, Z)) if asked.double else engine_of(fit, Z)
        some = jnp.asarray(fit.scale.apply(Z_test[: sizes["asked"]]), engine.examples.points.dtype)
        unrolled_table(engine, some, sizes["removals"])
    (masks, losses), seconds = timed(lambda: halves(fit, Z, queries, sizes["subsets"]))
    told(f"seconds of {sizes['subsets']} retrainings", seconds / len(FRESH), "<= 600")
    found = {name: timed(lambda name=name: influence(prior, Z, queries, name)) for name in METHODS}
    scores, seconds = ({name: pair[i] for name, pair in found.items()} for i in range(2))
    told("LDS of random scores, mean of 50 draws", floor(masks, losses.mean(axis=0), len(Z)), "0 +- .02")
    if asked.rival_python:
        others, their_seconds = rival_scores(asked.rival_python, fit, Z, queries)
        for name in best_settings(others, masks, losses):
            scores[name], seconds[name] = others[name], their_seconds[name]
    lds_table(scores, seconds, masks, losses, kinds)
    removal_table(fit, Z, queries, scores, sizes["asked"])
    kernel_table(sizes["images"], 20, 100)


if __name__ == "__main__":
    main()
