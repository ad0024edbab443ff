"""`--config file.toml`: flags from a file, beneath those given on the command line."""

import tomllib
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from dima.errors import DataError, SettingError, sentence

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
        given = [a.tokens[0].value for a in arguments if FLAG in a.names and a.tokens]
        if given:
            self._fill(given[0], app, commands, arguments)
        for argument in arguments:
            # `--dmap 3` would set whichever setting comes first.
            if argument.children and argument.tokens:
                name = argument.tokens[0].keyword or argument.name
                rule, fix = "one setting of it", f"Write {argument.children[0].name} VALUE."
                raise SettingError(sentence(f"dima {' '.join(commands)}", name, rule, "it alone", fix))

    def _fill(self, path: str, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        values = read(path)
        for key in values:
            # cyclopts passes over the names of commands; nothing in the file may be ignored.
            if key in self._root or key == FLAG.lstrip("-"):
                fix = "Write flags at the top, and settings under [dmap], [gplm] and [ddpm]."
                rule = f"a flag of dima {' '.join(commands)}"
                raise SettingError(sentence(path, "a key", rule, repr(key), fix))
        Dict(values, source=path, use_commands_as_keys=False)(app, commands, arguments)


def read(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        DataError: it is missing, unreadable, or not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        fix = "Check the path."
        raise DataError(sentence(FLAG, str(path), "a file that exists", "none there", fix)) from None
    except OSError as fault:
        rule, fix = "a file that can be read", "Check the path."
        raise DataError(sentence(FLAG, str(path), rule, fault.strerror, fix)) from None
    except ValueError as fault:  # TOMLDecodeError and UnicodeDecodeError are both ValueErrors
        rule, fix = "a TOML file", "Write lines like d = 16, under sections like [dmap]."
        raise DataError(sentence(FLAG, str(path), rule, f"an error: {fault}", fix)) from None
