"""The report of a fitted model: pictures and held-out figures as one self-contained page."""

from typing import Any

from dima import check
from dima.figures.report import Section, Table, html
from dima.model.evaluate import Evaluation
from dima.model.report.latents import latents
from dima.model.report.loadings import loadings
from dima.model.report.reconstruction import reconstruction
from dima.model.report.refinement import refinement
from dima.model.report.samples import samples
from dima.model.report.subject import Subject
from dima.model.report.summary import by_chance, summary, verdict
from dima.model.report.tables import columns, honesty

__all__ = ["Subject", "build", "summary"]

# In the order of the page; each may have nothing to show of a model, and says so with None.
_SECTIONS = (latents, loadings, reconstruction, samples, refinement)
_TAKEN = {"rank": "Columns were taken by rank.", "standard": "Columns were taken over their spreads."}
_PRIORS = {
    "gmm": "a Gaussian mixture",
    "ddpm": "a diffusion model",
    "bootstrap": "a smoothed bootstrap of training rows",
    "direct": "a diffusion model distilled to one step",
}


def build(model: Any, measured: Evaluation, subject: Subject) -> str:
    """The page as HTML, for a `LatentModel` of any kind."""
    fit = check.fitted(model)
    drawn = [section(model, subject) for section in _SECTIONS]
    is_principal = model.facts().get("diffusion_coordinates") == 0
    sections = [
        Section(
            "Figures" if measured.n_seen else "Held-out figures",
            verdict(measured, is_principal=is_principal),
            tables=(_figures_table(measured),),
        ),
        *[section for section in (honesty(measured), columns(model, measured, subject)) if section],
        *[section for section in drawn if section is not None],
        *fit.autoencoder.sections(),
        *([Section("Time and memory", tables=(_stages_table(model),))] if fit.stages else []),
    ]
    return html(subject.title, _what_it_is(model), sections)


def _what_it_is(model: Any) -> str:
    """Sizes, how columns were taken, and what rows are drawn from."""
    fit, prior = check.fitted(model), model.facts().get("prior")
    sentences = [
        f"{fit.n_rows} training rows of {model.n_features_in_} columns, {model.d_} latent dimensions."
    ]
    if taken := _TAKEN.get(fit.rows.columns.treatment):
        sentences.append(taken)
    if prior is not None:
        sentences.append(f"Rows are drawn by {_PRIORS.get(prior, prior)}.")
    return " ".join(sentences)


def _figures_table(measured: Evaluation) -> Table:
    note = "The floor is the distance of as many real rows to these rows: what a perfect sampler reaches."
    caption = " ".join([note, by_chance(measured)]).strip()
    return Table(["figure", "value", "beside it"], [list(row) for row in summary(measured)], caption)


def _stages_table(model: Any) -> Table:
    rows = [[stage.name, f"{stage.seconds:.1f}", f"{stage.peak_mb:.0f}"] for stage in model.stages_]
    return Table(["stage", "seconds", "peak memory so far, MB"], rows)
