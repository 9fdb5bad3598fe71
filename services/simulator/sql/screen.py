"""Refuses, by tokens and by tree nodes, what AMC's grammar does not have.

Runs before names are looked up. A deny-list: what sqlglot accepts beyond it passes here.
"""

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from services.simulator.sql.source import CompileError, Source

_STARTS = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN, TokenType.VALUES})
_NEVER = frozenset({TokenType.LIMIT, TokenType.FETCH, TokenType.QUALIFY, TokenType.DCOLON})
_BANNED_FUNCTIONS = frozenset({"GETDATE", "SYSDATE", "NOW"})


def screen_tokens(source: Source) -> None:
    """CompileError at the first token that no AMC query has at its place."""
    tokens = source.tokens
    if not tokens:
        raise CompileError('Encountered "<EOF>" at line 1, column 1.')
    if tokens[0].token_type not in _STARTS:
        raise source.encountered(tokens[0])
    depth = 0
    for index, token in enumerate(tokens):
        depth += _depth_change(token)
        following = tokens[index + 1 : index + 3]
        if _is_refused(token, following, depth):
            raise source.encountered(token)
        if token.token_type is TokenType.SEMICOLON and following:
            raise source.encountered(following[0])


def _depth_change(token: Token) -> int:
    if token.token_type is TokenType.L_PAREN:
        return 1
    return -1 if token.token_type is TokenType.R_PAREN else 0


def _is_refused(token: Token, following: list[Token], depth: int) -> bool:
    if token.token_type in _NEVER:
        return True
    kinds = [t.token_type for t in following]
    if token.token_type is TokenType.RIGHT:
        return TokenType.JOIN in kinds[:1] or kinds == [TokenType.OUTER, TokenType.JOIN]
    # ORDER BY inside a CTE or a sub-query is in published AMC queries; only the outermost is not.
    return token.token_type is TokenType.ORDER_BY and depth == 0


def screen_tree(source: Source, tree: exp.Expr) -> None:
    """CompileError at the first node AMC has no operation for."""
    for node in tree.walk():
        if isinstance(node, exp.DPipe):
            raise source.invalid(node, "Unsupported scalar operation type ||")
        if isinstance(node, exp.Func) and _function_name(node) in _BANNED_FUNCTIONS:
            name = _function_name(node)
            raise source.invalid(node, f"No match found for function signature {name}()")


def _function_name(node: exp.Func) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else type(node).__name__).upper()
