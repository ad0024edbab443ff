"""Generated rows of small tables, told from real ones or not, beside what one could use instead.

    python benchmarks/quality_rows.py [--tables wine iris] [--splits 8] [--generations 2]
        [--rival forest=PYTHON] [--rival plom=PYTHON] [--rival-splits 1] [--rival-limit 1800]

Splits of 80/20, by class where there are classes. Every method learns from the same training rows and draws
as many of each class; figures are those of `dima evaluate`: 1-Wasserstein distance to the held-out rows
(columns over their range, cityblock), coverage, accuracy of a random forest telling rows from held-out ones
(.5 cannot), the distance of rows to the nearest training row over that of held-out rows (median, and 5 %
quantile), and the score on held-out rows of a forest trained on the drawn ones: accuracy for classes, R^2 of
the last column without. Seconds are those of all cores. The floors are the training rows themselves and, on
the same columns, a Gaussian mixture a class. Rivals run in environments of their own (`rival_rows.py`):
`forest` needs ForestDiffusion, `plom` pyplom; one that fails or takes longer than the limit is counted.
"""

import argparse
import resource
import subprocess
import tempfile
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

NAMES = ("W1", "coverage", "C2ST", "copies", "5 %", "trained", "seconds")


def of_sklearn(name, has_classes):
    found = getattr(datasets, f"load_{name}")()
    if has_classes:
        return found.data, found.target
    return np.column_stack([found.data, found.target]), None


def of_statsmodels(name, target):
    """A table without classes, its target last."""
    import statsmodels.datasets

    frame = getattr(statsmodels.datasets, name).load_pandas().data.dropna()
    frame[target] = frame.pop(target)
    return frame.to_numpy(float), None


TABLES = {
    "diabetes": lambda: of_sklearn("diabetes", False),
    "wine": lambda: of_sklearn("wine", True),
    "breast_cancer": lambda: of_sklearn("breast_cancer", True),
    "iris": lambda: of_sklearn("iris", True),
    "fair": lambda: of_statsmodels("fair", "affairs"),
    "randhie": lambda: of_statsmodels("randhie", "mdvis"),
}


def in_each(draw, X, y):
    """What `draw(rows, n)` makes of each class, as many of each as there are."""
    if y is None:
        return draw(X, len(X)), y
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


def rival(name, python, limit):
    def method(X, y, seed):
        with tempfile.TemporaryDirectory() as folder:
            given = {} if y is None else {"y": y}
            np.savez(Path(folder) / "given.npz", X=X, seed=seed, **given)
            script = Path(__file__).with_name("rival_rows.py")
            command = [python, script, name, folder]
            subprocess.run(command, check=True, capture_output=True, timeout=limit)
            with np.load(Path(folder) / "found.npz") as found:
                drawn = found["X"]
                return drawn, found.get("y", None)

    return method


METHODS = {
    "training rows": lambda X, y, seed: (X, y),
    "mixture, standard columns": mixture("standard"),
    "mixture, rank columns": mixture("rank"),
    "decoded alone": ours(columns="standard", residual=None, match=None),
    "dima, standard columns": ours(columns="standard"),
    "dima, rank columns": ours(columns="rank"),
}


def figures(drawn, held_out, train, seed):
    """Figures of drawn rows (b, D); each of the three is a pair of rows and their classes or None."""
    (rows, labels), (real, real_labels), (known, known_labels) = drawn, held_out, train
    scale, order = Standardizer.of(known), np.random.default_rng(seed).permutation(len(rows))
    size = min(len(rows), len(real))
    few = rows[order[:size]]
    pairs = [(rows, labels), (real, real_labels), (known, known_labels)]
    if labels is None:
        pairs = [(table[:, :-1], table[:, -1]) for table, _ in pairs]
    return [
        honesty.wasserstein1(rows[order], real, known, seed),
        density_coverage(scale.apply(real[:size]), scale.apply(few))[1],
        honesty.c2st_trees(rows[order], real, seed),
        *honesty.copy_ratio(rows, known, real),
        honesty.train_on_synthetic(*pairs, seed)[0],
    ]


def spent():
    """Processor seconds of this process and of those it has started."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(table, methods, splits, generations, rival_splits):
    """Figures by method, one row a draw, and how many draws of each failed."""
    X, y = TABLES[table]()
    found, failed = {name: [] for name in methods}, dict.fromkeys(methods, 0)
    for split in range(splits):
        held = train_test_split(np.arange(len(X)), test_size=0.2, random_state=split, stratify=y)
        train, held_out = ((X[rows], None if y is None else y[rows]) for rows in held)
        for name, method in methods.items():
            is_rival = name not in METHODS
            if is_rival and split >= rival_splits:
                continue
            for generation in range(1 if is_rival or name == "training rows" else generations):
                began = spent()
                try:
                    drawn = method(*train, 100 * split + generation)
                except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                    failed[name] += 1
                    continue
                seconds = spent() - began
                found[name].append([*figures(drawn, held_out, train, generation), seconds])
    return {name: np.array(rows) for name, rows in found.items()}, failed, X.shape


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--generations", type=int, default=2)
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--rival-splits", type=int, default=1)
    parser.add_argument("--rival-limit", type=float, default=1800.0, metavar="SECONDS")
    asked = parser.parse_args()
    rivals = dict(each.split("=", 1) for each in asked.rival)
    methods = METHODS | {name: rival(name, python, asked.rival_limit) for name, python in rivals.items()}
    warnings.simplefilter("ignore")
    for table in asked.tables:
        found, failed, (n, D) = measured(table, methods, asked.splits, asked.generations, asked.rival_splits)
        print(f"\n{table}, {n} x {D}{'':12s}" + "".join(f"{name:>10s}" for name in NAMES))
        for name, rows in found.items():
            means = "".join(f"{value:10.3f}" for value in rows.mean(axis=0)) if len(rows) else "  none"
            print(f"    {name:28s}{means}" + f"  {failed[name]} failed" * bool(failed[name]), flush=True)


if __name__ == "__main__":
    main()
