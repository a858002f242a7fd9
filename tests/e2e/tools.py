# SPDX-License-Identifier: 0BSD
"""The tools of somebody who changes the tree: what a machine lacks, compile_commands.json, coverage, and
the hook for git."""

import json
import os
import shutil
import subprocess
import sys

import lib

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Takes every package but one, as if that would replace what the host has; `log` gets what was asked.
APT_GET = """#!/bin/sh
echo "$*" >>'{log}'
case " $* " in
  *" --assume-no "*) echo 'Need to get 12.3 MB of archives.'
                     echo 'After this operation, 45.6 MB of additional disk space will be used.'; exit 1 ;;
  *" install "*) case " $* " in *" libpcre2-dev"*) exit 100 ;; esac ;;
esac
"""


class DepsTest(lib.E2eTest):
    """tools/deps, on a machine that has a shell's tools and an apt-get of the test's own."""

    def machine(self):
        bin_directory = self.at("bin")
        os.makedirs(bin_directory)
        for name in ("sh", "awk", "sed", "id", "mktemp", "cat", "rm", "tr", "paste", "g++", "make", "pkg-config"):
            os.symlink(shutil.which(name, path=SYSTEM_PATH), os.path.join(bin_directory, name))
        self.log = self.at("apt.log")
        with open(os.path.join(bin_directory, "apt-get"), "w", encoding="ascii") as f:
            f.write(APT_GET.format(log=self.log))
        os.chmod(os.path.join(bin_directory, "apt-get"), 0o755)
        # Without a pkg-config that finds anything, every library is missing.
        return {"PATH": bin_directory, "PKG_CONFIG": "false"}

    def asked(self):
        with open(self.log, encoding="ascii") as f:
            return f.read().splitlines()

    def test_nothing_is_removed_and_the_size_is_said_first(self):
        if not lib.IS_ROOT:
            self.skipTest("only root installs")
        code, out, err = self.run_program(["sh", "tools/deps", "check"], env=self.machine(), cwd=lib.TOP)
        self.assertRegex(out, r"(?m)^not installed: libpcre2-dev$")
        installing = out.index("installing: ")
        self.assertNotIn("libpcre2-dev", out[installing:].splitlines()[0])
        self.assertIn("  to fetch: 12.3 MB of archives.\n  on disk: 45.6 MB of additional", out[installing:])
        really = [line for line in self.asked() if " install " in " %s " % line and "-s " not in line
                  and "--assume-no" not in line]
        self.assertEqual(len(really), 1, self.asked())
        for line in self.asked():
            if " install " in " %s " % line:
                self.assertIn("--no-remove", line)
        # The libraries are still missing, as this apt-get installs nothing.
        self.assertEqual(code, 111)
        self.assertIn("still not found: pkg:libevent", err)

    def test_who_is_not_root_is_shown_a_line_that_removes_nothing(self):
        options = {"user": lib.NOBODY} if lib.IS_ROOT else {}
        environment = self.machine()
        os.chmod(self.dir, 0o777)
        code, out, err = self.run_program(["sh", "tools/deps", "demo"], env=environment, cwd=lib.TOP, **options)
        self.assertEqual((code, out), (111, ""))
        self.assertRegex(err, r"(?m)^  apt-get update && apt-get install -y --no-remove .*\blibevent-dev\b")
        self.assertRegex(err, r"(?m)^missing: .*pkg:libevent\b")


