"""
Brokers and exporters in containers, and stubs that containers reach.

Nothing is left behind, however a run ends: a process of its own waits for that.
"""

import asyncio
import itertools
import os
import re
import subprocess
from contextlib import asynccontextmanager, contextmanager

from pytest_httpserver import HTTPServer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.labels import LABEL_SESSION_ID, SESSION_ID
from testcontainers.core.network import Network
from werkzeug import Response

import docker
from devkit.backend import Backend, Request
from devkit.image import HOST, alone, version_of
from devkit.metrics import scrape
from devkit.processes import LOOPBACK, free_port
from devkit.recorder import Recorder
from devkit.waiting import eventually
from tests.image.docker import BASE_NAME, ROOT, built, inspected
from tests.integration.brokers import START_SECONDS, VERSIONS, Broker

REST, MANAGEMENT, INGEST, ADMIN = 8080, 9600, 9280, 9281
STANDIN = "app-integrations-standin/camunda"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 -- containers come from networks of their own

# A broker of minutes gains more from a fast start than from the best code.
QUICK = {"JAVA_TOOL_OPTIONS": "-Xmx512m -XX:TieredStopAtLevel=1"}

# Parent and command line of every process, without `ps`, which small images lack.
PROCESSES = r"""
for each in /proc/[0-9]*; do
    parent=$(sed -n 's/^PPid:\t//p' $each/status 2>/dev/null)
    line=$(tr '\0\n' '  ' < $each/cmdline 2>/dev/null)
    [ -n "$line" ] && echo "${each#/proc/} ${parent:-0} $line"
done
true
"""

# Testcontainers has an image for this, which not everybody can pull.
testcontainers_config.ryuk_disabled = True
LABEL = f"label={LABEL_SESSION_ID}={SESSION_ID}"
SWEEP = f"""
cat
docker ps --all --quiet --filter {LABEL} | xargs -r docker rm --force --volumes
docker volume ls --quiet --filter {LABEL} | xargs -r docker volume rm
docker network ls --quiet --filter {LABEL} | xargs -r docker network rm
"""


