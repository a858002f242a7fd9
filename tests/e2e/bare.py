# SPDX-License-Identifier: 0BSD
"""The commands of README on a machine that has never seen the project: a minimal Debian, made with
debootstrap and with nothing but make added, in a temporary directory that is its root.

Runs by itself (`make bare`), for it takes minutes and fetches packages.  Needs root and debootstrap;
without the package registry everything is skipped.  BARE_SUITE and BARE_MIRROR name another release
and another mirror.
"""

import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import lib

MIRROR = os.environ.get("BARE_MIRROR", "http://deb.debian.org/debian")
HOOKS = ("hooks/exim/verifyrcpt-exim.so", "hooks/mailfront/plugin-verifyrcpt.so",
         "hooks/milter/rcptmilter")
USER = "newcomer"
SECONDS = 1800  # nothing here takes as long
# What a process in there inherits from us: nothing.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
# Mounts and processes of its own, which are gone when it ends, and devices of its own: nothing of this
# machine can be reached, or removed, from in there.
ENTER = """
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${number%:*}" "$root/dev/${number#*:}"; done
exec chroot "$root" "$@"
"""


def suite():
    """The release of this machine where it is a Debian, else one that is known to do."""
    found = os.environ.get("BARE_SUITE")
    if not found:
        with contextlib.suppress(OSError), open("/etc/os-release", encoding="utf-8") as f:
            facts = dict(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
            if facts.get("ID") == "debian":
                found = facts.get("VERSION_CODENAME")
    return found or "bookworm"


def all_types():
    """Every table type that the sources define."""
    types = set()
    for path in glob.glob(os.path.join(lib.TOP, "maps", "**", "*.cc"), recursive=True):
        with open(path, encoding="utf-8") as f:
            types |= set(re.findall(r"^extern const MapType map_type_(\w+)", f.read(), re.M))
    return types


def copy_of_the_tree(destination):
    """A clone, and what is not committed yet with it."""
    subprocess.run(["git", "clone", "-q", lib.TOP, destination], check=True)
    listing = subprocess.run(["git", "ls-files", "-mo", "--exclude-standard"], cwd=lib.TOP, check=True,
                             stdout=subprocess.PIPE, text=True).stdout.splitlines()
    for name in listing:
        source, target = os.path.join(lib.TOP, name), os.path.join(destination, name)
        if os.path.exists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target)
        elif os.path.exists(target):
            os.unlink(target)


def remove(path):
    """Removes a system, and never what is mounted in it."""
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


class Machine:
    """A fresh copy of the minimal system, with a clone in /src that USER owns."""

    def __init__(self, base, path):
        self.path = path
        subprocess.run(["cp", "-a", base, path], check=True)
        if os.path.exists("/etc/resolv.conf"):
            shutil.copyfile("/etc/resolv.conf", self.at("etc/resolv.conf"))
        copy_of_the_tree(self.at("src"))
        self.run("useradd -m %s && chown -R %s /src" % (USER, USER))

    def at(self, name):
        return os.path.join(self.path, name)

    def try_to(self, command, user="root"):
        """(exit code, output) of a shell command in /src; what it does is shown as it goes."""
        print("-- as %s: %s" % (user, command), flush=True)
        began = time.monotonic()
        inner = ["su", user, "-s", "/bin/sh", "-c", "cd /src && " + command] if user != "root" else \
            ["sh", "-c", "git config --global --add safe.directory '*' 2>/dev/null; cd /src && " + command]
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "enter",
             self.path, *inner],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, timeout=SECONDS)
        print("   exit code %d after %d s" % (done.returncode, time.monotonic() - began), flush=True)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def run(self, command, user="root"):
        """Output of a command that must succeed."""
        code, output = self.try_to(command, user)
        if code != 0:
            raise AssertionError("as %s: %s: exit code %d\n%s" % (user, command, code, output))
        return output

    def types(self):
        return {line.split()[0] for line in self.run("build/bin/qmail-map types").splitlines() if line}

    def hooks(self):
        return {name for name in HOOKS if os.path.exists(self.at("src/build/" + name))}

    def has_package(self, name):
        return self.try_to("dpkg -s %s | grep -q '^Status: .* installed'" % name)[0] == 0


class BareTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not lib.IS_ROOT:
            raise unittest.SkipTest("a system in a directory is made by root")
        debootstrap = lib.peer("debootstrap")
        if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            raise unittest.SkipTest("no namespaces here")
        try:
            urllib.request.urlopen("%s/dists/%s/Release" % (MIRROR, suite()), timeout=60).close()
        except OSError as error:
            raise unittest.SkipTest("cannot reach %s: %s" % (MIRROR, error)) from None
        cls.directory = tempfile.mkdtemp(prefix="qmail-verify-bare-", dir="/var/tmp")
        cls.addClassCleanup(remove, cls.directory)
        cls.base = os.path.join(cls.directory, "base")
        done = subprocess.run([debootstrap, "--variant=minbase", "--include=make", suite(), cls.base,
                               MIRROR], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=SECONDS)
        if done.returncode != 0:
            raise AssertionError("debootstrap: exit code %d\n%s" % (done.returncode, done.stdout))

    def setUp(self):
        path = os.path.join(self.directory, "root%d" % len(os.listdir(self.directory)))
        self.addCleanup(remove, path)
        self.machine = Machine(self.base, path)

    def assert_everything_is_built(self):
        self.assertEqual(self.machine.types(), all_types())
        self.assertEqual(self.machine.hooks(), set(HOOKS))

    def assert_demo_has_shown_its_refusals(self, output):
        self.assertIn("ghost does not: 550", output)
        self.assertIn("It refuses ghost, so we refuse at once: 550", output)
        self.assertNotIn("Traceback", output)

    def test_demo_first_then_what_check_needs_and_then_less(self):
        """What arrives between two builds is built and chosen; what goes away again is neither."""
        machine = self.machine
        output = machine.run("make demo")
        self.assertRegex(output, r"installing: .*\bg\+\+")
        self.assertRegex(output, r"to fetch: \d")
        self.assertRegex(output, r"left out: hooks/milter \(libmilter/mfapi.h not found\)")
        self.assertIn("left out: pcre(libpcre2-8)", output)
        self.assertRegex(output, r"(?m)^\[1/\d+\] ")
        self.assert_demo_has_shown_its_refusals(output)
        self.assertEqual(machine.hooks(), {"hooks/mailfront/plugin-verifyrcpt.so"})
        self.assertNotIn("pcre", machine.types())

        machine.run("make deps")
        output = machine.run("make all")
        self.assertNotIn("left out", output)
        self.assertNotIn("CXX rcpt/", output, "nothing was built again that needs no new library")
        self.assert_everything_is_built()

        machine.run("apt-get remove -qq -y libpcre2-dev libmilter-dev")
        output = machine.run("make all")
        self.assertIn("left out: pcre(libpcre2-8)", output)
        self.assertEqual(machine.types(), all_types() - {"pcre"})
        self.assertEqual(machine.hooks(), set(HOOKS) - {"hooks/milter/rcptmilter"})
        self.assertEqual(machine.run("sh tools/deps -n build"), "")

    def test_what_check_needs_first_beside_a_host_s_own_exim_and_as_a_user(self):
        """Nothing that the host has is removed; who is not root is shown the line to type."""
        machine = self.machine
        machine.run("apt-get update -qq && apt-get install -qq -y --no-install-recommends exim4-daemon-light")
        code, output = machine.try_to("make check", USER)
        self.assertNotEqual(code, 0)
        line = re.search(r"^  (apt-get update && apt-get install .*)$", output, re.M).group(1)
        self.assertNotIn(" postfix", line)
        machine.run(line)
        self.assertTrue(machine.has_package("exim4-daemon-light"))

        output = machine.run("make deps")
        self.assertRegex(output, r"not installed:.* postfix")
        self.assertTrue(machine.has_package("exim4-daemon-light"))
        self.assertFalse(machine.has_package("postfix"))

        machine.run("make -j2", USER)
        self.assert_everything_is_built()
        self.assert_demo_has_shown_its_refusals(machine.run("make demo", USER))


if __name__ == "__main__":
    sys.exit(unittest.main())
