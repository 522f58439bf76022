"""From a question to an answer: agent, cache, route, search, context, model, sandbox, lesson."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import capibara_otel as cap
from capibara_otel.demo.backend.knowledge import Knowledge
from capibara_otel.demo.backend.models import Models, ModelUnavailableError
from capibara_otel.demo.backend.runner import Runner, code_in
from capibara_otel.demo.engines import ace
from capibara_otel.demo.engines.agents import Agent, AgentRegistry, GraduationRule
from capibara_otel.demo.engines.cache import Outcome, TtlLruCache
from capibara_otel.demo.engines.passages import Passage
from capibara_otel.demo.engines.router import Decision, ModelHealth, ModelOption, Router

_MODELS: Final = (
    ModelOption("gpt-5-nano", strength=0.15, price=0.05),
    ModelOption("capibara6-20b", strength=0.4, price=0.1),
    ModelOption("gpt-5-mini", strength=0.6, price=0.3),
    ModelOption("gpt-5", strength=0.95, price=1.0),
)
_WANTS_CODE: Final = re.compile(r"\b(write|python program|bash script|code)\b", re.IGNORECASE)
_SYSTEM: Final = "You are a careful assistant. Answer from the context only.\n"
_CODE_SYSTEM: Final = "You are a programmer. Reply with one fenced code block.\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the user gets."""

    answer: str
    model: str
    domain: str
    cached: bool
    sources: tuple[str, ...] = ()
    output: str = ""
    fault: str = ""


