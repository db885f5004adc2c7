"""The command line. Each command is a module of its own, imported when it is called: `--help` stays instant."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from cai_eval.errors import UserError

#: command → (module under cai_eval.cli, one line of help)
COMMANDS = {
    "run": "Run a suite: models × interventions × benchmarks, then the report.",
    "report": "Redraw a run's page, figures and tables from its records.",
    "figures": "Draw a paper's figures from a run's records.",
    "import": "Turn result files of lm-eval into a run.",
    "judge": "Score a run's answers by a preference model, and rate the policies by it.",
    "votes": "Let people, or a model under a constitution, judge a run's answers.",
    "compare": "Compare runs item by item, with paired tests.",
    "baseline": "Save a run's scores in a small file that later runs are checked against.",
    "check": "Check a run against a baseline: exit 1 where something got worse.",
    "list": "List suites, ladders, benchmarks, trainers, reports, constitutions or papers' figures.",
    "data": "Fetch or verify the published data sets.",
    "train": "Run one trainer alone on one model.",
    "lab": "Build, show or verify the laboratory's ladder of small models.",
    "doctor": "Say what this machine, this installation and the caches offer.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only to run it (click's documented pattern)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = import_module(f"cai_eval.cli.{name}{'_' * iskeyword(name)}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from cai_eval.errors import unknown

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cai-eval")
def cli() -> None:
    """Measure what alignment bought a language model, and what it cost.

    Start with: cai-eval run --suite alignment-tax
    """


def main() -> None:
    """Entry point: exit code 0 fine, 1 failed or regressed, 2 misuse, 130 interrupted."""
    warnings.showwarning = _note
    try:
        code = cli.main(standalone_mode=False)
    except UserError as error:
        click.echo(f"cai-eval: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("cai-eval: interrupted; the same command goes on where this one stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as a line to read: which line of code gave it helps no user."""
    click.echo(f"{click.style('note', fg='yellow')} {message}", err=True)
