"""
The place that runs brokers and exporters as containers, with stubs within their reach.

A separate process removes everything when a run ends, even by a kill.
"""

import asyncio
import itertools
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from pytest_httpserver import HTTPServer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID
from testcontainers.core.network import Network
from werkzeug import Response

import docker
from devkit.backend import Backend, Request
from devkit.cluster import SHARED
from devkit.image import HOST, alone, image_version
from devkit.processes import LOOPBACK, free_port
from devkit.recorder import Recorder
from devkit.waiting import eventually
from tests.image.docker import BASE_NAME, ROOT, built, inspected
from tests.integration.brokers import START_SECONDS, VERSIONS, Broker

REST, MANAGEMENT, INGEST, ADMIN = 8080, 9600, 9280, 9281
STANDIN = "app-integrations-standin/camunda"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 -- containers come from networks of their own

OF_BROKERS = {
    "APP_INTEGRATIONS_ADMIN_HOST": ANY_ADDRESS,
    # For a few minutes, a fast start of the broker matters more than optimized code.
    "JAVA_TOOL_OPTIONS": "-Xmx512m -XX:TieredStopAtLevel=1",
}

# Finds process ids without `ps`, which small images lack. No pattern matches itself.
FIND = "grep -l '{}' /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3"
OURS = FIND.format("app-integrations-e[x]porter")
THEIRS = FIND.format(r"io.camunda.application.Standal[o]ne\|-m.devki[t]")

# Testcontainers' own image for this can't be pulled everywhere.
testcontainers_config.ryuk_disabled = True
LABEL = f"label={LABEL_SESSION_ID}={SESSION_ID}"
SWEEP = f"""
cat
docker ps --all --quiet --filter {LABEL} | xargs -r docker rm --force --volumes
docker volume ls --quiet --filter {LABEL} | xargs -r docker volume rm
docker network ls --quiet --filter {LABEL} | xargs -r docker network rm
"""


def base_of(image):
    """Return the base image of *image*, which `make image` built."""
    return inspected(image)["Config"]["Labels"][BASE_NAME]


def data_of(image):
    """Return the data directory of a broker of *image*."""
    known = dict(each.split("=", 1) for each in inspected(image)["Config"]["Env"])
    return f"{known.get('CAMUNDA_HOME') or known['ZB_HOME']}/data"


class Container:
    """A container with fixed ports on this machine, with the methods of a process."""

    def __init__(self, image, environment, ports, *, link, volumes=(), **options):
        """Use *link*, a network and a name there, and the *options* of `docker run`."""
        self.urls = {port: f"http://{LOOPBACK}:{free_port()}" for port in ports}
        self._prepared = container = DockerContainer(image).with_envs(**environment)
        for port, url in self.urls.items():
            container.ports[port] = (LOOPBACK, int(url.rpartition(":")[2]))
        container.with_network(link[0]).with_network_aliases(link[1])
        for each in volumes:
            container.with_volume_mapping(*each, "rw")
        # A broker unpacks its libraries here, even if the root is read-only.
        container.with_tmpfs_mount("/tmp", "exec")  # noqa: S108
        container.with_kwargs(extra_hosts={HOST: "host-gateway"}, **options)
        self._container = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        """Remove the container, but not its volumes."""
        await asyncio.to_thread(self._prepared.stop)

    def spawn(self):
        """Create the container, or start it again."""
        if self._container:
            self._container.start()
        else:
            self._container = self._prepared.start().get_wrapped_container()

    async def stop(self):
        """Stop the container with SIGTERM, and return the exit status."""
        await asyncio.to_thread(self._container.stop, timeout=30)
        return self.status

    def kill(self):
        """Kill all processes in the container at once."""
        self._container.kill()

    @property
    def status(self):
        """The exit status, or None while the container runs."""
        self._container.reload()
        state = self._container.attrs["State"]
        return state["ExitCode"] if state["Status"] == "exited" else None

    @property
    def text(self):
        """The output so far."""
        return self._container.logs().decode()

    def shell(self, script):
        """Run a Bash script in the container; return the output."""
        return self._container.exec_run(["bash", "-c", script]).output.decode()

    async def command(self, *arguments):
        """Run a command of the exporter in the container; return status and output."""
        command = ["app-integrations-exporter", *arguments]
        status, (output, _) = await asyncio.to_thread(
            self._container.exec_run, command, demux=True
        )
        return status, (output or b"").decode()


