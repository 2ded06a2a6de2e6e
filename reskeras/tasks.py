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
        inputs: the kinds of sample that it is learnt from; an architecture takes some of them.
        head: what a network ends with.
        losses: the classes of `keras.losses` of each output.
        accuracy: what the metric of this name is the share of.
        of_tokens: whether there is an answer for each token of a sample.
        scores: what is measured on the test samples besides loss and accuracy; each is an event's fact `test_<score>`.
    """

    name: str
    answer: str
    labels: str
    inputs: tuple[str, ...]
    head: str
    losses: tuple[str, ...]
    accuracy: str
    of_tokens: bool = False
    scores: tuple[str, ...] = ()


_TOKENS = (TOKEN_KINDS[1],)
_TOKEN_NUMBERS = "(samples, tokens) token numbers, -1 where there is none"
_CROSSENTROPY = ("SparseCategoricalCrossentropy",)

TASKS: dict[str, Task] = {
    each.name: each
    for each in (
        Task(
            "classes",
            "one class a sample",
            "(samples,) class numbers",
            (*INPUT_KINDS.values(), *TOKEN_KINDS.values()),
            "a logit for each class",
            _CROSSENTROPY,
            "samples whose class is right",
        ),
        Task(
            "tags",
            "one tag a token",
            "(samples, tokens) tag numbers, -1 where there is no token",
            tuple(TOKEN_KINDS.values()),
            "a logit for each tag, at each token",
            _CROSSENTROPY,
            "tokens whose tag is right",
            True,
            ("f1",),
        ),
        Task(
            "language",
            "the next token",
            _TOKEN_NUMBERS,
            _TOKENS,
            "a logit for each token of the vocabulary, at each token",
            _CROSSENTROPY,
            "tokens that are foretold",
            True,
            ("perplexity", "bits_per_character"),
        ),
        Task(
            "translation",
            "a sequence for a sequence",
            _TOKEN_NUMBERS,
            _TOKENS,
            "a logit for each token of the vocabulary, at each token that is written",
            _CROSSENTROPY,
            "tokens that are right behind the right ones (teacher forcing)",
            True,
            ("bleu", "exact_match"),
        ),
        Task(
            "game",
            "a move and a value",
            "`output`: (samples, moves) shares, `value`: (samples, 1) from -1 to 1",
            (INPUT_KINDS[3],),
            "a logit for each move, and beside it a value through a tanh",
            ("CategoricalCrossentropy", "MeanSquaredError"),
            "positions in which the move is a best one",
        ),
    )
}
"""Every task by its name, which is also an architecture's `task`."""
