"""Flags that verbs of images share."""

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from dima.cli.flags import switch, whole

__all__ = [
    "AeCkpt",
    "AutoResume",
    "CacheDir",
    "Data",
    "Device",
    "Guidance",
    "OnlyDigit",
    "OutDir",
    "Picture",
    "on_data",
]

Data = Annotated[
    str,
    Parameter(
        help="mnist, fashion-mnist, fashion-mnist-1000 (comes with dima), a folder of pictures, .npy, .npz"
    ),
]
OnlyDigit = Annotated[
    int | None, Parameter(help="images of this label alone", converter=whole, validator=Number(gte=0, lte=9))
]
CacheDir = Annotated[
    Path | None,
    Parameter(
        help="where downloads are kept; if not given, a folder hf_cache that is there already, "
        "in $SCRATCH or $SLURM_TMPDIR, else here; without one nothing is downloaded"
    ),
]
AeCkpt = Annotated[
    Path | None, Parameter(help="a saved autoencoder, or a .pt of others; the newest found if not given")
]
AutoResume = Annotated[bool, switch("go on with the newest run of these settings, if there is one")]
Device = Annotated[str | None, Parameter(help="cuda, mps or cpu; the first that is there if not given")]
Guidance = Annotated[
    float,
    Parameter(
        help="above 1: keep to what the prior knows beyond mean and spread; helps a blurry decoder",
        validator=Number(gte=0),
    ),
]
OutDir = Annotated[
    Path | None,
    Parameter(help="folder of all results; $SCRATCH or $SLURM_TMPDIR, else here, below outputs"),
]
Picture = Annotated[Path, Parameter(name=["--output", "-o"], help="picture to write: .png")]


def on_data(data: str) -> str:
    """What the next command needs to work on the same images; it takes mnist unless told."""
    return "" if data == "mnist" else f" --data {shlex.quote(data)}"
