"""Secrets never survive, and nothing else is harmed."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capibara_otel.redaction import MASK, scrub, scrub_each, scrub_value, sensitive, writable
from capibara_otel.redaction.kinds import KINDS, Kind
from capibara_otel.redaction.names import _known
from tests.support.secret_texts import AROUND, COMPOSED, ORDINARY, PLACED, SECRETS

codes: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")


@dataclass
class _Holder:
    content: str


class TestSecretsNeverSurvive:
    """Whatever stands around them."""

    @pytest.mark.parametrize("kind", SECRETS)
    @given(data=st.data(), before=AROUND, after=AROUND)
    @settings(max_examples=15, deadline=None)
    def test_a_secret_that_shows_itself(self, kind: str, data: st.DataObject, before: str, after: str) -> None:
        """A key, token, address or card is masked as a whole; the words around it stay."""
        secret = data.draw(SECRETS[kind])

        assert scrub(f"{before} {secret} {after}") == f"{before} {MASK} {after}"

    @pytest.mark.parametrize("kind", SECRETS)
    @pytest.mark.parametrize("frame", ["({})", '"{}"', "key={},", "<{}>", "[{}]", "é {}\n", "x:{};", "{}"], ids=repr)
    @given(data=st.data())
    @settings(max_examples=2, deadline=None)
    def test_a_secret_between_signs(self, kind: str, frame: str, data: st.DataObject) -> None:
        """Brackets, quotes and separators around a secret do not hide it."""
        secret = data.draw(SECRETS[kind])

        assert secret not in scrub(frame.format(secret))

    @pytest.mark.parametrize("place", PLACED)
    @given(data=st.data(), before=AROUND, after=AROUND)
    @settings(max_examples=25, deadline=None)
    def test_a_secret_that_its_name_gives_away(self, place: str, data: st.DataObject, before: str, after: str) -> None:
        """What stands under a secret's name, in a header or in a URL's credentials is masked whole."""
        secret, text = data.draw(PLACED[place])
        scrubbed = scrub(f"{before} {text} {after}")

        assert MASK in scrubbed
        assert secret not in scrubbed
        assert secret[-4:] not in scrubbed.replace(before, "").replace(after, "") or secret[-4:] in text.replace(
            secret, ""
        )

    @pytest.mark.parametrize("kind", SECRETS)
    @given(data=st.data())
    @settings(max_examples=3, deadline=None)
    def test_a_secret_in_a_nested_value(self, kind: str, data: st.DataObject) -> None:
        """Mappings, lists, tuples, sets, exceptions, bytes and foreign objects are searched, keys too."""
        secret = data.draw(SECRETS[kind])
        value = {
            "list": [1, {"note": f"see {secret}"}],
            "tuple": (1, 2, f"see {secret}"),
            "set": {f"see {secret}"},
            "error": ValueError(f"see {secret}"),
            "bytes": f"see {secret}".encode(),
            "object": _Holder(secret),
            f"see {secret}": 1,
        }

        assert secret not in repr(scrub_value("fields", value))

    @pytest.mark.parametrize(
        "prefix",
        [
            "sk-", "sk_", "sk-proj-", "rk-", "rk_", "rk_live_", "pk-lf-", "pk_live_", "pk_test_", "pk_prod_", "hf_", "gsk_",
            "r8_", "e2b_", "xai-", "pplx-", "nvapi-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-",
            "pcsk_", "lsv2_pt_", "lsv2_sk_", "tvly-", "whsec_", "npm_", "pypi-", "GOCSPX-", "hvs.", "xoxa-", "xoxb-",
            "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "AIza", "ya29.",
        ],
    )  # fmt: skip
    def test_every_prefix_of_a_key(self, prefix: str) -> None:
        """A key is known by how it begins, also on a line of its own that is written as an escape."""
        key = prefix + "Ab3" * 13

        assert scrub(f"key {key}.") == f"key {MASK}."
        assert scrub(f"key\\n{key}") == f"key\\n{MASK}"

    @pytest.mark.parametrize(
        "name",
        [
            "password", "passwd", "passphrase", "passcode", "secret", "token", "api_key", "api-key", "API key", "access_key",
            "account_key", "AccountKey", "private_key", "secret_key", "session_key", "signing_key", "session_id",
            "sessionid", "credential", "credentials", "signature", "auth", "jwt", "pwd", "sig", "db.pwd", "my_auth",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize(
        "form",
        ["{}={}", "{}: {}", "{} => {}", "{}='{}'", '"{}": "{}"', "'{}': '{}'", '\\"{}\\": \\"{}\\"', "?x=1&{}={}&y=2"],
    )
    def test_every_name_of_a_secret(self, name: str, form: str) -> None:
        """What stands under such a name is masked, in every way of writing names and values; what is around stays."""
        assert scrub(form.format(name, "hunter22")) == form.format(name, MASK)

    @pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Token", "bearer", "TOKEN"])
    @pytest.mark.parametrize("value", ["abcdef12", "dXNlcjpwYXNzd29yZA==", "a" * 24, "0123456789abcdef.0123-_~+/="])
    def test_every_scheme_of_authorization(self, scheme: str, value: str) -> None:
        """Credentials after a scheme are masked without the header's name too."""
        assert scrub(f"sent {scheme} {value}") == f"sent {scheme} {MASK}"
        assert scrub(f"Authorization: {scheme} {value}") == f"Authorization: {scheme} {MASK}"

    def test_a_secret_cut_off_at_the_limit(self) -> None:
        """A long text is cut to 32,768 characters, and what is left of a private key there is masked."""
        text = "x" * 32_000 + "-----BEGIN PRIVATE KEY-----\n" + "A1b2" * 1000
        scrubbed = scrub(text)

        assert scrubbed == "x" * 32_000 + MASK + "…" or scrubbed == "x" * 32_000 + MASK

    def test_secrets_of_several_kinds_in_one_text(self) -> None:
        """Every secret of a text is masked, not only the first."""
        text = (
            "login bob@example.com failed: GET https://bob:hunter22@api.example.com/?token=abcdef12 "
            "with Authorization: Bearer abc.def.123\nand api_key='k 1', 4111 1111 1111 1111"
        )

        assert scrub(text) == (
            f"login {MASK} failed: GET https://{MASK}@api.example.com/?token={MASK} "
            f"with Authorization: Bearer {MASK}\nand api_key='{MASK}', {MASK}"
        )


