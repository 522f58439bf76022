"""Context engineering: drafting, judging, merging."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capibara_otel.demo.engines.ace import Bullet, Draft, Playbook, Reflection, curate, generate, reflect
from capibara_otel.demo.engines.passages import Passage
from capibara_otel.demo.engines.text import count_tokens

ZIP = Passage("1", "zipfile.ZipFile", "stdlib", "zipfile.ZipFile\nOpens things. Extract a member from the zip archive.")
CSV = Passage("2", "csv", "stdlib", "Read rows of a csv file.")
QUERY = "How do I extract a zip archive?"


def _reflection(**fields: tuple[str, ...]) -> Reflection:
    found = {"helped": (), "harmed": (), "insights": (), **fields}
    return Reflection(**found, awareness=1.0, tokens_before=0, tokens_after=0)


def test_a_draft_takes_fitting_strategies_and_the_passages_best_sentences() -> None:
    """The playbook's strategy about the query comes first, then where to look and what it says there."""
    playbook = Playbook((Bullet("a", "Check the zip archive before you extract."), Bullet("b", "Never trust csv.")))

    draft = generate(QUERY, playbook, [ZIP, CSV])

    assert [bullet.id for bullet in draft.bullets] == ["a"]
    assert draft.strategies == ("See zipfile.ZipFile: Extract a member from the zip archive.",)
    assert draft.context == f"- {playbook.bullets[0].text}\n- {draft.strategies[0]}"
    assert draft.awareness == 1.0
    assert draft.tokens_before == playbook.tokens + count_tokens([ZIP.text, CSV.text])
    assert draft.tokens_after == count_tokens(draft.context)


def test_awareness_is_the_covered_share_of_the_query() -> None:
    """Half of the content words in the context is one half; no context is nothing."""
    assert generate("zip weather", Playbook(), [ZIP]).awareness == 0.5
    empty = generate("zip", Playbook(), [])
    assert (empty.awareness, empty.context, empty.tokens_after) == (0.0, "", 0)


def test_a_draft_says_nothing_twice_and_keeps_to_its_bound() -> None:
    """Passages that say the same give one line, and lines that do not fit are left out."""
    twin = Passage("3", "zipfile.ZipFile", "docs", ZIP.text)

    assert len(generate(QUERY, Playbook(), [ZIP, twin]).strategies) == 1
    assert generate(QUERY, Playbook((Bullet("a", "zip archive extract"),)), [ZIP], max_tokens=2).context == ""


def test_a_strategy_with_a_better_record_is_preferred() -> None:
    """Among strategies that fit alike the one that helped more is taken."""
    playbook = Playbook((Bullet("a", "zip slowly"), Bullet("b", "zip quickly", helpful=2), Bullet("c", "csv")))

    assert [bullet.id for bullet in playbook.select("zip", 2)] == ["b", "a"]


def _draft() -> Draft:
    return generate(QUERY, Playbook((Bullet("a", "Check the zip archive before."),)), [ZIP])


def test_a_good_answer_credits_what_is_in_it() -> None:
    """Lines whose words the answer took up helped and are kept; others are not."""
    reflection = reflect(_draft(), "Check the archive, then extract a member from the zip with zipfile.ZipFile.")

    assert (reflection.helped, reflection.harmed) == (("a",), ())
    assert reflection.insights == ("See zipfile.ZipFile: Extract a member from the zip archive.",)
    assert reflection.awareness == 1.0
    assert reflection.tokens_after == count_tokens(reflection.insights)
    nothing = reflect(_draft(), "Buy milk.")
    assert (nothing.helped, nothing.insights, nothing.awareness) == ((), (), 0.0)


def test_a_bad_answer_blames_what_is_in_it_and_keeps_the_fault() -> None:
    """The strategy that was followed harmed; the fault becomes a warning about the query's subject."""
    reflection = reflect(_draft(), "Check the zip archive before", fault="KeyError:\n 'x'")

    assert (reflection.helped, reflection.harmed) == ((), ("a",))
    assert reflection.insights == ("Asked about archive, extract, zip: guard against KeyError: 'x'.",)


def test_curating_adds_updates_and_removes() -> None:
    """Records change, what harmed twice more than it helped leaves, new insights come in."""
    playbook = Playbook((Bullet("a", "zip"), Bullet("b", "csv", harmful=1), Bullet("c", "json")))

    curation = curate(playbook, _reflection(helped=("a", "gone"), harmed=("b",), insights=("Use pathlib for paths.",)))

    assert curation.removed == ("b",)
    assert curation.updated == ("a",)
    (added,) = curation.added
    assert curation.playbook.bullets == (
        Bullet("a", "zip", 1),
        Bullet("c", "json"),
        Bullet(added, "Use pathlib for paths."),
    )
    assert (curation.tokens_before, curation.tokens_after) == (playbook.tokens, curation.playbook.tokens)
    assert curation.awareness == 1.0
    assert len(playbook.bullets) == 3


def test_what_says_the_same_is_merged() -> None:
    """A near copy counts as help for the strategy there, and the shorter wording stays."""
    playbook = Playbook((Bullet("a", "Extract the member from the whole zip archive now"),))

    curation = curate(playbook, _reflection(insights=("Extract a member from the zip archive",)))

    assert curation.playbook.bullets == (Bullet("a", "Extract a member from the zip archive", helpful=1),)
    assert (curation.added, curation.updated) == ((), ("a",))


def test_over_the_bound_the_worst_leave() -> None:
    """Room is made by strategies with the worst record, oldest first, and what was learnt but lost shows."""
    playbook = Playbook((Bullet("a", "one two"), Bullet("b", "three four", helpful=3), Bullet("c", "five six")))

    curation = curate(playbook, _reflection(insights=("seven eight",)), max_tokens=4)

    assert [bullet.text for bullet in curation.playbook.bullets] == ["three four", "seven eight"]
    assert curation.removed == ("a", "c")
    assert curate(playbook, _reflection(insights=("seven eight",)), max_tokens=0).awareness == 0.0
    assert curate(Playbook(), _reflection()).awareness == 1.0


@given(
    st.lists(st.tuples(st.text("abcde ", max_size=20), st.booleans()), max_size=25),
    st.integers(0, 30),
)
def test_a_playbook_stays_within_its_bound_and_has_no_doubles(rounds: list[tuple[str, bool]], bound: int) -> None:
    """Whatever is learnt: the bound holds, ids are unique, and the lists account for every difference."""
    playbook = Playbook()
    for text, good in rounds:
        draft = generate(text, playbook, [Passage("p", "t", "docs", text)])
        curation = curate(playbook, reflect(draft, text, fault=None if good else text), max_tokens=bound)
        before = {bullet.id for bullet in playbook.bullets}
        after = [bullet.id for bullet in curation.playbook.bullets]
        assert curation.playbook.tokens <= bound
        assert len(after) == len(set(after))
        assert set(after) == (before - set(curation.removed)) | set(curation.added)
        assert 0 <= curation.awareness <= 1
        playbook = curation.playbook


@pytest.mark.parametrize("fault", [None, "ValueError"])
def test_learning_changes_the_next_draft(fault: str | None) -> None:
    """What one query taught is in the context of the next one like it."""
    draft = generate(QUERY, Playbook(), [ZIP])
    playbook = curate(Playbook(), reflect(draft, draft.context, fault=fault)).playbook

    following = generate("extract another zip archive", playbook, [])

    assert len(following.bullets) == 1
    assert ("guard against ValueError" in following.context) == (fault is not None)
