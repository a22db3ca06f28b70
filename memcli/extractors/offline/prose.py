"""A message → the sentences its author wrote in their own voice.

Code, logs, quotations, and texts that were pasted to be worked on are not the
author's voice, whatever they say in the first person.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FILLER = "·"
_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_QUOTED = re.compile(
    r"“[^”\n]{2,}(?:”|$)|„[^“”\n]{2,}[“”]|«[^»\n]{2,}»"
    r"|(?<![\w\"])\"(?=\S)[^\"]{2,300}?\"(?!\w)"
    r"|(?<![\w'])'(?=[^\s'])(?:[^'\n]|'(?=\w)){2,300}?(?<=\S)'(?!\w)",
    re.MULTILINE,
)
_LOG_LINE = re.compile(
    r"(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:|\[?\d\d:\d\d:\d\d|\[?(?:INFO|WARN|WARNING"
    r"|ERROR|DEBUG|TRACE|FATAL|CRITICAL)\b|at \S+\(|File \"|Traceback |[$%#>] "
    r"|>|\||\+\+\+|---|@@|\w+Error:|npm ERR|diff --git|#!|//|/\*|\*/)",
)
_CODE_LINE = re.compile(
    r"[;{}]$|^(?:def|class|import|from \w+ import|const|let \w+ =|var|return|if \("
    r"|for \(|while \(|public|private|SELECT|INSERT|UPDATE|CREATE|<\w+|\w+\s*=\s*\S+$"
    r"|\"?\w+\"?:\s*\S+,?$)"
)
_BULLET = re.compile(r"\s*(?:[-*•–]|\d{1,2}[.)])\s+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|mr|mrs|ms|dr|prof|st|no|approx|inc|ltd|jr|sr|a\.m"
    r"|p\.m|z\.b|bzw|ca)|\b(?-i:[A-Z]))\.$",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…]+[)\"'”’]*(?=\s|$)|\n+")

# Work asked for on a text: what is pasted beside it is that text.
_TEXT_WORK = re.compile(
    r"\b(?:translat|rewrit|re-?writ|rephras|paraphras|proof-?read|summari[sz]|shorten"
    r"|transcri|punctuat|reword|polish (?:this|it|the)|fix the (?:grammar|commas)"
    r"|indirect speech|turn (?:this|that|it|these) into|convert (?:this|it|to)"
    r"|(?:make|keep|get) (?:this|it|that|the (?:mail|email|text|draft|letter))\b"
    r"|here(?:'s|’s| is| are) (?:the|my|a|an|his|her|their|what)\b[^.\n]{0,60}"
    r"(?:mail|email|e-mail|draft|paragraph|text|letter|story|poem|message|opening|scene"
    r"|section|essay|note|post|wrote|sent|got)"
    r"|(?:wrote|writes|reads|says|said|goes|sent me|replied)\s*:"
    r"|(?:mail|email|message|letter|note|post) (?:from|i got|i(?:['’]ve)? received|he sent|she sent)"
    r"|(?:write|draft|compose|generate|create|prepare)\b[^.\n:]{0,100}:"
    r"|word order|grammatical|code this|(?:rewrite|edit|check|correct) (?:this|the))",
    re.IGNORECASE,
)
# Somebody else's voice on purpose.
_FICTION = re.compile(
    r"\b(?:role-?play|pretend|imagine|act as|you are (?:an?|the|now)\b|you're (?:a|an) "
    r"\w+ (?:who|named)|in character|my character|first person|the narrator"
    r"|narrator|(?:short |the |a |my |this )story|novel|screenplay|scene|dialogue|monologue"
    r"|persona|voice of|in the voice|poem|lyrics|fiction|as a user, i|let x be"
    r"|i'?ll play|i(?:'|’)?ll be the|i play|you play|playing the)\b",
    re.IGNORECASE,
)
_ACTING = re.compile(
    r"\b(?:role-?play|stay in character|i'?ll (?:play|be the)|i play|let['’]s pretend"
    r"|you (?:play|answer as)|until i (?:say|type) stop|pretend (?:i['’]?m|you['’]?re))\b",
    re.IGNORECASE,
)
# What makes whatever else a thread says of "I" an invention.
_A_FICTION = re.compile(
    r"\b(?:write|draft|make|create|tell|compose|invent|give|continue|want|need)(?: me| us)?"
    r" (?:an?|another|the|my|our|this|some|one)"
    r" (?:(?!(?:for|of|with|about|to|in|on|that) )[\w'’-]+ ){0,4}(?:story|tale|poem|song"
    r"|lyrics|limerick|sonnet|haiku|screenplay|monologue|cover letter|sketch|role-?play"
    r"|character (?:sheet|called|named|who|for))\b"
    r"|\b(?:funny|silly|fake|made-up|fictional) (?:[\w-]+ ){0,2}(?:e?-?mail|reply|letter"
    r"|note|post|bio|profile|out[- ]of[- ]office)\b"
    r"|\bin (?:this|our) (?:(?:short|fantasy|horror|role-?playing) )?"
    r"(?:story|scene|novel|screenplay|sketch|campaign)\b"
    r"|(?:^|[.!?\n]\s*|\bplease |\byou |\blet['’]?s )pretend\b|\b(?:act|answer|speak|talk) as (?:if (?:you|i)|an? )"
    r"|\b(?:my|your) character\b|\bin character\b|\brole-?play\b|\bbreaking news\b"
    r"|\bi(?:['’]?m| am) (?:an?|the) (?:\w+ ){1,3}(?:named|called) (?-i:[A-Z])"
    r"|\b(?:since|in) 1[0-7]\d\d\b|\b(?:1[3-9]\d|[2-9]\d\d|\d{4,}) years old\b",
    re.IGNORECASE,
)
# `Henry Badgery  00:02`: somebody else's talk, written down.
_SPEAKER_LINE = re.compile(
    r"^\s*[A-ZÀ-Þ][\w.'’-]*(?: [\w.'’-]+){0,3}[ \t]+\[?\(?\d{1,2}:\d\d(?::\d\d)?\)?\]?\s*$",
    re.MULTILINE,
)
_LETTER = re.compile(
    r"^\s*(?:dear|hi|hello|hey|hallo|lieber?|beste)\b[^\n.!?]{0,40},\s*\n"
    r"|\n\s*(?:best|kind|warm)?\s*(?:regards|wishes|sincerely|cheers|yours|love|groeten"
    r"|grüße)\s*,?\s*\n",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of a message. `bare` is `text` with quotations blanked out,
    at the same length, so that a place in one is a place in the other.
    """

    text: str
    bare: str
    start: int
    bullet: bool = False


