"""Where image runs lie: the tree of results below one folder, names of runs, and what is found in it."""

import contextlib
import dataclasses
import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dima.cli import targets
from dima.errors import ArtifactError, DataError
from dima.files import one_sentence, read_plain_file
from dima.model import foreign, persist
from dima.model.autoencoder import Autoencoder
from dima.model.latent_model import LatentModel
from dima.store.artifact import models_below
from dima.store.contents import CONFIG, LIMITS, MANIFEST, Config
from dima.store.decode import decode

__all__ = [
    "AUTOENCODERS",
    "Tree",
    "cache_folder",
    "goes_on",
    "newest_run",
    "open_autoencoder",
    "open_kind",
    "output_folder",
    "run_name",
    "run_to_use",
]

AUTOENCODERS = "autoencoders"  # folder below the results
Estimator = TypeVar("Estimator")

_FOREIGN = "foreign"
_RUN = "run"  # folder of a training, below that of its results
_ORDER = ("conv", "mlp", _FOREIGN)  # of kinds, where several autoencoders are found
_log = logging.getLogger("dima")


@dataclasses.dataclass(frozen=True)
class Tree:
    """The places of one run below the folder of all results.

    Attributes:
        outdir: folder of all results.
        run: name of the run.
    """

    outdir: Path
    run: str

    @property
    def checkpoints(self) -> Path:
        """Models by epoch, and the latest."""
        return self.outdir / "checkpoints" / self.run

    @property
    def samples(self) -> Path:
        """Pictures by epoch."""
        return self.outdir / "samples" / self.run

    @property
    def training(self) -> Path:
        """The run folder of the harness: metrics, events, and the checkpoint to go on from."""
        return self.outdir / "runs" / self.run

    @property
    def log(self) -> Path:
        """What was told on the way, line by line."""
        return self.outdir / "logs" / f"{self.run}.log"

    @contextlib.contextmanager
    def logged(self) -> Iterator[None]:
        """A block in which what the library tells is written to the log too, with the time.

        Raises:
            DataError: the log cannot be written.
        """
        targets.folder(self.log.parent, "dima image")
        with one_sentence(self.log, "dima image", DataError, "a file to write to"):
            handler, logger = logging.FileHandler(self.log, encoding="utf-8"), logging.getLogger("dima")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            handler.close()


