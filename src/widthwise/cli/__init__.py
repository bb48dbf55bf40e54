"""The command line: one file for each verb. A command parses, calls one function, prints, and has an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import click

from widthwise import __version__
from widthwise.cli.atlas import atlas
from widthwise.cli.audit import audit
from widthwise.cli.conditions import conditions
from widthwise.cli.doctor import doctor
from widthwise.cli.schema import schema
from widthwise.cli.sweep import sweep
from widthwise.errors import WidthwiseError

EXIT_RESOURCE, EXIT_INTERNAL = 5, 70


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="widthwise", message="%(prog)s %(version)s")
def commands() -> None:
    """Know how a wide ReLU network will train and generalise before you train it, and check it after."""


commands.add_command(atlas)
commands.add_command(audit)
commands.add_command(conditions)
commands.add_command(doctor)
commands.add_command(schema)
commands.add_command(sweep)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Exit codes: 0 done, 1 a verdict is not the one on record or a control did not fail, 2 usage, 3 data rejected, 4 spec
    invalid, 5 memory or disk, 6 store damaged, 7 download failed, 8 some jobs failed, 70 internal error, 130 and 143
    interrupted. Messages go to stderr, results to stdout.
    """
    try:
        with _interruptible():
            # A command that leaves early, as `ctx.exit(1)` does, is told by what comes back.
            code = commands.main(args=arguments, prog_name="widthwise", standalone_mode=False)
            sys.stdout.flush()
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as failure:
        failure.show()
        sys.exit(failure.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _leave(128 + signal.SIGINT, "interrupted; nothing was left half-written")
    except _Terminated:
        _leave(128 + signal.SIGTERM, "terminated; nothing was left half-written")
    except (BrokenPipeError, SystemExit):
        # The reader of stdout went away, as `head` does (click and rich turn that into an exit of 1, which means something
        # else here): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except WidthwiseError as failure:
        click.echo(f"widthwise: {_plain(str(failure))}", err=True)
        sys.exit(failure.exit_code)
    except OSError as failure:
        where = f"{failure.filename}: " if failure.filename else ""
        click.echo(f"widthwise: {_plain(f'{where}{failure.strerror or failure}')}", err=True)
        sys.exit(EXIT_RESOURCE)
    except MemoryError:
        click.echo("widthwise: out of memory; use a smaller --max-n", err=True)
        sys.exit(EXIT_RESOURCE)
    except Exception as failure:  # a fault of ours: say so, keep the traceback for those who ask
        if os.environ.get("WIDTHWISE_TRACEBACK"):
            raise
        click.echo(
            f"widthwise: internal error, {type(failure).__name__}: {_plain(str(failure))}\n"
            "Set WIDTHWISE_TRACEBACK=1 for the traceback and report it, please.",
            err=True,
        )
        sys.exit(EXIT_INTERNAL)
    sys.exit(code if isinstance(code, int) else 0)


class _Terminated(BaseException):
    """SIGTERM came."""


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into exceptions that arrive.

    One that is raised while a callback of the garbage collector or a finaliser runs, as JAX has them, would be printed and
    forgotten; it is raised again a moment later.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def once_more(lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, (KeyboardInterrupt, _Terminated)) or not hasattr(signal, "setitimer"):
            hook(lost)
            return
        number = signal.SIGTERM if isinstance(lost.exc_value, _Terminated) else signal.SIGINT
        signal.signal(signal.SIGALRM, lambda _, frame: stop(number, frame))
        signal.setitimer(signal.ITIMER_REAL, 0.01)

    hook = sys.unraisablehook
    # A signal that is ignored, as SIGINT is in the background of a script, stays so.
    heard = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    sys.unraisablehook = once_more
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(code: int, message: str) -> NoReturn:
    """Exit at once: worker threads inside compiled code cannot be asked to stop, and hold nothing that must be kept."""
    click.echo(f"widthwise: {message}", err=True)
    sys.stderr.flush()
    os._exit(code)


def _plain(text: str) -> str:
    """Text from data, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
