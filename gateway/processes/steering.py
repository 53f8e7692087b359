"""Which worker gets a new connection: a classic BPF program on the SO_REUSEPORT group.

Without it the kernel spreads connections by hash over all sockets, those of a dead or frozen worker included, and their
callers wait. With it a connection goes to a random slot among those given a weight. Needs no privilege (Linux 4.5).
The program returns an index into the group, which is the order in which the sockets called listen().
"""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

SO_ATTACH_REUSEPORT_CBPF = 51
"""asm-generic/socket.h"""

# linux/bpf_common.h and linux/filter.h
_LD_W_ABS = 0x00 | 0x00 | 0x20
_ALU_MOD_K = 0x04 | 0x90 | 0x00
_JMP_JGE_K = 0x05 | 0x30 | 0x00
_RET_K = 0x06 | 0x00
_SKF_AD_RANDOM = 0xFFFFF000 + 56
_MOST_INSTRUCTIONS = 4096


EVEN_SLOTS = 8
"""Up to so many, chance alone spreads long-lived connections well enough; above, weights follow their numbers."""

USUAL_WEIGHT = 8
"""Of a slot that holds as much as the average. Weights are whole and coarse, so the program seldom changes."""
MOST_WEIGHT = 24
FEW = 16
"""Connections a slot on average below which differences are chance and cost nothing."""
GAIN = 3


class Instruction(NamedTuple):
    """struct sock_filter"""

    code: int
    jump_true: int
    jump_false: int
    k: int


def program(weights: Sequence[int]) -> list[Instruction]:
    """The program that returns slot ``i`` with probability ``weights[i] / sum(weights)``; weight 0: never.

    When all weights are 0 every slot is equal: nobody serves, so connections wait evenly for whoever comes back first.
    Raises ValueError for no slots, a negative weight or more slots than a program can name.
    """
    if not weights or min(weights) < 0:
        raise ValueError("steering needs at least one slot and no negative weight")
    chosen = [(slot, weight) for slot, weight in enumerate(weights) if weight] or [
        (slot, 1) for slot in range(len(weights))
    ]
    code = [
        Instruction(_LD_W_ABS, 0, 0, _SKF_AD_RANDOM),
        Instruction(_ALU_MOD_K, 0, 0, sum(weight for _, weight in chosen)),
    ]
    bound = 0
    for slot, weight in chosen[:-1]:
        bound += weight
        code.append(Instruction(_JMP_JGE_K, 1, 0, bound))
        code.append(Instruction(_RET_K, 0, 0, slot))
    code.append(Instruction(_RET_K, 0, 0, chosen[-1][0]))
    if len(code) > _MOST_INSTRUCTIONS:
        raise ValueError(f"{len(chosen)} slots are more than one program can name")
    return code


def balanced(wanted: Sequence[bool], connections: Sequence[int]) -> list[int]:
    """Weights of the wanted slots by the connections they hold: more for those with fewer. A wanted slot always gets
    some, lest a count that is late by a heartbeat starve it."""
    if len(wanted) <= EVEN_SLOTS:
        return [int(slot) for slot in wanted]
    counts = [count for slot, count in zip(wanted, connections, strict=True) if slot]
    average = sum(counts) / max(1, len(counts))
    weights = []
    for slot, count in zip(wanted, connections, strict=True):
        lead = (average - count) / max(FEW, average)
        weights.append(max(1, min(MOST_WEIGHT, round(USUAL_WEIGHT * (1 + GAIN * lead)))) if slot else 0)
    return weights


def attach(sock: socket.socket, weights: Sequence[int]) -> None:
    """Put ``program(weights)`` in force for the whole group that ``sock`` belongs to, in place of an earlier one.
    Raises OSError where the kernel does not know it."""
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in program(weights)))
    address, _ = code.buffer_info()
    # struct sock_fprog: the kernel copies the instructions before setsockopt returns.
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("@HP", len(code) // 8, address))
