"""Secrets as they look, secrets in the text that gives them away, and texts that only look a little like them."""

from __future__ import annotations

import base64
import hashlib
import json
import string
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from capibara_otel.redaction import MASK

_LETTERS = string.ascii_letters
_ALNUM = _LETTERS + string.digits
_WORDS = (
    "the",
    "search",
    "took",
    "12.5",
    "ms",
    "for",
    "index",
    "docs",
    "and",
    "found",
    "8",
    "hits",
    "(cached)",
    "-",
    "ok,",
)


def _chars(alphabet: str, low: int, high: int | None = None) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=low, max_size=low if high is None else high)


def _luhn(digits: str) -> str:
    """Return the digits with their check digit (ISO/IEC 7812-1)."""
    total = 0
    for index, character in enumerate(reversed(digits)):
        number = int(character) * (1 if index % 2 else 2)
        total += number - 9 if number > 9 else number
    return digits + str(-total % 10)


def _card(brand: str, length: int) -> st.SearchStrategy[str]:
    return _chars(string.digits, length - len(brand) - 1).map(lambda rest: _luhn(brand + rest))


def _grouped(card: str, separator: str) -> str:
    return separator.join(card[start : start + 4] for start in range(0, len(card), 4))


# Every kind of secret: how one looks, and the text it stands in; the secret itself is what must not be found again.
_digit = st.sampled_from(string.digits)
SECRETS: dict[str, st.SearchStrategy[str]] = {
    "openai": _chars(_ALNUM, 40).map(lambda key: f"sk-{key}7"),
    "openai project": _chars(_ALNUM + "_-", 60).map(lambda key: f"sk-proj-{key}7"),
    "anthropic": _chars(_ALNUM + "_-", 60).map(lambda key: f"sk-ant-api03-{key}7"),
    "stripe": st.tuples(st.sampled_from(["sk_live", "sk_test", "rk_live", "pk_live"]), _chars(_ALNUM, 24)).map(
        lambda parts: f"{parts[0]}_{parts[1]}7"
    ),
    "github": st.tuples(st.sampled_from("pousr"), _chars(_ALNUM, 36)).map(lambda parts: f"gh{parts[0]}_{parts[1]}"),
    "github fine-grained": _chars(_ALNUM + "_", 40, 82).map(lambda key: f"github_pat_{key}"),
    "gitlab": _chars(_ALNUM + "_-", 20).map(lambda key: f"glpat-{key}"),
    "slack": st.tuples(st.sampled_from("abeoprs"), _chars(_ALNUM, 20, 60)).map(
        lambda parts: f"xox{parts[0]}-{parts[1]}"
    ),
    "slack app": _chars(_ALNUM, 30).map(lambda key: f"xapp-1-{key}"),
    "aws": st.tuples(st.sampled_from(["AKIA", "ASIA"]), _chars(string.ascii_uppercase + string.digits, 16)).map(
        "".join
    ),
    "google": _chars(_ALNUM + "_-", 35).map(lambda key: f"AIza{key}"),
    "google oauth": _chars(_ALNUM + "_-", 40).map(lambda key: f"ya29.{key}"),
    "e2b": _chars("0123456789abcdef", 40).map(lambda key: f"e2b_{key}"),
    "hugging face": _chars(_ALNUM, 34).map(lambda key: f"hf_{key}"),
    "groq": _chars(_ALNUM, 52).map(lambda key: f"gsk_{key}"),
    "replicate": _chars(_ALNUM, 37).map(lambda key: f"r8_{key}"),
    "xai": _chars(_ALNUM, 80).map(lambda key: f"xai-{key}"),
    "perplexity": _chars(_ALNUM, 48).map(lambda key: f"pplx-{key}"),
    "nvidia": _chars(_ALNUM + "_-", 64).map(lambda key: f"nvapi-{key}"),
    "pinecone": _chars(_ALNUM + "_", 60).map(lambda key: f"pcsk_{key}7"),
    "langsmith": _chars("0123456789abcdef", 32).map(lambda key: f"lsv2_pt_{key}_0a1b2c3d4e"),
    "tavily": _chars(_ALNUM, 32).map(lambda key: f"tvly-dev-{key}7"),
    "stripe web hook": _chars(_ALNUM, 32).map(lambda key: f"whsec_{key}7"),
    "npm": _chars(_ALNUM, 35).map(lambda key: f"npm_{key}7"),
    "pypi": _chars(_ALNUM + "_-", 80).map(lambda key: f"pypi-AgEIcHlwaS5vcmc{key}7"),
    "google client": _chars(_ALNUM + "_-", 27).map(lambda key: f"GOCSPX-{key}7"),
    "sendgrid": st.tuples(_chars(_ALNUM + "_-", 22), _chars(_ALNUM + "_-", 43)).map(
        lambda key: f"SG.{key[0]}.{key[1]}"
    ),
    "vault": _chars(_ALNUM, 24, 90).map(lambda key: f"hvs.{key}"),
    "jwt": st.tuples(_chars(_ALNUM + "_-", 16, 40), _chars(_ALNUM + "_-", 16, 300), _chars(_ALNUM + "_-", 0, 90)).map(
        lambda parts: f"eyJ{parts[0]}.{parts[1]}.{parts[2]}"
    ),
    "mail": st.tuples(
        _chars(_ALNUM + "._%+-", 1, 64), st.sampled_from(["example.com", "mail.acme.co.uk", "x-y.io"])
    ).map("@".join),
    "visa": _card("4", 16),
    "visa of 13": _card("4", 13),
    "visa of 19": _card("4", 19),
    "mastercard": st.sampled_from(["51", "55", "2221", "2720"]).flatmap(lambda brand: _card(brand, 16)),
    "mastercard in groups": _card("53", 16).map(lambda card: _grouped(card, " ")),
    "maestro in groups": _card("6304", 19).map(lambda card: _grouped(card, "-")),
    "amex": st.sampled_from(["34", "37"]).flatmap(lambda brand: _card(brand, 15)),
    "amex in groups": _card("37", 15).map(lambda card: f"{card[:4]} {card[4:10]} {card[10:]}"),
    "diners": _card("36", 14),
    "private key": _chars(_ALNUM + "+/=\n", 60, 400).map(
        lambda body: f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{body}\n-----END RSA PRIVATE KEY-----"
    ),
}