@contextlib.contextmanager
def goes_on(how: str = "") -> Iterator[None]:
    """A block of training in a run folder; where it is stopped, a line tells how to go on.

    Args:
        how: what to add to the command, if the same command does not do.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        _log.info("To go on, give the same command again%s.", how and f" with {how}")
        raise


def output_folder() -> Path:
    """Where results go unless told otherwise: below $SCRATCH or $SLURM_TMPDIR, else here."""
    return _scratch() / "outputs"


def cache_folder(asked: Path | None) -> Path | None:
    """Where downloads are kept: as asked, else hf_cache if it is there; None fetches nothing."""
    usual = _scratch() / "hf_cache"
    return asked or (usual if usual.is_dir() else None)


def run_name(stem: str) -> str:
    """The name of a run that begins now."""
    return f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def run_to_use(outdir: Path, stem: str, auto_resume: bool) -> str:
    """The name of the newest run of a stem, if one is to go on, else of one that begins now."""
    older = newest_run(outdir, stem) if auto_resume else None
    if auto_resume and older is None:
        _log.info("No run %s-... to go on with in %s: a new one begins.", stem, outdir / "runs")
    return older or run_name(stem)


def newest_run(outdir: Path, stem: str) -> str | None:
    """The name of the newest run of a stem, by the time in it; None if there is none."""
    runs, form = outdir / "runs", re.compile(re.escape(stem) + r"-\d{8}-\d{6}")
    names = [path.name for path in runs.iterdir() if path.is_dir()] if runs.is_dir() else []
    return max(filter(form.fullmatch, names), default=None)


def open_autoencoder(ckpt: Path | None, ckpt_dir: Path | None, outdir: Path) -> tuple[Any, Path]:
    """The autoencoder at a path, or the newest in a folder or below the results: conv, then mlp, then .pt.

    One of a folder that does not open is passed over, with a line that says so. A torch checkpoint of others
    (.pt, .pth) is converted once, below the results.

    Raises:
        ArtifactError: there is none, or what is there is something else.
    """
    if ckpt is not None:
        return _opened(ckpt, outdir), ckpt
    folder = ckpt_dir or outdir
    for path in _candidates(folder):
        try:
            return _opened(path, outdir), path
        except ArtifactError as fault:
            _pass_over(path, fault)
    fix = "Make one with dima image fit-autoencoder, or name it with --ae-ckpt."
    raise ArtifactError(f"--ae-ckpt-dir: {folder} must hold a saved autoencoder; got none. {fix}")


def _opened(path: Path, outdir: Path) -> Any:
    is_foreign = path.suffix.lower() in foreign.SUFFIXES
    opened = persist.load(
        foreign.converted(path, outdir / AUTOENCODERS / "converted") if is_foreign else path
    )
    if isinstance(opened, LatentModel):
        opened = opened.fit_.autoencoder
    if not isinstance(opened, Autoencoder):
        got = type(opened).__name__
        fix = "Make one with dima image fit-autoencoder."
        raise ArtifactError(f"--ae-ckpt: {path} must be a saved autoencoder; got a {got}. {fix}")
    return opened


def open_kind(
    flag: str, path: Path, kind: type[Estimator] | tuple[type[Estimator], ...], verb: str
) -> Estimator:
    """The saved model of a kind, or of one of several, at a path, or in the folder of its results or its run.

    There it is called model, or is the latest.

    Raises:
        ArtifactError: there is none, or something else.
    """
    inside = [path / name for name in ("model", "latest") if (path / name).is_dir()]
    place = inside[0] if inside else path
    if place.is_dir() and not (place / MANIFEST).is_file():
        got, fix = _instead_of_a_model(place, verb)
        raise ArtifactError(f"{flag}: {place} must be a saved model; got {got}. {fix}")
    found = persist.load(place)
    if isinstance(found, kind):
        return found
    names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    got, fix = type(found).__name__, f"Make one with {verb}."
    raise ArtifactError(f"{flag}: {place} must be a saved {names}; got a {got}. {fix}")


def _instead_of_a_model(place: Path, verb: str) -> tuple[str, str]:
    """What a folder without a model is, and what to do about it."""
    run = place / _RUN
    below = [str(found) for found in models_below(place) if run not in found.parents]
    fixes = [f"name one of those below it: {', '.join(below)}"] if below else []
    if run.is_dir():
        fixes.insert(0, "give the command that trains it again, which goes on")
    fix = ", or ".join(fixes) or f"make one with {verb}"
    got = "one whose training has not ended" if run.is_dir() else "a folder that is none"
    return got, f"{fix[0].upper()}{fix[1:]}."


def _candidates(folder: Path) -> list[Path]:
    """Autoencoders in a folder and below the results, in the order of kinds and from new to old."""
    saved = [folder, *folder.glob("*"), *folder.glob(f"{AUTOENCODERS}/*")]
    kinds = {path: _kind(path) for path in saved if (path / MANIFEST).is_file()}
    theirs = {path: _FOREIGN for path in folder.glob("*") if path.suffix.lower() in foreign.SUFFIXES}
    known = [(path, kind) for path, kind in {**kinds, **theirs}.items() if kind in _ORDER]
    return [
        path for path, _ in sorted(known, key=lambda one: (_ORDER.index(one[1]), -one[0].stat().st_mtime))
    ]


def _kind(path: Path) -> str:
    """The network of a saved autoencoder of images, from its description alone; "" for anything else."""
    try:
        text = read_plain_file(path / CONFIG, LIMITS[CONFIG], f"{path}/{CONFIG}", ArtifactError)
        found = decode(msgspec.json.decode, text, Config, f"{path}/{CONFIG}")
        is_one = found.kind == "image-autoencoder"
        return str(found.settings["fit"]["settings"]["model"]) if is_one else ""
    except (ArtifactError, KeyError, TypeError) as fault:
        _pass_over(path, fault)
        return ""


def _pass_over(path: Path, fault: Exception) -> None:
    _log.warning("Passed over %s, which does not open: %s", path, fault)


def _scratch() -> Path:
    return Path(os.environ.get("SCRATCH") or os.environ.get("SLURM_TMPDIR") or ".")
