"""Secrets by name: for all projects, for one, or for one environment of it; the nearest one counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from pipeline.errors import NotFound, StageFailed
from store.schema import SecretRow
from store.sealing import Seal

# No project is called so.
EVERYBODY = "all"
SOME = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Whose a secret is; an empty word stands for all of them."""

    project: str = ""
    environment: str = ""

    @property
    def word(self) -> str:
        """The scope in one word: `all`, `shop`, `shop:production`."""
        return f"{self.project or EVERYBODY}{':' if self.environment else ''}{self.environment}"

    @property
    def options(self) -> str:
        """The scope as options of the command line."""
        named = {"project": self.project, "environment": self.environment}
        return "".join(f" --{option} {word}" for option, word in named.items() if word)

    def owner(self, name: str) -> str:
        """For whom the secret of this name is sealed."""
        return f"secret:{self.project}/{self.environment}/{name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A secret as it may be shown: everything but its value."""

    name: str
    scope: Scope
    set_by: str
    set_at: datetime


def put(session: Session, seal: Seal, scope: Scope, name: str, value: str, *, by: str, at: datetime) -> None:
    """Keep a secret in place of the one of that name and scope."""
    row = session.scalar(select(SecretRow).where(*_same(scope, name)))
    if row is None:
        row = SecretRow(project=scope.project, environment=scope.environment, name=name)
        session.add(row)
    row.sealed, row.set_by, row.set_at = seal.close(value, owner=scope.owner(name)), by, at


def drop(session: Session, scope: Scope, name: str) -> None:
    """Forget a secret. Raises NotFound."""
    gone = session.execute(delete(SecretRow).where(*_same(scope, name)).returning(SecretRow.id)).all()
    if not gone:
        raise _missing(session, scope, name)


def names(session: Session) -> tuple[Known, ...]:
    """Return every secret there is, without its value."""
    rows = session.scalars(select(SecretRow).order_by(SecretRow.project, SecretRow.environment, SecretRow.name))
    return tuple(Known(name=row.name, scope=_scope(row), set_by=row.set_by, set_at=row.set_at) for row in rows)


def given(
    session: Session, seal: Seal, wanted: Iterable[str], *, project: str, environment: str = ""
) -> Mapping[str, str]:
    """Return the values of these secrets for a project's stage. Raises StageFailed, naming those that are missing."""
    asked = tuple(dict.fromkeys(wanted))
    reach = SecretRow.project.in_({"", project}) & SecretRow.environment.in_({"", environment})
    rows = session.scalars(select(SecretRow).where(SecretRow.name.in_(asked), reach)).all()
    # The nearest is the last: one of the project before one of all, one of its environment before both.
    nearest = {row.name: row for row in sorted(rows, key=lambda row: (row.project != "", row.environment != ""))}
    missing = [name for name in asked if name not in nearest]
    if missing:
        what = f"no secret {', '.join(missing)} is set for {project}"
        fix = f"slipway secret set {missing[0]} --project {project}"
        raise StageFailed(f"{what}; `{fix}`", code="no_secret")
    return {name: seal.open(nearest[name].sealed, owner=_scope(nearest[name]).owner(name)) for name in asked}


def _missing(session: Session, scope: Scope, name: str) -> NotFound:
    """Return the error that says for whom there is one of this name."""
    others = [one.scope for one in names(session) if one.name == name]
    sentence, fix = f"there is no secret {name} for {scope.word}", "See: ./slipway secret list"
    if others:
        sentence += f"; there is one for {', '.join(one.word for one in others[:SOME])}"
        fix = f"./slipway secret rm {name}{others[0].options}"
    return NotFound(sentence, code="unknown_secret", fix=fix)


def _same(scope: Scope, name: str) -> tuple[ColumnElement[bool], ...]:
    return (
        SecretRow.project == scope.project,
        SecretRow.environment == scope.environment,
        SecretRow.name == name,
    )


def _scope(row: SecretRow) -> Scope:
    return Scope(project=row.project, environment=row.environment)
