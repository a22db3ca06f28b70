"""The formats that can be read, in the order in which they are tried."""

from memcli.transcripts.formats.base import Format
from memcli.transcripts.formats.claude_code import ClaudeCode
from memcli.transcripts.formats.generic import Generic

FORMATS: tuple[Format, ...] = (ClaudeCode(), Generic())
