"""deploy/kubernetes: what would be sent to a cluster, without a cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from gateway.settings.load import load_text
from tests.deploy import kustomize

ROOT = Path(__file__).parent.parent.parent
KUBERNETES = ROOT / "deploy" / "kubernetes"
FOLDERS = ("base", "monitoring", "valkey", "overlays/production")
VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest and the newest that the manifests are written for."""

ENV = {"CROSSFADE_ADMIN_TOKEN": "a-token", "CROSSFADE_STORE": "redis://:secret@crossfade-valkey:6379/0"}

# What the Prometheus operator's definition says of the fields that we use, and no others.
_LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
_SECRET_KEY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["key"],
    "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
}
_ENDPOINT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "port": {"type": "string"},
        "path": {"type": "string"},
        "interval": {"type": "string", "pattern": r"^(0|([0-9]+(ms|s|m|h|d|w|y))+)$"},
        "authorization": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"type": {"type": "string"}, "credentials": _SECRET_KEY},
        },
    },
}
SERVICE_MONITOR = {
    "type": "object",
    "additionalProperties": False,
    "required": ["endpoints", "selector"],
    "properties": {
        "jobLabel": {"type": "string"},
        "selector": {"type": "object", "additionalProperties": False, "properties": {"matchLabels": _LABELS}},
        "endpoints": {"type": "array", "items": _ENDPOINT, "minItems": 1},
    },
}


@pytest.fixture(params=FOLDERS)
def objects(request):
    """All objects of one folder."""
    return kustomize.build(KUBERNETES / request.param)


def _one(folder, kind, name="crossfade"):
    (found,) = [
        each
        for each in kustomize.build(KUBERNETES / folder)
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return found


def _container(folder="base"):
    return _one(folder, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def _pods(objects):
    return [each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "StatefulSet"}]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_kubernetes(objects, version):
    """Each is what the API's own schema says, with no field that it does not know."""
    for each in objects:
        if each["kind"] != "ServiceMonitor":
            assert kubernetes_validate.validate(each, version, strict=True) == version


def test_the_service_monitor_is_what_the_operator_reads():
    """Names and types of its fields are those of `monitoring.coreos.com/v1`."""
    monitor = _one("monitoring", "ServiceMonitor")
    jsonschema.validate(monitor["spec"], SERVICE_MONITOR)

    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
@pytest.mark.parametrize("folder", FOLDERS)
def test_kubectl_makes_the_same_of_it(folder):
    """What these tests look at is what a cluster would get."""
    command = ["kubectl", "kustomize", str(KUBERNETES / folder)]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def named(objects):
        return {(each["kind"], each["metadata"]["name"]): each for each in objects}

    assert named(yaml.safe_load_all(made)) == named(kustomize.build(KUBERNETES / folder))


@pytest.mark.parametrize("folder", ["base", "overlays/production"])
def test_the_configuration_is_one_that_check_accepts(folder):
    """A cluster gets no configuration that the gateway refuses, and none that it warns of."""
    text = _one(folder, "ConfigMap")["data"]["gateway.yaml"]
    loaded = load_text(text, "gateway.yaml", env=ENV, base_dir=KUBERNETES)

    assert loaded.config.admin.listen.port == 9900
    assert loaded.warnings == []


@pytest.mark.parametrize("folder", ["base", "overlays/production"])
def test_the_cache_is_where_the_gateway_may_write(folder):
    """What it knows of rollouts outlives the container: nothing else of its file system can be written to."""
    pod = _one(folder, "Deployment")["spec"]["template"]["spec"]
    text = _one(folder, "ConfigMap")["data"]["gateway.yaml"]
    cache = Path(load_text(text, "gateway.yaml", env=ENV, base_dir=KUBERNETES).config.store_cache)
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if cache.is_relative_to(each["mountPath"])]
    (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]

    assert "emptyDir" in volume
    assert not mount.get("readOnly")


def test_every_variable_of_the_configuration_is_given_by_the_deployment():
    """`${NAME}` without a default is in the container's environment, from the secret."""
    wanted = re.findall(r"\$\{([A-Z_]+)\}", _one("base", "ConfigMap")["data"]["gateway.yaml"])
    given = {each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in _container()["env"]}

    assert dict.fromkeys(wanted, "crossfade") == given


