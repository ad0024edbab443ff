"""`dima toy`: diffusion of points in the plane, from data to pictures."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli import inputs, output, targets
from dima.cli.flags import EVERYWHERE, Common, Count, Folder, switch
from dima.data import plane
from dima.files import replace_files
from dima.model.toy import FILES, diffuse, plane_points
from dima.progress import StepRecord

__all__ = ["toy_diffusion"]

_POINTS = 10_000
_SAMPLES = 2000
_TOLD = 10  # lines of loss on the way


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class _Settings:
    epochs: Annotated[Count, Parameter(help="passes over the data")] = 300
    batch_size: Annotated[Count, Parameter(help="points in a training step")] = 128
    learning_rate: Annotated[float, Parameter(help="step of Adam, falling to 0", validator=Number(gt=0))] = (
        5e-3
    )
    hidden_dim: Annotated[Count, Parameter(help="width of the three hidden layers")] = 128
    T: Annotated[int, Parameter(help="noising steps", validator=Number(gte=2))] = 1000
    beta_start: Annotated[float, Parameter(help="first beta of 1000 steps; of T, 1000 / T times that")] = 1e-4
    beta_end: Annotated[
        float, Parameter(help="last beta of 1000 steps; of T, 1000 / T times that, at most .5")
    ] = 2e-2


_USUAL = _Settings()


def toy_diffusion(
    name: Annotated[str, Parameter(choices=plane.PLANES)] = "gaussian",
    /,
    *,
    settings: _Settings = _USUAL,
    data: Annotated[str | None, Parameter(help="your own points, two columns, instead of a set")] = None,
    to: Folder = Path("dima-toy"),
    overwrite: Annotated[bool, switch("replace pictures of an earlier run")] = False,
    common: Common = EVERYWHERE,
) -> None:
    """Train a small diffusion model on points in the plane and draw what happens.

    Writes data.png, forward.png (the noising at six times), loss.png, samples.png (beside the data),
    reverse.gif (the way back from noise) and samples.npy. JAX alone; nothing opens a window.

    Examples:
        dima toy gaussian
        dima toy checkerboard -o board
        dima toy --data points.npy -o mine
    """
    seed, is_told = common.seed or 0, not (common.quiet or common.as_json)
    own = None if data is None else plane_points(inputs.table(data, False, common).values)
    points = plane.points(name, _POINTS, seed) if own is None else own
    folder = targets.results(to, "dima toy", FILES, overwrite)

    def tell(record: StepRecord) -> None:
        if is_told and record.step % max(1, settings.epochs // _TOLD) == 0:
            output.lines(f"epoch {record.step:5d}   mean loss {record.loss:.4f}")

    ran = diffuse(points, **asdict(settings), n_samples=_SAMPLES, seed=seed, tell=tell)
    written = ran.files()
    replace_files({folder / name: content for name, content in written.items()}, "dima toy")
    if common.as_json:
        output.json(
            {"folder": folder, "epochs": settings.epochs, "loss": ran.losses[-1], "samples": _SAMPLES}
        )
    elif is_told:
        output.lines(f"Written to {folder}: {', '.join(written)}")
