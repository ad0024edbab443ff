"""`DIMA`: the thin form of `ManifoldAutoencoder` whose constructor fits; latents are JAX arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from dima.errors import ArtifactError, SettingError, ShapeError
from dima.model import persist
from dima.model.manifold_autoencoder import ManifoldAutoencoder
from dima.typing import Array, ArrayLike

__all__ = ["DIMA"]


class DIMA:
    """Diffusion-map encoder, kernel decoder and latent diffusion prior, fitted on construction.

    Args:
        R_iX: training rows (n, D).
        d: latent dimension; half of D, at most 32, if not given.
        dmap_kwargs: settings of `DMAP`.
        gplm_kwargs: settings of `GPLM`.
        ddpm_kwargs: settings of `DDPM`.
        ddpm_device: "auto", "cpu" or "gpu": where the prior lives.
        seed: seed of every part.

    Attributes:
        model: the `ManifoldAutoencoder` behind it.

    Raises:
        SettingError: a setting is unknown or out of range.
        DataError: the rows cannot be used.
        BackendError: ddpm_device="gpu" and JAX finds none.
    """

    def __init__(  # noqa: PLR0913 one argument for each part
        self,
        R_iX: ArrayLike,
        d: int | None = None,
        *,
        dmap_kwargs: Mapping[str, Any] | None = None,
        gplm_kwargs: Mapping[str, Any] | None = None,
        ddpm_kwargs: Mapping[str, Any] | None = None,
        ddpm_device: str = "auto",
        seed: int = 0,
    ) -> None:
        prior = dict(ddpm_kwargs or {})
        if prior.setdefault("device", ddpm_device) != ddpm_device:
            rule = f"the same as ddpm_device = {ddpm_device!r}"
            raise SettingError(f"DIMA: device must be {rule}; got {prior['device']!r}. Give it once.")
        self.model = ManifoldAutoencoder(d, dmap_kwargs, gplm_kwargs, prior, seed).fit(R_iX)

    @classmethod
    def of(cls, model: ManifoldAutoencoder) -> Self:
        """The DIMA around a fitted model."""
        self = cls.__new__(cls)
        self.model = model
        return self

    def encode(self, X: ArrayLike) -> Any:
        """Normalised latents (b, d), a `jax.Array`, of rows `X` (b, D)."""
        return self._jax(self.model.transform(X))

    def decode(
        self,
        Z: ArrayLike,
        refine: bool = False,
        t_start: int = 10,
        add_noise: bool = True,
        seed: int = 0,
    ) -> Array:
        """Rows (b, D) of normalised latents `Z` (b, d), with `refine` pulled onto the learned latents first.

        The other arguments are those of `ManifoldAutoencoder.refine`.
        """
        if refine:
            Z = self.model.refine(Z, t_start=t_start, add_noise=add_noise, seed=seed)
        return self.model.inverse_transform(Z)

    def sample(self, n: int, decode: bool = True, **sampling: Any) -> Any:
        """Draw `n` rows (n, D), NumPy, or with `decode=False` their latents (n, d), a `jax.Array`.

        `sampling` is solver, steps, eta, spacing, churn and seed of `DDPM.sample`.
        """
        drawn = self.model.sample(n, decode=decode, **sampling)
        return drawn if decode else self._jax(drawn)

    def __call__(self, values: ArrayLike) -> Any:
        """Encode rows or decode latents, told apart by their last axis.

        Raises:
            ShapeError: D equals d, or the last axis is neither.
        """
        D, d = self.model.n_features_in_, self.model.d_
        width = np.shape(values)[-1] if np.ndim(values) else 0
        if d == D:
            message = f"DIMA: D and d must be different to be told apart; got both {D}."
            raise ShapeError(f"{message} Call encode or decode by name.")
        if width not in (D, d):
            rule = f"as wide as the data ({D}) or the latents ({d})"
            raise ShapeError(f"DIMA: the array must be {rule}; got shape {np.shape(values)}.")
        return self.encode(values) if width == D else self.decode(values)

    def save_local(self, path: str | Path, config_path: str | Path) -> None:
        """Write the model as one file, complete on its own, with a readable copy of its settings.

        Raises:
            ArtifactError: the target cannot be written.
        """
        persist.save_single(self.model, path, config_path)

    @classmethod
    def load_local(cls, path: str | Path, ddpm_device: str = "auto") -> Self:
        """Open what `save_local` wrote.

        Raises:
            ArtifactError: the file is damaged, or is another kind of model.
        """
        return cls._opened(persist.load(path), ddpm_device, str(path))

    def upload_to_huggingface(self, repo_id: str, hf_token: str | None = None, private: bool = True) -> str:
        """Upload the model folder to the hub repository `repo_id` ("user/model") and return its address.

        The token is neither stored nor printed; without one, the login of this machine is used. A
        repository that is made is private unless asked otherwise: the model holds training rows.

        Raises:
            BackendError: huggingface_hub is not installed or the hub refuses.
        """
        return persist.upload(self.model, repo_id, hf_token, private)

    @classmethod
    def load_from_huggingface(
        cls, repo_id: str, ddpm_device: str = "auto", hf_token: str | None = None
    ) -> Self:
        """Download and open a model from the hub.

        Raises:
            BackendError: huggingface_hub is not installed or the hub refuses.
            ArtifactError: what came is damaged, or another kind of model.
        """
        return cls._opened(persist.download(repo_id, hf_token), ddpm_device, repo_id)

    @classmethod
    def _opened(cls, model: Any, ddpm_device: str, where: str) -> Self:
        if not isinstance(model, ManifoldAutoencoder):
            fix = "Open it with dima.load."
            got = type(model).__name__
            raise ArtifactError(f"{where}: the model must be a ManifoldAutoencoder; got {got}. {fix}")
        if model.prior_ is not None:
            move = getattr(model.prior_, "to_device", None)  # a mixture has no network to move
            if move is not None:
                move(ddpm_device)
        return cls.of(model)

    def _jax(self, values: Array) -> Any:
        # JAX stays out of this module: a model's own engine hands its arrays over.
        from dima.latent import border

        device = getattr(self.model.prior_, "device", "auto")
        return border.to_jax(values, device)
