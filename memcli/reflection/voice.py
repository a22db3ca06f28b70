"""Whose words a quote is: the author's own, or something they pasted.

A model may be taken in by a text that a person only showed it, and such a text
may have been written to that end. So what stands in pasted matter is nobody's
statement about themselves, whatever it says; and what speaks to the machine
about its memory is not evidence of anything.
"""

import bisect
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

# --- What is not the author's own: spans that tell themselves -----------------
_FENCED = re.compile(r"(`{3,}|~{3,}).*?(?:\n\s*\1|\Z)", re.DOTALL)
_INLINE_CODE = re.compile(r"(?<![`\w.])`(?=\S)[^`\n]{40,}`")
_OPENING_TAG = re.compile(r"<([A-Za-z][\w:-]{0,40})(?:\s[^<>]{0,400})?>")
_CLOSING_TAG = re.compile(r"</([A-Za-z][\w:-]{0,40})\s{0,9}>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|/\*.{0,5000}?\*/", re.DOTALL)
_LINE_COMMENT = re.compile(r"^\s*(?://|#|--|;|%)[^\n]*$", re.MULTILINE)
_TRIPLE = re.compile(r'"""(?:.*?)(?:"""|\Z)|\'\'\'(?:.*?)(?:\'\'\'|\Z)', re.DOTALL)
_SPEECH = re.compile(
    r"“[^“”]{12,}”|„[^„“”]{12,}[“”]|«[^«»]{12,}»|「[^「」]{6,}」|『[^『』]{6,}』"
    r"|(?<![\w\"])\"(?=\S)[^\"]{12,600}?\"(?!\w)"
    r"|(?<![\w'])'(?=[^\s'])(?:[^'\n]|'(?=\w)){20,400}?(?<=\S)'(?!\w)"
)
_QUOTED_LINES = re.compile(r"^[ \t]*(?:>|&gt;|\|)[^\n]*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*([-=_*#~+—–<>]{3,})[^\n]*$", re.MULTILINE)
_LABELLED = re.compile(
    r"^[ \t]*(?:\[?(?:m|c)\d+\]?\s|\[?(?:human|user|assistant|system|developer|ai|bot"
    r"|tool|function|claude|chatgpt|gpt)\b[^:\n]{0,40}:|\[(?:system|user|assistant|inst)"
    r"|<\|)",
    re.IGNORECASE | re.MULTILINE,
)
_MAIL = re.compile(
    r"^[ \t]*(?:from|to|cc|bcc|subject|date|sent|reply-to|von|an|betreff|datum"
    r"|gesendet|de|para|asunto|fecha|objet|envoyé|à|van|aan|onderwerp|verzonden"
    r"|oggetto|da|发件人|收件人|主题|日期|寄件者|件名|差出人)[ \t]*[:：]",
    re.IGNORECASE | re.MULTILINE,
)
# `[12/04/2026, 18:02] Gerrit: …`, `tomcat88: …`, `18:02 <mira> …`, `10:31 Ada: …`.
_CHAT_LINE = re.compile(
    r"^[ \t]*(?P<time>\[[^\]\n]{3,40}\][ \t]*|\(?\d{1,4}[:./-]\d{1,2}[^A-Za-z\n]{0,20})?"
    r"(?P<who><[\w .@-]{1,30}>|[^\W\d_][\w.@'’-]{0,24}(?: [\w.@'’-]{1,20}){0,2}"
    r"(?: \([^)\n]{1,30}\))?[ \t]*[:：])[ \t]*\S",
    re.MULTILINE,
)
_MACHINE_LINE = re.compile(
    r"^[ \t]*(?:[{\[]|[\w.-]+[ \t]*[=][ \t]*\S|\"?[\w.-]+\"?:[ \t]*[\"\[{]"
    r"|\d{4}-\d\d-\d\d[T ]|\[?(?:INFO|WARN|WARNING|ERROR|DEBUG|TRACE|NOTICE|FATAL)\b"
    r"|(?:[^\t\n]*\t){2,}|BEGIN:|END:|[A-Z-]{4,}:\S"
    r"|(?:INSERT|SELECT|UPDATE|CREATE|DELETE)\b|def |class |function |const |import "
    r"|commit [0-9a-f]{6,}|Author:|diff |@@|\+\+\+|\$ )",
    re.MULTILINE,
)

