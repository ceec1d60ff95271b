"""The common life cycle of Kafka, Cassandra and the registry."""

from __future__ import annotations

from .process import Process


class Server:
    """One process, or one per broker in `processes`. `node` counts from 0; None means all of them.

    A subclass says how to launch() and when wait_ready() is satisfied.
    """

    processes: list[Process]

    def launch(self) -> None:
        """Starts what does not run yet and returns at once."""
        for process in self.processes:
            process.launch()

    def wait_ready(self) -> None:
        """Returns once everything serves; raises ServerError with the end of the log otherwise."""
        raise NotImplementedError

    def start(self):
        """launch() and wait_ready(); returns the server."""
        self.launch()
        self.wait_ready()
        return self

    def stop(self, node: int | None = None) -> None:
        """SIGTERM, and SIGKILL when that takes too long. What was stored stays for a restart."""
        for process in self._chosen(node):
            process.ask_to_stop()
        for process in self._chosen(node):
            process.stop()

    def kill(self, node: int | None = None) -> None:
        """SIGKILL. What was stored stays for a restart."""
        for process in self._chosen(node):
            process.kill()

    def restart(self, node: int | None = None) -> None:
        """Stops what still runs, starts it with the same data and ports, and waits until everything serves."""
        self.stop(node)
        self.start()

    def pause(self, node: int | None = None) -> None:
        """SIGSTOP: connections stay open without answers."""
        for process in self._chosen(node):
            process.pause()

    def resume(self, node: int | None = None) -> None:
        for process in self._chosen(node):
            process.resume()

    def started_in_s(self) -> float:
        """From the last launch until it served."""
        return max(process.started_in_s for process in self.processes)

    def _chosen(self, node: int | None) -> list[Process]:
        return self.processes if node is None else [self.processes[node]]
