"""Rows drawn by a public package: `python rival_rows.py NAME FOLDER`, in an environment with that package.

FOLDER holds given.npz of `quality_rows.py`: rows X (n, D), labels y (n,) where there are such, and a seed.
found.npz beside it takes as many drawn rows, with their labels. Settings are those of each package's own
example: ForestDiffusion as Forest-Flow with 50 noise levels and 100 copies of the data (fewer where that is
more than 100,000 rows), classes as labels; pyplom with its defaults, a model a class.
"""

import sys
from pathlib import Path

import numpy as np

_MOST_ROWS = 100_000


def forest(X, y, seed):
    from ForestDiffusion import ForestDiffusionModel

    np.random.seed(seed)  # noqa: NPY002  the package draws from it
    is_whole = [axis for axis in range(X.shape[1]) if np.array_equal(X[:, axis], np.round(X[:, axis]))]
    copies = min(100, max(1, _MOST_ROWS // len(X)))
    model = ForestDiffusionModel(
        X, label_y=y, n_t=50, duplicate_K=copies, bin_indexes=[], cat_indexes=[], int_indexes=is_whole,
        diffusion_type="flow", n_jobs=2, seed=seed,
    )  # fmt: skip
    drawn = model.generate(batch_size=len(X))
    return (drawn, None) if y is None else (drawn[:, :-1], drawn[:, -1].astype(y.dtype))


def plom(X, y, seed):
    from plom import PLoM

    classes = np.zeros(len(X), int) if y is None else y
    names, counts = np.unique(classes, return_counts=True)
    parts = [PLoM(verbose=0, random_state=seed).fit(X[classes == name]).sample(1) for name in names]
    return np.concatenate(parts), None if y is None else np.repeat(names, counts)


METHODS = {"forest": forest, "plom": plom}


def main():
    name, folder = sys.argv[1], Path(sys.argv[2])
    with np.load(folder / "given.npz") as given:
        y = given.get("y")
        X, labels = METHODS[name](given["X"], y, int(given["seed"]))
    np.savez(folder / "found.npz", X=X, **({} if labels is None else {"y": labels}))


if __name__ == "__main__":
    main()
