"""What is written token by token against all that could be written; scores against papers' own examples."""

import itertools
import math

import numpy as np
import pytest

from reskeras.datasets.encoding import END, FIRST, PADDING, START

pytestmark = pytest.mark.any_backend

WORDS, LENGTH = FIRST + 2, 3


def tables(seed: int):
    """Return a translator that is a table: the scores of the next token by what was written so far."""
    generator = np.random.default_rng(seed)
    known: dict[tuple[int, ...], np.ndarray] = {}

    def row(begun: tuple[int, ...]) -> np.ndarray:
        if begun not in known:
            shares = generator.dirichlet(np.ones(WORDS))
            known[begun] = np.log(shares)
        return known[begun]

    for size in range(LENGTH):
        for begun in itertools.product(range(WORDS), repeat=size):
            row((START, *begun))

    def scores(samples, place):
        return np.array([row(tuple(line[: place + 1])) for line in samples["samples"]])

    return scores, known


def best_of_all(known) -> list[int]:
    """Return the sequence of the highest mean logarithm, found by trying all."""
    words, best = [END, *range(FIRST, WORDS), 1], (-math.inf, [])
    for size in range(1, LENGTH + 1):
        for tokens in itertools.product(words, repeat=size):
            ended = tokens[-1] == END
            if END in tokens[:-1] or not (ended or size == LENGTH):
                continue
            total = sum(known[(START, *tokens[:place])][token] for place, token in enumerate(tokens))
            best = max(best, (total / size, [each for each in tokens if each != END]))
    return best[1]


@pytest.mark.parametrize("seed", range(12))
def test_as_many_beams_as_there_are_sequences_find_the_best_of_all(seed):
    from reskeras.decoding import translated

    scores, known = tables(seed)
    source = np.full((2, LENGTH), FIRST, np.int32)
    found = translated(scores, source, beams=WORDS**LENGTH)
    assert found == [best_of_all(known)] * 2


def test_one_beam_takes_the_likeliest_each_time():
    from reskeras.decoding import translated

    scores, known = tables(0)
    tokens = [START]
    while len(tokens) <= LENGTH and tokens[-1] != END:
        row = known[tuple(tokens)].copy()
        row[[PADDING, START]] = -np.inf
        tokens.append(int(row.argmax()))
    wanted = [each for each in tokens[1:] if each != END]
    assert translated(scores, np.full((1, LENGTH), FIRST, np.int32)) == [wanted]


def test_sequences_of_all_lengths_are_answered_in_their_order():
    from reskeras.decoding import AT_ONCE, translated

    shapes = set()

    def scores(samples, place):
        # The source, word by word, and then the end.
        shapes.add(samples["source"].shape)
        words = samples["source"][:, place]
        return np.log(np.eye(WORDS)[np.where(words == PADDING, END, words)] + 1e-9)

    lengths = np.random.default_rng(0).integers(1, LENGTH, 2 * AT_ONCE + 9)
    source = np.where(np.arange(LENGTH) < lengths[:, None], FIRST, PADDING)
    wanted = [[FIRST] * length for length in lengths]
    assert translated(scores, source) == wanted
    assert translated(scores, source, beams=3) == wanted
    # One shape each, so that nothing is compiled for a rest.
    assert shapes == {(AT_ONCE, LENGTH), (AT_ONCE // 3 * 3, LENGTH)}
    assert translated(scores, source[:2]) == wanted[:2] and translated(scores, source[:0]) == []


def test_a_text_goes_on_as_likely_as_the_model_says():
    from reskeras.decoding import continued

    shares = np.array([0.0, 0.0, 0.0, 0.0, 0.2, 0.8])
    asked = []

    def scores(samples, place):
        asked.append(samples[0].tolist())
        with np.errstate(divide="ignore"):
            return np.log(shares)[None]

    written = continued(scores, [FIRST, FIRST + 1], 2000, 4, temperature=1.0)
    assert abs(written.count(FIRST) / 2000 - 0.2) < 0.03
    assert asked[0] == [FIRST, FIRST + 1, PADDING, PADDING]
    assert asked[-1] == written[-5:-1]
    assert set(continued(scores, [], 50, 4, temperature=0)) == {FIRST + 1}
    assert continued(scores, [], 50, 4, seed=1) == continued(scores, [], 50, 4, seed=1)
    # At half the temperature shares are squared: 0.04 to 0.64.
    colder = continued(scores, [FIRST], 2000, 4, temperature=0.5).count(FIRST) / 2000
    assert abs(colder - 0.04 / 0.68) < 0.02


def test_bleu_is_that_of_the_papers_example():
    from reskeras.training.scores import bleu

    # Papineni et al. 2002, section 2.1: of seven "the" two are right.
    written = [["the"] * 7]
    wanted = [["the", "cat", "is", "on", "the", "mat"]]
    assert bleu(written, wanted) == 0.0
    assert bleu(wanted, wanted) == pytest.approx(100)
    # By hand: precisions 5/6, 3/5, 1/4 and none of four.
    ours = [["the", "cat", "sat", "on", "the", "mat"]]
    assert bleu(ours, wanted) == 0.0
    # 8/9 6/8 4/7 2/6 of nine words, as long as the reference.
    ours, wanted = [list("abcdxfghi")], [list("abcdefghi")]
    assert bleu(ours, wanted) == pytest.approx(100 * (8 / 9 * 6 / 8 * 4 / 7 * 2 / 6) ** 0.25)
    # Shorter than the reference: e to 1 - 9/5.
    assert bleu([list("abcde")], wanted) == pytest.approx(100 * math.exp(1 - 9 / 5))


def test_spans_are_read_as_the_evaluation_of_conll_does():
    from reskeras.training.scores import spans

    assert spans(["B-a", "I-a", "O", "B-a", "B-a"]) == {(0, 2, "a"), (3, 4, "a"), (4, 5, "a")}
    assert spans(["I-a", "I-b", "O"]) == {(0, 1, "a"), (1, 2, "b")}
    assert spans([]) == spans(["O"]) == set()
