// SPDX-License-Identifier: 0BSD
#include "tests/maps/servers.h"

#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fstream>

#include "core/clock.h"

namespace qv::maps {

namespace {

constexpr std::int64_t kStartUs = 60'000'000;  // machines under load are slow
constexpr useconds_t kPollUs = 20'000;

// `command` in front of which root becomes nobody.
std::vector<std::string> as_nobody(const std::vector<std::string>& command) {
  std::vector<std::string> words;
  if (geteuid() == 0) {
    words = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"};
  }
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

[[noreturn]] void execute(const std::vector<std::string>& command, int input, int output) {
  dup2(input, 0);
  dup2(output, 1);
  dup2(output, 2);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

pid_t spawn(const std::vector<std::string>& command, int input, const std::string& log,
            bool dies_with_us) {
  const Fd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  if (dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != parent) _exit(127);
  execute(command, input, output.get());
}

std::string missing_of(const std::vector<std::vector<std::string>>& programs) {
  for (const auto& patterns : programs) {
    if (find_program(patterns).empty()) return patterns.front();
  }
  return {};
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string id = std::to_string(pid);
  std::ifstream list("/proc/" + id + "/task/" + id + "/children");
  std::vector<pid_t> children;
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

const std::vector<std::string> kSetpriv = {"/usr/bin/setpriv"};

}  // namespace

std::string find_program(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    glob_t found{};
    const bool any = glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc > 0;
    const std::string path = any ? found.gl_pathv[found.gl_pathc - 1] : "";
    globfree(&found);
    if (any) return path;
  }
  return {};
}

bool run_command(const std::vector<std::string>& command, const std::string& input,
                 const std::string& log) {
  const Fd file(memfd_create("input", MFD_CLOEXEC));
  if (!write_all(file.get(), input).ok() || lseek(file.get(), 0, SEEK_SET) != 0) return false;
  const pid_t pid = spawn(command, file.get(), log, false);
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void ServerProcess::start(const std::vector<std::string>& command, const std::string& log) {
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  pid_ = spawn(command, nothing.get(), log, true);
}

bool ServerProcess::has_ended() {
  if (pid_ <= 0 || waitpid(pid_, nullptr, WNOHANG) != pid_) return false;
  pid_ = -1;
  return true;
}

void ServerProcess::end(int signal_number) {
  if (pid_ <= 0) return;
  // PostgreSQL's backends outlive its first process for a moment, and answer.
  const std::vector<pid_t> children =
      signal_number == SIGKILL ? children_of(pid_) : std::vector<pid_t>{};
  ::kill(pid_, signal_number);
  for (const pid_t child : children) ::kill(child, SIGKILL);
  const std::int64_t until = monotonic_us() + 5'000'000;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (monotonic_us() > until) ::kill(pid_, SIGKILL);
    usleep(2000);
  }
  pid_ = -1;
}

bool TestServer::start() {
  if (process_.running()) return true;
  if (!prepared_) {
    EXPECT_EQ(chmod(scratch_.directory().c_str(), 0777), 0);
    prepared_ = prepare();
    if (!prepared_) ADD_FAILURE() << scratch_.read("log");
    if (!prepared_) return false;
  }
  process_.start(as_nobody(command()), scratch_.path("log"));
  for (const std::int64_t until = monotonic_us() + kStartUs; monotonic_us() < until;) {
    if (answers()) return true;
    // After a kill, PostgreSQL does not start while a child of the old one is still there.
    if (process_.has_ended()) process_.start(as_nobody(command()), scratch_.path("log"));
    usleep(kPollUs);
  }
  ADD_FAILURE() << "no answer from " << command().front() << "\n" << scratch_.read("log");
  return false;
}

void TestServer::freeze() const {
  ::kill(process_.pid(), SIGSTOP);
  // Its threads have all stopped when the kernel says so.
  while (waitpid(process_.pid(), nullptr, WUNTRACED) < 0 && errno == EINTR) {
  }
}
void TestServer::thaw() const { ::kill(process_.pid(), SIGCONT); }

namespace {

class Postgres final : public TestServer {
 public:
  std::string missing() const override { return missing_of({kInitdb, kPostgres, kPsql, kSetpriv}); }
  std::string host() const override { return "unix:" + scratch_.directory(); }
  bool feed(const std::string& text) override {
    return run_command({find_program(kPsql), "-q", "-X", "-v", "ON_ERROR_STOP=1", "-h",
                        scratch_.directory(), "-U", "mail", "-d", "postgres"},
                       text, scratch_.path("log"));
  }

 protected:
  bool prepare() override {
    return run_command(as_nobody({find_program(kInitdb), "-D", scratch_.path("data"), "-N", "-U",
                                  "mail", "-A", "trust", "--locale=C", "-E", "UTF8"}),
                       "", scratch_.path("log"));
  }
  std::vector<std::string> command() const override {
    return {find_program(kPostgres), "-D", scratch_.path("data"), "-k", scratch_.directory(), "-c",
            "listen_addresses=",     "-c", "fsync=off",           "-c", "max_connections=20"};
  }
  bool answers() override { return feed("SELECT 1;"); }

 private:
  static inline const std::vector<std::string> kInitdb = {"/usr/lib/postgresql/*/bin/initdb",
                                                          "/usr/bin/initdb"};
  static inline const std::vector<std::string> kPostgres = {"/usr/lib/postgresql/*/bin/postgres",
                                                            "/usr/bin/postgres"};
  static inline const std::vector<std::string> kPsql = {"/usr/bin/psql"};
};

class Mariadb final : public TestServer {
 public:
  std::string missing() const override { return missing_of({kServer, kClient, kSetpriv}); }
  std::string host() const override { return "unix:" + scratch_.path("s"); }
  bool feed(const std::string& text) override {
    return run_command({find_program(kClient), "--no-defaults", "-S", scratch_.path("s")}, text,
                       scratch_.path("log"));
  }

 protected:
  // Without grant tables an empty directory is a database.
  bool prepare() override {
    return run_command(as_nobody({"mkdir", "-p", scratch_.path("data/mysql")}), "",
                       scratch_.path("log"));
  }
  std::vector<std::string> command() const override {
    return {find_program(kServer),
            "--no-defaults",
            "--datadir=" + scratch_.path("data"),
            "--socket=" + scratch_.path("s"),
            "--pid-file=" + scratch_.path("data/pid"),
            "--skip-networking",
            "--skip-grant-tables",
            "--innodb-buffer-pool-size=8M",
            "--innodb-log-file-size=4M",
            "--innodb-flush-log-at-trx-commit=0"};
  }
  bool answers() override { return feed("SELECT 1;"); }

 private:
  static inline const std::vector<std::string> kServer = {"/usr/sbin/mariadbd",
                                                          "/usr/libexec/mariadbd"};
  static inline const std::vector<std::string> kClient = {"/usr/bin/mariadb", "/usr/bin/mysql"};
};

class Slapd final : public TestServer {
 public:
  std::string missing() const override { return missing_of({kServer, kClient, kSetpriv}); }
  std::string host() const override {
    std::string socket;
    for (const char c : scratch_.path("s")) socket += c == '/' ? "%2F" : std::string(1, c);
    return "ldapi://" + socket;
  }
  bool feed(const std::string& text) override {
    return run_command({find_program(kClient), "-c", "-x", "-H", host(), "-D",
                        "cn=admin,dc=example,dc=org", "-w", "secret"},
                       text, scratch_.path("log"));
  }

 protected:
  bool prepare() override {
    std::string config;
    for (const char* schema : {"core", "cosine", "inetorgperson"}) {
      const std::string name = std::string(schema) + ".schema";
      config += "include " +
                find_program({"/etc/ldap/schema/" + name, "/etc/openldap/schema/" + name}) + "\n";
    }
    scratch_.write("slapd.conf",
                   config +
                       "modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\n"
                       "suffix \"dc=example,dc=org\"\nrootdn \"cn=admin,dc=example,dc=org\"\n"
                       "rootpw secret\nmaxsize 16777216\ndbnosync\ndirectory " +
                       scratch_.path("data") + "\n");
    return run_command(as_nobody({"mkdir", scratch_.path("data")}), "", scratch_.path("log"));
  }
  std::vector<std::string> command() const override {
    return {find_program(kServer), "-d", "0", "-f", scratch_.path("slapd.conf"), "-h", host()};
  }
  bool answers() override {
    return run_command({"/usr/bin/ldapwhoami", "-x", "-H", host()}, "", scratch_.path("log"));
  }

 private:
  static inline const std::vector<std::string> kServer = {"/usr/sbin/slapd", "/usr/libexec/slapd"};
  static inline const std::vector<std::string> kClient = {"/usr/bin/ldapadd"};
};

class Redis final : public TestServer {
 public:
  std::string missing() const override { return missing_of({kServer, kClient, kSetpriv}); }
  std::string host() const override { return "unix:" + scratch_.path("s"); }
  bool feed(const std::string& text) override {
    return run_command({find_program(kClient), "-e", "-s", scratch_.path("s")}, text,
                       scratch_.path("log"));
  }

 protected:
  bool prepare() override { return true; }
  std::vector<std::string> command() const override {
    return {find_program(kServer),
            "--port",
            "0",
            "--unixsocket",
            scratch_.path("s"),
            "--unixsocketperm",
            "777",
            "--save",
            "",
            "--dir",
            scratch_.directory()};
  }
  bool answers() override {
    return run_command({find_program(kClient), "-s", scratch_.path("s"), "PING"}, "",
                       scratch_.path("log"));
  }

 private:
  static inline const std::vector<std::string> kServer = {"/usr/bin/redis-server"};
  static inline const std::vector<std::string> kClient = {"/usr/bin/redis-cli"};
};

}  // namespace

// Ended with the process, by the kernel; their directories by the destructors.
TestServer& postgres_server() {
  static Postgres server;
  return server;
}
TestServer& mariadb_server() {
  static Mariadb server;
  return server;
}
TestServer& ldap_server() {
  static Slapd server;
  return server;
}
TestServer& redis_server() {
  static Redis server;
  return server;
}

}  // namespace qv::maps
