"""Accounts at git hosts: who answers for a project, and whether the host still takes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from pipeline.errors import SlipwayError
from pipeline.forge_account import Account
from pipeline.project import Forge
from store.schema import ForgeAccountRow, ProjectRow
from store.session import now


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """An account as it stands; `rest` is for how many more seconds the host wants to be left alone."""

    id: int
    project: str
    account: Account
    sealed: str
    session: str
    session_until: datetime | None
    version: int
    broken: bool
    fault: str
    code: str
    rest: float
    told_at: datetime | None

    @property
    def owner(self) -> str:
        """Whose its sealed secrets are; the address is part of it, so that none is ever sent elsewhere."""
        return owner(self.project, self.account)


def owner(project: str, account: Account) -> str:
    """Return whose the secrets of an account are."""
    return f"{project} at {account.api_url}"


def put(session: Session, project_id: int, account: Account, sealed: str) -> None:
    """Set who answers for a project, in place of whoever did; what went wrong before is forgotten."""
    values: dict[str, Any] = {
        "api_url": account.api_url,
        "repository": account.repository,
        "user": account.user,
        "app_id": account.app_id,
        "installation_id": account.installation_id,
        "sealed": sealed,
        "session": "",
        "session_until": None,
        "broken": False,
        "fault": "",
        "code": "",
        "rest_until": 0.0,
    }
    row = session.scalar(select(ForgeAccountRow).where(ForgeAccountRow.project_id == project_id).with_for_update())
    if row is None:
        session.add(ForgeAccountRow(project_id=project_id, **values))
    else:
        session.execute(
            update(ForgeAccountRow)
            .where(ForgeAccountRow.id == row.id)
            .values(version=ForgeAccountRow.version + 1, **values)
        )
    session.flush()


def remove(session: Session, project_id: int) -> bool:
    """Forget who answers for a project; tell whether anybody did."""
    gone = delete(ForgeAccountRow).where(ForgeAccountRow.project_id == project_id).returning(ForgeAccountRow.id)
    return session.scalar(gone) is not None


def find(session: Session, project_id: int) -> Held | None:
    """Return who answers for a project, if anybody does."""
    return next(iter(_held(session, ForgeAccountRow.project_id == project_id)), None)


def everyone(session: Session) -> tuple[Held, ...]:
    """Return all accounts by their projects' names."""
    return _held(session, True)


def keep_session(session: Session, held: Held, sealed: str, until: datetime | None) -> None:
    """Keep what an App's key has bought, for other processes to use; nothing, where the host no longer takes it."""
    _change(session, held, session=sealed, session_until=until)


def broke(session: Session, held: Held, fault: SlipwayError) -> None:
    """Note that the host does not take this account: nothing is tried until it is set again."""
    _change(session, held, broken=True, fault=fault.sentence, code=fault.code)


def troubled(session: Session, held: Held, fault: SlipwayError, *, rest: float) -> None:
    """Note why the host took nothing, and leave it alone for so many seconds."""
    _change(session, held, fault=fault.sentence, code=fault.code, rest_until=now() + rest)


def well(session: Session, held: Held, *, at: datetime) -> None:
    """Note that the host has taken something."""
    _change(session, held, fault="", code="", told_at=at)


def _change(session: Session, held: Held, /, **values: Any) -> None:
    """Change an account, unless it has been set anew since it was read: that one knows nothing of this yet."""
    same = (ForgeAccountRow.id == held.id) & (ForgeAccountRow.version == held.version)
    session.execute(update(ForgeAccountRow).where(same).values(**values))


def _held(session: Session, which: Any) -> tuple[Held, ...]:
    rows = session.execute(
        select(ForgeAccountRow, ProjectRow.name, ProjectRow.forge, ForgeAccountRow.rest_until - now())
        .join(ProjectRow, ProjectRow.id == ForgeAccountRow.project_id)
        .where(which)
        .order_by(ProjectRow.name)
        .execution_options(populate_existing=True)
    )
    return tuple(
        Held(
            id=row.id,
            project=project,
            account=Account(
                forge=Forge(forge),
                api_url=row.api_url,
                repository=row.repository,
                user=row.user,
                app_id=row.app_id,
                installation_id=row.installation_id,
            ),
            sealed=row.sealed,
            session=row.session,
            session_until=row.session_until,
            version=row.version,
            broken=row.broken,
            fault=row.fault,
            code=row.code,
            rest=max(rest, 0.0),
            told_at=row.told_at,
        )
        for row, project, forge, rest in rows
    )
