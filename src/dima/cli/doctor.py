"""`dima doctor`: what is installed, which devices there are, what is missing and how to add it."""

import concurrent.futures
import importlib.metadata
import os
import platform
import subprocess
import sys
from typing import Any

from dima import __version__, memory
from dima.cli import output
from dima.cli.flags import EVERYWHERE, Common

__all__ = ["BASE", "DISTRIBUTION", "EXTRAS", "PROBES", "doctor"]

DISTRIBUTION = "dima-manifold"
_NUMBERS = "numpy", "scipy", "scikit-learn", "threadpoolctl", "jax", "optax"
BASE = (*_NUMBERS, "msgspec", "safetensors", "cyclopts", "rich", "matplotlib")
# extra -> (its packages, what it is for)
EXTRAS: dict[str, tuple[tuple[str, ...], str]] = {
    "image": (("torch", "pillow"), "image models"),
    "faiss": (("faiss-cpu",), "fast neighbour search"),
    "descent": (("pynndescent",), "approximate neighbour search"),
    "hf": (("huggingface_hub",), "models on the Hugging Face hub"),
    "parquet": (("pyarrow",), "reading .parquet"),
    "tb": (("tensorboard",), "TensorBoard logs"),
}
# A framework is asked in a process of its own: a broken one cannot take the doctor along.
PROBES = {
    "jax": """
import jax
found = jax.devices()
gpu = found[0].platform != "cpu"
kind = f"{found[0].platform} ({len(found)} x {found[0].device_kind})"
print(f"{kind}; the prior stays on the CPU unless --ddpm.device gpu" if gpu else "cpu")
""",
    "torch": """
from torch import cuda
gpu = cuda.is_available()
print(f"gpu ({cuda.device_count()} x {cuda.get_device_name(0)})" if gpu else "cpu")
""",
}
_PATIENCE = 120  # seconds a framework may take to load


def doctor(*, common: Common = EVERYWHERE) -> None:
    """Check this installation: packages, devices, memory, and how to add what is missing.

    Examples:
        dima doctor
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:  # the frameworks are asked side by side
        devices = dict(zip(PROBES, pool.map(_asked, PROBES), strict=True))
    found = {
        "dima": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": {"total": memory.total_bytes(), "free": memory.available_bytes()},
        "packages": {name: _version(name) for name in BASE},
        "extras": {name: _extra(name) for name in EXTRAS},
        "devices": devices,
        "problems": _problems(),
    }
    if common.as_json:
        output.json(found)
    else:
        _show(found)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(name: str) -> dict[str, Any]:
    packages, purpose = EXTRAS[name]
    versions = {package: _version(package) for package in packages}
    missing = None in versions.values()
    add = f'python -m pip install "{DISTRIBUTION}[{name}]"' if missing else None
    return {"for": purpose, "packages": versions, "add": add}


def _asked(framework: str) -> str:
    if not _version(framework):
        return "not installed"
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    call = [sys.executable, "-c", PROBES[framework]]
    try:
        done = subprocess.run(
            call, capture_output=True, text=True, timeout=_PATIENCE, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return f"broken: {fault}"
    if done.returncode:
        return f"broken: {(done.stderr.strip().splitlines() or [f'exit code {done.returncode}'])[-1]}"
    return " ".join(done.stdout.split())


def _problems() -> list[str]:
    """What keeps dima from working, each with the command that mends it."""
    missing = [name for name in BASE if not _version(name)]
    faults = [f"{name} is missing. Run: python -m pip install {DISTRIBUTION}" for name in missing]
    if _version("dima"):
        fault = "another package named dima is installed and shares the import name."
        faults.append(f"{fault} Run: python -m pip uninstall dima")
    return faults


def _show(found: dict[str, Any]) -> None:
    n_free = found["memory"]["free"]
    free = "" if n_free is None else f", {n_free / 2**30:.1f} GiB of memory free"
    output.pairs(
        {
            "dima": found["dima"],
            "python": f"{found['python']}, {found['platform']}",
            "machine": f"{found['cores']} cores{free}",
            **{f"{name} device": device for name, device in found["devices"].items()},
        }
    )
    output.lines("")
    output.table(("package", "version"), [(n, v or "missing") for n, v in found["packages"].items()])
    output.lines("")
    extras = found["extras"].items()
    states = {name: [f"{p} {v or 'missing'}" for p, v in extra["packages"].items()] for name, extra in extras}
    output.table(("extra", "for", "state"), [(n, extra["for"], ", ".join(states[n])) for n, extra in extras])
    if missing := [f"  {extra['add']}" for _, extra in extras if extra["add"]]:
        output.lines("", "To add what is missing:", *missing)
    output.lines("", *(found["problems"] or ["No problems found."]))
