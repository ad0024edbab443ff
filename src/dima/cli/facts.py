"""What there is to know of a fitted model, as plain values: one source for `fit` and `info`."""

from typing import Any

from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model.autoencoder import ManifoldAutoencoder

__all__ = ["facts", "readable", "settings"]


def facts(model: ManifoldAutoencoder) -> dict[str, Any]:
    """Sizes, and what the parts chose for themselves; JSON-plain."""
    prior = model.prior_
    return {
        "rows": len(model.dmap_.embedding_),
        "columns": model.n_features_in_,
        "d": len(model.dmap_.eigenvalues_),
        "encoder": _encoder(model.dmap_),
        "decoder": _decoder(model.gplm_),
        "prior": None if prior is None else {"T": prior.T, "n_iter": prior.n_iter, "loss": _loss(prior)},
        "predicted_error": model.gplm_.press_.error,
    }


def readable(known: dict[str, Any]) -> dict[str, object]:
    """The same in words, one line a fact."""
    encoder, decoder, prior = known["encoder"], known["decoder"], known["prior"]
    loss = "" if prior is None or prior["loss"] is None else f", loss {prior['loss']:.4f}"
    return {
        "training rows": f"{known['rows']} x {known['columns']}",
        "latent dimension d": known["d"],
        "neighbours k": encoder["k"],
        "encoder bandwidth": encoder["bandwidth"],
        "inducing points m": decoder["m"],
        "decoder bandwidth": decoder["bandwidth"],
        "decoder ridge": decoder["ridge"],
        "prior": "none" if prior is None else f"{prior['n_iter']} training steps, T = {prior['T']}{loss}",
        "predicted error / variance": known["predicted_error"],
    }


def settings(model: Any) -> dict[str, dict[str, Any]]:
    """Settings of each part, by the name of its flags."""
    if not isinstance(model, ManifoldAutoencoder):
        return {type(model).__name__.lower(): model.get_params(deep=False)}
    parts = {"dmap": model.dmap_, "gplm": model.gplm_, "ddpm": model.prior_}
    return {name: part.get_params(deep=False) for name, part in parts.items() if part is not None}


def _encoder(dmap: DMAP) -> dict[str, Any]:
    return {
        "k": dmap.k_,
        "bandwidth": float(dmap.eps_),
        "first_eigenvalue": float(dmap.eigenvalues_[0]),
        "last_eigenvalue": float(dmap.eigenvalues_[-1]),
        "components": int(dmap.n_components_),
    }


def _decoder(gplm: GPLM) -> dict[str, Any]:
    return {
        "m": gplm.m_,
        "rank": gplm.rank_,
        "bandwidth": float(gplm.eps_),
        "ridge": float(gplm.sigma2_),
    }


def _loss(prior: Any) -> float | None:
    return float(prior.losses_[-1, 1]) if len(prior.losses_) else None