class TestOrdinaryTextSurvives:
    """Masking what is no secret makes logs useless."""

    @pytest.mark.parametrize("kind", ORDINARY)
    @given(data=st.data(), before=AROUND, after=AROUND)
    @settings(max_examples=40, deadline=None)
    def test_of_each_kind(self, kind: str, data: st.DataObject, before: str, after: str) -> None:
        """Numbers, ids, hashes, times, versions, addresses and paths stay as they are."""
        text = f"{before} {data.draw(ORDINARY[kind])} {after}"

        assert scrub(text) == text

    @pytest.mark.parametrize(
        "text",
        [
            "the token bucket of tenant acme is exhausted after 12 tokens",
            "token generation is slow, basic functionality works, a bearer authentication scheme is missing",
            "basic JavaScript and token OpenTelemetry",
            "max_tokens=512 input_tokens: 812, tokens.before=3",
            "1 2 3 4 5 6 7 8 9 10 11 12 13 14",
            'duplicate key value violates unique constraint "pk_customer_orders_history"',
            "sk-learn-contrib-some-extension",
            "passages=9412 bypassed=3 passed",
            "def f(password: str, token: None) -> bool: return secret is None",
            "authors: Ada, Grace; the authority is the author",
            "SELECT id, name FROM documents WHERE created_at > '2026-01-01' LIMIT 10",
            "for i in range(10): total += values[i] * 0.5  # running sum",
            "x@w.T and @app.get('/') and a @ b",
            "GET http://localhost:8080/items/7?email=yes HTTP/1.1",
            "http://127.0.0.1:4318/v1/traces, http://[::1]:9090",
            "4111111111111112 is no card, nor are 0.4111111111111111 and 41111111111111110000000",
            "ghost ghp_short xoxo e2b_execution AKIA",
            "-----BEGIN PUBLIC KEY----- MIIB -----END PUBLIC KEY-----",
            "",
            "日本語のテキスト: ünïcödé 🎉",
        ],
    )
    def test_examples(self, text: str) -> None:
        """Sentences, code and settings that only look a little like secrets stay as they are."""
        assert scrub(text) == text

    @given(st.text(max_size=200))
    @settings(max_examples=200, deadline=None)
    def test_masking_twice_is_masking_once(self, text: str) -> None:
        """What was scrubbed is not changed by scrubbing it again, on its way through several outlets."""
        once = scrub(text)

        assert scrub(once) == once

    @pytest.mark.parametrize("place", PLACED)
    @given(data=st.data())
    @settings(max_examples=5, deadline=None)
    def test_masked_secrets_are_not_masked_again(self, place: str, data: st.DataObject) -> None:
        """A mask under a secret's name stays one mask."""
        once = scrub(data.draw(PLACED[place])[1])

        assert scrub(once) == once


