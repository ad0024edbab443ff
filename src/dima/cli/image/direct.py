"""`dima image make-pairs` and `fit-direct`: a teacher's pairs, and the one-step decoder learnt from them."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from dima import settings
from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common, Count
from dima.cli.image import places
from dima.cli.image.pictures import save_grid, save_rows
from dima.data import images
from dima.errors import SettingError
from dima.model import persist
from dima.model.direct import DirectModel, pairs_of
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.pixel_diffusion import PixelDiffusion
from dima.noise.solver import SOLVERS
from dima.typing import Float32

__all__ = ["fit_direct", "make_pairs", "open_teacher"]

_OWNER = "dima image fit-direct"
_TEACHER = Parameter(help="a model of dima image fit-ddpm, or the folder of its results")
_FOLDER = Parameter(name=["--output-dir", "-o"], help="folder of results")
_IMAGES = Parameter(help="images for --method consistency, which needs no pairs: mnist, a folder or a file")
_PAIRS = Parameter(help="pairs that a latent diffusion makes and learns from; 200,000 if not given")
_AGAIN = "dima image fit-direct, in another folder"
_SAMPLED = 64  # images of a picture
_COMPARED = 10  # images beside the teacher's

Teacher = Annotated[Path, _TEACHER]


def make_pairs(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Teacher,
    n_samples: Annotated[Count, Parameter(help="pairs to make")] = 60_000,
    batch_size: Annotated[Count, Parameter(help="pairs walked at a time")] = 100,
    solver: Annotated[str, Parameter(help="sampler of the teacher, by name", choices=SOLVERS)] = "dpmpp_2m",
    steps: Annotated[Count, Parameter(help="steps of its walk", validator=Number(lte=1000))] = 16,
    to: Annotated[Path, _FOLDER] = Path("pairs"),
    common: Common = EVERYWHERE,
) -> None:
    """Let a trained diffusion model make pairs of noise and image, for dima image fit-direct.

    The folder grows in files of 1,000 images; what is there stays, so the same command goes on after a kill.
    Keep to a solver that adds no noise: after an ancestral walk an image does not follow from its noise.

    Examples:
        dima image make-pairs --ckpt teacher --n-samples 60000 --output-dir pairs
        dima image make-pairs --ckpt teacher/model --solver ddim --steps 30 --output-dir pairs30
    """
    teacher = open_teacher(ckpt)
    folder = targets.folder(to, "dima image make-pairs")
    how: dict[str, Any] = {"solver": solver, "steps": steps, "batch_size": batch_size, **common.seeded()}
    pairs = pairs_of(teacher, n_samples, folder, **how)
    if common.as_json:
        output.json({"pairs": folder, "n": pairs.plan.n, "teacher": pairs.plan.teacher})
    elif not common.quiet:
        output.lines(f"{folder}: {pairs.plan.n} pairs", "", "Next:")
        output.lines(f"  dima image fit-direct --ddpm-ckpt {ckpt} --data-path {folder} --output-dir direct")


@flags.takes(chosen=flags.of(DirectModel, without={"seed"}, name="*"))
def fit_direct(  # noqa: PLR0913 each argument is a flag
    *,
    ddpm_ckpt: Annotated[Path, Parameter(help="a model of dima image fit-latent or fit-ddpm, or its folder")],
    data_path: Annotated[Path | None, Parameter(help="pairs of make-pairs, for a model of fit-ddpm")] = None,
    data: Annotated[str | None, _IMAGES] = None,
    n_pairs: Annotated[Count | None, _PAIRS] = None,
    to: Annotated[Path, _FOLDER] = Path("direct"),
    chosen: flags.Settings = None,
    overwrite: flags.Overwrite = False,
    common: Common = EVERYWHERE,
) -> None:
    """Distil a diffusion model into one step.

    A latent diffusion learns where its sampler takes noise in latent space, from pairs that it makes itself,
    which costs minutes, and less with fewer --n-pairs. A diffusion of pixels gets a new decoder behind its
    frozen encoder, and learns from --data-path, or is trained further on the images of --data; the other
    flags are of that, and refused without. Writes into the folder: model, teacher_and_student.png, run (what
    a run that was killed goes on from) and, for pixels, best_model, ckpt_epoch_XXX and samples_epoch_XXX.png
    by epoch. Models of a folder without a run are replaced with --overwrite alone.

    Examples:
        dima image fit-direct --ddpm-ckpt outputs/checkpoints/RUN/latest --output-dir direct
        dima image fit-direct --ddpm-ckpt teacher --data-path pairs --output-dir direct
        dima image fit-direct --ddpm-ckpt teacher --data-path pairs --epochs 10 --lr 1e-4 --loss pseudo-huber
        dima image fit-direct --ddpm-ckpt teacher --method consistency --data mnist --epochs 10
    """
    checked = settings.check(_OWNER, DirectModel, chosen or {})
    folder = targets.results(to, _OWNER, ("model", "best_model"), overwrite or (to / "run").exists())
    if data_path is not None and data is not None:
        rule, fix = "one of --data-path and --data", "Leave one out."
        raise SettingError(f"{_OWNER}: what is learnt from must be {rule}; got both. {fix}")
    is_latent = data_path is None and data is None
    if is_latent:
        own = {} if n_pairs is None else {"n_pairs": n_pairs}
        model: Any = _in_latents(ddpm_ckpt, folder, list(checked), **own, **common.seeded())
    elif n_pairs is not None:
        why = "--data-path, whose pairs are there" if data is None else "--data, which takes none"
        rule, fix = f"left out with {why}", "Make fewer by dima image make-pairs."
        raise SettingError(f"{_OWNER}: --n-pairs must be {rule}; got {n_pairs}. {fix}")
    else:
        teacher = open_teacher(ddpm_ckpt, "--ddpm-ckpt")
        learnt_from = data_path or images.load(str(data), "train").images
        model = _in_pixels(teacher, learnt_from, folder, DirectModel(**checked, **common.seeded()))
    persist.save(model, folder / "model")
    if common.as_json:
        output.json({"model": folder / "model", **model.facts()})
    elif not common.quiet:
        output.pairs(output.in_words(model.facts()))
        place = folder / "model"
        output.lines("", f"Model: {place}", "", "Next:")
        if is_latent:
            output.lines(f"  dima image sample --ckpt {place} --steps 1 --output generated.png")
        else:
            output.lines(
                f"  dima image hooks --ddpm-ckpt {ddpm_ckpt} --decoder-ckpt {place} --output-dir hooks"
            )


def _in_latents(
    ckpt: Path, folder: Path, given: list[str], seed: int = 0, **of_prior: int
) -> LatentDiffusion:
    teacher = places.open_kind(
        "--ddpm-ckpt", ckpt, LatentDiffusion, "dima image fit-latent, or pass --data-path"
    )
    if given:
        got = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        rule, fix = "flags of training must be left out for a latent diffusion", "Leave them out."
        raise SettingError(f"{_OWNER}: {rule}; got {got}. {fix}")
    with places.goes_on():
        model = teacher.distilled(folder / "run", seed=seed, **of_prior)
    _save_comparison(teacher, model, folder, seed + 1)
    return model


def _in_pixels(
    teacher: PixelDiffusion, learnt_from: Path | Float32, folder: Path, model: DirectModel
) -> DirectModel:
    place = folder / "best_model"
    # A run that goes on has its best behind it already.
    is_resumed = (folder / "run").exists() and place.exists()
    best = places.open_kind("--output-dir", place, DirectModel, _AGAIN).r2_ if is_resumed else -float("inf")

    def after_epoch(so_far: DirectModel, epoch: int) -> None:
        nonlocal best
        persist.save(so_far, folder / f"ckpt_epoch_{epoch:03d}")
        if so_far.r2_ > best:
            best = so_far.r2_
            persist.save(so_far, place)
        save_grid(folder / f"samples_epoch_{epoch:03d}.png", so_far.sample(_SAMPLED, seed=model.seed))

    with places.goes_on():
        model.fit(teacher, learnt_from, checkpoint=folder / "run", watch=after_epoch)
    _save_comparison(teacher, model, folder, model.seed + 1)
    return model


def open_teacher(ckpt: Path, flag: str = "--ckpt") -> PixelDiffusion:
    """The saved diffusion model of pixels that a flag names: at a path, or in the folder of its results.

    Raises:
        ArtifactError: there is none, or something else.
    """
    return places.open_kind(flag, ckpt, PixelDiffusion, "dima image fit-ddpm")


def _save_comparison(teacher: Any, model: Any, folder: Path, seed: int) -> None:
    """The same noise, which was not learnt from, by the teacher, by one pass and by two."""
    rows = {
        "teacher": teacher.sample(_COMPARED, solver="dpmpp_2m", seed=seed),
        "one pass": model.sample(_COMPARED, seed=seed),
        "two passes": model.sample(_COMPARED, steps=2, seed=seed),
    }
    save_rows(folder / "teacher_and_student.png", rows)
