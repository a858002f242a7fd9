#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-map as its users call it, and beside the programs whose tables it reads and writes:
tinycdb's cdb, Postfix's postmap, fastforward's setforward."""

import os
import pty
import random
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

import lib


class MapTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="qv")
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def run_map(self, *words, data=None, **kwargs):
        done = subprocess.run([lib.program("qmail-map"), *words], input=data, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)
        return done.returncode, done.stdout, done.stderr

    def build(self, text, target, *options):
        code, _, err = self.run_map("build", *options, "-", target, data=text)
        self.assertEqual(code, 0, err)
        return err

    def get(self, *words, data=None):
        return self.run_map("get", *words, data=data)[:2]


class Modules(MapTest):
    """Types in files of their own, beside a program of the test's."""

    def setUp(self):
        super().setUp()
        self.program = self.path("bin/qmail-map")
        self.modules = self.path("lib/qmail-verify/maps")
        built = os.path.join(os.path.dirname(lib.program("qmail-map")), "../lib/qmail-verify/maps")
        os.mkdir(self.path("bin"))
        shutil.copy(lib.program("qmail-map"), self.program)
        shutil.copytree(built, self.modules)
        self.write("t.cf", "query = SELECT '%s'\nhosts = unix:/nonexistent\ndbname = x\n")

    def ask(self, kind):
        done = subprocess.run([self.program, "get", "%s:%s" % (kind, self.path("t.cf")), "key"],
                              timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stdout), (111, ""))
        return done.stderr

    def test_each_is_loaded(self):
        for module in os.listdir(self.modules):
            if module.endswith(".so"):
                self.assertNotIn("/maps/", self.ask(module[:-3]))
        # What it says then is about the table, or its server.
        self.assertIn("/nonexistent", self.ask("pgsql"))

    def test_a_missing_one_is_named(self):
        if os.path.exists("/usr/local/lib/qmail-verify/maps/pgsql.so"):
            self.skipTest("it is installed")
        os.unlink(self.modules + "/pgsql.so")
        self.assertRegex(self.ask("pgsql"), "tables of type pgsql need /.*/qmail-verify/maps/pgsql.so, "
                         "which is not installed")
        types = subprocess.run([self.program, "types"], check=True, stdout=subprocess.PIPE, text=True)
        self.assertRegex(types.stdout, r"(?m)^pgsql +\(.*not installed\)$")
        self.assertRegex(types.stdout, r"(?m)^sqlite +/path")

    def test_one_of_another_version_is_refused(self):
        path = self.modules + "/pgsql.so"
        with open(path, "rb") as f:
            module = f.read()
        version = re.search(rb"\0(\d+\.[\d.]+-\d+)\0", module).group(1)
        with open(path, "wb") as f:
            f.write(module.replace(b"\0" + version, b"\x009" + version[1:]))
        self.assertRegex(self.ask("pgsql"), r"maps/pgsql.so belongs to another version of qmail-verify "
                         r"\(9%s\), this program is of %s" % (version[1:].decode(), version.decode()))

    def test_what_is_no_module_of_the_type_is_refused(self):
        shutil.copy(self.modules + "/sqlite.so", self.modules + "/pgsql.so")
        self.assertIn("pgsql.so is no module of tables of type pgsql", self.ask("pgsql"))
        with open(self.modules + "/pgsql.so", "w", encoding="ascii") as f:
            f.write("this is no library")
        self.assertRegex(self.ask("pgsql"), "pgsql.so, which cannot be loaded: .*pgsql.so: ")
        with open(self.modules + "/pgsql.so", "wb"):
            pass
        self.assertRegex(self.ask("pgsql"), "pgsql.so, which cannot be loaded: .*pgsql.so: ")

    def test_a_type_that_nobody_has_is_not_looked_for(self):
        shutil.copy(self.modules + "/sqlite.so", self.modules + "/other.so")
        self.assertIn("there is no table type \"other\"", self.ask("other"))


