"""The local model server, asked by the official client over loopback."""

from __future__ import annotations

import contextlib
import math
import operator
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from openai.types.chat import ChatCompletionMessageParam
from openai.types.chat.chat_completion_chunk import Choice

from capibara_otel.demo.engines.model_profiles import CHAT_MODELS, FaultShares, Incident, Latency
from capibara_otel.demo.engines.model_server import create_model_server
from capibara_otel.demo.engines.text import count_tokens

RELIABLE = FaultShares()
CONTEXT = "A capybara lives near water. It eats grass. " + "Zip archives hold files that were compressed. " * 30
QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": CONTEXT},
    {"role": "user", "content": "What does the capybara eat, grass?"},
]


@contextlib.contextmanager
def _served(**settings: Any) -> Iterator[str]:
    """Serve the app on a free port and yield its base URL."""
    app = create_model_server(**{"faults": RELIABLE, "time_scale": 0.0, **settings})
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


@contextlib.contextmanager
def _client(url: str, retries: int = 0) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=retries, timeout=10) as client:
        yield client


@pytest.fixture(name="client", scope="module")
def _shared_client() -> Iterator[openai.OpenAI]:
    with _served() as url, _client(url) as client:
        yield client


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    """Chat and embedding models are all there, and can be chosen by name."""
    models = {model.id for model in client.models.list()}

    assert {*CHAT_MODELS, "text-embedding-3-small"} == models


def test_a_chat_is_answered_from_its_context_with_usage(client: openai.OpenAI) -> None:
    """The reply quotes the prompt; the counted tokens are those of prompt and reply."""
    found = client.chat.completions.create(model="capibara6-20b", messages=QUESTION, user="u_1", temperature=0.2)

    (choice,) = found.choices
    assert choice.message.content == "A capybara lives near water. It eats grass."
    assert (choice.finish_reason, found.model, found.object) == ("stop", "capibara6-20b", "chat.completion")
    assert abs(found.created - time.time()) < 60
    assert found.usage is not None
    assert found.usage.completion_tokens == count_tokens(choice.message.content)
    assert found.usage.prompt_tokens == count_tokens([CONTEXT, "What does the capybara eat, grass?"]) + 2 + 2 * 4
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


