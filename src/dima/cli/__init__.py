"""The command line: the table of verbs, and what every failure looks like from a shell.

A verb's module loads when the verb is called, so `dima --help` loads no engine.
"""

import ast
import contextlib
import logging
import os
import signal
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

from dima import __version__
from dima.cli import config
from dima.errors import DimaError
from dima.progress import is_quiet, quiet

__all__ = ["VERBS", "app", "docstring", "main", "run"]

OK, BUG, REFUSED = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 128 + signal.SIGINT, 128 + 13  # what a shell reports for these signals

_IMAGE = "Small images: autoencoders, diffusion models, direct decoders, edits and attribution."
_EPILOGUE = "Start with: {}\nEach verb:  {} VERB --help"
# verb -> where it lives, in the order of a first day with it. Its help is its docstring.
VERBS: dict[str, str] = {
    "demo": "dima.cli.demo:demo",
    "fit": "dima.cli.fit:fit",
    "encode": "dima.cli.use:encode",
    "decode": "dima.cli.use:decode",
    "reconstruct": "dima.cli.use:reconstruct",
    "sample": "dima.cli.use:sample",
    "evaluate": "dima.cli.look:evaluate",
    "image fit-autoencoder": "dima.cli.image.autoencoder:fit_autoencoder",
    "image fit-latent": "dima.cli.image.latent:fit_latent",
    "image fit-diffae": "dima.cli.image.diffae:fit_diffae",
    "image fit-ddpm": "dima.cli.image.ddpm:fit_ddpm",
    "image make-pairs": "dima.cli.image.direct:make_pairs",
    "image fit-direct": "dima.cli.image.direct:fit_direct",
    "image hooks": "dima.cli.image.hooks:hooks",
    "image edit": "dima.cli.image.steer:edit",
    "image reconstruct": "dima.cli.image.steer:reconstruct",
    "image explain": "dima.cli.image.steer:explain",
    "image attribute": "dima.cli.image.attribute:attribute_images",
    "image lds": "dima.cli.image.attribute:measure_methods",
    "image sample": "dima.cli.image.use:sample",
    "image map": "dima.cli.image.use:latent_map",
    "image evaluate": "dima.cli.image.evaluate:evaluate",
    "toy": "dima.cli.toy:toy_diffusion",
    "info": "dima.cli.look:info",
    "doctor": "dima.cli.doctor:doctor",
}


def run(tokens: Sequence[str]) -> int:
    """Run one command line, given without the program's name, and return its exit code.

    0: done; 1: a bug in dima; 2: refused with a sentence; 130: interrupted; 141: the reader of
    its output went away.
    """
    try:
        with _messages_as_lines():
            command, given, _ = app.parse_args(tokens)
            is_silent = any(getattr(argument, "quiet", False) for argument in given.arguments.values())
            with quiet() if is_silent else contextlib.nullcontext():
                command(*given.args, **given.kwargs)
        sys.stdout.flush()
    except SystemExit as done:
        if isinstance(done.__context__, BrokenPipeError):  # rich has met it while it printed help
            return PIPE_CLOSED
        return done.code if isinstance(done.code, int) else OK
    except CycloptsError as fault:
        verb = " ".join(["dima", *(fault.command_chain or [])])
        return _ended(f"{verb}: {fault} See {verb} --help.", REFUSED)
    except DimaError as refusal:
        return _ended(str(refusal), REFUSED)
    except KeyboardInterrupt:
        return _ended("Interrupted; unfinished files were removed.", INTERRUPTED)
    except BrokenPipeError:
        # What is still buffered has no reader; without this, Python would complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except MemoryError:
        fix = "Pass fewer rows, lower --gplm.m or --dmap.k, or use a larger machine."
        return _ended(f"dima: the request must fit into memory; got more. {fix}", REFUSED)
    except Exception as fault:
        traceback.print_exc()
        what = f"{type(fault).__name__}: {fault}".strip(": ")
        return _ended(f"This is a bug in dima ({what}). Please report it with the lines above.", BUG)
    return OK


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    code = run(sys.argv[1:])
    if code == INTERRUPTED:
        # JAX may still be computing in threads of its own, and an ordinary exit would take their
        # memory away beneath them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def docstring(home: str) -> str:
    """The docstring of a verb, read from its source: importing it would load an engine."""
    module, name = home.split(":")
    below = module.removeprefix("dima.cli.").split(".")
    source = Path(__file__).parent.joinpath(*below).with_suffix(".py").read_text("utf-8")
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return next(ast.get_docstring(function) or "" for function in functions if function.name == name)


def _ended(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


@contextlib.contextmanager
def _messages_as_lines() -> Iterator[None]:
    """Warnings and log records of the library as lines on standard error."""
    handler = _ToStderr()
    logger = logging.getLogger("dima")
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # a package that sets up the root's handler would tell all twice
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_where, **_line: print(f"Warning: {message}", file=sys.stderr)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagates


class _ToStderr(logging.Handler):
    """Looks standard error up at every record: a progress bar stands in for it while it moves."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not is_quiet()

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)


app = App(
    name="dima",
    help="Learn the manifold that data lie on; encode, decode, generate and refine on it.",
    help_epilogue=_EPILOGUE.format("dima demo", "dima"),
    help_format="plaintext",
    version=__version__,
    result_action="return_value",
    config=config.layer,
    default_parameter=Parameter(name_transform=lambda name: name.replace("_", "-")),  # T is not t
    # `run` words every failure and chooses the exit code.
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)

_image = App(
    name="image",
    help=_IMAGE,
    help_epilogue=_EPILOGUE.format("dima demo images", "dima image"),
    sort_key=len(VERBS),
    help_format="plaintext",
)
app.command(_image)
_families = {"": app, "image": _image}
for _rank, (_spelling, _home) in enumerate(VERBS.items()):
    _family, _, _name = _spelling.rpartition(" ")
    _help, _, _examples = docstring(_home).partition("\n\nExamples:\n")
    _epilogue = f"Examples:\n{textwrap.indent(textwrap.dedent(_examples), '  ')}"
    _families[_family].command(_home, name=_name, help=_help, help_epilogue=_epilogue, sort_key=_rank)
app.register_install_completion_command(help="Install completion for your shell.")
