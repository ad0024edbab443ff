"""Verbs that put a model to work: encode, decode, reconstruct and sample."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.errors import SettingError, sentence

if TYPE_CHECKING:
    from dima.data.table import Table
    from dima.model.autoencoder import ManifoldAutoencoder
    from dima.typing import Array

__all__ = ["decode", "encode", "opened", "reconstruct", "sample", "table"]


def encode(
    model: flags.Model,
    data: flags.Data,
    /,
    *,
    to: flags.Output,
    drop_text: flags.DropText = False,
    common: Common = EVERYWHERE,
) -> None:
    """Encode rows into their latents.

    Latents are normalised: mean 0 and standard deviation 1 over the training rows. The same rows
    give the same latents; nothing is drawn at random.
    """
    targets.table(to, data)
    X, fitted = table(data, drop_text, common).values, opened(model)
    _finish(to, fitted.transform(X), common)


def decode(  # noqa: PLR0913 each argument is a flag
    model: flags.Model,
    data: Annotated[str, Parameter(name="Z", help="latents, as `dima encode` writes them")],
    /,
    *,
    to: flags.Output,
    refine: Annotated[
        bool,
        Parameter(
            help="let the prior pull the latents onto the learned ones first",
            negative="",
            show_default=False,
        ),
    ] = False,
    t_start: Annotated[
        flags.Whole,
        Parameter(help="level --refine starts from, 0 to T - 1", show_default=lambda _: 10),
    ] = None,
    add_noise: Annotated[
        bool | None,
        Parameter(
            help="noise up to that level first; without, the latents are taken to be that noisy",
            show_default=lambda _: True,
        ),
    ] = None,
    common: Common = EVERYWHERE,
) -> None:
    """Decode latents into rows."""
    asked: dict[str, Any] = {"t_start": t_start, "add_noise": add_noise}
    refining = {name: value for name, value in asked.items() if value is not None}
    if refining and not refine:
        got = ", ".join("--" + name.replace("_", "-") for name in refining)
        raise SettingError(sentence("dima decode", got, "given with --refine", "it alone"))
    targets.table(to, data)
    Z, fitted = table(data, False, common).values, opened(model)
    with common.bars():
        if refine:
            Z = fitted.refine(Z, **refining, **common.seeded())
        _finish(to, fitted.inverse_transform(Z), common)


def reconstruct(
    model: flags.Model,
    data: flags.Data,
    /,
    *,
    to: flags.Output,
    drop_text: flags.DropText = False,
    common: Common = EVERYWHERE,
) -> None:
    """Encode rows and decode them again: what the model keeps of them.

    Tells the squared error over the variance, 0 for perfect and 1 for no better than the mean.
    """
    targets.table(to, data)
    X, fitted = table(data, drop_text, common).values, opened(model)
    # Metrics bring SciPy: the list of verbs does without.
    from dima.metrics.reconstruction import error_over_variance

    X_hat = fitted.inverse_transform(fitted.transform(X))
    error = error_over_variance(X, X_hat, fitted.gplm_.mu_X_)
    _finish(to, X_hat, common, {"error_over_variance": float(error)})


def sample(  # noqa: PLR0913 each argument is a flag
    model: flags.Model,
    /,
    *,
    to: flags.Output,
    n: Annotated[
        int,
        Parameter(name=["--n", "-n"], help="rows to draw", converter=flags.whole, validator=Number(gte=1)),
    ] = 1000,
    solver: Annotated[
        str | None,
        Parameter(help="ddim, ddpm, dpmpp_2m, heun, unipc_2 ... by name", show_default=lambda _: "ddim"),
    ] = None,
    steps: Annotated[
        flags.Whole,
        Parameter(help="evaluations of the network, 1 to T; if not given 50 for ddim, T for ddpm"),
    ] = None,
    eta: Annotated[
        float | None, Parameter(help="share of fresh noise, 0 to 1; the solver's own if not given")
    ] = None,
    latent: Annotated[
        bool,
        Parameter(help="write the latents instead of rows", negative="", show_default=False),
    ] = False,
    common: Common = EVERYWHERE,
) -> None:
    """Draw new rows from the prior.

    Equal seeds draw equal rows.
    """
    targets.table(to)
    asked: dict[str, Any] = {"solver": solver, "steps": steps, "eta": eta}
    chosen = {name: value for name, value in asked.items() if value is not None}
    with common.bars():
        drawn = opened(model).sample(n, decode=not latent, **chosen, **common.seeded())
    _finish(to, drawn, common)


def table(data: str, drop_text: bool, common: Common) -> "Table":
    """Read a table, and say which of its columns were left out."""
    # The readers bring NumPy, which `--help` does without.
    from dima.data import read

    found = read.table(data, drop_text)
    if found.left_out and not common.quiet:
        output.note(f"Left out: {', '.join(found.left_out)}.")
    return found


def opened(path: Path) -> "ManifoldAutoencoder":
    """Open a saved model that encodes and decodes.

    Raises:
        ArtifactError: there is none, it is damaged, or it is a part alone.
    """
    # The engines load here: a missing or misspelt file was told before.
    from dima.model import persist
    from dima.model.autoencoder import ManifoldAutoencoder

    model = persist.load(path)
    persist.require(model, ManifoldAutoencoder, str(path))
    fitted: ManifoldAutoencoder = model
    return fitted


def _finish(to: Path, values: "Array", common: Common, told: dict[str, Any] | None = None) -> None:
    """Write the result and say so."""
    targets.save(to, values)
    known = {"output": to, "shape": list(values.shape), "dtype": str(values.dtype)} | (told or {})
    if common.as_json:
        output.json(known)
    elif not common.quiet:
        beside = "".join(f", {name.replace('_', ' ')} {output.shown(v)}" for name, v in (told or {}).items())
        output.lines(f"{to}: {values.shape[0]} x {values.shape[1]}{beside}")
