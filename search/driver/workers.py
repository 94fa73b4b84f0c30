"""The workers of a search, and those of them that turned out unable to work."""

from __future__ import annotations

from collections.abc import Callable, Collection

from search.errors import SearchStopped
from search.executors import Executor
from search.study.folder import Study
from search.study.lock import note_retired
from search.trial.contract import Device


class Workers:
    """Hands out the executor's workers, without those whose device cannot be used.

    Args:
        executor: has them.
        study: whose `status` shows which are retired.
        warn: says a line.

    Attributes:
        retired: the reason for each worker that gets no more trials in this run.
    """

    def __init__(self, executor: Executor, study: Study, warn: Callable[[str], None]) -> None:
        self._executor, self._study, self._warn = executor, study, warn
        self.retired: dict[str, str] = {}

    @property
    def usable(self) -> list[Device]:
        """The devices of the workers that are left."""
        return [device for device in self._executor.devices if device.worker not in self.retired]

    def check(self) -> None:
        """Try every device before the first trial. Raises SearchStopped if none can be used."""
        for worker, reason in self._executor.check_devices(self._executor.devices).items():
            self.retire(worker, reason)

    def fault(self, device: Device) -> str | None:
        """Why a device on which something has failed cannot be used any more; None if it can."""
        return self._executor.check_devices([device]).get(device.worker)

    def retire(self, worker: str, reason: str) -> None:
        """Give a worker no more trials in this run. Raises SearchStopped if it was the last one."""
        self.retired[worker] = reason
        self._warn(f"worker {worker} is retired: {reason}")
        note_retired(self._study, self.retired)
        if not self.usable:
            raise SearchStopped(_none_left(self.retired))

    def free(self, taken: Collection[str]) -> Device | None:
        """The device of a worker that is not among those `taken`."""
        return next((device for device in self.usable if device.worker not in taken), None)


def _none_left(retired: dict[str, str]) -> str:
    """Why a search without workers stops, and what to do."""
    reasons = "\n".join(f"  {worker}: {reason}" for worker, reason in retired.items())
    return (
        f"no worker is left that can work:\n{reasons}\n"
        "No trial has failed for that. `deeplab-search doctor` shows the devices of this machine; with "
        "CUDA_VISIBLE_DEVICES=-1, trials run on the CPU cores."
    )
