// SPDX-License-Identifier: 0BSD
#include "proxymap/options.h"

#include "event/listen.h"

namespace qv::proxymap {

namespace {

using namespace setting;

constexpr std::int64_t kSecondUs = 1'000'000;

}  // namespace

std::vector<Setting> proxymap_settings(Options& o, bool writes) {
  StreamLimits& stream = o.server.stream;
  return with_process_settings(
      o, {{"listen", words(o.listen, check_stream_address),
           writes ? "unix:$qmailhome/proxymap/proxywrite" : "unix:$qmailhome/proxymap/proxymap",
           "sockets to answer on, separated by blanks: unix:/PATH, inet:IP:PORT", "", kOfProcess},
          {"socket_mode", mode(o.socket_mode), "0666", "mode of Unix sockets, octal",
           "SOCKETMODE LISTENMODE", kOfProcess},
          {"account", text(o.account), "qmaild",
           "account the daemon becomes when it is started by root, or :UID:GID", "PROXYMAPUSER",
           kOfProcess},
          {"max_use", number(o.pool.max_use, 0, 1000000000), "100000",
           "look-ups after which a worker process is replaced; 0: never"},
          {"max_idle", duration(o.max_idle_us, 's', 1, 86400, kSecondUs), "100",
           "time without use after which a table is closed"},
          {"ipc_timeout",
           duration('s', 1, 86400,
                    [&](std::int64_t s) { stream.message_us = stream.drain_us = s * kSecondUs; }),
           "100", "time a client may take for one request, and to read one reply"},
          {"ipc_idle", duration(stream.idle_us, 's', 0, 86400, kSecondUs), "0",
           "time after which a client that asks nothing is dropped; 0: never"},
          {"daemon_timeout", duration(o.pool.time_limit_us, 's', 1, 86400, kSecondUs), "100",
           "time a look-up in a networked table may take, waiting included"},
          {"client_limit", number(o.server.max_clients, 1, 1000000), "15000",
           "clients at a time; one more takes the place of the one idle longest"},
          {"message_limit",
           number(4096, 1073741824,
                  [&](std::uint64_t bytes) {
                    o.max_message = bytes;
                    stream.max_input = bytes + 1;  // the decoder says it first
                  }),
           "1048576", "bytes of one request"},
          {"worker_limit", number(o.pool.workers, 1, 1000), "16",
           "processes that ask networked tables"},
          {"table_concurrency",
           number(1, 1000, [&o, writes](std::uint64_t n) { o.pool.per_lane = writes ? 1 : n; }),
           "4", "look-ups in one networked table at a time"},
          {"table_queue_limit", number(o.pool.lane_queue, 0, 1000000), "1000",
           "look-ups that wait for one networked table; more are told to try again"}});
}

}  // namespace qv::proxymap
