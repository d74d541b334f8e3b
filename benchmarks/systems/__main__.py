"""Run one command of one system's driver: `python -m benchmarks.systems SYSTEM COMMAND ...`."""

import json
import sys
from importlib import import_module

from benchmarks.catalogue import system
from benchmarks.systems.driver import run


def main(name: str, command: str, *arguments: str) -> None:
    """Carry out the command and print its figures as one line of JSON."""
    line = system(name)
    driver = import_module(f"benchmarks.systems.{line.module}").DRIVER(line)
    figures = run(driver, command, list(arguments))
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