def sentences(text: str) -> list[Sentence]:
    """The sentences in the author's own voice, in order."""
    bare = _FENCE.sub(_blank, text)
    bare = _QUOTED.sub(_blank_long, bare)
    found = []
    for start, end in _own_paragraphs(bare):
        for line_start, line_end in _lines(bare, start, end):
            line = bare[line_start:line_end]
            if _is_machine_made(line.strip()):
                continue
            bullet = _BULLET.match(line)
            offset = line_start + (bullet.end() if bullet else 0)
            for a, b in _split(bare, offset, line_end):
                found.append(Sentence(text[a:b], bare[a:b], a, bullet is not None))
    return found


def speaks_for_others(text: str) -> bool:
    """Whether the message asks for, or holds, somebody else's voice."""
    if len(_SPEAKER_LINE.findall(text)) > 1 or is_shouted(text):
        return True
    return bool(_FICTION.search(_QUOTED.sub(_blank_long, text)))


def asks_for_fiction(text: str) -> bool:
    """Whether the text asks for a story, a letter, a role: then what the thread goes on
    to say of "I" is not of its author."""
    return bool(_A_FICTION.search(_QUOTED.sub(_blank_long, text)))


def is_shouted(text: str) -> bool:
    """Whether there is nothing but capitals in several words: a joke, or anger."""
    return text.isupper() and len(re.findall(r"[^\W\d_]{3,}", text)) > 1


def starts_a_part(text: str) -> bool:
    """Whether the author begins to play somebody, turn after turn."""
    return bool(_ACTING.search(text))


def _blank(match: re.Match[str]) -> str:
    return "".join("\n" if c == "\n" else _FILLER for c in match[0])


def _blank_long(match: re.Match[str]) -> str:
    """Names in quotes stay; what is long enough to be speech goes."""
    words = match[0].split()
    first_person = re.search(r"\b(?:I|my|we|our|ich|mein)\b", match[0])
    return _blank(match) if len(words) > 4 or first_person else match[0]


def _own_paragraphs(bare: str) -> Iterator[tuple[int, int]]:
    """Paragraphs the author speaks in.

    Next to a request to work on a text, the other paragraphs are that text;
    so is what follows a colon in the request itself. A letter is a text, too.
    """
    spans = [m.span() for m in re.finditer(r"(?:[^\n]|\n(?![ \t\r]*\n))+", bare)]
    asked = [span for span in spans if _TEXT_WORK.search(bare[slice(*span)])]
    if _LETTER.search(bare) and not asked:
        return
    for start, end in spans:
        if asked and (start, end) not in asked:
            continue
        if asked:
            request = _TEXT_WORK.search(bare, start, end)
            assert request is not None
            colon = bare.find(":", request.start(), end)
            # Lines below the request's own line are what it speaks of.
            newline = bare.find("\n", request.end(), end)
            end = min(x for x in (colon, newline, end) if x != -1)
        yield start, end


def _lines(bare: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines, with the ones of wrapped prose joined."""
    at = start
    while at < end:
        newline = bare.find("\n", at, end)
        stop = end if newline == -1 else newline
        while newline != -1 and newline + 1 < end:
            following = bare[newline + 1 : end].split("\n", 1)[0]
            wrapped = (
                len(bare[at:newline]) > 50
                and following[:1].islower()
                and not _BULLET.match(following)
            )
            if not wrapped:
                break
            stop = newline + 1 + len(following)
            newline = newline + 1 + len(following)
            if newline >= end:
                break
        yield at, stop
        at = stop + 1


def _split(bare: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for match in _END.finditer(bare, start, end):
        ending = bare[max(at, match.end() - 12) : match.end()].rstrip()
        if _ABBREVIATION.search(ending):
            continue
        yield from _trimmed(bare, at, match.end())
        at = match.end()
    yield from _trimmed(bare, at, end)


def _trimmed(bare: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = bare[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if end - start >= 4:
        yield start, end


def _is_machine_made(line: str) -> bool:
    """A log, code, or more signs than prose has: paths, tables, base64."""
    if not line or _LOG_LINE.match(line) or _CODE_LINE.search(line):
        return True
    signs = sum(not (c.isalnum() or c.isspace() or c in _PROSE) for c in line)
    longest = max(len(word) for word in line.split())
    return signs > 0.12 * len(line) + 3 or longest > 120


_PROSE = ".,;:!?'’\"“”-–—()…/&%€$£`" + _FILLER
