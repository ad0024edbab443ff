"""What a folder of results was made of: a model in it is taken only where that is what is asked for."""

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dima import settings
from dima.errors import SettingError
from dima.files import replace_file
from dima.model import persist
from dima.training.checkpoint import fingerprint
from dima.typing import Float32

__all__ = ["declared_of", "hold", "open_saved"]

_NOTE = "made_of.json"
_log = logging.getLogger("dima")


def hold(owner: str, folder: Path, asked: dict[str, Any], train: Float32, made: Collection[str]) -> None:
    """Hold what a folder of results was made of against what is asked for; note that in a new folder.

    Args:
        owner: the verb.
        folder: of results.
        asked: settings by name, and `data`, the name of the images.
        train: (n, c, h, w) images, which are compared by their bytes.
        made: names of what the verb makes in the folder; where none of them is there, it is new.

    Raises:
        SettingError: it was made with other settings or of other images, or that was not noted.
    """
    asked = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
    wanted = asked | {"images": fingerprint(train)}
    if not any((folder / name).exists() for name in made):
        replace_file(folder / _NOTE, f"{json.dumps(wanted, indent=2)}\n".encode(), owner)
        return
    noted, fix = _noted(folder), "Choose another folder with --output."
    if noted is None:
        message = f"{owner}: {folder} must say in {_NOTE} what it was made of; got a folder that does not."
        raise SettingError(f"{message} {fix}")
    data, theirs = asked.pop("data"), noted.get("data")  # images count, not their name
    settings.must_match(owner, folder, asked, noted, fix)
    if noted.get("images") != wanted["images"]:
        got = "other images of that name" if theirs == data else f"those of {theirs}"
        raise SettingError(f"{owner}: {folder} must be of the images of {data}; got {got}. {fix}")


def declared_of(estimator: Any) -> dict[str, Any]:
    """Settings of an estimator by name; where it runs is none."""
    names = settings.declared(type(estimator))
    return {name: getattr(estimator, name) for name in names if name != "device"}


def open_saved(place: Path) -> Any:
    """The saved model at `place`, and a word that it is not trained again."""
    found = persist.load(place)
    _log.info("Loaded, not trained again: %s", place)
    return found


def _noted(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / _NOTE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
