"""Desired children, as plain manifests: pure functions of the resource. No API Deployment has `replicas`."""

from maraudersmap_operator.children import names
from maraudersmap_operator.children.api import (
    CONTAINER,
    controller_revision,
    deployment,
    pod_template,
)
from maraudersmap_operator.children.autoscaling import autoscaler
from maraudersmap_operator.children.cache import (
    CACHE_URL_KEY,
    LIMITS_URL_KEY,
    READ_BY_NEW_REVISIONS,
    REDIS_PASSWORD_KEY,
    cache_access,
    evaluation_cache,
    open_cache_host,
)
from maraudersmap_operator.children.config_maps import config_map_copy, content_digest
from maraudersmap_operator.children.dashboard import dashboard
from maraudersmap_operator.children.database import (
    PASSWORD_KEY,
    evaluation_objects,
    evaluation_secret,
    evaluation_url,
    keeps_data,
)
from maraudersmap_operator.children.environment import (
    DATABASE_URL_KEY,
    generated_keys,
    referenced_config_maps,
    referenced_secrets,
)
from maraudersmap_operator.children.migrations import job
from maraudersmap_operator.children.monitoring import pod_monitor, prometheus_rule
from maraudersmap_operator.children.network import (
    OPERATOR_NAMESPACE,
    disruption_budget,
    http_route,
    ingress,
    network_policy,
    preview_service,
    service,
    service_account,
    url,
)
from maraudersmap_operator.children.owner import Images, Manifest, Owner
from maraudersmap_operator.children.rules import RUNBOOK
from maraudersmap_operator.children.secrets import application_secret

__all__ = [
    "CACHE_URL_KEY",
    "CONTAINER",
    "DATABASE_URL_KEY",
    "LIMITS_URL_KEY",
    "OPERATOR_NAMESPACE",
    "PASSWORD_KEY",
    "READ_BY_NEW_REVISIONS",
    "REDIS_PASSWORD_KEY",
    "RUNBOOK",
    "Images",
    "Manifest",
    "Owner",
    "application_secret",
    "autoscaler",
    "cache_access",
    "config_map_copy",
    "content_digest",
    "controller_revision",
    "dashboard",
    "deployment",
    "disruption_budget",
    "evaluation_cache",
    "evaluation_objects",
    "evaluation_secret",
    "evaluation_url",
    "generated_keys",
    "http_route",
    "ingress",
    "job",
    "keeps_data",
    "names",
    "network_policy",
    "open_cache_host",
    "pod_monitor",
    "pod_template",
    "preview_service",
    "prometheus_rule",
    "referenced_config_maps",
    "referenced_secrets",
    "service",
    "service_account",
    "url",
]
