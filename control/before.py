"""Before: which releases a rollback goes back to."""

from collections.abc import Callable
from dataclasses import dataclass

from control.asking import Ask
from control.places import Place
from control.releases import merged
from control.targets import SHA, Wanted, resolve
from pipeline.deployment import Release, replaced
from pipeline.errors import Rejected
from pipeline.phrase import ID
from store import deployments, history
from store.catalog import Known
from store.deployments import Deployment


@dataclass(frozen=True, kw_only=True, slots=True)
class Back:
    """The deployment that is restored, and the complete set of releases that makes."""

    source: Deployment
    releases: tuple[Release, ...]


def back(ask: Ask, place: Place, live: Deployment, *, services: list[str], ref: str) -> Back | None:
    """Return what to go back to, for some services or for all; None if nothing ran before. Raises Rejected."""
    if services and not ref:
        return _each(ask, place, live, services)
    source = _meant(ask, place, live, services, ref) if ref else deployments.before(ask.session, place.environment.id)
    if source is None:
        return None
    if not services:
        return Back(source=source, releases=source.releases)
    chosen = {one.service: one for one in source.releases if one.service in services}
    return Back(source=source, releases=merged(live.releases, chosen))


def _each(ask: Ask, place: Place, live: Deployment, services: list[str]) -> Back:
    """Return each service's release before its present one; the newest deployment they come from is restored."""
    now = {one.service: one.image for one in live.releases}
    found: dict[str, Release] = {}
    sources: list[Deployment] = []
    for one in history.good(ask.session, place.environment.id, older_than=live.restores_id or live.id):
        for release in one.releases:
            wanted = release.service in services and release.service not in found
            if wanted and now.get(release.service, release.image) != release.image:
                found[release.service] = release
                sources.append(one)
    missing = [name for name in services if name not in found]
    if missing:
        sentence = f"{', '.join(missing)} ran nothing else on *{place.environment.name}* before."
        raise Rejected(sentence, code="nothing_before")
    return Back(source=sources[0], releases=merged(live.releases, found))


def _meant(ask: Ask, place: Place, live: Deployment, services: list[str], ref: str) -> Deployment:
    """Return the newest deployment that served and had this ref, or has this number."""
    means = _number(ref) or _revision(ask, place, ref)
    fits = [
        (one, release)
        for one in history.good(ask.session, place.environment.id)
        if replaced(live.releases, one.releases)
        for release in one.releases
        if (not services or release.service in services) and means(one, release)
    ]
    revisions = sorted({release.revision for _, release in fits})
    if SHA.fullmatch(ref) and len(revisions) > 1:
        raise Rejected(f"`{ref}` may mean {' or '.join(revisions)}. Say which.", code="ambiguous_ref")
    if not fits:
        name = place.environment.name
        hint = "" if _number(ref) else f" `deploy SERVICE@{ref} to {name}` puts it there if it was built."
        raise Rejected(f"`{ref}` never served on *{name}*, or serves there now.{hint}", code="never_ran")
    return fits[0][0]


Means = Callable[[Deployment, Release], bool]


def _number(ref: str) -> Means | None:
    number = ID.fullmatch(ref)
    if number is None or number[1].lower() != "d":
        return None
    return lambda deployment, _release: deployment.id == int(number[2])


def _revision(ask: Ask, place: Place, ref: str) -> Means:
    if SHA.fullmatch(ref):
        return lambda _deployment, release: release.revision.startswith(ref.lower())

    def same(_deployment: Deployment, release: Release) -> bool:
        known = Known(project_id=place.project.id, project=place.project.name, service=release.service)
        return release.revision == resolve(ask.session, place.project, Wanted(known=known, ref=ref))

    return same
