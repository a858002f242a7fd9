#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""qmail-verify decides by lookup tables: control/verifymaps with each kind of table, tables that
change and break, and PostgreSQL behind qmail-proxymap while both are stopped and started."""

import os
import signal
import threading
import time
import unittest

import lib
import peers
from lib import NOT_VALID, UNDECIDED, VALID


def vmailmgr_record(expiry=b"-"):
    fields = [b"crypt", b"./users/x", b"", b"-", b"-", b"-", b"-", b"-", b"1", expiry]
    return b"\2\x08\1\0" + b"\0".join(fields) + b"\0"


class TableTest(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))
        self.tables = self.at("tables")
        os.makedirs(self.tables)
        os.chmod(self.tables, 0o755)

    def maps(self, *lines):
        self.tree.control("verifymaps", *lines)

    def put(self, name, data, mode=0o644):
        path = os.path.join(self.tables, name)
        lib.write_atomically(path, data, mode)
        return path

    def build(self, kind, name, **entries):
        """A table of these addresses (with _at_ for @) made by qmail-map; type:name."""
        text = "".join("%s %s\n" % (k.replace("_at_", "@"), v) for k, v in entries.items())
        table = "%s:%s" % (kind, os.path.join(self.tables, name))
        code, out, err = self.run_program([lib.program("qmail-map"), "build", "--replace", "-",
                                           table], input=text.encode())
        self.assertEqual(code, 0, out + err)
        for file in os.listdir(self.tables):
            os.chmod(os.path.join(self.tables, file), 0o644)
        return table

    def serve(self, **env):
        self.verify = self.start_verify(self.tree, **env)
        self.asker = self.client(self.verify)

    def expect(self, address, result, why):
        reply = self.asker.ask(address)
        self.assertEqual((reply.result, reply.why), (result, why), address)
        return reply

    def until(self, address, result, why, seconds=6):
        """Waits for a change to be noticed; what is said on the way must never be `valid` unless
        that is what is waited for, nor `not valid`."""
        def look():
            reply = self.asker.ask(address)
            return reply is not None and (reply.result, reply.why) == (result, why)
        lib.wait_until(look, seconds, "%s: %s, log:\n%s" % (address, why, self.verify.log()), 0.05)

    def run_verify(self, *words, **env):
        environment = lib.verify_environment(self.tree.path, "127.0.0.1:1", **env)
        return self.run_program([lib.program("qmail-verify"), *words], environment)


class Kinds(TableTest):
    """Each kind of table that is asked in the daemon itself."""

    def check(self, domain, table, known="joe", unknown="eve"):
        self.maps("%s:%s" % (domain, table))
        self.serve()
        self.expect("%s@%s" % (known, domain), VALID, "table")
        self.expect("%s@%s" % (known.upper(), domain.upper()), VALID, "table")
        self.expect("%s@%s" % (unknown, domain), NOT_VALID, "unknown-user")
        self.expect("joe@local.example", VALID, "local")
        self.expect("joe@elsewhere.example", VALID, "relay")

    def test_cdb(self):
        self.check("t.example", self.build("cdb", "t", **{"joe_at_t.example": "x"}))

    def test_lmdb(self):
        self.check("t.example", self.build("lmdb", "t", **{"joe_at_t.example": "x"}))

    def test_texthash(self):
        self.check("t.example", "texthash:" + self.put("t", "joe@t.example x\n"))

    def test_inline(self):
        self.check("t.example", "inline:{joe@t.example=x, ann@t.example=y}", "ann")

    def test_regexp(self):
        self.check("t.example", "regexp:" + self.put("t", "/^j[aeo]+@t\\.example$/ ok\n"))

    def test_pcre(self):
        self.check("t.example", "pcre:" + self.put("t", "/^(joe|ann)@t\\.example$/ $1\n"))
        self.expect("ann@t.example", VALID, "table")
        self.expect("ann+x@t.example", NOT_VALID, "unknown-user")

    def test_fastforward(self):
        source, path = "joe@t.example: x;\nhelp@: y;\n", os.path.join(self.tables, "ff.cdb")
        code, _, err = self.run_program([lib.peer("setforward"), path, path + ".tmp"],
                                        input=source.encode())
        self.assertEqual(code, 0, err)
        os.chmod(path, 0o644)
        self.check("t.example", "fastforward:" + path)
        self.expect("help@t.example", VALID, "table")

    def test_vpopmail(self):
        records = [(b"joe", b"$1$x:1:0:Joe:/x/joe:NOQUOTA"), (b"gone", b"$1$x:1:16:G:/x:NOQUOTA")]
        self.put("vpasswd.cdb", lib.cdb_bytes(records))
        self.put(".qmail-list", "&x\n")
        self.check("t.example", "vpopmail:" + self.tables)
        self.expect("list@t.example", VALID, "table")
        self.expect("gone@t.example", NOT_VALID, "unknown-user")

    def test_vmailmgr(self):
        records = [(b"joe", vmailmgr_record()), (b"old", vmailmgr_record(b"1000"))]
        self.check("t.example", "vmailmgr:" + self.put("passwd.cdb", lib.cdb_bytes(records)))
        self.expect("old@t.example", NOT_VALID, "unknown-user")

    def test_validrcptto(self):
        records = [(b"joe@t.example", b""), (b"bad@t.example", b"-no"), (b"a-default@t.example", b"")]
        self.check("t.example", "validrcptto:jms1:" + self.put("v.cdb", lib.cdb_bytes(records)))
        self.expect("a-x@t.example", VALID, "table")
        self.expect("bad@t.example", NOT_VALID, "unknown-user")

    def test_recipients(self):
        records = [(b":joe@t.example", b""), (b":ann+@t.example", b"")]
        self.check("t.example", "recipients:" + self.put("r.cdb", lib.cdb_bytes(records)))
        self.expect("ann+x@t.example", VALID, "table")

    @unittest.skipUnless(lib.IS_ROOT, "root alone can keep a file from the daemon")
    def test_what_only_its_owner_may_read_is_a_mistake(self):
        path = self.put("vpasswd.cdb", lib.cdb_bytes([(b"joe", b"x:1:0:J:/x:N")]), 0o600)
        self.maps("t.example:vpopmail:" + self.tables)
        self.serve()
        self.expect("joe@t.example", UNDECIDED, "table-error")
        self.expect("eve@t.example", UNDECIDED, "table-error")
        self.expect("joe@local.example", VALID, "local")
        lines = [l for l in self.verify.log().splitlines() if "Permission" in l]
        self.assertEqual(len(lines), 1, self.verify.log())
        self.assertIn(path, lines[0])


class Rules(TableTest):
    """Which entry counts, which keys are asked, what the values say."""

    def test_the_most_specific_entry(self):
        all = self.build("cdb", "all", **{"joe_at_local.example": "x", "info_at_sub.virtual.example": "x"})
        self.maps(":" + all, "team.example:", ".virtual.example:" + all)
        self.serve()
        self.expect("joe@local.example", VALID, "table")
        self.expect("joe", VALID, "table")
        self.expect("mary@local.example", NOT_VALID, "unknown-user")
        self.expect("info@virtual.example", NOT_VALID, "unknown-user")
        self.expect("info@sub.virtual.example", VALID, "table")
        self.expect("anybody@team.example", VALID, "default")
        self.expect("joe@relay.example", VALID, "relay")

    def test_extensions_and_catch_alls(self):
        self.maps("t.example:" + self.build("cdb", "t", **{
            "joe_at_t.example": "x", "joe-list_at_t.example": "REJECT closed",
            "_at_t.example": "x"}))
        self.serve()
        self.expect("joe-x+y@t.example", VALID, "table")
        self.expect("joe-list-z@t.example", NOT_VALID, "refused")
        reply = self.expect("anybody@t.example", VALID, "default")
        self.assertEqual(reply.position, 0)
        self.tree.control("recipient_delimiter", "=")
        self.until("joe-list-z@t.example", VALID, "default")
        self.expect("joe-list=z@t.example", NOT_VALID, "refused")

    def test_refusals_and_deferrals(self):
        self.maps("t.example:" + self.build("cdb", "t", **{
            "gone_at_t.example": "550 5.1.6 Joe has moved", "busy_at_t.example": "DEFER Come back",
            "quiet_at_t.example": "5.2.1"}))
        self.serve()
        reply = self.expect("gone@t.example", NOT_VALID, "refused")
        self.assertEqual(reply.fields["text"], "Joe has moved")
        reply = self.expect("busy@t.example", UNDECIDED, "deferred")
        self.assertEqual(reply.fields["text"], "Come back")
        self.expect("quiet@t.example", NOT_VALID, "refused")
        code, out, _ = self.run_program(
            [lib.program("rcptcheck"), "-s", "127.0.0.1:%d" % self.verify.port, "-j",
             "gone@t.example", "busy@t.example"])
        self.assertEqual(code, 111, out)
        self.assertIn('"why":"refused"', out)
        self.assertIn('"why":"deferred"', out)
        # A caller of RCPTCHECK's kind hands the text on.
        for address, exit_code, text in (("gone@t.example", 100, "Joe has moved"),
                                         ("busy@t.example", 111, "Come back")):
            code, out, err = self.run_program(
                ["sh", "-c", "exec %s 4>&1" % lib.program("rcptcheck")],
                {"RECIPIENT": address, "VERIFY": "127.0.0.1:%d" % self.verify.port, "USE_FD4": "1"})
            self.assertEqual(code, exit_code, out + err)
            self.assertIn(text, out)

    def test_at_rcpt(self):
        self.maps("t.example:" + self.build("cdb", "t", **{
            "joe_at_t.example": "x", "gone_at_t.example": "REJECT 5.1.6 Joe has moved",
            "busy_at_t.example": "450 Come back"}), "broken.example:cdb:/nonexistent/x")
        self.serve()
        server = self.start_mailfront(':allow,VERIFY="127.0.0.1:%d"\n' % self.verify.port)
        session = self.smtp(server)
        session.command("EHLO client.example")
        self.assertEqual(session.mail()[0], 250)
        self.assertEqual(session.rcpt("joe@t.example")[0], 250)
        self.assertEqual(session.rcpt("gone@t.example"), (550, "5.1.1 Joe has moved"))
        self.assertEqual(session.rcpt("busy@t.example"), (451, "4.3.0 Come back"))
        self.assertEqual(session.rcpt("eve@t.example")[0], 550)
        self.assertEqual(session.rcpt("eve@broken.example")[0], 451)

    def test_explain(self):
        table = self.build("cdb", "t", **{"joe_at_t.example": "x"})
        self.maps("# tables", "t.example:" + table)
        code, out, err = self.run_verify("--explain", "joe+x@t.example")
        self.assertEqual((code, err), (0, ""))
        self.assertIn('control/verifymaps:2: key "t.example", table "%s"' % table, out)
        self.assertIn('%s: "joe+x@t.example" is not there' % table, out)
        self.assertIn('%s: "joe@t.example" is there, value "x"' % table, out)
        self.assertEqual(self.run_verify("--explain", "eve@t.example")[0], 100)
        self.maps("t.example:cdb:/nonexistent/x")
        code, out, err = self.run_verify("--explain", "joe@t.example")
        self.assertEqual(code, 111, out)
        self.assertIn("/nonexistent/x.cdb", err)

    def test_check_config(self):
        good = self.build("cdb", "t", **{"joe_at_t.example": "x"})
        self.maps("t.example:" + good)
        self.assertEqual(self.run_verify("--check-config")[0], 0)
        bad = self.put("re", "/ok/ x\n\n/(/ y\n")
        self.maps("t.example:" + good, "a.example:cdb:/nonexistent/x", "b.example:pgsql:/x.cf",
                  "c.example:regexp:" + bad, "d.example", "e.example:proxy:pgsql:/x.cf",
                  "f.example:nonesuch:/x", "g.example:texthash:" + self.put("empty", "#\n"))
        code, _, err = self.run_verify("--check-config")
        self.assertEqual(code, 111)
        for line, words in ((2, "/nonexistent/x.cdb: No such file"),
                            (3, "write proxy:pgsql:/x.cf in control/verifymaps, and "
                                "proxy:pgsql:/x.cf in control/proxy_read_maps"),
                            (4, bad + ":3: "), (5, "no table"), (6, "proxymap/proxymap: No such file"),
                            (7, "no table type"), (8, "empty")):
            found = [l for l in err.splitlines() if "control/verifymaps:%d: " % line in l]
            self.assertEqual(len(found), 1, err)
            self.assertIn(words, found[0])
        self.assertEqual(self.run_verify("--check-config", PROXYMAP="nowhere")[0], 111)

    def test_a_networked_table_cannot_be_told(self):
        self.maps("t.example:pgsql:/x.cf", "u.example:unionmap:{static:x, socketmap:unix:/s:y}")
        self.serve()
        self.expect("joe@t.example", UNDECIDED, "table-error")
        self.expect("joe@u.example", UNDECIDED, "table-error")
        self.assertIn("write proxy:pgsql:/x.cf in control/verifymaps",
                      self.verify.log())


class Changes(TableTest):
    """Tables and control/verifymaps, replaced, truncated, emptied and taken away under load."""

    def setUp(self):
        super().setUp()
        self.table = self.build("cdb", "t", **{"joe_at_t.example": "x"})
        self.path = os.path.join(self.tables, "t.cdb")
        self.maps("t.example:" + self.table)
        self.serve()
        self.expect("joe@t.example", VALID, "table")
        self.expect("ann@t.example", NOT_VALID, "unknown-user")

    def test_replaced(self):
        self.build("cdb", "t", **{"ann_at_t.example": "x"})
        self.until("ann@t.example", VALID, "table")
        self.expect("joe@t.example", NOT_VALID, "unknown-user")

    def test_damaged_versions_are_not_taken_up(self):
        with open(self.path, "rb") as f:
            whole = f.read()
        for damaged in (b"", whole[:2000], whole[:-4], b"x" * 4000):
            self.put("t.cdb", damaged)
            time.sleep(1.2)
            self.expect("joe@t.example", VALID, "table")
            self.expect("ann@t.example", NOT_VALID, "unknown-user")
        self.build("cdb", "t", **{"ann_at_t.example": "x"})
        self.until("ann@t.example", VALID, "table")

    def test_truncated_in_place(self):
        os.truncate(self.path, 100)
        self.until("joe@t.example", UNDECIDED, "table-error")
        self.expect("ann@t.example", UNDECIDED, "table-error")
        self.assertTrue(self.verify.alive())
        self.build("cdb", "t", **{"joe_at_t.example": "x"})
        self.until("joe@t.example", VALID, "table")

    def test_vanished(self):
        os.unlink(self.path)
        time.sleep(1.2)
        self.expect("joe@t.example", VALID, "table")
        self.expect("ann@t.example", NOT_VALID, "unknown-user")
        self.verify.stop()
        self.serve()
        self.expect("joe@t.example", UNDECIDED, "table-error")
        self.expect("ann@t.example", UNDECIDED, "table-error")
        self.build("cdb", "t", **{"joe_at_t.example": "x"})
        self.until("joe@t.example", VALID, "table")

    def test_emptied(self):
        self.build("cdb", "t")
        self.until("ann@t.example", UNDECIDED, "table-error")
        self.expect("joe@t.example", UNDECIDED, "table-error")
        self.assertIn("is empty", self.verify.log())

    def test_other_verifymaps(self):
        self.maps("u.example:" + self.table)
        self.until("joe@t.example", VALID, "relay")
        self.maps("t.example:inline:{ann@t.example=x}")
        self.verify.send_signal(signal.SIGHUP)
        self.until("ann@t.example", VALID, "table", 0.9)
        lib.write_atomically(self.tree.at("control/verifymaps"), b"t.example:\0\n")
        self.verify.wait_log("config file=control/verifymaps")
        self.expect("ann@t.example", VALID, "table")
        os.unlink(self.tree.at("control/verifymaps"))
        self.until("ann@t.example", VALID, "relay")

    def test_unreadable_from_the_start(self):
        self.verify.stop()
        lib.write_atomically(self.tree.at("control/verifymaps"), b"t.example:\0\n")
        self.serve()
        self.expect("joe@local.example", UNDECIDED, "control-error")


class Proxied(TableTest):
    """PostgreSQL behind qmail-proxymap."""

    def setUp(self):
        super().setUp()
        self.postgres = peers.Postgres(self)
        self.postgres.feed("CREATE TABLE users (a text PRIMARY KEY, v text);"
                           "INSERT INTO users VALUES ('joe@t.example', 'x'), ('@c.example', 'x'),"
                           "('gone@t.example', 'REJECT moved');")
        self.table = "pgsql:" + self.postgres.table(
            "pg.cf", "SELECT v FROM users WHERE a = '%s'", timeout="2s")
        os.makedirs(self.tree.at("proxymap"))
        os.chmod(self.tree.at("proxymap"), 0o777)
        self.socket = self.tree.at("proxymap", "proxymap")
        self.tree.control("proxy_read_maps", "proxy:" + self.table)
        self.maps("t.example:proxy:" + self.table, "c.example:proxy:" + self.table,
                  "d.example:" + self.build("cdb", "d", **{"joe_at_d.example": "x"}))

    def start_proxy(self):
        environment = {"QMAILHOME": self.tree.path, "LISTEN": "unix:" + self.socket}
        if lib.IS_ROOT:
            environment["PROXYMAPUSER"] = lib.NOBODY

        def greets():
            try:
                with lib.socket.socket(lib.socket.AF_UNIX) as probe:
                    probe.settimeout(1)
                    probe.connect(self.socket)
                    return probe.recv(1) != b""
            except OSError:
                return False
        self.proxy = self.start([lib.program("qmail-proxymap")], environment, greets,
                                name="qmail-proxymap")

    def others_are_answered(self):
        started = time.monotonic()
        self.expect("joe@d.example", VALID, "table")
        self.expect("eve@d.example", NOT_VALID, "unknown-user")
        self.expect("joe@local.example", VALID, "local")
        self.assertLess(time.monotonic() - started, 0.5)

    def test_decides(self):
        self.start_proxy()
        self.serve()
        self.expect("joe@t.example", VALID, "table")
        self.expect("joe+x@t.example", VALID, "table")
        self.expect("eve@t.example", NOT_VALID, "unknown-user")
        self.expect("any@c.example", VALID, "default")
        reply = self.expect("gone@t.example", NOT_VALID, "refused")
        self.assertEqual(reply.fields["text"], "moved")
        code, out, _ = self.run_verify("--explain", "Joe-x@t.example")
        self.assertEqual(code, 0, out)
        self.assertIn('proxy:%s: "joe@t.example" is there' % self.table, out)
        self.assertEqual(self.run_verify("--check-config")[0], 0)

    def test_only_the_worker_loads_the_client(self):
        """The front and the proxy know what kind of table it is without the type's module."""
        self.start_proxy()
        self.serve()
        self.expect("joe@t.example", VALID, "table")

        def has_module(pid):
            with open("/proc/%s/maps" % pid, encoding="ascii") as f:
                return "/qmail-verify/maps/pgsql.so" in f.read()
        self.assertFalse(has_module(self.verify.pid))
        self.assertFalse(has_module(self.proxy.pid))
        spawner, = lib.children(self.proxy.pid)
        self.assertFalse(has_module(spawner))
        self.assertTrue(any(has_module(worker) for worker in lib.children(spawner)))

    def test_not_approved(self):
        self.tree.control("proxy_read_maps", "proxy:cdb:/x")
        self.start_proxy()
        self.serve()
        self.expect("joe@t.example", UNDECIDED, "table-error")
        self.assertIn("control/proxy_read_maps", self.verify.log())

    def test_the_database_is_stopped_and_started(self):
        self.start_proxy()
        self.serve()
        for _ in range(2):
            self.until("joe@t.example", VALID, "table", 15)
            self.expect("eve@t.example", NOT_VALID, "unknown-user")
            self.postgres.stop()
            self.until("joe@t.example", UNDECIDED, "table-error")
            self.expect("new@t.example", UNDECIDED, "table-error")
            self.expect("new@c.example", UNDECIDED, "table-error")
            self.others_are_answered()
            self.postgres.start()
        self.until("joe@t.example", VALID, "table", 15)
        self.assertIn("in service", self.verify.log())

    def test_the_database_hangs(self):
        """Nobody else waits, and who asks is told in time."""
        self.start_proxy()
        self.serve()
        self.expect("joe@t.example", VALID, "table")
        time.sleep(1.1)
        blocker = threading.Thread(target=self.postgres.feed, args=(
            "BEGIN; LOCK users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4);",))
        blocker.start()
        self.addCleanup(blocker.join)
        time.sleep(0.5)
        waiting = [self.client(self.verify, timeout=8) for _ in range(40)]
        ids = [("%016x" % i) for i in range(len(waiting))]
        started = time.monotonic()
        for i, client in enumerate(waiting):
            client.socket.send(lib.encode_query("u%d@t.example" % i, ids[i]))
        self.others_are_answered()
        for i, client in enumerate(waiting):
            reply = lib.Reply(client.socket.recv(2000))
            self.assertEqual((reply.id, reply.result), (ids[i], UNDECIDED))
        self.assertLess(time.monotonic() - started, 4.5)
        blocker.join()
        self.until("joe@t.example", VALID, "table", 15)

    def test_the_proxy_is_stopped_and_started(self):
        self.serve()
        self.expect("joe@t.example", UNDECIDED, "table-error")
        for _ in range(2):
            self.start_proxy()
            self.until("joe@t.example", VALID, "table")
            self.expect("eve@t.example", NOT_VALID, "unknown-user")
            self.proxy.stop(signal.SIGKILL)
            self.until("joe@t.example", UNDECIDED, "table-error")
            self.expect("new@t.example", UNDECIDED, "table-error")
            self.others_are_answered()
        # One that is alive and says nothing.
        self.start_proxy()
        self.until("joe@t.example", VALID, "table")
        self.proxy.send_signal(signal.SIGSTOP)
        self.addCleanup(self.proxy.send_signal, signal.SIGCONT)
        time.sleep(1.1)
        started = time.monotonic()
        self.expect("joe@t.example", UNDECIDED, "timeout")
        self.assertLess(time.monotonic() - started, 4)
        self.others_are_answered()
        self.proxy.send_signal(signal.SIGCONT)
        self.until("joe@t.example", VALID, "table", 10)


if __name__ == "__main__":
    unittest.main()
