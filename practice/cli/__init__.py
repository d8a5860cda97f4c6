"""The command line: one module a verb. Imports nothing heavy until a command runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, cast

import typer
from typer import exceptions

from practice import __version__
from practice.cli import (
    agent,
    compare,
    evaluate,
    init,
    judge,
    judging,
    label,
    memory,
    model,
    model_serve,
    overfit,
    report,
    run,
    runs,
    tool,
    tool_new,
)
from practice.cli.common import fail, only_documents
from practice.errors import InputError, PracticeError

app = typer.Typer(
    name="practice",
    help="Make an LLM agent better without touching a weight.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"practice {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Make an LLM agent better without touching a weight."""


app.command("init")(init.init)
app.command("run")(run.run)
app.command("overfit")(overfit.overfit)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.add_typer(runs.app, name="runs", help="The runs of this workspace.")
judge.app.command("score")(judging.score)
judge.app.command("label")(label.label)
app.add_typer(judge.app, name="judge", help="LLM judges: what they say, how far to trust them.")
app.add_typer(memory.app, name="memory", help="Read and edit the experience memory.")
model.app.command("serve")(model_serve.serve)
model.app.command("install")(model_serve.install)
app.add_typer(model.app, name="model", help="Local models: list, pull, check, serve.")
app.add_typer(agent.app, name="agent", help="The agents of this workspace.")
tool.app.command("new")(tool_new.new)
app.add_typer(tool.app, name="tool", help="The tools of this workspace.")


def _usage_error(message: str, arguments: Sequence[str]) -> InputError:
    """What the command line's parser says, in the form of every other error."""
    if match := re.match(r"No such command '([^']*)'", message):
        near = re.search(r"'([^']*)'", message[match.end() :])
        command = "a command of practice (see practice --help)"
        return InputError(command, found=repr(match[1]), key="command line", nearest=near[1] if near else None)
    if match := re.match(r"No such option:? '?(--?[\w-]+)", message):
        near = re.search(r"(--[\w-]+)", message[match.end() :])
        return InputError(
            "an option of this command (see its --help)",
            found=match[1],
            key="command line",
            nearest=near[1] if near else None,
        )
    if match := re.match(r"Missing (argument|option) '?([^'.]*)'?", message):
        return InputError(f"the {match[1]} {match[2]}", found="nothing", key=match[2])
    if match := re.match(r"Invalid value for '?([^':]*)'?: (.*)", message, re.DOTALL):
        return InputError(f"another value: {match[2].rstrip('.')}", key=match[1].split(" / ")[0].strip("'\" "))
    return InputError(message.rstrip("."), found=" ".join(["practice", *arguments]), key="command line")


def main(argv: Sequence[str] | None = None) -> None:
    """The ``practice`` command: one clear error and the contract's exit code for whatever goes wrong."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        with only_documents() if as_json else nullcontext():
            code = cast(Any, typer.main.get_command(app))(args=arguments, prog_name="practice", standalone_mode=False)
    except PracticeError as error:
        sys.exit(fail(error, as_json=as_json))
    except exceptions.Abort:
        sys.exit(4)
    except exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except exceptions.TyperException as error:
        sys.exit(fail(_usage_error(error.format_message(), arguments), as_json=as_json))
    except KeyboardInterrupt:
        sys.exit(4)
    except BrokenPipeError:
        # The reader of our output is gone (`practice runs list | head`); that is its right.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
