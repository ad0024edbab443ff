"""What is done with the rows of a case, on either side of the interface in `sides`."""

import copy
import pickle
import threading
from functools import partial

import numpy as np

from manifold.hostile.data import sheet

__all__ = ["code", "decode", "encode", "same_as"]


def code(side, X, d=2, **settings):
    """Fit rows, encode and decode them: latents, rows, and the d that was asked for."""
    model = side.fit(X, d=d, **settings)
    Z = side.encode(model, X)
    return np.asarray(Z), np.asarray(side.decode(model, Z)), d


def same_as(side, X, plain):
    """Rows in one form and in a plain one: what both decode to."""
    return code(side, X)[1], code(side, plain(X))[1]


def encode(side, rows):
    """Encode and decode new rows with a model of the sheet."""
    model = side.fit(sheet())
    Z = side.encode(model, rows)
    return np.asarray(Z), np.asarray(side.decode(model, Z)), 2


def decode(side, latents):
    """Decode latents with a model of the sheet."""
    return (np.asarray(side.decode(side.fit(sheet()), latents)),)


def one_by_one(side, X):
    """Codes of new rows in one call, and in a call each."""
    model = side.fit(sheet())
    apart = [side.encode(model, X[i : i + 1]) for i in range(5)]
    return np.concatenate(apart), side.encode(model, X[:5])


def changed_input(side, X):
    """Codes before and after the caller writes into the array that was fitted."""
    rows = X.copy()
    model = side.fit(rows)
    before = side.decode(model, side.encode(model, X))
    rows[:] = 0.0
    return side.decode(model, side.encode(model, X)), before


def kept_input(side, X):
    """The rows after all is done with them, and before."""
    before = X.copy()
    code(side, X)
    return X, before


def copied(side, X, copy_of):
    """What a copy of the model decodes to, and the model itself."""
    model = side.fit(X)
    other = copy_of(model)
    return side.decode(other, side.encode(other, X)), side.decode(model, side.encode(model, X))


by_pickle = partial(copied, copy_of=lambda model: pickle.loads(pickle.dumps(model)))  # noqa: S301 our own bytes
by_copy = partial(copied, copy_of=copy.deepcopy)


def at_once(side, X):
    """Codes by two threads at once, twenty times each, and by one alone."""
    model = side.fit(sheet())
    alone = np.asarray(side.encode(model, X))
    found = {}

    def work(number):
        found[number] = np.stack([side.encode(model, X) for _ in range(20)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.concatenate([found[0], found[1]]), np.stack([alone] * 40)


def again(side, X):
    """Two fits with the same seed."""
    return code(side, X)[0], code(side, X)[0]


def reordered(side, X):
    """A frame, and the same with its columns in another order at transform."""
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd"))
    model = side.fit(frame)
    return side.encode(model, frame[list("dcba")]), side.encode(model, frame)


def framed(side, X, names="abcd"):
    """Fit a frame."""
    import pandas as pd

    return (side.fit(pd.DataFrame(X, columns=list(names))),)


def ragged_labels(side, X):
    """Fit rows with labels of which two are lists of unlike length."""
    return (side.unfitted().fit(X, [[1, 2], [3]] + [[1]] * (len(X) - 2)),)


def named_twice(side, X):
    """Fit an array with names of which two are the same."""
    return (side.unfitted().fit(X, names=list("aabc")),)


def unfitted(side, X):
    """Transform before fit."""
    return (side.unfitted().transform(X),)


def fitted_twice(side, X):
    """A model that had learnt other rows before, and a fresh one."""
    model = side.unfitted().fit(np.hstack([X, X])).fit(X)
    return model.transform(X), side.fit(X).transform(X)


def set_later(side, X):
    """Codes after settings are changed, and before."""
    model = side.fit(X)
    before = model.transform(X)
    model.set_params(d=3, seed=7, dmap={"k": 5}, columns="rank", gplm={"m": 3})
    return model.transform(X), before


def cloned(side, X):
    """A clone is unfitted, and fits to the same."""
    from sklearn.base import clone

    model = side.fit(X)
    fresh = clone(model)
    assert not hasattr(fresh, "fit_")
    return fresh.fit(X).transform(X), model.transform(X)


def map_alone(side, X, **settings):
    """The encoder alone."""
    return (side.map(**{"d": 2} | settings).fit_transform(X),)


def decoder_alone(side, targets, latents=None):
    """The decoder alone, of latents that are the first two columns of the sheet unless given."""
    latents = sheet()[:, :2] if latents is None else latents
    return (side.decoder(20).fit(latents, targets).predict(latents),)
