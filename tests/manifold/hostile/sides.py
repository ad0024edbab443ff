"""The packages that are tried, behind one small interface: fit rows, encode rows, decode latents.

Both are imported as `dima`, each in an environment of its own.
"""

import re

import numpy as np

__all__ = ["SIDES", "Dima", "Peer"]

_OF_MAP = ("k", "eps", "neighbours")  # settings of the encoder; the last is none


class Dima:
    """This project: `ManifoldAutoencoder` without a prior."""

    limit = 30.0  # seconds, of which none is near
    survives_fork = True

    def load(self):
        from dima import DMAP, GPLM, ManifoldAutoencoder

        self.new, self.map, self.decoder = ManifoldAutoencoder, DMAP, GPLM
        self.error = __import__("dima.errors").errors.DimaError

    def unfitted(self, d=2, **settings):
        own = {name: settings.pop(name) for name in _OF_MAP if name in settings}
        return self.new(d, dmap=own or None, prior=None, **settings)

    def fit(self, X, d=2, **settings):
        return self.unfitted(d, **settings).fit(X)

    def encode(self, model, X):
        return model.transform(X)

    def decode(self, model, Z):
        return model.inverse_transform(Z)

    def refusal(self, fault):
        """What an exception counts as: one sentence of our own, or an obscure one."""
        told = str(fault)
        is_sentence = re.fullmatch(r"\w[\w.]*: [^\n]+", told) and len(told) < 300
        return "refused" if isinstance(fault, self.error) and is_sentence else "obscure"


class Peer:
    """The published package: its own defaults, no prior trained."""

    limit = 90.0  # seconds; it is imported and compiles in every process
    survives_fork = False  # its libraries start threads when they are imported

    def load(self):
        from dima import DIMA

        self.new = DIMA

    def fit(self, X, d=2, **settings):
        shape = X.shape if hasattr(X, "shape") else (len(X),) if hasattr(X, "__len__") else ()
        n = shape[0] if shape else 100  # it refuses the rest itself
        own = {"dmap_k": settings.pop("k")} if "k" in settings else {}
        if "eps" in settings:
            own["dmap_kwargs"] = {"eps": settings.pop("eps")}
        return self.new(X, d=d, gplm_m=max(1, min(1024, n)), ddpm_n_iter=0, **own, **settings)

    def encode(self, model, X):
        return np.asarray(model.enc(X))

    def decode(self, model, Z):
        return np.asarray(model.dec(Z))

    def refusal(self, fault):
        """Any exception will do; whether its message names the cause is asked by the case."""
        return "raised"


SIDES = {"dima": Dima, "peer": Peer}
