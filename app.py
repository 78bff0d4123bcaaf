"""The web process: settings in, a Flask application out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, Flask, request

from config.settings import Settings
from config.version import version
from dashboard import access, asking, dressing, forms, problems
from dashboard.access import Access
from dashboard.api.acts import make_acts
from dashboard.api.config import make_config
from dashboard.api.deliveries import make_deliveries
from dashboard.api.images import make_images
from dashboard.api.logs import make_logs
from dashboard.api.openapi import make_openapi
from dashboard.api.reads import make_reads
from dashboard.api.secrets import make_secrets
from dashboard.api.tests import make_tests
from dashboard.events import Streams
from dashboard.health import look, make_health
from dashboard.login import make_login, sign_cookies
from dashboard.logs import Reader
from dashboard.metrics import make_metrics
from dashboard.pages import make_pages
from dashboard.pressing import make_pressing
from dashboard.reading import Reading
from dashboard.redelivery import Redelivery
from dashboard.settings import make_settings
from dashboard.testing import make_testing
from dashboard.vault import Vault
from hooks import blueprint as hooks
from hooks import slack
from hooks.accept import Inbox
from pipeline.errors import Rejected
from runtime.disk import Disk
from runtime.patience import Patience
from runtime.transcripts import FileTranscripts
from runtime.wake import Wake
from store.links import Links
from store.sealing import seal_of
from store.session import Database

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Of what is not a webhook: a line of chat, a form.
BODY_LIMIT = 1024**2


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """What the web process speaks to."""

    database: Database
    transcripts: Reader
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def create_app(settings: Settings | None = None, *, ports: Ports | None = None) -> Flask:
    """Return the application. Raises Rejected for settings that would let anybody in."""
    settings = settings or Settings()
    ports = ports or real_ports(settings)
    rules = rules_of(settings)
    rules.check()
    app = Flask(__name__, template_folder="dashboard/templates", static_folder="dashboard/static")
    if app.debug:
        raise Rejected("the debugger would let anybody run code here", code="debug", fix="Unset FLASK_DEBUG.")
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    sign_cookies(app, settings.home / "web.key", https=settings.web_url.startswith("https://"))
    patience = Patience(settings.limits.body_seconds, settings.web.connections // 2)
    problems.install(app)
    access.install(app, rules)
    app.before_request(lambda: _read_in_time(patience))
    asking.install(app)
    forms.install(app)
    dressing.install(app, now=ports.now, facts=facts_of(settings))
    inbox = _inbox(settings, ports)
    app.register_blueprint(_slack(settings, ports, patience))
    _register(app, settings, ports, rules, inbox)
    _put_doors_first(app, settings, rules, inbox, patience)
    return app


def real_ports(settings: Settings) -> Ports:
    """Return the ports that the settings describe."""
    return Ports(
        database=Database(settings.database_url, on_commit=Wake(settings.run / "clock.sock").send),
        transcripts=FileTranscripts(settings.home / "transcripts", limit=settings.limits.transcript),
    )


def rules_of(settings: Settings) -> Access:
    """Return who may read, as the settings say."""
    public = {host.lower() for host in settings.web.hosts}
    if settings.web.public_url:
        public.add((urlsplit(settings.web.public_url).hostname or "").lower())
    domain, free = settings.domains
    return Access(
        bind=settings.web.host,
        local_names=access.LOCAL_NAMES | {domain, free, f"slipway.{domain}"},
        public_names=frozenset(public) - access.LOCAL_NAMES - {""},
        token=settings.web.token.get_secret_value() if settings.web.token else None,
    )


def facts_of(settings: Settings) -> dict[str, str]:
    """Return what empty pages tell people to paste."""
    return {"web": settings.web_url, "proxy_port": str(settings.proxy.http_port)}


def _put_doors_first(app: Flask, settings: Settings, rules: Access, inbox: Inbox, patience: Patience) -> None:
    """Answer forges from an application of their own: what pages need before and after would double a delivery's cost.

    Deliveries prove themselves by their signature, whoever is signed in.
    """
    doors, pages = Flask("doors", static_folder=None), app.wsgi_app
    problems.install(doors)
    access.install_names(doors, rules)
    doors.register_blueprint(hooks.make(inbox, body_limit=settings.limits.body, patience=patience))

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        first = doors.wsgi_app if environ["PATH_INFO"].startswith("/hooks/") else pages
        return first(environ, start_response)

    app.wsgi_app = answer  # type: ignore[method-assign]


def _inbox(settings: Settings, ports: Ports) -> Inbox:
    keep_days = settings.hooks.keep_days
    return Inbox(database=ports.database, channel=settings.slack.channel, clock=ports.now, keep_days=keep_days)


def _register(app: Flask, settings: Settings, ports: Ports, rules: Access, inbox: Inbox) -> None:
    reading = Reading(
        database=ports.database,
        links=Links(web=settings.web_url, proxy_port=settings.proxy.http_port),
        transcripts=ports.transcripts,
        streams=Streams(settings.web.connections // 4),
        artifacts=settings.home / "artifacts",
        now=ports.now,
    )
    redelivery = Redelivery(redeliver=inbox.redeliver, verify=inbox.reverify)
    app.register_blueprint(hooks.make(inbox, body_limit=settings.limits.body))
    app.register_blueprint(make_reads(reading))
    app.register_blueprint(make_logs(reading))
    app.register_blueprint(make_tests(reading))
    app.register_blueprint(make_acts(ports.database, channel=settings.slack.channel, now=ports.now))
    app.register_blueprint(make_deliveries(redelivery))
    app.register_blueprint(make_config())
    app.register_blueprint(make_images(reading, registries=frozenset(settings.published)))
    vault = Vault(database=ports.database, seal=seal_of(settings.home, settings.secret_key), now=ports.now)
    app.register_blueprint(make_secrets(vault))
    parts = parts_of(settings)
    disk = Disk(lambda: [settings.home], settings.limits.disk_free)
    app.register_blueprint(make_health(ports.database, parts, disk.lack))
    app.register_blueprint(make_metrics(ports.database, lambda: look(ports.database, parts), version=version()))
    app.register_blueprint(make_openapi(version()))
    app.register_blueprint(make_login(rules))
    app.register_blueprint(make_pages(reading))
    app.register_blueprint(make_pressing(ports.database, channel=settings.slack.channel, now=ports.now))
    app.register_blueprint(make_testing(reading))
    app.register_blueprint(make_settings(reading, redelivery, vault))


def _read_in_time(patience: Patience) -> None:
    """Read the body of a form or a call before anybody else does; Slack's commands have a way of their own."""
    if request.method not in {"GET", "HEAD"} and not request.path.startswith("/slack/"):
        with patience():
            request.get_data()


def _slack(settings: Settings, ports: Ports, patience: Patience) -> Blueprint:
    secret = settings.slack.signing_secret
    stand_in = urlsplit(settings.slack.api_url).netloc
    return slack.make(
        ports.database,
        signing_secret=secret.get_secret_value() if secret else None,
        clock=ports.now,
        allowed_hosts={stand_in} - {"slack.com"},
        team_id=settings.slack.team_id,
        patience=patience,
    )


def parts_of(settings: Settings) -> dict[str, str]:
    """Return where each part must answer."""
    registry = urlsplit(f"//{settings.registry_address}")
    parts = {
        "redis": settings.redis_url,
        "registry": f"tcp://{_bracketed(registry.hostname or '')}:{registry.port or 443}",
        "proxy": f"tcp://{_bracketed(settings.proxy.address)}:{settings.proxy.http_port}",
        "dns": f"tcp://{_bracketed(settings.dns.host)}:{settings.dns.port}",
    }
    if settings.docker.host.startswith(("unix://", "tcp://")):
        parts["engine"] = settings.docker.host
    return parts


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host
