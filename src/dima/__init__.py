"""dima: learn the manifold data lie on; encode, decode, generate and refine on it.

The names below load on first use, so that `import dima` stays light.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "DIMA": "dima.model.dima",
    "DiffusionAutoencoder": "dima.model.diffusion_autoencoder",
    "DiffusionCoder": "dima.model.diffusion_coder",
    "DirectModel": "dima.model.direct",
    "ImageAutoencoder": "dima.model.image_autoencoder",
    "LatentDiffusion": "dima.model.latent_diffusion",
    "LatentModel": "dima.model.latent_model",
    "ManifoldAutoencoder": "dima.model.manifold_autoencoder",
    "PixelDiffusion": "dima.model.pixel_diffusion",
    "DMAP": "dima.manifold.dmap",
    "GPLM": "dima.manifold.gplm",
    "DDPM": "dima.latent.ddpm",
    "load": "dima.model.persist",
    "save": "dima.model.persist",
}

_PAGES = {"errors": "dima.errors", "toy": "dima.latent.toy"}

__all__ = [
    "DDPM",
    "DIMA",
    "DMAP",
    "GPLM",
    "DiffusionAutoencoder",
    "DiffusionCoder",
    "DirectModel",
    "ImageAutoencoder",
    "LatentDiffusion",
    "LatentModel",
    "ManifoldAutoencoder",
    "PixelDiffusion",
    "errors",
    "load",
    "save",
    "toy",
]


def __getattr__(name: str) -> Any:
    if name in _PAGES:
        return importlib.import_module(_PAGES[name])
    if name not in _HOME:
        offered = ", ".join(__all__)
        raise AttributeError(f"module 'dima' has no attribute {name!r}; it offers {offered}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