def test_a_stream_brings_the_same_in_pieces_and_then_the_usage(client: openai.OpenAI) -> None:
    """The pieces make up the whole reply, one finish reason ends it, and the usage comes last if asked for."""
    chunks = list(
        client.chat.completions.create(
            model="gpt-5-mini", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )

    *pieces, last = chunks
    whole = client.chat.completions.create(model="gpt-5-mini", messages=QUESTION)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert text == whole.choices[0].message.content
    assert len(pieces) >= 4
    assert [piece.choices[0].finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert last.choices == []
    assert last.usage is not None
    assert whole.usage is not None
    assert last.usage.completion_tokens == whole.usage.completion_tokens
    assert all(piece.usage is None for piece in pieces)


def test_a_stream_without_usage_has_none(client: openai.OpenAI) -> None:
    """Usage is only sent to those who asked."""
    chunks = list(client.chat.completions.create(model="gpt-5-nano", messages=QUESTION, stream=True))

    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_events_are_openais_own() -> None:
    """On the wire each event is one `data:` line with a blank one after it, and `[DONE]` is the last."""
    body = {"model": "gpt-5-nano", "messages": QUESTION, "stream": True}
    with _served() as url, httpx.Client() as client:
        response = client.post(f"{url}/chat/completions", json=body)

    assert response.headers["content-type"].startswith("text/event-stream")
    events = response.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: {") for event in events[:-2])


def test_a_bound_cuts_the_reply(client: openai.OpenAI) -> None:
    """No more tokens than asked for, and the reason is `length`; hidden reasoning counts against the bound."""
    found = client.chat.completions.create(model="capibara6-20b", messages=QUESTION, max_completion_tokens=4)
    old_name = client.chat.completions.create(model="capibara6-20b", messages=QUESTION, max_tokens=4)
    thinking = client.chat.completions.create(model="gpt-5", messages=QUESTION, max_completion_tokens=30)

    assert found.choices[0].finish_reason == old_name.choices[0].finish_reason == "length"
    assert found.choices[0].message.content == old_name.choices[0].message.content == "A capybara lives"
    assert found.usage is not None
    assert found.usage.completion_tokens == 4
    assert (thinking.choices[0].message.content, thinking.choices[0].finish_reason) == ("", "length")
    assert thinking.usage is not None
    assert thinking.usage.completion_tokens == 30


def test_reasoning_models_count_hidden_tokens(client: openai.OpenAI) -> None:
    """They are part of the completion's tokens, in steps of 64, more with more effort, and none elsewhere."""

    def reasoning(model: str, effort: Any = openai.omit) -> int:
        found = client.chat.completions.create(model=model, messages=QUESTION, reasoning_effort=effort)
        assert found.usage is not None
        assert found.usage.completion_tokens_details is not None
        hidden = found.usage.completion_tokens_details.reasoning_tokens
        assert hidden is not None
        assert found.usage.completion_tokens == hidden + count_tokens(found.choices[0].message.content or "")
        return hidden

    assert reasoning("capibara6-20b") == 0
    assert reasoning("gpt-5", "minimal") == 0
    assert 0 < reasoning("gpt-5-mini") < reasoning("gpt-5") < reasoning("gpt-5", "high")
    assert reasoning("gpt-5") % 64 == 0


def test_a_repeated_beginning_counts_as_cached() -> None:
    """The first request of a kind has no cached tokens; another question after the same context has most."""
    with _served() as url, _client(url) as client:
        cached = []
        for question in ("What does it eat?", "Where does it live?"):
            messages: list[ChatCompletionMessageParam] = [QUESTION[0], {"role": "user", "content": question}]
            usage = client.chat.completions.create(model="gpt-5-nano", messages=messages).usage
            assert usage is not None
            assert usage.prompt_tokens_details is not None
            cached.append(usage.prompt_tokens_details.cached_tokens or 0)
            assert cached[-1] < usage.prompt_tokens

    assert cached[0] == 0
    assert cached[1] >= count_tokens(CONTEXT) - 32


def test_a_refused_request_leaves_nothing_in_the_prompt_cache() -> None:
    """What the model never read cannot be cached; the first request that gets through is new."""
    now = [0.0]
    incidents = [Incident("gpt-5-nano", 0.0, 1.0, FaultShares(unavailable=1.0))]
    with _served(incidents=incidents, clock=lambda: now[0]) as url, _client(url) as client:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="gpt-5-nano", messages=QUESTION)
        now[0] = 2.0
        usage = client.chat.completions.create(model="gpt-5-nano", messages=QUESTION).usage

    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 0


def test_content_parts_are_read(client: openai.OpenAI) -> None:
    """Text parts are joined, others are ignored, and so is a message without content."""
    found = client.chat.completions.create(
        model="gpt-5-nano",
        messages=[
            {"role": "assistant", "content": None},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Grass is green.\n"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "text", "text": "Question: what is green?"},
                ],
            },
        ],
    )

    assert found.choices[0].message.content == "Grass is green."


def test_code_is_written_on_request(client: openai.OpenAI) -> None:
    """A request for code is answered with one fenced Python program about its numbers."""
    found = client.chat.completions.create(
        model="gpt-5-mini", messages=[{"role": "user", "content": "Write Python code for the sum of 3 and 4"}]
    )

    assert (found.choices[0].message.content or "").count("```") == 2


