"""Namespaces of a cluster, with the installed `kubectl` and `helm`."""

import json
import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

HERE = Path(__file__).parent

# Long enough for a busy machine with two cores.
PATIENCE = "4m"


def command(name):
    """Return the command for *name*, which a variable such as HELM overrides."""
    return os.environ.get(name.upper()) or name


def missing():
    """Return a message with the missing tool and the remedy, or None."""
    again = "and run make kube-test again"
    for name in ("kubectl", "helm"):
        if not shutil.which(command(name)):
            return f"{name} is missing: install it, or set {name.upper()}, {again}."
    request = [command("kubectl"), "get", "--raw", "/readyz", "--request-timeout=10s"]
    if subprocess.run(request, capture_output=True, check=False).returncode:
        return (
            "No cluster answers: start one, for example with kind create cluster, "
            f"set KUBECONFIG to its file, {again}."
        )
    return None


def run(*arguments, stdin=None):
    """Return the output of a command, which must succeed."""
    done = subprocess.run(
        arguments, input=stdin, capture_output=True, text=True, check=False
    )
    output = done.stderr.strip() or done.stdout.strip()
    assert done.returncode == 0, f"{' '.join(arguments)}: {output}"
    return done.stdout


def typed(line):
    """Return the output of a shell line, which must succeed."""
    return run("bash", "-c", line)


@dataclass(frozen=True)
class Namespace:
    """One namespace for a test."""

    name: str

    def kubectl(self, *arguments, stdin=None):
        """Return the output of kubectl."""
        namespace = f"--namespace={self.name}"
        return run(command("kubectl"), namespace, *arguments, stdin=stdin)

    def helm(self, *arguments):
        """Return the output of Helm."""
        return run(command("helm"), *arguments, f"--namespace={self.name}")

    def release(self, name, chart, *files):
        """Install or upgrade a release with values files, and wait for it."""
        values = [f"--values={file}" for file in files]
        waiting = ("--wait", f"--timeout={PATIENCE}")
        with self._explained():
            self.helm("upgrade", "--install", name, str(chart), *values, *waiting)

    def get(self, *what):
        """Return the object that `kubectl get` finds, or a list of objects."""
        found = json.loads(self.kubectl("get", *what, "--output=json"))
        return found["items"] if found["kind"] == "List" else found

    def apply(self, file, **values):
        """Create the objects in a *file* of this directory, with *values* filled in."""
        manifest = Template((HERE / file).read_text("utf-8")).substitute(values)
        self.kubectl("apply", "--filename=-", stdin=manifest)

    def wait(self, pod, condition):
        """Wait for a condition of a pod."""
        with self._explained():
            self.kubectl("wait", f"pod/{pod}", f"--for={condition}", "--timeout=1m")

    @contextmanager
    def _explained(self):
        """Add the pods and the warnings of this namespace to a failure."""
        try:
            yield
        except AssertionError as error:
            warnings = ("--field-selector=type=Warning", "--sort-by=.lastTimestamp")
            error.add_note(self.kubectl("get", "pods", "--output=wide"))
            error.add_note(self.kubectl("get", "events", *warnings))
            error.add_note(
                "If the cluster lacks an image, set LOAD to a command for it."
            )
            raise


@contextmanager
def namespace(purpose):
    """Create a namespace, and delete it with all its contents at the end."""
    name = f"app-integrations-{purpose}-{secrets.token_hex(3)}"
    run(command("kubectl"), "create", "namespace", name)
    try:
        yield Namespace(name)
    finally:
        run(command("kubectl"), "delete", "namespace", name, "--wait=false")
