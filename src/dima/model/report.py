"""The report of a fitted model: pictures and held-out figures as one self-contained page."""

from typing import NamedTuple

import numpy as np

from dima.figures import curve, grid, png, scatter
from dima.figures.report import Section, Table, html
from dima.metrics.reconstruction import error_over_variance
from dima.model.autoencoder import ManifoldAutoencoder
from dima.model.evaluate import Evaluation, pca_reconstruction
from dima.typing import Array

__all__ = ["Subject", "build", "summary"]

_SHOWN = 12  # pictures in a row
_GENERATED = 60
_REFINED = 200  # rows the errors of refinement are taken over
_NOISE = 0.5  # of the standard deviation of the data, added before refinement


class Subject(NamedTuple):
    """What a report is about besides the model.

    Attributes:
        title: of the page.
        held_out: (b, D) rows the model has not seen.
        labels: one for each training row, for the colours, or None.
        image_shape: (h, w) when a row is a picture, or None.
        seed: of samples and noise.
    """

    title: str
    held_out: Array
    labels: Array | None = None
    image_shape: tuple[int, int] | None = None
    seed: int = 0


def build(model: ManifoldAutoencoder, measured: Evaluation, subject: Subject) -> str:
    """The page as HTML."""
    sections = [
        Section("Held-out figures", _told(measured), tables=(_figures_table(measured),)),
        _latents(model, subject),
        _reconstructions(model, subject),
        *([_samples(model, subject), _refinement(model, subject)] if model.prior_ is not None else []),
        _spectrum(model),
        Section("Time and memory", tables=(_stages_table(model),)),
    ]
    size = f"{measured.n_train} training rows of {model.n_features_in_} columns"
    text = f"{size}, {measured.d} latent dimensions."
    return html(subject.title, text, [section for section in sections if section is not None])


def summary(measured: Evaluation) -> list[tuple[str, str, str]]:
    """Rows (figure, value, beside it) that say how good the model is."""
    rows = [
        (
            "held-out error / variance",
            f"{measured.error_over_variance:.4f}",
            f"PCA at d = {measured.d}: {measured.pca_error_over_variance:.4f}",
        ),
        ("the same, predicted by leave-one-out", f"{measured.predicted_error:.4f}", ""),
    ]
    if measured.sliced_w2 is None:
        return rows
    return [
        *rows,
        (
            f"sliced W2 of {measured.n_samples} samples",
            f"{measured.sliced_w2:.4f}",
            f"floor {measured.sliced_w2_floor:.4f}, ratio {measured.sliced_w2_ratio:.2f}",
        ),
        (
            "C2ST accuracy of samples",
            f"{measured.c2st:.3f}",
            f"real rows: {measured.c2st_floor:.3f}; 0.5 is best",
        ),
    ]


def _told(measured: Evaluation) -> str:
    better = measured.error_over_variance < measured.pca_error_over_variance
    verdict = "below" if better else "not below"
    return (
        f"Figures on {measured.n_held_out} rows that no part of the model has seen. "
        f"The reconstruction error is {verdict} that of principal components at the same dimension."
    )


def _figures_table(measured: Evaluation) -> Table:
    note = (
        "The floor is the distance of as many training rows to the held-out rows: "
        "what a perfect sampler reaches."
    )
    return Table(["figure", "value", "beside it"], [list(row) for row in summary(measured)], note)


def _latents(model: ManifoldAutoencoder, subject: Subject) -> Section:
    Z = model.latents_
    plane = Z[:, :2] if Z.shape[1] > 1 else np.column_stack([Z[:, 0], np.zeros(len(Z))])
    picture = scatter.scatter(plane, subject.labels, "", ("latent 1", "latent 2"))
    return Section("Latent space", "The first two of the normalised diffusion coordinates.", (png(picture),))


def _reconstructions(model: ManifoldAutoencoder, subject: Subject) -> Section | None:
    if subject.image_shape is None:
        return None
    X = subject.held_out[:_SHOWN]
    rebuilt = model.inverse_transform(model.transform(X))
    pca = pca_reconstruction(model.dmap_.training_rows_, X, len(model.dmap_.eigenvalues_))
    rows = {"original": X, "dima": rebuilt, "PCA": pca}
    text = "Held-out rows, encoded and decoded, beside principal components at the same dimension."
    return Section("Reconstruction", text, (_pictures(rows, subject),))


def _samples(model: ManifoldAutoencoder, subject: Subject) -> Section:
    drawn = model.sample(_GENERATED, seed=subject.seed)
    if subject.image_shape is not None:
        train = model.dmap_.training_rows_
        # Shown in the range of the data, so that paper stays white.
        pictures = np.clip(drawn, train.min(), train.max()).reshape(-1, *subject.image_shape)
        return Section("Generated", "Drawn by the latent prior.", (png(grid.images(pictures, _SHOWN)),))
    Z = model.sample(min(2000, len(model.latents_)), decode=False, seed=subject.seed)
    plane = [np.column_stack([z[:, 0], z[:, min(1, z.shape[1] - 1)]]) for z in (model.latents_, Z)]
    return Section(
        "Generated", "Latents of the data and of the prior.", (png(scatter.overlay(plane[0], plane[1])),)
    )


def _refinement(model: ManifoldAutoencoder, subject: Subject) -> Section | None:
    if subject.image_shape is None:
        return None
    X, rng = subject.held_out[:_REFINED], np.random.default_rng(subject.seed)
    noisy = X + _NOISE * model.dmap_.training_rows_.std() * rng.standard_normal(X.shape)
    Z = model.transform(noisy)
    refined = model.refine(Z, t_start=_refine_level(model), seed=subject.seed)
    rows = {
        "noisy": noisy,
        "decoded": model.inverse_transform(Z),
        "refined": model.inverse_transform(refined),
    }
    errors = [[name, f"{error_over_variance(X, row, model.gplm_.mu_X_):.4f}"] for name, row in rows.items()]
    shown = {name: row[:_SHOWN] for name, row in {"original": X, **rows}.items()}
    text = (
        "Noisy rows, decoded as they are and after the prior has pulled their latents a little towards "
        "the learned ones. Encoding and decoding remove most of the noise by themselves."
    )
    table = Table(["rows", "error / variance"], errors, f"{len(X)} held-out rows, against the clean ones.")
    return Section("Refinement", text, (_pictures(shown, subject),), (table,))


def _refine_level(model: ManifoldAutoencoder) -> int:
    """A fortieth of the chain: what little noise the latents of noisy rows carry."""
    return max(1, int(model.prior_.T) // 40)


def _spectrum(model: ManifoldAutoencoder) -> Section:
    text = "Eigenvalues of the diffusion map: how slowly each coordinate varies along the data."
    return Section("Spectrum", text, (png(curve.spectrum(model.dmap_.eigenvalues_)),))


def _stages_table(model: ManifoldAutoencoder) -> Table:
    rows = [[stage.name, f"{stage.seconds:.1f}", f"{stage.peak_mb:.0f}"] for stage in model.stages_]
    return Table(["stage", "seconds", "peak memory, MB"], rows)


def _pictures(rows: dict[str, Array], subject: Subject) -> bytes:
    shape = subject.image_shape or (1, 1)
    return png(grid.rows({name: np.reshape(row, (-1, *shape)) for name, row in rows.items()}))
