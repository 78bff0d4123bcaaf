import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.compose_export import export
from pipeline.compose_schema import official
from pipeline.spec import Spec, load

texts = st.text(alphabet="ab $\"'{}:-#\\/é", min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
names = st.sampled_from(["A", "B_C", "_x"])
variables = st.dictionaries(names, texts, max_size=3)
commands = st.lists(texts, min_size=1, max_size=3)
times = st.sampled_from(["1s", "5s", "1m30s", "1500ms"])
health = st.fixed_dictionaries(
    {"test": st.one_of(commands.map(lambda words: ["CMD", *words]), st.just(["CMD-SHELL", "curl localhost:80/up"]))},
    optional={"interval": times, "timeout": times, "start_period": times, "retries": st.integers(1, 9)},
)
optional: dict[str, st.SearchStrategy[Any]] = {
    "command": commands,
    "environment": variables,
    "expose": st.lists(st.integers(1, 65535), min_size=1, max_size=2, unique=True),
    "healthcheck": health | st.just({"disable": True}),
    "volumes": st.lists(st.sampled_from(["data:/data", "/var/cache", "a.b:/x/y"]), max_size=2, unique=True),
    "stop_grace_period": times,
}
builds = st.fixed_dictionaries(
    {"context": st.sampled_from([".", "./web", "a/b"])},
    optional={"dockerfile": st.just("d/File"), "target": st.just("prod"), "args": variables},
)
built = st.fixed_dictionaries({"build": builds}, optional=optional | {"profiles": st.just(["test"])})
backing = st.fixed_dictionaries({"image": st.sampled_from(["redis", "r.test:5000/db@x", "a$b"])}, optional=optional)


def written(value: Any) -> Any:
    """Return a value with the sign of variables doubled, as a Compose file has it."""
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [written(item) for item in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def read_back(text: str) -> Spec:
    return load({"compose.yaml": text.encode()}, project="shop")


def made_of(services: dict[str, Any]) -> Spec:
    return read_back(json.dumps({"services": written(services)}))


@given(web=built, db=backing)
@settings(max_examples=120, deadline=None)
def test_what_is_exported_reads_back_as_the_same_services(web: dict[str, Any], db: dict[str, Any]) -> None:
    spec = made_of({"web": web | {"depends_on": ["db"]}, "db": db})
    text = export(spec)
    assert read_back(text).services == spec.services
    assert list(official().iter_errors(YAML(typ="safe", pure=True).load(text))) == []


def test_services_can_be_exported_as_the_images_of_a_revision() -> None:
    spec = made_of({"web": {"build": "."}, "db": {"image": "postgres"}})
    made = YAML(typ="safe", pure=True).load(export(spec, {"web": "registry.test/shop/web:1a2b"}))
    assert made["services"] == {"web": {"image": "registry.test/shop/web:1a2b"}, "db": {"image": "postgres"}}
