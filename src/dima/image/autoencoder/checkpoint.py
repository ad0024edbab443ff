"""A torch checkpoint from elsewhere to settings and arrays, without trust.

It is read in a child process with limits on time, memory and disk, by `torch.load(weights_only=True)`, which
runs nothing that a pickle asks for. What comes back is JSON and safetensors.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dima.errors import ArtifactError
from dima.files import read_plain_file, replace_file
from dima.store.arrays import pack, unpack
from dima.store.decode import quoted
from dima.typing import Arrays

if sys.platform != "win32":
    import resource

__all__ = ["MOST_BYTES", "read_checkpoint", "refusal", "take_apart"]

MOST_BYTES = 256 << 20  # of a checkpoint, and of the arrays in it
_MOST_ARRAYS = 1000
_MOST_MEMORY = 2 << 30  # of the child, beyond what importing torch took
_MOST_CPU_SECONDS = 60
_MOST_SECONDS = 180  # by the clock, importing torch among them
_STATES = ("model", "state_dict", "model_state_dict", "model_state")
_ARGS = ("model", "output", "activation", "pixel_range")  # of args, what anybody asks for
_OUTCOME, _STATE = "outcome.json", "state.safetensors"
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")  # no tokens among them
_MAGIC = (b"PK\x03\x04", b"\x80\x02")  # torch's zip archive, and the plain pickle before it
# The child looks for packages where its parent does; -I alone would not find a dima that is not installed.
_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from dima.image.autoencoder.checkpoint import take_apart; take_apart(*sys.argv[2:])"
)


def read_checkpoint(data: bytes, name: str) -> tuple[dict[str, Any], Arrays]:
    """Some of its args, "model" among them, and the state dict in its order, from the bytes of a file `name`.

    Raises:
        ArtifactError: it is no torch file, is damaged or too large, asks for classes, or holds no args.model
            or no state dict.
    """
    if not data.startswith(_MAGIC):
        raise refusal(name, "a torch file", f"one that begins with {data[:4]!r}", "Save it by torch.save.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        source = folder / "checkpoint.pt"
        replace_file(source, data, "convert", ArtifactError)
        _run_child(source, folder, name)
        outcome = json.loads(read_plain_file(folder / _OUTCOME, 1 << 20, name, ArtifactError))
        if "refused" in outcome:
            raise ArtifactError(outcome["refused"])
        arrays = unpack(read_plain_file(folder / _STATE, 2 * MOST_BYTES, name, ArtifactError), name)
    return outcome["args"], {key: arrays[str(i)] for i, key in enumerate(outcome["names"])}


def take_apart(source: str, folder: str, name: str) -> None:
    """The child's whole work: a checkpoint to args and arrays in `folder`, or to the reason why not."""
    _limit()
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            found = torch.load(source, map_location="cpu", weights_only=True)
        outcome, arrays = _parts(found, name)
        replace_file(Path(folder) / _STATE, pack(arrays), name, ArtifactError)
    except ArtifactError as fault:
        outcome = {"refused": str(fault)}
    except Exception as fault:  # whatever strange bytes lead torch to, it is a reason to refuse them
        outcome = {"refused": str(_unread(fault, name))}
    replace_file(Path(folder) / _OUTCOME, json.dumps(outcome).encode(), name, ArtifactError)


def _run_child(source: Path, folder: Path, name: str) -> None:
    where = json.dumps([place for place in sys.path if place])
    call = [sys.executable, "-I", "-c", _CHILD, where, str(source), str(folder), name]
    environment = {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}
    noise = folder / "stderr"
    rule, fix = f"read within {_MOST_SECONDS} s and {_MOST_MEMORY >> 30} GB", "Check where it comes from."
    try:
        with noise.open("wb") as heard:
            ended = subprocess.run(
                call,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=heard,
                cwd=folder,
                env=environment | {"OMP_NUM_THREADS": "1"},
                timeout=_MOST_SECONDS,
            )
    except subprocess.TimeoutExpired:
        raise refusal(name, rule, "a child that did not end", fix) from None
    if ended.returncode or not (folder / _OUTCOME).exists():
        last = noise.read_bytes()[-1000:].decode(errors="replace").strip().rpartition("\n")[2]
        raise refusal(name, rule, f"a child that ended with {ended.returncode} {quoted(last)}", fix)


