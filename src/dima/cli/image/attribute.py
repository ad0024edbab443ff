"""`dima image attribute` and `lds`: which training images an image came from, and how true that is."""

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import output, targets
from dima.cli.flags import EVERYWHERE, Common, Count
from dima.cli.image import places
from dima.cli.image.flags import CacheDir, Data
from dima.cli.image.pictures import save_rows
from dima.cli.image.use import Ckpt, open_model
from dima.data import images as image_sets
from dima.errors import SettingError
from dima.files import replace_file
from dima.latent.ddpm import DDPM
from dima.model.attribution import METHODS, attribute, measure
from dima.model.direct import DirectModel
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.pixel_attribution import PIXEL_METHODS
from dima.model.pixel_diffusion import PixelDiffusion

__all__ = ["attribute_images", "measure_methods"]

_OWNER = "dima image attribute"
_KINDS: tuple[type[Any], ...] = (LatentDiffusion, PixelDiffusion, DirectModel)
_METHOD = Parameter(
    help=f"how: posterior is quick, unrolled exact and dear; {', '.join(PIXEL_METHODS)} alone for pixels",
    choices=METHODS,
)
_METHODS = Parameter(help="methods to measure", choices=METHODS, consume_multiple=True)
_FOLDER = Parameter(name=["--output-dir", "-o"], help="folder of results")


def attribute_images(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Ckpt,
    data: Data = "mnist",
    images: Annotated[str | None, Parameter(help="images to explain; new samples if not given")] = None,
    samples: Annotated[Count, Parameter(help="how many to explain")] = 8,
    method: Annotated[str, _METHOD] = "posterior",
    top: Annotated[Count, Parameter(name=["--top", "-k"], help="training images told for each")] = 8,
    n_train: Annotated[Count | None, Parameter(help="first training images alone; all if not given")] = None,
    to: Annotated[Path, _FOLDER] = Path("attribution"),
    cache_dir: CacheDir = None,
    common: Common = EVERYWHERE,
) -> None:
    """Tell the training images that generated, or given, images came from.

    The model is one of fit-latent, fit-diffae, fit-ddpm or fit-direct. Pass the images it was trained on as
    --data; for a model of fit-direct those of its teacher. Writes attribution.png, a column for each image
    with its training images below it, and attribution.csv, a line for each pair. How far a method is to be
    trusted for a model of latents: dima image lds.

    Examples:
        dima image attribute --ckpt outputs/checkpoints/RUN/latest --samples 8 -o attribution
        dima image attribute --ckpt MODEL --images mine.npy --method unrolled --top 5
        dima image attribute --ckpt direct --method cosine --n-train 5000
    """
    if n_train is not None and method == "unrolled":
        fix = "Leave it out, or choose another method."
        raise SettingError(f"{_OWNER}: --n-train must be all for unrolled; got {n_train}. {fix}")
    folder = targets.folder(to, _OWNER)
    model = places.open_kind("--ckpt", ckpt, _KINDS, "dima image fit-latent, fit-ddpm or fit-direct")
    kept = places.cache_folder(cache_dir)
    known = image_sets.load(data, "train", cache_dir=kept)
    training = known.images[:n_train]
    asked = (
        model.sample(samples, **common.seeded())
        if images is None
        else image_sets.load_given(images, kept).images[:samples]
    )
    found = attribute(model, training, asked, method, top, **common.seeded())
    rows = {"image": asked} | {f"{at + 1}": training[found.ids[:, at]] for at in range(found.ids.shape[1])}
    save_rows(folder / "attribution.png", rows)
    ids = found.ids if known.rows is None else known.rows[found.ids]  # where they stand in the set itself
    _save_table(folder / "attribution.csv", ids, found.scores)
    if common.as_json:
        output.json({"output": folder, "method": method, "ids": ids.tolist()})
    elif not common.quiet:
        output.lines(f"{folder / 'attribution.png'}: {len(asked)} images, by {method}")
        output.lines(
            f"{folder / 'attribution.csv'}: their training images, by number, and how much each counts"
        )


def measure_methods(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Ckpt,
    data: Data = "mnist",
    methods: Annotated[list[str], _METHODS] = ["cosine", "posterior", "gradients", "trak", "random"],  # noqa: B006 read only
    subsets: Annotated[
        Count, Parameter(help="half subsets to train on, each twice", validator=Number(gte=3))
    ] = 64,
    queries: Annotated[Count, Parameter(help="test images whose loss is foretold")] = 40,
    n_train: Annotated[Count, Parameter(help="training images, of which half is left out at random")] = 2000,
    n_iter: Annotated[Count, Parameter(help="training steps of a prior")] = 1000,
    hidden_dim: Annotated[Count, Parameter(help="width of its network")] = 64,
    cache_dir: CacheDir = None,
    common: Common = EVERYWHERE,
) -> None:
    """Measure how well methods of attribution foretell what happens when training images are removed.

    A smaller prior is trained on latents of the model's autoencoder, again and again on random halves; the
    linear datamodeling score is the rank correlation of foretold and real losses, 0 for guesses.

    Examples:
        dima image lds --ckpt outputs/checkpoints/RUN/latest --subsets 64
        dima image lds --ckpt MODEL --methods posterior unrolled --n-train 1000 --json
    """
    model = open_model(ckpt)
    kept = places.cache_folder(cache_dir)
    Z = model.encode(image_sets.load(data, "train", cache_dir=kept).images[:n_train])
    asked = model.encode(image_sets.load(data, "test", cache_dir=kept).images[:queries])
    prior = DDPM(n_iter=n_iter, hidden_dim=hidden_dim, eps_root=1e-8, **common.seeded()).fit(Z)
    found = measure(prior, Z, asked, methods, subsets, **common.seeded())
    table = [[name, one.mean, *one.interval] for name, one in found.lds.items()]
    if common.as_json:
        output.json({"ceiling": found.ceiling, "columns": _COLUMNS, "rows": table})
    elif not common.quiet:
        output.table(
            _COLUMNS, [[str(name), *(f"{value:.3f}" for value in values)] for name, *values in table]
        )
        output.lines("", f"A perfect score would reach {found.ceiling:.3f} here; guesses reach 0.")


_COLUMNS = ["method", "LDS", "from", "to"]


def _save_table(path: Path, ids: np.ndarray, scores: np.ndarray) -> None:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["image", "rank", "training_image", "score"])
    for image, (own, values) in enumerate(zip(ids.tolist(), scores.tolist(), strict=True)):
        lines.writerows([image, at + 1, *pair] for at, pair in enumerate(zip(own, values, strict=True)))
    replace_file(path, text.getvalue().encode(), _OWNER)
