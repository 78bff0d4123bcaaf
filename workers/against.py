"""Tests against an environment: its names lead to the proxy from inside the test's container, as from anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pipeline import spec as spec_file
from pipeline.deployment import Release
from pipeline.errors import StageFailed
from pipeline.names import deployment_name, host_names, run_name, variable
from pipeline.outcome import Outcome, State
from pipeline.plan import deploys_before, not_deployed
from pipeline.stage import OTHER
from store import deployments, environments, runs
from workers.copies import Copy
from workers.stage import Scene


@dataclass(frozen=True, kw_only=True, slots=True)
class Facing:
    """The names a container must know to face an environment, with their addresses, and the variables that tell it."""

    hosts: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class There:
    """Whose deployment a stage is to face, if not its own run's, and whether it is of another commit than was meant."""

    said: str = ""
    misses: bool = False

    def tell(self, outcome: Outcome) -> Outcome:
        """Return how a stage ended, and before what."""
        code = OTHER if self.misses and outcome.state is State.PASSED else outcome.code
        return replace(outcome, sentence="; ".join(filter(None, (outcome.sentence, self.said))), code=code)


def left_out(scene: Scene) -> Outcome | None:
    """Return why a stage has nothing to be against when what it needs has deployed nothing; None if it may begin."""
    mine = _deploys(scene)
    with scene.ctx.database.read() as session:
        stages = {one.name: one for one in runs.load(session, scene.work.run_id).stages}
    if not mine or not all(stages[one].state is State.SKIPPED for one in mine if one in stages):
        return None
    return not_deployed(spec_file.from_json(scene.work.config or {}), scene.work.stage.name)


def there(scene: Scene) -> There:
    """Return whose deployment serves where the stage is `against`."""
    environment = scene.work.spec.get("against") or ""
    with scene.ctx.database.read() as session:
        place = environments.find(session, scene.project.id, environment) if environment else None
        live = deployments.live(session, place.id) if place else None
    if live is None or live.run_id == scene.work.run_id:
        return There()
    whose = f"of {run_name(live.run_id)}" if live.run_id is not None else f"by {live.actor}"
    other = any(one.revision != scene.work.revision for one in live.releases)
    said = f"faced {deployment_name(live.id)} {whose} in {environment}, not a deployment of this run"
    return There(said=said, misses=other and bool(_deploys(scene)))


def _deploys(scene: Scene) -> tuple[str, ...]:
    """Return the stages that the stage needs to have deployed; none for one that was asked for by name."""
    if not scene.work.spec.get("against") or scene.work.wanted is not None:
        return ()
    return deploys_before(spec_file.from_json(scene.work.config or {}), scene.work.stage.name)


@contextmanager
def facing(copy: Copy, network: str | None) -> Iterator[Facing]:
    """Have the environment that the stage is `against` in reach of a network.

    Raises StageFailed if nothing serves, or if the run is a stranger's: what serves is not shown to those.
    """
    environment = copy.spec.get("against") or ""
    if not environment or network is None:
        yield Facing()
        return
    if not copy.scene.work.trusted:
        what = f"{copy.scene.work.stage.name} is against {environment}, and what comes from a fork faces no environment"
        raise StageFailed(what, code="no_environment_for_forks")
    serving = _serving(copy, environment)
    gateway = copy.scene.ctx.engine.gateway(network)
    with copy.scene.ctx.door.open(gateway) as port:
        yield _facing(copy, environment, serving, f"{gateway.ip}:{port}")


def _facing(copy: Copy, environment: str, serving: tuple[Release, ...], door: str) -> Facing:
    gateway, _, port = door.rpartition(":")
    domain = copy.scene.ctx.domains[:1]
    hosts: dict[str, str] = {}
    env = {"SLIPWAY_ENVIRONMENT": environment}
    for one in serving:
        names = host_names(
            service=one.service,
            environment=environment,
            project=copy.scene.project.name,
            domains=domain,
            main=one.main,
        )
        hosts |= dict.fromkeys(names, gateway)
        url = f"http://{names[0]}" if port == "80" else f"http://{names[0]}:{port}"
        env[f"SLIPWAY_URL_{variable(one.service)}"] = url
    return Facing(hosts=hosts, env=env)


def _serving(copy: Copy, environment: str) -> tuple[Release, ...]:
    """Return what serves in an environment, and say so: tests may find another run's deployment there."""
    with copy.scene.ctx.database.read() as session:
        place = environments.find(session, copy.scene.project.id, environment)
        live = deployments.live(session, place.id) if place else None
    if live is None or not live.releases:
        what = f"nothing serves in {environment}: let a stage deploy there, and let this one need it"
        raise StageFailed(what, code="nothing_serves")
    other = live.run_id is not None and live.run_id != copy.scene.work.run_id
    whose = f" of {run_name(live.run_id or 0)}, not of this run" if other else ""
    copy.write(f"against {environment}, where {deployment_name(live.id)}{whose} serves")
    return live.releases
