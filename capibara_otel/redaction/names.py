"""Names of things that are secret."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ENDS: Final = (
    "password", "passwd", "passphrase", "passcode", "secret", "secrets", "token", "apikey", "accesskey", "privatekey",
    "cookie", "cookies", "credential", "credentials", "authorization", "authorisation", "jwt", "csrf", "xsrf",
    "sessionid", "sessid",
)  # fmt: skip
_LAST: Final = frozenset({"auth", "bearer", "pass", "pwd", "sig", "signature"})
"""Words that are secret where the name ends with them, and harmless elsewhere: `smtp_pass`, but `pass_rate`."""
_KEYS: Final = frozenset(
    {"access", "account", "api", "auth", "encryption", "master", "private", "session", "shared", "signing"}
)
"""What makes a `key` secret."""
_TOKENS: Final = frozenset({"access", "api", "auth", "bearer", "id", "refresh", "session"})
"""What makes `tokens`, else a count, secret."""
_ABOUT: Final = frozenset(
    {
        "budget",
        "cost",
        "count",
        "expiry",
        "length",
        "limit",
        "modality",
        "price",
        "rate",
        "size",
        "ttl",
        "type",
        "usage",
    }
)
"""What a name may say about a token without holding one."""


_LONGEST_KEPT: Final = 256


def sensitive(key: str) -> bool:
    """Tell whether a key names something whose value must not be shown, such as `Authorization` or `dbPassword`."""
    return _known(key) if len(key) <= _LONGEST_KEPT else _judged(key)


def _judged(key: str) -> bool:
    words = [word.lower() for word in _WORD.findall(key)]
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        after = words[index + 1] if index + 1 < len(words) else ""
        if word.endswith(_ENDS) and not (word == "token" and after in _ABOUT):
            return True
        if (word in _LAST and not after) or (before == "session" and word == "id"):
            return True
        if (word in {"key", "keys"} and before in _KEYS) or (word == "tokens" and before in _TOKENS):
            return True
    return False


_known: Final = lru_cache(maxsize=1024)(_judged)