# What secrets are made of and what only looks so, to be put together at random. Letters that are equal to an ASCII
# letter only where case is ignored, such as the long s, are left out: nobody writes a secret's name with one.
FRAGMENTS = (
    "password", "PASSWORD", "passwd", "passphrase", "pass", "secret", "token", "Token", "tokens", "api_key", "api-key",
    "API key", "key", "monkey", "access_key", "AccountKey", "session", "session_id", "sessionid", "signature", "sig",
    "design", "auth", "author", "Authorization", "authorisation", "cookie", "Set-Cookie", "Bearer", "basic", "Digest ",
    "jwt", "pwd", "credentials", "=", ":", " = ", ": ", " => ", '"', "'", '\\"', "\\n", "\n", "\t", " ", "-", "_", "@", ".",
    "://", "https://user:pw@host/", "//hooks.slack.com/services/", "discord.com/api/webhooks/", "hooks", "eyJ",
    "eyJhbGciOiJIUzI1NiJ9", "sk-", "task-", "rk_live_", "pk-lf-", "hf_", "gsk_", "r8_", "e2b_", "xai-", "pplx-", "nvapi-",
    "ghp_", "github_pat_", "glpat-", "pcsk_", "lsv2_pt_", "npm_", "whsec_", "SG.", "hvs.", "xoxb-", "xapp-", "AKIA", "ASIA",
    "AIza", "ya29.", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "-----", "4111 1111 1111 1111",
    "4111111111111111", "4111-1111-1111-1111", "378282246310005", "3782 822463 10005", "30569309025904",
    "4222222222222", "41\u0661\u0661\u0661\u0661\u0661\u0661", "\u0663", "é", "日本", "🎉", "\udce9", "\u2003", ",", ";", "&", "}", "]", "(", ")",
    "{", "[", "\\", "/", "?", "#", "<", ">", "None", "true", MASK, "bob@example.com", "@example.com", "a" * 8, "a" * 15,
    "Ab3" * 7, "0123456789abcdef", "7", "12", "1234", "2345", "550e8400-e29b-41d4-a716-446655440000",
    "0af7651916cd43dd8448eb211c80319c", "2023-11-14T22:13:20",
)  # fmt: skip
COMPOSED = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)

