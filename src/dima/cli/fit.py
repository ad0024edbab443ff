"""`dima fit`: a table in, a saved model out, with every declared setting as a flag."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Group, Parameter
from cyclopts.validators import Number

from dima import settings
from dima.cli import flags, inputs, output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.data.split import train_test
from dima.data.table import Table
from dima.errors import SettingError
from dima.figures.report import save_report
from dima.latent import border
from dima.latent.ddpm import DDPM
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model import persist, report
from dima.model.evaluate import evaluate
from dima.model.evaluate.samples import FEWEST
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.model.priors import FROM_POINTS

__all__ = ["fit"]

_HOLD_OUT = 0.2
_TOLD = {
    "rank": "Columns were taken by rank: spreads differ by more than tenfold.",
    "standard": "Columns were taken over their spreads.",
}
_PRIOR = Parameter(
    help="what is drawn from: auto is gmm, a Gaussian mixture, below 1000 rows (50000 unless raw), else ddpm",
    choices=("auto", *FROM_POINTS),
)
_DROP = Parameter(help="column to leave out, whatever it holds; once for each", negative="")
_SHARE = Parameter(
    help="share of the rows kept from the fit, with --report",
    validator=Number(gt=0, lt=1),
    show_default=str(_HOLD_OUT),
)


@flags.takes(
    # d is the model's and --seed everybody's; the parts may have a seed of their own.
    model=flags.of(ManifoldAutoencoder, without={"seed"}, name="*"),
    dmap=flags.of(DMAP, without={"d"}, group=Group("Encoder: diffusion map", sort_key=2)),
    gplm=flags.of(GPLM, group=Group("Decoder: kernel ridge on inducing points", sort_key=3)),
    ddpm=flags.of(DDPM, group=Group("Prior: latent diffusion", sort_key=4)),
)
def fit(  # noqa: PLR0913 each argument is a flag
    data: flags.Data,
    /,
    *,
    to: Annotated[Path, Parameter(name=["--output", "-o"], help="folder to write the model to")],
    model: flags.Settings = None,
    label: Annotated[str | None, Parameter(help="column that holds the class of each row")] = None,
    prior: Annotated[str, _PRIOR] = "auto",
    no_prior: Annotated[bool, flags.switch("fit no prior: nothing to sample from")] = False,
    page: flags.Page = None,
    hold_out: Annotated[float | None, _SHARE] = None,
    drop: Annotated[list[str] | None, _DROP] = None,
    drop_text: flags.DropText = False,
    overwrite: flags.Overwrite = False,
    dmap: flags.Settings = None,
    gplm: flags.Settings = None,
    ddpm: flags.Settings = None,
    common: Common = EVERYWHERE,
) -> None:
    """Fit a model to a table and save it.

    What is not given is chosen: bandwidths, ridge and neighbours from the data. Columns may hold numbers,
    integers, booleans and words; what is drawn has their names, types and values.

    Examples:
        dima fit X.npy -o model
        dima fit wine.csv -o wine --label target --report wine.html
        dima fit table.csv -o model --impute median --drop-text --d 16
        dima fit table.csv -o model --drop id --drop date
        dima fit X.npy -o model --dmap.alpha 0.5 --gplm.m 500 --ddpm.n-iter 5000
        dima fit X.npy -o model --config settings.toml
    """
    targets.model(to, overwrite)
    if page is not None:
        targets.file(page, kinds=(".html",))
    elif hold_out is not None:
        fix = "Add --report report.html, or leave it out to fit to all rows."
        raise SettingError(f"dima fit: --hold-out must be given with --report; got it alone. {fix}")
    parts: dict[str, Any] = {
        "dmap": settings.check("--dmap", DMAP, dmap or {}),
        "gplm": settings.check("--gplm", GPLM, gplm or {}),
        "prior": _prior(None if no_prior else prior, settings.check("--ddpm", DDPM, ddpm or {})),
        # The others are arrays: their columns are alike.
        "columns": "auto" if Path(data).suffix.lower() in inputs.TABLES else "raw",
        **settings.check("dima fit", ManifoldAutoencoder, model or {}),
    }
    found = inputs.table(data, drop_text, common, keep_words=True, missing=True, drop=drop or ())
    labels = None if label is None else found.split_off(label)[1]
    train, held_out = _split(found, page, hold_out, common.seed or 0, labels)
    fitted = ManifoldAutoencoder(**parts, **common.seeded())
    if sys.stderr.isatty() and not common.quiet:
        output.note(f"Fitting to {len(train.values)} rows of {train.values.shape[1]} columns.")
    fitted.fit(train, label)
    # First the model, then its report: a report that fails costs no fit.
    persist.save(fitted, to)
    if page is not None:
        colours = None if label is None else np.array(held_out.split_off(label)[1])
        subject = report.Subject(Path(data).name, held_out, colours, train=train, seed=common.seed or 0)
        measured = evaluate(fitted, held_out, train=train, **common.seeded())
        save_report(page, report.build(fitted, measured, subject))
    if parts["columns"] == "auto" and not common.quiet:
        output.note(f"{_TOLD[_taken(fitted)]} --columns raw leaves them as they are.")
    inputs.note_filled(train, common, "drawn rows have none missing")
    _tell(fitted, to, page, found.left_out, common)


def _prior(wanted: str | None, values: dict[str, Any]) -> Any:
    """What the model takes for its prior; settings of a `DDPM` ask for one."""
    if values and wanted not in ("auto", "ddpm"):
        names = ", ".join(f"--ddpm.{name}" for name in values)
        given = "--no-prior" if wanted is None else f"--prior {wanted}"
        raise SettingError(f"dima fit: {given} must be given without --ddpm flags; got {names}.")
    border.device(values.get("device", "auto"))  # told now, not after encoder and decoder
    return values or wanted


def _taken(model: ManifoldAutoencoder) -> str:
    """How the columns of a fitted model were taken."""
    treatment: str = model.fit_.rows.columns.treatment
    return treatment


def _split(
    found: Table, page: Path | None, hold_out: float | None, seed: int, labels: list[Any] | None
) -> tuple[Table, Table]:
    n = len(found.values)
    if page is None:
        return found, found.take(slice(0))
    train, test = train_test(n, _HOLD_OUT if hold_out is None else hold_out, seed, labels)
    if len(test) < FEWEST:
        rule, fix = f"at least {FEWEST} rows", "Raise --hold-out, or fit without --report."
        raise SettingError(f"dima fit: --hold-out must be {rule}; got {len(test)} of {n}. {fix}")
    return found.take(train), found.take(test)


def _tell(
    model: ManifoldAutoencoder, to: Path, page: Path | None, left_out: list[str], common: Common
) -> None:
    facts, stages = model.facts(), [dataclasses.asdict(stage) for stage in model.stages_]
    if common.as_json:
        output.json({"model": to, "report": page, **facts, "stages": stages, "left_out": left_out})
    elif not common.quiet:
        output.stages(model.stages_)
        output.lines("")
        output.pairs(output.in_words(facts))
        output.lines("", f"Model: {to}", *([f"Report: {page}"] if page else []), "", "Next:")
        at = shlex.quote(str(to))
        rows = model.fit_.rows
        kind = "csv" if _taken(model) != "raw" or rows.columns.words or rows.label else "npy"
        train = " --train TRAIN.csv" if model.classes_ else ""
        output.lines(
            f"  dima encode {at} NEW.{kind} -o Z.npy", f"  dima evaluate {at} HELD_OUT.{kind}{train}"
        )
        if model.prior_ is not None:
            output.lines(f"  dima sample {at} -n 1000 -o samples.{kind}")
