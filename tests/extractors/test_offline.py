"""What the offline extractor keeps, in which words, and what it leaves alone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.extractors.offline.extractor import OfflineExtractor
from memcli.extractors.offline.prose import sentences
from memcli.models import Candidate, Message, Role, Thread, ThreadPart
from memcli.redaction import redact

# A Saturday.
SAID = datetime(2026, 8, 29, 9, 0, tzinfo=UTC)


def turn(
    text: str, role: Role = "user", number: int = 1, name: str | None = None
) -> Message:
    return Message(f"k{number}", "t1", f"m{number}", role, text, SAID, name)


def extract(*turns: Message, **metadata: str) -> list[Candidate]:
    thread = Thread("t1", "generic", metadata, SAID, SAID, len(turns), len(turns))
    found = OfflineExtractor().extract(ThreadPart(thread, (), turns)).candidates
    return [c for c in found if c.signal != "worth keeping"]  # see test_worth.py


def kept(text: str, *, at_least: float = 0.6, name: str | None = None) -> list[str]:
    found = extract(turn(text, name=name))
    return [c.text for c in found if c.confidence >= at_least]


@pytest.mark.parametrize(
    ("said", "memory"),
    [
        ("I prefer dark mode.", "The user prefers dark mode."),
        ("btw I really can't stand rain", "The user really can't stand rain."),
        ("Thanks! I live in Ghent and work for the city.",
         "The user lives in Ghent and works for the city."),
        ("I'm a nurse on the night shift, can you plan my meals?",
         "The user is a nurse on the night shift."),
        ("I’m allergic to hazelnuts.", "The user is allergic to hazelnuts."),
        ("My girlfriend Priya is vegetarian so no meat please",
         "The user's girlfriend Priya is vegetarian."),
        ("I have two kids and a dog.", "The user has two kids and a dog."),
        ("My favourite editor is Helix.", "The user's favourite editor is Helix."),
        ("we decided to use Postgres for the billing service",
         "The user's team decided to use Postgres for the billing service."),
        ("I don't eat meat.", "The user doesn't eat meat."),
        ("I've switched to light mode because my desk faces the window.",
         "The user has switched to light mode because their desk faces the window."),
        ("I no longer drink coffee.", "The user no longer drinks coffee."),
        ("I'm vegan, so please no cheese.", "The user is vegan."),
        ("My wife Maria and I are expecting a child in April.",
         "The user's wife Maria and the user are expecting a child in April 2027."),
        ("From now on, show me only the lines that changed.",
         "Standing instruction from the user: show them only the lines that changed."),
        ("Never push to main without asking me first.",
         "Standing instruction from the user: "
         "never push to main without asking them first."),
        ("Please remember that my sister is called Hanne.",
         "The user's sister is called Hanne."),
    ],
)  # fmt: skip
def test_what_people_state_becomes_a_sentence_about_them(
    said: str, memory: str
) -> None:
    assert kept(said) == [memory]


@pytest.mark.parametrize(
    ("said", "memory", "day"),
    [
        ("I'm flying to Lisbon next Friday.",
         "The user is flying to Lisbon on 4 September 2026.", "2026-09-04"),
        ("My sister is getting married on 24 October.",
         "The user's sister is getting married on 24 October 2026.", "2026-10-24"),
        ("My flight is on December 12 and I'll be back on the 20th.",
         "The user's flight is on 12 December 2026 and they'll be back on "
         "20 December 2026.", "2026-12-12"),
        ("I moved to Berlin and my job starts on Monday.",
         "The user moved to Berlin and their job starts on 31 August 2026.",
         "2026-08-31"),
        ("My birthday is on March 3rd.",
         "The user's birthday is on March 3rd.", None),
        ("I switched to green tea in January.",
         "The user switched to green tea in January 2026.", None),
        ("I quit my job at Shell in March.",
         "The user quit their job at Shell in March 2026.", None),
        ("My parents are visiting us from the 20th to the 27th of December.",
         "The user's parents are visiting them from 20 December 2026 to "
         "27 December 2026.", "2026-12-20"),
        ("I'm flying to Tokyo on Sunday the 15th.",
         "The user is flying to Tokyo on 15 September 2026.", "2026-09-15"),
        ("My sister was born on 5 December.",
         "The user's sister was born on 5 December.", None),
        ("I passed the exam yesterday.",
         "The user passed the exam on 28 August 2026.", "2026-08-28"),
        ("We're moving to Leipzig on the 3rd.",
         "The user, with others, is moving to Leipzig on 3 September 2026.",
         "2026-09-03"),
        ("I started at Norrland in March.",
         "The user started at Norrland in March 2026.", None),
        ("I'm visiting my parents in two weeks.",
         "The user is visiting their parents around 12 September 2026.", None),
        ("I'm giving a talk on the 32nd of May next year",
         "The user is giving a talk on the 32nd of May in 2027.", None),
    ],
)  # fmt: skip
def test_relative_dates_mean_what_they_meant_when_they_were_said(
    said: str, memory: str, day: str | None
) -> None:
    (candidate,) = extract(turn(said))
    assert candidate.text == memory
    found = candidate.happens_on
    assert (found.isoformat() if found else None) == day


@pytest.mark.parametrize(
    "said",
    [
        "Hello there!",
        "Do I prefer dark mode?",
        "Can you make this one shorter?",
        "I want you to write a haiku about rain.",
        "I have a question about regular expressions.",
        "I'm getting this error: cannot read property of undefined",
        "I think that's right.",
        "I love it, thanks!",
        "I like the second version better.",
        "If I lived in Spain I would eat later.",
        "Suppose I had two dogs, how big a tent?",
        "My boss said 'I hate this and I always will' and left.",
        'Translate into French: "I always drink tea and I live in Leeds."',
        "```\n# I always prefer tabs\nI live in Ghent\n```",
        "2026-08-01 10:00:01 INFO worker: I am up, always ack first",
        "> I prefer the telephone\n\nHow should I answer that customer?",
        "Please fix the grammar:\n\nI am living in Aarhus since three years.",
        "Dear Mr. Berg,\nI prefer to settle this by phone.\nBest regards\nJoris",
        "Write a short story in the first person. I live in a lighthouse.",
        "let's role-play: I'm a pirate and I live in Tortuga",
        "Never mind, I found it.",
        "Write a cover letter that starts with: I live in Madrid.",
        "Draft a mail for my boss: I am off from 3 December, I live in Rome.",
        "From now on I'll be brief.",
        "Always a pleasure.",
        "I'm tired today.",
        "Remember when Python 2 was a thing?",
    ],
)
def test_what_is_no_statement_about_the_person_yields_nothing(said: str) -> None:
    assert kept(said) == []


def test_a_part_that_is_played_lasts_for_the_next_turn() -> None:
    found = extract(
        turn("Let's rehearse. I'll play the grump.", number=1),
        turn("Go ahead.", "assistant", 2),
        turn("I live under a bridge and I hate queues.", number=3),
    )
    assert [c.text for c in found] == []


def test_what_an_assistant_sums_up_counts_once_the_person_agreed() -> None:
    summary = (
        "So we agreed:\n"
        "- reminder mails go through a table in Postgres\n"
        "- the cron job is switched off on 1 October"
    )
    agreed = extract(turn(summary, "assistant", 1), turn("Yes, both.", number=2))
    assert [c.text for c in agreed] == [
        "The user agreed: reminder mails go through a table in Postgres.",
        "The user agreed: the cron job is switched off on 1 October 2026.",
    ]
    assert {q.message_id for c in agreed for q in c.quotes} == {"m1", "m2"}
    assert extract(turn(summary, "assistant", 1), turn("No, wait.", number=2)) == []
    assert extract(turn(summary, "assistant", 1)) == []


def test_what_an_assistant_says_of_itself_is_nobodys_memory() -> None:
    assert (
        extract(turn("I always prefer tabs and I live in a server.", "assistant")) == []
    )


def test_a_named_author_is_named() -> None:
    assert kept("I prefer tea.", name="Ben") == ["Ben prefers tea."]
    assert kept("I prefer tea.", name="Ben <b@x.org>") == ["Ben prefers tea."]
    for no_name in ("user", "user_123", "x" * 100):
        assert kept("I prefer tea.", name=no_name) == ["The user prefers tea."]


def test_we_in_a_project_is_the_project_s_team() -> None:
    (candidate,) = extract(
        turn("We decided to use big.js for money."), project="webshop"
    )
    assert candidate.text == "The webshop team decided to use big.js for money."


def test_a_hedge_lowers_the_confidence() -> None:
    (sure,) = extract(turn("I prefer tea in the morning."))
    (unsure,) = extract(turn("I prefer tea in the morning, probably."))
    assert unsure.confidence < 0.7 < sure.confidence


@pytest.mark.parametrize(
    ("said", "about", "replaces"),
    [
        ("I live in Ghent.", "the user: residence", None),
        ("I moved to Utrecht last month.", "the user: residence", None),
        ("I prefer dark mode.", "the user: theme", None),
        ("I switched from vim to Helix.", None, "vim"),
        ("I don't use Slack anymore.", None, "use Slack"),
    ],
)
def test_what_changed_is_marked(
    said: str, about: str | None, replaces: str | None
) -> None:
    (candidate,) = extract(turn(said))
    assert (candidate.about, candidate.replaces) == (about, replaces)


def test_quotes_are_the_words_of_the_message() -> None:
    text = "Hi! By the way, I live in Ghent, so what's the weather like?"
    (candidate,) = extract(turn(text))
    assert candidate.quotes[0].text in text


@given(st.text(max_size=300))
def test_no_text_makes_extraction_fail_and_every_quote_is_verbatim(text: str) -> None:
    for sentence in sentences(text):
        assert text[sentence.start :].startswith(sentence.text)
        assert len(sentence.text) == len(sentence.bare)
    for candidate in extract(turn(text)):
        assert candidate.quotes[0].text in text
        assert candidate.text


WORDS = st.sampled_from(
    ["I", "we", "my", "prefer", "live in", "never", "always", "on", "Friday", "next",
     "in", "two weeks", "March", "the 31st", "Ghent", "switched to", "not", ",", ".",
     "and", "dark mode", "you", "if", "?", "\n", "-", "`x`", "'", "30 February",
     "last", "weekend", "99 years", "remember that", "from now on", "it"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=25))
def test_the_words_of_the_rules_in_any_order_do_no_harm(words: list[str]) -> None:
    for candidate in extract(turn(" ".join(words))):
        assert 0 <= candidate.confidence <= 1
        assert candidate.text.endswith(".")


@pytest.mark.parametrize(
    "piece",
    ["a. ", "'a ", '"a ', " ", "1", "x", "my ", "I prefer a, ", "a\n", "token=", "eyJ",
     "sk-", "//a/", "a\n\n", "```", "translate this: ", "password is "],
)  # fmt: skip
def test_the_work_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    """With any square in it this would take hours."""
    text = piece * (150_000 // len(piece))
    extract(turn(text))
    redact(text)


def test_among_several_people_everybody_is_called_by_what_the_chat_calls_them() -> None:
    found = extract(
        turn("I prefer tea.", name="max_87", number=1),
        turn("I prefer coffee.", name="Ana", number=2),
    )
    assert [c.text for c in found] == ["Max_87 prefers tea.", "Ana prefers coffee."]
    alone = extract(turn("I prefer tea.", name="max_87"))
    assert [c.text for c in alone] == ["The user prefers tea."]


def test_in_a_chat_between_people_nobody_is_the_user() -> None:
    said = turn("I prefer tea.", name="max_87")
    thread = Thread("t1", "slack", {}, SAID, SAID, 1, 1)
    (found,) = OfflineExtractor().extract(ThreadPart(thread, (), (said,))).candidates
    assert (found.text, found.author) == ("Max_87 prefers tea.", "max_87")


@pytest.mark.parametrize(
    ("said", "memory"),
    [
        ("I decided to leave the club on 1 September.",
         "The user decided to leave the club on 1 September 2026."),
        ("We decided on 1 August to leave the club.",
         "The user's team decided on 1 August 2026 to leave the club."),
    ],
)  # fmt: skip
def test_what_was_decided_lies_ahead_of_the_deciding(said: str, memory: str) -> None:
    assert kept(said) in (
        [memory],
        [memory.replace("The user's team", "The user, with others,")],
    )
