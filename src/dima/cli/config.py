"""`--config file.toml`: flags from a file, beneath those given on the command line."""

import tomllib
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from dima.errors import DataError, SettingError

__all__ = ["FLAG", "Layer", "read"]

FLAG = "--config"


class Layer:
    """Fills what the command line left open from the file that `--config` names.

    Args:
        root: the application; the names of its verbs are no flags.
    """

    def __init__(self, root: App) -> None:
        self._root = root

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Add the file's values to `arguments`.

        Raises:
            DataError: the file cannot be read as TOML.
            SettingError: a key is the name of a verb, or --config itself.
            cyclopts.UnknownOptionError: a key is no flag of the verb; it names key and file.
        """
        paths = [a.tokens[0].value for a in arguments if FLAG in a.names and a.tokens]
        if paths:
            self._fill(paths[0], app, commands, arguments)
        for argument in arguments:
            # `--dmap 3` would set whichever setting comes first.
            if argument.children and argument.tokens:
                name, verb = argument.tokens[0].keyword or argument.name, " ".join(commands)
                fix = f"Write {argument.children[0].name} VALUE."
                raise SettingError(f"dima {verb}: {name} must be one setting of it; got it alone. {fix}")

    def _fill(self, path: str, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        values = read(path)
        for key in values:
            # cyclopts passes over the names of commands; nothing in the file may be ignored.
            if key in self._root or key == FLAG.lstrip("-"):
                fix = "Write flags at the top, and settings under [dmap], [gplm] and [ddpm]."
                rule = f"a flag of dima {' '.join(commands)}"
                raise SettingError(f"{path}: a key must be {rule}; got {key!r}. {fix}")
        Dict(values, source=path, use_commands_as_keys=False)(app, commands, arguments)


def read(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        DataError: it is missing, unreadable, or not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"{FLAG}: {path} must be a file that exists; got none there. Check the path."
        raise DataError(message) from None
    except OSError as fault:
        message = f"{FLAG}: {path} must be a file that can be read; got {fault.strerror}. Check the path."
        raise DataError(message) from None
    except ValueError as fault:  # TOMLDecodeError and UnicodeDecodeError are both ValueErrors
        fix = "Write lines like d = 16, under sections like [dmap]."
        raise DataError(f"{FLAG}: {path} must be a TOML file; got an error: {fault}. {fix}") from None
