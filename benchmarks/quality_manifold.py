"""Held-out reconstruction by the manifold autoencoder, beside what one could use instead.

    DIMA_DATA=FOLDER python benchmarks/quality_manifold.py [--sets digits "swiss roll"] [--d 2 8] [--seeds 5]
        [--rival peer=PYTHON] [--rival umap=PYTHON] [--rival-limit 900]

Sheets of three columns are drawn anew for each seed, with a thousand rows held out; of other sets a tenth
or a fifth is, or the test images of MNIST. Everything is fitted with its defaults. Held-out rows are
encoded out of sample. Figures are medians over seeds: RMSE of sheets, squared error over variance of the
rest. `of best` is over the least of the rivals': principal components, kernel principal components (the
best of four widths and two ridges by a tenth of the training rows) and packages in environments of their
own (`rival_manifold.py`): `peer` is the published dima, `umap` umap-learn. One that fails or takes longer
than the limit is counted. `predicted` is the error that leave-one-out on the training rows foretold;
`inside` the share of held-out values within `model.interval(Z, 0.9)`; `read-out` the relative error of the
true chart as an affine function of the latents, fitted and measured on held-out rows.
"""

import argparse
import os
import subprocess
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.decomposition import PCA, KernelPCA

from dima import ManifoldAutoencoder
from dima.data import manifolds
from dima.data.images import load
from dima.metrics.distance import distance_matrix
from dima.metrics.manifold import affine_readout

DIMENSIONS = (1, 2, 3, 8, 16, 32)
KERNEL_ROWS = 2000  # training rows of kernel principal components


def sheet(make, n, seed):
    X, chart = make(n + 1000, seed=seed)
    return X[:n], X[n:], chart[n:]


def split(X, share, seed):
    order = np.random.default_rng(seed).permutation(len(X))
    n_held = int(share * len(X))
    return X[order[n_held:]], X[order[:n_held]], None


def standard(X):
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def of_sklearn(name, seed):
    return split(standard(getattr(datasets, f"load_{name}")().data), 0.2, seed)


def of_statsmodels(name, seed):
    import statsmodels.datasets

    rows = getattr(statsmodels.datasets, name).load_pandas().data.dropna().to_numpy(float)
    return split(standard(rows), 0.2, seed)


def images(name, n, seed):
    """Other n training images for each seed; where few, other training images are held out."""
    first = seed * n % (60_000 - n + 1)
    known = load(name, "train").images
    train, others = known[first : first + n], known[-2000:]
    return unit(train), unit(load(name, "test").images[:2000] if n >= 10_000 else others), None


def unit(pictures):
    return (pictures.reshape(len(pictures), -1) + 1) / 2


SETS = {
    "isometric roll": partial(sheet, manifolds.isometric_roll, 4000),
    "swiss roll": partial(sheet, manifolds.swiss_roll, 2000),
    "S-curve": partial(sheet, manifolds.s_curve, 2000),
    "digits": lambda seed: split(manifolds.digits()[0].astype(float), 0.1, seed),
    "MNIST": partial(images, "mnist", 10_000),
    "300 of MNIST": partial(images, "mnist", 300),
    "300 of Fashion-MNIST": partial(images, "fashion-mnist", 300),
    "wine": partial(of_sklearn, "wine"),
    "breast cancer": partial(of_sklearn, "breast_cancer"),
    "diabetes": partial(of_sklearn, "diabetes"),
    "star98": partial(of_statsmodels, "star98"),
    "fair": partial(of_statsmodels, "fair"),
    "randhie": partial(of_statsmodels, "randhie"),
    "ccard": partial(of_statsmodels, "ccard"),
}
SHEETS = ("isometric roll", "swiss roll", "S-curve")


def principal(train, test, d):
    pca = PCA(d).fit(train)
    return pca.inverse_transform(pca.transform(test))


