"""`dima image fit-autoencoder`: images in, a saved autoencoder out."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dima import settings
from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common
from dima.cli.image import places
from dima.cli.image.flags import AutoResume, CacheDir, Data, OnlyDigit, OutDir, on_data
from dima.cli.image.places import Tree
from dima.data import images
from dima.image import device as devices
from dima.model import persist
from dima.model.image_autoencoder import ImageAutoencoder

__all__ = ["fit_autoencoder"]

_TO = Parameter(
    name=["--output", "-o"],
    help="folder to write the autoencoder to; OUTDIR/autoencoders/MODEL-dN if not given",
)


@flags.takes(chosen=flags.of(ImageAutoencoder, without={"seed"}, name="*"))
def fit_autoencoder(  # noqa: PLR0913 each argument is a flag
    *,
    data: Data = "mnist",
    to: Annotated[Path | None, _TO] = None,
    chosen: flags.Settings = None,
    only_digit: OnlyDigit = None,
    cache_dir: CacheDir = None,
    auto_resume: AutoResume = False,
    outdir: OutDir = None,
    overwrite: flags.Overwrite = False,
    common: Common = EVERYWHERE,
) -> None:
    """Train an autoencoder of images and save it.

    OUTDIR/runs keeps metrics and a checkpoint: after a kill, the same command with --auto-resume goes
    on to the same numbers.

    Examples:
        dima image fit-autoencoder --model mlp --latent-dim 16
        dima image fit-autoencoder --model conv --epochs 20 --data mnist -o conv
        dima image fit-autoencoder --data folder/of/pictures -o mine
    """
    owner, outdir = "dima image fit-autoencoder", outdir or places.output_folder()
    autoencoder = ImageAutoencoder(**settings.check(owner, ImageAutoencoder, chosen or {}), **common.seeded())
    kind = f"{autoencoder.model}-d{autoencoder.latent_dim}"
    to = to or targets.folder(outdir / places.AUTOENCODERS, owner) / kind
    stem = f"autoencoder-{kind}-seed{autoencoder.seed}"
    has_run = auto_resume and places.newest_run(outdir, stem) is not None
    targets.model(to, overwrite or has_run)
    devices.choose(autoencoder.device, owner)
    found = images.load(data, "train", only_digit, places.cache_folder(cache_dir))
    tree = Tree(outdir, places.run_to_use(outdir, stem, auto_resume))
    with tree.logged(), places.goes_on("--auto-resume"):
        autoencoder.fit(found.images, checkpoint=tree.training)
    persist.save(autoencoder, to)
    facts = autoencoder.facts()
    if common.as_json:
        output.json({"autoencoder": to, "images": len(found.images), "run": tree.run, **facts})
    elif not common.quiet:
        output.pairs(output.in_words({"images": len(found.images), **facts}))
        output.lines("", f"Autoencoder: {to}", "", "Next:")
        output.lines(f"  dima image fit-latent --ae-ckpt {to}{on_data(data)}")
