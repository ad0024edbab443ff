"""Rows given some of their columns, beside what is made for that: `python benchmarks/quality_given.py`.

CRPS of one column and energy score of three, in units of each column's spread, of 200 draws a row; means
over the held-out rows of four splits of 80/20. Lower is better. Rivals: linear regression with
its residuals drawn again, quantile forests (300 trees, leaves of five; draws by the weights of their leaves),
the k nearest training rows (k = 10, 20 and 40) and a Gaussian mixture on standard and on rank columns.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from dima.data.columns import Columns
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.mixture_prior import MixturePrior

N = 200


def nonlinear(n=1000, seed=0):
    """Six columns that two uniform ones decide, with noise."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-2, 2, n), rng.uniform(-1, 1, n)
    noise = 0.1 * rng.standard_normal((4, n))
    rest = [np.sin(2 * a) + noise[0], a * b + noise[1], np.exp(a / 2) * (1 + 2 * noise[2])]
    return np.column_stack([a, b, *rest, np.abs(a) + b**2 + noise[3]])


def diabetes():
    found = load_diabetes()
    return np.column_stack([found.data, found.target])


TABLES = {"diabetes": (diabetes, [[10], [2, 8, 10]]), "nonlinear": (nonlinear, [[2], [2, 3, 5]])}


def energy_score(drawn, truth):
    """Of draws (n, u) to a row (u,); for one column it is the CRPS (Gneiting and Raftery 2007, eq. 22)."""
    apart = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)
    return np.linalg.norm(drawn - truth, axis=1).mean() - apart.sum() / (2 * len(drawn) ** 2)


def linear(train, known, unknown, rows, rng):
    model = LinearRegression().fit(train[:, known], train[:, unknown])
    left = train[:, unknown] - model.predict(train[:, known])
    return [row + left[rng.integers(len(left), size=N)] for row in model.predict(rows[:, known])]


def forest(train, known, unknown, rows, rng):
    model = RandomForestRegressor(300, min_samples_leaf=5, random_state=0, n_jobs=1)
    goal = train[:, unknown]
    model.fit(train[:, known], goal[:, 0] if len(unknown) == 1 else goal)
    leaves = model.apply(train[:, known])
    drawn = []
    for own in model.apply(rows[:, known]):
        together = leaves == own
        weights = (together / together.sum(axis=0)).mean(axis=1)
        drawn.append(goal[rng.choice(len(goal), N, p=weights / weights.sum())])
    return drawn


def nearest(k):
    def method(train, known, unknown, rows, rng):
        spread = train[:, known].std(axis=0)
        found = NearestNeighbors(n_neighbors=k).fit(train[:, known] / spread)
        return [train[ids][:, unknown] for ids in found.kneighbors(rows[:, known] / spread)[1]]

    return method


def mixture(treatment):
    def method(train, known, unknown, rows, rng):
        columns = Columns.of(train, treatment)
        fit = MixturePrior().fit(columns.apply(train)).fit_
        drawn = []
        for row in columns.apply(rows):
            full = np.tile(row, (N, 1))
            full[:, unknown] = fit.given(row[known], known).draw(N, rng)
            drawn.append(columns.within(columns.restore(full))[:, unknown])
        return drawn

    return method


def ours(treatment):
    def method(train, known, unknown, rows, rng):
        asked = rows.copy()
        asked[:, unknown] = np.nan
        drawn = ManifoldAutoencoder(columns=treatment).fit(train).sample_given(asked, N)
        return [one[:, unknown] for one in drawn.rows]

    return method


METHODS = {
    "linear regression": linear,
    "quantile forest": forest,
    **{f"{k} nearest": nearest(k) for k in (10, 20, 40)},
    **{f"mixture, {treatment}": mixture(treatment) for treatment in ("standard", "rank")},
    **{f"dima, {treatment}": ours(treatment) for treatment in ("standard", "rank")},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--splits", type=int, default=4)
    splits = parser.parse_args().splits
    warnings.simplefilter("ignore")
    for name, (make, questions) in TABLES.items():
        X = make()
        for unknown in questions:
            known = np.setdiff1d(np.arange(X.shape[1]), unknown)
            print(f"\n{name}, columns {unknown} unknown{'':8s}   score   seconds")
            for title, method in METHODS.items():
                scores, began = [], time.perf_counter()
                for split in range(splits):
                    train, rows = train_test_split(X, test_size=0.2, random_state=split)
                    spread = train[:, unknown].std(axis=0)
                    drawn = method(train, known, np.array(unknown), rows, np.random.default_rng(split))
                    pairs = zip(drawn, rows[:, unknown], strict=True)
                    scores += [energy_score(one / spread, truth / spread) for one, truth in pairs]
                seconds = (time.perf_counter() - began) / splits
                print(f"    {title:28s}{np.mean(scores):10.4f}{seconds:10.2f}", flush=True)


if __name__ == "__main__":
    main()
