"""The words of a file name, as they are indexed and asked for."""

import re
import unicodedata

WORD = re.compile(r"[^\W_]+")
LONGEST = 24  # characters of a word that are indexed
MOST = 16  # words of a name that are indexed


def folded(text: str) -> str:
    """Text without case, accents and other marks: what people type is compared with what they typed then."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def words_of(name: str) -> list[str]:
    """The words of a name, each once, in order; ``Q3_Report (final).pdf`` has final, pdf, q3, report."""
    found = dict.fromkeys(word[:LONGEST] for word in WORD.findall(folded(name)))
    return sorted(list(found)[:MOST])


def wanted_words(text: str) -> list[str]:
    """The beginnings of words that are asked for, the longest first, as it leads to the fewest files."""
    found = dict.fromkeys(word[:LONGEST] for word in WORD.findall(folded(text)))
    return sorted(list(found)[:MOST], key=lambda word: (-len(word), word))


def has_all(words: list[str], wanted: list[str]) -> bool:
    """Whether each wanted beginning is that of a word."""
    return all(any(word.startswith(each) for word in words) for each in wanted)