# --- What announces that a text follows -----------------------------------------
_WORK = (
    r"summari[sz]|tl;?dr|translat|rewrit|rephras|paraphras|proof-?read|shorten|polish"
    r"|transcri|review|check|look (?:at|over)|read (?:this|through|over|it)|edit\b|correct"
    r"|explain|analy[sz]|extract|classif|convert|reformat|clean up|tidy|format|fix"
    r"|decode|parse|compare|what (?:does|do|is|are|did|was|were|should|can)\b|who\b"
    r"|which\b|is (?:this|it|there)|does (?:this|it)|tell me|help me (?:with|understand)"
    r"|draft|write|compose|reply|respond|answer|turn (?:this|it|these)|make (?:this|it)"
    r"|put (?:this|it)|grade|rate|feedback|thoughts|opinion|debug|why\b"
    r"|übersetz|zusammenfass|fass(?:e|t)?\b|korrigier|überarbeit|prüf|lies|antworte"
    r"|kürz|erklär|was (?:steht|bedeutet|heißt|will|soll)|formulier"
    r"|résum|tradui|corrig|relis|explique|raccourc|que dit|que veut"
    r"|resum|traduc|traduz|revis|corrige|explica|qué dice|acorta"
    r"|vertaal|samenvat|vat\b|verbeter|nakijk|controleer|leg uit|wat staat"
    r"|riassum|correggi|spiega|总结|總結|翻译|翻譯|摘要|概括|改写|润色|看看|解释|要約|訳"
)
_TEXT = (
    r"e-?mails?|mails?|messages?|texts?|drafts?|paragraphs?|letters?|articles?|pages?"
    r"|posts?|comments?|logs?|outputs?|files?|documents?|docs?|transcripts?|chats?"
    r"|threads?|snippets?|configs?|code|readme|contracts?|terms|cv|resume|résumé|bio"
    r"|reviews?|quotes?|excerpts?|passages?|sections?|essays?|stor(?:y|ies)|poems?|notes?"
    r"|minutes|invitations?|invoices?|tickets?|issues?|descriptions?|profiles?|forms?"
    r"|tables?|csv|json|html|yaml|sql|csvs?|dumps?|exports?|pastes?|prompts?|replies"
    r"|reply|answers?|emails? from|Mail|Nachricht|Text|Brief|Dokument|Artikel|Seite"
    r"|courriel|texte|lettre|article|correo|texto|carta|mensaje|bericht|tekst|brief"
    r"|邮件|文章|文本|内容|信|メール|文章"
)
_ANNOUNCED = (
    rf"(?:here(?:'s|’s| is| are)|this is|these are|below|following|attached|pasted?"
    rf"|copied|forwarded|got|received|found|hier (?:ist|sind|kommt)|folgende|voici"
    rf"|suivant|aquí (?:está|tienes)|siguiente|hier is|hieronder|dit is|volgende|ecco"
    rf"|seguente|以下|下面|如下|这是|這是)[^\n]{{0,60}}\b(?:{_TEXT})\b"
    r"|\b(?:he|she|they|it|who|boss|landlord|client|customer|colleague|support|friend"
    r"|neighbou?rs?) (?:\w+ )?(?:wrote|writes|says?|said|sent|replied|forwarded)"
    r"|wrote me|sent (?:me|us)|(?:says|reads|goes|states)\b"
    rf"|\b(?:this|these|that|the)\b[^\n]{{0,40}}\b(?:{_TEXT}|sentences?|lines?|phrases?"
    r"|words)\b|\b(?:our|my|the)\b[^\n]{0,30}\b(?:songs?|verses?|lyrics|drafts?|e-?mails?"
    r"|letters?|essays?|cv|bio|article|post|narrator|character)\b"
    r"|\b(?:go on|continue|carry on|next lines?)$"
    r"|以下|下面|如下"
)
_ANNOUNCES = re.compile(rf"(?:{_WORK}|{_ANNOUNCED})", re.IGNORECASE)
# What documents have, and people who speak for themselves have not.
_DOCUMENT = re.compile(
    r"^[ \t]*(?:\d+[.)][ \t]*)?(?-i:[A-ZÀ-Þ]{4,}(?:[ \t&/-]+[A-ZÀ-Þ]{2,})*)[.:]?(?:[ \t]|$)"
    r"|\S[ \t]+[|•·][ \t]+\S|[★☆]|_{4,}|\b[\w.+-]+@[\w-]+\.\w|\+\d[\d ]{7,}"
    r"|^[ \t]*(?:published|posted (?:by|on|in)|posté (?:par|le)|publié|geplaatst|gepost"
    r"|publicado|veröffentlicht|geschrieben von|signed|unterzeichnet|author|written by"
    r"|by [A-Z]\w+ [A-Z]|skip to content|copyright|©)|#\w{3,}.*#\w{3,}"
    r"|^(?:def|class|import|from \w+ import|return|const|let|var|function|public)\b",
    re.MULTILINE | re.IGNORECASE,
)
# "I play the bartender" is a part, "I play the cello in a quartet" is not.
_I_PLAY = (
    r"i play the (?!(?:\w+[ -]){0,2}?(?:accordion|banjo|bagpipes|bass|bassoon|bongos|cello"
    r"|clarinet|cornet|didgeridoo|drums?|fiddle|flute|guitar|handpan|harmonica|harp"
    r"|harpsichord|horn|keyboards?|lottery|lute|lyre|mandolin|marimba|oboe|organ|piano"
    r"|recorder|sax(?:ophone)?|sitar|stock market|synth(?:esi[sz]er)?|tabla|tambourine"
    r"|theremin|timpani|triangle|trombone|trumpet|tuba|ukulele|vibraphone|viola|violin"
    r"|xylophone|zither)\b)"
)
_ENDS_A_PART = re.compile(
    r"\W*(?:(?:ok(?:ay)?|alright|right|and|now)\W+)*(?:stop\b|cut\b|end (?:of )?(?:the )?"
    r"(?:role|scene|game)|out of character|enough\b|that['’]?s enough|game over)",
    re.IGNORECASE,
)
_STARTS_A_PART = re.compile(
    r"\b(?:role-?play|stay in character|i'?ll (?:play|be the|be a)\b|"
    + _I_PLAY
    + r"|you play|until i say stop|let['’]s pretend|rollenspiel)\b",
    re.IGNORECASE,
)
# "How I like my code:" announces one's own words.
_OF_ONESELF = re.compile(
    r"\b(?:how i|i (?:like|prefer|want|need|use|always|never|usually)|about (?:me|us)"
    r"|my (?:setup|preferences|rules|constraints|situation|stack|style|habits))\b",
    re.IGNORECASE,
)
_LEADS_IN = re.compile(r"[:：]\s*$")
# A request for a text in somebody's voice, or a part that the author plays.
_FICTION = re.compile(
    r"\b(?:write|tell|give|make up|create|compose|continue|finish|improve|polish|draft"
    r"|help me (?:with|write))\b[^.\n]{0,80}\b(?:story|stories|poem|lyrics|song|scene"
    r"|dialogue|monologue|novel|screenplay|script|chapter|diary|persona|speech|debate)\b"
    r"|\b(?:role-?play|pretend|in character|my character|first[- ]person|narrator"
    r"|hypothetical(?:ly)?|in the voice of|i'?ll play|i(?:'|’)?ll be the|"
    + _I_PLAY
    + r"|you play the|imagine (?:that )?(?:i|you|we)\b|let['’]?s say i\b|suppose\b[^.\n]{0,40}\b(?:i|we|my)\b"
    r"|devil['’]s advocate|rollenspiel|stell dir vor|tu so als|imagina que"
    r"|imaginez que|supongamos|stel je voor dat)\b|扮演|假设我",
    re.IGNORECASE,
)

