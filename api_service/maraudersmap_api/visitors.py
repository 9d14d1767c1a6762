"""Accounts that live for one run of `smoke`: made by it, removed by it, and by upkeep or a later run when it could not.

What marks one is the record of its making in `admin_actions`, which only commands write: no one can register an account
that is taken for one of these. It is a student's, so it may view what everybody may, and it reports at most one incident.
"""

import json
from datetime import UTC, datetime
from uuid import UUID

from maraudersmap_api.auth import repository
from maraudersmap_api.auth.models import AdminDeed, NewUser, Role, User
from maraudersmap_api.infra.db import Executor
from maraudersmap_api.outbox.models import EventType

COMMAND = "smoke"
EVERYTHING = datetime(9999, 1, 1, tzinfo=UTC)

# Both times are now() of one transaction, so an account that took the address later is another one.
_VISITORS = f"""
    SELECT u.id, u.email FROM admin_actions a JOIN users u ON u.email = a.email AND u.created_at = a.at
     WHERE a.command = '{COMMAND}' AND a.at < $1 AND ($2::uuid IS NULL OR u.id = $2)"""  # noqa: S608 - constant text


async def admit(tx: Executor, email: str, password_hash: str, operator: str) -> User:
    """Make an account; in a transaction. Raises Conflict when the address is taken."""
    new = NewUser(email, "Smoke", "Test", None, Role.STUDENT)
    user = await repository.insert_user(tx, new, password_hash)
    await repository.record_creation(tx, user, AdminDeed(operator, COMMAND))
    return user


async def withdraw(db: Executor, *, before: datetime = EVERYTHING, only: UUID | None = None) -> int:
    """Take what they reported out of everybody's sight, as a delete does; returns how many incidents.

    `before`: of accounts made before that moment; `only`: of this one.
    """
    rows = await db.fetch(
        f"""WITH visitors AS ({_VISITORS}),
            gone AS (
                UPDATE incidents SET deleted_at = now(), updated_at = now(), version = version + 1
                 WHERE deleted_at IS NULL AND reported_by IN (SELECT id FROM visitors)
                RETURNING id, reported_by)
            INSERT INTO events (type, incident_id, payload)
            SELECT $3, id, jsonb_build_object('actor', reported_by) || $4::jsonb FROM gone RETURNING 1""",  # noqa: S608
        before,
        only,
        EventType.INCIDENT_DELETED.value,
        json.dumps({"fields": ["deleted"]}),
    )
    return len(rows)


async def remove(db: Executor, *, before: datetime = EVERYTHING, only: UUID | None = None) -> int:
    """Remove the accounts with all they left; returns how many. Withdraw first: one with visible incidents stays.

    Sockets learn of a deleted incident from its row, so leave a few seconds between the two.
    """
    # Without one, which is nearly always, nothing large is looked at.
    if not await db.fetchval(f"SELECT EXISTS ({_VISITORS})", before, only):
        return 0
    rows = await db.fetch(
        f"""WITH visitors AS (
                SELECT v.id, v.email FROM ({_VISITORS}) v JOIN users u ON u.id = v.id
                 WHERE NOT EXISTS (SELECT 1 FROM incidents i WHERE i.reported_by = v.id AND i.deleted_at IS NULL)
                   FOR UPDATE OF u SKIP LOCKED),
            theirs AS (SELECT id FROM incidents WHERE reported_by IN (SELECT id FROM visitors)),
            comments_gone AS (DELETE FROM comments WHERE incident_id IN (SELECT id FROM theirs)),
            notifications_gone AS (DELETE FROM notifications WHERE incident_id IN (SELECT id FROM theirs)),
            history_gone AS (DELETE FROM incident_history WHERE incident_id IN (SELECT id FROM theirs)),
            incidents_gone AS (DELETE FROM incidents WHERE id IN (SELECT id FROM theirs)),
            recorded AS (
                INSERT INTO admin_actions (operator, command, email, details)
                SELECT current_setting('application_name'), '{COMMAND}', email, '{{"removed": true}}' FROM visitors)
            DELETE FROM users WHERE id IN (SELECT id FROM visitors) RETURNING 1""",  # noqa: S608 - constant text
        before,
        only,
    )
    return len(rows)
