"""The doors stay light: what an import loads, in an interpreter of its own."""

import json
import subprocess
import sys

import pytest

FRAMEWORKS = {"jax", "jaxlib", "torch", "sklearn", "scipy", "matplotlib"}
HEAVY = FRAMEWORKS | {"numpy", "pandas", "optax", "rich", "cyclopts", "huggingface_hub", "faiss"}
# Audit events of a socket opened or a process started.
LOUD = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn")

CHILD = """
import json, sys
events = []
sys.addaudithook(lambda event, args: events.append(event) if event.startswith({loud!r}) else None)
{code}
print(json.dumps([sorted(set(name.split(".")[0] for name in sys.modules)), events]))
"""

# What is imported -> what it may not load. An engine never loads its sibling's framework.
LIGHT = {
    "dima": HEAVY,
    "dima.errors": HEAVY,
    "dima.settings": FRAMEWORKS,
    "dima.progress": HEAVY,
    "dima.cli": FRAMEWORKS,
    "dima.noise": {"jax", "torch", "matplotlib"},
    "dima.store": {"jax", "torch", "matplotlib", "huggingface_hub"},
    "dima.data": {"jax", "torch", "matplotlib"},
    "dima.metrics": {"jax", "torch", "matplotlib"},
    "dima.figures": {"jax", "torch"},
    "dima.manifold": {"jax", "torch", "matplotlib"},
    "dima.latent": {"torch", "matplotlib"},
    "dima.image": {"jax", "matplotlib"},
    "dima.explain": FRAMEWORKS,
    "dima.model": {"torch", "matplotlib"},
}


def _run(code):
    """Top-level modules loaded and loud events raised by `code` in a fresh interpreter."""
    child = CHILD.format(loud=LOUD, code=code)
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, events = json.loads(done.stdout)
    return set(loaded), events


@pytest.mark.parametrize("door", LIGHT)
def test_import_is_light(door):
    loaded, _ = _run(f"import {door}")
    assert "dima" in loaded
    assert not loaded & LIGHT[door]


@pytest.mark.parametrize("door", ["dima", "dima.cli"])
def test_import_is_silent(door):
    _, events = _run(f"import {door}")
    assert events == []


def test_a_heavy_import_is_seen():
    loaded, _ = _run("import numpy")
    assert "numpy" in loaded


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import socket; socket.socket().close()", "socket.__new__"),
        (
            "import subprocess, sys; subprocess.run([sys.executable, '-V'], stdout=-3)",
            "subprocess.Popen",
        ),
    ],
)
def test_a_loud_act_is_seen(code, event):
    _, events = _run(code)
    assert event in events


def test_offered_names_need_no_load():
    loaded, _ = _run("import dima; dir(dima); dima.__version__; dima.errors")
    assert not loaded & HEAVY
