"""Verbs that put a model to work: encode, decode, reconstruct and sample."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter

from dima.cli import flags, inputs, targets
from dima.cli.flags import EVERYWHERE, Common, Data, DropText, Model, Output
from dima.errors import SettingError
from dima.latent.ddpm import DDPM
from dima.metrics.reconstruction import error_over_variance
from dima.model import persist
from dima.model.latent_model import LatentModel
from dima.noise import sampling

_CLASS = Parameter(
    name="--class",
    help="class to draw, of a model with labels: NAME, or NAME=ROWS once for each",
    negative="",
)
_N = 1000
_ROWS = Parameter(name=["--n", "-n"], help="rows to draw", show_default=str(_N))
__all__ = ["decode", "encode", "reconstruct", "sample"]


def encode(
    model: Model, data: Data, /, *, to: Output, drop_text: DropText = False, common: Common = EVERYWHERE
) -> None:
    """Encode rows into their latents.

    Latents are normalised: mean 0 and standard deviation 1 over the training rows. The same rows
    give the same latents; nothing is drawn at random.

    Examples:
        dima encode model X.npy -o Z.npy
    """
    targets.file(to, data)
    opened = persist.load(model)
    Z = inputs.method(opened, "encode")(inputs.rows(opened, data, drop_text, common))
    inputs.finish(to, Z, common, [f"z{axis}" for axis in range(1, Z.shape[1] + 1)])


@flags.takes(refining=flags.of(DDPM.refine, without={"seed", "solver"}, name="*"))
def decode(
    model: Model,
    data: Annotated[str, Parameter(name="Z", help="latents, as `dima encode` writes them")],
    /,
    *,
    to: Output,
    refine: Annotated[bool, flags.switch("let the prior pull latents onto the learned ones first")] = False,
    refining: flags.Settings = None,
    common: Common = EVERYWHERE,
) -> None:
    """Decode latents into rows.

    With --refine, the prior first pulls the latents to the learned ones.

    Examples:
        dima decode model Z.npy -o X.npy
        dima decode model Z.npy -o X.npy --refine --t-start 10
    """
    if refining and not refine:
        names = ", ".join("--" + name.replace("_", "-") for name in refining)
        raise SettingError(f"dima decode: {names} must be given with --refine; got it alone.")
    targets.file(to, data)
    Z, opened = inputs.table(data, False, common).values, persist.load(model)
    if refine:
        Z = inputs.method(opened, "refine")(Z, **(refining or {}), **common.seeded())
    X = inputs.method(opened, "decode")(Z)
    inputs.finish(to, inputs.as_table(opened, X), common)


def reconstruct(
    model: Model, data: Data, /, *, to: Output, drop_text: DropText = False, common: Common = EVERYWHERE
) -> None:
    """Encode rows and decode them again: what the model keeps of them.

    Tells the squared error over the variance, 0 for perfect and 1 for no better than the mean.

    Examples:
        dima reconstruct model X.npy -o X_hat.npy
    """
    targets.file(to, data)
    opened = inputs.whole(model, "reconstruct")
    X = inputs.rows(opened, data, drop_text, common)
    Z, numbers = opened.transform(X), opened.numbers(X)
    error = error_over_variance(numbers, opened.decoded(Z), opened.fit_.mean_X)
    rebuilt = inputs.as_table(opened, opened.inverse_transform(Z))
    inputs.finish(to, rebuilt, common, error_over_variance=float(error))


@flags.takes(chosen=flags.of(sampling.table, name="*"))
def sample(  # noqa: PLR0913 each argument is a flag
    model: Model,
    /,
    *,
    to: Output,
    n: Annotated[flags.Count | None, _ROWS] = None,
    of_class: Annotated[list[str] | None, _CLASS] = None,
    latent: Annotated[bool, flags.switch("write the latents instead of rows")] = False,
    chosen: flags.Settings = None,
    common: Common = EVERYWHERE,
) -> None:
    """Draw new rows from the prior; equal seeds draw equal rows.

    Examples:
        dima sample model -n 1000 -o X.npy
        dima sample model --class red=20 --class white=80 -o new.csv
        dima sample model -n 1000 -o Z.npy --latent --solver ddpm --steps 100
    """
    targets.file(to)
    opened = persist.load(model)
    is_whole = isinstance(opened, LatentModel)  # a prior alone has nothing to decode with, nor classes
    wanted: dict[str, Any] = {"decode": not latent} if is_whole else {}
    if of_class is not None:
        n, wanted["y"] = _labels(of_class, n)
    n = _N if n is None else n
    drawn = inputs.method(opened, "sample")(n, **wanted, **(chosen or {}), **common.seeded())
    inputs.finish(to, drawn if latent else inputs.as_table(opened, drawn), common)


def _labels(of_class: Sequence[str], n: int | None) -> tuple[int | None, str | list[str]]:
    """How many rows to draw, `n` of a class without a number, and its label, or that of each row.

    Raises:
        SettingError: a number of rows is none, is missing where there are several classes, or `n` is another.
    """
    labels: list[str] = []
    for asked in of_class:
        name, has_count, count = asked.rpartition("=") if "=" in asked else (asked, "", "")
        if not has_count and len(of_class) == 1:
            return n, name
        if not count.isdecimal() or int(count) < 1:
            rule, fix = "NAME=ROWS", f"Write --class {name or asked}=100."
            raise SettingError(
                f"dima sample: --class must be {rule} where several are asked; got {asked}. {fix}"
            )
        labels += [name] * int(count)
    if n not in (None, len(labels)):
        rule, fix = f"{len(labels)}, the rows that --class asks for", "Leave it out."
        raise SettingError(f"dima sample: -n must be {rule}; got {n}. {fix}")
    return len(labels), labels