class CompileCommandsTest(lib.E2eTest):
    def test_every_source_has_its_command(self):
        tree = self.at("tree")
        subprocess.run(["git", "clone", "-q", "--shared", lib.TOP, tree], check=True)
        for name in ("Makefile", "tools/compile-commands"):
            shutil.copy2(os.path.join(lib.TOP, name), os.path.join(tree, name))
        code, out, err = self.run_program(["make", "compile_commands.json"], cwd=tree, env={"PATH": SYSTEM_PATH})
        self.assertEqual((code, err), (0, ""), out)
        with open(os.path.join(tree, "compile_commands.json"), encoding="utf-8") as f:
            commands = json.load(f)
        files = {command["file"] for command in commands}
        listing = subprocess.run(["git", "ls-files", "*.cc", "hooks/*.c"], cwd=tree, check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.split()
        self.assertEqual(set(listing) - files, set())
        one = next(command for command in commands if command["file"] == "rcpt/decide.cc")
        self.assertIn("-std=c++20", one["arguments"])
        self.assertEqual(one["directory"], tree)


class CoverageTest(lib.E2eTest):
    def test_lines_reached_are_counted_by_room(self):
        tree = self.at("tree")
        for room, source in (("rcpt", "int reached() {\n  return 1;\n}\nint missed() {\n  return 2;\n}\n"),
                             ("wire", "int all_of_it() {\n  return 3;\n}\n")):
            os.makedirs(os.path.join(tree, room))
            with open(os.path.join(tree, room, "a.cc"), "w", encoding="ascii") as f:
                f.write(source)
        with open(os.path.join(tree, "main.cc"), "w", encoding="ascii") as f:
            f.write("int reached();\nint all_of_it();\nint main() { return reached() + all_of_it() - 4; }\n")
        os.makedirs(os.path.join(tree, "build"))
        for name in ("rcpt/a", "wire/a", "main"):
            subprocess.run(["g++", "--coverage", "-O0", "-c", name + ".cc", "-o",
                            "build/%s.o" % name.replace("/", "_")], cwd=tree, check=True)
        subprocess.run(["g++", "--coverage", "-o", "build/program", "build/rcpt_a.o", "build/wire_a.o",
                        "build/main.o"], cwd=tree, check=True)
        subprocess.run([os.path.join(tree, "build/program")], cwd=tree, check=True)
        code, out, err = self.run_program(
            [sys.executable, os.path.join(lib.TOP, "tools/coverage"), "build"], cwd=tree,
            env={"PATH": SYSTEM_PATH})
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"(?m)^rcpt +4 +2 +50\.0$")
        self.assertRegex(out, r"(?m)^wire +2 +2 +100\.0$")
        self.assertRegex(out, r"(?m)^rcpt/a\.cc +2 of +4 +50\.0$")

    def test_a_build_without_notes_is_a_mistake(self):
        code, _, err = self.run_program([sys.executable, os.path.join(lib.TOP, "tools/coverage"), self.dir])
        self.assertEqual(code, 111)
        self.assertIn("make coverage", err)


class PreCommitTest(lib.E2eTest):
    """In a clone whose `make` says what it was asked for, and whose gates pass."""

    def commit(self, *names, gate="exit 0"):
        tree = self.at("tree")
        subprocess.run(["git", "init", "-q", tree], check=True)
        for name, text in (("tests/run", "import sys; print('gates', *sys.argv[1:]); sys.%s" % gate.replace(
                "exit ", "exit(") + ")\n"), ("tests/rcpt/a_test.cc", ""), ("tests/maps/a_test.cc", ""),
                *((name, "int x;\n") for name in names)):
            path = os.path.join(tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
        os.makedirs(os.path.join(tree, "bin"))
        make = os.path.join(tree, "bin", "make")
        with open(make, "w", encoding="ascii") as f:
            f.write('#!/bin/sh\necho "make $*"\n')
        os.chmod(make, 0o755)
        subprocess.run(["git", "add", *names], cwd=tree, check=True)
        return self.run_program(["sh", os.path.join(lib.TOP, "tools/pre-commit")], cwd=tree,
                                env={"PATH": os.path.join(tree, "bin") + ":" + SYSTEM_PATH})

    def test_the_touched_rooms_are_tested(self):
        code, out, _ = self.commit("rcpt/decide.cc", "tests/maps/b.cc", "verifyrcpt.cc", "hooks/x/y.c",
                                   "README.md", "tests/e2e/z.py")
        self.assertEqual(code, 0)
        self.assertEqual(out.splitlines()[-1], "make --no-print-directory test ROOM=maps rcpt top")

    def test_text_alone_is_for_the_gates(self):
        code, out, _ = self.commit("README.md")
        self.assertEqual((code, out), (0, "gates gate/format gate/layers gate/privileges gate/text\n"))

    def test_a_gate_that_fails_stops_the_commit(self):
        code, out, _ = self.commit("rcpt/decide.cc", gate="exit 1")
        self.assertEqual(code, 1)
        self.assertNotIn("make", out)


if __name__ == "__main__":
    lib.unittest.main()