_opaque = st.tuples(_chars(_ALNUM + "-_", 7, 60), _digit).map("".join)
_password = _chars(_ALNUM + "-_!$%*+./:<>?@^|~", 6, 40).filter(lambda word: word.isascii() and word != MASK)
_any_text = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\"'\\"),
    min_size=6,
    max_size=40,
)
# A secret and the text around it, which gives it away.
PLACED: dict[str, st.SearchStrategy[tuple[str, str]]] = {
    "bearer": _opaque.map(lambda key: (key, f"Bearer {key}")),
    "basic": st.tuples(_any_text, _any_text).map(lambda pair: base64.b64encode(":".join(pair).encode()).decode()).map(
        lambda key: (key, f"authorization: Basic {key}")
    ),
    "header without scheme": _opaque.map(lambda key: (key, f"Authorization: {key}")),
    "header in a dict": _opaque.map(lambda key: (key, f"{{'authorization': 'Bearer {key}', 'accept': '*/*'}}")),
    "cookie": _opaque.map(lambda key: (key, f"Cookie: theme=dark; sid={key}")),
    "set-cookie": _opaque.map(lambda key: (key, f'"set-cookie": "sid={key}; HttpOnly"')),
    "url": _password.filter(lambda word: not set(word) & set("/?<>")).map(
        lambda key: (key, f"postgresql+psycopg://app:{key}@db:5432/main")
    ),
    "url without user": _chars(_ALNUM, 6, 40).map(lambda key: (key, f"redis://:{key}@cache:6379/0")),
    "slack web hook": _chars(_ALNUM + "/", 20, 40).map(lambda key: (key, f"https://hooks.slack.com/services/{key}")),
    "discord web hook": _chars(_ALNUM + "/_-", 20, 90).map(lambda key: (key, f"https://discord.com/api/webhooks/{key}")),
    "unquoted": st.tuples(
        st.sampled_from(["password", "DB_PASSWORD", "pgpassword", "passwd", "client_secret", "token", "X-Api-Key"]),
        st.sampled_from(["=", ": ", " = ", ":", " => "]),
        _chars(_ALNUM + "-_!$%*+./:<>?@^|~", 6, 40),
    ).map(lambda parts: (parts[2], "".join(parts))),
    "quoted": st.tuples(
        st.sampled_from(["secret_key", "accountKey", "AWS_SECRET_ACCESS_KEY", "private-key", "pwd", "access_token"]),
        st.sampled_from(["=", ": ", " = "]),
        st.sampled_from("\"'"),
        _any_text,
    ).map(lambda parts: (parts[3], f"{parts[0]}{parts[1]}{parts[2]}{parts[3]}{parts[2]}")),
    "bytes": _chars(_ALNUM + " ,;:()[]{}!?", 6, 40).map(lambda key: (key, f"password=b'{key}'")),
    "json": _any_text.map(lambda key: (key, json.dumps({"id": 7, "api_key": key, "n": 1}, ensure_ascii=False))),
    "json in json": _any_text.map(
        lambda key: (key, json.dumps({"body": json.dumps({"password": key}, ensure_ascii=False)}, ensure_ascii=False))
    ),
    "query": _opaque.map(lambda key: (key, f"/cb?page=2&access_token={key}&sig={key}&next=1")),
}  # fmt: skip

AROUND = st.lists(st.sampled_from(_WORDS), max_size=6).map(" ".join)


def _numbers() -> st.SearchStrategy[str]:
    return st.one_of(
        st.integers(-(10**12), 10**12).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str),
        st.integers(0, 10**9).map(lambda number: f"{number:,}"),
    )


_moments = st.datetimes(datetime(2002, 1, 1), datetime(2032, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
ORDINARY: dict[str, st.SearchStrategy[str]] = {
    "numbers": _numbers(),
    "uuids": st.uuids().map(str),
    "trace ids": st.uuids().map(lambda one: one.hex),
    "span ids": st.integers(0, 2**60 - 1).map(lambda number: f"{number:015x}f"),
    "traceparent": st.uuids().map(lambda one: f"00-{one.hex}-{one.hex[:16]}-01"),
    "hashes": st.binary(max_size=8).map(lambda data: hashlib.sha256(data).hexdigest()),
    "md5": st.binary(max_size=8).map(lambda data: hashlib.md5(data).hexdigest()),  # noqa: S324
    "times": _moments.map(datetime.isoformat),
    "times in ms": _moments.map(lambda moment: str(int(moment.timestamp() * 1e3))),
    "times in µs": _moments.map(lambda moment: str(int(moment.timestamp() * 1e6))),
    "times in ns": _moments.map(lambda moment: str(int(moment.timestamp() * 1e9))),
    "durations": st.timedeltas(timedelta(0)).map(str),
    "versions": st.tuples(*[st.integers(0, 2030)] * 3).map(lambda parts: "v{}.{}.{}rc1+build.5".format(*parts)),
    "addresses": st.ip_addresses().map(str),
    "paths": st.lists(_chars(string.ascii_lowercase + "_", 1, 12), min_size=1, max_size=5).map("/".join),
}
