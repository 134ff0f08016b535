"""The endpoint *ops*, for monitoring."""

from pyramid.request import Request

from librarian.operations.settings import OpsEndpointSettings
from librarian.web.endpoints import Endpoint


class OpsRoot:
    """``/`` of the ops endpoint."""

    def __init__(self, request: Request) -> None:
        self.request = request


endpoint = Endpoint(OpsEndpointSettings, OpsRoot, trusts_network=True)
