"""A certificate that signs itself, for machines of developers and tests."""

from __future__ import annotations

from pathlib import Path

from dev.cluster.host.shell import run


def self_signed(key: Path, certificate: Path, common_name: str, names: str, days: int) -> None:
    """Write both. `names`: as openssl's subjectAltName has them, `DNS:localhost,IP:127.0.0.1`. Raises Problem when openssl is
    missing or refuses."""
    # fmt: off
    run([
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", f"/CN={common_name}",
        "-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate),
    ])
    # fmt: on