class TestTheQuickLook:
    """Most texts are let pass after a look at their shape and a few words; nothing slips through by that."""

    @given(COMPOSED)
    @settings(max_examples=1500, deadline=None)
    def test_it_overlooks_nothing(self, text: str) -> None:
        """Whatever a text is made of, the result is that of trying each pattern on it."""
        tried = writable(text)
        for kind in KINDS:
            tried = kind.mask(tried)

        assert scrub(text) == tried

    @given(st.dictionaries(st.sampled_from("abcdefgh"), COMPOSED))
    @settings(max_examples=500, deadline=None)
    def test_several_texts_at_once(self, texts: dict[str, str]) -> None:
        """Looking at several texts at once finds what looking at each would, and nothing across their borders."""
        before = dict(texts)

        assert scrub_each(texts) == {name: scrub(text) for name, text in texts.items()}
        assert texts == before

    @pytest.mark.parametrize(
        "texts",
        [{}, {"a": ""}, {"a": "found", "b": "docs"}, {"a": "búsqueda", "b": "日本語"}, {"a": "12:30", "b": "x=1"}],
    )
    def test_several_texts_without_a_secret(self, texts: dict[str, str]) -> None:
        """The very mapping comes back, so that the caller knows there is nothing to do."""
        assert scrub_each(texts) is texts

    @pytest.mark.parametrize(
        "texts",
        [
            {"a": "password=", "b": "hunter22"},
            {"a": "4111 1111", "b": "1111 1111"},
            {"a": "sk-", "b": "abcdefghijklmnop1234"},
            {"a": "Bearer", "b": "abcdef12345"},
            {"a": "bob@", "b": "example.com"},
        ],
    )
    def test_what_only_looks_like_a_secret_across_a_border(self, texts: dict[str, str]) -> None:
        """Two texts that would be a secret together are two texts."""
        assert scrub_each(texts) == texts

    def test_several_texts_that_are_too_long_or_cannot_be_written(self) -> None:
        """Each is cut and made fit to be written on its own, as one would be."""
        texts = {"long": "a b " * 10_000, "odd": "caf\udce9", "short": "ok"}

        assert scrub_each(texts) == {"long": ("a b " * 8_192) + "…", "odd": "caf\\udce9", "short": "ok"}
        assert scrub_each({"a": "a b " * 5_000, "b": "a b " * 5_000}) == {"a": "a b " * 5_000, "b": "a b " * 5_000}

    def test_a_card_that_another_secret_hides(self) -> None:
        """What is masked beside a card's number may be all that made the number look like part of something longer."""
        assert scrub("4111 1111 1111 1111-----BEGIN PRIVATE KEY-----abc") == MASK + MASK


def _repeats(parsed: Any) -> Iterator[tuple[Any, bool]]:
    """Yield the repeats without a bound in a parsed pattern that may give back what they took, and if they end it."""
    items = list(parsed)
    for index, (code, arguments) in enumerate(items):
        last = index == len(items) - 1
        inner: list[tuple[Any, bool]] = []
        if code is codes.MAX_REPEAT and arguments[1] is codes.MAXREPEAT:
            yield arguments, last
        elif code in {codes.MAX_REPEAT, codes.POSSESSIVE_REPEAT, codes.MIN_REPEAT}:
            inner = [*_repeats(arguments[2])]
        elif code is codes.SUBPATTERN:
            inner = [*_repeats(arguments[3])]
        elif code is codes.BRANCH:
            inner = [found for branch in arguments[1] for found in _repeats(branch)]
        yield from ((found, last and ends) for found, ends in inner)


