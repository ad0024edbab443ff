"""Generated rows of small tables, told from real ones or not, beside what one could use instead.

    python benchmarks/quality_rows.py [--tables wine iris] [--splits 8] [--generations 2]
        [--rival forest=PYTHON] [--rival plom=PYTHON]

Splits of 80/20, by class where there are classes. Every method learns from the same training rows and draws
as many of each class; figures are those of `dima evaluate`: 1-Wasserstein distance to the held-out rows
(columns over their range, cityblock), coverage, accuracy of a random forest telling rows from held-out ones
(.5 cannot), and the distance of rows to the nearest training row over that of held-out rows (median, and 5 %
quantile). The floors are the training rows themselves and, on the same columns, a Gaussian mixture a class.
Rivals run in environments of their own (`rival_rows.py`): `forest` needs ForestDiffusion, `plom` pyplom.
"""

import argparse
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

from dima.data.columns import Columns
from dima.metrics import rows as honesty
from dima.metrics.mixture import fit_mixture
from dima.metrics.two_sample import density_coverage
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.scaling import Standardizer

NAMES = ("W1", "coverage", "C2ST", "copies", "5 %", "seconds")


def of_sklearn(name, has_classes):
    found = getattr(datasets, f"load_{name}")()
    if has_classes:
        return found.data, found.target
    return np.column_stack([found.data, found.target]), None


def of_statsmodels(name, target=None):
    import statsmodels.datasets

    frame = getattr(statsmodels.datasets, name).load_pandas().data.dropna()
    y = None if target is None else frame.pop(target).to_numpy().astype(int)
    return frame.to_numpy(float), y


TABLES = {
    "diabetes": lambda: of_sklearn("diabetes", False),
    "wine": lambda: of_sklearn("wine", True),
    "breast_cancer": lambda: of_sklearn("breast_cancer", True),
    "iris": lambda: of_sklearn("iris", True),
    "fair": lambda: of_statsmodels("fair"),
    "randhie": lambda: of_statsmodels("randhie"),
}


def in_each(draw, X, y):
    """What `draw(rows, n)` makes of each class, as many of each as there are."""
    if y is None:
        return draw(X, len(X)), None
    parts = [draw(X[y == label], int((y == label).sum())) for label in np.unique(y)]
    return np.concatenate(parts), np.repeat(*np.unique(y, return_counts=True))


def mixture(treatment):
    def method(X, y, seed):
        columns = Columns.of(X, treatment)

        def draw(rows, n):
            found = fit_mixture(columns.apply(rows))
            found.random_state = seed
            return columns.within(columns.restore(found.sample(n)[0]))

        return in_each(draw, X, y)

    return method


def ours(**settings):
    def method(X, y, seed):
        model = ManifoldAutoencoder(**settings).fit(X, y)
        labels = None if y is None else np.random.default_rng(seed).permutation(y)
        return model.sample(len(X), y=labels, seed=seed), labels

    return method


def rival(name, python):
    def method(X, y, seed):
        with tempfile.TemporaryDirectory() as folder:
            given = {} if y is None else {"y": y}
            np.savez(Path(folder) / "given.npz", X=X, seed=seed, **given)
            script = Path(__file__).with_name("rival_rows.py")
            subprocess.run([python, script, name, folder], check=True, capture_output=True)
            with np.load(Path(folder) / "found.npz") as found:
                drawn = found["X"]
                return drawn, found.get("y", None)

    return method


METHODS = {
    "training rows": lambda X, y, seed: (X, y),
    "mixture, standard columns": mixture("standard"),
    "mixture, rank columns": mixture("rank"),
    "decoded alone": ours(columns="standard", residual="none", match="none"),
    "dima, standard columns": ours(columns="standard"),
    "dima, rank columns": ours(columns="rank"),
}


def figures(rows, held_out, train, seed):
    scale = Standardizer.of(train)
    random = np.random.default_rng(seed)
    rows = rows[random.permutation(len(rows))]
    size = min(len(rows), len(held_out))
    return [
        honesty.wasserstein1(rows, held_out, train, seed),
        density_coverage(scale.apply(held_out[:size]), scale.apply(rows[:size]))[1],
        honesty.c2st_trees(rows, held_out, seed),
        *honesty.copy_ratio(rows, train, held_out),
    ]


def measured(table, methods, splits, generations):
    X, y = TABLES[table]()
    found = {name: [] for name in methods}
    for split in range(splits):
        held = train_test_split(np.arange(len(X)), test_size=0.2, random_state=split, stratify=y)
        train, held_out = X[held[0]], X[held[1]]
        labels = None if y is None else y[held[0]]
        for name, method in methods.items():
            for generation in range(1 if name == "training rows" else generations):
                began = time.perf_counter()
                drawn, _ = method(train, labels, 100 * split + generation)
                seconds = time.perf_counter() - began
                found[name].append([*figures(drawn, held_out, train, generation), seconds])
    return {name: np.array(rows) for name, rows in found.items()}, X.shape


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=PYTHON")
    asked = parser.parse_args()
    methods = METHODS | {
        name: rival(name, python) for name, _, python in (r.partition("=") for r in asked.rival)
    }
    warnings.simplefilter("ignore")
    for table in asked.tables:
        found, (n, D) = measured(table, methods, asked.splits, asked.generations)
        print(f"\n{table}, {n} x {D}{'':12s}" + "".join(f"{name:>10s}" for name in NAMES))
        for name, rows in found.items():
            print(f"    {name:28s}" + "".join(f"{value:10.3f}" for value in rows.mean(axis=0)), flush=True)


if __name__ == "__main__":
    main()
