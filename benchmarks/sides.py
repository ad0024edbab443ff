"""One measured task in a fresh process: `python sides.py ours|peer TASK` prints one line of JSON.

The same file runs under our environment and under the peer's (`peers/README.md`), because both
packages are imported as `dima`.
"""

import json
import resource
import sys
import time

import numpy as np
from datasets import manifold, mnist


def fit_ours(n: int, D: int) -> dict[str, float]:
    from dima import ManifoldAutoencoder

    return _fitted(ManifoldAutoencoder(32, prior=None), n, D)


def asked_ours(n: int, D: int) -> dict[str, float]:
    """The fit without choosing: 32 first modes of the usual map, as the peer fits them."""
    from dima import DMAP, ManifoldAutoencoder

    return _fitted(ManifoldAutoencoder(32, dmap=DMAP(), d_diffusion=32, prior=None), n, D)


def _fitted(model, n: int, D: int) -> dict[str, float]:
    X, test = manifold(n + 500, D)[:n], manifold(n + 500, D)[n:]
    began = time.perf_counter()
    model.fit(X)
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


def mnist_ours(n: int, d: int) -> dict[str, float]:
    """Fit of n images with d latents (0: as many as are taken by themselves), then new rows a second."""
    from dima import ManifoldAutoencoder

    X, test = mnist(n)
    began = time.perf_counter()
    model = ManifoldAutoencoder(d or None, prior=None).fit(X)
    found = {"seconds": time.perf_counter() - began}
    found |= {f"{stage.name}_seconds": stage.seconds for stage in model.stages_}
    found["fit_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    Z = model.transform(test)
    found["encoded_per_second"] = len(test) / (time.perf_counter() - began)
    began = time.perf_counter()
    decoded = model.inverse_transform(Z)
    found["decoded_per_second"] = len(test) / (time.perf_counter() - began)
    found["error"] = float(((test - decoded) ** 2).sum() / ((test - X.mean(axis=0)) ** 2).sum())
    return found


def mnist_peer(n: int, d: int) -> dict[str, float]:
    from dima import DIMA

    X, test = mnist(n)
    began = time.perf_counter()
    model = DIMA(X, d=d, ddpm_n_iter=0)
    seconds = time.perf_counter() - began
    decoded = np.asarray(model.dec(model.enc(test)))
    return {
        "seconds": seconds,
        "error": float(((test - decoded) ** 2).sum() / ((test - X.mean(axis=0)) ** 2).sum()),
    }


def plane_umap(n: int, d: int) -> dict[str, float]:
    """Decoded rows a second of UMAP's inverse transform, of digits in d dimensions."""
    from sklearn.datasets import load_digits
    from umap import UMAP

    X = load_digits().data
    model = UMAP(n_components=d, random_state=0).fit(X[:-n])
    Z = model.transform(X[-n:])
    seconds = _seconds(lambda: model.inverse_transform(Z))
    return {"decoded_per_second": n / seconds}


def plane_ours(n: int, d: int) -> dict[str, float]:
    from dima import ManifoldAutoencoder
    from dima.data import manifolds

    X = manifolds.digits()[0]
    model = ManifoldAutoencoder(d, prior=None).fit(X[:-n])
    Z = np.tile(model.transform(X[-n:]), (100, 1))  # enough to take a while
    return {"decoded_per_second": len(Z) / _seconds(lambda: model.inverse_transform(Z))}


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
    "asked": {"ours": asked_ours, "peer": fit_peer},
    "mnist": {"ours": mnist_ours, "peer": mnist_peer},
    "plane": {"ours": plane_ours, "umap": plane_umap},
    "train": {"ours": train_ours, "peer": train_peer},
    "quickstart": {"ours": quickstart_ours},
}

if __name__ == "__main__":
    side, task, n, width = sys.argv[1:]
    result = TASKS[task][side](int(n), int(width))
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))
