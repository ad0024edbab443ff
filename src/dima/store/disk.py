"""Files and folders that appear whole or not at all, and members read without trust.

What is written stands first in a sibling with a hidden name, is synced, and is then renamed once.
A folder that is replaced steps aside for that moment; whoever finds nothing under the final name
looks there (`standing`), so an old or a new model loads whatever instant the power goes.
"""

import contextlib
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from dima.errors import ArtifactError, MemoryBudgetError, sentence
from dima.store.decode import damaged
from dima.store.seal import Buffer

if sys.platform != "win32":
    import fcntl

__all__ = ["listing", "read_member", "resolved", "standing", "write_files", "write_folder"]


def resolved(path: str | os.PathLike[str], owner: str) -> Path:
    """The absolute path, links followed; it need not exist.

    Raises:
        ArtifactError: no file can have this path.
    """
    try:
        place = Path(path).resolve()
        place.exists()  # a name that is too long is found out here
    except (OSError, ValueError, RuntimeError) as fault:
        got = getattr(fault, "strerror", None) or str(fault)
        raise ArtifactError(sentence(owner, "path", "reachable", got, "Check it.")) from None
    return place


def standing(target: Path) -> Path:
    """Where the model saved as `target` stands: there, or set aside by a save that was killed."""
    aside = _aside(target)
    return aside if not target.exists() and aside.is_dir() else target


def read_member(path: Path, limit: int, member: str) -> bytes:
    """Read one plain file of at most `limit` bytes.

    Raises:
        ArtifactError: it is missing, a link, not a plain file, too large, or cannot be read.
        MemoryBudgetError: there is no memory for it.
    """
    # O_NONBLOCK: opening a named pipe would wait for a writer. O_BINARY matters to Windows alone.
    names = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in names)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise damaged(member, "it", "a plain file", "a link, a folder or a device")
        with os.fdopen(os.open(path, flags), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise damaged(member, "its size", f"at most {limit} bytes", size)
            return _read(file.read, size, member)
    except FileNotFoundError:
        raise damaged(member, "it", "there", "no such file") from None
    except OSError as fault:
        raise damaged(member, "it", "readable", _why(fault), "Check its permissions.") from fault


def listing(folder: Path, owner: str) -> set[str]:
    """Names of what a folder holds.

    Raises:
        ArtifactError: the folder cannot be read.
    """
    try:
        return {entry.name for entry in folder.iterdir()}
    except OSError as fault:
        raise damaged(owner, "it", "readable", _why(fault), "Check its permissions.") from fault


def write_folder(target: Path, members: Mapping[str, bytes], replaceable: Callable[[Path], bool]) -> None:
    """Write a folder of plain files; what stands at `target` is replaced or left untouched.

    Args:
        target: a resolved path whose parent exists.
        members: contents by file name.
        replaceable: says of an existing `target` whether it may go.

    Raises:
        ArtifactError: `target` may not be replaced, or the disk refused; nothing is lost or left.
    """
    aside, temporary = _aside(target), _temporary(target)
    with _alone([target]), _told(target):
        if not target.exists() and aside.exists():
            aside.rename(target)  # an earlier save was killed between its two renames
        _discard(aside)
        if target.exists() and not replaceable(target):
            rule, fix = "free, or an older saved model", "Choose another place, or move it away."
            raise ArtifactError(sentence("save", str(target), rule, "something else", fix))
        try:
            temporary.mkdir()
            for name, data in members.items():
                _write(temporary / name, data)
            _sync(temporary)
            _swap(temporary, target, aside)
        finally:
            _discard(temporary)


def write_files(files: Mapping[Path, Buffer]) -> None:
    """Write single files, each appearing whole; the last one named is replaced last.

    Raises:
        ArtifactError: the disk refused; the file it names is as it was, and nothing is left over.
    """
    temporaries = {target: _temporary(target) for target in files}
    with _alone(files), contextlib.ExitStack() as stack:
        for target, temporary in temporaries.items():
            stack.callback(_discard, temporary)
            with _told(target):
                _write(temporary, files[target])
        for target, temporary in temporaries.items():
            with _told(target):
                temporary.replace(target)
                _sync(target.parent)


def _swap(temporary: Path, target: Path, aside: Path) -> None:
    """Rename a finished folder in; if that fails, what stood at `target` stands there again."""
    stood = target.exists()
    if stood:
        target.rename(aside)
    try:
        temporary.rename(target)
        _sync(target.parent)
    except BaseException:
        if not temporary.exists():
            target.rename(temporary)
        if stood:
            aside.rename(target)
        raise
    _discard(aside)


def _write(path: Path, data: Buffer) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read(read: Callable[[int], bytes], size: int, member: str) -> bytes:
    try:
        return read(size)
    except MemoryError:
        rule, fix = "small enough for memory", "Load it on a larger machine."
        raise MemoryBudgetError(sentence(member, "it", rule, f"{size} bytes", fix)) from None


def _sync(folder: Path) -> None:
    """Make renames in a folder last through a power cut; Windows has no such call."""
    if sys.platform == "win32":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _discard(path: Path) -> None:
    """Remove a temporary or set-aside file or flat folder, as far as the system lets us."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            for member in path.iterdir():
                member.unlink()
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


# Short names that depend on the target alone: they fit beside a name of any length.


def _stem(target: Path) -> str:
    return f".dima-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}"


def _aside(target: Path) -> Path:
    return target.with_name(f"{_stem(target)}.old")


def _temporary(target: Path) -> Path:
    return target.with_name(f"{_stem(target)}-{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def _alone(targets: Collection[Path]) -> Iterator[None]:
    """Keep other writers out of the folders, then clear what killed ones left of these targets."""
    with contextlib.ExitStack() as stack:
        # In one order for everybody, so that no two writers wait for each other.
        for folder in sorted({target.parent for target in targets}):
            with _told(folder):
                held = stack.enter_context(_locked(folder))
            names = [f"{_stem(t)}-*.tmp" for t in targets if held and t.parent == folder]
            for leftover in (path for name in names for path in folder.glob(name)):
                _discard(leftover)
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold an advisory lock, which ends with the process; False where the system has none."""
    if sys.platform == "win32":
        yield False
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        held = True
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
        except OSError:  # some network file systems
            held = False
        yield held
    finally:
        os.close(opened)


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    """Word what the system says as a sentence about `target`."""
    try:
        yield
    except OSError as fault:
        fix = "Check its folder, permissions and the space left, or choose another place."
        raise ArtifactError(sentence("save", str(target), "writeable", _why(fault), fix)) from fault


def _why(fault: OSError) -> str:
    return fault.strerror or type(fault).__name__
