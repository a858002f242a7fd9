#!/usr/bin/env python3
# SPDX-License-Identifier: 0BSD
"""What .qmail files say, through the daemon: trees of vpopmail, vmailmgr and fastforward."""

import os
import signal
import unittest

import lib
from lib import NOT_VALID, UNDECIDED, VALID


def vmailmgr_record(expiry=b"-"):
    fields = [b"crypt", b"./users/x", b"", b"-", b"-", b"-", b"-", b"-", b"1", expiry]
    return b"\2\x08\1\0" + b"\0".join(fields) + b"\0"


class DotQmail(lib.E2eTest):
    def setUp(self):
        super().setUp()
        self.tree = lib.small_tree(self.at("qmail"))
        self.homes = {}

    def domain(self, domain, user):
        """A virtual domain, its home that of a vpopmail domain: all `user-`."""
        home, uid, gid = self.tree.home(user, mode=0o700)
        self.homes[user] = (home, uid, gid)
        self.tree.assign("+%s-:%s:%d:%d:%s:-::" % (user, user, uid, gid, home))
        with open(self.tree.at("control/virtualdomains"), encoding="ascii") as f:
            lines = f.read().splitlines()
        self.tree.control("virtualdomains", *lines, "%s:%s" % (domain, user))
        self.tree.compile()

    def put(self, user, name, data, mode=0o600):
        """A file that only its owner can read."""
        home, uid, gid = self.homes[user]
        path = os.path.join(home, name)
        lib.write_atomically(path, data, mode)
        if lib.IS_ROOT:
            os.chown(path, uid, gid)
        return path

    def serve(self, **env):
        self.verify = self.start_verify(self.tree, CACHETTL=0, **env)
        self.asker = self.client(self.verify)

    def expect(self, address, result, why, user=None):
        reply = self.asker.ask(address)
        self.assertEqual((reply.result, reply.why), (result, why), address)
        return reply


