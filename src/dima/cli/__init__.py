"""The command line: the table of verbs, and what every failure looks like from a shell.

A verb's module loads when the verb is called, so `dima --help` loads no engine.
"""

import contextlib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from cyclopts import App, CycloptsError

from dima import __version__
from dima.cli.config import Layer
from dima.errors import DimaError

__all__ = ["VERBS", "app", "main", "run"]

OK, BUG, REFUSED = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 128 + signal.SIGINT, 128 + 13  # what a shell reports for these signals

# verb -> (where it lives, what it does, examples), in the order of a first day with it.
VERBS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "demo": (
        "dima.cli.demo:demo",
        "Fit, measure and sample handwritten digits, and write a report: needs no data, no network.",
        ("dima demo", "dima demo -o digits --seed 1"),
    ),
    "fit": (
        "dima.cli.fit:fit",
        "Fit a model to a table of numbers and save it.\n\n"
        "What is not given is chosen: bandwidths, ridge and neighbours from the data.",
        (
            "dima fit X.npy -o model",
            "dima fit table.csv -o model --drop-text --d 16 --report report.html",
            "dima fit X.npy -o model --dmap.alpha 0.5 --gplm.m 500 --ddpm.n-iter 5000",
            "dima fit X.npy -o model --config settings.toml",
        ),
    ),
    "encode": (
        "dima.cli.use:encode",
        "Encode rows into latents.\n\n"
        "Latents are normalised: mean 0 and standard deviation 1 over the training rows.",
        ("dima encode model X.npy -o Z.npy",),
    ),
    "decode": (
        "dima.cli.use:decode",
        "Decode latents into rows, with --refine after the prior has pulled them to the learned ones.",
        (
            "dima decode model Z.npy -o X.npy",
            "dima decode model Z.npy -o X.npy --refine --t-start 10",
        ),
    ),
    "reconstruct": (
        "dima.cli.use:reconstruct",
        "Encode rows and decode them again: what the model keeps of them.",
        ("dima reconstruct model X.npy -o X_hat.npy",),
    ),
    "sample": (
        "dima.cli.use:sample",
        "Draw new rows from the prior; equal seeds draw equal rows.",
        (
            "dima sample model -n 1000 -o X.npy",
            "dima sample model -n 1000 -o Z.npy --latent --solver ddpm --steps 100",
        ),
    ),
    "evaluate": (
        "dima.cli.look:evaluate",
        "Measure a model on rows it has not seen, beside PCA and beside real rows.",
        ("dima evaluate model held_out.npy",),
    ),
    "toy": (
        "dima.cli.toy:toy_diffusion",
        "Train a small diffusion model on points in the plane and draw what happens.\n\n"
        "Writes data.png, forward.png (the noising at six times), loss.png, samples.png (beside the "
        "data), reverse.gif (the way back from noise) and samples.npy. JAX alone; nothing opens a window.",
        (
            "dima toy gaussian",
            "dima toy checkerboard --epochs 400 -o board",
            "dima toy --data points.npy -o mine",
        ),
    ),
    "info": (
        "dima.cli.look:info",
        "Show what a saved model is, after checking every byte of it.",
        ("dima info model", "dima info model --json"),
    ),
    "doctor": (
        "dima.cli.doctor:doctor",
        "Check this installation: packages, devices, memory, and how to add what is missing.",
        ("dima doctor",),
    ),
}


def run(tokens: Sequence[str]) -> int:
    """Run one command line, given without the program's name, and return its exit code.

    0: done; 1: a bug in dima; 2: refused with a sentence; 130: interrupted; 141: the reader of
    its output went away.
    """
    try:
        with _plainly_spoken():
            app(tokens)
        sys.stdout.flush()
    except SystemExit as done:
        if isinstance(done.__context__, BrokenPipeError):  # rich has met it while it printed help
            return PIPE_CLOSED
        return done.code if isinstance(done.code, int) else OK
    except CycloptsError as fault:
        verb = " ".join(["dima", *(fault.command_chain or [])])
        return _told(f"{verb}: {fault} See {verb} --help.", REFUSED)
    except DimaError as refusal:
        return _told(str(refusal), REFUSED)
    except KeyboardInterrupt:
        return _told("Interrupted; unfinished files were removed.", INTERRUPTED)
    except BrokenPipeError:
        # What is still buffered has no reader; without this, Python would complain on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except MemoryError:
        fix = "Pass fewer rows, lower --gplm.m or --dmap.k, or use a larger machine."
        return _told(f"dima: the request must fit into memory; got more. {fix}", REFUSED)
    except Exception as fault:
        traceback.print_exc()
        told = f"{type(fault).__name__}: {fault}".strip(": ")
        return _told(f"This is a bug in dima ({told}). Please report it with the lines above.", BUG)
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


def _told(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


@contextlib.contextmanager
def _plainly_spoken() -> Iterator[None]:
    """Warnings and log records of the library as lines on standard error."""
    handler = _ToStderr()
    logger = logging.getLogger("dima")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


class _ToStderr(logging.Handler):
    """Looks standard error up at every record: a progress bar stands in for it while it moves."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)


def _show_warning(message: Warning | str, *_where: Any, **_line: Any) -> None:
    print(f"Warning: {message}", file=sys.stderr)


app = App(
    name="dima",
    help="Learn the manifold that data lie on; encode, decode, generate and refine on it.",
    help_epilogue="Start with: dima demo\nEach verb:  dima VERB --help",
    help_format="plaintext",
    version=__version__,
    result_action="return_value",
    # `run` words every failure and chooses the exit code.
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
app.config = (Layer(app),)

for _rank, (_name, (_path, _help, _examples)) in enumerate(VERBS.items()):
    _shown = "\n".join(["Examples:", *(f"  {example}" for example in _examples)])
    app.command(_path, name=_name, help=_help, help_epilogue=_shown, sort_key=_rank)
app.register_install_completion_command(help="Install completion for your shell.")
