"""Keeps secrets out of everything that is stored or sent: one place for spans, logs and messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

MASK: Final = "[redacted]"

_LONGEST: Final = 32_768

# --- names of things that are secret

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


@lru_cache(maxsize=1024)
def sensitive(key: str) -> bool:
    """Tell whether a key names something whose value must not be shown, such as `Authorization` or `dbPassword`."""
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


# --- what secrets look like

_OPAQUE: Final = re.compile(r"[0-9]|[a-z][A-Z].*[a-z][A-Z]")
_LONG_FOR_A_WORD: Final = 24


def _unless_word(match: re.Match[str]) -> str:
    """Mask the group `secret`, unless it may be a word of a sentence, as in `basic functionality`."""
    value = match["secret"]
    if not _OPAQUE.search(value) and len(value) < _LONG_FOR_A_WORD:
        return match[0]
    return match[0].removesuffix(value) + MASK


def _unless_name(match: re.Match[str]) -> str:
    """Mask the match, unless it may be an identifier of lower-case words, as in `sk_some_constraint_name`."""
    return MASK if any(character.isdigit() or character.isupper() for character in match[0]) else match[0]


def _card(match: re.Match[str]) -> str:
    """Mask what is a payment card by its checksum; a group after it may be a number of its own."""
    whole, (first, _, last) = match[0], match[0].rpartition(" ")
    if _passes_luhn(whole):
        return MASK
    return f"{MASK} {last}" if first and _passes_luhn(first) else whole


def _passes_luhn(card: str) -> bool:
    """Tell whether the last digit is the check digit of ISO/IEC 7812-1."""
    digits = [int(character) for character in reversed(card) if character.isdigit()]
    return sum(digits[::2]) % 10 == -sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) % 10


class _Kind(NamedTuple):
    """One kind of secret. The pattern, which is slow, is tried only where one of the words is in the text."""

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = MASK


# Separator between a name and its value: `=`, `:` or `=>`, the name perhaps quoted, the quote perhaps escaped.
_IS: Final = r"""\\{0,4}["']?\s{0,20}(?:=>|=(?!>)|:)\s{0,20}"""
_NAMES: Final = (
    r"password|passwd|passphrase|passcode|secret|token|(?:api|access|account|private|secret|session|signing)[_\- ]?key|"
    r"session[_\-]?id|credentials?|signature|(?<![a-z])(?:auth|jwt|pwd|sig)"
)
# A quoted value up to its quote, one whose quotes are escaped up to the next, any other up to a separator.
_VALUE: Final = (
    r"""[bfru]{0,2}(?P<quote>["'])(?!(?P=quote))(?:\\.|(?!(?P=quote))[^\\\r\n])++|(?P<escaped>\\{1,4}["'])[^"'\\\r\n]+|"""
    rf"""(?!(?:none|null|true|false|str|string|bytes|int|bool)\b|{re.escape(MASK)})[^\s"'\\&,;)}}\]]+"""
)
# Where a secret may begin: not inside of a word, but after a line break or tab that is written as an escape.
_AT: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"


def _named(match: re.Match[str]) -> str:
    return f"{match['name']}{match['quote'] or match['escaped'] or ''}{MASK}"


# Each pattern is linear: what repeats without a bound has one place to start, or is possessive.
_KINDS: Final = (
    # Private keys, with the end that a cut text may lack.
    _Kind(
        ("private key-----",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^\-]|-(?!----))*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
        ),
    ),
    # Headers: everything up to the closing quote or the end of the line.
    _Kind(
        ("authori", "cookie"),
        re.compile(
            rf"""((?:authori[sz]ation|(?<![a-z])cookie){_IS}\\{{0,4}}["']?(?:(?:Bearer|Basic|Token|Digest)\s{{1,4}})?)"""
            r"""[^"'\\\r\n]+""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    _Kind(
        ("bearer", "basic", "token"),
        re.compile(r"\b(?:Bearer|Basic|Token)\s{1,4}(?P<secret>[A-Za-z0-9._~+/=\-]{8,})", re.IGNORECASE),
        _unless_word,
    ),
    # Credentials in URLs, also without a user, as Redis has them.
    _Kind(("://",), re.compile(r"""(://)[^\s/:@?#"'<>]{0,256}:[^\s/?#"'<>]{1,4096}@"""), rf"\1{MASK}@"),
    # Web hooks: who knows the address may write.
    _Kind(
        ("//hooks.slack.com", "/api/webhooks/"),
        re.compile(
            r"""(//hooks\.slack\.com/[a-z]{1,20}/|//(?:[a-z]{1,10}\.)?discord(?:app)?\.com/api/webhooks/)[^\s"'<>]{8,}"""
        ),
        rf"\1{MASK}",
    ),
    _Kind(("eyj",), re.compile(_AT + r"eyJ[A-Za-z0-9_\-]{8,1024}+\.[A-Za-z0-9_\-]{4,}+(?:\.[A-Za-z0-9_\-]*+)?")),
    # Keys of model providers, payment services, sandboxes, source and message services, clouds.
    _Kind(
        ("sk-", "sk_", "rk-", "rk_", "pk-", "pk_"),
        re.compile(_AT + r"(?:sk|rk|pk[-_](?:live|test|prod|lf))[-_][A-Za-z0-9_\-]{16,}"),
        _unless_name,
    ),
    _Kind(("hf_", "gsk_", "r8_", "e2b_"), re.compile(_AT + r"(?:hf|gsk|r8|e2b)_[A-Za-z0-9]{16,}")),
    _Kind(("xai-", "pplx-", "nvapi-"), re.compile(_AT + r"(?:xai|pplx|nvapi)-[A-Za-z0-9_\-]{20,}")),
    _Kind(
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
        re.compile(_AT + r"(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_\-]{20,}"),
    ),
    _Kind(("xox", "xapp-"), re.compile(_AT + r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9\-]{10,}")),
    _Kind(("akia", "asia"), re.compile(_AT + r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")),
    _Kind(("aiza", "ya29."), re.compile(_AT + r"(?:AIza[A-Za-z0-9_\-]{35,}|ya29\.[A-Za-z0-9_\-]{16,})")),
    # `name = value`
    _Kind(
        ("pass", "pwd", "secret", "token", "key", "session", "credential", "sig", "auth", "jwt"),
        re.compile(rf"(?P<name>(?:{_NAMES}){_IS})(?:{_VALUE})", re.IGNORECASE),
        _named,
    ),
    _Kind(
        ("@",),
        re.compile(r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]++@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
    ),
    # Payment cards: 13 to 19 digits in groups of four, 15 in 4-6-5, 14 in 4-6-4; none begins with 0, 1, 7, 8 or 9.
    _Kind(
        ("",),
        re.compile(
            r"(?<![\w.\-])(?:[2-6]\d{3}([ \-]?)(?:\d{4}\1){2}\d{1,4}(?:\1\d{1,3})?|3\d{3}([ \-]?)\d{6}\2\d{4,5})"
            r"(?![\w\-]|\.\d)"
        ),
        _card,
    ),
)


def scrub(text: str) -> str:
    """Return a text with keys, tokens, card numbers, mail addresses and credentials in URLs masked, fit to be written.

    Args:
        text: any text; what is longer than 32,768 characters is cut there first, for a bounded cost.
    """
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    text = writable(text)
    lower = text.lower()
    for kind in _KINDS:
        for word in kind.words:
            if word in lower:
                text = kind.pattern.sub(kind.replacement, text)
                break
    return text


def writable(text: str) -> str:
    """Return a text that every outlet can encode: lone surrogates, as in odd file names, are written out."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def scrub_value(key: str, value: Any, depth: int = 6) -> Any:
    """Return a value as it may be stored under a key: masked by the key's name, scrubbed inside, nested ones too.

    Args:
        key: the name it stands under.
        value: anything; mappings, lists and tuples are walked, pairs taken for a name and its value. What is neither
            that, a number of 64 bits nor a text becomes its text, for that is what would be written in the end.
        depth: how deep; what lies deeper is replaced by the mask.
    """
    if value is None or isinstance(value, bool):
        return value
    if sensitive(key):
        return MASK
    if isinstance(value, float) or (isinstance(value, int) and -(2**63) <= value < 2**63):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _nested(value, depth - 1) if depth else MASK
    text = text_of(value)
    return scrub(f"{type(value).__name__}: {text}" if isinstance(value, BaseException) else text)


def _nested(value: Mapping[Any, Any] | Collection[Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        return {_name(name): scrub_value(text_of(name), item, depth) for name, item in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str | bytes):  # noqa: PLR2004 - a pair
        return [_name(value[0]), scrub_value(text_of(value[0]), value[1], depth)]
    return [scrub_value("", item, depth) for item in value]


def _name(key: object) -> str:
    return scrub(text_of(key))


def text_of(value: object) -> str:
    """Return a value's text, whatever its class does when asked for it."""
    try:
        return value.decode(errors="backslashreplace") if isinstance(value, bytes | bytearray) else str(value)
    except Exception:  # noqa: BLE001 - a foreign class may do anything
        return f"<{type(value).__name__}>"
