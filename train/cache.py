"""The KV cache of generation: keys and values that were computed once, for rows of text of different lengths.

Rows are padded at the left, so that all of them end at the same place and go on together. What a padded row computes is
what it would compute alone: it sees none of its padding, and its positions begin after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Cache:
    """Room for `capacity` tokens of `batch` rows. `GPT2.hidden` fills it.

    Args:
        padding: how many of the first tokens of each row are no text; none by default.
    """

    def __init__(self, *, batch: int, capacity: int, padding: Sequence[int] | None = None) -> None:
        self.length = 0
        """Tokens that every row holds, its padding counted."""
        self._capacity = capacity
        self._padding = torch.tensor(padding) if padding is not None and any(padding) else None
        self._padding_start = 0
        self._last: int | None = None
        self._batch = batch
        # One tensor a layer, (2, batch, heads, capacity, width / heads): made once a layer shows its type.
        self._layers: list[Tensor] = []
        self._mask: Tensor | None = None
        self.causal = False
        """Whether attention needs no mask but the causal one."""

    def positions(self, length: int, device: torch.device) -> Tensor:
        """The positions of `length` further tokens, (length,) or where rows are padded (batch, length); and what they
        see, for the layers that follow."""
        end = self.length + length
        if end > self._capacity:
            raise ValueError(f"{end} tokens in a cache for {self._capacity}")
        self._mask, self.causal = None, self.length == 0 and self._padding is None
        queries, keys = torch.arange(self.length, end, device=device), torch.arange(end, device=device)
        if self._padding is None:
            if self.length and length > 1:
                self._mask = keys <= queries[:, None]
            return queries if self._last is None else queries.clamp(max=self._last)
        padding = self._padding.to(device)[:, None]
        start = self._padding_start
        text = (keys < start) | (keys >= padding[:, None] + start)
        # Padding sees itself: nothing to see would be no number.
        self._mask = ((keys <= queries[:, None]) & text | (keys == queries[:, None]))[:, None]
        return (queries - padding).clamp(min=start, max=self._last)

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Add keys and values of a layer, (batch, heads, length, width / heads); give all of them, and the mask."""
        if layer == len(self._layers):
            shape = (2, *key.shape[:2], self._capacity, key.shape[3])
            self._layers.append(torch.empty(shape, dtype=key.dtype, device=key.device))
        end = self.length + key.shape[2]
        held = self._layers[layer]
        held[0, :, :, self.length : end] = key
        held[1, :, :, self.length : end] = value
        return held[0, :, :, :end], held[1, :, :, :end], self._mask

    def advance(self, length: int) -> None:
        """All layers hold `length` tokens more."""
        self.length += length

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all rows but these."""
        chosen = torch.tensor(rows)
        self._layers = [held[:, chosen.to(held.device)] for held in self._layers]
        self._padding = None if self._padding is None else self._padding[chosen]
        self._batch = len(rows)

    def branch(
        self, rows: Sequence[int], *, capacity: int, padding: Sequence[int] | None = None, last: int | None = None
    ) -> Cache:
        """A cache of its own that goes on from what these rows hold; a row may be named several times.

        Args:
            capacity: tokens that it has room for, those held among them.
            padding: how many of the next tokens of each row are no text. Only where the rows held have no padding.
            last: the last position there is: what stands behind a row's end, and is not read, may go beyond it.
        """
        if padding is not None and any(padding) and self._padding is not None:
            raise ValueError("padding stands in two places of a row")
        branch = Cache(batch=len(rows), capacity=capacity, padding=padding)
        branch.length, branch._last = self.length, last
        branch._padding_start = self.length if branch._padding is not None else self._padding_start
        chosen = torch.tensor(rows)
        if branch._padding is None and self._padding is not None:
            branch._padding = self._padding[chosen]
        for held in self._layers:
            two, _, heads, _, width = held.shape
            room = torch.empty((two, len(rows), heads, capacity, width), dtype=held.dtype, device=held.device)
            room[:, :, :, : self.length] = held[:, chosen.to(held.device), :, : self.length]
            branch._layers.append(room)
        return branch
