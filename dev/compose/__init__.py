"""The service on one machine, as manifests/compose has it: `make compose-up`, `compose-down`, `compose-smoke`."""

from dev.cluster.host.paths import CHECKOUT

FOLDER = CHECKOUT / "manifests" / "compose"
