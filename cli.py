"""The `slipway` command: finds the command's module, and turns what goes wrong into a sentence and an exit code."""

import importlib
import signal
import sys

import click

from pipeline.errors import Cancelled, Conflict, NotFound, Rejected, SlipwayError, StageFailed, Unauthorized

# name: (module, attribute, help). The help is here so that `--help` imports none of the modules.
COMMANDS = {
    "up": ("commands.machine", "up", "Start the whole system on this machine."),
    "down": ("commands.down", "down", "Stop what `up` started; --all removes everything it made."),
    "status": ("commands.places", "status", "Say what is up, and where."),
    "doctor": ("commands.doctor", "doctor", "Check everything Slipway leans on, and say how to mend it."),
    "base": ("commands.bases", "base", "Build base images from this machine's own programs."),
    "demo": ("commands.demo", "demo", "Push a sample shop through everything, checking each step."),
    "project": ("commands.projects", "project", "Connect repositories."),
    "hook": ("commands.hooks", "hook", "Let a repository tell Slipway of its pushes."),
    "build": ("commands.start", "build", "Start a run by hand: any ref, any stages."),
    "run": ("commands.runs", "run", "Look at runs, follow, cancel or retry them."),
    "log": ("commands.logs", "log", "Show what a stage has written."),
    "test": ("commands.tests", "test", "Look at tests, and at one test's history."),
    "artifact": ("commands.artifacts", "artifact", "List and fetch the files that stages left behind."),
    "secret": ("commands.secrets", "secret", "Set, list and remove secrets."),
    "chat": ("commands.chat", "chat", "Say a line of the chat grammar."),
    "prune": ("commands.prune", "prune", "Remove what nothing needs any more; --dry-run only says what."),
    "publish": ("commands.publish", "publish", "Copy an image to another registry, without building it again."),
    "config": ("commands.config", "config", "Check a slipway.yml, show what it comes to, explain its keys."),
    "process": ("commands.processes", "process", "Be one part of the system (Procfile, systemd)."),
    "keep": ("commands.keep", "keep", "Run a program and start it again whenever it ends."),
    "stack": ("commands.machine", "stack", "Run every part; what `up -d` leaves behind."),
}
HIDDEN = {"keep", "stack"}
EXIT_CODES: tuple[tuple[type[SlipwayError], int], ...] = (
    (NotFound, 4),
    (Conflict, 3),
    (Unauthorized, 3),
    (Rejected, 2),
    (StageFailed, 1),
    (Cancelled, 130),
)
UNREACHABLE = 5
INTERRUPTED = 130


class Commands(click.Group):
    """A group that imports a command's module when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names people use."""
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _help = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def slipway() -> None:
    """Slipway: a git push becomes a tested, named, announced deployment.

    Exit codes: 0 done, 1 it ran and failed, 2 usage, 3 refused, 4 not found, 5 Slipway or a part of it is
    unreachable, 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line; return the exit code."""
    try:
        code = slipway.main(argv, prog_name="slipway", standalone_mode=False)
    except SlipwayError as error:
        _tell(error.sentence, error.fix)
        return exit_code(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left; that is theirs to decide and no fault.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        return 0
    return code if isinstance(code, int) else 0


def exit_code(error: SlipwayError) -> int:
    """Return the exit code of an error: by whose fault it is."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), UNREACHABLE)


def _tell(sentence: str, fix: str) -> None:
    print(f"slipway: {sentence}", file=sys.stderr)
    if fix:
        print(f"  {fix}", file=sys.stderr)


if __name__ == "__main__":
    main()
