"""The secrets of manifests/compose: files, made when they are not there, and never changed."""

from __future__ import annotations

import secrets
from pathlib import Path

from dev.certificate import self_signed


def make_secrets(folder: Path) -> list[str]:
    """Make those that are not there; their names. Containers of several users read them, so the folder is what is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []
    password = folder / "postgres_password"
    if not password.exists():
        _write(password, secrets.token_hex(24))
        # Together: a password alone opens nothing.
        url = f"postgresql://marauders:{password.read_text(encoding='ascii')}@postgres:5432/marauders"
        _write(folder / "database_url", url)
        made += ["postgres_password", "database_url"]
    if not (folder / "jwt_secret").exists():
        _write(folder / "jwt_secret", secrets.token_urlsafe(48))
        made.append("jwt_secret")
    if not (folder / "grafana_password").exists():
        _write(folder / "grafana_password", secrets.token_urlsafe(18))
        made.append("grafana_password")
    if not (folder / "tls_certificate").exists():
        _self_signed(folder)
        made += ["tls_certificate", "tls_key"]
    return made


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="ascii")
    file.chmod(0o444)


def _self_signed(folder: Path) -> None:
    key, certificate = folder / "tls_key", folder / "tls_certificate"
    self_signed(key, certificate, "localhost", "DNS:localhost,IP:127.0.0.1", days=30)
    for file in (key, certificate):
        file.chmod(0o444)
