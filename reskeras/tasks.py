"""What a network can be asked to learn, and how its samples are called; imports nothing of the package."""

from __future__ import annotations

from dataclasses import dataclass

INPUT_KINDS = {1: "vector", 2: "sequence", 3: "image"}
"""How a sample is called by the number of its axes."""

TOKEN_KINDS = {1: "tokens", 2: "spelled words"}
"""How a sample of token numbers is called: the second axis is of a word's number and those of its characters."""


@dataclass(frozen=True)
class Task:
    """A kind of thing to learn.

    Attributes:
        name: the name in commands and code.
        answer: what the network gives, in a few words.
        labels: what an answer is held against, as arrays.
        of_tokens: whether there is an answer for each token of a sample.
        scores: what is measured on the test samples besides loss and accuracy; each is an event's fact `test_<score>`.
    """

    name: str
    answer: str
    labels: str
    of_tokens: bool = False
    scores: tuple[str, ...] = ()


TASKS: dict[str, Task] = {
    each.name: each
    for each in (
        Task("classes", "one class a sample", "(samples,) class numbers"),
        Task("tags", "one tag a token", "(samples, tokens) tag numbers, -1 where there is no token", True, ("f1",)),
        Task(
            "language",
            "the next token",
            "(samples, tokens) token numbers, -1 where there is none",
            True,
            ("perplexity", "bits_per_character"),
        ),
        Task(
            "translation",
            "a sequence for a sequence",
            "(samples, tokens) token numbers, -1 where there is none",
            True,
            ("bleu", "exact_match"),
        ),
        Task("game", "a move and a value", "`output`: (samples, moves) shares, `value`: (samples, 1) from -1 to 1"),
    )
}
"""Every task by its name, which is also an architecture's `task`."""