# --- What speaks to the machine -------------------------------------------------
_TO_THE_MACHINE = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above"
    r"|earlier|all|any|your|the)\b[^.\n]{0,30}\b(?:instructions?|rules?|prompts?"
    r"|guidelines?|directions?)"
    r"|\b(?:AI|LLM|language models?|assistants?|chatbots?|bots?|agents?|crawlers?"
    r"|summari[sz]ers?|memory (?:systems?|extractors?|modules?|agents?|tools?|engines?"
    r"|services?)|extractors?)\b[^.\n]{0,60}\b(?:must|should|shall|need|have to|please"
    r"|reading|read|process|record|remember|store|save|note|memori[sz]e|keep)"
    r"|\b(?:note|message|instructions?|attention|notice|memo|hint) (?:to|for) (?:the |any "
    r"|all )?(?:AI|LLM|memory|assistant|model|bot|agent|chatbot|extract|summari[sz])"
    r"|\b(?:record|remember|store|save|note|memori[sz]e|log|add|write down|keep in mind)"
    r"\b[^.\n]{0,50}\b(?:the|this|that|your) (?:user|person|customer|reader|owner|human"
    r"|client|account holder)"
    r"|\b(?:to|in|into|from|your|the|its|long-term|permanent) (?:long-term |permanent "
    r"|user )?memor(?:y|ies)\b|\bmemory (?:entry|entries|update|note|record|bank|store)"
    r"|\bconfidence\b[^.\n]{0,20}\b(?:1|1\.0|100|0\.9\d?|max)|\brecord_memories\b"
    r"|\bsystem (?:prompt|note|message|override|notice|reminder|update|instruction)"
    r"|^\s*\[?(?:system|admin|developer|root)\]?\s*[:>]"
    r"|\bthe user(?:'s)?\b|\bthis user(?:'s)?\b|\buser (?:is|has|prefers|wants|likes|lives"
    r"|works|agreed|agrees|authori[sz]es|consents|allows)\b"
    r"|\b(?:der|die|den|dem|des) (?:Nutzer|Benutzer|Anwender|User)s?\b|\bKI[- ]"
    r"|\bl['’]utilisat(?:eur|rice)\b|\bel usuario\b|\bla usuaria\b|\bde gebruiker\b"
    r"|\bl['’]utente\b|\bo usuário\b|用户|使用者|ユーザー|人工智能|记忆|記憶|请记住"
    r"|\bmerke? dir\b[^.\n]{0,20}\bdass der\b|\bmémoire\b|\bmemoria\b|\bgeheugen\b",
    re.IGNORECASE | re.MULTILINE,
)
# Zero-width and tag characters hide text from a person, full-width ones disguise it.
_HIDDEN = re.compile("[\u200b\u2060\u2061-\u2064\ufeff]|[\U000e0020-\U000e007f]")
_DISGUISED = re.compile("[\uff21-\uff3a\uff41-\uff5a]")
_SPACE = re.compile(r"\s+")

