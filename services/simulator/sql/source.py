"""The text of a query with its tokens, and positions in it as Calcite counts them.

sqlglot keeps character offsets on names and literals only, so the span of an expression is that
of its descendants, widened to the bracket that closes a call. Positions must be taken before a
tree is rewritten.
"""

from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer


class CompileError(Exception):
    """The query is refused; the message is the cause in AMC's words."""


@dataclass(frozen=True, slots=True)
class Span:
    """Character offsets, both inclusive."""

    start: int
    end: int


@dataclass(frozen=True)
class Source:
    """One query text."""

    text: str

    @cached_property
    def tokens(self) -> list[Token]:
        try:
            return Tokenizer().tokenize(self.text)
        except TokenError as error:
            raise CompileError(f"Lexical error: {error}".split("\n")[0]) from None

    def line_column(self, offset: int) -> str:
        """`line 3, column 7`, both from 1."""
        before = self.text[:offset]
        column = offset - (before.rfind("\n") + 1) + 1
        return f"line {before.count(chr(10)) + 1}, column {column}"

    def encountered(self, token: Token) -> CompileError:
        """The parser's error at a token."""
        word = self.text[token.start : token.end + 1].split(maxsplit=1)[0]
        return CompileError(f'Encountered "{word}" at {self.line_column(token.start)}.')

    def invalid(self, node: exp.Expr, text: str) -> CompileError:
        """The validator's error over the span of a node, or without a place if it has none."""
        span = self.span(node)
        if span is None:
            return CompileError(text)
        start, end = self.line_column(span.start), self.line_column(span.end)
        return CompileError(f"From {start} to {end}: {text}")

    def span(self, node: exp.Expr) -> Span | None:
        marks = [
            (int(part.meta["start"]), int(part.meta["end"]))
            for part in node.walk()
            if part._meta and "start" in part._meta  # noqa: SLF001  `meta` would create it
        ]
        if not marks:
            return None
        start, end = min(mark[0] for mark in marks), max(mark[1] for mark in marks)
        return Span(start, self._widened(start, end))

    def _widened(self, start: int, end: int) -> int:
        """`end`, moved to the bracket that closes what was opened within the span or, for a
        call without arguments, directly behind it."""
        depth = 0
        for token in self.tokens:
            if token.start < start:
                continue
            if token.start > end + 1 and depth == 0:
                break
            if token.token_type is TokenType.L_PAREN:
                depth += 1
            elif token.token_type is TokenType.R_PAREN and depth > 0:
                depth -= 1
                end = max(end, token.end)
        return end
