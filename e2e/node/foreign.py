"""Somebody else's cluster in the place of our node: E2E_KUBECONFIG names it, and E2E_CONTEXT repeats its context."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness import chart, tools
from harness import cluster as clusters
from harness.supervisor import Supervisor
from harness.wait import await_until
from node import images, pods
from node.machine import Unfit
from node.place import Place

# All that the tests and the README's tour make there, beside what the chart does.
NAMESPACES = ("shop", "meshed", "bookshop", f"{chart.NAMESPACE}-test", chart.NAMESPACE)
_CRDS = ("accesspolicies.meshauth.dev", "identityproviders.meshauth.dev")
_REFUSED = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
_PULL_SECONDS = 300


def is_named(environment: Mapping[str, str]) -> bool:
    """Raises Unfit where the environment names a cluster by halves."""
    try:
        kubeconfig, _ = clusters.foreign_cluster(environment)
    except clusters.ForeignClusterRefused as refused:
        raise Unfit(str(refused)) from None
    return kubeconfig is not None


def named_images(environment: Mapping[str, str]) -> dict[str, str]:
    """The names of our images there; Unfit where nobody said."""
    repository = environment.get("E2E_IMAGE_REPOSITORY")
    tag = environment.get("E2E_IMAGE_TAG") or images.VERSION
    if not repository:
        wanted = "\n".join(f"  - REPOSITORY/{name}:{tag}" for name in images.NAMES)
        raise Unfit(
            "E2E_KUBECONFIG names somebody else's cluster, and nothing here can load images into its nodes. Push these, or load "
            f"them by other means:\n{wanted}\nand name REPOSITORY in E2E_IMAGE_REPOSITORY (and the tag, if it is another, in "
            "E2E_IMAGE_TAG). Their archives are made by `make images` and, for box, "
            '`E2E_PARTS="box python" e2e/tools.sh python e2e/box.py`'
        )
    return {name: f"{repository.rstrip('/')}/{name}:{tag}" for name in images.NAMES}


class Foreign(Place):
    """Commands run here, beside the cluster."""

    def __init__(self, supervisor: Supervisor, folder: Path, names: Mapping[str, str]) -> None:
        """Returns when its nodes have our images; Unfit where they cannot, or where one of our releases is already there."""
        kubeconfig, _ = clusters.foreign_cluster(os.environ)
        assert kubeconfig
        self.folder = folder
        self.kubeconfig = kubeconfig
        self.cluster = clusters.start(supervisor, folder)
        self._stop_if_in_use()
        self._pull(names)

    def enter(self, *command: str | os.PathLike[str], folder: Path | None = None) -> list[str]:
        words = [os.fspath(word) for word in command]
        return ["env", f"--chdir={folder}", *words] if folder else words

    def clean(self) -> None:
        """Takes away what NAMESPACES names, the release and its definitions: none of it was there before."""
        helm = [str(tools.helm()), "uninstall", chart.RELEASE, f"--namespace={chart.NAMESPACE}", "--ignore-not-found", "--wait"]
        done = self.run(*helm, env={"HOME": str(self.folder)})
        assert done.returncode == 0, f"helm uninstall ended with {done.returncode}: {done.stdout}{done.stderr}"
        kubectl = self.cluster.kubectl
        kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--wait=true", "--timeout=120s", timeout=130)
        kubectl("delete", "crd", *_CRDS, "--ignore-not-found")

    def _stop_if_in_use(self) -> None:
        kinds = {"namespace": NAMESPACES, "crd": _CRDS}
        found = [f"{kind} {name}" for kind, names in kinds.items() for name in names if self.cluster.find(kind, name)]
        if found:
            raise Unfit(
                f"the cluster {self.cluster.server} has {', '.join(found)}, which these tests would change and delete. If nobody "
                f"needs it:\n  helm uninstall {chart.RELEASE} -n {chart.NAMESPACE} --ignore-not-found --wait\n"
                f"  kubectl delete --ignore-not-found namespace {' '.join(NAMESPACES)}\n"
                f"  kubectl delete --ignore-not-found crd {' '.join(_CRDS)}"
            )

    def _pull(self, names: Mapping[str, str]) -> None:
        """By a pod that has all of them."""
        with self.cluster.temporary_namespace("mesh-auth-images") as space:
            probe = pods.pod("images", [pods.container(name, image, ["--help"]) for name, image in names.items()])
            probe["spec"]["restartPolicy"] = "Never"
            space.apply(probe)
            refused: dict[str, str] = {}

            def each_was_tried() -> bool:
                for status in space.get("pod", "images")["status"].get("containerStatuses", []):
                    waiting = status["state"].get("waiting", {})
                    if waiting.get("reason") in _REFUSED:
                        refused.setdefault(status["name"], f"{waiting['reason']}: {waiting.get('message', '')}")
                    elif status.get("imageID"):
                        refused.pop(status["name"], None)
                        there.add(status["name"])
                left = set(names) - there - set(refused)
                assert not left, f"no node has tried to pull {', '.join(sorted(left))}"
                return True

            there: set[str] = set()
            try:
                await_until("a node has our images", each_was_tried, within=_PULL_SECONDS, every=0.2)
            except AssertionError as error:
                raise Unfit(f"the cluster {self.cluster.server} did not start a pod: {error}") from None
            if refused:
                said = "\n".join(f"  - {names[name]}: {why}" for name, why in refused.items())
                raise Unfit(f"the nodes of {self.cluster.server} do not get our images (E2E_IMAGE_REPOSITORY, E2E_IMAGE_TAG):\n{said}")
