"""The command line: one file per group of commands, loaded when asked for, so that `--help` stays quick."""

import importlib

import click

COMMANDS = {
    "demo": ("api.cli.demo:demo", "Start a complete demo on this machine: database, data, server."),
    "serve": ("api.cli.serve:serve", "Run the server in production."),
    "migrate": ("api.cli.migrate:migrate", "Bring the database up to date."),
    "client": ("api.cli.client:client", "Register programs that may use the API."),
    "token": ("api.cli.client:token", "Print an access token for a client."),
    "member": ("api.cli.member:member", "Let people log in for a partner."),
    "idp": ("api.cli.idp:idp", "Let a partner's people log in with their own organisation's accounts."),
    "audit": ("api.cli.audit:audit", "Read what was granted, refused, revoked and consented to."),
    "keys": ("api.cli.keys:keys", "Look after the keys that sign access tokens."),
    "ats": ("api.cli.ats:ats", "Connect an applicant-tracking system and look after its deliveries."),
    "import": ("api.cli.imports:import_", "Read applications and rejections from a CSV file."),
    "simulate": ("api.cli.simulate:simulate", "Write a synthetic network into a database."),
    "sdl": ("api.cli.sdl:sdl", "Print the API's schema, ready for federation."),
    "test": ("api.cli.check:test", "Run the tests on a real PostgreSQL."),
    "check": ("api.cli.check:check", "Check style, types, rooms, schema and migrations."),
    "bench": ("api.cli.bench:bench", "Measure the questions beside hand-written SQL and other servers."),
}
"""Each command: where it is written, and what it does in one sentence."""

SENTENCE_CHARACTERS_MAX = 200


class Sentences(click.Group):
    """Commands whose list says a whole sentence of each, on as many lines as it takes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            commands = [(name, self.commands[name]) for name in sorted(self.commands)]
            formatter.write_dl([(name, each.get_short_help_str(SENTENCE_CHARACTERS_MAX)) for name, each in commands])


class Commands(click.Group):
    """The commands of COMMANDS; a command's file is read only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("0.1.0", prog_name="kyoso")
def main() -> None:
    """Kyoso (共創): a GraphQL partner network for recruiting as a shared effort.

    Start with `./kyoso demo`.
    """
