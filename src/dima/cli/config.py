"""`--config file.toml`: flags from a file, beneath those given on the command line."""

import tomllib
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from dima.errors import DataError, SettingError

__all__ = ["layer", "read"]


def layer(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill what the command line left open from the file that `--config` names.

    Raises:
        DataError: the file cannot be read as TOML.
        SettingError: a key is the name of a verb, or config itself, or a part such as dmap is given alone.
        cyclopts.UnknownOptionError: a key is no flag of the verb; it names key and file.
    """
    verb = " ".join(["dima", *commands])
    for path in [a.tokens[0].value for a in arguments if "--config" in a.names and a.tokens]:
        values = read(path)
        for key in values:
            # cyclopts passes over the names of commands; nothing in the file may be ignored.
            if key in app.app_stack.current_frame[0] or key == "config":
                fix = "Write flags at the top, and settings under [dmap], [gplm] and [ddpm]."
                raise SettingError(f"{path}: a key must be a flag of {verb}; got {key!r}. {fix}")
        Dict(values, source=path, use_commands_as_keys=False)(app, commands, arguments)
    for argument in arguments:
        # `--dmap 3` would set whichever setting comes first.
        if argument.children and argument.tokens:
            name, fix = (
                argument.tokens[0].keyword or argument.name,
                f"Write {argument.children[0].name} VALUE.",
            )
            raise SettingError(f"{verb}: {name} must be one setting of it; got it alone. {fix}")


def read(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        DataError: it is missing, unreadable, or not TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as fault:
        got = f"got {fault.strerror}. Check the path."
        raise DataError(f"--config: {path} must be a file that can be read; {got}") from None
    except ValueError as fault:  # TOMLDecodeError and UnicodeDecodeError are both ValueErrors
        fix = "Write lines like d = 16, under sections like [dmap]."
        raise DataError(f"--config: {path} must be a TOML file; got an error: {fault}. {fix}") from None
