"""Who is who when nobody can be two: the assignment of rows to columns with the greatest total gain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.types import F64


def assign(gains: F64) -> list[int | None]:
    """Gives each row at most one column and each column at most one row, so that the gains add up to the most.

    The Hungarian method with potentials, one shortest path a row (Jonker and Volgenant 1987): exact.

    Args:
        gains: (R, C); a pair with a gain of 0 or less, or -inf, is never made.

    Returns:
        The column of each row, or None.

    >>> assign(np.array([[3.0, 2.0], [2.5, -1.0]]))
    [1, 0]
    """
    rows, columns = gains.shape
    cost = np.concatenate([-np.maximum(gains, 0.0), np.zeros((rows, rows))], axis=1)  # a column of its own: nobody
    holder = np.full(columns + rows, -1, np.intp)
    row_price, column_price = np.zeros(rows), np.zeros(columns + rows)
    for row in range(rows):
        _augment(row, cost, holder, row_price, column_price)
    given: list[int | None] = [None] * rows
    for column in range(columns):
        row = int(holder[column])
        if row >= 0 and gains[row, column] > 0:
            given[row] = column
    return given


def _augment(row: int, cost: F64, holder: npt.NDArray[np.intp], row_price: F64, column_price: F64) -> None:
    """Gives one more row a column, moving others along the cheapest path."""
    total = cost.shape[1]
    distance, came_from = np.full(total, np.inf), np.full(total, -1, np.intp)
    done = np.zeros(total, np.bool_)
    current, column, reached = row, -1, 0.0
    while True:
        reduced = reached + cost[current] - row_price[current] - column_price
        closer = ~done & (reduced < distance)
        distance[closer], came_from[closer] = reduced[closer], column
        column = int(np.argmin(np.where(done, np.inf, distance)))
        reached = float(distance[column])
        done[column] = True
        if holder[column] < 0:
            break
        current = int(holder[column])
    row_price[row] += reached
    for seen in np.nonzero(done)[0]:
        slack = reached - distance[seen]
        if holder[seen] >= 0:
            row_price[holder[seen]] += slack
        column_price[seen] -= slack
    while column >= 0:
        previous = int(came_from[column])
        holder[column] = holder[previous] if previous >= 0 else row
        column = previous
