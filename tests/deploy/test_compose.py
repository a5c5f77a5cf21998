"""deploy/compose: two gateways, their store, what watches them and what stands behind them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from click.testing import CliRunner
from compose_spec import PyCompose

from gateway.demo import shop
from gateway.settings.load import load_text

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "deploy" / "compose"
OURS = {"gateway-1", "gateway-2", "legacy", "new"}


@pytest.fixture
def services():
    """The services as they are after YAML has merged what they share."""
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


@pytest.fixture
def config():
    """What both gateways read."""
    text = (COMPOSE / "crossfade" / "gateway.yaml").read_text()
    return load_text(text, "gateway.yaml", env={"CROSSFADE_ADMIN_TOKEN": "a-token"}, base_dir=COMPOSE)


def _binds(services):
    binds = [volume.split(":") for each in services.values() for volume in each.get("volumes", [])]
    return [(COMPOSE / source, mode) for source, _, *mode in binds if source.startswith(".")]


def test_it_is_a_compose_file():
    """It follows the Compose Specification, in every member and type."""
    plain = json.dumps(yaml.safe_load((COMPOSE / "compose.yaml").read_text()))

    PyCompose.from_yaml(plain).validate()


def test_a_name_that_the_specification_lacks_would_be_found():
    """The test above sees what it is there for."""
    plain = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    plain["services"]["legacy"]["reed_only"] = True

    with pytest.raises(ValueError, match="reed_only"):
        PyCompose.from_yaml(json.dumps(plain))


def test_the_configuration_is_one_that_check_accepts(config):
    """Both gateways start with it, and none of it is risky."""
    assert config.warnings == []


def test_every_address_of_the_configuration_is_a_service(services, config):
    """Backends, the store and Prometheus' targets go by names that exist."""
    backends = [endpoint for backend in config.config.backends.values() for endpoint in backend.endpoints]
    scrape = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())["scrape_configs"][0]
    targets = [f"http://{target}" for target in scrape["static_configs"][0]["targets"]]
    urls = (config.config.store, *targets)
    hosts = {each.host for each in backends} | {urlsplit(url).hostname for url in urls}

    assert hosts <= services.keys()
    assert scrape["job_name"] == "crossfade"


def test_every_service_is_hardened_and_watched(services):
    """No service writes to its own file system, has a capability, or goes without a health check."""
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "healthcheck" in service or name.startswith("gateway-"), name  # those have the image's


def test_gateways_have_longer_to_end_than_their_drain(services, config):
    """`docker compose down` cuts no request that the drain would have finished."""
    for name in ("gateway-1", "gateway-2"):
        seconds = int(services[name]["stop_grace_period"].removesuffix("s"))

        assert seconds >= config.config.server.timeouts.drain + 5


def test_only_the_gateways_front_is_published_to_others(services):
    """Dashboards, metrics and the admin API are for this machine alone."""
    published = {name: service.get("ports", []) for name, service in services.items()}
    open_to_all = {port for ports in published.values() for port in ports if not port.startswith("127.0.0.1:")}

    assert open_to_all == {"8081:8080", "8082:8080"}


def test_the_configuration_s_folder_is_mounted_not_the_file(services):
    """An editor that replaces the file is seen inside of the container."""
    folders = {source for source, mode in _binds(services) if "crossfade" in source.parts[-1:] and mode == ["ro"]}

    assert folders == {COMPOSE / "crossfade"}


def test_each_gateway_s_cache_is_on_a_volume_of_its_own(services, config):
    """It outlives the container, and neither writes over the other's."""
    folder = str(Path(config.config.store_cache).parent)
    volumes = [
        volume.split(":")[0]
        for name in ("gateway-1", "gateway-2")
        for volume in services[name]["volumes"]
        if volume.split(":")[1] == folder
    ]

    assert volumes == ["gateway-1", "gateway-2"]


def test_every_file_that_is_mounted_is_there(services):
    """Docker would make an empty folder in the place of what is missing."""
    sources = {source.resolve() for source, _ in _binds(services)}

    assert {source for source in sources if not source.exists()} == set()


def test_images_are_pinned(services):
    """What runs tomorrow is what runs today; `latest` is only what is built here."""
    loose = {
        name
        for name, service in services.items()
        if name not in OURS and not re.search(r":v?\d+\.\d+", service["image"])
    }

    assert loose == set()


def test_the_shops_command_is_one_that_the_shop_knows(services):
    """The demo's backend takes the options that it is started with."""
    known = CliRunner().invoke(shop.serve, ["--help"]).output
    words = [word for name in ("legacy", "new") for word in (*services[name]["entrypoint"], *services[name]["command"])]

    assert {word for word in words if word.startswith("--")} <= {*re.findall(r"--[a-z]+", known)}
