"""Persistent agents per domain: each remembers, keeps its own record, and graduates when the record is good enough.

A domain always has one agent in training that takes its interactions. When it graduates it stays as the domain's
expert with what it knows, and the next agent in training starts from its memory.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from capibara_otel.demo.engines.agent_memory import AgentMemory
from capibara_otel.demo.engines.text import content_words

DOMAINS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "python": content_words(
            "class function decorator generator iterator asyncio typing import exception module method argument object "
            "dataclass lambda python context manager inherit attribute coroutine string"
        ),
        "data": content_words(
            "csv json sqlite parse statistics mean median count sort table row column number decimal sum date time database "
            "query xml compress zip archive list dictionary set"
        ),
        "systems": content_words(
            "process thread socket file directory path signal server http network memory lock queue subprocess permission "
            "log logging select timeout environment shell bash email ssl"
        ),
        "writing": content_words(
            "explain summarise summarize describe write text document rewrite translate sentence paragraph story letter "
            "tutorial compare difference example style"
        ),
    }
)


class AgentStateError(ValueError):
    """A file of saved agents that cannot be read."""


@dataclass(frozen=True, slots=True)
class GraduationRule:
    """When an agent has learnt enough; all three must hold.

    Attributes:
        interactions: how many it has had, at least.
        success_ratio: share of successes among the last `interactions` of them, at least.
        facts: how many facts it remembers, at least.
    """

    interactions: int = 20
    success_ratio: float = 0.8
    facts: int = 3


class Agent:
    """One agent of a domain.

    Args:
        domain: what it is for.
        generation: 1 for the domain's first agent, and so on.
        rule: when it graduates.
        memory: what it starts with; empty by default.
    """

    def __init__(self, domain: str, generation: int, rule: GraduationRule, memory: AgentMemory | None = None) -> None:
        self.domain: Final = domain
        self.generation: Final = generation
        self.memory: Final = memory if memory is not None else AgentMemory()
        self.interactions = 0
        self.successes = 0
        self.graduated = False
        self._rule = rule
        self._recent: deque[bool] = deque(maxlen=rule.interactions)

    @property
    def id(self) -> str:
        """Its name, such as `python-2`; there are few of them."""
        return f"{self.domain}-{self.generation}"

    @property
    def success_ratio(self) -> float:
        """Share of successes among all its interactions, 0 to 1; 0 before the first."""
        return self.successes / self.interactions if self.interactions else 0.0

    @property
    def recent_success_ratio(self) -> float:
        """Share of successes among the interactions that its rule looks at, 0 to 1; 0 before the first."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    def record(self, *, success: bool) -> bool:
        """Count an interaction, and tell whether the agent graduated by it; it does so once."""
        self.interactions += 1
        self.successes += success
        self._recent.append(success)
        if self.graduated or not self.meets_rule():
            return False
        self.graduated = True
        return True

    def meets_rule(self) -> bool:
        """Tell whether its own history and memory fulfil its rule now."""
        return (
            self.interactions >= self._rule.interactions
            and self.recent_success_ratio >= self._rule.success_ratio
            and len(self.memory.facts) >= self._rule.facts
        )

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON types."""
        return {
            "generation": self.generation,
            "interactions": self.interactions,
            "successes": self.successes,
            "graduated": self.graduated,
            "recent": list(self._recent),
            "facts": [[fact.key, fact.text] for fact in self.memory.facts],
        }

    @classmethod
    def from_state(cls, domain: str, state: Mapping[str, Any], rule: GraduationRule) -> Agent:
        """Return the agent that `state()` described."""
        agent = cls(domain, int(state["generation"]), rule)
        agent.interactions = int(state["interactions"])
        agent.successes = int(state["successes"])
        agent.graduated = bool(state["graduated"])
        agent._recent.extend(bool(success) for success in state["recent"])
        agent.memory.restore((str(key), str(text)) for key, text in state["facts"])
        return agent


class AgentRegistry:
    """The agents of every domain.

    Args:
        domains: name of each domain and the words its questions use; the first takes what fits none.
        rule: when an agent graduates.
    """

    def __init__(self, domains: Mapping[str, frozenset[str]] = DOMAINS, rule: GraduationRule | None = None) -> None:
        if not domains:
            raise ValueError("AgentRegistry(domains={}): give it 1 domain or more")
        self._words = dict(domains)
        self._rule = rule if rule is not None else GraduationRule()
        self._agents: dict[str, list[Agent]] = {domain: [Agent(domain, 1, self._rule)] for domain in self._words}

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains, in the order they were given."""
        return tuple(self._words)

    def domain_of(self, question: str) -> str:
        """Return the domain that shares most words with a question; the first of them where several share as many."""
        asked = content_words(question)
        return max(self._words, key=lambda domain: len(asked & self._words[domain]))

    def in_training(self, domain: str) -> Agent:
        """Return the agent that takes a domain's next interaction.

        Raises:
            KeyError: there is no such domain.
        """
        agents = self._agents[domain]
        if agents[-1].graduated:
            memory = AgentMemory()
            memory.restore((fact.key, fact.text) for fact in agents[-1].memory.facts)
            agents.append(Agent(domain, agents[-1].generation + 1, self._rule, memory))
        return agents[-1]

    def agents(self, domain: str | None = None) -> tuple[Agent, ...]:
        """Return a domain's agents, oldest first, or those of all domains."""
        wanted = self.domains if domain is None else (domain,)
        return tuple(agent for name in wanted for agent in self._agents[name])

    def counts(self) -> dict[str, int]:
        """Return how many agents each domain has, graduated ones included."""
        return {domain: len(agents) for domain, agents in self._agents.items()}

    def save(self, path: Path) -> None:
        """Write all agents to a JSON file, so that the next run can go on with them."""
        state = {domain: [agent.state() for agent in agents] for domain, agents in self._agents.items()}
        unfinished = path.with_name(f"{path.name}.new")
        unfinished.write_text(json.dumps(state, indent=1), "utf-8")
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Take the agents of the known domains from a file that `save` wrote.

        Raises:
            AgentStateError: the file is not there or is not what `save` writes; nothing is changed then.
        """
        try:
            state: dict[str, list[dict[str, Any]]] = json.loads(path.read_text("utf-8"))
            loaded = {
                domain: [Agent.from_state(domain, agent, self._rule) for agent in agents]
                for domain, agents in state.items()
                if domain in self._words and agents
            }
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as fault:
            raise AgentStateError(f"{path}: is no file of saved agents ({fault}); delete it to start anew") from fault
        self._agents.update(loaded)
