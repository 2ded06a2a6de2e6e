"""Tic-tac-toe, solved: every position that play from the empty board can reach and that is not over, 4,520 of them.

The move and the value are exact, by minimax over the whole game: what both sides get who play best. A position and its
turned and mirrored likenesses are all in training, or all in the test: whoever only remembers scores nothing there.
Best moves are shared out evenly, those that win soon and those that win late alike.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from reskeras.datasets.dataset import Dataset, DataShape
from reskeras.datasets.encoding import Encoding

SUMMARY = "4,520 positions of tic-tac-toe with their best moves and values, solved by minimax"
SOURCE = "the rules of the game, solved by minimax"
BASELINE = "a best move by any free field 53 %, by centre, corner or edge 58 %"

MOVES = tuple(f"{column}{row}" for row in (3, 2, 1) for column in "abc")
"""The fields in the order of the moves, from the top left, as chess players call them."""

SHAPE = DataShape((3, 3, 3), 9, 4064, 456, "game", labels=MOVES)

MINE, THEIRS, FREE = 1, -1, 0

TEST_SHARE = 0.1

_LINES = tuple(tuple(int(field) for field in line) for line in ("012", "345", "678", "036", "147", "258", "048", "246"))

Board = tuple[int, ...]
"""Nine fields from the top left, each `MINE`, `THEIRS` or `FREE`, as the one sees them whose turn it is."""


def load() -> Dataset:
    """Return the positions, each as planes of own stones, the other's, and free fields, with shares of best moves and
    the value from -1 (lost) to 1 (won) for the side to move."""
    boards = [board for board in positions() if not over(board)]
    fields = np.array(boards).reshape(-1, 3, 3)
    x = np.stack([fields == MINE, fields == THEIRS, fields == FREE], -1).astype(np.float32)
    policy = np.zeros((len(boards), 9), np.float32)
    for row, board in zip(policy, boards, strict=True):
        best = best_moves(board)
        row[list(best)] = 1 / len(best)
    value = np.array([[float(worth(board))] for board in boards], np.float32)
    test = _held_out(boards)
    parts = [(x[each], {"output": policy[each], "value": value[each]}) for each in (~test, test)]
    return Dataset(*parts[0], *parts[1], 9, "game", encoding=Encoding(MOVES))


@cache
def positions() -> tuple[Board, ...]:
    """Return every position that play can reach, finished ones too, in a fixed order."""
    found, waiting = set(), [(FREE,) * 9]
    while waiting:
        board = waiting.pop()
        if board in found:
            continue
        found.add(board)
        if not over(board):
            waiting += [play(board, move) for move in free(board)]
    return tuple(sorted(found))


def play(board: Board, move: int) -> Board:
    """Return the board after a move, as the other side sees it."""
    return tuple(-(MINE if field == move else stone) for field, stone in enumerate(board))


def free(board: Board) -> list[int]:
    """Return the moves that there are."""
    return [field for field, stone in enumerate(board) if stone == FREE]


def lost(board: Board) -> bool:
    """Return whether the other side has three in a row."""
    return any(all(board[field] == THEIRS for field in line) for line in _LINES)


def over(board: Board) -> bool:
    """Return whether the game has ended."""
    return lost(board) or FREE not in board


@cache
def worth(board: Board) -> int:
    """Return what the side to move gets if both play best: 1 won, 0 drawn, -1 lost."""
    if over(board):
        return -1 if lost(board) else 0
    return max(-worth(play(board, move)) for move in free(board))


def best_moves(board: Board) -> tuple[int, ...]:
    """Return the moves that get what the position is worth."""
    return tuple(move for move in free(board) if -worth(play(board, move)) == worth(board))


def _held_out(boards: list[Board]) -> np.ndarray:
    """Return for each board whether it is for the test: about `TEST_SHARE` of the boards that differ by more than
    turning and mirroring."""
    kinds = [_likeness(board) for board in boards]
    distinct = sorted(set(kinds))
    chosen = np.random.default_rng(4520).choice(len(distinct), round(TEST_SHARE * len(distinct)), replace=False)
    tested = {distinct[each] for each in chosen}
    return np.array([kind in tested for kind in kinds])


def _likeness(board: Board) -> Board:
    """Return the least of the boards that this one becomes when it is turned and mirrored."""
    square = np.array(board).reshape(3, 3)
    turned = [np.rot90(each, turns) for each in (square, square.T) for turns in range(4)]
    return min(tuple(each.reshape(-1).tolist()) for each in turned)