PASTED = "quotes what somebody pasted"
TO_THE_MACHINE = "speaks to the machine, not of the person"
HIDDEN = "quotes hidden text"


def objection(text: str, quote: str) -> str | None:
    """Why a quote is not the author's own word, or None.

    `text` is the message as it is stored; `quote` is known to stand in it, white
    space aside.
    """
    if len(_HIDDEN.findall(quote)) > 1 or len(_DISGUISED.findall(quote)) > 3:
        return HIDDEN
    spans = list(_places(text, quote))
    if not spans:
        return None
    own = _own(text)
    if not any(2 * sum(own[start:end]) > end - start for start, end in spans):
        return PASTED
    if all(_speaks_to_machine(text, start, end) for start, end in spans):
        return TO_THE_MACHINE
    return None


def in_a_part(texts: Iterable[str]) -> list[bool]:
    """Which of a person's messages, in order, are spoken in a role: from the one
    that begins it to the one that ends it."""
    playing, found = False, []
    for text in texts:
        if _ENDS_A_PART.match(text):
            playing = False
        elif _STARTS_A_PART.search(text):
            playing = True
        found.append(playing)
    return found


def _places(text: str, quote: str) -> Iterator[tuple[int, int]]:
    """Where a quote stands; white space is any white space."""
    words = quote.split()
    if not words:
        return
    pattern = r"\s+".join(re.escape(word) for word in words)
    for match in re.finditer(pattern, text):
        yield match.span()


def _speaks_to_machine(text: str, start: int, end: int) -> bool:
    """Whether the sentence around the quote does."""
    left = max(text.rfind(mark, 0, start) for mark in (". ", "! ", "? ", "\n"))
    right = min(
        (at for mark in (". ", "! ", "? ", "\n") if (at := text.find(mark, end)) != -1),
        default=len(text),
    )
    around = unicodedata.normalize("NFKC", text[max(left, 0) : right])
    return _TO_THE_MACHINE.search(around) is not None


def _own(text: str) -> bytearray:
    """For each character 1 if the author speaks in it, else 0."""
    own = bytearray(b"\1") * len(text)
    for start, end in _not_own(text):
        own[start:end] = bytes(min(end, len(text)) - start)
    return own


