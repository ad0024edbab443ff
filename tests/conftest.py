"""What every test stands on: seeded draws, no network beyond this machine."""

import gc
import ipaddress
import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy: each process on a core of its own, not on all of them
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

# Derandomised: the same examples on every machine. No deadline: a shared machine is no clock.
hypothesis.settings.register_profile("dima", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("dima")


# What JAX compiles is kept until the run ends: many tests, and the processes they start, compile the same.
COMPILED = tempfile.mkdtemp(prefix="dima-compiled-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
# Nor does a test train for long enough to earn back what XLA spends on making its programs faster.
UNOPTIMISED = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false"  # compiles in less than half the time
)
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {UNOPTIMISED}"


def pytest_unconfigure() -> None:
    """Take the compiled programs away."""
    shutil.rmtree(COMPILED, ignore_errors=True)


# A full collection walks all that JAX has compiled so far: thousands of tests need not each pay for one.
gc.set_threshold(100_000, 50, 100)


# A compiled program takes a dozen memory maps, of which Linux gives a process 65,530; without, JAX crashes.
MAPS = Path("/proc/self/maps")
MOST_MAPS = 20_000


@pytest.fixture(autouse=True, scope="module")
def few_memory_maps() -> Iterator[None]:
    """Forget compiled programs before their memory maps run out; those on disk are read again."""
    yield
    jax = sys.modules.get("jax")
    if jax is not None and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded draws; each test gets the same ones, in whatever order the tests run."""
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse to connect anywhere but to this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise AssertionError(f"a test tried to reach {address[0]!r}; tests use no network")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
