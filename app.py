"""The web process: settings in, a Flask application out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Blueprint, Flask

from config.settings import Settings
from dashboard import access, dressing, problems
from dashboard.access import Access
from dashboard.api.acts import make_acts
from dashboard.api.logs import make_logs
from dashboard.api.reads import make_reads
from dashboard.events import Streams
from dashboard.health import make_health
from dashboard.login import make_login, sign_cookies
from dashboard.logs import Reader
from dashboard.pages import make_pages
from dashboard.reading import Reading
from hooks import blueprint as hooks
from hooks import slack
from hooks.accept import Inbox
from pipeline.errors import Rejected
from runtime.transcripts import FileTranscripts
from runtime.wake import Wake
from store.links import Links
from store.session import Database

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
    problems.install(app)
    access.install(app, rules)
    dressing.install(app, now=ports.now, facts=facts_of(settings))
    _register(app, settings, ports, rules)
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


def _register(app: Flask, settings: Settings, ports: Ports, rules: Access) -> None:
    reading = Reading(
        database=ports.database,
        links=Links(web=settings.web_url, proxy_port=settings.proxy.http_port),
        transcripts=ports.transcripts,
        streams=Streams(settings.web.threads // 2),
        now=ports.now,
    )
    inbox = Inbox(database=ports.database, channel=settings.slack.channel, clock=ports.now)
    app.register_blueprint(hooks.make(inbox, body_limit=settings.limits.body))
    app.register_blueprint(_slack(settings, ports))
    app.register_blueprint(make_reads(reading))
    app.register_blueprint(make_logs(reading))
    app.register_blueprint(make_acts(ports.database, channel=settings.slack.channel, now=ports.now))
    app.register_blueprint(make_health(ports.database, parts_of(settings)))
    app.register_blueprint(make_login(rules))
    app.register_blueprint(make_pages(reading))


def _slack(settings: Settings, ports: Ports) -> Blueprint:
    secret = settings.slack.signing_secret
    stand_in = urlsplit(settings.slack.api_url).netloc
    return slack.make(
        ports.database,
        signing_secret=secret.get_secret_value() if secret else None,
        clock=ports.now,
        allowed_hosts={stand_in} - {"slack.com"},
        team_id=settings.slack.team_id,
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
