"""What secrets look like: a pattern for each kind, and what must be in a text for the pattern to be worth a try."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MASK: Final = "[redacted]"

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


ANY: Final = 1
SIGN: Final = 2
RUN: Final = 4
DIGITS: Final = 8


class Kind:
    """One kind of secret. The pattern, which is slow, is tried only on a text of its shape that has one of its words.

    Args:
        shape: `SIGN`: a `=` or `:`; `RUN`: 15 letters, digits, `_` or `-` in a row; `DIGITS`: digits in the groups of
            a card's number; `ANY`: no matter.
        words: in lower case; none where the shape says as much.
        pattern: what it looks like; compiled when it is first needed, for most never are.
        replacement: what is written instead, as for `re.sub`.
    """

    __slots__ = ("_compiled", "pattern", "replacement", "shape", "words")

    def __init__(
        self,
        shape: int,
        words: tuple[str, ...],
        pattern: str,
        replacement: str | Callable[[re.Match[str]], str] = MASK,
    ) -> None:
        self.shape = shape
        self.words = words
        self.pattern = pattern
        self.replacement = replacement
        self._compiled: re.Pattern[str] | None = None

    def search(self, text: str) -> bool:
        """Tell whether something in a text looks like it."""
        return self._ready().search(text) is not None

    def mask(self, text: str) -> str:
        """Return the text with all of its kind masked."""
        return self._ready().sub(self.replacement, text)

    def _ready(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self.pattern)
        return self._compiled


# Separator between a name and its value: `=`, `:` or `=>`, the name perhaps quoted, the quote perhaps escaped.
_IS: Final = r"""\\{0,4}["']?\s{0,20}(?:=>|=(?!>)|:)\s{0,20}"""
# Each name from its second letter on; that only some letters begin one makes the search several times faster.
_NAME: Final = (
    r"[AaCcJjPpSsTt](?i:(?<=p)ass(?:word|wd|phrase|code)|(?<=s)ecret|(?<=t)oken|(?<=s)ession[_\-]?id|(?<=c)redentials?|"
    r"(?<=s)ignature|(?:(?<=a)(?:pi|ccess|ccount)|(?<=p)rivate|(?<=s)(?:ecret|ession|igning))[_\- ]?key|"
    r"(?<![a-z].)(?:(?<=a)uth|(?<=j)wt|(?<=p)wd|(?<=s)ig))"
)
_NAMED: Final = (
    "passw", "passphrase", "passcode", "pwd", "secret", "token", "key", "sessionid", "session_id", "session-id",
    "credential", "sig", "auth", "jwt",
)  # fmt: skip
"""Of each name a part that is seldom in other words."""
# A quoted value up to its quote, one whose quotes are escaped up to the next, any other up to a separator.
_VALUE: Final = (
    r"""[bfru]{0,2}(?P<quote>["'])(?!(?P=quote))(?:\\.|(?!(?P=quote))[^\\\r\n])++|(?P<escaped>\\{1,4}["'])[^"'\\\r\n]+|"""
    rf"""(?!(?:none|null|true|false|str|string|bytes|int|bool)\b|{re.escape(MASK)})[^\s"'\\&,;)}}\]]+"""
)
# Where a secret may begin: not inside of a word, but after a line break or tab that is written as an escape.
_AT: Final = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"


def _named(match: re.Match[str]) -> str:
    return f"{match['name']}{match['quote'] or match['escaped'] or ''}{MASK}"


CARD: Final = Kind(
    DIGITS,
    (),
    r"[2-6](?<![\w.\-].)(?:\d{3}([ \-]?)(?:\d{4}\1){2}\d{1,4}(?:\1\d{1,3})?|(?<=3)\d{3}([ \-]?)\d{6}\2\d{4,5})"
    r"(?![\w\-]|\.\d)",
    _card,
)
"""Payment cards: 13 to 19 digits in groups of four, 15 in 4-6-5, 14 in 4-6-4; none begins with 0, 1, 7, 8 or 9."""


# Each pattern is linear: what repeats without a bound is possessive or ends the match.
KINDS: Final = (
    # Private keys, with the end that a cut text may lack.
    Kind(
        ANY,
        ("y-----",),
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^\-]|-(?!----))*+(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
    ),
    # Headers: everything up to the closing quote or the end of the line.
    Kind(
        SIGN,
        ("authori", "cookie"),
        rf"""(?i:((?:authori[sz]ation|(?<![a-z])cookie){_IS}\\{{0,4}}["']?(?:(?:Bearer|Basic|Token|Digest)\s{{1,4}})?)"""
        r"""[^"'\\\r\n]+)""",
        rf"\1{MASK}",
    ),
    Kind(
        ANY,
        ("bearer", "basic", "token"),
        r"[BbTt](?<!\w.)(?i:(?:(?<=b)(?:earer|asic)|(?<=t)oken)\s{1,4}(?P<secret>[A-Za-z0-9._~+/=\-]{8,}))",
        _unless_word,
    ),
    # Credentials in URLs, also without a user, as Redis has them.
    Kind(SIGN, ("@",), r"""(://)[^\s/:@?#"'<>]{0,256}:[^\s/?#"'<>]{1,4096}@""", rf"\1{MASK}@"),
    # Web hooks: who knows the address may write.
    Kind(
        ANY,
        ("hooks",),
        r"""(//hooks\.slack\.com/[a-z]{1,20}/|//(?:[a-z]{1,10}\.)?discord(?:app)?\.com/api/webhooks/)[^\s"'<>]{8,}""",
        rf"\1{MASK}",
    ),
    Kind(ANY, ("eyj",), _AT + r"eyJ[A-Za-z0-9_\-]{8,1024}+\.[A-Za-z0-9_\-]{4,}+(?:\.[A-Za-z0-9_\-]*+)?"),
    # Keys of model providers and what stands around models, payment services, sandboxes, package registries, source,
    # mail and message services, vaults, clouds.
    Kind(
        RUN,
        ("pcsk_", "lsv2_", "tvly-", "whsec_", "npm_", "pypi-", "gocspx-"),
        _AT + r"(?:pcsk_|lsv2_(?:pt|sk)_|tvly-|whsec_|npm_|pypi-|GOCSPX-)[A-Za-z0-9_\-]{20,}",
        _unless_name,
    ),
    Kind(
        RUN,
        ("sk-", "sk_", "rk-", "rk_", "pk-", "pk_"),
        _AT + r"(?:sk|rk|pk[-_](?:live|test|prod|lf))[-_][A-Za-z0-9_\-]{16,}",
        _unless_name,
    ),
    Kind(RUN, ("hf_", "gsk_", "r8_", "e2b_"), _AT + r"(?:hf|gsk|r8|e2b)_[A-Za-z0-9]{16,}"),
    Kind(RUN, ("xai-", "pplx-", "nvapi-"), _AT + r"(?:xai|pplx|nvapi)-[A-Za-z0-9_\-]{20,}"),
    Kind(
        RUN,
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
        _AT + r"(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_\-]{20,}",
    ),
    Kind(
        RUN,
        ("sg.", "hvs."),
        _AT + r"(?:SG\.[A-Za-z0-9_\-]{16,64}+\.[A-Za-z0-9_\-]{16,}|hvs\.[A-Za-z0-9_\-]{20,})",
    ),
    Kind(RUN, ("xox", "xapp-"), _AT + r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9\-]{10,}"),
    Kind(RUN, ("akia", "asia"), _AT + r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    Kind(RUN, ("aiza", "ya29."), _AT + r"(?:AIza[A-Za-z0-9_\-]{35,}|ya29\.[A-Za-z0-9_\-]{16,})"),
    # `name = value`
    Kind(
        SIGN,
        _NAMED,
        rf"(?P<name>{_NAME}{_IS})(?i:{_VALUE})",
        _named,
    ),
    Kind(
        ANY,
        ("@",),
        r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]++@(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24}\b",
    ),
    CARD,
)
