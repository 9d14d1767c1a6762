"""SQL of kept answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg

from maraudersmap_api.errors import Conflict
from maraudersmap_api.infra.connecting import LOCK_MILLISECONDS
from maraudersmap_api.infra.db import Executor

WAIT_MILLISECONDS = 1800  # less than any statement may take
STILL_RUNNING = "The same request is still being worked on: ask again in a moment"


@dataclass(frozen=True, slots=True)
class Claim:
    """One key of one user for one address, and a digest of the body that came with it."""

    user_id: UUID
    method: str
    path: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given, and the digest of the body that it answered."""

    digest: bytes
    status: int
    body: bytes
    etag: str | None
    headers: Mapping[str, str] = field(default_factory=dict)


async def claim(tx: Executor, wanted: Claim) -> Kept | None:
    """Take the key for this transaction: None, or what it was taken for already.

    Waits for a transaction on another pod that holds the same key. Raises Conflict when that takes too long. An
    answer older than 24 h counts no more.
    """
    await tx.execute(f"SET LOCAL lock_timeout = {WAIT_MILLISECONDS}")
    try:
        taken = await tx.fetchval(
            """INSERT INTO idempotency_keys AS k (user_id, method, path, key, body_hash) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (user_id, method, path, key) DO UPDATE
               SET body_hash = $5, created_at = now(), status = NULL, headers = NULL, body = NULL
               WHERE k.created_at < now() - interval '24 hours' RETURNING true""",
            wanted.user_id,
            wanted.method,
            wanted.path,
            wanted.key,
            wanted.digest,
        )
    except asyncpg.LockNotAvailableError:
        raise Conflict(STILL_RUNNING) from None
    await tx.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
    if taken:
        return None
    row = await tx.fetchrow(
        """SELECT body_hash, status, headers, body FROM idempotency_keys
            WHERE user_id = $1 AND method = $2 AND path = $3 AND key = $4""",
        wanted.user_id,
        wanted.method,
        wanted.path,
        wanted.key,
    )
    if row is None or row["status"] is None:  # purged between the two statements
        raise Conflict(STILL_RUNNING)
    headers = json.loads(row["headers"])
    etag = headers.pop("ETag", None)
    return Kept(row["body_hash"], row["status"], row["body"], etag, headers)


async def keep(tx: Executor, claimed: Claim, answer: Kept) -> None:
    """Store the answer in the transaction that made it true."""
    headers = {**answer.headers, **({"ETag": answer.etag} if answer.etag else {})}
    await tx.execute(
        """UPDATE idempotency_keys SET status = $5, headers = $6, body = $7
            WHERE user_id = $1 AND method = $2 AND path = $3 AND key = $4""",
        claimed.user_id,
        claimed.method,
        claimed.path,
        claimed.key,
        answer.status,
        json.dumps(headers),
        answer.body,
    )


async def forget(db: Executor, *, before: datetime) -> int:
    """Delete some of the answers kept before a moment; returns how many."""
    return len(
        await db.fetch(
            """DELETE FROM idempotency_keys WHERE (user_id, method, path, key) IN (
                   SELECT user_id, method, path, key FROM idempotency_keys WHERE created_at < $1
                   ORDER BY created_at LIMIT 5000 FOR UPDATE SKIP LOCKED)
               RETURNING 1""",
            before,
        )
    )
