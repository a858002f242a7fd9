#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""tools/demo runs, leaves nothing behind, and README.md shows what it prints."""

import difflib
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import unittest

import lib

DEMO = os.path.join(lib.TOP, "tools", "demo")
CUT = "[...]"
# What differs from run to run: what it is replaced with on both sides.
VARIES = (
    (r" +\d+ us\b *", " N us "),
    (r":\d{4,5}\b", ":PORT"),
    (r"\b(user id |uid=)\d+", r"\1UID"),
    (r"\bus=\d+", "us=N"),
    (r"\bqmail-verify-demo-\w+", "TEMPORARY"),
    (r"/new/\S+", "/new/NAME"),
    (r"^(.*From \S+ )\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$", r"\1DATE"),
)


def normal(line):
    for pattern, replacement in VARIES:
        line = re.sub(pattern, replacement, line)
    return line.rstrip()


def shown(text):
    """The lines of README's block, without their indentation."""
    found = re.search(r"^<!-- demo -->\n(.*?)^<!-- /demo -->$", text, re.M | re.S)
    return [re.sub(r"^    ", "", line) for line in found.group(1).strip("\n").split("\n")]


def pieces(lines):
    """What stands between the lines `[...]`, blank lines around them left out."""
    found = [[]]
    for line in lines:
        if line == CUT:
            found.append([])
        else:
            found[-1].append(line)
    return ["\n".join(piece).strip("\n").split("\n") for piece in found]


def matches(block, printed):
    """Is the block what was printed, but for what is left out at its lines `[...]`?  The first piece
    has to begin the output and the last one to end it; they are empty where the block begins and
    ends with such a line."""
    *middle, last = pieces(block)
    at = 0
    for number, piece in enumerate(middle):
        if piece == [""]:
            continue
        begins = [0] if number == 0 else range(at, len(printed) - len(piece) + 1)
        found = [i for i in begins if printed[i:i + len(piece)] == piece]
        if not found:
            return False
        at = found[0] + len(piece)
    if last == [""] and middle:
        return True
    begin = len(printed) - len(last) if middle else 0
    return begin >= at and printed[begin:] == last


def load_demo():
    loader = importlib.machinery.SourceFileLoader("tools_demo", DEMO)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tools_demo", loader))
    loader.exec_module(module)
    return module


class Demo(lib.E2eTest):
    def test_readme_shows_what_is_printed(self):
        lib.peer("tcpserver")
        if lib.mailfront_directory() is None:
            self.skipTest("mailfront is not installed")
        temporary = self.at("tmp")
        os.mkdir(temporary)
        os.chmod(temporary, 0o755)
        done = subprocess.run([sys.executable, DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, env=dict(os.environ, TMPDIR=temporary))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(os.listdir(temporary), [])
        printed = [normal(line) for line in done.stdout.strip("\n").split("\n")]
        with open(os.path.join(lib.TOP, "README.md"), encoding="utf-8") as f:
            block = [normal(line) for line in shown(f.read())]
        self.assertGreater(len(block), 20)
        if not matches(block, printed):
            wanted = [normal(line) for line in load_demo().excerpt(done.stdout)]
            self.fail("README.md does not show what tools/demo prints; "
                      "`make && tools/demo --readme` renews it:\n"
                      + "\n".join(difflib.unified_diff(block, wanted, "README.md", "tools/demo",
                                                       lineterm="")))

    def test_what_matches(self):
        """The comparison itself: parts may be left out at a line [...] and nowhere else."""
        printed = ["a", "", "b", "c", "", "d"]
        for block in (printed, [CUT], ["a", CUT], [CUT, "d"], [CUT, "", "b", "c", "", CUT],
                      ["a", CUT, "c", CUT, "d"], ["a", "", CUT, "", "d"]):
            with self.subTest(block):
                self.assertTrue(matches(block, printed))
        for block in (["a"], ["d"], [], ["b", "c"], ["a", CUT, "x", CUT], [CUT, "d", CUT, "a", CUT],
                      ["a", "b", "c", "d"], ["b", CUT], [CUT, "c"], [CUT, "b", CUT, "b", CUT]):
            with self.subTest(block):
                self.assertFalse(matches(block, printed))


if __name__ == "__main__":
    unittest.main()
