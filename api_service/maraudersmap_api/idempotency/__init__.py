"""Idempotency-Key: the same request, sent again, is answered again and not done again."""
