"""Agents: memory within a bound, their own record, graduation, persistence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.demo.engines.agent_memory import AgentMemory, FactTooLargeError
from capibara_otel.demo.engines.agents import Agent, AgentRegistry, AgentStateError, GraduationRule

RULE = GraduationRule(interactions=4, success_ratio=0.75, facts=1)


def test_memory_forgets_what_was_not_used_for_longest() -> None:
    """Reading a fact keeps it; writing past the bound tells what had to go."""
    memory = AgentMemory(max_bytes=30)
    memory.write("zip", "archive")
    memory.write("csv", "table")
    assert [fact.key for fact in memory.read("open a zip archive")] == ["zip"]

    forgotten = memory.write("json", "text here")

    assert [fact.key for fact in forgotten] == ["csv"]
    assert [fact.key for fact in memory.facts] == ["zip", "json"]
    assert memory.size_bytes == len("ziparchive") + len("jsontext here")


def test_memory_reads_what_covers_most_of_the_question() -> None:
    """Facts that share no word are left out, better ones come first, and the limit holds."""
    memory = AgentMemory()
    memory.write("a", "zip files")
    memory.write("b", "extract a zip archive")
    memory.write("c", "weather")

    assert [fact.key for fact in memory.read("extract the zip archive", limit=2)] == ["b", "a"]
    assert memory.read("the of") == ()
    assert [fact.key for fact in memory.read("zip archive", limit=1)] == ["b"]


def test_writing_a_key_again_replaces_and_forgetting_gives_room() -> None:
    """Sizes are in bytes of UTF-8, and follow each change."""
    memory = AgentMemory()
    memory.write("k", "año")
    assert memory.size_bytes == 5
    memory.write("k", "x")
    assert memory.size_bytes == 2
    assert memory.forget("k")
    assert not memory.forget("k")
    assert memory.size_bytes == 0


def test_a_fact_larger_than_the_memory_is_refused_and_nothing_is_lost() -> None:
    """The error tells both sizes; what was known stays."""
    memory = AgentMemory(max_bytes=10)
    memory.write("a", "b")

    with pytest.raises(FactTooLargeError, match="takes 21 bytes, the memory holds 10"):
        memory.write("a", "x" * 20)
    assert [fact.text for fact in memory.facts] == ["b"]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.text(max_size=12)), max_size=40))
def test_the_bound_holds_and_the_size_is_the_sum(writes: list[tuple[str, str]]) -> None:
    """After any writes the size is that of the facts, within the bound, and the last fact is there."""
    memory = AgentMemory(max_bytes=64)
    for key, text in writes:
        memory.write(key, text)
        assert memory.size_bytes == sum(fact.size_bytes for fact in memory.facts) <= 64
        assert memory.facts[-1].key == key


def test_an_agent_graduates_by_its_own_record_and_once() -> None:
    """Enough interactions, enough successes among the last of them, enough known: then, and only at that moment."""
    agent = Agent("data", 1, RULE)

    assert [agent.record(success=success) for success in (True, False, True, False, True, True)] == [False] * 6
    assert agent.recent_success_ratio == 0.75
    assert not agent.meets_rule()
    agent.memory.write("fact", "known")
    assert agent.record(success=True)
    assert agent.graduated
    assert not agent.record(success=True)
    assert (agent.interactions, agent.successes, agent.success_ratio) == (8, 6, 0.75)


def test_failures_keep_an_agent_from_graduating() -> None:
    """However many interactions, a low share of recent successes is not enough."""
    agent = Agent("data", 1, RULE)
    agent.memory.write("fact", "known")

    assert not any(agent.record(success=number % 2 == 0) for number in range(50))


def test_a_new_agent_has_no_ratio() -> None:
    """Before the first interaction the ratios are 0, not a division by zero."""
    agent = Agent("data", 3, RULE)

    assert (agent.id, agent.success_ratio, agent.recent_success_ratio) == ("data-3", 0.0, 0.0)


def test_the_next_agent_in_training_starts_from_the_graduates_memory() -> None:
    """A domain keeps its experts; the successor knows their facts but has its own record."""
    registry = AgentRegistry(rule=RULE)
    first = registry.in_training("python")
    first.memory.write("gil", "one thread at a time")
    for _ in range(4):
        first.record(success=True)

    second = registry.in_training("python")

    assert first.graduated
    assert (second.id, second.interactions) == ("python-2", 0)
    assert [fact.key for fact in second.memory.facts] == ["gil"]
    second.memory.forget("gil")
    assert [fact.key for fact in first.memory.facts] == ["gil"]
    assert registry.in_training("python") is second
    assert registry.counts() == {"python": 2, "data": 1, "systems": 1, "writing": 1}
    assert [agent.id for agent in registry.agents("python")] == ["python-1", "python-2"]
    assert len(registry.agents()) == 5


@pytest.mark.parametrize(
    ("question", "domain"),
    [
        ("How does a decorator change a function?", "python"),
        ("Compute the median of a csv column", "data"),
        ("Send a signal to another process over a socket", "systems"),
        ("Summarise this text in one paragraph", "writing"),
        ("xyzzy", "python"),
    ],
)
def test_a_question_goes_to_the_domain_that_shares_its_words(question: str, domain: str) -> None:
    """Vocabulary decides; what fits none goes to the first domain."""
    assert AgentRegistry().domain_of(question) == domain


def test_agents_persist(tmp_path: Path) -> None:
    """Saving and loading brings back records, memories in order of use, and who graduated."""
    registry = AgentRegistry(rule=RULE)
    agent = registry.in_training("data")
    agent.memory.write("b", "2")
    agent.memory.write("a", "1")
    for success in (True, True, False, True):
        agent.record(success=success)
    registry.in_training("data").record(success=False)
    registry.save(tmp_path / "agents.json")

    restored = AgentRegistry(rule=RULE)
    restored.load(tmp_path / "agents.json")

    assert [found.state() for found in restored.agents()] == [known.state() for known in registry.agents()]
    assert restored.agents("data")[0].graduated
    assert [entry.name for entry in tmp_path.iterdir()] == ["agents.json"]


def test_domains_that_are_no_more_are_left_out(tmp_path: Path) -> None:
    """A file with other domains does not bring them back, and missing ones start anew."""
    AgentRegistry().save(tmp_path / "agents.json")
    registry = AgentRegistry({"data": frozenset(), "law": frozenset()}, RULE)

    registry.load(tmp_path / "agents.json")

    assert registry.domains == ("data", "law")
    assert registry.counts() == {"data": 1, "law": 1}


@pytest.mark.parametrize(
    "content", ["", "[]", '{"data": [{"generation": "x"}]}', '{"data": 3}', json.dumps({"data": [[]]})]
)
def test_a_file_of_something_else_is_told_and_changes_nothing(tmp_path: Path, content: str) -> None:
    """Broken, foreign and missing files name the file and what to do."""
    registry = AgentRegistry(rule=RULE)
    registry.in_training("data").record(success=True)
    (tmp_path / "agents.json").write_text(content)

    with pytest.raises(AgentStateError, match=r"agents\.json: is no file of saved agents .* delete it"):
        registry.load(tmp_path / "agents.json")
    with pytest.raises(AgentStateError):
        registry.load(tmp_path / "missing.json")
    assert registry.agents("data")[0].interactions == 1


def test_a_registry_without_domains_is_refused() -> None:
    """There must be someone to take a question."""
    with pytest.raises(ValueError, match="1 domain or more"):
        AgentRegistry({})
