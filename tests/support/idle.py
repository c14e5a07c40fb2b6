"""A machine in memory for web apps whose routes ask nothing of it."""

from core.blobs import Blobs
from core.machine import CoreMachine
from core.memory.store import MemoryStore
from core.registry import Registry


def idle_machine(blobs: Blobs) -> CoreMachine:
    return CoreMachine(Registry({}), MemoryStore(), blobs)
