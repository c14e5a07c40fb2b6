"""The documentation as values: pages, their code blocks, tables, links and diagrams."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]

FENCE = re.compile(
    r"^(?P<indent> *)(?:<!-- (?P<marker>file|needs): (?P<what>.+?) -->\n *)?```(?P<language>\w*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block. `file` names the module it is; `needs` what must be there for it to run."""

    page: str
    line: int
    language: str
    code: str
    file: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return FENCE.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(
                page=self.name,
                line=self.text[: found.start()].count("\n") + 1,
                language=found["language"],
                code=found["code"],
                file=found["what"] if found["marker"] == "file" else "",
                needs=found["what"] if found["marker"] == "needs" else "",
            )
            for found in FENCE.finditer(self.text)
        ]

    def blocks_in(self, language: str) -> list[Block]:
        return [block for block in self.blocks if block.language == language]

    @property
    def links(self) -> list[str]:
        return [found["target"] for found in LINK.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        return {slug(found["title"]) for found in HEADING.finditer(self.prose)}

    @property
    def rows(self) -> Iterator[list[str]]:
        """The cells of every table row, backticks and all, without heads and rules."""
        lines = self.prose.splitlines()
        for before, line in pairwise(lines):
            is_head_or_rule = set(line) <= set("|- ") or _follows_rule(lines, line)
            if line.startswith("|") and before.startswith("|") and not is_head_or_rule:
                yield [cell.strip() for cell in line.strip("|").split("|")]

    def section(self, title: str) -> str:
        """What stands under a heading of the second level."""
        return self.text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]

    def codes(self, column: int = 0) -> list[str]:
        """The first piece of code in that column of every table row that has one there."""
        found = (CODE.search(row[column]) for row in self.rows if len(row) > column)
        return [code[1] for code in found if code]


def _follows_rule(lines: list[str], line: str) -> bool:
    """Whether the line is a table's head: a rule stands below it."""
    place = lines.index(line)
    below = lines[place + 1] if place + 1 < len(lines) else ""
    return bool(below) and set(below) <= set("|- ") and "|" in below


def slug(title: str) -> str:
    """The anchor that a heading gets."""
    plain = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower())
    return plain.replace(" ", "-")


def moves_in(diagram: str) -> set[tuple[str, str]]:
    """The arrows of a mermaid state diagram."""
    return set(re.findall(r"^\s*(\S+) --> (\S+)\s*$", diagram, re.MULTILINE))


def page(name: str) -> Page:
    return Page(ROOT / name)


def pages() -> list[Page]:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [Page(path) for path in sorted(files)]
