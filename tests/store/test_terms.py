"""What is found by another name, through a full-text index as the store has it."""

import sqlite3
import string
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memcli.store.terms import (
    MARKS,
    MOST_NAMES,
    MOST_PAIRS,
    expressions,
    extra_terms,
)


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(
            "CREATE VIRTUAL TABLE t USING fts5(text, terms, tokenize="
            f"\"porter unicode61 remove_diacritics 2 tokenchars '{MARKS}'\")"
        )
        yield db


def finds(db: sqlite3.Connection, query: str, text: str) -> bool:
    db.execute("DELETE FROM t")
    db.execute("INSERT INTO t VALUES (?, ?)", (text, extra_terms(text)))
    expression = " OR ".join(expressions(query))
    if not expression:
        return False
    found = db.execute("SELECT 1 FROM t WHERE t MATCH ?", (expression,)).fetchone()
    return found is not None


NAMES = ["parseConfig", "parse_config", "parse-config", "PARSE_CONFIG", "ParseConfig"]
SERVERS = ["HTTPServer2", "http_server2", "http-server-2", "httpServer2"]
ONE_ANOTHER = [
    NAMES,
    [*SERVERS, "HTTP_SERVER_2"],
    ["v2.3.1", "2.3.1", "V2.3.1"],
    ["python3.11", "Python 3.11"],
    ["PROJ-1423", "proj_1423", "PROJ1423", "[PROJ-1423]"],
    ["#1423", "1423", "(#1423)"],
    ["C++", "c++", "C++,"],
    ["C#", "c#", "csharp"],
    [".NET", ".net", "dotnet"],
    ["node.js", "Node.js", "nodejs", "NodeJS"],
    ["utf-8", "UTF8", "utf_8"],
    ["user@example.org", "<user@example.org>", "USER@EXAMPLE.ORG"],
    ["src/api/auth.ts", "`src/api/auth.ts`", "src/api/auth.ts:88", r"src\api\auth.ts"],
    ["Straße", "STRASSE", "strasse"],
    ["ＡＰＩ", "api"],
    ["ﬁle", "file"],
    ["café", "cafe\u0301", "cafe"],
    ["カタカナ", "ｶﾀｶﾅ"],
    ["한국", "\u1112\u1161\u11ab\u1100\u116e\u11a8"],
]


@pytest.mark.parametrize(
    ("one", "other"),
    [(one, other) for group in ONE_ANOTHER for one in group for other in group],
)
def test_names_find_one_another(
    index: sqlite3.Connection, one: str, other: str
) -> None:
    assert finds(index, one, f"so we have {other} here")


FINDS = [
    *[("config", name) for name in NAMES],
    *[("server", name) for name in SERVERS],
    ("parse config", "parseConfig"),
    ("parseConfig", "we parse config files"),
    ("auth.ts", "src/api/auth.ts"),
    ("auth", "src/api/auth.ts"),
    ("api/auth", "src/api/auth.ts"),
    ("src/api/auth.ts", "look at auth.ts"),
    ("parseConfig.ts", "src/parse_config.ts"),
    ("parse_config", "obj.parseConfig()"),
    ("store.parse_config()", "parseConfig"),
    ("2.3", "v2.3.1"),
    ("2.3", "2.3.1"),
    ("1.0.0", "1.0.0rc1"),
    ("3.5", "3.5GB"),
    ("1423", "PROJ-1423"),
    ("#1423", "PROJ-1423"),
    ("example.org", "user@example.org"),
    ("C++", "C++17"),
    ("C#", "written in C#."),
    ("F#", "F#/C#"),
    ("node 20", "node20"),
    ("confi", "parse_config"),
    ("dark mo", "the dark mode"),
    ("skiff's", "skiff"),
    ("l'argent", "argent"),
    ("python", "用Python写的"),
    ("iPhone", "iPhoneを買った"),
    ("C#", "用C#写的"),
    (".net", "用.NET写的"),
    ("node.js", "用node.js写的"),
    ("AI", "AI-기반"),
    ("3", "第3章"),
    ("결과", "Python의 결과를 보자"),
    ("python", "Python의 결과"),
    ("骨折", "左手腕骨折了,打着石膏"),
    ("猫", "うちの猫、むぎ"),
    ("むぎ", "うちの猫、むぎっていう茶トラ"),
    ("再検査", "再検査は3か月後です"),
    ("2023年3月", "在2023年3月去了"),
    ("3か月", "再検査は3か月後です"),
    ("부산", "부산에서 만났어"),
    ("친구가", "친구를 만났어"),
    ("ข้าว", "กินข้าวแล้ว"),
    ("น้ำ", "ดื่มน้ำ"),
    ("ນ້ຳ", "ດື່ມນ້ຳ"),
    ("ភាសា", "រៀនភាសាខ្មែរ"),
    ("ခ္မ", "အခ္မာ"),
    ("मौसम", "आज मौसम अच्छा है"),
    ("конфиг", "новый конфиг"),
    ("the", "what is the of"),
    ("说什么", "他说什么了"),
]


@pytest.mark.parametrize(("query", "text"), FINDS)
def test_a_text_is_found(index: sqlite3.Connection, query: str, text: str) -> None:
    assert finds(index, query, text)


