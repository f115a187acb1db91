"""What was seen of each fault, and `docs/faults.md`, which is made of it."""

from dataclasses import dataclass, field

from harness.process import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "faults.md"


def numbered(letter: str, last: int) -> list[str]:
    return [f"{letter}{number:02}" for number in range(1, last + 1)]


#: Every id there is.
IDS = frozenset(numbered("U", 24) + numbered("C", 15) + numbered("D", 13))


@dataclass(frozen=True)
class Line:
    """One line of the document: its cells after the id."""

    id: str
    cells: tuple[str, ...]


@dataclass
class Observed:
    """Lines as they were seen, by the place of their fault in its table."""

    lines: dict[tuple[str, int], Line] = field(default_factory=dict)

    def add(self, place: int, line: Line) -> None:
        self.lines[line.id, place] = line

    def table(self, letter: str, *titles: str) -> str:
        rows = [["id", *titles], ["---"] * (len(titles) + 1)]
        rows += [[line.id, *line.cells] for key, line in sorted(self.lines.items()) if key[0][0] == letter]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def document(self) -> str:
        return TEXT.format(
            upstream=self.table(
                "U", "fault", "the client sees", "of a stream", "next provider", "attempt logged as", "held against"
            ),
            client=self.table("C", "fault", "what is seen"),
            own=self.table("D", "fault", "what is seen"),
        )


TEXT = """\
# Faults

What goes wrong, and what is seen of it from outside. This page is written by the tests (`tests/e2e/faults`) from what they
saw of the real programs; a fault without a test, or one that looks different from this page, fails `make test`.
`UPDATE_DOCS=1 make e2e` writes it anew.

## Faults of providers

*The client sees* is what it gets when no other provider is left; *next provider* says whether another one is asked before,
which a client of either kind does not notice. A stream that has shown content is never begun again: it ends in an error event
and without an end marker. Codes are those of OpenAI's format where no other is named; other clients get the words of theirs.
*Attempt logged as* is `error_class` in the `attempts` of `request_logs` and the `outcome` of `gateway_attempts_total`.
*Held against* a provider and its model: after `HEALTH_CHECK_MAX_ERRORS` in a row it is left out. A pause concerns one model of
one provider and is no fault.

{upstream}

## Faults of clients

None of them costs a provider its health.

{client}

## Faults of the gateway's own surroundings

The embedded database stands for the others where no other is named.

{own}
"""
