// SPDX-License-Identifier: 0BSD
// proxymap/event.h - what happens to a proxy that its operator may want to read.
//
// The room tells; the program writes the log line, or a test looks.
#ifndef QV_PROXYMAP_EVENT_H_
#define QV_PROXYMAP_EVENT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace qv::proxymap {

enum class EventKind : std::uint8_t {
  refused,      // a table that is not approved; `file` and `line` say what would approve it
  not_allowed,  // an approved table, but not for this: `detail`
  bad_request,  // a message that makes no sense; its client is dropped
  dropped,      // a client that broke a limit
  trouble,      // a table that cannot answer
  recovered,    // it can again
  notice,       // of a table, or of a control file: `detail`
};

struct Event {
  EventKind kind = EventKind::notice;
  std::string_view operation = {};
  std::string_view table = {};
  std::string_view status = {};
  std::string_view file = {};
  std::string_view line = {};
  std::string_view detail = {};
  int client = -1;  // descriptor of the client it is about
};

// What the log calls each EventKind, in their order.
inline constexpr std::string_view kEventNames[] = {
    "refused", "not-allowed", "bad-request", "dropped", "trouble", "recovered", "notice"};

using Tell = std::function<void(const Event&)>;

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_EVENT_H_
