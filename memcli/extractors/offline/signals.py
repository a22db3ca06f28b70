"""What people say when they say something worth keeping: a table of signals.

A signal is a form of words at the start of a clause, with the kind of memory
it makes and how often it is right. Nothing is kept without one: a false memory
costs trust, a missed one is still found by `memcli search --in messages`.
"""

import re
from dataclasses import dataclass
from typing import Literal

from memcli.models import Kind

Needs = Literal["past", "future", "date"]
Voice = Literal["statement", "instruction", "bare"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One form of words.

    `needs` is a time the clause must name for the signal to count. `about` is
    the one-valued thing it speaks of; `{…}` in it is filled from the pattern's
    groups. `change` marks words that end an earlier state; the pattern's group
    `old` names that state. In an instruction, the group `body` is what is
    asked for; a "bare" signal lacks its subject ("Sold the car on Tuesday").
    """

    name: str
    kind: Kind
    pattern: re.Pattern[str]
    confidence: float
    needs: Needs | None = None
    about: str | None = None
    change: bool = False
    voice: Voice = "statement"


_ADV = (
    r"(?:(?:really|usually|always|generally|honestly|actually|personally|still|now|also"
    r"|just|definitely|normally|typically|mostly|currently|strongly|absolutely|much"
    r"|often|only|never|mainly|primarily|basically|truly|especially|particularly|simply"
    r"|all|both|already|recently|finally|regularly|sometimes|even|so|very much|kind of"
    r"|sort of|kinda|only ever|have always|'ve always)\s+)*"
)
# What points at something outside the sentence, so that nobody understands the
# memory later.
_DEICTIC = (
    r"(?!(?:it|this|that|these|those|them|him|her|you|your|yours|things|options?|one|here|there|to see"
    r"|how|what|where|when|why|the (?:way|idea|look|sound|first|second|third|last|latter"
    r"|former|other|new one|one|fact|part|thought|look|second|feel|style|tone)|both"
    r"|everything|nothing|something|either|neither|all of|none|to (?:know|say|think"
    r"|thank|ask|hear|add|point|be|have|get|go|try|know|understand))\b)"
)
_KIN = (
    r"(?:wife|husband|partner|girlfriend|boyfriend|fianc[eé]e?|spouse|ex|son|daughter"
    r"|kids?|child|children|twins|baby|mum|mom|mother|dad|father|parents|sister|brother"
    r"|siblings?|gran(?:dma|dmother|ny|dfather|dpa|dparents)?|aunt|uncle|cousin|niece"
    r"|nephew|(?:mother|father|sister|brother|parents)-in-law|stepson|stepdaughter"
    r"|flatmate|roommate|housemate|neighbou?r|best friend|family|oma|opa)"
)
_PET = (
    r"(?:dog|cat|puppy|kitten|horse|rabbit|parrot|hamster|tortoise|greyhound|dachshund)"
)
_WORK = (
    r"(?:boss|manager|supervisor|advisor|colleagues?|coworkers?|team|company|employer|job"
    r"|startup|firm|clients?|customers?|landlord|publisher|editor|doctor|therapist"
    r"|dentist|teacher|tutor|school|university|shop|studio|practice|thesis|business)"
)
_GEAR = (
    r"(?:laptop|phone|car|bike|van|computer|machine|monitor|keyboard|setup|homelab|nas"
    r"|house|flat|apartment|home|garden|kitchen|office|desk|studio|boat|camera|guitar)"
)
_SYSTEM = (
    r"(?:(?:staging|production|prod|dev|test|main|build|mail|web|api|internal|primary"
    r"|legacy|old|new) )?(?:server|database|db|cluster|repo|repository|stack|backend"
    r"|frontend|codebase|monorepo|pipeline|ci|app|site|website|service|api|staging"
    r"|production|prod|infrastructure|infra|kubernetes|cloud|cache|queue|domain|vpn"
    r"|data|logs|deploys?|deployments?|releases?|tests|ci pipeline|design system)"
)
_OWNED = rf"(?:{_KIN}|{_PET}|{_WORK}|{_GEAR}|{_SYSTEM})"
_NAME = r"(?: [A-ZÀ-Þ][\w'’-]+)?"
_BE = r"(?:is|are|was|were|'s|’s|isn't|aren't|isn’t)"
_HOLDS = (
    rf"(?:{_BE}(?! (?:the (?:problem|question|issue)|that|wrong|right|broken|failing|down"
    r"|done|over|finished|ready|not working|slow|fine|ok|okay|good|bad|asking|saying|telling|being|trying|going to"
    r"|complaining|mad|angry|happy|annoyed|confused|waiting|about to))"
    r"|has|have|lives?|works?|runs?|uses?|teaches|goes to|likes?|loves?|hates?|prefers?"
    r"|(?:can't|cannot|doesn't|don't) (?:eat|drink|stand|have|drive|swim|walk|see|hear|fly"
    r"|work|like|speak|use|live|want)|speaks?|was born|comes from|plays?|studies|wants? us"
    r"|insists?|expires?|starts?|begins?|ends?|turns?|lies|sits?|stays?|needs?|eats?"
    r"|moves?|moved|died|got|retires?|visits?|comes?|leaves?)"
)
_PAST = (
    r"(?:got|started|finished|moved|bought|sold|quit|lost|passed|failed|launched|released"
    r"|shipped|married|had|became|broke|graduated|joined|left|adopted|signed|won"
    r"|completed|gave|retired|relocated|migrated|visited|hired|published|submitted"
    r"|defended|booked|learned|learnt|buried|resigned|broke up|proposed|switched|turned"
    r"|ran|climbed|opened|closed|founded|went|travelled|flew|returned|came back|met"
    r"|separated|divorced|rented|leased|picked up|installed|rolled out|handed in"
    r"|received|was|were|stopped|began|celebrated|cancelled|canceled|ordered|lived"
    r"|worked|studied|planted|built|deployed|upgraded|replaced)"
)
_GOING = (
    r"(?:flying|moving|travell?ing|visiting|starting|getting|taking|giving|having|running"
    r"|meeting|seeing|leaving|hosting|attending|interviewing|expecting|opening|closing"
    r"|launching|releasing|shipping|going|presenting|speaking|defending|driving|spending"
    r"|buying|selling|joining|returning|coming|freezing|migrating|switching|retiring"
    r"|adopting|marrying|renting|planting|celebrating|staying|off|away|on leave"
    r"|on holiday|on vacation|out of office|on parental leave)"
)
_VERB = (
    r"(?!(?:mind|be|again|ever|been|could|would|should|did|do|does|can|will|am|are|a|an|the|wondered|thought|had|heard|seen|knew|so|good|fun"
    r"|nice|happens|happened|fails|in|on|at|for|with|to|is|was|be sure)\b)[a-z]+\b(?<!ing)"
)
# "Never really got off the ground" tells; it asks for nothing.
_TOLD = (
    r"(?!(?:(?:really|even|quite|actually|once|ever|fully|properly) )*(?:got|won|went|came"
    r"|had|was|were|did|made|said|saw|gave|took|knew|thought|found|felt|lost|met|became"
    r"|began|bought|sold|kept|left|told|ran|wrote|spoke|ate|drank|drove|flew|broke|chose"
    r"|heard|held|paid|sent|slept|spent|stood|taught|understood|wore|grew|fell|forgot"
    r"|(?!need|feed|embed|speed|shed|proceed|exceed|succeed|seed|heed|breed|weed)\w{2,}ed)\b)"
)
_RECURRING = (
    r"(?:every|each) (?:single |other |second )?(?:sunday|monday|tuesday|wednesday"
    r"|thursday|friday|saturday|day|night|week|month|morning|evening|sprint|year|quarter"
    r"|weekday|weekend)|(?:on )?(?:sun|mon|tues|wednes|thurs|fri|satur)days\b"
)


def _signal(
    name: str,
    kind: Kind,
    pattern: str,
    confidence: float,
    needs: Needs | None = None,
    about: str | None = None,
    change: bool = False,
    voice: Voice = "statement",
) -> Signal:
    # People type both apostrophes.
    either = re.sub(r"'(?=(?:s|re|ve|m|d|ll|t)\b)", "['’]", pattern)
    compiled = re.compile(either, re.IGNORECASE)
    return Signal(name, kind, compiled, confidence, needs, about, change, voice)


# The first that fits a clause is taken, so the telling ones stand first.
SIGNALS: tuple[Signal, ...] = (
    # What changed.
    _signal(
        "switched", Kind.PREFERENCE,
        rf"(?:I|we)(?:'ve| have|'m| am| are|'re)? {_ADV}(?:switched|switching|moved over"
        r"|changed over|gone back|went back|migrated)(?: everything| all [\w ]{3,20})?"
        r"(?: (?:over|back|away))?"
        r"(?: from (?P<old>[^,.;]+?))? to (?!you\b|sleep|bed|work|school|it\b|that\b)",
        0.88, change=True,
    ),
    _signal(
        "no longer", Kind.FACT,
        rf"(?:I|we)(?:'m| am|'re| are)? no longer (?P<old>{_DEICTIC}.+)",
        0.86, change=True,
    ),
    _signal(
        "not any more", Kind.FACT,
        r"(?:I|we) (?:don't|do not) (?P<old>\w+(?: \S+){0,8}?) (?:any ?more|any longer)"
        r"(?=\W*$|[,.;!]| because| since| and| but| so)",
        0.86, change=True,
    ),
    _signal(
        "gave up", Kind.FACT,
        rf"I(?:'ve| have)? {_ADV}(?:quit|gave up|given up|stopped) "
        r"(?P<old>(?!the app|it\b|that\b|this\b|there|trying)(?:\w+ing|smoking|coffee"
        r"|alcohol|sugar|meat|gluten|dairy|caffeine|the \w+|my \w+)\b.*)",
        0.75, change=True,
    ),
    _signal(
        "used to", Kind.FACT,
        r"(?:I|we) used to (?P<old>.+?),? (?:but|and) (?:now|these days|today)\b.*",
        0.86, change=True,
    ),
    _signal(
        "from a date", Kind.PLAN,
        r"(?:from|starting|as of|since) (?:[^,]{3,30}?),? (?:I|we)(?:'ll|'re|'m)? "
        r"(?!can|could|should|want|need|get|see|have to)\w+",
        0.84, needs="date",
    ),
    _signal(
        "now instead", Kind.FACT,
        rf"(?:I|we)(?:'m| am|'re| are)? (?:now {_ADV}(?:use|work|live|run|prefer|drive|eat"
        rf"|lead|manage|leading)|{_ADV}(?:use|work|live|run|prefer|drive|eat) .+"
        r"(?: now| these days)$)",
        0.78, change=True,
    ),
    # Where, who, what.
    _signal(
        "lives in", Kind.FACT,
        rf"(?:I'm in (?=(?-i:[A-ZÀ-Þ])(?!I\b|HR\b|IT\b))|(?:I {_ADV}live|I'm based|I am based|I'm living|I am living|we live)"
        r" (?:in|near|on|outside|just outside|at) (?!a world|fear|hope|the moment))",
        0.9, about="residence",
    ),
    _signal(
        "moved to", Kind.EVENT,
        rf"(?:I|we)(?:'ve| have)? {_ADV}(?:moved|relocated) to (?-i:[A-ZÀ-Þ])",
        0.9, about="residence",
    ),
    _signal(
        "moving to", Kind.PLAN,
        rf"(?:I'm|I am|we're|we are) {_ADV}(?:moving|relocating) "
        r"(?:from [^,.]+ )?to (?-i:[A-ZÀ-Þ])",
        0.88, needs="date",
    ),
    _signal(
        "origin", Kind.FACT,
        rf"I(?:'m| am)? {_ADV}(?:(?:originally )?from (?-i:[A-ZÀ-Þ])|come from (?-i:[A-ZÀ-Þ])"
        r"|grew up (?:in|on|near|speaking|with)|was born (?:in|on)(?! \w+ (?:years|months)\b))",
        0.9,
    ),
    _signal(
        "name", Kind.FACT,
        r"(?:my (?:full |first |last )?name(?:'s| is)|(?:please |just |you can )?call me"
        r"|I go by|(?:please |kindly )?address me as) (?!when|if|back|later|at|on|a\b|an\b"
        r"|crazy|lazy|old)",
        0.9, about="name",
    ),
    _signal(
        "works at", Kind.FACT,
        rf"I(?:'m| am)? {_ADV}(?:work|working|employed|freelance|consult) "
        r"(?:at|for|as|in|with|part-time|full-time|remotely|from home|night|nights)"
        r"\b(?! (?:it|this|that|now|the moment|a (?:fix|bug|feature|project|script)))",
        0.88, about="work",
    ),
    _signal(
        "occupation", Kind.FACT,
        rf"I(?:'m| am) {_ADV}an? (?!(?:bit|little|lot|few|couple|fan|huge|big|total|mess"
        r"|idiot|step|day|week|loss|beginner here|(?:firm |great |big )?believer|person who (?:just)|moron|minute|tad|ton"
        r"|sucker|bot|user\b|pirate|robot|rush|hurry|meeting|call)\b)\w+",
        0.76,
    ),
    _signal(
        "role", Kind.FACT,
        rf"I(?:'m| am) {_ADV}(?:(?:the|in charge of|responsible for|leading|running"
        r"|heading(?! (?:to|back|home|out|off|for|over|into|up|down|towards?)\b)|managing|on (?:the|a) [\w -]{2,30}(?:team|side|desk|committee|board|squad"
        r"|rotation|shift))|the (?:only|lead|head|founder|owner|maintainer|cto|ceo))\b"
        r"(?! (?:one|only one|same|first|last|problem|best|worst|test|tests|script|following"
        r"|command|server|app|code|migration|latest|newest|risk))",
        0.75,
    ),
    _signal(
        "condition", Kind.FACT,
        rf"I(?:'m| am|'ve been| was| have been) {_ADV}(?:(?:a |an )?(?:vegetarian|vegan"
        r"|pescatarian|flexitarian|teetotal)|lactose|gluten|celiac|coeliac|diabetic|asthmatic"
        r"|colou?r[- ]?blind|left-handed|right-handed|dyslexic|deaf|blind|pregnant|married"
        r"|engaged|divorced|widowed|single|retired|self-employed|unemployed|autistic"
        r"|diagnosed|bilingual|trilingual|hard of hearing|partially sighted|an only child)\b",
        0.88,
    ),
    _signal(
        "diet", Kind.FACT,
        rf"I {_ADV}(?:eat|cook) (?:\w+ )?(?:vegetarian|vegan|pescatarian|kosher|halal|keto"
        r"|gluten-free)\b",
        0.86, about="diet",
    ),
    _signal(
        "allergy", Kind.FACT,
        rf"(?:I(?:'m| am)|my {_KIN}{_NAME} (?:is|are)) {_ADV}"
        r"(?:allergic|intolerant|sensitive) to (?!bullshit|meetings|nonsense)"
        rf"|I {_ADV}have (?:a |an )?(?:[\w-]+ )?(?:allergy|intolerance|asthma|diabetes"
        r"|migraines?|adhd|arthritis|celiac|coeliac|epilepsy|condition)\b",
        0.92,
    ),
    _signal(
        "age", Kind.FACT,
        r"I(?:'m| am) (?:\d\d|twenty|thirty|forty|fifty|sixty|seventy)"
        r"(?:-\w+)?(?: years old|,|$|\.| and )",
        0.75,
    ),
    _signal(
        "has", Kind.FACT,
        rf"(?:I|we)(?:'ve)? {_ADV}(?:have|have got|got|own|keep|adopted|rescued|foster)"
        r" (?:(?:an?|one|two|three|four|five|six|\d+|my own|several|some)\b"
        r"(?: [\w-]+){0,3}? )?"
        rf"(?:{_KIN}|{_PET}s?|cats?|dogs?|bees|chickens|hens|sheep|goats|horses|degree|phd"
        r"|masters?|doctorate|house|flat|apartment|cottage|farm|garden|allotment|greenhouse"
        r"|boat|camper ?van|van|car|motorbike|e-bike|piano|cello|violin|sourdough|homelab"
        r"|restaurant|bakery|caf[eé]|shop|studio)\b(?! (?:to|that needs|crash|fail))",
        0.8,
    ),
    _signal(
        "mode", Kind.PREFERENCE,
        rf"I(?:'ve| have)? {_ADV}(?:had|use|used|keep|want|like) (?:\w+ )?(?:dark|light) mode\b",
        0.86,
    ),
    _signal(
        "never had", Kind.FACT,
        r"I(?:'ve| have) (?:never|always) (?:owned|had|been|lived|learned|driven|smoked"
        r"|eaten|liked|wanted|loved|hated|preferred|used)\b"
        r"(?! (?:this|that|it|so|seen|heard|any (?:problem|issue|trouble)))",
        0.72,
    ),
    _signal(
        "for years", Kind.FACT,
        r"I(?:'ve| have) (?:been|lived|worked|had|used|played|kept|owned|run|taught|studied"
        r"|coached|written)\b(?! (?:trying|looking|reading|getting|thinking|stuck|told"
        r"|this|it|having|seeing|debugging|staring|struggling|wondering|meaning|waiting)\b)"
        r".*\b(?:for (?:\w+ ){0,3}(?:years?|months|decades?)|since)\b",
        0.8,
    ),
    _signal(
        "habit", Kind.FACT,
        rf"I {_ADV}(?:teach|study|run|own|keep(?! \w+ing\b)|play|speak|drive|commute|manage|lead|maintain"
        r"|volunteer|look after|coach|rent|co-own|report to|collect|raise|breed|practi[cs]e"
        r"|train|cycle|swim|sing|paint|knit|garden|dance|brew|bake|homeschool|foster|mentor"
        r"|host|edit|translate for|design|sell|farm|hunt|fish|climb|sail|surf|ski|row)\b"
        r" (?!(?:it|this|that|these|those|them|the (?:tests?|script|command|code|app|server"
        r"|query|migration|build|program|function|dev)|into|npm|pip|make|docker|cargo|git"
        r"|pytest|python|`|·|away|with it|around|a (?:test|query|script|command)|on it"
        r"|track|going|getting|seeing|forgetting|losing|hitting|thinking|wondering)\b)\S",
        0.72,
    ),
    _signal(
        "uses", Kind.FACT,
        rf"(?:I|we) {_ADV}(?:use|run|deploy|ship|host|store|test|develop|write|target)"
        r"(?: everything| all our \w+)? (?:our \w+ )?(?:(?:on|with|to|in|from|via|through) )?"
        r"(?-i:[A-ZÀ-Þ`]|[a-z]+[A-Z])[^?]*",
        0.66,
    ),
    _signal(
        "team is", Kind.FACT,
        r"(?:we're|we are) (?:(?:all )?(?:on|using|running) (?-i:[A-Z])|an? (?!bit|few|lot"
        r"|couple|little|long|while|step)[\w-]+ (?:[\w-]+ )?(?:team|company|startup|shop"
        r"|nonprofit|studio|school|family|agency|firm|lab|charity|practice|business))",
        0.8,
    ),
    _signal(
        "team rule", Kind.PROCEDURE,
        r"(?:(?:here|in (?:our|my|this) [\w -]{3,25}|at (?:work|our \w+)),? )?we "
        r"(?:always|never|only) "
        r"(?!(?:know|have|need|want|think|see|get|got|had|seem|like|understand|care|talk|mind"
        r"|really|even|do it|do that)\b)[a-z]+\b .*\w",
        0.72,
    ),
    _signal(
        "birthday", Kind.FACT,
        rf"(?:my|our|my {_KIN}(?:'s|’s)) (?:birthday|anniversary|due date|wedding) "
        r"(?:is|'s|falls)",
        0.85,
    ),
    _signal(
        "own event", Kind.EVENT,
        rf"(?:my|our) (?:[\w-]+ )?(?:[\w-]+){_NAME},? (?:[\w -]{{2,40}}? )?(?:is|are|'s|'re"
        r"|starts?|begins?|ends?|expires?|comes?|will|'ll|opens?|arrives?|moves?|leaves?"
        r"|turns?|graduates?|retires?|runs out|closes?) .+",
        0.74, needs="future",
    ),
    _signal(
        "recurring", Kind.FACT,
        rf"(?:the|our|my) (?:[\w-]+ ){{1,4}}(?:is(?! to\b)|are|gets?|runs?|happens?|goes|go|leaves?"
        rf"|meets?|rebuilds?|resets?) .*\b(?:{_RECURRING})",
        0.74,
    ),
    _signal(
        "deadline", Kind.EVENT,
        r"the (?:[\w-]+ ){0,3}(?:deadline|due date|wedding|exam|launch|release|interview"
        r"|conference|kick-?off|go-live|demo|hearing|surgery|inspection|move|opening)\b"
        r"[\w ,'-]{0,60}? (?:is|are|starts?|begins?)\b",
        0.72, needs="future",
    ),
    _signal(
        "every needs", Kind.PROCEDURE,
        r"(?:every|each|all|any|no) (?:[\w-]+ ){1,4}(?:here|in (?:our|this|my) \w+|on our \w+"
        r"|of ours) (?:needs?|must|has to|have to|goes?|gets?|is|are|requires?)\b",
        0.74,
    ),
    _signal(
        "own is", Kind.FACT,
        rf"(?:my|our) (?:[\w-]+ )?{_OWNED}{_NAME},? (?:[\w ]{{2,30}}, )?{_ADV}{_HOLDS}\b",
        0.76,
    ),
    _signal(
        "named", Kind.FACT,
        rf"(?:my|our) (?:[\w-]+ )?(?:{_KIN}|{_PET})(?:'s|’s)? "
        r"(?:name is|is called|is named|name's) (?-i:[A-ZÀ-Þ])",
        0.9,
    ),
    _signal(
        "speaks", Kind.FACT,
        rf"(?:my native language|my mother tongue|my pronouns|my time ?zone|my accent"
        rf"|my pronouns) (?:is|are)|{_ADV}I speak (?-i:[A-Z])",
        0.88,
    ),
    # What they like.
    _signal(
        "favourite", Kind.PREFERENCE,
        r"my (?:all-time )?favou?rite (?P<thing>[\w -]{2,30}?) (?:is|are|was|has always been)"
        r" (?!the (?:first|second|third|last)|this|that|when|part)",
        0.9, about="favourite {thing}",
    ),
    _signal(
        "hates", Kind.PREFERENCE,
        rf"I (?:{_ADV}(?:hate|dislike|detest|despise|loathe|abhor)"
        rf"|(?:{_ADV}can't|cannot|could never|can not) (?:stand|bear|abide)) {_DEICTIC}"
        r"(?!to (?:say|ask|bother|break|tell)|when|having to|doing this)\S",
        0.86,
    ),
    _signal(
        "prefers", Kind.PREFERENCE,
        rf"I(?:'ve always)? {_ADV}(?:prefer(?:red)?|favou?r) {_DEICTIC}"
        r"(?!if you|you|we|the (?:\w+ )?(?:version|option|draft|one)\b)\S",
        0.86,
    ),
    _signal(
        "rather", Kind.PREFERENCE,
        rf"(?:(?:generally|in general|usually|normally),? )I'd (?:{_ADV})rather \S"
        rf"|I'd (?:always|much|generally) rather {_DEICTIC}\S",
        0.76,
    ),
    _signal(
        "loves", Kind.PREFERENCE,
        rf"I {_ADV}(?:love|adore|enjoy|like)(?! the\b)(?! to think| that| how)"
        rf" {_DEICTIC}(?!you|having you|working with you|the\b|a challenge)\S",
        0.72,
    ),
    _signal(
        "fan", Kind.PREFERENCE,
        rf"I(?:'m| am) (?:not |never )?{_ADV}(?:(?:a |an )?(?:big |huge |massive |great )?fan"
        rf" of|fond of|into|keen on|partial to|obsessed with|not comfortable with) {_DEICTIC}\S",
        0.78,
    ),
    _signal(
        "does not", Kind.PREFERENCE,
        r"I (?:don't|do not|never) (?:really |usually |generally )?(?:like|eat|drink|enjoy"
        r"|care for|smoke|drive|fly|trust|wear|cook|watch|check|answer|read|work (?:on|after"
        rf"|before|weekends|past)|do \w+days|go (?:in|to|near)) {_DEICTIC}"
        r"(?!any|much|either|the (?:look|sound)|that|code|logs?)\S",
        0.78,
    ),
    _signal(
        "leans", Kind.PREFERENCE,
        rf"I {_ADV}(?:lean towards?|swear by|stick to|go for|tend to|avoid|find [\w ]+ "
        rf"(?:easier|harder|more|better|nicer|calming|distracting)) {_DEICTIC}\S",
        0.72,
    ),
    # What was settled.
    _signal(
        "decided", Kind.DECISION,
        rf"(?:(?:I|we|the (?:\w+ )?(?:team|board|group|committee|family))(?:'ve| have|'s| has)?"
        rf" {_ADV}(?:decided|settled|agreed|chosen|chose|picked|opted|voted|committed to|gone"
        r" with|went with|ruled out)(?! (?:that \W?you|you|to ask|it\b|with you))"
        r"|(?:it's|it is|it was) (?:been )?(?:decided|agreed|settled))\b",
        0.86,
    ),
    _signal(
        "going with", Kind.DECISION,
        rf"(?:I|we)(?:'re|'m| are| am) {_ADV}(?:going with|sticking (?:with|to)|keeping"
        rf"|dropping|replacing|staying (?:on|with)|freezing|moving away from|retiring) "
        rf"{_DEICTIC}\S",
        0.76,
    ),
    _signal(
        "will use", Kind.DECISION,
        rf"we(?:'ll| will) {_ADV}(?:use|go with|stick (?:with|to)|keep|drop|move to|switch to"
        rf"|ship|build|write|rewrite|replace|host|support) {_DEICTIC}\S",
        0.66,
    ),
    _signal(
        "let us go with", Kind.DECISION,
        r"(?:ok(?:ay)?,? |right,? |then |so )?let's (?:go with|stick with|settle on) "
        rf"{_DEICTIC}(?!option|number|the)\S+(?: \S+)? for \S",
        0.68,
    ),
    _signal(
        "it is then", Kind.DECISION,
        r"(?P<body>(?-i:[A-Z]|[a-z])[\w.+#-]+(?: [\w.+#-]+){0,2}) (?:it is|then)(?:$|[,.:;!])",
        0.5,
    ),
    # What lies ahead, what happened.
    _signal(
        "planning", Kind.PLAN,
        rf"(?:I'm|I am|we're|we are|I'll be|we'll be|(?:my \w+|\w+) and I are) {_ADV}"
        rf"(?:(?:going to|planning to|planning on|about to|due to|hoping to) \w+|{_GOING})\b",
        0.82, needs="future",
    ),
    _signal(
        "have on", Kind.EVENT,
        r"(?:I|we)(?:'ve| have)(?: got)? (?:an?|my|our|the) (?:[\w-]+ ){0,4}(?:appointment"
        r"|interview|exam|surgery|operation|deadline|meeting|flight|wedding|race|concert"
        r"|recital|presentation|talk|trip|scan|check-?up|reunion|marathon|deposition|hearing"
        r"|viewing|demo|conference|review|birthday|party)\b",
        0.82, needs="future",
    ),
    _signal(
        "intends", Kind.PLAN,
        rf"(?:I|we) {_ADV}(?:plan|intend|hope|want|aim|leave|fly|travel|start|move|open"
        r"|launch|go live)\b",
        0.72, needs="future",
    ),
    _signal(
        "will", Kind.PLAN,
        rf"(?:I'll|I will|we'll|we will) {_ADV}(?!\w+ (?:it|this|that|you|ya)\b|\w+ \w+ it\b|know|let you|check|look|get back|think|see"
        r"|test|send you|tell you|try|do (?:it|that)|be back|need|ask|report|update|post"
        r"|fix|have to|probably|maybe|run|continue|finish this|write)\w+",
        0.55, needs="future",
    ),
    _signal(
        "first person past", Kind.EVENT,
        rf"(?:I|we)(?:'ve| have)? {_ADV}{_PAST}\b(?! (?:it|this|that|an? (?:error|bug|fix"
        r"|exception|question|look|warning|problem|idea|message|test|chance)|the (?:error"
        r"|tests?|same|build|code|script|following|logs?|wrong|exact)|going|told|trying"
        r"|thinking|wondering|looking|able|just|not|to (?:the file|look|check)|stuck"
        r"|confused|in a|about)\b)",
        0.74, needs="past",
    ),
    _signal(
        "bare past", Kind.EVENT,
        r"(?:just )?(?:sold|lost|bought|quit|passed|failed|booked|signed|adopted|moved|finished"
        r"|launched|shipped|started|flew|ran|won|joined|submitted|published|handed in|learned)"
        r" (?:my|our|the|a|an|off|out|up|into|to|in) ",
        0.66, needs="past", voice="bare",
    ),
    _signal(
        "bare future", Kind.PLAN,
        r"(?:flying|moving|travell?ing|starting|leaving|getting married|going|visiting) "
        r"(?:to|from|in|on|at|my|our|a|the) ",
        0.66, needs="future", voice="bare",
    ),
    _signal(
        "kin past", Kind.EVENT,
        rf"(?:my|our) (?:[\w-]+ )?{_OWNED}{_NAME} (?:just |finally )?(?:had|got|was|died|passed"
        r"|gave|moved|started|graduated|broke|lost|won|left|came|turned|retired|flooded"
        r"|finished)\b",
        0.76, needs="past",
    ),
)  # fmt: skip

# Forms in which people tell an assistant how to behave from now on.
INSTRUCTIONS: tuple[Signal, ...] = (
    _signal(
        "from now on", Kind.INSTRUCTION,
        r"(?:(?:and|so|ok(?:ay)?|right|also),? )*(?:from (?:now|here|today|this point)"
        r"(?: on(?:wards?)?)?+|going forward|moving forward|in (?:the )?future|henceforth"
        r"|for future reference)(?: please)?,?:? (?P<body>(?!(?:I|we)\b|I['’]).+)",
        0.88, voice="instruction",
    ),
    _signal(
        "always or never", Kind.INSTRUCTION,
        r"(?:(?:and|so|ok(?:ay)?|also|but|oh|yes|no),? )*(?:please,? )?"
        rf"(?P<body>(?:always|never(?: ever)?) {_TOLD}{_VERB}.+)",
        0.84, voice="instruction",
    ),
    _signal(
        "do not ever", Kind.INSTRUCTION,
        r"(?:(?:and|so|ok(?:ay)?|also|but|oh),? )*(?:please,? )?(?P<body>(?:don't|do not)"
        r" (?:ever .+|.+\b(?:ever again|ever|anymore|any more|in (?:the )?future"
        r"|at all|under any circumstances)\b.*))",
        0.8, voice="instruction",
    ),
    _signal(
        "stop doing", Kind.INSTRUCTION,
        r"(?:please,? )?(?P<body>stop (?!it\b|that\b|here|there|now\b|the\b|asking|talking"
        r"|wasting|being|trying|worrying|waiting|telling)\w+ing (?!.*\b(?:and|now|just)\b).+)",
        0.55, voice="instruction",
    ),
    _signal(
        "whenever", Kind.INSTRUCTION,
        r"(?P<body>(?:whenever|every time|any time|each time) (?:I|you) .+?, (?!(?:it|I|we|they"
        r"|there|he|she|my|our|the|this|that|these|some|nothing|everything|people)\b|I['’]).+)",
        0.76, voice="instruction",
    ),
    _signal(
        "for me always", Kind.INSTRUCTION,
        r"(?:please,? |kindly )(?P<body>(?!(?:let|help|explain|give|find|make|tell|show|fix"
        r"|check|see|look|try|go|ignore)\b)\w+ .+\b(?:anything you|everything you|whenever"
        r"|every time|all (?:my|our|your)|in all|any (?:of )?(?:my|our|your)|always|never"
        r"|each time|throughout)\b.*)",
        0.72, voice="instruction",
    ),
    _signal(
        "has to be everywhere", Kind.INSTRUCTION,
        r"(?P<body>in (?:everything|all) .{3,60}(?:has to|have to|must|should) .+)",
        0.76, voice="instruction",
    ),
    _signal(
        "use for all", Kind.INSTRUCTION,
        r"(?:please,? )?(?P<body>(?:use|keep|write|put|stick to|prefer|avoid) .+\b(?:for all"
        r"|for every|everywhere|in every|in all|throughout|across the)\b.*)",
        0.72, voice="instruction",
    ),
    _signal(
        "only", Kind.INSTRUCTION,
        r"(?P<body>[\w ·`-]{3,30} only(?: for me)?,? please|only ever .+)",
        0.62, voice="instruction",
    ),
)  # fmt: skip

# "Remember that …": what follows is kept because the person asked for it.
REMEMBER = re.compile(
    r"(?:(?:please|also|and|ok(?:ay)?),? )*(?:remember|keep in mind|don['’]t forget"
    r"|bear in mind|note to (?:future )?(?:you|self)|make a note|note|for the record"
    r"|for context|fyi|just so you know|so you know)"
    r"(?:,? (?:that|this)|[:,]| –| —)+ (?P<body>.+)",
    re.IGNORECASE,
)
# A statement that sets an earlier one right.
CORRECTION = re.compile(
    r"^(?:(?:oh|ah|hm+|no|wait|sorry|oops|ok(?:ay)?|and|also|lol)[,.! ]+)*"
    r"(?:no no\b|actually|correction|sorry|i was wrong|i misspoke|i meant|i (?:told|gave) you (?:the )?wrong"
    r"|(?:also,? )?i (?:told|gave) you the wrong|scrap (?:what|that)|i had (?:it|that|them) wrong|my mistake|i mixed|i got .{2,30} "
    r"wrong|not quite right|one correction|small correction)\b",
    re.IGNORECASE,
)
NOT_BUT = re.compile(
    r"\b(?:is|are|was|were|['’]s|getting|lives?|works?|starts?|moved to|called|spelled)\b"
    r".*?,? (?:and )?not (?:on |in |at |the |a |an |with )*[\w\"'‘“]",
    re.IGNORECASE,
)

# An assistant's turn that sums up what was agreed. The label has to say so: most
# of what stands in an assistant's lists is its own.
_OPENING = (
    r"^(?:(?:great|perfect|good(?: choice)?|ok(?:ay)?|all right|alright|right|clear|so|well"
    r"|will do|fine)[,.!:—– -]+)*"
)
SUMMARY_LABEL = re.compile(
    _OPENING + r"(?:(?:so )?(?:to )?(?:recap|sum(?:ming)? up)\b"
    r"(?: (?:of )?what (?:we|you) (?:\w+ )?(?:agreed|decided|settled)(?: on)?)?"
    r"|(?:here(?:['’]s| is) )?(?:what|where) (?:we|you)(?:['’]ve| have)? (?:agreed|decided"
    r"|settled|landed|ended up)(?: on)?|as agreed|agreed(?=[:,])"
    r"|so(?: then)?,? (?:we|you)(?:['’]ve| have)?(?: both)? (?:agreed|decided|settled)"
    r"(?: (?:on|that|to))?"
    r"|(?:we|you)(?:['’]ve| have) (?:agreed|decided|settled)(?: (?:on|that|to))?"
    r"|(?:the )?decisions?(?: so far)?(?=:)|that leaves us with"
    r"|final (?:structure|plan|decision)(?: then)?)"
    r"[\s,.:!–—-]*",
    re.IGNORECASE,
)
SUMMARY_SENTENCE = re.compile(
    _OPENING + r"(?P<body>(?:(?:so )?the .{2,40} plan (?:is|stands)"
    r"|(?:so )?we(?:['’]re| are) (?:replacing|going with|keeping|dropping|switching)"
    r"|you(?:['’]re| are) (?:taking|going with|keeping|dropping|switching)).*)",
    re.IGNORECASE | re.DOTALL,
)
# Words for yes that can mean nothing else; "ok" and "great" open any reply.
AGREES = re.compile(
    r"^\W*(?:yes|yep|yeah|yup|agreed|sounds (?:good|great|right|fine)|exactly|deal|correct"
    r"|that(?:['’]s| is) (?:right|it|correct|the plan)|i agree|works for me|confirmed|ja"
    r"|absolutely|settled|let['’]s do (?:it|that)|go ahead)\b",
    re.IGNORECASE,
)
DISAGREES = re.compile(
    r"^\W*(?:no\b|nope|not |wait|hold on|hmm|actually|but )", re.IGNORECASE
)

# Words that take a sentence back while saying it.
HYPOTHETICAL = re.compile(
    r"\b(?:if (?:i|we|you|it|they|he|she|that|there|somebody|someone|my|our|the)\b|suppose"
    r"|imagine|what if|let['’]s say|say (?:i|we)\b|assuming|in theory|hypothetically"
    r"|as if|were to|would have|could have|should have|might have|wish (?:i|we)\b"
    r"|pretend|one day|some day|someday|if ever|if only|for example|e\.g\.|for instance"
    r"|unless|just (?:testing|kidding|joking)|test test)",
    re.IGNORECASE,
)
HEDGED = re.compile(
    r"\b(?:maybe|perhaps|probably|might|not sure|i guess|i suppose|possibly|thinking (?:of"
    r"|about)|considering|not decided|undecided|or so|kind of|sort of|i think)\b",
    re.IGNORECASE,
)
TRANSIENT = re.compile(
    r"\b(?:right now|at the moment|just now|brb|a sec(?:ond)?|a minute|hang on|one moment"
    r"|for now|this (?:error|file|test|code|function|time|once|one)|just this once"
    r"|asleep|heading (?:to|for|back|home)"
    r"|since (?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|lunch"
    r"|breakfast|this morning|midnight|then|\d{1,2}(?::\d\d| ?[ap]m)?(?! \w))(?=\W*$|[,.;])"
    r"|ever since\W*$|all (?:day|morning|night|afternoon|evening)(?! (?:every|on|each))"
    r"|for (?:(?:\w+ )?hours?|\w+ minutes)|stuck|currently (?:trying|getting|seeing|debugging)|tired|hungry|bored|confused)\b",
    re.IGNORECASE,
)