class Build(MapTest):
    def test_says_found_absent_and_cannot_tell_by_its_exit_code(self):
        self.build("a 1\n", "cdb:" + self.path("t"))
        self.assertEqual(self.get("cdb:" + self.path("t"), "A"), (0, "1\n"))
        self.assertEqual(self.get("cdb:" + self.path("t"), "b"), (100, ""))
        self.assertEqual(self.get("cdb:" + self.path("none"), "a")[0], 111)
        self.assertEqual(self.get("fail:x", "a")[0], 111)
        self.assertEqual(self.run_map("frob")[0], 100)
        self.assertEqual(self.run_map("get", "--frob", "a:b", "c")[0], 100)

    def test_warns_of_duplicates_and_obeys_the_options(self):
        for kind in "cdb", "lmdb":
            target = kind + ":" + self.path("t")
            self.assertIn("key twice", self.build("a 1\na 2\n", target))
            self.assertEqual(self.get(target, "a"), (0, "1\n"))
            self.assertEqual(self.build("a 1\na 2\n", target, "--ignore"), "")
            self.assertEqual(self.get(target, "a"), (0, "1\n"))
            self.assertEqual(self.build("a 1\na 2\n", target, "--replace"), "")
            self.assertEqual(self.get(target, "a"), (0, "2\n"))
            self.assertEqual(self.run_map("list", target)[1], "a\t2\n")

    def test_a_source_that_cannot_be_understood_changes_nothing(self):
        target = "cdb:" + self.path("t")
        self.build("a 1\n", target)
        code, _, err = self.run_map("build", self.write("s", "b 1\nc\n\"d x\n"), target)
        self.assertEqual(code, 111)
        self.assertIn(self.path("s") + ":2: ", err)
        self.assertIn(self.path("s") + ":3: ", err)
        self.assertEqual(self.get(target, "a"), (0, "1\n"))
        self.assertEqual(sorted(os.listdir(self.directory)), ["s", "t.cdb"])

    def test_keeps_case_only_where_asked(self):
        target = "lmdb:" + self.path("t")
        self.build("User@Example.ORG 1\n", target)
        self.assertEqual(self.run_map("list", target)[1], "user@example.org\t1\n")
        self.build("User 1\n", target, "--keep-case")
        self.assertEqual(self.get(target, "User")[0], 100)
        self.assertEqual(self.get("--keep-case", target, "User"), (0, "1\n"))

    def test_converts_between_types(self):
        self.build("a 1\n\"b c\" 2\n", "cdb:" + self.path("t"))
        self.assertEqual(
            self.run_map("convert", "cdb:" + self.path("t"), "lmdb:" + self.path("t"))[0], 0)
        self.assertEqual(self.get("lmdb:" + self.path("t"), "b c"), (0, "2\n"))
        self.assertEqual(self.run_map("convert", "static:x", "cdb:" + self.path("u"))[0], 111)
        self.assertFalse(os.path.exists(self.path("u.cdb")))

    def test_searches_for_recipients(self):
        target = "cdb:" + self.path("t")
        self.build("user@e.org u\n@e.org all\n", target)
        self.assertEqual(self.get("--address", target, "USER+x@e.org"), (0, "u\n"))
        self.assertEqual(self.get("--address", "--delimiters=_", target, "user+x@e.org"),
                         (0, "all\n"))
        self.assertEqual(self.get("--address", target, "x@f.org"), (100, ""))

    def test_answers_each_line_before_it_waits_for_the_next(self):
        self.build("a 1\nb 2\n", "cdb:" + self.path("t"))
        with subprocess.Popen([lib.program("qmail-map"), "get", "cdb:" + self.path("t"), "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
            for key, value in (b"a", b"1"), (b"b", b"2"), (b"a", b"1"):
                p.stdin.write(key + b"\n")
                p.stdin.flush()
                self.assertTrue(select.select([p.stdout], [], [], 20)[0])
                self.assertEqual(os.read(p.stdout.fileno(), 100), key + b"\t" + value + b"\n")
            p.stdin.close()
            self.assertEqual(p.wait(20), 0)

    def test_an_empty_table_is_built_with_a_warning(self):
        self.assertIn("empty", self.build("# nothing\n", "cdb:" + self.path("t")))
        code, out, err = self.run_map("get", "cdb:" + self.path("t"), "a")
        self.assertEqual((code, out), (100, ""))
        self.assertIn("empty", err)

    def test_shows_progress_on_a_terminal_only(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        master, slave = pty.openpty()
        with subprocess.Popen([lib.program("qmail-map"), "build", "-", "cdb:" + self.path("t")],
                              stdin=subprocess.PIPE, stderr=slave) as p:
            os.close(slave)
            block = b"".join(b"key%d value\n" % i for i in range(100000))
            p.stdin.write(block)
            p.stdin.flush()
            time.sleep(1.2)
            p.stdin.write(block.replace(b"key", b"other"))
            p.stdin.close()
            self.assertEqual(p.wait(60), 0)
        shown = os.read(master, 100000).decode()
        os.close(master)
        self.assertRegex(shown, r"\d+ entries +\d+/s")

    def test_users_assign(self):
        home = self.path("home")
        os.makedirs(home + "/users")
        with open(home + "/users/assign", "w", encoding="utf-8") as f:
            f.write("=Joe:joe:503:78:/home/joe:::\n+joe-:joe:503:78:/home/joe:-::\n.\n")
        env = dict(os.environ, QMAILHOME=home)
        code, _, err = self.run_map("assign", env=env)
        self.assertEqual(code, 0, err)
        got = self.run_map("list", "cdb:" + home + "/users/cdb.cdb")
        self.assertEqual(got[0], 111, "there is no such suffix")
        os.link(home + "/users/cdb", home + "/users/x.cdb")
        records = self.run_map("list", "cdb:" + home + "/users/x")[1]
        self.assertIn("!joe\0\tjoe\000503\00078\0/home/joe\0\0\n", records)
        self.assertIn("!joe-\tjoe\000503\00078\0/home/joe\0-\0\n", records)
        self.assertIn("\t-\n", records)
        self.assertEqual(os.stat(home + "/users/cdb").st_mode & 0o777, 0o644)
        with open(home + "/users/assign", "w", encoding="utf-8") as f:
            f.write("=joe:joe:503:78:/home/joe:::\n")  # cut off: no dot
        code, _, err = self.run_map("assign", env=env)
        self.assertEqual(code, 111)
        self.assertIn("dot", err)


class Peers(MapTest):
    """Tables go both ways."""

    def records(self, count=3000):
        rng = random.Random(7)
        return {"user%d@example%d.org" % (i, i % 17): "box/%d" % rng.randrange(10 ** 9)
                for i in range(count)}

    def text(self, records):
        return "".join("%s %s\n" % item for item in records.items())

    def test_cdb_reads_ours_and_we_read_its(self):
        cdb = lib.peer("cdb")
        records = self.records()
        self.build(self.text(records), "cdb:" + self.path("ours"))
        for key in list(records)[::100]:
            out = subprocess.run([cdb, "-q", self.path("ours.cdb"), key], stdout=subprocess.PIPE,
                                 check=True, text=True).stdout
            self.assertEqual(out, records[key])
        dump = subprocess.run([cdb, "-d", self.path("ours.cdb")], stdout=subprocess.PIPE,
                              check=True).stdout
        self.assertEqual(dump.count(b"->"), len(records))
        subprocess.run([cdb, "-c", self.path("theirs.cdb")], input=dump, check=True)
        out = self.run_map("list", "cdb:" + self.path("theirs"))[1]
        self.assertEqual(dict(line.split("\t") for line in out.splitlines()), records)

    def postmap(self, *words, data=None):
        os.makedirs(self.path("conf"), exist_ok=True)
        with open(self.path("conf/main.cf"), "w", encoding="utf-8"):
            pass
        return subprocess.run([lib.peer("postmap"), "-c", self.path("conf"), *words], input=data,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120)

    def test_postmap_reads_ours_and_we_read_its(self):
        known = subprocess.run([lib.peer("postconf"), "-m"], stdout=subprocess.PIPE,
                               text=True, check=False).stdout.split()
        records = self.records()
        keys = "".join(k + "\n" for k in records) + "nobody@example.net\n"
        expected = "".join("%s\t%s\n" % item for item in records.items())
        for kind in "cdb", "lmdb":
            if kind not in known:
                continue
            with self.subTest(kind):
                ours = kind + ":" + self.path("ours")
                self.build(self.text(records), ours)
                self.assertEqual(self.postmap("-q", "-", ours, data=keys).stdout, expected)
                source = self.write("theirs", self.text(records))
                self.assertEqual(self.postmap(kind + ":" + source).returncode, 0)
                self.assertEqual(self.get(kind + ":" + source, "-", data=keys), (0, expected))
                self.assertEqual(len(self.run_map("list", kind + ":" + source)[1].splitlines()),
                                 len(records))

    def test_pattern_tables_answer_as_postmap_does(self):
        known = subprocess.run([lib.peer("postconf"), "-m"], stdout=subprocess.PIPE,
                               text=True, check=False).stdout.split()
        rules = ("# rules\n/^(.*)\\+(.*)@(.*)$/ $1@$3 ($2)\nif !/@example\\.org$/\n"
                 "/^root@/  $${0}\nendif\n!/@/   no\n  domain\n/^User$/i exact\n"
                 "|^a/b| slash\n")
        keys = ["a+b@c", "root@x", "root@example.org", "plain", "User", "user", "a/b@x", "A+B@C"]
        for kind in "regexp", "pcre":
            if kind not in known:
                continue
            table = kind + ":" + self.write("rules", rules)
            theirs = self.postmap("-f", "-q", "-", table, data="\n".join(keys))
            self.assertEqual(self.get("--keep-case", table, "-", data="\n".join(keys)),
                             (0, theirs.stdout), kind)
            self.assertIn("a+b@c\ta@c (b)\n", theirs.stdout)
        nets = "10.0.0.0/8 ten\nif 192.0.2.0/24\n!192.0.2.7 not seven\n192.0.2.7 seven\nendif\n" \
               "2001:db8::/32 six\n"
        table = "cidr:" + self.write("nets", nets)
        keys = "\n".join(("10.1.2.3", "192.0.2.7", "192.0.2.8", "192.0.3.1", "2001:db8:1::1", "x"))
        theirs = self.postmap("-q", "-", table, data=keys)
        self.assertEqual(self.get(table, "-", data=keys), (0, theirs.stdout))
        self.assertIn("192.0.2.8\tnot seven\n", theirs.stdout)

    def test_reads_what_setforward_makes(self):
        setforward = lib.peer("setforward")
        table = self.path("aliases.cdb")
        subprocess.run([setforward, table, self.path("tmp")], check=True,
                       input=b"joe@example.org: joe, jane;\n@all.example: root;\npostmaster@: root;\n")
        name = "fastforward:" + table
        self.assertEqual(self.get(name, "JOE@example.org"), (0, "&joe\0&jane\0\n"))
        self.assertEqual(self.get(name, "any@all.example")[0], 0)
        self.assertEqual(self.get(name, "postmaster@x")[0], 0)
        self.assertEqual(self.get(name, "nobody@example.org")[0], 100)


if __name__ == "__main__":
    unittest.main()
