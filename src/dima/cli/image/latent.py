"""`dima image fit-latent`: a frozen autoencoder and images in, a model that generates images out."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common, Count, switch
from dima.cli.image import places
from dima.cli.image.flags import AeCkpt, AutoResume, CacheDir, Data, Device, OnlyDigit, OutDir, on_data
from dima.cli.image.pictures import save_grid
from dima.cli.image.places import Tree
from dima.data import images
from dima.errors import ArtifactError, SettingError
from dima.files import surviving
from dima.model import persist
from dima.model.latent_diffusion import LatentDiffusion

__all__ = ["fit_latent"]

_AE_DIR = Parameter(help="folder whose newest autoencoder is taken: conv, mlp, then .pt; OUTDIR if not given")
_PATIENCE = Parameter(help="stop when a held-out tenth is no better for so many epochs", show_default=False)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class _Training:
    epochs: Annotated[Count, Parameter(help="passes over the latents")] = 30
    batch_size: Annotated[Count, Parameter(help="latents in a training step")] = 128
    lr: Annotated[float, Parameter(help="peak step size of Adam", validator=Number(gt=0))] = 2e-4
    T: Annotated[Count, Parameter(help="noising steps of the chain")] = 1000
    beta_start: Annotated[float, Parameter(help="first of 1000 betas", validator=Number(gt=0, lt=1))] = 1e-4
    beta_end: Annotated[float, Parameter(help="last of 1000 betas", validator=Number(gt=0, lt=1))] = 2e-2
    hidden_dim: Annotated[Count, Parameter(help="width of the denoiser")] = 256
    smooth: Annotated[bool, switch("train smoothly, as attribution by --method unrolled needs it")] = False
    early_stopping_patience: Annotated[Count | None, _PATIENCE] = None

    def prior(self, n: int) -> dict[str, Any]:
        """Settings of the prior for `n` latents, a record an epoch."""
        if self.beta_start >= self.beta_end:
            rule, got = f"below --beta-end {self.beta_end:g}", f"{self.beta_start:g}"
            raise SettingError(f"dima image fit-latent: --beta-start must be {rule}; got {got}.")
        steps = max(1, n // self.batch_size)
        names = ("batch_size", "T", "beta_start", "beta_end", "hidden_dim")
        own = {name: getattr(self, name) for name in names}
        course = {"n_iter": self.epochs * steps, "record_every": steps, "learning_rate": self.lr}
        rest = {"schedule": "linear", "patience": self.early_stopping_patience}
        return own | course | rest | ({"eps_root": _SMOOTH} if self.smooth else {})

    def stem(self, only_digit: int | None, seed: int) -> str:
        """The name of such runs, less the time."""
        digit = "all" if only_digit is None else only_digit
        sizes = f"bs{self.batch_size}-lr{self.lr:g}-T{self.T}-seed{seed}"
        return f"latent-diffusion-d{digit}-{sizes}"


_USUAL = _Training()
_SMOOTH = 1e-8  # added to Adam's squares
_log = logging.getLogger("dima")


def fit_latent(  # noqa: PLR0913 each argument is a flag
    *,
    data: Data = "mnist",
    ae_ckpt: AeCkpt = None,
    ae_ckpt_dir: Annotated[Path | None, _AE_DIR] = None,
    training: _Training = _USUAL,
    only_digit: OnlyDigit = None,
    samples_per_epoch: Annotated[Count, Parameter(help="pictures an epoch, with --generate-images")] = 16,
    generate_images: Annotated[bool, switch("draw pictures after every epoch")] = False,
    device: Device = None,
    amp: Annotated[bool, switch("encode in bfloat16 where that is faster, which is measured")] = False,
    auto_resume: AutoResume = False,
    cache_dir: CacheDir = None,
    outdir: OutDir = None,
    common: Common = EVERYWHERE,
) -> None:
    """Train a diffusion prior on the latents of a frozen autoencoder.

    Writes below OUTDIR: checkpoints/RUN/epoch_000001 ... and latest (models, for dima image sample),
    samples/RUN/epoch_000001.png ..., runs/RUN (metrics.jsonl, TensorBoard's events, what --auto-resume
    goes on from) and logs/RUN.log. The kind of the autoencoder is read from its file.

    Examples:
        dima image fit-latent
        dima image fit-latent --ae-ckpt outputs/autoencoders/conv-d16 --epochs 30 --generate-images
        dima image fit-latent --only-digit 3 --auto-resume
    """
    outdir, seed = outdir or places.output_folder(), common.seed or 0
    autoencoder, ae_path = places.open_autoencoder(ae_ckpt, ae_ckpt_dir, outdir)
    found = images.load(data, "train", only_digit, places.cache_folder(cache_dir)).images
    model = LatentDiffusion(autoencoder, prior=training.prior(len(found)), seed=seed)
    model.shape_of(found)  # refused before anything is written
    tree = Tree(outdir, places.run_to_use(outdir, training.stem(only_digit, seed), auto_resume))
    _place(autoencoder, device, _precision(tree) if amp else None)
    targets.folder(tree.checkpoints, "dima image fit-latent")

    def after_epoch(so_far: LatentDiffusion, epoch: int) -> None:
        for name in (f"epoch_{epoch:06d}", "latest"):
            persist.save(so_far, tree.checkpoints / name)
        if generate_images:
            pictures = targets.folder(tree.samples, "dima image fit-latent") / f"epoch_{epoch:06d}.png"
            save_grid(pictures, so_far.sample(samples_per_epoch, seed=seed))
        _log.info("Epoch %d of %d: %s", epoch, training.epochs, tree.checkpoints / f"epoch_{epoch:06d}")

    with tree.logged(), places.goes_on("--auto-resume"):
        _log.info("Run %s: %d images, autoencoder %s.", tree.run, len(found), ae_path)
        model.fit(found, checkpoint=tree.training, watch=after_epoch)
        persist.save(model, tree.checkpoints / "latest")
    _tell(model, tree, ae_path, data, common)


def _precision(tree: Tree) -> str:
    """That in which a run has encoded so far, so its codes stay; "auto", to be measured, in a new one."""
    latest = tree.checkpoints / "latest"  # written before any checkpoint
    if not surviving(latest, "dima image fit-latent", ArtifactError).exists():
        return "auto"
    return getattr(persist.load(latest).fit_.autoencoder, "precision", "auto")


def _place(autoencoder: Any, device: str | None, precision: str | None) -> None:
    """Put an autoencoder where it is to encode; one that cannot be moved stays on the CPU.

    Args:
        autoencoder: fitted.
        device: as asked.
        precision: as asked; None for full.

    Raises:
        SettingError: it cannot be moved, and is asked to.
    """
    if hasattr(autoencoder, "to_device"):
        autoencoder.to_device(device or "auto", precision or "float32")
        return
    asked = [f"--device {device}"] if device not in (None, "auto", "cpu") else []
    asked += ["--amp"] if precision else []
    if asked:
        rule = f"left out with a {type(autoencoder).__name__}, which runs on the CPU in full precision"
        raise SettingError(
            f"dima image fit-latent: --device and --amp must be {rule}; got {' '.join(asked)}."
        )


def _tell(model: LatentDiffusion, tree: Tree, ae_path: Path, data: str, common: Common) -> None:
    latest = tree.checkpoints / "latest"
    facts = {"run": tree.run, "autoencoder_path": str(ae_path), **model.facts()}
    if common.as_json:
        output.json({"model": latest, **facts})
    elif not common.quiet:
        output.pairs(output.in_words(facts))
        output.lines("", f"Model: {latest}", "", "Next:")
        output.lines(f"  dima image sample --ckpt {latest} --output generated.png")
        output.lines(f"  dima image evaluate --ckpt {latest}{on_data(data)}")
