"""Writes a table of runs into a text, between its markers: table.py README.md RUN.json..."""

import json
import sys

KINDS = ("passed", "non-strict", "should", "failed", "skipped")
BEGIN, END = "<!-- brokers -->\n", "<!-- /brokers -->"


def counts(run):
    """How many cases of each version ended how."""
    found = {}
    for group in run["cases"]:
        many = sum(len(names) for names in group["ids"].values())
        found[group["version"], group["result"]] = found.get((group["version"], group["result"]), 0) + many
    for group in run["failures"]:
        found[group["version"], group["result"]] = found.get((group["version"], group["result"]), 0) + len(group["cases"])
    return found


def table(paths):
    lines = [
        "| broker | version | " + " | ".join(KINDS) + " |",
        "|---|---|" + "--:|" * len(KINDS),
    ]
    for path in paths:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        assert run["format"] == 1 and run["kind"] == "brief", path
        found = counts(run)
        assert sum(found.values()) == sum(run["totals"].values()), path
        for version in ("3.1", "3.1.1", "5.0"):
            row = [found.get((version, kind), 0) for kind in KINDS]
            if any(row):
                cells = " | ".join(f"{many:,}" for many in row)
                lines.append(f"| {run['target']} | {version} | {cells} |")
    return "\n".join(lines)


readme, *runs = sys.argv[1:]
with open(readme, encoding="utf-8") as file:
    head, rest = file.read().split(BEGIN)
_, tail = rest.split(END)
picture = "[![The share of the cases that hold, by broker and subject](results/comparison.png)](results/index.html)"
with open(readme, "w", encoding="utf-8") as file:
    file.write(f"{head}{BEGIN}{table(runs)}\n\n{picture}\n{END}{tail}")