def _limit() -> None:
    """Hold this process to its limits, counted from what importing torch has used."""
    if sys.platform == "win32":
        return
    limits = {
        resource.RLIMIT_CPU: int(time.process_time()) + _MOST_CPU_SECONDS,
        resource.RLIMIT_FSIZE: 2 * MOST_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    statm = Path("/proc/self/statm")
    if statm.exists():  # only Linux tells, and only Linux holds a process to it
        pages = int(statm.read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + _MOST_MEMORY
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        low = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (low, low))


def _parts(found: Any, name: str) -> tuple[dict[str, Any], Arrays]:
    """What `read` asks of a checkpoint: args and names as JSON, and the arrays by their number."""
    top = found if isinstance(found, dict) else {}
    args = top.get("args")
    args = vars(args) if isinstance(args, argparse.Namespace) else args
    if not isinstance(args, dict) or "model" not in args:
        got = f"the keys {quoted(', '.join(map(str, top)))}" if top else f"a {type(found).__name__}"
        fix = 'Save {"args": {"model": "mlp"}, "state_dict": ...}.'
        raise refusal(name, "a dictionary with args.model", f"none in {got}", fix)
    state = next((top[key] for key in _STATES if isinstance(top.get(key), dict)), None)
    if state is None:
        got = f"the keys {quoted(', '.join(map(str, top)))}"
        raise refusal(
            name, f"a dictionary with a state dict under {', '.join(_STATES)}", got, "Save it under one."
        )
    _refuse_strange(state, name)
    arrays = {str(i): tensor.detach().float().numpy() for i, tensor in enumerate(state.values())}
    asked = {key: _plain(args[key]) for key in _ARGS if args.get(key) is not None}
    return {"args": {"model": None, **asked}, "names": list(state)}, arrays


def _refuse_strange(state: Mapping[Any, Any], name: str) -> None:
    """Hold the state dict to names and dense real tensors of a bounded size, before one is copied."""
    for key, tensor in state.items():
        is_tensor = isinstance(tensor, Tensor) and tensor.layout is torch.strided
        if not (is_tensor and isinstance(key, str) and tensor.device.type == "cpu") or tensor.is_complex():
            got = f"{quoted(str(key))} of type {type(tensor).__name__}"
            raise refusal(name, "a state dict of dense real tensors by name", got, "Save model.state_dict().")
    # A tensor may repeat a few numbers of the file without end.
    if len(state) > _MOST_ARRAYS or sum(4 * tensor.numel() for tensor in state.values()) > MOST_BYTES:
        rule = f"a state dict of at most {_MOST_ARRAYS} tensors and {MOST_BYTES} bytes"
        raise refusal(name, rule, "more", "Such a network is not one of the published.")


def _unread(fault: Exception, name: str) -> ArtifactError:
    """Why torch did not read a file: a class it asks for, or damage."""
    asked = re.search(r"GLOBAL:? ([\w.]+)", str(fault))
    if asked:
        fix = "Save args as plain values and model.state_dict(); nothing in the file was run."
        return refusal(name, "plain tensors and values", f"a pickle that needs {quoted(asked[1])}", fix)
    reason = quoted(str(fault).partition("\n")[0]) if str(fault) else type(fault).__name__
    return refusal(name, "a whole torch file", f"a damaged one ({reason})", "Copy or download it again.")


def _plain(value: Any) -> Any:
    """A setting as JSON; of what is none, only its type."""
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) <= 2 and all(isinstance(one, str | int | float) for one in values):
        return [*values] if isinstance(value, list | tuple) else value
    return f"a {type(value).__name__}"


def refusal(name: str, rule: str, got: str, fix: str) -> ArtifactError:
    """The error about a checkpoint called `name`."""
    return ArtifactError(f"convert: {name} must be {rule}; got {got}. {fix}")
