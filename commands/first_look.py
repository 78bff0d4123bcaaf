"""What a repository is when its project is added: all that is there counts as told, and nothing of it is run."""

from collections.abc import Mapping
from dataclasses import dataclass

import click

from config.settings import Settings
from pipeline.credentials import SourceForbidden
from pipeline.errors import Rejected, StageFailed, Unavailable
from pipeline.ports import Tip
from runtime.source import GitSource

# Each of the two questions; whoever adds a project waits for both.
SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstLook:
    """The branches and tags by full name, and the default branch if the host says."""

    tips: Mapping[str, Tip]
    default_branch: str | None


def look(settings: Settings, name: str, url: str) -> FirstLook | None:
    """Ask the host at a checked address; None, and a warning, if it does not answer.

    Raises Rejected if the address leads to where nothing may be fetched from.
    """
    allowed = settings.source.private_addresses
    source = GitSource(
        settings.home / "git", local_paths=settings.local_paths, private_addresses=allowed, seconds=SECONDS
    )
    try:
        return FirstLook(tips=source.tips(name, url), default_branch=source.default_branch(url))
    except SourceForbidden as fault:
        click.echo(f"It is private: {fault.sentence}. Then it is looked at.", err=True)
        return None
    except StageFailed as fault:
        raise Rejected(fault.sentence, code=fault.code, fix=fault.fix) from fault
    except Unavailable as fault:
        click.echo(f"It could not be reached yet: {fault.sentence}. It is looked at again in a few minutes.", err=True)
        return None
