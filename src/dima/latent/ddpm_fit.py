"""What the vector diffusion model learns, how it is trained, and how it walks: one frozen `DDPMFit`."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dima import training
from dima.blocks import row_blocks
from dima.errors import NumericsError, SettingError
from dima.latent import border, denoiser, sample, train
from dima.noise import schedule as schedules
from dima.noise.solver import SolverTable
from dima.scaling import Standardizer
from dima.training.checkpoint import fingerprint
from dima.typing import Array, Float32, Float64

__all__ = ["DDPMFit", "engine_of", "fit_ddpm", "path_of"]

_BLOCKS = 3  # residual blocks
_TOGETHER = 16384  # samples walked at a time
_FAR = 1e4  # units of the mean from zero beyond which float32 would round a thousandth of a unit away
_NOT_OF_THE_RUN = {"device", "verbose_every"}  # they change no number


@dataclasses.dataclass(frozen=True)
class DDPMFit:
    """What `DDPM.fit` learns.

    Attributes:
        settings: those it was fitted with.
        scale: standardises points.
        network: the averaged (EMA) parameters, which sample.
        losses: (records, 2) training steps done and mean loss since the record before.
    """

    settings: dict[str, Any]
    scale: Standardizer
    network: denoiser.Parameters
    losses: Float64

    def walk(
        self,
        table: SolverTable,
        n: int,
        seed: int,
        start: tuple[Float32, float] | None = None,
        guidance: float = 1.0,
    ) -> Array:
        """Walk `n` points (n, d): from noise alone, or from standardised states plus noise of a spread."""
        parts = [self._part(table, seed, rows, start, guidance) for rows in row_blocks(n, _TOGETHER)]
        points = np.concatenate(parts) if parts else np.empty((0, len(self.scale.center)), np.float32)
        if not np.isfinite(points).all():
            fix = "Train longer, with a lower learning rate, or choose the target v."
            raise NumericsError(f"DDPM: what is drawn must be finite; got NaN or infinity. {fix}")
        return points

    @property
    def _float32_serves(self) -> bool:
        """Whether float32 tells points apart whose mean is far from zero."""
        far = np.abs(self.scale.center) > _FAR * self.scale.unit
        return not (far & self.scale.varies).any()

    def _part(
        self, table: SolverTable, seed: int, rows: slice, start: tuple[Float32, float] | None, guidance: float
    ) -> Array:
        """The samples numbered rows.start .. rows.stop."""
        with jax.default_device(border.device(self.settings["device"])):
            keys = sample.sample_keys(seed, rows.start, rows.stop)
            noise = sample.standard_normal(keys, 0, len(self.scale.center))
            x = noise * table.start_std if start is None else jnp.asarray(start[0][rows]) + start[1] * noise
            weight = None if guidance == 1.0 else guidance
            solved = sample.solve(self.network, self.settings["target"], sample.rows(table), x, keys, weight)
        # An axis that never varied is left at its mean.
        standard = np.where(self.scale.varies, np.asarray(solved, np.float64), 0.0)
        points = self.scale.restore(standard)
        return points.astype(np.float32) if self._float32_serves else points


def fit_ddpm(
    settings_used: dict[str, Any],
    Z: Array,
    folder: str | Path | None = None,
    watch: Callable[[DDPMFit], None] = lambda fit: None,
) -> DDPMFit:
    """Train on checked points `Z` (n, d), in a run folder if one is given; `watch` sees it grow."""
    path, scale = path_of(settings_used), Standardizer.of(Z)

    def fit_of(state: train.State, history: Float64) -> DDPMFit:
        return DDPMFit(settings_used, scale, state.ema, history)

    with jax.default_device(border.device(settings_used["device"])):
        standard = scale.apply(Z, np.float32)
        engine = engine_of(settings_used, path, jnp.asarray(standard))
        run = _run(settings_used, standard, folder)
        run = dataclasses.replace(run, watch=lambda now: watch(fit_of(now.state, now.table)))
        trained = training.train(engine, run)
    return fit_of(trained.state, trained.history)


def path_of(settings_used: dict[str, Any]) -> schedules.Path:
    """The path of a model; a setting that the schedule does not have is refused."""
    own = {name: settings_used[name] for name in ("beta_start", "beta_end", "beta_max", "eps")}
    path = schedules.path(settings_used["schedule"], settings_used["T"], **own)
    path = schedules.zero_terminal_snr(path) if settings_used["zero_snr"] else path
    if path.alpha[-1] == 0 and settings_used["target"] == "eps":
        fix = "Choose v, or a schedule that leaves some signal."
        raise SettingError(
            f"DDPM: target must be another than eps where nothing but noise is left; got eps. {fix}"
        )
    return path


def engine_of(settings_used: dict[str, Any], path: schedules.Path, data: jax.Array) -> train.Engine:
    """The training of such a network on standardised points (n, d)."""
    first, key = jax.random.split(jax.random.key(settings_used["seed"]))
    kept, held_out = (data, data) if settings_used["patience"] is None else train.split(data, key)
    n_iter, batch = settings_used["n_iter"], min(settings_used["batch_size"], len(kept))
    names = ("learning_rate", "ema_decay", "target", "weight", "record_every", "levels", "eps_root")
    plan = train.Plan(n_iter, batch, *(settings_used[name] for name in names))
    sizes = settings_used["hidden_dim"], settings_used["t_embed_dim"], _BLOCKS
    network = denoiser.init(first, data.shape[1], *sizes, settings_used["block"])
    return train.Engine(plan, network, kept, held_out, jnp.asarray(path.log_snr[1:], jnp.float32), key)


def _run(settings_used: dict[str, Any], standard: Float32, folder: str | Path | None) -> training.Run:
    identity = {name: value for name, value in settings_used.items() if name not in _NOT_OF_THE_RUN}
    return training.Run(
        "DDPM",
        patience=settings_used["patience"],
        folder=None if folder is None else Path(folder),
        identity=identity if folder is None else identity | {"points": fingerprint(standard)},
        log_every=settings_used["verbose_every"],
    )
