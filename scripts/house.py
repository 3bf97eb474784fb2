# SPDX-License-Identifier: MIT
"""What the checks share: which files are ours, C text without its comments, how to complain."""

import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TREES = ("core", "handlers", "profiling", "config")

# The folders whose own files put all the others together.
COMPOSITION = ("handlers",)

COMMENT_OR_LITERAL = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.S | re.X)
DIRECTIVE = re.compile(r"^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*", re.M)


def find(*patterns):
    """Paths below the root, sorted; `**` crosses folders."""
    paths = {path for pattern in patterns for path in glob.glob(pattern, root_dir=ROOT,
                                                               recursive=True)}
    return sorted(paths)


def sources():
    """Every C file of the server."""
    return find(*(f"{tree}/**/*.[ch]" for tree in TREES))


def tests():
    """Every C file that does not ship: tests, and examples, which the test server serves."""
    return find("test/**/*.[ch]", "docs/examples/*.[ch]")


def room_of(path):
    """The folder that a file lies in."""
    return os.path.dirname(path)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def blank(match):
    """As many lines and columns, all blank, so that offsets keep their meaning."""
    return re.sub(r"[^\n]", " ", match.group())


def without_comments(text):
    """Comments and the insides of literals blanked."""
    return COMMENT_OR_LITERAL.sub(blank, text)


def without_directives(text):
    """Preprocessor lines blanked; takes text without comments."""
    return DIRECTIVE.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def run(*command):
    """The output of a program that must succeed."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def make(*targets):
    """Builds what a check looks at, in the release variant: a sanitizer's calls are not ours to judge."""
    made = subprocess.run(["make", "VARIANT=release", *targets], cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if made.returncode != 0:
        sys.exit(f"{os.path.basename(sys.argv[0])}: it does not compile, see above")


class Complaints:
    """Collects breaches and ends the check."""

    def __init__(self):
        self.count = 0

    def add(self, path, line, text):
        self.count += 1
        print(f"{path}:{line}: {text}")

    def finish(self):
        sys.exit(1 if self.count > 0 else 0)