class Mind:
    """Answers questions and learns from them.

    Args:
        models: language models.
        knowledge: texts.
        runner: sandboxes.
    """

    def __init__(self, models: Models, knowledge: Knowledge, runner: Runner) -> None:
        self._models = models
        self._knowledge = knowledge
        self._runner = runner
        self._router = Router(_MODELS, health=lambda: ModelHealth(window_s=8, min_calls=4, max_error_rate=0.3))
        self._agents = AgentRegistry(rule=GraduationRule(interactions=10, success_ratio=0.7, facts=3))
        self._answers: TtlLruCache[str, Reply] = TtlLruCache(max_entries=48, ttl_s=15)
        self._evicted = 0
        self._playbook = ace.Playbook()
        for domain, count in self._agents.counts().items():
            cap.agents.active(domain=domain, count=count)

    @property
    def domains(self) -> tuple[str, ...]:
        """The fields there are agents for."""
        return self._agents.domains

    def agents(self, domain: str) -> tuple[Agent, ...]:
        """Return a domain's agents.

        Raises:
            KeyError: there is no such domain.
        """
        return self._agents.agents(domain)

    @staticmethod
    def kind(question: str) -> str:
        """Return the kind of a question."""
        return "code" if _WANTS_CODE.search(question) else "question"

    async def answer(self, question: str) -> tuple[Reply, ace.Draft | None]:
        """Answer a question; the draft is what `learn` needs, None for a cached answer.

        Raises:
            ModelUnavailableError: no model answered.
        """
        domain = self._agents.domain_of(question)
        agent = self._agents.in_training(domain)
        with cap.agents.interaction(domain=domain, agent_id=agent.id, agent_name=f"{domain} agent") as interaction:
            cached = self._look_up(question)
            interaction.step()
            if cached is not None:
                return cached, None
            reply, draft = await self._work(question, agent)
            interaction.step(3)
            self._remember(question, reply, agent)
            interaction.memory(size=agent.memory.size_bytes, entries=len(agent.memory.facts))
            if reply.fault:
                interaction.fail("bad_answer")
        self._graduate(agent, success=not reply.fault)
        self._keep(question, reply)
        return reply, draft

    async def stream(self, question: str) -> AsyncIterator[str]:
        """Answer a question piece by piece."""
        decision = self._decide(question)
        hits = await self._knowledge.search(question, top_k=4)
        draft = self._generate(question, [hit.passage for hit in hits])
        try:
            async for piece in self._models.tell(decision.model, _SYSTEM + draft.context, question):
                yield piece
        except ModelUnavailableError:
            self._router.report(decision.model, ok=False)
            raise
        self._router.report(decision.model, ok=True)

    def learn(self, draft: ace.Draft, reply: Reply) -> None:
        """Reflect on an answer and curate the playbook by it."""
        with cap.ace.cycle(component="reflector") as cycle:
            reflection = ace.reflect(draft, reply.answer, fault=reply.fault or None)
            cycle.aware(reflection.awareness)
            cycle.tokens(reflection.tokens_before, reflection.tokens_after)
        with cap.ace.cycle(component="curator") as cycle:
            curation = ace.curate(self._playbook, reflection, max_tokens=600)
            cycle.aware(curation.awareness)
            cycle.tokens(curation.tokens_before, curation.tokens_after)
        self._playbook = curation.playbook
        cap.ace.playbook(
            entries=len(self._playbook.bullets),
            added=len(curation.added),
            updated=len(curation.updated),
            removed=len(curation.removed),
        )

    async def _work(self, question: str, agent: Agent) -> tuple[Reply, ace.Draft]:
        decision = self._decide(question)
        with cap.agents.memory("read", domain=agent.domain, agent_id=agent.id) as memory:
            facts = agent.memory.read(question)
            memory.touched(len(facts))
        hits = await self._knowledge.search(question)
        draft = self._generate(question, [hit.passage for hit in hits])
        wants_code = self.kind(question) == "code"
        system = _CODE_SYSTEM if wants_code else _SYSTEM
        notes = "\n".join(fact.text for fact in facts)
        try:
            answer = await self._models.ask(decision.model, f"{system}{draft.context}\n{notes}", question)
        except ModelUnavailableError:
            self._router.report(decision.model, ok=False)
            raise
        self._router.report(decision.model, ok=True)
        output = fault = ""
        program = code_in(answer.text) if wants_code else None
        if program is not None:
            result = await self._runner.run(*program)
            output = result.stdout[:2000]
            if not result.succeeded:
                fault = "timed out" if result.timed_out else (result.stderr.strip().splitlines() or ["failed"])[-1]
        elif not hits:
            fault = "nothing was found"
        return (
            Reply(
                answer=answer.text,
                model=answer.model,
                domain=agent.domain,
                cached=False,
                sources=tuple(hit.passage.title for hit in hits[:3]),
                output=output,
                fault=fault,
            ),
            draft,
        )

    def _decide(self, question: str) -> Decision:
        with cap.routing.decide(query_type=self.kind(question)) as deciding:
            decision = self._router.decide(question)
            deciding.chose(
                decision.model,
                complexity=decision.complexity,
                confidence=decision.confidence,
                over=[name for name, _ in decision.alternatives],
                instead_of=decision.fallback_from,
                reason="unhealthy" if decision.fallback_from else None,
            )
        return decision

    def _generate(self, question: str, passages: list[Passage]) -> ace.Draft:
        with cap.ace.cycle(component="generator") as cycle:
            draft = ace.generate(question, self._playbook, passages, max_tokens=220)
            cycle.aware(draft.awareness)
            cycle.tokens(draft.tokens_before, draft.tokens_after)
        with cap.optimizations.apply("context_compression") as compression:
            if draft.tokens_before:
                compression.improved(1 - draft.tokens_after / draft.tokens_before)
        return draft

    def _look_up(self, question: str) -> Reply | None:
        with cap.optimizations.cache("answers") as lookup:
            found = self._answers.get(_key(question))
            if found.outcome is Outcome.HIT and found.value is not None:
                lookup.hit()
                value = found.value
                return Reply(value.answer, value.model, value.domain, cached=True, sources=value.sources)
            if found.outcome is Outcome.STALE:
                lookup.stale()
            else:
                lookup.miss()
        return None

    def _keep(self, question: str, reply: Reply) -> None:
        if not reply.fault:
            self._answers.put(_key(question), reply)
        stats = self._answers.stats()
        cap.optimizations.cache_state("answers", entries=stats.entries, evicted=stats.evictions - self._evicted)
        self._evicted = stats.evictions

    @staticmethod
    def _remember(question: str, reply: Reply, agent: Agent) -> None:
        with cap.agents.memory("write", domain=agent.domain, agent_id=agent.id) as memory:
            forgotten = agent.memory.write(_key(question)[:80], reply.answer[:400])
            memory.touched(1)
        if forgotten:
            with cap.agents.memory("delete", domain=agent.domain, agent_id=agent.id) as memory:
                memory.touched(len(forgotten))

    def _graduate(self, agent: Agent, *, success: bool) -> None:
        with_score = agent.recent_success_ratio
        if agent.record(success=success):
            with cap.agents.graduate(domain=agent.domain, agent_id=agent.id) as graduation:
                graduation.graduated(agent.recent_success_ratio)
            self._agents.in_training(agent.domain)
            cap.agents.active(domain=agent.domain, count=self._agents.counts()[agent.domain])
        elif agent.interactions % 10 == 0 and not agent.graduated:
            with cap.agents.graduate(domain=agent.domain, agent_id=agent.id) as graduation:
                graduation.failed(with_score)


def _key(question: str) -> str:
    return " ".join(question.lower().split())
