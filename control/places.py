"""Places: which environments there are, and which one is meant."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from pipeline.errors import Rejected
from pipeline.nearest import Choice, choose, missing, shortened
from pipeline.project import Project
from store import catalog, environments, projects
from store.environments import Environment

FAVOURITE = "staging"
NEVER_BY_DEFAULT = frozenset({"ci", "preview", "production", "prod", "live"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A project's part of an environment."""

    project: Project
    environment: Environment


def names(session: Session, wanted: Iterable[Project]) -> tuple[str, ...]:
    """Return the environments these projects' configurations name or that were ever used, in their order."""
    found: list[str] = []
    for project in wanted:
        config = catalog.newest_config(session, project.id, project.default_branch) or {}
        found.extend(config.get("environments") or ())
        found.extend(one.name for one in environments.everyone(session, project.id))
    return tuple(dict.fromkeys(found))


def chosen(session: Session, word: str, wanted: Iterable[Project]) -> Choice:
    """Return the environment a word means; without a word the first that is safe to mean, and that is echoed."""
    known = names(session, wanted)
    return choose(word, known, "environment") if word else _unsaid(known)


def used(session: Session, word: str) -> tuple[Choice, tuple[Place, ...]]:
    """Return an environment that something was deployed to, and every project's part of it. Raises NotFound."""
    everyone = projects.everyone(session)
    choice = choose(word, names(session, everyone), "environment")
    places = (
        Place(project=project, environment=environment)
        for project in everyone
        if (environment := environments.find(session, project.id, choice.name))
    )
    return choice, tuple(places)


def project_named(session: Session, word: str) -> Project:
    """Return the project of that name. Raises NotFound with what may have been meant."""
    project = projects.find(session, word)
    if project is None:
        raise _no_project(session, word)
    return project


def _no_project(session: Session, word: str) -> Rejected:
    known = [project.name for project in projects.everyone(session)]
    return Rejected(missing(word, known, "project"), code="unknown_project")


def _unsaid(known: tuple[str, ...]) -> Choice:
    safe = [name for name in known if name not in NEVER_BY_DEFAULT]
    name = FAVOURITE if FAVOURITE in safe else next(iter(safe), "")
    if not name:
        there = f" There are: {shortened(known)}." if known else ""
        raise Rejected(f"Say which environment, with `to`.{there}", code="no_environment")
    return Choice(name=name, echo=f"to {name}, as no environment was named")