class Vpopmail(DotQmail):
    def setUp(self):
        super().setUp()
        self.domain("pop.example", "pop")
        self.users(bob=0, gone=0x10)
        self.put("pop", ".qmail-default", "| /x/bin/vdelivermail '' bounce-no-mailbox\n")

    def users(self, **flags):
        records = [(name.encode(), b"$1$x:1:%d:Name:/x/%s:NOQUOTA" % (flag, name.encode()))
                   for name, flag in flags.items()]
        self.put("pop", "vpasswd.cdb", lib.cdb_bytes(records))

    def test_users(self):
        self.serve()
        self.expect("bob@pop.example", VALID, "local")
        self.expect("eve@pop.example", NOT_VALID, "unknown-user")
        self.expect("gone@pop.example", NOT_VALID, "bounced")
        reply = self.asker.legacy("bob@pop.example")
        self.assertEqual((reply.result, reply.position, reply.user), (VALID, 12, "pop"))

    def test_a_new_user_is_noticed_and_a_removed_one(self):
        self.serve()
        self.expect("eve@pop.example", NOT_VALID, "unknown-user")
        self.users(bob=0, eve=0)
        self.expect("eve@pop.example", VALID, "local")
        self.users(eve=0)
        self.expect("bob@pop.example", NOT_VALID, "unknown-user")

    def test_a_damaged_table(self):
        self.serve()
        self.expect("bob@pop.example", VALID, "local")
        self.put("pop", "vpasswd.cdb", b"half a table")
        self.expect("bob@pop.example", UNDECIDED, "table-error")
        self.users(bob=0)
        self.expect("bob@pop.example", VALID, "local")

    def test_a_table_cut_short_in_place(self):
        self.serve()
        self.expect("bob@pop.example", VALID, "local")
        os.truncate(os.path.join(self.homes["pop"][0], "vpasswd.cdb"), 100)
        self.expect("bob@pop.example", UNDECIDED, "table-error")
        self.assertTrue(self.verify.alive())

    def test_the_front_never_has_the_table(self):
        """It holds passwords: only helpers, as the owner, look into it, and keep nothing of it."""
        self.serve()
        self.expect("bob@pop.example", VALID, "local")
        self.expect("eve@pop.example", NOT_VALID, "unknown-user")
        table = os.stat(os.path.join(self.homes["pop"][0], "vpasswd.cdb"))
        processes = [self.verify.pid, *lib.descendants(self.verify.pid)]
        self.assertGreater(len(processes), 2, "front, spawner and workers")
        for pid in processes:
            with self.subTest(pid=pid):
                for fd in os.listdir("/proc/%d/fd" % pid):
                    self.assertFalse(os.path.samestat(os.stat("/proc/%d/fd/%s" % (pid, fd)), table))
                with open("/proc/%d/maps" % pid, encoding="utf-8") as maps:
                    self.assertNotIn("vpasswd", maps.read())

    @unittest.skipUnless(lib.IS_ROOT, "root alone can keep a file from its owner")
    def test_a_table_that_the_owner_cannot_read(self):
        os.chown(os.path.join(self.homes["pop"][0], "vpasswd.cdb"), 0, 0)
        self.serve()
        self.expect("bob@pop.example", UNDECIDED, "table-error")

    def test_delete(self):
        self.put("pop", ".qmail-default", "| /x/bin/vdelivermail '' delete\n")
        self.serve()
        self.expect("eve@pop.example", NOT_VALID, "unknown-user")
        self.verify.stop()
        self.serve(VDELIVERMAIL_DELETE="accept")
        self.expect("eve@pop.example", VALID, "default")

    def test_extensions(self):
        self.serve()
        self.expect("bob-x@pop.example", NOT_VALID, "unknown-user")
        self.verify.stop()
        self.serve(VDELIVERMAIL_EXT="yes")
        self.expect("bob-x@pop.example", VALID, "local")

    def test_exists(self):
        """As the ancestor: that there is a file says enough."""
        self.serve(DOTQMAIL="exists")
        self.expect("eve@pop.example", VALID, "default")

    def test_bad_settings(self):
        for env in ({"DOTQMAIL": "maybe"}, {"VDELIVERMAIL_DELETE": "bounce"},
                    {"VDELIVERMAIL_EXT": "1"}):
            with self.subTest(**env):
                process = self.start_verify(self.tree, wait=False, **env)
                self.assertEqual(process.wait(), 111)
                self.assertIn(next(iter(env)), process.log())

    def test_users_in_sql(self):
        os.unlink(os.path.join(self.homes["pop"][0], "vpasswd.cdb"))
        self.serve()
        self.expect("eve@pop.example", VALID, "default")
        self.put("pop", "vpasswd", "bob:x:1:0:Bob:/x:NOQUOTA\n")
        self.expect("eve@pop.example", UNDECIDED, "table-error")

    def test_explain(self):
        env = lib.verify_environment(self.tree.path, "127.0.0.1:1")
        code, out, _ = self.run_program(
            [lib.program("qmail-verify"), "--explain", "eve@pop.example"], env)
        self.assertEqual(code, 100)
        self.assertIn('".qmail-default", line 1: vdelivermail: "eve" is not in vpasswd.cdb', out)


class Vmailmgr(DotQmail):
    def test_users(self):
        self.domain("vm.example", "vm")
        self.put("vm", ".qmail-default", "|vdeliver\n")
        records = [(b"ann", vmailmgr_record()), (b"old", vmailmgr_record(b"1000"))]
        self.put("vm", "passwd.cdb", lib.cdb_bytes(records))
        self.serve()
        self.expect("Ann@vm.example", VALID, "local")
        self.expect("eve@vm.example", NOT_VALID, "unknown-user")
        self.expect("old@vm.example", NOT_VALID, "disabled")
        self.put("vm", "passwd.cdb", lib.cdb_bytes(records + [(b"+", vmailmgr_record())]))
        self.expect("eve@vm.example", VALID, "default")


