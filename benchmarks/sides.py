"""One measured task in a fresh process: `python sides.py ours|peer TASK` prints one line of JSON.

The same file runs under our environment and under the peer's (`peers/README.md`), because both
packages are imported as `dima`.
"""

import json
import resource
import sys
import time

import numpy as np
from datasets import manifold


def fit_ours(n: int, D: int) -> dict[str, float]:
    from dima import ManifoldAutoencoder

    X, test = manifold(n + 500, D)[:n], manifold(n + 500, D)[n:]
    began = time.perf_counter()
    model = ManifoldAutoencoder(32, prior=None).fit(X)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "error": 1 - model.score(test)}


def fit_peer(n: int, D: int) -> dict[str, float]:
    from dima import DIMA

    X, test = manifold(n + 500, D)[:n], manifold(n + 500, D)[n:]
    began = time.perf_counter()
    model = DIMA(X, ddpm_n_iter=0)
    seconds = time.perf_counter() - began
    residual = test - np.asarray(model.dec(model.enc(test)))
    error = float((residual**2).sum() / ((test - X.mean(axis=0)) ** 2).sum())
    return {"seconds": seconds, "error": error}


def train_ours(n: int, d: int) -> dict[str, float]:
    """Steps per second past the first, compiled chunk."""
    from dima import DDPM

    Z = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    settings = {"hidden_dim": 128, "batch_size": 256}
    short = _seconds(lambda: DDPM(n_iter=500, **settings).fit(Z))
    long = _seconds(lambda: DDPM(n_iter=4500, **settings).fit(Z))
    return {"steps_per_second": 4000 / (long - short)}


def train_peer(n: int, d: int) -> dict[str, float]:
    import jax.numpy as jnp
    from dima.ddpm import DDPM

    Z = jnp.asarray(np.random.default_rng(0).standard_normal((n, d)), jnp.float32)
    model = DDPM(Z, T=200, hidden_dim=128, batch_size=256, n_iter=50)
    return {"steps_per_second": 1000 / _seconds(lambda: model._train(Z, 1000))}


def quickstart_ours(n: int, D: int) -> dict[str, float]:
    began = time.perf_counter()
    from dima import DIMA

    R_iX = np.random.default_rng(0).standard_normal((n, D)).astype(np.float32)
    model = DIMA(R_iX)
    Z = model.encode(R_iX[:10])
    model.decode(Z, refine=False)
    model.decode(Z, refine=True, t_start=10)
    model.sample(1000)
    model.sample(1000, decode=False)
    model(model(R_iX[:10]))
    return {"seconds": time.perf_counter() - began}


def _seconds(work: object) -> float:
    began = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - began


TASKS = {
    "fit": {"ours": fit_ours, "peer": fit_peer},
    "train": {"ours": train_ours, "peer": train_peer},
    "quickstart": {"ours": quickstart_ours},
}

if __name__ == "__main__":
    side, task, n, width = sys.argv[1:]
    result = TASKS[task][side](int(n), int(width))
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))
