"""Reading a kubelet's words: what can never heal, and what may pass."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maraudersmap_operator.rollout import PodFacts
from maraudersmap_operator.rollout.verdict.pod_failures import Trouble, pod_trouble

REF = 'failed to pull and unpack image "r:5000/app:9": failed to resolve reference "r:5000/app:9": '
PULL = 'failed to pull and unpack image "r:5000/app:9": '
# What a node does not find itself: its garbage collection came in between (containerd's pull request 8173, issue 3604).
NODE_TROUBLE = (
    'failed to prepare extraction snapshot "extract-7 sha256:9281": parent snapshot sha256:0b16 does not exist: not found',
    "failed to unpack image on snapshotter overlayfs: content digest sha256:0c18: not found",
    "failed to extract layer sha256:4d: failed to get reader from content store: content digest sha256:51f5: not found",
    "failed to extract layer sha256:4d: mount callback failed: write /usr/lib/x: no space left on device: unknown",
)
NOT_FOUND = [
    ("ErrImagePull", f"rpc error: code = NotFound desc = {REF}r:5000/app:9: not found"),
    (
        "ImagePullBackOff",
        f'Back-off pulling image "r:5000/app:9": ErrImagePull: rpc error: code = NotFound desc = {REF}x: not found',
    ),
    ("ErrImagePull", "failed to resolve image: r:5000/app:9: not found"),
    (
        "ErrImagePull",
        f"{PULL}failed to copy: failed open: content at https://r/v2/app/blobs/x not found: not found",
    ),
    ("ErrImagePull", f"{PULL}no match for platform in manifest: not found"),
    ("ErrImagePull", "Error response from daemon: manifest for r/app:9 not found: manifest unknown"),
    ("ErrImagePull", "reading manifest 9 in r/app: manifest unknown"),
    ("ErrImagePull", "reading manifest 9 in r/app: name unknown: repository not known to registry"),
    ("InvalidImageName", 'Failed to apply default image tag "UPPER": invalid reference format'),
]
MAY_PASS = [
    ("ErrImagePull", f"{REF}failed to do request: Head: dial tcp 10.0.0.1:5000: connect: connection refused"),
    ("ErrImagePull", f"{REF}unexpected status from HEAD request: 503 Service Unavailable"),
    ("ErrImagePull", f"{REF}failed to do request: dial tcp: lookup r: no such host"),
    ("ErrImagePull", f"{REF}dial tcp 10.0.0.1:5000: i/o timeout"),
    ("ErrImagePull", f"{REF}unexpected status from HEAD request: 429 Too Many Requests"),
    ("ImagePullBackOff", 'Back-off pulling image "r:5000/app:9"'),
    *(("ErrImagePull", f"rpc error: code = NotFound desc = {PULL}{words}") for words in NODE_TROUBLE),
    ("ErrImagePull", f"failed to get sandbox image: {REF}pause:3.9: not found"),
    ("CrashLoopBackOff", "back-off 10s restarting failed container: not found"),
]


def waiting(reason: str, message: str) -> PodFacts:
    return PodFacts(
        "u", "p", datetime(2026, 1, 1, tzinfo=UTC), waiting_reason=reason, waiting_message=message
    )


@pytest.mark.parametrize(("reason", "message"), NOT_FOUND)
def test_image_cannot_exist(reason: str, message: str) -> None:
    """containerd's and CRI-O's ways to say it."""
    assert pod_trouble(waiting(reason, message)) is Trouble.IMAGE_NOT_FOUND


@pytest.mark.parametrize(("reason", "message"), MAY_PASS)
def test_pull_may_succeed_later(reason: str, message: str) -> None:
    """A registry that is away shows nothing of the tag."""
    assert pod_trouble(waiting(reason, message)) is not Trouble.IMAGE_NOT_FOUND
