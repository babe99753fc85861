"""The command line: ``policyd COMMAND``. A command's module is imported when it is called, not before."""

from __future__ import annotations

from importlib import import_module

import click

from policyd import __version__

COMMANDS = {
    "check": "Load a configuration and say what is wrong with it.",
    "doctor": "Look for mistakes in how the MTA and the host are set up.",
    "explain": "Say why a command was refused.",
    "expand": "Print what strings expand to.",
    "gateway": "Run the gateway for balancers.",
    "ratelimit": "Show who fills which rate limit, reset it, and suggest limits.",
    "judge": "Judge a message in a file, and say why.",
    "metrics": "Print what is counted, and a dashboard for it.",
    "replay": "Judge recorded sessions by another policy.",
    "serve": "Run the daemon.",
    "session": "Judge an SMTP dialogue from standard input.",
    "shadow": "Try a policy on live traffic, without acting on it.",
    "words": "Print what the words of a policy mean.",
}
"""Each command, with its line in ``policyd --help``: the function ``command`` of the module of its name."""


class Commands(click.Group):
    """The commands, each known by name until somebody calls it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"policyd.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a file or an output that fails it is named, without a traceback."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click knows: who reads has seen enough
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror or error}") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="policyd", message="%(prog)s %(version)s")
def main() -> None:
    """Exim's policy engine for every other MTA."""
