// SPDX-License-Identifier: 0BSD
// The client table against the real proxy, which runs in a child process.
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event/libevent_loop.h"
#include "event/listen.h"
#include "event/stream_server.h"
#include "maps/table_builder.h"
#include "proxymap/session.h"
#include "proxymap/worker.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

[[noreturn]] void run_proxy(const std::string& socket, const std::string& list, bool writes) {
  using namespace proxymap;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  event::LibeventLoop loop;
  proxymap::AllowList allow_list(list, [](const control::Problem&) {});
  proxymap::Tables tables(
      [](std::string_view table, const MapOptions& options) {
        return open_watched_map(table, options, [](std::string_view) {});
      },
      writes);
  process::Pool pool(loop, process::start_spawner(proxymap::worker_spawner({})).value(), {},
                     nullptr);
  proxymap::Counters counters;
  proxymap::ServiceSettings settings;
  settings.writes = writes;
  proxymap::Service service(loop, settings, allow_list, tables, pool, counters,
                            [](const proxymap::Event&) {});
  event::StreamServer server(loop, {});
  Result<Fd> listener = event::listen_on(event::parse_stream_address(socket).value(), {});
  if (!listener.ok()) _exit(111);
  server.serve(std::move(listener).value(), [&service](event::Stream& stream) {
    return std::make_unique<proxymap::Session>(service, stream, wire::AttributeLimits{});
  });
  loop.run();
  _exit(0);
}

// One process of each service in front of an LMDB file.
class Table final : public ContractTable {
 public:
  Table() {
    std::string detail;
    Result<std::unique_ptr<TableBuilder>> builder = TableBuilder::begin(
        table(), std::nullopt, Duplicates::keep_first, [](std::string_view) {}, detail);
    EXPECT_TRUE(builder.ok()) << detail;
    EXPECT_TRUE(builder.value()->add(known_key, known_value).ok());
    EXPECT_TRUE(builder.value()->finish(detail).ok()) << detail;
    scratch_.write("list", "proxy:" + table() + "\n");
    EXPECT_TRUE(start());
    damages.push_back({"proxy is gone", [this] { stop(); }});
    damages.push_back({"proxy is gone, open", [this] { stop(); }, true});
    damages.push_back(
        {"table behind it is gone", [this] { unlink(scratch_.path("t.lmdb").c_str()); }});
    damages.push_back({"not approved", [this] {
                         stop();
                         scratch_.write("list", "# nothing\n");
                         EXPECT_TRUE(start());
                       }});
    kill = [this] { stop(); };
    revive = [this] { return start(); };
  }
  ~Table() override { stop(); }

  // Several of these tables may be there at a time; each is opened as soon as it is named.
  std::string name() const override {
    setenv("PROXYMAP", socket("read").c_str(), 1);
    setenv("PROXYWRITE", socket("write").c_str(), 1);
    return "proxy:" + table();
  }

 private:
  std::string table() const { return "lmdb:" + scratch_.path("t"); }
  std::string socket(const char* which) const { return "unix:" + scratch_.path(which); }

  bool start() { return start_one("read", false) && start_one("write", true); }
  bool start_one(const char* which, bool writes) {
    const pid_t pid = fork();
    if (pid == 0) run_proxy(socket(which), scratch_.path("list"), writes);
    pids_.push_back(pid);
    const event::StreamAddress address = event::parse_stream_address(socket(which)).value();
    for (int i = 0; i < 500; ++i) {
      bool in_progress = false;
      if (event::start_connect(address, in_progress).ok()) return true;
      usleep(10000);
    }
    return false;
  }
  void stop() {
    for (const pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
    pids_.clear();
  }

  Scratch scratch_;
  std::vector<pid_t> pids_;
};

const RegisterContract registered("proxy", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
