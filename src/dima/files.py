"""Files and flat folders that are replaced whole or not at all, and plain files read without trust.

What is written stands first in a hidden sibling, is synced, and is then renamed once. A folder that is
replaced steps aside for that moment; whoever finds nothing under the final name looks there (`surviving`),
so the old or the new one is found whatever instant the power goes. Every function takes `owner`, who speaks
in the messages, and `error`, the class that is raised.
"""

import contextlib
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import IO

from dima.errors import DataError, DimaError, MemoryBudgetError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "list_folder",
    "make_folder",
    "one_sentence",
    "read_plain_file",
    "replace_file",
    "replace_files",
    "replace_folder",
    "surviving",
]

AnyPath = str | os.PathLike[str]
Error = type[DimaError]
Content = bytes | Callable[[IO[bytes]], object]  # what is written, or what writes it

# O_NONBLOCK: opening a named pipe would wait for a writer. O_BINARY matters to Windows alone.
_READ_FLAGS = os.O_RDONLY | sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
)


def replace_file(path: AnyPath, content: Content, owner: str, error: Error = DataError) -> None:
    """Write one file as `replace_files` does."""
    replace_files({path: content}, owner, error)


def replace_files(contents: Mapping[AnyPath, Content], owner: str, error: Error = DataError) -> None:
    """Write files, each appearing whole, the last one named last; links are followed, folders exist.

    Raises:
        DimaError: of class `error`: the disk refused. The file it names is as it was; nothing is left over.
    """
    targets = {_resolve(path, owner, error): content for path, content in contents.items()}
    temporaries = {target: _temporary(target) for target in targets}
    with _exclusive(targets, owner, error), contextlib.ExitStack() as cleanup:
        for target, content in targets.items():
            cleanup.callback(_remove, temporaries[target])
            with one_sentence(target, owner, error):
                _write_synced(temporaries[target], content)
        for target, temporary in temporaries.items():
            with one_sentence(target, owner, error):
                temporary.replace(target)
                _sync_folder(target.parent)


def replace_folder(
    path: AnyPath,
    members: Mapping[str, bytes],
    may_replace: Callable[[Path], bool],
    owner: str,
    error: Error = DataError,
) -> None:
    """Write a folder of plain files, `members` by name; its parent exists, links to it are followed.

    Raises:
        DimaError: of class `error`: `may_replace` says that what stands there may not go, or the disk
            refused. Nothing is lost.
    """
    target = _resolve(path, owner, error)
    aside, temporary = _beside(target, ".old"), _temporary(target)
    with _exclusive([target], owner, error), one_sentence(target, owner, error):
        if not target.exists() and aside.exists():
            aside.rename(target)  # an earlier writer was killed between its two renames
        _remove(aside)
        if target.exists() and not may_replace(target):
            rule, fix = "free, or an older one of its kind", "Choose another place, or move it away."
            raise error(f"{owner}: {target} must be {rule}; got something else. {fix}")
        try:
            temporary.mkdir()
            for name, content in members.items():
                _write_synced(temporary / name, content)
            _sync_folder(temporary)
            _swap(temporary, target, aside)
        finally:
            _remove(temporary)


def make_folder(path: AnyPath, owner: str, error: Error = DataError) -> Path:
    """Make a folder, and those above it, unless it is there; the path as it was given.

    Raises:
        DimaError: of class `error`: a file stands there, or the disk refused.
    """
    folder = Path(path)
    with one_sentence(folder, owner, error, "a folder to write to"):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def surviving(path: AnyPath, owner: str, error: Error = DataError) -> Path:
    """Where a folder that was written stands: at `path`, absolute, or set aside by a writer that was killed.

    Raises:
        DimaError: of class `error`: no file can have this path.
    """
    target = _resolve(path, owner, error)
    aside = _beside(target, ".old")
    return aside if not target.exists() and aside.is_dir() else target


