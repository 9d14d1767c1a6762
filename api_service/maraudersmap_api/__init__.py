"""The Marauder's Map incident API: where Ministry staff report, follow and resolve magical incidents."""

__version__ = "0.1.0"

SERVICE_NAME = "marauders-map-api"
