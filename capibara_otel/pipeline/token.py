"""Who may read the metrics page."""

from __future__ import annotations

import hmac


def admits(token: str | None, authorization: str | None) -> bool:
    """Tell whether a request with this `Authorization` header may read the page; takes the same time for any guess.

    Args:
        token: what `Bearer` must carry; none or an empty one lets everyone read.
        authorization: the header's value.
    """
    if not token:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
