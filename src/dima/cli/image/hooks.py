"""`dima image hooks`: what functions on the features of a one-step decoder do to its images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter, Token
from cyclopts.validators import Number

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common, whole
from dima.cli.image import places
from dima.cli.image.direct import Teacher, open_teacher
from dima.cli.image.flags import CacheDir, Data
from dima.cli.image.pictures import save_grid, save_rows
from dima.data import images as image_sets
from dima.errors import DataError, SettingError
from dima.figures import png
from dima.figures.bars import shares
from dima.files import replace_file
from dima.image.direct.pairs import network_identity
from dima.image.hooks import Amplify, Bias, Dampen, Hook, load_recipe, save_recipe
from dima.image.hooks.leverage import sites_of, with_donors
from dima.image.hooks.shown import images, ways
from dima.model.direct import DirectModel
from dima.typing import Float32

__all__ = ["hooks"]

_OWNER = "dima image hooks"
_DECODER = Parameter(help="a model of dima image fit-direct, or the folder of its results")
_FOLDER = Parameter(name=["--output-dir", "-o"], help="folder of results")
_N = Parameter(help="images of a picture", converter=whole, validator=Number(gte=1, lte=1000))
_SITE = Parameter(help="where features are amplified, dampened and biased, as in the table: mid, mid + skips")
_STRENGTH = Parameter(
    help="shares of the way from one image's features to another's",
    validator=Number(gte=0, lte=1),
    consume_multiple=True,
    negative="",
    show_default=lambda shares: " ".join(f"{share:g}" for share in shares),
)
_RECIPE = Parameter(help="folder of saved hooks to make images with too")


def _whole_numbers(kind: type, tokens: Sequence[Token]) -> list[int]:
    return [whole(kind, [token]) for token in tokens]


_NUMBERS: dict[str, Any] = {"converter": _whole_numbers, "consume_multiple": True, "negative": ""}
_TOWARD = Parameter(help="numbers of training images toward whose features to go", **_NUMBERS)
_AWAY = Parameter(help="numbers of training images from whose features to turn", **_NUMBERS)
_SHARE = Parameter(help="share of the way that --toward and --away go", validator=Number(gte=0, lte=1))

_READY: dict[str, Hook] = {"amplified": Amplify(1.2), "dampened": Dampen(0.8), "biased": Bias(0.5)}
_WAYS = 3  # pairs between which the picture of ways goes
_GROUPS = ("mid", "skips", "mid + skips")


def hooks(  # noqa: PLR0913 each argument is a flag
    *,
    ddpm_ckpt: Teacher,
    decoder_ckpt: Annotated[Path, _DECODER],
    n_samples: Annotated[int, _N] = 36,
    site: Annotated[str, _SITE] = "mid",
    strength: Annotated[tuple[float, ...], _STRENGTH] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    recipe: Annotated[Path | None, _RECIPE] = None,
    toward: Annotated[list[int] | None, _TOWARD] = None,
    away: Annotated[list[int] | None, _AWAY] = None,
    data: Data = "mnist",
    share: Annotated[float, _SHARE] = 0.5,
    cache_dir: CacheDir = None,
    to: Annotated[Path, _FOLDER] = Path("hooks"),
    common: Common = EVERYWHERE,
) -> None:
    """Change the features of a one-step decoder on the way, and measure which of them the images follow.

    Leverage of a site: how far an image goes to another's when that one's features are put in its place,
    from 0 to 1. All pictures are of the same noise, each in its own range of greys.

    Writes into the folder: samples_standard.png, samples_amplified.png (features times 1.2),
    samples_dampened.png (times 0.8), samples_biased.png (plus 0.5), samples_interpolation.png (from one
    image's features to another's, at the bottleneck, at the skips, at both; a column a strength), and
    leverage.png. With --toward and --away, which name training images of --data by the numbers they have in
    dima image attribute, samples_toward.png and samples_away.png too, and recipe_toward and recipe_away,
    for --recipe.

    Examples:
        dima image hooks --ddpm-ckpt teacher --decoder-ckpt direct --n-samples 36 --output-dir hooks
        dima image hooks --ddpm-ckpt teacher --decoder-ckpt direct --site "mid + skips" --strength 0 0.5 1
        dima image hooks --ddpm-ckpt teacher --decoder-ckpt direct --recipe recipe --json
        dima image hooks --ddpm-ckpt teacher --decoder-ckpt direct --toward 12 57 --away 3 --data mnist
    """
    model = _open(ddpm_ckpt, decoder_ckpt)
    network = model.network()
    own = {} if recipe is None else {"recipe": load_recipe(recipe)}
    members = sites_of(site, network.sites, _OWNER)
    examples = _training_images({"toward": toward or [], "away": away or []}, data, cache_dir)
    make = {"toward": model.toward, "away": model.away}
    aims = {name: make[name](shown, share, site) for name, shown in examples.items()}
    folder, seed = targets.folder(to, _OWNER), common.seeded().get("seed", 0)
    noise, donors = with_donors(network, n_samples, seed)

    ready = {name: dict.fromkeys(members, hook) for name, hook in _READY.items()}
    for name, chosen in (own | {"standard": {}} | ready | aims).items():
        save_grid(folder / f"samples_{name}.png", images(network, noise, chosen))
    for name, chosen in aims.items():
        save_recipe(folder / f"recipe_{name}", chosen)
    rows = ways(network, noise[:_WAYS], donors[:_WAYS], _GROUPS, strength)
    save_rows(folder / "samples_interpolation.png", rows)
    found = model.leverage(n=n_samples, seed=seed)
    chart = shares(found, "Which features the image follows", "leverage: share of the way to the donor")
    replace_file(folder / "leverage.png", png(chart), "picture", DataError)

    if common.as_json:
        output.json({"folder": folder, "leverage": found})
    elif not common.quiet:
        output.table(("site", "leverage"), [(name, f"{value:.3f}") for name, value in found.items()])
        output.lines("", f"Pictures: {folder}")


def _training_images(named: dict[str, list[int]], data: str, cache_dir: Path | None) -> dict[str, Float32]:
    """Training images of a set by the numbers that each flag gives; flags without are left out.

    Raises:
        SettingError: no training image has such a number.
        DataError: there is no such set.
    """
    asked = {flag: numbers for flag, numbers in named.items() if numbers}
    if not asked:
        return {}
    known = image_sets.load(data, "train", cache_dir=places.cache_folder(cache_dir))
    places_of = np.arange(len(known.images)) if known.rows is None else known.rows
    at = {number: place for place, number in enumerate(places_of.tolist())}
    for flag, numbers in asked.items():
        if missing := [number for number in numbers if number not in at]:
            rule = f"numbers of training images of {data}, among {min(at)} to {max(at)}"
            if gaps := max(at) - min(at) + 1 - len(at):
                rule += f" without {gaps} that are held out for testing"
            raise SettingError(f"{_OWNER}: --{flag} must be {rule}; got {', '.join(map(str, missing))}.")
    return {flag: known.images[[at[number] for number in numbers]] for flag, numbers in asked.items()}


def _open(ddpm_ckpt: Path, decoder_ckpt: Path) -> DirectModel:
    """A decoder that was distilled from that teacher.

    Raises:
        ArtifactError: one of them is not there, or something else.
        SettingError: the decoder is another teacher's.
    """
    teacher = open_teacher(ddpm_ckpt, "--ddpm-ckpt")
    decoder = places.open_kind("--decoder-ckpt", decoder_ckpt, DirectModel, "dima image fit-direct")
    theirs, own = network_identity(teacher.fit_.network), decoder.fit_.teacher_identity
    if own not in (theirs, None):  # older saves do not say
        rule, fix = f"one of teacher {theirs}", "Pass the model it was distilled from as --ddpm-ckpt."
        raise SettingError(f"--decoder-ckpt: {decoder_ckpt} must be {rule}; got one of {own}. {fix}")
    return decoder
