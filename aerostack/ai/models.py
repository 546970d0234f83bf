"""
The models of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from zope.interface import implementer

from aerostack.ai.upstream import Upstream
from aerostack.errors import RealtimeError
from aerostack.interfaces.models import STATUSES, IModel, IModels
from aerostack.settings.ai import ModelConfig
from aerostack.settings.projects import ProjectConfig


@implementer(IModels)
class Models(Service):
    """
    Gives each project the models that it may use.
    """

    def __init__(
        self,
        reactor: Any,
        models: Mapping[str, ModelConfig],
        projects: Mapping[str, ProjectConfig],
        wall: Callable[[], float],
    ) -> None:
        """
        @param wall: Gives the time of day, seconds since the epoch.
        """
        self._models = {
            name: Upstream(reactor, name, config, wall) for name, config in models.items()
        }
        self._projects = projects

    def reload(self, projects: Mapping[str, ProjectConfig]) -> None:
        """
        Go by these projects from now on.
        """
        self._projects = projects

    def find(self, project: str, name: str | None) -> IModel:
        config = self._projects.get(project)
        allowed = () if config is None else config.models
        if name is None and allowed:
            name = allowed[0]
        model = self._models.get(name or "") if name in allowed else None
        if model is None:
            which = "no model" if name is None else f"no model {name[:64]!r}"
            raise RealtimeError("unknown_model", f"The project {project} may use {which}.")
        return model

    def values(self) -> Mapping[str, float]:
        """
        The values of C{METRICS} in C{aerostack/net/http/metriclist.py} about models.
        """
        models = self._models.values()
        return {
            "aerostack_model_answers_running": sum(map(len, models)),
            "aerostack_model_answers_total": sum(model.asked for model in models),
            "aerostack_model_failures_total": sum(model.failures for model in models),
        }

    def requests(self) -> Mapping[str, int]:
        """
        How many requests were made to models, by L{STATUSES}.
        """
        models = self._models.values()
        return {each: sum(model.requests[each] for model in models) for each in STATUSES}

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        return DeferredList([model.stop() for model in self._models.values()])
