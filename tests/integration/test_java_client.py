"""The official Java client, which brokers from 8.9 on use, accepts our answers."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from devkit.arguments import exporters
from devkit.backend import Backend
from devkit.requests import RequestBuilder
from devkit.waiting import eventually
from exporter.broker.environment import broker_environment
from tests import recorded
from tests.configured import configured
from tests.service.running import running

JAVA = Path(__file__).parent / "java"
CLASSPATH = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
# Maven and the client run too briefly to need the optimizing compiler.
SHORT = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
SECONDS = 240  # time for Maven's downloads
VERSION = "8.9.0"

pytestmark = [
    pytest.mark.skipif(
        not all(map(shutil.which, ("java", "javac", "mvn"))),
        reason="the client for Java needs a JDK (17 or later) and Maven",
    ),
    pytest.mark.timeout(SECONDS + 60),
]


async def output(*command, given="", seconds=60):
    """Return the output of *command*, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=JAVA,
        env=os.environ | {"MAVEN_OPTS": " ".join(SHORT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(given.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, (out + err).decode()[-3000:]
    return out.decode()


def user_tasks():
    """Return the recorded user tasks, and their bulk lines."""
    records = [*map(json.loads, recorded.user_tasks(VERSION))]
    given = broker_environment(VERSION, "http://127.0.0.1:9280")
    (arguments,) = exporters(given, VERSION).values()
    pairs = [RequestBuilder(arguments).lines(record, 1) for record in records]
    return records, [
        "\t".join([about["_id"], about["_index"], document])
        for about, document in ((json.loads(x)["index"], y) for x, y in pairs)
    ]


@pytest.mark.parametrize("version", ["8.19.24", "9.5.6"])
async def test_official_client(tmp_path, version):
    """Templates, settings and a bulk are accepted, and every event is delivered."""
    # Maven fetches the jars of this version.
    options = (f"-Dclient.version={version}", f"-Dmdep.outputFile={tmp_path / 'jars'}")
    await output("mvn", "-q", "-B", *options, CLASSPATH, seconds=SECONDS)
    jars = (tmp_path / "jars").read_text("utf-8")
    records, lines = user_tasks()
    async with Backend() as backend:
        settings = configured(
            url=backend.url, spool_dir=tmp_path / "spool", ingest_port=0, admin_port=0
        )
        async with running(settings) as ours:
            printed = await output(
                *("java", *SHORT, "-cp", jars, "Calls.java", f"http://{ours.ingest}"),
                given="\n".join(lines),
            )
            expected = {
                record["position"]
                for record in records
                if record["recordType"] == "EVENT" and record["intent"] in recorded.SENT
            }
            await eventually(lambda: len(backend.positions) >= len(expected))

    assert printed.split()[-1] == str(len(records))
    assert set(backend.positions) == expected
    assert len(backend.positions) == len(expected)
