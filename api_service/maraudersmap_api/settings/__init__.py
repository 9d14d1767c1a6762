"""What the installer decides about the service, from environment variables."""

from .load import (
    DatabaseSettings,
    RateLimits,
    Settings,
    SettingsError,
    load_database_settings,
    load_settings,
)
from .values import LOG_FILES, Dependency, LogLevel, Pooler

__all__ = [
    "LOG_FILES",
    "DatabaseSettings",
    "Dependency",
    "LogLevel",
    "Pooler",
    "RateLimits",
    "Settings",
    "SettingsError",
    "load_database_settings",
    "load_settings",
]
