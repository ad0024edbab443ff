"""Saved models to and from the Hugging Face Hub: a folder up, a snapshot down."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from dima.errors import ArtifactError, BackendError, SettingError, sentence
from dima.store.artifact import FILES, load
from dima.store.disk import read_member, write_folder

__all__ = ["download", "upload"]

T = TypeVar("T")

_NAME = r"[A-Za-z0-9](?:[\w-]|\.(?!\.))*"
_REPO_ID = re.compile(rf"{_NAME}/{_NAME}", re.ASCII)
_REVISION = re.compile(rf"{_NAME}(?:/{_NAME})*", re.ASCII)
_TOKEN = re.compile(r"[!-~]+")
_MAX_LENGTH = 96
_MAX_FILE_BYTES = 1 << 40

# What the Hub says, by the name of huggingface_hub's exception: rule, what we got, what to do.
_ANSWERS = {
    "GatedRepoError": (
        "open to you",
        "a gated repository",
        "Accept its terms on the Hub, then pass a token of that account.",
    ),
    "RepositoryNotFoundError": (
        "a repository you can read",
        "none by that name, or a private one",
        "Check the name, or pass a token that may read it.",
    ),
    "RevisionNotFoundError": ("a revision that exists", "none by that name", "Check it."),
}


def upload(folder: Path, repo_id: str, token: str | None, *, private: bool = True) -> str:
    """Upload a saved model; the repository is made if there is none.

    Args:
        folder: written by `store.save`; checked before anything is sent.
        repo_id: "user/model".
        token: a write token; None uses the one of `hf auth login` or HF_TOKEN, if any.
        private: whether a repository that is made is seen by its owner only; models hold training rows.

    Returns:
        The address of the repository.

    Raises:
        ArtifactError: the folder is not a sound saved model.
        BackendError: huggingface_hub is not installed, or the Hub cannot be reached or refuses.
        SettingError: the repository's name or the token is malformed.
    """
    _check("upload", repo_id, token)
    load(folder)
    hub = _huggingface_hub("upload")

    def push() -> str:
        address = hub.create_repo(repo_id, token=token, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            token=token,
            allow_patterns=list(FILES),
            commit_message="Upload a dima model",
        )
        return str(address)

    return _asked(push, "upload", repo_id, hub, token)


def download(repo_id: str, token: str | None = None, revision: str | None = None) -> Path:
    """Download a saved model into the Hub's cache.

    Args:
        repo_id: "user/model".
        token: needed for a private repository; None uses the saved one, if any.
        revision: a branch, tag or commit; the newest by default.

    Returns:
        A folder that `store.load` opens (which is where its content is checked).

    Raises:
        ArtifactError: there is no such repository or revision, or no dima model in it.
        BackendError: huggingface_hub is not installed, or the Hub cannot be reached or refuses.
        SettingError: the repository's name, the revision or the token is malformed.
    """
    _check("download", repo_id, token, revision)
    hub = _huggingface_hub("download")

    def pull() -> Path:
        files = list(FILES)
        told = hub.snapshot_download(repo_id, revision=revision, token=token, allow_patterns=files)
        return Path(told)

    snapshot = _asked(pull, "download", repo_id, hub, token)
    for missing in (name for name in FILES if not (snapshot / name).is_file()):
        fix = "Name a repository that holds a dima model."
        raise ArtifactError(sentence("download", f"{repo_id}/{missing}", "there", "none", fix))
    return _plain_copy(snapshot)


def _plain_copy(snapshot: Path) -> Path:
    """The snapshot as plain files, inside the cache of its own repository.

    The cache holds links into a pool of blobs, and `load` refuses links.
    """
    target = snapshot.parent.parent / "dima" / snapshot.name
    members = {name: read_member((snapshot / name).resolve(), _MAX_FILE_BYTES, name) for name in FILES}
    if not all(_holds(target / name, data) for name, data in members.items()):
        target.parent.mkdir(exist_ok=True)
        write_folder(target, members, replaceable=Path.is_dir)
    return target


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and not path.is_symlink() and path.read_bytes() == data


def _check(owner: str, repo_id: str, token: str | None, revision: str | None = None) -> None:
    """Refuse what could leave the cache's folders or a header's line; a token is never shown."""
    if not _REPO_ID.fullmatch(repo_id) or len(repo_id) > _MAX_LENGTH:
        rule = "'user/model', in letters, digits, '-', '_' and '.'"
        raise SettingError(sentence(owner, "repo_id", rule, ascii(repo_id)))
    if revision is not None and not _REVISION.fullmatch(revision):
        rule = "the name of a branch, tag or commit"
        raise SettingError(sentence(owner, "revision", rule, ascii(revision)))
    if token is not None and not _TOKEN.fullmatch(token):
        rule, got = "one word of printable ASCII", "something else, not shown here"
        raise SettingError(sentence(owner, "token", rule, got, "Copy it again from the Hub."))


def _huggingface_hub(owner: str) -> ModuleType:
    try:
        import huggingface_hub.utils  # an optional package, and a second to import
    except ImportError:
        rule, fix = "installed", 'Run: pip install "dima-manifold[hf]"'
        raise BackendError(sentence(owner, "huggingface_hub", rule, "none", fix)) from None
    return huggingface_hub


def _asked(call: Callable[[], T], owner: str, repo_id: str, hub: ModuleType, token: str | None) -> T:
    """One sentence for whatever goes wrong in `call`.

    Every exception is caught: the transports below huggingface_hub share no base class, and the
    text of any of them may quote a header, token included. For that reason, too, none is chained.
    """
    try:
        with _bars_on_a_terminal(hub):
            return call()
    except Exception as fault:
        error = _worded(owner, repo_id, fault, [token, hub.get_token()])
    raise error


@contextlib.contextmanager
def _bars_on_a_terminal(hub: ModuleType) -> Iterator[None]:
    """Bars on a terminal only, as everywhere in dima; what the user set by hand stands."""
    set_by_hand = "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ
    if sys.stderr.isatty() or set_by_hand or hub.utils.are_progress_bars_disabled():
        yield
        return
    hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        hub.utils.enable_progress_bars()


def _worded(
    owner: str, repo_id: str, fault: Exception, secrets: list[str | None]
) -> ArtifactError | BackendError:
    for name in (kind.__name__ for kind in type(fault).__mro__):
        if name in _ANSWERS:
            return ArtifactError(sentence(owner, repo_id, *_ANSWERS[name]))
    status = getattr(getattr(fault, "response", None), "status_code", "")
    told = getattr(fault, "server_message", None) or str(fault) or type(fault).__name__
    told = " ".join(f"{status} {told}".split()).rstrip(".")
    for secret in filter(None, secrets):
        told = told.replace(secret, "***")
    fix = "Check the connection, and that the token may do this."
    return BackendError(sentence(owner, f"{repo_id} on the Hub", "reachable", told[:300], fix))
