"""CRC-32C (Castagnoli; RFC 3720, appendix B.4) of whole tensors, which TensorFlow's checkpoints carry.

In numpy, since Python has none: 0.2 GB/s on one core, where a loop over bytes reaches 5 MB/s. A CRC is linear, so
many pieces are taken at once and their sums then joined. For files of ours there is sha256.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POLYNOMIAL = 0x82F63B78  # reflected
PIECE = 2_048  # bytes one lane takes
LANES = 4_096
_ALL = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8  # tensorflow/core/lib/hash/crc32c.h


class Crc32c:
    """The tables, made once."""

    def __init__(self) -> None:
        self._byte = _table(8)
        self._word = _table(16)
        self._plain = [int(value) for value in self._byte]

    def of(self, data: NDArray[np.uint8]) -> int:
        """The checksum of bytes."""
        state, start = _ALL, 0
        while len(data) - start >= 2 * PIECE:
            lanes = min(LANES, 1 << ((len(data) - start) // PIECE).bit_length() - 1)
            block = data[start : start + lanes * PIECE].reshape(lanes, PIECE)
            state = self._block(block, state)
            start += lanes * PIECE
        for byte in data[start:].tolist():
            state = self._plain[(state ^ byte) & 0xFF] ^ (state >> 8)
        return state ^ _ALL

    def masked(self, data: NDArray[np.uint8]) -> int:
        """As TensorFlow stores it: rotated, with a constant added."""
        plain = self.of(data)
        return (((plain >> 15) | (plain << 17)) + _MASK_DELTA) & _ALL

    def _block(self, block: NDArray[np.uint8], state: int) -> int:
        """The state after the rows of `block`, one lane a row; a power of two of them."""
        words = np.ascontiguousarray(block.view("<u2").T).astype(np.uint32)
        states = np.zeros(len(block), dtype=np.uint32)
        states[0] = state
        for word in words:
            states = self._word[(states ^ word) & np.uint32(0xFFFF)] ^ (states >> np.uint32(16))
        shift = _power(self._zero_byte(), PIECE)
        while len(states) > 1:  # neighbours: what comes before is moved over what comes after
            states = _apply(shift, states[0::2]) ^ states[1::2]
            shift = _apply(shift, shift)
        return int(states[0])

    def _zero_byte(self) -> NDArray[np.uint32]:
        """What one zero byte makes of each bit of the state: a matrix over GF(2), one column a bit."""
        bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
        found: NDArray[np.uint32] = self._byte[bits & np.uint32(0xFF)] ^ (bits >> np.uint32(8))
        return found


def _table(bits: int) -> NDArray[np.uint32]:
    values = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        values = (values >> np.uint32(1)) ^ np.where(values & np.uint32(1), np.uint32(POLYNOMIAL), np.uint32(0))
    return values


def _apply(matrix: NDArray[np.uint32], vectors: NDArray[np.uint32]) -> NDArray[np.uint32]:
    found = np.zeros_like(vectors)
    for bit, column in enumerate(matrix):
        found ^= np.where((vectors >> np.uint32(bit)) & np.uint32(1), column, np.uint32(0))
    return found


def _power(matrix: NDArray[np.uint32], times: int) -> NDArray[np.uint32]:
    found = np.uint32(1) << np.arange(32, dtype=np.uint32)
    while times:
        if times & 1:
            found = _apply(matrix, found)
        matrix = _apply(matrix, matrix)
        times >>= 1
    return found
