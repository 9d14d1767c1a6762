"""What a user writes and reads: the custom resource MaraudersMap."""

from maraudersmap_operator.resource.maraudersmap import InvalidResource, MaraudersMap, parse
from maraudersmap_operator.resource.spec import MaraudersMapSpec
from maraudersmap_operator.resource.status import MaraudersMapStatus

__all__ = ["InvalidResource", "MaraudersMap", "MaraudersMapSpec", "MaraudersMapStatus", "parse"]
