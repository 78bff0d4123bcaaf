"""The doors that deliveries come in by: one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hooks import bitbucket, bitbucket_server, generic, git, gitea, github, gitlab, payload
from hooks.signatures import standard_time
from pipeline.project import Forge
from pipeline.push import Event

JSON = "application/json"
TOLERANCE_SECONDS = 300
LONGEST_HEADER = 1_000
ALWAYS_KEPT = ("content-type", "user-agent")

Headers = Mapping[str, str]
Verify = Callable[[Headers, bytes, str], bool]


def _no_time(_headers: Headers) -> float | None:
    return None


def _nothing(_headers: Headers, _body: bytes) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """How one kind of sender speaks: its headers, its content types, and its pure functions of headers and body.

    Of `id_headers` the first that is there names the delivery. `serves` are the kinds of project it is open for;
    `headers` are those kept with the delivery, and `events` those counted by name. `sent_at` is the signed time of
    sending in seconds since 1970, None where the forge signs none. Where a header is too secret to keep, `seal` makes
    what is kept in its place, and `verify_kept` checks that; no live request is ever checked so.
    """

    name: str
    id_headers: tuple[str, ...]
    event_header: str
    types: frozenset[str]
    serves: frozenset[Forge]
    headers: tuple[str, ...]
    events: frozenset[str]
    verify: Verify
    parse: Callable[[Headers, bytes], tuple[Event, ...]]
    repository: Callable[[Headers, bytes], str]
    sent_at: Callable[[Headers], float | None] = _no_time
    seal: Callable[[Headers, bytes], Mapping[str, str]] = _nothing
    verify_kept: Verify | None = None

    def given_id(self, headers: Headers) -> str:
        """Return what the sender calls this delivery, as it came; empty if it does not say."""
        return next((headers[name] for name in self.id_headers if headers.get(name)), "")

    def is_fresh(self, headers: Headers, at: float) -> bool:
        """Tell whether a delivery that was received `at`, in seconds since 1970, was signed about then."""
        sent = self.sent_at(headers)
        return sent is None or abs(at - sent) <= TOLERANCE_SECONDS

    def remember(self, headers: Headers, body: bytes) -> dict[str, str]:
        """Return what is kept of the headers: what another verification needs, never a secret in clear."""
        kept = {name: headers[name] for name in (*ALWAYS_KEPT, *self.headers) if name in headers}
        cleaned = {name: payload.clean(value)[:LONGEST_HEADER] for name, value in kept.items()}
        return {**cleaned, **self.seal(headers, body)}

    def verify_again(self, kept: Headers, body: bytes, secret: str) -> bool:
        """Tell whether a delivery that was kept, with the headers that `remember` gave, is signed with this secret."""
        return (self.verify_kept or self.verify)(kept, body, secret)


STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
WITH_FORM = frozenset({JSON, github.FORM})
ONLY_JSON = frozenset({JSON})


def _of_family(name: str, forge: Forge, one: gitea.Relative) -> Door:
    return Door(
        name=name,
        id_headers=(f"x-{name}-delivery",),
        event_header=one.event_header,
        types=WITH_FORM,
        serves=frozenset({forge}),
        events=frozenset({"push", "pull_request", "create", "delete"}),
        headers=(one.event_header, f"x-{name}-event-type", f"x-{name}-delivery", one.signature_header),
        verify=one.verify,
        parse=one.parse,
        repository=gitea.repository,
    )


DOORS = {
    door.name: door
    for door in (
        Door(
            name="github",
            id_headers=("x-github-delivery",),
            event_header="x-github-event",
            types=WITH_FORM,
            serves=frozenset({Forge.GITHUB}),
            events=frozenset({"push", "pull_request", "ping"}),
            headers=("x-github-event", "x-github-delivery", "x-github-hook-id", "x-hub-signature-256"),
            verify=github.verify,
            parse=github.parse,
            repository=github.repository,
        ),
        # Of its two identities the signed one comes first; X-Gitlab-Event-UUID and X-Gitlab-Webhook-UUID are none.
        Door(
            name="gitlab",
            id_headers=("webhook-id", "idempotency-key"),
            event_header="x-gitlab-event",
            types=ONLY_JSON,
            serves=frozenset({Forge.GITLAB}),
            events=frozenset({*gitlab.KINDS, gitlab.SYSTEM_HOOK}),
            headers=("x-gitlab-event", "x-gitlab-instance", "idempotency-key", *STANDARD),
            verify=gitlab.verify,
            parse=gitlab.parse,
            repository=gitlab.repository,
            sent_at=gitlab.sent_at,
            seal=gitlab.seal,
            verify_kept=gitlab.verify_kept,
        ),
        _of_family("gitea", Forge.GITEA, gitea.GITEA_ITSELF),
        _of_family("forgejo", Forge.FORGEJO, gitea.FORGEJO_ITSELF),
        _of_family("gogs", Forge.GOGS, gitea.GOGS_ITSELF),
        Door(
            name="bitbucket",
            id_headers=("x-request-uuid",),
            event_header="x-event-key",
            types=ONLY_JSON,
            serves=frozenset({Forge.BITBUCKET}),
            events=frozenset({bitbucket.PUSHED, *bitbucket.ACTIONS}),
            headers=("x-event-key", "x-request-uuid", "x-hook-uuid", "x-attempt-number", "x-hub-signature"),
            verify=bitbucket.verify,
            parse=bitbucket.parse,
            repository=bitbucket.repository,
        ),
        Door(
            name="bitbucket-server",
            id_headers=("x-request-id",),
            event_header="x-event-key",
            types=ONLY_JSON,
            serves=frozenset({Forge.BITBUCKET_SERVER}),
            events=frozenset({bitbucket_server.PUSHED, bitbucket_server.PINGED, *bitbucket_server.ACTIONS}),
            headers=("x-event-key", "x-request-id", "x-hub-signature"),
            verify=bitbucket_server.verify,
            parse=bitbucket_server.parse,
            repository=bitbucket_server.repository,
        ),
        # A repository of any kind may also have the hook that `slipway hook install` writes, or any other sender.
        Door(
            name="git",
            id_headers=("webhook-id",),
            event_header="",
            types=ONLY_JSON,
            serves=frozenset(Forge),
            events=frozenset({"push"}),
            headers=STANDARD,
            verify=git.verify,
            parse=git.parse,
            repository=git.repository,
            sent_at=standard_time,
        ),
        Door(
            name="generic",
            id_headers=("webhook-id",),
            event_header="",
            types=ONLY_JSON,
            serves=frozenset(Forge),
            events=frozenset({"push"}),
            headers=STANDARD,
            verify=generic.verify,
            parse=generic.parse,
            repository=generic.repository,
            sent_at=standard_time,
        ),
    )
}
