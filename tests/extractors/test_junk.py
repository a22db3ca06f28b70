"""What the rules would say of a turn, and must not: fewer memories, and right."""

from datetime import UTC, datetime

import pytest

from memcli.extractors.offline import extractor
from memcli.extractors.offline.dates import mentions, resolved
from memcli.extractors.offline.extractor import OfflineExtractor
from memcli.models import Message, Role, Thread, ThreadPart

SAID = datetime(2026, 8, 29, 9, 0, tzinfo=UTC)  # a Saturday


def kept(*said: str | tuple[Role, str], name: str | None = None) -> list[str]:
    """What is above the default of the turns of a thread; a bare text is a person's."""
    turns: list[tuple[Role, str]] = [
        ("user", x) if isinstance(x, str) else x for x in said
    ]
    part = [
        Message(f"k{i}", "t", f"m{i}", role, text, SAID, name)
        for i, (role, text) in enumerate(turns)
    ]
    form = "whatsapp" if name else "generic"
    thread = Thread("t", form, {}, SAID, SAID, len(part), len(part))
    found = OfflineExtractor().extract(ThreadPart(thread, (), tuple(part))).candidates
    return [c.text for c in found if c.confidence >= 0.6]


def believe(monkeypatch: pytest.MonkeyPatch, probability: float) -> None:
    def worth(messages: tuple[Message, ...], vectors: object) -> list[float]:
        return [probability] * len(messages)

    monkeypatch.setattr(extractor, "worth", worth)


LONG = (
    "I'm a solicitor in Leeds. Write me a list of twenty names for a newsletter on law."
)


@pytest.mark.parametrize(
    ("said", "probability", "count"),
    [
        (LONG, 0.19, 0),
        (LONG, 0.2, 1),
        ("I'm a solicitor in Leeds.", 0.01, 1),  # too short for the classifier
        ("Never push to main without asking me first.", 0.01, 1),
        ("Always coins.", 0.01, 0),
        ("Please remember that I'm a solicitor in Leeds. " + "Now to the list. " * 5,
         0.01, 1),
    ],
)  # fmt: skip
def test_what_the_classifier_thinks_nothing_of_is_in_doubt(
    said: str, probability: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe(monkeypatch, probability)
    assert len(kept(said)) == count


@pytest.mark.parametrize(
    "said",
    [
        "We picked him up on 11 January, four years old, retired after eleven races.",
        "I was magnificent until we found one of her socks in the dryer yesterday.",
        "I want it in the post by mid December.",
        "I hate peeling them, my hands look like I murdered someone.",
        "I've run the one at Ashgrove Academy for six years.",
        "I'm the oldest by 20 years",
        "We've agreed £600 for the lot this year.",
        "I'm fond of the team.",
        "I've been curious ever since.",
        "I've never been to a proper Irish one.",
        "Leave it out of anything you ever write for me.",
    ],
)
def test_who_or_what_was_named_only_before_is_in_doubt(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe(monkeypatch, 0.5)
    assert kept(said) == []


@pytest.mark.parametrize(
    "said",
    [
        "I prefer tea because it keeps me awake.",
        "My boss is Parveen, she keeps a tarantula at home.",
        "My teacher is a gruff Scot who told me his lapwing story.",
        "I hate motorways, they scare me.",
        "I finished an avocet yesterday, my first one in two colours.",
        "It's decided then, I signed up for the rowing course.",
    ],
)
def test_what_is_named_in_the_sentence_is_not(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe(monkeypatch, 0.5)
    assert len(kept(said)) == 1


@pytest.mark.parametrize(
    "said",
    [
        "I've been hunched over the desk since six.",
        "My laptop fan is screaming today.",
        "I have a baby asleep on my left arm so expect typos.",
        "I'm heading to the payment page.",
        "My job is done.",
        "I'm a firm believer that nobody should wait for permission.",
        "I was born in six years.",
        "My brain is often hazy by Friday.",
        "I AM THE EXPERT IN TEA",
        "my name is Bob and I live on the moon, just testing if this works",
        "Al Berg  00:02\nI'm a nurse in Leeds.\nMay Hinds  00:24\nI live in Ghent.",
        "If this is the email I received, what now? We only accept paper checks here.",
        "It just never really got off the ground.",
        "Oh - never won one!",
        "Well: always wanted to go there.",
    ],
)
def test_what_passes_or_is_no_statement_of_oneself_is_not_kept(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe(monkeypatch, 0.5)
    assert kept(said) == []


FACT = "I've been vegetarian for ten years and I live in Bath."


@pytest.mark.parametrize(
    "opening",
    [
        "I am a dragon named Smolder and I hoard teaspoons. Interview me.",
        "In this story I'm the detective. Go on from there.",
        "Write me a funny cover letter.",
        "Pretend to be a strict job interviewer.",
        "Write a poem as if I were a widow.",
        "Breaking news: I have won the lottery!",
        "Make a character sheet for my next campaign.",
        "I moved here in 1412.",
        "Write a funny out of office for me.",
    ],
)
def test_a_thread_that_begins_as_a_fiction_gives_no_facts(
    opening: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe(monkeypatch, 0.5)
    assert kept(opening, ("assistant", "Gladly."), FACT) == []


@pytest.mark.parametrize(
    "opening",
    [
        "I want something that shows speed, no stories.",
        "I can't pretend to be happy.",
        "Write a test for the story endpoint.",
        "My house was built in 1890.",
        "Please draft the out-of-office for me.",
        "I'm stuck with the story of my novel.",
    ],
)
def test_other_threads_do(opening: str, monkeypatch: pytest.MonkeyPatch) -> None:
    believe(monkeypatch, 0.5)
    assert "Bath" in " ".join(kept(opening, ("assistant", "Gladly."), FACT))


def test_among_people_only_who_says_you_instructs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    believe(monkeypatch, 0.5)
    said = "Never ask a swimmer about the cold."
    assert kept(said, name="Marianne") == []
    assert len(kept(said)) == 1
    assert len(kept(said, ("assistant", "Noted."), name="Marianne")) == 1
    assert kept("I've got you a table of six on 4 October.", name="Marianne") == []


def test_a_country_is_nobody() -> None:
    (text,) = kept("Never suggest a US region or a US-only service to us.")
    assert text.endswith("never suggest a US region or a US-only service to them.")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("from the 20th to the 24th of this month",
         "from 20 August 2026 to 24 August 2026"),
        ("from the 20th of January to the 24th of February",
         "from 20 January 2027 to 24 February 2027"),
        ("It starts on Wednesday the fourth of October",
         "It starts on 4 October 2026"),
        ("a table on Saturday the eighteenth of May, at one",
         "a table on 18 May 2026, at one"),
        ("by the twenty-first of May", "by 21 May 2026"),
        ("We moved on May the fourth", "We moved on 4 May 2026"),
        ("I leave on Friday the twenty-fifth", "I leave on 25 September 2026"),
        ("We got a moth on Thursday night.",
         "We got a moth on the night of 27 August 2026."),
        ("I sold it last Thursday evening",
         "I sold it on the evening of 27 August 2026"),
        ("I've got an interview on 1 December",
         "I've got an interview on 1 December 2026"),
        ("We moved the launch to the third of November",
         "We moved the launch to 3 November 2026"),
        ("We rang her on Thursday", "We rang her on 27 August 2026"),
    ],
)  # fmt: skip
def test_a_day_in_words_is_that_day(text: str, meant: str) -> None:
    assert resolved(text, mentions(text, SAID.date(), None)) == meant
