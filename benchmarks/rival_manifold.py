"""Held-out rows decoded by a public package: `python rival_manifold.py NAME FOLDER`, where it is installed.

FOLDER holds given.npz of `quality_manifold.py`: training rows, rows to encode and decode, and d. decoded.npy
beside it takes the result. Settings are each package's defaults; the published dima cannot take more inducing
points than rows, and its prior is not trained.
"""

import sys
from pathlib import Path

import numpy as np


def peer(train, test, d):
    from dima import DIMA

    model = DIMA(train, d=d, gplm_m=min(1024, len(train)), ddpm_n_iter=0)
    return np.asarray(model.dec(model.enc(test)))


def umap(train, test, d):
    from umap import UMAP

    model = UMAP(n_components=d, random_state=0).fit(train)
    return model.inverse_transform(model.transform(test))


METHODS = {"peer": peer, "umap": umap}

if __name__ == "__main__":
    name, folder = sys.argv[1], Path(sys.argv[2])
    with np.load(folder / "given.npz") as given:
        decoded = METHODS[name](given["train"], given["test"], int(given["d"]))
    np.save(folder / "decoded.npy", decoded)
