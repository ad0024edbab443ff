"""`dima fit`: a table in, a saved model out, with every declared setting as a flag."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from dima import settings
from dima.cli import flags, inputs, output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.data.split import train_test
from dima.errors import SettingError
from dima.figures.report import save_report
from dima.latent import border
from dima.latent.ddpm import DDPM
from dima.manifold.dmap import DMAP
from dima.manifold.gplm import GPLM
from dima.model import persist, report
from dima.model.evaluate import evaluate
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.typing import Array

__all__ = ["fit"]

_HOLD_OUT = 0.2
_FEWEST = 10  # held-out rows that can be measured
_PAGE = Parameter(name="--report", help="page (.html) with pictures and held-out figures")
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
    prior: Annotated[bool, Parameter(help="fit the latent prior, which samples and refines")] = True,
    page: Annotated[Path | None, _PAGE] = None,
    hold_out: Annotated[float | None, _SHARE] = None,
    drop_text: flags.DropText = False,
    overwrite: flags.Overwrite = False,
    dmap: flags.Settings = None,
    gplm: flags.Settings = None,
    ddpm: flags.Settings = None,
    common: Common = EVERYWHERE,
) -> None:
    """Fit a model to a table of numbers and save it.

    What is not given is chosen: bandwidths, ridge and neighbours from the data.

    Examples:
        dima fit X.npy -o model
        dima fit table.csv -o model --drop-text --d 16 --report report.html
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
        "prior": _prior(prior, settings.check("--ddpm", DDPM, ddpm or {})),
        **settings.check("dima fit", ManifoldAutoencoder, model or {}),
    }
    found = inputs.table(data, drop_text, common)
    train, held_out = _split(found.values, page, hold_out, common.seed or 0)
    fitted = ManifoldAutoencoder(**parts, **common.seeded())
    if sys.stderr.isatty() and not common.quiet:
        output.note(f"Fitting to {len(train)} rows of {train.shape[1]} columns.")
    with common.bars():
        fitted.fit(train, columns=found.columns)
        # First the model, then its report: a report that fails costs no fit.
        persist.save(fitted, to)
        if page is not None:
            subject = report.Subject(Path(data).name, held_out, seed=common.seed or 0)
            measured = evaluate(fitted, held_out, **common.seeded())
            save_report(page, report.build(fitted, measured, subject))
    _tell(fitted, to, page, found.left_out, common)


def _prior(wanted: bool, values: dict[str, Any]) -> dict[str, Any] | None:
    if wanted:
        border.device(values.get("device", "auto"))  # told now, not after encoder and decoder
        return values
    if values:
        names = ", ".join(f"--ddpm.{name}" for name in values)
        raise SettingError(f"dima fit: --no-prior must be given without --ddpm flags; got {names}.")
    return None


def _split(X: Array, page: Path | None, hold_out: float | None, seed: int) -> tuple[Array, Array]:
    if page is None:
        return X, X[:0]
    train, test = train_test(len(X), _HOLD_OUT if hold_out is None else hold_out, seed)
    if len(test) < _FEWEST:
        rule, fix = f"at least {_FEWEST} rows", "Raise --hold-out, or fit without --report."
        raise SettingError(f"dima fit: --hold-out must be {rule}; got {len(test)} of {len(X)}. {fix}")
    return X[train], X[test]


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
        output.lines(f"  dima encode {at} NEW.npy -o Z.npy", f"  dima evaluate {at} HELD_OUT.npy")
        if model.prior_ is not None:
            output.lines(f"  dima sample {at} -n 1000 -o samples.npy")
