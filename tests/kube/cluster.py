"""A cluster, by the `kubectl` and the `helm` that its users have."""

import json
import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

# On a busy machine with two cores; what doesn't become ready by then never does.
PATIENCE = "4m"


def command(name):
    """Return how *name* is called here: a variable may say it."""
    return os.environ.get(name.upper()) or name


def missing():
    """Return in one sentence what these tests lack, and what to do; None if nothing."""
    again = "and run make kube-test again"
    for name in ("kubectl", "helm"):
        if not shutil.which(command(name)):
            variable = name.upper()
            return f"{name} is missing: install it, or name it in {variable}, {again}."
    asked = [command("kubectl"), "get", "--raw", "/readyz", "--request-timeout=10s"]
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        return (
            "No cluster answers: start one, for example with kind create cluster, "
            f"name its file in KUBECONFIG, {again}."
        )
    return None


def run(*arguments, given=None):
    """Return what a command prints; it must succeed."""
    done = subprocess.run(
        arguments, input=given, capture_output=True, text=True, check=False
    )
    said = done.stderr.strip() or done.stdout.strip()
    assert done.returncode == 0, f"{' '.join(arguments)}: {said}"
    return done.stdout


def typed(line):
    """Return what is printed for a user who types *line*; it must succeed."""
    return run("bash", "-c", line)


@dataclass(frozen=True)
class Namespace:
    """A part of the cluster that is nobody else's."""

    name: str

    def kubectl(self, *arguments, given=None):
        """Return what kubectl prints."""
        namespace = f"--namespace={self.name}"
        return run(command("kubectl"), namespace, *arguments, given=given)

    def helm(self, *arguments):
        """Return what Helm prints."""
        return run(command("helm"), *arguments, f"--namespace={self.name}")

    def release(self, name, chart, *values):
        """Install the release, or upgrade it, and wait until all of it is ready."""
        files = [f"--values={file}" for file in values]
        waiting = ("--wait", f"--timeout={PATIENCE}")
        try:
            self.helm("upgrade", "--install", name, str(chart), *files, *waiting)
        except AssertionError as error:
            warnings = ("--field-selector=type=Warning", "--sort-by=.lastTimestamp")
            error.add_note(self.kubectl("get", "pods", "--output=wide"))
            error.add_note(self.kubectl("get", "events", *warnings))
            raise

    def get(self, *what):
        """Return the objects that `kubectl get` finds, or the one."""
        found = json.loads(self.kubectl("get", *what, "--output=json"))
        return found["items"] if found["kind"] == "List" else found

    def apply(self, *objects):
        """Have these *objects*, as they are here."""
        given = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "--filename=-", given=json.dumps(given))

    def wait(self, pod, wanted):
        """Return when the *pod* is what is *wanted*."""
        try:
            self.kubectl("wait", f"pod/{pod}", f"--for={wanted}", "--timeout=1m")
        except AssertionError:
            (container,) = self.get("pod", pod)["status"]["containerStatuses"]
            reason = container["state"].get("waiting", {}).get("reason", "")
            if "Image" not in reason:
                raise
            pytest.exit(
                f"The cluster doesn't know the image {container['image']}: name in "
                "LOAD what makes it known, like kind load docker-image, and run make "
                "kube-test again.",
                returncode=1,
            )

    def enforce(self, profile):
        """Refuse pods that don't meet a *profile* of the pod security standards."""
        label = f"pod-security.kubernetes.io/enforce={profile}"
        run(command("kubectl"), "label", "namespace", self.name, label)

    def ask(self, pod, port, path):
        """Return what a *pod* has at *path*, by way of the cluster's own server."""
        place = f"/api/v1/namespaces/{self.name}/pods/{pod}:{port}/proxy/{path}"
        return json.loads(self.kubectl("get", "--raw", place))

    @contextmanager
    def forwarded(self, pod, port):
        """Yield the URL that leads to the *port* of a *pod* during the block."""
        forwarding = subprocess.Popen(
            [
                *(command("kubectl"), f"--namespace={self.name}"),
                *("port-forward", f"pod/{pod}", f":{port}"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            said = forwarding.stdout.readline()
            assert " -> " in said, f"kubectl port-forward said {said!r}"
            yield f"http://{said.split()[2]}"
        finally:
            forwarding.terminate()
            forwarding.communicate()


@contextmanager
def namespace(purpose):
    """Yield a new namespace; it's deleted behind the block with all that is in it."""
    name = f"app-integrations-{purpose}-{secrets.token_hex(3)}"
    run(command("kubectl"), "create", "namespace", name)
    try:
        yield Namespace(name)
    finally:
        run(command("kubectl"), "delete", "namespace", name, "--wait=false")