def test_embeddings_are_unit_vectors_that_know_likeness(client: openai.OpenAI) -> None:
    """Texts that share words are nearer than those that share none; equal texts are equal; tokens are counted."""
    texts = ["open a zip archive", "extract the zip archive", "green grass", "open a zip archive"]

    found = client.embeddings.create(model="text-embedding-3-small", input=texts)

    vectors = [entry.embedding for entry in found.data]
    assert [entry.index for entry in found.data] == [0, 1, 2, 3]
    assert all(len(vector) == 256 and math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-5) for vector in vectors)
    likeness = [sum(map(operator.mul, vectors[0], other)) for other in vectors]
    assert likeness[1] > 0.5 > likeness[2]
    assert vectors[0] == vectors[3]
    assert found.usage.prompt_tokens == found.usage.total_tokens == count_tokens(texts)


def test_embeddings_come_as_floats_or_base64_and_as_long_as_asked_for(client: openai.OpenAI) -> None:
    """Both encodings give the same numbers, up to their precision; an empty text has a vector too."""
    plain = client.embeddings.create(
        model="text-embedding-3-small", input="zip archive", encoding_format="float", dimensions=8
    )
    packed = client.embeddings.create(model="text-embedding-3-small", input="zip archive", dimensions=8)
    empty = client.embeddings.create(model="text-embedding-3-small", input="")

    assert len(plain.data[0].embedding) == 8
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)
    assert math.isclose(math.hypot(*empty.data[0].embedding), 1.0, rel_tol=1e-5)


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    """The error is OpenAI's, and names the models there are."""
    with pytest.raises(openai.NotFoundError, match="this server has gpt-5-nano") as caught:
        client.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert (caught.value.code, caught.value.param, caught.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    with pytest.raises(openai.NotFoundError, match="text-embedding-3-small"):
        client.embeddings.create(model="gpt-5", input="x")


def test_a_wrong_request_tells_all_its_faults(client: openai.OpenAI) -> None:
    """400 in OpenAI's shape, with every field that is wrong."""
    with pytest.raises(openai.BadRequestError, match=r"messages: .*max_completion_tokens: ") as caught:
        client.chat.completions.create(model="gpt-5", messages=[], max_completion_tokens=0)
    assert (caught.value.param, caught.value.type) == ("messages", "invalid_request_error")


@pytest.mark.parametrize(
    ("share", "error", "code"),
    [
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("server_error", openai.InternalServerError, None),
        ("unavailable", openai.InternalServerError, None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_failures_are_openais_errors(
    share: str, error: type[openai.APIStatusError], code: str | None, *, stream: bool
) -> None:
    """429 with retry-after, 500 and 503 reach the client as its own exceptions, for chats, streams and embeddings."""
    with _served(faults=FaultShares(**{share: 1.0}), retry_after_s=0.25) as url, _client(url) as client:
        with pytest.raises(error) as caught:
            client.chat.completions.create(model="gpt-5-nano", messages=QUESTION, stream=stream)
        with pytest.raises(error):
            client.embeddings.create(model="text-embedding-3-small", input="x")

    status = {"rate_limit": 429, "server_error": 500, "unavailable": 503}[share]
    assert (caught.value.status_code, caught.value.code) == (status, code)
    headers = caught.value.response.headers
    assert (headers.get("retry-after"), headers.get("retry-after-ms")) == (
        ("1", "250") if share == "rate_limit" else (None, None)
    )


def test_a_stream_can_break_in_the_middle() -> None:
    """Some pieces come, then the connection ends without finish reason."""
    pieces: list[Choice] = []
    with _served(faults=FaultShares(cut=1.0)) as url, _client(url) as client:
        stream = client.chat.completions.create(model="gpt-5-nano", messages=QUESTION, stream=True)
        with pytest.raises((httpx.RemoteProtocolError, openai.APIConnectionError)):
            pieces.extend(chunk.choices[0] for chunk in stream)

    assert "".join(piece.delta.content or "" for piece in pieces)
    assert all(piece.finish_reason is None for piece in pieces)


def test_a_whole_reply_can_break_in_the_middle() -> None:
    """Without streaming a cut connection is a connection error."""
    with (
        _served(faults=FaultShares(cut=1.0)) as url,
        _client(url) as client,
        pytest.raises((httpx.RemoteProtocolError, openai.APIConnectionError)),
    ):
        client.chat.completions.create(model="gpt-5-nano", messages=QUESTION)


def test_retrying_gets_through() -> None:
    """A request that failed does not fail for ever: the client's own retries succeed."""
    with _served(faults=FaultShares(rate_limit=0.3, server_error=0.2), retry_after_s=0.01) as url:
        with _client(url) as client, pytest.raises(openai.APIStatusError):  # noqa: PT012 - one of twenty fails
            for _ in range(20):
                client.embeddings.create(model="text-embedding-3-small", input="same")
        with _client(url, retries=8) as client:
            assert client.embeddings.create(model="text-embedding-3-small", input="same").data


def test_an_incident_hits_its_model_in_its_time() -> None:
    """Within its time the named model fails and others do not; before and after all is well."""
    now = [1000.0]

    def works(client: openai.OpenAI, model: str) -> bool:
        try:
            client.chat.completions.create(model=model, messages=QUESTION)
        except openai.InternalServerError:
            return False
        return True

    incidents = [Incident("gpt-5-nano", 10.0, 20.0, FaultShares(unavailable=1.0))]
    with _served(incidents=incidents, clock=lambda: now[0]) as url, _client(url) as client:
        for elapsed, fine in ((9.0, True), (10.0, False), (19.0, False), (20.0, True)):
            now[0] = 1000.0 + elapsed
            assert works(client, "gpt-5-nano") == fine
            assert works(client, "gpt-5-mini")


def test_one_seed_gives_the_same_in_any_order() -> None:
    """Which requests fail depends on seed, request and its repetition, not on what others ask meanwhile."""

    def outcomes(seed: int, order: list[int]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        with _served(seed=seed, faults=FaultShares(server_error=0.5)) as url, httpx.Client() as client:
            for number in order * 2:
                body = {"model": "text-embedding-3-small", "input": f"text {number}"}
                found.setdefault(number, []).append(client.post(f"{url}/embeddings", json=body).status_code)
        return found

    forwards = outcomes(3, list(range(20)))
    assert outcomes(3, list(reversed(range(20)))) == forwards
    assert outcomes(4, list(range(20))) != forwards
    assert {status for statuses in forwards.values() for status in statuses} == {200, 500}


def test_an_answer_takes_its_time() -> None:
    """The first piece comes after the model's first-token time, and the whole takes longer than that."""
    with _served(time_scale=1.0, seed=1) as url, _client(url) as client:
        began = time.perf_counter()
        stream = client.chat.completions.create(model="gpt-5", messages=QUESTION, stream=True)
        next(stream)
        first = time.perf_counter() - began
        for _ in stream:
            pass
        whole = time.perf_counter() - began

    assert 0.01 < first < whole


def test_latency_is_log_normal_about_its_median() -> None:
    """Half of the samples are below the median, a few are much above, none is over the bound."""
    latency = Latency(0.1, 0.5)
    samples = [latency.sample(Random(seed)) for seed in range(4000)]

    assert 0.095 < statistics.median(samples) < 0.105
    assert 0.28 < statistics.quantiles(samples, n=100)[98] < 0.36
    assert Latency(4.0, 9.0).sample(Random(1)) <= 5.0


def test_shares_of_faults_are_checked_and_met() -> None:
    """Each from 0 to 1 and 1 together at most; drawn often, each comes as often as it should."""
    with pytest.raises(ValueError, match=r"rate_limit=-1: .*; cut=2: "):
        FaultShares(rate_limit=-1, cut=2)
    with pytest.raises(ValueError, match=r"all together are 1\.2"):
        FaultShares(rate_limit=0.6, cut=0.6)
    random = Random(1)
    shares = FaultShares(rate_limit=0.1, cut=0.3)
    drawn = [shares.draw(random) for _ in range(5000)]
    assert 0.08 < drawn.count("rate_limit") / 5000 < 0.12
    assert 0.27 < drawn.count("cut") / 5000 < 0.33
    assert drawn.count("server_error") == 0
