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
from aerostack.interfaces.models import IModel, IModels
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

    def find(self, project: str, name: str) -> IModel:
        config = self._projects.get(project)
        model = self._models.get(name)
        if config is None or name not in config.models or model is None:
            raise RealtimeError(
                "unknown_model", f"The project {project} may use no model {name[:64]!r}."
            )
        return model

    def stopService(self) -> Deferred[Any]:
        super().stopService()
        return DeferredList([model.stop() for model in self._models.values()])
