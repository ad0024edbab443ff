"""`dima image evaluate`: how good a model of images is, every figure beside its floor."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common, whole
from dima.cli.image import places
from dima.cli.image.flags import CacheDir, Data, Guidance, OnlyDigit
from dima.cli.image.use import Ckpt, open_model
from dima.data import images
from dima.figures.report import save_report
from dima.model.evaluate.images import COLUMNS, both_labels, evaluate_images, shipped_judges, summary
from dima.model.report.images import image_report
from dima.model.report.subject import Subject
from dima.noise import sampling

__all__ = ["evaluate"]

_N = Parameter(
    name=["--n", "-n"], help="images drawn and compared", converter=whole, validator=Number(gte=10)
)
_JUDGES = {"mnist": "mnist", "fashion-mnist": "fashion-mnist", "fashion-mnist-1000": "fashion-mnist"}
_BY = Parameter(
    help="networks that judge: those of the data if not given, of mnist where the data have none",
    choices=sorted(set(_JUDGES.values())),
)


@flags.takes(chosen=flags.of(sampling.table, name="*"))
def evaluate(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Ckpt,
    data: Data = "mnist",
    judges: Annotated[str | None, _BY] = None,
    only_digit: OnlyDigit = None,
    n: Annotated[int, _N] = 10_000,
    page: flags.Page = None,
    guidance: Guidance = 1.0,
    chosen: flags.Settings = None,
    cache_dir: CacheDir = None,
    common: Common = EVERYWHERE,
) -> None:
    """Measure generated images and reconstructions, by two judges, beside what real images get.

    The floor of a figure is the same figure of as many training images against the test images.

    Examples:
        dima image evaluate --ckpt outputs/checkpoints/RUN/latest
        dima image evaluate --ckpt outputs/checkpoints/RUN -n 2000 --solver dpmpp_2m --report report.html
    """
    if page is not None:
        targets.file(page, kinds=(".html",))
    model, kept = open_model(ckpt), places.cache_folder(cache_dir)
    by = judges or _JUDGES.get(data, "mnist")
    train, held_out = (images.load(data, split, only_digit, kept) for split in ("train", "test"))
    labels = both_labels(train, held_out)
    figures = evaluate_images(
        model,
        train.images,
        held_out.images,
        judges=shipped_judges(by),
        labels=labels,
        n=n,
        guidance=guidance,
        **(chosen or {}),
        **common.seeded(),
    )
    if page is not None:
        subject = Subject(f"{ckpt.name} on {data}", held_out.images, held_out.labels, train=train.images)
        save_report(page, image_report(model, figures, subject))
    compared = min(n, len(train.images), len(held_out.images))
    if common.as_json:
        told = {"model": ckpt, "report": page, "judges": by, "n": compared}
        output.json(told | {"figures": [asdict(figure) for figure in figures]})
    elif not common.quiet:
        # Networks of digits see other images through digits: whose they are belongs beside the figures.
        output.table([*COLUMNS[:-1], f"{COLUMNS[-1]} (networks of {by})"], summary(figures))
        classes = "" if labels else " Without labels there are no figures of classes."
        output.lines("", f"{compared} images drawn, beside as many test and training images.{classes}")
        output.lines(*([f"\nReport: {page}"] if page else []))
