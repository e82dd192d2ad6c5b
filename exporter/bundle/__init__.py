"""Process 1 of the combined image: it starts the exporter and the broker."""

import signal

ENDING = frozenset({signal.SIGTERM, signal.SIGINT})
# The broker gets these as well; for Java, QUIT requests a thread dump.
PASSED_ON = frozenset({signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})


def main() -> int:
    """Run the entrypoint, which takes half a second to import."""
    # For process 1 the kernel drops every signal that is neither handled nor blocked.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING | PASSED_ON)
    from exporter.bundle import entrypoint  # noqa: PLC0415 - after the line above

    return entrypoint.main()