FINDS_NOT = [
    ("C++", "written in C."),
    ("C#", "C and C++"),
    ("C++", "C# it is"),
    ("F#", "C#"),
    (".NET", "the net result"),
    ("node.js", "a node of the tree"),
    ("node.js", "plain js"),
    ("parseConfig", "parse the config"),
    ("parseConfig", "parseContent"),
    ("PROJ-1423", "PROJ-1424"),
    ("PROJ-1423", "OTHER-1423"),
    ("2.3.1", "v2.3.2"),
    ("v2.3.1", "12.3.1"),
    ("user@example.org", "user@example.com"),
    ("src/api/auth.ts", "src/api/author.ts"),
    ("カタ", "タカ"),
    ("ดี", "ดา"),
    ("กิน", "กัน"),
    ("부산", "산부인과"),
    ("the dark side of confi", "config"),  # a long question was not cut short
    ("what dar", "what is the of"),
    ("的", "plain"),
]


@pytest.mark.parametrize(("query", "text"), FINDS_NOT)
def test_a_text_is_not_found(index: sqlite3.Connection, query: str, text: str) -> None:
    assert not finds(index, query, text)


@pytest.mark.parametrize(
    "text",
    [
        "We moved to Ghent on Friday, at 18:20, and it cost 3.50 (or 4).",
        "I'd say it's Anna's; don't you think so?! Well... fine/OK, e.g. 2024.",
        "NASA and the UN have APIs and PRs, all of them by 5pm.",
        "Завтра мы едем в Москву. Ça va? Äpfel, Öl und Übel. यह मौसम",
        "",
    ],
)
def test_prose_has_no_other_names(text: str) -> None:
    assert extra_terms(text) == ""


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("\n".join(f"worker_{i} getUser{i}Name took {i}ms" for i in range(20_000)), 0),
        ("中文字符" + "".join(map(chr, range(0x4E00, 0x9000))), 1),
        (" ".join(f"{i * 2654435761 % 2**64:016x}" for i in range(20_000)), 0),
        ("aB3dE5gH7jK9" * 50_000, 0),
        ("ﬁ" + "a" * 500_000, 0),
        ("a" * 500_000 + "1.2", 0),
        ("\u0e34" * 500_000, 1),
    ],
)
def test_the_other_names_of_a_long_text_are_few(text: str, most: int) -> None:
    found = extra_terms(text).split(" ")
    assert len(found) <= (MOST_NAMES, MOST_PAIRS)[most]
    assert max(map(len, found)) <= 100


def test_hashes_have_no_other_names() -> None:
    assert (
        extra_terms("commit 3f2a9c0d1e4b of 550e8400-e29b-41d4-a716-446655440000") == ""
    )
    assert extra_terms("key dGhpcyBpcyBhIHRlc3Qgb2Yga2V5cw== there") == ""


def test_a_question_asks_for_a_bounded_number_of_words() -> None:
    assert len(expressions(" ".join(f"w{i}" for i in range(500)))) == 64
    assert len(expressions("".join(map(chr, range(0x4E00, 0x5000))))) == 64


@given(st.text() | st.text(alphabet=string.printable + "的猫กิ한が", max_size=40))
@example('"')
@example("AND OR NOT NEAR(a b, 2) ^x * col:y -z {t}")
@example("\x00a")
@example("\ud800 a")
@example("C++# .NET# #.net")
def test_any_question_is_an_expression(index: sqlite3.Connection, text: str) -> None:
    finds(index, text, text.encode(errors="replace").decode())


PARTS = st.text(
    string.ascii_letters + string.digits + "äÖßéПар", min_size=1, max_size=9
)
SIGNS = st.sampled_from([*"-_./:@#+&", "__", "::", "://", "\\"])
CODE = st.lists(st.tuples(PARTS, SIGNS), min_size=1, max_size=4).map(
    lambda pairs: "".join(part + sign for part, sign in pairs).rstrip("-_./:@#+&\\")
)
OTHERS = st.sampled_from(
    ["C++", "C#", ".NET", "node.js", "v2.3.1", "猫を飼う", "骨折", "부산에서", "กินข้าว",
     "ﬁle", "ＡＢＣ", "Straße", "don't", "3か月後"]
)  # fmt: skip


@given(st.lists(CODE | OTHERS, min_size=1, max_size=6))
def test_every_name_in_a_text_finds_it(
    index: sqlite3.Connection, names: list[str]
) -> None:
    for text in (" ".join(names), f"Well, ({'), ('.join(names)})!"):
        for name in names:
            assert finds(index, name, text), name


RUNS = st.one_of(
    *(
        st.text(letters, min_size=1, max_size=12)
        for letters in ("骨折中国語がのむぎカタ的了", "한국어친구를은", "กขคงจาะเ")
    )
)


@given(RUNS, st.sampled_from(["", "2023", "Python", "、", " ok "]), RUNS)
def test_every_part_of_a_run_finds_it(
    index: sqlite3.Connection, one: str, between: str, other: str
) -> None:
    for run in (one, other):
        for start in range(len(run)):
            part = run[start : start + 3]
            assert finds(index, part, one + between + other), part
