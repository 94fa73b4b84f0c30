"""TensorBoard's HParams table as its own plugin answers for a folder of logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context


class Table(NamedTuple):
    """Its columns in their order, metrics apart; and the values of each row by name, hyperparameters and metrics."""

    columns: list[str]
    metrics: list[str]
    rows: dict[str, dict[str, Any]]


def read_table(logs: Path) -> Table:
    """What TensorBoard shows with `--logdir LOGS`."""
    loaded = EventMultiplexer().AddRunsFromDirectory(str(logs)).Reload()
    context = Context(TBContext(data_provider=MultiplexerDataProvider(loaded, str(logs))))
    asked: Any = api_pb2.GetExperimentRequest()
    experiment = get_experiment.Handler(RequestContext(), context, "", asked).run()
    asked = api_pb2.ListSessionGroupsRequest(allowed_statuses=range(4), slice_size=1000)
    groups = list_session_groups.Handler(RequestContext(), context, "", asked).run().session_groups
    return Table(
        [info.name for info in experiment.hparam_infos],
        [info.name.tag for info in experiment.metric_infos],
        {group.name: _row(group) for group in groups},
    )


def _row(group: Any) -> dict[str, Any]:
    hparams = {name: getattr(value, str(value.WhichOneof("kind"))) for name, value in group.hparams.items()}
    return hparams | {metric.name.tag: metric.value for metric in group.metric_values}
