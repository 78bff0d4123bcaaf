"""Targets: which services the words mean, and which revision a ref means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from control.places import names
from pipeline.errors import Rejected
from pipeline.intents import Target
from pipeline.names import short
from pipeline.nearest import either, missing, near
from pipeline.project import Project
from pipeline.push import HEADS, TAGS
from store import catalog, deployments, environments, projects
from store.catalog import Known

SHA = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A service somebody named, and the ref they gave with it."""

    known: Known
    ref: str = ""


def expand(session: Session, targets: Iterable[Target]) -> tuple[Wanted, ...]:
    """Return the services that targets mean, each once. Raises Rejected for a name nobody has, or several have."""
    known = catalog.services(session)
    found: dict[Known, Wanted] = {}
    for target in targets:
        if target.set:
            raise Rejected("Version sets are not there yet; name the services.", code="not_yet")
        for one in _meant(session, target.name, known):
            found[one] = Wanted(known=one, ref=target.ref)
    return tuple(found.values())


def resolve(session: Session, project: Project, wanted: Wanted, *, untested: bool = False) -> str:
    """Return the revision that is meant, of those that have an image. Raises Rejected."""
    known, ref = wanted.known, wanted.ref
    if ref in {"", "latest"}:
        return _newest(session, project, known, untested=untested)
    if ref == "head":
        revision = catalog.built(session, known, f"{HEADS}{project.default_branch}")
        return revision or _nothing(f"Nothing of {known.service} was built on `{project.default_branch}` yet.")
    hits = _hits(session, known, ref)
    if len(set(hits.values())) > 1:
        listed = "; ".join(f"{what} is `{revision[:12]}`" for what, revision in hits.items())
        raise Rejected(f"`{ref}` may mean several: {listed}. Say which revision.", code="ambiguous_ref")
    return next(iter(hits.values()), "") or _nothing(_no_ref(session, known, ref))


def _meant(session: Session, name: str, known: tuple[Known, ...]) -> list[Known]:
    if name == "all":
        return _configured(session, known) or _raise(Rejected("Nothing was built yet.", code="nothing_built"))
    if "/" in name:
        exact = [one for one in known if one.full == name]
        return exact or _raise(_unknown(session, name, [one.full for one in known]))
    whole = _configured(session, tuple(one for one in known if one.project == name))
    if whole:
        return whole
    same = [one for one in known if one.service == name]
    if len(same) > 1:
        full = either(one.full for one in same)
        raise Rejected(f"`{name}` is a service of several projects: write {full}.", code="ambiguous_service")
    return same or _raise(_unknown(session, name, [one.service for one in known]))


def _configured(session: Session, known: tuple[Known, ...]) -> list[Known]:
    """Return these services without those that their project's configuration no longer has."""
    kept: list[Known] = []
    for project in projects.everyone(session):
        mine = [one for one in known if one.project_id == project.id]
        config = catalog.newest_config(session, project.id, project.default_branch) if mine else None
        kept.extend(one for one in mine if config is None or one.service in config.get("services", {}))
    return kept


def _unknown(session: Session, name: str, known: list[str]) -> Rejected:
    everyone = projects.everyone(session)
    if name in names(session, everyone):
        sentence = f"`{name}` is an environment, not a service: write `deploy SERVICE to {name}`."
        return Rejected(sentence, code="unknown_service")
    if any(project.name == name for project in everyone):
        return Rejected(f"Nothing of {name} was built yet; push to it, or `build {name}`.", code="nothing_built")
    both = sorted({*known, *(project.name for project in everyone)})
    return Rejected(missing(name, both, "service or project"), code="unknown_service")


def _newest(session: Session, project: Project, known: Known, *, untested: bool) -> str:
    main = f"{HEADS}{project.default_branch}"
    revision = catalog.built(session, known, main, tested=not untested)
    if revision:
        return revision
    head = catalog.built(session, known, main)
    hint = f" `deploy {known.service}@head` takes the newest built one, `{short(head)}`." if head else ""
    return _nothing(f"No revision of {known.service} on `{project.default_branch}` has passed its tests yet.{hint}")


def _hits(session: Session, known: Known, ref: str) -> dict[str, str]:
    """Return every revision a ref may mean, by what it would mean; never by asking git."""
    hits = {
        f"the environment {ref}": _running(session, known, ref),
        f"the tag {ref}": catalog.built(session, known, f"{TAGS}{ref}"),
        f"the branch {ref}": catalog.built(session, known, f"{HEADS}{ref}"),
    }
    if SHA.fullmatch(ref):
        hits |= {f"the commit {one[:12]}": one for one in catalog.beginning(session, known, ref.lower())}
    return {what: revision for what, revision in hits.items() if revision}


def _running(session: Session, known: Known, environment: str) -> str | None:
    place = environments.find(session, known.project_id, environment)
    live = deployments.live(session, place.id) if place else None
    return next((one.revision for one in live.releases if one.service == known.service), None) if live else None


def _no_ref(session: Session, known: Known, ref: str) -> str:
    branches = catalog.branches(session, known.project_id)
    if ref in branches:
        return f"`{ref}` has no image of {known.service} yet."
    close = near(ref, branches)
    meant = f" Did you mean {either(close)}?" if close else ""
    return f"No environment, tag, branch or revision `{ref[:60]}` has an image of {known.service}.{meant}"


def _nothing(sentence: str) -> str:
    raise Rejected(sentence, code="no_image")


def _raise(fault: Rejected) -> list[Known]:
    raise fault
