"""Transcripts to measure with: lifelike enough to be read, reflected and searched."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

VERBS = ["prefer", "like", "love", "enjoy", "can't stand", "hate", "don't like"]
_THINGS = """
    dark mode,light mode,strong coffee,green tea,long meetings,short commits,Postgres,
    SQLite,tabs,spaces,type hints,pair programming,night trains,window seats,mushrooms,
    olives,jazz,podcasts,paper books,standing desks,mechanical keyboards,trackballs,vim,
    Helix,monorepos,microservices,early mornings,spicy food,city trips,hiking,swimming,
    crosswords,thrillers,board games,street food,rye bread,code review
"""
_PLACES = """
    in the office,at home,on holiday,on Mondays,in winter,for side projects,when
    travelling,before lunch,with friends,for work,late at night,on the train,in summer,
    at the weekend,while writing,in reviews,at conferences,with the team,for the
    backend,on call,in spring,for breakfast,in meetings,after work,for the website
"""
THINGS = [" ".join(thing.split()) for thing in _THINGS.split(",")]
PLACES = [" ".join(place.split()) for place in _PLACES.split(",")]
CHATTER = [
    "Can you explain what this stack trace means and where I should look first?",
    "Thanks, that works. Next question: how do I undo the last commit?",
    "Please rewrite the second paragraph so that it is shorter.",
    "What is the difference between a process and a thread?",
]
ANSWER = (
    "Sure. The short version is that the two differ in what they share; the long "
    "version needs a drawing, but here is the gist of it in three sentences. "
)


def threads(folder: Path, count: int, statements: int = 10, seed: int = 1) -> None:
    """One file a thread: chatter, and so many statements that are all different."""
    draw = random.Random(seed)
    pairs = [(v, t, p) for v in VERBS for t in THINGS for p in PLACES]
    draw.shuffle(pairs)
    folder.mkdir(parents=True)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(count):
        lines = []
        for turn in range(statements):
            verb, thing, place = pairs[(number * statements + turn) % len(pairs)]
            # The years keep the statements apart; nobody repeats himself here.
            year = 1985 + draw.randrange(40)
            asked = f"{draw.choice(CHATTER)} I {verb} {thing} {place} since {year}."
            lines += [("user", asked), ("assistant", ANSWER + draw.choice(CHATTER))]
        with (folder / f"{number:05}.jsonl").open("w") as file:
            for i, (role, text) in enumerate(lines):
                at = start + timedelta(hours=number, seconds=i)
                line = {
                    "thread_id": f"t{number}", "id": str(i), "role": role,
                    "content": text, "timestamp": at.isoformat(),
                }  # fmt: skip
                file.write(json.dumps(line) + "\n")