class Fastforward(DotQmail):
    def setforward(self, user, name, text):
        """Debian's setforward makes the table; only its owner may read it."""
        home, uid, gid = self.homes[user]
        path = os.path.join(home, name)
        code, _, err = self.run_program([lib.peer("setforward"), path, path + ".tmp"],
                                        input=text.encode())
        self.assertEqual(code, 0, err)
        os.chmod(path, 0o600)
        if lib.IS_ROOT:
            os.chown(path, uid, gid)
        return path

    def test_tables_of_setforward(self):
        self.domain("ff.example", "ff")
        table = self.setforward("ff", "aliases.cdb",
                                "sales@ff.example: joe@local.example;\nhelp@: mary;\n")
        self.put("ff", ".qmail-default", "|fastforward -d %s\n" % table)
        self.serve()
        self.expect("sales@ff.example", VALID, "alias")
        self.expect("SALES@FF.example", VALID, "alias")
        self.expect("help@ff.example", VALID, "alias")
        self.expect("nobody@ff.example", NOT_VALID, "unknown-user")
        self.setforward("ff", "aliases.cdb", "@ff.example: joe;\n")
        self.expect("nobody@ff.example", VALID, "alias")
        os.unlink(table)
        self.expect("sales@ff.example", UNDECIDED, "table-error")

    def test_pass_through(self):
        self.domain("ff.example", "ff")
        self.setforward("ff", "a.cdb", "sales@ff.example: joe;\n")
        self.put("ff", ".qmail-default", "|fastforward -d -p a.cdb\n|bouncesaying 'Try sales.'\n")
        self.serve()
        self.expect("sales@ff.example", VALID, "alias")
        reply = self.expect("nobody@ff.example", NOT_VALID, "bounced")
        self.assertEqual(reply.fields["text"], "Try sales.")

    def test_the_real_program_says_the_same(self):
        """fastforward -n tells what it would do, with qmail-local's environment."""
        self.domain("ff.example", "ff")
        table = self.setforward("ff", "a.cdb", "sales@ff.example: joe;\n@all.example: joe;\nx@: y;\n")
        self.put("ff", ".qmail-default", "|fastforward -d a.cdb\n")
        self.serve()
        for local in ("sales", "x", "nobody", "sales-x"):
            env = {"DEFAULT": local, "HOST": "ff.example", "RECIPIENT": "ff-%s@ff.example" % local,
                   "SENDER": "a@b.example", "NEWSENDER": "a@b.example", "DTLINE": "x\n"}
            code, _, _ = self.run_program([lib.peer("fastforward"), "-n", "-d", table], env)
            with self.subTest(local):
                expected = {0: VALID, 100: NOT_VALID}[code]
                self.assertEqual(self.asker.ask(local + "@ff.example").result, expected)


class Others(DotQmail):
    def test_bouncesaying_in_smtp_text(self):
        self.domain("b.example", "b")
        self.put("b", ".qmail-default", "./Maildir/\n")
        self.put("b", ".qmail-old", "|bouncesaying 'Moved away.'\n")
        self.put("b", ".qmail-ask", "|bouncesaying 'Moved away.' grep -q x\n")
        self.put("b", ".qmail-blank", "\n./Maildir/\n")
        self.serve()
        reply = self.expect("old@b.example", NOT_VALID, "bounced")
        self.assertEqual((reply.position, reply.fields["text"]), (10, "Moved away."))
        self.expect("ask@b.example", VALID, "dotqmail")
        self.expect("blank@b.example", UNDECIDED, "home-error")
        self.expect("any@b.example", VALID, "default")

    def test_changed_contents_after_hup(self):
        self.domain("b.example", "b")
        self.put("b", ".qmail-default", "./Maildir/\n")
        verify = self.start_verify(self.tree, CACHETTL=3600)
        client = self.client(verify)
        self.assertEqual(client.ask("x@b.example").result, VALID)
        self.put("b", ".qmail-default", "|bouncesaying 'no'\n")
        verify.send_signal(signal.SIGHUP)
        lib.wait_until(lambda: client.ask("x@b.example").result == NOT_VALID, 3, "contents read again")


if __name__ == "__main__":
    unittest.main()