class TestCost:
    """The cost of a text grows with its length and not faster."""

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: " ".join(kind.words) or "cards")
    def test_no_pattern_can_try_again_and_again(self, kind: Kind) -> None:
        """What repeats without a bound gives nothing back, or ends the pattern, where nothing can fail after it."""
        giving_back = [repeat for repeat, ends in _repeats(parser.parse(kind.pattern)) if not ends]

        assert giving_back == []

    def test_the_proof_sees_a_slow_pattern(self) -> None:
        """Patterns that are known to be slow are found by it."""
        for slow in (r"(a+)+b", r"a+@b", r"(?:x|a*b)c", r"[a-z]*\d"):
            assert [repeat for repeat, ends in _repeats(parser.parse(slow)) if not ends]

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize(
        "text",
        [
            "password", "password=", "api_key: ", "secret' ", "token\\\\", "auth:", 'sig="', "a@", "@a.", "a.", "eyJ", "eyJaaaaaaaa.",
            "://", "://a:", "://a:b", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "- ", "-", "bearer ", "Bearer \t", "aA", "sk-",
            "sk_a", "\\n", "4111 ", "4", "3782 ", "Authorization: ", "cookie:", "hooks//discord.com/api/webhooks/", "AKIA", "SG.", "SG.a",
            "x", " ", "\n", "'", '\\"', "é", "\udce9", "٣",
        ],
    )  # fmt: skip
    def test_texts_that_are_made_to_be_slow(self, text: str) -> None:
        """Long texts of what begins a secret and never ends one are done with; a slow pattern would take hours."""
        scrubbed = scrub(text * (40_000 // len(text)))

        assert scrub(scrubbed)[:32_000] == scrubbed[:32_000]


class TestSensitiveNames:
    """Names are read as words."""

    @pytest.mark.parametrize(
        "key",
        [
            "password", "PASSWORD", "dbPassword", "PGPASSWORD", "smtp_pass", "pwd", "passphrase", "secret", "client_secret",
            "SECRET_KEY", "api_key", "apiKey", "X-Api-Key", "api_keys", "access_key", "private.key", "Authorization",
            "proxy-authorization", "http.request.header.authorization", "Cookie", "set-cookie", "token", "auth_token",
            "authToken", "access_tokens", "id_token", "x-amz-security-token", "csrftoken", "jwt", "session_id", "session.id",
            "PHPSESSID", "signature", "X-Amz-Signature", "sig", "bearer", "x-auth", "credentials", "aws_credentials",
        ],
    )  # fmt: skip
    def test_names_of_secrets(self, key: str) -> None:
        """Whatever the spelling: snake, camel, kebab, dotted or shouted."""
        assert sensitive(key)

    @pytest.mark.parametrize(
        "key",
        [
            "", "tokens", "input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens", "max_tokens",
            "capibara6.ace.tokens.before", "gen_ai.token.type", "token_count", "tokenizer", "author", "authority", "authors",
            "passages", "passed", "bypass_rate", "pass_rate", "compass", "signal", "design", "insight", "assigned",
            "capibara6.telemetry.signal", "key", "key_count", "cache_key", "primary_key", "keyboard", "session", "user_id",
            "auth_method", "monkey", "capibara6.cache.name",
        ],
    )  # fmt: skip
    def test_names_of_other_things(self, key: str) -> None:
        """Counts, rates and words that merely contain a secret's name."""
        assert not sensitive(key)

    @pytest.mark.parametrize(
        "about",
        [
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
        ],
    )
    def test_what_is_said_about_a_token(self, about: str) -> None:
        """A name that only speaks of a token holds none; a secret in the same name is one."""
        assert not sensitive(f"token_{about}")
        assert not sensitive(f"gen_ai.token.{about}")
        assert sensitive(f"secret_token_{about}")

    @pytest.mark.parametrize(
        "whose", ["access", "account", "api", "auth", "encryption", "master", "private", "session", "shared", "signing"]
    )
    def test_keys(self, whose: str) -> None:
        """A key is secret by the word before it."""
        assert sensitive(f"{whose}_key")
        assert sensitive(f"my{whose.title()}Keys")
        assert not sensitive(f"{whose}_monkey")

    @pytest.mark.parametrize("whose", ["access", "api", "auth", "bearer", "id", "refresh", "session"])
    def test_tokens(self, whose: str) -> None:
        """Several tokens are secret by the word before them, else they are a count."""
        assert sensitive(f"{whose}_tokens")

    def test_names_without_an_end_are_not_kept(self) -> None:
        """What is remembered about names is bounded: not more than 1,024, and none of more than 256 characters."""
        before = _known.cache_info()

        assert sensitive("x_" * 5_000 + "password")
        assert not sensitive("x_" * 5_000)
        assert _known.cache_info() == before
        assert before.maxsize == 1_024


class TestValues:
    """What `scrub_value` makes of a value."""

    @pytest.mark.parametrize(
        ("key", "value", "kept"),
        [
            ("password", "hunter22", MASK),
            ("password", 12345678, MASK),
            ("password", ["hunter22"], MASK),
            ("password", {"old": "a"}, MASK),
            ("password", None, None),
            ("authorization", True, True),
            ("n", 7, 7),
            ("n", 0.5, 0.5),
            ("n", None, None),
            ("n", False, False),
            ("text", "all is well", "all is well"),
            ("text", "mail bob@example.com", f"mail {MASK}"),
            ("map", {"a": {"api_key": "x", "n": 1}}, {"a": {"api_key": MASK, "n": 1}}),
            ("map", {1: "one", b"token": "x"}, {"1": "one", "token": MASK}),
            ("list", [1, "bob@example.com", None], [1, MASK, None]),
            ("tuple", ("a", "b", "c"), ["a", "b", "c"]),
            ("set", {"a"}, ["a"]),
            ("headers", [(b"authorization", b"abc"), ("accept", "*/*")], [["authorization", MASK], ["accept", "*/*"]]),
            ("error", ValueError("for bob@example.com"), f"ValueError: for {MASK}"),
            ("bytes", b"password=hunter22", f"password={MASK}"),
            ("bytes", b"\xff\x00ok", "\\xff\x00ok"),
            ("path", Path("/srv/data"), "/srv/data"),
            ("decimal", Decimal("0.10"), "0.10"),
            ("uuid", uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ],
        ids=repr,
    )
    def test_of_each_type(self, key: str, value: Any, kept: Any) -> None:
        """Numbers and truth values stay, texts are scrubbed, containers walked, everything else becomes its text."""
        assert scrub_value(key, value) == kept

    def test_what_lies_too_deep_is_masked(self) -> None:
        """Six levels are walked; a value that contains itself ends there."""
        value: list[Any] = ["top"]
        value.append(value)

        assert scrub_value("x", value) == ["top", ["top", ["top", ["top", ["top", ["top", MASK]]]]]]
        assert scrub_value("x", {"a": {"b": 1}}, depth=1) == {"a": MASK}

    def test_an_object_that_refuses_to_be_shown(self) -> None:
        """A class whose text cannot be had is named instead; nothing is raised."""

        class Broken(Exception):  # noqa: N818 - no error of ours
            def __str__(self) -> str:
                raise RuntimeError("no")

        assert scrub_value("x", Broken()) == "Broken: <Broken>"
        assert scrub_value("x", {Broken(): 1}) == {"<Broken>": 1}


def test_a_text_that_cannot_be_encoded() -> None:
    """Lone surrogates, as in names of files that are no UTF-8, are written out, for one would cost a whole export."""
    assert scrub("no such file: caf\udce9") == "no such file: caf\\udce9"
    assert scrub_value("path", ["\ud800"]) == ["\\ud800"]
    assert writable("café 🎉") == "café 🎉"
