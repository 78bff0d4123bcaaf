"""What a git host is to be told next of one subject, judged by how things stand now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from pipeline.forge_ports import Teller
from pipeline.project import Forge
from pipeline.reports import CONTEXT, Status, next_status, own_ref, statuses
from pipeline.reports_deployment import (
    DeploymentFacts,
    DeploymentStatus,
    creation,
    deployment_status,
    worth_telling,
)
from store.links import Links
from store.reports import Report
from store.reports_facts import deployment_of, runs_of

CREATE, STATE = "create", "status"
SERVING = "success"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing to tell: `call` tells it and returns what to keep of that, `kept` is that where it was refused.

    `version` is the report's when this was made of it. `alone`: if the host refuses this, it will refuse whatever else
    there is to tell of that version.
    """

    what: str
    version: int
    call: Callable[[Teller], Mapping[str, Any]]
    kept: Mapping[str, Any]
    alone: bool = False
    live: bool = False


def next_step(session: Session, report: Report, forge: Forge, links: Links, home: str) -> Step | None:
    """Return what to tell next, or None if the host knows all."""
    if report.deployment_id is None:
        return _of_revision(session, report, forge, links)
    facts = deployment_of(session, report.deployment_id, links)
    if facts is None or not facts.revision:
        return None
    # Whoever died while `asking` may have made it there: then it must not stay without a status.
    if not worth_telling(facts, report.told) and not report.asking:
        return None
    return _of_deployment(report, facts, f"{home}-{report.subject}")


def _of_revision(session: Session, report: Report, forge: Forge, links: Links) -> Step | None:
    runs = runs_of(session, report.project_id, report.subject, links)
    status = next_status(statuses(runs, forge), report.told, report.asking)
    if status is None:
        return None
    sent = int(report.told.get(status.context, {}).get("sent", 0)) + 1
    kept = {status.context: {**status.as_told, "sent": sent}}
    return Step(
        what=status.context,
        version=report.version,
        call=partial(_tell, revision=report.subject, status=status, ref=own_ref(runs), kept=kept),
        kept={status.context: {**kept[status.context], "refused": True}},
        alone=status.context == CONTEXT,
    )


def _of_deployment(report: Report, facts: DeploymentFacts, key: str) -> Step | None:
    number = report.told.get("id")
    if number is None:
        look_first = report.asking == CREATE
        call = partial(_create, facts=facts, key=key, look_first=look_first)
        return Step(what=CREATE, version=report.version, call=call, kept={}, alone=True)
    status = deployment_status(facts)
    kept = {STATE: status.as_told}
    if report.told.get(STATE) == status.as_told and report.asking != STATE:
        return None
    return Step(
        what=STATE,
        version=report.version,
        call=partial(_tell_deployment, number=int(number), status=status, kept=kept),
        kept={STATE: status.as_told},
        alone=True,
        live=status.state == SERVING,
    )


def _tell(teller: Teller, *, revision: str, status: Status, ref: str, kept: Mapping[str, Any]) -> Mapping[str, Any]:
    teller.tell(revision, status, ref=ref)
    return kept


def _create(teller: Teller, *, facts: DeploymentFacts, key: str, look_first: bool) -> Mapping[str, Any]:
    """Make the deployment; whoever comes after a crash looks whether it was made, for a second one would stay."""
    known = teller.find_deployment(facts.revision, facts.environment, key) if look_first else None
    return {"id": known or teller.create_deployment(creation(facts, key))}


def _tell_deployment(
    teller: Teller, *, number: int, status: DeploymentStatus, kept: Mapping[str, Any]
) -> Mapping[str, Any]:
    teller.tell_deployment(number, status)
    return kept