def kernel_principal(train, test, d):
    train = np.random.default_rng(0).permutation(train)[:KERNEL_ROWS]
    fitted, judged = train[len(train) // 10 :], train[: len(train) // 10]
    typical = np.median(distance_matrix(judged, fitted))
    settings = [(factor / typical, ridge) for factor in (0.1, 1.0, 10.0, 100.0) for ridge in (1e-3, 1e-1)]

    def decoded(how, known, rows):
        gamma, ridge = how
        model = KernelPCA(d, kernel="rbf", gamma=gamma, alpha=ridge, fit_inverse_transform=True).fit(known)
        return model.inverse_transform(model.transform(rows))

    best = min(settings, key=lambda how: ((judged - decoded(how, fitted, judged)) ** 2).sum())
    return decoded(best, train, test)


def rival(name, python, limit, train, test, d):
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "given.npz", train=train, test=test, d=d)
        script = Path(__file__).with_name("rival_manifold.py")
        command = [python, script, name, folder]
        own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run(command, check=True, capture_output=True, timeout=limit, env=own)
        return np.load(Path(folder) / "decoded.npy")


def figure(name, train, test, decoded):
    """RMSE of a sheet, else squared error over variance; inf where a rival gave no number."""
    error = ((test - decoded) ** 2).sum()
    value = np.sqrt(error / test.size) if name in SHEETS else error / ((test - train.mean(axis=0)) ** 2).sum()
    return value if np.isfinite(value) else np.inf


def measured(name, d, seeds, rivals):
    """Figures (seed,) by column."""
    found = {}
    for seed in range(seeds):
        train, test, chart = SETS[name](seed)
        for other, decode in rivals.items():
            try:
                value = figure(name, train, test, decode(train, test, d))
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired, ValueError):
                value = np.nan
            found.setdefault(other, []).append(value)
        began = time.perf_counter()
        model = ManifoldAutoencoder(d, prior=None).fit(train)
        seconds = time.perf_counter() - began
        Z = model.transform(test)
        facts, ours = model.facts(), figure(name, train, test, model.inverse_transform(Z))
        predicted = facts["predicted_error"]
        if name in SHEETS:
            predicted = np.sqrt(predicted * ((train - train.mean(axis=0)) ** 2).mean())
        own = {"dima": ours, "predicted": predicted, "gap": abs(predicted - ours) / max(ours, 1e-9)}
        low, high = model.interval(Z)
        own["inside"] = ((low <= test) & (test <= high)).mean()
        own |= {"d1": facts["diffusion_coordinates"], "k": facts["neighbours_k"], "seconds": seconds}
        if chart is not None:
            own["read-out"] = affine_readout(Z, chart)
        for key, value in own.items():
            found.setdefault(key, []).append(value)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--d", nargs="+", type=int, default=DIMENSIONS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--rival-limit", type=float, default=900.0, metavar="SECONDS")
    asked = parser.parse_args()
    rivals = {"PCA": principal, "kernel PCA": kernel_principal}
    for each in asked.rival:
        name, python = each.split("=", 1)
        rivals[name] = partial(rival, name, python, asked.rival_limit)
    warnings.simplefilter("ignore")
    for name in asked.sets:
        n, D = SETS[name](0)[0].shape
        print(f"\n{name}, {n} x {D}", flush=True)
        for d in (d for d in asked.d if d <= D):
            found = measured(name, d, asked.seeds, rivals)
            failed = {other: int(np.isnan(found[other]).sum()) for other in rivals}
            medians = {key: float(np.median(values)) for key, values in found.items()}
            best = np.nanmin([medians[other] for other in rivals])
            shown = "  ".join(f"{key} {value:.4g}" for key, value in medians.items())
            lost = "".join(f"  {other} failed {n_lost}" for other, n_lost in failed.items() if n_lost)
            print(f"  d {d:2d}  {shown}  of best {medians['dima'] / max(best, 1e-9):.3f}{lost}", flush=True)


if __name__ == "__main__":
    main()