class ImageBroker(Broker, Container):
    """A broker in a container, with or without our exporter."""

    def __init__(self, image, version, environment, *, data=None, shared="", **options):
        """Mount the volume *data*, and for a cluster *shared* of this machine."""
        volumes = [(data, data_of(image))] if data else []
        volumes += [(shared, "/shared")] if shared else []
        super().__init__(
            image,
            OF_BROKERS | alone(version) | environment | {SHARED: "/shared"},
            (REST, MANAGEMENT, ADMIN),
            volumes=volumes,
            **options,
        )
        base = environment.get("MANAGEMENT_SERVER_BASEPATH", "")
        self.rest_url, self.admin_url = self.urls[REST], self.urls[ADMIN]
        self.management_url = self.urls[MANAGEMENT] + base
        self.inside = f"http://{LOOPBACK}:{MANAGEMENT}{base}"

    def variables(self):
        """Return the environment of the broker that the entrypoint started."""
        text = self.shell(f"cat /proc/$({THEIRS})/environ")
        return dict(each.split("=", 1) for each in text.split("\0") if "=" in each)

    def exporter(self):
        """Return the process id of the exporter."""
        return self.shell(OURS)

    def kill_exporter(self):
        """Kill only the exporter."""
        self.shell(f"kill -KILL $({OURS})")


class StandaloneExporter(Container):
    """The standalone image with the restrictions of a strict cluster."""

    def __init__(self, image, url, *, link, **settings):
        values = {"URL": url, "INGEST_HOST": ANY_ADDRESS, **settings}
        self.ingest_url = f"http://{link[1]}:{INGEST}"
        super().__init__(
            image,
            {f"APP_INTEGRATIONS_{name}": str(each) for name, each in values.items()},
            (),
            link=link,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )

    async def run(self):
        """Start, and wait until records are accepted."""
        self.spawn()
        await eventually(lambda: '"ready"' in self.text, within=START_SECONDS)


class ServedBackend(Backend):
    """A backend on pytest-httpserver that containers can reach."""

    def __init__(self):
        super().__init__()
        self.url = self.url.replace(LOOPBACK, HOST)
        self._server = HTTPServer(ANY_ADDRESS, self.port, threaded=True)

    async def up(self):
        """Listen; after `down`, listen on the same port again."""
        loop = asyncio.get_running_loop()

        def handle(request):
            body = request.get_data()
            known = Request(request.method, request.path, request.headers, body)
            answering = asyncio.run_coroutine_threadsafe(self.respond(known), loop)
            answer = answering.result()
            return Response(answer.body, answer.status, dict(answer.headers))

        everything = self._server.expect_request(re.compile(".*"))
        everything.respond_with_handler(handle)
        self._server.start()

    async def down(self):
        """Refuse connections."""
        self._server.clear()
        if self._server.is_running():
            await asyncio.to_thread(self._server.stop)


def reachable_recorder():
    """Return a recorder for the other exporter of a broker in a container."""
    recorder = Recorder()
    recorder.host = ANY_ADDRESS
    recorder.url = recorder.url.replace(LOOPBACK, HOST)
    return recorder


class Containers:
    """A place that runs brokers and exporters as containers, and stubs on the host."""

    has_images = True
    backend, recorder = ServedBackend, staticmethod(reachable_recorder)

    def __init__(self):
        """Build the images on CAMUNDA_IMAGE, or on a stand-in for it."""
        self.images = built()
        base = base_of(self.images.distribution)
        own, others = image_version(base), set(VERSIONS) - {image_version(base)}
        self.is_real = not base.startswith(STANDIN)
        self.name = base if self.is_real else f"{base} (the recorded engine)"
        self.versions = (own,) if self.is_real else (*sorted(others), own)
        self._distributions = {own: self.images.distribution}
        self._numbers = itertools.count()

    @contextmanager
    def opened(self, work):
        """Remove everything at the end, even if this process is killed."""
        self._work = work
        sweeper = subprocess.Popen(
            ["sh", "-c", SWEEP],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._network, self._docker = Network().create(), docker.from_env()
        yield self
        self._docker.close()
        sweeper.communicate()

    def new_data(self):
        """Return a new volume for the data of a broker."""
        labels = {LABEL_SESSION_ID: SESSION_ID}
        return self._docker.volumes.create(labels=labels).name

    def new_directory(self):
        """Return a new directory on this machine that every user can write to."""
        directory = mkdtemp(dir=self._work)
        Path(directory).chmod(0o777)
        return directory

    def addresses(self, count):
        """Return the address where the members of a cluster find each other."""
        return [f"{self._link()[1]}:26502" for _ in range(count)]

    def broker(self, environment, *, version, exporter=True, address="", **options):
        """Return a broker for `async with` without starting it."""
        image = self._distribution(version)
        image = image if exporter else base_of(image)
        link = self._link(address.partition(":")[0])
        return ImageBroker(image, version, environment, link=link, **options)

    def exporter(self, url, **settings):
        """Return a standalone exporter for `async with` without starting it."""
        image = self.images.standalone
        return StandaloneExporter(image, url, link=self._link(), **settings)

    def _link(self, name=""):
        return self._network, name or f"member-{next(self._numbers)}"

    def _distribution(self, version):
        if version not in self._distributions:
            script = ROOT / "docker" / "base-images.sh"
            subprocess.run([script, version], check=True)
            image = built(f"{STANDIN}:{version}").distribution
            self._distributions[version] = image
        return self._distributions[version]