def _not_own(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (
        _FENCED, _INLINE_CODE, _COMMENT, _TRIPLE, _SPEECH, _QUOTED_LINES, _MACHINE_LINE,
    ):  # fmt: skip
        for match in pattern.finditer(text):
            end = match.end()
            if pattern is _MACHINE_LINE:
                end = _line_end(text, match.start())
            yield match.start(), end
    if _MACHINE_LINE.search(text):  # else `#` is a heading, or a number
        for match in _LINE_COMMENT.finditer(text):
            yield match.span()
    yield from _tagged(text)
    yield from _between_rules(text)
    for pattern in (_MAIL, _LABELLED):
        found = [m.start() for m in pattern.finditer(text)]
        # One line may be a manner of speaking; a mail has several.
        if found and (pattern is _LABELLED or len(found) > 1):
            yield found[0], len(text)
    yield from _chat_logs(text)
    yield from _tables(text)
    yield from _announced(text)
    if _FICTION.search(text):
        yield 0, len(text)


def _tagged(text: str) -> Iterator[tuple[int, int]]:
    """`<document>` up to `</document>`, or to the end if it stands on a line of its
    own; a tag in the middle of a sentence is only spoken of."""
    closing: dict[str, list[int]] = {}
    for match in _CLOSING_TAG.finditer(text):
        closing.setdefault(match[1], []).append(match.end())
    at = 0
    for match in _OPENING_TAG.finditer(text):
        if match.start() < at:
            continue
        ends = closing.get(match[1], [])
        found = bisect.bisect_right(ends, match.end())
        if found < len(ends):
            at = ends[found]
        elif text[: match.start()].endswith("\n") and text[match.end() :][:1] == "\n":
            at = len(text)
        else:
            continue
        if at - match.start() > 30:
            yield match.start(), at


def _between_rules(text: str) -> Iterator[tuple[int, int]]:
    """`-----` and what stands up to the next such line, or the end."""
    rules = [match.span() for match in _RULE.finditer(text)]
    for first, second in zip(rules[::2], [*rules[1::2], None], strict=False):
        yield first[0], second[1] if second else len(text)


def _chat_logs(text: str) -> Iterator[tuple[int, int]]:
    """Lines with a speaker each, of whom one speaks twice or whose times stand
    there, up to where their paragraph ends."""
    lines = list(_CHAT_LINE.finditer(text))
    speakers = Counter(line["who"].strip(" :：").casefold() for line in lines)
    timed = sum(line["time"] is not None for line in lines)
    if len(lines) < 3 or (timed < 2 and max(speakers.values()) < 2):
        return
    end = text.find("\n\n", lines[-1].start())
    yield lines[0].start(), len(text) if end == -1 else end


def _tables(text: str) -> Iterator[tuple[int, int]]:
    """Lines beside each other with equally many commas or semicolons: CSV."""
    for mark in ",;":
        at = start = counted = 0
        for line in [*text.splitlines(keepends=True), ""]:
            count = line.count(mark)
            if count != counted or count < 2:
                if counted >= 2 and text[start:at].count("\n") >= 2:
                    yield start, at
                start, counted = at, count
            at += len(line)


def _announced(text: str) -> Iterator[tuple[int, int]]:
    """What follows a line that asks for work on a text, or says where one is from,
    and ends in a colon; or, without the colon, a request in a paragraph beside
    others: those are the text."""
    at = 0
    for line in text.splitlines(keepends=True):
        at += len(line)
        if _OF_ONESELF.search(line):
            continue
        if at < len(text) and _LEADS_IN.search(line) and _ANNOUNCES.search(line):
            yield at, len(text)
            return
    for match in re.finditer(r"[:：][ \t]+(?=\S)", text):
        line_start = text.rfind("\n", 0, match.start()) + 1
        said = text[line_start : match.start()]
        if _is_request(said) and len(text) - match.end() > 40:
            yield match.end(), _line_end(text, match.end())
    paragraphs = [m.span() for m in re.finditer(r"(?:[^\n]|\n(?![ \t\r]*\n))+", text)]
    if len(paragraphs) < 2:
        return
    opening, rest = text[slice(*paragraphs[0])], text[paragraphs[0][1] :]
    if _is_request(opening) or (_asks(opening) and _DOCUMENT.search(rest)):
        yield paragraphs[0][1], len(text)


def _asks(said: str) -> bool:
    return len(said) < 300 and ("?" in said or _ANNOUNCES.search(said) is not None)


def _is_request(said: str) -> bool:
    """A short line that asks for something to be done with a text."""
    return len(said) < 300 and re.match(
        rf"\W*(?:(?:please|can you|could you|hey|hi|ok|bitte|kannst du|por favor|puedes"
        rf"|peux-tu|s'il te plaît|kun je|请|帮我|請)\W*)*(?:{_WORK})",
        said,
        re.IGNORECASE,
    ) is not None  # fmt: skip


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end == -1 else end
