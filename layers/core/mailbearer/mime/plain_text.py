"""The plain text of a piece of HTML, for readers who see no HTML: linear in its length, whatever it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What may begin a tag, a comment or a declaration; any other "<" is text.
_MARKUP = re.compile(r"<(?=[A-Za-z!?]|/[A-Za-z!?>])")
_NAME = re.compile(r"/?[A-Za-z][^\s/>]*")
# The end of a tag, or the beginning of a quoted value, in which a ">" may stand.
_TAG_MARK = re.compile(r">|=\s*([\"'])")
# Begins at the beginning of a name only, so that no character is looked at twice.
_ATTRIBUTE = re.compile(r"""(?<![^\s"'<>/=])([^\s"'<>/=]++)\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s"'>]++)""")
# Bounded, because `unescape` would make a number of any length.
_IN_TEXT = re.compile(r"&(?:#[0-9]{1,12}|#[xX][0-9A-Fa-f]{1,12}|[A-Za-z][A-Za-z0-9]{1,31});?")
_IN_VALUE = re.compile(r"&(?:#[0-9]{1,12}|#[xX][0-9A-Fa-f]{1,12}|[A-Za-z][A-Za-z0-9]{1,31});")
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_LINE_END = re.compile(r"\r\n?")
_START = re.compile(r"[0-9]{1,6}")
_SCHEME = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
# Blanks that do not break count as blanks; what only parts words, or fills a line, shows nothing.
_LOOKS = str.maketrans({"\u00a0": " ", "\u2007": " ", **dict.fromkeys("\0\u00ad\u034f\u200b\u2060\ufeff")})
_INVISIBLE = " \u200c\u200d\u200e\u200f"

_UNSEEN = frozenset({"iframe", "script", "select", "style", "svg", "template", "textarea", "title"})
_PARAGRAPHS = frozenset(
    {"blockquote", "dl", "fieldset", "form", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table", "ul"}
)
_LINES = frozenset(
    {"address", "article", "aside", "body", "caption", "center", "dd", "details", "div", "dt", "figcaption", "figure"}
    | {"footer", "head", "header", "html", "legend", "li", "main", "nav", "section", "summary", "tbody", "tfoot"}
    | {"thead", "tr"}
)
_BLOCKS = _PARAGRAPHS | _LINES
_LISTS = frozenset({"ol", "ul"})
_LONGEST = 2_000_000
_DEEPEST = 8
_RULE = "-" * 20


def plain_text(html: str) -> str:
    """Give what a piece of HTML says: paragraphs, lists, table rows, and where each link goes behind its words.

    Lines end in LF. Empty if there is nothing to read, as where all is in pictures without words. Of HTML beyond two
    million characters, which takes half a second, the beginning is given.
    """
    page = _Page()
    for kind, said, attributes in _tokens(_LINE_END.sub("\n", html[:_LONGEST])):
        if kind == "text":
            page.say(_IN_TEXT.sub(_decoded, said) if "&" in said else said)
        elif kind == "open":
            page.open(said, attributes)
        else:
            page.close(said)
    return page.finished() + ("[...]\n" if len(html) > _LONGEST else "")


def _tokens(html: str) -> Iterator[tuple[str, str, str]]:
    """Give texts, and tags with their attributes, without what is never seen.

    What one search did not find is not there for a later one either, so nothing is looked for twice.
    """
    here, length = 0, len(html)
    endless: set[str] = set()
    while here < length:
        found = _MARKUP.search(html, here)
        at = found.start() if found else length
        if at > here:
            yield "text", html[here:at], ""
        if not found:
            return
        name = _NAME.match(html, at + 1)
        if name is None:
            mark = "-->" if html.startswith("<!--", at) else ">"
            end = html.find(mark, at + 2)
            here = end + len(mark) if end >= 0 else length
            continue
        word, end = name[0].lower(), _end_of_tag(html, name.end())
        here = end + 1
        if word.startswith("/"):
            yield "close", word[1:], ""
        elif word not in _UNSEEN:
            yield "open", word, html[name.end() : end]
        elif word not in endless:
            closing = re.compile(f"</{word}(?=[\\s/>])", re.IGNORECASE).search(html, here)
            if closing:
                here = closing.start()
            elif word in {"script", "style"}:
                return
            else:
                endless.add(word)


def _end_of_tag(html: str, start: int) -> int:
    """Find the `>` that ends a tag and is not in a quoted value; a tag without one goes on to the end."""
    here = start
    while found := _TAG_MARK.search(html, here):
        if not found[1]:
            return found.start()
        closing = html.find(found[1], found.end())
        # A quote that never ends is none.
        here = closing + 1 if closing >= 0 else found.end()
    return len(html)


def _attribute(attributes: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(attributes):
        if found[1].lower() == name:
            value = found[2]
            return _IN_VALUE.sub(_decoded, value[1:-1] if value[0] in "\"'" else value).strip()
    return ""


def _decoded(reference: re.Match[str]) -> str:
    return unescape(reference[0])


@dataclass(slots=True)
class _Page:
    """The lines that are written, and the words of the one that is not ended yet."""

    lines: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    parted: bool = False
    """A blank line comes before the next one."""
    spaced: bool = False
    """A blank comes before the next word."""
    celled: bool = False
    """The next word is in another cell of the row."""
    mark: str = ""
    link: str = ""
    link_from: int = 0
    lists: list[int] = field(default_factory=list)
    """The next number of each list that has begun; -1 if it has none."""
    quoted: int = 0
    verbatim: int = 0

    def say(self, text: str) -> None:
        """Write words; blanks count as one, however many there are."""
        text = text.translate(_LOOKS)
        if self.verbatim:
            first, *more = text.split("\n")
            self._put(first)
            for line in more:
                self._end_line(keep=True)
                self._put(line)
            return
        text = _BLANKS.sub(" ", text)
        self.spaced = self.spaced or text.startswith(" ")
        if bare := text.strip(" "):
            self._put(bare)
            self.spaced = text.endswith(" ")

    def open(self, name: str, attributes: str) -> None:
        """Begin an element."""
        if name == "a":
            self._end_link()
            self.link, self.link_from = _attribute(attributes, "href"), len(self.words)
        elif name == "br":
            self._end_line(keep=True)
        elif name == "img":
            self.say(_attribute(attributes, "alt"))
        elif name in {"td", "th"}:
            self.celled = bool(self.words)
        elif name in _BLOCKS:
            self._break(part=name in _PARAGRAPHS and not (name in _LISTS and self.lists))
            self._begin(name, attributes)

    def close(self, name: str) -> None:
        """End an element; one that had not begun ends the line at most."""
        if name == "a":
            self._end_link()
        elif name in _BLOCKS:
            # A list within a list stays with its lines.
            self._break(part=name in _PARAGRAPHS and not (name in _LISTS and len(self.lists) > 1))
            self.mark = ""
            if name in _LISTS and self.lists:
                self.lists.pop()
            elif name == "blockquote":
                self.quoted = max(self.quoted - 1, 0)
            elif name == "pre":
                self.verbatim = max(self.verbatim - 1, 0)

    def finished(self) -> str:
        """Give the text."""
        self._end_line()
        return "".join(f"{line}\n" for line in self.lines)

    def _begin(self, name: str, attributes: str) -> None:
        if name == "ul":
            self.lists.append(-1)
        elif name == "ol":
            start = _attribute(attributes, "start")
            self.lists.append(int(start) if _START.fullmatch(start) else 1)
        elif name == "li":
            number = self.lists[-1] if self.lists else -1
            self.mark = "- " if number < 0 else f"{number}. "
            if number >= 0:
                self.lists[-1] += 1
        elif name == "blockquote":
            self.quoted += 1
        elif name == "pre":
            self.verbatim += 1
        elif name == "hr":
            self._put(_RULE)
            self._break(part=True)

    def _put(self, text: str) -> None:
        if self.celled:
            self.words.append(" | ")
        elif self.spaced and self.words:
            self.words.append(" ")
        self.celled = self.spaced = False
        self.words.append(text)

    def _break(self, *, part: bool) -> None:
        """End the line before a block or after it."""
        if self.words:
            self._end_line()
        self.parted = self.parted or part

    def _end_line(self, *, keep: bool = False) -> None:
        """End the line; `keep` one with nothing on it too, for it was asked for."""
        # A link around several lines says where it goes at the end of the first.
        self._end_link()
        line = "".join(self.words).rstrip()
        self.words.clear()
        self.celled = self.spaced = False
        if not line.strip(_INVISIBLE):
            self.parted = self.parted or (keep and not self.mark)
            return
        if self.parted and self.lines:
            self.lines.append("")
        self.parted = False
        indent = "  " * min(max(len(self.lists) - 1, 0), _DEEPEST) + (self.mark or ("  " if self.lists else ""))
        self.mark = ""
        self.lines.append(f"{'> ' * min(self.quoted, _DEEPEST)}{indent}{line}")

    def _end_link(self) -> None:
        """Write where the link goes if that is an address, unless its words are the address."""
        if not self.link:
            return
        said = "".join(self.words[self.link_from :]).strip()
        if not said:
            self.link_from = 0
            return
        link, self.link = self.link, ""
        scheme = _SCHEME.match(link)
        if scheme and _bare(said) != _bare(link):
            self.words.append(f" ({link if scheme[0].endswith('//') else link[scheme.end() :]})")


def _bare(address: str) -> str:
    return _SCHEME.sub("", address, count=1).rstrip("/").lower()
