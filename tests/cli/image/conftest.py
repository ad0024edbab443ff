"""A folder of results with an autoencoder and a short run, made by the command line itself."""

import pytest

from dima.cli import run

QUICK = ["--data", "fashion-mnist-1000", "-q"]


@pytest.fixture(scope="session")
def outputs(tmp_path_factory):
    """An mlp of three numbers a code, and two epochs of a prior over them."""
    folder = tmp_path_factory.mktemp("outputs")
    outdir = ["--outdir", str(folder), *QUICK]
    assert run(["image", "fit-autoencoder", "--latent-dim", "3", "--epochs", "1", *outdir]) == 0
    quick = ["--epochs", "2", "--batch-size", "400", "--hidden-dim", "8", "--T", "20"]
    assert run(["image", "fit-latent", *quick, "--generate-images", *outdir]) == 0
    return folder


@pytest.fixture(scope="session")
def diffae():
    """A quick `dima image fit-diffae`, less its folder."""
    small = ["--epochs", "5", "--latent-dim", "3", "--widths", "8", "16", "--batch-size", "200"]
    return ["image", "fit-diffae", "--data", "fashion-mnist-1000", *small, "--prior-steps", "20"]


@pytest.fixture(scope="session")
def results(tmp_path_factory, diffae):
    """What it makes."""
    folder = tmp_path_factory.mktemp("results") / "clothes"
    assert run([*diffae, "-q", "-o", str(folder)]) == 0
    return folder
