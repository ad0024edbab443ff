"""`dima image sample` and `dima image map`: pictures from a saved model."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from dima import settings
from dima.cli import flags, output, targets
from dima.cli.flags import EVERYWHERE, Common, Count
from dima.cli.image import places
from dima.cli.image.flags import AeCkpt, CacheDir, Data, Guidance, Picture
from dima.cli.image.pictures import save_grid
from dima.data import images
from dima.figures import png, scatter
from dima.files import replace_file
from dima.model.direct import DirectModel
from dima.model.latent_diffusion import LatentDiffusion
from dima.model.pixel_diffusion import PixelDiffusion
from dima.model.plane import METHODS, to_plane
from dima.noise import sampling
from dima.scaling import Standardizer

__all__ = ["latent_map", "open_model", "sample"]

Ckpt = Annotated[Path, Parameter(help="a trained model of images, or the folder of its run: its latest")]
_DRAWING: tuple[type[Any], ...] = (LatentDiffusion, PixelDiffusion, DirectModel)
_METHOD = Parameter(help="how the latents are laid into the plane", choices=METHODS)


def open_model(ckpt: Path) -> LatentDiffusion:
    """Open a saved model of images, at a path or as the latest of a run.

    Raises:
        ArtifactError: there is none, or something else.
    """
    return places.open_kind("--ckpt", ckpt, LatentDiffusion, "dima image fit-latent")


_OTHER = Parameter(help="a saved autoencoder, or a .pt of others; the model's own if not given")


@flags.takes(chosen=flags.of(sampling.table, name="*"))
def sample(  # noqa: PLR0913 each argument is a flag
    *,
    ckpt: Ckpt,
    ae_ckpt: Annotated[Path | None, _OTHER] = None,
    num_images: Annotated[Count, Parameter(help="images to draw")] = 64,
    to: Picture = Path("generated.png"),
    guidance: Guidance = 1.0,
    chosen: flags.Settings = None,
    common: Common = EVERYWHERE,
) -> None:
    """Draw new images from a trained model into one picture; equal seeds draw equal images.

    The model is one of fit-latent, fit-diffae, fit-ddpm or fit-direct. One of latents holds its autoencoder;
    with --ae-ckpt another of the same latents decodes, such as one that was trained further.

    Examples:
        dima image sample --ckpt outputs/checkpoints/RUN/latest --num-images 64 --output generated.png
        dima image sample --ckpt outputs/checkpoints/RUN --steps 50 --solver dpmpp_2m --seed 1
        dima image sample --ckpt direct/model --steps 2
    """
    targets.file(to, kinds=(".png",))
    model = places.open_kind("--ckpt", ckpt, _DRAWING, "dima image fit-latent, fit-ddpm or fit-direct")
    asked = (chosen or {}) | ({} if guidance == 1.0 else {"guidance": guidance})
    if not isinstance(model, LatentDiffusion):
        others = {} if ae_ckpt is None else {"ae_ckpt": ae_ckpt}
        owner = f"dima image sample of a {type(model).__name__}"
        asked = settings.accept(owner, type(model).sample, asked | others)
    elif ae_ckpt is not None:
        model = model.with_autoencoder(places.open_autoencoder(ae_ckpt, None, places.output_folder())[0])
    drawn = model.sample(num_images, **asked, **common.seeded())
    save_grid(to, drawn)
    if common.as_json:
        output.json({"output": to, "shape": drawn.shape})
    elif not common.quiet:
        output.lines(f"{to}: {len(drawn)} images of {'x'.join(map(str, drawn.shape[1:]))}")


def latent_map(  # noqa: PLR0913 each argument is a flag
    *,
    ae_ckpt: AeCkpt = None,
    data: Data = "mnist",
    method: Annotated[str, _METHOD] = "tsne",
    n: Annotated[Count, Parameter(name=["--n", "-n"], help="test images drawn as points")] = 2000,
    cache_dir: CacheDir = None,
    to: Picture = Path("latents.png"),
    common: Common = EVERYWHERE,
) -> None:
    """Draw the latents of test images in the plane, coloured by label.

    Laid out by t-SNE, or by dima's own diffusion map.

    Examples:
        dima image map --ae-ckpt outputs/autoencoders/conv-d16 -o latents.png
        dima image map --method dmap --data fashion-mnist
    """
    targets.file(to, kinds=(".png",))
    autoencoder, path = places.open_autoencoder(ae_ckpt, None, places.output_folder())
    found = images.load(data, "test", cache_dir=places.cache_folder(cache_dir))
    few = found.images[:n]
    codes = autoencoder.encode_images(few)
    points = to_plane(Standardizer.of(codes).apply(codes), method, common.seed or 0)
    names = found.names()
    title = f"{len(few)} images in the latent space of {path.name}, by {method}"
    replace_file(
        to,
        png(scatter.scatter(points, None if names is None else names[:n], title, ("", ""))),
        "dima image map",
    )
    if common.as_json:
        output.json({"output": to, "points": points.shape})
    elif not common.quiet:
        output.lines(f"{to}: {title}")
