"""The grammar of search filters and orderings: a recursive descent over tokens, without a word about SQL.

    filter      := comparison ("AND" comparison)* ["AND"]
    comparison  := field (sign value | ["I"]LIKE text | ["NOT"] "IN" "(" text ("," text)* ")" | "IS" ["NOT"] "NULL")
    field       := [entity "."] key
    key         := word ("." word)* | `anything` | "anything"
    text        := 'anything' | "anything"
    ordering    := field ["ASC" | "DESC"]

What entities and attributes there are, and what each may be compared with, is a `Vocabulary`.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from fitscribe.store.scanner import Scanner
from fitscribe.store.vocabulary import Field, Vocabulary

__all__ = ["Comparison", "Ordering", "Value", "parse_filter", "parse_ordering"]

Value: TypeAlias = str | int | float | tuple[str, ...] | None

WORD = re.compile(r"\w+")
SIGN = re.compile(r"<=|>=|!=|=|<|>")
NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])")
LENGTH = 100_000  # characters of a filter
COMPARISONS = 200  # of one filter: SQLite allows expressions of depth 1000
LISTED = 10_000  # values of all its IN lists


class Comparison(NamedTuple):
    """One condition; the operator is upper case, the value None for IS NULL and IS NOT NULL."""

    entity: str
    key: str
    operator: str
    value: Value


class Ordering(NamedTuple):
    """One thing to sort by."""

    entity: str
    key: str
    descending: bool


def parse_filter(text: str, vocabulary: Vocabulary) -> list[Comparison]:
    """Return the comparisons that must all hold; none for an empty filter. `FilterError`: it does not parse."""
    if not text:
        return []
    scanner = Scanner(text, "filter")
    if len(text) > LENGTH:
        raise scanner.trouble(f"it is longer than {LENGTH} characters", 0)
    if scanner.done:
        raise scanner.trouble("it is blank; leave it out to find everything", 0)
    found = [_comparison(scanner, vocabulary)]
    while not scanner.done:
        _conjunction(scanner)
        if scanner.done:  # an AND at the end is tolerated: loops that build filters leave it
            break
        found.append(_comparison(scanner, vocabulary))
    if len(found) > COMPARISONS:
        raise scanner.trouble(f"it has more than {COMPARISONS} comparisons", 0)
    if sum(len(each.value) for each in found if isinstance(each.value, tuple)) > LISTED:
        raise scanner.trouble(f"its lists have more than {LISTED} values", 0)
    return found


def parse_ordering(text: str, vocabulary: Vocabulary) -> Ordering:
    """Return what to sort by. `FilterError`: it does not parse."""
    scanner = Scanner(text, "order_by")
    place = scanner.place
    entity, key = _name(scanner, vocabulary)
    if not vocabulary.sortable(entity):
        raise scanner.trouble(f"results cannot be sorted by {entity} {key[:80]!r}; {vocabulary.sorted_by()}", place)
    direction, place = scanner.take(WORD).upper(), scanner.place
    if direction not in ("", "ASC", "DESC"):
        raise scanner.error("ASC or DESC", place - len(direction))
    if not scanner.done:
        raise scanner.error("the end" if direction else "ASC, DESC or the end (quote a key with `backticks`)")
    return Ordering(entity, key, direction == "DESC")


def _conjunction(scanner: Scanner) -> None:
    place = scanner.place
    word = scanner.take(WORD).upper()
    if word == "OR":
        raise scanner.trouble("there is no OR; search twice, or use IN ('a', 'b')", place)
    if word != "AND":
        raise scanner.error("AND or the end", place)


def _comparison(scanner: Scanner, vocabulary: Vocabulary) -> Comparison:
    if scanner.symbol("("):
        raise scanner.trouble("there are no parentheses around comparisons; all of them must hold", scanner.place - 1)
    entity, key = _name(scanner, vocabulary)
    field = vocabulary.field(entity, key)
    place = scanner.place
    operator = _operator(scanner, field)
    if operator not in field.operators:
        raise scanner.trouble(
            f"{entity} {key[:80]!r} cannot be compared with {operator}; use one of {', '.join(field.operators)}", place
        )
    return Comparison(entity, key, operator, _value(scanner, field, operator))


def _name(scanner: Scanner, vocabulary: Vocabulary) -> tuple[str, str]:
    """Take `key` or `entity.key`; a key of several words needs no quotes if dots join them."""
    place = scanner.place
    first, quoted = _part(scanner, f"the name of {vocabulary.examples}")
    if not scanner.symbol("."):
        return vocabulary.default, _attribute(scanner, vocabulary, vocabulary.default, first, place)
    if first not in vocabulary.entities:
        raise scanner.error(f"one of {', '.join(vocabulary.spellings)} before the dot", place)
    entity, place = vocabulary.entities[first], scanner.place
    key, quoted = _part(scanner, "a key after the dot")
    while not quoted and scanner.symbol("."):
        more = scanner.take(WORD)
        if not more:
            raise scanner.error("a word after the dot (quote a key with `backticks`)")
        key += f".{more}"
    return entity, _attribute(scanner, vocabulary, entity, key, place)


def _part(scanner: Scanner, expected: str) -> tuple[str, bool]:
    place, quoted = scanner.place, scanner.quoted('`"')
    if quoted:
        return quoted, True
    word = scanner.take(WORD) if quoted is None else ""
    if not word:
        raise scanner.error(expected, place)
    return word, False


def _attribute(scanner: Scanner, vocabulary: Vocabulary, entity: str, key: str, place: int) -> str:
    """Return a key under its proper name; what the entity has none of is an error here."""
    known = vocabulary.known(entity, key)
    if not known:
        raise scanner.trouble(f"there is no {entity} {key[:80]!r}; {vocabulary.keys(entity)}", place)
    return known


def _operator(scanner: Scanner, field: Field) -> str:
    sign = scanner.take(SIGN)
    if sign:
        return sign
    place = scanner.place
    word = scanner.take(WORD).upper()
    if word in ("LIKE", "ILIKE", "IN"):
        return word
    if word == "NOT" and scanner.take(WORD).upper() == "IN":
        return "NOT IN"
    if word == "IS":
        last = scanner.take(WORD).upper()
        negated = last == "NOT"
        last = scanner.take(WORD).upper() if negated else last
        if last == "NULL":
            return "IS NOT NULL" if negated else "IS NULL"
    raise scanner.error(f"one of {', '.join(field.operators)} (quote a key with `backticks`)", place)


def _value(scanner: Scanner, field: Field, operator: str) -> Value:
    if operator in ("IS NULL", "IS NOT NULL"):
        return None
    if operator in ("IN", "NOT IN"):
        return _list(scanner)
    return _number(scanner, field) if field.numeric else _text(scanner)


def _number(scanner: Scanner, field: Field) -> int | float:
    quoted = scanner.quoted("'\"") if field.quotable else None
    if quoted is not None and quoted.isascii() and quoted.isdigit() and len(quoted) < 19:
        return int(quoted)
    found = scanner.take(NUMBER)
    if not found:
        raise scanner.error("a number without quotes")
    whole = int(found) if len(found) <= 20 and found.lstrip("-").isdigit() else None
    if field.whole and whole is None:
        raise scanner.error("a whole number", scanner.place - len(found))
    return whole if whole is not None and abs(whole) < 2**63 else float(found)


def _text(scanner: Scanner) -> str:
    found = scanner.quoted("'\"")
    if found is None:
        raise scanner.error("a text in quotes")
    return found


def _list(scanner: Scanner) -> tuple[str, ...]:
    if not scanner.symbol("("):
        raise scanner.error("a list such as ('a', 'b')")
    found = [_text(scanner)]
    while scanner.symbol(","):
        if scanner.text.startswith(")", scanner.place):  # Python writes a tuple of one as ('a',)
            break
        found.append(_text(scanner))
    if not scanner.symbol(")"):
        raise scanner.error("a comma or the closing parenthesis")
    return tuple(found)
