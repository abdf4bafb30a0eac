"""Discrete-event simulations of a training over ranks, message by message."""

import heapq
import itertools
from collections import defaultdict

import numpy as np

from hpml_lab.theory.data_parallel import Gradient


def ring_s(start_s, size, latency_s, bytes_per_s, rounds):
    """Returns when each rank has sent its chunk to the next one so often, from its own start."""
    now_s, message_s = start_s.copy(), latency_s + size / len(start_s) / bytes_per_s
    for _ in range(rounds):
        sent_s = now_s + message_s
        now_s = np.maximum(sent_s, np.roll(sent_s, 1))
    return now_s


def tree_s(start_s, size, latency_s, bytes_per_s):
    """Returns when each rank has the sum: halves reduce into the other halves, and back again."""
    now_s, message_s, left = start_s.copy(), latency_s + size / bytes_per_s, len(start_s)
    while left > 1:
        half = (left + 1) // 2
        now_s[: left - half] = np.maximum(now_s[: left - half], now_s[half:left])
        left, now_s[:half] = half, now_s[:half] + message_s
    while left < len(start_s):
        more = min(2 * left, len(start_s))
        now_s[:left] += message_s
        now_s[left:more] = now_s[: more - left]
        left = more
    return np.full_like(now_s, now_s.max())


def ddp_s(step_s, made, ranks, latency_s, bytes_per_s):
    """Returns when the last of equal ranks has exchanged all buckets, or has done its work."""
    network_s = np.zeros(ranks)
    for size, ready in made:
        start_s = np.maximum(network_s, ready * step_s)
        ring = ring_s(start_s, size, latency_s, bytes_per_s, 2 * (ranks - 1))
        tree = tree_s(start_s, size, latency_s, bytes_per_s)
        network_s = min(ring, tree, key=np.max)
    return max(step_s, float(network_s.max()))


class Tasks:
    """Tasks of two resources, each of which takes the one that was asked for first."""

    def __init__(self):
        self._tasks = {}
        self._waiting = defaultdict(list)
        self._queued = defaultdict(list)
        self._busy = defaultdict(bool)
        self._events = []
        self._seen, self._order = set(), itertools.count()
        self._now_s = 0.0

    def add(self, name, resource, cost_s, after):
        """Adds a task that is asked for when all events in ``after`` have been."""
        self._tasks[name] = resource, cost_s, set(after)

    def run(self):
        """Runs all tasks; returns when the last one ends."""
        self._ask()
        while self._events:
            self._now_s, _, name = heapq.heappop(self._events)
            self._busy[self._tasks[name][0]] = False
            self._seen.add((name, "end"))
            self._ask()
        return self._now_s

    def _ask(self):
        asked = True
        while asked:
            asked = False
            for name, (resource, _, after) in list(self._tasks.items()):
                if (name, "asked") not in self._seen and after <= self._seen:
                    self._seen.add((name, "asked"))
                    self._queued[resource].append(name)
            for resource, names in self._queued.items():
                if names and not self._busy[resource]:
                    name, self._busy[resource] = names.pop(0), True
                    self._seen.add((name, "begin"))
                    end_s = self._now_s + self._tasks[name][1]
                    heapq.heappush(self._events, (end_s, next(self._order), name))
                    asked = True


def fsdp_s(step_s, units, gather_s):
    """Returns the end of a step whose units are gathered while the one before computes."""
    tasks, last = Tasks(), len(units) - 1
    for place, unit in enumerate(units):
        cost_s = gather_s(unit.size_bytes)
        before = place - 1
        asked = [(("forward", before), "begin")] if place else []
        tasks.add(("gather", place), "network", cost_s, asked)
        done = [(("gather", place), "end"), *([(("forward", before), "end")] if place else [])]
        tasks.add(("forward", place), "work", step_s * unit.forward, done)
    for place, unit in reversed(list(enumerate(units))):
        cost_s = gather_s(unit.size_bytes)
        after = (("backward", place + 1), "begin") if place < last else (("forward", last), "end")
        tasks.add(("again", place), "network", cost_s, [after])
        done = (("backward", place + 1), "end") if place < last else (("forward", last), "end")
        need = [(("again", place), "end"), done]
        tasks.add(("backward", place), "work", step_s * unit.backward, need)
        tasks.add(("scatter", place), "network", cost_s, [(("backward", place), "end")])
    return tasks.run()


def gradients(sizes):
    """Returns gradients that are ready evenly over the last two thirds of a step."""
    count = len(sizes)
    return [Gradient(s, 1 / 3 + 2 / 3 * (i + 1) / count) for i, s in enumerate(sizes)]
