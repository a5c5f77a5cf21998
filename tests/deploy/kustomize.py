"""What `kubectl kustomize` makes of a folder: the few features that deploy/kubernetes uses, and an error for any other.

So the manifests can be looked at whole, overlays included, where there is no kubectl; where there is one,
`test_manifests.py` holds both against each other.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]

KNOWN = {
    *("apiVersion", "kind", "resources", "namespace", "images", "configMapGenerator", "generatorOptions", "patches"),
}
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
MERGE_KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath"}
"""Lists whose elements are merged by a key (`x-kubernetes-patch-merge-key`); others are replaced."""


def build(folder: Path) -> list[Object]:
    """All objects that `kubectl apply -k` would send."""
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(plan) <= KNOWN, f"{folder}: {set(plan) - KNOWN} is not looked at by the tests"
    objects = [each for name in plan.get("resources", []) for each in _load(folder / name)]
    for generator in plan.get("configMapGenerator", []):
        objects = _generate(objects, folder, generator, plan["generatorOptions"])
    for patch in plan.get("patches", []):
        objects = _patch(objects, yaml.safe_load((folder / patch["path"]).read_text()))
    for each in objects:
        _place(each, plan.get("namespace"))
    for image in plan.get("images", []):
        _rename_images(objects, image)
    return objects


def _load(path: Path) -> list[Object]:
    return build(path.resolve()) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))


def _generate(objects: list[Object], folder: Path, generator: Object, options: Object) -> list[Object]:
    assert options["disableNameSuffixHash"] is True, "a hash in the name would be a restart for each edit"
    metadata = {"name": generator["name"], "labels": options.get("labels", {})}
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {name: (folder / name).read_text() for name in generator["files"]},
    }
    if generator.get("behavior", "create") == "create":
        return [*objects, made]
    (replaced,) = [each for each in objects if _name(each) == _name(made)]
    metadata["labels"] = replaced["metadata"].get("labels", {}) | metadata["labels"]
    return [made if each is replaced else each for each in objects]


def _patch(objects: list[Object], patch: Object) -> list[Object]:
    names = [_name(each) for each in objects]
    assert _name(patch) in names, f"nothing to patch: {_name(patch)}"
    return [_merge(each, patch) if _name(each) == _name(patch) else each for each in objects]


def _name(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def _merge(old: Any, new: Any, field: str = "") -> Any:
    """A strategic merge: mappings member by member, lists by their key where they have one."""
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {name: _merge(old.get(name), value, name) for name, value in new.items()}
        return {name: value for name, value in {**old, **merged}.items() if value is not None}
    if isinstance(old, list) and field in MERGE_KEYS:
        return _merge_lists(old, new, MERGE_KEYS[field])
    return copy.deepcopy(new)


def _merge_lists(old: list[Object], new: list[Object], key: str) -> list[Object]:
    news = {each[key]: each for each in new}
    olds = {each[key] for each in old}
    kept = [_merge(each, news.get(each[key], {})) for each in old]
    return [*kept, *(each for each in new if each[key] not in olds)]


def _place(each: Object, namespace: str | None) -> None:
    if namespace and each["kind"] not in CLUSTER_WIDE:
        each["metadata"]["namespace"] = namespace


def _rename_images(objects: list[Object], image: Object) -> None:
    for each in objects:
        pod = each.get("spec", {}).get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            if container["image"].partition(":")[0] == image["name"]:
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
