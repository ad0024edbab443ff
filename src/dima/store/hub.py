"""Saved models to and from the Hugging Face Hub: a folder up, a snapshot down."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from dima.errors import ArtifactError, BackendError, SettingError
from dima.files import read_plain_file, replace_folder
from dima.store.artifact import FILES, load
from dima.store.contents import LIMITS

__all__ = ["download", "upload"]

_NAME = r"[A-Za-z0-9](?:[\w-]|\.(?!\.))*"
_REPO_ID = re.compile(rf"(?=.{{1,96}}\Z){_NAME}/{_NAME}", re.ASCII)
_REVISION = re.compile(rf"{_NAME}(?:/{_NAME})*", re.ASCII)
_TOKEN = re.compile(r"[!-~]+")

# What the Hub says, by the name of huggingface_hub's exception.
_ANSWERS = {
    "GatedRepoError": "open to you; got a gated one. Accept its terms there, then pass your token.",
    "RepositoryNotFoundError": "a repository you can read; got none. Check the name, or pass a token for it.",
    "RevisionNotFoundError": "a repository with that revision; got none by that name. Check it.",
}


def upload(folder: Path, repo_id: str, token: str | None, *, private: bool = True) -> str:
    """Upload a folder of `store.save`, checked before anything is sent, and return its address.

    Args:
        folder: the saved model.
        repo_id: "user/model", which is made if there is none.
        token: a write token; None uses the one of `hf auth login` or HF_TOKEN, if any.
        private: whether only its owner sees a repository that is made; models hold training rows.

    Raises:
        ArtifactError: the folder is not a sound saved model.
        BackendError: huggingface_hub is not installed, or the Hub cannot be reached or refuses.
        SettingError: the repository's name or the token is malformed.
    """
    _check("upload", repo_id, token)
    load(folder)

    def send(hub: Any) -> str:
        address = hub.create_repo(repo_id, token=token, private=private, exist_ok=True)
        sent = {"allow_patterns": list(FILES), "commit_message": "Upload a dima model"}
        hub.upload_folder(repo_id=repo_id, folder_path=folder, token=token, **sent)
        return str(address)

    return _ask("upload", repo_id, token, send)


def download(repo_id: str, token: str | None = None, revision: str | None = None) -> Path:
    """Download a saved model into the Hub's cache and return the folder, which `store.load` opens and checks.

    `token` is needed for a private repository; `revision` is a branch, tag or commit.

    Raises:
        ArtifactError: there is no such repository or revision, or no dima model in it.
        BackendError: huggingface_hub is not installed, or the Hub cannot be reached or refuses.
        SettingError: the repository's name, the revision or the token is malformed.
    """
    _check("download", repo_id, token, revision)
    wanted = {"revision": revision, "token": token, "allow_patterns": list(FILES)}
    snapshot = Path(_ask("download", repo_id, token, lambda hub: hub.snapshot_download(repo_id, **wanted)))
    # The cache holds links into a pool of blobs, and `load` refuses links: beside them stand plain copies.
    members = {
        name: read_plain_file((snapshot / name).resolve(), LIMITS[name], f"{repo_id}/{name}", ArtifactError)
        for name in FILES
    }
    plain = snapshot.parent.parent / "dima" / snapshot.name
    plain.parent.mkdir(exist_ok=True)
    replace_folder(plain, members, Path.is_dir, "download", ArtifactError)
    return plain


def _check(owner: str, repo_id: str, token: str | None, revision: str | None = None) -> None:
    """Refuse what could leave the cache's folders or a header's line; a token is never shown."""
    if not _REPO_ID.fullmatch(repo_id):
        rule = "'user/model' in letters, digits, '-', '_', '.'"
        raise SettingError(f"{owner}: repo_id must be {rule}; got {repo_id!a}.")
    if revision is not None and not _REVISION.fullmatch(revision):
        rule = "the name of a branch, tag or commit"
        raise SettingError(f"{owner}: revision must be {rule}; got {revision!a}.")
    if token is not None and not _TOKEN.fullmatch(token):
        got, fix = "something else, not shown here", "Copy it again from the Hub."
        raise SettingError(f"{owner}: token must be one word of printable ASCII; got {got}. {fix}")


def _huggingface_hub(owner: str) -> ModuleType:
    try:
        import huggingface_hub.utils  # an optional package, and a second to import
    except ImportError:
        fix = 'Run: pip install "dima-manifold[hf]"'
        raise BackendError(f"{owner}: huggingface_hub must be installed; got none. {fix}") from None
    return huggingface_hub


def _ask(owner: str, repo_id: str, token: str | None, call: Callable[[Any], str]) -> str:
    """One sentence for whatever goes wrong in `call`.

    Every exception is caught: the transports below huggingface_hub share no base class, and the
    text of any of them may quote a header, token included. For that reason, too, none is chained.
    """
    hub: Any = _huggingface_hub(owner)
    # Bars on a terminal only, as everywhere in dima; what the user set by hand stands.
    by_hand = "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ or hub.utils.are_progress_bars_disabled()
    silent = not (sys.stderr.isatty() or by_hand)
    try:
        if silent:
            hub.utils.disable_progress_bars()
        return call(hub)
    except Exception as fault:
        answer = next((_ANSWERS[c.__name__] for c in type(fault).__mro__ if c.__name__ in _ANSWERS), "")
        status = getattr(getattr(fault, "response", None), "status_code", "")
        reason = getattr(fault, "server_message", None) or str(fault) or type(fault).__name__
    finally:
        if silent:
            hub.utils.enable_progress_bars()
    if answer:
        raise ArtifactError(f"{owner}: {repo_id} must be {answer}")
    reason = " ".join(f"{status} {reason}".split()).rstrip(".")
    for secret in filter(None, (token, hub.get_token())):
        reason = reason.replace(secret, "***")
    fix = "Check the connection, and that the token may do this."
    raise BackendError(f"{owner}: {repo_id} on the Hub must be reachable; got {reason[:300]}. {fix}")