@contextlib.contextmanager
def one_sentence(target: Path, owner: str, error: Error, rule: str = "writeable") -> Iterator[None]:
    """Say what the system refused in the block as one sentence: that `target` must be what the rule says."""
    try:
        yield
    except OSError as fault:
        fix = "Check its folder, permissions and the space left, or choose another place."
        raise error(f"{owner}: {target} must be {rule}; got {_reason(fault)}. {fix}") from fault


def read_plain_file(path: Path, limit: int, owner: str, error: Error = DataError) -> bytes:
    """Read one plain file of at most `limit` bytes.

    Raises:
        DimaError: of class `error`: it is missing, a link, not a plain file, too large, or cannot be read.
        MemoryBudgetError: there is no memory for it.
    """
    again, size = "Copy or download it again.", 0
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise error(f"{owner}: it must be a plain file; got a link, a folder or a device. {again}")
        with os.fdopen(os.open(path, _READ_FLAGS), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise error(f"{owner}: its size must be at most {limit} bytes; got {size}. {again}")
            return file.read(size)
    except FileNotFoundError:
        raise error(f"{owner}: it must be there; got no such file. {again}") from None
    except OSError as fault:
        raise error(f"{owner}: it must be readable; got {_reason(fault)}. Check its permissions.") from fault
    except MemoryError:
        fix = "Load it on a larger machine."
        raise MemoryBudgetError(f"{owner}: it must fit into memory; got {size} bytes. {fix}") from None


def list_folder(path: Path, owner: str, error: Error = DataError) -> set[str]:
    """Names of what a folder holds; `error` where it cannot be read."""
    try:
        return {entry.name for entry in path.iterdir()}
    except OSError as fault:
        raise error(f"{owner}: it must be readable; got {_reason(fault)}. Check its permissions.") from fault


def _resolve(path: AnyPath, owner: str, error: Error) -> Path:
    """The absolute path, links followed; it need not exist."""
    try:
        place = Path(path).resolve()
        place.exists()  # a name that is too long is found out here
        return place
    except (OSError, ValueError, RuntimeError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise error(f"{owner}: the path must be one a file can have; got {reason}. Check it.") from None


def _swap(temporary: Path, target: Path, aside: Path) -> None:
    """Rename a finished folder in; if that fails, what stood at `target` stands there again."""
    if stood := target.exists():
        target.rename(aside)
    try:
        temporary.rename(target)
        _sync_folder(target.parent)
    except BaseException:
        if not temporary.exists():
            target.rename(temporary)
        if stood:
            aside.rename(target)
        raise
    _remove(aside)


def _write_synced(path: Path, content: Content) -> None:
    with path.open("xb") as file:
        file.write(content) if isinstance(content, bytes) else content(file)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut; Windows has no such call."""
    if sys.platform != "win32":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _remove(path: Path) -> None:
    """Remove a temporary or set-aside file or flat folder, as far as the system lets us."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            for member in path.iterdir():
                member.unlink()
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def _beside(target: Path, ending: str) -> Path:
    """A hidden sibling by a short name of the target's alone: it fits beside a name of any length."""
    return target.with_name(f".dima-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}{ending}")


def _temporary(target: Path) -> Path:
    return _beside(target, f"-{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def _exclusive(targets: Collection[Path], owner: str, error: Error) -> Iterator[None]:
    """Keep other writers out of the folders, then clear what killed ones left of these targets.

    The lock is advisory and ends with the process; Windows and some network file systems have none.
    """
    with contextlib.ExitStack() as cleanup:
        # In one order for everybody, so that no two writers wait for each other.
        for folder in sorted({target.parent for target in targets}):
            if sys.platform == "win32":
                continue
            with one_sentence(folder, owner, error):
                opened = os.open(folder, os.O_RDONLY)
                cleanup.callback(os.close, opened)
            with contextlib.suppress(OSError):
                fcntl.flock(opened, fcntl.LOCK_EX)
                names = [_beside(target, "-*.tmp").name for target in targets if target.parent == folder]
                for leftover in (path for name in names for path in folder.glob(name)):
                    _remove(leftover)
        yield


def _reason(fault: OSError) -> str:
    return fault.strerror or type(fault).__name__