def test_no_object_holds_a_secret(objects):
    """Secrets are made by whoever runs it; none is in a file of ours."""
    assert [each for each in objects if each["kind"] == "Secret"] == []


def test_pods_run_as_nobody_special(objects):
    """Non-root, read-only root, no capabilities, seccomp, no token of the cluster, bounded memory."""
    for pod in _pods(objects):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_the_user_is_the_image_s():
    """The number that the Dockerfile makes is the one that the pod runs as."""
    user = re.search(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    context = _one("base", "Deployment")["spec"]["template"]["spec"]["securityContext"]

    assert (context["runAsUser"], context["runAsGroup"]) == tuple(map(int, user.groups()))


@pytest.mark.parametrize("folder", ["base", "overlays/production"])
def test_a_pod_has_longer_to_end_than_its_drain(folder):
    """Nobody is killed who is still finishing requests."""
    pod = _one(folder, "Deployment")["spec"]["template"]["spec"]
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    text = _one(folder, "ConfigMap")["data"]["gateway.yaml"]
    drain = load_text(text, "gateway.yaml", env=ENV, base_dir=KUBERNETES).config.server.timeouts.drain

    assert pod["terminationGracePeriodSeconds"] >= pause + drain + 5


def test_a_rolling_update_takes_no_gateway_before_its_successor_is_ready():
    """Capacity never falls below what there was."""
    update = _one("base", "Deployment")["spec"]["strategy"]["rollingUpdate"]

    assert (update["maxUnavailable"], update["maxSurge"]) == (0, 1)


@pytest.mark.parametrize("folder", ["base", "overlays/production"])
def test_there_are_always_two(folder):
    """The autoscaler keeps two at the least and alone has the number; a node that is emptied takes one at a time."""
    scaler = _one(folder, "HorizontalPodAutoscaler")["spec"]

    assert scaler["minReplicas"] >= 2
    assert scaler["scaleTargetRef"]["name"] == "crossfade"
    assert "replicas" not in _one(folder, "Deployment")["spec"]
    assert _one(folder, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_configuration_is_mounted_so_that_edits_arrive():
    """As a folder: what is mounted by subPath never changes; and under a name without a hash."""
    pod = _one("base", "Deployment")["spec"]["template"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "config"]
    (volume,) = [each for each in pod["volumes"] if each["name"] == "config"]

    assert mount == {"name": "config", "mountPath": "/etc/crossfade", "readOnly": True}
    assert volume["configMap"]["name"] == _one("base", "ConfigMap")["metadata"]["name"]


def test_probes_ask_what_there_is():
    """Readiness of the start and of the routing by /readyz, life by /healthz; life is the most patient."""
    container = _container()
    paths = {name: probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")}
    liveness = container["livenessProbe"]

    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


@pytest.mark.parametrize("folder", ["base", "valkey"])
def test_ports_that_are_named_exist(folder):
    """Services, probes and policies ask for ports by names that the containers have."""
    objects = kustomize.build(KUBERNETES / folder)
    ports = {port["name"] for pod in _pods(objects) for each in pod["containers"] for port in each["ports"]}
    services = {port["targetPort"] for each in objects if each["kind"] == "Service" for port in each["spec"]["ports"]}
    policies = {
        port["port"]
        for each in objects
        if each["kind"] == "NetworkPolicy"
        for rule in each["spec"]["ingress"]
        for port in rule["ports"]
    }

    assert services <= ports
    assert policies <= ports


def test_selectors_find_what_they_mean():
    """Services, policies, budget and monitor go by labels that somebody carries."""
    objects = kustomize.build(KUBERNETES / "overlays/production")
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in objects if "template" in each.get("spec", {})]
    services = [each["metadata"]["labels"] for each in objects if each["kind"] == "Service"]
    for each in objects:
        spec = each.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        labels = selector.get("matchLabels", selector)
        carriers = services if each["kind"] == "ServiceMonitor" else pods

        assert not labels or any(labels.items() <= carried.items() for carried in carriers), each["metadata"]["name"]
