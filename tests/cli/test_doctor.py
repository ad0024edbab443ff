"""`dima doctor` agrees with what is declared and with what is installed."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dima import memory
from dima.cli import doctor

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(autouse=True)
def no_probe(monkeypatch):
    """Frameworks take seconds to answer: here they answer at once."""
    monkeypatch.setattr(doctor, "PROBES", {"jax": "print('cpu')", "torch": "print('gpu (1 x Toy)')"})


def _names(requirements):
    return tuple(Requirement(line).name for line in requirements)


def test_packages_are_the_declared_ones():
    assert _names(PROJECT["dependencies"]) == doctor.BASE
    assert PROJECT["name"] == doctor.DISTRIBUTION
    extras = {name: _names(lines) for name, lines in PROJECT["optional-dependencies"].items()}
    told = {name: packages for name, (packages, _) in doctor.EXTRAS.items()}
    assert told == {name: packages for name, packages in extras.items() if name not in ("all", "test")}


def test_everything_there(dima):
    ran = dima("doctor", "--json")
    told = ran.json
    assert (ran.code, ran.err, told["problems"]) == (0, "", [])
    assert told["packages"]["numpy"] == importlib.metadata.version("numpy")
    assert told["devices"] == {"jax": "cpu", "torch": "gpu (1 x Toy)"}
    assert told["cores"] >= 1


def test_what_is_missing_comes_with_the_command(dima, monkeypatch):
    def version(name):
        if name in ("faiss-cpu", "torch", "scipy"):
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    told = dima("doctor", "--json").json
    assert told["extras"]["faiss"]["add"] == 'python -m pip install "dima-manifold[faiss]"'
    assert told["extras"]["hf"]["add"] is None
    assert told["devices"]["torch"] == "not installed"
    assert told["problems"][0].startswith("scipy is missing.")
    assert "shares the import name" in told["problems"][1]
    page = dima("doctor").out
    assert '  python -m pip install "dima-manifold[image]"' in page
    assert "scipy is missing." in page


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        ("raise ImportError('libcuda is gone')", "broken: ImportError: libcuda is gone"),
        ("import os; os.abort()", "broken: exit code -6"),
        ("import time; time.sleep(60)", "broken: "),
    ],
)
def test_a_broken_framework_is_told_and_survived(dima, monkeypatch, probe, told):
    monkeypatch.setattr(doctor, "PROBES", {"jax": probe})
    monkeypatch.setattr(doctor, "_PATIENCE", 1)
    ran = dima("doctor", "--json")
    assert ran.code == 0
    assert ran.json["devices"]["jax"].startswith(told)


@pytest.mark.parametrize("told", [(None, None), (51200, 50000)])
def test_memory_is_that_of_the_ground(dima, monkeypatch, told):
    for name, value in zip(("total_bytes", "available_bytes"), told, strict=True):
        monkeypatch.setattr(memory, name, lambda value=value: value)
    assert dima("doctor", "--json").json["memory"] == dict(zip(("total", "free"), told, strict=True))
    assert ("free" in dima("doctor").out) == (told[1] is not None)


def test_probes_are_python(monkeypatch):
    monkeypatch.undo()
    for code in doctor.PROBES.values():
        compile(code, "probe", "exec")


@pytest.mark.slow
def test_the_real_frameworks_answer(monkeypatch):
    monkeypatch.undo()
    done = subprocess.run(
        [sys.executable, "-c", doctor.PROBES["jax"]],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    assert done.stdout == "cpu\n"
