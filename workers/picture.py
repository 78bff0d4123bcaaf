"""What the proxy and the name server should show, read from SQL each time they are told."""

from pipeline.deployment import InstanceState
from pipeline.routes import Route, Routes, Server, Traffic
from store import instances, jobs
from store.session import Database
from workers.context import Context

TRAFFIC = {InstanceState.LIVE: Traffic.OPEN, InstanceState.DRAINING: Traffic.DRAIN}


def read_routes(database: Database) -> Routes:
    """Return every route with the servers that are live or draining."""
    with database.read() as session:
        servers: dict[int, list[Server]] = {}
        for one in instances.everyone(session, *TRAFFIC):
            server = Server(name=one.server, address=one.address, port=one.port, traffic=TRAFFIC[one.state])
            servers.setdefault(one.route_id, []).append(server)
        known = instances.routes(session)
    return Routes(
        routes=tuple(
            Route(id=route_id, hosts=tuple(hosts), servers=tuple(servers.get(route_id, ())))
            for route_id, _environment, hosts in known
        )
    )


def show(ctx: Context) -> None:
    """Make the proxy and the name server show what SQL says."""
    ctx.proxy.apply(lambda: read_routes(ctx.database))
    ctx.names.apply(lambda: read_routes(ctx.database))


def handle(ctx: Context, claim: jobs.Claim) -> None:
    """Show the picture again, now and then: whatever a restart of either made of it is put right."""
    show(ctx)
    with ctx.database.begin() as session:
        jobs.finish(session, claim)
