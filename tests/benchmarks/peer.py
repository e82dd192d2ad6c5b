"""
The exporter next to the OpenTelemetry Collector, which keeps logs on disk as well.

COLLECTOR and LOAD name the two programs. LOAD feeds records in either protocol, plays
the backend, and prints its figures as JSON. Each is measured in turns, because machines
are noisy: compare the ratios.
"""

import json
import os
import socket
import statistics
import subprocess
import tempfile
from pathlib import Path

from devkit.processes import LOOPBACK, Process, free_port
from devkit.waiting import eventually
from tests.benchmarks import records
from tests.benchmarks.figures import Figure, shown
from tests.benchmarks.processes import Exporter, cpu_seconds

PROGRAMS = ("COLLECTOR", "LOAD")
RECORDS = 40_000
ROUNDS, QUICK_ROUNDS = 3, 1
SECONDS = 600
CONFIGURATION = """
extensions:
  file_storage: {{directory: {directory}, fsync: true, create_directory: true}}
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  otlphttp:
    logs_endpoint: http://127.0.0.1:{backend}/events
    encoding: json
    compression: none
    sending_queue:
      storage: file_storage
      num_consumers: 4
      sizer: items
      queue_size: 1000000
      batch: {{min_size: 1, max_size: 50, flush_timeout: 5ms}}
    retry_on_failure: {{max_elapsed_time: 0}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{logs: {{receivers: [otlp], exporters: [otlphttp]}}}}
"""
RATIOS = {
    "end_to_end_per_s": ("end to end", {"at_least": 0.6}),
    "cpu_s": ("processor time", {"at_most": 1.0}),
    "reply_p50_ms": ("reply to one record, p50", {"at_most": 0.9}),
    "reply_p99_ms": ("reply to one record, p99", {"at_most": 1.2}),
    "slow_backend_per_s": ("a backend that takes 100 ms", {"at_least": 0.95}),
}
UNITS = {"per_s": "events/s", "cpu_s": "s", "ms": "ms"}

Run = dict[str, float]


def is_possible() -> bool:
    """Whether both programs are named."""
    return all(os.environ.get(name) for name in PROGRAMS)


async def measure(*, quick: bool) -> list[Figure]:
    """Measure both programs in turns, and compare the medians."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        fed = directory / "records.jsonl"
        fed.write_bytes(b"".join(map(_document, range(1, RECORDS + 1))))
        ours: list[Run] = []
        theirs: list[Run] = []
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            ours.append(await _exporter(directory, fed))
            theirs.append(await _collector(directory, fed))
    figures = []
    for key, (what, target) in RATIOS.items():
        unit = next(unit for end, unit in UNITS.items() if key.endswith(end))
        us, them = (statistics.median(run[key] for run in x) for x in (ours, theirs))
        figures += [
            Figure(what, us, unit),
            Figure(f"... the Collector's: {shown(them)}", us / them, "x", **target),
        ]
    return figures


def _document(position: int) -> bytes:
    return records.user_task(position).partition(b"\n")[2]


async def _exporter(directory: Path, fed: Path) -> Run:
    backend = free_port()
    with tempfile.TemporaryDirectory(dir=directory) as name:
        url = f"http://{LOOPBACK}:{backend}/events"
        async with Exporter(Path(name), url) as exporter:
            await exporter.run()
            return _load("es", f"{exporter.ingest_url}/_bulk", backend, fed, exporter)


async def _collector(directory: Path, fed: Path) -> Run:
    port, backend = free_port(), free_port()
    with tempfile.TemporaryDirectory(dir=directory) as name:
        config = Path(name) / "collector.yaml"
        config.write_text(
            CONFIGURATION.format(directory=f"{name}/queue", port=port, backend=backend)
        )
        command = [os.environ["COLLECTOR"], "--config", f"{config}"]
        async with Process(command, log=Path(name) / "log") as collector:
            collector.spawn()
            await eventually(lambda: _listens(port))
            url = f"http://{LOOPBACK}:{port}/v1/logs"
            return _load("otlp", url, backend, fed, collector)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _load(protocol: str, url: str, backend: int, fed: Path, process: Process) -> Run:
    """Feed the records to *process* at *url*, and return the figures."""
    before = cpu_seconds(process)
    done = subprocess.run(
        [
            *(os.environ["LOAD"], "-proto", protocol, "-to", url, "-n", "30000"),
            *("-listen", f"{LOOPBACK}:{backend}", "-records", f"{fed}"),
            *("-mark", '"userTaskKey"' if protocol == "es" else '"stringValue"'),
        ],
        stdout=subprocess.PIPE,
        timeout=SECONDS,
        check=True,
    )
    run: Run = json.loads(done.stdout)
    if not run["all_arrived"]:
        raise RuntimeError(f"not all events arrived from {url}")
    return run | {"cpu_s": cpu_seconds(process) - before}
