"""Secrets are found in what people paste, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memcli.redaction import redact

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "AWS Access Key": "AKIA" + "QUAYSIDE7BOATS42",
    "GitHub Token": "ghp_" + "a1B2" * 9,
    "Anthropic API Key": "sk-ant-" + "api03-Zm9vYmFyYmF6cXV4",
    "OpenAI API Key": "sk-proj-" + "aB3dE6gH9jK2mN5pQ8sT",
    "Google API Key": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "Slack Token": "xoxb-" + "1234567890-abcdefghij",
    "JSON Web Token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "abc-DEF_123",
    "Stripe Access Key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_token_is_replaced_by_its_kind(kind: str) -> None:
    text, count = redact(f"why does {SECRETS[kind]} not work?")
    assert SECRETS[kind] not in text
    assert count == 1
    assert text.startswith("why does [redacted: ")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("use postgres://app:s3cr%t-pw@db:5432/x",
         "use postgres://app:[redacted: Password]@db:5432/x"),
        ("the wifi password is hunter2!", "the wifi password is [redacted: Password]"),
        ("DB_PASSWORD=correct-horse-9", "DB_PASSWORD=[redacted: Password]"),
        ('{"client_secret": "q8Zx-11aa"}', '{"client_secret": "[redacted: Password]"}'),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----\nok",
         "[redacted: Private Key]\nok"),
    ],
)  # fmt: skip
def test_a_named_secret_is_replaced_and_its_name_stays(
    text: str, redacted: str
) -> None:
    assert redact(text)[0] == redacted


@pytest.mark.parametrize(
    "text",
    [
        "I forgot my password again",
        "the password is required, and the token is wrong",
        "password = os.environ['DB_PASSWORD']",
        "const token = getToken();",
        "api_key: ${API_KEY}",
        "see https://example.com/path/to/some-long-page-name_with_words?id=12345",
        "commit 3f2a9c1d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39",
        "session 2f6c0a1e-58d3-4b7a-9c41-e0b7d2a96f13 failed",
        "our server is at 203.0.113.7",
        "tokenization of secrets in passwordless systems",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == (text, 0)


@given(st.text(), st.sampled_from(sorted(SECRETS.values())), st.text())
def test_a_secret_between_any_words_is_found(
    before: str, secret: str, after: str
) -> None:
    text, count = redact(f"{before} {secret} {after}")
    assert count >= 1
    assert secret not in text


@given(st.text(max_size=400))
def test_redaction_is_done_after_one_pass(text: str) -> None:
    once, _ = redact(text)
    assert redact(once)[0] == once
