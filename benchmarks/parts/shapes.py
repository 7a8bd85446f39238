from benchmarks.bench import Bench
from benchmarks.report import Section


def run(bench: Bench) -> Section:
    raise NotImplementedError