def sweep_at_the_end():
    """Start what removes all containers of this run when this process has ended."""
    return subprocess.Popen(
        ["sh", "-c", SWEEP],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def base_of(image):
    """Return the image that *image* was built on by `make image`, else itself."""
    return (inspected(image)["Config"]["Labels"] or {}).get(BASE_NAME, image)


def data_of(image):
    """Return where a broker of *image* has its data."""
    known = dict(each.split("=", 1) for each in inspected(image)["Config"]["Env"])
    return f"{known.get('CAMUNDA_HOME') or known['ZB_HOME']}/data"


class Container:
    """A container with fixed ports on this machine."""

    def __init__(self, image, environment, ports, *, link, volume=None, **options):
        """
        Prepare a container of *image*; *options* are those of `docker run`.

        *link* is a network and its name there, *volume* one and where it is mounted.
        """
        self.urls = {port: f"http://{LOOPBACK}:{free_port()}" for port in ports}
        container = DockerContainer(image).with_envs(**environment)
        for port, url in self.urls.items():
            container.ports[port] = (LOOPBACK, int(url.rpartition(":")[2]))
        if link:
            container.with_network(link[0]).with_network_aliases(link[1])
        if volume:
            container.with_volume_mapping(*volume, "rw")
        # Where the root is read-only; a broker unpacks its libraries there.
        container.with_tmpfs_mount("/tmp", "exec")  # noqa: S108
        container.with_kwargs(extra_hosts={HOST: "host-gateway"}, **options)
        self._container = container
        self._is_created = False

    async def start(self):
        """Create it, or start it again."""
        again = self._is_created
        self._is_created = True
        start = self.docker.start if again else self._container.start
        await asyncio.to_thread(start)

    async def stop(self):
        """Stop it in order, and return its exit status."""
        await asyncio.to_thread(self.docker.stop, timeout=30)
        return self.docker.attrs["State"]["ExitCode"]

    async def remove(self):
        """Kill and remove it; a volume of its own stays."""
        await asyncio.to_thread(self._container.stop)

    @property
    def docker(self):
        """The container as it is now."""
        container = self._container.get_wrapped_container()
        container.reload()
        return container

    @property
    def text(self):
        """All that it wrote."""
        return self.docker.logs().decode()

    async def run(self, *command):
        """Return the status and the output of *command* in it."""
        status, (output, _) = await asyncio.to_thread(
            self.docker.exec_run, command, demux=True
        )
        return status, (output or b"").decode()


class ImageBroker(Broker):
    """A broker of an image, with or without our exporter in it."""

    def __init__(self, image, environment, *, data=None, link=None, **options):
        """Prepare a container; *data* is a volume for the broker's data."""
        version = version_of(base_of(image))
        own = {"APP_INTEGRATIONS_ADMIN_HOST": ANY_ADDRESS}
        self.container = Container(
            image,
            QUICK | alone(version) | own | environment,
            (REST, MANAGEMENT, ADMIN),
            link=link,
            volume=(data, data_of(image)) if data else None,
            **options,
        )
        base = environment.get("MANAGEMENT_SERVER_BASEPATH", "")
        self.rest_url = self.container.urls[REST]
        self.management_url = self.container.urls[MANAGEMENT] + base
        self.inner_management_url = f"http://{LOOPBACK}:{MANAGEMENT}{base}"
        self.admin_url = self.container.urls[ADMIN]

    async def spawn(self):
        """Start without waiting for anything."""
        await self.container.start()

    async def stop(self):
        """Stop in order, and return the exit status."""
        return await self.container.stop()

    async def kill(self):
        """Kill everything in the container at once."""
        await asyncio.to_thread(self.container.docker.kill)

    @property
    def ended(self):
        """Whether the container runs no more."""
        return self.container.docker.status == "exited"

    @property
    def log(self):
        """All that the container wrote."""
        return self.container.text

    async def run(self, *arguments):
        """Run the exporter's command line in the container."""
        return await self.container.run("app-integrations-exporter", *arguments)

    def children(self):
        """Return the children of process 1."""
        lines = self.shell(PROCESSES).splitlines()
        found = [line.rstrip().split(" ", 2) for line in lines]
        return {int(pid): line for pid, parent, line in found if parent == "1"}

    def kill_child(self, pid):
        """Kill one of them at once."""
        self.shell(f"kill -KILL {pid}")

    def variables(self, pid):
        """Return the environment of a process in the container."""
        text = self.shell(f"cat /proc/{pid}/environ")
        return dict(each.split("=", 1) for each in text.split("\0") if "=" in each)

    def shell(self, script):
        """Return what a script of Bash prints in the container."""
        status, output = self.container.docker.exec_run(["bash", "-c", script])
        assert status == 0, output
        return output.decode()


@asynccontextmanager
async def real_broker(image, environment):
    """Yield a broker of *image*, which may be pulled; it takes commands."""
    await asyncio.to_thread(docker.from_env().images.get, image)
    sweeper = sweep_at_the_end()
    broker = ImageBroker(image, environment)
    try:
        await broker.start()
        yield broker
    finally:
        await broker.container.remove()
        sweeper.stdin.close()


class StandaloneExporter:
    """The image with the exporter alone, on a network of containers."""

    def __init__(self, image, url, *, link, **settings):
        """Prepare it, as strictly as a cluster might."""
        values = {"URL": url, "INGEST_HOST": ANY_ADDRESS, **settings}
        self.ingest_url = f"http://{link[1]}:{INGEST}"
        self._container = Container(
            image,
            {f"APP_INTEGRATIONS_{name}": str(each) for name, each in values.items()},
            (ADMIN,),
            link=link,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )

    async def __aenter__(self):
        """Return it; it isn't started."""
        return self

    async def __aexit__(self, *_):
        """Leave nothing behind."""
        await self._container.remove()

    async def run(self):
        """Start, and return when records are accepted."""
        await self._container.start()
        await eventually(lambda: '"ready"' in self.text, within=START_SECONDS)

    async def stop(self):
        """Stop in order, and return the exit status."""
        return await self._container.stop()

    @property
    def text(self):
        """All that it wrote."""
        return self._container.text

    async def metrics(self):
        """Return its metrics."""
        return await scrape(self._container.urls[ADMIN])


class ServedBackend(Backend):
    """A backend that pytest-httpserver serves, where containers reach it."""

    def __init__(self):
        """Listen from `up` on."""
        super().__init__()
        self.url = self.url.replace(LOOPBACK, HOST)
        self._server = HTTPServer(ANY_ADDRESS, self.port, threaded=True)

    async def up(self):
        """Listen, also again after `down` and on the same port."""
        respond = self.from_threads()

        def handle(request):
            body = request.get_data()
            known = Request(request.method, request.path, request.headers, body)
            answer = respond(known)
            return Response(answer.body, answer.status, dict(answer.headers))

        everything = self._server.expect_request(re.compile(".*"))
        everything.respond_with_handler(handle)
        self._server.start()

    async def down(self):
        """Refuse connections."""
        self._server.clear()
        if self._server.is_running():
            await asyncio.to_thread(self._server.stop)


class ReachableRecorder(Recorder):
    """A recorder for the other exporter of a broker in a container."""

    def __init__(self):
        """Listen where containers reach it."""
        super().__init__()
        self.host = ANY_ADDRESS
        self.url = self.url.replace(LOOPBACK, HOST)


class Containers:
    """A place for brokers, exporters and stubs: containers, and stubs beside them."""

    has_images = True
    backend, recorder = ServedBackend, ReachableRecorder

    def __init__(self):
        """Build the images on what CAMUNDA_IMAGE names, or on a stand-in for it."""
        self.images = built()
        base = base_of(self.images.distribution)
        self.is_real = not base.startswith(STANDIN)
        self.name = base if self.is_real else f"{base} (the recorded engine)"
        self.versions = (version_of(base),) if self.is_real else VERSIONS
        self._distributions = {version_of(base): self.images.distribution}
        self._docker = docker.from_env()
        self._numbers = itertools.count()
        self._network = None

    @contextmanager
    def opened(self, _):
        """Remove everything in the end."""
        sweeper = sweep_at_the_end()
        self._network = Network().create()
        yield self
        self._docker.close()
        sweeper.communicate()

    def new_data(self):
        """Return a new volume for the data of a broker."""
        labels = {LABEL_SESSION_ID: SESSION_ID}
        return self._docker.volumes.create(labels=labels).name

    def addresses(self, count):
        """Return where the members of a cluster find each other."""
        return [f"{self._new_name()}:26502" for _ in range(count)]

    @asynccontextmanager
    async def broker(
        self, environment, *, version, exporter=True, data=None, address="", **options
    ):
        """Yield a broker that isn't started; nothing of it is left in the end."""
        distribution = self._distribution(version)
        broker = ImageBroker(
            distribution if exporter else base_of(distribution),
            environment,
            data=data,
            link=(self._network, address.partition(":")[0] or self._new_name()),
            **options,
        )
        try:
            yield broker
        finally:
            await broker.container.remove()

    def exporter(self, url, **settings):
        """Return an exporter of its own for `async with`; it isn't started."""
        return StandaloneExporter(
            self.images.standalone,
            url,
            link=(self._network, self._new_name()),
            **settings,
        )

    def _new_name(self):
        return f"member-{next(self._numbers)}"

    def _distribution(self, version):
        if version not in self._distributions:
            script = ROOT / "docker" / "base-images.sh"
            subprocess.run([script, version], check=True)
            os.environ["CAMUNDA_IMAGE"] = f"{STANDIN}:{version}"
            self._distributions[version] = built().distribution
        return self._distributions[version]
